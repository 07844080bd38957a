/* writer.c - the one thread that writes.
 *
 * The loop pushes transactions on a lock-free intake; the writer takes what has gathered, up to 1,000 changes or 4 MiB, applies
 * it in one LMDB transaction and commits: one pair of barriers for all. What is done goes back on a lock-free list with one
 * post for the whole batch. Neither side ever waits for a lock of the other.
 *
 * Under load a commit is worth waiting for company: each costs some 90 µs of CPU whatever it holds. So after
 * a batch in which several waited, the next is held back up to HOLD_US, or until as many are there again. A
 * lone client never waits.
 *
 * When a batch fails it was aborted as a whole. Then removals are applied first, the rest after them, each part halved
 * until what fails stands alone; only that is answered with the error. Settlements that fail stay here, in order, and are
 * tried again. After a failed sync or MDB_PANIC nothing in memory can be believed: the environment is closed, opened and
 * looked at again; if that cannot be done, the process ends and the next one starts from the disk. */
#include "store_int.h"
#include <postrider/clock.h>
#include <postrider/log.h>
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH_CHANGES = 1000, BATCH_BYTES = 4 << 20,
	HOLD_US = 200, HOLD_STEP_US = 50,
	RETRY_US = 1000 * 1000,	/* settlements and sweeps that failed */
	DOUBTS = 3,		/* times to open anew in one batch: more will not help */
	WARN_US = 1000 * 1000,
};

static struct writer {
	unsigned long	 thread;
	sem_t		 work;
	_Atomic(struct store_txn *) intake;	/* newest first */
	_Atomic(struct store_txn *) done;
	struct loop_msg	 msg;
	atomic_bool	 msg_posted, stop, look;
	/* The writer's own: */
	struct store_txn *first, **last;	/* taken, oldest first */
	size_t		 waiting;		/* of these, how many somebody waits for */
	struct store_txn *stuck, **stuck_last;	/* settlements to try again */
	int64_t		 stuck_at_us;
	int64_t		 sweep_from_us;		/* not earlier: the last sweep failed */
	struct apply	 apply;
	size_t		 crowd;			/* how many waited for the last batch */
	int64_t		 warned_us;
	unsigned	 doubts;		/* in this batch */
} w;

/* ---- from and to the loop ----------------------------------------------------------------- */

void writer_take(struct store_txn *newest, struct store_txn *oldest)
{
	struct store_txn *head = atomic_load(&w.intake);

	do
		oldest->next = head;
	while (!atomic_compare_exchange_weak(&w.intake, &head, newest));
	if (head == NULL)
		sem_post(&w.work);
}

void writer_look(void)
{
	if (!atomic_exchange(&w.look, true))
		sem_post(&w.work);
}

static struct store_txn *turn_round(struct store_txn *t)
{
	struct store_txn *next, *first = NULL;

	for (; t != NULL; t = next) {
		next = t->next;
		t->next = first;
		first = t;
	}
	return first;
}

struct store_txn *writer_done(void)
{
	atomic_store(&w.msg_posted, false);	/* first: what is done from here on posts anew */
	return turn_round(atomic_exchange(&w.done, NULL));
}

static void give_back(struct store_txn *t)
{
	struct store_txn *head = atomic_load(&w.done);

	do
		t->next = head;
	while (!atomic_compare_exchange_weak(&w.done, &head, t));
}

static void post_done(void)
{
	if (atomic_load(&w.done) != NULL && !atomic_exchange(&w.msg_posted, true))
		loop_post(&w.msg);
}

static void take_intake(void)
{
	struct store_txn *t;

	for (t = turn_round(atomic_exchange(&w.intake, NULL)); t != NULL; t = t->next) {
		*w.last = t;
		w.last = &t->next;
		w.waiting += !t->settlement;
	}
	*w.last = NULL;
}

/* ---- one LMDB transaction ----------------------------------------------------------------- */

static int attempt(struct store_txn **v, size_t n)
{
	struct apply *a = &w.apply;
	size_t i, ops = 0;
	int rc = apply_begin(a, &store.db);

	if (rc != 0)
		return rc;
	for (i = 0; i < n; i++) {
		if ((rc = apply_txn(a, v[i])) != 0) {
			apply_abort(a);
			return rc;
		}
		ops += v[i]->n;
	}
	if ((rc = apply_commit(a)) != 0)
		return rc;
	for (i = 0; i < a->unfinished.n; i++)
		idlist_add(&store.sweep, a->unfinished.v[i]);
	idlist_release(&a->unfinished);
	for (i = 0; i < n; i++) {
		v[i]->result = v[i]->missing ? STORE_NONE : STORE_OK;
		space_used((int64_t)v[i]->bytes);
	}
	space_committed(ops);
	return 0;
}

