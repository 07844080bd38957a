/* records.c - the records of a source for texthash:, and for the types that are indexes elsewhere.
 * Two formats: postmap's ("key white-space value") and postalias's ("name: value"). Which one a
 * source of hash: has, is told by who uses it: what alias_maps or alias_database names has aliases; for others
 * the first record decides, as its key ends in a colon only there. */
#include <ctype.h>

#include "room.h"

/* Splits a line at the first white space outside of quotes; false: unbalanced. */
static bool split_line(char *line, char **value_r)
{
	bool quoted = false;
	char *p;

	for (p = line; *p != '\0'; p++) {
		if (*p == '\\') {
			if (*++p == '\0')
				break;
		} else if (isspace((unsigned char)*p) && !quoted) {
			break;
		} else if (*p == '"') {
			quoted = !quoted;
		}
	}
	if (quoted)
		return false;
	if (*p != '\0')
		*p++ = '\0';
	*value_r = str_trim(p);
	return true;
}

static bool map_record(struct records *r, char *line)
{
	struct source *s = &r->source;
	char *value;

	if (!split_line(line, &value)) {
		table_warn(s->env, s->path, s->line, "%s, line %d: unbalanced '\"' in '%s' -- ignoring this line",
		    s->path, s->line, line);
		return false;
	}
	if (*line == '\0' || *value == '\0') {
		table_warn(s->env, s->path, s->line,
		    "%s, line %d: expected format: key whitespace value%s", s->path, s->line,
		    r->index ? "" : " -- ignoring this line");
		return false;
	}
	if (line[strlen(line) - 1] == ':')
		table_warn(s->env, s->path, s->line,
		    "%s, line %d: record is in \"key: value\" format; is this an alias file?", s->path, s->line);
	r->written = line;
	r->value = value;
	return true;
}

static bool alias_record(struct records *r, const char *line)
{
	struct source *s = &r->source;
	const char *why = alias_line(line, &r->alias_key, &r->alias_value);

	if (why != NULL) {
		table_warn(s->env, s->path, s->line, "%s, line %d: %s", s->path, s->line, why);
		return false;
	}
	r->written = buf_str(&r->alias_key);
	r->value = buf_str(&r->alias_value);
	return true;
}

/* The contents of files instead of their names; false: cannot be read. */
static bool take_files(struct records *r)
{
	struct source *s = &r->source;
	char *why = NULL;

	free(r->contents);
	if ((r->contents = table_file_value(s->env, r->value, &why)) == NULL)
		table_warn(s->env, s->path, s->line, "%s, line %d: %s: skipping this entry", s->path, s->line, why);
	else
		r->value = r->contents;
	free(why);
	return r->contents != NULL;
}

bool records_next(struct records *r)
{
	struct source *s = &r->source;
	struct table_env *env = s->env;
	bool utf8 = (env->flags & TABLE_UTF8) != 0 && env->set->smtputf8;
	char *line;

	while ((line = source_line(s)) != NULL) {
		if (utf8 && !str_is_utf8(line, strlen(line))) {
			table_warn(env, s->path, s->line, "%s, line %d: non-UTF-8 input \"%s\" -- ignoring this line",
			    s->path, s->line,
			    str_printable(line, '?'));
			continue;
		}
		if (!(r->aliases ? alias_record(r, line) : map_record(r, line)))
			continue;
		if (r->index && (env->flags & TABLE_RHS_IS_FILE) != 0 && !take_files(r))
			continue;
		r->key = (env->flags & TABLE_FOLD) != 0 || (r->aliases && !r->as_written) ? fold_key(r->written, utf8,
		    &r->folded) : r->written;
		return true;
	}
	return false;
}

void records_close(struct records *r)
{
	source_close(&r->source);
	buf_release(&r->folded);
	buf_release(&r->alias_key);
	buf_release(&r->alias_value);
	free(r->contents);
	r->contents = NULL;
}

/* "root: alice" and "root : alice", but not "2001:db8::1 OK", and not "fe80:: OK". */
static bool looks_like_alias(const char *line)
{
	size_t n = *line == '"' ? 1 + strcspn(line + 1, "\"") : 0;
	char *key;
	struct ip ip;
	bool addr;

	n += strcspn(line + n, " \t");
	key = xstrndup(line, n);
	addr = ip_parse(&ip, key);
	free(key);
	if (addr)
		return false;
	if (n > 0 && line[n - 1] == ':')
		return true;
	return line[n + strspn(line + n, " \t")] == ':';
}

static bool listed(const char *list, const char *spec)
{
	char *copy = xstrdup(list), *cursor = copy, *token;
	bool found = false;

	while (!found && (token = str_tok_brace(&cursor, ", \t\r\n")) != NULL)
		found = strcmp(token, spec) == 0 || (strncmp(token, "proxy:", 6) == 0 && strcmp(token + 6, spec) == 0);
	free(copy);
	return found;
}

bool records_are_aliases(const struct source *s)
{
	struct source again = { .text = s->text, .len = s->len, .path = s->path };
	struct table_env quiet = { .set = s->env->set, .spec = s->env->spec };
	char *line;
	bool aliases = false;

	if (listed(s->env->set->alias_specs, s->env->spec))
		return true;
	again.env = &quiet;
	if ((line = source_line(&again)) != NULL)
		aliases = looks_like_alias(line);
	buf_release(&again.buf);
	return aliases;
}
