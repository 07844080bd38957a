/* route.c - from a destination to the addresses to try, in order.
 *
 * With MX look-up: the MX records; none: the domain's own addresses (RFC 5321 §5.1); a null MX: refused
 * (RFC 7505). The hosts' addresses are looked up side by side. As long as one host has an address, failures
 * of the others do not matter; else a temporary failure outweighs a final one. If we are among the
 * addresses, we and all that are not better go: mail must come nearer. What is left is shuffled,
 * sorted by preference, and by protocol where asked, and balanced so that the limit on addresses does not hide
 * one protocol.
 * Not here: limits on how many are tried, connections. */
#include "client.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <postrider/address.h>
#include <postrider/rewrite.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { NAME_LINE_MAX = 512 };	/* a reason with a name in it */

struct mx_host {
	char		*name;
	unsigned	 pref;
	bool		 native;	/* the second way of looking up is under way */
	bool		 over;
	struct host_op	 op;
	struct rr_filter filter[2];	/* of its A and AAAA records */
};

/* ---- results ---------------------------------------------------------------------------------------------------- */
static bool soft(const struct route *r)
{
	return r->dsn[0] == '4';
}

/* A soft failure dominates past and future hard ones. */
static void fail(struct route *r, const char *dsn, const char *why)
{
	str_copy(r->dsn, dsn, sizeof(r->dsn));
	buf_reset(&r->why);
	buf_adds(&r->why, why);
}

static void add_hop(struct route *r, const struct host_addr *a, const char *host, unsigned pref)
{
	struct hop *h;

	if (r->nhop >= ROUTE_HOPS_MAX)
		return;
	if (!(a->sa.ss_family == AF_INET && r->svc->p.ipv4) && !(a->sa.ss_family == AF_INET6 && r->svc->p.ipv6))
		return;
	r->hop = xreallocarray(r->hop, r->nhop + 1, sizeof(*r->hop));
	h = &r->hop[r->nhop++];
	*h = (struct hop){ .sa = a->sa, .len = a->len, .host = host, .pref = pref };
	if (h->sa.ss_family == AF_INET)
		((struct sockaddr_in *)(void *)&h->sa)->sin_port = htons((uint16_t)r->port);
	else
		((struct sockaddr_in6 *)(void *)&h->sa)->sin6_port = htons((uint16_t)r->port);
}

/* ---- order ------------------------------------------------------------------------------------------------------ */
static unsigned dice(unsigned n)
{
	static uint32_t pool[64];
	static size_t left;

	if (left == 0) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			for (size_t i = 0; i < NELEM(pool); i++)
				pool[i] = (uint32_t)hash_bytes(&pool[i], sizeof(pool[i]));
		left = NELEM(pool);
	}
	return pool[--left] % n;
}

static void shuffle(struct route *r)
{
	for (size_t i = r->nhop; i > 1; i--) {
		size_t j = dice((unsigned)i);
		struct hop h = r->hop[i - 1];

		r->hop[i - 1] = r->hop[j];
		r->hop[j] = h;
	}
}

static int family_rank(const struct hop *h, enum prefer prefer)
{
	if (prefer == PREFER_ANY)
		return 0;
	return h->sa.ss_family == (prefer == PREFER_IPV6 ? AF_INET6 : AF_INET) ? 0 : 1;
}

/* Insertion sort: stable, and the lists are short. */
static void sort_hops(struct route *r)
{
	enum prefer prefer = r->svc->p.prefer;

	for (size_t i = 1; i < r->nhop; i++) {
		struct hop h = r->hop[i];
		size_t j = i;

		while (j > 0 && (r->hop[j - 1].pref > h.pref ||
		    (r->hop[j - 1].pref == h.pref && family_rank(&r->hop[j - 1], prefer) > family_rank(&h, prefer)))) {
			r->hop[j] = r->hop[j - 1];
			j--;
		}
		r->hop[j] = h;
	}
}

/* smtp_balance_inet_protocols: with more addresses than will be tried, both protocols get their half. */
static void balance(struct route *r)
{
	size_t limit = (size_t)r->svc->p.mx_address_limit, v4 = 0, v6 = 0, keep4, keep6, n = 0;

	for (size_t i = 0; i < r->nhop; i++)
		(r->hop[i].sa.ss_family == AF_INET ? &v4 : &v6)[0]++;
	if (limit < 2 || v4 == 0 || v6 == 0 || v4 + v6 <= limit)
		return;
	keep4 = keep6 = limit / 2;
	if (limit % 2 != 0 && r->svc->p.prefer == PREFER_IPV6)
		keep6++;
	else if (limit % 2 != 0)
		keep4++;
	if (v4 < keep4) {
		keep4 = v4;
		keep6 = limit - v4;
	} else if (v6 < keep6) {
		keep6 = v6;
		keep4 = limit - v6;
	}
	for (size_t i = 0; i < r->nhop; i++) {
		size_t *left = r->hop[i].sa.ss_family == AF_INET ? &keep4 : &keep6;

		if (*left > 0) {
			(*left)--;
			r->hop[n++] = r->hop[i];
		}
	}
	r->nhop = n;
}

