/* submission.c - sendmail's messages, as Postfix's sendmail and pickup treat them together: recipients from the headers
 * (-t) are found here, "uid=... from=<...>" is logged as pickup, a Received: line tells the uid.
 * With -t the header block is kept back until its end, for recipients come before content; a block larger than
 * EXTRACT_MAX is searched as far as it was kept. */
#include "submission.h"
#include <postrider/address.h>
#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/mime.h>
#include <postrider/service.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { EXTRACT_MAX = 1 << 20, RCPT_MAX = 1000000, LINE_MAX_BYTES = 8192 };

struct submission {
	struct task	*task;
	struct service	*service;	/* the pickup line, NULL: none */
	struct cleanup	*cleanup;
	uid_t		 uid;
	char		*log_name;
	/* Attributes that come before the first recipient */
	char		*sender, *full_name, *envid, *verp;
	uint8_t		 ret;
	unsigned	 notify, flags;		/* MSG_* */
	bool		 extract, gateway;
	size_t		 nrcpt;
	/* Content */
	struct buf	 line;		/* the piece of a line that has no end yet */
	bool		 mid_line;	/* part of this line was pushed already */
	struct buf	 headers;	/* kept back */
	bool		 keeping;
	char		*why;
	int		 status;
};

struct submission *submission_new(struct task *t, uid_t uid)
{
	struct submission *s = xcalloc(1, sizeof(*s));

	s->task = t;
	s->uid = uid;
	s->sender = xstrdup("");
	return s;
}

static void set(char **p, const char *value)
{
	free(*p);
	*p = xstrdup(value);
}

/* receive_override_options of the pickup line, as it would tell cleanup. */
static unsigned cleanup_flags(const struct submission *s, const struct view *v)
{
	unsigned flags = CLEANUP_LOCAL_SUBMIT | CLEANUP_BOUNCE | (s->gateway ? 0 : CLEANUP_LOCAL_CONTEXT);
	char *text = xstrdup(view_str(v, receive_override_options)), *cursor = text, *word;

	while ((word = str_tok(&cursor, ", \t\r\n")) != NULL) {
		if (strcmp(word, "no_address_mappings") == 0)
			flags |= CLEANUP_NO_MAPS;
		else if (strcmp(word, "no_header_body_checks") == 0)
			flags |= CLEANUP_NO_HEADER_CHECKS;
		else if (strcmp(word, "no_milters") == 0)
			flags |= CLEANUP_NO_MILTERS;
	}
	free(text);
	return flags;
}

/* Everything but recipients is known. */
static void begin(struct submission *s)
{
	struct generation *g = generation_current();
	const struct view *v = generation_view(g);
	struct message *m;
	struct log_ctx log;
	char date[64], *text;

	s->service = service_find(g, "pickup");
	if (s->service != NULL) {
		s->service = service_ref(s->service);
		v = s->service->view;
	}
	s->cleanup = cleanup_open(s->task, s->service, g, cleanup_flags(s, v));
	m = cleanup_message(s->cleanup);
	m->flags |= s->flags | (s->gateway ? 0 : MSG_LOCAL);
	m->dsn_ret = s->ret;
	m->dsn_envid = arena_strdup(&m->arena, s->envid);
	m->verp = arena_strdup(&m->arena, s->verp);
	if (view_str(v, content_filter)[0] != '\0')
		m->content_filter = arena_strdup(&m->arena, view_str(v, content_filter));
	s->log_name = s->service != NULL ? xstrdup(s->service->log_name) : xasprintf("%s/pickup", view_str(v, syslog_name));
	log = (struct log_ctx){ .name = s->log_name, .number = log_number() };
	log_info(&log, "%s: uid=%ld from=<%s>", m->name, (long)s->uid, s->sender);
	if (s->full_name != NULL) {
		cleanup_full_name(s->cleanup, s->full_name);
		text = xasprintf("sender_fullname=%s", s->full_name);
		strs_add(&m->extra, text);
		free(text);
	}
	cleanup_sender(s->cleanup, s->sender);
	cleanup_date(date, sizeof(date), wall_us() / 1000000);
	text = xasprintf("Received: by %s (%s, from userid %ld)\n\tid %s; %s", view_str(v, myhostname), view_str(v, mail_name),
	    (long)s->uid, m->name, date);
	cleanup_prepend(s->cleanup, text);
	free(text);
}

