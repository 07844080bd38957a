/* listen.c - addresses, sockets and accepting.
 *
 * Listeners outlive generations: the list below is the process's. Adopting a new generation binds, in
 * a job of the load class, every address that is not bound yet (by ourselves or through the parent, inet.h);
 * if one fails all new ones are closed, the parent's too, and nothing has changed. Then, on the loop,
 * each listener is pointed at its service in the new generation and those nobody wants are closed.
 * Connections are accepted many at a time: the backlog of a busy server fills faster than one pass.
 *
 * Not here: the total limit's 421 (smtpd), which needs a session to say it in. */
#include "service.h"
#include <postrider/buf.h>
#include <postrider/file.h>
#include <postrider/inet.h>
#include <postrider/loop.h>
#include <postrider/stream.h>
#include <postrider/table.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACCEPT_BURST = 64, BIND_LIMIT_MS = 30000, FD_RESERVE_PAUSE_MS = 200 };

struct listener {
	LIST_ENTRY(listener) link;
	struct task	 task;
	struct watch	 watch;
	struct timer	 pause;		/* after EMFILE: try again a little later */
	char		 text[80];
	int		 fd;
	struct service	*service;	/* borrowed from the current generation, which outlives this use */
	bool		 wanted;
	bool		 full;		/* the service's own limit is reached: not watching */
};
static LIST_HEAD(, listener) listeners = LIST_HEAD_INITIALIZER(listeners);
static int (*binder)(const char *addr, int *err_r);
static void (*unbinder)(const char *addr);
static unsigned sessions;	/* counted by service_ref of connection classes */

void service_set_binder(int (*bind_fd)(const char *, int *), void (*unbind)(const char *))
{
	binder = bind_fd;
	unbinder = unbind;
}

/* ---- which addresses ------------------------------------------------------------------------- */
static void plan_add(struct generation *g, size_t service, const struct sockaddr *sa, int port)
{
	struct listen_addr *a;
	char host[64];

	g->listen = xreallocarray(g->listen, g->nlisten + 1, sizeof(*g->listen));
	a = &g->listen[g->nlisten];
	a->service = service;
	sockaddr_name(sa, host, sizeof(host));
	snprintf(a->text, sizeof(a->text), sa->sa_family == AF_INET6 ? "[%s]:%d" : "%s:%d", host, port);
	for (size_t i = 0; i < g->nlisten; i++)
		if (strcmp(g->listen[i].text, a->text) == 0)
			return;		/* the first line wins, as a second bind would fail */
	g->nlisten++;
}

struct port_search { const char *name; int port; };

static void port_known(void *arg, const char *name, int port)
{
	struct port_search *s = arg;

	if (strcmp(name, s->name) == 0)
		s->port = port;
}

static int port_number(const struct view *v, const char *port)
{
	struct port_search known = { .name = port, .port = -1 };
	struct servent *se;
	int64_t n;

	if (str_to_int(port, 1, 65535, &n))
		return (int)n;
	config_known_ports(view_str(v, known_tcp_ports), port_known, &known);
	if (known.port > 0)
		return known.port;
	se = getservbyname(port, "tcp");
	return se != NULL ? ntohs((uint16_t)se->s_port) : -1;
}

static bool protocol_wanted(const struct view *v, int family)
{
	const char *protocols = view_str(v, inet_protocols);
	bool all = strstr(protocols, "all") != NULL;

	return all || strstr(protocols, family == AF_INET6 ? "ipv6" : "ipv4") != NULL;
}

static bool family_works(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void plan_host(struct generation *g, size_t service, const struct view *v, const char *host, int port, struct problems *p)
{
	const struct master_entry *e = g->service[service].entry;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res, *ai;
	char name[256];
	size_t n = str_copy(name, host[0] == '[' ? host + 1 : host, sizeof(name));
	int rc, found = 0;

	if (n > 0 && n < sizeof(name) && name[n - 1] == ']')
		name[n - 1] = '\0';
	rc = getaddrinfo(str_iprefix(name, "ipv6:") ? name + 5 : name, NULL, &hints, &res);
	if (rc != 0) {
		problem_add(p, PROBLEM_FATAL, e->file, e->line, "%s: host not found: %s: %s", e->name, host, gai_strerror(rc));
		return;
	}
	for (ai = res; ai != NULL; ai = ai->ai_next)
		if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6) && protocol_wanted(v, ai->ai_family) &&
		    family_works(ai->ai_family)) {
			plan_add(g, service, ai->ai_addr, port);
			found++;
		}
	freeaddrinfo(res);
	if (found == 0)
		problem_add(p, PROBLEM_WARNING, e->file, e->line, "%s: no usable address for %s with inet_protocols = %s", e->name, host,
		    view_str(v, inet_protocols));
}

static void plan_wildcard(struct generation *g, size_t service, const struct view *v, int port)
{
	struct sockaddr_in any4 = { .sin_family = AF_INET };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };

	if (protocol_wanted(v, AF_INET))
		plan_add(g, service, (struct sockaddr *)&any4, port);
	if (protocol_wanted(v, AF_INET6) && family_works(AF_INET6))
		plan_add(g, service, (struct sockaddr *)&any6, port);
}

