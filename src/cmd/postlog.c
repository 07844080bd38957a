/* postlog.c - puts lines of scripts into the mail log: the text of the command line, or each line of standard input.
 * Options, texts and exit statuses are those of Postfix's postlog(1). Lines go where the server's go (maillog_file or
 * syslog), and to standard error when that is a terminal. */
#include "cmd.h"
#include <postrider/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const struct { const char *name; enum log_level level; const char *word; } severities[] = {
	{ "info", LOG_LEVEL_INFO, "" }, { "warn", LOG_LEVEL_WARNING, "warning: " },
	{ "warning", LOG_LEVEL_WARNING, "warning: " }, { "error", LOG_LEVEL_ERROR, "error: " },
	{ "fatal", LOG_LEVEL_FATAL, "fatal: " }, { "panic", LOG_LEVEL_PANIC, "panic: " },
};

static struct log_ctx who;
static bool logging;

/* Without a configuration: to syslog. A log that is not there is nobody's to wait for. */
static void open_log(const struct view *v)
{
	const char *path = v != NULL ? view_str(v, maillog_file) : "", *other = getenv("POSTRIDER_SYSLOG_SOCKET");
	struct log_target target = { .path = *path != '\0' ? path : NULL, .facility = "mail" };
	char *why;

	if (v != NULL) {
		target.facility = view_str(v, syslog_facility);
		target.host = view_str(v, myhostname);
		target.json = view_bool(v, postrider_log_json);
		target.mode = (unsigned)strtoul(view_str(v, maillog_file_permissions), NULL, 8);
	}
	if (target.path == NULL && access(other != NULL ? other : "/dev/log", W_OK) < 0)
		return;
	why = log_start(&target);
	if (why != NULL)
		log_fatal("%s", why);
	logging = true;
}

static void say(size_t severity, const char *text)
{
	char *shown = str_printable(xstrdup(text), '?');

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s: %s%s\n", who.name, severities[severity].word, shown);
	if (logging)
		log_at(severities[severity].level, &who, "%s", shown);
	free(shown);
}

static void fail(const char *text) NORETURN;
static void fail(const char *text)
{
	if (!logging)
		open_log(NULL);
	say(4, text);
	if (logging)
		log_stop();
	exit(1);
}

static size_t find_severity(const char *name)
{
	size_t i = 0;

	while (i < NELEM(severities) && !str_ieq(severities[i].name, name))
		i++;
	return i;
}

static void say_lines(size_t severity)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		say(severity, line);
	}
	free(line);
}

static void say_words(size_t severity, char *const *word)
{
	struct buf text = { 0 };

	for (; *word != NULL; word++)
		buf_addf(&text, "%s%s", text.len > 0 ? " " : "", *word);
	say(severity, buf_str(&text));
	buf_release(&text);
}

int main(int argc, char **argv)
{
	const char *dir = NULL, *tag = NULL, *bad = NULL;
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	const struct problem *p;
	struct config *config;
	const struct view *v;
	size_t severity = find_severity("info");
	char *name = NULL, *text;
	int c;

	argv[0] = (char *)(uintptr_t)cmd_name(argv[0]);
	who = (struct log_ctx){ .name = "postfix/postlog", .number = (unsigned)getpid() };
	log_program(who.name);
	while (bad == NULL && (c = getopt(argc, argv, "+c:ip:t:v")) != -1) {
		switch (c) {
		case 'c':
			dir = optarg;
			break;
		case 'p':
			if ((severity = find_severity(optarg)) == NELEM(severities))
				bad = optarg;
			break;
		case 't':
			tag = optarg;
			break;
		case 'i':
		case 'v':
			break;
		default:
			fail("usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]");
		}
	}
	config = config_load_main(dir != NULL ? dir : config_default_dir(), &problems);
	TAILQ_FOREACH(p, &problems, link)
		if (p->level == PROBLEM_FATAL) {
			text = p->line > 0 ? xasprintf("%s, line %d: %s", p->file, p->line, p->text) : xstrdup(p->text);
			fail(text);
		}
	problems_release(&problems);
	v = config_view(config);
	name = tag != NULL ? xstrdup(tag) : xasprintf("%s/postlog", view_str(v, syslog_name));
	who.name = name;
	open_log(v);
	if (bad != NULL) {
		text = xasprintf("bad severity: \"%s\"", bad);
		fail(text);
	}
	if (optind < argc)
		say_words(severity, argv + optind);
	else
		say_lines(severity);
	if (logging)
		log_stop();
	if (severities[severity].level >= LOG_LEVEL_FATAL)	/* a script in a loop should not spin */
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	config_unref(&config);
	free(name);
	return 0;
}
