/* postmaster.c - postmaster hears of sessions that went wrong (notify_classes): a transcript by mail.
 *
 * What is said in a session is kept as text until it is clear that nobody wants it; its owner knows when. A session
 * that was loud enough to fill HISTORY_MAX keeps its beginning. A notice lives on without its session; when the queue
 * cannot take it, or there are many at once, it is dropped with a warning: nobody waits for it. */
#include <postrider/access.h>
#include <postrider/bounce.h>
#include <postrider/buf.h>
#include <postrider/cleanup.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/service.h>
#include <ctype.h>
#include <stdlib.h>

enum { HISTORY_MAX = 32768, FIRST = 400, MORE = 1000, NOTICES_MAX = 100, WIDTH = 78, INDENT = 4 };
enum { WHO_LEN = 5 };		/* "In:  ", "Out: " */

struct postmaster {
	struct task	 task;
	struct log_ctx	 log;
	char		*log_name;
	struct cleanup	*cleanup;
	char		*lines;		/* the whole message */
	bool		 pushed;
};
static unsigned notices;

/* ---- the transcript ------------------------------------------------------------------------------- */
void transcript_add(struct transcript *t, const char *who, const char *text, size_t n)
{
	size_t len = t->text.len;

	if (len + n > HISTORY_MAX)
		return;
	/* An idle session must be small; one that sends mail gets by with two steps, for most are never looked at. */
	if (t->text.cap - len < WHO_LEN + n + 2)
		buf_reserve(&t->text, MAX(len == 0 ? FIRST : MORE, WHO_LEN + n + 2));
	memcpy(t->text.p + len, who, WHO_LEN);
	memcpy(t->text.p + len + WHO_LEN, text, n);
	t->text.p[len + WHO_LEN + n] = '\n';
	t->text.p[t->text.len = len + WHO_LEN + n + 1] = '\0';
	t->lines++;
}

void transcript_lines(struct transcript *t, const char *who, const char *text)
{
	for (;;) {
		const char *nl = strchr(text, '\n'), *end = nl != NULL ? nl : text + strlen(text);

		transcript_add(t, who, text, (size_t)(end - text) - (end > text && end[-1] == '\r'));
		if (nl == NULL || nl[1] == '\0')
			return;
		text = nl + 1;
	}
}

void transcript_release(struct transcript *t)
{
	buf_release(&t->text);
	t->lines = 0;
}

/* ---- the notice -------------------------------------------------------------------------------------- */
static void wrapped(struct buf *b, size_t indent, const char *p, size_t n)
{
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	buf_addf(b, " %*s%.*s\n", (int)indent, "", (int)n, p);
}

/* Breaks at blanks where there are some, and indents what follows. */
static void wrap(struct buf *b, const char *line)
{
	const char *start = line, *word = line;
	size_t width = WIDTH, indent = 0;

	while (word != NULL) {
		const char *end = word + strcspn(word, " \t\r\n");

		if (word > start && (size_t)(end - start) > width) {
			wrapped(b, indent, start, (size_t)(word - start));
			word += strspn(word, " \t\r\n");
			if (start == line) {
				indent = INDENT;
				width -= INDENT;
			}
			start = word;
		}
		word = *end != '\0' ? end + 1 : NULL;
	}
	wrapped(b, indent, start, strlen(start));
}

static void write_notice(struct buf *b, struct transcript *t, const struct transcript_about *a, const struct message *m)
{
	const struct view *v = a->view;
	const char *host = view_str(v, myhostname), *to = view_str(v, error_notice_recipient), *mail = view_str(v, mail_name);
	char *cursor = t->text.p, *line, date[64];

	cleanup_date(date, sizeof(date), wall_s());
	buf_addf(b, "Received: by %s (%s)\n\tid %s; %s\nDate: %s\n", host, mail, m->name, date, date);
	if (str_ieq(view_str(v, header_from_format), "standard"))
		buf_addf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\nTo: Postmaster <%s>\n", host, to);
	else
		buf_addf(b, "From: MAILER-DAEMON@%s (Mail Delivery System)\nTo: %s (Postmaster)\n", host, to);
	buf_addf(b, "Subject: %s %s: errors from %s\n\n", mail, a->program, a->peer);
	if (a->upset)
		buf_addf(b, "Unexpected response from %s.\n\n", a->peer);
	buf_adds(b, "Transcript of session follows.\n\n");
	while ((line = strsep(&cursor, "\n")) != NULL && (*line != '\0' || cursor != NULL))
		wrap(b, str_printable(line, '?'));
	buf_adds(b, "\n");
	if (a->reason != NULL)
		buf_addf(b, "Session aborted, reason: %s\n", a->reason);
	if (!a->upset)
		buf_adds(b, "\n");
	buf_adds(b, "For other details, see the local mail logfile\n");
}

