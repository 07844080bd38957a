/* reject.c - how a "no" becomes a reply and a log line.
 *
 * The text is made here once, for the client and for the log alike: reply code, enhanced code made to agree
 * with it, soft_bounce applied, warn_if_reject honoured. Two kinds of second thoughts exist: defer_if_permit
 * (a later "yes" becomes this 4xx, because something could not be looked up) and defer_if_reject (a later
 * 5xx becomes it, because something that would have permitted could not be looked up). */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

const char class_client[] = "Client host", class_rev_client[] = "Unverified Client host", class_helo[] = "Helo command",
    class_sender[] = "Sender address", class_recipient[] = "Recipient address", class_data[] = "Data command",
    class_eod[] = "End-of-data", class_etrn[] = "Etrn command";

/* Length of a leading enhanced status code, RFC 3463: "class.subject.detail", 0 if there is none. */
static size_t dsn_len(const char *s)
{
	const char *p = s;

	if ((*p != '2' && *p != '4' && *p != '5') || p[1] != '.')
		return 0;
	p += 2;
	for (int part = 0; part < 2; part++) {
		size_t n = strspn(p, "0123456789");

		if (n < 1 || n > 3)
			return 0;
		p += n;
		if (part == 0 && *p++ != '.')
			return 0;
	}
	return *p == '\0' || isspace((unsigned char)*p) ? (size_t)(p - s) : 0;
}

const char *dsn_split(char dsn_r[12], const char *fallback, const char *text)
{
	size_t n = dsn_len(text);

	if (n == 0) {
		str_copy(dsn_r, fallback, 12);
		return text;
	}
	memcpy(dsn_r, text, n);
	dsn_r[n] = '\0';
	return text + n + strspn(text + n, " \t\r\n");
}

/* An address status (x.1.n) is told for the kind of address that is refused; for what is no address it
 * becomes neutral. Other codes are left alone. */
const char *dsn_fix(struct access_run *r, const char *dsn, const char *reply_class)
{
	static const struct { const char *detail, *sender, *rcpt; } map[] = {
		{ "1", "4.1.7", "4.1.1" },
		{ "2", "4.1.8", "4.1.2" },
		{ "3", "4.1.7", "4.1.3" },
		{ "4", "4.1.7", "4.1.4" },
		{ "5", "4.1.0", "4.1.5" },
		{ "6", "4.1.7", "4.1.6" },
		{ "7", "4.1.7", "4.1.3" },
		{ "8", "4.1.8", "4.1.2" },
	};
	const char *to = "4.0.0";

	if (!isdigit((unsigned char)dsn[0]) || strncmp(dsn + 1, ".1.", 3) != 0)
		return dsn;
	if (reply_class == class_sender || reply_class == class_recipient) {
		to = "4.1.0";
		for (size_t i = 0; i < NELEM(map); i++)
			if (strcmp(dsn + 4, map[i].detail) == 0)
				to = reply_class == class_sender ? map[i].sender : map[i].rcpt;
	}
	if (strcmp(dsn + 2, to + 2) != 0)
		log_info(r->facts->log, "mapping DSN status %s into %s status %c%s", dsn, reply_class, dsn[0], to + 1);
	return to;
}

static void add_address(struct buf *b, const char *label, const char *addr)
{
	buf_adds(b, label);
	address_quote_822(b, addr);
	buf_addc(b, '>');
}

static void log_line(const struct access_facts *f, const char *recipient, const char *what, const char *text)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s: %s: %s from %s: %s;", f->queue_id != NULL ? f->queue_id : "NOQUEUE", what, f->command,
	    f->client, text);
	if (f->sender != NULL)
		add_address(&b, " from=<", f->sender);
	if (recipient != NULL)
		add_address(&b, " to=<", recipient);
	if (f->protocol != NULL)
		buf_addf(&b, " proto=%s", f->protocol);
	if (f->helo != NULL)
		buf_addf(&b, " helo=<%s>", f->helo);
	log_info(f->log, "%s", b.p);
	buf_release(&b);
}

void access_log(const struct access_facts *f, const char *what, const char *text)
{
	log_line(f, f->recipient, what, text);
}

/* "code dsn text", checked and printable; as long as it is, as with Postfix, though RFC 5321 wants 512 bytes at most. */
static PRINTF(5, 0) void format_reply(
    struct buf *out, const struct access_facts *f, int code, const char *dsn, const char *fmt, va_list ap)
{
	buf_reset(out);
	buf_addf(out, "%d %s ", code, dsn);
	buf_vaddf(out, fmt, ap);
	if (code < 400 || code > 599) {
		log_warn(f->log, "SMTP reply code configuration error: %s", out->p);
		buf_reset(out);
		buf_adds(out, "450 4.7.1 Service unavailable");
	} else if (dsn_len(out->p + 4) == 0) {
		log_warn(f->log, "DSN detail code configuration error: %s", out->p);
		buf_reset(out);
		buf_adds(out, "450 4.7.1 Service unavailable");
	}
	if (view_bool(f->view, smtputf8_enable))
		str_printable(out->p, ' ');
	else
		str_printable_ascii(out->p, ' ');
}

