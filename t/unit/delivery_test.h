/* delivery_test.h - for tests of delivery agents: a service from a real configuration in a private directory,
 * deliveries made by hand with a message in memory, their outcomes recorded in place of the queue manager. */
#ifndef DELIVERY_TEST_H
#define DELIVERY_TEST_H
#include "tap.h"
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/dns.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/qmgr.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/store.h>
#include <postrider/table.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the queue manager's part, recorded ----------------------------------------------------------------- */
static struct buf events;	/* "sent 2.0.0 relay (text)\n" ... by recipient number */
static const struct agent_class *agent_classes[16];
static unsigned nagent_classes;

void qmgr_agent_register(const struct agent_class *c)
{
	agent_classes[nagent_classes++] = c;
}

static void record(struct delivery *d, unsigned i, enum outcome out, const char *word, const struct status *st)
{
	ASSERT(i < d->nrcpt && d->rcpt[i].out == OUT_NONE);
	d->rcpt[i].out = out;
	buf_addf(&events, "%s %s %s %s (%s)\n", d->rcpt[i].addr, word, st->dsn, st->relay, st->text);
}

void delivery_sent(struct delivery *d, unsigned i, const struct status *st)
{
	record(d, i, OUT_SENT, "sent", st);
}

void delivery_deferred(struct delivery *d, unsigned i, const struct status *st)
{
	record(d, i, OUT_DEFERRED, "deferred", st);
}

void delivery_bounced(struct delivery *d, unsigned i, const struct status *st)
{
	record(d, i, OUT_BOUNCED, "bounced", st);
}

void delivery_site_failed(struct delivery *d, const struct status *st, bool hard)
{
	for (unsigned i = 0; i < d->nrcpt; i++)
		if (d->rcpt[i].out == OUT_NONE)
			(hard ? delivery_bounced : delivery_deferred)(d, i, st);
	d->site_failed = true;
}

/* ---- a service --------------------------------------------------------------------------------------------------- */
static char test_dir[64];
static struct generation *test_generation;

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", test_dir, name);
	f = fopen(path, "w");
	ASSERT(f != NULL);
	fputs(text, f);
	fclose(f);
}

static struct service *service_with(const char *main_cf, const char *master_cf, const char *transport)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct problem *pr;
	struct buf text = { 0 };
	bool any;

	if (test_dir[0] == '\0') {
		str_copy(test_dir, "/tmp/smtp-unit.XXXXXX", sizeof(test_dir));
		ASSERT(mkdtemp(test_dir) != NULL);
	}
	buf_addf(&text,
	    "compatibility_level = 3.6\nmyhostname = mx.example.com\nqueue_directory = %s\ndata_directory = %s\n%s",
	    test_dir, test_dir, main_cf);
	write_file("main.cf", buf_str(&text));
	buf_release(&text);
	write_file("master.cf", master_cf);
	if (test_generation != NULL)
		generation_unref(&test_generation);
	test_generation = generation_load(test_dir, NULL, &problems);
	if (problems_worst(&problems, &any) == PROBLEM_FATAL)
		TAILQ_FOREACH(pr, &problems, link)
			diag("%s", pr->text);
	problems_release(&problems);
	ASSERT(test_generation != NULL);
	return service_transport(test_generation, transport);
}

/* ---- deliveries ---------------------------------------------------------------------------- */
struct test_delivery {
	struct delivery	 d;
	struct task	 task;
	const struct agent_class *agent;
	bool		 started, done;
};

static void test_run(struct task *task)
{
	struct test_delivery *t = CONTAINER_OF(task, struct test_delivery, task);

	if (!t->started) {
		t->started = true;
		t->agent->start(&t->d);
	}
	if (!t->done && t->agent->poll(&t->d) == AGENT_DONE) {
		t->done = true;
		t->agent->end(&t->d);
		for (unsigned i = 0; i < t->d.nrcpt; i++)
			ok(t->d.rcpt[i].out != OUT_NONE, "%s has an outcome", t->d.rcpt[i].addr);
		loop_stop();
	}
}

UNUSED static struct message *message_make(const char *sender, const char *header, const char *body, ...)
{
	struct message *m = message_new(store_new_id(), false);
	va_list ap;
	const char *rcpt;

	m->sender = arena_strdup(&m->arena, sender);
	m->content = content_new();
	m->content->header = xstrdup(header);
	m->content->header_len = strlen(header);
	content_append(m->content, body, strlen(body));
	m->size = (int64_t)(strlen(header) + strlen(body));
	m->arrival_us = wall_us();
	va_start(ap, body);
	while ((rcpt = va_arg(ap, const char *)) != NULL) {
		struct rcpt *r = message_add_rcpt(m);

		r->addr = arena_strdup(&m->arena, rcpt);
		r->orig = r->addr;
	}
	va_end(ap);
	return m;
}

UNUSED static struct test_delivery *delivery_make(struct service *s, const char *nexthop, struct message *m)
{
	struct test_delivery *t = xcalloc(1, sizeof(*t));
	unsigned i;

	task_init(&t->task, "test-delivery", test_run);
	t->d.msg = m;
	t->d.sender = m->sender;
	t->d.service = service_ref(s);
	t->d.transport = s->entry->name;
	t->d.nexthop = nexthop;
	t->d.task = &t->task;
	t->d.log = (struct log_ctx){ s->log_name, 1 };
	t->d.nrcpt = m->nrcpt;
	t->d.rcpt = xcalloc(MAX(m->nrcpt, 1), sizeof(*t->d.rcpt));
	for (i = 0; i < m->nrcpt; i++)
		t->d.rcpt[i] = (struct delivery_rcpt){ .rcpt = &m->rcpt[i], .addr = m->rcpt[i].addr };
	for (i = 0; i < nagent_classes; i++)
		if (strcmp(agent_classes[i]->command, s->entry->command) == 0)
			t->agent = agent_classes[i];
	ASSERT(t->agent != NULL);
	task_wake(&t->task);
	return t;
}

static void delivery_drop(struct test_delivery *t)
{
	if (t->started && !t->done)
		t->agent->end(&t->d);
	task_unlink(&t->task);
	service_unref(&t->d.service);
	message_unref(&t->d.msg);
	free(t->d.site_reason);
	free(t->d.rcpt);
	free(t);
}

/* Runs one delivery to its end; events has the outcomes. */
UNUSED static void deliver(struct service *s, const char *nexthop, struct message *m, bool prefer_reuse)
{
	struct test_delivery *t = delivery_make(s, nexthop, m);

	t->d.prefer_reuse = prefer_reuse;
	buf_reset(&events);
	loop_run();
	ok(t->done, "the delivery ended");
	delivery_drop(t);
}

/* Lets the loop run for a while. */
static void pump_run(struct task *task UNUSED)
{
	loop_stop();
}

UNUSED static void pump(int ms)
{
	struct timer timer = { 0 };
	struct task task;

	task_init(&task, "pump", pump_run);
	timer_start(&timer, &task, ms);
	while (!timer_expired(&timer))
		loop_run();
	timer_end(&timer);
	task_unlink(&task);
}

static void test_begin(void)
{
	struct dns_config dns = { .servers = "127.0.0.1:1" };

	loop_init();
	table_init();
	dns_init(&dns);
	rewrite_init();
}

static void test_end(void)
{
	char cmd[128];

	if (test_generation != NULL)
		generation_unref(&test_generation);
	buf_release(&events);
	dns_release();
	table_release();
	loop_release();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", test_dir);
	if (test_dir[0] != '\0' && system(cmd) != 0)
		diag("cannot remove %s", test_dir);
}

#endif
