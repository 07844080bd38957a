/* client.h - private to src/control: the client half's connection. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H
#include "frame.h"
#include <postrider/control.h>
#include <sys/types.h>

struct control_conn {
	int		 fd;
	pid_t		 child;		/* serves the queue while no server runs; 0: none */
	struct buf	 in, out;
	char		*why;		/* refusal of control_fd() */
	size_t		 in_pos;
};
struct control_conn *control_adopt(int fd, pid_t child);	/* takes fd */
#endif
