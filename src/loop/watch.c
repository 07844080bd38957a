/* watch.c - readiness of descriptors. A level watch is registered only for what is wanted, so a
 * descriptor in error cannot keep the loop awake unless somebody reads or writes it. An edge
 * watch is registered once for everything: epoll tells each change once. libevent shows an
 * error (EPOLLERR, EPOLLHUP) as readable and writable, which is why hang-up alone is
 * never watched level triggered: it would report nothing and never sleep again. */
#include <event2/event.h>

#include "room.h"

static void on_level(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct block_mark mark;

	(void)fd;
	block_check_begin(&mark);
	if ((what & EV_READ) != 0)
		w->ready |= WATCH_READ;
	if ((what & EV_WRITE) != 0)
		w->ready |= WATCH_WRITE;
	task_wake(w->task);
	block_check_end(&mark, "level watch");
}

static void on_edge(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct block_mark mark;
	int seen = 0;

	(void)fd;
	block_check_begin(&mark);
	if ((what & EV_READ) != 0)
		seen |= WATCH_READ;
	if ((what & EV_WRITE) != 0)
		seen |= WATCH_WRITE;
	if ((what & EV_CLOSED) != 0)
		seen |= WATCH_HUP;
	w->fn(w, seen);
	block_check_end(&mark, "edge watch");
}

static short bits_of(int want)
{
	return (short)(EV_PERSIST | ((want & WATCH_READ) != 0 ? EV_READ : 0) |
	    ((want & WATCH_WRITE) != 0 ? EV_WRITE : 0));
}

void watch_start(struct watch *w, struct task *t, int fd, int want)
{
	ASSERT(w->ev == NULL);
	*w = (struct watch){ .task = t, .fd = fd };
	w->ev = event_new(loop_base, fd, bits_of(0), on_level, w);
	ASSERT(w->ev != NULL);
	watch_want(w, want);
}

void watch_want(struct watch *w, int want)
{
	ASSERT(w->ev != NULL && w->fn == NULL);
	if (want == w->want)
		return;
	if (w->want != 0)
		event_del(w->ev);
	w->want = want;
	if (want == 0)
		return;
	ASSERT(event_assign(w->ev, loop_base, w->fd, bits_of(want), on_level, w) == 0);
	ASSERT(event_add(w->ev, NULL) == 0);
}

int watch_take(struct watch *w)
{
	int ready = w->ready;

	w->ready = 0;
	return ready;
}

void watch_start_edge(struct watch *w, int fd, void (*fn)(struct watch *, int seen))
{
	ASSERT(w->ev == NULL);
	*w = (struct watch){ .fd = fd, .fn = fn, .want = WATCH_READ | WATCH_WRITE | WATCH_HUP };
	w->ev = event_new(loop_base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_edge, w);
	ASSERT(w->ev != NULL && event_add(w->ev, NULL) == 0);
}

void watch_end(struct watch *w)
{
	if (w->ev == NULL)
		return;
	event_free(w->ev);		/* removes it first */
	*w = (struct watch){ .fd = -1 };
}
