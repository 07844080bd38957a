/* smtp_peer.h - for tests of delivery agents: a service from a real configuration in a private directory, deliveries made by
 * hand with a message in memory, their outcomes recorded; and a scripted server in a thread of its own.
 *
 * A script is lines: "< TEXT" the server says TEXT; "> PREFIX" a line beginning so must come; ">." content up to the
 * dot, kept in the transcript; "close" hangs up; "mute" waits for the client to go; "sleep MS". */
#ifndef SMTP_PEER_H
#define SMTP_PEER_H
#include "tap.h"
#include <arpa/inet.h>
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
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* ---- the scripted server ------------------------------------------------------------------------------------ */
struct peer {
	int		 fd, port;
	char		 path[100];	/* UNIX socket; "": TCP */
	pthread_t	 thread;
	const char	*script[8];	/* one per connection */
	atomic_int	 connections;
	pthread_mutex_t	 lock;
	struct buf	 heard;		/* every line that came, under lock */
	struct buf	 wrong;		/* lines that were not as the script said */
};

/* One line with its end, at most size - 1 bytes; -1 at the end of the connection. */
static int peer_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t got = read(fd, line + n, 1);

		if (got <= 0)
			return -1;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return (int)n;
}

static void peer_note(struct peer *p, struct buf *where, const char *text)
{
	pthread_mutex_lock(&p->lock);
	buf_adds(where, text);
	pthread_mutex_unlock(&p->lock);
}

static bool peer_hear(struct peer *p, int fd, const char *want)
{
	char line[8192];
	bool body = strcmp(want, ".") == 0;

	do {
		if (peer_line(fd, line, sizeof(line)) < 0) {
			peer_note(p, &p->heard, "EOF\n");
			return false;
		}
		peer_note(p, &p->heard, line);
	} while (body && strcmp(line, ".\r\n") != 0);
	if (!body && strncmp(line, want, strlen(want)) != 0)
		peer_note(p, &p->wrong, line);
	return true;
}

static void peer_session(struct peer *p, int fd, const char *script)
{
	const char *s = script;

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");
		char step[4096];

		str_copy(step, s, MIN(n + 1, sizeof(step)));
		s += n + (s[n] == '\n');
		if (step[0] == '<') {
			if (dprintf(fd, "%s\r\n", step + 2) < 0)
				return;
		} else if (step[0] == '>') {
			if (!peer_hear(p, fd, step[1] == '.' ? "." : step + 2))
				return;
		} else if (strncmp(step, "sleep ", 6) == 0) {
			usleep((unsigned)atoi(step + 6) * 1000);
		} else if (strcmp(step, "mute") == 0) {
			char c;

			while (read(fd, &c, 1) > 0)
				continue;
		} else if (strcmp(step, "close") == 0) {
			return;
		}
	}
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	for (unsigned i = 0; i < NELEM(p->script) && p->script[i] != NULL; i++) {
		int fd = accept(p->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		p->connections++;
		peer_session(p, fd, p->script[i]);
		close(fd);
	}
	return NULL;
}

static void peer_start(struct peer *p, const char *path)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(in);

	p->fd = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path != NULL) {
		str_copy(un.sun_path, path, sizeof(un.sun_path));
		ASSERT(bind(p->fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	} else {
		ASSERT(bind(p->fd, (struct sockaddr *)&in, sizeof(in)) == 0);
		getsockname(p->fd, (struct sockaddr *)&in, &len);
		p->port = ntohs(in.sin_port);
	}
	ASSERT(listen(p->fd, 16) == 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_create(&p->thread, NULL, peer_main, p);
}

/* Everything said to it, and what it did not expect; ends it. */
static void peer_stop(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	close(p->fd);
	pthread_join(p->thread, NULL);
	is_str(buf_str(&p->wrong), "", "the client followed the script");
	buf_release(&p->wrong);
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
	buf_addf(&text, "compatibility_level = 3.6\nmyhostname = mx.example.com\nqueue_directory = %s\ndata_directory = %s\n%s", test_dir,
	    test_dir, main_cf);
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

/* ---- deliveries ---------------------------------------------------------------------------------------------------- */
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

static struct message *message_make(const char *sender, const char *header, const char *body, ...)
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

static struct test_delivery *delivery_make(struct service *s, const char *nexthop, struct message *m)
{
	struct test_delivery *t = xcalloc(1, sizeof(*t));
	unsigned i;

	task_init(&t->task, "test-delivery", test_run);
	t->d.msg = m;
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
static void deliver(struct service *s, const char *nexthop, struct message *m, bool prefer_reuse)
{
	struct test_delivery *t = delivery_make(s, nexthop, m);

	t->d.prefer_reuse = prefer_reuse;
	buf_reset(&events);
	loop_run();
	ok(t->done, "the delivery ended");
	delivery_drop(t);
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
