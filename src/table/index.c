/* index.c - going through an LMDB file from its first record to its last, with LMDB. For commands: it waits.
 * The file is what Postfix's lmdb: type makes: one nameless database, keys and values with a NUL at their end (readers
 * accept both forms). It is never written in place (index_edit.c), so no reader needs a lock. */
#include <lmdb.h>

#include "room.h"

/* The text of a stored key or value, with or without NUL. */
static const char *text_of(struct buf *b, const MDB_val *v)
{
	buf_reset(b);
	buf_add(b, v->mv_data, strnlen(v->mv_data, v->mv_size));
	return buf_str(b);
}

const char *index_each(const struct index *x, table_each_fn *fn, void *arg)
{
	struct buf key = { 0 }, value = { 0 };
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	MDB_val k, v;
	MDB_dbi dbi;
	int e = mdb_env_create(&env);

	if (e == 0 && (e = mdb_env_open(env, index_path(x), MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0)) == 0 &&
	    (e = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)) == 0 && (e = mdb_dbi_open(txn, NULL, 0, &dbi)) == 0 &&
	    (e = mdb_cursor_open(txn, dbi, &cursor)) == 0)
		while ((e = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0 &&
		    fn(arg, text_of(&key, &k), text_of(&value, &v)))
			;
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	if (txn != NULL)
		mdb_txn_abort(txn);
	if (env != NULL)
		mdb_env_close(env);
	buf_release(&key);
	buf_release(&value);
	return e == 0 || e == MDB_NOTFOUND ? NULL : mdb_strerror(e);
}
