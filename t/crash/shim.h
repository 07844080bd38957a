/* shim.h - what the preloaded shims share: the next definition of a function, and which descriptors matter.
 * A descriptor matters when it was opened, through open() and its like, on a regular file under the directory
 * given to shim_watch(). Files that glibc opens itself (fopen) and descriptors that were inherited do not.
 * Each shim is one object of its own, therefore everything is static. */
#ifndef CRASH_SHIM_H
#define CRASH_SHIM_H
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHIM_FDS = 65536, SHIM_FILES = 64 };

/* NEXT(write)(fd, p, n): the definition behind ours, looked up once. */
#define NEXT(name) ({									\
	static __typeof__(&name) next_;							\
	if (next_ == NULL)								\
		next_ = (__typeof__(&name))shim_next(#name);				\
	next_; })

static void *shim_next(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL) {
		dprintf(2, "shim: %s: no such function\n", name);
		_exit(126);
	}
	return p;
}

struct shim_file {
	char	 path[256];		/* below the directory */
	dev_t	 dev;
	ino_t	 ino;
};
static char shim_dir[PATH_MAX];		/* with symbolic links resolved; "" until known: it may not exist yet */
static char shim_asked[PATH_MAX];
static struct shim_file shim_file[SHIM_FILES];
static int shim_files;
static unsigned char shim_fd[SHIM_FDS];	/* 0, or file number + 1 */
static unsigned char shim_dsync[SHIM_FDS];
static pthread_mutex_t shim_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((unused))
static void shim_watch(const char *dir)
{
	snprintf(shim_asked, sizeof(shim_asked), "%s", dir);
}

static int shim_file_number(const char *path, const struct stat *st)
{
	int i;

	for (i = 0; i < shim_files; i++)
		if (shim_file[i].dev == st->st_dev && shim_file[i].ino == st->st_ino)
			break;
	if (i == SHIM_FILES)
		return -1;
	snprintf(shim_file[i].path, sizeof(shim_file[i].path), "%s", path);	/* it may have been renamed */
	shim_file[i].dev = st->st_dev;
	shim_file[i].ino = st->st_ino;
	if (i == shim_files)
		shim_files++;
	return i;
}

/* After an open: the file's number, -1 when it is none of ours. */
__attribute__((unused))
static int shim_opened(int fd, int flags)
{
	char proc[64], path[PATH_MAX];
	struct stat st;
	int saved = errno, n = -1;
	ssize_t len;
	size_t dir;

	if (fd < 0 || fd >= SHIM_FDS || shim_asked[0] == '\0')
		return -1;
	pthread_mutex_lock(&shim_lock);
	shim_fd[fd] = shim_dsync[fd] = 0;
	if (shim_dir[0] == '\0' && realpath(shim_asked, shim_dir) == NULL)
		shim_dir[0] = '\0';
	dir = strlen(shim_dir);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (dir > 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (len = readlink(proc, path, sizeof(path) - 1)) > 0) {
		path[len] = '\0';
		if (strncmp(path, shim_dir, dir) == 0 && path[dir] == '/')
			n = shim_file_number(path + dir + 1, &st);
	}
	if (n >= 0) {
		shim_fd[fd] = (unsigned char)(n + 1);
		shim_dsync[fd] = (flags & (O_DSYNC | O_SYNC)) != 0;
	}
	pthread_mutex_unlock(&shim_lock);
	errno = saved;
	return n;
}

/* The number of the file that fd stands for, -1: none of ours. Checked anew, for a descriptor can change hands unseen. */
__attribute__((unused))
static int shim_which(int fd)
{
	struct shim_file *f;
	struct stat st;
	int saved = errno;

	if (fd < 0 || fd >= SHIM_FDS || shim_fd[fd] == 0)
		return -1;
	f = &shim_file[shim_fd[fd] - 1];
	if (fstat(fd, &st) < 0 || st.st_dev != f->dev || st.st_ino != f->ino)
		shim_fd[fd] = 0;
	errno = saved;
	return shim_fd[fd] - 1;
}

__attribute__((unused))
static void shim_closed(int fd)
{
	if (fd >= 0 && fd < SHIM_FDS)
		shim_fd[fd] = shim_dsync[fd] = 0;
}

__attribute__((unused))
static void shim_copied(int from, int to)
{
	if (from >= 0 && to >= 0 && from < SHIM_FDS && to < SHIM_FDS) {
		shim_fd[to] = shim_fd[from];
		shim_dsync[to] = shim_dsync[from];
	}
}

/* ---- opening and closing are the same in all shims ------------------------------------------------ */

static void shim_saw_open(int fd, int flags);	/* the shim's own */

#define SHIM_OPEN(name)									\
int name(const char *path, int flags, ...)						\
{											\
	mode_t mode = 0;								\
	va_list ap;									\
	int fd;										\
											\
	if ((flags & (O_CREAT | __O_TMPFILE)) != 0) {					\
		va_start(ap, flags);							\
		mode = va_arg(ap, mode_t);						\
		va_end(ap);								\
	}										\
	if ((fd = NEXT(name)(path, flags, mode)) >= 0)					\
		shim_saw_open(fd, flags);						\
	return fd;									\
}
#define SHIM_OPENAT(name)								\
int name(int at, const char *path, int flags, ...)					\
{											\
	mode_t mode = 0;								\
	va_list ap;									\
	int fd;										\
											\
	if ((flags & (O_CREAT | __O_TMPFILE)) != 0) {					\
		va_start(ap, flags);							\
		mode = va_arg(ap, mode_t);						\
		va_end(ap);								\
	}										\
	if ((fd = NEXT(name)(at, path, flags, mode)) >= 0)				\
		shim_saw_open(fd, flags);						\
	return fd;									\
}
int	__open_2(const char *path, int flags);
int	__open64_2(const char *path, int flags);

SHIM_OPEN(open)
SHIM_OPEN(open64)
SHIM_OPENAT(openat)
SHIM_OPENAT(openat64)

int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
	return open64(path, flags);
}

int close(int fd)
{
	shim_closed(fd);
	return NEXT(close)(fd);
}

int dup(int fd)
{
	int to = NEXT(dup)(fd);

	shim_copied(fd, to);
	return to;
}

int dup2(int fd, int to)
{
	int got = NEXT(dup2)(fd, to);

	shim_copied(fd, got);
	return got;
}

int dup3(int fd, int to, int flags)
{
	int got = NEXT(dup3)(fd, to, flags);

	shim_copied(fd, got);
	return got;
}
#endif
