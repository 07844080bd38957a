/* session.h - private to src/smtpd: a session, its transaction, its command.
 * Grouped by lifetime, because 5,000 idle sessions must be cheap: what belongs to a command, to a transaction or to
 * the greeting is allocated for that time only. */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H
#include <postrider/access.h>
#include <postrider/arena.h>
#include <postrider/bounce.h>
#include <postrider/buf.h>
#include <postrider/cleanup.h>
#include <postrider/dns.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/stream.h>
#include <postrider/table.h>
#include <netinet/in.h>

/* ---- per service, compiled (conf.c) --------------------------------------------------------------- */
enum { EHLO_8BITMIME = 1, EHLO_AUTH = 2, EHLO_CHUNKING = 4, EHLO_DSN = 8, EHLO_ENHANCEDSTATUSCODES = 16, EHLO_ETRN = 32,
    EHLO_PIPELINING = 64, EHLO_SIZE = 128, EHLO_SMTPUTF8 = 256, EHLO_STARTTLS = 512, EHLO_VRFY = 1024, EHLO_XCLIENT = 2048,
    EHLO_XFORWARD = 4096, EHLO_VERP = 8192, EHLO_SILENT = 16384 };
enum bare_lf { BARE_LF_NO, BARE_LF_NOTE, BARE_LF_NORMALIZE, BARE_LF_REJECT };
struct smtpd_conf {
	struct access_lists *access;
	struct match_list *xclient, *xforward, *no_limits, *bare_lf_except, *verp, *noop_cmds, *forbidden_cmds, *flush_domains;
	struct maps	*discard_maps, *footer_maps, *command_filter;
	unsigned	 discard;	/* EHLO_* */
	enum bare_lf	 bare_lf;
	unsigned	 cleanup_flags;	/* from receive_override_options */
	unsigned	 notify;	/* ACCESS_ERR_* postmaster wants to hear of */
	bool		 allow_unlisted;
	char		*verify_sender;	/* canonical address_verify_sender: always accepted */
	const struct service *cleanup;	/* cleanup_service_name's line; NULL: the defaults */
};
void	*conf_compile(struct service *, struct problems *);
void	 conf_release(void *state);
unsigned keyword_mask(const char *words);
void	 keyword_names(struct buf *out, unsigned mask);

/* ---- a command ------------------------------------------------------------------------------------ */
struct session;
struct command;
enum cmd_result { CMD_WAIT = 0, CMD_OK, CMD_BAD /* counts as an error */, CMD_QUIT, CMD_CONTENT /* DATA, BDAT: content follows */,
    CMD_RESTART /* XCLIENT: back to the greeting */ };
struct verb {
	const char	*name;
	unsigned	 flags;		/* VERB_* */
	enum cmd_result	(*run)(struct session *, struct command *);	/* called until it does not say WAIT */
};
enum { VERB_LIMIT = 1 /* counts as junk when repeated */, VERB_PRE_TLS = 2, VERB_LAST = 4 /* ends a pipelined group */ };
enum verb_id { V_HELO, V_EHLO, V_XCLIENT, V_XFORWARD, V_STARTTLS, V_AUTH, V_MAIL, V_RCPT, V_DATA, V_BDAT, V_RSET, V_NOOP, V_VRFY,
    V_ETRN, V_QUIT, V_UNKNOWN, VERBS };
extern const struct verb verbs[VERBS];

enum { ARGS_MAX = 100 };	/* tokens of one line; Postfix has no limit, a line has */
struct token { char *text; bool bad; /* a quote or bracket is not closed */ };
size_t	tokenize(struct arena *, const char *line, struct token *argv, size_t max);

/* Address of MAIL, RCPT, VRFY: syntax, then whether it resolves. */
struct addr_op {
	struct buf	 addr;		/* internal form */
	struct resolve_op resolve;
	int		 step;
};
enum addr_result { ADDR_WAIT = 0, ADDR_OK, ADDR_BAD, ADDR_NEEDS_UTF8 };
enum addr_result addr_poll(struct session *, struct command *, const struct token *, bool allow_empty, bool strict);

