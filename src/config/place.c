/* place.c - where a problem is that a module found without knowing who asked for what it tried: a table that cannot be
 * opened, an unknown restriction. Such texts name the parameter, or the table or the word from its value. */
#include "internal.h"
#include <ctype.h>
#include <stdlib.h>

struct find {
	const struct config *config;
	const char	*file;		/* the best place so far */
	int		 line;
	size_t		 len;		/* of what was recognised: the longest is the surest */
};

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A word of its own in the text? */
static bool mentions(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; n > 0 && (p = strstr(p, word)) != NULL; p++)
		if ((p == text || !name_char(p[-1])) && !name_char(p[n]))
			return true;
	return false;
}

static void candidate(struct find *f, const char *file, int line, size_t len)
{
	if (len > f->len) {
		f->file = file;
		f->line = line;
		f->len = len;
	}
}

/* One setting: by its name (twice as sure as by a part of its value), or by a word of its expanded value. */
static void try_setting(struct find *f, const char *text, const char *name, const char *value, const char *file, int line)
{
	char *copy, *cursor, *word;

	if (mentions(text, name))
		candidate(f, file, line, 2 * strlen(name));
	copy = cursor = xstrdup(value);
	while ((word = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		char *path = strchr(word, '/');
		size_t type = strcspn(word, ":");
		char *forms[] = { xasprintf("\"%s\"", word), xasprintf("restriction %s ", word), xasprintf("`%s'", word),
		    xasprintf("dictionary type: %.*s", (int)type, word) };

		for (size_t i = 0; i < NELEM(forms); i++) {
			const char *at = strstr(text, forms[i]);

			if (at != NULL && (i < 3 || (word[type] == ':' && at[strlen(forms[i])] == '\0')))
				candidate(f, file, line, strlen(word) + 2);
			free(forms[i]);
		}
		if (path != NULL && path[1] != '\0' && strstr(text, path) != NULL)
			candidate(f, file, line, strlen(path));
	}
	free(copy);
}

static bool place(const struct config *c, const char *text, const char **file_r, int *line_r)
{
	struct find f = { .config = c };
	size_t i, k;

	for (i = 0; i < c->norder; i++) {
		const struct sym *s = &c->sym[c->order[i]];
		const char *value = c->base->text[c->order[i]];

		try_setting(&f, text, s->name, value != NULL ? value : "", s->file, s->line);
	}
	for (i = 0; i < c->nmaster; i++) {
		const struct master_entry *e = &c->master[i];

		for (k = 0; k < e->overrides.n; k++) {
			const char *eq = strchr(e->overrides.v[k], '=');
			char *name = xstrndup(e->overrides.v[k], (size_t)(eq - e->overrides.v[k]));
			int id = sym_find(c, name);
			const char *value = id >= 0 ? c->entry[i]->text[id] : NULL;

			try_setting(&f, text, name, value != NULL ? value : eq + 1, e->file, e->line);
			free(name);
		}
	}
	*file_r = f.file;
	*line_r = f.line;
	return f.file != NULL;
}

/* An item of a list, maybe inside another: "proxy:nis:hosts", "unionmap:{nis:hosts}". */
static bool has_item(const char *value, const char *item)
{
	size_t n = strlen(item);

	for (const char *p = value; n > 0 && (p = strstr(p, item)) != NULL; p++)
		if ((p == value || strchr(", \t\r\n{:", p[-1]) != NULL) && strchr(", \t\r\n}", p[n]) != NULL)
			return true;
	return false;
}

/* One setting that has what p is about: p is there, or a copy of it if there are others. */
static struct problem *put(struct problems *problems, struct problem *p, const char *text, const char *name,
    const char *file, int line)
{
	struct problem *new = p;

	if (p->file != NULL) {
		new = xcalloc(1, sizeof(*new));
		new->level = p->level;
		TAILQ_INSERT_AFTER(problems, p, new, link);
	}
	free(new->text);
	new->text = xasprintf("parameter %s: %s", name, text);
	new->file = xstrdup(file);
	new->line = line;
	return new;
}

/* written: as the values are written, else as they are with what $name stands for. */
static bool place_about(const struct config *c, struct problems *problems, struct problem *p, bool written)
{
	char *text = xstrdup(p->text), *about = xstrdup(p->about);
	size_t i, k;

	for (i = 0; i < c->norder; i++) {
		const struct sym *s = &c->sym[c->order[i]];
		const char *value = written ? s->raw : c->base->text[c->order[i]];

		if (value != NULL && has_item(value, about))
			p = put(problems, p, text, s->name, s->file, s->line);
	}
	for (i = 0; i < c->nmaster; i++) {
		const struct master_entry *e = &c->master[i];

		for (k = 0; k < e->overrides.n; k++) {
			const char *eq = strchr(e->overrides.v[k], '='), *value = eq + 1;
			char *name = xstrndup(e->overrides.v[k], (size_t)(eq - e->overrides.v[k]));
			int id = sym_find(c, name);

			if (!written && id >= 0 && c->entry[i]->text[id] != NULL)
				value = c->entry[i]->text[id];
			if (has_item(value, about))
				p = put(problems, p, text, name, e->file, e->line);
			free(name);
		}
	}
	free(text);
	free(about);
	return p->file != NULL;
}

void config_place(const struct config *c, struct problems *problems)
{
	struct problem *p;
	const char *file;
	int line;

	TAILQ_FOREACH(p, problems, link) {
		if (p->file == NULL && p->about != NULL && (place_about(c, problems, p, true) ||
		    place_about(c, problems, p, false)))
			continue;
		if (p->file == NULL && place(c, p->text, &file, &line)) {
			p->file = xstrdup(file);
			p->line = line;
		}
	}
}
