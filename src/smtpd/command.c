/* command.c - one line from the client: read, told apart, handed to its verb.
 *
 * A line may be long, may hold NULs, 8-bit bytes or a bare LF; what is too long is cut at line_length_limit and the
 * rest thrown away, and a NUL ends it. A client that talks ahead where it must wait (RFC 2920: nothing may follow
 * EHLO, DATA, NOOP, VRFY in one go, and nothing at all after HELO) is out of step with us: what it takes for our
 * replies is not what we said, so it is told and dropped (smtpd_forbid_unauth_pipelining). */
#include "session.h"
#include <postrider/address.h>
#include <postrider/mime.h>
#include <stdlib.h>

const struct verb verbs[VERBS] = {
	[V_HELO] = { "HELO", VERB_LIMIT | VERB_PRE_TLS | VERB_LAST, cmd_helo },
	[V_EHLO] = { "EHLO", VERB_LIMIT | VERB_PRE_TLS | VERB_LAST, cmd_ehlo },
	[V_XCLIENT] = { "XCLIENT", VERB_PRE_TLS, cmd_xclient },
	[V_XFORWARD] = { "XFORWARD", 0, cmd_xforward },
	[V_STARTTLS] = { "STARTTLS", VERB_PRE_TLS, cmd_starttls },
	[V_AUTH] = { "AUTH", 0, cmd_auth },
	[V_MAIL] = { "MAIL", 0, cmd_mail },
	[V_RCPT] = { "RCPT", 0, cmd_rcpt },
	[V_DATA] = { "DATA", VERB_LAST, cmd_data },
	[V_BDAT] = { "BDAT", 0, cmd_bdat },
	[V_RSET] = { "RSET", VERB_LIMIT, cmd_rset },
	[V_NOOP] = { "NOOP", VERB_LIMIT | VERB_PRE_TLS | VERB_LAST, cmd_noop },
	[V_VRFY] = { "VRFY", VERB_LIMIT | VERB_LAST, cmd_vrfy },
	[V_ETRN] = { "ETRN", VERB_LIMIT, cmd_etrn },
	[V_QUIT] = { "QUIT", VERB_PRE_TLS, cmd_quit },
	[V_UNKNOWN] = { "UNKNOWN", 0, NULL },
};

void command_end(struct session *s)
{
	struct command *c = s->cmd;
	struct arena a;

	s->cmd = NULL;
	if (c == NULL)
		return;
	access_end(&c->access);
	maps_end(&c->filter);
	match_end(&c->match);
	resolve_end(&c->addr.resolve);
	buf_release(&c->addr.addr);
	a = c->arena;		/* the command lies in it */
	arena_release(&a);
}

enum cmd_result protocol_error(struct session *s, const char *text)
{
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply_text(s, text);
	return CMD_BAD;
}

enum cmd_result command_rules(struct session *s, struct command *c)
{
	enum access_verdict v = access_poll(&c->access);

	if (v == ACCESS_WAIT)
		return CMD_WAIT;
	note_error(s, c->access.error_class);
	if (v == ACCESS_PASS)
		return CMD_OK;
	if (v == ACCESS_HANGUP)
		s->quiet = s->hangup = true;
	else
		reply_text(s, c->access.reply);
	return CMD_BAD;
}

/* ---- reading ---------------------------------------------------------------------------------------- */
static bool bare_lf_refused(struct session *s)
{
	struct access_facts f;

	if (s->conf->bare_lf != BARE_LF_REJECT || s->bare_lf_ok)
		return false;
	session_facts(s, &f);
	access_log(&f, "reject", "bare <LF> received");
	reply(s, "%d 5.5.2 %s Error: bare <LF> received", view_int(s->view, smtpd_forbid_bare_newline_reject_code),
	    view_str(s->view, myhostname));
	s->hangup = true;
	return true;
}

static void junk(struct session *s)
{
	if (s->junk++ > (unsigned)view_int(s->view, smtpd_junk_command_limit))
		s->errors++;
}

