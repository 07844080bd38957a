/* Views: every parameter's value as one service sees it.
 *
 * Names are symbols with small numbers (rows first, then what the files define), and each remembers which others its
 * value mentions. The base scope evaluates all of them once, each at most once. Any other scope (a master.cf entry
 * with its -o settings; stress) starts as a copy of the base: what it overrides is marked, the mark spreads along the
 * mentions until nothing changes, and only marked symbols are evaluated anew. So thirty services cost thirty
 * copies of an array, not thirty thousand expansions.
 *
 * Computed defaults (myhostname, mydomain, mynetworks) are made when they are first asked for in a scope, and
 * so follow an overridden myhostname as they do in a Postfix daemon. A value that cannot be expanded is reported
 * where it is written, once; one that only user-defined names need stops nothing. */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPANDED_MAX	(64 << 20)	/* bytes of one configuration: a file of a megabyte cannot ask for all memory */

struct eval {
	struct config	*config;
	const struct master_entry *entry;
	struct problems	*problems;
	struct scope	*scope;
	const char	**raw;		/* by symbol */
	const char	**text;		/* results */
	unsigned char	*todo;		/* 1: text not valid yet */
	struct macro	 macro;
	int		 running;	/* whose text macro_run() is in */
	int		 culprit;	/* whose text had the error */
};

struct collect { struct config *config; struct strs *names; };

static void collect_name(void *arg, const char *name, size_t len)
{
	struct collect *c = arg;

	strs_addn(c->names, name, len);
}

static void sym_refs(struct config *c, int id, const char *raw)
{
	struct strs names = { 0 };
	struct collect collect = { c, &names };
	int extra = -1, n = 0, *refs;

	if (raw != NULL && strchr(raw, '$') != NULL)
		macro_names(raw, collect_name, &collect);
	if (raw == NULL && id >= PARAM_COUNT)
		extra = transport_default(c, c->sym[id].name);
	else if (id == P_mydomain && c->sym[id].raw == NULL)
		extra = P_myhostname;
	else if (id == P_myhostname && c->sym[id].raw == NULL)
		extra = P_mydomain;
	else if (id == P_mynetworks && c->sym[id].raw == NULL)
		extra = P_mynetworks_style;
	if (names.n == 0 && extra < 0)
		return;
	refs = arena_alloc(&c->arena, (names.n + 1) * sizeof *refs);
	for (size_t i = 0; i < names.n; i++)
		refs[n++] = sym_intern(c, names.v[i]);
	if (extra >= 0)
		refs[n++] = extra;
	c->sym[id].refs = refs;
	c->sym[id].nrefs = n;
	strs_release(&names);
}

static const char *eval_text(struct eval *e, int id);

/* Computed defaults come into being here. */
static const char *eval_raw(struct eval *e, int id)
{
	struct config *c = e->config;
	const char *s;

	if (e->raw[id] != NULL)
		return e->raw[id];
	switch (id) {
	case P_myhostname:
		s = e->raw[P_mydomain] != NULL ? eval_text(e, P_mydomain) : NULL;
		return e->raw[id] = default_myhostname(c, s);
	case P_mydomain:
		if ((s = eval_text(e, P_myhostname)) != NULL)
			e->raw[id] = default_mydomain(s);
		return e->raw[id];
	case P_mynetworks:
		if ((s = eval_text(e, P_mynetworks_style)) != NULL)
			e->raw[id] = default_mynetworks(c, s);
		return e->raw[id];
	default:
		return NULL;
	}
}

static const char *expand(struct eval *e, int id, const char *raw)
{
	struct buf out = { 0 };
	const char *text;
	int caller = e->running;

	if (strchr(raw, '$') == NULL)
		return raw;
	e->running = id;
	if (e->config->arena.used > EXPANDED_MAX && e->macro.phrase == NULL) {
		e->macro.phrase = "values too long";
		str_copy(e->macro.why, "the expanded values of all parameters are too long", sizeof e->macro.why);
	}
	if (e->macro.phrase == NULL && macro_run(&e->macro, &out, raw)) {
		text = arena_strdup(&e->config->arena, buf_str(&out));
	} else {
		text = NULL;
		if (e->culprit < 0)
			e->culprit = id;
	}
	e->running = caller;
	buf_release(&out);
	return text;
}

