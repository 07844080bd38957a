/* table_tcp.c - tcp:HOST:PORT, Postfix's line protocol: "get KEY", answered by "200 value", "500 text" (not there) or
 * "400 text" (try again). Key and value are %XX-encoded. What goes wrong with a connection is tried again, a second
 * apart and TRIES times, as Postfix does; beyond TOTAL_MS there is no further try. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <postrider/clock.h>
#include <postrider/stream.h>

#include "peer.h"
#include "room.h"

enum { TRIES = 10, PAUSE_MS = 1000, CONNECT_MS = 20 * 1000, REPLY_MS = 100 * 1000, TOTAL_MS = 120 * 1000, LINE_MAX_LEN = 4096 };

struct tcp {
	struct peer_addr addr;
	char		*name;
};
struct ask {
	enum { CONNECT, READ, PAUSE } state;
	struct peer_op	 peer;
	struct timer	 pause;
	struct buf	 query;
	struct buf	 said;		/* lines for the log, of all tries */
	unsigned	 tries;
	int64_t		 begin_ms;
	int		 err;
};

static void tcp_close(void *contents)
{
	struct tcp *t = contents;

	peer_addr_release(&t->addr);
	free(t->name);
	free(t);
}

static void *tcp_open(struct table_env *env, const char *name, char **why_r)
{
	struct tcp *t;

	env->pattern = true;
	if ((env->flags & TABLE_NO_UNAUTH) != 0) {
		*why_r = xasprintf("%s map is not allowed for security-sensitive data", env->spec);
		return NULL;
	}
	t = xcalloc(1, sizeof(*t));
	peer_addr_inet(&t->addr, "tcp", LINE_MAX_LEN + 16, name);
	t->addr.what = "TCP map ";
	t->name = xstrdup(name);
	return t;
}

static void quote(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s > ' ' && *s <= '~' && *s != '%')
			buf_addc(out, *s);
		else
			buf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unquote(struct buf *out, const struct slice *line)
{
	buf_reset(out);
	for (size_t i = 0; i < line->len; i++) {
		int high, low;

		if (line->p[i] != '%') {
			buf_addc(out, line->p[i]);
			continue;
		}
		if (i + 2 >= line->len || (high = hex(line->p[i + 1])) < 0 || (low = hex(line->p[i + 2])) < 0)
			return false;
		buf_addc(out, (char)(high << 4 | low));
		i += 2;
	}
	return true;
}

static void say(struct ask *a, const char *line)
{
	if (a->said.len > 0)
		buf_addc(&a->said, '\n');
	buf_adds(&a->said, line);
}

/* The end of a look-up that failed: what was said in all tries goes to the log. */
static enum table_result failed(struct table_op *op, int err)
{
	struct ask *a = op->state;

	buf_release(&op->buf);
	op->buf = a->said;
	a->said = (struct buf){ 0 };
	op->why = op->buf.len > 0 ? op->buf.p : NULL;
	op->err = err;
	return TABLE_ERROR;
}

static enum table_result judge(const struct tcp *t, struct table_op *op, const struct slice *line)
{
	struct ask *a = op->state;
	const char *p;
	char text[200];

	snprintf(text, sizeof(text), "%.*s", (int)MIN(line->len, (size_t)100), line->p);
	str_printable(text, '?');
	if (!unquote(&op->buf, line) || op->buf.len < 4 || !isdigit((unsigned char)op->buf.p[0]) ||
	    !isdigit((unsigned char)op->buf.p[1]) || !isdigit((unsigned char)op->buf.p[2]) ||
	    !isspace((unsigned char)op->buf.p[3])) {
		buf_addf(&a->said, "%sread TCP map reply from %s: malformed reply: %s", a->said.len > 0 ? "\n" : "",
		    t->name, text);
		return failed(op, EINPROGRESS);
	}
	p = op->buf.p;
	if (strncmp(p, "200", 3) == 0) {
		op->value = p + 4;
		return TABLE_FOUND;
	}
	if (strncmp(p, "500", 3) == 0)
		return TABLE_NONE;
	if (strncmp(p, "400", 3) != 0)
		buf_addf(&a->said, "%sread TCP map reply from %s: bad status code: %s", a->said.len > 0 ? "\n" : "",
		    t->name, text);
	return failed(op, EINPROGRESS);
}

