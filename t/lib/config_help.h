/* config_help.h - unit tests on top of module service: a configuration in the store's private directory, adopted; a log
 * file; a clock that only moves when the test says so. */
#ifndef CONFIG_HELP_H
#define CONFIG_HELP_H
#include <postrider/config.h>
#include <postrider/file.h>
#include <postrider/service.h>
#include <postrider/table.h>
#include "store_help.h"
#include <sys/stat.h>

static char config_dir_of_test[300];
static int64_t test_wall_us = (int64_t)1800000000 * 1000000, test_mono_ms = 1000000;

/* One pass, the clock moved on by ms. */
__attribute__((unused))
static void pump(int64_t ms)
{
	test_wall_us += ms * 1000;
	test_mono_ms += ms;
	clock_test_set(test_wall_us, test_mono_ms);
	task_wake(&help_task);
	loop_run();
}
/* Passes of 10 ms each until cond holds; after so many the clock stands still, and what threads have to do for it gets
 * 30 s of real time, since a busy machine may need them. */
#define PUMP_UNTIL(cond, passes) do {						\
	for (int pass_ = 0; pass_ < (passes) + 30000 && !(cond); pass_++) {	\
		pump(pass_ < (passes) ? 10 : 0);				\
		usleep(pass_ < (passes) ? 200 : 1000);				\
	}									\
} while (0)

/* Polls from outside the loop, so that what the poll begins is also seen by the end of a pass. */
#define PUMP_FOR(poll) do { while ((poll) == 0) { pump(0); usleep(100); } } while (0)

/* main.cf as text (appended to what every configuration needs), master.cf as text. */
__attribute__((unused))
static void config_adopt(const char *main_cf, const char *master_cf)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct listen_op op = { 0 };
	struct generation *g;
	struct problem *p;
	char path[400], *text;
	bool any;

	str_copy(config_dir_of_test, store_dir, sizeof(config_dir_of_test));
	strcpy(strrchr(config_dir_of_test, '/'), "/etc");
	mkdir(config_dir_of_test, 0755);
	text = xasprintf(
	    "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydomain = example.com\nmyorigin = $mydomain\n"
	    "mydestination = $myhostname, $mydomain\nmynetworks = 127.0.0.0/8\nqueue_directory = %s\ndata_directory = "
	    "%s\n"
	    "mail_owner = root\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n%s",
	    store_dir, store_dir, main_cf);
	snprintf(path, sizeof(path), "%s/main.cf", config_dir_of_test);
	if (file_replace(path, text, strlen(text), 0644) < 0)
		perror(path);
	free(text);
	snprintf(path, sizeof(path), "%s/master.cf", config_dir_of_test);
	if (file_replace(path, master_cf, strlen(master_cf), 0644) < 0)
		perror(path);
	g = generation_load(config_dir_of_test, NULL, &problems);
	TAILQ_FOREACH(p, &problems, link)
		if (p->level >= PROBLEM_ERROR)
			printf("# configuration: %s\n", p->text);
	if (problems_worst(&problems, &any) == PROBLEM_FATAL && any) {
		printf("Bail out! configuration\n");
		exit(1);
	}
	problems_release(&problems);
	generation_adopt_start(&op, &help_task, g);
	WAIT_FOR(generation_adopt_poll(&op));
	if (generation_adopt_poll(&op) < 0) {
		printf("Bail out! not adopted: %s\n", op.why);
		exit(1);
	}
	generation_adopt_end(&op);
	generation_unref(&g);
}

static char log_path[320];
__attribute__((unused))
static void log_begin(void)
{
	struct log_target target = { .path = log_path, .facility = "mail", .mode = 0600 };
	char *why;

	str_copy(log_path, store_dir, sizeof(log_path));
	strcpy(strrchr(log_path, '/'), "/log");
	why = log_start(&target);
	if (why != NULL)
		printf("Bail out! log: %s\n", why);
}

/* Waits for a line that holds text; what stands behind the host name, NULL after two seconds. malloced. */
__attribute__((unused))
static char *log_wait(const char *text)
{
	for (int i = 0; i < 200; i++) {
		char *all = file_read(log_path, 64 << 20, NULL), *at = all != NULL ? strstr(all, text) : NULL, *line;

		if (at != NULL && strchr(at, '\n') != NULL) {
			while (at > all && at[-1] != '\n')
				at--;
			*strchr(at, '\n') = '\0';
			line = strstr(at, "postfix/");
			line = xstrdup(line != NULL ? line : at);
			free(all);
			return line;
		}
		free(all);
		usleep(10000);
	}
	return NULL;
}

/* How many lines hold text now (call log_wait for the last one first). */
__attribute__((unused))
static unsigned log_count(const char *text)
{
	char *all = file_read(log_path, 64 << 20, NULL);
	unsigned n = 0;

	for (const char *p = all; p != NULL && (p = strstr(p, text)) != NULL; p++)
		n++;
	free(all);
	return n;
}
#endif
