/* path.c - the address in MAIL FROM and RCPT TO.
 *
 * First the command's token is found: it runs to the next blank outside quotes and brackets, "<a b@c>" is one token.
 * Then the address is read with the RFC 5322 parser, because clients send comments and phrases here; what is between
 * the outermost angle brackets counts when the whole token is in them. A source route is dropped. More than one
 * address is an error; strict_rfc821_envelopes also wants the brackets, and nothing beside the address in them. */
#include "address_room.h"
#include <stdlib.h>

enum { MAX_DEPTH = 64, MAX_PATH_TOKENS = 1024 };

/* Behind the bracket or quote opened at s[-1]; NULL when it is not closed. Brackets nest: the stack holds what closes.
 */
static const char *skip_quoted(const char *s, char closes)
{
	char stack[MAX_DEPTH];
	size_t depth = 0;

	stack[depth++] = closes;
	for (; *s != '\0'; s++) {
		char want = stack[depth - 1];

		if (*s == '\\') {
			if (*++s == '\0')
				return NULL;
		} else if (*s == want) {
			if (--depth == 0)
				return s + 1;
		} else if (want != '"' && (*s == '"' || *s == '<' || *s == '[')) {
			if (depth == MAX_DEPTH)
				return NULL;
			stack[depth++] = *s == '"' ? '"' : *s == '<' ? '>' : ']';
		}
	}
	return NULL;
}

const char *address_path_end(const char *s)
{
	while (s != NULL && *s != '\0' && *s != ' ' && (*s < '\t' || *s > '\r')) {
		if (*s == '\\')
			s += s[1] != '\0' ? 2 : 1;
		else if (*s == '"' || *s == '<' || *s == '[')
			s = skip_quoted(s + 1, *s == '"' ? '"' : *s == '<' ? '>' : ']');
		else
			s++;
	}
	return s;
}

/* Counts what the token consists of besides brackets; the last address is given back. */
static const struct tok *sort_out(const struct tok_list *l, unsigned *addrs_r, unsigned *others_r)
{
	const struct tok *addr = NULL;

	*addrs_r = *others_r = 0;
	for (const struct tok *t = l->head; t != NULL; t = t->next) {
		if (t->type == TOK_ADDR) {
			addr = t;
			++*addrs_r;
		} else if (t->type != TOK_OP || (t->op != '<' && t->op != '>'))
			++*others_r;
	}
	return addr;
}

bool address_from_token(struct buf *out, const char *s, bool strict, bool allow_empty)
{
	struct arena arena = { 0 };
	struct tok_list list;
	const struct tok *addr;
	const char *text, *colon;
	unsigned naddr, others;
	size_t start = out->len, n = strlen(s);
	bool bad;

	text = n >= 2 && s[0] == '<' && s[n - 1] == '>' ? arena_strndup(&arena, s + 1, n - 2) : s;
	if (*text == '@' && (colon = strchr(text, ':')) != NULL)
		text = colon + 1;
	tok_parse(&arena, text, MAX_PATH_TOKENS, &list);
	addr = sort_out(&list, &naddr, &others);
	bad = naddr > 1 || (strict && (others > 0 || *s != '<'));
	if (addr != NULL)
		tok_internalize(out, addr->head);
	buf_add(out, "", 0);
	if ((out->len == start && !allow_empty) || (strict && out->len > start && out->p[start] == '@'))
		bad = true;
	arena_release(&arena);
	return !bad;
}

enum path_result address_from_path(struct buf *out, const char *s, bool strict, bool allow_empty, const char **rest_r)
{
	const char *end;
	char *token;
	bool ok;

	while (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		s++;
	end = address_path_end(s);
	*rest_r = end != NULL ? end : s + strlen(s);
	if (end == NULL)
		return PATH_UNCLOSED;
	if (end == s)
		return PATH_MISSING;
	token = xstrndup(s, (size_t)(end - s));
	ok = address_from_token(out, token, strict, allow_empty);
	free(token);
	return ok ? PATH_OK : PATH_BAD;
}
