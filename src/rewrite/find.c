/* find.c - look an address up under the keys that Postfix tries, in its order:
 *
 *  *	user+ext@sub.example.com	the whole address, in every table
 *  *	user@sub.example.com		without extension; from here on in tables of fixed strings only
 *  *	user+ext, then user		FIND_LOCAL, when the domain is myorigin or delivered here
 *  *	@sub.example.com		FIND_AT_DOMAIN
 *  *	sub.example.com, .example.com, .com	FIND_DOMAINS (without dots where parent domains match)
 *  *	*				FIND_STAR
 *
 * A local part that needs quotes is tried in quotes first, then bare: the external form is what the documentation
 * says. */
#include <stdlib.h>

#include "rewrite_room.h"

enum find_step {
	STEP_FULL,
	STEP_BARE,
	STEP_IS_LOCAL,
	STEP_LOCAL,
	STEP_LOCAL_BARE,
	STEP_AT_DOMAIN,
	STEP_DOMAINS,
	STEP_STAR,
	STEP_END
};

void find_start(struct find_op *f, struct task *task, const struct rewrite_state *st, const struct log_ctx *log,
    const struct maps *maps, const struct view *view, const char *addr, unsigned flags)
{
	struct extension_rules rules = rewrite_extensions(view);
	const char *at, *ext;

	*f = (struct find_op){.st = st,
			      .maps = maps,
			      .log = log,
			      .task = task,
			      .flags = flags,
			      .result = TABLE_WAIT,
			      .parents = st->transport_parents};
	if (maps_empty(maps)) {
		f->result = TABLE_NONE;
		return;
	}
	f->addr = xstrdup(addr);
	at = strrchr(f->addr, '@');
	f->domain = at != NULL ? at + 1 : NULL;
	ext = address_extension(f->addr, &rules);
	if (ext != NULL) {
		size_t keep = (size_t)(ext - 1 - f->addr), n = at != NULL ? (size_t)(at - ext) + 1 : strlen(ext) + 1;

		f->ext = xstrndup(ext - 1, n);
		f->bare = xasprintf("%.*s%s", (int)keep, f->addr, at != NULL ? at : "");
	}
}

static void set_key(struct find_op *f, const char *text, size_t n)
{
	buf_reset(&f->key);
	buf_add(&f->key, text, n);
}

/* The key of the present step; false: this step has none. internal: the second try, without quotes. */
static bool make_key(struct find_op *f, bool internal)
{
	const char *addr = f->step == STEP_BARE || f->step == STEP_LOCAL_BARE ? f->bare : f->addr, *at;
	struct buf quoted = { 0 };
	size_t n;

	if (addr == NULL)
		return false;
	switch ((enum find_step)f->step) {
	case STEP_AT_DOMAIN:
		if (f->domain != NULL)
			set_key(f, f->domain - 1, strlen(f->domain) + 1);
		return f->domain != NULL && !internal;
	case STEP_DOMAINS:
		if (f->parent != NULL)
			set_key(f, f->parent, strlen(f->parent));
		return f->parent != NULL && *f->parent != '\0' && !internal;
	case STEP_STAR:
		set_key(f, "*", 1);
		return !internal;
	default:
		break;
	}
	if (internal && address_is_plain(addr))
		return false;
	address_quote_822(&quoted, addr);
	at = strrchr(internal ? addr : buf_str(&quoted), '@');
	n = strlen(internal ? addr : buf_str(&quoted));
	if ((f->step == STEP_LOCAL || f->step == STEP_LOCAL_BARE) && at != NULL)
		n = (size_t)(at - (internal ? addr : buf_str(&quoted)));
	set_key(f, internal ? addr : buf_str(&quoted), n);
	buf_release(&quoted);
	return f->key.len > 0;
}

static void next_step(struct find_op *f)
{
	static const unsigned wants[] = {FIND_FULL,  FIND_BARE,	     FIND_LOCAL,   FIND_LOCAL,
					 FIND_LOCAL, FIND_AT_DOMAIN, FIND_DOMAINS, FIND_STAR};
	const char *dot;

	if (f->step == STEP_DOMAINS && f->parent != NULL && *f->parent != '\0') {
		dot = strchr(f->parent + 1, '.');
		f->parent = dot == NULL ? NULL : f->parents ? dot + 1 : dot;
		if (f->parent != NULL)
			return;
	}
	do
		f->step++;
	while (f->step < STEP_END && ((f->flags & wants[f->step]) == 0 ||
	    ((f->step == STEP_LOCAL || f->step == STEP_LOCAL_BARE) && !f->own)));
	f->parent = f->domain;
}

/* Is the domain ours? Decides about the two steps that follow. */
static bool ask_local(struct find_op *f)
{
	enum match_result m;

	if (!f->asking) {
		f->own = false;
		if (f->domain == NULL || str_ieq(f->domain, f->st->myorigin)) {
			f->own = f->domain != NULL;
			return true;
		}
		local_start(&f->local, f->task, f->st, f->domain);
		f->asking = true;
	}
	m = local_poll(&f->local);
	if (m == MATCH_WAIT)
		return false;
	f->own = m == MATCH_YES;
	if (m == MATCH_ERROR)
		f->result = TABLE_ERROR;
	local_end(&f->local);
	f->asking = false;
	return true;
}

static void found(struct find_op *f)
{
	f->value = f->op.value;
	if (f->step == STEP_BARE || f->step == STEP_LOCAL_BARE)
		f->extension = f->ext;
	f->result = TABLE_FOUND;
}

/* One step; false: wait. */
static bool ask_maps(struct find_op *f)
{
	enum table_result r;

	if (!f->asking) {
		if (!make_key(f, f->second)) {
			f->second = false;
			next_step(f);
			return true;
		}
		maps_start(&f->op, f->task, f->log, f->maps, buf_str(&f->key), 
		    f->step == STEP_FULL || f->step == STEP_STAR ? MAPS_ALL : MAPS_FIXED);
		f->asking = true;
	}
	r = maps_poll(&f->op);
	if (r == TABLE_WAIT)
		return false;
	if (r == TABLE_FOUND) {
		found(f);		/* the answer lives in the look-up: it ends with us */
		return true;
	}
	maps_end(&f->op);
	f->asking = false;
	if (r == TABLE_ERROR) {
		f->result = TABLE_ERROR;
		return true;
	}
	f->second = !f->second && f->step != STEP_AT_DOMAIN && f->step != STEP_DOMAINS && f->step != STEP_STAR;
	if (!f->second)
		next_step(f);
	return true;
}

enum table_result find_poll(struct find_op *f)
{
	while (f->result == TABLE_WAIT) {
		if (f->step == STEP_END) {
			f->result = TABLE_NONE;
		} else if (f->step == STEP_IS_LOCAL) {
			if (!ask_local(f))
				break;
			next_step(f);
		} else if (!ask_maps(f))
			break;
	}
	return f->result;
}

void find_end(struct find_op *f)
{
	if (f->asking) {
		if (f->step == STEP_IS_LOCAL)
			local_end(&f->local);
		else
			maps_end(&f->op);
	}
	free(f->addr);
	free(f->bare);
	free(f->ext);
	buf_release(&f->key);
	*f = (struct find_op){ 0 };
}
