/* resolve.c - where mail to an address goes.
 *
 * A run has two halves. First the address loses every domain that is delivered here: user%x@us becomes user@x,
 * x!user@us becomes user@x, "user@x"@us becomes user@x (quoted operators count, or spam would be relayed through
 * them), until a domain remains that is not ours or none is left. Then the domain's class decides about transport and
 * next hop, and the tables may overrule it: sender-dependent ones, transport_maps, relocated_maps.
 *
 * Worked example, "u%b.example@us" with b.example in relay_domains: S_STRIP asks whether "us" is ours (S_LOCAL: yes)
 * and cuts it off; S_ROUTE finds the '%', makes it '@' and goes back to S_STRIP; b.example is not ours, so S_CLASSIFY
 * begins with the address u@b.example; S_ALIAS no, S_MAILBOX no, S_RELAY yes: relay_transport, next hop b.example;
 * S_TRANSPORT, S_RELOCATED have no tables; S_DONE.
 *
 * Where no table takes part (the usual case) a plain address depends on its domain only; those results are kept in a
 * table of domains that is emptied when it is full. */
#include <stdlib.h>

#include "resolve_room.h"

/* ---- results ---------------------------------------------------------------------------------- */
static void set(struct buf *b, const char *text)
{
	buf_reset(b);
	buf_adds(b, text);
}

static void fail(struct resolve_run *r, unsigned flag)
{
	struct resolve_op *op = r->op;

	op->flags |= flag;
	op->why = flag == RESOLVE_ERROR ? "5.1.3 bad address syntax" : "4.3.0 address resolver failure";
	set(&op->transport, flag == RESOLVE_ERROR ? "error" : "retry");
	set(&op->nexthop, op->why);
	if (op->class_ == 0)
		op->class_ = CLASS_DEFAULT;
	r->step = S_DONE;
}

static void tell(struct resolve_run *r, const char *rule)
{
	struct buf now = { 0 };

	if (!trace_on())
		return;
	tok_internalize(&now, r->tree.head);
	trace_rewrite(rule, buf_str(&r->told), buf_str(&now));
	buf_release(&r->told);
	r->told = now;
}

static void lookup_failed(struct resolve_run *r, const char *param)
{
	log_warn(&r->st->log, "%s lookup failure", param);
	fail(r, RESOLVE_FAIL);
}

/* "transport:nexthop" of a main.cf parameter or a table. */
static void set_transport(struct resolve_run *r, const char *param, const char *value)
{
	struct resolve_op *op = r->op;
	size_t n = strcspn(value, ":");

	trace_note(param, value);
	r->blame = param;
	buf_reset(&op->transport);
	buf_add(&op->transport, value, n);
	if (value[n] == ':' && value[n + 1] != '\0')
		set(&op->nexthop, value + n + 1);
}

/* ---- stripping local domains -------------------------------------------------------------------- */
static bool is_tok_op(const struct tok *t, int op)
{
	return t != NULL && t->type == TOK_OP && t->op == op;
}

/* user@1.2.3.4 means user@[1.2.3.4] (resolve_numeric_domain). */
static void make_literal(struct resolve_run *r, struct buf *domain)
{
	tok_cut_before(&r->tree, r->at->next);
	tok_append(&r->tree, tok_new(&r->arena, TOK_LITERAL, 0, domain->p));
	buf_reset(domain);
	tok_internalize(domain, r->at->next);
}

