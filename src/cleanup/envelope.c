/* envelope.c - sender and recipients: standard form, maps, duplicates.
 *
 * Addresses are expanded one after the other; a look-up that waits holds up those behind it, but not the content,
 * which is read meanwhile. Only the end of the message waits for all. Two recipients are the same when address and
 * original recipient and DSN options are (without enable_original_recipient: when the address is), ignoring case. */
#include <stdlib.h>

#include "cleanup_room.h"

enum { FEW = 12 };		/* recipients that are compared one by one */

static void dup_key(const struct cleanup *c, struct buf *key, const struct rcpt *r)
{
	buf_reset(key);
	if (c->conf->orig_rcpt)
		buf_addf(key, "%s\n%u\n%s\n", r->dsn_orcpt != NULL ? r->dsn_orcpt : "", r->notify, r->orig);
	buf_adds(key, r->addr);
	str_lower(key->p);
}

static bool same(const struct cleanup *c, const struct rcpt *a, const struct rcpt *b)
{
	if (!str_ieq(a->addr, b->addr))
		return false;
	return !c->conf->orig_rcpt || (a->notify == b->notify && str_ieq(a->orig, b->orig) &&
	    str_ieq(a->dsn_orcpt != NULL ? a->dsn_orcpt : "", b->dsn_orcpt != NULL ? b->dsn_orcpt : ""));
}

static bool is_duplicate(struct cleanup *c, const struct rcpt *r)
{
	const struct message *m = c->msg;
	size_t limit = (size_t)view_int(c->conf->view, duplicate_filter_limit);
	struct buf key = { 0 };
	bool found;

	if (m->nrcpt <= FEW) {
		for (size_t i = 0; i < m->nrcpt && (limit == 0 || i < limit); i++)
			if (m->rcpt[i].state == RCPT_TODO && same(c, &m->rcpt[i], r))
				return true;
		return false;
	}
	while (c->hashed < m->nrcpt && (limit == 0 || c->hashed < limit)) {
		const struct rcpt *known = &m->rcpt[c->hashed++];

		dup_key(c, &key, known);
		if (known->state == RCPT_TODO)
			hash_set(&c->dups, key.p, c);
	}
	dup_key(c, &key, r);
	found = hash_get(&c->dups, key.p) != NULL;
	buf_release(&key);
	return found;
}

static struct pending_rcpt *add_pending(struct cleanup *c, const char *addr)
{
	struct pending_rcpt *p;

	if (c->npending == c->pending_cap) {
		c->pending_cap = c->pending_cap > 0 ? c->pending_cap * 2 : 1;
		c->pending = xreallocarray(c->pending, c->pending_cap, sizeof(*c->pending));
	}
	p = &c->pending[c->npending++];
	*p = (struct pending_rcpt){ .addr = xstrdup(addr) };
	return p;
}

void envelope_copy(struct cleanup *c, const char *addr)
{
	struct pending_rcpt *p = add_pending(c, addr);

	p->copy = true;
	p->notify = DSN_NEVER;
}

static void add_rcpt(struct cleanup *c, const char *addr, const char *orig, const struct pending_rcpt *p,
		     unsigned notify)
{
	struct rcpt probe = { .addr = (char *)(uintptr_t)addr, .orig = (char *)(uintptr_t)orig,
	    .dsn_orcpt = p->orcpt, .notify = (uint8_t)notify };
	struct rcpt *r;

	if (is_duplicate(c, &probe))
		return;
	r = message_add_rcpt(c->msg);
	if (*addr == '\0')		/* an alias for nobody */
		r->addr = arena_printf(&c->msg->arena, "%s@%s", view_str(c->conf->view, empty_address_recipient),
		    view_str(c->conf->view, myhostname));
	else
		r->addr = arena_strdup(&c->msg->arena, addr);
	r->orig = strcmp(orig, addr) == 0 ? r->addr : arena_strdup(&c->msg->arena, orig);
	r->dsn_orcpt = arena_strdup(&c->msg->arena, p->orcpt);
	r->notify = (uint8_t)notify;
	if (c->detect && !str_is_ascii(addr))
		c->msg->flags |= MSG_SMTPUTF8;
}

static void take_sender(struct cleanup *c)
{
	struct message *m = c->msg;

	m->sender = arena_strdup(&m->arena, c->expand.addr.v[0]);
	c->have_sender = true;
	if (c->detect && !str_is_ascii(m->sender))
		m->flags |= MSG_SMTPUTF8;
	if (c->from_wanted)
		header_from(c);
}

/* RFC 3461, 5.2.7.3: ENVID, RET and ORCPT go on to the members of an alias, NOTIFY does without SUCCESS, and a
 * success that was asked for is reported here: "expanded". */
static unsigned report_expansion(struct cleanup *c, const struct pending_rcpt *p)
{
	struct arena *a = &c->msg->arena;
	struct rcpt *r = message_add_rcpt(c->msg);

	r->addr = arena_strdup(a, c->expand.canonical);
	r->orig = arena_strdup(a, p->orig != NULL ? p->orig : p->addr);
	r->dsn_orcpt = arena_strdup(a, p->orcpt);
	r->notify = (uint8_t)p->notify;
	r->state = RCPT_REPORT;
	r->action = arena_strdup(a, "expanded");
	r->dsn = arena_strdup(a, "2.0.0");
	r->reason = arena_strdup(a, "alias expanded");
	return p->notify == DSN_SUCCESS ? (unsigned)DSN_NEVER : p->notify & ~(unsigned)DSN_SUCCESS;
}

