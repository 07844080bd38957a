/* filter.c - smtp_delivery_status_filter and its kin: a table may give a delivery another status or text.
 * The key is both, "5.1.1 host mx said: ..."; the answer is a status of the same sort (a failure stays one,
 * temporary or not; a success stays one) and perhaps a text. Mostly the table answers at once. One that has to be
 * waited for holds up the recipient's outcome, not the agent: it sees the recipient as done and goes on, and
 * the delivery ends when the last answer is there. */
#include "qmgr_int.h"
#include <ctype.h>
#include <postrider/table.h>
#include <stdlib.h>

struct pending {		/* a recipient whose outcome waits for the table */
	unsigned	 i;
	enum outcome	 out;
	struct status	 st;	/* strings in the message's memory */
	struct maps_op	 op;
	LIST_ENTRY(pending) link;
};

/* Length of "5.1.1" at the beginning of a text; 0: there is none. */
static size_t dsn_length(const char *s)
{
	const char *p = s + 1;

	if (*s != '2' && *s != '4' && *s != '5')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t n;

		if (*p != '.' || (n = strspn(p + 1, "0123456789")) == 0 || n > 3)
			return 0;
		p += n + 1;
	}
	return *p == '\0' || isspace((unsigned char)*p) ? (size_t)(p - s) : 0;
}

/* The outcome as the table has it; as it was when the table fails, which maps_start() has told. */
static void report(struct deliver *dv, unsigned i, enum outcome out, const struct status *was, const struct maps *maps,
    enum table_result r, const char *value)
{
	struct status st = *was;
	char dsn[sizeof("5.123.123")];
	size_t n = r == TABLE_FOUND ? dsn_length(value) : 0;

	if (r == TABLE_FOUND && (n == 0 || (*value == '2') != (*was->dsn == '2'))) {
		log_warn(&dv->d.log, "%s: bad status code: %s", maps_title(maps), value);
	} else if (r == TABLE_FOUND) {
		memcpy(dsn, value, n);
		dsn[n] = '\0';
		st.dsn = dsn;
		value += n;
		value += strspn(value, " \t");
		if (*value != '\0')
			st.text = value;
		out = *dsn == '2' ? OUT_SENT : *dsn == '4' ? OUT_DEFERRED : OUT_BOUNCED;
	}
	outcome_report(&dv->d, i, out, &st);
}

/* The table is slow: what the outcome was must last until it has answered. */
static void hold(struct deliver *dv, struct pending *p, const struct status *st)
{
	struct arena *ar = &dv->d.msg->arena;

	p->st = *st;
	p->st.dsn = arena_strdup(ar, st->dsn);
	p->st.relay = arena_strdup(ar, st->relay);
	p->st.text = arena_strdup(ar, st->text);
	p->st.remote_mta = arena_strdup(ar, st->remote_mta);
	p->st.diagnostic = arena_strdup(ar, st->diagnostic);
	dv->d.rcpt[p->i].out = p->out;	/* for the agent */
	LIST_INSERT_HEAD(&dv->pending, p, link);
}

static void pending_free(struct pending *p)
{
	maps_end(&p->op);
	free(p);
}

bool filter_outcome(struct delivery *d, unsigned i, enum outcome out, const struct status *st)
{
	struct deliver *dv = CONTAINER_OF(d, struct deliver, d);
	const struct maps *maps = d->service->status_filter;
	struct buf key = { 0 };
	struct pending *p;
	enum table_result r;

	if (maps == NULL)
		return false;
	p = xcalloc(1, sizeof(*p));
	p->i = i;
	p->out = out;
	buf_addf(&key, "%s %s", st->dsn, st->text);
	maps_start(&p->op, d->task, &d->log, maps, buf_str(&key), MAPS_ALL);
	buf_release(&key);
	r = maps_poll(&p->op);
	if (r == TABLE_WAIT) {
		hold(dv, p, st);
	} else {
		report(dv, i, out, st, maps, r, p->op.value);
		pending_free(p);
	}
	return true;
}

bool filter_run(struct deliver *dv)
{
	struct pending *p, *next;

	for (p = LIST_FIRST(&dv->pending); p != NULL; p = next) {
		enum table_result r = maps_poll(&p->op);

		next = LIST_NEXT(p, link);
		if (r == TABLE_WAIT)
			continue;
		LIST_REMOVE(p, link);
		dv->d.rcpt[p->i].out = OUT_NONE;
		report(dv, p->i, p->out, &p->st, dv->d.service->status_filter, r, p->op.value);
		pending_free(p);
	}
	return LIST_EMPTY(&dv->pending);
}

void filter_end(struct deliver *dv)
{
	struct pending *p;

	while ((p = LIST_FIRST(&dv->pending)) != NULL) {
		LIST_REMOVE(p, link);
		dv->d.rcpt[p->i].out = OUT_NONE;
		pending_free(p);
	}
}