/* ---- what is no command --------------------------------------------------------------------------------- */
static bool looks_like_header(const struct command *c)
{
	const char *word = c->argv[0].text;

	return hdr_name_len(word, strlen(word)) > 0;
}

static void unknown_command(struct session *s, struct command *c, bool forbidden)
{
	if (forbidden || looks_like_header(c)) {
		log_warn(&s->log, "non-SMTP command from %s: %.100s", s->client, c->line);
		reply(s, "221 2.7.0 Error: I can break rules, too. Goodbye.");
		s->hangup = true;
		return;
	}
	if (s->denied == NULL)
		protocol_error(s, "500 5.5.2 Error: command not recognized");
	else
		reply(s, "503 5.7.0 Error: access denied for %s", s->client);
	s->errors++;
}

static void denied(struct session *s)
{
	if (strncmp(s->denied + 1, "21", 2) == 0) {
		reply_text(s, s->denied);
		return;
	}
	/* RFC 2821 3.1: after a rejected connection, 503 to all but QUIT. */
	reply(s, "503 5.7.0 Error: access denied for %s", s->client);
	s->errors++;
}

static void escape(struct buf *out, const char *p, size_t n)
{
	static const char from[] = "\a\b\f\n\r\t\v", to[] = "abfnrtv";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		const char *e = c != 0 ? strchr(from, c) : NULL;

		if (e != NULL)
			buf_addf(out, "\\%c", to[e - from]);
		else if (c == '\\')
			buf_adds(out, "\\\\");
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(out, "\\%03o", c);
		else
			buf_addc(out, (char)c);
	}
}

/* True: the client talked ahead, and that ends the session. */
static bool out_of_step(struct session *s, const struct verb *v)
{
	struct slice ahead;
	struct buf text = { 0 };

	if (s->stand_alone || s->early || (s->esmtp && (v->flags & VERB_LAST) == 0) || stream_readable(s->stream) == 0)
		return false;
	if (stream_peek(s->stream, &ahead) != STREAM_OK)
		return false;
	escape(&text, ahead.p, MIN(ahead.len, 100));
	log_info(&s->log, "improper command pipelining after %s from %s: %s", v->name, s->client, buf_str(&text));
	buf_release(&text);
	s->early = true;
	if (!view_bool(s->view, smtpd_forbid_unauth_pipelining))
		return false;
	reply(s, "554 5.5.0 Error: SMTP protocol synchronization");
	s->hangup = true;
	return true;
}

/* ---- dispatch ------------------------------------------------------------------------------------------- */
static const struct verb *verb_find(const char *word)
{
	for (size_t i = 0; i < V_UNKNOWN; i++)
		if (str_ieq(verbs[i].name, word))
			return &verbs[i];
	return &verbs[V_UNKNOWN];
}

/* smtpd_command_filter: repairs commands of broken clients. */
static enum table_result filter(struct session *s, struct command *c)
{
	enum table_result r;

	if (maps_empty(s->conf->command_filter))
		return TABLE_NONE;
	if (c->filter.maps == NULL)
		maps_start(&c->filter, &s->task, &s->log, s->conf->command_filter, c->line + strspn(c->line, " \t"),
		    MAPS_ALL);
	if ((r = maps_poll(&c->filter)) == TABLE_FOUND) {
		log_info(&s->log, "%s: replacing command \"%.100s\" with \"%.100s\"", s->client, c->line, c->filter.value);
		c->line = arena_strdup(&c->arena, c->filter.value);
	}
	return r;
}

/* False: there is no word to look at, and that was answered. */
static bool split(struct session *s, struct command *c)
{
	struct token argv[ARGS_MAX];

	if (view_bool(s->view, smtputf8_enable) && !str_is_utf8(c->line, strlen(c->line))) {
		protocol_error(s, "500 5.5.2 Error: bad UTF-8 syntax");
		s->errors++;
		return false;
	}
	c->argc = tokenize(&c->arena, c->line, argv, ARGS_MAX);
	c->argv = arena_alloc(&c->arena, (c->argc + 1) * sizeof(*argv));
	memcpy(c->argv, argv, c->argc * sizeof(*argv));
	if (c->argc == 0) {
		protocol_error(s, "500 5.5.2 Error: bad syntax");
		s->errors++;
	}
	return c->argc > 0;
}

