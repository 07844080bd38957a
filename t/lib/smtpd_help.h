/* smtpd_help.h - for tests of src/smtpd: a client in the same loop on a socket pair, and a cleanup that only
 * writes down what it is given. Scripts are sent in pieces of any size; what the server says is gathered. */
#ifndef SMTPD_HELP_H
#define SMTPD_HELP_H
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <postrider/cleanup.h>
#include <postrider/clock.h>
#include <postrider/dns.h>
#include <postrider/loop.h>
#include <postrider/qmgr.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/smtpd.h>
#include <postrider/stream.h>
#include <postrider/table.h>

/* ---- what smtpd needs of the modules below, in place of them ------------------------------------- */
struct cleanup {
	struct task	*task;
	struct message	*msg;
	bool		 finished;
	unsigned	 looks;
};
static struct mailbox {
	struct buf	 text;		/* all that was pushed */
	unsigned	 opened, queued, freed;
	bool		 slow;		/* every other poll says WAIT */
	bool		 mute;		/* lines are only counted */
	int64_t		 bytes;
	struct cleanup_error error;	/* code 0: messages are taken */
} box;

struct cleanup *cleanup_open(struct task *t, const struct service *s UNUSED, const struct generation *g UNUSED, unsigned flags)
{
	struct cleanup *c = xcalloc(1, sizeof(*c));

	c->task = t;
	c->msg = message_new(++box.opened + 0x1000, false);
	buf_addf(&box.text, "open%s\n", flags & CLEANUP_LOCAL_CONTEXT ? " local" : "");
	return c;
}

struct message *cleanup_message(struct cleanup *c)
{
	return c->msg;
}

void cleanup_add_flags(struct cleanup *c UNUSED, unsigned flags)
{
	if (flags != 0)
		buf_addf(&box.text, "flags%s%s\n", flags & CLEANUP_HOLD ? " hold" : "", flags & CLEANUP_DISCARD ? " discard" : "");
}

void cleanup_sender(struct cleanup *c UNUSED, const char *addr)
{
	buf_addf(&box.text, "from <%s>\n", addr);
}

void cleanup_rcpt(struct cleanup *c UNUSED, const char *addr, const char *orcpt, unsigned notify)
{
	buf_addf(&box.text, "to <%s> %s %u\n", addr, orcpt != NULL ? orcpt : "-", notify);
}

void cleanup_prepend(struct cleanup *c UNUSED, const char *header)
{
	buf_addf(&box.text, "+%.*s\n", (int)strcspn(header, " "), header);
}

void cleanup_line(struct cleanup *c, const char *line, size_t len, bool partial)
{
	ASSERT(!c->finished && memchr(line, '\n', len) == NULL);
	box.bytes += (int64_t)len;
	if (box.mute)
		return;
	buf_add(&box.text, line, len);
	buf_adds(&box.text, partial ? "\\\n" : "|\n");
}

void cleanup_finish(struct cleanup *c)
{
	c->finished = true;
}

enum cleanup_result cleanup_poll(struct cleanup *c)
{
	if (box.slow && c->looks++ % 2 == 0) {
		task_wake(c->task);
		return CLEANUP_WAIT;
	}
	if (!c->finished)
		return CLEANUP_READY;
	if (box.error.code != 0)
		return CLEANUP_REFUSED;
	box.queued++;
	buf_adds(&box.text, "queued\n");
	return CLEANUP_QUEUED;
}

const struct cleanup_error *cleanup_error(const struct cleanup *c UNUSED)
{
	return &box.error;
}

bool cleanup_failed(const struct cleanup *c UNUSED)
{
	return false;
}

void cleanup_free(struct cleanup **cp)
{
	message_unref(&(*cp)->msg);
	free(*cp);
	*cp = NULL;
	box.freed++;
}

void cleanup_date(char *out, size_t size, int64_t at UNUSED)
{
	snprintf(out, size, "today");
}

void qmgr_flush_site(const char *site)
{
	buf_addf(&box.text, "flush %s\n", site);
}

/* ---- the client ------------------------------------------------------------------------------------ */
struct client {
	struct task	 task;
	struct stream	*stream;
	const char	*in;
	size_t		 n, sent, piece;	/* piece 0: all at once */
	size_t		 stop_at;	/* goes away after so many bytes */
	bool		 half;		/* says when it has no more to say */
	struct buf	 heard;
	struct timer	 timer;
	bool		 over;
};
static unsigned clients_left;

static inline void client_close(struct client *c)
{
	stream_free(&c->stream);
	c->over = true;
	if (--clients_left == 0)
		loop_stop();
}

