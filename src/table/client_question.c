/* client_question.c - one question, however many ask it.
 * A message asks the same about its recipient several times (when the recipient is named, when its addresses are
 * rewritten, when it is routed), and many messages at once ask the same about their domain. Postfix's processes
 * each keep what they were told about an address, some for as long as they live; here all share a source, and a
 * question to a server is put once: who asks what is on its way waits for that answer, and an answer is given
 * again while it is younger than FRESH_US. It is that short so that who changes a row and then sends mail sees the
 * change: the age is counted from when the server was asked, and a question asked longer ago is not joined, unless
 * it is still waiting for a thread, which makes the queue shorter when the server is slow. Errors are not given
 * again.
 * A job that is past its limit is left to itself and counts as stuck; while as many are stuck as the source has
 * threads, further questions fail at once instead of waiting behind them. All of this is the loop's; a worker sees
 * nothing but the job's client_ask.
 * Bounded: what is on its way by the worker class's queue, answers in number and bytes, and large ones are not
 * kept. */
#include <postrider/clock.h>
#include <postrider/log.h>

#include "client.h"

enum { FRESH_US = 50 * 1000, ANSWERS_MAX = 1000, ANSWERS_BYTES = 1 << 20, ONE_MAX = 4096, ANSWER_BYTES = 512 };

struct question {
	struct backend	*backend;
	struct client_ask *ask;		/* the job's; gone with it */
	struct job_op	 job;
	struct task	 task;
	unsigned	 refs;		/* those who asked, and the source while it is listed there */
	bool		 listed, kept;	/* among the source's questions; its answers */
	bool		 done;
	char		*fault;		/* done without an answer: why */
	size_t		 bytes;		/* what it counts for among the answers */
	TAILQ_HEAD(, question_op) waiting;
	TAILQ_ENTRY(question) link;	/* among the answers */
};

/* ---- the job --------------------------------------------------------------------------------------------- */

static void ask_work(void *data)
{
	struct client_ask *a = data;

	atomic_store(&a->asked_us, clock_fresh_us());
	pool_ask(a);
}

void ask_free(void *data)
{
	struct client_ask *a = data;
	struct backend *b = a->backend;

	if (a->stuck)
		b->stuck--;
	free(a->key);
	buf_release(&a->result);
	buf_release(&a->notes);
	free(a);
	backend_unref(b);
}

struct client_ask *ask_new(struct backend *b, const char *key)
{
	struct client_ask *a = xcalloc(1, sizeof(*a));

	a->backend = b;
	a->key = xstrdup(key);
	buf_reserve(&a->result, ANSWER_BYTES);	/* made here, where it is freed: an arena's lock is waited for */
	buf_reserve(&a->notes, ANSWER_BYTES);
	a->end_us = clock_fresh_us() + (int64_t)b->limit_ms * 1000;
	atomic_fetch_add(&b->refs, 1);
	return a;
}

/* ---- a question's life ----------------------------------------------------------------------------------- */

static void question_unref(struct question *q)
{
	if (--q->refs > 0)
		return;
	job_end(&q->job);
	task_unlink(&q->task);
	free(q->fault);
	free(q);
}

/* Who asks from now on asks anew. */
static void unlist(struct question *q)
{
	struct backend *b = q->backend;

	if (!q->listed)
		return;
	hash_del(&b->questions, q->ask->key);
	q->listed = false;
	if (q->kept) {
		TAILQ_REMOVE(&b->answers, q, link);
		b->n_answers--;
		b->answer_bytes -= q->bytes;
	}
	question_unref(q);
}

static bool old(const struct question *q, int64_t now_us)
{
	return now_us - atomic_load(&q->ask->asked_us) >= FRESH_US;
}

/* May somebody who asks now take this one's answer? Of the time limit, half must be left. */
static bool joinable(const struct question *q, int64_t now_us)
{
	const struct client_ask *a = q->ask;

	if (!q->done && now_us > a->end_us - (int64_t)q->backend->limit_ms * 500)
		return false;
	return (!q->done && atomic_load(&a->asked_us) == 0) || !old(q, now_us);
}

static void keep(struct question *q)
{
	struct backend *b = q->backend;
	const struct client_ask *a = q->ask;
	struct question *first;

	q->bytes = sizeof(*q) + sizeof(*a) + 2 * ANSWER_BYTES + strlen(a->key) + a->result.len + a->notes.len;
	if (!q->listed || a->answer == TABLE_ERROR || q->bytes > ONE_MAX || old(q, clock_fresh_us())) {
		unlist(q);
		return;
	}
	q->kept = true;
	TAILQ_INSERT_TAIL(&b->answers, q, link);
	b->n_answers++;
	b->answer_bytes += q->bytes;
	while (b->n_answers > ANSWERS_MAX || b->answer_bytes > ANSWERS_BYTES) {
		first = TAILQ_FIRST(&b->answers);
		unlist(first);
	}
}

