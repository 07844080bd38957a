/* One loaded configuration: read the files, build the views, hand them out. Everything after config_load() only
 * reads, so a config may be used by any thread that holds a reference. */
#include "internal.h"
#include <postrider/file.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX_BYTES	(16 << 20)

void problem_add(struct problems *list, enum problem_level level, const char *file, int line, const char *fmt, ...)
{
	struct problem *p = xcalloc(1, sizeof *p);
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	p->level = level;
	p->file = file != NULL ? xstrdup(file) : NULL;
	p->line = line;
	p->text = buf_steal(&text);
	TAILQ_INSERT_TAIL(list, p, link);
}

void problem_about(struct problems *list, const char *about)
{
	struct problem *p = TAILQ_LAST(list, problems);

	ASSERT(p != NULL && p->about == NULL);
	p->about = xstrdup(about);
}

void problem_free(struct problems *list, struct problem *p)
{
	TAILQ_REMOVE(list, p, link);
	free(p->file);
	free(p->text);
	free(p->about);
	free(p);
}

void problem_once(struct problems *list, enum problem_level level, const char *file, int line, const char *fmt, ...)
{
	struct problem *p;
	struct buf text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	TAILQ_FOREACH(p, list, link)
		if (p->line == line && strcmp(p->text, buf_str(&text)) == 0 &&
		    (p->file == file || (p->file != NULL && file != NULL && strcmp(p->file, file) == 0)))
			break;
	if (p == NULL)
		problem_add(list, level, file, line, "%s", buf_str(&text));
	buf_release(&text);
}

enum problem_level problems_worst(const struct problems *list, bool *any_r)
{
	enum problem_level worst = PROBLEM_WARNING;
	const struct problem *p;

	*any_r = !TAILQ_EMPTY(list);
	TAILQ_FOREACH(p, list, link)
		worst = MAX(worst, p->level);
	return worst;
}

void problems_release(struct problems *list)
{
	struct problem *p;

	while ((p = TAILQ_FIRST(list)) != NULL)
		problem_free(list, p);
}

const char *config_default_dir(void)
{
	const char *env = secure_getenv("MAIL_CONFIG");

	if (env != NULL && *env != '\0')
		return env;
	return access("/etc/postrider/main.cf", F_OK) == 0 ? "/etc/postrider" : "/etc/postfix";
}

static struct config *config_new(const char *dir)
{
	struct config *c = xcalloc(1, sizeof *c);

	c->refs = 1;
	c->dir = arena_strdup(&c->arena, dir);
	c->main_path = arena_printf(&c->arena, "%s/main.cf", dir);
	c->master_path = arena_printf(&c->arena, "%s/master.cf", dir);
	c->symcap = PARAM_COUNT + 128;
	c->sym = xcalloc(c->symcap, sizeof *c->sym);
	for (c->nsym = 0; c->nsym < PARAM_COUNT; c->nsym++)
		c->sym[c->nsym].name = param_rows[c->nsym].name;
	return c;
}

static void read_main(struct config *c, const struct strs *overrides, struct problems *problems)
{
	char *text, *pair, *name, *value;
	const char *why;
	size_t len, i;

	if ((text = file_read(c->main_path, FILE_MAX_BYTES, &len)) == NULL)
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "open %s: %s", c->main_path, strerror(errno));
	else
		maincf_parse(c, text, len, problems);
	free(text);
	for (i = 0; overrides != NULL && i < overrides->n; i++) {
		pair = xstrdup(overrides->v[i]);
		if ((why = split_nameval(pair, &name, &value)) != NULL)
			problem_add(problems, PROBLEM_FATAL, NULL, 0, "invalid parameter override: %s: %s",
			    overrides->v[i], why);
		else
			maincf_set(c, name, value, "command line", 0);
		free(pair);
	}
}

static void read_master(struct config *c, struct problems *problems)
{
	char *text;
	size_t len;

	if ((text = file_read(c->master_path, FILE_MAX_BYTES, &len)) != NULL)
		mastercf_parse(c, text, len, c->master_path, problems);
	else if (errno == ENOENT)
		mastercf_defaults(c);
	else
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "open %s: %s", c->master_path, strerror(errno));
	free(text);
}

