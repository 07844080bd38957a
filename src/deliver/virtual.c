/* virtual.c - the agent for virtual mailboxes: where each recipient's mailbox is, and putting the message there.
 *
 *	PATHS ──► (for each recipient: mailbox, uid, gid) ──► WRITE ──► report
 *
 * All of a delivery's Maildirs are written together. Content in memory goes to a worker in one request; what is
 * only in the store goes in pieces of PIECE bytes, each a trip of its own, so memory stays bounded whatever the size.
 *
 * Whose files: this process has one uid. If it was started with privileges, a mailbox of another uid than its own is
 * deferred; if not, everything is its own anyway, and the maps are only held to Postfix's rules.
 * Not here: mbox files; delivery under other uids, which is the parent's to do. */
#include "room.h"
#include <postrider/rewrite.h>
#include <errno.h>
#include <postrider/address.h>
#include <postrider/clock.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 262144 };

struct virtual_service {
	struct maps	*boxes, *uids, *gids;
	const char	*base;
	struct extension_rules extensions;
	int64_t		 limit;
	bool		 limit_low;	/* below message_size_limit: Postfix's agent would not start */
	int		 minimum_uid;
};
enum state { ST_PATHS, ST_BOX, ST_UID, ST_GID, ST_WRITE, ST_READ, ST_DONE };

struct job {			/* one delivery */
	struct delivery	*d;
	struct virtual_service *svc;
	enum state	 state;
	unsigned	 i;		/* recipient being looked up */
	char		*user;		/* its address in lower case: the key */
	struct addr_lookup lookup;
	char		**dir;		/* by recipient: its Maildir; NULL: settled without */
	unsigned	*rcpt_of;	/* by file: the recipient */
	struct write_op	 op;
	struct content_op content;
	enum content_part part;
	bool		 reading, last;
};

/* ---- outcomes --------------------------------------------------------------------------------------------------- */
static void settle(struct job *j, unsigned i, const char *dsn, const char *text)
{
	struct status st = { .dsn = dsn, .relay = j->d->transport, .text = text, .final = true };

	(*dsn == '2' ? delivery_sent : *dsn == '4' ? delivery_deferred : delivery_bounced)(j->d, i, &st);
}

static void misconfigured(struct job *j)
{
	settle(j, j->i, "4.3.5", "mail system configuration error");
}

/* ---- where to --------------------------------------------------------------------------------------------------- */
static const char *addr_of(const struct job *j)
{
	return j->d->rcpt[j->i].addr;
}

static void look_up(struct job *j, struct maps *maps, enum state state)
{
	addr_lookup_start(&j->lookup, j->d->task, &j->d->log, maps, &j->svc->extensions, j->user);
	j->state = state;
}

static void next_rcpt(struct job *j)
{
	addr_lookup_end(&j->lookup);
	free(j->user);
	j->user = NULL;
	j->i++;
	j->state = ST_PATHS;
}

/* A table's answer is not trusted with more than a place below the base. */
static bool path_ok(const char *p)
{
	for (const char *c = p; (c = strstr(c, "..")) != NULL; c += 2)
		if ((c == p || c[-1] == '/') && (c[2] == '/' || c[2] == '\0'))
			return false;
	return *p != '\0';
}

static void box_found(struct job *j, const char *value)
{
	size_t n = strlen(value);

	if (!path_ok(value)) {
		log_warn(
		    &j->d->log, "recipient %s: bad mailbox path \"%s\" in virtual_mailbox_maps", addr_of(j), value);
		misconfigured(j);
		next_rcpt(j);
		return;
	}
	if (value[n - 1] != '/') {
		settle(j, j->i, "4.3.5", "mailbox file delivery is not available, only maildir (path ending in /)");
		next_rcpt(j);
		return;
	}
	j->dir[j->i] = xstrdup(value);
	addr_lookup_end(&j->lookup);
	if (!deliver_privileged && maps_empty(j->svc->uids) && maps_empty(j->svc->gids))
		next_rcpt(j);		/* nothing else than our own uid is possible */
	else
		look_up(j, j->svc->uids, ST_UID);
}

