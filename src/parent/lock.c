/* lock.c - who owns a queue directory, and what must be in it.
 * The lock is flock(2) on pid/master.pid, the file and the kind of lock that Postfix's master uses, so that
 * neither starts on a queue the other one runs on. The number inside is for people. */
#include <postrider/parent.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int lock_open(const char *queue_directory, int flags)
{
	char *path = xasprintf("%s/pid/master.pid", queue_directory);
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);

	free(path);
	return fd;
}

static pid_t lock_read(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int64_t pid;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return str_to_int(str_trim(text), 1, INT32_MAX, &pid) ? (pid_t)pid : 0;
}

int queue_lock(const char *queue_directory, pid_t *owner_r, int *err_r)
{
	char *dir = xasprintf("%s/pid", queue_directory), text[16];
	int fd, n;

	*owner_r = 0;
	*err_r = 0;
	if (file_mkdirs(dir, 0755) < 0 || (fd = lock_open(queue_directory, O_RDWR | O_CREAT)) < 0) {
		*err_r = errno;
		free(dir);
		return -1;
	}
	free(dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		*err_r = errno == EWOULDBLOCK ? 0 : errno;
		*owner_r = lock_read(fd);
		close(fd);
		return -1;
	}
	n = snprintf(text, sizeof(text), "%10ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		*err_r = errno;
		close(fd);
		return -1;
	}
	return fd;
}

char *queue_lock_reason(const char *queue_directory, pid_t owner, int err)
{
	if (err != 0)
		return xasprintf("lock %s/pid/master.pid: %s", queue_directory, strerror(err));
	if (owner == 0)
		return xasprintf("the mail system is already running on %s", queue_directory);
	return xasprintf("the mail system is already running on %s: process %ld", queue_directory, (long)owner);
}

pid_t queue_lock_holder(const char *queue_directory)
{
	int fd = lock_open(queue_directory, O_RDONLY);
	pid_t pid = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		pid = errno == EWOULDBLOCK ? MAX(lock_read(fd), 1) : -1;
	close(fd);
	return pid;
}

/* Created with the mode, or given at least the bits that callers need (a Postfix queue has narrower ones
 * for its set-gid programs, which are not used here: DESIGN §8). */
static int one_directory(const char *base, const char *name, mode_t mode, uid_t uid, gid_t gid, bool root)
{
	char *path = name != NULL ? xasprintf("%s/%s", base, name) : xstrdup(base);
	struct stat st;
	int rc = 0;

	if (stat(path, &st) < 0) {
		rc = file_mkdirs(path, 0755);
		if (rc == 0 && root)
			rc = chown(path, uid, gid);
		if (rc == 0)
			rc = chmod(path, mode);
	} else if (root || st.st_uid == geteuid()) {
		if (root && st.st_uid != uid && uid != 0)
			rc = chown(path, uid, (gid_t)-1);
		if (rc == 0 && (st.st_mode & mode) != mode)
			rc = chmod(path, (st.st_mode & 07777) | mode);
	}
	free(path);
	return rc;
}

int make_queue_directories(const struct parent_plan *p, int *err_r)
{
	static const struct { const char *name; mode_t mode; } parts[] = {
		{ "postrider", 0700 }, { "public", 0755 }, { "private", 0700 }, { "maildrop", 01733 }, { "corrupt", 0700 },
	};
	bool root = geteuid() == 0;
	int rc = one_directory(p->queue_directory, NULL, 0755, 0, 0, root);

	for (size_t i = 0; i < NELEM(parts) && rc == 0; i++)
		rc = one_directory(p->queue_directory, parts[i].name, parts[i].mode, p->uid, p->gid, root);
	if (rc == 0 && p->data_directory != NULL)
		rc = one_directory(p->data_directory, NULL, 0700, p->uid, p->gid, root);
	*err_r = errno;
	return rc;
}
