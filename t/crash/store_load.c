/* store_load.c - a queue at work, without a server: puts, defers, holds, replaces and deletes through the store's door.
 *
 *	store_load [-s seed] [-n messages] [-j slots] [-b backlog] [-m map MiB] [-f min_free] DIRECTORY
 *
 * Every message passes one slot, and what becomes of it follows from its number and the seed. Acknowledgements are noted
 * as mail.h says, in the order a server would send them. What the store refuses is counted and left alone; when it is full, the slot
 * waits a little and removes an old message.
 * The last line of output is the account: accepted, refused for want of space, failed, removed, left. */
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/store.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "mail.h"

enum { SLOTS_MAX = 256, BACKLOG_MAX = 100000, REFUSED_MS = 20, DRAFT_LINES = 1000 /* from here on by drafts */,
	DRAFT_CHUNKS = 20 /* in one commit */, MANY_RCPTS = 1500 /* more rows than one deletion takes */ };

enum fate { OUT_AT_ONCE, OUT_ONE_BY_ONE, DEFER, DEFER_TWICE, HOLD, DELETE, REPLACE, LEAVE, FATES };
enum state { ST_NEXT, ST_DRAFT, ST_PUT, ST_DEFER, ST_REPLACE, ST_DELETE, ST_PAUSE, ST_END };

struct kept {			/* a message in the store */
	uint64_t	 n;
	queue_id_t	 id;
	uint32_t	 rcpts;
	unsigned	 tries;
};
struct slot {
	struct task	 task;
	struct store_op	 op;
	struct timer	 timer;
	enum state	 state;
	struct kept	 m;
	struct kept	 gone;		/* ST_DELETE: what is being deleted */
	uint32_t	 chunk;		/* ST_DRAFT: the next */
	bool		 relieve;	/* the store was full: remove something first */
};

static struct {
	uint64_t	 seed, last, messages;
	unsigned	 slots, backlog_max, running;
	struct slot	 slot[SLOTS_MAX];
	struct kept	 backlog[BACKLOG_MAX];
	unsigned	 head, kept;
	uint64_t	 accepted, full, failed, removed, dropped;
} load;

static unsigned chance(uint64_t n, unsigned salt, unsigned of)
{
	return (unsigned)(crash_mix(n ^ crash_mix(load.seed + salt)) % of);
}

static enum fate fate_of(uint64_t n)
{
	static const enum fate v[20] = { OUT_AT_ONCE, OUT_AT_ONCE, OUT_AT_ONCE, OUT_AT_ONCE, OUT_AT_ONCE, OUT_AT_ONCE,
		OUT_AT_ONCE, OUT_ONE_BY_ONE, OUT_ONE_BY_ONE, DEFER, DEFER, DEFER, DEFER_TWICE, DEFER_TWICE, HOLD, DELETE,
		DELETE, REPLACE, LEAVE, LEAVE };

	return v[chance(n, 1, NELEM(v))];
}

/* ---- making messages ------------------------------------------------------------------------------ */

static uint32_t rcpts_of(uint64_t n)
{
	return n % 97 == 13 ? MANY_RCPTS : n % 5 == 1 ? 2 + chance(n, 2, 4) : 1;
}

static struct content *content_of(uint64_t n, bool body)
{
	struct content *c = content_new();
	char h[CRASH_HEADER_MAX], line[CRASH_LINE];
	uint32_t i;

	c->header_len = crash_header(h, n);
	c->header = xmemdup(h, c->header_len);
	for (i = 0; body && i < crash_lines(n); i++) {
		crash_line(line, n, i);
		content_append(c, line, CRASH_LINE);
	}
	return c;
}

static struct message *message_of(const struct kept *k, bool stored)
{
	struct message *m = message_new(k->id, false);
	struct rcpt *r;
	uint32_t i;

