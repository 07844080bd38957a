/* smtp_peer.h - a scripted server in a thread of its own.
 *
 * A script is lines: "< TEXT" the server says TEXT; "> PREFIX" a line beginning so must come; ">." content up to the
 * dot, kept in the transcript; "close" hangs up; "mute" waits for the client to go; "sleep MS". */
#ifndef SMTP_PEER_H
#define SMTP_PEER_H
#include "delivery_test.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- the scripted server ------------------------------------------------------------------------------------ */
struct peer {
	int		 fd, port;
	char		 path[100];	/* UNIX socket; "": TCP */
	pthread_t	 thread;
	const char	*script[8];	/* one per connection */
	atomic_int	 connections;
	pthread_mutex_t	 lock;
	struct buf	 heard;		/* every line that came, under lock */
	struct buf	 wrong;		/* lines that were not as the script said */
};

/* One line with its end, at most size - 1 bytes; -1 at the end of the connection. */
static int peer_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size) {
		ssize_t got = read(fd, line + n, 1);

		if (got <= 0)
			return -1;
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return (int)n;
}

static void peer_note(struct peer *p, struct buf *where, const char *text)
{
	pthread_mutex_lock(&p->lock);
	buf_adds(where, text);
	pthread_mutex_unlock(&p->lock);
}

static bool peer_hear(struct peer *p, int fd, const char *want)
{
	char line[8192];
	bool body = strcmp(want, ".") == 0;

	do {
		if (peer_line(fd, line, sizeof(line)) < 0) {
			peer_note(p, &p->heard, "EOF\n");
			return false;
		}
		peer_note(p, &p->heard, line);
	} while (body && strcmp(line, ".\r\n") != 0);
	if (!body && strncmp(line, want, strlen(want)) != 0)
		peer_note(p, &p->wrong, line);
	return true;
}

static void peer_session(struct peer *p, int fd, const char *script)
{
	const char *s = script;

	while (*s != '\0') {
		size_t n = strcspn(s, "\n");
		char step[4096];

		str_copy(step, s, MIN(n + 1, sizeof(step)));
		s += n + (s[n] == '\n');
		if (step[0] == '<') {
			if (dprintf(fd, "%s\r\n", step + 2) < 0)
				return;
		} else if (step[0] == '>') {
			if (!peer_hear(p, fd, step[1] == '.' ? "." : step + 2))
				return;
		} else if (strncmp(step, "sleep ", 6) == 0) {
			usleep((unsigned)atoi(step + 6) * 1000);
		} else if (strcmp(step, "mute") == 0) {
			char c;

			while (read(fd, &c, 1) > 0)
				continue;
		} else if (strcmp(step, "close") == 0) {
			return;
		}
	}
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	for (unsigned i = 0; i < NELEM(p->script) && p->script[i] != NULL; i++) {
		int fd = accept(p->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		p->connections++;
		peer_session(p, fd, p->script[i]);
		close(fd);
	}
	return NULL;
}

static void peer_start(struct peer *p, const char *path)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(in);

	p->fd = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path != NULL) {
		str_copy(un.sun_path, path, sizeof(un.sun_path));
		ASSERT(bind(p->fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	} else {
		ASSERT(bind(p->fd, (struct sockaddr *)&in, sizeof(in)) == 0);
		getsockname(p->fd, (struct sockaddr *)&in, &len);
		p->port = ntohs(in.sin_port);
	}
	ASSERT(listen(p->fd, 16) == 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_create(&p->thread, NULL, peer_main, p);
}

/* Everything said to it, and what it did not expect; ends it. */
static void peer_stop(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR);
	close(p->fd);
	pthread_join(p->thread, NULL);
	is_str(buf_str(&p->wrong), "", "the client followed the script");
	buf_release(&p->wrong);
}

#endif