static void strip(struct resolve_run *r)
{
	struct tok_list *l = &r->tree;
	struct buf domain = { 0 };

	if (r->loops++ > r->max_loops) {
		log_warn(&r->st->log, "resolve_addr: <%s>: giving up after %u iterations", r->addr, r->loops - 1);
		fail(r, RESOLVE_FAIL);
		return;
	}
	if (is_tok_op(l->tail, '.') && tok_rfind(l->tail, '@') != NULL && !is_tok_op(l->tail->prev, '.') &&
	    !is_tok_op(l->tail->prev, '@'))
		tok_cut_before(l, l->tail);
	tell(r, "trailing dot");
	if (view_bool(r->st->view, resolve_null_domain) && is_tok_op(l->tail, '@'))
		tok_cut_before(l, l->tail);
	tell(r, "resolve_null_domain");
	r->at = tok_rfind(l->tail, '@');
	if (r->at == NULL) {
		r->step = S_ROUTE;
		return;
	}
	if (r->at->next != NULL)
		tok_internalize(&domain, r->at->next);
	if (domain.len > 0 && view_bool(r->st->view, resolve_numeric_domain) && address_valid_ip(domain.p))
		make_literal(r, &domain);
	tell(r, "resolve_numeric_domain");
	if (domain.len == 0) {			/* "user@": nothing to ask about */
		r->step = S_CUT;
	} else {
		local_start(&r->local, r->op->task, r->st, buf_str(&domain));
		r->step = S_LOCAL;
	}
	buf_release(&domain);
}

static void cut_domain(struct resolve_run *r)
{
	r->saved = (struct tok_list){ r->at, r->tree.tail };
	tok_cut_before(&r->tree, r->at);
	tell(r, "domain is delivered here");
	r->at = NULL;
	r->step = S_ROUTE;
}

/* A quoted local part with an operator in it is read as if it were not quoted. */
static bool crack(struct resolve_run *r)
{
	struct tok *t = r->tree.head;
	struct buf text = { 0 };
	char *oper;
	bool at;

	if (!view_bool(r->st->view, resolve_dequoted_address) || t == NULL || t != r->tree.tail ||
	    t->type != TOK_QSTRING)
		return false;
	oper = strrchr(t->text, '@');
	if (oper == NULL && view_bool(r->st->view, allow_percent_hack))
		oper = strrchr(t->text, '%');
	if (oper == NULL && view_bool(r->st->view, swap_bangpath))
		oper = strrchr(t->text, '!');
	if (oper == NULL)
		return false;
	if (*oper == '%')
		*oper = '@';
	at = *oper == '@';
	if (at)
		address_quote_822(&text, t->text);
	else
		buf_adds(&text, t->text);
	tok_scan(&r->arena, buf_str(&text), 0, &r->tree);
	buf_release(&text);
	rewrite_tokens(r->st, REWRITE_LOCAL, &r->arena, &r->tree);
	return true;
}

static void append_list(struct tok_list *l, struct tok_list *more)
{
	for (struct tok *t = more->head, *next; t != NULL; t = next) {
		next = t->next;
		tok_append(l, t);
	}
}

/* Nothing is left to strip: a domain again, the last one stripped or else this host, which need not be one of ours. */
static void complete(struct resolve_run *r)
{
	const char *host = view_str(r->st->view, myhostname);
	struct tok_list l;

	r->step = S_CLASSIFY;
	if (r->saved.head != NULL) {
		append_list(&r->tree, &r->saved);
		tell(r, "nothing left: the domain again");
		return;
	}
	r->at = tok_new(&r->arena, TOK_OP, '@', NULL);
	tok_append(&r->tree, r->at);
	tok_scan(&r->arena, host, 0, &l);
	append_list(&r->tree, &l);
	tell(r, "no domain: myhostname");
	local_start(&r->local, r->op->task, r->st, host);
	r->step = S_HOST;
}

static void route(struct resolve_run *r)
{
	struct tok_list *l = &r->tree;

	if (tok_rfind(l->tail, '@') != NULL ||
	    (view_bool(r->st->view, swap_bangpath) && tok_rfind(l->tail, '!') != NULL) ||
	    (view_bool(r->st->view, allow_percent_hack) && tok_rfind(l->tail, '%') != NULL)) {
		rewrite_tokens(r->st, REWRITE_LOCAL, &r->arena, l);
		tell(r, "sender-specified routing");
		r->step = S_STRIP;
		return;
	}
	if (crack(r)) {
		tell(r, "resolve_dequoted_address");
		r->step = S_STRIP;
		return;
	}
	if (l->head != NULL && l->head == l->tail && l->head->type == TOK_QSTRING && *l->head->text == '\0')
		*l = (struct tok_list){ 0 };
	if (l->head == NULL)
		tok_scan(&r->arena, view_str(r->st->view, empty_address_recipient), 0, l);
	complete(r);
}

