/* host.c - addresses of a host: literals, /etc/hosts, then A and AAAA side by side.
 * Like the system's resolver with "hosts: files dns", but never blocking. With HOST_SEARCH a name with fewer
 * than ndots dots is tried below the search domains first, else last; the first candidate that exists
 * answers, one that fails temporarily ends the search, as the next might be somebody else. */
#include <arpa/inet.h>

#include "room.h"

enum { CANDIDATE_MAX = NAME_MAX_HOST * 2 + 2 };

static void add_addr(struct host_op *op, int family, const void *addr)
{
	struct host_addr *a;

	op->addr = xreallocarray(op->addr, op->n + 1, sizeof(*op->addr));
	a = &op->addr[op->n++];
	memset(a, 0, sizeof(*a));
	a->sa.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		a->len = sizeof(struct sockaddr_in);
		memcpy(&((struct sockaddr_in *)(void *)&a->sa)->sin_addr, addr, 4);
	} else {
		a->len = sizeof(struct sockaddr_in6);
		memcpy(&((struct sockaddr_in6 *)(void *)&a->sa)->sin6_addr, addr, 16);
	}
}

static bool wants(const struct host_op *op, int family)
{
	return (op->flags & (family == AF_INET ? HOST_V4 : HOST_V6)) != 0;
}

/* A failure that is known without asking: an answer of its own, kept in op->a. */
static void fail_now(struct host_op *op, const char *why)
{
	dns_end(&op->a);
	op->a.answer = answer_new(NULL, "", why, 0, false);
	op->why = op->a.answer->why;
	op->result = DNS_NXDOMAIN;
}

static bool from_literal(struct host_op *op)
{
	uint8_t addr[16];
	int family = strchr(op->name, ':') != NULL ? AF_INET6 : AF_INET;

	if (inet_pton(family, op->name, addr) != 1)
		return false;
	if (!wants(op, family)) {
		fail_now(op, "Address family for hostname not supported");
		return true;
	}
	add_addr(op, family, addr);
	op->canonical = xstrdup(op->name);
	op->result = DNS_OK;
	return true;
}

static bool from_file(struct host_op *op)
{
	const struct host_entry *e = (op->flags & HOST_FILE) != 0 ? hosts_find(dns.hosts, op->name) : NULL;

	for (int six = 0; e != NULL && six < 2; six++)
		for (size_t i = 0; i < e->n; i++) {
			const struct sockaddr_storage *sa = &e->addr[i].sa;
			int family = six ? AF_INET6 : AF_INET;

			if (sa->ss_family != family || !wants(op, family))
				continue;
			op->addr = xreallocarray(op->addr, op->n + 1, sizeof(*op->addr));
			op->addr[op->n++] = e->addr[i];
		}
	if (op->n == 0)
		return false;
	op->canonical = xstrdup(e->canonical);
	op->result = DNS_OK;
	return true;
}

/* The candidate at op->search_pos; false when there are no more. */
static bool candidate(struct host_op *op, char out[CANDIDATE_MAX])
{
	const struct resolver *r = dns.resolver;
	size_t n = strlen(op->name), pos = op->search_pos, search;
	size_t count = (op->flags & HOST_DNSRCH) != 0 ? r->n_search : MIN(r->n_search, 1);
	int dots = 0;

	for (const char *p = op->name; *p != '\0'; p++)
		dots += *p == '.';
	if ((op->flags & (dots == 0 ? HOST_DEFNAMES : HOST_DNSRCH)) == 0 || (n > 0 && op->name[n - 1] == '.'))
		count = 0;
	if (pos > count)
		return false;
	op->itself_first = count == 0 || dots >= r->ndots;
	search = op->itself_first ? pos - 1 : pos;
	n -= count == 0 && n > 0 && op->name[n - 1] == '.';
	if (pos == (op->itself_first ? 0 : count))
		snprintf(out, CANDIDATE_MAX, "%.*s", (int)MIN(n, (size_t)NAME_MAX_HOST), op->name);
	else
		snprintf(out, CANDIDATE_MAX, "%.*s.%.*s", NAME_MAX_HOST, op->name, NAME_MAX_HOST, r->search[search]);
	return true;
}