static void notice_free(struct postmaster *n)
{
	cleanup_free(&n->cleanup);
	task_unlink(&n->task);
	free(n->log_name);
	free(n->lines);
	free(n);
	notices--;
}

static void notice_run(struct task *t)
{
	struct postmaster *n = CONTAINER_OF(t, struct postmaster, task);
	char *cursor = n->lines, *line;
	enum cleanup_result r = cleanup_poll(n->cleanup);

	if (r == CLEANUP_READY && !n->pushed) {
		while ((line = strsep(&cursor, "\n")) != NULL && cursor != NULL)
			cleanup_line(n->cleanup, line, strlen(line), false);
		n->pushed = true;
		cleanup_finish(n->cleanup);
		r = cleanup_poll(n->cleanup);
	}
	if (r == CLEANUP_REFUSED)
		log_warn(&n->log, "postmaster notify: %s", cleanup_error(n->cleanup)->text);
	if (r == CLEANUP_REFUSED || r == CLEANUP_QUEUED)
		notice_free(n);
}

void transcript_send(struct transcript *t, const struct transcript_about *a)
{
	const char *to = a->bounced ? view_str(a->view, bounce_notice_recipient) : view_str(a->view, error_notice_recipient);
	const char *from = view_str(a->view, double_bounce_sender);
	struct postmaster *n;
	struct message *m;
	struct buf text = { 0 };
	char *sender;

	if (notices >= NOTICES_MAX) {
		log_warn(a->log, "postmaster notify: too many notices at a time");
		return;
	}
	notices++;
	n = xcalloc(1, sizeof(*n));
	task_init(&n->task, "postmaster notice", notice_run);
	n->log_name = xstrdup(a->log->name);
	n->log = (struct log_ctx){ n->log_name, a->log->number };
	n->cleanup = cleanup_open(&n->task, NULL, generation_current(),
	    CLEANUP_INTERNAL | CLEANUP_TRANSCRIPT | CLEANUP_LOCAL_CONTEXT | CLEANUP_ADD_MISSING);
	m = cleanup_message(n->cleanup);
	m->flags |= MSG_INTERNAL | MSG_LOCAL;
	sender = strchr(from, '@') != NULL ? xstrdup(from) : xasprintf("%s@%s", from, view_str(a->view, myhostname));
	cleanup_sender(n->cleanup, sender);
	free(sender);
	cleanup_rcpt(n->cleanup, to, NULL, 0);
	write_notice(&text, t, a, m);
	n->lines = buf_steal(&text);
	task_wake(&n->task);
}

/* ---- notify_classes ------------------------------------------------------------------------------------ */
unsigned notify_classes_mask(const char *words)
{
	static const struct { const char *word; unsigned bit; } classes[] = {
		{ "policy", ACCESS_ERR_POLICY }, { "protocol", ACCESS_ERR_PROTOCOL }, { "software", ACCESS_ERR_SOFTWARE },
		{ "resource", ACCESS_ERR_RESOURCE }, { "data", ACCESS_ERR_DATA }, { "bounce", ACCESS_ERR_BOUNCE },
	};
	char *copy = xstrdup(words), *cursor = copy, *word;
	unsigned mask = 0;

	while ((word = str_tok(&cursor, ", \t\r\n")) != NULL)		/* odd words are bounce's to complain of */
		for (size_t i = 0; i < NELEM(classes); i++)
			if (str_ieq(word, classes[i].word))
				mask |= classes[i].bit;
	free(copy);
	return mask;
}
