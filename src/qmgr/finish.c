/* finish.c - the end of an attempt: notices, then the schedule of what is left, or the end of the message.
 *
 *	failed recipients	a notice to the sender, at once
 *	reports asked for	another
 *	too old, some left	a notice about those: "expired, returned to sender"
 *	delay_warning_time	once, a notice about those left
 *	nothing left		the message is deleted, in the commit of its last notice
 *	else			due again: its age, within minimal_backoff_time and maximal_backoff_time, from now
 *
 * Each notice commits together with the removal of the rows it reports; so whatever happens in between, every
 * recipient is reported once. A notice that cannot be queued leaves the message deferred as it stands. */
#include "qmgr_int.h"
#include <stdlib.h>

int64_t backoff_ms(int64_t arrival_us)
{
	int64_t age = (wall_us() - arrival_us) / 1000;

	return MAX(qmgr.conf->min_backoff_ms, MIN(age, qmgr.conf->max_backoff_ms));
}

static int64_t age_s(const struct active *a)
{
	return wall_s() - a->msg->arrival_us / 1000000;
}

static bool too_old(const struct active *a)
{
	int64_t limit = *a->msg->sender != '\0' ? qmgr.conf->lifetime_s : qmgr.conf->bounce_lifetime_s;

	return age_s(a) >= limit || (a->msg->flags & MSG_FORCE_DEFER_BOUNCE) != 0;
}

static bool delay_due(const struct active *a)
{
	return qmgr.conf->delay_warning_s > 0 && (a->msg->flags & MSG_DELAY_WARNED) == 0 &&
	    age_s(a) >= qmgr.conf->delay_warning_s - 1;
}

static bool has_notice(const struct active *a, enum finish_step step)
{
	bool normal = a->after == AFTER_NORMAL && !a->retry_bounce;

	switch (step) {
	case FINISH_FAILED:
		return a->failed > 0 && !a->retry_bounce;
	case FINISH_REPORT:
		return a->reports > 0 && !a->retry_bounce;
	case FINISH_EXPIRE:
		return a->deferred > 0 && normal && too_old(a);
	case FINISH_DELAY:
		return a->deferred > 0 && normal && !too_old(a) && delay_due(a);
	default:
		return false;
	}
}

static bool is_last_notice(const struct active *a, enum finish_step step)
{
	while (++step < FINISH_LAST)
		if (has_notice(a, step))
			return false;
	return true;
}

static void schedule_of(const struct active *a, struct store_sched *s)
{
	bool now = a->after == AFTER_REQUEUE || a->after == AFTER_RELEASE;

	*s = (struct store_sched){
		.queue = a->after == AFTER_HOLD ? QUEUE_HOLD : QUEUE_DEFERRED,
		.due_ms = wall_us() / 1000 + (now ? 0 : backoff_ms(a->msg->arrival_us)),
		.last_try_ms = wall_us() / 1000, .attempts = now ? 0 : a->msg->attempts + 1,
		.flags = a->msg->flags | (a->after == AFTER_REQUEUE ? MSG_REQUEUE : 0),
	};
	if (a->after == AFTER_NORMAL && a->nsites <= NELEM(s->sites)) {
		s->nsites = a->nsites;
		for (unsigned i = 0; i < a->nsites; i++)	/* the lowest bit: has been warned about */
			s->sites[i] = a->sites[i] | ((a->msg->flags & MSG_DELAY_WARNED) != 0);
	}
}

/* What the notice of this step takes along. */
static struct store_txn *joined(struct active *a, enum finish_step step, const struct rcpt_vec *v, bool *settle_r)
{
	struct store_txn *txn = store_txn_new();
	bool remains = (a->deferred > 0 && step != FINISH_EXPIRE) || a->kept || a->after != AFTER_NORMAL;
	struct store_sched s;

	*settle_r = false;
	if (step == FINISH_DELAY) {
		a->msg->flags |= MSG_DELAY_WARNED;
		schedule_of(a, &s);
		store_txn_sched(txn, a->id, &s);
	} else if (!remains && is_last_notice(a, step)) {
		store_txn_delete(txn, a->id);
		a->deleted = true;
	} else if (a->stream) {
		*settle_r = true;
	} else {
		/* A report may also tell of recipients that are not done with. */
		for (uint32_t i = 0; i < v->n; i++)
			if (step != FINISH_REPORT || v->v[i]->state == RCPT_REPORT)
				store_txn_rcpt_done(txn, a->id, v->v[i]->n);
	}
	return txn;
}

