/* fill.c - fills a queue that nobody uses with deferred messages: fill STORE_DIR COUNT DESTINATIONS [DUE_IN_SECONDS]
 * One recipient each, a small body, destinations dN.dead.example; through the store's own door. */
#include <postrider/clock.h>
#include <postrider/hash.h>
#include <postrider/loop.h>
#include <postrider/store.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000 };
static struct task task;
static struct store_op op;
static long total, made, destinations, due_in;

static void add(struct store_txn *t, long n)
{
	struct message *m = message_new(store_new_id(), false);
	struct rcpt *r = message_add_rcpt(m);
	char site[128];
	struct store_sched s = { .queue = QUEUE_DEFERRED, .attempts = 1, .nsites = 1 };

	m->sender = arena_strdup(&m->arena, "sender@example.net");
	m->arrival_us = m->received_us = wall_us();
	m->queue = QUEUE_DEFERRED;
	m->due_ms = wall_us() / 1000 + due_in * 1000 + n % 3600000;
	m->rcpt_total = m->rcpt_left = 1;
	r->addr = arena_printf(&m->arena, "user%ld@d%ld.dead.example", n, n % destinations);
	r->orig = r->addr;
	r->dsn = arena_strdup(&m->arena, "4.4.1");
	r->reason = arena_strdup(&m->arena, "connect to dead.example[192.0.2.9]:25: Connection timed out");
	m->content = content_new();
	m->content->header = xstrdup("Subject: deferred\r\n");
	m->content->header_len = strlen(m->content->header);
	content_append(m->content, "hello\r\n", 7);
	m->header_bytes = (int64_t)m->content->header_len;
	m->body_bytes = 7;
	m->size = 40;
	store_txn_put(t, m);
	snprintf(site, sizeof(site), "smtp:d%ld.dead.example", n % destinations);
	s.due_ms = m->due_ms;
	s.sites[0] = hash_stable(site, strlen(site));
	s.flags = m->flags;
	store_txn_sched(t, m->id, &s);
	message_unref(&m);
}

static void next(void)
{
	struct store_txn *t = store_txn_new();

	for (int i = 0; i < BATCH && made < total; i++)
		add(t, made++);
	store_commit_start(&op, &task, &t);
}

static void run(struct task *t)
{
	enum store_result r = store_commit_poll(&op);

	(void)t;
	if (r == STORE_WAIT)
		return;
	store_commit_end(&op);
	if (r != STORE_OK) {
		fprintf(stderr, "fill: commit failed: %d\n", (int)r);
		exit(1);
	}
	if (made >= total)
		loop_stop();
	else
		next();
	task_wake(&task);
}

int main(int argc, char **argv)
{
	struct store_config c = { .map_bytes = 1LL << 40, .memory_limit = 256 << 20 };
	char *why;

	if (argc < 4) {
		fprintf(stderr, "usage: fill store_dir count destinations [due_in_seconds]\n");
		return 2;
	}
	c.dir = argv[1];
	total = atol(argv[2]);
	destinations = atol(argv[3]);
	due_in = argc > 4 ? atol(argv[4]) : 3600;
	loop_init();
	if ((why = store_open(&c)) != NULL) {
		fprintf(stderr, "fill: %s\n", why);
		return 1;
	}
	task_init(&task, "fill", run);
	next();
	task_wake(&task);
	loop_run();
	store_close();
	loop_release();
	return 0;
}
