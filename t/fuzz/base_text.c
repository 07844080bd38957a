/* base_text.c - the decoders and splitters of base on any bytes: they stay within bounds, and what
 * encodes decodes to the same. */
#include <stdlib.h>

#include <postrider/buf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf a = { 0 }, b = { 0 };
	char *text = xstrndup((const char *)data, size), *copy, *cursor, *token;
	size_t len = strlen(text);
	int64_t n;

	buf_add_base64(&a, data, size);
	ASSERT(buf_add_unbase64(&b, buf_str(&a), a.len) && b.len == size);
	ASSERT(size == 0 || memcmp(b.p, data, size) == 0);
	buf_reset(&a);
	if (buf_add_unbase64(&a, (const char *)data, size)) {
		buf_reset(&b);
		buf_add_base64(&b, a.p, a.len);
		ASSERT(b.len == size && memcmp(buf_str(&b), data, size) == 0);
	}
	buf_reset(&a);
	buf_reset(&b);
	buf_add_xtext(&a, text);
	ASSERT(buf_add_unxtext(&b, buf_str(&a)) && strcmp(buf_str(&b), text) == 0);
	buf_reset(&a);
	(void)!buf_add_unxtext(&a, text);
	buf_add_json(&a, text);
	ASSERT(str_is_utf8(strrchr(buf_str(&a), '"'), 1));

	copy = xstrdup(text);
	str_printable(copy, '?');
	ASSERT(str_is_utf8(copy, strlen(copy)) && strlen(copy) == len);
	strcpy(copy, text);
	str_trim(str_lower(copy));
	strcpy(copy, text);
	cursor = copy;
	while ((token = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		ASSERT(token >= copy && token + strlen(token) <= copy + len);
		if (str_extpar(&token) == NULL)
			ASSERT(token >= copy && token + strlen(token) <= copy + len);
	}
	(void)str_to_int(text, INT64_MIN, INT64_MAX, &n);
	free(copy);
	free(text);
	buf_release(&a);
	buf_release(&b);
	return 0;
}
