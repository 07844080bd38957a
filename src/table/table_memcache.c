/* table_memcache.c - memcache:FILE, a memcached server on the loop, perhaps with a backup table behind it.
 * "get KEY" is asked first. What it does not have, or cannot tell, is asked of the backup table; an answer of that is
 * stored in the server ("set KEY"), and its failure is the look-up's. Without a backup a server that cannot tell is a
 * failure. A command that gets no good answer is tried max_try times with retry_pause between, on a new connection each;
 * one that finds no server is not tried again. Only the last try says in the log what was wrong. Keys with white
 * space, of other domains, or without the parts that key_format needs are in no such table: nobody is asked. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <postrider/log.h>
#include <postrider/stream.h>

#include "client.h"
#include "peer.h"

struct memcache {
	struct backend	 base;		/* name and parameters; no connections: those are peer.h's */
	struct peer_addr addr;
	const char	*key_format;
	struct match_list *domain;	/* NULL: every key */
	struct table	*backup;	/* NULL: none */
	int		 flags, ttl, max_try;
	size_t		 data_max, line_max;
	int64_t		 pause_ms, timeout_ms;
};
struct ask {
	enum { DOMAIN, CONNECT, REPLY, DATA, PAUSE, BACKUP } state;
	struct match_op	 match;
	struct table_op	 op;		/* of the backup */
	struct peer_op	 peer;
	struct timer	 pause;
	char		*key;		/* as it came */
	struct buf	 sent_key;	/* as key_format makes it */
	struct buf	 value;
	struct buf	 said;		/* lines for the log */
	bool		 setting;	/* the command is "set", the value is known */
	int		 tries, err;
	size_t		 data_len;
};

static void memcache_close(void *contents)
{
	struct memcache *m = contents;

	peer_addr_release(&m->addr);
	free(m->base.name);
	free(m->base.digest);
	arena_release(&m->base.strings);
	free(m);
}

static void read_parameters(struct memcache *m, struct client_setup *c)
{
	const char *where = client_str(c, "memcache", "inet:localhost:11211", true);
	const char *text;

	m->key_format = client_str(c, "key_format", "%s", true);
	client_template(c, m->key_format, false);
	m->timeout_ms = (int64_t)client_int(c, "timeout", 2, 1, 0) * 1000;
	m->ttl = client_int(c, "ttl", 3600, 0, 0);
	m->flags = client_int(c, "flags", 0, 0, 0);
	m->pause_ms = (int64_t)client_int(c, "retry_pause", 1, 1, 0) * 1000;
	m->max_try = client_int(c, "max_try", 2, 1, 0);
	m->line_max = (size_t)client_int(c, "line_size_limit", 1024, 1, 0);
	m->data_max = (size_t)client_int(c, "data_size_limit", 10240, 1, 0);
	if (c->why == NULL)
		c->why = peer_addr_parse(&m->addr, "memcache", m->data_max + m->line_max + 64, where,
		    c->env->set->queue_directory);
	text = client_str(c, "domain", "", false);
	if (*text != '\0' && c->why == NULL)
		m->domain = match_list_new(c->env->set, MATCH_STRING, client_name(c), text, false, c->env->problems);
	text = client_str(c, "backup", "", false);
	if (*text != '\0' && c->why == NULL)
		m->backup = table_open(c->env->set, text, c->env->flags, client_name(c), c->env->problems);
}

static void *memcache_open(struct table_env *env, const char *name, char **why_r)
{
	struct memcache *m;
	struct client_setup c;

	if ((env->flags & TABLE_NO_UNAUTH) != 0) {
		*why_r = xasprintf("%s map is not allowed for security-sensitive data", env->spec);
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	setup_begin(&c, &m->base, env, name);
	if (c.why == NULL)
		read_parameters(m, &c);
	if ((*why_r = setup_end(&c)) == NULL)
		return m;
	memcache_close(m);
	return NULL;
}

static const char *memcache_each(void *contents, table_each_fn *fn, void *arg)
{
	struct memcache *m = contents;

	if (m->backup != NULL)
		return table_each(m->backup, fn, arg);
	log_warn(NULL, "database memcache:%s: first/next support requires backup database", m->base.name);
	return NULL;
}

/* ---- one command ----------------------------------------------------------------------------------------- */

static void say(struct ask *a, const char *fmt, ...) PRINTF(2, 3);
static void say(struct ask *a, const char *fmt, ...)
{
	size_t begin;
	va_list ap;

	if (a->said.len > 0)
		buf_addc(&a->said, '\n');
	begin = a->said.len;
	va_start(ap, fmt);
	buf_vaddf(&a->said, fmt, ap);
	va_end(ap);
	for (char *p = a->said.p + begin; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p) && *p != '\n')
			*p = '?';
}

static void command_start(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;

	a->state = CONNECT;
	peer_start(&a->peer, op->task, &m->addr, m->timeout_ms);
}

