/* Concurrency windows: feedback expressions, growth, shrinking, death of a site; delays as they are logged. */
#include "tap.h"
#include "qmgr/qmgr_int.h"
#include <stdlib.h>

static void test_feedback(void)
{
	static const struct { const char *text; double base; enum feedback_kind kind; bool bad;
	} t[] = {
	    {"1", 1, FEEDBACK_FIXED, false},
	    {"0.25", .25, FEEDBACK_FIXED, false},
	    {"1/8", .125, FEEDBACK_FIXED, false},
	    {"1 / concurrency", 1, FEEDBACK_PER_WINDOW, false},
	    {"1/sqrt_concurrency", 1, FEEDBACK_PER_ROOT, false},
	    {"0", 0, FEEDBACK_FIXED, false},
	    {"2", 1, FEEDBACK_FIXED, true},
	    {"-1", 1, FEEDBACK_FIXED, true},
	    {"x", 1, FEEDBACK_FIXED, true},
	    {"1/", 1, FEEDBACK_FIXED, true},
	    {"1/0", 1, FEEDBACK_FIXED, true},
	    {"1/concurrenc", 1, FEEDBACK_FIXED, true},
	};

	for (size_t i = 0; i < NELEM(t); i++) {
		bool bad;
		struct feedback f = feedback_parse(t[i].text, &bad);

		ok(f.base == t[i].base && f.kind == t[i].kind && bad == t[i].bad, "feedback \"%s\"", t[i].text);
	}
}

static struct window_rules rules = { .initial = 5, .limit = 20, .cohort_limit = 1, .positive = { 1, FEEDBACK_FIXED },
	.negative = { 1, FEEDBACK_FIXED } };

static void test_growth(void)
{
	struct window w;
	unsigned n;

	window_reset(&w, &rules);
	is_int(w.size, 5, "starts with the initial window");
	window_success(&w, &rules, 1);
	is_int(w.size, 6, "one more with each success");
	window_success(&w, &rules, 1);
	is_int(w.size, 6, "no further than initial beyond what is in use");
	for (n = 0; n < 100; n++)
		window_success(&w, &rules, w.size);
	is_int(w.size, 20, "up to the limit");
	rules.positive = (struct feedback){ 1, FEEDBACK_PER_WINDOW };
	window_reset(&w, &rules);
	for (n = 0; w.size == 5; n++)
		window_success(&w, &rules, 5);
	is_int(n, 5, "1/concurrency: a window's worth of successes");
	rules.positive = (struct feedback){ 1, FEEDBACK_FIXED };
}

static void test_death(void)
{
	struct window w;
	unsigned n;

	window_reset(&w, &rules);
	for (n = 1; !window_failure(&w, &rules); n++)
		;
	is_int(n, 3, "default feedback: dead within a cohort");
	rules.negative = (struct feedback){ 1, FEEDBACK_PER_WINDOW };
	rules.cohort_limit = 0;
	window_reset(&w, &rules);
	for (n = 0; n < 1000 && !window_failure(&w, &rules); n++)
		;
	is_int(n, 1000, "no cohort limit: never dead");
	is_int(w.size, 1, "the window never closes");
	rules.cohort_limit = 1;
	window_reset(&w, &rules);
	for (n = 0; n < 1000; n++) {
		if (window_failure(&w, &rules))
			break;
		window_success(&w, &rules, w.size);
	}
	is_int(n, 1000, "a success in between forgives");
}

static void test_delay(void)
{
	static const struct { int64_t us; int digits; const char *text;
	} t[] = {
	    {0, 2, "0"},	   {4000, 2, "0"},     {5000, 2, "0.01"},   {50000, 2, "0.05"},	 {123456, 2, "0.12"},
	    {990000, 2, "0.99"},   {996000, 2, "1"},   {1234567, 2, "1.2"}, {9960000, 2, "10"},	 {12345678, 2, "12"},
	    {123456789, 2, "123"}, {1000, 6, "0.001"}, {123456, 6, "0.12"}, {1234, 6, "0.0012"}, {12, 6, "0.000012"},
	    {1500000, 0, "2"},	   {-5, 2, "0"},       {100000, 2, "0.1"},
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < NELEM(t); i++) {
		buf_reset(&b);
		format_delay(&b, t[i].us, t[i].digits);
		is_str(buf_str(&b), t[i].text, "%lld us, %d digits", (long long)t[i].us, t[i].digits);
	}
	buf_release(&b);
}

static void test_idmap(void)
{
	struct idmap m = { 0 };
	struct idnode *n = xcalloc(1000, sizeof(*n));
	bool good = true;

	for (uint64_t i = 0; i < 1000; i++)
		idmap_add(&m, &n[i], i / 2 * 1000003);
	for (uint64_t i = 0; i < 1000; i++) {
		struct idnode *f = idmap_first(&m, i / 2 * 1000003);

		good &= f != NULL && idmap_next(f) != NULL && idmap_next(idmap_next(f)) == NULL;
	}
	ok(good, "two nodes under each key");
	for (uint64_t i = 0; i < 1000; i += 2)
		idmap_del(&m, &n[i]);
	ok(idmap_first(&m, 0) == &n[1] && idmap_next(&n[1]) == NULL && m.n == 500, "one of them removed");
	ok(idmap_first(&m, 77) == NULL, "no such key");
	idmap_release(&m);
	free(n);
}

int main(void)
{
	test_feedback();
	test_growth();
	test_death();
	test_delay();
	test_idmap();
	return done_testing();
}
