/* report.c - the lines of a notice, in Postfix's order: header, text and reasons for people, the delivery
 * status for programs (RFC 3464, RFC 6533 for addresses beyond ASCII), the original. */
#include "bounce_int.h"
#include <postrider/address.h>
#include <postrider/clock.h>
#include <stdio.h>
#include <stdlib.h>

enum { WRAP_WIDTH = 79, WRAP_INDENT = 4 };

void notice_put(struct notice *n, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&n->line);
	va_start(ap, fmt);
	buf_vaddf(&n->line, fmt, ap);
	va_end(ap);
	cleanup_line(n->cleanup, buf_str(&n->line), n->line.len, false);
}

/* n->line holds the text: "Name: value" or "<address>: reason". */
static void put_wrapped_line(void *arg, const char *line, size_t len)
{
	struct notice *n = arg;

	cleanup_line(n->cleanup, line, len, false);
}

static void put_wrapped(struct notice *n)
{
	char *text = buf_steal(&n->line);

	str_printable(text, '?');
	wrap_text(text, WRAP_WIDTH, WRAP_INDENT, put_wrapped_line, n);
	free(text);
}

static bool is_utf8(const struct notice *n)
{
	return (n->req->msg->flags & MSG_SMTPUTF8) != 0;
}

/* What the parts may hold; NULL: nothing is promised. With SMTPUTF8 support a reason may always be beyond ASCII. */
static const char *encoding(const struct notice *n)
{
	return n->conf->utf8 || (n->req->msg->flags & MSG_8BIT) != 0 ? "8bit" : NULL;
}

static const struct template *template(const struct notice *n)
{
	return &n->conf->templates.t[n->req->kind];
}

static void put_encoding(struct notice *n)
{
	if (encoding(n) != NULL)
		notice_put(n, "Content-Transfer-Encoding: %s", encoding(n));
}

/* A part's boundary and header up to its type. */
static void put_part(struct notice *n, const char *description, const char *type)
{
	notice_put(n, "--%s", n->boundary);
	notice_put(n, "Content-Description: %s", description);
	notice_put(n, "Content-Type: %s", type);
}

static void put_template_text(struct notice *n)
{
	const char *p = template(n)->expanded, *nl;

	for (; *p != '\0'; p = nl + (*nl == '\n')) {
		nl = strchrnul(p, '\n');
		cleanup_line(n->cleanup, p, (size_t)(nl - p), false);
	}
}

static const char *text_charset(const struct notice *n)
{
	const char *charset = template(n)->charset;

	return encoding(n) != NULL && str_ieq(charset, "us-ascii") ? "utf-8" : charset;
}

static const char *address_type(const char *address)
{
	return str_is_ascii(address) ? "rfc822" : "utf-8";
}

void report_open(struct notice *n)
{
	struct message *m = cleanup_message(n->cleanup);
	const struct template *t = template(n);
	struct buf to = { 0 }, type = { 0 };
	char date[80];

	str_copy(n->id, m->name, sizeof(n->id));
	m->flags |=
	    MSG_INTERNAL | MSG_LOCAL | (n->req->msg->flags & MSG_SMTPUTF8) | (encoding(n) != NULL ? MSG_8BIT : 0);
	cleanup_sender(n->cleanup, n->to.from);
	cleanup_rcpt(n->cleanup, n->to.to, NULL, 0);
	format_date(date, sizeof(date), wall_s());
	snprintf(n->boundary, sizeof(n->boundary), "%s.%lld/%s", n->req->msg->name, (long long)wall_s(),
		 n->conf->myhostname);

	notice_put(n, "Received: by %s (%s)", n->conf->myhostname, n->conf->mail_name);
	notice_put(n, "\tid %s; %s", n->id, date);
	notice_put(n, "Date: %s", date);
	notice_put(n, "From: %s", t->from);
	notice_put(n, "Subject: %s",
		   n->to.postmaster && t->postmaster_subject != NULL ? t->postmaster_subject : t->subject);
	address_quote_822(&to, n->to.to);
	notice_put(n, "To: %s", buf_str(&to));
	notice_put(n, "Auto-Submitted: %s", n->to.postmaster ? "auto-generated" : "auto-replied");
	notice_put(n, "MIME-Version: 1.0");
	notice_put(n, "Content-Type: multipart/report; report-type=delivery-status;");
	notice_put(n, "\tboundary=\"%s\"", n->boundary);
	put_encoding(n);
	notice_put(n, "%s", "");
	notice_put(n, "This is a MIME-encapsulated message.");
	notice_put(n, "%s", "");
	buf_addf(&type, "text/plain; charset=%s", text_charset(n));
	put_part(n, "Notification", buf_str(&type));
	if (encoding(n) != NULL || !str_ieq(t->charset, "us-ascii"))
		notice_put(n, "Content-Transfer-Encoding: 8bit");
	notice_put(n, "%s", "");
	if (!n->to.postmaster)
		put_template_text(n);
	buf_release(&type);
	buf_release(&to);
}

