/* The macro language of main.cf: $name, $(name), ${name}, $$, and inside the braces name?text, name:text,
 * name?{text}:{text} and {left} OP {right} with the same two endings.
 *
 * A text is walked once. Every $ opens an expression, found by counting its own kind of bracket; the
 * expression is cut out and judged by macro_expr(), and what it selects is walked in turn. `depth` counts
 * open expressions over all values involved, because the lookup of a configuration expands the value it returns
 * with the same struct macro: that is what ends a = $b, b = $a. Values are looked up unexpanded to be tested
 * (x = $y counts as set even if y is empty), as Postfix does. Messages are Postfix's, so that they can be found
 * in its documentation. Not here: where values come from. */
#include "macro.h"
#include <postrider/config.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_CHAR(c)	(isalnum((unsigned char)(c)) && (unsigned char)(c) < 128)
#define IS_NAME(c)	(NAME_CHAR(c) || (c) == '_')
#define IS_SPACE(c)	((c) == ' ' || ((c) >= '\t' && (c) <= '\r'))
#define OP_WANTED	"\"==\" or \"!=\"\" or \"<\"\" or \"<=\"\" or \">=\"\" or \">\""

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GE, OP_GT };
static const struct {
	const char	*text;
	enum op		 op;
} ops[] = {
	{ "==", OP_EQ }, { "!=", OP_NE }, { "<", OP_LT }, { "<=", OP_LE }, { ">=", OP_GE }, { ">", OP_GT },
};

static bool fail(struct macro *m, const char *phrase, const char *fmt, ...) PRINTF(3, 4);
static bool fail(struct macro *m, const char *phrase, const char *fmt, ...)
{
	va_list ap;

	if (m->phrase != NULL)
		return false;
	m->phrase = phrase;
	va_start(ap, fmt);
	vsnprintf(m->why, sizeof m->why, fmt, ap);
	va_end(ap);
	return false;
}

static char *skip_space(char *s)
{
	while (IS_SPACE(*s))
		s++;
	return s;
}

/* The bracket that closes the one at s; NULL: none. */
static const char *matching(const char *s, char open, char close)
{
	int level = 0;

	for (; *s != '\0'; s++) {
		if (*s == open)
			level++;
		else if (*s == close && --level == 0)
			return s;
	}
	return NULL;
}

bool compat_level(const char *s, int64_t *r)
{
	static const long limit[3] = { INT32_MAX, 1023, 1023 };
	int64_t level = 0;
	char *end;
	long n;
	int i;

	for (i = 0; i < 3; i++) {
		errno = 0;
		n = strtol(s, &end, 10);
		if (end == s || n < 0 || (i > 0 && (errno != 0 || n > limit[i] || !isdigit((unsigned char)*s))))
			return false;
		level = level * 1024 + MIN(n, limit[i]);
		if (*end == '\0')
			break;
		if (*end != '.' || i == 2)
			return false;
		s = end + 1;
	}
	for (; i < 2; i++)
		level *= 1024;
	*r = level;
	return true;
}

static bool all_digits(const char *s)
{
	if (*s == '\0')
		return false;
	while (isdigit((unsigned char)*s))
		s++;
	return *s == '\0';
}

static bool number(struct macro *m, const char *s, long *r)
{
	errno = 0;
	*r = strtol(s, NULL, 10);
	if (errno == ERANGE)
		return fail(m, "number out of range", "mac_exp_eval: bad conversion: %s", s);
	return true;
}

/* Both sides as numbers if both are all digits, else as strings. */
static bool compare(struct macro *m, enum op op, bool level, const char *left, const char *right, bool *r)
{
	int64_t a, b;
	long la, lb;
	int c;

	if (level) {
		if (!compat_level(left, &a))
			return fail(m, "malformed compatibility level",
			    "malformed compatibility level syntax: \"%s\"", left);
		if (!compat_level(right, &b))
			return fail(m, "malformed compatibility level",
			    "malformed compatibility level syntax: \"%s\"", right);
		c = a < b ? -1 : a > b;
	} else if (all_digits(left) && all_digits(right)) {
		if (!number(m, left, &la) || !number(m, right, &lb))
			return false;
		c = la < lb ? -1 : la > lb;
	} else {
		c = strcmp(left, right);
	}
	switch (op) {
	case OP_EQ: *r = c == 0; break;
	case OP_NE: *r = c != 0; break;
	case OP_LT: *r = c < 0; break;
	case OP_LE: *r = c <= 0; break;
	case OP_GE: *r = c >= 0; break;
	case OP_GT: *r = c > 0; break;
	}
	return true;
}

