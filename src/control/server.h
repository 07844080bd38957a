/* server.h - private to src/control: connections and verbs.
 *
 * A connection reads its verb, learns who the caller is and whether he may, then gives frames to the verb and lets it work
 * until it is done. A verb that takes many attributes or data looks at every frame itself; for the
 * others the core gathers a bounded list. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H
#include "frame.h"
#include <postrider/buf.h>
#include <postrider/config.h>
#include <postrider/loop.h>
#include <postrider/stream.h>
#include <postrider/table.h>
#include <sys/types.h>

struct conn; struct message;
enum step {
	STEP_WAIT,	/* something is under way: step() is called again when the task is woken */
	STEP_INPUT,	/* the next frame, please */
	STEP_DONE,	/* answered: the connection ends */
};
enum right { RIGHT_MAILQ, RIGHT_FLUSH, RIGHT_SUBMIT, RIGHTS, RIGHT_OWNER = RIGHTS /* root and mail_owner */ };
struct verb {
	const char	*name;
	enum right	 right;
	/* NULL: attributes are gathered in conn->attrs until R, then step() is called. */
	enum step	(*input)(struct conn *, char type, const char *p, size_t n);
	enum step	(*step)(struct conn *);
	void		(*poll)(struct conn *);	/* looks at operations while input is waited for; may be NULL */
	void		(*end)(struct conn *);	/* releases conn->verb_state; may be NULL */
};
enum conn_state { CONN_VERB, CONN_WHO, CONN_ALLOWED, CONN_INPUT, CONN_WORK, CONN_END };
struct conn {
	LIST_ENTRY(conn) link;
	struct task	 task;
	struct stream	*stream;	/* NULL after the session verb took its socket */
	enum conn_state	 state;
	uid_t		 uid;
	const struct verb *verb;
	struct strs	 attrs;
	size_t		 attr_bytes;
	struct job_op	 who;		/* uid to name */
	char		*user;
	struct match_op	 match;
	void		*verb_state;
	struct buf	 out;		/* scratch for a frame */
};

/* Answers */
void	answer(struct conn *, char type, const void *p, size_t n);
void	answer_attr(struct conn *, const char *fmt, ...) PRINTF(2, 3);
enum step answer_ok(struct conn *);				/* STEP_DONE */
enum step answer_error(struct conn *, const char *fmt, ...) PRINTF(2, 3);	/* STEP_DONE */
/* An attribute of the request: NULL if it was not given. */
const char *conn_attr(const struct conn *, const char *name);
bool	conn_is_owner(const struct conn *);

extern const struct verb verb_list, verb_show, verb_change, verb_submit, verb_flush, verb_status, verb_reload, verb_stop, verb_session;

/* A connection over a socket pair whose other end is the command's own process: no rights are asked for. */
void	conn_serve(int fd, void (*gone)(void));
/* Who may: compiled with every generation (rights.c). */
void	rights_init(void);
void	rights_open(void);
void	rights_close(void);
struct match_list *rights_list(enum right);
const char *rights_refusal(enum right);	/* "view the mail queue" */
void	rights_who_start(struct job_op *, struct task *, uid_t);
char	*rights_who_name(struct job_op *);	/* after JOB_DONE: malloced, "unknown" if nobody has it */

/* list.c: "active", "deferred" ... */
const char *queue_name(const struct message *);
/* pickup.c */
void	pickup_start(const char *queue_directory);
void	pickup_stop(void);
#endif