static void finish_reply(struct buf *out, bool soft_bounce)
{
	if (soft_bounce && out->p[0] == '5')
		out->p[0] = '4';
	out->p[4] = out->p[0];	/* the reply code has the higher precedence */
}

static PRINTF(5, 0) enum verdict
    vreject(struct access_run *r, unsigned error_class, int code, const char *dsn, const char *fmt, va_list ap)
{
	bool warn =
	    r->warn_level > 0 && (error_class & (ACCESS_ERR_SOFTWARE | ACCESS_ERR_RESOURCE | ACCESS_ERR_DATA)) == 0;

	r->op->error_class |= error_class;
	format_reply(&r->reply, r->facts, code, dsn, fmt, ap);
	if (!warn && r->defer_if_reject.active && r->reply.p[0] == '5') {
		r->warn_level = 0;
		r->defer_if_reject.active = false;
		return run_forced(r, &r->defer_if_reject);
	}
	finish_reply(&r->reply, r->lists->soft_bounce);
	if (!r->quiet)
		log_line(r->facts, r->recipient, warn ? "reject_warning" : "reject", r->reply.p);
	return warn ? V_DUNNO : V_REJECT;
}

enum verdict run_reject(struct access_run *r, unsigned error_class, int code, const char *dsn, const char *fmt, ...)
{
	enum verdict v;
	va_list ap;

	va_start(ap, fmt);
	v = vreject(r, error_class, code, dsn, fmt, ap);
	va_end(ap);
	return v;
}

enum verdict run_forced(struct access_run *r, const struct access_defer *d)
{
	return run_reject(r, d->error_class, d->code, d->dsn, "%s", d->reason);
}

enum verdict run_config_error(struct access_run *r)
{
	return run_reject(r, ACCESS_ERR_SOFTWARE, 451, "4.3.5", "Server configuration error");
}

enum verdict run_dict_retry(struct access_run *r, const char *name)
{
	return run_reject(r, ACCESS_ERR_DATA, 451, "4.3.0", "<%s>: Temporary lookup failure", name);
}

void access_reject(struct buf *reply, const struct access_facts *f, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format_reply(reply, f, code, dsn, fmt, ap);
	va_end(ap);
	finish_reply(reply, view_bool(f->view, soft_bounce));
	access_log(f, "reject", reply->p);
}

/* Keeps the first reason only, as the client's administrator wants one cause, not the last of many. */
static PRINTF(5, 0) void defer_keep(
    struct access_defer *d, unsigned error_class, int code, const char *dsn, const char *fmt, va_list ap)
{
	struct buf b = { 0 };

	if (d->active)
		return;
	d->active = true;
	d->error_class = error_class;
	d->code = code;
	str_copy(d->dsn, dsn, sizeof(d->dsn));
	buf_vaddf(&b, fmt, ap);
	free(d->reason);
	d->reason = buf_steal(&b);
}

enum verdict run_defer_if_permit(
    struct access_run *r, const char *tf_action, int code, const char *dsn, const char *fmt, ...)
{
	enum verdict v = V_DUNNO;
	va_list ap;

	va_start(ap, fmt);
	if (r->warn_level > 0 || (tf_action != NULL && str_ieq(tf_action, "defer")))
		v = vreject(r, ACCESS_ERR_POLICY, code, dsn, fmt, ap);
	else
		defer_keep(&r->memory->defer_if_permit, ACCESS_ERR_POLICY, code, dsn, fmt, ap);
	va_end(ap);
	return v;
}

enum verdict run_defer_if_reject(struct access_run *r, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	/* warn_if_reject does not spare it: it makes no refusal */
	defer_keep(&r->defer_if_reject, ACCESS_ERR_POLICY, code, dsn, fmt, ap);
	va_end(ap);
	return V_DUNNO;
}

void defer_release(struct access_defer *d)
{
	free(d->reason);
	*d = (struct access_defer){ 0 };
}

/* Permits are logged on request only (smtpd_log_access_permit_actions), and not when a deferral will overrule them. */
enum verdict run_permit(struct access_run *r, const char *action, const char *cls, const char *name, const char *from)
{
	struct match_op op = { 0 };
	bool log;

	if (match_list_empty(r->lists->log_permit) || r->memory->defer_if_permit.active)
		return V_OK;
	match_start(&op, r->task, r->facts->log, r->lists->log_permit, action, NULL);
	log = match_poll(&op) == MATCH_YES;	/* action names need no table; one that waits is not waited for */
	match_end(&op);
	if (log) {
		char *text = xasprintf("action=%s for %s=%s %s%s", action, cls, name, from != NULL ? "from " : "",
		    from != NULL ? from : "");

		log_line(r->facts, r->recipient, "permit", text);
		free(text);
	}
	return V_OK;
}

void access_memory_release(struct access_memory *m)
{
	defer_release(&m->defer_if_permit);
	*m = (struct access_memory){ 0 };
}

void access_actions_release(struct access_actions *a)
{
	free(a->filter);
	free(a->redirect);
	strs_release(&a->prepend);
	strs_release(&a->bcc);
	*a = (struct access_actions){ 0 };
}
