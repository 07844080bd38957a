/* postmap_query.c - questions to tables, each waited for.
 * The tables are those of the server, with the loop they need: a table that answers at once needs no pass of it.
 * Keys come one by one, or as the header and body lines of a message, as header_checks and body_checks get them. */
#include "postmap.h"
#include <postrider/dns.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/mime.h>
#include <postrider/table.h>
#include <stdio.h>
#include <stdlib.h>

static struct task waiter;

static void stop_waiting(struct task *t UNUSED)
{
	loop_stop();
}

void query_open(struct query *q, const struct view *view, char *const *specs, size_t n, int flags, bool decode)
{
	struct dns_config dns = { .servers = view_str(view, postrider_dns_servers) };

	*q = (struct query){ .view = view, .spec = specs, .n = n, .flags = flags | TABLE_BRIEF, .decode = decode };
	loop_init();
	dns_init(&dns);
	table_init();
	task_init(&waiter, "postmap", stop_waiting);
	q->set = tables_new(view);
	q->table = xcalloc(n + 1, sizeof(struct table *));
}

void query_close(struct query *q)
{
	tables_unref(&q->set);
	free(q->table);
	buf_release(&q->value);
	table_release();
	dns_release();
	loop_release();
}

static void print_warnings(struct problems *problems)
{
	const struct problem *p;

	TAILQ_FOREACH(p, problems, link)
		if (p->level == PROBLEM_WARNING)
			log_warn(NULL, "%s", p->text);
	TAILQ_FOREACH(p, problems, link)
		if (p->level != PROBLEM_WARNING)
			log_fatal("%s", p->text);
	problems_release(problems);
}

struct table *query_table(struct query *q, size_t i)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);

	if (q->table[i] == NULL) {
		q->table[i] = table_open(q->set, q->spec[i], q->flags, NULL, &problems);
		print_warnings(&problems);
		if (table_broken(q->table[i]) != NULL)
			log_fatal("%s", table_broken(q->table[i]));
	}
	return q->table[i];
}

bool query_decode(struct table *t, const char *key, const char *value, struct buf *out)
{
	buf_reset(out);
	if (buf_add_unbase64(out, value, strlen(value)))
		return true;
	log_warn(NULL, "table %s: key %s: malformed BASE64 value: %s", table_label(t), key, value);
	return false;
}

static bool take(struct query *q, struct table *t, const char *key, const char *value)
{
	if (!q->decode) {
		buf_reset(&q->value);
		buf_adds(&q->value, value);
	} else if (!query_decode(t, key, value, &q->value)) {
		log_fatal("table %s: query error", table_label(t));
	}
	return true;
}

bool query_find(struct query *q, const char *key)
{
	bool found = false;

	for (size_t i = 0; i < q->n && !found; i++) {
		struct table *t = query_table(q, i);
		struct table_op op = { 0 };
		enum table_result r;

		table_start(&op, &waiter, t, key);
		while ((r = table_poll(&op)) == TABLE_WAIT)
			loop_run();
		if (table_log_why(NULL, &op))
			exit(1);
		if (r == TABLE_ERROR)
			log_fatal("table %s: query error%s%s", table_label(t), op.err != TABLE_ERR_CONFIG ? ": " : "",
			    op.err > 0 ? strerror(op.err) : op.err == 0 ? "Application error" : "");
		if (r == TABLE_FOUND && *op.value == '\0') {
			log_warn(NULL, "table %s: key %s: empty string result is not allowed", q->spec[i], key);
			log_warn(NULL, "table %s should return NO RESULT in case of NOT FOUND", q->spec[i]);
		}
		found = r == TABLE_FOUND && take(q, t, key, op.value);
		table_end(&op);
	}
	return found;
}

static void print_value(const struct query *q)
{
	fwrite(buf_str(&q->value), 1, q->value.len, stdout);
	putchar('\n');
}

bool query_print(struct query *q, const char *key)
{
	if (!query_find(q, key))
		return false;
	fputs(key, stdout);
	fputs(q->colon, stdout);
	print_value(q);
	return true;
}

bool query_lines(struct query *q, bool (*fn)(struct query *, const char *key))
{
	char *line = NULL;
	size_t size = 0;
	bool any = false;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		any = fn(q, line) || any;
	}
	free(line);
	return any;
}

/* ---- a message --------------------------------------------------------------------------------------- */

struct message {
	struct query	*q;
	unsigned	 parts;
	bool		 any;
	struct buf	 line;
};

static void on_header(void *arg, enum mime_place place UNUSED, const struct hdr_info *info UNUSED, const char *text,
    size_t len UNUSED)
{
	struct message *m = arg;

	if (m->parts & MESSAGE_HEADER)
		m->any = query_print(m->q, text) || m->any;
}

static void on_end_of_headers(void *arg UNUSED)
{
}

static void on_body(void *arg, const char *line, size_t len, bool partial UNUSED)
{
	struct message *m = arg;

	if ((m->parts & MESSAGE_BODY) == 0)
		return;
	buf_reset(&m->line);
	buf_add(&m->line, line, len);
	m->any = query_print(m->q, buf_str(&m->line)) || m->any;
}

bool query_message(struct query *q, unsigned parts)
{
	static const struct mime_hooks hooks = { on_header, on_end_of_headers, on_body, NULL };
	struct mime_config config = { .options = (parts & MESSAGE_MIME) != 0 ? MIME_PARSE : 0,
		.header_size_limit = (size_t)view_int(q->view, header_size_limit),
		.nesting_limit = view_int(q->view, mime_nesting_limit),
		.boundary_limit = (size_t)view_int(q->view, mime_boundary_length_limit) };
	struct message m = { .q = q, .parts = parts };
	struct mime *mime = mime_new(&config, &hooks, &m);
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = '\0';
		mime_line(mime, line, strlen(line), false);
	}
	mime_end(mime);
	mime_free(&mime);
	free(line);
	buf_release(&m.line);
	return m.any;
}
