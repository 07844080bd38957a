/* table_pcre.c - pcre:, Perl-compatible expressions with PCRE2's just-in-time compiler.
 * Any case and dot-matches-newline unless a rule's flags toggle them. A match is given up after
 * MATCH_LIMIT steps, so a pattern with exponential behaviour costs milliseconds, not the loop, and when it needs more
 * than MEMORY_KB. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "pattern.h"

enum { MATCH_LIMIT = 500000, MEMORY_KB = 8192 };

struct compiled {
	pcre2_code	*code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	bool		 utf8;
};

static bool pcre_option(char c, unsigned *flags)
{
	static const struct { char c; unsigned flag; } options[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY }, { 'U', PCRE2_UNGREEDY }, { 'X', 0 },
	};

	for (size_t i = 0; i < NELEM(options); i++)
		if (options[i].c == c) {
			*flags ^= options[i].flag;
			return true;
		}
	return false;
}

static void pcre_release(void *p)
{
	struct compiled *c = p;

	pcre2_match_context_free(c->context);
	pcre2_match_data_free(c->data);
	pcre2_code_free(c->code);
	free(c);
}

static void *pcre_compile(const char *pattern, unsigned flags, bool utf8, unsigned *groups_r, char **why_r)
{
	struct compiled *c;
	PCRE2_SIZE offset;
	uint32_t groups = 0;
	int e;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, flags | (utf8 ? PCRE2_UTF : 0),
	    &e, &offset, NULL);

	if (code == NULL) {
		PCRE2_UCHAR text[256] = "";

		pcre2_get_error_message(e, text, sizeof(text));
		*why_r = xasprintf("error in regex at offset %d: %s", (int)offset, (const char *)text);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->code = code;
	c->utf8 = utf8;
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);	/* where it cannot, the interpreter does */
	c->data = pcre2_match_data_create_from_pattern(code, NULL);
	c->context = pcre2_match_context_create(NULL);
	ASSERT(c->data != NULL && c->context != NULL);
	pcre2_set_match_limit(c->context, MATCH_LIMIT);
	pcre2_set_heap_limit(c->context, MEMORY_KB);
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	*groups_r = groups;
	return c;
}

static const char *error_text(int e)
{
	switch (e) {
	case PCRE2_ERROR_MATCHLIMIT:
		return "matching is too complex: match limit exceeded";
	case PCRE2_ERROR_JIT_STACKLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
		return "matching is too complex: memory limit exceeded";
	}
	return "unknown pcre2_match error";
}

/* Compiled code has 32 KB of the machine's stack, enough for nearly every match: more is made when it is needed. */
static int match_key(struct compiled *c, const char *key, size_t len)
{
	uint32_t options = c->utf8 ? PCRE2_NO_UTF_CHECK : 0;	/* keys have been checked */
	int n = pcre2_match(c->code, (PCRE2_SPTR)key, len, 0, options, c->data, c->context);
	pcre2_jit_stack *stack;

	if (n != PCRE2_ERROR_JIT_STACKLIMIT ||
	    (stack = pcre2_jit_stack_create(32 * 1024, (size_t)MEMORY_KB * 1024, NULL)) == NULL)
		return n;
	pcre2_jit_stack_assign(c->context, NULL, stack);
	n = pcre2_match(c->code, (PCRE2_SPTR)key, len, 0, options, c->data, c->context);
	pcre2_jit_stack_assign(c->context, NULL, NULL);
	pcre2_jit_stack_free(stack);
	return n;
}

static int pcre_exec(void *compiled, const char *key, size_t len, struct pattern_match *match, const char **why_r)
{
	struct compiled *c = compiled;
	int n = match_key(c, key, len);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(c->data);

	if (n < 0) {
		if (n == PCRE2_ERROR_NOMATCH)
			return 0;
		*why_r = error_text(n);
		return -1;
	}
	for (uint32_t i = 0; match != NULL && i < MIN(pcre2_get_ovector_count(c->data),
	    (uint32_t)PATTERN_GROUPS); i++) {
		bool part = (int)i < n && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		match->begin[i] = part ? (long)at[2 * i] : -1;
		match->end[i] = part ? (long)at[2 * i + 1] : -1;
	}
	return 1;
}

static const struct pattern_engine engine = {
	.perl = true, .plain_unless = PCRE2_EXTENDED, .name = "pcre", .unclosed = "ignoring", .zero = "out of range", .flags = PCRE2_CASELESS | PCRE2_DOTALL,
	.option = pcre_option, .compile = pcre_compile, .exec = pcre_exec, .release = pcre_release,
};

static void *pcre_open(struct table_env *env, const char *name, char **why_r)
{
	return pattern_open(env, name, &engine, why_r);
}

const struct table_class table_pcre = {
	.abi = TABLE_ABI, .type = "pcre", .open = pcre_open, .close = pattern_close, .lookup = pattern_lookup,
};
