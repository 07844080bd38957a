/* access_lists.c - rule lists: every scene runs with tables and name servers whose answers come later, and
 * again with all answers there at once. Verdicts, replies, effects and log lines may not differ. */
#include <postrider/access.h>
#include <postrider/clock.h>
#include <postrider/dns.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

#include <tap.h>

#include "dns_server.h"

static char dir[] = "/tmp/access-XXXXXX";
static struct generation *g;
static struct access_lists *lists;
static char refused[300];	/* a fatal problem of the configuration */

/* ---- tables "soon" and "late": the second makes its asker look three times ---------------------- */
static const char *const entries[][3] = {
	{ "client", "192.0.2.9", "REJECT bad client" }, { "client", "198.51.100", "OK" }, { "client", "evil.test", "554 evil" },
	{ "helo", "liar.test", "REJECT" }, { "sender", "spam@x.test", "REJECT 5.7.9 no spam" }, { "sender", "ok.test", "OK" },
	{ "sender", "defer.test", "DEFER_IF_PERMIT later" }, { "sender", "twice.test", "DEFER_IF_REJECT perhaps" },
	{ "sender", "class.test", "strict" }, { "sender", "list.test", "reject_non_fqdn_recipient, permit" },
	{ "sender", "hold.test", "HOLD look at this" }, { "sender", "drop.test", "DISCARD" }, { "sender", "421.test", "421 go away" },
	{ "sender", "filter.test", "FILTER smtp:[127.0.0.1]:9" }, { "sender", "turn.test", "REDIRECT a@b.test" },
	{ "sender", "loop.test", "round" }, { "sender", "head.test", "PREPEND X-Seen: yes" }, { "sender", "<>", "REJECT null" },
	{ "sender", "odd.test", "nonsense" }, { "sender", "broken.test", "!" }, { "sender", "warn.test", "WARN look" },
	{ "rcpt", "closed@", "REJECT closed" },
	{ "rcpt", "u@fail.test", "!" }, { "users", "alice@example.com", "x" }, { "users", "broken@example.com", "!" },
	{ "relay", "relay.test", "x" }, { "relay", "fail.test", "!" }, { "nets", "192.0.2.7", "x" }, { "alias", "known@v.test", "a@b.test" },
};
enum { LOOKS = 2 };
struct pending {
	const char	*table, *key;
	int		 looks;
};
static unsigned waited;

static void *tab_open(struct table_env *e UNUSED, const char *name, char **why_r UNUSED)
{
	return xstrdup(name);
}

static enum table_result tab_answer(struct table_op *op, const char *table, const char *key)
{
	for (size_t i = 0; i < NELEM(entries); i++)
		if (strcmp(entries[i][0], table) == 0 && strcmp(entries[i][1], key) == 0) {
			if (strcmp(entries[i][2], "!") == 0) {
				op->why = "told to fail";
				return TABLE_ERROR;
			}
			op->value = entries[i][2];
			return TABLE_FOUND;
		}
	return TABLE_NONE;
}

static enum table_result soon_lookup(void *contents, struct table_op *op, const char *key)
{
	return tab_answer(op, contents, key);
}

static enum table_result late_lookup(void *contents, struct table_op *op, const char *key)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	*p = (struct pending){ contents, xstrdup(key), LOOKS };
	op->state = p;
	task_wake(op->task);
	return TABLE_WAIT;
}

static enum table_result late_poll(void *contents UNUSED, struct table_op *op)
{
	struct pending *p = op->state;

	if (p->looks > 0) {
		p->looks--;
		waited++;
		task_wake(op->task);
		return TABLE_WAIT;
	}
	return tab_answer(op, p->table, p->key);
}

static void late_end(void *contents UNUSED, struct table_op *op)
{
	struct pending *p = op->state;

	if (p != NULL)
		free((char *)p->key);
	free(p);
	op->state = NULL;
}

static const struct table_class soon_class = { .abi = TABLE_ABI, .type = "soon", .open = tab_open, .close = free, .lookup = soon_lookup };
static const struct table_class late_class = { .abi = TABLE_ABI, .type = "late", .open = tab_open, .close = free, .lookup = late_lookup,
	.poll = late_poll, .end = late_end };

