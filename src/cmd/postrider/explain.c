/* explain.c - postrider explain: what becomes of mail to an address, step by step.
 *
 * Nothing is worked out here. The configuration is loaded as the server loads it, and the operations of the server's own
 * modules run one after the other: access judges the recipient as smtpd would, cleanup takes an envelope with it (and
 * throws it away at the end: CLEANUP_DISCARD), rewrite resolves every recipient that comes out as the scheduler would,
 * and names addresses as the service that delivers would. What they look up and decide on the way they report to the
 * listener (trace.h), which prints it. Works the same with the server up or down, and sends nothing.
 *
 *	GIVEN -> KNOWN (RCPT TO) -> SENDER -> EXPAND -> each recipient: RESOLVE -> LISTED -> OUT_SENDER -> OUT_RCPT -> END */
#include "explain.h"
#include "postrider.h"
#include <postrider/access.h>
#include <postrider/address.h>
#include <postrider/cleanup.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/smtp.h>
#include <postrider/smtpd.h>
#include <postrider/store.h>
#include <postrider/table.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum step { E_KNOWN_SENDER, E_KNOWN, E_SENDER, E_EXPAND, E_RESOLVE, E_LISTED, E_OUT_SENDER, E_OUT_RCPT, E_NEXT, E_END };

struct explain {
	struct trace_listener listener;
	struct task	 task;
	struct report	 report;
	struct generation *generation;
	struct service	*smtpd;		/* whose rules apply; NULL: none */
	const struct view *view;
	struct log_ctx	 log;
	struct buf	 address, sender;	/* internal form */
	bool		 with_sender;

	enum step	 step;
	bool		 busy;		/* the step's operation runs */
	enum explain_status status;
	struct buf	 why;
	struct access_facts facts;
	struct access_memory memory;
	struct access_op access;
	struct cleanup	*cleanup;
	uint32_t	 rcpt;		/* of the message, being followed */
	struct resolve_op resolve;
	struct generic_op generic;
};

static void heard(struct trace_listener *l, const struct trace_event *e)
{
	report_event(&CONTAINER_OF(l, struct explain, listener)->report, e);
}

/* The worst of all recipients counts, and the first reason for it. */
static void verdict(struct explain *x, enum explain_status status, const char *why)
{
	if (status <= x->status)
		return;
	x->status = status;
	buf_reset(&x->why);
	buf_adds(&x->why, why);
}

static void enter(struct explain *x, enum step step)
{
	x->step = step;
	x->busy = false;
}

static const char *or_null(const char *addr)
{
	return *addr != '\0' ? addr : "<>";
}

/* ---- RCPT TO: is there such a user? ------------------------------------------------------------- */
/* Of the sender, of the recipient as it was given, or of one that came out of the aliases. */
static bool known_step(struct explain *x, const char *addr, enum step next)
{
	struct smtpd_plan plan;
	bool sender = x->step == E_KNOWN_SENDER;

	if (!x->busy) {
		if (x->smtpd == NULL || *addr == '\0' || (sender && !view_bool(x->view, smtpd_reject_unlisted_sender))) {
			enter(x, next);
			return true;
		}
		smtpd_plan(x->smtpd, &plan);
		report_section(&x->report, sender ? "known sender" : "known recipient", addr);
		x->memory = (struct access_memory){ 0 };
		x->facts = (struct access_facts){ .service = x->smtpd, .view = x->view, .log = &x->log, .client = "unknown[unknown]",
			.client_name = "unknown", .client_rev_name = "unknown", .client_addr = "unknown", .command = "RCPT",
			.sender = sender ? addr : buf_str(&x->sender), .recipient = sender ? NULL : addr,
			.allow_unlisted = plan.allow_unlisted };
		access_listed_start(&x->access, &x->task, plan.access, &x->facts, &x->memory, sender);
		x->busy = true;
	}
	switch (access_poll(&x->access)) {
	case ACCESS_WAIT:
		return false;
	case ACCESS_REJECT:
		report_fact(&x->report, "refused", x->access.reply);
		verdict(x, x->access.reply[0] == '5' ? EXPLAIN_UNDELIVERABLE : EXPLAIN_UNSURE, x->access.reply);
		break;
	default:
		report_fact(&x->report, "known", x->facts.allow_unlisted ? "not asked" : "yes, or not listed at all");
		break;
	}
	access_end(&x->access);
	access_memory_release(&x->memory);
	enter(x, next);
	return true;
}