struct config *config_load(const char *dir, const struct strs *overrides, struct problems *problems)
{
	struct config *c = config_new(dir);

	read_main(c, overrides, problems);
	read_master(c, problems);
	scopes_build(c, problems);
	transport_check(c, problems);
	standings_check(c, false, problems);
	unused_check(c, problems);
	return c;
}

struct config *config_read(const char *dir, const struct strs *overrides, bool main_cf, struct problems *syntax,
    struct problems *rest)
{
	struct config *c = config_new(dir);

	if (main_cf)
		read_main(c, overrides, syntax);
	read_master(c, rest);
	scopes_build(c, rest);
	return c;
}

struct config *config_load_main(const char *dir, struct problems *problems)
{
	struct config *c = config_new(dir);

	read_main(c, NULL, problems);
	scopes_build(c, problems);
	return c;
}

struct config *config_load_text(const char *main_cf, const char *master_cf, struct problems *problems)
{
	struct config *c = config_new("/nonexistent");

	c->from_text = true;
	maincf_parse(c, main_cf, strlen(main_cf), problems);
	if (master_cf != NULL)
		mastercf_parse(c, master_cf, strlen(master_cf), c->master_path, problems);
	else
		mastercf_defaults(c);
	scopes_build(c, problems);
	transport_check(c, problems);
	standings_check(c, false, problems);
	unused_check(c, problems);
	return c;
}

struct config *config_ref(const struct config *config)
{
	struct config *c = (struct config *)(uintptr_t)config;

	atomic_fetch_add(&c->refs, 1);
	return c;
}

void config_unref(struct config **config)
{
	struct config *c = *config;

	*config = NULL;
	if (c == NULL || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	for (size_t i = 0; i < c->nmaster; i++) {
		strs_release(&c->master[i].args);
		strs_release(&c->master[i].overrides);
	}
	free(c->master);
	free(c->sym);
	free(c->order);
	hash_release(&c->ids, NULL);
	hash_release(&c->entries, NULL);
	arena_release(&c->arena);
	free(c);
}

const char *config_dir(const struct config *c)
{
	return c->dir;
}

const struct view *config_view(const struct config *c)
{
	return &c->base->view;
}

const struct view *config_view_stress(const struct config *c)
{
	return &c->stress->view;
}

size_t config_master_count(const struct config *c)
{
	return c->nmaster;
}

const struct master_entry *config_master(const struct config *c, size_t i)
{
	ASSERT(i < c->nmaster);
	return &c->master[i];
}

const struct view *config_entry_view(const struct config *c, size_t i, bool stress)
{
	ASSERT(i < c->nmaster);
	return &(stress ? c->entry_stress : c->entry)[i]->view;
}

const struct config_address *config_addresses(const struct config *c, size_t *n_r)
{
	*n_r = c->naddr;
	return c->addr;
}

const struct config_address *config_proxy_addresses(const struct config *c, size_t *n_r)
{
	*n_r = c->nproxy;
	return c->proxy;
}

const char *view_lookup(const struct view *v, const char *name)
{
	const struct scope *s = CONTAINER_OF(v, const struct scope, view);
	int id = sym_find(v->config, name);

	if (id == P_service_name || id == P_process_name)
		return v->v[id].str;
	if (id >= 0)
		return s->text[id];
	id = transport_default(v->config, name);
	return id >= 0 ? s->text[id] : NULL;
}

char *config_parameter_file(const char *value, const char **why_r)
{
	char *text, *line;

	if (*value != '/')
		return xstrdup(value);
	if ((text = file_read(value, 65536, NULL)) == NULL) {
		*why_r = errno == ENOENT ? "cannot open file: No such file or directory" :
		    errno == EACCES ? "cannot open file: Permission denied" : "cannot read file";
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	line = xstrdup(str_trim(text));
	free(text);
	return line;
}

bool config_is_set(const struct config *c, const char *name)
{
	int id = sym_find(c, name);

	return id >= 0 && c->sym[id].raw != NULL;
}

const char *config_location(const struct config *c, const char *name, int *line_r)
{
	int id = sym_find(c, name);

	if (id >= 0)
		return scope_value_location(c, NULL, id, line_r);
	*line_r = 0;
	return c->main_path;
}
