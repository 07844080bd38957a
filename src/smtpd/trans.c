/* trans.c - a mail transaction: from MAIL to the end of data, RSET or EHLO.
 *
 * The queue id is made with the first accepted recipient (smtpd_delay_open_until_valid_rcpt), so mail of which all
 * recipients are refused costs nothing. From then on cleanup gathers the message; it is told who sent it as far
 * as we know, after XFORWARD. */
#include "session.h"
#include <postrider/address.h>
#include <postrider/clock.h>
#include <postrider/store.h>
#include <stdio.h>
#include <stdlib.h>

void trans_new(struct session *s, const char *sender)
{
	static unsigned serial;
	struct trans *t = xcalloc(1, sizeof(*t));

	t->sender = xstrdup(sender);
	t->arrival_us = wall_us();
	snprintf(t->instance, sizeof(t->instance), "%x.%llx.%llx.%x", s->log.number,
	    (unsigned long long)(t->arrival_us / 1000000), (unsigned long long)(t->arrival_us % 1000000), serial++);
	s->trans = t;
}

void trans_free(struct session *s)
{
	struct trans *t = s->trans;

	s->trans = NULL;
	if (t == NULL)
		return;
	if (t->cleanup != NULL)
		cleanup_free(&t->cleanup);
	free(t->sender);
	free(t->recipient);
	free(t->verp);
	free(t->envid);
	free(t->queue_id);
	free(t);
}

/* The end-of-data restrictions said no. As with Postfix the envelope stays until RSET or EHLO: a further RCPT
 * begins another message for that recipient alone. DATA again makes Postfix's process die; here nobody is left to
 * deliver to. */
void trans_refused(struct session *s)
{
	struct trans *t = s->trans;

	cleanup_free(&t->cleanup);
	free(t->queue_id);
	t->queue_id = NULL;
	if (s->content->bdat)
		s->bdat = BDAT_ERROR;
	content_free(s);
}

/* RFC 5321 4.1.3: an IPv6 address literal is tagged. */
const char *session_rfc_addr(struct session *s, char buf[64])
{
	if (s->rfc_addr != NULL)
		return s->rfc_addr;
	if (s->sa.sin6_family != AF_INET6)
		return s->addr;
	snprintf(buf, 64, "IPv6:%s", s->addr);
	return buf;
}

static void log_client(const struct session *s)
{
	const struct forward *f = s->forward;
	struct buf b = { 0 };

	buf_addf(&b, "%s: client=%s", s->trans->queue_id, s->client);
	if (s->sasl_user != NULL)
		buf_addf(&b, ", sasl_method=XCLIENT, sasl_username=%s", s->sasl_user);
	if (f != NULL && f->ident != NULL)
		buf_addf(&b, ", orig_queue_id=%s", f->ident);
	if (f != NULL && f->any)
		buf_addf(&b, ", orig_client=%s", f->client);
	log_info(&s->log, "%s", b.p);
	buf_release(&b);
}

/* For those who look at the queue file: which of our addresses it came to. */
static void keep_server(const struct session *s, struct message *m)
{
	char text[96];

	if (s->server[0] == '\0')
		return;
	snprintf(text, sizeof(text), "server_address=%s", s->server);
	strs_add(&m->extra, text);
	snprintf(text, sizeof(text), "server_port=%s", s->server_port);
	strs_add(&m->extra, text);
}

static void message_facts(struct session *s, struct message *m)
{
	const struct trans *t = s->trans;
	const struct forward *f = s->forward != NULL && s->forward->any ? s->forward : NULL;
	char addr[64];

#define KEEP(field, value)	m->field = arena_strdup(&m->arena, value)
	m->arrival_us = t->arrival_us;
	if (s->smtputf8)
		m->flags |= MSG_SMTPUTF8;
	if (s->body_8bit)
		m->flags |= MSG_8BIT;
	if (s->body_7bit)
		m->flags |= MSG_7BIT;
	m->dsn_ret = s->dsn_ret;
	KEEP(dsn_envid, t->envid);
	if (s->stand_alone)
		return;
	KEEP(client_name, f != NULL ? f->name : s->name);
	KEEP(client_addr, f != NULL ? f->rfc_addr : session_rfc_addr(s, addr));
	KEEP(client_port, f != NULL ? f->port : s->port);
	KEEP(helo, f != NULL ? f->helo : s->helo);
	KEEP(proto, f != NULL ? f->proto : s->esmtp ? "ESMTP" : "SMTP");
	KEEP(rev_name, s->rev_name);
	KEEP(ident, s->forward != NULL && s->forward->ident != NULL ? s->forward->ident : t->queue_id);
	if (s->sasl_user != NULL) {
		KEEP(sasl_method, "XCLIENT");
		KEEP(sasl_user, s->sasl_user);
	}
	if (*view_str(s->view, content_filter) != '\0')
		KEEP(content_filter, view_str(s->view, content_filter));
#undef KEEP
	keep_server(s, m);
}

