/* log_sink.c - the three places a log can go, written by the log thread alone.
 *	syslog	one datagram a line to /dev/log, as the C library would send it; while the
 *		daemon is away the lines wait in the ring and the socket is tried again
 *	file	whole batches with one write; the path is compared with the open file once a
 *		second while there is something to write, so that rotation needs no signal
 *	stdout	the descriptor the program was started with: reopening /dev/stdout fails after
 *		a change of user, and would truncate nothing but lose the offset. A pipe is
 *		written in pieces that cannot block, without O_NONBLOCK, which the
 *		other holders of the pipe would get too. */
#include <postrider/file.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <postrider/clock.h>

#include "log_sink.h"

enum {
	BATCH_BYTES = 64 * 1024,
	CHECK_US = 1000 * 1000,
	RETRY_MIN_US = 100 * 1000,
	RETRY_MAX_US = 2000 * 1000,
};

static char host[256];		/* the system's name up to the first dot: where no target gives another */

/* For log_sink_direct(): which descriptor is in use. */
static atomic_int direct_fd = -1;
static atomic_int direct_facility = -1;		/* -1: not syslog */

static const struct { const char *name; int value; } facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON }, { "daemon", LOG_DAEMON },
	{ "ftp", LOG_FTP }, { "kern", LOG_KERN }, { "lpr", LOG_LPR }, { "mail", LOG_MAIL }, { "news", LOG_NEWS },
	{ "security", LOG_AUTH }, { "syslog", LOG_SYSLOG }, { "user", LOG_USER }, { "uucp", LOG_UUCP },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

static const char *const level_names[] = { "debug", "info", "warning", "error", "fatal", "panic" };
static const int severities[] = { LOG_INFO, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT, LOG_CRIT };

static void open_syslog(struct log_sink *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	const char *path = getenv("POSTRIDER_SYSLOG_SOCKET");	/* tests listen elsewhere */
	int64_t now = clock_fresh_us();

	if (s->fd >= 0 || now < s->retry_us)
		return;
	if (path != NULL)
		str_copy(sun.sun_path, path, sizeof(sun.sun_path));
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0 && connect(s->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		close(s->fd);
		s->fd = -1;
	}
	if (s->fd >= 0) {
		s->retry_wait_us = 0;
	} else {
		s->retry_wait_us = MIN(MAX(s->retry_wait_us * 2, (int64_t)RETRY_MIN_US), (int64_t)RETRY_MAX_US);
		s->retry_us = now + s->retry_wait_us;
	}
	atomic_store(&direct_fd, s->fd);
}

static int open_path(const struct log_sink *s)
{
	return file_open_append(s->path, (mode_t)s->mode);
}

static void learn_kind(struct log_sink *s)
{
	if (fstat(s->fd, &s->st) < 0)
		return;
	s->is_pipe = S_ISFIFO(s->st.st_mode) || S_ISCHR(s->st.st_mode);
	s->is_socket = S_ISSOCK(s->st.st_mode);
}

char *log_sink_open(const struct log_target *t, struct log_sink **s_r)
{
	struct log_sink *s = xcalloc(1, sizeof(*s));
	char *why = NULL;

	if (host[0] == '\0') {
		if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
			strcpy(host, "localhost");
		host[strcspn(host, ".")] = '\0';
	}
	str_copy(s->host, t->host != NULL && *t->host != '\0' ? t->host : host, sizeof(s->host));
	s->host[strcspn(s->host, ".")] = '\0';
	s->fd = -1;
	s->stamp_s = -1;
	s->json = t->json;
	s->also_stderr = t->also_stderr;
	s->mode = t->mode != 0 ? t->mode : 0600;
	if (t->path != NULL && *t->path != '\0') {
		s->path = xstrdup(t->path);
		s->is_stdout = strcmp(t->path, "/dev/stdout") == 0;
		s->fd = s->is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : open_path(s);
		if (s->fd < 0)
			why = xasprintf("open log file %s: %s", t->path, strerror(errno));
		else
			learn_kind(s);
	} else {
		s->facility = -1;
		for (size_t i = 0; i < NELEM(facilities); i++)
			if (str_ieq(facilities[i].name, t->facility != NULL ? t->facility : "mail"))
				s->facility = facilities[i].value;
		if (s->facility < 0)
			why = xasprintf("unknown syslog facility: %s", t->facility);
		else
			open_syslog(s);		/* not there yet: lines wait */
	}
	if (why != NULL) {
		log_sink_free(&s);
		return why;
	}
	atomic_store(&direct_facility, s->path == NULL ? s->facility : -1);
	atomic_store(&direct_fd, s->fd);
	*s_r = s;
	return NULL;
}

