/* file.c - whole files, directories, descriptors. Everything here blocks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <postrider/file.h>

static void close_keep_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* Set once at start, before any thread reads. */
static int (*opener)(const char *path, bool append, int *err_r);

void file_set_opener(int (*fn)(const char *, bool, int *))
{
	opener = fn;
}

static int open_or_ask(const char *path, int flags, mode_t mode, bool append)
{
	int err = 0, fd = open(path, flags | O_CLOEXEC, mode);

	if (fd < 0 && (errno == EACCES || errno == EPERM) && opener != NULL) {
		fd = opener(path, append, &err);
		if (fd < 0)
			errno = err != 0 ? err : EACCES;
	}
	return fd;
}

int file_open_read(const char *path)
{
	return open_or_ask(path, O_RDONLY, 0, false);
}

int file_open_append(const char *path, mode_t mode)
{
	return open_or_ask(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode, true);
}

char *file_read(const char *path, size_t max, size_t *len_r)
{
	size_t cap = 4096, len = 0;
	struct stat st;
	char *text;
	int fd = file_open_read(path);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return NULL;
	}
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		cap = MIN((size_t)st.st_size, max) + 2;	/* room to see the end without growing */
	text = xmalloc(cap);
	for (;;) {
		ssize_t n;

		if (cap - len < 2) {
			cap += cap / 2;
			text = xrealloc(text, cap);
		}
		n = read(fd, text + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			len += (size_t)n;
			if (len <= max)
				continue;
			errno = EFBIG;
			n = -1;
		}
		if (n < 0) {
			free(text);
			close_keep_errno(fd);
			return NULL;
		}
		break;
	}
	close(fd);
	text[len] = '\0';
	if (len_r != NULL)
		*len_r = len;
	return text;
}

int file_fsync_dir(const char *dir)
{
	int rc, fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close_keep_errno(fd);
	return rc;
}

static int fsync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int rc;

	if (slash == NULL)
		return file_fsync_dir(".");
	dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	rc = file_fsync_dir(dir);
	free(dir);
	return rc;
}

int file_replace(const char *path, const void *p, size_t n, mode_t mode)
{
	char *tmp = xasprintf("%s.tmp.%ld", path, (long)getpid());
	int fd, saved, rc = -1;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd >= 0) {
		/* the umask must not decide who may read it */
		rc = fchmod(fd, mode) < 0 || file_write_full(fd, p, n) < 0 || fsync(fd) < 0 ? -1 : 0;
		saved = errno;
		if (close(fd) < 0 && rc == 0)
			rc = -1;
		else
			errno = saved;
		if (rc == 0)
			rc = rename(tmp, path);
		if (rc < 0) {
			saved = errno;
			unlink(tmp);
			errno = saved;
		} else {
			rc = fsync_parent(path);
		}
	}
	saved = errno;
	free(tmp);
	errno = saved;
	return rc;
}

int file_mkdirs(const char *path, mode_t mode)
{
	char *copy = xstrdup(path);
	struct stat st;
	int saved, rc = 0;

	for (char *p = copy + 1; rc == 0 && *copy != '\0'; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST) {
			saved = errno;		/* why it cannot be made, not that it is not there */
			if (stat(copy, &st) < 0) {
				errno = saved;
				rc = -1;
			}
		}
		*p = c;
		if (c == '\0')
			break;
	}
	if (rc == 0 && (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))) {
		errno = ENOTDIR;
		rc = -1;
	}
	saved = errno;
	free(copy);
	errno = saved;
	return rc;
}

ssize_t file_read_full(int fd, void *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int file_write_full(int fd, const void *p, size_t n)
{
	size_t put = 0;

	while (put < n) {
		ssize_t r = write(fd, (const char *)p + put, n - put);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		put += (size_t)r;
	}
	return 0;
}

bool file_on_nfs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == 0x6969UL;	/* NFS_SUPER_MAGIC */
}

int64_t file_mtime_us(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -1;
	return (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
}

void fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	ASSERT(flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

void fd_cloexec(int fd)
{
	ASSERT(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}
