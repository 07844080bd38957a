/* command.c - the text of the commands of a transaction, with the parameters that the server offers to
 * take: SIZE (RFC 1870), BODY (RFC 6152), DSN (RFC 3461), SMTPUTF8 (RFC 6531), XFORWARD. */
#include "client.h"
#include <postrider/address.h>
#include <stdlib.h>

static void add_address(struct attempt *a, const char *addr)
{
	buf_addc(&a->cmd, '<');
	if (a->svc->p.quote_envelope && *addr != '\0')
		address_quote_821(&a->cmd, addr);
	else
		buf_adds(&a->cmd, addr);
	buf_addc(&a->cmd, '>');
}

/* An internationalized ORCPT in ASCII: what is not becomes \x{XX} (RFC 6533 §3, utf-8-addr-xtext). */
static void add_uxtext(struct buf *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p != '\0') {
		unsigned c = *p++;
		int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

		if (c > 32 && c < 127 && c != '\\' && c != '+' && c != '=') {
			buf_addc(out, (char)c);
			continue;
		}
		if (more > 0)
			c &= 0x3fu >> more;
		while (more-- > 0 && (*p & 0xc0) == 0x80)
			c = c << 6 | (*p++ & 0x3f);
		buf_addf(out, "\\x{%X}", c);
	}
}

static void add_orcpt(struct attempt *a, const struct rcpt *r)
{
	struct buf *s = &a->scratch;

	buf_reset(s);
	if (r->dsn_orcpt != NULL && *r->dsn_orcpt != '\0') {
		buf_adds(s, r->dsn_orcpt);
	} else if (r->orig != NULL && *r->orig != '\0') {
		buf_adds(s, "rfc822;");
		address_quote_822(s, r->orig);
	} else {
		return;
	}
	buf_adds(&a->cmd, " ORCPT=");
	if (strncasecmp(s->p, "utf-8;", 6) == 0)
		add_uxtext(&a->cmd, s->p);
	else
		buf_add_xtext(&a->cmd, s->p);
}

static void add_notify(struct buf *out, unsigned notify)
{
	static const struct { unsigned bit; const char *name; } names[] = {
		{ DSN_NEVER, "NEVER" }, { DSN_SUCCESS, "SUCCESS" }, { DSN_FAILURE, "FAILURE" }, { DSN_DELAY, "DELAY" },
	};
	const char *sep = " NOTIFY=";

	for (size_t i = 0; i < NELEM(names); i++)
		if (notify & names[i].bit) {
			buf_adds(out, sep);
			buf_adds(out, names[i].name);
			sep = ",";
		}
}

bool command_downgrades(const struct attempt *a)
{
	return a->svc->p.mime_downgrade && !(a->conn->features & FEAT_8BITMIME) && !(a->d->msg->flags & MSG_7BIT);
}

