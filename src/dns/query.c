/* query.c - one question to the name servers, until one of them answers.
 * UDP from a socket of its own, connected: the kernel drops what comes from another address or port, chooses
 * a random source port, and reports a refusing server at once. A truncated answer is asked for again
 * over TCP from the same server. Each server gets resolv.conf's time-out, all of them in turn, `attempts`
 * times over; one that did not answer is asked after the others for a while. A server that answers SERVFAIL or
 * the like sends us to the next; when a whole round answered so, that is the answer. At most
 * ACTIVE_MAX questions have a socket, the others stand in line within the same time limit. */
#include <errno.h>
#include <sys/random.h>
#include <unistd.h>
#include <postrider/clock.h>
#include <postrider/stream.h>

#include "room.h"

enum { ACTIVE_MAX = 1000, DOWN_MS = 20 * 1000, PACKETS_PER_RUN = 16, PACKET_MAX = 65535 };

struct query {
	enum { Q_QUEUED, Q_UDP, Q_TCP_CONNECT, Q_TCP_READ, Q_NONE } state;
	struct task	*task;
	char		*name;
	enum dns_type	 type;
	uint16_t	 id;
	bool		 edns;
	bool		 counted;	/* in `active` */
	struct buf	 wire;
	size_t		 question_len;
	struct resolver	*resolver;
	uint8_t		 order[SERVERS_MAX];
	unsigned	 tries;		/* servers asked so far */
	unsigned	 refusals;	/* of them in this round: answered, but not helpful */
	int		 rcode;
	bool		 malformed;
	int		 fd;
	struct watch	 watch;
	struct stream	*tcp;
	struct timer	 timer;
	TAILQ_ENTRY(query) link;	/* queued */
};

static TAILQ_HEAD(, query) queued = TAILQ_HEAD_INITIALIZER(queued);
static unsigned active;

/* What query_done() hands out: looked at before the next question is. */
static struct reply reply;
static struct draft draft;
static uint8_t packet[PACKET_MAX];

static uint16_t random_id(void)
{
	static uint16_t pool[64];
	static size_t left;

	if (left == 0) {
		ssize_t n = getrandom(pool, sizeof(pool), 0);

		ASSERT(n == (ssize_t)sizeof(pool));
		left = NELEM(pool);
	}
	return pool[--left];
}

static struct server *current(struct query *q)
{
	return &q->resolver->server[q->order[(q->tries - 1) % q->resolver->n]];
}

/* Servers in the order to ask them: those that answered last time before those that did not. */
static void choose_order(struct query *q)
{
	struct resolver *r = q->resolver;
	size_t first = r->rotate ? r->turn++ % r->n : 0, o = 0;

	for (int down = 0; down < 2; down++)
		for (size_t i = 0; i < r->n; i++) {
			size_t k = (first + i) % r->n;

			if ((r->server[k].down_until_ms > now_ms()) == (down == 1))
				q->order[o++] = (uint8_t)k;
		}
}

static void close_io(struct query *q)
{
	timer_end(&q->timer);
	if (q->fd >= 0) {
		watch_end(&q->watch);
		close(q->fd);
		q->fd = -1;
	}
	stream_free(&q->tcp);
}

static bool make_packet(struct query *q)
{
	buf_reset(&q->wire);
	q->id = random_id();
	return packet_query(&q->wire, q->id, q->name, q->type, q->edns, &q->question_len);
}

static bool send_udp(struct query *q)
{
	const struct server *s = current(q);

	q->fd = socket(s->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->fd < 0)
		return false;
	if (connect(q->fd, (const struct sockaddr *)&s->sa, s->len) < 0 ||
	    send(q->fd, q->wire.p, q->wire.len, MSG_NOSIGNAL) != (ssize_t)q->wire.len) {
		close(q->fd);
		q->fd = -1;
		return false;
	}
	dns.stats.queries++;
	q->state = Q_UDP;
	watch_start(&q->watch, q->task, q->fd, WATCH_READ);
	timer_start(&q->timer, q->task, q->resolver->timeout_s * 1000);
	return true;
}

