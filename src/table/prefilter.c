/* prefilter.c - which of many patterns can match a key at all?
 * Most patterns hold a piece of plain text that any match must contain ("/^subject:.*lottery/": "subject:", "lottery").
 * From each such pattern three adjacent characters of it are chosen, those that the fewest others have. One pass over the
 * key, three characters at a time, finds the patterns that remain; a thousand rules cost little more than the few that
 * are left. Finding the text errs on the safe side: what is not understood for certain gives no text, and
 * a pattern without one is always tried. Letters are compared without case, which only lets more through. */
#include <ctype.h>

#include "pattern.h"

enum { BUCKETS = 4096, TEXT_MAX = 200 };

struct gram { unsigned text; size_t number; int next; };
struct prefilter {
	size_t		 words;			/* of 64 patterns */
	uint64_t	*always;
	uint64_t	*now;			/* of the key at hand; used on one thread at a time, like the patterns */
	struct gram	*gram;
	size_t		 n;
	int		 first[BUCKETS];	/* index + 1 */
};

static unsigned lower(unsigned char c)
{
	return c | (unsigned)(c - (unsigned)'A' < 26u) << 5;
}

static unsigned fold3(const unsigned char *p)
{
	return lower(p[0]) << 16 | lower(p[1]) << 8 | lower(p[2]);
}

static size_t bucket(unsigned text)
{
	return (text * 2654435761u) >> 20;
}

/* ---- what must be there ------------------------------------------------------------------------------------- */

struct scan {
	const char	*p;
	bool		 perl;
	bool		 bad;		/* not understood: no text */
	bool		 choice;	/* an alternation outside of parentheses */
	char		 run[TEXT_MAX];	/* plain characters so far */
	size_t		 n;
	void		(*give)(void *arg, const char *text, size_t n);
	void		*arg;
};

static void run_end(struct scan *s)
{
	if (s->n >= 3 && !s->bad && s->give != NULL)
		s->give(s->arg, s->run, s->n);
	s->n = 0;
}

static void run_add(struct scan *s, char c)
{
	if ((unsigned char)c >= 0x80 || c == '\0' || s->n == TEXT_MAX)
		run_end(s);
	else
		s->run[s->n++] = c;
}

/* Behind '\'. */
static void scan_escape(struct scan *s)
{
	static const char *const perl_single = "dDwWsSbBAZzGRhHvVXnrtfea", *const posix_single = "wWsSbB123456789";
	char c = *++s->p;

	if (c == '\0') {
		s->bad = true;
		return;
	}
	s->p++;
	if (isalnum((unsigned char)c)) {
		run_end(s);
		if (strchr(s->perl ? perl_single : posix_single, c) == NULL)
			s->bad = true;		/* it may take what follows with it */
	} else if (!s->perl && strchr("<>`'", c) != NULL) {
		run_end(s);
	} else {
		run_add(s, c);
	}
}

/* At '[': to behind its end. */
static void scan_class(struct scan *s)
{
	s->p++;
	if (*s->p == '^')
		s->p++;
	if (*s->p == ']')
		s->p++;
	while (*s->p != '\0' && *s->p != ']') {
		if (s->p[0] == '[' && s->p[1] != '\0' && strchr(":.=", s->p[1]) != NULL) {
			char kind = s->p[1];

			for (s->p += 2; *s->p != '\0' && !(s->p[0] == kind && s->p[1] == ']'); s->p++)
				;
			if (*s->p != '\0')
				s->p++;
		} else if (s->perl && *s->p == '\\') {
			if (s->p[1] == 'Q' || s->p[1] == 'E' || s->p[1] == '\0')
				s->bad = true;
			s->p += s->p[1] != '\0';
		}
		s->p += *s->p != '\0';
	}
	if (*s->p == '\0')
		s->bad = true;
	else
		s->p++;
}

/* At '{': a count, or a plain brace, which is left out of the text to be safe. */
static void scan_brace(struct scan *s)
{
	size_t n = strspn(s->p + 1, "0123456789, ");

	if (s->p[1 + n] == '}')
		s->p += n + 1;
	s->p++;
}

static void scan_level(struct scan *s, int depth);

static void scan_group(struct scan *s, int depth)
{
	struct scan inner = *s;

	inner.give = NULL;
	inner.p++;
	if (inner.p[0] == '?' || inner.p[0] == '*' || depth > 50)
		inner.bad = true;		/* options, conditions, names, verbs */
	else
		scan_level(&inner, depth + 1);
	if (*inner.p != ')')
		inner.bad = true;
	s->bad = s->bad || inner.bad;
	s->p = inner.p + (*inner.p != '\0');
}

