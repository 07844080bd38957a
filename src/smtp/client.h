/* client.h - private to src/smtp: what its files share.
 *
 * One delivery is one `struct attempt`, a state machine run by the delivery's task (agent.c):
 *
 *	next hops ──► addresses ──► connection ──► transaction ──► outcome
 *	agent.c       route.c       conn.c         xfer.c, body.c  trouble.c
 *	              dest.c        connect.c  command.c
 *	                            cache.c
 *	                            hello.c
 *
 * generic.c and flags.c do what comes before; reply.c parses what servers say; params.c reads a service's parameters,
 * smtp_ or lmtp_. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <postrider/base.h>
#include <postrider/bounce.h>
#include <postrider/buf.h>
#include <postrider/config.h>
#include <postrider/dns.h>
#include <postrider/hash.h>
#include <postrider/loop.h>
#include <postrider/qmgr.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/store.h>
#include <postrider/stream.h>
#include <postrider/table.h>
#include <sys/socket.h>

struct conn;
struct attempt;

/* ---- parameters (params.c) -------------------------------------------------------------------------------------- */
enum {	/* what a server's answer to EHLO offers, and what we make of it */
	FEAT_ESMTP		= 1 << 0,
	FEAT_8BITMIME		= 1 << 1,
	FEAT_PIPELINING		= 1 << 2,
	FEAT_SIZE		= 1 << 3,
	FEAT_STARTTLS		= 1 << 4,
	FEAT_AUTH		= 1 << 5,
	FEAT_DSN		= 1 << 6,
	FEAT_SMTPUTF8		= 1 << 7,
	FEAT_XFORWARD_NAME	= 1 << 8,
	FEAT_XFORWARD_ADDR	= 1 << 9,
	FEAT_XFORWARD_PORT	= 1 << 10,
	FEAT_XFORWARD_PROTO	= 1 << 11,
	FEAT_XFORWARD_HELO	= 1 << 12,
	FEAT_XFORWARD_IDENT	= 1 << 13,
	FEAT_XFORWARD_DOMAIN	= 1 << 14,
	FEAT_PIX_NO_ESMTP	= 1 << 15,	/* workaround disable_esmtp is in force */
	FEAT_PIX_DELAY_DOTCRLF	= 1 << 16,	/* workaround delay_dotcrlf is in force */
	FEAT_XFORWARD		= 127 << 8,	/* all of XFORWARD */
	EHLO_SILENT		= 1 << 17,	/* in a discard mask: say nothing about it */
	FEAT_IGNORED		= 1 << 18,	/* and the next four: keywords without meaning for a client */
};
enum { CLIENT_DELIVERED = 1, CLIENT_ORIGINAL = 2, CLIENT_RETURN = 4, CLIENT_FINAL = 8 };	/* flags=DORX */
enum prefer { PREFER_ANY, PREFER_IPV4, PREFER_IPV6 };

struct smtp_params {		/* strings are borrowed from the configuration */
	bool		 lmtp;
	const char	*myhostname, *helo_name, *relayhost, *fallback_relay, *tcp_port, *queue_directory, *double_bounce;
	const char	*discard_words, *pix_words;
	const char	*tls_demand;	/* "smtp_tls_security_level = encrypt": not to be had; NULL: nothing */
	bool		 sasl;		/* credentials are configured: never without when AUTH is offered */
	bool		 chroot;
	bool		 use_dns;	/* else host look-ups only, and those natively */
	bool		 lookup_dns, lookup_native;	/* smtp_host_lookup */
	int		 search;		/* ..._dns_resolver_options: HOST_DEFNAMES, HOST_DNSRCH */
	bool		 ipv4, ipv6;
	enum prefer	 prefer;
	bool		 randomize, balance, ignore_mx_error, defer_if_no_mx_address;
	int		 mx_address_limit, mx_session_limit;
	bool		 bind_enforce;
	bool		 always_ehlo, never_ehlo, skip_5xx_greeting, skip_quit_response, xforward, quote_envelope;
	unsigned	 flags;		/* CLIENT_*: flags= of its line in master.cf */
	char		*unfit;		/* what is wrong with that line: nothing is sent; owned; NULL: nothing */
	bool		 mime_downgrade, soft_bounce, assume_final, per_request_deadline;
	bool		 verify_at_data;	/* ..._address_verify_target: probes ask up to DATA */
	bool		 cname_overrides;	/* ..._cname_overrides_servername */
	int		 min_data_rate, line_limit, reply_max, header_limit, nesting_limit, boundary_limit;
	bool		 notify;		/* notify_classes: transcripts of sessions with protocol errors */
	bool		 cache_on_demand;
	int64_t		 cache_ms, reuse_ms;
	int		 reuse_count;
	int64_t		 pix_delay_ms, pix_threshold_s;
	int64_t		 connect_ms, helo_ms, xforward_ms, mail_ms, rcpt_ms, data_init_ms, data_xfer_ms, data_done_ms,
			 rset_ms, quit_ms;
};

