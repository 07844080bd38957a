/* cmd_mail.c - MAIL FROM. */
#include "session.h"
#include <postrider/store.h>
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { STEP_SYNTAX, STEP_ADDRESS, STEP_PARAMETERS, STEP_RULES, STEP_REWRITE };

static bool all_digits(const char *p)
{
	return *p != '\0' && strspn(p, "0123456789") == strlen(p);
}

static bool all_printable(const char *p)
{
	for (; *p != '\0'; p++)
		if (!isprint((unsigned char)*p))
			return false;
	return true;
}

static enum cmd_result dsn_off(struct session *s)
{
	return protocol_error(s, "501 5.7.1 DSN support is disabled");
}

static enum cmd_result param_size(struct session *s, const char *value)
{
	if (!all_digits(value))
		return protocol_error(s, "501 5.5.4 Bad message size syntax");
	if (!str_to_int(value, 0, INT64_MAX, &s->msg_size)) {
		s->msg_size = -1;
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "552 5.3.4 Message size exceeds file system imposed limit");
		return CMD_BAD;
	}
	return CMD_OK;
}

static enum cmd_result param_ret(struct session *s, const char *value)
{
	if (s->discard & EHLO_DSN)
		return dsn_off(s);
	if (s->dsn_ret != DSN_RET_NONE || !(str_ieq(value, "FULL") || str_ieq(value, "HDRS")))
		return protocol_error(s, "501 5.5.4 Bad RET parameter syntax");
	s->dsn_ret = str_ieq(value, "FULL") ? DSN_RET_FULL : DSN_RET_HDRS;
	return CMD_OK;
}

static enum cmd_result param_envid(struct session *s, struct command *c, const char *value)
{
	struct buf text = { 0 };
	bool ok;

	if (s->discard & EHLO_DSN)
		return dsn_off(s);
	ok = c->envid == NULL && *value != '\0' && xtext_text(&text, value) && all_printable(buf_str(&text));
	if (ok)
		c->envid = arena_strdup(&c->arena, buf_str(&text));
	buf_release(&text);
	return ok ? CMD_OK : protocol_error(s, "501 5.5.4 Bad ENVID parameter syntax");
}

/* XVERP or XVERP=+= */
static enum cmd_result param_verp(struct session *s, struct command *c, const char *arg)
{
	const char *allowed = view_str(s->view, verp_delimiter_filter), *value = arg + 6;

	if (arg[5] == '\0') {
		c->verp = view_str(s->view, default_verp_delimiters);
		return CMD_OK;
	}
	if (strlen(value) != 2 || strchr(allowed, value[0]) == NULL || strchr(allowed, value[1]) == NULL) {
		note_error(s, ACCESS_ERR_PROTOCOL);
		reply(s, "501 5.5.4 Error: XVERP needs two characters from %s", allowed);
		return CMD_BAD;
	}
	c->verp = value;
	return CMD_OK;
}

static bool utf8_offered(const struct session *s)
{
	return view_bool(s->view, smtputf8_enable) && (s->discard & EHLO_SMTPUTF8) == 0;
}

enum match_result verp_match(struct session *s, struct command *c)
{
	enum match_result m;

	if (s->stand_alone || match_list_empty(s->conf->verp))
		return MATCH_NO;
	if (c->match.list == NULL)
		match_start(&c->match, &s->task, &s->log, s->conf->verp, s->name, s->addr);
	if ((m = match_poll(&c->match)) != MATCH_WAIT)
		match_end(&c->match);
	return m;
}

/* The parameters that are not the usual ones, and so are looked at after XVERP: as with Postfix the list of those who may
 * say it is asked for each. */
static enum cmd_result rare_parameter(struct session *s, struct command *c, const char *arg)
{
	enum match_result verp = verp_match(s, c);

	if (verp == MATCH_WAIT)
		return CMD_WAIT;
	if (verp == MATCH_YES && str_iprefix(arg, "XVERP") && (arg[5] == '\0' || arg[5] == '='))
		return param_verp(s, c, arg);
	if (str_iprefix(arg, "RET=")) /* RFC 3461 */
		return param_ret(s, arg + 4);
	if (str_iprefix(arg, "ENVID="))
		return param_envid(s, c, arg + 6);
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply(s, "555 5.5.4 Unsupported option: %s", arg);
	return CMD_BAD;
}

static enum cmd_result parameter(struct session *s, struct command *c, const char *arg)
{
	if (str_ieq(arg, "BODY=8BITMIME")) {		/* RFC 6152 */
		s->body_8bit = true;
		s->body_7bit = false;
	} else if (str_ieq(arg, "BODY=7BIT")) {
		s->body_7bit = true;
		s->body_8bit = false;
	} else if (str_iprefix(arg, "SIZE=")) {		/* RFC 1870 */
		return param_size(s, arg + 5);
	} else if (utf8_offered(s) && str_ieq(arg, "SMTPUTF8")) { /* RFC 6531; noted before the address was looked at */
		return CMD_OK;
	} else if (str_iprefix(arg, "AUTH=")) { /* RFC 4954 */
		return CMD_OK;
	} else {
		return rare_parameter(s, c, arg);
	}
	return CMD_OK;
}

