/* sched.c - which recipients are next.
 * A transport takes turns over its jobs, a job over its peers, and a destination over the peers that wait for a
 * place in its window; so a small message waits for as many turns as there are messages, not recipients, before it.
 * First attempts go before retries three times out of four, and a quarter of the process limit is out of the
 * retries' reach: slow destinations that are tried again cannot keep new mail waiting. A job is in its transport's
 * list while one of its peers is ready; a ready peer that finds the window full moves to the site's waiting list. */
#include "qmgr_int.h"
#include <stdlib.h>

enum { STARTS_PER_RUN = 200, SUSPENDED_PER_RUN = 200, MISSING_EVERY_MS = 60000 };

static struct job_list *job_list(struct job *j)
{
	return j->retry ? &j->transport->retry : &j->transport->fresh;
}

static void job_update(struct job *j)
{
	bool want = !TAILQ_EMPTY(&j->ready);

	if (want == j->queued)
		return;
	if (want)
		TAILQ_INSERT_TAIL(job_list(j), j, link);
	else
		TAILQ_REMOVE(job_list(j), j, link);
	j->queued = want;
}

void peer_place(struct peer *p, enum peer_place place)
{
	switch (p->place) {
	case PEER_NOWHERE:
		break;
	case PEER_READY:
		TAILQ_REMOVE(&p->job->ready, p, link);
		break;
	case PEER_WAITING:
		TAILQ_REMOVE(&p->site->waiting, p, link);
		break;
	case PEER_SUSPENDED:
		TAILQ_REMOVE(&qmgr.suspended, p, link);
		break;
	}
	p->place = place;
	switch (place) {
	case PEER_NOWHERE:
		break;
	case PEER_READY:
		TAILQ_INSERT_TAIL(&p->job->ready, p, link);
		break;
	case PEER_WAITING:
		TAILQ_INSERT_TAIL(&p->site->waiting, p, link);
		break;
	case PEER_SUSPENDED:
		TAILQ_INSERT_TAIL(&qmgr.suspended, p, link);
		break;
	}
	job_update(p->job);
}

void peer_suspend(struct peer *p)
{
	if (p->place == PEER_SUSPENDED)
		return;
	peer_place(p, PEER_SUSPENDED);
	task_wake(&qmgr.task);
}

static struct job *job_get(struct batch *b, struct transport *t)
{
	struct job *j;

	LIST_FOREACH(j, &b->jobs, batch_link)
		if (j->transport == t)
			return j;
	j = xcalloc(1, sizeof(*j));
	j->batch = b;
	j->transport = t;
	j->retry = !b->active->fresh;
	TAILQ_INIT(&j->ready);
	LIST_INSERT_HEAD(&b->jobs, j, batch_link);
	return j;
}

static bool deliverable(const struct transport *t)
{
	return t->agent != NULL && t->service != NULL;
}

void peer_add(struct batch *b, struct target *first, struct target *end)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->site = first->site;
	p->job = job_get(b, p->site->transport);
	p->next = first;
	p->end = end;
	LIST_INSERT_HEAD(&p->job->peers, p, job_link);
	TAILQ_INSERT_TAIL(&p->site->peers, p, site_link);
	p->site->npeers++;
	if (p->site->state == SITE_DEAD)
		peer_suspend(p);
	else
		peer_place(p, TAILQ_EMPTY(&p->site->waiting) ? PEER_READY : PEER_WAITING);
}

void peer_free(struct peer *p)
{
	struct job *j = p->job;
	struct site *s = p->site;

	peer_place(p, PEER_NOWHERE);
	TAILQ_REMOVE(&s->peers, p, site_link);
	s->npeers--;
	LIST_REMOVE(p, job_link);
	free(p);
	if (LIST_EMPTY(&j->peers)) {
		LIST_REMOVE(j, batch_link);
		free(j);
	}
	site_opened(s);		/* it may have been its turn */
	site_release(s);
}

/* The next job by turns; NULL: none may start now. */
static struct job *job_pick(struct transport *t)
{
	struct job *fresh = TAILQ_FIRST(&t->fresh), *retry = TAILQ_FIRST(&t->retry);

