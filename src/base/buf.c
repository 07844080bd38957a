/* buf.c - a growable byte buffer and the encodings that several modules write. */
#include <stdio.h>
#include <stdlib.h>

#include <postrider/buf.h>

void buf_reserve(struct buf *b, size_t more)
{
	size_t need, cap;

	ASSERT(more < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
	need = b->len + more + 1;
	if (need <= b->cap)
		return;
	cap = MAX(b->cap + b->cap / 2, (size_t)64);
	cap = MAX(cap, need);
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	b->p[b->len] = '\0';
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	buf_reserve(b, 64);
	room = b->cap - b->len;
	va_copy(again, ap);
	n = vsnprintf(b->p + b->len, room, fmt, ap);
	ASSERT(n >= 0);
	if ((size_t)n >= room) {
		buf_reserve(b, (size_t)n);
		vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
	ASSERT(n <= b->len);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->p != NULL)
		b->p[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

char *buf_steal(struct buf *b)
{
	char *p = b->p != NULL ? b->p : xstrdup("");

	*b = (struct buf){ 0 };
	return p;
}

const char *buf_str(const struct buf *b)
{
	return b->p != NULL ? b->p : "";
}

/* How many bytes at s are one valid UTF-8 character. */
static size_t char_len(const char *s)
{
	for (size_t n = 1; n <= 4 && s[n - 1] != '\0'; n++)
		if (str_is_utf8(s, n))
			return n;
	return 0;
}

void buf_add_json(struct buf *b, const char *s)
{
	buf_addc(b, '"');
	while (*s != '\0') {
		unsigned char c = (unsigned char)*s;
		size_t n = strcspn(s, "\"\\");
		size_t plain = 0;

		while (plain < n && (unsigned char)s[plain] >= ' ' && (unsigned char)s[plain] < 0x7f)
			plain++;
		if (plain > 0) {
			buf_add(b, s, plain);
			s += plain;
			continue;
		}
		if (c == '"' || c == '\\') {
			buf_addc(b, '\\');
			buf_addc(b, (char)c);
			s++;
		} else if (c == '\n' || c == '\r' || c == '\t') {
			buf_adds(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
			s++;
		} else if (c < ' ' || c == 0x7f) {
			buf_addf(b, "\\u%04x", c);
			s++;
		} else if ((n = char_len(s)) > 0) {
			buf_add(b, s, n);
			s += n;
		} else {
			buf_adds(b, "\xef\xbf\xbd");
			s++;
		}
	}
	buf_addc(b, '"');
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_add_base64(struct buf *b, const void *p, size_t n)
{
	const unsigned char *in = p;

	ASSERT(n < SIZE_MAX / 4);
	buf_reserve(b, (n + 2) / 3 * 4);
	for (; n >= 3; n -= 3, in += 3) {
		char four[4] = { base64_digits[in[0] >> 2], base64_digits[(in[0] & 3) << 4 | in[1] >> 4],
			base64_digits[(in[1] & 15) << 2 | in[2] >> 6], base64_digits[in[2] & 63] };

		buf_add(b, four, 4);
	}
	if (n > 0) {
		unsigned second = n > 1 ? in[1] : 0;
		char four[4] = { base64_digits[in[0] >> 2], base64_digits[(in[0] & 3) << 4 | second >> 4],
			n > 1 ? base64_digits[(second & 15) << 2] : '=', '=' };

		buf_add(b, four, 4);
	}
}

static int base64_value(char c)
{
	const char *at = c != '\0' ? strchr(base64_digits, c) : NULL;

	return at != NULL ? (int)(at - base64_digits) : -1;
}

bool buf_add_unbase64(struct buf *b, const char *s, size_t n)
{
	if (n % 4 != 0)
		return false;
	for (; n > 0; n -= 4, s += 4) {
		int pad = n == 4 ? (s[3] == '=') + (s[3] == '=' && s[2] == '=') : 0;
		unsigned bits = 0;

		for (int i = 0; i < 4; i++) {
			int v = i >= 4 - pad ? 0 : base64_value(s[i]);

			if (v < 0)
				return false;
			bits = bits << 6 | (unsigned)v;
		}
		if ((pad == 1 && (bits & 0xff) != 0) || (pad == 2 && (bits & 0xffff) != 0))
			return false;		/* stray bits: two texts for the same bytes */
		char three[3] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };

		buf_add(b, three, (size_t)(3 - pad));
	}
	return true;
}

void buf_add_xtext(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= ' ' || c >= 0x7f || c == '+' || c == '=')
			buf_addf(b, "+%02X", c);
		else
			buf_addc(b, (char)c);
	}
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool buf_add_unxtext(struct buf *b, const char *s)
{
	buf_add(b, "", 0);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '+') {
			/* RFC 3461 4: hexchar = "+" two upper-case digits; lower case is taken too */
			int hi = hex_value(s[1] >= 'a' && s[1] <= 'f' ? (char)(s[1] - 32) : s[1]);
			int lo = hi < 0 ? -1 : hex_value(s[2] >= 'a' && s[2] <= 'f' ? (char)(s[2] - 32) : s[2]);

			if (lo < 0 || (hi == 0 && lo == 0))
				return false;
			buf_addc(b, (char)(hi << 4 | lo));
			s += 2;
		} else {
			buf_addc(b, (char)c);
		}
	}
	return true;
}