	m->arrival_us = m->received_us = wall_us();
	m->sender = arena_strdup(&m->arena, "sender@example.net");
	m->size = (int64_t)crash_lines(k->n) * CRASH_LINE;
	m->client_name = arena_strdup(&m->arena, "client.example.net");
	m->client_addr = arena_strdup(&m->arena, "192.0.2.1");
	for (i = 0; i < k->rcpts; i++) {
		r = message_add_rcpt(m);
		r->addr = arena_printf(&m->arena, "u%u@d%u.example.com", i, chance(k->n, 3, 30));
		r->orig = r->addr;
	}
	m->rcpt_total = m->rcpt_left = k->rcpts;
	m->content = content_of(k->n, !stored);
	if (stored) {
		m->flags = MSG_CONTENT_STORED;
		m->body_bytes = m->size;
	}
	if (fate_of(k->n) == HOLD)
		m->queue = QUEUE_HOLD;
	return m;
}

/* ---- transactions ----------------------------------------------------------------------------------- */

static struct store_txn *deletion(const struct kept *k)
{
	struct store_txn *t = store_txn_new();

	crash_note("D %" PRIu64, k->n);
	store_txn_delete(t, k->id);
	return t;
}

static struct store_txn *one_gone(const struct kept *k, uint32_t i)
{
	struct store_txn *t = store_txn_new();

	crash_note("D %" PRIu64 " %u", k->n, i);
	store_txn_rcpt_done(t, k->id, i);
	return t;
}

static struct store_txn *deferral(struct kept *k)
{
	struct store_sched s = { .queue = QUEUE_DEFERRED, .due_ms = wall_us() / 1000 + 1000 * (int64_t)chance(k->n, 4, 1000),
		.last_try_ms = wall_us() / 1000, .attempts = ++k->tries, .sites = { chance(k->n, 3, 30) }, .nsites = 1,
		.flags = crash_lines(k->n) >= DRAFT_LINES ? MSG_CONTENT_STORED : 0 };
	struct store_txn *t = store_txn_new();
	char reason[64], addr[64];
	struct rcpt r = { .addr = addr, .orig = addr, .dsn = (char *)(uintptr_t)"4.4.1", .reason = reason };
	uint32_t i;

	crash_note("s %" PRIu64 " %u", k->n, k->tries);
	snprintf(reason, sizeof(reason), "try %u: connection timed out", k->tries);
	for (i = 0; i < k->rcpts; i++) {
		r.n = i;
		snprintf(addr, sizeof(addr), "u%u@d%u.example.com", i, chance(k->n, 3, 30));
		store_txn_rcpt(t, k->id, &r);
	}
	store_txn_sched(t, k->id, &s);
	return t;
}

static struct store_txn *draft(struct slot *s)
{
	uint64_t all = (uint64_t)crash_lines(s->m.n) * CRASH_LINE;
	struct store_txn *t = store_txn_new();
	struct chunk *c;
	int i;

	for (i = 0; i < DRAFT_CHUNKS && (uint64_t)s->chunk * STORE_CHUNK < all; i++, s->chunk++) {
		c = xmalloc(sizeof(*c));
		c->next = NULL;
		c->len = (uint32_t)crash_body(c->data, s->m.n, (uint64_t)s->chunk * STORE_CHUNK, STORE_CHUNK);
		store_txn_draft(t, s->m.id, s->chunk, c);
	}
	return t;
}

/* ---- the slot's way --------------------------------------------------------------------------------- */

static void keep(const struct kept *k)
{
	load.backlog[(load.head + load.kept++) % BACKLOG_MAX] = *k;
}

static void commit(struct slot *s, enum state st, struct store_txn *t)
{
	s->state = st;
	store_commit_start(&s->op, &s->task, &t);
}

/* Was it refused? Then it is counted and the slot rests. */
static bool refused(struct slot *s, enum store_result r)
{
	if (r == STORE_OK)
		return false;
	s->relieve = r == STORE_FULL;
	if (r == STORE_FULL)
		load.full++;
	else
		load.failed++;
	s->state = ST_PAUSE;
	timer_start(&s->timer, &s->task, REFUSED_MS);
	return true;
}

