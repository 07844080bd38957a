/* loop.c - one thread, one pass after the other:
 *	wait for events, set the clock, mark the tasks of due timers, run what other threads
 *	posted, run the tasks that are runnable now, run the pass-end hooks
 * Event callbacks only note and mark; everything that thinks runs as a task, after the event
 * that woke it has returned. The runnable list is cut by a sentinel at the beginning of
 * the pass: what is woken while tasks run waits for the next pass, so nobody starves the
 * sockets. Posting is a lock-free push and, only when the loop sleeps, one write. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <event2/event.h>

#include <postrider/clock.h>

#include "room.h"

struct event_base *loop_base;

static TAILQ_HEAD(, task) runnable = TAILQ_HEAD_INITIALIZER(runnable);
static struct task pass_mark;
static bool stopping;

static _Atomic(struct loop_msg *) posted;
static atomic_bool asleep;
static int wake_fd = -1;
static struct event *wake_event;

static void (*hooks[8])(void);
static size_t n_hooks;

static int signal_fd = -1;
static sigset_t signals;
static struct event *signal_event;
static struct { struct task *task; bool seen; } signal_of[NSIG];

/* ---- tasks ------------------------------------------------------------------------------ */

void task_init(struct task *t, const char *name, void (*run)(struct task *))
{
	*t = (struct task){ .run = run, .name = name };
}

void task_wake(struct task *t)
{
	if (t == NULL || t->marked)
		return;
	t->marked = true;
	TAILQ_INSERT_TAIL(&runnable, t, link);
}

void task_unlink(struct task *t)
{
	if (!t->marked)
		return;
	t->marked = false;
	TAILQ_REMOVE(&runnable, t, link);
}

static void run_tasks(void)
{
	struct task *t;
	struct block_mark mark;

	if (TAILQ_EMPTY(&runnable))
		return;
	TAILQ_INSERT_TAIL(&runnable, &pass_mark, link);
	while ((t = TAILQ_FIRST(&runnable)) != &pass_mark) {
		const char *name = t->name;	/* the owner may be gone afterwards */

		TAILQ_REMOVE(&runnable, t, link);
		t->marked = false;
		block_check_begin(&mark);
		t->run(t);
		block_check_end(&mark, name);
	}
	TAILQ_REMOVE(&runnable, &pass_mark, link);
}

/* ---- messages from other threads -------------------------------------------------------- */

