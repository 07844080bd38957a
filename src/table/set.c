/* set.c - the tables of one configuration, and what every table type is registered with.
 * One spec with one set of flags is one table, however many parameters name it. All
 * is freed together. A table that cannot be opened is a table too: it has no contents and
 * the reason, so the server starts and only requests that need it fail, for now. */
#include <postrider/config.h>
#include <postrider/log.h>

#include "client.h"
#include "match.h"

enum { CLASS_MAX = 64 };
static const struct table_class *registered[CLASS_MAX];
static size_t n_registered;

static const struct table_class *class_find(const char *type)
{
	for (size_t i = n_registered; i-- > 0; )
		if (strcmp(registered[i]->type, type) == 0)
			return registered[i];
	for (size_t i = 0; table_builtin[i] != NULL; i++)
		if (strcmp(table_builtin[i]->type, type) == 0)
			return table_builtin[i];
	return plugin_class(type);
}

void table_register(const struct table_class *class)
{
	ASSERT(n_registered < CLASS_MAX && class->abi == TABLE_ABI);
	registered[n_registered++] = class;
}

bool table_type_known(const char *type)
{
	return strcmp(type, "proxy") == 0 || class_find(type) != NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void table_types(struct strs *out)
{
	strs_add(out, "proxy");
	for (size_t i = 0; table_builtin[i] != NULL; i++)
		strs_add(out, table_builtin[i]->type);
	plugin_types(out);
	for (size_t i = 0; i < n_registered; i++) {
		bool seen = false;

		for (size_t k = 0; k < out->n; k++)
			seen = seen || strcmp(out->v[k], registered[i]->type) == 0;
		if (!seen)
			strs_add(out, registered[i]->type);
	}
	qsort(out->v, out->n, sizeof(*out->v), by_name);
}

/* ---- the set ------------------------------------------------------------------------------- */

struct tables *tables_new(const struct view *view)
{
	struct tables *set = xcalloc(1, sizeof(*set));

	set->refs = 1;
	set->smtputf8 = view_bool(view, smtputf8_enable);
	set->socketmap_query_max = (size_t)view_int(view, socketmap_max_query_size);
	set->socketmap_reply_max = (size_t)view_int(view, socketmap_max_reply_size);
	set->queue_directory = xstrdup(view_str(view, queue_directory));
	set->data_directory = xstrdup(view_str(view, data_directory));
	set->alias_specs = xasprintf("%s %s", view_str(view, alias_maps), view_str(view, alias_database));
	set->config = view->config != NULL ? config_ref(view->config) : NULL;
	set->client_limit_ms = view_secs(view, postrider_table_time_limit) * 1000;
	set->client_connections = view_int(view, postrider_table_connections);
	SLIST_INIT(&set->watched);
	SLIST_INIT(&set->maps);
	SLIST_INIT(&set->lists);
	return set;
}

struct tables *tables_ref(struct tables *set)
{
	set->refs++;
	return set;
}

static void table_free(void *p)
{
	struct table *t = p;

	watched_release(&t->watched);
	if (t->data != NULL)
		table_data_unref(t->data);
	free(t->spec);
	free(t);
}

void tables_free_now(struct tables *set)
{
	struct match_list *list;
	struct maps *maps;

	while ((maps = SLIST_FIRST(&set->maps)) != NULL) {
		SLIST_REMOVE_HEAD(&set->maps, link);
		maps_free(maps);
	}
	while ((list = SLIST_FIRST(&set->lists)) != NULL) {
		SLIST_REMOVE_HEAD(&set->lists, link);
		match_list_free(list);
	}
	hash_release(&set->by_spec, table_free);
	free(set->queue_directory);
	free(set->data_directory);
	free(set->alias_specs);
	config_unref(&set->config);
	free(set);
}

static void free_set(void *p)
{
	tables_free_now(p);
}

void tables_unref(struct tables **setp)
{
	struct tables *set = *setp;

	*setp = NULL;
	if (set == NULL || --set->refs > 0)
		return;
	tables_stop_following(set);
	dispose(free_set, set);
}

void tables_watch(struct tables *set)
{
	tables_start_following(set);
}

const char *tables_queue_directory(const struct tables *set)
{
	return set->queue_directory;
}

const char *tables_data_directory(const struct tables *set)
{
	return set->data_directory;
}

/* ---- opening ------------------------------------------------------------------------------- */

void table_warn(struct table_env *env, const char *file, int line, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list ap;

	if (env->problems == NULL)
		return;
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	problem_add(env->problems, PROBLEM_WARNING, file, line, "%s", buf_str(&text));
	buf_release(&text);
}

void table_watch_file(struct table_env *env, const char *path)
{
	for (size_t i = 0; i < env->files->n; i++)
		if (strcmp(env->files->v[i], path) == 0)
			return;
	strs_add(env->files, path);
}

/* Always gives contents to answer with: those of a broken table have a reason instead. */
struct table_data *table_data_load(struct table *t, struct problems *problems, struct strs *files)
{
	struct table_env env = { .set = t->set, .spec = t->spec, .flags = t->flags, .problems = problems,
	    .files = files };
	struct table_data *d = xcalloc(1, sizeof(*d));
	char *why = NULL;

	d->refs = 1;
	d->spec = t->spec;
	d->class = t->class;
	if (t->class != NULL)
		d->contents = t->class->open(&env, t->name, &why);
	if (d->contents == NULL) {
		d->why = why != NULL ? why : xasprintf("unsupported dictionary type: %.*s", (int)strcspn(t->spec, ":"),
		    t->spec);
		d->down = xasprintf("%s is unavailable. %s", t->spec, d->why);
		env.pattern = true;
	}
	d->label = xasprintf("%s%s", t->spec, env.suffix != NULL ? env.suffix : "");
	d->pattern = env.pattern;
	d->no_utf8 = env.no_utf8;
	d->fold = (t->flags & TABLE_FOLD) != 0;
	d->utf8 = (t->flags & TABLE_UTF8) != 0 && t->set->smtputf8 && !env.no_utf8;
	return d;
}

static void *table_reload(struct watched *w, struct problems *problems, struct strs *files, char **why_r)
{
	struct table_data *d = table_data_load(CONTAINER_OF(w, struct table, watched), problems, files);

	if (d->contents == NULL)
		*why_r = xstrdup(d->why);
	return d;
}

static void table_swap(struct watched *w, void *contents)
{
	struct table *t = CONTAINER_OF(w, struct table, watched);
	struct table_data *old = t->data;

	t->data = contents;
	table_data_unref(old);
}

static void table_drop(void *contents)
{
	table_data_unref(contents);
}

static const char *table_name(const struct watched *w)
{
	return ((const struct table *)(const void *)((const char *)w - offsetof(struct table, watched)))->spec;
}

static const struct watched_class table_watched = { table_reload, table_swap, table_drop, table_name };

static void table_break(struct table *t, const char *why)
{
	struct table_data *d = xcalloc(1, sizeof(*d));

	d->refs = 1;
	d->spec = t->spec;
	d->label = xstrdup(t->spec);
	d->why = xstrdup(why);
	d->down = xasprintf("%s is unavailable. %s", t->spec, why);
	d->pattern = true;
	t->data = d;
}

/* For whoever reads the configuration, beside Postfix's words: what to do about a type that is not here. Commands keep
 * to those words. */
static const char *type_advice(const struct table *t)
{
	static const struct { const char *type, *advice; } known[] = {
		{ "dbm:", "use hash: or lmdb: with the same source text" }, { "sdbm:", "use hash: or lmdb: with the same source text" },
		{ "cdb:", "use hash: or lmdb: with the same source text" }, { "nis:", "there is no NIS client" },
		{ "nisplus:", "there is no NIS+ client" }, { "netinfo:", "there is no NetInfo client" },
	};

	for (size_t i = 0; t->class == NULL && (t->flags & TABLE_BRIEF) == 0 && i < NELEM(known); i++)
		if (strncmp(t->spec, known[i].type, strlen(known[i].type)) == 0)
			return known[i].advice;
	return NULL;
}

static void table_fill(struct table *t, const char *where, struct problems *problems)
{
	const char *colon = strchr(t->spec, ':');
	struct strs files = { 0 };
	bool unsupported = false;
	char *type;

	if (colon == NULL || colon == t->spec || colon[1] == '\0') {
		table_break(t, "bad table specification");
		if (problems != NULL)
			problem_add(problems, PROBLEM_FATAL, NULL, 0,
			    "%s%sopen dictionary: expecting \"type:name\" form instead of \"%s\"",
			    where != NULL ? where : "", where != NULL ? ": " : "", t->spec);
		return;
	}
	t->name = colon + 1;
	type = xstrndup(t->spec, (size_t)(colon - t->spec));
	t->class = class_find(type);
	if (strcmp(type, "proxy") == 0 && (t->flags & TABLE_NO_PROXY) != 0)
		table_break(t, "proxy map must not be used with this map type");
	else if (strcmp(type, "proxy") == 0)
		t->inner = table_open(t->set, t->name, t->flags, where, problems);
	else {
		unsupported = t->class == NULL;
		t->data = table_data_load(t, problems, &files);
	}
	free(type);
	if (t->data != NULL && t->data->why != NULL && problems != NULL) {
		const char *advice = type_advice(t);

		problem_add(problems, PROBLEM_ERROR, NULL, 0, "%s%s%s", t->data->why, advice != NULL ? ": " : "",
		    advice != NULL ? advice : "");
		if (unsupported)
			problem_about(problems, t->spec);
	}
	t->watched.working = t->data != NULL && t->data->contents != NULL;
	watched_init(&t->watched, &table_watched, t->set, &files);
}

struct table *table_open(struct tables *set, const char *spec, int flags, const char *where, struct problems *problems)
{
	char *key = xasprintf("%x %s", (unsigned)flags, spec);
	struct table *t = hash_get(&set->by_spec, key);

	if (t == NULL) {
		t = xcalloc(1, sizeof(*t));
		t->set = set;
		t->spec = xstrdup(spec);
		t->name = t->spec;
		t->flags = flags;
		table_fill(t, where, problems);
		hash_set(&set->by_spec, key, t);
	}
	free(key);
	return t;
}

const char *table_spec(const struct table *t)
{
	return t->spec;
}

static const struct table *meant(const struct table *t)
{
	while (t->inner != NULL)
		t = t->inner;
	return t;
}

const char *table_broken(const struct table *t)
{
	return meant(t)->data->why;
}

const char *table_label(const struct table *t)
{
	return meant(t)->data->label;
}

bool table_is_fixed(const struct table *t)
{
	return !meant(t)->data->pattern;
}