const char *submission_attr(struct submission *s, const char *name, const char *value)
{
	int64_t n;

	if (strcmp(name, "rcpt") == 0) {
		if (s->cleanup == NULL)
			begin(s);
		if (++s->nrcpt > RCPT_MAX)
			return "too many recipients";
		cleanup_rcpt(s->cleanup, value, NULL, s->notify);
		return NULL;
	}
	if (s->cleanup != NULL)
		return "recipients come last";
	if (strcmp(name, "sender") == 0)
		set(&s->sender, value);
	else if (strcmp(name, "full_name") == 0)
		set(&s->full_name, value);
	else if (strcmp(name, "envid") == 0)
		set(&s->envid, value);
	else if (strcmp(name, "verp") == 0 && strlen(value) == 2)
		set(&s->verp, value);
	else if (strcmp(name, "ret") == 0)
		s->ret = strcmp(value, "full") == 0 ? DSN_RET_FULL : DSN_RET_HDRS;
	else if (strcmp(name, "notify") == 0 && str_to_int(value, 0, 15, &n))
		s->notify = (unsigned)n;
	else if (strcmp(name, "body") == 0)
		s->flags |= strcmp(value, "8bit") == 0 ? MSG_8BIT : MSG_7BIT;
	else if (strcmp(name, "extract") == 0)
		s->extract = s->keeping = true;
	else if (strcmp(name, "verify") == 0)
		s->flags |= MSG_TRACE_VERIFY;
	else if (strcmp(name, "report") == 0)
		s->flags |= MSG_TRACE_DELIVER;
	else if (strcmp(name, "gateway") == 0)
		s->gateway = true;
	else
		return "unknown attribute";
	return NULL;
}

/* ---- recipients from headers ------------------------------------------------------------------------ */

static void extract_header(struct submission *s, const char *text, size_t name_len, struct strs *out)
{
	const char *value = strchr(text + name_len, ':');
	struct arena arena = { 0 };
	struct tok_list list = { 0 };
	struct buf b = { 0 };
	struct tok *t;

	if (value == NULL)
		return;
	tok_parse(&arena, value + 1, SIZE_MAX, &list);
	for (t = list.head; t != NULL; t = t->next) {
		if (t->type != TOK_ADDR)
			continue;
		buf_reset(&b);
		tok_internalize(&b, t->head);
		if (b.len > 0 && out->n < RCPT_MAX - s->nrcpt)
			strs_add(out, buf_str(&b));
	}
	buf_release(&b);
	arena_release(&arena);
}

/* With Resent- recipients only these count. */
static void extract(struct submission *s)
{
	struct strs plain = { 0 }, resent = { 0 }, *use;
	const struct hdr_info *info;
	struct buf unfolded = { 0 };
	const char *p = buf_str(&s->headers), *end = p + s->headers.len, *eol;
	size_t name, i;

	for (; p < end; p = eol + 1) {
		buf_reset(&unfolded);
		for (;; p = eol + 1) {
			eol = memchr(p, '\n', (size_t)(end - p));
			if (eol == NULL)
				eol = end;
			if (unfolded.len > 0)
				buf_addc(&unfolded, '\n');
			buf_add(&unfolded, p, (size_t)(eol - p));
			if (eol + 1 >= end || (eol[1] != ' ' && eol[1] != '\t'))
				break;
		}
		if (unfolded.len == 0 || (name = hdr_name_len(unfolded.p, unfolded.len)) == 0)
			continue;
		info = hdr_find(unfolded.p, name);
		if (info != NULL && (info->flags & HDR_EXTRACT) != 0)
			extract_header(s, unfolded.p, name, info->flags & HDR_RESENT ? &resent : &plain);
	}
	if (s->nrcpt == 0)
		strs_add(&cleanup_message(s->cleanup)->extra, "extracted=1");	/* where postcat shows them */
	use = resent.n > 0 ? &resent : &plain;
	for (i = 0; i < use->n; i++) {
		s->nrcpt++;
		cleanup_rcpt(s->cleanup, use->v[i], NULL, s->notify);
	}
	strs_release(&plain);
	strs_release(&resent);
	buf_release(&unfolded);
}

