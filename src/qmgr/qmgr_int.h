/* qmgr_int.h - what the files of src/qmgr share.
 *
 *	active		a message being worked on; its recipients come in batches (one, but for large messages)
 *	batch		resolved recipients in memory, sorted by site
 *	transport	a delivery service by name; holds the process limit
 *	site		a destination of a transport: next hop, concurrency window, dead or not
 *	peer		recipients of one batch for one site that are not in a delivery yet
 *	job		the peers of one batch on one transport: what transports take turns over
 *
 * A peer with recipients is in exactly one list: its job's `ready`, its site's `waiting` (the window is full), or
 * qmgr.suspended (the site is dead: its recipients are being deferred). */
#ifndef QMGR_INT_H
#define QMGR_INT_H
#include <postrider/address.h>
#include <postrider/bounce.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/loop.h>
#include <postrider/qmgr.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/store.h>
#include <postrider/table.h>

/* ---- idmap.c: 64-bit keys to structs that embed a node ------------------------------------------------ */
struct idnode { uint64_t key; struct idnode *next; };
struct idmap { struct idnode **bucket; size_t cap, n; };
void	idmap_add(struct idmap *, struct idnode *, uint64_t key);
void	idmap_del(struct idmap *, struct idnode *);
struct idnode *idmap_first(const struct idmap *, uint64_t key);		/* NULL: none */
struct idnode *idmap_next(const struct idnode *);			/* another with the same key */
struct idnode *idmap_any(const struct idmap *);				/* whichever, for emptying */
void	idmap_release(struct idmap *);

/* ---- feedback.c: how outcomes move a concurrency window ------------------------------------------------- */
enum feedback_kind { FEEDBACK_FIXED, FEEDBACK_PER_WINDOW, FEEDBACK_PER_ROOT };
struct feedback { double base; enum feedback_kind kind; };
struct feedback feedback_parse(const char *text, bool *bad_r);
struct window {
	unsigned	 size;
	double		 success, failure, cohorts;
};
struct window_rules {
	unsigned	 initial, limit, cohort_limit;	/* limit, cohort_limit: 0 none */
	struct feedback	 positive, negative;
};
void	window_reset(struct window *, const struct window_rules *);
void	window_success(struct window *, const struct window_rules *, unsigned busy);
bool	window_failure(struct window *, const struct window_rules *);	/* true: the site is to be declared dead */

/* ---- the structs ---------------------------------------------------------------------------------------- */
TAILQ_HEAD(peer_list, peer);
TAILQ_HEAD(job_list, job);
TAILQ_HEAD(site_list, site);

struct transport {
	char		*name;
	unsigned	 epoch;			/* of the configuration that the fields below were taken from */
	struct service	*service;		/* borrowed from the current generation; NULL: none of that name */
	const struct agent_class *agent;	/* NULL: cannot deliver */
	struct window_rules rules;
	unsigned	 rcpt_limit;		/* per delivery; 0: none */
	unsigned	 limit;			/* deliveries at once; 0: none */
	int64_t		 rate_delay_ms;		/* between deliveries to one site */
	int64_t		 transport_delay_ms;	/* between any two deliveries */
	struct job_list	 fresh, retry;		/* jobs with a ready peer, by turns */
	unsigned	 turn;
	unsigned	 busy, retry_busy;
	int64_t		 open_at_ms;		/* transport_delay_ms: no delivery before */
	int64_t		 warned_ms;		/* that it is not there */
	struct site_list paused;		/* by rate_delay_ms, in order of until_ms */
	LIST_ENTRY(transport) link;
};