void loop_post(struct loop_msg *m)
{
	struct loop_msg *head = atomic_load(&posted);
	uint64_t one = 1;

	do
		m->link.stqe_next = head;
	while (!atomic_compare_exchange_weak(&posted, &head, m));
	/* from here on *m is the loop's */
	if (atomic_load(&asleep) && atomic_exchange(&asleep, false))
		while (write(wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			continue;
}

bool loop_run_posted(void)
{
	struct loop_msg *m = atomic_exchange(&posted, NULL), *next, *first = NULL;
	struct block_mark mark;

	for (; m != NULL; m = next) {		/* a stack: turn it round */
		next = m->link.stqe_next;
		m->link.stqe_next = first;
		first = m;
	}
	for (m = first; m != NULL; m = next) {
		next = m->link.stqe_next;
		block_check_begin(&mark);
		m->fn(m);
		block_check_end(&mark, "posted message");
	}
	return first != NULL;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct block_mark mark;
	uint64_t count;

	(void)what;
	(void)arg;
	block_check_begin(&mark);
	while (read((int)fd, &count, sizeof(count)) < 0 && errno == EINTR)
		continue;		/* (nothing in it: somebody else's wake took it) */
	block_check_end(&mark, "wake");
}

/* ---- signals ---------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct signalfd_siginfo si;
	struct block_mark mark;

	(void)what;
	(void)arg;
	block_check_begin(&mark);
	while (read((int)fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo >= NSIG)
			continue;
		signal_of[si.ssi_signo].seen = true;
		task_wake(signal_of[si.ssi_signo].task);
	}
	block_check_end(&mark, "signal");
}

void loop_signal(int signo, struct task *t)
{
	ASSERT(signo > 0 && signo < NSIG);
	signal_of[signo].task = t;
	sigaddset(&signals, signo);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(signal_fd, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	ASSERT(signal_fd >= 0);
	if (signal_event == NULL) {
		signal_event = event_new(loop_base, signal_fd, EV_READ | EV_PERSIST, on_signal, NULL);
		ASSERT(signal_event != NULL && event_add(signal_event, NULL) == 0);
	}
}

bool loop_signal_take(int signo)
{
	bool seen;

	ASSERT(signo > 0 && signo < NSIG);
	seen = signal_of[signo].seen;
	signal_of[signo].seen = false;
	return seen;
}

/* ---- the loop --------------------------------------------------------------------------- */

void loop_init(void)
{
	struct event_config *c = event_config_new();

	ASSERT(loop_base == NULL && c != NULL);
	signal(SIGPIPE, SIG_IGN);
	event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);	/* one thread only */
	event_config_set_flag(c, EVENT_BASE_FLAG_IGNORE_ENV);
	event_config_require_features(c, EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE);
	loop_base = event_base_new_with_config(c);
	event_config_free(c);
	ASSERT(loop_base != NULL);
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT(wake_fd >= 0);
	wake_event = event_new(loop_base, wake_fd, EV_READ | EV_PERSIST, on_wake, NULL);
	ASSERT(wake_event != NULL && event_add(wake_event, NULL) == 0);
	sigemptyset(&signals);
	task_init(&pass_mark, "end of pass", NULL);
	clock_update();
	timers_init();
	stats_init();
}

void loop_at_pass_end(void (*fn)(void))
{
	for (size_t i = 0; i < n_hooks; i++)
		if (hooks[i] == fn)
			return;
	ASSERT(n_hooks < NELEM(hooks));
	hooks[n_hooks++] = fn;
}

static void wait_for_events(void)
{
	bool busy = !TAILQ_EMPTY(&runnable) || stopping || testclock_pending();

	timers_arm();
	if (!busy) {
		atomic_store(&asleep, true);
		busy = atomic_load(&posted) != NULL;	/* posted before it saw us asleep */
	}
	ASSERT(event_base_loop(loop_base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (busy ? EVLOOP_NONBLOCK : 0)) >= 0);
	atomic_store(&asleep, false);
	clock_update();
}

static void pass(void)
{
	struct block_mark mark;
	int64_t from;
	bool any;

	wait_for_events();
	from = clock_fresh_us();
	block_check_begin(&mark);
	timers_fire();
	block_check_end(&mark, "timers");
	any = loop_run_posted();
	if (testclock_pending() && !any && TAILQ_EMPTY(&runnable))
		testclock_step();
	run_tasks();
	for (size_t i = 0; i < n_hooks; i++) {
		block_check_begin(&mark);
		hooks[i]();
		block_check_end(&mark, "end of pass");
	}
	stats_pass(clock_fresh_us() - from);
}

void loop_run(void)
{
	ASSERT(loop_base != NULL);
	stats_check(true);
	for (stopping = false; !stopping;)
		pass();
	stats_check(false);		/* what is released now may wait for threads */
}

void loop_stop(void)
{
	stopping = true;
}

void loop_release(void)
{
	workers_release();
	testclock_release();
	timers_release();
	if (signal_event != NULL)
		event_free(signal_event);
	signal_event = NULL;
	if (signal_fd >= 0)
		close(signal_fd);
	signal_fd = -1;
	event_free(wake_event);
	close(wake_fd);
	wake_fd = -1;
	event_base_free(loop_base);
	loop_base = NULL;
	n_hooks = 0;
	for (size_t i = 0; i < NELEM(signal_of); i++)
		signal_of[i].task = NULL;
}