static void command_send(const struct memcache *m, struct ask *a)
{
	struct stream *s = a->peer.stream;

	stream_deadline(s, m->timeout_ms);
	if (a->setting) {
		stream_printf(s, "set %s %d %d %zu\r\n", buf_str(&a->sent_key), m->flags, m->ttl, a->value.len);
		stream_write(s, a->value.p, a->value.len);
		stream_puts(s, "\r\n");
	} else {
		stream_printf(s, "get %s\r\n", buf_str(&a->sent_key));
	}
	stream_flush(s);
	a->state = REPLY;
}

enum outcome { MORE /* wait, or look at the new state */, GOT /* the command was answered */, LOST /* no more tries */ };

/* This try brought nothing. */
static enum outcome try_failed(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;

	peer_end(&a->peer, false);
	if (++a->tries >= m->max_try)
		return LOST;
	a->state = PAUSE;
	timer_start(&a->pause, op->task, m->pause_ms);
	return MORE;
}

/* The connection ended, or was silent for too long, or a line has no end. */
static enum outcome io_failed(const struct memcache *m, struct table_op *op, enum stream_result r)
{
	struct ask *a = op->state;

	a->err = r == STREAM_TIMEOUT ? ETIMEDOUT : a->peer.reused ? 0 : EINPROGRESS;
	if (a->tries > 0 && a->state == DATA)
		say(a, "%s: EOF receiving memcache server reply", m->base.name);
	else if (a->tries > 0 && a->err == 0)
		say(a, "database memcache:%s: I/O error", m->base.name);
	else if (a->tries > 0)
		say(a, "database memcache:%s: I/O error: %s", m->base.name, strerror(a->err));
	a->err = a->err != 0 ? a->err : EIO;
	return try_failed(m, op);
}

static enum outcome unexpected(const struct memcache *m, struct table_op *op, const char *line)
{
	struct ask *a = op->state;

	a->err = EINPROGRESS;
	if (a->tries > 0 && a->setting)
		say(a, "database memcache:%s: update failed: %.30s", m->base.name, line);
	else if (a->tries > 0)
		say(a, "%s: unexpected memcache server reply: %.30s", m->base.name, line);
	return try_failed(m, op);
}

/* "VALUE key flags length", as sscanf() reads it in Postfix: what follows the number does not matter. */
static bool value_line(const char *line, size_t max, size_t *len_r)
{
	long n;

	if (sscanf(line, "VALUE %*s %*s %ld", &n) != 1 || n < 0 || (size_t)n > max)
		return false;
	*len_r = (size_t)n;
	return true;
}

static enum outcome read_line(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;
	char *text;
	struct slice l;
	enum stream_result r = stream_line(a->peer.stream, m->line_max, &l);
	enum outcome o = MORE;

	if (r == STREAM_WAIT)
		return MORE;
	if (r != STREAM_OK)
		return io_failed(m, op, r);
	text = xstrndup(l.p, l.len > 0 && l.p[l.len - 1] == '\r' ? l.len - 1 : l.len);
	if (a->setting ? strcmp(text, "STORED") == 0 : strcmp(text, "END") == 0) {
		peer_end(&a->peer, true);
		o = GOT;
	} else if (!a->setting && value_line(text, m->data_max, &a->data_len)) {
		a->state = DATA;
	} else {
		o = unexpected(m, op, text);
	}
	free(text);
	return o;
}

/* The value, its line end, and the line after it. */
static enum outcome read_data(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;
	struct slice in;
	enum stream_result r = stream_peek_n(a->peer.stream, a->data_len + 2, &in);

	if (r == STREAM_WAIT)
		return MORE;
	if (r != STREAM_OK)
		return io_failed(m, op, r);
	if (memcmp(in.p + a->data_len, "\r\n", 2) != 0)
		return io_failed(m, op, STREAM_EOF);
	buf_reset(&a->value);
	buf_add(&a->value, in.p, strnlen(in.p, a->data_len));
	stream_consume(a->peer.stream, a->data_len + 2);
	r = stream_peek_n(a->peer.stream, 5, &in);	/* nearly always in the same segment; else it is not waited for */
	r = r == STREAM_OK && memcmp(in.p, "END\r\n", 5) == 0 ? STREAM_OK : STREAM_ERROR;
	if (r == STREAM_OK)
		stream_consume(a->peer.stream, 5);
	peer_end(&a->peer, r == STREAM_OK);
	return GOT;
}

static enum outcome command_go(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;

	for (;;) {
		int before = a->state;
		enum outcome o = MORE;

		switch (a->state) {
		case CONNECT:
			switch (peer_poll(&a->peer)) {
			case PEER_WAIT:
				return MORE;
			case PEER_READY:
				command_send(m, a);
				break;
			case PEER_FAILED:
				say(a, "%s", a->peer.why);
				a->err = a->peer.err;
				peer_end(&a->peer, false);
				return LOST;
			}
			break;
		case REPLY:
			o = read_line(m, op);
			break;
		case DATA:
			o = read_data(m, op);
			break;
		default:
			if (!timer_expired(&a->pause))
				return MORE;
			timer_end(&a->pause);
			command_start(m, op);
			break;
		}
		if (o != MORE || (int)a->state == before)
			return o;
	}
}

