/* content.c - message content, with dots (DATA) or by count (BDAT), into cleanup.
 *
 * This is the busiest code of the server: a block from the stream is cut into lines by memchr and each line goes to
 * cleanup as it lies in the block, without a copy. Only what is odd costs more: a line longer than
 * line_length_limit goes in pieces, a chunk that ends within a line keeps the rest.
 *
 * Invariant 5: only <CR><LF>.<CR><LF> ends a message. With smtpd_forbid_bare_newline (normalize, reject) a lone
 * dot that is not between two CRLFs is no end, whatever other servers think of it: it is dropped, which makes what
 * follows part of this message and smuggles nothing (CVE-2023-51764). Without it, and for clients
 * excepted from it, a bare LF is a line end like any other, as Postfix always had it.
 *
 * Bytes are counted as Postfix counts them for message_size_limit: each line, or piece of one, and two for its end. */
#include "session.h"
#include <stdlib.h>

enum { BLOCKS_PER_RUN = 4, PIECE_MAX = 32768 /* less than the stream's buffer */ };

void content_start(struct session *s, bool bdat)
{
	struct content_in *in = xcalloc(1, sizeof(*in));

	in->bdat = bdat;
	s->content = in;
}

void content_free(struct session *s)
{
	struct content_in *in = s->content;

	s->content = NULL;
	if (in == NULL)
		return;
	buf_release(&in->part);
	free(in->refusal);
	free(in);
}

static void put(struct session *s, const char *p, size_t len, bool partial)
{
	struct content_in *in = s->content;
	int64_t limit = view_long(s->view, message_size_limit);

	if (in->too_big)
		return;
	if (limit > 0 && limit - in->bytes < (int64_t)len + 2) {
		in->too_big = true;
		log_warn(&s->log, "%s: queue file size limit exceeded", s->trans->queue_id);
		return;
	}
	in->bytes += (int64_t)len + 2;
	cleanup_line(s->trans->cleanup, p, len, partial);
}

/* As it was before line ends mattered: a bare LF ends a line, so does CR CR LF. */
bool lenient_lines(const struct session *s)
{
	return s->conf->bare_lf == BARE_LF_NO || s->bare_lf_ok;
}

/* A line or piece of one, without its end. False: it was the end of data. */
static bool line(struct session *s, const char *p, size_t len, bool partial, bool bare_lf)
{
	struct content_in *in = s->content;
	bool begins = !in->in_line, before_bare = in->prev_bare_lf;

	in->in_line = partial;
	if (!partial) {
		in->prev_bare_lf = bare_lf;
		in->saw_bare_lf |= bare_lf;
	}
	if (!in->bdat && begins && len > 0 && *p == '.') {
		if (len == 1 && !partial)	/* true: no end after all, but dropped */
			return !lenient_lines(s) && (bare_lf || before_bare);
		p++;		/* RFC 5321 4.5.2 */
		len--;
	}
	put(s, p, len, partial);
	return true;
}

/* Lines of a block. Returns how many bytes were used; *end_r: end of data was among them. */
static size_t lines(struct session *s, const char *p, size_t n, bool *end_r)
{
	size_t limit = MIN((size_t)view_int(s->view, line_length_limit), PIECE_MAX), used = 0;

	bool lenient = lenient_lines(s);

	*end_r = false;
	while (used < n) {
		const char *start = p + used, *nl = memchr(start, '\n', MIN(n - used, limit + 2));
		size_t len;
		bool crlf;

		if (nl == NULL) {
			/* a piece, if it is long enough for one; its last byte may be the CR of the line's end */
			if (n - used < limit + 2)
				break;
			line(s, start, limit, true, false);
			used += limit;
			continue;
		}
		len = (size_t)(nl - start);
		used += len + 1;
		crlf = len > 0 && start[len - 1] == '\r';
		len -= crlf;
		while (lenient && len > 0 && start[len - 1] == '\r')
			len--;
		if (!line(s, start, len, false, !crlf)) {
			*end_r = true;
			break;
		}
	}
	return used;
}

/* Cleanup takes its time (a disk, a table): the peer is not to blame for it. True: go on. */
static bool cleanup_ready(struct session *s)
{
	struct content_in *in = s->content;

	if (s->trans == NULL || s->trans->cleanup == NULL || in->skipping)
		return true;
	if (cleanup_poll(s->trans->cleanup) == CLEANUP_WAIT) {
		in->stalled = true;
		return false;
	}
	if (in->stalled) {
		in->stalled = false;
		session_arm(s);
	}
	return true;
}

enum stream_result content_data(struct session *s)
{
	for (int blocks = 0; blocks < BLOCKS_PER_RUN; blocks++) {
		struct slice in;
		enum stream_result r;
		size_t used, have = stream_readable(s->stream), seen = s->content->unused;
		bool end;

		if (!cleanup_ready(s))
			return STREAM_WAIT;
		/* what is left of the last block was looked at: more must come */
		r = s->content->unused > 0 && have == s->content->unused ? stream_peek_n(s->stream, have + 1, &in) :
		    stream_peek(s->stream, &in);
		if (r != STREAM_OK)
			return r;
		used = lines(s, in.p, in.len, &end);
		stream_consume(s->stream, used);
		s->content->unused = in.len - used;
		if (end)
			return STREAM_OK;
		session_progress(s, in.len - seen);
	}
	task_wake(&s->task);		/* a fast sender lets others have their turn */
	return STREAM_WAIT;
}

/* ---- BDAT ------------------------------------------------------------------------------------------------ */
/* Content of a chunk: lines as they end; what is left over waits in `part` for the next bytes, in this chunk or in the
 * next. */
static void chunk_bytes(struct session *s, const char *p, size_t n)
{
	struct content_in *in = s->content;
	const char *nl;
	size_t used;
	bool end;

	if (in->part.len > 0) {		/* first the line that was begun */
		nl = memchr(p, '\n', n);
		used = nl != NULL ? (size_t)(nl - p) + 1 : n;
		buf_add(&in->part, p, used);
		p += used;
		n -= used;
		used = lines(s, in->part.p, in->part.len, &end);
		buf_drop(&in->part, used);
	}
	if (n == 0)
		return;
	used = lines(s, p, n, &end);
	if (used < n)
		buf_add(&in->part, p + used, n - used);
}

enum stream_result content_bdat(struct session *s)
{
	struct content_in *c = s->content;

	for (int blocks = 0; c->chunk_left > 0; blocks++) {
		struct slice in;
		enum stream_result r;
		size_t n;

		if (blocks == BLOCKS_PER_RUN) {
			task_wake(&s->task);
			return STREAM_WAIT;
		}
		if (!cleanup_ready(s))
			return STREAM_WAIT;
		if ((r = stream_peek(s->stream, &in)) != STREAM_OK)
			return r;
		n = (size_t)MIN((int64_t)in.len, c->chunk_left);
		if (!c->skipping && !c->too_big)
			chunk_bytes(s, in.p, n);
		stream_consume(s->stream, n);
		c->chunk_left -= (int64_t)n;
		session_progress(s, n);
	}
	return STREAM_OK;
}

/* LAST: a line without an end gets one. */
void content_bdat_end(struct session *s)
{
	struct content_in *in = s->content;

	if (in->part.len > 0 && !in->too_big)
		line(s, in->part.p, in->part.len, false, false);
	buf_release(&in->part);
}
