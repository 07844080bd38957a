/* compile.c - words to steps, once per configuration.
 *
 * Postfix looks at the words at run time, so a word it does not know hurts only requests that reach it: they
 * get 451 4.3.5 and the log a warning. That is kept: such a word becomes a step that does just this, and
 * `postrider check` hears of it through a problem. What is found here for good: tables are opened, classes are
 * parsed, and a server without any guard against relaying does not start. */
#include "eval.h"
#include <postrider/service.h>
#include <ctype.h>
#include <stdlib.h>

#define SEPARATORS	", \t\r\n"

void list_free(struct list **lp)
{
	struct list *l = *lp;
	struct arena a;

	*lp = NULL;
	if (l == NULL)
		return;
	a = l->arena;	/* the list itself lies in it */
	arena_release(&a);
}

static bool all_digits(const char *s)
{
	return *s != '\0' && strspn(s, "0123456789") == strlen(s);
}

static void step_bad(struct step *st, struct problems *problems, const char *text)
{
	st->check = &check_bad;
	st->arg = text;
	if (problems != NULL)
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "%s", text);
}

struct parse {
	struct access_lists *lists;
	struct list	*list;
	struct tables	*tables;	/* NULL: a run-time list */
	struct problems	*problems;
	char		**word;		/* n of them, in the list's arena */
	size_t		 n;
};

static void fill_map(struct parse *p, struct step *st, const char *spec)
{
	st->arg = spec;
	st->maps = maps_new(p->tables, spec, spec, TABLE_ADDR, p->problems);
}

/* The argument of word i; returns how many words were taken. */
static size_t fill_arg(struct parse *p, struct step *st, size_t i)
{
	const char *arg = i + 1 < p->n ? p->word[i + 1] : NULL;
	struct arena *a = &p->list->arena;
	const char *name = st->check->name;

	switch (st->check->arg) {
	case ARG_NONE:
		return 1;
	case ARG_MAP:
		if (arg == NULL || strchr(arg, ':') == NULL)
			step_bad(st, p->problems,
			    arena_printf(a, "restriction %s: bad argument \"%s\": need maptype:mapname", name,
				arg != NULL ? arg : name));
		else
			fill_map(p, st, arg);
		return 2;
	case ARG_DOMAIN:
		st->arg = arg;	/* NULL: warned of when reached, and passed over */
		if (arg == NULL && p->problems != NULL)
			problem_add(p->problems, PROBLEM_ERROR, NULL, 0, "restriction %s requires domain name argument", name);
		return 2;
	case ARG_NUMBER:
		if (arg == NULL || !all_digits(arg))
			step_bad(st, p->problems, arena_printf(a, "restriction %s must be followed by number", name));
		else
			st->number = atoi(arg);
		return 2;
	case ARG_SERVICE:
		if (arg == NULL || strchr(arg, ':') == NULL)
			step_bad(st, p->problems, arena_printf(a, "restriction %s must be followed by transport:server",
			    name));
		st->arg = arg;
		return 2;
	}
	return 1;
}

static size_t fill_step(struct parse *p, struct step *st, size_t i)
{
	char *word = p->word[i];
	struct arena *a = &p->list->arena;
	size_t used = 1;

	st->name = word;
	if (strchr(word, ':') != NULL) {	/* short for check_..._access type:name, by the stage that reaches it */
		st->check = &check_default;
		fill_map(p, st, word);
	} else if ((st->check = check_find(word)) != NULL) {
		if (st->check->judge == unavailable_judge && p->problems != NULL)
			problem_add(p->problems, PROBLEM_ERROR, NULL, 0,
			    "restriction %s is not available yet: it answers with a configuration error", word);
		used = fill_arg(p, st, i);
	} else if ((st->list = hash_get(&p->lists->classes, word)) != NULL) {
		st->check = &check_class;
	} else {
		step_bad(st, p->problems, arena_printf(a, "unknown smtpd restriction: \"%s\"", word));
	}
	st->next = i + used < p->n ? p->word[i + used] : NULL;
	return used;
}

