/* expand.c - an envelope address through cleanup's maps.
 *
 * The order is fixed: standard form; sender_ or recipient_canonical_maps; canonical_maps; masquerading; then, for a
 * recipient, virtual aliases; at the end automatic copies. A canonical map is asked again with its own answer, up to
 * ten times, until it has none or gives the address itself. Virtual aliases are expanded in place: an answer's first
 * address takes the place of the one asked for, the others go to the end, and each is asked for again, until it has
 * no entry or has been asked for before on the way; an address that expands into itself stays.
 *
 * Worked example, virtual_alias_maps { a -> a, b; b -> c }: [a] gives [a b]; a has expanded into itself and is left
 * alone; b gives [a c]; c has no entry. */
#include <stdlib.h>

#include <postrider/trace.h>

#include "expand_room.h"

enum { MAX_NESTING = 10 };
enum expand_step { X_FIRST_CANONICAL, X_CANONICAL, X_EXCEPTIONS, X_VIRTUAL, X_BCC, X_DONE };

struct expand_run {
	struct expand_op *op;
	const struct rewrite_state *st;
	const struct expand_maps *maps;
	const struct expand_ctx *ctx;
	enum expand_step step;
	unsigned	 kind;		/* ENV_SENDER, ENV_RCPT, HDR_SENDERS, HDR_RCPTS: one of them */
	bool		 asking;
	unsigned	 count;		/* answers in a row */
	size_t		 arg;		/* virtual aliases: which address of op->addr */
	struct buf	 addr;
	char		*canonical;
	struct hash	 been;		/* addresses that were expanded, in lower case */
	struct map_op	 map;
	struct find_op	 find;
	struct match_op	 match;
};

static void fail(struct expand_run *r, const char *why)
{
	r->op->why = why;
	r->op->result = REWRITE_ERROR;
	strs_release(&r->op->addr);
	strs_add(&r->op->addr, buf_str(&r->addr));
	r->step = X_DONE;
}

#define WARN(r, ...) log_warn((r)->ctx->log, __VA_ARGS__)

/* ---- canonical maps ------------------------------------------------------------------------------ */
/* Any map that applies? Then its answer in addr; false: wait. */
static bool map_to_one(struct expand_run *r, const struct maps *maps, enum expand_step next)
{
	enum table_result t;
	bool itself;

	if (maps_empty(maps)) {
		r->step = next;
		return true;
	}
	if (!r->asking) {
		map_start(&r->map, r->op->task, r->st, r->ctx->log, maps, r->maps->view, buf_str(&r->addr),
			  r->maps->propagate_canonical);
		r->asking = true;
	}
	t = map_poll(&r->map);
	if (t == TABLE_WAIT)
		return false;
	if (t == TABLE_ERROR) {
		WARN(r, "%s: %s map lookup problem for %s -- message not accepted, try again later", r->ctx->queue_id,
		    maps_title(maps), buf_str(&r->addr));
		fail(r, "4.3.0 Error: queue file write error");
	} else if (t == TABLE_NONE) {
		r->step = next;
	} else {
		if (r->map.addr.n > 1)
			WARN(r, "%s: multi-valued %s entry for %s", r->ctx->queue_id, maps_title(maps),
			     buf_str(&r->addr));
		itself = str_ieq(r->map.addr.v[0], buf_str(&r->addr));
		trace_rewrite(maps_title(maps), buf_str(&r->addr), r->map.addr.v[0]);
		buf_reset(&r->addr);
		buf_adds(&r->addr, r->map.addr.v[0]);
		if (itself) {
			r->step = next;
		} else if (++r->count >= MAX_NESTING) {
			WARN(r, "%s: unreasonable %s map nesting for %s -- message not accepted, try again later",
			     r->ctx->queue_id, maps_title(maps), buf_str(&r->addr));
			r->step = next;
		}
	}
	map_end(&r->map);
	r->asking = false;
	if (r->step == next)
		r->count = 0;
	return true;
}

static bool first_canonical(struct expand_run *r)
{
	const struct expand_maps *m = r->maps;
	bool rcpt = (r->kind & (ENV_RCPT | HDR_RCPTS)) != 0;
	bool applies = ((rcpt ? m->rcpt_classes : m->sender_classes) & r->kind) != 0;

	return map_to_one(r, !applies ? NULL : rcpt ? m->rcpt_canonical : m->sender_canonical, X_CANONICAL);
}

static bool second_canonical(struct expand_run *r)
{
	bool applies = (r->maps->canonical_classes & r->kind) != 0;

	return map_to_one(r, applies ? r->maps->canonical : NULL, X_EXCEPTIONS);
}

static void to_list(struct expand_run *r)
{
	strs_add(&r->op->addr, buf_str(&r->addr));
	r->op->canonical = r->canonical = xstrdup(buf_str(&r->addr));
	r->step = r->kind == ENV_RCPT ? X_VIRTUAL : r->kind == ENV_SENDER ? X_BCC : X_DONE;
	if (r->step == X_DONE)
		r->op->result = REWRITE_OK;
}

