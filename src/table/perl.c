/* perl.c - Perl-compatible expressions with PCRE2, compiled to machine code where that is as good.
 * A match costs what the pattern makes of the key, up to exponential time. First it is tried within bounds that no
 * thread notices: steps of compiled code, each of which may go through the whole key once, a little memory. What
 * needs more is PATTERN_LATER, and is done anew, elsewhere if need be, by PCRE2's interpreter with the limit that
 * Postfix leaves in force (PCRE2's own): so it gives up where Postfix gives up. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>

#include "pattern.h"

enum {
	QUICK_WORK = 2000000, QUICK_KB = 1024,		/* about a millisecond */
	SLOW_STEPS = 10000000, SLOW_KB = 32768,
};

struct perl {
	pcre2_code	*code;
	size_t		 bytes;
	uint32_t	 groups;
};
struct perl_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	char		 why[256];
};

struct perl_scratch *perl_scratch_new(void)
{
	struct perl_scratch *s = xcalloc(1, sizeof(*s));

	s->data = pcre2_match_data_create(PATTERN_GROUPS, NULL);
	s->context = pcre2_match_context_create(NULL);
	ASSERT(s->data != NULL && s->context != NULL);
	return s;
}

void perl_scratch_free(struct perl_scratch **sp)
{
	struct perl_scratch *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	pcre2_match_context_free(s->context);
	pcre2_match_data_free(s->data);
	free(s);
}

/* ---- which patterns are compiled ------------------------------------------------------------------------- */

/* Behind '(': true if the group is of a plain kind; *not_r: it says what must not follow. */
static bool plain_group(const char *p, bool *not_r)
{
	*not_r = p[0] == '?' && (p[1] == '!' || (p[1] == '<' && p[2] == '!'));
	if (*p == '*')
		return false;
	if (*p != '?' || *not_r)
		return true;
	p += 1 + strspn(p + 1, "ims-");
	return *p == ':' || *p == ')';
}

/* Does an alternative that begins at p need a character of its own at its beginning? */
static bool begins_firmly(const char *p)
{
	p += *p == '^';
	if (*p == '[')
		p = pattern_behind_list(p, true);
	else if (*p == '\\' && p[1] != '\0' && strchr("bBAzZ", p[1]) == NULL)
		p += 2;
	else if (isalnum((unsigned char)*p) || (*p != '\0' && strchr("@-_ .:,/<>=", *p) != NULL))
		p++;
	else
		return false;
	return p != NULL && strchr("*?{", *p == '\0' ? 'x' : *p) == NULL;
}

enum kind { ODD, PLAIN, FIRM };

/* Is PCRE2's compiled code as good as its interpreter, which Postfix uses? That of 10.42 is not where possessive
 * repetitions, repeated conditions and the like occur: these are left to the interpreter. Its search for where a
 * match can begin goes wrong with alternatives that may be empty ("(a|)x*[a-z]" does not find "a"): it does without
 * that search unless there are none, or every one begins with something that is not (FIRM). Random patterns are
 * compared in t/unit/table_perl.c. */
static enum kind kind_of(const char *p)
{
	static const char *const escapes = "dDwWsSbBAzZnrtfeahHvV0";
	bool not[64], after_not = false, firm = begins_firmly(p), choice = false;
	size_t depth = 0;

	while (p != NULL && *p != '\0') {
		char c = *p++;

		if (strchr("*+?{", c) != NULL && after_not)
			return ODD;
		after_not = false;
		if (strchr("*+?}", c) != NULL && *p == '+')
			return ODD;
		if (c == '\\') {
			if (*p == '\0' || (isalnum((unsigned char)*p) && strchr(escapes, *p) == NULL))
				return ODD;
			p++;
		} else if (c == '[') {
			p = pattern_behind_list(p - 1, true);
		} else if (c == '(') {
			if (depth == NELEM(not) || !plain_group(p, &not[depth++]))
				return ODD;
			if (*p == '?')
				p += 1 + strspn(p + 1, "ims-<!:");
			firm = firm && begins_firmly(p);
		} else if (c == '|') {
			choice = true;
			firm = firm && begins_firmly(p);
		} else if (c == ')' && depth > 0) {
			after_not = not[--depth];
		}
	}
	return p == NULL ? ODD : !choice || firm ? FIRM : PLAIN;
}

