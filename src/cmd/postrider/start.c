/* start.c - start, start-fg, and the two internal verbs that a start needs.
 *
 * As root: this process becomes the parent (parent.h), which runs `postrider plan` and then `postrider
 * relay` without privileges. Otherwise the relay runs right here, as the only process. `start` forks
 * first and waits on a pipe for "ok" or for the reason. */
#include "postrider.h"
#include <postrider/file.h>
#include <postrider/inet.h>
#include <postrider/log.h>
#include <postrider/parent.h>
#include <postrider/service.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_LIMIT_MS = 60000, PARAMETERS_MAX = 1 << 20 };

/* Root that cannot change to another user (all capabilities dropped) is an ordinary user. */
static bool privileged(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	return geteuid() == 0 && syscall(SYS_capget, &h, d) == 0 && (d[0].effective & (1u << CAP_SETUID)) != 0 &&
	    (d[0].effective & (1u << CAP_SETGID)) != 0;
}

static void own_argv(const struct options *o, char **argv, char *verb)
{
	memcpy(argv, o->self_argv, o->self_argc * sizeof(*argv));
	argv[o->self_argc] = verb;
	argv[o->self_argc + 1] = NULL;
}

static int run(const struct options *o, int ready_fd)
{
	static char plan[] = "plan", relay[] = "relay";
	static char **reader_argv, **relay_argv;
	int self;

	if (!privileged())
		return relay_run(o, ready_fd);
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		log_fatal("open this program: %s", strerror(errno));
	reader_argv = xcalloc(o->self_argc + 2, sizeof(char *));
	relay_argv = xcalloc(o->self_argc + 2, sizeof(char *));
	own_argv(o, reader_argv, plan);
	own_argv(o, relay_argv, relay);
	return parent_run(self, reader_argv, relay_argv, ready_fd);
}

/* A relative directory would mean something else after the chdir below. */
static void absolute_config_dir(struct options *o)
{
	char *path = realpath(o->config_dir, NULL);

	if (path == NULL)
		log_fatal("open %s/main.cf: %s", o->config_dir, strerror(errno));
	o->config_dir = path;
	free(o->self_argv[o->self_argc - 1]);
	o->self_argv[o->self_argc - 1] = path;
}

int command_start_fg(const struct options *o)
{
	struct options here = *o;

	absolute_config_dir(&here);
	return run(&here, -1);
}

int command_relay(const struct options *o)
{
	parent_attach();
	return relay_run(o, -1);
}

static int await(int fd, pid_t child)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[1024];
	int status = 0;
	ssize_t n;

	if (poll(&p, 1, START_LIMIT_MS) <= 0)
		log_fatal("the server does not answer; see its log");
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (strcmp(text, "ok") == 0)
		return 0;
	waitpid(child, &status, 0);
	if (text[0] != '\0')
		log_fatal("%s", text);
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
}

int command_start(const struct options *o)
{
	struct options here = *o;
	int fds[2], null;
	pid_t pid;

	absolute_config_dir(&here);
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		log_fatal("start: %s", strerror(errno));
	if (pid > 0) {
		close(fds[1]);
		return await(fds[0], pid);
	}
	close(fds[0]);
	inet_inherit();
	setsid();
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || chdir("/") < 0 ||
	    setenv("POSTRIDER_BACKGROUND", "1", 1) < 0)	/* standard error goes, too, once it listens: parent_detach() */
		_exit(1);
	return run(&here, fds[1]);
}

/* ---- the configuration reader ---------------------------------------------------------------------- */
char *owner_unfit(const struct view *v, const struct passwd *pw)
{
	const char *name = view_str(v, mail_owner);

	if (pw == NULL)
		return xasprintf("parameter mail_owner: unknown user name value: %s: make one (useradd --system --user-group "
		    "--no-create-home --home-dir %s --shell /usr/sbin/nologin %s), or name in main.cf the user that shall own "
		    "the queue", name, view_str(v, queue_directory), name);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return xasprintf("parameter mail_owner: user %s has privileged user or group ID", name);
	return NULL;
}

static void plan_owner(const struct view *v)
{
	const char *name = view_str(v, mail_owner);
	struct passwd *pw = getpwnam(name);
	char *why = owner_unfit(v, pw);
	gid_t groups[32];
	int n = NELEM(groups);

	if (why != NULL)
		log_fatal("file %s/main.cf: %s", config_dir(v->config), why);
	printf("owner %s\nuid %lu\ngid %lu\n", name, (unsigned long)pw->pw_uid, (unsigned long)pw->pw_gid);
	if (getgrouplist(name, pw->pw_gid, groups, &n) < 0)
		n = NELEM(groups);
	for (int i = 0; i < n; i++)
		if (groups[i] != 0)
			printf("group %lu\n", (unsigned long)groups[i]);
}

