/* session.c - the life of an inbound SMTP session. Every state is in one enum, every transition in session_run().
 *
 *	GREET -> COMMAND -> RUN -> COMMAND ...		a command and its reply
 *	                    RUN -> DATA -> EOD_RULES -> QUEUE -> COMMAND
 *	                    RUN -> BDAT -> COMMAND, or with LAST as DATA
 *	                    RUN -> GREET		XCLIENT
 *	         any reply  -> PENALTY -> back		too many errors
 *	         anything   -> END
 *
 * A pipelined burst is worked off STEPS commands at a time, then the task wakes itself and lets the others
 * run. While an operation runs the peer is not read, so what it may send ahead is bounded by the stream's
 * buffer and the kernel's. Replies are queued; they leave at the end of the loop's pass, many in one segment.
 * Deep code never frees the session: it goes to ST_END.
 *
 * Not here: what commands do (cmd_*.c), who the client is (greet.c), content (content.c). */
#include "session.h"
#include <postrider/clock.h>
#include <postrider/smtpd.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STEPS = 64, INPUT_MAX = 65536, LINGER_MS = 5000 };

const char *const state_names[] = { "GREET", "COMMAND", "RUN", "PENALTY", "DATA", "BDAT", "EOD_RULES", "QUEUE", "END" };

static LIST_HEAD(, session) sessions = LIST_HEAD_INITIALIZER(sessions);
unsigned sessions_open;
struct smtpd_counters smtpd_counters;

static void session_run(struct task *t);

void set_str(char **p, const char *value)
{
	char *old = *p;

	*p = xstrdup(value);
	free(old);
}

char *session_namaddr(struct session *s, const char *name, const char *addr, const char *port)
{
	if (view_bool(s->view, smtpd_client_port_logging))
		return xasprintf("%s[%s]:%s", name, addr, port);
	return xasprintf("%s[%s]", name, addr);
}

void session_build_client(struct session *s)
{
	free(s->client);
	s->client = session_namaddr(s, s->name, s->addr, s->port);
}

static void set_peer(struct session *s, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in6 *v6 = &s->sa;

	memcpy(&s->sa, sa, MIN((size_t)len, sizeof(s->sa)));
	if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = v6->sin6_port };

		memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], 4);
		memset(&s->sa, 0, sizeof(s->sa));
		memcpy(&s->sa, &v4, sizeof(v4));
	}
	sockaddr_name((struct sockaddr *)&s->sa, s->addr, sizeof(s->addr));
	snprintf(s->port, sizeof(s->port), "%u", (unsigned)(uint16_t)sockaddr_port((struct sockaddr *)&s->sa));
}

/* Our end of the connection. */
static void set_server(struct session *s, int fd)
{
	struct sockaddr_storage ss;
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, sa, &len) < 0 || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	sockaddr_name(sa, s->server, sizeof(s->server));
	snprintf(s->server_port, sizeof(s->server_port), "%u", (unsigned)(uint16_t)sockaddr_port(sa));
}

static struct session *session_blank(struct service *service, int fd)
{
	struct session *s = xcalloc(1, sizeof(*s));

	task_init(&s->task, "smtpd", session_run);
	s->view = service_view(service);	/* before this session counts */
	s->service = service_ref(service);
	s->conf = service->state;
	s->log = (struct log_ctx){ service->log_name, log_number() };
	s->stream = stream_new(fd, &s->task, INPUT_MAX);
	s->where = "CONNECT";
	LIST_INSERT_HEAD(&sessions, s, link);
	sessions_open++;
	smtpd_counters.connections++;
	return s;
}

/* The server is full: said at once, without a look at who it is. */
static void turn_away(struct service *service, int fd, const char *text)
{
	struct stream *st = stream_new(fd, NULL, 1024);

	(void)service;
	stream_puts(st, text);
	stream_close_flush(&st, LINGER_MS);
}

void session_new(struct service *service, int fd, const struct sockaddr *sa, socklen_t len)
{
	struct session *s;

	if (service_sessions() >= service_session_limit(service->generation)) {
		turn_away(service, fd, "421 4.3.2 All server ports are busy\r\n");
		return;
	}
	s = session_blank(service, fd);
	set_peer(s, sa, len);
	set_server(s, fd);
	session_arm(s);
	greet_start(s);
	session_enter(s, ST_GREET);
	task_wake(&s->task);
}

