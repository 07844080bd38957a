/* store.h - the durable queue: LMDB, one writer thread with group commit, reader threads.
 * The tables, the promise and what happens on a full disk: DESIGN §3. Names here:
 *   message  - envelope, recipients, content of one queued mail; reference-counted, in memory
 *   txn      - a list of changes that commit together or not at all
 * Everything is called on the loop; results are operations. The store knows nothing of
 * destinations or delivery: qmgr decides, the store remembers. */
#ifndef POSTRIDER_STORE_H
#define POSTRIDER_STORE_H
#include <postrider/base.h>
#include <postrider/arena.h>
#include <postrider/buf.h>

struct task;
typedef uint64_t queue_id_t;			/* µs since the epoch, or more; a multiple of 16; never reused */

/* ---- queue ids --------------------------------------------------------------------------- */
enum { QUEUE_ID_TEXT = 24 };			/* bytes for the printed form with its NUL */
queue_id_t store_new_id(void);			/* no I/O */
void	queue_id_print(char out[QUEUE_ID_TEXT], queue_id_t, bool long_form);	/* hex, or enable_long_queue_ids */
bool	queue_id_parse(const char *text, queue_id_t *id_r);	/* either form */

/* ---- a message in memory ------------------------------------------------------------------ */
enum msg_queue { QUEUE_ACTIVE = 'A' /* new or due: incoming/active */, QUEUE_DEFERRED = 'D', QUEUE_HOLD = 'H' };
enum { /* envelope flags */
	MSG_SMTPUTF8 = 1,		/* the sender asked for it (or autodetected) */
	MSG_8BIT = 2,			/* BODY=8BITMIME was given, or the primary Content-Transfer-Encoding says 8bit (not: has 8-bit bytes) */
	MSG_DELAY_WARNED = 4,		/* delay notice was sent */
	MSG_LOCAL = 8,			/* rewrite context local */
	MSG_TRACE_VERIFY = 16,		/* sendmail -bv: report, do not deliver */
	MSG_TRACE_DELIVER = 32,		/* sendmail -v: report and deliver */
	MSG_INTERNAL = 64,		/* bounce, probe: no content inspection */
	MSG_CONTENT_STORED = 128,	/* body is only in the store (large or over the memory budget) */
	MSG_NO_BOUNCE = 256,		/* double bounce or probe: failures are only logged */
	MSG_FORCE_DEFER_BOUNCE = 512,	/* postsuper -f: expired, bounce at next attempt */
	MSG_CRLF_NONE = 1024,		/* the content has no final line end of its own */
	MSG_SUBMISSION = 2048,		/* authenticated or XFORWARD-less submission facts kept */
	MSG_7BIT = 4096,		/* declared BODY=7BIT, with no 8-bit claim in a header */
	MSG_NO_SEPARATOR = 8192,	/* no empty line between the header part and the body part: there are headers only, or
					 * (many headers) the header block goes on in the body part */
	MSG_REQUEUE = 32768,		/* postsuper -r: to be copied through cleanup, in place of the next attempt */
	MSG_UTF8_HEADER = 16384,	/* a header has non-ASCII bytes: with MSG_SMTPUTF8 the next hop must know SMTPUTF8 */
};
enum { DSN_NEVER = 1, DSN_SUCCESS = 2, DSN_FAILURE = 4, DSN_DELAY = 8 };	/* rcpt notify; 0: not given */
enum { DSN_RET_NONE, DSN_RET_FULL, DSN_RET_HDRS };

