/* generic.c - addresses on their way out: smtp_generic_maps and lmtp_generic_maps. */
#include <stdlib.h>

#include <postrider/trace.h>

#include "expand_room.h"

struct generic_run {
	const struct generic *generic;
	const struct log_ctx *log;
	char		*addr;
	struct map_op	 map;
};

void generic_load(struct generic *g, struct generation *generation, const struct view *v, const char *param,
		  const char *value, struct problems *problems)
{
	*g = (struct generic){ .generation = generation, .view = v };
	if (*value == '\0')
		return;
	g->maps = maps_new(generation_tables(generation), param, value, TABLE_ADDR, problems);
	g->propagate = lists_word(view_str(v, propagate_unmatched_extensions), "generic");
}

bool generic_empty(const struct generic *g)
{
	return maps_empty(g->maps);
}

void generic_start(struct generic_op *op, struct task *task, const struct generic *g, const struct log_ctx *log,
		   const char *addr)
{
	struct generic_run *r;

	ASSERT(op->priv == NULL);
	op->priv = r = xcalloc(1, sizeof(*r));
	op->result = REWRITE_WAIT;
	r->generic = g;
	r->log = log;
	r->addr = xstrdup(addr);
	map_start(&r->map, task, state_of(g->generation), log, g->maps, g->view, addr, g->propagate);
}

enum rewrite_result generic_poll(struct generic_op *op)
{
	struct generic_run *r = op->priv;
	const char *title = maps_title(r->generic->maps), *to = r->addr;
	enum table_result t;

	if (op->result != REWRITE_WAIT || (t = map_poll(&r->map)) == TABLE_WAIT)
		return op->result;
	op->result = t == TABLE_ERROR ? REWRITE_ERROR : REWRITE_OK;
	if (t == TABLE_ERROR)
		buf_addf(&op->why, "%s map lookup problem for %s", title, r->addr);
	if (t == TABLE_FOUND) {
		if (r->map.addr.n > 1)
			log_warn(r->log, "multi-valued %s entry for %s", title, r->addr);
		to = r->map.addr.v[0];
		trace_rewrite(title, r->addr, to);
	}
	buf_adds(&op->addr, to);
	return op->result;
}

void generic_end(struct generic_op *op)
{
	struct generic_run *r = op->priv;

	if (r != NULL) {
		map_end(&r->map);
		free(r->addr);
		free(r);
	}
	buf_release(&op->addr);
	buf_release(&op->why);
	*op = (struct generic_op){ 0 };
}