/* ---- configuration ------------------------------------------------------------------------------- */
static void *compile(struct service *s, struct problems *problems)
{
	return access_compile(s, problems);
}

static void release(void *state)
{
	struct access_lists *l = state;

	access_lists_free(&l);
}

static const struct service_class smtpd_class = { .command = "smtpd", .takes_connections = true, .compile = compile, .release = release };

/* "KIND" in the text is the type of table this time. */
static bool load(const char *extra, const char *kind)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct problem *p;
	struct buf text = { 0 };
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/master.cf", dir);
	f = fopen(path, "w");
	fprintf(f, "2525 inet n - n - - smtpd\n");
	fclose(f);
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	buf_addf(&text, "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydestination = example.com\nlocal_recipient_maps =\n"
	    "mynetworks = 127.0.0.0/8 KIND:nets\nrelay_domains = KIND:relay\ninet_interfaces = 127.0.0.1\nqueue_directory = %s\n"
	    "data_directory = %s\nsmtpd_restriction_classes = strict, round\nstrict = reject\n"
	    "round = check_sender_access KIND:sender\nalias_maps =\n%s", dir, dir, extra);
	for (char *k = strstr(text.p, "KIND:"); k != NULL; k = strstr(k, "KIND:"))
		memcpy(k, kind, 4);
	f = fopen(path, "w");
	fputs(buf_str(&text), f);
	fclose(f);
	buf_release(&text);
	if (g != NULL)
		generation_unref(&g);
	g = generation_load(dir, NULL, &problems);
	*refused = '\0';
	TAILQ_FOREACH(p, &problems, link)
		if (p->level == PROBLEM_FATAL)
			snprintf(refused, sizeof(refused), "%s", p->text);
	problems_release(&problems);
	lists = g != NULL ? service_find(g, "smtpd")->state : NULL;
	return g != NULL;
}

/* ---- asking ---------------------------------------------------------------------------------------- */
struct dialogue {
	struct task	 task;
	struct access_facts facts;
	struct access_memory memory;
	struct access_actions actions;
	struct access_op op;
	struct sockaddr_storage sa;
	char		*text, *cursor;
	char		 client[128], name[64], addr[64];
	bool		 asking;
	int		 looks;
	struct timer	 timer;
	struct buf	 heard;
};
static const struct log_ctx who = { "postfix/smtpd", 1 };

static const struct { const char *word; enum access_request request; const char *command; } requests[] = {
	{ "connect", ACCESS_CONNECT, "CONNECT" }, { "helo", ACCESS_HELO, "EHLO" }, { "mail", ACCESS_MAIL, "MAIL" }, { "rcpt", ACCESS_RCPT, "RCPT" },
	{ "data", ACCESS_DATA, "DATA" }, { "eod", ACCESS_EOD, "END-OF-MESSAGE" }, { "etrn", ACCESS_ETRN, "ETRN" },
};

/* One line of the script; false at its end. */
static bool ask(struct dialogue *d)
{
	char *line = d->cursor != NULL ? strsep(&d->cursor, "\n") : NULL;
	char *word, *arg;

	if (line == NULL || *line == '\0')
		return false;
	word = strsep(&line, " ");
	arg = line;
	for (size_t i = 0; i < NELEM(requests); i++) {
		if (strcmp(word, requests[i].word) != 0)
			continue;
		d->facts.command = requests[i].command;
		if (requests[i].request == ACCESS_CONNECT) {
			snprintf(d->name, sizeof(d->name), "%.*s", (int)strcspn(arg, "["), arg);
			snprintf(d->addr, sizeof(d->addr), "%.*s", (int)strcspn(strchr(arg, '[') + 1, "]"), strchr(arg, '[') + 1);
			snprintf(d->client, sizeof(d->client), "%s", arg);
			((struct sockaddr_in *)&d->sa)->sin_family = AF_INET;
			inet_pton(AF_INET, d->addr, &((struct sockaddr_in *)&d->sa)->sin_addr);
			d->facts.client_name_status = d->facts.client_rev_status = strcmp(d->name, "unknown") == 0 ? 5 : 2;
		} else if (requests[i].request == ACCESS_HELO) {
			d->facts.helo = arg;
		} else if (requests[i].request == ACCESS_MAIL) {
			d->facts.sender = arg == NULL ? "" : arg;
		} else if (requests[i].request == ACCESS_RCPT) {
			d->facts.recipient = arg;
		} else if (requests[i].request == ACCESS_ETRN) {
			d->facts.etrn_name = arg;
		}
		access_start(&d->op, &d->task, lists, requests[i].request, &d->facts, &d->memory, &d->actions);
		d->asking = true;
		return true;
	}
	ok(false, "script: %s", word);
	return false;
}

