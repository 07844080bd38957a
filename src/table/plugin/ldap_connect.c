/* ldap_connect.c - a connection to a directory: options, TLS, bind. */
#include "ldap.h"
#include <errno.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>

static struct timeval interval(int ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

int directory_left_ms(const struct directory *d, const struct client_ask *a)
{
	int left = ask_left_ms(a);

	if (left <= 1)
		return 0;
	return d->timeout > 0 && d->timeout < left / 1000 ? d->timeout * 1000 : left;
}

int directory_result(LDAP *ld, int id, int ms, LDAPMessage **res_r)
{
	struct timeval tv = interval(ms);
	int rc = ldap_result(ld, id, LDAP_MSG_ALL, &tv, res_r), err = LDAP_SUCCESS;

	if (rc > 0)
		return LDAP_SUCCESS;
	if (rc == 0) {
		ldap_abandon_ext(ld, id, NULL, NULL);
		return LDAP_TIMEOUT;
	}
	return ldap_get_option(ld, LDAP_OPT_ERROR_NUMBER, &err) == LDAP_OPT_SUCCESS ? err : LDAP_OTHER;
}

static bool set(LDAP *ld, int option, const void *value, const char *name, const char *text, struct client_ask *a)
{
	int rc;

	if (*text == '\0' || (rc = ldap_set_option(ld, option, value)) == LDAP_OPT_SUCCESS)
		return true;
	ask_note(a, "dict_ldap_set_tls_options: Unable to set %s to %s: %d: %s", name, text, rc, ldap_err2string(rc));
	return false;
}

static bool tls_options(const struct directory *d, LDAP *ld, struct client_ask *a)
{
	int server = 0, rc;
	char number[16];

	if (!d->start_tls && !d->ssl)
		return true;
	snprintf(number, sizeof(number), "%d", d->require_cert);
	if (!set(ld, LDAP_OPT_X_TLS_RANDOM_FILE, d->random_file, "tls_random_file", d->random_file, a) ||
	    !set(ld, LDAP_OPT_X_TLS_CACERTFILE, d->ca_file, "tls_ca_cert_file", d->ca_file, a) ||
	    !set(ld, LDAP_OPT_X_TLS_CACERTDIR, d->ca_dir, "tls_ca_cert_dir", d->ca_dir, a) ||
	    !set(ld, LDAP_OPT_X_TLS_CERTFILE, d->cert, "tls_cert", d->cert, a) ||
	    !set(ld, LDAP_OPT_X_TLS_KEYFILE, d->key, "tls_key", d->key, a) ||
	    !set(ld, LDAP_OPT_X_TLS_CIPHER_SUITE, d->ciphers, "tls_cipher_suite", d->ciphers, a) ||
	    !set(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &d->require_cert, "tls_require_cert", number, a))
		return false;
	rc = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &server);
	if (rc != LDAP_OPT_SUCCESS)
		ask_note(a, "dict_ldap_set_tls_options: Unable to allocate new TLS context %d: %s", rc, ldap_err2string(rc));
	return rc == LDAP_OPT_SUCCESS;
}

/* What libsasl2 asks for. */
static int interact(LDAP *ld UNUSED, unsigned flags UNUSED, void *arg, void *list)
{
	const struct directory *d = arg;

	for (sasl_interact_t *in = list; in->id != SASL_CB_LIST_END; in++) {
		const char *text = in->id == SASL_CB_GETREALM ? d->sasl_realm : in->id == SASL_CB_AUTHNAME ? d->bind_dn :
		    in->id == SASL_CB_USER ? d->sasl_authz : in->id == SASL_CB_PASS ? d->bind_pw : NULL;

		in->result = text;
		in->len = text != NULL ? (unsigned)strlen(text) : 0;
	}
	return LDAP_SUCCESS;
}

static int bind_sasl(const struct directory *d, LDAP *ld)
{
	char props[32];
	int rc;

	snprintf(props, sizeof(props), "minssf=%d", d->sasl_minssf);
	if ((rc = ldap_set_option(ld, LDAP_OPT_X_SASL_SECPROPS, props)) != LDAP_OPT_SUCCESS)
		return rc;
	return ldap_sasl_interactive_bind_s(ld, NULL, d->sasl_mechs, NULL, NULL, LDAP_SASL_QUIET, interact,
	    (void *)(uintptr_t)d);
}

static int bind_simple(const struct directory *d, LDAP *ld, int ms)
{
	struct berval password = { .bv_val = (char *)(uintptr_t)d->bind_pw, .bv_len = strlen(d->bind_pw) };
	LDAPMessage *res = NULL;
	int id, rc, err = LDAP_SUCCESS;

	if ((rc = ldap_sasl_bind(ld, d->bind_dn, LDAP_SASL_SIMPLE, &password, NULL, NULL, &id)) != LDAP_SUCCESS ||
	    (rc = directory_result(ld, id, ms, &res)) != LDAP_SUCCESS)
		return rc;
	rc = ldap_parse_result(ld, res, &err, NULL, NULL, NULL, NULL, 1);
	return rc != LDAP_SUCCESS ? rc : err;
}

static bool start(const struct directory *d, LDAP *ld, struct client_ask *a)
{
	const char *dn = *d->bind_dn != '\0' ? d->bind_dn : "empty or implicit";
	int rc;

	if (!tls_options(d, ld, a))
		return false;
	if (d->start_tls && (rc = ldap_start_tls_s(ld, NULL, NULL)) != LDAP_SUCCESS) {
		ask_note(a, "error: dict_ldap_connect: Unable to set STARTTLS: %d: %s", rc, ldap_err2string(rc));
		return false;
	}
	if (d->bind == BIND_NONE)
		return true;
	ask_debug(a, "binding to server %s with dn %s", d->servers, dn);
	rc = d->bind == BIND_SASL ? bind_sasl(d, ld) : bind_simple(d, ld, MAX(directory_left_ms(d, a), 1));
	if (rc != LDAP_SUCCESS)
		ask_note(a, "dict_ldap_connect: Unable to bind to server %s with dn %s: %d (%s)", d->servers, dn, rc,
		    ldap_err2string(rc));
	return rc == LDAP_SUCCESS;
}

void *directory_connect(void *table, const struct client_host *h UNUSED, struct client_ask *a)
{
	const struct directory *d = table;
	struct timeval tv = interval(MAX(directory_left_ms(d, a), 1));
	int err;
	LDAP *ld = NULL;

	if (d->debug > 0)
		ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &d->debug);
	ask_debug(a, "connecting to server %s", d->servers);
	ldap_initialize(&ld, d->servers);
	if (ld == NULL) {
		ask_note(a, "dict_ldap_connect: Unable to init LDAP server %s", d->servers);
		return NULL;
	}
	directory_wait_gently(ld);
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv);
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &d->version);
	ldap_set_option(ld, LDAP_OPT_DEREF, &d->dereference);
	ldap_set_option(ld, LDAP_OPT_REFERRALS, d->referrals ? LDAP_OPT_ON : LDAP_OPT_OFF);
	if (start(d, ld, a))
		return ld;
	err = errno;
	ldap_unbind_ext(ld, NULL, NULL);
	errno = err;
	return NULL;
}

void directory_disconnect(void *connection)
{
	ldap_unbind_ext(connection, NULL, NULL);
}
