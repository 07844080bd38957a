/* deliver.h - delivery agents that end the mail's journey here: virtual (Maildir under our own
 * uid), error, retry, discard. local and pipe need the parent's privileged half and come with it; until
 * then their transports defer ("mail transport unavailable"). */
#ifndef POSTRIDER_DELIVER_H
#define POSTRIDER_DELIVER_H
#include <stdbool.h>
void	deliver_init(void);
/* Was this process started with privileges, so that mailboxes of other uids are meant literally? Then they are
 * deferred, as long as the parent cannot write them. Without (the default is with), everything is delivered under our
 * own uid. */
void	deliver_set_privileged(bool privileged);
#endif
