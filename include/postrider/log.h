/* log.h - one line per event, in the form Postfix's log readers know.
 * A call formats the line, puts it into a bounded ring and returns; the log thread
 * writes it to syslog's socket, to maillog_file or to standard output (DESIGN §7).
 * A full ring drops the line, counts it, and the count is logged when there is room.
 * Before log_start(), and in command-line programs, lines go to standard error as
 * Postfix's commands write them ("postqueue: fatal: ..."). */
#ifndef POSTRIDER_LOG_H
#define POSTRIDER_LOG_H
#include <postrider/base.h>

/* Who speaks. Embedded in sessions, deliveries, services; strings are borrowed. */
struct log_ctx {
	const char	*name;		/* "postfix/smtpd", "postfix/submission/smtpd": syslog_name/tag */
	unsigned	 number;	/* session's or delivery's own number, printed where Postfix has a pid */
};
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_PANIC };

/* Info lines carry no level word; warnings are "warning: ...", errors "error: ...". A
 * NULL ctx is the program itself (log_program). Bytes that are not printable
 * become '?', as Postfix does. */
void	log_debug(const struct log_ctx *, const char *fmt, ...) PRINTF(2, 3);	/* only with log_set_debug(true) */
void	log_info(const struct log_ctx *, const char *fmt, ...) PRINTF(2, 3);
void	log_warn(const struct log_ctx *, const char *fmt, ...) PRINTF(2, 3);
void	log_error(const struct log_ctx *, const char *fmt, ...) PRINTF(2, 3);
void	log_at(enum log_level, const struct log_ctx *, const char *fmt, ...) PRINTF(3, 4);	/* never ends the program */
/* Program start and commands only: writes "fatal: ..." directly, exits with 1 (Postfix
 * commands: after a second's pause never here). */
void	log_fatal(const char *fmt, ...) PRINTF(1, 2) NORETURN;
void	log_fatal_status(int status, const char *fmt, ...) PRINTF(2, 3) NORETURN;	/* sysexits */

void	log_program(const char *name);		/* "postqueue", or "postfix/postrider" for the server */
void	log_set_debug(bool on);
void	log_set_info(bool on);			/* off: a command that runs server code shows warnings only */
unsigned log_number(void);			/* the next session number: 1..99999, wraps */

/* Where lines go. No path: /dev/log (datagram; POSTRIDER_SYSLOG_SOCKET names
 * another one for tests), facility by name; while nobody listens there, lines wait in the ring;
 * a path or "/dev/stdout": appended there with the time stamp Postfix's postlogd writes.
 * json: one object per line with the same facts (time, name, pid, level, message).
 * Starts the thread. Reopens by itself when the socket or file was replaced
 * (rotation). The first call's errors are returned as a reason (malloced), else NULL. */
struct log_target {
	const char	*path;		/* NULL: syslog */
	const char	*facility;	/* "mail", "local0" ... */
	const char	*host;		/* myhostname, for the lines of a file; NULL: the system's name */
	bool		 json;
	bool		 also_stderr;	/* start-fg: echo warnings and worse to a terminal */
	unsigned	 mode;		/* maillog_file_permissions, e.g. 0600 */
};
char	*log_start(const struct log_target *);
char	*log_retarget(const struct log_target *);	/* reload; keeps the old one when it fails */
void	log_stop(void);				/* drains what it can within a second */
uint64_t log_lost(void);			/* lines dropped so far */
/* Lines wait some milliseconds in the ring. A process whose death somebody survives has it in memory that survives, too:
 * log_keep_make() gives a descriptor (-1 with errno), which each successor passes to log_keep() before
 * log_start(); the thread then first writes what the dead one could not. What may be lost: a line being put in at that
 * instant, and what another thread put in behind it. What was being written may be written twice. */
int	log_keep_make(void);
void	log_keep(int fd);			/* takes fd */
#endif
