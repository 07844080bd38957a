/* smtp.c - registers the SMTP and LMTP clients: what is compiled for each of their lines in master.cf. */
#include "client.h"
#include <postrider/smtp.h>
#include <stdlib.h>

extern const struct agent_class smtp_agent, lmtp_agent;

static struct maps *maps_of(const struct service *s, const char *name, const char *text, struct problems *problems)
{
	return *text != '\0' ? maps_new(generation_tables(s->generation), name, text, TABLE_FOLD, problems) : NULL;
}

static struct table *reply_filter_of(const struct service *s, bool lmtp, struct problems *problems)
{
	const char *spec = lmtp ? view_str(s->view, lmtp_reply_filter) : view_str(s->view, smtp_reply_filter);

	return *spec != '\0' ? table_open(generation_tables(s->generation), spec, 0,
	    lmtp ? "lmtp_reply_filter" : "smtp_reply_filter", problems) : NULL;
}

static struct smtp_service *compile(struct service *s, struct problems *problems, bool lmtp)
{
	struct smtp_service *svc = xcalloc(1, sizeof(*svc));
	const struct view *v = s->view;
	const char *kept =
	    lmtp ? view_str(v, lmtp_connection_cache_destinations) : view_str(v, smtp_connection_cache_destinations);

	svc->service = s;
	TAILQ_INIT(&svc->parked);
	params_load(&svc->p, v, lmtp);
	flags_load(&svc->p, s->entry, problems);
	source_address(&svc->bind4, AF_INET, lmtp ? "lmtp_bind_address" : "smtp_bind_address",
	    lmtp ? view_str(v, lmtp_bind_address) : view_str(v, smtp_bind_address), view_str(v, inet_interfaces),
	    problems);
	source_address(&svc->bind6, AF_INET6, lmtp ? "lmtp_bind_address6" : "smtp_bind_address6",
	    lmtp ? view_str(v, lmtp_bind_address6) : view_str(v, smtp_bind_address6), view_str(v, inet_interfaces),
	    problems);
	ports_load(&svc->ports, "/etc/services", view_str(v, known_tcp_ports));
	params_check(v, lmtp, problems);
	if (*kept != '\0')
		svc->cache_dest = match_list_new(generation_tables(s->generation), MATCH_STRING,
		    lmtp ? "lmtp_connection_cache_destinations" : "smtp_connection_cache_destinations", kept, false,
		    problems);
	svc->reply_filter = reply_filter_of(s, lmtp, problems);
	svc->dns_filter = maps_of(s, lmtp ? "lmtp_dns_reply_filter" : "smtp_dns_reply_filter",
	    lmtp ? view_str(v, lmtp_dns_reply_filter) : view_str(v, smtp_dns_reply_filter), problems);
	if (lmtp) {
		svc->discard_maps = maps_of(s, "lmtp_discard_lhlo_keyword_address_maps",
		    view_str(v, lmtp_discard_lhlo_keyword_address_maps), problems);
		svc->pix_maps = maps_of(s, "lmtp_pix_workaround_maps", view_str(v, lmtp_pix_workaround_maps), problems);
	} else {
		svc->discard_maps = maps_of(s, "smtp_discard_ehlo_keyword_address_maps",
		    view_str(v, smtp_discard_ehlo_keyword_address_maps), problems);
		svc->pix_maps = maps_of(s, "smtp_pix_workaround_maps", view_str(v, smtp_pix_workaround_maps), problems);
	}
	generic_load(&svc->generic, s->generation, v, lmtp ? "lmtp_generic_maps" : "smtp_generic_maps",
	    lmtp ? view_str(v, lmtp_generic_maps) : view_str(v, smtp_generic_maps), problems);
	return svc;
}

static void *compile_smtp(struct service *s, struct problems *problems)
{
	return compile(s, problems, false);
}

static void *compile_lmtp(struct service *s, struct problems *problems)
{
	return compile(s, problems, true);
}

static void leave(void *state)
{
	cache_release(state);
}

static void release(void *state)
{
	struct smtp_service *svc = state;

	free(svc->p.unfit);
	hash_release(&svc->ports, NULL);
	free(svc);
}

static const struct service_class smtp_class = { .command = "smtp", .compile = compile_smtp, .leave = leave,
	.release = release };
static const struct service_class lmtp_class = { .command = "lmtp", .compile = compile_lmtp, .leave = leave,
	.release = release };

void smtp_init(void)
{
	service_class_register(&smtp_class);
	service_class_register(&lmtp_class);
	qmgr_agent_register(&smtp_agent);
	qmgr_agent_register(&lmtp_agent);
}

void smtp_release(void)
{
	cache_close_all();
}

void smtp_stats(struct smtp_stats *st)
{
	*st = (struct smtp_stats){
		.connections = smtp_counts.connections,
		.reused = smtp_counts.reused,
		.cached = smtp_counts.cached,
	};
}

const struct generic *smtp_generic(const struct service *s)
{
	const struct smtp_service *svc = s->state;

	return &svc->generic;
}
