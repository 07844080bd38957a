/* resolvconf.c - which servers to ask, and how: resolv.conf(5) and our own parameter. */
#include <arpa/inet.h>
#include <net/if.h>
#include <unistd.h>

#include "room.h"

static bool is_loopback(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

static void add_server(struct resolver *r, char *addr, int port)
{
	struct server *s = &r->server[r->n];
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&s->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&s->sa;
	char *scope;

	if (r->n == SERVERS_MAX)
		return;
	memset(s, 0, sizeof(*s));
	if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		s->len = sizeof(*v4);
	} else {
		if ((scope = strchr(addr, '%')) != NULL) {
			*scope++ = '\0';
			v6->sin6_scope_id = if_nametoindex(scope);
		}
		if (inet_pton(AF_INET6, addr, &v6->sin6_addr) != 1)
			return;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		s->len = sizeof(*v6);
	}
	s->trusted = is_loopback(&s->sa);
	r->n++;
}

/* "192.0.2.1", "192.0.2.1:5353", "[::1]:5353", "::1". */
static void add_own_server(struct resolver *r, char *spec)
{
	char *port = NULL, *end;
	int64_t number = 53;

	if (*spec == '[' && (end = strchr(spec, ']')) != NULL) {
		*end++ = '\0';
		spec++;
		if (*end == ':')
			port = end + 1;
	} else if ((end = strchr(spec, ':')) != NULL && strchr(end + 1, ':') == NULL) {
		*end = '\0';
		port = end + 1;
	}
	if (port == NULL || str_to_int(port, 1, 65535, &number))
		add_server(r, spec, (int)number);
}

static void set_search(struct resolver *r, char *list)
{
	char *name;

	while (r->n_search > 0)
		free(r->search[--r->n_search]);
	while (r->n_search < SEARCH_MAX && (name = str_tok(&list, " \t\r")) != NULL) {
		size_t n = strlen(name);

		if (n > 1 && name[n - 1] == '.')
			name[n - 1] = '\0';
		r->search[r->n_search++] = xstrdup(name);
	}
}

static void set_number(int *r, const char *text, int lo, int hi)
{
	int64_t n;

	if (str_to_int(text, 0, 1 << 20, &n))
		*r = (int)MIN(MAX(n, lo), hi);
}

static void set_option(struct resolver *r, const char *option, bool *trust)
{
	if (strncmp(option, "ndots:", 6) == 0)
		set_number(&r->ndots, option + 6, 0, 15);
	else if (strncmp(option, "timeout:", 8) == 0)
		set_number(&r->timeout_s, option + 8, 1, 30);
	else if (strncmp(option, "attempts:", 9) == 0)
		set_number(&r->attempts, option + 9, 1, 5);
	else if (strcmp(option, "rotate") == 0)
		r->rotate = true;
	else if (strcmp(option, "use-vc") == 0)
		r->use_tcp = true;
	else if (strcmp(option, "trust-ad") == 0)
		*trust = true;
}

static void conf_line(struct resolver *r, char *line, bool own_servers, bool *trust)
{
	char *cursor = line, *word, *arg;

	if (*line == '#' || *line == ';' || (word = str_tok(&cursor, " \t\r")) == NULL)
		return;
	if (strcmp(word, "nameserver") == 0) {
		if (!own_servers && (arg = str_tok(&cursor, " \t\r")) != NULL)
			add_server(r, arg, 53);
	} else if (strcmp(word, "search") == 0 || strcmp(word, "domain") == 0) {
		if (cursor != NULL)
			set_search(r, cursor);
	} else if (strcmp(word, "options") == 0) {
		while ((arg = str_tok(&cursor, " \t\r")) != NULL)
			set_option(r, arg, trust);
	}
}

struct resolver *resolver_parse(const char *text, const char *servers)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	char *copy, *cursor, *token, host[NAME_MAX_HOST + 1], *dot;
	bool trust = false;

	r->refs = 1;
	r->ndots = 1;
	r->timeout_s = 5;
	r->attempts = 2;
	if (gethostname(host, sizeof(host)) == 0 && (host[sizeof(host) - 1] = '\0', dot = strchr(host, '.')) != NULL)
		set_search(r, dot + 1);
	cursor = copy = xstrdup(servers != NULL ? servers : "");
	while ((token = str_tok(&cursor, ", \t\r\n")) != NULL)
		add_own_server(r, token);
	free(copy);
	cursor = copy = xstrdup(text != NULL ? text : "");
	{
		bool own = r->n > 0;

		while ((token = str_tok(&cursor, "\n")) != NULL)
			conf_line(r, token, own, &trust);
	}
	free(copy);
	if (r->n == 0) {
		char local[] = "127.0.0.1";	/* resolv.conf(5): the default is the local machine */

		add_server(r, local, 53);
	}
	for (size_t i = 0; i < r->n; i++)
		r->server[i].trusted = r->server[i].trusted || trust;
	return r;
}

bool resolver_same(const struct resolver *a, const struct resolver *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->server[i].len != b->server[i].len || a->server[i].trusted != b->server[i].trusted ||
		    memcmp(&a->server[i].sa, &b->server[i].sa, a->server[i].len) != 0)
			return false;
	return true;
}

void resolver_unref(struct resolver *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	while (r->n_search > 0)
		free(r->search[--r->n_search]);
	free(r);
}
