/* qmgr.c - the scheduler's life: start, the task that does what no message and no delivery owns, the end.
 *
 * A new message in one breath: the store says that it has committed; it becomes active (active.c), its
 * recipients are resolved and become peers of sites (resolve.c), the transport has a place free and the site's window
 * is open (sched.c), the agent delivers (deliver.c) and says so (outcome.c), the attempt is over and the message
 * deleted (finish.c). What could not be delivered comes back through the due index (due.c). */
#include "qmgr_int.h"
#include <stdlib.h>

struct qmgr qmgr;

void qmgr_wake_at(int64_t mono_ms)
{
	if (mono_ms == INT64_MAX || (timer_running(&qmgr.timer) && qmgr.timer.at_ms <= mono_ms))
		return;
	timer_start(&qmgr.timer, &qmgr.task, MAX(0, mono_ms - now_ms()));
}

static void settle_dirty(void)
{
	struct active *a;

	while ((a = TAILQ_FIRST(&qmgr.dirty)) != NULL)
		active_settle(a);
}

static void drop_all(void)
{
	struct active *a;

	while ((a = LIST_FIRST(&qmgr.all)) != NULL)
		active_free(a);
}

static void qmgr_run(struct task *t)
{
	(void)t;
	if (qmgr.draining) {
		if (timer_expired(&qmgr.drain_timer)) {
			timer_end(&qmgr.drain_timer);
			drop_all();
		}
	} else if (qmgr.started) {
		qmgr_wake_at(sites_expire(now_ms()));
		if (suspended_run())
			task_wake(&qmgr.task);
	}
	settle_dirty();
}

void qmgr_init(void)
{
	LIST_INIT(&qmgr.all);
	LIST_INIT(&qmgr.transports);
	TAILQ_INIT(&qmgr.dirty);
	TAILQ_INIT(&qmgr.suspended);
	TAILQ_INIT(&qmgr.dead);
	TAILQ_INIT(&qmgr.idle);
	task_init(&qmgr.task, "qmgr", qmgr_run);
	qmgr.log.name = "postfix/qmgr";
	conf_hook();
	store_on_arrival(active_arrival);
}

void qmgr_start(void)
{
	qmgr.log.number = log_number();
	qmgr.started = true;
	due_start();
}

bool qmgr_idle(void)
{
	return qmgr.ndeliveries == 0 && qmgr.nfinishing == 0;
}

void qmgr_maybe_idle(void)
{
	if (qmgr.draining && qmgr_idle())
		task_wake(qmgr.when_idle);
}

void qmgr_drain(int64_t limit_ms, struct task *when_idle)
{
	struct active *a, *next;

	qmgr.draining = true;
	qmgr.when_idle = when_idle;
	for (a = LIST_FIRST(&qmgr.all); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (a->step != FINISH_NOT)
			continue;
		if (a->busy == 0 && (a->left > 0 || a->more || a->loading || a->msg == NULL))
			active_free(a);
		else
			active_withdraw(a);
	}
	settle_dirty();
	timer_start(&qmgr.drain_timer, &qmgr.task, limit_ms);
	qmgr_maybe_idle();
}

void qmgr_release(void)
{
	struct transport *t;

	qmgr.draining = true;
	drop_all();
	due_stop();
	flush_stop();
	gone_stop();
	sites_release();
	while ((t = LIST_FIRST(&qmgr.transports)) != NULL) {
		LIST_REMOVE(t, link);
		free(t->name);
		free(t);
	}
	if (qmgr.pseudo != NULL) {
		free(qmgr.pseudo->name);
		free(qmgr.pseudo);
	}
	idmap_release(&qmgr.active);
	timer_end(&qmgr.timer);
	timer_end(&qmgr.drain_timer);
	task_unlink(&qmgr.task);
	store_on_arrival(NULL);
	qmgr.last_transport = qmgr.pseudo = NULL;
	qmgr.started = qmgr.draining = false;
}

bool qmgr_is_active(queue_id_t id)
{
	return active_find(id) != NULL;
}

bool qmgr_is_removed(queue_id_t id)
{
	return gone_find(id) && active_find(id) == NULL;
}

void qmgr_stats(struct qmgr_stats *s)
{
	*s = qmgr.stats;
	s->active_messages = qmgr.nactive;
	s->active_recipients = qmgr.nrcpt;
	s->running = qmgr.ndeliveries;
}
