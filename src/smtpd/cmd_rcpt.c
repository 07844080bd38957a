/* cmd_rcpt.c - RCPT TO. */
#include "session.h"
#include <postrider/store.h>
#include <stdlib.h>

enum { STEP_SYNTAX, STEP_ADDRESS, STEP_RULES };

static enum cmd_result dsn_off(struct session *s)
{
	return protocol_error(s, "501 5.7.1 DSN support is disabled");
}

/* RFC 3461 4.1: NEVER alone, or a list of the others. 0: neither. */
static unsigned notify_mask(struct session *s, const char *value)
{
	static const struct { const char *word; unsigned bit; } words[] = {
		{ "NEVER", DSN_NEVER }, { "SUCCESS", DSN_SUCCESS }, { "FAILURE", DSN_FAILURE }, { "DELAY", DSN_DELAY },
	};
	struct strs list = { 0 };
	unsigned mask = 0;

	strs_split(&list, value, ", \t\r\n");
	for (size_t i = 0; i < list.n; i++) {
		size_t w;

		for (w = 0; w < NELEM(words) && !str_ieq(list.v[i], words[w].word); w++)
			;
		if (w == NELEM(words)) {
			log_warn(&s->log, "unknown DSN NOTIFY command value \"%s\" in \"%s\"", list.v[i], value);
			mask = 0;
			break;
		}
		mask |= words[w].bit;
	}
	strs_release(&list);
	return (mask & DSN_NEVER) && mask != DSN_NEVER ? 0 : mask;
}

static enum cmd_result param_notify(struct session *s, struct command *c, const char *value)
{
	if (s->discard & EHLO_DSN)
		return dsn_off(s);
	if (c->notify != 0 || (c->notify = notify_mask(s, value)) == 0)
		return protocol_error(s, "501 5.5.4 Error: Bad NOTIFY parameter syntax");
	return CMD_OK;
}

/* "utf-8;" addresses have their own encoding, RFC 6533 3: \x{HEX}, or xtext where that was used by mistake. */
static bool decode_uxtext(struct buf *out, const char *p)
{
	for (; *p != '\0'; p++) {
		char *end;
		unsigned long c;

		if (p[0] != '\\' || p[1] != 'x') {
			buf_addc(out, *p);
			continue;
		}
		if (p[2] != '{')
			return false;
		c = strtoul(p + 3, &end, 16);
		if (end == p + 3 || *end != '}' || c == 0 || c > 0x10ffff)
			return false;
		if (c < 0x80) {
			buf_addc(out, (char)c);
		} else if (c < 0x800) {
			buf_addc(out, (char)(0xc0 | c >> 6));
			buf_addc(out, (char)(0x80 | (c & 0x3f)));
		} else if (c < 0x10000) {
			buf_addc(out, (char)(0xe0 | c >> 12));
			buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
			buf_addc(out, (char)(0x80 | (c & 0x3f)));
		} else {
			buf_addc(out, (char)(0xf0 | c >> 18));
			buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
			buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
			buf_addc(out, (char)(0x80 | (c & 0x3f)));
		}
		p = end;
	}
	return true;
}

static enum cmd_result param_orcpt(struct session *s, struct command *c, const char *value)
{
	const char *semi = strchr(value, ';');
	struct buf text = { 0 };
	bool ok = false;

	if (s->discard & EHLO_DSN)
		return dsn_off(s);
	if (c->orcpt == NULL && semi != NULL && semi > value) {
		buf_add(&text, value, (size_t)(semi - value) + 1);
		ok = str_iprefix(value, "utf-8;") ? decode_uxtext(&text, semi + 1) : xtext_text(&text, semi + 1);
	}
	if (ok)
		c->orcpt = arena_strdup(&c->arena, text.p);
	buf_release(&text);
	return ok ? CMD_OK : protocol_error(s, "501 5.5.4 Error: Bad ORCPT parameter syntax");
}

