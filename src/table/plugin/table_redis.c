/* table_redis.c - redis:, by hiredis.
 * `query` is one Redis command; its words are separated first and filled in after, so nothing in a key can become a
 * word of its own or another command. A string or number is one value, each item of an array one more; nil is
 * "not found", an error of the server a temporary one. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <postrider/tableclient.h>

enum { CONNECT_SHARE = 3, PORT = 6379, NESTING_MAX = 8 };

struct red {
	struct strs	 word;		/* of the command: templates */
	const char	*user, *password;
	int		 database;
};

/* [inet:]host[:port], unix:/path */
static void parse_host(struct client_setup *c, struct client_host *h, char *text)
{
	char *colon = strrchr(text, ':');
	int64_t n;

	h->local = strncmp(text, "unix:", 5) == 0;
	if (h->local || strncmp(text, "inet:", 5) == 0) {
		text += 5;
		colon = strrchr(text, ':');
	}
	h->name = text;
	if (h->local || colon == NULL)
		return;
	*colon = '\0';
	h->port = colon + 1;
	if (!str_to_int(h->port, 1, 65535, &n))
		client_fail(c, "%s: bad port number: hosts = %s", client_name(c), h->text);
	if (*text == '[' && colon > text && colon[-1] == ']') {
		colon[-1] = '\0';
		h->name = text + 1;
	}
}

static void *red_open(struct client_setup *c)
{
	struct red *r = xcalloc(1, sizeof(*r));

	r->user = client_str(c, "user", "", false);
	r->password = client_str(c, "password", "", false);
	r->database = client_int(c, "dbname", 0, 0, 0);
	strs_split(&r->word, client_str(c, "query", "GET %s", true), " \t");
	for (size_t i = 0; i < r->word.n; i++)
		client_template(c, r->word.v[i], false);
	client_hosts(c, "hosts", "127.0.0.1", parse_host, client_int(c, "retry_interval", 60, 1, 0) * 1000);
	return r;
}

static void red_close(void *table)
{
	struct red *r = table;

	strs_release(&r->word);
	free(r);
}

static struct timeval seconds(int ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static bool good(const redisReply *reply)
{
	return reply != NULL && reply->type != REDIS_REPLY_ERROR;
}

/* AUTH and SELECT, as far as they are configured. */
static bool log_in(const struct red *r, redisContext *db, const struct client_host *h, struct client_ask *a)
{
	redisReply *reply = NULL;
	bool ok = true;

	if (*r->password != '\0') {
		reply = *r->user != '\0' ? redisCommand(db, "AUTH %s %s", r->user, r->password) :
		    redisCommand(db, "AUTH %s", r->password);
		ok = good(reply);
	}
	if (ok && r->database != 0) {
		freeReplyObject(reply);
		reply = redisCommand(db, "SELECT %d", r->database);
		ok = good(reply);
	}
	if (!ok)
		ask_note(a, "connect to redis server %s: %s", h->text, reply != NULL ? reply->str : db->errstr);
	freeReplyObject(reply);
	return ok;
}

static void *red_connect(void *table, const struct client_host *h, struct client_ask *a)
{
	const struct red *r = table;
	struct timeval tv = seconds(MAX(ask_left_ms(a) / CONNECT_SHARE, 1));
	redisContext *db = h->local ? redisConnectUnixWithTimeout(h->name, tv) :
	    redisConnectWithTimeout(h->name, h->port != NULL ? atoi(h->port) : PORT, tv);
	int err = errno;

	if (db == NULL) {
		ask_note(a, "connect to redis server %s: insufficient memory", h->text);
		return NULL;
	}
	if (db->err != 0) {
		ask_note(a, "connect to redis server %s: %s", h->text, db->errstr);
	} else {
		redisSetTimeout(db, tv);
		if (log_in(r, db, h, a)) {
			ask_debug(a, "successful connection to host %s", h->text);
			return db;
		}
		err = errno;
	}
	redisFree(db);
	errno = err;
	return NULL;
}

static void red_disconnect(void *connection)
{
	redisFree(connection);
}

static bool value(const redisReply *reply, int depth, struct client_ask *a)
{
	char number[32];

	switch (reply->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return ask_value(a, reply->str);
	case REDIS_REPLY_INTEGER:
		snprintf(number, sizeof(number), "%lld", reply->integer);
		return ask_value(a, number);
	case REDIS_REPLY_ARRAY:
		for (size_t i = 0; i < reply->elements && depth < NESTING_MAX; i++)
			if (!value(reply->element[i], depth + 1, a))
				return false;
		return true;
	default:
		return true;
	}
}

static enum client_result judge(redisContext *db, const redisReply *reply, const struct client_host *h,
    struct client_ask *a)
{
	if (reply == NULL) {
		ask_note(a, "redis:%s: query failed: host %s: %s", ask_name(a), h->text, db->errstr);
		return CLIENT_LOST;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		ask_note(a, "redis:%s: query failed: host %s: %s", ask_name(a), h->text, reply->str);
		return CLIENT_REFUSED;
	}
	if (value(reply, 0, a))
		return CLIENT_DONE;
	ask_note(a, "redis:%s: expansion limit exceeded for key: '%s'", ask_name(a), ask_key(a));
	return CLIENT_FAILED;
}

static enum client_result red_lookup(void *table, void *connection, const struct client_host *h, struct client_ask *a)
{
	const struct red *r = table;
	redisContext *db = connection;
	const char **arg = xcalloc(r->word.n, sizeof(*arg));
	size_t *len = xcalloc(r->word.n, sizeof(*len));
	enum client_result result;
	redisReply *reply;

	for (size_t i = 0; i < r->word.n; i++) {
		struct buf b = { 0 };

		ask_expand(a, r->word.v[i], NULL, NULL, &b);
		len[i] = b.len;
		arg[i] = buf_steal(&b);
	}
	ask_debug(a, "host %s: %s ... for '%s'", h->text, arg[0], ask_key(a));
	redisSetTimeout(db, seconds(ask_left_ms(a)));
	reply = redisCommandArgv(db, (int)r->word.n, arg, len);
	result = judge(db, reply, h, a);
	freeReplyObject(reply);
	for (size_t i = 0; i < r->word.n; i++)
		free((char *)(uintptr_t)arg[i]);
	free(arg);
	free(len);
	return result;
}

const struct table_client table_client = {
	.abi = TABLE_CLIENT_ABI, .type = "redis", .open = red_open, .close = red_close,
	.connect = red_connect, .disconnect = red_disconnect, .lookup = red_lookup,
};
