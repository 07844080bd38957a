/* index.c - LMDB files as indexed tables: made in one go, read without locks.
 * The file is what Postfix's lmdb: type makes: one nameless database, keys and values
 * with a NUL at their end (readers accept both forms). It is written under another name, synced and renamed, so
 * a reader sees the old or the new one, whole. Reading happens on the loop: the
 * file has been read through once by the worker that opened it, so its pages are in memory. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <postrider/file.h>

#include "room.h"

enum { BATCH = 20000, WARM_MAX_MIB = 1024, KEY_MAX = 511 };

struct index {
	MDB_env		*env;
	MDB_txn		*txn;		/* reset between look-ups */
	MDB_dbi		 dbi;
};

/* ---- reading ------------------------------------------------------------------------------------- */

/* Brings the file into the page cache. */
static void warm(const char *path)
{
	static const size_t size = 1 << 20;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *chunk;

	if (fd < 0)
		return;
	chunk = xmalloc(size);
	for (int i = 0; i < WARM_MAX_MIB && read(fd, chunk, size) > 0; i++)
		;
	free(chunk);
	close(fd);
}

void index_close(struct index *x)
{
	if (x->txn != NULL)
		mdb_txn_abort(x->txn);
	if (x->env != NULL)
		mdb_env_close(x->env);
	free(x);
}

struct index *index_open(const char *path, char **why_r)
{
	struct index *x = xcalloc(1, sizeof(*x));
	int e;

	warm(path);
	if ((e = mdb_env_create(&x->env)) != 0) {
		x->env = NULL;
	} else if ((e = mdb_env_open(x->env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0)) == 0 &&
	    (e = mdb_txn_begin(x->env, NULL, MDB_RDONLY, &x->txn)) == 0 && (e = mdb_dbi_open(x->txn, NULL, 0,
	    &x->dbi)) == 0) {
		mdb_txn_reset(x->txn);
		return x;
	}
	*why_r = xasprintf("open database %s: %s", path, mdb_strerror(e));
	index_close(x);
	return NULL;
}

static int get(struct index *x, const char *key, size_t n, MDB_val *value)
{
	MDB_val k = { n, (void *)(uintptr_t)key };

	return n > 0 && n <= KEY_MAX ? mdb_get(x->txn, x->dbi, &k, value) : MDB_NOTFOUND;
}

enum table_result index_get(struct index *x, const char *key, struct buf *value, const char **why_r)
{
	size_t n = strlen(key);
	MDB_val v;
	int e = mdb_txn_renew(x->txn);

	if (e == 0) {
		e = get(x, key, n + 1, &v);
		if (e == MDB_NOTFOUND)
			e = get(x, key, n, &v);
		if (e == 0) {
			buf_reset(value);
			buf_add(value, v.mv_data, strnlen(v.mv_data, v.mv_size));
		}
		mdb_txn_reset(x->txn);
	}
	if (e == 0)
		return TABLE_FOUND;
	*why_r = e != MDB_NOTFOUND ? mdb_strerror(e) : NULL;
	return e == MDB_NOTFOUND ? TABLE_NONE : TABLE_ERROR;
}

/* ---- making ---------------------------------------------------------------------------------------- */

struct writer {
	MDB_env		*env;
	MDB_txn		*txn;
	MDB_dbi		 dbi;
	unsigned	 pending;
};

static int writer_put(struct writer *w, const char *key, const char *value)
{
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key }, v = { strlen(value) + 1, (void *)(uintptr_t)value };
	int e = k.mv_size > KEY_MAX ? MDB_BAD_VALSIZE : mdb_put(w->txn, w->dbi, &k, &v, MDB_NOOVERWRITE);

	if (e == 0 && ++w->pending >= BATCH) {
		w->pending = 0;
		e = mdb_txn_commit(w->txn);
		w->txn = NULL;
		if (e == 0)
			e = mdb_txn_begin(w->env, NULL, 0, &w->txn);
	}
	return e;
}

static int write_records(struct writer *w, struct records *r)
{
	struct source *s = &r->source;
	int e = 0;

	while (e == 0 && records_next(r)) {
		e = writer_put(w, r->key, r->value);
		if (e == MDB_KEYEXIST || e == MDB_BAD_VALSIZE) {
			table_warn(s->env, s->path, s->line, e == MDB_KEYEXIST ? "%s: duplicate entry: \"%s\"" :
			    "%s: key is too long: \"%.100s\"", s->env->spec, r->written);
			e = 0;
		}
	}
	return e;
}

/* size: of the source text, for the map's size. */
static int write_file(const char *path, struct records *r, size_t size)
{
	struct writer w = { 0 };
	int e = mdb_env_create(&w.env);

	if (e != 0)
		return e;
	mdb_env_set_mapsize(w.env, size * 8 + (16u << 20));
	/* Not yet anybody's file: one sync at the end is enough. */
	if ((e = mdb_env_open(w.env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0644)) == 0 &&
	    (e = mdb_txn_begin(w.env, NULL, 0, &w.txn)) == 0 && (e = mdb_dbi_open(w.txn, NULL, MDB_CREATE,
	    &w.dbi)) == 0)
		e = write_records(&w, r);
	if (w.txn != NULL && e == 0) {
		e = mdb_txn_commit(w.txn);
		w.txn = NULL;
	}
	if (w.txn != NULL)
		mdb_txn_abort(w.txn);
	if (e == 0)
		e = mdb_env_sync(w.env, 1);
	mdb_env_close(w.env);
	return e;
}

char *index_make(const char *path, struct records *r)
{
	char *tmp = xasprintf("%s.tmp.%d", path, (int)getpid()), *dir = xstrdup(path), *slash = strrchr(dir, '/');
	char *why = NULL;
	int e;

	unlink(tmp);
	e = write_file(tmp, r, r->source.len);
	if (e != 0) {
		why = xasprintf("write %s: %s", tmp, mdb_strerror(e));
	} else if (rename(tmp, path) < 0) {
		why = xasprintf("rename %s to %s: %s", tmp, path, strerror(errno));
	} else {
		if (slash != NULL)
			*slash = '\0';
		if (file_fsync_dir(slash != NULL ? dir : ".") < 0)
			why = xasprintf("sync %s: %s", dir, strerror(errno));
	}
	if (why != NULL)
		unlink(tmp);
	free(tmp);
	free(dir);
	return why;
}
