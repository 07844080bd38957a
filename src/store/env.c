/* env.c - the LMDB environment: opening, schema, what meta remembers, space.
 *
 * Durable sync only: neither NOSYNC nor NOMETASYNC nor WRITEMAP, for a commit whose meta page reaches the disk before
 * its data takes the whole queue with it. NOTLS, because readers are pooled and not bound to threads; NORDAHEAD,
 * because rows are asked for one by one. Slots of readers that were killed are cleared at open: they would pin pages.
 *
 * LMDB makes a new file's first pages without a barrier: after a power cut it may find a file that is none of its
 * own and refuse it for ever. So the file gets its name when it is whole and on the disk. And what is found at open is
 * put on the disk before it is built upon (db_sync_found()): after a meta page that could not be written the cache shows one
 * and the disk perhaps another, older or newer, whose pages the next transactions would overwrite.
 *
 * Counts are exact without counting: messages is the number of rows of its table, deferred and hold ride in meta
 * and are written only by transactions that change them, so in-and-out mail pays nothing for them. */
#include "db.h"
#include <postrider/file.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *const table_names[TABLES] = {
	"message", "sched", "recipient", "content", "due", "site", "draft", "meta"
};
enum { MAP_LEAST = 1 << 20 };

static char *why_not(const char *dir, const char *what, int rc)
{
	return xasprintf("%s: %s: %s", dir, what, mdb_strerror(rc));
}

static int meta_get(struct db *db, MDB_txn *t, const char *name, void *p, size_t n)
{
	MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v;
	int rc = mdb_get(t, db->dbi[T_META], &k, &v);

	if (rc != 0)
		return rc;
	if (v.mv_size < n)
		return MDB_CORRUPTED;
	memcpy(p, v.mv_data, n);
	return 0;
}

int db_meta_put(struct db *db, MDB_txn *t, const char *name, const void *p, size_t n)
{
	MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v = { n, (void *)(uintptr_t)p };

	return mdb_put(t, db->dbi[T_META], &k, &v, 0);
}

static int schema_check(struct db *db, MDB_txn *t, bool create, char **why_r)
{
	unsigned char p[8];
	int rc;

	rc = meta_get(db, t, "schema", p, 4);
	if (rc == MDB_NOTFOUND && create) {
		be32(p, STORE_SCHEMA);
		return db_meta_put(db, t, "schema", p, 4);
	}
	if (rc == 0 && get_be32(p) != STORE_SCHEMA) {
		*why_r = xasprintf("%s: the queue has schema %u, this program knows %d", db->dir, get_be32(p), STORE_SCHEMA);
		return MDB_INCOMPATIBLE;
	}
	return rc;
}

