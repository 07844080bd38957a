/* Editing main.cf and master.cf line by line: what is not asked for comes out byte for byte as it went in.
 *
 * A group is a logical line with the comments and blank lines inside and behind it. Replacing an entry keeps
 * those comments: a new main.cf value or master.cf line stands where the old one began; a changed field or
 * parameter (-F, -P) rewrites the line behind its comments, as Postfix does. The file is replaced by rename, with its
 * mode and owner; a symbolic link to it stays one. */
#include "tool.h"
#include <postrider/file.h>
#include <postrider/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IS_SPACE(c)	((c) == ' ' || ((c) >= '\t' && (c) <= '\r'))

struct text {
	char		*path;		/* the file itself, links followed */
	char		*p;
	size_t		 len;
	const char	*cursor;
	struct buf	 out;
	struct buf	 head, notes;	/* current group: its own lines; comments */
};

static void text_open(struct text *t, const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);

	*t = (struct text){ 0 };
	if ((t->path = realpath(path, NULL)) == NULL || (t->p = file_read(t->path, 16 << 20, &t->len)) == NULL)
		log_fatal("open %s for reading: %s", path, strerror(errno));
	t->cursor = t->p;
	free(path);
}

/* Next physical line with its end; an unended last line gets one. */
static const char *text_line(struct text *t, size_t *len_r)
{
	const char *start = t->cursor, *end = t->p + t->len, *nl;

	if (start == end)
		return NULL;
	nl = memchr(start, '\n', (size_t)(end - start));
	t->cursor = nl != NULL ? nl + 1 : end;
	*len_r = (size_t)(t->cursor - start);
	return start;
}

static bool is_note(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len && IS_SPACE(s[i]); i++)
		;
	return i == len || s[i] == '#';
}

static void add_line(struct buf *b, const char *s, size_t len)
{
	buf_add(b, s, len);
	if (len == 0 || s[len - 1] != '\n')
		buf_addc(b, '\n');
}

/* Reads a group; notes before the first logical line go straight to out. False at the end. */
static bool text_group(struct text *t)
{
	const char *s, *mark;
	size_t len;

	buf_reset(&t->head);
	buf_reset(&t->notes);
	for (;;) {
		mark = t->cursor;
		if ((s = text_line(t, &len)) == NULL)
			return t->head.len > 0;
		if (is_note(s, len)) {
			add_line(t->head.len > 0 ? &t->notes : &t->out, s, len);
		} else if (t->head.len > 0 && !IS_SPACE(*s)) {
			t->cursor = mark;
			return true;
		} else {
			add_line(&t->head, s, len);
		}
	}
}

/* text_group() copies the notes before a group to out: where the group itself begins. */
static const char *skip_notes(const struct text *t)
{
	const char *s = t->cursor, *end = t->p + t->len;

	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		size_t len = (size_t)((nl != NULL ? nl + 1 : end) - s);

		if (!is_note(s, len))
			break;
		s += len;
	}
	return s;
}

/* The group as it was. Comments inside a logical line must stay inside, so it is copied from the source. */
static void text_keep(struct text *t, const char *start)
{
	size_t len = (size_t)(t->cursor - start);

	if (len > 0)
		add_line(&t->out, start, len);
}

/* The group with '#' before each line that is not a comment yet, or without those lines. */
static void text_strike(struct text *t, const char *start, bool comment)
{
	const char *s, *end = t->cursor;
	size_t len;

	t->cursor = start;
	while (t->cursor < end && (s = text_line(t, &len)) != NULL) {
		if (is_note(s, len)) {
			add_line(&t->out, s, len);
		} else if (comment) {
			buf_addc(&t->out, '#');
			add_line(&t->out, s, len);
		}
	}
}

static void text_save(struct text *t)
{
	char *tmp = xasprintf("%s.tmp", t->path);
	struct stat st;
	int fd;

	if (stat(t->path, &st) < 0)
		log_fatal("open %s: %s", t->path, strerror(errno));
	unlink(tmp);
	if ((fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777)) < 0)
		log_fatal("open %s: %s", tmp, strerror(errno));
	if (fchown(fd, st.st_uid, st.st_gid) < 0 && geteuid() == 0)
		log_warn(NULL, "chown %s: %s", tmp, strerror(errno));
	if (fchmod(fd, st.st_mode & 07777) < 0 || file_write_full(fd, buf_str(&t->out), t->out.len) < 0 ||
	    fsync(fd) < 0 ||
	    close(fd) < 0 || rename(tmp, t->path) < 0) {
		int error = errno;

		unlink(tmp);
		log_fatal("write %s: %s", tmp, strerror(error));
	}
	free(tmp);
	free(t->path);
	free(t->p);
	buf_release(&t->out);
	buf_release(&t->head);
	buf_release(&t->notes);
}

/* ---- main.cf ------------------------------------------------------------------------------ */
struct request {
	char		*copy;		/* holds name and value */
	char		*name, *value;	/* value NULL: -X or -# */
	int		 seen;
};

static struct request *request_find(struct request *r, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(r[i].name, name) == 0)
			return &r[i];
	return NULL;
}

