/* deliver_virtual.c - Maildirs: names, headers, line ends, owners, paths that lead elsewhere; and the agents whose
 * answer is known at once. */
#include "delivery_test.h"
#include <dirent.h>
#include <postrider/deliver.h>
#include <postrider/file.h>
#include <sys/stat.h>

#define HEADER	"Subject: test\r\nFrom: a@good.test\r\n"
#define MASTER	"virtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\n" \
		"discard unix - - n - - discard\n" \
		"local unix - n n - - local\n"

static char path[512];

static struct service *virtual_service(const char *more)
{
	struct buf text = { 0 };
	struct service *s;

	if (test_dir[0] == '\0') {
		str_copy(test_dir, "/tmp/deliver-unit.XXXXXX", sizeof(test_dir));
		ASSERT(mkdtemp(test_dir) != NULL);
	}
	buf_addf(&text, "virtual_mailbox_base = %s/mail\nvirtual_minimum_uid = 1\nrecipient_delimiter = +\n%s",
	    test_dir, more);
	s = service_with(buf_str(&text), MASTER, "virtual");
	buf_release(&text);
	return s;
}

/* The only file in a directory below the base, read; NULL: there is not exactly one. */
static char *only_file(const char *dir)
{
	struct dirent *e;
	char *text = NULL;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/mail/%s", test_dir, dir);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		char name[1024];

		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		free(text);
		text = file_read(name, 1 << 24, NULL);
		struct stat st;

		ok(stat(name, &st) == 0 && (st.st_mode & 0777) == 0600, "the file is the owner's alone");
		ok(strstr(e->d_name, ".V") != NULL && strchr(strstr(e->d_name, ".V"), 'M') != NULL,
		    "its name is of the form Postfix gives: %s", e->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (n == 1)
		return text;
	free(text);
	return NULL;
}

static void test_maildir(void)
{
	struct service *s = virtual_service("virtual_mailbox_maps = inline:{u@v.test=a/b/, w@v.test=w/}\n");
	struct stat st;
	char *text;

	deliver(s, "v.test",
	    message_make("x y@good.test", HEADER, "hello\r\n.dot\r\nb\rare\r\nend", "u@v.test", "w+ext@v.test", NULL),
	    false);
	is_str(buf_str(&events),
	    "u@v.test sent 2.0.0 virtual (delivered to maildir)\nw+ext@v.test sent 2.0.0 virtual (delivered to "
	    "maildir)\n",
	    "two mailboxes");
	text = only_file("a/b/new");
	is_str(text,
	    "Return-Path: <\"x y\"@good.test>\nX-Original-To: u@v.test\nDelivered-To: u@v.test\nSubject: test\nFrom: "
	    "a@good.test\n\n"
	    "hello\n.dot\nb\rare\nend",
	    "headers in front, LF line ends");
	free(text);
	text = only_file("w/new");
	ok(text != NULL && strstr(text, "Delivered-To: w+ext@v.test\n") != NULL, "found without its extension");
	free(text);
	ok(only_file("a/b/tmp") == NULL, "nothing is left in tmp");
	snprintf(path, sizeof(path), "%s/mail/a/b/cur", test_dir);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700, "directories are made, mode 0700");
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "nobody@V.test", NULL), false);
	is_str(buf_str(&events), "nobody@V.test bounced 5.1.1 virtual (unknown user: \"nobody@v.test\")\n",
	    "unknown user");
}

static void test_paths(void)
{
	struct service *s = virtual_service(
	    "virtual_mailbox_maps = inline:{up@v.test=../out/, mid@v.test=a/../../out/, link@v.test=evil/x/, "
	    "mbox@v.test=m, file@v.test=plain/x/, long@v.test=ok..fine/}\n");
	char target[128];
	FILE *plain;

	snprintf(path, sizeof(path), "%s/mail/evil", test_dir);
	snprintf(target, sizeof(target), "%s/outside", test_dir);
	mkdir(target, 0700);
	ok(symlink(target, path) == 0 && (geteuid() != 0 || lchown(path, 12345, 12345) == 0), "a link somebody made");
	snprintf(path, sizeof(path), "%s/mail/plain", test_dir);
	ok((plain = fopen(path, "w")) != NULL && fclose(plain) == 0, "a file");
	for (int i = 0; i < 2; i++) {
		deliver(
		    s, "v.test", message_make("", HEADER, "x\r\n", i == 0 ? "up@v.test" : "mid@v.test", NULL), false);
		ok(strstr(buf_str(&events), "deferred 4.3.5 virtual (mail system configuration error)") != NULL,
		    "no way up");
	}
	if (geteuid() == 0) {
		deliver(s, "v.test", message_make("", HEADER, "x\r\n", "link@v.test", NULL), false);
		ok(strstr(buf_str(&events),
		       "link@v.test deferred 4.2.0 virtual (maildir delivery failed: create maildir file") != NULL,
		    "not along somebody's link: %s", buf_str(&events));
		snprintf(target, sizeof(target), "%s/outside/x", test_dir);
		ok(access(target, F_OK) != 0, "nothing was made there");
	}
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "file@v.test", NULL), false);
	ok(strstr(buf_str(&events), "Not a directory)") != NULL, "a file in the way: %s", buf_str(&events));
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "mbox@v.test", NULL), false);
	ok(strstr(buf_str(&events), "mbox@v.test deferred 4.3.5 virtual") != NULL, "mailbox files are not done here");
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "long@v.test", NULL), false);
	ok(strstr(buf_str(&events), "long@v.test sent") != NULL, "two dots within a name are only dots");
}

