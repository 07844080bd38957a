/* parent.c - the supervisor (door: parent.h).
 *
 * One poll loop over three things: the relay's socket, the signal descriptor, the restart time. A
 * request is one packet, "B7 address", "O7 path" (read) or "A7 path" (append) with a number of its own; the answer is
 * one packet, "7 0" with a descriptor, or "7" and an errno. The plan is read anew at SIGHUP, and once when a request is not in it (a
 * reload may want a new address), at most every REPLAN_MS. What is not in a fresh plan is EACCES. Without an answer:
 * "U address" (no longer wanted), "R" or "R reason" (serving, or not), "L" (reloading), "S" (stopping).
 *
 * The relay ends with PARENT_EXIT_STOPPED when it was told to stop and with PARENT_EXIT_FATAL when it could not
 * start; every other end is a crash and it is started again, after 0.1 s, doubling up to 10 s
 * while it keeps dying young. Sockets are held here and never closed in between, so clients
 * wait in the backlog instead of being refused. */
#include <postrider/parent.h>
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/file.h>
#include <postrider/inet.h>
#include <postrider/log.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 10000, YOUNG_MS = 60000, REPLAN_MS = 50, REQUEST_MAX = 4096, STOP_GRACE_S = 10,
       MEMLOCK_BYTES = 64 << 20 };

struct held { LIST_ENTRY(held) link; char *addr; int fd; };
struct parent {
	int		 self_fd;
	char *const	*reader_argv, *const *relay_argv;
	struct parent_plan plan;
	int64_t		 planned_ms;
	LIST_HEAD(, held) held;
	int		 lock_fd, sig_fd, ready_fd;
	int		 log_fd;	/* the relay's log ring: what one could not write, the next one does */
	pid_t		 relay;		/* 0: not running */
	int		 sock;		/* our end of the relay's socketpair, -1: none */
	int64_t		 started_ms, restart_ms;	/* restart_ms 0: not waiting */
	int		 backoff_ms;
	bool		 stopping, told_ready, refused;	/* refused: the first relay could not start */
	int64_t		 kill_ms;	/* stopping: when patience ends */
};

/* ---- the plan ------------------------------------------------------------------------------------- */
static void plan_release(struct parent_plan *p)
{
	char *const text[] = { p->queue_directory, p->data_directory, p->owner, p->log_path, p->facility, p->syslog_name, p->host };

	strs_release(&p->listen);
	strs_release(&p->readable);
	strs_release(&p->appendable);
	for (size_t i = 0; i < NELEM(text); i++)
		free(text[i]);
	*p = (struct parent_plan){ 0 };
}

static bool plan_line(struct parent_plan *p, char *line)
{
	const struct { const char *key; char **text; struct strs *list; uint32_t *number; } keys[] = {
		{ "listen", NULL, &p->listen, NULL }, { "read", NULL, &p->readable, NULL }, { "append", NULL, &p->appendable, NULL },
		{ "queue", &p->queue_directory, NULL, NULL }, { "data", &p->data_directory, NULL, NULL },
		{ "owner", &p->owner, NULL, NULL }, { "log", &p->log_path, NULL, NULL },
		{ "facility", &p->facility, NULL, NULL }, { "name", &p->syslog_name, NULL, NULL }, { "host", &p->host, NULL, NULL },
		{ "uid", NULL, NULL, &p->uid }, { "gid", NULL, NULL, &p->gid }, { "limit", NULL, NULL, &p->stop_limit_s },
		{ "group", NULL, NULL, &p->groups[MIN(p->ngroups, (int)NELEM(p->groups) - 1)] },
	};
	char *value = strchr(line, ' ');
	int64_t n;

	if (value == NULL)
		return false;
	*value++ = '\0';
	for (size_t i = 0; i < NELEM(keys); i++) {
		if (strcmp(line, keys[i].key) != 0)
			continue;
		if (keys[i].list != NULL) {
			strs_add(keys[i].list, value);
		} else if (keys[i].text != NULL) {
			free(*keys[i].text);
			*keys[i].text = xstrdup(value);
		} else {
			if (!str_to_int(value, 0, UINT32_MAX - 1, &n))
				return false;
			*keys[i].number = (uint32_t)n;
			p->ngroups += strcmp(line, "group") == 0 && p->ngroups < (int)NELEM(p->groups);
		}
		return true;
	}
	return false;
}

