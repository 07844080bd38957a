/* powercut_image.c - the disk at the moment of the cut: base, what is certain, and on it any choice of what is not.
 *
 * Writes wait in `pending`, cut at page limits, until a barrier covers them. A barrier that failed puts them into `limbo`: Linux may have
 * marked the pages clean without writing them, and no later sync will; they may be on the disk or not until something
 * certain is written over them. The file is made from base by writing what is chosen, and undone from base afterwards. */
#include "powercut.h"
#include "mail.h"
#include <postrider/base.h>
#include <errno.h>
#include <sys/mman.h>

enum { PAGE = 4096, SECTOR = 512 };
#define BASE_MAX ((size_t)1 << 36)

static void die(const char *what)
{
	fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
	exit(3);
}

static struct unit *add(struct units *u, struct unit unit)
{
	if (u->n == u->cap) {
		u->cap = u->cap != 0 ? u->cap * 2 : 256;
		u->v = xreallocarray(u->v, u->cap, sizeof(*u->v));
	}
	u->v[u->n] = unit;
	return &u->v[u->n++];
}

void image_open(struct image *im, const char *path)
{
	*im = (struct image){ .path = xstrdup(path) };
	im->base = mmap(NULL, BASE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (im->base == MAP_FAILED || (im->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		die(path);
}

void image_release(struct image *im)
{
	munmap(im->base, BASE_MAX);
	close(im->fd);
	free(im->path);
	free(im->limbo.v);
	free(im->pending.v);
	free(im->spoilt.v);
}

void image_write(struct image *im, const struct log *l, size_t event)
{
	const struct event *e = &l->ev[event];
	uint32_t at, len;

	if (e->off + e->len > (int64_t)BASE_MAX)
		die("too large a file");
	if (e->kind != EV_WRITE)
		add(&im->pending, (struct unit){ .kind = e->kind, .off = e->off, .event = event });
	for (at = 0; e->kind == EV_WRITE && at < e->len; at += len) {
		len = PAGE - (uint32_t)((e->off + at) % PAGE);
		len = MIN(len, e->len - at);
		add(&im->pending, (struct unit){ .kind = EV_WRITE, .off = e->off + at, .len = len, .p = e->data + at, .event = event });
	}
}

/* Something certain was written here: what was uncertain before is of no interest any more. */
static void clip_limbo(struct image *im, const struct unit *u)
{
	int64_t end = u->off + u->len, old_end;
	struct unit *o, rest;
	size_t i;

	for (i = 0; i < im->limbo.n; i++) {
		o = &im->limbo.v[i];
		old_end = o->off + o->len;
		if (o->kind != EV_WRITE || o->len == 0 || old_end <= u->off || o->off >= end)
			continue;
		rest = *o;
		o->len = u->off > o->off ? (uint32_t)(u->off - o->off) : 0;
		if (old_end > end) {
			rest.p += end - rest.off;
			rest.off = end;
			rest.len = (uint32_t)(old_end - end);
			if (o->len == 0)
				*o = rest;
			else
				add(&im->limbo, rest);
		}
	}
}

static void resize(struct image *im, int64_t size)
{
	if (size < im->size)
		memset(im->base + size, 0, (size_t)(im->size - size));
	if (size != im->size && ftruncate(im->fd, size) < 0)
		die("ftruncate");
	im->size = size;
}

static void settle(struct image *im, const struct unit *u)
{
	if (u->kind == EV_TRUNCATE || (u->kind == EV_GROW && u->off > im->size)) {
		resize(im, u->off);
	} else if (u->kind == EV_WRITE) {
		clip_limbo(im, u);
		if (u->off + u->len > im->size)
			resize(im, u->off + u->len);
		memcpy(im->base + u->off, u->p, u->len);
		if (pwrite(im->fd, u->p, u->len, u->off) != (ssize_t)u->len)
			die("pwrite");
	}
}

static void restore(struct image *im)
{
	const struct unit *u;
	int64_t end;
	size_t i;

	if (im->spoilt.n == 0)
		return;
	if (ftruncate(im->fd, im->size) < 0)
		die("ftruncate");
	for (i = 0; i < im->spoilt.n; i++) {
		u = &im->spoilt.v[i];
		end = MIN(u->off + (int64_t)u->len, im->size);
		if (u->off < end && pwrite(im->fd, im->base + u->off, (size_t)(end - u->off), u->off) != end - u->off)
			die("pwrite");
	}
	im->spoilt.n = 0;
}

/* Moves out of pending what `which` says, in order. */
static void cover(struct image *im, size_t from, size_t to, bool failed)
{
	size_t i, kept = 0;
	struct unit u;

	restore(im);
	for (i = 0; i < im->pending.n; i++) {
		u = im->pending.v[i];
		if (u.event < from || u.event >= to)
			im->pending.v[kept++] = u;
		else if (failed)
			add(&im->limbo, u);
		else
			settle(im, &u);
	}
	im->pending.n = kept;
}

void image_synced(struct image *im, size_t before, bool failed)
{
	cover(im, 0, before, failed);
}

void image_dsynced(struct image *im, size_t event, bool failed)
{
	cover(im, event, event + 1, failed);
}

static void put(struct image *im, const struct unit *u, uint32_t at, uint32_t len)
{
	add(&im->spoilt, (struct unit){ .kind = EV_WRITE, .off = u->off + at, .len = len });
	if (pwrite(im->fd, u->p + at, len, u->off + at) != (ssize_t)len)
		die("pwrite");
}

/* Sectors of the disk, each there or not; a write within one sector is never torn. */
static void put_torn(struct image *im, const struct unit *u, uint64_t *seed)
{
	uint32_t at, len;

	for (at = 0; at < u->len; at += len) {
		len = SECTOR - (uint32_t)((u->off + at) % SECTOR);
		len = MIN(len, u->len - at);
		if (((*seed = crash_mix(*seed)) >> 7 & 1) != 0)
			put(im, u, at, len);
	}
}

void image_make(struct image *im, const unsigned char *take, uint64_t seed)
{
	size_t i, n = im->limbo.n + im->pending.n;
	const struct unit *u;

	restore(im);
	for (i = 0; i < n; i++) {
		u = i < im->limbo.n ? &im->limbo.v[i] : &im->pending.v[i - im->limbo.n];
		if (take[i] == TAKE_NONE)
			continue;
		if (u->kind == EV_WRITE && take[i] == TAKE_TORN) {
			put_torn(im, u, &seed);
		} else if (u->kind == EV_WRITE) {
			put(im, u, 0, u->len);
		} else {
			add(&im->spoilt, (struct unit){ .off = u->off, .len = (uint32_t)MAX(im->size - u->off, 0) });
			if ((u->kind == EV_TRUNCATE || u->off > im->size) && ftruncate(im->fd, u->off) < 0)
				die("ftruncate");
		}
	}
}