/* NULL: undefined, or an error is in e->macro. Chains of names are as deep as MACRO_DEPTH allows. */
static const char *eval_text(struct eval *e, int id)
{
	const char *raw, *text;
	int def;

	if (!e->todo[id] && (id >= PARAM_COUNT || param_rows[id].type != PT_RAW))
		return e->text[id];
	raw = eval_raw(e, id);
	if (id < PARAM_COUNT && param_rows[id].type == PT_RAW)	/* its own text stays raw: see eval_row() */
		return raw != NULL ? expand(e, id, raw) : NULL;
	if (raw == NULL && e->macro.phrase == NULL && id >= PARAM_COUNT &&
	    (def = transport_default(e->config, e->config->sym[id].name)) >= 0)
		raw = eval_text(e, def);
	if (raw == NULL || (text = expand(e, id, raw)) == NULL) {
		if (e->macro.phrase == NULL)
			e->todo[id] = 0;
		return e->text[id] = NULL;
	}
	e->todo[id] = 0;
	return e->text[id] = text;
}

static const char *eval_lookup(struct macro *m, const char *name, enum macro_mode mode)
{
	struct eval *e = m->arg;
	int id = sym_find(e->config, name), def;
	const char *raw;

	if (id < 0) {
		def = transport_default(e->config, name);
		return def < 0 ? NULL : mode == MACRO_TEST ? "set" : eval_text(e, def);
	}
	if (mode == MACRO_TEST && (raw = eval_raw(e, id)) != NULL)
		return raw;
	return eval_text(e, id);
}

const char *scope_value_location(const struct config *c, const struct master_entry *entry, int id, int *line_r)
{
	const struct sym *s = &c->sym[id];
	size_t i, n = strlen(s->name);

	for (i = 0; entry != NULL && i < entry->overrides.n; i++) {
		if (strncmp(entry->overrides.v[i], s->name, n) == 0 && entry->overrides.v[i][n] == '=') {
			*line_r = entry->line;
			return entry->file;
		}
	}
	for (int depth = 0; s->raw == NULL && depth < 8; depth++) {	/* its default is another's value: $other */
		const struct sym *from = NULL;

		for (int k = 0; k < s->nrefs && from == NULL; k++)
			if (c->sym[s->refs[k]].raw != NULL || c->sym[s->refs[k]].nrefs > 0)
				from = &c->sym[s->refs[k]];
		if (from == NULL || s->nrefs != 1)
			break;
		s = from;
	}
	*line_r = s->raw != NULL ? s->line : 0;
	return s->raw != NULL ? s->file : c->main_path;
}

static void report(struct eval *e, enum problem_level level, int id, const char *fmt, ...) PRINTF(4, 5);
static void report(struct eval *e, enum problem_level level, int id, const char *fmt, ...)
{
	char *text = NULL;
	const char *file;
	va_list ap;
	int line;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	file = scope_value_location(e->config, e->entry, id, &line);
	problem_once(e->problems, level, file, line, "%s", text != NULL ? text : fmt);
	free(text);
}

/* The text of id; after an error "" and a report. */
static const char *eval_top(struct eval *e, int id)
{
	const char *text;

	e->macro = (struct macro){ .lookup = eval_lookup, .arg = e };
	e->running = e->culprit = -1;
	text = eval_text(e, id);
	if (e->macro.phrase != NULL) {
		int at = e->culprit >= 0 ? e->culprit : id;

		report(e, id < PARAM_COUNT ? PROBLEM_FATAL : PROBLEM_ERROR, at, "%s: %s", e->config->sym[at].name,
		    e->macro.why);
		e->todo[id] = 0;
		e->text[id] = "";
		return "";
	}
	return text;
}

/* A time without a unit has the unit of its default. */
static char default_unit(struct eval *e, int id)
{
	struct buf out = { 0 };
	char unit;

	e->macro = (struct macro){ .lookup = eval_lookup, .arg = e };
	macro_run(&e->macro, &out, param_rows[id].def);
	unit = value_default_unit(buf_str(&out));
	buf_release(&out);
	return unit;
}

static const char *scope_lookup(struct macro *m, const char *name, enum macro_mode mode)
{
	const struct scope *s = m->arg;
	int id = sym_find(s->view.config, name);

	(void)mode;
	return id >= 0 ? s->text[id] : NULL;
}

