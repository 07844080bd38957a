/* Next hops: any text from a table; what is accepted has a host that can be looked up and a port. */
#include "smtp/client.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hash ports;
	char *text = xstrndup((const char *)data, size), *why;
	struct dest d = { 0 };

	if (ports.n == 0)
		ports_load(&ports, "/nonexistent", "lmtp=24, smtp=25, smtps=submissions=465, submission=587");
	why = dest_parse(&d, text, "smtp", &ports);
	if (why == NULL)
		ASSERT(d.host != NULL && *d.host != '\0' && d.port > 0 && d.port < 65536);
	free(why);
	dest_release(&d);
	free(text);
	return 0;
}