static void step(struct task *t)
{
	struct dialogue *d = CONTAINER_OF(t, struct dialogue, task);

	for (;;) {
		if (!d->asking && !ask(d)) {
			loop_stop();
			return;
		}
		switch (access_poll(&d->op)) {
		case ACCESS_WAIT:
			return;
		case ACCESS_PASS:
			buf_adds(&d->heard, "pass\n");
			break;
		case ACCESS_REJECT:
			buf_addf(&d->heard, "%s\n", d->op.reply);
			break;
		case ACCESS_HANGUP:
			buf_adds(&d->heard, "hangup\n");
			break;
		}
		access_end(&d->op);
		d->asking = false;
	}
}

static void effects(struct dialogue *d)
{
	const struct access_actions *a = &d->actions;

	if (a->hold)
		buf_adds(&d->heard, "hold\n");
	if (a->discard)
		buf_adds(&d->heard, "discard\n");
	if (a->filter != NULL)
		buf_addf(&d->heard, "filter %s\n", a->filter);
	if (a->redirect != NULL)
		buf_addf(&d->heard, "redirect %s\n", a->redirect);
	for (size_t i = 0; i < a->prepend.n; i++)
		buf_addf(&d->heard, "prepend %s\n", a->prepend.v[i]);
}

static void converse(struct dialogue *d, const char *script)
{
	memset(d, 0, sizeof(*d));
	task_init(&d->task, "dialogue", step);
	d->facts = (struct access_facts){ .service = service_find(g, "smtpd"), .view = service_find(g, "smtpd")->view, .log = &who,
		.client_sa = (struct sockaddr *)&d->sa, .client = d->client, .client_name = d->name, .client_rev_name = d->name,
		.client_addr = d->addr, .client_port = "4711", .protocol = "ESMTP" };
	d->text = d->cursor = xstrdup(script);
	task_wake(&d->task);
	loop_run();
	effects(d);
}

/* Looks a few times only, then goes. */
static void abandoned(struct task *t)
{
	struct dialogue *d = CONTAINER_OF(t, struct dialogue, task);

	if (!d->asking) {
		access_start(&d->op, t, lists, ACCESS_RCPT, &d->facts, &d->memory, &d->actions);
		d->asking = true;
	}
	if (access_poll(&d->op) != ACCESS_WAIT || d->looks-- == 0)
		loop_stop();
	else
		timer_start(&d->timer, t, 1);	/* the name server is silent */
}

static void hang_up(struct dialogue *d)
{
	access_end(&d->op);
	timer_end(&d->timer);
	access_memory_release(&d->memory);
	access_actions_release(&d->actions);
	buf_release(&d->heard);
	task_unlink(&d->task);
	free(d->text);
}