static struct list *list_new(void)
{
	struct arena a = { 0 };
	struct list *l = arena_alloc(&a, sizeof(*l));

	l->arena = a;
	return l;
}

static void split(struct parse *p, const char *text)
{
	char *copy = arena_strdup(&p->list->arena, text), *word;
	size_t cap = strlen(text) / 2 + 1;

	p->word = arena_alloc(&p->list->arena, cap * sizeof(*p->word));
	while ((word = str_tok_brace(&copy, SEPARATORS)) != NULL)
		p->word[p->n++] = word;
}

static void fill(struct parse *p)
{
	p->list->step = arena_alloc(&p->list->arena, (p->n + 1) * sizeof(*p->list->step));
	for (size_t i = 0; i < p->n; p->list->n++)
		i += fill_step(p, &p->list->step[p->list->n], i);
}

struct list *list_parse(struct access_lists *lists, const char *text, struct tables *tables, struct problems *problems)
{
	struct parse p = { .lists = lists, .list = list_new(), .tables = tables, .problems = problems };

	split(&p, text);
	fill(&p);
	return p.list;
}

/* ---- classes ----------------------------------------------------------------------------------- */
static void classes_parse(struct access_lists *l, struct tables *tables, struct problems *problems)
{
	struct strs names = { 0 };

	strs_split(&names, view_str(l->view, smtpd_restriction_classes), SEPARATORS);
	for (size_t i = 0; i < names.n; i++)	/* all names first: classes may name each other */
		if (hash_get(&l->classes, names.v[i]) == NULL)
			hash_set(&l->classes, names.v[i], list_new());
	for (size_t i = 0; i < names.n; i++) {
		const char *text = view_lookup(l->view, names.v[i]);
		struct parse p = {
			.lists = l, .list = hash_get(&l->classes, names.v[i]), .tables = tables, .problems = problems
		};

		if (text == NULL || *text == '\0') {
			problem_add(
			    problems, PROBLEM_FATAL, NULL, 0, "restriction class `%s' needs a definition", names.v[i]);
			continue;
		}
		if (p.list->n > 0)
			continue;
		split(&p, text);
		fill(&p);
	}
	strs_release(&names);
}

/* ---- no open relays ------------------------------------------------------------------------------ */
static bool is_guard(const struct step *st)
{
	static const char *const guards[] = {
		"reject_unauth_destination",
		"defer_unauth_destination",
		"reject",
		"defer",
		"defer_if_permit",
		"check_relay_domains",
	};

	for (size_t i = 0; i < NELEM(guards); i++)
		if (strcmp(st->check->name, guards[i]) == 0)
			return true;
	return false;
}

static bool has_guard(const struct list *l, int depth)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct step *st = &l->step[i];

		if (st->check->judge == NULL) {		/* warn_if_reject: what follows does not guard */
			i++;
			continue;
		}
		if (st->check->judge == permit_judge)
			return false;
		if (is_guard(st) || (st->check == &check_class && depth < FRAMES_MAX && has_guard(st->list, depth + 1)))
			return true;
	}
	return false;
}

