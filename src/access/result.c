/* result.c - what a value of an access table means, access(5).
 *
 * A result is a verb with optional text, digits, a reply code with text, or a list of restrictions, which is
 * parsed and run on the stack. Side effects on the message (FILTER, HOLD, PREPEND ...) are only noted: the
 * message may still be refused. They mean nothing outside a mail transaction, which is warned of. */
#include "eval.h"
#include <postrider/log.h>
#include <postrider/mime.h>
#include <ctype.h>
#include <stdlib.h>

struct result {
	struct access_run *r;
	const char	*table, *value, *datum, *name, *cls;
	const char	*text;		/* behind the verb */
	char		 verb[32];
};

static bool in_transaction(struct result *x, const char *action)
{
	if (x->r->facts->sender != NULL && x->r->actions != NULL)
		return true;
	log_warn(x->r->facts->log,
	    "access table %s: with smtpd_delay_reject=no, action %s is always skipped in Client host or "
	    "Helo command restrictions",
	    x->table, action);
	return false;
}

static bool delegable(struct result *x, const char *action)
{
	struct access_run *r = x->r;

	if (strcmp(r->facts->command, "ETRN") == 0) {
		log_warn(r->facts->log, "access table %s: action %s is unavailable in smtpd_etrn_restrictions",
		    x->table, action);
		return false;
	}
	return in_transaction(x, action);
}

static void note(struct result *x, const char *what, const char *fallback)
{
	char *line = xasprintf("<%s>: %s %s", x->name, x->cls, *x->text != '\0' ? x->text : fallback);

	access_log(x->r->facts, what, line);
	free(line);
}

static void note_triggers(struct result *x, const char *what, const char *verb)
{
	char *line = xasprintf("<%s>: %s triggers %s %s", x->name, x->cls, verb, x->text);

	access_log(x->r->facts, what, line);
	free(line);
}

static void set(char **p, const char *value)
{
	free(*p);
	*p = xstrdup(value);
}

static enum verdict refuse(struct result *x, int code, const char *dsn)
{
	char own[12];
	const char *text = dsn_split(own, dsn, x->text);

	return run_reject(x->r, ACCESS_ERR_POLICY, code, dsn_fix(x->r, own, x->cls), "<%s>: %s rejected: %s", x->name,
	    x->cls, *text != '\0' ? text : "Access denied");
}

static enum verdict on_dunno(struct result *x UNUSED)
{
	return V_DUNNO;
}

static enum verdict on_reject(struct result *x)
{
	return refuse(x, view_int(x->r->facts->view, access_map_reject_code), "5.7.1");
}

static enum verdict on_defer(struct result *x)
{
	return refuse(x, view_int(x->r->facts->view, access_map_defer_code), "4.7.1");
}

static enum verdict on_hangup(struct result *x)
{
	access_log(x->r->facts, "hangup", x->text);
	return V_HANGUP;
}

static enum verdict on_info(struct result *x)
{
	access_log(x->r->facts, "info", x->text);
	return V_DUNNO;
}

static enum verdict on_warn(struct result *x)
{
	access_log(x->r->facts, "warn", x->text);
	return V_DUNNO;
}

static enum verdict on_filter(struct result *x)
{
	if (!delegable(x, "FILTER"))
		return V_DUNNO;
	if (*x->text == '\0') {
		log_warn(x->r->facts->log, "access table %s entry \"%s\" has FILTER entry without value", x->table,
		    x->datum);
	} else if (strchr(x->text, ':') == NULL) {
		log_warn(x->r->facts->log, "access table %s entry \"%s\" requires transport:destination", x->table,
		    x->datum);
	} else {
		note_triggers(x, "filter", "FILTER");
		set(&x->r->actions->filter, x->text);
	}
	return V_DUNNO;
}

static enum verdict on_hold(struct result *x)
{
	if (!delegable(x, "HOLD") || x->r->actions->hold)
		return V_DUNNO;
	note(x, "hold", "triggers HOLD action");
	x->r->actions->hold = true;
	return V_DUNNO;
}

static enum verdict on_discard(struct result *x)
{
	if (!delegable(x, "DISCARD"))
		return V_DUNNO;
	note(x, "discard", "triggers DISCARD action");
	x->r->actions->discard = true;
	x->r->memory->discard = true;
	return run_permit(x->r, x->verb, x->cls, x->name, x->table);
}

static bool has_target(struct result *x)
{
	if (strchr(x->text, '@') != NULL)
		return true;
	log_warn(x->r->facts->log, "access table %s entry \"%s\" requires user@domain target", x->table, x->datum);
	return false;
}

static enum verdict on_redirect(struct result *x)
{
	if (delegable(x, "REDIRECT") && has_target(x)) {
		note_triggers(x, "redirect", "REDIRECT");
		set(&x->r->actions->redirect, x->text);
	}
	return V_DUNNO;
}

