/* agent_help.h - a delivery agent that follows a script: what happens to a recipient is the start of its local part.
 *	ok fail defer	at once		dead	the site cannot be reached	wait	nothing until agents_release()
 * Every delivery is written down: "transport nexthop: addr addr". */
#ifndef AGENT_HELP_H
#define AGENT_HELP_H
#include <postrider/qmgr.h>
#include <stdlib.h>

static struct strs agent_seen;
static struct delivery *agent_waiting[5000];
static unsigned agent_nwaiting, agent_busy, agent_peak, agent_cancelled;
static bool agent_open;			/* do not wait any more */

static void agent_start(struct delivery *d)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s %s:", d->transport, d->nexthop);
	for (unsigned i = 0; i < d->nrcpt; i++)
		buf_addf(&b, " %s", d->rcpt[i].addr);
	strs_add(&agent_seen, buf_str(&b));
	buf_release(&b);
	if (++agent_busy > agent_peak)
		agent_peak = agent_busy;
}

static bool starts(const struct delivery *d, unsigned i, const char *what)
{
	return strncmp(d->rcpt[i].addr, what, strlen(what)) == 0;
}

static enum agent_result agent_poll(struct delivery *d)
{
	static const struct status sent = {.dsn = "2.0.0",
					   .relay = "mx.test[192.0.2.1]:25",
					   .text = "250 2.0.0 stored",
					   .remote_mta = "mx.test",
					   .diagnostic = "smtp; 250 2.0.0 stored"};
	static const struct status bounced = {.dsn = "5.1.1",
					      .relay = "mx.test[192.0.2.1]:25",
					      .text = "550 5.1.1 refused",
					      .remote_mta = "mx.test",
					      .diagnostic = "smtp; 550 5.1.1 refused"};
	static const struct status deferred = {
	    .dsn = "4.1.1", .relay = "mx.test[192.0.2.1]:25", .text = "450 4.1.1 later"};
	static const struct status dead = {
	    .dsn = "4.4.1", .relay = "none", .text = "connect to mx.test: Connection refused"};

	if (!agent_open && starts(d, 0, "wait")) {
		for (unsigned i = 0; i < agent_nwaiting; i++)
			if (agent_waiting[i] == d)
				return AGENT_WAIT;
		agent_waiting[agent_nwaiting++] = d;
		return AGENT_WAIT;
	}
	if (starts(d, 0, "dead")) {
		delivery_site_failed(d, &dead, false);
		return AGENT_DONE;
	}
	for (unsigned i = 0; i < d->nrcpt; i++) {
		if (starts(d, i, "fail"))
			delivery_bounced(d, i, &bounced);
		else if (starts(d, i, "defer"))
			delivery_deferred(d, i, &deferred);
		else
			delivery_sent(d, i, &sent);
	}
	return AGENT_DONE;
}

static void agent_end(struct delivery *d)
{
	agent_busy--;
	for (unsigned i = 0; i < agent_nwaiting; i++)
		if (agent_waiting[i] == d) {
			agent_waiting[i] = agent_waiting[--agent_nwaiting];
			agent_cancelled += !agent_open;
		}
}

__attribute__((unused))
static void agents_release(void)
{
	agent_open = true;
	for (unsigned i = 0; i < agent_nwaiting; i++)
		task_wake(agent_waiting[i]->task);
}

static const struct agent_class agent_smtp = { "smtp", agent_start, agent_poll, agent_end };
static const struct agent_class agent_error = { "error", agent_start, agent_poll, agent_end };
static const struct service_class class_smtp = { .command = "smtp" };
static const struct service_class class_error = { .command = "error" };

__attribute__((unused))
static void agents_register(void)
{
	qmgr_agent_register(&agent_smtp);
	qmgr_agent_register(&agent_error);
	service_class_register(&class_smtp);
	service_class_register(&class_error);
}

__attribute__((unused))
static void agents_forget(void)
{
	strs_release(&agent_seen);
	agent_seen = (struct strs){ 0 };
	agent_peak = agent_cancelled = 0;
	agent_open = false;
}
#endif
