/* starttls.c - the seam where TLS slips under a stream. What was read before the handshake is thrown
 * away: a man in the middle may have put it there (CVE-2011-0411). */
#include <errno.h>

#include "room.h"

void stream_starttls(struct stream *s, const struct stream_tls *tls, void *ctx)
{
	ASSERT(s->tls == NULL && s->queued == 0 && s->connect == NOT_CONNECTING);
	stream_in_release(s);
	s->tls = tls;
	s->tls_ctx = ctx;
	s->hands = true;
	s->tls_hands_want = 0;
	s->can_read = true;		/* the first look decides */
}

enum stream_result stream_starttls_poll(struct stream *s)
{
	enum stream_result r;
	int want = 0;

	if (s->error != 0)
		return STREAM_ERROR;
	if (!s->hands)
		return STREAM_OK;
	if (timer_expired(&s->deadline))
		return STREAM_TIMEOUT;
	if ((s->tls_hands_want == WATCH_READ && !s->can_read) || (s->tls_hands_want == WATCH_WRITE && !s->can_write))
		return STREAM_WAIT;
	errno = 0;
	r = s->tls->handshake(s->tls_ctx, &want);
	s->tls_hands_want = want;
	switch (r) {
	case STREAM_WAIT:
		if (want == WATCH_READ)
			s->can_read = false;
		else
			s->can_write = false;
		break;
	case STREAM_OK:
		s->hands = false;
		s->can_read = true;	/* records may have come along with the last of the handshake */
		if (s->queued > 0)
			stream_mark_dirty(s);
		break;
	default:
		s->in_error = true;
		s->eof = r == STREAM_EOF;
		stream_fail(s, errno != 0 && errno != EAGAIN ? errno : r == STREAM_EOF ? ECONNRESET : EPROTO);
		break;
	}
	return r;
}
