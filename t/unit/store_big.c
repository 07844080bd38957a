/* Large things in small memory: 50,000 recipients, 100,000 messages listed in slices, a body of 64 MiB in drafts. */
#include "tap.h"
#include "store_help.h"

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };		/* freed memory is kept apart for a while */
#else
enum { SANITIZED = 0 };
#endif

static long rss_kb(void)
{
	long pages = 0, size;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	if (f != NULL)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Without the pages of the map, which are the kernel's to take back. */
static long anon_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb;
}

static void test_many_recipients(void)
{
	enum { N = 50000 };
	struct message *m = make_message("s@example.com", N, "example.net", 1000);
	struct store_txn *t = store_txn_new();
	struct store_sched s = { .queue = QUEUE_DEFERRED, .due_ms = 1 };
	struct store_load_op load = { 0 };
	struct store_list_op op = { 0 };
	uint32_t seen = 0;
	struct store_stats st;
	queue_id_t id = m->id;
	int i;

	for (i = 0; i < N; i += 2)
		m->rcpt[i].addr = m->rcpt[i].orig = arena_printf(&m->arena, "u@site%d.example", i);
	store_txn_put(t, m);
	is_int(commit_now(&t), STORE_OK, "50,000 recipients");
	message_unref(&m);
	for (i = 0; i < 100; i++) {
		t = store_txn_new();
		for (int k = 0; k < 100; k++)
			store_txn_rcpt_done(t, id, (uint32_t)(i * 100 + k));
		store_settle(&t);
	}
	t = store_txn_new();
	store_txn_sched(t, id, &s);
	is_int(commit_now(&t), STORE_OK, "10,000 done, the rest deferred");
	store_load_start(&load, &help_task, id, 0, 1000, 1 << RCPT_TODO);
	do {
		WAIT_FOR(store_load_poll(&load));
		if (store_load_poll(&load) != STORE_OK)
			break;
		if (seen == 0)
			is_int(load.msg->rcpt_left, N - 10000, "recipients left");
		seen += load.msg->nrcpt;
	} while (store_load_next(&load, &help_task, 1000, 1 << RCPT_TODO));
	store_load_end(&load);
	is_int(seen, N - 10000, "loaded in slices");
	store_list_start(&op, &help_task, 0, 0, 1000);
	WAIT_FOR(store_list_poll(&op));
	ok(op.n == 1 && op.cut && op.msg[0]->nrcpt == 1000, "the listing shows the first 1,000 and says that there are more");
	store_list_end(&op);
	t = store_txn_new();
	store_txn_delete(t, id);
	is_int(commit_now(&t), STORE_OK, "deleted");
	t = store_txn_new();
	store_txn_delete(t, id);
	is_int(commit_now(&t), STORE_NONE, "and gone");
	store_stats(&st);
	is_int((intmax_t)(st.messages + st.deferred), 0, "nothing is counted");
	store_close();			/* in the middle of sweeping, most likely */
	store_open_ok();
	for (i = 0; i < 200 && st.bytes_used > 400000; i++) {
		m = make_message("s@example.com", 1, "example.net", 1);
		t = store_txn_new();
		store_txn_put(t, m);
		store_txn_delete(t, m->id);
		message_unref(&m);
		is_int(commit_now(&t), STORE_OK, "something else");
		usleep(100000);
		store_stats(&st);
	}
	ok(st.bytes_used <= 400000, "all rows were swept away (%d bytes are used)", (int)st.bytes_used);
}

static void test_many_messages(void)
{
	enum { N = 100000 };
	struct store_list_op op = { 0 };
	struct store_txn *t;
	struct message *m;
	queue_id_t after = 0;
	long before, most = 0;
	int i, k, seen = 0, slices = 0;
	bool end = false, up = true;

	for (i = 0; i < N; i += 1000) {
		t = store_txn_new();
		for (k = 0; k < 1000; k++) {
			m = make_message("s@example.com", 1 + k % 3, "example.net", 100);
			if (k % 10 != 0) {
				m->queue = QUEUE_DEFERRED;
				m->due_ms = 1000 + i + k;
			}
			store_txn_put(t, m);
			message_unref(&m);
		}
		if (commit_now(&t) != STORE_OK)
			break;
	}
	is_int(i, N, "100,000 messages");
	store_close();
	store_open_ok();
	before = anon_kb();
	while (!end) {
		store_list_start(&op, &help_task, after, LIST_DEFERRED, 1000);
		WAIT_FOR(store_list_poll(&op));
		if (store_list_poll(&op) != STORE_OK)
			break;
		seen += (int)op.n;
		for (i = 0; i < (int)op.n; i++) {
			up &= op.msg[i]->id > after && op.msg[i]->queue == QUEUE_DEFERRED;
			after = op.msg[i]->id;
		}
		after = op.last;
		end = op.end;
		slices++;
		most = MAX(most, anon_kb());
		store_list_end(&op);
	}
	is_int(seen, N / 10 * 9, "the deferred ones are listed in %d slices", slices);
	ok(up, "in order");
	ok(most - before < 8192 || SANITIZED, "in bounded memory: %ld KiB more (%ld in all)", most - before, rss_kb());
}

static void test_large_body(void)
{
	enum { MIB = 64, CHUNKS = (MIB << 20) / STORE_CHUNK };
	struct message *m = make_message("s@example.com", 1, "example.net", 0);
	struct store_txn *t = store_txn_new();
	struct content_op op = { 0 };
	long before = anon_kb();
	int64_t read = 0, wrong = 0;
	struct chunk *ch;
	int i;

	for (i = 0; i < CHUNKS; i++) {
		ch = xmalloc(sizeof(*ch));
		*ch = (struct chunk){ .len = STORE_CHUNK };
		memset(ch->data, 'a' + i % 26, STORE_CHUNK);
		store_txn_draft(t, m->id, (uint32_t)i, ch);
		if (i % 256 == 255) {
			is_int(commit_now(&t), STORE_OK, "drafts %d", i);
			t = store_txn_new();
		}
	}
	m->flags |= MSG_CONTENT_STORED;
	m->body_bytes = (int64_t)CHUNKS * STORE_CHUNK;
	store_txn_put(t, m);
	is_int(commit_now(&t), STORE_OK, "envelope");
	content_read_start(&op, &help_task, m, PART_BODY);
	for (;;) {
		WAIT_FOR(content_read_poll(&op));
		if (content_read_poll(&op) != CONTENT_DATA)
			break;
		wrong += op.p[0] != 'a' + (char)(read / STORE_CHUNK % 26);
		read += (int64_t)op.len;
		content_read_advance(&op);
	}
	is_int(content_read_poll(&op), CONTENT_END, "read to the end");
	content_read_end(&op);
	is_int(read, m->body_bytes, "every byte");
	is_int(wrong, 0, "in order");
	ok(anon_kb() - before < 16384 || SANITIZED, "in bounded memory: %ld KiB more", anon_kb() - before);
	message_unref(&m);
}

int main(void)
{
	log_program("test");
	store_begin();
	store_open_ok();
	test_many_recipients();
	test_large_body();
	test_many_messages();
	store_finish();
	return done_testing();
}
