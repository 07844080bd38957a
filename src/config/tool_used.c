/* Which names are used, which are not, which do not exist: postconf's guard against mistyped names.
 *
 * A user-defined name counts as used when any value in the same file mentions it as $name, when it is a restriction
 * class, or when it is a setting of a table (used.c).
 * A master.cf entry may use its own -o names and main.cf's, not another entry's. */
#include "tool.h"
#include <postrider/log.h>
#include <stdlib.h>

struct scan {
	struct tool	*tool;
	struct tool_service *svc;	/* NULL: a value of main.cf */
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

static void mark_value(const struct scan *s, const char *name, const char *value)
{
	const struct param_row *row = param_find(name);
	struct scan copy = *s;

	if (row == NULL || row->type != PT_RAW) {	/* $ in a raw value is for names that exist only at run time */
		if (!tool_expands(s->tool, s->svc, value, row != NULL))
			return;
		macro_names(value, seen_name, &copy);
	}
	if (strcmp(name, "smtpd_restriction_classes") == 0)
		mark_classes(s, value);
}

void tool_mark_used(struct tool *t)
{
	struct scan s = { .tool = t };
	size_t i, k;

	t->used = xcalloc(t->c->nsym, 1);
	for (i = 0; i < t->nsvc; i++) {
		s.svc = &t->svc[i];
		for (k = 0; k < s.svc->nparam; k++)
			mark_value(&s, s.svc->param[k].name, s.svc->param[k].value);
	}
	s.svc = NULL;
	for (i = 0; i < t->c->norder; i++)
		mark_value(&s, t->c->sym[t->c->order[i]].name, t->c->sym[t->c->order[i]].raw);
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
