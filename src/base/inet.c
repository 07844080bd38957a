/* inet.c - binding, and sockets passed by a service manager (sd_listen_fds(3)). A passed socket is handed out
 * once, itself and not a copy: when its address is given up, it must stop accepting. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <postrider/base.h>
#include <postrider/inet.h>

enum { FIRST_PASSED = 3, PASSED_MAX = 1000, BACKLOG = 4096 };

static int passed = -1;			/* how many; -1: not looked yet */
static bool taken[PASSED_MAX];

static void look(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int64_t p, n;

	passed = 0;
	if (pid != NULL && count != NULL && str_to_int(pid, 1, INT32_MAX, &p) && p == getpid() &&
	    str_to_int(count, 1, PASSED_MAX, &n))
		passed = (int)n;
	for (int i = 0; i < passed; i++)	/* not for our children */
		taken[i] = fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC) < 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
}

void inet_inherit(void)
{
	const char *pid = getenv("LISTEN_PID");
	char text[16];

	if (pid == NULL || atol(pid) != (long)getppid())
		return;
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
}

/* Padding and scope differ: only family, address and port count. */
static bool same_place(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	    memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

static int take_passed(const struct sockaddr *sa)
{
	if (passed < 0)
		look();
	for (int i = 0; i < passed; i++) {
		struct sockaddr_storage have = { 0 };
		socklen_t len = sizeof(have);
		int fd = FIRST_PASSED + i;

		if (taken[i] || getsockname(fd, (struct sockaddr *)&have, &len) < 0 ||
		    !same_place((struct sockaddr *)&have, sa))
			continue;
		taken[i] = true;
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	return -1;
}

static int bind_new(const struct addrinfo *ai)
{
	int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	one = errno;
	close(fd);
	errno = one;
	return -1;
}

int inet_listen(const char *addr, int *err_r)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *ai;
	const char *colon = strrchr(addr, ':');
	bool v6 = addr[0] == '[';
	char host[64];
	int fd;

	*err_r = EINVAL;
	if (colon == NULL || colon - addr < 2 || colon - addr >= (int)sizeof(host))
		return -1;
	str_copy(host, addr + v6, (size_t)(colon - addr) + 1 - 2 * v6);
	if (getaddrinfo(host, colon + 1, &hints, &ai) != 0)
		return -1;
	fd = take_passed(ai->ai_addr);
	if (fd < 0)
		fd = bind_new(ai);
	*err_r = errno;
	freeaddrinfo(ai);
	/* Listening at once: between two relays clients queue in this backlog instead of being refused. */
	if (fd >= 0 && listen(fd, BACKLOG) < 0) {
		*err_r = errno;
		close(fd);
		fd = -1;
	}
	return fd;
}
