/* Notices as their readers see them: header, text, status, original; who gets one; wrapping, dates, templates. */
#include "tap.h"
#include "notice_help.h"
#include "config_help.h"
#include "bounce/bounce_int.h"

static const char master[] =
    "cleanup unix n - n - 0 cleanup\nsmtp unix - - n - - smtp\nrewrite unix - - n - - trivial-rewrite\n";

static struct message *make(const char *sender, int nrcpt)
{
	struct message *m = make_message(sender, nrcpt, "remote.test", 100);

	for (uint32_t i = 0; i < m->nrcpt; i++) {
		struct rcpt *r = &m->rcpt[i];

		r->dsn = arena_strdup(&m->arena, "5.1.1");
		r->reason = arena_strdup(&m->arena, "host mx1.remote.test[198.51.100.1] said: 550 5.1.1 recipient "
						    "refused (in reply to RCPT TO command)");
		r->remote_mta = arena_strdup(&m->arena, "mx1.remote.test");
		r->diagnostic = arena_strdup(&m->arena, "smtp; 550 5.1.1 recipient refused");
		r->dsn_orcpt = arena_printf(&m->arena, "rfc822;%s", r->addr);
	}
	return m;
}

static enum bounce_result run(struct message *m, enum bounce_kind kind, bool from_store)
{
	const struct rcpt *list[64];
	struct bounce_request req = {
	    .kind = kind, .msg = m, .rcpt = list, .nrcpt = m->nrcpt, .states = 1 << RCPT_FAILED};
	struct bounce_op op = { 0 };
	enum bounce_result r;

	for (uint32_t i = 0; i < m->nrcpt && i < NELEM(list); i++)
		list[i] = &m->rcpt[i];
	if (from_store)
		req.rcpt = NULL;
	bounce_start(&op, &help_task, &req, NULL);
	PUMP_FOR(bounce_poll(&op));
	r = bounce_poll(&op);
	bounce_end(&op);
	return r;
}

static bool has(const struct notice_seen *n, const char *text)
{
	bool found = strstr(n->text, text) != NULL;

	if (!found)
		diag("missing: %s\n# in: %s", text, n->text);
	return found;
}

static void test_failure(void)
{
	struct message *m = make("sender@good.test", 2);
	char want[200];

	m->rcpt[1].orig = arena_strdup(&m->arena, "list@va.test");
	is_int(run(m, BOUNCE_FAILURE, false), BOUNCE_DONE, "queued");
	is_int(nnotices, 1, "one notice");
	is_str(notices[0].sender, "", "from the null sender");
	is_str(notices[0].rcpt, "sender@good.test", "to the sender");
	ok(strncmp(notices[0].text, "Received: by mx.example.com (Postrider)\n\tid ", 44) == 0,
	   "begins with Received:");
	ok(has(&notices[0],
	       "\nFrom: Mail Delivery System <MAILER-DAEMON>\nSubject: Undelivered Mail Returned to Sender\n"
	       "To: sender@good.test\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
	       "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\""),
	   "header");
	snprintf(want, sizeof(want), "boundary=\"%s.1800000000/mx.example.com\"\nContent-Transfer-Encoding: 8bit\n\n",
		 m->name);
	ok(has(&notices[0], want), "boundary of queue id, time and host");
	ok(has(&notices[0], "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
	    "This is the mail system at host mx.example.com.\n\nI'm sorry to have"), "text");
	ok(has(&notices[0], "                   The mail system\n\n<user0@remote.test>: host "
			    "mx1.remote.test[198.51.100.1] said: 550 5.1.1\n"
			    "    recipient refused (in reply to RCPT TO command)\n\n<user1@remote.test> (expanded from "
			    "<list@va.test>): host\n"
			    "    mx1.remote.test[198.51.100.1] said: 550 5.1.1 recipient refused (in reply\n    to "
			    "RCPT TO command)\n\n--"),
	   "reasons, wrapped");
	ok(has(&notices[0],
	       "\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\nX-Postrider-Queue-ID: "),
	   "status begins");
	ok(has(&notices[0],
	       "\nX-Postrider-Sender: rfc822; sender@good.test\nArrival-Date: Fri, 15 Jan 2027 08:00:00 +0000 (UTC)\n\n"
	       "Final-Recipient: rfc822; user0@remote.test\nOriginal-Recipient: rfc822;user0@remote.test\nAction: "
	       "failed\nStatus: 5.1.1\n"
	       "Remote-MTA: dns; mx1.remote.test\nDiagnostic-Code: smtp; 550 5.1.1 recipient "
	       "refused\n\nFinal-Recipient:"),
	   "a recipient's fields");
	ok(has(&notices[0],
	       "\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
	       "8bit\n\n"
	       "Return-Path: <sender@good.test>\nFrom: a@example.com\nTo: b@example.com\nSubject: test\n\nxxx"),
	   "the original");
	snprintf(want, sizeof(want), "x\n\n--%s.1800000000/mx.example.com--\n", m->name);
	ok(strlen(notices[0].text) > strlen(want) &&
	    strcmp(notices[0].text + strlen(notices[0].text) - strlen(want), want) == 0, "the end");
	message_unref(&m);
	notices_clear();
}

