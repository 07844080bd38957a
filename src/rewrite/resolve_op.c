/* resolve_op.c - life of a resolution, and the table of domains that spares most of them (see resolve.c). */
#include <stdlib.h>

#include "resolve_room.h"

enum { MAX_DOMAINS = 4096, MAX_PLAIN = 320 };

struct route {
	unsigned	 class_;
	char		*nexthop;	/* behind transport, in the same block */
	char		 transport[];
};

/* Letters, digits and what else never matters to routing; the domain's place, or NULL. */
static const char *plain_domain(const char *addr)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *p = addr, *domain;

	if (*addr == '-' || *addr == '.')
		return NULL;
	while (*p != '\0' && (strchr(word, *p) != NULL || strchr("+-=.", *p) != NULL))
		p++;
	if (p == addr || *p != '@')
		return NULL;
	for (domain = ++p; *p != '\0'; p++)
		if (strchr(word, *p) == NULL && *p != '-' && *p != '.')
			return NULL;
	return p - addr <= MAX_PLAIN && p > domain && p[-1] != '.' ? domain : NULL;
}

static bool from_cache(struct resolve_op *op, const struct rewrite_state *st, const char *addr)
{
	const char *domain = st->cacheable ? plain_domain(addr) : NULL;
	const struct route *known = domain != NULL ? hash_get(&st->domains, domain) : NULL;

	if (known == NULL)
		return false;
	op->class_ = known->class_;
	buf_adds(&op->transport, known->transport);
	buf_adds(&op->nexthop, known->nexthop);
	buf_adds(&op->recipient, addr);
	return true;
}

static void to_cache(const struct resolve_run *r)
{
	struct rewrite_state *st = (struct rewrite_state *)(uintptr_t)r->st;	/* the loop's own part of it */
	const char *domain = st->cacheable && r->op->flags == 0 ? plain_domain(r->addr) : NULL;
	size_t n = r->op->transport.len, m = r->op->nexthop.len;
	struct route *route;

	if (domain == NULL || strcmp(r->addr, buf_str(&r->op->recipient)) != 0)
		return;
	if (st->domains.n >= MAX_DOMAINS)
		hash_release(&st->domains, free);
	route = xmalloc(sizeof(*route) + n + m + 2);
	route->class_ = r->op->class_;
	memcpy(route->transport, buf_str(&r->op->transport), n + 1);
	route->nexthop = route->transport + n + 1;
	memcpy(route->nexthop, buf_str(&r->op->nexthop), m + 1);
	free(hash_set(&st->domains, domain, route));
}

static void step(struct resolve_op *op)
{
	struct resolve_run *r = op->priv;

	if (r == NULL || op->result != REWRITE_WAIT || !resolve_run(r))
		return;
	to_cache(r);
	op->result = REWRITE_OK;
}

void resolve_start(struct resolve_op *op, struct task *task, const struct generation *g, const char *sender,
		   const char *recipient)
{
	const struct rewrite_state *st = state_of(g);
	struct resolve_run *r;
	struct buf ext = { 0 };

	ASSERT(!op->active);
	*op = (struct resolve_op){ .task = task, .active = true };
	if (!trace_on() && from_cache(op, st, recipient)) {
		op->result = REWRITE_OK;
		return;
	}
	op->priv = r = xcalloc(1, sizeof(*r));
	r->st = st;
	r->op = op;
	r->addr = arena_strdup(&r->arena, recipient);
	r->sender = arena_strdup(&r->arena, sender != NULL ? sender : "");
	r->max_loops = (unsigned)strlen(recipient) + 100;
	/* The quoted form is what the rules can be read from; where a rule looks into quotes it says so. */
	if (*recipient != '\0')
		address_quote_822(&ext, recipient);
	tok_scan(&r->arena, buf_str(&ext), 0, &r->tree);
	buf_release(&ext);
	if (trace_on())
		tok_internalize(&r->told, r->tree.head);
	step(op);
}

enum rewrite_result resolve_poll(struct resolve_op *op)
{
	ASSERT(op->active);
	step(op);
	return op->result;
}

void resolve_end(struct resolve_op *op)
{
	struct resolve_run *r = op->priv;

	if (!op->active)
		return;
	if (r != NULL) {
		if (r->step == S_LOCAL || r->step == S_HOST)
			local_end(&r->local);
		if (r->asking)
			match_end(&r->match);
		if (r->finding)
			find_end(&r->find);
		buf_release(&r->told);
		arena_release(&r->arena);
		free(r);
	}
	buf_release(&op->transport);
	buf_release(&op->nexthop);
	buf_release(&op->recipient);
	*op = (struct resolve_op){ 0 };
}

void resolve_filter(const char *filter, const char *recipient, struct buf *transport, struct buf *nexthop)
{
	size_t n = strcspn(filter, ":");
	const char *hop = filter[n] == ':' ? filter + n + 1 : "", *domain = address_domain(recipient);

	buf_add(transport, filter, n);
	buf_adds(nexthop, *hop != '\0' ? hop : domain != NULL ? domain : recipient);
}
