/* commit.c - the loop's side of group commit.
 *
 * Transactions gather in a list while the loop's pass runs; at its end the list goes to the writer if somebody waits for one
 * of them or the oldest settlement is 100 ms old. One list keeps the order in which things were asked for. When the writer
 * says that a batch is done, arrivals are told first (qmgr), then those who waited are woken. */
#include "store_int.h"

enum { SETTLE_MS = 100, GATHER_TXNS = 500, GATHER_BYTES = 1 << 20 };

static struct {
	struct store_txn *newest, *oldest;
	size_t		 n, bytes;
	bool		 urgent;		/* somebody waits */
	uint64_t	 under_way;		/* handed over, not back */
	struct task	 task;
	struct timer	 timer;
} gather;

static void hand_over(void)
{
	if (gather.newest == NULL)
		return;
	gather.under_way += gather.n;
	loop_expect((int)gather.n);
	writer_take(gather.newest, gather.oldest);
	gather.newest = gather.oldest = NULL;
	gather.n = gather.bytes = 0;
	gather.urgent = false;
	timer_end(&gather.timer);
	task_unlink(&gather.task);
}

static void at_pass_end(void)
{
	if (gather.urgent)
		hand_over();
}

/* Woken so that there is a pass, and an end of it, also for what was begun outside of one. */
static void gather_run(struct task *t)
{
	(void)t;
	if (timer_expired(&gather.timer))
		gather.urgent = true;
}

static void hurry(void)
{
	gather.urgent = true;
	task_wake(&gather.task);
}

static void add(struct store_txn *t, bool urgent)
{
	ASSERT(store.open);
	t->next = gather.newest;
	gather.newest = t;
	if (gather.oldest == NULL)
		gather.oldest = t;
	gather.n++;
	gather.bytes += t->bytes;
	if (urgent || gather.n >= GATHER_TXNS || gather.bytes >= GATHER_BYTES)
		hurry();
	else if (!timer_running(&gather.timer))
		timer_start(&gather.timer, &gather.task, SETTLE_MS);
}

void store_commit_start(struct store_op *op, struct task *t, struct store_txn **txn)
{
	ASSERT(!op->active && *txn != NULL);
	*op = (struct store_op){ .task = t, .priv = *txn, .active = true };
	(*txn)->op = op;
	add(*txn, true);
	*txn = NULL;
}

enum store_result store_commit_poll(struct store_op *op)
{
	ASSERT(op->active);
	return op->result;
}

void store_commit_end(struct store_op *op)
{
	struct store_txn *t = op->priv;

	if (op->active && t != NULL)
		t->op = NULL;			/* it still commits */
	*op = (struct store_op){ 0 };
}

void store_settle(struct store_txn **txn)
{
	struct store_txn *t = *txn;

	*txn = NULL;
	if (t->n == 0) {
		txn_release(t);
		return;
	}
	t->settlement = true;
	add(t, false);
}

void store_on_arrival(void (*fn)(struct message *))
{
	store.on_arrival = fn;
}

static void tell_arrivals(struct store_txn *t)
{
	unsigned i;

	for (i = 0; i < t->n; i++)
		if (t->ch[i].kind == CH_PUT && t->ch[i].u.msg->queue != QUEUE_HOLD)
			store.on_arrival(t->ch[i].u.msg);
}

void commit_done(struct loop_msg *m)
{
	struct store_txn *t, *next;

	(void)m;
	for (t = writer_done(); t != NULL; t = next) {
		next = t->next;
		gather.under_way--;
		loop_expect(-1);
		if (t->result == STORE_OK && t->adds && store.on_arrival != NULL)
			tell_arrivals(t);
		if (t->op != NULL) {
			t->op->result = t->result;
			t->op->priv = NULL;
			task_wake(t->op->task);
		}
		txn_release(t);
	}
}

void commit_init(void)
{
	gather.under_way = 0;
	task_init(&gather.task, "store gather", gather_run);
	loop_at_pass_end(at_pass_end);
}

void commit_flush(void)
{
	hand_over();
	task_unlink(&gather.task);
}
