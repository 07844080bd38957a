/* table_ldap.c - ldap:, by OpenLDAP's libldap.
 * One search gives entries; the values of their result attributes are the answer. Special attributes hold names (DNs)
 * or URLs of further entries, which are fetched in turn, as deep as recursion_limit. An entry with a terminal attribute
 * gives only that one; leaf attributes count only where an entry has no special ones. The library connects with the
 * first request and tries the servers of its list by itself. */
#include "ldap.h"
#include <ctype.h>
#include <stdlib.h>

/* ---- parameters ------------------------------------------------------------------------------------------------- */

static bool add_url(struct client_setup *c, struct directory *d, struct buf *list, const char *host)
{
	LDAPURLDesc *url;
	int rc = ldap_url_parse(host, &url);

	if (rc != 0) {
		client_warn(c, "dict_ldap_open: error parsing URL %s: %d: %s; skipping", host, rc, ldap_err2string(rc));
		return false;
	}
	if (strcasecmp(url->lud_scheme, "ldap") != 0 && d->version != LDAP_VERSION3) {
		client_warn(c, "dict_ldap_open: URL scheme %s requires protocol version 3", url->lud_scheme);
		d->version = LDAP_VERSION3;
	}
	d->ssl = d->ssl || strcasecmp(url->lud_scheme, "ldaps") == 0;
	ldap_free_urldesc(url);
	buf_addf(list, "%s%s", list->len > 0 ? " " : "", host);
	return true;
}

/* Every server becomes a URL. */
static void read_servers(struct client_setup *c, struct directory *d)
{
	const char *text = client_str(c, "server_host", "localhost", true);
	int port = client_int(c, "server_port", LDAP_PORT, 0, 0);
	struct buf list = { 0 };
	struct strs host = { 0 };

	d->version = client_int(c, "version", LDAP_VERSION3, 2, 0);
	if (d->version > LDAP_VERSION3) {
		client_warn(c, "dict_ldap_open: %s Unknown version %d, using 3.", client_name(c), d->version);
		d->version = LDAP_VERSION3;
	}
	strs_split(&host, text, " ,\t\r\n");
	for (size_t i = 0; i < host.n; i++) {
		if (ldap_is_ldap_url(host.v[i]))
			add_url(c, d, &list, host.v[i]);
		else if (strrchr(host.v[i], ':') != NULL)
			buf_addf(&list, "%sldap://%s", list.len > 0 ? " " : "", host.v[i]);
		else
			buf_addf(&list, "%sldap://%s:%d", list.len > 0 ? " " : "", host.v[i], port);
	}
	d->servers = client_text(c, "%s", buf_str(&list));
	buf_release(&list);
	strs_release(&host);
}

static void read_search(struct client_setup *c, struct directory *d)
{
	const char *scope = client_str(c, "scope", "sub", true), *format;

	d->scope = LDAP_SCOPE_SUBTREE;
	if (strcasecmp(scope, "one") == 0)
		d->scope = LDAP_SCOPE_ONELEVEL;
	else if (strcasecmp(scope, "base") == 0)
		d->scope = LDAP_SCOPE_BASE;
	else if (strcasecmp(scope, "sub") != 0)
		client_warn(c, "dict_ldap_open: %s: Unrecognized value %s specified for scope; using sub", client_name(c),
		    scope);
	d->base = client_str(c, "search_base", "", false);
	d->timeout = client_int(c, "timeout", 10, 0, 0);
	d->filter = client_str(c, "query_filter", "(mailacceptinggeneralid=%s)", false);
	format = client_str(c, "result_format", "", false);
	if (*format == '\0')
		format = client_str(c, "result_filter", "%s", true);
	d->base_depends = client_template(c, d->base, false);
	if (!client_template(c, d->filter, false))
		client_warn(c, "dict_ldap_open: %s: Fixed query_filter %s is probably useless", client_name(c), d->filter);
	client_template(c, format, true);
}

