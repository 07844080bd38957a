/* Parameters that are set but not (fully) there: unfinished, refused, without effect.
 *
 * "Set" means that a service sees another value than the default's; a parameter that repeats its default, or turns
 * off what is not there anyway, is not mentioned. Of the unfinished ones, some would leave open what the
 * administrator wanted closed: these stop a start. Whether they do can depend on the value: TLS that is merely offered may be left out,
 * TLS that is demanded may not. */
#include "internal.h"
#include <stdlib.h>

/* Values of security parameters that demand nothing. */
static const struct { int id; const char *value; enum problem_level level; } mild[] = {
	{ P_smtpd_tls_security_level, "none", PROBLEM_WARNING },
	{ P_smtpd_tls_security_level, "may", PROBLEM_ERROR },
	{ P_smtp_tls_security_level, "none", PROBLEM_WARNING },
	{ P_smtp_tls_security_level, "may", PROBLEM_ERROR },
	{ P_lmtp_tls_security_level, "none", PROBLEM_WARNING },
	{ P_lmtp_tls_security_level, "may", PROBLEM_ERROR },
};

static enum problem_level security_level(int id, const char *text)
{
	for (size_t i = 0; i < NELEM(mild); i++)
		if (mild[i].id == id && strcmp(mild[i].value, text) == 0)
			return mild[i].level;
	return PROBLEM_FATAL;
}

/* Does the value ask for nothing: nothing else than the default (compared as its type: 60s is 1m), or for what is
 * not there to be off? */
static bool asks_nothing(const struct scope *s, int id)
{
	const struct param_row *row = &param_rows[id];
	const struct config *c = s->view.config;
	union param_value v;
	const char *text;
	char *why;

	if (strcmp(c->raw[id] != NULL ? c->raw[id] : "", row->def) == 0 && s == c->base)
		return true;
	if ((row->type == PT_BOOL && !s->view.v[id].flag) || (row->type == PT_STR && *s->view.v[id].str == '\0'))
		return true;
	if ((text = scope_default(s, id)) == NULL)
		return false;
	if (row->type == PT_STR || row->type == PT_RAW)
		return strcmp(s->view.v[id].str, text) == 0;
	if ((why = value_parse_row(row, text, value_default_unit(text), &v)) != NULL) {
		free(why);
		return false;
	}
	switch (row->type) {
	case PT_LONG:
		return v.big == s->view.v[id].big;
	case PT_BOOL:
		return v.flag == s->view.v[id].flag;
	default:
		return v.num == s->view.v[id].num;
	}
}

static void check_row(const struct config *c, const struct scope *s, int id, bool no_effect, struct problems *problems)
{
	const struct param_row *row = &param_rows[id];
	enum problem_level level = PROBLEM_ERROR;
	const char *file;
	int line;

	if (row->standing == PS_WORKS || (row->standing == PS_NO_EFFECT && !no_effect) || asks_nothing(s, id))
		return;
	file = scope_value_location(c, s->view.entry, id, &line);
	switch (row->standing) {
	case PS_NO_EFFECT:
		problem_once(problems, PROBLEM_WARNING, file, line, "parameter %s is without effect: %s", row->name,
		    row->text);
		break;
	case PS_REFUSED:
		problem_once(problems, PROBLEM_FATAL, file, line, "parameter %s is refused: %s", row->name, row->text);
		break;
	case PS_UNFINISHED_SECURITY:
		level = security_level(id, s->text[id]);
		/* FALLTHROUGH */
	default:
		if (level == PROBLEM_WARNING)
			break;
		problem_once(problems, level, file, line, level == PROBLEM_FATAL ?
		    "parameter %s is not implemented yet, and ignoring it would weaken security: %s = %.60s%s" :
		    "parameter %s is not implemented yet: %s = %.60s%s", row->name, row->name, s->text[id],
		    strlen(s->text[id]) > 60 ? "..." : "");
		break;
	}
}

void standings_check(const struct config *c, bool no_effect, struct problems *problems)
{
	for (size_t k = 0; k < c->norder; k++)
		if (c->order[k] < PARAM_COUNT)
			check_row(c, c->base, c->order[k], no_effect, problems);
	for (size_t i = 0; i < c->nmaster; i++) {
		const struct strs *o = &c->master[i].overrides;

		for (size_t k = 0; k < o->n; k++) {
			char *name = xstrndup(o->v[k], strcspn(o->v[k], "="));
			int id = sym_find(c, name);

			if (id >= 0 && id < PARAM_COUNT)
				check_row(c, c->entry[i], id, no_effect, problems);
			free(name);
		}
	}
}