/* No mailbox is written for this recipient after all. */
static void no_box(struct job *j)
{
	free(j->dir[j->i]);
	j->dir[j->i] = NULL;
	next_rcpt(j);
}

/* value as Postfix's atol() would have it. */
static bool id_ok(struct job *j, const char *value, long minimum, const char *what, const char *title, long ours)
{
	long id = strtol(value, NULL, 10);

	if (id < minimum) {
		log_warn(&j->d->log, "recipient %s: bad %s %s in %s", addr_of(j), what, value, title);
		misconfigured(j);
		return false;
	}
	if (deliver_privileged && id != ours) {
		char *text = xasprintf("delivery as %s %ld is not available in this version", what, id);

		settle(j, j->i, "4.3.5", text);
		free(text);
		return false;
	}
	return true;
}

static bool id_step(struct job *j, bool uid)
{
	const char *title = uid ? "virtual_uid_maps" : "virtual_gid_maps";
	bool good;

	switch (addr_lookup_poll(&j->lookup)) {
	case TABLE_WAIT:
		return false;
	case TABLE_FOUND:
		good = id_ok(j, j->lookup.value, uid ? j->svc->minimum_uid : 1, uid ? "uid" : "gid", title,
		    uid ? (long)geteuid() : (long)getegid());
		break;
	case TABLE_NONE:
		log_warn(&j->d->log, "recipient %s: not found in %s", addr_of(j), title);
		misconfigured(j);
		good = false;
		break;
	default:
		misconfigured(j);
		good = false;
		break;
	}
	addr_lookup_end(&j->lookup);
	if (!good)
		no_box(j);
	else if (uid)
		look_up(j, j->svc->gids, ST_GID);
	else
		next_rcpt(j);
	return true;
}

static bool box_step(struct job *j)
{
	char *text;

	switch (addr_lookup_poll(&j->lookup)) {
	case TABLE_WAIT:
		return false;
	case TABLE_FOUND:
		box_found(j, j->lookup.value);
		return true;
	case TABLE_NONE:
		text = xasprintf("unknown user: \"%s\"", j->user);
		settle(j, j->i, "5.1.1", text);
		free(text);
		break;
	default:
		misconfigured(j);
		break;
	}
	next_rcpt(j);
	return true;
}