/* ---- scenes ------------------------------------------------------------------------------------------ */
#define OUT	"connect out.test[192.0.2.1]\nhelo c.test\n"
static const struct scene {
	const char *what, *conf, *script, *heard;
} scenes[] = {
	{ "the defaults: no relaying", "", OUT "mail s@x.test\nrcpt u@example.com\nrcpt u@remote.test\nrcpt u@relay.test\nrcpt u%remote.test@example.com\n"
	    "rcpt u@sub.relay.test\nrcpt u@fail.test\n",
	    "pass\npass\npass\npass\n454 4.7.1 <u@remote.test>: Relay access denied\npass\n"
	    "454 4.7.1 <u%remote.test@example.com>: Relay access denied\npass\n451 4.3.0 <u@fail.test>: Temporary lookup failure\n" },
	{ "clients of mynetworks may", "", "connect in.test[127.0.0.3]\nhelo x\nmail a@b.c\nrcpt u@remote.test\n", "pass\npass\npass\npass\n" },
	{ "mynetworks from a table", "", "connect in.test[192.0.2.7]\nhelo x\nmail a@b.c\nrcpt u@remote.test\n", "pass\npass\npass\npass\n" },
	{ "an untrusted route is allowed when asked for", "allow_untrusted_routing = yes\n", OUT "mail s@x\nrcpt u%example.com@relay.test\n"
	    "rcpt u%remote.test@example.com\n", "pass\npass\npass\npass\n454 4.7.1 <u%remote.test@example.com>: Relay access denied\n" },
	{ "else not, not even to where we relay", "", OUT "mail s@x\nrcpt u%example.com@relay.test\n"
	    "rcpt u%relay.test@example.com\n",
	    "pass\npass\npass\n454 4.7.1 <u%example.com@relay.test>: Relay access denied\npass\n" },
	{ "a permanent refusal", "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n", OUT "mail s@x\nrcpt u@remote.test\n",
	    "pass\npass\npass\n554 5.7.1 <u@remote.test>: Relay access denied\n" },
	{ "soft_bounce", "soft_bounce = yes\nsmtpd_client_restrictions = reject\n", OUT "rcpt a@example.com\n",
	    "pass\npass\n454 4.7.1 <out.test[192.0.2.1]>: Client host rejected: Access denied\n" },
	{ "reject, each at its stage", "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\nsmtpd_helo_restrictions = reject\n"
	    "smtpd_sender_restrictions = reject\nsmtpd_recipient_restrictions = reject\nsmtpd_data_restrictions = reject\n"
	    "smtpd_end_of_data_restrictions = reject, permit\nsmtpd_etrn_restrictions = reject\n",
	    OUT "mail a@b.c\nrcpt u@example.com\ndata\neod\netrn x.test\n",
	    "554 5.7.1 <out.test[192.0.2.1]>: Client host rejected: Access denied\n554 5.7.1 <c.test>: Helo command rejected: Access denied\n"
	    "554 5.7.1 <a@b.c>: Sender address rejected: Access denied\n554 5.7.1 <u@example.com>: Recipient address rejected: Access denied\n"
	    "554 5.7.1 <DATA>: Data command rejected: Access denied\n554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied\n"
	    "554 5.7.1 <x.test>: Etrn command rejected: Access denied\n" },
	{ "defer", "smtpd_helo_restrictions = defer\n", OUT "mail a@b.c\nrcpt u@example.com\n",
	    "pass\npass\npass\n450 4.3.2 <c.test>: Helo command rejected: Try again later\n" },
	{ "warn_if_reject", "smtpd_relay_restrictions = warn_if_reject reject_unauth_destination, warn_if_reject reject, permit\n"
	    "smtpd_recipient_restrictions = warn_if_reject defer, reject_unknown_client_hostname, defer\n", OUT "mail a@b.c\nrcpt u@remote.test\n",
	    "pass\npass\npass\n450 4.3.2 <u@remote.test>: Recipient address rejected: Try again later\n" },
	{ "an unknown word", "smtpd_sender_restrictions = foo\n", OUT "mail a@b.c\nrcpt u@example.com\n",
	    "pass\npass\npass\n451 4.3.5 Server configuration error\n" },
	{ "a table's verdicts", "smtpd_client_restrictions = check_client_access KIND:client\nsmtpd_helo_restrictions = check_helo_access KIND:helo\n"
	    "smtpd_sender_restrictions = check_sender_access KIND:sender\nsmtpd_recipient_restrictions = check_recipient_access KIND:rcpt\n",
	    "connect c.test[192.0.2.9]\nhelo c.test\nmail a@b.c\nrcpt u@example.com\nconnect x.sub.evil.test[192.0.2.1]\nrcpt u@example.com\n"
	    "connect c.test[192.0.2.1]\nhelo sub.liar.test\nrcpt u@example.com\nhelo c.test\nmail spam@x.test\nrcpt u@example.com\n"
	    "mail a@b.c\nrcpt closed@example.com\nrcpt closed+x@example.com\nmail a@broken.test\nrcpt u@example.com\nmail\nrcpt u@example.com\n"
	    "mail a@odd.test\nrcpt u@example.com\nmail a@421.test\nrcpt u@example.com\n",
	    "pass\npass\npass\n554 5.7.1 <c.test[192.0.2.9]>: Client host rejected: bad client\n"
	    "pass\n554 5.7.1 <x.sub.evil.test[192.0.2.1]>: Client host rejected: evil\n"
	    "pass\npass\n554 5.7.1 <sub.liar.test>: Helo command rejected: Access denied\n"
	    "pass\npass\n554 5.7.9 <spam@x.test>: Sender address rejected: no spam\n"
	    "pass\n554 5.7.1 <closed@example.com>: Recipient address rejected: closed\npass\n"
	    "pass\n451 4.3.5 <a@broken.test>: Sender address rejected: Server configuration error\npass\n554 5.7.1 <>: Sender address rejected: null\n"
	    "pass\n451 4.3.5 Server configuration error\npass\n421 4.7.1 <a@421.test>: Sender address rejected: go away\n" },
	{ "OK ends one list, not the request", "smtpd_sender_restrictions = check_sender_access KIND:sender, reject\n"
	    "smtpd_recipient_restrictions = reject\n", OUT "mail a@ok.test\nrcpt u@example.com\nmail a@b.c\nrcpt u@example.com\n",
	    "pass\npass\npass\n554 5.7.1 <u@example.com>: Recipient address rejected: Access denied\n"
	    "pass\n554 5.7.1 <a@b.c>: Sender address rejected: Access denied\n" },
	{ "classes and lists out of tables", "smtpd_sender_restrictions = check_sender_access KIND:sender\n",
	    OUT "mail a@class.test\nrcpt u@example.com\nmail a@list.test\nrcpt short\nrcpt u@example.com\nmail a@loop.test\nrcpt u@example.com\n",
	    "pass\npass\npass\n554 5.7.1 <a@class.test>: Sender address rejected: Access denied\n"
	    "pass\n504 5.5.2 <short>: Recipient address rejected: need fully-qualified address\npass\n"
	    "pass\n451 4.3.5 Server configuration error\n" },
	{ "DEFER_IF_PERMIT waits for the end", "smtpd_sender_restrictions = check_sender_access KIND:sender\n"
	    "smtpd_relay_restrictions = reject_unauth_destination\n",
	    OUT "mail a@defer.test\nrcpt u@example.com\nrcpt u@remote.test\n",
	    "pass\npass\npass\n450 4.7.1 <a@defer.test>: Sender address rejected: later\n554 5.7.1 <u@remote.test>: Relay access denied\n" },
	{ "DEFER_IF_REJECT softens", "smtpd_sender_restrictions = check_sender_access KIND:sender, reject\n", OUT "mail a@twice.test\nrcpt u@example.com\n",
	    "pass\npass\npass\n450 4.7.1 <a@twice.test>: Sender address rejected: perhaps\n" },
	{ "effects on the message", "smtpd_sender_restrictions = check_sender_access KIND:sender\n", OUT "mail a@hold.test\nrcpt u@example.com\n"
	    "mail a@filter.test\nrcpt u@example.com\nmail a@turn.test\nrcpt u@example.com\nmail a@head.test\nrcpt u@example.com\nmail a@drop.test\n"
	    "rcpt u@remote.test\n",
	    "pass\npass\npass\npass\npass\npass\npass\npass\npass\npass\npass\npass\nhold\ndiscard\nfilter smtp:[127.0.0.1]:9\n"
	    "redirect a@b.test\nprepend X-Seen: yes\n" },
	{ "unknown recipients and senders", "local_recipient_maps = KIND:users\nsmtpd_reject_unlisted_sender = yes\nvirtual_alias_domains = v.test\n"
	    "virtual_alias_maps = KIND:alias\n", OUT "mail b@x.test\nrcpt alice@example.com\nrcpt bob@example.com\nrcpt broken@example.com\n"
	    "rcpt postmaster@example.com\nrcpt known@v.test\nrcpt no@v.test\n", "pass\npass\npass\npass\n"
	    "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown in local recipient table\n"
	    "451 4.3.0 <broken@example.com>: Temporary lookup failure\npass\npass\n"
	    "550 5.1.1 <no@v.test>: Recipient address rejected: User unknown in virtual alias table\n" },
	{ "unknown senders of our domains", "local_recipient_maps = KIND:users\nsmtpd_reject_unlisted_sender = yes\n",
	    OUT "mail bob@example.com\nrcpt alice@example.com\n",
	    "pass\npass\npass\n550 5.1.0 <bob@example.com>: Sender address rejected: User unknown in local recipient table\n" },
	{ "names in the DNS", "smtpd_helo_restrictions = reject_unknown_helo_hostname\nsmtpd_sender_restrictions = reject_unknown_sender_domain\n"
	    "smtpd_recipient_restrictions = reject_unknown_recipient_domain\n",
	    "connect c.test[192.0.2.1]\nhelo nx.test\nmail a@good.test\nrcpt u@example.com\nhelo good.test\nmail a@nx.test\nrcpt u@example.com\n"
	    "mail a@servfail.test\nrcpt u@example.com\nmail a@nullmx.test\nrcpt u@example.com\nmail a@good.test\nrcpt u@example.com\n",
	    "pass\npass\npass\n450 4.7.1 <nx.test>: Helo command rejected: Host not found\npass\npass\n"
	    "450 4.1.8 <a@nx.test>: Sender address rejected: Domain not found\npass\n"
	    "450 4.1.8 <a@servfail.test>: Sender address rejected: Domain not found\npass\n"
	    "550 5.7.27 <a@nullmx.test>: Sender address rejected: Domain nullmx.test does not accept mail (nullMX)\npass\npass\n" },
	{ "DNS lists", "smtpd_client_restrictions = reject_rbl_client rbl.test=127.0.0.[1..9], permit_dnswl_client wl.test=192.0.2.1, reject\n"
	    "smtpd_sender_restrictions = reject_rhsbl_sender rhs.test\n",
	    OUT "mail a@nx.sub.test\nrcpt u@example.com\nmail a@listed.test\nrcpt u@example.com\n",
	    "pass\npass\npass\npass\npass\n554 5.7.1 Service unavailable; Sender address [a@listed.test] blocked using rhs.test; hello w rld\n" },
	{ "permit in front", "smtpd_recipient_restrictions = permit_mynetworks, permit_auth_destination, sleep 0, reject\nsmtpd_relay_restrictions =\n",
	    "connect in[127.0.0.1]\nrcpt u@remote.test\nconnect out[192.0.2.1]\nrcpt u@relay.test\nrcpt u@remote.test\n",
	    "pass\npass\npass\npass\n554 5.7.1 <u@remote.test>: Recipient address rejected: Access denied\n" },
};