/* One try is over; ERROR when it was the last. */
static enum table_result try_again(struct table_op *op, int err)
{
	struct ask *a = op->state;
	bool reused = a->peer.reused;

	a->err = err;
	peer_end(&a->peer, false);
	if (++a->tries >= TRIES || now_ms() - a->begin_ms > TOTAL_MS)
		return failed(op, err);
	a->state = PAUSE;
	timer_start(&a->pause, op->task, reused ? 0 : PAUSE_MS);
	return TABLE_WAIT;
}

static enum table_result read_reply(const struct tcp *t, struct table_op *op)
{
	struct ask *a = op->state;
	enum table_result result;
	struct slice line;
	char text[300];
	size_t there;

	switch (stream_line(a->peer.stream, LINE_MAX_LEN - 1, &line)) {
	case STREAM_WAIT:
		return TABLE_WAIT;
	case STREAM_OK:
		result = judge(t, op, &line);
		peer_end(&a->peer, true);
		return result;
	case STREAM_TIMEOUT:
		snprintf(text, sizeof(text), "read TCP map reply from %.100s: unexpected EOF (%s)", t->name,
		    strerror(ETIMEDOUT));
		say(a, text);
		return try_again(op, ETIMEDOUT);
	case STREAM_EOF:
	case STREAM_ERROR:
		there = stream_readable(a->peer.stream);
		if (there == 0) {
			snprintf(text, sizeof(text), "read TCP map reply from %.100s: unexpected EOF (%s)", t->name,
			    strerror(a->peer.reused ? 0 : EINPROGRESS));
			say(a, text);
			return try_again(op, EINPROGRESS);
		}
		/* FALLTHROUGH */
	default:	/* part of a line, and then the end, counts as this, too */
		snprintf(text, sizeof(text), "read TCP map reply from %.100s: text longer than %d", t->name, LINE_MAX_LEN);
		say(a, text);
		return try_again(op, EINPROGRESS);
	}
}

static enum table_result tcp_poll(void *contents, struct table_op *op)
{
	const struct tcp *t = contents;
	struct ask *a = op->state;
	enum table_result r;

	for (;;) switch (a->state) {
	case CONNECT:
		switch (peer_poll(&a->peer)) {
		case PEER_WAIT:
			return TABLE_WAIT;
		case PEER_FAILED:
			say(a, a->peer.why);
			if ((r = try_again(op, a->peer.err)) != TABLE_WAIT)
				return r;
			break;
		case PEER_READY:
			stream_deadline(a->peer.stream, REPLY_MS);
			stream_write(a->peer.stream, a->query.p, a->query.len);
			stream_flush(a->peer.stream);
			a->state = READ;
			break;
		}
		break;
	case READ:
		r = read_reply(t, op);
		if (r != TABLE_WAIT || a->state == READ)
			return r;
		break;
	case PAUSE:
		if (!timer_expired(&a->pause))
			return TABLE_WAIT;
		timer_end(&a->pause);
		peer_start(&a->peer, op->task, &t->addr, CONNECT_MS);
		a->state = CONNECT;
		break;
	}
}

static enum table_result tcp_lookup(void *contents, struct table_op *op, const char *key)
{
	const struct tcp *t = contents;
	struct ask *a = op->state = xcalloc(1, sizeof(*a));

	buf_adds(&a->query, "get ");
	quote(&a->query, key);
	buf_addc(&a->query, '\n');
	a->begin_ms = now_ms();
	peer_start(&a->peer, op->task, &t->addr, CONNECT_MS);
	return tcp_poll(contents, op);
}

static void tcp_end(void *contents UNUSED, struct table_op *op)
{
	struct ask *a = op->state;

	if (a == NULL)
		return;
	peer_end(&a->peer, false);
	timer_end(&a->pause);
	buf_release(&a->query);
	buf_release(&a->said);
	free(a);
}

const struct table_class table_tcp = {
	.abi = TABLE_ABI, .type = "tcp", .open = tcp_open, .close = tcp_close, .lookup = tcp_lookup, .poll = tcp_poll,
	.end = tcp_end,
};
