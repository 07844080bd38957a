/* fault.c - preloaded: makes writes and barriers of a directory's files fail, full or slow, at the test's word.
 *
 *	LD_PRELOAD=fault.so POSTRIDER_FAULT=CONTROL [POSTRIDER_FAULT_DIR=DIRECTORY] program
 *
 * CONTROL is a file laid out as in fault.h; it is opened at start, so later changes of root and user do not matter. Without a
 * directory every regular file counts: so Postfix gets its slow disk, by import_environment, wherever its queue is.
 * A failed sync here is kinder than Linux': the pages reach the disk nevertheless. What a store must survive when they do not is
 * powercut's to say, from a log recorded with both shims (record.so first, for it must see what fault.so answers).
 *
 * The slow disk needs no lock, hence survives any kill: each barrier takes the next slot of time, then sleeps until its end. */
#include "shim.h"
#include "fault.h"
#include <sys/statvfs.h>
#include <time.h>

static struct fault *fault;
static bool everywhere;		/* no directory: all regular files */

static void shim_saw_open(int fd, int flags)
{
	if (fault != NULL && !everywhere)
		shim_opened(fd, flags);
	else if (fd >= 0 && fd < SHIM_FDS)
		shim_dsync[fd] = (flags & (O_DSYNC | O_SYNC)) != 0;
}

__attribute__((constructor))
static void start(void)
{
	const char *path = getenv("POSTRIDER_FAULT"), *dir = getenv("POSTRIDER_FAULT_DIR");
	void *p;
	int fd;

	if (path == NULL)
		return;
	fd = NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, FAULT_FILE) < 0 ||
	    (p = mmap(NULL, FAULT_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
		dprintf(2, "fault: %s: %s\n", path, strerror(errno));
		_exit(126);
	}
	NEXT(close)(fd);
	if (dir != NULL)
		shim_watch(dir);
	everywhere = dir == NULL;
	fault = p;
}

static bool ours(int fd)
{
	struct stat st;
	int saved = errno;
	bool is;

	if (fault == NULL)
		return false;
	if (!everywhere)
		return shim_which(fd) >= 0;
	is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	errno = saved;
	return is;
}

