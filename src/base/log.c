/* log.c - the calls, and the log thread. A call formats its line on the stack, copies it into the
 * ring and returns: no lock, no allocation, no system call while the thread is awake.
 * The thread gathers for some milliseconds and writes many lines at once; it goes
 * to sleep only after a while without lines. What cannot wait (assertions, the
 * end of the program) goes around the ring. Rotation, reconnection: log_sink.c. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <postrider/clock.h>

#include "direct.h"
#include "log_sink.h"

enum {
	GATHER_MS = 10,		/* lines wait at most so long for company */
	IDLE_ROUNDS = 20,	/* rounds without a line before sleeping until woken */
	BLOCKED_MS = 100,	/* look again at a sink that takes nothing */
	STOP_US = 1000 * 1000,
};

static const char *program = "postrider";
static atomic_bool debug_on, started;
static atomic_bool info_on = true;
static bool echoes;			/* the running target writes warnings to standard error too */
static atomic_uint last_number;
static pthread_t thread;
static _Atomic int64_t stop_by_us;	/* 0: run */
static _Atomic(struct log_sink *) next_sink;

static const char *const level_words[] = { "", "", "warning: ", "error: ", "fatal: ", "panic: " };

void log_program(const char *name)
{
	program = name;
}

void log_set_debug(bool on)
{
	atomic_store_explicit(&debug_on, on, memory_order_relaxed);
}

void log_set_info(bool on)
{
	atomic_store_explicit(&info_on, on, memory_order_relaxed);
}

unsigned log_number(void)
{
	return atomic_fetch_add_explicit(&last_number, 1, memory_order_relaxed) % 99999 + 1;
}

static _Atomic int pid;			/* asked once: it is in every line of the program itself */

static unsigned own_pid(void)
{
	int p = atomic_load_explicit(&pid, memory_order_relaxed);

	if (p == 0) {
		p = getpid();
		atomic_store_explicit(&pid, p, memory_order_relaxed);
	}
	return (unsigned)p;
}

/* "name: warning: text" to standard error, in one write. */
static void to_stderr(const char *name, const char *text)
{
	char line[LOG_LINE_MAX + 64];
	int n = snprintf(line, sizeof(line), "%s: %s\n", name, text);

	n = MIN(n, (int)sizeof(line) - 1);
	line[n - 1] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void log_direct(enum log_level level, const char *text)
{
	int saved = errno;

	to_stderr(program, text);
	log_sink_direct(level, program, own_pid(), text);
	errno = saved;
}

static size_t put_number(char *p, unsigned n)
{
	char digits[12];
	size_t len = 0, i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	len = sizeof(digits) - i;
	memcpy(p, digits + i, len);
	return len;
}

PRINTF(3, 0)
static void put(const struct log_ctx *ctx, enum log_level level, const char *fmt, va_list ap)
{
	const char *name = ctx != NULL && ctx->name != NULL ? ctx->name : program;
	struct log_rec r = { .level = (uint8_t)level };
	char line[LOG_LINE_MAX + 1];
	int saved = errno, n;
	size_t len;

	len = MIN(strlen(name), (size_t)LOG_NAME_MAX);
	memcpy(line, name, len);
	r.name_len = (uint16_t)len;
	r.number = ctx != NULL ? ctx->number : own_pid();
	line[len++] = '[';
	len += put_number(line + len, r.number);
	memcpy(line + len, "]: ", 3);
	len += 3;
	r.head_len = (uint16_t)len;
	len += str_copy(line + len, level_words[level], 16);
	r.text_off = (uint16_t)len;
	errno = saved;			/* for %m */
	n = vsnprintf(line + len, LOG_TEXT_MAX + 1, fmt, ap);
	if (n > LOG_TEXT_MAX)
		n = LOG_TEXT_MAX;
	if (n > 0) {
		str_printable(line + len, '?');
		len += (size_t)n;
	}
	if (atomic_load_explicit(&started, memory_order_acquire)) {
		r.len = (uint16_t)len;
		r.wall_us = clock_wall_fresh_us();
		log_ring_put(&r, line);
	} else {
		line[r.name_len] = '\0';
		to_stderr(line, line + r.head_len);
	}
	errno = saved;
}

void log_at(enum log_level level, const struct log_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(ctx, level, fmt, ap);
	va_end(ap);
}

#define PUT(level) do {							\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	put(ctx, (level), fmt, ap);					\
	va_end(ap);							\
} while (0)

