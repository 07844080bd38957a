/* smtp_session.c - the client against a scripted server: the protocol, its ugly sides, reuse of connections. */
#include "smtp_peer.h"
#include <postrider/smtp.h>

#define GREET	"< 220 sink ESMTP\n> EHLO mx.example.com\n"
#define FULL	"< 250-sink\n< 250-PIPELINING\n< 250-SIZE 100000\n< 250-8BITMIME\n< 250 DSN\n"
#define HELLO	GREET FULL
#define HEADER	"Subject: test\r\nFrom: a@good.test\r\n"

static char hop[64], want[4096];

static void begin(struct peer *p, const char *script)
{
	memset(p, 0, sizeof(*p));
	p->script[0] = script;
	peer_start(p, NULL);
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%d", p->port);
}

/* "%R" in the expectation is the relay's name. */
static void expect(const struct peer *p, const char *text, const char *what)
{
	struct buf out = { 0 };

	for (const char *s = text; *s != '\0'; s++)
		if (s[0] == '%' && s[1] == 'R') {
			buf_addf(&out, "127.0.0.1[127.0.0.1]:%d", p->port);
			s++;
		} else {
			buf_addc(&out, *s);
		}
	is_str(buf_str(&events), buf_str(&out), "%s", what);
	buf_release(&out);
}

static void one(struct service *s, const char *script, const char *outcome, const char *what)
{
	struct peer p;

	begin(&p, script);
	deliver(s, hop, message_make("s@good.test", HEADER, "hello\r\n", "u@x.test", NULL), false);
	peer_stop(&p);
	expect(&p, outcome, what);
	buf_release(&p.heard);
}

static void test_plain(struct service *s)
{
	struct peer p;
	struct message *m =
	    message_make("s@good.test", HEADER, "hello\r\n.dot\r\n..two\r\n", "u@x.test", "v w@x.test", NULL);

	m->rcpt[0].notify = DSN_SUCCESS | DSN_DELAY;
	m->dsn_envid = arena_strdup(&m->arena, "a+b");
	m->dsn_ret = DSN_RET_HDRS;
	m->flags |= MSG_8BIT;
	begin(&p, HELLO "> MAIL\n> RCPT\n> RCPT\n> DATA\n< 250 2.1.0 ok\n< 250 2.1.5 ok\n< 250 2.1.5 ok\n< 354 go\n>.\n"
	    "< 250 2.0.0 stored\n> QUIT\n");
	deliver(s, hop, m, false);
	peer_stop(&p);
	expect(&p, "u@x.test sent 2.0.0 %R (250 2.0.0 stored)\nv w@x.test sent 2.0.0 %R (250 2.0.0 stored)\n",
	    "two recipients");
	snprintf(want, sizeof(want), "EHLO mx.example.com\r\n"
	    "MAIL FROM:<s@good.test> SIZE=%zu BODY=8BITMIME ENVID=a+2Bb RET=HDRS\r\n"
	    "RCPT TO:<u@x.test> ORCPT=rfc822;u@x.test NOTIFY=SUCCESS,DELAY\r\n"
	    "RCPT TO:<\"v w\"@x.test> ORCPT=rfc822;\"v+20w\"@x.test\r\nDATA\r\n"
	    HEADER "\r\nhello\r\n..dot\r\n...two\r\n.\r\nQUIT\r\n", strlen(HEADER) + 20);
	is_str(buf_str(&p.heard), want, "what the server heard");
	buf_release(&p.heard);
}

