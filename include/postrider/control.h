/* control.h - the local socket public/postrider: sendmail's submissions, queue listing and changes,
 * flush, status, reload, stop. Requests are a verb and attributes (the table is in server.c), answers are length-framed
 * records (frame.h); each is allowed by the caller's uid (DESIGN §8). Also picks up what sendmail left in maildrop.
 * The client half, used by the commands, is here too: blocking, for programs without a loop. */
#ifndef POSTRIDER_CONTROL_H
#define POSTRIDER_CONTROL_H
#include <postrider/base.h>
#include <postrider/buf.h>

struct config; struct task; struct strs; struct store_config;
/* Server half */
void	control_init(void);				/* before the first generation is loaded */
char	*control_open(const char *socket_path);		/* "$queue_directory/public/postrider"; NULL or the reason (malloced) */
void	control_close(void);
/* What reload and stop mean is main's business: it registers them. reload fills why on failure, by operation. */
struct control_hooks {
	void	(*stop)(void);
	void	(*reload)(struct task *, void **handle);
	int	(*reload_poll)(void *handle, const char **why);	/* 0 wait, 1 done, -1 refused */
	void	(*reload_end)(void **handle);
};
void	control_set_hooks(const struct control_hooks *);

/* Client half (commands). All blocking with a time limit. One request for each connection. */
struct control_conn;
struct control_conn *control_connect(const char *queue_directory, int *err_r);	/* NULL: ENOENT/ECONNREFUSED server is down */
/* No server runs: a child of this process serves the verbs list, show and change from the queue itself. Never NULL; that the
 * queue cannot be opened is the answer ('E'). No threads may run yet. */
struct control_conn *control_offline(const struct store_config *, bool changes);
/* Sends one request: verb and "name=value" attributes; -1 on a broken connection. */
int	control_send(struct control_conn *, const char *verb, const struct strs *attrs);
int	control_send_data(struct control_conn *, const void *p, size_t n);	/* a data frame; n 0 ends the data */
/* Next frame of the answer: 'D' data, 'E' error (text), 'O' ok (end), 'A' attribute "name=value"; -1 broken. Contents in out. */
int	control_recv(struct control_conn *, struct buf *out);
/* Verb "session": waits for the answer; from then on the connection is plain SMTP. -1: refused, control_why() or gone (NULL). */
int	control_fd(struct control_conn *);
const char *control_why(const struct control_conn *);
void	control_disconnect(struct control_conn **);
#endif
