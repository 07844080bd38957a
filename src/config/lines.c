/* Logical lines. A line that starts with white space continues the one before; lines that are blank or whose
 * first visible character is '#' are nothing, also between continuation lines; a value keeps the white space its
 * continuation lines start with, but not the line ends. A NUL ends the logical line's text, as it does for Postfix. */
#include "internal.h"
#include <stdlib.h>

#define IS_SPACE(c)	((c) == ' ' || ((c) >= '\t' && (c) <= '\r'))

void lines_init(struct lines *l, const char *text, size_t len)
{
	*l = (struct lines){ .p = text, .end = text + len, .next = 1 };
}

/* Up to and without the line end. */
static const char *physical_line(struct lines *l, size_t *len_r)
{
	const char *start = l->p, *nl = memchr(start, '\n', (size_t)(l->end - start));

	*len_r = (size_t)((nl != NULL ? nl : l->end) - start);
	l->p = nl != NULL ? nl + 1 : l->end;
	l->next++;
	return start;
}

bool lines_next(struct lines *l)
{
	buf_reset(&l->text);
	while (l->p < l->end) {
		int number = l->next;
		size_t len, i;
		const char *s = physical_line(l, &len);

		for (i = 0; i < len && IS_SPACE(s[i]); i++)
			;
		if (i == len || s[i] == '#')
			continue;
		if (l->text.len == 0)
			l->first = number;
		buf_add(&l->text, s, len);
		while (l->p < l->end && (*l->p == '#' || IS_SPACE(*l->p))) {
			s = physical_line(l, &len);
			for (i = 0; i < len && IS_SPACE(s[i]); i++)
				;
			if (i < len && s[i] != '#')
				buf_add(&l->text, s, len);
		}
		while (l->text.len > 0 && IS_SPACE(l->text.p[l->text.len - 1]))
			l->text.p[--l->text.len] = '\0';
		l->stray = IS_SPACE(l->text.p[0]);
		return true;
	}
	return false;
}

void lines_release(struct lines *l)
{
	buf_release(&l->text);
}

const char *split_nameval(char *s, char **name_r, char **value_r)
{
	char *name = s, *end, *eq, *value, *last;

	while (IS_SPACE(*name))
		name++;
	if (*name == '\0')
		return "missing attribute name";
	for (end = name; *end != '\0' && *end != '=' && !IS_SPACE(*end); end++)
		;
	for (eq = end; IS_SPACE(*eq); eq++)
		;
	if (*eq != '=')
		return "missing '=' after attribute name";
	if (end == name)
		return "missing attribute name";
	for (value = eq + 1; IS_SPACE(*value); value++)
		;
	*end = '\0';
	last = value + strlen(value);
	while (last > value && IS_SPACE(last[-1]))
		last--;
	*last = '\0';
	*name_r = name;
	*value_r = value;
	return NULL;
}
