/* rights.c - authorized_mailq_users, authorized_flush_users, authorized_submit_users: compiled with every
 * generation, looked up by the name of the caller's uid. Names come from a worker, for getpwuid() may ask the
 * network; an answer is good for a while. */
#include "server.h"
#include <postrider/service.h>
#include <pwd.h>
#include <stdlib.h>

enum { NAMES_LIMIT_MS = 20 * 1000, NAME_BUF = 16384, NAME_BYTES = 256 };

static const char *const refusals[RIGHTS] = { "view the mail queue", "flush the mail queue", "submit mail" };
struct rights { struct match_list *list[RIGHTS]; };

static void *compile(struct generation *g, struct problems *problems)
{
	const struct view *v = generation_view(g);
	struct rights *r = xcalloc(1, sizeof(*r));
	struct tables *t = generation_tables(g);

	r->list[RIGHT_MAILQ] = match_list_new(t, MATCH_STRING, "authorized_mailq_users", view_str(v, authorized_mailq_users), false, problems);
	r->list[RIGHT_FLUSH] = match_list_new(t, MATCH_STRING, "authorized_flush_users", view_str(v, authorized_flush_users), false, problems);
	r->list[RIGHT_SUBMIT] = match_list_new(t, MATCH_STRING, "authorized_submit_users", view_str(v, authorized_submit_users), false, problems);
	return r;
}

static struct generation_hook hook = { .name = "control", .compile = compile, .release = free };

void rights_init(void)
{
	generation_hook_register(&hook);
}

struct match_list *rights_list(enum right right)
{
	struct rights *r = generation_state(generation_current(), &hook);

	return r->list[right];
}

const char *rights_refusal(enum right right)
{
	return refusals[right];
}

/* ---- names ------------------------------------------------------------------------------------------ */

struct who { uid_t uid; char name[NAME_BYTES]; };	/* made and freed on the loop */
static struct worker_class *class_;

static void look_up(void *data)
{
	struct who *w = data;
	struct passwd pw, *found = NULL;
	char *b = xmalloc(NAME_BUF);

	if (getpwuid_r(w->uid, &pw, b, NAME_BUF, &found) == 0 && found != NULL)
		str_copy(w->name, pw.pw_name, sizeof(w->name));
	else
		str_copy(w->name, "unknown", sizeof(w->name));
	free(b);
}

void rights_open(void)
{
	class_ = worker_class_new("nss control", 2, 300);
}

void rights_close(void)
{
	worker_class_free(&class_);
}

void rights_who_start(struct job_op *op, struct task *t, uid_t uid)
{
	struct who *w = xcalloc(1, sizeof(*w));

	w->uid = uid;
	job_start(op, t, class_, look_up, w, free, NAMES_LIMIT_MS);
}

char *rights_who_name(struct job_op *op)
{
	return xstrdup(((struct who *)op->data)->name);
}