static void test_failures(struct service *s)
{
	one(s, "close\n",
	    "u@x.test deferred 4.4.2 %R (lost connection with 127.0.0.1[127.0.0.1] while receiving the initial "
	    "server greeting)\n",
	    "no greeting");
	one(s, "< 554 5.7.1 no\n> QUIT\n",
	    "u@x.test deferred 4.7.1 %R (host 127.0.0.1[127.0.0.1] refused to talk to me: 554 5.7.1 no)\n",
	    "greeting 554 is temporary");
	one(s, "< 220 x\n> EHLO\n< 500 what\n> HELO\n< 550 5.7.1 away\n> QUIT\n",
	    "u@x.test bounced 5.7.1 %R (host 127.0.0.1[127.0.0.1] refused to talk to me: 550 5.7.1 away)\n",
	    "HELO refused");
	one(s, "< 220 x\n> EHLO\nclose\n",
	    "u@x.test deferred 4.4.2 %R (lost connection with 127.0.0.1[127.0.0.1] while performing the "
	    "EHLO handshake)\n",
	    "gone at EHLO");
	one(s, HELLO "> MAIL\n> RCPT\n> DATA\n< 550 5.7.1 no sender\n< 503 no\n< 503 no\n> QUIT\n",
	    "u@x.test bounced 5.7.1 %R (host 127.0.0.1[127.0.0.1] said: 550 5.7.1 no sender (in reply to MAIL FROM "
	    "command))\n",
	    "sender refused");
	one(s, HELLO "> MAIL\n> RCPT\n> DATA\nclose\n",
	    "u@x.test deferred 4.4.2 %R (lost connection with 127.0.0.1[127.0.0.1] while "
	    "sending MAIL FROM)\n",
	    "gone at MAIL");
	one(s,
	    HELLO
	    "> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 450-4.2.0 one\n< 450 4.2.0 two\n< 354 go\n>.\n< 554 none\n> QUIT\n",
	    "u@x.test deferred 4.2.0 %R (host 127.0.0.1[127.0.0.1] said: 450-4.2.0 one 450 4.2.0 two (in reply to RCPT "
	    "TO command))\n",
	    "only recipient deferred, DATA accepted all the same");
	one(s, HELLO "> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 250 ok\n< 250 2.0.0 weird\n> QUIT\n",
	    "u@x.test bounced 5.5.0 %R (Protocol error: "
	    "host 127.0.0.1[127.0.0.1] said: 250 2.0.0 weird (in reply to DATA command))\n",
	    "DATA answered with 250");
	one(s, HELLO "> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 250 ok\n< 354 go\n>.\nclose\n",
	    "u@x.test deferred 4.4.2 %R (lost connection with "
	    "127.0.0.1[127.0.0.1] while sending end of data -- message may be sent more than once)\n",
	    "gone after the dot");
	one(s, HELLO "> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 554 5.6.0 bad\n> QUIT\n",
	    "u@x.test bounced 5.6.0 %R (host "
	    "127.0.0.1[127.0.0.1] said: 554 5.6.0 bad (in reply to end of DATA command))\n",
	    "content refused");
	one(s, GREET "< 250-sink\n< 250 SIZE 10\n> QUIT\n",
	    "u@x.test bounced 5.3.4 %R (message size 41 exceeds size limit 10 of server "
	    "127.0.0.1[127.0.0.1])\n",
	    "too big");
	one(s, "< 220 x\n> EHLO\n< 250 x\n> MAIL\n< 250 ok\n> RCPT\n< 550 5.1.1 no\n> QUIT\n",
	    "u@x.test bounced 5.1.1 %R (host "
	    "127.0.0.1[127.0.0.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n",
	    "without PIPELINING nothing follows a lost case");
	one(s, "< 220 x\nsleep 10\n> EHLO\n< 250-x\nmute\n",
	    "u@x.test deferred 4.4.2 %R (conversation with 127.0.0.1[127.0.0.1] timed "
	    "out while performing the EHLO handshake)\n",
	    "mute in mid-reply");
}

static void test_partial(struct service *s)
{
	struct peer p;

	begin(&p, HELLO "> MAIL\n> RCPT TO:<a@\n> RCPT TO:<b@\n> RCPT TO:<c@\n> DATA\n< 250 ok\n< 250 ok\n< 550 5.1.1 "
			"no\n< 450 4.2.1 full\n"
			"< 354 go\n>.\n< 250 2.0.0 id 7\n> QUIT\n");
	deliver(s, hop, message_make("", HEADER, "x\r\n", "a@x.test", "b@x.test", "c@x.test", NULL), false);
	peer_stop(&p);
	expect(&p,
	    "b@x.test bounced 5.1.1 %R (host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n"
	    "c@x.test deferred 4.2.1 %R (host 127.0.0.1[127.0.0.1] said: 450 4.2.1 full (in reply to RCPT TO "
	    "command))\n"
	    "a@x.test sent 2.0.0 %R (250 2.0.0 id 7)\n",
	    "each recipient has its own fate");
	buf_release(&p.heard);
}

static void test_second_server(struct service *s)
{
	struct peer p, q;
	char both[128];

	begin(&p, HELLO "> MAIL\n> RCPT TO:<a@\n> RCPT TO:<b@\n> DATA\n< 250 ok\n< 450 4.2.1 later\n< 250 ok\n< 354 "
			"go\n>.\n< 250 ok\n> QUIT\n");
	begin(
	    &q, HELLO "> MAIL\n> RCPT TO:<a@\n> DATA\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 250 2.0.0 second\n> QUIT\n");
	snprintf(both, sizeof(both), "[127.0.0.1]:%d, [127.0.0.1]:%d", p.port, q.port);
	deliver(s, both, message_make("s@x.test", HEADER, "x\r\n", "a@x.test", "b@x.test", NULL), false);
	peer_stop(&p);
	peer_stop(&q);
	snprintf(want, sizeof(want), "b@x.test sent 2.0.0 127.0.0.1[127.0.0.1]:%d (250 ok)\n"
	    "a@x.test sent 2.0.0 127.0.0.1[127.0.0.1]:%d (250 2.0.0 second)\n", p.port, q.port);
	is_str(buf_str(&events), want, "what the first server defers, the next hop behind it takes");
	buf_release(&p.heard);
	buf_release(&q.heard);
}

