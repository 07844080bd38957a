/* content.c - the values of Content-Type and Content-Transfer-Encoding: RFC 2045 tokens.
 * Of a value only what decides the structure is taken: type, subtype, boundary; comments are skipped, a parameter that
 * makes no sense is passed over. */
#include "mime_room.h"

enum token { TOKEN_END, TOKEN_SEMICOLON, TOKEN_WORD, TOKEN_QUOTED, TOKEN_SPECIAL };

static const char *skip_comment(const char *s)
{
	int depth = 0;

	for (; *s != '\0'; s++) {
		if (*s == '(')
			depth++;
		else if (*s == ')' && --depth == 0)
			return s + 1;
		else if (*s == '\\' && s[1] != '\0')
			s++;
	}
	return s;
}

static const char *quoted(const char *s, struct buf *word)
{
	for (; *s != '\0' && *s != '"'; s++) {
		if (*s == '\n')
			continue;
		if (*s == '\\' && s[1] != '\0')
			s++;
		buf_addc(word, *s);
	}
	return *s == '"' ? s + 1 : s;
}

/* One token at *cursor; a quoted string comes without its quotes, and is a word only as a value. specials are tokens by themselves. */
static enum token next_token(const char **cursor, struct buf *word, const char *specials)
{
	const char *s = *cursor;
	enum token t = TOKEN_WORD;

	for (;;) {
		while (*s == ' ' || *s == '\t' || *s == '\r' || *s == '\n')
			s++;
		if (*s != '(')
			break;
		s = skip_comment(s);
	}
	buf_reset(word);
	buf_add(word, "", 0);
	if (*s == '\0')
		t = TOKEN_END;
	else if (*s == ';') {
		s++;
		t = TOKEN_SEMICOLON;
	} else if (*s == '"') {
		s = quoted(s + 1, word);
		t = TOKEN_QUOTED;
	} else if (strchr(specials, *s) != NULL || (unsigned char)*s < ' ' || *s == 0x7f) {
		buf_addc(word, *s++);
		t = TOKEN_SPECIAL;
	} else
		while ((unsigned char)*s > ' ' && *s != 0x7f && strchr(specials, *s) == NULL)
			buf_addc(word, *s++);
	*cursor = s;
	return t;
}

static const char type_specials[] = "()<>@,;:\\\"/[]?=";

static void skip_to_next(const char **cursor, struct buf *word)
{
	enum token t;

	do
		t = next_token(cursor, word, type_specials);
	while (t != TOKEN_END && t != TOKEN_SEMICOLON);
}

enum mime_type content_type(const char *s, enum mime_subtype *sub_r, const char **params_r)
{
	static const struct { const char *name; enum mime_subtype sub;
	} subs[] = {
	    {"plain", SUB_PLAIN},   {"rfc822", SUB_RFC822}, {"partial", SUB_PARTIAL}, {"external-body", SUB_EXTERNAL},
	    {"global", SUB_GLOBAL}, {"digest", SUB_DIGEST},
	};
	struct buf word = { 0 };
	enum mime_type type = TYPE_OTHER;
	enum token t = next_token(&s, &word, type_specials);
	bool named = t == TOKEN_WORD;

	*sub_r = SUB_OTHER;
	if (named && str_ieq(word.p, "text"))
		type = TYPE_TEXT;
	else if (named && str_ieq(word.p, "message"))
		type = TYPE_MESSAGE;
	else if (named && str_ieq(word.p, "multipart"))
		type = TYPE_MULTIPART;
	if (t != TOKEN_END && t != TOKEN_SEMICOLON)
		t = next_token(&s, &word, type_specials);
	if (t == TOKEN_SPECIAL && word.p[0] == '/' && (t = next_token(&s, &word, type_specials)) == TOKEN_WORD)
		for (size_t i = 0; i < NELEM(subs); i++)
			if (str_ieq(word.p, subs[i].name))
				*sub_r = subs[i].sub;
	if (t != TOKEN_END && t != TOKEN_SEMICOLON)
		skip_to_next(&s, &word);
	*params_r = s;
	buf_release(&word);
	return type;
}

bool content_param(const char **cursor, struct buf *name, struct buf *value)
{
	struct buf eq = { 0 };
	enum token t;
	bool got = false;

	while (!got && **cursor != '\0') {
		t = next_token(cursor, name, type_specials);
		if (t == TOKEN_WORD && (t = next_token(cursor, &eq, type_specials)) == TOKEN_SPECIAL &&
		    eq.p[0] == '=') {
			t = next_token(cursor, value,
				       type_specials); /* a single special passes for a value, as in Postfix */
			got = t != TOKEN_END && t != TOKEN_SEMICOLON;
		}
		if (t != TOKEN_END && t != TOKEN_SEMICOLON)
			skip_to_next(cursor, &eq);
	}
	buf_release(&eq);
	return got;
}

static const struct { const char *name; enum mime_encoding enc, domain; } encodings[] = {
	[ENC_7BIT] = { "7bit", ENC_7BIT, ENC_7BIT },
	[ENC_8BIT] = { "8bit", ENC_8BIT, ENC_8BIT },
	[ENC_BINARY] = { "binary", ENC_BINARY, ENC_BINARY },
	[ENC_BASE64] = { "base64", ENC_BASE64, ENC_7BIT },
	[ENC_QP] = { "quoted-printable", ENC_QP, ENC_7BIT },
};

bool content_encoding(const char *s, enum mime_encoding *enc_r, enum mime_encoding *domain_r)
{
	struct buf word = { 0 };
	bool found = false;

	if (next_token(&s, &word, "()<>@,;:\\\".[]") == TOKEN_WORD)
		for (size_t i = 0; i < NELEM(encodings) && !found; i++)
			if (str_ieq(word.p, encodings[i].name)) {
				*enc_r = encodings[i].enc;
				*domain_r = encodings[i].domain;
				found = true;
			}
	buf_release(&word);
	return found;
}

const char *encoding_name(enum mime_encoding e)
{
	return encodings[e].name;
}
