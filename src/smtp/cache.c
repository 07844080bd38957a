/* cache.c - connections that no delivery is using.
 *
 * A connection that ended its transaction well may wait for the next message: under the next hop it served, so
 * that the next delivery needs no look-up, and under its address, so that another domain with the same
 * server can use it. Waiting is bounded by smtp_connection_cache_time_limit, reuse by
 * smtp_connection_reuse_time_limit and _count_limit. Unlike Postfix's, whose cache is another process, this one
 * sees at once when the server hangs up or says anything (421): that connection goes. So no RSET is
 * needed to probe one before use; the remaining race is agent.c's (`from_cache`).
 * Saying good-bye and resetting after a refused transaction happen here too, so that no delivery waits for it. */
#include "client.h"
#include <postrider/clock.h>
#include <stdlib.h>
#include <sys/un.h>

static void slot_leave(struct hash *hash, struct slot **sp)
{
	struct slot *s = *sp;

	*sp = NULL;
	if (s != NULL && TAILQ_EMPTY(&s->idle)) {
		hash_del(hash, s->key);
		free(s->key);
		free(s);
	}
}

static struct slot *slot_join(struct hash *hash, const char *key)
{
	struct slot *s = hash_get(hash, key);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		s->key = xstrdup(key);
		TAILQ_INIT(&s->idle);
		hash_set(hash, key, s);
	}
	return s;
}

static TAILQ_HEAD(, smtp_service) services = TAILQ_HEAD_INITIALIZER(services);	/* with a cache in use */

static void slots_leave(struct conn *c)
{
	if (c->dest_slot != NULL) {
		TAILQ_REMOVE(&c->dest_slot->idle, c, dest_link);
		slot_leave(&c->svc->by_dest, &c->dest_slot);
	}
	if (c->addr_slot != NULL) {
		TAILQ_REMOVE(&c->addr_slot->idle, c, addr_link);
		slot_leave(&c->svc->by_addr, &c->addr_slot);
	}
	if (c->state == CONN_IDLE)
		smtp_counts.cached--;
}

/* Out of every list; afterwards an attempt, or nobody, has it. */
static void unpark(struct conn *c)
{
	slots_leave(c);
	TAILQ_REMOVE(&c->svc->parked, c, link);
	task_unlink(&c->task);
	c->state = CONN_BUSY;
}

static void drop(struct conn *c)
{
	unpark(c);
	conn_free(&c);
}

/* Good-bye without waiting for the answer; c is gone. */
static void close_quit(struct conn *c)
{
	stream_puts(c->stream, "QUIT\r\n");
	stream_close_flush(&c->stream, 1000);
	conn_free(&c);
}

/* The cache's time is up. */
static void expire(struct conn *c)
{
	if (c->svc->p.skip_quit_response) {
		unpark(c);
		close_quit(c);
		return;
	}
	slots_leave(c);
	c->state = CONN_QUIT;
	stream_puts(c->stream, "QUIT\r\n");
	stream_deadline(c->stream, c->svc->p.quit_ms);
}

/* How long it may wait: beyond the age at which it is not used again there is nothing to wait for. */
static void idle_begin(struct conn *c)
{
	int64_t left = c->svc->p.reuse_ms - (now_ms() - c->born_ms);

	smtp_counts.cached++;
	stream_deadline(c->stream, MAX(MIN(c->svc->p.cache_ms, left), 1));
}

/* The parked connection's own life: an answer, the server's end, or the time limit. */
static void parked_run(struct task *task)
{
	struct conn *c = CONTAINER_OF(task, struct conn, task);
	enum stream_result r;
	struct slice s;

	if (c->state == CONN_IDLE) {
		r = stream_peek(c->stream, &s);
		if (r == STREAM_TIMEOUT)
			expire(c);
		else if (r != STREAM_WAIT)
			drop(c);	/* gone, or 421: either way it is over */
		return;
	}
	r = conn_reply(c, &c->log, c->last_id);
	if (r == STREAM_WAIT)
		return;
	if (r != STREAM_OK || c->state == CONN_QUIT || c->reply.code / 100 != 2) {
		drop(c);
		return;
	}
	c->open_mail = false;		/* RSET was answered: fit for use */
	c->state = CONN_IDLE;
	idle_begin(c);
}

static void park(struct conn *c, enum conn_state state)
{
	if (!c->svc->listed) {
		c->svc->listed = true;
		TAILQ_INSERT_TAIL(&services, c->svc, link);
	}
	c->state = state;
	TAILQ_INSERT_TAIL(&c->svc->parked, c, link);
	task_init(&c->task, "smtp-cache", parked_run);
	c->owner = &c->task;
	stream_set_task(c->stream, &c->task);
}

