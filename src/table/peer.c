/* peer.c - connections to small servers (peer.h).
 * A peer is known by its address, whatever tables and sets name it, and lives as long as it has connections or
 * operations: a reload keeps the connections, and tables may be freed on any thread. An idle connection watches
 * itself and goes away when the server hangs up or sends what nobody asked for, after IDLE_MS, and in any case when
 * it is TTL_MS old, as Postfix does it, so that a server that moved is found again. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include <postrider/clock.h>
#include <postrider/stream.h>

#include "peer.h"
#include "room.h"

enum { CONNECTIONS_MAX = 64, WAITING_MAX = 10000, IDLE_MS = 10 * 1000, TTL_MS = 100 * 1000 };

struct conn {
	struct peer	*peer;
	struct stream	*stream;
	struct task	 task;		/* while idle */
	int64_t		 born_ms;
	LIST_ENTRY(conn) link;		/* idle ones */
};
struct peer {
	char		*key;
	LIST_HEAD(, conn) idle;
	size_t		 n;		/* connections, idle or not, and attempts */
	size_t		 ops;
	TAILQ_HEAD(, peer_op) waiting;
	size_t		 n_waiting;
};
enum { WAITING = 1, RESOLVING, CONNECTING, READY, FAILED };

static struct hash peers;		/* key -> struct peer */

/* ---- addresses ---------------------------------------------------------------------------------------- */

static int service_port(const char *name)
{
	struct servent entry, *found = NULL;
	char room[4096];
	int64_t n;

	if (*name != '\0' && name[strspn(name, "0123456789")] == '\0')
		return str_to_int(name, 1, 65535, &n) ? (int)n : -1;
	if (getservbyname_r(name, "tcp", &entry, room, sizeof(room), &found) != 0 || found == NULL)
		return -1;
	return ntohs((uint16_t)found->s_port);
}

void peer_addr_inet(struct peer_addr *a, const char *protocol, size_t in_max, const char *text)
{
	const char *colon = strrchr(text, ':'), *host = text, *end = colon;

	*a = (struct peer_addr){ .name = xstrdup(text), .in_max = in_max };
	if (colon != NULL && *text == '[' && colon > text + 1 && colon[-1] == ']') {
		host++;
		end--;
	}
	a->host = colon != NULL && end > host ? xstrndup(host, (size_t)(end - host)) : xstrdup("localhost");
	a->port = service_port(colon != NULL ? colon + 1 : text);
	a->key = xasprintf("%s %zu inet:%s", protocol, in_max, text);
}

char *peer_addr_parse(struct peer_addr *a, const char *protocol, size_t in_max, const char *text,
    const char *queue_directory)
{
	*a = (struct peer_addr){ .in_max = in_max };
	if (strchr(text, ':') == NULL)
		return xasprintf("need service transport:endpoint instead of \"%s\"", text);
	if (strncmp(text, "inet:", 5) == 0) {
		peer_addr_inet(a, protocol, in_max, text + 5);
		return NULL;
	}
	if (strncmp(text, "unix:", 5) != 0)
		return xasprintf("invalid transport name: %.*s in service: %s", (int)strcspn(text, ":"), text, text);
	a->name = xstrdup(text + 5);
	a->path = text[5] == '/' ? xstrdup(text + 5) : xasprintf("%s/%s", queue_directory, text + 5);
	if (strlen(a->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		peer_addr_release(a);
		return xasprintf("unix-domain name too long: %s", text + 5);
	}
	a->key = xasprintf("%s %zu unix:%s", protocol, in_max, a->path);
	return NULL;
}

void peer_addr_release(struct peer_addr *a)
{
	free(a->name);
	free(a->host);
	free(a->path);
	free(a->key);
	*a = (struct peer_addr){ 0 };
}

/* ---- connections ---------------------------------------------------------------------------------------- */

static void peer_check_end(struct peer *p)
{
	if (p->n > 0 || p->ops > 0)
		return;
	hash_del(&peers, p->key);
	free(p->key);
	free(p);
}

/* One connection or attempt less: the next in turn may begin. */
static void peer_gone(struct peer *p)
{
	struct peer_op *op = TAILQ_FIRST(&p->waiting);

	p->n--;
	if (op != NULL)
		task_wake(op->task);
	peer_check_end(p);
}

static void conn_close(struct conn *c)
{
	struct peer *p = c->peer;

	stream_free(&c->stream);
	task_unlink(&c->task);
	free(c);
	peer_gone(p);
}

/* An idle one was woken: by a hang-up, its deadline, or bytes nobody waits for. */
static void idle_run(struct task *task)
{
	struct conn *c = CONTAINER_OF(task, struct conn, task);
	struct slice bytes;

	if (stream_peek(c->stream, &bytes) == STREAM_WAIT && !stream_gone(c->stream))
		return;
	LIST_REMOVE(c, link);
	conn_close(c);
}

static void conn_idle(struct conn *c)
{
	struct peer *p = c->peer;
	struct peer_op *next = TAILQ_FIRST(&p->waiting);
	int64_t left = c->born_ms + TTL_MS - now_ms();

	if (left <= 0 || stream_gone(c->stream) || stream_readable(c->stream) > 0) {
		conn_close(c);
		return;
	}
	LIST_INSERT_HEAD(&p->idle, c, link);
	stream_set_task(c->stream, &c->task);
	stream_deadline(c->stream, MIN(left, (int64_t)IDLE_MS));
	if (next != NULL)
		task_wake(next->task);
}

/* The one that was used last, if it is still good. */
static bool take_idle(struct peer_op *op)
{
	struct conn *c;

	while ((c = LIST_FIRST(&op->peer->idle)) != NULL) {
		struct peer *p = op->peer;

		LIST_REMOVE(c, link);
		if (!stream_gone(c->stream) && stream_readable(c->stream) == 0 && c->born_ms + TTL_MS > now_ms()) {
			task_unlink(&c->task);	/* it may have been woken already, and must not look any more */
			stream_deadline(c->stream, 0);
			stream_set_task(c->stream, op->task);
			op->conn = c;
			op->stream = c->stream;
			op->reused = true;
			op->state = READY;
			op->result = PEER_READY;
			return true;
		}
		p->ops++;	/* it must not go away under us */
		conn_close(c);
		p->ops--;
	}
	return false;
}

/* ---- the operation ---------------------------------------------------------------------------------------- */

static struct peer *peer_get(const struct peer_addr *a)
{
	struct peer *p = hash_get(&peers, a->key);

	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		p->key = xstrdup(a->key);
		LIST_INIT(&p->idle);
		TAILQ_INIT(&p->waiting);
		hash_set(&peers, p->key, p);
	}
	return p;
}

