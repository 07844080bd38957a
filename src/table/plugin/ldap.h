/* ldap.h - what the files of the ldap: plug-in share. */
#ifndef TABLE_PLUGIN_LDAP_H
#define TABLE_PLUGIN_LDAP_H
#include <ldap.h>
#include <strings.h>
#include <postrider/tableclient.h>

enum bind { BIND_NONE, BIND_SIMPLE, BIND_SASL };
struct directory {
	const char	*servers;	/* URLs */
	int		 version, scope, timeout, size_limit, recursion_limit, dereference, debug;
	bool		 ssl, start_tls, referrals;
	const char	*base, *filter;
	bool		 base_depends;	/* on the key: that there is no such base is no mistake */
	struct strs	 attr;		/* terminal, leaf, ordinary, special */
	size_t		 n_terminal, n_leaf, n_ordinary;	/* the last: all but special ones */
	enum bind	 bind;
	const char	*bind_dn, *bind_pw, *sasl_mechs, *sasl_realm, *sasl_authz;
	int		 sasl_minssf, require_cert;
	const char	*ca_file, *ca_dir, *cert, *key, *random_file, *ciphers;
};
void	*directory_connect(void *table, const struct client_host *, struct client_ask *);
void	 directory_disconnect(void *connection);
void	 directory_wait_gently(LDAP *);		/* before its first connection */
/* LDAP_SUCCESS or a reason; *res_r may be set in both cases. */
int	 directory_search(const struct directory *, LDAP *, const char *base, int scope, const char *filter, char **attr,
	    LDAPMessage **res_r, const struct client_ask *);
int	 directory_result(LDAP *, int id, int ms, LDAPMessage **res_r);
/* How long one request may take: the rest of the lookup's time, and no more than the table's timeout. 0: it is over. */
int	 directory_left_ms(const struct directory *, const struct client_ask *);

struct expansion {		/* the entries of one lookup */
	const struct directory *d;
	LDAP		*ld;
	struct client_ask *ask;
	bool		 failed;
};
void	 entries_expand(struct expansion *, LDAPMessage *, int depth);	/* depth 1: what was searched for */
#endif
