/* due.c - what is due: rows of the store's due index, read in slices in order of time as there is room for them.
 * Two cursors: new mail that found no room (or was active when the server ended) stands at time 0, deferred mail at
 * its next attempt. A cursor only moves forward; a row put behind it moves it back. One timer waits for the
 * first row that is not due yet. What is put while a slice is being read may be missing in it: when it is done the
 * cursors go back as far as that. Rows whose every destination is dead are put off unread, as far as their next attempt
 * would be after another failure; the age that takes is in the queue id. A row is read after all when the message may
 * have to be returned or warned about. A slice of them is committed before the next slice is read, and then as much time is
 * left to others as that took: a million would otherwise stand in the writer's queue at once, and new mail behind them. */
#include "qmgr_int.h"

/* LOADS_MAX: what waits for a reader has a time limit; more at once would only wait. */
enum { SLICE = 200, RETRY_MS = 60000, LOADS_MAX = 200, PUT_OFF_REST_MS = 1000 };

static struct due {
	struct task	 task;
	struct timer	 timer;
	struct store_due_op op;
	struct store_op	 put_off;		/* active: rows of the last slice are being put off */
	int64_t		 put_off_ms;		/* monotonic: since then */
	bool		 running, initialised;
	bool		 new_turn;		/* the slice under way is of new mail */
	bool		 new_pending;		/* there may be new mail in the store */
	bool		 starved, starved_new;	/* waiting for room; in the share that only new mail may use */
	queue_id_t	 new_id;		/* new mail: behind this */
	int64_t		 after_due;		/* deferred mail: behind this row */
	queue_id_t	 after_id;
	int64_t		 late_due;		/* the first row put while a slice was being read, which may not show it */
	queue_id_t	 late_id, late_new;
	int64_t		 next_due_ms;		/* wall: look then; INT64_MAX: nothing known */
	queue_id_t	 recheck_new;		/* rows passed over: new mail behind this id, UINT64_MAX: none */
	int64_t		 recheck_ms;		/* deferred mail due then, INT64_MAX: none */
	int64_t		 pause_ms;		/* monotonic: not before then */
} due;

static int64_t wall_ms(void)
{
	return wall_us() / 1000;
}

/* Put off rather than loaded? All its sites are dead, and it is neither too old nor due for a warning. */
static bool only_dead(const struct due_row *r)
{
	int64_t age = wall_s() - (int64_t)(r->id / 1000000);

	if (r->nsites == 0 || age + 60 >= MIN(qmgr.conf->lifetime_s, qmgr.conf->bounce_lifetime_s))
		return false;
	if (qmgr.conf->delay_warning_s > 0 && (r->sites[0] & 1) == 0 && age + 1 >= qmgr.conf->delay_warning_s)
		return false;
	for (unsigned i = 0; i < r->nsites; i++)
		if (!site_known_dead(r->sites[i] & ~(uint64_t)1))
			return false;
	return true;
}

/* False: no room; the row is looked at again. */
static bool row_take(const struct due_row *r, struct store_txn **put_off)
{
	if (active_find(r->id) != NULL)
		return true;
	if (gone_find(r->id)) {
		/* What the row says may be old. Passed over, and looked at again when it cannot be. */
		if (r->due_ms == 0)
			due.recheck_new = MIN(due.recheck_new, r->id - 1);
		else
			due.recheck_ms = MIN(due.recheck_ms, r->due_ms);
		gone_hurry();
		return true;
	}
	if (r->due_ms != 0 && only_dead(r)) {
		int64_t at = wall_ms() + backoff_ms((int64_t)r->id);

		if (*put_off == NULL)
			*put_off = store_txn_new();
		store_txn_due(*put_off, r->id, at);
		due_notice(at, r->id);
		return true;
	}
	if (qmgr.nloading >= LOADS_MAX || !active_room(r->due_ms == 0))
		return false;
	active_load(r->id, flush_is(r->due_ms));
	return true;
}

static void move_back(int64_t due_ms, queue_id_t id)
{
	if (due_ms < due.after_due || (due_ms == due.after_due && id <= due.after_id)) {
		due.after_due = MAX(due_ms - 1, 0);
		due.after_id = UINT64_MAX;
	}
}

static void slice_done(void)
{
	struct store_txn *put_off = NULL;
	bool more;
	size_t i;

	for (i = 0; i < due.op.n; i++) {
		const struct due_row *r = &due.op.row[i];

		if (!row_take(r, &put_off)) {
			due.starved = true;
			due.starved_new = due.new_turn;
			break;
		}
		if (due.new_turn) {
			due.new_id = MAX(due.new_id, r->id);
		} else {
			due.after_due = r->due_ms;
			due.after_id = r->id;
		}
	}
	move_back(due.late_due, due.late_id);
	due.new_id = MIN(due.new_id, due.late_new - 1);
	if (put_off != NULL) {
		store_commit_start(&due.put_off, &due.task, &put_off);
		due.put_off_ms = now_ms();
	}
	more = i < due.op.n || due.op.n == SLICE;
	if (due.new_turn)
		due.new_pending = due.new_pending && (more || due.late_new != UINT64_MAX);
	else
		due.next_due_ms = more ? 0 : MIN(due.next_due_ms, due.op.next_due_ms);
}

