/* table_mysql.c - mysql:, by MariaDB's Connector/C.
 * Every column of every row is a value. Keys are escaped for the connection they go over. A statement that gives no
 * result set, as a stored procedure may, is an error unless require_result_set = no; more than one is always. A host
 * without a port may be named localhost: that is the library's own socket. */
#include <errno.h>
#include <mysql.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <postrider/tableclient.h>

enum { CONNECT_SHARE = 3 };

struct my {
	const char	*user, *password, *dbname, *query;
	const char	*option_file, *option_group, *charset;
	const char	*key, *cert, *ca_file, *ca_path, *ciphers;
	bool		 say_verify, verify, tls, require_result;
};

static bool my_init(void)
{
	return mysql_library_init(0, NULL, NULL) == 0;
}

/* [inet:]host[:port], unix:/path */
static void parse_host(struct client_setup *c, struct client_host *h, char *text)
{
	struct servent *service;
	char *colon, *end;
	long n;

	h->local = strncmp(text, "unix:", 5) == 0;
	if (h->local || strncmp(text, "inet:", 5) == 0)
		text += 5;
	h->name = text;
	if ((colon = strrchr(text, ':')) != NULL) {
		*colon = '\0';
		h->port = colon + 1;
		n = strtol(h->port, &end, 10);
		if (*h->port == '\0' || *end != '\0' || n < 0 || n > 65535) {
			service = getservbyname(h->port, "tcp");
			if (service == NULL)
				client_fail(c, "unknown service: %s/tcp", h->port);
		}
	}
	if (strcasecmp(h->name, "localhost") == 0) {
		h->name = NULL;
		h->local = true;
	}
}

static unsigned port_number(const struct client_host *h)
{
	struct servent *service;
	char *end;
	long n;

	if (h->port == NULL)
		return 0;
	n = strtol(h->port, &end, 10);
	if (*end == '\0')
		return (unsigned)n;
	service = getservbyname(h->port, "tcp");
	return service != NULL ? ntohs((uint16_t)service->s_port) : 0;
}

static const char *or_null(const char *s)
{
	return *s != '\0' ? s : NULL;
}

static void *my_open(struct client_setup *c)
{
	struct my *m = xcalloc(1, sizeof(*m));

	m->user = client_str(c, "user", "", false);
	m->password = client_str(c, "password", "", false);
	m->dbname = client_str(c, "dbname", "", true);
	client_template(c, client_str(c, "result_format", "%s", true), true);
	m->option_file = or_null(client_file(c, client_str(c, "option_file", "", false)));
	m->option_group = or_null(client_str(c, "option_group", "client", false));
	m->key = or_null(client_file(c, client_str(c, "tls_key_file", "", false)));
	m->cert = or_null(client_str(c, "tls_cert_file", "", false));
	m->ca_file = or_null(client_str(c, "tls_CAfile", "", false));
	m->ca_path = or_null(client_str(c, "tls_CApath", "", false));
	m->ciphers = or_null(client_str(c, "tls_ciphers", "", false));
	m->say_verify = *client_str(c, "tls_verify_cert", "", false) != '\0';
	m->verify = m->say_verify && client_bool(c, "tls_verify_cert", false);
	m->tls = m->key != NULL || m->cert != NULL || m->ca_file != NULL || m->ca_path != NULL || m->ciphers != NULL;
	m->charset = or_null(client_str(c, "charset", "", false));
	m->require_result = client_bool(c, "require_result_set", true);
	m->query = client_sql(c);
	client_template(c, m->query, false);
	client_hosts(c, "hosts", "localhost", parse_host, client_int(c, "retry_interval", 60, 1, 0) * 1000);
	return m;
}

static void my_close(void *table)
{
	free(table);
}

