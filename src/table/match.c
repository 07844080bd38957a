/* match.c - match lists: is this name or address among those patterns?
 * Postfix tries the patterns one after the other, and the first that fits decides (YES, or NO
 * under '!'). Here the patterns that are plain text become two look-ups: names (and what
 * matches below them) in a hash table, networks in `nets`; both give the lowest number of a fitting
 * pattern. What is left are the `steps`: tables, and patterns that are wrong; they are gone
 * through in order, as long as their number is below that. So a list of a thousand names costs
 * as much as one of three, and the answer is that of going through them all. */
#include <errno.h>
#include <postrider/config.h>
#include <postrider/file.h>
#include <postrider/log.h>

#include "match.h"

enum { FILE_MAX = 64 << 20, INCLUDE_DEPTH_MAX = 20 };

struct compile {
	struct match_list *list;
	struct match_data *d;
	struct problems	*problems;
	struct strs	*files;
	int		 depth;
};

static void compile_text(struct compile *c, char *text, bool yes);

static struct match_step *step_add(struct match_data *d)
{
	struct match_step *s;

	d->step = xreallocarray(d->step, d->n_steps + 1, sizeof(*d->step));
	s = &d->step[d->n_steps++];
	*s = (struct match_step){ .number = d->n };
	return s;
}

static void compile_file(struct compile *c, const char *path, bool yes)
{
	size_t len;
	char *text, *line, *next;

	strs_add(c->files, path);
	text = c->depth < INCLUDE_DEPTH_MAX ? file_read(path, FILE_MAX, &len) : NULL;
	if (text == NULL) {
		struct match_step *s = step_add(c->d);

		s->why = xasprintf("%s: non-existent:%s: table lookup problem", c->list->name, path);
		s->down = xasprintf("non-existent:%s is unavailable. open file %s: %s", path, path,
		    c->depth < INCLUDE_DEPTH_MAX ? strerror(errno) : "included too deeply");
		s->any = true;
		problem_add(c->problems, PROBLEM_ERROR, NULL, 0, "open file %s: %s", path, strerror(errno));
		c->d->yes[c->d->n++] = yes;
		return;
	}
	c->depth++;
	for (line = text; line < text + len; line = next) {
		next = line + strcspn(line, "\n");
		if (next < text + len)
			*next = '\0';
		next++;
		if (*line != '#')
			compile_text(c, line, yes);
	}
	c->depth--;
	free(text);
}

static bool about_addresses(const struct match_list *l)
{
	return l->kind == MATCH_ADDR || l->kind == MATCH_HOST;
}

/* Only patterns that look like networks, or IPv6 addresses, are parsed; a v4 address is its text. */
static void compile_net(struct compile *c, const char *pattern)
{
	struct match_data *d = c->d;
	struct net net;
	char *why;

	if (strchr(pattern, '/') == NULL && strchr(pattern, ':') == NULL) {
		char plain[64];

		str_copy(plain, pattern, sizeof(plain));
		if (*plain == '[' && plain[strlen(plain) - 1] == ']') {
			plain[strlen(plain) - 1] = '\0';
			memmove(plain, plain + 1, strlen(plain));
		}
		if ((why = net_parse(&net, plain)) == NULL)
			nets_add(&d->nets, &net, d->n);
		free(why);
		return;
	}
	if (pattern[strspn(pattern, "0123456789.abcdefABCDEF:[]/")] != '\0')
		return;
	why = net_parse(&net, pattern);
	if (why == NULL) {
		nets_add(&d->nets, &net, d->n);
	} else {
		struct match_step *s = step_add(d);

		s->why = xasprintf("%s: %s", c->list->name, why);
		s->v6 = strchr(pattern, ':') != NULL;
		problem_add(c->problems, PROBLEM_ERROR, NULL, 0, "%s", s->why);	/* whoever it is asked for fails */
		free(why);
	}
}

static void compile_pattern(struct compile *c, const char *pattern, bool yes)
{
	struct match_data *d = c->d;

	if (d->n % 64 == 0)
		d->yes = xreallocarray(d->yes, d->n + 64, sizeof(*d->yes));
	if (*pattern == '/') {
		compile_file(c, pattern, yes);
		return;
	}
	if (*pattern != '[' && strchr(pattern, ':') != NULL) {
		step_add(d)->table = table_open(c->list->set, pattern, TABLE_ADDR, c->list->name, c->problems);
	} else {
		struct buf tmp = { 0 };
		const char *folded = fold_key(pattern, c->list->set->smtputf8, &tmp);

		if (hash_get(&d->names, folded) == NULL)
			hash_set(&d->names, folded, (void *)(uintptr_t)(d->n + 1));
		if (about_addresses(c->list))
			compile_net(c, folded);
		buf_release(&tmp);
	}
	d->yes[d->n++] = yes;
}

