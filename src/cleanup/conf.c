/* conf.c - what cleanup takes from the configuration, compiled once per generation: one set for the base
 * configuration and one for each cleanup line of master.cf, since smtpd services may name their own
 * (cleanup_service_name). */
#include <stdlib.h>

#include <postrider/service.h>

#include "cleanup_room.h"

struct confs {
	struct cleanup_conf *v;
	size_t		 n;
};

/* C-like escapes: \a \b \f \n \r \t \v \nnn \\; any other escaped byte is itself. */
static bool character_set(unsigned char set[256], const char *text)
{
	static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
	bool any = *text != '\0';
	const char *at;

	while (*text != '\0') {
		unsigned c = (unsigned char)*text++;

		if (c == '\\' && *text >= '0' && *text <= '7') {
			c = 0;
			for (int i = 0; i < 3 && *text >= '0' && *text <= '7'; i++)
				c = c * 8 + (unsigned)(*text++ - '0');
		} else if (c == '\\' && *text != '\0') {
			c = (unsigned char)*text++;
			if ((at = strchr(names, (int)c)) != NULL)
				c = (unsigned char)values[at - names];
		}
		set[c & 0xff] = 1;
	}
	return any;
}

static void drop_headers(struct cleanup_conf *c)
{
	struct strs names = { 0 };

	strs_split(&names, view_str(c->view, message_drop_headers), ", \t\r\n");
	for (size_t i = 0; i < names.n; i++) {
		const struct hdr_info *info = hdr_find(names.v[i], strlen(names.v[i]));

		if (info != NULL)
			c->drop |= UINT64_C(1) << info->id;
		else
			strs_add(&c->drop_other, names.v[i]);
	}
	strs_release(&names);
}

static void mime_options(struct cleanup_conf *c)
{
	const struct view *v = c->view;
	bool strict = view_bool(v, strict_8bitmime);
	unsigned report = 0;

	c->mime = (struct mime_config){.header_size_limit = (size_t)view_int(v, header_size_limit),
				       .nesting_limit = view_int(v, mime_nesting_limit),
				       .boundary_limit = (size_t)view_int(v, mime_boundary_length_limit)};
	c->mime_internal = c->mime;
	if (view_bool(v, disable_mime_input_processing))
		return;
	if (strict || view_bool(v, strict_7bit_headers))
		report |= MIME_REPORT_8BIT_HEADER;
	if (strict || view_bool(v, strict_8bitmime_body))
		report |= MIME_REPORT_8BIT_BODY;
	if (view_bool(v, strict_mime_encoding_domain))
		report |= MIME_REPORT_ENCODING;
	if (report != 0 || *view_str(v, header_checks) != '\0' || *view_str(v, mime_header_checks) != '\0' ||
	    *view_str(v, nested_header_checks) != '\0')
		report |= MIME_REPORT_NESTING;
	c->mime_internal.options = MIME_PARSE;
	c->mime.options = MIME_PARSE | report | (view_bool(v, force_mime_input_conversion) ? MIME_DOWNGRADE : 0);
}

static bool lists_class(const char *text, const char *name)
{
	struct strs words = { 0 };
	bool found = false;

	strs_split(&words, text, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		found |= str_ieq(words.v[i], name) || str_ieq(words.v[i], "all");
	strs_release(&words);
	return found;
}

static void conf_fill(struct cleanup_conf *c, const char *name, const struct view *v)
{
	const char *classes = view_str(v, smtputf8_autodetect_classes);

	c->name = name;
	c->view = v;
	c->log_name = xasprintf("%s/cleanup", view_str(v, syslog_name));
	mime_options(c);
	drop_headers(c);
	c->replace_stray = view_bool(v, cleanup_replace_stray_cr_lf);
	c->strip_any = character_set(c->strip, view_str(v, message_strip_characters));
	c->reject_any = character_set(c->reject, view_str(v, message_reject_characters));
	c->utf8 = view_bool(v, smtputf8_enable);
	c->detect_submit = c->utf8 && lists_class(classes, "sendmail");
	c->detect_smtpd = c->utf8 && lists_class(classes, "smtpd");
	c->detect_bounce = c->utf8 && lists_class(classes, "bounce");
	c->detect_notify = c->utf8 && lists_class(classes, "notify");
	c->orig_rcpt = view_bool(v, enable_original_recipient);
	c->line_limit = (size_t)view_int(v, line_length_limit);
}

static void *compile(struct generation *g, struct problems *problems)
{
	const struct config *config = generation_config(g);
	size_t n = config_master_count(config);
	struct confs *all = xcalloc(1, sizeof(*all));

	(void)problems;
	all->v = xcalloc(n + 1, sizeof(*all->v));
	conf_fill(&all->v[all->n++], NULL, generation_view(g));
	for (size_t i = 0; i < n; i++) {
		const struct master_entry *e = config_master(config, i);

		if (strcmp(e->command, "cleanup") == 0)
			conf_fill(&all->v[all->n++], e->name, config_entry_view(config, i, false));
	}
	return all;
}

static void release(void *state)
{
	struct confs *all = state;

	for (size_t i = 0; i < all->n; i++) {
		strs_release(&all->v[i].drop_other);
		free(all->v[i].log_name);
	}
	free(all->v);
	free(all);
}

static struct generation_hook hook = { .name = "cleanup", .compile = compile, .release = release };

const struct cleanup_conf *conf_of(const struct generation *g, const struct service *owner)
{
	const struct confs *all = generation_state(g, &hook);
	const char *name = view_str(owner != NULL ? owner->view : generation_view(g), cleanup_service_name);

	for (size_t i = 1; i < all->n; i++)
		if (strcmp(all->v[i].name, name) == 0)
			return &all->v[i];
	return &all->v[0];
}

void cleanup_init(void)
{
	generation_hook_register(&hook);
}