/* Us among them? Then we, and what is not better than we, go. */
static enum route_result cut_self(struct route *r, unsigned best_mx)
{
	unsigned self = 0, best_found = r->nhop > 0 ? r->hop[0].pref : 0;
	bool found = false;
	size_t n = 0;

	for (size_t i = 0; i < r->nhop; i++) {
		best_found = MIN(best_found, r->hop[i].pref);
		if (rewrite_own_address(r->svc->service->generation, (struct sockaddr *)&r->hop[i].sa) &&
		    (!found || r->hop[i].pref < self)) {
			self = r->hop[i].pref;
			found = true;
		}
	}
	if (!found)
		return ROUTE_OK;
	r->am_mx = true;
	for (size_t i = 0; i < r->nhop; i++)
		if (r->from_mx && r->hop[i].pref < self)
			r->hop[n++] = r->hop[i];
	r->nhop = n;
	if (n > 0)
		return ROUTE_OK;
	if (r->from_mx && best_mx != best_found) {
		fail(r, "4.4.4", "");
		buf_addf(&r->why, "unable to find primary relay for %s", r->name);
	} else {
		fail(r, "5.4.6", "");
		buf_addf(&r->why, "mail for %s loops back to myself", r->name);
	}
	return ROUTE_FAILED;
}

static enum route_result finish(struct route *r)
{
	unsigned best_mx = r->nhost > 0 ? r->host[0].pref : 0;
	bool loop_detect = r->port == 25 && !r->svc->p.lmtp;	/* another port is somebody else */

	for (size_t i = 0; i < r->nhost; i++)
		best_mx = MIN(best_mx, r->host[i].pref);
	if (r->nhop == 0) {
		if (r->from_mx) {
			if (r->svc->p.defer_if_no_mx_address && r->dsn[0] == '5')
				r->dsn[0] = '4';
			log_warn(r->log, "no MX host for %s has a valid address record", r->name);
		}
		if (r->dsn[0] == '\0') {	/* addresses, but of no protocol in use */
			fail(r, "5.4.4", "");
			buf_addf(&r->why,
			    "Host or domain name not found. Name service error for name=%s type=%s: "
			    "Host found but no data record of requested type",
			    r->nhost > 0 ? r->host[0].name : r->ascii, r->svc->p.ipv6 ? "AAAA" : "A");
		}
		return ROUTE_FAILED;
	}
	if (loop_detect && cut_self(r, best_mx) == ROUTE_FAILED)
		return ROUTE_FAILED;
	if (r->svc->p.randomize)
		shuffle(r);
	sort_hops(r);
	if (r->svc->p.balance)
		balance(r);
	r->best_pref = r->hop[0].pref;
	r->dsn[0] = '\0';
	return ROUTE_OK;
}

/* ---- hosts ------------------------------------------------------------------------------------------------------ */
static int protocols(const struct smtp_params *p)
{
	return (p->ipv4 ? HOST_V4 : 0) | (p->ipv6 ? HOST_V6 : 0);
}

static void host_ask(struct route *r, struct mx_host *h, bool native)
{
	h->native = native;
	host_start(&h->op, r->task, h->name, protocols(&r->svc->p) |
	    (native ? HOST_FILE | HOST_SEARCH | HOST_DNS : HOST_DNS | r->svc->p.search));
}

static void hosts_add(struct route *r, const char *name, unsigned pref)
{
	r->host[r->nhost++] = (struct mx_host){ .name = xstrdup(name), .pref = pref };
}

static void hosts_start(struct route *r)
{
	r->hosts_phase = true;
	for (size_t i = 0; i < r->nhost; i++)
		host_ask(r, &r->host[i], !r->svc->p.lookup_dns);
}

/* The destination is itself a host. */
static void hosts_single(struct route *r)
{
	r->host = xcalloc(1, sizeof(*r->host));
	hosts_add(r, r->ascii, 0);
	hosts_start(r);
}

static const char *native_words(enum dns_result res)
{
	switch (res) {
	case DNS_NODATA:
		return "No address associated with hostname";
	case DNS_FAILED:
		return "Temporary failure in name resolution";
	default:
		return "Name or service not known";
	}
}