static void test_whom(void)
{
	struct message *m = make("", 1);

	run(m, BOUNCE_FAILURE, false);
	is_int(nnotices, 0, "no notice to the null sender");
	message_unref(&m);
	m = make("double-bounce@mx.example.com", 1);
	run(m, BOUNCE_FAILURE, false);
	is_int(nnotices, 0, "none about a double bounce");
	message_unref(&m);
	m = make("s@x.test", 2);
	m->rcpt[0].notify = DSN_NEVER;
	m->rcpt[1].notify = DSN_SUCCESS;
	run(m, BOUNCE_FAILURE, false);
	is_int(nnotices, 0, "none when nobody asked for failures");
	m->rcpt[1].notify = DSN_SUCCESS | DSN_FAILURE;
	m->dsn_ret = DSN_RET_HDRS;
	m->dsn_envid = arena_strdup(&m->arena, "QQ314159+x");
	run(m, BOUNCE_FAILURE, false);
	is_int(nnotices, 1, "one for who did");
	ok(strstr(notices[0].text, "user0@") == NULL, "the other is not mentioned");
	ok(has(&notices[0], "\nContent-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"),
	   "RET=HDRS");
	ok(has(&notices[0], "Subject: test\n\n--"), "no body");
	ok(has(&notices[0], "\nReporting-MTA: dns; mx.example.com\nOriginal-Envelope-Id: QQ314159+x\nX-Post"), "ENVID");
	message_unref(&m);
	notices_clear();
}

static void test_delay_and_report(void)
{
	struct message *m = make("s@x.test", 1);

	run(m, BOUNCE_DELAY, false);
	is_int(nnotices, 1, "a delay notice");
	ok(has(&notices[0], "Subject: Delayed Mail (still being retried)\n"), "its subject");
	ok(has(&notices[0], "\nIt will be retried until it is 5 day(s) old.\n"), "lifetime in the text");
	ok(has(&notices[0], "Action: delayed\n"), "action");
	ok(has(&notices[0], "recipient refused\nWill-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000 (UTC)\n\n--"),
	   "until when");
	ok(has(&notices[0], "Undelivered Message Headers"), "headers only");
	notices_clear();
	m->rcpt[0].action = arena_strdup(&m->arena, "relayed");
	run(m, BOUNCE_SUCCESS, false);
	ok(has(&notices[0], "Subject: Successful Mail Delivery Report\n"), "a success report");
	ok(has(&notices[0], "Action: relayed\n"), "relayed");
	ok(has(&notices[0], "\nContent-Description: Message Headers\n"), "headers");
	notices_clear();
	m->rcpt[0].action = arena_strdup(&m->arena, "deliverable");
	m->rcpt[0].diagnostic = NULL;
	run(m, BOUNCE_VERIFY, false);
	ok(has(&notices[0], "Subject: Mail Delivery Status Report\n"), "a probe's report");
	ok(has(&notices[0],
	       "Diagnostic-Code: X-Postrider; host mx1.remote.test[198.51.100.1] said: 550\n    5.1.1 recipient"),
	   "a code of our own");
	message_unref(&m);
	notices_clear();
}