/* In this order: terminal, leaf, ordinary, special. */
static void read_attributes(struct client_setup *c, struct directory *d)
{
	strs_split(&d->attr, client_str(c, "terminal_result_attribute", "", false), " ,\t\r\n");
	d->n_terminal = d->attr.n;
	strs_split(&d->attr, client_str(c, "leaf_result_attribute", "", false), " ,\t\r\n");
	d->n_leaf = d->attr.n - d->n_terminal;
	strs_split(&d->attr, client_str(c, "result_attribute", "maildrop", false), " ,\t\r\n");
	d->n_ordinary = d->attr.n;
	strs_split(&d->attr, client_str(c, "special_result_attribute", "", false), " ,\t\r\n");
	if (d->attr.n == 0)
		d->attr.v = xcalloc(1, sizeof(char *));
}

static void read_bind(struct client_setup *c, struct directory *d)
{
	const char *bind = client_str(c, "bind", "yes", true);

	if (strcasecmp(bind, "no") == 0 || strcasecmp(bind, "none") == 0)
		d->bind = BIND_NONE;
	else if (strcasecmp(bind, "yes") == 0 || strcasecmp(bind, "simple") == 0)
		d->bind = BIND_SIMPLE;
	else if (strcasecmp(bind, "sasl") == 0)
		d->bind = BIND_SASL;
	else
		client_fail(c, "%s: unsupported parameter value: bind = %s", client_name(c), bind);
	d->bind_dn = client_str(c, "bind_dn", "", false);
	d->bind_pw = client_str(c, "bind_pw", "", false);
	if (client_bool(c, "cache", false))
		client_warn(c, "dict_ldap_open: %s ignoring cache", client_name(c));
	if (client_int(c, "cache_expiry", -1, 0, 0) >= 0)
		client_warn(c, "dict_ldap_open: %s ignoring cache_expiry", client_name(c));
	if (client_int(c, "cache_size", -1, 0, 0) >= 0)
		client_warn(c, "dict_ldap_open: %s ignoring cache_size", client_name(c));
}

static void read_limits(struct client_setup *c, struct directory *d)
{
	d->recursion_limit = client_int(c, "recursion_limit", 1000, 1, 0);
	d->size_limit = client_int(c, "size_limit", client_int(c, "expansion_limit", 0, 0, 0), 0, 0);
	d->dereference = client_int(c, "dereference", 0, 0, 0);
	if (d->dereference < 0 || d->dereference > 3) {
		client_warn(c, "dict_ldap_open: %s Unrecognized value %d specified for dereference; using 0", client_name(c),
		    d->dereference);
		d->dereference = 0;
	}
	d->referrals = client_bool(c, "chase_referrals", false);
	if (d->bind == BIND_SASL) {
		d->sasl_mechs = client_str(c, "sasl_mechs", "", false);
		d->sasl_realm = client_str(c, "sasl_realm", "", false);
		d->sasl_authz = client_str(c, "sasl_authz_id", "", false);
		d->sasl_minssf = client_int(c, "sasl_minssf", 0, 0, 4096);
	}
}

static void read_tls(struct client_setup *c, struct directory *d)
{
	d->start_tls = client_bool(c, "start_tls", false);
	if (d->start_tls && d->version < LDAP_VERSION3) {
		client_warn(c, "dict_ldap_open: %s start_tls requires protocol version 3", client_name(c));
		d->version = LDAP_VERSION3;
	}
	d->require_cert = client_bool(c, "tls_require_cert", false) ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
	d->ca_file = client_str(c, "tls_ca_cert_file", "", false);
	d->ca_dir = client_str(c, "tls_ca_cert_dir", "", false);
	d->cert = client_str(c, "tls_cert", "", false);
	d->key = client_file(c, client_str(c, "tls_key", "", false));
	d->random_file = client_str(c, "tls_random_file", "", false);
	d->ciphers = client_str(c, "tls_cipher_suite", "", false);
	d->debug = client_int(c, "debuglevel", 0, 0, 0);
}

static void *directory_open(struct client_setup *c)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	read_servers(c, d);
	read_search(c, d);
	read_attributes(c, d);
	read_bind(c, d);
	read_limits(c, d);
	read_tls(c, d);
	return d;
}

static void directory_close(void *table)
{
	struct directory *d = table;

	strs_release(&d->attr);
	free(d);
}

