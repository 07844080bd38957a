/* Pattern tables answer the same whether the prefilter leaves rules out or every rule is tried: random rules of what is
 * plain and what is tricky, random keys made of their pieces. */
#include <stdlib.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/table.h>

#include "table/pattern.h"
#include "tap.h"

static const char *const pieces[] = {
	"a", "b", "abc", "abcd", "subject:", "lottery", "win", "K", "s", "S", "kelvin", "x*", "y?", "z+", "w{2}", "v{0,1}", "u{0}", ".", "^", "$", "|", "(a|b)", "(abc)?", "(abcd)", "(ab(cd|ef)gh)",
	"[a-c]", "[]a]", "[^]b]", "[[:alpha:]]", "[a[:digit:]]", "\\.", "\\\\", "\\/", "\\[", "\\(", "@", "example", " ", "1", "23", "\\w", "\\b", "{", "}", "a{,2}", "a{x}", "\xc3\xa9", "#x", "-",
};
static const char *const perl_only[] = {
	"\\d", "\\x41", "(?i)", "(?-i)", "(?:abc)", "(?=abc)", "(?!abc)", "(?#abc)", "\\Qa.b\\E", "[\\]abc]", "\\cA", "a*?", "b+?", "c++", "\\R", "(?<n>abc)", "\\101", "\\x{61}", "\\pL", "\\A", "\\z", "(?x) a b c",
};
static const char *const bits[] = {
	"a", "b", "ab", "abc", "abcd", "Subject:", "lottery", "win", "WIN", "k", "s", "\xc5\xbf", "\xe2\x84\xaa", "\xe2\x84\xaa" "elvin", "x", "yy", "z", "ww", "v", "u", "]", "[", "(", ".", "\\", "/", "@", "example", " ",
	"1", "23", "{", "}", "{x}", "{,2}", "\xc3\xa9", "#x", "-", "ef", "gh", "a.b", "A",
};

static char *pattern(bool perl)
{
	struct buf b = { 0 };

	for (int i = 1 + rand() % 5; i > 0; i--)
		buf_adds(&b, perl && rand() % 4 == 0 ? perl_only[(size_t)rand() % NELEM(perl_only)] : pieces[(size_t)rand() % NELEM(pieces)]);
	return buf_steal(&b);
}

static void source(const char *path, bool perl)
{
	FILE *f = fopen(path, "w");
	int depth = 0, rules = 4 + rand() % 90;

	for (int i = 0; i < rules; i++) {
		char *p = pattern(perl), *q = pattern(perl);

		if (rand() % 8 == 0) {
			fprintf(f, "if %s~%s~\n", rand() % 3 == 0 ? "!" : "", p);
			depth++;
		} else if (depth > 0 && rand() % 4 == 0) {
			fprintf(f, "endif\n");
			depth--;
		} else if (!perl && rand() % 10 == 0) {
			fprintf(f, "~%s~!~%s~ r%d\n", p, q, i);
		} else {
			fprintf(f, "%s~%s~%s r%d\n", rand() % 10 == 0 ? "!" : "", p, rand() % 6 == 0 ? "i" : rand() % 9 == 0 ? "x" : "", i);
		}
		free(p);
		free(q);
	}
	fclose(f);
}

static char *ask(struct table *t, const char *key)
{
	struct table_op op = { 0 };
	char *got;

	table_start(&op, NULL, t, key);
	got = xstrdup(table_poll(&op) == TABLE_FOUND ? op.value : "-");
	table_end(&op);
	return got;
}

static void test(bool perl, bool utf8)
{
	static struct view view;
	char path[] = "/tmp/table_prefilter.XXXXXX", spec[100];
	int same = 0, all = 0, found = 0;

	close(mkstemp(path));
	view.v[P_smtputf8_enable].flag = utf8;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/tmp";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	snprintf(spec, sizeof(spec), "%s:%s", perl ? "pcre" : "regexp", path);
	for (int round = 0; round < 300; round++) {
		struct tables *set = tables_new(&view);
		struct table *t;

		source(path, perl);
		t = table_open(set, spec, utf8 ? TABLE_ADDR : TABLE_FOLD, NULL, NULL);
		for (int i = 0; i < 60; i++) {
			struct buf key = { 0 };
			char *a, *b;

			for (int k = rand() % 9; k >= 0; k--)
				buf_adds(&key, bits[(size_t)rand() % NELEM(bits)]);
			pattern_unfiltered = false;
			a = ask(t, buf_str(&key));
			pattern_unfiltered = true;
			b = ask(t, buf_str(&key));
			same += strcmp(a, b) == 0;
			if (strcmp(a, b) != 0)
				diag("%s: '%s' gives %s, unfiltered %s", spec, buf_str(&key), a, b);
			found += *b != '-';
			all++;
			free(a);
			free(b);
			buf_release(&key);
		}
		tables_unref(&set);
	}
	is_int(same, all, "%s%s: the same answers", perl ? "pcre" : "regexp", utf8 ? ", UTF-8" : "");
	ok(found > all / 20 && found < all, "%d of %d found something", found, all);
	unlink(path);
}

int main(void)
{
	srand(11);
	for (int i = 0; i < 4; i++)
		test((i & 1) != 0, (i & 2) != 0);
	return done_testing();
}
