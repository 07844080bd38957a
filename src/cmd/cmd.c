/* cmd.c - what the command-line programs share (cmd.h). */
#include "cmd.h"
#include <postrider/log.h>
#include <stdlib.h>
#include <unistd.h>

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
				log_fatal("file %s: line %d: %s", p->file, p->line, p->text);
			log_fatal("%s", p->text);
		}
	problems_release(&problems);
	return c;
}
