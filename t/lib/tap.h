/* tap.h - the Test Anything Protocol for C unit tests.
 *	ok(cond, "what %s", x); is_int(got, want, ...); is_str(got, want, ...);
 *	return done_testing();
 * Every check prints one line and says whether it held; failures show both values. */
#ifndef TAP_H
#define TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_failed;
static bool tap_child __attribute__((unused));	/* a forked checker: it says only what fails, as a comment */

__attribute__((format(printf, 2, 0), unused))
static bool tap_result(bool good, const char *fmt, va_list ap)
{
	char what[512];

	vsnprintf(what, sizeof(what), fmt, ap);
	for (char *p = what; *p != '\0'; p++)
		if (*p == '\n' || *p == '#')
			*p = ' ';
	tap_run++;
	if (!good)
		tap_failed++;
	if (!tap_child)
		printf("%sok %d - %s\n", good ? "" : "not ", tap_run, what);
	else if (!good)
		printf("# not ok in the child: %s\n", what);
	fflush(stdout);
	return good;
}

__attribute__((format(printf, 1, 2), unused))
static void diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

__attribute__((format(printf, 2, 3), unused))
static bool tap_ok(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(good, fmt, ap);
	va_end(ap);
	return good;
}

__attribute__((format(printf, 3, 4), unused))
static bool is_int(intmax_t got, intmax_t want, const char *fmt, ...)
{
	va_list ap;
	bool good;

	va_start(ap, fmt);
	good = tap_result(got == want, fmt, ap);
	va_end(ap);
	if (!good)
		diag("got %" PRIdMAX ", want %" PRIdMAX, got, want);
	return good;
}

__attribute__((format(printf, 3, 4), unused))
static bool is_str(const char *got, const char *want, const char *fmt, ...)
{
	va_list ap;
	bool good = got == want || (got != NULL && want != NULL && strcmp(got, want) == 0);

	va_start(ap, fmt);
	good = tap_result(good, fmt, ap);
	va_end(ap);
	if (!good)
		diag(" got: %s\n# want: %s", got != NULL ? got : "(null)", want != NULL ? want : "(null)");
	return good;
}

/* The same for bytes with a length. */
__attribute__((format(printf, 5, 6), unused))
static bool is_mem(const void *got, size_t got_len, const void *want, size_t want_len, const char *fmt, ...)
{
	va_list ap;
	bool good = got_len == want_len && (want_len == 0 || memcmp(got, want, want_len) == 0);

	va_start(ap, fmt);
	good = tap_result(good, fmt, ap);
	va_end(ap);
	if (!good)
		diag(" got %zu bytes: %.*s\n# want %zu bytes: %.*s", got_len, (int)got_len, (const char *)got,
		    want_len, (int)want_len, (const char *)want);
	return good;
}

#define ok(cond, ...)	tap_ok((cond), __VA_ARGS__)

__attribute__((unused))
static void skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
}

/* Prints the plan; the value for main() to return. */
__attribute__((unused))
static int done_testing(void)
{
	printf("1..%d\n", tap_run);
	if (tap_failed > 0)
		printf("# %d of %d failed\n", tap_failed, tap_run);
	return tap_failed == 0 && tap_run > 0 ? 0 : 1;
}

#endif
