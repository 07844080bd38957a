/* User-defined names: which of them anything refers to. A name that is set and never referred to is most likely
 * a mistyped parameter, which is the reason to tell. */
#include "internal.h"
#include <stdlib.h>

/* Settings that a table takes from main.cf when its name is not a path: ldap:foo reads foo_server_host. */
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
    "timeout", "dereference", "chase_referrals", "debuglevel", "version", "start_tls", "tls_ca_cert_file",
    "tls_ca_cert_dir",
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

/* Does the text name the table, as a word of its own ("proxy:" before it or not)? */
static bool names_table(const char *text, const char *table)
{
	size_t len = strlen(table);
	const char *p = text;

	for (; (p = strstr(p, table)) != NULL; p++)
		if ((p == text || strchr(", \t\r\n:{", p[-1]) != NULL) && strchr(", \t\r\n}", p[len]) != NULL)
			return true;
	return false;
}

static bool table_named(const struct config *c, const char *type, const char *name, size_t len)
{
	char *table = xasprintf("%s:%.*s", type, (int)len, name);
	bool found = false;
	size_t i, k;

	for (i = 0; i < c->norder && !found; i++)
		found = names_table(c->sym[c->order[i]].raw, table);
	for (i = 0; i < c->nmaster && !found; i++)
		for (k = 0; k < c->master[i].overrides.n && !found; k++)
			found = names_table(strchr(c->master[i].overrides.v[k], '=') + 1, table);
	free(table);
	return found;
}

bool table_setting(const struct config *c, const char *name)
{
	size_t len = strlen(name), n;

	for (size_t d = 0; d < NELEM(databases); d++) {
		for (size_t s = 0; s < NELEM(databases[d].suffix); s++) {
			const char *const *suffix = databases[d].suffix[s];

			for (; suffix != NULL && *suffix != NULL; suffix++) {
				n = strlen(*suffix);
				if (len > n + 1 && name[len - n - 1] == '_' && strcmp(name + len - n, *suffix) == 0 &&
				    table_named(c, databases[d].type, name, len - n - 1))
					return true;
			}
		}
	}
	return false;
}

bool table_client_setting(const char *type, const char *name)
{
	for (size_t d = 0; d < NELEM(databases); d++)
		for (size_t s = 0; s < NELEM(databases[d].suffix) && strcmp(databases[d].type, type) == 0; s++)
			for (const char *const *suffix = databases[d].suffix[s]; suffix != NULL && *suffix != NULL; suffix++)
				if (strcmp(*suffix, name) == 0)
					return true;
	return false;
}

bool table_client_type(const char *type)
{
	for (size_t d = 0; d < NELEM(databases); d++)
		if (strcmp(databases[d].type, type) == 0)
			return true;
	return false;
}

struct marks { const struct config *config; unsigned char *used; };

static void mark(void *arg, const char *name, size_t len)
{
	struct marks *m = arg;
	char *copy = xstrndup(name, len);
	int id = sym_find(m->config, copy);

	if (id >= 0)
		m->used[id] = 1;
	free(copy);
}

static void mark_classes(struct marks *m, const struct view *v)
{
	struct strs words = { 0 };

	strs_split(&words, view_str(v, smtpd_restriction_classes), ", \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		mark(m, words.v[i], strlen(words.v[i]));
	strs_release(&words);
}

void unused_check(const struct config *c, struct problems *problems)
{
	struct marks m = { .config = c, .used = xcalloc(c->nsym, 1) };
	size_t i, k;

	for (i = 0; i < c->norder; i++)
		macro_names(c->sym[c->order[i]].raw, mark, &m);
	mark_classes(&m, &c->base->view);
	for (i = 0; i < c->nmaster; i++) {
		for (k = 0; k < c->master[i].overrides.n; k++)
			macro_names(strchr(c->master[i].overrides.v[k], '=') + 1, mark, &m);
		if (c->entry[i]->text != c->base->text)
			mark_classes(&m, &c->entry[i]->view);
	}
	for (i = 0; i < c->norder; i++) {
		const struct sym *s = &c->sym[c->order[i]];

		if (c->order[i] >= PARAM_COUNT && !m.used[c->order[i]] && transport_default(c, s->name) < 0 &&
		    !table_setting(c, s->name))
			problem_once(problems, PROBLEM_WARNING, s->file, s->line, "unused parameter: %s=%s", s->name,
			    s->raw);
	}
	for (i = 0; i < c->nmaster; i++) {
		for (k = 0; k < c->master[i].overrides.n; k++) {
			const char *pair = c->master[i].overrides.v[k];
			char *name = xstrndup(pair, strcspn(pair, "="));
			int id = sym_find(c, name);

			if (id >= PARAM_COUNT && !m.used[id] && transport_default(c, name) < 0 && !table_setting(c, name))
				problem_once(problems, PROBLEM_WARNING, c->master[i].file, c->master[i].line,
				    "unused parameter: %s", pair);
			free(name);
		}
	}
	free(m.used);
}
