/* config_files.c - any main.cf and master.cf (a NUL between them): loading ends, in bounded memory, and gives a
 * configuration whose views can be read, whatever is in the files. */
#include <stdlib.h>

#include <postrider/config.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *arg, const char *name)
{
	return view_lookup(arg, name);
}

static void read_view(const struct view *v)
{
	struct buf out = { 0 };
	size_t total = 0;

	for (int i = 0; i < PARAM_COUNT; i++)
		if (param_rows[i].type == PT_STR || param_rows[i].type == PT_RAW)
			total += strlen(v->v[i].str);
	ASSERT(total < (size_t)1 << 31);
	(void)macro_expand(&out, view_str(v, default_rbl_reply), lookup, (void *)(uintptr_t)v);
	(void)view_transport_int(v, "smtp", "destination_concurrency_limit");
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	char *main_cf = xstrndup((const char *)data, size);
	size_t n = strlen(main_cf);
	char *master_cf = n < size ? xstrndup((const char *)data + n + 1, size - n - 1) : NULL;
	struct config *c = config_load_text(main_cf, master_cf, &problems);

	read_view(config_view(c));
	read_view(config_view_stress(c));
	for (size_t i = 0; i < config_master_count(c); i++) {
		read_view(config_entry_view(c, i, false));
		read_view(config_entry_view(c, i, true));
	}
	config_check(c, &problems);
	problems_release(&problems);
	config_unref(&c);
	free(main_cf);
	free(master_cf);
	return 0;
}
