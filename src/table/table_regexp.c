/* table_regexp.c - regexp:, POSIX regular expressions of the C library.
 * Extended syntax and any case unless a rule's flags say otherwise (x, i); m makes lines count. The library's
 * matcher has no limit. It goes through the key again for each place in it, and all states that its automaton has
 * ever been in stay in memory; references to groups take exponential time and room on the stack, and telling where
 * groups are that repeat what may be empty may never end. So whether a key matches is told by Perl's expression for
 * the same (posix.c), which has limits, where that is certain; it tells the groups, too, where they are the same.
 * Else the library tells them, which alone knows: from where the match begins, if that is little work, and elsewhere
 * if not; after FED_MAX bytes of keys it is compiled anew. With references, and for groups that may be empty, it is
 * not asked. So it is for whether a key matches where Perl's is not certain; it may go through the key from each
 * place in it then. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <regex.h>

#include "pattern.h"

enum { GROUP_KEY = 256, GROUP_WORK = 10000, FED_MAX = 8192 };	/* the first two: up to 2 or 3 ms */
enum { MATCH_KEY = 128, MATCH_WORK = 3000 };			/* up to a millisecond */

struct library {		/* the C library's */
	regex_t		 re;
	bool		 compiled;
	size_t		 fed;
};
struct regexp {
	char		*pattern;
	int		 flags;
	size_t		 groups;
	struct posix	 posix;
	struct perl	*perl;		/* NULL: no certain one */
	struct library	 mine;		/* the thread's that has the table */
	struct library	 workers;
	pthread_mutex_t	 lock;		/* of workers'; never waited for */
};

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

static void library_release(struct library *l)
{
	if (l->compiled)
		regfree(&l->re);
	*l = (struct library){ .compiled = false };
}

static void regexp_release(void *compiled)
{
	struct regexp *x = compiled;

	library_release(&x->mine);
	library_release(&x->workers);
	pthread_mutex_destroy(&x->lock);
	perl_free(x->perl);
	free(x->pattern);
	free(x);
}

static struct perl *perl_of(const char *pattern, struct posix *posix)
{
	char *why = NULL, *text = posix_to_perl(pattern, posix);
	struct perl *perl = NULL;

	if (text != NULL)
		perl = perl_compile(text, (posix->any_case ? PCRE2_CASELESS : 0) | (posix->lines ? PCRE2_MULTILINE |
		    PCRE2_ALT_CIRCUMFLEX : PCRE2_DOLLAR_ENDONLY) | PCRE2_DOTALL, &why);
	free(why);
	free(text);
	return perl;
}

static void *regexp_compile(const char *pattern, unsigned flags, unsigned *groups_r, char **why_r)
{
	struct regexp *x = xcalloc(1, sizeof(*x));
	int e = regcomp(&x->mine.re, pattern, (int)flags);

	if (e != 0) {
		*why_r = xcalloc(1, 512);
		regerror(e, &x->mine.re, *why_r, 512);
		free(x);
		return NULL;
	}
	x->mine.compiled = true;
	x->groups = x->mine.re.re_nsub;
	x->pattern = xstrdup(pattern);
	x->flags = (int)flags;
	x->posix.any_case = (flags & REG_ICASE) != 0;
	x->posix.lines = (flags & REG_NEWLINE) != 0;
	ASSERT(pthread_mutex_init(&x->lock, NULL) == 0);
	x->posix.basic = (flags & REG_EXTENDED) == 0;
	x->perl = perl_of(pattern, &x->posix);
	x->posix.certain = x->posix.certain && x->perl != NULL;
	*groups_r = (unsigned)x->groups;
	return x;
}

/* From begin on. */
static enum pattern_result ask(const struct regexp *x, struct library *l, struct pattern_job *j, long begin)
{
	regmatch_t at[PATTERN_GROUPS] = { { .rm_so = (regoff_t)begin, .rm_eo = (regoff_t)j->len } };
	size_t n = j->match != NULL ? MIN(x->groups + 1, (size_t)PATTERN_GROUPS) : 0;
	int e = 0;