/* "smtp", "2525", "127.0.0.1:10025", "[::1]:587", "localhost:smtp" */
static void plan_service(struct generation *g, size_t i, struct problems *p)
{
	const struct service *s = &g->service[i];
	const struct view *v = config_view(g->config);	/* the master reads no service's overrides */
	const char *name = s->entry->name, *colon = strrchr(name, ':');
	int port = port_number(v, colon != NULL ? colon + 1 : name);
	struct strs hosts = { 0 };

	if (port < 0) {
		problem_add(p, PROBLEM_FATAL, s->entry->file, s->entry->line, "%s: unknown service: %s/tcp", s->entry->name,
		    colon != NULL ? colon + 1 : name);
		return;
	}
	if (colon != NULL && colon != name) {
		strs_addn(&hosts, name, (size_t)(colon - name));
	} else {
		strs_split(&hosts, view_str(v, inet_interfaces), ", \t\r\n");
	}
	for (size_t k = 0; k < hosts.n; k++) {
		if (strcmp(hosts.v[k], "all") == 0)
			plan_wildcard(g, i, v, port);
		else if (strcmp(hosts.v[k], "loopback-only") == 0) {
			plan_host(g, i, v, "127.0.0.1", port, p);
			plan_host(g, i, v, "::1", port, p);
		} else
			plan_host(g, i, v, hosts.v[k], port, p);
	}
	strs_release(&hosts);
}

/* master_service_disable: "inet", "name/inet", "!..." takes out again; the first that fits decides. */
static bool disabled(const struct generation *g, const struct master_entry *e)
{
	char *copy = xstrdup(view_str(config_view(g->config), master_service_disable)), *cursor = copy, *word;
	bool found = false, no = false;

	while (!found && (word = str_tok(&cursor, ", \t\r\n")) != NULL) {
		char *slash;

		for (no = false; *word == '!'; word++)
			no = !no;
		slash = strrchr(word, '/');
		found = str_ieq(slash != NULL ? slash + 1 : word, "inet") &&
		    (slash == NULL || (strncmp(word, e->name, (size_t)(slash - word)) == 0 && e->name[slash - word] == '\0'));
	}
	free(copy);
	return found && !no;
}

void listen_plan(struct generation *g, struct problems *p)
{
	for (size_t i = 0; i < g->nservice; i++) {
		const struct service *s = &g->service[i];

		if (s->entry->type == MASTER_INET && disabled(g, s->entry))
			continue;
		if (s->entry->type == MASTER_INET && s->class_ != NULL && s->class_->takes_connections)
			plan_service(g, i, p);
	}
}

/* ---- binding, in a job -------------------------------------------------------------------------- */
struct bind_job {
	struct {
		char	text[80];
		int	fd;		/* -1: not bound */
	}		*want;
	size_t		 n;
	char		*why;		/* malloced: the first failure */
	int		(*binder)(const char *, int *);
	void		(*unbinder)(const char *);	/* NULL: what was bound may stay with the parent */
};

static void bind_run(void *data)
{
	struct bind_job *j = data;

	for (size_t i = 0; i < j->n; i++) {
		int err = 0, fd = (j->binder != NULL ? j->binder : inet_listen)(j->want[i].text, &err);

		if (fd < 0) {
			j->why = xasprintf("bind %s: %s", j->want[i].text, strerror(err));
			return;
		}
		fd_cloexec(fd);
		fd_nonblock(fd);
		j->want[i].fd = fd;
	}
}

static void bind_free(void *data)
{
	struct bind_job *j = data;

	for (size_t i = 0; i < j->n; i++) {	/* those that became no listeners */
		if (j->want[i].fd < 0)
			continue;
		close(j->want[i].fd);
		if (j->unbinder != NULL)
			j->unbinder(j->want[i].text);
	}
	free(j->want);
	free(j->why);
	free(j);
}

/* ---- listeners on the loop ------------------------------------------------------------------------ */
static struct listener *listener_find(const char *text)
{
	struct listener *l;

	LIST_FOREACH(l, &listeners, link)
		if (strcmp(l->text, text) == 0)
			return l;
	return NULL;
}

static void listener_free(struct listener *l)
{
	watch_end(&l->watch);
	timer_end(&l->pause);
	task_unlink(&l->task);
	close(l->fd);
	LIST_REMOVE(l, link);
	free(l);
}

static void listener_pause(struct listener *l, int64_t ms)
{
	watch_want(&l->watch, 0);
	timer_start(&l->pause, &l->task, ms);
}

