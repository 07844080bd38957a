/* conf.c - the scheduler's own parameters as of the current generation. Those of a transport are in transport.c. */
#include "qmgr_int.h"
#include <stdlib.h>

static void *compile(struct generation *g, struct problems *problems)
{
	const struct view *v = generation_view(g);
	struct qmgr_conf *c = xcalloc(1, sizeof(*c));
	char *local;

	c->active_limit = (unsigned)MAX(1, view_int(v, qmgr_message_active_limit));
	c->rcpt_limit = (unsigned)MAX(1, view_int(v, qmgr_message_recipient_limit));
	c->rcpt_minimum = (unsigned)MAX(1, view_int(v, qmgr_message_recipient_minimum));
	c->min_backoff_ms = MAX(1, view_ms(v, minimal_backoff_time));
	c->max_backoff_ms = MAX(c->min_backoff_ms, view_ms(v, maximal_backoff_time));
	c->lifetime_s = view_secs(v, maximal_queue_lifetime);
	c->bounce_lifetime_s = view_secs(v, bounce_queue_lifetime);
	c->bounce_lifetime_cut = c->bounce_lifetime_s > c->lifetime_s;
	if (c->bounce_lifetime_cut)
		c->bounce_lifetime_s = c->lifetime_s;
	c->queue_run_ms = view_ms(v, queue_run_delay);
	c->delay_warning_s = view_secs(v, delay_warning_time);
	c->confirm_delay_cleared = view_bool(v, confirm_delay_cleared);
	c->delay_digits = view_int(v, delay_logging_resolution_limit);
	strs_split(&c->defer_transports, view_str(v, defer_transports), ", \t\r\n");
	c->log_name = xasprintf("%s/qmgr", view_str(v, syslog_name));
	c->error_log_name = xasprintf("%s/error", view_str(v, syslog_name));
	c->double_bounce = xstrdup(view_str(v, double_bounce_sender));
	if ((local = strchr(c->double_bounce, '@')) != NULL)
		*local = '\0';
	c->extensions = rewrite_extensions(v);
	c->flush_domains = match_list_new(
	    generation_tables(g), MATCH_DOMAIN, "fast_flush_domains", view_str(v, fast_flush_domains),
	    match_parent_style(view_str(v, parent_domain_matches_subdomains), "fast_flush_domains"), problems);
	return c;
}

static void leave(void *state)
{
	if (state == qmgr.conf)
		qmgr.conf = NULL;
}

static void release(void *state)
{
	struct qmgr_conf *c = state;

	strs_release(&c->defer_transports);
	free(c->log_name);
	free(c->error_log_name);
	free(c->double_bounce);
	free(c);
}

static void adopt(void *state)
{
	struct transport *t;

	qmgr.conf = state;
	qmgr.epoch++;
	qmgr.log.name = qmgr.conf->log_name;
	/* Services of the old generation are not to be looked at again. */
	LIST_FOREACH(t, &qmgr.transports, link)
		transport_refresh(t);
	if (qmgr.conf->bounce_lifetime_cut)
		log_warn(&qmgr.log, "bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting"
		    " bounce_queue_lifetime");
	if (qmgr.started)
		task_wake(&qmgr.task);
}

void conf_hook(void)
{
	static struct generation_hook hook = { .name = "qmgr", .compile = compile, .leave = leave, .release = release,
		.adopt = adopt };

	generation_hook_register(&hook);
}
