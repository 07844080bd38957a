/* What a local process may send to the socket: the input is a connection's bytes, from the first to the last. The store, the
 * scheduler and a scripted delivery agent are behind it, so whatever is asked for happens. */
#include "control_help.h"
#include "control/server.h"
#include <sys/socket.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void over(void)
{
	loop_stop();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	control_begin("");
	qmgr_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char sink[4096];
	int fd[2];

	if (size > 100000)		/* more than the socket takes at once */
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	if (size > 0 && write(fd[0], data, size) != (ssize_t)size)
		abort();
	shutdown(fd[0], SHUT_WR);
	conn_serve(fd[1], over);
	loop_run();
	while (read(fd[0], sink, sizeof(sink)) > 0)
		continue;
	close(fd[0]);
	return 0;
}
