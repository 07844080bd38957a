/* Messages through the scheduler, with a scripted agent and the real store: delivered, deferred, returned, expired,
 * in slices, held, deleted, flushed, over a dead site, at the end of the server. */
#include "tap.h"
#include "notice_help.h"
#include "config_help.h"
#include "agent_help.h"
#include <postrider/bounce.h>
#include <postrider/rewrite.h>

static const char master[] =
    "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
    "bounce unix - - n - 0 bounce\nsmtp unix - - n - - smtp\nslow unix - - n - 3 smtp\nerror unix - - n - - error\n"
    "retry unix - - n - - error\nlocal unix - n n - - smtp\nvirtual unix - n n - - smtp\n";

static struct message *make(const char *sender, const char *addrs)
{
	struct message *m = message_new(store_new_id(), false);
	struct strs list = { 0 };

	m->arrival_us = m->received_us = wall_us();
	m->sender = arena_strdup(&m->arena, sender);
	m->size = 321;
	strs_split(&list, addrs, " ");
	for (size_t i = 0; i < list.n; i++) {
		struct rcpt *r = message_add_rcpt(m);

		r->addr = r->orig = arena_strdup(&m->arena, list.v[i]);
	}
	strs_release(&list);
	m->rcpt_total = m->rcpt_left = m->nrcpt;
	m->content = content_new();
	m->content->header = xstrdup("Subject: test\r\n");
	m->content->header_len = strlen(m->content->header);
	content_append(m->content, "hello\r\n", 7);
	return m;
}

static queue_id_t put(struct message *m)
{
	struct store_txn *t = store_txn_new();
	struct store_op op = { 0 };
	queue_id_t id = m->id;

	store_txn_put(t, m);
	store_commit_start(&op, &help_task, &t);
	PUMP_FOR(store_commit_poll(&op));
	store_commit_end(&op);
	message_unref(&m);
	return id;
}

static bool there(queue_id_t id)
{
	struct store_load_op op = { 0 };
	bool yes;

	store_load_start(&op, &help_task, id, 0, 1, ~0u);
	PUMP_FOR(store_load_poll(&op));
	yes = store_load_poll(&op) == STORE_OK;
	store_load_end(&op);
	return yes;
}

static struct message *load(queue_id_t id)
{
	struct store_load_op op = { 0 };
	struct message *m;

	store_load_start(&op, &help_task, id, 0, 100000, ~0u);
	PUMP_FOR(store_load_poll(&op));
	m = op.msg != NULL ? message_ref(op.msg) : NULL;
	store_load_end(&op);
	return m;
}

/* All that was settled until now is on the disk. */
static void settle(void)
{
	struct store_txn *t = store_txn_new();
	struct store_op op = { 0 };

	for (int i = 0; i < 5; i++)
		pump(10);
	store_commit_start(&op, &help_task, &t);
	PUMP_FOR(store_commit_poll(&op));
	store_commit_end(&op);
}

/* On by seconds, a step at a time: what a step sets off has come to its end before the next. */
static void leap(int seconds, int step)
{
	for (; seconds > 0; seconds -= step) {
		pump((int64_t)step * 1000);
		/* Chains of reads and writes: each round waits behind what the store's threads have to do. */
		for (int i = 0; i < 5; i++) {
			pump(1);
			settle();
			there(1);
		}
	}
}

static unsigned active(void)
{
	struct qmgr_stats s;

	qmgr_stats(&s);
	return (unsigned)s.active_messages;
}

/* What the last server left behind: new mail, deferred mail. */
static void test_start(void)
{
	queue_id_t id[3];

	for (int i = 0; i < 3; i++)
		id[i] = put(make("s@x.test", "ok@left.test"));
	is_int(active(), 0, "nothing happens before the start");
	qmgr_start();
	PUMP_UNTIL(agent_seen.n == 3 && active() == 0, 500);
	settle();
	ok(agent_seen.n == 3 && !there(id[0]) && !there(id[1]) && !there(id[2]), "what was left behind is delivered");
	agents_forget();
}

