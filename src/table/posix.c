/* posix.c - POSIX expressions, in Perl's words.
 * Whether a key matches, and where the match begins, is the same in both for what is certain here: alternatives and
 * repetitions name a set of strings, whatever the order in which a matcher goes through them. Bracket lists are
 * written out byte by byte, as the C library reads them in the C locale; with any case it compares capitals, so
 * [^-z] has no backquote. Not certain are references to groups, anchors that are repeated or have something before
 * "^" or behind "$" (the library lets a newline be there, whatever the flags), ends of words beside groups that may
 * be empty, "\B", escaped letters that mean nothing: about these the library has its own mind. Basic syntax is made
 * extended first. */
#include <ctype.h>

#include "pattern.h"

enum { DEPTH_MAX = 50, COUNT_MAX = 1000, WEIGHT_MAX = 1000000 };

struct translation {
	const char	*p;
	struct posix	*posix;
	struct buf	 out;
	bool		 bad;
	unsigned	 depth;
	unsigned	 anchors;	/* so far */
	bool		 words;		/* some about words */
	bool		 empty_group;	/* some group may be empty */
	bool		 choices;	/* some "|", or some group is repeated */
	bool		 begun;		/* something is before this place: no "^" */
	bool		 ended;		/* a "$" is: nothing may follow */
};
struct part {			/* of the expression */
	size_t		 weight;
	bool		 empty;		/* it may be */
};

static void put_byte(struct translation *t, unsigned char c)
{
	if (isalnum(c) && c < 0x80)
		buf_addc(&t->out, (char)c);
	else
		buf_addf(&t->out, "\\x%02x", c);
}

static void put_set(struct translation *t, const bool *set)
{
	buf_addc(&t->out, '[');
	for (unsigned c = 1; c < 256; c++) {
		unsigned last = c;

		if (!set[c])
			continue;
		while (last < 255 && set[last + 1])
			last++;
		buf_addf(&t->out, "\\x%02x", c);
		if (last > c)
			buf_addf(&t->out, "-\\x%02x", last);
		c = last;
	}
	buf_addc(&t->out, ']');
}

/* ---- brackets ------------------------------------------------------------------------------------------ */

static bool add_named(const struct translation *t, bool *set, const char *name, size_t n)
{
	static const struct { const char *name; int (*is)(int); } classes[] = {
		{ "alpha", isalpha }, { "digit", isdigit }, { "alnum", isalnum }, { "upper", isupper }, { "lower", islower },
		{ "space", isspace }, { "blank", isblank }, { "punct", ispunct }, { "print", isprint }, { "graph", isgraph },
		{ "cntrl", iscntrl }, { "xdigit", isxdigit },
	};

	for (size_t i = 0; i < NELEM(classes); i++) {
		int (*is)(int) = classes[i].is;

		if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
			continue;
		if (t->posix->any_case && (is == isupper || is == islower))
			is = isalpha;
		for (int c = 0; c < 128; c++)
			set[c] = set[c] || is(c);
		return true;
	}
	return false;
}

static unsigned char cased(const struct translation *t, unsigned char c)
{
	return t->posix->any_case && c < 0x80 ? (unsigned char)toupper(c) : c;
}

/* One character of a list, or "[.x.]", or "[=x=]"; 0: something else. */
static unsigned char take_member(struct translation *t)
{
	const char *p = t->p;

	if (p[0] != '[' || p[1] == '\0' || strchr(".=", p[1]) == NULL) {
		t->p++;
		return cased(t, (unsigned char)*p);
	}
	if (p[2] == '\0' || p[3] != p[1] || p[4] != ']')
		return 0;
	t->p += 5;
	return cased(t, (unsigned char)p[2]);
}

/* One item of a list, at t->p. */
static void take_item(struct translation *t, bool *set)
{
	const char *p = t->p, *end;
	unsigned char first, last;

	if (p[0] == '[' && p[1] == ':') {
		end = strstr(p + 2, ":]");
		t->bad = t->bad || end == NULL || !add_named(t, set, p + 2, (size_t)(end - p - 2));
		t->p = end != NULL ? end + 2 : p + 1;
		return;
	}
	first = last = take_member(t);
	if (t->p[0] == '-' && t->p[1] != '\0' && t->p[1] != ']') {
		t->p++;
		last = take_member(t);
		t->bad = t->bad || first >= 0x80 || last >= 0x80 || first > last;
	}
	t->bad = t->bad || first == 0 || last == 0;
	for (unsigned c = first; c <= last; c++)
		set[c] = true;
}

