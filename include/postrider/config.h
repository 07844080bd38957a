/* config.h - main.cf and master.cf: parse, expand, typed parameters.
 * One table, params.def, describes every parameter; everything here derives from it.
 * A `struct config` is one loaded configuration: immutable and reference-counted once
 * loaded; loading blocks (files, host name) and so runs before the loop or in a worker
 * job. A `struct view` is how one service sees it: its master.cf overrides applied,
 * every parameter of the table evaluated to its C type. */
#ifndef POSTRIDER_CONFIG_H
#define POSTRIDER_CONFIG_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/hash.h>
#include <sys/socket.h>

/* PARAM(name, type, default, lo, hi, standing, text). Types: */
enum param_type {
	PT_STR,		/* char *: expanded */
	PT_RAW,		/* char *: kept as written ($ is expanded at use: rbl replies, filters) */
	PT_INT,		/* int */
	PT_LONG,	/* int64_t: byte counts, limits beyond int */
	PT_TIME,	/* int: seconds (suffixes s m h d w) */
	PT_BOOL,	/* bool */
};
enum param_standing { PS_WORKS, PS_NO_EFFECT, PS_UNFINISHED, PS_UNFINISHED_SECURITY /* start refused when set */, PS_REFUSED };

enum param_id {
#define PARAM(name, type, def, lo, hi, standing, text) P_##name,
#include <postrider/params.def>
#undef PARAM
	PARAM_COUNT
};
enum {		/* the row's type as a constant: the accessors below compare against it */
#define PARAM(name, type, def, lo, hi, standing, text) PTYPE_##name = type,
#include <postrider/params.def>
#undef PARAM
};
struct param_row {
	const char	*name;
	enum param_type	 type;
	const char	*def;		/* default, unexpanded, as postconf -d prints it */
	int64_t		 lo, hi;	/* numbers: allowed range; strings: of the length. 0 = no bound */
	enum param_standing standing;
	const char	*text;		/* what it is for; for the other standings the reason */
};
extern const struct param_row param_rows[PARAM_COUNT];
const struct param_row *param_find(const char *name);	/* NULL: not in the table */

union param_value { const char *str; int num; int64_t big; bool flag; };
struct view {			/* immutable; lives as long as its config */
	const struct config	*config;
	const struct master_entry *entry;	/* NULL: the base view, no overrides */
	bool			 stress;
	union param_value	 v[PARAM_COUNT];
};
/* Typed access, checked at compile time: view_int(v, smtpd_recipient_limit). */
#define VIEW_CHECK(name, t)	((void)sizeof(char[(t) ? 1 : -1]))
#define view_str(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_STR || (int)PTYPE_##name == (int)PT_RAW), (vw)->v[P_##name].str)
#define view_int(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_INT), (vw)->v[P_##name].num)
#define view_long(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_LONG), (vw)->v[P_##name].big)
#define view_secs(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_TIME), (vw)->v[P_##name].num)
#define view_ms(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_TIME), (int64_t)(vw)->v[P_##name].num * 1000)
#define view_bool(vw, name)	(VIEW_CHECK(name, (int)PTYPE_##name == (int)PT_BOOL), (vw)->v[P_##name].flag)

/* One line of master.cf. */
enum master_type { MASTER_INET, MASTER_UNIX, MASTER_FIFO, MASTER_PASS, MASTER_UNIX_DGRAM };
struct master_entry {
	const char	*name;		/* "smtp", "127.0.0.1:10025", "submission", "relay" */
	enum master_type type;
	char		 private_, unpriv, chroot_;	/* 'y', 'n' or '-' as written */
	const char	*wakeup, *maxproc;		/* as written */
	int		 maxproc_n;	/* -1: '-' (default_process_limit), 0: no limit */
	const char	*command;	/* "smtpd", "smtp", "pipe" ... */
	struct strs	 args;		/* without the command, braces removed, as the daemon would get them */
	struct strs	 overrides;	/* "name=value", in order, from -o and -o { } */
	const char	*file;
	int		 line;
};

