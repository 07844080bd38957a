/* xfer.c - one transaction: MAIL, RCPT, DATA, the content, the dot.
 *
 * Two cursors run over the commands, sent and answered, and neither moves back. With PIPELINING (RFC 2920)
 * everything up to DATA is queued at once and leaves in one write; without, the next command
 * waits for the answer to the last. Only so much is queued as the stream takes, and answers are read
 * meanwhile, so a transaction with very many recipients needs little memory and cannot deadlock.
 * The content follows the 354 with its dot behind it; QUIT as well if the connection is not to be kept.
 *
 * After the dot nothing tells what a server that vanishes has done: the recipients are deferred, and may get the
 * message twice (RFC 5321 §4.5.3.2.6 has the same preference). */
#include "client.h"
#include <postrider/clock.h>
#include <stdlib.h>

enum { QUEUE_HIGH = 32768 };	/* bytes of commands queued before answers are read */

static const char *const verb_where[] = {	/* by enum verb: "while ..." */
	"sending XFORWARD name/address", "sending XFORWARD protocol/helo_name", "sending MAIL FROM", "sending RCPT TO",
	"sending DATA command", "sending end of data -- message may be sent more than once",
};
static const char *const verb_name[] = {	/* by enum verb: "in reply to ..." */
	"XFORWARD command", "XFORWARD command", "MAIL FROM command", "RCPT TO command", "DATA command",
	"end of DATA command",
};

static int64_t verb_ms(const struct attempt *a)
{
	const struct smtp_params *p = &a->svc->p;

	switch (a->rcv) {
	case V_XFORWARD_ADDR:
	case V_XFORWARD_PROTO:
		return p->xforward_ms;
	case V_MAIL:
		return p->mail_ms;
	case V_RCPT:
		return p->rcpt_ms;
	case V_DATA:
		return p->data_init_ms;
	case V_DOT:
		break;
	}
	return p->data_done_ms;
}

static bool probing(const struct attempt *a)
{
	return (a->d->msg->flags & MSG_TRACE_VERIFY) != 0;	/* sendmail -bv: up to RCPT, or DATA */
}

static bool pipelining(const struct attempt *a)
{
	return (a->conn->features & FEAT_PIPELINING) != 0;
}

static void said(struct attempt *a, enum verb verb)
{
	struct reply *r = &a->conn->reply;

	reply_flatten(r);
	why_set(
	    a, r->dsn, r, "host %s said: %s (in reply to %s)", a->conn->namaddr, buf_str(&r->text), verb_name[verb]);
}

/* ---- before the first command ----------------------------------------------------------------------------------- */
/* Do sender, recipients or headers really need SMTPUTF8? (RFC 6531 §3.2: such a message goes nowhere else.) */
static bool needs_smtputf8(const struct attempt *a)
{
	const struct message *m = a->d->msg;

	if (!(m->flags & MSG_SMTPUTF8))
		return false;
	if (!str_is_ascii(a->d->sender))
		return true;
	for (unsigned i = 0; i < a->d->nrcpt; i++)
		if (!str_is_ascii(a->d->rcpt[i].addr))
			return true;
	return (m->flags & MSG_UTF8_HEADER) != 0;
}

/* What forbids this message on this connection. */
static bool obstacle(struct attempt *a)
{
	const struct smtp_params *p = &a->svc->p;
	struct conn *c = a->conn;

	if (p->sasl && (c->features & (FEAT_AUTH | FEAT_STARTTLS))) {
		why_set(a, "4.7.0", NULL, "SASL authentication with server %s is configured, but not available",
		    c->namaddr);
		fail_all(a, true);
		return true;
	}
	if (!(c->features & FEAT_SMTPUTF8) && needs_smtputf8(a)) {
		why_set(a, "5.6.7", NULL, "SMTPUTF8 is required, but was not offered by host %s", c->namaddr);
	} else if (c->size_limit > 0 && c->size_limit < a->d->msg->size) {
		why_set(a, "5.3.4", NULL, "message size %lld exceeds size limit %lld of server %s",
		    (long long)a->d->msg->size, (long long)c->size_limit, c->namaddr);
	} else {
		return false;
	}
	fail_all(a, false);
	return true;
}