static void test_delivered(void)
{
	queue_id_t id = put(make("s@x.test", "ok@remote.test"));
	char name[QUEUE_ID_TEXT], want[200], *line;

	PUMP_UNTIL(active() == 0 && !there(id), 300);
	ok(!there(id), "delivered and gone");
	is_int(agent_seen.n, 1, "one delivery");
	is_str(agent_seen.v[0], "smtp remote.test: ok@remote.test", "to the domain");
	queue_id_print(name, id, false);
	snprintf(want, sizeof(want), "%s: removed", name);
	line = log_wait(want);
	ok(line != NULL, "logged: removed");
	free(line);
	snprintf(want, sizeof(want), "%s: from=<s@x.test>, size=321, nrcpt=1 (queue active)", name);
	line = log_wait(want);
	ok(line != NULL && strncmp(line, "postfix/qmgr[", 13) == 0, "logged: queue active");
	free(line);
	snprintf(want, sizeof(want), "%s: to=<ok@remote.test>, relay=mx.test[192.0.2.1]:25, delay=", name);
	line = log_wait(want);
	ok(line != NULL && strncmp(line, "postfix/smtp[", 13) == 0 &&
	       strstr(line, ", dsn=2.0.0, status=sent (250 2.0.0 stored)") != NULL,
	   "logged: sent (%s)", line);
	free(line);
	agents_forget();
}

static void test_order(void)
{
	queue_id_t id =
	    put(make("s@x.test", "okzz@remote.test okbb@good.test okCC@remote.test okaa@good.test okbb2@remote.test"));

	PUMP_UNTIL(active() == 0, 300);
	is_int(agent_seen.n, 2, "two destinations, two deliveries");
	is_str(agent_seen.v[0], "smtp good.test: okaa@good.test okbb@good.test", "sorted by domain and address");
	is_str(agent_seen.v[1], "smtp remote.test: okCC@remote.test okbb2@remote.test okzz@remote.test",
	       "byte by byte");
	(void)id;
	agents_forget();
}

static void test_bounced(void)
{
	queue_id_t id = put(make("ok@sender.test", "fail@remote.test ok@remote.test"));

	PUMP_UNTIL(nnotices == 1 && active() == 0, 500);
	is_int(nnotices, 1, "a notice");
	ok(strstr(notices[0].text, "Final-Recipient: rfc822; fail@remote.test\n") != NULL,
	   "about the failed recipient");
	ok(strstr(notices[0].text, "ok@remote.test") == NULL, "not about the other");
	ok(!there(id), "and the message is gone");
	is_str(agent_seen.v[agent_seen.n - 1], "smtp sender.test: ok@sender.test", "the notice was delivered");
	notices_clear();
	agents_forget();
}

static void test_deferred(void)
{
	queue_id_t id = put(make("ok@sender.test", "defer@remote.test fail@remote.test ok@remote.test"));
	struct message *m;

	PUMP_UNTIL(nnotices == 1 && active() == 0, 500);
	settle();
	m = load(id);
	ok(m != NULL && m->queue == QUEUE_DEFERRED && m->nrcpt == 1, "what was deferred stays, the rest is done with");
	is_str(m->rcpt[0].addr, "defer@remote.test", "its recipient");
	is_str(m->rcpt[0].reason, "450 4.1.1 later", "and the reason");
	is_int(m->attempts, 1, "one attempt");
	is_int((m->due_ms - m->last_try_ms) / 1000, 300, "due after minimal_backoff_time");
	message_unref(&m);
	is_int(nnotices, 1, "the notice did not wait for the rest");
	agents_forget();
	leap(290, 10);
	is_int(agent_seen.n, 0, "not before it is due");
	leap(30, 10);
	PUMP_UNTIL(agent_seen.n == 1 && active() == 0, 300);
	is_str(agent_seen.n > 0 ? agent_seen.v[0] : "", "smtp remote.test: defer@remote.test", "tried again when due");
	settle();
	m = load(id);
	is_int(m->attempts, 2, "two attempts");
	ok((m->due_ms - m->last_try_ms) / 1000 >= 300 && (m->due_ms - m->last_try_ms) / 1000 < 340,
	   "due after as long as it is old");
	message_unref(&m);
	notices_clear();
	/* Five days later. */
	leap(11 * 40000, 40000);
	PUMP_UNTIL(nnotices == 1 && active() == 0, 500);
	settle();
	ok(!there(id), "expired");
	is_int(nnotices, 1, "returned");
	ok(nnotices == 1 && strstr(notices[0].text, "Status: 4.1.1\n") != NULL, "with its last status");
	free(log_wait("from=<ok@sender.test>, status=expired, returned to sender"));
	notices_clear();
	agents_forget();
}

