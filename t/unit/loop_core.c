/* loop_core.c - tasks, timers, watches, workers, posts, signals, the test clock, block accounting. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/loop.h>

#include "tap.h"

static struct buf trace;

/* A task that notes its name and does what the test asks. */
struct probe {
	struct task	 task;
	const char	*mark;
	void		(*then)(struct probe *);
	int		 runs;
	struct probe	*other;
	struct timer	 timer;
	struct watch	 watch;
	struct job_op	 job;
};

static void probe_run(struct task *t)
{
	struct probe *p = CONTAINER_OF(t, struct probe, task);

	p->runs++;
	buf_adds(&trace, p->mark);
	if (p->then != NULL)
		p->then(p);
}

static void probe_init(struct probe *p, const char *mark, void (*then)(struct probe *))
{
	*p = (struct probe){ .mark = mark, .then = then };
	task_init(&p->task, mark, probe_run);
}

static void stop(struct probe *p)
{
	(void)p;
	loop_stop();
}

static void wake_self_thrice(struct probe *p)
{
	if (p->runs < 3)
		task_wake(&p->task);
	else
		loop_stop();
}

static void wake_other(struct probe *p)
{
	task_wake(&p->other->task);
	task_wake(&p->other->task);
}

static void unlink_other(struct probe *p)
{
	task_unlink(&p->other->task);
}

static void run_with_limit(int64_t ms)
{
	struct probe limit;

	probe_init(&limit, "!", stop);
	timer_start(&limit.timer, &limit.task, ms);
	loop_run();
	timer_end(&limit.timer);
	task_unlink(&limit.task);
}

static void test_tasks(void)
{
	struct probe a, b, c;

	probe_init(&a, "a", wake_self_thrice);
	probe_init(&b, "b", wake_other);
	probe_init(&c, "c", NULL);
	b.other = &c;
	task_wake(NULL);
	task_wake(&a.task);
	task_wake(&a.task);
	task_wake(&b.task);
	loop_run();
	is_str(buf_str(&trace), "abaca", "woken while running: next pass; woken twice: once");
	buf_reset(&trace);

	probe_init(&a, "a", unlink_other);
	probe_init(&b, "b", NULL);
	probe_init(&c, "c", stop);
	a.other = &b;
	task_wake(&a.task);
	task_wake(&b.task);
	task_wake(&c.task);
	loop_run();
	is_str(buf_str(&trace), "ac", "unlinked while runnable: does not run");
	buf_reset(&trace);
	a.other = &c;
	probe_init(&b, "b", stop);
	task_wake(&b.task);
	task_wake(&a.task);
	task_wake(&c.task);
	task_unlink(&a.task);
	task_unlink(&a.task);
	task_wake(&a.task);
	loop_run();
	task_unlink(&c.task);
	is_str(buf_str(&trace), "bca", "order of waking");
	buf_reset(&trace);
}

static void note_expired(struct probe *p)
{
	if (!timer_expired(&p->timer) || timer_running(&p->timer))
		buf_adds(&trace, "?");
}