static void make_mail(struct attempt *a)
{
	const struct message *m = a->d->msg;
	unsigned f = a->conn->features;
	struct buf *out = &a->cmd;

	buf_adds(out, "MAIL FROM:");
	add_address(a, generic_sender(a));
	/* What will be converted has another size. */
	if ((f & FEAT_SIZE) && !command_downgrades(a))
		buf_addf(out, " SIZE=%lld", (long long)m->size);
	if ((f & FEAT_8BITMIME) && (m->flags & MSG_8BIT))
		buf_adds(out, " BODY=8BITMIME");
	else if ((f & FEAT_8BITMIME) && (m->flags & MSG_7BIT))
		buf_adds(out, " BODY=7BIT");
	if ((f & FEAT_DSN) && m->dsn_envid != NULL && *m->dsn_envid != '\0') {
		buf_adds(out, " ENVID=");
		buf_add_xtext(out, m->dsn_envid);
	}
	if ((f & FEAT_DSN) && m->dsn_ret != DSN_RET_NONE)
		buf_adds(out, m->dsn_ret == DSN_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if ((f & FEAT_SMTPUTF8) && (m->flags & MSG_SMTPUTF8))
		buf_adds(out, " SMTPUTF8");
}

static void make_rcpt(struct attempt *a)
{
	unsigned i = a->todo[a->snd_rcpt];
	const struct delivery_rcpt *r = &a->d->rcpt[i];

	buf_adds(&a->cmd, "RCPT TO:");
	add_address(a, generic_rcpt(a, i));
	if (a->conn->features & FEAT_DSN) {
		add_orcpt(a, r->rcpt);
		add_notify(&a->cmd, r->rcpt->notify);
	}
}

/* ---- XFORWARD --------------------------------------------------------------------------------------------------- */
/* What the log knows it by; mail from a local program has none. */
static const char *ident(const struct message *m)
{
	return m->ident != NULL ? m->ident : m->client_addr != NULL || m->proto != NULL ? m->name : NULL;
}

static const char *client_name(const struct message *m)
{
	return m->client_name != NULL && strcmp(m->client_name, "unknown") != 0 ? m->client_name : NULL;
}

bool command_xforward_addr(const struct attempt *a)
{
	const struct message *m = a->d->msg;
	unsigned f = a->conn->features;

	return a->svc->p.xforward && (((f & FEAT_XFORWARD_NAME) && client_name(m) != NULL) ||
					 ((f & FEAT_XFORWARD_ADDR) && m->client_addr != NULL) ||
					 ((f & FEAT_XFORWARD_PORT) && m->client_port != NULL));
}

bool command_xforward_proto(const struct attempt *a)
{
	const struct message *m = a->d->msg;
	unsigned f = a->conn->features;

	return a->svc->p.xforward && (((f & FEAT_XFORWARD_PROTO) && m->proto != NULL) ||
	    ((f & FEAT_XFORWARD_HELO) && m->helo != NULL) || ((f & FEAT_XFORWARD_IDENT) && ident(m) != NULL) ||
	    (f & FEAT_XFORWARD_DOMAIN));
}

static void add_attr(struct attempt *a, unsigned feature, const char *name, const char *value)
{
	if (!(a->conn->features & feature) || value == NULL || *value == '\0')
		return;
	buf_addf(&a->cmd, " %s=", name);
	buf_add_xtext(&a->cmd, value);
}

static void make_xforward(struct attempt *a, bool proto)
{
	const struct message *m = a->d->msg;

	buf_adds(&a->cmd, "XFORWARD");
	if (!proto) {
		add_attr(a, FEAT_XFORWARD_NAME, "NAME", client_name(m));
		add_attr(a, FEAT_XFORWARD_ADDR, "ADDR", m->client_addr);
		add_attr(a, FEAT_XFORWARD_PORT, "PORT", m->client_port);
	} else {
		add_attr(a, FEAT_XFORWARD_PROTO, "PROTO", m->proto);
		add_attr(a, FEAT_XFORWARD_HELO, "HELO", m->helo);
		add_attr(a, FEAT_XFORWARD_IDENT, "IDENT", ident(m));
		add_attr(a, FEAT_XFORWARD_DOMAIN, "SOURCE", (m->flags & MSG_LOCAL) ? "LOCAL" : "REMOTE");
	}
}

void command_write(struct attempt *a)
{
	buf_reset(&a->cmd);
	switch (a->snd) {
	case V_XFORWARD_ADDR:
	case V_XFORWARD_PROTO:
		make_xforward(a, a->snd == V_XFORWARD_PROTO);
		break;
	case V_MAIL:
		make_mail(a);
		break;
	case V_RCPT:
		make_rcpt(a);
		break;
	case V_DATA:
		buf_adds(&a->cmd, "DATA");
		break;
	case V_DOT:
		buf_addc(&a->cmd, '.');
		break;
	}
	conn_said(a->conn, buf_str(&a->cmd));
	buf_add(&a->cmd, "\r\n", 2);
	stream_write(a->conn->stream, a->cmd.p, a->cmd.len);
}