static void play(const struct scene *s, const char *kind)
{
	struct dialogue d;

	if (!ok(load(s->conf, kind), "%s: loaded %s", s->what, refused))
		return;
	converse(&d, s->script);
	is_str(buf_str(&d.heard), s->heard, "%s (%s)", s->what, kind);
	hang_up(&d);
}

/* All scenes; returns what was logged, without time stamps and with one name for both types of table. */
static char *play_all(const char *kind)
{
	char path[64], *text, *cursor, *line, *why;
	struct log_target t = { .path = path, .mode = 0600 };
	struct buf log = { 0 };

	snprintf(path, sizeof(path), "%s/log.%s", dir, kind);
	why = log_start(&t);
	ok(why == NULL, "log started %s", why != NULL ? why : "");
	for (size_t i = 0; i < NELEM(scenes); i++)
		play(&scenes[i], kind);
	log_stop();
	cursor = text = file_read(path, 1 << 20, NULL);
	while ((line = strsep(&cursor, "\n")) != NULL) {
		char *at = strstr(line, "]: "), *name;

		while ((name = strstr(line, "late:")) != NULL)
			memcpy(name, "soon", 4);
		if (at != NULL)
			buf_addf(&log, "%s\n", at + 3);
	}
	free(text);
	return buf_steal(&log);
}

