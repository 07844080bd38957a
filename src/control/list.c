/* list.c - verb list: the queue for mailq, a slice at a time, as fast as the caller reads.
 * First what is incoming or active, then deferred, then on hold, as showq goes through its queues. One data frame for a
 * message: strings, each with its NUL:
 *	"M", queue name, id, arrival (s), size, "1" if forced to expire, sender, then (recipient, reason)...
 * and for a message with many recipients more frames: "R", then (recipient, reason)... The reason is "" before the first
 * attempt. Recipients are grouped by reason, those without one at the end. */
#include "server.h"
#include <postrider/address.h>
#include <postrider/hash.h>
#include <postrider/qmgr.h>
#include <postrider/store.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLICE = 500, FRAME_FILL = 32768 };
static const unsigned passes[] = { LIST_ACTIVE, LIST_DEFERRED, LIST_HOLD };

struct listing {
	size_t		 pass;
	queue_id_t	 after;
	struct store_list_op list;
	struct store_load_op rest;	/* active: further recipients of the last message */
	struct buf	 quoted;
};

const char *queue_name(const struct message *m)
{
	if (m->queue == QUEUE_HOLD)
		return "hold";
	if (qmgr_is_active(m->id))
		return "active";
	return m->queue == QUEUE_DEFERRED ? "deferred" : "incoming";
}

static void put(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

/* For recipients of one message: whose reason was seen first comes first. */
struct ranked { const struct rcpt *r; uintptr_t rank; };

static int by_rank(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->r->n < b->r->n ? -1 : a->r->n > b->r->n;
}

static size_t rank(const struct message *m, struct ranked *v)
{
	struct hash seen = { 0 };
	uintptr_t rank, ranks = 0;
	uint32_t i;
	size_t n = 0;

	for (i = 0; i < m->nrcpt; i++) {
		const struct rcpt *r = &m->rcpt[i];

		if (r->state != RCPT_TODO)
			continue;
		if (r->reason == NULL) {
			rank = UINTPTR_MAX;
		} else if (n > 0 && v[n - 1].r->reason != NULL && strcmp(v[n - 1].r->reason, r->reason) == 0) {
			rank = v[n - 1].rank;
		} else if ((rank = (uintptr_t)hash_get(&seen, r->reason)) == 0) {
			rank = ++ranks;
			hash_set(&seen, r->reason, (void *)rank);
		}
		v[n++] = (struct ranked){ r, rank };
	}
	hash_release(&seen, NULL);
	if (ranks > 0)
		qsort(v, n, sizeof(*v), by_rank);
	return n;
}

static const char *quoted(struct listing *l, const char *addr)
{
	buf_reset(&l->quoted);
	address_quote_822(&l->quoted, addr);
	return buf_str(&l->quoted);
}

static void send_rcpts(struct conn *c, struct listing *l, const struct message *m)
{
	struct ranked *v = xreallocarray(NULL, MAX(m->nrcpt, 1), sizeof(*v));
	size_t i, n = rank(m, v), need;

	for (i = 0; i < n; i++) {
		const char *addr = quoted(l, v[i].r->addr), *reason = v[i].r->reason != NULL ? v[i].r->reason : "";

		need = strlen(addr) + strlen(reason) + 2;
		if (need > FRAME_MAX - 2)
			continue;		/* no address is so long */
		if (c->out.len + need > FRAME_MAX || c->out.len > FRAME_FILL) {
			answer(c, 'D', c->out.p, c->out.len);
			buf_reset(&c->out);
			put(&c->out, "R");
		}
		put(&c->out, addr);
		put(&c->out, reason);
	}
	answer(c, 'D', c->out.p, c->out.len);
	free(v);
}

static void send_message(struct conn *c, struct listing *l, const struct message *m)
{
	char number[64];

	buf_reset(&c->out);
	put(&c->out, "M");
	put(&c->out, queue_name(m));
	put(&c->out, m->name);
	snprintf(number, sizeof(number), "%lld", (long long)(m->arrival_us / 1000000));
	put(&c->out, number);
	snprintf(number, sizeof(number), "%lld", (long long)m->size);
	put(&c->out, number);
	put(&c->out, m->flags & MSG_FORCE_DEFER_BOUNCE ? "1" : "0");
	put(&c->out, m->sender[0] != '\0' ? quoted(l, m->sender) : "");
	send_rcpts(c, l, m);
}

/* True: goes on with something. */
static bool rest_step(struct conn *c, struct listing *l)
{
	switch (store_load_poll(&l->rest)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
		buf_reset(&c->out);
		put(&c->out, "R");
		send_rcpts(c, l, l->rest.msg);
		store_load_next(&l->rest, &c->task, SLICE, 1 << RCPT_TODO);
		break;
	default:			/* delivered or deleted meanwhile */
		store_load_end(&l->rest);
	}
	return true;
}

static bool queue_is_empty(unsigned pass)
{
	struct store_stats st;

	store_stats(&st);
	return pass == LIST_ACTIVE ? st.active == 0 : pass == LIST_DEFERRED ? st.deferred == 0 : st.hold == 0;
}

static bool slice_step(struct conn *c, struct listing *l, bool *failed_r)
{
	const struct message *last;
	size_t i;

	switch (store_list_poll(&l->list)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
		break;
	default:
		*failed_r = true;
		return true;
	}
	for (i = 0; i < l->list.n; i++)
		if (!qmgr_is_removed(l->list.msg[i]->id))
			send_message(c, l, l->list.msg[i]);
	last = l->list.n > 0 ? l->list.msg[l->list.n - 1] : NULL;
	if (last != NULL && l->list.cut && last->nrcpt > 0 && !qmgr_is_removed(last->id))
		store_load_start(&l->rest, &c->task, last->id, last->rcpt[last->nrcpt - 1].n + 1, SLICE, 1 << RCPT_TODO);
	l->after = l->list.last;
	if (l->list.end) {
		l->pass++;
		l->after = 0;
	}
	store_list_end(&l->list);
	return true;
}

static enum step list_step(struct conn *c)
{
	struct listing *l = c->verb_state;
	bool failed = false;

	if (l == NULL)
		l = c->verb_state = xcalloc(1, sizeof(*l));
	for (;;) {
		if (!stream_writable(c->stream))
			return STEP_WAIT;
		if (l->rest.op.active) {
			if (!rest_step(c, l))
				return STEP_WAIT;
			continue;
		}
		while (l->pass < NELEM(passes) && l->after == 0 && !l->list.op.active && queue_is_empty(passes[l->pass]))
			l->pass++;
		if (l->pass == NELEM(passes))
			return answer_ok(c);
		if (!l->list.op.active)
			store_list_start(&l->list, &c->task, l->after, passes[l->pass], SLICE);
		if (!slice_step(c, l, &failed))
			return STEP_WAIT;
		if (failed)
			return answer_error(c, "the queue cannot be read");
	}
}

static void list_end(struct conn *c)
{
	struct listing *l = c->verb_state;

	if (l == NULL)
		return;
	store_list_end(&l->list);
	store_load_end(&l->rest);
	buf_release(&l->quoted);
	free(l);
}

const struct verb verb_list = { .name = "list", .right = RIGHT_MAILQ, .step = list_step, .end = list_end };
