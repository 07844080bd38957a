/* cleanup.c - a message on its way in: life, lines, refusal, commit.
 *
 * A line costs little: once the parser says that nothing but body can follow, cleanup_line() copies into the present
 * chunk and counts. Everything else (headers, multipart bodies, unwanted characters) passes through mime's hooks.
 *
 * Two things run beside the pushing: the expansion of addresses and the commit of drafts. cleanup_poll() drives both;
 * at the end it waits for both and commits. A refusal is kept, with the strongest reason first come, and everything
 * pushed after it only counts. */
#include <stdlib.h>

#include <postrider/address.h>
#include <postrider/clock.h>
#include <postrider/service.h>

#include "cleanup_room.h"

/* What may wait for look-ups before more is taken: recipients, bytes of headers. */
enum { MAX_PENDING = 1000, MAX_WAITING = 64 * 1024 };

static const struct mime_hooks hooks = { header_line, header_end, put_body, header_mime_error };

struct cleanup *cleanup_open(struct task *task, const struct service *owner, const struct generation *g, unsigned flags)
{
	struct cleanup *c = xcalloc(1, sizeof(*c));
	const struct view *limits = owner != NULL ? owner->view : generation_view(g);
	const struct view *v;

	c->task = task;
	c->generation = g;
	c->flags = flags;
	c->conf = conf_of(g, owner);
	v = c->conf->view;
	c->log = (struct log_ctx){ .name = c->conf->log_name, .number = log_number() };
	c->detect = flags & CLEANUP_LOCAL_SUBMIT ? c->conf->detect_submit
		    : flags & CLEANUP_TRANSCRIPT ? c->conf->detect_notify
		    : flags & CLEANUP_INTERNAL	 ? c->conf->detect_bounce
						 : c->conf->detect_smtpd;
	c->size_limit = view_long(limits, message_size_limit);
	c->msg = message_new(store_new_id(), view_bool(v, enable_long_queue_ids));
	c->msg->arrival_us = wall_us();
	c->content = content_new();
	STAILQ_INIT(&c->waiting);
	c->context = flags & CLEANUP_LOCAL_CONTEXT ? REWRITE_LOCAL :
	    *view_str(v, remote_header_rewrite_domain) != '\0' ? REWRITE_REMOTE : REWRITE_NONE;
	c->mime =
	    mime_new(flags & (CLEANUP_INTERNAL | CLEANUP_NO_HEADER_CHECKS) ? &c->conf->mime_internal : &c->conf->mime,
		     &hooks, c);
	c->expand_ctx = (struct expand_ctx){ .generation = g, .view = v, .log = &c->log, .queue_id = c->msg->name };
	c->expand_flags = (flags & CLEANUP_NO_MAPS ? EXPAND_NO_MAPS | EXPAND_NO_BCC : 0) |
			  (flags & CLEANUP_INTERNAL ? EXPAND_NO_BCC : 0);
	return c;
}

struct message *cleanup_message(struct cleanup *c)
{
	return c->msg;
}

void cleanup_add_flags(struct cleanup *c, unsigned flags)
{
	c->flags |= flags & (CLEANUP_HOLD | CLEANUP_DISCARD);
}

void cleanup_full_name(struct cleanup *c, const char *name)
{
	free(c->full_name);
	c->full_name = xstrdup(name);
}

void cleanup_join(struct cleanup *c, struct store_txn **txn)
{
	ASSERT(c->joined == NULL);
	c->joined = *txn;
	*txn = NULL;
}

/* ---- refusal ---------------------------------------------------------------------------------- */
static void set_error(struct cleanup *c, int code, const char *dsn, size_t dsn_len, const char *text)
{
	if (c->error.code != 0)
		return;
	c->error.code = code;
	str_copy(c->error.dsn, dsn, MIN(dsn_len + 1, sizeof(c->error.dsn)));
	str_copy(c->error.text, text, sizeof(c->error.text));
}

/* The fault is the content's, and whoever submitted it is not waiting for an answer: he gets a notice. */
static void return_instead(struct cleanup *c)
{
	if ((c->flags & CLEANUP_BOUNCE) == 0)
		return;
	if (c->bounce.code == 0)
		c->bounce = c->error;
	c->error.code = 0;
}

