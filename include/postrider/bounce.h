/* bounce.h - delivery status notifications: RFC 3464 multipart/report as Postfix makes them.
 * A notice is built from the recipient rows that the store keeps (states FAILED and REPORT), goes
 * through cleanup like any message and commits together with the change that makes it due, so that it is
 * neither lost nor sent twice. */
#ifndef POSTRIDER_BOUNCE_H
#define POSTRIDER_BOUNCE_H
#include <postrider/base.h>
#include <postrider/store.h>

struct task; struct generation;

enum bounce_kind { BOUNCE_FAILURE, BOUNCE_DELAY, BOUNCE_SUCCESS, BOUNCE_VERIFY /* sendmail -bv/-v report */ };
enum bounce_result { BOUNCE_WAIT = 0, BOUNCE_DONE, BOUNCE_RETRY /* could not be queued: try again later, nothing changed */ };
struct bounce_op { enum bounce_result result; struct task *task; void *priv; bool active; };
/* Builds and queues the notice about msg for the recipients in the given state (loaded from the store in slices when
 * the message has many); also decides that none is wanted (NOTIFY, null sender, double bounce: then 2bounce_notice_recipient).
 * joined commits with the notice, or alone when there is none. Consumed. */
void	bounce_start(struct bounce_op *, struct task *, const struct generation *, struct message *msg, enum bounce_kind, struct store_txn **joined);
enum bounce_result bounce_poll(struct bounce_op *);
void	bounce_end(struct bounce_op *);
void	bounce_init(void);		/* generation hook: templates */
#endif
