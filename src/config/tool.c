/* Reading both files the way postconf does: main.cf into symbols with unexpanded values, master.cf into words;
 * and printing a value. Values are expanded by walking the definitions each time, a service's own first: a tool
 * prints each value once, so nothing is remembered. */
#include "tool.h"
#include <postrider/file.h>
#include <postrider/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BLANKS		" \t\r\n"
#define LINE_LIMIT	80
#define INDENT		"    "

static bool enough_fields(const char *line)
{
	char *copy = xstrdup(line), *cursor = copy;
	int n = 0;

	while (str_tok(&cursor, BLANKS) != NULL)
		n++;
	free(copy);
	return n >= FIELDS;
}

static void services_read(struct tool *t)
{
	const char *path = t->c->master_path;
	struct lines l;
	char *text;
	size_t len, cap = 0;

	if ((text = file_read(path, 16 << 20, &len)) == NULL) {
		if (t->o->master_first)
			log_fatal("open %s: %s", path, strerror(errno));
		log_warn(NULL, "open %s: %s", path, strerror(errno));
		return;
	}
	lines_init(&l, text, len);
	while (lines_next(&l)) {
		if (l.stray) {
			log_warn(NULL, "%s: logical line must not start with whitespace: \"%.30s%s\"", path, l.text.p,
			    strlen(l.text.p) > 30 ? "..." : "");
			continue;
		}
		if (!enough_fields(l.text.p))
			log_fatal("file %s: line %d: bad field count", path, l.first);
		if (t->nsvc == cap) {
			cap = cap * 2 + 32;
			t->svc = xreallocarray(t->svc, cap, sizeof *t->svc);
		}
		t->svc[t->nsvc] = (struct tool_service){ 0 };
		service_parse(&t->svc[t->nsvc++], l.text.p);
	}
	lines_release(&l);
	free(text);
}

/* main.cf's syntax only: values are the server's business. */
static void main_problems(const struct problems *list)
{
	const struct problem *p;

	TAILQ_FOREACH(p, list, link) {
		if (p->level == PROBLEM_FATAL && p->line > 0)
			log_fatal("%s, line %d: %s", p->file, p->line, p->text);
		else if (p->level == PROBLEM_FATAL)
			log_fatal("%s", p->text);
		else if (strncmp(p->text, "overriding", 10) == 0)
			log_warn(NULL, "%s, line %d: %s", p->file, p->line, p->text);
		else
			log_warn(NULL, "%s: %s", p->file, p->text);
	}
}

void tool_open(struct tool *t, const struct postconf *o)
{
	struct problems syntax, rest;

	*t = (struct tool){ .o = o };
	TAILQ_INIT(&syntax);
	TAILQ_INIT(&rest);
	t->c = config_read(o->dir, &o->overrides, !(o->mode & PC_DEFAULTS), &syntax, &rest);
	if (o->master_first)
		services_read(t);
	main_problems(&syntax);
	problems_release(&syntax);
	problems_release(&rest);
	if (!o->master_first)
		services_read(t);
}

void tool_close(struct tool *t)
{
	for (size_t i = 0; i < t->nsvc; i++)
		service_release(&t->svc[i]);
	free(t->svc);
	free(t->used);
	config_unref(&t->c);
}

/* ---- values ------------------------------------------------------------------------------- */
struct walk {
	const struct tool *tool;
	const struct tool_service *svc;
	struct strs	 results;	/* keeps what lookups returned alive */
	struct strs	*asked;		/* names, as they come, or NULL */
};

static const char *definition(const struct walk *w, const char *name)
{
	const struct config *c = w->tool->c;
	int id, def;

	for (size_t i = 0; w->svc != NULL && i < w->svc->nparam; i++)
		if (strcmp(w->svc->param[i].name, name) == 0)
			return w->svc->param[i].value;
	if (w->svc != NULL && strcmp(name, "service_name") == 0)
		return w->svc->argv.v[0];
	if (w->svc != NULL && strcmp(name, "process_name") == 0)
		return w->svc->argv.v[FIELDS - 1];
	id = sym_find(c, name);
	if (id >= 0 && c->raw[id] != NULL)
		return c->raw[id];
	def = transport_default(c, name);
	return def >= 0 ? c->raw[def] : NULL;
}

