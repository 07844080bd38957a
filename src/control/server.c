/* server.c - the local socket: connections, who may do what, and the verbs' table.
 *
 *	verb	attributes				answer
 *	list	-					D: messages (list.c)
 *	show	id					A: records of the envelope, D: content (show.c)
 *	change	do=delete|hold|release|requeue|expire, queue=NAME ..., id=ID ... or all=1
 *							A: "ID=done|none|missing|failed", "count=N" (change.c)
 *	submit	sender, rcpt ... (submission.c); D: content	A: id
 *	flush	id or site, or neither
 *	status	-					A: "group.name=value" (status.c)
 *	reload, stop	-
 *	session	-					O, then SMTP
 *
 * Any local user may connect. So: one request for a connection; a frame at a time and none before the last one was
 * dealt with; a limit on connections that leaves some for root and the owner; a time limit wherever the
 * peer is waited for; what does not parse ends the connection. */
#include "server.h"
#include <postrider/clock.h>
#include <postrider/control.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNS = 256, CONNS_OWNER = 32,		/* the latter beyond the former */
	PEER_MS = 100 * 1000, LINGER_MS = 5 * 1000,
	ATTRS = 1000, ATTR_BYTES = 256 * 1024,
	FRAMES_A_RUN = 32,
	ACCEPT_PAUSE_MS = 500, STARTING_MS = 20,
};

static const struct verb *const verbs[] = { &verb_list, &verb_show, &verb_change, &verb_submit, &verb_flush, &verb_status,
	&verb_reload, &verb_stop, &verb_session };

static LIST_HEAD(, conn) conns = LIST_HEAD_INITIALIZER(conns);
static unsigned nconns;
static struct listener {
	struct task	 task;
	struct watch	 watch;
	struct timer	 pause;		/* out of descriptors */
	int		 fd;		/* -1: not listening */
} listener = { .fd = -1 };
static void (*on_gone)(void);		/* of the only connection, serving a command */

/* ---- answers ------------------------------------------------------------------------------------ */

void answer(struct conn *c, char type, const void *p, size_t n)
{
	unsigned char head[FRAME_HEAD];

	ASSERT(n <= FRAME_MAX);
	frame_head(head, type, n);
	stream_write(c->stream, head, sizeof(head));
	stream_write(c->stream, p, n);
}

void answer_attr(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&c->out);
	va_start(ap, fmt);
	buf_vaddf(&c->out, fmt, ap);
	va_end(ap);
	answer(c, 'A', c->out.p, MIN(c->out.len, FRAME_MAX));
}

enum step answer_ok(struct conn *c)
{
	answer(c, 'O', "", 0);
	return STEP_DONE;
}

enum step answer_error(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&c->out);
	va_start(ap, fmt);
	buf_vaddf(&c->out, fmt, ap);
	va_end(ap);
	answer(c, 'E', buf_str(&c->out), MIN(c->out.len, FRAME_MAX));
	return STEP_DONE;
}

const char *conn_attr(const struct conn *c, const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; i < c->attrs.n; i++)
		if (strncmp(c->attrs.v[i], name, n) == 0 && c->attrs.v[i][n] == '=')
			return c->attrs.v[i] + n + 1;
	return NULL;
}

bool conn_is_owner(const struct conn *c)
{
	return c->uid == 0 || c->uid == geteuid();
}

/* ---- connections ----------------------------------------------------------------------------------- */

static void conn_free(struct conn *c)
{
	bool mine = on_gone != NULL;

	if (c->verb != NULL && c->verb->end != NULL)
		c->verb->end(c);
	match_end(&c->match);
	job_end(&c->who);
	if (c->stream != NULL)
		stream_close_flush(&c->stream, LINGER_MS);
	task_unlink(&c->task);
	LIST_REMOVE(c, link);
	nconns--;
	strs_release(&c->attrs);
	buf_release(&c->out);
	free(c->user);
	free(c);
	if (mine)
		on_gone();
}

static void conn_enter(struct conn *c, enum conn_state state)
{
	c->state = state;
	if (state == CONN_VERB || state == CONN_INPUT)
		stream_deadline(c->stream, PEER_MS);
	else
		stream_deadline(c->stream, 0);		/* the operations have limits of their own */
	if (state == CONN_WHO)
		rights_who_start(&c->who, &c->task, c->uid);
}

