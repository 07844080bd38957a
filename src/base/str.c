/* str.c - strings: comparison, trimming, numbers, tokens, lists. ASCII rules whatever the
 * locale says: what a peer sends must mean the same on every machine. */
#include <stdlib.h>

#include <postrider/base.h>

static inline unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static inline bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool str_ieq(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	while (lower((unsigned char)*a) == lower((unsigned char)*b)) {
		if (*a == '\0')
			return true;
		a++;
		b++;
	}
	return false;
}

bool str_iprefix(const char *s, const char *prefix)
{
	for (; *prefix != '\0'; s++, prefix++)
		if (lower((unsigned char)*s) != lower((unsigned char)*prefix))
			return false;
	return true;
}

char *str_lower(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		*p = (char)lower((unsigned char)*p);
	return s;
}

char *str_trim(char *s)
{
	size_t n;

	while (is_space(*s))
		s++;
	n = strlen(s);
	while (n > 0 && is_space(s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/* Length of the valid UTF-8 sequence at p (n bytes are there), 0 if there is none. Over-long
 * forms, surrogates and what lies beyond U+10FFFF are invalid (RFC 3629). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	size_t want;
	unsigned lo = 0x80, hi = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		want = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		want = 3;
		if (p[0] == 0xe0)
			lo = 0xa0;
		else if (p[0] == 0xed)
			hi = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		want = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		else if (p[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n < want || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < want; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return want;
}

char *str_printable(char *s, char replacement)
{
	unsigned char *p = (unsigned char *)s;

	while (*p != '\0') {
		if (*p >= ' ' && *p < 0x7f) {
			p++;
			continue;
		}
		/* a NUL ends the sequence as an invalid continuation, so strnlen bounds suffice */
		size_t n = *p < 0x80 ? 0 : utf8_len(p, strnlen((char *)p, 4));

		if (n == 0)
			*p++ = (unsigned char)replacement;
		else
			p += n;
	}
	return s;
}

char *str_printable_ascii(char *s, char replacement)
{
	for (char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = replacement;
	return s;
}

bool str_is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

bool str_is_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;

	while (len > 0) {
		uint64_t eight;
		size_t n;

		if (len >= sizeof(eight)) {		/* nearly all text is ASCII */
			memcpy(&eight, p, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				p += sizeof(eight);
				len -= sizeof(eight);
				continue;
			}
		}
		n = utf8_len(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool str_to_int(const char *s, int64_t lo, int64_t hi, int64_t *n_r)
{
	bool minus = *s == '-';
	int64_t n = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n))
			return false;
		if (minus ? __builtin_sub_overflow(n, *s - '0', &n) : __builtin_add_overflow(n, *s - '0', &n))
			return false;
	}
	if (n < lo || n > hi)
		return false;
	*n_r = n;
	return true;
}

void hex_encode(char *out, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size > 0) {
		size_t n = MIN(len, size - 1);

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}

char *str_tok(char **cursor, const char *sep)
{
	char *start, *end;

	if (*cursor == NULL)
		return NULL;
	start = *cursor + strspn(*cursor, sep);
	if (*start == '\0') {
		*cursor = start;
		return NULL;
	}
	end = start + strcspn(start, sep);
	if (*end != '\0')
		*end++ = '\0';
	*cursor = end;
	return start;
}

char *str_tok_brace(char **cursor, const char *sep)
{
	char *start, *p;
	int level = 0;

	if (*cursor == NULL)
		return NULL;
	start = *cursor + strspn(*cursor, sep);
	if (*start == '\0') {
		*cursor = start;
		return NULL;
	}
	for (p = start; *p != '\0'; p++) {
		if (*p == '{') {
			level++;
		} else if (*p == '}' && level > 0) {
			level--;
		} else if (level == 0 && strchr(sep, *p) != NULL) {
			*p++ = '\0';
			break;
		}
	}
	*cursor = p;
	return start;
}

const char *str_extpar(char **s)
{
	char *p = *s;
	int level = 0;

	if (*p != '{')
		return "no opening '{'";
	do {
		if (*p == '{')
			level++;
		else if (*p == '}')
			level--;
		else if (*p == '\0')
			return "missing '}'";
		p++;
	} while (level > 0);
	if (*p != '\0')
		return "syntax error after '}'";
	p[-1] = '\0';
	*s = str_trim(*s + 1);
	return NULL;
}

void strs_addn(struct strs *l, const char *s, size_t n)
{
	if (l->n + 2 > l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = xstrndup(s, n);
	l->v[l->n] = NULL;
}

void strs_add(struct strs *l, const char *s)
{
	strs_addn(l, s, strlen(s));
}

void strs_split(struct strs *l, const char *text, const char *sep)
{
	for (;;) {
		size_t n;

		text += strspn(text, sep);
		if (*text == '\0')
			return;
		n = strcspn(text, sep);
		strs_addn(l, text, n);
		text += n;
	}
}

void strs_release(struct strs *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strs){ 0 };
}