/* ---- classes ------------------------------------------------------------------------------------ */
static bool domain_is_valid(const struct resolve_run *r, const char *domain)
{
	char literal[64];
	bool utf8 = view_bool(r->st->view, smtputf8_enable);

	if (*domain == '[')
		return address_literal(domain, literal, sizeof(literal));
	return !address_valid_ip(domain) && address_valid_hostname(domain, utf8);
}

/* The address is stripped: judge its domain. */
static void classify(struct resolve_run *r)
{
	struct resolve_op *op = r->op;
	const char *addr;

	r->is_local = r->at == NULL;
	buf_reset(&op->recipient);
	tok_internalize(&op->recipient, r->tree.head);
	addr = buf_str(&op->recipient);
	r->domain = strrchr(addr, '@') + 1;
	if (!domain_is_valid(r, r->domain)) {
		fail(r, RESOLVE_ERROR);
		return;
	}
	/* Operators count even where we would not follow them: the next host might. */
	if (addr + strcspn(addr, "@!%") + 1 != r->domain)
		op->flags |= RESOLVE_ROUTED;
	set(&op->nexthop, r->domain);
	if (r->is_local) {
		op->class_ = CLASS_LOCAL;
		set_transport(r, "local_transport", view_str(r->st->view, local_transport));
		r->step = S_WARN;
	} else
		r->step = S_ALIAS;
}

/* Is the domain in this list? Anything but MATCH_WAIT ends the question. */
static enum match_result ask(struct resolve_run *r, const struct match_list *list)
{
	enum match_result m;

	if (match_list_empty(list))
		return MATCH_NO;
	if (!r->asking) {
		match_start(&r->match, r->op->task, &r->st->log, list, r->domain, NULL);
		r->asking = true;
	}
	m = match_poll(&r->match);
	if (m != MATCH_WAIT) {
		match_end(&r->match);
		r->asking = false;
	}
	return m;
}

static void is_alias_domain(struct resolve_run *r)
{
	set(&r->op->transport, "error");
	set(&r->op->nexthop, "5.1.1 User unknown");
	if (view_bool(r->st->view, show_user_unknown_table_name))
		buf_adds(&r->op->nexthop, " in virtual alias table");
	r->op->class_ = CLASS_ALIAS;
	r->step = S_WARN;
}

/* The three lists of domains, one after the other; false: wait. */
static bool class_step(struct resolve_run *r)
{
	const struct rewrite_state *st = r->st;
	const struct match_list *list = r->step == S_ALIAS     ? st->alias_domains
					: r->step == S_MAILBOX ? st->mailbox_domains
							       : st->relay_domains;
	enum match_result m = ask(r, list);

	if (m == MATCH_WAIT)
		return false;
	if (m == MATCH_ERROR) {
		lookup_failed(r, r->step == S_ALIAS	? "virtual_alias_domains"
				 : r->step == S_MAILBOX ? "virtual_mailbox_domains"
							: "relay_domains");
	} else if (m == MATCH_NO && r->step != S_RELAY) {
		r->step = r->step == S_ALIAS ? S_MAILBOX : S_RELAY;
	} else if (r->step == S_ALIAS) {
		is_alias_domain(r);
	} else if (r->step == S_MAILBOX) {
		r->op->class_ = CLASS_VIRTUAL;
		set_transport(r, "virtual_transport", view_str(st->view, virtual_transport));
		r->step = S_WARN;
	} else if (m == MATCH_YES) {
		r->op->class_ = CLASS_RELAY;
		r->step = S_SENDER_RELAYHOST;
	} else {
		r->op->class_ = CLASS_DEFAULT;
		r->step = S_SENDER_TRANSPORT;
	}
	return true;
}

