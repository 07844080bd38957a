/* Defaults that depend on the machine: host name, domain, the networks we are in. */
#include "internal.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

/* The host name; without a domain, mydomain is appended, or "localdomain". */
const char *default_myhostname(struct config *c, const char *mydomain)
{
	char name[256];

	if (gethostname(name, sizeof name) < 0 || name[0] == '\0')
		str_copy(name, "localhost", sizeof name);
	name[sizeof name - 1] = '\0';
	if (strchr(name, '.') != NULL)
		return arena_strdup(&c->arena, name);
	return arena_printf(&c->arena, "%s.%s", name, mydomain != NULL ? mydomain : "localdomain");
}

const char *default_mydomain(const char *myhostname)
{
	const char *dot = strchr(myhostname, '.');

	return dot != NULL ? dot + 1 : "localdomain";
}

bool hostname_valid(const char *name, const char **why_r)
{
	const char *p, *label = name;
	bool all_numeric = true;

	*why_r = NULL;
	if (strlen(name) > 255)
		*why_r = "name is too long";
	for (p = name; *why_r == NULL; p++) {
		unsigned char ch = (unsigned char)*p;

		if (ch == '.' || ch == '\0') {
			if (p == label && !(ch == '\0' && p > name))
				*why_r = "misplaced delimiter";
			else if (p == label)
				*why_r = "misplaced delimiter";
			else if (p - label > 63)
				*why_r = "label is too long";
			else if (p[-1] == '-')
				*why_r = "misplaced hyphen";
			label = p + 1;
			if (ch == '\0')
				break;
		} else if (ch == '-') {
			all_numeric = false;
			if (p == label)
				*why_r = "misplaced hyphen";
		} else if (isalpha(ch) || ch == '_' || ch >= 128) {
			all_numeric = false;
		} else if (!isdigit(ch)) {
			*why_r = "invalid character";
		}
	}
	if (*why_r == NULL && all_numeric)
		*why_r = "numeric hostname";
	return *why_r == NULL;
}

/* ---- addresses ---------------------------------------------------------------------------- */
static const unsigned char *address_bytes(const struct sockaddr_storage *sa, size_t *len_r)
{
	if (sa->ss_family == AF_INET6) {
		*len_r = 16;
		return (const unsigned char *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	}
	*len_r = 4;
	return (const unsigned char *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	size_t la, lb;
	const unsigned char *pa = address_bytes(a, &la), *pb = address_bytes(b, &lb);

	return a->ss_family == b->ss_family && memcmp(pa, pb, la) == 0;
}

static bool is_loopback(const struct sockaddr_storage *sa)
{
	static const unsigned char one[16] = { [15] = 1 };
	size_t len;
	const unsigned char *p = address_bytes(sa, &len);

	return len == 4 ? p[0] == 127 : memcmp(p, one, 16) == 0;
}

static void copy_address(struct sockaddr_storage *to, const struct sockaddr *from)
{
	memset(to, 0, sizeof *to);
	memcpy(to, from, from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
}

struct list { struct config_address *v; size_t n, cap; };

static void list_add(struct list *l, const struct sockaddr *addr, const struct sockaddr *mask)
{
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 8;
		l->v = xreallocarray(l->v, l->cap, sizeof *l->v);
	}
	copy_address(&l->v[l->n].addr, addr);
	if (mask != NULL)
		copy_address(&l->v[l->n].mask, mask);
	else
		memset(&l->v[l->n].mask, 0, sizeof l->v[l->n].mask);
	l->n++;
}

/* The interfaces that are up, one family at a time: IPv4 addresses come first. */
static void list_local(struct list *l, bool inet, bool inet6)
{
	struct ifaddrs *all, *i;
	static const int families[] = { AF_INET, AF_INET6 };

	if (getifaddrs(&all) < 0)
		return;
	for (size_t f = 0; f < NELEM(families); f++) {
		if (!(families[f] == AF_INET ? inet : inet6))
			continue;
		for (i = all; i != NULL; i = i->ifa_next)
			if ((i->ifa_flags & IFF_UP) && i->ifa_addr != NULL && i->ifa_netmask != NULL &&
			    i->ifa_addr->sa_family == families[f])
				list_add(l, i->ifa_addr, i->ifa_netmask);
	}
	freeifaddrs(all);
}

/* Addresses of a name or a literal, "[...]" allowed. */
static bool list_host(struct list *l, const char *host, bool inet, bool inet6, bool resolve)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = resolve ? 0 : AI_NUMERICHOST }, *res, *ai;
	char name[256];
	size_t len = strlen(host);
	bool any = false;

	if (len > 1 && len < sizeof name && host[0] == '[' && host[len - 1] == ']') {
		memcpy(name, host + 1, len - 2);
		name[len - 2] = '\0';
	} else {
		str_copy(name, host, sizeof name);
	}
	if (getaddrinfo(name, NULL, &hints, &res) != 0)
		return false;
	for (ai = res; ai != NULL; ai = ai->ai_next) {
		if ((ai->ai_family == AF_INET && inet) || (ai->ai_family == AF_INET6 && inet6)) {
			list_add(l, ai->ai_addr, NULL);
			any = true;
		}
	}
	freeaddrinfo(res);
	return any;
}

