/* cleanup.h - the way of every message into the queue: smtpd, sendmail's submissions and our own notices all come
 * through here. Envelope and content are pushed in; headers are completed and rewritten, limits checked, the body
 * gathered (drafts when large), and at the end everything commits in one transaction. Logs "message-id=" and reject
 * lines.
 *
 * In order: open, message facts, sender, recipients, prepended headers, lines, finish; poll until the final result;
 * free. Push as long as poll says READY; what is pushed while it says WAIT is kept, but then memory is not bounded:
 * poll after a few lines. A message that fails swallows what is still pushed. */
#ifndef POSTRIDER_CLEANUP_H
#define POSTRIDER_CLEANUP_H
#include <postrider/base.h>
#include <postrider/store.h>

struct task; struct service; struct generation; struct cleanup;

enum { /* how a message came in */
	CLEANUP_LOCAL_CONTEXT = 1,	/* headers rewritten in the local context, missing ones added (else remote) */
	CLEANUP_INTERNAL = 2,		/* our own notice: no inspection, no bcc */
	CLEANUP_NO_MAPS = 4,		/* receive_override_options no_address_mappings */
	CLEANUP_NO_HEADER_CHECKS = 8,	/* no_header_body_checks */
	CLEANUP_NO_MILTERS = 16,
	CLEANUP_HOLD = 64,
	CLEANUP_ADD_MISSING = 128,	/* missing headers are added whatever the context */
	CLEANUP_LOCAL_SUBMIT = 256,	/* through sendmail: SMTPUTF8 is detected for class "sendmail" */
	CLEANUP_DISCARD = 512,		/* accepted and forgotten */
	CLEANUP_TRANSCRIPT = 2048,	/* with INTERNAL: class "notify" of smtputf8_autodetect_classes, else "bounce" */
	CLEANUP_EXPLAIN = 4096,		/* with DISCARD: nothing but the envelope is wanted, and that with always_bcc */
	CLEANUP_BOUNCE = 1024,		/* what its content forbids is accepted all the same, and returned to the sender */
};
enum cleanup_result {
	CLEANUP_WAIT = 0,	/* digesting; push nothing more until woken */
	CLEANUP_READY,		/* push on */
	CLEANUP_QUEUED,		/* final: durable; 250 may be said */
	CLEANUP_REFUSED,	/* final: see cleanup_error() */
};
/* What to say: "554" "5.4.0" "Error: too many hops". sendmail says it without "Error: ". */
struct cleanup_error { int code; char dsn[12]; char text[256]; };

/* Begins a message: gives it its id. owner: the service it came through, for its limits (NULL: the base configuration's). */
struct cleanup *cleanup_open(struct task *, const struct service *owner_or_null, const struct generation *, unsigned flags);
struct message *cleanup_message(struct cleanup *);	/* fill in facts before content; borrowed */
void	cleanup_add_flags(struct cleanup *, unsigned flags);	/* HOLD and DISCARD may come as late as finish */
/* The submitter's full name, for a From: that has to be made. */
void	cleanup_full_name(struct cleanup *, const char *name);
/* Envelope, in order: sender once, then recipients. Internal form as the client gave them; rewriting and alias
 * expansion happen inside. dsn_orcpt: "rfc822;text" or NULL. */
void	cleanup_sender(struct cleanup *, const char *addr);
void	cleanup_rcpt(struct cleanup *, const char *addr, const char *dsn_orcpt, unsigned notify);
/* One that has been through here before: orig is what the client gave. */
void	cleanup_rcpt_again(struct cleanup *, const char *addr, const char *orig, const char *dsn_orcpt, unsigned notify);
/* Extra header line(s) to put in front (Received:, PREPEND), in the order of calls: with '\n' between folded lines.
 * Passes the same processing as the content's own; does not count for message_size_limit. */
void	cleanup_prepend(struct cleanup *, const char *header);
/* One content line without its line end; partial: more of the same line follows (over-long line in pieces). A first
 * line "From ..." becomes X-Mailbox-Line:. */
void	cleanup_line(struct cleanup *, const char *line, size_t len, bool partial);
void	cleanup_finish(struct cleanup *);		/* end of content */
/* Joined to the commit: e.g. deletion of the message that this notice is about. Consumed. Before finish. */
void	cleanup_join(struct cleanup *, struct store_txn **);
enum cleanup_result cleanup_poll(struct cleanup *);
/* The message fails for a reason that only the caller knows (BDAT out of order, a policy's verdict): text without
 * "Error: " is taken as it is. The first reason counts. */
void	cleanup_refuse(struct cleanup *, int code, const char *dsn, const char *text);
const struct cleanup_error *cleanup_error(const struct cleanup *);	/* NULL: none so far */
bool	cleanup_failed(const struct cleanup *);	/* push is pointless: the rest is only skipped (size, hops, content) */
int64_t	cleanup_size(const struct cleanup *);		/* content bytes so far, line ends counted as two */
void	cleanup_free(struct cleanup **);		/* before the end: aborts, drafts are removed */
/* "Sat,  1 Jan 2022 00:00:00 +0000 (UTC)": as in Date: and Received:. */
void	cleanup_date(char *out, size_t size, int64_t wall_s);
void	cleanup_init(void);
#endif
