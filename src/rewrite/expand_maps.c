/* expand_maps.c - the maps of each cleanup line of master.cf (and of the base configuration), opened when the
 * configuration is loaded. */
#include <stdlib.h>

#include "expand_room.h"

static unsigned classes(const char *param, const char *text, struct problems *problems)
{
	static const struct { const char *name; unsigned bit; } names[] = {
		{ "envelope_sender", ENV_SENDER }, { "envelope_recipient", ENV_RCPT }, { "header_sender", HDR_SENDERS },
		{ "header_recipient", HDR_RCPTS },
	};
	struct strs words = { 0 };
	unsigned bits = 0;

	strs_split(&words, text, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++) {
		unsigned bit = 0;

		for (size_t n = 0; n < NELEM(names); n++)
			if (str_ieq(words.v[i], names[n].name))
				bit = names[n].bit;
		if (bit == 0)
			problem_add(problems, PROBLEM_FATAL, NULL, 0, "unknown %s value \"%s\" in \"%s\"", param,
				    words.v[i], text);
		bits |= bit;
	}
	strs_release(&words);
	return bits;
}

bool lists_word(const char *text, const char *word)
{
	struct strs words = { 0 };
	bool found = false;

	strs_split(&words, text, ", \t\r\n");
	for (size_t i = 0; i < words.n; i++)
		found |= str_ieq(words.v[i], word);
	strs_release(&words);
	return found;
}

static void fill(struct expand_maps *m, struct tables *t, const struct view *v, struct problems *problems)
{
	static const char *const known[] = { "canonical", "virtual", "alias", "forward", "include", "generic" };
	const char *propagate = view_str(v, propagate_unmatched_extensions);
	struct strs words = { 0 };

	strs_split(&words, propagate, ", \t\r\n");
	for (size_t i = 0, n; i < words.n; i++) {
		for (n = 0; n < NELEM(known) && !str_ieq(words.v[i], known[n]); n++)
			continue;
		if (n == NELEM(known))
			problem_add(problems, PROBLEM_FATAL, NULL, 0, "unknown propagate_unmatched_extensions value \"%s\" in \"%s\"",
			    words.v[i], propagate);
	}
	strs_release(&words);

	m->view = v;
	m->canonical = maps_new(t, "canonical_maps", view_str(v, canonical_maps), TABLE_ADDR, problems);
	m->sender_canonical =
	    maps_new(t, "sender_canonical_maps", view_str(v, sender_canonical_maps), TABLE_ADDR, problems);
	m->rcpt_canonical =
	    maps_new(t, "recipient_canonical_maps", view_str(v, recipient_canonical_maps), TABLE_ADDR, problems);
	m->virtual_ = maps_new(t, "virtual_alias_maps", view_str(v, virtual_alias_maps), TABLE_ADDR, problems);
	m->sender_bcc = maps_new(t, "sender_bcc_maps", view_str(v, sender_bcc_maps), TABLE_ADDR, problems);
	m->rcpt_bcc = maps_new(t, "recipient_bcc_maps", view_str(v, recipient_bcc_maps), TABLE_ADDR, problems);
	m->canonical_classes = classes("canonical_classes", view_str(v, canonical_classes), problems);
	m->sender_classes = classes("sender_canonical_classes", view_str(v, sender_canonical_classes), problems);
	m->rcpt_classes = classes("recipient_canonical_classes", view_str(v, recipient_canonical_classes), problems);
	m->masquerade_classes = classes("masquerade_classes", view_str(v, masquerade_classes), problems);
	strs_split(&m->masquerade, view_str(v, masquerade_domains), ", \t\r\n");
	m->exceptions = match_list_new(t, MATCH_STRING, "masquerade_exceptions", view_str(v, masquerade_exceptions),
				       false, problems);
	m->propagate_canonical = lists_word(propagate, "canonical");
	m->propagate_virtual = lists_word(propagate, "virtual");
	m->any = !maps_empty(m->canonical) || !maps_empty(m->sender_canonical) || !maps_empty(m->rcpt_canonical) ||
	    !maps_empty(m->virtual_) || !maps_empty(m->sender_bcc) || !maps_empty(m->rcpt_bcc) || m->masquerade.n > 0;
	m->any_header = (!maps_empty(m->canonical) && (m->canonical_classes & (HDR_SENDERS | HDR_RCPTS)) != 0) ||
	    (!maps_empty(m->sender_canonical) && (m->sender_classes & HDR_SENDERS) != 0) ||
	    (!maps_empty(m->rcpt_canonical) && (m->rcpt_classes & HDR_RCPTS) != 0) ||
	    (m->masquerade.n > 0 && (m->masquerade_classes & (HDR_SENDERS | HDR_RCPTS)) != 0);
}

void expand_maps_load(struct rewrite_state *st, struct generation *g, struct problems *problems)
{
	const struct config *config = generation_config(g);
	size_t n = config_master_count(config);

	st->expand = xcalloc(n + 1, sizeof(*st->expand));
	fill(&st->expand[st->nexpand++], generation_tables(g), generation_view(g), problems);
	for (size_t i = 0; i < n; i++)
		if (strcmp(config_master(config, i)->command, "cleanup") == 0)
			fill(&st->expand[st->nexpand++], generation_tables(g), config_entry_view(config, i, false),
			     problems);
}

void expand_maps_release(struct rewrite_state *st)
{
	for (size_t i = 0; i < st->nexpand; i++)
		strs_release(&st->expand[i].masquerade);
	free(st->expand);
}

const struct expand_maps *expand_maps_of(const struct rewrite_state *st, const struct view *v)
{
	for (size_t i = 1; i < st->nexpand; i++)
		if (st->expand[i].view == v)
			return &st->expand[i];
	return &st->expand[0];
}
