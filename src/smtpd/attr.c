/* attr.c - "NAME=value" arguments, as XCLIENT and XFORWARD have them.
 * Values are xtext (old Postfix sent them plain: what does not decode is taken as it is). */
#include "session.h"
#include <postrider/address.h>

bool attr_split(struct session *s, struct command *c, struct token *t, const char **name_r, char **value_r)
{
	char *eq = strchr(t->text, '=');
	struct buf b = { 0 };

	if (eq == NULL || eq[1] == '\0') {
		refuse(s, "501 5.5.4 Error: attribute=value expected");
		return false;
	}
	*eq++ = '\0';
	if (strlen(eq) > 255) {
		refuse(s, "501 5.5.4 Error: attribute value too long");
		return false;
	}
	*name_r = t->text;
	*value_r = arena_strdup(&c->arena, buf_add_unxtext(&b, eq) ? buf_str(&b) : eq);
	str_printable(*value_r, '?');
	buf_release(&b);
	return true;
}

enum cmd_result attr_bad(struct session *s, const char *name, const char *value)
{
	note_error(s, ACCESS_ERR_PROTOCOL);
	reply(s, "501 5.5.4 Bad %s syntax: %s", name, value);
	return CMD_BAD;
}

bool attr_unavailable(const char *value)
{
	return str_ieq(value, "[UNAVAILABLE]");
}

/* "192.0.2.1" or "IPv6:2001:db8::1": the bare form, for access rules and the log. */
bool attr_address(const char *value, char *bare, size_t size)
{
	char literal[300];

	literal[0] = '[';
	str_copy(literal + 1, value, sizeof(literal) - 2);
	strcat(literal, "]");
	return address_literal(literal, bare, size);
}

bool attr_port(const char *value)
{
	return strspn(value, "0123456789") == strlen(value) && strlen(value) <= 5;
}

enum cmd_result cannot_tell(struct session *s, const char *what)
{
	log_warn(&s->log, "don't know if command %s should be allowed from %s", what, s->client);
	log_info(&s->log, "NOQUEUE: reject: %s from %s: 421 4.3.0 %s Server local data error", s->where, s->client,
	    view_str(s->view, myhostname));
	note_error(s, ACCESS_ERR_DATA);
	reply(s, "421 4.3.0 %s Server local data error", view_str(s->view, myhostname));
	return CMD_BAD;
}