/* ---- failures ----------------------------------------------------------------------------- */

static enum store_result as_result(int rc)
{
	if (rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT || rc == EFBIG)
		return STORE_FULL;
	if (rc == EIO) {		/* LMDB's word for a short write: a full disk, too */
		space_count(true);
		if (space_left() < space_reserve() || space_fs_free() < BATCH_BYTES)
			return STORE_FULL;
	}
	return STORE_FAILED;
}

static void reopen(int why)
{
	char *dir = xstrdup(store.db.dir), *reason;
	size_t map = store.db.map_bytes;

	log_error(NULL, "queue: %s: %s; opening it again", dir, mdb_strerror(why));
	space_failed(true);
	pthread_rwlock_wrlock(&store.gate);
	readers_forget();
	db_close(&store.db);
	reason = db_open(&store.db, dir, (int64_t)map, 0);
	resident_find(dir);
	pthread_rwlock_unlock(&store.gate);
	if (reason != NULL)
		log_fatal("queue: %s", reason);
	free(dir);
	space_failed(false);
	space_count(true);
}

static bool panicked(void)
{
	MDB_txn *t;
	int rc = mdb_txn_begin(store.db.env, NULL, 0, &t);

	if (rc == 0)
		mdb_txn_abort(t);
	return rc == MDB_PANIC;
}

/* A failed sync may have dropped pages from the cache that were never written; after MDB_PANIC the last meta page
 * is in doubt. What was being written may be there or not: it is applied again, which a put allows for. */
static void recover(int rc)
{
	bool doubt = rc == MDB_PANIC || rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND ||
	    (rc == EIO && as_result(rc) != STORE_FULL);

	if (doubt || panicked()) {
		w.doubts++;
		reopen(rc);
	}
}

static bool sweep_due(void)
{
	return store.sweep.n > 0 && !atomic_load(&w.stop) &&
	    (w.sweep_from_us == 0 || clock_fresh_us() >= w.sweep_from_us);
}

/* What fails is tried again after a while, others first: on a full disk these rows are the room that is wanted. */
static void sweep_some(void)
{
	queue_id_t *v = store.sweep.v, id = v[store.sweep.n - 1];
	struct apply *a = &w.apply;
	bool done = false;
	int rc = apply_begin(a, &store.db);

	if (rc == 0 && (rc = apply_sweep(a, id, &done)) != 0)
		apply_abort(a);
	else if (rc == 0)
		rc = apply_commit(a);
	w.sweep_from_us = rc == 0 ? 0 : clock_fresh_us() + RETRY_US;
	if (rc == 0) {
		store.sweep.n -= done;
		space_committed(0);
		return;
	}
	log_warn(NULL, "queue: removing what is left of %llX: %s", (unsigned long long)id, mdb_strerror(rc));
	memmove(v + 1, v, (store.sweep.n - 1) * sizeof(*v));
	v[0] = id;
	recover(rc);
}

static void fail(struct store_txn **v, size_t n, int rc)
{
	enum store_result result = as_result(rc);
	int64_t now = clock_fresh_us();
	size_t i;

	for (i = 0; i < n; i++)
		v[i]->result = result;
	if (w.warned_us == 0 || now - w.warned_us > WARN_US) {
		w.warned_us = now;
		log_warn(NULL, "queue: cannot write: %s", mdb_strerror(rc));
	}
}

/* What cannot be applied together, in halves; what fails alone has failed. */
static void settle_apart(struct store_txn **v, size_t n)
{
	int rc;

	if (n == 0 || (rc = attempt(v, n)) == 0)
		return;
	recover(rc);
	if (n == 1 || w.doubts > DOUBTS) {
		fail(v, n, rc);
		return;
	}
	settle_apart(v, n / 2);
	settle_apart(v + n / 2, n - n / 2);
}

/* Stable: removals and changes in front, new content behind. Returns where that begins. */
static size_t removals_first(struct store_txn **v, size_t n)
{
	struct store_txn *rest[BATCH_CHANGES];
	size_t i, front = 0, back = 0;

	for (i = 0; i < n; i++) {
		if (v[i]->adds)
			rest[back++] = v[i];
		else
			v[front++] = v[i];
	}
	memcpy(v + front, rest, back * sizeof(*rest));
	return front;
}

static void run_batch(struct store_txn **v, size_t n)
{
	size_t i, front;
	int64_t room;
	int rc;

	w.doubts = 0;
	for (room = space_left(), i = 0; i < n; i++)
		room -= (int64_t)v[i]->bytes;
	if (room > space_reserve()) {
		if ((rc = attempt(v, n)) == 0)
			return;
		recover(rc);
	}
	front = removals_first(v, n);
	settle_apart(v, front);
	/* Half of the reserve is for removals and deferrals alone. */
	space_count(true);
	for (i = n; i > front; i--) {
		if (space_left() - (int64_t)(v[i - 1]->bytes + v[i - 1]->bytes / 4) > space_reserve() / 2)
			continue;
		v[i - 1]->result = STORE_FULL;
		space_full();
		v[i - 1] = v[--n];
	}
	settle_apart(v + front, n - front);
}

