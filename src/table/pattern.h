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
void	*pattern_open(struct table_env *, const char *name, const struct pattern_engine *, char **why_r);
void	 pattern_close(void *contents);
enum table_result pattern_lookup(void *contents, struct table_op *, const char *key);
#endif