/* ---- the slow disk ------------------------------------------------------------------------------ */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void barrier(void)
{
	int64_t delay = fault->delay_us, idle, end;
	struct timespec ts;

	fault->barriers++;
	if (delay <= 0)
		return;
	idle = fault->busy_until_us;
	do {
		end = now_us();
		end = (idle > end ? idle : end) + delay;
	} while (!atomic_compare_exchange_weak(&fault->busy_until_us, &idle, end));
	ts = (struct timespec){ .tv_sec = end / 1000000, .tv_nsec = end % 1000000 * 1000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		continue;
}

/* ---- failures ----------------------------------------------------------------------------------- */

/* The errno this call fails with, 0: none. */
static int strike(fault_t *which)
{
	int64_t n = *which, left;
	uint64_t x;

	if (n == 0)
		return 0;
	if (fault->skip > 0 && atomic_fetch_sub(&fault->skip, 1) > 0)
		return 0;
	if (fault->one_in > 1) {
		x = (uint64_t)atomic_fetch_add(&fault->seed, INT64_C(0x1e3779b97f4a7c15));
		x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
		if ((x ^ x >> 31) % (uint64_t)fault->one_in != 0)
			return 0;
	}
	for (left = fault->count; left > 0;)
		if (atomic_compare_exchange_weak(&fault->count, &left, left - 1))
			break;
	if (left == 0)
		return 0;
	fault->failures++;
	return (int)n;
}

/* Bytes of all watched files but this one. */
static int64_t others(int fd)
{
	struct stat st, mine;
	char path[PATH_MAX + sizeof(shim_file[0].path) + 1];
	int64_t sum = 0;
	int i;

	if (fd >= 0 && fstat(fd, &mine) < 0)
		return 0;
	for (i = 0; i < shim_files; i++) {
		snprintf(path, sizeof(path), "%.*s/%.*s", PATH_MAX - 1, shim_dir, (int)sizeof(shim_file[i].path) - 1, shim_file[i].path);
		if (stat(path, &st) == 0 && (fd < 0 || st.st_ino != mine.st_ino))
			sum += st.st_size;
	}
	return sum;
}

/* How many of n bytes at off find room. */
static int64_t room(int fd, int64_t off, int64_t n)
{
	int64_t limit = fault->fs_bytes;
	struct stat st;

	if (limit == 0 || fstat(fd, &st) < 0 || off + n <= st.st_size)
		return n;
	limit -= others(fd);
	if (limit < st.st_size)
		limit = st.st_size;
	return off + n <= limit ? n : off >= limit ? 0 : limit - off;
}

struct call {			/* one write, whatever its form */
	const struct iovec *v;
	int	 n;
	int64_t	 off;		/* -1: at the descriptor's place */
};

static ssize_t do_part(int fd, const struct call *c, int64_t bytes)
{
	char *all;
	int64_t at = 0, k;
	ssize_t got;
	int i;

	if ((all = malloc((size_t)bytes + 1)) == NULL)
		abort();
	for (i = 0; i < c->n && at < bytes; i++, at += k) {
		k = (int64_t)c->v[i].iov_len < bytes - at ? (int64_t)c->v[i].iov_len : bytes - at;
		memcpy(all + at, c->v[i].iov_base, (size_t)k);
	}
	got = c->off >= 0 ? NEXT(pwrite)(fd, all, (size_t)bytes, c->off) : NEXT(write)(fd, all, (size_t)bytes);
	free(all);
	return got;
}

/* True if the call is over: *got_r and errno are its outcome. */
static bool intercept(int fd, const struct call *c, ssize_t *got_r)
{
	int64_t bytes = 0, fits, off = c->off;
	bool dsync = fd >= 0 && fd < SHIM_FDS && shim_dsync[fd];
	int i, why;

	for (i = 0; i < c->n; i++)
		bytes += (int64_t)c->v[i].iov_len;
	if (dsync)
		barrier();
	else
		fault->writes++;
	if ((why = strike(dsync ? &fault->dsync_errno : &fault->write_errno)) != 0) {
		if (fault->landed != 0)
			*got_r = do_part(fd, c, fault->landed == 2 ? bytes / 2 : bytes);
		*got_r = -1;
		errno = why;
		return true;
	}
	if (everywhere || fault->fs_bytes == 0)
		return false;
	if (off < 0)
		off = lseek(fd, 0, SEEK_CUR);
	if ((fits = room(fd, off, bytes)) == bytes)
		return false;
	fault->failures++;
	errno = ENOSPC;
	*got_r = fits == 0 ? -1 : do_part(fd, c, fits);
	return true;
}

ssize_t write(int fd, const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct call c = { &v, 1, -1 };
	ssize_t got;

	return ours(fd) && intercept(fd, &c, &got) ? got : NEXT(write)(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	struct call c = { v, n, -1 };
	ssize_t got;

	return ours(fd) && intercept(fd, &c, &got) ? got : NEXT(writev)(fd, v, n);
}

#define FAULT_PWRITE(name, off_type)							\
ssize_t name(int fd, const void *p, size_t n, off_type off)				\
{											\
	struct iovec v = { (void *)(uintptr_t)p, n };					\
	struct call c = { &v, 1, off };							\
	ssize_t got;									\
											\
	return ours(fd) && intercept(fd, &c, &got) ? got : NEXT(name)(fd, p, n, off);	\
}
#define FAULT_PWRITEV(name, off_type)							\
ssize_t name(int fd, const struct iovec *v, int n, off_type off)			\
{											\
	struct call c = { v, n, off };							\
	ssize_t got;									\
											\
	return ours(fd) && intercept(fd, &c, &got) ? got : NEXT(name)(fd, v, n, off);	\
}
FAULT_PWRITE(pwrite, off_t)
FAULT_PWRITE(pwrite64, off64_t)
FAULT_PWRITEV(pwritev, off_t)
FAULT_PWRITEV(pwritev64, off64_t)

#define FAULT_SYNC(name)								\
int name(int fd)									\
{											\
	int why;									\
											\
	if (!ours(fd))									\
		return NEXT(name)(fd);							\
	barrier();									\
	if ((why = strike(&fault->sync_errno)) != 0) {					\
		errno = why;								\
		return -1;								\
	}										\
	return NEXT(name)(fd);								\
}
FAULT_SYNC(fsync)
FAULT_SYNC(fdatasync)

/* ---- the small file system ----------------------------------------------------------------------- */

static bool below_dir(const char *path)
{
	char real[PATH_MAX];
	size_t n = strlen(shim_dir);
	int saved = errno;
	bool is = fault != NULL && !everywhere && n > 0 && fault->fs_bytes != 0 && realpath(path, real) != NULL &&
	    strncmp(real, shim_dir, n) == 0 && (real[n] == '\0' || real[n] == '/');

	errno = saved;
	return is;
}

#define FAULT_STATVFS(name, type)							\
int name(const char *path, struct type *s)						\
{											\
	int rc = NEXT(name)(path, s);							\
	int64_t free_bytes;								\
											\
	if (rc != 0 || !below_dir(path))						\
		return rc;								\
	free_bytes = fault->fs_bytes - others(-1);					\
	s->f_blocks = (uint64_t)fault->fs_bytes / s->f_frsize;				\
	s->f_bfree = s->f_bavail = free_bytes < 0 ? 0 : (uint64_t)free_bytes / s->f_frsize;	\
	return rc;									\
}
FAULT_STATVFS(statvfs, statvfs)
FAULT_STATVFS(statvfs64, statvfs64)
