/* parent.h - the supervisor: holds sockets and the queue lock, starts the relay again when it
 * dies, and answers the four privileged requests (DESIGN §1). Includes only base; under 500 lines. The relay's
 * half of the socketpair is here too. */
#ifndef POSTRIDER_PARENT_H
#define POSTRIDER_PARENT_H
#include <postrider/base.h>
#include <sys/types.h>

struct parent_plan {			/* computed by a freshly started configuration reader */
	struct strs	 listen;	/* "192.0.2.1:25" addresses the configuration names */
	struct strs	 readable;	/* files to open for the relay */
	char		*queue_directory, *mail_owner, *pid_file;
	uid_t		 uid;		/* of mail_owner, and where to drop to */
	gid_t		 gid;
};
/* Runs until told to stop; argv of the reader (prints the plan) and of the relay. Returns an exit status. */
int	parent_run(const char *self_exe, char *const reader_argv[], char *const relay_argv[]);
/* Relay's half, over the inherited descriptor (environment POSTRIDER_PARENT_FD). */
bool	parent_present(void);
int	parent_bind(const char *addr, int *err_r);	/* passed fd or -1; a short local round trip */
int	parent_open(const char *path, int *err_r);	/* read-only fd of a file that the configuration names */
int	parent_ready(void);				/* listening: the parent reports success to who started it */
/* Lock: one owner per queue directory. Returns fd or -1; *owner_r: pid of the owner if known, else 0. */
int	queue_lock(const char *queue_directory, pid_t *owner_r, int *err_r);
#endif
