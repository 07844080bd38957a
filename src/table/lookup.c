/* lookup.c - one table, one key.
 * The operation holds a reference to the contents it asks, so a reload in the middle
 * changes nothing for it. Rules that are the same for every type are here: folding, keys
 * and values that are not UTF-8, broken tables. A local table answers inside
 * table_start() without allocating anything. */
#include <postrider/log.h>
#include <postrider/loop.h>

#include "room.h"

/* As Postfix has it, a value that is not UTF-8 is a fault of the table's, not an answer. */
static void finish(struct table_op *op, enum table_result r, const char *key)
{
	struct table_data *d = op->data;

	if (r == TABLE_FOUND && d->utf8 && !str_is_utf8(op->value, strlen(op->value))) {
		struct buf why = { 0 };

		if (op->why != NULL)
			buf_addf(&why, "%s\n", op->why);
		buf_addf(&why, "%s: key \"%s\": non-UTF-8 value \"%s\": malformed UTF-8 or invalid codepoint", d->label, key,
		    op->value);
		buf_release(&op->buf);
		op->buf = why;
		op->why = op->buf.p;
		op->value = NULL;
		op->err = TABLE_ERR_CONFIG;
		r = TABLE_ERROR;
	}
	if (r == TABLE_WAIT && op->key == NULL)
		op->key = xstrdup(key);
	op->result = r;
}

/* False: bytes that are not UTF-8 are in no table. */
static bool key_usable(struct table_op *op, const struct table_data *d, const char *key)
{
	if (str_is_utf8(key, strlen(key)))
		return true;
	buf_addf(&op->buf, "%s: non-UTF-8 key \"%s\": malformed UTF-8 or invalid codepoint", d->label, key);
	op->why = op->buf.p;
	return false;
}

void table_start(struct table_op *op, struct task *task, struct table *t, const char *key)
{
	struct table_data *d;
	struct buf tmp = { 0 };

	ASSERT(op->data == NULL);
	while (t->inner != NULL)
		t = t->inner;
	d = op->data = t->data;
	d->refs++;
	op->task = task;
	op->result = TABLE_WAIT;
	if (d->contents == NULL) {
		op->why = d->down;
		finish(op, TABLE_ERROR, key);
		return;
	}
	if (d->utf8 && !key_usable(op, d, key)) {
		finish(op, TABLE_NONE, key);
		return;
	}
	if (d->fold && !d->pattern)
		key = fold_key(key, d->utf8, &tmp);
	finish(op, d->class->lookup(d->contents, op, key), key);
	buf_release(&tmp);
}

enum table_result table_poll(struct table_op *op)
{
	ASSERT(op->data != NULL);
	if (op->result == TABLE_WAIT)
		finish(op, op->data->class->poll(op->data->contents, op), op->key);
	return op->result;
}

void table_end(struct table_op *op)
{
	struct table_data *d = op->data;

	if (d == NULL)
		return;
	if (d->class != NULL && d->class->end != NULL && d->contents != NULL)
		d->class->end(d->contents, op);
	buf_release(&op->buf);
	free(op->key);
	*op = (struct table_op){ 0 };
	table_data_unref(d);
}

bool table_log_why(const struct log_ctx *log, const struct table_op *op)
{
	static const struct { const char *word; enum log_level level; } levels[] = {
		{ "fatal: ", LOG_LEVEL_FATAL }, { "error: ", LOG_LEVEL_ERROR }, { "", LOG_LEVEL_WARNING },
	};
	const char *line = op->why, *end;
	bool fatal = false;

	for (; line != NULL; line = *end != '\0' ? end + 1 : NULL) {
		size_t i = 0;

		while (strncmp(line, levels[i].word, strlen(levels[i].word)) != 0)
			i++;
		fatal = fatal || i == 0;
		end = line + strcspn(line, "\n");
		line += strlen(levels[i].word);
		log_at(levels[i].level, log, "%.*s", (int)(end - line), line);
	}
	return fatal;
}

void table_data_unref(struct table_data *d)
{
	if (--d->refs > 0)
		return;
	if (d->contents != NULL && d->class->close != NULL)
		dispose(d->class->close, d->contents);
	free(d->why);
	free(d->down);
	free(d->label);
	free(d);
}


const char *table_each(struct table *t, table_each_fn *fn, void *arg)
{
	while (t->inner != NULL)
		t = t->inner;
	if (t->data->contents == NULL)
		return t->data->why;
	return t->class->each != NULL ? t->class->each(t->data->contents, fn, arg) :
	    "sequence operation is not supported";
}