static void masquerade_told(const struct expand_maps *m, struct buf *addr)
{
	char *before = trace_on() ? xstrdup(buf_str(addr)) : NULL;

	masquerade(m, addr);
	if (before != NULL)
		trace_rewrite("masquerade_domains", before, buf_str(addr));
	free(before);
}

/* masquerade_exceptions are user names that keep their host. */
static bool masquerade_step(struct expand_run *r)
{
	const struct expand_maps *m = r->maps;
	enum match_result found = MATCH_NO;
	const char *at;
	char *name;

	if (m->masquerade.n > 0 && (m->masquerade_classes & r->kind) != 0) {
		if (!match_list_empty(m->exceptions)) {
			if (!r->asking) {
				at = strrchr(buf_str(&r->addr), '@');
				name = xstrndup(buf_str(&r->addr), at != NULL ? (size_t)(at - r->addr.p) : r->addr.len);
				match_start(&r->match, r->op->task, r->ctx->log, m->exceptions, str_lower(name), NULL);
				free(name);
				r->asking = true;
			}
			found = match_poll(&r->match);
			if (found == MATCH_WAIT)
				return false;
			match_end(&r->match);
			r->asking = false;
		}
		if (found == MATCH_ERROR) {
			WARN(r, "%s: masquerade_exceptions lookup problem -- message not accepted, try again later",
			     r->ctx->queue_id);
			fail(r, "4.3.0 Error: queue file write error");
			return true;
		}
		if (found == MATCH_NO)
			masquerade_told(m, &r->addr);
	}
	to_list(r);
	return true;
}

/* ---- virtual aliases ------------------------------------------------------------------------------- */
static bool seen(struct expand_run *r, const char *addr, bool note)
{
	char *key = str_lower(xstrdup(addr));
	bool before = note ? hash_set(&r->been, key, r) != NULL : hash_get(&r->been, key) != NULL;

	free(key);
	return before;
}

static bool unreasonable(struct expand_run *r, const char *what)
{
	WARN(r, "%s: unreasonable virtual_alias_maps map %s for %s -- message not accepted, try again later",
	     r->ctx->queue_id, what, r->canonical);
	fail(r, "4.6.0 Alias expansion error");
	return true;
}

static void next_alias(struct expand_run *r)
{
	r->arg++;
	r->count = 0;
	if (r->arg == r->op->addr.n)
		r->step = X_BCC;
}

/* An answer: in place of the address asked for. */
static void take_aliases(struct expand_run *r)
{
	const struct strs *found = &r->map.addr;
	char **asked = &r->op->addr.v[r->arg], *old = *asked;
	size_t limit = (size_t)view_int(r->maps->view, virtual_alias_address_length_limit);

	for (size_t i = 0; i < found->n; i++) {
		if (strlen(found->v[i]) > limit) {
			WARN(r,
			     "%s: unreasonable virtual_alias_maps result %.300s... -- message not accepted, try again "
			     "later",
			     r->ctx->queue_id, found->v[i]);
			fail(r, "4.6.0 Alias expansion error");
			return;
		}
		if (str_ieq(old, found->v[i]))
			seen(r, old, true);
		if (i > 0)
			strs_add(&r->op->addr, found->v[i]);
		trace_rewrite("virtual_alias_maps", old, found->v[i]);
	}
	r->op->addr.v[r->arg] = xstrdup(found->v[0]);
	free(old);
	r->count++;
}

static bool virtual_step(struct expand_run *r)
{
	const struct view *v = r->maps->view;
	const char *addr;
	enum table_result t;

	if (maps_empty(r->maps->virtual_)) {
		r->step = X_BCC;
		return true;
	}
	addr = r->op->addr.v[r->arg];
	if (!r->asking) {
		if ((int64_t)r->op->addr.n > view_int(v, virtual_alias_expansion_limit))
			return unreasonable(r, "expansion size");
		if (seen(r, addr, false)) {
			next_alias(r);
			return true;
		}
		if (r->count >= (unsigned)view_int(v, virtual_alias_recursion_limit))
			return unreasonable(r, "nesting");
		map_start(&r->map, r->op->task, r->st, r->ctx->log, r->maps->virtual_, r->maps->view, addr,
			  r->maps->propagate_virtual);
		r->asking = true;
	}
	t = map_poll(&r->map);
	if (t == TABLE_WAIT)
		return false;
	if (t == TABLE_FOUND) {
		take_aliases(r);
	} else if (t == TABLE_NONE) {
		next_alias(r);
	} else {
		WARN(r, "%s: virtual_alias_maps map lookup problem for %s -- message not accepted, try again later",
		     r->ctx->queue_id, r->canonical);
		fail(r, "4.3.0 Error: queue file write error");
	}
	map_end(&r->map);
	r->asking = false;
	return true;
}

