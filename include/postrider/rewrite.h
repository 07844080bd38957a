/* rewrite.h - what Postfix's trivial-rewrite does, as operations on the loop: bring an
 * address into standard form, and resolve it to a class, a transport and a next hop; and what
 * its cleanup does with envelope addresses: canonical and virtual alias maps, bcc.
 * Compiled once per generation (generation_hook "rewrite"); the parameters are those of the
 * trivial-rewrite line of master.cf, for expansion those of the cleanup line. */
#ifndef POSTRIDER_REWRITE_H
#define POSTRIDER_REWRITE_H
#include <postrider/base.h>
#include <postrider/buf.h>

struct task; struct generation; struct view; struct maps; struct problems; struct log_ctx; struct sockaddr; struct arena; struct tok; struct extension_rules;

enum rewrite_result { REWRITE_WAIT = 0, REWRITE_OK, REWRITE_ERROR /* a table cannot answer: temporary */ };
enum rewrite_context { REWRITE_LOCAL, REWRITE_REMOTE /* remote_header_rewrite_domain; "" leaves alone */, REWRITE_NONE };

/* How the view's addresses are split into user and extension. */
struct extension_rules rewrite_extensions(const struct view *);

/* ---- standard form ------------------------------------------------------------------------------ */
/* append_at_myorigin, append_dot_mydomain, swap_bangpath, allow_percent_hack, source routes. Pure and
 * immediate (no tables): internal form in, internal form out, appended. "" stays "". */
void	rewrite_address(const struct generation *, enum rewrite_context, const char *addr, struct buf *out);
/* One header's addresses: text is the whole header "Name: value" (NUL-terminated, unfolded: '\n' between its lines),
 * name_len the length of its name; out gets the new header text, appended, folded as Postfix folds: '\n' and a tab
 * between lines. False: nothing changed, out untouched. */
bool	rewrite_header(const struct generation *, enum rewrite_context, const char *text, size_t name_len, struct buf *out);
/* The same through cleanup's maps (canonical maps, masquerading): may wait. */
struct expand_ctx; struct header_run;
struct header_op {			/* embedded; zeroed = idle */
	struct buf	 text;		/* on REWRITE_OK, when changed: the new header; ours until end */
	bool		 changed;
	const char	*why;		/* on REWRITE_ERROR; what happened is logged */
	/* private to src/rewrite: */
	enum rewrite_result result;
	struct header_run *run;
};
/* of_senders: the header names senders (From:), else recipients. ctx is borrowed while the operation runs. */
void	header_op_start(struct header_op *, struct task *, const struct expand_ctx *, enum rewrite_context, const char *text,
	    size_t name_len, bool of_senders);
enum rewrite_result header_op_poll(struct header_op *);
void	header_op_end(struct header_op *);
/* ---- on the way out: smtp_generic_maps, lmtp_generic_maps ----------------------------------------- */
/* An address leaves under another name: the first of what the table gives, in standard form; it is not asked for again. */
struct generic {			/* of one service; fill by generic_load(), zeroed = none */
	const struct generation *generation;
	const struct view *view;
	const struct maps *maps;
	bool		 propagate;	/* propagate_unmatched_extensions has "generic" */
};
void	generic_load(struct generic *, struct generation *, const struct view *, const char *param, const char *value,
	    struct problems *);
bool	generic_empty(const struct generic *);
struct generic_op {			/* embedded; zeroed = idle */
	struct buf	 addr;		/* on REWRITE_OK: what to send; ours until end */
	struct buf	 why;		/* on REWRITE_ERROR: "smtp_generic_maps map lookup problem for x" */
	/* private to src/rewrite: */
	enum rewrite_result result;
	void		*priv;
};
void	generic_start(struct generic_op *, struct task *, const struct generic *, const struct log_ctx *, const char *addr);
enum rewrite_result generic_poll(struct generic_op *);
void	generic_end(struct generic_op *);
/* The same for the addresses of one header; ended like any header_op. */
void	header_op_start_generic(struct header_op *, struct task *, const struct generic *, const struct log_ctx *,
	    const char *text, size_t name_len);

/* Is it one of inet_interfaces' or proxy_interfaces' addresses? */
bool	rewrite_own_address(const struct generation *, const struct sockaddr *);

/* ---- routing -------------------------------------------------------------------------------------- */
enum addr_class { CLASS_LOCAL = 1, CLASS_ALIAS = 2, CLASS_VIRTUAL = 4, CLASS_RELAY = 8, CLASS_DEFAULT = 16 };
enum { RESOLVE_ROUTED = 1 /* sender-specified routing: user%x@y, a!b, quoted @ */, RESOLVE_ERROR = 2 /* bad address */,
    RESOLVE_FAIL = 4 /* table failure: try later */ };
struct resolve_op {			/* embedded; zeroed = idle */
	/* On REWRITE_OK, ours until end. With RESOLVE_ERROR they say error:5.1.3 bad address syntax, with RESOLVE_FAIL
	 * retry:4.3.0 address resolver failure, so a scheduler need not look at the flags. */
	struct buf	 transport, nexthop, recipient;	/* recipient: rewritten internal form */
	unsigned	 class_;	/* enum addr_class */
	unsigned	 flags;		/* RESOLVE_* */
	const char	*why;		/* on RESOLVE_ERROR/FAIL: text with DSN, e.g. "5.1.3 bad address syntax"; else NULL */
	/* private to src/rewrite: */
	struct task	*task;
	enum rewrite_result result;
	bool		 active;
	void		*priv;
};
/* Resolves recipient (internal form, already rewritten); sender matters for sender-dependent routing. Always ends in
 * REWRITE_OK. Domains are remembered per generation (bounded) as long as no table takes part. */
void	resolve_start(struct resolve_op *, struct task *, const struct generation *, const char *sender, const char *recipient);
enum rewrite_result resolve_poll(struct resolve_op *);
void	resolve_end(struct resolve_op *);

/* "transport:nexthop" of a content filter, for one recipient; without a next hop its domain is it. Appended. */
void	resolve_filter(const char *filter, const char *recipient, struct buf *transport, struct buf *nexthop);

/* ---- expansion ------------------------------------------------------------------------------------ */
/* One envelope address in, a list of addresses out: standard form, canonical maps, masquerading; a recipient's virtual
 * aliases. */
struct expand_op {
	struct strs	 addr;		/* on REWRITE_OK, ours until end; always at least one */
	const char	*canonical;	/* the address before virtual aliases; ours until end */
	struct strs	 bcc;		/* automatic copies (sender_bcc_maps, recipient_bcc_maps), standard form */
	const char	*why;		/* on REWRITE_ERROR: "4.3.0 ..." or "4.6.0 Alias expansion error"; what happened is logged */
	/* private to src/rewrite: */
	struct task	*task;
	enum rewrite_result result;
	bool		 active;
	void		*priv;
};
enum { EXPAND_NO_MAPS = 1 /* receive_override_options no_address_mappings */, EXPAND_NO_BCC = 2 };
struct expand_ctx {		/* borrowed while the operation runs */
	const struct generation	*generation;
	const struct view	*view;		/* the cleanup service's */
	const struct log_ctx	*log;
	const char		*queue_id;
	unsigned		 flags;
};
void	expand_rcpt_start(struct expand_op *, struct task *, const struct expand_ctx *, const char *addr);
void	expand_sender_start(struct expand_op *, struct task *, const struct expand_ctx *, const char *addr);
enum rewrite_result expand_poll(struct expand_op *);
void	expand_end(struct expand_op *);

void	rewrite_init(void);		/* registers the generation hook */
#endif
