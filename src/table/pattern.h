/* pattern.h - what regexp: and pcre: have in common. */
#ifndef TABLE_PATTERN_H
#define TABLE_PATTERN_H
#include "room.h"

enum { PATTERN_GROUPS = 100 };	/* $1 to $99 */

struct pattern_match {		/* where the groups are in the key; begin -1: did not take part */
	long	 begin[PATTERN_GROUPS], end[PATTERN_GROUPS];
};
struct pattern_engine {
	const char	*name;		/* "regexp", "pcre" */
	const char	*unclosed;	/* what happens to a rule without closing delimiter */
	const char	*zero;		/* words for $0 */
	bool		 two_patterns;	/* /one/!/two/ */
	bool		 perl;		/* syntax */
	unsigned	 plain_if;	/* these option bits must be set, */
	unsigned	 plain_unless;	/* these clear, for the prefilter to understand a pattern */
	unsigned	 flags;		/* to begin with */
	/* Toggles one option letter; false: unknown. */
	bool		(*option)(char c, unsigned *flags);
	/* NULL and *why_r (malloced). */
	void		*(*compile)(const char *pattern, unsigned flags, bool utf8, unsigned *groups_r, char **why_r);
	/* 1: matches, 0: does not, -1: *why_r (static). match NULL: groups are not wanted. */
	int		(*exec)(void *compiled, const char *key, size_t len, struct pattern_match *match,
	    const char **why_r);
	void		(*release)(void *compiled);
};
/* Of n patterns (NULL: not to be judged), which can match? Blocks for a moment; NULL if all always can. */
struct prefilter;
struct prefilter *prefilter_new(const char *const *pattern, size_t n, bool perl);
void	prefilter_free(struct prefilter **);
/* A bit for each pattern that may match the key; valid until the next call. NULL: all may. */
const uint64_t *prefilter_run(struct prefilter *, const char *key, size_t len);

extern bool pattern_unfiltered;		/* tests: every pattern is tried */
void	*pattern_open(struct table_env *, const char *name, const struct pattern_engine *, char **why_r);
void	 pattern_close(void *contents);
enum table_result pattern_lookup(void *contents, struct table_op *, const char *key);
#endif
