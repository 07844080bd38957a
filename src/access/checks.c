/* checks.c - the table of restrictions by name, and the simple ones.
 *
 * Old names are rows of their own. A restriction whose facts no module provides yet (policy services, address
 * verification) is a row too: it fails the request for the time being, with the reason in the log, and
 * smtpd's compile refuses the configuration before that (DESIGN §5). */
#include "eval.h"
#include <postrider/log.h>
#include <postrider/service.h>

static enum verdict class_judge(struct access_run *r, const struct step *st)
{
	if (r->depth >= FRAMES_MAX) {
		log_warn(r->facts->log, "restriction class %s causes unreasonable recursion", st->name);
		return run_config_error(r);
	}
	run_push(r, st->list, NULL);
	return V_NESTED;
}

/* A word that compiling could not make sense of: arg is what to warn of. */
static enum verdict bad_judge(struct access_run *r, const struct step *st)
{
	log_warn(r->facts->log, "%s", st->arg);
	return run_config_error(r);
}

/* A bare type:name means what its stage says: check_client_access in smtpd_client_restrictions ... */
static enum verdict default_judge(struct access_run *r, const struct step *st)
{
	struct step as = *st;

	if (r->default_acl == NULL) {
		log_warn(r->facts->log,
		    "specify one of (check_client_access, check_reverse_client_hostname_access, check_helo_access, "
		    "check_sender_access, check_recipient_access, check_etrn_access) before %s restriction \"%s\"",
		    r->reply_class, st->name);
		return run_config_error(r);
	}
	as.check = check_find(r->default_acl);
	return as.check->judge(r, &as);
}

static enum verdict default_after(struct access_run *r, const struct step *st, enum verdict v)
{
	const struct check *c = r->default_acl != NULL ? check_find(r->default_acl) : NULL;

	return c != NULL && c->after != NULL ? c->after(r, st, v) : v;
}

const struct check check_class = { .name = "class", .judge = class_judge };
const struct check check_default = { .name = "default", .judge = default_judge, .after = default_after };
const struct check check_bad = { .name = "bad", .judge = bad_judge };

static void warn_ignored(struct access_run *r, const struct step *st)
{
	if (st->next != NULL)
		log_warn(r->facts->log, "restriction `%s' after `%s' is ignored", st->next, st->check->name);
}

enum verdict permit_judge(struct access_run *r, const struct step *st)
{
	warn_ignored(r, st);
	return run_permit(r, st->check->name, r->reply_class, r->reply_name, NULL);
}

static enum verdict refused(struct access_run *r, const struct step *st, enum verdict v)
{
	if (r->warn_level == 0)
		warn_ignored(r, st);
	return v;
}

enum verdict reject_judge(struct access_run *r, const struct step *st)
{
	return refused(r, st, run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, reject_code), "5.7.1",
	    "<%s>: %s rejected: Access denied", r->reply_name, r->reply_class));
}

enum verdict defer_judge(struct access_run *r, const struct step *st)
{
	return refused(r, st, run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, defer_code), "4.3.2",
	    "<%s>: %s rejected: Try again later", r->reply_name, r->reply_class));
}

enum verdict defer_if_permit_judge(struct access_run *r, const struct step *st UNUSED)
{
	return run_defer_if_permit(r, NULL, 450, "4.7.0", "<%s>: %s rejected: defer_if_permit requested", r->reply_name,
	    r->reply_class);
}

enum verdict defer_if_reject_judge(struct access_run *r, const struct step *st UNUSED)
{
	return run_defer_if_reject(
	    r, 450, "4.7.0", "<%s>: %s rejected: defer_if_reject requested", r->reply_name, r->reply_class);
}

enum verdict sleep_judge(struct access_run *r, const struct step *st)
{
	struct work *w = &r->work;

	if (w->phase == 0) {
		timer_start(&w->timer, r->task, (int64_t)st->number * 1000);
		w->used |= WORK_TIMER;
		w->phase = 1;
	}
	return st->number == 0 || timer_expired(&w->timer) ? V_DUNNO : V_WAIT;
}