static enum cmd_result parameters(struct session *s, struct command *c)
{
	for (size_t i = 3; i < c->argc; i++) {
		const char *arg = c->argv[i].text;
		enum cmd_result r;

		if (str_iprefix(arg, "NOTIFY=")) {		/* RFC 3461 */
			r = param_notify(s, c, arg + 7);
		} else if (str_iprefix(arg, "ORCPT=")) {
			r = param_orcpt(s, c, arg + 6);
		} else {
			note_error(s, ACCESS_ERR_PROTOCOL);
			reply(s, "555 5.5.4 Unsupported option: %s", arg);
			return CMD_BAD;
		}
		if (r != CMD_OK)
			return r;
	}
	return CMD_OK;
}

static enum cmd_result syntax(struct session *s, struct command *c)
{
	if (s->trans == NULL)
		return protocol_error(s, "503 5.5.1 Error: need MAIL command");
	if (s->bdat != BDAT_NONE)	/* RFC 3030 2: once a chunk came the envelope is closed */
		return protocol_error(s, "503 5.5.1 Error: RCPT after BDAT");
	if (c->argc < 3 || !str_ieq(c->argv[1].text, "to:"))
		return protocol_error(s, "501 5.5.4 Syntax: RCPT TO:<address>");
	return CMD_OK;
}

/* RFC 5321 4.5.3.1.10: 452 for too many. Some overshoot is no error: the client may have pipelined. */
static enum cmd_result too_many(struct session *s)
{
	reply(s, "452 4.5.3 Error: too many recipients");
	if (s->rcpt_overshoot++ < (unsigned)view_int(s->view, smtpd_recipient_overshoot_limit))
		return CMD_OK;
	note_error(s, ACCESS_ERR_POLICY);
	return CMD_BAD;
}

/* RFC 3461 5.2.1: without ORCPT we may make one of the address as the client gave it. */
static const char *make_orcpt(struct command *c)
{
	const char *text = c->argv[2].text;
	size_t n = strlen(text);

	if (c->orcpt != NULL)
		return c->orcpt;
	if (n >= 2 && text[0] == '<' && text[n - 1] == '>')
		return arena_printf(&c->arena, "rfc822;%.*s", (int)(n - 2), text + 1);
	return arena_printf(&c->arena, "rfc822;%s", text);
}

static enum cmd_result accept_rcpt(struct session *s, struct command *c)
{
	if (s->trans->cleanup == NULL)
		trans_open(s);
	trans_add(s, buf_str(&c->addr.addr), make_orcpt(c), c->notify);
	reply(s, "250 2.1.5 Ok");
	return CMD_OK;
}

enum cmd_result cmd_rcpt(struct session *s, struct command *c)
{
	enum cmd_result r;
	int limit = view_int(s->view, smtpd_recipient_limit);

	switch (c->step) {
	case STEP_SYNTAX:
		if ((r = syntax(s, c)) != CMD_OK)
			return r;
		c->step = STEP_ADDRESS;
		/* fallthrough */
	case STEP_ADDRESS:
		switch (addr_poll(s, c, &c->argv[2], false, view_bool(s->view, strict_rfc821_envelopes))) {
		case ADDR_WAIT:
			return CMD_WAIT;
		case ADDR_BAD:
			return protocol_error(s, "501 5.1.3 Bad recipient address syntax");
		case ADDR_NEEDS_UTF8:
			return protocol_error(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
		case ADDR_OK:
			break;
		}
		if ((r = parameters(s, c)) != CMD_OK)
			return r;
		if (limit > 0 && s->trans->rcpt_count >= (unsigned)limit)
			return too_many(s);
		if (s->stand_alone || str_ieq(c->addr.addr.p, s->conf->verify_sender))
			return accept_rcpt(s, c);
		session_facts(s, &c->facts);
		c->facts.recipient = c->addr.addr.p;
		access_start(
		    &c->access, &s->task, s->conf->access, ACCESS_RCPT, &c->facts, &s->memory, &s->actions);
		c->step = STEP_RULES;
		/* fallthrough */
	default:
		return (r = command_rules(s, c)) == CMD_OK ? accept_rcpt(s, c) : r;
	}
}
