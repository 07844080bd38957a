/* edit.c - what postmap and postalias do to indexed tables (tableedit.h).
 * root works as the owner of the source, so that nobody gets a file of root's written by putting links beside
 * a source of theirs; and the table belongs to who may write the source. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/file.h>
#include <postrider/tableedit.h>

#include "room.h"

static const struct { const char *type, *suffix; } indexed[] = { { "hash", ".db" }, { "btree", ".db" }, { "lmdb", ".lmdb" } };

/* What Postfix calls the file, NULL: not a type that has one. */
static const char *file_suffix(const char *type)
{
	for (size_t i = 0; i < NELEM(indexed); i++)
		if (strcmp(indexed[i].type, type) == 0)
			return indexed[i].suffix;
	return NULL;
}

/* Its name in a warning: "FILE.db", but "lmdb:FILE". */
static char *duplicate_label(const char *type, const char *name)
{
	return strcmp(type, "lmdb") == 0 ? xasprintf("lmdb:%s", name) : xasprintf("%s%s", name, file_suffix(type));
}

/* ---- whose rights --------------------------------------------------------------------------------------- */

static bool step_down(const struct stat *st)
{
	if (getuid() != 0 || geteuid() != 0 || (st->st_uid == 0 && st->st_gid == getegid()))
		return false;
	return setegid(st->st_gid) == 0 && setgroups(1, &st->st_gid) == 0 && seteuid(st->st_uid) == 0;
}

static void step_up(gid_t group)
{
	ASSERT(seteuid(0) == 0 && setegid(group) == 0);
}

static void hold_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, old);
}

/* ---- building -------------------------------------------------------------------------------------------- */

static char *read_stream(FILE *f, size_t *n_r)
{
	struct buf b = { 0 };
	size_t n;

	do {
		buf_reserve(&b, 1 << 16);
		n = fread(b.p + b.len, 1, 1 << 16, f);
		b.len += n;
	} while (n > 0);
	*n_r = b.len;
	return buf_steal(&b);
}

/* The source's text and what stat says about it. */
static char *read_source(const struct table_build *b, struct source *s, struct stat *st)
{
	FILE *f = b->update ? stdin : fopen(b->name, "r");
	char *why = NULL;

	s->path = b->update ? "stdin" : b->name;
	if (f == NULL || fstat(fileno(f), st) < 0)
		why = xasprintf("open %s: %s", b->name, strerror(errno));
	else
		s->text = read_stream(f, &s->len);
	if (f != NULL && f != stdin)
		fclose(f);
	return why;
}

/* sendmail's mark of a complete table, and those of NIS maps: they go over what is there. */
static void put_signatures(struct index_edit *x, const struct table_build *b)
{
	char when[24];

	snprintf(when, sizeof(when), "%10lld", (long long)(clock_wall_fresh_us() / 1000000));
	index_edit_put(x, "@", "@", true);
	index_edit_put(x, "YP_LAST_MODIFIED", when, true);
	index_edit_put(x, "YP_MASTER_NAME", b->hostname, true);
}

static char *build(const struct table_build *b, struct records *r, const struct stat *st)
{
	struct index_how how = { .update = b->update, .no_nul = b->no_nul, .text_bytes = r->source.len,
		.mode = b->plain_mode ? 0644 : 0600 | (st->st_mode & 0044) };
	char *path = xasprintf("%s.lmdb", b->name), *why = NULL, *fault = NULL;
	char *label = duplicate_label(b->type, b->name);
	struct index_edit *x = index_edit_new(path, &how, &why);

	if (x == NULL) {
		fault = xasprintf("open database %s%s: %s", b->name, file_suffix(b->type), why);
	} else {
		fault = index_edit_records(x, r, label, b->duplicates == TABLE_DUP_REPLACE,
		    b->duplicates == TABLE_DUP_IGNORE);
		if (fault == NULL && b->aliases)
			put_signatures(x, b);
		if (fault == NULL)
			fault = index_edit_commit(&x);
		index_edit_drop(&x);
	}
	free(why);
	free(label);
	free(path);
	return fault;
}

