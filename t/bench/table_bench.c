/* table_bench TYPE:NAME FILE [passes]: asks a table for every line of FILE, as the server does, on the loop. Prints the time a
 * look-up takes, how many were found, how many had to wait, and the memory this process needs. For callgrind, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/file.h>
#include <postrider/loop.h>
#include <postrider/table.h>

static struct table *table;
static struct table_op op;
static char **key;
static size_t n, at, found, waited, passes = 1;
static bool asking;

static void run(struct task *t)
{
	for (size_t step = 0; step < 1000 && at < n * passes; step++) {
		enum table_result r;

		if (!asking)
			table_start(&op, t, table, key[at % n]);
		asking = true;
		if ((r = table_poll(&op)) == TABLE_WAIT) {
			waited++;
			return;
		}
		found += r == TABLE_FOUND;
		table_end(&op);
		asking = false;
		at++;
	}
	if (at == n * passes)
		loop_stop();
	else
		task_wake(t);
}

static long resident_kib(void)
{
	char *text, *p;
	size_t len;
	long kib = 0;

	if ((text = file_read("/proc/self/status", 1 << 16, &len)) != NULL && (p = strstr(text, "RssAnon:")) != NULL)
		kib = atol(p + 8);
	free(text);
	return kib;
}

int main(int argc, char **argv)
{
	static struct view view;
	struct task task;
	struct tables *set;
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	int64_t begin, open_us;
	size_t len;
	char *text, *line, *rest;
	long before;

	if (argc < 3 || (text = file_read(argv[2], 1 << 30, &len)) == NULL)
		return 1;
	passes = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	for (rest = text; (line = strsep(&rest, "\n")) != NULL; )
		if (*line != '\0') {
			if (n % 4096 == 0)
				key = realloc(key, (n + 4096) * sizeof(*key));
			key[n++] = line;
		}
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/tmp";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	loop_init();
	table_init();
	task_init(&task, "bench", run);
	before = resident_kib();
	begin = clock_fresh_us();
	set = tables_new(&view);
	table = table_open(set, argv[1], TABLE_ADDR, NULL, &problems);
	open_us = clock_fresh_us() - begin;
	if (table_broken(table) != NULL) {
		fprintf(stderr, "%s\n", table_broken(table));
		return 1;
	}
	begin = clock_fresh_us();
	task_wake(&task);
	loop_run();
	printf("%s: %zu look-ups, %zu found, %zu waited, %.3f us each; opened in %.1f ms, %ld KiB\n", argv[1], n * passes, found,
	    waited, (double)(clock_fresh_us() - begin) / (double)(n * passes), (double)open_us / 1000, resident_kib() - before);
	return 0;
}
