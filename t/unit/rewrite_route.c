/* Standard form, headers and routing under small configurations; what is expected was asked of Postfix 3.7. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

#include <generation_help.h>

static struct generation *g;
static char dir[] = "/tmp/rewrite-XXXXXX";

static void load(const char *extra)
{
	char text[4096];

	snprintf(text, sizeof(text), "mydestination = $myhostname, localhost.$mydomain, localhost, $mydomain\nproxy_interfaces = 192.0.2.1, [::1]\n%s", extra);
	generation_replace(&g, dir, text);
}

static void standard(const char *in, const char *want)
{
	struct buf b = { 0 };

	rewrite_address(g, REWRITE_LOCAL, in, &b);
	is_str(buf_str(&b), want, "standard form of %s", in);
	buf_release(&b);
}

static void test_standard(void)
{
	static const char *const t[][2] = {
	    {"a", "a@example.com"},
	    {"a@b", "a@b.example.com"},
	    {"a@b.c", "a@b.c"},
	    {"a@b.c.", "a@b.c"},
	    {"", ""},
	    {"a%b", "a@b.example.com"},
	    {"c!d", "d@c.example.com"},
	    {"e!f!g", "f!g@e.example.com"},
	    {"a%b%c", "a%b@c.example.com"},
	    {"@", "@"},
	    {"@b", "@b.example.com"},
	    {"a@b..", "a@b.."},
	    {"a@", "a@"},
	    {"a@[1.2.3.4]", "a@[1.2.3.4]"},
	    {"a b", "a b@example.com"},
	    {"a@b@c", "a@b@c.example.com"},
	    {"a:b", "a:b@example.com"},
	};

	load("append_dot_mydomain = yes\n");
	for (size_t i = 0; i < NELEM(t); i++)
		standard(t[i][0], t[i][1]);
	load("append_dot_mydomain = no\nswap_bangpath = no\nallow_percent_hack = no\n");
	standard("a@b", "a@b");
	standard("c!d", "c!d@example.com");
	standard("a%b", "a%b@example.com");
	load("append_at_myorigin = no\n");
	standard("a", "a");
}

static void header(enum rewrite_context c, const char *in, const char *want)
{
	struct buf b = { 0 };
	bool changed = rewrite_header(g, c, in, strcspn(in, ":"), &b);

	is_str(changed ? buf_str(&b) : NULL, want, "%s", in);
	buf_release(&b);
}

static void test_headers(void)
{
	static const char *const t[][2] = {
	    {"To: (one) a (two), b", "To: a@example.com (one) (two), b@example.com"},
	    {"To: John Doe <a>, b, \"c d\"@e , f@g",
	     "To: John Doe <a@example.com>, b@example.com, \"c d\"@e.example.com,\n"
	     "\tf@g.example.com"},
	    {"To: a b@c d", "To: a@example.com, b@c.example.com, d@example.com"},
	    {"To: grp: a, b;, c", "To: grp: a@example.com, b@example.com;, c@example.com"},
	    {"To: undisclosed-recipients:;", NULL},
	    {"To: <@r:a@b>", "To: <a@b.example.com>"},
	    {"To: a%b, c!d, e!f!g, a%b%c",
	     "To: a@b.example.com, d@c.example.com, f!g@e.example.com,\n\ta%b@c.example.com"},
	    {"To: a@, @, @b, a@b.", "To: a@, \"\", \"\"@b.example.com, a@b"},
	    {"To: a@b.., a.b@c, a@[1.2.3.4], a@[x y]", "To: a@b.., a.b@c.example.com, a@[1.2.3.4], a@[x y]"},
	    {"To: a, b, c, d, e, f, g, h", "To: a@example.com, b@example.com, c@example.com, d@example.com,\n"
					   "\te@example.com, f@example.com, g@example.com, h@example.com"},
	    {"To: Johnny B. Goode <a>", "To: Johnny B.Goode <a@example.com>"},
	    {"To: a;b", "To: a@example.com;, b@example.com"},
	    {"To: a:b", "To: \"a:b\"@example.com"},
	    {"To: <a@b", "To: \"<a\"@b.example.com"},
	    {"To: a@b>", "To: a@b.example.com>"},
	    {"To: |cmd, \"|cmd x\"", "To: |cmd@example.com, \"|cmd x\"@example.com"},
	    {"To: a\\ b, c\\@d", "To: \"a b\"@example.com, \"c@d\"@example.com"},
	    {"To: \"a@b\", \"a%b\", \"a!b\"", "To: \"a@b\"@example.com, a%b@example.com, a!b@example.com"},
	    {"To: ,,a,,", "To: , , a@example.com, , "},
	    {"FROM:a", "FROM: a@example.com"},
	    {"To: \"a\" (b), <c>(d) e", "To: a@example.com (b), <c@example.com>, e@example.com (d)"},
	    {"To: a.b.c <x>, (only comment)", "To: a.b.c <x@example.com>, (only comment)"},
	    {"To: <a b>", "To: <ab@example.com>"},
	    {"To: <\"a\" b>", "To: <\"a b\"@example.com>"},
	    {"To: a@(x)b.c", NULL},
	    {"To: (x", NULL},
	    {"To: [x", "To: \"[x]\"@example.com"},
	    {"To:", NULL},
	    {"To: x\\", "To: x@example.com"},
	    {"Cc: x@y.z, (c) z@y.x", NULL},
	};

	load("append_dot_mydomain = yes\n");
	for (size_t i = 0; i < NELEM(t); i++)
		header(REWRITE_LOCAL, t[i][0], t[i][1]);
	header(REWRITE_REMOTE, "To: a", NULL);
	load("append_dot_mydomain = yes\nremote_header_rewrite_domain = dom.invalid\n");
	header(REWRITE_REMOTE, "To: a, f@g", "To: a@dom.invalid, f@g.dom.invalid");
	header(REWRITE_REMOTE, "To: a%b, a@b.", "To: a@b.dom.invalid, a@b");
	header(REWRITE_REMOTE, "To: f@g.h", NULL);
	header(REWRITE_REMOTE, "To: <a@b", "To: \"<a\"@b.dom.invalid");
	header(REWRITE_REMOTE, "To: a@b@c, \"x\"@y.z", "To: \"a@b\"@c.dom.invalid, x@y.z");
}

static void route(const char *sender, const char *rcpt, const char *want)
{
	struct task task;
	char got[512];

	task_init(&task, "test", NULL);
	for (int again = 0; again < 2; again++) {	/* anew, then from the table of domains */
		struct resolve_op op = { 0 };

		resolve_start(&op, &task, g, sender, rcpt);
		ASSERT(resolve_poll(&op) == REWRITE_OK);
		snprintf(got, sizeof(got), "%s:%s %s %u%s", buf_str(&op.transport), buf_str(&op.nexthop),
			 buf_str(&op.recipient), op.class_,
			 op.flags & RESOLVE_ERROR    ? " bad"
			 : op.flags & RESOLVE_FAIL   ? " fail"
			 : op.flags & RESOLVE_ROUTED ? " routed"
						     : "");
		is_str(got, want, "%s from %s", rcpt, sender);
		resolve_end(&op);
	}
	task_unlink(&task);
}

