/* clients.c - one row per client and service: how many sessions it has open.
 *
 * Postfix keeps this in anvil(8), with rates beside the count; rates get their place in the row when they
 * are limited. A row exists only while its client is connected. */
#include "session.h"
#include <postrider/hash.h>
#include <stdlib.h>

struct client {
	unsigned	 sessions;
};
static struct hash clients;

static void client_key(char *out, size_t size, const char *service, const char *addr)
{
	size_t n = str_copy(out, service, size);

	if (n + 1 < size) {
		out[n] = ' ';
		str_copy(out + n + 1, addr, size - n - 1);
	}
}

unsigned client_connect(const char *service, const char *addr)
{
	char key[256];
	struct client *c;

	client_key(key, sizeof(key), service, addr);
	if ((c = hash_get(&clients, key)) == NULL) {
		c = xcalloc(1, sizeof(*c));
		hash_set(&clients, key, c);
	}
	return ++c->sessions;
}

void client_disconnect(const char *service, const char *addr)
{
	char key[256];
	struct client *c;

	client_key(key, sizeof(key), service, addr);
	c = hash_get(&clients, key);
	if (c == NULL || --c->sessions > 0)
		return;
	hash_del(&clients, key);
	free(c);
}
