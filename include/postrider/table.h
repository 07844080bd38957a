/* table.h - lookup tables, ordered lists of them (maps), and match lists.
 * A `struct tables` is the set that belongs to one loaded configuration: everything
 * opened or compiled from it (tables, maps, match lists) is shared within the set, is never
 * freed singly and lives as long as the set. Opening reads files, so it is done in a job of the
 * load class or before the loop runs. Opening never fails: a table that cannot be used (missing
 * file, unknown type, bad source) stands there and answers TABLE_ERROR, as in Postfix,
 * and a problem says so. Lookups are operations for the loop (DESIGN §2); those that
 * need no waiting finish inside x_start.
 * Not here: what keys an address is tried with (user+ext@domain, user, @domain; Postfix's mail_addr_find,
 * mail_addr_map): module rewrite, on top of maps_start(). Only the extension's place is found here. */
#ifndef POSTRIDER_TABLE_H
#define POSTRIDER_TABLE_H
#include <postrider/base.h>
#include <postrider/buf.h>

struct task;
struct log_ctx;
struct view;
struct problems;
struct worker_class;

struct tables;			/* opaque, all four */
struct table;
struct maps;
struct match_list;

/* ---- the set ------------------------------------------------------------------------------- */
/* Once, on the loop's thread before the first set is watched or looked up in; commands that
 * only query call it after loop_init(). */
void	table_init(void);
void	table_release(void);
/* The class whose jobs load configurations and tables. */
struct worker_class *table_load_class(void);
/* fn(p) in that class, soon; here and now if this is not the loop's thread, or at the latest in table_release(). */
void	dispose(void (*fn)(void *), void *p);

/* Takes from the view what tables depend on (queue_directory, data_directory, smtputf8_enable...); does
 * not keep it, but its configuration. One reference. The thread that builds the set is its only user until it is handed to the loop. */
struct tables *tables_new(const struct view *);
struct tables *tables_ref(struct tables *);		/* loop only from here on */
void	tables_unref(struct tables **);			/* the last one is freed in the load class; who built a
							 * set that was never handed over may drop it, too */
/* Follow changes of source files, from now: new contents are in force within a second or two; a
 * broken file leaves the old contents in force and is logged once. */
void	tables_watch(struct tables *);

/* ---- one table ----------------------------------------------------------------------------- */
enum {	/* open flags: Postfix's DICT_FLAG_* of the same names */
	TABLE_FOLD	  = 1,	/* keys of fixed-string tables are folded to lower case */
	TABLE_UTF8	  = 2,	/* with smtputf8_enable: UTF-8 folding; a key that is not UTF-8 is not found */
	TABLE_NO_REGSUB	  = 4,	/* patterns must not substitute $number into results */
	TABLE_NO_PROXY	  = 8,	/* proxy: is refused (what names files or commands for delivery) */
	TABLE_NO_UNAUTH	  = 16,	/* tables that a stranger may feed (tcp:) are refused */
	TABLE_RHS_IS_FILE = 32,	/* values are names of files; the answer is their contents, base64 */
	TABLE_BRIEF	  = 64,	/* for a program that asks a little and ends: nothing is prepared for speed */
	TABLE_ADDR	  = TABLE_FOLD | TABLE_UTF8,	/* what almost every map about addresses uses */
};
enum table_result {
	TABLE_WAIT = 0,		/* not yet: the task will be woken */
	TABLE_FOUND,
	TABLE_NONE,		/* no such key: a final answer */
	TABLE_ERROR,		/* could not tell: a temporary error for this request */
};
/* spec is "type:name", "type:{ inline }"; the same spec and flags give the same table. Never
 * NULL. where (may be NULL) is the parameter's name, for problems. */
