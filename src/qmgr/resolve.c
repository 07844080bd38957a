/* resolve.c - from recipients to destinations.
 * Every recipient of a batch is resolved in turn (rewrite's resolve operation, which may wait for a table), then the
 * batch is sorted by transport, destination, domain and address, as Postfix does, and handed to the scheduler
 * one destination at a time. What cannot be resolved goes to the error transport, or is deferred. */
#include "qmgr_int.h"
#include <postrider/address.h>
#include <stdlib.h>
#include <strings.h>

enum { RESOLVED_PER_RUN = 100 };

static int compare(const void *va, const void *vb)
{
	const struct target *a = va, *b = vb;
	const char *da, *db;
	int c;

	if (a->site != b->site) {
		if (a->site->transport != b->site->transport &&
		    (c = strcmp(a->site->transport->name, b->site->transport->name)) != 0)
			return c;
		if ((c = strcmp(a->site->name, b->site->name)) != 0)
			return c;
	}
	da = strrchr(a->addr, '@');
	db = strrchr(b->addr, '@');
	if ((c = strcasecmp(da != NULL ? da : "", db != NULL ? db : "")) != 0)
		return c;
	if ((c = strcmp(a->addr, b->addr)) != 0)
		return c;
	return a->r->n < b->r->n ? -1 : a->r->n > b->r->n;
}

/* All resolved: targets without a site (discarded ones) are dropped, the rest becomes peers. */
static void assign(struct batch *b)
{
	struct transport *done = NULL;
	struct target *t, *end, *first;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++)
		if (b->target[i].site != NULL)
			b->target[n++] = b->target[i];
	b->n = n;
	b->assigned = true;
	if (n > 1)
		qsort(b->target, n, sizeof(*b->target), compare);
	for (t = b->target, end = t + n; t < end;) {
		for (first = t; t < end && t->site == first->site; t++)
			t->site->pins--;
		peer_add(b, first, t);
	}
	for (t = b->target; t < end; t++)
		if (t->site->transport != done) {
			done = t->site->transport;
			transport_schedule(done);
		}
}

static void set_site(struct target *t, struct site *s)
{
	t->site = s;
	s->pins++;
}

/* "user@nexthop" in place of the next hop: with one recipient a delivery each recipient is a destination of its
 * own, whatever its extension. */
static void single_name(struct buf *out, const char *addr, const char *nexthop)
{
	const char *at = strrchr(addr, '@');
	char *local = xstrndup(addr, at != NULL ? (size_t)(at - addr) : strlen(addr));
	const char *ext = address_extension(local, &qmgr.conf->extensions);

	buf_add(out, local, ext != NULL ? (size_t)(ext - 1 - local) : strlen(local));
	buf_addf(out, "@%s", nexthop);
	free(local);
}

static void place(struct batch *b, struct target *t, const char *transport, const char *nexthop)
{
	struct transport *tr;
	struct buf name = { 0 };

	for (size_t i = 0; i < qmgr.conf->defer_transports.n && !b->active->flushed; i++) {
		if (strcmp(qmgr.conf->defer_transports.v[i], transport) == 0) {
			set_site(t, site_pseudo("4.3.2", "deferred transport"));
			return;
		}
	}
	tr = transport_get(transport);
	if (tr->rcpt_limit == 1 && strcmp(transport, "error") != 0 && strcmp(transport, "retry") != 0)
		single_name(&name, t->addr, nexthop);
	else
		buf_adds(&name, nexthop);
	set_site(t, site_get(tr, nexthop, str_lower(name.p)));
	buf_release(&name);
}

static void place_filtered(struct batch *b, struct target *t, const char *filter)
{
	struct buf transport = { 0 }, nexthop = { 0 };

	resolve_filter(filter, t->addr, &transport, &nexthop);
	place(b, t, buf_str(&transport), buf_str(&nexthop));
	buf_release(&transport);
	buf_release(&nexthop);
}

static bool is_double_bounce(const struct resolve_op *op)
{
	const char *addr = buf_str(&op->recipient), *at = strrchr(addr, '@');
	size_t n = at != NULL ? (size_t)(at - addr) : strlen(addr);

	return (op->class_ & CLASS_LOCAL) != 0 && strlen(qmgr.conf->double_bounce) == n &&
	    strncasecmp(addr, qmgr.conf->double_bounce, n) == 0;
}

static void resolved(struct active *a, struct batch *b, struct target *t, enum rewrite_result r)
{
	struct resolve_op *op = &a->resolve;

	if (r == REWRITE_ERROR || (op->flags & RESOLVE_FAIL) != 0) {
		set_site(t, site_pseudo("4.3.0", "address resolver failure"));
		return;
	}
	if (strcmp(buf_str(&op->recipient), t->addr) != 0)
		t->addr = arena_strdup(message_arena(b->msg), buf_str(&op->recipient));
	if ((op->flags & RESOLVE_ERROR) != 0) {
		place(b, t, "error", op->why != NULL ? op->why : "5.1.3 bad address syntax");
		return;
	}
	if (is_double_bounce(op)) {
		outcome_discarded(a, b, t, "undeliverable postmaster notification discarded");
		t->site = NULL;
		return;
	}
	place(b, t, buf_str(&op->transport), buf_str(&op->nexthop));
}

bool batch_resolve(struct active *a)
{
	struct batch *b = a->resolving;

	for (int budget = RESOLVED_PER_RUN; b->resolved < b->n;) {
		struct target *t = &b->target[b->resolved];
		enum rewrite_result r;

		if (!a->resolve_on) {
			if (budget-- == 0) {
				task_wake(&a->task);
				return false;
			}
			if (a->msg->redirect != NULL && *a->msg->redirect != '\0') {
				if (b->resolved > 0 || b != &a->first) {
					outcome_discarded(a, b, t, NULL);
					b->resolved++;
					continue;
				}
				t->addr = a->msg->redirect;
			} else if (a->msg->content_filter != NULL && *a->msg->content_filter != '\0' &&
			    (a->msg->flags & MSG_TRACE_VERIFY) == 0) {
				place_filtered(b, t, a->msg->content_filter);
				b->resolved++;
				continue;
			}
			resolve_start(&a->resolve, &a->task, generation_current(), a->msg->sender, t->addr);
			a->resolve_on = true;
		}
		if ((r = resolve_poll(&a->resolve)) == REWRITE_WAIT)
			return false;
		resolved(a, b, t, r);
		resolve_end(&a->resolve);
		a->resolve_on = false;
		b->resolved++;
	}
	assign(b);
	return true;
}
