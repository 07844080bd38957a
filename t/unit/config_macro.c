/* The macro language: results and messages of Postfix 3.7 for the same texts. */
#include <config/macro.h>
#include <postrider/config.h>
#include <stdlib.h>
#include "tap.h"

static const char *lookup(struct macro *m, const char *name, enum macro_mode mode)
{
	(void)m;
	(void)mode;
	if (strcmp(name, "foo") == 0)
		return "FOO";
	if (strcmp(name, "e") == 0)
		return "";
	return NULL;
}

static const struct { const char *text, *want, *why; } cases[] = {
	{ "$foo.bar", "FOO.bar", NULL },
	{ "a $foo-b ${foo}c $(foo)d", "a FOO-b FOOc FOOd", NULL },
	{ "$$foo $$$foo", "$foo $FOO", NULL },
	{ "${foo?}", "", NULL },
	{ "${foo ?a}", "a", NULL },
	{ "${ foo ? a : b }|", "a : b |", NULL },
	{ "${foo ? {a} : {b} }|", "a|", NULL },
	{ "${foo?{a}:b}", "a", NULL },
	{ "${e?{a}:b c}", "b c", NULL },
	{ "${foo?a:b}", "a:b", NULL },
	{ "${foo??}", "?", NULL },
	{ "${foo?  a b }|", "a b |", NULL },
	{ "${foo?{ x  y }}|", " x  y |", NULL },
	{ "${foo?{a} }}", "a}", NULL },
	{ "${foo:x}|${e:x}|${nope:x}|${nope?x}|$nope|", "|x|x|||", NULL },
	{ "${foo?{${foo}}:{x}}", "FOO", NULL },
	{ "${nope?{${foo}}:{x$foo}}", "xFOO", NULL },
	{ "${foo?{{a}}:{b}}", "{a}", NULL },
	{ "x}y", "x}y", NULL },
	{ "${{a} == {a}}|${{a}=={b}}|", "true||", NULL },
	{ "${{a} == {a} ? {x} }|${{a} == {a} ? x y }x", "x|x y x", NULL },
	{ "${{a} == {b} : x y }x", "x y x", NULL },
	{ "${{a} != {b} ? {p}:{q}}", "p", NULL },
	{ "${{10} < {9} ? {lt}:{ge}}${{abc} < {9} ? {lt}:{ge}}", "gege", NULL },
	{ "${{03} == {3} ? {p}:{q}}${{+1} == {1} ? {p}:{q}}${{} == {} ? {p}:{q}}", "pqp", NULL },
	{ "${{ a } == {a} ? {p}:{q}}", "q", NULL },
	{ "${{3} <= {3} ? {p}:{q}}${{3} > {3} ? {p}:{q}}${{3} >= {3} ? {p}:{q}}", "pqp", NULL },
	{ "${{3.6} <level {3.10} ? {p}:{q}}${{3.6.0} ==level {3.6} ?a}${{3}<level{4}?b}", "pab", NULL },
	{ "${{$foo} == {FOO} ? {${{a}=={a}?{x}}}:{q}}", "x", NULL },
	{ "${{99999999999}<level{4}?a}", "", NULL },
	{ "${e?${}}", "", NULL },
	{ "${ }|${:x}", "|x", NULL },
	{ "${", NULL, "truncated macro reference: \"${\"" },
	{ "$(foo}", NULL, "truncated macro reference: \"$(foo}\"" },
	{ "${foo?{a}:{b}", NULL, "truncated macro reference: \"${foo?{a}:{b}\"" },
	{ "${}", NULL, "empty macro name: \"${}\"" },
	{ "$foo$", NULL, "empty macro name: \"$foo$\"" },
	{ "$ foo", NULL, "empty macro name: \"$ foo\"" },
	{ "${foo?a$}", NULL, "empty macro name: \"a$\"" },
	{ "${foo bar}", NULL, "attribute name syntax error at: \"...foo>>> bar\"" },
	{ "${foo.bar}", NULL, "attribute name syntax error at: \"...foo>>>.bar\"" },
	{ "${foo?{a}b}", NULL, "\":\" expected at: \"...a}>>>b\"" },
	{ "${foo?{a} : {b}x}", NULL, "unexpected input at: \"...b}>>>x\"" },
	{ "${foo:{a}:{b}}", NULL, "unexpected input at: \"...a}>>>:{b}\"" },
	{ "${{a} = {b}}", NULL, "\"==\" or \"!=\"\" or \"<\"\" or \"<=\"\" or \">=\"\" or \">\" expected at: \"...a}>>>= {b}\"" },
	{ "${{a} == b}", NULL, "\"{expression}\" expected at: \"...{a} ==>>> b\"" },
	{ "${{a}=={b}x}", NULL, "\"?\" or \":\" expected at: \"...}>>>x\"" },
	{ "${{3}<lev {b}?1}", NULL, "bad operator suffix at: \"...<>>>lev\"" },
	{ "${{3} <level_x {4}?a}", NULL, "\"{expression}\" expected at: \"...{3} <>>>_x {4}?a\"" },
	{ "${{x} <level {3} ? {p}:{q}}", NULL, "malformed compatibility level syntax: \"x\"" },
	{ "${{3.6.0.1} ==level {3.6} ?a}", NULL, "malformed compatibility level syntax: \"3.6.0.1\"" },
	{ "${{3}<level{ 4 }?a}", NULL, "malformed compatibility level syntax: \" 4 \"" },
	{ "${{3.999.9999}<level{4}?a}", NULL, "malformed compatibility level syntax: \"3.999.9999\"" },
	{ "${{99999999999999999999}<{2}?{1}:{2}}", NULL, "mac_exp_eval: bad conversion: 99999999999999999999" },
};

static const char *plain(void *arg, const char *name)
{
	return strcmp(name, arg) == 0 ? "$value" : NULL;
}

static void add_name(void *arg, const char *name, size_t len)
{
	buf_add(arg, name, len);
	buf_addc(arg, ' ');
}

int main(void)
{
	struct buf out = { 0 };
	char key[] = "x";

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct macro m = { .lookup = lookup };
		bool good = macro_run(&m, &out, cases[i].text);

		if (cases[i].want != NULL)
			is_str(good ? buf_str(&out) : m.why, cases[i].want, "%s", cases[i].text);
		else
			is_str(good ? buf_str(&out) : m.why, cases[i].why, "%s", cases[i].text);
		buf_reset(&out);
	}

	is_str(macro_expand(&out, "a $x ${y:b}", plain, key), NULL, "macro_expand: no error");
	is_str(buf_str(&out), "a $value b", "what a lookup returns is not expanded again");
	is_str(macro_expand(&out, "${x", plain, key), "truncated macro reference", "macro_expand: the phrase");
	buf_reset(&out);
	macro_names("$a ${b?$c} $$d $(e) ${ f : {${g}}} ${{$h} == {i}}", add_name, &out);
	is_str(buf_str(&out), "a b c e f g h ", "names in a text");
	buf_release(&out);
	return done_testing();
}