void log_sink_free(struct log_sink **sp)
{
	struct log_sink *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->fd >= 0) {
		int mine = s->fd;

		atomic_compare_exchange_strong(&direct_fd, &mine, -1);
		close(s->fd);
	}
	for (size_t i = 0; i < NELEM(s->part); i++)
		buf_release(&s->part[i]);
	buf_release(&s->out);
	free(s->path);
	free(s);
}

/* The stamp of a second is made once. */
static const char *stamp(struct log_sink *s, int64_t us)
{
	time_t sec = us / 1000000;
	struct tm tm;

	if (sec == s->stamp_s)
		return s->stamp;
	s->stamp_s = sec;
	if (s->json) {
		gmtime_r(&sec, &tm);
		strftime(s->stamp, sizeof(s->stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	} else {
		localtime_r(&sec, &tm);
		strftime(s->stamp, sizeof(s->stamp), s->path != NULL ? "%b %d %H:%M:%S" : "%b %e %H:%M:%S", &tm);
	}
	return s->stamp;
}

static void add_json(struct log_sink *s, struct buf *b, const struct log_rec *r)
{
	char text[LOG_LINE_MAX + 1];

	buf_addf(b, "{\"time\":\"%s.%06dZ\",\"name\":", stamp(s, r->wall_us), (int)(r->wall_us % 1000000));
	memcpy(text, r->line, r->name_len);
	text[r->name_len] = '\0';
	buf_add_json(b, text);
	buf_addf(b, ",\"pid\":%u,\"level\":\"%s\",\"message\":", r->number, level_names[r->level]);
	memcpy(text, r->line + r->text_off, (size_t)(r->len - r->text_off));
	text[r->len - r->text_off] = '\0';
	buf_add_json(b, text);
	buf_addc(b, '}');
}

static void add_syslog(struct log_sink *s, const struct log_rec *r)
{
	struct buf *b = &s->part[s->n_part++];

	buf_reset(b);
	if (s->json) {
		struct buf object = { 0 };
		struct tm tm;
		time_t sec = r->wall_us / 1000000;
		char when[32];

		localtime_r(&sec, &tm);
		strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm);
		add_json(s, &object, r);
		buf_addf(b, "<%d>%s %.*s[%u]: %s", s->facility | severities[r->level], when, (int)r->name_len,
		    r->line, r->number, buf_str(&object));
		buf_release(&object);
		return;
	}
	buf_addf(b, "<%d>%s ", s->facility | severities[r->level], stamp(s, r->wall_us));
	buf_add(b, r->line, r->len);
}

static void echo_stderr(const struct log_rec *r)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[LOG_LINE_MAX + 1];

	memcpy(line, r->line, r->len);
	line[r->len] = '\n';
	if (poll(&p, 1, 0) == 1 && write(STDERR_FILENO, line, (size_t)r->len + 1) < 0)
		return;		/* the log itself has it */
}

bool log_sink_add(struct log_sink *s, const struct log_rec *r)
{
	if (s->also_stderr && r->level >= LOG_LEVEL_WARNING)
		echo_stderr(r);
	if (s->path == NULL) {
		add_syslog(s, r);
		return s->n_part < NELEM(s->part);
	}
	if (s->json) {
		add_json(s, &s->out, r);
	} else {
		buf_adds(&s->out, stamp(s, r->wall_us));
		buf_addc(&s->out, ' ');
		buf_adds(&s->out, s->host);
		buf_addc(&s->out, ' ');
		buf_add(&s->out, r->line, r->len);
	}
	buf_addc(&s->out, '\n');
	return s->out.len < BATCH_BYTES;
}

