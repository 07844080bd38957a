/* table_client.c - any bytes as the parameter file of a table that asks a server, and as template, key and value. The
 * client is one that never connects. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <postrider/config.h>

#include "table/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void host(struct client_setup *c UNUSED, struct client_host *h, char *text)
{
	ASSERT(*text != '\0');
	h->name = text;
}

static void *dummy_open(struct client_setup *c)
{
	const char *query;

	client_str(c, "user", "", false);
	client_int(c, "number", 3, 1, 100);
	client_bool(c, "flag", false);
	query = client_sql(c);
	client_template(c, query, false);
	client_hosts(c, "hosts", "localhost", host, 1000);
	return NULL;
}

static const struct table_client dummy = { .abi = TABLE_CLIENT_ABI, .type = "dummy", .open = dummy_open };

static void parameters(const uint8_t *data, size_t size)
{
	static struct view view;
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct strs files = { 0 };
	struct backend b = { .client = &dummy };
	struct table_env env = { .spec = "dummy:x", .problems = &problems, .files = &files };
	int fd = memfd_create("parameters", 0);
	char path[64], *why;

	if (memmem(data, size, "domain", 6) != NULL) {	/* would open tables and files */
		close(fd);
		return;
	}
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	env.set = tables_new(&view);
	ASSERT(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	why = backend_setup(&b, &env, path);
	close(fd);
	ASSERT(why != NULL || (b.n_hosts > 0 && b.result_format != NULL && b.needs.labels <= 9));
	free(why);
	free(b.host);
	free(b.name);
	free(b.label);
	free(b.digest);
	arena_release(&b.strings);
	strs_release(&files);
	problems_release(&problems);
	tables_unref(&env.set);
}

/* As SQLite's: what comes out has every quote twice. */
static void quote(void *arg, const char *part, struct buf *out)
{
	for (; *part != '\0'; part++) {
		*(size_t *)arg += *part == '\'';
		if (*part == '\'')
			buf_addc(out, '\'');
		buf_addc(out, *part);
	}
}

static size_t quotes(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\'';
	return n;
}

static void templates(char *query, char *key, char *value)
{
	struct needs n = { 0 };
	struct buf out = { 0 };
	bool depends = false;
	size_t seen = 0;

	if (!template_parse(&n, query, false, &depends))
		return;
	if (*key != '\0' && template_expand(&n, query, key, NULL, quote, &seen, &out)) {
		ASSERT(template_wants(&n, key));
		ASSERT(quotes(buf_str(&out)) == quotes(query) + 2 * seen);
	} else {
		ASSERT(out.len == 0);
	}
	buf_reset(&out);
	ASSERT(template_parse(&n, query, true, &depends));
	if (*key != '\0' && template_expand(&n, query, value, key, NULL, NULL, &out))
		ASSERT(*value != '\0' && template_wants(&n, key));
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *key, *value;

	if (size < 1 || size > 20000)
		return 0;
	if (data[0] & 1) {
		parameters(data + 1, size - 1);
		return 0;
	}
	text = xstrndup((const char *)data + 1, size - 1);
	key = strchr(text, '\n');
	value = key != NULL ? strchr(key + 1, '\n') : NULL;
	if (value != NULL) {
		*key++ = *value++ = '\0';
		templates(text, key, value);
	}
	free(text);
	return 0;
}
