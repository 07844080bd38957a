/* cleanup.h - the way of every message into the queue: smtpd, sendmail's submissions and
 * our own notices all come through here. Envelope and content are pushed in; headers are
 * completed and rewritten, limits checked, the body gathered (drafts when large), and at the
 * end everything commits in one transaction. Logs "message-id=" and hold/reject lines. */
#ifndef POSTRIDER_CLEANUP_H
#define POSTRIDER_CLEANUP_H
#include <postrider/base.h>
#include <postrider/store.h>

struct task; struct service; struct view; struct generation; struct cleanup;

enum { /* how a message came in */
	CLEANUP_LOCAL_CONTEXT = 1,	/* headers rewritten in the local context (else remote) */
	CLEANUP_INTERNAL = 2,		/* our own notice: no inspection, no bcc */
	CLEANUP_NO_MAPS = 4,		/* receive_override_options no_address_mappings */
	CLEANUP_NO_HEADER_CHECKS = 8,
	CLEANUP_NO_MILTERS = 16,
	CLEANUP_EXTRACT_RCPT = 32,	/* sendmail -t */
	CLEANUP_HOLD = 64,
	CLEANUP_ADD_MISSING = 128,	/* local submissions: From, Date, Message-Id */
	CLEANUP_LOCAL_SUBMIT = 256,	/* through sendmail: "uid=" logged by pickup, LF lines accepted */
	CLEANUP_DISCARD = 512,
};
enum cleanup_result {
	CLEANUP_WAIT = 0,	/* digesting; push nothing more until woken */
	CLEANUP_READY,		/* push on */
	CLEANUP_QUEUED,		/* final: durable; 250 may be said */
	CLEANUP_REFUSED,	/* final: see cleanup_error() */
};
struct cleanup_error { int code; char dsn[12]; char text[256]; };	/* 452 "4.3.1" "Insufficient system storage" */

/* Begins a message; msg already has its id, client facts, flags, sender options (set by the caller in
 * cleanup_message()) . log_name: "postfix/cleanup"; number: the session's. */
struct cleanup *cleanup_open(struct task *, const struct service *owner_or_null, const struct generation *, unsigned flags);
struct message *cleanup_message(struct cleanup *);	/* fill in facts before content; borrowed */
/* Envelope, in order: sender once, then recipients. Internal form as the client gave them; rewriting and alias expansion
 * happen inside. */
void	cleanup_sender(struct cleanup *, const char *addr);
void	cleanup_rcpt(struct cleanup *, const char *addr, const char *dsn_orcpt, unsigned notify);
/* Extra header line(s) to put in front (Received:, PREPEND): with '\n' between folded lines. */
void	cleanup_prepend(struct cleanup *, const char *header);
/* One content line without its line end; partial: more of the same line follows (over-long line in pieces). */
void	cleanup_line(struct cleanup *, const char *line, size_t len, bool partial);
void	cleanup_finish(struct cleanup *);		/* end of content */
/* Joined to the commit: e.g. deletion of the message that this notice is about. Consumed. Before finish. */
void	cleanup_join(struct cleanup *, struct store_txn **);
enum cleanup_result cleanup_poll(struct cleanup *);
const struct cleanup_error *cleanup_error(const struct cleanup *);	/* also early: content will be refused, reader may skip */
bool	cleanup_failed(const struct cleanup *);	/* push is pointless: the rest is only skipped (size, hops, content) */
int64_t	cleanup_size(const struct cleanup *);		/* bytes so far, CRLF counted as two */
void	cleanup_free(struct cleanup **);		/* before the end: aborts, drafts are removed */
void	cleanup_init(void);
#endif
