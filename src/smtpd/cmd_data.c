/* cmd_data.c - DATA: the envelope is closed, content follows. */
#include "session.h"

enum { STEP_SYNTAX, STEP_RULES };

/* With pipelining DATA may come although every recipient was refused: that is no protocol error. */
static enum cmd_result syntax(struct session *s, struct command *c)
{
	if (s->bdat != BDAT_NONE)
		return protocol_error(s, "503 5.5.1 Error: DATA after BDAT");
	if (s->trans == NULL)
		return protocol_error(s, "503 5.5.1 Error: need RCPT command");
	if (s->trans->rcpt_count == 0 || s->trans->cleanup == NULL) {
		reply(s, "554 5.5.1 Error: no valid recipients");
		return CMD_BAD;
	}
	if (c->argc != 1)
		return protocol_error(s, "501 5.5.4 Syntax: DATA");
	return CMD_OK;
}

enum cmd_result cmd_data(struct session *s, struct command *c)
{
	enum cmd_result r;

	if (c->step == STEP_SYNTAX) {
		if ((r = syntax(s, c)) != CMD_OK)
			return r;
		session_facts_all(s, &c->facts);
		c->step = STEP_RULES;
		if (!s->stand_alone)
			access_start(&c->access, &s->task, s->conf->access, ACCESS_DATA, &c->facts, &s->memory,
			    &s->actions);
	}
	if (!s->stand_alone && (r = command_rules(s, c)) != CMD_OK)
		return r;
	trans_content(s);
	content_start(s, false);
	reply(s, "354 End data with <CR><LF>.<CR><LF>");
	s->where = "DATA content";
	return CMD_CONTENT;
}
