/* reply.c - replies to the client.
 *
 * Every 4xx and 5xx passes here: soft_bounce softens it, smtpd_reject_footer adds to it, 421 and 521 end the
 * session. A client that made too many errors (smtpd_soft_error_limit) gets its replies late: they gather in
 * `held` until the session's penalty is over. Otherwise they go straight into the stream, which sends all
 * replies of one pass together. */
#include "session.h"
#include <stdio.h>
#include <stdlib.h>

void note_error(struct session *s, unsigned error_class)
{
	s->error_mask |= error_class;
}

static bool hold(const struct session *s)
{
	return s->errors >= (unsigned)view_int(s->view, smtpd_soft_error_limit) &&
	    view_secs(s->view, smtpd_error_sleep_time) > 0 && s->state != ST_GREET;
}

static void emit(struct session *s, const char *p, size_t n)
{
	if (hold(s) || s->held.len > 0)
		buf_add(&s->held, p, n);
	else
		stream_write(s->stream, p, n);
}

bool reply_held(const struct session *s)
{
	return s->held.len > 0;
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
static void add_footer(struct session *s, struct buf *b, const char *template)
{
	struct buf text = { 0 };
	struct access_facts f;
	size_t dsn = b->len > 4 ? dsn_prefix(b->p + 4) : 0;
	char prefix[32];
	const char *p = template;
	bool join = strncmp(p, "\\c", 2) == 0;

	snprintf(prefix, sizeof(prefix), "%.3s %.*s", b->p, (int)dsn, b->p + 4);
	session_facts(s, &f);
	for (p += join ? 2 : 0; *p != '\0';) {
		const char *nl = strstr(p, "\\n");
		size_t n = nl != NULL ? (size_t)(nl - p) : strlen(p);
		char *line = xstrndup(p, n);

		buf_reset(&text);
		if (!access_expand(&text, line, &f)) {
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

/* smtpd_reject_footer_maps is asked with the reply; only tables that answer at once can help here. */
static void footer(struct session *s, struct buf *b)
{
	const char *template = view_str(s->view, smtpd_reject_footer);
	struct maps_op op = { 0 };
	char *found = NULL;

	if (!maps_empty(s->conf->footer_maps)) {
		maps_start(&op, &s->task, &s->log, s->conf->footer_maps, b->p, MAPS_ALL);
		if (maps_poll(&op) == TABLE_FOUND)
			found = xstrdup(op.value);
		maps_end(&op);
	}
	if (found != NULL)
		template = found;
	if (*template != '\0')
		add_footer(s, b, template);
	free(found);
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

void reply_text(struct session *s, const char *text)
{
	struct buf b = { 0 };

	buf_adds(&b, text);
	if ((b.p[0] == '4' || b.p[0] == '5') && b.len > 4) {
		footer(s, &b);		/* its tables see the code before soft_bounce */
		mark_continued(&b);
		if (view_bool(s->view, soft_bounce))
			soften(&b);
		smtpd_counters.rejects++;
	}
	history_out(s, b.p);
	buf_adds(&b, "\r\n");
	emit(s, b.p, b.len);
	if (strncmp(b.p, "421", 3) == 0 || strncmp(b.p, "521", 3) == 0)
		s->hangup = true;
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
