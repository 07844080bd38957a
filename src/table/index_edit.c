/* index_edit.c - making and changing LMDB files as indexed tables.
 * A table is written under another name in the same directory, synced and renamed, so a reader sees the
 * old or the new one, whole, and needs no lock. A change works on a copy. Writers of the same table wait for
 * each other: the file that is to be replaced is locked, and looked at again once the lock is held, as it
 * may have been replaced meanwhile. A symbolic link is followed: what it points at is replaced.
 * The temporary file is new by O_EXCL, so nobody can put a link in its place. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <postrider/file.h>

#include "room.h"

enum { BATCH = 20000, KEY_MAX = 511, SPARE = 16 << 20 };

struct index_edit {
	char		*path, *tmp;
	bool		 no_nul;
	int64_t		 mtime_us;
	bool		 by_root;	/* the directory is not the owner's, the old file is */
	int		 lock_fd;	/* of the old file, -1: there is none */
	struct stat	 old;
	MDB_env		*env;
	MDB_txn		*txn;
	MDB_dbi		 dbi;
	unsigned	 pending;
	int		 error;
};

/* ---- files ------------------------------------------------------------------------------------------ */

/* The old file, locked. False with errno: it may not be written. */
static bool lock_old(struct index_edit *x)
{
	struct stat now;

	for (;;) {
		x->lock_fd = open(x->path, O_RDWR | O_CLOEXEC);
		if (x->lock_fd < 0)
			return errno == ENOENT;
		if (fstat(x->lock_fd, &x->old) < 0 || flock(x->lock_fd, LOCK_EX) < 0)
			return false;
		if (stat(x->path, &now) == 0 && now.st_dev == x->old.st_dev && now.st_ino == x->old.st_ino)
			return true;
		close(x->lock_fd);
	}
}

/* With root's rights, if this process has them in reserve: the program runs as the owner of the source. */
static bool become_root(uid_t *was_r)
{
	*was_r = geteuid();
	return *was_r != 0 && getuid() == 0 && seteuid(0) == 0;
}

static int open_tmp(struct index_edit *x, mode_t mode)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, fd;
	uid_t was;

	unlink(x->tmp);
	fd = open(x->tmp, flags, mode);
	if (fd < 0 && errno == EACCES && x->lock_fd >= 0 && become_root(&was)) {
		unlink(x->tmp);
		fd = open(x->tmp, flags, mode);
		x->by_root = fd >= 0;
		if (fd >= 0 && fchown(fd, x->old.st_uid, x->old.st_gid) < 0) {
			close(fd);
			fd = -1;
		}
		if (seteuid(was) < 0)
			fd = -1;
	}
	return fd;
}

/* As the old file is: owner, group and mode. */
static int dress(const struct index_edit *x, int fd)
{
	uid_t was;
	int e = 0;

	if (x->lock_fd < 0)
		return 0;
	if (x->old.st_uid != geteuid() || x->old.st_gid != getegid()) {
		bool root = become_root(&was);

		if (fchown(fd, x->old.st_uid, x->old.st_gid) < 0 && root)
			e = errno;
		if (root && seteuid(was) < 0)
			return errno;
	}
	return e != 0 ? e : fchmod(fd, x->old.st_mode & 07777) < 0 ? errno : 0;
}

static void move(bool by_root, const char *from, const char *to, int *err_r)
{
	uid_t was;
	bool root = by_root && become_root(&was);

	*err_r = (to != NULL ? rename(from, to) : unlink(from)) < 0 ? errno : 0;
	if (root && seteuid(was) < 0)
		*err_r = errno;
}

/* ---- the edit ----------------------------------------------------------------------------------------- */

static int copy_old(const struct index_edit *x, int fd)
{
	MDB_env *old = NULL;
	int e = mdb_env_create(&old);

	if (e == 0 && (e = mdb_env_open(old, x->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0)) == 0)
		e = mdb_env_copyfd2(old, fd, MDB_CP_COMPACT);
	if (old != NULL)
		mdb_env_close(old);
	return e;
}

static int begin(struct index_edit *x, size_t map_bytes)
{
	int e = mdb_env_create(&x->env);

	if (e != 0)
		return e;
	mdb_env_set_mapsize(x->env, map_bytes);
	/* Not yet anybody's file: one sync at the end is enough. */
	if ((e = mdb_env_open(x->env, x->tmp, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600)) != 0 ||
	    (e = mdb_txn_begin(x->env, NULL, 0, &x->txn)) != 0)
		return e;
	return mdb_dbi_open(x->txn, NULL, MDB_CREATE, &x->dbi);
}

struct index_edit *index_edit_new(const char *path, const struct index_how *how, char **why_r)
{
	static atomic_uint count;	/* two threads may make the same one */
	struct index_edit *x = xcalloc(1, sizeof(*x));
	char *real = realpath(path, NULL);
	size_t bytes;
	int fd, e;

