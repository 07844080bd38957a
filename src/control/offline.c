/* offline.c - the queue while no server runs. A child of the command opens the environment as the owner of the queue and
 * serves the same verbs over a socket pair: commands see no difference, and nothing is written twice. The child
 * ends with its connection. */
#include "client.h"
#include "server.h"
#include <postrider/log.h>
#include <postrider/file.h>
#include <postrider/loop.h>
#include <postrider/store.h>
#include <postrider/stream.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A command that reads slowly has not yet got the last of it. */
static void over(void)
{
	stream_at_rest(loop_stop);
}

static void serve(int fd, const struct store_config *config, bool changes)
{
	char *why;

	loop_init();
	why = store_open_offline(config, !changes);
	if (why != NULL) {
		unsigned char head[FRAME_HEAD];

		frame_head(head, 'E', strlen(why));
		if (write(fd, head, sizeof(head)) < 0 || write(fd, why, strlen(why)) < 0)
			_exit(2);
		_exit(1);
	}
	fd_nonblock(fd);
	conn_serve(fd, over);
	loop_run();
	store_close();
	_exit(0);
}

struct control_conn *control_offline(const struct store_config *config, bool changes)
{
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		log_fatal("socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		log_fatal("fork: %s", strerror(errno));
	if (pid == 0) {
		close(fd[0]);
		serve(fd[1], config, changes);
	}
	close(fd[1]);
	return control_adopt(fd[0], pid);
}