/* A domain in two lists is a mistake: what happens to it depends on the order above. False: wait. */
static bool warn_step(struct resolve_run *r)
{
	const struct rewrite_state *st = r->st;
	const struct { const struct match_list *list; const char *name; unsigned of; } other[] = {
		{ st->alias_domains, "virtual_alias_domains", CLASS_LOCAL },
		{ st->mailbox_domains, "virtual_mailbox_domains", CLASS_LOCAL | CLASS_ALIAS },
		{ st->relay_domains, "relay_domains", CLASS_ALIAS | CLASS_VIRTUAL },
	};
	const char *mine = r->op->class_ == CLASS_LOCAL	  ? "mydestination"
			   : r->op->class_ == CLASS_ALIAS ? "virtual_alias_domains"
							  : "virtual_mailbox_domains";

	for (; view_bool(st->view, helpful_warnings) && r->warned < NELEM(other); r->warned++) {
		enum match_result m;

		if ((other[r->warned].of & r->op->class_) == 0)
			continue;
		m = ask(r, other[r->warned].list);
		if (m == MATCH_WAIT)
			return false;
		if (m == MATCH_YES)
			log_warn(&st->log, "do not list domain %s in BOTH %s and %s", r->domain, mine,
				 other[r->warned].name);
	}
	r->step = S_TRANSPORT;
	return true;
}

/* ---- tables that overrule ------------------------------------------------------------------------- */
static enum table_result find(struct resolve_run *r, const struct maps *maps, const char *key, unsigned flags)
{
	if (maps_empty(maps))
		return TABLE_NONE;
	if (!r->finding) {
		find_start(&r->find, r->op->task, r->st, &r->st->log, maps, r->st->view, key, flags);
		r->finding = true;
	}
	return find_poll(&r->find);
}

static void find_done(struct resolve_run *r)
{
	if (r->finding)
		find_end(&r->find);
	r->finding = false;
}

static bool sender_step(struct resolve_run *r)
{
	const struct rewrite_state *st = r->st;
	const struct view *v = st->view;
	bool hop = r->step == S_SENDER_RELAYHOST;
	const char *key = r->sender, *value, *relay;
	enum table_result t;

	if (*key == '\0')
		key = hop ? view_str(v, empty_address_relayhost_maps_lookup_key) :
		    view_str(v, empty_address_default_transport_maps_lookup_key);
	t = find(r, hop ? st->sender_relayhost : st->sender_transport, key, FIND_DEFAULT);
	if (t == TABLE_WAIT)
		return false;
	value = t == TABLE_FOUND ? r->find.value : NULL;
	if (t == TABLE_ERROR) {
		lookup_failed(r, hop ? "sender_dependent_relayhost_maps" : "sender_dependent_default_transport_maps");
	} else if (!hop) {
		r->own_transport = value != NULL && !str_ieq(value, "DUNNO") ? arena_strdup(&r->arena, value) : NULL;
		r->step = S_SENDER_RELAYHOST;
	} else {
		relay = value == NULL || str_ieq(value, "DUNNO") ? view_str(v, relayhost) : value;
		if (*relay != '\0') {
			trace_note(value == relay ? "sender_dependent_relayhost_maps" : "relayhost", relay);
			set(&r->op->nexthop, relay);
		}
		if (r->op->class_ == CLASS_RELAY)
			set_transport(r, "relay_transport", view_str(v, relay_transport));
		else if (r->own_transport != NULL)
			set_transport(r, "sender_dependent_default_transport_maps", r->own_transport);
		else
			set_transport(r, "default_transport", view_str(v, default_transport));
		r->step = S_TRANSPORT;
	}
	find_done(r);
	return true;
}

