/* check_rbl.c - DNS block lists and permit lists.
 *
 * A list that does not answer blocks nobody: it is logged and passed over (a permit list makes a later reject a
 * deferral instead). Work phases: 0 what to ask (work.key), the A records; 1 the TXT records; 2 the reply template. */
#include "eval.h"
#include <postrider/address.h>
#include <postrider/log.h>
#include <postrider/service.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { TXT_MAX = 500 };

/* reply filter "127.0.0.[2..11;20]": each of four parts is a number or a set in brackets. */
static bool part_matches(const char **pp, unsigned byte)
{
	const char *p = *pp;
	char *end;
	bool hit = false;

	if (*p != '[') {
		hit = isdigit((unsigned char)*p) && strtoul(p, &end, 10) == byte;
		while (isdigit((unsigned char)*p))
			p++;
		*pp = p;
		return hit;
	}
	for (p++; *p != '\0' && *p != ']';) {
		unsigned long lo = strtoul(p, &end, 10), hi = lo;

		if (end == p)
			break;
		p = end;
		if (p[0] == '.' && p[1] == '.') {
			hi = strtoul(p + 2, &end, 10);
			p = end;
		}
		hit |= byte >= lo && byte <= hi;
		if (*p == ';')
			p++;
	}
	*pp = *p == ']' ? p + 1 : p;
	return hit;
}

static bool filter_matches(const char *filter, const struct dns_answer *a)
{
	for (const struct dns_rr *rr = a->rr; rr != NULL; rr = rr->next) {
		const char *p = filter;
		bool hit = rr->len == 4;

		for (int i = 0; i < 4 && rr->len == 4; i++) {
			hit &= part_matches(&p, rr->data[i]);
			if (i < 3 && *p == '.')
				p++;
		}
		if (hit)
			return true;
	}
	return false;
}

static bool address_query(struct buf *q, const char *addr)
{
	unsigned char b[16];

	if (inet_pton(AF_INET6, addr, b) == 1) {
		for (int i = 15; i >= 0; i--)
			buf_addf(q, "%x.%x.", b[i] & 15u, b[i] >> 4);
		return true;
	}
	if (inet_pton(AF_INET, addr, b) != 1)
		return false;
	buf_addf(q, "%u.%u.%u.%u.", b[3], b[2], b[1], b[0]);
	return true;
}

/* Names that end in a number are not asked about: some lists refuse such queries. */
static bool domain_query(struct buf *q, const char *what)
{
	const char *domain = strrchr(what, '@') != NULL ? strrchr(what, '@') + 1 : what, *last;
	struct buf ascii = { 0 };
	bool ok;

	if (*domain == '[' || *domain == '\0')
		return false;
	last = strrchr(domain, '.') != NULL ? strrchr(domain, '.') + 1 : domain;
	if (*last != '\0' && strspn(last, "0123456789") == strlen(last))
		return false;
	if (str_is_ascii(domain) || !address_domain_to_ascii(&ascii, domain))
		buf_adds(&ascii, domain);
	ok = dns_valid_hostname(buf_str(&ascii), NULL);
	if (ok)
		buf_addf(q, "%s.", ascii.p);
	buf_release(&ascii);
	return ok;
}

/* ---- the reply --------------------------------------------------------------------------------- */
struct rbl_reply {
	struct access_run *r;
	const char	*domain, *what, *cls, *txt;
	char		 code[16];
};

static const char *rbl_name(void *arg, const char *name)
{
	struct rbl_reply *x = arg;

	if (strcmp(name, "rbl_code") == 0)
		return x->code;
	if (strcmp(name, "rbl_domain") == 0)
		return x->domain;
	if (strcmp(name, "rbl_reason") == 0 || strcmp(name, "rbl_txt") == 0)
		return x->txt;
	if (strcmp(name, "rbl_what") == 0)
		return x->what;
	if (strcmp(name, "rbl_class") == 0)
		return x->cls;
	return NULL;
}

static enum verdict reply(
    struct access_run *r, const char *list, const char *what, const char *cls, const char *template)
{
	struct rbl_reply x = { .r = r, .what = what, .cls = cls, .txt = buf_str(&r->work.text) };
	char *domain = xstrndup(list, strcspn(list, "=")), dsn[12];
	struct buf b = { 0 };
	enum verdict v;

	x.domain = domain;
	snprintf(x.code, sizeof(x.code), "%d", view_int(r->facts->view, maps_rbl_reject_code));
	if (template == NULL || !expand_with(&b, template, r->facts, rbl_name, &x)) {
		if (template != NULL)
			log_warn(r->facts->log, "rbl_reject_reply: bad rbl reply template for domain %s: %s", list,
			    template);
		buf_reset(&b);
		if (!expand_with(&b, view_str(r->facts->view, default_rbl_reply), r->facts, rbl_name, &x))
			buf_reset(&b);
	}
	if (b.len < 4 || (b.p[0] != '4' && b.p[0] != '5') || !isdigit((unsigned char)b.p[1]) ||
	    !isdigit((unsigned char)b.p[2]) || b.p[3] != ' ') {
		log_warn(r->facts->log, "rbl response code configuration error: %s", buf_str(&b));
		v = run_reject(r, ACCESS_ERR_POLICY, 450, "4.7.1", "Service unavailable");
	} else {
		const char *text = dsn_split(dsn, "4.7.1", b.p + 4);

		v = run_reject(r, ACCESS_ERR_POLICY, atoi(b.p), dsn_fix(r, dsn, cls), "%s",
		    *text != '\0' ? text : "Service unavailable");
	}
	buf_release(&b);
	free(domain);
	return v;
}

