/* show.c - verb show: one message for postcat. The envelope comes as the records of a Postfix queue file, an attribute frame
 * each: the type's letter and the text. Then content in data frames, "H" for the header block or "B" for the body in
 * front, lines ending with CRLF. */
#include "server.h"
#include <postrider/log.h>
#include <postrider/store.h>
#include <arpa/inet.h>
#include <stdlib.h>

enum { SLICE = 500 };

struct showing {
	queue_id_t	 id;
	struct store_load_op load;
	struct message	*msg;		/* the envelope */
	bool		 body;
	struct content_op content;
};

static void record(struct conn *c, char type, const char *name, const char *value)
{
	if (value == NULL)
		return;
	answer_attr(c, "%c%s%s%s", type, name != NULL ? name : "", name != NULL ? "=" : "", value);
}

static void number(struct conn *c, const char *name, int64_t n)
{
	answer_attr(c, "A%s=%lld", name, (long long)n);
}

static bool is_ipv6(const char *addr)
{
	unsigned char b[16];

	return addr != NULL && inet_pton(AF_INET6, addr, b) == 1;
}

static const char *extra(const struct message *m, const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; i < m->extra.n; i++)
		if (strncmp(m->extra.v[i], name, n) == 0 && m->extra.v[i][n] == '=')
			return m->extra.v[i] + n + 1;
	return NULL;
}

static const char *encoding(const struct message *m)
{
	return m->flags & MSG_8BIT ? "8bit" : m->flags & MSG_7BIT ? "7bit" : NULL;
}

static void dsn_records(struct conn *c, const struct message *m)
{
	record(c, 'A', "envelope_id", m->dsn_envid);
	if (m->dsn_ret != DSN_RET_NONE)
		number(c, "ret_flags", m->dsn_ret);
}

static void client_records(struct conn *c, const struct message *m)
{
	record(c, 'A', "log_client_name", m->client_name);
	record(c, 'A', "log_client_address", m->client_addr);
	record(c, 'A', "log_client_port", m->client_port);
	if (m->client_name != NULL && m->client_addr != NULL)
		answer_attr(c, "Alog_message_origin=%s[%s]", m->client_name, m->client_addr);
	record(c, 'A', "log_helo_name", m->helo);
	record(c, 'A', "log_protocol_name", m->proto);
	record(c, 'A', "sasl_method", m->sasl_method);
	record(c, 'A', "sasl_username", m->sasl_user);
	record(c, 'A', "sasl_sender", m->sasl_sender);
	record(c, 'A', "client_name", m->client_name);
	record(c, 'A', "reverse_client_name", m->rev_name != NULL ? m->rev_name : m->client_name);
	record(c, 'A', "client_address", m->client_addr);
	record(c, 'A', "client_port", m->client_port);
	record(c, 'A', "server_address", extra(m, "server_address"));
	record(c, 'A', "server_port", extra(m, "server_port"));
	record(c, 'A', "helo_name", m->helo);
	record(c, 'A', "protocol_name", m->proto);
	if (m->client_addr != NULL)
		number(c, "client_address_type", is_ipv6(m->client_addr) ? AF_INET6 : AF_INET);
	record(c, 'L', NULL, m->content_filter);
	record(c, '>', NULL, m->redirect);
}

static void envelope(struct conn *c, const struct message *m)
{
	bool local = m->client_addr == NULL;

	answer_attr(c, "Q%s", queue_name(m));
	/* size, recipients, content, SMTPUTF8: the client adds where the content begins and what recipients tell */
	answer_attr(c, "C%lld %u %lld %d", (long long)m->size, m->rcpt_total, (long long)m->size, m->flags & MSG_SMTPUTF8 ? 1 : 0);
	answer_attr(c, "T%lld %lld", (long long)(m->arrival_us / 1000000), (long long)(m->arrival_us % 1000000));
	number(c, "create_time", m->received_us / 1000000);
	if (local)
		dsn_records(c, m);
	else
		record(c, 'A', "log_ident", m->ident != NULL ? m->ident : m->name);
	if (m->flags & MSG_INTERNAL) {
		record(c, 'A', "log_message_origin", "local");
		number(c, "trace_flags", 0);
	} else {
		record(c, 'A', "rewrite_context", m->flags & MSG_LOCAL ? "local" : "remote");
	}
	if (!local)
		dsn_records(c, m);
	record(c, 'F', NULL, extra(m, "sender_fullname"));
	record(c, 'S', NULL, m->sender);
	record(c, 'V', NULL, m->verp);
	if ((m->flags & MSG_INTERNAL) == 0)
		record(c, 'A', "encoding", encoding(m));
	if (!local)
		client_records(c, m);
	if (extra(m, "extracted") != NULL)
		record(c, 'X', NULL, "");		/* recipients came from the headers and stand behind the content */
}

