/* greet.c - before the banner: the client's name, what it may do, whether it may talk to us at all.
 *
 * The name: PTR, then its addresses must list the client's, or the name is "unknown" (forged); a name service that
 * fails makes it "unknown" for now. Postfix waits for this before it says anything, and so is it here: connect
 * restrictions and the log line "connect from name[addr]" need the name. All lists about the client are asked once,
 * here, in a row; what they say is kept in bits. XCLIENT comes back behind the name (STEP_RIGHTS). */
#include "session.h"
#include <arpa/inet.h>
#include <stdlib.h>

enum {
	STEP_PTR, STEP_PTR_WAIT, STEP_HOST_WAIT, STEP_CONNECTED, STEP_RIGHTS, STEP_FORWARD, STEP_BARE_LF,
	STEP_LIMITS, STEP_KEYWORDS, STEP_RULES, STEP_RULES_WAIT, STEP_BANNER
};

void greet_start(struct session *s)
{
	struct greet *g = xcalloc(1, sizeof(*g));

	s->greet = g;
	if (s->name != NULL)		/* stand-alone, or XCLIENT */
		g->step = s->said_connect ? STEP_RIGHTS : STEP_CONNECTED;
	g->again = s->said_connect;
}

void greet_end(struct session *s)
{
	struct greet *g = s->greet;

	if (g == NULL)
		return;
	dns_end(&g->ptr);
	host_end(&g->host);
	match_end(&g->match);
	maps_end(&g->maps);
	access_end(&g->access);
	free(g->ptr_name);
	free(g);
	s->greet = NULL;
}

/* ---- the name ---------------------------------------------------------------------------------------- */
static void set_name(struct session *s, const char *name, unsigned status)
{
	set_str(&s->name, name);
	s->name_status = (uint8_t)status;
}

static void no_name(struct session *s, unsigned status)
{
	set_name(s, "unknown", status);
	set_str(&s->rev_name, "unknown");
	s->rev_status = (uint8_t)status;
	s->greet->step = STEP_CONNECTED;
}

/* There is a PTR name: is it one, and does it list the address? Numeric names would fool access rules. */
static void check_name(struct session *s, const char *name)
{
	struct greet *g = s->greet;
	const char *why = "";
	bool v4 = s->sa.sin6_family == AF_INET;
	unsigned char addr[16];

	if (inet_pton(AF_INET, name, addr) == 1 || inet_pton(AF_INET6, name, addr) == 1) {
		log_warn(&s->log, "numeric hostname: %s", name);
		no_name(s, 5);
		return;
	}
	if (!dns_valid_hostname(name, &why)) {
		log_warn(&s->log, "valid_hostname: %s: %.100s", why != NULL ? why : "bad name", name);
		no_name(s, 5);
		return;
	}
	set_str(&s->rev_name, name);
	s->rev_status = 2;
	g->ptr_name = xstrdup(name);
	host_start(&g->host, &s->task, name, (v4 ? HOST_V4 : HOST_V6) | HOST_FILE | HOST_DNS);
	g->step = STEP_HOST_WAIT;
}

/* The resolver found the name odd already. Its warnings end each with a newline; the one about the name is for us. */
static void odd_name(struct session *s, const struct dns_answer *a)
{
	const char *p = a != NULL ? a->warnings : NULL, *nl;

	for (; p != NULL && (nl = strchr(p, '\n')) != NULL; p = nl + 1)
		if (strncmp(p, "valid_hostname:", 15) == 0) {
			log_warn(&s->log, "%.*s", (int)(nl - p), p);
			break;
		}
	no_name(s, 5);
}

