/* pattern.h - what regexp: and pcre: have in common. */
#ifndef TABLE_PATTERN_H
#define TABLE_PATTERN_H
#include <stdatomic.h>
#include <postrider/arena.h>
#include <postrider/loop.h>

#include "room.h"

enum { PATTERN_GROUPS = 100 };	/* $1 to $99 */
/* PATTERN_LATER: cannot be told within a moment. */
enum pattern_result { PATTERN_ERROR = -1, PATTERN_NO = 0, PATTERN_YES = 1, PATTERN_LATER = 2 };

struct prefilter;
struct pattern_match {		/* where the groups are in the key; begin -1: did not take part */
	long	 begin[PATTERN_GROUPS], end[PATTERN_GROUPS];
};
struct perl_scratch;
struct pattern_job {		/* one matching */
	const char	*key;
	size_t		 len;
	struct perl_scratch *scratch;	/* the thread's */
	bool		 worker;	/* beside the thread that has the table */
	bool		 slow;		/* it may take its time: never LATER */
	struct pattern_match *match;	/* NULL: groups are not wanted */
	const char	*why;		/* after ERROR; static, or the scratch's */
};
struct pattern_engine {
	const char	*name;		/* "regexp", "pcre" */
	const char	*unclosed;	/* what happens to a rule without closing delimiter */
	const char	*zero;		/* words for $0 */
	char		 obsolete;	/* option letter without a meaning, or 0 */
	bool		 two_patterns;	/* /one/!/two/ */
	bool		 perl;		/* syntax */
	unsigned	 plain_if;	/* these option bits must be set, */
	unsigned	 plain_unless;	/* these clear, for the prefilter to understand a pattern */
	unsigned	 flags;		/* to begin with */
	/* Toggles one option letter; false: unknown. */
	bool		(*option)(char c, unsigned *flags);
	/* NULL and *why_r (malloced). */
	void		*(*compile)(const char *pattern, unsigned flags, unsigned *groups_r, char **why_r);
	enum pattern_result (*exec)(void *compiled, struct pattern_job *);
	void		(*release)(void *compiled);
};

struct piece {
	const char	*text;		/* NULL: a group */
	unsigned	 group;
};
struct step {
	void		*first, *second;	/* second: must not match ("/one/!/two/"), or NULL */
	bool		 first_not, second_not, is_if;
	struct piece	*piece;
	size_t		 n;		/* pieces */
	bool		 groups;	/* some piece is a group */
	size_t		 end;		/* IF: where to go on if it does not hold */
	const char	*text;		/* of first, while reading; NULL: the prefilter must not judge */
	int		 line;
};
struct patterns {
	const struct pattern_engine *engine;
	char		*name;
	struct step	*step;
	size_t		 n;
	struct arena	 arena;
	struct prefilter *prefilter;	/* NULL: few rules, or nothing to filter */
	struct perl_scratch *scratch;	/* of the thread that has the table */
	int		 limit_ms;
	atomic_uint	 refs;		/* the table and its jobs */
	struct worker_class *class;	/* for look-ups that take long; the loop's only, made with the first */
	unsigned	 stuck;		/* jobs past their limit that have not returned */
	struct loop_msg	 retired;
};
void	*pattern_open(struct table_env *, const char *name, const struct pattern_engine *, char **why_r);
void	 pattern_free(struct patterns *);	/* any thread */
void	 pattern_close(void *contents);
enum table_result pattern_lookup(void *contents, struct table_op *, const char *key);
enum table_result pattern_poll(void *contents, struct table_op *);
void	 pattern_end(void *contents, struct table_op *);

/* Perl-compatible expressions, for both kinds. */
struct perl;
struct perl *perl_compile(const char *pattern, unsigned options, char **why_r);
void	perl_free(struct perl *);
unsigned perl_groups(const struct perl *);
enum pattern_result perl_exec(const struct perl *, struct pattern_job *);
long	perl_begin(const struct perl_scratch *);	/* where the last match begins */
struct perl_scratch *perl_scratch_new(void);
void	perl_scratch_free(struct perl_scratch **);

/* An expression for perl_compile() that matches what the POSIX expression matches; malloced, or NULL: there is
 * none. Which of the possible places groups are at differs. */
struct posix {
	bool	 any_case, lines, basic;	/* REG_ICASE, REG_NEWLINE, not REG_EXTENDED */
	bool	 certain;	/* set: exactly the same keys match, from the same place on */
	bool	 back;		/* set: it refers to groups */
	bool	 empty_loops;	/* set: it repeats what may be empty */
	bool	 plain;		/* set: groups are at the same places if the match goes to the key's end */
	size_t	 weight;	/* set: about how many characters it has, repetitions written out */
};
char	*posix_to_perl(const char *pattern, struct posix *);
/* At '[': behind the list; NULL: it has no end, or, with perl, where '\\' takes what follows along, holds \Q or \E. */
const char *pattern_behind_list(const char *, bool perl);

/* Of n patterns (NULL: not to be judged), which can match? Blocks for a moment; NULL if all always can. */
struct prefilter *prefilter_new(const char *const *pattern, size_t n, bool perl);
void	prefilter_free(struct prefilter **);
/* A bit for each pattern that may match the key; valid until the next call. NULL: all may. */
const uint64_t *prefilter_run(struct prefilter *, const char *key, size_t len);

extern bool pattern_unfiltered;		/* tests: every pattern is tried */
#endif
