/* postsuper.c - the superintendent: delete, hold, release, requeue, expire messages, by id, by a list of ids on standard input, or
 * all of some queues. The store keeps its own structure, so -s, -S and -p are accepted and find nothing to do.
 * Texts and exit statuses are those of Postfix's postsuper(1). */
#include "cmd.h"
#include <postrider/buf.h>
#include <postrider/control.h>
#include <postrider/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW = 64 };		/* ids on their way to the server */

/* In the order in which the totals are told. */
enum { REQUEUE, DELETE, EXPIRE, HOLD, RELEASE, ACTIONS };
static struct action {
	const char	*verb, *done, *total;
	struct strs	 ids;
	bool		 all, used, from_stdin;
	unsigned long	 count;
} actions[ACTIONS] = {
	[REQUEUE] = { .verb = "requeue", .done = "requeued", .total = "Requeued" },
	[DELETE] = { .verb = "delete", .done = "removed", .total = "Deleted" },
	[EXPIRE] = { .verb = "expire", .done = "expired", .total = "Force-expired" },
	[HOLD] = { .verb = "hold", .done = "placed on hold", .total = "Placed on hold" },
	[RELEASE] = { .verb = "release", .done = "released from hold", .total = "Released from hold" },
};
static const int order[] = { HOLD, EXPIRE, RELEASE, REQUEUE, DELETE };	/* of doing them */
static struct strs queues;		/* arguments; none: the usual ones */
static const struct view *view;

static void usage(void)
{
	log_fatal("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] [-f queue_id (expire and/or "
	    "un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] "
	    "[-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]");
}

static bool queue_wanted(const char *name)
{
	size_t i;

	for (i = 0; i < queues.n; i++)
		if (strcmp(queues.v[i], name) == 0)
			return true;
	return queues.n == 0;
}

static void check_queues(void)
{
	static const char *const known[] = { "maildrop", "incoming", "active", "deferred", "hold", "trace", "defer", "bounce", "flush" };
	size_t i, k;

	for (i = 0; i < queues.n; i++) {
		for (k = 0; k < NELEM(known) && strcmp(queues.v[i], known[k]) != 0; k++)
			continue;
		if (k == NELEM(known))
			log_fatal("invalid directory name: %s", queues.v[i]);
	}
}

static void add_id(struct action *a, const char *id)
{
	if (cmd_queue_id_ok(id))
		strs_add(&a->ids, id);
	else
		log_warn(NULL, "invalid mail queue id: %s", id);
}

/* ---- the queue ------------------------------------------------------------------------------------------ */

static struct control_conn *request(const struct action *a, bool all)
{
	struct control_conn *conn;
	struct strs attrs = { 0 };
	enum cmd_queue q;
	char *text;
	size_t i;
	int err;

	q = cmd_queue_open(view, true, &conn, &err);
	if (q == CMD_QUEUE_DENIED)
		log_fatal("the queue cannot be opened: %s", strerror(err));
	if (q == CMD_QUEUE_NONE)
		return NULL;
	text = xasprintf("do=%s", a->verb);
	strs_add(&attrs, text);
	free(text);
	for (i = 0; i < queues.n; i++) {
		text = xasprintf("queue=%s", queues.v[i]);
		strs_add(&attrs, text);
		free(text);
	}
	if (all)
		strs_add(&attrs, "all=1");
	if (control_send(conn, "change", &attrs) < 0)
		log_fatal("the mail system went away");
	strs_release(&attrs);
	return conn;
}

/* One frame of the answer. False: it was the last. */
static bool take_answer(struct control_conn *conn, struct action *a, struct buf *b, bool *answered_r)
{
	char *eq;

	*answered_r = false;
	switch (control_recv(conn, b)) {
	case 'A':
		if ((eq = strchr(b->p, '=')) == NULL)
			return true;
		*eq++ = '\0';
		if (strcmp(b->p, "count") == 0) {
			a->count += strtoul(eq, NULL, 10);
			return true;
		}
		*answered_r = true;
		if (strcmp(eq, "done") == 0)
			log_info(NULL, "%s: %s", b->p, a->done);
		else if (strcmp(eq, "failed") == 0)
			log_warn(NULL, "%s: the queue could not be written", b->p);
		return true;
	case 'O':
		return false;
	case 'E':
		log_fatal("%s", buf_str(b));
	default:
		log_fatal("the mail system went away");
	}
}

