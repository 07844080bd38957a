/* active.c - messages in the active set: from arrival or the store until the attempt is over.
 *
 *	arrival, due row -> load (a slice) -> resolve -> peers, deliveries -> ... -> finish.c
 *
 * A new message with few recipients never touches the store: what arrived is what is delivered. One with many is read
 * back in slices like a deferred one; the next slice is loaded when half of the last is done. When memory for
 * messages or recipients is used up, new mail stays in the store, where due.c finds it later. */
#include "qmgr_int.h"
#include <stdlib.h>

enum { SLICE = 1000, EARLY_MS = 1000, ALL_STATES = 1 << RCPT_TODO | 1 << RCPT_FAILED | 1 << RCPT_REPORT };

static void active_run(struct task *);

/* What is left of qmgr_message_recipient_limit, but qmgr_message_recipient_minimum for every message: those with many
 * recipients for slow destinations keep nobody out. */
static uint32_t slice_size(void)
{
	uint32_t room = qmgr.nrcpt < qmgr.conf->rcpt_limit ? qmgr.conf->rcpt_limit - (uint32_t)qmgr.nrcpt : 0;

	return MAX(qmgr.conf->rcpt_minimum, MIN(SLICE, room));
}

bool active_room(bool fresh)
{
	if (qmgr.nactive >= qmgr.conf->active_limit)
		return false;
	return fresh || qmgr.nretry < qmgr.conf->active_limit - qmgr.conf->active_limit / 4;
}

struct active *active_find(queue_id_t id)
{
	struct idnode *n = idmap_first(&qmgr.active, id);

	return n != NULL ? CONTAINER_OF(n, struct active, node) : NULL;
}

static struct active *active_new(queue_id_t id, bool fresh)
{
	struct active *a = xcalloc(1, sizeof(*a));

	a->id = id;
	a->fresh = fresh;
	a->active_us = wall_us();
	a->active_ms = now_ms();
	TAILQ_INIT(&a->batches);
	task_init(&a->task, "message", active_run);
	idmap_add(&qmgr.active, &a->node, id);
	LIST_INSERT_HEAD(&qmgr.all, a, link);
	qmgr.nactive++;
	qmgr.nretry += !fresh;
	return a;
}

/* ---- changes on their way to the store ------------------------------------------------------------- */
struct store_txn *active_txn(struct active *a)
{
	if (a->txn == NULL)
		a->txn = store_txn_new();
	if (!a->dirty) {
		TAILQ_INSERT_TAIL(&qmgr.dirty, a, dirty_link);
		a->dirty = true;
		task_wake(&qmgr.task);
	}
	return a->txn;
}

void active_settle(struct active *a)
{
	if (a->dirty)
		TAILQ_REMOVE(&qmgr.dirty, a, dirty_link);
	a->dirty = false;
	if (a->txn != NULL && a->drop_txn)
		store_txn_free(&a->txn);
	else if (a->txn != NULL)
		store_settle(&a->txn);
}

/* ---- batches ------------------------------------------------------------------------------------------ */
static struct batch *batch_new(struct active *a, struct message *m)
{
	struct batch *b = TAILQ_EMPTY(&a->batches) && a->first.msg == NULL ? &a->first : xcalloc(1, sizeof(*b));
	uint32_t n = 0;

	b->active = a;
	b->msg = message_ref(m);
	b->target = m->nrcpt == 1 ? &b->one : xcalloc(m->nrcpt + 1, sizeof(*b->target));
	for (uint32_t i = 0; i < m->nrcpt; i++) {
		struct rcpt *r = &m->rcpt[i];

		switch (r->state) {
		case RCPT_TODO:
			b->target[n++] = (struct target){ .r = r, .addr = r->addr };
			break;
		case RCPT_FAILED:
			a->failed++;
			if (!a->stream)
				rcpt_vec_add(&a->failed_v, r);
			break;
		default:
			a->reports++;
			if (!a->stream)
				rcpt_vec_add(&a->report_v, r);
		}
	}
	b->n = b->left = n;
	a->left += n;
	qmgr.nrcpt += n;
	TAILQ_INSERT_TAIL(&a->batches, b, link);
	return b;
}