static void recipients(struct conn *c, const struct message *m)
{
	uint32_t i;

	for (i = 0; i < m->nrcpt; i++) {
		const struct rcpt *r = &m->rcpt[i];

		if (r->notify != 0)
			number(c, "notify_flags", r->notify);
		record(c, 'A', "dsn_orig_rcpt", r->dsn_orcpt);
		record(c, 'O', NULL, r->orig);
		record(c, r->state == RCPT_TODO ? 'R' : 'D', NULL, r->addr);
	}
}

/* False: still loading. */
static bool envelope_step(struct conn *c, struct showing *s, const char **why_r)
{

	switch (store_load_poll(&s->load)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
		break;
	case STORE_NONE:
		*why_r = "No such file or directory";
		return true;
	default:
		*why_r = "Input/output error";
		return true;
	}
	if (s->msg == NULL) {
		s->msg = message_ref(s->load.msg);
		envelope(c, s->msg);
	}
	recipients(c, s->load.msg);
	if (!store_load_next(&s->load, &c->task, SLICE, ~0u)) {
		/* Postfix's cleanup has the last word on it. */
		if (encoding(s->msg) != NULL && extra(s->msg, "extracted") == NULL)
			record(c, 'X', NULL, "");
		record(c, 'A', "encoding", encoding(s->msg));
		content_read_start(&s->content, &c->task, s->msg, PART_HEADER);
	}
	return true;
}

static void send_content(struct conn *c, char part, const char *p, size_t n)
{
	size_t now;

	do {				/* once at least: an empty piece of body still says that there is a body */
		now = MIN(n, FRAME_MAX - 1);
		buf_reset(&c->out);
		buf_addc(&c->out, part);
		buf_add(&c->out, p, now);
		answer(c, 'D', c->out.p, c->out.len);
		p += now;
		n -= now;
	} while (n > 0);
}

static enum step show_step(struct conn *c)
{
	struct showing *s = c->verb_state;
	const char *why = NULL, *id = conn_attr(c, "id");

	if (s == NULL) {
		s = c->verb_state = xcalloc(1, sizeof(*s));
		if (id == NULL || !queue_id_parse(id, &s->id))
			return answer_error(c, "open queue file %s: No such file or directory", id != NULL ? id : "");
		store_load_start(&s->load, &c->task, s->id, 0, SLICE, ~0u);
	}
	for (;;) {
		if (!stream_writable(c->stream))
			return STEP_WAIT;
		if (s->load.op.active) {
			if (!envelope_step(c, s, &why))
				return STEP_WAIT;
			if (why != NULL)
				return answer_error(c, "open queue file %s: %s", id, why);
			continue;
		}
		switch (content_read_poll(&s->content)) {
		case CONTENT_WAIT:
			return STEP_WAIT;
		case CONTENT_DATA:
			send_content(c, s->body && (s->msg->flags & MSG_NO_SEPARATOR) == 0 ? 'B' : 'H', s->content.p, s->content.len);
			content_read_advance(&s->content);
			break;
		case CONTENT_END:
			content_read_end(&s->content);
			if (s->body)
				return answer_ok(c);
			s->body = true;
			if ((s->msg->flags & MSG_NO_SEPARATOR) == 0)
				send_content(c, 'B', "", 0);
			content_read_start(&s->content, &c->task, s->msg, PART_BODY);
			break;
		case CONTENT_FAILED:
			return answer_error(c, "the content of %s cannot be read", id);
		}
	}
}

static void show_end(struct conn *c)
{
	struct showing *s = c->verb_state;

	if (s == NULL)
		return;
	store_load_end(&s->load);
	content_read_end(&s->content);
	message_unref(&s->msg);
	free(s);
}

const struct verb verb_show = { .name = "show", .right = RIGHT_OWNER, .step = show_step, .end = show_end };