static void drop_drafts(struct slot *s)
{
	struct store_txn *t = store_txn_new();

	store_txn_draft_drop(t, s->m.id);
	store_settle(&t);
	load.dropped++;
}

static void next_message(struct slot *s)
{
	struct store_txn *t;
	struct message *m;

	if (load.kept > (s->relieve ? 0 : load.backlog_max)) {
		s->relieve = false;
		s->gone = load.backlog[load.head];
		load.head = (load.head + 1) % BACKLOG_MAX;
		load.kept--;
		t = deletion(&s->gone);
		if (chance(s->gone.n, 5, 2) == 0) {
			commit(s, ST_DELETE, t);
			return;
		}
		store_settle(&t);
		load.removed++;
	}
	if (load.last >= load.messages) {
		s->state = ST_END;
		return;
	}
	s->m = (struct kept){ .n = ++load.last, .id = store_new_id() };
	s->m.rcpts = rcpts_of(s->m.n);
	s->chunk = 0;
	crash_note("B %" PRIu64 " %u", s->m.n, s->m.rcpts);
	if (crash_lines(s->m.n) >= DRAFT_LINES) {
		commit(s, ST_DRAFT, draft(s));
		return;
	}
	t = store_txn_new();
	m = message_of(&s->m, false);
	store_txn_put(t, m);
	message_unref(&m);
	commit(s, ST_PUT, t);
}

static void after_draft(struct slot *s, enum store_result r)
{
	uint64_t all = (uint64_t)crash_lines(s->m.n) * CRASH_LINE;
	struct store_txn *t;
	struct message *m;

	if (r != STORE_OK)
		drop_drafts(s);
	if (refused(s, r))
		return;
	if (chance(s->m.n + s->chunk, 6, 40) == 0) {		/* the client is gone */
		drop_drafts(s);
		s->state = ST_NEXT;
		return;
	}
	if ((uint64_t)s->chunk * STORE_CHUNK < all) {
		commit(s, ST_DRAFT, draft(s));
		return;
	}
	t = store_txn_new();
	m = message_of(&s->m, true);
	store_txn_put(t, m);
	message_unref(&m);
	commit(s, ST_PUT, t);
}

static void after_put(struct slot *s, enum store_result r)
{
	struct store_txn *t;
	struct message *m;
	uint32_t i;

	if (r != STORE_OK && crash_lines(s->m.n) >= DRAFT_LINES)
		drop_drafts(s);
	if (refused(s, r))
		return;
	crash_note("P %" PRIu64, s->m.n);
	load.accepted++;
	s->state = ST_NEXT;
	switch (fate_of(s->m.n)) {
	case OUT_ONE_BY_ONE:
		for (i = 0; i + 1 < s->m.rcpts; i++) {
			t = one_gone(&s->m, i);
			store_settle(&t);
		}
		/* FALLTHROUGH */
	case OUT_AT_ONCE:
		t = deletion(&s->m);
		store_settle(&t);
		load.removed++;
		break;
	case DEFER:
	case DEFER_TWICE:
		commit(s, ST_DEFER, deferral(&s->m));
		break;
	case DELETE:
		s->gone = s->m;
		commit(s, ST_DELETE, deletion(&s->gone));
		break;
	case REPLACE:
		t = store_txn_new();
		m = message_of(&s->m, crash_lines(s->m.n) >= DRAFT_LINES);
		m->body_bytes = m->size;
		m->flags |= MSG_DELAY_WARNED;
		store_txn_replace(t, m);
		message_unref(&m);
		commit(s, ST_REPLACE, t);
		break;
	case HOLD:
	case LEAVE:
	case FATES:
		keep(&s->m);
		break;
	}
}

