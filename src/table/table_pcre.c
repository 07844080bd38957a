/* table_pcre.c - pcre:, Perl-compatible expressions (perl.c).
 * Any case and dot-matches-newline unless a rule's flags toggle them. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "pattern.h"

static bool pcre_option(char c, unsigned *flags)
{
	static const struct { char c; unsigned flag; } options[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY }, { 'U', PCRE2_UNGREEDY },
	};

	for (size_t i = 0; i < NELEM(options); i++)
		if (options[i].c == c) {
			*flags ^= options[i].flag;
			return true;
		}
	return false;
}

static void pcre_release(void *compiled)
{
	perl_free(compiled);
}

static void *pcre_compile(const char *pattern, unsigned flags, unsigned *groups_r, char **why_r)
{
	struct perl *p = perl_compile(pattern, flags, why_r);

	if (p != NULL)
		*groups_r = perl_groups(p);
	return p;
}

static enum pattern_result pcre_exec(void *compiled, struct pattern_job *j)
{
	return perl_exec(compiled, j);
}

static const struct pattern_engine engine = {
	.perl = true, .plain_unless = PCRE2_EXTENDED, .name = "pcre", .unclosed = "ignoring", .zero = "out of range",
	.obsolete = 'X', .flags = PCRE2_CASELESS | PCRE2_DOTALL,
	.option = pcre_option, .compile = pcre_compile, .exec = pcre_exec, .release = pcre_release,
};

static void *pcre_open(struct table_env *env, const char *name, char **why_r)
{
	return pattern_open(env, name, &engine, why_r);
}

const struct table_class table_pcre = {
	.abi = TABLE_ABI, .type = "pcre", .open = pcre_open, .close = pattern_close, .lookup = pattern_lookup,
	.poll = pattern_poll, .end = pattern_end,
};
