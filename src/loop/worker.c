/* worker.c - threads for what can block, in classes that cannot starve each other.
 * The loop never takes a lock here: it pushes a job on the class's intake (a lock-free
 * stack) and raises a semaphore; finished jobs come back by loop_post(). The mutex is
 * among the workers of one class only. A worker that takes a job and leaves nobody idle
 * starts another first, and a job never waits behind a stuck one while the class may still
 * grow. A class's first thread is made by another one that does nothing else: making a
 * thread maps its stack, and waits if any other maps or faults at that moment.
 * Jobs in the system are counted on the loop, from start to return: one that overran its
 * limit therefore counts against its class until its thread is back. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>

#include "room.h"

enum job_state { QUEUED, RUNNING, CANCELLED };

struct job {
	struct loop_msg	 msg;		/* its way back */
	struct job	*next;		/* in the intake, then in the queue */
	struct worker_class *class;
	struct job_op	*op;		/* who waits; NULL: orphaned. The loop's only */
	void		(*fn)(void *);
	void		*data;
	void		(*free_data)(void *);
	atomic_int	 state;
};

struct worker_class {
	char		 name[16];
	unsigned	 max_threads, max_jobs;
	unsigned	 jobs;		/* started, not back; the loop's only */
	bool		 freed;		/* by its owner; the loop's only */
	atomic_bool	 closing;
	atomic_uint	 threads, idle;
	sem_t		 work;		/* one for each job in intake and queue */
	_Atomic(struct job *) intake;
	pthread_mutex_t	 lock;		/* of the queue; taken by workers only */
	struct job	*first, **last;
	struct loop_msg	 gone;		/* the last thread's good-bye */
	struct worker_class *next_starting;
	struct loop_msg	 not_started;
};

static unsigned closing_classes;	/* freed, threads not yet gone */
static struct {				/* the one that makes others */
	bool		 running;
	sem_t		 work;
	_Atomic(struct worker_class *) intake;	/* each class is in it once at most */
} starter;

static void *worker_main(void *arg);
static void not_started(struct loop_msg *m);

/* A new thread counts as idle from before it exists. */
static bool grow(struct worker_class *c)
{
	unsigned long id;

	if (atomic_fetch_add(&c->threads, 1) >= c->max_threads) {
		atomic_fetch_sub(&c->threads, 1);
		return false;
	}
	atomic_fetch_add(&c->idle, 1);
	if (thread_start(c->name, worker_main, c, &id)) {
		pthread_detach((pthread_t)id);
		return true;
	}
	atomic_fetch_sub(&c->idle, 1);
	atomic_fetch_sub(&c->threads, 1);
	return false;
}

static void *starter_main(void *arg UNUSED)
{
	for (;;) {
		struct worker_class *c, *next;
		unsigned long id;
		char name[16];

		while (sem_wait(&starter.work) < 0)
			ASSERT(errno == EINTR);
		for (c = atomic_exchange(&starter.intake, NULL); c != NULL; c = next) {
			str_copy(name, c->name, sizeof(name));	/* *c may be gone before thread_start() returns */
			next = c->next_starting;
			if (thread_start(name, worker_main, c, &id))
				pthread_detach((pthread_t)id);
			else
				loop_post(&c->not_started);
		}
	}
	return NULL;
}

/* The first thread, soon; it counts from now on. If it cannot be made, jobs come back as JOB_BUSY, and the next one tries
 * again. */
static void start_first(struct worker_class *c)
{
	struct worker_class *head = atomic_load(&starter.intake);

	if (!starter.running) {
		grow(c);
		return;
	}
	atomic_fetch_add(&c->threads, 1);
	atomic_fetch_add(&c->idle, 1);
	do
		c->next_starting = head;
	while (!atomic_compare_exchange_weak(&starter.intake, &head, c));
	sem_post(&starter.work);
}

/* Made with the first class, while the program starts. */
static void starter_start(void)
{
	unsigned long id;

	if (starter.running || sem_init(&starter.work, 0, 0) < 0)
		return;
	starter.running = thread_start("starter", starter_main, NULL, &id);
	if (starter.running)
		pthread_detach((pthread_t)id);
}

struct worker_class *worker_class_new(const char *name, unsigned threads, unsigned queue)
{
	struct worker_class *c = xcalloc(1, sizeof(*c));

	ASSERT(threads > 0);
	str_copy(c->name, name, sizeof(c->name));
	c->max_threads = threads;
	c->max_jobs = threads + queue;
	c->last = &c->first;
	ASSERT(sem_init(&c->work, 0, 0) == 0 && pthread_mutex_init(&c->lock, NULL) == 0);
	c->not_started.fn = not_started;
	starter_start();
	start_first(c);
	return c;
}

