/* record.c - preloaded: records what is written to the files under a directory, and every barrier.
 *
 *	LD_PRELOAD=record.so POSTRIDER_RECORD=LOG POSTRIDER_RECORD_DIR=QUEUE/postrider [POSTRIDER_RECORD_MIB=8192] program
 *
 * powercut reads the log. A program adds its acknowledgements with record_note(), found by dlsym(); their place among the
 * records is what counts, so a note "accepted" comes before the client learns of it, and a note "may go" before the
 * removal is asked for. Costs a copy into a mapped file and no system call but one fstat. */
#include "shim.h"
#include "record.h"

void	record_note(const char *text);

static char *base;
static struct record_head *head;

static struct record *reserve(enum record_kind kind, size_t len)
{
	uint64_t size = (sizeof(struct record) + len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN, at;
	struct record *r;

	if (head == NULL)
		return NULL;
	at = atomic_fetch_add(&head->end, size);
	if (at + size > head->size)
		return NULL;
	r = (struct record *)(void *)(base + at);
	r->kind = (uint16_t)kind;
	r->size = (uint32_t)size;
	r->len = (uint32_t)len;
	r->pid = getpid();
	return r;
}

static uint64_t publish(struct record *r)
{
	if (r == NULL)
		return 0;
	atomic_store_explicit(&r->mark, RECORD_MARK, memory_order_release);
	return (uint64_t)((char *)r - base);
}

static uint64_t begin(enum record_kind kind, int file, int64_t off, int64_t len)
{
	struct record *r = reserve(kind, 0);

	if (r != NULL) {
		r->file = file;
		r->off = off;
		r->len = (uint32_t)len;
	}
	return publish(r);
}

static void end(uint64_t op, int64_t result)
{
	struct record *r = reserve(RECORD_END, 0);

	if (r != NULL) {
		r->op = op;
		r->result = result < 0 ? -errno : result;
	}
	publish(r);
}

static uint64_t begin_write(int fd, int file, int64_t off, const struct iovec *v, int n)
{
	struct record *r;
	size_t len = 0, at = 0;
	int i;

	for (i = 0; i < n; i++)
		len += v[i].iov_len;
	if ((r = reserve(RECORD_WRITE, len)) == NULL)
		return 0;
	for (i = 0; i < n; i++) {
		memcpy(r->data + at, v[i].iov_base, v[i].iov_len);
		at += v[i].iov_len;
	}
	r->file = file;
	r->off = off;
	r->flags = shim_dsync[fd] ? RECORD_DSYNC : 0;
	return publish(r);
}

static ssize_t end_write(int fd, uint64_t op, const struct iovec *v, int n, ssize_t got)
{
	ssize_t want = 0;
	int i;

	for (i = 0; i < n; i++)
		want += (ssize_t)v[i].iov_len;
	if (shim_dsync[fd] || got != want)
		end(op, got);
	return got;
}

/* Where write() and writev() go: LMDB seeks first. */
static int64_t position(int fd)
{
	struct stat st;

	if ((fcntl(fd, F_GETFL) & O_APPEND) != 0)
		return fstat(fd, &st) == 0 ? st.st_size : 0;
	return lseek(fd, 0, SEEK_CUR);
}

static void shim_saw_open(int fd, int flags)
{
	int file = shim_opened(fd, flags), saved = errno;
	struct record *r;

	if (file < 0)
		return;
	if ((r = reserve(RECORD_OPEN, strlen(shim_file[file].path))) != NULL) {
		memcpy(r->data, shim_file[file].path, r->len);
		r->file = file;
	}
	publish(r);
	if ((flags & O_TRUNC) != 0)
		begin(RECORD_TRUNCATE, file, 0, 0);
	errno = saved;
}

__attribute__((constructor))
static void start(void)
{
	const char *path = getenv("POSTRIDER_RECORD"), *dir = getenv("POSTRIDER_RECORD_DIR"), *mib = getenv("POSTRIDER_RECORD_MIB");
	uint64_t size = (uint64_t)(mib != NULL ? atoi(mib) : 8192) << 20, fresh = RECORD_HEAD;
	struct record_head *h;
	int fd;

	if (path == NULL || dir == NULL)
		return;
	/* For writing only: the server fetches all readable files it has mapped at start, and this one is large. */
	fd = NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    (h = mmap(NULL, size, PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
		dprintf(2, "record: %s: %s\n", path, strerror(errno));
		_exit(126);
	}
	NEXT(close)(fd);
	h->size = size;
	h->magic = RECORD_MAGIC;
	atomic_compare_exchange_strong(&h->end, &(uint64_t){ 0 }, fresh);
	base = (char *)h;
	shim_watch(dir);
	head = h;
}

void record_note(const char *text)
{
	struct record *r = reserve(RECORD_NOTE, strlen(text));

	if (r != NULL)
		memcpy(r->data, text, r->len);
	publish(r);
}

/* ---- writes ------------------------------------------------------------------------------------- */

ssize_t write(int fd, const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };
	int file = shim_which(fd);
	uint64_t op;

	if (file < 0)
		return NEXT(write)(fd, p, n);
	op = begin_write(fd, file, position(fd), &v, 1);
	return end_write(fd, op, &v, 1, NEXT(write)(fd, p, n));
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	int file = shim_which(fd);
	uint64_t op;

	if (file < 0)
		return NEXT(writev)(fd, v, n);
	op = begin_write(fd, file, position(fd), v, n);
	return end_write(fd, op, v, n, NEXT(writev)(fd, v, n));
}

#define RECORD_PWRITE(name, off_type)							\
ssize_t name(int fd, const void *p, size_t n, off_type off)				\
{											\
	struct iovec v = { (void *)(uintptr_t)p, n };					\
	int file = shim_which(fd);							\
	uint64_t op;									\
											\
	if (file < 0)									\
		return NEXT(name)(fd, p, n, off);					\
	op = begin_write(fd, file, off, &v, 1);						\
	return end_write(fd, op, &v, 1, NEXT(name)(fd, p, n, off));			\
}
#define RECORD_PWRITEV(name, off_type)							\
ssize_t name(int fd, const struct iovec *v, int n, off_type off)			\
{											\
	int file = shim_which(fd);							\
	uint64_t op;									\
											\
	if (file < 0)									\
		return NEXT(name)(fd, v, n, off);					\
	op = begin_write(fd, file, off, v, n);						\
	return end_write(fd, op, v, n, NEXT(name)(fd, v, n, off));			\
}
RECORD_PWRITE(pwrite, off_t)
RECORD_PWRITE(pwrite64, off64_t)
RECORD_PWRITEV(pwritev, off_t)
RECORD_PWRITEV(pwritev64, off64_t)

/* ---- size --------------------------------------------------------------------------------------- */

#define RECORD_TRUNCATES(name, off_type)						\
int name(int fd, off_type size)								\
{											\
	int file = shim_which(fd), rc;							\
	uint64_t op;									\
											\
	if (file < 0)									\
		return NEXT(name)(fd, size);						\
	op = begin(RECORD_TRUNCATE, file, size, 0);					\
	if ((rc = NEXT(name)(fd, size)) != 0)						\
		end(op, rc);								\
	return rc;									\
}
#define RECORD_ALLOCATES(name, off_type)						\
int name(int fd, int mode, off_type off, off_type len)					\
{											\
	int file = shim_which(fd), rc;							\
	uint64_t op;									\
											\
	if (file < 0)									\
		return NEXT(name)(fd, mode, off, len);					\
	op = begin(RECORD_ALLOCATE, file, off, len);					\
	if ((rc = NEXT(name)(fd, mode, off, len)) != 0)					\
		end(op, rc);								\
	return rc;									\
}
RECORD_TRUNCATES(ftruncate, off_t)
RECORD_TRUNCATES(ftruncate64, off64_t)
RECORD_ALLOCATES(fallocate, off_t)
RECORD_ALLOCATES(fallocate64, off64_t)

/* Below the directory; NULL if it is not. */
static const char *below(const char *path, char *real)
{
	size_t n = strlen(shim_dir);

	if (n == 0 || realpath(path, real) == NULL || strncmp(real, shim_dir, n) != 0 || real[n] != '/')
		return NULL;
	return real + n + 1;
}

int rename(const char *from, const char *to)
{
	char old[PATH_MAX], new[PATH_MAX];
	const char *a = below(from, old), *b;
	struct record *r;
	int rc = NEXT(rename)(from, to), saved = errno;

	if (rc == 0 && a != NULL && (b = below(to, new)) != NULL) {
		if ((r = reserve(RECORD_RENAME, strlen(a) + 1 + strlen(b))) != NULL) {
			memcpy(r->data, a, strlen(a) + 1);
			memcpy(r->data + strlen(a) + 1, b, strlen(b));
		}
		publish(r);
	}
	errno = saved;
	return rc;
}

/* ---- barriers ----------------------------------------------------------------------------------- */

#define RECORD_SYNCS(name)								\
int name(int fd)									\
{											\
	int file = shim_which(fd), rc;							\
	uint64_t op;									\
											\
	if (file < 0)									\
		return NEXT(name)(fd);							\
	op = begin(RECORD_SYNC, file, 0, 0);						\
	rc = NEXT(name)(fd);								\
	end(op, rc);									\
	return rc;									\
}
RECORD_SYNCS(fsync)
RECORD_SYNCS(fdatasync)

static void mapped(int fd, int prot, int flags)
{
	int file = (prot & PROT_WRITE) != 0 && (flags & MAP_SHARED) != 0 ? shim_which(fd) : -1;

	if (file >= 0)
		begin(RECORD_MAPPED, file, 0, 0);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	mapped(fd, prot, flags);
	return NEXT(mmap)(at, len, prot, flags, fd, off);
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	mapped(fd, prot, flags);
	return NEXT(mmap64)(at, len, prot, flags, fd, off);
}