static void test_slices(void)
{
	struct buf b = { 0 };
	queue_id_t id;

	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "%s%04d@d%d.test ", i % 10 == 0 ? "fail" : "ok", i, i % 7);
	id = put(make("ok@sender.test", buf_str(&b)));
	buf_release(&b);
	PUMP_UNTIL(nnotices == 1 && active() == 0, 3000);
	settle();
	ok(!there(id), "5,000 recipients in slices");
	is_int(nnotices, 1, "one notice");
	unsigned n = 0, rcpts = 0;
	if (nnotices > 0)
		for (const char *p = notices[0].text; (p = strstr(p, "Final-Recipient:")) != NULL; p++)
			n++;
	is_int(n, 500, "about all that failed");
	for (size_t i = 0; i + 1 < agent_seen.n; i++)
		for (const char *p = agent_seen.v[i]; (p = strchr(p, '@')) != NULL; p++)
			rcpts++;
	is_int(rcpts, 5000, "every recipient once");
	ok(agent_seen.n >= 5000 / 50, "no more than default_destination_recipient_limit in one (%zu deliveries)",
	   agent_seen.n);
	notices_clear();
	agents_forget();
}

static void test_fair(void)
{
	struct buf b = { 0 };
	queue_id_t big, small;
	size_t at = 0;

	/* "slow" has three places: a big message for many destinations must not keep a small one waiting. */
	for (int i = 0; i < 400; i++)
		buf_addf(&b, "wait%d@h%d.slow.test ", i, i);
	big = put(make("s@x.test", buf_str(&b)));
	PUMP_UNTIL(agent_nwaiting == 3, 2000);
	small = put(make("s@x.test", "oksmall@a.slow.test"));
	PUMP_UNTIL(active() == 2, 2000);
	agents_release();
	PUMP_UNTIL(active() == 0, 2000);
	ok(agent_peak <= 3, "maxproc bounds deliveries (%u)", agent_peak);
	for (size_t i = 0; i < agent_seen.n; i++)
		if (strstr(agent_seen.v[i], "oksmall") != NULL)
			at = i;
	ok(at < 20, "the small one is number %zu of 401", at);
	settle();
	ok(!there(big) && !there(small), "both done");
	buf_release(&b);
	agents_forget();
}

static void test_dead(void)
{
	struct buf b = { 0 };
	queue_id_t id, other;
	unsigned n;

	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "dead%04d@down.test ", i);
	id = put(make("s@x.test", buf_str(&b)));
	buf_release(&b);
	PUMP_UNTIL(active() == 0, 1000);
	ok(agent_seen.n <= 6, "a dead site is left alone after a cohort (%zu deliveries)", agent_seen.n);
	free(log_wait("to=<dead0999@down.test>"));
	ok(log_count("status=deferred (delivery temporarily suspended: connect to mx.test: Connection refused)") > 600,
	   "the rest is deferred");
	agents_forget();
	other = put(make("s@x.test", "ok@down.test"));
	PUMP_UNTIL(active() == 0, 300);
	is_int(agent_seen.n, 0, "so is another message to it");
	settle();
	ok(there(id) && there(other), "both are kept");
	n = log_count("(queue active)");
	(void)n;
	qmgr_flush_all();
	PUMP_UNTIL(agent_seen.n > 0 && active() == 0 && !there(other), 1000);
	ok(!there(other), "a flush tries again at once");
	{
		struct qmgr_change_op op = { 0 };

		qmgr_change_start(&op, &help_task, id, QMGR_DELETE);
		PUMP_FOR(qmgr_change_poll(&op));
		is_int(qmgr_change_poll(&op), 1, "deleted");
		qmgr_change_end(&op);
		qmgr_change_start(&op, &help_task, id, QMGR_DELETE);
		PUMP_FOR(qmgr_change_poll(&op));
		is_int(qmgr_change_poll(&op), -1, "nothing left to be deleted");
		qmgr_change_end(&op);
	}
	agents_forget();
	leap(1000, 50);
}

static int change(queue_id_t id, enum qmgr_change kind)
{
	struct qmgr_change_op op = { 0 };
	int r;

	qmgr_change_start(&op, &help_task, id, kind);
	PUMP_FOR(qmgr_change_poll(&op));
	r = qmgr_change_poll(&op);
	qmgr_change_end(&op);
	return r;
}

