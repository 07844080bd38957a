/* client_pool.c - connections of one source, and which host is asked.
 * An idle connection is used again, the last used first, those to sockets of this machine before others; else a host
 * that is not known to be down is chosen by lot, again sockets first. One that cannot be connected to is left alone
 * for a while. Two things are unlike Postfix, whose rules these are, because there each process has a connection of its
 * own and here all share a source: a connection that died while idle (the server was started anew) is made again once
 * before its host counts as down, and a query that a healthy server refuses does not make it count as down. */
#include <errno.h>
#include <sys/random.h>
#include <postrider/clock.h>
#include <postrider/log.h>

#include "client.h"

static void note(struct client_ask *a, const char *fmt, va_list ap) PRINTF(2, 0);
static void note(struct client_ask *a, const char *fmt, va_list ap)
{
	struct buf line = { 0 };

	buf_vaddf(&line, fmt, ap);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
			line.p[i] = '?';
	if (a->notes.len > 0)
		buf_addc(&a->notes, '\n');
	buf_adds(&a->notes, buf_str(&line));
	buf_release(&line);
}

void ask_note(struct client_ask *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(a, fmt, ap);
	va_end(ap);
}

void ask_debug(struct client_ask *a, const char *fmt, ...)
{
	struct buf line = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	log_debug(NULL, "%s: %s", a->backend->label, buf_str(&line));
	buf_release(&line);
}

const char *ask_key(const struct client_ask *a)
{
	return a->key;
}

const char *ask_type(const struct client_ask *a)
{
	return a->backend->client->type;
}

const char *ask_name(const struct client_ask *a)
{
	return a->backend->name;
}

int ask_left_ms(const struct client_ask *a)
{
	int64_t left = (a->end_us - clock_fresh_us()) / 1000;

	return (int)MAX(left, 1);
}

bool ask_expand(struct client_ask *a, const char *text, void (*quote)(void *arg, const char *part, struct buf *),
    void *arg, struct buf *out)
{
	return template_expand(&a->backend->needs, text, a->key, NULL, quote, arg, out);
}

bool ask_value(struct client_ask *a, const char *value)
{
	const struct backend *b = a->backend;

	if (value == NULL)
		return true;
	if (*value == '\0') {
		ask_note(a, "table \"%s\": empty lookup result for: \"%s\" -- ignored", b->label, a->key);
		return true;
	}
	if (template_expand(&b->needs, b->result_format, value, a->key, NULL, NULL, &a->result))
		a->values++;
	return b->expansion_limit <= 0 || a->values <= b->expansion_limit;
}

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

static void disconnect(struct backend *b, struct pooled *p)
{
	b->client->disconnect(p->connection);
	free(p);
}

/* The last used one to a host not in tried. */
static struct pooled *take_idle(struct backend *b, const bool *tried)
{
	struct pooled *p, *best = NULL;

	TAILQ_FOREACH(p, &b->idle, link)
		if (!tried[p->host - b->host] && (best == NULL || (p->host->at.local && !best->host->at.local)))
			best = p;
	if (best != NULL)
		TAILQ_REMOVE(&b->idle, best, link);
	return best;
}

