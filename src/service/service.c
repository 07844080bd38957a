/* service.c - generations: a configuration and what was compiled from it.
 *
 * A generation is built by one thread (before the loop, or in a job of the load class), then handed
 * to the loop and never changed again but for its counters. Sessions and deliveries hold their
 * service, a service reference holds the generation; so after a reload the old generation
 * lives exactly as long as what began under it, and its last reference is dropped on the loop.
 * Classes and hooks are registered once at start; the arrays below never change while running.
 *
 * Not here: addresses and sockets (listen.c). */
#include "service.h"
#include <postrider/table.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { FD_RESERVE = 256 };	/* descriptors kept for deliveries, tables, the store */

static const struct service_class *classes[CLASSES_MAX];
static size_t nclasses;
static struct generation_hook *hooks[HOOKS_MAX];
static int nhooks;
static struct generation *current;

/* Lines of master.cf that name a part of Postfix which is a part of this process. */
static const char *const inner_commands[] = {
	"pickup", "cleanup", "qmgr", "nqmgr", "oqmgr", "tlsmgr", "trivial-rewrite", "bounce", "verify", "flush", "proxymap",
	"showq", "anvil", "scache", "postlogd", "tlsproxy", "dnsblog", "qmqpd", "postscreen", "spawn", "sh",
};

void service_class_register(const struct service_class *c)
{
	ASSERT(nclasses < CLASSES_MAX);
	classes[nclasses++] = c;
}

void generation_hook_register(struct generation_hook *h)
{
	ASSERT(nhooks < HOOKS_MAX);
	for (int i = 0; i < nhooks; i++)
		ASSERT(hooks[i] != h);
	h->slot = nhooks;
	hooks[nhooks++] = h;
}

static const struct service_class *class_find(const char *command)
{
	for (size_t i = 0; i < nclasses; i++)
		if (strcmp(classes[i]->command, command) == 0)
			return classes[i];
	return NULL;
}

static bool command_known(const char *command)
{
	for (size_t i = 0; i < NELEM(inner_commands); i++)
		if (strcmp(inner_commands[i], command) == 0)
			return true;
	return false;
}

/* "postfix/smtpd", as Postfix makes it: syslog_name and the program's name; a syslog_name that the
 * service overrides stands before the program all the same ("postfix/submission/smtpd"). */
static char *make_log_name(const struct view *v, const char *command)
{
	return xasprintf("%s/%s", view_str(v, syslog_name), command);
}

/* DESIGN §5: only a limit that somebody wrote bounds inbound sessions; deliveries always have one. */
static unsigned make_limit(const struct service *s)
{
	int n = s->entry->maxproc_n;

	if (n >= 0)
		return (unsigned)n;
	if (s->class_ != NULL && s->class_->takes_connections && !config_is_set(s->view->config, "default_process_limit"))
		return 0;
	return (unsigned)view_int(s->view, default_process_limit);
}

static void service_fill(struct service *s, struct generation *g, size_t i)
{
	const struct master_entry *e = config_master(g->config, i);

	s->generation = g;
	s->entry = e;
	s->view = config_entry_view(g->config, i, false);
	s->view_stress = config_entry_view(g->config, i, true);
	s->class_ = class_find(e->command);
	s->log_name = make_log_name(s->view, e->command);
	s->limit = make_limit(s);
}

static struct maps *status_filter(const struct service *s, struct problems *problems)
{
	static const char *const agents[] = { "smtp", "lmtp", "local", "pipe", "virtual" };
	const struct view *v = s->view;
	const char *const text[] = {
		view_str(v, smtp_delivery_status_filter), view_str(v, lmtp_delivery_status_filter),
		view_str(v, local_delivery_status_filter), view_str(v, pipe_delivery_status_filter),
		view_str(v, virtual_delivery_status_filter),
	};

