/* reader.c - reads, on the threads of a worker class of their own.
 *
 * A read is a struct with inputs, a function and, afterwards, results: messages, rows or bytes that were copied out of the
 * map. Read transactions are pooled and reset after every read, so that none pins pages between two. The
 * gate is open to all readers at once; the writer closes it when it must open the environment anew. */
#include "store_int.h"
#include <postrider/log.h>

enum { READERS = 3, READS_QUEUED = 1 << 20, READ_LIMIT_MS = 60 * 1000 };

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;	/* among readers only, never the loop */
static MDB_txn *pool[READERS];
static size_t pooled;

static MDB_txn *pool_take(int *rc_r)
{
	MDB_txn *t = NULL;

	pthread_mutex_lock(&pool_lock);
	if (pooled > 0)
		t = pool[--pooled];
	pthread_mutex_unlock(&pool_lock);
	if (t != NULL) {
		if ((*rc_r = mdb_txn_renew(t)) == 0)
			return t;
		mdb_txn_abort(t);
	}
	*rc_r = mdb_txn_begin(store.db.env, NULL, MDB_RDONLY, &t);
	return *rc_r == 0 ? t : NULL;
}

static void pool_give(MDB_txn *t)
{
	mdb_txn_reset(t);
	pthread_mutex_lock(&pool_lock);
	if (pooled < READERS) {
		pool[pooled++] = t;
		t = NULL;
	}
	pthread_mutex_unlock(&pool_lock);
	if (t != NULL)
		mdb_txn_abort(t);
}

void readers_forget(void)
{
	pthread_mutex_lock(&pool_lock);
	while (pooled > 0)
		mdb_txn_abort(pool[--pooled]);
	pthread_mutex_unlock(&pool_lock);
}

static void run(void *data)
{
	struct reading *r = data;
	MDB_txn *t;
	int rc = 0;

	trash_clear();
	pthread_rwlock_rdlock(&store.gate);
	if (store.db.env == NULL) {
		r->result = STORE_FAILED;	/* closed meanwhile */
	} else if ((t = pool_take(&rc)) == NULL) {
		log_warn(NULL, "queue: cannot read: %s", mdb_strerror(rc));
		r->result = STORE_FAILED;
	} else {
		r->fn(r, t);
		pool_give(t);
		resident_check();
	}
	pthread_rwlock_unlock(&store.gate);
}

static void release(void *data)
{
	struct reading *r = data;

	r->release(r);
}

void readers_start(void)
{
	store.readers = worker_class_new("store read", READERS, READS_QUEUED);
}

void reading_start(struct store_op *op, struct task *t, struct reading *r)
{
	struct job_op *job;

	ASSERT(!op->active && store.open);
	job = xcalloc(1, sizeof(*job));
	*op = (struct store_op){ .task = t, .priv = job, .active = true };
	job_start(job, t, store.readers, run, r, release, READ_LIMIT_MS);
}

enum store_result reading_poll(struct store_op *op)
{
	struct job_op *job = op->priv;

	ASSERT(op->active);
	if (op->result != STORE_WAIT)
		return op->result;
	switch (job_poll(job)) {
	case JOB_WAIT:
		return STORE_WAIT;
	case JOB_DONE:
		op->result = ((struct reading *)job->data)->result;
		break;
	case JOB_BUSY:
	case JOB_TIMEOUT:
		op->result = STORE_FAILED;
		break;
	}
	return op->result;
}

struct reading *reading_of(struct store_op *op)
{
	return ((struct job_op *)op->priv)->data;
}

void reading_end(struct store_op *op)
{
	if (op->active) {
		job_end(op->priv);
		free(op->priv);
	}
	*op = (struct store_op){ 0 };
}

/* ---- what several reads need ---------------------------------------------------------------- */

struct message *read_envelope(MDB_txn *t, queue_id_t id, const MDB_val *row)
{
	struct message *m = message_new(id, store.long_ids);

	m->read = true;
	if (row_message_read(m, row->mv_data, row->mv_size) && read_sched(t, id, m) == 0)
		return m;
	log_warn(NULL, "%s: damaged row in the queue", m->name);
	message_destroy(m);
	return NULL;
}

int read_sched(MDB_txn *t, queue_id_t id, struct message *m)
{
	unsigned char key[KEY_ID];
	MDB_val k = { sizeof(key), key }, v;
	struct sched_row s;
	int rc;

	be64(key, id);
	rc = mdb_get(t, store.db.dbi[T_SCHED], &k, &v);
	if (rc == MDB_NOTFOUND)
		return 0;			/* new: as message_new() has it */
	if (rc != 0)
		return rc;
	if (!row_sched_read(&s, v.mv_data, v.mv_size))
		return MDB_CORRUPTED;
	m->queue = s.queue;
	m->due_ms = s.due_ms;
	m->last_try_ms = s.last_try_ms;
	m->attempts = s.attempts;
	m->flags = s.flags;
	return 0;
}