/* What reading found: collected, never printed here. */
enum problem_level { PROBLEM_WARNING, PROBLEM_ERROR /* check complains, start goes on */, PROBLEM_FATAL /* start and reload stop */ };
struct problem {
	enum problem_level level;
	char		*file;		/* NULL: not about a place in a file */
	int		 line;
	char		*text;		/* "bad numerical configuration: smtpd_timeout = abc" */
	char		*about;		/* what stands in a setting's value for it, "nis:hosts"; NULL: the text has it */
	TAILQ_ENTRY(problem) link;
};
TAILQ_HEAD(problems, problem);
void	problem_add(struct problems *, enum problem_level, const char *file, int line, const char *fmt, ...) PRINTF(5, 6);
void	problem_about(struct problems *, const char *about);	/* the one just added; copies */
void	problem_free(struct problems *, struct problem *);	/* takes it out */
enum problem_level problems_worst(const struct problems *, bool *any_r);
void	problems_release(struct problems *);

struct config;				/* opaque */
/* Reads DIR/main.cf and DIR/master.cf (missing master.cf: built-in defaults). Always returns a
 * config; unusable if problems hold a FATAL. Blocking. overrides: "name=value" of the
 * command line, may be NULL. */
struct config *config_load(const char *dir, const struct strs *overrides, struct problems *);
/* Parameters only (commands such as sendmail need no master.cf). */
struct config *config_load_main(const char *dir, struct problems *);
/* The same from texts (master_cf NULL: the built-in default), host names not looked up: tests, fuzzing. */
struct config *config_load_text(const char *main_cf, const char *master_cf, struct problems *);
const char *config_default_dir(void);	/* MAIL_CONFIG, /etc/postrider with a main.cf, /etc/postfix */
struct config *config_ref(const struct config *);
void	config_unref(struct config **);
const char *config_dir(const struct config *);
bool	config_is_set(const struct config *, const char *name);	/* written in main.cf or on the command line */
/* Where a problem with a parameter's base value is: file and line if it is set, else main.cf and 0. */
const char *config_location(const struct config *, const char *name, int *line_r);

const struct view *config_view(const struct config *);		/* the base view */
const struct view *config_view_stress(const struct config *);	/* with stress=yes */
size_t	config_master_count(const struct config *);
const struct master_entry *config_master(const struct config *, size_t i);
const struct view *config_entry_view(const struct config *, size_t i, bool stress);

/* A parameter by name, through the view: table rows, user-defined names, and per-transport
 * names (smtp_destination_concurrency_limit). Expanded text; NULL when nobody defines it.
 * Borrowed, lives as long as the config. */
const char *view_lookup(const struct view *, const char *name);
/* Per-transport parameter NAME_suffix ("destination_concurrency_limit"), falling back to the default's value. */
const char *view_transport_str(const struct view *, const char *transport, const char *suffix);
int	view_transport_int(const struct view *, const char *transport, const char *suffix);
int	view_transport_secs(const struct view *, const char *transport, const char *suffix);

/* The machine's addresses that inet_interfaces selects, with their masks, and those of proxy_interfaces
 * (no mask). Port 0. Borrowed, as old as the config. */
struct config_address { struct sockaddr_storage addr, mask; };
const struct config_address *config_addresses(const struct config *, size_t *n_r);
const struct config_address *config_proxy_addresses(const struct config *, size_t *n_r);

/* For parameters that may name a file instead (myorigin; its view value is resolved already): with an absolute
 * path, the file's first line; else a copy of value. Malloced; NULL: *why_r says why (static). Blocking. */
char	*config_parameter_file(const char *value, const char **why_r);

/* $name, ${name}, ${name?a}, ${name:b}, ${name?{a}:{b}}, ${{x} == {y} ? ...}: Postfix's macro language, with
 * the caller's own names (bounce templates, rbl replies). lookup returns NULL for undefined.
 * Returns NULL or a static phrase about a syntax error. */
const char *macro_expand(struct buf *out, const char *text, const char *(*lookup)(void *arg, const char *name), void *arg);

/* known_tcp_ports, "smtps=submissions=465, ...": fn for each name. */
void	config_known_ports(const char *list, void (*fn)(void *arg, const char *name, int port), void *arg);

/* Text of a boolean/number/time; false leaves *r alone. */
bool	config_parse_bool(const char *s, bool *r);
bool	config_parse_time(const char *s, char default_unit, int *secs_r);

/* Problems that other modules found say no place: the setting whose name they mention, or whose value has the path or
 * the word they mention, is where they are. One that is about a word is at each setting that has it, and names it. */
void	config_place(const struct config *, struct problems *);
/* The whole report for `postrider check`: unknown names, standings, values, files. */
void	config_check(const struct config *, struct problems *);

/* For postconf: sources, walks and edits are in configedit.h of the same room's door. */
#endif
