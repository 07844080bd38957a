/* maildir.c - one message into one Maildir. Everything here blocks: it runs in worker threads, on data of
 * their own.
 *
 * A message is written and synced under tmp/, then renamed into new/, and new/ is synced; what is
 * reported as delivered survives a crash, and no reader ever sees part of a message. Names are Postfix's:
 * time, device and inode, microseconds, host. The path comes from a table, which strangers may feed: it is walked
 * below the base one component at a time, ".." is refused, and a symbolic link is followed only if root made it.
 * Missing directories are made, mode 0700, and synced into their parents. */
#include "room.h"
#include <errno.h>
#include <fcntl.h>
#include <postrider/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE_BUF = 65536 };

void maildir_init(struct maildir_file *f)
{
	*f = (struct maildir_file){ .fd = -1, .tmp = -1, .new_dir = -1 };
}

static void fail(struct maildir_file *f, const char *dsn, const char *what, const char *path)
{
	int error = errno;

	if (f->dsn[0] != '\0')
		return;
	/* The codes Postfix gives to these errors whatever was being done. */
	if (error == EAGAIN || error == ESTALE)
		dsn = "4.2.0";
	else if (error == ENOSPC)
		dsn = "4.3.0";
	else if (error == EDQUOT || error == EFBIG)
		dsn = "5.2.2";
	f->error = error;
	str_copy(f->dsn, dsn, sizeof(f->dsn));
	f->why = xasprintf("%s%s%s: %s", what, *path != '\0' ? " " : "", path, strerror(error));
}

/* ---- directories ------------------------------------------------------------------------------------------------ */
static int sync_dir(int fd)
{
	return fsync(fd) < 0 && errno != EINVAL && errno != EBADF ? -1 : 0;
}

/* A link that root made is the administrator's. */
static int open_link(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) && st.st_uid != 0) {
		errno = ELOOP;
		return -1;
	}
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Opens, or makes, one component. */
static int step_into(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ELOOP || errno == ENOTDIR)		/* a link is either, as systems go */
		return open_link(dir, name);
	if (errno != ENOENT)
		return -1;
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	if (sync_dir(dir) < 0)
		return -1;
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The descriptor of the directory at path below dir; dir is closed. */
static int walk(int dir, const char *path)
{
	char *copy = xstrdup(path), *cur = copy, *name;
	int error;

	while (dir >= 0 && (name = str_tok(&cur, "/")) != NULL) {
		int next;

		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			errno = EACCES;
			next = -1;
		} else {
			next = step_into(dir, name);
		}
		error = errno;
		close(dir);
		errno = error;
		dir = next;
	}
	error = errno;
	free(copy);
	errno = error;
	return dir;
}

/* The trusted part; made if it is missing. */
static int open_base(const char *base)
{
	int fd = open(*base != '\0' ? base : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT || file_mkdirs(base, 0700) < 0)
		return fd;
	return open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool open_dirs(struct maildir_file *f)
{
	int box = walk(open_base(f->base), f->dir), cur;

	if (box < 0)
		return false;
	f->tmp = step_into(box, "tmp");
	f->new_dir = f->tmp < 0 ? -1 : step_into(box, "new");
	cur = f->new_dir < 0 ? -1 : step_into(box, "cur");
	int error = errno;

	if (cur >= 0)
		close(cur);
	close(box);
	errno = error;
	return cur >= 0;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */
void maildir_open(struct maildir_file *f, const char *hostname)
{
	static _Thread_local unsigned serial;

	f->name = xasprintf("%lld.P%dT%lxQ%u.%s", (long long)(f->wall_us / 1000000), (int)getpid(),
	    (unsigned long)gettid(), ++serial, hostname);
	f->path = xasprintf("%s/%stmp/%s", f->base, f->dir, f->name);
	if (!open_dirs(f) ||
	    (f->fd = openat(f->tmp, f->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0) {
		fail(f, "4.2.0", "create maildir file", f->path);
		return;
	}
	maildir_write(f, f->head, strlen(f->head));
}

static void write_out(struct maildir_file *f, const char *p, size_t n)
{
	if (f->limit > 0 && f->size + (int64_t)n > f->limit) {
		errno = EFBIG;
		fail(f, "5.3.0", "error writing message", "");
		return;
	}
	f->size += (int64_t)n;
	while (n > 0) {
		ssize_t w = write(f->fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			fail(f, "5.3.0", "error writing message", "");
			return;
		}
		p += w;
		n -= (size_t)w;
	}
}

void maildir_write(struct maildir_file *f, const char *p, size_t n)
{
	char out[WRITE_BUF];
	size_t len = 0;

	for (size_t i = 0; i < n && f->dsn[0] == '\0';) {
		const char *cr;
		size_t run;

		if (len + 2 > sizeof(out)) {
			write_out(f, out, len);
			len = 0;
		}
		if (f->cr && p[i] != '\n')
			out[len++] = '\r';	/* not of a line end */
		f->cr = false;
		cr = memchr(p + i, '\r', MIN(n - i, sizeof(out) - len));
		run = cr != NULL ? (size_t)(cr - (p + i)) : MIN(n - i, sizeof(out) - len);
		memcpy(out + len, p + i, run);
		len += run;
		i += run;
		if (cr != NULL) {
			f->cr = true;
			i++;
		}
	}
	if (len > 0 && f->dsn[0] == '\0')
		write_out(f, out, len);
}

void maildir_finish(struct maildir_file *f, const char *hostname)
{
	struct stat st;
	char *name;

	if (f->dsn[0] != '\0')
		return;
	if (f->cr)
		write_out(f, "\r", 1);
	if (f->dsn[0] != '\0')
		return;
	if (fstat(f->fd, &st) < 0 || fsync(f->fd) < 0 || close(f->fd) < 0) {
		f->fd = -1;
		fail(f, "5.3.0", "error writing message", "");
		return;
	}
	f->fd = -1;
	name = xasprintf("%lld.V%lxI%lxM%lld.%s", (long long)(f->wall_us / 1000000), (unsigned long)st.st_dev,
	    (unsigned long)st.st_ino, (long long)(f->wall_us % 1000000), hostname);
	if (renameat2(f->tmp, f->name, f->new_dir, name, RENAME_NOREPLACE) < 0 &&
	    (errno != EINVAL || linkat(f->tmp, f->name, f->new_dir, name, 0) < 0 || unlinkat(f->tmp, f->name, 0) < 0)) {
		char *path = xasprintf("%s/%snew/%s", f->base, f->dir, name);

		fail(f, "4.2.0", "create maildir file", path);
		free(path);
	} else {
		free(f->name);
		f->name = NULL;
		if (sync_dir(f->new_dir) < 0)
			fail(f, "4.2.0", "sync maildir", f->dir);
	}
	free(name);
}

void maildir_close(struct maildir_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->name != NULL && f->tmp >= 0)
		unlinkat(f->tmp, f->name, 0);
	if (f->tmp >= 0)
		close(f->tmp);
	if (f->new_dir >= 0)
		close(f->new_dir);
	f->fd = f->tmp = f->new_dir = -1;
}

void maildir_release(struct maildir_file *f)
{
	free(f->base);
	free(f->dir);
	free(f->head);
	free(f->why);
	free(f->name);
	free(f->path);
	maildir_init(f);
}