/* smtp_dns_reply_filter over what was found; true when that is done. The native way is not filtered. */
static bool host_filter(struct route *r, struct mx_host *h)
{
	const struct dns_op *from[2] = { &h->op.a, &h->op.aaaa };
	bool done = true;

	for (int i = 0; i < 2; i++) {
		struct rr_filter *f = &h->filter[i];

		if (from[i]->answer == NULL || from[i]->answer->rr == NULL)
			continue;
		if (f->task == NULL)
			rr_filter_start(f, r->task, r->log, r->svc->dns_filter, from[i]->answer);
		done &= rr_filter_poll(f) != RR_WAIT;
	}
	return done;
}

/* The address whose record was number i of those found. */
static bool is_dropped(const struct mx_host *h, size_t i)
{
	const struct dns_op *from[2] = { &h->op.a, &h->op.aaaa };

	for (int k = 0; k < 2; k++) {
		size_t n = 0;

		for (const struct dns_rr *rr = from[k]->answer != NULL ? from[k]->answer->rr : NULL; rr != NULL; rr = rr->next)
			n++;
		if (i < n)
			return h->filter[k].task != NULL && (h->filter[k].result != RR_SOME || h->filter[k].drop[i]);
		i -= n;
	}
	return false;
}

/* Nothing is left of an answer, or the table is at fault: both may be other tomorrow. */
static void filtered_out(struct route *r, const char *name, const char *type, enum rr_result res)
{
	fail(r, res == RR_BAD ? "4.4.3" : "4.7.0", "");
	buf_addf(&r->why, "Error looking up name=%s type=%s: %s", name, type,
	    res == RR_BAD ? "Invalid DNS reply filter syntax" : "DNS reply filter drops all results");
}

static void add_found(struct route *r, struct mx_host *h)
{
	bool any = false;

	if (r->svc->p.cname_overrides && h->op.canonical != NULL) {
		free(h->name);
		h->name = xstrdup(h->op.canonical);
	}
	for (size_t i = 0; i < h->op.n; i++) {
		if (is_dropped(h, i))
			continue;
		add_hop(r, &h->op.addr[i], h->name, h->pref);
		any = true;
	}
	for (int k = 1; k >= 0 && !any; k--)
		if (h->filter[k].task != NULL) {
			filtered_out(r, h->name, k == 0 ? "A" : "AAAA", h->filter[k].result);
			return;
		}
}

/* Why the name servers did not help. What the search list made of the name is not told. */
static const char *host_why(struct route *r, const struct mx_host *h, enum dns_result res)
{
	static char why[NAME_LINE_MAX];

	if (h->op.why == NULL)
		return "Host not found";
	if (r->svc->p.search == 0 || res == DNS_INVALID)
		return h->op.why;
	snprintf(why, sizeof(why), "Host or domain name not found. Name service error for name=%s type=%s: %s", h->name,
	    r->svc->p.ipv6 ? "AAAA" : "A", res == DNS_FAILED ? "Host not found, try again" :
	    res == DNS_NODATA ? "Host found but no data record of requested type" : "Host not found");
	return why;
}

/* What became of one host. True when it is settled, false when another way is now being tried. */
static bool host_done(struct route *r, struct mx_host *h, enum dns_result res)
{
	bool was_soft = soft(r);

	if (res == DNS_OK) {
		add_found(r, h);
	} else if (h->native) {
		fail(r, was_soft || res == DNS_FAILED ? "4.4.4" : res == DNS_NODATA ? "5.3.0" : "5.4.4", "");
		buf_addf(&r->why, "unable to look up host %s: %s", h->name, native_words(res));
	} else {
		fail(r, res == DNS_FAILED ? "4.4.3" : was_soft ? "4.4.4" : "5.4.4", host_why(r, h, res));
		if (res != DNS_FAILED && r->svc->p.lookup_native) {
			host_end(&h->op);
			host_ask(r, h, true);
			return false;
		}
	}
	rr_filter_end(&h->filter[0]);
	rr_filter_end(&h->filter[1]);
	host_end(&h->op);
	h->over = true;
	return true;
}

static enum route_result hosts_poll(struct route *r)
{
	/* In order, so that the text is the last host's whatever the order of the answers. */
	for (size_t i = 0; i < r->nhost; i++) {
		struct mx_host *h = &r->host[i];

		while (!h->over) {
			enum dns_result res = host_poll(&h->op);

			if (res == DNS_WAIT)
				return ROUTE_WAIT;
			if (res == DNS_OK && !h->native && r->svc->dns_filter != NULL && !host_filter(r, h))
				return ROUTE_WAIT;
			host_done(r, h, res);
		}
	}
	return finish(r);
}