static void after_defer(struct slot *s, enum store_result r)
{
	struct store_txn *t;

	if (r == STORE_OK)
		crash_note("S %" PRIu64 " %u", s->m.n, s->m.tries);
	if (r == STORE_OK && s->m.tries == 1 && fate_of(s->m.n) == DEFER_TWICE) {
		t = store_txn_new();
		store_txn_due(t, s->m.id, wall_us() / 1000 + 7000);
		store_settle(&t);
		commit(s, ST_DEFER, deferral(&s->m));
		return;
	}
	keep(&s->m);
	if (!refused(s, r))
		s->state = ST_NEXT;
}

static void after_delete(struct slot *s, enum store_result r)
{
	if (r == STORE_NONE)		/* an attempt that failed and yet was made, then made again */
		r = STORE_OK;
	if (r == STORE_OK) {
		crash_note("G %" PRIu64, s->gone.n);
		load.removed++;
	} else {
		keep(&s->gone);
	}
	if (!refused(s, r))
		s->state = ST_NEXT;
}

static bool step(struct slot *s)
{
	enum state st = s->state;
	enum store_result r = STORE_OK;

	if (st == ST_PAUSE) {
		if (!timer_expired(&s->timer))
			return false;
		timer_end(&s->timer);
		st = s->state = ST_NEXT;
	}
	if (st != ST_NEXT && st != ST_END) {
		if ((r = store_commit_poll(&s->op)) == STORE_WAIT)
			return false;
		store_commit_end(&s->op);
	}
	switch (st) {
	case ST_NEXT:	 next_message(s); break;
	case ST_DRAFT:	 after_draft(s, r); break;
	case ST_PUT:	 after_put(s, r); break;
	case ST_DEFER:	 after_defer(s, r); break;
	case ST_REPLACE: keep(&s->m); if (!refused(s, r)) s->state = ST_NEXT; break;
	case ST_DELETE:	 after_delete(s, r); break;
	case ST_PAUSE:	 break;
	case ST_END:
		if (--load.running == 0)
			loop_stop();
		return false;
	}
	return true;
}

static void run(struct task *t)
{
	struct slot *s = CONTAINER_OF(t, struct slot, task);
	int budget = 10;

	while (step(s))
		if (--budget == 0) {
			task_wake(t);
			return;
		}
}

int main(int argc, char **argv)
{
	struct store_config c = { .map_bytes = (int64_t)1 << 36, .memory_limit = 64 << 20, .min_free = 0 };
	struct store_stats st;
	unsigned i;
	char *why;
	int opt;

	load.messages = 2000;
	load.slots = 16;
	load.backlog_max = 100;
	while ((opt = getopt(argc, argv, "s:n:j:b:m:f:")) != -1) {
		switch (opt) {
		case 's': load.seed = strtoull(optarg, NULL, 10); break;
		case 'n': load.messages = strtoull(optarg, NULL, 10); break;
		case 'j': load.slots = MIN((unsigned)atoi(optarg), (unsigned)SLOTS_MAX); break;
		case 'b': load.backlog_max = MIN((unsigned)atoi(optarg), (unsigned)BACKLOG_MAX - SLOTS_MAX); break;
		case 'm': c.map_bytes = (int64_t)atoi(optarg) << 20; break;
		case 'f': c.min_free = atoll(optarg); break;
		default: return 2;
		}
	}
	if (optind + 1 != argc)
		return 2;
	c.dir = argv[optind];
	loop_init();
	if ((why = store_open(&c)) != NULL) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (i = 0; i < load.slots; i++) {
		task_init(&load.slot[i].task, "slot", run);
		task_wake(&load.slot[i].task);
	}
	load.running = load.slots;
	loop_run();
	store_close();
	store_stats(&st);
	printf("accepted %" PRIu64 " full %" PRIu64 " failed %" PRIu64 " removed %" PRIu64 " left %u commits %" PRIu64 "\n",
	    load.accepted, load.full, load.failed, load.removed, load.kept, st.commits);
	loop_release();
	return 0;
}