void content_refuse(struct cleanup *c, enum cleanup_stat stat, const char *reason)
{
	static const struct { enum cleanup_stat stat; int code; const char *text; } table[] = {
		{ STAT_DEFER, 451, "4.7.1 Error: service unavailable" },
		{ STAT_RCPT, 554, "5.1.0 Error: no recipients specified" },
		{ STAT_HOPS, 554, "5.4.0 Error: too many hops" },
		{ STAT_SIZE, 552, "5.3.4 Error: message file too big" },
		{ STAT_CONT, 550, "5.7.1 Error: message content rejected" },
		{ STAT_WRITE, 451, "4.3.0 Error: queue file write error" },
	};
	size_t i = 0, n;
	int code;

	while (table[i].stat != stat)
		i++;
	code = table[i].code;
	if (reason == NULL)
		reason = table[i].text;
	else if (stat == STAT_WRITE && strncmp(reason, "4.3.1 ", 6) == 0)
		code = 452;
	n = strcspn(reason, " ");
	set_error(c, code, reason, n, reason + n + (reason[n] == ' '));
	if (stat == STAT_HOPS || stat == STAT_CONT)
		return_instead(c);
}

void cleanup_refuse(struct cleanup *c, int code, const char *dsn, const char *text)
{
	set_error(c, code, dsn, strlen(dsn), text);
}

const struct cleanup_error *cleanup_error(const struct cleanup *c)
{
	return c->error.code != 0 ? &c->error : NULL;
}

bool cleanup_failed(const struct cleanup *c)
{
	return c->error.code != 0;
}

int64_t cleanup_size(const struct cleanup *c)
{
	return c->act_size;
}

/* ---- lines ------------------------------------------------------------------------------------- */
static void reject_character(struct cleanup *c, const char *line, size_t len)
{
	struct buf client = { 0 }, from = { 0 }, to = { 0 };
	const struct message *m = c->msg;

	address_quote_822(&from, m->sender != NULL ? m->sender : "");
	address_quote_822(&to, c->last_rcpt != NULL ? c->last_rcpt : "unknown");
	log_info(&c->log, "%s: reject: content %.*s from %s; from=<%s> to=<%s>%s%s%s%s%s: 5.7.1 disallowed character",
		 m->name, (int)MIN(len, (size_t)200), line, client_of(c, &client), buf_str(&from), buf_str(&to),
		 m->proto != NULL ? " proto=" : "", m->proto != NULL ? m->proto : "", m->helo != NULL ? " helo=<" : "",
		 m->helo != NULL ? m->helo : "", m->helo != NULL ? ">" : "");
	buf_release(&client);
	buf_release(&from);
	buf_release(&to);
	content_refuse(c, STAT_CONT, "5.7.1 disallowed character");
}

/* The line in a buffer that may be changed. */
static void change(struct cleanup *c, const char **line, size_t len)
{
	if (*line != c->changed.p) {
		buf_reset(&c->changed);
		buf_add(&c->changed, *line, len);
		*line = c->changed.p;
	}
}

/* message_reject_characters, message_strip_characters. False: refused. */
static bool filter_characters(struct cleanup *c, const char **line, size_t *len)
{
	const struct cleanup_conf *conf = c->conf;

	if (conf->reject_any)
		for (size_t i = 0; i < *len; i++)
			if (conf->reject[(unsigned char)(*line)[i]]) {
				reject_character(c, *line, *len);
				return false;
			}
	if (conf->strip_any) {
		size_t kept = 0;

		change(c, line, *len);
		for (size_t i = 0; i < *len; i++)
			if (!conf->strip[(unsigned char)(*line)[i]])
				c->changed.p[kept++] = (*line)[i];
		*len = kept;
	}
	return true;
}

/* A lone CR or LF could end a line for somebody behind us, who would then see other lines than we did. */
static void replace_stray(struct cleanup *c, const char **line, size_t len)
{
	change(c, line, len);
	for (size_t i = 0; i < len; i++)
		if ((*line)[i] == '\r' || (*line)[i] == '\n')
			c->changed.p[i] = ' ';
}

