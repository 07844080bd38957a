/* access.h - restriction lists (smtpd_*_restrictions): compiled to steps when the configuration
 * is loaded, run by a small machine that any wait suspends (DESIGN §2, STYLE §6).
 *
 * The caller asks about a request (this client, this sender, this recipient ...); which lists that
 * means, in what order and with what is carried over from earlier ones (smtpd_delay_reject,
 * smtpd_relay_before_recipient_restrictions, defer_if_permit, unlisted addresses) is decided here.
 * Rejects and warnings are logged here ("NOQUEUE: reject: RCPT from ..."), once. Access knows the words
 * and the decisions; what a command does with a verdict is smtpd's. */
#ifndef POSTRIDER_ACCESS_H
#define POSTRIDER_ACCESS_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/config.h>
#include <sys/socket.h>

struct task; struct service; struct log_ctx; struct problems; struct generation;
struct access_lists;		/* opaque: everything compiled for one service */

/* In the load job: compiles the lists of a service, opening their tables in the generation's set. Unknown
 * names are warned of and fail the request with 451 4.3.5 when they are reached, as in Postfix; no
 * guard against relaying at all is fatal. */
struct access_lists *access_compile(const struct service *, struct problems *);
void	access_lists_free(struct access_lists **);

/* Facts about the session that checks look at. Owned by smtpd's session; strings are borrowed and change
 * only while no run is under way. */
struct access_facts {
	const struct service	*service;
	const struct view	*view;
	const struct log_ctx	*log;
	const struct sockaddr	*client_sa;	/* NULL: no network client */
	const char	*client;	/* "name[addr]" as logged */
	const char	*client_name;	/* "unknown" when not verified */
	const char	*client_rev_name;	/* "unknown" when none */
	const char	*client_addr;	/* "192.0.2.1" */
	const char	*client_port;
	int		 client_name_status;	/* 2 verified, 4 temporary failure, 5 none, 6 forged */
	int		 client_rev_status;
	const char	*helo;		/* NULL before HELO; the argument itself at the HELO command */
	const char	*protocol;	/* SMTP, ESMTP */
	const char	*sender;	/* internal form; NULL before MAIL; the argument itself at the MAIL command */
	const char	*recipient;	/* RCPT: the argument; later: the first accepted one; else NULL */
	const char	*etrn_name;
	const char	*sasl_user, *sasl_method, *sasl_sender;
	const char	*queue_id;	/* NULL: NOQUEUE */
	const char	*instance;
	unsigned	 rcpt_count;	/* accepted so far */
	int64_t		 size;
	const char	*command;	/* where: "CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "ETRN", "VRFY" */
	bool		 tls;
	bool		 smtputf8;
	bool		 pipelined_early;	/* input waits that should not (reject_unauth_pipelining) */
	bool		 allow_unlisted;	/* receive_override_options no_unknown_recipient_checks */
};

/* What earlier requests of a session leave for later ones. Zeroed is new. */
struct access_defer {
	bool		 active;
	unsigned	 error_class;
	int		 code;
	char		 dsn[8];
	char		*reason;	/* owned */
};
struct access_memory {
	struct access_defer defer_if_permit;
	bool		 deferred_client, deferred_helo, deferred_sender;	/* it was active after that stage */
	bool		 sender_checked, rcpt_checked;	/* unlisted addresses: asked already */
	bool		 discard;	/* DISCARD: nothing more is asked for this message */
};
void	access_memory_release(struct access_memory *);

/* Side effects for the message that access(5) results ask for (FILTER, HOLD, PREPEND ...). */
struct access_actions {
	bool	 discard, hold;
	char	*filter, *redirect;	/* owned */
	struct strs prepend, bcc;
};
void	access_actions_release(struct access_actions *);

enum access_request {
	ACCESS_CONNECT,		/* with smtpd_delay_reject: always passes */
	ACCESS_HELO,		/* ditto */
	ACCESS_MAIL,		/* ditto */
	ACCESS_RCPT,		/* RCPT and VRFY */
	ACCESS_DATA,
	ACCESS_EOD,
	ACCESS_ETRN,
};
enum access_verdict {
	ACCESS_WAIT = 0,
	ACCESS_PASS,		/* nobody objected */
	ACCESS_REJECT,		/* reply holds the whole text, "554 5.7.1 <x>: Relay access denied" */
	ACCESS_HANGUP,		/* drop the connection without a word */
};
/* Classes of errors, as notify_classes names them. */
enum { ACCESS_ERR_POLICY = 1, ACCESS_ERR_PROTOCOL = 2, ACCESS_ERR_SOFTWARE = 4, ACCESS_ERR_RESOURCE = 8, ACCESS_ERR_DATA = 16,
    ACCESS_ERR_BOUNCE = 32 };

struct access_run;
struct access_op {		/* embedded; zeroed = idle */
	const char	*reply;		/* on REJECT: ours until access_end() */
	unsigned	 error_class;	/* ACCESS_ERR_* of the last reject or warning */
	/* private to src/access: */
	enum access_verdict verdict;
	struct access_run *run;		/* NULL when nothing had to be asked */
};
/* actions may be NULL where there is no transaction (client and helo without smtpd_delay_reject). */
void	access_start(struct access_op *, struct task *, const struct access_lists *, enum access_request, const struct access_facts *,
	    struct access_memory *, struct access_actions *);
enum access_verdict access_poll(struct access_op *);
void	access_end(struct access_op *);

/* Is there such a user (reject_unlisted_recipient, reject_unlisted_sender), whatever the lists say? Polled and ended like
 * access_start(); nothing is logged, facts->recipient or ->sender is asked about. */
void	access_listed_start(struct access_op *, struct task *, const struct access_lists *, const struct access_facts *,
	    struct access_memory *, bool sender);

/* A refusal that smtpd decides itself (size, queue space), in the same form: the text is adapted to soft_bounce and logged. */
void	access_reject(struct buf *reply, const struct access_facts *, int code, const char *dsn, const char *fmt, ...) PRINTF(5, 6);
/* "NOQUEUE: what: RCPT from name[addr]: text; from=<> to=<> proto=ESMTP helo=<x>" */
void	access_log(const struct access_facts *, const char *what, const char *text);

/* local_header_rewrite_clients: is mail of this client rewritten in the local context? An operation of its own. */
enum access_rewrite { ACCESS_REWRITE_WAIT = 0, ACCESS_REWRITE_LOCAL, ACCESS_REWRITE_REMOTE, ACCESS_REWRITE_ERROR };
void	access_rewrite_start(struct access_op *, struct task *, const struct access_lists *, const struct access_facts *);
enum access_rewrite access_rewrite_poll(struct access_op *);	/* ERROR: reply is the text; ended by access_end() */

/* $client_name and the like in reply templates (rbl replies, smtpd_reject_footer): appends to out what
 * text expands to, characters outside smtpd_expansion_filter masked. False: a syntax error. */
bool	access_expand(struct buf *out, const char *text, const struct access_facts *);
#endif