static void plan_file(const char *path)
{
	static const char *const suffix[] = { "", ".lmdb", ".db", ".cdb" };
	struct stat st;

	for (size_t i = 0; i < NELEM(suffix); i++) {
		char *full = xasprintf("%s%s", path, suffix[i]);

		if (strchr(full, '\n') == NULL && stat(full, &st) == 0 && S_ISREG(st.st_mode))
			printf("read %s\n", full);
		free(full);
	}
}

static void plan_words(const char *value, bool inner);

/* A table's parameters name files, too: a data base, keys, lists. They count where only root can have written them. */
static void plan_parameters(const char *path)
{
	struct stat st;
	size_t len;
	char *text;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0 ||
	    (text = file_read(path, PARAMETERS_MAX, &len)) == NULL)
		return;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '=')
			text[i] = ' ';
	plan_words(text, true);
	free(text);
}

static bool has_parameters(const char *word, const char *path)
{
	static const char *const types[] = { "sqlite:", "mysql:", "pgsql:", "ldap:", "redis:", "memcache:" };

	for (size_t i = 0; i < NELEM(types); i++) {
		size_t len = strlen(types[i]);

		if (path >= word + len && strncmp(path - len, types[i], len) == 0)
			return true;
	}
	return false;
}

/* Every word of a value that is "/path" or "type:/path", as certificates, keys, lists and tables are written. */
static void plan_words(const char *value, bool inner)
{
	char *copy = xstrdup(value), *cursor = copy, *word;

	while ((word = str_tok(&cursor, ", \t\r\n{}")) != NULL) {
		char *slash = strchr(word, '/');

		if (slash != NULL && (slash == word || slash[-1] == ':' || slash[-1] == '!'))
			plan_file(slash);
		if (slash != NULL && !inner && has_parameters(word, slash))
			plan_parameters(slash);
	}
	free(copy);
}

/* Restriction classes are lists under names of their own. */
static void plan_classes(const struct view *v)
{
	struct strs names = { 0 };

	strs_split(&names, view_str(v, smtpd_restriction_classes), ", \t\r\n");
	for (size_t i = 0; i < names.n; i++) {
		const char *list = view_lookup(v, names.v[i]);

		if (list != NULL)
			plan_words(list, false);
	}
	strs_release(&names);
}

static void plan_view(const struct view *v, const struct view *base)
{
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		const char *s = param_rows[i].type == PT_STR || param_rows[i].type == PT_RAW ? v->v[i].str : NULL;

		if (s != NULL && strchr(s, '/') != NULL && (base == NULL || s != base->v[i].str))
			plan_words(s, false);
	}
	plan_classes(v);
}

int command_plan(const struct options *o)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct config *c = config_load(o->config_dir, &o->overrides, &problems);
	struct strs listen = { 0 };
	const struct view *v;
	bool any;

	relay_classes_register();
	service_listen_plan(c, &listen, &problems);
	print_problems(&problems, PROBLEM_FATAL);
	if (problems_worst(&problems, &any) == PROBLEM_FATAL && any)
		return 1;
	v = config_view(c);
	printf("queue %s\ndata %s\n", view_str(v, queue_directory), view_str(v, data_directory));
	plan_owner(v);
	for (size_t i = 0; i < listen.n; i++)
		printf("listen %s\n", listen.v[i]);
	if (view_str(v, maillog_file)[0] == '/' && strncmp(view_str(v, maillog_file), "/dev/", 5) != 0)
		printf("append %s\n", view_str(v, maillog_file));
	if (view_str(v, maillog_file)[0] != '\0')
		printf("log %s\n", view_str(v, maillog_file));
	printf("facility %s\nname %s\nhost %s\n", view_str(v, syslog_facility), view_str(v, syslog_name), view_str(v, myhostname));
	printf("limit %d\n", view_secs(v, postrider_drain_time_limit));
	for (const char *const *f = (const char *const[]){ "main.cf", "master.cf", NULL }; *f != NULL; f++) {
		char *path = xasprintf("%s/%s", o->config_dir, *f);

		plan_file(path);
		free(path);
	}
	plan_view(v, NULL);
	for (size_t i = 0; i < config_master_count(c); i++)
		plan_view(config_entry_view(c, i, false), v);
	strs_release(&listen);
	problems_release(&problems);
	config_unref(&c);
	return fflush(stdout) == 0 ? 0 : 1;
}
