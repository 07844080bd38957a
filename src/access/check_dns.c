/* check_dns.c - restrictions about what the name service says of a name.
 *
 * A name that cannot be looked up now refuses nothing: the request is deferred if it would be permitted
 * (reject_tempfail_action), because the look-up might have refused it. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <postrider/stream.h>

enum answer { ANSWER_WAIT, ANSWER_OK, ANSWER_NONE, ANSWER_RETRY, ANSWER_INVALID, ANSWER_NULLMX };

static bool null_mx(const struct dns_answer *a)
{
	return a != NULL && a->rr != NULL && a->rr->next == NULL && a->rr->name != NULL && a->rr->name[0] == '\0';
}

static enum answer ask(struct access_run *r, const char *name, enum dns_type type)
{
	struct work *w = &r->work;
	enum answer answer = ANSWER_NONE;
	enum dns_result d;

	if (!dns_valid_hostname(name, NULL))
		return ANSWER_NONE;
	if ((w->used & WORK_DNS) == 0) {
		dns_start(&w->dns, r->task, name, type);
		w->used |= WORK_DNS;
	}
	if ((d = dns_poll(&w->dns)) == DNS_WAIT)
		return ANSWER_WAIT;
	if (d == DNS_OK)
		answer = type == DNS_MX && null_mx(w->dns.answer) ? ANSWER_NULLMX : ANSWER_OK;
	else if (d == DNS_FAILED)
		answer = ANSWER_RETRY;
	else if (d == DNS_INVALID)
		answer = ANSWER_INVALID;
	return answer;
}

static void ask_end(struct access_run *r)
{
	if (r->work.used & WORK_DNS)
		dns_end(&r->work.dns);
	r->work.used &= ~(unsigned)WORK_DNS;
}

/* Asks for the types in turn until one exists: work.pos is the type, work.soft whether one may come later. stop: these
 * answers end the search, too. */
static enum answer ask_types(struct access_run *r, const char *name, const enum dns_type type[3], bool stop)
{
	struct work *w = &r->work;

	for (; w->pos < 3; w->pos++) {
		enum answer a = ask(r, name, type[w->pos]);

		if (a == ANSWER_WAIT)
			return a;
		ask_end(r);
		if (a == ANSWER_OK || (stop && (a == ANSWER_INVALID || a == ANSWER_NULLMX)))
			return a;
		if (a == ANSWER_NULLMX)		/* a name of an MTA may have one */
			return ANSWER_OK;
		w->soft |= a == ANSWER_RETRY;
	}
	return w->soft ? ANSWER_RETRY : ANSWER_NONE;
}

enum verdict unknown_helo_judge(struct access_run *r, const struct step *st)
{
	static const enum dns_type types[3] = { DNS_A, DNS_AAAA, DNS_MX };
	const struct view *v = r->facts->view;
	const char *helo = r->facts->helo;

	if (helo == NULL)
		return V_DUNNO;
	if (*helo == '[')
		return invalid_helo_judge(r, st);
	switch (ask_types(r, helo, types, false)) {
	case ANSWER_WAIT:
		return V_WAIT;
	case ANSWER_OK:
	case ANSWER_NULLMX:
		return V_DUNNO;
	case ANSWER_RETRY:
		return run_defer_if_permit(r, view_str(v, unknown_helo_hostname_tempfail_action), 450, "4.7.1",
		    "<%s>: %s rejected: Host not found", helo, class_helo);
	case ANSWER_INVALID:
		return run_reject(r, ACCESS_ERR_POLICY, view_int(v, unknown_hostname_reject_code), "4.7.1",
		    "<%s>: %s rejected: Malformed DNS server reply", helo, class_helo);
	case ANSWER_NONE:
		break;
	}
	return run_reject(r, ACCESS_ERR_POLICY, view_int(v, unknown_hostname_reject_code), "4.7.1",
	    "<%s>: %s rejected: Host not found", helo, class_helo);
}

/* The domain as the name service wants it, in work.key; false: nothing to ask about. */
static bool mail_domain(struct access_run *r, const char *addr)
{
	const char *domain = strrchr(addr, '@');
	struct buf *key = &r->work.key;

	if (domain == NULL)
		return false;
	domain++;
	if (domain[0] == '[' && domain[strlen(domain) - 1] == ']')
		return false;
	buf_reset(key);
	if (str_is_ascii(domain) || !address_domain_to_ascii(key, domain)) {
		buf_reset(key);
		buf_adds(key, domain);
	}
	return true;
}