/* A table's "transport:nexthop": an empty transport keeps what there is; a transport without a next hop goes to the
 * recipient's domain. */
static void overrule(struct resolve_run *r, const char *value)
{
	struct resolve_op *op = r->op;
	size_t n = strcspn(value, ":");
	const char *hop = value[n] == ':' ? value + n + 1 : "";

	if (n > 0) {
		buf_reset(&op->transport);
		buf_add(&op->transport, value, n);
		set(&op->nexthop,
		    strcmp(buf_str(&op->transport), "error") == 0 || strcmp(buf_str(&op->transport), "retry") == 0
			? "Address is undeliverable"
			: r->domain);
	}
	if (*hop != '\0')
		set(&op->nexthop, hop);
}

static bool transport_step(struct resolve_run *r)
{
	enum table_result t;

	if (r->op->transport.len == 0) {
		log_warn(&r->st->log, "file %s/main.cf: parameter %s: null transport is not allowed",
		    config_dir(r->st->view->config), r->blame);
		fail(r, RESOLVE_FAIL);
		return true;
	}
	t = r->op->class_ == CLASS_ALIAS ? TABLE_NONE :
	    find(r, r->st->transport, buf_str(&r->op->recipient), FIND_FULL | FIND_BARE | FIND_DOMAINS | FIND_STAR);
	if (t == TABLE_WAIT)
		return false;
	r->step = S_RELOCATED;
	if (t == TABLE_FOUND)
		overrule(r, r->find.value);
	else if (t == TABLE_ERROR)
		lookup_failed(r, "transport_maps");
	find_done(r);
	return true;
}

static bool relocated_step(struct resolve_run *r)
{
	enum table_result t = find(r, r->st->relocated, buf_str(&r->op->recipient), FIND_DEFAULT);

	if (t == TABLE_WAIT)
		return false;
	r->step = S_DONE;
	if (t == TABLE_FOUND) {
		set(&r->op->transport, "error");
		buf_reset(&r->op->nexthop);
		buf_addf(&r->op->nexthop, "5.1.6 User has moved to %s", r->find.value);
	} else if (t == TABLE_ERROR)
		lookup_failed(r, "relocated_maps");
	find_done(r);
	/* What a command might take for an option is refused here, where nothing can get around it. */
	if (*buf_str(&r->op->recipient) == '-' && !view_bool(r->st->view, allow_min_user))
		fail(r, RESOLVE_ERROR);
	return true;
}

/* ---- the machine ------------------------------------------------------------------------------------ */
static bool local_step(struct resolve_run *r)
{
	enum match_result m = local_poll(&r->local);

	if (m == MATCH_WAIT)
		return false;
	local_end(&r->local);
	if (m == MATCH_ERROR) {
		fail(r, RESOLVE_FAIL);
	} else if (r->step == S_HOST) {
		if (m == MATCH_YES)
			r->at = NULL;
		r->step = S_CLASSIFY;
	} else
		r->step = m == MATCH_YES ? S_CUT : S_CLASSIFY;
	return true;
}

bool resolve_run(struct resolve_run *r)
{
	bool going = true;

	while (going && r->step != S_DONE)
		switch (r->step) {
		case S_STRIP:
			strip(r);
			break;
		case S_LOCAL:
		case S_HOST:
			going = local_step(r);
			break;
		case S_CUT:
			cut_domain(r);
			break;
		case S_ROUTE:
			route(r);
			break;
		case S_CLASSIFY:
			classify(r);
			break;
		case S_ALIAS:
		case S_MAILBOX:
		case S_RELAY:
			going = class_step(r);
			break;
		case S_WARN:
			going = warn_step(r);
			break;
		case S_SENDER_TRANSPORT:
		case S_SENDER_RELAYHOST:
			going = sender_step(r);
			break;
		case S_TRANSPORT:
			going = transport_step(r);
			break;
		case S_RELOCATED:
			going = relocated_step(r);
			break;
		case S_DONE:
			break;
		}
	return going;
}
