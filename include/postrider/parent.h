/* parent.h - the supervisor, and the relay's end of the line to it.
 * The parent exists only where root is needed: it holds listening sockets and the queue lock,
 * execs the relay as mail_owner, starts it again when it dies, and answers its few privileged requests
 * (DESIGN §1). It includes only base, parses no mail, and stays under 500 lines. What it may
 * grant, the plan, comes from a freshly started configuration reader, never from the relay. */
#ifndef POSTRIDER_PARENT_H
#define POSTRIDER_PARENT_H
#include <postrider/base.h>
#include <sys/types.h>

/* What the reader prints on its standard output, one "key value" line each:
 *   listen ADDRESS      may be bound: "192.0.2.1:25", "[::1]:587"
 *   read PATH           may be opened for reading
 *   append PATH         log file: may be made and opened for appending
 *   log PATH, facility NAME, name SYSLOG_NAME     where its own few lines go
 *   queue DIR, data DIR, owner NAME, uid N, gid N, group GID (repeated), limit SECONDS (to stop) */
struct parent_plan {
	struct strs	 listen, readable, appendable;
	char		*queue_directory, *data_directory, *owner;
	char		*log_path, *facility, *syslog_name, *host;	/* log_path NULL: syslog */
	uid_t		 uid;
	gid_t		 gid;
	gid_t		 groups[32];
	int		 ngroups;
	uint32_t	 stop_limit_s;
};

/* Supervises until the relay has ended for good. self_fd: this program, opened before anything changed (it
 * is executed through the descriptor, so the relay needs no access to its directory). Both argument
 * vectors are for that program. ready_fd: "ok" or the reason is written there once, -1 if nobody waits.
 * Returns the exit status. */
int	parent_run(int self_fd, char *const reader_argv[], char *const relay_argv[], int ready_fd);

/* Lock: one owner per queue directory, decided by a lock on pid/master.pid, which a running Postfix
 * master holds, too. Makes the directories that are missing. Returns a descriptor to keep, or -1: *owner_r is
 * the holder's pid when it is locked (0 unknown), else *err_r is set. Blocking. */
int	queue_lock(const char *queue_directory, pid_t *owner_r, int *err_r);
char	*queue_lock_reason(const char *queue_directory, pid_t owner, int err);	/* malloced text for people */
/* queue_directory's parts and data_directory, with owners and modes (DESIGN §8); chown only as root. Blocking. */
int	make_queue_directories(const struct parent_plan *, int *err_r);
/* Who holds it now: the pid (or 1 if unknown), 0 nobody, -1 with errno. */
pid_t	queue_lock_holder(const char *queue_directory);

/* ---- the relay's half, over the inherited descriptor ------------------------------------------------- */
void	parent_attach(void);		/* once at start: looks for the descriptor in the environment */
bool	parent_present(void);
/* Blocking round trips: only at start and in load jobs. A descriptor, or -1 with *err_r. */
int	parent_bind(const char *addr, int *err_r);
void	parent_unbind(const char *addr);	/* no longer wanted; does not wait */
int	parent_open(const char *path, bool append, int *err_r);
/* Why start failed: for whoever waits in `postrider start`. Nothing without a parent. */
void	parent_refuse(const char *why);
/* Started by `postrider start` and listening now: standard error is of no more use, and whoever waits for its end may go on. */
void	parent_detach(void);
/* To the service manager (sd_notify(3)), through the parent if there is one: 'R' serving (the parent also
 * tells `postrider start`), 'L' reloading ('R' follows), 'S' stopping. */
void	notify_manager(char letter);

enum { PARENT_EXIT_STOPPED = 0, PARENT_EXIT_FATAL = 78 };	/* relay's exit statuses that end the parent too */
#endif
