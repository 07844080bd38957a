/* check.c - what can be wrong with the client's parameters, said when the configuration is loaded. Words that
 * Postfix's client refuses to start with stop a start here; a next hop that cannot be parsed only fails the mail
 * that goes there, so it is for `postrider check` to say (smtp_nexthop_unfit). */
#include "client.h"
#include <postrider/smtp.h>
#include <stdlib.h>

#define BLANKS " ,\t\r\n"

static bool one_of(const char *word, const char *const *known)
{
	for (; *known != NULL; known++)
		if (str_ieq(word, *known))
			return true;
	return false;
}

static void check_words(const char *param, const char *value, const char *const *known, enum problem_level level,
    struct problems *problems)
{
	char *copy = xstrdup(value), *cur = copy, *word;

	while ((word = str_tok(&cur, BLANKS)) != NULL)
		if (!one_of(word, known))
			problem_add(problems, level, NULL, 0, "unknown %s value \"%s\" in \"%s\"", param, word, value);
	free(copy);
}

void params_check(const struct view *v, bool lmtp, struct problems *problems)
{
	static const char *const hosts[] = { "dns", "native", NULL };
	static const char *const prefer[] = { "any", "ipv4", "ipv6", NULL };
	static const char *const support[] = { "", "disabled", "enabled", "dnssec", NULL };
	static const char *const pix[] = { "disable_esmtp", "delay_dotcrlf", NULL };
	static const char *const ehlo[] = { "8BITMIME", "AUTH", "ETRN", "PIPELINING", "SIZE", "VRFY", "XCLIENT", "XFORWARD",
	    "STARTTLS", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING", "silent-discard", NULL };
#define TWIN(name)	(lmtp ? "lmtp_" #name : "smtp_" #name), (lmtp ? view_str(v, lmtp_##name) : view_str(v, smtp_##name))
	const struct { const char *param, *value; } one[] = { { TWIN(address_preference) }, { TWIN(dns_support_level) } };

	check_words(TWIN(host_lookup), hosts, PROBLEM_FATAL, problems);
	check_words(TWIN(pix_workarounds), pix, PROBLEM_WARNING, problems);
	check_words(lmtp ? "lmtp_discard_lhlo_keywords" : "smtp_discard_ehlo_keywords",
	    lmtp ? view_str(v, lmtp_discard_lhlo_keywords) : view_str(v, smtp_discard_ehlo_keywords), ehlo, PROBLEM_WARNING,
	    problems);
	if (!one_of(one[0].value, prefer))
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "bad %s value: %s", one[0].param, one[0].value);
	if (!one_of(one[1].value, support))
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "invalid %s: \"%s\"", one[1].param, one[1].value);
#undef TWIN
}

char *smtp_nexthop_unfit(const struct view *v, const char *nexthop, bool lmtp)
{
	char *copy = xstrdup(nexthop), *cur = copy, *word, *why = NULL;
	struct hash ports = { 0 };
	struct dest d = { 0 };

	ports_load(&ports, "/etc/services", view_str(v, known_tcp_ports));
	while (why == NULL && (word = str_tok(&cur, BLANKS)) != NULL) {
		if (lmtp && strncmp(word, "unix:", 5) == 0) {
			why = word[5] == '\0' ? xasprintf("missing path name in server description: %s", word) : NULL;
			continue;
		}
		if (lmtp && strncmp(word, "inet:", 5) == 0)
			word += 5;
		why = dest_parse(&d, word, lmtp ? view_str(v, lmtp_tcp_port) : view_str(v, smtp_tcp_port), &ports);
		dest_release(&d);
	}
	hash_release(&ports, NULL);
	free(copy);
	return why;
}
