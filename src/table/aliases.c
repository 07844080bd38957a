/* aliases.c - one line of an aliases file, "name: value, value", as postalias reads it.
 * The line is a sequence of RFC 822 tokens: words (atoms, quoted strings, comments, address literals) and
 * single special characters. The key is what stands before the first colon, without quotes; the value
 * is the rest, written anew with single spaces where words meet. Names must be local. */
#include <ctype.h>

#include "room.h"

enum kind { ATOM, QUOTED, COMMENT, LITERAL, SPECIAL };

#define SPECIALS "<>,;:@.)]|!%"

struct token {
	enum kind	 kind;
	struct buf	*text;		/* without quotes, comments with their parentheses */
};

/* From an opening character to its end; `nests` for comments. */
static const char *scan_to(const char *p, char open, char close, bool nests, bool keep_backslash, struct buf *out)
{
	int level = 1;

	for (p++; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			if (keep_backslash)
				buf_addc(out, '\\');
			p++;
		} else if (*p == close && --level == 0) {
			return p + 1;
		} else if (nests && *p == open) {
			level++;
		}
		buf_addc(out, *p);
	}
	return p;
}

/* The next token at p, which is not white space and not the end. */
static const char *scan(const char *p, struct token *t)
{
	buf_reset(t->text);
	if (*p == '"') {
		t->kind = QUOTED;
		return scan_to(p, '"', '"', false, false, t->text);
	}
	if (*p == '(') {
		t->kind = COMMENT;
		buf_addc(t->text, '(');
		p = scan_to(p, '(', ')', true, true, t->text);
		if (p[-1] == ')')
			buf_addc(t->text, ')');
		return p;
	}
	if (*p == '[') {
		t->kind = LITERAL;
		buf_addc(t->text, '[');
		p = scan_to(p, '[', ']', false, false, t->text);
		buf_addc(t->text, ']');
		return p;
	}
	if (strchr(SPECIALS, *p) != NULL) {
		t->kind = SPECIAL;
		buf_addc(t->text, *p);
		return p + 1;
	}
	t->kind = ATOM;
	for (; *p != '\0' && !isspace((unsigned char)*p) && strchr(SPECIALS "\"([", *p) == NULL; p++) {
		if (*p == '\\' && *++p == '\0')
			break;
		buf_addc(t->text, *p);
	}
	return p;
}

static bool is(const struct token *t, char c)
{
	return t->kind == SPECIAL && *t->text->p == c;
}

static void put_quoted(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

/* Characters that an atom may only hold in quotes. */
static bool needs_quotes(const char *s)
{
	for (; *s != '\0'; s++)
		if (iscntrl((unsigned char)*s) || strchr(SPECIALS "\"([\\ ", *s) != NULL)
			return true;
	return false;
}

static void put(struct buf *out, const struct token *t, bool word_before, bool quotes)
{
	const char *text = buf_str(t->text);

	if (word_before && (t->kind != SPECIAL || is(t, '<')))
		buf_addc(out, ' ');
	if (quotes && (t->kind == QUOTED || (t->kind == ATOM && needs_quotes(text))))
		put_quoted(out, text);
	else
		buf_adds(out, text);
	if (quotes && is(t, ','))
		buf_addc(out, ' ');
}

const char *alias_line(const char *line, struct buf *key, struct buf *value)
{
	struct buf text = { 0 };
	struct token t = { .text = &text };
	bool word = false, comma = false, at = false, any_key = false, any_value = false, colon = false;
	const char *p = line;

	buf_reset(key);
	buf_reset(value);
	for (;;) {
		while (isspace((unsigned char)*p))
			p++;
		if (*p == '\0')
			break;
		p = scan(p, &t);
		if (!colon && is(&t, ':')) {
			colon = true;
			word = false;
			continue;
		}
		if (!colon) {
			comma = comma || is(&t, ',');
			at = at || is(&t, '@') || is(&t, '%');
			any_key = true;
		} else {
			any_value = true;
		}
		put(colon ? value : key, &t, word, colon);
		word = t.kind != SPECIAL;
	}
	buf_release(&text);
	if (!colon || !any_key || !any_value || comma)
		return "need name:value pair";
	return at ? "name must be local" : NULL;
}
