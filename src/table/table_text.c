/* table_text.c - texthash: and inline:, tables kept whole in memory.
 * texthash: reads a source in postmap's format: "key white-space value", the key may hold quoted
 * strings with white space. Keys are folded when the table is made. The first of two equal keys
 * stays, with a warning. inline: is "{ name=value, {name = value with spaces} }"; here the last one
 * stays, and only the outermost syntax can be wrong, as in Postfix. */
#include <ctype.h>
#include <errno.h>
#include <postrider/arena.h>
#include <postrider/file.h>

#include "room.h"

struct text {
	struct hash	 hash;		/* folded key -> value, in the arena */
	struct arena	 arena;
};

static void text_close(void *contents)
{
	struct text *t = contents;

	hash_release(&t->hash, NULL);
	arena_release(&t->arena);
	free(t);
}

static enum table_result text_lookup(void *contents, struct table_op *op, const char *key)
{
	op->value = hash_get(&((struct text *)contents)->hash, key);
	return op->value != NULL ? TABLE_FOUND : TABLE_NONE;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *text_each(void *contents, table_each_fn *fn, void *arg)
{
	const struct hash *h = &((struct text *)contents)->hash;
	const char **keys = xcalloc(h->n + 1, sizeof(*keys));
	size_t pos = 0, n = 0;
	void *value;

	while (n < h->n && hash_next(h, &pos, &keys[n], &value))
		n++;
	qsort(keys, n, sizeof(*keys), by_key);
	for (size_t i = 0; i < n && fn(arg, keys[i], hash_get(h, keys[i])); i++)
		;
	free(keys);
	return NULL;
}

/* Value is a list of files: their contents, one after the other, with newlines between, in base64. */
char *table_file_value(struct table_env *env, const char *list, char **why_r)
{
	char *copy = xstrdup(list), *cursor = copy, *path;
	struct buf all = { 0 }, out = { 0 };
	bool any = false;

	while (*why_r == NULL && (path = str_tok(&cursor, ", \t\r\n")) != NULL) {
		size_t n;
		char *bytes = file_read(path, 1 << 20, &n);

		table_watch_file(env, path);
		if (any)
			buf_addc(&all, '\n');
		any = true;
		if (bytes == NULL)
			*why_r = xasprintf("%s %s: %s", errno == EISDIR ? "read" : "open", path, strerror(errno));
		else
			buf_add(&all, bytes, n);
		free(bytes);
	}
	free(copy);
	if (*why_r == NULL && !any)
		*why_r = xasprintf("empty pathname list: >>%s<<'", list);
	if (*why_r == NULL)
		buf_add_base64(&out, all.p, all.len);
	buf_release(&all);
	return *why_r == NULL ? buf_steal(&out) : NULL;
}

/* Duplicates are warned about by place in a text table, by table in one that is an index elsewhere. */
static void add_record(struct text *t, struct records *r)
{
	struct source *s = &r->source;
	struct table_env *env = s->env;
	char *why = NULL, *file_value = NULL;

	if (hash_get(&t->hash, r->key) != NULL && !r->index)
		table_warn(env, s->path, s->line, "%s, line %d: duplicate entry: \"%s\"", s->path, s->line, r->written);
	else if (hash_get(&t->hash, r->key) != NULL)
		table_warn(env, s->path, s->line, "%s: duplicate entry: \"%s\"", env->spec, r->key);
	else if (!r->index && (env->flags & TABLE_RHS_IS_FILE) != 0 && (file_value = table_file_value(env, r->value, &why)) == NULL)
		table_warn(env, s->path, s->line, "%s, line %d: %s: skipping this entry", s->path, s->line, why);
	else
		hash_set(&t->hash, r->key, arena_strdup(&t->arena, file_value != NULL ? file_value : r->value));
	free(file_value);
	free(why);
}

void *text_new(struct records *r)
{
	struct text *t = xcalloc(1, sizeof(*t));

	while (records_next(r))
		add_record(t, r);
	return t;
}

static void *texthash_open(struct table_env *env, const char *name, char **why_r)
{
	struct records r = { .source = { .path = name, .env = env } };
	struct text *t;

	if ((*why_r = source_open_file(&r.source, "open database", name)) != NULL)
		return NULL;
	t = text_new(&r);
	records_close(&r);
	return t;
}

/* Behind the name: double quotes protect blanks and "=" in it, and stay part of it. NULL: a quote is not closed. */
static char *inline_name_end(char *p)
{
	bool quoted = false;

	for (; *p != '\0' && (quoted || (!isspace((unsigned char)*p) && *p != '=')); p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	return quoted ? NULL : p;
}

/* One "name = value": false with *fault when it is not one. */
static bool inline_pair(struct text *t, struct table_env *env, char *pair, char **why_r)
{
	bool utf8 = (env->flags & TABLE_UTF8) != 0 && env->set->smtputf8;
	char *name = str_trim(pair), *end = inline_name_end(name), *value, *file_value = NULL;
	struct buf tmp = { 0 };
	const char *key;

	value = end != NULL ? end + strspn(end, " \t\r\n\v\f") : NULL;
	if (value == NULL || *value != '=') {
		*why_r = xasprintf("%s: \"%s\"; need \"inline:{name=value...}\"",
		    value != NULL ? "missing '=' after attribute name" : "unbalanced '\"'", env->spec);
		return false;
	}
	*end = '\0';
	value = str_trim(value + 1);
	if ((env->flags & TABLE_RHS_IS_FILE) != 0) {
		if ((file_value = table_file_value(env, value, why_r)) == NULL) {
			char *why = *why_r;

			*why_r = xasprintf("%s: \"%s\"; need \"inline:{name=filename...}\"", why, env->spec);
			free(why);
			return false;
		}
		value = file_value;
	}
	key = (env->flags & TABLE_FOLD) != 0 ? fold_key(name, utf8, &tmp) : name;
	hash_set(&t->hash, key, arena_strdup(&t->arena, value));
	free(file_value);
	buf_release(&tmp);
	return true;
}

static void *inline_open(struct table_env *env, const char *name, char **why_r)
{
	char *copy = xstrdup(name), *cursor = copy, *pair;
	struct text *t = xcalloc(1, sizeof(*t));
	size_t n = 0;
	bool good = str_extpar(&cursor) == NULL && *name == '{';

	while (good && (pair = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		const char *why = *pair == '{' ? str_extpar(&pair) : NULL;

		if (why != NULL)
			*why_r = xasprintf("%s in \"%s\": \"%s\"; need \"inline:{name=value...}\"", why, pair,
			    env->spec);
		good = why == NULL && inline_pair(t, env, pair, why_r);
		n++;
	}
	if (good && n == 0 && strcmp(name, "{}") != 0)
		*why_r = xasprintf("empty table: \"%s\"; need \"inline:{name=value...}\"", env->spec);
	else if ((!good || n == 0) && *why_r == NULL)
		*why_r = xasprintf("bad syntax: \"%s\"; need \"inline:{name=value...}\"", env->spec);
	free(copy);
	if (*why_r == NULL)
		return t;
	text_close(t);
	return NULL;
}

const struct table_class table_texthash = {
	.abi = TABLE_ABI, .type = "texthash", .open = texthash_open, .close = text_close, .lookup = text_lookup,
	.each = text_each,
};
const struct table_class table_inline = {
	.abi = TABLE_ABI, .type = "inline", .open = inline_open, .close = text_close, .lookup = text_lookup,
	.each = text_each,
};
