/* Messages through cleanup into a real store; headers, sizes and refusals as Postfix 3.7 has them. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/cleanup.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

#include <generation_help.h>

static struct generation *g;
static char dir[] = "/tmp/cleanup-XXXXXX";

static void load(const char *extra)
{
	char text[4096];

	snprintf(text, sizeof(text), "mydestination = $mydomain\n%s", extra);
	generation_replace(&g, dir, text);
}

/* A table that answers only when it is asked again, twice: every look-up waits. */
struct later { char *key; int left; };

static void *later_open(struct table_env *e, const char *name, char **why_r)
{
	(void)why_r;
	(void)e;
	return xstrdup(name);
}

static void later_close(void *contents)
{
	free(contents);
}

static enum table_result later_lookup(void *contents, struct table_op *op, const char *key)
{
	struct later *l = xcalloc(1, sizeof(*l));

	(void)contents;
	l->key = xstrdup(key);
	l->left = 2;
	op->state = l;
	task_wake(op->task);
	return TABLE_WAIT;
}

static enum table_result later_poll(void *contents, struct table_op *op)
{
	static const char *const map[][2] = { { "old@x.test", "new@x.test" }, { "s@good.test", "new@x.test" },
	    { "alias@x.test", "one@x.test, two@x.test" } };
	struct later *l = op->state;

	(void)contents;
	if (l->left-- > 0) {
		task_wake(op->task);
		return TABLE_WAIT;
	}
	for (size_t i = 0; i < NELEM(map); i++)
		if (strcmp(map[i][0], l->key) == 0) {
			op->value = map[i][1];
			return TABLE_FOUND;
		}
	return TABLE_NONE;
}

static void later_end(void *contents, struct table_op *op)
{
	struct later *l = op->state;

	(void)contents;
	if (l != NULL) {
		free(l->key);
		free(l);
		op->state = NULL;
	}
}

static const struct table_class later_class = {.abi = TABLE_ABI,
					       .type = "later",
					       .open = later_open,
					       .close = later_close,
					       .lookup = later_lookup,
					       .poll = later_poll,
					       .end = later_end};

/* One submission: pushes all, then polls to the end. */
struct push {
	struct task	 task;
	unsigned	 flags;
	const char	*sender, *rcpt;		/* recipients separated by blanks */
	const char	*full_name, *content;
	int		 repeat;		/* this often */
	struct cleanup	*c;
	bool		 begun;
	int		 pushed;
	unsigned	 waits;
	enum cleanup_result result;
	char		 error[300];
	struct message	*msg;
	struct buf	 text;			/* header, empty line unless there is none, body */
	struct content_op read;
	enum { PUSHING, READING_HEADER, READING_BODY } state;
};

static void begin(struct push *p)
{
	char *copy = xstrdup(p->rcpt), *cursor = copy, *word;

	p->c = cleanup_open(&p->task, NULL, g, p->flags);
	if (p->full_name != NULL)
		cleanup_full_name(p->c, p->full_name);
	cleanup_sender(p->c, p->sender);
	while ((word = str_tok(&cursor, " ")) != NULL)
		cleanup_rcpt(p->c, word, NULL, 0);
	cleanup_prepend(p->c, "Received: from x\n\tby y");
	free(copy);
	p->begun = true;
}

static void push_content(struct push *p)
{
	const char *s = p->content;

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");

		cleanup_line(p->c, s, n, s[n] == '\0');
		s += n + (s[n] != '\0');
	}
}

static bool read_on(struct push *p)
{
	for (;;) {
		switch (content_read_poll(&p->read)) {
		case CONTENT_WAIT:
			return false;
		case CONTENT_DATA:
			buf_add(&p->text, p->read.p, p->read.len);
			content_read_advance(&p->read);
			continue;
		case CONTENT_FAILED:
			diag("content cannot be read");
			/* FALLTHROUGH */
		case CONTENT_END:
			content_read_end(&p->read);
			return true;
		}
	}
}

