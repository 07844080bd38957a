/* The local socket as commands see it, and as somebody sees it who means no good. */
#include "tap.h"
#include "control_help.h"
#include <sys/socket.h>
#include <sys/un.h>

static bool has(const char *text, const char *part)
{
	bool yes = strstr(text, part) != NULL;

	if (!yes)
		diag("no \"%s\" in: %s", part, text);
	return yes;
}

/* ---- submission ------------------------------------------------------------------------------------------ */

static char submitted[64];

static char *submit(const char *attrs, const char *content)
{
	struct control_conn *c = ask("submit", attrs);
	size_t n = strlen(content), at;

	for (at = 0; at < n; at += MIN(n - at, 7))	/* in pieces that respect nothing */
		control_send_data(c, content + at, MIN(n - at, 7));
	control_send_data(c, NULL, 0);
	return rest(&c);
}

static void take_id(const char *answer)
{
	const char *id = strstr(answer, "id=");

	str_copy(submitted, id != NULL ? id + 3 : "", sizeof(submitted));
	submitted[strcspn(submitted, "\n")] = '\0';
}

static void test_submit(void)
{
	char *a, *list;

	a = submit("sender=a@example.com|full_name=A B|envid=x|rcpt=defer1@far.test|rcpt=defer2@far.test",
	    "Subject: one\n\nline 1\n\nlast line without end");
	ok(has(a, "A id=") && has(a, "\nO"), "a message is taken");
	take_id(a);
	free(a);
	a = answer_to("list", "");
	list = xasprintf(",%s,", submitted);
	ok(has(a, list) && has(a, ",a@example.com,defer1@far.test,") && has(a, "defer2@far.test"), "and listed");
	free(list);
	free(a);
	a = submit("sender=a@example.com", "Subject: nobody\n\nx\n");
	ok(has(a, "A status=64") && has(a, "E no recipients"), "a message for nobody is refused");
	free(a);
	a = submit("sender=|full_name=A|extract=1", "Subject: x\n\nTo: body@example.com\n");
	ok(has(a, "E No recipient addresses found in message header"), "nobody in the headers either");
	free(a);
	a = submit("bad=1|rcpt=x@example.com", "x\n");
	ok(has(a, "E unknown attribute"), "an unknown attribute");
	free(a);
	a = submit("rcpt=x@example.com|sender=late@example.com", "x\n");
	ok(has(a, "E recipients come last"), "attributes behind a recipient");
	free(a);
}

static void test_extract(void)
{
	char *a, *attr;

	a = submit("sender=a@example.com|extract=1", "To: \"x, y\" <defer3@far.test>,\n\tdefer4@far.test\nBcc: defer5@far.test\n"
	    "Reply-To: other@far.test\nSubject: two\n\nTo: not@far.test\n");
	ok(has(a, "A id="), "recipients from the headers");
	take_id(a);
	free(a);
	attr = xasprintf("id=%s", submitted);
	a = answer_to("show", attr);
	ok(has(a, "Rdefer3@far.test") && has(a, "Rdefer4@far.test") && has(a, "Rdefer5@far.test"), "all three");
	ok(strstr(a, "Rother") == NULL && strstr(a, "Rnot") == NULL, "and no others");
	ok(strstr(a, "Bcc") == NULL, "Bcc is gone");
	ok(has(a, "Received: by mx.example.com (") && has(a, ", from userid "), "Received: tells the uid");
	free(a);
	a = submit("sender=a@example.com|extract=1", "To: defer6@far.test\nResent-To: defer7@far.test\n\nx\n");
	take_id(a);
	free(a);
	free(attr);
	attr = xasprintf("id=%s", submitted);
	a = answer_to("show", attr);
	ok(has(a, "Rdefer7@far.test") && strstr(a, "Rdefer6") == NULL, "of a resent message only those");
	free(a);
	free(attr);
}

