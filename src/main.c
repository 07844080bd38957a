/* main.c - wires the modules into the relay and runs it.
 *
 * Order at start: descriptors and signals, configuration (blocking, before the loop), log, lock, store,
 * then the loop, on which addresses are bound and the queue is picked up. At the end: listeners
 * closed, sessions told 421, deliveries finished within postrider_drain_time_limit, store closed. */
#include "cmd/postrider/postrider.h"
#include "reload.h"
#include "settle.h"
#include <postrider/bounce.h>
#include <postrider/cleanup.h>
#include <postrider/clock.h>
#include <postrider/control.h>
#include <postrider/deliver.h>
#include <postrider/dns.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/parent.h>
#include <postrider/qmgr.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/smtp.h>
#include <postrider/smtpd.h>
#include <postrider/store.h>
#include <postrider/table.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct relay {
	struct task	 task;		/* start, signals, end */
	struct listen_op listen;
	struct reload	*reload;	/* of a SIGHUP, NULL */
	struct timer	 last;		/* draining: when patience ends */
	int		 ready_fd;
	bool		 draining, started;
	int		 status;
} relay;

void relay_classes_register(void)
{
	rewrite_init();
	cleanup_init();
	bounce_init();
	qmgr_init();
	smtp_init();
	deliver_init();
	smtpd_init();
	control_init();
}

static void tell_ready(const char *why_not)
{
	const char *text = why_not != NULL ? why_not : "ok";

	if (relay.ready_fd >= 0) {
		if (file_write_full(relay.ready_fd, text, strlen(text)) < 0)
			log_warn(NULL, "report to postrider start: %s", strerror(errno));
		close(relay.ready_fd);
		relay.ready_fd = -1;
	}
	if (why_not != NULL) {
		parent_refuse(why_not);
	} else {
		notify_manager('R');
		parent_detach();
	}
}

static int refuse(char *why)
{
	log_error(NULL, "%s", why);
	if (relay.ready_fd < 0)
		fprintf(stderr, "postrider: fatal: %s\n", why);
	tell_ready(why);
	free(why);
	return parent_present() ? PARENT_EXIT_FATAL : 1;
}

/* Before the loop runs: nothing else to release. */
static int refuse_at_once(char *why)
{
	int status = refuse(why);

	log_stop();
	return status;
}

static void drain_start(void)
{
	relay.draining = true;
	notify_manager('S');
	service_stop_listening();
	smtpd_drain();
	qmgr_drain(view_ms(generation_view(generation_current()), postrider_drain_time_limit), &relay.task);
	timer_start(&relay.last, &relay.task, view_ms(generation_view(generation_current()), postrider_drain_time_limit));
}

static void relay_stop(void)
{
	if (!relay.started)
		loop_stop();
	else if (!relay.draining)
		drain_start();
	task_wake(&relay.task);
}

static void started(void)
{
	relay.started = true;
	qmgr_start();
	log_info(NULL, "daemon started -- version %s, configuration %s", view_str(generation_view(generation_current()), mail_version),
	    config_dir(generation_config(generation_current())));
	tell_ready(NULL);
}

static void relay_run_task(struct task *t)
{
	if (relay.listen.active && !relay.started) {
		switch (generation_adopt_poll(&relay.listen)) {
		case 1:
			generation_adopt_end(&relay.listen);
			started();
			break;
		case -1:
			relay.status = refuse(xstrdup(relay.listen.why));
			generation_adopt_end(&relay.listen);
			loop_stop();
			return;
		}
	}
	if (loop_signal_take(SIGTERM) || loop_signal_take(SIGINT))
		relay_stop();
	if (loop_signal_take(SIGQUIT))
		loop_stop();
	if (loop_signal_take(SIGHUP) && relay.started && relay.reload == NULL && !relay.draining)
		relay.reload = reload_start(t);
	if (relay.reload != NULL && reload_poll(relay.reload, NULL) != 0)
		reload_end(&relay.reload);	/* the result is in the log */
	if (relay.draining && ((qmgr_idle() && smtpd_sessions() == 0) || timer_expired(&relay.last)))
		loop_stop();
}

static void hook_reload(struct task *t, void **handle)
{
	*handle = reload_start(t);
}

static int hook_reload_poll(void *handle, const char **why)
{
	return reload_poll(handle, why);
}