static void class_destroy(struct worker_class *c)
{
	ASSERT(c->jobs == 0);
	sem_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void class_gone(struct loop_msg *m)
{
	struct worker_class *c = CONTAINER_OF(m, struct worker_class, gone);

	closing_classes--;
	class_destroy(c);
}

void worker_class_free(struct worker_class **cp)
{
	struct worker_class *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	if (atomic_load(&c->threads) == 0) {
		class_destroy(c);
		return;
	}
	closing_classes++;
	c->gone.fn = class_gone;
	atomic_store(&c->closing, true);
	sem_post(&c->work);		/* each thread that leaves passes it on */
}

/* ---- on the worker ---------------------------------------------------------------------- */

static struct job *take(struct worker_class *c)
{
	struct job *j, *next, *first = NULL, *last = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->first == NULL) {		/* the intake is a stack: turn it round */
		for (j = atomic_exchange(&c->intake, NULL); j != NULL; j = next) {
			next = j->next;
			j->next = first;
			if (first == NULL)
				last = j;
			first = j;
		}
		if (first != NULL) {
			c->first = first;
			c->last = &last->next;
		}
	}
	j = c->first;
	if (j != NULL) {
		c->first = j->next;
		if (c->first == NULL)
			c->last = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	return j;
}

static void *worker_main(void *arg)
{
	struct worker_class *c = arg;
	struct job *j;

	for (;;) {
		while (sem_wait(&c->work) < 0)
			ASSERT(errno == EINTR);
		j = take(c);
		if (j == NULL) {
			ASSERT(atomic_load(&c->closing));
			break;
		}
		if (atomic_fetch_sub(&c->idle, 1) == 1)
			grow(c);
		int expected = QUEUED;

		if (atomic_compare_exchange_strong(&j->state, &expected, RUNNING))
			j->fn(j->data);
		atomic_fetch_add(&c->idle, 1);
		loop_post(&j->msg);
	}
	sem_post(&c->work);
	if (atomic_fetch_sub(&c->threads, 1) == 1)
		loop_post(&c->gone);	/* nothing of *c is touched after this */
	return NULL;
}

/* ---- on the loop ------------------------------------------------------------------------ */

static void job_free(struct job *j)
{
	if (j->free_data != NULL)
		j->free_data(j->data);
	free(j);
}

static void job_over(struct job *j, enum job_result result)
{
	struct job_op *op = j->op;

	j->class->jobs--;
	loop_expect(-1);
	if (op == NULL) {
		job_free(j);
		return;
	}
	op->result = result;
	op->data = j->data;
	timer_end(&op->timer);
	task_wake(op->task);
}

static void job_back(struct loop_msg *m)
{
	job_over(CONTAINER_OF(m, struct job, msg), JOB_DONE);
}

/* No first thread could be made: nobody else has seen what came in meanwhile. */
static void not_started(struct loop_msg *m)
{
	struct worker_class *c = CONTAINER_OF(m, struct worker_class, not_started);
	struct job *j, *next;

	atomic_fetch_sub(&c->idle, 1);
	if (atomic_fetch_sub(&c->threads, 1) != 1)
		return;
	for (j = atomic_exchange(&c->intake, NULL); j != NULL; j = next) {
		next = j->next;
		while (sem_trywait(&c->work) < 0 && errno == EINTR)
			;
		job_over(j, JOB_BUSY);
	}
	if (atomic_load(&c->closing))
		class_gone(&c->gone);
}

void job_start(struct job_op *op, struct task *t, struct worker_class *c, void (*fn)(void *data), void *data,
    void (*free_data)(void *), int64_t limit_ms)
{
	struct job *j, *head;

	ASSERT(!op->active && limit_ms > 0);
	*op = (struct job_op){ .active = true, .task = t };
	j = xcalloc(1, sizeof(*j));
	j->msg.fn = job_back;
	j->class = c;
	j->op = op;
	j->fn = fn;
	j->data = data;
	j->free_data = free_data;
	op->job = j;
	if (c->jobs >= c->max_jobs) {
		op->result = JOB_BUSY;
		return;
	}
	if (atomic_load(&c->threads) == 0)
		start_first(c);
	c->jobs++;
	loop_expect(1);
	timer_start(&op->timer, t, limit_ms);
	head = atomic_load(&c->intake);
	do
		j->next = head;
	while (!atomic_compare_exchange_weak(&c->intake, &head, j));
	sem_post(&c->work);
}

/* The job goes on, or is skipped if no worker has begun it; nobody waits for it. */
static void orphan(struct job_op *op)
{
	int expected = QUEUED;

	atomic_compare_exchange_strong(&op->job->state, &expected, CANCELLED);
	op->job->op = NULL;
	op->job = NULL;
}

enum job_result job_poll(struct job_op *op)
{
	ASSERT(op->active);
	if (op->result == JOB_WAIT && timer_expired(&op->timer)) {
		op->result = JOB_TIMEOUT;
		orphan(op);
	}
	return op->result;
}

void job_end(struct job_op *op)
{
	if (!op->active)
		return;
	timer_end(&op->timer);
	if (op->result == JOB_WAIT)
		orphan(op);
	else if (op->job != NULL)	/* done or busy: its data is still ours */
		job_free(op->job);
	*op = (struct job_op){ 0 };
}

void workers_release(void)
{
	/* Threads that left in time are gone now; one that is stuck must not hold up the end. */
	for (int i = 0; i < 1000 && closing_classes > 0; i++) {
		loop_run_posted();
		if (closing_classes > 0)
			usleep(1000);
	}
}
