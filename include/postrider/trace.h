/* trace.h - what happens to an address, told while it happens: for postrider explain, which runs the server's own code
 * and prints what that reports. In the server nobody listens, and what could be told costs the test of one pointer.
 * One listener per process; reports come from the loop's thread only. Strings are the reporter's, for the call. */
#ifndef POSTRIDER_TRACE_H
#define POSTRIDER_TRACE_H
#include <postrider/base.h>

enum trace_kind {
	TRACE_REWRITE,		/* `what` (a parameter) made `value` of `key` */
	TRACE_LOOKUP,		/* `table` of the parameter `what` was asked for `key`: value, NULL none */
	TRACE_MATCH,		/* is `key` in the list `what`? value: "yes" or "no"; table: the one that said so, or NULL */
	TRACE_NOTE,		/* `what`, and `value`: anything else */
};
struct trace_event {
	enum trace_kind	 kind;
	const char	*what, *table, *key, *value;
	bool		 failed;	/* LOOKUP, MATCH: could not tell */
};
struct trace_listener {		/* embedded in whoever listens */
	void		(*report)(struct trace_listener *, const struct trace_event *);
};
extern struct trace_listener *trace_to;	/* NULL: nobody */

static inline bool trace_on(void)
{
	return trace_to != NULL;
}
void	trace_listen(struct trace_listener *);	/* NULL ends it */
/* All of them do nothing while nobody listens. */
void	trace_rewrite(const char *what, const char *before, const char *after);	/* only where they differ */
void	trace_lookup(const char *what, const char *table, const char *key, const char *value, bool failed);
void	trace_match(const char *what, const char *table, const char *key, bool yes, bool failed);
void	trace_note(const char *what, const char *text);
#endif
