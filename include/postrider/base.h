/* base.h - what every module may lean on: memory, strings, assertions, BSD lists.
 * Allocation never returns NULL: running out ends the process with a line in the
 * log, so nothing above checks. Limits on what a peer can size come first, in the
 * caller. Further doors of the same room: buf.h, arena.h, hash.h, clock.h, log.h,
 * file.h, inet.h. */
#ifndef POSTRIDER_BASE_H
#define POSTRIDER_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define NORETURN	__attribute__((noreturn))
#define UNUSED		__attribute__((unused))
#define MUST_USE	__attribute__((warn_unused_result))
#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
/* The struct of type T whose member M is at P. */
#define CONTAINER_OF(p, T, m)	((T *)(void *)((char *)(p) - offsetof(T, m)))

/* TAILQ_FOREACH that allows the current element to be removed (glibc lacks it). */
#define TAILQ_FOREACH_SAFE_(v, head, field, tmp)				\
	for ((v) = TAILQ_FIRST(head);						\
	    (v) != NULL && ((tmp) = TAILQ_NEXT(v, field), 1); (v) = (tmp))

/* A violated invariant is our bug: writes file, line and message straight to the
 * log and to standard error, then aborts. Always compiled in. */
#define ASSERT(x)	((x) ? (void)0 : bug(__FILE__, __LINE__, #x))
void	bug(const char *file, int line, const char *what) NORETURN;

void	*xmalloc(size_t size);
void	*xcalloc(size_t n, size_t size);
void	*xrealloc(void *p, size_t size);
void	*xreallocarray(void *p, size_t n, size_t size);	/* overflow of n*size aborts */
char	*xstrdup(const char *s);			/* NULL gives NULL */
char	*xstrndup(const char *s, size_t n);
void	*xmemdup(const void *p, size_t n);
char	*xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* ASCII only, whatever the locale. */
bool	 str_ieq(const char *a, const char *b);		/* equal, ignoring case; NULL equals only NULL */
bool	 str_iprefix(const char *s, const char *prefix);
char	*str_lower(char *s);				/* in place, returns s */
char	*str_trim(char *s);				/* in place: both ends' white space; returns the start */
char	*str_printable(char *s, char replacement);	/* in place: controls, DEL and bytes of invalid UTF-8 */
char	*str_printable_ascii(char *s, char replacement);	/* and every byte that is not ASCII */
bool	 str_is_ascii(const char *s);
bool	 str_is_utf8(const char *s, size_t len);
/* Decimal number of the whole string, within lo..hi; false leaves *n_r alone. */
bool	 str_to_int(const char *s, int64_t lo, int64_t hi, int64_t *n_r);
/* Hex, lower or upper; writes 2n characters and a NUL. */
void	 hex_encode(char *out, const void *p, size_t n);
/* Copies with truncation; always terminated; returns strlen(src). */
size_t	 str_copy(char *dst, const char *src, size_t size);

/* Next token of *cursor split at any of sep, empty ones skipped; destroys the
 * string; NULL at the end. str_tok_brace keeps a "{ ... }" group as one token,
 * braces included (Postfix mystrtokq). */
char	*str_tok(char **cursor, const char *sep);
char	*str_tok_brace(char **cursor, const char *sep);
/* With "{ text }" in *s: strips braces and outer white space in place and returns
 * NULL; else says what is wrong (static text). */
const char *str_extpar(char **s);

/* Starts a thread that takes no signals (they are the loop's or the main thread's) under a name of
 * at most 15 characters. False when the system has no room for one. */
bool	 thread_start(const char *name, void *(*run)(void *), void *arg, unsigned long *id_r) MUST_USE;

/* A growable list of owned strings. Zeroed is empty. */
struct strs {
	char	**v;		/* v[n] is NULL once anything was added */
	size_t	 n, cap;
};
void	strs_add(struct strs *, const char *s);		/* copies */
void	strs_addn(struct strs *, const char *s, size_t n);
void	strs_split(struct strs *, const char *text, const char *sep);
void	strs_release(struct strs *);

#endif