static void ask_list(struct session *s, struct command *c, enum line_phase phase, const struct match_list *list)
{
	match_start(&c->match, &s->task, &s->log, list, c->argv[0].text, NULL);
	c->phase = phase;
}

/* Postfix: look-up errors are ignored, this is not critical. */
static enum match_result listed(struct command *c)
{
	enum match_result r = match_poll(&c->match);

	if (r != MATCH_WAIT)
		match_end(&c->match);
	return r;
}

/* True: the verb may run. */
static bool admitted(struct session *s, struct command *c)
{
	c->phase = LINE_RUN;
	if (s->denied != NULL && c->verb != &verbs[V_QUIT]) {
		denied(s);
		return false;
	}
	s->where = c->verb->name;
	return !out_of_step(s, c->verb);
}

enum line_result { LINE_WAITS = 0, LINE_ANSWERED, LINE_ADMITTED };

static enum line_result line_step(struct session *s, struct command *c)
{
	enum match_result m;

	switch (c->phase) {
	case LINE_FILTER:
		switch (filter(s, c)) {
		case TABLE_WAIT:
			return LINE_WAITS;
		case TABLE_ERROR:
			history_in(s, c->line);
			local_data_error(s);
			return LINE_ANSWERED;
		default:
			break;
		}
		history_in(s, c->line);
		if (!split(s, c))
			return LINE_ANSWERED;
		ask_list(s, c, LINE_NOOP, s->conf->noop_cmds);
		/* fallthrough */
	case LINE_NOOP:
		if ((m = listed(c)) == MATCH_WAIT)
			return LINE_WAITS;
		if (m == MATCH_YES) {
			reply(s, "250 2.0.0 Ok");
			junk(s);
			return LINE_ANSWERED;
		}
		c->verb = verb_find(c->argv[0].text);
		s->count[c->verb - verbs].all++;
		if (c->verb->run != NULL)
			return admitted(s, c) ? LINE_ADMITTED : LINE_ANSWERED;
		s->where = "UNKNOWN";
		ask_list(s, c, LINE_FORBIDDEN, looks_like_header(c) ? NULL : s->conf->forbidden_cmds);
		/* fallthrough */
	case LINE_FORBIDDEN:
		if ((m = listed(c)) == MATCH_WAIT)
			return LINE_WAITS;
		unknown_command(s, c, m == MATCH_YES);
		return LINE_ANSWERED;
	case LINE_RUN:
		break;
	}
	return LINE_ADMITTED;
}

static struct command *command_new(const struct slice *l, size_t len)
{
	struct arena a = { 0 };
	struct command *c = arena_alloc(&a, sizeof(*c));

	c->line = arena_strndup(&a, l->p, strnlen(l->p, len));
	c->arena = a;
	return c;
}

/* A whole line (or its beginning, if it was too long) is here. */
static void line_in(struct session *s, const struct slice *l, bool whole)
{
	size_t len = l->len;
	bool crlf = len > 0 && l->p[len - 1] == '\r';

	if (whole && !crlf && bare_lf_refused(s))
		return;
	if (whole && crlf)
		len--;
	while (whole && lenient_lines(s) && len > 0 && l->p[len - 1] == '\r')
		len--;
	s->cmd = command_new(l, len);
}

/* The rest of a line that was too long: thrown away before its reply, so that a flood costs its sender the time. */
static enum stream_result skip_line(struct session *s)
{
	for (;;) {
		struct slice in;
		const char *nl;
		enum stream_result r = stream_peek(s->stream, &in);

		if (r != STREAM_OK)
			return r;
		nl = memchr(in.p, '\n', in.len);
		stream_consume(s->stream, nl != NULL ? (size_t)(nl - in.p) + 1 : in.len);
		if (nl != NULL)
			return STREAM_OK;
	}
}

