/* kill -9 under load, again and again: everything acknowledged is there and whole, nothing else stands about, and
 * ids go on. The child puts, defers and deletes, and writes what was acknowledged into a pipe; the parent keeps the books. */
#include "tap.h"
#include "store_help.h"
#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 8, SESSIONS = 20 };
struct note { char what; queue_id_t id; };	/* 'P'ut, 'D'eleted (may be), 'd'eleted for certain */

struct session {
	struct task	 task;
	struct store_op	 op;
	queue_id_t	 id;
	int		 step;
};
static int out;

static void note(char what, queue_id_t id)
{
	struct note n = { what, id };

	if (write(out, &n, sizeof(n)) != sizeof(n))
		_exit(1);
}

static void session_run(struct task *task)
{
	struct session *s = CONTAINER_OF(task, struct session, task);
	struct store_txn *t;
	struct message *m;

	if (s->op.active) {
		if (store_commit_poll(&s->op) == STORE_WAIT)
			return;
		if (store_commit_poll(&s->op) != STORE_OK)
			_exit(2);
		store_commit_end(&s->op);
		note(s->step % 4 == 0 ? 'P' : s->step % 4 == 3 ? 'd' : ' ', s->id);
		s->step++;
	}
	t = store_txn_new();
	switch (s->step % 4) {
	case 0:
		m = make_message("s@example.com", 2, "example.net", 3000 + s->id % 20000);
		s->id = m->id;
		store_txn_put(t, m);
		message_unref(&m);
		break;
	case 1:
		store_txn_sched(t, s->id, &(struct store_sched){ .queue = QUEUE_DEFERRED, .due_ms = (int64_t)(s->id / 1000 + s->id % 1000) });
		break;
	case 2:
		store_txn_rcpt_done(t, s->id, 0);
		if (s->id % 3 == 0) {		/* this one stays: on to a new one */
			store_settle(&t);
			s->step = 0;
			task_wake(task);
			return;
		}
		break;
	case 3:
		note('D', s->id);
		store_txn_delete(t, s->id);
		break;
	}
	store_commit_start(&s->op, task, &t);
}

static void child(void)
{
	static struct session s[SESSIONS];
	int i;

	loop_init();
	store_open_ok();
	for (i = 0; i < SESSIONS; i++) {
		task_init(&s[i].task, "session", session_run);
		task_wake(&s[i].task);
	}
	loop_run();
	_exit(3);
}

static struct { queue_id_t id; char what; } *book;
static size_t booked, room;

static void enter(const struct note *n)
{
	size_t i;

	if (n->what == ' ')
		return;
	if (n->what != 'P') {
		for (i = booked; i-- > 0;)
			if (book[i].id == n->id) {
				book[i].what = n->what;
				return;
			}
	}
	if (booked == room) {
		room = room != 0 ? room * 2 : 1024;
		book = xreallocarray(book, room, sizeof(*book));
	}
	book[booked].id = n->id;
	book[booked++].what = n->what;
}

static void check(queue_id_t *last)
{
	size_t i, lost = 0, back = 0, broken = 0, len;
	struct store_list_op op = { 0 };
	struct store_stats st;
	struct message *m;
	uint64_t listed = 0;
	bool end = false;
	queue_id_t after = 0;
	char *p;

	for (i = 0; i < booked; i++) {
		m = load_message(book[i].id, 0, 10, ~0u, NULL);
		lost += m == NULL && book[i].what == 'P';
		back += m != NULL && book[i].what == 'd';
		if (m != NULL && i % 7 == 0) {
			p = read_content(m, PART_BODY, &len);
			broken += p == NULL || (int64_t)len != m->body_bytes || m->nrcpt == 0;
			free(p);
		}
		message_unref(&m);
	}
	is_int((intmax_t)lost, 0, "nothing acknowledged is lost (%zu in the book)", booked);
	is_int((intmax_t)back, 0, "nothing deleted is back");
	is_int((intmax_t)broken, 0, "what is there is whole");
	while (!end) {
		store_list_start(&op, &help_task, after, 0, 100);
		WAIT_FOR(store_list_poll(&op));
		listed += op.n;
		after = op.last;
		end = op.end || store_list_poll(&op) != STORE_OK;
		store_list_end(&op);
	}
	store_stats(&st);
	is_int((intmax_t)listed, (intmax_t)st.messages, "the listing has as many as the count says");
	ok(st.messages == st.active + st.deferred + st.hold, "the counts agree");
	ok(after > 0 && store_new_id() > after, "ids go on");
	*last = after;
}

int main(void)
{
	int round, p[2];
	struct note n;
	queue_id_t last;
	size_t notes;
	pid_t pid;

	log_program("test");
	store_begin();
	loop_release();
	for (round = 0; round < ROUNDS; round++) {
		if (pipe(p) < 0)
			return 1;
		if ((pid = fork()) == 0) {
			close(p[0]);
			out = p[1];
			child();
		}
		close(p[1]);
		for (notes = 0; read(p[0], &n, sizeof(n)) == sizeof(n); notes++) {
			enter(&n);
			if (notes == (size_t)(200 + 331 * round))
				kill(pid, SIGKILL);
		}
		close(p[0]);
		waitpid(pid, NULL, 0);
		ok(notes > 200, "round %d: %zu notes", round, notes);
		fflush(stdout);
		if ((pid = fork()) == 0) {		/* loop and store afresh, in a process that ends */
			tap_child = true;
			loop_init();
			store_open_ok();
			check(&last);
			store_close();
			loop_release();
			exit(tap_failed != 0);
		}
		int status;

		waitpid(pid, &status, 0);
		is_int(status, 0, "round %d: everything is as it should be", round);
	}
	loop_init();
	store_finish();
	free(book);
	return done_testing();
}