enum rcpt_state {
	RCPT_TODO = 0,		/* to be attempted (again) */
	RCPT_FAILED,		/* permanently failed, to be reported in the bounce when the message ends */
	RCPT_REPORT,		/* done, and a success (or relayed/expanded) notice is to be sent */
};				/* delivered without a report to make: the row is gone */
struct rcpt {
	uint32_t	 n;		/* key within the message */
	char		*addr;		/* final address, internal form */
	char		*orig;		/* as the client gave it, internal form (X-Original-To; orig_to=); never NULL */
	char		*dsn_orcpt;	/* "rfc822;text" in xtext-decoded form, NULL if none */
	uint8_t		 notify;	/* DSN_* bits */
	uint8_t		 state;		/* enum rcpt_state */
	/* Last status; NULL before the first attempt. */
	char		*dsn;		/* "4.4.1" */
	char		*reason;	/* text as logged in parentheses */
	char		*action;	/* RCPT_REPORT: "delivered", "relayed", "expanded", "deliverable", "undeliverable" */
	char		*remote_mta;	/* host name of the MTA that said so, NULL if none */
	char		*diagnostic;	/* "smtp; 550 ..." NULL if none */
};
struct message {
	unsigned	 refs;
	bool		 read;		/* private: made by a reader thread */
	struct message	*next;		/* private */
	struct arena	 arena;		/* owns every string below but content; complete when a reader made it */
	struct arena	 later;		/* private: what the loop added to such a message */
	queue_id_t	 id;
	char		 name[QUEUE_ID_TEXT];	/* printed id, as logged */
	unsigned	 flags;		/* MSG_* */
	enum msg_queue	 queue;
	int64_t		 arrival_us;	/* wall: delay is counted from here */
	int64_t		 received_us;	/* wall: end of data; delays=a is received-arrival */
	int64_t		 due_ms;	/* wall ms of the next attempt; 0: new, at once */
	int64_t		 last_try_ms;	/* wall ms, 0: never tried */
	unsigned	 attempts;
	char		*sender;	/* internal form; "" is the null sender */
	int64_t		 size;		/* content bytes as Postfix counts size= */
	uint8_t		 dsn_ret;
	char		*dsn_envid;	/* decoded; NULL if none */
	char		*verp;		/* VERP delimiters: each recipient has a sender of its own; NULL: one for all */
	/* Facts about where it came from, after XFORWARD; NULL if unknown. */
	char		*client_name, *client_addr, *client_port, *helo, *proto, *ident, *rev_name;
	char		*sasl_method, *sasl_user, *sasl_sender;
	char		*content_filter;	/* transport:nexthop chosen at reception, NULL */
	char		*redirect;		/* REDIRECT action, NULL */
	char		*hold_reason;
	char		*message_id;		/* for logging and tracing, NULL */
	struct strs	 extra;			/* further "name=value" attributes kept for later features */
	uint32_t	 rcpt_total;	/* recipients when queued: nrcpt= of the first activation */
	uint32_t	 rcpt_left;	/* rows in state TODO; of a loaded message counted when first_n was 0 */
	/* Recipients in memory: all of a new message, a slice of a loaded one. */
	struct rcpt	*rcpt;
	uint32_t	 nrcpt, rcpt_cap;
	struct content	*content;	/* NULL unless in memory; a reference */
	int64_t		 header_bytes, body_bytes;	/* stored sizes (CRLF lines) */
};
struct message *message_new(queue_id_t, bool long_form);
struct message *message_ref(struct message *);
void	message_unref(struct message **);
struct rcpt *message_add_rcpt(struct message *);	/* zeroed, n set; strings go into m->arena */
/* For strings that are added to a queued message; its memory and that of its reader are not to be mixed. */
struct arena *message_arena(struct message *);

/* ---- content: header block and body, lines end with CRLF ------------------------------------ */
enum { STORE_CHUNK = 4080 };	/* value size that fits one LMDB overflow page (DESIGN §3) */
struct chunk { struct chunk *next; uint32_t len; char data[STORE_CHUNK]; };
struct content {			/* immutable once committed */
	unsigned	 refs;
	char		*header;	/* header block without the empty line, owned */
	size_t		 header_len;
	struct chunk	*body, *body_tail;	/* all full but the last; empty when stored as drafts */
	int64_t		 body_len;	/* in memory here */
	size_t		 counted;	/* private: bytes in the account of content in memory */
	bool		 settled;	/* private: nothing is appended any more */
};
struct content *content_new(void);
struct content *content_ref(struct content *);
void	content_unref(struct content **);
void	content_append(struct content *, const void *p, size_t n);	/* body; counted in the budget */
/* Takes the first chunk out of a body that is still growing, for store_txn_draft(). NULL: none. */
struct chunk *content_take_chunk(struct content *);
int64_t	content_memory(void);		/* bytes of content in memory now */
bool	content_over_budget(void);	/* postrider_memory_limit reached: write drafts, load less */