static char *lower_key(const char *addr)
{
	return str_lower(xstrdup(addr));
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */
static char *head_of(const struct delivery *d, const struct delivery_rcpt *r)
{
	struct buf out = { 0 };

	buf_adds(&out, "Return-Path: <");
	if (*d->sender != '\0')
		address_quote_822(&out, d->sender);
	buf_adds(&out, ">\n");
	if (r->rcpt->orig != NULL && *r->rcpt->orig != '\0' && view_bool(d->service->view, enable_original_recipient)) {
		buf_adds(&out, "X-Original-To: ");
		address_quote_822(&out, r->rcpt->orig);
		buf_addc(&out, '\n');
	}
	buf_adds(&out, "Delivered-To: ");
	address_quote_822(&out, r->addr);
	buf_addc(&out, '\n');
	return buf_steal(&out);
}

static bool in_memory(const struct message *m)
{
	return m->content != NULL && !(m->flags & MSG_CONTENT_STORED);
}

/* Every recipient is looked up: one request for all that have a Maildir. */
static void write_begin(struct job *j)
{
	struct delivery *d = j->d;
	struct write_req *r;
	size_t n = 0;

	for (unsigned i = 0; i < d->nrcpt; i++)
		if (j->dir[i] != NULL)
			j->rcpt_of[n++] = i;
	if (n == 0) {
		j->state = ST_DONE;
		return;
	}
	if (d->msg->flags & MSG_TRACE_VERIFY) {
		for (size_t k = 0; k < n; k++)
			settle(j, j->rcpt_of[k], "2.0.0", "delivers to maildir");
		j->state = ST_DONE;
		return;
	}
	r = write_open(&j->op, n);
	for (size_t k = 0; k < n; k++) {
		struct maildir_file *f = &r->file[k];

		f->base = xstrdup(j->svc->base);
		f->dir = j->dir[j->rcpt_of[k]];
		j->dir[j->rcpt_of[k]] = NULL;
		f->head = head_of(d, &d->rcpt[j->rcpt_of[k]]);
		f->limit = j->svc->limit;
		f->wall_us = wall_us();
	}
	r->what = REQ_OPEN;
	if (in_memory(d->msg)) {
		r->msg = message_ref(d->msg);
		r->what |= REQ_WRITE | REQ_FINISH;
		j->last = true;
	}
	write_start(&j->op, d->task);
	j->state = ST_WRITE;
}

static void read_part(struct job *j, enum content_part part)
{
	j->part = part;
	j->reading = true;
	content_read_start(&j->content, j->d->task, j->d->msg, part);
}

static void report(struct job *j)
{
	struct write_req *r = j->op.req;

	for (size_t k = 0; k < r->nfile; k++) {
		struct maildir_file *f = &r->file[k];
		char *text;

		if (f->dsn[0] == '\0') {
			settle(j, j->rcpt_of[k], "2.0.0", "delivered to maildir");
			continue;
		}
		if (f->error == EACCES) {
			log_warn(&j->d->log, "maildir access problem for UID/GID=%ld/%ld: %s", (long)geteuid(),
			    (long)getegid(), f->why);
			log_warn(&j->d->log, "perhaps you need to create the maildirs in advance");
		}
		text = xasprintf("maildir delivery failed: %s", f->why);
		settle(j, j->rcpt_of[k], f->dsn, text);
		free(text);
	}
}

/* For all that are still open: the delivery as a whole fails. */
static void fail_rest(struct job *j, const char *text)
{
	for (unsigned i = 0; i < j->d->nrcpt; i++)
		if (j->d->rcpt[i].out == OUT_NONE)
			settle(j, i, "4.3.0", text);
	j->state = ST_DONE;
}

static bool write_step(struct job *j)
{
	switch (write_poll(&j->op)) {
	case WRITE_WAIT:
		return false;
	case WRITE_FAILED:
		fail_rest(j, "maildir delivery failed: timed out");
		return true;
	case WRITE_DONE:
		break;
	}
	if (j->last) {
		report(j);
		j->state = ST_DONE;
	} else {
		j->op.req->what = 0;
		buf_reset(&j->op.req->piece);
		if (!j->reading)
			read_part(j, PART_HEADER);
		j->state = ST_READ;
	}
	return true;
}

static void write_piece(struct job *j)
{
	j->op.req->what = REQ_WRITE | (j->last ? REQ_FINISH : 0);
	write_start(&j->op, j->d->task);
	j->state = ST_WRITE;
}

/* Gathers the next piece from the store. */
static bool read_step(struct job *j)
{
	struct buf *piece = &j->op.req->piece;

	while (piece->len < PIECE) {
		switch (content_read_poll(&j->content)) {
		case CONTENT_WAIT:
			return false;
		case CONTENT_FAILED:
			fail_rest(j, "maildir delivery failed: error reading message");
			return true;
		case CONTENT_DATA:
			buf_add(piece, j->content.p, j->content.len);
			content_read_advance(&j->content);
			break;
		case CONTENT_END:
			content_read_end(&j->content);
			if (j->part == PART_BODY) {
				j->last = true;
				write_piece(j);
				return true;
			}
			if (!(j->d->msg->flags & MSG_NO_SEPARATOR))
				buf_add(piece, "\r\n", 2);
			read_part(j, PART_BODY);
			break;
		}
	}
	write_piece(j);
	return true;
}

/* ---- the agent -------------------------------------------------------------------------------------------------- */
static void virtual_start(struct delivery *d)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->d = d;
	j->svc = d->service->state;
	j->dir = xcalloc(MAX(d->nrcpt, 1), sizeof(*j->dir));
	j->rcpt_of = xcalloc(MAX(d->nrcpt, 1), sizeof(*j->rcpt_of));
	d->agent = j;
	if (j->svc->limit_low) {	/* without outcomes: qmgr defers, "unknown mail transport error" */
		log_at(LOG_LEVEL_FATAL, &d->log,
		    "configuration error: virtual_mailbox_limit is smaller than message_size_limit");
		j->state = ST_DONE;
	}
}