/* Highest id in a table whose keys begin with one. */
static int top_id(struct db *db, MDB_txn *t, enum table_id table, queue_id_t *id_r)
{
	MDB_cursor *c;
	MDB_val k, v;
	int rc = mdb_cursor_open(t, db->dbi[table], &c);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
	*id_r = rc == 0 && k.mv_size >= KEY_ID ? get_be64(k.mv_data) : 0;
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int read_state(struct db *db, MDB_txn *t)
{
	static const enum table_id by_id[] = { T_MESSAGE, T_RECIPIENT, T_CONTENT };
	unsigned char p[16] = { 0 };
	MDB_stat st;
	size_t i;
	int rc;

	if ((rc = meta_get(db, t, "counts", p, 16)) != 0 && rc != MDB_NOTFOUND)
		return rc;
	db->deferred = get_be64(p);
	db->hold = get_be64(p + 8);
	memset(p, 0, sizeof(p));
	if ((rc = meta_get(db, t, "last_id", p, 8)) != 0 && rc != MDB_NOTFOUND)
		return rc;
	db->id_limit = get_be64(p);
	for (i = 0; i < NELEM(by_id); i++) {
		if ((rc = top_id(db, t, by_id[i], &db->top[by_id[i]])) != 0)
			return rc;
		db->id_limit = MAX(db->id_limit, db->top[by_id[i]]);
	}
	if ((rc = mdb_stat(t, db->dbi[T_MESSAGE], &st)) != 0)
		return rc;
	db->messages = st.ms_entries;
	return 0;
}

static char *open_tables(struct db *db)
{
	bool create = (db->how & DB_READ_ONLY) == 0;
	char *why = NULL;
	MDB_txn *t;
	int rc, i;

	if ((rc = mdb_txn_begin(db->env, NULL, create ? 0 : MDB_RDONLY, &t)) != 0)
		return why_not(db->dir, "begin", rc);
	for (i = 0; i < TABLES && rc == 0; i++)
		rc = mdb_dbi_open(t, table_names[i], create ? MDB_CREATE : 0, &db->dbi[i]);
	if (rc == 0)
		rc = schema_check(db, t, create, &why);
	if (rc == 0)
		rc = read_state(db, t);
	if (rc != 0) {
		mdb_txn_abort(t);
		return why != NULL ? why : why_not(db->dir, "tables", rc);
	}
	rc = mdb_txn_commit(t);
	return rc == 0 ? NULL : why_not(db->dir, "commit", rc);
}

/* Address space may be limited (ulimit -v, small containers): take less then. */
static int open_env(struct db *db)
{
	unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (db->how & DB_READ_ONLY ? MDB_RDONLY : 0);
	size_t map = db->map_bytes;
	int rc;

	for (;; map /= 4) {
		if ((rc = mdb_env_create(&db->env)) != 0)
			return rc;
		mdb_env_set_mapsize(db->env, map);
		mdb_env_set_maxdbs(db->env, TABLES);
		mdb_env_set_maxreaders(db->env, 64);
		rc = mdb_env_open(db->env, db->dir, flags, 0600);
		if (rc == 0) {
			db->map_bytes = map;
			return 0;
		}
		mdb_env_close(db->env);
		db->env = NULL;
		if (rc != ENOMEM || map / 4 < (size_t)1 << 30)
			return rc;
	}
}

/* An empty environment under another name, then under its own. 0, or an error of LMDB's, which include errno's. */
static int make_file(const char *dir, const char *path)
{
	char *new = xasprintf("%s/data.new", dir), *lock = xasprintf("%s-lock", new);
	MDB_env *env = NULL;
	int rc;

	unlink(new);
	unlink(lock);
	if ((rc = mdb_env_create(&env)) == 0 && (rc = mdb_env_open(env, new, MDB_NOSUBDIR, 0600)) == 0)
		rc = mdb_env_sync(env, 1);
	mdb_env_close(env);
	unlink(lock);
	if (rc == 0 && (rename(new, path) < 0 || file_fsync_dir(dir) < 0))
		rc = errno;
	free(new);
	free(lock);
	return rc;
}

/* The directory and the file in it, if there are none yet. */
static char *create(const char *dir)
{
	char *path = xasprintf("%s/data.mdb", dir), *above = xasprintf("%s/..", dir), *why = NULL;
	int rc;

	if (mkdir(dir, 0700) < 0 ? errno != EEXIST : file_fsync_dir(above) < 0)
		why = xasprintf("%s: %s", dir, strerror(errno));
	else if (access(path, F_OK) < 0 && errno == ENOENT && !file_on_nfs(dir) && (rc = make_file(dir, path)) != 0)
		why = why_not(dir, "cannot make the queue", rc);
	free(path);
	free(above);
	return why;
}

char *db_open(struct db *db, const char *dir, int64_t map_bytes, unsigned how)
{
	MDB_envinfo info;
	MDB_stat st;
	char *why;
	int rc, dead;

	if ((how & DB_CREATE) != 0 && (why = create(dir)) != NULL)
		return why;
	if (file_on_nfs(dir))
		return xasprintf("%s: the queue cannot be on NFS: neither locks nor memory maps are safe there", dir);
	*db = (struct db){ .dir = xstrdup(dir), .map_bytes = (size_t)MAX(map_bytes, MAP_LEAST), .how = how };
	if ((rc = open_env(db)) != 0) {
		why = why_not(dir, "cannot open the queue", rc);
		db_close(db);
		return why;
	}
	mdb_reader_check(db->env, &dead);
	mdb_env_stat(db->env, &st);
	mdb_env_info(db->env, &info);
	db->psize = st.ms_psize;
	db->map_bytes = info.me_mapsize;
	if ((why = open_tables(db)) != NULL)
		db_close(db);
	return why;
}

/* A write that failed is not made good by a later sync: Linux takes the page for clean. So the meta pages, the only ones
 * of a transaction that is found for which this may be so, are written once more as they were found; with the writer's
 * lock, for a command may be at work on the queue while the server starts. */
static int meta_again(struct db *db)
{
	size_t n = 2 * db->psize;
	char *pages = xmalloc(n);
	int fd, rc = mdb_env_get_fd(db->env, &fd);

	if (rc == 0) {
		ssize_t got = pread(fd, pages, n, 0);

		if (got == (ssize_t)n)
			got = pwrite(fd, pages, n, 0);
		rc = got == (ssize_t)n ? 0 : got < 0 ? errno : EIO;
	}
	free(pages);
	return rc;
}

int db_sync_found(struct db *db)
{
	int rc = 0;

	if (!db->synced && (rc = meta_again(db)) == 0)
		rc = mdb_env_sync(db->env, 1);
	db->synced = rc == 0;
	return rc;
}

void db_close(struct db *db)
{
	if (db->env != NULL)
		mdb_env_close(db->env);
	db->env = NULL;
	free(db->dir);
	db->dir = NULL;
}

int db_draft_ids(struct db *db, struct idlist *out)
{
	MDB_cursor *c;
	MDB_txn *t;
	MDB_val k, v;
	int rc;

	if ((rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &t)) != 0)
		return rc;
	if ((rc = mdb_cursor_open(t, db->dbi[T_DRAFT], &c)) == 0) {
		while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0)
			if (k.mv_size == KEY_ID)
				idlist_add(out, get_be64(k.mv_data));
		mdb_cursor_close(c);
	}
	mdb_txn_abort(t);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int db_room(struct db *db, MDB_txn *t, struct db_room *r)
{
	size_t pages = 2;			/* the meta pages */
	struct statvfs vfs;
	MDB_envinfo info;
	MDB_stat st;
	int i, rc;

	for (i = -2; i < TABLES; i++) {		/* LMDB's own: 0 free list, 1 names of tables */
		if ((rc = mdb_stat(t, i < 0 ? (MDB_dbi)(i + 2) : db->dbi[i], &st)) != 0)
			return rc;
		pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
		if (i == T_RECIPIENT)
			r->recipients = (int64_t)st.ms_entries;
	}
	if ((rc = mdb_env_info(db->env, &info)) != 0)
		return rc;
	if (statvfs(db->dir, &vfs) < 0)
		return errno;
	r->used = (int64_t)(pages * db->psize);
	r->free_pages = (int64_t)((info.me_last_pgno + 1) * db->psize) - r->used;
	r->free_pages = MAX(r->free_pages, 0);
	r->map_left = (int64_t)(db->map_bytes - (info.me_last_pgno + 1) * db->psize);
	r->fs_free = (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
	r->fs_total = (int64_t)vfs.f_blocks * (int64_t)vfs.f_frsize;
	return 0;
}

int64_t db_room_left(const struct db_room *r)
{
	return r->free_pages + MIN(r->fs_free, r->map_left);
}
