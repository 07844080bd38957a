/* postsuper.c - the superintendent: delete, hold, release, requeue, expire messages, by id, by ids on standard
 * input, or all of some queues, in the order of the options. The store keeps its own structure, so -s, -S and -p are
 * accepted and find nothing to do. Texts and exit statuses are those of Postfix's postsuper(1), down to names of queues
 * that are looked at only when the first valid id is there. */
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
	bool		 used;
	unsigned long	 count;
} actions[ACTIONS] = {
	[REQUEUE] = { .verb = "requeue", .done = "requeued", .total = "Requeued" },
	[DELETE] = { .verb = "delete", .done = "removed", .total = "Deleted" },
	[EXPIRE] = { .verb = "expire", .done = "expired", .total = "Force-expired" },
	[HOLD] = { .verb = "hold", .done = "placed on hold", .total = "Placed on hold" },
	[RELEASE] = { .verb = "release", .done = "released from hold", .total = "Released from hold" },
};
struct step { int letter; const char *id; };	/* an option: -d ID; "-": ids from standard input; "ALL" */
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

/* ---- the queue ------------------------------------------------------------------------------------------ */

static struct control_conn *request(const struct action *a, bool all, enum cmd_queue *q_r)
{
	struct control_conn *conn;
	struct strs attrs = { 0 };
	char *text;
	size_t i;
	int err;

	*q_r = cmd_queue_open(view, true, &conn, &err);
	if (*q_r == CMD_QUEUE_DENIED)
		log_fatal("the queue cannot be opened: %s", strerror(err));
	if (*q_r == CMD_QUEUE_NONE)
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

static bool in_maildrop(struct action *a, const char *id)
{
	if (a != &actions[DELETE] || !queue_wanted("maildrop") || !cmd_maildrop_remove(view, id))
		return false;
	log_info(NULL, "%s: %s", id, a->done);
	a->count++;
	return true;
}

/* Ids on their way, as they are read. */
struct sending {
	struct action	*a;
	struct control_conn *conn;
	enum cmd_queue	 q;
	bool		 open;
	size_t		 waiting;
	struct buf	 b;
};

static void sending_wait(struct sending *s, size_t left)
{
	bool answered;

	for (; s->waiting > left; s->waiting -= answered)
		take_answer(s->conn, s->a, &s->b, &answered);
}

static void send_id(struct sending *s, const char *id)
{
	if (!cmd_queue_id_ok(id)) {
		sending_wait(s, 0);	/* what is said keeps the order of the ids */
		log_warn(NULL, "invalid mail queue id: %s", id);
		return;
	}
	check_queues();
	if (in_maildrop(s->a, id))
		return;
	if (!s->open)
		s->conn = request(s->a, false, &s->q);
	s->open = true;
	if (s->conn == NULL)
		return;
	if (control_send_data(s->conn, id, strlen(id)) < 0)
		log_fatal("the mail system went away");
	s->waiting++;
	sending_wait(s, WINDOW - 1);
}

static void sending_end(struct sending *s)
{
	bool answered;

	if (s->conn != NULL) {
		if (control_send_data(s->conn, NULL, 0) < 0)
			log_fatal("the mail system went away");
		while (take_answer(s->conn, s->a, &s->b, &answered))
			continue;
	}
	control_disconnect(&s->conn);
	buf_release(&s->b);
	s->open = false;
	s->waiting = 0;
}

static struct action *action_of(int letter)
{
	static const char letters[] = "rdehH";
	const char *l = letter != '\0' ? strchr(letters, letter == 'f' ? 'e' : letter) : NULL;

	return l != NULL ? &actions[l - letters] : NULL;
}

/* -f: expired and, if on hold, released, message by message. A queue without a server has one writer at a time. */
static void send_both(struct sending s[2], const char *id)
{
	for (size_t i = 0; i < 2; i++) {
		send_id(&s[i], id);
		sending_wait(&s[i], 0);
		if (s[i].q == CMD_QUEUE_DIRECT)
			sending_end(&s[i]);
	}
}

static void remove_one(void *arg, const struct maildrop_file *f)
{
	struct action *a = arg;

	a->count += cmd_maildrop_remove(view, f->name);
}

static void change_all(struct action *a)
{
	struct control_conn *conn;
	enum cmd_queue q;
	struct buf b = { 0 };
	bool answered;

	check_queues();
	if (a == &actions[DELETE] && queue_wanted("maildrop"))
		cmd_maildrop_each(view, remove_one, a);
	if ((conn = request(a, true, &q)) == NULL)
		return;
	while (take_answer(conn, a, &b, &answered))
		continue;
	control_disconnect(&conn);
	buf_release(&b);
}

/* One step, and those after it that have the same letter and ids, too. Returns how many that were. s[1]: -f. */
static size_t change(const struct step *st, size_t n)
{
	struct sending s[2] = { { .a = action_of(st->letter) }, { .a = &actions[RELEASE] } };
	void (*put)(struct sending *, const char *) = st->letter == 'f' ? send_both : send_id;
	char *line = NULL;
	size_t i, size = 0;
	ssize_t len;

	if (strcmp(st->id, "ALL") == 0) {
		change_all(s[0].a);
		if (st->letter == 'f')
			change_all(&actions[RELEASE]);
		return 1;
	}
	for (i = 0; i < n && st[i].letter == st->letter && strcmp(st[i].id, "ALL") != 0; i++) {
		if (strcmp(st[i].id, "-") != 0) {
			put(s, st[i].id);
			continue;
		}
		while ((len = getline(&line, &size, stdin)) > 0) {
			if (line[len - 1] == '\n')
				line[len - 1] = '\0';
			put(s, line);
		}
	}
	sending_end(&s[0]);
	sending_end(&s[1]);
	free(line);
	return i;
}

/* The arguments; returns the steps, *n_r of them. */
static struct step *options(int argc, char **argv, const char **dir_r, size_t *n_r, bool *structure_r)
{
	struct step *steps = xcalloc((size_t)argc, sizeof(*steps));
	struct action *a;
	int c;

	while ((c = getopt(argc, argv, "+c:d:e:f:h:H:pr:sSv")) != -1) {
		if (c == 'c')
			*dir_r = optarg;
		else if (c == '?')
			usage();
		*structure_r |= c == 'p' || c == 's' || c == 'S';
		if ((a = action_of(c)) == NULL)
			continue;
		a->used = true;
		actions[RELEASE].used |= c == 'f';
		steps[(*n_r)++] = (struct step){ c, optarg };
	}
	for (; optind < argc; optind++)
		strs_add(&queues, argv[optind]);
	return steps;
}

int main(int argc, char **argv)
{
	struct action *a;
	struct step *steps;
	const char *dir = NULL;
	struct config *config;
	size_t i, n = 0;
	bool structure = false;

	argv[0] = (char *)(uintptr_t)cmd_name(argv[0]);
	log_program("postsuper");
	steps = options(argc, argv, &dir, &n, &structure);
	config = cmd_load(dir != NULL ? dir : config_default_dir());
	view = config_view(config);
	if (!cmd_is_queue_owner(view))
		log_fatal("use of this command is reserved for the superuser");
	if (structure || n == 0)
		check_queues();
	for (i = 0; i < n;)
		i += change(&steps[i], n - i);
	for (a = actions; a < actions + ACTIONS; a++)
		if (a->used)
			log_info(NULL, "%s: %lu message%s", a->total, a->count, a->count == 1 ? "" : "s");
	free(steps);
	config_unref(&config);
	return 0;
}