/* What happens to a line before its verb runs; each may have to wait for a table. */
enum line_phase { LINE_FILTER /* smtpd_command_filter */, LINE_NOOP /* smtpd_noop_commands */,
    LINE_FORBIDDEN /* smtpd_forbidden_commands */, LINE_RUN };
struct command {
	struct arena	 arena;
	enum line_phase	 phase;
	struct maps_op	 filter;
	const struct verb *verb;	/* NULL before it is known */
	char		*line;
	struct token	*argv;
	size_t		 argc;
	int		 step;		/* the verb's own */
	struct addr_op	 addr;
	struct access_op access;
	struct match_op	 match;
	struct access_facts facts;
	/* MAIL and RCPT parameters */
	size_t		 param;		/* the next one of MAIL */
	const char	*envid, *verp;
	const char	*orcpt;		/* "type;decoded" */
	unsigned	 notify;
	bool		 utf8;		/* VRFY ... SMTPUTF8 */
};

/* ---- a transaction ---------------------------------------------------------------------------------- */
struct trans {
	char		*sender;	/* internal form */
	char		*recipient;	/* first accepted one, NULL before */
	char		*verp;
	char		*envid;
	char		 instance[64];
	int64_t		 arrival_us;
	unsigned	 rcpt_count;
	bool		 local_context;
	struct cleanup	*cleanup;	/* NULL before the first accepted recipient, or when something failed */
	char		*queue_id;	/* stays for replies and the log when cleanup has gone */
};
enum bdat_state { BDAT_NONE, BDAT_OK, BDAT_ERROR };

/* XFORWARD attributes: NULL means not given. */
struct forward {
	bool		 any;
	char		*name, *addr, *rfc_addr, *port, *proto, *helo, *ident, *client;
	int		 context;	/* 0 not given, 1 local, 2 remote */
};

/* Content under way (content.c). */
struct content_in {
	int64_t		 bytes;		/* act_size: each piece and its line end, as Postfix counts */
	int64_t		 chunk_left;	/* BDAT: bytes of this chunk still to come */
	int64_t		 chunk_size;
	char		*refusal;	/* the reply when a skipped chunk has been read */
	struct buf	 part;		/* BDAT: a line that the chunk cut */
	size_t		 unused;	/* DATA: bytes at the front of the stream that are no whole line yet */
	bool		 bdat, last;	/* BDAT, with LAST */
	bool		 skipping;	/* an error was found: the chunk is read and thrown away */
	bool		 in_line;	/* the last piece had no line end */
	bool		 prev_bare_lf;	/* the last line ended in a bare LF */
	bool		 saw_bare_lf;
	bool		 too_big;
	bool		 stalled;	/* waited for cleanup, not for the peer */
};

/* ---- the greeting: names and rights of the client (greet.c) ------------------------------------------- */
struct greet {
	struct dns_op	 ptr;
	struct host_op	 host;
	struct match_op	 match;
	struct maps_op	 maps;
	struct access_op access;
	struct access_facts facts;
	int		 step;
	char		*ptr_name;
	bool		 again;		/* after XCLIENT */
};

/* ---- the session ---------------------------------------------------------------------------------------- */
enum state {
	ST_GREET,	/* who is it, what may it, banner: greet->step has the details */
	ST_COMMAND,	/* waiting for a line */
	ST_RUN,		/* a command is at work */
	ST_PENALTY,	/* its reply is held back: too many errors */
	ST_DATA,	/* content of DATA */
	ST_BDAT,	/* content of a BDAT chunk */
	ST_EOD_RULES,	/* smtpd_end_of_data_restrictions */
	ST_QUEUE,	/* cleanup finishes; the reply says QUEUED or not */
	ST_END,		/* closes and frees */
};
extern const char *const state_names[];

struct count { uint16_t ok, all; };

struct session {
	struct task	 task;
	LIST_ENTRY(session) link;
	struct log_ctx	 log;
	struct service	*service;
	const struct view *view;
	const struct smtpd_conf *conf;
	struct stream	*stream;
	enum state	 state;