/* The next frame, whole; false: not yet, or the connection ends. */
static bool next_frame(struct conn *c, struct frame *f, const char **p)
{
	enum stream_result r;
	struct slice s;

	r = stream_peek_n(c->stream, FRAME_HEAD, &s);
	if (r == STREAM_OK && !frame_read((const unsigned char *)s.p, f)) {
		answer_error(c, "this is not the mail system's protocol");
		conn_enter(c, CONN_END);
		return false;
	}
	if (r == STREAM_OK)
		r = stream_peek_n(c->stream, FRAME_HEAD + f->len, &s);
	if (r == STREAM_OK) {
		*p = s.p + FRAME_HEAD;
		return true;
	}
	if (r != STREAM_WAIT)
		conn_enter(c, CONN_END);
	return false;
}

static void find_verb(struct conn *c, const struct frame *f, const char *p)
{
	size_t i;

	for (i = 0; f->type == 'V' && i < NELEM(verbs); i++)
		if (strlen(verbs[i]->name) == f->len && memcmp(verbs[i]->name, p, f->len) == 0)
			c->verb = verbs[i];
	if (c->verb == NULL) {
		answer_error(c, "unknown request");
		conn_enter(c, CONN_END);
	} else if (on_gone != NULL) {
		conn_enter(c, CONN_INPUT);
	} else if (c->verb->right == RIGHT_OWNER) {
		if (!conn_is_owner(c))
			answer_error(c, "use of this command is reserved for the superuser");
		conn_enter(c, conn_is_owner(c) ? CONN_INPUT : CONN_END);
	} else {
		conn_enter(c, CONN_WHO);
	}
}

static void who_known(struct conn *c)
{
	switch (job_poll(&c->who)) {
	case JOB_WAIT:
		return;
	case JOB_DONE:
		c->user = rights_who_name(&c->who);
		job_end(&c->who);
		match_start(&c->match, &c->task, NULL, rights_list(c->verb->right), c->user, NULL);
		conn_enter(c, CONN_ALLOWED);
		return;
	default:
		answer_error(c, "cannot find the name of user %ld", (long)c->uid);
		conn_enter(c, CONN_END);
	}
}

static void judged(struct conn *c)
{
	switch (match_poll(&c->match)) {
	case MATCH_WAIT:
		return;
	case MATCH_YES:
		match_end(&c->match);
		conn_enter(c, CONN_INPUT);
		return;
	case MATCH_NO:
		answer_error(c, "User %s(%ld) is not allowed to %s", c->user, (long)c->uid, rights_refusal(c->verb->right));
		break;
	case MATCH_ERROR:
		answer_error(c, "cannot find out whether user %s(%ld) is allowed to %s", c->user, (long)c->uid,
		    rights_refusal(c->verb->right));
		break;
	}
	conn_enter(c, CONN_END);
}

static enum step gather(struct conn *c, char type, const char *p, size_t n)
{
	if (type == 'R')
		return STEP_WAIT;
	if (type != 'A')
		return answer_error(c, "an attribute was expected");
	if (c->attrs.n >= ATTRS || c->attr_bytes + n > ATTR_BYTES)
		return answer_error(c, "too many attributes");
	c->attr_bytes += n;
	strs_addn(&c->attrs, p, n);
	return STEP_INPUT;
}

static void stepped(struct conn *c, enum step s)
{
	if (s == STEP_DONE)
		conn_enter(c, CONN_END);
	else if (s == STEP_WAIT && c->state != CONN_WORK)
		conn_enter(c, CONN_WORK);
	else if (s == STEP_INPUT)
		conn_enter(c, CONN_INPUT);
}

/* False: nothing new from the peer. */
static bool take_input(struct conn *c)
{
	enum conn_state before = c->state;
	struct frame f;
	const char *p;
	enum step s;

	if (!next_frame(c, &f, &p))
		return c->state != before;
	if (c->state == CONN_VERB) {
		find_verb(c, &f, p);
	} else {
		s = c->verb->input != NULL ? c->verb->input(c, f.type, p, f.len) : gather(c, f.type, p, f.len);
		stepped(c, s);
	}
	stream_consume(c->stream, FRAME_HEAD + f.len);
	return true;
}

/* While a verb works: is anybody there, and does he read what he is told? */
static bool peer_is_there(struct conn *c)
{
	if (stream_gone(c->stream))
		return false;
	if (stream_queued(c->stream) == 0) {
		stream_deadline(c->stream, 0);
		return true;
	}
	switch (stream_flush(c->stream)) {
	case STREAM_OK:
		stream_deadline(c->stream, 0);
		return true;
	case STREAM_WAIT:
		return true;
	default:
		return false;
	}
}

