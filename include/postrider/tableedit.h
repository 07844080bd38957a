/* tableedit.h - making and changing indexed tables: what postmap and postalias do.
 * The file is never changed in place: a new one takes its place when all is well (see index_edit.c), so a server
 * that reads it sees the old or the new table. All of it blocks and is for commands. */
#ifndef POSTRIDER_TABLEEDIT_H
#define POSTRIDER_TABLEEDIT_H
#include <postrider/base.h>

struct tables;
struct problems;

enum table_duplicates { TABLE_DUP_WARN /* and the first stays */, TABLE_DUP_REPLACE, TABLE_DUP_IGNORE };
struct table_build {
	const char	*type;		/* "hash", "btree", "lmdb" */
	const char	*name;		/* the source; the table is name.lmdb */
	bool		 update;	/* records come from standard input and are added to what is there */
	bool		 aliases;	/* postalias's format, and its records about the table itself */
	const char	*hostname;	/* for those */
	int		 flags;		/* TABLE_FOLD, TABLE_UTF8, TABLE_RHS_IS_FILE */
	enum table_duplicates duplicates;
	bool		 no_nul;	/* keys and values end without a NUL */
	bool		 keep_rights;	/* root stays root; else it works as the owner of the source */
	bool		 plain_mode;	/* a new file has mode 0644, not the source's */
};
/* NULL, or why the table stayed as it was (malloced; Postfix's words). Signals that end the program wait meanwhile. */
char	*table_build(struct tables *, const struct table_build *, struct problems *warnings);

/* Removing keys: spec is "type:name". NULL with *why_r (malloced) when this table's entries cannot be removed. */
struct table_removal;
struct table_removal *table_removal_start(const char *spec, int flags, bool utf8, char **why_r);
int	table_removal_key(struct table_removal *, const char *key);	/* 1: it was there, 0: not, -1: an error at the end */
char	*table_removal_end(struct table_removal **);			/* NULL, or why nothing was removed (malloced) */
#endif
