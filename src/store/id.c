/* id.c - queue ids: 64-bit numbers, the microsecond of their making, and their printed forms.
 *
 * Ids are multiples of 16, so that the short form, a sixteenth of the number in upper-case hex, has twelve digits until the
 * year 2112: as many as Postfix's ids at most have, which scripts and log readers count on. Beyond 62,500 messages
 * a second ids would run ahead of the clock; nothing minds. The long form is Postfix's: seconds in base 52 (six digits or more),
 * microseconds in base 52 (four digits), 'z', and where Postfix has the inode in base 51 a number derived from the
 * others, so that a mistyped id is not taken for another message. Both forms sort by age in their length class and
 * both are understood whichever is printed. */
#include "store_int.h"
#include <postrider/clock.h>
#include <stdio.h>

static const char digits52[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";	/* base 51: all but 'z' */
enum { ID_STEP = 16 };
enum { SECS_MIN = 6, USEC_DIGITS = 4, TAIL_DIGITS = 4 };

queue_id_t store_new_id(void)
{
	queue_id_t now = (queue_id_t)wall_us();

	store.last_id = (MAX(store.last_id, now) / ID_STEP + 1) * ID_STEP;
	return store.last_id;
}

static uint64_t id_tail(queue_id_t id)
{
	id ^= id >> 29;
	id *= 0xbf58476d1ce4e5b9u;
	id ^= id >> 32;
	return 51 * 51 * 51 + id % (50u * 51 * 51 * 51);	/* always four digits */
}

/* Writes v with at least min digits; returns their number. */
static size_t put_base(char *out, uint64_t v, unsigned base, size_t min)
{
	char tmp[16];
	size_t n = 0, i;

	while (v != 0 || n < min) {
		tmp[n++] = digits52[v % base];
		v /= base;
	}
	for (i = 0; i < n; i++)
		out[i] = tmp[n - 1 - i];
	return n;
}

void queue_id_print(char out[QUEUE_ID_TEXT], queue_id_t id, bool long_form)
{
	size_t n;

	if (!long_form) {
		snprintf(out, QUEUE_ID_TEXT, "%llX", (unsigned long long)id / ID_STEP);
		return;
	}
	n = put_base(out, id / 1000000, 52, SECS_MIN);
	n += put_base(out + n, id % 1000000, 52, USEC_DIGITS);
	out[n++] = 'z';
	n += put_base(out + n, id_tail(id), 51, TAIL_DIGITS);
	out[n] = '\0';
}

static bool get_base(const char *p, size_t n, uint64_t *v_r)
{
	const char *d;

	for (*v_r = 0; n > 0; n--, p++) {
		if (*p == '\0' || (d = strchr(digits52, *p)) == NULL)
			return false;
		*v_r = *v_r * 52 + (uint64_t)(d - digits52);
	}
	return true;
}

bool queue_id_parse(const char *text, queue_id_t *id_r)
{
	size_t len = strlen(text), head = len - TAIL_DIGITS - 1;
	bool long_form = len > SECS_MIN + USEC_DIGITS + TAIL_DIGITS && text[head] == 'z';
	char again[QUEUE_ID_TEXT];
	uint64_t secs, usec;
	queue_id_t id = 0;
	const char *p;

	if (len == 0 || len >= QUEUE_ID_TEXT)
		return false;
	if (long_form) {
		if (head > 12 || !get_base(text, head - USEC_DIGITS, &secs) ||
		    !get_base(text + head - USEC_DIGITS, USEC_DIGITS, &usec))
			return false;
		id = secs * 1000000 + usec;
	} else {
		for (p = text; *p != '\0'; p++) {
			if (!((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'F')) || id >> 56 != 0)
				return false;
			id = id << 4 | (queue_id_t)(*p <= '9' ? *p - '0' : *p - 'A' + 10);
		}
		id *= ID_STEP;
	}
	queue_id_print(again, id, long_form);	/* one text for one id: no leading zeros, right tail */
	if (strcmp(again, text) != 0)
		return false;
	*id_r = id;
	return true;
}