void questions_forget(struct backend *b)
{
	int64_t now_us = clock_fresh_us();
	struct question *q;

	while ((q = TAILQ_FIRST(&b->answers)) != NULL && old(q, now_us))
		unlist(q);
}

void questions_drop(struct backend *b)
{
	struct question *q;

	while ((q = TAILQ_FIRST(&b->answers)) != NULL)
		unlist(q);
	ASSERT(b->questions.n == 0);
	hash_release(&b->questions, NULL);
}

/* ---- how it ends ----------------------------------------------------------------------------------------- */

static char *timed_out(struct question *q)
{
	struct backend *b = q->backend;

	q->ask->stuck = true;		/* the job is left to itself, but counted until it is back */
	b->stuck++;
	return xasprintf("%s: no answer within %d s", b->label, (b->limit_ms + 999) / 1000);
}

static void settle(struct question *q)
{
	struct backend *b = q->backend;
	enum job_result r = job_poll(&q->job);
	struct question_op *op;

	if (r == JOB_WAIT)
		return;
	q->refs++;			/* unlisting must not free it yet */
	q->done = true;
	if (r == JOB_DONE) {
		backend_used(b);
		keep(q);
	} else {
		unlist(q);
		q->fault = r == JOB_TIMEOUT ? timed_out(q) : xasprintf("%s: too many lookups are waiting", b->label);
	}
	while ((op = TAILQ_FIRST(&q->waiting)) != NULL) {
		TAILQ_REMOVE(&q->waiting, op, link);
		op->waits = false;
		task_wake(op->task);
	}
	question_unref(q);
}

static void question_run(struct task *task)
{
	struct question *q = CONTAINER_OF(task, struct question, task);

	if (!q->done)
		settle(q);
}

/* ---- those who ask --------------------------------------------------------------------------------------- */

static struct question *question_new(struct backend *b, const char *key)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->backend = b;
	TAILQ_INIT(&q->waiting);
	task_init(&q->task, "table-question", question_run);
	if (b->stuck >= b->threads) {
		q->done = true;
		q->fault = xasprintf("%s: earlier lookups have had no answer yet", b->label);
		return q;
	}
	q->ask = ask_new(b, key);
	if (!b->client->no_server) {
		hash_set(&b->questions, key, q);
		q->listed = true;
		q->refs++;
	}
	job_start(&q->job, &q->task, b->class, ask_work, q->ask, ask_free, b->limit_ms);
	return q;
}

void question_start(struct question_op *op, struct task *task, struct backend *b, const char *key)
{
	struct question *q;

	questions_forget(b);
	q = hash_get(&b->questions, key);
	if (q != NULL && !joinable(q, clock_fresh_us())) {
		unlist(q);
		q = NULL;
	}
	if (q != NULL)
		log_debug(NULL, "%s: '%s' %s", b->label, key, q->done ? "was just asked" : "is being asked");
	else
		q = question_new(b, key);
	q->refs++;
	if (!q->done)
		settle(q);		/* there was no room for the job, or it is back just now */
	op->question = q;
	op->task = task;
	op->waits = !q->done;
	if (!q->done)
		TAILQ_INSERT_TAIL(&q->waiting, op, link);
}

enum table_result question_poll(struct question_op *op, struct table_op *out)
{
	struct question *q = op->question;
	const struct client_ask *a = q->ask;

	if (!q->done)
		return TABLE_WAIT;
	if (q->fault != NULL) {
		out->why = q->fault;
		return TABLE_ERROR;
	}
	if (a->answer == TABLE_FOUND)
		out->value = a->result.p;
	if (a->notes.len > 0)
		out->why = a->notes.p;
	out->err = a->answer == TABLE_ERROR ? a->err : 0;
	return a->answer;
}

void question_end(struct question_op *op)
{
	struct question *q = op->question;

	if (q == NULL)
		return;
	if (op->waits) {
		TAILQ_REMOVE(&q->waiting, op, link);
		if (TAILQ_EMPTY(&q->waiting))	/* for nobody: not asked at all if no thread has begun */
			unlist(q);
	}
	*op = (struct question_op){ 0 };
	question_unref(q);
}
