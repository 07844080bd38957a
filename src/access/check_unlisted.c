/* check_unlisted.c - is there such a user? Refused here, unknown users cost no queue file and no bounce.
 *
 * An address that a canonical or virtual alias map knows is taken for good. What resolves to the error or retry
 * transport is refused with that transport's own text. Otherwise the class of the domain says which table
 * lists its users; a class without a table accepts everybody. */
#include "eval.h"
#include <postrider/service.h>
#include <strings.h>

enum { CLASS_MASK_ALL = CLASS_LOCAL | CLASS_ALIAS | CLASS_VIRTUAL | CLASS_RELAY | CLASS_DEFAULT };

struct user_table {
	const struct maps *maps;
	int		 code;
	const char	*text;
};

static bool user_table(const struct access_run *r, struct user_table *t)
{
	const struct access_lists *l = r->lists;
	const struct view *v = r->facts->view;

	switch (r->work.resolve.class_ & CLASS_MASK_ALL) {
	case CLASS_LOCAL:
		*t = (struct user_table){ l->local_rcpt, view_int(v, unknown_local_recipient_reject_code),
			" in local recipient table" };
		break;
	case CLASS_VIRTUAL:
		*t = (struct user_table){ l->virtual_mailbox, view_int(v, unknown_virtual_mailbox_reject_code),
		    " in virtual mailbox table" };
		break;
	case CLASS_RELAY:
		*t = (struct user_table){ l->relay_rcpt, view_int(v, unknown_relay_recipient_reject_code),
			" in relay recipient table" };
		break;
	default:
		return false;
	}
	return !maps_empty(t->maps);
}

static bool local_part_is(const char *addr, const char *name)
{
	size_t n = strlen(name);

	return strncasecmp(addr, name, n) == 0 && addr[n] == '@';
}

/* postmaster and mailer-daemon always exist; double-bounce is our own, absorbed by the queue manager. */
static bool always_there(const struct access_run *r, const char *addr)
{
	return (r->work.resolve.class_ & CLASS_LOCAL) &&
	    (local_part_is(addr, view_str(r->facts->view, double_bounce_sender)) || local_part_is(addr, "postmaster") ||
		local_part_is(addr, "mailer-daemon"));
}

/* Mail for it goes to the error or retry transport: its next hop is the reason. */
static enum verdict undeliverable(struct access_run *r, const char *addr, const char *cls, bool hard)
{
	const struct resolve_op *op = &r->work.resolve;
	char dsn[12], fallback[] = "5.1.1";
	const char *text;
	int code = hard ? 550 : 450;

	fallback[0] = hard ? '5' : '4';
	fallback[4] = cls == class_sender ? '0' : '1';
	text = dsn_split(dsn, fallback, buf_str(&op->nexthop));
	if (hard && (op->class_ & CLASS_ALIAS))
		code = view_int(r->facts->view, unknown_virtual_alias_reject_code);
	return run_reject(r, ACCESS_ERR_BOUNCE, code, dsn_fix(r, dsn, cls), "<%s>: %s rejected: %s", addr, cls, text);
}

/* The maps of phase n; false behind the last. NULL: not this one. */
static bool phase_maps(struct access_run *r, bool sender, int n, const struct maps **maps_r)
{
	const struct access_lists *l = r->lists;
	const struct maps *all[] = { l->rcpt_canonical, sender ? l->send_canonical : NULL, l->canonical,
		l->virtual_alias };

	if ((size_t)n >= NELEM(all))
		return false;
	*maps_r = all[n];
	return true;
}

/* work.phase: 0..3 the maps that make an address good; 4 the transport and the table of the class. */
static enum verdict unlisted(struct access_run *r, const char *addr, bool sender)
{
	const char *cls = sender ? class_sender : class_recipient;
	struct work *w = &r->work;
	enum verdict v = run_resolve(r, sender ? r->recipient : r->facts->sender, addr);
	const char *full = buf_str(&w->resolve.recipient);
	bool local = w->resolve.class_ & CLASS_LOCAL;
	const struct maps *maps;
	struct user_table table;
	enum find_result f;

	if (v != V_DUNNO)
		return v;
	for (; phase_maps(r, sender, w->phase, &maps); w->phase++) {
		f = run_find_addr(r, maps, full, FIND_DEFAULT, local);
		if (f == FOUND_WAIT)
			return V_WAIT;
		if (f != FOUND_NONE)
			return f == FOUND ? V_DUNNO : run_dict_retry(r, addr);
	}
	if (strcmp(buf_str(&w->resolve.transport), "error") == 0)
		return undeliverable(r, addr, cls, true);
	if (strcmp(buf_str(&w->resolve.transport), "retry") == 0)
		return undeliverable(r, addr, cls, false);
	if (!user_table(r, &table) || always_there(r, full))
		return V_DUNNO;
	f = run_find_addr(r, table.maps, full, FIND_DEFAULT, local);
	if (f == FOUND_WAIT)
		return V_WAIT;
	if (f != FOUND_NONE)
		return f == FOUND ? V_DUNNO : run_dict_retry(r, addr);
	return run_reject(r, ACCESS_ERR_BOUNCE, table.code, sender ? "5.1.0" : "5.1.1",
	    "<%s>: %s rejected: User unknown%s", addr, cls,
	    view_bool(r->facts->view, show_user_unknown_table_name) ? table.text : "");
}

/* Asked once per address, though the restriction may stand in a list and smtpd_reject_unlisted_... ask too. */
enum verdict unlisted_judge(struct access_run *r, bool sender)
{
	const char *addr = sender ? r->facts->sender : r->facts->recipient;
	bool *checked = sender ? &r->memory->sender_checked : &r->memory->rcpt_checked;
	bool begun = r->work.used & WORK_RESOLVE;

	if (r->facts->allow_unlisted || (*checked && !begun))
		return V_DUNNO;
	if (r->warn_level == 0)
		*checked = true;
	return unlisted(r, addr, sender);
}

enum verdict unlisted_address_judge(struct access_run *r, const struct step *st)
{
	const char *addr = about_value(r, st->check->variant);

	if (addr == NULL || *addr == '\0')
		return V_DUNNO;
	return unlisted_judge(r, st->check->variant == ABOUT_SENDER);
}
