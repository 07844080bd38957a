/* pickup.c - messages that sendmail left in maildrop while no server ran: looked for at start and every minute.
 * A worker reads names, then a file in pieces; the loop feeds the pieces to a submission, one file at a time. A file is
 * believed to be its owner's: regular, one link, complete (mode with x for the owner, as Postfix marks it). It is removed
 * after the commit; a crash in between submits it twice, never not at all. A file that the
 * mail system refuses for good goes to corrupt. Anybody may put files there: what is no message must not keep those
 * behind it waiting, so files still being written are not listed, and of odd ones only a few, to be complained of. What
 * sendmail left half-written goes after a day. */
#include "server.h"
#include "submission.h"
#include <postrider/clock.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVERY_MS = 60 * 1000, STARTING_MS = 100, NAMES = 200, ODD_NAMES = 10, STALE_S = 86400, PIECE = 65536, LIMIT_MS = 60 * 1000 };
enum pickup_state { PK_IDLE, PK_NAMES, PK_READ, PK_WHO, PK_ALLOWED, PK_FEED, PK_COMMIT, PK_REMOVE };
enum job_kind { JOB_NAMES, JOB_READ, JOB_REMOVE, JOB_SET_ASIDE };

/* One job on the worker; the descriptor wanders from one to the next. */
struct piece {
	enum job_kind	 kind;
	char		*queue, *name;
	int		 fd;		/* -1: to be opened */
	struct strs	 names;
	int64_t		 now_s;		/* wall time, for the age of files */
	uid_t		 uid;
	struct buf	 data;
	bool		 end;
	char		*why;		/* malloced: cannot be used */
};

static struct pickup {
	struct task	 task;
	struct timer	 timer;
	struct worker_class *class_;
	enum pickup_state state;
	char		*queue;
	struct job_op	 job;
	struct strs	 names;
	size_t		 next;
	int		 fd;
	struct job_op	 who;		/* the owner's name */
	char		*user;
	struct match_op	 match;
	struct submission *sub;
	bool		 attrs, bad, more;
	struct buf	 head;		/* attributes, a line each, that have not come whole yet */
} pk = { .fd = -1 };

/* ---- on the worker ------------------------------------------------------------------------------------- */

static bool is_message(const struct stat *st, int dir, const char *name)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 1 && faccessat(dir, name, R_OK, AT_EACCESS) == 0;
}

static void list_names(struct piece *j)
{
	char *path = xasprintf("%s/maildrop", j->queue);
	DIR *d = opendir(path);
	unsigned odd = 0;
	struct dirent *e;
	struct stat st;

	while (d != NULL && j->names.n < NAMES && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (e->d_name[0] == '.') {
			if (strncmp(e->d_name, ".tmp.", 5) == 0 && st.st_mtime < j->now_s - STALE_S)
				unlinkat(dirfd(d), e->d_name, 0);
		} else if (S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR) == 0) {
			continue;		/* still being written */
		} else if (is_message(&st, dirfd(d), e->d_name) || odd++ < ODD_NAMES) {
			strs_add(&j->names, e->d_name);
		}
	}
	if (d != NULL)
		closedir(d);
	free(path);
}