/* Neither sendmail nor a notice says an ORCPT: it is the address in standard form, as the canonical maps have it. */
static char *submitted_orcpt(const struct cleanup *c, const struct pending_rcpt *p, const char *canonical)
{
	if (p->orcpt != NULL || p->copy || canonical == NULL ||
	    (c->flags & (CLEANUP_LOCAL_SUBMIT | CLEANUP_INTERNAL)) == 0)
		return NULL;
	return xasprintf("%s;%s", !str_is_ascii(canonical) && (c->detect || (c->msg->flags & MSG_SMTPUTF8) != 0) ? "utf-8" :
	    "rfc822", canonical);
}

static void take_rcpt(struct cleanup *c, struct pending_rcpt *p)
{
	const struct strs *to = &c->expand.addr;
	const char *canonical = c->expand.canonical;
	unsigned notify = p->notify;
	char *orcpt = submitted_orcpt(c, p, canonical);

	if (orcpt != NULL)
		p->orcpt = orcpt;
	if ((notify & DSN_SUCCESS) != 0 && canonical != NULL && (to->n > 1 || strcmp(to->v[0], canonical) != 0))
		notify = report_expansion(c, p);
	for (size_t i = 0; i < to->n; i++)
		add_rcpt(c, to->v[i],
			 p->copy && canonical != NULL ? canonical : p->orig != NULL ? p->orig : p->addr, p, notify);
}

static void expanded(struct cleanup *c)
{
	struct pending_rcpt p;

	if (c->expand.result == REWRITE_ERROR)
		content_refuse(c, strncmp(c->expand.why, "4.6", 3) == 0 ? STAT_DEFER : STAT_WRITE, c->expand.why);
	if (c->expanding_sender) {
		if (c->expand.addr.n == 0)
			strs_add(&c->expand.addr, c->raw_sender);
		take_sender(c);
		free(c->raw_sender);
		c->raw_sender = NULL;
	} else {
		p = c->pending[c->next_pending++];
		if (c->next_pending == c->npending)
			c->next_pending = c->npending = 0;
		take_rcpt(c, &p);
		free(p.addr);
		free(p.orig);
		free(p.orcpt);
	}
	for (size_t i = 0; i < c->expand.bcc.n; i++)
		envelope_copy(c, c->expand.bcc.v[i]);
	expand_end(&c->expand);
	c->expanding = false;
}

bool envelope_run(struct cleanup *c)
{
	for (;;) {
		if (!c->expanding) {
			c->expanding_sender = c->raw_sender != NULL;
			c->expand_ctx.flags = c->expand_flags;
			if (!c->expanding_sender && c->next_pending < c->npending && c->pending[c->next_pending].copy)
				c->expand_ctx.flags |= EXPAND_NO_BCC;
			if (c->expanding_sender)
				expand_sender_start(&c->expand, c->task, &c->expand_ctx, c->raw_sender);
			else if (c->next_pending < c->npending)
				expand_rcpt_start(&c->expand, c->task, &c->expand_ctx,
						  c->pending[c->next_pending].addr);
			else
				return true;
			c->expanding = true;
		}
		if (expand_poll(&c->expand) == REWRITE_WAIT)
			return false;
		expanded(c);
	}
}

void cleanup_sender(struct cleanup *c, const char *addr)
{
	ASSERT(c->raw_sender == NULL && !c->have_sender);
	c->raw_sender = xstrdup(addr);
	envelope_run(c);
}

void cleanup_rcpt(struct cleanup *c, const char *addr, const char *dsn_orcpt, unsigned notify)
{
	cleanup_rcpt_again(c, addr, NULL, dsn_orcpt, notify);
}

void cleanup_rcpt_again(struct cleanup *c, const char *addr, const char *orig, const char *dsn_orcpt, unsigned notify)
{
	struct pending_rcpt *p;

	if (c->error.code != 0)
		return;
	p = add_pending(c, addr);
	p->orig = orig != NULL && strcmp(orig, addr) != 0 ? xstrdup(orig) : NULL;
	p->orcpt = xstrdup(dsn_orcpt);
	p->notify = notify;
	c->last_rcpt = arena_strdup(&c->msg->arena, addr);
	envelope_run(c);
}

uint32_t envelope_count(const struct message *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->nrcpt; i++)
		n += m->rcpt[i].state == RCPT_TODO;
	return n;
}

void envelope_release(struct cleanup *c)
{
	if (c->expanding)
		expand_end(&c->expand);
	free(c->raw_sender);
	for (size_t i = c->next_pending; i < c->npending; i++) {
		free(c->pending[i].addr);
		free(c->pending[i].orig);
		free(c->pending[i].orcpt);
	}
	free(c->pending);
	hash_release(&c->dups, NULL);
}