static void test_routes(void)
{
	load("relay_domains = relay.test\nvirtual_alias_domains = valias.test\nvirtual_mailbox_domains = vmail.test\n");
	route("", "a@example.com", "local:mx.example.com a@example.com 1");
	route("", "a@EXAMPLE.com", "local:mx.example.com a@EXAMPLE.com 1");
	route("", "a@[127.0.0.1]", "local:mx.example.com a@[127.0.0.1] 1");
	route("", "a@[IPv6:::1]", "local:mx.example.com a@[IPv6:::1] 1");
	route("", "a@[10.0.0.1]", "smtp:[10.0.0.1] a@[10.0.0.1] 16");
	route("", "a@valias.test", "error:5.1.1 User unknown in virtual alias table a@valias.test 2");
	route("", "a@vmail.test", "virtual:vmail.test a@vmail.test 4");
	route("", "a@relay.test", "relay:relay.test a@relay.test 8");
	route("", "a@sub.relay.test", "relay:sub.relay.test a@sub.relay.test 8");
	route("", "a@remote.test", "smtp:remote.test a@remote.test 16");
	route("", "", "local:mx.example.com MAILER-DAEMON@mx.example.com 1");
	route("", "@example.com", "local:mx.example.com MAILER-DAEMON@example.com 1");
	route("", "u%b.test@example.com", "smtp:b.test u@b.test 16");
	route("", "b.test!u@example.com", "smtp:b.test u@b.test 16");
	route("", "u@b.test@example.com", "smtp:b.test u@b.test 16");
	route("", "u%b.test@c.test", "smtp:c.test u%b.test@c.test 16 routed");
	route("", "u@b.test@c.test", "smtp:c.test u@b.test@c.test 16 routed");
	route("", "a@1.2.3.4", "error:5.1.3 bad address syntax a@1.2.3.4 16 bad");
	route("", "a@b..c", "error:5.1.3 bad address syntax a@b..c 16 bad");
	route("", "a@", "error:5.1.3 bad address syntax a@ 16 bad");
	route("", "-a@remote.test", "error:5.1.3 bad address syntax -a@remote.test 16 bad");
	load("mydestination = $mydomain\n");
	route("", "foo", "smtp:mx.example.com foo@mx.example.com 16");
	route("", "", "smtp:mx.example.com MAILER-DAEMON@mx.example.com 16");
	route("", "@example.com", "local:mx.example.com MAILER-DAEMON@example.com 1");
	load("relayhost = [mail.isp.test]:587\nlocal_transport = error:no local mail\ndefault_transport = x:y\n"
	    "parent_domain_matches_subdomains = relay_domains\nrelay_domains = relay.test\nrelay_transport = relay\n");
	route("", "a@remote.test", "x:y a@remote.test 16");
	route("", "a@sub.relay.test", "relay:[mail.isp.test]:587 a@sub.relay.test 8");
	route("", "a@example.com", "error:no local mail a@example.com 1");
}