static bool paths_step(struct job *j)
{
	if (j->i >= j->d->nrcpt) {
		write_begin(j);
		return true;
	}
	j->user = lower_key(addr_of(j));
	look_up(j, j->svc->boxes, ST_BOX);
	return true;
}

static enum agent_result virtual_poll(struct delivery *d)
{
	struct job *j = d->agent;

	for (;;) {
		bool more;

		switch (j->state) {
		case ST_PATHS:
			more = paths_step(j);
			break;
		case ST_BOX:
			more = box_step(j);
			break;
		case ST_UID:
		case ST_GID:
			more = id_step(j, j->state == ST_UID);
			break;
		case ST_WRITE:
			more = write_step(j);
			break;
		case ST_READ:
			more = read_step(j);
			break;
		default:
			return AGENT_DONE;
		}
		if (!more)
			return AGENT_WAIT;
	}
}

static void virtual_end(struct delivery *d)
{
	struct job *j = d->agent;

	if (j == NULL)
		return;
	d->agent = NULL;
	addr_lookup_end(&j->lookup);
	if (j->reading)
		content_read_end(&j->content);
	write_end(&j->op);
	for (unsigned i = 0; i < d->nrcpt; i++)
		free(j->dir[i]);
	free(j->dir);
	free(j->rcpt_of);
	free(j->user);
	free(j);
}

const struct agent_class virtual_agent = { "virtual", virtual_start, virtual_poll, virtual_end };

/* ---- its line in master.cf -------------------------------------------------------------------------------------- */
static void *virtual_compile(struct service *s, struct problems *problems)
{
	struct virtual_service *svc = xcalloc(1, sizeof(*svc));
	struct tables *t = generation_tables(s->generation);
	const struct view *v = s->view;

	/* What names files and owners is not taken from strangers or substituted from addresses. */
	svc->boxes = maps_new(t, "virtual_mailbox_maps", view_str(v, virtual_mailbox_maps),
	    TABLE_ADDR | TABLE_NO_REGSUB | TABLE_NO_UNAUTH, problems);
	svc->uids = maps_new(t, "virtual_uid_maps", view_str(v, virtual_uid_maps),
	    TABLE_ADDR | TABLE_NO_PROXY | TABLE_NO_REGSUB | TABLE_NO_UNAUTH, problems);
	svc->gids = maps_new(t, "virtual_gid_maps", view_str(v, virtual_gid_maps),
	    TABLE_ADDR | TABLE_NO_PROXY | TABLE_NO_REGSUB | TABLE_NO_UNAUTH, problems);
	svc->base = view_str(v, virtual_mailbox_base);
	svc->extensions = rewrite_extensions(v);
	svc->limit = view_long(v, virtual_mailbox_limit);
	svc->limit_low = svc->limit > 0 && (view_long(v, message_size_limit) == 0 ||
	    svc->limit < view_long(v, message_size_limit));
	svc->minimum_uid = view_int(v, virtual_minimum_uid);
	return svc;
}

const struct service_class virtual_class = { .command = "virtual", .compile = virtual_compile, .release = free };