void xfer_begin(struct attempt *a)
{
	conn_setup_done(a);
	if (obstacle(a)) {
		session_end(a);
		return;
	}
	a->naccepted = a->snd_rcpt = a->rcv_rcpt = a->outstanding = 0;
	a->sent_all = a->mail_refused = a->quit_sent = false;
	a->snd = command_xforward_addr(a) ? V_XFORWARD_ADDR : command_xforward_proto(a) ? V_XFORWARD_PROTO : V_MAIL;
	a->rcv = a->snd;
	a->conn->uses++;
	a->d->conn_reuse = a->conn->uses;
	attempt_enter(a, ST_COMMANDS);
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */
/* The verb after v; RCPT repeats while cursor shows recipients left. */
static enum verb verb_next(const struct attempt *a, enum verb v, unsigned cursor)
{
	switch (v) {
	case V_XFORWARD_ADDR:
		return command_xforward_proto(a) ? V_XFORWARD_PROTO : V_MAIL;
	case V_XFORWARD_PROTO:
		return V_MAIL;
	case V_MAIL:
		return V_RCPT;
	case V_RCPT:
		return cursor < a->ntodo ? V_RCPT : V_DATA;
	case V_DATA:
	case V_DOT:
		break;
	}
	return V_DOT;
}

static void send_one(struct attempt *a)
{
	command_write(a);
	a->outstanding++;
	if (a->snd == V_RCPT)
		a->snd_rcpt++;
	if (a->snd == V_DATA)
		a->sent_all = true;
	a->snd = verb_next(a, a->snd, a->snd_rcpt);
	if (a->snd == V_DATA && probing(a) && !a->svc->p.verify_at_data)
		a->sent_all = true;
}

static void send_more(struct attempt *a)
{
	while (!a->sent_all) {
		if (pipelining(a) ? stream_queued(a->conn->stream) >= QUEUE_HIGH : a->outstanding > 0)
			return;
		/* Without pipelining we know by now that nobody is left to send to. */
		if (!pipelining(a) && (a->mail_refused || (a->snd == V_DATA && a->naccepted == 0))) {
			a->sent_all = true;
			return;
		}
		send_one(a);
	}
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */
static void rcpt_answered(struct attempt *a)
{
	struct reply *r = &a->conn->reply;
	unsigned t = a->rcv_rcpt++;

	if (a->mail_refused)
		return;		/* settled with MAIL */
	if (r->code / 100 != 2) {
		said(a, V_RCPT);
		fail_rcpt(a, t);
		return;
	}
	a->mark[t] = MARK_ACCEPTED;
	a->naccepted++;
	if (probing(a) && !a->svc->p.verify_at_data) {
		reply_flatten(r);
		done_rcpt(a, t, r);
	}
}

/* The dot goes out; what is to be read then is one reply, or with LMTP one per accepted recipient. */
static void send_dot(struct attempt *a)
{
	a->snd = V_DOT;
	command_write(a);
	if (!attempt_reusable(a) && a->svc->p.skip_quit_response) {
		conn_puts(a->conn, "QUIT");
		a->quit_sent = true;
	}
	a->rcv_rcpt = 0;
	attempt_enter(a, ST_DOT);
}

static void data_answered(struct attempt *a)
{
	struct conn *c = a->conn;

	if (c->reply.code / 100 == 3 && probing(a)) {
		reply_flatten(&c->reply);
		str_copy(c->reply.dsn, "2.0.0", sizeof(c->reply.dsn));
		for (unsigned t = 0; t < a->ntodo; t++)
			if (a->mark[t] == MARK_ACCEPTED)
				done_rcpt(a, t, &c->reply);
		c->dead = true;		/* no way out of DATA but with a message */
		session_end(a);
	} else if (c->reply.code / 100 != 3) {
		if (a->naccepted > 0) {
			said(a, V_DATA);
			fail_all(a, false);
		}
		session_end(a);
	} else if (a->naccepted > 0) {
		attempt_enter(a, ST_BODY);
	} else if (a->svc->p.lmtp) {
		c->dead = true;		/* how many answers to a dot for nobody? Better a new connection. */
		session_end(a);
	} else {
		send_dot(a);		/* RFC 2920 §3.1: an empty message that nobody gets */
	}
}

static void answered(struct attempt *a)
{
	struct reply *r = &a->conn->reply;

	a->outstanding--;
	a->from_cache = false;
	switch (a->rcv) {
	case V_XFORWARD_ADDR:
	case V_XFORWARD_PROTO:
		if (r->code / 100 != 2) {
			reply_flatten(r);
			log_warn(&a->d->log, "host %s said: %s (in reply to %s)", a->conn->namaddr, buf_str(&r->text),
			    verb_name[a->rcv]);
		}
		break;
	case V_MAIL:
		if (r->code / 100 == 2) {
			a->conn->open_mail = true;
		} else {
			said(a, V_MAIL);
			fail_all(a, false);
			a->mail_refused = true;
		}
		break;
	case V_RCPT:
		rcpt_answered(a);
		break;
	case V_DATA:
		data_answered(a);
		return;
	case V_DOT:
		ASSERT(false);
	}
	a->rcv = verb_next(a, a->rcv, a->rcv_rcpt);
}

static bool commands_step(struct attempt *a)
{
	enum stream_result r;

	send_more(a);
	if (a->outstanding == 0) {	/* nobody accepted, or only probed */
		session_end(a);
		return true;
	}
	a->where = verb_where[a->rcv];
	r = conn_reply(a->conn, &a->d->log, a->d->msg->name);
	if (r == STREAM_WAIT) {
		conn_arm(a->conn, verb_ms(a));
		return false;
	}
	if (r != STREAM_OK || (a->from_cache && a->conn->reply.code == 421)) {
		client_lost(a, r);
		return true;
	}
	answered(a);
	return true;
}

/* ---- content ---------------------------------------------------------------------------------------------------- */
static void body_failed(struct attempt *a)
{
	const char *error = body_error(a->body);

	if (error != NULL)
		why_set(a, "5.6.0", NULL, "%s", error);
	else
		why_set(a, "4.3.0", NULL, "local data error while talking to %s", a->conn->namaddr);
	a->conn->dead = true;	/* no dot: the server must drop what it has */
	fail_all(a, false);
	session_end(a);
}

static bool body_step(struct attempt *a)
{
	struct conn *c = a->conn;
	enum body_result b;
	enum stream_result r;
	size_t before = stream_queued(c->stream);

	if (a->body == NULL) {
		a->body = body_new(a);
		a->body_queued = SIZE_MAX;
		if (a->svc->p.per_request_deadline)
			stream_deadline(
			    c->stream, a->svc->p.data_xfer_ms + a->d->msg->size * 1000 / a->svc->p.min_data_rate);
	}
	b = body_poll(a->body);
	if (b == BODY_FAILED) {
		body_failed(a);
		return true;
	}
	if (b == BODY_DONE) {
		body_free(&a->body);
		if (c->features & FEAT_PIX_DELAY_DOTCRLF) {
			attempt_enter(a, ST_PAUSE);
		} else {
			send_dot(a);
		}
		return true;
	}
	/* Waiting for the server to take more, or for the store. */
	r = stream_flush(c->stream);
	if (r == STREAM_ERROR || r == STREAM_EOF || r == STREAM_TIMEOUT || stream_gone(c->stream)) {
		fail_io(a, r == STREAM_TIMEOUT ? r : STREAM_EOF);
		session_end(a);
		return true;
	}
	if (!a->svc->p.per_request_deadline && before != a->body_queued) {
		stream_deadline(c->stream, a->svc->p.data_xfer_ms);	/* something moved */
		a->body_queued = stream_queued(c->stream);
	}
	return false;
}

/* Some PIX firewalls lose a dot that shares a packet with text: it gets its own, and a pause. */
static bool pause_step(struct attempt *a)
{
	enum stream_result r = stream_flush(a->conn->stream);

	if (r == STREAM_WAIT)
		return false;
	if (r != STREAM_OK) {
		fail_io(a, r);
		session_end(a);
		return true;
	}
	if (!timer_running(&a->pause) && !timer_expired(&a->pause))
		timer_start(&a->pause, a->d->task, a->svc->p.pix_delay_ms);
	if (!timer_expired(&a->pause))
		return false;
	timer_end(&a->pause);
	send_dot(a);
	return true;
}

/* ---- the answer to the dot -------------------------------------------------------------------------------------- */
static void dot_answered_smtp(struct attempt *a)
{
	struct reply *r = &a->conn->reply;

	reply_flatten(r);
	if (r->code / 100 != 2) {
		said(a, V_DOT);
		fail_all(a, false);
		return;
	}
	for (unsigned t = 0; t < a->ntodo; t++)
		if (a->mark[t] == MARK_ACCEPTED)
			done_rcpt(a, t, r);
}

/* RFC 2033 §4.2: one reply for each successful RCPT, in that order. True when there are more. */
static bool dot_answered_lmtp(struct attempt *a)
{
	struct reply *r = &a->conn->reply;
	unsigned t = a->rcv_rcpt;

	while (a->mark[t] != MARK_ACCEPTED)
		t++;
	if (r->code / 100 == 2) {
		reply_flatten(r);
		done_rcpt(a, t, r);
	} else {
		said(a, V_DOT);
		fail_rcpt(a, t);
	}
	a->rcv_rcpt = t + 1;
	return --a->naccepted > 0;
}

static bool dot_step(struct attempt *a)
{
	struct conn *c = a->conn;
	enum stream_result r;

	a->rcv = V_DOT;
	a->where = verb_where[V_DOT];
	r = conn_reply(c, &a->d->log, a->d->msg->name);
	if (r == STREAM_WAIT) {
		conn_arm(c, verb_ms(a));
		return false;
	}
	if (r != STREAM_OK) {
		fail_io(a, r);
		session_end(a);
		return true;
	}
	if (a->naccepted > 0 && a->svc->p.lmtp && dot_answered_lmtp(a))
		return true;
	if (a->naccepted > 0 && !a->svc->p.lmtp)
		dot_answered_smtp(a);
	c->open_mail = false;
	session_end(a);
	return true;
}

bool xfer_step(struct attempt *a)
{
	switch (a->state) {
	case ST_COMMANDS:
		return commands_step(a);
	case ST_BODY:
		return body_step(a);
	case ST_PAUSE:
		return pause_step(a);
	default:
		return dot_step(a);
	}
}