static bool ptr_start(struct session *s)
{
	struct greet *g = s->greet;
	const char *name;
	char query[80];

	if (!view_bool(s->view, smtpd_peername_lookup)) {
		no_name(s, 5);
	} else if ((name = dns_hosts_ptr((struct sockaddr *)&s->sa)) != NULL) {
		check_name(s, name);
	} else {
		dns_ptr_name(query, (struct sockaddr *)&s->sa);
		dns_start(&g->ptr, &s->task, query, DNS_PTR);
		g->step = STEP_PTR_WAIT;
	}
	return true;
}

static bool ptr_wait(struct session *s)
{
	struct greet *g = s->greet;

	switch (dns_poll(&g->ptr)) {
	case DNS_WAIT:
		return false;
	case DNS_OK:
		check_name(s, g->ptr.answer->rr->name);
		break;
	case DNS_FAILED:
		no_name(s, 4);
		break;
	case DNS_INVALID:
		odd_name(s, g->ptr.answer);
		break;
	default:
		no_name(s, 5);
	}
	return true;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
	    &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

/* For IPv4 alone getaddrinfo() of the GNU C library, and so Postfix, calls a failing name server a missing name. */
static bool name_may_come(const struct session *s, enum dns_result r)
{
	return r == DNS_FAILED && s->sa.sin6_family != AF_INET;
}

static bool host_wait(struct session *s)
{
	struct greet *g = s->greet;
	enum dns_result r = host_poll(&g->host);
	bool listed = false;

	if (r == DNS_WAIT)
		return false;
	for (size_t i = 0; r == DNS_OK && i < g->host.n; i++)
		listed |= same_address((struct sockaddr *)&g->host.addr[i].sa, (struct sockaddr *)&s->sa);
	if (r != DNS_OK)
		log_warn(&s->log, "hostname %s does not resolve to address %s: %s", g->ptr_name, s->addr,
		    name_may_come(s, r) ? "Temporary failure in name resolution" :
		    r == DNS_NODATA	? "No address associated with hostname" :
					  "Name or service not known");
	else if (!listed)
		log_warn(&s->log, "hostname %s does not resolve to address %s", g->ptr_name, s->addr);
	if (listed)
		set_name(s, g->ptr_name, 2);
	else
		set_name(s, "unknown", name_may_come(s, r) ? 4 : 6);
	g->step = STEP_CONNECTED;
	return true;
}

/* ---- rights -------------------------------------------------------------------------------------------- */
/* Is the client in the list? WAIT comes back here. A list that cannot tell is said in *unsure_r. */
static bool ask_list(struct session *s, const struct match_list *list, bool *yes_r, bool *unsure_r)
{
	struct greet *g = s->greet;
	enum match_result m;

	*yes_r = *unsure_r = false;
	if (s->stand_alone || match_list_empty(list))
		return true;
	if (g->match.list == NULL)
		match_start(&g->match, &s->task, &s->log, list, s->name, s->addr);
	if ((m = match_poll(&g->match)) == MATCH_WAIT)
		return false;
	match_end(&g->match);
	*yes_r = m == MATCH_YES;
	*unsure_r = m == MATCH_ERROR;
	return true;
}

/* The limit is for clients that are neither in smtpd_client_event_limit_exceptions nor allowed to XCLIENT. */
static bool limits(struct session *s)
{
	int max = view_int(s->view, smtpd_client_connection_count_limit);
	const char *service = s->service->entry->name;
	bool excepted, unsure;
	unsigned n;

	if (!s->counted && !s->stand_alone && !s->xclient_ok) {
		if (!ask_list(s, s->conf->no_limits, &excepted, &unsure))
			return false;
		if (!excepted) {
			n = client_connect(s->view, service, s->addr);
			s->counted = true;
			if (max > 0 && n > (unsigned)max) {
				note_error(s, ACCESS_ERR_POLICY);
				log_warn(&s->log, "Connection concurrency limit exceeded: %u from %s for service %s", n,
				    s->client, service);
				reply(s, "421 4.7.0 %s Error: too many connections from %s",
				    view_str(s->view, myhostname), s->addr);
			}
		}
	}
	s->greet->step = STEP_KEYWORDS;
	return true;
}

static bool keywords(struct session *s)
{
	struct greet *g = s->greet;

	s->discard = s->conf->discard;
	if (!maps_empty(s->conf->discard_maps)) {
		enum table_result r;

		if (g->maps.maps == NULL)
			maps_start(&g->maps, &s->task, &s->log, s->conf->discard_maps, s->addr, MAPS_ALL);
		if ((r = maps_poll(&g->maps)) == TABLE_WAIT)
			return false;
		if (r == TABLE_FOUND)
			s->discard = keyword_mask(g->maps.value);
		s->discard_unsure = r == TABLE_ERROR;
		maps_end(&g->maps);
	}
	g->step = STEP_RULES;
	return true;
}

/* ---- connect restrictions and the banner ------------------------------------------------------------------- */
static bool rules_wait(struct session *s)
{
	struct greet *g = s->greet;
	enum access_verdict v = access_poll(&g->access);

	if (v == ACCESS_WAIT)
		return false;
	note_error(s, g->access.error_class);
	if (v == ACCESS_REJECT) {
		note_error(s, ACCESS_ERR_POLICY);
		s->denied = xstrdup(g->access.reply);
		reply_text(s, s->denied);
		s->errors++;
	} else if (v == ACCESS_HANGUP) {
		s->quiet = s->hangup = true;
	}
	g->step = STEP_BANNER;
	return true;
}

static void rules(struct session *s)
{
	struct greet *g = s->greet;

	free(s->denied);
	s->denied = NULL;
	if (s->hangup || s->stand_alone) {
		g->step = STEP_BANNER;
		return;
	}
	session_facts(s, &g->facts);
	access_start(&g->access, &s->task, s->conf->access, ACCESS_CONNECT, &g->facts, &s->memory, NULL);
	g->step = STEP_RULES_WAIT;
}

static void banner(struct session *s)
{
	greet_end(s);
	if (s->hangup) {
		session_enter(s, ST_END);
		return;
	}
	if (s->denied == NULL)
		reply(s, "220 %s", view_str(s->view, smtpd_banner));
	session_enter(s, ST_COMMAND);
	session_arm(s);
}

static void connected(struct session *s)
{
	session_build_client(s);
	log_info(&s->log, "connect from %s", s->client);
	s->said_connect = true;
	s->greet->step = STEP_RIGHTS;
}

bool greet_run(struct session *s)
{
	struct greet *g = s->greet;
	bool yes, unsure;

	switch (g->step) {
	case STEP_PTR:
		return ptr_start(s);
	case STEP_PTR_WAIT:
		return ptr_wait(s);
	case STEP_HOST_WAIT:
		return host_wait(s);
	case STEP_CONNECTED:
		connected(s);
		return true;
	case STEP_RIGHTS:
		if (!ask_list(s, s->conf->xclient, &yes, &unsure))
			return false;
		s->xclient_ok = yes;
		s->xclient_unsure = unsure;
		g->step = STEP_FORWARD;
		return true;
	case STEP_FORWARD:
		if (!ask_list(s, s->conf->xforward, &yes, &unsure))
			return false;
		if (!g->again) {	/* XCLIENT does not change who may XFORWARD */
			s->xforward_ok = yes;
			s->xforward_unsure = unsure;
		}
		g->step = STEP_BARE_LF;
		return true;
	case STEP_BARE_LF:
		if (!ask_list(s, s->conf->bare_lf_except, &yes, &unsure))
			return false;
		s->bare_lf_ok = yes || s->stand_alone;
		g->step = STEP_LIMITS;
		return true;
	case STEP_LIMITS:
		return limits(s);
	case STEP_KEYWORDS:
		return keywords(s);
	case STEP_RULES:
		rules(s);
		return true;
	case STEP_RULES_WAIT:
		return rules_wait(s);
	default:
		banner(s);
		return true;
	}
}