const char *scope_default(const struct scope *s, int id)
{
	struct macro m = { .lookup = scope_lookup, .arg = (void *)(uintptr_t)s };
	struct config *c = (struct config *)(uintptr_t)s->view.config;
	struct buf out = { 0 };
	const char *text = NULL;

	if (param_rows[id].type == PT_RAW)
		return param_rows[id].def;
	if (macro_run(&m, &out, param_rows[id].def))
		text = arena_strdup(&c->arena, buf_str(&out));
	buf_release(&out);
	return text;
}

/* ---- rules for single parameters ---------------------------------------------------------- */
static bool facility_known(const char *name)
{
	static const char *const names[] = { "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news",
	    "security", "syslog", "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
	    "local7" };

	for (size_t i = 0; i < NELEM(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* One of the words of a list, each of which must be known. */
static void check_words(struct eval *e, int id, const char *value, const char *what, const char *const *known)
{
	struct strs words = { 0 };
	size_t i, k;

	strs_split(&words, value, ", \t\r\n");
	for (i = 0; i < words.n; i++) {
		for (k = 0; known[k] != NULL && strcmp(known[k], words.v[i]) != 0; k++)
			;
		if (known[k] == NULL)
			report(e, PROBLEM_FATAL, id, "unknown %s value \"%s\" in \"%s\"", what, words.v[i], value);
	}
	strs_release(&words);
}

static void check_origin(struct eval *e, const char *value)
{
	const char *why;
	char *name = config_parameter_file(value, &why);

	if (name == NULL) {
		report(e, PROBLEM_FATAL, P_myorigin, "%s: %s", value, why);
		return;
	}
	if (strpbrk(name, ", \t\r\n") != NULL && e->config->sym[P_myorigin].raw != NULL)
		report(e, PROBLEM_FATAL, P_myorigin,
		    "myorigin parameter setting must not contain multiple values: %s", name);
	e->scope->view.v[P_myorigin].str = arena_strdup(&e->config->arena, name);
	free(name);
}

static void check_special(struct eval *e, int id, const char *value)
{
	static const char *const styles[] = { "subnet", "class", "host", NULL };
	static const char *const protocols[] = { "all", "ipv4", "ipv6", NULL };
	const char *why;
	int64_t level;

	switch (id) {
	case P_myhostname:
	case P_mydomain:
		if (*value != '\0' && !hostname_valid(value, &why))
			report(e, PROBLEM_FATAL, id, "parameter %s: bad parameter value: %s (%s)",
			    param_rows[id].name, value, why);
		break;
	case P_mynetworks_style:
		check_words(e, id, value, "mynetworks mask style", styles);
		break;
	case P_inet_protocols:
		check_words(e, id, value, "inet_protocols", protocols);
		break;
	case P_syslog_facility:
		if (!facility_known(value))
			report(e, PROBLEM_FATAL, id, "parameter syslog_facility: unrecognized value: %s", value);
		break;
	case P_compatibility_level:
		if (!compat_level(value, &level))
			report(e, PROBLEM_FATAL, id, "malformed compatibility level syntax: \"%s\"", value);
		break;
	case P_info_log_address_format:
		if (strcmp(value, "external") != 0 && strcmp(value, "internal") != 0)
			report(e, PROBLEM_FATAL, id, "invalid parameter setting \"%s = %s\"", param_rows[id].name, value);
		break;
	case P_myorigin:
		if (*value != '\0')
			check_origin(e, value);
		break;
	default:
		break;
	}
}

/* A daemon reads its parameters when it starts: a bad value of one that master.cf does not run stops nothing. */
static enum problem_level value_level(const struct config *c, const char *name)
{
	static const struct { const char *prefix, *command; } groups[] = {
		{ "postscreen_", "postscreen" }, { "dnsblog_", "dnsblog" }, { "tlsproxy_", "tlsproxy" },
		{ "qmqpd_", "qmqpd" }, { "lmtp_", "lmtp" },
	};

	for (size_t g = 0; g < NELEM(groups); g++) {
		if (strncmp(name, groups[g].prefix, strlen(groups[g].prefix)) != 0)
			continue;
		for (size_t i = 0; i < c->nmaster; i++)
			if (strcmp(c->master[i].command, groups[g].command) == 0)
				return PROBLEM_FATAL;
		return PROBLEM_ERROR;
	}
	return PROBLEM_FATAL;
}

/* A bad value has been reported; `postrider check` goes on with a sound one. */
static void use_default(struct eval *e, int id)
{
	const struct param_row *row = &param_rows[id];
	struct buf out = { 0 };
	union param_value v;
	char *why = NULL;

	e->macro = (struct macro){ .lookup = eval_lookup, .arg = e };
	if (row->type != PT_STR && row->type != PT_RAW && macro_run(&e->macro, &out, row->def) &&
	    (why = value_parse_row(row, buf_str(&out), value_default_unit(buf_str(&out)), &v)) == NULL)
		e->scope->view.v[id] = v;
	free(why);
	buf_release(&out);
}

static void eval_row(struct eval *e, int id)
{
	const struct param_row *row = &param_rows[id];
	union param_value *v = &e->scope->view.v[id];
	const char *text;
	char *why, unit = 's';
	size_t len;

	if (row->type == PT_RAW) {
		text = e->text[id] = eval_raw(e, id);
		e->todo[id] = 0;
	} else {
		text = eval_top(e, id);
	}
	if (text == NULL)
		text = e->text[id] = "";
	len = strlen(text);
	if (row->type == PT_TIME && len > 0 && text[len - 1] >= '0' && text[len - 1] <= '9')
		unit = default_unit(e, id);
	if (row->type == PT_STR || row->type == PT_RAW)
		v->str = text;
	if ((why = value_parse_row(row, text, unit, v)) != NULL) {
		/* What nobody wrote and nobody reads is only another's value. */
		if (value_level(e->config, row->name) == PROBLEM_FATAL || e->config->sym[id].raw != NULL)
			report(e, value_level(e->config, row->name), id, "%s", why);
		free(why);
		use_default(e, id);
	} else {
		check_special(e, id, text);
	}
}

/* ---- building ----------------------------------------------------------------------------- */
static struct scope *scope_new(struct config *c)
{
	return arena_alloc(&c->arena, sizeof(struct scope));
}

static struct scope *scope_base(struct config *c, struct problems *problems)
{
	size_t n = c->nsym;
	struct scope *s = scope_new(c);
	struct eval e = { .config = c, .problems = problems, .scope = s, .raw = c->raw, .running = -1 };
	int64_t level;

	s->view.config = c;
	s->text = e.text = arena_alloc(&c->arena, n * sizeof *e.text);
	e.todo = arena_alloc(&c->arena, n);
	memset(e.todo, 1, n);
	/* One report for a level that nothing can be compared with, not one for each default that asks. */
	eval_row(&e, P_compatibility_level);
	if (!compat_level(s->view.v[P_compatibility_level].str, &level))
		e.text[P_compatibility_level] = "0";
	eval_row(&e, P_inet_interfaces);
	eval_row(&e, P_inet_protocols);
	eval_row(&e, P_proxy_interfaces);
	addresses_load(c, s->view.v[P_inet_interfaces].str, s->view.v[P_inet_protocols].str,
	    s->view.v[P_proxy_interfaces].str, problems);
	for (int id = 0; id < PARAM_COUNT; id++)
		if (id != P_compatibility_level && id != P_inet_interfaces && id != P_inet_protocols &&
		    id != P_proxy_interfaces)
			eval_row(&e, id);
	for (size_t i = PARAM_COUNT; i < n; i++)
		eval_top(&e, (int)i);
	return s;
}

/* Spreads the marks: what mentions a marked symbol is marked. Returns whether any but the two own names is. */
static bool spread(const struct config *c, unsigned char *todo, const unsigned char *fixed)
{
	bool again = true, other = false;

	while (again) {
		again = false;
		for (size_t i = 0; i < c->nsym; i++) {
			const struct sym *s = &c->sym[i];

			for (int k = 0; k < s->nrefs && !todo[i]; k++)
				if (todo[s->refs[k]] && !fixed[i])
					todo[i] = again = true;
		}
	}
	for (size_t i = 0; i < c->nsym; i++)
		if (todo[i] && i != P_service_name && i != P_process_name)
			other = true;
	return other;
}

static void set_override(struct eval *e, unsigned char *fixed, const char *name, const char *value)
{
	int id = sym_find(e->config, name);

	ASSERT(id >= 0);
	e->raw[id] = value;
	e->todo[id] = fixed[id] = 1;
}

/* Servers on the network are told of stress by who starts them, whatever main.cf says. */
static bool listens(const struct master_entry *entry)
{
	return entry != NULL && entry->type == MASTER_INET && strcmp(entry->command, "smtpd") == 0;
}

static struct scope *scope_entry(struct config *c, const struct master_entry *entry, bool stress,
    struct problems *problems)
{
	size_t n = c->nsym;
	struct scope *s = scope_new(c);
	struct eval e = { .config = c, .problems = problems, .scope = s, .entry = entry, .running = -1 };
	unsigned char *fixed = xcalloc(n, 1);	/* overridden: what its old text mentioned does not matter */

	e.raw = xmalloc(n * sizeof *e.raw);
	memcpy(e.raw, c->raw, n * sizeof *e.raw);
	e.todo = xcalloc(n, 1);
	*s = *c->base;
	s->view.entry = entry;
	s->view.stress = stress;
	if (stress)
		set_override(&e, fixed, "stress", "yes");
	else if (listens(entry) && c->raw[P_stress] != NULL && *c->raw[P_stress] != '\0')
		set_override(&e, fixed, "stress", "");
	if (entry != NULL) {
		set_override(&e, fixed, "service_name", entry->name);
		set_override(&e, fixed, "process_name", entry->command);
		for (size_t i = 0; i < entry->overrides.n; i++) {
			char *name = xstrdup(entry->overrides.v[i]), *eq = strchr(name, '=');

			*eq = '\0';
			set_override(&e, fixed, name, arena_strdup(&c->arena, eq + 1));
			free(name);
		}
	}
	s->view.v[P_service_name].str = entry != NULL ? entry->name : s->view.v[P_service_name].str;
	s->view.v[P_process_name].str = entry != NULL ? entry->command : s->view.v[P_process_name].str;
	if (spread(c, e.todo, fixed)) {
		static const int computed[] = { P_myhostname, P_mydomain, P_mynetworks };
		unsigned char *marked = xmemdup(e.todo, n);	/* todo is cleared by whoever needs the text first */

		s->text = arena_alloc(&c->arena, n * sizeof *s->text);
		memcpy(s->text, c->base->text, n * sizeof *s->text);
		e.text = s->text;
		for (size_t i = 0; i < NELEM(computed); i++)
			if (e.todo[computed[i]] && !fixed[computed[i]] && c->sym[computed[i]].raw == NULL)
				e.raw[computed[i]] = NULL;
		for (size_t i = 0; i < n; i++) {
			if (!marked[i])
				continue;
			if (i < PARAM_COUNT)
				eval_row(&e, (int)i);
			else
				eval_top(&e, (int)i);
		}
		free(marked);
	}
	free(e.raw);
	free(e.todo);
	free(fixed);
	return s;
}

void scopes_build(struct config *c, struct problems *problems)
{
	size_t i;

	for (i = 0; i < c->nsym; i++) {		/* interning adds symbols at the end: they are visited too */
		const char *raw = c->sym[i].raw;

		if (raw == NULL && i < PARAM_COUNT && i != P_myhostname && i != P_mydomain && i != P_mynetworks)
			raw = param_rows[i].def;
		sym_refs(c, (int)i, raw);
	}
	c->raw = arena_alloc(&c->arena, c->nsym * sizeof *c->raw);
	for (i = 0; i < c->nsym; i++) {
		c->raw[i] = c->sym[i].raw;
		if (c->raw[i] == NULL && i < PARAM_COUNT && i != P_myhostname && i != P_mydomain && i != P_mynetworks)
			c->raw[i] = param_rows[i].def;
	}
	c->raw[P_config_directory] = c->dir;
	c->raw[P_process_id] = arena_printf(&c->arena, "%d", (int)getpid());
	c->base = scope_base(c, problems);
	c->stress = scope_entry(c, NULL, true, problems);
	c->entry = arena_alloc(&c->arena, (c->nmaster + 1) * sizeof *c->entry);
	c->entry_stress = arena_alloc(&c->arena, (c->nmaster + 1) * sizeof *c->entry_stress);
	for (i = 0; i < c->nmaster; i++) {
		c->entry[i] = scope_entry(c, &c->master[i], false, problems);
		c->entry_stress[i] = scope_entry(c, &c->master[i], true, problems);
	}
}
