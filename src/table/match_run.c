/* match_run.c - asking a match list.
 * First the plain patterns (match_static), then the steps before the number found. A table is asked
 * for the name, for the name's parents if it holds fixed strings, and, for a client, then for the
 * address; the position in that sequence is op->entry. */
#include <postrider/log.h>
#include <postrider/trace.h>

#include "match.h"

#define V6_CHARS "0123456789.abcdefABCDEF:"

static size_t lower_number(const struct match_data *d, const char *key, size_t best)
{
	size_t n = (size_t)(uintptr_t)hash_get(&d->names, key);

	return n > 0 ? MIN(best, n - 1) : best;
}

/* The part of a name to try after `entry`: without the dot where parents match, else with it. */
static const char *parent_of(const char *entry, bool parents)
{
	const char *dot = *entry != '\0' ? strchr(entry + 1, '.') : NULL;

	return dot != NULL && parents ? dot + 1 : dot;
}

static size_t match_static(const struct match_list *l, const struct match_data *d, const char *name, const char *addr)
{
	size_t best = SIZE_MAX;
	struct ip ip;

	if (name != NULL && l->kind != MATCH_ADDR) {
		best = lower_number(d, name, best);
		if (l->kind != MATCH_STRING)
			for (const char *p = parent_of(name, l->parents); p != NULL; p = parent_of(p, l->parents))
				if (*p != '\0' && (*p == '.') == !l->parents)
					best = lower_number(d, p, best);
	}
	if (addr != NULL) {
		best = lower_number(d, addr, best);
		if (d->nets.n > 0 && ip_parse(&ip, addr))
			best = MIN(best, nets_find(&d->nets, &ip));
	}
	return best;
}

/* The next key to ask the current table for; NULL when it has been asked for all. */
static const char *next_entry(const struct match_op *op, bool fixed)
{
	const struct match_list *l = op->list;
	const char *next = NULL;

	if (op->entry == NULL)
		return op->name != NULL ? op->name : op->addr;
	if (op->entry == op->addr)
		return NULL;
	if (l->kind != MATCH_STRING && fixed)
		next = parent_of(op->entry, l->parents);
	return next != NULL && *next != '\0' ? next : op->addr;
}

/* The table's answer for op->entry; true when that decides. */
static bool judge(struct match_op *op, const struct match_step *s, enum table_result r)
{
	table_log_why(op->log, &op->op);
	if (trace_on())
		trace_lookup(op->list->name, table_spec(s->table), op->entry, r == TABLE_FOUND ? op->op.value : NULL,
		    r == TABLE_ERROR);
	if (r == TABLE_ERROR) {
		log_warn(op->log, "%s: %s: table lookup problem", op->list->name, table_spec(s->table));
		op->result = MATCH_ERROR;
	} else if (r == TABLE_FOUND) {
		op->result = op->data->yes[s->number] ? MATCH_YES : MATCH_NO;
	}
	table_end(&op->op);
	return r != TABLE_NONE;
}

static bool wrong_pattern(struct match_op *op, const struct match_step *s)
{
	if (!s->any && (op->addr == NULL || (strchr(op->addr, ':') != NULL) != s->v6))
		return false;
	if (s->down != NULL)
		log_warn(op->log, "%s", s->down);
	log_warn(op->log, "%s", s->why);
	op->result = MATCH_ERROR;
	return true;
}

/* Goes on from op->pos, op->entry; where `answered`, that entry's answer is there. */
static void advance(struct match_op *op, bool answered)
{
	const struct match_data *d = op->data;

	for (; op->pos < d->n_steps && d->step[op->pos].number < op->bound; op->pos++) {
		const struct match_step *s = &d->step[op->pos];

		if (s->table == NULL) {
			if (wrong_pattern(op, s))
				return;
			continue;
		}
		for (;;) {
			enum table_result r;

			if (!answered) {
				op->entry = next_entry(op, table_is_fixed(s->table));
				if (op->entry == NULL)
					break;
				table_start(&op->op, op->task, s->table, op->entry);
			}
			answered = false;
			r = table_poll(&op->op);
			if (r == TABLE_WAIT || judge(op, s, r))
				return;
		}
		op->entry = NULL;
	}
	op->result = op->bound != SIZE_MAX && d->yes[op->bound] ? MATCH_YES : MATCH_NO;
}

static void trace(const struct match_op *op, const char *name)
{
	if (trace_on() && op->result != MATCH_WAIT)
		trace_match(op->list->name, NULL, name, op->result == MATCH_YES, op->result == MATCH_ERROR);
}

void match_start(struct match_op *op, struct task *task, const struct log_ctx *log, const struct match_list *l,
    const char *name,
    const char *addr)
{
	struct buf name_tmp = { 0 }, addr_tmp = { 0 };

	ASSERT(op->data == NULL && op->result == MATCH_WAIT);
	if (l == NULL || l->data->n == 0) {
		op->result = MATCH_NO;		/* too plain to be told */
		return;
	}
	if (l->kind == MATCH_STRING || l->kind == MATCH_DOMAIN || (addr != NULL && addr[strspn(addr,
	    V6_CHARS)] != '\0'))
		addr = NULL;
	if (l->kind == MATCH_ADDR || (name != NULL && *name == '\0'))
		name = NULL;
	if (name != NULL)
		name = fold_key(name, l->set->smtputf8, &name_tmp);
	if (addr != NULL)
		addr = fold_key(addr, false, &addr_tmp);
	op->list = l;
	op->data = l->data;
	op->data->refs++;
	op->log = log;
	op->task = task;
	op->bound = match_static(l, op->data, name, addr);
	if (op->data->n_steps > 0 && op->data->step[0].number < op->bound) {
		op->name = xstrdup(name);
		op->addr = xstrdup(addr);
	}
	advance(op, false);
	trace(op, name != NULL ? name : addr);
	buf_release(&name_tmp);
	buf_release(&addr_tmp);
}

enum match_result match_poll(struct match_op *op)
{
	if (op->result == MATCH_WAIT) {
		ASSERT(op->data != NULL);
		if (table_poll(&op->op) != TABLE_WAIT)
			advance(op, true);
		trace(op, op->name != NULL ? op->name : op->addr);
	}
	return op->result;
}

void match_end(struct match_op *op)
{
	table_end(&op->op);
	free(op->name);
	free(op->addr);
	if (op->data != NULL)
		match_data_unref(op->data);
	*op = (struct match_op){ 0 };
}