static bool push_syslog(struct log_sink *s)
{
	struct mmsghdr m[NELEM(s->part)];
	struct iovec v[NELEM(s->part)];
	unsigned left;
	int n;

	while ((left = s->n_part - s->part_done) > 0) {
		open_syslog(s);
		if (s->fd < 0)
			return false;
		for (unsigned i = 0; i < left; i++) {
			struct buf *b = &s->part[s->part_done + i];

			v[i] = (struct iovec){ .iov_base = b->p, .iov_len = b->len };
			m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 } };
		}
		n = sendmmsg(s->fd, m, left, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			s->part_done += (unsigned)n;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			return false;
		} else if (errno == EMSGSIZE) {
			s->part_done++;		/* it will never fit */
		} else if (errno != EINTR) {
			close(s->fd);		/* the daemon was restarted: a new socket */
			s->fd = -1;
			atomic_store(&direct_fd, -1);
		}
	}
	s->n_part = s->part_done = 0;
	return true;
}

/* After rotation the path names another file or none. Keeps the old file if there is no opening a new. */
static void follow_path(struct log_sink *s)
{
	struct stat st;
	int64_t now = clock_fresh_us();
	int fd;

	if (s->is_stdout || now - s->checked_us < CHECK_US)
		return;
	s->checked_us = now;
	if (stat(s->path, &st) == 0 && st.st_dev == s->st.st_dev && st.st_ino == s->st.st_ino)
		return;
	fd = open_path(s);
	if (fd < 0)
		return;
	atomic_store(&direct_fd, fd);
	close(s->fd);
	s->fd = fd;
	learn_kind(s);
}

bool log_sink_push(struct log_sink *s)
{
	if (s->path == NULL)
		return push_syslog(s);
	if (s->out.len > 0 && s->out_done == 0)
		follow_path(s);
	while (s->out_done < s->out.len) {
		struct pollfd p = { .fd = s->fd, .events = POLLOUT };
		size_t n = s->out.len - s->out_done;
		ssize_t put;

		if (s->is_pipe) {
			if (poll(&p, 1, 0) != 1)
				return false;
			n = MIN(n, (size_t)4096);	/* PIPE_BUF: taken at once when it polls writable */
		}
		put = s->is_socket ? send(s->fd, s->out.p + s->out_done, n, MSG_DONTWAIT | MSG_NOSIGNAL) :
		    write(s->fd, s->out.p + s->out_done, n);
		if (put > 0)
			s->out_done += (size_t)put;
		else if (errno == EPIPE || errno == ECONNRESET)
			s->out_done = s->out.len;	/* nobody will ever read it */
		else if (errno != EINTR)
			return false;			/* full pipe, full disk: later */
	}
	s->out_done = 0;
	buf_reset(&s->out);
	return true;
}

int log_sink_poll_fd(const struct log_sink *s)
{
	return s->path == NULL || s->is_pipe || s->is_socket ? s->fd : -1;
}

void log_sink_direct(enum log_level level, const char *name, unsigned number, const char *text)
{
	int fd = atomic_load(&direct_fd), facility = atomic_load(&direct_facility), n;
	char line[LOG_LINE_MAX + 400], when[32];
	time_t sec = clock_wall_fresh_us() / 1000000;
	struct tm tm;

	if (fd < 0)
		return;
	localtime_r(&sec, &tm);
	strftime(when, sizeof(when), facility >= 0 ? "%b %e %H:%M:%S" : "%b %d %H:%M:%S", &tm);
	if (facility >= 0)
		n = snprintf(line, sizeof(line), "<%d>%s %s[%u]: %s", facility | severities[level], when, name, number,
		    text);
	else
		n = snprintf(line, sizeof(line), "%s %s %s[%u]: %s\n", when, host, name, number, text);
	n = MIN(n, (int)sizeof(line) - 1);
	if (facility >= 0 ? send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 : write(fd, line, (size_t)n) < 0)
		return;		/* standard error has it */
}