static void run(struct task *t)
{
	struct push *p = CONTAINER_OF(t, struct push, task);

	if (!p->begun)
		begin(p);
	while (p->state == PUSHING && p->pushed < p->repeat) {
		p->result = cleanup_poll(p->c);
		if (p->result == CLEANUP_WAIT) {
			p->waits++;
			return;
		}
		push_content(p);
		if (++p->pushed == p->repeat)
			cleanup_finish(p->c);
	}
	if (p->state == PUSHING) {
		p->result = cleanup_poll(p->c);
		if (p->result == CLEANUP_WAIT)
			return;
		if (p->result == CLEANUP_REFUSED) {
			const struct cleanup_error *e = cleanup_error(p->c);

			snprintf(p->error, sizeof(p->error), "%d %s %s", e->code, e->dsn, e->text);
			loop_stop();
			return;
		}
		p->msg = message_ref(cleanup_message(p->c));
		content_read_start(&p->read, t, p->msg, PART_HEADER);
		p->state = READING_HEADER;
	}
	if (p->state == READING_HEADER) {
		if (!read_on(p))
			return;
		if ((p->msg->flags & MSG_NO_SEPARATOR) == 0)
			buf_adds(&p->text, "\r\n");
		content_read_start(&p->read, t, p->msg, PART_BODY);
		p->state = READING_BODY;
	}
	if (read_on(p))
		loop_stop();
}

static void push(struct push *p)
{
	task_init(&p->task, "push", run);
	if (p->repeat == 0)
		p->repeat = 1;
	task_wake(&p->task);
	loop_run();
	buf_add(&p->text, "", 0);
}

static void release(struct push *p)
{
	cleanup_free(&p->c);
	message_unref(&p->msg);
	buf_release(&p->text);
	task_unlink(&p->task);
}

#define RECEIVED "Received: from x\r\n\tby y\r\n"

/* Dates and ids differ: they are cut out. */
static void check_ext(unsigned flags, const char *sender, const char *name, const char *content, const char *want,
		      int64_t size, const char *what)
{
	struct push p = {
	    .flags = flags, .sender = sender, .rcpt = "u@good.test", .content = content, .full_name = name};
	char *at, *end;

	push(&p);
	is_int(p.result, CLEANUP_QUEUED, "%s: queued", what);
	while ((at = strstr(p.text.p, "Date: ")) != NULL && (end = strchr(at, '\r')) != NULL && at[6] != 'z') {
		ok(strstr(at, " +0000 (UTC)\r") == end - 12, "a date");
		memmove(at + 4, end, strlen(end) + 1);
	}
	while ((at = strstr(p.text.p, "Message-Id: <20")) != NULL && (end = strchr(at, '\r')) != NULL)
		memmove(at + 10, end, strlen(end) + 1);
	is_str(p.text.p, want, "%s: content", what);
	if (size > 0)
		is_int(p.msg != NULL ? p.msg->size : 0, size, "%s: size", what);
	release(&p);
}

static void check(unsigned flags, const char *content, const char *want, int64_t size, const char *what)
{
	check_ext(flags, "s@good.test", NULL, content, want, size, what);
}

