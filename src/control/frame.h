/* frame.h - private to src/control: the form of what goes over the local socket.
 *
 * Both sides send frames: a type byte, the length in four bytes big-endian, the payload (at most FRAME_MAX).
 *
 *	client to server			server to client
 *	V  verb: begins the request		A  attribute "name=value"
 *	A  attribute "name=value"		D  data
 *	R  run: the attributes are complete	E  error: a text for people; the end
 *	D  data; empty: its end			O  ok: the end
 *
 * One request for each connection. The verbs, their attributes and answers: server.c. */
#ifndef CONTROL_FRAME_H
#define CONTROL_FRAME_H
#include <postrider/base.h>

enum { FRAME_HEAD = 5, FRAME_MAX = 65536 };

struct frame { char type; size_t len; };
static inline void frame_head(unsigned char out[FRAME_HEAD], char type, size_t len)
{
	out[0] = (unsigned char)type;
	out[1] = (unsigned char)(len >> 24);
	out[2] = (unsigned char)(len >> 16);
	out[3] = (unsigned char)(len >> 8);
	out[4] = (unsigned char)len;
}
/* False: no frame begins with these bytes. */
static inline bool frame_read(const unsigned char *p, struct frame *f)
{
	f->type = (char)p[0];
	f->len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
	return f->len <= FRAME_MAX && strchr("VARDEO", f->type) != NULL && f->type != '\0';
}

/* Connects or binds by way of the directory: a path may be longer than a socket's address. -1 with errno. */
int	local_socket(const char *dir, const char *name, bool listening);
#endif
