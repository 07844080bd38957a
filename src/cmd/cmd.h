/* cmd.h - what the command-line programs share. */
#ifndef CMD_H
#define CMD_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/config.h>

const char *cmd_name(const char *argv0);		/* last part of a path */
/* -C of sendmail takes a directory or the main.cf in it: the directory. May be argument itself, or malloced. */
const char *cmd_config_dir(const char *arg);
/* Path of another program of ours: beside this one. Malloced. */
char	*cmd_sibling(const char *name);
/* Parameters of main.cf; a configuration that cannot be used ends the program with its reason and cmd_fatal_status. */
struct view;
struct config *cmd_load(const char *config_dir);
/* A program that root runs keeps only those environment variables that import_environment names, or gives. */
void	cmd_clean_environment(const struct view *);
extern int cmd_fatal_status;				/* 1 unless the program sets it */

/* ---- the queue ---------------------------------------------------------------------------------------- */
struct control_conn;
enum cmd_queue { CMD_QUEUE_UP /* the server answers */, CMD_QUEUE_DIRECT /* no server: from the disk */,
    CMD_QUEUE_NONE /* no server and no queue yet */, CMD_QUEUE_DENIED /* no server, and not ours to read */ };
/* *err_r: why the server cannot be reached (errno). *conn_r is NULL for NONE and DENIED. */
enum cmd_queue cmd_queue_open(const struct view *, bool changes, struct control_conn **conn_r, int *err_r);
/* Is name in this list of patterns (main.cf text of that parameter)? For when there is no server to ask. */
bool	cmd_matches(const struct view *, const char *parameter, bool domains, const char *name);
/* "User alice(1001) is not allowed to ...", exit cmd_fatal_status, unless he is listed. */
void	cmd_require_user(const struct view *, const char *parameter, const char *to_do);
bool	cmd_queue_id_ok(const char *);		/* may it be one? */
bool	cmd_is_queue_owner(const struct view *);	/* root, or who owns the queue */

/* Messages that sendmail left in maildrop while no server ran. */
struct maildrop_file {
	const char	*name;		/* also its queue id */
	struct strs	 attrs;		/* "name=value" */
	long long	 size, arrival;
	struct buf	 content;	/* only with cmd_maildrop_read() */
};
void	cmd_maildrop_each(const struct view *, void (*fn)(void *arg, const struct maildrop_file *), void *arg);
bool	cmd_maildrop_read(const struct view *, const char *id, struct maildrop_file *r);	/* whole; false with errno */
void	cmd_maildrop_release(struct maildrop_file *);
bool	cmd_maildrop_remove(const struct view *, const char *id);	/* false with errno */
const char *cmd_maildrop_attr(const struct maildrop_file *, const char *name);	/* NULL: not given */
#endif
