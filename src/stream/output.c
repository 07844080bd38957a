/* output.c - what is to be sent: a queue of blocks, copied or borrowed. Streams with something to
 * send stand in a list and are flushed when the loop's pass ends, so all replies to one
 * pipelined burst leave in one segment. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "room.h"

enum { FLUSHES_PER_PASS = 128 };
static TAILQ_HEAD(, stream) dirty = TAILQ_HEAD_INITIALIZER(dirty);

void stream_mark_dirty(struct stream *s)
{
	if (s->is_dirty)
		return;
	s->is_dirty = true;
	TAILQ_INSERT_TAIL(&dirty, s, dirty);
}

static void unmark_dirty(struct stream *s)
{
	if (!s->is_dirty)
		return;
	s->is_dirty = false;
	TAILQ_REMOVE(&dirty, s, dirty);
}

static void block_free(struct block *b)
{
	if (b->release != NULL)
		b->release(b->arg);
	free(b);
}

void stream_out_drop(struct stream *s)
{
	struct block *b;

	unmark_dirty(s);
	while ((b = STAILQ_FIRST(&s->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->out, link);
		block_free(b);
	}
	s->queued = s->out_done = 0;
}

static struct block *add_block(struct stream *s, size_t cap)
{
	struct block *b = xmalloc(sizeof(*b) + cap);

	*b = (struct block){ .cap = cap };
	b->p = b->data;
	STAILQ_INSERT_TAIL(&s->out, b, link);
	s->last = b;
	return b;
}

/* Room of at least one byte in a block of our own at the end. */
static struct block *tail_block(struct stream *s, size_t want)
{
	struct block *b = STAILQ_EMPTY(&s->out) ? NULL : s->last;

	if (b != NULL && b->cap > b->len)
		return b;
	return add_block(s, MAX(want, b == NULL ? (size_t)BLOCK_FIRST : (size_t)BLOCK_NEXT));
}

void stream_write(struct stream *s, const void *p, size_t n)
{
	const char *from = p;

	if (n == 0 || s->out_error)
		return;			/* the owner learns it from the next poll */
	s->queued += n;
	while (n > 0) {
		struct block *b = tail_block(s, n);
		size_t part = MIN(n, b->cap - b->len);

		memcpy(b->data + b->len, from, part);
		b->len += part;
		from += part;
		n -= part;
	}
	stream_mark_dirty(s);
}

void stream_puts(struct stream *s, const char *text)
{
	stream_write(s, text, strlen(text));
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	char small[1024], *big;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	if ((size_t)n < sizeof(small)) {
		stream_write(s, small, (size_t)n);
		return;
	}
	big = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	stream_write(s, big, (size_t)n);
	free(big);
}

void stream_write_ref(struct stream *s, const void *p, size_t n, void (*release)(void *), void *arg)
{
	struct block *b;

	if (n == 0 || s->out_error) {
		if (release != NULL)
			release(arg);
		return;
	}
	b = add_block(s, 0);
	b->p = p;
	b->len = n;
	b->release = release;
	b->arg = arg;
	s->queued += n;
	stream_mark_dirty(s);
}

bool stream_writable(const struct stream *s)
{
	return s->queued < OUT_HIGH;	/* true after an error too: nobody may wait for room then */
}

size_t stream_queued(const struct stream *s)
{
	return s->queued;
}

static size_t gather(const struct stream *s, struct iovec *v, size_t max)
{
	size_t n = 0, skip = s->out_done;
	const struct block *b;

	v[0] = (struct iovec){ 0 };
	STAILQ_FOREACH(b, &s->out, link) {
		if (n == max)
			break;
		v[n++] = (struct iovec){ .iov_base = (void *)(uintptr_t)(b->p + skip), .iov_len = b->len - skip };
		skip = 0;
	}
	return n;
}

