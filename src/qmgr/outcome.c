/* outcome.c - what became of a recipient: the log line, the row in the store, the count towards the end of the
 * attempt. A message whose recipients are all in memory keeps lists of the failed, the deferred and those to report, in
 * the order of their outcomes: notices are made from them, and rows that are about to go anyway are never written. */
#include "qmgr_int.h"
#include <stdlib.h>

void rcpt_vec_add(struct rcpt_vec *v, const struct rcpt *r)
{
	if (v->n == v->cap) {
		v->cap = v->cap != 0 ? v->cap * 2 : 4;
		v->v = xreallocarray(v->v, v->cap, sizeof(*v->v));
	}
	v->v[v->n++] = r;
}

static void closed(struct active *a, struct batch *b)
{
	b->left--;
	a->left--;
	qmgr.nrcpt--;
	task_wake(&a->task);
}

/* The status in the recipient, in the message's memory. */
static void set_status(struct batch *b, struct rcpt *r, const struct status *st, const char *dsn)
{
	struct arena *ar = message_arena(b->msg);

	r->dsn = arena_strdup(ar, dsn);
	r->reason = arena_strdup(ar, st->text);
	r->remote_mta = arena_strdup(ar, st->remote_mta);
	r->diagnostic = arena_strdup(ar, st->diagnostic);
}

static void note_site(struct active *a, const struct site *s)
{
	if (s->pseudo) {
		a->nsites = NELEM(a->sites) + 1;
		return;
	}
	for (unsigned i = 0; i < a->nsites && i < NELEM(a->sites); i++)
		if (a->sites[i] == s->node.key)
			return;
	if (a->nsites < NELEM(a->sites))
		a->sites[a->nsites] = s->node.key;
	if (a->nsites <= NELEM(a->sites))
		a->nsites++;
}

/* A row for the report to the sender: r as it is, or a copy whose own status is still needed. */
static void report(struct active *a, struct batch *b, struct rcpt *r, const char *action, const struct status *st,
		   bool copy)
{
	struct arena *ar = message_arena(b->msg);
	struct rcpt *t = r;

	if (copy) {
		if (a->stream)
			return;		/* lists of their own are for messages that fit */
		t = arena_alloc(ar, sizeof(*t));
		*t = *r;
	}
	t->action = arena_strdup(ar, action);
	t->reason = st->relay != NULL && strcmp(st->relay, "none") != 0 ?
	    arena_printf(ar, "delivery via %s: %s", st->relay, st->text) : arena_strdup(ar, st->text);
	a->reports++;
	if (!a->stream)
		rcpt_vec_add(&a->report_v, t);
	if (copy)
		return;
	r->state = RCPT_REPORT;
	store_txn_rcpt(active_txn(a), a->id, r);
}

static void times_of(const struct deliver *dv, struct log_times *t)
{
	const struct delivery *d = &dv->d;

	*t = (struct log_times){.arrival_us = d->msg->arrival_us,
				.active_us = dv->active->active_us,
				.active_ms = dv->active->active_ms,
				.start_us = d->started_us,
				.conn_us = d->conn_done_us,
				.reuse = d->conn_reuse};
}

/* The recipient's number i, now with an outcome; logs. */
static struct rcpt *outcome(struct delivery *d, unsigned i, enum outcome out, const struct status *st, const char *word)
{
	struct deliver *dv = CONTAINER_OF(d, struct deliver, d);
	struct log_times t;

	ASSERT(i < d->nrcpt && d->rcpt[i].out == OUT_NONE);
	times_of(dv, &t);
	log_status(&d->log, d->msg, d->rcpt[i].rcpt, d->rcpt[i].addr, &t, st, word);
	d->rcpt[i].out = out;
	dv->open--;
	return &d->msg->rcpt[d->rcpt[i].rcpt - d->msg->rcpt];
}

static bool verify_only(const struct delivery *d)
{
	return (d->msg->flags & MSG_TRACE_VERIFY) != 0;
}

/* sendmail -v: the first attempt is reported. */
static bool traced(const struct active *a)
{
	return (a->msg->flags & MSG_TRACE_DELIVER) != 0 && a->fresh;
}

/* The sender was warned, and wants to be told that it is over. */
static bool delay_cleared(const struct active *a)
{
	return qmgr.conf->confirm_delay_cleared && (a->msg->flags & MSG_DELAY_WARNED) != 0;
}

/* A report names the address that mail went to, which is not always the one in the queue (user%host@us). */
static void take_resolved(const struct delivery *d, unsigned i, struct rcpt *r)
{
	if (strcmp(d->rcpt[i].addr, r->addr) != 0)
		r->addr = arena_strdup(&d->msg->arena, d->rcpt[i].addr);
}

static void probed(struct deliver *dv, unsigned i, enum outcome out, const struct status *st)
{
	const char *action = out == OUT_SENT ? "deliverable" : "undeliverable";
	struct rcpt *r = outcome(&dv->d, i, out, st, action);

	set_status(dv->batch, r, st, st->dsn);
	take_resolved(&dv->d, i, r);
	report(dv->active, dv->batch, r, action, st, false);
	closed(dv->active, dv->batch);
}

static void sent(struct delivery *d, unsigned i, const struct status *st)
{
	struct deliver *dv = CONTAINER_OF(d, struct deliver, d);
	struct active *a = dv->active;
	struct rcpt *r;
	bool wanted;

	if (verify_only(d)) {
		probed(dv, i, OUT_SENT, st);
		return;
	}
	r = outcome(d, i, OUT_SENT, st, "sent");
	qmgr.stats.delivered++;
	wanted = traced(a) || delay_cleared(a) || ((r->notify & DSN_SUCCESS) != 0 && !st->dsn_capable);
	if (wanted) {
		set_status(dv->batch, r, st, st->dsn);
		take_resolved(d, i, r);
		report(a, dv->batch, r, st->final ? "delivered" : "relayed", st, false);
	} else if (a->left > 1 || a->more || a->kept || a->deferred > 0 || a->failed > 0 || a->reports > 0) {
		store_txn_rcpt_done(active_txn(a), a->id, r->n);
	}			/* else the message goes as a whole at once */
	closed(a, dv->batch);
}