/* ---- content ------------------------------------------------------------------------------------------- */

static void end_of_headers(struct submission *s)
{
	const char *p = buf_str(&s->headers), *end = p + s->headers.len, *eol;

	s->keeping = false;
	extract(s);
	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		cleanup_line(s->cleanup, p, (size_t)(eol - p), false);
	}
	buf_release(&s->headers);
}

/* A header line, or one that continues it. */
static bool in_headers(const struct submission *s, const char *p, size_t n)
{
	return n > 0 && (((p[0] == ' ' || p[0] == '\t') && s->headers.len > 0) || hdr_name_len(p, n) > 0);
}

static void line(struct submission *s, const char *p, size_t n, bool partial)
{
	if (s->keeping) {
		if ((s->mid_line || in_headers(s, p, n)) && s->headers.len + n < EXTRACT_MAX) {
			buf_add(&s->headers, p, n);
			if (!partial)
				buf_addc(&s->headers, '\n');
			s->mid_line = partial;
			return;
		}
		end_of_headers(s);
	}
	cleanup_line(s->cleanup, p, n, partial);
	s->mid_line = partial;
}

void submission_data(struct submission *s, const char *p, size_t n)
{
	const char *end = p + n, *eol;

	if (s->cleanup == NULL)
		begin(s);
	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL) {
			buf_add(&s->line, p, (size_t)(end - p));
			if (s->line.len >= LINE_MAX_BYTES) {
				line(s, s->line.p, s->line.len, true);
				buf_reset(&s->line);
			}
			return;
		}
		if (s->line.len == 0) {
			line(s, p, (size_t)(eol - p), false);
		} else {
			buf_add(&s->line, p, (size_t)(eol - p));
			line(s, s->line.p, s->line.len, false);
			buf_reset(&s->line);
		}
	}
}

static void refuse(struct submission *s, int status, const char *why)
{
	if (s->why != NULL)
		return;
	s->why = xstrdup(why);
	s->status = status;
}

void submission_finish(struct submission *s)
{
	if (s->cleanup == NULL)
		begin(s);
	if (s->line.len > 0 || s->mid_line)
		line(s, buf_str(&s->line), s->line.len, false);
	buf_reset(&s->line);
	if (s->keeping)
		end_of_headers(s);
	if (s->nrcpt == 0) {
		refuse(s, EX_USAGE, s->extract ? "No recipient addresses found in message header" : "no recipients were given");
		return;
	}
	cleanup_finish(s->cleanup);
}

enum submission_result submission_poll(struct submission *s)
{
	const struct cleanup_error *e;

	if (s->why != NULL)
		return SUBMISSION_REFUSED;
	if (s->cleanup == NULL)
		return SUBMISSION_READY;
	switch (cleanup_poll(s->cleanup)) {
	case CLEANUP_WAIT:
		return SUBMISSION_WAIT;
	case CLEANUP_READY:
		return SUBMISSION_READY;
	case CLEANUP_QUEUED:
		return SUBMISSION_QUEUED;
	case CLEANUP_REFUSED:
		break;
	}
	e = cleanup_error(s->cleanup);
	refuse(s, e->code >= 500 ? EX_UNAVAILABLE : 0, str_iprefix(e->text, "Error: ") ? e->text + 7 : e->text);
	return SUBMISSION_REFUSED;
}

const char *submission_why(const struct submission *s, int *status_r)
{
	*status_r = s->status;
	return s->why != NULL ? s->why : "";
}

const char *submission_id(const struct submission *s)
{
	return cleanup_message(s->cleanup)->name;
}

void submission_free(struct submission **sp)
{
	struct submission *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->cleanup != NULL)
		cleanup_free(&s->cleanup);
	if (s->service != NULL)
		service_unref(&s->service);
	buf_release(&s->line);
	buf_release(&s->headers);
	free(s->sender);
	free(s->full_name);
	free(s->envid);
	free(s->verp);
	free(s->log_name);
	free(s->why);
	free(s);
}
