/* index.c - LMDB files as indexed tables: read without locks.
 * The file is what Postfix's lmdb: type makes: one nameless database, keys and values
 * with a NUL at their end (readers accept both forms). It is never written in place (index_edit.c), so no
 * reader needs a lock. Reading happens on the loop: the file has been read through once by
 * the worker that opened it, so its pages are in memory. */
#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include "room.h"

enum { WARM_MAX_MIB = 1024, KEY_MAX = 511 };

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

struct index *index_open(const char *path, bool warmed, char **why_r)
{
	struct index *x = xcalloc(1, sizeof(*x));
	int e;

	if (warmed)
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

/* The text of a stored key or value, with or without NUL. */
static const char *text_of(struct buf *b, const MDB_val *v)
{
	buf_reset(b);
	buf_add(b, v->mv_data, strnlen(v->mv_data, v->mv_size));
	return buf_str(b);
}

const char *index_each(struct index *x, table_each_fn *fn, void *arg)
{
	struct buf key = { 0 }, value = { 0 };
	MDB_cursor *cursor = NULL;
	MDB_val k, v;
	int e = mdb_txn_renew(x->txn);

	if (e == 0 && (e = mdb_cursor_open(x->txn, x->dbi, &cursor)) == 0)
		while ((e = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0 &&
		    fn(arg, text_of(&key, &k), text_of(&value, &v)))
			;
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	mdb_txn_reset(x->txn);
	buf_release(&key);
	buf_release(&value);
	return e == 0 || e == MDB_NOTFOUND ? NULL : mdb_strerror(e);
}