/* ---- MX --------------------------------------------------------------------------------------------------------- */
static void mx_use(struct route *r, const struct dns_answer *answer)
{
	size_t n = 0, k = 0;

	r->from_mx = true;
	for (const struct dns_rr *rr = answer->rr; rr != NULL; rr = rr->next)
		n++;
	n = MIN(n, ROUTE_HOSTS_MAX);
	r->host = xcalloc(MAX(n, 1), sizeof(*r->host));
	for (const struct dns_rr *rr = answer->rr; rr != NULL && r->nhost < n; rr = rr->next, k++)
		if (rr->type == DNS_MX && (r->mx_filter.drop == NULL || !r->mx_filter.drop[k]))
			hosts_add(r, rr->name, rr->pref);
	/* Best first: an attempt with a limit looks at these, and the texts of failures follow this order. */
	for (size_t i = 1; i < r->nhost; i++) {
		struct mx_host h = r->host[i];
		size_t j = i;

		for (; j > 0 && r->host[j - 1].pref > h.pref; j--)
			r->host[j] = r->host[j - 1];
		r->host[j] = h;
	}
	hosts_start(r);
}

/* The MX records through smtp_dns_reply_filter; ROUTE_OK: go on with what is left. */
static enum route_result mx_filtered(struct route *r)
{
	enum rr_result res;

	if (r->svc->dns_filter == NULL)
		return ROUTE_OK;
	if (r->mx_filter.task == NULL)
		rr_filter_start(&r->mx_filter, r->task, r->log, r->svc->dns_filter, r->mx.answer);
	if ((res = rr_filter_poll(&r->mx_filter)) == RR_WAIT)
		return ROUTE_WAIT;
	if (res == RR_SOME)
		return ROUTE_OK;
	filtered_out(r, r->ascii, "MX", res);
	return ROUTE_FAILED;
}

static enum route_result mx_poll(struct route *r)
{
	enum dns_result res = dns_poll(&r->mx);
	const struct dns_answer *a = r->mx.answer;
	enum route_result filtered;
	const struct dns_rr *rr;

	if (res != DNS_WAIT && r->mx_filter.task == NULL)
		dns_log_warnings(a, r->log);
	switch (res) {
	case DNS_WAIT:
		return ROUTE_WAIT;
	case DNS_OK:
		if ((filtered = mx_filtered(r)) == ROUTE_WAIT)
			return ROUTE_WAIT;
		if (filtered == ROUTE_FAILED)
			break;
		rr = a->rr;
		if (rr != NULL && rr->next == NULL && rr->type == DNS_MX && *rr->name == '\0') {
			fail(r, "5.1.0", "");	/* RFC 7505 §3: "." as the only record */
			buf_addf(&r->why, "Domain %s does not accept mail (nullMX)", r->ascii);
			break;
		}
		mx_use(r, a);
		break;
	case DNS_NODATA:
	case DNS_NXDOMAIN:
		hosts_single(r);
		break;
	case DNS_FAILED:
	case DNS_INVALID:
		fail(r, res == DNS_FAILED ? "4.4.3" : a != NULL && a->rcode != 0 ? "5.4.3" : "5.4.4",
		    a != NULL && a->why != NULL ? a->why : "DNS lookup failed");
		if (r->svc->p.ignore_mx_error)
			hosts_single(r);
		break;
	}
	rr_filter_end(&r->mx_filter);
	dns_end(&r->mx);
	return r->hosts_phase ? hosts_poll(r) : ROUTE_FAILED;
}

/* ---- the operation ---------------------------------------------------------------------------------------------- */
void route_start(struct route *r, struct task *task, const struct log_ctx *log, const struct smtp_service *svc,
    const struct dest *d)
{
	struct buf ascii = { 0 };

	r->task = task;
	r->log = log;
	r->svc = svc;
	r->port = d->port;
	r->name = xstrdup(d->host);
	if (str_is_ascii(d->host) || !address_domain_to_ascii(&ascii, d->host))
		r->ascii = xstrdup(d->host);
	else
		r->ascii = buf_steal(&ascii);
	buf_release(&ascii);
	/* A bare address needs no MX, whatever the brackets; look-ups for it would only fail. */
	if (d->mx && svc->p.use_dns && !svc->p.lmtp)
		dns_start(&r->mx, task, r->ascii, DNS_MX);
	else
		hosts_single(r);
}

enum route_result route_poll(struct route *r)
{
	ASSERT(r->task != NULL);
	if (r->result == ROUTE_WAIT)
		r->result = r->hosts_phase ? hosts_poll(r) : mx_poll(r);
	return r->result;
}

void route_end(struct route *r)
{
	rr_filter_end(&r->mx_filter);
	dns_end(&r->mx);
	for (size_t i = 0; i < r->nhost; i++) {
		rr_filter_end(&r->host[i].filter[0]);
		rr_filter_end(&r->host[i].filter[1]);
		host_end(&r->host[i].op);
		free(r->host[i].name);
	}
	free(r->host);
	free(r->hop);
	free(r->name);
	free(r->ascii);
	buf_release(&r->why);
	*r = (struct route){ 0 };
}