/* ---- everything -------------------------------------------------------------------------------- */
static void lists_open(struct access_lists *l, struct tables *t, struct problems *problems)
{
	const struct view *v = l->view;
	const char *parents = view_str(v, parent_domain_matches_subdomains);

#define MAPS(name)	maps_new(t, #name, view_str(v, name), TABLE_ADDR, problems)
#define HOSTS(name) \
	match_list_new(t, MATCH_HOST, #name, view_str(v, name), match_parent_style(parents, #name), problems)
	l->mynetworks = HOSTS(mynetworks);
	l->permit_mx_networks = HOSTS(permit_mx_backup_networks);
	l->relay_domains = match_list_new(t, MATCH_DOMAIN, "relay_domains", view_str(v, relay_domains),
	    match_parent_style(parents, "relay_domains"), problems);
	l->log_permit = match_list_new(t, MATCH_STRING, "smtpd_log_access_permit_actions",
	    view_str(v, smtpd_log_access_permit_actions), false, problems);
	l->local_rcpt = MAPS(local_recipient_maps);
	l->canonical = MAPS(canonical_maps);
	l->rcpt_canonical = MAPS(recipient_canonical_maps);
	l->send_canonical = MAPS(sender_canonical_maps);
	l->virtual_alias = MAPS(virtual_alias_maps);
	l->virtual_mailbox = MAPS(virtual_mailbox_maps);
	l->relay_rcpt = MAPS(relay_recipient_maps);
	l->rbl_reply = MAPS(rbl_reply_maps);
	l->sender_login = MAPS(smtpd_sender_login_maps);
#undef MAPS
#undef HOSTS
	l->parent_style = match_parent_style(parents, "smtpd_access_maps");
}

static void rewrite_open(struct access_lists *l, struct tables *t, struct problems *problems)
{
	char *copy = xstrdup(view_str(l->view, local_header_rewrite_clients)), *cursor = copy, *word;

	while ((word = str_tok_brace(&cursor, SEPARATORS)) != NULL)
		strs_add(&l->rewrite_words, word);
	free(copy);
	l->rewrite_maps = xcalloc(l->rewrite_words.n + 1, sizeof(struct maps *));
	for (size_t i = 0; i < l->rewrite_words.n; i++)
		if (strchr(l->rewrite_words.v[i], ':') != NULL)
			l->rewrite_maps[i] =
			    maps_new(t, l->rewrite_words.v[i], l->rewrite_words.v[i], TABLE_ADDR, problems);
}

struct access_lists *access_compile(const struct service *s, struct problems *problems)
{
	struct tables *t = generation_tables(s->generation);
	const struct view *v = s->view;
	struct access_lists *l = xcalloc(1, sizeof(*l));

	l->view = v;
	l->generation = s->generation;
	l->delay_reject = view_bool(v, smtpd_delay_reject);
	l->relay_first = view_bool(v, smtpd_relay_before_recipient_restrictions);
	l->unlisted_rcpt = view_bool(v, smtpd_reject_unlisted_recipient);
	l->unlisted_sender = view_bool(v, smtpd_reject_unlisted_sender);
	l->soft_bounce = view_bool(v, soft_bounce);
	l->untrusted_routing = view_bool(v, allow_untrusted_routing);
	lists_open(l, t, problems);
	rewrite_open(l, t, problems);
	classes_parse(l, t, problems);
#define LIST(stage, name)	l->list[stage] = list_parse(l, view_str(v, name), t, problems)
	LIST(STAGE_CLIENT, smtpd_client_restrictions);
	LIST(STAGE_HELO, smtpd_helo_restrictions);
	LIST(STAGE_SENDER, smtpd_sender_restrictions);
	LIST(STAGE_RELAY, smtpd_relay_restrictions);
	LIST(STAGE_RECIPIENT, smtpd_recipient_restrictions);
	LIST(STAGE_DATA, smtpd_data_restrictions);
	LIST(STAGE_EOD, smtpd_end_of_data_restrictions);
	LIST(STAGE_ETRN, smtpd_etrn_restrictions);
#undef LIST
	if (!has_guard(l->list[STAGE_RECIPIENT], 0) && !has_guard(l->list[STAGE_RELAY], 0))
		problem_add(problems, PROBLEM_FATAL, NULL, 0,
		    "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, "
		    "specify at least one working instance of: reject_unauth_destination, defer_unauth_destination, reject, defer, "
		    "defer_if_permit or check_relay_domains");
	return l;
}

static void class_free(void *p)
{
	struct list *l = p;

	list_free(&l);
}

void access_lists_free(struct access_lists **lp)
{
	struct access_lists *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	for (int i = 0; i < STAGES; i++)
		list_free(&l->list[i]);
	hash_release(&l->classes, class_free);
	strs_release(&l->rewrite_words);
	free(l->rewrite_maps);
	free(l);
}
