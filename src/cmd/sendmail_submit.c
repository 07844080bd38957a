/* sendmail_submit.c - hands one message over.
 *
 * Server up: verb "submit" with attributes on the control socket, the content in data frames, one line end after
 * each line; the answer comes after the commit. Server down: a file in maildrop with the same attributes, "name=value" a
 * line, an empty line, and the content; written under a temporary name, synced, renamed. The file's owner
 * is the submitter, which is all the proof the server asks for when it picks the file up. */
#include "sendmail_submit.h"
#include "cmd.h"
#include <postrider/address.h>
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/control.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { FRAME = 32768 };

/* Where content goes: to the server or into a file. */
struct sink {
	struct control_conn *conn;	/* NULL: the file */
	int		 fd;
	struct buf	 pending;
	bool		 failed;
};

static void sink_flush(struct sink *s)
{
	if (s->pending.len > 0 && !s->failed)
		s->failed = (s->conn != NULL ? control_send_data(s->conn, s->pending.p, s->pending.len) :
		    file_write_full(s->fd, s->pending.p, s->pending.len)) < 0;
	buf_reset(&s->pending);
}

static void sink_add(struct sink *s, const char *p, size_t n)
{
	buf_add(&s->pending, p, n);
	if (s->pending.len >= FRAME)
		sink_flush(s);
}

