/* cmd_bdat.c - BDAT, RFC 3030: a chunk of content, counted instead of dotted.
 *
 * The chunk comes right behind the command, whatever we think of it: one that is refused is read and thrown away
 * before the refusal is said, and after a refusal so are all others until LAST or RSET. A command from which
 * the length of the chunk cannot be known ends the session (521): nothing that follows could be trusted. */
#include "session.h"
#include <stdlib.h>

enum { STEP_SYNTAX, STEP_RULES };

static enum cmd_result malformed(struct session *s, struct command *c)
{
	char *copy = printable(s, xstrdup(c->line));

	log_warn(&s->log, "%s: malformed BDAT command syntax from %s: %.100s",
	    s->trans != NULL && s->trans->queue_id != NULL ? s->trans->queue_id : "NOQUEUE", s->client, copy);
	free(copy);
	return protocol_error(s, "521 5.5.4 Syntax: BDAT count [LAST]");
}

static enum cmd_result syntax(struct session *s, struct command *c, int64_t *size_r, bool *last_r)
{
	if (s->discard & EHLO_CHUNKING)
		return protocol_error(s, "521 5.5.1 Error: command not implemented");
	*last_r = c->argc == 3;
	if (c->argc < 2 || c->argc > 3 || strspn(c->argv[1].text, "0123456789") != strlen(c->argv[1].text) ||
	    !str_to_int(c->argv[1].text, 0, INT64_MAX, size_r) || (*last_r && !str_ieq(c->argv[2].text, "LAST")))
		return malformed(s, c);
	return CMD_OK;
}

static void chunk(struct session *s, int64_t size, bool last)
{
	struct content_in *in;

	if (s->content == NULL)
		content_start(s, true);
	in = s->content;
	in->chunk_size = in->chunk_left = size;
	in->last = last;
	s->where = "BDAT content";
}

static enum cmd_result discard(struct session *s, int64_t size, bool last, const char *text)
{
	chunk(s, size, last);
	s->content->skipping = true;
	free(s->content->refusal);
	s->content->refusal = xstrdup(text);
	s->where = "BDAT";
	return CMD_CONTENT;
}

/* Refusals that need no rules. OK: go on. */
static enum cmd_result early(struct session *s, int64_t size, bool last)
{
	enum cmd_result r;
	char *text;

	if (size == 0 && !last) {	/* RFC 3030 allows it; Postfix sees only mischief in it */
		log_warn(&s->log, "%s: null BDAT request from %s", s->trans != NULL && s->trans->queue_id != NULL ?
		    s->trans->queue_id : "NOQUEUE", s->client);
		return discard(s, size, last, "551 5.7.1 Null BDAT request");
	}
	if (s->bdat == BDAT_ERROR) {
		text = xasprintf("551 5.0.0 Discarded %lld bytes after earlier error", (long long)size);
		r = discard(s, size, last, text);
		free(text);
		return r;
	}
	if (s->trans == NULL)
		return discard(s, size, last, "503 5.5.1 Error: need RCPT command");
	if (s->trans->rcpt_count == 0 || s->trans->cleanup == NULL)
		return discard(s, size, last, "554 5.5.1 Error: no valid recipients");
	return CMD_OK;
}

/* The chunk fits, as far as is known. */
static enum cmd_result take(struct session *s, int64_t size, bool last)
{
	int64_t limit = view_long(s->view, message_size_limit), have = s->content != NULL ? s->content->bytes : 0;

	if (limit > 0 && have > limit - size) {
		log_warn(&s->log, "%s: BDAT request from %s exceeds message size limit", s->trans->queue_id, s->client);
		note_error(s, ACCESS_ERR_POLICY);
		return discard(s, size, last, "552 5.3.4 Chunk exceeds message size limit");
	}
	if (s->bdat == BDAT_NONE)
		trans_content(s);
	chunk(s, size, last);
	return CMD_CONTENT;
}

enum cmd_result cmd_bdat(struct session *s, struct command *c)
{
	enum cmd_result r;
	enum access_verdict v = ACCESS_PASS;
	int64_t size = 0;
	bool last = false;

	if ((r = syntax(s, c, &size, &last)) != CMD_OK)
		return r;
	if (c->step == STEP_SYNTAX) {
		if ((r = early(s, size, last)) != CMD_OK)
			return r;
		c->step = STEP_RULES;
		if (!s->stand_alone && s->bdat == BDAT_NONE) {
			session_facts_all(s, &c->facts);
			access_start(&c->access, &s->task, s->conf->access, ACCESS_DATA, &c->facts, &s->memory,
			    &s->actions);
		}
	}
	if (!s->stand_alone && s->bdat == BDAT_NONE && (v = access_poll(&c->access)) == ACCESS_WAIT)
		return CMD_WAIT;
	if (v == ACCESS_HANGUP) {
		s->quiet = s->hangup = true;
		return CMD_BAD;
	}
	if (v == ACCESS_REJECT) {
		note_error(s, c->access.error_class);
		return discard(s, size, last, c->access.reply);
	}
	return take(s, size, last);
}
