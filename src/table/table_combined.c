/* table_combined.c - tables of tables: unionmap:, pipemap:, and randmap:.
 * unionmap:{type:name, ...} answers what all of them say, joined with commas; pipemap: uses each answer as
 * the key for the next. An error of any is an error. The tables belong to the set like
 * others and follow their files by themselves. randmap:{value, ...} picks one. */
#include <sys/random.h>

#include "room.h"

struct combined {
	struct table	**table;
	char		**value;	/* randmap */
	size_t		 n;
};
struct run {			/* one look-up: op->state */
	struct table_op	 op;
	size_t		 pos;
	struct buf	 key;
	struct buf	 out;
	bool		 any;
};

static void combined_close(void *contents)
{
	struct combined *c = contents;

	for (size_t i = 0; c->value != NULL && i < c->n; i++)
		free(c->value[i]);
	free(c->value);
	free(c->table);
	free(c);
}

/* The items between the braces. */
static struct combined *items(struct table_env *env, const char *name, bool tables, char **why_r)
{
	struct combined *c = xcalloc(1, sizeof(*c));
	char *copy = xstrdup(name), *p = copy, *item;
	bool good = *name == '{' && str_extpar(&p) == NULL, all_fixed = true;

	while (good && (item = str_tok_brace(&p, ", \t\r\n")) != NULL) {
		if (tables) {
			good = strchr(item, ':') != NULL;
			c->table = xreallocarray(c->table, c->n + 1, sizeof(*c->table));
			if (good)
				c->table[c->n] = table_open(env->set, item, env->flags, NULL, env->problems);
			all_fixed = all_fixed && good && table_is_fixed(c->table[c->n]);
		} else {
			c->value = xreallocarray(c->value, c->n + 1, sizeof(*c->value));
			c->value[c->n] = xstrdup(item);
		}
		c->n++;
	}
	free(copy);
	env->pattern = !tables || !all_fixed;
	if (good && c->n > 0)
		return c;
	*why_r = xasprintf("bad syntax: \"%s\"; need \"%.*s:{%s...}\"", env->spec,
	    (int)strcspn(env->spec, ":"), env->spec, tables ? "type:name" : "value");
	combined_close(c);
	return NULL;
}

static void *tables_open(struct table_env *env, const char *name, char **why_r)
{
	return items(env, name, true, why_r);
}

static void *values_open(struct table_env *env, const char *name, char **why_r)
{
	return items(env, name, false, why_r);
}

static struct run *run_new(struct table_op *op, const char *key)
{
	struct run *r = xcalloc(1, sizeof(*r));

	buf_adds(&r->key, key);
	op->state = r;
	return r;
}

static enum table_result give(struct table_op *op, struct buf *text)
{
	struct buf old = op->buf;

	op->buf = *text;
	*text = old;
	op->value = buf_str(&op->buf);
	return TABLE_FOUND;
}

static enum table_result fail(struct table_op *op, const struct run *r)
{
	op->err = r->op.err;
	if (r->op.why != NULL) {
		buf_reset(&op->buf);
		buf_adds(&op->buf, r->op.why);
		op->why = op->buf.p;
	}
	return TABLE_ERROR;
}

/* Asks from r->pos on; the table at r->pos is already being asked if `asking`. */
static enum table_result union_go(const struct combined *c, struct table_op *op, bool asking)
{
	struct run *r = op->state;

	for (; r->pos < c->n; r->pos++) {
		enum table_result t;

		if (!asking)
			table_start(&r->op, op->task, c->table[r->pos], buf_str(&r->key));
		asking = false;
		t = table_poll(&r->op);
		if (t == TABLE_WAIT)
			return t;
		if (t == TABLE_ERROR)
			return fail(op, r);
		if (t == TABLE_FOUND) {
			if (r->any)
				buf_addc(&r->out, ',');
			buf_adds(&r->out, r->op.value);
			r->any = true;
		}
		table_end(&r->op);
	}
	return r->any ? give(op, &r->out) : TABLE_NONE;
}

static enum table_result pipe_go(const struct combined *c, struct table_op *op, bool asking)
{
	struct run *r = op->state;

	for (; r->pos < c->n; r->pos++) {
		enum table_result t;

		if (!asking)
			table_start(&r->op, op->task, c->table[r->pos], buf_str(&r->key));
		asking = false;
		t = table_poll(&r->op);
		if (t == TABLE_WAIT || t == TABLE_NONE)
			return t;
		if (t == TABLE_ERROR)
			return fail(op, r);
		buf_reset(&r->out);
		buf_adds(&r->out, r->op.value);
		buf_reset(&r->key);
		buf_adds(&r->key, buf_str(&r->out));
		table_end(&r->op);
	}
	return give(op, &r->key);
}

static enum table_result union_lookup(void *contents, struct table_op *op, const char *key)
{
	run_new(op, key);
	return union_go(contents, op, false);
}

static enum table_result union_poll(void *contents, struct table_op *op)
{
	return union_go(contents, op, true);
}

static enum table_result pipe_lookup(void *contents, struct table_op *op, const char *key)
{
	run_new(op, key);
	return pipe_go(contents, op, false);
}

static enum table_result pipe_poll(void *contents, struct table_op *op)
{
	return pipe_go(contents, op, true);
}

static void run_end(void *contents UNUSED, struct table_op *op)
{
	struct run *r = op->state;

	if (r == NULL)
		return;
	table_end(&r->op);
	buf_release(&r->key);
	buf_release(&r->out);
	free(r);
}

static enum table_result random_lookup(void *contents, struct table_op *op, const char *key UNUSED)
{
	const struct combined *c = contents;
	uint32_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		return TABLE_ERROR;
	op->value = c->value[n % c->n];
	return TABLE_FOUND;
}

const struct table_class table_unionmap = {
	.abi = TABLE_ABI, .type = "unionmap", .open = tables_open, .close = combined_close, .lookup = union_lookup,
	.poll = union_poll, .end = run_end,
};
const struct table_class table_pipemap = {
	.abi = TABLE_ABI, .type = "pipemap", .open = tables_open, .close = combined_close, .lookup = pipe_lookup,
	.poll = pipe_poll, .end = run_end,
};
const struct table_class table_randmap = {
	.abi = TABLE_ABI, .type = "randmap", .open = values_open, .close = combined_close, .lookup = random_lookup,
};
