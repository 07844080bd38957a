/* client.c - the commands' half: blocking, with a time limit on every wait. A command that died of SIGPIPE would
 * say nothing, so writing to a server that is gone is an error like any other. */
#include "client.h"
#include <postrider/file.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_S = 300 };

struct control_conn *control_adopt(int fd, pid_t child)
{
	struct control_conn *c = xcalloc(1, sizeof(*c));
	struct timeval tv = { .tv_sec = LIMIT_S };

	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	c->fd = fd;
	c->child = child;
	return c;
}

struct control_conn *control_connect(const char *queue_directory, int *err_r)
{
	char *dir = xasprintf("%s/public", queue_directory);
	int fd = local_socket(dir, "postrider", false);

	*err_r = errno;
	free(dir);
	return fd >= 0 ? control_adopt(fd, 0) : NULL;
}

static int send_frame(struct control_conn *c, char type, const void *p, size_t n)
{
	unsigned char head[FRAME_HEAD];

	if (n > FRAME_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	frame_head(head, type, n);
	buf_add(&c->out, head, sizeof(head));
	buf_add(&c->out, p, n);
	return 0;
}

static int push(struct control_conn *c)
{
	int rc = file_write_full(c->fd, c->out.p, c->out.len);

	buf_reset(&c->out);
	return rc;
}

int control_send(struct control_conn *c, const char *verb, const struct strs *attrs)
{
	size_t i;

	if (send_frame(c, 'V', verb, strlen(verb)) < 0)
		return -1;
	for (i = 0; attrs != NULL && i < attrs->n; i++) {
		if (send_frame(c, 'A', attrs->v[i], strlen(attrs->v[i])) < 0)
			return -1;
		if (c->out.len > FRAME_MAX && push(c) < 0)
			return -1;
	}
	if (send_frame(c, 'R', NULL, 0) < 0)
		return -1;
	return push(c);
}

int control_send_data(struct control_conn *c, const void *p, size_t n)
{
	size_t part;

	do {
		part = MIN(n, FRAME_MAX);
		if (send_frame(c, 'D', p, part) < 0 || push(c) < 0)
			return -1;
		p = (const char *)p + part;
		n -= part;
	} while (n > 0);
	return 0;
}

/* Until n bytes are at hand. */
static bool fill(struct control_conn *c, size_t n)
{
	ssize_t got;

	if (c->in_pos > 0) {
		buf_drop(&c->in, c->in_pos);
		c->in_pos = 0;
	}
	while (c->in.len < n) {
		buf_reserve(&c->in, FRAME_HEAD + FRAME_MAX);
		got = read(c->fd, c->in.p + c->in.len, FRAME_HEAD + FRAME_MAX);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		c->in.len += (size_t)got;
		c->in.p[c->in.len] = '\0';
	}
	return true;
}

int control_recv(struct control_conn *c, struct buf *out)
{
	struct frame f;

	buf_reset(out);
	if (c->in.len - c->in_pos < FRAME_HEAD && !fill(c, FRAME_HEAD))
		return -1;
	if (!frame_read((unsigned char *)c->in.p + c->in_pos, &f))
		return -1;
	if (c->in.len - c->in_pos < FRAME_HEAD + f.len && !fill(c, FRAME_HEAD + f.len))
		return -1;
	buf_add(out, c->in.p + c->in_pos + FRAME_HEAD, f.len);
	c->in_pos += FRAME_HEAD + f.len;
	return f.type;
}

/* Byte for byte: what comes behind the answer is SMTP. */
int control_fd(struct control_conn *c)
{
	unsigned char head[FRAME_HEAD];
	struct timeval none = { 0 };
	struct frame f = { 0 };
	char *text = NULL;

	ASSERT(c->in.len == c->in_pos);
	if (file_read_full(c->fd, head, sizeof(head)) == sizeof(head) && frame_read(head, &f)) {
		text = xcalloc(1, f.len + 1);
		if (file_read_full(c->fd, text, f.len) != (ssize_t)f.len)
			f.type = '\0';
	}
	if (f.type == 'E')
		c->why = xstrdup(text);
	free(text);
	if (f.type != 'O')
		return -1;
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return c->fd;
}

const char *control_why(const struct control_conn *c)
{
	return c->why;
}

void control_disconnect(struct control_conn **cp)
{
	struct control_conn *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	close(c->fd);
	if (c->child > 0)
		while (waitpid(c->child, NULL, 0) < 0 && errno == EINTR)
			continue;
	buf_release(&c->in);
	buf_release(&c->out);
	free(c->why);
	free(c);
}
