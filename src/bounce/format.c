/* format.c - small text forms of notices: wrapped lines, dates, addresses for 7-bit fields. */
#include "bounce_int.h"
#include <postrider/address.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void wrap_text(const char *text, size_t width, size_t indent, void (*put)(void *arg, const char *line, size_t len),
	       void *arg)
{
	struct buf b = { 0 };
	size_t in = 0;

	for (const char *p = text; *p != '\0';) {
		size_t room = width > in ? width - in : 1;
		const char *cut = NULL, *q = p;

		/* The last blank that still fits; failing that the first blank behind. */
		for (; *q != '\0'; q++) {
			if (*q != ' ' && *q != '\t')
				continue;
			if ((size_t)(q - p) > room && cut != NULL)
				break;
			cut = q;
			if ((size_t)(q - p) > room)
				break;
		}
		if (*q == '\0' && (size_t)(q - p) <= room)
			cut = q;
		if (cut == NULL)
			cut = q;
		buf_reset(&b);
		for (size_t i = 0; i < in; i++)
			buf_addc(&b, ' ');
		for (q = cut; q > p && (q[-1] == ' ' || q[-1] == '\t'); q--)
			;
		buf_add(&b, p, (size_t)(q - p));
		put(arg, buf_str(&b), b.len);
		for (p = cut; *p == ' ' || *p == '\t'; p++)
			;
		in = indent;
	}
	buf_release(&b);
}

void format_date(char *out, size_t size, int64_t unix_s)
{
	static const char day[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char month[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t t = (time_t)unix_s;
	struct tm tm;
	long off;

	localtime_r(&t, &tm);
	off = tm.tm_gmtoff / 60;
	snprintf(out, size, "%s, %2d %s %d %02d:%02d:%02d %c%02ld%02ld (%s)", day[tm.tm_wday], tm.tm_mday,
		 month[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, off < 0 ? '-' : '+',
		 labs(off) / 60, labs(off) % 60, tm.tm_zone != NULL ? tm.tm_zone : "");
}

void quote_7bit(struct buf *out, const char *address)
{
	const char *at = strrchr(address, '@'), *end = at != NULL ? at : address + strlen(address);

	if (str_is_ascii(address)) {
		address_quote_822(out, address);
		return;
	}
	buf_addc(out, '"');
	for (const char *p = address; p < end; p++) {
		if ((unsigned char)*p >= 128 || *p == '"' || *p == '\\' || *p == '\r')
			buf_addc(out, '\\');
		buf_addc(out, *p);
	}
	buf_addc(out, '"');
	buf_adds(out, end);
}
