/* Per-transport parameters: NAME_suffix for every delivery service NAME of master.cf, whether or not a file sets
 * it. They have no rows; each has the value of another parameter by default. */
#include "internal.h"
#include <stdlib.h>

const struct transport_suffix transport_suffixes[] = {
	{ "recipient_limit", P_default_recipient_limit, false },
	{ "extra_recipient_limit", P_default_extra_recipient_limit, false },
	{ "recipient_refill_limit", P_default_recipient_refill_limit, false },
	{ "recipient_refill_delay", P_default_recipient_refill_delay, false },
	{ "delivery_slot_cost", P_default_delivery_slot_cost, false },
	{ "delivery_slot_loan", P_default_delivery_slot_loan, false },
	{ "delivery_slot_discount", P_default_delivery_slot_discount, false },
	{ "minimum_delivery_slots", P_default_minimum_delivery_slots, false },
	{ "initial_destination_concurrency", P_initial_destination_concurrency, false },
	{ "destination_concurrency_limit", P_default_destination_concurrency_limit, false },
	{ "destination_recipient_limit", P_default_destination_recipient_limit, false },
	{ "destination_concurrency_positive_feedback", P_default_destination_concurrency_positive_feedback, false },
	{ "destination_concurrency_negative_feedback", P_default_destination_concurrency_negative_feedback, false },
	{ "destination_concurrency_failed_cohort_limit", P_default_destination_concurrency_failed_cohort_limit, false },
	{ "destination_rate_delay", P_default_destination_rate_delay, false },
	{ "transport_rate_delay", P_default_transport_rate_delay, false },
	{ "time_limit", P_command_time_limit, true },
};
const size_t transport_suffix_count = NELEM(transport_suffixes);

bool transport_command(const char *command, bool *timed_r)
{
	static const char *const agents[] = { "local", "error", "virtual", "smtp", "lmtp", "discard" };

	*timed_r = strcmp(command, "pipe") == 0 || strcmp(command, "spawn") == 0;
	if (*timed_r)
		return strcmp(command, "pipe") == 0;
	for (size_t i = 0; i < NELEM(agents); i++)
		if (strcmp(agents[i], command) == 0)
			return true;
	return false;
}

/* A service name in a parameter name: other characters than letters, digits and '_' cannot be written there
 * except in master.cf's own names, so it is compared as it stands. */
static int service_default(const struct config *c, const char *name, size_t len, const struct transport_suffix *s)
{
	bool agent, timed;

	for (size_t i = 0; i < c->nmaster; i++) {
		const struct master_entry *e = &c->master[i];

		if (e->type != MASTER_UNIX || strncmp(e->name, name, len) != 0 || e->name[len] != '\0')
			continue;
		agent = transport_command(e->command, &timed);
		if (s->spawned ? timed : agent)
			return s->id;
	}
	return -1;
}

int transport_default(const struct config *c, const char *name)
{
	size_t len = strlen(name), n;
	int id;

	for (size_t i = 0; i < transport_suffix_count; i++) {
		const struct transport_suffix *s = &transport_suffixes[i];

		n = strlen(s->suffix);
		if (len > n + 1 && name[len - n - 1] == '_' && strcmp(name + len - n, s->suffix) == 0 &&
		    (id = service_default(c, name, len - n - 1, s)) >= 0)
			return id;
	}
	return -1;
}

/* What the files set is held to the bounds of its default. */
void transport_check(struct config *c, struct problems *problems)
{
	for (size_t i = PARAM_COUNT; i < c->nsym; i++) {
		const struct sym *s = &c->sym[i];
		int def = s->raw != NULL ? transport_default(c, s->name) : -1;
		const char *text = c->base->text[i];
		union param_value v;
		struct param_row row;
		char *why;

		if (def < 0 || text == NULL)
			continue;
		row = param_rows[def];
		row.name = s->name;
		if ((why = value_parse_row(&row, text, 's', &v)) != NULL) {
			problem_once(problems, PROBLEM_FATAL, s->file, s->line, "%s", why);
			free(why);
		}
	}
}

static const struct scope *scope_of(const struct view *v)
{
	return CONTAINER_OF(v, const struct scope, view);
}

const char *view_transport_str(const struct view *v, const char *transport, const char *suffix)
{
	char name[256];
	const char *text = NULL;
	int id;

	if (str_copy(name, transport, sizeof name - 1) + 1 + strlen(suffix) < sizeof name) {
		strcat(strcat(name, "_"), suffix);
		if ((id = sym_find(v->config, name)) >= 0)
			text = scope_of(v)->text[id];
	}
	for (size_t i = 0; i < transport_suffix_count && text == NULL; i++)
		if (strcmp(transport_suffixes[i].suffix, suffix) == 0)
			text = scope_of(v)->text[transport_suffixes[i].id];
	return text != NULL ? text : "";
}

int view_transport_int(const struct view *v, const char *transport, const char *suffix)
{
	int64_t n;

	return str_to_int(view_transport_str(v, transport, suffix), INT32_MIN, INT32_MAX, &n) ? (int)n : 0;
}

int view_transport_secs(const struct view *v, const char *transport, const char *suffix)
{
	int secs;

	return config_parse_time(view_transport_str(v, transport, suffix), 's', &secs) ? secs : 0;
}