enum stream_result command_read(struct session *s)
{
	size_t max = MIN((size_t)view_int(s->view, line_length_limit), 32768);
	enum stream_result r;
	struct slice l;

	if (s->cut.len == 0) {
		r = stream_line(s->stream, max, &l);
		if (r == STREAM_TOO_LONG)
			buf_add(&s->cut, l.p, l.len);
		else if (r == STREAM_OK)
			line_in(s, &l, true);
		if (r != STREAM_TOO_LONG)
			return r;
	}
	if ((r = skip_line(s)) != STREAM_OK)
		return r;
	l = (struct slice){ s->cut.p, s->cut.len };
	line_in(s, &l, false);
	buf_release(&s->cut);
	return STREAM_OK;
}

bool command_run(struct session *s)
{
	struct command *c = s->cmd;
	enum line_result l = line_step(s, c);
	const struct verb *v = c->verb;
	enum cmd_result r;

	if (l != LINE_ADMITTED)
		return l == LINE_ANSWERED;
	if ((r = v->run(s, c)) == CMD_WAIT)
		return false;
	if (r == CMD_BAD)
		s->errors++;
	else if (r == CMD_OK || r == CMD_QUIT)
		s->count[v - verbs].ok++;
	if (v->flags & VERB_LIMIT)
		junk(s);
	if (r == CMD_QUIT)
		s->hangup = true;
	else if (r == CMD_CONTENT)
		session_enter(s, v == &verbs[V_DATA] ? ST_DATA : ST_BDAT);
	else if (r == CMD_RESTART)
		session_enter(s, ST_GREET);
	return true;
}

/* ---- addresses ------------------------------------------------------------------------------------------- */
static enum addr_result addr_bad(struct session *s, const char *text)
{
	char *copy = printable(s, xstrdup(text));

	log_warn(&s->log, "Illegal address syntax from %s in %s command: %s", s->client, s->where, copy);
	free(copy);
	return ADDR_BAD;
}

static enum addr_result addr_parse(
    struct session *s, struct command *c, const struct token *t, bool allow_empty, bool strict)
{
	struct addr_op *op = &c->addr;

	if (t->bad)
		return ADDR_BAD;
	if (!address_from_token(&op->addr, t->text, strict, allow_empty))
		return addr_bad(s, t->text);
	buf_adds(&op->addr, "");
	if (view_bool(s->view, strict_smtputf8) && !s->smtputf8 && !str_is_ascii(buf_str(&op->addr)))
		return ADDR_NEEDS_UTF8;
	return ADDR_OK;
}

/* Catches early what no table could make deliverable. */
enum addr_result addr_poll(struct session *s, struct command *c, const struct token *t, bool allow_empty, bool strict)
{
	struct addr_op *op = &c->addr;
	const struct generation *g = s->service->generation;
	const char *domain;

	if (op->step == 0) {
		struct buf full = { 0 };
		enum addr_result r = addr_parse(s, c, t, allow_empty, strict);

		if (r != ADDR_OK || s->stand_alone || op->addr.len == 0)
			return r;
		rewrite_address(g, REWRITE_LOCAL, op->addr.p, &full);
		resolve_start(&op->resolve, &s->task, g, s->trans != NULL ? s->trans->sender : "", buf_str(&full));
		buf_release(&full);
		op->step = 1;
	}
	if (resolve_poll(&op->resolve) == REWRITE_WAIT)
		return ADDR_WAIT;
	if (op->resolve.flags & RESOLVE_ERROR)
		return addr_bad(s, t->text);
	/* RFC 6531 3.3: non-ASCII domains only with SMTPUTF8. Local parts were never looked at that closely. */
	domain = address_domain(buf_str(&op->resolve.recipient));
	if (!s->smtputf8 && domain != NULL && !str_is_ascii(domain))
		return addr_bad(s, t->text);
	return ADDR_OK;
}
