/* ldap_entries.c - the values of the entries a search gave, and of those they refer to. */
#include "ldap.h"
#include <ctype.h>
#include <stdlib.h>

/* Two attribute descriptions: 1 the same, or have is mine with options; -1 mine is have with options; 0 neither. */
static int compare(const char *mine, const char *have)
{
	while (*mine != '\0' && tolower((unsigned char)*mine) == tolower((unsigned char)*have)) {
		mine++;
		have++;
	}
	if (*mine == '\0' && (*have == '\0' || *have == ';'))
		return 1;
	return *have == '\0' && *mine == ';' ? -1 : 0;
}

/* Its place among the table's attributes; their number: none of them. */
static size_t place(const struct directory *d, const char *attr)
{
	size_t i = 0;

	while (i < d->attr.n && compare(d->attr.v[i], attr) <= 0)
		i++;
	return i;
}

static bool has_any(const struct expansion *x, LDAPMessage *entry, size_t from, size_t to)
{
	bool any = false;

	for (size_t i = from; i < to && !any; i++) {
		struct berval **v = ldap_get_values_len(x->ld, entry, x->d->attr.v[i]);

		any = v != NULL && ldap_count_values_len(v) > 0;
		ldap_value_free_len(v);
	}
	return any;
}

/* Of a URL's attributes those that are the table's, the more specific of two; all if it names none. */
static void url_attributes(const struct directory *d, char **wanted, struct strs *out)
{
	if (wanted == NULL || *wanted == NULL) {
		for (size_t i = 0; i < d->attr.n; i++)
			strs_add(out, d->attr.v[i]);
		return;
	}
	for (; *wanted != NULL; wanted++) {
		for (size_t i = 0; i < d->attr.n; i++) {
			int c = compare(*wanted, d->attr.v[i]);

			if (c != 0)
				strs_add(out, c > 0 ? d->attr.v[i] : *wanted);
		}
	}
}

static void follow(struct expansion *x, const char *value, int rc, LDAPMessage *res, int depth)
{
	if (rc == LDAP_SUCCESS) {
		entries_expand(x, res, depth + 1);
	} else if (rc == LDAP_NO_SUCH_OBJECT) {
		ask_note(x->ask, "dict_ldap_get_values[%d]: DN %s not found, skipping ", depth, value);
	} else {
		ask_note(x->ask, "dict_ldap_get_values[%d]: search error %d: %s ", depth, rc, ldap_err2string(rc));
		x->failed = true;
	}
	if (res != NULL)
		ldap_msgfree(res);
}

static void follow_url(struct expansion *x, const char *value, int depth)
{
	struct strs attr = { 0 };
	LDAPMessage *res = NULL;
	LDAPURLDesc *url;
	int rc = ldap_url_parse(value, &url);

	if (rc != 0) {
		ask_note(x->ask, "dict_ldap_get_values[%d]: malformed URL %s: %s(%d)", depth, value, ldap_err2string(rc), rc);
		x->failed = true;
		return;
	}
	url_attributes(x->d, url->lud_attrs, &attr);
	if (attr.n > 0) {
		rc = directory_search(x->d, x->ld, url->lud_dn, url->lud_scope, url->lud_filter, attr.v, &res, x->ask);
		follow(x, value, rc, res, depth);
	}
	ldap_free_urldesc(url);
	strs_release(&attr);
}

static void special(struct expansion *x, const char *attr, struct berval **v, int depth)
{
	if (depth >= x->d->recursion_limit) {
		ask_note(x->ask, "dict_ldap_get_values[%d]: %s: Recursion limit exceeded for special attribute %s=%s", depth,
		    ask_name(x->ask), attr, v[0]->bv_val);
		x->failed = true;
		return;
	}
	for (; *v != NULL && !x->failed; v++) {
		LDAPMessage *res = NULL;
		int rc;

		if (ldap_is_ldap_url((*v)->bv_val)) {
			follow_url(x, (*v)->bv_val, depth);
			continue;
		}
		rc = directory_search(x->d, x->ld, (*v)->bv_val, LDAP_SCOPE_BASE, "objectclass=*", x->d->attr.v, &res, x->ask);
		follow(x, (*v)->bv_val, rc, res, depth);
	}
}

static void ordinary(struct expansion *x, struct berval **v, int depth)
{
	for (; *v != NULL; v++) {
		if (ask_value(x->ask, (*v)->bv_val))
			continue;
		ask_note(x->ask, "dict_ldap_get_values[%d]: %s: Expansion limit exceeded for key: '%s'", depth,
		    ask_name(x->ask), ask_key(x->ask));
		x->failed = true;
		return;
	}
}

static void attribute(struct expansion *x, const char *attr, struct berval **v, bool terminal, bool leaf, int depth)
{
	const struct directory *d = x->d;
	size_t i = place(d, attr);

	if (x->failed || ldap_count_values_len(v) == 0)
		return;
	if (i < d->n_ordinary || terminal) {
		if ((!terminal || i < d->n_terminal) && (leaf || i >= d->n_terminal + d->n_leaf))
			ordinary(x, v, depth);
	} else if (i < d->attr.n) {
		special(x, attr, v, depth);
	}
}

void entries_expand(struct expansion *x, LDAPMessage *res, int depth)
{
	const struct directory *d = x->d;
	bool terminal = false, leaf = true;
	int n = 0;

	for (LDAPMessage *e = ldap_first_entry(x->ld, res); e != NULL; e = ldap_next_entry(x->ld, e)) {
		BerElement *ber = NULL;

		if (!x->failed && d->size_limit > 0 && ++n > d->size_limit) {
			ask_note(x->ask, "dict_ldap_get_values[%d]: %s: Query size limit (%d) exceeded", depth,
			    ask_name(x->ask), d->size_limit);
			x->failed = true;
		}
		/* As Postfix has it, what one entry of a search is found to be holds for those after it, too. */
		terminal = has_any(x, e, 0, d->n_terminal) || terminal;
		if (!terminal && d->n_leaf > 0 && has_any(x, e, d->n_ordinary, d->attr.n))
			leaf = false;
		for (char *a = ldap_first_attribute(x->ld, e, &ber); a != NULL; a = ldap_next_attribute(x->ld, e, ber)) {
			struct berval **v = ldap_get_values_len(x->ld, e, a);

			if (v != NULL)
				attribute(x, a, v, terminal, leaf, depth);
			ldap_value_free_len(v);
			ldap_memfree(a);
		}
		if (ber != NULL)
			ber_free(ber, 0);
	}
}
