/* quote.c - the local part in quotes and out of them.
 *
 * An internal address may hold anything in its local part. It needs quotes in its external form unless the local part
 * is a sequence of atoms separated by single dots; 8-bit bytes count as letters, since they are passed on as they
 * are. The last '@' ends the local part. */
#include "address_room.h"

static const char *local_end(const char *internal)
{
	const char *at = strrchr(internal, '@');

	return at != NULL ? at : internal + strlen(internal);
}

/* Behind a source route ("@a,@b:"), which is kept as it is. */
static const char *behind_route(const char *addr)
{
	const char *colon = *addr == '@' ? strchr(addr, ':') : NULL;

	return colon != NULL ? colon + 1 : addr;
}

static bool is_dot_string(const char *p, const char *end)
{
	char prev = '.';

	if (p == end)
		return false;
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '.' ? prev == '.' : c <= ' ' || c == 0x7f || strchr("()<>@,;:\\\"[]", c) != NULL)
			return false;
		prev = (char)c;
	}
	return prev != '.';
}

bool address_is_plain(const char *internal)
{
	const char *p = behind_route(internal);

	return *internal == '\0' || is_dot_string(p, local_end(p));
}

void address_quote_822(struct buf *out, const char *internal)
{
	const char *p = behind_route(internal), *end = local_end(p);

	if (*internal == '\0')
		return;
	if (is_dot_string(p, end)) {
		buf_adds(out, internal);
		return;
	}
	buf_add(out, internal, (size_t)(p - internal));
	buf_addc(out, '"');
	for (; p < end; p++) {
		if (*p == '"' || *p == '\\' || *p == '\r' || *p == '\n')
			buf_addc(out, '\\');
		buf_addc(out, *p);
	}
	buf_addc(out, '"');
	buf_adds(out, end);
}

void address_quote_821(struct buf *out, const char *internal)
{
	address_quote_822(out, internal);
}

void address_unquote(struct buf *out, const char *external)
{
	const char *p = behind_route(external), *end = local_end(p);

	buf_add(out, external, (size_t)(p - external));
	for (; p < end; p++) {
		if (*p == '"')
			continue;
		if (*p == '\\') {
			if (p + 1 == end)
				continue;
			p++;
		}
		buf_addc(out, *p);
	}
	buf_adds(out, end);
}

void address_verp(struct buf *out, const char *delimiters, const char *sender, const char *rcpt)
{
	const char *at = local_end(sender), *rcpt_at = local_end(rcpt);

	buf_add(out, sender, (size_t)(at - sender));
	buf_addc(out, delimiters[0]);
	buf_add(out, rcpt, (size_t)(rcpt_at - rcpt));
	if (*rcpt_at != '\0') {
		buf_addc(out, delimiters[1]);
		buf_adds(out, rcpt_at + 1);
	}
	buf_adds(out, at);
}
