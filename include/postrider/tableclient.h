/* tableclient.h - what a table type that asks a data base or directory provides.
 * Its client library is used in its blocking form, on the threads of a worker class that belongs to the one table
 * source (DESIGN §1); connections are pooled. sqlite: is built in; mysql:, pgsql:, ldap: and redis: are plug-ins
 * table_NAME.so, each with one `const struct table_client table_client` and looked for when a table of the type is
 * first opened. Parameters, templates with %s and the like, pooling, fail-over, time limits and the sharing of answers
 * are the same for all and are here. Everything runs on a worker or while a configuration loads, nothing on the loop.
 * Not here: keys, folding, lists of tables (table.h). */
#ifndef POSTRIDER_TABLECLIENT_H
#define POSTRIDER_TABLECLIENT_H
#include <postrider/base.h>
#include <postrider/buf.h>

#define TABLE_CLIENT_ABI	2u
#define TABLE_CLIENT_SYMBOL	"table_client"

struct client_setup;		/* opaque: the parameters of one table while it is being opened */
struct client_ask;		/* opaque: one lookup */

/* ---- parameters: from the table's own file, or NAME_parameter from main.cf ------------------------------------ */
/* The first thing that is wrong makes the table unusable, with that reason; what these return then is good enough to
 * go on with. Strings live as long as what open() returns. */
const char *client_str(struct client_setup *, const char *name, const char *def, bool required);
int	client_int(struct client_setup *, const char *name, int def, int min, int max);	/* min, max 0: no bound */
bool	client_bool(struct client_setup *, const char *name, bool def);
/* query, or what the old form (table, select_field, where_field, additional_conditions) means. */
const char *client_sql(struct client_setup *);
/* Checks a template of the query (or of the result) and notes what it needs of a key. Says whether it depends on it. */
bool	client_template(struct client_setup *, const char *text, bool result);
const char *client_name(const struct client_setup *);	/* "/etc/postfix/x.cf", "name" */
/* A text of the caller's, kept as long. */
const char *client_text(struct client_setup *, const char *fmt, ...) PRINTF(2, 3);
void	client_fail(struct client_setup *, const char *fmt, ...) PRINTF(2, 3);
void	client_warn(struct client_setup *, const char *fmt, ...) PRINTF(2, 3);
/* A path under which this process can read the file: itself, or a copy in memory of one that only the parent can
 * open. "" for "". */
const char *client_file(struct client_setup *, const char *path);
/* How long one lookup may take, in all. */
int	client_limit_ms(const struct client_setup *);

struct client_host {		/* one of `hosts` */
	const char	*text;	/* as written, for messages */
	const char	*name;	/* address or path; NULL: the library's own idea */
	const char	*port;	/* as written, NULL: none */
	bool		 local;	/* a socket of this machine: preferred */
};
/* Gives each entry of the parameter to parse, which fills name, port and local. def: for none. Tables without hosts do
 * not call it and see one that is empty. A host that cannot be connected to is left alone for retry_ms. */
void	client_hosts(struct client_setup *, const char *name, const char *def,
	    void (*parse)(struct client_setup *, struct client_host *, char *text), int retry_ms);

/* ---- one lookup ------------------------------------------------------------------------------------------------ */
const char *ask_key(const struct client_ask *);
const char *ask_type(const struct client_ask *);	/* "mysql" */
const char *ask_name(const struct client_ask *);	/* client_name() */
/* A line for the log, a warning ("error: ...", "fatal: ...": such a one); control characters become '?'. */
void	ask_note(struct client_ask *, const char *fmt, ...) PRINTF(2, 3);
void	ask_debug(struct client_ask *, const char *fmt, ...) PRINTF(2, 3);	/* only if the program is told to say more */
int	ask_left_ms(const struct client_ask *);		/* until the time limit; at least 1 */
/* Replaces %s and the like by parts of the key, each through quote (NULL: as they are). False: the key has not what
 * the template needs, so it is in no such table. */
bool	ask_expand(struct client_ask *, const char *text, void (*quote)(void *arg, const char *part, struct buf *),
	    void *arg, struct buf *out);
/* One value of the answer goes through result_format; NULL counts for nothing. False: expansion_limit is exceeded,
 * which is an error of this lookup that the caller words. */
bool	ask_value(struct client_ask *, const char *value) MUST_USE;

enum client_result {
	CLIENT_DONE = 0,	/* answered, with the values that were given */
	CLIENT_FAILED,		/* no answer, and another host would not know better */
	CLIENT_REFUSED,		/* no answer from this one: the connection is good, others are asked */
	CLIENT_LOST,		/* the connection is of no more use */
};
struct table_client {
	unsigned	 abi;		/* TABLE_CLIENT_ABI */
	const char	*type;
	bool		 utf8_only;	/* keys that are not UTF-8 are never found */
	bool		 says_domain;	/* a line of its own says that the list `domain` could not tell, as Postfix has it */
	bool		 no_server;	/* asking is so cheap that every lookup asks for itself */
	bool		 (*init)(void);	/* once per process, before everything else; may be NULL */
	/* Reads the parameters. What it returns is its own; a failure is told by client_fail(). */
	void		*(*open)(struct client_setup *);
	void		 (*close)(void *table);
	/* NULL: could not, and has said why by ask_note(). */
	void		*(*connect)(void *table, const struct client_host *, struct client_ask *);
	void		 (*disconnect)(void *connection);
	enum client_result (*lookup)(void *table, void *connection, const struct client_host *, struct client_ask *);
};
#endif