/* By lot, among those not down and not in tried. */
static struct host *choose(struct backend *b, const bool *tried, int64_t now_us)
{
	for (int local = 1; local >= 0; local--) {
		struct host *found = NULL;
		unsigned n = 0, r = 0;

		for (size_t i = 0; i < b->n_hosts; i++) {
			struct host *h = &b->host[i];

			if (tried[i] || h->at.local != (local == 1) || h->down_until_us > now_us)
				continue;
			if (getrandom(&r, sizeof(r), 0) != sizeof(r))
				r = 0;
			if (found == NULL || r % (n + 1) == 0)
				found = h;
			n++;
		}
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Connections that nobody uses: h's, or all with NULL, unused since before_us. */
static void close_idle(struct backend *b, const struct host *h, int64_t before_us)
{
	TAILQ_HEAD(, pooled) dead = TAILQ_HEAD_INITIALIZER(dead);
	struct pooled *p, *next;

	pthread_mutex_lock(&b->lock);
	TAILQ_FOREACH_SAFE_(p, &b->idle, link, next) {
		if ((h != NULL && p->host != h) || p->since_us > before_us)
			continue;
		TAILQ_REMOVE(&b->idle, p, link);
		TAILQ_INSERT_TAIL(&dead, p, link);
	}
	pthread_mutex_unlock(&b->lock);
	while ((p = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, p, link);
		disconnect(b, p);
	}
}

static void set_down(struct backend *b, struct host *h)
{
	pthread_mutex_lock(&b->lock);
	h->down_until_us = clock_fresh_us() + b->retry_us;
	pthread_mutex_unlock(&b->lock);
	close_idle(b, h, INT64_MAX);
}

static void give_back(struct backend *b, struct pooled *p)
{
	p->since_us = clock_fresh_us();
	pthread_mutex_lock(&b->lock);
	p->host->down_until_us = 0;
	TAILQ_INSERT_HEAD(&b->idle, p, link);
	pthread_mutex_unlock(&b->lock);
}

/* One that is idle, or a new one; NULL: no host is left. *fresh_r: just made. again: make one to that host. */
static struct pooled *get(struct backend *b, struct client_ask *a, bool *tried, struct host *again, bool *fresh_r)
{
	for (;;) {
		struct pooled *p = NULL;
		struct host *h = again;
		void *connection;

		pthread_mutex_lock(&b->lock);
		if (h == NULL && (p = take_idle(b, tried)) == NULL)
			h = choose(b, tried, clock_fresh_us());
		pthread_mutex_unlock(&b->lock);
		*fresh_r = p == NULL;
		if (p != NULL || h == NULL)
			return p;
		if (*h->at.text != '\0')
			ask_debug(a, "attempting to connect to host %s", h->at.text);
		connection = b->client->connect(b->table, &h->at, a);
		if (connection != NULL) {
			p = xcalloc(1, sizeof(*p));
			p->connection = connection;
			p->host = h;
			return p;
		}
		a->err = errno;
		tried[h - b->host] = true;
		set_down(b, h);
		again = NULL;
	}
}

/* What a failed attempt had to say is not said if another is made in its place. */
static void forget(struct client_ask *a, size_t notes)
{
	a->notes.len = notes;
	if (a->notes.p != NULL)
		a->notes.p[notes] = '\0';
	buf_reset(&a->result);
	a->values = 0;
}

void pool_ask(struct client_ask *a)
{
	struct backend *b = a->backend;
	bool *tried = xcalloc(b->n_hosts, sizeof(bool)), fresh;
	struct host *again = NULL;
	struct pooled *p;
	enum client_result r = CLIENT_LOST;

	a->answer = TABLE_ERROR;
	errno = 0;
	while ((p = get(b, a, tried, again, &fresh)) != NULL) {
		size_t notes = a->notes.len;

		again = NULL;
		r = b->client->lookup(b->table, p->connection, &p->host->at, a);
		a->err = r != CLIENT_DONE ? errno : 0;
		if (r == CLIENT_LOST) {
			struct host *h = p->host;

			disconnect(b, p);
			if (!fresh) {
				forget(a, notes);
				again = h;
				continue;
			}
			tried[h - b->host] = true;
			set_down(b, h);
		} else {
			tried[p->host - b->host] = true;
			give_back(b, p);
			if (r != CLIENT_REFUSED)
				break;
		}
		buf_reset(&a->result);
		a->values = 0;
	}
	if (r == CLIENT_DONE)
		a->answer = a->result.len > 0 ? TABLE_FOUND : TABLE_NONE;
	free(tried);
}

bool pool_sweep(struct backend *b)
{
	bool any;

	close_idle(b, NULL, clock_fresh_us() - b->idle_us);
	pthread_mutex_lock(&b->lock);
	any = !TAILQ_EMPTY(&b->idle);
	pthread_mutex_unlock(&b->lock);
	return any;
}

void pool_close(struct backend *b)
{
	close_idle(b, NULL, INT64_MAX);
}
