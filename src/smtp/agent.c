/* agent.c - one delivery: which servers are asked, in what order, and when it is over.
 *
 *	NEXT_DEST ──► CACHE_POLICY ──► ROUTE ──► NEXT_HOP ──► CONNECT ──► (hello.c) ──► TRANSACTION ──► (xfer.c)
 *	    ▲              │ idle connection for this next hop ────────────────────────────▲               │
 *	    └── no address left ◄──────────────── NEXT_HOP ◄──── session_end: recipients left ◄────────────┘
 *
 * A session ends in session_end(), which parks or closes the connection. Recipients without an outcome go on to
 * the next address, the next of several next hops, the fallback relays; what is left after the last is
 * decided in LEFTOVER. "Last" is known before a session begins (attempt_final), since a failure there has to be
 * reported with that server's name.
 *
 * A connection from the cache may have died this very moment. If it ends before a word of this transaction was
 * answered, nothing has happened: the attempt goes on as if there had been none. */
#include "client.h"
#include <postrider/clock.h>
#include <stdlib.h>

static const char *const state_names[] = {
	"NEXT_DEST", "CACHE_POLICY", "ROUTE", "NEXT_HOP", "CONNECT", "BANNER", "PIX", "EHLO", "DISCARD", "HELO",
	"TRANSACTION", "COMMANDS", "BODY", "PAUSE", "DOT", "GENERIC", "LEFTOVER", "LOOP", "DONE",
};
_Static_assert(NELEM(state_names) == ST_DONE + 1, "a name for every state");

/* ---- recipients ------------------------------------------------------------------------------------------------- */
static void todo_build(struct attempt *a)
{
	a->ntodo = 0;
	for (unsigned i = 0; i < a->d->nrcpt; i++)
		if (a->d->rcpt[i].out == OUT_NONE) {
			a->mark[a->ntodo] = MARK_TODO;
			a->todo[a->ntodo++] = i;
		}
}

/* ---- limits and finality ---------------------------------------------------------------------------------------- */
static bool is_tried(const struct attempt *a, const struct sockaddr_storage *sa, socklen_t len)
{
	for (unsigned i = 0; i < MIN(a->ntried, NELEM(a->tried)); i++)
		if (memcmp(&a->tried[i], sa, len) == 0)
			return true;
	return false;
}

static void set_tried(struct attempt *a, const struct conn *c)
{
	a->tried[a->ntried++ % NELEM(a->tried)] = c->sa;
}

/* The index of the next address worth trying, or nhop. */
static size_t hop_after(const struct attempt *a, size_t i)
{
	const struct smtp_params *p = &a->svc->p;

	if ((p->mx_address_limit > 0 && a->naddr >= p->mx_address_limit) ||
	    (p->mx_session_limit > 0 && a->nsess >= p->mx_session_limit))
		return a->route.nhop;
	while (i < a->route.nhop && is_tried(a, &a->route.hop[i].sa, a->route.hop[i].len))
		i++;
	return i;
}

bool attempt_final(const struct attempt *a)
{
	if (a->conn != NULL && a->by_dest)	/* it counts against the limits like any other */
		return a->last_dest && (!a->conn->alternatives || a->svc->p.mx_address_limit == 1 ||
		    a->svc->p.mx_session_limit == 1);
	return a->state == ST_LEFTOVER || a->local || (a->last_dest && hop_after(a, a->ihop) >= a->route.nhop);
}

bool attempt_reusable(const struct attempt *a)
{
	return (a->keep_conn || (a->svc->p.cache_on_demand && a->d->prefer_reuse)) && !a->conn->dead &&
	    conn_may_reuse(a->conn);
}

/* ---- sessions --------------------------------------------------------------------------------------------------- */
void session_begin(struct attempt *a, struct conn *c, bool cached)
{
	a->conn = c;
	c->log = a->d->log;
	str_copy(c->last_id, a->d->msg->name, sizeof(c->last_id));
	c->owner = a->d->task;
	a->from_cache = cached;
	todo_build(a);
}

/* Forgets what belongs to one session. */
static void session_clear(struct attempt *a)
{
	body_free(&a->body);
	timer_end(&a->pause);
	maps_end(&a->map);
	content_unref(&a->content);
	a->by_dest = a->from_cache = false;
	todo_build(a);
}

static void go_on(struct attempt *a)
{
	session_clear(a);
	if (a->ntodo == 0)
		attempt_enter(a, ST_DONE);
	else if (a->local)
		attempt_enter(a, ST_LEFTOVER);
	else
		attempt_enter(a, a->routed ? ST_NEXT_HOP : ST_ROUTE);
}

