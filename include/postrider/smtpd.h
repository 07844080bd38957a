/* smtpd.h - the inbound SMTP server: the service class "smtpd". */
#ifndef POSTRIDER_SMTPD_H
#define POSTRIDER_SMTPD_H
#include <stdint.h>
#include <stdbool.h>
struct task; struct service; struct access_lists;
void	smtpd_init(void);
/* A session on a socket that did not come from a listener: sendmail -bs through the control socket. Takes fd. */
void	smtpd_stdio_session(struct service *, int fd, unsigned uid);
/* What a session of this service asks of module access and tells cleanup. */
struct smtpd_plan {
	const struct access_lists *access;
	unsigned	 cleanup_flags;	/* CLEANUP_* of receive_override_options */
	bool		 allow_unlisted;	/* no_unknown_recipient_checks */
};
void	smtpd_plan(const struct service *, struct smtpd_plan *);
void	smtpd_drain(void);	/* sessions get 421 at their next command, idle ones at once */
unsigned smtpd_sessions(void);
struct smtpd_stats { uint64_t connections, messages, rejects; };
void	smtpd_stats(struct smtpd_stats *);
#endif