	/* peer */
	struct sockaddr_in6 sa;		/* or sockaddr_in */
	char		 addr[48];	/* "192.0.2.1", "unknown" after XCLIENT */
	char		 port[8];
	char		 server[64], server_port[8];	/* our end; empty: no network connection */
	char		*name, *rev_name;	/* never NULL once greeted */
	char		*client;	/* "name[addr]" */
	char		*rfc_addr;	/* NULL: as addr, with "IPv6:" in front where it is one */
	uint8_t		 name_status, rev_status;	/* 2, 4, 5, 6 */
	bool		 stand_alone : 1;	/* sendmail -bs: no client, no rules */
	bool		 xclient_ok : 1, xclient_unsure : 1, xforward_ok : 1, xforward_unsure : 1, discard_unsure : 1, counted : 1;
	bool		 esmtp : 1, smtputf8 : 1, body_8bit : 1, body_7bit : 1;
	bool		 early : 1;	/* pipelined where it must not */
	bool		 hangup : 1;	/* a 421 or 521 was said */
	bool		 quiet : 1;	/* drop it without a word */
	bool		 draining : 1;
	bool		 said_connect : 1;	/* "connect from" is in the log */
	bool		 bare_lf_ok : 1;	/* in smtpd_forbid_bare_newline_exclusions */
	bool		 finishing : 1;	/* cleanup was told the end of content */
	uint8_t		 dsn_ret;
	uint8_t		 bdat;		/* enum bdat_state */
	unsigned	 discard;	/* EHLO_* not offered */
	unsigned	 uid;		/* stand-alone */

	/* errors and statistics */
	unsigned	 errors, junk, rcpt_overshoot;
	unsigned	 error_mask;	/* ACCESS_ERR_* */
	const char	*where;		/* "CONNECT", "EHLO", "DATA content" ... for the log */
	const char	*reason;	/* why the session ends: "lost connection" ...; NULL: orderly */
	char		*denied;	/* connect restrictions said no: every command but QUIT is refused */
	struct count	 count[VERBS];

	char		*helo;		/* NULL before HELO */
	char		*sasl_user;	/* XCLIENT LOGIN */
	int64_t		 msg_size;	/* SIZE=, until the transaction ends */
	size_t		 seen;		/* input bytes when the deadline was set */
	struct access_memory memory;
	struct access_actions actions;	/* what access maps want done with the message; MAIL's rules may ask already */
	struct timer	 timer;
	struct buf	 held;		/* replies held back by ST_PENALTY */
	struct footer	*footer;	/* a reply that waits for its footer; NULL: none */
	struct transcript history;	/* what was said, for postmaster */
	struct buf	 cut;		/* a line that was too long, its rest is being skipped */
	int64_t		 deadline_at;	/* now_ms() when the peer's time is up */
	struct forward	*forward;
	struct greet	*greet;
	struct command	*cmd;
	struct trans	*trans;
	struct content_in *content;
	struct access_op *eod;
};

/* session.c */
void	session_new(struct service *, int fd, const struct sockaddr *, socklen_t);
void	session_enter(struct session *, enum state);
void	session_peer_lost(struct session *, enum stream_result);
void	session_arm(struct session *);		/* the peer's deadline, anew */
void	session_progress(struct session *, size_t bytes);	/* content came */
void	session_facts(struct session *, struct access_facts *);
void	session_facts_all(struct session *, struct access_facts *);	/* about all recipients alike */
void	session_reset(struct session *);	/* transaction and content away, as RSET does */
void	session_build_client(struct session *);
char	*session_namaddr(struct session *, const char *name, const char *addr, const char *port);
extern unsigned sessions_open;
extern struct smtpd_counters { uint64_t connections, messages, rejects; } smtpd_counters;

/* greet.c */
void	greet_start(struct session *);
bool	greet_run(struct session *);		/* false: waiting */
void	greet_end(struct session *);