static void test_timers(void)
{
	struct probe p[5];
	static struct timer many[2000];
	struct probe one;
	static const char *const marks[] = { "0", "1", "2", "3", "4" };
	int64_t from = clock_fresh_us(), last = 0;
	bool sorted = true;
	int n = 0;

	for (int i = 0; i < 5; i++)
		probe_init(&p[i], marks[i], note_expired);
	timer_start(&p[0].timer, &p[0].task, 40);
	timer_start(&p[1].timer, &p[1].task, 10);
	timer_start(&p[2].timer, &p[2].task, 500);
	timer_start(&p[2].timer, &p[2].task, 20);	/* brought forward */
	timer_start(&p[3].timer, &p[3].task, 5);
	timer_start(&p[3].timer, &p[3].task, 30);	/* pushed back */
	timer_start(&p[4].timer, &p[4].task, 15);
	ok(timer_running(&p[4].timer), "running");
	timer_end(&p[4].timer);
	ok(!timer_running(&p[4].timer), "ended");
	run_with_limit(60);
	is_str(buf_str(&trace), "1230!", "in order of time");
	from = clock_fresh_us() - from;
	ok(from >= 55000 && from < 5000000, "took its time: %d us", (int)from);
	buf_reset(&trace);
	for (int i = 0; i < 5; i++)
		timer_end(&p[i].timer);
	ok(!timer_expired(&p[0].timer), "timer_end takes the fact away");

	probe_init(&one, "", NULL);
	srand(1);
	for (int i = 0; i < 2000; i++)
		timer_start(&many[i], &one.task, rand() % 1000000 + 5000);
	for (int i = 0; i < 2000; i += 3)
		timer_start(&many[i], &one.task, rand() % 1000000 + 5000);
	for (int i = 1; i < 2000; i += 3)
		timer_end(&many[i]);
	/* empty the heap from the top, as firing does */
	for (;;) {
		struct timer *first = NULL;

		for (int i = 0; i < 2000; i++)
			if (many[i].pos == 1)
				first = &many[i];
		if (first == NULL)
			break;
		sorted = sorted && first->at_ms >= last;
		last = first->at_ms;
		timer_end(first);
		n++;
	}
	ok(sorted && n == 1333, "heap stays in order under restarts and ends (%d)", n);
}

static void take_and_read(struct probe *p)
{
	char c;
	int ready = watch_take(&p->watch);

	buf_addf(&trace, "%d", ready);
	if ((ready & WATCH_READ) != 0 && read(p->watch.fd, &c, 1) == 1)
		buf_addc(&trace, c);
	if (p->runs >= 3)
		loop_stop();
}

static void test_watch(void)
{
	struct probe p;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return;
	probe_init(&p, "w", take_and_read);
	watch_start(&p.watch, &p.task, fds[0], 0);
	ok(write(fds[1], "xyz", 3) == 3, "something to read");
	run_with_limit(20);
	is_str(buf_str(&trace), "!", "want 0 is silent");
	buf_reset(&trace);
	watch_want(&p.watch, WATCH_READ);
	watch_want(&p.watch, WATCH_READ);
	loop_run();
	is_str(buf_str(&trace), "w1xw1yw1z", "level triggered");
	buf_reset(&trace);
	p.runs = 2;
	watch_want(&p.watch, WATCH_WRITE);
	loop_run();
	is_str(buf_str(&trace), "w2", "writable");
	buf_reset(&trace);
	watch_want(&p.watch, WATCH_READ | WATCH_WRITE);
	watch_end(&p.watch);
	watch_end(&p.watch);
	run_with_limit(10);
	is_str(buf_str(&trace), "!", "ended");
	buf_reset(&trace);
	close(fds[0]);
	close(fds[1]);
}

/* ---- workers ---------------------------------------------------------------------------- */

struct work {
	sem_t		*gate;		/* stuck until it is opened; NULL: not */
	int		 result;
	pthread_t	 thread;
};

static int works_freed;

static void work_fn(void *data)
{
	struct work *w = data;

	while (w->gate != NULL && sem_wait(w->gate) < 0)
		continue;
	w->thread = pthread_self();
	w->result = 42;
}

static void work_free(void *data)
{
	works_freed++;
	free(data);
}

static struct work *work_new(sem_t *gate)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->gate = gate;
	return w;
}

/* Runs the loop until so many works are freed, or all of the jobs have an end. */
static void run_until_freed(int n)
{
	for (int i = 0; i < 2000 && works_freed < n; i++)
		run_with_limit(10);
}

/* The trace without what the limits of runs left in it. */
static void trace_forget_limits(void)
{
	size_t n = 0;

	for (size_t i = 0; i < trace.len; i++)
		if (trace.p[i] != '!')
			trace.p[n++] = trace.p[i];
	if (trace.p != NULL)
		trace.p[n] = '\0';
	trace.len = n;
}

static int jobs_done(struct probe *p, int n)
{
	int done = 0;

	for (int i = 0; i < n; i++)
		done += job_poll(&p[i].job) == JOB_DONE;
	return done;
}