/* ---- a look-up -------------------------------------------------------------------------------------------- */

static enum table_result give(struct table_op *op, enum table_result result)
{
	struct ask *a = op->state;

	op->why = a->said.len > 0 ? a->said.p : NULL;
	op->value = result == TABLE_FOUND ? buf_str(&a->value) : NULL;
	op->err = result == TABLE_ERROR ? a->err : 0;
	return result;
}

/* False: the key cannot be in this table. */
static bool make_key(const struct memcache *m, struct ask *a)
{
	if (!template_expand(&m->base.needs, m->key_format, a->key, NULL, NULL, NULL, &a->sent_key) || a->sent_key.len == 0)
		return false;
	for (const char *p = a->sent_key.p; *p != '\0'; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			return false;
	return true;
}

static enum table_result domain_known(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;

	switch (match_poll(&a->match)) {
	case MATCH_WAIT:
		return TABLE_WAIT;
	case MATCH_ERROR:
		return give(op, TABLE_ERROR);
	case MATCH_NO:
		return give(op, TABLE_NONE);
	case MATCH_YES:
		break;
	}
	match_end(&a->match);
	if (!make_key(m, a))
		return give(op, TABLE_NONE);
	command_start(m, op);
	return TABLE_WAIT;
}

static void keep_value(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;

	buf_reset(&a->value);
	buf_adds(&a->value, a->op.value);
	a->setting = true;
	a->tries = 0;
	if (a->value.len <= m->data_max) {
		command_start(m, op);
		return;
	}
	say(a, "database memcache:%s: data for key %s is too long (data_size_limit=%zu) -- not stored", m->base.name, a->key,
	    m->data_max);
	a->tries = -1;		/* nothing to send */
}

static enum table_result backup_poll(const struct memcache *m, struct table_op *op)
{
	struct ask *a = op->state;
	enum table_result r = table_poll(&a->op);

	if (r == TABLE_WAIT)
		return r;
	if (a->op.why != NULL)
		say(a, "%s", a->op.why);
	a->err = a->op.err;
	if (r != TABLE_FOUND)
		return give(op, r);
	keep_value(m, op);
	table_end(&a->op);
	return a->tries < 0 ? give(op, TABLE_FOUND) : TABLE_WAIT;
}

/* The server's answer to "get" is there, or it will not come. */
static enum table_result asked(const struct memcache *m, struct table_op *op, bool got)
{
	struct ask *a = op->state;

	if (a->setting || (got && a->state == DATA))
		return give(op, TABLE_FOUND);
	if (m->backup == NULL)
		return give(op, got ? TABLE_NONE : TABLE_ERROR);
	a->state = BACKUP;
	table_start(&a->op, op->task, m->backup, a->key);
	return TABLE_WAIT;
}

static enum table_result memcache_poll(void *contents, struct table_op *op)
{
	const struct memcache *m = contents;
	struct ask *a = op->state;

	for (;;) {
		int before = a->state;
		bool setting = a->setting;
		enum table_result r = TABLE_WAIT;
		enum outcome o;

		if (a->state == DOMAIN)
			r = domain_known(m, op);
		else if (a->state == BACKUP)
			r = backup_poll(m, op);
		else if ((o = command_go(m, op)) != MORE)
			r = asked(m, op, o == GOT);
		if (r != TABLE_WAIT || ((int)a->state == before && a->setting == setting))
			return r;
	}
}

static enum table_result memcache_lookup(void *contents, struct table_op *op, const char *key)
{
	const struct memcache *m = contents;
	const char *at = strrchr(key, '@');
	struct ask *a;

	if (m->domain != NULL && (at == NULL || at == key))
		return TABLE_NONE;
	a = op->state = xcalloc(1, sizeof(*a));
	a->key = xstrdup(key);
	if (m->domain != NULL) {
		a->state = DOMAIN;
		match_start(&a->match, op->task, NULL, m->domain, at + 1, NULL);
	} else if (!make_key(m, a)) {
		return TABLE_NONE;
	} else {
		command_start(m, op);
	}
	return memcache_poll(contents, op);
}

static void memcache_end(void *contents UNUSED, struct table_op *op)
{
	struct ask *a = op->state;

	if (a == NULL)
		return;
	match_end(&a->match);
	table_end(&a->op);
	peer_end(&a->peer, false);
	timer_end(&a->pause);
	free(a->key);
	buf_release(&a->sent_key);
	buf_release(&a->value);
	buf_release(&a->said);
	free(a);
}

const struct table_class table_memcache = {
	.abi = TABLE_ABI, .type = "memcache", .open = memcache_open, .close = memcache_close, .lookup = memcache_lookup,
	.poll = memcache_poll, .end = memcache_end, .each = memcache_each,
};