void log_debug(const struct log_ctx *ctx, const char *fmt, ...)
{
	if (atomic_load_explicit(&debug_on, memory_order_relaxed))
		PUT(LOG_LEVEL_DEBUG);
}

void log_info(const struct log_ctx *ctx, const char *fmt, ...)
{
	if (!atomic_load_explicit(&info_on, memory_order_relaxed))
		return;
	PUT(LOG_LEVEL_INFO);
}

void log_warn(const struct log_ctx *ctx, const char *fmt, ...)
{
	PUT(LOG_LEVEL_WARNING);
}

void log_error(const struct log_ctx *ctx, const char *fmt, ...)
{
	PUT(LOG_LEVEL_ERROR);
}

PRINTF(2, 0) NORETURN
static void die(int status, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_MAX + 16] = "fatal: ";

	vsnprintf(text + 7, LOG_TEXT_MAX, fmt, ap);
	str_printable(text, '?');
	if (atomic_load(&started)) {
		struct log_rec r = { .level = LOG_LEVEL_FATAL, .number = own_pid(), .wall_us = clock_wall_fresh_us() };
		char line[LOG_LINE_MAX + 16];

		r.head_len = (uint16_t)snprintf(line, sizeof(line), "%.*s[%u]: ", LOG_NAME_MAX, program, r.number);
		r.name_len = (uint16_t)strcspn(line, "[");
		r.text_off = (uint16_t)(r.head_len + 7);
		r.len = (uint16_t)(r.head_len + str_copy(line + r.head_len, text, sizeof(line) - r.head_len));
		log_ring_put(&r, line);
		log_stop();
		if (!echoes)
			to_stderr(program, text);
	} else {
		to_stderr(program, text);
	}
	exit(status);
}

void log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(1, fmt, ap);
}

void log_fatal_status(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(status, fmt, ap);
}

/* ---- the thread ------------------------------------------------------------------------- */

/* The reader's own line. */
static void report_lost(struct log_sink *s, uint64_t lost)
{
	_Alignas(struct log_rec) char room[sizeof(struct log_rec) + LOG_LINE_MAX];
	struct log_rec *r = (struct log_rec *)(void *)room;
	int n;

	n = snprintf(r->line, LOG_LINE_MAX, "%.*s[%u]: ", LOG_NAME_MAX, program, own_pid());
	r->level = LOG_LEVEL_WARNING;
	r->number = own_pid();
	r->wall_us = clock_wall_fresh_us();
	r->name_len = (uint16_t)strcspn(r->line, "[");
	r->head_len = (uint16_t)n;
	r->text_off = (uint16_t)(n + 9);
	n += snprintf(r->line + n, (size_t)(LOG_LINE_MAX - n), "warning: %llu log lines were lost: they came faster than "
	    "the log takes them", (unsigned long long)lost);
	r->len = (uint16_t)n;
	log_sink_add(s, r);
}

static void wait_ms(const struct log_sink *s, int ms)
{
	struct pollfd p[2] = { { .fd = log_ring_fd(), .events = POLLIN }, { .fd = -1, .events = POLLOUT } };
	uint64_t count;

	if (s != NULL)
		p[1].fd = log_sink_poll_fd(s);
	if (poll(p, s != NULL ? 2 : 1, ms) > 0 && (p[0].revents & POLLIN) != 0)
		if (read(log_ring_fd(), &count, sizeof(count)) < 0)
			return;
	if (s != NULL && p[1].revents != 0) {	/* a sink in error polls ready at once: no spinning */
		struct timespec pause = { .tv_nsec = 1000 * 1000 };

		nanosleep(&pause, NULL);
	}
}