	x->path = real != NULL ? real : xstrdup(path);
	x->tmp = xasprintf("%s.tmp.%d.%u", x->path, (int)getpid(), atomic_fetch_add(&count, 1));
	x->no_nul = how->no_nul;
	x->mtime_us = how->mtime_us;
	if (!lock_old(x) || (fd = open_tmp(x, how->mode)) < 0) {
		*why_r = xstrdup(strerror(errno));
		index_edit_drop(&x);
		return NULL;
	}
	e = how->update && x->lock_fd >= 0 && x->old.st_size > 0 ? copy_old(x, fd) : 0;
	bytes = (how->update && x->lock_fd >= 0 ? (size_t)x->old.st_size * 2 : 0) + how->text_bytes * 8 + SPARE;
	if (e == 0)
		e = begin(x, bytes);
	if (e == 0)
		e = dress(x, fd);
	close(fd);
	if (e == 0)
		return x;
	*why_r = xstrdup(mdb_strerror(e));
	index_edit_drop(&x);
	return NULL;
}

static enum index_edited failed(struct index_edit *x, int e)
{
	x->error = e;
	return INDEX_FAILED;
}

enum index_edited index_edit_put(struct index_edit *x, const char *key, const char *value, bool replace)
{
	size_t nul = x->no_nul ? 0 : 1;
	MDB_val k = { strlen(key) + nul, (void *)(uintptr_t)key }, v = { strlen(value) + nul, (void *)(uintptr_t)value };
	int e;

	if (x->error != 0)
		return INDEX_FAILED;
	if (k.mv_size == 0 || k.mv_size > KEY_MAX)
		return INDEX_TOO_LONG;
	e = mdb_put(x->txn, x->dbi, &k, &v, replace ? 0 : MDB_NOOVERWRITE);
	if (e == MDB_KEYEXIST)
		return INDEX_EXISTS;
	if (e == 0 && ++x->pending >= BATCH) {
		x->pending = 0;
		e = mdb_txn_commit(x->txn);
		x->txn = NULL;
		if (e == 0)
			e = mdb_txn_begin(x->env, NULL, 0, &x->txn);
	}
	return e == 0 ? INDEX_DONE : failed(x, e);
}

enum index_edited index_edit_del(struct index_edit *x, const char *key)
{
	size_t n = strlen(key);
	int e = MDB_NOTFOUND;

	for (size_t len = n + 1; e == MDB_NOTFOUND && len >= n && len > 0 && n < KEY_MAX; len--) {
		MDB_val k = { len, (void *)(uintptr_t)key };

		e = mdb_del(x->txn, x->dbi, &k, NULL);
	}
	return e == 0 ? INDEX_DONE : e == MDB_NOTFOUND ? INDEX_NONE : failed(x, e);
}

char *index_edit_why(const struct index_edit *x)
{
	return xasprintf("write %s: %s", x->tmp, mdb_strerror(x->error));
}

static char *sync_directory(const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/'), *why = NULL;

	if (slash != NULL)
		slash[slash == dir] = '\0';
	if (file_fsync_dir(slash != NULL ? dir : ".") < 0 && errno != EACCES)
		why = xasprintf("sync %s: %s", dir, strerror(errno));
	free(dir);
	return why;
}

/* The changes have been written: nothing sets the time any more. */
static int date_back(const struct index_edit *x)
{
	struct timespec t = { .tv_sec = x->mtime_us / 1000000, .tv_nsec = x->mtime_us % 1000000 * 1000 };

	return utimensat(AT_FDCWD, x->tmp, (struct timespec[]){ t, t }, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
}

char *index_edit_commit(struct index_edit **xp)
{
	struct index_edit *x = *xp;
	char *why = NULL;

	if (x->error == 0) {
		x->error = mdb_txn_commit(x->txn);
		x->txn = NULL;
	}
	if (x->error == 0)
		x->error = mdb_env_sync(x->env, 1);
	if (x->error == 0 && x->mtime_us != 0)
		x->error = date_back(x);
	if (x->error != 0) {
		why = index_edit_why(x);
	} else {
		move(x->by_root, x->tmp, x->path, &x->error);
		if (x->error != 0)
			why = xasprintf("rename %s to %s: %s", x->tmp, x->path, strerror(x->error));
		else
			why = sync_directory(x->path);
		if (x->error == 0) {
			free(x->tmp);
			x->tmp = NULL;
		}
	}
	index_edit_drop(xp);
	return why;
}

void index_edit_drop(struct index_edit **xp)
{
	struct index_edit *x = *xp;
	int e;

	*xp = NULL;
	if (x == NULL)
		return;
	if (x->txn != NULL)
		mdb_txn_abort(x->txn);
	if (x->env != NULL)
		mdb_env_close(x->env);
	if (x->tmp != NULL)
		move(x->by_root, x->tmp, NULL, &e);
	if (x->lock_fd >= 0)
		close(x->lock_fd);
	free(x->tmp);
	free(x->path);
	free(x);
}

char *index_edit_records(struct index_edit *x, struct records *r, const char *label, bool replace, bool quiet)
{
	struct source *s = &r->source;

	while (records_next(r)) {
		switch (index_edit_put(x, r->key, r->value, replace)) {
		case INDEX_EXISTS:
			if (!quiet)
				table_warn(s->env, s->path, s->line, "%s: duplicate entry: \"%s\"", label, r->key);
			break;
		case INDEX_TOO_LONG:
			table_warn(s->env, s->path, s->line, "%s, line %d: key is too long: \"%.100s...\"", s->path,
			    s->line, r->key);
			break;
		case INDEX_FAILED:
			return index_edit_why(x);
		default:
			break;
		}
	}
	return NULL;
}
