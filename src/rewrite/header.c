/* header.c - the addresses of one header.
 *
 * A header is only written anew when one of its addresses changed: the usual one, user@host.domain, is recognised on
 * its tokens and costs nothing more. Where maps apply too, each address goes through them in turn; that may wait, so
 * it is an operation that keeps its place in the list of tokens. */
#include <stdlib.h>
#include <postrider/clock.h>
#include <postrider/loop.h>

#include "expand_room.h"

enum { FOLD_AT = 70 }; /* addresses of a rewritten header are put on one line as far as they end before this column */
enum { RUN_ADDRESSES = 32, RUN_US = 2000 }; /* go through the maps at a time, then others have their turn */

struct header_run {
	struct arena	 arena;
	const struct rewrite_state *st;
	const struct expand_ctx *ctx;
	const struct generic *generic;	/* instead of ctx: no rules, this map alone */
	const struct log_ctx *log;
	struct task	*task;
	enum rewrite_context context;
	unsigned	 kind;		/* HDR_SENDERS, HDR_RCPTS */
	bool		 mapping;	/* expand is under way for `at` */
	char		*name;		/* of the header */
	struct tok_list	 list;
	struct tok	*at;		/* next to look at */
	char		*before;	/* its internal form before the maps */
	struct expand_op expand;
	struct generic_op map;
};

static bool is_tok_op(const struct tok *t, int op)
{
	return t != NULL && t->type == TOK_OP && t->op == op;
}

/* user@host.domain in plain atoms, single dots between them: no rule applies, and no quotes are missing. */
static bool is_complete(const struct tok_list *l)
{
	const struct tok *t = l->head;
	bool dot = true;

	for (; t != NULL && !is_tok_op(t, '@'); t = t->next) {
		if (dot ? t->type != TOK_ATOM : !is_tok_op(t, '.'))
			return false;
		dot = !dot;
	}
	if (t == NULL || dot || t == l->tail)
		return false;
	for (t = t->next; t != NULL; t = t->next) {
		dot |= is_tok_op(t, '.');
		if (t->type != TOK_ATOM && !is_tok_op(t, '.'))
			return false;
	}
	return dot && l->tail->type == TOK_ATOM && *l->tail->text != '\0';
}

bool rewrite_one(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, struct tok *addr)
{
	struct tok_list l = { addr->head, addr->tail };
	struct buf before = { 0 }, after = { 0 };
	bool changed;

	if (is_complete(&l))
		return false;
	tok_externalize(&before, l.head, false);
	/* a backslash that protects nothing is an atom without text; it stays as it is */
	if (before.len > 0)
		rewrite_external(st, c, a, buf_str(&before), &after);
	changed = strcmp(buf_str(&before), buf_str(&after)) != 0;
	if (changed) {
		tok_scan(a, buf_str(&after), 0, &l);
		addr->head = l.head;
		addr->tail = l.tail;
	}
	buf_release(&before);
	buf_release(&after);
	return changed;
}

/* Joins the lines of one address each into lines of up to FOLD_AT columns. */
static void fold(struct buf *out, char *text)
{
	char *start = text, *line = text, *end, *next;

	for (; line != NULL; line = next) {
		end = line + strcspn(line, "\n");
		next = *end != '\0' ? end + 1 : NULL;
		if (line > text) {
			if (end - start < FOLD_AT)
				line[-1] = ' ';
			else
				start = line;
		}
	}
	for (line = text; *line != '\0'; line++) {
		buf_addc(out, *line);
		if (*line == '\n' && line[1] != ' ' && line[1] != '\t')
			buf_addc(out, '\t');
	}
}

static void print(const struct rewrite_state *st, const char *name, size_t name_len, const struct tok_list *l,
		  struct buf *out)
{
	struct buf flat = { 0 };

	buf_add(&flat, name, name_len);
	buf_adds(&flat, ": ");
	if (tok_externalize(&flat, l->head, true))
		log_warn(&st->log, "stripping too many comments from address: %.100s...", flat.p);
	fold(out, flat.p);
	buf_release(&flat);
}

static bool applies(const struct rewrite_state *st, enum rewrite_context c)
{
	return c == REWRITE_LOCAL || (c == REWRITE_REMOTE && *view_str(st->view, remote_header_rewrite_domain) != '\0');
}

bool rewrite_header(const struct generation *g, enum rewrite_context c, const char *text, size_t name_len,
		    struct buf *out)
{
	const struct rewrite_state *st = state_of(g);
	struct arena arena = { 0 };
	struct tok_list l;
	bool changed = false;

	if (!applies(st, c))
		return false;
	tok_parse(&arena, text + name_len + 1, (size_t)view_int(st->view, header_address_token_limit), &l);
	for (struct tok *t = l.head; t != NULL; t = t->next)
		if (t->type == TOK_ADDR)
			changed |= rewrite_one(st, c, &arena, t);
	if (changed)
		print(st, text, name_len, &l, out);
	arena_release(&arena);
	return changed;
}