/* Takes what there is; false while the sink takes nothing. *any_r: there were lines. Everything before *at is in the
 * sink, but goes back to the writers only when it is out: until then a successor may need it (log_keep()). */
static bool round_once(struct log_sink *s, uint64_t *at, bool *any_r)
{
	const struct log_rec *r;
	uint64_t lost;

	*any_r = false;
	if (!log_sink_push(s))
		return false;
	for (;;) {
		bool room = true;

		log_ring_drop(*at);
		while (room && (r = log_ring_peek(at)) != NULL) {
			*any_r = true;
			room = log_sink_add(s, r);
		}
		if (room && (lost = log_lost()) != log_ring_told()) {
			report_lost(s, lost - log_ring_told());
			log_ring_tell(lost);
		}
		if (!log_sink_push(s))
			return false;
		if (room) {
			log_ring_drop(*at);
			return true;
		}
	}
}

static void *log_main(void *arg)
{
	struct log_sink *s = arg, *other;
	uint64_t at = log_ring_tail();
	int idle = 0;
	bool any, out;

	for (;;) {
		int64_t stop = atomic_load(&stop_by_us);

		other = atomic_exchange(&next_sink, NULL);
		if (other != NULL) {
			if (!log_sink_push(s))
				at = log_ring_tail();	/* what the old one does not take now is for the new one */
			log_sink_free(&s);
			s = other;
		}
		out = round_once(s, &at, &any);
		if (stop != 0 && ((out && !any) || clock_fresh_us() > stop))
			break;
		idle = any || !out ? 0 : idle + 1;
		if (!out)
			wait_ms(s, BLOCKED_MS);
		else if (stop != 0)
			continue;
		else if (idle < IDLE_ROUNDS)
			wait_ms(NULL, GATHER_MS);
		else if (log_ring_sleep() && atomic_load(&stop_by_us) == 0 && atomic_load(&next_sink) == NULL)
			wait_ms(NULL, -1);
	}
	log_sink_free(&s);
	return NULL;
}

static void in_child(void)		/* after fork there is no log thread */
{
	atomic_store(&started, false);
	atomic_store(&pid, 0);
}

char *log_start(const struct log_target *t)
{
	static bool forks_watched;
	struct log_sink *s;
	unsigned long id;
	char *why = log_sink_open(t, &s);

	if (why != NULL)
		return why;
	ASSERT(!atomic_load(&started));
	log_ring_init();
	if (!forks_watched)
		forks_watched = pthread_atfork(NULL, NULL, in_child) == 0;
	atomic_store(&stop_by_us, 0);
	if (!thread_start("log", log_main, s, &id)) {
		log_sink_free(&s);
		return xstrdup("no thread for the log");
	}
	thread = id;
	echoes = t->also_stderr;
	atomic_store_explicit(&started, true, memory_order_release);
	return NULL;
}

char *log_retarget(const struct log_target *t)
{
	struct log_sink *s;
	char *why = log_sink_open(t, &s);

	if (why != NULL)
		return why;
	echoes = t->also_stderr;
	s = atomic_exchange(&next_sink, s);
	log_sink_free(&s);		/* one that was never used */
	log_ring_wake();
	return NULL;
}

void log_stop(void)
{
	struct timespec by;

	if (!atomic_exchange(&started, false))
		return;
	atomic_store(&stop_by_us, clock_fresh_us() + STOP_US);
	log_ring_wake();
	clock_gettime(CLOCK_MONOTONIC, &by);
	by.tv_sec += 2;			/* it stops itself after one; more only if the system holds it */
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &by) != 0)
		pthread_detach(thread);
}