static void one_line(struct cleanup *c, const char *line, size_t len, bool partial)
{
	if (c->conf->replace_stray && (memchr(line, '\r', len) != NULL || memchr(line, '\n', len) != NULL))
		replace_stray(c, &line, len);
	if ((c->conf->reject_any || c->conf->strip_any) &&
	    (c->flags & (CLEANUP_INTERNAL | CLEANUP_NO_HEADER_CHECKS)) == 0 && !filter_characters(c, &line, &len))
		return;
	if (c->only_body) {
		put_body(c, line, len, partial);
		return;
	}
	mime_line(c->mime, line, len, partial);
	c->only_body = mime_only_body(c->mime);
}

/* Nobody will see what comes now: it is neither looked at nor kept. */
static bool blind(const struct cleanup *c)
{
	return c->error.code != 0 || (c->flags & CLEANUP_DISCARD) != 0;
}

void cleanup_prepend(struct cleanup *c, const char *header)
{
	const char *nl;

	if (blind(c))
		return;
	while ((nl = strchr(header, '\n')) != NULL) {
		one_line(c, header, (size_t)(nl - header), false);
		header = nl + 1;
	}
	one_line(c, header, strlen(header), false);
}

/* Old mailbox habits: a From_ line before the headers is kept under another name, and leading white space is body.
 * True: the line is used up. */
static bool first_line(struct cleanup *c, const char *line, size_t len, bool partial)
{
	size_t n = 0;
	struct buf b = { 0 };

	while (n < len && line[n] == '>')
		n++;
	if (len - n >= 5 && memcmp(line + n, "From ", 5) == 0) {
		buf_adds(&b, "X-Mailbox-Line: ");
		buf_add(&b, line, len);
		one_line(c, b.p, b.len, partial);
		buf_release(&b);
		return true;
	}
	c->started = true;
	if (len > 0 && (*line == ' ' || *line == '\t'))
		one_line(c, "", 0, false);
	return false;
}

void cleanup_line(struct cleanup *c, const char *line, size_t len, bool partial)
{
	bool mid_line = c->mid_line;

	c->mid_line = partial;
	if (blind(c))
		return;
	if (c->size_limit > 0 && c->size_limit - c->act_size < (int64_t)len + 2) {
		content_refuse(c, STAT_SIZE, NULL);
		return;
	}
	c->act_size += (int64_t)len + 2;
	if (!c->started && !mid_line && first_line(c, line, len, partial))
		return;
	one_line(c, line, len, partial);
}

/* ---- the end ------------------------------------------------------------------------------------ */
void cleanup_finish(struct cleanup *c)
{
	ASSERT(c->state == C_OPEN);
	if (c->mid_line && !blind(c))
		one_line(c, "", 0, false);
	if (!blind(c))
		mime_end(c->mime);
	if (!blind(c) && (mime_errors(c->mime) & ~(unsigned)MIME_ERR_TRUNC_HEADER) != 0) {
		c->error.code = 550;
		str_copy(c->error.dsn, "5.6.0", sizeof(c->error.dsn));
		str_copy(c->error.text, mime_error_text(mime_errors(c->mime) & ~(unsigned)MIME_ERR_TRUNC_HEADER),
			 sizeof(c->error.text));
		return_instead(c);
	}
	if (c->error.code == 0 && (c->flags & (CLEANUP_DISCARD | CLEANUP_EXPLAIN)) != CLEANUP_DISCARD &&
	    (c->expand_flags & EXPAND_NO_BCC) == 0 &&
	    *view_str(c->conf->view, always_bcc) != '\0')
		envelope_copy(c, view_str(c->conf->view, always_bcc));
	c->state = C_FINISHED;
}

static void done(struct cleanup *c, enum cleanup_result r)
{
	c->state = C_DONE;
	c->result = r;
	if (r == CLEANUP_REFUSED)
		drafts_drop(c);
}

static void start_commit(struct cleanup *c)
{
	struct message *m = c->msg;
	struct store_txn *txn = c->joined != NULL ? c->joined : store_txn_new();

	c->joined = NULL;
	m->queue = c->flags & CLEANUP_HOLD ? QUEUE_HOLD : QUEUE_ACTIVE;
	m->received_us = wall_us();
	m->size = c->record_size;
	m->rcpt_total = m->rcpt_left = envelope_count(m);
	if (c->flags & CLEANUP_LOCAL_CONTEXT)
		m->flags |= MSG_LOCAL;
	if (c->flags & CLEANUP_INTERNAL)
		m->flags |= MSG_INTERNAL;
	if (!c->separator)
		m->flags |= MSG_NO_SEPARATOR;
	c->content->header_len = c->header.len;
	c->content->header = buf_steal(&c->header);
	drafts_finish(c, txn);
	m->content = c->content;
	c->content = NULL;
	store_txn_put(txn, m);
	c->state = C_COMMIT;
	store_commit_start(&c->commit_op, c->task, &txn);
}

