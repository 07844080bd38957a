/* reload.c - a reload: load beside the old (a job of the load class), adopt, or keep the old.
 * States: LOADING (job) → ADOPTING (addresses) → LOGGING (job: opening a log file blocks) → DONE. Reloads that are asked for meanwhile wait for their turn, so
 * each of them sees the files as they are after it was asked for. */
#include "reload.h"
#include <postrider/loop.h>
#include <postrider/parent.h>
#include <postrider/service.h>
#include <postrider/table.h>
#include <stdlib.h>

enum { LOAD_LIMIT_MS = 300000 };
enum reload_state { RELOAD_QUEUED, RELOAD_LOADING, RELOAD_ADOPTING, RELOAD_LOGGING, RELOAD_DONE };

struct load_job {
	struct problems	 problems;
	struct generation *generation;	/* NULL: fatal problems */
};
struct reload {
	TAILQ_ENTRY(reload) link;
	struct task	*task;
	enum reload_state state;
	struct job_op	 job;
	struct listen_op listen;
	int		 result;
	char		*why;
};
static TAILQ_HEAD(, reload) queue = TAILQ_HEAD_INITIALIZER(queue);
static const char *dir;
static const struct strs *overrides;

void reload_init(const char *config_dir, const struct strs *o)
{
	dir = config_dir;
	overrides = o;
}

struct log_target reload_log_target(const struct view *v)
{
	const char *file = view_str(v, maillog_file);
	int64_t mode = strtol(view_str(v, maillog_file_permissions), NULL, 8);

	return (struct log_target){ .path = file[0] != '\0' ? file : NULL, .facility = view_str(v, syslog_facility), .host = view_str(v, myhostname),
		.json = view_bool(v, postrider_log_json), .mode = (unsigned)mode };
}

struct dns_config reload_dns_config(const struct view *v)
{
	const char *servers = view_str(v, postrider_dns_servers);

	return (struct dns_config){ .servers = servers[0] != '\0' ? servers : NULL };
}

struct store_config reload_store_config(const struct view *v, const char *store_dir)
{
	return (struct store_config){ .dir = store_dir, .map_bytes = view_long(v, postrider_map_size),
		.min_free = view_long(v, queue_minfree), .memory_limit = view_long(v, postrider_memory_limit),
		.long_ids = view_bool(v, enable_long_queue_ids) };
}

void reload_report(const struct problems *problems, const char *syslog_name)
{
	const struct problem *p;

	(void)syslog_name;
	TAILQ_FOREACH(p, problems, link) {
		if (p->file != NULL)
			log_warn(NULL, "%s, line %d: %s", p->file, p->line, p->text);
		else
			log_warn(NULL, "%s", p->text);
	}
}

char *reload_first_fatal(const struct problems *problems)
{
	const struct problem *p;

	TAILQ_FOREACH(p, problems, link)
		if (p->level == PROBLEM_FATAL)
			return p->file != NULL ? xasprintf("file %s: line %d: %s", p->file, p->line, p->text) : xstrdup(p->text);
	return xstrdup("the configuration cannot be used");
}

static void load_run(void *data)
{
	struct load_job *j = data;

	j->generation = generation_load(dir, overrides, &j->problems);
}

static void load_free(void *data)
{
	struct load_job *j = data;

	generation_unref(&j->generation);
	problems_release(&j->problems);
	free(j);
}

static void begin(struct reload *r)
{
	struct load_job *j = xcalloc(1, sizeof(*j));

	TAILQ_INIT(&j->problems);
	r->state = RELOAD_LOADING;
	notify_manager('L');
	job_start(&r->job, r->task, table_load_class(), load_run, j, load_free, LOAD_LIMIT_MS);
}

struct reload *reload_start(struct task *t)
{
	struct reload *r = xcalloc(1, sizeof(*r));

	r->task = t;
	TAILQ_INSERT_TAIL(&queue, r, link);
	if (TAILQ_FIRST(&queue) == r)
		begin(r);
	task_wake(t);
	return r;
}