/* ---- asking ------------------------------------------------------------------------------------ */
static void add_txt(struct buf *out, const struct dns_answer *a)
{
	for (const struct dns_rr *rr = a->rr; rr != NULL && out->len < TXT_MAX; rr = rr->next) {
		buf_add(out, rr->data, MIN(rr->len, TXT_MAX - out->len));
		if (rr->next != NULL && out->len + 3 < TXT_MAX)
			buf_adds(out, " / ");
	}
}

static enum dns_result dns(struct access_run *r, enum dns_type type)
{
	struct work *w = &r->work;

	if ((w->used & WORK_DNS) == 0) {
		dns_start(&w->dns, r->task, w->key.p, type);
		w->used |= WORK_DNS;
	}
	return dns_poll(&w->dns);
}

static void dns_over(struct access_run *r)
{
	dns_end(&r->work.dns);
	r->work.used &= ~(unsigned)WORK_DNS;
}

enum rbl_answer { RBL_WAIT, RBL_LISTED, RBL_NOT, RBL_SOFT };

static enum rbl_answer ask_a(struct access_run *r, const char *filter)
{
	enum dns_result d = dns(r, DNS_A);
	enum rbl_answer a = RBL_NOT;

	if (d == DNS_WAIT)
		return RBL_WAIT;
	if (d == DNS_OK)
		a = filter == NULL || filter_matches(filter, r->work.dns.answer) ? RBL_LISTED : RBL_NOT;
	else if (d == DNS_FAILED || d == DNS_INVALID) {
		log_warn(r->facts->log, "%s: RBL lookup error: %s", r->work.key.p,
		    r->work.dns.answer != NULL && r->work.dns.answer->why != NULL ? r->work.dns.answer->why :
										    "lookup failed");
		a = RBL_SOFT;
	}
	dns_over(r);
	return a;
}

static bool make_query(struct access_run *r, const char *list, const char *what, bool by_domain)
{
	struct buf *q = &r->work.key;

	buf_reset(q);
	if (!(by_domain ? domain_query(q, what) : address_query(q, what)))
		return false;
	buf_add(q, list, strcspn(list, "="));
	return true;
}

/* Listed, and it is a block list: the reason and the template, then the refusal. */
static enum verdict refuse(struct access_run *r, const char *list, const char *what, const char *cls)
{
	struct work *w = &r->work;
	enum find_result f;

	if (w->phase == 1) {
		enum dns_result d = dns(r, DNS_TXT);

		if (d == DNS_WAIT)
			return V_WAIT;
		if (d == DNS_OK)
			add_txt(&w->text, w->dns.answer);
		dns_over(r);
		w->phase = 2;
	}
	f = run_find_key(r, r->lists->rbl_reply, list);
	if (f == FOUND_WAIT)
		return V_WAIT;
	if (f == FOUND_ERROR)
		return run_config_error(r);
	return reply(r, list, what, cls, f == FOUND ? w->maps.value : NULL);
}

static enum verdict ask_list(
    struct access_run *r, const struct step *st, const char *list, const char *what, bool by_domain, bool permit)
{
	int about = st->check->variant & 0xff;
	struct work *w = &r->work;

	if (w->phase == 0) {
		if (w->key.len == 0 && !make_query(r, list, what, by_domain))
			return V_DUNNO;
		switch (ask_a(r, strchr(list, '=') != NULL ? strchr(list, '=') + 1 : NULL)) {
		case RBL_WAIT:
			return V_WAIT;
		case RBL_NOT:
			return V_DUNNO;
		case RBL_SOFT:
			if (permit)
				run_defer_if_reject(r, 450, "4.7.1", "<%s>: %s rejected: Service unavailable", what,
				    about_class(about));
			return V_DUNNO;
		case RBL_LISTED:
			break;
		}
		if (permit)
			return run_permit(r, st->check->name, class_client, r->facts->client, NULL);
		w->phase = 1;
	}
	return refuse(r, list, what, about_class(about));
}

/* maps_rbl_domains, one after the other: work.pos counts them. */
static enum verdict maps_rbl(struct access_run *r, const struct step *st)
{
	struct strs lists = { 0 };
	enum verdict v = V_DUNNO;

	strs_split(&lists, view_str(r->facts->view, maps_rbl_domains), ", \t\r\n");
	for (; r->work.server < lists.n && v == V_DUNNO; r->work.server++) {
		v = ask_list(r, st, lists.v[r->work.server], r->facts->client_addr, false, false);
		if (v == V_WAIT)
			break;
		buf_reset(&r->work.key);
	}
	strs_release(&lists);
	return v;
}

/* Safety: a permit list must not permit relaying. */
static bool relaying(struct access_run *r, enum verdict *v)
{
	*v = V_DUNNO;
	if (strcmp(r->facts->command, "RCPT") != 0 || r->recipient == NULL)
		return false;
	*v = auth_destination(r, r->recipient);
	return *v != V_OK;
}

enum verdict rbl_judge(struct access_run *r, const struct step *st)
{
	int about = st->check->variant & 0xff, form = st->check->variant >> 8;
	bool permit = form & 1, by_domain = form & 2;
	const char *what = by_domain ? about_value(r, about) : r->facts->client_addr;
	enum verdict v;

	if (form == 4)
		return maps_rbl(r, st);
	if (st->arg == NULL) {
		log_warn(r->facts->log, "restriction %s requires domain name argument", st->check->name);
		return V_DUNNO;
	}
	if (what == NULL || *what == '\0' || (by_domain && about <= ABOUT_REV_CLIENT && str_ieq(what, "unknown")))
		return V_DUNNO;
	if (permit && relaying(r, &v))
		return v;
	return ask_list(r, st, st->arg, what, by_domain, permit);
}
