/* store_help.h - unit tests of the store and of what stands on it: a store in a private directory, and blocking forms
 * of its operations (the loop runs until the answer is there). */
#ifndef STORE_HELP_H
#define STORE_HELP_H
#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/store.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char store_dir[256];
static struct store_config store_config_of_test = { .dir = store_dir, .map_bytes = (int64_t)1 << 36, .memory_limit = 64 << 20 };

static struct task help_task;
static void help_run(struct task *t)
{
	(void)t;
	loop_stop();
}

__attribute__((unused))
static void store_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(store_dir, sizeof(store_dir), "%s/store.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(store_dir) == NULL) {
		perror(store_dir);
		exit(1);
	}
	strcat(store_dir, "/postrider");
	loop_init();
	task_init(&help_task, "test", help_run);
}

__attribute__((unused))
static void store_open_ok(void)
{
	char *why = store_open(&store_config_of_test);

	if (why != NULL) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
}

__attribute__((unused))
static void store_finish(void)
{
	char cmd[300];

	store_close();
	loop_release();
	*strrchr(store_dir, '/') = '\0';
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", store_dir);
	if (system(cmd) != 0)
		printf("# %s failed\n", cmd);
}

#define WAIT_FOR(poll) do { while ((poll) == 0) loop_run(); } while (0)

__attribute__((unused))
static enum store_result commit_now(struct store_txn **t)
{
	struct store_op op = { 0 };
	enum store_result r;

	store_commit_start(&op, &help_task, t);
	WAIT_FOR(store_commit_poll(&op));
	r = store_commit_poll(&op);
	store_commit_end(&op);
	return r;
}

__attribute__((unused))
static struct message *make_message(const char *sender, int nrcpt, const char *rcpt_fmt, size_t body)
{
	struct message *m = message_new(store_new_id(), false);
	struct rcpt *r;
	char line[80];
	size_t n;
	int i;

	clock_update();
	m->arrival_us = m->received_us = wall_us();
	m->sender = arena_strdup(&m->arena, sender);
	m->size = (int64_t)body;
	for (i = 0; i < nrcpt; i++) {
		r = message_add_rcpt(m);
		r->addr = r->orig = arena_printf(&m->arena, "%s%d@%s", "user", i, rcpt_fmt);
	}
	m->rcpt_total = m->rcpt_left = (uint32_t)nrcpt;
	m->content = content_new();
	m->content->header = xstrdup("From: a@example.com\r\nTo: b@example.com\r\nSubject: test\r\n");
	m->content->header_len = strlen(m->content->header);
	memset(line, 'x', sizeof(line));
	memcpy(line + 78, "\r\n", 2);
	while (body > 0) {
		n = MIN(body, sizeof(line));
		content_append(m->content, line, n);
		body -= n;
	}
	return m;
}

/* Loads; NULL when it is not there. The caller unrefs. */
__attribute__((unused))
static struct message *load_message(queue_id_t id, uint32_t first, uint32_t max, unsigned states, bool *more_r)
{
	struct store_load_op op = { 0 };
	struct message *m = NULL;

	store_load_start(&op, &help_task, id, first, max, states);
	WAIT_FOR(store_load_poll(&op));
	if (store_load_poll(&op) == STORE_OK)
		m = message_ref(op.msg);
	if (more_r != NULL)
		*more_r = op.more;
	store_load_end(&op);
	return m;
}

/* All of a part; malloced, NULL when it cannot be read. */
__attribute__((unused))
static char *read_content(struct message *m, enum content_part part, size_t *len_r)
{
	struct content_op op = { 0 };
	struct buf b = { 0 };
	bool good;

	content_read_start(&op, &help_task, m, part);
	for (;;) {
		WAIT_FOR(content_read_poll(&op));
		if (content_read_poll(&op) != CONTENT_DATA)
			break;
		buf_add(&b, op.p, op.len);
		content_read_advance(&op);
	}
	good = content_read_poll(&op) == CONTENT_END;
	content_read_end(&op);
	if (!good) {
		buf_release(&b);
		return NULL;
	}
	*len_r = b.len;
	return buf_steal(&b);
}
#endif