/* ---- cleanup: standard form, maps, copies ----------------------------------------------------------- */
static void open_cleanup(struct explain *x)
{
	unsigned flags = CLEANUP_LOCAL_CONTEXT | CLEANUP_DISCARD | CLEANUP_EXPLAIN;
	struct smtpd_plan plan;

	if (x->smtpd != NULL) {
		smtpd_plan(x->smtpd, &plan);
		flags |= plan.cleanup_flags;
	}
	x->cleanup = cleanup_open(&x->task, x->smtpd, x->generation, flags);
	report_section(&x->report, "sender", or_null(buf_str(&x->sender)));
	cleanup_sender(x->cleanup, buf_str(&x->sender));
	x->busy = true;
}

static bool sender_step(struct explain *x)
{
	if (!x->busy)
		open_cleanup(x);
	if (cleanup_poll(x->cleanup) == CLEANUP_WAIT || cleanup_message(x->cleanup)->sender == NULL)
		return false;
	report_fact(&x->report, "becomes", or_null(cleanup_message(x->cleanup)->sender));
	enter(x, E_EXPAND);
	return true;
}

static bool expand_step(struct explain *x)
{
	const struct cleanup_error *e;
	const struct message *m = cleanup_message(x->cleanup);
	struct buf text = { 0 };

	if (!x->busy) {
		report_section(&x->report, "recipient", buf_str(&x->address));
		cleanup_rcpt(x->cleanup, buf_str(&x->address), NULL, 0);
		cleanup_finish(x->cleanup);
		x->busy = true;
	}
	if (cleanup_poll(x->cleanup) == CLEANUP_WAIT)
		return false;
	enter(x, E_RESOLVE);
	if ((e = cleanup_error(x->cleanup)) != NULL) {
		buf_addf(&text, "%d %s %s", e->code, e->dsn, e->text);
		report_fact(&x->report, "refused", buf_str(&text));
		verdict(x, e->code / 100 == 5 ? EXPLAIN_UNDELIVERABLE : EXPLAIN_UNSURE, buf_str(&text));
		buf_release(&text);
		enter(x, E_END);
		return true;
	}
	for (uint32_t i = 0; i < m->nrcpt; i++) {
		buf_addf(&text, "%s%s", i > 0 ? ", " : "", m->rcpt[i].addr);
	}
	report_fact(&x->report, "becomes", buf_str(&text));
	buf_release(&text);
	return true;
}

/* ---- one recipient ------------------------------------------------------------------------------------ */
static const struct rcpt *current(const struct explain *x)
{
	return &cleanup_message(x->cleanup)->rcpt[x->rcpt];
}

static const char *class_name(unsigned class_)
{
	return class_ & CLASS_LOCAL ? "local" : class_ & CLASS_ALIAS ? "virtual alias" :
	    class_ & CLASS_VIRTUAL ? "virtual mailbox" : class_ & CLASS_RELAY ? "relay" : "default";
}

static bool is_deferred(const struct explain *x, const char *transport)
{
	struct strs names = { 0 };
	bool found = false;

	strs_split(&names, view_str(generation_view(x->generation), defer_transports), ", \t\r\n");
	for (size_t i = 0; i < names.n; i++)
		found |= strcmp(names.v[i], transport) == 0;
	strs_release(&names);
	return found;
}

/* What the scheduler makes of transport and next hop. */
static void judge_transport(struct explain *x, const char *transport, const char *nexthop)
{
	struct buf text = { 0 };

	report_fact(&x->report, "transport", transport);
	report_fact(&x->report, "nexthop", nexthop);
	if (strcmp(transport, "error") == 0) {
		verdict(x, EXPLAIN_UNDELIVERABLE, nexthop);
	} else if (strcmp(transport, "retry") == 0) {
		verdict(x, EXPLAIN_UNSURE, nexthop);
	} else if (is_deferred(x, transport)) {
		report_fact(&x->report, "deferred", "by defer_transports");
		verdict(x, EXPLAIN_UNSURE, "deferred transport");
	} else if (service_transport(x->generation, transport) == NULL) {
		buf_addf(&text, "no service %s in master.cf", transport);
		report_fact(&x->report, "deferred", buf_str(&text));
		verdict(x, EXPLAIN_UNSURE, buf_str(&text));
	}
	buf_release(&text);
}