static enum cmd_result syntax(struct session *s, struct command *c)
{
	s->body_8bit = s->body_7bit = s->smtputf8 = false;
	s->dsn_ret = DSN_RET_NONE;
	if (view_bool(s->view, smtpd_helo_required) && s->helo == NULL) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "503 5.5.1 Error: send HELO/EHLO first");
		return CMD_BAD;
	}
	if (s->trans != NULL)
		return protocol_error(s, "503 5.5.1 Error: nested MAIL command");
	if (s->bdat != BDAT_NONE)	/* a chunk out of order */
		return protocol_error(s, "503 5.5.1 Error: MAIL after BDAT");
	if (c->argc < 3 || !str_ieq(c->argv[1].text, "from:"))
		return protocol_error(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
	for (size_t i = 3; i < c->argc; i++)
		if (utf8_offered(s) && str_ieq(c->argv[i].text, "SMTPUTF8"))
			s->smtputf8 = true;
	return CMD_OK;
}

/* Behind the address: parameters, SIZE against message_size_limit. */
static enum cmd_result parameters(struct session *s, struct command *c)
{
	int64_t limit = view_long(s->view, message_size_limit);
	struct buf text = { 0 };

	for (; c->param < c->argc; c->param++) {
		enum cmd_result r = parameter(s, c, c->argv[c->param].text);

		if (r != CMD_OK)
			return r;
	}
	session_facts(s, &c->facts);
	c->facts.sender = buf_str(&c->addr.addr);
	if (limit > 0 && s->msg_size > limit) {
		access_reject(&text, &c->facts, 552, "5.3.4", "Message size exceeds fixed limit");
		note_error(s, ACCESS_ERR_POLICY);
		reply_text(s, text.p);
		buf_release(&text);
		return CMD_BAD;
	}
	if (c->verp != NULL && c->addr.addr.len == 0) {
		reply(s, "503 5.5.4 Error: XVERP requires non-null sender");
		return CMD_BAD;
	}
	return CMD_OK;
}

static enum cmd_result check_room(struct session *s, struct command *c)
{
	int64_t limit = MIN(view_long(s->view, message_size_limit), INT64_MAX / 4);	/* no file system has that much */
	struct store_stats st;
	struct buf text = { 0 };

	/* as Postfix: room for one and a half of the largest message, whatever SIZE= said of this one */
	if (store_has_room(limit + limit / 2))
		return CMD_OK;
	store_stats(&st);
	access_reject(&text, &c->facts, 452, "4.3.1", "Insufficient system storage");
	log_warn(&s->log, "not enough free space in mail queue: %llu bytes < %g*message size limit",
	    (unsigned long long)st.fs_free, 1.5);
	note_error(s, ACCESS_ERR_RESOURCE);
	reply_text(s, text.p);
	buf_release(&text);
	return CMD_BAD;
}

static enum cmd_result accept_sender(struct session *s, struct command *c, bool local)
{
	if (check_room(s, c) != CMD_OK) {
		session_reset(s);
		return CMD_BAD;
	}
	trans_new(s, buf_str(&c->addr.addr));
	s->trans->local_context = local;
	if (c->envid != NULL)
		s->trans->envid = xstrdup(c->envid);
	if (c->verp != NULL)
		s->trans->verp = xstrdup(c->verp);
	if (!view_bool(s->view, smtpd_delay_open_until_valid_rcpt))
		trans_open(s);
	reply(s, "250 2.1.0 Ok");
	return CMD_OK;
}

static enum cmd_result rejected(struct session *s, const char *text)
{
	char *copy = xstrdup(text);	/* the reset may take it along */

	session_reset(s);
	reply_text(s, copy);
	free(copy);
	return CMD_BAD;
}

static enum cmd_result rules(struct session *s, struct command *c)
{
	enum access_verdict v = access_poll(&c->access);

	if (v == ACCESS_WAIT)
		return CMD_WAIT;
	note_error(s, c->access.error_class);
	if (v == ACCESS_HANGUP) {
		s->quiet = s->hangup = true;
		return CMD_BAD;
	}
	return v == ACCESS_REJECT ? rejected(s, c->access.reply) : CMD_OK;
}

enum cmd_result cmd_mail(struct session *s, struct command *c)
{
	enum cmd_result r;

	switch (c->step) {
	case STEP_SYNTAX:
		if ((r = syntax(s, c)) != CMD_OK)
			return r;
		c->step = STEP_ADDRESS;
		/* fallthrough */
	case STEP_ADDRESS:
		switch (addr_poll(s, c, &c->argv[2], true, view_bool(s->view, strict_rfc821_envelopes))) {
		case ADDR_WAIT:
			return CMD_WAIT;
		case ADDR_BAD:
			return protocol_error(s, "501 5.1.7 Bad sender address syntax");
		case ADDR_NEEDS_UTF8:
			return protocol_error(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
		case ADDR_OK:
			break;
		}
		c->param = 3;
		c->step = STEP_PARAMETERS;
		/* fallthrough */
	case STEP_PARAMETERS:
		if ((r = parameters(s, c)) != CMD_OK)
			return r;
		if (s->stand_alone)
			return accept_sender(s, c, true);
		access_start(&c->access, &s->task, s->conf->access, ACCESS_MAIL, &c->facts, &s->memory, &s->actions);
		c->step = STEP_RULES;
		/* fallthrough */
	case STEP_RULES:
		if ((r = rules(s, c)) != CMD_OK)
			return r;
		access_end(&c->access);
		access_rewrite_start(&c->access, &s->task, s->conf->access, &c->facts);
		c->step = STEP_REWRITE;
		/* fallthrough */
	default:
		switch (access_rewrite_poll(&c->access)) {
		case ACCESS_REWRITE_WAIT:
			return CMD_WAIT;
		case ACCESS_REWRITE_ERROR:
			return rejected(s, c->access.reply);
		case ACCESS_REWRITE_LOCAL:
			return accept_sender(s, c, true);
		case ACCESS_REWRITE_REMOTE:
			break;
		}
		return accept_sender(s, c, false);
	}
}
