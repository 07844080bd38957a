/* notice.c - one notice on its way into cleanup.
 * Two walks over the recipients (text, then status), then the original's header and body as far as they are wanted.
 * Nothing is opened before there is a recipient who is to be reported; whatever can wait (recipients and
 * content from the store, cleanup digesting) suspends the machine at that line. */
#include "bounce_int.h"
#include <postrider/loop.h>
#include <postrider/service.h>

enum { LINES_PER_RUN = 2000 };

void notice_start(struct notice *n, struct task *task, struct bounce_conf *conf, const struct bounce_request *req,
    const struct notice_to *to, struct store_txn **joined)
{
	*n = (struct notice){.task = task, .conf = conf, .req = req, .to = *to, .joined = joined, .state = NOTICE_TEXT};
	walk_start(&n->walk, task, req);
	n->walking = true;
}

static void notice_open(struct notice *n)
{
	n->cleanup = cleanup_open(n->task, NULL, generation_current(),
				  CLEANUP_INTERNAL | CLEANUP_LOCAL_CONTEXT | CLEANUP_ADD_MISSING);
	report_open(n);
}

static bool wanted(const struct notice *n, const struct rcpt *r)
{
	unsigned notify = r->notify != 0 ? r->notify : DSN_FAILURE | DSN_DELAY;

	return n->to.notify == 0 || (notify & n->to.notify) != 0;
}

/* WAIT, QUEUED for "go on", FAILED. */
static enum notice_result cleanup_ready(struct notice *n)
{
	if (n->cleanup == NULL)
		return NOTICE_QUEUED;
	switch (cleanup_poll(n->cleanup)) {
	case CLEANUP_WAIT:
		return NOTICE_WAIT;
	case CLEANUP_REFUSED:
		return NOTICE_FAILED;
	default:
		return NOTICE_QUEUED;
	}
}

static enum notice_result walk_on(struct notice *n)
{
	const struct rcpt *r;

	for (int budget = LINES_PER_RUN;;) {
		enum notice_result ready = cleanup_ready(n);

		if (ready != NOTICE_QUEUED)
			return ready;
		if (budget-- == 0) {
			task_wake(n->task);
			return NOTICE_WAIT;
		}
		switch (walk_next(&n->walk, &r)) {
		case WALK_WAIT:
			return NOTICE_WAIT;
		case WALK_FAILED:
			return NOTICE_FAILED;
		case WALK_END:
			walk_end(&n->walk);
			n->walking = false;
			return NOTICE_QUEUED;
		case WALK_RCPT:
			break;
		}
		if (n->state == NOTICE_TEXT && n->req->settle && n->req->rcpt == NULL && n->joined != NULL &&
		    *n->joined != NULL)
			store_txn_rcpt_done(*n->joined, n->req->msg->id, r->n);
		if (!wanted(n, r))
			continue;
		if (n->cleanup == NULL)
			notice_open(n);
		if (n->state == NOTICE_TEXT)
			report_text(n, r);
		else
			report_status(n, r);
	}
}

/* A piece of the original, whose lines end in CRLF, as lines; a piece may end anywhere. */
static void put_piece(struct notice *n, const char *p, size_t len)
{
	const char *end = p + len, *nl;

	if (n->cr && len > 0) {
		if (*p != '\n')
			cleanup_line(n->cleanup, "\r", 1, true);
		n->cr = false;
	}
	while ((nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		cleanup_line(n->cleanup, p, (size_t)(nl - p) - (nl > p && nl[-1] == '\r'), false);
		n->mid_line = false;
		p = nl + 1;
	}
	if (p < end && end[-1] == '\r') {
		n->cr = true;
		end--;
	}
	if (p < end)
		cleanup_line(n->cleanup, p, (size_t)(end - p), true);
	n->mid_line = n->mid_line || p < end || n->cr;
}

static void end_line(struct notice *n)
{
	if (n->mid_line)
		cleanup_line(n->cleanup, "", 0, false);
	n->mid_line = n->cr = false;
}

static enum notice_result copy_on(struct notice *n)
{
	for (int budget = LINES_PER_RUN / 50;;) {
		enum notice_result ready = cleanup_ready(n);

		if (ready != NOTICE_QUEUED)
			return ready;
		if (budget-- == 0) {
			task_wake(n->task);
			return NOTICE_WAIT;
		}
		switch (content_read_poll(&n->content)) {
		case CONTENT_WAIT:
			return NOTICE_WAIT;
		case CONTENT_FAILED:
			return NOTICE_FAILED;
		case CONTENT_DATA:
			put_piece(n, n->content.p, n->content.len);
			content_read_advance(&n->content);
			break;
		case CONTENT_END:
			end_line(n);
			content_read_end(&n->content);
			n->reading = false;
			return NOTICE_QUEUED;
		}
	}
}

static void read_part(struct notice *n, enum content_part part)
{
	content_read_start(&n->content, n->task, n->req->msg, part);
	n->reading = true;
}

/* This state's work is done: on to the next, and what it waits for. */
static void notice_enter(struct notice *n, enum notice_state state)
{
	n->state = state;
	switch (state) {
	case NOTICE_TEXT:
	case NOTICE_DONE:
		break;
	case NOTICE_STATUS:
		report_status_open(n);
		walk_start(&n->walk, n->task, n->req);
		n->walking = true;
		break;
	case NOTICE_HEADER:
		report_original_open(n);
		read_part(n, PART_HEADER);
		break;
	case NOTICE_BODY:
		if ((n->req->msg->flags & MSG_NO_SEPARATOR) == 0)
			notice_put(n, "%s", "");
		read_part(n, PART_BODY);
		break;
	case NOTICE_FINISH:
		report_close(n);
		if (n->joined != NULL && *n->joined != NULL)
			cleanup_join(n->cleanup, n->joined);
		cleanup_finish(n->cleanup);
		break;
	}
}

static enum notice_result notice_finished(struct notice *n)
{
	switch (cleanup_poll(n->cleanup)) {
	case CLEANUP_WAIT:
	case CLEANUP_READY:
		return NOTICE_WAIT;
	case CLEANUP_REFUSED:
		return NOTICE_FAILED;
	case CLEANUP_QUEUED:
		break;
	}
	return NOTICE_QUEUED;
}

enum notice_result notice_poll(struct notice *n)
{
	enum notice_result r;

	while (n->state != NOTICE_DONE) {
		switch (n->state) {
		case NOTICE_TEXT:
			if ((r = walk_on(n)) == NOTICE_QUEUED && n->cleanup == NULL)
				r = NOTICE_NONE;
			break;
		case NOTICE_STATUS:
			r = walk_on(n);
			break;
		case NOTICE_FINISH:
			r = notice_finished(n);
			break;
		default:
			r = copy_on(n);
			break;
		}
		if (r == NOTICE_WAIT)
			return r;
		if (r != NOTICE_QUEUED || n->state == NOTICE_FINISH) {
			n->result = r;
			notice_enter(n, NOTICE_DONE);
		} else if (n->state == NOTICE_HEADER && report_headers_only(n)) {
			notice_enter(n, NOTICE_FINISH);
		} else {
			notice_enter(n, n->state + 1);
		}
	}
	return n->result;
}

void notice_end(struct notice *n)
{
	if (n->walking)
		walk_end(&n->walk);
	if (n->reading)
		content_read_end(&n->content);
	cleanup_free(&n->cleanup);
	buf_release(&n->line);
	*n = (struct notice){ .state = NOTICE_DONE };
}