static bool resolve_step(struct explain *x)
{
	const struct message *m = cleanup_message(x->cleanup);
	const struct rcpt *r = current(x);
	const char *filter = x->smtpd != NULL ? view_str(x->view, content_filter) : "";

	if (!x->busy) {
		report_section(&x->report, "route", r->addr);
		if (*filter != '\0') {
			struct buf transport = { 0 }, nexthop = { 0 };

			report_fact(&x->report, "filter", filter);
			resolve_filter(filter, r->addr, &transport, &nexthop);
			judge_transport(x, buf_str(&transport), buf_str(&nexthop));
			buf_release(&transport);
			buf_release(&nexthop);
			report_section(&x->report, "route behind the filter", r->addr);
		}
		resolve_start(&x->resolve, &x->task, x->generation, m->sender, r->addr);
		x->busy = true;
	}
	if (resolve_poll(&x->resolve) == REWRITE_WAIT)
		return false;
	if (strcmp(buf_str(&x->resolve.recipient), r->addr) != 0)
		report_fact(&x->report, "recipient", buf_str(&x->resolve.recipient));
	report_fact(&x->report, "class", class_name(x->resolve.class_));
	judge_transport(x, buf_str(&x->resolve.transport), buf_str(&x->resolve.nexthop));
	enter(x, E_LISTED);
	return true;
}

/* An address that came out of the aliases was not asked about yet. Only classes with a table of users have something to
 * say, and error and retry have said enough. */
static bool listed_step(struct explain *x)
{
	const char *transport = buf_str(&x->resolve.transport), *addr = current(x)->addr;
	bool listed = (x->resolve.class_ & (CLASS_LOCAL | CLASS_VIRTUAL | CLASS_RELAY)) != 0;
	struct buf given = { 0 };

	if (x->busy)
		return known_step(x, addr, E_OUT_SENDER);
	rewrite_address(x->generation, REWRITE_LOCAL, buf_str(&x->address), &given);
	if (!listed || strcmp(transport, "error") == 0 || strcmp(transport, "retry") == 0 ||
	    strcmp(addr, buf_str(&given)) == 0) {
		buf_release(&given);
		enter(x, E_OUT_SENDER);
		return true;
	}
	buf_release(&given);
	return known_step(x, addr, E_OUT_SENDER);
}

/* Sender, then recipient, as the service at the end names them. */
static bool out_step(struct explain *x)
{
	const struct service *s = service_transport(x->generation, buf_str(&x->resolve.transport));
	bool client = s != NULL && s->class_ != NULL &&
	    (strcmp(s->class_->command, "smtp") == 0 || strcmp(s->class_->command, "lmtp") == 0);
	const struct generic *g = client ? smtp_generic(s) : NULL;
	bool sender = x->step == E_OUT_SENDER;
	const char *addr = sender ? cleanup_message(x->cleanup)->sender : buf_str(&x->resolve.recipient);
	enum rewrite_result r;

	if (g == NULL || generic_empty(g)) {
		enter(x, E_NEXT);
		return true;
	}
	if (!x->busy) {
		report_section(&x->report, sender ? "sender goes out" : "recipient goes out", or_null(addr));
		generic_start(&x->generic, &x->task, g, &x->log, addr);
		x->busy = true;
	}
	r = generic_poll(&x->generic);
	if (r == REWRITE_WAIT)
		return false;
	if (r == REWRITE_ERROR) {
		report_fact(&x->report, "deferred", buf_str(&x->generic.why));
		verdict(x, EXPLAIN_UNSURE, buf_str(&x->generic.why));
	} else {
		report_fact(&x->report, "becomes", or_null(buf_str(&x->generic.addr)));
	}
	generic_end(&x->generic);
	enter(x, sender ? E_OUT_RCPT : E_NEXT);
	return true;
}

