/* index_read.c - finding a key in an LMDB file without LMDB.
 * The loop may not wait for a disk, and a map of the file would make it: a page that is not in memory is a fault that
 * nobody sees coming, as one that was truncated is a SIGBUS. So pages are read, with RWF_NOWAIT on the loop: either the
 * page is in the page cache and comes at once, or the answer is INDEX_MUST_WAIT and a worker reads it. The file is LMDB's as
 * version 0.9 writes it on this machine: native byte order, one nameless data base, keys in memcmp() order; it never
 * changes (index_edit.c), so no locks are needed, and no page is trusted: what does not fit is "corrupted".
 * Pages of branches are few; up to BRANCHES_MAX bytes of them are kept, so that a look-up usually reads one page. Small files are
 * kept whole. Memory is bounded for each table, whatever its size; the page cache does the rest.
 * Alternatives: mlock() has a small limit for ordinary users; mincore() tells nothing about files of others. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "room.h"

enum { WHOLE_MAX = 1 << 20, BRANCHES_MAX = 4 << 20, WARM_MAX_MIB = 1024, PAGE_MAX = 65536, HEAD = 16, NODE = 8, DEPTH_MAX = 32,
	KEY_MAX = 511, VALUE_MAX = 16 << 20, AGAIN = INT_MAX };
enum { P_BRANCH = 1, P_LEAF = 2, F_BIGDATA = 1, F_SUBDATA = 2, F_DUPDATA = 4 };

struct lmdb_db {
	uint32_t pad;			/* of the first: the page size */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};
struct lmdb_meta {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct lmdb_db db[2];		/* free pages, and ours */
	uint64_t last, txn;
};
struct kept { uint64_t pgno; char *page; };
struct index {
	atomic_uint	 refs;
	int		 fd;
	size_t		 page_size;
	uint64_t	 pages;
	uint64_t	 root;		/* UINT64_MAX: empty */
	char		*whole;		/* all of it, or NULL */
	struct kept	*kept;		/* branches, in order of pgno */
	size_t		 n_kept;
	char		*path;
};
struct reader {			/* one look-up */
	const struct index *x;
	bool		 wait;		/* not on the loop: take the time the disk needs */
	int		 error;		/* AGAIN, an errno, or MDB_CORRUPTED */
	uint64_t	 pgno;		/* of what room has */
	char		*room;
};

/* ---- pages -------------------------------------------------------------------------------------------- */

static bool read_at(struct reader *r, void *to, size_t n, uint64_t at)
{
	struct iovec v = { to, n };
	ssize_t got;

	do
		got = preadv2(r->x->fd, &v, 1, (off_t)at, r->wait ? 0 : RWF_NOWAIT);
	while (got < 0 && errno == EINTR);
	if (got == (ssize_t)n)
		return true;
	if (!r->wait)		/* also: a file system that cannot tell, and a part that could be had */
		r->error = AGAIN;
	else
		r->error = got < 0 ? errno : MDB_CORRUPTED;
	return false;
}

static int by_pgno(const void *key, const void *kept)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct kept *)kept)->pgno;

	return a < b ? -1 : a > b;
}

static const char *page_get(struct reader *r, uint64_t pgno)
{
	const struct index *x = r->x;
	const struct kept *k;

	if (pgno >= x->pages) {
		r->error = MDB_CORRUPTED;
		return NULL;
	}
	if (x->whole != NULL)
		return x->whole + pgno * x->page_size;
	if (r->pgno == pgno)
		return r->room;
	if (x->n_kept > 0 && (k = bsearch(&pgno, x->kept, x->n_kept, sizeof(*k), by_pgno)) != NULL)
		return k->page;
	r->pgno = UINT64_MAX;
	if (!read_at(r, r->room, x->page_size, pgno * x->page_size))
		return NULL;
	r->pgno = pgno;
	return r->room;
}

