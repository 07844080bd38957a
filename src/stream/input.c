/* input.c - what the peer sent. A read goes into one buffer shared by all streams and what came
 * is copied into a buffer of just the size needed, which is given back when all of it
 * was taken and nothing more is there: five thousand idle sessions hold none. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "room.h"

static char shared[FILL_BYTES];

void stream_in_release(struct stream *s)
{
	free(s->buf);
	s->buf = NULL;
	s->off = s->len = s->cap = s->searched = 0;
}

static size_t round_up(size_t n)
{
	size_t cap = 256;

	while (cap < n)
		cap *= 2;
	return cap;
}

static void append(struct stream *s, const char *p, size_t n)
{
	size_t unread = s->len - s->off;

	if (s->len + n > s->cap) {
		if (unread + n > s->cap) {
			size_t cap = round_up(unread + n);
			char *bigger = xmalloc(cap);

			if (unread > 0)
				memcpy(bigger, s->buf + s->off, unread);
			free(s->buf);
			s->buf = bigger;
			s->cap = cap;
		} else {
			memmove(s->buf, s->buf + s->off, unread);
		}
		s->off = 0;
		s->len = unread;
	}
	memcpy(s->buf + s->len, p, n);
	s->len += n;
}

static ssize_t read_some(struct stream *s, size_t room)
{
	int want = 0;
	ssize_t n;

	if (s->tls != NULL) {
		n = s->tls->read(s->tls_ctx, shared, room, &want);
		if (n < 0 && want != 0) {
			errno = EAGAIN;
			s->can_read = false;
			s->tls_read_wants = want;
			if (want == WATCH_WRITE)
				s->can_write = false;
		} else if (n < 0) {
			errno = errno == EAGAIN || errno == 0 ? EPROTO : errno;
		}
		return n;
	}
	do
		n = read(s->fd, shared, room);
	while (n < 0 && errno == EINTR);
	/* Short: the kernel has no more, unless a FIN or reset came, whose edge has been already. */
	if (n >= 0 && (size_t)n < room && !s->hup)
		s->can_read = false;
	if (n < 0 && errno == EAGAIN)
		s->can_read = false;
	return n;
}

bool stream_fill(struct stream *s)
{
	size_t unread = s->len - s->off;
	size_t room;
	ssize_t n;

	if (s->eof || s->in_error || s->hands || s->connect != NOT_CONNECTING || unread >= s->in_max)
		return false;
	if (!s->can_read)
		return false;
	room = MIN(s->in_max - unread, sizeof(shared));
	errno = 0;
	n = read_some(s, room);
	if (n > 0) {
		append(s, shared, (size_t)n);
		return true;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n == 0) {
		s->eof = true;
	} else {
		s->in_error = true;
		if (s->error == 0)
			s->error = errno;
	}
	return true;
}

/* Nothing to give: why not? */
static enum stream_result nothing(struct stream *s)
{
	if (s->in_error)
		return STREAM_ERROR;
	if (s->eof)
		return s->error != 0 ? STREAM_ERROR : STREAM_EOF;
	if (s->error != 0)
		return STREAM_ERROR;		/* writing failed, and all that had come was read */
	s->in_waited = true;
	return STREAM_WAIT;
}

/* A search for a newline in all of a large buffer is not begun anew for each piece that comes. */
static char *find_newline(struct stream *s, size_t limit)
{
	size_t unread = MIN(s->len - s->off, limit), from = MIN(s->searched, unread);
	char *nl = NULL;

	if (unread > from)
		nl = memchr(s->buf + s->off + from, '\n', unread - from);
	s->searched = nl != NULL ? (size_t)(nl - s->buf) - s->off : unread;
	return nl;
}

enum stream_result stream_line(struct stream *s, size_t max, struct slice *r)
{
	char *nl;

	*r = (struct slice){ NULL, 0 };
	if (timer_expired(&s->deadline))
		return STREAM_TIMEOUT;
	for (;;) {
		if ((nl = find_newline(s, max < SIZE_MAX ? max + 1 : max)) != NULL) {
			*r = (struct slice){ s->buf + s->off, (size_t)(nl - s->buf) - s->off };
			stream_consume(s, r->len + 1);
			return STREAM_OK;
		}
		if (s->len - s->off > max || s->len - s->off >= s->in_max) {
			*r = (struct slice){ s->buf + s->off, MIN(max, s->len - s->off) };
			stream_consume(s, r->len);
			return STREAM_TOO_LONG;
		}
		if (!stream_fill(s))
			break;
	}
	if (s->buf != NULL && s->off == s->len)
		stream_in_release(s);
	return nothing(s);
}

enum stream_result stream_peek_n(struct stream *s, size_t n, struct slice *r)
{
	*r = (struct slice){ NULL, 0 };
	ASSERT(n <= s->in_max);
	if (timer_expired(&s->deadline))
		return STREAM_TIMEOUT;
	while (s->len - s->off < n)
		if (!stream_fill(s)) {
			if (s->buf != NULL && s->off == s->len)
				stream_in_release(s);
			return nothing(s);
		}
	*r = (struct slice){ s->buf != NULL ? s->buf + s->off : "", s->len - s->off };
	return STREAM_OK;
}

enum stream_result stream_peek(struct stream *s, struct slice *r)
{
	return stream_peek_n(s, 1, r);
}

void stream_consume(struct stream *s, size_t n)
{
	ASSERT(n <= s->len - s->off);
	s->off += n;		/* the bytes stay where they are: the caller looks at them still */
	s->searched -= MIN(n, s->searched);
}

size_t stream_readable(const struct stream *s)
{
	return s->len - s->off;
}

void stream_pause(struct stream *s, bool paused)
{
	s->paused = paused;
	if (!paused && (s->can_read || s->hup || s->error != 0))
		task_wake(s->task);
}

bool stream_discard(struct stream *s)
{
	for (int i = 0; i < 16; i++) {
		ssize_t n = read(s->fd, shared, sizeof(shared));

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
		if (n < 0 && errno == EAGAIN)
			return false;
	}
	task_wake(s->task);		/* there may be more: the others first */
	return false;
}