static enum verdict on_bcc(struct result *x)
{
	if (delegable(x, "BCC") && has_target(x)) {
		note_triggers(x, "bcc", "BCC");
		strs_add(&x->r->actions->bcc, x->text);
	}
	return V_DUNNO;
}

static enum verdict on_defer_if_permit(struct result *x)
{
	char dsn[12];
	const char *text = dsn_split(dsn, "4.7.1", x->text);

	return run_defer_if_permit(x->r, NULL, view_int(x->r->facts->view, access_map_defer_code),
	    dsn_fix(x->r, dsn, x->cls), "<%s>: %s rejected: %s", x->name, x->cls,
	    *text != '\0' ? text : "Service unavailable");
}

static enum verdict on_defer_if_reject(struct result *x)
{
	char dsn[12];
	const char *text = dsn_split(dsn, "4.7.1", x->text);

	return run_defer_if_reject(x->r, view_int(x->r->facts->view, access_map_defer_code), dsn_fix(x->r, dsn, x->cls),
	    "<%s>: %s rejected: %s", x->name, x->cls, *text != '\0' ? text : "Service unavailable");
}

static enum verdict on_prepend(struct result *x)
{
	struct access_run *r = x->r;

	if (!in_transaction(x, "PREPEND"))
		return V_DUNNO;
	if (strcmp(r->facts->command, "END-OF-MESSAGE") == 0) {
		log_warn(r->facts->log,
		    "access table %s: action PREPEND must be used before smtpd_end_of_data_restrictions", x->table);
	} else if (hdr_name_len(x->text, strlen(x->text)) == 0) {
		log_warn(r->facts->log, "access table %s entry \"%s\" requires header: text", x->table, x->datum);
	} else {
		strs_add(&r->actions->prepend, x->text);
	}
	return V_DUNNO;
}

static enum verdict on_ok(struct result *x)
{
	return run_permit(x->r, x->verb, x->cls, x->name, x->table);
}

static const struct { const char *verb; enum verdict (*act)(struct result *); } verbs[] = {
	{ "DUNNO", on_dunno },
	{ "REJECT", on_reject },
	{ "DEFER", on_defer },
	{ "HANGUP", on_hangup },
	{ "INFO", on_info },
	{ "WARN", on_warn },
	{ "FILTER", on_filter },
	{ "HOLD", on_hold },
	{ "DISCARD", on_discard },
	{ "REDIRECT", on_redirect },
	{ "BCC", on_bcc },
	{ "DEFER_IF_PERMIT", on_defer_if_permit },
	{ "DEFER_IF_REJECT", on_defer_if_reject },
	{ "PREPEND", on_prepend },
	{ "OK", on_ok },
	{ "RELAY", on_ok },
};

/* The rest of the possibilities: a list of restrictions. */
static enum verdict on_list(struct result *x)
{
	struct access_run *r = x->r;
	struct list *l;

	if (strchr(x->value, ':') != NULL) {
		log_warn(r->facts->log, "access table %s has entry with lookup table: %s", x->table, x->value);
		log_warn(r->facts->log, "do not specify lookup tables inside SMTPD access maps");
		log_warn(r->facts->log, "define a restriction class and specify its name instead.");
		return run_config_error(r);
	}
	if (r->depth > FRAMES_MAX) {
		log_warn(r->facts->log, "access table %s entry %s causes unreasonable recursion", x->table, x->value);
		return run_config_error(r);
	}
	l = list_parse((struct access_lists *)(uintptr_t)r->lists, x->value, NULL, NULL);
	if (l->n == 0) {
		log_warn(r->facts->log, "access table %s entry %s has empty value", x->table, x->value);
		list_free(&l);
		return V_OK;
	}
	run_push(r, l, l);
	r->reply_name = x->name;
	r->reply_class = x->cls;
	return V_NESTED;
}

enum verdict run_result(
    struct access_run *r, const char *table, const char *value, const char *datum, const char *name, const char *cls)
{
	struct result x = { .r = r, .table = table, .value = value, .datum = datum, .name = name, .cls = cls };
	size_t n = strcspn(value, " \t");

	x.text = value + n + strspn(value + n, " \t\r\n");
	str_copy(x.verb, value, MIN(n + 1, sizeof(x.verb)));
	if (n < sizeof(x.verb))
		for (size_t i = 0; i < NELEM(verbs); i++)
			if (str_ieq(x.verb, verbs[i].verb))
				return verbs[i].act(&x);
	if (strspn(value, "0123456789") == strlen(value))
		return on_ok(&x);	/* a time stamp of some out-of-band authentication */
	if (n == 3 && *x.text != '\0' && (value[0] == '4' || value[0] == '5') && isdigit((unsigned char)value[1]) &&
	    isdigit((unsigned char)value[2]))
		return refuse(&x, atoi(value), value[0] == '4' ? "4.7.1" : "5.7.1");
	return on_list(&x);
}
