/* check.c - postrider check: everything that is wrong or without effect in the configuration, in one go.
 * It loads as a start would (tables opened, rule lists compiled) and adds the strict report of module config. */
#include "postrider.h"
#include <postrider/buf.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/parent.h>
#include <postrider/service.h>
#include <postrider/table.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_name[] = { "warning", "error", "fatal" };

void print_problems(const struct problems *problems, enum problem_level least)
{
	const struct problem *p;

	TAILQ_FOREACH(p, problems, link) {
		if (p->level < least)
			continue;
		fprintf(stderr, "postrider: %s: ", level_name[p->level]);
		if (p->file != NULL && p->line > 0)
			fprintf(stderr, "%s, line %d: ", p->file, p->line);
		else if (p->file != NULL)
			fprintf(stderr, "%s: ", p->file);
		fprintf(stderr, "%s\n", p->text);
	}
}

static void print_json(const struct problems *problems, int status)
{
	const struct problem *p;
	struct buf b = { 0 };

	buf_addf(&b, "{\"status\": %d, \"problems\": [", status);
	TAILQ_FOREACH(p, problems, link) {
		buf_adds(&b, p == TAILQ_FIRST(problems) ? "\n  {\"level\": " : ",\n  {\"level\": ");
		buf_add_json(&b, level_name[p->level]);
		if (p->file != NULL) {
			buf_adds(&b, ", \"file\": ");
			buf_add_json(&b, p->file);
		}
		if (p->line > 0)
			buf_addf(&b, ", \"line\": %d", p->line);
		buf_adds(&b, ", \"text\": ");
		buf_add_json(&b, p->text);
		buf_addc(&b, '}');
	}
	buf_adds(&b, "]}\n");
	fputs(buf_str(&b), stdout);
	buf_release(&b);
}

/* What is said of a parameter whose value is another's ("$mynetworks"), too, is said once. */
static const char *matter(const struct problem *p)
{
	size_t n = strspn(p->text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && strncmp(p->text + n, ": ", 2) == 0 ? p->text + n : p->text;
}

/* The same complaint can come from the load and from the report. */
static void drop_repeated(struct problems *problems)
{
	struct problem *p, *q, *next;

	TAILQ_FOREACH(p, problems, link)
		for (q = TAILQ_NEXT(p, link); q != NULL; q = next) {
			next = TAILQ_NEXT(q, link);
			if (q->line == p->line && strcmp(matter(q), matter(p)) == 0 &&
			    (q->file == p->file || (q->file != NULL && p->file != NULL && strcmp(q->file, p->file) == 0)))
				problem_free(problems, q);
		}
}

int command_check(const struct options *o)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct generation *g;
	char *dir;
	bool any;
	int status;

	loop_init();
	table_init();
	relay_classes_register();
	dir = realpath(o->config_dir, NULL);	/* as a start sees it: values may begin with $config_directory */
	g = generation_check(dir != NULL ? dir : o->config_dir, &o->overrides, &problems);
	rules_check(generation_config(g), &problems);
	config_check(generation_config(g), &problems);
	config_place(generation_config(g), &problems);
	generation_unref(&g);
	drop_repeated(&problems);
	status = problems_worst(&problems, &any) >= PROBLEM_ERROR ? 2 : 1;
	if (!any)
		status = 0;
	if (o->json)
		print_json(&problems, status);
	else
		print_problems(&problems, PROBLEM_WARNING);
	free(dir);
	problems_release(&problems);
	table_release();
	loop_release();
	return status;
}

int command_set_permissions(const struct options *o)
{
	struct config *c = load_main_or_exit(o);
	const struct view *v = config_view(c);
	struct parent_plan plan = { .uid = geteuid(), .gid = getegid() };
	struct passwd *pw = getpwnam(view_str(v, mail_owner));
	int err;

	if (geteuid() == 0) {
		char *why = owner_unfit(v, pw);

		if (why != NULL)
			log_fatal("file %s/main.cf: %s", o->config_dir, why);
		plan.uid = pw->pw_uid;
		plan.gid = pw->pw_gid;
	}
	plan.queue_directory = xstrdup(view_str(v, queue_directory));
	plan.data_directory = xstrdup(view_str(v, data_directory));
	if (make_queue_directories(&plan, &err) < 0)
		log_fatal("%s: %s", plan.queue_directory, strerror(err));
	free(plan.queue_directory);
	free(plan.data_directory);
	config_unref(&c);
	return 0;
}