static void open_file(struct piece *j)
{
	char *path = xasprintf("%s/maildrop/%s", j->queue, j->name);
	struct stat st;

	j->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (j->fd < 0)
		j->why = xasprintf("%s: %s", path, strerror(errno));
	else if (fstat(j->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		j->why = xasprintf("%s: not a file of its own", path);
	else if ((st.st_mode & S_IXUSR) == 0)
		j->why = xstrdup("");		/* still being written */
	else
		j->uid = st.st_uid;
	free(path);
}

static void read_piece(struct piece *j)
{
	ssize_t n;

	if (j->fd < 0)
		open_file(j);
	if (j->why != NULL)
		return;
	buf_reserve(&j->data, PIECE);
	n = file_read_full(j->fd, j->data.p, PIECE);
	if (n < 0)
		j->why = xasprintf("maildrop/%s: %s", j->name, strerror(errno));
	else
		j->data.len = (size_t)n;
	j->end = n < PIECE;
}

static void remove_file(struct piece *j, bool set_aside)
{
	char *from = xasprintf("%s/maildrop/%s", j->queue, j->name), *to = xasprintf("%s/corrupt/%s", j->queue, j->name);

	if (j->fd >= 0)			/* here, not on the loop: the last one closes the file's life */
		close(j->fd);
	j->fd = -1;
	if ((set_aside ? rename(from, to) : unlink(from)) < 0)
		j->why = xasprintf("%s: %s", from, strerror(errno));
	free(from);
	free(to);
}

static void run(void *data)
{
	struct piece *j = data;

	switch (j->kind) {
	case JOB_NAMES:
		list_names(j);
		break;
	case JOB_READ:
		read_piece(j);
		break;
	case JOB_REMOVE:
	case JOB_SET_ASIDE:
		remove_file(j, j->kind == JOB_SET_ASIDE);
		break;
	}
}

static void piece_free(void *data)
{
	struct piece *j = data;

	if (j->fd >= 0)
		close(j->fd);
	strs_release(&j->names);
	buf_release(&j->data);
	free(j->queue);
	free(j->name);
	free(j->why);
	free(j);
}

/* ---- on the loop ----------------------------------------------------------------------------------------- */

static void begin(enum job_kind kind, enum pickup_state state)
{
	struct piece *j = xcalloc(1, sizeof(*j));

	j->kind = kind;
	j->queue = xstrdup(pk.queue);
	j->name = kind != JOB_NAMES ? xstrdup(pk.names.v[pk.next]) : NULL;
	j->now_s = wall_s();
	j->fd = pk.fd;
	pk.fd = -1;
	job_end(&pk.job);
	pk.state = state;
	job_start(&pk.job, &pk.task, pk.class_, run, j, piece_free, LIMIT_MS);
}

static void owner_forget(void)
{
	job_end(&pk.who);
	match_end(&pk.match);
	free(pk.user);
	pk.user = NULL;
}

static void file_over(void)
{
	submission_free(&pk.sub);
	owner_forget();
	job_end(&pk.job);
	if (pk.fd >= 0)
		close(pk.fd);
	pk.fd = -1;
	buf_reset(&pk.head);
	pk.attrs = pk.bad = false;
	pk.next++;
	if (pk.next < pk.names.n) {
		begin(JOB_READ, PK_READ);
		return;
	}
	pk.state = PK_IDLE;
	timer_start(&pk.timer, &pk.task, pk.names.n == NAMES && pk.more ? 0 : EVERY_MS);
}

static void bad_file(const char *why)
{
	log_warn(NULL, "maildrop/%s: %s", pk.names.v[pk.next], why);
	submission_free(&pk.sub);
	begin(JOB_SET_ASIDE, PK_REMOVE);
}

/* "name=value" lines up to an empty one. Returns how much of the data was theirs; false: the file is bad. */
static bool take_attrs(const char **p, const char *end)
{
	const char *eol, *eq;
	const char *why;
	char *text;

	while (pk.attrs && *p < end) {
		eol = memchr(*p, '\n', (size_t)(end - *p));
		buf_add(&pk.head, *p, (size_t)((eol != NULL ? eol : end) - *p));
		*p = eol != NULL ? eol + 1 : end;
		if (pk.head.len > PIECE)
			return false;
		if (eol == NULL)
			break;
		if (pk.head.len == 0) {
			pk.attrs = false;
			break;
		}
		eq = memchr(pk.head.p, '=', pk.head.len);
		if (eq == NULL || memchr(pk.head.p, '\0', pk.head.len) != NULL)
			return false;
		text = xstrndup(pk.head.p, pk.head.len);
		text[eq - pk.head.p] = '\0';
		why = submission_attr(pk.sub, text, text + (eq - pk.head.p) + 1);
		free(text);
		if (why != NULL)
			return false;
		buf_reset(&pk.head);
	}
	return true;
}

static void piece_read(struct piece *j)
{
	const char *p = buf_str(&j->data), *end = p + j->data.len;

	if (pk.sub == NULL) {
		pk.sub = submission_new(&pk.task, j->uid);
		pk.attrs = true;
	}
	if (!take_attrs(&p, end) || (j->end && pk.attrs)) {
		bad_file("not a message");
		return;
	}
	if (p < end)
		submission_data(pk.sub, p, (size_t)(end - p));
	if (j->end)
		submission_finish(pk.sub);
	pk.fd = j->fd;
	j->fd = -1;
	pk.state = j->end ? PK_COMMIT : PK_FEED;
	job_end(&pk.job);
}

/* False: wait. */
static bool read_done(void)
{
	struct piece *j;

	switch (job_poll(&pk.job)) {
	case JOB_WAIT:
		return false;
	case JOB_DONE:
		break;
	default:
		file_over();
		return true;
	}
	j = pk.job.data;
	if (j->why != NULL) {
		if (j->why[0] != '\0')
			log_warn(NULL, "%s", j->why);
		file_over();
	} else if (pk.sub == NULL) {
		rights_who_start(&pk.who, &pk.task, j->uid);
		pk.state = PK_WHO;
	} else {
		piece_read(j);
	}
	return true;
}

/* Anybody may write into maildrop; who may submit is said by authorized_submit_users. */
static bool who_known(void)
{
	switch (job_poll(&pk.who)) {
	case JOB_WAIT:
		return false;
	case JOB_DONE:
		pk.user = rights_who_name(&pk.who);
		match_start(&pk.match, &pk.task, NULL, rights_list(RIGHT_SUBMIT), pk.user, NULL);
		pk.state = PK_ALLOWED;
		return true;
	default:
		file_over();			/* later */
		return true;
	}
}

static bool judged(void)
{
	struct piece *j = pk.job.data;
	char *why;

	switch (match_poll(&pk.match)) {
	case MATCH_WAIT:
		return false;
	case MATCH_YES:
		owner_forget();
		piece_read(j);
		return true;
	case MATCH_NO:
		why = xasprintf("User %s(%ld) is not allowed to %s", pk.user, (long)j->uid, rights_refusal(RIGHT_SUBMIT));
		owner_forget();
		bad_file(why);
		free(why);
		return true;
	default:
		file_over();
		return true;
	}
}

static bool feed(void)
{
	int status;

	switch (submission_poll(pk.sub)) {
	case SUBMISSION_WAIT:
		return false;
	case SUBMISSION_READY:
		if (pk.state == PK_COMMIT)
			return false;
		begin(JOB_READ, PK_READ);
		return true;
	case SUBMISSION_QUEUED:
		submission_free(&pk.sub);
		begin(JOB_REMOVE, PK_REMOVE);
		return true;
	case SUBMISSION_REFUSED:
		break;
	}
	const char *why = submission_why(pk.sub, &status);

	if (status != 0) {
		bad_file(why);
	} else {			/* for now: it stays where it is */
		log_warn(NULL, "maildrop/%s: %s", pk.names.v[pk.next], why);
		file_over();
	}
	return true;
}

static bool names_read(void)
{
	struct piece *j;

	switch (job_poll(&pk.job)) {
	case JOB_WAIT:
		return false;
	case JOB_DONE:
		j = pk.job.data;
		strs_release(&pk.names);
		pk.names = j->names;
		j->names = (struct strs){ 0 };
		break;
	default:
		strs_release(&pk.names);
	}
	job_end(&pk.job);
	pk.more = false;
	pk.next = 0;
	if (pk.names.n > 0) {
		begin(JOB_READ, PK_READ);
	} else {
		pk.state = PK_IDLE;
		timer_start(&pk.timer, &pk.task, EVERY_MS);
	}
	return true;
}

static bool removed(void)
{
	struct piece *j;

	if (job_poll(&pk.job) == JOB_WAIT)
		return false;
	j = pk.job.data;
	if (j != NULL && j->why != NULL)
		log_warn(NULL, "%s", j->why);
	else
		pk.more = true;
	file_over();
	return true;
}

static void pickup_run(struct task *t)
{
	bool on = true;

	(void)t;
	while (on) {
		switch (pk.state) {
		case PK_IDLE:
			if (!timer_expired(&pk.timer))
				return;
			if (generation_current() == NULL) {
				timer_start(&pk.timer, &pk.task, STARTING_MS);
				return;
			}
			timer_end(&pk.timer);
			begin(JOB_NAMES, PK_NAMES);
			break;
		case PK_NAMES:
			on = names_read();
			break;
		case PK_READ:
			on = read_done();
			break;
		case PK_WHO:
			on = who_known();
			break;
		case PK_ALLOWED:
			on = judged();
			break;
		case PK_FEED:
		case PK_COMMIT:
			on = feed();
			break;
		case PK_REMOVE:
			on = removed();
			break;
		}
	}
}

void pickup_start(const char *queue_directory)
{
	pk.queue = xstrdup(queue_directory);
	pk.class_ = worker_class_new("pickup", 1, 4);
	task_init(&pk.task, "pickup", pickup_run);
	timer_start(&pk.timer, &pk.task, 0);
}

void pickup_stop(void)
{
	if (pk.queue == NULL)
		return;
	submission_free(&pk.sub);
	owner_forget();
	job_end(&pk.job);
	timer_end(&pk.timer);
	task_unlink(&pk.task);
	worker_class_free(&pk.class_);
	if (pk.fd >= 0)
		close(pk.fd);
	pk.fd = -1;
	strs_release(&pk.names);
	buf_release(&pk.head);
	free(pk.queue);
	pk.queue = NULL;
	pk.state = PK_IDLE;
}