static uint16_t get16(const char *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t get64(const char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static unsigned page_flags(const char *page)
{
	return get16(page + 10);
}

static size_t page_keys(const struct index *x, const char *page)
{
	size_t lower = get16(page + 12);

	return lower >= HEAD && lower <= x->page_size ? (lower - HEAD) / 2 : 0;
}

/* Node i: its key, and where its data are. NULL: it lies outside of the page. */
static const char *page_node(const struct index *x, const char *page, size_t i, const char **key_r, size_t *len_r)
{
	size_t at = get16(page + HEAD + 2 * i), len;

	if (at < HEAD || at + NODE > x->page_size)
		return NULL;
	len = get16(page + at + 6);
	if (at + NODE + len > x->page_size)
		return NULL;
	*key_r = page + at + NODE;
	*len_r = len;
	return page + at;
}

static int compare(const char *a, size_t na, const char *b, size_t nb)
{
	int c = memcmp(a, b, MIN(na, nb));

	return c != 0 ? c : na < nb ? -1 : na > nb;
}

/* The last node of a page whose key is not above the wanted one (*equal_r: it is the wanted one); NULL: none, or the
 * page is wrong, then with r->error. The first key of a branch counts as below everything. */
static const char *page_find(struct reader *r, const char *page, const char *key, size_t n, bool branch, bool *equal_r)
{
	size_t low = branch ? 1 : 0, high = page_keys(r->x, page), len;
	const char *node, *best = NULL, *k;

	*equal_r = false;
	if (branch && high > 0 && (best = page_node(r->x, page, 0, &k, &len)) == NULL)
		high = 0;
	if (branch && best == NULL) {
		r->error = MDB_CORRUPTED;
		return NULL;
	}
	while (low < high) {
		size_t mid = (low + high) / 2;
		int c;

		if ((node = page_node(r->x, page, mid, &k, &len)) == NULL) {
			r->error = MDB_CORRUPTED;
			return NULL;
		}
		c = compare(key, n, k, len);
		if (c == 0) {
			*equal_r = true;
			return node;
		}
		if (c < 0) {
			high = mid;
		} else {
			best = node;
			low = mid + 1;
		}
	}
	return best;
}

static uint64_t child(const char *node)
{
	return (uint64_t)get16(node) | (uint64_t)get16(node + 2) << 16 | (uint64_t)get16(node + 4) << 32;
}

/* ---- a look-up ------------------------------------------------------------------------------------------ */

/* The value of a node of a leaf. False: r->error. */
static bool take_value(struct reader *r, const char *page, const char *node, struct buf *value)
{
	const struct index *x = r->x;
	size_t len = (size_t)get16(node) | (size_t)get16(node + 2) << 16, at = (size_t)(node - page) + NODE + get16(node + 6);
	unsigned flags = get16(node + 4);
	uint64_t pgno;

	r->error = MDB_CORRUPTED;
	if ((flags & (F_SUBDATA | F_DUPDATA)) != 0 || len > VALUE_MAX || at > x->page_size)
		return false;
	buf_reset(value);
	if ((flags & F_BIGDATA) == 0) {
		if (len > x->page_size - at)
			return false;
		buf_add(value, page + at, strnlen(page + at, len));
		r->error = 0;
		return true;
	}
	if (x->page_size - at < sizeof(pgno))
		return false;
	pgno = get64(page + at);
	if (pgno >= x->pages || HEAD + len > (x->pages - pgno) * x->page_size)
		return false;
	r->error = 0;
	buf_reserve(value, len + 1);
	if (x->whole != NULL)
		memcpy(value->p, x->whole + pgno * x->page_size + HEAD, len);
	else if (!read_at(r, value->p, len, pgno * x->page_size + HEAD))
		return false;
	value->len = strnlen(value->p, len);
	value->p[value->len] = '\0';
	return true;
}

static enum index_found find(struct reader *r, const char *key, size_t n, struct buf *value)
{
	uint64_t pgno = r->x->root;

	if (n == 0 || n > KEY_MAX || pgno == UINT64_MAX)
		return INDEX_ABSENT;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		const char *page = page_get(r, pgno), *node;
		bool branch, equal;

		if (page == NULL)
			return INDEX_ERROR;
		branch = (page_flags(page) & P_BRANCH) != 0;
		if (!branch && (page_flags(page) & P_LEAF) == 0)
			break;
		node = page_find(r, page, key, n, branch, &equal);
		if (r->error != 0)
			return INDEX_ERROR;
		if (!branch)
			return !equal ? INDEX_ABSENT : take_value(r, page, node, value) ? INDEX_FOUND : INDEX_ERROR;
		pgno = child(node);
	}
	r->error = MDB_CORRUPTED;
	return INDEX_ERROR;
}

enum index_found index_get(const struct index *x, const char *key, bool wait, struct buf *value, const char **why_r)
{
	static _Thread_local char room[PAGE_MAX];
	struct reader r = { .x = x, .wait = wait, .pgno = UINT64_MAX, .room = room };
	size_t n = strlen(key);
	enum index_found f = find(&r, key, n + 1, value);	/* as a string of C, and without its NUL */

	if (f == INDEX_ABSENT)
		f = find(&r, key, n, value);
	if (f != INDEX_ERROR)
		return f;
	if (r.error == AGAIN)
		return INDEX_MUST_WAIT;
	*why_r = mdb_strerror(r.error);
	return INDEX_ERROR;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

/* Brings the file into the page cache. */
static void warm(const struct index *x)
{
	static const size_t size = 1 << 20;
	char *chunk = xmalloc(size);

	for (int i = 0; i < WARM_MAX_MIB && pread(x->fd, chunk, size, (off_t)i << 20) > 0; i++)
		;
	free(chunk);
}

static int read_meta(struct index *x, uint64_t size)
{
	struct reader r = { .x = x, .wait = true };
	struct lmdb_meta m, m2;

	x->page_size = 4096;
	if (size < 512 || !read_at(&r, &m, sizeof(m), HEAD) || m.magic != 0xBEEFC0DE)
		return MDB_INVALID;
	if (m.version != 1)
		return MDB_VERSION_MISMATCH;
	x->page_size = m.db[0].pad;
	if (x->page_size < 256 || x->page_size > PAGE_MAX || (x->page_size & (x->page_size - 1)) != 0)
		return MDB_INVALID;
	x->pages = size / x->page_size;
	if (!read_at(&r, &m2, sizeof(m2), x->page_size + HEAD) || m2.magic != m.magic || m2.version != m.version)
		return MDB_INVALID;
	if (m2.txn > m.txn)
		m = m2;
	x->root = m.db[1].root;
	return (m.db[1].flags & MDB_DUPSORT) != 0 ? MDB_INCOMPATIBLE : 0;
}

static int keep_whole(struct index *x)
{
	size_t n = x->pages * x->page_size;
	struct reader r = { .x = x, .wait = true };

	x->whole = xmalloc(MAX(n, (size_t)1));
	return read_at(&r, x->whole, n, 0) ? 0 : r.error;
}

static int kept_order(const void *a, const void *b)
{
	return by_pgno(&((const struct kept *)a)->pgno, b);
}

static void keep_page(struct index *x, uint64_t pgno, const char *page)
{
	struct kept k = { .pgno = pgno, .page = xmalloc(x->page_size) };

	memcpy(k.page, page, x->page_size);
	x->kept = xreallocarray(x->kept, x->n_kept + 1, sizeof(k));
	x->kept[x->n_kept++] = k;
}

/* Keeps branches, level by level from the root down, as long as there is room. */
static int keep_branches(struct index *x)
{
	struct reader r = { .x = x, .wait = true, .room = xmalloc(PAGE_MAX) };
	size_t max = BRANCHES_MAX / x->page_size, parent = 0, nth = 0, n = 0;
	struct index bare = *x;		/* what is kept so far is in no order to be searched */
	uint64_t pgno = x->root;
	int e = 0;

	r.x = &bare;
	while (e == 0 && n < max && pgno != UINT64_MAX) {
		const char *page, *node, *key;
		size_t len;

		r.pgno = UINT64_MAX;
		if ((page = page_get(&r, pgno)) == NULL)
			e = r.error;
		else if ((page_flags(page) & P_BRANCH) == 0)
			break;			/* all branches are above the first leaf */
		else
			keep_page(x, pgno, page);
		n = x->n_kept;
		while (e == 0 && parent < n && nth >= page_keys(x, x->kept[parent].page)) {
			parent++;
			nth = 0;
		}
		if (e != 0 || parent == n)
			break;
		if ((node = page_node(x, x->kept[parent].page, nth++, &key, &len)) == NULL)
			e = MDB_CORRUPTED;
		else
			pgno = child(node);
	}
	free(r.room);
	if (x->n_kept > 0)
		qsort(x->kept, x->n_kept, sizeof(*x->kept), kept_order);
	return e;
}

struct index *index_open(const char *path, bool warmed, char **why_r)
{
	struct index *x = xcalloc(1, sizeof(*x));
	struct stat st;
	int e = 0;

	atomic_init(&x->refs, 1);
	x->path = xstrdup(path);
	x->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (x->fd < 0 || fstat(x->fd, &st) < 0)
		e = errno;
	else
		e = read_meta(x, (uint64_t)st.st_size);
	if (e == 0 && warmed && st.st_size <= WHOLE_MAX)
		e = keep_whole(x);
	else if (e == 0 && warmed) {
		warm(x);
		e = keep_branches(x);
	}
	if (e == 0)
		return x;
	*why_r = xasprintf("open database %s: %s", path, mdb_strerror(e));
	index_unref(x);
	return NULL;
}

struct index *index_ref(struct index *x)
{
	atomic_fetch_add(&x->refs, 1);
	return x;
}

void index_unref(struct index *x)
{
	if (atomic_fetch_sub(&x->refs, 1) > 1)
		return;
	for (size_t i = 0; i < x->n_kept; i++)
		free(x->kept[i].page);
	free(x->kept);
	free(x->whole);
	free(x->path);
	if (x->fd >= 0)
		close(x->fd);
	free(x);
}

const char *index_path(const struct index *x)
{
	return x->path;
}
