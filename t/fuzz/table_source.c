/* table_source.c - any bytes as a table's source, a list of tables, or a match list. The first byte chooses which;
 * then some keys are looked up. regexp: is left out, as the C library's compiler would be what is tested. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <postrider/config.h>

#include "table/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct table *t, const char *key)
{
	struct table_op op = { 0 };
	enum table_result r;

	table_start(&op, NULL, t, key);
	r = table_poll(&op);
	ASSERT(r == TABLE_FOUND || r == TABLE_NONE || r == TABLE_ERROR);
	ASSERT((r == TABLE_FOUND) == (op.value != NULL));
	table_end(&op);
}

static void match(struct tables *set, enum match_kind kind, const char *text, bool parents, struct problems *problems)
{
	struct match_list *l = match_list_new(set, kind, "list", text, parents, problems);
	static const char *const names[] = { "a", "a.b", "x.a.b", "", "." };
	static const char *const addrs[] = { "10.1.2.3", "::1", "2001:db8::1", "x" };

	for (size_t i = 0; i < NELEM(names) * NELEM(addrs); i++) {
		struct match_op op = { 0 };

		match_start(&op, NULL, NULL, l, names[i % NELEM(names)], addrs[i / NELEM(names)]);
		ASSERT(match_poll(&op) != MATCH_WAIT);
		match_end(&op);
	}
}

/* Everything but what reads files, asks the system or a server: a '/' only behind an address. */
static bool harmless(const char *text)
{
	static const char *const types[] = { "unix:", "hash:", "btree:", "lmdb:", "regexp:", "cidr:", "pcre:", "tcp:",
	    "socketmap:", "memcache:", "sqlite:", "ldap:", "mysql:", "pgsql:", "redis:" };

	for (size_t i = 0; i < NELEM(types); i++)
		if (strstr(text, types[i]) != NULL)
			return false;
	for (const char *p = strchr(text, '/'); p != NULL; p = strchr(p + 1, '/'))
		if (p == text || strchr("0123456789abcdef:]", p[-1]) == NULL)
			return false;
	return true;
}

static void with_file(struct tables *set, const char *type, const uint8_t *data, size_t size, struct problems *problems)
{
	static const char *const keys[] = { "a", "A b", "10.1.2.3", "::1", "aab\nb", "\xff", "" };
	int fd = memfd_create("source", 0);
	char spec[100];
	struct table *t;

	ASSERT(write(fd, data, size) == (ssize_t)size);
	snprintf(spec, sizeof(spec), "%s:/proc/self/fd/%d", type, fd);
	t = table_open(set, spec, TABLE_ADDR, "fuzz", problems);
	close(fd);
	for (size_t i = 0; i < NELEM(keys); i++)
		look_up(t, keys[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct view view;
	struct problems problems;
	struct tables *set;
	struct buf key = { 0 }, value = { 0 };
	char *text, *spec;

	if (size < 1 || size > 20000)
		return 0;
	TAILQ_INIT(&problems);
	view.v[P_smtputf8_enable].flag = (data[0] & 16) != 0;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	set = tables_new(&view);
	text = xstrndup((const char *)data + 1, size - 1);
	switch (data[0] & 7) {
	case 0:
		with_file(set, "texthash", data + 1, size - 1, &problems);
		break;
	case 1:
		with_file(set, "cidr", data + 1, size - 1, &problems);
		break;
	case 2:
		with_file(set, "pcre", data + 1, size - 1, &problems);
		break;
	case 3:
		with_file(set, "hash", data + 1, size - 1, &problems);
		break;
	case 4:
		spec = xasprintf("inline:%s", text);
		look_up(table_open(set, spec, TABLE_ADDR, "fuzz", &problems), "a");
		free(spec);
		break;
	case 5:
		if (harmless(text))
			maps_new(set, "maps", text, TABLE_ADDR, &problems);
		break;
	case 6:
		if (harmless(text))
			match(set, (enum match_kind)(data[0] >> 5 & 3), text, (data[0] & 8) != 0, &problems);
		break;
	default:
		if (alias_line(text, &key, &value) == NULL)
			ASSERT(strchr(buf_str(&key), '\n') == NULL || strchr(text, '\n') != NULL);
		break;
	}
	buf_release(&key);
	buf_release(&value);
	free(text);
	tables_unref(&set);
	problems_release(&problems);
	return 0;
}
