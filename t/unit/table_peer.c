/* Turns on the connections to one server: more look-ups than it may have connections wait in order, and a wake-up that was meant
 * for one that leaves the queue goes to the next. The server is here: it says nothing until it is told to. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/loop.h>

#include "table/peer.h"
#include "table/room.h"
#include "tap.h"

enum { CONNECTIONS = 64, MORE = 6 };	/* peer.c's CONNECTIONS_MAX, and who waits */

struct asker {
	struct task	 task;
	struct table_op	 op;
	bool		 asking, done;
};
static struct asker asker[CONNECTIONS + MORE];
static int fd, conn[CONNECTIONS + MORE], n_conn;
static struct task pace;
static struct timer timer;
static struct asker *leaver;	/* gives up in the run of the one whose connection it was to have */

static void asker_run(struct task *t)
{
	struct asker *a = CONTAINER_OF(t, struct asker, task);

	if (!a->asking || table_poll(&a->op) == TABLE_WAIT)
		return;
	a->done = true;
	a->asking = false;
	table_end(&a->op);		/* its connection is free: the first in the queue is woken */
	if (leaver != NULL) {
		table_end(&leaver->op);	/* ... and gone before it runs */
		leaver->asking = false;
		leaver = NULL;
	}
}

static void pace_run(struct task *t)
{
	(void)t;
	if (timer_expired(&timer))
		loop_stop();
}

static void turn(int ms)
{
	timer_start(&timer, &pace, ms);
	loop_run();
	timer_end(&timer);
	while ((conn[n_conn] = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		n_conn++;
}

static void until(bool (*what)(void))
{
	for (int i = 0; i < 500 && !what(); i++)
		turn(10);
}

static bool all_connected(void)
{
	return n_conn >= CONNECTIONS;
}

static int finished(void)
{
	int n = 0;

	for (size_t i = 0; i < NELEM(asker); i++)
		n += asker[i].done;
	return n;
}

/* One reply, on connection i, to whatever was asked there last. */
static void reply(int i)
{
	char sink[1000];

	while (recv(conn[i], sink, sizeof(sink), 0) > 0)
		;
	if (send(conn[i], "6:OK abc,", 9, MSG_NOSIGNAL) != 9)
		diag("send failed");
}

static bool one_more(void)
{
	return asker[CONNECTIONS + 1].done;
}

static bool the_last(void)
{
	return finished() == CONNECTIONS + MORE - 2;
}

/* Whoever asks on a connection is answered, until all have been. */
static void answer_all(void)
{
	for (int round = 0; round < 200 && !the_last(); round++) {
		char byte;

		for (int i = 0; i < n_conn; i++)
			if (recv(conn[i], &byte, 1, MSG_PEEK) > 0)
				reply(i);
		turn(10);
	}
}

int main(void)
{
	static struct view view;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct tables *set;
	struct table *t;
	char spec[100], byte;
	bool asked;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(fd, 128) != 0)
		return 1;
	getsockname(fd, (struct sockaddr *)&sin, &len);
	snprintf(spec, sizeof(spec), "socketmap:inet:127.0.0.1:%d:m", ntohs(sin.sin_port));
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/tmp";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	view.v[P_socketmap_max_query_size].num = view.v[P_socketmap_max_reply_size].num = 1000;
	loop_init();
	table_init();
	task_init(&pace, "pace", pace_run);
	set = tables_new(&view);
	t = table_open(set, spec, TABLE_FOLD, NULL, NULL);
	for (size_t i = 0; i < NELEM(asker); i++) {
		task_init(&asker[i].task, "asker", asker_run);
		asker[i].asking = true;
		table_start(&asker[i].op, &asker[i].task, t, "a");
		task_wake(&asker[i].task);
	}
	until(all_connected);
	turn(100);
	is_int(n_conn, CONNECTIONS, "as many connections as there may be");
	is_int(finished(), 0, "nobody has an answer");

	leaver = &asker[CONNECTIONS];
	reply(0);
	for (int i = 0; i < 500 && finished() == 0; i++)
		turn(10);
	is_int(finished(), 1, "one has, and the first in the queue gives up in that moment");
	ok(leaver == NULL, "indeed");
	asked = false;
	for (int i = 0; i < 300 && !asked; i++) {
		turn(10);
		asked = recv(conn[0], &byte, 1, MSG_PEEK) > 0;
	}
	ok(asked, "the connection is the second one's now");
	reply(0);
	until(one_more);
	ok(asker[CONNECTIONS + 1].done, "who gets its answer");
	is_int(n_conn, CONNECTIONS, "no connection more");

	/* One that leaves from the middle of the queue disturbs nobody. */
	table_end(&asker[CONNECTIONS + 3].op);
	asker[CONNECTIONS + 3].asking = false;
	answer_all();
	is_int(finished(), CONNECTIONS + MORE - 2, "all others have theirs");
	for (size_t i = 0; i < NELEM(asker); i++)
		task_unlink(&asker[i].task);
	task_unlink(&pace);
	tables_unref(&set);
	table_release();
	loop_release();
	for (int i = 0; i < n_conn; i++)
		close(conn[i]);
	close(fd);
	return done_testing();
}
