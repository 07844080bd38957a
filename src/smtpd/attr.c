/* attr.c - "NAME=value" arguments, as XCLIENT and XFORWARD have them.
 * Values are xtext (old Postfix sent them plain: what does not decode is taken as it is). */
#include "session.h"
#include <postrider/address.h>

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F'    ? c - 'A' + 10 :
	    c >= 'a' && c <= 'f'    ? c - 'a' + 10 :
				      -1;
}

/* RFC 3461 xtext as Postfix takes it: a "+00" is no error, the text ends there. */
bool xtext_text(struct buf *out, const char *value)
{
	bool cut = false;

	buf_adds(out, "");
	for (; *value != '\0'; value++) {
		char c = *value;

		if (c == '+') {
			if (hex(value[1]) < 0 || hex(value[2]) < 0)
				return false;
			c = (char)(hex(value[1]) << 4 | hex(value[2]));
			value += 2;
		}
		cut |= c == '\0';
		if (!cut)
			buf_addc(out, c);
	}
	return true;
}

/* Without smtputf8_enable nothing but ASCII is printable. */
char *printable(const struct session *s, char *text)
{
	return view_bool(s->view, smtputf8_enable) ? str_printable(text, '?') : str_printable_ascii(text, '?');
}

bool attr_split(struct session *s, struct command *c, struct token *t, const char **name_r, char **value_r)
{
	char *eq = strchr(t->text, '=');
	struct buf b = { 0 };

	if (eq == NULL || eq[1] == '\0') {
		protocol_error(s, "501 5.5.4 Error: attribute=value expected");
		return false;
	}
	*eq++ = '\0';
	if (strlen(eq) > 255) {
		protocol_error(s, "501 5.5.4 Error: attribute value too long");
		return false;
	}
	*name_r = t->text;
	*value_r = arena_strdup(&c->arena, xtext_text(&b, eq) ? buf_str(&b) : eq);
	printable(s, *value_r);
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

enum cmd_result local_data_error(struct session *s)
{
	log_info(&s->log, "NOQUEUE: reject: %s from %s: 421 4.3.0 %s Server local data error", s->where, s->client,
	    view_str(s->view, myhostname));
	note_error(s, ACCESS_ERR_DATA);
	reply(s, "421 4.3.0 %s Server local data error", view_str(s->view, myhostname));
	return CMD_BAD;
}

enum cmd_result cannot_tell(struct session *s, const char *what)
{
	log_warn(&s->log, "don't know if command %s should be allowed from %s", what, s->client);
	return local_data_error(s);
}