/* Postfix: what is not a network connection is local, and no rules apply. */
void smtpd_stdio_session(struct service *service, int fd, unsigned uid)
{
	struct session *s = session_blank(service, fd);

	s->stand_alone = true;
	s->uid = uid;
	s->name = xstrdup("localhost");
	s->rev_name = xstrdup("localhost");
	str_copy(s->addr, "127.0.0.1", sizeof(s->addr));
	str_copy(s->port, "0", sizeof(s->port));
	s->name_status = s->rev_status = 2;
	session_build_client(s);
	session_arm(s);
	greet_start(s);
	session_enter(s, ST_GREET);
	task_wake(&s->task);
}

/* ---- deadline ---------------------------------------------------------------------------------- */
/* Postfix's limit is for each wait: as long as bytes come, time starts anew. With smtpd_per_request_deadline it is for
 * a whole command or reply, and for content smtpd_min_data_rate says how much time the bytes that came are worth. */
void session_arm(struct session *s)
{
	stream_deadline(s->stream, view_ms(s->view, smtpd_timeout));
	s->deadline_at = now_ms() + view_ms(s->view, smtpd_timeout);
	s->seen = 0;
}

void session_waits(struct session *s)
{
	size_t have = stream_readable(s->stream);

	if (have > s->seen && !view_bool(s->view, smtpd_per_request_deadline))
		session_arm(s);
	s->seen = have;
}

/* Content has come: by each second's worth of smtpd_min_data_rate the deadline moves on, at most to a whole one. */
void session_progress(struct session *s, size_t bytes)
{
	int64_t full = now_ms() + view_ms(s->view, smtpd_timeout);

	if (!view_bool(s->view, smtpd_per_request_deadline)) {
		session_arm(s);
		return;
	}
	s->deadline_at =
	    MIN(full, s->deadline_at + (int64_t)bytes * 1000 / MAX(view_int(s->view, smtpd_min_data_rate), 1));
	stream_deadline(s->stream, MAX(s->deadline_at - now_ms(), 1));
}

/* ---- facts for access ----------------------------------------------------------------------------- */
void session_facts(struct session *s, struct access_facts *f)
{
	const struct trans *t = s->trans;

	*f = (struct access_facts){
		.service = s->service, .view = s->view, .log = &s->log,
		.client_sa = s->stand_alone ? NULL : (struct sockaddr *)&s->sa,
		.client = s->client, .client_name = s->name, .client_rev_name = s->rev_name, .client_addr = s->addr,
		.client_port = s->port, .client_name_status = s->name_status, .client_rev_status = s->rev_status,
		.helo = s->helo, .protocol = s->esmtp ? "ESMTP" : "SMTP", .command = s->where,
		.sasl_user = s->sasl_user, .sasl_method = s->sasl_user != NULL ? "XCLIENT" : NULL,
		.smtputf8 = s->smtputf8, .pipelined_early = s->early, .allow_unlisted = s->conf->allow_unlisted,
		.size = s->msg_size,
	};
	if (t == NULL)
		return;
	f->sender = t->sender;
	f->recipient = t->recipient;
	f->queue_id = t->queue_id;
	f->instance = t->instance;
	f->rcpt_count = t->rcpt_count;
}

/* At DATA and behind it no recipient is meant more than the others. */
void session_facts_all(struct session *s, struct access_facts *f)
{
	session_facts(s, f);
	if (f->rcpt_count > 1)
		f->recipient = NULL;
}

void session_reset(struct session *s)
{
	content_free(s);
	trans_free(s);
	forward_reset(s);
	access_actions_release(&s->actions);
	s->msg_size = 0;
	s->bdat = BDAT_NONE;
	s->rcpt_overshoot = 0;
	s->smtputf8 = s->body_8bit = s->body_7bit = false;
	s->dsn_ret = 0;
	s->memory.discard = false;
}