static void test_owners(void)
{
	struct service *s = virtual_service(
	    "virtual_mailbox_maps = static:o/\nvirtual_uid_maps = inline:{low@v.test=5, me@v.test=500}\n"
	    "virtual_gid_maps = static:500\nvirtual_minimum_uid = 100\n");

	deliver_set_privileged(false);
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "low@v.test", "none@v.test", "me@v.test", NULL), false);
	is_str(buf_str(&events),
	    "low@v.test deferred 4.3.5 virtual (mail system configuration error)\n"
	    "none@v.test deferred 4.3.5 virtual (mail system configuration error)\nme@v.test sent 2.0.0 virtual "
	    "(delivered to maildir)\n",
	    "Postfix's rules for owners hold");
	deliver_set_privileged(true);
	deliver(s, "v.test", message_make("", HEADER, "x\r\n", "me@v.test", NULL), false);
	is_str(buf_str(&events),
	    "me@v.test deferred 4.3.5 virtual (delivery as uid 500 is not available in this version)\n",
	    "another uid's mailbox is not ours to make");
	deliver_set_privileged(false);
}

/* A limit, a body over many chunks, and many deliveries at once. */
static void test_sizes(void)
{
	struct service *s = virtual_service("virtual_mailbox_maps = inline:{u@v.test=size/}\nvirtual_mailbox_limit = "
					    "20000\nmessage_size_limit = 20000\n");
	struct test_delivery *t[40];
	struct buf body = { 0 };
	unsigned done = 0;
	char *text;

	for (int i = 0; i < 2000; i++)
		buf_addf(&body, "line %d\r\n", i);
	deliver(s, "v.test", message_make("", HEADER, buf_str(&body), "u@v.test", NULL), false);
	text = only_file("size/new");
	ok(text != NULL && strlen(text) > 15000 && strstr(text, "line 1999\n") != NULL, "a body of many chunks");
	free(text);
	for (int i = 0; i < 2000; i++)
		buf_addf(&body, "line %d\r\n", i);
	deliver(s, "v.test", message_make("", HEADER, buf_str(&body), "u@v.test", NULL), false);
	is_str(buf_str(&events),
	    "u@v.test bounced 5.2.2 virtual (maildir delivery failed: error writing message: File too large)\n",
	    "the limit");
	ok(only_file("size/tmp") == NULL, "what was begun is removed");
	for (unsigned i = 0; i < NELEM(t); i++)
		t[i] = delivery_make(s, "v.test", message_make("", HEADER, "x\r\n", "u@v.test", NULL));
	while (done < NELEM(t)) {
		loop_run();
		done = 0;
		for (unsigned i = 0; i < NELEM(t); i++)
			done += t[i]->done;
	}
	for (unsigned i = 0; i < NELEM(t); i++)
		delivery_drop(t[i]);
	ok(strstr(buf_str(&events), "deferred") == NULL, "forty deliveries side by side");
	for (unsigned i = 0; i < NELEM(t); i++)		/* and dropped while a worker has them */
		t[i] = delivery_make(s, "v.test", message_make("", HEADER, "x\r\n", "u@v.test", NULL));
	loop_run();
	for (unsigned i = 0; i < NELEM(t); i++)
		delivery_drop(t[i]);
	buf_release(&body);
}

static void answer(const char *transport, const char *nexthop, const char *want)
{
	struct service *s = service_transport(test_generation, transport);

	ASSERT(s != NULL);
	deliver(s, nexthop, message_make("", HEADER, "x\r\n", "u@v.test", NULL), false);
	is_str(buf_str(&events), want, "%s:%s", transport, nexthop);
}

static void test_immediate(void)
{
	virtual_service("");
	answer("error", "5.1.1 no such thing", "u@v.test bounced 5.1.1 none (no such thing)\n");
	answer("error", "plain text", "u@v.test bounced 5.0.0 none (plain text)\n");
	answer("error", "4.1.1 soft text", "u@v.test bounced 5.0.0 none (soft text)\n");
	answer("error", "550 5.1.1 text", "u@v.test bounced 5.0.0 none (550 5.1.1 text)\n");
	answer("error", "5.1.1", "u@v.test bounced 5.1.1 none (5.1.1)\n");
	answer("retry", "4.2.2 later", "u@v.test deferred 4.2.2 none (later)\n");
	answer("retry", "5.1.1 hard", "u@v.test deferred 4.0.0 none (hard)\n");
	answer("discard", "some text", "u@v.test sent 2.0.0 none (some text)\n");
	answer("discard", "2.7.1 text", "u@v.test sent 2.7.1 none (text)\n");
	answer("local", "v.test", "u@v.test deferred 4.3.0 none (mail transport unavailable)\n");
}

int main(void)
{
	test_begin();
	deliver_init();
	deliver_set_privileged(false);
	test_maildir();
	test_paths();
	test_owners();
	test_sizes();
	test_immediate();
	test_end();
	return done_testing();
}