static void fail(struct peer_op *op, int err, const char *before)
{
	snprintf(op->why, sizeof(op->why), "%s%sconnect to %s%.100s: %s", before, *before != '\0' ? "\n" : "",
	    op->addr->what != NULL ? op->addr->what : "", op->addr->name, strerror(err));
	op->err = err;
	op->state = FAILED;
	op->result = PEER_FAILED;
	timer_end(&op->limit);
}

/* No address to connect to, in the words of the C library's resolver. */
static void fail_unknown(struct peer_op *op, const char *reason)
{
	char line[256];

	snprintf(line, sizeof(line), "host or service %.100s not found: %s", op->addr->name, reason);
	fail(op, EADDRNOTAVAIL, line);
}

static void conn_begin(struct peer_op *op, const struct sockaddr *sa, socklen_t len)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->peer = op->peer;
	c->born_ms = now_ms();
	task_init(&c->task, "table-peer", idle_run);
	c->stream = stream_connect(sa, len, NULL, 0, op->task, op->addr->in_max);
	op->conn = c;
	op->state = CONNECTING;
}

static void begin(struct peer_op *op)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	op->peer->n++;
	if (op->addr->path != NULL) {
		str_copy(sun.sun_path, op->addr->path, sizeof(sun.sun_path));
		conn_begin(op, (struct sockaddr *)&sun, sizeof(sun));
	} else {
		op->state = RESOLVING;
		host_start(&op->resolve, op->task, op->addr->host, HOST_V4 | HOST_V6 | HOST_FILE | HOST_SEARCH | HOST_DNS);
	}
}

void peer_start(struct peer_op *op, struct task *task, const struct peer_addr *addr, int64_t limit_ms)
{
	ASSERT(op->state == 0);
	op->addr = addr;
	op->task = task;
	op->result = PEER_WAIT;
	op->reused = false;
	if (addr->host != NULL && addr->port < 0) {
		fail_unknown(op, "Servname not supported for ai_socktype");
		return;
	}
	op->peer = peer_get(addr);
	op->peer->ops++;
	if (op->peer->n_waiting >= WAITING_MAX) {
		fail(op, EBUSY, "");
		return;
	}
	timer_start(&op->limit, task, limit_ms);
	op->state = WAITING;
	op->peer->n_waiting++;
	TAILQ_INSERT_TAIL(&op->peer->waiting, op, link);
}

/* The attempt's slot is given up. */
static void drop_attempt(struct peer_op *op)
{
	host_end(&op->resolve);
	if (op->conn != NULL)
		conn_close(op->conn);
	else if (op->state == RESOLVING || op->state == CONNECTING)
		peer_gone(op->peer);
	op->conn = NULL;
}