static void test_abandoned(void)
{
	struct control_conn *c = ask("submit", "sender=a@example.com|rcpt=abandoned@far.test");
	char *a;

	control_send_data(c, "Subject: x\n\nhalf", 16);
	control_disconnect(&c);
	usleep(100000);
	a = answer_to("list", "");
	ok(strstr(a, "abandoned") == NULL && has(a, "O"), "half a message is none");
	free(a);
}

static void test_content(void)
{
	char *a, *attr, *body = xmalloc(300001);

	memset(body, 'y', 300000);
	for (int i = 70; i < 300000; i += 71)
		body[i] = '\n';
	memcpy(body, "\n", 1);
	body[300000] = '\0';
	struct control_conn *c = ask("submit", "sender=big@example.com|rcpt=defer8@far.test");

	control_send_data(c, body, 300000);
	control_send_data(c, NULL, 0);
	a = rest(&c);
	take_id(a);
	free(a);
	attr = xasprintf("id=%s", submitted);
	a = answer_to("show", attr);
	ok(strlen(a) > 300000 && has(a, "Sbig@example.com") && a[strlen(a) - 1] == 'O', "a large message is shown whole");
	free(a);
	a = answer_to("show", "id=ABCDEF");
	is_str(a, "E open queue file ABCDEF: No such file or directory", "one that is not there");
	free(a);
	free(attr);
	free(body);
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

static char *change(const char *attrs, int n, ...)
{
	struct control_conn *c = ask("change", attrs);
	va_list ap;

	va_start(ap, n);
	while (n-- > 0) {
		const char *id = va_arg(ap, const char *);

		control_send_data(c, id, strlen(id));
	}
	va_end(ap);
	if (strstr(attrs, "all=") == NULL)
		control_send_data(c, NULL, 0);
	return rest(&c);
}

static void one_change(const char *what, const char *id, const char *result, const char *count)
{
	char *want = xasprintf("A %s=%s\nA count=%s\nO", id, result, count), *attr = xasprintf("do=%s", what);
	char *a = change(attr, 1, id);

	is_str(a, want, "%s: %s", what, result);
	free(want);
	free(attr);
	free(a);
}

static void test_changes(void)
{
	char *a;

	one_change("hold", submitted, "done", "1");
	one_change("hold", submitted, "none", "0");
	a = answer_to("list", "");
	ok(has(a, "M,hold,"), "listed on hold");
	free(a);
	one_change("expire", submitted, "done", "1");
	one_change("expire", submitted, "none", "0");
	a = change("do=delete|queue=deferred", 1, submitted);
	ok(has(a, "=none"), "not in that queue");
	free(a);
	one_change("delete", submitted, "done", "1");
	one_change("delete", submitted, "missing", "0");
	one_change("requeue", "nonsense", "missing", "0");
	a = change("do=hold|all=1", 0);
	ok(has(a, "A count=3\nO"), "all that are left");
	free(a);
	a = change("do=hold|all=1", 0);
	ok(has(a, "A count=0\nO"), "only once");
	free(a);
	a = change("do=delete|all=1|queue=deferred|queue=active", 0);
	ok(has(a, "A count=0\nO"), "none in the other queues");
	free(a);
	a = change("do=release|all=1", 0);
	ok(has(a, "A count=3\nO"), "all released");
	free(a);
	a = change("do=dance|all=1", 0);
	is_str(a, "E unknown change", "an unknown change");
	free(a);
	a = change("queue=hold", 0);
	is_str(a, "E what is to be done?", "no change at all");
	free(a);
	a = change("do=delete|all=1", 0);
	ok(has(a, "A count=3\nO"), "all deleted");
	free(a);
	a = answer_to("list", "");
	is_str(a, "O", "the queue is empty");
	free(a);
}

/* ---- many ------------------------------------------------------------------------------------------------ */

static void test_many(void)
{
	struct buf attrs = { 0 };
	struct control_conn *c;
	char *a;
	size_t n = 0;
	int i;

	buf_adds(&attrs, "sender=many@example.com");
	for (i = 0; i < 3000; i++)
		buf_addf(&attrs, "|rcpt=defer%d@far%d.test", i, i % 3);
	a = submit(buf_str(&attrs), "Subject: many\n\nx\n");
	ok(has(a, "A id="), "3,000 recipients");
	free(a);
	a = answer_to("list", "");
	for (char *p = a; (p = strstr(p, "defer")) != NULL; p++)
		n += strncmp(p, "deferred", 8) != 0 && strncmp(p, "defer later", 11) != 0;
	ok(n >= 3000, "all listed, in several frames (%zu)", n);
	free(a);
	for (i = 0; i < 300; i++) {
		char one[80];

		snprintf(one, sizeof(one), "sender=s%d@example.com|rcpt=defer@far.test", i);
		free(submit(one, "x: y\n\nz\n"));
	}
	c = ask("change", "do=delete");
	a = answer_to("list", "");
	for (char *p = a, *end; (p = strstr(p, "D M,")) != NULL; p = end) {
		p = strchr(p + 4, ',') + 1;
		end = strchr(p, ',');
		control_send_data(c, p, (size_t)(end - p));
	}
	control_send_data(c, NULL, 0);
	free(a);
	a = rest(&c);
	ok(has(a, "A count=301\nO"), "deleted by ids in one go");
	free(a);
	buf_release(&attrs);
}

/* ---- rights, short verbs ------------------------------------------------------------------------------------ */

static void test_short(void)
{
	struct control_conn *c;
	struct buf b = { 0 };
	char line[256];
	ssize_t n;
	char *a;
	int fd;

	a = answer_to("flush", "");
	ok(has(a, "is not allowed to flush the mail queue"), "who is not listed may not flush");
	free(a);
	a = answer_to("status", "");
	ok(has(a, "A queue.messages=") && has(a, "A loop.lag_us_p99=") && has(a, "A store.full=false") && has(a, "\nO"), "status");
	free(a);
	a = answer_to("reload", "");
	is_str(a, "E reload is not possible now", "reload without somebody to do it");
	free(a);
	a = answer_to("dance", "");
	is_str(a, "E unknown request", "an unknown verb");
	free(a);
	c = ask("session", "");
	fd = control_fd(c);
	n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	line[MAX(n, 0)] = '\0';
	ok(str_iprefix(line, "220 mx.example.com ESMTP"), "an SMTP session: %s", line);
	if (n > 0 && write(fd, "QUIT\r\n", 6) == 6)
		n = read(fd, line, sizeof(line) - 1);
	ok(n > 3 && strncmp(line, "221", 3) == 0, "and its end");
	control_disconnect(&c);
	buf_release(&b);
}

/* ---- no good ------------------------------------------------------------------------------------------------ */

static int raw(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	str_copy(sa.sun_path, socket_path, sizeof(sa.sun_path));
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ? fd : -1;
}

/* Sends bytes, reads to the end; how many came. */
static ssize_t provoke(const void *p, size_t n, char *out, size_t size)
{
	int fd = raw();
	size_t got = 0;
	ssize_t r;

	if (send(fd, p, n, MSG_NOSIGNAL) < 0)
		diag("send: %s", strerror(errno));
	while (got < size && (r = read(fd, out + got, size - got)) > 0)
		got += (size_t)r;
	close(fd);
	return (ssize_t)got;
}

static void test_garbage(void)
{
	/* The longest id anybody has is 255 bytes. */
	static char long_id[30 + 5 + 256] = "V\0\0\0\6changeA\0\0\0\011do=deleteR\0\0\0\0D\0\0\1";
	char out[1024];
	ssize_t n;
	char *a;
	int i, fd;

	n = provoke("GET / HTTP/1.0\r\n\r\n", 18, out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "another protocol gets an error");
	n = provoke("V\xff\xff\xff\xff", 5, out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "a frame that is too large");
	n = provoke("A\0\0\0\1x", 6, out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "an attribute before the verb");
	n = provoke("V\0\0\0\4listD\0\0\0\1x", 15, out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "data where none is expected");
	n = provoke("V\0\0\0\6submitA\0\0\0\6rcpt\0xR\0\0\0\0", 27, out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "a NUL in an attribute");
	memset(long_id + sizeof(long_id) - 256, '0', 256);
	n = provoke(long_id, sizeof(long_id), out, sizeof(out));
	ok(n > 5 && out[0] == 'E', "an id that is none");
	for (i = 0; i < 50; i++) {		/* half a request, and gone */
		fd = raw();
		if (send(fd, "V\0\0\0\4lis", (size_t)(i % 8) + 1, MSG_NOSIGNAL) < 0)
			diag("send: %s", strerror(errno));
		close(fd);
	}
	fd = raw();				/* byte by byte */
	for (i = 0; i < 16; i++) {
		if (send(fd, "V\0\0\0\6statusR\0\0\0" + i, i < 15 ? 1 : 0, MSG_NOSIGNAL) < 0)
			break;
		usleep(2000);
	}
	if (send(fd, "\0", 1, MSG_NOSIGNAL) < 0)
		diag("send: %s", strerror(errno));
	n = read(fd, out, sizeof(out));
	ok(n > 5 && out[0] == 'A', "a request byte by byte");
	close(fd);
	a = answer_to("status", "");
	ok(has(a, "\nO"), "the server is well");
	free(a);
}

static void test_crowd(void)
{
	enum { MANY = 320 };
	static int fd[MANY];
	char out[256];
	char *a;
	ssize_t n;
	int i;

	for (i = 0; i < MANY; i++)
		fd[i] = raw();
	n = recv(fd[MANY - 1], out, sizeof(out) - 1, 0);
	out[MAX(n, 0)] = '\0';
	ok(n > 5 && out[0] == 'E' && strstr(out + 5, "too many local connections") != NULL, "the crowd is told to wait");
	for (i = 0; i < MANY; i++)
		close(fd[i]);
	usleep(200000);
	a = answer_to("status", "");
	ok(has(a, "\nO"), "when it has gone there is room");
	free(a);
}

static void in_maildrop(const char *name, const char *text, mode_t mode)
{
	char *path = xasprintf("%s/maildrop/%s", queue_dir, name);

	if (file_replace(path, text, strlen(text), mode) < 0 || chmod(path, mode) < 0)
		diag("%s: %s", path, strerror(errno));
	free(path);
}

static bool exists(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s/%s", queue_dir, dir, name);
	bool yes = access(path, F_OK) == 0;

	free(path);
	return yes;
}

static void test_maildrop(void)
{
	char *a;
	int i;

	for (i = 0; i < 500 && (exists("maildrop", "AAAA") || exists("maildrop", "CCCC")); i++)
		usleep(10000);
	ok(!exists("maildrop", "AAAA"), "a complete file is picked up");
	ok(exists("maildrop", "BBBB"), "one being written is not");
	ok(exists("corrupt", "CCCC"), "garbage is set aside");
	ok(exists("maildrop", "DDDD"), "a link is left alone");
	a = answer_to("list", "");
	ok(has(a, ",left@example.com,defer@far.test"), "the message is in the queue");
	free(a);
	a = change("do=delete|all=1", 0);
	free(a);
}

int main(void)
{
	control_begin("authorized_flush_users = !root, nobody-we-know\nmaximal_queue_lifetime = 5d\n");
	in_maildrop("AAAA", "sender=left@example.com\nrcpt=defer@far.test\n\nSubject: left\n\nbody\n", 0744);
	in_maildrop("BBBB", "sender=left@example.com\nrcpt=b@far.test\n", 0600);
	in_maildrop("CCCC", "what is this", 0744);
	char *link_path = xasprintf("%s/maildrop/DDDD", queue_dir);

	if (symlink("/etc/passwd", link_path) < 0)
		return 1;
	free(link_path);
	char *why = control_open(socket_path);

	is_str(why, NULL, "the socket is open");
	qmgr_start();
	as_client(test_maildrop);
	as_client(test_submit);
	as_client(test_extract);
	as_client(test_abandoned);
	as_client(test_content);
	as_client(test_changes);
	as_client(test_many);
	as_client(test_short);
	as_client(test_garbage);
	as_client(test_crowd);
	control_end();
	return done_testing();
}