/* *s is at '{': returns its inside, terminated; *s is then behind the '}' and the white space that follows it. */
static char *payload(struct macro *m, char **s, const char *whole)
{
	char *start = *s;
	char *end = (char *)(uintptr_t)matching(start, '{', '}');

	if (end == NULL) {
		fail(m, "unbalanced braces", "unbalanced {} in attribute expression: \"%s\"", whole);
		return NULL;
	}
	*end = '\0';
	*s = skip_space(end + 1);
	return start + 1;
}

/* "{left} OP {right}" at *s; moves *s behind it and the white space there. */
static bool relation(struct macro *m, char **s, bool *r)
{
	char *whole = xstrdup(*s), *left, *right, *op, *end;
	struct buf l = { 0 }, rt = { 0 };
	bool ok = false, level = false;
	size_t n, i;

	if ((left = payload(m, s, whole)) == NULL)
		goto out;
	op = *s;
	n = strspn(op, "<>!=?+-*/~&|%");
	for (i = 0; i < NELEM(ops); i++)
		if (strlen(ops[i].text) == n && strncmp(ops[i].text, op, n) == 0)
			break;
	if (i == NELEM(ops)) {
		fail(m, "operator expected", "%s expected at: \"...%s}>>>%.20s\"", OP_WANTED, left, op);
		goto out;
	}
	end = op + n;
	if (NAME_CHAR(*end)) {
		char *suffix = end;

		while (NAME_CHAR(*end))
			end++;
		level = end - suffix == 5 && strncmp(suffix, "level", 5) == 0;
		if (!level) {
			fail(m, "bad operator suffix", "bad operator suffix at: \"...%.*s>>>%.*s\"", (int)n, op,
			    (int)(end - suffix), suffix);
			goto out;
		}
	}
	right = skip_space(end);
	if (*right != '{') {
		fail(m, "{expression} expected", "\"{expression}\" expected at: \"...{%s} %.*s>>>%.20s\"", left,
		    (int)n, op,
		    end);
		goto out;
	}
	*s = right;
	if ((right = payload(m, s, whole)) == NULL)
		goto out;
	ok = macro_run(m, &l, left) && macro_run(m, &rt, right) &&
	    compare(m, ops[i].op, level, buf_str(&l), buf_str(&rt), r);
out:
	buf_release(&l);
	buf_release(&rt);
	free(whole);
	return ok;
}

/* What follows '?' (yes) or ':' (no): plain text to the end, or {text} with an optional :text behind ?{text}. */
static bool branches(struct macro *m, char *s, bool question, char **yes, char **no)
{
	char *whole = xstrdup(s), *first;
	bool ok = false;

	*yes = *no = NULL;
	s = skip_space(s);
	if (*s != '{') {
		*(question ? yes : no) = s;
		ok = true;
		goto out;
	}
	if ((first = payload(m, &s, whole)) == NULL)
		goto out;
	*(question ? yes : no) = first;
	if (question && *s != '\0') {
		if (*s != ':') {
			fail(m, "\":\" expected", "\":\" expected at: \"...%s}>>>%.20s\"", first, s);
			goto out;
		}
		s = skip_space(s + 1);
		if (*s != '{') {
			*no = s;
			ok = true;
			goto out;
		}
		if ((*no = first = payload(m, &s, whole)) == NULL)
			goto out;
	}
	ok = *s == '\0' || fail(m, "unexpected input", "unexpected input at: \"...%s}>>>%.20s\"", first, s);
out:
	free(whole);
	return ok;
}