static void check_argument(const char *arg)
{
	if (strchr(arg, '\n') != NULL)
		log_fatal("-e, -X, or -# accepts no multi-line input");
	while (IS_SPACE(*arg))
		arg++;
	if (*arg == '#')
		log_fatal("-e, -X, or -# accepts no comment input");
}

static struct request *requests_parse(const struct postconf *o, char *const *args, size_t *n_r)
{
	bool names = o->mode & (PC_EXCLUDE | PC_COMMENT);
	struct request *list = NULL, *old;
	size_t n = 0;

	for (; *args != NULL; args++) {
		char *copy = xstrdup(*args), *name, *value = NULL;
		const char *why;

		check_argument(copy);
		name = str_trim(copy);
		if (!names && (why = split_nameval(copy, &name, &value)) != NULL)
			log_fatal("%s: \"%s\"", why, *args + strspn(*args, " \t\r\n"));
		if ((old = request_find(list, n, name)) != NULL) {
			if (value != NULL)
				log_warn(NULL, "ignoring earlier request: '%s = %s'", old->name, old->value);
			free(old->copy);
			*old = (struct request){ .copy = copy, .name = name, .value = value };
			continue;
		}
		list = xreallocarray(list, n + 1, sizeof *list);
		list[n++] = (struct request){ .copy = copy, .name = name, .value = value };
	}
	*n_r = n;
	return list;
}

void postconf_edit_main(const struct postconf *o, char *const *args)
{
	struct text t;
	size_t n, i;
	struct request *list = requests_parse(o, args, &n), *r;
	const char *start;
	char *shown = xasprintf("%s/main.cf", o->dir);

	text_open(&t, o->dir, "main.cf");
	for (;;) {
		char *name;

		start = skip_notes(&t);
		if (!text_group(&t))
			break;
		name = xstrndup(t.head.p, strcspn(t.head.p, " \t\r\n="));
		if ((r = request_find(list, n, name)) == NULL) {
			text_keep(&t, start);
		} else {
			if (++r->seen == 2)
				log_warn(NULL, "%s: multiple entries for \"%s\"", shown, name);
			if (r->value != NULL) {
				buf_addf(&t.out, "%s = %s\n", name, r->value);
				buf_add(&t.out, buf_str(&t.notes), t.notes.len);
			} else {
				text_strike(&t, start, o->mode & PC_COMMENT);
			}
		}
		free(name);
	}
	for (i = 0; i < n; i++)
		if (list[i].value != NULL && list[i].seen == 0)
			buf_addf(&t.out, "%s = %s\n", list[i].name, list[i].value);
	text_save(&t);
	for (i = 0; i < n; i++)
		free(list[i].copy);
	free(list);
	free(shown);
}

/* ---- master.cf ---------------------------------------------------------------------------- */
struct change {
	char		*shown;		/* the argument; borrowed */
	char		*copy;		/* holds the rest */
	char		*part[3];
	char		*value;
	bool		 seen;
};

enum master_edit { EDIT_SERVICE, EDIT_FIELD, EDIT_PARAM };

static struct change *changes_parse(const struct postconf *o, char *const *args, enum master_edit what, size_t *n_r)
{
	static const char *const usage[] = { "-Me, -MX or -M# requires service_name/type",
	    "-Fe or -FX requires service_name/type/field_name", "-Pe or -PX requires service_name/type/parameter" };
	bool names = o->mode & (PC_EXCLUDE | PC_COMMENT);
	int parts = what == EDIT_SERVICE ? 2 : 3, given;
	struct change *list = NULL;
	size_t n = 0;

	for (; *args != NULL; args++) {
		struct change c = { .shown = *args, .copy = xstrdup(*args) };
		char *pattern = c.copy;
		const char *why;

		check_argument(c.copy);
		if (!names && (why = split_nameval(c.copy, &pattern, &c.value)) != NULL)
			log_fatal("%s: \"%s\"", why, *args);
		if (!pattern_split(pattern, c.part, parts, &given) || given != parts)
			log_fatal("%s", usage[what]);
		if (what == EDIT_PARAM && c.value != NULL && strpbrk(c.value, " \t\r\n") != NULL)
			log_fatal("-Pe does not accept whitespace in parameter value");
		list = xreallocarray(list, n + 1, sizeof *list);
		list[n++] = c;
	}
	*n_r = n;
	return list;
}

static void print_service(struct buf *out, const struct tool_service *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ASSERT(f != NULL);
	service_print(NULL, f, PC_FOLD, s);
	fclose(f);
	buf_add(out, text, len);
	free(text);
}

static void set_field(struct tool_service *s, const struct change *c)
{
	int i;

	for (i = 0; i < FIELDS && strcmp(field_names[i], c->part[2]) != 0; i++)
		;
	if (i == FIELDS)
		log_fatal("invalid service attribute name: \"%s\"", c->part[2]);
	if (i < FIELDS - 1) {
		service_check_field(i, c->value, c->value);
		free(s->argv.v[i]);
		s->argv.v[i] = xstrdup(c->value);
	} else {		/* the command with its arguments */
		struct tool_service fresh = { 0 };
		struct buf line = { 0 };

		for (i = 0; i < FIELDS - 1; i++)
			buf_addf(&line, "%s ", s->argv.v[i]);
		buf_adds(&line, c->value);
		service_parse(&fresh, buf_str(&line));
		buf_release(&line);
		service_release(s);
		*s = fresh;
	}
}