char *table_build(struct tables *set, const struct table_build *b, struct problems *warnings)
{
	char *spec = xasprintf("%s:%s", b->type, b->name), *why;
	struct strs files = { 0 };
	struct table_env env = { .set = set, .spec = spec, .flags = b->flags, .problems = warnings, .files = &files };
	struct records r = { .source = { .env = &env }, .aliases = b->aliases, .index = true, .as_written = true };
	struct stat st;
	gid_t group = getegid();
	bool stepped = false;
	sigset_t old;

	if (strcmp(b->type, "proxy") == 0) {
		why = xstrdup("can't create maps via the proxy service");
	} else if ((why = read_source(b, &r.source, &st)) == NULL) {
		if (strcmp(b->type, "fail") == 0)
			why = xasprintf("table %s: write error: Application error", spec);
		else if (file_suffix(b->type) == NULL)
			why = xasprintf(table_type_known(b->type) ?
			    "unsupported dictionary type: %s does not support bulk-mode creation." :
			    "unsupported dictionary type: %s. Is the postfix-%s package installed?", b->type, b->type);
	}
	if (why == NULL) {
		hold_signals(&old);
		if (!b->keep_rights)
			stepped = step_down(&st);
		why = build(b, &r, &st);
		if (stepped)
			step_up(group);
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	records_close(&r);
	strs_release(&files);
	free(spec);
	return why;
}

/* ---- removing ---------------------------------------------------------------------------------------------- */

struct table_removal {
	char		*spec;
	int		 flags;
	bool		 utf8, any;
	struct index_edit *edit;	/* NULL: a table that has no entries */
};

struct table_removal *table_removal_start(const char *spec, int flags, bool utf8, char **why_r)
{
	const char *colon = strchr(spec, ':'), *name = colon != NULL ? colon + 1 : "";
	char *type = xstrndup(spec, strcspn(spec, ":"));
	const char *suffix = file_suffix(type);
	struct table_removal *x = xcalloc(1, sizeof(*x));
	struct index_how how = { .update = true, .mode = 0644 };
	char *path = xasprintf("%s.lmdb", name), *why = NULL;

	*why_r = NULL;
	if (*type == '\0' || *name == '\0')
		*why_r = xasprintf("open dictionary: expecting \"type:name\" form instead of \"%s\"", spec);
	else if (strcmp(type, "fail") == 0)
		*why_r = xasprintf("table %s: delete error: Application error", spec);
	else if (suffix == NULL && strcmp(type, "proxy") != 0 && !table_type_known(type))
		*why_r = xasprintf("unsupported dictionary type: %s", type);
	else if (strcmp(type, "static") == 0 || strcmp(type, "environ") == 0)
		*why_r = xasprintf("table %s: delete operation is not supported", spec);
	else if (suffix == NULL && strcmp(type, "internal") != 0)
		*why_r = xasprintf("%s map requires O_RDONLY access mode", spec);
	else if (suffix != NULL && access(path, F_OK) < 0 && (strcmp(type, "lmdb") != 0 || errno != ENOENT))
		*why_r = xasprintf("open database %s%s: %s", name, suffix, strerror(errno));
	else if (suffix != NULL && access(path, F_OK) == 0 && (x->edit = index_edit_new(path, &how, &why)) == NULL)
		*why_r = xasprintf("open database %s%s: %s", name, suffix, why);
	free(why);
	free(path);
	free(type);
	if (*why_r != NULL) {
		free(x);
		return NULL;
	}
	x->spec = xstrdup(spec);
	x->flags = flags;
	x->utf8 = utf8;
	return x;
}

int table_removal_key(struct table_removal *x, const char *key)
{
	bool utf8 = x->utf8 && (x->flags & TABLE_UTF8) != 0;
	struct buf folded = { 0 };
	int found = 0;

	if (x->edit == NULL)
		return 0;
	switch (index_edit_del(x->edit, (x->flags & TABLE_FOLD) != 0 ? fold_key(key, utf8, &folded) : key)) {
	case INDEX_DONE:
		x->any = true;
		found = 1;
		break;
	case INDEX_FAILED:
		found = -1;
		break;
	default:
		break;
	}
	buf_release(&folded);
	return found;
}

char *table_removal_end(struct table_removal **xp)
{
	struct table_removal *x = *xp;
	char *why = NULL;

	*xp = NULL;
	if (x == NULL)
		return NULL;
	if (x->any)
		why = index_edit_commit(&x->edit);
	index_edit_drop(&x->edit);
	free(x->spec);
	free(x);
	return why;
}
