/* The translation of POSIX expressions says what the C library says, where it is certain: random patterns and keys, whether they
 * match and where the match begins; and groups asked for from there are those of the whole key; Perl's groups are the same where
 * that is said. Not compared: references to groups, and groups that repeat what may be empty, for which the library may overrun its stack or never come back. */
#include <regex.h>
#include <stdlib.h>
#include <postrider/buf.h>

#include "table/pattern.h"
#include "tap.h"

static const char *const atoms[] = {
	"a", "b", "c", "A", "B", "Z", "\\(a\\)", "\\|", "a\\{2\\}", "b\\+", "_", "@", "-", "1", "ab", "\\.", "\\\\", "\\w", "\\W", "\\s", "\\S", "\\d", "\\D", "\\q", ".", ".", "[ab]", "[^ab]", "[a-c]",
	"[]a]", "[^]a]", "[a-]", "[[:alpha:]]", "[^[:alnum:]_]", "[[:upper:]b]", "[[:lower:]]", "[+--]", "[^-z]", "[^A-Za-z]", "[_-`]", "[A-z]",
	"[\\.]", "\xc3", "[\xc3\xa9]", "[^\xc3]", " ", "\n", "%", "[[:space:]]", "[[:punct:]]", "[^\n]", "()", "(a|)", "[a\\]", "[[.a.]]", "[[=a=]]", "[a-[.c.]]",
};
static const char *const anchors[] = { "^", "$", "\\b", "\\B", "\\<", "\\>", "\\`", "\\'" };
static const char *const counts[] = { "*", "+", "?", "{2}", "{0,1}", "{1,2}", "{2,}", "{,2}", "{0}", "{1,}", "**", "+?", "{1}{2}", "*{2}", "{,}", "{,0}" };
static const char *const keys[] = {
	"a", "b", "c", "A", "B", "Z", "z", "_", "@", "-", "1", "ab", "aab", "ba", ".", "\\", " ", "\t", "\n", "\xc3", "\xa9", "%", "+", ",", "]", "[", "^", "`", "d", "=", "", "\x80", "\xff",
};
#define PICK(list)	list[(size_t)rand() % NELEM(list)]

/* What ordinary rules are made of. */
static void put_plain(struct buf *b, int depth)
{
	for (int i = rand() % 5; i >= 0; i--) {
		if (rand() % 3 == 0 && depth < 3) {
			buf_addc(b, '(');
			put_plain(b, depth + 1);
			buf_addc(b, ')');
			continue;
		}
		buf_adds(b, PICK(atoms));
		if (rand() % 2 == 0)
			buf_adds(b, PICK(counts));
	}
}

static void put_pattern(struct buf *b, int depth, bool refers)
{
	int pieces = rand() % (depth == 0 ? 6 : 4) + (depth == 0);

	for (int i = 0; i < pieces; i++) {
		int what = rand() % 20;

		if (what < 5 && depth < 4) {
			buf_addc(b, '(');
			put_pattern(b, depth + 1, refers);
			buf_addc(b, ')');
		} else if (what == 5 && depth < 2) {
			buf_adds(b, PICK(anchors));
			continue;
		} else if (what == 6 && pieces > 1) {
			buf_addc(b, '|');
			continue;
		} else if (what == 7 && refers) {
			buf_addf(b, "\\%d", 1 + rand() % 3);
		} else {
			buf_adds(b, PICK(atoms));
		}
		if (rand() % 3 == 0)
			buf_adds(b, PICK(counts));
	}
}

static int translated, compared, matched, wrong, refused, grouped, groups_wrong, same_groups, same_wrong;

static const char *shown(const char *text)
{
	static char out[4][1000];
	static int n;
	char *p = out[n = (n + 1) % 4];
	size_t k = 0;

	for (; *text != '\0' && k < sizeof(out[0]) - 5; text++)
		k += (size_t)sprintf(p + k, *text >= ' ' && *text < 127 ? "%c" : "\\x%02x", *text & 0xff);
	p[k] = '\0';
	return p;
}

/* Of one match, the key's end included: those of Perl's expression. */
static void compare_groups(const regex_t *re, const regmatch_t *at, const struct perl *perl, struct pattern_job *j, const char *pattern)
{
	struct pattern_match match;
	bool same = true;

	j->match = &match;
	if (perl_exec(perl, j) != PATTERN_YES || match.end[0] != (long)j->len)
		return;
	same_groups++;
	for (size_t i = 0; i <= re->re_nsub && i < 10; i++)
		same = same && at[i].rm_so == match.begin[i] && at[i].rm_eo == match.end[i];
	if (!same && same_wrong++ < 10)
		diag("'%s' with '%s': $1 at %d to %d, Perl's at %ld to %ld", shown(pattern), shown(j->key), (int)at[1].rm_so, (int)at[1].rm_eo,
		    match.begin[1], match.end[1]);
}