static void deferred(struct active *a, struct batch *b, struct rcpt *r, const struct site *s, const struct status *st,
    const char *dsn)
{
	if (traced(a)) {
		set_status(b, r, st, dsn);
		report(a, b, r, "delayed", st, true);
	}
	set_status(b, r, st, dsn);
	store_txn_rcpt(active_txn(a), a->id, r);
	note_site(a, s);
	a->deferred++;
	if (!a->stream)
		rcpt_vec_add(&a->deferred_v, r);
	qmgr.stats.deferred++;
	closed(a, b);
}

static void put_off(struct delivery *d, unsigned i, const struct status *st)
{
	struct deliver *dv = CONTAINER_OF(d, struct deliver, d);

	if (verify_only(d))
		probed(dv, i, OUT_DEFERRED, st);
	else
		deferred(dv->active, dv->batch, outcome(d, i, OUT_DEFERRED, st, "deferred"), dv->site, st, st->dsn);
}

static void bounced(struct delivery *d, unsigned i, const struct status *st)
{
	struct deliver *dv = CONTAINER_OF(d, struct deliver, d);
	struct active *a = dv->active;
	struct rcpt *r;

	if (verify_only(d)) {
		probed(dv, i, OUT_BOUNCED, st);
		return;
	}
	if (view_bool(d->service->view, soft_bounce)) {
		struct status soft = *st;
		char dsn[12];

		str_copy(dsn, st->dsn, sizeof(dsn));
		dsn[0] = '4';
		soft.dsn = dsn;
		deferred(a, dv->batch, outcome(d, i, OUT_DEFERRED, &soft, "SOFTBOUNCE"), dv->site, &soft, dsn);
		return;
	}
	r = outcome(d, i, OUT_BOUNCED, st, "bounced");
	qmgr.stats.bounced++;
	set_status(dv->batch, r, st, st->dsn);
	take_resolved(d, i, r);
	if (traced(a))
		report(a, dv->batch, r, "failed", st, true);
	r->state = RCPT_FAILED;
	a->failed++;
	if (a->stream)
		store_txn_rcpt(active_txn(a), a->id, r);
	else
		rcpt_vec_add(&a->failed_v, r);
	closed(a, dv->batch);
}

void outcome_report(struct delivery *d, unsigned i, enum outcome out, const struct status *st)
{
	if (out == OUT_SENT)
		sent(d, i, st);
	else if (out == OUT_DEFERRED)
		put_off(d, i, st);
	else
		bounced(d, i, st);
}

void delivery_sent(struct delivery *d, unsigned i, const struct status *st)
{
	if (!filter_outcome(d, i, OUT_SENT, st))
		sent(d, i, st);
}

void delivery_deferred(struct delivery *d, unsigned i, const struct status *st)
{
	if (!filter_outcome(d, i, OUT_DEFERRED, st))
		put_off(d, i, st);
}

void delivery_bounced(struct delivery *d, unsigned i, const struct status *st)
{
	if (!filter_outcome(d, i, OUT_BOUNCED, st))
		bounced(d, i, st);
}

void delivery_site_failed(struct delivery *d, const struct status *st, bool hard)
{
	for (unsigned i = 0; i < d->nrcpt; i++) {
		if (d->rcpt[i].out != OUT_NONE)
			continue;
		if (hard)
			delivery_bounced(d, i, st);
		else
			delivery_deferred(d, i, st);
	}
	if (hard)
		return;
	d->site_failed = true;
	str_copy(d->site_dsn, st->dsn, sizeof(d->site_dsn));
	free(d->site_reason);
	d->site_reason = xstrdup(st->text);
}

/* ---- without an agent ---------------------------------------------------------------------------------- */
static void log_without(struct active *a, struct batch *b, struct target *t, const struct log_ctx *ctx,
			const struct status *st, const char *word)
{
	struct log_times times = {
	    .arrival_us = b->msg->arrival_us, .active_us = a->active_us, .active_ms = a->active_ms};

	log_status(ctx, b->msg, t->r, t->addr, &times, st, word);
}

void outcome_deferred(struct active *a, struct batch *b, struct target *t, const char *dsn, const char *reason,
		      unsigned number)
{
	struct log_ctx ctx = { .name = qmgr.conf->error_log_name, .number = number };
	struct status st = { .dsn = dsn, .relay = "none", .text = reason };

	if ((a->msg->flags & MSG_TRACE_VERIFY) != 0) {
		log_without(a, b, t, &ctx, &st, "undeliverable");
		set_status(b, t->r, &st, dsn);
		report(a, b, t->r, "undeliverable", &st, false);
		closed(a, b);
		return;
	}
	log_without(a, b, t, &ctx, &st, "deferred");
	deferred(a, b, t->r, t->site, &st, dsn);
}

/* Done with, delivered nowhere; text NULL: not even worth a line. */
void outcome_discarded(struct active *a, struct batch *b, struct target *t, const char *text)
{
	struct status st = { .dsn = "2.0.0", .relay = "none", .text = text };

	if (text != NULL)
		log_without(a, b, t, &qmgr.log, &st, "sent");
	store_txn_rcpt_done(active_txn(a), a->id, t->r->n);
	closed(a, b);
}