static ssize_t write_plain(struct stream *s)
{
	struct iovec v[WRITE_VECTORS];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = gather(s, v, WRITE_VECTORS) };
	ssize_t n;

	do
		n = m.msg_iovlen == 1 ? send(s->fd, v[0].iov_base, v[0].iov_len, MSG_NOSIGNAL) :
		    sendmsg(s->fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		s->can_write = false;
	return n;
}

/* One record of what is queued. A write that must be repeated begins with the same bytes and is at
 * least as long: SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_MODE_ENABLE_PARTIAL_WRITE. */
static ssize_t write_tls(struct stream *s)
{
	static char record[16 * 1024];
	struct iovec v[WRITE_VECTORS];
	size_t n_v = gather(s, v, WRITE_VECTORS), len = 0;
	const char *p = v[0].iov_base;
	int want = 0;
	ssize_t n;

	if (v[0].iov_len >= sizeof(record)) {
		len = sizeof(record);
	} else {
		for (size_t i = 0; i < n_v && len < sizeof(record); i++) {
			size_t part = MIN(v[i].iov_len, sizeof(record) - len);

			memcpy(record + len, v[i].iov_base, part);
			len += part;
		}
		p = record;
	}
	n = s->tls->write(s->tls_ctx, p, len, &want);
	if (n < 0 && want != 0) {
		errno = EAGAIN;
		if (want == WATCH_READ) {
			s->can_read = false;
			s->tls_write_wants = WATCH_READ;
		} else {
			s->can_write = false;
		}
	} else if (n < 0 && (errno == EAGAIN || errno == 0)) {
		errno = EPROTO;
	}
	return n;
}

static void sent(struct stream *s, size_t n)
{
	struct block *b;

	s->queued -= n;
	n += s->out_done;
	while ((b = STAILQ_FIRST(&s->out)) != NULL && n >= b->len) {
		n -= b->len;
		STAILQ_REMOVE_HEAD(&s->out, link);
		block_free(b);
	}
	s->out_done = n;
}

void stream_out_push(struct stream *s)
{
	bool full = s->queued >= OUT_HIGH;

	unmark_dirty(s);
	if (s->connect != NOT_CONNECTING || s->hands)
		return;			/* later: connect and handshake mark it again */
	while (s->queued > 0 && s->can_write && s->tls_write_wants == 0) {
		ssize_t n;

		errno = 0;
		n = s->tls != NULL ? write_tls(s) : write_plain(s);
		s->unsure = s->unsure && s->tls != NULL;
		if (n > 0) {
			sent(s, (size_t)n);
		} else if (n < 0 && errno == EAGAIN) {
			break;
		} else {
			stream_fail(s, n < 0 ? errno : EPIPE);
			return;
		}
	}
	if ((full && s->queued < OUT_HIGH) || (s->out_waited && s->queued == 0)) {
		s->out_waited = s->out_waited && s->queued > 0;
		task_wake(s->task);
	}
}

/* For a pass to come, and its end. */
static void more_run(struct task *t)
{
	(void)t;
}

/* At the end of a pass; of thousands of sessions that answer at once some are left for the next. */
void stream_flush_all(void)
{
	static struct task more = { .run = more_run, .name = "stream flush" };
	struct stream *s;

	for (int budget = FLUSHES_PER_PASS; (s = TAILQ_FIRST(&dirty)) != NULL;) {
		if (budget-- == 0) {
			task_wake(&more);
			return;
		}
		stream_out_push(s);
		if (s->unsure)
			stream_look_for_error(s);
	}
}

enum stream_result stream_flush(struct stream *s)
{
	if (timer_expired(&s->deadline))
		return STREAM_TIMEOUT;
	s->out_waited = false;
	if (s->queued > 0)
		stream_out_push(s);
	if (s->out_error)
		return STREAM_ERROR;
	if (s->queued == 0)
		return STREAM_OK;
	s->out_waited = true;
	return STREAM_WAIT;
}
