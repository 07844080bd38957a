/* writer.c - between the loop and the threads that write mailboxes.
 *
 * What is to be written gathers in a list; a worker takes up to BATCH requests in one trip, so that under load one
 * wake-up serves many messages, and a lone one waits for nobody. A worker's trip has one time limit. When it
 * passes (a mailbox on a server that hangs) its requests have failed; the thread counts against the class
 * until it is back, the others go on.
 *
 * A request belongs to its owner's operation, or to the batch while a worker has it; an owner who leaves then
 * only cuts the link. No thread touches a reference count: message references are taken and dropped on the
 * loop, and content does not change. Files are closed by workers, too: closing can block. */
#include "room.h"
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 8, BATCH_MIN = 4, BATCH_MAX = 16, LIMIT_MS = 120000 };

struct batch {
	struct write_req *req[BATCH_MAX];
	size_t		 n;
};
struct trip {			/* a batch with a worker */
	struct job_op	 op;
	struct batch	*batch;	/* NULL: none */
};

static struct writer {
	struct task	 task;
	struct worker_class *class;
	TAILQ_HEAD(, write_req) waiting;
	size_t		 nwaiting;
	struct trip	 trip[THREADS];
	unsigned	 out;		/* batches not back, late ones included */
	char		 hostname[256];
} writer;

/* ---- on a worker's thread --------------------------------------------------------------------------------------- */
static void write_content(struct write_req *r, struct maildir_file *f)
{
	const struct content *c = r->msg != NULL ? r->msg->content : NULL;

	if (c == NULL) {
		maildir_write(f, buf_str(&r->piece), r->piece.len);
		return;
	}
	maildir_write(f, c->header, c->header_len);
	if (!(r->msg->flags & MSG_NO_SEPARATOR))
		maildir_write(f, "\r\n", 2);
	for (const struct chunk *k = c->body; k != NULL; k = k->next)
		maildir_write(f, k->data, k->len);
}

static void request_run(struct write_req *r, struct maildir_file *f)
{
	if (r->what & REQ_OPEN)
		maildir_open(f, writer.hostname);
	if ((r->what & REQ_WRITE) && f->dsn[0] == '\0')
		write_content(r, f);
	if (r->what & REQ_FINISH)
		maildir_finish(f, writer.hostname);
	if (r->what & (REQ_FINISH | REQ_ABANDON))
		maildir_close(f);
}

static void batch_run(void *data)
{
	struct batch *b = data;

	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < b->req[i]->nfile; k++)
			request_run(b->req[i], &b->req[i]->file[k]);
}

/* ---- on the loop ------------------------------------------------------------------------------------------------ */
static void req_free(struct write_req *r)
{
	for (size_t i = 0; i < r->nfile; i++)
		maildir_release(&r->file[i]);
	message_unref(&r->msg);
	buf_release(&r->piece);
	free(r->file);
	free(r);
}

static void req_queue(struct write_req *r)
{
	r->state = REQ_WAITING;
	TAILQ_INSERT_TAIL(&writer.waiting, r, link);
	writer.nwaiting++;
	task_wake(&writer.task);
}

static bool req_open(const struct write_req *r)
{
	for (size_t i = 0; i < r->nfile; i++)
		if (r->file[i].fd >= 0 || r->file[i].tmp >= 0 || r->file[i].new_dir >= 0)
			return true;
	return false;
}

/* Nobody wants it any more: files still open are closed by a worker. */
static void req_abandon(struct write_req *r)
{
	r->op = NULL;
	if (req_open(r) && writer.out >= 2 * THREADS)	/* all workers hang: better briefly than never */
		for (size_t i = 0; i < r->nfile; i++)
			maildir_close(&r->file[i]);
	if (!req_open(r)) {
		req_free(r);
		return;
	}
	r->what = REQ_ABANDON;
	req_queue(r);
}

/* The batch is back from its worker, in time or not. */
static void batch_free(void *data)
{
	struct batch *b = data;

	writer.out--;
	for (size_t i = 0; i < b->n; i++) {
		struct write_req *r = b->req[i];

		r->state = REQ_IDLE;
		if (r->op != NULL)
			task_wake(r->op->task);
		else
			req_abandon(r);
	}
	free(b);
}

