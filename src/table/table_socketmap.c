/* table_socketmap.c - socketmap:inet:HOST:PORT:NAME and socketmap:unix:PATH:NAME, the protocol of sendmail's socket maps.
 * One netstring "NAME KEY" asks, one netstring answers: "OK value", "NOTFOUND ", or TEMP, TIMEOUT, PERM with a reason.
 * A connection that ends before the reply is replaced once: a server may close idle ones as it pleases. */
#include <ctype.h>
#include <errno.h>
#include <postrider/stream.h>

#include "peer.h"
#include "room.h"

enum { LIMIT_MS = 100 * 1000, PREFIX_MAX = 12 };

struct socketmap {
	struct peer_addr addr;
	char		*name;
	char		*spec;
	size_t		 query_max, reply_max;
};
struct ask {
	struct peer_op	 peer;
	struct buf	 query;
	bool		 sent, again;
};

static void socketmap_close(void *contents)
{
	struct socketmap *m = contents;

	peer_addr_release(&m->addr);
	free(m->name);
	free(m->spec);
	free(m);
}

static void *socketmap_open(struct table_env *env, const char *name, char **why_r)
{
	const char *colon = strrchr(name, ':');
	struct socketmap *m;
	char *where;

	env->pattern = true;
	if ((env->flags & TABLE_NO_UNAUTH) != 0)
		*why_r = xasprintf("%s map is not allowed for security-sensitive data", env->spec);
	else if (colon == NULL)
		*why_r = xstrdup("socketmap requires server:socketmap argument");
	if (*why_r != NULL)
		return NULL;
	m = xcalloc(1, sizeof(*m));
	where = xstrndup(name, (size_t)(colon - name));
	*why_r = peer_addr_parse(&m->addr, "socketmap", env->set->socketmap_reply_max + PREFIX_MAX + 4, where,
	    env->set->queue_directory);
	free(where);
	m->name = xstrdup(colon + 1);
	m->spec = xstrdup(env->spec);
	m->query_max = env->set->socketmap_query_max;
	m->reply_max = env->set->socketmap_reply_max;
	if (*why_r == NULL)
		return m;
	socketmap_close(m);
	return NULL;
}

/* ---- replies --------------------------------------------------------------------------------------------- */

enum netstring { NS_MORE, NS_DONE, NS_TOO_LONG, NS_BAD };

/* The netstring at the front of what has arrived: need_r bytes decide more; on NS_DONE they are all of it. */
static enum netstring netstring_parse(const struct slice *in, size_t max, struct slice *text_r, size_t *need_r)
{
	size_t len = 0, i;

	for (i = 0; i < in->len && in->p[i] != ':'; i++) {
		if (!isdigit((unsigned char)in->p[i]))
			return NS_BAD;
		len = len * 10 + (size_t)(in->p[i] - '0');
		if (len > max)
			return NS_TOO_LONG;
		if (i >= PREFIX_MAX)
			return NS_BAD;
	}
	*need_r = i < in->len ? i + 1 + len + 1 : in->len + 1;
	if (in->len < *need_r)
		return NS_MORE;
	if (in->p[*need_r - 1] != ',')
		return NS_BAD;
	*text_r = (struct slice){ in->p + i + 1, len };
	return NS_DONE;
}

static bool is_word(const struct slice *text, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(text->p, word, n) == 0;
}

/* What a reply says. As in Postfix, text behind a NUL does not count. */
static enum table_result judge(const struct socketmap *m, struct table_op *op, const struct slice *text)
{
	size_t all = strnlen(text->p, text->len), n = 0;
	const char *kind = "unknown";

	while (n < all && text->p[n] != ' ')
		n++;
	buf_reset(&op->buf);
	if (is_word(text, n, "OK")) {
		if (n == all)		/* no space, no value */
			return TABLE_NONE;
		buf_add(&op->buf, text->p + n + 1, all - n - 1);
		op->value = buf_str(&op->buf);
		return TABLE_FOUND;
	}
	if (is_word(text, n, "NOTFOUND"))
		return TABLE_NONE;
	op->err = EINPROGRESS;
	if (is_word(text, n, "TEMP")) {
		kind = "temporary";
	} else if (is_word(text, n, "TIMEOUT")) {
		kind = "timeout";
	} else if (is_word(text, n, "PERM")) {
		kind = "permanent";
		op->err = TABLE_ERR_CONFIG;
	}
	buf_addf(&op->buf, "%s socketmap server %s error", m->spec, kind);
	if (n + 1 < all)
		buf_addf(&op->buf, ": %.*s", (int)MIN(all - n - 1, (size_t)200), text->p + n + 1);
	op->why = str_printable(op->buf.p, '?');
	return TABLE_ERROR;
}