struct smtp_service {		/* what compile() makes of one line of master.cf */
	struct smtp_params p;
	bool		 said_obsolete;	/* the warning about lmtp_assume_final */
	const struct service *service;		/* whose state this is */
	struct match_list *cache_dest;		/* smtp_connection_cache_destinations */
	struct maps	*discard_maps, *pix_maps;
	struct generic	 generic;		/* smtp_generic_maps */
	struct table	*reply_filter;		/* NULL: none */
	struct maps	*dns_filter;		/* ..._dns_reply_filter; NULL: none */
	struct sockaddr_storage bind4, bind6;	/* source addresses; ss_family 0: the kernel chooses */
	struct hash	 ports;			/* service name -> port, from /etc/services */
	/* the connection cache: on the loop only */
	struct hash	 by_dest, by_addr;	/* key -> struct slot */
	TAILQ_HEAD(conns, conn) parked;		/* resetting, idle or saying good-bye */
	bool		 listed;		/* among the services with a cache */
	TAILQ_ENTRY(smtp_service) link;
};
void	params_load(struct smtp_params *, const struct view *, bool lmtp);
void	flags_load(struct smtp_params *, const struct master_entry *, struct problems *);	/* (flags.c) */
/* Words and forms that params_load() takes for granted (check.c). */
void	params_check(const struct view *, bool lmtp, struct problems *);
/* Bits of a list of EHLO keywords; the unknown ones are named in a warning under ctx (may be NULL). */
unsigned client_ehlo_mask(const struct log_ctx *ctx, const char *words, const char *where);
void	ehlo_mask_print(struct buf *out, unsigned mask);
unsigned pix_mask(const char *words);
void	pix_mask_print(struct buf *out, unsigned mask);

/* ---- source addresses (source.c) -------------------------------------------------------------------------------- */
void	source_address(struct sockaddr_storage *out, int family, const char *param, const char *text,
	    const char *interfaces, struct problems *);

/* ---- destinations (dest.c) -------------------------------------------------------------------------------------- */
struct dest {			/* one next hop, parsed */
	char		*host;		/* without brackets; owned */
	bool		 mx;		/* not in brackets: MX hosts are looked up */
	unsigned	 port;
};
/* "host", "[host]", either with ":port" or ":service". NULL, or what is wrong with it as Postfix
 * says it (malloced). */
char	*dest_parse(struct dest *, const char *text, const char *def_port, const struct hash *ports);
void	dest_release(struct dest *);
void	ports_load(struct hash *ports, const char *path, const char *known);	/* /etc/services, known_tcp_ports; blocking */

/* ---- filtered answers (rrfilter.c) ------------------------------------------------------------------------------ */
enum rr_result { RR_WAIT = 0, RR_SOME, RR_NONE, RR_BAD /* the table failed, or makes no sense */ };
struct rr_filter {		/* an operation, embedded; zeroed = idle */
	bool		*drop;		/* on RR_SOME: by the record's place in the answer; ours until rr_filter_end() */
	/* private: */
	enum rr_result	 result;
	struct task	*task;		/* NULL: idle */
	const struct log_ctx *log;
	const struct maps *maps;
	const struct dns_answer *answer;	/* borrowed */
	const struct dns_rr *rr;	/* being looked up */
	size_t		 i, left;
	struct maps_op	 op;
	struct buf	 text;
};
void	rr_filter_start(struct rr_filter *, struct task *, const struct log_ctx *, const struct maps *,
	    const struct dns_answer *);
enum rr_result rr_filter_poll(struct rr_filter *);
void	rr_filter_end(struct rr_filter *);