/* The last -o for the name takes the new value; without one it is added behind the options. */
static void set_param(struct tool_service *s, const struct change *c)
{
	size_t i, n = strlen(c->part[2]);
	struct strs argv = { 0 };
	bool options = true, done = false;
	char *pair = c->value != NULL ? xasprintf("%s=%s", c->part[2], c->value) : NULL;

	for (i = 0; i < s->argv.n; i++) {
		const char *word = s->argv.v[i];

		if (i >= FIELDS && options && (word[0] != '-' || strcmp(word, "--") == 0)) {
			options = false;
			if (pair != NULL && !done) {
				strs_add(&argv, "-o");
				strs_add(&argv, pair);
				done = true;
			}
		}
		if (i >= FIELDS && options && strcmp(word, "-o") == 0 && i + 1 < s->argv.n) {
			const char *old = s->argv.v[++i];
			bool same = strncmp(old, c->part[2], n) == 0 && old[n] == '=';

			if (!same || pair != NULL) {
				strs_add(&argv, "-o");
				strs_add(&argv, same ? pair : old);
			}
			done = done || same;
			continue;
		}
		strs_add(&argv, word);
	}
	if (pair != NULL && !done) {
		strs_add(&argv, "-o");
		strs_add(&argv, pair);
	}
	free(pair);
	strs_release(&s->argv);
	s->argv = argv;
}

static void edit_group(const struct postconf *o, struct text *t, const char *start, enum master_edit what,
    struct change *list, size_t n)
{
	struct tool_service s = { 0 };
	struct change *hit = NULL;
	bool again = false;
	struct lines l;

	lines_init(&l, t->head.p, t->head.len);
	if (!lines_next(&l))
		l.text.len = 0;
	if (!l.stray && l.text.len > 0)
		service_parse(&s, l.text.p);
	lines_release(&l);
	for (size_t i = 0; i < n && s.argv.n >= FIELDS; i++) {
		if (!service_matches(&s, list[i].part, 2))
			continue;
		if (hit == NULL || what != EDIT_SERVICE || !list[i].seen) {
			hit = &list[i];
			again = hit->seen;
		}
		list[i].seen = true;
		if (what == EDIT_FIELD)
			set_field(&s, hit);
		else if (what == EDIT_PARAM)
			set_param(&s, hit);
	}			/* of several whole lines the last one counts that is not there yet */
	if (hit == NULL) {
		text_keep(t, start);
	} else if (what != EDIT_SERVICE) {
		buf_add(&t->out, buf_str(&t->notes), t->notes.len);
		print_service(&t->out, &s);
	} else if (hit->value == NULL) {
		text_strike(t, start, o->mode & PC_COMMENT);
	} else {			/* in place of the first; others go */
		struct tool_service fresh = { 0 };

		service_parse(&fresh, hit->value);
		if (!again)
			print_service(&t->out, &fresh);
		buf_add(&t->out, buf_str(&t->notes), t->notes.len);
		service_release(&fresh);
	}
	service_release(&s);
}

static void edit_master(const struct postconf *o, char *const *args, enum master_edit what)
{
	struct text t;
	size_t n, i;
	struct change *list = changes_parse(o, args, what, &n);
	const char *start;

	for (i = 0; i < n && what == EDIT_SERVICE; i++) {
		char *copy = list[i].value != NULL ? xstrdup(list[i].value) : NULL, *cursor = copy;
		int fields = 0;

		while (copy != NULL && str_tok(&cursor, " \t\r\n") != NULL)
			fields++;
		if (copy != NULL && fields < FIELDS)
			log_fatal("bad field count: \"%s\"", list[i].shown);
		free(copy);
	}
	text_open(&t, o->dir, "master.cf");
	for (start = skip_notes(&t); text_group(&t); start = skip_notes(&t))
		edit_group(o, &t, start, what, list, n);
	for (i = 0; i < n; i++) {
		struct tool_service fresh = { 0 };

		if (list[i].seen)
			continue;
		if (what == EDIT_SERVICE && list[i].value != NULL) {
			service_parse(&fresh, list[i].value);
			print_service(&t.out, &fresh);
			service_release(&fresh);
		} else if (what != EDIT_SERVICE) {
			log_warn(NULL, "unmatched service_name/type: \"%s\"", list[i].shown);
		}
	}
	text_save(&t);
	for (i = 0; i < n; i++)
		free(list[i].copy);
	free(list);
}

void postconf_edit_services(const struct postconf *o, char *const *args)
{
	edit_master(o, args, EDIT_SERVICE);
}

void postconf_edit_fields(const struct postconf *o, char *const *args)
{
	edit_master(o, args, EDIT_FIELD);
}

void postconf_edit_params(const struct postconf *o, char *const *args)
{
	edit_master(o, args, EDIT_PARAM);
}
