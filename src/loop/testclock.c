/* testclock.c - a test says what time it is. The way to the new time goes through every timer that
 * falls due, one at a time, and all that becomes runnable runs in between, so that
 * "300 s pass" has the same effects as waiting, at once. What our own threads do takes no time at all: a read of
 * the queue must not run into its limit only because the clock was quicker than the thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <postrider/buf.h>
#include <postrider/clock.h>

#include "room.h"

enum { LINE_MAX_BYTES = 256, NAP_US = 20, NAPS_MAX = 20000 };

struct client {
	struct task	 task;
	struct watch	 watch;
	struct buf	 in;
	LIST_ENTRY(client) link;
};

static LIST_HEAD(, client) clients = LIST_HEAD_INITIALIZER(clients);
static struct task listen_task;
static struct watch listen_watch;
static char *listen_path;
static bool pending;			/* a command is under way */
static struct client *asker;		/* who gets the answer; NULL: has left */
static int64_t target_ms, target_wall_us;
static int expected;			/* answers of other threads that are to come */
static int given_up;			/* so many of them were waited for in vain: they hang, and are not waited for again */
static int naps;			/* since the last of them came */

static void client_free(struct client *c)
{
	int fd = c->watch.fd;

	if (asker == c)
		asker = NULL;
	task_unlink(&c->task);
	watch_end(&c->watch);
	close(fd);
	LIST_REMOVE(c, link);
	buf_release(&c->in);
	free(c);
}

static void answer(struct client *c, const char *text)
{
	/* a few bytes into an empty socket buffer; a client that does not read has itself to blame */
	if (send(c->watch.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void command(struct client *c, char *line)
{
	int64_t wall, mono;
	char *word, *cursor = line, *a, *b;

	word = str_tok(&cursor, " \t\r");
	a = str_tok(&cursor, " \t\r");
	b = str_tok(&cursor, " \t\r");
	if (word != NULL && strcmp(word, "set") == 0 && a != NULL && b != NULL && str_to_int(a, 0, INT64_MAX, &wall) &&
	    str_to_int(b, 0, INT64_MAX / 2, &mono)) {
		if (mono < now_ms()) {
			answer(c, "error: monotonic time cannot go back\n");
			return;
		}
	} else if (word != NULL && strcmp(word, "advance") == 0 && a != NULL && b == NULL &&
	    str_to_int(a, 0, INT64_MAX / 4000, &mono)) {
		wall = wall_us() + mono * 1000;
		mono += now_ms();
	} else {
		answer(c, "error: set WALL_US MONO_MS, or advance MS\n");
		return;
	}
	pending = true;
	asker = c;
	target_ms = mono;
	target_wall_us = wall;
}

static void client_run(struct task *t)
{
	struct client *c = CONTAINER_OF(t, struct client, task);
	char part[LINE_MAX_BYTES], *nl;
	ssize_t n;

	if ((watch_take(&c->watch) & WATCH_READ) != 0) {
		n = read(c->watch.fd, part, sizeof(part));
		if (n == 0 || (n < 0 && errno != EAGAIN) || c->in.len > LINE_MAX_BYTES) {
			client_free(c);
			return;
		}
		if (n > 0)
			buf_add(&c->in, part, (size_t)n);
	}
	while (!pending && c->in.len > 0 && (nl = memchr(c->in.p, '\n', c->in.len)) != NULL) {
		size_t len = (size_t)(nl - c->in.p);
		char *line = xstrndup(c->in.p, len);

		buf_drop(&c->in, len + 1);
		command(c, line);
		free(line);
	}
}

static void listen_run(struct task *t)
{
	struct client *c;
	int fd;

	(void)t;
	watch_take(&listen_watch);
	while ((fd = accept4(listen_watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		c = xcalloc(1, sizeof(*c));
		task_init(&c->task, "test clock", client_run);
		watch_start(&c->watch, &c->task, fd, WATCH_READ);
		LIST_INSERT_HEAD(&clients, c, link);
	}
}

bool testclock_pending(void)
{
	return pending;
}

void loop_expect(int by)
{
	expected += by;
	given_up = MIN(given_up, expected);
	naps = 0;
}

void testclock_step(void)
{
	struct client *c;
	int64_t next = timers_next();

	if (expected > given_up && naps < NAPS_MAX) {
		naps++;
		usleep(NAP_US);
		return;
	}
	given_up = expected;
	if (next <= target_ms) {
		next = MAX(next, now_ms());
		clock_test_set(target_wall_us - (target_ms - next) * 1000, next);
		timers_fire();
		return;
	}
	clock_test_set(target_wall_us, target_ms);
	pending = false;
	if (asker != NULL)
		answer(asker, "ok\n");
	asker = NULL;
	LIST_FOREACH(c, &clients, link)		/* lines that had to wait */
		task_wake(&c->task);
}

char *loop_test_clock(const char *socket_path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	ASSERT(listen_path == NULL);
	if (str_copy(sun.sun_path, socket_path, sizeof(sun.sun_path)) >= sizeof(sun.sun_path))
		return xasprintf("%s: path too long for a socket", socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(socket_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 8) < 0) {
		char *why = xasprintf("test clock %s: %s", socket_path, strerror(errno));

		if (fd >= 0)
			close(fd);
		return why;
	}
	listen_path = xstrdup(socket_path);
	task_init(&listen_task, "test clock listener", listen_run);
	watch_start(&listen_watch, &listen_task, fd, WATCH_READ);
	clock_update();
	clock_test_set(wall_us(), now_ms());
	return NULL;
}

void testclock_release(void)
{
	int fd = listen_watch.fd;

	while (!LIST_EMPTY(&clients))
		client_free(LIST_FIRST(&clients));
	if (listen_path == NULL)
		return;
	task_unlink(&listen_task);
	watch_end(&listen_watch);
	close(fd);
	unlink(listen_path);
	free(listen_path);
	listen_path = NULL;
	pending = false;
	expected = 0;
}
