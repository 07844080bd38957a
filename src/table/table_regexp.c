/* table_regexp.c - regexp:, POSIX regular expressions of the C library.
 * Extended syntax and any case unless a rule's flags say otherwise (x, i); m makes lines count. */
#include <regex.h>

#include "pattern.h"

static bool regexp_option(char c, unsigned *flags)
{
	switch (c) {
	case 'i':
		*flags ^= REG_ICASE;
		return true;
	case 'm':
		*flags ^= REG_NEWLINE;
		return true;
	case 'x':
		*flags ^= REG_EXTENDED;
		return true;
	}
	return false;
}

static void *regexp_compile(const char *pattern, unsigned flags, bool utf8 UNUSED, unsigned *groups_r, char **why_r)
{
	regex_t *re = xcalloc(1, sizeof(*re));
	int e = regcomp(re, pattern, (int)flags);

	if (e == 0) {
		*groups_r = (unsigned)re->re_nsub;
		return re;
	}
	*why_r = xcalloc(1, 512);
	regerror(e, re, *why_r, 512);
	free(re);
	return NULL;
}

static int regexp_exec(void *compiled, const char *key, size_t len UNUSED, struct pattern_match *match,
    const char **why_r)
{
	regmatch_t at[PATTERN_GROUPS];
	regex_t *re = compiled;
	size_t n = match != NULL ? MIN(re->re_nsub + 1, (size_t)PATTERN_GROUPS) : 0;
	int e = regexec(re, key, n, at, 0);

	for (size_t i = 0; e == 0 && i < n; i++) {
		match->begin[i] = at[i].rm_so;
		match->end[i] = at[i].rm_eo;
	}
	if (e != 0 && e != REG_NOMATCH)
		*why_r = "cannot be evaluated: out of memory";
	return e == 0 ? 1 : e == REG_NOMATCH ? 0 : -1;
}

static void regexp_release(void *compiled)
{
	regfree(compiled);
	free(compiled);
}

static const struct pattern_engine engine = {
	.plain_if = REG_EXTENDED, .name = "regexp", .unclosed = "skipping", .zero = "out-of-range", .two_patterns = true,
	.flags = REG_EXTENDED | REG_ICASE, .option = regexp_option, .compile = regexp_compile, .exec = regexp_exec,
	.release = regexp_release,
};

static void *regexp_open(struct table_env *env, const char *name, char **why_r)
{
	return pattern_open(env, name, &engine, why_r);
}

const struct table_class table_regexp = {
	.abi = TABLE_ABI, .type = "regexp", .open = regexp_open, .close = pattern_close, .lookup = pattern_lookup,
};