void trans_open(struct session *s)
{
	struct trans *t = s->trans;
	unsigned flags = s->conf->cleanup_flags;
	int context = s->forward != NULL ? s->forward->context : 0;
	struct message *m;

	if (context == 1 || (context == 0 && t->local_context))
		flags |= CLEANUP_LOCAL_CONTEXT;
	t->cleanup = cleanup_open(&s->task, s->service, s->service->generation, flags);
	m = cleanup_message(t->cleanup);
	t->queue_id = xstrdup(m->name);
	message_facts(s, m);
	m->verp = arena_strdup(&m->arena, t->verp);
	cleanup_sender(t->cleanup, t->sender);
	log_client(s);
}

void trans_add(struct session *s, const char *addr, const char *orcpt, unsigned notify)
{
	struct trans *t = s->trans;

	cleanup_rcpt(t->cleanup, addr, orcpt, notify);
	if (t->rcpt_count++ == 0)
		t->recipient = xstrdup(addr);
}

/* ---- Received: ---------------------------------------------------------------------------------------- */
/* A comment in a header: nothing unprintable, no backslash, parentheses balanced. */
static void add_comment(struct buf *b, const char *text)
{
	int open = 0;

	for (; *text != '\0'; text++) {
		char c = *text;

		if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f || c == '\\')
			c = '?';
		else if (c == '(')
			open++;
		else if (c == ')' && open-- == 0) {
			open = 0;
			c = '?';
		}
		buf_addc(b, c);
	}
	while (open-- > 0)
		buf_addc(b, ')');
}

/* RFC 3848, RFC 6531 4.3: SMTP, ESMTP, ESMTPA, UTF8SMTP, UTF8SMTPA. */
static void add_protocol(struct buf *b, const struct session *s)
{
	const char *auth = s->sasl_user != NULL ? "A" : "";

	if (s->smtputf8)
		buf_addf(b, "UTF8SMTP%s", auth);
	else if (s->esmtp)
		buf_addf(b, "ESMTP%s", auth);
	else
		buf_adds(b, "SMTP");
}

static void add_received(struct session *s)
{
	struct trans *t = s->trans;
	struct buf b = { 0 };
	char addr[64], date[64];

	buf_addf(
	    &b, "Received: from %s (%s [%s])", s->helo != NULL ? s->helo : s->name, s->name, session_rfc_addr(s, addr));
	if (s->sasl_user != NULL && view_bool(s->view, smtpd_sasl_authenticated_header)) {
		buf_adds(&b, "\n\t(Authenticated sender: ");
		add_comment(&b, s->sasl_user);
		buf_addc(&b, ')');
	}
	buf_addf(&b, "\n\tby %s (%s) with ", view_str(s->view, myhostname), view_str(s->view, mail_name));
	add_protocol(&b, s);
	buf_addf(&b, " id %s", t->queue_id);
	/* RFC 5321 4.4: with several recipients "for" would tell each about another. */
	if (t->rcpt_count == 1) {
		buf_adds(&b, "\n\tfor <");
		address_quote_822(&b, t->recipient);
		buf_adds(&b, ">; ");
	} else {
		buf_adds(&b, ";\n\t");
	}
	cleanup_date(date, sizeof(date), t->arrival_us / 1000000);
	buf_adds(&b, date);
	cleanup_prepend(t->cleanup, b.p);
	buf_release(&b);
}

/* sendmail -bs: who runs it stands above what it says of itself. */
static void add_submitter(struct session *s)
{
	char date[64], *text;

	cleanup_date(date, sizeof(date), s->trans->arrival_us / 1000000);
	text = xasprintf("Received: by %s (%s, from userid %u)\n\tid %s; %s", view_str(s->view, myhostname),
	    view_str(s->view, mail_name), s->uid, s->trans->queue_id, date);
	cleanup_prepend(s->trans->cleanup, text);
	free(text);
}

void trans_content(struct session *s)
{
	struct trans *t = s->trans;

	if (s->actions.discard)
		cleanup_add_flags(t->cleanup, CLEANUP_DISCARD);
	if (s->stand_alone)
		add_submitter(s);
	for (size_t i = 0; i < s->actions.prepend.n; i++)
		cleanup_prepend(t->cleanup, s->actions.prepend.v[i]);
	add_received(s);
}

/* What access maps asked for, until the end-of-data restrictions. */
void trans_finish(struct session *s)
{
	struct trans *t = s->trans;
	struct message *m = cleanup_message(t->cleanup);

	if (s->actions.filter != NULL)
		m->content_filter = arena_strdup(&m->arena, s->actions.filter);
	if (s->actions.redirect != NULL)
		m->redirect = arena_strdup(&m->arena, s->actions.redirect);
	/* as Postfix has it: the first copy does not say NOTIFY=NEVER, those behind it do */
	for (size_t i = 0; i < s->actions.bcc.n; i++)
		cleanup_rcpt(t->cleanup, s->actions.bcc.v[i], NULL, i > 0 ? DSN_NEVER : 0);
	cleanup_add_flags(
	    t->cleanup, (s->actions.hold ? CLEANUP_HOLD : 0u) | (s->actions.discard ? CLEANUP_DISCARD : 0u));
	cleanup_finish(t->cleanup);
}