void report_text(struct notice *n, const struct rcpt *r)
{
	notice_put(n, "%s", "");
	buf_reset(&n->line);
	buf_addc(&n->line, '<');
	address_quote_822(&n->line, r->addr);
	buf_addc(&n->line, '>');
	if (r->orig != NULL && *r->orig != '\0' && !str_ieq(r->addr, r->orig)) {
		buf_adds(&n->line, " (expanded from <");
		address_quote_822(&n->line, r->orig);
		buf_adds(&n->line, ">)");
	}
	buf_addf(&n->line, ": %s", r->reason != NULL ? r->reason : "(no reason given)");
	put_wrapped(n);
}

/* The sender as fields show it: the null sender as who it stands for. */
static void add_sender(struct buf *b, const struct notice *n)
{
	if (*n->req->msg->sender == '\0')
		buf_addf(b, "MAILER-DAEMON@%s", n->conf->myhostname);
	else
		quote_7bit(b, n->req->msg->sender);
}

void report_status_open(struct notice *n)
{
	const struct message *m = n->req->msg;
	struct buf sender = { 0 };
	char date[80];

	notice_put(n, "%s", "");
	put_part(n, "Delivery report", is_utf8(n) ? "message/global-delivery-status" : "message/delivery-status");
	if (is_utf8(n))
		put_encoding(n);
	notice_put(n, "%s", "");
	notice_put(n, "Reporting-MTA: dns; %s", n->conf->myhostname);
	if (m->dsn_envid != NULL && *m->dsn_envid != '\0')
		notice_put(n, "Original-Envelope-Id: %s", m->dsn_envid);
	notice_put(n, "X-%s-Queue-ID: %s", n->conf->x_name, m->name);
	add_sender(&sender, n);
	notice_put(n, "X-%s-Sender: rfc822; %s", n->conf->x_name, buf_str(&sender));
	format_date(date, sizeof(date), m->arrival_us / 1000000);
	notice_put(n, "Arrival-Date: %s", date);
	buf_release(&sender);
}

static const char *action(const struct notice *n, const struct rcpt *r)
{
	switch (n->req->kind) {
	case BOUNCE_FAILURE:	return "failed";
	case BOUNCE_DELAY:	return "delayed";
	default:		return r->action != NULL ? r->action : "delivered";
	}
}

void report_status(struct notice *n, const struct rcpt *r)
{
	struct buf addr = { 0 };
	char date[80];

	address_quote_822(&addr, r->addr);
	notice_put(n, "%s", "");
	notice_put(n, "Final-Recipient: %s; %s", address_type(r->addr), buf_str(&addr));
	if (r->dsn_orcpt != NULL && *r->dsn_orcpt != '\0') {
		notice_put(n, "Original-Recipient: %s", r->dsn_orcpt);
	} else if (r->orig != NULL && *r->orig != '\0') {
		buf_reset(&addr);
		address_quote_822(&addr, r->orig);
		notice_put(n, "Original-Recipient: %s;%s", address_type(r->orig), buf_str(&addr));
	}
	notice_put(n, "Action: %s", action(n, r));
	notice_put(n, "Status: %s", r->dsn != NULL ? r->dsn : "5.0.0");
	if (r->remote_mta != NULL && *r->remote_mta != '\0')
		notice_put(n, "Remote-MTA: dns; %s", r->remote_mta);
	buf_reset(&n->line);
	if (r->diagnostic != NULL && *r->diagnostic != '\0')
		buf_addf(&n->line, "Diagnostic-Code: %s", r->diagnostic);
	else
		buf_addf(&n->line, "Diagnostic-Code: X-%s; %s", n->conf->x_name,
			 r->reason != NULL ? r->reason : "(no reason given)");
	put_wrapped(n);
	if (n->req->kind == BOUNCE_DELAY) {
		format_date(date, sizeof(date), n->req->msg->arrival_us / 1000000 + n->conf->max_lifetime_s);
		notice_put(n, "Will-Retry-Until: %s", date);
	}
	buf_release(&addr);
}

bool report_headers_only(const struct notice *n)
{
	return !n->to.full || (n->conf->size_limit > 0 && n->req->msg->size > n->conf->size_limit);
}

void report_original_open(struct notice *n)
{
	bool failed = n->req->kind == BOUNCE_FAILURE || n->req->kind == BOUNCE_DELAY, headers = report_headers_only(n);
	struct buf sender = { 0 };

	notice_put(n, "%s", "");
	put_part(n, failed ? (headers ? "Undelivered Message Headers" : "Undelivered Message") :
	    (headers ? "Message Headers" : "Message"),
	    is_utf8(n) ? (headers ? "message/global-headers" : "message/global") :
	    (headers ? "text/rfc822-headers" : "message/rfc822"));
	put_encoding(n);
	notice_put(n, "%s", "");
	add_sender(&sender, n);
	notice_put(n, "Return-Path: <%s>", buf_str(&sender));
	buf_release(&sender);
}

void report_close(struct notice *n)
{
	notice_put(n, "%s", "");
	notice_put(n, "--%s--", n->boundary);
}
