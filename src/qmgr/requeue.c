/* requeue.c - postsuper -r: a message goes through cleanup once more.
 * In place of an attempt the message is copied under a new queue id, as Postfix does it by way of maildrop and pickup:
 * addresses are rewritten and aliases expanded by what the configuration says now, in the context (local or remote) of
 * its first arrival; header and body checks and the content filter apply, milters do not. Recipients that are done with
 * stay behind. The copy and the removal of the original are one commit. If cleanup refuses the copy, the message stays as it is. */
#include "qmgr_int.h"
#include <postrider/cleanup.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLICE = 1000, LINE_MAX_BYTES = 8192, UNDONE = 1 << RCPT_TODO | 1 << RCPT_FAILED };
enum { KEPT_FLAGS = MSG_SMTPUTF8 | MSG_8BIT | MSG_7BIT | MSG_TRACE_VERIFY | MSG_TRACE_DELIVER | MSG_NO_BOUNCE | MSG_SUBMISSION };
enum requeue_state { RQ_RCPTS, RQ_HEADER, RQ_BODY, RQ_FINISH };

struct requeue {
	struct task	*task;
	struct message	*msg;		/* the original; a reference */
	struct cleanup	*cleanup;
	struct generation *generation;
	struct service	*service;	/* the pickup line; NULL: none */
	enum requeue_state state;
	struct store_load_op load;
	struct content_op content;
	struct buf	 line;		/* the piece of a line that has no end yet */
	bool		 mid_line;	/* part of this line was pushed already */
};

static void facts(struct message *to, const struct message *from)
{
	struct arena *a = &to->arena;

	to->flags |= from->flags & KEPT_FLAGS;
	to->arrival_us = from->arrival_us;
	to->dsn_ret = from->dsn_ret;
	to->dsn_envid = arena_strdup(a, from->dsn_envid);
	to->client_name = arena_strdup(a, from->client_name);
	to->client_addr = arena_strdup(a, from->client_addr);
	to->client_port = arena_strdup(a, from->client_port);
	to->helo = arena_strdup(a, from->helo);
	to->proto = arena_strdup(a, from->proto);
	to->ident = arena_strdup(a, from->ident);
	to->rev_name = arena_strdup(a, from->rev_name);
	to->sasl_method = arena_strdup(a, from->sasl_method);
	to->sasl_user = arena_strdup(a, from->sasl_user);
	to->sasl_sender = arena_strdup(a, from->sasl_sender);
	for (size_t i = 0; i < from->extra.n; i++)
		strs_add(&to->extra, from->extra.v[i]);
}

struct requeue *requeue_start(struct task *t, struct message *m)
{
	struct requeue *r = xcalloc(1, sizeof(*r));
	struct generation *g = generation_ref(generation_current());
	const struct view *v = generation_view(g);
	struct store_txn *txn = store_txn_new();
	struct log_ctx log = { .number = log_number() };
	struct buf sender = { 0 };
	struct message *copy;
	char date[64], *text, *name;

	r->task = t;
	r->msg = message_ref(m);
	r->generation = g;
	if ((r->service = service_find(g, "pickup")) != NULL) {
		r->service = service_ref(r->service);
		v = r->service->view;
	}
	r->cleanup = cleanup_open(t, r->service, g,
	    CLEANUP_NO_MILTERS | CLEANUP_BOUNCE | ((m->flags & MSG_LOCAL) != 0 ? CLEANUP_LOCAL_CONTEXT : 0));
	copy = cleanup_message(r->cleanup);
	facts(copy, m);
	if (*view_str(v, content_filter) != '\0')
		copy->content_filter = arena_strdup(&copy->arena, view_str(v, content_filter));
	name = r->service != NULL ? xstrdup(r->service->log_name) : xasprintf("%s/pickup", view_str(v, syslog_name));
	log.name = name;
	log_address(&sender, m->sender);
	log_info(&log, "%s: uid=%ld from=<%s> orig_id=%s", copy->name, (long)geteuid(), buf_str(&sender), m->name);
	buf_release(&sender);
	free(name);
	cleanup_sender(r->cleanup, m->sender);
	cleanup_date(date, sizeof(date), wall_s());
	text = xasprintf("Received: by %s (%s, from userid %ld)\n\tid %s; %s", view_str(v, myhostname),
	    view_str(v, mail_name), (long)geteuid(), copy->name, date);
	cleanup_prepend(r->cleanup, text);
	free(text);
	store_txn_delete(txn, m->id);
	cleanup_join(r->cleanup, &txn);
	store_load_start(&r->load, t, m->id, 0, SLICE, UNDONE);
	return r;
}