static void attr(struct strs *a, const char *name, const char *value)
{
	char *text = xasprintf("%s=%s", name, value);

	for (char *p = text; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	strs_add(a, text);
	free(text);
}

static void attributes(const struct submit *m, struct strs *a)
{
	char number[16];

	attr(a, "sender", m->sender);
	attr(a, "full_name", m->full_name);
	if (m->envid != NULL)
		attr(a, "envid", m->envid);
	if (m->verp != NULL)
		attr(a, "verp", m->verp);
	if (m->ret != DSN_RET_NONE)
		attr(a, "ret", m->ret == DSN_RET_FULL ? "full" : "hdrs");
	if (m->notify != 0) {
		snprintf(number, sizeof(number), "%u", m->notify);
		attr(a, "notify", number);
	}
	if (m->body_given)
		attr(a, "body", m->eight_bit ? "8bit" : "7bit");
	if (m->extract)
		attr(a, "extract", "1");
	if (m->verify)
		attr(a, "verify", "1");
	if (m->report)
		attr(a, "report", "1");
	if (m->gateway)
		attr(a, "gateway", "1");
	for (size_t i = 0; i < m->rcpt.n; i++)
		attr(a, "rcpt", m->rcpt.v[i]);
}

/* A probe's content, made up. */
static void probe(const struct submit *m, struct sink *s)
{
	struct buf b = { 0 };

	buf_adds(&b, "From: ");
	address_quote_822(&b, m->sender);
	buf_adds(&b, "\nSubject: probe\nTo:");
	for (char **p = m->rcpt_args; *p != NULL; p++)
		buf_addf(&b, "%s%s", p == m->rcpt_args ? "\t" : ",\n\t", *p);
	buf_addc(&b, '\n');
	sink_add(s, b.p, b.len);
	buf_release(&b);
	sink_flush(s);
}

/* Old mail programs begin with mbox separators; "." alone ends the message unless -i. */
static void content(const struct submit *m, const char *fix, FILE *in, struct sink *s)
{
	bool fix_all = str_ieq(fix, "always"), fix_cr = fix_all, first = true, skip_from = true;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (m->verify) {
		probe(m, s);
		return;
	}
	while (!s->failed && (n = getline(&line, &size, in)) > 0) {
		bool ended = line[n - 1] == '\n';

		if (ended)
			n--;
		if (first && !fix_all)
			fix_cr = str_ieq(fix, "strict") && n > 0 && line[n - 1] == '\r';
		first = false;
		if (fix_cr && n > 0 && line[n - 1] == '\r')
			n--;
		line[n] = '\0';
		if (skip_from && (strncmp(line, "From ", 5) == 0 || strncmp(line, ">From ", 6) == 0))
			continue;
		skip_from = false;
		if (m->dot_ends && n == 1 && line[0] == '.')
			break;
		line[n] = '\n';
		sink_add(s, line, (size_t)n + 1);
		/* getline's buffer has room for the NUL only: restored by the next call */
	}
	free(line);
	sink_flush(s);
}

static int to_server(const struct submit *m, const struct view *v, const char *login, FILE *in, struct control_conn *conn)
{
	struct sink s = { .conn = conn, .fd = -1 };
	struct strs a = { 0 };
	struct buf answer = { 0 };
	int status = EX_TEMPFAIL, frame;

	attributes(m, &a);
	if (control_send(conn, "submit", &a) == 0) {
		content(m, view_str(v, sendmail_fix_line_endings), in, &s);
		if (!s.failed)
			control_send_data(conn, NULL, 0);
	}
	/* A refusal may have come before all was sent: the answer tells either way. */
	while ((frame = control_recv(conn, &answer)) == 'A' || frame == 'D')
		continue;
	if (frame == 'O')
		status = 0;
	else if (frame == 'E' && strncmp(buf_str(&answer), "User ", 5) == 0)
		log_fatal_status(EX_TEMPFAIL, "%s", buf_str(&answer));		/* names him already */
	else
		log_fatal_status(EX_TEMPFAIL, "%s(%ld): %s", login, (long)getuid(),
		    frame == 'E' ? buf_str(&answer) : "the mail system went away");
	strs_release(&a);
	buf_release(&answer);
	buf_release(&s.pending);
	return status;
}

/* Nobody but the server may list maildrop, but who knows a name can open the file: twelve random hex digits, which also
 * look like a queue id. */
static const char *unguessable(char id[13])
{
	unsigned char random[6];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		log_fatal_status(EX_TEMPFAIL, "getrandom: %s", strerror(errno));
	hex_encode(id, random, sizeof(random));
	for (char *p = id; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return id;
}

/* Only its owner may open the directory; everybody else syncs all of the file system, which is rare enough. */
static bool sync_dir(const char *dir, int fd)
{
	return file_fsync_dir(dir) == 0 || (errno == EACCES && syncfs(fd) == 0);
}

static int to_maildrop(const struct submit *m, const struct view *v, const char *login, FILE *in)
{
	const char *queue = view_str(v, queue_directory);
	char *dir = xasprintf("%s/maildrop", queue), *tmp, *name;
	struct sink s = { 0 };
	struct strs a = { 0 };
	int status = EX_TEMPFAIL;
	char id[13];

	clock_update();
	tmp = xasprintf("%s/.tmp.%ld.%lld", dir, (long)getpid(), (long long)wall_us());
	name = xasprintf("%s/%s", dir, unguessable(id));
	s.fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s.fd < 0)
		log_fatal_status(EX_TEMPFAIL, "%s(%ld): the mail system is down, and %s cannot take the message: %s", login, (long)getuid(), dir,
		    strerror(errno));
	attributes(m, &a);
	for (size_t i = 0; i < a.n; i++) {
		sink_add(&s, a.v[i], strlen(a.v[i]));
		sink_add(&s, "\n", 1);
	}
	sink_add(&s, "\n", 1);
	content(m, view_str(v, sendmail_fix_line_endings), in, &s);
	/* The x bit marks a complete file, as Postfix's maildrop has it. The server, which is not root, must be able to read it. */
	if (!s.failed && fchmod(s.fd, 0744) == 0 && fsync(s.fd) == 0 && rename(tmp, name) == 0 && sync_dir(dir, s.fd))
		status = 0;
	else
		log_error(NULL, "fatal: %s(%ld): %s: %s", login, (long)getuid(), name, strerror(errno));
	if (status != 0)
		unlink(tmp);
	close(s.fd);
	buf_release(&s.pending);
	strs_release(&a);
	free(dir);
	free(tmp);
	free(name);
	return status;
}

int submit_mail(const struct submit *m, const struct view *v, const char *login, FILE *in)
{
	int err, status;
	struct control_conn *conn = control_connect(view_str(v, queue_directory), &err);

	if (conn != NULL) {
		status = to_server(m, v, login, in, conn);
		control_disconnect(&conn);
	} else if (err == ENOENT || err == ECONNREFUSED) {
		cmd_require_user(v, "authorized_submit_users", "submit mail");
		status = to_maildrop(m, v, login, in);
	} else {
		log_fatal_status(EX_TEMPFAIL, "%s(%ld): connect to the mail system: %s", login, (long)getuid(), strerror(err));
	}
	return status;
}

/* Both directions at once; ends when the server closes. */
static int copy(int server)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = server, .events = POLLIN } };
	char b[FRAME];
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return EX_TEMPFAIL;
		if (p[0].revents != 0) {
			n = read(STDIN_FILENO, b, sizeof(b));
			if (n > 0 && file_write_full(server, b, (size_t)n) < 0)
				return EX_TEMPFAIL;
			if (n <= 0) {
				shutdown(server, SHUT_WR);
				p[0].fd = -1;
			}
		}
		if (p[1].revents != 0) {
			n = read(server, b, sizeof(b));
			if (n <= 0)
				return 0;
			if (file_write_full(STDOUT_FILENO, b, (size_t)n) < 0)
				return EX_TEMPFAIL;
		}
	}
}

int submit_stand_alone(const struct view *v)
{
	int err, fd, status;
	struct control_conn *conn = control_connect(view_str(v, queue_directory), &err);

	if (conn == NULL)
		log_fatal_status(EX_TEMPFAIL, "the mail system is down");
	if (control_send(conn, "session", NULL) < 0 || (fd = control_fd(conn)) < 0)
		log_fatal_status(EX_TEMPFAIL, "%s", control_why(conn) != NULL ? control_why(conn) : "the mail system went away");
	status = copy(fd);
	control_disconnect(&conn);
	return status;
}
