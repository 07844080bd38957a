/* Worker classes whose threads cannot be made. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <postrider/loop.h>
#include <tap.h>

static atomic_int refuse;	/* so many threads */
static int done, freed;

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	create_fn *real = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");

	if (atomic_load(&refuse) > 0) {
		atomic_fetch_sub(&refuse, 1);
		return EAGAIN;
	}
	return real(id, attr, run, arg);
}

static void work(void *data)
{
	*(int *)data = 1;
}

static void work_free(void *data)
{
	(void)data;
	freed++;
}

static void woken(struct task *t)
{
	(void)t;
	loop_stop();
}

int main(void)
{
	struct worker_class *c;
	struct job_op one = { 0 }, two = { 0 }, orphan = { 0 };
	struct task task;

	loop_init();
	task_init(&task, "test", woken);
	c = worker_class_new("first", 2, 10);		/* with it the thread that makes threads */
	job_start(&one, &task, c, work, &done, work_free, 60000);
	loop_run();
	ok(job_poll(&one) == JOB_DONE && done == 1, "a class works");
	job_end(&one);
	worker_class_free(&c);

	atomic_store(&refuse, 1);
	c = worker_class_new("refused", 2, 10);
	job_start(&one, &task, c, work, &done, work_free, 60000);
	job_start(&orphan, &task, c, work, &done, work_free, 60000);
	job_start(&two, &task, c, work, &done, work_free, 60000);
	job_end(&orphan);
	freed = 0;
	while (job_poll(&one) == JOB_WAIT || job_poll(&two) == JOB_WAIT)
		loop_run();
	ok(job_poll(&one) == JOB_BUSY && job_poll(&two) == JOB_BUSY, "without a thread jobs come back");
	is_int(freed, 1, "one that nobody waits for is freed");
	job_end(&one);
	job_end(&two);
	done = 0;
	job_start(&one, &task, c, work, &done, work_free, 60000);
	loop_run();
	ok(job_poll(&one) == JOB_DONE && done == 1, "the next one tries again");
	job_end(&one);
	worker_class_free(&c);

	atomic_store(&refuse, 1);
	c = worker_class_new("closed", 1, 10);
	job_start(&one, &task, c, work, &done, work_free, 60000);
	job_end(&one);
	worker_class_free(&c);
	loop_release();
	ok(true, "a class that never had one is given up");
	task_unlink(&task);
	return done_testing();
}
