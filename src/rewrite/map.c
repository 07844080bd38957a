/* map.c - an address through one set of maps. A value is a list of addresses as in a header. "@domain" stands for the
 * same local part there. Each result is brought into standard form and gets the extension that the key lacked, where
 * propagate_unmatched_extensions wants it. A value without any address is an error of the table. */
#include <stdlib.h>

#include "expand_room.h"

void map_start(struct map_op *m, struct task *task, const struct rewrite_state *st, const struct log_ctx *log,
    const struct maps *maps, const struct view *view, const char *addr, bool propagate)
{
	*m = (struct map_op){ .st = st, .log = log, .maps = maps, .propagate = propagate, .asked = xstrdup(addr) };
	find_start(&m->find, task, st, log, maps, view, addr, FIND_DEFAULT);
}

static void add_result(struct map_op *m, struct arena *a, const struct tok *addr)
{
	const char *ext = m->propagate ? m->find.extension : NULL, *at;
	struct buf external = { 0 }, standard = { 0 }, internal = { 0 };

	tok_externalize(&external, addr->head, false);
	rewrite_external(m->st, REWRITE_LOCAL, a, buf_str(&external), &standard);
	address_unquote(&internal, buf_str(&standard));
	if (ext != NULL) {
		at = strrchr(buf_str(&internal), '@');
		buf_reset(&external);
		buf_add(&external, buf_str(&internal), at != NULL ? (size_t)(at - internal.p) : internal.len);
		buf_adds(&external, ext);
		buf_adds(&external, at != NULL ? at : "");
		strs_add(&m->addr, external.p);
	} else
		strs_add(&m->addr, buf_str(&internal));
	buf_release(&external);
	buf_release(&standard);
	buf_release(&internal);
}

static void take_value(struct map_op *m)
{
	struct arena arena = { 0 };
	struct buf own = { 0 }, quoted = { 0 };
	const char *value = m->find.value, *at = strrchr(m->asked, '@');
	size_t local = at != NULL ? (size_t)(at - m->asked) : strlen(m->asked);
	struct tok_list l;

	if (*value == '@') {
		if (m->find.extension != NULL && local >= strlen(m->find.extension))
			local -= strlen(m->find.extension);
		buf_add(&own, m->asked, local);
		buf_adds(&own, value);
		address_quote_822(&quoted, own.p);
		value = quoted.p;
	}
	if (strcmp(value, "<>") == 0)
		value = "\"\"";		/* the null address, as it is usually written */
	tok_parse(&arena, value, 0, &l);
	for (const struct tok *t = l.head; t != NULL; t = t->next)
		if (t->type == TOK_ADDR)
			add_result(m, &arena, t);
	buf_release(&own);
	buf_release(&quoted);
	arena_release(&arena);
	if (m->addr.n == 0) {
		log_warn(m->log, "%s lookup of %s returns non-address result \"%s\"", maps_title(m->maps), m->asked,
			 m->find.value);
		m->result = TABLE_ERROR;
	}
}

enum table_result map_poll(struct map_op *m)
{
	if (m->result == TABLE_WAIT && (m->result = find_poll(&m->find)) == TABLE_FOUND)
		take_value(m);
	return m->result;
}

void map_end(struct map_op *m)
{
	find_end(&m->find);
	strs_release(&m->addr);
	free(m->asked);
	*m = (struct map_op){ 0 };
}

/* The first of masquerade_domains that is the domain or a parent of it decides: a parent replaces the domain, unless
 * it was written with '!'. */
void masquerade(const struct expand_maps *maps, struct buf *addr)
{
	char *at = addr->len > 0 ? strrchr(addr->p, '@') : NULL, *domain, *parent;
	size_t len, mlen;

	if (at == NULL)
		return;
	domain = at + 1;
	len = strlen(domain);
	for (size_t i = 0; i < maps->masquerade.n; i++) {
		const char *masq = maps->masquerade.v[i];
		bool replace = true;

		for (; *masq == '!'; masq++)
			replace = !replace;
		mlen = strlen(masq);
		if (mlen == 0 || mlen > len)
			continue;
		parent = domain + len - mlen;
		if (!str_ieq(masq, parent) || (parent > domain && parent[-1] != '.'))
			continue;
		if (replace && parent > domain) {
			memmove(domain, parent, mlen + 1);
			addr->len -= len - mlen;
			str_lower(domain);
		}
		return;
	}
}
