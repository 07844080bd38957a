/* logline.c - the line about one recipient, in Postfix's form, with its delays.
 *
 *	delay=a+b+c+d	delays=a/b/c/d
 *	a	from arrival to becoming active	b	waiting for a turn, until the agent began
 *	c	setting up the connection	d	the rest */
#include "qmgr_int.h"
#include <postrider/address.h>
#include <inttypes.h>

enum { DELAY_DIGITS = 2 };		/* significant digits at most */

static int64_t power10(int n)
{
	int64_t p = 1;

	while (n-- > 0)
		p *= 10;
	return p;
}

/* Seconds with at most two significant digits behind the leading one, at most `digits` decimals, rounded, without
 * trailing zeros: "0.05", "1.2", "37". */
void format_delay(struct buf *out, int64_t us, int digits)
{
	int64_t unit = power10(6 - MIN(MAX(digits, 0), 6)), limit = power10(DELAY_DIGITS), sec, frac, order;

	if (us < 0)
		us = 0;
	if (unit < 1000000) {
		if (us >= 1000000) {
			for (order = 1; us / 1000000 >= order && order <= limit / 10; order *= 10)
				;
			unit = MAX(unit, 1000000 / limit * order);
		} else {
			while (us >= limit * unit)
				unit *= 10;
		}
	}
	if (unit > 1)
		us += unit / 2;
	sec = us / 1000000;
	frac = us % 1000000;
	buf_addf(out, "%" PRId64, sec);
	if (frac < unit)
		return;
	buf_addc(out, '.');
	for (int64_t n = 100000; frac >= unit && n > 0; n /= 10) {
		buf_addc(out, (char)('0' + frac / n));
		frac %= n;
	}
}

void log_address(struct buf *b, const char *address)
{
	address_quote_822(b, address);
}

static void add_delays(struct buf *b, const struct log_times *t)
{
	int64_t now_us = now_ms() * 1000, active_us = t->active_ms * 1000;
	int64_t start = t->start_us != 0 ? t->start_us : now_us, conn = t->conn_us != 0 ? t->conn_us : start;
	int64_t part[4] = { t->active_us - t->arrival_us, start - active_us, conn - start, now_us - conn };

	buf_adds(b, ", delay=");
	format_delay(b, wall_us() - t->arrival_us, qmgr.conf->delay_digits);
	for (int i = 0; i < 4; i++) {
		buf_adds(b, i == 0 ? ", delays=" : "/");
		format_delay(b, part[i], qmgr.conf->delay_digits);
	}
}

void log_status(const struct log_ctx *ctx, const struct message *m, const struct rcpt *r, const char *addr,
    const struct log_times *t, const struct status *st, const char *word)
{
	static struct buf b;		/* the loop's own, reused: one line for every recipient of the day */

	buf_reset(&b);
	buf_addf(&b, "%s: to=<", m->name);
	log_address(&b, addr);
	if (r->orig != NULL && *r->orig != '\0' && !str_ieq(addr, r->orig)) {
		buf_adds(&b, ">, orig_to=<");
		log_address(&b, r->orig);
	}
	buf_addf(&b, ">, relay=%s", st->relay != NULL ? st->relay : "none");
	if (t->reuse > 1)
		buf_addf(&b, ", conn_use=%u", t->reuse);
	add_delays(&b, t);
	buf_addf(&b, ", dsn=%s, status=%s (%s)", st->dsn, word, st->text);
	log_info(ctx, "%s", buf_str(&b));
}