static void begin_next(void)
{
	struct reload *next = TAILQ_FIRST(&queue);

	begin(next);
	task_wake(next->task);
}

static void finish(struct reload *r, int result, char *why)
{
	r->state = RELOAD_DONE;
	r->result = result;
	r->why = why;
	if (result > 0)
		log_info(NULL, "reload -- version %s, configuration %s", view_str(generation_view(generation_current()), mail_version), dir);
	else
		log_error(NULL, "reload refused, the configuration stays as it was: %s", why);
	notify_manager('R');
	TAILQ_REMOVE(&queue, r, link);
	if (TAILQ_FIRST(&queue) != NULL)
		begin_next();
}

struct log_job { struct log_target target; char *path, *facility, *host, *why; };

static void log_run(void *data)
{
	struct log_job *j = data;

	j->why = log_retarget(&j->target);
}

static void log_free(void *data)
{
	struct log_job *j = data;

	free(j->path);
	free(j->facility);
	free(j->host);
	free(j->why);
	free(j);
}

/* Limits and targets that live outside the generation. */
static void apply(struct reload *r, const struct view *v)
{
	struct dns_config dns = reload_dns_config(v);
	struct store_config store = reload_store_config(v, NULL);
	struct log_job *j = xcalloc(1, sizeof(*j));

	dns_configure(&dns);
	store_configure(&store);
	j->target = reload_log_target(v);
	j->target.path = j->path = xstrdup(j->target.path);
	j->target.facility = j->facility = xstrdup(j->target.facility);
	j->target.host = j->host = xstrdup(j->target.host);
	r->state = RELOAD_LOGGING;
	job_start(&r->job, r->task, table_load_class(), log_run, j, log_free, LOAD_LIMIT_MS);
}

static void logging(struct reload *r)
{
	enum job_result result = job_poll(&r->job);
	struct log_job *j = r->job.data;

	if (result == JOB_WAIT)
		return;
	if (result == JOB_DONE && j->why != NULL)
		log_error(NULL, "%s", j->why);
	job_end(&r->job);
	finish(r, 1, NULL);
}

static void loaded(struct reload *r)
{
	struct load_job *j;

	switch (job_poll(&r->job)) {
	case JOB_WAIT:
		return;
	case JOB_BUSY:
	case JOB_TIMEOUT:
		finish(r, -1, xstrdup("reading the configuration did not finish in time"));
		break;
	case JOB_DONE:
		j = r->job.data;
		if (j->generation == NULL) {
			finish(r, -1, reload_first_fatal(&j->problems));
			break;
		}
		reload_report(&j->problems, NULL);
		r->state = RELOAD_ADOPTING;
		generation_adopt_start(&r->listen, r->task, j->generation);
		break;
	}
	job_end(&r->job);
}

int reload_poll(struct reload *r, const char **why_r)
{
	if (r->state == RELOAD_LOADING)
		loaded(r);
	if (r->state == RELOAD_ADOPTING) {
		int rc = generation_adopt_poll(&r->listen);

		if (rc > 0)
			apply(r, generation_view(generation_current()));
		else if (rc < 0)
			finish(r, rc, xstrdup(r->listen.why));
		if (rc != 0)
			generation_adopt_end(&r->listen);
	}
	if (r->state == RELOAD_LOGGING)
		logging(r);
	if (why_r != NULL)
		*why_r = r->why;
	return r->state == RELOAD_DONE ? r->result : 0;
}

void reload_end(struct reload **rp)
{
	struct reload *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	if (r->state != RELOAD_DONE) {	/* given up: the next one's turn */
		job_end(&r->job);
		generation_adopt_end(&r->listen);
		TAILQ_REMOVE(&queue, r, link);
		if (r->state != RELOAD_QUEUED && TAILQ_FIRST(&queue) != NULL)
			begin_next();
	}
	free(r->why);
	free(r);
}
