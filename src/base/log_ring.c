/* log_ring.c - many writers, one reader, no locks. A writer reserves its place by moving
 * the head with a compare-and-swap, fills it and publishes it by storing its size; a
 * writer that is preempted in between delays the reader, never another writer. The
 * reader clears what it has read, so a size word of 0 always means "not yet written". The whole can lie in
 * memory that survives the process (log_keep()).
 * Waking costs a system call, so it happens only when the reader has said that it sleeps;
 * under load it polls instead, and logging is memory traffic only. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log_ring.h"

enum { RING_BYTES = 4 * 1024 * 1024, ALIGN = 8 };
#define LOG_SKIP 0x80000000U

/* All that is shared with a successor (log_keep()). */
static struct log_ring {
	_Atomic uint64_t head, tail;	/* never wrap; place = position mod RING_BYTES */
	_Atomic uint64_t lost;
	_Atomic uint64_t clearing;	/* the reader is done with everything before it, tail is not there yet */
	uint64_t	 told;
	_Alignas(ALIGN) char data[RING_BYTES];
} *ring;
static atomic_bool sleeping;
static int wake_fd = -1, keep_fd = -1;

static struct log_rec *rec_at(uint64_t pos)
{
	return (struct log_rec *)(void *)(ring->data + pos % RING_BYTES);
}

int log_keep_make(void)
{
	int fd = memfd_create("postrider-log", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)sizeof(*ring)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void log_keep(int fd)
{
	keep_fd = fd;
}

static bool rec_sound(uint64_t at, uint64_t head)
{
	const struct log_rec *r = rec_at(at);
	unsigned size = atomic_load(&r->size), bytes = size & ~LOG_SKIP;

	if (bytes == 0 || bytes % ALIGN != 0 || bytes > head - at || bytes > RING_BYTES - at % RING_BYTES)
		return false;
	return (size & LOG_SKIP) != 0 || (bytes >= sizeof(*r) && r->len <= bytes - sizeof(*r) && r->len <= LOG_LINE_MAX &&
	    r->name_len <= r->head_len && r->head_len <= r->text_off && r->text_off <= r->len &&
	    r->level <= LOG_LEVEL_PANIC);
}

static void clear(uint64_t from, uint64_t to)
{
	while (from != to) {
		size_t n = MIN(to - from, RING_BYTES - from % RING_BYTES);

		memset(ring->data + from % RING_BYTES, 0, n);
		from += n;
	}
}

/* The one before may have died anywhere, for a reason that spoils memory, too: what is whole is kept. */
static void adopt(void)
{
	uint64_t head = atomic_load(&ring->head), tail = atomic_load(&ring->tail), done = atomic_load(&ring->clearing), at;

	if (head - tail > RING_BYTES || head % ALIGN != 0 || tail % ALIGN != 0) {
		memset(ring, 0, sizeof(*ring));
		return;
	}
	if (done - tail <= head - tail && done != tail) {
		clear(tail, done);
		tail = done;
	}
	for (at = tail; at != head && rec_sound(at, head); )
		at += atomic_load(&rec_at(at)->size) & ~LOG_SKIP;
	if (at != head) {
		clear(at, head);
		atomic_fetch_add(&ring->lost, 1);
	}
	ring->told = MIN(ring->told, atomic_load(&ring->lost));
	atomic_store(&ring->tail, tail);
	atomic_store(&ring->clearing, tail);
	atomic_store(&ring->head, at);
}

void log_ring_init(void)
{
	void *kept = MAP_FAILED;

	if (ring != NULL)
		return;
	if (keep_fd >= 0) {
		kept = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED, keep_fd, 0);
		close(keep_fd);
		keep_fd = -1;
	}
	if (kept != MAP_FAILED) {
		ring = kept;
		adopt();
	} else {
		ring = xcalloc(1, sizeof(*ring));	/* fresh pages: resident only once touched */
	}
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT(wake_fd >= 0);
}

bool log_ring_put(const struct log_rec *r, const char *line)
{
	unsigned need = (unsigned)(sizeof(*r) + r->len + ALIGN - 1) & ~(unsigned)(ALIGN - 1);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	struct log_rec *slot;
	unsigned gap;

	do {
		unsigned left = (unsigned)(RING_BYTES - head % RING_BYTES);

		gap = left < need ? left : 0;	/* records do not wrap around */
		if (head + gap + need - atomic_load_explicit(&ring->tail, memory_order_acquire) > RING_BYTES) {
			atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&ring->head, &head, head + gap + need));
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
	return atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

const struct log_rec *log_ring_peek(uint64_t *at)
{
	while (*at != atomic_load(&ring->head)) {
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
	if (at == log_ring_tail())
		return;
	atomic_store(&ring->clearing, at);	/* a successor would meet half-cleared records */
	clear(log_ring_tail(), at);
	atomic_store_explicit(&ring->tail, at, memory_order_release);
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
	return ring != NULL ? atomic_load_explicit(&ring->lost, memory_order_relaxed) : 0;
}

uint64_t log_ring_told(void)
{
	return ring->told;
}

void log_ring_tell(uint64_t n)
{
	ring->told = n;
}