enum site_state { SITE_READY, SITE_PAUSED, SITE_DEAD };
struct site {
	struct idnode	 node;			/* in qmgr.sites */
	struct transport *transport;
	char		*nexthop;
	char		*name;			/* next hop in lower case; "user@nexthop": one recipient a delivery */
	enum site_state	 state;
	bool		 pseudo;		/* no destination but a reason to defer (resolver failure ...) */
	bool		 idle;
	struct window	 window;
	unsigned	 busy;
	unsigned	 npeers;
	unsigned	 pins;			/* targets that are resolved but in no peer yet */
	struct peer_list waiting;		/* for a place in the window, first come first served */
	struct peer_list peers;			/* all, by site_link */
	char		 dsn[12];		/* SITE_DEAD: what deferred recipients are told */
	char		*reason;
	int64_t		 until_ms;		/* SITE_DEAD, SITE_PAUSED: monotonic */
	int64_t		 rate_s;		/* the second (monotonic) that rate_now counts */
	unsigned	 rate_now, rate_before;	/* deliveries begun in that second, in the one before */
	TAILQ_ENTRY(site) link;			/* dead, paused or idle list */
};

enum peer_place { PEER_NOWHERE, PEER_READY, PEER_WAITING, PEER_SUSPENDED };
struct peer {
	struct job	*job;
	struct site	*site;
	struct target	*next, *end;		/* recipients not in a delivery yet */
	enum peer_place	 place;
	TAILQ_ENTRY(peer) link;
	TAILQ_ENTRY(peer) site_link;
	LIST_ENTRY(peer) job_link;
};
struct job {
	struct batch	*batch;
	struct transport *transport;
	struct peer_list ready;
	LIST_HEAD(, peer) peers;		/* all */
	bool		 queued, retry;		/* in transport->fresh or ->retry */
	TAILQ_ENTRY(job) link;
	LIST_ENTRY(job)	 batch_link;
};

struct target { struct rcpt *r; struct site *site; const char *addr; };
struct batch {
	struct active	*active;
	struct message	*msg;			/* reference: owns the recipients */
	struct target	*target;
	uint32_t	 n, resolved;
	uint32_t	 left;			/* recipients without an outcome */
	unsigned	 busy;			/* deliveries that look at it */
	bool		 assigned;		/* its targets are in peers, or were */
	LIST_HEAD(, job) jobs;
	struct target	 one;			/* storage for a single recipient */
	TAILQ_ENTRY(batch) link;
};
struct rcpt_vec { const struct rcpt **v; uint32_t n, cap; };

enum finish_step {
	FINISH_NOT, FINISH_SYNC, FINISH_FAILED, FINISH_REPORT, FINISH_EXPIRE, FINISH_DELAY, FINISH_LAST,
	FINISH_COMMIT,
};
enum after { AFTER_NORMAL, AFTER_HOLD, AFTER_RELEASE, AFTER_REQUEUE };
struct active {
	struct idnode	 node;			/* in qmgr.active, by queue id */
	struct task	 task;
	queue_id_t	 id;
	struct message	*msg;			/* the envelope; reference; NULL until loaded */
	struct content	*content;		/* reference, when in memory */
	bool		 fresh;			/* first attempt: new mail's share */
	bool		 flushed;		/* defer_transports is lifted */
	bool		 stream;		/* recipients come in slices: lists are read back from the store */
	bool		 loading, resolve_on, bounce_on, commit_on;
	bool		 more;			/* recipients from next_n on are still in the store */
	bool		 drop_txn;		/* the message is being deleted: its pending changes are moot */
	bool		 retry_bounce;		/* a notice could not be queued */
	bool		 kept;			/* recipients were withdrawn: rows that nothing here counts */
	bool		 deleted;		/* with the last notice */
	enum after	 after;
	enum finish_step step;
	uint32_t	 next_n;
	int64_t		 due_ms;		/* FINISH_COMMIT: the new one; 0: on hold */
	int64_t		 active_us, active_ms;	/* wall, monotonic: when it became active */
	TAILQ_HEAD(, batch) batches;
	struct batch	 first;
	struct batch	*resolving;
	uint32_t	 left;			/* recipients in batches without an outcome */
	unsigned	 busy;			/* deliveries under way */
	uint32_t	 deferred, failed, reports;	/* counts of rows to look after at the end */
	struct rcpt_vec	 deferred_v, failed_v, report_v;	/* !stream: in the order of their outcomes */
	uint64_t	 sites[4];
	unsigned	 nsites;		/* > 4: unknown */
	struct store_txn *txn;			/* changes since the last settlement */
	bool		 dirty;			/* on qmgr.dirty */
	TAILQ_ENTRY(active) dirty_link;
	struct resolve_op resolve;
	struct requeue	*requeue;		/* postsuper -r: in place of an attempt */
	struct store_load_op load;
	struct bounce_op bounce;
	struct store_op	 commit;
	LIST_HEAD(, deliver) deliveries;
	LIST_ENTRY(active) link;
};

