/* buf.h - a growable byte buffer. Zeroed is empty and valid; always NUL-terminated
 * behind len once anything was added. The owner sets limits before adding. */
#ifndef POSTRIDER_BUF_H
#define POSTRIDER_BUF_H
#include <postrider/base.h>

struct buf {
	char	*p;		/* owned; NULL while nothing was ever added */
	size_t	 len, cap;
};
void	 buf_add(struct buf *, const void *p, size_t n);
void	 buf_addc(struct buf *, char c);
void	 buf_adds(struct buf *, const char *s);
void	 buf_addf(struct buf *, const char *fmt, ...) PRINTF(2, 3);
void	 buf_vaddf(struct buf *, const char *fmt, va_list ap) PRINTF(2, 0);
void	 buf_reserve(struct buf *, size_t more);	/* room for `more` bytes behind len */
void	 buf_drop(struct buf *, size_t n);		/* removes n bytes at the front */
void	 buf_reset(struct buf *);			/* len = 0, memory kept */
void	 buf_release(struct buf *);			/* frees; empty again */
char	*buf_steal(struct buf *);			/* malloced string, "" if empty; buf is empty again */
const char *buf_str(const struct buf *);		/* "" while nothing was added */

/* As a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
void	 buf_add_json(struct buf *, const char *s);
/* Base64, one line, with padding. Decoding refuses any other byte. */
void	 buf_add_base64(struct buf *, const void *p, size_t n);
bool	 buf_add_unbase64(struct buf *, const char *s, size_t n) MUST_USE;
/* RFC 3461 xtext. Decoding: false on bad syntax or a NUL. */
void	 buf_add_xtext(struct buf *, const char *s);
bool	 buf_add_unxtext(struct buf *, const char *s) MUST_USE;
#endif
