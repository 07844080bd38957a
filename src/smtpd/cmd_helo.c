/* cmd_helo.c - HELO and EHLO.
 * RFC 5321 4.1.4: both clear all buffers and reset the state as RSET does. Their replies carry no enhanced codes. */
#include "session.h"
#include <stdlib.h>

/* What would spoil a Received: header's comment or a log line becomes '?'. */
void neuter(char *s)
{
	for (; *s != '\0'; s++)
		if (strchr(" <>()\\\";@", *s) != NULL)
			*s = '?';
}

/* Everything behind the verb is the name, blanks and all. */
static char *argument(struct command *c)
{
	struct buf b = { 0 };
	char *text;

	for (size_t i = 1; i < c->argc; i++)
		buf_addf(&b, "%s%s", i > 1 ? " " : "", c->argv[i].text);
	text = arena_strdup(&c->arena, buf_str(&b));
	buf_release(&b);
	return text;
}

enum { STEP_SYNTAX, STEP_RULES, STEP_GREETED };

/* OK: the name is taken. */
static enum cmd_result greeted(struct session *s, struct command *c, const char *syntax)
{
	enum cmd_result r;
	char *name;

	if (c->step == STEP_SYNTAX) {
		if (c->argc < 2)
			return protocol_error(s, syntax);
		session_facts(s, &c->facts);
		c->facts.helo = argument(c);
		c->step = STEP_RULES;
		if (!s->stand_alone)
			access_start(&c->access, &s->task, s->conf->access, ACCESS_HELO, &c->facts, &s->memory, NULL);
	}
	if (!s->stand_alone && (r = command_rules(s, c)) != CMD_OK)
		return r;
	history_turn(s);
	session_reset(s);
	name = xstrdup(c->facts.helo);
	neuter(printable(s, name));
	free(s->helo);
	s->helo = name;
	return CMD_OK;
}

enum cmd_result cmd_helo(struct session *s, struct command *c)
{
	enum cmd_result r = greeted(s, c, "501 Syntax: HELO hostname");

	if (r == CMD_OK)	/* a session that was ESMTP once stays so: it may pipeline */
		reply(s, "250 %s", view_str(s->view, myhostname));
	return r;
}

static void keyword(struct buf *b, const struct session *s, unsigned bit, const char *text)
{
	if ((s->discard & bit) == 0)
		buf_addf(b, "250-%s\r\n", text);
}

static void keywords(struct session *s, struct buf *b, bool verp)
{
	char size[40];

	keyword(b, s, EHLO_PIPELINING, "PIPELINING");
	str_copy(size, "SIZE", sizeof(size));
	if (view_long(s->view, message_size_limit) > 0) {
		char *with = xasprintf("SIZE %lld", (long long)view_long(s->view, message_size_limit));

		str_copy(size, with, sizeof(size));
		free(with);
	}
	keyword(b, s, EHLO_SIZE, size);
	if (!view_bool(s->view, disable_vrfy_command))
		keyword(b, s, EHLO_VRFY, "VRFY");
	keyword(b, s, EHLO_ETRN, "ETRN");
	if (verp)
		keyword(b, s, EHLO_VERP, "XVERP");
	if (s->xclient_ok)
		keyword(b, s, EHLO_XCLIENT, "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT");
	if (s->xforward_ok)
		keyword(b, s, EHLO_XFORWARD, "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
	keyword(b, s, EHLO_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES");
	keyword(b, s, EHLO_8BITMIME, "8BITMIME");
	keyword(b, s, EHLO_DSN, "DSN");
	if (view_bool(s->view, smtputf8_enable))
		keyword(b, s, EHLO_SMTPUTF8, "SMTPUTF8");
	keyword(b, s, EHLO_CHUNKING, "CHUNKING");
}

static void log_discarded(struct session *s)
{
	struct buf names = { 0 };

	if (s->discard == 0 || (s->discard & (EHLO_SILENT | EHLO_ENHANCEDSTATUSCODES)))
		return;
	keyword_names(&names, s->discard);
	log_info(&s->log, "discarding EHLO keywords: %s", buf_str(&names));
	buf_release(&names);
}

/* A list or table that decides what EHLO says has failed: as Postfix, rather nothing than a guess. */
static enum cmd_result unsure(struct session *s, const char *feature)
{
	if (feature == NULL)
		log_warn(&s->log, "don't know what EHLO features to announce to %s", s->client);
	else
		log_warn(&s->log, "don't know if EHLO feature %s should be announced to %s", feature, s->client);
	return local_data_error(s);
}

static void announce(struct session *s, bool verp)
{
	struct buf b = { 0 };
	char *last;

	buf_addf(&b, "250-%s\r\n", view_str(s->view, myhostname));
	keywords(s, &b, verp);
	/* the last line has a blank for its hyphen */
	b.p[b.len - 2] = '\0';
	last = strrchr(b.p, '\n');
	(last != NULL ? last + 1 : b.p)[3] = ' ';
	b.p[b.len - 2] = '\r';
	reply_ehlo(s, b.p);
	buf_release(&b);
}

enum cmd_result cmd_ehlo(struct session *s, struct command *c)
{
	enum match_result verp = MATCH_NO;

	if (c->step != STEP_GREETED) {
		enum cmd_result r = greeted(s, c, "501 Syntax: EHLO hostname");

		if (r != CMD_OK)
			return r;
		s->esmtp = true;
		if (s->discard_unsure)
			return unsure(s, NULL);
		log_discarded(s);
		c->step = STEP_GREETED;
	}
	if ((s->discard & EHLO_VERP) == 0 && (verp = verp_match(s, c)) == MATCH_WAIT)
		return CMD_WAIT;
	if (verp == MATCH_ERROR)
		return unsure(s, "XVERP");
	if (s->xclient_unsure && (s->discard & EHLO_XCLIENT) == 0)
		return unsure(s, "XCLIENT");
	if (s->xforward_unsure && (s->discard & EHLO_XFORWARD) == 0)
		return unsure(s, "XFORWARD");
	announce(s, verp == MATCH_YES);
	return CMD_OK;
}