#define MAILED	"> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 250 ok\n< 354 go\n>.\n< 250 2.0.0 ok\n"

static void send_one(struct service *s, bool reuse)
{
	deliver(s, hop, message_make("s@x.test", HEADER, "x\r\n", "u@x.test", NULL), reuse);
}

static void test_reuse(struct service *s)
{
	struct smtp_stats before, after;
	struct peer p;

	smtp_stats(&before);
	begin(&p, HELLO MAILED MAILED MAILED "> QUIT\n");
	send_one(s, true);
	send_one(s, true);
	send_one(s, false);
	peer_stop(&p);
	smtp_stats(&after);
	is_int(p.connections, 1, "three messages over one connection");
	is_int((int)(after.reused - before.reused), 2, "reused twice");
	is_int((int)after.cached, 0, "none is left behind");
	buf_release(&p.heard);

	begin(&p,
	    HELLO "> MAIL\n> RCPT\n> DATA\n< 250 ok\n< 550 5.1.1 no\n< 554 no\n> RSET\n< 250 ok\n" MAILED "> QUIT\n");
	send_one(s, true);
	expect(&p,
	    "u@x.test bounced 5.1.1 %R (host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n",
	    "refused");
	pump(50);
	smtp_stats(&after);
	is_int((int)after.cached, 1, "reset, and kept");
	send_one(s, false);
	peer_stop(&p);
	expect(&p, "u@x.test sent 2.0.0 %R (250 2.0.0 ok)\n", "used again after RSET");
	is_int(p.connections, 1, "over the same connection");
	buf_release(&p.heard);
}

/* The server closes an idle connection, before or while the next message is under way. */
static void test_stale(struct service *s)
{
	struct smtp_stats st;
	struct peer p;

	begin(&p, HELLO MAILED "close\n");	/* leaves while nobody looks */
	send_one(s, true);
	pump(20);
	smtp_stats(&st);
	is_int((int)st.cached, 0, "a connection that the server closes leaves the cache");
	peer_stop(&p);
	buf_release(&p.heard);

	memset(&p, 0, sizeof(p));
	p.script[0] = HELLO MAILED "> MAIL\nclose\n";	/* dies with the first word of the next message */
	p.script[1] = HELLO MAILED "> QUIT\n";
	peer_start(&p, NULL);
	snprintf(hop, sizeof(hop), "[127.0.0.1]:%d", p.port);
	send_one(s, true);
	send_one(s, false);
	peer_stop(&p);
	expect(&p, "u@x.test sent 2.0.0 %R (250 2.0.0 ok)\n", "a connection that died in the cache costs nothing");
	is_int(p.connections, 2, "but a new connection");
	buf_release(&p.heard);
}

static void test_limits(void)
{
	struct service *s = service_with("smtp_connection_cache_time_limit = 1s\nsmtp_connection_reuse_count_limit = 1\n"
	    "smtp_connection_cache_on_demand = no\nsmtp_connection_cache_destinations = 127.0.0.1\n",
	    "smtp unix - - n - - smtp\n", "smtp");
	struct smtp_stats st;
	struct peer p;

	begin(&p, HELLO MAILED MAILED "> QUIT\n");
	p.script[1] = HELLO MAILED "> QUIT\n";
	for (int i = 0; i < 3; i++)
		send_one(s, false);
	is_int(p.connections, 2, "reused once, as the limit says; kept since the destination is listed");
	smtp_stats(&st);
	is_int((int)st.cached, 1, "one waits");
	pump(1100);
	smtp_stats(&st);
	is_int((int)st.cached, 0, "until its time is up");
	peer_stop(&p);
	buf_release(&p.heard);
}

