/* source.c - the text a table is made from, by logical lines.
 * Postfix's rules: a line that begins with white space continues the one before; empty lines, lines of
 * white space and lines whose first other character is '#' do not count, also in the middle of a
 * continued line. The number of a logical line in messages is that of its first physical
 * line. A source may be written in place of a file name, "{ {line}, {line} }". */
#include <ctype.h>
#include <errno.h>
#include <postrider/file.h>

#include "room.h"

enum { SOURCE_MAX = 1 << 30 };

static bool blank(char c)
{
	return isspace((unsigned char)c) != 0;
}

/* Lines in braces become text with newlines. */
static char *source_inline(struct source *s, const char *path)
{
	const char *why, *colon = strchr(s->env->spec, ':');
	char *copy = xstrdup(path), *p = copy, *token, *fault = NULL;
	int type = colon != NULL ? (int)(colon - s->env->spec) : 0;
	struct buf out = { 0 };

	if ((why = str_extpar(&p)) != NULL)
		fault = xasprintf("%.*s map: %s in \"%s\"", type, s->env->spec, why, path);
	while (fault == NULL && (token = str_tok_brace(&p, ", \t\r\n")) != NULL) {
		if (*token != '{') {
			fault = xasprintf("%.*s map: no '{' at start of text in \"%s\"", type, s->env->spec, token);
		} else if ((why = str_extpar(&token)) != NULL) {
			fault = xasprintf("%.*s map: %s in \"%s\"", type, s->env->spec, why, token);
		} else {
			buf_adds(&out, token);
			buf_addc(&out, '\n');
		}
	}
	free(copy);
	if (fault != NULL) {
		buf_release(&out);
		return fault;
	}
	s->len = out.len;
	s->text = buf_steal(&out);
	return NULL;
}

char *source_open_file(struct source *s, const char *prefix, const char *path)
{
	table_watch_file(s->env, path);
	s->text = file_read(path, SOURCE_MAX, &s->len);
	if (s->text == NULL)
		return xasprintf("%s %s: %s", errno == EISDIR ? "read" : prefix, path, strerror(errno));
	return NULL;
}

char *source_open(struct source *s, struct table_env *env, const char *prefix, const char *path)
{
	*s = (struct source){ .path = path, .env = env };
	errno = EINVAL;			/* the callers tell a directory by it */
	return *path == '{' ? source_inline(s, path) : source_open_file(s, prefix, path);
}

static char *source_next(struct source *s)
{
	buf_reset(&s->buf);
	while (s->pos < s->len) {
		const char *p = s->text + s->pos, *nl = memchr(p, '\n', s->len - s->pos);
		size_t n = nl != NULL ? (size_t)(nl - p) : s->len - s->pos, skip = 0;

		s->lines++;
		s->pos += n + (nl != NULL);
		while (skip < n && blank(p[skip]))
			skip++;
		if (skip < n && p[skip] != '#') {
			if (s->buf.len == 0)
				s->line = s->lines;
			buf_add(&s->buf, p, n);
		}
		if (s->buf.len > 0 && s->pos < s->len && s->text[s->pos] != '#' && !blank(s->text[s->pos]))
			break;
	}
	return s->buf.len > 0 ? s->buf.p : NULL;
}

char *source_line(struct source *s)
{
	char *line;

	while ((line = source_next(s)) != NULL && blank(*line))
		table_warn(s->env, s->path, s->line, "%s: logical line must not start with whitespace: \"%.30s%s\"",
		    s->path,
		    line, strlen(line) > 30 ? "..." : "");
	return line;
}

void source_close(struct source *s)
{
	free(s->text);
	buf_release(&s->buf);
	*s = (struct source){ 0 };
}