static const char *walk_lookup(struct macro *m, const char *name, enum macro_mode mode)
{
	struct walk *w = m->arg;
	const char *raw = definition(w, name);
	struct buf out = { 0 };

	if (raw == NULL || mode == MACRO_TEST || strchr(raw, '$') == NULL)
		return raw;
	macro_run(m, &out, raw);
	strs_add(&w->results, buf_str(&out));
	buf_release(&out);
	return w->results.v[w->results.n - 1];
}

char *tool_value(const struct tool *t, const struct tool_service *svc, const char *raw)
{
	struct walk w = { .tool = t, .svc = svc };
	struct macro m = { .lookup = walk_lookup, .arg = &w };
	struct buf out = { 0 };

	if (!(t->o->mode & PC_EXPAND))
		return xstrdup(raw);
	if (!macro_run(&m, &out, raw)) {
		fflush(t->o->out);
		log_warn(NULL, "%s", m.why);
		log_fatal("macro processing error");
	}
	strs_release(&w.results);
	return buf_steal(&out);
}

char *tool_expanded(const struct tool *t, const struct tool_service *svc, const char *raw)
{
	struct walk w = { .tool = t, .svc = svc };
	struct macro m = { .lookup = walk_lookup, .arg = &w };
	struct buf out = { 0 };

	if (!macro_run(&m, &out, raw)) {
		buf_reset(&out);
		buf_adds(&out, raw);
	}
	strs_release(&w.results);
	return buf_steal(&out);
}

/* Only what the text itself says; its names' values are judged where they stand. */
static const char *shallow_lookup(struct macro *m, const char *name, enum macro_mode mode)
{
	struct walk *w = m->arg;

	(void)mode;
	if (w->asked != NULL)
		strs_add(w->asked, name);
	return definition(w, name);
}

bool tool_expands(const struct tool *t, const struct tool_service *svc, const char *raw, bool fatal, struct strs *asked)
{
	struct walk w = { .tool = t, .svc = svc, .asked = asked };
	struct macro m = { .lookup = fatal ? walk_lookup : shallow_lookup, .arg = &w };
	struct buf out = { 0 };
	bool good = strchr(raw, '$') == NULL || macro_run(&m, &out, raw);

	if (!good && !fatal && strncmp(m.why, "malformed compat", 16) == 0)
		good = true;		/* a matter of values, not of syntax */
	if (!good)
		log_warn(NULL, "%s", m.why);
	if (!good && fatal)
		log_fatal("macro processing error");
	strs_release(&w.results);
	buf_release(&out);
	return good;
}

char *postconf_value(const struct postconf *o, const char *name)
{
	struct postconf expanding = *o;
	struct tool t;
	struct walk w = { .tool = &t };
	const char *raw;
	char *value;

	expanding.mode = PC_EXPAND;
	tool_open(&t, &expanding);
	raw = definition(&w, name);
	value = raw != NULL ? tool_value(&t, NULL, raw) : NULL;
	tool_close(&t);
	return value;
}

/* Words with one space between them, whatever the file had; folded where asked. */
void tool_print_line(const struct postconf *o, const char *name, const char *value)
{
	struct strs words = { 0 };
	size_t column = 0, i, len;

	if (!(o->mode & PC_HIDE_NAME)) {
		strs_split(&words, name, BLANKS);
		if (!(o->mode & PC_HIDE_VALUE))
			strs_add(&words, "=");
	}
	if (!(o->mode & PC_HIDE_VALUE))
		strs_split(&words, value, BLANKS);
	for (i = 0; i < words.n; i++) {
		len = strlen(words.v[i]);
		if (column > 0 && (!(o->mode & PC_FOLD) || column + 1 + len <= LINE_LIMIT)) {
			fputc(' ', o->out);
			column++;
		} else if (column > 0) {
			fputs("\n" INDENT, o->out);
			column = strlen(INDENT);
		}
		fputs(words.v[i], o->out);
		column += len;
	}
	fputc('\n', o->out);
	strs_release(&words);
}