static void test_lines(struct service *s)
{
	struct peer p;
	struct buf body = { 0 }, out = { 0 };
	const char *start;

	for (int i = 0; i < 998; i++)
		buf_addc(&body, 'a');
	buf_adds(&body, "\r\n");
	for (int i = 0; i < 2000; i++)
		buf_addc(&body, 'b');
	buf_adds(&body, "\r\n");
	for (int i = 0; i < 3000; i++)		/* over the ends of chunks */
		buf_adds(&body, "..\r\n");
	buf_adds(&body, "no end");
	begin(&p, HELLO MAILED "> QUIT\n");
	deliver(s, hop, message_make("", HEADER, buf_str(&body), "u@x.test", NULL), false);
	peer_stop(&p);
	for (int i = 0; i < 998; i++)
		buf_addc(&out, 'a');
	buf_adds(&out, "\r\n");
	for (int i = 0; i < 2000; i++) {
		if (i == 998 || i == 998 + 997)
			buf_adds(&out, "\r\n ");
		buf_addc(&out, 'b');
	}
	buf_adds(&out, "\r\n");
	for (int i = 0; i < 3000; i++)
		buf_adds(&out, "...\r\n");
	buf_adds(&out, "no end\r\n.\r\nQUIT\r\n");
	start = strstr(buf_str(&p.heard), "\r\n\r\n");
	ok(start != NULL && strcmp(start + 4, buf_str(&out)) == 0,
	    "long lines are broken, dots stuffed, the end completed");
	buf_release(&p.heard);
	buf_release(&body);
	buf_release(&out);
}

