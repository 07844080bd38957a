/* smtpd.h - the inbound SMTP server: the service class "smtpd". */
#ifndef POSTRIDER_SMTPD_H
#define POSTRIDER_SMTPD_H
#include <stdint.h>
#include <stdbool.h>
struct task; struct service;
void	smtpd_init(void);
/* A session on a socket that did not come from a listener: sendmail -bs through the control socket. Takes fd. */
void	smtpd_stdio_session(struct service *, int fd, unsigned uid);
void	smtpd_drain(void);	/* sessions get 421 at their next command, idle ones at once */
unsigned smtpd_sessions(void);
struct smtpd_stats { uint64_t connections, messages, rejects; };
void	smtpd_stats(struct smtpd_stats *);
#endif
