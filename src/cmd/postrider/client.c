/* client.c - the verbs that talk to a running server over its control socket. */
#include "postrider.h"
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/control.h>
#include <postrider/log.h>
#include <postrider/parent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STOP_POLL_MS = 10, STOP_SLACK_S = 20 };

struct config *load_main_or_exit(const struct options *o)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct config *c = config_load_main(o->config_dir, &problems);
	bool any;

	print_problems(&problems, PROBLEM_FATAL);
	if (problems_worst(&problems, &any) == PROBLEM_FATAL && any)
		exit(1);
	problems_release(&problems);
	return c;
}

/* Sends a verb and reads the answer. Returns 0, or 1 after having said why. Attributes of the answer go to out (may be
 * NULL), "name=value" lines. */
static int call(const struct options *o, const char *verb, struct strs *out)
{
	struct config *c = load_main_or_exit(o);
	struct control_conn *conn;
	struct buf b = { 0 };
	int err, frame;

	conn = control_connect(view_str(config_view(c), queue_directory), &err);
	config_unref(&c);
	if (conn == NULL) {
		if (o->json)
			return 1;	/* the answer itself says so */
		if (err == ENOENT || err == ECONNREFUSED)
			log_error(NULL, "fatal: the mail system is not running");
		else
			log_error(NULL, "fatal: connect to the mail system: %s", strerror(err));
		return 1;
	}
	if (control_send(conn, verb, NULL) < 0)
		frame = -1;
	else
		while ((frame = control_recv(conn, &b)) == 'A' || frame == 'D')
			if (frame == 'A' && out != NULL)
				strs_add(out, buf_str(&b));
	if (frame == 'E')
		log_error(NULL, "fatal: %s", buf_str(&b));
	else if (frame != 'O')
		log_error(NULL, "fatal: the mail system closed the connection");
	buf_release(&b);
	control_disconnect(&conn);
	return frame == 'O' ? 0 : 1;
}

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* Until nobody holds the queue's lock. */
static int await_end(const char *queue, int64_t limit_ms)
{
	clock_update();
	for (int64_t end = now_ms() + limit_ms; now_ms() < end; clock_update()) {
		if (queue_lock_holder(queue) == 0)
			return 0;
		pause_ms(STOP_POLL_MS);
	}
	log_error(NULL, "fatal: the mail system is still running");
	return 1;
}

static int stop(const struct options *o, int signo)
{
	struct config *c = load_main_or_exit(o);
	const struct view *v = config_view(c);
	pid_t pid = queue_lock_holder(view_str(v, queue_directory));
	int rc = 1;

	if (pid == 0)
		log_error(NULL, "fatal: the mail system is not running");
	else if (pid < 0)
		log_error(NULL, "fatal: %s/pid/master.pid: %s", view_str(v, queue_directory), strerror(errno));
	else if (pid > 1 && kill(pid, signo) == 0)
		rc = await_end(view_str(v, queue_directory), view_ms(v, postrider_drain_time_limit) + STOP_SLACK_S * 1000);
	else			/* another user's process, or one in another pid name space */
		rc = call(o, "stop", NULL) == 0 ? await_end(view_str(v, queue_directory), view_ms(v, postrider_drain_time_limit) +
		    STOP_SLACK_S * 1000) : 1;
	config_unref(&c);
	return rc;
}

int command_stop(const struct options *o)
{
	return stop(o, SIGTERM);
}

int command_abort(const struct options *o)
{
	return stop(o, SIGQUIT);
}

int command_reload(const struct options *o)
{
	return call(o, "reload", NULL);
}

int command_flush(const struct options *o)
{
	return call(o, "flush", NULL);
}

/* ---- status -------------------------------------------------------------------------------------------- */
static bool is_number(const char *s)
{
	return s[0] != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* Attributes are "group.name=value": one JSON object a group. */
static void status_json(const struct strs *a)
{
	struct buf b = { 0 };
	char group[64] = "";

	buf_adds(&b, "{\"running\": true");
	for (size_t i = 0; i < a->n; i++) {
		const char *eq = strchr(a->v[i], '='), *dot = strchr(a->v[i], '.');
		char name[64], here[64] = "";

		if (eq == NULL)
			continue;
		if (dot == NULL || dot > eq)
			dot = a->v[i] - 1;
		else
			snprintf(here, sizeof(here), "%.*s", (int)(dot - a->v[i]), a->v[i]);
		snprintf(name, sizeof(name), "%.*s", (int)(eq - dot - 1), dot + 1);
		if (strcmp(here, group) != 0) {
			buf_adds(&b, group[0] != '\0' ? "}" : "");
			buf_adds(&b, ", ");
			if (here[0] != '\0')
				buf_addf(&b, "\"%s\": {", here);
			str_copy(group, here, sizeof(group));
		} else {
			buf_adds(&b, ", ");
		}
		buf_addf(&b, "\"%s\": ", name);
		if (is_number(eq + 1) || strcmp(eq + 1, "true") == 0 || strcmp(eq + 1, "false") == 0)
			buf_adds(&b, eq + 1);
		else
			buf_add_json(&b, eq + 1);
	}
	buf_adds(&b, group[0] != '\0' ? "}}\n" : "}\n");
	fputs(buf_str(&b), stdout);
	buf_release(&b);
}

int command_status(const struct options *o)
{
	struct strs a = { 0 };
	int rc;

	rc = call(o, "status", &a);
	if (o->json && rc != 0)
		printf("{\"running\": false}\n");
	else if (o->json)
		status_json(&a);
	else
		for (size_t i = 0; i < a.n; i++)
			printf("%s\n", a.v[i]);
	strs_release(&a);
	return rc;
}
