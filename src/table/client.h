/* client.h - what the files about tables that ask a server (tableclient.h) share. */
#ifndef TABLE_CLIENT_H
#define TABLE_CLIENT_H
#include <pthread.h>
#include <stdatomic.h>
#include <postrider/arena.h>
#include <postrider/loop.h>
#include <postrider/tableclient.h>

#include "room.h"

enum {	/* what a table's templates need; of the key for both kinds, of a value for the result's */
	NEED_KEY_DOMAIN = 1, NEED_KEY_USER = 2, NEED_VALUE_DOMAIN = 4, NEED_VALUE_USER = 8,
};
struct needs {
	unsigned	 flags;
	int		 labels;	/* highest %1 ... %9 */
};
/* False: bad template. Sets *depends_r if it has any part of the key or value. */
bool	template_parse(struct needs *, const char *text, bool result, bool *depends_r);
/* key NULL: value is the key, for a query; else the template is the result's. False, and nothing added: something
 * that the templates need is missing. After a value there is a comma before the next. */
bool	template_expand(const struct needs *, const char *text, const char *value, const char *key,
	    void (*quote)(void *, const char *, struct buf *), void *arg, struct buf *out);
bool	template_wants(const struct needs *, const char *key);	/* has the key what they need? */

struct host {
	struct client_host at;
	int64_t		 down_until_us;	/* 0: not known to be down */
};
struct pooled {			/* an idle connection */
	void		*connection;
	struct host	*host;
	int64_t		 since_us;
	TAILQ_ENTRY(pooled) link;
};
/* One source: contents of all tables of one set that are the same but for their flags. */
struct backend {
	const struct table_client *client;
	void		*table;		/* the client's */
	struct arena	 strings;
	char		*name, *label;	/* "/etc/postfix/x.cf", "mysql:/etc/postfix/x.cf" */
	char		*digest;	/* all parameters, to compare */
	struct needs	 needs;
	const char	*result_format;
	int		 expansion_limit;
	struct match_list *domain;	/* the set's; NULL: every key */
	int		*fd;		/* copies of files */
	size_t		 n_fd;
	struct host	*host;		/* at least one */
	size_t		 n_hosts;
	int64_t		 retry_us, idle_us;
	int		 limit_ms;
	unsigned	 threads;

	pthread_mutex_t	 lock;		/* of the hosts' state and of the pool; taken by workers only */
	TAILQ_HEAD(, pooled) idle;	/* last used first */
	atomic_uint	 users;		/* tables */
	atomic_uint	 refs;		/* users and jobs */

	struct worker_class *class;	/* the loop's only, from here on; made with the first lookup */
	unsigned	 stuck;		/* jobs past their limit that have not returned */
	struct hash	 questions;	/* key -> struct question: those under way, and answers that are still good */
	TAILQ_HEAD(, question) answers;	/* the oldest first */
	size_t		 n_answers, answer_bytes;
	struct task	 task;		/* closes idle connections */
	struct timer	 timer;
	struct job_op	 sweep;
	bool		 sweeping;
	struct loop_msg	 retired;
};
void	backend_used(struct backend *);		/* on the loop: idle connections will be looked for */
void	backend_unref(struct backend *);	/* the last one closes connections: it may wait, and does so elsewhere */

struct client_setup {
	struct table_env *env;
	const struct table_client *client;
	struct backend *backend;
	struct hash	 file;		/* of a file: name -> value */
	bool		 from_file;
	char		*why;		/* the first thing that is wrong */
	struct buf	 digest;
	const char	*result_format;	/* set by the client, or result_format is asked for */
};
/* For a type that has its own connections (memcache:): between them client_str() and the like may be asked; what they
 * return lives in b->strings. end: NULL or a malloced reason; b->name, digest and strings are the caller's in any case. */
void	setup_begin(struct client_setup *, struct backend *b, struct table_env *, const char *name);
char	*setup_end(struct client_setup *);
/* Fills it; NULL or a malloced reason. */
char	*backend_setup(struct backend *, struct table_env *, const char *name);

struct client_ask {
	struct backend *backend;
	char		*key;
	struct buf	 result, notes;
	int		 values, err;
	int64_t		 end_us;
	enum table_result answer;
	_Atomic int64_t	 asked_us;	/* when it was put to the server; 0: not yet */
	bool		 stuck;		/* the loop's: counted in the source */
};
struct client_ask *ask_new(struct backend *, const char *key);
void	ask_free(void *);
/* On a worker: asks one host after the other. */
void	pool_ask(struct client_ask *);
bool	pool_sweep(struct backend *);		/* closes what is idle for long; says whether any is left */
void	pool_close(struct backend *);

/* On the loop: one lookup's part in a question, which others may have asked already. */
struct question_op {		/* embedded; zeroed = idle */
	struct question	*question;
	struct task	*task;
	bool		 waits;		/* among those of the question */
	TAILQ_ENTRY(question_op) link;
};
void	question_start(struct question_op *, struct task *, struct backend *, const char *key);
enum table_result question_poll(struct question_op *, struct table_op *);	/* fills what is the answer's */
void	question_end(struct question_op *);
void	questions_forget(struct backend *);	/* answers that are too old */
void	questions_drop(struct backend *);	/* all; nobody waits */

/* The table class of a type that asks a server; open tells which. */
#define CLIENT_CLASS(name)	{ .abi = TABLE_ABI, .type = (name), .open = client_open, .close = client_close, \
				  .lookup = client_lookup, .poll = client_poll, .end = client_end }
void	*client_open(struct table_env *, const char *name, char **why_r);
void	 client_close(void *);
enum table_result client_lookup(void *, struct table_op *, const char *key);
enum table_result client_poll(void *, struct table_op *);
void	 client_end(void *, struct table_op *);

/* A type whose code is in a plug-in. NULL with *why_r (malloced, may be NULL): not here. */
const struct table_client *client_find(const char *type, char **why_r);
const struct table_class *plugin_class(const char *type);	/* NULL: no such plug-in is known */
void	plugin_types(struct strs *);				/* those that can be loaded */
extern const struct table_client client_sqlite;
#endif
