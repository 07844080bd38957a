/* log_sink.h - private to base: where lines go, used by the log thread. */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H
#include <sys/stat.h>

#include <postrider/buf.h>

#include "log_ring.h"

struct log_sink {
	char		*path;		/* owned; NULL: syslog */
	bool		 json, also_stderr;
	bool		 is_stdout;	/* a copy of descriptor 1; never reopened */
	bool		 is_pipe;	/* written in pieces that fit when it polls writable */
	bool		 is_socket;
	char		 host[256];	/* in the lines of a file: up to the first dot, as Postfix writes it */
	int		 facility;
	unsigned	 mode;
	int		 fd;		/* -1: syslog socket not there at the moment */
	struct stat	 st;		/* of fd, to see that the path names another file */
	int64_t		 checked_us;	/* when the path was last compared */
	int64_t		 retry_us, retry_wait_us;	/* syslog: no connect before */
	struct buf	 out;		/* lines not yet written, out_done bytes of them are */
	size_t		 out_done;
	struct buf	 part[64];	/* syslog: datagrams not yet sent */
	unsigned	 n_part, part_done;
	int64_t		 stamp_s;	/* second of the cached stamp */
	char		 stamp[40];
};

/* A reason (malloced) or NULL; *s_r on success. */
char	*log_sink_open(const struct log_target *, struct log_sink **s_r);
void	log_sink_free(struct log_sink **);
/* True: it takes more. False: not all is out yet; call log_sink_push() later. */
bool	log_sink_add(struct log_sink *, const struct log_rec *);
/* Writes what it can without waiting; true when nothing is left. */
bool	log_sink_push(struct log_sink *);
/* Descriptor to poll for writing, or -1: try again after a while. */
int	log_sink_poll_fd(const struct log_sink *);
/* One line at once, from any thread, by what was current last. */
void	log_sink_direct(enum log_level, const char *name, unsigned number, const char *text);
#endif
