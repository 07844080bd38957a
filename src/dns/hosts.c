/* hosts.c - /etc/hosts: names and addresses, both ways. */
#include <arpa/inet.h>

#include "room.h"

static bool parse_addr(struct host_addr *a, const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&a->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&a->sa;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		a->len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		a->len = sizeof(*v6);
	}
	return a->len > 0;
}

static void addr_text(char out[INET6_ADDRSTRLEN], const struct sockaddr *sa)
{
	*out = '\0';
	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, out, INET6_ADDRSTRLEN);
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, out, INET6_ADDRSTRLEN);
}

static void add_name(struct hosts *h, const char *name, const char *canonical, const struct host_addr *a)
{
	struct host_entry *e = hash_get(&h->by_name, name);

	if (e == NULL) {
		e = xcalloc(1, sizeof(*e));
		e->canonical = xstrdup(canonical);
		hash_set(&h->by_name, name, e);
	}
	e->addr = xreallocarray(e->addr, e->n + 1, sizeof(*e->addr));
	e->addr[e->n++] = *a;
}

static void hosts_line(struct hosts *h, char *line)
{
	char *cursor = line, *word, *first = NULL, text[INET6_ADDRSTRLEN];
	struct host_addr a;

	line[strcspn(line, "#")] = '\0';
	if ((word = str_tok(&cursor, " \t\r")) == NULL || !parse_addr(&a, word))
		return;
	while ((word = str_tok(&cursor, " \t\r")) != NULL) {
		if (first == NULL) {
			first = word;
			addr_text(text, (const struct sockaddr *)&a.sa);
			if (hash_get(&h->by_addr, text) == NULL)
				hash_set(&h->by_addr, text, xstrdup(first));
		}
		word = str_lower(xstrdup(word));
		add_name(h, word, first, &a);
		free(word);
	}
}

struct hosts *hosts_parse(const char *text)
{
	struct hosts *h = xcalloc(1, sizeof(*h));
	char *copy = xstrdup(text), *cursor = copy, *line;

	while ((line = str_tok(&cursor, "\n")) != NULL)
		hosts_line(h, line);
	free(copy);
	return h;
}

const struct host_entry *hosts_find(const struct hosts *h, const char *name)
{
	char lower[NAME_MAX_HOST + 1];

	if (str_copy(lower, name, sizeof(lower)) >= sizeof(lower))
		return NULL;
	return hash_get(&h->by_name, str_lower(lower));
}

const char *hosts_name(const struct hosts *h, const struct sockaddr *sa)
{
	char text[INET6_ADDRSTRLEN];

	addr_text(text, sa);
	return hash_get(&h->by_addr, text);
}

static void entry_free(void *p)
{
	struct host_entry *e = p;

	free(e->addr);
	free(e->canonical);
	free(e);
}

void hosts_free(struct hosts *h)
{
	if (h == NULL)
		return;
	hash_release(&h->by_name, entry_free);
	hash_release(&h->by_addr, free);
	free(h);
}