/* qmgr finds nobody to deliver to, but recipients to report. */
static void fail_rcpts(struct cleanup *c)
{
	const char *why = c->bounce.text + (str_iprefix(c->bounce.text, "Error: ") ? 7 : 0);
	struct message *m = c->msg;
	struct buf to = { 0 };

	for (uint32_t i = 0; i < m->nrcpt; i++) {
		struct rcpt *r = &m->rcpt[i];

		if (r->state != RCPT_TODO)
			continue;
		r->state = RCPT_FAILED;
		r->dsn = arena_strdup(&m->arena, c->bounce.dsn);
		r->reason = arena_strdup(&m->arena, why);
		buf_reset(&to);
		address_quote_822(&to, r->addr);
		if (!str_ieq(r->addr, r->orig)) {
			buf_adds(&to, ">, orig_to=<");
			address_quote_822(&to, r->orig);
		}
		log_info(&c->log, "%s: to=<%s>, relay=none, delay=0, delays=0/0/0/0, dsn=%s, status=bounced (%s)", m->name,
		    buf_str(&to), r->dsn, why);
	}
	buf_release(&to);
}

/* message_size_limit is for the whole queue file: a message a little smaller than it is too big, too. */
static void check_size(struct cleanup *c)
{
	if (c->size_limit <= 0 || c->error.code != 0 || (c->flags & (CLEANUP_DISCARD | CLEANUP_INTERNAL)) != 0 ||
	    queue_file_size(c) <= c->size_limit)
		return;
	log_warn(&c->log, "%s: queue file size limit exceeded", c->msg->name);
	content_refuse(c, STAT_SIZE, NULL);
}

static void conclude(struct cleanup *c)
{
	if (c->error.code == 0 && envelope_count(c->msg) == 0)
		content_refuse(c, STAT_RCPT, NULL);
	check_size(c);
	if (c->error.code != 0)
		done(c, CLEANUP_REFUSED);
	else if (c->flags & CLEANUP_DISCARD) {
		drafts_drop(c);
		done(c, CLEANUP_QUEUED);
	} else {
		if (c->bounce.code != 0)
			fail_rcpts(c);
		start_commit(c);
	}
}

static void committed(struct cleanup *c, enum store_result r)
{
	store_commit_end(&c->commit_op);
	if (r == STORE_OK) {
		c->next_draft = 0;
		done(c, CLEANUP_QUEUED);
		return;
	}
	content_refuse(c, STAT_WRITE, "4.3.1 Insufficient system storage");
	done(c, CLEANUP_REFUSED);
}

enum cleanup_result cleanup_poll(struct cleanup *c)
{
	enum store_result r;
	bool known, settled, room;

	switch (c->state) {
	case C_OPEN:
		known = envelope_run(c) || c->npending - c->next_pending < MAX_PENDING;
		settled = header_run(c) || c->waiting_bytes < MAX_WAITING;
		room = drafts_run(c);
		return known && settled && room ? CLEANUP_READY : CLEANUP_WAIT;
	case C_FINISHED:
		known = envelope_run(c);
		settled = header_run(c);
		if (c->drafting)
			drafts_run(c);
		if (!known || !settled || c->drafting)
			return CLEANUP_WAIT;
		conclude(c);
		return cleanup_poll(c);
	case C_COMMIT:
		r = store_commit_poll(&c->commit_op);
		if (r == STORE_WAIT)
			return CLEANUP_WAIT;
		committed(c, r);
		break;
	case C_DONE:
		break;
	}
	return c->result;
}

void cleanup_free(struct cleanup **cp)
{
	struct cleanup *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	if (c->state == C_COMMIT)
		store_commit_end(&c->commit_op); /* it commits all the same: the client may get the message twice */
	else if (c->state != C_DONE)
		drafts_drop(c);
	store_txn_free(&c->joined);
	envelope_release(c);
	mime_free(&c->mime);
	content_unref(&c->content);
	buf_release(&c->header);
	buf_release(&c->changed);
	header_release(c);
	message_unref(&c->msg);
	free(c);
}
