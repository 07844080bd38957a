/* cmd_xforward.c - XFORWARD: an authorised relay says where a message came from, for the log and the queue only.
 * Access rules go by the relay itself. Holds for one message. */
#include "session.h"
#include <postrider/dns.h>
#include <arpa/inet.h>
#include <stdlib.h>

void forward_reset(struct session *s)
{
	struct forward *f = s->forward;

	s->forward = NULL;
	if (f == NULL)
		return;
	free(f->name);
	free(f->addr);
	free(f->rfc_addr);
	free(f->port);
	free(f->proto);
	free(f->helo);
	free(f->ident);
	free(f->client);
	free(f);
}

/* All is unknown until it is said. */
static struct forward *forward_new(void)
{
	struct forward *f = xcalloc(1, sizeof(*f));

	f->name = xstrdup("unknown");
	f->addr = xstrdup("unknown");
	f->rfc_addr = xstrdup("unknown");
	f->port = xstrdup("unknown");
	f->proto = xstrdup("unknown");
	return f;
}

static enum cmd_result set_name(struct session *s, struct forward *f, char *value)
{
	if (attr_unavailable(value)) {
		set_str(&f->name, "unknown");
	} else {
		neuter(value);
		if (!dns_valid_hostname(value, NULL))
			return attr_bad(s, "NAME", value);
		set_str(&f->name, value);
	}
	f->any = true;
	return CMD_OK;
}

static enum cmd_result set_addr(struct session *s, struct forward *f, char *value)
{
	char bare[INET6_ADDRSTRLEN];

	if (attr_unavailable(value)) {
		set_str(&f->addr, "unknown");
		set_str(&f->rfc_addr, "unknown");
	} else {
		neuter(value);
		if (!attr_address(value, bare, sizeof(bare)))
			return attr_bad(s, "ADDR", value);
		set_str(&f->addr, bare);
		set_str(&f->rfc_addr, value);
	}
	f->any = true;
	return CMD_OK;
}

static enum cmd_result set_port(struct session *s, struct forward *f, const char *value)
{
	if (!attr_unavailable(value) && !attr_port(value))
		return attr_bad(s, "PORT", value);
	set_str(&f->port, attr_unavailable(value) ? "unknown" : value);
	f->any = true;
	return CMD_OK;
}

static enum cmd_result set_proto(struct session *s, struct forward *f, char *value)
{
	if (!attr_unavailable(value) && strlen(value) > 64)
		return attr_bad(s, "PROTO", value);
	neuter(value);
	set_str(&f->proto, attr_unavailable(value) ? "unknown" : value);
	f->any = true;
	return CMD_OK;
}

/* A text without rules of its own; unavailable is NULL. */
static enum cmd_result set_text(char **p, char *value)
{
	bool none = attr_unavailable(value);

	neuter(value);
	if (none) {
		free(*p);
		*p = NULL;
	} else {
		set_str(p, value);
	}
	return CMD_OK;
}

static enum cmd_result attribute(struct session *s, struct forward *f, const char *name, char *value)
{
	if (str_ieq(name, "NAME"))
		return set_name(s, f, value);
	if (str_ieq(name, "ADDR"))
		return set_addr(s, f, value);
	if (str_ieq(name, "PORT"))
		return set_port(s, f, value);
	if (str_ieq(name, "PROTO"))
		return set_proto(s, f, value);
	if (str_ieq(name, "HELO")) {
		f->any = true;
		return set_text(&f->helo, value);
	}
	if (str_ieq(name, "IDENT"))
		return set_text(&f->ident, value);
	if (str_ieq(name, "SOURCE")) {
		if (attr_unavailable(value) || str_ieq(value, "LOCAL"))
			f->context = 1;
		else if (str_ieq(value, "REMOTE"))
			f->context = 2;
		else
			return attr_bad(s, "SOURCE", value);
		return CMD_OK;
	}
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply(s, "501 5.5.4 Bad XFORWARD attribute name: %s", name);
	return CMD_BAD;
}

enum cmd_result cmd_xforward(struct session *s, struct command *c)
{
	struct forward *f;

	if (s->trans != NULL)
		return protocol_error(s, "503 5.5.1 Error: MAIL transaction in progress");
	if (c->argc < 2)
		return protocol_error(s, "501 5.5.4 Syntax: XFORWARD attribute=value...");
	if (s->xforward_unsure)
		return cannot_tell(s, "XFORWARD");
	if (!s->xforward_ok) {
		note_error(s, ACCESS_ERR_POLICY);
		reply(s, "550 5.7.0 Error: insufficient authorization");
		return CMD_BAD;
	}
	if (s->forward == NULL)
		s->forward = forward_new();
	f = s->forward;
	for (size_t i = 1; i < c->argc; i++) {
		const char *name;
		char *value;

		if (!attr_split(s, c, &c->argv[i], &name, &value) || attribute(s, f, name, value) != CMD_OK)
			return CMD_BAD;
	}
	free(f->client);
	f->client = strcmp(f->addr, "unknown") == 0 ? xstrdup(f->name) : session_namaddr(s, f->name, f->addr, f->port);
	reply(s, "250 2.0.0 Ok");
	return CMD_OK;
}
