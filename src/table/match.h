/* match.h - what match.c compiles and match_run.c evaluates. */
#ifndef TABLE_MATCH_H
#define TABLE_MATCH_H
#include "room.h"

struct match_step {		/* a pattern that is not plain text */
	size_t		 number;
	struct table	*table;		/* ask this, or: */
	char		*why;		/* the line to log for a pattern that is wrong */
	char		*down;		/* a line before it, may be NULL */
	bool		 any;		/* wrong for every question, else for addresses only: */
	bool		 v6;		/* of this family */
};
struct match_data {		/* immutable; counted on the loop */
	unsigned	 refs;
	bool		*yes;		/* by number: false under '!' */
	size_t		 n;
	struct hash	 names;		/* folded pattern -> number + 1 */
	struct nets	 nets;
	struct match_step *step;	/* in order of number */
	size_t		 n_steps;
};
struct match_list {
	struct watched	 watched;
	struct tables	*set;
	enum match_kind	 kind;
	char		*name, *text;
	bool		 parents;
	struct match_data *data;
	SLIST_ENTRY(match_list) link;
};
void	match_list_free(struct match_list *);
void	match_data_unref(struct match_data *);
#endif