/* ---- addresses of a destination (route.c) ----------------------------------------------------------------------- */
struct hop {			/* one address to try */
	struct sockaddr_storage sa;	/* with port */
	socklen_t	 len;
	const char	*host;		/* name it was found under; lives as long as the route */
	unsigned	 pref;
};
enum route_result { ROUTE_WAIT = 0, ROUTE_OK, ROUTE_FAILED };
enum { ROUTE_HOSTS_MAX = 64, ROUTE_HOPS_MAX = 256 };	/* no zone makes us look further */
struct route {			/* an operation, embedded; zeroed = idle */
	/* Results, valid until route_end(): */
	struct hop	*hop;		/* ROUTE_OK: in the order to try */
	size_t		 nhop;
	unsigned	 best_pref;
	bool		 am_mx;		/* we are a backup MX of it: other next hops are not tried */
	char		 dsn[8];	/* ROUTE_FAILED: "5.4.4" */
	struct buf	 why;
	/* private: */
	enum route_result result;
	struct task	*task;
	const struct log_ctx *log;
	const struct smtp_service *svc;
	char		*name;		/* as given */
	char		*ascii;		/* the same in A-labels */
	unsigned	 port;
	bool		 hosts_phase, from_mx, native;
	struct dns_op	 mx;
	struct rr_filter mx_filter;
	struct mx_host	*host;		/* being looked up */
	size_t		 nhost;
};
void	route_start(struct route *, struct task *, const struct log_ctx *, const struct smtp_service *,
	    const struct dest *);
enum route_result route_poll(struct route *);
void	route_end(struct route *);

/* ---- replies (reply.c) ------------------------------------------------------------------------------------------ */
struct reply {
	int		 code;		/* of the last line; 0: not three digits */
	char		 dsn[12];	/* enhanced status; "5.0.0" where the server gave none; 5.5.0: not SMTP */
	struct buf	 text;		/* printable; lines separated by '\n' */
	bool		 garbage;	/* the line just pushed was no reply line */
	bool		 overflow;	/* lines were left out of the text */
};
void	reply_begin(struct reply *);
/* One line without its end; true when it was the last of the reply. max bounds the text that is kept. */
bool	reply_push(struct reply *, const char *line, size_t len, size_t max);
void	reply_flatten(struct reply *);	/* '\n' becomes ' ', as in logs and notices */

/* ---- connections (conn.c, cache.c) ------------------------------------------------------------------------------ */
enum { CONN_IN_MAX = 8192 };	/* of what a server says, this much waits in memory */
enum conn_state {
	CONN_BUSY,		/* an attempt has it */
	CONN_RESET,		/* parked, waiting for the answer to RSET before it may be used again */
	CONN_IDLE,		/* parked in the cache */
	CONN_QUIT,		/* parked, waiting for the answer to QUIT */
};
struct slot {			/* idle connections under one key */
	TAILQ_HEAD(, conn) idle;	/* last used first */
	char		*key;
};
struct conn {
	struct stream	*stream;
	struct smtp_service *svc;
	enum conn_state	 state;
	char		*host, *addr;		/* "mx1.good.test", "198.51.100.1"; or our name and a path */
	struct sockaddr_storage sa;		/* of the server */
	char		*namaddr;		/* "mx1.good.test[198.51.100.1]" */
	char		*relay;			/* the same with ":25"; unix: without */
	unsigned	 features;		/* FEAT_* */
	int64_t		 size_limit;		/* announced; 0: none */
	bool		 alternatives;		/* its next hop has further addresses */
	bool		 no_reuse;
	bool		 dead;			/* lost or timed out: nothing more is said on it */
	bool		 open_mail;		/* MAIL was accepted and neither dot nor RSET has ended it */
	unsigned	 uses;			/* transactions begun */
	int64_t		 born_ms;
	struct log_ctx	 log;			/* of the attempt that had it last */
	char		 last_id[QUEUE_ID_TEXT];	/* its message */
	struct reply	 reply;
	bool		 in_reply, skipping;	/* within a reply; within an over-long line */
	bool		 armed;			/* the deadline for this reply is set */
	bool		 upset;			/* an answer was no proper one: postmaster may want to know */
	struct transcript history;		/* since it was made or taken from the cache */
	struct table_op	 filter;		/* smtp_reply_filter, at a line */
	bool		 filtering, line_cut, filter_failed;
	struct buf	 line;			/* that line, then what takes its place */
	struct task	*owner;			/* who waits for replies: a delivery, or `task` */
	/* parked: */
	struct task	 task;
	struct slot	*dest_slot, *addr_slot;
	TAILQ_ENTRY(conn) dest_link, addr_link, link;
};
struct conn *conn_new(struct smtp_service *, struct stream *, const char *host, const char *addr, unsigned port);
void	conn_rename(struct conn *, const char *host);	/* the same server under another name */
void	conn_free(struct conn **);
/* One reply, complete in c->reply; id is for the log. */
enum stream_result conn_reply(struct conn *, const struct log_ctx *, const char *id);
void	conn_arm(struct conn *, int64_t ms);		/* the time limit for the reply, once per reply */
void	conn_puts(struct conn *, const char *line);	/* one command, without its line end */
void	conn_said(struct conn *, const char *line);	/* a command went out another way: for the transcript */
void	conn_check_code(struct conn *, int code);	/* a failure: of a kind that RFC 5321 says is a protocol error? */
void	conn_notify(struct conn *, const struct message *);	/* its end or pause: the transcript goes, or is forgotten */

