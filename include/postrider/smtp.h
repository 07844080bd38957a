/* smtp.h - outbound SMTP and LMTP: the agent classes "smtp" and "lmtp" for qmgr, with their
 * connection cache. Nobody calls into it but the program's start. */
#ifndef POSTRIDER_SMTP_H
#define POSTRIDER_SMTP_H
#include <stdbool.h>
#include <stdint.h>
struct view; struct service; struct generic;
void	smtp_init(void);	/* registers the agents and service classes "smtp" and "lmtp" */
/* The smtp_generic_maps or lmtp_generic_maps of a service of class smtp or lmtp. */
const struct generic *smtp_generic(const struct service *);
void	smtp_release(void);	/* closes cached connections */
/* Why mail cannot go to this next hop, or list of them (relayhost, what follows "smtp:"); malloced. NULL: it is well formed. */
char	*smtp_nexthop_unfit(const struct view *, const char *nexthop, bool lmtp);
struct smtp_stats { uint64_t connections, reused, cached; };
void	smtp_stats(struct smtp_stats *);
#endif