	for (size_t i = 0; i < NELEM(agents); i++)
		if (s->entry->type != MASTER_INET && strcmp(s->entry->command, agents[i]) == 0 && *text[i] != '\0') {
			char *title = xasprintf("%s_delivery_status_filter", agents[i]);
			struct maps *maps = maps_new(s->generation->tables, title, text[i], 0, problems);

			free(title);
			return maps;
		}
	return NULL;
}

static void service_compile(struct service *s, struct problems *problems)
{
	const struct master_entry *e = s->entry;

	if (s->class_ == NULL && !command_known(e->command))
		problem_add(problems, PROBLEM_ERROR, e->file, e->line, "service %s: unknown command: %s", e->name, e->command);
	else if (s->class_ == NULL && e->type == MASTER_INET)
		problem_add(problems, PROBLEM_ERROR, e->file, e->line, "service %s: %s is not available here, its address is not served",
		    e->name, e->command);
	else if (s->class_ != NULL && s->class_->takes_connections && e->type != MASTER_INET &&
	    e->type != MASTER_PASS)	/* that one gets its connections from postscreen */
		problem_add(problems, PROBLEM_ERROR, e->file, e->line, "service %s: %s takes connections from the network only, its "
		    "local socket is not served", e->name, e->command);
	if (s->class_ != NULL && s->class_->compile != NULL)
		s->state = s->class_->compile(s, problems);
	s->status_filter = status_filter(s, problems);
}

static void services_fill(struct generation *g)
{
	g->nservice = config_master_count(g->config);
	g->service = xcalloc(g->nservice + 1, sizeof(*g->service));
	for (size_t i = 0; i < g->nservice; i++)
		service_fill(&g->service[i], g, i);
}

/* At load: start has raised the descriptor limit by then. */
static unsigned session_limit(const struct view *v)
{
	unsigned n = (unsigned)view_int(v, postrider_session_limit);
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY)
		n = MIN(n, (unsigned)(rl.rlim_cur > 2 * FD_RESERVE ? MIN(rl.rlim_cur - FD_RESERVE, 1000000) : rl.rlim_cur / 2));
	return n;
}

static bool hopeless(const struct problems *problems)
{
	bool any;

	return problems_worst(problems, &any) == PROBLEM_FATAL && any;
}

static void compile_all(struct generation *g, struct problems *problems)
{
	g->session_limit = session_limit(config_view(g->config));
	g->tables = tables_new(config_view(g->config));
	for (int i = 0; i < nhooks; i++)
		if (hooks[i]->compile != NULL)
			g->state[hooks[i]->slot] = hooks[i]->compile(g, problems);
	services_fill(g);
	for (size_t i = 0; i < g->nservice; i++)
		service_compile(&g->service[i], problems);
	listen_plan(g, problems);
	config_place(g->config, problems);
}

struct generation *generation_load(const char *dir, const struct strs *overrides, struct problems *problems)
{
	struct generation *g = xcalloc(1, sizeof(*g));

	g->refs = 1;
	g->config = config_load(dir, overrides, problems);
	if (!hopeless(problems))
		compile_all(g, problems);
	if (hopeless(problems))
		generation_unref(&g);
	return g;
}

struct generation *generation_check(const char *dir, const struct strs *overrides, struct problems *problems)
{
	struct generation *g = xcalloc(1, sizeof(*g));

	g->refs = 1;
	g->config = config_load(dir, overrides, problems);
	compile_all(g, problems);
	return g;
}

static void generation_free(void *p)
{
	struct generation *g = p;

	for (size_t i = 0; i < g->nservice; i++) {
		struct service *s = &g->service[i];

		if (s->class_ != NULL && s->class_->release != NULL && s->state != NULL)
			s->class_->release(s->state);
		free(s->log_name);
	}
	for (int i = 0; i < nhooks; i++)
		if (hooks[i]->release != NULL && g->state[hooks[i]->slot] != NULL)
			hooks[i]->release(g->state[hooks[i]->slot]);
	free(g->service);
	free(g->listen);
	config_unref(&g->config);
	free(g);
}