/* ---- the machine ---------------------------------------------------------------------------------------- */
static bool step(struct explain *x)
{
	switch (x->step) {
	case E_KNOWN_SENDER:
		return known_step(x, buf_str(&x->sender), E_KNOWN);
	case E_KNOWN:
		return known_step(x, buf_str(&x->address), E_SENDER);
	case E_SENDER:
		return sender_step(x);
	case E_EXPAND:
		return expand_step(x);
	case E_RESOLVE:
		return resolve_step(x);
	case E_LISTED:
		return listed_step(x);
	case E_OUT_SENDER:
	case E_OUT_RCPT:
		return out_step(x);
	case E_NEXT:
		resolve_end(&x->resolve);
		enter(x, ++x->rcpt < cleanup_message(x->cleanup)->nrcpt ? E_RESOLVE : E_END);
		return true;
	case E_END:
		loop_stop();
		return false;
	}
	return false;
}

static void run(struct task *t)
{
	struct explain *x = CONTAINER_OF(t, struct explain, task);

	while (step(x))
		;
}

/* ---- arguments ------------------------------------------------------------------------------------------- */
static int usage(void)
{
	fprintf(stderr, "usage: postrider [-c config_dir] [-o name=value] explain address [--sender address] [--service name] "
	    "[--json]\n");
	return 2;
}

/* As a command of SMTP would have it: with or without brackets, quoted where it must be. False: no address. */
static bool read_address(struct buf *out, const char *text, bool allow_empty)
{
	const char *rest;
	bool good = address_from_path(out, text, false, allow_empty, &rest) == PATH_OK && *rest == '\0';

	if (!good)
		fprintf(stderr, "postrider: explain: %s: bad address syntax\n", text);
	return good;
}

static bool read_arguments(struct explain *x, const struct options *o, const char **service_r)
{
	static const struct option longs[] = { { "sender", required_argument, NULL, 's' },
		{ "service", required_argument, NULL, 'S' }, { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };
	char **argv = xcalloc((size_t)o->argc + 2, sizeof(*argv));
	bool good = true;
	int c;

	argv[0] = (char *)(uintptr_t)"postrider";
	memcpy(argv + 1, o->argv, (size_t)o->argc * sizeof(*argv));
	optind = 0;		/* getopt starts anew, and options may follow the address */
	while (good && (c = getopt_long(o->argc + 1, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			good = x->with_sender = read_address(&x->sender, optarg, true);
		else if (c == 'S')
			*service_r = optarg;
		else if (c == 'j')
			x->report.json = true;
		else
			good = usage() == 0;
	}
	if (good && optind != o->argc)
		good = usage() == 0;
	good = good && read_address(&x->address, argv[optind], false);
	free(argv);
	return good;
}

int command_explain(const struct options *o)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct explain x = { .listener = { heard }, .report = { .json = o->json } };
	const char *service = NULL;

	if (!read_arguments(&x, o, &service))
		return EXPLAIN_UNSURE;
	log_set_info(false);
	loop_init();
	table_init();
	relay_classes_register();
	x.generation = generation_load(o->config_dir, &o->overrides, &problems);
	print_problems(&problems, x.generation != NULL ? PROBLEM_ERROR : PROBLEM_FATAL);
	problems_release(&problems);
	if (x.generation == NULL)
		return EXPLAIN_UNSURE;
	x.smtpd = service != NULL ? service_listener(x.generation, service) : service_find(x.generation, "smtpd");
	if (x.smtpd != NULL && (x.smtpd->class_ == NULL || strcmp(x.smtpd->class_->command, "smtpd") != 0))
		x.smtpd = NULL;
	if (x.smtpd == NULL && service != NULL) {
		fprintf(stderr, "postrider: explain: no smtpd service %s in master.cf\n", service);
		return EXPLAIN_UNSURE;
	}
	x.view = x.smtpd != NULL ? x.smtpd->view : generation_view(x.generation);
	x.log.name = "postrider";
	task_init(&x.task, "explain", run);
	trace_listen(&x.listener);
	task_wake(&x.task);
	loop_run();
	trace_listen(NULL);
	report_end(&x.report, x.status, x.why.len > 0 ? x.why.p : NULL);
	cleanup_free(&x.cleanup);
	task_unlink(&x.task);
	generation_unref(&x.generation);
	table_release();
	loop_release();
	buf_release(&x.address);
	buf_release(&x.sender);
	buf_release(&x.why);
	return (int)x.status;
}
