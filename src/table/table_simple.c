/* table_simple.c - types that need no source: static, fail, environ, internal.
 * static:VALUE and static:{ VALUE } answer VALUE to every key; fail: answers every key with a
 * temporary error; environ: looks into this process's environment; internal: is a table that begins empty, and
 * nothing but a program's own caches ever writes to one: as a lookup table it has no entries. */
#include <postrider/log.h>

#include "room.h"

struct constant {
	char	*value;
};

static void constant_close(void *contents)
{
	struct constant *c = contents;

	free(c->value);
	free(c);
}

static void *static_open(struct table_env *env, const char *name, char **why_r)
{
	struct constant *c;
	char *text = xstrdup(name), *p = text;
	const char *why;

	if (*p == '{' && (why = str_extpar(&p)) != NULL) {
		*why_r = xasprintf("bad static:name syntax: %s in \"%s\"", why, name);
		free(text);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	if ((env->flags & TABLE_RHS_IS_FILE) != 0)
		c->value = table_file_value(env, p, why_r);
	else
		c->value = xstrdup(p);
	free(text);
	if (c->value == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

static enum table_result static_lookup(void *contents, struct table_op *op, const char *key UNUSED)
{
	op->value = ((struct constant *)contents)->value;
	return TABLE_FOUND;
}

static void *fail_open(struct table_env *env, const char *name UNUSED, char **why_r UNUSED)
{
	env->pattern = true;
	return xcalloc(1, sizeof(struct constant));
}

static enum table_result fail_lookup(void *contents UNUSED, struct table_op *op UNUSED, const char *key UNUSED)
{
	return TABLE_ERROR;
}

static void *environ_open(struct table_env *env UNUSED, const char *name UNUSED, char **why_r UNUSED)
{
	return xcalloc(1, sizeof(struct constant));
}

static enum table_result environ_lookup(void *contents UNUSED, struct table_op *op, const char *key)
{
	op->value = getenv(key);
	return op->value != NULL ? TABLE_FOUND : TABLE_NONE;
}

static const char *fail_each(void *contents UNUSED, table_each_fn *fn UNUSED, void *arg UNUSED)
{
	return "sequence error: Application error";
}

static enum table_result internal_lookup(void *contents UNUSED, struct table_op *op UNUSED, const char *key UNUSED)
{
	return TABLE_NONE;
}

static const char *internal_each(void *contents UNUSED, table_each_fn *fn UNUSED, void *arg UNUSED)
{
	return NULL;
}

const struct table_class table_static = {
	.abi = TABLE_ABI, .type = "static", .open = static_open, .close = constant_close, .lookup = static_lookup,
};
const struct table_class table_fail = {
	.abi = TABLE_ABI, .type = "fail", .open = fail_open, .close = constant_close, .lookup = fail_lookup,
	.each = fail_each,
};
const struct table_class table_environ = {
	.abi = TABLE_ABI, .type = "environ", .open = environ_open, .close = constant_close, .lookup = environ_lookup,
};
const struct table_class table_internal = {
	.abi = TABLE_ABI, .type = "internal", .open = environ_open, .close = constant_close, .lookup = internal_lookup,
	.each = internal_each,
};
