/* expand_room.h - maps of one cleanup service, and one address' way through them. */
#ifndef EXPAND_ROOM_H
#define EXPAND_ROOM_H
#include "rewrite_room.h"

enum { ENV_SENDER = 1, ENV_RCPT = 2, HDR_SENDERS = 4, HDR_RCPTS = 8 };	/* canonical_classes and friends */
struct expand_maps {
	const struct view *view;
	struct maps	*canonical, *sender_canonical, *rcpt_canonical, *virtual_, *sender_bcc, *rcpt_bcc;
	unsigned	 canonical_classes, sender_classes, rcpt_classes, masquerade_classes;
	struct strs	 masquerade;		/* masquerade_domains */
	struct match_list *exceptions;		/* masquerade_exceptions */
	bool		 propagate_canonical, propagate_virtual;
	bool		 any;			/* some map is set: else addresses only need standard form */
	bool		 any_header;		/* one that applies to headers */
};
/* expand.c: an address in standard form through the maps for its kind (ENV_*, HDR_*); headers' end before virtual
 * aliases. */
void	expand_start(struct expand_op *, struct task *, const struct expand_ctx *, const char *addr, unsigned kind);
const struct expand_maps *expand_maps_of(const struct rewrite_state *, const struct view *);

/* map.c: one look-up and what its answer means: a list of addresses in standard internal form. */
struct map_op {			/* embedded; zeroed = idle */
	struct strs	 addr;		/* on TABLE_FOUND; ours until end */
	/* private: */
	const struct rewrite_state *st;
	const struct log_ctx *log;
	const struct maps *maps;
	char		*asked;		/* the address */
	bool		 propagate;
	enum table_result result;
	struct find_op	 find;
};
void	map_start(struct map_op *, struct task *, const struct rewrite_state *, const struct log_ctx *,
	    const struct maps *, const struct view *, const char *addr, bool propagate);
enum table_result map_poll(struct map_op *);
void	map_end(struct map_op *);
bool	lists_word(const char *text, const char *word);	/* is word one of the words, ignoring case? */
void	masquerade(const struct expand_maps *, struct buf *addr);
#endif