void session_end(struct attempt *a)
{
	struct conn *c = a->conn;
	bool keep = attempt_reusable(a) && !a->quit_sent;
	bool first = a->idest == 1 && !a->dest_stored;

	if (a->by_dest) {
		set_tried(a, c);
		a->naddr = 1;
	}
	a->conn = NULL;
	/* Answered before it had all of the content: what is still queued must not follow. */
	if (a->state >= ST_BODY && stream_queued(c->stream) > 0)
		c->dead = true;
	if (!c->dead && !keep && !a->quit_sent)
		conn_said(c, "QUIT");		/* cache_quit() is going to */
	conn_notify(c, a->d->msg);
	if (c->dead) {
		conn_free(&c);
	} else if (keep) {
		a->dest_stored |= first;
		cache_park(&c, first ? a->dest.v[0] : NULL);
	} else {
		cache_quit(&c, a->quit_sent);
	}
	a->quit_sent = false;
	go_on(a);
}

void client_lost(struct attempt *a, enum stream_result r)
{
	if (!a->from_cache || r == STREAM_TIMEOUT || a->conn->filter_failed) {
		fail_io(a, r);
		session_end(a);
		return;
	}
	a->d->conn_done_us = 0;
	a->d->conn_reuse = 0;
	conn_free(&a->conn);
	a->nsess--;
	if (!a->by_dest) {
		a->ihop--;
		a->naddr--;
	}
	if (a->local) {			/* the socket is the only address: another connection to it */
		session_clear(a);
		attempt_enter(a, ST_CACHE_POLICY);
		return;
	}
	go_on(a);
}

/* ---- where to --------------------------------------------------------------------------------------------------- */
/* A next hop that makes no sense would stop a Postfix client process; its queue manager then says this. */
static void dest_bad(struct attempt *a, char *why)
{
	log_warn(&a->d->log, "%s", why);
	free(why);
	why_set(a, "4.3.0", NULL, "unknown mail transport error");
	a->idest = a->dest.n;
	attempt_enter(a, ST_LEFTOVER);
}

static void next_dest(struct attempt *a)
{
	const char *text;
	char *bad;

	route_end(&a->route);
	a->routed = false;
	if (a->last_dest || a->idest >= a->dest.n) {
		attempt_enter(a, ST_LEFTOVER);
		return;
	}
	text = a->dest.v[a->idest++];
	a->last_dest = a->idest == a->dest.n;
	a->ihop = 0;
	a->naddr = a->nsess = 0;
	dest_release(&a->at);
	if (a->local) {
		attempt_enter(a, ST_CACHE_POLICY);
		return;
	}
	bad = dest_parse(&a->at, text, a->svc->p.tcp_port, &a->svc->ports);
	if (bad != NULL)
		dest_bad(a, bad);
	else
		attempt_enter(a, a->idest == 1 ? ST_CACHE_POLICY : ST_ROUTE);
}

/* A kept connection for this very next hop saves the look-ups, too. */
static bool policy_step(struct attempt *a)
{
	struct conn *c = NULL;

	if (a->svc->cache_dest != NULL) {
		enum match_result m = match_poll(&a->match);

		if (m == MATCH_WAIT)
			return false;
		a->keep_conn = m == MATCH_YES;
		match_end(&a->match);
	}
	if (a->keep_conn || a->svc->p.cache_on_demand)
		c = cache_take_dest(a->svc, a->dest.v[0], a->d->task);
	if (c != NULL) {
		a->by_dest = true;
		session_begin(a, c, true);
		attempt_enter(a, ST_TRANSACTION);
	} else {
		attempt_enter(a, a->local ? ST_CONNECT : ST_ROUTE);
	}
	return true;
}

static bool route_step(struct attempt *a)
{
	struct route *r = &a->route;

	switch (route_poll(r)) {
	case ROUTE_WAIT:
		return false;
	case ROUTE_FAILED:
		why_set(a, r->dsn, NULL, "%s", buf_str(&r->why));
		/* Fallback relays would make a loop worse. */
		if (strcmp(r->dsn, "5.4.6") == 0)
			a->last_dest = true;
		attempt_enter(a, ST_NEXT_DEST);
		return true;
	case ROUTE_OK:
		break;
	}
	if (r->am_mx)
		a->last_dest = true;	/* and a backup MX has no fallback but the better MX hosts */
	a->routed = true;
	attempt_enter(a, ST_NEXT_HOP);
	return true;
}