static void test_convert(struct service *s)
{
	struct peer p;

	begin(&p, "< 220 x\n> EHLO\n< 250-x\n< 250-SIZE\n< 250 PIPELINING\n" MAILED "> QUIT\n");
	deliver(s, hop, message_make("s@x.test", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n", "h\xc3\xa9 = \r\n.x\r\n", "u@x.test", NULL), false);
	peer_stop(&p);
	is_str(buf_str(&p.heard),
	    "EHLO mx.example.com\r\nMAIL FROM:<s@x.test>\r\nRCPT TO:<u@x.test>\r\nDATA\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "h=C3=A9 =3D=20\r\n..x\r\n.\r\nQUIT\r\n",
	    "8-bit text for a 7-bit server");
	buf_release(&p.heard);
}

static void test_smtputf8(struct service *s)
{
	struct peer p;
	struct message *m = message_make("s@x.test", HEADER, "x\r\n", "\xc3\xbc@x.test", NULL);

	m->flags |= MSG_SMTPUTF8;
	begin(&p, HELLO "> QUIT\n");
	deliver(s, hop, m, false);
	peer_stop(&p);
	expect(&p,
	    "\xc3\xbc@x.test bounced 5.6.7 %R (SMTPUTF8 is required, but was not offered by host "
	    "127.0.0.1[127.0.0.1])\n",
	    "SMTPUTF8 needed");
	buf_release(&p.heard);
	/* Needed before the size is looked at; a keyword may have its argument behind a '='. */
	m = message_make("s@x.test", HEADER, "x\r\n", "\xc3\xbc@x.test", NULL);
	m->flags |= MSG_SMTPUTF8;
	begin(&p, "< 220 x\n> EHLO\n< 250-x\n< 250-SIZE=5\n< 250-SMTPUTF8\n< 250 PIPELINING\n> QUIT\n");
	deliver(s, hop, m, false);
	peer_stop(&p);
	ok(strstr(buf_str(&events), "exceeds size limit 5 of server") != NULL, "SIZE=5: %s", buf_str(&events));
	buf_release(&p.heard);
	/* Who takes SMTPUTF8 takes 8-bit content. */
	m = message_make("s@x.test", "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n", "h\xc3\xa9\r\n", "u@x.test", NULL);
	m->flags |= MSG_8BIT;
	begin(&p, "< 220 x\n> EHLO\n< 250-x\n< 250-SMTPUTF8\n< 250 PIPELINING\n" MAILED "> QUIT\n");
	deliver(s, hop, m, false);
	peer_stop(&p);
	ok(strstr(buf_str(&p.heard), "MAIL FROM:<s@x.test> BODY=8BITMIME\r\n") != NULL &&
	    strstr(buf_str(&p.heard), "\r\n\r\nh\xc3\xa9\r\n.\r\n") != NULL, "8BITMIME goes without saying");
	buf_release(&p.heard);
}

static void test_refused_connection(struct service *s)
{
	struct peer p;

	begin(&p, "");
	peer_stop(&p);
	buf_reset(&events);
	deliver(s, hop, message_make("s@x.test", HEADER, "x\r\n", "u@x.test", NULL), false);
	snprintf(want, sizeof(want),
	    "u@x.test deferred 4.4.1 none (connect to 127.0.0.1[127.0.0.1]:%d: Connection refused)\n", p.port);
	is_str(buf_str(&events), want, "nobody listens");
	deliver(s, "[127.0.0.1]:nosuch", message_make("s@x.test", HEADER, "x\r\n", "u@x.test", NULL), false);
	is_str(buf_str(&events), "u@x.test deferred 4.3.0 none (unknown mail transport error)\n",
	    "a next hop that makes no sense");
}

/* Dropped at any moment: nothing is left, nothing crashes (sanitizers look). */
static void test_cancel(struct service *s)
{
	for (int step = 0; step < 12; step++) {
		struct test_delivery *t;
		struct peer p;

		begin(&p, HELLO MAILED "> QUIT\n");
		t = delivery_make(s, hop, message_make("s@x.test", HEADER, "x\r\n", "u@x.test", NULL));
		for (int i = 0; i < step && !t->done; i++) {
			pump(1);
		}
		delivery_drop(t);
		peer_stop(&p);
		buf_release(&p.heard);
	}
	ok(true, "cancelled at twelve moments");
}

#define LMTP_HELLO "< 220 x LMTP\n> LHLO mx.example.com\n< 250-x\n< 250 PIPELINING\n"

static void test_lmtp(void)
{
	struct service *s = service_with("lmtp_lhlo_timeout = 2s\n", "lmtp unix - - n - - lmtp\n", "lmtp");
	struct peer p;
	char path[128];

	snprintf(path, sizeof(path), "%s/lmtp", test_dir);
	memset(&p, 0, sizeof(p));
	p.script[0] = "< 220 x LMTP\n> LHLO mx.example.com\n< 250-x\n< 250 PIPELINING\n> MAIL\n> RCPT TO:<a@\n> RCPT "
		      "TO:<b@\n> RCPT TO:<c@\n"
		      "> DATA\n< 250 ok\n< 250 ok\n< 550 5.1.1 no\n< 250 ok\n< 354 go\n>.\n< 250 2.0.0 a\n< 452 4.2.2 "
		      "full\n> QUIT\n< 221 bye\n";
	peer_start(&p, path);
	deliver(
	    s, "unix:lmtp", message_make("s@x.test", HEADER, "x\r\n", "a@x.test", "b@x.test", "c@x.test", NULL), false);
	pump(20);
	peer_stop(&p);
	unlink(path);
	is_str(buf_str(&events),
	    "b@x.test bounced 5.1.1 mx.example.com[lmtp] (host mx.example.com[lmtp] said: 550 5.1.1 no (in reply to "
	    "RCPT TO command))\na@x.test sent 2.0.0 mx.example.com[lmtp] (250 2.0.0 a)\nc@x.test deferred 4.2.2 "
	    "mx.example.com[lmtp] (host "
	    "mx.example.com[lmtp] said: 452 4.2.2 full (in reply to end of DATA command))\n",
	    "LMTP: a reply for each recipient");
	buf_release(&p.heard);
	deliver(s, "unix:lmtp", message_make("s@x.test", HEADER, "x\r\n", "a@x.test", NULL), false);
	is_str(buf_str(&events),
	    "a@x.test deferred 4.4.1 none (connect to mx.example.com[lmtp]: No such file or directory)\n", "no socket");

	memset(&p, 0, sizeof(p));	/* a kept connection dies, and another one is refused, with the next message */
	p.script[0] = LMTP_HELLO MAILED "> MAIL\nclose\n";
	p.script[1] = LMTP_HELLO MAILED "> MAIL\n> RCPT\n> DATA\n< 421 4.3.2 bye\n";
	p.script[2] = LMTP_HELLO MAILED "> QUIT\n";
	peer_start(&p, path);
	for (int i = 0; i < 3; i++) {
		deliver(s, "unix:lmtp", message_make("s@x.test", HEADER, "x\r\n", "a@x.test", NULL), i < 2);
		is_str(buf_str(&events), "a@x.test sent 2.0.0 mx.example.com[lmtp] (250 2.0.0 ok)\n",
		    "a connection to a socket that died in the cache costs nothing");
	}
	peer_stop(&p);
	unlink(path);
	is_int(p.connections, 3, "but new connections");
	buf_release(&p.heard);
}

int main(void)
{
	struct service *s;

	test_begin();
	smtp_init();
	s = service_with("smtp_helo_timeout = 1s\ninet_interfaces = 127.0.0.1\n", "smtp unix - - n - - smtp\n", "smtp");
	test_plain(s);
	test_failures(s);
	test_partial(s);
	test_second_server(s);
	test_reuse(s);
	test_stale(s);
	test_lines(s);
	test_convert(s);
	test_smtputf8(s);
	test_refused_connection(s);
	test_cancel(s);
	test_limits();
	test_lmtp();
	smtp_release();
	test_end();
	return done_testing();
}
