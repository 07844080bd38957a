/* postmap.c - makes, changes, lists and asks lookup tables; as postalias, those of aliases. Options, texts and exit
 * statuses are those of Postfix's postmap(1) and postalias(1). The default action is to make an indexed table of a
 * source; everything else is one of -i, -d, -q, -s. */
#include "postmap.h"
#include <postrider/log.h>
#include <postrider/table.h>
#include <postrider/tableedit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
	const char	*config_dir;
	const char	*query, *remove;	/* a key, "-": from standard input */
	bool		 list;
	unsigned	 message;		/* MESSAGE_* */
	bool		 force_utf8;
	struct table_build build;
};

static bool aliases;			/* the program is postalias */

static void usage(void)
{
	if (aliases)
		log_fatal("usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...");
	log_fatal("usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...");
}

/* -s, -q and -d exclude each other; postalias and postmap name them in their own order. */
static void only_one(const struct options *o, bool list)
{
	if (o->query != NULL || o->remove != NULL || (!list && o->list))
		log_fatal("specify only one of %s -q or -d", list ? "-s or" : "-s");
}

static bool common_option(struct options *o, int c)
{
	switch (c) {
	case 'N':
		o->build.no_nul = false;
		return true;
	case 'c':
		o->config_dir = optarg;
		return true;
	case 'd':
		only_one(o, false);
		o->remove = optarg;
		return true;
	case 'f':
		o->build.flags &= ~TABLE_FOLD;
		return true;
	case 'i':
		o->build.update = true;
		return true;
	case 'n':
		o->build.no_nul = true;
		return true;
	case 'o':
		o->build.keep_rights = true;
		return true;
	case 'p':
		o->build.plain_mode = true;
		return true;
	case 'q':
		only_one(o, false);
		o->query = optarg;
		return true;
	case 'r':
		o->build.duplicates = TABLE_DUP_REPLACE;
		return true;
	case 's':
		only_one(o, true);
		o->list = true;
		return true;
	case 'u':
		o->build.flags &= ~TABLE_UTF8;
		return true;
	case 'v':
		log_set_debug(true);
		return true;
	case 'w':
		o->build.duplicates = TABLE_DUP_IGNORE;
		return true;
	default:
		return false;
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, aliases ? "+Nc:d:finopq:rsuvw" : "+Nbc:d:fFhimnopq:rsuUvw")) != -1) {
		if (common_option(o, c))
			continue;
		switch (c) {
		case 'F':
			o->build.flags |= TABLE_RHS_IS_FILE;
			break;
		case 'U':
			o->force_utf8 = true;
			break;
		case 'b':
			o->message |= MESSAGE_BODY;
			break;
		case 'h':
			o->message |= MESSAGE_HEADER;
			break;
		case 'm':
			o->message |= MESSAGE_MIME;
			break;
		default:
			usage();
		}
	}
	if (o->message != 0 && (o->query == NULL || strcmp(o->query, "-") != 0))
		log_fatal("specify -b -h or -m only with \"-q -\"");
	if (o->message == MESSAGE_MIME) {
		log_warn(NULL, "ignoring -m option without -b or -h");
		o->message = 0;
	}
	if (o->message != 0 && !o->force_utf8)
		o->build.flags &= ~TABLE_UTF8;
	if (optind == argc)
		usage();
}

/* ---- the actions ------------------------------------------------------------------------------------------ */

static void build(const struct options *o, const struct view *v, char *const *specs, size_t n)
{
	struct tables *set = tables_new(v);

	for (size_t i = 0; i < n; i++) {
		struct problems warnings = TAILQ_HEAD_INITIALIZER(warnings);
		struct table_build b = o->build;
		char *type = xstrndup(specs[i], strcspn(specs[i], ":")), *why;
		const struct problem *p;

		b.type = type;
		b.name = specs[i] + strlen(type) + 1;
		b.aliases = aliases;
		b.hostname = view_str(v, myhostname);
		why = table_build(set, &b, &warnings);
		TAILQ_FOREACH(p, &warnings, link)
			log_warn(NULL, "%s", p->text);
		if (why != NULL)
			log_fatal("%s", why);
		problems_release(&warnings);
		free(type);
	}
	tables_unref(&set);
}

