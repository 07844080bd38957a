/* timer.c - a binary heap of embedded timers over one libevent timer. Sessions push their
 * deadline back with every command, so a restart is a sift in place; the libevent timer is
 * only brought forward, never back: one wake too many now and then costs less. */
#include <stdlib.h>

#include <event2/event.h>

#include <postrider/clock.h>

#include "room.h"

static struct timer **heap;		/* heap[1] is the first due; heap[0] is unused */
static size_t n_heap, cap_heap;
static struct event *alarm_event;
static int64_t alarm_at = INT64_MAX;	/* what alarm_event is set to */

static void place(size_t pos, struct timer *t)
{
	heap[pos] = t;
	t->pos = pos;
}

static void sift(size_t pos, struct timer *t)
{
	while (pos > 1 && heap[pos / 2]->at_ms > t->at_ms) {
		place(pos, heap[pos / 2]);
		pos /= 2;
	}
	for (;;) {
		size_t child = pos * 2;

		if (child > n_heap)
			break;
		if (child < n_heap && heap[child + 1]->at_ms < heap[child]->at_ms)
			child++;
		if (heap[child]->at_ms >= t->at_ms)
			break;
		place(pos, heap[child]);
		pos = child;
	}
	place(pos, t);
}

static void drop(struct timer *t)
{
	size_t pos = t->pos;
	struct timer *last = heap[n_heap--];

	t->pos = 0;
	if (last != t)
		sift(pos, last);
}

void timer_start(struct timer *t, struct task *task, int64_t delay_ms)
{
	t->task = task;
	t->expired = false;
	if (delay_ms < 0)
		delay_ms = 0;
	if (__builtin_add_overflow(now_ms(), delay_ms, &t->at_ms))
		t->at_ms = INT64_MAX - 1;
	if (t->pos == 0) {
		if (n_heap + 2 > cap_heap) {
			cap_heap = cap_heap > 0 ? cap_heap * 2 : 64;
			heap = xreallocarray(heap, cap_heap, sizeof(*heap));
		}
		t->pos = ++n_heap;
	}
	sift(t->pos, t);
}

bool timer_expired(const struct timer *t)
{
	return t->expired;
}

bool timer_running(const struct timer *t)
{
	return t->pos != 0;
}

void timer_end(struct timer *t)
{
	if (t->pos != 0)
		drop(t);
	t->expired = false;
	t->task = NULL;
}

int64_t timers_next(void)
{
	return n_heap > 0 ? heap[1]->at_ms : INT64_MAX;
}

void timers_fire(void)
{
	while (n_heap > 0 && heap[1]->at_ms <= now_ms()) {
		struct timer *t = heap[1];

		drop(t);
		t->expired = true;
		task_wake(t->task);
	}
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	alarm_at = INT64_MAX;		/* the pass looks at the heap */
}

void timers_arm(void)
{
	int64_t at = timers_next(), delay;
	struct timeval tv;

	if (at >= alarm_at || clock_is_test())
		return;
	delay = MAX(at - now_ms(), (int64_t)0);
	tv.tv_sec = (time_t)(delay / 1000);
	tv.tv_usec = (suseconds_t)(delay % 1000 * 1000);
	ASSERT(event_add(alarm_event, &tv) == 0);
	alarm_at = at;
}

void timers_init(void)
{
	alarm_event = event_new(loop_base, -1, 0, on_alarm, NULL);
	ASSERT(alarm_event != NULL);
}

void timers_release(void)
{
	event_free(alarm_event);
	alarm_event = NULL;
	alarm_at = INT64_MAX;
	for (size_t i = 1; i <= n_heap; i++)	/* so that a late timer_end() finds nothing to do */
		heap[i]->pos = 0;
	free(heap);
	heap = NULL;
	n_heap = cap_heap = 0;
}
