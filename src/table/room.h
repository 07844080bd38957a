/* room.h - what the files of src/table share. */
#ifndef TABLE_ROOM_H
#define TABLE_ROOM_H
#include <stdlib.h>
#include <postrider/hash.h>
#include <postrider/table.h>

/* What a source file looked like when it was read: any change of these is a new file. A path
 * that does not exist has all zero. */
struct stamp {
	uint64_t dev, ino, size;
	int64_t	 mtime_ns;
};
void	stamp_take(struct stamp *, const char *path);		/* blocks */
bool	stamp_same(const struct stamp *, const struct stamp *);

/* The contents of one table at one time: immutable, replaced as a whole. Counted on the loop only. */
struct table_data {
	unsigned	 refs;
	const struct table_class *class;
	void		*contents;	/* the class's; NULL: broken */
	char		*why;		/* of a broken table: the reason */
	char		*down;		/* of a broken table: the line a failing lookup logs */
	const char	*spec;		/* the table's, owned by the set */
	char		*label;		/* spec with the suffix of the file that is meant */
	bool		 pattern, fold, utf8, no_utf8;
};

/* Something that is made from files and made anew when they change: tables and match lists. */
struct watched;
struct watched_class {
	/* On a worker: new contents, or NULL and *why_r (malloced). */
	void	*(*load)(struct watched *, struct problems *, struct strs *files, char **why_r);
	void	 (*swap)(struct watched *, void *contents);	/* on the loop */
	void	 (*drop)(void *contents);			/* any thread */
	const char *(*name)(const struct watched *);
};
struct watched {
	const struct watched_class *class;
	struct strs	 files;
	struct stamp	*seen;		/* one for each file: what is in force, or was refused */
	struct stamp	*odd;		/* seen at the last look, different, not yet settled */
	bool		 working;	/* what is in force is not a broken object */
	SLIST_ENTRY(watched) link;
};
void	watched_init(struct watched *, const struct watched_class *, struct tables *, struct strs *files);
void	watched_release(struct watched *);

struct table {
	struct watched	 watched;
	struct tables	*set;
	char		*spec;
	const char	*name;		/* behind the colon, in spec */
	const struct table_class *class;
	int		 flags;
	struct table	*inner;		/* proxy: the table that is meant */
	struct table_data *data;
};

struct tables {
	unsigned	 refs;		/* on the loop */
	bool		 smtputf8;
	size_t		 socketmap_query_max, socketmap_reply_max;
	char		*queue_directory, *data_directory;
	char		*alias_specs;	/* values of alias_maps and alias_database */
	struct config	*config;	/* NULL: none (tests) */
	int		 client_limit_ms, client_connections;	/* 0: as usual */
	struct hash	 by_spec;	/* "flags spec" -> struct table */
	SLIST_HEAD(, watched) watched;	/* those with files */
	SLIST_HEAD(, maps) maps;
	SLIST_HEAD(, match_list) lists;
	bool		 following;
	LIST_ENTRY(tables) link;	/* among those followed */
};
void	tables_free_now(struct tables *);	/* any thread that has it alone */
void	tables_start_following(struct tables *);
extern int64_t follow_limit_ms;		/* how long a round may take; tests change it */
void	tables_stop_following(struct tables *);

/* The caller may wait, and must: this is the loop's thread. */
bool	table_on_loop(void);
bool	table_loop_thread(void);	/* this is, or was while it ran, the loop's thread */
void	table_unix_release(void);

struct table_data *table_data_load(struct table *, struct problems *, struct strs *files);
void	table_data_unref(struct table_data *);

struct maps {
	char		*title;
	struct table	**table;	/* owned by the set */
	size_t		 n;
	SLIST_ENTRY(maps) link;
};
void	maps_free(struct maps *);

/* Case folding: ASCII, or simple Unicode folding of a valid UTF-8 string. Returns s itself if nothing
 * changes, else the folded text in *tmp. */
const char *fold_key(const char *s, bool utf8, struct buf *tmp);

/* Logical lines of a source: comments and blank lines out, continuation lines joined. */
struct source {
	char		*text;
	size_t		 len, pos;
	const char	*path;		/* borrowed */
	struct table_env *env;
	int		 line;		/* where the logical line begins */
	int		 lines;		/* physical lines read */
	struct buf	 buf;
};
/* path, or "{ {line}, {line} }". NULL or a malloced reason: "open PATH: No such file...", with prefix
 * before it ("open database"). Registers the file for watching. */
char	*source_open(struct source *, struct table_env *, const char *prefix, const char *path);
char	*source_open_file(struct source *, const char *prefix, const char *path);	/* a file, whatever it looks like */
char	*source_line(struct source *);	/* mutable, valid until the next; NULL at the end */
void	 source_close(struct source *);

