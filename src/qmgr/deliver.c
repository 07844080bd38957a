/* deliver.c - one delivery: some recipients of a message handed to an agent, until the agent is done with all.
 * The agent runs under the delivery's own task and reports recipients as it learns their fate (outcome.c). When it is
 * done, what it said about the destination moves the concurrency window, and the transport looks for its next. */
#include "qmgr_int.h"
#include <postrider/address.h>
#include <stdlib.h>

enum { AGENTS_MAX = 32, REUSE_RATE = 10 };

static const struct agent_class *agents[AGENTS_MAX];
static unsigned nagents;

void qmgr_agent_register(const struct agent_class *c)
{
	ASSERT(nagents < AGENTS_MAX);
	agents[nagents++] = c;
}

const struct agent_class *agent_find(const char *command)
{
	for (unsigned i = 0; i < nagents; i++)
		if (strcmp(agents[i]->command, command) == 0)
			return agents[i];
	return NULL;
}

/* Gives back all that the delivery holds; its recipients without an outcome are the caller's business. */
static void deliver_free(struct deliver *dv)
{
	struct site *s = dv->site;
	struct transport *t = s->transport;

	filter_end(dv);
	task_unlink(&dv->task);
	LIST_REMOVE(dv, link);
	dv->active->busy--;
	dv->batch->busy--;
	s->busy--;
	t->busy--;
	t->retry_busy -= dv->retry;
	qmgr.ndeliveries--;
	service_unref(&dv->d.service);
	message_unref(&dv->d.msg);
	free(dv->d.site_reason);
	free(dv->sender);
	free(dv);
	site_opened(s);
	site_release(s);
	qmgr_maybe_idle();
}

static const struct agent_class *agent_of(const struct deliver *dv)
{
	return agent_find(dv->d.service->entry->command);
}

static void deliver_done(struct deliver *dv)
{
	static const struct status lost = { .dsn = "4.3.0", .relay = "none", .text = "unknown mail transport error" };
	struct transport *t = dv->site->transport;
	struct active *a = dv->active;

	for (unsigned i = 0; i < dv->d.nrcpt && dv->open > 0; i++)
		if (dv->rcpt[i].out == OUT_NONE)
			outcome_report(&dv->d, i, OUT_DEFERRED, &lost);
	agent_of(dv)->end(&dv->d);
	site_feedback(dv->site, &dv->d);
	deliver_free(dv);
	task_wake(&a->task);
	transport_schedule(t);
}

/* Is a connection to this site worth keeping for the next delivery? When one waits for it, or when so many come one
 * after the other that the next is not far. (Occasional mail closes its connections, as with Postfix.) */
static bool prefer_reuse(const struct site *s, bool more_waits)
{
	return more_waits || s->rate_now + s->rate_before >= REUSE_RATE;
}

static void count_rate(struct site *s)
{
	int64_t second = now_ms() / 1000;

	if (second != s->rate_s) {
		s->rate_before = second == s->rate_s + 1 ? s->rate_now : 0;
		s->rate_now = 0;
		s->rate_s = second;
	}
	s->rate_now++;
}

static void deliver_run(struct task *task)
{
	struct deliver *dv = CONTAINER_OF(task, struct deliver, task);

	dv->d.prefer_reuse |= prefer_reuse(dv->site, dv->site->npeers > 0);
	if (!dv->agent_done)
		dv->agent_done = agent_of(dv)->poll(&dv->d) == AGENT_DONE;
	if (filter_run(dv) && dv->agent_done)
		deliver_done(dv);
}

/* VERP: whoever returns it tells which recipient it was. */
static char *verp_sender(const struct message *m, const struct rcpt *r)
{
	struct buf b = { 0 };

	address_verp(&b, m->verp, m->sender, r->orig != NULL && *r->orig != '\0' ? r->orig : r->addr);
	return buf_steal(&b);
}

void deliver_begin(struct peer *p, unsigned nrcpt)
{
	struct batch *b = p->job->batch;
	struct active *a = b->active;
	struct site *s = p->site;
	struct transport *t = s->transport;
	struct deliver *dv = xcalloc(1, sizeof(*dv) + nrcpt * sizeof(dv->rcpt[0]));

	for (unsigned i = 0; i < nrcpt; i++)
		dv->rcpt[i] = (struct delivery_rcpt){ .rcpt = p->next[i].r, .addr = p->next[i].addr };
	p->next += nrcpt;
	dv->active = a;
	dv->batch = b;
	dv->site = s;
	dv->retry = !a->fresh;
	dv->open = nrcpt;
	dv->d = (struct delivery){
	    .msg = message_ref(b->msg),
	    .service = service_ref(t->service),
	    .transport = t->name,
	    .nexthop = s->nexthop,
	    .sender = b->msg->sender,
	    .rcpt = dv->rcpt,
	    .nrcpt = nrcpt,
	    .task = &dv->task,
	    .log = {.name = t->service->log_name, .number = log_number()},
	    .started_us = now_ms() * 1000,
	    .queued_us = a->active_ms * 1000,
	};
	if (is_verp(b->msg))
		dv->d.sender = dv->sender = verp_sender(b->msg, dv->rcpt[0].rcpt);
	task_init(&dv->task, "delivery", deliver_run);
	LIST_INSERT_HEAD(&a->deliveries, dv, link);
	a->busy++;
	b->busy++;
	s->busy++;
	t->busy++;
	t->retry_busy += dv->retry;
	qmgr.ndeliveries++;
	qmgr.stats.deliveries++;
	count_rate(s);
	dv->d.prefer_reuse = prefer_reuse(s, s->npeers > 1 || p->next < p->end);	/* p itself is one */
	t->agent->start(&dv->d);
	/* Not polled from here: it might be over, and those we were called by still look at peer and site. */
	task_wake(&dv->task);
}

void deliver_cancel(struct deliver *dv)
{
	struct batch *b = dv->batch;

	agent_of(dv)->end(&dv->d);
	b->left -= dv->open;
	b->active->left -= dv->open;
	qmgr.nrcpt -= dv->open;
	deliver_free(dv);
}