	if (l->fed > FED_MAX)
		library_release(l);
	if (!l->compiled)
		e = regcomp(&l->re, x->pattern, x->flags);
	l->compiled = l->compiled || e == 0;
	l->fed += j->len + 1 - (size_t)begin;
	if (e == 0)
		e = regexec(&l->re, j->key, n, at, REG_STARTEND);
	for (size_t i = 0; e == 0 && i < n; i++) {
		j->match->begin[i] = at[i].rm_so;
		j->match->end[i] = at[i].rm_eo;
	}
	if (e != 0 && e != REG_NOMATCH)
		j->why = "cannot be evaluated: out of memory";
	return e == 0 ? PATTERN_YES : e == REG_NOMATCH ? PATTERN_NO : PATTERN_ERROR;
}

static enum pattern_result ask_library(struct regexp *x, struct pattern_job *j, long begin)
{
	struct library own = { .compiled = false };
	enum pattern_result r;

	if (!j->worker)
		return ask(x, &x->mine, j, begin);
	if (pthread_mutex_trylock(&x->lock) == 0) {
		r = ask(x, &x->workers, j, begin);
		pthread_mutex_unlock(&x->lock);
	} else {
		r = ask(x, &own, j, begin);
		library_release(&own);
	}
	return r;
}

/* Takes its time: there is no certain expression of Perl's, or it needs too many steps. */
static enum pattern_result exec_slowly(struct regexp *x, struct pattern_job *j)
{
	struct pattern_match *match = j->match;
	enum pattern_result r;

	if (match == NULL || !x->posix.empty_loops)
		return ask_library(x, j, 0);
	j->match = NULL;
	r = ask_library(x, j, 0);
	j->match = match;
	if (r == PATTERN_YES && (x->perl == NULL || perl_exec(x->perl, j) != PATTERN_YES))
		memset(match, 0, sizeof(*match));
	return r;
}

/* Is it little work for the library, from begin on? */
static bool is_little(const struct regexp *x, const struct pattern_job *j, long begin, size_t key_max, size_t work_max)
{
	size_t len = j->len - (size_t)begin;

	return !j->worker && len <= key_max && (len + 1) * x->posix.weight <= work_max;
}

static enum pattern_result regexp_exec(void *compiled, struct pattern_job *j)
{
	struct regexp *x = compiled;
	struct pattern_match *match = j->match;
	bool slow = j->slow, library_groups = match != NULL && !x->posix.back && !x->posix.empty_loops;
	enum pattern_result r = PATTERN_LATER;

	if (x->posix.back && x->perl == NULL) {
		j->why = "cannot be evaluated: it refers to groups in a way that is not understood";
		return PATTERN_ERROR;
	}
	if (x->posix.certain || x->posix.back) {
		j->slow = slow && x->posix.back;	/* else the library is the better one for what is hard */
		j->match = library_groups && !x->posix.plain ? NULL : match;
		r = perl_exec(x->perl, j);
		j->slow = slow;
		j->match = match;
	}
	if (r == PATTERN_YES && library_groups && !(x->posix.plain && match->end[0] == (long)j->len))
		return slow || is_little(x, j, perl_begin(j->scratch), GROUP_KEY, GROUP_WORK) ?
		    ask_library(x, j, perl_begin(j->scratch)) : PATTERN_LATER;
	if (r == PATTERN_LATER && !slow && !x->posix.certain && !x->posix.back && x->perl != NULL &&
	    (match == NULL || library_groups) && is_little(x, j, 0, MATCH_KEY, MATCH_WORK))
		return ask_library(x, j, 0);
	return r == PATTERN_LATER && slow ? exec_slowly(x, j) : r;
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
	.poll = pattern_poll, .end = pattern_end,
};
