/* token.c - one command line into tokens.
 *
 * Tokens are parted by white space, but not inside quotes or angle brackets, where a backslash protects the next
 * character; "to:" and "from:" end a token themselves, so "FROM:<a@b>" is two. Quotes and backslashes stay in the
 * token: addresses are told apart later. Nothing here knows a verb. */
#include "session.h"
#include <ctype.h>
#include <strings.h>

/* Copies through the closing quote or bracket; brackets nest, and quotes within them. NULL: it is not closed. */
static const char *quoted(const char *p, char **outp, char open)
{
	char stack[64], *out = *outp;
	size_t depth = 0;

	*out++ = open;
	stack[depth++] = open == '<' ? '>' : open;
	while (*p != '\0' && depth > 0) {
		char c = *p++;

		*out++ = c;
		if (c == '\\') {
			if (*p == '\0')
				break;
			*out++ = *p++;
		} else if (c == stack[depth - 1]) {
			depth--;
		} else if (depth < sizeof(stack) && (c == '"' || (c == '<' && stack[depth - 1] == '>'))) {
			stack[depth++] = c == '<' ? '>' : c;
		}
	}
	*outp = out;
	return depth == 0 ? p : NULL;
}

static bool is_word(const char *start, const char *end, const char *word)
{
	return (size_t)(end - start) == strlen(word) && strncasecmp(start, word, strlen(word)) == 0;
}

/* One token to out; returns where the next search begins, NULL: no token was left. */
static const char *token(const char *p, char **outp, bool *bad_r)
{
	char *out = *outp, *start = out;

	while (*p != '\0') {
		char c = *p++;

		if (isspace((unsigned char)c)) {
			while (isspace((unsigned char)*p))
				p++;
			if (out > start)
				break;
		} else if (c == '<' || c == '"') {
			const char *next = quoted(p, &out, c);

			if (next == NULL) {
				*bad_r = true;
				p += strlen(p);
				break;
			}
			p = next;
		} else if (c == ':') {
			*out++ = c;
			if (is_word(start, out, "to:") || is_word(start, out, "from:"))
				break;
		} else {
			if (c == '\\') {
				*out++ = c;
				if ((c = *p) == '\0')
					break;
				p++;
			}
			*out++ = c;
		}
	}
	*outp = out;
	return out > start ? p : NULL;
}

size_t tokenize(struct arena *a, const char *line, struct token *argv, size_t max)
{
	/* Each token is a copy of what it was made of, and a NUL. */
	char *out = arena_alloc(a, 2 * strlen(line) + 2);
	size_t n = 0;

	while (n < max) {
		char *start = out;
		bool bad = false;

		if ((line = token(line, &out, &bad)) == NULL)
			break;
		*out++ = '\0';
		argv[n++] = (struct token){ start, bad };
	}
	return n;
}