static enum verdict mailhost_verdict(struct access_run *r, enum answer a, const char *addr, bool sender)
{
	const struct view *v = r->facts->view;
	const char *cls = sender ? class_sender : class_recipient, *dsn = sender ? "4.1.8" : "4.1.2";

	switch (a) {
	case ANSWER_WAIT:
		return V_WAIT;
	case ANSWER_OK:
		return V_DUNNO;
	case ANSWER_NULLMX:	/* RFC 7505 */
		return run_reject(r, ACCESS_ERR_POLICY, sender ? 550 : 556, sender ? "4.7.27" : "4.1.10",
		    "<%s>: %s rejected: Domain %s does not accept mail (nullMX)", addr, cls, buf_str(&r->work.key));
	case ANSWER_RETRY:
		return run_defer_if_permit(r, view_str(v, unknown_address_tempfail_action), 450, dsn,
		    "<%s>: %s rejected: Domain not found", addr, cls);
	case ANSWER_NONE:
	case ANSWER_INVALID:
		break;
	}
	return run_reject(r, ACCESS_ERR_POLICY, view_int(v, unknown_address_reject_code), dsn, "<%s>: %s rejected: %s",
	    addr, cls, a == ANSWER_INVALID ? "Malformed DNS server reply" : "Domain not found");
}

enum verdict unknown_address_judge(struct access_run *r, const struct step *st)
{
	static const enum dns_type types[3] = { DNS_MX, DNS_A, DNS_AAAA };
	bool sender = st->check->variant == ABOUT_SENDER;
	const char *addr = about_value(r, st->check->variant);
	enum verdict v;

	if (addr == NULL || (sender && *addr == '\0'))
		return V_DUNNO;
	if ((v = run_resolve(r, sender ? r->recipient : r->facts->sender, addr)) != V_DUNNO)
		return v;
	if (r->work.resolve.class_ & (CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL))
		return V_DUNNO;
	if (!mail_domain(r, buf_str(&r->work.resolve.recipient)))
		return V_DUNNO;
	return mailhost_verdict(r, ask_types(r, buf_str(&r->work.key), types, true), addr, sender);
}

/* ---- permit_mx_backup ---------------------------------------------------------------------------- */
/* The recipient's domain lists this machine as MX, but not as one of the best. Work phases: 0 resolve and MX look-up,
 * 1 who of the MX hosts are we (work.pos counts them), 2 are the best ones in permit_mx_backup_networks.
 * A host is us by its name or by one of its addresses. */
static enum verdict mx_failed(struct access_run *r, const char *addr)
{
	return run_defer_if_reject(r, 450, "4.4.4",
	    "<%s>: %s rejected: Unable to look up mail exchanger information: %s", addr, class_recipient,
	    "Host not found, try again");
}

static const struct dns_rr *mx_at(const struct dns_answer *a, size_t i)
{
	const struct dns_rr *rr = a->rr;

	while (rr != NULL && i-- > 0)
		rr = rr->next;
	return rr;
}

static unsigned best_pref(const struct dns_answer *a)
{
	unsigned best = 65536;

	for (const struct dns_rr *rr = a->rr; rr != NULL; rr = rr->next)
		best = MIN(best, rr->pref);
	return best;
}

/* Is this MX host us? OK, DUNNO or WAIT; a host that cannot be looked up is not, but leaves a doubt. */
static enum verdict mx_is_me(struct access_run *r, const struct dns_rr *mx, const char *addr)
{
	struct work *w = &r->work;
	enum verdict v = V_DUNNO;

