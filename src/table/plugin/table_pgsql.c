/* table_pgsql.c - pgsql:, by libpq.
 * Every column of every row is a value, a column that is NULL like an empty one. The connection speaks LATIN1 unless
 * `encoding` says otherwise, as Postfix 3.7 has it. Connecting may block for as long as its own limit; a query is sent
 * and its answer waited for, as libpq has no limit for that. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <postrider/tableclient.h>

enum { CONNECT_SHARE = 3 };

struct pg {
	const char	*user, *password, *dbname, *query, *encoding;
};

static bool is_uri(const char *name)
{
	return strncmp(name, "postgresql:", 11) == 0;
}

/* [inet:]host[:port], [unix:]/directory, postgresql://... */
static void parse_host(struct client_setup *c UNUSED, struct client_host *h, char *text)
{
	char *colon;

	if (strncmp(text, "unix:", 5) == 0 || strncmp(text, "inet:", 5) == 0)
		text += 5;
	h->name = text;
	h->local = *text == '\0' || *text == '/';
	if (!h->local && !is_uri(text) && (colon = strrchr(text, ':')) != NULL) {
		*colon = '\0';
		h->port = colon + 1;
	}
}

static void *pg_open(struct client_setup *c)
{
	struct pg *p = xcalloc(1, sizeof(*p));
	const char *function;

	p->user = client_str(c, "user", "", false);
	p->password = client_str(c, "password", "", false);
	p->dbname = client_str(c, "dbname", "", true);
	p->encoding = client_str(c, "encoding", "LATIN1", true);
	client_template(c, client_str(c, "result_format", "%s", true), true);
	p->query = client_str(c, "query", "", false);
	if (*p->query == '\0') {
		function = client_str(c, "select_function", "", false);
		p->query = *function != '\0' ? client_text(c, "SELECT %s('%%s')", function) : client_sql(c);
	}
	client_template(c, p->query, false);
	client_hosts(c, "hosts", "localhost", parse_host, client_int(c, "retry_interval", 60, 1, 0) * 1000);
	return p;
}

static void pg_close(void *table)
{
	free(table);
}

static PGconn *connect_to(const struct pg *p, const struct client_host *h, const struct client_ask *a)
{
	const char *key[8], *value[8];
	char seconds[16];
	int n = 0;

	snprintf(seconds, sizeof(seconds), "%d", MAX(ask_left_ms(a) / 1000 / CONNECT_SHARE, 2));
	key[n] = "connect_timeout", value[n++] = seconds;
	if (is_uri(h->name)) {			/* says it all */
		key[n] = "dbname", value[n++] = h->name;
	} else {
		key[n] = "user", value[n++] = *p->user != '\0' ? p->user : NULL;
		key[n] = "password", value[n++] = *p->password != '\0' ? p->password : NULL;
		key[n] = "dbname", value[n++] = p->dbname;
		key[n] = "host", value[n++] = *h->name != '\0' ? h->name : NULL;
		key[n] = "port", value[n++] = h->port;
	}
	key[n] = "client_encoding", value[n++] = p->encoding;	/* with the first packet: to set it later may wait for ever */
	key[n] = NULL;
	value[n] = NULL;
	return PQconnectdbParams(key, value, 1);
}

static void *pg_connect(void *table, const struct client_host *h, struct client_ask *a)
{
	const struct pg *p = table;
	PGconn *db = connect_to(p, h, a);
	int err = errno;

	if (PQstatus(db) == CONNECTION_OK) {
		ask_debug(a, "successful connection to host %s", h->text);
		return db;
	}
	if (strstr(PQerrorMessage(db), "\"client_encoding\"") != NULL)	/* the one the server does not know */
		ask_note(a, "dict_pgsql: cannot set the encoding to %s, skipping %s", p->encoding, h->text);
	else
		ask_note(a, "connect to pgsql server %s: %s", h->text, PQerrorMessage(db));
	PQfinish(db);
	errno = err;
	return NULL;
}

static void pg_disconnect(void *connection)
{
	PQfinish(connection);
}

struct quoting { PGconn *db; bool failed; };