static void test_utf8(void)
{
	struct message *m = make("s\303\251nder@good.test", 1);

	m->flags |= MSG_SMTPUTF8;
	m->rcpt[0].addr = arena_strdup(&m->arena, "r\303\251@remote.test");
	m->rcpt[0].dsn_orcpt = arena_strdup(&m->arena, "utf-8;f\303\251o@x.test");
	run(m, BOUNCE_FAILURE, false);
	ok((notices[0].flags & MSG_SMTPUTF8) != 0, "the notice is SMTPUTF8, too");
	ok(has(&notices[0], "\nTo: s\303\251nder@good.test\n"), "address in the header");
	ok(has(&notices[0], "\nContent-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\n"),
	   "type of the status");
	ok(has(&notices[0], "-Sender: rfc822; \"s\\\303\\\251nder\"@good.test\n"), "escaped where rfc822 is claimed");
	ok(has(&notices[0],
	       "Final-Recipient: utf-8; r\303\251@remote.test\nOriginal-Recipient: utf-8;f\303\251o@x.test\n"),
	   "utf-8 recipient");
	ok(has(&notices[0], "Content-Type: message/global\n"), "type of the original");
	message_unref(&m);
	notices_clear();
}

/* From the store: rows of the wanted state, in slices; the change joined is the rows' removal. */
static void test_from_store(void)
{
	struct message *m = make("s@x.test", 1200), *back;
	struct bounce_request req = { .kind = BOUNCE_FAILURE, .msg = m, .states = 1 << RCPT_FAILED, .settle = true };
	struct store_txn *t = store_txn_new();
	struct bounce_op op = { 0 };
	bool more;
	unsigned n = 0;

	for (uint32_t i = 0; i < m->nrcpt; i++)
		m->rcpt[i].state = i % 2 == 0 ? RCPT_FAILED : RCPT_TODO;
	store_txn_put(t, m);
	is_int(commit_now(&t), STORE_OK, "stored");
	cleanup_stalls = 3;
	t = store_txn_new();
	bounce_start(&op, &help_task, &req, &t);
	PUMP_FOR(bounce_poll(&op));
	is_int(bounce_poll(&op), BOUNCE_DONE, "queued");
	bounce_end(&op);
	cleanup_stalls = 0;
	for (const char *p = notices[0].text; (p = strstr(p, "Final-Recipient:")) != NULL; p++)
		n++;
	is_int(n, 600, "every failed recipient once");
	back = load_message(m->id, 0, 2000, 1 << RCPT_FAILED, &more);
	is_int(back->nrcpt, 0, "their rows went with the notice");
	is_int(back->rcpt_left, 600, "the others stay");
	message_unref(&back);
	notices_clear();
	req.states = 1 << RCPT_TODO;
	m->rcpt[0].notify = DSN_NEVER;
	m->sender = arena_strdup(&m->arena, "");
	t = store_txn_new();
	bounce_start(&op, &help_task, &req, &t);
	PUMP_FOR(bounce_poll(&op));
	is_int(bounce_poll(&op), BOUNCE_DONE, "nobody to tell");
	bounce_end(&op);
	back = load_message(m->id, 0, 2000, ~0u, &more);
	is_int(back->nrcpt, 0, "the rows are gone all the same");
	message_unref(&back);
	message_unref(&m);
}

static void test_refused(void)
{
	struct message *m = make("s@x.test", 1);
	struct store_txn *t = store_txn_new();
	struct bounce_op op = { 0 };
	struct bounce_request req = { .kind = BOUNCE_FAILURE, .msg = m };
	const struct rcpt *list = m->rcpt;

	req.rcpt = &list;
	req.nrcpt = 1;
	store_txn_delete(t, m->id);
	cleanup_refuses = true;
	bounce_start(&op, &help_task, &req, &t);
	PUMP_FOR(bounce_poll(&op));
	is_int(bounce_poll(&op), BOUNCE_RETRY, "a notice that is refused is to be tried again");
	bounce_end(&op);
	cleanup_refuses = false;
	message_unref(&m);
}

static void add_line(void *arg, const char *line, size_t len)
{
	buf_add(arg, line, len);
	buf_addc(arg, '|');
}

