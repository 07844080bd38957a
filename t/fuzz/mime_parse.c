/* Any bytes as a message, with any options; without downgrading the body's lines come out as they went in. */
#include <stdlib.h>

#include <postrider/mime.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t total;

static void on_header(void *arg, enum mime_place place, const struct hdr_info *info, const char *text, size_t len)
{
	(void)arg, (void)place, (void)info;
	ASSERT(text[len] == '\0' && hdr_name_len(text, len) > 0);
	total += len;
}

static void on_end(void *arg)
{
	ASSERT(++*(int *)arg == 1);
}

static void on_body(void *arg, const char *line, size_t len, bool partial)
{
	(void)partial;
	ASSERT(*(int *)arg == 1);
	for (size_t i = 0; i < len; i++)
		total += (unsigned char)line[i] == 0;
}

static const struct mime_hooks hooks = { on_header, on_end, on_body, NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_config c = { MIME_PARSE, 300, 5, 20 };
	const char *p = (const char *)data, *end = p + size;
	struct mime *m;
	int ends = 0;

	if (size == 0)
		return 0;
	c.options = (unsigned char)*p++;
	m = mime_new(&c, &hooks, &ends);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;
		size_t n = MIN((size_t)(stop - p), (size_t)60);
		char *copy = xmemdup(p, n);	/* of this size, so that overreads show */
		bool partial = p + n < stop || nl == NULL;

		mime_line(m, copy, n, partial);
		p += partial ? n : n + 1;
		free(copy);
	}
	mime_end(m);
	ASSERT(ends == 1);
	mime_free(&m);
	return 0;
}
