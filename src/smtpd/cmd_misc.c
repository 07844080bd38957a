/* cmd_misc.c - the verbs that need a few lines: RSET, NOOP, QUIT, and STARTTLS and AUTH while they are off. */
#include "session.h"

enum cmd_result cmd_rset(struct session *s, struct command *c)
{
	if (c->argc != 1)
		return protocol_error(s, "501 5.5.4 Syntax: RSET");
	history_turn(s);
	session_reset(s);
	reply(s, "250 2.0.0 Ok");
	return CMD_OK;
}

/* RFC 5321 4.1.1.9: a parameter string is to be ignored. */
enum cmd_result cmd_noop(struct session *s, struct command *c UNUSED)
{
	reply(s, "250 2.0.0 Ok");
	return CMD_OK;
}

enum cmd_result cmd_quit(struct session *s, struct command *c UNUSED)
{
	reply(s, "221 2.0.0 Bye");
	return CMD_QUIT;
}

enum cmd_result cmd_starttls(struct session *s, struct command *c)
{
	if (c->argc != 1)
		return protocol_error(s, "501 5.5.4 Syntax: STARTTLS");
	return protocol_error(s, "502 5.5.1 Error: command not implemented");
}

enum cmd_result cmd_auth(struct session *s, struct command *c UNUSED)
{
	if (view_bool(s->view, smtpd_helo_required) && s->helo == NULL) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "503 5.5.1 Error: send HELO/EHLO first");
		return CMD_BAD;
	}
	return protocol_error(s, "503 5.5.1 Error: authentication not enabled");
}
