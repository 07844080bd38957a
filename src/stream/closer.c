/* closer.c - the last words of a connection. Closing a socket with unread input makes the kernel
 * send a reset, which may overtake and destroy the reply that was sent last. So where
 * something is unsent or unread, the stream lives on here: it sends the rest, closes its
 * half, and reads what still comes until the peer has closed too or the time is up. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "room.h"

struct closer {
	struct task	 task;
	struct timer	 limit;
	struct stream	*stream;
	bool		 said_all;
	LIST_ENTRY(closer) link;
};

static LIST_HEAD(, closer) closers = LIST_HEAD_INITIALIZER(closers);
static void (*at_rest)(void);

static void closer_free(struct closer *c)
{
	timer_end(&c->limit);
	task_unlink(&c->task);
	LIST_REMOVE(c, link);
	stream_close_now(c->stream);
	free(c);
	if (LIST_EMPTY(&closers) && at_rest != NULL)
		at_rest();
}

void stream_at_rest(void (*fn)(void))
{
	at_rest = fn;
	if (LIST_EMPTY(&closers))
		fn();
}

static void say_goodbye(struct stream *s)
{
	if (s->tls != NULL) {
		s->tls->close(s->tls_ctx);
		s->tls = NULL;
	}
	shutdown(s->fd, SHUT_WR);
}

static void closer_run(struct task *t)
{
	struct closer *c = CONTAINER_OF(t, struct closer, task);
	struct stream *s = c->stream;

	if (timer_expired(&c->limit)) {
		closer_free(c);
		return;
	}
	if (!c->said_all) {
		switch (stream_flush(s)) {
		case STREAM_WAIT:
			return;
		case STREAM_OK:
			c->said_all = true;
			say_goodbye(s);
			break;
		default:
			closer_free(c);
			return;
		}
	}
	s->in_waited = true;		/* what comes wakes us */
	if (stream_discard(s))
		closer_free(c);
}

void stream_close_flush(struct stream **sp, int64_t linger_ms)
{
	struct stream *s = *sp;
	struct closer *c;
	int unread = 0;

	*sp = NULL;
	if (s == NULL)
		return;
	stream_deadline(s, 0);
	stream_connect_end(s);
	if (s->connect != NOT_CONNECTING || s->hands || linger_ms <= 0) {
		stream_close_now(s);
		return;
	}
	s->task = NULL;
	if (stream_flush(s) != STREAM_WAIT &&
	    (s->out_error || s->eof || (ioctl(s->fd, FIONREAD, &unread) == 0 && unread == 0))) {
		stream_close_now(s);
		return;
	}
	stream_in_release(s);
	s->paused = false;
	c = xcalloc(1, sizeof(*c));
	task_init(&c->task, "closer", closer_run);
	c->stream = s;
	s->task = &c->task;
	LIST_INSERT_HEAD(&closers, c, link);
	timer_start(&c->limit, &c->task, linger_ms);
	task_wake(&c->task);
}