	if (t->limit > 3 && t->retry_busy >= t->limit - t->limit / 4)
		retry = NULL;
	if (fresh != NULL && retry != NULL)
		return ++t->turn % 4 == 0 ? retry : fresh;
	return fresh != NULL ? fresh : retry;
}

static void start_one(struct peer *p)
{
	struct transport *t = p->site->transport;
	struct job *j = p->job;
	unsigned n = (unsigned)(p->end - p->next);

	if (t->rcpt_limit != 0 && n > t->rcpt_limit)
		n = t->rcpt_limit;
	if (is_verp(j->batch->msg))
		n = 1;
	if (t->transport_delay_ms > 0) {
		t->open_at_ms = now_ms() + t->transport_delay_ms;
		qmgr_wake_at(t->open_at_ms);
	}
	/* Turns: this job goes behind the others, this peer behind its job's others and those who wait for the site. */
	if (j->queued) {
		TAILQ_REMOVE(job_list(j), j, link);
		TAILQ_INSERT_TAIL(job_list(j), j, link);
	}
	deliver_begin(p, n);
	if (p->next == p->end) {
		peer_free(p);
	} else if (p->place == PEER_READY) {
		peer_place(p, TAILQ_EMPTY(&p->site->waiting) ? PEER_READY : PEER_WAITING);
		site_opened(p->site);
	}
}

void transport_schedule(struct transport *t)
{
	static unsigned depth;		/* a delivery that is over at once comes back here: its caller's loop goes on */
	int budget = STARTS_PER_RUN;
	struct job *j;

	if (qmgr.draining)
		return;
	if (depth > 0) {
		task_wake(&qmgr.task);
		return;
	}
	depth++;
	transport_refresh(t);
	while ((t->limit == 0 || t->busy < t->limit) && t->open_at_ms <= now_ms() && (j = job_pick(t)) != NULL) {
		struct peer *p = TAILQ_FIRST(&j->ready);
		struct site *s = p->site;

		if (budget-- == 0) {
			task_wake(&qmgr.task);
			break;
		}
		if (s->state == SITE_DEAD || !deliverable(t))
			peer_suspend(p);
		else if (s->state == SITE_PAUSED || s->busy >= s->window.size)
			peer_place(p, PEER_WAITING);
		else
			start_one(p);
	}
	depth--;
}

static void transport_missing(struct transport *t)
{
	if (now_ms() < t->warned_ms + MISSING_EVERY_MS && t->warned_ms != 0)
		return;
	log_warn(&qmgr.log, "connect to transport private/%s: No such file or directory", t->name);
	t->warned_ms = now_ms();
}

/* Recipients of dead sites (or of a transport that is not there) are deferred with the site's reason. */
static bool peer_defer(struct peer *p, int *budget, unsigned number)
{
	struct site *s = p->site;
	struct batch *b = p->job->batch;
	bool gone = !s->pseudo && !deliverable(s->transport);

	if (s->state != SITE_DEAD && !gone) {
		peer_place(p, PEER_READY);
		return true;
	}
	if (gone)
		transport_missing(s->transport);
	while (p->next < p->end && (*budget)-- > 0) {
		struct target *t = p->next++;

		if (gone)
			outcome_deferred(b->active, b, t, "4.3.0", "mail transport unavailable", number);
		else
			outcome_deferred(b->active, b, t, s->dsn, s->reason, number);
	}
	if (p->next < p->end)
		return false;
	task_wake(&b->active->task);
	peer_free(p);
	return true;
}

bool suspended_run(void)
{
	int budget = SUSPENDED_PER_RUN;
	struct peer *p;

	while ((p = TAILQ_FIRST(&qmgr.suspended)) != NULL && budget > 0) {
		struct transport *t = p->site->transport;
		bool done = peer_defer(p, &budget, log_number());

		transport_schedule(t);
		if (!done)
			break;
	}
	return !TAILQ_EMPTY(&qmgr.suspended);
}