static void test_log(const char *log)
{
	static const char *const lines[] = {
		"NOQUEUE: reject: RCPT from out.test[192.0.2.1]: 454 4.7.1 <u@remote.test>: Relay access denied; from=<s@x.test> "
		"to=<u@remote.test> proto=ESMTP helo=<c.test>",
		"NOQUEUE: reject_warning: RCPT from out.test[192.0.2.1]: 554 5.7.1 <u@remote.test>: Relay access denied; from=<a@b.c> "
		"to=<u@remote.test> proto=ESMTP helo=<c.test>",
		"warning: unknown smtpd restriction: \"foo\"",
		"warning: restriction `permit' after `reject' is ignored",
		"NOQUEUE: hold: RCPT from out.test[192.0.2.1]: <a@hold.test>: Sender address look at this; from=<a@hold.test> "
		"to=<u@example.com> proto=ESMTP helo=<c.test>",
		"NOQUEUE: filter: RCPT from out.test[192.0.2.1]: <a@filter.test>: Sender address triggers FILTER smtp:[127.0.0.1]:9; "
		"from=<a@filter.test> to=<u@example.com> proto=ESMTP helo=<c.test>",
	};

	for (size_t i = 0; i < NELEM(lines); i++)
		if (!ok(strstr(log, lines[i]) != NULL, "logged: %.50s", lines[i]))
			diag("%s", log);
}

