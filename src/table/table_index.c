/* table_index.c - lmdb:, and hash: and btree: as other names for it.
 * FILE.lmdb is read if it is not older than FILE. If it is, or is not there, the source text counts:
 * a small one is kept in memory like texthash:, a large one is indexed into a file of our own below
 * data_directory, or kept in memory if that cannot be written. So nobody has to run postmap, and
 * who does gets what was mapped. A Berkeley DB file beside the source is not looked at. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <postrider/file.h>
#include <postrider/loop.h>

#include "room.h"

enum { SMALL = 1 << 20, LIMIT_MS = 20 * 1000 };

struct indexed {
	struct index	*index;
	void		*text;		/* of table_text.c, instead */
};

static void indexed_close(void *contents)
{
	struct indexed *x = contents;

	if (x->index != NULL)
		index_unref(x->index);
	if (x->text != NULL)
		table_texthash.close(x->text);
	free(x);
}

static enum table_result give(struct table_op *op, enum index_found f, const char *why)
{
	if (f == INDEX_FOUND) {
		op->value = buf_str(&op->buf);
		return TABLE_FOUND;
	}
	if (f == INDEX_ABSENT)
		return TABLE_NONE;
	buf_reset(&op->buf);
	buf_addf(&op->buf, "%s: %s", op->data->spec, why);
	op->why = op->buf.p;
	return TABLE_ERROR;
}

/* ---- a page that is not in memory: a worker reads it ------------------------------------------------------ */

struct question {		/* a job's data */
	struct index	*index;
	char		*key;
	struct buf	 value;
	enum index_found found;
	const char	*why;
};

static struct worker_class *disk;

static void question_work(void *data)
{
	struct question *q = data;

	q->found = index_get(q->index, q->key, true, &q->value, &q->why);
}

static void question_free(void *data)
{
	struct question *q = data;

	index_unref(q->index);
	free(q->key);
	buf_release(&q->value);
	free(q);
}

static enum table_result ask_disk(struct indexed *x, struct table_op *op, const char *key)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct job_op *job = op->state = xcalloc(1, sizeof(*job));

	if (disk == NULL)
		disk = worker_class_new("index", 4, 10000);
	q->index = index_ref(x->index);
	q->key = xstrdup(key);
	buf_reserve(&q->value, 512);	/* made here, where it is freed: an arena's lock is waited for */
	job_start(job, op->task, disk, question_work, q, question_free, LIMIT_MS);
	return TABLE_WAIT;
}

static enum table_result indexed_poll(void *contents UNUSED, struct table_op *op)
{
	struct job_op *job = op->state;
	struct question *q;

	switch (job_poll(job)) {
	case JOB_WAIT:
		return TABLE_WAIT;
	case JOB_DONE:
		q = job->data;
		buf_reset(&op->buf);
		buf_adds(&op->buf, buf_str(&q->value));
		return give(op, q->found, q->why);
	case JOB_BUSY:
		return give(op, INDEX_ERROR, "too many lookups are waiting for the disk");
	case JOB_TIMEOUT:
		break;
	}
	return give(op, INDEX_ERROR, "the disk does not answer");
}

static void indexed_end(void *contents UNUSED, struct table_op *op)
{
	if (op->state != NULL)
		job_end(op->state);
	free(op->state);
}

void table_index_release(void)
{
	if (disk != NULL)
		worker_class_free(&disk);
}

static enum table_result indexed_lookup(void *contents, struct table_op *op, const char *key)
{
	struct indexed *x = contents;
	const char *why = NULL;
	enum index_found f;

	if (x->text != NULL)
		return table_texthash.lookup(x->text, op, key);
	f = index_get(x->index, key, !table_on_loop() || op->task == NULL, &op->buf, &why);
	return f == INDEX_MUST_WAIT ? ask_disk(x, op, key) : give(op, f, why);
}

static const char *indexed_each(void *contents, table_each_fn *fn, void *arg)
{
	struct indexed *x = contents;

	return x->text != NULL ? table_texthash.each(x->text, fn, arg) : index_each(x->index, fn, arg);
}

static char *make_own(const char *file, struct records *r, int64_t mtime_us)
{
	struct index_how how = { .text_bytes = r->source.len, .mode = 0600, .mtime_us = mtime_us };
	char *why = NULL;
	struct index_edit *x = index_edit_new(file, &how, &why);

	if (x == NULL)
		return why;
	if ((why = index_edit_records(x, r, r->source.env->spec, false, false)) != NULL) {
		index_edit_drop(&x);
		return why;
	}
	return index_edit_commit(&x);
}

