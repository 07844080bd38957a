/* rewrite.h - what Postfix's trivial-rewrite does, as operations on the loop: bring an
 * address into standard form, and resolve it to a class, a transport and a next hop.
 * Canonical, masquerade, virtual alias, bcc and generic maps belong here too (issue by issue).
 * Compiled once per generation (generation_hook "rewrite"). */
#ifndef POSTRIDER_REWRITE_H
#define POSTRIDER_REWRITE_H
#include <postrider/base.h>
#include <postrider/buf.h>

struct task; struct generation; struct view;

enum rewrite_result { REWRITE_WAIT = 0, REWRITE_OK, REWRITE_ERROR /* a table cannot answer: temporary */ };
enum rewrite_context { REWRITE_LOCAL, REWRITE_REMOTE /* remote_header_rewrite_domain; "" leaves alone */, REWRITE_NONE };

/* Standard form: append_at_myorigin, append_dot_mydomain, swap_bangpath, allow_percent_hack, source routes. Pure and
 * immediate (no tables): internal form in, internal form out. */
void	rewrite_address(const struct generation *, enum rewrite_context, const char *addr, struct buf *out);
/* One header's addresses in place: text is the whole header "Name: value" (unfolded); out gets the new
 * header text, folded as Postfix folds. False: nothing changed. */
bool	rewrite_header(const struct generation *, enum rewrite_context, const char *text, size_t len, struct buf *out);

enum addr_class { CLASS_LOCAL = 1, CLASS_ALIAS = 2, CLASS_VIRTUAL = 4, CLASS_RELAY = 8, CLASS_DEFAULT = 16 };
enum { RESOLVE_ROUTED = 1 /* sender-specified routing: user%x@y, a!b, quoted @ */, RESOLVE_ERROR = 2 /* bad address: error transport */,
    RESOLVE_FAIL = 4 /* table failure: try later */ };
struct resolve_op {			/* embedded; zeroed = idle */
	/* On REWRITE_OK, ours until end: */
	struct buf	 transport, nexthop, recipient;	/* recipient: rewritten internal form */
	unsigned	 class_;	/* enum addr_class */
	unsigned	 flags;		/* RESOLVE_* */
	const char	*why;		/* on RESOLVE_ERROR/FAIL: text with DSN, e.g. "5.1.3 bad address syntax" */
	/* private to src/rewrite: */
	struct task	*task;
	enum rewrite_result result;
	bool		 active;
	void		*priv;
};
/* Resolves recipient (internal form, already rewritten); sender matters for sender-dependent routing. The
 * result is cached per generation (bounded) as long as no table with outside contents took part. */
void	resolve_start(struct resolve_op *, struct task *, const struct generation *, const char *sender, const char *recipient);
enum rewrite_result resolve_poll(struct resolve_op *);
void	resolve_end(struct resolve_op *);

/* Recipient mapping of cleanup: canonical, masquerade, virtual alias expansion (later issue: all tables). One
 * address in, a list of addresses out. */
struct expand_op {
	struct strs	 addr;		/* on REWRITE_OK, ours until end; always at least one */
	const char	*why;
	struct task	*task;
	enum rewrite_result result;
	bool		 active;
	void		*priv;
};
enum { EXPAND_NO_VIRTUAL = 1, EXPAND_NO_CANONICAL = 2, EXPAND_NO_BCC = 4, EXPAND_NO_MASQUERADE = 8 };	/* receive_override_options, flags */
void	expand_rcpt_start(struct expand_op *, struct task *, const struct generation *, const struct view *, const char *addr, unsigned flags);
void	expand_sender_start(struct expand_op *, struct task *, const struct generation *, const struct view *, const char *addr, unsigned flags);
enum rewrite_result expand_poll(struct expand_op *);
void	expand_end(struct expand_op *);

/* Is this domain one we are final for or relay to? For access checks; CLASS_* or CLASS_DEFAULT (resolves as far
 * as needed; see access). */
void	rewrite_init(void);		/* registers the generation hook */
#endif
