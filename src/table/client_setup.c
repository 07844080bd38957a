/* client_setup.c - the parameters of a table that asks a server.
 * mysql:/path reads them from a file with main.cf's syntax but without its $name; mysql:name takes name_parameter from
 * main.cf. What is wrong is said in the words Postfix ends with; the table then answers nothing but that it cannot
 * tell. The parameters that all types have (domain, result_format, expansion_limit) are asked for here. */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/file.h>

#include "client.h"

enum { FILE_COPY_MAX = 1 << 20, LIMIT_MS = 30000, THREADS = 8, IDLE_S = 60 };

void client_fail(struct client_setup *c, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	if (c->why == NULL) {
		buf_vaddf(&b, fmt, ap);
		c->why = buf_steal(&b);
	}
	va_end(ap);
}

void client_warn(struct client_setup *c, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	table_warn(c->env, NULL, 0, "%s", buf_str(&b));
	buf_release(&b);
}

const char *client_text(struct client_setup *c, const char *fmt, ...)
{
	struct buf b = { 0 };
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	text = arena_strdup(&c->backend->strings, buf_str(&b));
	buf_release(&b);
	return text;
}

const char *client_name(const struct client_setup *c)
{
	return c->backend->name;
}

int client_limit_ms(const struct client_setup *c)
{
	return c->backend->limit_ms;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* "name = value" in place; NULL or what is wrong with it. */
static const char *split_line(char *line, char **name_r, char **value_r)
{
	char *name = str_trim(line), *end = name, *p;

	while (*end != '\0' && *end != '=' && !is_space(*end))
		end++;
	if (end == name)
		return "missing attribute name";
	for (p = end; is_space(*p); )
		p++;
	if (*p != '=')
		return "missing '=' after attribute name";
	*end = '\0';
	*name_r = name;
	*value_r = str_trim(p + 1);
	return NULL;
}

static void file_read_all(struct client_setup *c, const char *path)
{
	struct source s = { .path = path, .env = c->env };
	char *line, *name, *value, *old;

	if ((c->why = source_open_file(&s, "open", path)) != NULL)
		return;
	while (c->why == NULL && (line = source_line(&s)) != NULL) {
		char *copy = xstrdup(line);
		const char *fault = split_line(line, &name, &value);

		if (fault != NULL) {
			client_fail(c, "%s, line %d: %s: \"%s\"", path, s.line, fault, str_trim(copy));
		} else {
			old = hash_set(&c->file, name, xstrdup(value));
			if (old != NULL)
				client_warn(c, "%s, line %d: overriding earlier entry: %s=%s", path, s.line, name,
				    strstr(name, "pass") != NULL || strstr(name, "_pw") != NULL ? "..." : old);
			free(old);
		}
		free(copy);
	}
	source_close(&s);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static const char *lookup(const struct client_setup *c, const char *name)
{
	const struct config *config = c->env->set->config;
	const char *value;
	char *full;

	if (c->from_file)
		return hash_get(&c->file, name);
	if (config == NULL)
		return NULL;
	full = xasprintf("%s_%s", c->backend->name, name);
	value = view_lookup(config_view(config), full);
	free(full);
	return value;
}

/* What a parameter is called in a complaint. */
static const char *where(struct client_setup *c, const char *name)
{
	return c->from_file ? name : arena_printf(&c->backend->strings, "%s_%s", c->backend->name, name);
}

static const char *file_prefix(struct client_setup *c)
{
	return c->from_file ? arena_printf(&c->backend->strings, "%s: ", c->backend->name) : "";
}

static const char *get(struct client_setup *c, const char *name, const char *def)
{
	const char *value = lookup(c, name);

	if (value == NULL)
		value = def;
	if (value == NULL)
		return NULL;
	buf_addf(&c->digest, "%s=%s\n", name, value);
	return arena_strdup(&c->backend->strings, value);
}

const char *client_str(struct client_setup *c, const char *name, const char *def, bool required)
{
	const char *value = get(c, name, def);

	if (required && *value == '\0')
		client_fail(c, "%sbad string length 0 < 1: %s = ", file_prefix(c), where(c, name));
	return value;
}

int client_int(struct client_setup *c, const char *name, int def, int min, int max)
{
	const char *text = get(c, name, NULL);
	int64_t n = def;

	if (text != NULL && !str_to_int(text, INT32_MIN, INT32_MAX, &n))
		client_fail(c, "%sbad numerical configuration: %s = %s", file_prefix(c), where(c, name), text);
	else if (min != 0 && n < min)
		client_fail(c, "%sinvalid %s parameter value %d < %d", file_prefix(c), where(c, name), (int)n, min);
	else if (max != 0 && n > max)
		client_fail(c, "%sinvalid %s parameter value %d > %d", file_prefix(c), where(c, name), (int)n, max);
	return (int)n;
}

bool client_bool(struct client_setup *c, const char *name, bool def)
{
	const char *text = get(c, name, NULL);
	bool on = def;

	if (text != NULL && !config_parse_bool(text, &on))
		client_fail(c, "%sbad boolean configuration: %s = %s", file_prefix(c), where(c, name), text);
	return on;
}

const char *client_sql(struct client_setup *c)
{
	const char *query = client_str(c, "query", "", false), *table, *field, *key;

	if (*query != '\0')
		return query;
	table = client_str(c, "table", "", true);
	field = client_str(c, "select_field", "", true);
	key = client_str(c, "where_field", "", true);
	return arena_printf(&c->backend->strings, "SELECT %s FROM %s WHERE %s='%%s' %s", field, table, key,
	    client_str(c, "additional_conditions", "", false));
}

bool client_template(struct client_setup *c, const char *text, bool result)
{
	bool depends = false;

	if (!template_parse(&c->backend->needs, text, result, &depends)) {
		depends = true;			/* for all we know */
		client_fail(c, "db_common_parse: %s: Invalid %s template: %s", c->backend->name,
		    result ? "result" : "query", text);
	}
	if (result)
		c->result_format = text;
	return depends;
}

/* A file that only root may read was opened by the parent: the library, which wants a path, gets a copy in memory. */
const char *client_file(struct client_setup *c, const char *path)
{
	struct backend *b = c->backend;
	size_t len;
	char *text;
	int fd;

	if (*path == '\0' || access(path, R_OK) == 0 || errno != EACCES ||
	    (text = file_read(path, FILE_COPY_MAX, &len)) == NULL)
		return path;
	fd = memfd_create("postrider-copy", MFD_CLOEXEC);
	if (fd >= 0 && file_write_full(fd, text, len) == 0) {
		b->fd = xreallocarray(b->fd, b->n_fd + 1, sizeof(*b->fd));
		b->fd[b->n_fd++] = fd;
		path = arena_printf(&b->strings, "/proc/self/fd/%d", fd);
	} else if (fd >= 0) {
		close(fd);
	}
	explicit_bzero(text, len);
	free(text);
	return path;
}

void client_hosts(struct client_setup *c, const char *name, const char *def,
    void (*parse)(struct client_setup *, struct client_host *, char *text), int retry_ms)
{
	struct backend *b = c->backend;
	struct strs list = { 0 };

	strs_split(&list, client_str(c, name, "", false), " ,\t\r\n");
	if (list.n == 0)
		strs_add(&list, def);
	b->host = xcalloc(list.n, sizeof(*b->host));
	b->n_hosts = list.n;
	b->retry_us = (int64_t)retry_ms * 1000;
	for (size_t i = 0; i < list.n; i++) {
		b->host[i].at.text = arena_strdup(&b->strings, list.v[i]);
		parse(c, &b->host[i].at, arena_strdup(&b->strings, list.v[i]));
	}
	strs_release(&list);
}

static void common_parameters(struct client_setup *c)
{
	struct backend *b = c->backend;
	const char *domain;

	if (c->result_format == NULL)
		client_template(c, client_str(c, "result_format", "%s", true), true);
	b->result_format = c->result_format;
	b->expansion_limit = client_int(c, "expansion_limit", 0, 0, 0);
	domain = client_str(c, "domain", "", false);
	if (*domain != '\0' && c->why == NULL)
		b->domain = match_list_new(c->env->set, MATCH_STRING, b->name, domain, false, c->env->problems);
	b->idle_us = (int64_t)client_int(c, "idle_interval", IDLE_S, 1, 0) * 1000000;
	if (b->n_hosts == 0) {
		b->host = xcalloc(1, sizeof(*b->host));
		b->host->at.text = "";
		b->n_hosts = 1;
	}
}

static void free_value(void *p)
{
	explicit_bzero(p, strlen(p));
	free(p);
}

void setup_begin(struct client_setup *c, struct backend *b, struct table_env *env, const char *name)
{
	*c = (struct client_setup){ .env = env, .client = b->client, .backend = b,
	    .from_file = *name == '/' || *name == '.' };
	b->name = xstrdup(name);
	if (c->from_file)
		file_read_all(c, name);
}

char *setup_end(struct client_setup *c)
{
	hash_release(&c->file, free_value);
	c->backend->digest = buf_steal(&c->digest);
	return c->why;
}

char *backend_setup(struct backend *b, struct table_env *env, const char *name)
{
	struct client_setup c;

	setup_begin(&c, b, env, name);
	b->label = xasprintf("%s:%s", b->client->type, name);
	b->limit_ms = env->set->client_limit_ms > 0 ? env->set->client_limit_ms : LIMIT_MS;
	b->threads = env->set->client_connections > 0 ? (unsigned)env->set->client_connections : THREADS;
	if (c.why == NULL)
		b->table = b->client->open(&c);
	if (c.why == NULL)
		common_parameters(&c);
	return setup_end(&c);
}
