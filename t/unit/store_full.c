/* When the disk says no: a full map, a file that must not grow, failed syncs, a meta page that cannot be written.
 * The system calls of LMDB are the ones below. */
#include "tap.h"
#include "store_help.h"
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static atomic_int fail_sync, fail_meta, syncs;

int fdatasync(int fd)
{
	atomic_fetch_add(&syncs, 1);
	if (atomic_load(&fail_sync) > 0) {
		atomic_fetch_sub(&fail_sync, 1);
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
	if (n < 4096 && atomic_load(&fail_meta) > 0) {		/* only meta pages are written in part */
		atomic_fetch_sub(&fail_meta, 1);
		errno = EIO;
		return -1;
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, off);
}

static enum store_result put_one(size_t body, queue_id_t *id_r)
{
	struct message *m = make_message("s@example.com", 1, "example.net", body);
	struct store_txn *t = store_txn_new();

	*id_r = m->id;
	store_txn_put(t, m);
	message_unref(&m);
	return commit_now(&t);
}

static enum store_result delete_one(queue_id_t id)
{
	struct store_txn *t = store_txn_new();

	store_txn_delete(t, id);
	return commit_now(&t);
}

static enum store_result defer_one(queue_id_t id, int64_t due)
{
	struct store_txn *t = store_txn_new();
	struct store_sched s = { .queue = QUEUE_DEFERRED, .due_ms = due, .attempts = 1 };
	struct rcpt r = { .addr = (char *)(uintptr_t)"user0@example.net", .reason = (char *)(uintptr_t)"connection refused" };

	store_txn_rcpt(t, id, &r);
	store_txn_sched(t, id, &s);
	return commit_now(&t);
}

static bool there(queue_id_t id)
{
	struct message *m = load_message(id, 0, 1, ~0u, NULL);
	bool yes = m != NULL;

	message_unref(&m);
	return yes;
}

enum { MANY = 20000 };
static queue_id_t id[MANY];

static void test_full_map(void)
{
	int n = 0, i, good = 0, deferred = 0, deleted = 0;
	struct store_stats st;
	enum store_result r = STORE_OK;

	store_config_of_test.map_bytes = 16 << 20;
	store_open_ok();
	ok(store_has_room(4000), "an empty queue has room");
	while (n < MANY && (r = put_one(4000, &id[n])) == STORE_OK)
		n++;
	ok(r == STORE_FULL && n > 500, "full after %d messages", n);
	ok(!store_has_room(4000), "and says so");
	store_stats(&st);
	ok(st.full, "in the figures, too");
	for (i = 0; i < n; i++)
		deferred += defer_one(id[i], 1000 + i) == STORE_OK;
	is_int(deferred, n, "every message can still be deferred");
	for (i = 0; i < n; i++)
		good += there(id[i]);
	is_int(good, n, "all are there");
	for (i = 0; i < n / 2; i++)
		deleted += delete_one(id[i * 2]) == STORE_OK;
	is_int(deleted, n / 2, "and be deleted");
	ok(store_has_room(4000), "now there is room");
	is_int(put_one(4000, &id[n]), STORE_OK, "for another");
	store_stats(&st);
	is_int((intmax_t)st.messages, n - n / 2 + 1, "the count is right");
	is_int((intmax_t)st.deferred, n - n / 2, "of the deferred, too");
	store_close();
}

/* Many at once on a nearly full map: those that fit are taken, the others told. */
static void test_full_batch(void)
{
	enum { OPS = 400 };
	static struct store_op op[OPS];
	static queue_id_t ids[OPS];
	struct store_txn *t;
	struct message *m;
	int i, taken = 0, refused = 0, right = 0;
	enum store_result r;

	store_config_of_test.map_bytes = 16 << 20;
	store_open_ok();
	for (i = 0; i < OPS; i++) {
		m = make_message("s@example.com", 1, "example.net", 60000);
		ids[i] = m->id;
		t = store_txn_new();
		store_txn_put(t, m);
		message_unref(&m);
		store_commit_start(&op[i], &help_task, &t);
	}
	for (i = 0; i < OPS; i++) {
		WAIT_FOR(store_commit_poll(&op[i]));
		r = store_commit_poll(&op[i]);
		store_commit_end(&op[i]);
		taken += r == STORE_OK;
		refused += r == STORE_FULL;
		right += there(ids[i]) == (r == STORE_OK);
	}
	ok(taken > 20 && taken + refused == OPS, "%d taken, %d refused", taken, refused);
	is_int(right, OPS, "exactly those taken are there");
	store_close();
}

static void test_file_limit(void)
{
	struct rlimit rl, old;
	queue_id_t a, b, c;
	struct stat st;
	char path[300];
	enum store_result r;
	int i;

	store_config_of_test.map_bytes = (int64_t)1 << 30;
	store_open_ok();
	is_int(put_one(1000, &a), STORE_OK, "put");
	is_int(put_one(300000, &c), STORE_OK, "put something large");
	is_int(delete_one(c), STORE_OK, "and delete it");
	snprintf(path, sizeof(path), "%s/data.mdb", store_dir);
	stat(path, &st);
	getrlimit(RLIMIT_FSIZE, &old);
	rl = old;
	rl.rlim_cur = (rlim_t)st.st_size;
	setrlimit(RLIMIT_FSIZE, &rl);
	for (i = 0, r = STORE_OK; i < 50 && r == STORE_OK; i++)
		r = put_one(100000, &b);
	is_int(r, STORE_FULL, "the file cannot grow");
	ok(!there(b), "what was refused is not there");
	is_int(delete_one(a), STORE_OK, "but what is there can go");
	setrlimit(RLIMIT_FSIZE, &old);
	is_int(put_one(100000, &b), STORE_OK, "there is space again");
	ok(there(b), "and the message");
	store_close();
}

static void test_failed_sync(void)
{
	queue_id_t a, b, c;
	int before;

	store_open_ok();
	is_int(put_one(1000, &a), STORE_OK, "put");
	before = atomic_load(&syncs);
	ok(before > 0, "commits are synced (%d)", before);
	atomic_store(&fail_sync, 1);
	is_int(put_one(1000, &b), STORE_OK, "one failed sync: opened anew, written again");
	ok(there(a) && there(b), "both are there");
	atomic_store(&fail_sync, 1000);
	is_int(put_one(1000, &c), STORE_FAILED, "syncs that go on failing are an error");
	ok(!there(c), "and nothing is there");
	atomic_store(&fail_sync, 0);
	is_int(put_one(1000, &c), STORE_OK, "later it works again");
	atomic_store(&fail_meta, 1);
	is_int(delete_one(a), STORE_OK, "a meta page that could not be written: opened anew");
	ok(!there(a) && there(b) && there(c), "the delete is done, the others stay");
	atomic_store(&fail_meta, 1);
	is_int(put_one(1000, &a), STORE_OK, "the same with a put");
	ok(there(a), "it is there");
	store_close();
	store_open_ok();
	ok(there(a) && there(b) && there(c), "also after opening the queue again");
	store_close();
}

static void remove_file(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/data.mdb", store_dir);
	unlink(path);
}

int main(void)
{
	signal(SIGXFSZ, SIG_IGN);
	log_program("test");
	store_begin();
	test_full_map();
	remove_file();
	test_full_batch();
	remove_file();
	test_file_limit();
	test_failed_sync();
	store_finish();
	return done_testing();
}