static void compare(const regex_t *re, const struct perl *perl, const char *key, struct perl_scratch *scratch, const char *pattern,
    const char *text, bool groups, bool plain)
{
	regmatch_t at[10], from[10];
	struct pattern_job j = { .key = key, .len = strlen(key), .scratch = scratch };
	bool yes = regexec(re, key, groups ? 10 : 1, at, 0) == 0, same;
	enum pattern_result r = perl_exec(perl, &j);

	if (r == PATTERN_LATER)		/* too much work */
		return;
	compared++;
	matched += yes;
	same = r == (yes ? PATTERN_YES : PATTERN_NO) && (!yes || perl_begin(scratch) == at[0].rm_so);
	if (!same && wrong++ < 20)
		diag("'%s' (%s) with '%s': library %d at %d, perl %d at %ld", shown(pattern), shown(text), shown(key), yes, yes ? (int)at[0].rm_so : 0, r,
		    perl_begin(scratch));
	if (!same || !yes || !groups)
		return;
	if (plain)
		compare_groups(re, at, perl, &j, pattern);
	from[0] = (regmatch_t){ .rm_so = at[0].rm_so, .rm_eo = (regoff_t)strlen(key) };
	grouped++;
	if ((regexec(re, key, 10, from, REG_STARTEND) != 0 || memcmp(at, from, MIN(re->re_nsub + 1, (size_t)10) * sizeof(at[0])) != 0) && groups_wrong++ < 5)
		diag("'%s' with '%s': other groups from %d", shown(pattern), shown(key), (int)at[0].rm_so);
}

static void round_of(bool refers, bool plain, struct perl_scratch *scratch)
{
	struct posix posix = { .any_case = rand() % 2 != 0, .lines = rand() % 4 == 0, .basic = rand() % 8 == 0 };
	struct buf b = { 0 };
	char *text, *why = NULL;
	struct perl *perl;
	regex_t re;

	if (plain)
		put_plain(&b, 0);
	else
		put_pattern(&b, 0, refers);
	text = posix_to_perl(buf_str(&b), &posix);
	refused += text == NULL || !posix.certain;
	if (text == NULL || !posix.certain || posix.weight > 200 || regcomp(&re, buf_str(&b), (posix.basic ? 0 : REG_EXTENDED) | (posix.any_case ? REG_ICASE : 0) | (posix.lines ?
	    REG_NEWLINE : 0)) != 0) {
		buf_release(&b);
		free(text);
		return;
	}
	perl = perl_compile(text, (posix.any_case ? 8u : 0) | (posix.lines ? 0x400u | 0x200000u : 0x10u) | 0x20u, &why);
	if (perl == NULL)
		diag("'%s' (%s): %s", shown(buf_str(&b)), shown(text), why);
	translated += perl != NULL;
	for (int i = 0; perl != NULL && i < 12; i++) {
		struct buf key = { 0 };

		for (int k = rand() % 9; k >= 0; k--)
			buf_adds(&key, PICK(keys));
		compare(&re, perl, buf_str(&key), scratch, buf_str(&b), text, !posix.empty_loops, posix.plain);
		buf_release(&key);
	}
	perl_free(perl);
	regfree(&re);
	free(text);
	free(why);
	buf_release(&b);
}

int main(int argc, char **argv)
{
	struct perl_scratch *scratch = perl_scratch_new();
	int rounds = argc > 1 ? atoi(argv[1]) : 6000;

	srand(argc > 2 ? (unsigned)atoi(argv[2]) : 7);
	for (int i = 0; i < rounds; i++)
		round_of(i % 4 == 0, i % 4 == 1, scratch);
	perl_scratch_free(&scratch);
	diag("%d translated, %d refused, %d compared, %d matched", translated, refused, compared, matched);
	ok(translated > rounds / 10 && refused > 0 && matched > compared / 20 && matched < compared, "enough of all kinds");
	is_int(wrong, 0, "the same matches at the same places");
	is_int(groups_wrong, 0, "of %d, groups from there are those of the whole key", grouped);
	ok(same_groups > rounds / 10, "enough that are said to have the same groups");
	is_int(same_wrong, 0, "of %d, all have", same_groups);
	return done_testing();
}
