/* feedback.c - the concurrency window of a destination (SCHEDULER_README).
 * Successes add the positive feedback to a running sum; a full unit widens the window by one. A failed connection takes
 * the negative feedback off at once, and counts 1/window towards the number of failed cohorts after which the
 * site is dead. A window never grows further than one initial window beyond what is in use, so that negative feedback
 * keeps its effect. */
#include "qmgr_int.h"
#include <stdio.h>
#include <stdlib.h>

/* "0.5", "1/8", "1/concurrency", "1/sqrt_concurrency": 0..1. */
struct feedback feedback_parse(const char *text, bool *bad_r)
{
	struct feedback f = { .base = -1 };
	char *end;
	double n = strtod(text, &end), d = 1;

	*bad_r = false;
	if (end != text) {
		end += strspn(end, " \t");
		if (*end == '\0') {
			f.base = n;
		} else if (*end == '/') {
			const char *denominator = end + 1 + strspn(end + 1, " \t");

			if (strcmp(denominator, "concurrency") == 0) {
				f = (struct feedback){ n, FEEDBACK_PER_WINDOW };
			} else if (strcmp(denominator, "sqrt_concurrency") == 0) {
				f = (struct feedback){ n, FEEDBACK_PER_ROOT };
			} else {
				d = strtod(denominator, &end);
				if (end != denominator && *end == '\0' && d > 0)
					f.base = n / d;
			}
		}
	}
	if (!(f.base >= 0 && f.base <= 1)) {
		*bad_r = true;
		f = (struct feedback){ 1, FEEDBACK_FIXED };
	}
	return f;
}

static double root(double x)
{
	double r = x;

	for (int i = 0; i < 40 && r * r - x > 1e-9 * x; i++)	/* Newton; windows are small numbers >= 1 */
		r = (r + x / r) / 2;
	return r;
}

static double value(struct feedback f, unsigned window)
{
	switch (f.kind) {
	case FEEDBACK_PER_WINDOW:
		return f.base / window;
	case FEEDBACK_PER_ROOT:
		return f.base / root(window);
	default:
		return f.base;
	}
}

void window_reset(struct window *w, const struct window_rules *r)
{
	*w = (struct window){ .size = r->initial };
}

void window_success(struct window *w, const struct window_rules *r, unsigned busy)
{
	double f;

	w->cohorts = 0;
	if ((r->limit != 0 && w->size >= r->limit) || w->size >= busy + r->initial)
		return;
	f = value(r->positive, w->size);
	for (w->success += f; w->success + f / 2 >= 1; w->success -= 1) {
		w->size++;
		w->failure = 0;
	}
	if (r->limit != 0 && w->size > r->limit)
		w->size = r->limit;
}

bool window_failure(struct window *w, const struct window_rules *r)
{
	double f;

	w->cohorts += 1.0 / w->size;
	if (r->cohort_limit > 0 && w->cohorts >= r->cohort_limit)
		return true;
	f = value(r->negative, w->size);
	for (w->failure -= f; w->failure - f / 2 < 0; w->failure += 1) {
		if (w->size > 1)
			w->size--;
		w->success = 0;
	}
	return false;
}