static void test_wrap(void)
{
	static const struct { const char *in, *out;
	} t[] = {
	    {"", ""},
	    {"a", "a|"},
	    {"aaa bbb ccc", "aaa bbb|  ccc|"},
	    {"aaaaaaaaaaaaaaaa b", "aaaaaaaaaaaaaaaa|  b|"},
	    {"aaaaaaa bbbbbb", "aaaaaaa|  bbbbbb|"},
	    {"a bbbbbbbbbbbbbbbbbb c", "a|  bbbbbbbbbbbbbbbbbb|  c|"},
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < NELEM(t); i++) {
		buf_reset(&b);
		wrap_text(t[i].in, 8, 2, add_line, &b);
		is_str(buf_str(&b), t[i].out, "wrapped: %s", t[i].in);
	}
	buf_release(&b);
}

static const char *parse(struct templates *ts, const char *text, struct problems *p)
{
	char *copy = xstrdup(text);

	templates_release(ts);
	templates_builtin(ts, NULL);
	templates_parse(ts, "t.cf", copy, p);
	free(copy);
	return TAILQ_EMPTY(p) ? "" : TAILQ_LAST(p, problems)->text;
}

static void test_templates(void)
{
	struct problems p = TAILQ_HEAD_INITIALIZER(p);
	struct templates ts = { 0 };

	is_str(parse(&ts,
		     "# c\n\nfailure_template = <<EOF\ncharset: utf-8\nSubject: Subj\n\nHi $myhostname\n two $$\nEOF\n",
		     &p),
	       "", "a good file");
	is_str(ts.t[BOUNCE_FAILURE].subject, "Subj", "subject");
	is_str(ts.t[BOUNCE_FAILURE].charset, "utf-8", "charset");
	is_str(ts.t[BOUNCE_FAILURE].from, "Mail Delivery System <MAILER-DAEMON>",
	       "a header not given keeps its default");
	templates_expand(&ts, config_view(generation_config(generation_current())), &p);
	is_str(ts.t[BOUNCE_FAILURE].expanded, "Hi mx.example.com\n two $\n", "expanded");
	is_str(ts.t[BOUNCE_DELAY].zero, "delay_warning_time", "a time that is less than its unit");
	is_str(parse(&ts, "failure_template = <<EOF\nX-Other: foo\n\nx\nEOF\n", &p),
	    "unknown \"X-Other\" header label in failure template -- ignoring this template", "unknown header");
	is_str(ts.t[BOUNCE_FAILURE].subject, "Undelivered Mail Returned to Sender", "the built-in one stays");
	is_str(parse(&ts, "failure_template = <<EOF\nSubject: \303\251\n\nx\nEOF\n", &p),
	    "non-ASCII \"Subject\" header value in failure template -- ignoring this template", "beyond ASCII");
	is_str(parse(&ts, "success_template = <<EOF\nPostmaster-Subject: x\n\nx\nEOF\n", &p),
	       "inapplicable \"Postmaster-Subject\" header label in success template -- ignoring this template",
	       "inapplicable");
	is_str(parse(&ts, "failure_template = <<EOF\nSubject: x\n\nEOF\n", &p),
	    "missing message text in failure template -- ignoring this template", "no text");
	is_str(parse(&ts, "nosuch_template = <<EOF\nhi\nEOF\n", &p),
	       "unknown template name: nosuch_template -- ignoring this template", "unknown name");
	is_str(parse(&ts, "failure_template = <<EOF\nhi\n", &p), "missing \"EOF\" end marker", "no end");
	is_str(ts.t[BOUNCE_FAILURE].text, "hi\n", "taken all the same");
	is_str(parse(&ts, "bogus line\n", &p), "missing '=' after attribute name: \"bogus line\"", "no assignment");
	is_int(TAILQ_LAST(&p, problems)->level, PROBLEM_FATAL, "which is fatal");
	problems_release(&p);
	templates_release(&ts);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	store_begin();
	clock_test_set(test_wall_us, test_mono_ms);
	table_init();
	bounce_init();
	store_open_ok();
	config_adopt("", master);
	test_wrap();
	test_failure();
	test_whom();
	test_delay_and_report();
	test_utf8();
	test_from_store();
	test_refused();
	test_templates();
	generation_release_current();
	table_release();
	store_finish();
	return done_testing();
}