/* Connections that wait for one of the best hosts come before new ones. */
static struct conn *cached_best(struct attempt *a)
{
	struct route *r = &a->route;

	for (size_t i = a->ihop; i < r->nhop && r->hop[i].pref == r->best_pref; i++) {
		struct conn *c;
		struct hop h = r->hop[i];

		if (is_tried(a, &h.sa, h.len) ||
		    (c = cache_take_addr(a->svc, (struct sockaddr *)&h.sa, a->d->task)) == NULL)
			continue;
		r->hop[i] = r->hop[a->ihop];
		r->hop[a->ihop] = h;
		return c;
	}
	return NULL;
}

static void next_hop(struct attempt *a)
{
	struct conn *c = NULL;
	struct hop *h;

	a->ihop = hop_after(a, a->ihop);
	if (a->ihop >= a->route.nhop) {
		attempt_enter(a, ST_NEXT_DEST);
		return;
	}
	if ((a->keep_conn || a->svc->p.cache_on_demand) && !TAILQ_EMPTY(&a->svc->parked)) {
		c = cached_best(a);
		h = &a->route.hop[a->ihop];
		if (c == NULL && h->pref != a->route.best_pref)
			c = cache_take_addr(a->svc, (struct sockaddr *)&h->sa, a->d->task);
	}
	h = &a->route.hop[a->ihop++];
	a->naddr++;
	if (c == NULL) {
		attempt_enter(a, ST_CONNECT);
		return;
	}
	conn_rename(c, h->host);
	session_begin(a, c, true);
	attempt_enter(a, ST_TRANSACTION);
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */
/* What could be a mistake in the configuration is not held against the mail. */
static void leftover(struct attempt *a)
{
	const struct smtp_params *p = &a->svc->p;
	struct why *w = &a->why;

	if (w->dsn[0] == '\0') {
		why_set(a, "4.3.0", NULL, "server unavailable or unable to receive mail");
	} else if (!why_soft(w) && a->idest > a->ndest) {
		log_warn(
		    &a->d->log, "%s configuration problem", p->lmtp ? "lmtp_fallback_relay" : "smtp_fallback_relay");
		str_copy(w->dsn, "4.3.5", sizeof(w->dsn));
	} else if (!why_soft(w) && !p->lmtp && strcmp(a->d->nexthop, p->relayhost) == 0) {
		log_warn(&a->d->log, "relayhost configuration problem");
		str_copy(w->dsn, "4.3.5", sizeof(w->dsn));
	}
	todo_build(a);
	fail_all(a, true);
	attempt_enter(a, ST_DONE);
}

static void hello_send(struct attempt *a, const char *verb)
{
	char *line = xasprintf("%s %s", verb, a->svc->p.helo_name);

	conn_puts(a->conn, line);
	free(line);
	stream_deadline(a->conn->stream, a->svc->p.helo_ms);
}

void attempt_enter(struct attempt *a, enum state state)
{
	log_debug(&a->d->log, "%s: %s -> %s", a->d->msg->name, state_names[a->state], state_names[state]);
	a->state = state;
	switch (state) {
	case ST_CACHE_POLICY:
		if (a->svc->cache_dest != NULL)
			match_start(&a->match, a->d->task, &a->d->log, a->svc->cache_dest,
			    a->local ? a->dest.v[0] : a->at.host, NULL);
		break;
	case ST_ROUTE:
		route_start(&a->route, a->d->task, &a->d->log, a->svc, &a->at);
		break;
	case ST_CONNECT:
		a->retry_unbound = false;
		connect_start(a);
		break;
	case ST_BANNER:
		a->where = "receiving the initial server greeting";
		stream_deadline(a->conn->stream, a->svc->p.helo_ms);
		break;
	case ST_PIX:
	case ST_DISCARD:
		if ((state == ST_PIX ? a->svc->pix_maps : a->svc->discard_maps) != NULL)
			maps_start(&a->map, a->d->task, &a->d->log,
			    state == ST_PIX ? a->svc->pix_maps : a->svc->discard_maps, a->conn->addr, MAPS_ALL);
		break;
	case ST_EHLO:
		a->where = a->svc->p.lmtp ? "performing the LHLO handshake" : "performing the EHLO handshake";
		hello_send(a, a->svc->p.lmtp ? "LHLO" : "EHLO");
		break;
	case ST_HELO:
		a->where = "performing the HELO handshake";
		hello_send(a, "HELO");
		break;
	case ST_BODY:
		a->where = "sending message body";
		break;
	default:
		break;
	}
}

static enum agent_result attempt_run(struct attempt *a)
{
	for (unsigned budget = 200;; budget--) {
		bool more = true;

		if (budget == 0) {
			task_wake(a->d->task);
			return AGENT_WAIT;
		}
		switch (a->state) {
		case ST_NEXT_DEST:
			next_dest(a);
			break;
		case ST_CACHE_POLICY:
			more = policy_step(a);
			break;
		case ST_ROUTE:
			more = route_step(a);
			break;
		case ST_NEXT_HOP:
			next_hop(a);
			break;
		case ST_CONNECT:
			more = connect_step(a);
			break;
		case ST_BANNER:
		case ST_PIX:
		case ST_EHLO:
		case ST_DISCARD:
		case ST_HELO:
			more = hello_step(a);
			break;
		case ST_TRANSACTION:
			a->nsess++;
			xfer_begin(a);
			break;
		case ST_COMMANDS:
		case ST_BODY:
		case ST_PAUSE:
		case ST_DOT:
			more = xfer_step(a);
			break;
		case ST_GENERIC:
			more = generic_step(a);
			break;
		case ST_LEFTOVER:
			leftover(a);
			break;
		case ST_LOOP:
			more = loop_check_step(a);
			break;
		case ST_DONE:
			return AGENT_DONE;
		}
		if (!more)
			return AGENT_WAIT;
	}
}

/* ---- the class -------------------------------------------------------------------------------------------------- */
static void agent_start(struct delivery *d)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	const char *hop = d->nexthop;

	a->d = d;
	d->agent = a;
	a->svc = d->service->state;
	a->todo = xreallocarray(NULL, MAX(d->nrcpt, 1), sizeof(*a->todo));
	a->mark = xcalloc(MAX(d->nrcpt, 1), sizeof(*a->mark));
	todo_build(a);
	if (a->svc->p.lmtp && strncmp(hop, "unix:", 5) == 0) {
		a->local = true;
		a->path = hop + 5;
		strs_add(&a->dest, hop);
		a->ndest = 1;
	} else {
		if (strncmp(hop, "inet:", 5) == 0)
			hop += 5;
		strs_split(&a->dest, hop, ", \t\r\n");
		a->ndest = a->dest.n;
		strs_split(&a->dest, a->svc->p.fallback_relay, ", \t\r\n");
	}
	a->state = ST_NEXT_DEST;
	if (a->svc->p.unfit != NULL) {
		log_at(LOG_LEVEL_FATAL, &d->log, "%s", a->svc->p.unfit);
		a->state = ST_DONE;		/* without outcomes: qmgr defers, "unknown mail transport error" */
		return;
	}
	if (a->svc->p.assume_final && !a->svc->said_obsolete) {
		log_warn(&d->log, "lmtp_assume_final is obsolete; instead, specify \"flags=X\" in master.cf");
		a->svc->said_obsolete = true;
	}
	if (!flags_allow(a)) {
		a->state = ST_DONE;
		return;
	}
	if (a->svc->p.flags & CLIENT_DELIVERED)
		a->state = ST_LOOP;
	else if (!generic_empty(&a->svc->generic))
		a->state = ST_GENERIC;
	if (a->svc->p.tls_demand != NULL) {
		why_set(a, "4.7.5", NULL, "TLS is required by %s, but is not available: not sending in plaintext",
		    a->svc->p.tls_demand);
		a->state = ST_LEFTOVER;
	}
}

static enum agent_result agent_poll(struct delivery *d)
{
	return attempt_run(d->agent);
}

static void agent_end(struct delivery *d)
{
	struct attempt *a = d->agent;

	if (a == NULL)
		return;
	d->agent = NULL;
	body_free(&a->body);
	stream_free(&a->opening.stream);
	conn_free(&a->conn);		/* cancelled: the server drops the unfinished transaction */
	content_unref(&a->content);
	generic_stop(a);
	loop_check_stop(a);
	route_end(&a->route);
	match_end(&a->match);
	maps_end(&a->map);
	timer_end(&a->pause);
	dest_release(&a->at);
	strs_release(&a->dest);
	why_clear(&a->why);
	buf_release(&a->why.text);
	buf_release(&a->cmd);
	buf_release(&a->scratch);
	free(a->todo);
	free(a->mark);
	free(a);
}

const struct agent_class smtp_agent = { "smtp", agent_start, agent_poll, agent_end };
const struct agent_class lmtp_agent = { "lmtp", agent_start, agent_poll, agent_end };
