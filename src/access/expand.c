/* expand.c - session facts in reply templates.
 *
 * Only what the client knows anyway can be named: no parameter of main.cf but the host name. What an expansion
 * yields passes a filter (smtpd_expansion_filter), as it may hold what a stranger said. */
#include "eval.h"
#include <postrider/clock.h>
#include <postrider/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct expansion {
	const struct access_facts *f;
	struct buf	 scratch;
};

/* sender, sender_name, sender_domain; likewise recipient. */
static const char *address_part(struct expansion *x, const char *addr, const char *suffix)
{
	const char *at;

	if (addr == NULL)
		return "";
	at = strrchr(addr, '@');
	if (*suffix == '\0')
		return *addr != '\0' ? addr : "<>";
	if (strcmp(suffix, "_domain") == 0)
		return at != NULL ? at + 1 : "";
	if (strcmp(suffix, "_name") != 0)
		return NULL;
	if (*addr == '\0')
		return "<>";
	if (at == NULL)
		return addr;
	buf_reset(&x->scratch);
	buf_add(&x->scratch, addr, (size_t)(at - addr));
	return buf_str(&x->scratch);
}

static const char *local_time(struct expansion *x)
{
	time_t now = (time_t)wall_s();
	char text[64];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%b %d %H:%M:%S", &tm);
	buf_reset(&x->scratch);
	buf_adds(&x->scratch, text);
	return x->scratch.p;
}

static const char *lookup(void *arg, const char *name)
{
	struct expansion *x = arg;
	const struct access_facts *f = x->f;
	const struct { const char *name, *value; } plain[] = {
		{ "server_name", view_str(f->view, myhostname) },
		{ "client", f->client },
		{ "client_port", f->client_port },
		{ "client_address", f->client_addr },
		{ "client_name", f->client_name },
		{ "reverse_client_name", f->client_rev_name },
		{ "helo_name", f->helo },
	};
	const char *v = NULL;

	for (size_t i = 0; i < NELEM(plain); i++)
		if (strcmp(plain[i].name, name) == 0)
			return plain[i].value != NULL ? plain[i].value : "";
	if (strncmp(name, "sender", 6) == 0)
		v = address_part(x, f->sender, name + 6);
	else if (strncmp(name, "recipient", 9) == 0)
		v = address_part(x, f->recipient, name + 9);
	else if (strcmp(name, "localtime") == 0)
		v = local_time(x);
	if (v == NULL)
		log_warn(f->log, "unknown macro name \"%s\" in expansion request", name);
	return v;
}

struct filtered {
	struct expansion *x;
	const char	*(*own)(void *arg, const char *name);	/* asked first; NULL: none */
	void		*own_arg;
	const char	*filter;
	struct buf	 out;
};

static const char *filtered_lookup(void *arg, const char *name)
{
	struct filtered *fl = arg;
	const char *v = fl->own != NULL ? fl->own(fl->own_arg, name) : NULL;

	if (v == NULL)
		v = lookup(fl->x, name);
	if (v == NULL)
		return NULL;
	buf_reset(&fl->out);
	for (; *v != '\0'; v++)
		buf_addc(&fl->out, (unsigned char)*v >= 0x80 || strchr(fl->filter, *v) != NULL ? *v : '_');
	return buf_str(&fl->out);
}

/* "\t\40!\"#..." with C escapes, as the parameter is written. */
static void unescape(struct buf *out, const char *s)
{
	while (*s != '\0') {
		if (*s != '\\' || s[1] == '\0') {
			buf_addc(out, *s++);
			continue;
		}
		s++;
		if (*s >= '0' && *s <= '7') {
			unsigned c = 0;

			for (int i = 0; i < 3 && *s >= '0' && *s <= '7'; i++)
				c = c * 8 + (unsigned)(*s++ - '0');
			buf_addc(out, (char)c);
		} else {
			static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
			const char *p = strchr(from, *s);

			buf_addc(out, p != NULL ? to[p - from] : *s);
			s++;
		}
	}
}

bool expand_with(struct buf *out, const char *text, const struct access_facts *f,
    const char *(*own)(void *, const char *), void *own_arg)
{
	struct expansion x = { .f = f };
	struct buf filter = { 0 };
	struct filtered fl = { .x = &x, .own = own, .own_arg = own_arg };
	const char *why;

	unescape(&filter, view_str(f->view, smtpd_expansion_filter));
	fl.filter = buf_str(&filter);
	why = macro_expand(out, text, filtered_lookup, &fl);
	buf_release(&fl.out);
	buf_release(&filter);
	buf_release(&x.scratch);
	return why == NULL;
}

bool access_expand(struct buf *out, const char *text, const struct access_facts *f)
{
	return expand_with(out, text, f, NULL, NULL);
}