/* What is below data_directory belongs to the server: a command run by root leaves it alone. */
static bool own_directory(const struct table_env *env)
{
	struct stat st;

	return (env->flags & TABLE_BRIEF) == 0 && stat(env->set->data_directory, &st) == 0 && st.st_uid == geteuid();
}

/* Our own index of the source, made if it is not up to date: it has the source's time, as what takes the source's place
 * may be older. Its name tells how its keys are folded. */
static struct index *own_index(struct table_env *env, const char *path, struct records *r, int64_t source_us)
{
	char *dir = xasprintf("%s/tables", env->set->data_directory), *file, *why = NULL;
	bool utf8 = (env->flags & TABLE_UTF8) != 0 && env->set->smtputf8;
	struct index *x = NULL;

	file = xasprintf("%s/%016llx%s%s%s.lmdb", dir, (unsigned long long)hash_stable(path, strlen(path)),
	    r->aliases ? "-a" : (env->flags & TABLE_FOLD) != 0 ? "" : "-c", utf8 ? "" : "-b",
	    (env->flags & TABLE_RHS_IS_FILE) != 0 ? "-f" : "");
	if (file_mtime_us(file) != source_us) {
		if (file_mkdirs(dir, 0700) < 0)
			why = xasprintf("create directory %s: %s", dir, strerror(errno));
		else
			why = make_own(file, r, source_us);
	}
	if (why == NULL)
		x = index_open(file, true, &why);
	if (why != NULL)
		table_warn(env, NULL, 0, "%s: not indexed, kept in memory: %s", env->spec, why);
	free(why);
	free(file);
	free(dir);
	return x;
}

static struct indexed *from_source(struct table_env *env, const char *path, int64_t source_us, char **why_r)
{
	struct records r = { .source = { .path = path, .env = env } };
	struct indexed *x;

	if ((*why_r = source_open_file(&r.source, "open database", path)) != NULL)
		return NULL;
	r.index = true;
	r.aliases = records_are_aliases(&r.source);
	x = xcalloc(1, sizeof(*x));
	if (r.source.len > SMALL && own_directory(env))
		x->index = own_index(env, path, &r, source_us);
	if (x->index == NULL) {
		r.source.pos = 0;
		r.source.lines = 0;
		x->text = text_new(&r);
	}
	records_close(&r);
	return x;
}

static void *open_as(struct table_env *env, const char *path, const char *suffix, char **why_r)
{
	char *file = xasprintf("%s.lmdb", path);
	int64_t index_us, source_us;
	struct indexed *x = NULL;
	struct index *index;
	struct stat st;
	int missing;

	env->suffix = strcmp(suffix, "db") == 0 ? ".db" : NULL;
	table_watch_file(env, file);
	table_watch_file(env, path);
	index_us = file_mtime_us(file);
	missing = errno;
	source_us = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? file_mtime_us(path) : -1;
	if (index_us < 0 && source_us < 0) {
		*why_r = xasprintf("open database %s.%s: %s", path, suffix, strerror(missing));
	} else if (index_us >= source_us) {
		if ((index = index_open(file, (env->flags & TABLE_BRIEF) == 0, why_r)) != NULL) {
			x = xcalloc(1, sizeof(*x));
			x->index = index;
		}
	} else {
		x = from_source(env, path, source_us, why_r);
	}
	free(file);
	return x;
}

static void *lmdb_open(struct table_env *env, const char *name, char **why_r)
{
	return open_as(env, name, "lmdb", why_r);
}

static void *hash_open(struct table_env *env, const char *name, char **why_r)
{
	return open_as(env, name, "db", why_r);
}

const struct table_class table_lmdb = {
	.abi = TABLE_ABI, .type = "lmdb", .open = lmdb_open, .close = indexed_close, .lookup = indexed_lookup,
	.poll = indexed_poll, .end = indexed_end, .each = indexed_each,
};
const struct table_class table_hash = {
	.abi = TABLE_ABI, .type = "hash", .open = hash_open, .close = indexed_close, .lookup = indexed_lookup,
	.poll = indexed_poll, .end = indexed_end, .each = indexed_each,
};
const struct table_class table_btree = {
	.abi = TABLE_ABI, .type = "btree", .open = hash_open, .close = indexed_close, .lookup = indexed_lookup,
	.poll = indexed_poll, .end = indexed_end, .each = indexed_each,
};