/* ---- the end --------------------------------------------------------------------------------------- */
void session_peer_lost(struct session *s, enum stream_result why)
{
	if (why == STREAM_TIMEOUT) {
		s->reason = "timeout";
		buf_release(&s->held);
		reply(s, "421 4.4.2 %s Error: timeout exceeded", view_str(s->view, myhostname));
		if (s->held.len > 0)
			reply_release(s);
	} else {
		s->reason = "lost connection";
	}
	session_enter(s, ST_END);
}

static void log_ending(const struct session *s)
{
	int64_t bytes;

	if (s->reason == NULL)
		return;
	if (s->content != NULL && !s->content->bdat && strcmp(s->where, "DATA content") == 0) {
		bytes = s->content->bytes;
		log_info(&s->log, "%s after DATA (%lld bytes) from %s", s->reason, (long long)bytes, s->client);
	} else if (s->content != NULL && s->content->bdat && strcmp(s->where, "BDAT content") == 0) {
		bytes = s->content->bytes + (int64_t)s->content->part.len + (int64_t)stream_readable(s->stream);
		log_info(&s->log, "%s after BDAT (%lld bytes) from %s", s->reason, (long long)bytes, s->client);
	} else if (strcmp(s->where, "END-OF-MESSAGE") != 0 || strcmp(s->reason, "lost connection") != 0) {
		/* Going away without QUIT once the message is answered is no event, here as in Postfix. */
		log_info(&s->log, "%s after %s from %s", s->reason, s->where, s->client);
	}
}

/* "disconnect from name[addr] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4" */
static void log_disconnect(const struct session *s)
{
	struct buf b = { 0 };
	unsigned ok = 0, all = 0;

	for (size_t i = 0; i < VERBS; i++) {
		const struct count *c = &s->count[i];
		char name[16];

		if (c->all == 0)
			continue;
		str_copy(name, verbs[i].name, sizeof(name));
		buf_addf(&b, " %s=%u", str_lower(name), c->ok);
		if (c->ok != c->all)
			buf_addf(&b, "/%u", c->all);
		ok += c->ok;
		all += c->all;
	}
	buf_addf(&b, " commands=%u", ok);
	if (ok != all || all == 0)
		buf_addf(&b, "/%u", all);
	log_info(&s->log, "disconnect from %s%s", s->client, b.p);
	buf_release(&b);
}

static void session_free(struct session *s)
{
	if (s->said_connect) {
		log_ending(s);
		log_disconnect(s);
	}
	history_flush(s, 0);
	if (s->counted)
		client_disconnect(s->view, s->service->entry->name, s->addr);
	greet_end(s);
	command_end(s);
	if (s->eod != NULL)
		access_end(s->eod);
	free(s->eod);
	session_reset(s);
	timer_end(&s->timer);
	access_memory_release(&s->memory);
	if (s->quiet)
		stream_free(&s->stream);
	else
		stream_close_flush(&s->stream, LINGER_MS);
	task_unlink(&s->task);
	LIST_REMOVE(s, link);
	sessions_open--;
	buf_release(&s->held);
	buf_release(&s->cut);
	transcript_release(&s->history);
	free(s->name);
	free(s->rev_name);
	free(s->client);
	free(s->rfc_addr);
	free(s->denied);
	free(s->helo);
	free(s->sasl_user);
	service_unref(&s->service);
	free(s);
}

/* ---- the machine -------------------------------------------------------------------------------------- */
void session_enter(struct session *s, enum state to)
{
	log_debug(
	    &s->log, "%s: %s -> %s", s->client != NULL ? s->client : s->addr, state_names[s->state], state_names[to]);
	s->state = to;
	if (to == ST_PENALTY)
		timer_start(&s->timer, &s->task, view_ms(s->view, smtpd_error_sleep_time));
	else if (to == ST_DATA || to == ST_BDAT)
		session_arm(s);
}

/* A reply was made: go on with the next command, or hang up, or be slow first. */
void session_next(struct session *s)
{
	if (reply_held(s)) {
		session_enter(s, ST_PENALTY);
		return;
	}
	if (s->hangup) {
		session_enter(s, ST_END);
		return;
	}
	session_enter(s, ST_COMMAND);
	session_arm(s);
}