static void ask(struct host_op *op)
{
	char name[CANDIDATE_MAX];

	dns_end(&op->a);
	dns_end(&op->aaaa);
	if (!candidate(op, name)) {
		char *why = xasprintf("Host or domain name not found. "
		    "Name service error for name=%s type=A: Host not found", op->name);

		fail_now(op, why);
		free(why);
		return;
	}
	if (wants(op, AF_INET))
		dns_start(&op->a, op->task, name, DNS_A);
	if (wants(op, AF_INET6))
		dns_start(&op->aaaa, op->task, name, DNS_AAAA);
}

void host_start(struct host_op *op, struct task *task, const char *name, int flags)
{
	ASSERT(!op->active);
	op->active = true;
	op->task = task;
	op->flags = flags;
	op->name = xstrdup(name);
	op->result = DNS_WAIT;
	if (from_literal(op) || from_file(op))
		return;
	if ((flags & HOST_DNS) != 0 && (flags & (HOST_V4 | HOST_V6)) != 0)
		ask(op);
	else
		fail_now(op, "Name or service not known");
}

static void collect(struct host_op *op, const struct dns_op *from, int family)
{
	if (from->result != DNS_OK)
		return;
	for (const struct dns_rr *rr = from->answer->rr; rr != NULL; rr = rr->next)
		add_addr(op, family, rr->data);
	if (op->canonical == NULL)
		op->canonical = xstrdup(from->answer->canonical);
}

/* Both questions are answered. False: another candidate is being asked for. */
static bool judge(struct host_op *op)
{
	const struct dns_op *a = wants(op, AF_INET) ? &op->a : NULL, *aaaa = wants(op, AF_INET6) ? &op->aaaa : NULL;
	const struct dns_op *last = aaaa != NULL ? aaaa : a;

	if (a != NULL)
		collect(op, a, AF_INET);
	if (aaaa != NULL)
		collect(op, aaaa, AF_INET6);
	if (op->n > 0) {
		op->secure = (a == NULL || a->answer->secure) && (aaaa == NULL || aaaa->answer->secure);
		op->result = DNS_OK;
		return true;
	}
	if (a != NULL && a->result == DNS_FAILED && last->result != DNS_FAILED)
		last = a;
	if (last->result != DNS_FAILED) {
		char next[CANDIDATE_MAX];

		op->exists |= last->result == DNS_NODATA;
		op->absent |= last->result == DNS_NXDOMAIN && op->search_pos == 0 && op->itself_first;
		op->search_pos++;
		if (candidate(op, next)) {
			ask(op);
			return false;
		}
	}
	op->result = last->result != DNS_NXDOMAIN && last->result != DNS_NODATA ? last->result :
	    op->absent || !op->exists ? DNS_NXDOMAIN : DNS_NODATA;
	op->why = last->answer->why;
	return true;
}

enum dns_result host_poll(struct host_op *op)
{
	ASSERT(op->active);
	while (op->result == DNS_WAIT) {
		if (wants(op, AF_INET) && dns_poll(&op->a) == DNS_WAIT)
			break;
		if (wants(op, AF_INET6) && dns_poll(&op->aaaa) == DNS_WAIT)
			break;
		judge(op);
	}
	return op->result;
}

void host_end(struct host_op *op)
{
	dns_end(&op->a);
	dns_end(&op->aaaa);
	free(op->addr);
	free(op->name);
	free(op->canonical);
	*op = (struct host_op){ 0 };
}

const char *dns_hosts_ptr(const struct sockaddr *sa)
{
	return dns.hosts != NULL ? hosts_name(dns.hosts, sa) : NULL;
}
