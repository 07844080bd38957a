/* generation_help.h - unit tests that need a configuration's generation and nothing else of a server: main.cf written
 * into a private directory, loaded, its problems shown. */
#ifndef GENERATION_HELP_H
#define GENERATION_HELP_H
#include <stdio.h>
#include <postrider/config.h>
#include <postrider/service.h>
#include <tap.h>

#define GENERATION_MAIN "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydomain = example.com\nmyorigin = $mydomain\n" \
			"inet_interfaces = 127.0.0.1\nmaillog_file = /dev/null\n"

/* In *g, in place of what was there. text comes after GENERATION_MAIN. */
static void generation_replace(struct generation **g, const char *dir, const char *text)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct problem *p;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/main.cf", dir);
	f = fopen(path, "w");
	fprintf(f, "%squeue_directory = %s\ndata_directory = %s\n%s", GENERATION_MAIN, dir, dir, text);
	fclose(f);
	if (*g != NULL)
		generation_unref(g);
	*g = generation_load(dir, NULL, &problems);
	TAILQ_FOREACH(p, &problems, link)	/* services of later modules are not known here */
		if (strstr(p->text, "unknown command") == NULL)
			diag("%s", p->text);
	problems_release(&problems);
	ASSERT(*g != NULL);
}
#endif
