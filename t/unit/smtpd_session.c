/* smtpd_session.c - whole sessions: replies and messages are the same however the bytes arrive; a client may vanish at
 * any byte; limits, deadlines and the end of the server are said politely. */
#include <smtpd_help.h>

#include <malloc.h>

#include <postrider/file.h>
#include <postrider/log.h>

#include <tap.h>

static struct generation *g;
static char log_path[64];

#define PEER	"203.0.113.5"
#define GREETING "220 mx.example.com ESMTP Postrider\r\n"
#define EHLO	"250-mx.example.com\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n" \
		"250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
#define OK1	"250 2.1.0 Ok\r\n"
#define OK5	"250 2.1.5 Ok\r\n"
#define BYE	"221 2.0.0 Bye\r\n"
#define GO	"354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUEUED	"250 2.0.0 Ok: queued as ID\r\n"
#define OPEN	"EHLO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<u@example.com>\r\n"
#define OPENED	GREETING EHLO OK1 OK5
#define LETTER	"open\nfrom <a@b.c>\nto <u@example.com> rfc822;u@example.com 0\n+Received:\n"

/* "queued as 8F" -> "queued as ID" */
static void hide_ids(struct buf *b)
{
	for (char *at = b->p; at != NULL && (at = strstr(at, "queued as ")) != NULL; at += 12) {
		size_t n = strcspn(at + 10, "\r");

		memmove(at + 12, at + 10 + n, strlen(at + 10 + n) + 1);
		memcpy(at + 10, "ID", 2);
	}
}

static char *talk(const char *in, size_t n, size_t piece)
{
	struct client c = { 0 };
	char *heard;

	buf_reset(&box.text);
	client_start(&c, g, PEER, in, n, piece);
	loop_run();
	hide_ids(&c.heard);
	heard = buf_steal(&c.heard);
	client_end(&c);
	return heard;
}

static struct timer settled;
static unsigned settle_passes;

static void stop(struct task *t)
{
	settle_passes++;
	if (timer_expired(&settled) && settle_passes >= 200) {
		timer_end(&settled);
		loop_stop();
	} else {
		task_wake(t);
	}
}

/* At least so long, and long enough: all that the tests wait for happens in this loop, a step a pass, so with so many
 * passes it has happened on the slowest machine. */
static void settle(int64_t ms)
{
	static struct task t;

	settle_passes = 0;
	task_init(&t, "settle", stop);
	timer_start(&settled, &t, ms);
	task_wake(&t);
	loop_run();
	task_unlink(&t);
}

