/* lookup.c - the look-ups that checks are made of.
 *
 * Each of these begins what it needs at the first call and polls at later ones; what was begun is noted in
 * work.used and ended by the machine with the step. The functions that try several keys keep the number
 * of the key in work.pos (and, for addresses, quoted or not in work.sub), so the next poll goes on there.
 *
 * Keys of an address, for example user+ext@sub.example.com with FIND_FULL | FIND_NOEXT | FIND_DOMAIN | FIND_LOCAL_AT:
 * the whole address in every table; then in tables of fixed strings only: user@sub.example.com, sub.example.com,
 * example.com (or .example.com), com, user+ext@, user@. A local part that needs quotes is tried in quotes first. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <arpa/inet.h>

enum { KEY_DOMAIN = 5, KEYS = 8 };	/* numbers of keys of an address, in the order they are tried */

enum verdict run_resolve(struct access_run *r, const char *sender, const char *addr)
{
	struct work *w = &r->work;

	if ((w->used & WORK_RESOLVE) == 0) {
		struct buf full = { 0 };

		rewrite_address(r->lists->generation, REWRITE_LOCAL, addr, &full);
		resolve_start(&w->resolve, r->task, r->lists->generation, sender != NULL ? sender : "", buf_str(&full));
		w->used |= WORK_RESOLVE;
		buf_release(&full);
	}
	switch (resolve_poll(&w->resolve)) {
	case REWRITE_WAIT:
		return V_WAIT;
	case REWRITE_OK:
		if ((w->resolve.flags & RESOLVE_FAIL) == 0)
			return V_DUNNO;
		break;
	case REWRITE_ERROR:
		break;
	}
	return run_dict_retry(r, addr);
}

enum verdict run_match(struct access_run *r, const struct match_list *list, const char *name, const char *addr)
{
	struct work *w = &r->work;
	enum match_result m;

	if (match_list_empty(list))
		return V_DUNNO;
	if ((w->used & WORK_MATCH) == 0) {
		match_start(&w->match, r->task, r->facts->log, list, name, addr);
		w->used |= WORK_MATCH;
	}
	m = match_poll(&w->match);
	if (m == MATCH_WAIT)
		return V_WAIT;
	match_end(&w->match);
	w->used &= ~(unsigned)WORK_MATCH;
	if (m == MATCH_ERROR)
		return run_dict_retry(r, r->reply_name);
	return m == MATCH_YES ? V_OK : V_DUNNO;
}

/* One key in one list of tables. On FOUND the answer stays in work.maps until the step ends or the next key. */
static enum find_result find(struct access_run *r, const struct maps *maps, const char *key, int which)
{
	struct work *w = &r->work;

	if ((w->used & WORK_MAPS) == 0) {
		maps_start(&w->maps, r->task, r->facts->log, maps, key, which);
		w->used |= WORK_MAPS;
	}
	switch (maps_poll(&w->maps)) {
	case TABLE_WAIT:
		return FOUND_WAIT;
	case TABLE_FOUND:
		return FOUND;
	case TABLE_ERROR:
		return FOUND_ERROR;
	case TABLE_NONE:
		break;
	}
	maps_end(&w->maps);
	w->used &= ~(unsigned)WORK_MAPS;
	return FOUND_NONE;
}

enum find_result run_find_key(struct access_run *r, const struct maps *maps, const char *key)
{
	return maps_empty(maps) ? FOUND_NONE : find(r, maps, key, MAPS_ALL);
}

static bool is_address(const char *s)
{
	unsigned char b[16];

	return inet_pton(AF_INET, s, b) == 1 || inet_pton(AF_INET6, s, b) == 1;
}

/* The parent of a domain: behind the first dot or, in the other style, from it. NULL: none. */
static const char *parent_of(const struct access_run *r, const char *name)
{
	const char *dot = *name != '\0' ? strchr(name + 1, '.') : NULL;

	return dot == NULL ? NULL : r->lists->parent_style ? dot + 1 : dot;
}

enum find_result run_find_domain(struct access_run *r, const struct maps *maps, const char *domain)
{
	struct work *w = &r->work;

	while (domain[w->pos] != '\0') {	/* helo names can end in "." */
		const char *next;
		enum find_result f = find(r, maps, domain + w->pos, w->pos == 0 ? MAPS_ALL : MAPS_FIXED);

		if (f != FOUND_NONE)
			return f;
		next = is_address(domain) ? NULL : parent_of(r, domain + w->pos);
		if (next == NULL)
			break;
		w->pos = (size_t)(next - domain);
	}
	w->pos = 0;
	return FOUND_NONE;
}