static void test_content(void)
{
	enum { R = 18 + 7 };		/* Received: 16 + 2 + 5 + 2 */

	load("");
	check(0, "Subject: x\n\nbody\n", RECEIVED "Subject: x\r\n\r\nbody\r\n", R + 12 + 2 + 6, "plain");
	check(0, "Subject: x\n", RECEIVED "Subject: x\r\n", R + 12, "headers only");
	check(0, "Subject: x\n\n", RECEIVED "Subject: x\r\n\r\n", R + 12 + 2, "empty body");
	check(0, "body\n", RECEIVED "\r\nbody\r\n", R + 2 + 6, "no header");
	check(0, "Subject: x\nbody", RECEIVED "Subject: x\r\n\r\nbody\r\n", 0, "no last line end");
	check(0, "From a b\n>From c\nSubject: x\n\nFrom d\n",
	      RECEIVED "X-Mailbox-Line: From a b\r\nX-Mailbox-Line: >From c\r\n"
		       "Subject: x\r\n\r\nFrom d\r\n",
	      0, "From_ lines");
	check(0, "\tx\nSubject: x\n", RECEIVED "\r\n\tx\r\nSubject: x\r\n", 0, "leading white space");
	check(0, "Bcc: x\nReturn-Path: <y>\nContent-Length: 4\nResent-Bcc: z\nTo: a\n\n", RECEIVED "To: a\r\n\r\n", 0,
	      "dropped headers");
	check(0, "Content-Type: multipart/mixed; boundary=b\n\n--b\nBcc: x\nTo : a\n\tb\n\ntext\n--b--\n",
	      RECEIVED
	      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nBcc: x\r\nTo: a\r\n\tb\r\n\r\ntext\r\n--b--\r\n",
	      0, "headers of parts");
	check(0, "Subject: a\rb\n\nx\ry\n", RECEIVED "Subject: a b\r\n\r\nx y\r\n", 0, "a lone CR");
	load("cleanup_replace_stray_cr_lf = no\n");
	check(0, "Subject: a\rb\n\nx\ry\n", RECEIVED "Subject: a\rb\r\n\r\nx\ry\r\n", 0,
	      "a lone CR that is left alone");
	load("message_drop_headers = x-drop, to\nheader_size_limit = 100\n");
	check(0, "X-Drop: x\nBcc: y\nTo: z\n\n", RECEIVED "Bcc: y\r\n\r\n", 0, "message_drop_headers");
	check(0,
	      "Subject: 0123456789012345678901234567890123456789\n\t0123456789012345678901234567890123456789\n\tcut "
	      "off here\nX: y\n\n",
	      RECEIVED
	      "Subject: 0123456789012345678901234567890123456789\r\n\t0123456789012345678901234567890123456789\r\nX: "
	      "y\r\n\r\n",
	      0, "a long header loses its end");
	load("message_strip_characters = \\0xyz\\101\n");
	check(0, "Subject: AxB\n\nxyzzy\n", "Received: from \r\n\tb \r\nSubject: B\r\n\r\n\r\n", 0,
	      "message_strip_characters");
}

static void test_missing(void)
{
	load("append_dot_mydomain = yes\n");
	check(CLEANUP_LOCAL_CONTEXT, "Subject: x\nTo: a, f@g\n\n",
	      RECEIVED "Subject: x\r\nTo: a@example.com, f@g.example.com\r\nMessage-Id\r\n"
		       "Date\r\nFrom: s@good.test\r\n\r\n",
	      0, "local context");
	check(CLEANUP_LOCAL_CONTEXT, "From: a@b.c\nDate: z\nMessage-Id: <x>\n\n",
	      RECEIVED "From: a@b.c\r\nDate: z\r\nMessage-Id: <x>\r\n\r\n", 0, "nothing missing");
	check(CLEANUP_LOCAL_CONTEXT, "From: a@b.c\nResent-To: q\n\n",
	      RECEIVED "From: a@b.c\r\nResent-To: q@example.com\r\n"
		       "Resent-Message-Id\r\nResent-Date\r\nResent-From: s@good.test\r\n\r\n",
	      0, "resent");
	check_ext(CLEANUP_LOCAL_CONTEXT, "", NULL, "Date: z\nMessage-Id: <x>\n\n",
		  RECEIVED "Date: z\r\nMessage-Id: <x>\r\nFrom: MAILER-DAEMON\r\n\r\n", 0, "null sender");
	check_ext(CLEANUP_LOCAL_CONTEXT, "a b", "Joe Q. \"X\" User", "Date: z\nMessage-Id: <x>\n\n",
		  RECEIVED
		  "Date: z\r\nMessage-Id: <x>\r\nFrom: \"Joe Q. \\\"X\\\" User\" <\"a b\"@example.com>\r\n\r\n",
		  0, "full name");
	load("header_from_format = obsolete\nalways_add_missing_headers = yes\nundisclosed_recipients_header = To: "
	     "undisclosed-recipients:;\n");
	check_ext(0, "a", "Joe User", "Date: z\nMessage-Id: <x>\n\n",
		  RECEIVED "Date: z\r\nMessage-Id: <x>\r\nFrom: a@example.com (Joe User)\r\n"
			   "To: undisclosed-recipients:;\r\n\r\n",
		  0, "obsolete form, undisclosed recipients");
}