static void test_guard(void)
{
	static const char guard[] = "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working "
	    "instance of: reject_unauth_destination, defer_unauth_destination, reject, defer, defer_if_permit or check_relay_domains";
	static const struct { const char *conf; bool good; } tries[] = {
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks\n", false },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit, reject\n", false },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = warn_if_reject reject_unauth_destination\n", false },
		{ "smtpd_relay_restrictions = permit_mynetworks\nsmtpd_recipient_restrictions =\n", false },
		{ "smtpd_relay_restrictions = permit_mynetworks, defer\nsmtpd_recipient_restrictions =\n", true },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = strict\n", true },
	};

	for (size_t i = 0; i < NELEM(tries); i++) {
		is_int(load(tries[i].conf, "soon"), tries[i].good, "guard %zu", i);
		is_str(refused, tries[i].good ? "" : guard, "guard %zu: says why", i);
	}
}

/* A dialogue that ends while something is awaited must leave nothing behind, at whatever look. */
static void test_abandon(void)
{
	struct dialogue d;

	ok(load("smtpd_sender_restrictions = check_sender_access KIND:sender, reject_rhsbl_sender rbl.test\n"
	    "local_recipient_maps = KIND:users\n", "late"), "loaded");
	for (int looks = 0; looks < 40; looks++) {
		memset(&d, 0, sizeof(d));
		task_init(&d.task, "dialogue", abandoned);
		d.facts = (struct access_facts){ .service = service_find(g, "smtpd"), .view = service_find(g, "smtpd")->view, .log = &who,
			.client_sa = (struct sockaddr *)&d.sa, .client = "x[192.0.2.1]", .client_name = "x", .client_rev_name = "x",
			.client_addr = "192.0.2.1", .client_port = "1", .protocol = "SMTP", .command = "RCPT", .sender = "a@mute.test",
			.recipient = "u@example.com" };
		d.looks = looks;
		task_wake(&d.task);
		loop_run();
		hang_up(&d);
	}
	converse(&d, OUT "mail a@nx.test\nrcpt alice@example.com\n");
	is_str(buf_str(&d.heard), "pass\npass\npass\npass\n", "the next one is asked as if nothing had been");
	hang_up(&d);
}

int main(void)
{
	struct fake server;
	char cmd[64], servers[32], *late, *soon;
	struct dns_config dc = { .hosts = "/dev/null", .resolv_conf = "/dev/null", .servers = servers };

	setenv("TZ", "UTC", 1);
	clock_update();
	loop_init();
	table_init();
	table_register(&soon_class);
	table_register(&late_class);
	service_class_register(&smtpd_class);
	rewrite_init();
	ASSERT(mkdtemp(dir) != NULL);
	fake_start(&server);
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", server.port);
	dns_init(&dc);
	late = play_all("late");
	ok(waited > 100, "it was waited for: %u", waited);
	soon = play_all("soon");		/* and the name server's answers are known by now */
	is_str(late, soon, "the same is logged");
	test_log(soon);
	test_guard();
	test_abandon();
	free(late);
	free(soon);
	generation_unref(&g);
	dns_release();
	table_release();
	loop_release();
	fake_stop(&server);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	ok(system(cmd) == 0, "cleaned up");
	return done_testing();
}