/* 192.0.2.1, 192.0.2, 192.0, 192: w->pos octets are cut off. */
enum find_result run_find_net(struct access_run *r, const struct maps *maps, const char *addr)
{
	struct work *w = &r->work;
	int delim = strchr(addr, ':') != NULL ? ':' : '.';

	for (;; w->pos++) {
		char key[INET6_ADDRSTRLEN + 8], *cut = NULL;
		enum find_result f;

		str_copy(key, addr, sizeof(key));
		for (size_t i = 0; i < w->pos; i++) {
			if ((cut = strrchr(key, delim)) == NULL)
				break;
			*cut = '\0';
		}
		if (w->pos > 0 && cut == NULL)
			break;
		f = find(r, maps, key, w->pos == 0 ? MAPS_ALL : MAPS_FIXED);
		if (f != FOUND_NONE)
			return f;
	}
	w->pos = 0;
	return FOUND_NONE;
}

/* Writes the key that work.pos (and, among parents of the domain, work.cursor) stand for; false: no such key for this
 * address. */
static bool make_key(struct access_run *r, const char *addr, unsigned how, bool local)
{
	const struct view *v = r->facts->view;
	struct work *w = &r->work;
	const char *at = strrchr(addr, '@');
	size_t len = at != NULL ? (size_t)(at - addr) : strlen(addr);
	const char *delims = view_str(v, recipient_delimiter);
	size_t bare = *delims == '\0' ? len : addr_extension(addr, len, delims, view_str(v, double_bounce_sender),
	    view_bool(v, owner_request_special));

	buf_reset(&w->key);
	switch (w->pos) {
	case 0:
		buf_adds(&w->key, addr);
		return how & FIND_FULL;
	case 1:
		buf_add(&w->key, addr, bare);
		buf_adds(&w->key, at != NULL ? at : "");
		return (how & FIND_NOEXT) && bare < len;
	case 2:
		buf_add(&w->key, addr, len);
		return (how & FIND_LOCAL_IF_LOCAL) && at != NULL && local;
	case 3:
		buf_add(&w->key, addr, bare);
		return (how & FIND_LOCAL_IF_LOCAL) && at != NULL && local && bare < len;
	case 4:
		buf_adds(&w->key, at != NULL ? at : "");
		return (how & FIND_AT_DOMAIN) && at != NULL;
	case KEY_DOMAIN:
		if (w->cursor == NULL && at != NULL)
			w->cursor = at + 1;
		buf_adds(&w->key, w->cursor != NULL ? w->cursor : "");
		return (how & FIND_DOMAIN) && w->key.len > 0;
	case 6:
		buf_add(&w->key, addr, at != NULL ? len + 1 : 0);
		return (how & FIND_LOCAL_AT) && at != NULL;
	default:
		buf_add(&w->key, addr, bare);
		buf_addc(&w->key, '@');
		return (how & FIND_LOCAL_AT) && at != NULL && bare < len;
	}
}

static void next_key(struct access_run *r, unsigned how)
{
	struct work *w = &r->work;

	w->sub = 0;
	if (w->pos == KEY_DOMAIN && (how & FIND_DOMAIN) && w->cursor != NULL &&
	    (w->cursor = parent_of(r, w->cursor)) != NULL)
		return;
	w->pos++;
}

/* The key as quoted, where that differs, then as it is: work.sub says which. */
static enum find_result find_both(struct access_run *r, const struct maps *maps)
{
	struct work *w = &r->work;
	int which = w->pos == 0 ? MAPS_ALL : MAPS_FIXED;

	if (w->sub == 0 && w->pos != KEY_DOMAIN && w->pos != 4) {
		struct buf quoted = { 0 };
		enum find_result f = FOUND_NONE;

		address_quote_822(&quoted, w->key.p);
		if (strcmp(buf_str(&quoted), w->key.p) != 0)
			f = find(r, maps, quoted.p, which);
		buf_release(&quoted);
		if (f != FOUND_NONE)
			return f;
	}
	w->sub = 1;
	return find(r, maps, w->key.p, which);
}

enum find_result run_find_addr(
    struct access_run *r, const struct maps *maps, const char *addr, unsigned how, bool local)
{
	struct work *w = &r->work;

	if (maps_empty(maps))
		return FOUND_NONE;
	for (; w->pos < KEYS; next_key(r, how)) {
		enum find_result f;

		if (!make_key(r, addr, how, local))
			continue;
		f = find_both(r, maps);
		if (f != FOUND_NONE)
			return f;
	}
	w->pos = w->sub = 0;
	w->cursor = NULL;
	return FOUND_NONE;
}