enum verdict plaintext_judge(struct access_run *r, const struct step *st UNUSED)
{
	if (r->facts->tls)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, plaintext_reject_code), "4.7.1",
	    "Session encryption is required");
}

enum verdict pipelining_judge(struct access_run *r, const struct step *st UNUSED)
{
	if (!r->facts->pipelined_early)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_PROTOCOL, 503, "5.5.0",
	    "<%s>: %s rejected: Improper use of SMTP command pipelining", r->reply_name, r->reply_class);
}

enum verdict multi_rcpt_bounce_judge(struct access_run *r, const struct step *st UNUSED)
{
	const struct access_facts *f = r->facts;
	bool at_rcpt = strcmp(f->command, "RCPT") == 0;

	if (f->sender == NULL || *f->sender != '\0' || f->rcpt_count <= (at_rcpt ? 0u : 1u))
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(f->view, multi_recipient_bounce_reject_code), "5.5.3",
	    "<%s>: %s rejected: Multi-recipient bounce", r->reply_name, r->reply_class);
}

enum verdict unavailable_judge(struct access_run *r, const struct step *st)
{
	log_warn(r->facts->log, "restriction %s is not available yet", st->check->name);
	return run_config_error(r);
}

#define ROW(name, ...)	{ name, __VA_ARGS__ }
static const struct check checks[] = {
	ROW("warn_if_reject", ARG_NONE, NULL, 0, NULL),
	ROW("permit", ARG_NONE, permit_judge, 0, NULL),
	ROW("reject", ARG_NONE, reject_judge, 0, NULL),
	ROW("defer", ARG_NONE, defer_judge, 0, NULL),
	ROW("defer_if_permit", ARG_NONE, defer_if_permit_judge, 0, NULL),
	ROW("defer_if_reject", ARG_NONE, defer_if_reject_judge, 0, NULL),
	ROW("sleep", ARG_NUMBER, sleep_judge, 0, NULL),
	ROW("reject_plaintext_session", ARG_NONE, plaintext_judge, 0, NULL),
	ROW("reject_unauth_pipelining", ARG_NONE, pipelining_judge, 0, NULL),
	ROW("check_policy_service", ARG_SERVICE, unavailable_judge, 0, NULL),
	/* client */
	ROW("permit_inet_interfaces", ARG_NONE, inet_interfaces_judge, 0, NULL),
	ROW("permit_mynetworks", ARG_NONE, mynetworks_judge, 0, NULL),
	ROW("permit_sasl_authenticated", ARG_NONE, sasl_judge, 0, NULL),
	ROW("permit_tls_all_clientcerts", ARG_NONE, tls_cert_judge, 1, NULL),
	ROW("permit_tls_clientcerts", ARG_NONE, tls_cert_judge, 0, NULL),
	ROW("reject_unknown_client_hostname", ARG_NONE, unknown_client_judge, 0, NULL),
	ROW("reject_unknown_client", ARG_NONE, unknown_client_judge, 0, NULL),
	ROW("reject_unknown_reverse_client_hostname", ARG_NONE, unknown_client_judge, 1, NULL),
	ROW("check_client_access", ARG_MAP, map_judge, ABOUT_CLIENT, NULL),
	ROW("check_reverse_client_hostname_access", ARG_MAP, map_judge, ABOUT_REV_CLIENT, forbid_ok),
	ROW("check_client_ns_access", ARG_MAP, server_judge, ABOUT_CLIENT | DNS_NS << 8, forbid_ok),
	ROW("check_client_mx_access", ARG_MAP, server_judge, ABOUT_CLIENT | DNS_MX << 8, forbid_ok),
	ROW("check_client_a_access", ARG_MAP, server_judge, ABOUT_CLIENT | DNS_A << 8, forbid_ok),
	ROW("check_reverse_client_hostname_ns_access", ARG_MAP, server_judge, ABOUT_REV_CLIENT | DNS_NS << 8,
	    forbid_ok),
	ROW("check_reverse_client_hostname_mx_access", ARG_MAP, server_judge, ABOUT_REV_CLIENT | DNS_MX << 8,
	    forbid_ok),
	ROW("check_reverse_client_hostname_a_access", ARG_MAP, server_judge, ABOUT_REV_CLIENT | DNS_A << 8, forbid_ok),
	ROW("check_ccert_access", ARG_MAP, map_judge, ABOUT_CCERT, NULL),
	ROW("check_sasl_access", ARG_MAP, map_judge, ABOUT_SASL, NULL),
	ROW("reject_rbl_client", ARG_DOMAIN, rbl_judge, ABOUT_CLIENT, NULL),
	ROW("reject_rbl", ARG_DOMAIN, rbl_judge, ABOUT_CLIENT, NULL),
	ROW("permit_dnswl_client", ARG_DOMAIN, rbl_judge, ABOUT_CLIENT | 0x100, NULL),
	ROW("reject_rhsbl_client", ARG_DOMAIN, rbl_judge, ABOUT_CLIENT | 0x200, NULL),
	ROW("permit_rhswl_client", ARG_DOMAIN, rbl_judge, ABOUT_CLIENT | 0x300, NULL),
	ROW("reject_rhsbl_reverse_client", ARG_DOMAIN, rbl_judge, ABOUT_REV_CLIENT | 0x200, NULL),
	ROW("reject_maps_rbl", ARG_NONE, rbl_judge, ABOUT_CLIENT | 0x400, NULL),
	/* helo */
	ROW("check_helo_access", ARG_MAP, map_judge, ABOUT_HELO, NULL),
	ROW("check_helo_ns_access", ARG_MAP, server_judge, ABOUT_HELO | DNS_NS << 8, forbid_ok),
	ROW("check_helo_mx_access", ARG_MAP, server_judge, ABOUT_HELO | DNS_MX << 8, forbid_ok),
	ROW("check_helo_a_access", ARG_MAP, server_judge, ABOUT_HELO | DNS_A << 8, forbid_ok),
	ROW("reject_invalid_helo_hostname", ARG_NONE, invalid_helo_judge, 0, NULL),
	ROW("reject_invalid_hostname", ARG_NONE, invalid_helo_judge, 0, NULL),
	ROW("reject_unknown_helo_hostname", ARG_NONE, unknown_helo_judge, 0, NULL),
	ROW("reject_unknown_hostname", ARG_NONE, unknown_helo_judge, 0, NULL),
	ROW("reject_non_fqdn_helo_hostname", ARG_NONE, non_fqdn_helo_judge, 0, NULL),
	ROW("reject_non_fqdn_hostname", ARG_NONE, non_fqdn_helo_judge, 0, NULL),
	ROW("permit_naked_ip_address", ARG_NONE, naked_ip_judge, 0, NULL),
	ROW("reject_rhsbl_helo", ARG_DOMAIN, rbl_judge, ABOUT_HELO | 0x200, NULL),
	/* sender */
	ROW("check_sender_access", ARG_MAP, map_judge, ABOUT_SENDER, NULL),
	ROW("check_sender_ns_access", ARG_MAP, server_judge, ABOUT_SENDER | DNS_NS << 8, forbid_ok),
	ROW("check_sender_mx_access", ARG_MAP, server_judge, ABOUT_SENDER | DNS_MX << 8, forbid_ok),
	ROW("check_sender_a_access", ARG_MAP, server_judge, ABOUT_SENDER | DNS_A << 8, forbid_ok),
	ROW("reject_unknown_address", ARG_NONE, unknown_address_judge, ABOUT_SENDER, NULL),
	ROW("reject_unknown_sender_domain", ARG_NONE, unknown_address_judge, ABOUT_SENDER, NULL),
	ROW("reject_non_fqdn_sender", ARG_NONE, non_fqdn_address_judge, ABOUT_SENDER, NULL),
	ROW("reject_unlisted_sender", ARG_NONE, unlisted_address_judge, ABOUT_SENDER, NULL),
	ROW("reject_rhsbl_sender", ARG_DOMAIN, rbl_judge, ABOUT_SENDER | 0x200, NULL),
	ROW("reject_sender_login_mismatch", ARG_NONE, login_mismatch_judge, 3, NULL),
	ROW("reject_authenticated_sender_login_mismatch", ARG_NONE, login_mismatch_judge, 1, NULL),
	ROW("reject_unauthenticated_sender_login_mismatch", ARG_NONE, login_mismatch_judge, 2, NULL),
	ROW("reject_known_sender_login_mismatch", ARG_NONE, login_mismatch_judge, 7, NULL),
	ROW("reject_unverified_sender", ARG_NONE, unavailable_judge, ABOUT_SENDER, NULL),
	/* recipient */
	ROW("check_recipient_access", ARG_MAP, map_judge, ABOUT_RECIPIENT, suspicious_ok),
	ROW("check_recipient_ns_access", ARG_MAP, server_judge, ABOUT_RECIPIENT | DNS_NS << 8, forbid_ok),
	ROW("check_recipient_mx_access", ARG_MAP, server_judge, ABOUT_RECIPIENT | DNS_MX << 8, forbid_ok),
	ROW("check_recipient_a_access", ARG_MAP, server_judge, ABOUT_RECIPIENT | DNS_A << 8, forbid_ok),
	ROW("permit_mx_backup", ARG_NONE, mx_backup_judge, 0, NULL),
	ROW("permit_auth_destination", ARG_NONE, auth_destination_judge, 0, NULL),
	ROW("reject_unauth_destination", ARG_NONE, unauth_destination_judge, 0, NULL),
	ROW("defer_unauth_destination", ARG_NONE, unauth_destination_judge, 1, NULL),
	ROW("check_relay_domains", ARG_NONE, relay_domains_judge, 0, NULL),
	ROW("reject_unknown_recipient_domain", ARG_NONE, unknown_address_judge, ABOUT_RECIPIENT, NULL),
	ROW("reject_non_fqdn_recipient", ARG_NONE, non_fqdn_address_judge, ABOUT_RECIPIENT, NULL),
	ROW("reject_unlisted_recipient", ARG_NONE, unlisted_address_judge, ABOUT_RECIPIENT, NULL),
	ROW("check_recipient_maps", ARG_NONE, unlisted_address_judge, ABOUT_RECIPIENT, NULL),
	ROW("reject_rhsbl_recipient", ARG_DOMAIN, rbl_judge, ABOUT_RECIPIENT | 0x200, NULL),
	ROW("reject_multi_recipient_bounce", ARG_NONE, multi_rcpt_bounce_judge, 0, NULL),
	ROW("reject_unverified_recipient", ARG_NONE, unavailable_judge, ABOUT_RECIPIENT, NULL),
	/* etrn */
	ROW("check_etrn_access", ARG_MAP, map_judge, ABOUT_ETRN, NULL),
};

