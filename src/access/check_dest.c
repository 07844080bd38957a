/* check_dest.c - restrictions about where mail is to go: relay control. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>

enum { CLASS_FINAL = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL };

/* Invariant 4: no relay without permission, whatever the syntax of the address. An address that routes through
 * us (user%elsewhere@here, "user@elsewhere"@here) is not ours unless allow_untrusted_routing says so. */
enum verdict auth_destination(struct access_run *r, const char *recipient)
{
	const struct resolve_op *op = &r->work.resolve;
	enum verdict v = run_resolve(r, r->facts->sender, recipient);

	if (v != V_DUNNO)
		return v;
	if (strchr(buf_str(&op->recipient), '@') == NULL)
		return V_OK;	/* not supposed to happen: cannot go anywhere else */
	if (!r->lists->untrusted_routing && (op->flags & RESOLVE_ROUTED))
		return V_DUNNO;
	return op->class_ & (CLASS_FINAL | CLASS_RELAY) ? V_OK : V_DUNNO;
}

enum verdict auth_destination_judge(struct access_run *r, const struct step *st)
{
	enum verdict v;

	if (r->recipient == NULL)
		return V_DUNNO;
	v = auth_destination(r, r->recipient);
	return v == V_OK ? run_permit(r, st->check->name, class_recipient, r->recipient, NULL) : v;
}

/* variant 1 defers: the default of smtpd_relay_restrictions, so that a mistake in a configuration bounces no mail. */
enum verdict unauth_destination_judge(struct access_run *r, const struct step *st)
{
	int code = view_int(r->facts->view, relay_domains_reject_code);
	bool defer = st->check->variant == 1;
	enum verdict v;

	if (r->recipient == NULL)
		return V_DUNNO;
	v = auth_destination(r, r->recipient);
	if (v == V_WAIT || v == V_REJECT)
		return v;
	if (v == V_OK)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, defer ? code - 100 : code, defer ? "4.7.1" : "5.7.1",
	    "<%s>: Relay access denied", r->recipient);
}

/* The obsolete check_relay_domains: also permits clients by name. */
static enum verdict relay_domains(struct access_run *r, const struct step *st)
{
	enum verdict v;

	if (r->work.phase == 0) {
		v = run_match(r, r->lists->relay_domains, r->facts->client_name, NULL);
		if (v != V_DUNNO)
			return v == V_OK ? run_permit(r, st->check->name, class_recipient, r->recipient, NULL) : v;
		r->work.phase = 1;
	}
	v = auth_destination(r, r->recipient);
	if (v != V_DUNNO)
		return v == V_OK ? run_permit(r, st->check->name, class_recipient, r->recipient, NULL) : v;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, relay_domains_reject_code), "5.7.1",
	    "<%s>: %s rejected: Relay access denied", r->recipient, class_recipient);
}

enum verdict relay_domains_judge(struct access_run *r, const struct step *st)
{
	static bool told;
	enum verdict v = V_DUNNO;

	if (!told)
		log_warn(r->facts->log,
		    "support for restriction \"%s\" will be removed from %s; use \"%s\" instead",
		    "check_relay_domains", view_str(r->facts->view, mail_name), "reject_unauth_destination");
	told = true;
	if (r->recipient != NULL && (v = relay_domains(r, st)) == V_WAIT)
		return v;
	if (st->next != NULL && r->warn_level == 0)
		log_warn(r->facts->log, "restriction `%s' after `%s' is ignored", st->next, st->check->name);
	return v;
}