static void send_tcp(struct query *q)
{
	const struct server *s = current(q);

	close_io(q);
	dns.stats.tcp++;
	q->state = Q_TCP_CONNECT;
	q->tcp = stream_connect((const struct sockaddr *)&s->sa, s->len, NULL, 0, q->task, PACKET_MAX + 2);
	timer_start(&q->timer, q->task, q->resolver->timeout_s * 1000);
}

/* Asks the next server; Q_NONE when all have had their turns. */
static bool ask_next(struct query *q)
{
	for (;;) {
		close_io(q);
		if (q->tries > 0 && q->tries % q->resolver->n == 0) {
			if (q->refusals >= q->resolver->n ||
			    q->tries >= q->resolver->n * (unsigned)q->resolver->attempts)
				return false;
			q->refusals = 0;
		}
		q->tries++;
		if (!make_packet(q))
			return false;
		if (q->resolver->use_tcp) {
			send_tcp(q);
			return true;
		}
		if (send_udp(q))
			return true;
	}
}

/* Marked in what is in force, which may be newer than what the question began with. */
static void no_answer(struct query *q)
{
	const struct server *s = current(q);

	for (size_t i = 0; dns.resolver->n > 1 && i < dns.resolver->n; i++)
		if (dns.resolver->server[i].len == s->len && memcmp(&dns.resolver->server[i].sa, &s->sa, s->len) == 0)
			dns.resolver->server[i].down_until_ms = now_ms() + DOWN_MS;
}

static void next_server(struct query *q)
{
	if (ask_next(q))
		return;
	close_io(q);
	q->state = Q_NONE;
}

static void begin(struct query *q)
{
	active++;
	q->counted = true;
	choose_order(q);
	next_server(q);
}

struct query *query_new(struct task *task, const char *name, enum dns_type type)
{
	struct query *q = xcalloc(1, sizeof(*q));

	q->task = task;
	q->name = xstrdup(name);
	q->type = type;
	q->edns = true;
	q->fd = -1;
	q->resolver = dns.resolver;
	q->resolver->refs++;
	if (active >= ACTIVE_MAX) {
		q->state = Q_QUEUED;
		TAILQ_INSERT_TAIL(&queued, q, link);
		timer_start(&q->timer, task, (int64_t)q->resolver->timeout_s * q->resolver->attempts * 1000);
	} else {
		begin(q);
		if (q->state != Q_UDP)
			task_wake(task);
	}
	return q;
}

enum step {
	STEP_WAIT,
	STEP_NEXT,		/* nothing from this server: the next one */
	STEP_AGAIN,		/* the state has changed: look at once */
	STEP_DONE,		/* `reply` is final */
};

/* The packet at p: is that it, or what to do next? */
static enum step take_packet(struct query *q, const uint8_t *p, size_t n)
{
	const uint8_t *question = (const uint8_t *)q->wire.p + 12;

	packet_read(&reply, &draft, p, n, q->id, question, q->question_len, q->name, q->type, q->edns, q->name);
	switch (reply.what) {
	case REPLY_IGNORE:
		dns.stats.discarded++;
		return STEP_WAIT;
	case REPLY_TRUNCATED:
		if (q->state != Q_UDP)		/* truncated over TCP: nonsense */
			return STEP_NEXT;
		send_tcp(q);
		return STEP_AGAIN;
	case REPLY_NO_EDNS:
		q->edns = false;
		q->tries--;
		return STEP_NEXT;
	case REPLY_TRY_NEXT:
		q->refusals++;
		q->rcode = reply.rcode;
		q->malformed = reply.malformed;
		return STEP_NEXT;
	default:
		current(q)->down_until_ms = 0;
		return STEP_DONE;
	}
}