/* Runs the reader (as root: it sees what only root may read) and parses what it prints. Its complaints go to standard
 * error. False: keep the old plan. */
static bool plan_read(struct parent *p)
{
	struct parent_plan plan = { 0 };
	char *text, *cursor, *line;
	int fds[2], status;
	bool ok = true;
	struct buf b = { 0 };
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return false;
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(fds[1], STDOUT_FILENO);
		fexecve(p->self_fd, p->reader_argv, environ);
		_exit(127);
	}
	close(fds[1]);
	do {
		buf_reserve(&b, 65536);
		n = read(fds[0], b.p + b.len, 65536);
		if (n > 0)
			b.len += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EINTR)) && b.len < (16 << 20));
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	cursor = text = buf_steal(&b);
	while (ok && (line = str_tok(&cursor, "\n")) != NULL)
		ok = plan_line(&plan, line);
	free(text);
	/* Never root: a plan that would keep the relay's privileges is no plan. */
	if (!ok || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || plan.queue_directory == NULL || plan.uid == 0 || plan.gid == 0) {
		plan_release(&plan);
		return false;
	}
	plan_release(&p->plan);
	p->plan = plan;
	clock_update();
	p->planned_ms = now_ms();
	return true;
}

static bool plan_has(struct parent *p, const struct strs *s, const char *what)
{
	for (int pass = 0; pass < 2; pass++) {	/* s is part of p->plan and is read anew with it */
		for (size_t i = 0; i < s->n; i++)
			if (strcmp(s->v[i], what) == 0)
				return true;
		if (now_ms() - p->planned_ms < REPLAN_MS)	/* whoever asks again and again has to wait */
			poll(NULL, 0, REPLAN_MS);
		if (pass == 0 && !plan_read(p))
			break;
	}
	return false;
}

/* ---- requests --------------------------------------------------------------------------------------- */
static void held_free(struct held *h)
{
	LIST_REMOVE(h, link);
	close(h->fd);
	free(h->addr);
	free(h);
}

static struct held *held_find(struct parent *p, const char *addr)
{
	struct held *h;

	LIST_FOREACH(h, &p->held, link)
		if (strcmp(h->addr, addr) == 0)
			break;
	return h;
}

static int request_bind(struct parent *p, const char *addr, int *err_r)
{
	struct held *h;
	int fd;

	if (!plan_has(p, &p->plan.listen, addr)) {
		*err_r = EACCES;
		return -1;
	}
	if ((h = held_find(p, addr)) != NULL)
		return h->fd;
	if ((fd = inet_listen(addr, err_r)) < 0)
		return -1;
	h = xcalloc(1, sizeof(*h));
	h->addr = xstrdup(addr);
	h->fd = fd;
	LIST_INSERT_HEAD(&p->held, h, link);
	return fd;
}

