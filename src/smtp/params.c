/* params.c - one service's parameters, read once when the configuration is loaded.
 *
 * The SMTP and the LMTP client are one program with two sets of parameters of the same meaning. The
 * table below pairs them; nothing else in this module knows which set a service uses. */
#include "client.h"
#include <postrider/access.h>
#include <postrider/log.h>
#include <stdlib.h>

static bool listed(const char *text, const char *word)
{
	char *copy = xstrdup(text), *cur = copy, *tok;
	bool found = false;

	while ((tok = str_tok(&cur, " ,\t\r\n")) != NULL)
		found |= str_ieq(tok, word);
	free(copy);
	return found;
}

/* What this release cannot honour must not be dropped silently: such a service defers. */
static const char *tls_demand(const struct view *v, bool lmtp)
{
#define TWIN(get, name)	(lmtp ? get(v, lmtp_##name) : get(v, smtp_##name))
	const char *level = TWIN(view_str, tls_security_level);

	if (TWIN(view_bool, tls_wrappermode))
		return lmtp ? "lmtp_tls_wrappermode" : "smtp_tls_wrappermode";
	if (*level != '\0' && !str_ieq(level, "none") && !str_ieq(level, "may"))
		return lmtp ? "lmtp_tls_security_level" : "smtp_tls_security_level";
	if (TWIN(view_bool, enforce_tls))
		return lmtp ? "lmtp_enforce_tls" : "smtp_enforce_tls";
	if (*TWIN(view_str, tls_policy_maps) != '\0')
		return lmtp ? "lmtp_tls_policy_maps" : "smtp_tls_policy_maps";
	if (*TWIN(view_str, tls_per_site) != '\0')
		return lmtp ? "lmtp_tls_per_site" : "smtp_tls_per_site";
	return NULL;
}

static void timeouts_load(struct smtp_params *p, const struct view *v, bool lmtp)
{
	p->connect_ms = TWIN(view_ms, connect_timeout);
	p->helo_ms = lmtp ? view_ms(v, lmtp_lhlo_timeout) : view_ms(v, smtp_helo_timeout);
	p->xforward_ms = TWIN(view_ms, xforward_timeout);
	p->mail_ms = TWIN(view_ms, mail_timeout);
	p->rcpt_ms = TWIN(view_ms, rcpt_timeout);
	p->data_init_ms = TWIN(view_ms, data_init_timeout);
	p->data_xfer_ms = TWIN(view_ms, data_xfer_timeout);
	p->data_done_ms = TWIN(view_ms, data_done_timeout);
	p->rset_ms = TWIN(view_ms, rset_timeout);
	p->quit_ms = TWIN(view_ms, quit_timeout);
	p->per_request_deadline = TWIN(view_bool, per_request_deadline);
	p->min_data_rate = TWIN(view_int, min_data_rate);
}

static void lookup_load(struct smtp_params *p, const struct view *v, bool lmtp)
{
	const char *support = TWIN(view_str, dns_support_level);
	const char *how = TWIN(view_str, host_lookup), *protocols = view_str(v, inet_protocols);
	const char *pref = TWIN(view_str, address_preference);

	p->use_dns = *support == '\0' ? !view_bool(v, disable_dns_lookups) : !str_ieq(support, "disabled");
	p->lookup_dns = p->use_dns && listed(how, "dns");
	p->lookup_native = !p->use_dns || listed(how, "native");
	p->ipv4 = listed(protocols, "all") || listed(protocols, "ipv4");
	p->ipv6 = listed(protocols, "all") || listed(protocols, "ipv6");
	p->prefer = str_ieq(pref, "ipv4") ? PREFER_IPV4 : str_ieq(pref, "ipv6") ? PREFER_IPV6 : PREFER_ANY;
	p->search = (listed(TWIN(view_str, dns_resolver_options), "res_defnames") ? HOST_DEFNAMES : 0) |
	    (listed(TWIN(view_str, dns_resolver_options), "res_dnsrch") ? HOST_DNSRCH : 0);
	p->randomize = TWIN(view_bool, randomize_addresses);
	p->balance = TWIN(view_bool, balance_inet_protocols);
	p->ignore_mx_error = view_bool(v, ignore_mx_lookup_error);
	p->defer_if_no_mx_address = TWIN(view_bool, defer_if_no_mx_address_found);
	p->mx_address_limit = TWIN(view_int, mx_address_limit);
	p->mx_session_limit = TWIN(view_int, mx_session_limit);
	p->bind_enforce = TWIN(view_bool, bind_address_enforce);
}

