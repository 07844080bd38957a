/* change.c - verb change: what postsuper does to messages.
 * Ids come one by one in data frames behind the attributes, or all=1 means every message of the queues named. Up to SLOTS
 * changes are under way at once, so that they share commits; each is answered when it is in the store:
 *	"ID=done", "none" (it was so already, or stands in another queue), "missing", "failed"
 * and at the end "count=N". With all only the count is told. Single changes are logged, as postsuper does. */
#include "server.h"
#include <postrider/log.h>
#include <postrider/qmgr.h>
#include <postrider/service.h>
#include <postrider/store.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 300, SLICE = 300 };
enum { IN_INCOMING = 1, IN_ACTIVE = 2, IN_DEFERRED = 4, IN_HOLD = 8 };

static const struct action {
	const char	*name;
	enum qmgr_change change;
	const char	*done;		/* logged for a single message */
	const char	*total;		/* logged at the end */
} actions[] = {
	{ "delete", QMGR_DELETE, "removed", "Deleted" },
	{ "hold", QMGR_HOLD, "placed on hold", "Placed on hold" },
	{ "release", QMGR_RELEASE, "released from hold", "Released from hold" },
	{ "requeue", QMGR_REQUEUE, "requeued", "Requeued" },
	{ "expire", QMGR_EXPIRE, "expired", "Force-expired" },
};
static const struct { const char *name; unsigned bit; } queues[] = {
	{ "incoming", IN_INCOMING }, { "active", IN_ACTIVE }, { "deferred", IN_DEFERRED }, { "hold", IN_HOLD },
};

struct slot {
	bool		 busy;
	queue_id_t	 id;
	char		 name[QUEUE_ID_TEXT];
	struct store_load_op load;
	struct qmgr_change_op op;
};
struct changing {
	const struct action *action;
	bool		 all, queues_given, input_ended;
	unsigned	 queues;	/* IN_* */
	struct store_list_op list;
	size_t		 listed;	/* of the slice: next to do */
	queue_id_t	 after;
	bool		 list_ended;
	unsigned long	 count;
	unsigned	 busy;
	struct slot	 slot[SLOTS];
};

static void log_change(const char *fmt, const char *a, const char *b, unsigned long n)
{
	static struct log_ctx ctx;
	static char name[128];
	struct generation *g = generation_current();

	if (g == NULL)
		return;			/* serving a command while no server runs */
	snprintf(name, sizeof(name), "%s/postsuper", view_str(generation_view(g), syslog_name));
	ctx.name = name;
	ctx.number = log_number();
	if (fmt[0] == 'o')
		log_info(&ctx, "%s: %s", a, b);
	else
		log_info(&ctx, "%s: %lu message%s", a, n, n == 1 ? "" : "s");
}

static unsigned queue_bit(const struct message *m)
{
	const char *name = queue_name(m);
	size_t i;

	for (i = 0; i < NELEM(queues); i++)
		if (strcmp(queues[i].name, name) == 0)
			return queues[i].bit;
	return 0;
}

/* Is there anything to do to it? */
static bool wanted(const struct changing *s, const struct message *m)
{
	if (s->queues_given && (queue_bit(m) & s->queues) == 0)
		return false;
	switch (s->action->change) {
	case QMGR_HOLD:
		return m->queue != QUEUE_HOLD;
	case QMGR_RELEASE:
		return m->queue == QUEUE_HOLD;
	case QMGR_EXPIRE:
		return (m->flags & MSG_FORCE_DEFER_BOUNCE) == 0;
	case QMGR_DELETE:
	case QMGR_REQUEUE:
		break;
	}
	return true;
}

static void slot_done(struct conn *c, struct changing *s, struct slot *slot, const char *result)
{
	if (strcmp(result, "done") == 0) {
		s->count++;
		if (!s->all)
			log_change("one", slot->name, s->action->done, 1);
	}
	if (!s->all)
		answer_attr(c, "%s=%s", slot->name, result);
	store_load_end(&slot->load);
	qmgr_change_end(&slot->op);
	slot->busy = false;
	s->busy--;
}

static void slot_poll(struct conn *c, struct changing *s, struct slot *slot)
{
	if (slot->load.op.active) {
		switch (store_load_poll(&slot->load)) {
		case STORE_WAIT:
			return;
		case STORE_OK:
			if (!wanted(s, slot->load.msg)) {
				slot_done(c, s, slot, "none");
				return;
			}
			store_load_end(&slot->load);
			qmgr_change_start(&slot->op, &c->task, slot->id, s->action->change);
			break;
		case STORE_NONE:
			slot_done(c, s, slot, "missing");
			return;
		default:
			slot_done(c, s, slot, "failed");
			return;
		}
	}
	switch (qmgr_change_poll(&slot->op)) {
	case 0:
		return;
	case 1:
		slot_done(c, s, slot, "done");
		return;
	case -1:
		slot_done(c, s, slot, "missing");
		return;
	default:
		slot_done(c, s, slot, "failed");
	}
}

static struct slot *slot_free(struct changing *s)
{
	size_t i;

	for (i = 0; i < SLOTS && s->busy < SLOTS; i++)
		if (!s->slot[i].busy)
			return &s->slot[i];
	return NULL;
}

static struct slot *slot_take(struct changing *s, queue_id_t id, const char *name)
{
	struct slot *slot = slot_free(s);

	slot->busy = true;
	s->busy++;
	slot->id = id;
	str_copy(slot->name, name, sizeof(slot->name));
	return slot;
}

