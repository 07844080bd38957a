/* Perl's expressions match what PCRE2's interpreter, as Postfix uses it, matches, at the same places and with the same groups: random
 * patterns and keys. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <postrider/buf.h>

#include "table/pattern.h"
#include "tap.h"

static const char *const atoms[] = {
	"a", "b", "c", "ab", "x", "[ab]", "[^a]", "[a-z]", "[[:alpha:]]", ".", "\\d", "\\w", "\\W", "\\b", "@", "\\.", "\\+", "^", "$", "()", "(a?)", "(b)", "(a|bc)", "(a|)", "(?:a|)", "(a|b|)",
	"(a*|b)", "(?:a|b*)", "(a?|bc?)", "(?i)", "(?-i)", "(?:ab|ac)", "(?:@|x)",
};
static const char *const odd[] = { "(?=a)", "(?<=a)", "(?>a*)", "\\1", "\\K", "(?(1)a|b)", "(?#x)", "(?|(a)|b)", "\\Qa*\\E", "(*COMMIT)", "(?x) a", "\\x{61}", "\\pL", "(?<n>a)", "\\R" };
static const char *const signs[] = { "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{0}", "*?", "+?", "??" };
static const char *const odd_signs[] = { "*+", "++", "?+", "{1,2}+" };
static const char *const before[] = { "(", "(", "(?:", "(?!", "(?<!b)(?!", "(?i:" };
static const char *const keys[] = { "a", "a", "b", "c", "ab", "x", "1", " ", "A", "Z", "@", ".", "+", "\xc3\xa9", "K", "k" };
#define PICK(list)	list[(size_t)rand() % NELEM(list)]

static void put_pattern(struct buf *b, int depth, bool strange)
{
	for (int i = rand() % 4 + (depth == 0); i > 0; i--) {
		if (rand() % 5 == 0 && depth < 3) {
			buf_adds(b, PICK(before));
			put_pattern(b, depth + 1, strange);
			if (rand() % 3 == 0) {
				buf_addc(b, '|');
				put_pattern(b, depth + 1, strange);
			}
			buf_addc(b, ')');
		} else if (strange && rand() % 5 == 0) {
			buf_adds(b, PICK(odd));
		} else {
			buf_adds(b, PICK(atoms));
		}
		if (rand() % 3 == 0)
			buf_adds(b, strange && rand() % 4 == 0 ? PICK(odd_signs) : PICK(signs));
	}
}

static int compared, matched, wrong, later;

static void compare(const struct perl *perl, pcre2_code *code, struct perl_scratch *scratch, pcre2_match_data *data, const char *pattern, const char *key)
{
	static struct pattern_match m;
	struct pattern_job j = { .key = key, .len = strlen(key), .scratch = scratch, .match = &m };
	enum pattern_result r = perl_exec(perl, &j);
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
	bool same;
	int n;

	if (r == PATTERN_LATER) {
		later++;
		return;
	}
	n = pcre2_match(code, (PCRE2_SPTR)key, strlen(key), 0, PCRE2_NO_JIT, data, NULL);
	compared++;
	matched += n > 0;
	same = r == (n > 0 ? PATTERN_YES : n == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_ERROR);
	for (int i = 0; same && n > 0 && i <= (int)perl_groups(perl); i++)
		same = i < n && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1] ?
		    m.begin[i] == (long)at[2 * i] && m.end[i] == (long)at[2 * i + 1] : m.begin[i] == -1;
	if (!same && wrong++ < 10)
		diag("'%s' with '%s': %d, interpreter %d", pattern, key, r, n);
}

static void round_of(struct perl_scratch *scratch, pcre2_match_data *data, bool strange)
{
	struct buf b = { 0 };
	char *why = NULL;
	struct perl *perl;
	pcre2_code *code;
	PCRE2_SIZE offset;
	unsigned options = PCRE2_CASELESS | PCRE2_DOTALL | (rand() % 8 == 0 ? PCRE2_UNGREEDY : 0) | (rand() % 8 == 0 ? PCRE2_MULTILINE : 0) |
	    (rand() % 8 == 0 ? PCRE2_ANCHORED : 0) | (rand() % 16 == 0 ? PCRE2_EXTENDED : 0);
	int e;

	put_pattern(&b, 0, strange);
	perl = perl_compile(buf_str(&b), options, &why);
	code = pcre2_compile((PCRE2_SPTR)buf_str(&b), b.len, options, &e, &offset, NULL);
	if ((perl == NULL) != (code == NULL))
		wrong++;
	for (int i = 0; perl != NULL && code != NULL && i < 10; i++) {
		struct buf key = { 0 };

		for (int k = rand() % 8; k > 0; k--)
			buf_adds(&key, PICK(keys));
		compare(perl, code, scratch, data, buf_str(&b), buf_str(&key));
		buf_release(&key);
	}
	perl_free(perl);
	pcre2_code_free(code);
	free(why);
	buf_release(&b);
}

int main(int argc, char **argv)
{
	struct perl_scratch *scratch = perl_scratch_new();
	pcre2_match_data *data = pcre2_match_data_create(50, NULL);
	int rounds = argc > 1 ? atoi(argv[1]) : 6000;

	srand(argc > 2 ? (unsigned)atoi(argv[2]) : 7);
	for (int i = 0; i < rounds; i++)
		round_of(scratch, data, i % 4 == 0);
	perl_scratch_free(&scratch);
	pcre2_match_data_free(data);
	diag("%d compared, %d matched, %d take longer", compared, matched, later);
	ok(matched > compared / 20 && matched < compared && later < compared / 20, "enough of both");
	is_int(wrong, 0, "of %d, all are as with the interpreter", compared);
	return done_testing();
}
