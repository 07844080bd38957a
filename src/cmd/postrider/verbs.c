/* verbs.c - reads the command line and calls the verb. The same program is "postfix" by another name. */
#include "postrider.h"
#include <postrider/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <getopt.h>

static const struct command {
	const char	*name;
	int		(*run)(const struct options *);
	const char	*help;		/* NULL: internal */
} commands[] = {
	{ "start", command_start, "start in the background; returns when listening" },
	{ "start-fg", command_start_fg, "start in the foreground" },
	{ "stop", command_stop, "stop politely: finish what is under way, within postrider_drain_time_limit" },
	{ "abort", command_abort, "stop at once" },
	{ "reload", command_reload, "read the configuration again" },
	{ "check", command_check, "report problems of the configuration; exit status 0 fine, 1 warnings, 2 errors (--json)" },
	{ "explain", command_explain, "what becomes of an address, step by step: explain ADDRESS [--sender A] [--service S] [--json]" },
	{ "status", command_status, "is it running, and how is it; exit status 0 or 1 (--json)" },
	{ "flush", command_flush, "attempt to deliver everything that was deferred" },
	{ "set-permissions", command_set_permissions, "make the queue's directories, with their owners and modes" },
	{ "plan", command_plan, NULL },
	{ "relay", command_relay, NULL },
};

static int usage(void)
{
	fprintf(stderr, "usage: postrider [-c config_dir] [-o name=value] [-v] command\n");
	for (size_t i = 0; i < NELEM(commands); i++)
		if (commands[i].help != NULL)
			fprintf(stderr, "  %-16s %s\n", commands[i].name, commands[i].help);
	return 1;
}

static void keep(struct options *o, char *arg)
{
	o->self_argv = xreallocarray(o->self_argv, o->self_argc + 2, sizeof(*o->self_argv));
	o->self_argv[o->self_argc++] = arg;
	o->self_argv[o->self_argc] = NULL;
}

static bool parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "test-clock", required_argument, NULL, 'T' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	keep(o, argv[0]);
	while ((c = getopt_long(argc, argv, "+c:o:vDh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config_dir = optarg;
			break;
		case 'o':
			strs_add(&o->overrides, optarg);
			keep(o, xstrdup("-o"));
			keep(o, optarg);
			break;
		case 'T':
			o->test_clock = optarg;
			keep(o, xstrdup("--test-clock"));
			keep(o, optarg);
			break;
		case 'j':
			o->json = true;
			break;
		case 'v':
			o->verbose = true;
			keep(o, xstrdup("-v"));
			break;
		case 'D':
			break;		/* Postfix: run under a debugger */
		default:
			return false;
		}
	}
	if (o->config_dir == NULL)
		o->config_dir = config_default_dir();
	keep(o, xstrdup("-c"));
	keep(o, xstrdup(o->config_dir));
	return optind < argc;
}

int postrider_main(int argc, char **argv)
{
	static struct options o;	/* for good: the relay borrows from it */
	const char *verb;

	log_program("postrider");
	if (!parse(&o, argc, argv))
		return usage();
	log_set_debug(o.verbose);
	verb = argv[optind++];
	o.argc = argc - optind;
	o.argv = argv + optind;
	if (strcmp(verb, "explain") == 0)	/* reads its own arguments */
		return command_explain(&o);
	for (; optind < argc; optind++)		/* options are understood behind the verb, too */
		if (strcmp(argv[optind], "--json") == 0)
			o.json = true;
		else
			return usage();
	for (size_t i = 0; i < NELEM(commands); i++)
		if (strcmp(commands[i].name, verb) == 0)
			return commands[i].run(&o);
	return usage();
}
