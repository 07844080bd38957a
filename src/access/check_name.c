/* check_name.c - restrictions about the form of names: helo names, domains of addresses. No look-ups. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <arpa/inet.h>

/* Without one dot at the end; "example.." keeps its two. */
static void without_dot(struct buf *out, const char *name)
{
	size_t n = strlen(name);

	buf_reset(out);
	buf_add(out, name, n > 1 && name[n - 1] == '.' && name[n - 2] != '.' ? n - 1 : n);
}

static bool valid_name(const struct access_run *r, const char *name)
{
	struct buf ascii = { 0 };
	bool ok;

	/* RFC 6531: names that are not ASCII only where the client asked for SMTPUTF8. */
	if (str_is_ascii(name) || !r->facts->smtputf8)
		return dns_valid_hostname(name, NULL);
	ok = address_domain_to_ascii(&ascii, name) && dns_valid_hostname(ascii.p, NULL);
	buf_release(&ascii);
	return ok;
}

static bool valid_address(const char *s)
{
	unsigned char b[16];

	return inet_pton(AF_INET, s, b) == 1 || inet_pton(AF_INET6, s, b) == 1;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", or the same without brackets. */
static enum verdict helo_address(struct access_run *r, const char *helo)
{
	char addr[INET6_ADDRSTRLEN];
	size_t n = strlen(helo);
	bool ok;

	buf_reset(&r->work.key);
	if (n > 2 && helo[0] == '[' && helo[n - 1] == ']')
		buf_adds(&r->work.key, helo);
	else
		buf_addf(&r->work.key, "[%s]", helo);
	ok = address_literal(r->work.key.p, addr, sizeof(addr));
	if (ok)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, invalid_hostname_reject_code), "5.5.2",
	    "<%s>: %s rejected: invalid ip address", helo, class_helo);
}

enum verdict invalid_helo_judge(struct access_run *r, const struct step *st UNUSED)
{
	const char *helo = r->facts->helo;

	if (helo == NULL)
		return V_DUNNO;
	if (*helo == '[')
		return helo_address(r, helo);
	without_dot(&r->work.text, helo);
	if (dns_valid_hostname(buf_str(&r->work.text), NULL) || valid_address(buf_str(&r->work.text)))
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, invalid_hostname_reject_code), "5.5.2",
	    "<%s>: %s rejected: Invalid name", helo, class_helo);
}

enum verdict non_fqdn_helo_judge(struct access_run *r, const struct step *st UNUSED)
{
	const char *helo = r->facts->helo;

	if (helo == NULL)
		return V_DUNNO;
	if (*helo == '[')
		return helo_address(r, helo);
	without_dot(&r->work.text, helo);
	if (valid_name(r, buf_str(&r->work.text)) && strchr(buf_str(&r->work.text), '.') != NULL)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, non_fqdn_reject_code), "5.5.2",
	    "<%s>: %s rejected: need fully-qualified hostname", helo, class_helo);
}

enum verdict naked_ip_judge(struct access_run *r, const struct step *st)
{
	const char *helo = r->facts->helo;
	enum verdict v;

	log_warn(r->facts->log,
	    "restriction %s is deprecated. Use permit_mynetworks or permit_sasl_authenticated instead",
	    st->check->name);
	if (helo == NULL || strspn(helo, "0123456789.:") != strlen(helo))
		return V_DUNNO;
	v = helo_address(r, helo);
	return v == V_DUNNO ? run_permit(r, st->check->name, class_helo, helo, NULL) : v;
}

enum verdict non_fqdn_address_judge(struct access_run *r, const struct step *st)
{
	int about = st->check->variant;
	const char *addr = about_value(r, about), *domain;
	size_t n;

	if (addr == NULL || (about == ABOUT_SENDER && *addr == '\0'))
		return V_DUNNO;
	domain = strrchr(addr, '@');
	domain = domain != NULL ? domain + 1 : "";
	n = strlen(domain);
	if (n > 0 && domain[0] == '[' && domain[n - 1] == ']')
		return V_DUNNO;
	without_dot(&r->work.text, domain);
	domain = buf_str(&r->work.text);
	if (*domain != '\0' && valid_name(r, domain) && strchr(domain, '.') != NULL)
		return V_DUNNO;
	return run_reject(r, ACCESS_ERR_POLICY, view_int(r->facts->view, non_fqdn_reject_code), "4.5.2",
	    "<%s>: %s rejected: need fully-qualified address", addr, about_class(about));
}