static int request_open(struct parent *p, const char *path, bool append, int *err_r)
{
	struct stat st;
	int fd;

	if (!plan_has(p, append ? &p->plan.appendable : &p->plan.readable, path)) {
		*err_r = EACCES;
		return -1;
	}
	fd = open(path, (append ? O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && (append || S_ISREG(st.st_mode)))
		return fd;
	*err_r = fd < 0 ? errno : EINVAL;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void answer(struct parent *p, unsigned long number, int fd, int err)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char text[40];
	struct iovec iov = { .iov_base = text };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	iov.iov_len = (size_t)snprintf(text, sizeof(text), "%lu %d", number, fd >= 0 ? 0 : err);
	if (fd >= 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(p->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn(NULL, "answer to the relay: %s", strerror(errno));
}

static void tell_ready(struct parent *p, const char *why_not)
{
	if (!p->told_ready && p->ready_fd >= 0) {
		const char *text = why_not[0] != '\0' ? why_not : "ok";

		if (file_write_full(p->ready_fd, text, strlen(text)) < 0)
			log_warn(NULL, "report to postrider start: %s", strerror(errno));
		close(p->ready_fd);
		p->ready_fd = -1;
	}
	if (!p->told_ready && why_not[0] == '\0')
		parent_detach();
	p->told_ready = true;
}

static void request(struct parent *p)
{
	char text[REQUEST_MAX + 1];
	ssize_t n = recv(p->sock, text, REQUEST_MAX, MSG_DONTWAIT);
	struct held *h;
	unsigned long number;
	char *what;
	int fd, err = EINVAL;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(p->sock);		/* the relay is ending: SIGCHLD tells the rest */
			p->sock = -1;
		}
		return;
	}
	text[n] = '\0';
	clock_update();
	number = strtoul(text + 1, &what, 10);
	what += *what == ' ';
	if (text[0] == 'B') {
		fd = request_bind(p, what, &err);
		answer(p, number, fd, err);
	} else if (text[0] == 'O' || text[0] == 'A') {
		fd = request_open(p, what, text[0] == 'A', &err);
		answer(p, number, fd, err);
		if (fd >= 0)
			close(fd);
	} else if (text[0] == 'U' && text[1] == ' ') {
		if ((h = held_find(p, text + 2)) != NULL)
			held_free(h);
	} else if (text[0] == 'R' && n > 2) {
		p->refused = !p->told_ready;
		tell_ready(p, text + 2);
	} else if (text[0] == 'R' || text[0] == 'L' || text[0] == 'S') {
		if (text[0] == 'R')
			tell_ready(p, "");
		notify_manager(text[0]);
	}
}

/* ---- the relay ------------------------------------------------------------------------------------------ */
static void NORETURN relay_exec(struct parent *p, int sock)
{
	char env[32];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(env, sizeof(env), "%d %d", sock, p->log_fd);
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ MEMLOCK_BYTES, MEMLOCK_BYTES });	/* for the program's own pages */
	if (fcntl(sock, F_SETFD, 0) < 0 || setenv("POSTRIDER_PARENT_FD", env, 1) < 0 ||
	    (p->log_fd >= 0 && fcntl(p->log_fd, F_SETFD, 0) < 0) ||
	    fcntl(p->lock_fd, F_SETFD, 0) < 0 ||	/* a relay that outlives us drains: the queue is still taken */
	    setgroups((size_t)p->plan.ngroups, p->plan.groups) < 0 || setresgid(p->plan.gid, p->plan.gid, p->plan.gid) < 0 ||
	    setresuid(p->plan.uid, p->plan.uid, p->plan.uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(PARENT_EXIT_FATAL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getuid() == 0 || setuid(0) == 0)	/* the drop must hold */
		_exit(PARENT_EXIT_FATAL);
	unsetenv("HOME");		/* root's: libpq looks for certificates there, and fails when it may not */
	fexecve(p->self_fd, p->relay_argv, environ);
	_exit(127);
}

static void relay_start(struct parent *p)
{
	int fds[2];
	pid_t pid;

	p->restart_ms = 0;
	p->started_ms = now_ms();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 || (pid = fork()) < 0) {
		log_error(NULL, "cannot start the relay: %s", strerror(errno));
		p->restart_ms = now_ms() + BACKOFF_MAX_MS;
		return;
	}
	if (pid == 0) {
		close(fds[0]);
		relay_exec(p, fds[1]);
	}
	close(fds[1]);
	if (p->sock >= 0)
		close(p->sock);
	p->sock = fds[0];
	p->relay = pid;
}

