/* site.c - destinations: their windows, what waits for a place in them, which of them are dead or paused.
 * A site lives while something is queued or under way for it, and as long as it is dead (minimal_backoff_time) or
 * paused (rate delay). The last few idle ones are kept, for how busy they were: it says whether connections are worth
 * keeping; their window starts anew. */
#include "qmgr_int.h"
#include <postrider/hash.h>
#include <stdlib.h>

enum { IDLE_MAX = 1000 };

uint64_t site_key(const char *transport, const char *name)
{
	char key[512];
	size_t t = strlen(transport), n = strlen(name);

	if (t + n + 1 <= sizeof(key)) {
		memcpy(key, transport, t);
		key[t] = ':';
		memcpy(key + t + 1, name, n);
		return hash_stable(key, t + 1 + n) & ~(uint64_t)1;
	}
	return (hash_stable(transport, t) ^ hash_stable(name, n)) & ~(uint64_t)1;
}

static void idle_remove(struct site *s)
{
	TAILQ_REMOVE(&qmgr.idle, s, link);
	qmgr.nidle--;
	s->idle = false;
}

static void site_free(struct site *s)
{
	idmap_del(&qmgr.sites, &s->node);
	free(s->nexthop);
	free(s->name);
	free(s->reason);
	free(s);
}

struct site *site_get(struct transport *t, const char *nexthop, const char *name)
{
	uint64_t hash = site_key(t->name, name);
	struct idnode *n;
	struct site *s;

	for (n = idmap_first(&qmgr.sites, hash); n != NULL; n = idmap_next(n)) {
		s = CONTAINER_OF(n, struct site, node);
		if (s->transport == t && strcmp(s->name, name) == 0) {
			if (s->idle) {
				idle_remove(s);
				window_reset(&s->window, &t->rules);
			}
			return s;
		}
	}
	s = xcalloc(1, sizeof(*s));
	s->transport = t;
	s->nexthop = xstrdup(nexthop);
	s->name = xstrdup(name);
	window_reset(&s->window, &t->rules);
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->peers);
	idmap_add(&qmgr.sites, &s->node, hash);
	return s;
}

bool site_known_dead(uint64_t hash)
{
	struct idnode *n = idmap_first(&qmgr.sites, hash);

	return n != NULL && CONTAINER_OF(n, struct site, node)->state == SITE_DEAD;
}

void site_release(struct site *s)
{
	if (s->busy > 0 || s->npeers > 0 || s->pins > 0 || s->idle)
		return;
	if (s->pseudo) {
		site_free(s);
	} else if (s->state == SITE_READY) {
		TAILQ_INSERT_TAIL(&qmgr.idle, s, link);
		s->idle = true;
		if (++qmgr.nidle > IDLE_MAX) {
			s = TAILQ_FIRST(&qmgr.idle);
			idle_remove(s);
			site_free(s);
		}
	}
}

/* Back from the dead, or from a pause. */
static void site_ready(struct site *s)
{
	if (s->state == SITE_DEAD) {
		TAILQ_REMOVE(&qmgr.dead, s, link);
		qmgr.ndead--;
		free(s->reason);
		s->reason = NULL;
		window_reset(&s->window, &s->transport->rules);
		if (s->busy > 0)
			s->window.size = s->busy;
	} else if (s->state == SITE_PAUSED) {
		TAILQ_REMOVE(&s->transport->paused, s, link);
	}
	s->state = SITE_READY;
}

static void site_kill(struct site *s, const char *dsn, const char *reason)
{
	struct peer *p, *next;

	if (s->state == SITE_PAUSED)
		site_ready(s);
	s->state = SITE_DEAD;
	str_copy(s->dsn, dsn, sizeof(s->dsn));
	s->reason = xasprintf("delivery temporarily suspended: %s", reason);
	s->until_ms = now_ms() + qmgr.conf->min_backoff_ms;
	TAILQ_INSERT_TAIL(&qmgr.dead, s, link);
	qmgr.ndead++;
	qmgr_wake_at(s->until_ms);
	TAILQ_FOREACH_SAFE_(p, &s->peers, site_link, next)
		peer_suspend(p);
	/* What is remembered of the dead is bounded; who is forgotten is tried again. */
	if (qmgr.ndead > 2 * qmgr.conf->rcpt_limit) {
		struct site *oldest = TAILQ_FIRST(&qmgr.dead);

		site_ready(oldest);
		site_opened(oldest);
		site_release(oldest);
	}
}

static void site_pause(struct site *s)
{
	s->state = SITE_PAUSED;
	s->until_ms = now_ms() + s->transport->rate_delay_ms;
	TAILQ_INSERT_TAIL(&s->transport->paused, s, link);
	qmgr_wake_at(s->until_ms);
}

void site_feedback(struct site *s, const struct delivery *d)
{
	if (d->site_failed) {
		if (s->state != SITE_DEAD && window_failure(&s->window, &s->transport->rules))
			site_kill(s, d->site_dsn[0] != '\0' ? d->site_dsn : "4.0.0",
			    d->site_reason != NULL && *d->site_reason != '\0' ? d->site_reason : "unknown error");
	} else if (s->state == SITE_DEAD) {
		site_ready(s);
	} else {
		window_success(&s->window, &s->transport->rules, s->busy);
	}
	if (s->transport->rate_delay_ms > 0 && s->state == SITE_READY)
		site_pause(s);
}

void site_opened(struct site *s)
{
	unsigned room = s->window.size > s->busy ? s->window.size - s->busy : 0;
	struct peer *p;

	if (s->state != SITE_READY)
		return;
	while (room-- > 0 && (p = TAILQ_FIRST(&s->waiting)) != NULL)
		peer_place(p, PEER_READY);
}

int64_t sites_expire(int64_t now)
{
	int64_t next = INT64_MAX;
	struct transport *t;
	struct site *s;

	while ((s = TAILQ_FIRST(&qmgr.dead)) != NULL && s->until_ms <= now) {
		site_ready(s);
		site_opened(s);
		site_release(s);
	}
	if (s != NULL)
		next = s->until_ms;
	LIST_FOREACH(t, &qmgr.transports, link) {
		while ((s = TAILQ_FIRST(&t->paused)) != NULL && s->until_ms <= now) {
			site_ready(s);
			site_opened(s);
			site_release(s);
		}
		if (s != NULL)
			next = MIN(next, s->until_ms);
		if (t->open_at_ms > now)
			next = MIN(next, t->open_at_ms);
		transport_schedule(t);
	}
	return next;
}

void sites_revive(void)
{
	struct site *s;

	while ((s = TAILQ_FIRST(&qmgr.dead)) != NULL) {
		site_ready(s);
		site_opened(s);
		site_release(s);
	}
}

void sites_release(void)
{
	struct idnode *n;

	while ((n = idmap_any(&qmgr.sites)) != NULL)
		site_free(CONTAINER_OF(n, struct site, node));
	idmap_release(&qmgr.sites);
	TAILQ_INIT(&qmgr.dead);
	TAILQ_INIT(&qmgr.idle);
	qmgr.ndead = qmgr.nidle = 0;
}
