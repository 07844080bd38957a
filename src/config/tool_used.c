/* Which names are used, which are not, which do not exist: postconf's guard against mistyped names.
 *
 * A user-defined name counts as used when any value in the same file mentions it as $name, when it is a
 * restriction class, or when it is a parameter of a table whose settings are in main.cf itself (ldap:foo with foo_server_host).
 * A master.cf entry may use its own -o names and main.cf's, not another entry's. */
#include "tool.h"
#include <postrider/log.h>
#include <stdlib.h>

/* Settings a table type takes from main.cf when the table's name is not a path. */
static const char *const db_common[] = { "domain", "expansion_limit", "query", "result_format", "table", "select_field",
    "where_field", "additional_conditions", NULL };
static const char *const db_hosts[] = { "hosts", "user", "password", "dbname", "tls_cert_file", "tls_key_file",
    "tls_CAfile", "tls_CApath", "tls_ciphers", "tls_verify_cert", "option_file", "option_group", "require_result_set",
    "charset", "select_function", "encoding", "idle_interval", "retry_interval", NULL };
static const char *const db_sqlite[] = { "dbpath", NULL };
static const char *const db_memcache[] = { "memcache", "backup", "flags", "ttl", "key_format", "domain", "max_key_size",
    "max_line_size", "max_data_size", "line_size_limit", "data_size_limit", "max_try", "retry_pause", "timeout", NULL };
static const char *const db_ldap[] = { "server_host", "server_port", "search_base", "query_filter", "result_filter",
    "result_format", "domain", "result_attribute", "special_result_attribute", "leaf_result_attribute",
    "terminal_result_attribute", "scope", "bind", "bind_dn", "bind_pw", "cache", "cache_expiry", "cache_size",
    "timeout", "dereference", "chase_referrals", "debuglevel", "version", "start_tls", "tls_ca_cert_file", "tls_ca_cert_dir",
    "tls_cert", "tls_key", "tls_require_cert", "tls_random_file", "tls_cipher_suite", "expansion_limit", "size_limit",
    "recursion_limit", "sasl_mechs", "sasl_realm", "sasl_authz_id", "sasl_minssf", NULL };
static const struct {
	const char	*type;
	const char *const *suffix[2];
} databases[] = {
	{ "ldap", { db_ldap, NULL } },
	{ "mysql", { db_hosts, db_common } },
	{ "pgsql", { db_hosts, db_common } },
	{ "sqlite", { db_sqlite, db_common } },
	{ "memcache", { db_memcache, NULL } },
};

struct scan {
	struct tool	*tool;
	struct tool_service *svc;	/* NULL: a value of main.cf */
};

static void mark_name(const struct scan *s, const char *name)
{
	const struct config *c = s->tool->c;
	int id;

	for (size_t i = 0; s->svc != NULL && i < s->svc->nparam; i++) {
		if (strcmp(s->svc->param[i].name, name) == 0) {
			s->svc->param[i].used = true;
			return;
		}
	}
	id = sym_find(c, name);
	if (id >= 0 && (id < PARAM_COUNT || c->sym[id].raw != NULL))
		s->tool->used[id] = 1;
	else if (transport_default(c, name) < 0)
		log_warn(NULL, "%s: undefined parameter: %s", s->svc != NULL ? c->master_path : c->main_path, name);
}

static void seen_name(void *arg, const char *name, size_t len)
{
	char *copy = xstrndup(name, len);

	mark_name(arg, copy);
	free(copy);
}

static void mark_classes(const struct scan *s, const char *list)
{
	struct strs words = { 0 };

	strs_split(&words, list, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		mark_name(s, words.v[i]);
	strs_release(&words);
}

static void mark_suffixes(const struct scan *s, const char *table, const char *const *suffix)
{
	const struct config *c = s->tool->c;

	for (; suffix != NULL && *suffix != NULL; suffix++) {
		char *name = xasprintf("%s_%s", table, *suffix);
		int id = sym_find(c, name);

		if (id >= 0)
			s->tool->used[id] = 1;
		free(name);
	}
}

/* "type:name" anywhere in a value, "proxy:" before it or not; names that are paths have their settings elsewhere. */
static void mark_tables(const struct scan *s, const char *value)
{
	struct strs words = { 0 };

	strs_split(&words, value, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++) {
		const char *word = words.v[i], *colon;

		if (strncmp(word, "proxy:", 6) == 0)
			word += 6;
		if ((colon = strchr(word, ':')) == NULL || strchr("/.{", colon[1]) != NULL)
			continue;
		for (size_t d = 0; d < NELEM(databases); d++) {
			if (strlen(databases[d].type) == (size_t)(colon - word) &&
			    strncmp(databases[d].type, word, (size_t)(colon - word)) == 0) {
				mark_suffixes(s, colon + 1, databases[d].suffix[0]);
				mark_suffixes(s, colon + 1, databases[d].suffix[1]);
			}
		}
	}
	strs_release(&words);
}

static void mark_value(const struct scan *s, const char *name, const char *value)
{
	struct scan copy = *s;

	macro_names(value, seen_name, &copy);
	mark_tables(s, value);
	if (strcmp(name, "smtpd_restriction_classes") == 0)
		mark_classes(s, value);
}

void tool_mark_used(struct tool *t)
{
	struct scan s = { .tool = t };
	size_t i, k;

	t->used = xcalloc(t->c->nsym, 1);
	for (i = 0; i < t->nsvc; i++) {
		s.svc = &t->svc[i];
		for (k = 0; k < s.svc->nparam; k++)
			mark_value(&s, s.svc->param[k].name, s.svc->param[k].value);
	}
	s.svc = NULL;
	for (i = 0; i < t->c->norder; i++)
		mark_value(&s, t->c->sym[t->c->order[i]].name, t->c->sym[t->c->order[i]].raw);
}

void tool_warn_unused(const struct tool *t, bool main_cf)
{
	const struct config *c = t->c;
	size_t i, k;

	for (i = 0; main_cf && i < c->norder; i++) {
		int id = c->order[i];

		if (id >= PARAM_COUNT && !t->used[id] && transport_default(c, c->sym[id].name) < 0)
			log_warn(NULL, "%s: unused parameter: %s=%s", c->main_path, c->sym[id].name, c->sym[id].raw);
	}
	for (i = 0; i < t->nsvc; i++) {
		for (k = 0; k < t->svc[i].nparam; k++) {
			const struct tool_param *p = &t->svc[i].param[k];

			int id = sym_find(c, p->name);

			if (!p->used && (id < 0 || (id >= PARAM_COUNT && !(t->used[id] && c->sym[id].raw != NULL))) &&
			    transport_default(c, p->name) < 0)
				log_warn(NULL, "%s: unused parameter: %s=%s", c->master_path, p->name, p->value);
		}
	}
}