static void set_options(MYSQL *db, const struct my *m, const struct client_ask *a)
{
	unsigned left = (unsigned)MAX(ask_left_ms(a) / 1000, 1), connect = MAX(left / CONNECT_SHARE, 1u);
	my_bool verify = m->verify;

	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &left);
	mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &left);
	if (m->option_file != NULL)
		mysql_options(db, MYSQL_READ_DEFAULT_FILE, m->option_file);
	if (m->option_group != NULL)
		mysql_options(db, MYSQL_READ_DEFAULT_GROUP, m->option_group);
	if (m->charset != NULL)
		mysql_options(db, MYSQL_SET_CHARSET_NAME, m->charset);
	if (m->tls)
		mysql_ssl_set(db, m->key, m->cert, m->ca_file, m->ca_path, m->ciphers);
	if (m->say_verify)
		mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static void *my_connect(void *table, const struct client_host *h, struct client_ask *a)
{
	const struct my *m = table;
	MYSQL *db = mysql_init(NULL);
	int err;

	if (db == NULL) {
		ask_note(a, "dict_mysql: insufficient memory");
		return NULL;
	}
	set_options(db, m, a);
	if (mysql_real_connect(db, h->local ? NULL : h->name, m->user, m->password, m->dbname, port_number(h),
	    h->local ? h->name : NULL, CLIENT_MULTI_RESULTS) != NULL) {
		ask_debug(a, "successful connection to host %s", h->text);
		return db;
	}
	err = errno;
	ask_note(a, "connect to mysql server %s: %s", h->text, mysql_error(db));
	mysql_close(db);
	errno = err;
	return NULL;
}

static void my_disconnect(void *connection)
{
	mysql_close(connection);
}

static void quote(void *arg, const char *part, struct buf *out)
{
	size_t len = strlen(part);

	buf_reserve(out, 2 * len + 1);
	out->len += mysql_real_escape_string(arg, out->p + out->len, part, len);
}

static enum client_result broken(MYSQL *db)
{
	switch (mysql_errno(db)) {
	case 1053:	/* the server shuts down */
	case 1927:	/* killed */
	case 2006:	/* gone */
	case 2013:	/* lost */
	case 2014:	/* out of step */
	case 2026:	/* TLS */
	case 2027:	/* a malformed packet */
	case 4031:	/* idle for too long */
		return CLIENT_LOST;
	}
	return CLIENT_REFUSED;
}

static enum client_result rows(MYSQL_RES *res, struct client_ask *a)
{
	MYSQL_ROW row;

	while ((row = mysql_fetch_row(res)) != NULL) {
		for (unsigned i = 0; i < mysql_num_fields(res); i++) {
			if (!ask_value(a, row[i])) {
				ask_note(a, "dict_mysql_lookup: %s: Expansion limit exceeded for key: '%s'", ask_name(a),
				    ask_key(a));
				return CLIENT_FAILED;
			}
		}
	}
	return CLIENT_DONE;
}

/* Everything the statement gives: one result set at most, and none only where that is allowed. */
static enum client_result results(const struct my *m, MYSQL *db, struct client_ask *a)
{
	enum client_result r = CLIENT_DONE;
	MYSQL_RES *kept = NULL, *res;
	int more;

	do {
		res = mysql_store_result(db);
		if (res != NULL && kept != NULL) {
			ask_note(a, "mysql:%s: query failed: multiple result sets returning data are not supported",
			    ask_name(a));
			mysql_free_result(res);
			r = CLIENT_LOST;
			break;
		}
		if (res == NULL && mysql_field_count(db) > 0) {
			ask_note(a, "mysql:%s: query failed (mysql_store_result): %s", ask_name(a), mysql_error(db));
			r = broken(db);
			break;
		}
		kept = res != NULL ? res : kept;
		if ((more = mysql_next_result(db)) > 0) {
			ask_note(a, "mysql:%s: query failed (mysql_next_result): %s", ask_name(a), mysql_error(db));
			r = broken(db);
		}
	} while (more == 0);
	if (r == CLIENT_DONE && kept == NULL && m->require_result) {
		ask_note(a, "mysql:%s: query failed: query returned no result set(require_result_set = yes)", ask_name(a));
		r = CLIENT_REFUSED;
	}
	if (r == CLIENT_DONE && kept != NULL)
		r = rows(kept, a);
	mysql_free_result(kept);
	return r;
}

static enum client_result my_lookup(void *table, void *connection, const struct client_host *h, struct client_ask *a)
{
	const struct my *m = table;
	MYSQL *db = connection;
	struct buf query = { 0 };
	enum client_result r;

	ask_expand(a, m->query, quote, db, &query);
	ask_debug(a, "host %s: query %s", h->text, buf_str(&query));
	if (mysql_real_query(db, buf_str(&query), query.len) == 0) {
		r = results(m, db, a);
	} else {
		ask_note(a, "mysql:%s: query failed: %s", ask_name(a), mysql_error(db));
		r = broken(db);
	}
	buf_release(&query);
	return r;
}

const struct table_client table_client = {
	.abi = TABLE_CLIENT_ABI, .type = "mysql", .says_domain = true, .init = my_init, .open = my_open, .close = my_close,
	.connect = my_connect, .disconnect = my_disconnect, .lookup = my_lookup,
};
