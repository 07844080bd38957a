/* expand.c - placeholder */
#include "rewrite_room.h"

void expand_maps_load(struct rewrite_state *st, struct generation *g, struct problems *p)
{
	(void)st, (void)g, (void)p;
}

void expand_maps_release(struct rewrite_state *st)
{
	(void)st;
}

static void start(struct expand_op *op, struct task *task, const struct expand_ctx *c, const char *addr)
{
	struct buf b = { 0 };

	*op = (struct expand_op){ .task = task, .active = true, .result = REWRITE_OK };
	rewrite_address(c->generation, REWRITE_LOCAL, addr, &b);
	strs_add(&op->addr, buf_str(&b));
	op->canonical = op->addr.v[0];
	buf_release(&b);
}

void expand_rcpt_start(struct expand_op *op, struct task *task, const struct expand_ctx *c, const char *addr)
{
	start(op, task, c, *addr != '\0' ? addr : view_str(c->view, empty_address_recipient));
}

void expand_sender_start(struct expand_op *op, struct task *task, const struct expand_ctx *c, const char *addr)
{
	start(op, task, c, addr);
}

enum rewrite_result expand_poll(struct expand_op *op)
{
	ASSERT(op->active);
	return op->result;
}

void expand_end(struct expand_op *op)
{
	strs_release(&op->addr);
	strs_release(&op->bcc);
	*op = (struct expand_op){ 0 };
}
