/* postconf's view of main.cf: every parameter, or those asked for, sorted by name. */
#include "tool.h"
#include <postrider/log.h>
#include <stdlib.h>

/* Rows that Postfix accepts without listing them: old names, and per-transport names that exist only with their
 * service in master.cf. */
static bool hidden_row(int id)
{
	static const int hidden[] = {
		P_authorized_verp_clients, P_enable_errors_to, P_extract_recipient_limit, P_fallback_relay,
		    P_lmtp_cache_connection,
		P_lmtp_per_record_deadline, P_postscreen_blacklist_action, P_postscreen_dnsbl_ttl,
		P_postscreen_dnsbl_whitelist_threshold, P_postscreen_whitelist_interfaces, P_sender_based_routing,
		P_smtp_skip_4xx_greeting, P_smtp_tls_cipherlist, P_smtpd_client_connection_limit_exceptions,
		P_smtpd_sasl_application_name, P_smtpd_tls_cipherlist, P_tlsproxy_tls_session_cache_timeout,
		    P_virtual_maps,
		P_lmtp_sasl_password_result_delimiter, P_smtp_sasl_password_result_delimiter,
		    P_smtp_per_record_deadline,
		P_smtpd_per_record_deadline, P_tls_dane_digest_agility, P_tls_dane_trust_anchor_digest_enable,
		P_tlsproxy_client_level, P_tlsproxy_client_policy, P_lmtp_destination_concurrency_limit,
		P_lmtp_destination_recipient_limit, P_relay_destination_concurrency_limit,
		P_relay_destination_recipient_limit, P_smtp_destination_concurrency_limit,
		P_smtp_destination_recipient_limit, P_virtual_destination_concurrency_limit,
		P_virtual_destination_recipient_limit,
	};

	for (size_t i = 0; i < NELEM(hidden); i++)
		if (hidden[i] == id)
			return true;
	return false;
}

static bool listed(const struct config *c, int id)
{
	return c->sym[id].raw != NULL || transport_default(c, param_rows[id].name) >= 0 || !hidden_row(id);
}

static unsigned class_of(const struct tool *t, const char *name)
{
	int id = sym_find(t->c, name);

	if (id >= 0 && id < PARAM_COUNT) {
		if (!hidden_row(id))
			return PC_BUILTIN;
		return transport_default(t->c, name) >= 0 ? PC_SERVICE : PC_USER;
	}
	if (transport_default(t->c, name) >= 0)
		return PC_SERVICE;
	return id >= 0 && t->c->sym[id].raw != NULL && (t->used[id] || table_setting(t->c, name)) ? PC_USER : 0;
}

static void show(const struct tool *t, const char *name)
{
	const struct postconf *o = t->o;
	const struct config *c = t->c;
	int id = sym_find(c, name), def = transport_default(c, name);
	const char *raw = id >= 0 ? c->raw[id] : NULL;
	bool set = id >= 0 && c->sym[id].raw != NULL;
	char *value, *ref = NULL;

	if (id == P_config_directory) {
		set = o->dir_given && !(o->mode & PC_DEFAULTS);
		if (o->mode & PC_DEFAULTS)
			raw = param_rows[id].def;
	}
	if (id == P_process_name)
		raw = "postconf";
	if ((o->mode & PC_EXPLICIT) && !set)
		return;
	if (raw == NULL && def >= 0)
		raw = ref = xasprintf("$%s", param_rows[def].name);
	if (id >= 0 && id < PARAM_COUNT && param_rows[id].type == PT_RAW)
		value = xstrdup(raw);
	else
		value = o->mode & PC_HIDE_VALUE ? xstrdup("") : tool_value(t, NULL, raw != NULL ? raw : "");
	tool_print_line(o, name, value);
	free(value);
	free(ref);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_transports(const struct tool *t, struct strs *names)
{
	for (size_t i = 0; i < t->c->nmaster; i++) {
		for (size_t k = 0; k < transport_suffix_count; k++) {
			char *name = xasprintf("%s_%s", t->c->master[i].name, transport_suffixes[k].suffix);

			if (transport_default(t->c, name) >= 0 && param_find(name) == NULL)
				strs_add(names, name);
			free(name);
		}
	}
}

static void show_all(const struct tool *t)
{
	struct strs names = { 0 };
	unsigned classes = t->o->mode & (PC_BUILTIN | PC_SERVICE | PC_USER);
	size_t i;

	for (i = 0; i < PARAM_COUNT; i++)
		if (listed(t->c, (int)i))
			strs_add(&names, param_rows[i].name);
	add_transports(t, &names);
	for (i = 0; i < t->c->norder; i++)
		if (t->c->order[i] >= PARAM_COUNT && transport_default(t->c, t->c->sym[t->c->order[i]].name) < 0)
			strs_add(&names, t->c->sym[t->c->order[i]].name);
	if (names.n > 0)
		qsort(names.v, names.n, sizeof *names.v, by_name);
	for (i = 0; i < names.n; i++)
		if ((i == 0 || strcmp(names.v[i], names.v[i - 1]) != 0) && (class_of(t, names.v[i]) & classes))
			show(t, names.v[i]);
	strs_release(&names);
}

void postconf_show_main(const struct postconf *o, char *const *names)
{
	struct tool t;

	tool_open(&t, o);
	if (o->mode & PC_DEFAULTS)
		t.used = xcalloc(t.c->nsym, 1);
	else
		tool_mark_used(&t);
	if (*names == NULL)
		show_all(&t);
	for (; *names != NULL; names++) {
		if (class_of(&t, *names) != 0)
			show(&t, *names);
		else
			log_warn(NULL, "%s: unknown parameter", *names);
	}
	fflush(o->out);
	if (!(o->mode & PC_DEFAULTS))
		tool_warn_unused(&t, true);
	tool_close(&t);
}