/* One delivery under way. */
struct deliver {
	struct delivery	 d;
	struct task	 task;
	struct active	*active;
	struct batch	*batch;
	struct site	*site;
	bool		 retry;
	char		*sender;		/* with VERP */
	unsigned	 open;			/* recipients without an outcome */
	bool		 agent_done;
	LIST_HEAD(, pending) pending;		/* outcomes that wait for a table (filter.c) */
	LIST_ENTRY(deliver) link;		/* of the message */
	struct delivery_rcpt rcpt[];
};

static inline bool is_verp(const struct message *m)
{
	return m->verp != NULL && *m->sender != '\0';
}

struct qmgr_conf {			/* what the current generation says */
	unsigned	 active_limit, rcpt_limit, rcpt_minimum;
	int64_t		 min_backoff_ms, max_backoff_ms;
	int64_t		 lifetime_s, bounce_lifetime_s, delay_warning_s;
	bool		 confirm_delay_cleared;
	bool		 bounce_lifetime_cut;		/* it was larger than the other, which it cannot be */
	int64_t		 queue_run_ms;
	int		 delay_digits;
	struct strs	 defer_transports;
	char		*log_name, *error_log_name;	/* "postfix/qmgr", "postfix/error" */
	char		*double_bounce;			/* local part */
	struct extension_rules extensions;
	struct match_list *flush_domains;		/* fast_flush_domains, or NULL; of the generation's tables */
	bool		 long_ids;
};

struct qmgr {
	struct task	 task;
	struct qmgr_conf *conf;
	unsigned	 epoch;
	bool		 started, draining;
	struct log_ctx	 log;
	struct idmap	 active, sites;
	LIST_HEAD(, active) all;
	LIST_HEAD(, transport) transports;
	struct transport *last_transport;	/* the one looked up last */
	struct transport *pseudo;
	unsigned	 nactive, nretry;	/* messages; of them not fresh */
	uint64_t	 nrcpt;			/* recipients in batches */
	unsigned	 nloading;		/* loads from the store under way */
	unsigned	 ndeliveries, nfinishing;
	TAILQ_HEAD(, active) dirty;
	struct peer_list suspended;
	struct site_list dead, idle;
	unsigned	 ndead, nidle;
	struct timer	 timer;			/* next dead or paused site, transport delay */
	struct timer	 drain_timer;
	struct task	*when_idle;
	struct qmgr_stats stats;
};
extern struct qmgr qmgr;

/* ---- qmgr.c ---- */
void	qmgr_wake_at(int64_t mono_ms);		/* run qmgr.task then at the latest */
void	qmgr_maybe_idle(void);

/* ---- active.c ---- */
struct active *active_find(queue_id_t);
bool	active_room(bool fresh);		/* may another message become active? */
struct active *active_load(queue_id_t, bool flushed);	/* from the store */
void	active_arrival(struct message *);
void	active_settle(struct active *);		/* its txn goes to the store */
struct store_txn *active_txn(struct active *);	/* for changes that ride in the next commit */
void	active_free(struct active *);		/* out of the active set, whatever state it is in */
void	active_withdraw(struct active *);	/* recipients that are in no delivery go back as they are */
void	batch_free(struct batch *);
void	rcpt_vec_add(struct rcpt_vec *, const struct rcpt *);
void	log_address(struct buf *, const char *address);

