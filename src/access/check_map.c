/* check_map.c - check_..._access: look a fact up in an access table, act on what it says. */
#include "eval.h"
#include <postrider/log.h>
#include <postrider/service.h>

/* "451 4.3.5 ... Server configuration error" about the name, as a result like any other. */
static enum verdict lookup_failed(
    struct access_run *r, const struct step *st, const char *datum, const char *name, const char *cls)
{
	return run_result(r, st->arg, "451 4.3.5 Server configuration error", datum, name, cls);
}

static enum verdict found(struct access_run *r, const struct step *st, enum find_result f, const char *datum,
    const char *name, const char *cls)
{
	switch (f) {
	case FOUND_WAIT:
		return V_WAIT;
	case FOUND_NONE:
		return V_DUNNO;
	case FOUND_ERROR:
		return lookup_failed(r, st, datum, name, cls);
	case FOUND:
		break;
	}
	return run_result(r, st->arg, r->work.maps.value, datum, name, cls);
}

/* Name, then address; a wildcard for a domain may pre-empt a more specific address. */
static enum verdict client(struct access_run *r, const struct step *st, int about)
{
	struct work *w = &r->work;
	const char *name = about_value(r, about), *addr = r->facts->client_addr;
	const char *reply = about_reply_name(r, about), *cls = about_class(about);
	enum find_result f;

	if (w->phase == 0) {
		f = run_find_domain(r, st->maps, name);
		if (f != FOUND_NONE)
			return found(r, st, f, name, reply, cls);
		w->phase = 1;
	}
	return found(r, st, run_find_net(r, st->maps, addr), addr, reply, cls);
}

/* The resolved address by its parts; the null sender under its own key. */
static enum verdict address(struct access_run *r, const struct step *st, int about)
{
	const struct resolve_op *op = &r->work.resolve;
	const char *addr = about_value(r, about), *cls = about_class(about), *full;
	enum verdict v;

	if (addr == NULL)
		return V_DUNNO;
	if (*addr == '\0')
		return found(r, st, run_find_key(r, st->maps, view_str(r->facts->view, smtpd_null_access_lookup_key)),
		    addr, addr, cls);
	if ((v = run_resolve(r, about == ABOUT_SENDER ? r->recipient : r->facts->sender, addr)) != V_DUNNO)
		return v;
	full = buf_str(&op->recipient);
	if (strchr(full, '@') == NULL) {
		log_warn(r->facts->log, "check_mail_access: no @domain in address: %s", full);
		return V_DUNNO;
	}
	/* Source-routed recipients are too suspicious for an OK. */
	r->frame[r->depth - 1].suspicious =
	    about == ABOUT_RECIPIENT && !r->lists->untrusted_routing && (op->flags & RESOLVE_ROUTED);
	return found(r, st,
	    run_find_addr(r, st->maps, full, FIND_FULL | FIND_NOEXT | FIND_DOMAIN | FIND_LOCAL_AT, false), full, addr,
	    cls);
}

enum verdict map_judge(struct access_run *r, const struct step *st)
{
	int about = st->check->variant;
	const char *value;

	switch (about) {
	case ABOUT_CLIENT:
	case ABOUT_REV_CLIENT:
		return client(r, st, about);
	case ABOUT_SENDER:
	case ABOUT_RECIPIENT:
		return address(r, st, about);
	case ABOUT_SASL:
		if (!view_bool(r->facts->view, smtpd_sasl_auth_enable)) {
			log_warn(r->facts->log, "restriction `%s' ignored: no SASL support", st->check->name);
			return V_DUNNO;
		}
		value = r->facts->sasl_user;
		if (value == NULL || *value == '\0')
			return V_DUNNO;
		return found(r, st, run_find_key(r, st->maps, value), value, value, about_class(about));
	case ABOUT_CCERT:
		return V_DUNNO;	/* no certificate, nothing to look up */
	}
	value = about_value(r, about);
	if (value == NULL)
		return V_DUNNO;
	return found(r, st, run_find_domain(r, st->maps, value), value, value, about_class(about));
}

enum verdict suspicious_ok(struct access_run *r, const struct step *st UNUSED, enum verdict v)
{
	return v == V_OK && r->frame[r->depth - 1].suspicious ? V_DUNNO : v;
}

/* What a stranger's name server says must not open a door. */
enum verdict forbid_ok(struct access_run *r, const struct step *st, enum verdict v)
{
	if (v != V_OK || r->memory->discard)
		return v;
	log_warn(
	    r->facts->log, "restriction %s returns OK for %s", st->name, about_value(r, st->check->variant & 0xff));
	log_warn(r->facts->log, "this is not allowed for security reasons");
	log_warn(r->facts->log, "use DUNNO instead of OK if you want to make an exception");
	return run_config_error(r);
}