/* Returns how many recipients that makes. */
static uint32_t batch_withdraw(struct batch *b)
{
	struct job *j;
	uint32_t n = 0;

	if (!b->assigned) {
		for (uint32_t i = 0; i < b->resolved; i++)
			if (b->target[i].site != NULL) {
				b->target[i].site->pins--;
				site_release(b->target[i].site);
			}
		b->assigned = true;
		n = b->left;
	}
	while ((j = LIST_FIRST(&b->jobs)) != NULL) {
		bool last;

		do {
			struct peer *p = LIST_FIRST(&j->peers);

			n += (uint32_t)(p->end - p->next);
			last = LIST_NEXT(p, job_link) == NULL;
			peer_free(p);		/* the last takes the job along */
		} while (!last);
	}
	b->left -= n;
	b->active->left -= n;
	qmgr.nrcpt -= n;
	return n;
}

static void load_start(struct active *a)
{
	store_load_start(&a->load, &a->task, a->id, a->next_n, slice_size(), ALL_STATES);
	a->loading = true;
	qmgr.nloading++;
}

static void load_end(struct active *a)
{
	if (!a->loading)
		return;
	store_load_end(&a->load);
	a->loading = false;
	qmgr.nloading--;
	due_room();
}

void active_withdraw(struct active *a)
{
	struct batch *b;

	if (a->resolve_on)
		resolve_end(&a->resolve);
	a->kept = a->kept || a->more || a->loading;
	load_end(a);
	a->resolve_on = a->more = false;
	a->resolving = NULL;
	TAILQ_FOREACH(b, &a->batches, link)
		a->kept = batch_withdraw(b) > 0 || a->kept;
}

void batch_free(struct batch *b)
{
	struct active *a = b->active;

	TAILQ_REMOVE(&a->batches, b, link);
	message_unref(&b->msg);
	if (b->target != &b->one)
		free(b->target);
	if (b != &a->first)
		free(b);
	else
		*b = (struct batch){ 0 };
}

/* ---- in and out ------------------------------------------------------------------------------------------ */
void active_free(struct active *a)
{
	struct deliver *dv;
	struct batch *b;

	while ((dv = LIST_FIRST(&a->deliveries)) != NULL)
		deliver_cancel(dv);
	active_withdraw(a);
	if (a->bounce_on)
		bounce_end(&a->bounce);
	requeue_end(&a->requeue);
	if (a->commit_on)
		store_commit_end(&a->commit);
	if (a->step != FINISH_NOT)
		qmgr.nfinishing--;
	active_settle(a);
	while ((b = TAILQ_FIRST(&a->batches)) != NULL)
		batch_free(b);
	idmap_del(&qmgr.active, &a->node);
	LIST_REMOVE(a, link);
	qmgr.nactive--;
	qmgr.nretry -= !a->fresh;
	task_unlink(&a->task);
	message_unref(&a->msg);
	content_unref(&a->content);
	free(a->deferred_v.v);
	free(a->failed_v.v);
	free(a->report_v.v);
	free(a);
	due_room();
	qmgr_maybe_idle();
}

static void log_active(const struct message *m)
{
	struct buf b = { 0 };

	log_address(&b, m->sender);
	log_info(&qmgr.log, "%s: from=<%s>, size=%lld, nrcpt=%u (queue active)", m->name, buf_str(&b),
		 (long long)m->size, m->rcpt_total != 0 ? m->rcpt_total : m->nrcpt);
	buf_release(&b);
}

void active_arrival(struct message *m)
{
	struct active *a;

	if (!qmgr.started || qmgr.draining || !active_room(true)) {
		due_overflow(m->id);
		return;
	}
	if (active_find(m->id) != NULL)
		return;
	a = active_new(m->id, true);
	log_active(m);
	a->msg = message_ref(m);
	if (m->content != NULL)
		a->content = content_ref(m->content);
	if (m->nrcpt <= slice_size()) {
		a->resolving = batch_new(a, m);
	} else {
		a->stream = true;
		a->more = true;
	}
	task_wake(&a->task);
}

