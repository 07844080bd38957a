/* status.c - the short verbs: flush, status, reload, stop, session. */
#include "server.h"
#include <postrider/control.h>
#include <postrider/log.h>
#include <postrider/qmgr.h>
#include <postrider/service.h>
#include <postrider/smtpd.h>
#include <postrider/store.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct control_hooks hooks;

void control_set_hooks(const struct control_hooks *h)
{
	hooks = *h;
}

/* ---- flush -------------------------------------------------------------------------------------- */

/* Only for sites in fast_flush_domains, whose tables may take their time. */
static enum step flush_site(struct conn *c, const char *site)
{
	struct match_op *op = c->verb_state;

	if (op == NULL) {
		c->verb_state = op = xcalloc(1, sizeof(*op));
		match_start(op, &c->task, NULL, qmgr_flush_domains(), site, NULL);
	}
	switch (match_poll(op)) {
	case MATCH_WAIT:
		return STEP_WAIT;
	case MATCH_YES:
		qmgr_flush_site(site);
		return answer_ok(c);
	case MATCH_NO:
		return answer_error(c, "Flush service is not configured for destination \"%s\"", site);
	case MATCH_ERROR:
		break;
	}
	return answer_error(c, "Cannot flush mail queue - mail system is down");	/* Postfix's words for that, too */
}

static enum step flush_step(struct conn *c)
{
	const char *id = conn_attr(c, "id"), *site = conn_attr(c, "site");
	queue_id_t n;

	if (id != NULL && queue_id_parse(id, &n))
		qmgr_flush_id(n);
	if (site != NULL)
		return flush_site(c, site);
	if (id == NULL)
		qmgr_flush_all();
	return answer_ok(c);
}

static void flush_end(struct conn *c)
{
	struct match_op *op = c->verb_state;

	if (op != NULL)
		match_end(op);
	free(op);
}

const struct verb verb_flush = { .name = "flush", .right = RIGHT_FLUSH, .step = flush_step, .end = flush_end };

/* ---- status ------------------------------------------------------------------------------------- */

static void tell(struct conn *c, const char *name, uint64_t n)
{
	answer_attr(c, "%s=%llu", name, (unsigned long long)n);
}

static enum step status_step(struct conn *c)
{
	const struct view *v = generation_view(generation_current());
	struct store_stats store;
	struct qmgr_stats qmgr;
	struct smtpd_stats smtpd;
	struct loop_stats loop;

	store_stats(&store);
	qmgr_stats(&qmgr);
	smtpd_stats(&smtpd);
	loop_stats(&loop);
	answer_attr(c, "pid=%ld", (long)getpid());
	answer_attr(c, "version=%s", view_str(v, mail_version));
	answer_attr(c, "configuration=%s", config_dir(generation_config(generation_current())));
	tell(c, "loop.passes", loop.passes);
	tell(c, "loop.lag_us_p50", loop.lag_us_p50);
	tell(c, "loop.lag_us_p99", loop.lag_us_p99);
	tell(c, "loop.lag_us_max", loop.lag_us_max);
	tell(c, "loop.blocked_switches", loop.blocked_switches);
	tell(c, "loop.blocked_faults", loop.blocked_faults);
	tell(c, "loop.slow_callbacks", loop.slow_callbacks);
	if (loop.last_blocked != NULL)
		answer_attr(c, "loop.last_blocked=%s", loop.last_blocked);
	tell(c, "queue.messages", store.messages);
	tell(c, "queue.active", qmgr.active_messages);
	tell(c, "queue.new", store.active);
	tell(c, "queue.deferred", store.deferred);
	tell(c, "queue.hold", store.hold);
	tell(c, "store.commits", store.commits);
	tell(c, "store.operations", store.committed_ops);
	tell(c, "store.bytes_used", store.bytes_used);
	tell(c, "store.bytes_free", store.bytes_free);
	tell(c, "store.file_system_free", store.fs_free);
	answer_attr(c, "store.full=%s", store.full ? "true" : "false");
	answer_attr(c, "store.failed=%s", store.failed ? "true" : "false");
	tell(c, "memory.content", (uint64_t)content_memory());
	tell(c, "delivery.recipients", qmgr.active_recipients);
	tell(c, "delivery.running", qmgr.running);
	tell(c, "delivery.total", qmgr.deliveries);
	tell(c, "delivery.delivered", qmgr.delivered);
	tell(c, "delivery.deferred", qmgr.deferred);
	tell(c, "delivery.bounced", qmgr.bounced);
	tell(c, "smtpd.sessions", smtpd_sessions());
	tell(c, "smtpd.connections", smtpd.connections);
	tell(c, "smtpd.messages", smtpd.messages);
	tell(c, "smtpd.rejects", smtpd.rejects);
	tell(c, "log.lost", log_lost());
	return answer_ok(c);
}

const struct verb verb_status = { .name = "status", .right = RIGHT_MAILQ, .step = status_step };

/* ---- reload, stop --------------------------------------------------------------------------------- */

static enum step reload_step(struct conn *c)
{
	const char *why = NULL;

	if (hooks.reload == NULL)
		return answer_error(c, "reload is not possible now");
	if (c->verb_state == NULL)
		hooks.reload(&c->task, &c->verb_state);
	switch (hooks.reload_poll(c->verb_state, &why)) {
	case 0:
		return STEP_WAIT;
	case 1:
		return answer_ok(c);
	default:
		return answer_error(c, "%s", why != NULL ? why : "reload refused");
	}
}

static void reload_end(struct conn *c)
{
	if (c->verb_state != NULL)
		hooks.reload_end(&c->verb_state);
}

const struct verb verb_reload = { .name = "reload", .right = RIGHT_OWNER, .step = reload_step, .end = reload_end };

static enum step stop_step(struct conn *c)
{
	if (hooks.stop == NULL)
		return answer_error(c, "stop is not possible now");
	hooks.stop();
	return answer_ok(c);
}

const struct verb verb_stop = { .name = "stop", .right = RIGHT_OWNER, .step = stop_step };

/* ---- session: sendmail -bs ------------------------------------------------------------------------- */

static enum step session_step(struct conn *c)
{
	struct service *service = service_find(generation_current(), "smtpd");
	int fd;

	if (service == NULL)
		return answer_error(c, "there is no smtpd service");
	if (c->verb_state == NULL) {
		answer_ok(c);
		c->verb_state = service;	/* said */
	}
	if (stream_flush(c->stream) == STREAM_WAIT)
		return STEP_WAIT;
	if ((fd = fcntl(stream_fd(c->stream), F_DUPFD_CLOEXEC, 3)) < 0)
		return answer_error(c, "out of file descriptors");
	stream_free(&c->stream);
	smtpd_stdio_session(service, fd, c->uid);
	return STEP_DONE;
}

const struct verb verb_session = { .name = "session", .right = RIGHT_SUBMIT, .step = session_step };
