/* resolve_room.h - one resolution under way: shared by the machine (resolve.c) and its life (resolve_op.c). */
#ifndef RESOLVE_ROOM_H
#define RESOLVE_ROOM_H
#include <postrider/trace.h>

#include "rewrite_room.h"

enum resolve_step { S_STRIP, S_LOCAL, S_CUT, S_ROUTE, S_HOST, S_CLASSIFY, S_ALIAS, S_MAILBOX, S_RELAY, S_WARN,
    S_SENDER_TRANSPORT, S_SENDER_RELAYHOST, S_TRANSPORT, S_RELOCATED, S_DONE };
struct resolve_run {
	struct arena	 arena;
	const struct rewrite_state *st;
	struct resolve_op *op;
	enum resolve_step step;
	const char	*addr, *sender;		/* in the arena */
	struct tok_list	 tree, saved;		/* the address; "@domain" last cut off */
	struct tok	*at;			/* the '@' whose domain is being looked at */
	unsigned	 loops, max_loops;
	bool		 is_local;
	struct buf	 told;			/* for who listens: the address as last told */
	const char	*domain;		/* in op->recipient */
	const char	*blame;			/* parameter that gave the transport */
	const char	*own_transport;		/* of the sender */
	unsigned	 warned;		/* lists compared */
	bool		 asking, finding;
	struct local_op	 local;
	struct match_op	 match;
	struct find_op	 find;
};
bool	resolve_run(struct resolve_run *);	/* false: waiting */
#endif