/* Ids from the options, then, if `from` is given, from standard input. */
static const char *next_id(struct action *a, size_t *pos, FILE *from)
{
	static char *line;
	static size_t size;
	ssize_t n;

	if (*pos < a->ids.n)
		return a->ids.v[(*pos)++];
	while (from != NULL && (n = getline(&line, &size, from)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (cmd_queue_id_ok(line))
			return line;
		log_warn(NULL, "invalid mail queue id: %s", line);
	}
	return NULL;
}

static bool in_maildrop(struct action *a, const char *id)
{
	if (a != &actions[DELETE] || !queue_wanted("maildrop") || !cmd_maildrop_remove(view, id))
		return false;
	log_info(NULL, "%s: %s", id, a->done);
	a->count++;
	return true;
}

static void change_ids(struct action *a, FILE *from)
{
	struct control_conn *conn = request(a, false);
	size_t pos = 0, waiting = 0;
	struct buf b = { 0 };
	const char *id;
	bool answered;

	while ((id = next_id(a, &pos, from)) != NULL) {
		if (in_maildrop(a, id) || conn == NULL)
			continue;
		if (control_send_data(conn, id, strlen(id)) < 0)
			log_fatal("the mail system went away");
		for (waiting++; waiting >= WINDOW; waiting -= answered)
			take_answer(conn, a, &b, &answered);
	}
	if (conn != NULL) {
		if (control_send_data(conn, NULL, 0) < 0)
			log_fatal("the mail system went away");
		while (take_answer(conn, a, &b, &answered))
			continue;
	}
	control_disconnect(&conn);
	buf_release(&b);
}

static void remove_one(void *arg, const struct maildrop_file *f)
{
	struct action *a = arg;

	a->count += cmd_maildrop_remove(view, f->name);
}

static void change_all(struct action *a)
{
	struct control_conn *conn;
	struct buf b = { 0 };
	bool answered;

	if (a == &actions[DELETE] && queue_wanted("maildrop"))
		cmd_maildrop_each(view, remove_one, a);
	if ((conn = request(a, true)) == NULL)
		return;
	while (take_answer(conn, a, &b, &answered))
		continue;
	control_disconnect(&conn);
	buf_release(&b);
}

static void run(struct action *a)
{
	if (a->ids.n > 0 || a->from_stdin)
		change_ids(a, a->from_stdin ? stdin : NULL);
	if (a->all)
		change_all(a);
}

int main(int argc, char **argv)
{
	struct action *a;
	const char *dir = NULL;
	struct config *config;
	size_t i;
	int c;

	argv[0] = (char *)(uintptr_t)cmd_name(argv[0]);
	log_program("postsuper");
	while ((c = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1) {
		static const char letters[] = "rdehH";
		const char *l = c != '\0' ? strchr(letters, c == 'f' ? 'e' : c) : NULL;

		if (c == 'c')
			dir = optarg;
		else if (c == '?')
			usage();
		if (l == NULL)
			continue;
		actions[RELEASE].used |= c == 'f';
		a = &actions[l - letters];
		a->used = true;
		if (strcmp(optarg, "ALL") == 0) {
			a->all = true;
			actions[RELEASE].all |= c == 'f';
		} else if (strcmp(optarg, "-") == 0) {
			a->from_stdin = true;
			actions[RELEASE].from_stdin |= c == 'f';
		} else {
			add_id(a, optarg);
			if (c == 'f')
				strs_add(&actions[RELEASE].ids, optarg);
		}
	}
	for (; optind < argc; optind++)
		strs_add(&queues, argv[optind]);
	config = cmd_load(dir != NULL ? dir : config_default_dir());
	view = config_view(config);
	if (!cmd_is_queue_owner(view))
		log_fatal("use of this command is reserved for the superuser");
	check_queues();
	for (i = 0; i < NELEM(order); i++)
		run(&actions[order[i]]);
	for (a = actions; a < actions + ACTIONS; a++)
		if (a->used)
			log_info(NULL, "%s: %lu message%s", a->total, a->count, a->count == 1 ? "" : "s");
	config_unref(&config);
	return 0;
}
