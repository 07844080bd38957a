/* `postrider check`: what loading says, said again about what the files name: files that cannot be read,
 * parameters without effect. Values and standings were judged when the configuration was loaded. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool readable(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

/* Who tried to open it has said so already. */
static bool told(const struct problems *problems, const char *path)
{
	const struct problem *p;
	size_t n = strlen(path);

	TAILQ_FOREACH(p, problems, link) {
		const char *at = strstr(p->text, path);

		if (at != NULL && strncmp(p->text, "open ", 5) == 0 && strchr(".: ", at[n]) != NULL)
			return true;
	}
	return false;
}

static void check_path(const struct config *c, const struct scope *s, int id, const char *path,
    struct problems *problems)
{
	const char *file;
	int line;

	if (path[0] != '/' || readable(path) || told(problems, path))
		return;
	file = scope_value_location(c, s->view.entry, id, &line);
	problem_once(problems, PROBLEM_ERROR, file, line, "parameter %s: open %s: %s", param_rows[id].name, path,
	    strerror(errno));
}

/* A table by its type and name. Indexed ones need their source or the index built from it. */
static void check_table(const struct config *c, const struct scope *s, int id, const char *word,
    struct problems *problems)
{
	static const char *const plain[] = { "texthash:", "regexp:", "pcre:", "cidr:", "ldap:", "mysql:", "pgsql:",
	    "sqlite:", "memcache:", "redis:", NULL };
	static const char *const indexed[] = { "hash:", "btree:", "lmdb:", NULL };
	char *built;
	int i;

	if (*word == '!')
		word++;
	if (strncmp(word, "proxy:", 6) == 0)
		word += 6;
	for (i = 0; plain[i] != NULL; i++)
		if (strncmp(word, plain[i], strlen(plain[i])) == 0)
			check_path(c, s, id, word + strlen(plain[i]), problems);
	for (i = 0; indexed[i] != NULL; i++) {
		if (strncmp(word, indexed[i], strlen(indexed[i])) != 0)
			continue;
		word += strlen(indexed[i]);
		built = xasprintf("%s.lmdb", word);
		if (!readable(built))
			check_path(c, s, id, word, problems);
		free(built);
		return;
	}
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && strcmp(name + n - k, end) == 0;
}

/* Parameters whose value is a file, or a list of them. */
static bool names_files(const char *name)
{
	static const char *const ends[] = { "_cert_file", "_key_file", "_dcert_file", "_dkey_file", "_eccert_file",
	    "_eckey_file", "_CAfile", "_CApath", "_chain_files", "_param_file", "bounce_template_file",
	    "_trust_anchor_file" };

	for (size_t i = 0; i < NELEM(ends); i++)
		if (ends_with(name, ends[i]))
			return true;
	return false;
}

/* Lists of domains, hosts or networks, where "/path" stands for the patterns in a file. */
static bool names_patterns(int id)
{
	static const int lists[] = { P_mynetworks, P_mydestination, P_relay_domains, P_virtual_alias_domains,
	    P_virtual_mailbox_domains, P_smtpd_authorized_xclient_hosts, P_smtpd_authorized_xforward_hosts,
	    P_smtpd_authorized_verp_clients, P_smtpd_client_event_limit_exceptions, P_debug_peer_list,
	    P_fast_flush_domains,
	    P_smtpd_forbid_bare_newline_exclusions, P_permit_mx_backup_networks, P_authorized_flush_users,
	    P_authorized_mailq_users, P_authorized_submit_users };

	for (size_t i = 0; i < NELEM(lists); i++)
		if (lists[i] == id)
			return true;
	return false;
}

static void check_files(const struct config *c, const struct scope *s, int id, struct problems *problems)
{
	const struct param_row *row = &param_rows[id];
	bool files = names_files(row->name), patterns = names_patterns(id);
	char *copy, *cursor, *word;

	if (row->type != PT_STR || row->standing == PS_NO_EFFECT || ends_with(row->name, "_cache_database") ||
	    ends_with(row->name, "_cache_map") || id == P_address_verify_map)	/* made when they are needed */
		return;
	copy = cursor = xstrdup(s->view.v[id].str);
	while ((word = str_tok_brace(&cursor, ", \t\r\n")) != NULL) {
		if (files || (patterns && strncmp(word, "!/", 2) != 0))
			check_path(c, s, id, word, problems);
		else if (patterns)
			check_path(c, s, id, word + 1, problems);
		check_table(c, s, id, word, problems);
	}
	free(copy);
}

void config_check(const struct config *c, struct problems *problems)
{
	size_t i, k;

	standings_check(c, true, problems);
	for (i = 0; i < c->norder; i++)
		if (c->order[i] < PARAM_COUNT)
			check_files(c, c->base, c->order[i], problems);
	for (i = 0; i < c->nmaster; i++) {
		for (k = 0; k < c->master[i].overrides.n; k++) {
			const char *pair = c->master[i].overrides.v[k];
			char *name = xstrndup(pair, strcspn(pair, "="));
			int id = sym_find(c, name);

			if (id >= 0 && id < PARAM_COUNT)
				check_files(c, c->entry[i], id, problems);
			free(name);
		}
	}
}