static bool my_turn(const struct peer_op *op)
{
	return TAILQ_FIRST(&op->peer->waiting) == op;
}

/* Out of the queue, for whatever reason: a wake-up that was meant for op is passed on to the next. */
static void leave_queue(struct peer_op *op)
{
	struct peer *p = op->peer;
	bool first = my_turn(op);

	TAILQ_REMOVE(&p->waiting, op, link);
	p->n_waiting--;
	if (first && !TAILQ_EMPTY(&p->waiting))
		task_wake(TAILQ_FIRST(&p->waiting)->task);
}

static void wait_turn(struct peer_op *op)
{
	struct peer *p = op->peer;

	if (!my_turn(op) || (LIST_EMPTY(&p->idle) && p->n >= CONNECTIONS_MAX))
		return;
	leave_queue(op);
	if (take_idle(op))
		timer_end(&op->limit);
	else
		begin(op);
}

/* An address that swallows what is sent to it must not use up the time of those after it. */
static void try_next(struct peer_op *op)
{
	struct host_addr *a = &op->resolve.addr[op->next++];
	size_t more = op->resolve.n - op->next;

	if (a->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a->sa)->sin6_port = htons((uint16_t)op->addr->port);
	else
		((struct sockaddr_in *)&a->sa)->sin_port = htons((uint16_t)op->addr->port);
	conn_begin(op, (struct sockaddr *)&a->sa, a->len);
	if (more > 0)
		stream_deadline(op->conn->stream, MAX((op->limit.at_ms - now_ms()) / (int64_t)(more + 1), 1));
}

static void resolved(struct peer_op *op)
{
	switch (host_poll(&op->resolve)) {
	case DNS_WAIT:
		return;
	case DNS_OK:
		op->next = 0;
		try_next(op);
		return;
	case DNS_NODATA:
		drop_attempt(op);
		fail_unknown(op, "No address associated with hostname");
		return;
	case DNS_NXDOMAIN:
		drop_attempt(op);
		fail_unknown(op, "Name or service not known");
		return;
	default:
		drop_attempt(op);
		fail_unknown(op, "Temporary failure in name resolution");
		return;
	}
}

static void connected(struct peer_op *op)
{
	enum stream_result r = stream_connect_poll(op->conn->stream);
	int err;

	if (r == STREAM_WAIT)
		return;
	if (r == STREAM_OK) {
		op->stream = op->conn->stream;
		stream_deadline(op->stream, 0);
		op->state = READY;
		op->result = PEER_READY;
		host_end(&op->resolve);
		timer_end(&op->limit);
		return;
	}
	err = r == STREAM_TIMEOUT ? ETIMEDOUT : stream_error(op->conn->stream);
	if (op->addr->path == NULL && op->next < op->resolve.n) {
		stream_free(&op->conn->stream);
		task_unlink(&op->conn->task);
		free(op->conn);
		op->conn = NULL;
		try_next(op);
		return;
	}
	drop_attempt(op);
	fail(op, err != 0 ? err : ECONNREFUSED, "");
}

enum peer_result peer_poll(struct peer_op *op)
{
	int before;

	ASSERT(op->state != 0);
	do {
		before = op->state;
		if (op->state == WAITING)
			wait_turn(op);
		else if (op->state == RESOLVING)
			resolved(op);
		else if (op->state == CONNECTING)
			connected(op);
	} while (op->state != before && op->result == PEER_WAIT);
	if (op->result == PEER_WAIT && timer_expired(&op->limit)) {
		if (op->state == WAITING)
			leave_queue(op);
		drop_attempt(op);
		fail(op, ETIMEDOUT, "");
	}
	return op->result;
}

void peer_end(struct peer_op *op, bool keep)
{
	struct peer *p = op->peer;

	timer_end(&op->limit);
	if (op->state == WAITING) {
		leave_queue(op);
	} else if (op->state == READY && keep) {
		conn_idle(op->conn);
	} else if (op->state != 0) {
		drop_attempt(op);
	}
	*op = (struct peer_op){ 0 };
	if (p == NULL)
		return;
	p->ops--;
	peer_check_end(p);
}

void peer_release_all(void)
{
	size_t pos = 0;
	const char *key;
	void *value;

	while (hash_next(&peers, &pos, &key, &value)) {
		struct peer *p = value;
		struct conn *c;

		p->ops++;
		while ((c = LIST_FIRST(&p->idle)) != NULL) {
			LIST_REMOVE(c, link);
			conn_close(c);
		}
		p->ops--;
	}
	pos = 0;
	while (hash_next(&peers, &pos, &key, &value)) {
		free(((struct peer *)value)->key);
		free(value);
	}
	hash_release(&peers, NULL);
}
