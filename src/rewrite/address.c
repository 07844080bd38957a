/* address.c - standard form of one address.
 *
 * The rules work on the tokens of the external form; outside, addresses are text. Rules in the remote context append
 * remote_header_rewrite_domain to bare names and leave domains alone. */
#include <postrider/trace.h>

#include "rewrite_room.h"

static const char *origin_of(const struct rewrite_state *st, enum rewrite_context c)
{
	return c == REWRITE_LOCAL    ? st->myorigin
	       : c == REWRITE_REMOTE ? view_str(st->view, remote_header_rewrite_domain)
				     : "";
}

/* For who listens: what a rule makes of the tokens. */
static void tell(const char *rule, struct buf *last, const struct tok_list *l)
{
	struct buf now = { 0 };

	if (!trace_on())
		return;
	tok_internalize(&now, l->head);
	if (rule != NULL)
		trace_rewrite(rule, buf_str(last), buf_str(&now));
	buf_release(last);
	*last = now;
}

static void append_scanned(struct arena *a, struct tok_list *l, int op, const char *text)
{
	struct tok_list more;

	tok_append(l, tok_new(a, TOK_OP, op, NULL));
	tok_scan(a, text, 0, &more);
	for (struct tok *t = more.head, *next; t != NULL; t = next) {
		next = t->next;
		tok_append(l, t);
	}
}

static bool is_lone(const struct tok_list *l, enum tok_type type)
{
	return l->head == l->tail && l->head->type == type;
}

/* site!user becomes user@site. */
static void swap_bang(struct arena *a, struct tok_list *l, struct tok *bang)
{
	struct tok_list site = *l, user = *l;

	tok_cut_through(&user, bang);
	tok_cut_before(&site, bang);
	*l = user;
	tok_append(l, tok_new(a, TOK_OP, '@', NULL));
	if (site.head != NULL) {
		l->tail->next = site.head;
		site.head->prev = l->tail;
		l->tail = site.tail;
	}
}

/* Address forms without a domain. Returns the parameter whose rule applied, NULL: none. */
static const char *add_domain(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, struct tok_list *l)
{
	const char *origin = origin_of(st, c);
	struct tok *t;

	if (view_bool(st->view, swap_bangpath) && (t = tok_find(l->head, '!')) != NULL) {
		swap_bang(a, l, t);
		return "swap_bangpath";
	}
	if (view_bool(st->view, allow_percent_hack) && (t = tok_rfind(l->tail, '%')) != NULL) {
		t->op = '@';
		return "allow_percent_hack";
	}
	if (!view_bool(st->view, append_at_myorigin) || *origin == '\0')
		return NULL;
	append_scanned(a, l, '@', origin);
	return c == REWRITE_LOCAL ? "append_at_myorigin" : "remote_header_rewrite_domain";
}

static bool has_type(const struct tok *t, enum tok_type type)
{
	while (t != NULL && t->type != type)
		t = t->next;
	return t != NULL;
}

static bool is_tok_op(const struct tok *t, int op)
{
	return t != NULL && t->type == TOK_OP && t->op == op;
}

void rewrite_tokens(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, struct tok_list *l)
{
	const char *domain = c == REWRITE_LOCAL ? view_str(st->view, mydomain) : origin_of(st, c), *rule;
	struct buf last = { 0 };
	struct tok *t;

	if (l->head == NULL || (is_lone(l, TOK_QSTRING) && *l->head->text == '\0'))
		return;			/* the null address */
	if (l->head == l->tail && is_tok_op(l->head, '@')) {
		*l = (struct tok_list){ 0 };
		tok_append(l, tok_new(a, TOK_QSTRING, 0, ""));
		return;
	}
	tell(NULL, &last, l);
	if (is_tok_op(l->head, '@') && (t = tok_find(l->head, ':')) != NULL && t != l->tail)
		tok_cut_through(l, t);
	tell("source route", &last, l);
	if (tok_rfind(l->tail, '@') == NULL && (rule = add_domain(st, c, a, l)) != NULL)
		tell(rule, &last, l);
	/* Forms that end in '@' or '@.' stay broken, so that what is said of them later is about what was sent. */
	if (view_bool(st->view, append_dot_mydomain) && *domain != '\0' && (t = tok_rfind(l->tail, '@')) != NULL &&
	    t != l->tail && !has_type(t, TOK_LITERAL) && tok_find(t, '.') == NULL)
		append_scanned(a, l, '.', domain);
	tell("append_dot_mydomain", &last, l);
	if (is_tok_op(l->tail, '.') && l->tail->prev != NULL && !is_tok_op(l->tail->prev, '.') &&
	    !is_tok_op(l->tail->prev, '@'))
		tok_cut_before(l, l->tail);
	tell("trailing dot", &last, l);
	buf_release(&last);
}

void rewrite_external(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, const char *addr,
		      struct buf *out)
{
	struct buf internal = { 0 };
	struct tok_list l;

	tok_scan(a, addr, 0, &l);
	rewrite_tokens(st, c, a, &l);
	tok_internalize(&internal, l.head);	/* by way of the internal form, so that quotes are where they belong */
	if (internal.len > 0)
		address_quote_822(out, internal.p);
	else
		buf_adds(out, "\"\"");
	buf_release(&internal);
}

void rewrite_address(const struct generation *g, enum rewrite_context c, const char *addr, struct buf *out)
{
	const struct rewrite_state *st = state_of(g);
	struct arena arena = { 0 };
	struct buf ext = { 0 }, done = { 0 };
	const char *at = strchr(addr, '@');

	/* user@host.domain of plain characters has nothing to rewrite. */
	if (at != NULL && at > addr &&
	    strspn(addr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+=.") ==
		(size_t)(at - addr) &&
	    strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(at + 1) &&
	    strchr(at, '.') != NULL && at[strlen(at) - 1] != '.' && addr[0] != '.') {
		buf_adds(out, addr);
		return;
	}
	if (*addr != '\0') {
		address_quote_822(&ext, addr);
		rewrite_external(st, c, &arena, buf_str(&ext), &done);
		address_unquote(out, buf_str(&done));
	}
	buf_add(out, "", 0);
	buf_release(&ext);
	buf_release(&done);
	arena_release(&arena);
}
