/* pattern.c - tables of patterns: regexp: and pcre: but for the engine. This reads them, pattern_run.c looks up.
 * A rule is /pattern/flags result, with any number of '!' before; IF /pattern/ ... ENDIF encloses rules.
 * Rules become steps in order; a look-up goes through them until one matches. The result is split at
 * load into literal pieces and group numbers, and one without groups is returned as it stands. A rule
 * that is wrong is skipped with a warning in Postfix's words; the others stay. */
#include <ctype.h>
#include <errno.h>

#include "pattern.h"

enum {
	FILTER_MIN = 4,			/* rules: below that, trying them is as quick */
	LIMIT_MS = 30 * 1000,		/* as postrider_table_time_limit */
};

struct reading {
	struct patterns	*p;
	const struct pattern_engine *engine;
	struct source	 source;
	size_t		*open;		/* steps: IFs without ENDIF so far */
	size_t		 depth;
};
struct expression {		/* one /pattern/flags of a line */
	char		*text;
	unsigned	 flags;
	bool		 inverted;
};

void pattern_free(struct patterns *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->step[i].first != NULL)
			p->engine->release(p->step[i].first);
		if (p->step[i].second != NULL)
			p->engine->release(p->step[i].second);
	}
	prefilter_free(&p->prefilter);
	perl_scratch_free(&p->scratch);
	free(p->step);
	free(p->name);
	arena_release(&p->arena);
	free(p);
}

#define complain(r, fmt, ...)									\
	table_warn((r)->source.env, (r)->source.path, (r)->source.line, "%s map %s, line %d: " fmt,	\
	    (r)->engine->name, (r)->source.path, (r)->source.line, __VA_ARGS__)

/* Takes "! /pattern/flags" from *cursor. */
static bool take_expression(struct reading *r, char **cursor, struct expression *e)
{
	char *p = *cursor, delimiter;

	*e = (struct expression){ .flags = r->engine->flags };
	for (; *p == '!' || isspace((unsigned char)*p); p++)
		if (*p == '!')
			e->inverted = !e->inverted;
	if (*p == '\0') {
		complain(r, "no regexp: skipping this %s", "rule");
		return false;
	}
	delimiter = *p++;
	e->text = p;
	for (; *p != '\0' && *p != delimiter; p++)
		if (*p == '\\' && *++p == '\0')
			break;
	if (*p == '\0') {
		complain(r, "no closing regexp delimiter \"%c\": %s this rule", delimiter, r->engine->unclosed);
		return false;
	}
	*p++ = '\0';
	for (; *p != '\0' && !isspace((unsigned char)*p) && !(r->engine->two_patterns && *p == '!'); p++)
		if (*p == r->engine->obsolete) {
			complain(r, "ignoring obsolete regexp option \"%c\"", *p);
		} else if (!r->engine->option(*p, &e->flags)) {
			complain(r, "unknown regexp option \"%c\": skipping this rule", *p);
			return false;
		}
	*cursor = p;
	return true;
}

static void *compile(struct reading *r, const struct expression *e, unsigned *groups_r)
{
	char *why = NULL;
	void *compiled = r->engine->compile(e->text, e->flags, groups_r, &why);

	if (compiled == NULL)
		complain(r, "%s", why);
	free(why);
	return compiled;
}

/* ---- results ------------------------------------------------------------------------------------- */

struct template {
	struct piece	 piece[200];
	size_t		 n;
	unsigned	 highest;	/* group */
	bool		 groups;
};

/* The name at p, behind '$'; returns what follows, or NULL. */
static const char *take_name(const char *p, struct buf *name, const char **why_r)
{
	buf_reset(name);
	if (*p == '{' || *p == '(') {
		char open = *p, close = open == '{' ? '}' : ')';
		int level = 1;

		for (p++; *p != '\0'; p++) {
			if (*p == open)
				level++;
			else if (*p == close && --level == 0)
				return p + 1;
			buf_addc(name, *p);
		}
		*why_r = "truncated macro reference";
		return NULL;
	}
	while (isalnum((unsigned char)*p) || *p == '_')
		buf_addc(name, *p++);
	if (name->len == 0) {
		*why_r = "empty macro name";
		return NULL;
	}
	return p;
}

