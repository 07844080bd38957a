/* check_server.c - check_..._{ns,mx,a}_access: look the servers of a domain up in an access table.
 *
 * Work phases: 0 find the servers (NS: of the domain, or of the first parent that has them; MX: the domain itself
 * if it has none; A: the domain itself); 1 for each server (work.server) its name, then 2 its addresses. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <postrider/stream.h>
#include <arpa/inet.h>

static enum verdict acted(struct access_run *r, const struct step *st, enum find_result f, const char *datum)
{
	int about = st->check->variant & 0xff;

	if (f == FOUND_WAIT)
		return V_WAIT;
	return run_result(r, st->arg, f == FOUND ? r->work.maps.value : "451 4.3.5 Server configuration error", datum,
	    about_reply_name(r, about), about_class(about));
}

/* An address literal is its own mail server. */
static enum verdict literal(struct access_run *r, const struct step *st, const char *domain, enum dns_type type)
{
	char addr[INET6_ADDRSTRLEN];
	enum find_result f;

	if (type == DNS_NS || !address_literal(domain, addr, sizeof(addr)))
		return V_DUNNO;
	f = run_find_net(r, st->maps, addr);
	return f == FOUND_NONE ? V_DUNNO : acted(r, st, f, addr);
}

static const char *type_name(enum dns_type t)
{
	return t == DNS_NS ? "NS" : t == DNS_MX ? "MX" : "A";
}

static const char *failure(enum dns_result d)
{
	return d == DNS_FAILED ? "Host not found, try again" :
	    d == DNS_NODATA    ? "Host found but no data record of requested type" :
	    d == DNS_INVALID   ? "Malformed or unexpected name server reply" :
				 "Host not found";
}

/* Phase 0. DUNNO: the servers are in work.dns, or work.soft says that the domain stands for itself. */
static enum verdict find_servers(struct access_run *r, enum dns_type type, const char *name, bool *over_r)
{
	struct work *w = &r->work;
	enum dns_result d;

	*over_r = false;
	if (type == DNS_A) {
		w->soft = true;
		return V_DUNNO;
	}
	for (;;) {
		if ((w->used & WORK_DNS) == 0) {
			dns_start(&w->dns, r->task, w->cursor, type);
			w->used |= WORK_DNS;
		}
		if ((d = dns_poll(&w->dns)) == DNS_WAIT)
			return V_WAIT;
		if (d == DNS_OK) {
			*over_r =
			    type == DNS_MX && w->dns.answer->rr->name[0] == '\0' && w->dns.answer->rr->next == NULL;
			return V_DUNNO;
		}
		dns_end(&w->dns);
		w->used &= ~(unsigned)WORK_DNS;
		if (d != DNS_NODATA && d != DNS_NXDOMAIN)
			break;
		if (type == DNS_MX) {
			w->soft = true;
			return V_DUNNO;
		}
		if (strchr(w->cursor, '.') == NULL || strchr(w->cursor, '.')[1] == '\0')
			break;
		w->cursor = strchr(w->cursor, '.') + 1;
	}
	/* as Postfix: all of the name once its parents have none, else the domain that could not be asked about */
	log_warn(r->facts->log, "Unable to look up %s host for %s: %s", type_name(type),
	    d == DNS_NODATA || d == DNS_NXDOMAIN ? name : w->cursor, failure(d));
	*over_r = true;
	return V_DUNNO;
}

static const char *server_at(const struct work *w, size_t i)
{
	const struct dns_rr *rr;

	if (w->soft)
		return i == 0 ? w->key.p : NULL;
	for (rr = w->dns.answer->rr; rr != NULL && i > 0; i--)
		rr = rr->next;
	return rr != NULL ? rr->name : NULL;
}

/* Phase 2: the addresses of one server. */
static enum verdict addresses(struct access_run *r, const struct step *st, const char *server, enum dns_type type)
{
	struct work *w = &r->work;
	int about = st->check->variant & 0xff;

	if ((w->used & WORK_HOST) == 0) {
		host_start(&w->host, r->task, server, HOST_V4 | HOST_V6 | HOST_FILE | HOST_DNS);
		w->used |= WORK_HOST;
		w->sub = 0;
	}
	switch (host_poll(&w->host)) {
	case DNS_WAIT:
		return V_WAIT;
	case DNS_OK:
		break;
	default:
		if (type != DNS_A)
			log_warn(r->facts->log, "Unable to look up %s host %s for %s %s: %s", type_name(type), server,
			    about_class(about), about_reply_name(r, about), "Name or service not known");
		return V_DUNNO;
	}
	for (; w->sub < w->host.n; w->sub++) {
		char text[80];
		enum find_result f;

		sockaddr_name((const struct sockaddr *)&w->host.addr[w->sub].sa, text, sizeof(text));
		if ((f = run_find_net(r, st->maps, text)) != FOUND_NONE)
			return acted(r, st, f, text);
	}
	return V_DUNNO;
}

static enum verdict servers(struct access_run *r, const struct step *st, enum dns_type type)
{
	struct work *w = &r->work;
	const char *server;

	for (; (server = server_at(w, w->server)) != NULL; w->server++, w->phase = 1) {
		enum verdict v;

		if (w->phase == 1 && type != DNS_A) {
			enum find_result f = run_find_domain(r, st->maps, server);

			if (f != FOUND_NONE)
				return acted(r, st, f, server);
		}
		w->phase = 2;
		v = addresses(r, st, server, type);
		if (v != V_DUNNO)
			return v;
		host_end(&w->host);
		w->used &= ~(unsigned)WORK_HOST;
	}
	return V_DUNNO;
}

enum verdict server_judge(struct access_run *r, const struct step *st)
{
	int about = st->check->variant & 0xff;
	enum dns_type type = (enum dns_type)(st->check->variant >> 8);
	const char *name = about_value(r, about), *domain;
	struct work *w = &r->work;
	enum verdict v;
	bool over;

	if (name == NULL || *name == '\0' || (about <= ABOUT_REV_CLIENT && str_ieq(name, "unknown")))
		return V_DUNNO;
	domain = strrchr(name, '@') != NULL ? strrchr(name, '@') + 1 : name;
	if (*domain == '[')
		return literal(r, st, domain, type);
	if (w->phase == 0) {
		if (w->cursor == NULL) {
			if (str_is_ascii(domain) || !address_domain_to_ascii(&w->key, domain)) {
				buf_reset(&w->key);
				buf_adds(&w->key, domain);
			}
			w->cursor = buf_str(&w->key);
		}
		v = find_servers(r, type, name, &over);
		if (v == V_WAIT || over)
			return v;
		w->phase = 1;
	}
	return servers(r, st, type);
}
