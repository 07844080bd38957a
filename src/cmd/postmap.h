/* postmap.h - what the files of postmap share. */
#ifndef POSTMAP_H
#define POSTMAP_H
#include "cmd.h"

struct table; struct tables; struct view;

/* Asks tables that are named on the command line, opened when their turn comes. */
struct query {
	const struct view *view;
	struct tables	*set;
	char *const	*spec;		/* "type:name" */
	struct table	**table;	/* NULL: not opened yet */
	size_t		 n;
	int		 flags;		/* TABLE_* */
	bool		 decode;	/* values are base64: show what is meant */
	const char	*colon;		/* between key and value: "\t", ":\t" */
	struct buf	 value;		/* of the last key found */
};
void	query_open(struct query *, const struct view *, char *const *specs, size_t n, int flags, bool decode);
void	query_close(struct query *);
struct table *query_table(struct query *, size_t i);	/* ends the program if it cannot be used */
bool	query_find(struct query *, const char *key);	/* in the first table that has it; q->value */
bool	query_decode(struct table *, const char *key, const char *value, struct buf *out);	/* or a warning */

bool	query_lines(struct query *, bool (*fn)(struct query *, const char *key));	/* of standard input: any true? */
bool	query_print(struct query *, const char *key);	/* "key<TAB>value" if it is found */
enum { MESSAGE_HEADER = 1, MESSAGE_BODY = 2, MESSAGE_MIME = 4 };
bool	query_message(struct query *, unsigned parts);	/* header and body lines of the message on standard input */
#endif
