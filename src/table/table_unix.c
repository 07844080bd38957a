/* table_unix.c - unix:passwd.byname and unix:group.byname.
 * The name service may be a directory far away, so it is asked in a worker class of its own; answers are
 * remembered for a few seconds, because one message asks for the same user several times. An entry
 * looks as in the file. Programs without a loop ask directly. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <postrider/clock.h>
#include <postrider/loop.h>

#include "room.h"

enum { FOUND_MS = 10 * 1000, NONE_MS = 2 * 1000, REMEMBERED_MAX = 10000, LIMIT_MS = 20 * 1000, ENTRY_MAX = 1 << 20 };

struct answer {
	enum table_result result;
	char		*text;
	int64_t		 until_ms;
};
struct names {
	bool		 groups;
	struct hash	 remembered;	/* key -> struct answer; used on the loop only */
};
struct question {		/* a job's data */
	bool		 groups;
	char		*key;
	enum table_result result;
	char		*text;		/* of an error: the reason */
};
struct wait {
	struct job_op	 job;
};

static struct worker_class *nss;

static void answer_free(void *p)
{
	struct answer *a = p;

	free(a->text);
	free(a);
}

static void question_free(void *p)
{
	struct question *q = p;

	free(q->key);
	free(q->text);
	free(q);
}

static char *user_text(const struct passwd *pw)
{
	return xasprintf("%s:%s:%ld:%ld:%s:%s:%s", pw->pw_name, pw->pw_passwd, (long)pw->pw_uid, (long)pw->pw_gid,
	    pw->pw_gecos,
	    pw->pw_dir, pw->pw_shell);
}

static char *group_text(const struct group *gr)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s:%s:%ld:", gr->gr_name, gr->gr_passwd, (long)gr->gr_gid);
	for (char **member = gr->gr_mem; *member != NULL; member++)
		buf_addf(&b, "%s%s", member > gr->gr_mem ? "," : "", *member);
	return buf_steal(&b);
}

/* Blocks. */
static void question_work(void *data)
{
	struct question *q = data;
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	size_t size = 1024;
	char *room = NULL;
	int e;

	do {
		size *= 4;
		room = xrealloc(room, size);
		e = q->groups ? getgrnam_r(q->key, &gr, room, size, &group) : getpwnam_r(q->key, &pw, room, size,
		    &user);
	} while (e == ERANGE && size < ENTRY_MAX);
	if (user != NULL)
		q->text = user_text(user);
	else if (group != NULL)
		q->text = group_text(group);
	if (q->text != NULL) {
		q->result = TABLE_FOUND;
	} else if (e == 0) {		/* any other is an error, as for Postfix: better later than bounced */
		q->result = TABLE_NONE;
	} else {
		q->result = TABLE_ERROR;
		q->text = xasprintf("cannot access UNIX %s database: %s", q->groups ? "group" : "password",
		    strerror(e));
	}
	free(room);
}

static struct question *question_new(const struct names *names, const char *key)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->groups = names->groups;
	q->key = xstrdup(key);
	return q;
}

static enum table_result give(struct table_op *op, enum table_result result, const char *text)
{
	buf_reset(&op->buf);
	if (text != NULL)
		buf_adds(&op->buf, text);
	if (result == TABLE_FOUND)
		op->value = buf_str(&op->buf);
	else if (result == TABLE_ERROR && text != NULL)
		op->why = buf_str(&op->buf);
	return result;
}

static void remember(struct names *names, const struct question *q)
{
	struct answer *a;

	if (q->result == TABLE_ERROR)
		return;
	if (names->remembered.n >= REMEMBERED_MAX)
		hash_release(&names->remembered, answer_free);
	a = xcalloc(1, sizeof(*a));
	a->result = q->result;
	a->text = xstrdup(q->text);
	a->until_ms = now_ms() + (q->result == TABLE_FOUND ? FOUND_MS : NONE_MS);
	if ((a = hash_set(&names->remembered, q->key, a)) != NULL)
		answer_free(a);
}

static void *unix_open(struct table_env *env, const char *name, char **why_r)
{
	struct names *names;

	if (strcmp(name, "passwd.byname") != 0 && strcmp(name, "group.byname") != 0) {
		*why_r = xasprintf("unknown table: %s", env->spec);
		return NULL;
	}
	names = xcalloc(1, sizeof(*names));
	names->groups = *name == 'g';
	return names;
}

static void unix_close(void *contents)
{
	struct names *names = contents;

	hash_release(&names->remembered, answer_free);
	free(names);
}

static enum table_result unix_lookup(void *contents, struct table_op *op, const char *key)
{
	struct names *names = contents;
	struct answer *a = hash_get(&names->remembered, key);
	struct wait *w;

	if (a != NULL && a->until_ms > now_ms())
		return give(op, a->result, a->text);
	if (!table_on_loop()) {
		struct question *q = question_new(names, key);
		enum table_result r;

		question_work(q);
		r = give(op, q->result, q->text);
		question_free(q);
		return r;
	}
	if (nss == NULL)
		nss = worker_class_new("nss", 4, 1000);
	w = op->state = xcalloc(1, sizeof(*w));
	job_start(&w->job, op->task, nss, question_work, question_new(names, key), question_free, LIMIT_MS);
	return TABLE_WAIT;
}

static enum table_result unix_poll(void *contents, struct table_op *op)
{
	struct wait *w = op->state;
	struct question *q;

	switch (job_poll(&w->job)) {
	case JOB_WAIT:
		return TABLE_WAIT;
	case JOB_DONE:
		q = w->job.data;
		remember(contents, q);
		return give(op, q->result, q->text);
	case JOB_BUSY:
		return give(op, TABLE_ERROR, "too many lookups in the system's name service are waiting");
	case JOB_TIMEOUT:
		break;
	}
	return give(op, TABLE_ERROR, "the system's name service does not answer");
}

static void unix_end(void *contents UNUSED, struct table_op *op)
{
	struct wait *w = op->state;

	if (w == NULL)
		return;
	job_end(&w->job);
	free(w);
}

void table_unix_release(void)
{
	if (nss != NULL)
		worker_class_free(&nss);
}

const struct table_class table_unix = {
	.abi = TABLE_ABI, .type = "unix", .open = unix_open, .close = unix_close, .lookup = unix_lookup,
	    .poll = unix_poll,
	.end = unix_end,
};
