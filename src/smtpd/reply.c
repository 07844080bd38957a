/* reply.c - replies to the client.
 *
 * Every 4xx and 5xx passes here: soft_bounce softens it, smtpd_reject_footer adds to it, 421 and 521 end the
 * session. A client that made too many errors (smtpd_soft_error_limit) gets its replies late: they gather in
 * `held` until the session's penalty is over. Otherwise they go straight into the stream, which sends all
 * replies of one pass together. A reply whose footer is in a table that waits is kept in `footer`, with those made behind
 * it; the session makes no step before reply_settled(). */
#include "session.h"
#include <stdio.h>
#include <stdlib.h>

void note_error(struct session *s, unsigned error_class)
{
	s->error_mask |= error_class;
}

struct footer {
	struct maps_op	 op;
	struct arena	 arena;
	struct buf	 text;		/* the reply, without footer */
	struct access_facts facts;	/* as they were: the transaction may be gone when the table answers */
	bool		 hold;
	struct buf	 behind;	/* replies made meanwhile */
};

static bool hold(const struct session *s)
{
	return s->errors >= (unsigned)view_int(s->view, smtpd_soft_error_limit) &&
	    view_secs(s->view, smtpd_error_sleep_time) > 0 && s->state != ST_GREET;
}

static void emit(struct session *s, const char *p, size_t n)
{
	if (s->footer != NULL)
		buf_add(&s->footer->behind, p, n);
	else if (hold(s) || s->held.len > 0)
		buf_add(&s->held, p, n);
	else
		stream_write(s->stream, p, n);
}

bool reply_held(const struct session *s)
{
	return s->held.len > 0 || (s->footer != NULL && s->footer->hold);
}

void reply_release(struct session *s)
{
	stream_write(s->stream, s->held.p, s->held.len);
	buf_release(&s->held);
}

/* ---- smtpd_reject_footer ------------------------------------------------------------------------- */
/* "5.7.1 " at text, with its blank, or 0. */
static size_t dsn_prefix(const char *text)
{
	size_t n = strspn(text, "0123456789.");

	return n >= 5 && text[n] == ' ' && strchr("245", text[0]) != NULL && text[1] == '.' ? n + 1 : 0;
}

/* The footer after expansion: "\c" at its start continues the reply's last line, "\n" begins a new one; each new line
 * gets the reply's code, and its enhanced code. */
static void add_footer(struct buf *b, const char *template, const struct access_facts *f)
{
	struct buf text = { 0 };
	size_t dsn = b->len > 4 ? dsn_prefix(b->p + 4) : 0;
	char prefix[32];
	const char *p = template;
	bool join = strncmp(p, "\\c", 2) == 0;

	snprintf(prefix, sizeof(prefix), "%.3s %.*s", b->p, (int)dsn, b->p + 4);
	for (p += join ? 2 : 0; *p != '\0';) {
		const char *nl = strstr(p, "\\n");
		size_t n = nl != NULL ? (size_t)(nl - p) : strlen(p);
		char *line = xstrndup(p, n);

		buf_reset(&text);
		if (!access_expand(&text, line, f)) {
			buf_reset(&text);
			buf_adds(&text, line);
		}
		if (join)
			buf_adds(b, buf_str(&text));
		else
			buf_addf(b, "\r\n%s%s", prefix, buf_str(&text));
		join = false;
		free(line);
		p += n + (nl != NULL ? 2 : 0);
	}
	buf_release(&text);
}

/* "554 a\r\n554 b" becomes "554-a\r\n554 b". */
static void mark_continued(struct buf *b)
{
	char *line = b->p, *end;

	while ((end = strstr(line, "\r\n")) != NULL) {
		if (end - line >= 4)
			line[3] = '-';
		line = end + 2;
	}
}

