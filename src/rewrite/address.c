/* address.c - standard form of one address, and of the addresses in one header.
 *
 * The rules work on the tokens of the external form; outside, addresses are text. A header is only written anew when a
 * rule changed one of its addresses: the usual one, user@host.domain, is recognised on its tokens and costs nothing
 * more. Rules in the remote context append remote_header_rewrite_domain to bare names and leave domains alone. */
#include "rewrite_room.h"

enum { FOLD_AT = 70 };		/* addresses of a rewritten header are put on one line as far as they end before this column */

static const char *origin_of(const struct rewrite_state *st, enum rewrite_context c)
{
	return c == REWRITE_LOCAL ? st->myorigin : c == REWRITE_REMOTE ? view_str(st->view, remote_header_rewrite_domain) : "";
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

/* Address forms without a domain. */
static void add_domain(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, struct tok_list *l)
{
	const char *origin = origin_of(st, c);
	struct tok *t;

	if (view_bool(st->view, swap_bangpath) && (t = tok_find(l->head, '!')) != NULL)
		swap_bang(a, l, t);
	else if (view_bool(st->view, allow_percent_hack) && (t = tok_rfind(l->tail, '%')) != NULL)
		t->op = '@';
	else if (view_bool(st->view, append_at_myorigin) && *origin != '\0')
		append_scanned(a, l, '@', origin);
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
	const char *domain = c == REWRITE_LOCAL ? view_str(st->view, mydomain) : "";
	struct tok *t;

	if (l->head == NULL || (is_lone(l, TOK_QSTRING) && *l->head->text == '\0'))
		return;			/* the null address */
	if (l->head == l->tail && is_tok_op(l->head, '@')) {
		*l = (struct tok_list){ 0 };
		tok_append(l, tok_new(a, TOK_QSTRING, 0, ""));
		return;
	}
	if (is_tok_op(l->head, '@') && (t = tok_find(l->head, ':')) != NULL && t != l->tail)
		tok_cut_through(l, t);	/* source route */
	if (tok_rfind(l->tail, '@') == NULL)
		add_domain(st, c, a, l);
	/* Forms that end in '@' or '@.' stay broken, so that what is said of them later is about what was sent. */
	if (view_bool(st->view, append_dot_mydomain) && *domain != '\0' && (t = tok_rfind(l->tail, '@')) != NULL && t != l->tail &&
	    !has_type(t, TOK_LITERAL) && tok_find(t, '.') == NULL)
		append_scanned(a, l, '.', domain);
	if (is_tok_op(l->tail, '.') && l->tail->prev != NULL && !is_tok_op(l->tail->prev, '.') && !is_tok_op(l->tail->prev, '@'))
		tok_cut_before(l, l->tail);
}

void rewrite_external(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, const char *addr, struct buf *out)
{
	struct tok_list l;

	tok_scan(a, addr, 0, &l);
	rewrite_tokens(st, c, a, &l);
	tok_own(&l);
	tok_externalize(out, l.head, false);
}

void rewrite_address(const struct generation *g, enum rewrite_context c, const char *addr, struct buf *out)
{
	const struct rewrite_state *st = state_of(g);
	struct arena arena = { 0 };
	struct buf ext = { 0 }, done = { 0 };
	const char *at = strchr(addr, '@');

	/* user@host.domain of plain characters has nothing to rewrite. */
	if (at != NULL && at > addr && strspn(addr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+=.") ==
	    (size_t)(at - addr) && strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
	    strlen(at + 1) && strchr(at, '.') != NULL && at[strlen(at) - 1] != '.' && addr[0] != '.') {
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

/* ---- headers --------------------------------------------------------------------------------- */
/* user@host.domain in plain atoms: no rule applies. */
static bool is_complete(const struct tok_list *l)
{
	const struct tok *t = l->head;
	bool dot = false;

	for (; t != NULL && !is_tok_op(t, '@'); t = t->next)
		if (t->type != TOK_ATOM && !is_tok_op(t, '.'))
			return false;
	if (t == NULL || t == l->head || t == l->tail)
		return false;
	for (t = t->next; t != NULL; t = t->next) {
		dot |= is_tok_op(t, '.');
		if (t->type != TOK_ATOM && !is_tok_op(t, '.'))
			return false;
	}
	return dot && l->tail->type == TOK_ATOM;
}

static bool rewrite_one(const struct rewrite_state *st, enum rewrite_context c, struct arena *a, struct tok *addr)
{
	struct tok_list l = { addr->head, addr->tail };
	struct buf before = { 0 }, after = { 0 };
	bool changed;

	if (is_complete(&l))
		return false;
	tok_externalize(&before, l.head, false);
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

bool rewrite_header(const struct generation *g, enum rewrite_context c, const char *text, size_t name_len, struct buf *out)
{
	const struct rewrite_state *st = state_of(g);
	struct arena arena = { 0 };
	struct tok_list l;
	struct buf flat = { 0 };
	bool changed = false;

	if (c == REWRITE_NONE || (c == REWRITE_REMOTE && *origin_of(st, c) == '\0'))
		return false;
	tok_parse(&arena, text + name_len + 1, (size_t)view_int(st->view, header_address_token_limit), &l);
	for (struct tok *t = l.head; t != NULL; t = t->next)
		if (t->type == TOK_ADDR)
			changed |= rewrite_one(st, c, &arena, t);
	if (changed) {
		buf_add(&flat, text, name_len);
		buf_adds(&flat, ": ");
		if (tok_externalize(&flat, l.head, true))
			log_warn(&st->log, "stripping too many comments from address: %.100s...", text);
		fold(out, flat.p);
	}
	buf_release(&flat);
	arena_release(&arena);
	return changed;
}
