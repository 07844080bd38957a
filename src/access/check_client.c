/* check_client.c - restrictions about who is connected: network, name, login, certificate. */
#include "eval.h"
#include <postrider/log.h>
#include <postrider/service.h>
#include <stdlib.h>

enum verdict mynetworks_judge(struct access_run *r, const struct step *st)
{
	enum verdict v = run_match(r, r->lists->mynetworks, r->facts->client_name, r->facts->client_addr);

	return v != V_OK || st->check == NULL ? v :
						run_permit(r, st->check->name, class_client, r->facts->client, NULL);
}

enum verdict inet_interfaces_judge(struct access_run *r, const struct step *st)
{
	if (r->facts->client_sa == NULL || !rewrite_own_address(r->lists->generation, r->facts->client_sa))
		return V_DUNNO;
	return st->check == NULL ? V_OK : run_permit(r, st->check->name, class_client, r->facts->client, NULL);
}

enum verdict sasl_judge(struct access_run *r, const struct step *st)
{
	if (r->facts->sasl_user == NULL)
		return V_DUNNO;
	return st->check == NULL ? V_OK : run_permit(r, st->check->name, class_client, r->facts->client, NULL);
}

/* Without a certificate there is nothing to permit; sessions have none before TLS is there. */
enum verdict tls_cert_judge(struct access_run *r UNUSED, const struct step *st UNUSED)
{
	return V_DUNNO;
}

enum verdict unknown_client_judge(struct access_run *r, const struct step *st)
{
	const struct access_facts *f = r->facts;
	bool reverse = st->check->variant == 1;
	int status = reverse ? f->client_rev_status : f->client_name_status;
	int code = view_int(f->view, unknown_client_reject_code);

	if (status == 2)
		return V_DUNNO;
	if (reverse)
		return run_reject(r, ACCESS_ERR_POLICY, status == 5 ? code : 450, "4.7.1",
		    "Client host rejected: cannot find your reverse hostname, [%s]", f->client_addr);
	/* RFC 7372: 4.7.25, reverse DNS validation failed. */
	return run_reject(r, ACCESS_ERR_POLICY, status >= 5 ? code : 450, "4.7.25",
	    "Client host rejected: cannot find your hostname, [%s]", f->client_addr);
}

/* variant: 1 logged-in clients must own the sender address, 2 addresses with an owner need a login, 3 both, 7 both, but
 * a logged-in client may use addresses that nobody owns. */
static bool owned_by(const char *owners, const char *user)
{
	char *copy = xstrdup(owners), *cursor = copy, *name;
	bool found = false;

	while (!found && (name = str_tok(&cursor, ", \t\r\n")) != NULL)
		found = str_ieq(name, user);
	free(copy);
	return found;
}

enum verdict login_mismatch_judge(struct access_run *r, const struct step *st)
{
	const struct access_facts *f = r->facts;
	bool in = f->sasl_user != NULL;
	enum find_result found;
	enum verdict v;

	if (!view_bool(f->view, smtpd_sasl_auth_enable)) {
		log_warn(f->log, "restriction `%s' ignored: no SASL support", st->check->name);
		return V_DUNNO;
	}
	if (f->sender == NULL || *f->sender == '\0' || (st->check->variant & (in ? 1 : 2)) == 0)
		return V_DUNNO;
	if ((v = run_resolve(r, r->recipient, f->sender)) != V_DUNNO)
		return v;
	found = run_find_addr(r, r->lists->sender_login, buf_str(&r->work.resolve.recipient), FIND_DEFAULT,
	    r->work.resolve.class_ == CLASS_LOCAL);
	if (found == FOUND_WAIT)
		return V_WAIT;
	if (found == FOUND_ERROR)
		return run_dict_retry(r, f->sender);
	if (!in && found == FOUND)
		return run_reject(
		    r, ACCESS_ERR_POLICY, 553, "5.7.1", "<%s>: Sender address rejected: not logged in", f->sender);
	if (!in || (found == FOUND && owned_by(r->work.maps.value, f->sasl_user)) ||
	    (found == FOUND_NONE && st->check->variant == 7))
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, 553, "5.7.1", "<%s>: Sender address rejected: not owned by user %s",
	    f->sender, f->sasl_user);
}
