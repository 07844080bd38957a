/* conn.c - one connection to a server: its names, and reading replies from it.
 *
 * What limits a server: a reply line longer than line_length_limit is cut (and said so), the text of a
 * reply is kept up to the same size, and the whole reply has one time limit, set by whoever waits. */
#include "client.h"
#include <postrider/clock.h>
#include <stdlib.h>

struct smtp_counts smtp_counts;

static void names_make(struct conn *c, const char *host, unsigned port)
{
	c->host = xstrdup(host);
	c->namaddr = xasprintf("%s[%s]", host, c->addr);
	c->relay = port != 0 ? xasprintf("%s:%u", c->namaddr, port) : xstrdup(c->namaddr);
}

struct conn *conn_new(
    struct smtp_service *svc, struct stream *stream, const char *host, const char *addr, unsigned port)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->svc = svc;
	c->stream = stream;
	c->addr = xstrdup(addr);
	c->born_ms = now_ms();
	names_make(c, host, port);
	return c;
}

void conn_rename(struct conn *c, const char *host)
{
	const char *port = strrchr(c->relay, ']');

	if (strcmp(c->host, host) == 0)
		return;
	port = port != NULL && port[1] == ':' ? port + 2 : "0";
	unsigned n = (unsigned)strtoul(port, NULL, 10);

	free(c->host);
	free(c->namaddr);
	free(c->relay);
	names_make(c, host, n);
}

void conn_free(struct conn **cp)
{
	struct conn *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	ASSERT(c->state == CONN_BUSY);
	stream_free(&c->stream);
	free(c->host);
	free(c->addr);
	free(c->namaddr);
	free(c->relay);
	buf_release(&c->reply.text);
	transcript_release(&c->history);
	table_end(&c->filter);
	buf_release(&c->line);
	free(c);
}

void conn_puts(struct conn *c, const char *line)
{
	stream_puts(c->stream, line);
	stream_write(c->stream, "\r\n", 2);
	conn_said(c, line);
}

/* ---- for postmaster ---------------------------------------------------------------------------------------------- */
void conn_said(struct conn *c, const char *line)
{
	if (c->svc->p.notify)
		transcript_lines(&c->history, "Out: ", line);
}

/* As Postfix: syntax errors and unimplemented commands (x0z), a parameter that was not understood, and what fails
 * although its code says otherwise. */
void conn_check_code(struct conn *c, int code)
{
	if (code < 400 || code > 599 || code == 555 || (code >= 500 && code < 510))
		c->upset = true;
}

/* Not about errors while sending notifications. */
void conn_notify(struct conn *c, const struct message *m)
{
	const char *twice = c->svc->p.double_bounce;
	size_t n = strcspn(m->sender, "@");

	if (c->upset && c->svc->p.notify && *m->sender != '\0' && !(strchr(twice, '@') != NULL ? str_ieq(m->sender, twice) :
	    strncmp(m->sender, twice, n) == 0 && twice[n] == '\0'))
		transcript_send(&c->history, &(struct transcript_about){ .view = c->svc->service->view, .log = &c->log,
			.program = c->svc->p.lmtp ? "LMTP client" : "SMTP client", .peer = c->relay, .upset = true });
	c->upset = false;
	transcript_release(&c->history);
}

void conn_arm(struct conn *c, int64_t ms)
{
	if (!c->armed)
		stream_deadline(c->stream, ms);
	c->armed = true;
}

/* Garbage in a pipelined conversation: whose answer is the next line? */
static void complain(const struct conn *c, const struct log_ctx *log, const char *id, const char *line, size_t len)
{
	const struct smtp_params *p = &c->svc->p;
	struct buf shown = { 0 };

	if (len > 0 && line[len - 1] == '\r')
		len--;
	buf_add(&shown, line, MIN(len, 100));
	if (shown.p != NULL)
		str_printable(shown.p, '?');
	log_warn(log, "%s: non-%s response from %s: %s", id, p->lmtp ? "LMTP" : "ESMTP", c->relay, buf_str(&shown));
	log_warn(log, "to prevent loss of mail, turn off command pipelining for %s with the %s parameter", c->addr,
	    p->lmtp ? "lmtp_discard_lhlo_keyword_address_maps" : "smtp_discard_ehlo_keyword_address_maps");
	buf_release(&shown);
}

