/* cache.c - answers kept for as long as their TTL allows, in a bounded number of records.
 * The least recently used go first. Failures (time-outs, SERVFAIL) are not kept: whoever asks
 * again wants to know whether it works now, and questions that come together share one query. */
#include <postrider/clock.h>

#include "room.h"

struct entry {
	const struct dns_answer *answer;
	enum dns_result	 result;
	int64_t		 until_ms;
	size_t		 weight;
	char		*key;
	TAILQ_ENTRY(entry) link;
};

static struct hash entries;		/* key -> struct entry */
static TAILQ_HEAD(entry_list, entry) order = TAILQ_HEAD_INITIALIZER(order);	/* used last first */
static size_t weight;

bool cache_key(char key[KEY_SIZE], const char *name, enum dns_type type)
{
	size_t n = (size_t)snprintf(key, KEY_SIZE, "%d %s", (int)type, name);

	if (n >= KEY_SIZE)
		return false;
	str_lower(key);
	return true;
}

static void entry_drop(struct entry *e)
{
	hash_del(&entries, e->key);
	TAILQ_REMOVE(&order, e, link);
	weight -= e->weight;
	answer_unref(e->answer);
	free(e->key);
	free(e);
}

const struct dns_answer *cache_get(const char *key, enum dns_result *result_r)
{
	struct entry *e = hash_get(&entries, key);

	if (e == NULL)
		return NULL;
	if (e->until_ms <= now_ms()) {
		entry_drop(e);
		return NULL;
	}
	if (e != TAILQ_FIRST(&order)) {
		TAILQ_REMOVE(&order, e, link);
		TAILQ_INSERT_HEAD(&order, e, link);
	}
	*result_r = e->result;
	return answer_ref(e->answer);
}

void cache_put(const char *key, const struct dns_answer *answer, enum dns_result result, uint32_t ttl_s)
{
	struct entry *e = hash_get(&entries, key);

	if (e != NULL)
		entry_drop(e);
	if (ttl_s == 0)
		return;
	e = xcalloc(1, sizeof(*e));
	e->answer = answer_ref(answer);
	e->result = result;
	e->until_ms = now_ms() + (int64_t)ttl_s * 1000;
	e->key = xstrdup(key);
	e->weight = 1;
	for (const struct dns_rr *rr = answer->rr; rr != NULL; rr = rr->next)
		e->weight++;
	hash_set(&entries, key, e);
	TAILQ_INSERT_HEAD(&order, e, link);
	weight += e->weight;
	while (weight > dns.cache_max && (e = TAILQ_LAST(&order, entry_list)) != NULL)
		entry_drop(e);
}

void cache_empty(void)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&order)) != NULL)
		entry_drop(e);
	hash_release(&entries, NULL);
}
