/* access.h - restriction lists (smtpd_*_restrictions): compiled to steps when the configuration
 * is loaded, run by a small machine that any wait suspends (DESIGN §2, STYLE §6).
 * Access knows the words and the decisions; what a command does with a verdict is smtpd's. */
#ifndef POSTRIDER_ACCESS_H
#define POSTRIDER_ACCESS_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/config.h>
#include <sys/socket.h>

struct task; struct service; struct log_ctx; struct access_lists;

enum access_stage { ACCESS_CLIENT, ACCESS_HELO, ACCESS_SENDER, ACCESS_RELAY, ACCESS_RECIPIENT, ACCESS_DATA, ACCESS_EOD, ACCESS_ETRN, ACCESS_STAGES };
/* Compiles all lists of a service (load job). Unknown names: Postfix's warning; the request then fails with 451 4.3.5. */
struct access_lists *access_compile(const struct view *, struct problems *);
void	access_lists_free(struct access_lists **);
bool	access_list_empty(const struct access_lists *, enum access_stage);

/* Facts about the session that checks look at. Owned by smtpd's session; strings borrowed and may change only
 * while no run is under way. */
struct access_facts {
	const struct service	*service;
	const struct view	*view;
	const struct log_ctx	*log;
	const struct sockaddr	*client_sa;
	const char	*client_name;	/* "unknown" when not verified */
	const char	*client_rev_name;	/* "unknown" when none */
	const char	*client_addr;	/* "192.0.2.1" */
	const char	*client_port;
	int		 client_name_status;	/* 2 verified, 4 temporary failure, 5 unknown/forged (Postfix's SMTPD_PEER_CODE) */
	int		 client_rev_status;
	const char	*helo;		/* NULL before HELO */
	const char	*protocol;	/* SMTP, ESMTP */
	const char	*sender;	/* internal form; NULL before MAIL */
	const char	*recipient;	/* NULL outside RCPT */
	const char	*etrn_name;
	const char	*sasl_user, *sasl_method, *sasl_sender;
	const char	*queue_id;	/* NULL: NOQUEUE */
	const char	*instance;
	unsigned	 rcpt_count;
	int64_t		 size;
	const char	*command;	/* where: "CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "ETRN", "VRFY" */
	bool		 tls;
	bool		 pipelined_early;	/* input waits that should not (reject_unauth_pipelining) */
};
enum access_verdict {
	ACCESS_WAIT = 0,
	ACCESS_DUNNO,		/* nobody decided: the stage lets it pass */
	ACCESS_PERMIT,
	ACCESS_REJECT,		/* reply holds the whole text, "554 5.7.1 <x>: Relay access denied" */
	ACCESS_DISCONNECT,	/* reply is 421 ...: send and hang up */
};
/* Side effects for cleanup asked for by results (HOLD, DISCARD, FILTER, PREPEND, REDIRECT, BCC ...). */
struct access_actions {
	bool	 discard, hold;
	char	*discard_text, *hold_text, *filter, *redirect;	/* owned */
	struct strs prepend, bcc;
};
struct access_op {			/* embedded; zeroed = idle */
	struct buf	 reply;		/* on REJECT/DISCONNECT: ours until end */
	struct access_actions *actions;	/* where side effects go; the transaction's */
	/* private to src/access: */
	struct task	*task;
	enum access_verdict verdict;
	bool		 active;
	void		*priv;
};
/* Runs the list of one stage over the facts. Logs rejects, warnings, and so on itself ("NOQUEUE: reject: RCPT from ..."). With
 * delay_reject handled by smtpd: it calls client, helo, sender, relay, recipient in a row at RCPT. */
void	access_start(struct access_op *, struct task *, const struct access_lists *, enum access_stage, const struct access_facts *,
	    struct access_actions *);
enum access_verdict access_poll(struct access_op *);
void	access_end(struct access_op *);
void	access_actions_release(struct access_actions *);
/* Recipient known? Postfix's check_recipient_rcpt_maps (smtpd_reject_unlisted_recipient): an op of its own that smtpd runs after
 * the recipient list; start it with facts as above. */
void	access_unlisted_rcpt_start(struct access_op *, struct task *, const struct access_lists *, const struct access_facts *);
void	access_unlisted_sender_start(struct access_op *, struct task *, const struct access_lists *, const struct access_facts *);
bool	access_in_mynetworks(const struct access_lists *, const struct sockaddr *);	/* static networks only, immediate */
#endif