void params_load(struct smtp_params *p, const struct view *v, bool lmtp)
{
	p->lmtp = lmtp;
	p->myhostname = view_str(v, myhostname);
	p->relayhost = view_str(v, relayhost);
	p->queue_directory = view_str(v, queue_directory);
	p->helo_name = lmtp ? view_str(v, lmtp_lhlo_name) : view_str(v, smtp_helo_name);
	p->fallback_relay = TWIN(view_str, fallback_relay);
	p->tcp_port = TWIN(view_str, tcp_port);
	p->discard_words = lmtp ? view_str(v, lmtp_discard_lhlo_keywords) : view_str(v, smtp_discard_ehlo_keywords);
	p->pix_words = TWIN(view_str, pix_workarounds);
	p->pix_delay_ms = TWIN(view_ms, pix_workaround_delay_time);
	p->pix_threshold_s = TWIN(view_secs, pix_workaround_threshold_time);
	p->tls_demand = tls_demand(v, lmtp);
	p->sasl = TWIN(view_bool, sasl_auth_enable) && *TWIN(view_str, sasl_password_maps) != '\0';
	p->chroot = v->entry != NULL && v->entry->chroot_ == 'y';
	p->always_ehlo = lmtp || view_bool(v, smtp_always_send_ehlo);
	p->never_ehlo = !lmtp && view_bool(v, smtp_never_send_ehlo);
	p->skip_5xx_greeting = TWIN(view_bool, skip_5xx_greeting);
	p->skip_quit_response = TWIN(view_bool, skip_quit_response);
	p->xforward = TWIN(view_bool, send_xforward_command);
	p->quote_envelope = TWIN(view_bool, quote_rfc821_envelope);
	p->mime_downgrade = !view_bool(v, disable_mime_output_conversion);
	p->soft_bounce = view_bool(v, soft_bounce);
	p->notify = (notify_classes_mask(view_str(v, notify_classes)) & ACCESS_ERR_PROTOCOL) != 0;
	p->double_bounce = view_str(v, double_bounce_sender);
	p->verify_at_data = str_ieq(TWIN(view_str, address_verify_target), "data");
	p->cname_overrides = TWIN(view_bool, cname_overrides_servername);
	p->assume_final = lmtp && view_bool(v, lmtp_assume_final);
	p->line_limit = TWIN(view_int, line_length_limit);
	p->reply_max = view_int(v, line_length_limit);
	p->header_limit = view_int(v, header_size_limit);
	p->nesting_limit = view_int(v, mime_nesting_limit);
	p->boundary_limit = view_int(v, mime_boundary_length_limit);
	p->cache_on_demand =
	    TWIN(view_bool, connection_cache_on_demand) && (!lmtp || view_bool(v, lmtp_cache_connection));
	p->cache_ms = MIN(TWIN(view_ms, connection_cache_time_limit), view_ms(v, connection_cache_ttl_limit));
	p->reuse_ms = TWIN(view_ms, connection_reuse_time_limit);
	p->reuse_count = TWIN(view_int, connection_reuse_count_limit);
	lookup_load(p, v, lmtp);
	timeouts_load(p, v, lmtp);
}
#undef TWIN

/* ---- lists of words --------------------------------------------------------------------------------------------- */
struct word { const char *name; unsigned bits; };

static const struct word ehlo_words[] = {	/* in the order and form that Postfix prints them */
	{ "8BITMIME", FEAT_8BITMIME }, { "AUTH", FEAT_AUTH }, { "ETRN", FEAT_IGNORED },
	{ "PIPELINING", FEAT_PIPELINING }, { "SIZE", FEAT_SIZE }, { "VRFY", FEAT_IGNORED << 1 },
	{ "XCLIENT", FEAT_IGNORED << 2 }, { "XFORWARD", FEAT_XFORWARD }, { "STARTTLS", FEAT_STARTTLS },
	{ "ENHANCEDSTATUSCODES", FEAT_IGNORED << 3 }, { "DSN", FEAT_DSN }, { "SMTPUTF8", FEAT_SMTPUTF8 },
	{ "CHUNKING", FEAT_IGNORED << 4 }, { "silent-discard", EHLO_SILENT },
};
static const struct word pix_words[] = {
	{ "disable_esmtp", FEAT_PIX_NO_ESMTP }, { "delay_dotcrlf", FEAT_PIX_DELAY_DOTCRLF },
};

static const struct word *word_find(const struct word *w, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(w[i].name, name))
			return &w[i];
	return NULL;
}

unsigned client_ehlo_mask(const struct log_ctx *ctx, const char *words, const char *where)
{
	char *copy = xstrdup(words), *cur = copy, *tok;
	unsigned mask = 0;

	while ((tok = str_tok(&cur, " ,\t\r\n")) != NULL) {
		const struct word *w = word_find(ehlo_words, NELEM(ehlo_words), tok);

		if (w != NULL)
			mask |= w->bits;
		else if (where != NULL)
			log_warn(ctx, "unknown %s value \"%s\" in \"%s\"", where, tok, words);
	}
	free(copy);
	return mask;
}

unsigned pix_mask(const char *words)
{
	char *copy = xstrdup(words), *cur = copy, *tok;
	unsigned mask = 0;

	while ((tok = str_tok(&cur, " ,\t\r\n")) != NULL) {
		const struct word *w = word_find(pix_words, NELEM(pix_words), tok);

		if (w != NULL)
			mask |= w->bits;
	}
	free(copy);
	return mask;
}

static void mask_print(struct buf *out, const struct word *w, size_t n, unsigned mask)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].bits != 0 && (mask & w[i].bits) == w[i].bits) {
			if (out->len > 0)
				buf_addc(out, ' ');
			buf_adds(out, w[i].name);
		}
}

void ehlo_mask_print(struct buf *out, unsigned mask)
{
	mask_print(out, ehlo_words, NELEM(ehlo_words), mask);
}

void pix_mask_print(struct buf *out, unsigned mask)
{
	mask_print(out, pix_words, NELEM(pix_words), mask);
}