struct active *active_load(queue_id_t id, bool flushed)
{
	struct active *a = active_new(id, false);

	a->flushed = flushed;
	a->more = true;
	task_wake(&a->task);
	return a;
}

/* The envelope came with the first slice. False: nothing to be done with this message now. */
static bool loaded_first(struct active *a, struct message *m)
{
	if (m->queue == QUEUE_HOLD || (m->queue == QUEUE_DEFERRED && m->due_ms > wall_us() / 1000 + EARLY_MS))
		return false;		/* the row that was read had been overtaken */
	a->msg = message_ref(m);
	if ((m->flags & MSG_REQUEUE) != 0) {
		a->requeue = requeue_start(&a->task, m);
		return true;
	}
	a->stream = a->load.more;
	if (m->attempts == 0) {
		a->fresh = true;
		qmgr.nretry--;
	}
	log_active(m);
	return true;
}

enum step_result { STEP_WAIT, STEP_ON, STEP_GONE };

static enum step_result load_step(struct active *a)
{
	struct message *m;

	switch (store_load_poll(&a->load)) {
	case STORE_WAIT:
		return STEP_WAIT;
	case STORE_OK:
		break;
	case STORE_NONE:
		return STEP_GONE;
	default:
		log_warn(&qmgr.log, "a message could not be read from the queue; it is tried again later");
		due_retry();
		return STEP_GONE;
	}
	m = a->load.msg;
	if (a->msg == NULL && !loaded_first(a, m))
		return STEP_GONE;
	if (a->requeue != NULL) {
		load_end(a);
		a->more = false;
		return STEP_ON;
	}
	if (a->content != NULL && m->content == NULL)
		m->content = content_ref(a->content);
	a->more = a->load.more && m->nrcpt > 0;
	if (m->nrcpt > 0)
		a->next_n = m->rcpt[m->nrcpt - 1].n + 1;
	a->resolving = batch_new(a, m);
	load_end(a);
	return STEP_ON;
}

/* Batches that are done and looked at by no delivery; the lists of a message that fits point into its only one. */
static void drop_done(struct active *a)
{
	struct batch *b, *next;

	if (!a->stream)
		return;
	TAILQ_FOREACH_SAFE_(b, &a->batches, link, next)
		if (b->left == 0 && b->busy == 0 && b != a->resolving && b != &a->first)
			batch_free(b);
}

/* False: wait, or it is over and the message has another name. */
static bool requeue_step(struct active *a)
{
	switch (requeue_poll(a->requeue)) {
	case REQUEUE_WAIT:
		return false;
	case REQUEUE_DONE:
		active_free(a);
		return false;
	case REQUEUE_FAILED:
		break;
	}
	/* Deferred as it stands, without the wish. */
	requeue_end(&a->requeue);
	a->msg->flags &= ~(unsigned)MSG_REQUEUE;
	a->kept = true;
	return true;
}

static void active_run(struct task *task)
{
	struct active *a = CONTAINER_OF(task, struct active, task);

	for (;;) {
		if (a->step != FINISH_NOT) {
			finish_run(a);
			return;
		}
		if (a->loading) {
			switch (load_step(a)) {
			case STEP_WAIT:
				return;
			case STEP_GONE:
				active_free(a);
				return;
			case STEP_ON:
				break;
			}
		}
		if (a->requeue != NULL && !requeue_step(a))
			return;
		if (a->resolving != NULL) {
			if (!batch_resolve(a))
				return;
			a->resolving = NULL;
		}
		drop_done(a);
		if (a->more && a->left <= slice_size() / 2) {
			load_start(a);
			continue;
		}
		if (a->more || a->left > 0 || a->busy > 0)
			return;
		a->step = FINISH_SYNC;
		qmgr.nfinishing++;
	}
}