static void run_until_done(struct probe *p, int n)
{
	for (int i = 0; i < 2000 && jobs_done(p, n) < n; i++)
		run_with_limit(10);
}

static void poll_job(struct probe *p)
{
	enum job_result r = job_poll(&p->job);
	static const char *const names[] = { "wait", "done", "busy", "timeout" };

	buf_addf(&trace, "%s,", names[r]);
	if (r == JOB_DONE && ((struct work *)p->job.data)->result != 42)
		buf_adds(&trace, "?");
	if (r == JOB_DONE && pthread_equal(((struct work *)p->job.data)->thread, pthread_self()))
		buf_adds(&trace, "on the loop?");
}

static void test_workers(void)
{
	struct worker_class *c = worker_class_new("one", 1, 1), *wide = worker_class_new("wide", 4, 100);
	struct probe p[3], q[20];
	sem_t gate;

	sem_init(&gate, 0, 0);
	for (int i = 0; i < 3; i++) {
		probe_init(&p[i], "", poll_job);
		job_start(&p[i].job, &p[i].task, c, work_fn, work_new(&gate), work_free, 60000);
	}
	ok(job_poll(&p[0].job) == JOB_WAIT && job_poll(&p[1].job) == JOB_WAIT && job_poll(&p[2].job) == JOB_BUSY,
	    "one thread, one in the queue, the third is refused");
	sem_post(&gate);
	sem_post(&gate);
	run_until_done(p, 2);
	trace_forget_limits();
	is_str(buf_str(&trace), "done,done,", "both done");
	ok(job_poll(&p[0].job) == JOB_DONE && job_poll(&p[0].job) == JOB_DONE, "result repeats");
	buf_reset(&trace);
	for (int i = 0; i < 3; i++) {
		job_end(&p[i].job);
		job_end(&p[i].job);
	}
	is_int(works_freed, 3, "data freed once each");

	/* the limit passes; the thread counts until it is back */
	works_freed = 0;
	job_start(&p[0].job, &p[0].task, c, work_fn, work_new(&gate), work_free, 20);
	job_start(&p[1].job, &p[1].task, c, work_fn, work_new(NULL), work_free, 20);
	run_with_limit(60);
	is_str(buf_str(&trace), "timeout,timeout,!", "limit passed, running and queued");
	buf_reset(&trace);
	job_start(&p[2].job, &p[2].task, c, work_fn, work_new(NULL), work_free, 20);
	ok(job_poll(&p[2].job) == JOB_BUSY, "the class is still full");
	job_end(&p[2].job);
	is_int(works_freed, 1, "the two are not freed while out");
	job_end(&p[0].job);
	job_end(&p[1].job);
	sem_post(&gate);
	run_until_freed(3);
	is_int(works_freed, 3, "orphans freed when back");
	buf_reset(&trace);
	job_start(&p[0].job, &p[0].task, c, work_fn, work_new(NULL), work_free, 60000);
	run_until_done(p, 1);
	ok(job_poll(&p[0].job) == JOB_DONE, "and takes work again");
	buf_reset(&trace);
	job_end(&p[0].job);

	/* the class grows past stuck threads */
	for (int i = 0; i < 20; i++) {
		probe_init(&q[i], "", poll_job);
		job_start(&q[i].job, &q[i].task, wide, work_fn, work_new(i < 3 ? &gate : NULL), work_free, 60000);
	}
	run_until_done(q + 3, 17);
	is_int(jobs_done(q, 20), 17, "the fourth thread does what three stuck ones cannot");
	for (int i = 0; i < 20; i++)
		job_end(&q[i].job);	/* three of them run still */
	buf_reset(&trace);
	works_freed = 0;
	worker_class_free(&wide);
	worker_class_free(&c);
	for (int i = 0; i < 3; i++)
		sem_post(&gate);
	run_until_freed(3);
	is_int(works_freed, 3, "what was out when its class was freed");
	ok(wide == NULL && c == NULL, "freed");
	buf_reset(&trace);
}

/* ---- posts ------------------------------------------------------------------------------ */

