/* mail.h - the messages of the crash tests: message n has bytes that follow from n alone, so that whoever finds it, in a
 * store, in a picture of a disk or at the next hop, can tell whether it is whole. And the notes that account for it.
 *
 * Notes (record_note(), or lines of a file), with n a message and k one of its recipients, 0 to crash_rcpts - 1:
 *	B n rcpts	it is being handed over: from here on it may exist
 *	P n		it was acknowledged: from here on it must exist
 *	D n [k]		it, or k, may go: taken by the next hop, or its removal is being asked for
 *	G n [k]		its removal, or k's, was acknowledged: it must not come back
 *	s n a, S n a	its a-th attempt is being written down, is written down */
#ifndef CRASH_MAIL_H
#define CRASH_MAIL_H
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CRASH_LINE = 64, CRASH_HEADER_MAX = 512 };
#define CRASH_ID	"X-Crash-Id: "

static inline uint64_t crash_mix(uint64_t x)
{
	x = (x + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Body lines of message n: mostly a few, some of many chunks, few of many commits. */
static inline uint32_t crash_lines(uint64_t n)
{
	uint64_t r = crash_mix(n);

	if (n % 40 == 17)
		return 2000 + (uint32_t)(r % 5000);
	if (n % 10 == 3)
		return 60 + (uint32_t)(r % 600);
	return (uint32_t)(r % 64);
}

static inline char *crash_hex(char *out, uint64_t v)
{
	int i;

	for (i = 60; i >= 0; i -= 4)
		*out++ = "0123456789abcdef"[v >> i & 15];
	*out++ = ' ';
	return out;
}

/* No NUL: CRASH_LINE bytes. The first never is a dot. */
static inline void crash_line(char out[CRASH_LINE], uint64_t n, uint32_t i)
{
	uint64_t v = n << 20 ^ i;
	char *p = out, *end = out + CRASH_LINE - 2;

	while (p + 17 < end)
		p = crash_hex(p, v = crash_mix(v));
	while (p < end)
		*p++ = '-';
	memcpy(end, "\r\n", 2);
}

/* Bytes of the body from off on, n at most; how many. */
static inline size_t crash_body(char *out, uint64_t n, uint64_t off, size_t max)
{
	uint64_t all = (uint64_t)crash_lines(n) * CRASH_LINE;
	char line[CRASH_LINE];
	size_t done = 0, at, len;

	while (done < max && off < all) {
		crash_line(line, n, (uint32_t)(off / CRASH_LINE));
		at = off % CRASH_LINE;
		len = CRASH_LINE - at < max - done ? CRASH_LINE - at : max - done;
		memcpy(out + done, line + at, len);
		done += len;
		off += len;
	}
	return done;
}

static inline bool crash_body_is(const char *p, uint64_t n, uint64_t off, size_t len)
{
	char want[4096];
	size_t k;

	for (; len > 0; len -= k, p += k, off += k) {
		k = crash_body(want, n, off, len < sizeof(want) ? len : sizeof(want));
		if (k == 0 || memcmp(p, want, k) != 0)
			return false;
	}
	return true;
}

static inline size_t crash_header(char out[CRASH_HEADER_MAX], uint64_t n)
{
	return (size_t)snprintf(out, CRASH_HEADER_MAX, "From: Crash Test <sender@example.net>\r\nTo: u0@example.com\r\n"
	    "Subject: message %llu\r\n" CRASH_ID "%llu\r\nMessage-ID: <%llu@example.net>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
	    (unsigned long long)n, (unsigned long long)n, (unsigned long long)n);
}

/* The number of the message with this header block; 0: none of ours. */
static inline uint64_t crash_id(const char *header, size_t len)
{
	const char *p = memmem(header, len, CRASH_ID, strlen(CRASH_ID));
	uint64_t n = 0;

	if (p != NULL)
		for (p += strlen(CRASH_ID); p < header + len && *p >= '0' && *p <= '9'; p++)
			n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

/* Into the recorder's log, when we run under it, and into the file CRASH_NOTES names. */
__attribute__((format(printf, 1, 2), unused))
static void crash_note(const char *fmt, ...)
{
	static void (*record)(const char *);
	static bool asked;
	static int fd = -1;
	const char *path;
	char text[128];
	va_list ap;
	int n;

	if (!asked) {
		record = (void (*)(const char *))(uintptr_t)dlsym(RTLD_DEFAULT, "record_note");
		path = getenv("CRASH_NOTES");
		if (path != NULL && (fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) < 0)
			abort();
	}
	asked = true;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (record != NULL)
		record(text);
	text[n++] = '\n';
	if (fd >= 0 && write(fd, text, (size_t)n) != n)
		abort();
}
#endif