static struct strs keys_to_remove(const struct options *o)
{
	struct strs keys = { 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (strcmp(o->remove, "-") != 0) {
		strs_add(&keys, o->remove);
		return keys;
	}
	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		strs_add(&keys, line);
	}
	free(line);
	return keys;
}

/* From every table: true if any key was there. */
static bool remove_keys(const struct options *o, const struct view *v, char *const *specs, size_t n)
{
	struct strs keys = keys_to_remove(o);
	bool found = false;
	char *why = NULL;

	for (size_t i = 0; i < n && keys.n > 0; i++) {
		struct table_removal *x = table_removal_start(specs[i], o->build.flags, view_bool(v, smtputf8_enable),
		    &why);

		if (x == NULL)
			log_fatal("%s", why);
		for (size_t k = 0; k < keys.n; k++)
			found = table_removal_key(x, keys.v[k]) > 0 || found;
		if ((why = table_removal_end(&x)) != NULL)
			log_fatal("%s", why);
	}
	strs_release(&keys);
	return found;
}

struct listing { struct query *q; struct table *table; struct buf value; };

static bool list_entry(void *arg, const char *key, const char *value)
{
	struct listing *l = arg;

	if (l->q->decode) {
		if (!query_decode(l->table, key, value, &l->value))
			return true;
		value = buf_str(&l->value);
	}
	printf("%s%s%s\n", key, l->q->colon, value);
	return true;
}

static void list(struct query *q)
{
	struct listing l = { .q = q };
	const char *why;

	if (strncmp(q->spec[0], "proxy:", 6) == 0)
		log_fatal("can't sequence maps via the proxy service");
	l.table = query_table(q, 0);
	if ((why = table_each(l.table, list_entry, &l)) != NULL)
		log_fatal("table %s: %s", q->spec[0], why);
	buf_release(&l.value);
}

static bool ask(struct query *q, const struct options *o)
{
	if (strcmp(o->query, "-") == 0)
		return o->message != 0 ? query_message(q, o->message) : query_lines(q, query_print);
	if (!query_find(q, o->query))
		return false;
	fwrite(buf_str(&q->value), 1, q->value.len, stdout);
	putchar('\n');
	return true;
}

/* "file" is "default_type:file". */
static char **full_specs(char *const *args, size_t n, const char *type)
{
	char **specs = xcalloc(n + 1, sizeof(*specs));

	for (size_t i = 0; i < n; i++)
		specs[i] = strchr(args[i], ':') != NULL ? xstrdup(args[i]) : xasprintf("%s:%s", type, args[i]);
	return specs;
}

int main(int argc, char **argv)
{
	struct options o = { .build.flags = TABLE_FOLD | TABLE_UTF8 };
	struct config *config;
	const struct view *v;
	struct query q;
	char **specs;
	size_t n;
	bool found = true;

	argv[0] = (char *)(uintptr_t)cmd_name(argv[0]);
	aliases = strcmp(argv[0], "postalias") == 0;
	log_program(argv[0]);
	parse(&o, argc, argv);
	config = cmd_load(o.config_dir != NULL ? o.config_dir : config_default_dir());
	v = config_view(config);
	umask(022);
	if (geteuid() == 0)
		cmd_clean_environment(v);
	n = (size_t)(argc - optind);
	specs = full_specs(argv + optind, n, view_str(v, default_database_type));
	if (o.remove != NULL) {
		found = remove_keys(&o, v, specs, n);
	} else if (o.list || o.query != NULL) {
		query_open(&q, v, specs, n, o.build.flags, (o.build.flags & TABLE_RHS_IS_FILE) != 0);
		q.colon = aliases ? ":\t" : "\t";
		if (o.list)
			list(&q);
		else
			found = ask(&q, &o);
		query_close(&q);
	} else {
		build(&o, v, specs, n);
	}
	for (size_t i = 0; i < n; i++)
		free(specs[i]);
	free(specs);
	config_unref(&config);
	if (fflush(stdout) != 0)
		log_fatal("write error: %s", strerror(errno));
	return found ? 0 : 1;
}