struct table *table_open(struct tables *, const char *spec, int flags, const char *where, struct problems *);
const char *table_spec(const struct table *);		/* "hash:/etc/aliases", as written */
const char *table_label(const struct table *);		/* "hash:/etc/aliases.db": its name in some of Postfix's messages */
const char *table_broken(const struct table *);		/* why it only answers TABLE_ERROR, NULL if it is fine */
bool	table_is_fixed(const struct table *);		/* fixed strings: asking for parts of a key makes sense */

enum { TABLE_ERR_CONFIG = -1 };	/* not a passing trouble: what the table holds or how it was set up is wrong */
struct table_op {		/* embedded; zeroed = idle */
	const char	*value;	/* on TABLE_FOUND; ours until table_end() */
	const char	*why;	/* lines for table_log_why(), with newlines between, whatever the result; ours until table_end() */
	int		 err;	/* on TABLE_ERROR: errno, 0 if there is none to tell, or TABLE_ERR_CONFIG */
	/* private to src/table: */
	enum table_result result;
	struct table_data *data;	/* contents being asked, referenced */
	struct task	*task;
	void		*state;		/* of a class that waits */
	char		*key;		/* while it waits */
	struct buf	 buf;		/* values that are made, not stored */
};
void	table_start(struct table_op *, struct task *, struct table *, const char *key);	/* copies key */
enum table_result table_poll(struct table_op *);
void	table_end(struct table_op *);
/* Each line of why, if any: a warning; "error: ..." an error; "fatal: ..." one that a program of Postfix's ends with: true. */
bool	table_log_why(const struct log_ctx *, const struct table_op *);

/* Every entry, in the table's own order; each returns false to stop. For commands: blocks. NULL, or what is
 * wrong: "sequence operation is not supported". */
typedef bool table_each_fn(void *arg, const char *key, const char *value);
const char *table_each(struct table *, table_each_fn *, void *arg);

/* ---- an ordered list of tables, the value of a ..._maps parameter ------------------------------ */
/* title: the parameter's name. text: "type:name, type:{ ... } ...". "" gives an empty list. */
struct maps *maps_new(struct tables *, const char *title, const char *text, int flags, struct problems *);
bool	maps_empty(const struct maps *);	/* NULL counts as empty */
const char *maps_title(const struct maps *);
size_t	maps_count(const struct maps *);
struct table *maps_table(const struct maps *, size_t i);

enum {
	MAPS_ALL = 0,
	MAPS_FIXED = 1,		/* only fixed-string tables: for partial keys */
	MAPS_PATTERN = 2,	/* only the others */
};
struct maps_op {		/* embedded; zeroed = idle */
	const char	*value;	/* on TABLE_FOUND; ours until maps_end() */
	const struct table *table;	/* the one that answered or failed; NULL on TABLE_NONE */
	/* private: */
	enum table_result result;
	const struct maps *maps;
	const struct log_ctx *log;
	size_t		 pos;
	int		 which;
	char		*key;	/* copied once something waits */
	struct table_op	 op;
};
/* The first table that has the key answers. An error ends the search, so does an empty value (an
 * error, too); both are logged here, under log, in Postfix's words. An empty key is never found. */
void	maps_start(struct maps_op *, struct task *, const struct log_ctx *log, const struct maps *, const char *key,
    int which);
enum table_result maps_poll(struct maps_op *);
void	maps_end(struct maps_op *);

/* ---- match lists: mynetworks, mydestination, ..._clients ---------------------------------------- */
enum match_kind {
	MATCH_STRING,	/* string_list: whole strings */
	MATCH_DOMAIN,	/* domain_list: names and their parents */
	MATCH_ADDR,	/* addr_match_list: addresses and networks */
	MATCH_HOST,	/* namadr_list: a client's name, then its address */
};
enum match_result { MATCH_WAIT = 0, MATCH_YES, MATCH_NO, MATCH_ERROR };
/* name: the parameter's. text: patterns separated by comma or space: names, .domain, addresses,
 * net/mask, [v6]/mask, type:table, /file/name (read here), each with any number of '!' before. parents:
 * "example.com" matches its subdomains (parent_domain_matches_subdomains), else ".example.com" does.
 * Patterns that Postfix finds fault with when it meets them give MATCH_ERROR when they are met. */
