/* fold.c - keys without case.
 * Postfix folds keys of fixed-string tables: ASCII letters always, and with SMTPUTF8 by
 * Unicode's full case folding. Most keys that arrive are folded already, so the
 * common case is one pass over the bytes and no copy. The C library's character
 * tables of C.UTF-8 do the Unicode part; where that locale is missing, ASCII remains. */
#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "fold_full.h"
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

static int by_from(const void *key, const void *entry)
{
	return (int)*(const unsigned *)key - (int)*(const unsigned short *)entry;
}

/* One character to one: as the C library maps it to upper case and back, but where Unicode folds otherwise. */
static unsigned fold_simple(unsigned c)
{
	if (c == 0x131 || (c >= 0x13a0 && c <= 0x13f5))	/* dotless i; Cherokee folds to its upper case */
		return c;
	if (c >= 0x13f8 && c <= 0x13fd)
		return c - 8;
	if (c >= 0xab70 && c <= 0xabbf)
		return c - 0xab70 + 0x13a0;
	if (unicode != (locale_t)0)
		return (unsigned)towlower_l(towupper_l((wint_t)c, unicode), unicode);
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static const char *fold_unicode(const char *s, struct buf *tmp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = (const unsigned char *)s;

	pthread_once(&once, unicode_open);
	buf_reset(tmp);
	while (*p != '\0') {
		unsigned c = utf8_get(&p);
		const unsigned short *many = c >= 0x80 ?
		    bsearch(&c, fold_full, NELEM(fold_full), sizeof(fold_full[0]), by_from) : NULL;

		if (many == NULL)
			utf8_put(tmp, fold_simple(c));
		else
			for (size_t i = 1; i <= NELEM(fold_full[0].to) && many[i] != 0; i++)
				utf8_put(tmp, many[i]);
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