struct perl *perl_compile(const char *pattern, unsigned options, char **why_r)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	enum kind kind = (options & PCRE2_EXTENDED) != 0 ? ODD : kind_of(pattern);
	struct perl *p;
	PCRE2_SIZE offset;
	pcre2_code *code;
	int e;

	ASSERT(context != NULL);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options | (kind == PLAIN ?
	    PCRE2_NO_START_OPTIMIZE : 0), &e, &offset, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		PCRE2_UCHAR text[256] = "";

		pcre2_get_error_message(e, text, sizeof(text));
		*why_r = xasprintf("error in regex at offset %d: %s", (int)offset, (const char *)text);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->code = code;
	pcre2_pattern_info(code, PCRE2_INFO_SIZE, &p->bytes);
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
	if (kind != ODD)
		pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);	/* where it cannot, the interpreter does */
	return p;
}

void perl_free(struct perl *p)
{
	if (p == NULL)
		return;
	pcre2_code_free(p->code);
	free(p);
}

unsigned perl_groups(const struct perl *p)
{
	return p->groups;
}

static int match_quick(const struct perl *p, const struct pattern_job *j)
{
	if (j->len * p->bytes > QUICK_WORK)
		return PCRE2_ERROR_MATCHLIMIT;
	pcre2_set_match_limit(j->scratch->context, (uint32_t)(QUICK_WORK / (j->len + 64)));
	pcre2_set_heap_limit(j->scratch->context, QUICK_KB);
	return pcre2_match(p->code, (PCRE2_SPTR)j->key, j->len, 0, 0, j->scratch->data, j->scratch->context);
}

static int match_slowly(const struct perl *p, const struct pattern_job *j)
{
	pcre2_set_match_limit(j->scratch->context, SLOW_STEPS);
	pcre2_set_heap_limit(j->scratch->context, SLOW_KB);
	return pcre2_match(p->code, (PCRE2_SPTR)j->key, j->len, 0, PCRE2_NO_JIT, j->scratch->data,
	    j->scratch->context);
}

static bool is_limit(int e)
{
	return e == PCRE2_ERROR_MATCHLIMIT || e == PCRE2_ERROR_JIT_STACKLIMIT || e == PCRE2_ERROR_HEAPLIMIT ||
	    e == PCRE2_ERROR_DEPTHLIMIT;
}

enum pattern_result perl_exec(const struct perl *p, struct pattern_job *j)
{
	int n = match_quick(p, j);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(j->scratch->data);

	if (is_limit(n)) {
		if (!j->slow)
			return PATTERN_LATER;
		n = match_slowly(p, j);
	}
	if (n == PCRE2_ERROR_NOMATCH)
		return PATTERN_NO;
	if (n < 0) {
		pcre2_get_error_message(n, (PCRE2_UCHAR *)j->scratch->why, sizeof(j->scratch->why));
		j->why = j->scratch->why;
		return PATTERN_ERROR;
	}
	if (n == 0)			/* more groups than there is room for */
		n = PATTERN_GROUPS;
	for (int i = 0; j->match != NULL && i < PATTERN_GROUPS && i <= (int)p->groups; i++) {
		bool part = i < n && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		j->match->begin[i] = part ? (long)at[2 * i] : -1;
		j->match->end[i] = part ? (long)at[2 * i + 1] : -1;
	}
	return PATTERN_YES;
}

long perl_begin(const struct perl_scratch *s)
{
	return (long)pcre2_get_ovector_pointer(s->data)[0];
}
