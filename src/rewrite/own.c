/* own.c - the addresses that mail to a literal may name: inet_interfaces and proxy_interfaces, read when the
 * configuration is loaded (host names are looked up then, which blocks). */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "rewrite_room.h"

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool is_own(const struct rewrite_state *st, const struct sockaddr *sa)
{
	for (size_t i = 0; i < st->nown; i++)
		if (same_address((const struct sockaddr *)&st->own[i], sa))
			return true;
	return false;
}

bool rewrite_own_address(const struct generation *g, const struct sockaddr *sa)
{
	return is_own(state_of(g), sa);
}

static void add(struct rewrite_state *st, const struct sockaddr *sa)
{
	socklen_t len = sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	if ((sa->sa_family != AF_INET && sa->sa_family != AF_INET6) || is_own(st, sa))
		return;
	st->own = xreallocarray(st->own, st->nown + 1, sizeof(*st->own));
	memset(&st->own[st->nown], 0, sizeof(*st->own));
	memcpy(&st->own[st->nown++], sa, len);
}

static void add_all(struct rewrite_state *st)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return;
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL)
			add(st, i->ifa_addr);
	freeifaddrs(list);
}

/* A name or an address, perhaps in brackets. */
static bool add_name(struct rewrite_state *st, const char *word)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char literal[64];
	int err;

	if (*word == '[' && !address_literal(word, literal, sizeof(literal))) {
		str_copy(literal, word + 1, sizeof(literal));	/* [::1], without the tag that mail literals have */
		literal[strcspn(literal, "]")] = '\0';
	}
	err = getaddrinfo(*word == '[' ? literal : word, NULL, &hints, &list);
	if (err != 0)
		return false;
	for (struct addrinfo *i = list; i != NULL; i = i->ai_next)
		add(st, i->ai_addr);
	freeaddrinfo(list);
	return true;
}

static void load(struct rewrite_state *st, const char *param, const char *text, struct problems *problems)
{
	struct strs words = { 0 };

	strs_split(&words, text, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++) {
		if (str_ieq(words.v[i], "all"))
			add_all(st);
		else if (str_ieq(words.v[i], "loopback-only")) {
			add_name(st, "127.0.0.1");
			add_name(st, "::1");
		} else if (!add_name(st, words.v[i]))
			problem_add(problems, PROBLEM_WARNING, NULL, 0, "config variable %s: host not found: %s", param,
				    words.v[i]);
	}
	strs_release(&words);
}

void own_addresses_load(struct rewrite_state *st, const struct view *v, struct problems *problems)
{
	load(st, "inet_interfaces", view_str(v, inet_interfaces), problems);
	load(st, "proxy_interfaces", view_str(v, proxy_interfaces), problems);
}

bool own_literal(const struct rewrite_state *st, const char *domain)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	char text[64];

	if (!address_literal(domain, text, sizeof(text)))
		return false;
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return is_own(st, (const struct sockaddr *)&v4);
	return inet_pton(AF_INET6, text, &v6.sin6_addr) == 1 && is_own(st, (const struct sockaddr *)&v6);
}