/* ---- transactions ----------------------------------------------------------------------- */
struct store_txn;
struct store_txn *store_txn_new(void);
void	store_txn_free(struct store_txn **);
/* Queue a whole message (recipients and content in memory, or, with MSG_CONTENT_STORED, the body in drafts, those of the
 * same transaction included, and body_bytes set). Holds a reference; nothing of the message may change until the
 * commit is over. QUEUE_ACTIVE is due at once. */
void	store_txn_put(struct store_txn *, struct message *);
/* Body chunk `seq` of a message that has no envelope yet. Copies nothing: takes the chunk. */
void	store_txn_draft(struct store_txn *, queue_id_t, uint32_t seq, struct chunk *);
void	store_txn_draft_drop(struct store_txn *, queue_id_t);		/* abort: removes drafts */
/* Recipient outcome: done removes the row; else state, status and reason are kept. Strings copied. */
void	store_txn_rcpt_done(struct store_txn *, queue_id_t, uint32_t n);
void	store_txn_rcpt(struct store_txn *, queue_id_t, const struct rcpt *);
/* Envelope fields that change: queue, due, attempts, flags, last_try. sites: hashes of the destinations
 * left (transport:nexthop), nsites 0 = unknown; kept in the due row so qmgr can postpone unread. */
struct store_sched {
	enum msg_queue	 queue;
	int64_t		 due_ms;
	int64_t		 last_try_ms;
	unsigned	 attempts;
	unsigned	 flags;		/* the whole MSG_* word */
	uint64_t	 sites[4];
	unsigned	 nsites;	/* 0..4; 0 unknown or more than 4 */
};
void	store_txn_sched(struct store_txn *, queue_id_t, const struct store_sched *);
/* Postpone only, unread: for messages that had a store_txn_sched() (a due row with due_ms 0 had none). */
void	store_txn_due(struct store_txn *, queue_id_t, int64_t new_due_ms);
void	store_txn_delete(struct store_txn *, queue_id_t);			/* message, recipients, content, indexes */
/* New envelope of a queued message (postsuper -r, header edits later): replaces message row and header part. */
void	store_txn_replace(struct store_txn *, struct message *);

enum store_result {
	STORE_WAIT = 0,
	STORE_OK,
	STORE_FULL,		/* no space: answer 452 4.3.1, or defer */
	STORE_FAILED,		/* I/O error */
	STORE_NONE,		/* no such message; of a commit: one it names is gone, all else is done */
};
struct store_op {		/* embedded; zeroed = idle */
	enum store_result result;
	struct task	*task;
	void		*priv;
	bool		 active;
};
/* Commits txn (consumed). After STORE_OK it is on the disk. A cancelled op's transaction still commits. */
void	store_commit_start(struct store_op *, struct task *, struct store_txn **);
enum store_result store_commit_poll(struct store_op *);
void	store_commit_end(struct store_op *);
/* Settlement: rides in the next commit, at the latest after 100 ms; the store retries until it is in. */
void	store_settle(struct store_txn **);
/* Called on the loop when a put has committed, before the putter's task is woken. One hook (qmgr). Not called
 * for messages put with queue HOLD. */
void	store_on_arrival(void (*fn)(struct message *));
/* Room for new mail of this size? False: 452 4.3.1 (queue_minfree, reserve). Looks at cached figures. */
bool	store_has_room(int64_t bytes);

/* ---- reading ------------------------------------------------------------------------------ */
/* Load envelope and recipients with first_n <= n, at most max, of the wanted states (bit 1 << state). */
struct store_load_op {
	struct message	*msg;		/* on STORE_OK: ours until end (take a ref to keep) */
	bool		 more;		/* recipients beyond max exist */
	struct store_op	 op;		/* private */
};
void	store_load_start(struct store_load_op *, struct task *, queue_id_t, uint32_t first_n, uint32_t max, unsigned states);
enum store_result store_load_poll(struct store_load_op *);
void	store_load_end(struct store_load_op *);
/* After STORE_OK: on to the message's next slice of recipients. False: that was the last; ended. */
bool	store_load_next(struct store_load_op *, struct task *, uint32_t max, unsigned states);