static void test_changes(void)
{
	queue_id_t id = put(make("s@x.test", "wait1@a.test wait2@a.test ok@b.test"));
	struct message *m;

	PUMP_UNTIL(agent_nwaiting == 1, 300);
	ok(qmgr_is_active(id), "active");
	is_int(change(id, QMGR_DELETE), 1, "deleted while active");
	is_int(agent_cancelled, 1, "its delivery was cancelled");
	ok(!there(id) && active() == 0, "gone");
	agents_forget();
	id = put(make("s@x.test", "defer@a.test"));
	PUMP_UNTIL(active() == 0, 300);
	settle();
	is_int(change(id, QMGR_HOLD), 1, "held");
	m = load(id);
	is_int(m->queue, QUEUE_HOLD, "on hold");
	message_unref(&m);
	agents_forget();
	qmgr_flush_id(id);
	qmgr_flush_all();
	leap(1000, 50);
	is_int(agent_seen.n, 0, "a held message is not tried, not by a flush either");
	is_int(change(id, QMGR_RELEASE), 1, "released");
	for (int i = 0; i < 50; i++)
		pump(10);
	settle();
	is_int(agent_seen.n, 0, "not tried at once");
	leap(40, 10);
	PUMP_UNTIL(agent_seen.n == 1, 2000);	/* the change is on the disk first, which may take a while */
	is_int(agent_seen.n, 1, "but soon");
	settle();
	is_int(change(id, QMGR_EXPIRE), 1, "expired by force");
	settle();
	ok(there(id), "which takes effect at the next attempt");
	qmgr_flush_id(id);
	PUMP_UNTIL(nnotices == 1 && active() == 0, 300);
	settle();
	ok(!there(id) && nnotices == 1, "returned");
	free(log_wait("status=force-expired, returned to sender"));
	is_int(change(id, QMGR_HOLD), -1, "no such message");
	notices_clear();
	agents_forget();
}

static void test_hold_active(void)
{
	queue_id_t id = put(
	    make("s@x.test", "wait1@slow.test wait2@a.slow.test wait3@b.slow.test wait4@c.slow.test ok5@d.slow.test"));
	struct message *m;

	PUMP_UNTIL(agent_nwaiting == 3, 300);
	is_int(change(id, QMGR_HOLD), 1, "held while active");
	m = load(id);
	is_int(m->queue, QUEUE_HOLD, "at once");
	message_unref(&m);
	agents_release();
	PUMP_UNTIL(active() == 0, 300);
	settle();
	m = load(id);
	ok(m != NULL && m->queue == QUEUE_HOLD && m->nrcpt == 2, "deliveries under way were finished (%u left)",
	   m->nrcpt);
	message_unref(&m);
	agents_forget();
	change(id, QMGR_RELEASE);
	agents_release();
	leap(400, 20);
	PUMP_UNTIL(active() == 0 && agent_seen.n == 2, 300);
	settle();
	ok(!there(id), "the rest after the release");
	agents_forget();
}

static void test_refused_notice(void)
{
	queue_id_t id;
	struct message *m;

	cleanup_refuses = true;
	id = put(make("s@x.test", "fail@a.test"));
	PUMP_UNTIL(active() == 0, 300);
	settle();
	m = load(id);
	ok(m != NULL && m->nrcpt == 1 && m->rcpt[0].state == RCPT_FAILED,
	   "a notice that cannot be queued keeps the message");
	message_unref(&m);
	cleanup_refuses = false;
	agents_forget();
	qmgr_flush_all();
	PUMP_UNTIL(nnotices == 1 && active() == 0, 300);
	settle();
	ok(nnotices == 1 && !there(id), "the next attempt queues it");
	ok(agent_seen.n <= 1, "without another delivery");
	notices_clear();
	agents_forget();
}