/* Behind '['. */
static void take_bracket(struct translation *t)
{
	bool listed[256] = { false }, set[256] = { false }, not = *t->p == '^', any = false;

	t->p += not;
	do {
		if (*t->p == '\0') {
			t->bad = true;
			return;
		}
		take_item(t, listed);
	} while (*t->p != ']' && !t->bad);
	t->p += *t->p == ']';
	for (unsigned c = 1; c < 256; c++) {
		set[c] = listed[cased(t, (unsigned char)c)] != not && !(not && t->posix->lines && c == '\n');
		any = any || set[c];
	}
	t->bad = t->bad || !any;
	put_set(t, set);
}

const char *pattern_behind_list(const char *p, bool perl)
{
	p++;
	p += *p == '^';
	p += *p == ']';
	for (; *p != '\0' && *p != ']'; p++) {
		if (p[0] == '[' && p[1] != '\0' && strchr(":.=", p[1]) != NULL) {
			const char kind[3] = { p[1], ']' }, *end = strstr(p + 2, kind);

			p = end != NULL ? end + 1 : p;
		} else if (perl && *p == '\\' && (p[1] == '\0' || strchr("QE", *++p) != NULL)) {
			return NULL;
		}
	}
	return *p == ']' ? p + 1 : NULL;
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

/* Behind '\'. True: what it is can be repeated. */
static bool take_escape(struct translation *t, struct part *part)
{
	static const struct { char c; const char *perl; bool atom; } own[] = {
		{ 'w', "[0-9A-Za-z_]", true }, { 'W', "[^0-9A-Za-z_]", true }, { 's', "[ \\t\\n\\x0b\\f\\r]", true },
		{ 'S', "[^ \\t\\n\\x0b\\f\\r]", true }, { 'b', "\\b", false }, { 'B', "\\B", false },
		{ '<', "\\b(?!\\W|\\z)", false }, { '>', "\\b(?<!\\W|\\A)", false }, { '`', "\\A", false }, { '\'', "\\z", false },
	};
	char c = *t->p;

	if (c == '\0') {
		t->bad = true;
		return false;
	}
	t->p++;
	if (c >= '1' && c <= '9') {
		t->posix->back = true;
		buf_addf(&t->out, "\\g{%c}", c);
		part->empty = true;
		return true;
	}
	if (c == 'B')
		t->posix->certain = false;
	for (size_t i = 0; i < NELEM(own); i++)
		if (own[i].c == c) {
			buf_adds(&t->out, own[i].perl);
			t->anchors += !own[i].atom;
			t->words = t->words || !own[i].atom;
			part->empty = !own[i].atom;
			return own[i].atom;
		}
	if (islower((unsigned char)c) && t->posix->any_case)
		buf_adds(&t->out, "[^\\x00-\\xff]");	/* it is compared with capitals: in vain */
	else
		put_byte(t, (unsigned char)c);
	return true;
}

static struct part take_choice(struct translation *t);

/* Behind '('. */
static struct part take_group(struct translation *t)
{
	struct part part = { 0 };

	buf_addc(&t->out, '(');
	if (++t->depth > DEPTH_MAX) {
		t->bad = true;
		return part;
	}
	part = take_choice(t);
	t->depth--;
	t->bad = t->bad || *t->p != ')';
	t->p += *t->p == ')';
	buf_addc(&t->out, ')');
	t->empty_group = t->empty_group || part.empty;
	return part;
}

/* At '{': false if it is no count. *hi_r 0: no end. */
static bool take_count(struct translation *t, unsigned *lo_r, unsigned *hi_r)
{
	const char *p = t->p + 1;
	char *end;

	*lo_r = 0;
	if (isdigit((unsigned char)*p)) {
		*lo_r = (unsigned)MIN(strtoul(p, &end, 10), (unsigned long)COUNT_MAX + 1);
		p = end;
	} else if (*p != ',') {
		return false;
	}
	*hi_r = *lo_r;
	if (*p == ',' && isdigit((unsigned char)p[1])) {
		*hi_r = (unsigned)MIN(strtoul(p + 1, &end, 10), (unsigned long)COUNT_MAX + 1);
		p = end;
	} else if (*p == ',') {
		*hi_r = 0;
		p++;
	}
	if (*p != '}' || *lo_r > COUNT_MAX || *hi_r > COUNT_MAX)
		return false;
	t->posix->certain = t->posix->certain && (*hi_r > 0 || p[-1] == ',');
	if (*hi_r == 0 && p[-1] != ',')
		buf_adds(&t->out, "{0}");
	else if (*hi_r == 0)
		buf_addf(&t->out, "{%u,}", *lo_r);
	else
		buf_addf(&t->out, "{%u,%u}", *lo_r, *hi_r);
	t->p = p + 1;
	return true;
}

/* "*", "+{2}"...: of the atom that begins at `at` in the output. A second one must not become a sign of Perl's, and
 * so encloses the first. */
static void take_counts(struct translation *t, size_t at, bool atom, bool group, struct part *part)
{
	for (bool first = true; *t->p != '\0' && strchr("*+?{", *t->p) != NULL && !t->bad; first = false) {
		char sign = *t->p;
		unsigned lo = sign == '+', hi = sign == '?';

		if (!first) {
			buf_adds(&t->out, "(?:)");
			memmove(t->out.p + at + 3, t->out.p + at, t->out.len - 4 - at);
			memcpy(t->out.p + at, "(?:", 3);
		}
		if (sign != '{')
			buf_addc(&t->out, *t->p++);
		else if (!take_count(t, &lo, &hi))
			t->bad = true;
		if (part->empty && sign != '?')
			t->posix->empty_loops = true;
		t->choices = t->choices || group || !first;
		part->empty = part->empty || lo == 0;
		part->weight *= MAX(MAX(lo, hi), 1u);
		t->posix->certain = t->posix->certain && atom;
		t->bad = t->bad || part->weight > WEIGHT_MAX;
	}
}

static struct part take_piece(struct translation *t)
{
	size_t at = t->out.len;
	unsigned anchors = t->anchors;
	bool atom = true, begun = t->begun;
	struct part part = { .weight = 1 };
	char c = *t->p++;

	if (t->ended || (c == '^' && begun))
		t->posix->certain = false;
	t->begun = true;
	switch (c) {
	case '(':
		t->begun = begun;
		part = take_group(t);
		atom = t->anchors == anchors;
		break;
	case '[':
		take_bracket(t);
		break;
	case '.':
		buf_adds(&t->out, t->posix->lines ? "[^\\n]" : ".");
		break;
	case '^':
	case '$':
		buf_addc(&t->out, c);
		t->ended = c == '$';
		t->anchors++;
		part.empty = true;
		atom = false;
		break;
	case '\\':
		atom = take_escape(t, &part);
		break;
	case '*':
	case '+':
	case '?':
	case '{':
		t->bad = true;
		break;
	default:
		put_byte(t, (unsigned char)c);
		break;
	}
	take_counts(t, at, atom, c == '(', &part);
	return part;
}

static struct part take_choice(struct translation *t)
{
	struct part all = { .weight = 1 };
	bool empty = true, begun = t->begun, ended = false;

	while (*t->p != '\0' && *t->p != ')' && !t->bad) {
		if (*t->p == '|') {
			t->choices = true;
			buf_addc(&t->out, *t->p++);
			all.empty = all.empty || empty;
			empty = true;
			ended = ended || t->ended;
			t->ended = false;
			t->begun = begun;
		} else {
			struct part part = take_piece(t);

			all.weight += part.weight;
			empty = empty && part.empty;
		}
	}
	all.empty = all.empty || empty;
	t->ended = ended || t->ended;
	t->begun = true;
	return all;
}

/* Basic syntax: operators and plain characters change places, and some are operators only where they make sense. */
static char *extended(const char *p)
{
	struct buf b = { 0 };
	bool start = true;	/* of an expression, or of a group or alternative */

	for (; *p != '\0'; p++) {
		bool begins = false, op = *p == '\\' && p[1] != '\0' && strchr("(){}+?|", p[1]) != NULL;

		if (*p == '[') {
			const char *end = pattern_behind_list(p, false);

			if (end == NULL)
				end = p + strlen(p);
			buf_add(&b, p, (size_t)(end - p));
			p = end - 1;
		} else if (op) {
			buf_addc(&b, *++p);
			begins = *p == '(' || *p == '|';
		} else if (*p == '\\' && p[1] != '\0') {
			buf_add(&b, p++, 2);
		} else if (*p == '^' && start) {
			buf_addc(&b, *p);
			begins = true;
		} else if (*p == '$' && (p[1] == '\0' || (p[1] == '\\' && (p[2] == ')' || p[2] == '|')))) {
			buf_addc(&b, *p);
		} else if (strchr("(){}+?|^$", *p) != NULL || (*p == '*' && start)) {
			buf_addf(&b, "\\%c", *p);
		} else {
			buf_addc(&b, *p);
		}
		start = begins;
	}
	return buf_steal(&b);
}

char *posix_to_perl(const char *pattern, struct posix *posix)
{
	char *text = posix->basic ? extended(pattern) : xstrdup(pattern);
	struct translation t = { .p = text, .posix = posix };

	posix->certain = true;
	posix->back = posix->empty_loops = false;
	posix->weight = take_choice(&t).weight;
	t.bad = t.bad || *t.p != '\0';
	posix->certain = posix->certain && !posix->back && !(t.words && t.empty_group);
	posix->plain = posix->certain && !t.bad && !t.choices && !t.words;
	free(text);
	if (!t.bad)
		return buf_steal(&t.out);
	buf_release(&t.out);
	return NULL;
}