/* "key value" records of a source, or those of an aliases file. Zeroed but for source. */
struct records {
	struct source	 source;
	bool		 aliases;
	bool		 index;		/* the source of hash: and the like */
	bool		 as_written;	/* aliases, too, are folded only if the flags say so */
	const char	*key;		/* folded as the flags ask; valid until the next */
	const char	*written;	/* as in the source, for messages */
	const char	*value;
	struct buf	 folded, alias_key, alias_value;
	char		*contents;	/* index, and values are files: of this one's */
};
bool	records_next(struct records *);
void	records_close(struct records *);	/* the source, too */
bool	records_are_aliases(const struct source *);
/* One line "name: value"; NULL or what is wrong with it. */
const char *alias_line(const char *line, struct buf *key, struct buf *value);
void	*text_new(struct records *);		/* contents for table_texthash's lookup and close */

/* Indexed files. */
struct index;
/* Blocks. warm: for a server, with what makes look-ups quick. */
struct index *index_open(const char *path, bool warm, char **why_r);
struct index *index_ref(struct index *);	/* any thread */
void	index_unref(struct index *);
const char *index_path(const struct index *);
/* wait false: MUST_WAIT in place of waiting for the disk. ERROR: *why_r, static. Any thread. */
enum index_found { INDEX_FOUND, INDEX_ABSENT, INDEX_ERROR, INDEX_MUST_WAIT };
enum index_found index_get(const struct index *, const char *key, bool wait, struct buf *value, const char **why_r);
const char *index_each(const struct index *, table_each_fn *, void *arg);
void	table_index_release(void);

/* A changed or a new one that takes the place of the old at the end, or nothing happens. */
struct index_how {
	bool		 update;	/* begin with what is there, if anything is */
	bool		 no_nul;	/* keys and values without a NUL at their end */
	size_t		 text_bytes;	/* about how much will be put in */
	unsigned	 mode;		/* of a new file; an old one's stays, and its owner */
	int64_t		 mtime_us;	/* what the file shall have; 0: now */
};
struct index_edit;
struct index_edit *index_edit_new(const char *path, const struct index_how *, char **why_r);
enum index_edited { INDEX_DONE, INDEX_EXISTS /* put */, INDEX_NONE /* del */, INDEX_TOO_LONG, INDEX_FAILED };
enum index_edited index_edit_put(struct index_edit *, const char *key, const char *value, bool replace);
enum index_edited index_edit_del(struct index_edit *, const char *key);
char	*index_edit_why(const struct index_edit *);	/* after INDEX_FAILED; malloced */
char	*index_edit_commit(struct index_edit **);	/* NULL or a malloced reason; freed in any case */
void	index_edit_drop(struct index_edit **);
/* All records; what is wrong with one is warned about, label says where to. NULL or a malloced reason. */
char	*index_edit_records(struct index_edit *, struct records *, const char *label, bool replace, bool quiet);

/* With TABLE_RHS_IS_FILE: the value for a list of files; NULL with *why_r. */
char	*table_file_value(struct table_env *, const char *list, char **why_r);

/* Networks: which of many first matches an address? Numbers are the caller's; the lowest wins. */
struct net_slot;
struct nets {
	struct net_slot	*slot;
	size_t		 n, cap;
	uint64_t	 v4_lens[1], v6_lens[3];	/* bit per prefix length in use */
};
struct net {
	bool	 v6;
	unsigned bits;
	uint8_t	 addr[16];
};
struct ip {
	bool	 v6;
	uint8_t	 addr[16];
};
bool	ip_parse(struct ip *, const char *text);
/* Postfix's words, malloced, or NULL: "bad mask value in ...". */
char	*net_parse(struct net *, const char *pattern);
bool	net_has(const struct net *, const struct ip *);
#define NETS_NONE	SIZE_MAX
void	nets_add(struct nets *, const struct net *, size_t number);	/* replaces a higher number */
size_t	nets_find(const struct nets *, const struct ip *);		/* the lowest number, NETS_NONE */
void	nets_release(struct nets *);

extern const struct table_class *const table_builtin[];	/* NULL-terminated */
extern const struct table_class table_static, table_inline, table_texthash, table_fail, table_environ;
extern const struct table_class table_lmdb, table_hash, table_btree, table_unix, table_cidr, table_regexp, table_pcre;
extern const struct table_class table_unionmap, table_pipemap, table_randmap, table_internal, table_socketmap, table_tcp, table_memcache, table_sqlite;
#endif
