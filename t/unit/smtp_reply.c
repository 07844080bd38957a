/* smtp_reply.c - what servers say: codes, enhanced status, garbage, lengths. */
#include "smtp/client.h"
#include "tap.h"
#include <stdlib.h>

/* Lines separated by '|'; returns how many were taken until the reply was complete, 0 if it never was. */
static int feed(struct reply *r, const char *lines)
{
	char *copy = xstrdup(lines), *p = copy, *bar;
	int n = 0, done = 0;

	reply_begin(r);
	while (p != NULL && !done) {
		bar = strchr(p, '|');
		if (bar != NULL)
			*bar = '\0';
		n++;
		done = reply_push(r, p, strlen(p), 2048);
		p = bar != NULL ? bar + 1 : NULL;
	}
	free(copy);
	return done ? n : 0;
}

static void is_reply(const char *lines, int code, const char *dsn, const char *text)
{
	struct reply r = { 0 };

	ok(feed(&r, lines) > 0, "complete: %s", lines);
	is_int(r.code, code, "code of %s", lines);
	is_str(r.dsn, dsn, "status of %s", lines);
	reply_flatten(&r);
	is_str(buf_str(&r.text), text, "text of %s", lines);
	buf_release(&r.text);
}

static void test_lengths(void)
{
	struct reply r = { 0 };
	char *big = xmalloc(5000);
	int n;

	memset(big, 'x', 5000);
	memcpy(big, "550-5.1.1 ", 10);
	reply_begin(&r);
	for (n = 0; n < 50; n++)
		ok(!reply_push(&r, big, 5000, 2048), "line %d is not the last", n);
	ok(r.text.len <= 2048 + 1 + 2048, "a long reply is kept in part: %zu", r.text.len);
	big[3] = ' ';
	ok(reply_push(&r, big, 5000, 2048), "and still ends");
	is_str(r.dsn, "5.1.1", "its status comes from the last line");
	free(big);
	buf_release(&r.text);
}

static void test_bytes(void)
{
	struct reply r = { 0 };

	reply_begin(&r);
	ok(reply_push(&r, "250 a b\x01\tc\xe9", 11, 2048), "odd bytes");
	is_str(buf_str(&r.text), "250 a b??c?", "become question marks");
	reply_begin(&r);
	ok(reply_push(&r, "250 a\0b", 7, 2048), "a NUL");
	is_str(buf_str(&r.text), "250 a", "ends the text");
	buf_release(&r.text);
}

int main(void)
{
	struct reply r = { 0 };

	is_reply("250 2.1.0 ok", 250, "2.1.0", "250 2.1.0 ok");
	is_reply("250 ok\r", 250, "2.0.0", "250 ok");
	is_reply("550", 550, "5.0.0", "550");
	is_reply("550 4.1.1 mismatch", 550, "5.0.0", "550 4.1.1 mismatch");
	is_reply("550-5.1.1 one|550 5.1.2 two", 550, "5.1.2", "550-5.1.1 one 550 5.1.2 two");
	is_reply("550-5.1.1 a|450 4.1.1 b", 450, "4.1.1", "550-5.1.1 a 450 4.1.1 b");
	is_reply("550 5.1.1", 550, "5.1.1", "550 5.1.1");
	is_reply("550 5.1.1x", 550, "5.0.0", "550 5.1.1x");
	is_reply("550 5.1.1234 x", 550, "5.0.0", "550 5.1.1234 x");
	is_reply("550 5.123.123 x", 550, "5.123.123", "550 5.123.123 x");
	is_reply("999 5.1.1 odd", 999, "5.5.0", "999 5.1.1 odd");
	is_reply("354 go", 354, "5.5.0", "354 go");
	is_reply("garbage|250 ok", 250, "2.0.0", "garbage 250 ok");
	is_reply("5501 four|550 5.1.2 real", 550, "5.1.2", "5501 four 550 5.1.2 real");
	is_int(feed(&r, "250-a|250-b|"), 0, "no last line, no reply");
	is_int(feed(&r, "25 x"), 0, "two digits are no code");
	ok(r.garbage, "and said to be garbage");
	is_int(feed(&r, "250-x"), 0, "more to come");
	ok(!r.garbage, "a continued line is not garbage");
	buf_release(&r.text);
	test_bytes();
	test_lengths();
	return done_testing();
}
