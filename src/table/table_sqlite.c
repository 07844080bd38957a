/* table_sqlite.c - sqlite:, a data base in a file.
 * The first column of each row is a value. A file that only root may read is opened by the parent, like tables'
 * sources. Postfix makes an empty data base where none is; here that is an error. A data base that is locked is
 * waited for a little. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sqlite3.h>
#include <postrider/file.h>

#include "client.h"

enum { BUSY_MS = 5000, PROGRESS_STEPS = 10000 };

struct lite {
	const char	*path, *query;
};
struct lite_connection {
	sqlite3		*db;
	struct client_ask *ask;		/* being answered */
	bool		 used;		/* a question before this one has been answered */
};

/* SQLite's open(2): what may not be read is asked of the parent. */
static int open_or_ask(const char *path, int flags, int mode)
{
	int fd = open(path, flags, mode);

	if (fd < 0 && errno == EACCES && (flags & O_ACCMODE) == O_RDONLY && (flags & O_CREAT) == 0)
		fd = file_open_read(path);
	return fd;
}

static bool lite_init(void)
{
	sqlite3_vfs *vfs;

	if (sqlite3_initialize() != SQLITE_OK || (vfs = sqlite3_vfs_find(NULL)) == NULL)
		return false;
	return vfs->iVersion < 3 || vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_or_ask) == SQLITE_OK;
}

static sqlite3 *open_db(const char *path, char **why_r)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		return db;
	}
	*why_r = xstrdup(db != NULL ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_close(db);
	return NULL;
}

static void *lite_open(struct client_setup *c)
{
	struct lite *l = xcalloc(1, sizeof(*l));
	char *why = NULL;
	sqlite3 *db;

	l->path = client_str(c, "dbpath", "", true);
	l->query = client_sql(c);
	client_template(c, l->query, false);
	if (*l->path != '\0') {
		if ((db = open_db(l->path, &why)) == NULL)
			client_fail(c, "sqlite:%s: Can't open database: %s?", client_name(c), why);
		sqlite3_close(db);
		free(why);
	}
	return l;
}

static void lite_close(void *table)
{
	free(table);
}

static int out_of_time(void *arg)
{
	const struct lite_connection *c = arg;

	return c->ask != NULL && ask_left_ms(c->ask) <= 1;
}

static void *lite_connect(void *table, const struct client_host *host UNUSED, struct client_ask *a)
{
	struct lite *l = table;
	struct lite_connection *c;
	char *why = NULL;
	sqlite3 *db = open_db(l->path, &why);

	if (db == NULL) {
		ask_note(a, "sqlite:%s: Can't open database: %s", ask_name(a), why);
		free(why);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->db = db;
	sqlite3_progress_handler(db, PROGRESS_STEPS, out_of_time, c);
	return c;
}

static void lite_disconnect(void *connection)
{
	struct lite_connection *c = connection;

	sqlite3_close(c->db);
	free(c);
}

static void quote(void *arg UNUSED, const char *part, struct buf *out)
{
	for (; *part != '\0'; part++) {
		if (*part == '\'')
			buf_addc(out, '\'');
		buf_addc(out, *part);
	}
}

static enum client_result rows(struct lite_connection *c, sqlite3_stmt *s, const char *query, struct client_ask *a)
{
	int status;

	while ((status = sqlite3_step(s)) == SQLITE_ROW) {
		if (!ask_value(a, (const char *)sqlite3_column_text(s, 0))) {
			ask_note(a, "dict_sqlite_lookup: %s: Expansion limit exceeded for key '%s'", ask_name(a), ask_key(a));
			return CLIENT_FAILED;
		}
	}
	if (status == SQLITE_DONE)
		return CLIENT_DONE;
	ask_note(a, "dict_sqlite_lookup: %s: SQL step failed for query '%s': %s?", ask_name(a), query,
	    sqlite3_errmsg(c->db));
	if (status != SQLITE_MISUSE)
		ask_note(a, "fatal: dict_sqlite_lookup: %s: SQL finalize failed for query '%s': %s?", ask_name(a), query,
		    sqlite3_errmsg(c->db));
	return CLIENT_FAILED;
}

/* Another file has the name since the connection was made. A new connection has the file of now, whatever becomes
 * of the name. */
static bool replaced(struct lite_connection *c)
{
	int moved = 0;

	if (!c->used) {
		c->used = true;
		return false;
	}
	return sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

static enum client_result lite_lookup(void *table, void *connection, const struct client_host *host UNUSED,
    struct client_ask *a)
{
	struct lite_connection *c = connection;
	struct lite *l = table;
	struct buf query = { 0 };
	enum client_result r = CLIENT_FAILED;
	sqlite3_stmt *s = NULL;
	const char *rest;

	if (replaced(c))
		return CLIENT_LOST;
	ask_expand(a, l->query, quote, NULL, &query);
	ask_debug(a, "query %s", buf_str(&query));
	c->ask = a;
	if (sqlite3_prepare_v2(c->db, buf_str(&query), -1, &s, &rest) != SQLITE_OK)
		ask_note(a, "fatal: dict_sqlite_lookup: %s: SQL prepare failed: %s?", ask_name(a), sqlite3_errmsg(c->db));
	else
		r = rows(c, s, buf_str(&query), a);
	sqlite3_finalize(s);
	c->ask = NULL;
	buf_release(&query);
	return r;
}

const struct table_client client_sqlite = {
	.abi = TABLE_CLIENT_ABI, .type = "sqlite", .utf8_only = true, .no_server = true, .init = lite_init, .open = lite_open,
	.close = lite_close, .connect = lite_connect, .disconnect = lite_disconnect, .lookup = lite_lookup,
};
const struct table_class table_sqlite = CLIENT_CLASS("sqlite");
