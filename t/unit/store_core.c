/* What goes in comes out: every table, through the door, with reopening in between. */
#include "tap.h"
#include "store_help.h"

static void test_ids(void)
{
	char a[QUEUE_ID_TEXT], b[QUEUE_ID_TEXT];
	queue_id_t id, back, last = 0;
	bool up = true, same = true;
	int i;

	for (i = 0; i < 10000; i++) {
		id = store_new_id();
		up &= id > last;
		last = id;
		queue_id_print(a, id, false);
		same &= queue_id_parse(a, &back) && back == id;
		queue_id_print(b, id, true);
		same &= queue_id_parse(b, &back) && back == id && strlen(b) == 15;
	}
	ok(up, "ids grow");
	ok(same, "both printed forms read back (%s, %s)", a, b);
	ok(!queue_id_parse("", &back) && !queue_id_parse("0A", &back) && !queue_id_parse("abc", &back), "what is no id");
	ok(!queue_id_parse("FFFFFFFFFFFFFFFFFF", &back), "too long a number");
	b[14] = b[14] == '0' ? '1' : '0';
	ok(!queue_id_parse(b, &back), "a long id with a wrong tail is another's");
	queue_id_print(a, 0x5A0B1C2D3E4F0ull, false);
	is_str(a, "5A0B1C2D3E4F", "short form");
}

static void set_facts(struct message *m)
{
	struct arena *a = &m->arena;

	m->flags = MSG_8BIT | MSG_SMTPUTF8;
	m->client_name = arena_strdup(a, "client.example.com");
	m->client_addr = arena_strdup(a, "192.0.2.9");
	m->client_port = arena_strdup(a, "4711");
	m->helo = arena_strdup(a, "helo.example");
	m->proto = arena_strdup(a, "ESMTP");
	m->dsn_envid = arena_strdup(a, "env id");
	m->dsn_ret = DSN_RET_HDRS;
	m->sasl_user = arena_strdup(a, "joe");
	m->message_id = arena_strdup(a, "<1@x>");
	strs_add(&m->extra, "one=1");
	strs_add(&m->extra, "two=2");
	m->rcpt[1].dsn_orcpt = arena_strdup(a, "rfc822;other@example.com");
	m->rcpt[1].notify = DSN_FAILURE | DSN_DELAY;
	m->rcpt[1].orig = arena_strdup(a, "alias@example.com");
}

static void check_facts(queue_id_t id)
{
	bool more;
	struct message *m = load_message(id, 0, 100, ~0u, &more);

	if (!ok(m != NULL, "message is there"))
		return;
	is_str(m->sender, "s@example.com", "sender");
	is_int(m->flags, MSG_8BIT | MSG_SMTPUTF8, "flags");
	is_str(m->client_name, "client.example.com", "client_name");
	is_str(m->client_addr, "192.0.2.9", "client_addr");
	is_str(m->client_port, "4711", "client_port");
	is_str(m->dsn_envid, "env id", "envid");
	is_int(m->dsn_ret, DSN_RET_HDRS, "ret");
	is_str(m->sasl_user, "joe", "sasl_user");
	is_str(m->ident, NULL, "what was not given is NULL");
	is_int((intmax_t)m->extra.n, 2, "extra attributes");
	is_str(m->extra.v[1], "two=2", "the second");
	is_int(m->nrcpt, 3, "recipients");
	is_int(m->rcpt_left, 3, "recipients left");
	is_str(m->rcpt[1].dsn_orcpt, "rfc822;other@example.com", "orcpt");
	is_str(m->rcpt[1].orig, "alias@example.com", "original recipient");
	is_str(m->rcpt[2].orig, m->rcpt[2].addr, "the same when none was given");
	is_int(m->rcpt[1].notify, DSN_FAILURE | DSN_DELAY, "notify");
	is_int(m->due_ms, 0, "a new message is due at once");
	ok(!more, "no more recipients");
	message_unref(&m);
}

static void test_content(queue_id_t id, const struct message *orig, size_t body)
{
	struct message *m = load_message(id, 0, 10, ~0u, NULL);
	size_t len;
	char *p = read_content(m, PART_HEADER, &len);

	is_mem(p, len, orig->content->header, orig->content->header_len, "header from the store");
	free(p);
	p = read_content(m, PART_BODY, &len);
	ok(p != NULL && len == body && memcmp(p + len - 2, "\r\n", 2) == 0, "body from the store: %zu bytes", len);
	free(p);
	message_unref(&m);
}

