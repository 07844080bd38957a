/* dest.c - next hops as administrators write them: "example.com", "[host]:587", "host:smtp",
 * "[ipv6:2001:db8::1]". Brackets mean: this host, not the MX hosts of that domain. Service names come from
 * /etc/services, read when the configuration is loaded, since the loop must not call getservbyname(). */
#include "client.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <postrider/file.h>
#include <stdlib.h>

static void port_known(void *ports, const char *name, int port)
{
	hash_set(ports, name, (void *)(uintptr_t)port);
}

void ports_load(struct hash *ports, const char *path, const char *known)
{
	char *text = file_read(path, 1 << 20, NULL), *cur = text, *line;

	while (text != NULL && (line = str_tok(&cur, "\n")) != NULL) {
		char *name, *value, *alias, *slash;
		int64_t port;

		line[strcspn(line, "#")] = '\0';
		if ((name = str_tok(&line, " \t")) == NULL || (value = str_tok(&line, " \t")) == NULL ||
		    (slash = strchr(value, '/')) == NULL || strcmp(slash, "/tcp") != 0)
			continue;
		*slash = '\0';
		if (!str_to_int(value, 1, 65535, &port))
			continue;
		hash_set(ports, name, (void *)(uintptr_t)port);
		while ((alias = str_tok(&line, " \t")) != NULL)
			hash_set(ports, alias, (void *)(uintptr_t)port);
	}
	config_known_ports(known, port_known, ports);	/* they come first, and do without the file */
	free(text);
}

static bool is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

/* A name worth looking up; '_' is tolerated since the DNS has such names. */
static bool is_name(const char *host)
{
	return str_is_ascii(host) ? dns_valid_hostname(host, NULL) : str_is_utf8(host, strlen(host));
}

/* "[host]:port" and "host:port" apart, in place. */
static const char *split(char *s, char **host_r, char **port_r, bool *brackets_r)
{
	char *colon;

	*port_r = NULL;
	*brackets_r = *s == '[';
	if (*brackets_r) {
		char *end = strchr(++s, ']');

		if (end == NULL)
			return "missing \"]\"";
		*end = '\0';
		if (end[1] == ':')
			*port_r = end + 2;
		else if (end[1] != '\0')
			return "garbage after \"]\"";
	} else if ((colon = strchr(s, ':')) != NULL) {
		*colon = '\0';
		*port_r = colon + 1;
		if (*s == '\0')
			return "missing host information";
	}
	if (*port_r != NULL && **port_r == '\0')
		return "missing service name";
	if (strncasecmp(s, "ipv6:", 5) == 0)
		s += 5;
	*host_r = s;
	return *s == '\0' || (!is_address(s) && !is_name(s)) ? "valid hostname or network address required" : NULL;
}

static char *port_number(unsigned *port_r, const char *service, const char *text, const struct hash *ports)
{
	int64_t n;
	void *found;

	if (service[strspn(service, "0123456789")] == '\0') {
		if (!str_to_int(service, 1, 65535, &n))
			return xasprintf("bad network port in destination: %s", text);
		*port_r = (unsigned)n;
		return NULL;
	}
	found = hash_get(ports, service);
	if (found == NULL)
		return xasprintf("unknown service: %s/tcp", service);
	*port_r = (unsigned)(uintptr_t)found;
	return NULL;
}

char *dest_parse(struct dest *d, const char *text, const char *def_port, const struct hash *ports)
{
	char *copy = xstrdup(text), *host = copy, *service = NULL, *why = NULL;
	bool brackets = false;
	const char *bad = split(copy, &host, &service, &brackets);

	if (bad != NULL)
		why = xasprintf("%s in server description: %s", bad, text);
	else
		why = port_number(&d->port, service != NULL ? service : def_port, text, ports);
	if (why == NULL) {
		d->host = xstrdup(host);
		d->mx = !brackets && !is_address(host);
	}
	free(copy);
	return why;
}

void dest_release(struct dest *d)
{
	free(d->host);
	*d = (struct dest){ 0 };
}