/* Content of a message, in memory or from the store, piece by piece. */
enum content_part { PART_HEADER = 0, PART_BODY = 1 };
enum content_result { CONTENT_WAIT = 0, CONTENT_DATA, CONTENT_END, CONTENT_FAILED };
struct content_op {
	const char	*p;		/* on CONTENT_DATA: valid until the next advance or end */
	size_t		 len;
	/* private */
	struct message	*msg;
	struct content	*content;
	struct chunk	*chunk;
	struct store_op	 op;
	struct task	*task;
	enum content_part part;
	enum content_result result;
	int64_t		 pos;
	void		*priv;
};
void	content_read_start(struct content_op *, struct task *, struct message *, enum content_part);
enum content_result content_read_poll(struct content_op *);
void	content_read_advance(struct content_op *);	/* after CONTENT_DATA: begin the next piece */
void	content_read_end(struct content_op *);

/* What is due: rows in order of time, resumed by key. */
struct due_row { int64_t due_ms; queue_id_t id; uint64_t sites[4]; unsigned nsites; };
struct store_due_op {
	struct due_row	*row;		/* on STORE_OK */
	size_t		 n;
	int64_t		 next_due_ms;	/* due time of the first row beyond the slice, INT64_MAX: none */
	struct store_op	 op;
};
/* Rows with due_ms <= until and key > (after_due, after_id), at most max. New messages have due_ms 0; after_due -1: from
 * the beginning. */
void	store_due_start(struct store_due_op *, struct task *, int64_t until_ms, int64_t after_due, queue_id_t after_id, size_t max);
enum store_result store_due_poll(struct store_due_op *);
void	store_due_end(struct store_due_op *);

/* Listing for mailq and friends: messages after `after` in id order, with recipients of all states. Slices of
 * <= 1,000 rows / 50 ms; only the last message of a slice can have more recipients than were read: see cut. */
enum { LIST_ACTIVE = 1, LIST_DEFERRED = 2, LIST_HOLD = 4 };
struct store_list_op {
	struct message	**msg;		/* on STORE_OK: n of them, ours until end */
	size_t		 n;
	queue_id_t	 last;		/* resume after this */
	bool		 end;		/* nothing behind last; n may be 0 before the end */
	bool		 cut;		/* the last one has more recipients: store_load_start() reads on */
	struct store_op	 op;
};
void	store_list_start(struct store_list_op *, struct task *, queue_id_t after, unsigned queues /* LIST_*, 0 all */,
	    size_t max);
enum store_result store_list_poll(struct store_list_op *);
void	store_list_end(struct store_list_op *);
/* Ids with a recipient in this domain (ETRN, postqueue -s), after `after`. */
struct store_site_op { queue_id_t *id; size_t n; bool end; struct store_op op; };
void	store_site_start(struct store_site_op *, struct task *, const char *domain, queue_id_t after, size_t max);
enum store_result store_site_poll(struct store_site_op *);
void	store_site_end(struct store_site_op *);

/* ---- life ---------------------------------------------------------------------------------- */
struct store_config {
	const char	*dir;		/* $queue_directory/postrider, made if absent (0700) */
	int64_t		 map_bytes;	/* address space, default 1 TiB */
	int64_t		 min_free;	/* queue_minfree; the reserve is at least 64 MiB or 5 % */
	int64_t		 memory_limit;	/* content budget, bytes */
	bool		 long_ids;	/* enable_long_queue_ids */
};
/* Opens (blocking; before the loop runs), checks the schema, sweeps drafts. NULL or the reason (malloced). */
char	*store_open(const struct store_config *);
void	store_configure(const struct store_config *);	/* reload: limits and id form only */
void	store_close(void);		/* finishes commits under way, joins the threads */
/* For commands when the server does not run: same calls with a private loop, after this. Never creates; root becomes
 * (effectively, for good) the owner of the directory. read_only: no commits either. */
char	*store_open_offline(const struct store_config *, bool read_only);
struct store_stats {
	uint64_t messages, active, deferred, hold;	/* counted, exact */
	uint64_t commits, committed_ops, barriers;
	uint64_t bytes_used, bytes_free, fs_free;
	bool	 full, failed;
};
void	store_stats(struct store_stats *);
#endif
