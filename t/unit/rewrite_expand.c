/* Envelope addresses through canonical maps, masquerading, virtual aliases and copies, as Postfix 3.7 does it. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

#include <generation_help.h>

static struct generation *g;
static char dir[] = "/tmp/expand-XXXXXX";

static void load(const char *extra)
{
	char text[4096];

	snprintf(text, sizeof(text), "mydestination = $mydomain, other.example\nrecipient_delimiter = +\n%s", extra);
	generation_replace(&g, dir, text);
}

static void expand(bool rcpt, unsigned flags, const char *addr, const char *want)
{
	const struct log_ctx log = { "test", 1 };
	struct expand_ctx ctx = { g, generation_view(g), &log, "ID", flags };
	struct expand_op op = { 0 };
	struct task task;
	struct buf got = { 0 };

	task_init(&task, "test", NULL);
	(rcpt ? expand_rcpt_start : expand_sender_start)(&op, &task, &ctx, addr);
	ASSERT(expand_poll(&op) != REWRITE_WAIT);
	for (size_t i = 0; i < op.addr.n; i++)
		buf_addf(&got, "%s%s", i > 0 ? " " : "", op.addr.v[i]);
	for (size_t i = 0; i < op.bcc.n; i++)
		buf_addf(&got, " bcc:%s", op.bcc.v[i]);
	if (op.result == REWRITE_ERROR)
		buf_addf(&got, " %s", op.why);
	is_str(buf_str(&got), want, "%s %s", rcpt ? "recipient" : "sender", addr);
	buf_release(&got);
	expand_end(&op);
	task_unlink(&task);
}

static void test_virtual(void)
{
	load("virtual_alias_maps = inline:{ { a@x.test = b@x.test, c } { b@x.test = d@y.test } { self@x.test = "
	     "self@x.test, d@y.test }"
	     " { @all.test = catch@y.test } { @same.test = @y.test } { loop1@x.test = loop2@x.test } { loop2@x.test = "
	     "loop1@x.test }"
	     " { user = u2@z.test } { grp@x.test = \"q r\"@y.test, Name <n@y.test> } }\n"
	     "virtual_alias_recursion_limit = 50\n");
	expand(true, 0, "a@x.test", "d@y.test c@example.com");
	expand(true, 0, "A@X.TEST", "d@y.test c@example.com");
	expand(true, 0, "a+ext@x.test", "d+ext@y.test c+ext@example.com");
	expand(true, 0, "self@x.test", "self@x.test d@y.test");
	expand(true, 0, "q@all.test", "catch@y.test");
	expand(true, 0, "q+e@all.test", "catch@y.test");
	expand(true, 0, "q+e@same.test", "q+e@y.test");
	expand(true, 0, "user", "u2@z.test");
	expand(true, 0, "user+x@other.example", "u2+x@z.test");
	expand(true, 0, "user@far.test", "user@far.test");
	expand(true, 0, "grp@x.test", "q r@y.test n@y.test");
	expand(true, 0, "loop1@x.test", "loop1@x.test 4.6.0 Alias expansion error");
	expand(true, EXPAND_NO_MAPS, "a@x.test", "a@x.test");
	expand(false, 0, "a@x.test", "a@x.test");
	expand(true, 0, "", "MAILER-DAEMON@example.com");
	load("virtual_alias_maps = inline:{ a@x.test=b@x.test }, fail:now\n");
	expand(true, 0, "z@x.test", "z@x.test 4.3.0 Error: queue file write error");
	load("virtual_alias_maps = inline:{ { l@x.test = a b c d } }\nvirtual_alias_expansion_limit = 3\n"
	    "propagate_unmatched_extensions = canonical\n");
	expand(true, 0, "l@x.test", "l@x.test 4.6.0 Alias expansion error");
	load("virtual_alias_maps = inline:{ { l@x.test = a@y.test } }\npropagate_unmatched_extensions = canonical\n");
	expand(true, 0, "l+e@x.test", "a@y.test");
}

/* Keys with blanks need a file. */
static void test_quoted(void)
{
	char path[64], text[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/aliases", dir);
	f = fopen(path, "w");
	fputs("\"a b\"@x.test quoted@y.test\n\"c d\" e@y.test\n", f);
	fclose(f);
	snprintf(text, sizeof(text), "virtual_alias_maps = texthash:%s\n", path);
	load(text);
	expand(true, 0, "a b@x.test", "quoted@y.test");
	expand(true, 0, "a b+e@x.test", "quoted+e@y.test");
	expand(true, 0, "c d", "e@y.test");
}

static void test_canonical(void)
{
	load("canonical_maps = inline:{ old@x.test=mid@x.test, mid@x.test=new@x.test, r@x.test=rcanon@x.test }\n"
	     "sender_canonical_maps = inline:{ s@x.test=old@x.test }\nrecipient_canonical_maps = inline:{ "
	     "@gone.test=@x.test }\n");
	expand(false, 0, "old@x.test", "new@x.test");
	expand(false, 0, "s@x.test", "new@x.test");
	expand(true, 0, "s@x.test", "s@x.test");
	expand(true, 0, "old+e@gone.test", "new+e@x.test");
	expand(false, 0, "", "");
	load("canonical_maps = inline:{ old@x.test=new@x.test }\ncanonical_classes = envelope_recipient\n");
	expand(false, 0, "old@x.test", "old@x.test");
	expand(true, 0, "old@x.test", "new@x.test");
}

static void test_masquerade(void)
{
	load("masquerade_domains = !keep.m.test m.test\nmasquerade_exceptions = root\nmasquerade_classes = "
	     "envelope_sender, "
	     "envelope_recipient\n");
	expand(false, 0, "u@host.m.test", "u@m.test");
	expand(false, 0, "u@a.b.M.TEST", "u@m.test");
	expand(false, 0, "u@M.TEST", "u@M.TEST");
	expand(false, 0, "u@m.test", "u@m.test");
	expand(false, 0, "u@xm.test", "u@xm.test");
	expand(false, 0, "u@keep.m.test", "u@keep.m.test");
	expand(false, 0, "u@h.keep.m.test", "u@h.keep.m.test");
	expand(false, 0, "Root@host.m.test", "Root@host.m.test");
	expand(true, 0, "u@host.m.test", "u@m.test");
}

static void test_copies(void)
{
	load("sender_bcc_maps = inline:{ s@x.test=copy }\nrecipient_bcc_maps = inline:{ @r.test=arch@y.test }\n");
	expand(false, 0, "s@x.test", "s@x.test bcc:copy");
	expand(true, 0, "u@r.test", "u@r.test bcc:arch@y.test");
	expand(true, EXPAND_NO_BCC, "u@r.test", "u@r.test");
}

static void header(bool senders, const char *in, const char *want)
{
	const struct log_ctx log = { "test", 1 };
	struct expand_ctx ctx = { g, generation_view(g), &log, "ID", 0 };
	struct header_op op = { 0 };
	struct task task;

	task_init(&task, "test", NULL);
	header_op_start(&op, &task, &ctx, REWRITE_LOCAL, in, strcspn(in, ":"), senders);
	ASSERT(header_op_poll(&op) == REWRITE_OK);
	is_str(op.changed ? buf_str(&op.text) : NULL, want, "%s", in);
	header_op_end(&op);
	task_unlink(&task);
}

/* Many addresses in one header: others have their turn in between. */
static void test_long_header(void)
{
	const struct log_ctx log = { "test", 1 };
	struct expand_ctx ctx = { g, generation_view(g), &log, "ID", 0 };
	struct buf in = { 0 };
	struct header_op op = { 0 };
	struct task task;
	int turns = 0, woken = 0, found = 0;

	buf_adds(&in, "To: ");
	for (int i = 0; i < 1000; i++)
		buf_addf(&in, "%sold@good.test", i > 0 ? ",\n " : "");
	task_init(&task, "test", NULL);
	header_op_start(&op, &task, &ctx, REWRITE_LOCAL, buf_str(&in), 2, false);
	for (; header_op_poll(&op) == REWRITE_WAIT; turns++) {
		woken += task.marked;
		task_unlink(&task);
	}
	ok(turns >= 1000 / 32, "1000 addresses take turns: %d", turns);
	is_int(woken, turns, "and are gone on with each time");
	for (const char *p = buf_str(&op.text); (p = strstr(p, "new@good.test")) != NULL; p++)
		found++;
	ok(op.result == REWRITE_OK && found == 1000, "all are written anew");
	header_op_end(&op);
	task_unlink(&task);
	buf_release(&in);
}

static void test_headers(void)
{
	load("canonical_maps = inline:{ old@good.test=mid@good.test, mid@good.test=new@good.test, "
	     "r@good.test=rcanon@good.test }\n"
	     "sender_canonical_maps = inline:{ s@good.test=old@good.test }\nrecipient_canonical_maps = inline:{ "
	     "@gone.test=@good.test }\n"
	     "masquerade_domains=good.test\nmasquerade_classes=envelope_sender,header_sender\nmasquerade_exceptions="
	     "root\n");
	header(true, "From: old@good.test", "From: new@good.test");
	header(false, "To: old@good.test, s@good.test, x@gone.test, (c) r@good.test",
	    "To: new@good.test, s@good.test, x@good.test, rcanon@good.test (c)");
	header(true, "Sender: s@good.test", "Sender: new@good.test");
	header(true, "Reply-To: <u@host.good.test>", "Reply-To: <u@good.test>");
	header(false, "Cc: u@host.good.test, root@host.good.test", NULL);
	header(true, "From: root@host.good.test", NULL);
	header(true, "From: a, \"q r\"@host.good.test", "From: a@example.com, \"q r\"@good.test");
	test_long_header();
}

int main(void)
{
	char cmd[64];

	clock_update();
	loop_init();
	table_init();
	rewrite_init();
	ASSERT(mkdtemp(dir) != NULL);
	test_virtual();
	test_quoted();
	test_canonical();
	test_masquerade();
	test_copies();
	test_headers();
	generation_unref(&g);
	table_release();
	loop_release();
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	ok(system(cmd) == 0, "cleaned up");
	return done_testing();
}
