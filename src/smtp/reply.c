/* reply.c - what an SMTP or LMTP server says: lines into a code, an enhanced status and a text.
 *
 * Pure: a line in, a verdict out; reading, limits on length and time are conn.c's. A reply ends with
 * a line of three digits followed by a space or nothing (RFC 5321 §4.2.1). Lines that are
 * neither that nor three digits and '-' are garbage: their text is kept for the log and reading goes on,
 * since giving up would lose the place in a pipelined conversation. The enhanced status (RFC 3463) is
 * taken from the last line, and only if its class agrees with the code's. */
#include "client.h"
#include <ctype.h>

void reply_begin(struct reply *r)
{
	r->code = 0;
	r->dsn[0] = '\0';
	r->garbage = r->overflow = false;
	buf_reset(&r->text);
}

/* "2.1.5": class 2, 4 or 5, then numbers of at most three digits. Returns its length, 0 if it is none. */
static size_t dsn_len(const char *p, size_t len)
{
	size_t i = 1;

	if (len < 5 || (p[0] != '2' && p[0] != '4' && p[0] != '5'))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t start = i + 1;

		if (i >= len || p[i] != '.')
			return 0;
		for (i = start; i < len && isdigit((unsigned char)p[i]); i++)
			continue;
		if (i == start || i - start > 3)
			return 0;
	}
	return i == len || isspace((unsigned char)p[i]) ? i : 0;
}

static void dsn_take(struct reply *r, const char *line, size_t len)
{
	size_t i = 4, n;

	if (line[0] != '2' && line[0] != '4' && line[0] != '5') {
		str_copy(r->dsn, "5.5.0", sizeof(r->dsn));	/* protocol error */
		return;
	}
	while (i < len && line[i] == ' ')
		i++;
	n = i < len ? dsn_len(line + i, len - i) : 0;
	if (n > 0 && n < sizeof(r->dsn) && line[i] == line[0]) {
		memcpy(r->dsn, line + i, n);
		r->dsn[n] = '\0';
	} else {
		memcpy(r->dsn, "x.0.0", 6);
		r->dsn[0] = line[0];
	}
}

/* Keeps the line's text, made printable, while there is room. A NUL ends it, as it would for a reader of C strings. */
static void text_add(struct reply *r, const char *line, size_t len, size_t max)
{
	const char *nul = memchr(line, '\0', len);
	size_t start;

	if (r->text.len >= max) {
		r->overflow = true;
		return;
	}
	if (r->text.len > 0)
		buf_addc(&r->text, '\n');
	start = r->text.len;
	buf_add(&r->text, line, nul != NULL ? (size_t)(nul - line) : MIN(len, max));
	if (r->text.len > start)
		str_printable(r->text.p + start, '?');
}

bool reply_push(struct reply *r, const char *line, size_t len, size_t max)
{
	size_t digits = 0;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	text_add(r, line, len, max);
	while (digits < len && isdigit((unsigned char)line[digits]))
		digits++;
	r->garbage = true;
	if (digits != 3)
		return false;
	if (len > 3 && line[3] == '-') {
		r->garbage = false;
		return false;
	}
	if (len > 3 && line[3] != ' ')
		return false;
	r->garbage = false;
	r->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
	dsn_take(r, line, len);
	return true;
}

void reply_flatten(struct reply *r)
{
	for (size_t i = 0; i < r->text.len; i++)
		if (r->text.p[i] == '\n')
			r->text.p[i] = ' ';
}