/* False: nothing more for now. */
static inline bool client_hear(struct client *c)
{
	struct slice s;
	enum stream_result r;

	while ((r = stream_peek(c->stream, &s)) == STREAM_OK) {
		buf_add(&c->heard, s.p, s.len);
		stream_consume(c->stream, s.len);
	}
	if (r == STREAM_WAIT)
		return false;
	client_close(c);
	return true;
}

static inline void client_run(struct task *t)
{
	struct client *c = CONTAINER_OF(t, struct client, task);
	size_t n = c->piece == 0 ? c->n : c->piece;

	if (c->over)
		return;
	if (client_hear(c))
		return;
	if (c->sent < MIN(c->n, c->stop_at) && stream_writable(c->stream)) {
		n = MIN(n, MIN(c->n, c->stop_at) - c->sent);
		stream_write(c->stream, c->in + c->sent, n);
		stream_flush(c->stream);
		c->sent += n;
		timer_start(&c->timer, t, 0);
	} else if (c->sent == c->stop_at) {
		client_close(c);
	} else if (c->sent == c->n && c->half && stream_queued(c->stream) == 0) {
		shutdown(stream_fd(c->stream), SHUT_WR);
		c->half = false;
	}
}

static inline void client_start(struct client *c, const struct generation *g, const char *from, const char *in, size_t n, size_t piece)
{
	struct service *s = service_find(g, "smtpd");
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(4711) };
	size_t stop_at = c->stop_at;
	bool half = c->half;
	int fd[2];

	memset(c, 0, sizeof(*c));
	inet_pton(AF_INET, from, &sin.sin_addr);
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	task_init(&c->task, "client", client_run);
	c->in = in;
	c->n = n;
	c->piece = piece;
	c->half = half;
	c->stop_at = stop_at == 0 ? SIZE_MAX : stop_at;
	clients_left++;
	c->stream = stream_new(fd[1], &c->task, 65536);
	s->class_->accept(s, fd[0], (struct sockaddr *)&sin, sizeof(sin));
	task_wake(&c->task);
}

static inline void client_end(struct client *c)
{
	if (!c->over)
		client_close(c);
	timer_end(&c->timer);
	task_unlink(&c->task);
	buf_release(&c->heard);
}

/* ---- configuration ------------------------------------------------------------------------------------ */
static char client_dir[] = "/tmp/smtpd-XXXXXX";

static inline void client_write(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", client_dir, name);
	f = fopen(path, "w");
	ASSERT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void client_load(struct generation **g, const char *extra)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct problem *p;
	struct buf text = { 0 };

	buf_addf(&text, "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydestination = example.com\nlocal_recipient_maps =\n"
	    "mynetworks = 127.0.0.0/8\nrelay_domains =\ninet_interfaces = 127.0.0.1\nqueue_directory = %s\ndata_directory = %s\n"
	    "smtpd_peername_lookup = no\nalias_maps =\nsmtpd_error_sleep_time = 0\n"
	    "smtpd_forbid_unauth_pipelining = no\n%s", client_dir, client_dir, extra);
	client_write("main.cf", text.p);
	client_write("master.cf", "2525 inet n - n - - smtpd\n");
	buf_release(&text);
	if (*g != NULL)
		generation_unref(g);
	*g = generation_load(client_dir, NULL, &problems);
	TAILQ_FOREACH(p, &problems, link)
		if (strstr(p->text, "overriding") == NULL)
			fprintf(stderr, "# %s\n", p->text);
	problems_release(&problems);
	ASSERT(*g != NULL);
}

static inline void client_setup(void)
{
	struct store_config sc = { .map_bytes = INT64_C(64) << 20, .memory_limit = 16 << 20 };
	char path[64], *why;
	struct dns_config dns = { .hosts = "/dev/null", .resolv_conf = "/dev/null", .servers = "127.0.0.1:1" };

	setenv("TZ", "UTC", 1);
	clock_update();
	loop_init();
	table_init();
	rewrite_init();
	smtpd_init();
	dns_init(&dns);
	ASSERT(mkdtemp(client_dir) != NULL);
	snprintf(path, sizeof(path), "%s/store", client_dir);
	sc.dir = path;
	why = store_open(&sc);		/* only asked whether it has room */
	ASSERT(why == NULL);
}

static inline int client_teardown(struct generation **g)
{
	char cmd[64];

	generation_unref(g);
	store_close();
	dns_release();
	table_release();
	loop_release();
	buf_release(&box.text);
	snprintf(cmd, sizeof(cmd), "rm -r %s", client_dir);
	return system(cmd);
}
#endif