struct match_list *match_list_new(struct tables *, enum match_kind, const char *name, const char *text, bool parents,
	    struct problems *);
bool	match_list_empty(const struct match_list *);	/* NULL counts as empty */
/* Is NAME listed in parent_domain_matches_subdomains' value? (a plain string list, no tables) */
bool	match_parent_style(const char *value, const char *name);

struct match_op {		/* embedded; zeroed = idle */
	/* private: */
	enum match_result result;
	const struct match_list *list;
	struct match_data *data;
	const struct log_ctx *log;
	struct task	*task;
	char		*name, *addr;	/* copied, name folded, once a table is asked */
	const char	*entry;		/* parent being asked, in name */
	size_t		 pos;		/* next table pattern */
	size_t		 bound;		/* number of the static pattern that matched */
	struct table_op	 op;
};
/* name: the string, domain or client name; addr: the address, printable, for MATCH_HOST and MATCH_ADDR.
 * Either may be NULL where its kind does not look at it. Errors are logged under log. */
void	match_start(struct match_op *, struct task *, const struct log_ctx *log, const struct match_list *,
    const char *name,
	    const char *addr);
enum match_result match_poll(struct match_op *);
void	match_end(struct match_op *);

/* ---- small helpers ---------------------------------------------------------------------------- */
/* Where the extension's delimiter stands in a local part of n bytes, or n if there is none: Postfix's
 * split_addr (first of any of delims, never at the start; not in postmaster, mailer-daemon, double-bounce
 * names or, when owner_special and the delimiter is '-', in owner-x and x-request). */
size_t	addr_extension(const char *local, size_t n, const char *delims, const char *double_bounce, bool owner_special);

/* ---- for table types --------------------------------------------------------------------------- */
#define TABLE_ABI	2u
struct table_env {		/* one opening or reloading, on a worker thread or before the loop */
	struct tables	*set;	/* for tables made of tables */
	const char	*spec;	/* "type:name" */
	int		 flags;	/* TABLE_* */
	bool		 pattern;	/* set by open: not a fixed-string table */
	bool		 no_utf8;	/* set by open: bytes that are not UTF-8 are nothing to this type */
	const char	*suffix;	/* set by open: of the file that is meant, ".db"; static */
	struct problems	*problems;	/* may be NULL */
	struct strs	*files;	/* sources to watch */
};
/* Warnings and errors about a line of a source. */
void	table_warn(struct table_env *, const char *file, int line, const char *fmt, ...) PRINTF(4, 5);
void	table_watch_file(struct table_env *, const char *path);
const char *tables_queue_directory(const struct tables *);
const char *tables_data_directory(const struct tables *);

struct table_class {
	unsigned	 abi;		/* TABLE_ABI */
	const char	*type;		/* "texthash" */
	/* The contents, or NULL with *why_r (malloced): the table is broken. Blocking. */
	void		*(*open)(struct table_env *, const char *name, char **why_r);
	void		 (*close)(void *contents);	/* any thread; may be NULL */
	/* On the loop. key is folded as the flags ask. FOUND: op->value points into the contents or to
	 * op->buf; ERROR: op->why likewise; WAIT: op->state is the class's own, poll and end are called. */
	enum table_result (*lookup)(void *contents, struct table_op *, const char *key);
	enum table_result (*poll)(void *contents, struct table_op *);
	void		 (*end)(void *contents, struct table_op *);
	/* As table_each(); NULL: not supported. */
	const char	*(*each)(void *contents, table_each_fn *, void *arg);
};
void	table_register(const struct table_class *);	/* before the loop; a later one of the same type wins */
bool	table_type_known(const char *type);
void	table_types(struct strs *);			/* postconf -m: sorted */
#endif
