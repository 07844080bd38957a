/* lookup.c - dns_start, dns_poll, dns_end: one name and type, shared by all who ask.
 * In order: a name that cannot be asked for, the cache, a lookup under way for the same
 * key, a new lookup. A lookup asks the servers (query.c); an answer that only says "that name is another"
 * (CNAME) leads to a query for the other, up to CHASE_MAX. When it is done, the
 * answer goes into the cache and to every operation attached; one that was ended meanwhile
 * is no longer attached, and a lookup nobody waits for still finishes and fills the cache. */
#include <postrider/log.h>

#include "room.h"

struct dns_lookup {
	struct task	 task;
	char		*key;
	char		*name;		/* the name being asked now */
	enum dns_type	 type;
	struct query	*query;
	int		 chases;
	bool		 secure;	/* all answers so far */
	uint32_t	 ttl_s;		/* least of all answers so far */
	LIST_HEAD(, dns_op) ops;
};

static struct hash under_way;		/* key -> struct dns_lookup */

static void give(struct dns_op *op, enum dns_result result, const struct dns_answer *answer)
{
	op->result = result;
	op->answer = answer;
}

static void lookup_free(struct dns_lookup *l)
{
	if (l->query != NULL)
		query_free(l->query);
	task_unlink(&l->task);
	free(l->key);
	free(l->name);
	free(l);
}

/* Takes over the caller's reference to answer. */
static void lookup_finish(struct dns_lookup *l, enum dns_result result, struct dns_answer *answer, uint32_t ttl_s)
{
	struct dns_op *op;

	hash_del(&under_way, l->key);	/* first: who asks anew now starts a new lookup */
	if (result != DNS_FAILED)
		cache_put(l->key, answer, result, MIN(l->ttl_s, ttl_s));
	while ((op = LIST_FIRST(&l->ops)) != NULL) {
		LIST_REMOVE(op, link);
		op->lookup = NULL;
		give(op, result, answer_ref(answer));
		task_wake(op->task);
	}
	answer_unref(answer);
	lookup_free(l);
}

/* phrase: what Postfix's dns_strerror() says. */
static void lookup_fail(struct dns_lookup *l, enum dns_result result, const struct draft *d, const char *name,
    const char *phrase,
    int rcode, uint32_t ttl_s, bool secure)
{
	bool malformed = strncmp(phrase, "Malformed", 9) == 0;
	char *why = xasprintf("%sName service error for name=%s type=%s: %s",
	    malformed ? "" : "Host or domain name not found. ", name, dns_type_name(l->type), phrase);
	struct draft only_warnings = { 0 };

	if (d != NULL)
		only_warnings.warn = d->warn;	/* borrowed */
	lookup_finish(l, result, answer_new(&only_warnings, name, why, rcode, secure), ttl_s);
	free(why);
}

static void lookup_loop(struct dns_lookup *l)
{
	char *why = xasprintf("Name server loop for %s", l->name);
	struct draft warning = { 0 };

	buf_addf(&warning.warn, "dns_lookup: Name server loop for %s\n", l->name);
	lookup_finish(l, DNS_NXDOMAIN, answer_new(&warning, l->name, why, 0, false), 60);
	buf_release(&warning.warn);
	free(why);
}

