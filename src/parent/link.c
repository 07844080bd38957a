/* link.c - the relay's end of the socket to its parent, and the word to the service manager.
 * Round trips block their caller: they are made before the loop runs and in load jobs, one at a
 * time, which the mutex sees to. Each has a number, so that an answer that came too late for its question is not taken
 * for the next one's. */
#include <postrider/parent.h>
#include <postrider/clock.h>
#include <postrider/log.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_LIMIT_MS = 10000 };

static int parent_fd = -1;
static unsigned long asked;		/* the number of the last question; under the lock */
static pthread_mutex_t link_lock = PTHREAD_MUTEX_INITIALIZER;

void parent_attach(void)
{
	const char *text = getenv("POSTRIDER_PARENT_FD");
	int fd, log_fd;

	if (text != NULL && sscanf(text, "%d %d", &fd, &log_fd) == 2 && fd > STDERR_FILENO &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) {
		parent_fd = fd;
		if (log_fd > STDERR_FILENO && fcntl(log_fd, F_SETFD, FD_CLOEXEC) == 0)
			log_keep(log_fd);
	}
	unsetenv("POSTRIDER_PARENT_FD");
}

bool parent_present(void)
{
	return parent_fd >= 0;
}

/* One packet: the question's number and an errno, 0 with a descriptor. False: nothing came. */
static bool receive(unsigned long *number_r, int *fd_r, int *err_r)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char text[40], *rest;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct pollfd pfd = { .fd = parent_fd, .events = POLLIN };
	struct cmsghdr *c;
	ssize_t n;

	*fd_r = -1;
	if (poll(&pfd, 1, ANSWER_LIMIT_MS) <= 0 || (n = recvmsg(parent_fd, &m, MSG_CMSG_CLOEXEC)) <= 0)
		return false;
	text[n] = '\0';
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd_r, CMSG_DATA(c), sizeof(*fd_r));
	*number_r = strtoul(text, &rest, 10);
	*err_r = atoi(rest);
	return true;
}

static int ask(char verb, const char *what, int *err_r)
{
	unsigned long number = 0;
	char *text;
	int fd = -1;

	pthread_mutex_lock(&link_lock);
	text = xasprintf("%c%lu %s", verb, ++asked, what);
	if (send(parent_fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		*err_r = errno;
	} else {
		while (number != asked) {
			if (fd >= 0)
				close(fd);	/* too late: nobody knows any more what for */
			if (!receive(&number, &fd, err_r)) {
				*err_r = ETIMEDOUT;
				break;
			}
		}
	}
	pthread_mutex_unlock(&link_lock);
	free(text);
	return fd;
}

int parent_bind(const char *addr, int *err_r)
{
	return ask('B', addr, err_r);
}

void parent_unbind(const char *addr)
{
	char *text = xasprintf("U %s", addr);

	if (send(parent_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warn(NULL, "tell the parent to close %s: %s", addr, strerror(errno));
	free(text);
}

int parent_open(const char *path, bool append, int *err_r)
{
	return ask(append ? 'A' : 'O', path, err_r);
}

static void tell(const char *text)
{
	if (send(parent_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		fprintf(stderr, "postrider: warning: report to the parent: %s\n", strerror(errno));
}

void parent_refuse(const char *why)
{
	char *text = xasprintf("R %s", why);

	if (parent_fd >= 0)
		tell(text);
	free(text);
}

void parent_detach(void)
{
	int null;

	if (getenv("POSTRIDER_BACKGROUND") == NULL || (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
		return;
	dup2(null, STDERR_FILENO);
	close(null);
}

/* sd_notify(3): the letters of the parent's protocol in the service manager's words. */
static size_t state_text(char letter, char *out, size_t size)
{
	if (letter == 'L')
		return (size_t)snprintf(out, size, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_fresh_us());
	return str_copy(out, letter == 'R' ? "READY=1" : "STOPPING=1", size);
}

void notify_manager(char letter)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char text[80];
	int fd;

	if (parent_fd >= 0) {	/* the manager listens to the main process alone */
		tell((const char []){ letter, '\0' });
		return;
	}
	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, strlen(path));
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, state_text(letter, text, sizeof(text)), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		fprintf(stderr, "postrider: warning: %s: %s\n", path, strerror(errno));
	close(fd);
}