static void listener_run(struct task *t)
{
	struct listener *l = CONTAINER_OF(t, struct listener, task);

	if (timer_expired(&l->pause)) {
		timer_end(&l->pause);
		watch_want(&l->watch, l->full ? 0 : WATCH_READ);
	}
	watch_take(&l->watch);
	for (int i = 0; i < ACCEPT_BURST && !l->full; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		int fd;

		if (l->service->limit > 0 && l->service->active >= l->service->limit) {
			l->full = true;		/* listen_resume() goes on */
			watch_want(&l->watch, 0);
			return;
		}
		fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->service->class_->accept(l->service, fd, (struct sockaddr *)&sa, len);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn(NULL, "accept on %s: %s", l->text, strerror(errno));
			listener_pause(l, FD_RESERVE_PAUSE_MS);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
	if (!l->full)
		task_wake(t);		/* others first, then the rest of the backlog */
}

void listen_resume(struct service *s)
{
	struct listener *l;

	if (s->limit == 0)
		return;
	LIST_FOREACH(l, &listeners, link)
		if (l->full && l->service == s && s->active < s->limit) {
			l->full = false;
			watch_want(&l->watch, WATCH_READ);
			task_wake(&l->task);
		}
}

static void listener_add(const char *text, int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	str_copy(l->text, text, sizeof(l->text));
	l->fd = fd;
	task_init(&l->task, "listener", listener_run);
	watch_start(&l->watch, &l->task, fd, WATCH_READ);
	LIST_INSERT_HEAD(&listeners, l, link);
}

/* ---- adopting ----------------------------------------------------------------------------------------- */
struct adopt {
	struct generation *generation;	/* a reference */
	struct job_op	 job;
};

void generation_adopt_start(struct listen_op *op, struct task *task, struct generation *g)
{
	struct adopt *a = xcalloc(1, sizeof(*a));
	struct bind_job *j = xcalloc(1, sizeof(*j));

	ASSERT(!op->active);
	*op = (struct listen_op){ .active = true, .priv = a };
	a->generation = generation_ref(g);
	j->binder = binder;
	/* At a start the parent keeps them: clients wait in the backlog for the relay that comes next. */
	j->unbinder = generation_current() != NULL ? unbinder : NULL;
	j->want = xcalloc(g->nlisten + 1, sizeof(*j->want));
	for (size_t i = 0; i < g->nlisten; i++) {
		if (listener_find(g->listen[i].text) != NULL)
			continue;
		str_copy(j->want[j->n].text, g->listen[i].text, sizeof(j->want[j->n].text));
		j->want[j->n++].fd = -1;
	}
	job_start(&a->job, task, table_load_class(), bind_run, j, bind_free, BIND_LIMIT_MS);
}

static void adopt_apply(struct adopt *a, struct bind_job *j)
{
	struct generation *g = a->generation;
	struct listener *l, *next;

	for (size_t i = 0; i < j->n; i++) {
		listener_add(j->want[i].text, j->want[i].fd);
		j->want[i].fd = -1;
	}
	LIST_FOREACH(l, &listeners, link)
		l->wanted = false;
	for (size_t i = 0; i < g->nlisten; i++) {
		l = listener_find(g->listen[i].text);
		l->wanted = true;
		l->service = &g->service[g->listen[i].service];
		l->full = false;
		watch_want(&l->watch, WATCH_READ);
	}
	for (l = LIST_FIRST(&listeners); l != NULL; l = next) {
		next = LIST_NEXT(l, link);
		if (l->wanted)
			continue;
		if (unbinder != NULL)
			unbinder(l->text);
		listener_free(l);
	}
	generation_adopted(generation_ref(g));
}

int generation_adopt_poll(struct listen_op *op)
{
	struct adopt *a = op->priv;
	struct bind_job *j;

	ASSERT(op->active);
	if (op->result != 0)
		return op->result;
	switch (job_poll(&a->job)) {
	case JOB_WAIT:
		return 0;
	case JOB_DONE:
		j = a->job.data;
		if (j->why == NULL) {
			adopt_apply(a, j);
			op->result = 1;
		} else {
			op->why = xstrdup(j->why);
			op->result = -1;
		}
		break;
	case JOB_BUSY:
	case JOB_TIMEOUT:
		op->why = xstrdup("binding the addresses did not finish in time");
		op->result = -1;
		break;
	}
	job_end(&a->job);
	return op->result;
}

void generation_adopt_end(struct listen_op *op)
{
	struct adopt *a = op->priv;

	if (!op->active)
		return;
	job_end(&a->job);
	generation_unref(&a->generation);
	free(a);
	free(op->why);
	*op = (struct listen_op){ 0 };
}

void service_stop_listening(void)
{
	while (!LIST_EMPTY(&listeners))
		listener_free(LIST_FIRST(&listeners));
}

/* ---- session counts ------------------------------------------------------------------------------------- */
void listen_session(int change)
{
	sessions = (unsigned)((int)sessions + change);
}

unsigned service_sessions(void)
{
	return sessions;
}

/* Stress: this service is nearly at its own limit, or the server is nearly at the total. */
const struct view *service_view(const struct service *s)
{
	unsigned total = service_session_limit(s->generation);

	if ((s->limit > 0 && s->active >= s->limit - s->limit / 5) || (total > 0 && sessions >= total - total / 5))
		return s->view_stress;
	return s->view;
}
