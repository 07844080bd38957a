/* connect.c - outgoing connections. A UNIX socket whose backlog is full says EAGAIN instead of
 * waiting; it is asked again a little later, until the owner's deadline. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "room.h"

enum { RETRY_MS = 20 };

struct connector {
	struct timer		timer;
	socklen_t		len;
	struct sockaddr_storage	addr;
};

static void try_connect(struct stream *s, const struct sockaddr *addr, socklen_t len)
{
	int rc;

	do
		rc = connect(s->fd, addr, len);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno == EAGAIN && addr->sa_family == AF_UNIX) {
		if (s->connector == NULL) {
			s->connector = xcalloc(1, sizeof(*s->connector));
			memcpy(&s->connector->addr, addr, MIN(len, (socklen_t)sizeof(s->connector->addr)));
			s->connector->len = len;
		}
		s->connect = RETRYING;
		timer_start(&s->connector->timer, s->task, RETRY_MS);
		return;
	}
	if (rc < 0 && errno != EINPROGRESS) {
		s->in_error = true;
		stream_fail(s, errno);
		return;
	}
	s->connect = CONNECTING;
	watch_start_edge(&s->watch, s->fd, stream_event);
}

static bool bind_source(int fd, const struct sockaddr *addr, socklen_t len)
{
	int one = 1;

	/* let connect() choose the port, so that one port serves many destinations */
	if (addr->sa_family != AF_UNIX && sockaddr_port(addr) == 0)
		(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, addr, len) == 0;
}

struct stream *stream_connect(const struct sockaddr *addr, socklen_t len, const struct sockaddr *bind_to,
    socklen_t bind_len, struct task *t, size_t in_max)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = errno;
	struct stream *s = stream_blank(fd, t, in_max);

	if (fd >= 0) {
		if (addr->sa_family != AF_UNIX)
			stream_nodelay(fd);
		if (bind_to == NULL || bind_source(fd, bind_to, bind_len)) {
			try_connect(s, addr, len);
			return s;
		}
		error = errno;
	}
	s->in_error = true;
	stream_fail(s, error);
	return s;
}

enum stream_result stream_connect_poll(struct stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (s->connect == RETRYING && timer_expired(&s->connector->timer))
		try_connect(s, (struct sockaddr *)&s->connector->addr, s->connector->len);
	if (s->connect == CONNECTING && s->can_write) {
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		s->connect = NOT_CONNECTING;
		if (error != 0) {
			s->in_error = true;
			stream_fail(s, error);
		} else if (s->queued > 0) {
			stream_mark_dirty(s);
		}
	}
	if (s->error != 0)
		return STREAM_ERROR;
	if (s->connect == NOT_CONNECTING)
		return STREAM_OK;
	return timer_expired(&s->deadline) ? STREAM_TIMEOUT : STREAM_WAIT;
}

void stream_connect_task(struct stream *s)
{
	if (s->connector != NULL)
		s->connector->timer.task = s->task;
}

void stream_connect_end(struct stream *s)
{
	if (s->connector == NULL)
		return;
	timer_end(&s->connector->timer);
	free(s->connector);
	s->connector = NULL;
}