const struct check *check_find(const char *name)
{
	for (size_t i = 0; i < NELEM(checks); i++)
		if (str_ieq(checks[i].name, name))
			return &checks[i];
	return NULL;
}

const char *about_value(const struct access_run *r, int about)
{
	const struct access_facts *f = r->facts;

	switch (about) {
	case ABOUT_CLIENT:
		return f->client_name;
	case ABOUT_REV_CLIENT:
		return f->client_rev_name;
	case ABOUT_HELO:
		return f->helo;
	case ABOUT_SENDER:
		return f->sender;
	case ABOUT_RECIPIENT:
		return r->recipient;
	case ABOUT_ETRN:
		return f->etrn_name;
	case ABOUT_SASL:
		return f->sasl_user;
	}
	return NULL;
}

const char *about_class(int about)
{
	switch (about) {
	case ABOUT_REV_CLIENT:
		return class_rev_client;
	case ABOUT_HELO:
		return class_helo;
	case ABOUT_SENDER:
		return class_sender;
	case ABOUT_RECIPIENT:
		return class_recipient;
	case ABOUT_ETRN:
		return class_etrn;
	case ABOUT_SASL:
		return "SASL login name";
	case ABOUT_CCERT:
		return "Client certificate";
	}
	return class_client;
}

const char *about_reply_name(const struct access_run *r, int about)
{
	return about == ABOUT_CLIENT ? r->facts->client : about_value(r, about);
}