/* ---- look-ups ---------------------------------------------------------------------------------------------- */

static enum table_result lookup_error(const struct socketmap *m, struct table_op *op, int err, const char *before,
    const char *reason)
{
	buf_reset(&op->buf);
	buf_addf(&op->buf, "%s%stable %s lookup error: %s", before, *before != '\0' ? "\n" : "", m->spec, reason);
	op->why = op->buf.p;
	op->err = err;
	return TABLE_ERROR;
}

static void ask_start(const struct socketmap *m, struct table_op *op)
{
	struct ask *a = op->state;

	a->sent = false;
	peer_start(&a->peer, op->task, &m->addr, LIMIT_MS);
}

/* The connection failed under a request. Once, a new one may do better. */
static enum table_result broken(const struct socketmap *m, struct table_op *op, enum stream_result r)
{
	struct ask *a = op->state;

	peer_end(&a->peer, false);
	if (r == STREAM_TIMEOUT)
		return lookup_error(m, op, ETIMEDOUT, "", "time limit exceeded");
	if (a->again)
		return lookup_error(m, op, EINPROGRESS, "", "unexpected disconnect");
	a->again = true;
	ask_start(m, op);
	return TABLE_WAIT;
}

static enum table_result read_reply(const struct socketmap *m, struct table_op *op)
{
	struct ask *a = op->state;
	struct slice in, text;
	size_t need = 1;

	for (;;) {
		enum stream_result r = stream_peek_n(a->peer.stream, need, &in);
		enum table_result result;

		if (r == STREAM_WAIT)
			return TABLE_WAIT;
		if (r != STREAM_OK)
			return broken(m, op, r);
		switch (netstring_parse(&in, m->reply_max, &text, &need)) {
		case NS_MORE:
			continue;
		case NS_DONE:
			result = judge(m, op, &text);
			stream_consume(a->peer.stream, need);
			peer_end(&a->peer, true);
			return result;
		case NS_TOO_LONG:
			peer_end(&a->peer, false);
			return lookup_error(m, op, EINPROGRESS, "", "input exceeds size limit");
		case NS_BAD:
			peer_end(&a->peer, false);
			return lookup_error(m, op, EINPROGRESS, "", "input format error");
		}
	}
}

static enum table_result socketmap_poll(void *contents, struct table_op *op)
{
	const struct socketmap *m = contents;
	struct ask *a = op->state;

	for (;;) {
		enum table_result r;
		bool again = a->again;

		switch (peer_poll(&a->peer)) {
		case PEER_WAIT:
			return TABLE_WAIT;
		case PEER_FAILED:
			r = lookup_error(m, op, a->peer.err, a->peer.why, strerror(a->peer.err));
			peer_end(&a->peer, false);
			return r;
		case PEER_READY:
			break;
		}
		if (!a->sent) {
			a->sent = true;
			stream_deadline(a->peer.stream, LIMIT_MS);
			stream_write(a->peer.stream, a->query.p, a->query.len);
			stream_flush(a->peer.stream);
		}
		r = read_reply(m, op);
		if (r != TABLE_WAIT || a->again == again)
			return r;
	}
}

static enum table_result socketmap_lookup(void *contents, struct table_op *op, const char *key)
{
	const struct socketmap *m = contents;
	size_t n = strlen(m->name) + 1 + strlen(key);
	struct ask *a;

	if (n > m->query_max)
		return lookup_error(m, op, EINPROGRESS, "", "the query exceeds its size limit");
	a = op->state = xcalloc(1, sizeof(*a));
	buf_addf(&a->query, "%zu:%s %s,", n, m->name, key);
	ask_start(m, op);
	return socketmap_poll(contents, op);
}

static void socketmap_end(void *contents UNUSED, struct table_op *op)
{
	struct ask *a = op->state;

	if (a == NULL)
		return;
	peer_end(&a->peer, false);
	buf_release(&a->query);
	free(a);
}

const struct table_class table_socketmap = {
	.abi = TABLE_ABI, .type = "socketmap", .open = socketmap_open, .close = socketmap_close,
	.lookup = socketmap_lookup, .poll = socketmap_poll, .end = socketmap_end,
};
