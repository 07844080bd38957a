/* fold.c - keys without case.
 * Postfix folds keys of fixed-string tables: ASCII letters always, and with SMTPUTF8 by
 * Unicode's simple case folding. Most keys that arrive are folded already, so the
 * common case is one pass over the bytes and no copy. The C library's character
 * tables of C.UTF-8 do the Unicode part; where that locale is missing, ASCII remains. */
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "room.h"

static locale_t unicode;

static void unicode_open(void)
{
	unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Decodes one character of valid UTF-8. */
static unsigned utf8_get(const unsigned char **pp)
{
	const unsigned char *p = *pp;
	unsigned c = *p++;
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	if (more > 0)
		c &= 0x3fu >> more;
	while (more-- > 0)
		c = c << 6 | (*p++ & 0x3f);
	*pp = p;
	return c;
}

static void utf8_put(struct buf *b, unsigned c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

static const char *fold_unicode(const char *s, struct buf *tmp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = (const unsigned char *)s;

	pthread_once(&once, unicode_open);
	buf_reset(tmp);
	while (*p != '\0') {
		unsigned c = utf8_get(&p);

		if (c == 0xdf || c == 0x1e9e) {		/* sharp s folds to two letters */
			buf_adds(tmp, "ss");
			continue;
		}
		if (unicode != (locale_t)0)
			c = (unsigned)towlower_l(towupper_l((wint_t)c, unicode), unicode);
		else if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		utf8_put(tmp, c);
	}
	return buf_str(tmp);
}

const char *fold_key(const char *s, bool utf8, struct buf *tmp)
{
	bool upper = false, eight = false;

	for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			upper = true;
		else if (*p >= 0x80)
			eight = true;
	}
	if (eight && utf8 && str_is_utf8(s, strlen(s)))
		return fold_unicode(s, tmp);
	if (!upper)
		return s;
	buf_reset(tmp);
	buf_adds(tmp, s);
	str_lower(tmp->p);
	return tmp->p;
}
