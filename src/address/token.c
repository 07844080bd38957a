/* token.c - from text to tokens.
 *
 * The scanner keeps every visible byte, so that printing the tokens gives an equivalent field; only white space
 * between tokens is lost. It is lenient where Postfix is: an unclosed quote, bracket or comment ends with the text, a
 * backslash protects a byte anywhere, 8-bit bytes are letters. An atom that comes to hold a special byte through
 * a backslash becomes a quoted string. Not here: what the tokens mean (group.c). */
#include "address_room.h"

static const char specials[] = "|%!()<>@,;:\\\".[]";

bool is_special(int c)
{
	return c != '\0' && strchr(specials, c) != NULL;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct tok *tok_new(struct arena *a, enum tok_type type, int op, const char *text)
{
	struct tok *t = arena_alloc(a, sizeof(*t));

	t->type = type;
	t->op = op;
	t->text = text != NULL ? arena_strdup(a, text) : NULL;
	return t;
}

void tok_append(struct tok_list *l, struct tok *t)
{
	t->next = NULL;
	t->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = t;
	else
		l->head = t;
	l->tail = t;
}

void tok_cut_before(struct tok_list *l, struct tok *t)
{
	l->tail = t->prev;
	if (t->prev != NULL)
		t->prev->next = NULL;
	else
		l->head = NULL;
	t->prev = NULL;
}

void tok_cut_through(struct tok_list *l, struct tok *t)
{
	l->head = t->next;
	if (t->next != NULL)
		t->next->prev = NULL;
	else
		l->tail = NULL;
	t->next = NULL;
}

struct tok *tok_find(struct tok *t, int op)
{
	while (t != NULL && (t->type != TOK_OP || t->op != op))
		t = t->next;
	return t;
}

struct tok *tok_rfind(struct tok *t, int op)
{
	while (t != NULL && (t->type != TOK_OP || t->op != op))
		t = t->prev;
	return t;
}

/* Content up to the closing byte, or (close 0) of an atom; the text is copied with backslashes resolved. */
static const char *scan_text(struct arena *a, struct tok *t, const char *s, int close)
{
	const char *end = s;
	char *w;

	for (; *end != '\0'; end++) {
		if (*end == '\\') {
			if (*++end == '\0')
				break;
		} else if (close != 0 ? *end == close
				      : is_blank((unsigned char)*end) || is_special((unsigned char)*end))
			break;
	}
	t->text = w = arena_alloc(a, (size_t)(end - s) + 1);
	for (; s < end; s++) {
		if (*s == '\\' && ++s == end)
			break;
		*w++ = is_blank((unsigned char)*s) ? ' ' : *s;
	}
	return close != 0 && *end != '\0' ? end + 1 : end;
}

/* A comment is kept as written, since nested ones need no quoting then. */
static const char *scan_comment(struct arena *a, struct tok *t, const char *s)
{
	const char *start = s++;
	int depth = 1;

	for (; *s != '\0' && depth > 0; s++) {
		if (*s == '(')
			depth++;
		else if (*s == ')')
			depth--;
		else if (*s == '\\' && *++s == '\0')
			break;
	}
	t->text = arena_strndup(a, start, (size_t)(s - start));
	return s;
}

static void quote_odd_atom(struct tok *t)
{
	for (const unsigned char *p = (const unsigned char *)t->text; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f || is_special(*p)) {
			t->type = TOK_QSTRING;
			return;
		}
}

void tok_scan(struct arena *a, const char *s, size_t max_tokens, struct tok_list *out)
{
	size_t n = 0;

	*out = (struct tok_list){ 0 };
	while (*s != '\0') {
		int c = (unsigned char)*s;
		struct tok *t;

		if (is_blank(c)) {
			s++;
			continue;
		}
		t = tok_new(a, TOK_ATOM, 0, NULL);
		if (c == '(') {
			t->type = TOK_COMMENT;
			s = scan_comment(a, t, s);
		} else if (c == '[' || c == '"') {
			t->type = c == '[' ? TOK_LITERAL : TOK_QSTRING;
			s = scan_text(a, t, s + 1, c == '[' ? ']' : '"');
		} else if (c != '\\' && is_special(c)) {
			t->type = TOK_OP;
			t->op = c;
			s++;
		} else {
			s = scan_text(a, t, s, 0);
			quote_odd_atom(t);
		}
		tok_append(out, t);
		if (max_tokens > 0 && ++n >= max_tokens)
			break;
	}
}
