/* cmd_vrfy.c - VRFY: what RCPT would say, without a promise. RFC 5321 3.5.3: 252, never 250. */
#include "session.h"

enum { STEP_SYNTAX, STEP_ADDRESS, STEP_RULES };

static enum cmd_result syntax(struct session *s, struct command *c)
{
	bool utf8 = view_bool(s->view, smtputf8_enable) && (s->discard & EHLO_SMTPUTF8) == 0;

	if (view_bool(s->view, disable_vrfy_command)) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "502 5.5.1 VRFY command is disabled");
		return CMD_BAD;
	}
	/* RFC 6531 3.7.4.2: SMTPUTF8 behind the address; for one command only, a transaction keeps its own. */
	if (utf8 && c->argc == 3 && str_ieq(c->argv[2].text, "SMTPUTF8")) {
		c->utf8 = true;
		c->argc--;
	}
	if (c->argc < 2) {
		note_error(s, ACCESS_ERR_PROTOCOL);
		reply(s, "501 5.5.4 Syntax: VRFY address%s", utf8 ? " [SMTPUTF8]" : "");
		return CMD_BAD;
	}
	c->argv[1].bad = false;		/* an open quote ends with the line */
	if (c->argc > 2) {		/* all of it is the address */
		struct buf b = { 0 };

		for (size_t i = 1; i < c->argc; i++)
			buf_addf(&b, "%s%s", i > 1 ? " " : "", c->argv[i].text);
		c->argv[1].text = arena_strdup(&c->arena, b.p);
		c->argc = 2;
		buf_release(&b);
	}
	return CMD_OK;
}

static enum addr_result address(struct session *s, struct command *c)
{
	bool outer = s->smtputf8;
	enum addr_result r;

	s->smtputf8 = c->utf8;
	r = addr_poll(s, c, &c->argv[1], false, false);
	s->smtputf8 = outer;
	return r;
}

static enum cmd_result known(struct session *s, struct command *c)
{
	reply(s, "252 2.0.0 %s", c->argv[1].text);
	return CMD_OK;
}

enum cmd_result cmd_vrfy(struct session *s, struct command *c)
{
	enum cmd_result r;

	switch (c->step) {
	case STEP_SYNTAX:
		if ((r = syntax(s, c)) != CMD_OK)
			return r;
		c->step = STEP_ADDRESS;
		/* fallthrough */
	case STEP_ADDRESS:
		switch (address(s, c)) {
		case ADDR_WAIT:
			return CMD_WAIT;
		case ADDR_BAD:
			return protocol_error(s, "501 5.1.3 Bad recipient address syntax");
		case ADDR_NEEDS_UTF8:
			return protocol_error(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
		case ADDR_OK:
			break;
		}
		if (s->stand_alone)
			return known(s, c);
		session_facts(s, &c->facts);
		c->facts.recipient = c->addr.addr.p;
		access_start(&c->access, &s->task, s->conf->access, ACCESS_RCPT, &c->facts, &s->memory,
		    s->trans != NULL ? &s->actions : NULL);
		c->step = STEP_RULES;
		/* fallthrough */
	default:
		return (r = command_rules(s, c)) == CMD_OK ? known(s, c) : r;
	}
}
