/* control.h - the local socket public/postrider: sendmail's submissions, queue listing and changes,
 * flush, status, reload, stop. Requests are lines of JSON-free text: a verb and attributes
 * (documented in control.c), answers are length-framed records; each is allowed by the caller's uid (DESIGN §8).
 * The client half, used by the commands, is here too: blocking, for programs without a loop. */
#ifndef POSTRIDER_CONTROL_H
#define POSTRIDER_CONTROL_H
#include <postrider/base.h>
#include <postrider/buf.h>

struct config; struct task; struct strs;
/* Server half */
char	*control_open(const char *socket_path);		/* NULL or the reason (malloced) */
void	control_close(void);
/* What reload and stop mean is main's business: it registers them. reload fills why on failure, by operation. */
struct control_hooks {
	void	(*stop)(void);
	void	(*reload)(struct task *, void **handle);
	int	(*reload_poll)(void *handle, const char **why);	/* 0 wait, 1 done, -1 refused */
	void	(*reload_end)(void **handle);
};
void	control_set_hooks(const struct control_hooks *);

/* Client half (commands). All blocking with a time limit. */
struct control_conn;
struct control_conn *control_connect(const char *queue_directory, int *err_r);	/* NULL: ENOENT/ECONNREFUSED server is down */
/* Sends one request: verb and "name=value" attributes; -1 on a broken connection. */
int	control_send(struct control_conn *, const char *verb, const struct strs *attrs);
int	control_send_data(struct control_conn *, const void *p, size_t n);	/* a data frame; n 0 ends the data */
/* Next frame of the answer: 'D' data, 'E' error (text), 'O' ok (end), 'A' attribute "name=value"; -1 broken. Contents in out. */
int	control_recv(struct control_conn *, struct buf *out);
int	control_fd(const struct control_conn *);	/* verb "session": from then on the connection is plain SMTP */
void	control_disconnect(struct control_conn **);
#endif
