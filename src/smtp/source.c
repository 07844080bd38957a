/* source.c - which address of ours connections come from: smtp_bind_address as written; else, where this system
 * listens on one address of a protocol only, that one, so that a virtual host's mail comes from its own
 * address. Read when the configuration is loaded: names in inet_interfaces are looked up, which blocks. */
#include "client.h"
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

/* "192.0.2.1", "[2001:db8::1]", "host.name" */
static struct addrinfo *look_up(const char *word, int family, int flags)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list = NULL;
	char *copy = xstrdup(word), *name = copy;
	size_t len = strlen(copy);

	if (*name == '[' && name[len - 1] == ']') {
		name[len - 1] = '\0';
		name++;
	}
	if (strncasecmp(name, "ipv6:", 5) == 0)
		name += 5;
	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		list = NULL;
	free(copy);
	return list;
}

static bool is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return (ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24) == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

/* The only address of this family in inet_interfaces. */
static void only_listener(struct sockaddr_storage *out, const char *interfaces, int family)
{
	char *copy = xstrdup(interfaces), *cur = copy, *tok;
	struct sockaddr_storage last = { 0 };
	unsigned count = 0;

	while ((tok = str_tok(&cur, " ,\t\r\n")) != NULL) {
		struct addrinfo *list, *i;

		if (str_ieq(tok, "all") || str_ieq(tok, "loopback-only")) {
			count += 2;
			continue;
		}
		list = look_up(tok, family, 0);
		for (i = list; i != NULL; i = i->ai_next) {
			memcpy(&last, i->ai_addr, i->ai_addrlen);
			count++;
		}
		if (list != NULL)
			freeaddrinfo(list);
	}
	free(copy);
	if (count == 1 && !is_loopback((const struct sockaddr *)&last))
		*out = last;
}

void source_address(struct sockaddr_storage *out, int family, const char *param, const char *text,
    const char *interfaces, struct problems *problems)
{
	struct addrinfo *list;

	memset(out, 0, sizeof(*out));
	if (*text == '\0') {
		only_listener(out, interfaces, family);
		return;
	}
	list = look_up(text, family, AI_NUMERICHOST);
	if (list == NULL) {
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "bad %s parameter: %s", param, text);
		return;
	}
	memcpy(out, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
}