static void quote(void *arg, const char *part, struct buf *out)
{
	struct quoting *q = arg;
	size_t len = strlen(part);
	int error = 0;

	buf_reserve(out, 2 * len + 1);
	out->len += PQescapeStringConn(q->db, out->p + out->len, part, len, &error);
	q->failed = q->failed || error != 0;
}

/* The whole answer has arrived. */
static bool wait_answer(PGconn *db, const struct client_ask *a)
{
	while (PQisBusy(db)) {
		struct pollfd p = { .fd = PQsocket(db), .events = POLLIN };

		if (poll(&p, 1, ask_left_ms(a)) == 0) {
			errno = ETIMEDOUT;
			return false;
		}
		if (PQconsumeInput(db) == 0)
			return false;
	}
	return true;
}

static PGresult *ask_server(PGconn *db, const char *query, const struct client_ask *a)
{
	PGresult *res = NULL, *next;

	if (PQsendQuery(db, query) == 0)
		return NULL;
	for (;;) {			/* the last of several statements counts, as with PQexec() */
		if (!wait_answer(db, a)) {
			PQclear(res);
			return NULL;
		}
		if ((next = PQgetResult(db)) == NULL)
			return res;
		PQclear(res);
		res = next;
		if (PQresultStatus(res) == PGRES_COPY_OUT || PQresultStatus(res) == PGRES_COPY_IN ||
		    PQresultStatus(res) == PGRES_COPY_BOTH)
			return res;
	}
}

static enum client_result rows(const PGresult *res, struct client_ask *a)
{
	for (int i = 0; i < PQntuples(res); i++) {
		for (int j = 0; j < PQnfields(res); j++) {
			if (!ask_value(a, PQgetvalue(res, i, j))) {
				ask_note(a, "dict_pgsql_lookup: %s: Expansion limit exceeded for key: '%s'", ask_name(a),
				    ask_key(a));
				return CLIENT_FAILED;
			}
		}
	}
	return CLIENT_DONE;
}

static enum client_result judge(PGconn *db, const PGresult *res, const struct client_host *h, struct client_ask *a)
{
	if (res == NULL) {
		ask_note(a, "pgsql query failed: fatal error from host %s: %s", h->text,
		    errno == ETIMEDOUT ? "no answer in time" : PQerrorMessage(db));
		return CLIENT_LOST;
	}
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		return rows(res, a);
	case PGRES_FATAL_ERROR:
		ask_note(a, "pgsql query failed: fatal error from host %s: %s", h->text, PQresultErrorMessage(res));
		return PQstatus(db) == CONNECTION_OK ? CLIENT_REFUSED : CLIENT_LOST;
	case PGRES_BAD_RESPONSE:
		ask_note(a, "pgsql query failed: protocol error, host %s", h->text);
		return CLIENT_LOST;
	default:
		ask_note(a, "pgsql query failed: unknown code 0x%lx from host %s", (unsigned long)PQresultStatus(res),
		    h->text);
		return CLIENT_LOST;
	}
}

static enum client_result pg_lookup(void *table, void *connection, const struct client_host *h, struct client_ask *a)
{
	const struct pg *p = table;
	struct quoting q = { .db = connection };
	struct buf query = { 0 };
	enum client_result r;
	PGresult *res;

	ask_expand(a, p->query, quote, &q, &query);
	if (q.failed) {
		ask_note(a, "dict pgsql: (host %s) cannot escape input string: %s", h->text, PQerrorMessage(q.db));
		buf_release(&query);
		return CLIENT_REFUSED;
	}
	ask_debug(a, "host %s: query %s", h->text, buf_str(&query));
	errno = 0;
	res = ask_server(q.db, buf_str(&query), a);
	r = judge(q.db, res, h, a);
	PQclear(res);
	buf_release(&query);
	return r;
}

const struct table_client table_client = {
	.abi = TABLE_CLIENT_ABI, .type = "pgsql", .open = pg_open, .close = pg_close,
	.connect = pg_connect, .disconnect = pg_disconnect, .lookup = pg_lookup,
};
