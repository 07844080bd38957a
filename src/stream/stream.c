/* stream.c - life of a stream and what the kernel says about it.
 * The descriptor is registered once, edge triggered, for reading, writing and hang-up;
 * can_read and can_write remember the last word, and a read or write that comes
 * back short or with EAGAIN takes it back. So an idle or busy session costs no epoll_ctl
 * at all, and a peer that has vanished is told once, not on every pass.
 * A hang-up (FIN) is not an end: what was sent before it is read first, and a
 * peer that only closed its sending half still gets its replies. Only an error,
 * or the end with nothing left unread, makes stream_gone() true. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <postrider/clock.h>

#include "room.h"

struct stream *stream_blank(int fd, struct task *t, size_t in_max)
{
	struct stream *s = xcalloc(1, sizeof(*s));

	ASSERT(in_max > 0);
	s->fd = fd;
	s->task = t;
	s->in_max = in_max;
	STAILQ_INIT(&s->out);
	loop_at_pass_end(stream_flush_all);
	return s;
}

void stream_nodelay(int fd)
{
	int one = 1;

	/* fails on UNIX sockets, which have nothing to delay */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

struct stream *stream_new(int fd, struct task *t, size_t in_max)
{
	struct stream *s = stream_blank(fd, t, in_max);

	stream_nodelay(fd);
	s->can_write = true;
	watch_start_edge(&s->watch, fd, stream_event);
	return s;
}

void stream_fail(struct stream *s, int error)
{
	if (s->error == 0)
		s->error = error;
	s->out_error = true;
	s->can_read = true;		/* what had come before is still to be had */
	stream_out_drop(s);
	task_wake(s->task);
}

/* The peer sends no more. If nothing is unread in the kernel, that was all; else reading finds the
 * end. Under TLS only reading can tell, unless even the last record was complete. */
static void on_hup(struct stream *s, bool had_more)
{
	int unread = 0;

	s->hup = true;
	if (s->eof || s->in_error || s->hands || (s->tls != NULL && had_more))
		return;
	if (ioctl(s->fd, FIONREAD, &unread) == 0 && unread == 0)
		s->eof = true;
}

/* libevent shows an error as readable and writable. Reading alone would miss a reset that comes with the
 * last bytes: it takes the bytes, and the edge has been. Writing finds it too, so this is asked
 * at the end of a pass in which nothing was written. */
void stream_look_for_error(struct stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;

	s->unsure = false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error != 0)
		stream_fail(s, error);
}

void stream_event(struct watch *w, int seen)
{
	struct stream *s = CONTAINER_OF(w, struct stream, watch);
	bool had_more = s->can_read, wake = false;

	if ((seen & WATCH_WRITE) != 0 && !s->can_write) {
		s->can_write = true;
		if (s->tls_read_wants == WATCH_WRITE) {
			s->tls_read_wants = 0;
			s->can_read = true;
			wake = true;
		}
		wake = wake || s->connect != NOT_CONNECTING || s->hands;
		if (s->queued > 0)
			stream_mark_dirty(s);
	}
	if ((seen & (WATCH_READ | WATCH_HUP)) != 0) {
		s->can_read = true;
		wake = wake || (s->in_waited && !s->paused) || s->connect != NOT_CONNECTING || s->hands;
		if (s->tls_write_wants == WATCH_READ) {
			s->tls_write_wants = 0;
			stream_mark_dirty(s);
		}
		if ((seen & WATCH_HUP) != 0) {
			on_hup(s, had_more);
			wake = true;
		} else if ((seen & WATCH_WRITE) != 0 && s->connect == NOT_CONNECTING) {
			s->unsure = true;
			stream_mark_dirty(s);
		}
	}
	if (wake) {
		s->in_waited = false;
		task_wake(s->task);
	}
}

void stream_set_task(struct stream *s, struct task *t)
{
	s->task = t;
	s->deadline.task = t;
	stream_connect_task(s);
	task_wake(t);
}

int stream_fd(const struct stream *s)
{
	return s->fd;
}

void stream_close_now(struct stream *s)
{
	timer_end(&s->deadline);
	stream_connect_end(s);
	stream_out_drop(s);
	stream_in_release(s);
	if (s->tls != NULL)
		s->tls->close(s->tls_ctx);
	watch_end(&s->watch);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

void stream_free(struct stream **sp)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (s != NULL)
		stream_close_now(s);
}

void stream_deadline(struct stream *s, int64_t ms)
{
	if (ms <= 0)
		timer_end(&s->deadline);
	else
		timer_start(&s->deadline, s->task, ms);
}

bool stream_gone(const struct stream *s)
{
	return s->error != 0 || (s->eof && s->len == s->off);
}

int stream_error(const struct stream *s)
{
	return s->error;
}

const char *stream_why(const struct stream *s)
{
	const char *why = s->tls != NULL && s->tls->why != NULL ? s->tls->why(s->tls_ctx) : "";

	if (*why != '\0')
		return why;
	if (s->error != 0)
		return strerror(s->error);
	return "";
}
