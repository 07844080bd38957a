/* deliver.h - delivery agents that end the mail's journey here: virtual (Maildir under our own
 * uid), error, retry, discard. local and pipe need the parent's privileged half and come with it; until
 * then their transports defer ("mail transport unavailable"). */
#ifndef POSTRIDER_DELIVER_H
#define POSTRIDER_DELIVER_H
void	deliver_init(void);
#endif
