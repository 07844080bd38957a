/* Addresses in paths and headers: any text; what is printed must survive being read again. */
#include <stdlib.h>

#include <postrider/address.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct tok_list list;
	struct buf one = { 0 }, two = { 0 };
	char *text = xstrndup((const char *)data, size), ip[64];
	const char *rest;

	address_from_path(&one, text, size & 1, true, &rest);
	ASSERT(rest >= text && rest <= text + strlen(text));
	buf_reset(&one);
	tok_parse(&arena, text, 5000, &list);
	tok_externalize(&one, list.head, true);
	tok_parse(&arena, buf_str(&one), 0, &list);
	tok_externalize(&two, list.head, false);
	buf_reset(&one);
	address_quote_822(&one, text);
	buf_reset(&two);
	address_unquote(&two, buf_str(&one));
	ASSERT(address_domain(text) != NULL || strcmp(buf_str(&two), text) == 0);
	address_literal(text, ip, sizeof(ip));
	address_valid_hostname(text, true);
	buf_release(&one);
	buf_release(&two);
	arena_release(&arena);
	free(text);
	return 0;
}
