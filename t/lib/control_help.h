/* control_help.h - a server without listeners, and the client half in a thread beside its loop. */
#ifndef CONTROL_HELP_H
#define CONTROL_HELP_H
#include "store_help.h"
#include "config_help.h"
#include "agent_help.h"
#include <postrider/bounce.h>
#include <postrider/cleanup.h>
#include <postrider/control.h>
#include <postrider/rewrite.h>
#include <postrider/smtpd.h>
#include <pthread.h>

/* The listener's address is this process's own: other servers, and other runs of the tests, have port 25. */
static const char control_master[] =
    "127.%d.%d.%d:10025 inet n - n - - smtpd\n"
    "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n"
    "rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\nsmtp unix - - n - - smtp\n"
    "relay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\nlocal unix - n n - - smtp\n";

static char queue_dir[300], socket_path[320];

/* Everything but the loop. main_cf is added to the configuration. */
__attribute__((unused))
static void control_begin(const char *main_cf)
{
	int pid = getpid();
	char path[330], master[sizeof(control_master) + 30];

	setenv("TZ", "UTC", 1);
	store_begin();
	str_copy(queue_dir, store_dir, sizeof(queue_dir));
	*strrchr(queue_dir, '/') = '\0';
	log_begin();
	table_init();
	rewrite_init();
	cleanup_init();
	bounce_init();
	qmgr_init();
	agents_register();
	smtpd_init();
	control_init();
	store_open_ok();
	snprintf(master, sizeof(master), control_master, 64 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
	config_adopt(main_cf, master);
	snprintf(path, sizeof(path), "%s/public", queue_dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/maildrop", queue_dir);
	mkdir(path, 01733);
	snprintf(path, sizeof(path), "%s/corrupt", queue_dir);
	mkdir(path, 0700);
	snprintf(socket_path, sizeof(socket_path), "%s/public/postrider", queue_dir);
}

__attribute__((unused))
static void control_end(void)
{
	control_close();
	qmgr_release();
	generation_release_current();
	table_release();
	log_stop();
	store_finish();
}

struct client_thread { void (*fn)(void); struct loop_msg msg; };
static void client_over(struct loop_msg *m)
{
	(void)m;
	loop_stop();
}

static void *client_main(void *arg)
{
	struct client_thread *t = arg;

	t->fn();
	loop_post(&t->msg);
	return NULL;
}

/* Runs fn in a thread of its own, and the loop until it has returned. */
__attribute__((unused))
static void as_client(void (*fn)(void))
{
	struct client_thread t = { .fn = fn, .msg = { .fn = client_over } };
	pthread_t id;

	if (pthread_create(&id, NULL, client_main, &t) != 0)
		exit(1);
	loop_run();
	pthread_join(id, NULL);
}

/* ---- in the thread --------------------------------------------------------------------------------------- */
static struct control_conn *ask(const char *verb, const char *attrs)
{
	struct control_conn *c;
	struct strs a = { 0 };
	int err;

	strs_split(&a, attrs, "|");
	c = control_connect(queue_dir, &err);
	if (c == NULL || control_send(c, verb, &a) < 0) {
		printf("# connect: %s\n", strerror(err));
		control_disconnect(&c);
	}
	strs_release(&a);
	return c;
}

/* The answer's attributes and data, a line each; the last is "O" or "E text" or "gone". malloced */
__attribute__((unused))
static char *rest(struct control_conn **c)
{
	struct buf b = { 0 }, out = { 0 };
	int type = -1;

	while (*c != NULL && ((type = control_recv(*c, &b)) == 'A' || type == 'D')) {
		for (size_t i = 0; i < b.len; i++)
			if (b.p[i] == '\0')
				b.p[i] = ',';
		buf_addf(&out, "%c %s\n", type, buf_str(&b));
	}
	if (type == 'O')
		buf_adds(&out, "O");
	else
		buf_addf(&out, type == 'E' ? "E %s" : "gone", buf_str(&b));
	buf_release(&b);
	control_disconnect(c);
	return buf_steal(&out);
}

__attribute__((unused))
static char *answer_to(const char *verb, const char *attrs)
{
	struct control_conn *c = ask(verb, attrs);

	return rest(&c);
}
#endif