static void work(struct conn *c)
{
	enum step s;

	if (!peer_is_there(c)) {
		conn_enter(c, CONN_END);
		return;
	}
	s = c->verb->step(c);
	if (c->stream == NULL) {		/* it took the socket */
		c->state = CONN_END;
		return;
	}
	if (s == STEP_WAIT && stream_queued(c->stream) > 0)
		stream_deadline(c->stream, PEER_MS);
	stepped(c, s);
}

/* False: what was answered so far must go out first. */
static bool reads_answers(struct conn *c)
{
	enum stream_result r;

	if (stream_writable(c->stream))
		return true;
	r = stream_flush(c->stream);
	if (r != STREAM_OK && r != STREAM_WAIT) {
		conn_enter(c, CONN_END);
		task_wake(&c->task);
	}
	return false;
}

static void conn_run(struct task *t)
{
	struct conn *c = CONTAINER_OF(t, struct conn, task);
	enum conn_state before;
	int i;

	for (i = 0; i < FRAMES_A_RUN; i++) {
		before = c->state;
		if (c->state == CONN_INPUT && c->verb->poll != NULL)
			c->verb->poll(c);
		switch (c->state) {
		case CONN_VERB:
		case CONN_INPUT:
			if (!reads_answers(c) || !take_input(c))
				return;
			continue;
		case CONN_WHO:
			who_known(c);
			break;
		case CONN_ALLOWED:
			judged(c);
			break;
		case CONN_WORK:
			work(c);
			break;
		case CONN_END:
			conn_free(c);
			return;
		}
		if (c->state == before)
			return;
	}
	task_wake(t);			/* others first */
}

static struct conn *conn_new(int fd, uid_t uid)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	task_init(&c->task, "control", conn_run);
	c->uid = uid;
	c->stream = stream_new(fd, &c->task, FRAME_HEAD + FRAME_MAX);
	LIST_INSERT_HEAD(&conns, c, link);
	nconns++;
	conn_enter(c, CONN_VERB);
	task_wake(&c->task);
	return c;
}

void conn_serve(int fd, void (*gone)(void))
{
	on_gone = gone;
	conn_new(fd, geteuid());
}

/* ---- the listener ---------------------------------------------------------------------------------- */

static void admit(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(peer);
	struct conn *c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 || peer.uid == (uid_t)-1) {
		close(fd);
		return;
	}
	c = conn_new(fd, peer.uid);
	if (nconns > (conn_is_owner(c) ? CONNS + CONNS_OWNER : CONNS)) {
		answer_error(c, "too many local connections, try again later");
		conn_enter(c, CONN_END);
	}
}

static void listener_run(struct task *t)
{
	int fd, i;

	(void)t;
	if (listener.fd < 0)
		return;
	if (timer_running(&listener.pause))
		return;
	if (generation_current() == NULL) {	/* starting: callers wait in the backlog */
		watch_want(&listener.watch, 0);
		timer_start(&listener.pause, &listener.task, STARTING_MS);
		return;
	}
	watch_take(&listener.watch);
	watch_want(&listener.watch, WATCH_READ);
	for (i = 0; i < 16; i++) {
		fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			admit(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			watch_want(&listener.watch, 0);
			timer_start(&listener.pause, &listener.task, ACCEPT_PAUSE_MS);
		}
		return;
	}
	task_wake(&listener.task);
}

char *control_open(const char *socket_path)
{
	char *dir = xstrdup(socket_path), *slash = strrchr(dir, '/'), *why = NULL;

	ASSERT(slash != NULL && listener.fd < 0);
	*slash = '\0';
	listener.fd = local_socket(dir, slash + 1, true);
	if (listener.fd < 0) {
		why = xasprintf("%s: %s", socket_path, strerror(errno));
	} else {
		rights_open();
		task_init(&listener.task, "control listener", listener_run);
		watch_start(&listener.watch, &listener.task, listener.fd, WATCH_READ);
		*slash = '\0';
		if ((slash = strrchr(dir, '/')) != NULL) {
			*slash = '\0';
			pickup_start(dir);
		}
	}
	free(dir);
	return why;
}

void control_close(void)
{
	struct conn *c;

	pickup_stop();
	while ((c = LIST_FIRST(&conns)) != NULL)
		conn_free(c);
	if (listener.fd < 0)
		return;
	timer_end(&listener.pause);
	watch_end(&listener.watch);
	task_unlink(&listener.task);
	rights_close();
	close(listener.fd);	/* the name stays: "connection refused" says that there was a server */
	listener.fd = -1;
}

void control_init(void)
{
	rights_init();
}