	if (str_ieq(mx->name, view_str(r->facts->view, myhostname)))
		return V_OK;
	if ((w->used & WORK_HOST) == 0) {
		host_start(&w->host, r->task, mx->name, HOST_V4 | HOST_V6 | HOST_FILE | HOST_DNS);
		w->used |= WORK_HOST;
	}
	switch (host_poll(&w->host)) {
	case DNS_WAIT:
		return V_WAIT;
	case DNS_OK:
		for (size_t i = 0; i < w->host.n && v == V_DUNNO; i++)
			if (rewrite_own_address(r->lists->generation, (const struct sockaddr *)&w->host.addr[i].sa))
				v = V_OK;
		break;
	default:
		run_defer_if_reject(r, 450, "4.4.4", "<%s>: %s rejected: Unable to look up mail exchanger host %s: %s",
		    addr, class_recipient, mx->name, "Name or service not known");
	}
	host_end(&w->host);
	w->used &= ~(unsigned)WORK_HOST;
	return v;
}

/* Phase 1: are we among the MX hosts, and not among the best? */
static enum verdict mx_roles(struct access_run *r, const char *addr, bool *backup_r)
{
	struct work *w = &r->work;
	unsigned best = best_pref(w->dns.answer);
	const struct dns_rr *mx;

	for (; (mx = mx_at(w->dns.answer, w->pos)) != NULL; w->pos++) {
		enum verdict v = mx_is_me(r, mx, addr);

		if (v == V_WAIT)
			return V_WAIT;
		if (v == V_OK && mx->pref == best) {
			w->sub = 0;
			break;
		}
		if (v == V_OK)
			w->sub = 1;
	}
	*backup_r = mx == NULL && w->sub == 1;
	return V_DUNNO;
}

/* Phase 2: every address of every best host in permit_mx_backup_networks? OK or DUNNO. work.server counts hosts. */
static enum verdict mx_trusted(struct access_run *r, const char *addr)
{
	struct work *w = &r->work;
	unsigned best = best_pref(w->dns.answer);
	const struct dns_rr *mx;

	for (; (mx = mx_at(w->dns.answer, w->server)) != NULL; w->server++, w->sub = 0) {
		enum dns_result d;

		if (mx->pref != best)
			continue;
		if ((w->used & WORK_HOST) == 0) {
			host_start(&w->host, r->task, mx->name, HOST_V4 | HOST_V6 | HOST_DNS);
			w->used |= WORK_HOST;
		}
		if ((d = host_poll(&w->host)) == DNS_WAIT)
			return V_WAIT;
		if (d != DNS_OK)
			return run_defer_if_reject(r, 450, "4.4.4",
			    "<%s>: %s rejected: Unable to look up host %s as mail exchanger: "
			    "Host not found",
			    addr, class_recipient, mx->name);
		for (; w->sub < w->host.n; w->sub++) {
			char text[80];
			enum verdict v;

			sockaddr_name((const struct sockaddr *)&w->host.addr[w->sub].sa, text, sizeof(text));
			v = run_match(r, r->lists->permit_mx_networks, mx->name, text);
			if (v != V_OK)
				return v;
		}
		host_end(&w->host);
		w->used &= ~(unsigned)WORK_HOST;
	}
	return V_OK;
}

enum verdict mx_backup_judge(struct access_run *r, const struct step *st)
{
	struct work *w = &r->work;
	enum verdict v;
	bool backup;

	if (r->recipient == NULL)
		return V_DUNNO;
	if (w->phase == 0) {
		v = auth_destination(r, r->recipient);
		if (v != V_DUNNO)
			return v == V_OK ? run_permit(r, st->check->name, class_recipient, r->recipient, NULL) : v;
		if ((w->resolve.flags & RESOLVE_ROUTED) && !r->lists->untrusted_routing)
			return V_DUNNO;
		if (!mail_domain(r, buf_str(&w->resolve.recipient)))
			return V_DUNNO;
		switch (ask(r, w->key.p, DNS_MX)) {
		case ANSWER_WAIT:
			return V_WAIT;
		case ANSWER_RETRY:
			return mx_failed(r, r->recipient);
		case ANSWER_OK:
			break;
		default:
			return V_DUNNO;
		}
		w->phase = 1;
	}
	if (w->phase == 1) {
		if ((v = mx_roles(r, r->recipient, &backup)) != V_DUNNO || !backup)
			return v;
		w->phase = 2;
		w->sub = 0;
	}
	/* Without permit_mx_backup_networks any best host is trusted to have asked for this. */
	if (!match_list_empty(r->lists->permit_mx_networks) && (v = mx_trusted(r, r->recipient)) != V_OK)
		return v;
	return run_permit(r, st->check->name, class_recipient, r->recipient, NULL);
}