static void test_reports(void)
{
	struct message *m = make("s@x.test", "ok@a.test defer@a.test");

	m->rcpt[0].notify = DSN_SUCCESS;
	put(m);
	PUMP_UNTIL(nnotices == 1 && active() == 0, 300);
	ok(nnotices == 1 && strstr(notices[0].text, "Action: relayed\n") != NULL, "a success report");
	ok(nnotices == 1 &&
	       strstr(notices[0].text, "<ok@a.test>: delivery via mx.test[192.0.2.1]:25: 250 2.0.0 stored\n") != NULL,
	   "its text");
	notices_clear();
	m = make("s@x.test", "ok@a.test defer@a.test fail@a.test");
	m->flags |= MSG_TRACE_VERIFY;
	queue_id_t id = put(m);
	PUMP_UNTIL(nnotices == 1 && active() == 0, 300);
	settle();
	ok(nnotices == 1 && strstr(notices[0].text, "Subject: Mail Delivery Status Report\n") != NULL,
	   "a probe's report");
	ok(nnotices == 1 && strstr(notices[0].text, "Action: undeliverable\nStatus: 4.1.1\n") != NULL,
	   "deferral counts as undeliverable");
	ok(!there(id), "a probe is not tried again");
	notices_clear();
	m = make("s@x.test", "ok@a.test defer@a.test fail@a.test");
	m->flags |= MSG_TRACE_DELIVER;
	id = put(m);
	PUMP_UNTIL(nnotices == 2 && active() == 0, 300);
	settle();
	ok(nnotices == 2 && strstr(notices[1].text, "Action: delayed\n") != NULL &&
		strstr(notices[1].text, "Action: relayed\n") != NULL && strstr(notices[1].text, "Action: failed\n") != NULL,
	   "sendmail -v: a report of all, beside the notice");
	m = load(id);
	ok(m != NULL && m->nrcpt == 1 && strcmp(m->rcpt[0].addr, "defer@a.test") == 0, "which removes no deferred recipient");
	message_unref(&m);
	change(id, QMGR_DELETE);
	notices_clear();
	agents_forget();
}

static void test_unknown(void)
{
	queue_id_t id = put(make("s@x.test", "ok@nowhere.test"));
	char *line;

	PUMP_UNTIL(active() == 0, 300);
	settle();
	line = log_wait("status=deferred (mail transport unavailable)");
	ok(line != NULL && strncmp(line, "postfix/error[", 14) == 0 && strstr(line, "dsn=4.3.0") != NULL,
	   "an unknown transport: %s", line);
	free(line);
	line = log_wait("warning: connect to transport private/nosuch: No such file or directory");
	ok(line != NULL, "warned about");
	free(line);
	change(id, QMGR_DELETE);
	agents_forget();
}

/* More than the active set holds: all of it gets its turn. */
static void test_overflow(void)
{
	queue_id_t id[300];
	bool gone = true;

	for (int i = 0; i < 300; i++)
		id[i] = put(make("s@x.test", "wait@over.test"));
	ok(active() <= 100, "qmgr_message_active_limit holds (%u)", active());
	agents_release();
	PUMP_UNTIL(agent_seen.n == 300 && active() == 0, 3000);
	is_int(agent_seen.n, 300, "everyone had a turn");
	settle();
	for (int i = 0; i < 300; i++)
		gone &= !there(id[i]);
	ok(gone, "and is gone");
	agents_forget();
}

static void test_drain(void)
{
	queue_id_t id = put(make("s@x.test", "wait1@slow.test wait2@a.slow.test wait3@b.slow.test wait4@c.slow.test"));
	struct message *m;

	PUMP_UNTIL(agent_nwaiting == 3, 300);
	qmgr_drain(5000, &help_task);
	ok(!qmgr_idle(), "deliveries are under way");
	agents_release();
	PUMP_UNTIL(qmgr_idle(), 300);
	ok(qmgr_idle(), "they came to their end");
	settle();
	m = load(id);
	ok(m != NULL && m->nrcpt == 1 && m->due_ms == 0, "what was not tried is due as before");
	message_unref(&m);
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	store_begin();
	clock_test_set(test_wall_us, test_mono_ms);
	log_begin();
	table_init();
	rewrite_init();
	bounce_init();
	qmgr_init();
	agents_register();
	store_open_ok();
	config_adopt("qmgr_message_active_limit = 100\ntransport_maps = inline:{ {nowhere.test=nosuch:} "
		     "{slow.test=slow:} {.slow.test=slow:} }\n",
		     master);
	test_start();
	test_delivered();
	test_order();
	test_bounced();
	test_deferred();
	test_slices();
	test_fair();
	test_dead();
	test_changes();
	test_hold_active();
	test_refused_notice();
	test_reports();
	test_unknown();
	test_overflow();
	test_drain();
	qmgr_release();
	generation_release_current();
	table_release();
	log_stop();
	store_finish();
	return done_testing();
}
