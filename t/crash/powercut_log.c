/* powercut_log.c - reads what record.so wrote. Records of killed processes may be unfinished: they are passed over by looking
 * for the next mark, for nothing that counted can stand behind an unfinished record of a single thread. */
#include "powercut.h"
#include <postrider/base.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Numbers of files are each process' own. */
struct named { int32_t pid, file; bool ours; };
struct reader {
	struct log	*log;
	const char	*name;
	struct named	*file;
	size_t		 files, files_cap;
	size_t		*of;		/* place in the log / RECORD_ALIGN: index of the event that began there, plus 1 */
	char		*why;
};

static struct event *add(struct log *l, enum event_kind kind)
{
	if (l->n == l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 4096;
		l->ev = xreallocarray(l->ev, l->cap, sizeof(*l->ev));
	}
	l->ev[l->n] = (struct event){ .kind = kind };
	return &l->ev[l->n++];
}

static bool is(const struct record *r, const char *name)
{
	return name != NULL && r->len == strlen(name) && memcmp(r->data, name, r->len) == 0;
}

static void learn(struct reader *d, const struct record *r)
{
	if (d->files == d->files_cap) {
		d->files_cap = d->files_cap != 0 ? d->files_cap * 2 : 16;
		d->file = xreallocarray(d->file, d->files_cap, sizeof(*d->file));
	}
	d->file[d->files++] = (struct named){ .pid = r->pid, .file = r->file,
		.ours = is(r, d->name) || is(r, d->log->first_name) };
}

static bool ours(const struct reader *d, const struct record *r)
{
	size_t i;

	for (i = d->files; i > 0; i--)
		if (d->file[i - 1].pid == r->pid && d->file[i - 1].file == r->file)
			return d->file[i - 1].ours;
	return false;
}

static void add_end(struct reader *d, const struct record *r)
{
	size_t begin = r->op / RECORD_ALIGN * RECORD_ALIGN == r->op && r->op < d->log->size ? d->of[r->op / RECORD_ALIGN] : 0;
	struct event *b, *e;

	if (begin-- == 0)
		return;				/* of another file */
	b = &d->log->ev[begin];
	if (b->kind == EV_WRITE) {
		b->failed = r->result < 0;
		if (r->result >= 0)
			b->len = (uint32_t)r->result;	/* a short write */
		if (!b->dsync)
			return;
		e = add(d->log, EV_WRITE_END);
	} else if (b->kind == EV_SYNC) {
		e = add(d->log, EV_SYNC_END);
	} else {
		d->why = xasprintf("a failed change of size is nothing this program knows");
		return;
	}
	e->begin = begin;
	e->failed = r->result < 0;
}

/* Does this give the file its name? */
static bool named_by(const struct reader *d, const struct record *r)
{
	size_t n = strnlen(r->data, r->len) + 1, len = strlen(d->name);

	return r->len == n + len && memcmp(r->data + n, d->name, len) == 0;
}

static void take(struct reader *d, const struct record *r, uint64_t at)
{
	struct log *l = d->log;
	struct event *e;

	switch (r->kind) {
	case RECORD_OPEN:
		learn(d, r);
		return;
	case RECORD_NOTE:
		e = add(l, EV_NOTE);
		e->data = r->data;
		e->len = r->len;
		return;
	case RECORD_END:
		add_end(d, r);
		return;
	case RECORD_RENAME:
		if (named_by(d, r))
			add(l, EV_NAMED);
		return;
	default:
		break;
	}
	if (!ours(d, r))
		return;
	switch (r->kind) {
	case RECORD_MAPPED:
		d->why = xasprintf("%s is written through a shared mapping", d->name);
		return;
	case RECORD_SYNC:
		add(l, EV_SYNC);
		break;
	case RECORD_WRITE:
		e = add(l, EV_WRITE);
		e->dsync = (r->flags & RECORD_DSYNC) != 0;
		e->data = r->data;
		e->len = r->len;
		e->off = r->off;
		break;
	default:
		e = add(l, r->kind == RECORD_TRUNCATE ? EV_TRUNCATE : EV_GROW);
		e->off = r->off + (r->kind == RECORD_ALLOCATE ? r->len : 0);
		break;
	}
	d->of[at / RECORD_ALIGN] = l->n;
}

/* The first whole record at *at or behind it, NULL: none. */
static const struct record *next_record(const struct log *l, uint64_t *at, uint64_t end)
{
	const struct record *r;

	for (; *at < end; *at += RECORD_ALIGN) {
		r = (const struct record *)(const void *)((char *)l->map + *at);
		if (r->mark == RECORD_MARK)
			return r;
	}
	return NULL;
}

char *log_read(struct log *l, const char *path, const char *file)
{
	struct reader d = { .log = l, .name = file };
	const struct record_head *h;
	const struct record *r;
	uint64_t at, end;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*l = (struct log){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0)
		return xasprintf("%s: %s", path, strerror(errno));
	l->size = (size_t)st.st_size;
	if (l->size < RECORD_HEAD || (l->map = mmap(NULL, l->size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
		return xasprintf("%s: not a log", path);
	close(fd);
	h = l->map;
	end = h->end;
	if (h->magic != RECORD_MAGIC || h->size != l->size)
		return xasprintf("%s: not a log", path);
	if (end > l->size)
		return xasprintf("%s: the log was too small", path);
	d.of = xcalloc(l->size / RECORD_ALIGN, sizeof(*d.of));	/* sparse: touched where events are */
	for (at = RECORD_HEAD; (r = next_record(l, &at, end)) != NULL; at += r->size)
		if (r->kind == RECORD_RENAME && named_by(&d, r))
			l->first_name = r->data;
	for (at = RECORD_HEAD; d.why == NULL && (r = next_record(l, &at, end)) != NULL; at += r->size)
		take(&d, r, at);
	free(d.of);
	free(d.file);
	return d.why;
}

void log_release(struct log *l)
{
	if (l->map != NULL)
		munmap(l->map, l->size);
	free(l->ev);
	*l = (struct log){ 0 };
}