/* ---- the same however it arrives ------------------------------------------------------------------- */
static const struct dialogue {
	const char *what, *in, *heard, *box;
} dialogues[] = {
	{ "a message", OPEN "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n", OPENED GO QUEUED BYE, LETTER "Subject: x|\n|\n.dot|\nqueued\n" },
	{ "two messages and a reset", OPEN "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<v@example.com> NOTIFY=NEVER ORCPT=rfc822;a+2Bb\r\nDATA\r\n.\r\n"
	    "MAIL FROM:<a@b.c> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<u@example.com>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
	    OPENED "250 2.0.0 Ok\r\n" OK1 OK5 GO QUEUED OK1 OK5 GO QUEUED BYE,
	    "open\nfrom <a@b.c>\nto <u@example.com> rfc822;u@example.com 0\nopen\nfrom <>\nto <v@example.com> rfc822;a+b 1\n+Received:\nqueued\n" LETTER "x|\nqueued\n" },
	{ "chunks", OPEN "BDAT 5\r\nSubjeBDAT 9\r\nct: x\r\n\r\nBDAT 0 LAST\r\nQUIT\r\n",
	    OPENED "250 2.0.0 Ok: 5 bytes\r\n250 2.0.0 Ok: 9 bytes\r\n250 2.0.0 Ok: 14 bytes queued as ID\r\n" BYE,
	    LETTER "Subject: x|\n|\nqueued\n" },
	{ "a chunk without a line's end", OPEN "BDAT 3 LAST\r\nabcQUIT\r\n", OPENED "250 2.0.0 Ok: 5 bytes queued as ID\r\n" BYE, LETTER "abc|\nqueued\n" },
	{ "a chunk with dots", OPEN "BDAT 7 LAST\r\n.\r\n..\r\nQUIT\r\n", OPENED "250 2.0.0 Ok: 7 bytes queued as ID\r\n" BYE, LETTER ".|\n..|\nqueued\n" },
	{ "a refused chunk is skipped", "EHLO c\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\nQUIT\r\n",
	    GREETING EHLO "503 5.5.1 Error: need RCPT command\r\n250 2.0.0 Ok\r\n" BYE, "" },
	{ "out of order", "RCPT TO:<a@b.c>\r\nMAIL FROM:<a@b.c>\r\nDATA\r\nRCPT TO:<u@example.com>\r\nDATA\r\n.\r\nQUIT\r\n",
	    GREETING "503 5.5.1 Error: need MAIL command\r\n" OK1 "554 5.5.1 Error: no valid recipients\r\n" OK5 GO QUEUED BYE, LETTER "queued\n" },
	{ "an empty line, a long one, NUL bytes", "\r\nNOOP 345678901234567890123456789012345678901234567890123456789012345678901234567890\r\nNO\0OP\r\nQUIT\r\n",
	    GREETING "500 5.5.2 Error: bad syntax\r\n250 2.0.0 Ok\r\n500 5.5.2 Error: command not recognized\r\n" BYE, "" },
	{ "bytes that are no UTF-8", "MAIL FROM:<\xff@b.c>\r\nQUIT\r\n", GREETING "500 5.5.2 Error: bad UTF-8 syntax\r\n" BYE, "" },
	{ "a web browser", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", GREETING "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n", "" },
	{ "a header", "X-Y: z\r\n", GREETING "221 2.7.0 Error: I can break rules, too. Goodbye.\r\n", "" },
	{ "bare line feeds", "EHLO c\nMAIL FROM:<a@b.c>\nRCPT TO:<u@example.com>\nDATA\nx\n.\ny\r\n.\r\nQUIT\n", OPENED GO QUEUED BYE,
	    LETTER "x|\ny|\nqueued\n" },
	{ "no end to be smuggled in", OPEN "DATA\r\na\n.\r\nb\r\n.\nMAIL FROM:<evil@b.c>\r\nc\r\n.\rd\r\n\r.\r\n.\r\nQUIT\r\n", OPENED GO QUEUED BYE,
	    LETTER "a|\nb|\nMAIL FROM:<evil@b.c>|\nc|\n\rd|\n\r.|\nqueued\n" },
	{ "to where we do not relay", "HELO c\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nRCPT TO:<u@example.com\r\nRCPT u\r\nVRFY u@example.com\r\nETRN x\r\nXCLIENT\r\nQUIT\r\n",
	    GREETING "250 mx.example.com\r\n" OK1 "454 4.7.1 <a@b.c>: Relay access denied\r\n501 5.1.3 Bad recipient address syntax\r\n501 5.5.4 Syntax: RCPT TO:<address>\r\n252 2.0.0 u@example.com\r\n"
	    "503 Error: MAIL transaction in progress\r\n503 5.5.1 Error: MAIL transaction in progress\r\n" BYE, NULL },
};

static size_t length(const char *in)
{
	size_t n = strlen(in);

	if (n > 2 && strcmp(in + n - 2, "NO") == 0)	/* one script has a NUL in it */
		n += 1 + strlen(in + n + 1);
	return n;
}

static void test_pieces(void)
{
	static const size_t pieces[] = { 0, 1, 2, 3, 7, 50 };
	char *first_box = NULL;

	client_load(&g, "");
	for (size_t i = 0; i < NELEM(dialogues); i++) {
		const struct dialogue *d = &dialogues[i];

		for (size_t k = 0; k < NELEM(pieces) * 2; k++) {
			char *heard;

			box.slow = k >= NELEM(pieces);
			heard = talk(d->in, length(d->in), pieces[k % NELEM(pieces)]);
			if (k == 0) {
				is_str(heard, d->heard, "%s: replies", d->what);
				if (d->box != NULL)
					is_str(buf_str(&box.text), d->box, "%s: what became of it", d->what);
				first_box = xstrdup(buf_str(&box.text));
			} else if (strcmp(heard, d->heard) != 0 || strcmp(buf_str(&box.text), first_box) != 0) {
				is_str(heard, d->heard, "%s: replies, in pieces of %zu", d->what, pieces[k % NELEM(pieces)]);
				is_str(buf_str(&box.text), first_box, "%s: message, in pieces of %zu", d->what, pieces[k % NELEM(pieces)]);
			}
			free(heard);
		}
		free(first_box);
		is_int(smtpd_sessions(), 0, "%s: in pieces of all sizes", d->what);
	}
	box.slow = false;
}

/* ---- gone at any byte ---------------------------------------------------------------------------------- */
static void test_vanish(void)
{
	for (size_t i = 0; i < NELEM(dialogues); i++)
		for (size_t at = 1; at < length(dialogues[i].in); at++) {
			struct client c = { .stop_at = at };

			box.slow = at % 2 != 0;
			client_start(&c, g, PEER, dialogues[i].in, length(dialogues[i].in), at % 5);
			loop_run();
			client_end(&c);
		}
	settle(100);
	is_int(smtpd_sessions(), 0, "no session outlives its client");
	is_int(box.opened, box.freed, "nor a message its session");
	box.slow = false;
}

/* ---- content against a model ------------------------------------------------------------------------------- */
enum mode { LENIENT, STRICT };

/* What the text after 354 must become; returns where the command after it begins, 0: no end in it. */
static size_t model(struct buf *out, const char *p, size_t n, enum mode mode, size_t limit)
{
	bool before_bare = false;

	for (size_t at = 0; at < n;) {
		const char *nl = memchr(p + at, '\n', n - at);
		size_t end = nl != NULL ? (size_t)(nl - p) : n, len = end - at, from = at;
		bool crlf, pieces = false;

		if (nl == NULL)
			return 0;
		crlf = len > 0 && p[end - 1] == '\r';
		for (; len > limit + 1 || (len == limit + 1 && !crlf); len -= limit, from += limit) {
			size_t skip = !pieces && p[from] == '.';

			buf_add(out, p + from + skip, limit - skip);
			buf_adds(out, "\\\n");
			pieces = true;
		}
		len -= crlf;
		while (mode == LENIENT && len > 0 && p[from + len - 1] == '\r')
			len--;
		at = end + 1;
		if (!pieces && len == 1 && p[from] == '.') {
			if (mode == LENIENT || (crlf && !before_bare))
				return at;
			before_bare = !crlf;
			continue;
		}
		before_bare = !crlf;
		if (!pieces && len > 0 && p[from] == '.') {
			from++;
			len--;
		}
		buf_add(out, p + from, len);
		buf_adds(out, "|\n");
	}
	return 0;
}

static unsigned seed = 1;

static unsigned any(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void content_round(enum mode mode, size_t limit, bool *good)
{
	struct buf in = { 0 }, want = { 0 };
	size_t open, end;
	char *heard;

	buf_adds(&in, OPEN "DATA\r\n");
	open = in.len;
	for (unsigned n = 1 + any(30); n > 0; n--)
		switch (any(8)) {
		case 0: case 1:
			buf_adds(&in, "\r\n");
			break;
		case 2:
			buf_addc(&in, '\n');
			break;
		case 3:
			buf_addc(&in, '\r');
			break;
		case 4: case 5:
			buf_addc(&in, '.');
			break;
		case 6:
			buf_addf(&in, "%.*s", (int)any(14), "abcdefghijklmn");
			break;
		default:
			buf_addc(&in, 'x');
		}
	buf_adds(&in, "\r\n.\r\n");
	buf_adds(&want, LETTER);
	end = model(&want, in.p + open, in.len - open, mode, limit);
	ASSERT(end > 0);
	buf_adds(&want, "queued\n");
	in.len = open + end;
	buf_adds(&in, "QUIT\r\n");
	heard = talk(in.p, in.len, any(3) == 0 ? 0 : 1 + any(20));
	if (strcmp(buf_str(&box.text), want.p) != 0 || strcmp(heard, OPENED GO QUEUED BYE) != 0) {
		is_str(buf_str(&box.text), want.p, "content, mode %d, limit %zu", mode, limit);
		is_str(heard, OPENED GO QUEUED BYE, "replies");
		*good = false;
	}
	free(heard);
	buf_release(&in);
	buf_release(&want);
}

static void test_content(void)
{
	static const struct { const char *conf; enum mode mode; size_t limit; } modes[] = {
		{ "smtpd_forbid_bare_newline = normalize\nline_length_limit = 2048\n", STRICT, 2048 },
		{ "smtpd_forbid_bare_newline = no\n", LENIENT, 2048 },
		{ "smtpd_forbid_bare_newline = normalize\nsmtpd_forbid_bare_newline_exclusions = "PEER"\n", LENIENT, 2048 },
	};
	bool good = true;

	for (size_t i = 0; i < NELEM(modes); i++) {
		client_load(&g, modes[i].conf);
		for (int n = 0; n < 700 && good; n++) {
			box.slow = any(4) == 0;
			content_round(modes[i].mode, modes[i].limit, &good);
		}
		ok(good, "content as in the model, %s", modes[i].mode == STRICT ? "only CRLF counts" : "any line end counts");
	}
	box.slow = false;
}

static void test_long_lines(void)
{
	struct buf in = { 0 }, want = { 0 };
	char *heard;

	client_load(&g, "line_length_limit = 2048\n");
	for (size_t n = 2040; n < 2060; n++) {
		buf_reset(&in);
		buf_reset(&want);
		buf_adds(&in, OPEN "DATA\r\n");
		for (size_t i = 0; i < n; i++)
			buf_addc(&in, (char)('a' + i % 26));
		buf_adds(&in, "\r\n.\r\nQUIT\r\n");
		buf_adds(&want, LETTER);
		model(&want, in.p + strlen(OPEN "DATA\r\n"), in.len - strlen(OPEN "DATA\r\n"), STRICT, 2048);
		buf_adds(&want, "queued\n");
		for (size_t piece = 0; piece < 4000; piece += 1333) {
			heard = talk(in.p, in.len, piece);
			if (strcmp(buf_str(&box.text), want.p) != 0)
				is_str(buf_str(&box.text), want.p, "a line of %zu bytes", n);
			free(heard);
		}
	}
	ok(true, "lines around line_length_limit");
	/* one line without an end, far larger than any buffer */
	buf_reset(&in);
	buf_adds(&in, OPEN "DATA\r\n");
	for (int i = 0; i < 3000000; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\r\n.\r\nQUIT\r\n");
	box.mute = true;
	box.bytes = 0;
	heard = talk(in.p, in.len, 0);
	is_str(heard, OPENED GO QUEUED BYE, "3 MB in one line");
	is_int(box.bytes, 3000000, "all of it arrives");
	free(heard);
	buf_reset(&in);
	for (int i = 0; i < 300000; i++)
		buf_addc(&in, 'x');
	buf_adds(&in, "\r\nQUIT\r\n");
	heard = talk(in.p, in.len, 0);
	is_str(heard, GREETING "500 5.5.2 Error: command not recognized\r\n" BYE, "a command as long");
	free(heard);
	box.mute = false;
	buf_release(&in);
	buf_release(&want);
}
/* ---- many at a time --------------------------------------------------------------------------------------- */
static void heard_is(struct client *c, const char *want, const char *what)
{
	hide_ids(&c->heard);
	is_str(buf_str(&c->heard), want, "%s", what);
}

static void say(struct client *c, const char *text)
{
	if (c->over)
		return;			/* the test that comes says so */
	stream_puts(c->stream, text);
	stream_flush(c->stream);
}

static void test_limits(void)
{
	struct client c[6] = { 0 };

	client_load(&g, "smtpd_client_connection_count_limit = 2\nsmtpd_client_event_limit_exceptions = 127.0.0.9\npostrider_session_limit = 5\n");
	for (int i = 0; i < 3; i++)
		client_start(&c[i], g, "203.0.113.10", "EHLO c\r\n", 8, 0);
	settle(30);
	heard_is(&c[0], GREETING EHLO, "the first");
	heard_is(&c[1], GREETING EHLO, "the second");
	heard_is(&c[2], "421 4.7.0 mx.example.com Error: too many connections from 203.0.113.10\r\n", "one too many");
	ok(c[2].over, "and hung up on");
	client_end(&c[2]);
	client_end(&c[1]);
	settle(5);
	client_start(&c[1], g, "203.0.113.10", "EHLO c\r\n", 8, 0);
	client_start(&c[2], g, "127.0.0.9", "EHLO c\r\n", 8, 0);
	client_start(&c[3], g, "127.0.0.9", "EHLO c\r\n", 8, 0);
	client_start(&c[4], g, "127.0.0.9", "EHLO c\r\n", 8, 0);
	settle(30);
	heard_is(&c[1], GREETING EHLO, "room again");
	heard_is(&c[4], GREETING EHLO, "an exception");
	client_start(&c[5], g, "203.0.113.11", "", 0, 0);
	settle(30);
	heard_is(&c[5], "421 4.3.2 All server ports are busy\r\n", "the whole server is full");
	for (int i = 0; i < 6; i++)
		client_end(&c[i]);
	settle(5);
	is_int(smtpd_sessions(), 0, "all gone");
}

static void test_errors(void)
{
	static const char bad[] = "X\r\nX\r\nX\r\nX\r\n", junk[] = "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n";
	static const char what[] = "500 5.5.2 Error: command not recognized\r\n", ok2[] = "250 2.0.0 Ok\r\n", many[] =
	    "421 4.7.0 mx.example.com Error: too many errors\r\n";
	char want[600], *heard;

	client_load(&g, "smtpd_soft_error_limit = 2\nsmtpd_hard_error_limit = 3\nsmtpd_junk_command_limit = 2\n");
	heard = talk(bad, strlen(bad), 0);
	snprintf(want, sizeof(want), GREETING "%s%s%s%s", what, what, what, many);
	is_str(heard, want, "smtpd_hard_error_limit");
	free(heard);
	heard = talk(junk, strlen(junk), 0);
	snprintf(want, sizeof(want), GREETING "%s%s%s%s%s%s%s", ok2, ok2, ok2, ok2, ok2, ok2, many);
	is_str(heard, want, "smtpd_junk_command_limit");
	free(heard);
}

static void test_penalty(void)
{
	static const char bad[] = "X\r\nX\r\nX\r\nQUIT\r\n";
	int64_t before;
	char *heard;

	client_load(&g, "smtpd_soft_error_limit = 2\nsmtpd_error_sleep_time = 1s\n");
	clock_update();
	before = now_ms();
	heard = talk(bad, strlen(bad), 0);
	clock_update();
	ok(now_ms() - before >= 1900 && now_ms() - before < 20000, "smtpd_error_sleep_time holds each reply back: %lld ms",
	    (long long)(now_ms() - before));
	free(heard);
}

static void test_deadlines(void)
{
	struct client c[5] = { 0 };
	static const char timeout[] = "421 4.4.2 mx.example.com Error: timeout exceeded\r\n";

	client_load(&g, "smtpd_timeout = 1s\nsmtpd_per_request_deadline = no\n");
	client_start(&c[0], g, PEER, "NOOP", 4, 0);
	client_start(&c[1], g, PEER, OPEN "DATA\r\nxyz", strlen(OPEN) + 9, 0);
	client_start(&c[2], g, PEER, OPEN "BDAT 10\r\nxyz", strlen(OPEN) + 12, 0);
	settle(1500);
	for (int i = 0; i < 3; i++) {
		ok(c[i].over && strstr(buf_str(&c[i].heard), timeout) != NULL, "time is up %d", i);
		client_end(&c[i]);
	}
	is_int(smtpd_sessions(), 0, "sessions gone");
	/* A client that keeps sending a byte now and then does not keep a session with a deadline for a whole command. */
	client_load(&g, "smtpd_timeout = 1s\nsmtpd_per_request_deadline = yes\nsmtpd_min_data_rate = 500\n");
	client_start(&c[3], g, PEER, "", 0, 0);
	client_start(&c[4], g, PEER, OPEN "DATA\r\n", strlen(OPEN) + 6, 0);
	for (int i = 0; i < 17; i++) {
		settle(100);
		if (!c[3].over)
			say(&c[3], "N");
		if (!c[4].over)
			say(&c[4], "0123456789");
	}
	ok(c[3].over && strstr(buf_str(&c[3].heard), timeout) != NULL, "a command in too small drops");
	ok(c[4].over && strstr(buf_str(&c[4].heard), timeout) != NULL, "content below smtpd_min_data_rate");
	client_end(&c[3]);
	client_end(&c[4]);
}

static size_t memory_in_use(void)
{
	return mallinfo2().uordblks;
}

static void test_idle_memory(void)
{
	enum { MANY = 400 };
	struct client *c = xcalloc(MANY, sizeof(*c));
	size_t before, each;

	client_load(&g, "smtpd_client_connection_count_limit = 0\n");
	for (int i = 0; i < MANY; i++)
		client_start(&c[i], g, "203.0.113.10", "EHLO client.example.org\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<u@example.com>\r\n"
		    "DATA\r\nx\r\n.\r\n", i % 2 == 0 ? 25 : 82, 0);
	settle(300);
	before = memory_in_use();
	for (int i = 0; i < MANY; i++) {
		if (i % 2 == 1)
			ok(strstr(buf_str(&c[i].heard), "queued as") != NULL, "queued %d", i);
		stream_free(&c[i].stream);
		buf_release(&c[i].heard);
		c[i].over = true;
		clients_left--;
	}
	clients_left = 0;
	settle(300);
	is_int(smtpd_sessions(), 0, "all gone");
	each = (before - memory_in_use()) / MANY;	/* some 500 bytes of it are the transcript */
	ok(each < 3000, "an idle session and its client together take %zu bytes", each);
	for (int i = 0; i < MANY; i++) {
		timer_end(&c[i].timer);
		task_unlink(&c[i].task);
	}
	free(c);
}

static void test_drain(void)
{
	static const char bye[] = "421 4.3.2 mx.example.com Error: server is shutting down\r\n";
	struct client c[2] = { 0 };

	client_load(&g, "");
	client_start(&c[0], g, PEER, "EHLO c\r\n", 8, 0);
	client_start(&c[1], g, PEER, OPEN "DATA\r\nx\r\n", strlen(OPEN) + 9, 0);
	settle(30);
	smtpd_drain();
	settle(30);
	ok(c[0].over, "an idle session ends at once");
	heard_is(&c[0], GREETING EHLO "421 4.3.2 mx.example.com Error: server is shutting down\r\n", "politely");
	ok(!c[1].over, "one with content goes on");
	say(&c[1], ".\r\n");
	settle(30);
	ok(c[1].over && strstr(buf_str(&c[1].heard), "queued as") != NULL && strstr(buf_str(&c[1].heard), bye) != NULL, "to its end");
	client_end(&c[0]);
	client_end(&c[1]);
}

/* ---- what the log says ---------------------------------------------------------------------------------------- */
static void test_refusal(void)
{
	static const char in[] = OPEN "DATA\r\nx\r\n.\r\nQUIT\r\n";
	char *heard;

	client_load(&g, "");
	box.error = (struct cleanup_error){ 554, "5.4.0", "Error: too many hops" };
	heard = talk(in, strlen(in), 0);
	is_str(heard, OPENED GO "554 5.4.0 Error: too many hops\r\n" BYE, "refused by cleanup");
	free(heard);
	box.error.code = 0;
	client_load(&g, "smtpd_forbid_unauth_pipelining = yes\n");
	heard = talk(in, strlen(in), 0);
	is_str(heard, GREETING "554 5.5.0 Error: SMTP protocol synchronization\r\n", "talks ahead of EHLO");
	free(heard);
}

static void test_log(void)
{
	static const char *const lines[] = {
		"connect from unknown["PEER"]\n", "disconnect from unknown["PEER"] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n",
		"disconnect from unknown["PEER"] ehlo=1 mail=1 rcpt=1 data=0/1 quit=1 commands=4/5\n",
		"lost connection after CONNECT from unknown["PEER"]\n", "lost connection after RCPT from unknown["PEER"]\n",
		"lost connection after DATA (12 bytes) from unknown["PEER"]\n", "timeout after NOOP from", "timeout after CONNECT from unknown["PEER"]\n",
		"timeout after DATA (0 bytes) from unknown["PEER"]\n", "too many errors after UNKNOWN from unknown["PEER"]\n",
		"warning: non-SMTP command from unknown["PEER"]: X-Y: z\n", "client=unknown["PEER"]\n",
		"warning: Connection concurrency limit exceeded: 3 from unknown[203.0.113.10] for service 2525\n",
		"improper command pipelining after EHLO from unknown["PEER"]: MAIL FROM:<a@b.c>\\r\\nRCPT TO:<u@example.com>\\r\\nDATA\\r\\n",
	};
	char *log;

	log_stop();
	log = file_read(log_path, 64 << 20, NULL);
	for (size_t i = 0; i < NELEM(lines); i++)
		if (i != 6)
			ok(log != NULL && strstr(log, lines[i]) != NULL, "logged: %.60s", lines[i]);
	free(log);
}

int main(void)
{
	struct log_target target = { .path = log_path, .mode = 0600 };
	char *why;

	client_setup();
	snprintf(log_path, sizeof(log_path), "%s/log", client_dir);
	why = log_start(&target);
	ok(why == NULL, "log %s", why != NULL ? why : "");
	test_pieces();
	test_vanish();
	test_content();
	test_long_lines();
	test_limits();
	test_errors();
	test_penalty();
	test_deadlines();
	test_idle_memory();
	test_refusal();
	test_drain();
	test_log();
	ok(client_teardown(&g) == 0, "cleaned up");
	return done_testing();
}
