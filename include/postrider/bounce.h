/* bounce.h - delivery status notifications: RFC 3464 multipart/report as Postfix makes them.
 * A notice goes through cleanup like any message and commits together with the change that makes it due, so
 * that it is neither lost nor sent twice. Which message is due for a notice is qmgr's question; who gets one
 * (sender, postmaster, nobody) is answered here: null senders, NOTIFY, notify_classes, double bounces. */
#ifndef POSTRIDER_BOUNCE_H
#define POSTRIDER_BOUNCE_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/store.h>

struct task; struct view; struct problems; struct log_ctx;

enum bounce_kind { BOUNCE_FAILURE, BOUNCE_DELAY, BOUNCE_SUCCESS, BOUNCE_VERIFY /* sendmail -bv/-v report */ };
enum bounce_result {
	BOUNCE_WAIT = 0,
	BOUNCE_DONE,		/* joined is on the disk, and the notice if there was one to make */
	BOUNCE_RETRY,		/* could not be queued: try again later, nothing changed */
};
struct bounce_request {
	enum bounce_kind kind;
	struct message	*msg;		/* a reference is taken; content is read through it */
	/* The recipients to report, in this order; borrowed until bounce_end(). NULL: they are read from the store in
	 * slices, those in one of `states` (bit 1 << state); what they rest on must be committed. */
	const struct rcpt *const *rcpt;
	uint32_t	 nrcpt;
	unsigned	 states;
	bool		 settle;	/* from the store: add the removal of every row reported to joined */
};
struct bounce_op {			/* embedded; zeroed = idle */
	enum bounce_result result;
	struct task	*task;
	void		*priv;
	bool		 active;
};
/* Under the current generation's configuration. joined commits with the notice, or alone when none is wanted;
 * it is consumed in any case, applied only with BOUNCE_DONE. NULL: nothing to join. */
void	bounce_start(struct bounce_op *, struct task *, const struct bounce_request *, struct store_txn **joined);
enum bounce_result bounce_poll(struct bounce_op *);
void	bounce_end(struct bounce_op *);		/* before the end: the notice is dropped, joined may still commit */
void	bounce_init(void);		/* generation hook: templates */

/* ---- transcripts: what was said in a session that went wrong, mailed to postmaster as notify_classes ask ---- */
struct transcript {			/* embedded; zeroed = empty; bounded whatever is added */
	struct buf	 text;
	unsigned	 lines;
};
struct transcript_about {		/* borrowed for the call */
	const struct view *view;
	const struct log_ctx *log;	/* for a warning when the notice cannot be queued */
	const char	*program, *peer;	/* "SMTP server", "name[address]" */
	const char	*reason;	/* "Session aborted, reason:"; NULL: it ended in order */
	bool		 bounced;	/* to bounce_notice_recipient, not error_notice_recipient */
	bool		 upset;		/* the peer's answers were the trouble */
};
/* One line, or several; who: "In:  " or "Out: ". */
void	transcript_add(struct transcript *, const char *who, const char *text, size_t n);
void	transcript_lines(struct transcript *, const char *who, const char *text);
void	transcript_release(struct transcript *);
void	transcript_send(struct transcript *, const struct transcript_about *);	/* nobody waits; the text is used up */
unsigned notify_classes_mask(const char *words);	/* as ACCESS_ERR_* */

/* postconf -t and -b: the templates of a file ("": built in) as written, or their texts expanded. Blocking. */
void	bounce_print_templates(const struct view *, const char *file, bool expanded, struct buf *out,
	    struct problems *);
#endif