static void generation_end(struct generation *g)
{
	struct tables *tables = g->tables;

	for (size_t i = 0; i < g->nservice; i++) {
		const struct service_class *class = g->service[i].class_;

		if (class != NULL && class->leave != NULL && g->service[i].state != NULL)
			class->leave(g->service[i].state);
	}
	for (int i = 0; i < nhooks; i++)
		if (hooks[i]->leave != NULL && g->state[hooks[i]->slot] != NULL)
			hooks[i]->leave(g->state[hooks[i]->slot]);
	dispose(generation_free, g);
	if (tables != NULL)
		tables_unref(&tables);		/* disposed of behind what uses them */
}

void service_listen_plan(const struct config *c, struct strs *out, struct problems *problems)
{
	struct generation *g = xcalloc(1, sizeof(*g));

	g->config = config_ref(c);
	services_fill(g);
	listen_plan(g, problems);
	for (size_t i = 0; i < g->nlisten; i++)
		strs_add(out, g->listen[i].text);
	generation_end(g);
}

struct generation *generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void generation_unref(struct generation **gp)
{
	struct generation *g = *gp;

	*gp = NULL;
	if (g == NULL)
		return;
	ASSERT(g->refs > 0);
	if (--g->refs == 0)
		generation_end(g);
}

void generation_adopted(struct generation *g)
{
	struct generation *old = current;

	current = g;
	tables_watch(g->tables);
	for (int i = 0; i < nhooks; i++)
		if (hooks[i]->adopt != NULL)
			hooks[i]->adopt(g->state[hooks[i]->slot]);
	generation_unref(&old);
}

struct generation *generation_current(void)
{
	return current;
}

void generation_release_current(void)
{
	generation_unref(&current);
}

const struct config *generation_config(const struct generation *g)
{
	return g->config;
}

struct tables *generation_tables(const struct generation *g)
{
	return g->tables;
}

const struct view *generation_view(const struct generation *g)
{
	return config_view(g->config);
}

void *generation_state(const struct generation *g, const struct generation_hook *h)
{
	return g->state[h->slot];
}

struct service *service_ref(struct service *s)
{
	s->refs++;
	s->active++;
	s->generation->refs++;
	if (s->class_ != NULL && s->class_->takes_connections)
		listen_session(+1);
	return s;
}

void service_unref(struct service **sp)
{
	struct service *s = *sp;
	struct generation *g;

	*sp = NULL;
	if (s == NULL)
		return;
	ASSERT(s->refs > 0);
	g = s->generation;
	s->refs--;
	s->active--;
	if (s->class_ != NULL && s->class_->takes_connections) {
		listen_session(-1);
		listen_resume(s);
	}
	generation_unref(&g);
}

unsigned service_session_limit(const struct generation *g)
{
	return g->session_limit;
}

/* A transport is a unix (or inet-less) line by that name; Postfix looks it up as private/NAME. */
struct service *service_transport(const struct generation *g, const char *name)
{
	for (size_t i = 0; i < g->nservice; i++) {
		struct service *s = &g->service[i];

		if (s->entry->type == MASTER_UNIX && strcmp(s->entry->name, name) == 0)
			return s;
	}
	return NULL;
}

struct service *service_listener(const struct generation *g, const char *name)
{
	for (size_t i = 0; i < g->nservice; i++) {
		const struct service *s = &g->service[i];

		if (s->class_ != NULL && s->class_->takes_connections && s->entry->type != MASTER_UNIX &&
		    strcmp(s->entry->name, name) == 0)
			return &g->service[i];
	}
	return NULL;
}

struct service *service_find(const struct generation *g, const char *command)
{
	for (size_t i = 0; i < g->nservice; i++)
		if (strcmp(g->service[i].entry->command, command) == 0)
			return &g->service[i];
	return NULL;
}
