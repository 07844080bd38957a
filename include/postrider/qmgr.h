/* qmgr.h - the scheduler: what is delivered when, where, how many at once. Holds the bounded
 * active set, asks rewrite for routes, groups recipients into deliveries, runs delivery agents, applies their
 * results (settle, defer, bounce) and keeps destination windows. Delivery agents register a class here. */
#ifndef POSTRIDER_QMGR_H
#define POSTRIDER_QMGR_H
#include <postrider/base.h>
#include <postrider/log.h>
#include <postrider/store.h>

struct task; struct service; struct delivery; struct match_list;

/* One recipient of a delivery and what became of it. */
enum outcome { OUT_NONE, OUT_SENT, OUT_DEFERRED, OUT_BOUNCED };
struct delivery_rcpt {
	const struct rcpt *rcpt;	/* in delivery->msg->rcpt[] */
	const char	*addr;		/* = rcpt->addr as resolved */
	enum outcome	 out;
};
/* One request to an agent: some recipients of one message to one next hop. Owned by qmgr. */
struct delivery {
	struct message	*msg;		/* a reference */
	struct service	*service;	/* the transport's master.cf line */
	const char	*transport;	/* its name: "smtp" */
	const char	*nexthop;	/* "example.com", "[10.0.0.1]:26" */
	const char	*sender;	/* of this delivery: msg->sender, or with VERP one that tells the recipient */
	struct delivery_rcpt *rcpt;
	unsigned	 nrcpt;
	struct task	*task;		/* the delivery's task: pass it to every operation */
	struct log_ctx	 log;		/* "postfix/smtp" and the delivery's number */
	int64_t		 started_us;	/* monotonic (now_ms scale*1000): agent began: end of queue wait */
	int64_t		 conn_done_us;	/* set by the agent: connection set up (delays=c); 0: no connection */
	int64_t		 queued_us;	/* when it became active (delays=b) */
	unsigned	 conn_reuse;	/* agent: how many deliveries this connection has had: "conn_use=" from 2 on */
	bool		 prefer_reuse;	/* more is waiting for this destination: keep the connection */
	bool		 site_failed;	/* agent: the destination itself failed (counts for the dead-site window) */
	char		 site_dsn[8];	/* with site_failed */
	char		*site_reason;	/* owned by the delivery, xfree'd */
	void		*agent;		/* agent's private state */
};
enum agent_result { AGENT_WAIT = 0, AGENT_DONE };
struct agent_class {
	const char	*command;	/* master.cf command: "smtp", "lmtp", "virtual", "error", "discard" ... */
	/* An operation per delivery: start, poll until DONE with every recipient's outcome given, end. */
	void		(*start)(struct delivery *);
	enum agent_result (*poll)(struct delivery *);
	void		(*end)(struct delivery *);
};
void	qmgr_agent_register(const struct agent_class *);

/* Agents report each recipient once, as soon as it is known; logs "to=<>, relay=, delay=, dsn=, status=" and settles.
 * relay: "host[addr]:port", "none", "virtual", "local". dsn: "2.0.0". text: reason as logged in parentheses. */
struct status {
	const char	*dsn, *relay, *text;
	const char	*remote_mta;	/* "dns; host" part: host; NULL */
	const char	*diagnostic;	/* "smtp; 550 5.1.1 ..." ; NULL: "X-Postfix; text" is made */
	bool		 dsn_capable;	/* the next hop took over the DSN duty: no relayed notice */
	bool		 final;		/* delivered to a mailbox: "delivered", else "relayed" */
};
void	delivery_sent(struct delivery *, unsigned i, const struct status *);
void	delivery_deferred(struct delivery *, unsigned i, const struct status *);
void	delivery_bounced(struct delivery *, unsigned i, const struct status *);	/* soft_bounce turns it into deferred */
/* The destination could not be reached at all: every recipient without outcome is deferred, or bounced with hard. */
void	delivery_site_failed(struct delivery *, const struct status *, bool hard);

/* Life */
void	qmgr_init(void);		/* hooks into store_on_arrival and generations */
void	qmgr_start(void);		/* begins with what is due in the store */
/* Stop: no new deliveries; those under way have limit_ms to end, then they are cancelled. */
void	qmgr_drain(int64_t limit_ms, struct task *when_idle);
bool	qmgr_idle(void);		/* nothing under way: no delivery, no notice */
void	qmgr_release(void);		/* forgets everything at once; before store_close() */

/* Control: flush and friends (return at once; work goes on in the background) */
void	qmgr_flush_all(void);			/* postqueue -f, postrider flush: everything deferred is due now */
void	qmgr_flush_id(queue_id_t);		/* postqueue -i */
void	qmgr_flush_site(const char *domain);	/* ETRN, postqueue -s: a site that fast_flush_domains names */
const struct match_list *qmgr_flush_domains(void);	/* borrowed; NULL: none */
/* postsuper on a message: done when it is in the store. Deleting cancels deliveries of it that are under way; a hold
 * lets them finish. */
enum qmgr_change { QMGR_DELETE, QMGR_HOLD, QMGR_RELEASE, QMGR_REQUEUE, QMGR_EXPIRE };
struct qmgr_change_op {
	int		 result;	/* 0 wait, 1 done, -1 no such message, -2 failed */
	struct task	*task;
	void		*priv;
	bool		 active;
};
void	qmgr_change_start(struct qmgr_change_op *, struct task *, queue_id_t, enum qmgr_change);
int	qmgr_change_poll(struct qmgr_change_op *);
void	qmgr_change_end(struct qmgr_change_op *);

bool	qmgr_is_active(queue_id_t);	/* '*' in mailq */
bool	qmgr_is_removed(queue_id_t);	/* done with; the store may show it for a moment yet, a listing should not */
struct qmgr_stats {
	uint64_t active_messages, active_recipients, running;		/* now; running: deliveries */
	uint64_t deliveries, delivered, deferred, bounced;		/* since the start; all but the first: recipients */
};
void	qmgr_stats(struct qmgr_stats *);
#endif