static void hook_reload_end(void **handle)
{
	struct reload *r = *handle;

	reload_end(&r);
	*handle = NULL;
}

static const struct control_hooks hooks = { relay_stop, hook_reload, hook_reload_poll, hook_reload_end };

static char *lock_queue(const struct view *v)
{
	struct parent_plan plan = { .uid = geteuid(), .gid = getegid() };
	int err;
	pid_t owner;

	if (parent_present())
		return NULL;		/* it holds the lock */
	plan.queue_directory = (char *)(uintptr_t)view_str(v, queue_directory);
	plan.data_directory = (char *)(uintptr_t)view_str(v, data_directory);
	if (make_queue_directories(&plan, &err) < 0)
		return xasprintf("%s: %s", plan.queue_directory, strerror(err));
	return queue_lock(plan.queue_directory, &owner, &err) >= 0 ? NULL : queue_lock_reason(plan.queue_directory, owner, err);
}

/* Everything that can refuse a start before an address is bound. */
static char *open_all(const struct view *v)
{
	struct log_target target = reload_log_target(v);
	struct dns_config dns = reload_dns_config(v);
	struct store_config store;
	char *path, *why;

	if ((why = log_start(&target)) != NULL || (why = lock_queue(v)) != NULL)
		return why;
	dns_init(&dns);
	path = xasprintf("%s/postrider", view_str(v, queue_directory));
	store = reload_store_config(v, path);
	why = store_open(&store);
	free(path);
	if (why != NULL)
		return why;
	control_set_hooks(&hooks);
	path = xasprintf("%s/public/postrider", view_str(v, queue_directory));
	why = control_open(path);
	free(path);
	return why;
}

struct first_load { const struct options *options; struct generation *g; char *why; };

static struct generation *load(const struct options *o, char **why_r)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct generation *g = generation_load(o->config_dir, &o->overrides, &problems);

	*why_r = NULL;
	if (g == NULL)
		*why_r = reload_first_fatal(&problems);
	else
		reload_report(&problems, view_str(generation_view(g), syslog_name));
	problems_release(&problems);
	return g;
}

static void *load_run(void *arg)
{
	struct first_load *f = arg;

	f->g = load(f->options, &f->why);
	return NULL;
}

/* On a thread, as at a reload: what is loaded first is freed by a worker one day, and if it lay in the loop's arena the
 * loop would wait for that arena's lock then. */
static struct generation *load_first(const struct options *o, char **why_r)
{
	struct first_load f = { .options = o };
	unsigned long id;

	if (thread_start("load", load_run, &f, &id))
		pthread_join((pthread_t)id, NULL);
	else
		load_run(&f);
	*why_r = f.why;
	return f.g;
}

static void release_all(void)
{
	smtp_release();
	control_close();
	qmgr_release();
	store_close();
	generation_release_current();
	dns_release();
	table_release();
	loop_release();
	log_stop();
}

int relay_run(const struct options *o, int ready_fd)
{
	static char name[128];
	struct generation *g;
	char *why;

	relay.ready_fd = ready_fd;
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	process_settle();
	if (parent_present()) {
		file_set_opener(parent_open);
		service_set_binder(parent_bind, parent_unbind);
	}
	loop_init();
	if (o->test_clock != NULL && (why = loop_test_clock(o->test_clock)) != NULL)
		return refuse(why);
	table_init();
	relay_classes_register();
	deliver_set_privileged(parent_present());
	reload_init(o->config_dir, &o->overrides);
	if ((g = load_first(o, &why)) == NULL)
		return refuse_at_once(why);
	snprintf(name, sizeof(name), "%s/postrider", view_str(generation_view(g), syslog_name));
	log_program(name);
	if ((why = open_all(generation_view(g))) != NULL)
		return refuse_at_once(why);
	task_init(&relay.task, "relay", relay_run_task);
	loop_signal(SIGTERM, &relay.task);
	loop_signal(SIGINT, &relay.task);
	loop_signal(SIGHUP, &relay.task);
	loop_signal(SIGQUIT, &relay.task);
	generation_adopt_start(&relay.listen, &relay.task, g);
	generation_unref(&g);
	task_wake(&relay.task);
	loop_run();
	release_all();
	return relay.status;
}

int main(int argc, char **argv)
{
	return postrider_main(argc, argv);
}