struct note {
	struct loop_msg	 msg;
	int		 n;
	atomic_int	 free;
};

static int posts_seen, posts_wrong, last_post = -1;

static void on_note(struct loop_msg *m)
{
	struct note *n = CONTAINER_OF(m, struct note, msg);

	if (n->n != last_post + 1)
		posts_wrong++;
	last_post = n->n;
	atomic_store(&n->free, 1);
	if (++posts_seen == 20000)
		loop_stop();
}

static void *poster(void *arg)
{
	static struct note notes[64];

	(void)arg;
	for (int i = 0; i < 64; i++)
		notes[i].free = 1;
	for (int i = 0; i < 20000; i++) {
		struct note *n = &notes[i % 64];

		while (!atomic_load(&n->free))
			sched_yield();
		atomic_store(&n->free, 0);
		n->n = i;
		n->msg.fn = on_note;
		loop_post(&n->msg);
		if (i % 500 == 0)
			usleep(2000);
	}
	return NULL;
}

static void test_posts(void)
{
	unsigned long id;

	ok(thread_start("poster", poster, NULL, &id), "thread_start");
	run_with_limit(10000);
	pthread_join((pthread_t)id, NULL);
	ok(posts_seen == 20000 && posts_wrong == 0, "%d messages, in order, none lost", posts_seen);
	buf_reset(&trace);
}

static void take_signal(struct probe *p)
{
	(void)p;
	buf_addf(&trace, "%d%d", loop_signal_take(SIGHUP), loop_signal_take(SIGTERM));
	loop_stop();
}

static void test_signals(void)
{
	struct probe p;

	probe_init(&p, "s", take_signal);
	loop_signal(SIGHUP, &p.task);
	loop_signal(SIGTERM, &p.task);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGHUP);
	loop_run();
	is_str(buf_str(&trace), "s10", "signal taken");
	ok(!loop_signal_take(SIGHUP), "once");
	buf_reset(&trace);
}

static int hook_runs;

static void hook(void)
{
	hook_runs++;
}

static void test_hooks(void)
{
	struct probe a;
	struct loop_stats st;

	loop_at_pass_end(hook);
	probe_init(&a, "a", wake_self_thrice);
	task_wake(&a.task);
	loop_run();
	is_int(hook_runs, 3, "a hook at the end of each pass");
	loop_stats(&st);
	ok(st.passes > 3 && st.lag_us_max >= st.lag_us_p99 && st.lag_us_p99 >= st.lag_us_p50, "passes %d, lag %d/%d/%d",
	    (int)st.passes, (int)st.lag_us_p50, (int)st.lag_us_p99, (int)st.lag_us_max);
	buf_reset(&trace);
}

static void sleep_on_loop(struct probe *p)
{
	(void)p;
	usleep(1000);
	loop_stop();
}

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void burn(struct probe *p)
{
	int64_t from = cpu_us();

	while (cpu_us() - from < 60000)	/* of processor time: on a busy machine 60 ms go by without much being done */
		p->runs++;
	loop_stop();
}

/* In a child with the check on: standard error has the reports. */
static void test_block_check(void)
{
	struct loop_stats st;
	struct probe p;
	int status = 0;

	if (fork() == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		setenv("POSTRIDER_BLOCK_CHECK", "1", 1);
		loop_init();
		probe_init(&p, "sleeper", sleep_on_loop);
		task_wake(&p.task);
		loop_run();
		loop_stats(&st);
		if (st.blocked_switches == 0 || strcmp(st.last_blocked, "sleeper") != 0)
			_exit(1);
		probe_init(&p, "burner", burn);
		task_wake(&p.task);
		loop_run();
		loop_stats(&st);
		_exit(st.slow_callbacks >= 1 ? 0 : 2);
	}
	wait(&status);
	is_int(status, 0, "sleeping on the loop is counted, and slowness");
}

/* ---- test clock ------------------------------------------------------------------------- */

static void again_each_minute(struct probe *p)
{
	buf_addf(&trace, "%lld:%lld ", (long long)now_ms() / 1000 % 1000, (long long)wall_s() % 1000);
	timer_start(&p->timer, &p->task, 60000);
}

