/* config_macro.c - any text in the macro language: it ends, within bounds, and the same text gives the same result. */
#include <stdlib.h>

#include <config/macro.h>
#include <postrider/config.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(void *arg, const char *name)
{
	size_t len = strlen(name);

	(void)arg;
	return len == 0 ? NULL : len % 3 == 0 ? "" : len % 3 == 1 ? "10" : "a value {x}";
}

static void seen(void *arg, const char *name, size_t len)
{
	const char *text = arg;

	ASSERT(len > 0 && name >= text && name + len <= text + strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct buf a = { 0 }, b = { 0 };
	const char *first = macro_expand(&a, text, lookup, NULL), *again = macro_expand(&b, text, lookup, NULL);

	ASSERT(first == again && a.len == b.len && a.len < (size_t)4 << 20);
	macro_names(text, seen, text);
	buf_release(&a);
	buf_release(&b);
	free(text);
	return 0;
}
