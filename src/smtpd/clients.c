/* clients.c - one row per client and service: how many sessions it has open.
 *
 * Postfix keeps this in anvil(8), with rates beside the count; rates get their place in the row when they
 * are limited. A row exists only while its client is connected. */
#include "session.h"
#include <postrider/hash.h>
#include <arpa/inet.h>
#include <stdlib.h>

struct client {
	unsigned	 sessions;
};
static struct hash clients;

static void mask(unsigned char *b, size_t bytes, int bits)
{
	for (size_t i = 0; i < bytes; i++, bits -= 8)
		if (bits < 8)
			b[i] &= bits <= 0 ? 0 : (unsigned char)(0xff << (8 - bits));
}

/* A client is as many bits of its address as smtpd_client_ipv4_prefix_length and its twin say. */
static void client_key(char *out, size_t size, const struct view *v, const char *service, const char *addr)
{
	size_t n = str_copy(out, service, size);
	unsigned char b[16];
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET, addr, b) == 1) {
		mask(b, 4, view_int(v, smtpd_client_ipv4_prefix_length));
		addr = inet_ntop(AF_INET, b, text, sizeof(text));
	} else if (inet_pton(AF_INET6, addr, b) == 1) {
		mask(b, 16, view_int(v, smtpd_client_ipv6_prefix_length));
		addr = inet_ntop(AF_INET6, b, text, sizeof(text));
	}

	if (n + 1 < size) {
		out[n] = ' ';
		str_copy(out + n + 1, addr, size - n - 1);
	}
}

unsigned client_connect(const struct view *v, const char *service, const char *addr)
{
	char key[256];
	struct client *c;

	client_key(key, sizeof(key), v, service, addr);
	if ((c = hash_get(&clients, key)) == NULL) {
		c = xcalloc(1, sizeof(*c));
		hash_set(&clients, key, c);
	}
	return ++c->sessions;
}

void client_disconnect(const struct view *v, const char *service, const char *addr)
{
	char key[256];
	struct client *c;

	client_key(key, sizeof(key), v, service, addr);
	c = hash_get(&clients, key);
	if (c == NULL || --c->sessions > 0)
		return;
	hash_del(&clients, key);
	free(c);
}
