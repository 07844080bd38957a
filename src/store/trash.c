/* trash.c - messages that reader threads made are taken apart by reader threads, too.
 *
 * The C library gives each thread an arena of memory with a lock. Freeing on the loop what a reader allocated takes the
 * reader's lock, and a busy reader makes the loop sleep for it: rarely and briefly, but the loop does not sleep. So the loop only
 * puts such messages on a lock-free stack; the next read clears it, or a job of its own when much is lying about. (What the
 * loop added to a message it frees itself, for the same reason: the lock is that of whoever allocated.) */
#include "store_int.h"

enum { TRASH_MESSAGES = 64, TRASH_BYTES = 1 << 20 };

static _Atomic(struct message *) trash;
static unsigned count;			/* added since the last job; the loop's */
static size_t bytes;
static struct job_op job;

void trash_clear(void)
{
	struct message *m, *next;

	for (m = atomic_exchange(&trash, NULL); m != NULL; m = next) {
		next = m->next;
		message_destroy(m);
	}
}

static void run(void *data)
{
	(void)data;
	trash_clear();
}

void trash_add(struct message *m)
{
	struct message *head = atomic_load(&trash);

	count++;
	bytes += m->arena.used;
	do
		m->next = head;
	while (!atomic_compare_exchange_weak(&trash, &head, m));
	if ((count < TRASH_MESSAGES && bytes < TRASH_BYTES) || store.readers == NULL)
		return;
	if (job.active && job_poll(&job) == JOB_WAIT)
		return;
	job_end(&job);
	job_start(&job, NULL, store.readers, run, NULL, NULL, 60 * 1000);
	count = 0;
	bytes = 0;
}

void trash_end(void)
{
	job_end(&job);
}
