/* table_cidr.c - networks with results, in order, with !, IF and ENDIF.
 * A run of plain rules is one step of the program: one look-up in `nets`, however long the run is.
 * Rules with '!' and IF are steps of their own. A key that is not an address finds nothing, and
 * an address never matches anything about the other family, also not under '!'. */
#include <ctype.h>
#include <errno.h>
#include <postrider/arena.h>

#include "room.h"

enum op { RUN, NOT, IF };

struct step {
	enum op		 op;
	bool		 inverted;	/* IF !net */
	struct net	 net;		/* NOT, IF */
	struct nets	 nets;		/* RUN: numbers are places in value[] */
	size_t		 value;		/* NOT */
	size_t		 end;		/* IF: the step to go on with if it does not hold */
	int		 line;
};
struct cidr {
	struct step	*step;
	size_t		 n;
	char		**value;
	size_t		 n_values;
	struct arena	 arena;
};
struct reading {
	struct cidr	*cidr;
	struct source	 source;
	size_t		 open[64];	/* IFs without ENDIF yet */
	size_t		 depth;
};

static void cidr_close(void *contents)
{
	struct cidr *c = contents;

	for (size_t i = 0; i < c->n; i++)
		nets_release(&c->step[i].nets);
	free(c->step);
	free(c->value);
	arena_release(&c->arena);
	free(c);
}

static void skip(struct reading *r, const char *why)
{
	table_warn(r->source.env, r->source.path, r->source.line, "cidr map %s, line %d: %s: skipping this rule",
	    r->source.path,
	    r->source.line, why);
}

static struct step *add_step(struct reading *r, enum op op)
{
	struct cidr *c = r->cidr;

	c->step = xreallocarray(c->step, c->n + 1, sizeof(*c->step));
	c->step[c->n] = (struct step){ .op = op, .line = r->source.line };
	return &c->step[c->n++];
}

/* In front of a pattern: any number of '!' and spaces. */
static char *take_not(char *p, bool *inverted)
{
	*inverted = false;
	for (; *p == '!' || isspace((unsigned char)*p); p++)
		if (*p == '!')
			*inverted = !*inverted;
	return p;
}

static bool parse(struct reading *r, struct net *net, const char *pattern)
{
	char *why = *pattern != '\0' ? net_parse(net, pattern) : xstrdup("no address pattern");

	if (why != NULL)
		skip(r, why);
	free(why);
	return why == NULL;
}

static void read_if(struct reading *r, char *p)
{
	bool inverted;
	struct net net;
	struct step *s;

	p = str_trim(take_not(p, &inverted));
	if (!parse(r, &net, p))
		return;
	if (r->depth == NELEM(r->open)) {
		skip(r, "IF is nested too deeply");
		return;
	}
	r->open[r->depth++] = r->cidr->n;
	s = add_step(r, IF);
	s->net = net;
	s->inverted = inverted;
	s->end = SIZE_MAX;
}

static void read_endif(struct reading *r, const char *p)
{
	if (p[strspn(p, " \t\r\n")] != '\0')
		skip(r, "garbage after ENDIF");
	else if (r->depth == 0)
		skip(r, "ENDIF without IF");
	else
		r->cidr->step[r->open[--r->depth]].end = r->cidr->n;
}

/* The end of an IF is a place where a run must not go on: what follows belongs to the outside. */
static bool run_continues(const struct reading *r)
{
	const struct cidr *c = r->cidr;

	if (c->n == 0 || c->step[c->n - 1].op != RUN)
		return false;
	for (size_t i = c->n; i-- > 0; )
		if (c->step[i].op == IF && c->step[i].end == c->n)
			return false;
	return true;
}

static void read_rule(struct reading *r, char *p)
{
	struct cidr *c = r->cidr;
	struct table_env *env = r->source.env;
	char *pattern, *value, *from_file = NULL, *why = NULL;
	bool inverted;
	struct net net;

	p = pattern = take_not(p, &inverted);
	while (*p != '\0' && !isspace((unsigned char)*p))
		p++;
	if (*p != '\0')
		*p++ = '\0';
	value = str_trim(p);
	if (!parse(r, &net, pattern))
		return;
	if (*value == '\0') {
		skip(r, "no lookup result");
		return;
	}
	if ((env->flags & TABLE_RHS_IS_FILE) != 0 && (value = from_file = table_file_value(env, value, &why)) == NULL) {
		skip(r, why);
		free(why);
		return;
	}
	if (c->n_values % 64 == 0)
		c->value = xreallocarray(c->value, c->n_values + 64, sizeof(*c->value));
	c->value[c->n_values] = arena_strdup(&c->arena, value);
	free(from_file);
	if (inverted) {
		struct step *s = add_step(r, NOT);

		s->net = net;
		s->value = c->n_values;
	} else {
		struct step *s = run_continues(r) ? &c->step[c->n - 1] : add_step(r, RUN);

		nets_add(&s->nets, &net, c->n_values);
	}
	c->n_values++;
}

static void read_line(struct reading *r, char *p)
{
	if (strncasecmp(p, "IF", 2) == 0 && !isalnum((unsigned char)p[2]))
		read_if(r, p + 2);
	else if (strncasecmp(p, "ENDIF", 5) == 0 && !isalnum((unsigned char)p[5]))
		read_endif(r, p + 5);
	else
		read_rule(r, p);
}

static void *cidr_open(struct table_env *env, const char *name, char **why_r)
{
	struct reading r = { 0 };
	char *line;

	env->pattern = true;
	if ((*why_r = source_open(&r.source, env, "open", name)) != NULL) {
		if (errno == EISDIR) {
			free(*why_r);
			*why_r = xasprintf("cidr map %s: read error: %s", name, strerror(EISDIR));
		}
		return NULL;
	}
	r.cidr = xcalloc(1, sizeof(*r.cidr));
	while ((line = source_line(&r.source)) != NULL)
		read_line(&r, line);
	while (r.depth > 0) {
		int at = r.cidr->step[r.open[--r.depth]].line;

		table_warn(env, name, at, "cidr map %s, line %d: IF has no matching ENDIF", name, at);
	}
	source_close(&r.source);
	return r.cidr;
}

static enum table_result found(const struct cidr *c, struct table_op *op, size_t value)
{
	op->value = c->value[value];
	return TABLE_FOUND;
}

static enum table_result cidr_lookup(void *contents, struct table_op *op, const char *key)
{
	const struct cidr *c = contents;
	struct ip ip;
	size_t value;

	if (!ip_parse(&ip, key))
		return TABLE_NONE;
	for (size_t i = 0; i < c->n; ) {
		const struct step *s = &c->step[i];

		switch (s->op) {
		case RUN:
			if ((value = nets_find(&s->nets, &ip)) != NETS_NONE)
				return found(c, op, value);
			i++;
			break;
		case NOT:
			if (ip.v6 == s->net.v6 && !net_has(&s->net, &ip))
				return found(c, op, s->value);
			i++;
			break;
		case IF:
			i = ip.v6 == s->net.v6 && net_has(&s->net, &ip) != s->inverted ? i + 1 : s->end;
			break;
		}
	}
	return TABLE_NONE;
}

const struct table_class table_cidr = {
	.abi = TABLE_ABI, .type = "cidr", .open = cidr_open, .close = cidr_close, .lookup = cidr_lookup,
};