static void compile_text(struct compile *c, char *text, bool yes)
{
	char *cursor = text, *token;

	while ((token = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		bool positive = yes;

		if (*token == '#') {
			problem_add(c->problems, PROBLEM_WARNING, NULL, 0,
			    "%s: comment at end of line is not supported: %s %s",
			    c->list->name, token, cursor != NULL ? cursor : "");
			return;
		}
		for (; *token == '!'; token++)
			positive = !positive;
		if (*token == '\0')
			problem_add(c->problems, PROBLEM_FATAL, NULL, 0, "%s: no pattern after '!'", c->list->name);
		else
			compile_pattern(c, token, positive);
	}
}

static struct match_data *compile(struct match_list *l, struct problems *problems, struct strs *files)
{
	struct problems unheard;
	struct compile c = { .list = l, .problems = problems, .files = files };
	char *copy = xstrdup(l->text);

	TAILQ_INIT(&unheard);
	if (problems == NULL)
		c.problems = &unheard;
	c.d = xcalloc(1, sizeof(*c.d));
	c.d->refs = 1;
	compile_text(&c, copy, true);
	free(copy);
	problems_release(&unheard);
	return c.d;
}

void match_data_unref(struct match_data *d)
{
	if (--d->refs > 0)
		return;
	for (size_t i = 0; i < d->n_steps; i++) {
		free(d->step[i].why);
		free(d->step[i].down);
	}
	free(d->step);
	free(d->yes);
	hash_release(&d->names, NULL);
	nets_release(&d->nets);
	free(d);
}

/* ---- following its files ----------------------------------------------------------------------- */

static struct match_list *list_of(struct watched *w)
{
	return CONTAINER_OF(w, struct match_list, watched);
}

static void *list_load(struct watched *w, struct problems *problems, struct strs *files, char **why_r)
{
	struct match_data *d = compile(list_of(w), problems, files);

	for (size_t i = 0; i < d->n_steps; i++)
		if (d->step[i].down != NULL && *why_r == NULL)
			*why_r = xstrdup(d->step[i].down);
	return d;
}

static void list_swap(struct watched *w, void *contents)
{
	struct match_list *l = list_of(w);
	struct match_data *old = l->data;

	l->data = contents;
	match_data_unref(old);
}

static void list_drop(void *contents)
{
	match_data_unref(contents);
}

static const char *list_name(const struct watched *w)
{
	return ((const struct match_list *)(const void *)((const char *)w - offsetof(struct match_list,
	    watched)))->name;
}

static const struct watched_class list_watched = { list_load, list_swap, list_drop, list_name };

struct match_list *match_list_new(struct tables *set, enum match_kind kind, const char *name, const char *text,
    bool parents,
    struct problems *problems)
{
	struct match_list *l = xcalloc(1, sizeof(*l));
	struct strs files = { 0 };

	l->set = set;
	l->kind = kind;
	l->name = xstrdup(name);
	l->text = xstrdup(text != NULL ? text : "");
	l->parents = parents;
	l->data = compile(l, problems, &files);
	l->watched.working = true;
	for (size_t i = 0; i < l->data->n_steps; i++)
		if (l->data->step[i].down != NULL)
			l->watched.working = false;
	watched_init(&l->watched, &list_watched, set, &files);
	SLIST_INSERT_HEAD(&set->lists, l, link);
	return l;
}

void match_list_free(struct match_list *l)
{
	watched_release(&l->watched);
	match_data_unref(l->data);
	free(l->name);
	free(l->text);
	free(l);
}

bool match_list_empty(const struct match_list *l)
{
	return l == NULL || l->data->n == 0;
}

bool match_parent_style(const char *value, const char *name)
{
	char *copy = xstrdup(value), *cursor = copy, *token;
	bool found = false;

	while (!found && (token = str_tok(&cursor, ", \t\r\n")) != NULL)
		found = str_ieq(token, name);
	free(copy);
	return found;
}