static void slice_start(void)
{
	int64_t now = wall_ms();

	if (due.new_pending) {
		due.new_turn = true;
		store_due_start(&due.op, &due.task, 0, 0, due.new_id, SLICE);
	} else {
		due.new_turn = false;
		due.next_due_ms = INT64_MAX;
		store_due_start(&due.op, &due.task, now, due.after_due, due.after_id, SLICE);
	}
	due.late_due = INT64_MAX;
	due.late_id = due.late_new = UINT64_MAX;
	due.running = true;
}

static void arm(void)
{
	int64_t wait_ms = due.next_due_ms - wall_ms();

	if (due.next_due_ms == INT64_MAX)
		timer_end(&due.timer);
	else if (wait_ms <= 0)
		task_wake(&due.task);
	else
		timer_start(&due.timer, &due.task, wait_ms + 1);
}

/* False: wait. What could not be put off is still due. */
static bool put_off_done(void)
{
	enum store_result r;

	if (!due.put_off.active)
		return true;
	if ((r = store_commit_poll(&due.put_off)) == STORE_WAIT)
		return false;
	store_commit_end(&due.put_off);
	due.pause_ms = MAX(due.pause_ms, now_ms() + MIN(now_ms() - due.put_off_ms, PUT_OFF_REST_MS));
	if (r != STORE_OK && r != STORE_NONE)
		due_retry();
	return true;
}

static void due_run(struct task *t)
{
	(void)t;
	if (qmgr.draining || !qmgr.started)
		return;
	for (int budget = 4;;) {
		if (!put_off_done())
			return;
		if (due.running) {
			enum store_result r = store_due_poll(&due.op);

			if (r == STORE_WAIT)
				return;
			if (r == STORE_OK)
				slice_done();
			else
				due_retry();
			store_due_end(&due.op);
			due.running = false;
			continue;
		}
		if (due.pause_ms > now_ms()) {
			timer_start(&due.timer, &due.task, due.pause_ms - now_ms());
			return;
		}
		if (due.starved) {
			timer_end(&due.timer);	/* whoever makes room wakes us */
			return;
		}
		if (!due.new_pending && due.next_due_ms > wall_ms()) {
			arm();
			return;
		}
		if (budget-- == 0) {
			task_wake(&due.task);
			return;
		}
		slice_start();
	}
}

void due_start(void)
{
	task_init(&due.task, "due", due_run);
	due.initialised = true;
	due.new_pending = true;
	due.new_id = 0;
	due.after_due = 0;
	due.after_id = UINT64_MAX;
	due.next_due_ms = 0;
	due.recheck_new = UINT64_MAX;
	due.recheck_ms = INT64_MAX;
	due.starved = false;
	task_wake(&due.task);
}

void due_notice(int64_t due_ms, queue_id_t id)
{
	move_back(due_ms, id);
	if (due.running && (due_ms < due.late_due || (due_ms == due.late_due && id < due.late_id))) {
		due.late_due = due_ms;
		due.late_id = id;
	}
	if (due_ms < due.next_due_ms) {
		due.next_due_ms = due_ms;
		if (due.initialised && !due.running && !due.starved)
			arm();
	}
}

void due_recheck(void)
{
	if (due.recheck_new != UINT64_MAX) {
		due.new_pending = true;
		due.new_id = MIN(due.new_id, due.recheck_new);
		due.late_new = MIN(due.late_new, due.recheck_new + 1);
		due.recheck_new = UINT64_MAX;
		task_wake(&due.task);
	}
	if (due.recheck_ms != INT64_MAX) {
		int64_t at = due.recheck_ms;

		due.recheck_ms = INT64_MAX;
		due_notice(at, 0);
	}
}

void due_overflow(queue_id_t id)
{
	due.new_pending = true;
	if (id <= due.new_id)
		due.new_id = id - 1;
	due.late_new = MIN(due.late_new, id);
	/* There is no room just now: whoever leaves the active set starts the search. */
	if (qmgr.started)
		due.starved = due.starved_new = true;
}

void due_room(void)
{
	unsigned limit = qmgr.conf->active_limit;

	if (!due.starved || qmgr.draining || qmgr.nloading > LOADS_MAX / 2)
		return;
	/* Some slack, so that not every message that leaves costs a slice. */
	if (qmgr.nactive > limit - limit / 20)
		return;
	if (!due.starved_new && qmgr.nretry > limit - limit / 4 - limit / 20)
		return;
	due.starved = false;
	task_wake(&due.task);
}

void due_retry(void)
{
	due.after_due = 0;
	due.after_id = UINT64_MAX;
	due.new_pending = true;
	due.new_id = 0;
	due.next_due_ms = 0;
	due.pause_ms = now_ms() + RETRY_MS;
	if (!due.running)
		task_wake(&due.task);
}

void due_stop(void)
{
	if (!due.initialised)
		return;
	if (due.running)
		store_due_end(&due.op);
	due.running = false;
	store_commit_end(&due.put_off);
	timer_end(&due.timer);
	task_unlink(&due.task);
}
