/* print.c - from tokens back to text, in external (header) or internal (queue, tables) form. */
#include "address_room.h"

enum { MAX_DECORATION = 250 };		/* bytes of phrase and comment beside one address of a rewritten header */

static bool is_word(const struct tok *t)
{
	return t->type != TOK_OP && t->type != TOK_STARTGRP;
}

static bool is_tok_op(const struct tok *t, int op)
{
	return t->type == TOK_OP && t->op == op;
}

/* White space was lost in scanning; it is put back only where two tokens would run together. */
static bool blank_behind(const struct tok *t)
{
	if (t->next == NULL || t->in_addr)
		return false;
	return is_tok_op(t, ',') || t->type == TOK_STARTGRP || is_tok_op(t->next, '<') ||
	       (is_word(t) && is_word(t->next));
}

static void add_escaped(struct buf *b, const char *s, const char *escape)
{
	for (; *s != '\0'; s++) {
		if (strchr(escape, *s) != NULL)
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
}

static void add_address(struct buf *b, const struct tok *addr)
{
	struct buf tmp = { 0 };

	tok_internalize(&tmp, addr->head);
	if (tmp.len == 0)
		buf_adds(b, "\"\"");
	else
		address_quote_822(b, buf_str(&tmp));
	buf_release(&tmp);
}

/* Sendmail and others had overflows in long comments: "<address>" alone is left of such a one. */
static bool limit_decoration(struct buf *b, size_t start, const struct tok *addr, size_t addr_len)
{
	if (addr == NULL || b->len - addr_len <= start + MAX_DECORATION)
		return false;
	b->len = start;
	buf_addc(b, '<');
	add_address(b, addr);
	buf_addc(b, '>');
	return true;
}

bool tok_externalize(struct buf *b, const struct tok *t, bool one_per_line)
{
	const struct tok *addr = NULL;
	size_t start = b->len, before, addr_len = 0;
	bool cut = false;

	for (; t != NULL; t = t->next) {
		if (is_tok_op(t, ',')) {
			if (one_per_line && limit_decoration(b, start, addr, addr_len))
				cut = true;
			buf_addc(b, ',');
			buf_addc(b, one_per_line ? '\n' : ' ');
			start = b->len;
			addr = NULL;
			addr_len = 0;
			continue;
		}
		switch (t->type) {
		case TOK_ADDR:
			before = b->len;
			add_address(b, t);
			addr = t;
			addr_len = b->len - before;
			break;
		case TOK_ATOM:
		case TOK_COMMENT:
			buf_adds(b, t->text);
			break;
		case TOK_QSTRING:
			buf_addc(b, '"');
			add_escaped(b, t->text, "\"\\\r\n");
			buf_addc(b, '"');
			break;
		case TOK_LITERAL:
			buf_addc(b, '[');
			add_escaped(b, t->text, "\\\r\n");
			buf_addc(b, ']');
			break;
		case TOK_STARTGRP:
			buf_addc(b, ':');
			break;
		case TOK_OP:
			buf_addc(b, (char)t->op);
			break;
		}
		if (blank_behind(t))
			buf_addc(b, ' ');
	}
	if (one_per_line && limit_decoration(b, start, addr, addr_len))
		cut = true;
	return cut;
}

void tok_internalize(struct buf *b, const struct tok *t)
{
	for (; t != NULL; t = t->next) {
		switch (t->type) {
		case TOK_ADDR:
			tok_internalize(b, t->head);
			break;
		case TOK_ATOM:
		case TOK_COMMENT:
		case TOK_QSTRING:
			buf_adds(b, t->text);
			break;
		case TOK_LITERAL:
			buf_addc(b, '[');
			buf_adds(b, t->text);
			buf_addc(b, ']');
			break;
		case TOK_STARTGRP:
			buf_addc(b, ':');
			break;
		case TOK_OP:
			buf_addc(b, (char)t->op);
			break;
		}
		if (blank_behind(t))
			buf_addc(b, ' ');
	}
}
