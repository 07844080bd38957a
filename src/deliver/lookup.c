/* lookup.c - an address in a map: whole, then without its extension, then "@domain"; the shorter keys only in
 * tables of fixed strings. A local part that needs quotes is tried in quotes first: that is the form which is
 * documented, and bare after that. */
#include "room.h"
#include <postrider/address.h>
#include <stdlib.h>

enum { STEP_QUOTED, STEP_FULL, STEP_BARE_QUOTED, STEP_BARE, STEP_DOMAIN, STEP_END };

static void set_address(struct addr_lookup *l, const char *internal, bool quoted)
{
	buf_reset(&l->key);
	if (quoted)
		address_quote_822(&l->key, internal);
	else
		buf_adds(&l->key, internal);
}

/* user+ext@domain as user@domain; NULL: no extension. */
static char *without_extension(const struct addr_lookup *l)
{
	const char *at = strrchr(l->addr, '@'), *ext;
	char *local;

	if (at == NULL || *l->rules->delimiters == '\0')
		return NULL;
	local = xstrndup(l->addr, (size_t)(at - l->addr));
	ext = address_extension(local, l->rules);
	if (ext == NULL) {
		free(local);
		return NULL;
	}
	char *bare = xasprintf("%.*s%s", (int)(ext - 1 - local), local, at);

	free(local);
	return bare;
}

/* The key of the present step; false: it has none, or it is the step before's. */
static bool make_key(struct addr_lookup *l)
{
	const char *at = strrchr(l->addr, '@');
	char *before, *bare;
	bool fresh;

	switch (l->step) {
	case STEP_QUOTED:
	case STEP_BARE_QUOTED:
	case STEP_BARE:
		if (l->step == STEP_QUOTED) {
			set_address(l, l->addr, true);
			return true;
		}
		if ((bare = without_extension(l)) == NULL)
			return false;
		before = xstrdup(buf_str(&l->key));
		set_address(l, bare, l->step == STEP_BARE_QUOTED);
		free(bare);
		fresh = strcmp(before, buf_str(&l->key)) != 0;
		free(before);
		return fresh;
	case STEP_FULL:
		if (strcmp(buf_str(&l->key), l->addr) == 0)
			return false;
		set_address(l, l->addr, false);
		return true;
	default:
		buf_reset(&l->key);
		if (at != NULL)
			buf_adds(&l->key, at);
		return at != NULL;
	}
}

/* Begins the first step from here on that has a key. */
static void advance(struct addr_lookup *l)
{
	for (; l->step < STEP_END; l->step++) {
		if (!make_key(l))
			continue;
		maps_start(
		    &l->op, l->task, l->log, l->maps, buf_str(&l->key), l->step <= STEP_FULL ? MAPS_ALL : MAPS_FIXED);
		return;
	}
	l->result = TABLE_NONE;
}

void addr_lookup_start(struct addr_lookup *l, struct task *task, const struct log_ctx *log, const struct maps *maps,
    const struct extension_rules *rules, const char *addr)
{
	*l = (struct addr_lookup){ .task = task, .log = log, .maps = maps, .rules = rules, .result = TABLE_WAIT };
	l->addr = xstrdup(addr);
	if (maps_empty(maps))
		l->result = TABLE_NONE;
	else
		advance(l);
}

enum table_result addr_lookup_poll(struct addr_lookup *l)
{
	ASSERT(l->task != NULL);
	while (l->result == TABLE_WAIT) {
		enum table_result r = maps_poll(&l->op);

		if (r == TABLE_WAIT)
			return r;
		if (r == TABLE_NONE) {
			maps_end(&l->op);
			l->step++;
			advance(l);
			continue;
		}
		l->result = r;
		l->value = r == TABLE_FOUND ? l->op.value : NULL;
	}
	return l->result;
}

void addr_lookup_end(struct addr_lookup *l)
{
	maps_end(&l->op);
	buf_release(&l->key);
	free(l->addr);
	*l = (struct addr_lookup){ 0 };
}