static int relay_ended(struct parent *p, int status)
{
	int64_t lived = now_ms() - p->started_ms;

	p->relay = 0;
	if (WIFEXITED(status) && (p->stopping || WEXITSTATUS(status) == PARENT_EXIT_STOPPED))
		return WEXITSTATUS(status);
	if (p->refused || (WIFEXITED(status) && WEXITSTATUS(status) == PARENT_EXIT_FATAL && !p->told_ready)) {
		tell_ready(p, "the server did not start; its log says why");
		return 1;
	}
	if (p->stopping)
		return 1;
	p->backoff_ms = lived > YOUNG_MS || p->backoff_ms == 0 ? BACKOFF_MIN_MS : MIN(p->backoff_ms * 2, BACKOFF_MAX_MS);
	p->restart_ms = now_ms() + p->backoff_ms;
	log_warn(NULL, WIFSIGNALED(status) ? "relay process killed by signal %d, starting it again" :
	    "relay process exit status %d, starting it again", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return -1;
}

static void stop(struct parent *p, int signo)
{
	p->stopping = true;
	p->kill_ms = now_ms() + (p->plan.stop_limit_s + STOP_GRACE_S) * 1000;
	if (p->relay > 0)
		kill(p->relay, signo);
}

/* Returns an exit status, or -1 to go on. */
static int signals(struct parent *p)
{
	struct signalfd_siginfo si;
	int status, rc = -1;
	pid_t pid;

	while (read(p->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGTERM:
		case SIGINT:
		case SIGQUIT:
			stop(p, (int)si.ssi_signo);
			if (p->relay == 0)
				return 0;
			break;
		case SIGHUP:
			if (plan_read(p) && p->relay > 0)
				kill(p->relay, SIGHUP);
			break;
		case SIGCHLD:
			while ((pid = waitpid(-1, &status, WNOHANG)) > 0)	/* as PID 1 also strangers */
				if (pid == p->relay)
					rc = relay_ended(p, status);
			break;
		}
	}
	return rc;
}

static int supervise(struct parent *p)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = p->sig_fd, .events = POLLIN }, { .fd = p->sock, .events = POLLIN } };
		int64_t wait = -1;
		int rc;

		clock_update();
		if (p->restart_ms != 0)
			wait = MAX(p->restart_ms - now_ms(), 0);
		if (p->stopping && p->relay > 0)
			wait = MAX(p->kill_ms - now_ms(), 0);
		if (poll(fds, 2, (int)wait) < 0 && errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		clock_update();
		if (fds[1].revents != 0)
			request(p);
		if ((rc = signals(p)) >= 0)
			return rc;
		if (p->restart_ms != 0 && now_ms() >= p->restart_ms)
			relay_start(p);
		if (p->stopping && p->relay > 0 && now_ms() >= p->kill_ms) {
			log_warn(NULL, "relay process did not stop in time, killing it");
			kill(p->relay, SIGKILL);
			p->kill_ms = now_ms() + 1000;
		}
	}
}

static int fail(struct parent *p, char *why)
{
	log_error(NULL, "%s", why);
	if (p->ready_fd < 0)
		fprintf(stderr, "postrider: fatal: %s\n", why);
	tell_ready(p, why);
	free(why);
	log_stop();
	return 1;
}

static char *open_log(const struct parent_plan *plan)
{
	struct log_target t = { .path = plan->log_path, .facility = plan->facility, .host = plan->host };
	static char name[128];

	snprintf(name, sizeof(name), "%s/postrider", plan->syslog_name != NULL ? plan->syslog_name : "postfix");
	log_program(name);
	return log_start(&t);
}

int parent_run(int self_fd, char *const reader_argv[], char *const relay_argv[], int ready_fd)
{
	struct parent p = { .self_fd = self_fd, .reader_argv = reader_argv, .relay_argv = relay_argv, .ready_fd = ready_fd, .sock = -1 };
	sigset_t set;
	pid_t owner;
	static const int watched[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD };
	char *why;
	int rc, err;

	clock_update();
	if (!plan_read(&p))
		return fail(&p, xstrdup("the configuration cannot be used"));
	if ((why = open_log(&p.plan)) != NULL)
		return fail(&p, why);
	if (make_queue_directories(&p.plan, &err) < 0)
		return fail(&p, xasprintf("%s: %s", p.plan.queue_directory, strerror(err)));
	if ((p.lock_fd = queue_lock(p.plan.queue_directory, &owner, &err)) < 0)
		return fail(&p, queue_lock_reason(p.plan.queue_directory, owner, err));
	for (size_t i = 0; i < p.plan.listen.n; i++)
		if (request_bind(&p, p.plan.listen.v[i], &err) < 0)
			return fail(&p, xasprintf("bind %s: %s", p.plan.listen.v[i], strerror(err)));
	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(watched); i++)
		sigaddset(&set, watched[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p.sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p.sig_fd < 0)
		return fail(&p, xasprintf("signalfd: %s", strerror(errno)));
	p.log_fd = log_keep_make();	/* without: the relay has a ring of its own */
	relay_start(&p);
	rc = supervise(&p);
	while (!LIST_EMPTY(&p.held))
		held_free(LIST_FIRST(&p.held));
	plan_release(&p.plan);
	log_stop();
	return rc;
}