static int due_rows(int64_t until, struct due_row *first, int64_t *next)
{
	struct store_due_op op = { 0 };
	int n;

	store_due_start(&op, &help_task, until, -1, 0, 1000);
	WAIT_FOR(store_due_poll(&op));
	n = store_due_poll(&op) == STORE_OK ? (int)op.n : -1;
	if (n > 0)
		*first = op.row[0];
	*next = op.next_due_ms;
	store_due_end(&op);
	return n;
}

static int at_site(const char *domain)
{
	struct store_site_op op = { 0 };
	int n;

	store_site_start(&op, &help_task, domain, 0, 1000);
	WAIT_FOR(store_site_poll(&op));
	n = store_site_poll(&op) == STORE_OK ? (int)op.n : -1;
	store_site_end(&op);
	return n;
}

static void stats_are(int messages, int active, int deferred, int hold, const char *what)
{
	struct store_stats s;

	store_stats(&s);
	ok((int)s.messages == messages && (int)s.active == active && (int)s.deferred == deferred && (int)s.hold == hold,
	    "%s: %d messages, %d active, %d deferred, %d hold", what, (int)s.messages, (int)s.active, (int)s.deferred, (int)s.hold);
}

static void defer(queue_id_t id, enum msg_queue q, int64_t due, enum store_result want)
{
	struct store_sched s = { .queue = q, .due_ms = due, .last_try_ms = 5, .attempts = 1, .flags = MSG_8BIT,
		.sites = { 7, 8 }, .nsites = 2 };
	struct store_txn *t = store_txn_new();

	store_txn_sched(t, id, &s);
	is_int(commit_now(&t), want, "deferred");
}

static void test_settling(queue_id_t id)
{
	struct store_txn *t = store_txn_new();
	struct rcpt r = { .n = 1, .addr = (char *)(uintptr_t)"user1@example.net", .orig = (char *)(uintptr_t)"user1@example.net",
		.state = RCPT_TODO, .dsn = (char *)(uintptr_t)"4.4.1", .reason = (char *)(uintptr_t)"connect: timed out" };
	struct due_row row;
	struct message *m;
	int64_t next;

	is_int(due_rows(INT64_MAX, &row, &next), 1, "a new message has a due row");
	ok(row.due_ms == 0 && row.id == id && row.nsites == 0, "at once");
	store_txn_rcpt_done(t, id, 0);
	store_txn_rcpt(t, id, &r);
	r.n = 77;
	store_txn_rcpt(t, id, &r);
	is_int(commit_now(&t), STORE_NONE, "a recipient that is not there is not made");
	m = load_message(id, 0, 10, ~0u, NULL);
	is_int(m->nrcpt, 2, "the delivered one is gone");
	is_str(m->rcpt[0].reason, "connect: timed out", "the other knows why");
	is_int(m->rcpt[0].n, 1, "and keeps its number");
	message_unref(&m);
	is_int(at_site("example.com"), 0, "new mail stands under no site");
	defer(id, QUEUE_DEFERRED, 1000000, STORE_OK);
	is_int(at_site("EXAMPLE.com"), 0, "example.com has been delivered to");
	is_int(at_site("Example.NET"), 1, "deferred mail stands under its sites");
	stats_are(1, 0, 1, 0, "deferred");
	is_int(due_rows(999999, &row, &next), 0, "nothing is due");
	is_int(next, 1000000, "but will be");
	is_int(due_rows(1000000, &row, &next), 1, "it is due");
	ok(row.nsites == 2 && row.sites[0] == 7 && row.sites[1] == 8, "with its sites");
	t = store_txn_new();
	store_txn_due(t, id, 2000000);
	is_int(commit_now(&t), STORE_OK, "postponed");
	is_int(due_rows(INT64_MAX, &row, &next), 1, "one row");
	ok(row.due_ms == 2000000 && row.nsites == 2, "at the new time, with the sites");
	m = load_message(id, 0, 10, ~0u, NULL);
	ok(m->due_ms == 2000000 && m->attempts == 1 && m->queue == QUEUE_DEFERRED && m->flags == MSG_8BIT, "and loaded so");
	message_unref(&m);
	defer(id, QUEUE_HOLD, 0, STORE_OK);
	stats_are(1, 0, 0, 1, "hold");
	is_int(due_rows(INT64_MAX, &row, &next), 0, "what is on hold is not due");
}

