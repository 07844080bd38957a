/* store_bench.c - what the store costs: durable messages a second and CPU for each.
 *
 * Each of N sessions puts a 4-KiB message with one recipient, waits until it is durable, spins for the CPU a
 * session would use, and goes on; with "relay" each message is deleted by a settlement soon after, as a delivery would.
 *	cc ... t/bench/store_bench.c store.a loop.a base.a -levent_core -llmdb -lpthread
 *	store_bench put|relay SESSIONS MESSAGES [BODY_BYTES [SPIN_US [BACKLOG]]] */
#include "store_help.h"
#include <sys/resource.h>

struct session {
	struct task	 task;
	struct store_op	 op;
	queue_id_t	 id;
};
static bool relay;
static long left, running, spun_us;
static size_t body;
static int spin_us;

static void spin(void)
{
	int64_t until = clock_fresh_us() + spin_us;

	while (clock_fresh_us() < until)
		continue;
	spun_us += spin_us;
}

static void put(struct session *s)
{
	struct message *m = make_message("sender@example.com", 1, "example.net", body);
	struct store_txn *t = store_txn_new();

	m->client_name = arena_strdup(&m->arena, "client.example.com");
	m->client_addr = arena_strdup(&m->arena, "192.0.2.1");
	m->helo = arena_strdup(&m->arena, "client.example.com");
	m->message_id = arena_strdup(&m->arena, "<20260101000000.1234567890@client.example.com>");
	s->id = m->id;
	store_txn_put(t, m);
	message_unref(&m);
	store_commit_start(&s->op, &s->task, &t);
}

static void session_run(struct task *task)
{
	struct session *s = CONTAINER_OF(task, struct session, task);
	struct store_txn *t;

	if (s->op.active) {
		if (store_commit_poll(&s->op) == STORE_WAIT)
			return;
		if (store_commit_poll(&s->op) != STORE_OK) {
			printf("result %d\n", store_commit_poll(&s->op));
			exit(1);
		}
		store_commit_end(&s->op);
		if (relay) {
			t = store_txn_new();
			store_txn_delete(t, s->id);
			store_settle(&t);
		}
	}
	if (left-- <= 0) {
		if (--running == 0)
			loop_stop();
		return;
	}
	if (spin_us > 0)
		spin();
	put(s);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fill(long n)
{
	struct store_txn *t;
	struct message *m;

	while (n > 0) {
		t = store_txn_new();
		for (int i = 0; i < 500 && n > 0; i++, n--) {
			m = make_message("sender@example.com", 1, "example.net", body);
			m->queue = QUEUE_DEFERRED;
			m->due_ms = wall_us() / 1000 + 3600000 + (m->id * 2654435761u) % 1000000;
			store_txn_put(t, m);
			message_unref(&m);
		}
		if (commit_now(&t) != STORE_OK)
			exit(1);
	}
}

int main(int argc, char **argv)
{
	long n, i, sessions;
	struct store_stats st0, st;
	struct session *s;
	double c0, c1;
	int64_t t0, t1;

	if (argc < 4) {
		fprintf(stderr, "usage: %s put|relay SESSIONS MESSAGES [BODY_BYTES [SPIN_US [BACKLOG]]]\n", argv[0]);
		return 2;
	}
	relay = strcmp(argv[1], "relay") == 0;
	sessions = running = atol(argv[2]);
	n = left = atol(argv[3]);
	body = argc > 4 ? (size_t)atol(argv[4]) : 3500;
	spin_us = argc > 5 ? atoi(argv[5]) : 0;
	store_begin();
	store_open_ok();
	if (argc > 6)
		fill(atol(argv[6]));
	s = xcalloc((size_t)sessions, sizeof(*s));
	store_stats(&st0);
	c0 = cpu_s();
	t0 = clock_fresh_us();
	for (i = 0; i < sessions; i++) {
		task_init(&s[i].task, "session", session_run);
		task_wake(&s[i].task);
	}
	loop_run();
	t1 = clock_fresh_us();
	c1 = cpu_s();
	store_stats(&st);
	printf("%s: %ld sessions: %.0f msg/s, %.1f us CPU each (%.1f beside the spinning), %.1f messages a commit, %.0f us a commit\n",
	    argv[1], sessions, (double)n / ((double)(t1 - t0) / 1e6), (c1 - c0) / (double)n * 1e6,
	    (c1 - c0 - (double)spun_us / 1e6) / (double)n * 1e6, (double)n / (double)(st.commits - st0.commits),
	    (double)(t1 - t0) / (double)(st.commits - st0.commits));
	store_finish();
	free(s);
	return 0;
}