/* ---- with maps --------------------------------------------------------------------------------- */
void header_op_start(struct header_op *op, struct task *task, const struct expand_ctx *ctx, enum rewrite_context c,
		     const char *text, size_t name_len, bool of_senders)
{
	const struct rewrite_state *st = state_of(ctx->generation);
	struct header_run *r;

	*op = (struct header_op){ .result = REWRITE_OK };
	if (!applies(st, c))
		return;
	if ((ctx->flags & EXPAND_NO_MAPS) != 0 || !expand_maps_of(st, ctx->view)->any_header) {
		op->changed = rewrite_header(ctx->generation, c, text, name_len, &op->text);
		return;
	}
	op->result = REWRITE_WAIT;
	op->run = r = xcalloc(1, sizeof(*r));
	r->st = st;
	r->ctx = ctx;
	r->task = task;
	r->context = c;
	r->kind = of_senders ? HDR_SENDERS : HDR_RCPTS;
	r->name = arena_strndup(&r->arena, text, name_len);
	tok_parse(&r->arena, text + name_len + 1, (size_t)view_int(st->view, header_address_token_limit), &r->list);
	r->at = r->list.head;
}

void header_op_start_generic(struct header_op *op, struct task *task, const struct generic *g, const struct log_ctx *log,
			     const char *text, size_t name_len)
{
	const struct rewrite_state *st = state_of(g->generation);
	struct header_run *r = xcalloc(1, sizeof(*r));

	*op = (struct header_op){ .run = r };
	r->st = st;
	r->generic = g;
	r->log = log;
	r->task = task;
	r->name = arena_strndup(&r->arena, text, name_len);
	tok_parse(&r->arena, text + name_len + 1, SIZE_MAX, &r->list);
	r->at = r->list.head;
}

static void start_address(struct header_op *op)
{
	struct header_run *r = op->run;
	struct buf b = { 0 };

	if (r->generic == NULL)
		op->changed |= rewrite_one(r->st, r->context, &r->arena, r->at);
	tok_internalize(&b, r->at->head);
	r->before = arena_strdup(&r->arena, buf_str(&b));
	buf_release(&b);
	if (r->generic != NULL)
		generic_start(&r->map, r->task, r->generic, r->log, r->before);
	else
		expand_start(&r->expand, r->task, r->ctx, r->before, r->kind);
	r->mapping = true;
}

static enum rewrite_result poll_address(struct header_run *r)
{
	return r->generic != NULL ? generic_poll(&r->map) : expand_poll(&r->expand);
}

static void end_address(struct header_run *r)
{
	if (r->generic != NULL)
		generic_end(&r->map);
	else
		expand_end(&r->expand);
	r->mapping = false;
}

static void take_address(struct header_op *op)
{
	struct header_run *r = op->run;
	const char *after = r->generic != NULL ? buf_str(&r->map.addr) : r->expand.addr.v[0];
	struct buf quoted = { 0 };
	struct tok_list l;

	if (poll_address(r) == REWRITE_ERROR) {
		op->why = r->generic != NULL ? arena_strdup(&r->arena, buf_str(&r->map.why)) : r->expand.why;
		op->result = REWRITE_ERROR;
	} else if (strcmp(r->before, after) != 0) {
		address_quote_822(&quoted, after);
		tok_scan(&r->arena, buf_str(&quoted), 0, &l);
		r->at->head = l.head;
		r->at->tail = l.tail;
		op->changed = true;
		buf_release(&quoted);
	}
	end_address(r);
	r->at = r->at->next;
}

enum rewrite_result header_op_poll(struct header_op *op)
{
	struct header_run *r = op->run;
	int64_t begin_us = clock_fresh_us();
	unsigned done = 0;

	while (op->result == REWRITE_WAIT) {
		if (r->at == NULL) {
			if (op->changed)
				print(r->st, r->name, strlen(r->name), &r->list, &op->text);
			op->result = REWRITE_OK;
		} else if (r->at->type != TOK_ADDR) {
			r->at = r->at->next;
		} else {
			if (done > 0 && (done == RUN_ADDRESSES || clock_fresh_us() - begin_us >= RUN_US)) {
				task_wake(r->task);
				break;
			}
			if (!r->mapping)
				start_address(op);
			if (poll_address(r) == REWRITE_WAIT)
				break;
			take_address(op);
			done++;
		}
	}
	return op->result;
}

void header_op_end(struct header_op *op)
{
	struct header_run *r = op->run;

	if (r != NULL) {
		if (r->mapping)
			end_address(r);
		arena_release(&r->arena);
		free(r);
	}
	buf_release(&op->text);
	*op = (struct header_op){ 0 };
}