/* reply.c: one reply, "250 2.1.0 Ok", without line end. 421 and 521 end the session. */
void	reply(struct session *, const char *fmt, ...) PRINTF(2, 3);
void	reply_text(struct session *, const char *text);
void	reply_ehlo(struct session *, const char *lines);	/* "250-...\r\n250 ...\r\n" as it is */
bool	reply_held(const struct session *);	/* is there something to hold back? */
void	reply_release(struct session *);
bool	reply_settled(struct session *);	/* false: a reply waits for smtpd_reject_footer_maps */
void	note_error(struct session *, unsigned error_class);

/* notice.c */
void	history_in(struct session *, const char *line);
void	history_out(struct session *, const char *text);
void	history_turn(struct session *);		/* RSET, EHLO, a message's end */
void	history_flush(struct session *, int threshold);

/* command.c */
enum stream_result command_read(struct session *);	/* OK: session->cmd is set, or the line was dealt with (cmd NULL) */
bool	command_run(struct session *);			/* false: waiting */
void	command_end(struct session *);
enum cmd_result protocol_error(struct session *, const char *text);	/* a protocol error: replies, CMD_BAD */
enum cmd_result command_rules(struct session *, struct command *);	/* waits for the rules' verdict; OK: they let it pass */

/* trans.c */
void	trans_new(struct session *, const char *sender);
void	trans_free(struct session *);
void	trans_open(struct session *);		/* queue id, cleanup; logs client= */
void	trans_add(struct session *, const char *addr, const char *orcpt, unsigned notify);
void	trans_content(struct session *);	/* Received: and the like, before the first line */
void	trans_refused(struct session *);	/* by the end-of-data restrictions: the message goes, the envelope stays */
void	trans_finish(struct session *);		/* end of content: what access noted, then cleanup's work */
const char *session_rfc_addr(struct session *, char buf[64]);
const char *session_protocol(const struct session *);
void	forward_reset(struct session *);

/* content.c */
void	content_start(struct session *, bool bdat);
enum stream_result content_data(struct session *);	/* OK: end of data reached */
enum stream_result content_bdat(struct session *);	/* OK: end of the chunk reached */
void	content_bdat_end(struct session *);		/* LAST: the line that was cut, if any */
void	content_free(struct session *);
bool	lenient_lines(const struct session *);	/* line ends need not be CRLF */

/* ending.c: what follows the last byte of content; false: waiting */
bool	run_bdat(struct session *);
bool	run_eod_rules(struct session *);
bool	run_queue(struct session *);
void	session_waits(struct session *);	/* about to wait for the peer */
void	session_next(struct session *);		/* a reply was made: the next command, a pause, or the end */

/* clients.c: how many sessions a client has with a service. */
unsigned client_connect(const struct view *, const char *service, const char *addr);		/* returns the number with this one */
void	client_disconnect(const struct view *, const char *service, const char *addr);

/* verbs */
#define VERB(f) enum cmd_result f(struct session *, struct command *)
VERB(cmd_helo); VERB(cmd_ehlo); VERB(cmd_mail); VERB(cmd_rcpt); VERB(cmd_data); VERB(cmd_bdat); VERB(cmd_rset); VERB(cmd_noop);
VERB(cmd_vrfy); VERB(cmd_etrn); VERB(cmd_quit); VERB(cmd_xclient); VERB(cmd_xforward); VERB(cmd_starttls); VERB(cmd_auth);
enum match_result verp_match(struct session *, struct command *);	/* may the client say XVERP? uses command->match */
/* Attribute values of XCLIENT and XFORWARD (attr.c): splits "name=value", decodes xtext. False: replied. */
bool	attr_split(struct session *, struct command *, struct token *, const char **name_r, char **value_r);
bool	xtext_text(struct buf *out, const char *value);
enum cmd_result attr_bad(struct session *, const char *name, const char *value);
bool	attr_unavailable(const char *value);
bool	attr_address(const char *value, char *bare, size_t size);
bool	attr_port(const char *value);
enum cmd_result local_data_error(struct session *);	/* a table or list cannot answer what must be known */
enum cmd_result cannot_tell(struct session *, const char *what);	/* its access list failed */
char	*printable(const struct session *, char *s);	/* in place: what the log must not have becomes '?' */
void	neuter(char *s);	/* what would spoil a header comment becomes '?' */
void	set_str(char **p, const char *value);
#endif
