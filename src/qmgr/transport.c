/* transport.c - delivery services by name, with the parameters that bear their name (NAME_destination_...).
 * A transport outlives reloads: its parameters and service are taken anew from the current generation when
 * they are next looked at. There are as many as names occur in configuration and tables. */
#include "qmgr_int.h"
#include <stdlib.h>

static struct feedback feedback_get(const struct view *v, const char *name, const char *suffix)
{
	const char *def = strcmp(suffix, "_destination_concurrency_positive_feedback") == 0 ?
	    view_str(v, default_destination_concurrency_positive_feedback) :
	    view_str(v, default_destination_concurrency_negative_feedback);
	char *param = xasprintf("%s%s", name, suffix);
	const char *own = view_lookup(v, param);
	struct feedback f;
	bool bad;

	f = feedback_parse(own != NULL ? own : def, &bad);
	if (bad)
		log_warn(&qmgr.log, "%s: ignoring malformed or unreasonable feedback: %s", param,
			 own != NULL ? own : def);
	free(param);
	return f;
}

static unsigned limit_get(const struct view *v, const char *name, const char *suffix)
{
	int n = view_transport_int(v, name, suffix);

	return n > 0 ? (unsigned)n : 0;
}

void transport_refresh(struct transport *t)
{
	struct generation *g = generation_current();
	const struct view *v = generation_view(g);

	if (t->epoch == qmgr.epoch || t == qmgr.pseudo)
		return;
	t->epoch = qmgr.epoch;
	t->service = service_transport(g, t->name);
	t->agent = t->service != NULL ? agent_find(t->service->entry->command) : NULL;
	t->limit = t->service != NULL ? t->service->limit : 0;
	t->rcpt_limit = limit_get(v, t->name, "destination_recipient_limit");
	t->rules.initial = limit_get(v, t->name, "initial_destination_concurrency");
	t->rules.limit = limit_get(v, t->name, "destination_concurrency_limit");
	t->rules.cohort_limit = limit_get(v, t->name, "destination_concurrency_failed_cohort_limit");
	t->rules.positive = feedback_get(v, t->name, "_destination_concurrency_positive_feedback");
	t->rules.negative = feedback_get(v, t->name, "_destination_concurrency_negative_feedback");
	t->rate_delay_ms = (int64_t)view_transport_secs(v, t->name, "destination_rate_delay") * 1000;
	t->transport_delay_ms = (int64_t)view_transport_secs(v, t->name, "transport_rate_delay") * 1000;
	if (t->rate_delay_ms > 0)
		t->rules.limit = 1;
	if (t->transport_delay_ms > 0)
		t->limit = 1;
	if (t->rules.limit != 0 && t->rules.initial > t->rules.limit)
		t->rules.initial = t->rules.limit;
	if (t->rules.initial == 0)
		t->rules.initial = 1;
}

static struct transport *transport_new(const char *name)
{
	struct transport *t = xcalloc(1, sizeof(*t));

	t->name = xstrdup(name);
	TAILQ_INIT(&t->fresh);
	TAILQ_INIT(&t->retry);
	TAILQ_INIT(&t->paused);
	return t;
}

struct transport *transport_get(const char *name)
{
	struct transport *t = qmgr.last_transport;

	if (t == NULL || strcmp(t->name, name) != 0) {
		LIST_FOREACH(t, &qmgr.transports, link)
			if (strcmp(t->name, name) == 0)
				break;
		if (t == NULL) {
			t = transport_new(name);
			LIST_INSERT_HEAD(&qmgr.transports, t, link);
		}
		qmgr.last_transport = t;
	}
	transport_refresh(t);
	return t;
}

/* What is not a destination at all but a reason to wait: a site of a transport that never delivers. */
struct site *site_pseudo(const char *dsn, const char *reason)
{
	struct site *s;

	if (qmgr.pseudo == NULL) {
		qmgr.pseudo = transport_new("");
		qmgr.pseudo->rules.initial = 1;
	}
	s = site_get(qmgr.pseudo, reason, reason);
	s->pseudo = true;
	if (s->state != SITE_DEAD) {
		s->state = SITE_DEAD;
		str_copy(s->dsn, dsn, sizeof(s->dsn));
		s->reason = xstrdup(reason);
		s->until_ms = INT64_MAX;
	}
	return s;
}
