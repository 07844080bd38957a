/* What a server may say, from the greeting to the answer to QUIT: the first byte chooses what is sent, the rest is the
 * server's whole part of the conversation. Every recipient must have an outcome in the end, once. */
#include "smtp/client.h"
#include <postrider/clock.h>
#include <postrider/dns.h>
#include <postrider/rewrite.h>
#include <postrider/smtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct agent_class *agent;
static struct service *service;
static struct task delivery_task;
static struct delivery *current;
static bool done;

void qmgr_agent_register(const struct agent_class *c)
{
	if (strcmp(c->command, "smtp") == 0)
		agent = c;
}

static void outcome(struct delivery *d, unsigned i, enum outcome out, const struct status *st)
{
	ASSERT(i < d->nrcpt && d->rcpt[i].out == OUT_NONE && *st->text != '\0' && *st->dsn != '\0');
	d->rcpt[i].out = out;
}

void delivery_sent(struct delivery *d, unsigned i, const struct status *st)
{
	outcome(d, i, OUT_SENT, st);
}

void delivery_deferred(struct delivery *d, unsigned i, const struct status *st)
{
	outcome(d, i, OUT_DEFERRED, st);
}

void delivery_bounced(struct delivery *d, unsigned i, const struct status *st)
{
	outcome(d, i, OUT_BOUNCED, st);
}

void delivery_site_failed(struct delivery *d, const struct status *st, bool hard)
{
	for (unsigned i = 0; i < d->nrcpt; i++)
		if (d->rcpt[i].out == OUT_NONE)
			outcome(d, i, hard ? OUT_BOUNCED : OUT_DEFERRED, st);
}

static void run(struct task *t)
{
	(void)t;
	if (!done && agent->poll(current) == AGENT_DONE)
		done = true;
	if (done)
		loop_stop();
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ASSERT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char dir[] = "/tmp/smtp-fuzz.XXXXXX";
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct dns_config dns = { .servers = "127.0.0.1:1" };
	struct generation *g;
	char cmd[64];

	(void)argc, (void)argv;
	loop_init();
	table_init();
	dns_init(&dns);
	rewrite_init();
	smtp_init();
	ASSERT(mkdtemp(dir) != NULL);
	write_file(dir, "main.cf",
	    "compatibility_level = 3.6\nmyhostname = mx.example.com\ninet_interfaces = 127.0.0.1\n"
	    "smtp_send_xforward_command = yes\nsmtp_connection_cache_on_demand = yes\n"
	    "smtp_pix_workarounds = disable_esmtp\n"	/* the other one takes seconds */
	    "smtp_reply_filter = regexp:{ { /^F(.*)/ 250$1 } }\n");
	write_file(dir, "master.cf", "smtp unix - - n - - smtp\n");
	g = generation_load(dir, NULL, &problems);
	ASSERT(g != NULL);
	service = service_transport(g, "smtp");
	problems_release(&problems);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return log_start(&(struct log_target){ .path = "/dev/null", .mode = 0600 }) != NULL || system(cmd) != 0;
}

static struct message *make(unsigned flags)
{
	static const char header[] =
	    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n";
	struct message *m = message_new(store_new_id(), false);

	m->sender = arena_strdup(&m->arena, "s@x.test");
	m->content = content_new();
	m->content->header = xmemdup(header, sizeof(header));
	m->content->header_len = sizeof(header) - 1;
	content_append(m->content, "h\xc3\xa9llo\r\n.dot\r\n", 14);
	m->size = 200;
	m->flags = flags;
	for (int i = 0; i < 3; i++) {
		struct rcpt *r = message_add_rcpt(m);

		r->addr = r->orig = arena_printf(&m->arena, "u%d@x.test", i);
	}
	return m;
}

/* As if the connection had just been made. */
static void begin(struct delivery *d, int fd)
{
	struct attempt *a;
	struct conn *c;

	agent->start(d);
	a = d->agent;
	a->idest = 1;
	a->last_dest = a->routed = true;
	a->at.port = 25;
	c = conn_new(a->svc, stream_new(fd, d->task, CONN_IN_MAX), "host.test", "192.0.2.1", 25);
	c->sa.ss_family = AF_INET;
	session_begin(a, c, false);
	attempt_enter(a, ST_BANNER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delivery d = { 0 };
	struct delivery_rcpt rcpt[3];
	int pair[2];

	if (size < 1 || size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	current = &d;
	done = false;
	task_init(&delivery_task, "fuzz", run);
	d.msg = make(
	    (data[0] & 1 ? MSG_8BIT : 0) | (data[0] & 2 ? MSG_SMTPUTF8 : 0) | (data[0] & 4 ? MSG_TRACE_VERIFY : 0));
	d.service = service_ref(service);
	d.sender = d.msg->sender;
	d.transport = "smtp";
	d.nexthop = "x.test";
	d.task = &delivery_task;
	d.log = (struct log_ctx){ "postfix/smtp", 1 };
	d.prefer_reuse = (data[0] & 8) != 0;
	d.nrcpt = 3;
	d.rcpt = rcpt;
	for (unsigned i = 0; i < 3; i++)
		rcpt[i] = (struct delivery_rcpt){ .rcpt = &d.msg->rcpt[i], .addr = d.msg->rcpt[i].addr };
	begin(&d, pair[0]);
	if (write(pair[1], data + 1, size - 1) >= 0)
		shutdown(pair[1], SHUT_WR);
	task_wake(&delivery_task);
	loop_run();
	for (unsigned i = 0; i < 3; i++)
		ASSERT(rcpt[i].out != OUT_NONE);
	agent->end(&d);
	task_unlink(&delivery_task);
	smtp_release();
	free(d.site_reason);
	service_unref(&d.service);
	message_unref(&d.msg);
	close(pair[1]);
	return 0;
}
