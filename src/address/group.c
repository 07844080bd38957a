/* group.c - from tokens to addresses.
 *
 * The list is read from right to left, because only the end of a route ('>') or of a group (';') says what kind of
 * thing is coming. `right` is the token before which the address now being read ends; when something shows that an
 * address is complete, the tokens between the current one and `right` are put under one TOK_ADDR. Two words in a row
 * ("a@b c@d") mean that a comma was forgotten: it is added. Comments move out of addresses to their right.
 *
 * Worked example, "x (hi) <a@b>, c": at 'c' nothing is known yet; at ',' the token c is grouped; at '>' the scan runs
 * to '<' and groups a@b; the phrase to its left (x and the comment) is skipped up to one of > ; , :.
 *
 * Two sentinels stand around the list while it is worked on, so that every token has neighbours. */
#include "address_room.h"

enum { WORD_OK = 1,		/* a word may come next: the last thing read was an operator */
    IN_GROUP = 2 };		/* a ';' was seen: ':' ends a group's name */

static void link_two(struct tok *l, struct tok *r)
{
	l->next = r;
	r->prev = l;
}

/* Puts the tokens between left and right under one node; with comma, adds one in front of it. */
static void group(struct arena *a, struct tok *left, struct tok *right, bool comma)
{
	struct tok *first = left->next, *last = right->prev, *addr, *sep;

	if (left == right || first == right)
		return;
	addr = tok_new(a, TOK_ADDR, 0, NULL);
	addr->head = first;
	addr->tail = last;
	for (struct tok *t = first; t != right; t = t->next)
		t->in_addr = true;
	first->prev = NULL;
	last->next = NULL;
	link_two(left, addr);
	link_two(addr, right);
	if (comma) {
		sep = tok_new(a, TOK_OP, ',', NULL);
		link_two(left, sep);
		link_two(sep, addr);
	}
}

/* Takes t out and puts it just before right; returns t's left neighbour. *right_r becomes t, for it is no part of
 * the address. */
static struct tok *move_aside(struct tok *t, struct tok **right_r)
{
	struct tok *left = t->prev;

	link_two(t->prev, t->next);
	link_two((*right_r)->prev, t);
	link_two(t, *right_r);
	*right_r = t;
	return left;
}

static bool is_op(const struct tok *t, const char *ops)
{
	return t->type == TOK_OP && strchr(ops, t->op) != NULL;
}

/* Group the route that ends at t ('>'); returns the token where reading goes on. */
static struct tok *group_route(struct arena *a, const struct tok *head, struct tok *t, struct tok *right)
{
	group(a, t, right, true);
	right = t;
	while (t != head && !is_op(t, "<"))
		t = t->type == TOK_COMMENT ? move_aside(t, &right) : t->prev;
	group(a, t, right, false);
	while (t != head && !is_op(t, ">;,:"))
		t = t->prev;
	return t;
}

static void group_all(struct arena *a, struct tok *head, struct tok *tail)
{
	struct tok *right = tail, *t = tail->prev;
	unsigned state = WORD_OK;

	while (t != head) {
		if (t->type == TOK_COMMENT) {
			t = move_aside(t, &right);
			continue;
		}
		if (is_op(t, ";")) {
			group(a, t, right, true);
			right = t;
			state = IN_GROUP | WORD_OK;
		} else if (is_op(t, ":") && (state & IN_GROUP) != 0) {
			t->type = TOK_STARTGRP;
			group(a, t, right, false);
			while (t != head && !is_op(t, ","))
				t = t->prev;
			right = t;
			continue;
		} else if (is_op(t, ">")) {
			t = right = group_route(a, head, t, right);
			state |= WORD_OK;
			continue;
		} else if (t->type == TOK_ATOM || t->type == TOK_QSTRING || t->type == TOK_LITERAL) {
			if ((state & WORD_OK) == 0) {
				group(a, t, right, true);
				right = t->next;
			}
			state &= ~(unsigned)WORD_OK;
		} else if (is_op(t, ",")) {
			group(a, t, right, false);
			right = t;
			state |= WORD_OK;
		} else
			state |= WORD_OK;
		t = t->prev;
	}
	group(a, head, right, false);
}

void tok_parse(struct arena *a, const char *text, size_t max_tokens, struct tok_list *out)
{
	struct tok head = { 0 }, tail = { 0 };

	tok_scan(a, text, max_tokens, out);
	if (out->head == NULL)
		return;
	link_two(&head, out->head);
	link_two(out->tail, &tail);
	group_all(a, &head, &tail);
	out->head = head.next;
	out->tail = tail.prev;
	out->head->prev = NULL;
	out->tail->next = NULL;
}