static bool take_group(struct reading *r, struct template *t, const char *name)
{
	int64_t n;

	if (*name == '\0' || name[strspn(name, "0123456789")] != '\0') {
		complain(r, "non-numeric replacement index \"%s\"", name);
		return false;
	}
	if (!str_to_int(name, 1, PATTERN_GROUPS - 1, &n)) {
		complain(r, "%s replacement index \"%s\"", r->engine->zero, name);
		return false;
	}
	t->piece[t->n++] = (struct piece){ .group = (unsigned)n };
	t->highest = MAX(t->highest, (unsigned)n);
	t->groups = true;
	return true;
}

static void put_literal(struct reading *r, struct template *t, struct buf *literal)
{
	if (literal->len > 0)
		t->piece[t->n++] = (struct piece){ .text = arena_strdup(&r->p->arena, literal->p) };
	buf_reset(literal);
}

/* "text $1 ${2}x $$": false with a warning given. */
static bool read_template(struct reading *r, const char *text, struct template *t)
{
	struct buf literal = { 0 }, name = { 0 };
	const char *p = text, *why = NULL;
	bool good = true;

	while (good && *p != '\0') {
		if (*p != '$' || p[1] == '$') {
			buf_addc(&literal, *p);
			p += *p == '$' ? 2 : 1;
			continue;
		}
		put_literal(r, t, &literal);
		p = take_name(p + 1, &name, &why);
		if (p == NULL)
			table_warn(r->source.env, r->source.path, r->source.line, "%s: \"%s\"", why, text);
		good = p != NULL && t->n + 2 < NELEM(t->piece) && take_group(r, t, buf_str(&name));
	}
	if (good)
		put_literal(r, t, &literal);
	else
		complain(r, "bad replacement syntax: skipping this %s", "rule");
	buf_release(&literal);
	buf_release(&name);
	return good;
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static struct step *add_step(struct reading *r)
{
	struct patterns *p = r->p;

	p->step = xreallocarray(p->step, p->n + 1, sizeof(*p->step));
	p->step[p->n] = (struct step){ .line = r->source.line };
	return &p->step[p->n++];
}

static bool template_allowed(struct reading *r, const struct template *t, bool inverted, unsigned groups)
{
	if (t->groups && inverted)
		complain(r, "%s", "$number found in negative match replacement text: skipping this rule");
	else if (t->groups && (r->source.env->flags & TABLE_NO_REGSUB) != 0)
		complain(r, "%s", "regular expression substitution is not allowed: skipping this rule");
	else if (t->highest > groups)
		complain(r, "out of range replacement index \"%u\": skipping this rule", t->highest);
	else
		return true;
	return false;
}

/* A step that does nothing unless its pattern matches can be left out where it cannot. */
static const char *plain_text(struct reading *r, const struct expression *e)
{
	const struct pattern_engine *g = r->engine;

	if (e->inverted || (e->flags & g->plain_if) != g->plain_if || (e->flags & g->plain_unless) != 0)
		return NULL;
	return arena_strdup(&r->p->arena, e->text);
}

static void read_rule(struct reading *r, char *p)
{
	struct table_env *env = r->source.env;
	struct expression e, e2 = { 0 };
	struct template t = { .n = 0 };
	void *first, *second = NULL;
	unsigned groups, ignored;
	char *value, *from_file = NULL, *why = NULL;
	struct step *s;
	bool good;

	if (!take_expression(r, &p, &e))
		return;
	if (r->engine->two_patterns && *p == '!') {
		p++;
		if (!take_expression(r, &p, &e2))
			return;
		e2.inverted = !e2.inverted;
	}
	value = str_trim(p);
	if (*value == '\0')
		complain(r, "%s", "no replacement text: using empty string");
	if ((env->flags & TABLE_RHS_IS_FILE) != 0 && (value = from_file = table_file_value(env, value, &why)) == NULL) {
		complain(r, "%s: skipping this rule", why);
		free(why);
		return;
	}
	good = read_template(r, value, &t);
	free(from_file);
	if (!good || (first = compile(r, &e, &groups)) == NULL)
		return;
	if (!template_allowed(r, &t, e.inverted, groups) || (e2.text != NULL && (second = compile(r, &e2,
	    &ignored)) == NULL)) {
		r->engine->release(first);
		return;
	}
	s = add_step(r);
	s->first = first;
	s->first_not = e.inverted;
	s->text = plain_text(r, &e);
	s->second = second;
	s->second_not = e2.inverted;
	s->n = t.n;
	s->groups = t.groups;
	s->piece = arena_alloc(&r->p->arena, MAX(t.n, (size_t)1) * sizeof(*s->piece));
	memcpy(s->piece, t.piece, t.n * sizeof(*s->piece));
}

static void read_if(struct reading *r, char *p)
{
	struct expression e;
	unsigned groups;
	struct step *s;
	void *first;

	if (!take_expression(r, &p, &e))
		return;
	p = str_trim(p);
	if (*p != '\0') {
		complain(r, "ignoring extra text after IF statement: \"%s\"", p);
		complain(r, "%s", "do not prepend whitespace to statements between IF and ENDIF");
	}
	if ((first = compile(r, &e, &groups)) == NULL)
		return;
	r->open = xreallocarray(r->open, r->depth + 1, sizeof(*r->open));
	r->open[r->depth++] = r->p->n;
	s = add_step(r);
	s->is_if = true;
	s->first = first;
	s->first_not = e.inverted;
	s->end = SIZE_MAX;
}

static void read_line(struct reading *r, char *p)
{
	if (!isalnum((unsigned char)*p)) {
		read_rule(r, p);
	} else if (strncasecmp(p, "IF", 2) == 0 && !isalnum((unsigned char)p[2])) {
		read_if(r, p + 2);
	} else if (strncasecmp(p, "ENDIF", 5) == 0 && !isalnum((unsigned char)p[5])) {
		if (r->depth == 0) {
			complain(r, "%s", "ignoring ENDIF without matching IF");
			return;
		}
		if (p[5 + strspn(p + 5, " \t\r\n")] != '\0')
			complain(r, "%s", "ignoring extra text after ENDIF");
		r->p->step[r->open[--r->depth]].end = r->p->n;
	} else {
		complain(r, "%s", "ignoring unrecognized request");
	}
}

static void make_prefilter(struct patterns *p)
{
	const char **text = xcalloc(p->n + 1, sizeof(*text));

	for (size_t i = 0; i < p->n; i++)
		text[i] = p->step[i].text;
	if (p->n >= FILTER_MIN)
		p->prefilter = prefilter_new(text, p->n, p->engine->perl);
	free(text);
}

void *pattern_open(struct table_env *env, const char *name, const struct pattern_engine *engine, char **why_r)
{
	struct reading r = { .engine = engine };
	char *line;

	env->pattern = true;
	if ((*why_r = source_open(&r.source, env, "open", name)) != NULL && errno != EISDIR)
		return NULL;
	free(*why_r);		/* Postfix takes a directory for an empty file */
	*why_r = NULL;
	r.p = xcalloc(1, sizeof(*r.p));
	r.p->engine = engine;
	r.p->name = xstrdup(name);
	r.p->scratch = perl_scratch_new();
	r.p->limit_ms = env->set->client_limit_ms > 0 ? env->set->client_limit_ms : LIMIT_MS;
	atomic_init(&r.p->refs, 1);
	while ((line = source_line(&r.source)) != NULL)
		read_line(&r, line);
	while (r.depth > 0) {
		int at = r.p->step[r.open[--r.depth]].line;

		table_warn(env, name, at, "%s map %s, line %d: IF has no matching ENDIF", engine->name, name, at);
	}
	free(r.open);
	source_close(&r.source);
	make_prefilter(r.p);
	return r.p;
}
