/* trouble.c - what becomes of recipients: sent, tried elsewhere, deferred or bounced.
 *
 * A temporary failure at a server that is not the last one to be asked is only logged, and the recipients
 * concerned are kept for the next. Everything else is final for this attempt: 4xx defers, 5xx bounces. The
 * texts are those Postfix users and their tools know. */
#include "client.h"
#include <postrider/clock.h>
#include <stdlib.h>

void why_clear(struct why *w)
{
	w->dsn[0] = '\0';
	buf_reset(&w->text);
	free(w->mta);
	free(w->diagnostic);
	w->mta = w->diagnostic = NULL;
}

bool why_soft(const struct why *w)
{
	return w->dsn[0] == '4';
}

void why_set(struct attempt *a, const char *dsn, const struct reply *said, const char *fmt, ...)
{
	struct why *w = &a->why;
	va_list ap;

	why_clear(w);
	if (said != NULL && said->code / 100 == 2) {	/* a success where it makes no sense */
		buf_adds(&w->text, "Protocol error: ");
		dsn = "5.5.0";
	}
	str_copy(w->dsn, dsn, sizeof(w->dsn));
	va_start(ap, fmt);
	buf_vaddf(&w->text, fmt, ap);
	va_end(ap);
	if (said != NULL && a->conn != NULL) {
		conn_check_code(a->conn, said->code);
		w->mta = xstrdup(a->conn->host);
		w->diagnostic = xasprintf("smtp; %s", buf_str(&said->text));
	}
}

void conn_setup_done(struct attempt *a)
{
	if (a->d->conn_done_us == 0)
		a->d->conn_done_us = now_ms() * 1000;
}

static struct status status_of(const struct attempt *a)
{
	return (struct status){
		.dsn = a->why.dsn,
		.relay = a->conn != NULL ? a->conn->relay : "none",
		.text = buf_str(&a->why.text),
		.remote_mta = a->why.mta,
		.diagnostic = a->why.diagnostic,
	};
}

/* Is there still a chance elsewhere? */
static bool keep_for_next(const struct attempt *a)
{
	return (why_soft(&a->why) || (a->svc->p.soft_bounce && a->why.dsn[0] == '5')) && !attempt_final(a);
}

static void give_up(struct attempt *a, unsigned i)
{
	struct status st = status_of(a);

	if (why_soft(&a->why))
		delivery_deferred(a->d, i, &st);
	else
		delivery_bounced(a->d, i, &st);
}

void fail_rcpt(struct attempt *a, unsigned t)
{
	conn_setup_done(a);
	if (keep_for_next(a)) {
		log_info(&a->d->log, "%s: %s", a->d->msg->name, buf_str(&a->why.text));
		a->mark[t] = MARK_KEEP;
	} else {
		give_up(a, a->todo[t]);
	}
}

void fail_all(struct attempt *a, bool site)
{
	struct delivery *d = a->d;

	if (a->conn != NULL)
		conn_setup_done(a);
	if (site && a->conn != NULL)
		a->conn->no_reuse = true;
	if (keep_for_next(a)) {
		log_info(&d->log, "%s: %s", d->msg->name, buf_str(&a->why.text));
		for (unsigned t = 0; t < a->ntodo; t++)
			if (d->rcpt[a->todo[t]].out == OUT_NONE)
				a->mark[t] = MARK_KEEP;
		return;
	}
	for (unsigned t = 0; t < a->ntodo; t++)
		if (d->rcpt[a->todo[t]].out == OUT_NONE && a->mark[t] != MARK_KEEP)
			give_up(a, a->todo[t]);
	if (site && why_soft(&a->why) && !d->site_failed) {
		d->site_failed = true;
		str_copy(d->site_dsn, a->why.dsn, sizeof(d->site_dsn));
		d->site_reason = xstrdup(buf_str(&a->why.text));
	}
}

void fail_io(struct attempt *a, enum stream_result r)
{
	if (a->conn->filter_failed)
		why_set(a, "4.3.0", NULL, "local data error while talking to %s", a->conn->namaddr);
	else if (r == STREAM_TIMEOUT)
		why_set(a, "4.4.2", NULL, "conversation with %s timed out while %s", a->conn->namaddr, a->where);
	else
		why_set(a, "4.4.2", NULL, "lost connection with %s while %s", a->conn->namaddr, a->where);
	a->conn->dead = !a->conn->filter_failed;	/* which is our own trouble: it may have its QUIT */
	fail_all(a, true);
}

void done_rcpt(struct attempt *a, unsigned t, const struct reply *said)
{
	struct status st = {
		.dsn = said->dsn,
		.relay = a->conn->relay,
		.text = buf_str(&said->text),
		.remote_mta = a->conn->host,
		.dsn_capable = (a->conn->features & FEAT_DSN) != 0,
		.final = a->svc->p.assume_final || (a->svc->p.lmtp && (a->svc->p.flags & CLIENT_FINAL)),
	};
	char *diagnostic = xasprintf("smtp; %s", buf_str(&said->text));

	st.diagnostic = diagnostic;
	delivery_sent(a->d, a->todo[t], &st);
	free(diagnostic);
}
