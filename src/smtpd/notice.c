/* notice.c - what is said in a session, kept for postmaster until it is clear that nobody wants it: at RSET, EHLO and
 * the end of a message once there are more than smtpd_history_flush_threshold lines, else at the end. */
#include "session.h"

static bool keeps(const struct session *s)
{
	return s->conf->notify != 0 && !s->stand_alone;
}

void history_in(struct session *s, const char *line)
{
	if (keeps(s))
		transcript_add(&s->history, "In:  ", line, strlen(line));
}

void history_out(struct session *s, const char *text)
{
	if (keeps(s))
		transcript_lines(&s->history, "Out: ", text);
}

void history_flush(struct session *s, int threshold)
{
	if ((int)s->history.lines <= threshold)
		return;
	if (s->error_mask & s->conf->notify)
		transcript_send(&s->history, &(struct transcript_about){
			.view = s->view, .log = &s->log, .program = "SMTP server", .peer = s->client, .reason = s->reason,
			.bounced = (s->error_mask & ACCESS_ERR_BOUNCE) != 0 });
	s->error_mask = 0;
	transcript_release(&s->history);
}

void history_turn(struct session *s)
{
	history_flush(s, view_int(s->view, smtpd_history_flush_threshold));
}