struct conn *cache_take_dest(struct smtp_service *, const char *dest, struct task *);
struct conn *cache_take_addr(struct smtp_service *, const struct sockaddr *, struct task *);
/* Gives a connection back: into the cache under its address, and under this next hop unless NULL. */
void	cache_park(struct conn **, const char *dest);
void	cache_quit(struct conn **, bool quit_sent);	/* good-bye, in the background */
void	cache_release(struct smtp_service *);		/* closes everything */
bool	conn_may_reuse(const struct conn *);
void	cache_close_all(void);
extern struct smtp_counts { uint64_t connections, reused, cached; } smtp_counts;

/* ---- an attempt ------------------------------------------------------------------------------------------------- */
enum state {
	ST_NEXT_DEST,		/* take the next of the next hops */
	ST_CACHE_POLICY,	/* is it one whose connections are always kept? */
	ST_ROUTE,		/* its addresses */
	ST_NEXT_HOP,		/* take the next address: cached connection or new one */
	ST_CONNECT,
	ST_BANNER,
	ST_PIX,			/* smtp_pix_workaround_maps */
	ST_EHLO,		/* or LHLO */
	ST_DISCARD,		/* smtp_discard_ehlo_keyword_address_maps */
	ST_HELO,
	ST_TRANSACTION,		/* session is up: may this message go there at all? */
	ST_COMMANDS,		/* XFORWARD, MAIL, RCPT, DATA and their replies */
	ST_BODY,		/* content */
	ST_PAUSE,		/* PIX: the dot goes out by itself */
	ST_DOT,			/* the reply, or replies, to it */
	ST_GENERIC,		/* first of all, with smtp_generic_maps: names that addresses go out under */
	ST_LEFTOVER,		/* no address left: what becomes of the rest */
	ST_LOOP,		/* before that, with flags=D: has it been here for this recipient? */
	ST_DONE,
};
enum verb { V_XFORWARD_ADDR, V_XFORWARD_PROTO, V_MAIL, V_RCPT, V_DATA, V_DOT };
enum mark { MARK_TODO, MARK_ACCEPTED, MARK_KEEP };	/* of a recipient, within one session */