static void change_poll(struct conn *c)
{
	struct changing *s = c->verb_state;
	size_t i;

	for (i = 0; s != NULL && i < SLOTS && s->busy > 0; i++)
		if (s->slot[i].busy)
			slot_poll(c, s, &s->slot[i]);
}

/* The next of all messages. False: wait, or nothing is left. */
static bool next_of_all(struct conn *c, struct changing *s, const char **why_r)
{
	struct message *m;
	struct slot *slot;

	if (s->list_ended)
		return false;
	if (!s->list.op.active) {
		store_list_start(&s->list, &c->task, s->after, 0, SLICE);
		s->listed = 0;
	}
	switch (store_list_poll(&s->list)) {
	case STORE_WAIT:
		return false;
	case STORE_OK:
		break;
	default:
		*why_r = "the queue cannot be read";
		return false;
	}
	if (s->listed == s->list.n) {
		s->after = s->list.last;
		s->list_ended = s->list.end;
		store_list_end(&s->list);
		return !s->list_ended;
	}
	m = s->list.msg[s->listed++];
	if (wanted(s, m)) {
		slot = slot_take(s, m->id, m->name);
		qmgr_change_start(&slot->op, &c->task, m->id, s->action->change);
		slot_poll(c, s, slot);
	}
	return true;
}

static enum step change_step(struct conn *c)
{
	struct changing *s = c->verb_state;
	const char *why = NULL;

	change_poll(c);
	if (s->all)
		while (slot_free(s) != NULL && next_of_all(c, s, &why))
			continue;
	if (why != NULL)
		return answer_error(c, "%s", why);
	if (s->busy > 0 || (s->all && !s->list_ended))
		return !s->all && !s->input_ended && slot_free(s) != NULL ? STEP_INPUT : STEP_WAIT;
	if (!s->all && !s->input_ended)
		return STEP_INPUT;
	if (s->all)
		log_change("total", s->action->total, NULL, s->count);
	answer_attr(c, "count=%lu", s->count);
	return answer_ok(c);
}

static const char *attribute(struct changing *s, const char *name, const char *value)
{
	size_t i;

	if (strcmp(name, "do") == 0) {
		for (i = 0; i < NELEM(actions); i++)
			if (strcmp(actions[i].name, value) == 0)
				s->action = &actions[i];
		return s->action != NULL ? NULL : "unknown change";
	}
	if (strcmp(name, "queue") == 0) {
		s->queues_given = true;
		for (i = 0; i < NELEM(queues); i++)
			if (strcmp(queues[i].name, value) == 0)
				s->queues |= queues[i].bit;
		return NULL;			/* others exist, and nothing is in them */
	}
	if (strcmp(name, "all") == 0) {
		s->all = true;
		return NULL;
	}
	return "unknown attribute";
}

static bool under_way(const struct changing *s, queue_id_t id)
{
	for (size_t i = 0; i < SLOTS && s->busy > 0; i++)
		if (s->slot[i].busy && s->slot[i].id == id)
			return true;
	return false;
}

static enum step take_id(struct conn *c, struct changing *s, const char *p, size_t n)
{
	char text[256] = "";		/* as much as Postfix takes for an id, though none of ours is as long */
	struct slot *slot;
	queue_id_t id;

	if (n == 0) {
		s->input_ended = true;
		return STEP_WAIT;
	}
	if (n >= sizeof(text))
		return answer_error(c, "too long an id");
	memcpy(text, p, n);
	if (!queue_id_parse(text, &id)) {
		str_printable(text, '?');
		answer_attr(c, "%s=missing", text);
		return STEP_INPUT;
	}
	if (under_way(s, id)) {
		answer_attr(c, "%s=none", text);	/* said twice */
		return STEP_INPUT;
	}
	slot = slot_take(s, id, text);
	store_load_start(&slot->load, &c->task, id, 0, 1, ~0u);
	slot_poll(c, s, slot);
	return slot_free(s) != NULL ? STEP_INPUT : STEP_WAIT;
}

static enum step change_input(struct conn *c, char type, const char *p, size_t n)
{
	struct changing *s = c->verb_state;
	const char *why, *eq;
	char *text;

	if (s == NULL)
		s = c->verb_state = xcalloc(1, sizeof(*s));
	switch (type) {
	case 'A':
		if (n > 256 || memchr(p, '\0', n) != NULL || (eq = memchr(p, '=', n)) == NULL)
			return answer_error(c, "bad attribute");
		text = xstrndup(p, n);
		text[eq - p] = '\0';
		why = attribute(s, text, text + (eq - p) + 1);
		free(text);
		return why == NULL ? STEP_INPUT : answer_error(c, "%s", why);
	case 'R':
		if (s->action == NULL)
			return answer_error(c, "what is to be done?");
		return s->all ? STEP_WAIT : STEP_INPUT;
	case 'D':
		if (s->action == NULL || s->all)
			return answer_error(c, "no ids were expected");
		return take_id(c, s, p, n);
	default:
		return answer_error(c, "an id was expected");
	}
}

static void change_end(struct conn *c)
{
	struct changing *s = c->verb_state;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < SLOTS; i++) {
		store_load_end(&s->slot[i].load);
		qmgr_change_end(&s->slot[i].op);
	}
	store_list_end(&s->list);
	free(s);
}

const struct verb verb_change = { .name = "change", .right = RIGHT_OWNER, .input = change_input, .step = change_step,
	.poll = change_poll, .end = change_end };
