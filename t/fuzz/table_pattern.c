/* table_pattern.c - any bytes as a pcre: or regexp: file: the prefilter must change no answer. The first byte chooses the
 * type; the last line is the key. regexp: only takes what is short and without counts: the C library's own faults with
 * nested counts are not what is looked for. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <postrider/config.h>

#include "table/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *ask(struct table *t, const char *key, bool unfiltered)
{
	struct table_op op = { 0 };
	char *got;

	pattern_unfiltered = unfiltered;
	table_start(&op, NULL, t, key);
	got = xstrdup(table_poll(&op) == TABLE_FOUND ? op.value : "-");
	table_end(&op);
	return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view view;
	struct tables *set;
	char *text, *key, *a, *b, spec[100];
	struct table *t;
	bool perl;
	int fd;

	if (size < 4 || size > 2000)
		return 0;
	perl = (data[0] & 1) != 0;
	text = xstrndup((const char *)data + 1, size - 1);
	key = strrchr(text, '\n');
	if (key == NULL || strlen(key) > 200 || (!perl && (size > 300 || strpbrk(text, "{*+") != NULL))) {
		free(text);
		return 0;
	}
	*key++ = '\0';
	view.v[P_smtputf8_enable].flag = (data[0] & 2) != 0;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	set = tables_new(&view);
	fd = memfd_create("source", 0);
	ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	ASSERT(write(fd, "\n/nosuch1/ 1\n/nosuch2/ 2\n/nosuch3/ 3\n/nosuch4/ 4\n", 49) == 49);
	snprintf(spec, sizeof(spec), "%s:/proc/self/fd/%d", perl ? "pcre" : "regexp", fd);
	t = table_open(set, spec, TABLE_ADDR, NULL, NULL);
	close(fd);
	a = ask(t, key, false);
	b = ask(t, key, true);
	ASSERT(strcmp(a, b) == 0);
	free(a);
	free(b);
	free(text);
	tables_unref(&set);
	return 0;
}
