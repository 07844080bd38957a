/* plugin.c - table types whose code is looked for when a table of the type is first opened.
 * table_NAME.so is beside the program (a build that is not installed) or in PLUGIN_DIR; it stays loaded. Loading reads
 * files, so it is done where tables are opened: while a configuration loads, never on the loop. */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "client.h"

#ifndef PLUGIN_DIR
#define PLUGIN_DIR "/usr/local/lib/postrider"
#endif
enum { PATH_SIZE = 4096 };

static struct plugin {
	struct table_class class;
	const struct table_client *client;
	char		*why;		/* could not be loaded: not tried again */
	bool		 tried;
} plugins[] = {
	{ .class = CLIENT_CLASS("ldap") },
	{ .class = CLIENT_CLASS("mysql") },
	{ .class = CLIENT_CLASS("pgsql") },
	{ .class = CLIENT_CLASS("redis") },
};
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static struct plugin *find(const char *type)
{
	for (size_t i = 0; i < NELEM(plugins); i++)
		if (strcmp(plugins[i].class.type, type) == 0)
			return &plugins[i];
	return NULL;
}

const struct table_class *plugin_class(const char *type)
{
	struct plugin *p = find(type);

	return p != NULL ? &p->class : NULL;
}

/* Beside the program, else where make install puts it. */
static void *open_file(const char *type, char **why_r)
{
	char path[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash, *file;
	void *handle;

	path[MAX(n, 0)] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	file = xasprintf("%s/table_%s.so", path, type);
	if (slash == NULL || access(file, R_OK) < 0) {
		free(file);
		file = xasprintf("%s/table_%s.so", PLUGIN_DIR, type);
	}
	handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		*why_r = xstrdup(dlerror());
	free(file);
	return handle;
}

static void load(struct plugin *p)
{
	const struct table_client *client;
	void *handle = open_file(p->class.type, &p->why);

	p->tried = true;
	if (handle == NULL)
		return;
	client = dlsym(handle, TABLE_CLIENT_SYMBOL);
	if (client == NULL || client->abi != TABLE_CLIENT_ABI || strcmp(client->type, p->class.type) != 0)
		p->why = xasprintf("table_%s.so is of another release", p->class.type);
	else if (client->init != NULL && !client->init())
		p->why = xasprintf("table_%s.so: its library cannot be used", p->class.type);
	else
		p->client = client;
}

static void init_sqlite(void)
{
	client_sqlite.init();
}

const struct table_client *client_find(const char *type, char **why_r)
{
	static pthread_once_t sqlite_once = PTHREAD_ONCE_INIT;
	struct plugin *p = find(type);

	if (p == NULL) {
		pthread_once(&sqlite_once, init_sqlite);
		return &client_sqlite;
	}
	pthread_mutex_lock(&loading);
	if (!p->tried)
		load(p);
	if (p->client == NULL && why_r != NULL)
		*why_r = xasprintf("unsupported dictionary type: %s. %s", type, p->why);
	pthread_mutex_unlock(&loading);
	return p->client;
}

void plugin_types(struct strs *out)
{
	for (size_t i = 0; i < NELEM(plugins); i++)
		if (client_find(plugins[i].class.type, NULL) != NULL)
			strs_add(out, plugins[i].class.type);
}
