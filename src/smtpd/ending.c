/* ending.c - what follows the last byte of content: rules, the queue, the reply.
 *
 * The order of reasons is Postfix's: bare line feeds, end-of-data restrictions, the size, then whatever cleanup
 * says. Invariant 1 lives here: 250 is said only when the commit that holds the whole message is on the disk. */
#include "session.h"
#include <stdlib.h>

static void count_content(struct session *s, bool ok)
{
	struct count *c = &s->count[s->content != NULL && s->content->bdat ? V_BDAT : V_DATA];

	if (ok)
		c->ok++;
	else
		s->errors++;
}

static bool bare_lf_refused(struct session *s)
{
	int code = view_int(s->view, smtpd_forbid_bare_newline_reject_code);
	struct access_facts f;

	if (!s->content->saw_bare_lf || s->conf->bare_lf < BARE_LF_NOTE || s->bare_lf_ok)
		return false;
	session_facts(s, &f);
	if (s->conf->bare_lf == BARE_LF_NOTE) {
		log_info(
		    &s->log, "%s: bare <LF> received from %s", f.queue_id != NULL ? f.queue_id : "NOQUEUE", s->client);
		return false;
	}
	if (s->conf->bare_lf != BARE_LF_REJECT)
		return false;
	access_log(&f, "reject", "bare <LF> received");
	reply(s, "%d 5.5.2 %s Error: bare <LF> received", code, view_str(s->view, myhostname));
	return true;
}

/* A chunk that is not the last is acknowledged; after an error only said to be thrown away. */
static void chunk_done(struct session *s)
{
	struct content_in *in = s->content;

	if (bare_lf_refused(s)) {
		s->bdat = BDAT_ERROR;
		count_content(s, false);
	} else if (in->too_big) {
		reply(s, "552 5.3.4 Error: message file too big");
		s->bdat = BDAT_ERROR;
		count_content(s, false);
	} else {
		reply(s, "250 2.0.0 Ok: %lld bytes", (long long)in->chunk_size);
		s->bdat = BDAT_OK;
		count_content(s, true);
	}
	session_next(s);
}

bool run_bdat(struct session *s)
{
	enum stream_result r = content_bdat(s);

	if (r == STREAM_WAIT) {
		session_waits(s);
		return false;
	}
	if (r != STREAM_OK) {
		session_peer_lost(s, r);
		return true;
	}
	if (s->content->skipping) {
		bool last = s->content->last;

		note_error(s, ACCESS_ERR_PROTOCOL);
		reply_text(s, s->content->refusal);
		count_content(s, false);
		s->content->skipping = false;
		if (last)
			session_reset(s);
		else
			s->bdat = BDAT_ERROR;
		session_next(s);
	} else if (!s->content->last) {
		chunk_done(s);
	} else {
		content_bdat_end(s);
		s->where = "END-OF-MESSAGE";
		session_enter(s, ST_EOD_RULES);
	}
	return true;
}

static void content_over(struct session *s, bool ok)
{
	count_content(s, ok);
	history_turn(s);
	session_reset(s);
	session_next(s);
}

/* smtpd_end_of_data_restrictions, unless the message is refused already. */
bool run_eod_rules(struct session *s)
{
	enum access_verdict v;

	if (s->eod == NULL) {
		struct access_facts *f;

		if (bare_lf_refused(s)) {
			content_over(s, false);
			return true;
		}
		if (s->stand_alone || s->content->too_big || s->trans->cleanup == NULL ||
		    cleanup_failed(s->trans->cleanup)) {
			session_enter(s, ST_QUEUE);
			return true;
		}
		/* the facts must outlive the operation: they lie behind it */
		s->eod = xcalloc(1, sizeof(*s->eod) + sizeof(*f));
		f = (struct access_facts *)(void *)(s->eod + 1);
		session_facts_all(s, f);
		f->size = s->content->bytes;
		access_start(s->eod, &s->task, s->conf->access, ACCESS_EOD, f, &s->memory, &s->actions);
	}
	if ((v = access_poll(s->eod)) == ACCESS_WAIT)
		return false;
	note_error(s, s->eod->error_class);
	if (v == ACCESS_REJECT)
		reply_text(s, s->eod->reply);
	access_end(s->eod);
	free(s->eod);
	s->eod = NULL;
	if (v == ACCESS_PASS) {
		session_enter(s, ST_QUEUE);
	} else if (v == ACCESS_REJECT) {
		count_content(s, false);
		trans_refused(s);
		session_next(s);
	} else {
		s->quiet = true;
		session_enter(s, ST_END);
	}
	return true;
}

static void reply_refused(struct session *s, const struct cleanup_error *e)
{
	/* whom to tell of it: 45x is our own trouble, 5.4.0 a loop */
	note_error(s, e->code < 500 ? ACCESS_ERR_RESOURCE : strcmp(e->dsn, "5.4.0") == 0 ? ACCESS_ERR_BOUNCE : ACCESS_ERR_POLICY);
	reply(s, "%d %s %s", e->code, e->dsn, e->text);
}

static void accepted(struct session *s)
{
	/* earlier errors are forgiven */
	s->errors = s->junk = 0;
	s->error_mask = 0;
	smtpd_counters.messages++;
	if (s->content->bdat)
		reply(s, "250 2.0.0 Ok: %lld bytes queued as %s", (long long)s->content->bytes, s->trans->queue_id);
	else
		reply(s, "250 2.0.0 Ok: queued as %s", s->trans->queue_id);
	s->finishing = false;
	content_over(s, true);
}

/* Invariant: 250 is said only when the commit that holds the whole message is on the disk. */
bool run_queue(struct session *s)
{
	struct trans *t = s->trans;

	if (s->content->too_big) {
		note_error(s, ACCESS_ERR_BOUNCE);
		reply(s, "552 5.3.4 Error: message file too big");
		content_over(s, false);
		return true;
	}
	if (!s->finishing) {		/* the first time here */
		s->finishing = true;
		trans_finish(s);
	}
	switch (cleanup_poll(t->cleanup)) {
	case CLEANUP_QUEUED:
		accepted(s);
		return true;
	case CLEANUP_REFUSED:
		reply_refused(s, cleanup_error(t->cleanup));
		s->finishing = false;
		content_over(s, false);
		return true;
	default:
		return false;
	}
}
