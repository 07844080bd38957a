/* cmd_xclient.c - XCLIENT: an authorised host says who the client really is.
 *
 * What it says replaces the client for access rules, the log and headers; then the session begins anew with the
 * banner. Attributes before a bad one have taken effect, as in Postfix. The new client's own rights decide whether it
 * may XCLIENT again. */
#include "session.h"
#include <postrider/dns.h>
#include <arpa/inet.h>
#include <stdlib.h>

enum { HOSTNAME_MAX = 255 };

/* 2 a name; 5 unavailable; 4 for the time being. */
static unsigned name_status(const char *value)
{
	return attr_unavailable(value) ? 5 : str_ieq(value, "[TEMPUNAVAIL]") ? 4 : 2;
}

static enum cmd_result set_name(struct session *s, const char *name, const char *value, bool reverse)
{
	unsigned status = name_status(value);

	if (status != 2)
		value = "unknown";
	else if (!dns_valid_hostname(value, NULL))
		return attr_bad(s, name, value);
	if (!reverse) {
		set_str(&s->name, value);
		s->name_status = (uint8_t)status;
	}
	if (reverse || status == 2) {
		set_str(&s->rev_name, value);
		s->rev_status = (uint8_t)status;
	}
	return CMD_OK;
}

static enum cmd_result set_addr(struct session *s, const char *name, const char *value)
{
	char bare[INET6_ADDRSTRLEN];
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&s->sa;

	if (attr_unavailable(value)) {
		str_copy(s->addr, "unknown", sizeof(s->addr));
		set_str(&s->rfc_addr, "unknown");
		return CMD_OK;
	}
	if (!attr_address(value, bare, sizeof(bare)))
		return attr_bad(s, name, value);
	str_copy(s->addr, bare, sizeof(s->addr));
	set_str(&s->rfc_addr, value);
	memset(&s->sa, 0, sizeof(s->sa));
	if (inet_pton(AF_INET6, bare, &s->sa.sin6_addr) == 1) {
		s->sa.sin6_family = AF_INET6;
	} else {
		v4->sin_family = AF_INET;
		inet_pton(AF_INET, bare, &v4->sin_addr);
	}
	return CMD_OK;
}

static enum cmd_result set_helo(struct session *s, const char *name, char *value)
{
	if (attr_unavailable(value)) {
		free(s->helo);
		s->helo = NULL;
		return CMD_OK;
	}
	if (strlen(value) > HOSTNAME_MAX)
		return attr_bad(s, name, value);
	neuter(value);
	set_str(&s->helo, value);
	return CMD_OK;
}

struct given { bool helo, proto, login; };

static enum cmd_result attribute(struct session *s, const char *name, char *value, struct given *got)
{
	if (str_ieq(name, "NAME"))
		return set_name(s, "NAME", value, false);
	if (str_ieq(name, "REVERSE_NAME"))
		return set_name(s, "REVERSE_NAME", value, true);
	if (str_ieq(name, "ADDR"))
		return set_addr(s, "ADDR", value);
	if (str_ieq(name, "PORT")) {
		if (!attr_unavailable(value) && !attr_port(value))
			return attr_bad(s, "PORT", value);
		str_copy(s->port, attr_unavailable(value) ? "unknown" : value, sizeof(s->port));
		return CMD_OK;
	}
	if (str_ieq(name, "HELO")) {
		got->helo = true;
		return set_helo(s, "HELO", value);
	}
	if (str_ieq(name, "PROTO")) {
		if (!str_ieq(value, "SMTP") && !str_ieq(value, "ESMTP"))
			return attr_bad(s, "PROTO", value);
		s->esmtp = str_ieq(value, "ESMTP");
		got->proto = true;
		return CMD_OK;
	}
	if (str_ieq(name, "LOGIN")) {
		if (!attr_unavailable(value)) {
			set_str(&s->sasl_user, value);
			got->login = true;
		}
		return CMD_OK;
	}
	if (str_ieq(name, "DESTADDR")) {
		char bare[INET6_ADDRSTRLEN];

		return attr_unavailable(value) || attr_address(value, bare, sizeof(bare)) ?
		    CMD_OK :
		    attr_bad(s, "DESTADDR", value);
	}
	if (str_ieq(name, "DESTPORT"))
		return attr_unavailable(value) || attr_port(value) ? CMD_OK : attr_bad(s, "DESTPORT", value);
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply(s, "501 5.5.4 Bad XCLIENT attribute name: %s", name);
	return CMD_BAD;
}

enum cmd_result cmd_xclient(struct session *s, struct command *c)
{
	struct given got = { 0 };

	if (s->trans != NULL)
		return protocol_error(s, "503 5.5.1 Error: MAIL transaction in progress");
	if (c->argc < 2)
		return protocol_error(s, "501 5.5.4 Syntax: XCLIENT attribute=value...");
	if (s->xclient_unsure)
		return cannot_tell(s, "XCLIENT");
	if (!s->xclient_ok) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "550 5.7.0 Error: insufficient authorization");
		return CMD_BAD;
	}
	for (size_t i = 1; i < c->argc; i++) {
		const char *name;
		char *value;

		if (!attr_split(s, c, &c->argv[i], &name, &value) || attribute(s, name, value, &got) != CMD_OK)
			return CMD_BAD;
	}
	session_build_client(s);
	if (!got.helo) {
		free(s->helo);
		s->helo = NULL;
	}
	if (!got.proto)
		s->esmtp = false;
	if (!got.login) {
		free(s->sasl_user);
		s->sasl_user = NULL;
	}
	history_flush(s, 0);
	session_reset(s);
	greet_start(s);
	return CMD_RESTART;
}