static enum step step_udp(struct query *q)
{
	watch_take(&q->watch);
	for (int i = 0; i < PACKETS_PER_RUN && q->state == Q_UDP; i++) {
		ssize_t n = recv(q->fd, packet, sizeof(packet), 0);
		enum step s;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {		/* refused, unreachable */
			no_answer(q);
			return STEP_NEXT;
		}
		if ((s = take_packet(q, packet, (size_t)n)) != STEP_WAIT)
			return s;
	}
	return STEP_WAIT;
}

static enum step step_tcp(struct query *q)
{
	struct slice in;
	enum stream_result r;
	size_t n;

	if (q->state == Q_TCP_CONNECT) {
		r = stream_connect_poll(q->tcp);
		if (r == STREAM_OK) {
			uint8_t len[2] = { (uint8_t)(q->wire.len >> 8), (uint8_t)q->wire.len };

			stream_write(q->tcp, len, 2);
			stream_write(q->tcp, q->wire.p, q->wire.len);
			stream_flush(q->tcp);
			q->state = Q_TCP_READ;
		} else if (r != STREAM_WAIT) {
			no_answer(q);
			return STEP_NEXT;
		}
	}
	if (q->state != Q_TCP_READ)
		return STEP_WAIT;
	if ((r = stream_peek_n(q->tcp, 2, &in)) == STREAM_OK) {
		n = (size_t)((uint8_t)in.p[0] << 8 | (uint8_t)in.p[1]);
		r = stream_peek_n(q->tcp, n + 2, &in);
		if (r == STREAM_OK) {
			enum step s = take_packet(q, (const uint8_t *)in.p + 2, n);

			return s == STEP_WAIT ? STEP_NEXT : s;	/* one answer per connection, and it was not ours */
		}
	}
	return r == STREAM_WAIT ? STEP_WAIT : STEP_NEXT;
}

/* False: still in line. */
static bool leave_queue(struct query *q)
{
	bool late = timer_expired(&q->timer);

	if (!late && active >= ACTIVE_MAX)
		return false;
	TAILQ_REMOVE(&queued, q, link);
	q->state = Q_NONE;
	if (!late)
		begin(q);
	if (active < ACTIVE_MAX && !TAILQ_EMPTY(&queued))	/* several places may have come free at once */
		task_wake(TAILQ_FIRST(&queued)->task);
	return true;
}

bool query_done(struct query *q, struct reply **reply_r, struct draft **draft_r, const struct server **server_r)
{
	enum step s;

	*reply_r = &reply;
	*draft_r = &draft;
	*server_r = NULL;
	if (q->state == Q_QUEUED && !leave_queue(q))
		return false;
	while (q->state != Q_NONE) {
		s = q->state == Q_UDP ? step_udp(q) : step_tcp(q);
		if (s == STEP_AGAIN)
			continue;
		if (s == STEP_DONE) {
			*server_r = current(q);
			close_io(q);
			return true;
		}
		if (s == STEP_WAIT && !timer_expired(&q->timer))
			return false;
		if (s == STEP_WAIT) {
			dns.stats.timeouts++;
			no_answer(q);
		}
		next_server(q);
		if (q->state == Q_UDP)
			return false;
	}
	/* Nobody gave an answer: the last unhelpful one tells why. */
	draft_reset(&draft);
	reply.what = REPLY_TRY_NEXT;
	reply.rcode = q->rcode;
	reply.malformed = q->malformed;
	reply.ttl_s = 0;
	return true;
}

void query_free(struct query *q)
{
	struct query *next;

	if (q->state == Q_QUEUED)
		TAILQ_REMOVE(&queued, q, link);
	if (q->counted && --active < ACTIVE_MAX && (next = TAILQ_FIRST(&queued)) != NULL)
		task_wake(next->task);
	close_io(q);
	buf_release(&q->wire);
	resolver_unref(q->resolver);
	free(q->name);
	free(q);
}