static int ask_clock(const char *path, const char *question, char *reply, size_t size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ssize_t n = -1;

	str_copy(sun.sun_path, path, sizeof(sun.sun_path));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    write(fd, question, strlen(question)) == (ssize_t)strlen(question))
		n = read(fd, reply, size - 1);
	reply[n > 0 ? n : 0] = '\0';
	close(fd);
	return (int)n;
}

struct question {
	struct loop_msg	 done;
	const char	*path, *text;
	char		 reply[100];
};

static void clock_answered(struct loop_msg *m)
{
	(void)m;
	loop_stop();
}

static void *clock_asker(void *arg)
{
	struct question *q = arg;

	ask_clock(q->path, q->text, q->reply, sizeof(q->reply));
	q->done.fn = clock_answered;
	loop_post(&q->done);
	return NULL;
}

static const char *clock_says(const char *path, const char *text)
{
	static struct question q;
	unsigned long id;

	q = (struct question){ .path = path, .text = text };
	if (!thread_start("asker", clock_asker, &q, &id))
		return "no thread";
	loop_run();
	pthread_join((pthread_t)id, NULL);
	return q.reply;
}

static struct job_op slow_job;
static struct worker_class *slow_class;

static void nap(void *data)
{
	(void)data;
	usleep(50000);
}

static void slow_begin(struct probe *p)
{
	if (slow_job.active)
		buf_addf(&trace, "%s", job_poll(&slow_job) == JOB_DONE ? "done" : "late");
	else
		job_start(&slow_job, &p->task, slow_class, nap, NULL, NULL, 1000);
}

/* What a thread of ours does takes no time on the test's clock, so it does not run into its limit. */
static void slow_job_test(const char *path)
{
	struct probe p;

	slow_class = worker_class_new("slow", 1, 1);
	probe_init(&p, "", slow_begin);
	timer_start(&p.timer, &p.task, 1000);
	buf_reset(&trace);
	is_str(clock_says(path, "advance 600000\n"), "ok\n", "past a job and its limit");
	is_str(buf_str(&trace), "done", "the job was waited for");
	job_end(&slow_job);
	timer_end(&p.timer);
	worker_class_free(&slow_class);
}

static void test_clock(void)
{
	char path[64], text[100];
	struct probe p;
	char *why;
	int64_t base;

	snprintf(path, sizeof(path), "/tmp/loop_core.%d", (int)getpid());
	why = loop_test_clock("/nonexistent/socket");
	ok(why != NULL, "refused: %s", why);
	free(why);
	ok(loop_test_clock(path) == NULL, "listens");
	base = (now_ms() / 1000000 + 1) * 1000000;
	snprintf(text, sizeof(text), "set 1700000000000000 %lld\n", (long long)base);
	is_str(clock_says(path, text), "ok\n", "set");
	ok(now_ms() == base && wall_us() == 1700000000000000, "both clocks");
	probe_init(&p, "", again_each_minute);
	timer_start(&p.timer, &p.task, 1000);
	is_str(clock_says(path, "advance 999\n"), "ok\n", "advance");
	is_str(buf_str(&trace), "", "not yet");
	is_str(clock_says(path, "advance 181001\n"), "ok\n", "advance by minutes");
	is_str(buf_str(&trace), "1:1 61:61 121:121 181:181 ", "every timer at its own time");
	ok(now_ms() == base + 182000 && wall_us() == 1700000182000000, "arrived");
	timer_end(&p.timer);
	slow_job_test(path);
	is_str(clock_says(path, "set 1 1\n"), "error: monotonic time cannot go back\n", "not back");
	is_str(clock_says(path, "nonsense\n"), "error: set WALL_US MONO_MS, or advance MS\n", "nonsense");
}

int main(void)
{
	test_block_check();
	loop_init();
	test_tasks();
	test_timers();
	test_watch();
	test_workers();
	test_posts();
	test_signals();
	test_hooks();
	test_clock();
	loop_release();
	buf_release(&trace);
	return done_testing();
}