static void refused(unsigned flags, const char *content, const char *want, const char *what)
{
	struct push p = { .flags = flags, .sender = "s@good.test", .rcpt = "u@good.test", .content = content };

	push(&p);
	is_int(p.result, CLEANUP_REFUSED, "%s: refused", what);
	is_str(p.error, want, "%s: why", what);
	release(&p);
}

static void test_refusals(void)
{
	load(
	    "hopcount_limit = 3\nmessage_size_limit = 100\nmessage_reject_characters = Q\nstrict_7bit_headers = yes\n");
	refused(0, "Received: a\nReceived: b\n\n", "554 5.4.0 Error: too many hops", "hops");
	refused(0,
		"Subject: "
		"01234567890123456789012345678901234567890123456789\n\n012345678901234567890123456789012345678901234567"
		"89\n",
		"552 5.3.4 Error: message file too big", "size");
	refused(0, "Subject: x\n\nQ\n", "550 5.7.1 disallowed character", "character");
	refused(0, "Subject: \xc3\xa9\n\nx\n", "550 5.6.0 improper use of 8-bit data in message header",
		"8-bit header");
	check(CLEANUP_INTERNAL, "Subject: \xc3\xa9\n\nQ\n", RECEIVED "Subject: \xc3\xa9\r\n\r\nQ\r\n", 0,
	      "our own notices are not inspected");
}

static void test_rcpts(void)
{
	struct push p = { .sender = "s", .rcpt = "u U@example.com u@EXAMPLE.com v@good.test u b%c.test x!y@example.com",
	    .content = "Subject: x\n\n" };

	load("");
	push(&p);
	is_int(p.msg->nrcpt, 5, "recipients without duplicates");
	is_str(p.msg->sender, "s@example.com", "sender");
	is_str(p.msg->rcpt[0].addr, "u@example.com", "standard form");
	is_str(p.msg->rcpt[0].orig, "u", "as given");
	is_str(p.msg->rcpt[3].addr, "b@c.test", "percent hack");
	is_int(p.msg->rcpt_total, 5, "counted");
	release(&p);
	load("enable_original_recipient = no\n");
	p = (struct push){ .sender = "s", .rcpt = "u U@example.com u@EXAMPLE.com", .content = "\n" };
	push(&p);
	is_int(p.msg->nrcpt, 1, "compared by address only");
	release(&p);
	p = (struct push){
	    .sender = "s", .rcpt = "a1 a2 a3 a4 a5 a6 a7 a8 a9 a10 a11 a12 a13 a14 A3 a15 a14", .content = "\n"};
	push(&p);
	is_int(p.msg->nrcpt, 15, "many recipients");
	release(&p);
	load("duplicate_filter_limit = 2\n");
	p = (struct push){ .sender = "s", .rcpt = "u v u w v w", .content = "\n" };
	push(&p);
	is_int(p.msg->nrcpt, 4, "compared with the first two only");
	release(&p);
}