struct why {			/* the last failure */
	char		 dsn[12];	/* "" : none yet */
	struct buf	 text;
	char		*mta, *diagnostic;	/* who said it and what; NULL: we did */
};
struct attempt {
	struct delivery	*d;
	struct smtp_service *svc;
	enum state	 state;
	struct why	 why;
	/* where to */
	struct strs	 dest;			/* next hops, then fallback relays */
	size_t		 ndest, idest;		/* of them not fallback relays; being tried */
	struct dest	 at;
	struct route	 route;
	size_t		 ihop;			/* next address in route */
	int		 naddr, nsess;		/* tried so far, against the limits */
	bool		 last_dest, last_hop;	/* nothing better will come: failures are final */
	bool		 keep_conn;		/* cache_destinations names it */
	bool		 dest_stored;		/* a connection was kept under the next hop already */
	bool		 routed;		/* route has the addresses */
	bool		 local;			/* a UNIX socket, at path */
	const char	*path;			/* borrowed */
	struct {				/* the connection being made */
		struct stream	*stream;	/* NULL: none */
		const char	*host;		/* borrowed from the route */
		char		 addr[112];	/* printable */
		struct sockaddr_storage sa;
	} opening;
	bool		 bound;			/* with a source address of our choice */
	bool		 retry_unbound;		/* the second try: without, or outside the chroot */
	struct sockaddr_storage tried[8];	/* cached connections' addresses used up by this attempt */
	unsigned	 ntried;
	struct match_op	 match;
	struct maps_op	 map;
	/* the session */
	struct conn	*conn;
	bool		 by_dest;		/* it was kept for this next hop: no addresses were looked up */
	bool		 from_cache;		/* it was idle, and nothing was heard on it since */
	const char	*where;			/* "sending RCPT TO": for what goes wrong */
	struct timer	 pause;
	/* the transaction */
	unsigned	*todo;			/* indexes of recipients without outcome; room for all */
	uint8_t		*mark;			/* of todo[i] */
	unsigned	 ntodo, naccepted;
	enum verb	 snd, rcv;		/* next to send, next to be answered */
	unsigned	 snd_rcpt, rcv_rcpt;	/* cursors into todo */
	unsigned	 outstanding;		/* commands without reply */
	bool		 sent_all;		/* DATA is out */
	bool		 mail_refused, quit_sent;
	size_t		 body_queued;		/* when the time limit was last set: progress sets it anew */
	struct body	*body;			/* content on its way; NULL: none */
	struct content	*content;		/* held while the stream refers to it */
	struct buf	 cmd, scratch;		/* commands being made */
	/* smtp_generic_maps: NULL and empty where nothing is to be named otherwise */
	struct naming	*naming;
	char		**named;		/* the sender, each recipient, with flags=O its original */
	struct buf	 new_header;		/* instead of the header part */
	struct loop_check *loop_check;		/* flags=D: reading the headers; NULL: not */
};

/* trouble.c: texts and decisions. fmt gives the reason; it is kept in a->why. */
void	why_set(struct attempt *, const char *dsn, const struct reply *said, const char *fmt, ...) PRINTF(4, 5);
void	why_clear(struct why *);
void	fail_rcpt(struct attempt *, unsigned todo_index);	/* a->why for one recipient */
void	fail_all(struct attempt *, bool site);			/* a->why for all left; site: the server's fault */
void	fail_io(struct attempt *, enum stream_result);		/* connection lost or timed out while a->where */
void	done_rcpt(struct attempt *, unsigned todo_index, const struct reply *);
void	conn_setup_done(struct attempt *);			/* delays=: the connection is made, or never will be */
bool	why_soft(const struct why *);

/* command.c */
void	command_write(struct attempt *);		/* the command a->snd says */
bool	command_downgrades(const struct attempt *);	/* 8-bit content is converted for this server */
bool	command_xforward_addr(const struct attempt *);	/* is there something to say with XFORWARD? */
bool	command_xforward_proto(const struct attempt *);

/* generic.c */
bool	generic_step(struct attempt *);
void	generic_stop(struct attempt *);
const char *generic_sender(const struct attempt *);		/* as this service names them */
const char *generic_rcpt(const struct attempt *, unsigned rcpt_index);
const char *generic_orig(const struct attempt *);		/* of the one recipient; only with flags=O */

/* flags.c */
bool	flags_allow(struct attempt *);			/* with flags=DO one recipient at a time; false: all are deferred */
bool	loop_check_step(struct attempt *);
void	loop_check_stop(struct attempt *);
void	flags_write(const struct attempt *);		/* the headers before all others */

/* hello.c, xfer.c: one step of the states they own; false: wait. */
bool	hello_step(struct attempt *);
bool	xfer_step(struct attempt *);
void	xfer_begin(struct attempt *);
/* connect.c: the state ST_CONNECT */
void	connect_start(struct attempt *);
bool	connect_step(struct attempt *);
/* agent.c */
void	session_begin(struct attempt *, struct conn *, bool cached);
void	attempt_enter(struct attempt *, enum state);
void	session_end(struct attempt *);		/* the connection goes to the cache or away; on with what is left */
void	client_lost(struct attempt *, enum stream_result);	/* fail_io, unless a cached one was dead already */
bool	attempt_final(const struct attempt *);	/* this is the last server that will be asked */
bool	attempt_reusable(const struct attempt *);	/* the connection will be kept if all goes well */

/* body.c: the content, as the wire wants it. */
enum body_result { BODY_WAIT = 0, BODY_DONE, BODY_FAILED };
struct body *body_new(struct attempt *);
enum body_result body_poll(struct body *);	/* queues what fits; DONE: all, with the last line end */
const char *body_error(const struct body *);	/* BODY_FAILED: what is wrong with it; NULL: unreadable */
void	body_free(struct body **);

#endif