/* Up to the closing parenthesis of this level, or the end. */
static void scan_level(struct scan *s, int depth)
{
	while (*s->p != '\0' && *s->p != ')' && !s->bad) {
		switch (*s->p) {
		case '\\':
			scan_escape(s);
			break;
		case '[':
			run_end(s);
			scan_class(s);
			break;
		case '(':
			run_end(s);
			scan_group(s, depth);
			break;
		case '|':
			run_end(s);
			s->choice = s->choice || depth == 0;
			s->p++;
			break;
		case '*':
		case '?':
		case '{':	/* the character before may be missing */
			if (s->n > 0)
				s->n--;
			run_end(s);
			if (*s->p == '{')
				scan_brace(s);
			else
				s->p++;
			break;
		case '+':
		case '.':
		case '^':
		case '$':
			run_end(s);
			s->p++;
			break;
		default:
			run_add(s, *s->p++);
			break;
		}
	}
	run_end(s);
}

/* Gives each text that a match contains. */
static void texts(const char *pattern, bool perl, void (*give)(void *, const char *, size_t), void *arg)
{
	struct scan s = { .p = pattern, .perl = perl };

	scan_level(&s, 0);
	if (s.bad || s.choice || *s.p != '\0')
		return;
	s = (struct scan){ .p = pattern, .perl = perl, .give = give, .arg = arg };
	scan_level(&s, 0);
}

/* ---- choosing ------------------------------------------------------------------------------------------------- */

struct build {
	uint16_t	*uses;		/* of a bucket, by all patterns */
	unsigned	 best;
	unsigned	 best_uses;
	bool		 any;
};

static void count(void *arg, const char *text, size_t n)
{
	struct build *b = arg;

	for (size_t i = 0; i + 3 <= n; i++) {
		uint16_t *u = &b->uses[bucket(fold3((const unsigned char *)text + i))];

		if (*u < UINT16_MAX)
			(*u)++;
	}
}

static void choose(void *arg, const char *text, size_t n)
{
	struct build *b = arg;

	for (size_t i = 0; i + 3 <= n; i++) {
		unsigned gram = fold3((const unsigned char *)text + i), uses = b->uses[bucket(gram)];

		if (!b->any || uses < b->best_uses) {
			b->any = true;
			b->best = gram;
			b->best_uses = uses;
		}
	}
}

struct prefilter *prefilter_new(const char *const *pattern, size_t n, bool perl)
{
	struct prefilter *f = xcalloc(1, sizeof(*f));
	struct build b = { .uses = xcalloc(BUCKETS, sizeof(uint16_t)) };

	f->words = (n + 63) / 64;
	f->always = xcalloc(f->words + 1, sizeof(uint64_t));
	f->now = xcalloc(f->words + 1, sizeof(uint64_t));
	f->gram = xcalloc(n + 1, sizeof(*f->gram));
	for (size_t i = 0; i < n; i++)
		if (pattern[i] != NULL)
			texts(pattern[i], perl, count, &b);
	for (size_t i = 0; i < n; i++) {
		b.any = false;
		if (pattern[i] != NULL)
			texts(pattern[i], perl, choose, &b);
		if (b.any) {
			f->gram[f->n] = (struct gram){ b.best, i, f->first[bucket(b.best)] };
			f->first[bucket(b.best)] = (int)++f->n;
		} else {
			f->always[i / 64] |= UINT64_C(1) << i % 64;
		}
	}
	free(b.uses);
	if (f->n == 0)
		prefilter_free(&f);
	return f;
}

void prefilter_free(struct prefilter **fp)
{
	struct prefilter *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	free(f->always);
	free(f->now);
	free(f->gram);
	free(f);
}

const uint64_t *prefilter_run(struct prefilter *f, const char *key, size_t len)
{
	const unsigned char *p = (const unsigned char *)key;

	/* The long s and the Kelvin sign fold to ASCII letters: a key that may have them is tried with all. */
	if (memchr(key, 0xc5, len) != NULL || memchr(key, 0xe2, len) != NULL)
		return NULL;
	memcpy(f->now, f->always, f->words * sizeof(uint64_t));
	for (size_t i = 0; i + 3 <= len; i++) {
		unsigned gram = fold3(p + i);

		for (int g = f->first[bucket(gram)]; g > 0; g = f->gram[g - 1].next) {
			const struct gram *m = &f->gram[g - 1];

			if (m->text == gram)
				f->now[m->number / 64] |= UINT64_C(1) << m->number % 64;
		}
	}
	return f->now;
}
