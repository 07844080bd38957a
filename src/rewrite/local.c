/* local.c - is a domain delivered here? What mydestination lists, and literals of our own addresses. */
#include <stdlib.h>

#include "rewrite_room.h"

static enum match_result listed(struct local_op *op)
{
	enum match_result r = match_poll(&op->match);

	return r == MATCH_NO && op->own ? MATCH_YES : r;
}

/* One trailing dot is dropped; what is left empty or dotted is no name. */
void local_start(struct local_op *op, struct task *task, const struct rewrite_state *st, const char *domain)
{
	size_t len = strlen(domain);
	char *copy;

	*op = (struct local_op){ .result = MATCH_NO };
	if (len > 0 && domain[len - 1] == '.')
		len--;
	if (len == 0 || domain[len - 1] == '.')
		return;
	op->own = *domain == '[' && own_literal(st, domain);
	op->asking = true;
	copy = domain[len] != '\0' ? xstrndup(domain, len) : NULL;
	match_start(&op->match, task, &st->log, st->mydestination, copy != NULL ? copy : domain, NULL);
	op->result = listed(op);
	free(copy);
}

enum match_result local_poll(struct local_op *op)
{
	if (op->asking && op->result == MATCH_WAIT)
		op->result = listed(op);
	return op->result;
}

void local_end(struct local_op *op)
{
	if (op->asking)
		match_end(&op->match);
	op->asking = false;
}
