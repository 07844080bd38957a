/* state.c - what a generation needs for rewriting and routing, compiled when it is loaded. */
#include <stdlib.h>

#include "rewrite_room.h"

static struct rewrite_state *state_new(const struct view *v)
{
	struct rewrite_state *st = xcalloc(1, sizeof(*st));

	st->view = v;
	st->log_name = xasprintf("%s/trivial-rewrite", view_str(v, syslog_name));
	st->log.name = st->log_name;
	st->myorigin = view_str(v, myorigin);
	return st;
}

static bool names_table(const char *text)
{
	return strchr(text, ':') != NULL || strchr(text, '/') != NULL;
}

static void *compile(struct generation *g, struct problems *problems)
{
	const struct service *line = service_find(g, "trivial-rewrite");
	const struct view *v = line != NULL ? line->view : generation_view(g);
	struct rewrite_state *st = state_new(v);
	struct tables *t = generation_tables(g);
	const char *parents = view_str(v, parent_domain_matches_subdomains);

	st->mydestination =
	    match_list_new(t, MATCH_STRING, "mydestination", view_str(v, mydestination), false, problems);
	st->alias_domains = match_list_new(t, MATCH_STRING, "virtual_alias_domains", view_str(v, virtual_alias_domains),
					   false, problems);
	st->mailbox_domains = match_list_new(t, MATCH_STRING, "virtual_mailbox_domains",
					     view_str(v, virtual_mailbox_domains), false, problems);
	st->relay_domains = match_list_new(t, MATCH_DOMAIN, "relay_domains", view_str(v, relay_domains),
	    match_parent_style(parents, "relay_domains"), problems);
	st->transport_parents = match_parent_style(parents, "transport_maps");
	st->transport =
	    maps_new(t, "transport_maps", view_str(v, transport_maps), TABLE_ADDR | TABLE_NO_REGSUB, problems);
	st->relocated = maps_new(t, "relocated_maps", view_str(v, relocated_maps), TABLE_ADDR, problems);
	st->sender_transport = maps_new(t, "sender_dependent_default_transport_maps",
	    view_str(v, sender_dependent_default_transport_maps), TABLE_ADDR | TABLE_NO_REGSUB, problems);
	st->sender_relayhost =
	    maps_new(t, "sender_dependent_relayhost_maps", view_str(v, sender_dependent_relayhost_maps),
		     TABLE_ADDR | TABLE_NO_REGSUB, problems);
	st->cacheable = maps_empty(st->transport) && maps_empty(st->relocated) && maps_empty(st->sender_transport) &&
	    maps_empty(st->sender_relayhost) && !names_table(view_str(v, mydestination)) &&
	    !names_table(view_str(v, virtual_alias_domains)) && !names_table(view_str(v, virtual_mailbox_domains)) &&
	    !names_table(view_str(v, relay_domains));
	own_addresses_load(st, v, problems);
	expand_maps_load(st, g, problems);
	return st;
}

static void release(void *state)
{
	struct rewrite_state *st = state;

	expand_maps_release(st);
	hash_release(&st->domains, free);
	free(st->own);
	free(st->log_name);
	free(st);
}

static void adopt(void *state)
{
	struct rewrite_state *st = state;

	st->log.number = log_number();
	address_idna2003(view_bool(st->view, enable_idna2003_compatibility));
}

static struct generation_hook hook = { .name = "rewrite", .compile = compile, .release = release, .adopt = adopt };

struct extension_rules rewrite_extensions(const struct view *v)
{
	return (struct extension_rules){ view_str(v, recipient_delimiter), view_str(v, double_bounce_sender),
					 view_bool(v, owner_request_special) };
}

const struct rewrite_state *state_of(const struct generation *g)
{
	return generation_state(g, &hook);
}

void rewrite_init(void)
{
	generation_hook_register(&hook);
}
