/* parent_link.c - the relay's end of the line to its parent: an answer that came too late for its question. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/parent.h>

#include "tap.h"

static int theirs;

static void answer(unsigned long number, int fd, int err)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char text[40];
	struct iovec iov = { .iov_base = text };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	iov.iov_len = (size_t)snprintf(text, sizeof(text), "%lu %d", number, err);
	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(theirs, &m, MSG_NOSIGNAL) < 0)
		abort();
}

/* The parent: to each question a late answer to an earlier one first, with a descriptor of another file. */
static void *parent(void *arg)
{
	char text[200], *rest;
	unsigned long number;
	int zero = open("/dev/zero", O_RDONLY), null = open("/dev/null", O_RDONLY);
	ssize_t n;

	(void)arg;
	while ((n = recv(theirs, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		number = strtoul(text + 1, &rest, 10);
		answer(number - 1, zero, 0);
		answer(number - 1, -1, EADDRINUSE);
		if (strcmp(rest, " no") == 0)
			answer(number, -1, EACCES);
		else
			answer(number, null, 0);
	}
	close(zero);
	close(null);
	return NULL;
}

static bool is_null(int fd)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 && a.st_rdev == b.st_rdev;
}

int main(void)
{
	int fds[2], fd, err = 0;
	char env[40];
	pthread_t thread;

	clock_update();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	theirs = fds[1];
	snprintf(env, sizeof(env), "%d %d", fds[0], -1);
	setenv("POSTRIDER_PARENT_FD", env, 1);
	parent_attach();
	ok(parent_present(), "attached");
	if (pthread_create(&thread, NULL, parent, NULL) != 0)
		return 1;
	fd = parent_bind("192.0.2.1:25", &err);
	ok(fd >= 0 && is_null(fd), "the descriptor that was asked for, not the late one");
	close(fd);
	fd = parent_open("no", false, &err);
	ok(fd < 0 && err == EACCES, "the error of this question");
	fd = parent_open("yes", true, &err);
	ok(fd >= 0 && is_null(fd), "and again a descriptor");
	close(fd);
	shutdown(theirs, SHUT_RDWR);
	fd = parent_bind("192.0.2.1:26", &err);
	ok(fd < 0 && err != 0, "a parent that is gone");
	pthread_join(thread, NULL);
	close(theirs);
	return done_testing();
}
