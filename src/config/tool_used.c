/* Which names are used, which are not, which do not exist: postconf's guard against mistyped names.
 *
 * A user-defined name counts as used when any value in the same file mentions it as $name, when it is a restriction
 * class, or when it is a setting of a table (used.c).
 * A master.cf entry may use its own -o names and main.cf's, not another entry's. */
#include "tool.h"
#include <errno.h>
#include <postrider/file.h>
#include <postrider/hash.h>
#include <postrider/log.h>
#include <stdlib.h>

enum { FILE_MAX_BYTES = 1 << 20 };

struct scan {
	struct tool	*tool;
	struct tool_service *svc;	/* NULL: a value of main.cf */
	struct hash	*files;		/* of tables, that have been checked */
};

static void mark_name(const struct scan *s, const char *name)
{
	const struct config *c = s->tool->c;
	int id;

	for (size_t i = 0; s->svc != NULL && i < s->svc->nparam; i++) {
		if (strcmp(s->svc->param[i].name, name) == 0) {
			s->svc->param[i].used = true;
			return;
		}
	}
	id = sym_find(c, name);
	if (id >= 0 && (id < PARAM_COUNT || c->sym[id].raw != NULL))
		s->tool->used[id] = 1;
	else if (transport_default(c, name) < 0)
		log_warn(NULL, "%s: undefined parameter: %s", s->svc != NULL ? c->master_path : c->main_path, name);
}

static void seen_name(void *arg, const char *name, size_t len)
{
	char *copy = xstrndup(name, len);

	mark_name(arg, copy);
	free(copy);
}

static void mark_classes(const struct scan *s, const char *list)
{
	struct strs words = { 0 };

	strs_split(&words, list, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		mark_name(s, words.v[i]);
	strs_release(&words);
}

/* ---- files of tables that ask a server ---------------------------------------------------------------- */

/* Every name of the file that such a table does not know; what the file may not look like ends the program. */
static void check_file(const char *type, const char *path)
{
	struct hash values = { 0 };
	struct strs names = { 0 };
	struct lines l;
	size_t len;
	char *text = file_read(path, FILE_MAX_BYTES, &len), *name, *value;

	if (text == NULL) {
		log_warn(NULL, "open \"%s\" configuration \"%s\": %s", type, path, strerror(errno));
		return;
	}
	lines_init(&l, text, len);
	while (lines_next(&l)) {
		char *line = xstrdup(buf_str(&l.text)), *old;
		const char *why = NULL;

		if (l.stray)
			log_warn(NULL, "%s: logical line must not start with whitespace: \"%.30s%s\"", path, line, strlen(line) > 30 ? "..." : "");
		else if ((why = split_nameval(line, &name, &value)) != NULL)
			log_fatal("%s, line %d: %s: \"%s\"", path, l.first, why, buf_str(&l.text));
		if (!l.stray && why == NULL) {
			if ((old = hash_set(&values, name, xstrdup(value))) == NULL)
				strs_add(&names, name);
			else if (strcmp(old, value) != 0)
				log_warn(NULL, "%s, line %d: overriding earlier entry: %s=%s", path, l.first, name, old);
			free(old);
		}
		free(line);
	}
	for (size_t i = 0; i < names.n; i++)
		if (!table_client_setting(type, names.v[i]))
			log_warn(NULL, "%s:%s: unused parameter: %s=%s", type, path, names.v[i], (char *)hash_get(&values, names.v[i]));
	lines_release(&l);
	strs_release(&names);
	hash_release(&values, free);
	free(text);
}

/* Tables in a value, each file once: "proxy:mysql:/path", also within braces. */
static void check_tables(const struct scan *s, const char *value)
{
	struct strs words = { 0 };
	char *text;

	if (strchr(value, ':') == NULL && strchr(value, '$') == NULL)
		return;
	text = tool_expanded(s->tool, s->svc, value);
	strs_split(&words, text, ", \t\r\n{}");
	for (size_t i = 0; i < words.n; i++) {
		char *word = words.v[i], *name;

		while (strncmp(word, "proxy:", 6) == 0)
			word += 6;
		if ((name = strchr(word, ':')) == NULL || name[1] != '/' || hash_get(s->files, word) != NULL)
			continue;
		hash_set(s->files, word, s->files);
		*name++ = '\0';
		if (table_client_type(word))
			check_file(word, name);
	}
	strs_release(&words);
	free(text);
}

static void mark_value(const struct scan *s, const char *name, const char *value)
{
	const struct param_row *row = param_find(name);
	struct scan copy = *s;
	struct strs asked = { 0 };

	if (row == NULL || row->type != PT_RAW) {	/* $ in a raw value is for names that exist only at run time */
		if (tool_expands(s->tool, s->svc, value, false, &asked)) {
			macro_names(value, seen_name, &copy);
			check_tables(s, value);
		} else {			/* what comes before the mistake counts */
			for (size_t i = 0; i < asked.n; i++)
				mark_name(s, asked.v[i]);
		}
		strs_release(&asked);
	}
	if (strcmp(name, "smtpd_restriction_classes") == 0)
		mark_classes(s, value);
}

/* A program of Postfix's evaluates its own parameters, whatever it was asked. */
static void evaluate(const struct tool *t, const struct tool_service *svc, const char *name, const char *value)
{
	const struct param_row *row = param_find(name);

	if (row != NULL && row->type != PT_RAW)
		tool_expands(t, svc, value, true, NULL);
}

void tool_mark_used(struct tool *t)
{
	struct hash files = { 0 };
	struct scan s = { .tool = t, .files = &files };
	size_t i, k;

	t->used = xcalloc(t->c->nsym, 1);
	for (i = 0; i < t->nsvc; i++) {
		s.svc = &t->svc[i];
		for (k = 0; k < s.svc->nparam; k++)
			mark_value(&s, s.svc->param[k].name, s.svc->param[k].value);
		for (k = 0; k < s.svc->nparam; k++)
			evaluate(t, s.svc, s.svc->param[k].name, s.svc->param[k].value);
	}
	s.svc = NULL;
	for (i = 0; i < t->c->norder; i++)
		mark_value(&s, t->c->sym[t->c->order[i]].name, t->c->sym[t->c->order[i]].raw);
	for (i = 0; i < t->c->norder; i++)
		evaluate(t, NULL, t->c->sym[t->c->order[i]].name, t->c->sym[t->c->order[i]].raw);
	hash_release(&files, NULL);
}

void tool_warn_unused(const struct tool *t, bool main_cf)
{
	const struct config *c = t->c;
	size_t i, k;

	for (i = 0; main_cf && i < c->norder; i++) {
		int id = c->order[i];

		if (id >= PARAM_COUNT && !t->used[id] && transport_default(c, c->sym[id].name) < 0 &&
		    !table_setting(c, c->sym[id].name))
			log_warn(NULL, "%s: unused parameter: %s=%s", c->main_path, c->sym[id].name, c->sym[id].raw);
	}
	for (i = 0; i < t->nsvc; i++) {
		for (k = 0; k < t->svc[i].nparam; k++) {
			const struct tool_param *p = &t->svc[i].param[k];

			int id = sym_find(c, p->name);

			if (!p->used && !table_setting(c, p->name) && (id < 0 || (id >= PARAM_COUNT && !(t->used[id] && c->sym[id].raw != NULL))) &&
			    transport_default(c, p->name) < 0)
				log_warn(NULL, "%s: unused parameter: %s=%s", c->master_path, p->name, p->value);
		}
	}
}
