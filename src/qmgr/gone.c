/* gone.c - messages that are done with while their removal is still on the way to the disk.
 * Settlements are lazy, and the due index is read from what is committed: for a moment it still shows a message that
 * was delivered and deleted. Such ids are remembered until a commit that began later is done, so that nothing is
 * delivered twice. One such commit a second at most, and none while nothing leaves. */
#include "qmgr_int.h"
#include <stdlib.h>

enum { EVERY_MS = 1000 };

struct gone_id { struct idnode node; };

static struct gone {
	struct task	 task;
	struct timer	 timer;
	struct idmap	 newer, older;		/* older: waiting for the commit under way */
	struct store_op	 commit;
	bool		 committing, initialised;
	bool		 hurry;			/* somebody met one of these ids and would like to know */
} gone;

static void forget(struct idmap *m)
{
	for (size_t i = 0; i < m->cap; i++) {
		struct idnode *next;

		for (struct idnode *n = m->bucket[i]; n != NULL; n = next) {
			next = n->next;
			free(CONTAINER_OF(n, struct gone_id, node));
		}
	}
	idmap_release(m);
}

static void gone_run(struct task *t)
{
	struct store_txn *txn;

	if (gone.committing) {
		enum store_result r = store_commit_poll(&gone.commit);

		if (r == STORE_WAIT)
			return;
		store_commit_end(&gone.commit);
		gone.committing = false;
		if (r == STORE_OK || r == STORE_NONE)
			forget(&gone.older);
		due_recheck();
	}
	if (gone.newer.n + gone.older.n == 0)
		return;
	if (timer_expired(&gone.timer) || gone.hurry) {
		gone.hurry = false;
		if (gone.older.n == 0) {
			struct idmap empty = gone.older;

			gone.older = gone.newer;
			gone.newer = empty;
		}
		txn = store_txn_new();
		store_commit_start(&gone.commit, t, &txn);
		gone.committing = true;
		timer_end(&gone.timer);
	} else if (!timer_running(&gone.timer)) {
		timer_start(&gone.timer, t, EVERY_MS);
	}
}

void gone_add(queue_id_t id)
{
	struct gone_id *g = xmalloc(sizeof(*g));

	if (!gone.initialised)
		task_init(&gone.task, "gone", gone_run);
	gone.initialised = true;
	idmap_add(&gone.newer, &g->node, id);
	if (!gone.committing && !timer_running(&gone.timer))
		timer_start(&gone.timer, &gone.task, EVERY_MS);
}

bool gone_find(queue_id_t id)
{
	return idmap_first(&gone.newer, id) != NULL || idmap_first(&gone.older, id) != NULL;
}

void gone_hurry(void)
{
	gone.hurry = true;
	task_wake(&gone.task);
}

void gone_stop(void)
{
	if (!gone.initialised)
		return;
	if (gone.committing)
		store_commit_end(&gone.commit);
	forget(&gone.newer);
	forget(&gone.older);
	timer_end(&gone.timer);
	task_unlink(&gone.task);
	gone = (struct gone){ 0 };
}