/* The same with answers at once and with answers that come later: not a byte may differ. */
static void test_waiting(void)
{
	static const char *const tables[] = { "inline:{ { old@x.test = new@x.test } { s@good.test = new@x.test } "
	    "{ alias@x.test = one@x.test, two@x.test } }", "later:x" };
	static const char content[] =
	    "From: old@x.test\nSubject: x\nTo: old@x.test, a@b.c\nX-Y: z\nReceived: q\nDate: z\n\nbody\n";
	static const char want[] =
	    RECEIVED "From: new@x.test\r\nSubject: x\r\nTo: new@x.test, a@b.c\r\nX-Y: z\r\nReceived: q\r\n"
		     "Date: z\r\nMessage-Id\r\n\r\nbody\r\n";

	for (size_t i = 0; i < NELEM(tables); i++) {
		struct push p = {.flags = CLEANUP_LOCAL_CONTEXT,
				 .sender = "s@good.test",
				 .rcpt = "alias@x.test old@x.test u@good.test",
				 .content = content};
		char text[512], *at, *end;

		snprintf(text, sizeof(text),
			 "canonical_maps = %s\nvirtual_alias_maps = %s\ncanonical_classes = envelope_sender, "
			 "header_sender, header_recipient\n",
			 tables[i], tables[i]);
		load(text);
		push(&p);
		is_int(p.result, CLEANUP_QUEUED, "queued");
		is_str(p.msg->sender, "new@x.test", "sender");
		ok(p.msg->nrcpt == 2 + 1 + 1 && strcmp(p.msg->rcpt[1].addr, "two@x.test") == 0, "recipients");
		if ((at = strstr(p.text.p, "Message-Id: <20")) != NULL && (end = strchr(at, '\r')) != NULL)
			memmove(at + 10, end, strlen(end) + 1);
		is_str(p.text.p, want, "content");
		release(&p);
	}
	check(CLEANUP_LOCAL_CONTEXT, "Subject: x\n\n",
	      RECEIVED "Subject: x\r\nMessage-Id\r\nDate\r\nFrom: new@x.test\r\n\r\n", 0,
	      "From: of a sender that was not known yet");
}

static void test_large(void)
{
	struct buf line = { 0 };
	struct push p = { .sender = "s", .rcpt = "u" };
	bool good = true;

	load("message_size_limit = 0\n");
	for (int i = 0; i < 256; i++)
		buf_adds(&line, "0123456789012345678901234567890123456789012345678901234567890123456789\n");
	p.content = line.p;
	p.repeat = 400;			/* 256 lines each: 7.4 MB */
	push(&p);
	is_int(p.result, CLEANUP_QUEUED, "large message queued");
	ok((p.msg->flags & MSG_CONTENT_STORED) != 0 && content_memory() < 100000, "from drafts, not in memory");
	is_int(p.msg->body_bytes, (int64_t)400 * 256 * 72, "all of the body, without the first empty line");
	is_int((int64_t)p.text.len, p.msg->body_bytes + (int64_t)strlen(RECEIVED) + 2, "read back");
	for (size_t i = strlen(RECEIVED) + 2; i < p.text.len && good; i += 72)
		good = memcmp(p.text.p + i, line.p, 70) == 0 && memcmp(p.text.p + i + 70, "\r\n", 2) == 0;
	ok(good, "line by line");
	release(&p);
	p = (struct push){ .sender = "s", .rcpt = "u", .content = line.p, .repeat = 100 };
	load("message_size_limit = 5000000\n");
	p.repeat = 400;
	push(&p);
	is_str(p.error, "552 5.3.4 Error: message file too big", "refused after drafts");
	release(&p);
	buf_release(&line);
}

static void test_huge_header(void)
{
	struct push p = { .sender = "s", .rcpt = "u", .repeat = 20000,
	    .content = "X-Header: 01234567890123456789012345678901234567890123456789012345678901234567890123456789\n" };

	load("message_size_limit = 0\n");
	push(&p);
	is_int(p.result, CLEANUP_QUEUED, "huge header queued");
	ok(p.msg->header_bytes < 1100000, "the header part is bounded");
	is_int((int64_t)p.text.len, 20000 * 92 + (int64_t)strlen(RECEIVED), "all is there");
	release(&p);
}

int main(void)
{
	struct store_config sc = { .map_bytes = INT64_C(1) << 30, .min_free = 0, .memory_limit = 64 << 20 };
	char cmd[64], path[64], *why;

	setenv("TZ", "UTC", 1);
	clock_update();
	loop_init();
	table_init();
	table_register(&later_class);
	rewrite_init();
	cleanup_init();
	ASSERT(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/store", dir);
	sc.dir = path;
	why = store_open(&sc);
	ok(why == NULL, "store opened %s", why != NULL ? why : "");
	test_content();
	test_missing();
	test_refusals();
	test_rcpts();
	test_waiting();
	test_large();
	test_huge_header();
	store_close();
	generation_unref(&g);
	table_release();
	loop_release();
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	ok(system(cmd) == 0, "cleaned up");
	return done_testing();
}
