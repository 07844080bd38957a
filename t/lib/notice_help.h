/* notice_help.h - a stand-in for cleanup in unit tests of bounce and qmgr: keeps each notice's envelope and lines, and
 * queues it as a real message in one commit with what was joined. */
#ifndef NOTICE_HELP_H
#define NOTICE_HELP_H
#include <postrider/cleanup.h>
#include <postrider/loop.h>
#include <stdlib.h>

struct cleanup {
	struct task	*task;
	struct message	*msg;
	struct buf	 text;			/* lines, each with '\n' */
	struct store_txn *joined;
	struct store_op	 op;
	bool		 committing;
	int		 stall;			/* say WAIT so many times more */
};
struct notice_seen { char *sender, *rcpt, *text; unsigned flags; char id[QUEUE_ID_TEXT]; };
static struct notice_seen notices[64];
static unsigned nnotices;
static int cleanup_stalls;			/* every n-th poll says WAIT */
static bool cleanup_refuses;

struct cleanup *cleanup_open(struct task *t, const struct service *s, const struct generation *g, unsigned flags)
{
	struct cleanup *c = xcalloc(1, sizeof(*c));

	(void)s;
	(void)g;
	(void)flags;
	c->task = t;
	c->msg = message_new(store_new_id(), false);
	c->msg->arrival_us = c->msg->received_us = (int64_t)c->msg->id;
	return c;
}

struct message *cleanup_message(struct cleanup *c)
{
	return c->msg;
}

void cleanup_sender(struct cleanup *c, const char *addr)
{
	c->msg->sender = arena_strdup(&c->msg->arena, addr);
}

void cleanup_rcpt(struct cleanup *c, const char *addr, const char *orcpt, unsigned notify)
{
	struct rcpt *r = message_add_rcpt(c->msg);

	r->addr = r->orig = arena_strdup(&c->msg->arena, addr);
	r->dsn_orcpt = arena_strdup(&c->msg->arena, orcpt);
	r->notify = (uint8_t)notify;
	c->msg->rcpt_total = c->msg->rcpt_left = c->msg->nrcpt;
}

void cleanup_rcpt_again(struct cleanup *c, const char *addr, const char *orig, const char *orcpt, unsigned notify)
{
	cleanup_rcpt(c, addr, orcpt, notify);
	c->msg->rcpt[c->msg->nrcpt - 1].orig = arena_strdup(&c->msg->arena, orig);
}

void cleanup_prepend(struct cleanup *c, const char *text)
{
	buf_addf(&c->text, "%s\n", text);
}

const struct cleanup_error *cleanup_error(const struct cleanup *c)
{
	static const struct cleanup_error e = { 451, "4.3.0", "refused by the test" };

	(void)c;
	return &e;
}

void cleanup_date(char *out, size_t size, int64_t wall_s)
{
	snprintf(out, size, "%lld", (long long)wall_s);
}

void cleanup_line(struct cleanup *c, const char *line, size_t len, bool partial)
{
	buf_add(&c->text, line, len);
	if (!partial)
		buf_addc(&c->text, '\n');
}

void cleanup_join(struct cleanup *c, struct store_txn **t)
{
	c->joined = *t;
	*t = NULL;
}

void cleanup_finish(struct cleanup *c)
{
	struct notice_seen *n = &notices[nnotices];

	if (cleanup_refuses)
		return;
	if (nnotices < NELEM(notices)) {
		*n = (struct notice_seen){xstrdup(c->msg->sender), xstrdup(c->msg->rcpt[0].addr),
					  xstrdup(buf_str(&c->text)), c->msg->flags, ""};
		str_copy(n->id, c->msg->name, sizeof(n->id));
		nnotices++;
	}
	c->msg->content = content_new();
	c->msg->content->header = xstrdup("Subject: notice\r\n");
	c->msg->content->header_len = strlen(c->msg->content->header);
	c->msg->size = (int64_t)c->text.len;
	content_append(c->msg->content, c->text.p, c->text.len);
	if (c->joined == NULL)
		c->joined = store_txn_new();
	store_txn_put(c->joined, c->msg);
	store_commit_start(&c->op, c->task, &c->joined);
	c->committing = true;
}

enum cleanup_result cleanup_poll(struct cleanup *c)
{
	if (cleanup_refuses)
		return CLEANUP_REFUSED;
	if (!c->committing) {
		if (cleanup_stalls > 0 && ++c->stall % cleanup_stalls == 0) {
			task_wake(c->task);
			return CLEANUP_WAIT;
		}
		return CLEANUP_READY;
	}
	switch (store_commit_poll(&c->op)) {
	case STORE_WAIT:
		return CLEANUP_WAIT;
	case STORE_OK:
		return CLEANUP_QUEUED;
	default:
		return CLEANUP_REFUSED;
	}
}

void cleanup_free(struct cleanup **cp)
{
	struct cleanup *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	if (c->committing)
		store_commit_end(&c->op);
	store_txn_free(&c->joined);
	message_unref(&c->msg);
	buf_release(&c->text);
	free(c);
}

__attribute__((unused))
static void notices_clear(void)
{
	while (nnotices > 0) {
		struct notice_seen *n = &notices[--nnotices];

		free(n->sender);
		free(n->rcpt);
		free(n->text);
	}
}
#endif