/* Gives each wanted address its interface's mask; one that no interface has is an error. */
static void list_masks(struct list *want, const struct list *local, const char *where, int line,
    struct problems *problems)
{
	size_t i, k, n = 0;
	char host[64];
	size_t len;

	for (i = 0; i < want->n; i++) {
		for (k = 0; k < n && !same_address(&want->v[k].addr, &want->v[i].addr); k++)
			;
		if (k < n)
			continue;	/* named twice */
		for (k = 0; k < local->n && !same_address(&local->v[k].addr, &want->v[i].addr); k++)
			;
		if (k == local->n) {
			inet_ntop(want->v[i].addr.ss_family, address_bytes(&want->v[i].addr, &len), host, sizeof host);
			problem_once(problems, PROBLEM_FATAL, where, line,
			    "parameter inet_interfaces: no local interface found for %s", host);
			continue;
		}
		want->v[n] = want->v[i];
		want->v[n++].mask = local->v[k].mask;
	}
	want->n = n;
}

static void take_list(struct config *c, struct list *l, struct config_address **v_r, size_t *n_r)
{
	*n_r = l->n;
	*v_r = arena_alloc(&c->arena, (l->n + 1) * sizeof **v_r);
	if (l->n > 0)
		memcpy(*v_r, l->v, l->n * sizeof **v_r);
	free(l->v);
	*l = (struct list){ 0 };
}

void addresses_load(struct config *c, const char *interfaces, const char *protocols, const char *proxies,
    struct problems *problems)
{
	struct list local = { 0 }, want = { 0 };
	struct strs words = { 0 };
	bool all = strstr(protocols, "all") != NULL;
	bool inet = all || strstr(protocols, "ipv4") != NULL, inet6 = all || strstr(protocols, "ipv6") != NULL;
	const char *file = c->main_path;
	int line = 0;
	size_t i;

	if (c->sym[P_inet_interfaces].raw != NULL) {
		file = c->sym[P_inet_interfaces].file;
		line = c->sym[P_inet_interfaces].line;
	}
	list_local(&local, inet, inet6);
	if (strcmp(interfaces, "all") == 0 || strcmp(interfaces, "loopback-only") == 0) {
		for (i = 0; i < local.n; i++)
			if (interfaces[0] == 'a' || is_loopback(&local.v[i].addr))
				list_add(&want, (struct sockaddr *)&local.v[i].addr,
				    (struct sockaddr *)&local.v[i].mask);
	} else {
		strs_split(&words, interfaces, ", \t\r\n");
		for (i = 0; i < words.n; i++)
			if (!list_host(&want, words.v[i], inet, inet6, !c->from_text))
				problem_once(problems, PROBLEM_FATAL, file, line,
				    "config variable inet_interfaces: host not found: %s", words.v[i]);
		list_masks(&want, &local, file, line, problems);
	}
	take_list(c, &want, &c->addr, &c->naddr);
	strs_release(&words);
	strs_split(&words, proxies, ", \t\r\n");
	for (i = 0; i < words.n; i++)
		if (!list_host(&want, words.v[i], inet, inet6, !c->from_text))
			problem_once(problems, PROBLEM_FATAL, c->sym[P_proxy_interfaces].file,
			    c->sym[P_proxy_interfaces].line,
			    "config variable proxy_interfaces: host not found: %s", words.v[i]);
	take_list(c, &want, &c->proxy, &c->nproxy);
	strs_release(&words);
	free(local.v);
}

/* Length of the mask for a network in mynetworks: by interface, by address class, or the host alone. */
static unsigned prefix_length(const struct config_address *a, const char *style)
{
	size_t len, i;
	const unsigned char *ip = address_bytes(&a->addr, &len), *mask = address_bytes(&a->mask, &len);
	unsigned n = 0;

	if (strcmp(style, "host") == 0)
		return (unsigned)len * 8;
	if (strcmp(style, "class") == 0 && len == 4)
		return ip[0] < 128 ? 8 : ip[0] < 192 ? 16 : ip[0] < 224 ? 24 : 32;
	for (i = 0; i < len; i++)
		for (unsigned bit = 0x80; bit != 0 && (mask[i] & bit); bit >>= 1)
			n++;
	return n;
}

const char *default_mynetworks(struct config *c, const char *style)
{
	struct buf out = { 0 };
	char text[64];
	const char *s;
	size_t i, k, len;

	for (i = 0; i < c->naddr; i++) {
		unsigned bits = prefix_length(&c->addr[i], style);
		const unsigned char *ip = address_bytes(&c->addr[i].addr, &len);
		unsigned char net[16];

		for (k = 0; k < len; k++)
			net[k] = bits >= (k + 1) * 8 ? ip[k] : bits <= k * 8 ? 0 :
			    ip[k] & (unsigned char)(0xff00 >> (bits % 8));
		inet_ntop(len == 16 ? AF_INET6 : AF_INET, net, text, sizeof text);
		buf_addf(&out, len == 16 ? "%s[%s]/%u" : "%s%s/%u", i > 0 ? " " : "", text, bits);
	}
	s = arena_strdup(&c->arena, buf_str(&out));
	buf_release(&out);
	return s;
}