static void trip_back(struct trip *t, bool done)
{
	struct batch *b = t->batch;

	for (size_t i = 0; i < b->n && !done; i++) {
		struct write_op *op = b->req[i]->op;

		if (op == NULL)
			continue;
		b->req[i]->op = NULL;	/* the thread still has it */
		op->req = NULL;
		op->failed = true;
		task_wake(op->task);
	}
	t->batch = NULL;
	job_end(&t->op);		/* batch_free(), now or when the thread is back */
}

static void trip_begin(struct trip *t, size_t want)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	struct write_req *r;

	while (b->n < want && (r = TAILQ_FIRST(&writer.waiting)) != NULL) {
		TAILQ_REMOVE(&writer.waiting, r, link);
		writer.nwaiting--;
		r->state = REQ_OUT;
		b->req[b->n++] = r;
	}
	t->batch = b;
	writer.out++;
	job_start(&t->op, &writer.task, writer.class, batch_run, b, batch_free, LIMIT_MS);
	if (job_poll(&t->op) == JOB_BUSY)
		trip_back(t, false);
}

static void writer_run(struct task *task UNUSED)
{
	size_t idle = 0, want;

	for (size_t i = 0; i < THREADS; i++) {
		struct trip *t = &writer.trip[i];
		enum job_result r = t->batch != NULL ? job_poll(&t->op) : JOB_DONE;

		if (r == JOB_WAIT)
			continue;
		if (t->batch != NULL)
			trip_back(t, r == JOB_DONE);
		idle++;
	}
	if (idle == 0)
		return;
	/* Few share a worker's trip, many are spread over the workers. */
	want = (writer.nwaiting + idle - 1) / idle;
	want = MIN(MAX(want, BATCH_MIN), BATCH_MAX);
	for (size_t i = 0; i < THREADS && writer.nwaiting > 0; i++)
		if (writer.trip[i].batch == NULL)
			trip_begin(&writer.trip[i], want);
}

void writer_init(void)
{
	if (gethostname(writer.hostname, sizeof(writer.hostname) - 1) < 0 || writer.hostname[0] == '\0')
		str_copy(writer.hostname, "localhost", sizeof(writer.hostname));
	for (char *p = writer.hostname; *p != '\0'; p++)
		if (*p == '/' || *p == ':')
			*p = '_';
	TAILQ_INIT(&writer.waiting);
	task_init(&writer.task, "mailbox-writer", writer_run);
	writer.class = worker_class_new("files", THREADS, THREADS);
}

/* ---- the operation ---------------------------------------------------------------------------------------------- */
struct write_req *write_open(struct write_op *op, size_t nfile)
{
	struct write_req *r = xcalloc(1, sizeof(*r));

	r->file = xcalloc(nfile, sizeof(*r->file));
	r->nfile = nfile;
	for (size_t i = 0; i < nfile; i++)
		maildir_init(&r->file[i]);
	r->op = op;
	*op = (struct write_op){ .req = r };
	return r;
}

void write_start(struct write_op *op, struct task *task)
{
	ASSERT(op->req != NULL && op->req->state == REQ_IDLE);
	op->task = task;
	req_queue(op->req);
}

enum write_result write_poll(struct write_op *op)
{
	if (op->failed)
		return WRITE_FAILED;
	ASSERT(op->req != NULL);
	return op->req->state == REQ_IDLE ? WRITE_DONE : WRITE_WAIT;
}

void write_end(struct write_op *op)
{
	struct write_req *r = op->req;

	*op = (struct write_op){ 0 };
	if (r == NULL)
		return;
	if (r->state == REQ_WAITING) {
		TAILQ_REMOVE(&writer.waiting, r, link);
		writer.nwaiting--;
		r->state = REQ_IDLE;
	}
	if (r->state == REQ_IDLE)
		req_abandon(r);
	else
		r->op = NULL;
}
