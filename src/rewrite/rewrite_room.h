/* rewrite_room.h - what the files of src/rewrite share. */
#ifndef REWRITE_ROOM_H
#define REWRITE_ROOM_H
#include <sys/socket.h>

#include <postrider/address.h>
#include <postrider/hash.h>
#include <postrider/log.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

struct expand_maps;

/* Everything of one generation. Read-only on the loop but for the cache. */
struct rewrite_state {
	const struct view	*view;		/* trivial-rewrite's */
	struct log_ctx		 log;
	char			*log_name;
	const char		*myorigin;
	struct match_list	*mydestination, *alias_domains, *mailbox_domains, *relay_domains;
	struct maps		*transport, *relocated, *sender_transport, *sender_relayhost;
	bool			 transport_parents;	/* "example.com" in transport_maps matches subdomains */
	struct sockaddr_storage	*own;		/* our addresses */
	size_t			 nown;
	bool			 cacheable;	/* no table has a say in routing */
	struct hash		 domains;	/* domain -> struct route */
	struct expand_maps	*expand;	/* per cleanup view */
	size_t			 nexpand;
};
const struct rewrite_state *state_of(const struct generation *);

/* address.c: the list is one address' tokens, in place */
void	rewrite_tokens(const struct rewrite_state *, enum rewrite_context, struct arena *, struct tok_list *);
/* header.c: one address of a header by the rules alone; true: changed */
bool	rewrite_one(const struct rewrite_state *, enum rewrite_context, struct arena *, struct tok *addr);
/* External form in and out, appended. */
void	rewrite_external(const struct rewrite_state *, enum rewrite_context, struct arena *, const char *addr,
	    struct buf *out);

/* own.c */
void	own_addresses_load(struct rewrite_state *, const struct view *, struct problems *);
bool	own_literal(const struct rewrite_state *, const char *domain);	/* "[192.0.2.1]" is ours */

/* local.c: is this domain delivered here? (mydestination, our own literals) */
struct local_op {
	struct match_op	 match;
	bool		 asking;
	bool		 own;		/* a literal of ours: local, unless the list cannot tell */
	enum match_result result;
};
void	local_start(struct local_op *, struct task *, const struct rewrite_state *, const char *domain);
enum match_result local_poll(struct local_op *);
void	local_end(struct local_op *);

/* find.c: look an address up under the keys that Postfix tries. The view says what an extension is. */
enum { FIND_FULL = 1, FIND_BARE = 2 /* without extension */, FIND_LOCAL = 4 /* local part, if the domain is ours */,
    FIND_AT_DOMAIN = 8, FIND_DOMAINS = 16 /* domain and its parents */, FIND_STAR = 32,
    FIND_DEFAULT = FIND_FULL | FIND_BARE | FIND_LOCAL | FIND_AT_DOMAIN };
struct find_op {			/* embedded; zeroed = idle */
	const char	*value;		/* on TABLE_FOUND; ours until end */
	const char	*extension;	/* with its delimiter, when an address without it matched; else NULL */
	/* private to find.c: */
	const struct rewrite_state *st;
	const struct maps *maps;
	const struct log_ctx *log;
	struct task	*task;
	unsigned	 flags;
	enum table_result result;
	unsigned	 step;
	bool		 asking, second /* without quotes */, own, parents;
	char		*addr, *bare, *ext;	/* internal forms */
	const char	*domain, *parent;	/* in addr */
	struct local_op	 local;
	struct maps_op	 op;
	struct buf	 key;
};
void	find_start(struct find_op *, struct task *, const struct rewrite_state *, const struct log_ctx *,
	    const struct maps *, const struct view *, const char *addr, unsigned flags);
enum table_result find_poll(struct find_op *);
void	find_end(struct find_op *);

/* expand_maps.c */
void	expand_maps_load(struct rewrite_state *, struct generation *, struct problems *);
void	expand_maps_release(struct rewrite_state *);
#endif
