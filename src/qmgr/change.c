/* change.c - what postsuper does to a message, whether it is active or not.
 * Deleting ends its deliveries at once; a hold lets those under way finish and takes back the rest. The change is in
 * the store when the operation is done, also where an active message only follows later. Putting a message back
 * into the queue means that it goes through cleanup anew, at once (requeue.c). */
#include "qmgr_int.h"
#include <stdlib.h>

enum { RELEASED_MS = 30000 };

struct change {
	queue_id_t	 id;
	enum qmgr_change kind;
	struct store_load_op load;
	struct store_op	 commit;
	bool		 loading, committing;
	int64_t		 due_ms;	/* told to due.c once committed; 0: nothing */
};

/* What has to happen in memory; true: all is done, nothing to be changed in the store. */
static bool change_active(struct active *a, enum qmgr_change kind)
{
	switch (kind) {
	case QMGR_DELETE:
		a->drop_txn = true;
		active_free(a);
		return false;
	case QMGR_HOLD:
		if (a->msg == NULL || (a->busy == 0 && a->step == FINISH_NOT)) {
			active_free(a);
			return false;
		}
		a->after = AFTER_HOLD;
		break;
	case QMGR_REQUEUE:
		if (a->msg == NULL || (a->busy == 0 && a->step == FINISH_NOT)) {
			active_free(a);
			return false;
		}
		a->after = AFTER_REQUEUE;
		break;
	case QMGR_RELEASE:
		if (a->after == AFTER_HOLD)
			a->after = AFTER_RELEASE;
		return true;
	case QMGR_EXPIRE:
		if (a->msg == NULL)
			return false;
		a->msg->flags |= MSG_FORCE_DEFER_BOUNCE;
		return true;
	}
	active_withdraw(a);
	task_wake(&a->task);
	return kind == QMGR_REQUEUE;
}

static void change_commit(struct qmgr_change_op *op, struct store_txn *txn)
{
	struct change *c = op->priv;

	store_commit_start(&c->commit, op->task, &txn);
	c->committing = true;
}

void qmgr_change_start(struct qmgr_change_op *op, struct task *task, queue_id_t id, enum qmgr_change kind)
{
	struct change *c = xcalloc(1, sizeof(*c));
	struct active *a = active_find(id);
	struct store_txn *txn;

	ASSERT(!op->active);
	*op = (struct qmgr_change_op){ .task = task, .priv = c, .active = true };
	c->id = id;
	c->kind = kind;
	if (a != NULL && change_active(a, kind)) {
		op->result = 1;
	} else if (kind == QMGR_DELETE) {
		txn = store_txn_new();
		store_txn_delete(txn, id);
		change_commit(op, txn);
	} else {
		store_load_start(&c->load, task, id, 0, 1, 1 << RCPT_TODO);
		c->loading = true;
	}
}

/* The new schedule of a message as it stands in the store. False: it is that way already. */
static bool change_sched(struct change *c, const struct message *m, struct store_sched *s)
{
	int64_t now = wall_us() / 1000, wait_ms;

	*s = (struct store_sched){ .queue = m->queue == QUEUE_ACTIVE ? QUEUE_DEFERRED : m->queue, .due_ms = m->due_ms,
	    .last_try_ms = m->last_try_ms, .attempts = m->attempts, .flags = m->flags };
	switch (c->kind) {
	case QMGR_HOLD:
		if (m->queue == QUEUE_HOLD)
			return false;
		s->queue = QUEUE_HOLD;
		return true;
	case QMGR_RELEASE:
		if (m->queue != QUEUE_HOLD)
			return false;
		/* Deferred again, not tried at once: what looks at the queue now finds it there, as with Postfix. */
		s->queue = QUEUE_DEFERRED;
		/* A command that changes the queue of a stopped server has no scheduler's configuration. */
		wait_ms = qmgr.conf != NULL ? MIN(RELEASED_MS, qmgr.conf->queue_run_ms) : RELEASED_MS;
		c->due_ms = s->due_ms = MAX(s->due_ms, now + wait_ms);
		return true;
	case QMGR_REQUEUE:
		s->attempts = 0;
		s->flags |= MSG_REQUEUE;
		break;
	case QMGR_EXPIRE:
		s->flags |= MSG_FORCE_DEFER_BOUNCE;
		if (s->queue == QUEUE_DEFERRED && s->due_ms > 0)
			c->due_ms = s->due_ms;
		else if (s->queue == QUEUE_DEFERRED)
			c->due_ms = s->due_ms = now;
		return true;
	case QMGR_DELETE:
		return false;
	}
	s->queue = QUEUE_DEFERRED;
	c->due_ms = s->due_ms = now;
	return true;
}

static void change_loaded(struct qmgr_change_op *op)
{
	struct change *c = op->priv;
	struct store_sched s;

	switch (store_load_poll(&c->load)) {
	case STORE_WAIT:
		return;
	case STORE_OK:
		if (change_sched(c, c->load.msg, &s)) {
			struct store_txn *txn = store_txn_new();

			store_txn_sched(txn, c->id, &s);
			change_commit(op, txn);
		} else {
			op->result = 1;
		}
		break;
	case STORE_NONE:
		op->result = -1;
		break;
	default:
		op->result = -2;
	}
	store_load_end(&c->load);
	c->loading = false;
}

int qmgr_change_poll(struct qmgr_change_op *op)
{
	struct change *c = op->priv;

	ASSERT(op->active);
	if (op->result == 0 && c->loading)
		change_loaded(op);
	if (op->result == 0 && c->committing) {
		switch (store_commit_poll(&c->commit)) {
		case STORE_WAIT:
			return 0;
		case STORE_OK:
			op->result = 1;
			if (c->due_ms != 0)
				due_notice(c->due_ms, c->id);
			break;
		case STORE_NONE:
			op->result = -1;
			break;
		default:
			op->result = -2;
		}
	}
	return op->result;
}

void qmgr_change_end(struct qmgr_change_op *op)
{
	struct change *c = op->priv;

	if (!op->active)
		return;
	if (c->loading)
		store_load_end(&c->load);
	if (c->committing)
		store_commit_end(&c->commit);
	free(c);
	*op = (struct qmgr_change_op){ 0 };
}
