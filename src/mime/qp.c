/* qp.c - quoted-printable (RFC 2045, 6.7), line by line.
 * A soft line break is made when 73 characters stand in the output line, so that a line never passes 76. */
#include "mime_room.h"

enum { SOFT_BREAK = 72 };

static void encode(struct buf *b, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	char text[3] = { '=', digits[c >> 4], digits[c & 15] };

	buf_add(b, text, sizeof(text));
}

void qp_encode(struct mime *m, const char *line, size_t len, bool partial)
{
	struct buf *out = &m->header;
	char last;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (out->len > SOFT_BREAK) {
			buf_addc(out, '=');
			m->hooks->body(m->arg, out->p, out->len, false);
			buf_reset(out);
		}
		if ((c < ' ' && c != '\t') || c == '=' || c > '~')
			encode(out, c);
		else
			buf_addc(out, (char)c);
	}
	if (partial)
		return;
	if (out->len > 0 && ((last = out->p[out->len - 1]) == ' ' || last == '\t')) {
		out->len--;
		encode(out, (unsigned char)last);
	}
	m->hooks->body(m->arg, buf_str(out), out->len, false);
	buf_reset(out);
}