static void test_delete(queue_id_t id)
{
	struct store_txn *t = store_txn_new();
	struct message *m;

	store_txn_delete(t, id);
	is_int(commit_now(&t), STORE_OK, "deleted");
	m = load_message(id, 0, 10, ~0u, NULL);
	ok(m == NULL, "it is gone");
	is_int(at_site("example.net"), 0, "from the sites, too");
	stats_are(0, 0, 0, 0, "empty");
	t = store_txn_new();
	store_txn_delete(t, id);
	is_int(commit_now(&t), STORE_NONE, "nothing to delete");
	defer(id, QUEUE_DEFERRED, 5, STORE_NONE);
	stats_are(0, 0, 0, 0, "a late settlement brings nothing back");
}

static void test_drafts(void)
{
	struct message *m = make_message("", 1, "example.org", 0);
	struct content *big = content_new();
	struct store_txn *t = store_txn_new();
	struct chunk *ch;
	char text[10000], *p;
	int64_t before = content_memory();
	size_t len;
	int i, seq = 0;

	for (i = 0; i < (int)sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	content_append(big, text, sizeof(text));
	while ((ch = content_take_chunk(big)) != NULL)
		store_txn_draft(t, m->id, (uint32_t)seq++, ch);
	is_int(seq, 3, "chunks");
	is_int(content_memory(), before, "taken chunks are out of the account");
	is_int(commit_now(&t), STORE_OK, "drafts");
	stats_are(0, 0, 0, 0, "drafts are no message");
	t = store_txn_new();
	m->flags = MSG_CONTENT_STORED;
	m->body_bytes = sizeof(text);
	store_txn_put(t, m);
	is_int(commit_now(&t), STORE_OK, "and the envelope");
	p = read_content(m, PART_BODY, &len);
	is_mem(p, len, text, sizeof(text), "body of a message with drafts");
	free(p);
	t = store_txn_new();
	store_txn_delete(t, m->id);
	is_int(commit_now(&t), STORE_OK, "deleted");
	content_unref(&big);
	message_unref(&m);
}

/* What rides along and what changes nothing, in one batch as large as may be. */
static void test_crowd(queue_id_t id)
{
	struct store_txn *t;

	for (int i = 0; i < 1000; i++) {
		t = store_txn_new();
		store_txn_due(t, id, 3000000 + i);
		store_settle(&t);
	}
	t = store_txn_new();
	is_int(commit_now(&t), STORE_OK, "nothing, behind a thousand");
}

static int arrivals;
static void on_arrival(struct message *m)
{
	arrivals += m->queue == QUEUE_ACTIVE ? 1 : 100;
}

int main(void)
{
	struct message *m, *held;
	struct store_txn *t;
	queue_id_t id;

	log_program("test");
	store_begin();
	store_open_ok();
	test_ids();
	store_on_arrival(on_arrival);
	m = make_message("s@example.com", 3, "example.net", 200000);
	m->rcpt[0].addr = m->rcpt[0].orig = arena_strdup(&m->arena, "first@example.com");
	set_facts(m);
	id = m->id;
	t = store_txn_new();
	store_txn_put(t, m);
	is_int(commit_now(&t), STORE_OK, "put");
	held = make_message("h@example.com", 1, "example.net", 10);
	held->queue = QUEUE_HOLD;
	t = store_txn_new();
	store_txn_put(t, held);
	is_int(commit_now(&t), STORE_OK, "put on hold");
	is_int(arrivals, 1, "arrival is told, not for hold");
	stats_are(2, 1, 0, 1, "both");
	t = store_txn_new();
	store_txn_delete(t, held->id);
	is_int(commit_now(&t), STORE_OK, "delete the held one");
	message_unref(&held);
	check_facts(id);
	test_content(id, m, 200000);
	store_close();
	store_open_ok();
	ok(store_new_id() > id, "ids go on after reopening");
	stats_are(1, 1, 0, 0, "reopened");
	check_facts(id);
	test_content(id, m, 200000);
	test_settling(id);
	test_crowd(id);
	store_close();
	store_open_ok();
	stats_are(1, 0, 0, 1, "counts survive");
	test_delete(id);
	test_drafts();
	message_unref(&m);
	is_int(content_memory(), 0, "no content is left in memory");
	store_finish();
	return done_testing();
}