/* ---- resolve.c ---- */
bool	batch_resolve(struct active *);		/* goes on with a->resolving; true: all resolved and assigned */

/* ---- transport.c, site.c, sched.c ---- */
struct transport *transport_get(const char *name);
void	transport_refresh(struct transport *);
struct site *site_get(struct transport *, const char *nexthop, const char *name);
struct site *site_pseudo(const char *dsn, const char *reason);
bool	site_known_dead(uint64_t hash);
void	site_feedback(struct site *, const struct delivery *);	/* after a delivery */
void	site_release(struct site *);		/* nothing points here any more, perhaps */
void	site_opened(struct site *);		/* let waiting peers through */
int64_t	sites_expire(int64_t now);		/* returns when to look again, INT64_MAX: never */
void	sites_revive(void);			/* flush: nothing is dead */
void	sites_release(void);
uint64_t site_key(const char *transport, const char *name);

void	peer_add(struct batch *, struct target *first, struct target *end);
void	peer_free(struct peer *);
void	peer_suspend(struct peer *);
void	peer_place(struct peer *, enum peer_place);
void	transport_schedule(struct transport *);
bool	suspended_run(void);			/* true: there is more */

/* ---- deliver.c, outcome.c, logline.c ---- */
const struct agent_class *agent_find(const char *command);
void	deliver_begin(struct peer *, unsigned nrcpt);
void	deliver_cancel(struct deliver *);	/* ends the agent; recipients stay as they were */
void	outcome_report(struct delivery *, unsigned i, enum outcome, const struct status *);	/* as delivery_...(), unfiltered */
/* filter.c: ..._delivery_status_filter. True: the outcome is reported, or will be by filter_run(), which the delivery's
 * task calls; that is true when nothing is pending. */
bool	filter_outcome(struct delivery *, unsigned i, enum outcome, const struct status *);
bool	filter_run(struct deliver *);
void	filter_end(struct deliver *);	/* gives up: these recipients have no outcome */
void	outcome_deferred(struct active *, struct batch *, struct target *, const char *dsn, const char *reason,
	    unsigned number);
void	outcome_discarded(struct active *, struct batch *, struct target *, const char *text);
struct log_times { int64_t arrival_us, active_us, active_ms, start_us, conn_us; unsigned reuse; };
void	log_status(const struct log_ctx *, const struct message *, const struct rcpt *, const char *addr,
	    const struct log_times *, const struct status *, const char *word);
void	format_delay(struct buf *, int64_t us, int digits);

/* ---- finish.c ---- */
void	finish_run(struct active *);		/* the attempt is over: notices, schedule, removal; may free it */
int64_t	backoff_ms(int64_t arrival_us);

/* ---- requeue.c ---- */
struct requeue;
enum requeue_result { REQUEUE_WAIT = 0, REQUEUE_DONE, REQUEUE_FAILED /* it stays as it was */ };
struct requeue *requeue_start(struct task *, struct message *);
enum requeue_result requeue_poll(struct requeue *);
void	requeue_end(struct requeue **);

/* ---- due.c, flush.c, change.c ---- */
void	due_start(void);
void	due_notice(int64_t due_ms, queue_id_t);	/* a row was put there */
void	due_overflow(queue_id_t);		/* a new message had to stay in the store */
void	due_room(void);				/* there may be room again */
void	due_retry(void);			/* the store could not be read: all over, in a while */
void	due_recheck(void);			/* rows passed over because of gone.c can be judged now */
void	due_stop(void);
bool	flush_is(int64_t due_ms);		/* was it a flush that made it due? */
void	flush_stop(void);

/* ---- gone.c ---- */
void	gone_add(queue_id_t);
bool	gone_find(queue_id_t);			/* left a moment ago: what the store shows of it is not the last word */
void	gone_hurry(void);			/* have it be the last word soon; then due_recheck() */
void	gone_stop(void);

/* ---- conf.c ---- */
void	conf_hook(void);
#endif