/* soft_bounce, line by line. */
static void soften(struct buf *b)
{
	for (char *line = b->p; line != NULL; line = strstr(line, "\r\n")) {
		line += line[0] == '\r' ? 2 : 0;
		if (line[0] == '5') {
			line[0] = '4';
			if (line[4] == '5')
				line[4] = '4';
		}
	}
}

/* found: what smtpd_reject_footer_maps has for it, NULL: nothing. */
static void finish(struct session *s, struct buf *b, const char *found, const struct access_facts *f)
{
	const char *template = found != NULL ? found : view_str(s->view, smtpd_reject_footer);

	if (*template != '\0')
		add_footer(b, template, f);
	mark_continued(b);
	if (view_bool(s->view, soft_bounce))
		soften(b);
}

static void say(struct session *s, struct buf *b)
{
	history_out(s, b->p);
	buf_adds(b, "\r\n");
	emit(s, b->p, b->len);
}

/* The table of footers waits: the reply does, too. */
static void put_off(struct session *s, struct footer *f, const struct buf *b)
{
	s->footer = f;
	f->hold = hold(s);
	buf_add(&f->text, b->p, b->len);
	f->facts.helo = arena_strdup(&f->arena, f->facts.helo);
	f->facts.sender = arena_strdup(&f->arena, f->facts.sender);
	f->facts.recipient = arena_strdup(&f->arena, f->facts.recipient);
	f->facts.queue_id = f->facts.instance = NULL;
}

static void footer_free(struct footer **fp)
{
	struct footer *f = *fp;

	*fp = NULL;
	maps_end(&f->op);
	buf_release(&f->text);
	buf_release(&f->behind);
	arena_release(&f->arena);
	free(f);
}

bool reply_settled(struct session *s)
{
	struct footer *f = s->footer;
	enum table_result r;

	if (f == NULL)
		return true;
	if ((r = maps_poll(&f->op)) == TABLE_WAIT)
		return false;
	s->footer = NULL;
	finish(s, &f->text, r == TABLE_FOUND ? f->op.value : NULL, &f->facts);
	history_out(s, f->text.p);
	buf_adds(&f->text, "\r\n");
	buf_add(&f->text, f->behind.p, f->behind.len);
	if (f->hold || s->held.len > 0)
		buf_add(&s->held, f->text.p, f->text.len);
	else
		stream_write(s->stream, f->text.p, f->text.len);
	footer_free(&f);
	if (s->state == ST_COMMAND)
		session_arm(s);		/* it is the client's turn from now on */
	return true;
}

/* A refusal, with its footer now or later; the tables see the code before soft_bounce. */
static void refuse(struct session *s, struct buf *b)
{
	struct access_facts facts;
	struct footer *f = NULL;
	const char *found = NULL;

	session_facts(s, &facts);
	smtpd_counters.rejects++;
	if (s->footer == NULL && !maps_empty(s->conf->footer_maps)) {
		f = xcalloc(1, sizeof(*f));
		f->facts = facts;
		maps_start(&f->op, &s->task, &s->log, s->conf->footer_maps, b->p, MAPS_ALL);
		switch (maps_poll(&f->op)) {
		case TABLE_WAIT:
			put_off(s, f, b);
			return;
		case TABLE_FOUND:
			found = f->op.value;
			break;
		default:
			break;
		}
	}
	finish(s, b, found, &facts);
	say(s, b);
	if (f != NULL)
		footer_free(&f);
}

void reply_text(struct session *s, const char *text)
{
	struct buf b = { 0 };

	buf_adds(&b, text);
	if (strncmp(b.p, "421", 3) == 0 || strncmp(b.p, "521", 3) == 0)
		s->hangup = true;
	if ((b.p[0] == '4' || b.p[0] == '5') && b.len > 4)
		refuse(s, &b);
	else
		say(s, &b);
	buf_release(&b);
}

void reply(struct session *s, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	reply_text(s, buf_str(&b));
	buf_release(&b);
}

void reply_ehlo(struct session *s, const char *lines)
{
	history_out(s, lines);
	emit(s, lines, strlen(lines));
}
