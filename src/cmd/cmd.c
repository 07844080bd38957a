/* cmd.c - what the command-line programs share (cmd.h). */
#include "cmd.h"
#include <postrider/control.h>
#include <postrider/file.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/store.h>
#include <postrider/table.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int cmd_fatal_status = 1;

const char *cmd_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return slash != NULL ? slash + 1 : argv0;
}

const char *cmd_config_dir(const char *arg)
{
	size_t n = strlen(arg);

	if (n > 8 && strcmp(arg + n - 8, "/main.cf") == 0)
		return xstrndup(arg, n - 8);
	return arg;
}

char *cmd_sibling(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return xstrdup(name);
	self[n] = '\0';
	slash = strrchr(self, '/');
	return xasprintf("%.*s/%s", (int)(slash - self), self, name);
}

struct config *cmd_load(const char *config_dir)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct config *c = config_load_main(config_dir, &problems);
	const struct problem *p;

	TAILQ_FOREACH(p, &problems, link)
		if (p->level == PROBLEM_FATAL) {
			if (p->file != NULL && p->line > 0)
				log_fatal_status(cmd_fatal_status, "%s, line %d: %s", p->file, p->line, p->text);
			log_fatal_status(cmd_fatal_status, "%s", p->text);
		}
	problems_release(&problems);
	return c;
}

void cmd_clean_environment(const struct view *v)
{
	char *list = xstrdup(view_str(v, import_environment)), *cursor = list, *item, *equals;
	extern char **environ;
	struct strs kept = { 0 };
	size_t i;

	for (i = 0; environ[i] != NULL; i++)		/* where tests have their servers */
		if (strncmp(environ[i], "POSTRIDER_", 10) == 0)
			strs_add(&kept, environ[i]);
	while ((item = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		if (*item == '{' && str_extpar(&item) != NULL)
			continue;
		if (strchr(item, '=') != NULL) {
			strs_add(&kept, item);
		} else if (getenv(item) != NULL) {
			char *pair = xasprintf("%s=%s", item, getenv(item));

			strs_add(&kept, pair);
			free(pair);
		}
	}
	clearenv();
	for (i = 0; i < kept.n; i++) {
		equals = strchr(kept.v[i], '=');
		*equals = '\0';
		setenv(str_trim(kept.v[i]), str_trim(equals + 1), 1);
	}
	strs_release(&kept);
	free(list);
}

/* ---- the queue ---------------------------------------------------------------------------------------- */

enum cmd_queue cmd_queue_open(const struct view *v, bool changes, struct control_conn **conn_r, int *err_r)
{
	char *dir = xasprintf("%s/postrider", view_str(v, queue_directory)), *file = xasprintf("%s/data.mdb", dir);
	struct store_config config = { .dir = dir, .map_bytes = view_long(v, postrider_map_size),
		.memory_limit = view_long(v, postrider_memory_limit), .long_ids = view_bool(v, enable_long_queue_ids) };
	enum cmd_queue q = CMD_QUEUE_UP;

	*conn_r = control_connect(view_str(v, queue_directory), err_r);
	if (*conn_r == NULL && *err_r != ENOENT && *err_r != ECONNREFUSED) {
		q = CMD_QUEUE_DENIED;
	} else if (*conn_r == NULL && access(file, R_OK | W_OK) < 0) {
		q = errno == ENOENT ? CMD_QUEUE_NONE : CMD_QUEUE_DENIED;
	} else if (*conn_r == NULL) {
		q = CMD_QUEUE_DIRECT;
		*conn_r = control_offline(&config, changes);
	}
	free(dir);
	free(file);
	return q;
}

bool cmd_matches(const struct view *v, const char *parameter, bool domains, const char *name)
{
	bool parents = match_parent_style(view_str(v, parent_domain_matches_subdomains), parameter);
	struct match_op op = { 0 };
	struct tables *t;
	enum match_result r;

	loop_init();
	table_init();
	t = tables_new(v);
	match_start(&op, NULL, NULL, match_list_new(t, domains ? MATCH_DOMAIN : MATCH_STRING, parameter, view_lookup(v, parameter),
	    parents, NULL), name, NULL);
	r = match_poll(&op);
	match_end(&op);
	tables_unref(&t);
	table_release();
	loop_release();
	return r == MATCH_YES || r == MATCH_WAIT;	/* back ends are asked by servers only */
}

void cmd_require_user(const struct view *v, const char *parameter, const char *to_do)
{
	struct passwd *pw = getpwuid(getuid());
	const char *name = pw != NULL ? pw->pw_name : "unknown";

	if (!cmd_matches(v, parameter, false, name))
		log_fatal_status(cmd_fatal_status, "User %s(%ld) is not allowed to %s", name, (long)getuid(), to_do);
}

bool cmd_queue_id_ok(const char *id)
{
	const char *p;

	for (p = id; *p != '\0'; p++)
		if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && *p != '_'))
			return false;
	return p != id && p - id <= 255;
}