/* ---- batches ------------------------------------------------------------------------------ */

/* Settlements that failed go first again: they are older than all that waits. */
static void unstick(void)
{
	if (w.stuck == NULL || (clock_fresh_us() - w.stuck_at_us < RETRY_US && !atomic_load(&w.stop)))
		return;
	if (w.first == NULL)
		w.last = w.stuck_last;
	*w.stuck_last = w.first;
	w.first = w.stuck;
	w.stuck = NULL;
	w.stuck_last = &w.stuck;
}

static size_t cut_batch(struct store_txn **v)
{
	size_t n = 0, changes = 0, bytes = 0;
	struct store_txn *t;

	unstick();
	w.crowd = 0;
	while ((t = w.first) != NULL) {
		size_t more = MAX(t->n, 1u);	/* one that changes nothing takes its place, too */

		if (n > 0 && (changes + more > BATCH_CHANGES || bytes + t->bytes > BATCH_BYTES))
			break;
		w.first = t->next;
		changes += more;
		bytes += t->bytes;
		w.crowd += !t->settlement;
		v[n++] = t;
	}
	w.waiting -= w.crowd;
	if (w.first == NULL)
		w.last = &w.first;
	return n;
}

static void finish(struct store_txn *t)
{
	if (!t->settlement || t->result == STORE_OK || t->result == STORE_NONE || atomic_load(&w.stop)) {
		give_back(t);
		return;
	}
	if (w.stuck == NULL)
		w.stuck_at_us = clock_fresh_us();
	t->next = NULL;
	*w.stuck_last = t;
	w.stuck_last = &t->next;
}

/* Waits for company if the last batch had some. */
static void hold_back(void)
{
	int us;

	for (us = 0; us < HOLD_US && w.waiting > 0 && w.waiting < w.crowd && !atomic_load(&w.stop); us += HOLD_STEP_US) {
		usleep(HOLD_STEP_US);
		take_intake();
	}
}

static void wait_for_work(void)
{
	int64_t until;
	struct timespec ts;

	if (w.stuck == NULL && store.sweep.n == 0) {
		while (sem_wait(&w.work) < 0 && errno == EINTR)
			continue;
		return;
	}
	until = clock_fresh_us() + RETRY_US;
	ts = (struct timespec){ .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };
	while (sem_clockwait(&w.work, CLOCK_MONOTONIC, &ts) < 0 && errno == EINTR)
		continue;
}

/* True: take what is there; false: told to stop, and nothing is left. */
static bool next_work(void)
{
	bool stop;

	take_intake();
	if (w.first != NULL || sweep_due())
		return true;
	stop = atomic_load(&w.stop);
	if (stop && w.stuck == NULL) {
		take_intake();			/* the loop stopped handing over before it said stop */
		return w.first != NULL;
	}
	if (!stop)
		wait_for_work();
	take_intake();
	return true;
}

static void *writer_main(void *arg)
{
	static struct store_txn *batch[BATCH_CHANGES], *order[BATCH_CHANGES];
	size_t i, n;

	prctl(PR_SET_TIMERSLACK, 1000);		/* the hold-back is short: sleep what was asked for */
	while (next_work()) {
		hold_back();
		if ((n = cut_batch(batch)) > 0) {
			memcpy(order, batch, n * sizeof(*order));
			run_batch(batch, n);		/* may change the order */
			for (i = 0; i < n; i++)
				finish(order[i]);
			space_show();		/* who is told of a commit finds it counted */
			post_done();
		}
		if (sweep_due())
			sweep_some();
		space_count(atomic_exchange(&w.look, false));
		resident_check();
	}
	return arg;
}

/* ---- life --------------------------------------------------------------------------------- */

char *writer_start(void)
{
	memset(&w, 0, sizeof(w));
	w.last = &w.first;
	w.stuck_last = &w.stuck;
	w.msg.fn = commit_done;
	sem_init(&w.work, 0, 0);
	space_reset();
	space_count(true);
	if (!thread_start("store", writer_main, NULL, &w.thread))
		return xstrdup("cannot start the store's thread");
	return NULL;
}

void writer_stop(void)
{
	atomic_store(&w.stop, true);
	sem_post(&w.work);
	pthread_join((pthread_t)w.thread, NULL);
	sem_destroy(&w.work);
	buf_release(&w.apply.row);
}
