/* maps.c - the value of a ..._maps parameter: tables asked in turn.
 * Postfix's maps_find: the first table with the key answers, an error ends the search (a
 * later table must not answer for one that is down), an empty value is a mistake of the
 * table's. What is wrong is logged here, because the words name the table. */
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/trace.h>

#include "room.h"

struct maps *maps_new(struct tables *set, const char *title, const char *text, int flags, struct problems *problems)
{
	struct maps *maps = xcalloc(1, sizeof(*maps));
	char *copy = xstrdup(text != NULL ? text : ""), *cursor = copy, *spec;

	maps->title = xstrdup(title);
	while ((spec = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		maps->table = xreallocarray(maps->table, maps->n + 1, sizeof(*maps->table));
		maps->table[maps->n++] = table_open(set, spec, flags, title, problems);
	}
	free(copy);
	SLIST_INSERT_HEAD(&set->maps, maps, link);
	return maps;
}

void maps_free(struct maps *maps)
{
	free(maps->table);
	free(maps->title);
	free(maps);
}

bool maps_empty(const struct maps *maps)
{
	return maps == NULL || maps->n == 0;
}

const char *maps_title(const struct maps *maps)
{
	return maps->title;
}

size_t maps_count(const struct maps *maps)
{
	return maps != NULL ? maps->n : 0;
}

struct table *maps_table(const struct maps *maps, size_t i)
{
	return maps->table[i];
}

static bool wanted(const struct table *t, int which)
{
	return which == MAPS_ALL || (which == MAPS_FIXED) == table_is_fixed(t);
}

/* The current table has answered: says whether that ends the search. */
static bool judge(struct maps_op *op, const char *key, enum table_result r)
{
	const struct table *t = op->maps->table[op->pos];

	table_log_why(op->log, &op->op);
	if (r == TABLE_FOUND && *op->op.value == '\0') {
		log_warn(op->log, "%s lookup of %s returns an empty string result", op->maps->title, key);
		log_warn(op->log, "%s should return NO RESULT in case of NOT FOUND", op->maps->title);
		r = TABLE_ERROR;
	} else if (r == TABLE_ERROR) {
		log_warn(op->log, "%s lookup error for \"%s\"", table_spec(t), key);
	}
	if (trace_on())
		trace_lookup(op->maps->title, table_spec(t), key, r == TABLE_FOUND ? op->op.value : NULL,
		    r == TABLE_ERROR);
	if (r == TABLE_NONE)
		return false;
	op->table = t;
	op->value = r == TABLE_FOUND ? op->op.value : NULL;
	op->result = r;
	return true;
}

/* Asks from op->pos on until one makes us wait. */
static void advance(struct maps_op *op, struct task *task, const char *key)
{
	for (; op->pos < op->maps->n; op->pos++) {
		struct table *t = op->maps->table[op->pos];
		enum table_result r;

		if (!wanted(t, op->which))
			continue;
		table_start(&op->op, task, t, key);
		r = table_poll(&op->op);
		if (r == TABLE_WAIT) {
			if (op->key == NULL)
				op->key = xstrdup(key);
			return;
		}
		if (judge(op, key, r))
			return;
		table_end(&op->op);
	}
	op->result = TABLE_NONE;
}

void maps_start(struct maps_op *op, struct task *task, const struct log_ctx *log, const struct maps *maps,
    const char *key,
    int which)
{
	static const struct maps none;

	ASSERT(op->maps == NULL);
	op->maps = maps != NULL ? maps : &none;
	op->log = log;
	op->which = which;
	op->result = TABLE_WAIT;
	op->table = NULL;
	op->value = NULL;
	op->pos = 0;
	if (*key == '\0')
		op->result = TABLE_NONE;
	else
		advance(op, task, key);
}

enum table_result maps_poll(struct maps_op *op)
{
	struct task *task = op->op.task;
	enum table_result r;

	ASSERT(op->maps != NULL);
	if (op->result != TABLE_WAIT || (r = table_poll(&op->op)) == TABLE_WAIT)
		return op->result;
	if (!judge(op, op->key, r)) {
		table_end(&op->op);
		op->pos++;
		advance(op, task, op->key);
	}
	return op->result;
}

void maps_end(struct maps_op *op)
{
	if (op->maps == NULL)
		return;
	table_end(&op->op);
	free(op->key);
	*op = (struct maps_op){ 0 };
}
