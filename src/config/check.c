/* check.c - the strict report behind `postrider check`: what a start lets pass with a warning or silently. */
#include "internal.h"

static void check_standing(const struct sym *s, int id, struct problems *problems)
{
	const struct param_row *row = &param_rows[id];

	switch (row->standing) {
	case PS_WORKS:
		break;
	case PS_NO_EFFECT:
		problem_once(problems, PROBLEM_WARNING, s->file, s->line, "%s: accepted without effect: %s", s->name, row->text);
		break;
	case PS_UNFINISHED:
	case PS_UNFINISHED_SECURITY:
		problem_once(problems, PROBLEM_ERROR, s->file, s->line, "%s: not finished in this version", s->name);
		break;
	case PS_REFUSED:
		problem_once(problems, PROBLEM_ERROR, s->file, s->line, "%s: refused: %s", s->name, row->text);
		break;
	}
}

void config_check(const struct config *c, struct problems *problems)
{
	for (size_t i = 0; i < c->nsym; i++)
		if (c->sym[i].raw != NULL && i < PARAM_COUNT)
			check_standing(&c->sym[i], (int)i, problems);
}
