/* conf.c - what a smtpd service compiles once: rule lists, match lists, the words it does not offer. */
#include "session.h"
#include <postrider/smtpd.h>
#include <stdlib.h>

static const struct { const char *word, *name; unsigned bit; } keywords[] = {
	{ "8bitmime", "8BITMIME", EHLO_8BITMIME },
	{ "auth", "AUTH", EHLO_AUTH },
	{ "etrn", "ETRN", EHLO_ETRN },
	{ "pipelining", "PIPELINING", EHLO_PIPELINING },
	{ "size", "SIZE", EHLO_SIZE },
	{ "verp", "VERP", EHLO_VERP },
	{ "vrfy", "VRFY", EHLO_VRFY },
	{ "xclient", "XCLIENT", EHLO_XCLIENT },
	{ "xforward", "XFORWARD", EHLO_XFORWARD },
	{ "starttls", "STARTTLS", EHLO_STARTTLS },
	{ "enhancedstatuscodes", "ENHANCEDSTATUSCODES", EHLO_ENHANCEDSTATUSCODES },
	{ "dsn", "DSN", EHLO_DSN },
	{ "silent-discard", "SILENT-DISCARD", EHLO_SILENT },
	{ "smtputf8", "SMTPUTF8", EHLO_SMTPUTF8 },
	{ "chunking", "CHUNKING", EHLO_CHUNKING },
};

/* Words that are no keyword are passed over, as in Postfix. */
unsigned keyword_mask(const char *words)
{
	char *copy = xstrdup(words), *cursor = copy, *word;
	unsigned mask = 0;

	while ((word = str_tok(&cursor, ", \t\r\n")) != NULL)
		for (size_t i = 0; i < NELEM(keywords); i++)
			if (str_ieq(word, keywords[i].word))
				mask |= keywords[i].bit;
	free(copy);
	return mask;
}

void keyword_names(struct buf *out, unsigned mask)
{
	for (size_t i = 0; i < NELEM(keywords); i++)
		if (mask & keywords[i].bit)
			buf_addf(out, "%s%s", out->len > 0 ? " " : "", keywords[i].name);
}

static enum bare_lf bare_lf_mode(const struct view *v, struct problems *problems)
{
	static const struct { const char *word; enum bare_lf mode; } modes[] = {
		{ "no", BARE_LF_NO },
		{ "note", BARE_LF_NOTE },
		{ "normalize", BARE_LF_NORMALIZE },
		{ "yes", BARE_LF_NORMALIZE },
		{ "reject", BARE_LF_REJECT },
	};
	const char *word = view_str(v, smtpd_forbid_bare_newline);

	for (size_t i = 0; i < NELEM(modes); i++)
		if (str_ieq(word, modes[i].word))
			return modes[i].mode;
	problem_add(problems, PROBLEM_FATAL, NULL, 0, "bad configuration: smtpd_forbid_bare_newline = %s", word);
	return BARE_LF_REJECT;
}

static void override_options(struct smtpd_conf *c, const struct view *v, struct problems *problems)
{
	static const struct { const char *word; unsigned flags; } options[] = {
		{ "no_unknown_recipient_checks", 0 }, { "no_address_mappings", CLEANUP_NO_MAPS },
		{ "no_header_body_checks", CLEANUP_NO_HEADER_CHECKS }, { "no_milters", CLEANUP_NO_MILTERS },
	};
	struct strs words = { 0 };

	strs_split(&words, view_str(v, receive_override_options), ", \t\r\n");
	for (size_t i = 0; i < words.n; i++) {
		size_t o;

		for (o = 0; o < NELEM(options) && !str_ieq(words.v[i], options[o].word); o++)
			;
		if (o == NELEM(options))
			problem_add(problems, PROBLEM_FATAL, NULL, 0,
			    "unknown receive_override_options value \"%s\" in \"%s\"", words.v[i],
			    view_str(v, receive_override_options));
		else if (o == 0)
			c->allow_unlisted = true;
		else
			c->cleanup_flags |= options[o].flags;
	}
	strs_release(&words);
}

void *conf_compile(struct service *s, struct problems *problems)
{
	struct smtpd_conf *c = xcalloc(1, sizeof(*c));
	struct tables *t = generation_tables(s->generation);
	const struct view *v = s->view;
	const char *parents = view_str(v, parent_domain_matches_subdomains);

#define HOSTS(name) \
	match_list_new(t, MATCH_HOST, #name, view_str(v, name), match_parent_style(parents, #name), problems)
#define WORDS(name)	match_list_new(t, MATCH_STRING, #name, view_str(v, name), false, problems)
	c->access = access_compile(s, problems);
	c->notify = notify_classes_mask(view_str(v, notify_classes));
	c->xclient = HOSTS(smtpd_authorized_xclient_hosts);
	c->xforward = HOSTS(smtpd_authorized_xforward_hosts);
	c->verp = HOSTS(smtpd_authorized_verp_clients);
	c->no_limits = HOSTS(smtpd_client_event_limit_exceptions);
	c->bare_lf_except = HOSTS(smtpd_forbid_bare_newline_exclusions);
	c->flush_domains = match_list_new(t, MATCH_DOMAIN, "fast_flush_domains", view_str(v, fast_flush_domains),
	    match_parent_style(parents, "fast_flush_domains"), problems);
	c->noop_cmds = WORDS(smtpd_noop_commands);
	c->forbidden_cmds = WORDS(smtpd_forbidden_commands);
#undef HOSTS
#undef WORDS
	c->discard_maps = maps_new(t, "smtpd_discard_ehlo_keyword_address_maps",
	    view_str(v, smtpd_discard_ehlo_keyword_address_maps), 0, problems);
	c->footer_maps =
	    maps_new(t, "smtpd_reject_footer_maps", view_str(v, smtpd_reject_footer_maps), TABLE_FOLD, problems);
	c->command_filter =
	    maps_new(t, "smtpd_command_filter", view_str(v, smtpd_command_filter), TABLE_FOLD, problems);
	c->discard = keyword_mask(view_str(v, smtpd_discard_ehlo_keywords));
	c->bare_lf = bare_lf_mode(v, problems);
	override_options(c, v, problems);
	if (strchr(view_str(v, address_verify_sender), '@') != NULL || *view_str(v, address_verify_sender) == '\0')
		c->verify_sender = xstrdup(view_str(v, address_verify_sender));
	else
		c->verify_sender = xasprintf("%s@%s", view_str(v, address_verify_sender), view_str(v, myorigin));
	return c;
}

void conf_release(void *state)
{
	struct smtpd_conf *c = state;

	access_lists_free(&c->access);
	free(c->verify_sender);
	free(c);
}

void smtpd_plan(const struct service *s, struct smtpd_plan *plan)
{
	const struct smtpd_conf *c = s->state;

	*plan = (struct smtpd_plan){ c->access, c->cleanup_flags, c->allow_unlisted };
}