static bool too_many_errors(struct session *s)
{
	if (s->errors < (unsigned)view_int(s->view, smtpd_hard_error_limit))
		return false;
	s->reason = "too many errors";
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply(s, "421 4.7.0 %s Error: too many errors", view_str(s->view, myhostname));
	session_next(s);
	return true;
}

/* Each function below does what its state is for and returns false when it must wait. */
static bool run_command_line(struct session *s)
{
	enum stream_result r;

	if (too_many_errors(s))
		return true;
	if (s->draining) {
		reply(s, "421 4.3.2 %s Error: server is shutting down", view_str(s->view, myhostname));
		session_next(s);
		return true;
	}
	if (!stream_writable(s->stream)) {	/* replies are not being read: neither are commands, and not for ever */
		r = stream_flush(s->stream);
		if (r == STREAM_TIMEOUT || r == STREAM_ERROR) {
			session_peer_lost(s, r);
			return true;
		}
		if (!stream_writable(s->stream))
			return false;
	}
	r = command_read(s);
	if (r == STREAM_WAIT) {
		session_waits(s);
		return false;
	}
	if (r != STREAM_OK)
		session_peer_lost(s, r);
	else if (s->cmd != NULL)
		session_enter(s, ST_RUN);
	else if (s->state == ST_COMMAND)	/* dealt with, a reply was made */
		session_next(s);
	return true;
}

static bool run_command(struct session *s)
{
	/* A client that only closed its half still waits for this answer. */
	if (stream_why(s->stream)[0] != '\0') {
		session_peer_lost(s, STREAM_ERROR);
		return true;
	}
	if (!command_run(s))
		return false;
	command_end(s);
	if (s->state == ST_RUN)
		session_next(s);
	return true;
}

static bool run_data(struct session *s)
{
	enum stream_result r = content_data(s);

	if (r == STREAM_WAIT) {
		session_waits(s);
		return false;
	}
	if (r != STREAM_OK) {
		session_peer_lost(s, r);
		return true;
	}
	s->where = "END-OF-MESSAGE";
	session_enter(s, ST_EOD_RULES);
	return true;
}

static bool run_penalty(struct session *s)
{
	if (stream_why(s->stream)[0] != '\0') {
		session_peer_lost(s, STREAM_ERROR);
		return true;
	}
	if (!timer_expired(&s->timer))
		return false;
	timer_end(&s->timer);
	reply_release(s);
	session_next(s);
	return true;
}

static bool session_step(struct session *s)
{
	switch (s->state) {
	case ST_GREET:
		return greet_run(s);
	case ST_COMMAND:
		return run_command_line(s);
	case ST_RUN:
		return run_command(s);
	case ST_PENALTY:
		return run_penalty(s);
	case ST_DATA:
		return run_data(s);
	case ST_BDAT:
		return run_bdat(s);
	case ST_EOD_RULES:
		return run_eod_rules(s);
	case ST_QUEUE:
		return run_queue(s);
	case ST_END:
		break;
	}
	return false;
}

static void session_run(struct task *t)
{
	struct session *s = CONTAINER_OF(t, struct session, task);

	for (int steps = 0; s->state != ST_END; steps++) {
		if (!reply_settled(s))
			return;
		if (steps == STEPS) {
			task_wake(t);
			return;
		}
		if (!session_step(s))
			break;
	}
	if (s->state == ST_END && reply_settled(s))
		session_free(s);
}

void smtpd_drain(void)
{
	struct session *s;

	LIST_FOREACH(s, &sessions, link) {
		s->draining = true;
		task_wake(&s->task);
	}
}

unsigned smtpd_sessions(void)
{
	return sessions_open;
}

void smtpd_stats(struct smtpd_stats *st)
{
	*st = (struct smtpd_stats){ smtpd_counters.connections, smtpd_counters.messages, smtpd_counters.rejects };
}

static const struct service_class smtpd_class = {
	.command = "smtpd",
	.takes_connections = true,
	.compile = conf_compile,
	.release = conf_release,
	.accept = session_new,
};

void smtpd_init(void)
{
	service_class_register(&smtpd_class);
}
