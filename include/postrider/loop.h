/* loop.h - the one event loop: tasks, timers, descriptor watches, worker classes.
 * Everything here is for the loop's thread, but loop_post(). The convention of every
 * operation in postrider (x_start, x_poll, x_end) is described in DESIGN §2: begin,
 * look as often as you like, release; a wake says "look again", never "done". */
#ifndef POSTRIDER_LOOP_H
#define POSTRIDER_LOOP_H
#include <postrider/base.h>

/* What gets woken: embedded in a session, a delivery, a listener. */
struct task {
	void		(*run)(struct task *);	/* runs the owner's state machine until it waits or ends */
	const char	*name;			/* for the trace and the block counters; static */
	bool		 marked;		/* private to src/loop */
	TAILQ_ENTRY(task) link;
};
void	task_init(struct task *, const char *name, void (*run)(struct task *));
void	task_wake(struct task *);	/* idempotent; runs after the current callback; NULL is ignored */
void	task_unlink(struct task *);	/* before its owner is freed */

/* One-shot timer. Expiry is a fact to look at: the task is woken and timer_expired()
 * says so until the next start or end. Zeroed is idle. */
struct timer {
	struct task	*task;
	int64_t		 at_ms;		/* due, on now_ms()'s clock */
	size_t		 pos;		/* private: place in the heap, 0 when not in it */
	bool		 expired;
};
void	timer_start(struct timer *, struct task *, int64_t delay_ms);	/* restarts if running; 0: next pass */
bool	timer_expired(const struct timer *);
bool	timer_running(const struct timer *);
void	timer_end(struct timer *);

/* A descriptor's readiness, level triggered. Used by stream, dns and listeners only. */
enum { WATCH_READ = 1, WATCH_WRITE = 2, WATCH_HUP = 4 };
struct watch {
	struct event	*ev;		/* private */
	struct task	*task;
	void		(*fn)(struct watch *, int seen);	/* edge watches only */
	int		 fd;		/* borrowed */
	int		 want;		/* WATCH_* bits being watched */
	int		 ready;		/* WATCH_* bits seen since watch_take() */
};
void	watch_start(struct watch *, struct task *, int fd, int want);	/* want 0: registered, silent */
void	watch_want(struct watch *, int want);				/* cheap when unchanged */
int	watch_take(struct watch *);					/* ready bits, cleared */
void	watch_end(struct watch *);					/* before the fd is closed */
/* For src/stream alone: edge triggered for reading, writing and hang-up at once, so that one
 * registration lasts a connection's life and a vanished peer cannot make the loop spin.
 * fn is called while events are gathered, before any task runs; it only notes and wakes. */
void	watch_start_edge(struct watch *, int fd, void (*fn)(struct watch *, int seen));

/* Bulkheads for what can block: each class has its own threads and its own queue.
 * A job owns copies of its inputs; fn runs on a worker thread and touches only data. */
struct worker_class;
/* threads: started on demand up to this; queue: jobs waiting beyond which a start is BUSY. */
struct worker_class *worker_class_new(const char *name, unsigned threads, unsigned queue);	/* name: 15 bytes */
void	worker_class_free(struct worker_class **);	/* what is queued or runs is finished, its ops still answered */
struct job;
enum job_result {
	JOB_WAIT = 0,
	JOB_DONE,		/* fn returned; data holds its results */
	JOB_BUSY,		/* the class is full, or no thread can be made: a temporary failure */
	JOB_TIMEOUT,		/* limit passed; the thread counts against its class until it returns */
};
struct job_op {			/* embedded; zeroed = idle */
	void		*data;	/* on JOB_DONE: what was passed; ours until job_end(); else NULL */
	/* private to src/loop: */
	enum job_result	 result;
	bool		 active;
	struct job	*job;
	struct task	*task;
	struct timer	 timer;
};
/* data is owned by the job from now on, free_data(data) is called at job_end() or, orphaned,
 * when fn has returned (on the loop). limit_ms > 0. */
void	job_start(struct job_op *, struct task *, struct worker_class *, void (*fn)(void *data),
	    void *data, void (*free_data)(void *), int64_t limit_ms);
enum job_result job_poll(struct job_op *);
void	job_end(struct job_op *);

/* From any thread: fn runs on the loop in a coming pass. The struct belongs to the poster
 * and is free again when fn is called. For the store's and worker threads only. */
struct loop_msg {
	void		(*fn)(struct loop_msg *);
	STAILQ_ENTRY(loop_msg) link;
};
void	loop_post(struct loop_msg *);

/* Signals arrive as a wake of the task with the number in loop_signal_take(). */
void	loop_signal(int signo, struct task *);
bool	loop_signal_take(int signo);		/* true once per delivery (coalesced) */

void	loop_init(void);			/* once; libevent base, clock, timer heap */
void	loop_run(void);				/* until loop_stop() */
void	loop_stop(void);
void	loop_release(void);			/* after the run: frees everything, for leak checks */
/* A pass ends with these: called after all runnable tasks ran, before waiting (the store hands
 * its gathered batch to the writer here; streams flush). Registered once at start. */
void	loop_at_pass_end(void (*fn)(void));

/* Tests only (--test-clock): both clocks stand still and this UNIX socket moves them. Each line
 * is answered with "ok", or "error: ...":
 *	set WALL_US MONO_MS	to these values; monotonic time cannot go back
 *	advance MS		both by so much
 * On the way, timers fall due one after the other, each at its own time, and all that becomes
 * runnable runs before the next; "ok" comes when that is done. Time stands still while our own threads
 * have work of the loop (for a second at most, should one hang); peers are not waited for. Returns a reason
 * (malloced) or NULL. */
char	*loop_test_clock(const char *socket_path);
/* Work handed to another thread (1), and its answer taken (-1): what the test clock waits for. Worker jobs count
 * themselves. */
void	loop_expect(int);

/* What the loop itself measured (DESIGN §10). */
struct loop_stats {
	uint64_t passes;
	uint64_t lag_us_p50, lag_us_p99, lag_us_max;	/* time one pass kept others waiting, last window */
	uint64_t blocked_switches;	/* test builds: voluntary context switches inside callbacks */
	uint64_t blocked_faults;	/* test builds: major faults inside callbacks */
	uint64_t slow_callbacks;	/* test builds: callbacks over 10 ms of thread CPU */
	const char *last_blocked;	/* task name, NULL if none */
};
void	loop_stats(struct loop_stats *);
#endif