/* A line, or the text of all lines (multi), as Postfix words it. */
static void too_long(const struct conn *c, const struct log_ctx *log, bool multi, const char *text, size_t len)
{
	char shown[31];
	size_t n = MIN(len, sizeof(shown) - 1);

	memcpy(shown, text, n);
	shown[n] = '\0';
	log_warn(log, "%s: %s longer than %d%s %s...", c->relay, multi ? "multi-line response" : "response",
	    c->svc->p.reply_max, multi ? "" : ":", str_printable(shown, '?'));
}

/* smtp_reply_filter: a line may be taken for another. On STREAM_OK *line is what to go by. */
static enum stream_result filter_line(struct conn *c, const struct log_ctx *log, const char *id, struct slice *line)
{
	enum table_result r;
	char *shown;

	if (!c->filtering) {
		const char *nul = memchr(line->p, '\0', line->len);
		size_t len = nul != NULL ? (size_t)(nul - line->p) : line->len;

		if (len > 0 && line->p[len - 1] == '\r')
			len--;
		buf_reset(&c->line);
		buf_add(&c->line, line->p, len);
		table_start(&c->filter, c->owner, c->svc->reply_filter, buf_str(&c->line));
		c->filtering = true;
	}
	r = table_poll(&c->filter);
	if (r == TABLE_WAIT)
		return STREAM_WAIT;
	c->filtering = false;
	shown = xstrdup(buf_str(&c->line));
	str_printable(shown, '?');
	if (r == TABLE_FOUND) {
		log_info(log, "%s: replacing server reply \"%s\" with \"%s\"", c->relay, shown, c->filter.value);
		buf_reset(&c->line);
		buf_adds(&c->line, c->filter.value);
	} else if (r == TABLE_ERROR) {
		if (c->filter.why != NULL)
			log_warn(log, "%s", c->filter.why);
		log_warn(log, "%s: table %s lookup error for %s", id, table_spec(c->svc->reply_filter), shown);
		c->filter_failed = true;
	}
	free(shown);
	table_end(&c->filter);
	line->p = buf_str(&c->line);
	line->len = c->line.len;
	return r == TABLE_ERROR ? STREAM_ERROR : STREAM_OK;
}

/* The next line, filtered. */
static enum stream_result reply_line(struct conn *c, const struct log_ctx *log, const char *id, struct slice *line)
{
	enum stream_result r = STREAM_OK, f;

	if (!c->filtering)
		r = stream_line(c->stream, (size_t)c->svc->p.reply_max, line);
	if ((r != STREAM_OK && r != STREAM_TOO_LONG) || c->svc->reply_filter == NULL || c->skipping)
		return r;
	if (r == STREAM_TOO_LONG)
		c->line_cut = true;	/* its rest is to be skipped, however long the look-up takes */
	f = filter_line(c, log, id, line);
	if (f == STREAM_OK && c->line_cut)
		f = STREAM_TOO_LONG;
	if (f != STREAM_WAIT)
		c->line_cut = false;
	return f;
}

enum stream_result conn_reply(struct conn *c, const struct log_ctx *log, const char *id)
{
	size_t max = (size_t)c->svc->p.reply_max;
	struct slice line;

	if (!c->in_reply) {
		reply_begin(&c->reply);
		c->in_reply = true;
	}
	for (;;) {
		enum stream_result r = reply_line(c, log, id, &line);
		bool last, skipped = c->skipping, full = c->reply.overflow;

		if (r != STREAM_OK && r != STREAM_TOO_LONG)
			return r;
		c->skipping = r == STREAM_TOO_LONG;
		if (skipped)
			continue;	/* the rest of a line that was too long */
		if (r == STREAM_TOO_LONG)
			too_long(c, log, false, line.p, line.len);
		last = reply_push(&c->reply, line.p, line.len, max);
		if (c->reply.overflow && !full)
			too_long(c, log, true, buf_str(&c->reply.text), c->reply.text.len);
		if (c->reply.garbage && (c->features & FEAT_PIPELINING))
			complain(c, log, id, line.p, line.len);
		if (last)
			break;
	}
	c->in_reply = c->armed = false;
	if (c->svc->p.notify)
		transcript_lines(&c->history, "In:  ", buf_str(&c->reply.text));
	return STREAM_OK;
}