static void notice_begin(struct active *a)
{
	static const struct { enum bounce_kind kind; unsigned state; } what[] = {
		[FINISH_FAILED] = { BOUNCE_FAILURE, RCPT_FAILED }, [FINISH_REPORT] = { BOUNCE_SUCCESS, RCPT_REPORT },
		[FINISH_EXPIRE] = { BOUNCE_FAILURE, RCPT_TODO }, [FINISH_DELAY] = { BOUNCE_DELAY, RCPT_TODO },
	};
	const struct rcpt_vec *v = a->step == FINISH_FAILED   ? &a->failed_v
				   : a->step == FINISH_REPORT ? &a->report_v
							      : &a->deferred_v;
	struct bounce_request req = { .kind = what[a->step].kind, .msg = a->msg, .states = 1u << what[a->step].state };
	struct store_txn *txn;

	if (a->step == FINISH_REPORT && (a->msg->flags & (MSG_TRACE_VERIFY | MSG_TRACE_DELIVER)) != 0)
		req.kind = BOUNCE_VERIFY;
	if (a->step == FINISH_EXPIRE) {
		struct buf b = { 0 };

		log_address(&b, a->msg->sender);
		log_info(&qmgr.log, "%s: from=<%s>, status=%s, returned to sender", a->msg->name, buf_str(&b),
		    (a->msg->flags & MSG_FORCE_DEFER_BOUNCE) != 0 ? "force-expired" : "expired");
		buf_release(&b);
	}
	txn = joined(a, a->step, v, &req.settle);
	if (!a->stream) {
		req.rcpt = v->v;
		req.nrcpt = v->n;
	}
	bounce_start(&a->bounce, &a->task, &req, &txn);
	a->bounce_on = true;
}

/* The notice could not be queued: what it was about stays in the store until the next attempt. */
static void notice_failed(struct active *a)
{
	const struct rcpt_vec *v = &a->failed_v;

	if (a->step == FINISH_DELAY) {
		a->msg->flags &= ~(unsigned)MSG_DELAY_WARNED;
		return;
	}
	log_info(&qmgr.log, "%s: status=deferred (bounce failed)", a->msg->name);
	a->retry_bounce = true;
	a->deleted = false;
	if (a->step == FINISH_FAILED && !a->stream)
		for (uint32_t i = 0; i < v->n; i++)
			store_txn_rcpt(active_txn(a), a->id, v->v[i]);
}

static void notice_done(struct active *a)
{
	switch (a->step) {
	case FINISH_FAILED:
		a->failed = 0;
		break;
	case FINISH_REPORT:
		a->reports = 0;
		break;
	case FINISH_EXPIRE:
		a->deferred = 0;
		break;
	default:
		break;
	}
}

/* A stream's notices are made from rows: those must be on the disk first. True: they are. */
static bool synced(struct active *a)
{
	if (!a->stream || (!has_notice(a, FINISH_FAILED) && is_last_notice(a, FINISH_FAILED)))
		return true;
	if (!a->commit_on) {
		struct store_txn *txn = active_txn(a);

		a->txn = NULL;
		active_settle(a);
		store_commit_start(&a->commit, &a->task, &txn);
		a->commit_on = true;
	}
	switch (store_commit_poll(&a->commit)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
	case STORE_NONE:
		break;
	default:
		a->retry_bounce = true;
	}
	store_commit_end(&a->commit);
	a->commit_on = false;
	return true;
}

/* True: over. A message that stays is active until its new schedule is on the disk, so that what the queue listing shows
 * of it is never older than what it says; a message that goes is forgotten at once, its removal rides with what comes. */
static bool finish_last(struct active *a)
{
	struct store_sched s;
	struct store_txn *txn;

	if (a->deferred == 0 && !a->retry_bounce && a->failed == 0 && a->reports == 0 && !a->kept) {
		store_txn_free(&a->txn);
		if (!a->deleted) {
			store_txn_delete(active_txn(a), a->id);
			gone_add(a->id);
		}
		log_info(&qmgr.log, "%s: removed", a->msg->name);
	} else if (!qmgr.draining || !a->kept || a->after != AFTER_NORMAL) {
		/* (Ending, recipients that were not tried leave the message due as it was.) */
		schedule_of(a, &s);
		store_txn_sched(active_txn(a), a->id, &s);
		a->due_ms = s.queue != QUEUE_HOLD ? s.due_ms : 0;
		txn = a->txn;
		a->txn = NULL;
		active_settle(a);
		content_unref(&a->content);
		store_commit_start(&a->commit, &a->task, &txn);
		a->commit_on = true;
		a->step = FINISH_COMMIT;
		return false;
	}
	active_settle(a);
	return true;
}

/* True: the schedule is in the store, or on its way there. */
static bool finish_commit(struct active *a)
{
	enum store_result r = store_commit_poll(&a->commit);
	struct store_sched s;

	if (r == STORE_WAIT)
		return false;
	if (r != STORE_OK && r != STORE_NONE) {
		/* Settlements are tried until they are in; the reasons of this attempt are lost. */
		schedule_of(a, &s);
		store_txn_sched(active_txn(a), a->id, &s);
		active_settle(a);
		gone_add(a->id);
	}
	if (a->due_ms != 0)
		due_notice(a->due_ms, a->id);
	return true;
}

void finish_run(struct active *a)
{
	for (;;) {
		if (a->step == FINISH_SYNC) {
			if (!synced(a))
				return;
			a->step = FINISH_FAILED;
		}
		if (a->step == FINISH_LAST && !finish_last(a))
			return;
		if (a->step == FINISH_COMMIT && !finish_commit(a))
			return;
		if (a->step >= FINISH_LAST) {
			active_free(a);
			return;
		}
		if (!a->bounce_on && has_notice(a, a->step))
			notice_begin(a);
		if (a->bounce_on) {
			switch (bounce_poll(&a->bounce)) {
			case BOUNCE_WAIT:
				return;
			case BOUNCE_DONE:
				notice_done(a);
				break;
			case BOUNCE_RETRY:
				notice_failed(a);
				break;
			}
			bounce_end(&a->bounce);
			a->bounce_on = false;
		}
		a->step++;
	}
}
