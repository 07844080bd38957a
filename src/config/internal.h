/* internal.h - what the files of this room share. */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H
#include <postrider/arena.h>
#include <postrider/config.h>
#include "macro.h"

/* A logical line of main.cf or master.cf: continuation lines joined, comments and blank lines gone. */
struct lines {
	const char	*p, *end;	/* what is left of the file's text */
	int		 next;		/* number of the physical line at p */
	int		 first;		/* where the current logical line starts */
	struct buf	 text;
	bool		 stray;		/* the current line starts with white space: nothing to continue */
};
void	lines_init(struct lines *, const char *text, size_t len);
bool	lines_next(struct lines *);	/* false at the end */
void	lines_release(struct lines *);

/* "name = value" in place, as both files and -o have it; NULL or what is wrong. */
const char *split_nameval(char *s, char **name_r, char **value_r);

/* A name that can have a value: the rows first (id = param_id), then what the files define or mention. */
struct sym {
	const char	*name;
	const char	*raw;		/* as written in main.cf or on the command line; NULL: not set there */
	const char	*file;
	int		 line;
	int		*refs;		/* names whose values this one's may need */
	int		 nrefs;
};
struct scope {			/* a view and what it was made from */
	struct view	 view;
	const char	**text;		/* expanded value by symbol; NULL: undefined. Shared with the base if equal */
};
struct config {
	_Atomic unsigned refs;
	const char	*dir, *main_path, *master_path;	/* paths as messages show them */
	bool		 from_text;	/* config_load_text(): ask no name server */
	struct arena	 arena;		/* strings, scopes */
	struct sym	*sym;
	size_t		 nsym, symcap;
	struct hash	 ids;		/* names beyond the rows -> id + 1 */
	const char	**raw;		/* by symbol, of the base: file, default or computed; NULL: undefined */
	int		*order;		/* main.cf's symbols in the order of their (last) appearance */
	size_t		 norder, ordercap;
	struct master_entry *master;
	size_t		 nmaster, mastercap;
	struct hash	 entries;	/* type and place -> index + 1 in master */
	struct scope	*base, *stress, **entry, **entry_stress;
	struct config_address *addr, *proxy;	/* inet_interfaces, proxy_interfaces */
	size_t		 naddr, nproxy;
};

int	sym_find(const struct config *, const char *name);	/* -1: nobody mentions it */
int	sym_intern(struct config *, const char *name);
void	problem_once(struct problems *, enum problem_level, const char *file, int line, const char *fmt, ...)
	    PRINTF(5, 6);

/* For postconf: main.cf's syntax errors apart from all others; main_cf: read it at all. */
struct config *config_read(const char *dir, const struct strs *overrides, bool main_cf, struct problems *syntax,
	    struct problems *rest);
/* Reading. false: cannot be used (a FATAL was added). */
bool	maincf_parse(struct config *, const char *text, size_t len, struct problems *);
bool	mastercf_parse(struct config *, const char *text, size_t len, const char *file, struct problems *);
void	mastercf_defaults(struct config *);
void	maincf_set(struct config *, const char *name, const char *value, const char *file, int line);

/* A row's text as its type; NULL or the message, malloced. unit: for times without one. */
char	*value_parse_row(const struct param_row *, const char *text, char unit, union param_value *r);
char	 value_default_unit(const char *def_expanded);

/* Evaluation. */
void	scopes_build(struct config *, struct problems *);
const char *scope_value_location(const struct config *, const struct master_entry *, int id, int *line_r);

/* What the row's default is in this scope, expanded; NULL: cannot tell. */
const char *scope_default(const struct scope *, int id);

/* Parameters that do not (fully) work; no_effect: those without effect too. Names nobody refers to. */
void	standings_check(const struct config *, bool no_effect, struct problems *);
void	unused_check(const struct config *, struct problems *);
bool	table_setting(const struct config *, const char *name);	/* foo_server_host, with ldap:foo in some value */
bool	table_client_type(const char *type);			/* ldap, mysql, ... */
bool	table_client_setting(const char *type, const char *name);	/* in a file of such a table */

/* Computed defaults, in the arena. myhostname: mydomain set or NULL. */
const char *default_myhostname(struct config *, const char *mydomain);
const char *default_mydomain(const char *myhostname);
const char *default_mynetworks(struct config *, const char *style);
void	addresses_load(struct config *, const char *interfaces, const char *protocols, const char *proxies,
	    struct problems *);
bool	hostname_valid(const char *name, const char **why_r);

/* NAME_suffix. */
struct transport_suffix {
	const char	*suffix;	/* "destination_concurrency_limit" */
	int		 id;		/* the parameter that is its default */
	bool		 spawned;	/* also for spawn services */
};
extern const struct transport_suffix transport_suffixes[];
extern const size_t transport_suffix_count;
/* The default's id when name is NAME_suffix of a delivery service in master.cf; else -1. */
int	transport_default(const struct config *, const char *name);
bool	transport_command(const char *command, bool *spawn_r);	/* a delivery agent, by its command name */
void	transport_check(struct config *, struct problems *);

#endif