/* A slice of recipients. False: wait. */
static bool rcpts(struct requeue *r, bool *failed_r)
{
	switch (store_load_poll(&r->load)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
		break;
	default:
		*failed_r = true;
		return true;
	}
	for (uint32_t i = 0; i < r->load.msg->nrcpt; i++) {
		const struct rcpt *rc = &r->load.msg->rcpt[i];

		cleanup_rcpt_again(r->cleanup, rc->addr, rc->orig, rc->dsn_orcpt, rc->notify);
	}
	if (store_load_next(&r->load, r->task, SLICE, UNDONE))
		return true;
	content_read_start(&r->content, r->task, r->msg, PART_HEADER);
	r->state = RQ_HEADER;
	return true;
}

/* Stored lines end with CRLF. */
static void push(struct requeue *r, const char *p, size_t n)
{
	const char *end = p + n, *eol;

	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		buf_add(&r->line, p, (size_t)((eol != NULL ? eol : end) - p));
		if (eol == NULL) {
			/* (The last byte may be the first of its line end.) */
			if (r->line.len >= LINE_MAX_BYTES) {
				cleanup_line(r->cleanup, r->line.p, r->line.len - 1, true);
				buf_drop(&r->line, r->line.len - 1);
				r->mid_line = true;
			}
			return;
		}
		if (r->line.len > 0 && r->line.p[r->line.len - 1] == '\r')
			r->line.len--;
		cleanup_line(r->cleanup, buf_str(&r->line), r->line.len, false);
		buf_reset(&r->line);
		r->mid_line = false;
	}
}

static void part_over(struct requeue *r)
{
	if (r->line.len > 0 || r->mid_line)
		push(r, "\r\n", 2);
	content_read_end(&r->content);
	if (r->state == RQ_HEADER) {
		if ((r->msg->flags & MSG_NO_SEPARATOR) == 0)
			cleanup_line(r->cleanup, "", 0, false);
		content_read_start(&r->content, r->task, r->msg, PART_BODY);
		r->state = RQ_BODY;
	} else {
		cleanup_finish(r->cleanup);
		r->state = RQ_FINISH;
	}
}

/* One step. False: wait. */
static bool step(struct requeue *r, bool *failed_r)
{
	if (r->state == RQ_RCPTS)
		return rcpts(r, failed_r);
	switch (content_read_poll(&r->content)) {
	case CONTENT_WAIT:
		return false;
	case CONTENT_DATA:
		push(r, r->content.p, r->content.len);
		content_read_advance(&r->content);
		return true;
	case CONTENT_END:
		part_over(r);
		return true;
	default:
		*failed_r = true;
		return true;
	}
}

enum requeue_result requeue_poll(struct requeue *r)
{
	const struct cleanup_error *e;
	bool failed = false;

	for (;;) {
		switch (cleanup_poll(r->cleanup)) {
		case CLEANUP_WAIT:
			return REQUEUE_WAIT;
		case CLEANUP_QUEUED:
			return REQUEUE_DONE;
		case CLEANUP_REFUSED:
			e = cleanup_error(r->cleanup);
			log_warn(&qmgr.log, "%s: not requeued: %s", r->msg->name, e->text);
			return REQUEUE_FAILED;
		case CLEANUP_READY:
			break;
		}
		if (r->state == RQ_FINISH || !step(r, &failed))
			return REQUEUE_WAIT;
		if (failed) {
			log_warn(&qmgr.log, "%s: not requeued: the message cannot be read", r->msg->name);
			return REQUEUE_FAILED;
		}
	}
}

void requeue_end(struct requeue **rp)
{
	struct requeue *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	store_load_end(&r->load);
	content_read_end(&r->content);
	cleanup_free(&r->cleanup);
	if (r->service != NULL)
		service_unref(&r->service);
	generation_unref(&r->generation);
	message_unref(&r->msg);
	buf_release(&r->line);
	free(r);
}