/* ---- one lookup ---------------------------------------------------------------------------------------------- */

static void quote_some(const char *part, const char *odd, struct buf *out)
{
	for (; *part != '\0'; part++) {
		if (strchr(odd, *part) != NULL)
			buf_addf(out, "\\%02X", (unsigned char)*part);
		else
			buf_addc(out, *part);
	}
}

/* RFC 4514 and RFC 4515, and a little more. */
static void quote_dn(void *arg UNUSED, const char *part, struct buf *out)
{
	quote_some(part, " \t\"#+,;<>\\", out);
}

static void quote_filter(void *arg UNUSED, const char *part, struct buf *out)
{
	quote_some(part, "*()\\", out);
}

int directory_search(const struct directory *d, LDAP *ld, const char *base, int scope, const char *filter, char **attr,
    LDAPMessage **res_r, const struct client_ask *a)
{
	int ms = directory_left_ms(d, a), id, rc, err;
	struct timeval tv = { .tv_sec = MAX(ms / 1000, 1) };	/* the server's limit, in whole seconds */

	*res_r = NULL;
	if (ms == 0)			/* an answer may need many searches */
		return LDAP_TIMEOUT;
	rc = ldap_search_ext(ld, base, scope, filter, attr, 0, NULL, NULL, &tv, -1, &id);
	if (rc != LDAP_SUCCESS)
		return rc;
	if ((rc = directory_result(ld, id, ms, res_r)) != LDAP_SUCCESS)
		return rc;
	rc = ldap_parse_result(ld, *res_r, &err, NULL, NULL, NULL, NULL, 0);
	return err != LDAP_SUCCESS ? err : rc;
}

static enum client_result judge(struct directory *d, LDAP *ld, int rc, LDAPMessage *res, const char *base,
    struct client_ask *a)
{
	struct expansion x = { .d = d, .ld = ld, .ask = a };

	switch (rc) {
	case LDAP_SUCCESS:
		entries_expand(&x, res, 1);
		ldap_get_option(ld, LDAP_OPT_ERROR_NUMBER, &rc);
		if (rc != LDAP_SUCCESS && rc != LDAP_DECODING_ERROR)
			ask_note(a, "dict_ldap_lookup: Had some trouble with entries returned by search: %s",
			    ldap_err2string(rc));
		return x.failed ? CLIENT_FAILED : CLIENT_DONE;
	case LDAP_NO_SUCH_OBJECT:
		if (d->base_depends)
			return CLIENT_DONE;
		ask_note(a, "dict_ldap_lookup: %s: Search base '%s' not found: %d: %s", ask_name(a), base, rc,
		    ldap_err2string(rc));
		return CLIENT_FAILED;
	default:
		ask_note(a, "dict_ldap_lookup: Search error %d: %s ", rc, ldap_err2string(rc));
		return CLIENT_LOST;
	}
}

static enum client_result directory_lookup(void *table, void *connection, const struct client_host *h UNUSED,
    struct client_ask *a)
{
	struct directory *d = table;
	struct buf base = { 0 }, filter = { 0 };
	LDAP *ld = connection;
	LDAPMessage *res = NULL;
	enum client_result r;
	int rc;

	ask_expand(a, d->base, quote_dn, NULL, &base);
	ask_expand(a, d->filter, quote_filter, NULL, &filter);
	ask_debug(a, "base '%s' filter %s", buf_str(&base), buf_str(&filter));
	ldap_set_option(ld, LDAP_OPT_SIZELIMIT, &d->size_limit);
	rc = directory_search(d, ld, buf_str(&base), d->scope, buf_str(&filter), d->attr.v, &res, a);
	r = judge(d, ld, rc, res, buf_str(&base), a);
	if (res != NULL)
		ldap_msgfree(res);
	buf_release(&base);
	buf_release(&filter);
	return r;
}

const struct table_client table_client = {
	.abi = TABLE_CLIENT_ABI, .type = "ldap", .utf8_only = true, .open = directory_open, .close = directory_close,
	.connect = directory_connect, .disconnect = directory_disconnect, .lookup = directory_lookup,
};