/* Acts upon a final reply; false: another name is being asked for. */
static bool lookup_take(struct dns_lookup *l, const struct reply *r, const struct draft *d, const struct server *from)
{
	bool secure = l->secure && r->ad && from != NULL && from->trusted;

	l->secure = secure;
	switch (r->what) {
	case REPLY_RECORDS:
		lookup_finish(l, DNS_OK, answer_new(d, r->canonical, NULL, r->rcode, secure), r->ttl_s);
		return true;
	case REPLY_CNAME:
		if (++l->chases >= CHASE_MAX) {
			lookup_loop(l);
			return true;
		}
		l->ttl_s = MIN(l->ttl_s, r->ttl_s);
		free(l->name);
		l->name = xstrdup(r->canonical);
		query_free(l->query);
		l->query = query_new(&l->task, l->name, l->type);
		return false;
	case REPLY_NODATA:
		lookup_fail(l, DNS_NODATA, d, str_ieq(r->canonical, l->name) ? l->name : r->canonical,
		    "Host found but no data record of requested type", r->rcode, r->ttl_s, secure);
		return true;
	case REPLY_NXDOMAIN:
		lookup_fail(l, DNS_NXDOMAIN, d, l->name, "Host not found", r->rcode, r->ttl_s, secure);
		return true;
	case REPLY_INVALID:
		lookup_fail(l, DNS_INVALID, d, l->name, "Malformed or unexpected name server reply", r->rcode,
		    r->ttl_s, false);
		return true;
	case REPLY_FORMERR:
		lookup_fail(l, DNS_INVALID, d, l->name, "Non-recoverable error", r->rcode, 0, false);
		return true;
	default:
		lookup_fail(l, DNS_FAILED, d, l->name,
		    r->malformed ? "Malformed or unexpected name server reply" : "Host not found, try again", r->rcode,
		    0, false);
		return true;
	}
}

static void lookup_run(struct task *task)
{
	struct dns_lookup *l = CONTAINER_OF(task, struct dns_lookup, task);
	const struct server *from;
	struct reply *r;
	struct draft *d;

	while (query_done(l->query, &r, &d, &from))
		if (lookup_take(l, r, d, from))
			return;
}

static struct dns_lookup *lookup_new(const char *key, const char *name, enum dns_type type)
{
	struct dns_lookup *l = xcalloc(1, sizeof(*l));

	task_init(&l->task, "dns", lookup_run);
	l->key = xstrdup(key);
	l->name = xstrdup(name);
	l->type = type;
	l->secure = true;
	l->ttl_s = UINT32_MAX;
	LIST_INIT(&l->ops);
	hash_set(&under_way, key, l);
	l->query = query_new(&l->task, name, type);
	return l;
}

static void refuse_name(struct dns_op *op, const char *name)
{
	char *why = xasprintf("Name service error for %.256s: invalid host or domain name", name);

	give(op, DNS_NXDOMAIN, answer_new(NULL, "", why, 0, false));
	free(why);
}

void dns_start(struct dns_op *op, struct task *task, const char *name, enum dns_type type)
{
	const struct dns_answer *answer;
	enum dns_result result = DNS_WAIT;
	struct dns_lookup *l;
	char key[KEY_SIZE];

	ASSERT(op->task == NULL && op->answer == NULL);
	op->task = task;
	op->result = DNS_WAIT;
	if (!cache_key(key, name, type)) {
		refuse_name(op, name);
		return;
	}
	if ((answer = cache_get(key, &result)) != NULL) {
		dns.stats.cache_hits++;
		give(op, result, answer);
		return;
	}
	l = hash_get(&under_way, key);
	if (l == NULL && (name_is_address(name) || !name_can_be_asked(name))) {
		refuse_name(op, name);
		return;
	}
	if (l == NULL)
		l = lookup_new(key, name, type);
	op->lookup = l;
	LIST_INSERT_HEAD(&l->ops, op, link);
}

enum dns_result dns_poll(struct dns_op *op)
{
	ASSERT(op->lookup != NULL || op->answer != NULL);
	return op->result;
}

void dns_end(struct dns_op *op)
{
	if (op->lookup != NULL)
		LIST_REMOVE(op, link);	/* the answer may still come: for nobody */
	answer_unref(op->answer);
	*op = (struct dns_op){ 0 };
}

void dns_log_warnings(const struct dns_answer *a, const struct log_ctx *ctx)
{
	const char *p = a != NULL ? a->warnings : NULL;

	for (const char *nl; p != NULL && (nl = strchr(p, '\n')) != NULL; p = nl + 1)
		log_warn(ctx, "%.*s", (int)(nl - p), p);
}

void lookups_release(void)
{
	size_t pos = 0;
	const char *key;
	void *l;

	while (hash_next(&under_way, &pos, &key, &l)) {
		struct dns_op *op;

		while ((op = LIST_FIRST(&((struct dns_lookup *)l)->ops)) != NULL) {
			LIST_REMOVE(op, link);
			op->lookup = NULL;
		}
		lookup_free(l);
	}
	hash_release(&under_way, NULL);
}
