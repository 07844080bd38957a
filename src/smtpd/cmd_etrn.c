/* cmd_etrn.c - ETRN, RFC 1985: deliver now what is queued for a site. Its replies carry no enhanced codes. */
#include "session.h"
#include <postrider/address.h>
#include <postrider/qmgr.h>

enum { STEP_SYNTAX, STEP_RULES, STEP_FLUSH };

static bool valid_site(const char *site)
{
	char literal[INET6_ADDRSTRLEN];

	return *site == '[' ? address_literal(site, literal, sizeof(literal)) : dns_valid_hostname(site, NULL);
}

static enum cmd_result syntax(struct session *s, struct command *c)
{
	if (view_bool(s->view, smtpd_helo_required) && s->helo == NULL) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "503 Error: send HELO/EHLO first");
		return CMD_BAD;
	}
	if (s->trans != NULL)
		return protocol_error(s, "503 Error: MAIL transaction in progress");
	if (c->argc != 2)
		return protocol_error(s, "500 Syntax: ETRN domain");
	if (c->argv[1].text[0] == '@' || c->argv[1].text[0] == '#')
		c->argv[1].text++;
	if (!valid_site(c->argv[1].text))
		return protocol_error(s, "501 Error: invalid parameter syntax");
	if (s->stand_alone) {
		log_warn(&s->log, "do not use ETRN in \"sendmail -bs\" mode");
		reply(s, "458 Unable to queue messages");
		return CMD_BAD;
	}
	return CMD_OK;
}

/* RFC 1985 4.2: 459 when the server refuses, 458 when it cannot. */
static enum cmd_result flush(struct session *s, struct command *c)
{
	const char *site = c->argv[1].text;

	switch (match_poll(&c->match)) {
	case MATCH_WAIT:
		return CMD_WAIT;
	case MATCH_YES:
		qmgr_flush_site(site);
		reply(s, "250 Queuing started");
		return CMD_OK;
	case MATCH_NO:
		log_warn(&s->log, "reject: ETRN %.100s... from %s", site, s->client);
		reply(s, "459 <%s>: service unavailable", site);
		return CMD_BAD;
	case MATCH_ERROR:
		break;
	}
	log_warn(&s->log, "unable to talk to fast flush service");
	reply(s, "458 Unable to queue messages");
	return CMD_BAD;
}

enum cmd_result cmd_etrn(struct session *s, struct command *c)
{
	enum cmd_result r;

	switch (c->step) {
	case STEP_SYNTAX:
		if ((r = syntax(s, c)) != CMD_OK)
			return r;
		session_facts(s, &c->facts);
		c->facts.etrn_name = c->argv[1].text;
		access_start(&c->access, &s->task, s->conf->access, ACCESS_ETRN, &c->facts, &s->memory, NULL);
		c->step = STEP_RULES;
		/* fallthrough */
	case STEP_RULES:
		if ((r = command_rules(s, c)) != CMD_OK)
			return r;
		match_start(&c->match, &s->task, &s->log, s->conf->flush_domains, c->argv[1].text, NULL);
		c->step = STEP_FLUSH;
		/* fallthrough */
	default:
		return flush(s, c);
	}
}
