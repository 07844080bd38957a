/* dns_conf.c - any bytes as resolv.conf, postrider_dns_servers and hosts, with a NUL between each: what comes of them is within
 * its limits and can be asked for. */
#include <stdlib.h>
#include <arpa/inet.h>

#include "dns/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hosts(const char *text)
{
	struct hosts *h = hosts_parse(text);
	const char *name;
	void *value;

	for (size_t pos = 0; hash_next(&h->by_name, &pos, &name, &value); ) {
		const struct host_entry *e = value;

		ASSERT(e->n > 0 && e->canonical != NULL);
		ASSERT(strlen(name) > 200 || hosts_find(h, name) == e);
	}
	hosts_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *more = NULL, *last = NULL;
	size_t n = strlen(text), m = 0;
	struct resolver *r, *again;

	if (n < size) {
		more = xstrndup((const char *)data + n + 1, size - n - 1);
		m = n + 1 + strlen(more);
	}
	if (more != NULL && m < size)
		last = xstrndup((const char *)data + m + 1, size - m - 1);
	r = resolver_parse(text, more);
	again = resolver_parse(text, more);
	ASSERT(r->n > 0 && r->n <= SERVERS_MAX && r->n_search <= SEARCH_MAX && resolver_same(r, again));
	ASSERT(r->ndots >= 0 && r->timeout_s > 0 && r->attempts > 0);
	for (size_t i = 0; i < r->n; i++)
		ASSERT(r->server[i].sa.ss_family == AF_INET || r->server[i].sa.ss_family == AF_INET6);
	for (size_t i = 0; i < r->n_search; i++)
		ASSERT(r->search[i] != NULL);
	resolver_unref(again);
	resolver_unref(r);
	hosts(last != NULL ? last : text);
	free(last);
	free(more);
	free(text);
	return 0;
}