/* The inside of ${...}, writable. */
static bool macro_expr(struct macro *m, struct buf *out, char *s)
{
	const char *value = NULL;
	char *name, *end, *yes, *no, sel;
	bool truth = false;

	if (m->depth++ > MACRO_DEPTH)
		return fail(m, "unreasonable macro call nesting", "unreasonable macro call nesting: \"%s\"", s);
	if (*s == '{') {
		if (!relation(m, &s, &truth))
			return false;
		sel = *s;
		if (sel != '\0' && sel != '?' && sel != ':')
			return fail(m, "\"?\" or \":\" expected", "\"?\" or \":\" expected at: \"...}>>>%.20s\"", s);
		value = truth ? "true" : "";
	} else {
		name = skip_space(s);
		for (end = name; IS_NAME(*end); end++)
			;
		s = skip_space(end);
		sel = *s;
		if (sel != '\0' && sel != '?' && sel != ':')
			return fail(m, "attribute name syntax error",
			    "attribute name syntax error at: \"...%.*s>>>%.20s\"",
			    (int)(end - name), name, end);
		*end = '\0';
		value = m->lookup(m, name, sel == '\0' ? MACRO_USE : MACRO_TEST);
		if (m->phrase != NULL)
			return false;
		truth = value != NULL && *value != '\0';
	}
	if (sel == '\0') {
		buf_adds(out, value != NULL ? value : "");
	} else {
		if (!branches(m, s + 1, sel == '?', &yes, &no))
			return false;
		if ((truth ? yes : no) != NULL && !macro_run(m, out, truth ? yes : no))
			return false;
	}
	m->depth--;
	return true;
}

bool macro_run(struct macro *m, struct buf *out, const char *text)
{
	const char *s = text, *end;
	char *inner;
	bool ok;

	for (; *s != '\0';) {
		size_t n = strcspn(s, "$");

		buf_add(out, s, n);
		s += n;
		if (*s == '\0')
			break;
		if (s[1] == '$') {
			buf_addc(out, '$');
			s += 2;
			continue;
		}
		s++;
		if (*s == '{' || *s == '(') {
			if ((end = matching(s, *s, *s == '{' ? '}' : ')')) == NULL)
				return fail(m, "truncated macro reference", "truncated macro reference: \"%s\"", text);
			inner = xstrndup(s + 1, (size_t)(end - s - 1));
			s = end + 1;
		} else {
			for (end = s; IS_NAME(*end); end++)
				;
			inner = xstrndup(s, (size_t)(end - s));
			s = end;
		}
		ok = *inner != '\0' ? macro_expr(m, out, inner) :
		    fail(m, "empty macro name", "empty macro name: \"%s\"", text);
		free(inner);
		if (!ok)
			return false;
		if (out->len > MACRO_MAX)
			return fail(m, "value too long", "expanded value is longer than %d bytes", MACRO_MAX);
	}
	return true;
}

struct adapter {
	const char	*(*lookup)(void *, const char *);
	void		*arg;
};

static const char *adapt(struct macro *m, const char *name, enum macro_mode mode)
{
	struct adapter *a = m->arg;

	(void)mode;
	return a->lookup(a->arg, name);
}

const char *macro_expand(struct buf *out, const char *text, const char *(*lookup)(void *arg, const char *name),
    void *arg)
{
	struct adapter a = { .lookup = lookup, .arg = arg };
	struct macro m = { .lookup = adapt, .arg = &a };

	return macro_run(&m, out, text) ? NULL : m.phrase;
}

/* A name stands behind every $, $( and ${ (white space may follow the bracket); nested texts contain their own $. */
void macro_names(const char *text, void (*seen)(void *arg, const char *name, size_t len), void *arg)
{
	const char *s = text, *name;

	while ((s = strchr(s, '$')) != NULL) {
		s++;
		if (*s == '$') {
			s++;
			continue;
		}
		if (*s == '{' || *s == '(')
			for (s++; IS_SPACE(*s); s++)
				;
		for (name = s; IS_NAME(*s); s++)
			;
		if (s > name)
			seen(arg, name, (size_t)(s - name));
	}
}