/* "address:port" or the path of a socket */
static void addr_key(struct buf *out, const struct sockaddr *sa)
{
	char name[128];

	if (sa->sa_family == AF_UNIX) {
		buf_addf(out, "unix:%s", ((const struct sockaddr_un *)(const void *)sa)->sun_path);
		return;
	}
	sockaddr_name(sa, name, sizeof(name));
	buf_addf(out, "%s:%d", name, sockaddr_port(sa));
}

void cache_park(struct conn **cp, const char *dest)
{
	struct conn *c = *cp;
	struct buf key = { 0 };
	bool reset = c->open_mail;

	*cp = NULL;
	park(c, reset ? CONN_RESET : CONN_IDLE);
	if (dest != NULL) {
		c->dest_slot = slot_join(&c->svc->by_dest, dest);
		TAILQ_INSERT_HEAD(&c->dest_slot->idle, c, dest_link);
	}
	addr_key(&key, (const struct sockaddr *)&c->sa);
	c->addr_slot = slot_join(&c->svc->by_addr, buf_str(&key));
	TAILQ_INSERT_HEAD(&c->addr_slot->idle, c, addr_link);
	buf_release(&key);
	if (reset) {
		conn_puts(c, "RSET");
		stream_deadline(c->stream, c->svc->p.rset_ms);
	} else {
		idle_begin(c);
	}
}

void cache_quit(struct conn **cp, bool quit_sent)
{
	struct conn *c = *cp;

	*cp = NULL;
	if (quit_sent) {
		conn_free(&c);
	} else if (c->svc->p.skip_quit_response) {
		close_quit(c);
	} else {
		park(c, CONN_QUIT);
		stream_puts(c->stream, "QUIT\r\n");
		stream_deadline(c->stream, c->svc->p.quit_ms);
	}
}

/* First usable one of a list: neither being reset nor showing signs of its end. */
static struct conn *take(struct conn *c, struct task *task)
{
	struct slice s;

	if (stream_gone(c->stream) || stream_peek(c->stream, &s) != STREAM_WAIT) {
		drop(c);
		return NULL;
	}
	unpark(c);
	stream_set_task(c->stream, task);
	smtp_counts.reused++;
	return c;
}

struct conn *cache_take_dest(struct smtp_service *svc, const char *dest, struct task *task)
{
	struct slot *s = hash_get(&svc->by_dest, dest);
	struct conn *c, *next, *got = NULL;

	if (s == NULL)
		return NULL;
	for (c = TAILQ_FIRST(&s->idle); c != NULL && got == NULL; c = next) {
		next = TAILQ_NEXT(c, dest_link);
		if (c->state == CONN_IDLE)
			got = take(c, task);
	}
	return got;
}

struct conn *cache_take_addr(struct smtp_service *svc, const struct sockaddr *sa, struct task *task)
{
	struct buf key = { 0 };
	struct conn *c, *next, *got = NULL;
	struct slot *s;

	addr_key(&key, sa);
	s = hash_get(&svc->by_addr, buf_str(&key));
	buf_release(&key);
	if (s == NULL)
		return NULL;
	for (c = TAILQ_FIRST(&s->idle); c != NULL && got == NULL; c = next) {
		next = TAILQ_NEXT(c, addr_link);
		if (c->state == CONN_IDLE)
			got = take(c, task);
	}
	return got;
}

/* May it serve another message? */
bool conn_may_reuse(const struct conn *c)
{
	const struct smtp_params *p = &c->svc->p;

	return !c->no_reuse && (p->reuse_count == 0 || c->uses <= (unsigned)p->reuse_count) &&
	    now_ms() - c->born_ms < p->reuse_ms;
}

static void close_parked(struct smtp_service *svc)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&svc->parked)) != NULL) {
		bool said = c->state == CONN_QUIT;

		unpark(c);
		if (said)
			conn_free(&c);
		else
			close_quit(c);
	}
}

void cache_release(struct smtp_service *svc)
{
	close_parked(svc);
	if (svc->listed)
		TAILQ_REMOVE(&services, svc, link);
	svc->listed = false;
	hash_release(&svc->by_dest, NULL);
	hash_release(&svc->by_addr, NULL);
}

void cache_close_all(void)
{
	struct smtp_service *svc;

	TAILQ_FOREACH(svc, &services, link)
		close_parked(svc);
}