/* ---- automatic copies -------------------------------------------------------------------------------- */
static bool bcc_step(struct expand_run *r)
{
	const struct maps *maps = r->kind == ENV_RCPT ? r->maps->rcpt_bcc : r->maps->sender_bcc;
	enum table_result t = TABLE_NONE;

	if ((r->ctx->flags & EXPAND_NO_BCC) == 0 && !maps_empty(maps) && *r->canonical != '\0') {
		if (!r->asking) {
			find_start(&r->find, r->op->task, r->st, r->ctx->log, maps, r->maps->view, r->canonical,
				   FIND_DEFAULT);
			r->asking = true;
		}
		t = find_poll(&r->find);
		if (t == TABLE_WAIT)
			return false;
		if (t == TABLE_FOUND)
			strs_add(&r->op->bcc, r->find.value);
		find_end(&r->find);
		r->asking = false;
	}
	r->op->result = REWRITE_OK;
	r->step = X_DONE;
	if (t == TABLE_ERROR) {
		WARN(r, "%s: %s map lookup problem -- message not accepted, try again later", r->ctx->queue_id,
		     maps_title(maps));
		fail(r, "4.3.0 Error: queue file write error");
	}
	return true;
}

/* ---- the machine ------------------------------------------------------------------------------------- */
static void run(struct expand_run *r)
{
	bool going = true;

	while (going && r->step != X_DONE)
		switch (r->step) {
		case X_FIRST_CANONICAL:
			going = first_canonical(r);
			break;
		case X_CANONICAL:
			going = second_canonical(r);
			break;
		case X_EXCEPTIONS:
			going = masquerade_step(r);
			break;
		case X_VIRTUAL:
			going = virtual_step(r);
			break;
		case X_BCC:
			going = bcc_step(r);
			break;
		case X_DONE:
			break;
		}
}

/* addr: standard form */
void expand_start(struct expand_op *op, struct task *task, const struct expand_ctx *ctx, const char *addr,
		  unsigned kind)
{
	const struct rewrite_state *st = state_of(ctx->generation);
	const struct expand_maps *maps = expand_maps_of(st, ctx->view);
	struct expand_run *r;

	ASSERT(!op->active);
	*op = (struct expand_op){ .task = task, .active = true };
	if (!maps->any || (ctx->flags & (EXPAND_NO_MAPS | EXPAND_NO_BCC)) == (EXPAND_NO_MAPS | EXPAND_NO_BCC) ||
	    (kind != ENV_RCPT && *addr == '\0')) {
		strs_add(&op->addr, addr);
		op->canonical = op->addr.v[0];
		op->result = REWRITE_OK;
		return;
	}
	op->priv = r = xcalloc(1, sizeof(*r));
	r->op = op;
	r->st = st;
	r->maps = maps;
	r->ctx = ctx;
	r->kind = kind;
	buf_adds(&r->addr, addr);
	if (ctx->flags & EXPAND_NO_MAPS) {
		to_list(r);
		r->step = X_BCC;
	}
	run(r);
}

static void envelope_start(struct expand_op *op, struct task *task, const struct expand_ctx *ctx, const char *addr,
			   unsigned kind)
{
	struct buf standard = { 0 }, daemon = { 0 };

	rewrite_address(ctx->generation, REWRITE_LOCAL, addr, &standard);
	/* Our own MAILER-DAEMON is the null sender's old name. */
	if (kind == ENV_SENDER && str_iprefix(buf_str(&standard), "MAILER-DAEMON@")) {
		rewrite_address(ctx->generation, REWRITE_LOCAL, "MAILER-DAEMON", &daemon);
		if (str_ieq(buf_str(&standard), buf_str(&daemon)))
			buf_reset(&standard);
		buf_release(&daemon);
	}
	expand_start(op, task, ctx, buf_str(&standard), kind);
	buf_release(&standard);
}

void expand_rcpt_start(struct expand_op *op, struct task *task, const struct expand_ctx *ctx, const char *addr)
{
	envelope_start(op, task, ctx, *addr != '\0' ? addr : view_str(ctx->view, empty_address_recipient), ENV_RCPT);
}

void expand_sender_start(struct expand_op *op, struct task *task, const struct expand_ctx *ctx, const char *addr)
{
	envelope_start(op, task, ctx, addr, ENV_SENDER);
}

enum rewrite_result expand_poll(struct expand_op *op)
{
	ASSERT(op->active);
	if (op->result == REWRITE_WAIT)
		run(op->priv);
	return op->result;
}

void expand_end(struct expand_op *op)
{
	struct expand_run *r = op->priv;

	if (r != NULL) {
		if (r->asking && r->step == X_BCC)
			find_end(&r->find);
		else if (r->asking && r->step == X_EXCEPTIONS)
			match_end(&r->match);
		else if (r->asking)
			map_end(&r->map);
		buf_release(&r->addr);
		hash_release(&r->been, NULL);
		free(r->canonical);
		free(r);
	}
	strs_release(&op->addr);
	strs_release(&op->bcc);
	*op = (struct expand_op){ 0 };
}
