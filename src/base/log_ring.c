/* log_ring.c - many writers, one reader, no locks. A writer reserves its place by moving
 * the head with a compare-and-swap, fills it and publishes it by storing its size; a
 * writer that is preempted in between delays the reader, never another writer. The
 * reader clears what it has read, so a size word of 0 always means "not yet written".
 * Waking costs a system call, so it happens only when the reader has said that it sleeps;
 * under load it polls instead, and logging is memory traffic only. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log_ring.h"

enum { RING_BYTES = 4 * 1024 * 1024, ALIGN = 8 };
#define LOG_SKIP 0x80000000U

static char *ring;
static _Atomic uint64_t ring_head, ring_tail;	/* never wrap; place = position mod RING_BYTES */
static _Atomic uint64_t lost;
static atomic_bool sleeping;
static int wake_fd = -1;

void log_ring_init(void)
{
	if (ring != NULL)
		return;
	ring = xcalloc(1, RING_BYTES);		/* fresh pages: resident only once touched */
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT(wake_fd >= 0);
}

static struct log_rec *rec_at(uint64_t pos)
{
	return (struct log_rec *)(void *)(ring + pos % RING_BYTES);
}

bool log_ring_put(const struct log_rec *r, const char *line)
{
	unsigned need = (unsigned)(sizeof(*r) + r->len + ALIGN - 1) & ~(unsigned)(ALIGN - 1);
	uint64_t head = atomic_load_explicit(&ring_head, memory_order_relaxed);
	struct log_rec *slot;
	unsigned gap;

	do {
		unsigned left = (unsigned)(RING_BYTES - head % RING_BYTES);

		gap = left < need ? left : 0;	/* records do not wrap around */
		if (head + gap + need - atomic_load_explicit(&ring_tail, memory_order_acquire) > RING_BYTES) {
			atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&ring_head, &head, head + gap + need));
	if (gap > 0)
		atomic_store_explicit(&rec_at(head)->size, gap | LOG_SKIP, memory_order_release);
	slot = rec_at(head + gap);
	slot->number = r->number;
	slot->wall_us = r->wall_us;
	slot->len = r->len;
	slot->name_len = r->name_len;
	slot->head_len = r->head_len;
	slot->text_off = r->text_off;
	slot->level = r->level;
	memcpy(slot->line, line, r->len);
	atomic_store(&slot->size, need);	/* sequentially consistent: before the look at `sleeping` */
	if (atomic_load(&sleeping))
		log_ring_wake();
	return true;
}

uint64_t log_ring_tail(void)
{
	return atomic_load_explicit(&ring_tail, memory_order_relaxed);
}

const struct log_rec *log_ring_peek(uint64_t *at)
{
	while (*at != atomic_load(&ring_head)) {
		struct log_rec *r = rec_at(*at);
		unsigned size = atomic_load(&r->size);

		if (size == 0)
			return NULL;
		*at += size & ~LOG_SKIP;
		if ((size & LOG_SKIP) == 0)
			return r;
	}
	return NULL;
}

void log_ring_drop(uint64_t at)
{
	uint64_t tail = log_ring_tail();

	while (tail != at) {
		size_t n = MIN(at - tail, RING_BYTES - tail % RING_BYTES);

		memset(ring + tail % RING_BYTES, 0, n);
		tail += n;
	}
	atomic_store_explicit(&ring_tail, at, memory_order_release);
}

int log_ring_fd(void)
{
	return wake_fd;
}

bool log_ring_sleep(void)
{
	uint64_t at = log_ring_tail();

	atomic_store(&sleeping, true);
	if (log_ring_peek(&at) == NULL)
		return true;
	atomic_store(&sleeping, false);
	return false;
}

void log_ring_wake(void)
{
	int saved = errno;

	if (wake_fd >= 0 && atomic_exchange(&sleeping, false)) {
		uint64_t one = 1;

		if (write(wake_fd, &one, sizeof(one)) < 0)
			ASSERT(errno == EAGAIN);
	}
	errno = saved;
}

uint64_t log_lost(void)
{
	return atomic_load_explicit(&lost, memory_order_relaxed);
}
