/* The reader of LMDB files: every key of tables small and large is found, others are not; damaged files are refused or
 * give errors, never a crash; a page that is not in memory is not waited for on the loop. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/loop.h>
#include <postrider/table.h>

#include "table/room.h"
#include "tap.h"

static char dir[] = "/var/tmp/table_index.XXXXXX";

static char *make(const char *name, int n, bool no_nul, size_t value_len)
{
	char *path = xasprintf("%s/%s", dir, name), *why = NULL;
	struct index_how how = { .no_nul = no_nul, .text_bytes = (size_t)n * (value_len + 40), .mode = 0600 };
	struct index_edit *x = index_edit_new(path, &how, &why);
	struct buf value = { 0 };

	for (int i = 0; i < n; i++) {
		char key[80];

		snprintf(key, sizeof(key), "%s%d@%c.example.com", i % 3 != 0 ? "user" : "", i, 'a' + i % 26);
		buf_reset(&value);
		buf_addf(&value, "v%d", i);
		while (value.len < value_len)
			buf_addf(&value, " %d", i);
		index_edit_put(x, key, buf_str(&value), false);
	}
	buf_release(&value);
	why = index_edit_commit(&x);
	ok(why == NULL, "%s made", name);
	return path;
}

static void check(const char *what, const char *path, int n, size_t value_len, bool warm)
{
	struct buf value = { 0 };
	const char *reason = NULL;
	char *why = NULL;
	struct index *x = index_open(path, warm, &why);
	int right = 0, none = 0;

	ok(x != NULL, "%s: opened%s", what, warm ? ", for a server" : "");
	for (int i = 0; x != NULL && i < n; i++) {
		char key[80], want[20];
		enum index_found f;

		snprintf(key, sizeof(key), "%s%d@%c.example.com", i % 3 != 0 ? "user" : "", i, 'a' + i % 26);
		snprintf(want, sizeof(want), "v%d", i);
		f = index_get(x, key, i % 2 == 0, &value, &reason);
		if (f == INDEX_MUST_WAIT)
			f = index_get(x, key, true, &value, &reason);
		right += f == INDEX_FOUND && strncmp(buf_str(&value), want, strlen(want)) == 0 && value.len >= value_len;
		key[strlen(key) - 1] = i % 5 == 0 ? '\0' : 'n';
		none += index_get(x, key, true, &value, &reason) == INDEX_ABSENT;
	}
	is_int(right, n, "%s: all found", what);
	is_int(none, n, "%s: others not", what);
	if (x != NULL)
		index_unref(x);
	buf_release(&value);
}

static void test_sizes(void)
{
	static const struct { const char *name; int n; bool no_nul; size_t len; } t[] = {
		{ "empty", 0, false, 0 }, { "one", 1, false, 0 }, { "few", 40, true, 0 }, { "pages", 3000, false, 20 },
		{ "large", 60000, false, 30 }, { "without", 20000, true, 30 }, { "values", 300, false, 3000 }, { "huge", 20, false, 300000 },
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		char *path = make(t[i].name, t[i].n, t[i].no_nul, t[i].len);

		check(t[i].name, path, t[i].n, t[i].len, false);
		check(t[i].name, path, t[i].n, t[i].len, true);
		free(path);
	}
}

/* Pages thrown out of the page cache, as when memory is short. */
static bool cool(const char *path)
{
	int fd = open(path, O_RDONLY), left = 0;
	char *why = NULL;
	struct index *x;
	struct buf value = { 0 };
	const char *reason;

	ok(fd >= 0 && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "pages dropped");
	close(fd);
	x = index_open(path, false, &why);
	for (int i = 0; i < 60000; i += 6000) {
		char key[80];

		snprintf(key, sizeof(key), "%s%d@%c.example.com", i % 3 != 0 ? "user" : "", i, 'a' + i % 26);
		left += index_get(x, key, false, &value, &reason) == INDEX_MUST_WAIT;
	}
	index_unref(x);
	buf_release(&value);
	return left > 0;
}

static struct task task;
static struct table_op op;
static enum table_result result;
static char *got;

static void run(struct task *t UNUSED)
{
	result = table_poll(&op);
	if (result == TABLE_WAIT)
		return;
	got = xstrdup(op.value);
	loop_stop();
}

static void test_cold(struct tables *set)
{
	char *path = xasprintf("%s/large.lmdb", dir), *from = xasprintf("%s/large", dir), *spec = xasprintf("lmdb:%s/large", dir);
	struct table *t;

	ok(rename(from, path) == 0, "a table without source");
	t = table_open(set, spec, TABLE_ADDR, NULL, NULL);
	ok(table_broken(t) == NULL, "opened");
	if (!cool(path))
		diag("the pages stay in memory here");
	task_init(&task, "test", run);
	table_start(&op, &task, t, "USER59999@r.example.com");
	task_wake(&task);
	loop_run();
	ok(result == TABLE_FOUND && strncmp(got, "v59999 ", 7) == 0, "found all the same");
	table_end(&op);
	task_unlink(&task);
	free(got);
	free(path);
	free(from);
	free(spec);
}

static void test_damage(void)
{
	char *path = make("damaged", 500, false, 200), *why, *bad = xasprintf("%s/bad", dir);
	size_t n;
	struct buf value = { 0 };
	char *good = NULL;
	int opened = 0, answers = 0;
	FILE *f = fopen(path, "r");

	good = xmalloc(1 << 20);
	n = fread(good, 1, 1 << 20, f);
	fclose(f);
	srand(7);
	for (int i = 0; i < 400; i++) {
		char *copy = xmalloc(n);
		struct index *x;
		const char *reason;

		memcpy(copy, good, n);
		for (int k = 0; k < 1 + i % 40; k++)
			copy[(size_t)rand() % (i % 2 == 0 ? n : MIN(n, (size_t)8300))] = (char)rand();
		f = fopen(bad, "w");
		fwrite(copy, 1, i % 7 == 0 ? n / (size_t)(2 + i % 5) : n, f);
		fclose(f);
		free(copy);
		why = NULL;
		if ((x = index_open(bad, i % 3 != 0, &why)) != NULL) {
			opened++;
			for (int k = 0; k < 500; k += 7) {
				char key[80];

				snprintf(key, sizeof(key), "%s%d@%c.example.com", k % 3 != 0 ? "user" : "", k, 'a' + k % 26);
				answers += index_get(x, key, true, &value, &reason) != INDEX_MUST_WAIT;
			}
			index_unref(x);
		}
		free(why);
	}
	ok(opened > 0 && answers == opened * 72, "damaged files: %d could be opened", opened);
	free(good);
	free(path);
	free(bad);
	buf_release(&value);
}

int main(void)
{
	static struct view view;
	struct tables *set;
	char command[300];

	if (mkdtemp(dir) == NULL)
		return 1;
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = dir;
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	loop_init();
	table_init();
	set = tables_new(&view);
	test_sizes();
	test_cold(set);
	test_damage();
	tables_unref(&set);
	table_release();
	loop_release();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done_testing() : 1;
}