static void test_tables(void)
{
	load("transport_maps = inline:{ { one.test = smtp:[a]:26 } { .one.test = :b } { u@two.test = lmtp:unix:x } { "
	     "three.test = slow: }"
	     " { four.test = : } { five.test = error: } { six.test = error:mail is not for six } { v@two.test = retry "
	     "} { * = smtp:star } }\n"
	     "recipient_delimiter = +\nrelocated_maps = inline:{ old@one.test=new@one.test }\n"
	     "sender_dependent_relayhost_maps = inline:{ @s.test=[hub.s.test], t@s.test=DUNNO }\nrelayhost = [hub]\n"
	     "sender_dependent_default_transport_maps = inline:{ t@s.test=special }\n");
	route("", "a@one.test", "smtp:[a]:26 a@one.test 16");
	route("", "a@x.one.test", "smtp:b a@x.one.test 16");
	route("", "u+ext@two.test", "lmtp:unix:x u+ext@two.test 16");
	route("", "a@three.test", "slow:three.test a@three.test 16");
	route("", "a@four.test", "smtp:[hub] a@four.test 16");
	route("", "a@five.test", "error:Address is undeliverable a@five.test 16");
	route("", "a@six.test", "error:mail is not for six a@six.test 16");
	route("", "v@two.test", "retry:Address is undeliverable v@two.test 16");
	route("", "a@other.test", "smtp:star a@other.test 16");
	route("", "old@one.test", "error:5.1.6 User has moved to new@one.test old@one.test 16");
	route("x@s.test", "a@four.test", "smtp:[hub.s.test] a@four.test 16");
	route("t@s.test", "a@four.test", "special:[hub] a@four.test 16");
}

int main(void)
{
	char cmd[64];

	clock_update();
	loop_init();
	table_init();
	rewrite_init();
	ASSERT(mkdtemp(dir) != NULL);
	test_standard();
	test_headers();
	test_routes();
	test_tables();
	generation_unref(&g);
	table_release();
	loop_release();
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	ok(system(cmd) == 0, "cleaned up");
	return done_testing();
}
