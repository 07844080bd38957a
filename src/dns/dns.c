/* dns.c - set-up, and following resolv.conf and hosts.
 * Both files are read before the loop runs; later a job of a class of its own looks at
 * them every second and a half and parses what has changed, so a file system that hangs holds up nobody. A
 * file that is gone keeps the old contents in force (editors and DHCP clients replace files by steps);
 * a question under way goes on with the servers it began with. */
#include <sys/stat.h>
#include <postrider/file.h>

#include "room.h"

enum { LOOK_EVERY_MS = 1500, LOOK_LIMIT_MS = 60 * 1000, CONF_MAX = 64 << 10, HOSTS_MAX = 16 << 20 };

struct dns_state dns;

struct stamp {
	uint64_t ino, size;
	int64_t	 mtime_ns;
};
struct look {			/* one look at the files: a job's data */
	char		*resolv_conf, *hosts, *servers;
	struct stamp	 resolv_seen, hosts_seen;
	struct resolver	*new_resolver;	/* NULL: unchanged */
	struct hosts	*new_hosts;
};

static struct {
	struct look	 now;		/* paths, and the stamps of what is in force */
	struct worker_class *class;
	struct task	 task;
	struct timer	 timer;
	struct job_op	 job;
	bool		 looking, again;
} follow;

static bool changed(struct stamp *seen, const char *path)
{
	struct stamp now = { 0 };
	struct stat st;

	if (stat(path, &st) == 0)
		now = (struct stamp){ st.st_ino, (uint64_t)st.st_size,
			(int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	if (now.ino == seen->ino && now.size == seen->size && now.mtime_ns == seen->mtime_ns)
		return false;
	*seen = now;
	return now.ino != 0;
}

static void look_work(void *data)
{
	struct look *l = data;
	char *text;

	if (changed(&l->resolv_seen, l->resolv_conf) && (text = file_read(l->resolv_conf, CONF_MAX, NULL)) != NULL) {
		l->new_resolver = resolver_parse(text, l->servers);
		free(text);
	}
	if (changed(&l->hosts_seen, l->hosts) && (text = file_read(l->hosts, HOSTS_MAX, NULL)) != NULL) {
		l->new_hosts = hosts_parse(text);
		free(text);
	}
}

static void look_release(struct look *l)
{
	free(l->resolv_conf);
	free(l->hosts);
	free(l->servers);
	resolver_unref(l->new_resolver);
	hosts_free(l->new_hosts);
}

static void look_free(void *data)
{
	look_release(data);
	free(data);
}

/* Puts what was found in force. */
static void adopt(struct look *l)
{
	follow.now.resolv_seen = l->resolv_seen;
	follow.now.hosts_seen = l->hosts_seen;
	if (l->new_resolver != NULL) {
		if (dns.resolver != NULL && resolver_same(dns.resolver, l->new_resolver))
			memcpy(l->new_resolver->server, dns.resolver->server, sizeof(dns.resolver->server));
		else
			cache_empty();
		resolver_unref(dns.resolver);
		dns.resolver = l->new_resolver;
		l->new_resolver = NULL;
	}
	if (l->new_hosts != NULL) {
		hosts_free(dns.hosts);
		dns.hosts = l->new_hosts;
		l->new_hosts = NULL;
	}
}

static struct look *look_new(void)
{
	struct look *l = xcalloc(1, sizeof(*l));

	l->resolv_conf = xstrdup(follow.now.resolv_conf);
	l->hosts = xstrdup(follow.now.hosts);
	l->servers = xstrdup(follow.now.servers);
	l->resolv_seen = follow.now.resolv_seen;
	l->hosts_seen = follow.now.hosts_seen;
	return l;
}

static void follow_run(struct task *task)
{
	if (follow.looking) {
		enum job_result r = job_poll(&follow.job);

		if (r == JOB_WAIT)
			return;
		if (r == JOB_DONE && !follow.again)	/* else it looked at what is no longer configured */
			adopt(follow.job.data);
		job_end(&follow.job);
		follow.looking = false;
		timer_start(&follow.timer, task, follow.again ? 0 : LOOK_EVERY_MS);
		follow.again = false;
	}
	if (!timer_expired(&follow.timer))
		return;
	timer_end(&follow.timer);
	follow.looking = true;
	job_start(&follow.job, task, follow.class, look_work, look_new(), look_free, LOOK_LIMIT_MS);
	task_wake(task);
}

static void set_paths(const struct dns_config *c)
{
	free(follow.now.resolv_conf);
	free(follow.now.hosts);
	free(follow.now.servers);
	follow.now.resolv_conf = xstrdup(c != NULL && c->resolv_conf != NULL ? c->resolv_conf : "/etc/resolv.conf");
	follow.now.hosts = xstrdup(c != NULL && c->hosts != NULL ? c->hosts : "/etc/hosts");
	follow.now.servers = xstrdup(c != NULL && c->servers != NULL ? c->servers : "");
	dns.cache_max = c != NULL && c->cache_max > 0 ? c->cache_max : 20000;
	memset(&follow.now.resolv_seen, 0, sizeof(follow.now.resolv_seen));
	memset(&follow.now.hosts_seen, 0, sizeof(follow.now.hosts_seen));
}

void dns_init(const struct dns_config *c)
{
	struct look *l;

	ASSERT(!dns.running);
	set_paths(c);
	l = look_new();
	look_work(l);
	adopt(l);
	look_free(l);
	if (dns.resolver == NULL)
		dns.resolver = resolver_parse("", follow.now.servers);
	if (dns.hosts == NULL)
		dns.hosts = hosts_parse("");
	follow.class = worker_class_new("resolv", 1, 4);
	task_init(&follow.task, "dns-follow", follow_run);
	timer_start(&follow.timer, &follow.task, LOOK_EVERY_MS);
	dns.running = true;
}

void dns_configure(const struct dns_config *c)
{
	char *old = xasprintf("%s\n%s\n%s", follow.now.resolv_conf, follow.now.hosts, follow.now.servers), *now;

	set_paths(c);
	now = xasprintf("%s\n%s\n%s", follow.now.resolv_conf, follow.now.hosts, follow.now.servers);
	if (strcmp(old, now) != 0 && *follow.now.servers != '\0') {	/* known without reading anything */
		struct look l = { .new_resolver = resolver_parse("", follow.now.servers) };

		adopt(&l);
	}
	free(old);
	free(now);
	if (follow.looking)
		follow.again = true;
	else
		timer_start(&follow.timer, &follow.task, 0);
}

void dns_release(void)
{
	if (!dns.running)
		return;
	timer_end(&follow.timer);
	job_end(&follow.job);
	task_unlink(&follow.task);
	worker_class_free(&follow.class);
	look_release(&follow.now);
	memset(&follow, 0, sizeof(follow));
	lookups_release();
	cache_empty();
	resolver_unref(dns.resolver);
	hosts_free(dns.hosts);
	memset(&dns, 0, sizeof(dns));
}

void dns_stats(struct dns_stats *r)
{
	*r = dns.stats;
}