bool cmd_is_queue_owner(const struct view *v)
{
	char *dir = xasprintf("%s/postrider", view_str(v, queue_directory));
	struct stat st;
	bool own = getuid() == 0 || (stat(dir, &st) == 0 && st.st_uid == getuid());

	free(dir);
	return own;
}

/* ---- maildrop ----------------------------------------------------------------------------------------- */

static int maildrop_open(const struct view *v, const char *name)
{
	char *path = xasprintf("%s/maildrop/%s", view_str(v, queue_directory), name);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	free(path);
	return fd;
}

/* The attributes, a line each, up to an empty line. */
static bool read_attrs(FILE *f, struct strs *attrs)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 1 && line[n - 1] == '\n')
		strs_addn(attrs, line, (size_t)n - 1);
	free(line);
	return n == 1;
}

static bool maildrop_take(const struct view *v, const char *name, struct maildrop_file *r, bool whole)
{
	int fd = maildrop_open(v, name);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct stat st;
	char b[8192];
	size_t n;
	bool good;

	*r = (struct maildrop_file){ .name = name };
	if (f == NULL)
		return false;
	good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR) != 0 && read_attrs(f, &r->attrs);
	r->size = st.st_size;
	r->arrival = st.st_mtime;
	while (good && whole && (n = fread(b, 1, sizeof(b), f)) > 0)
		buf_add(&r->content, b, n);
	fclose(f);
	if (!good) {
		cmd_maildrop_release(r);
		errno = ENOENT;
	}
	return good;
}

void cmd_maildrop_each(const struct view *v, void (*fn)(void *arg, const struct maildrop_file *), void *arg)
{
	char *path = xasprintf("%s/maildrop", view_str(v, queue_directory));
	DIR *d = opendir(path);
	struct maildrop_file f;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!cmd_queue_id_ok(e->d_name) || !maildrop_take(v, e->d_name, &f, false))
			continue;
		fn(arg, &f);
		cmd_maildrop_release(&f);
	}
	if (d != NULL)
		closedir(d);
	free(path);
}

bool cmd_maildrop_read(const struct view *v, const char *id, struct maildrop_file *r)
{
	return maildrop_take(v, id, r, true);
}

void cmd_maildrop_release(struct maildrop_file *f)
{
	strs_release(&f->attrs);
	buf_release(&f->content);
}

bool cmd_maildrop_remove(const struct view *v, const char *id)
{
	char *path = xasprintf("%s/maildrop/%s", view_str(v, queue_directory), id);
	int rc = unlink(path);

	free(path);
	return rc == 0;
}

const char *cmd_maildrop_attr(const struct maildrop_file *f, const char *name)
{
	size_t i, n = strlen(name);

	for (i = 0; i < f->attrs.n; i++)
		if (strncmp(f->attrs.v[i], name, n) == 0 && f->attrs.v[i][n] == '=')
			return f->attrs.v[i] + n + 1;
	return NULL;
}
