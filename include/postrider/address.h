/* address.h - RFC 5321/5322 addresses as Postfix treats them: tokens, quoting, the
 * internal form (unquoted, as tables and the queue see it) and the external form (quoted,
 * as SMTP and headers carry it). Pure functions: no configuration, no waiting. Which
 * domain to append and where to deliver is rewrite's business. */
#ifndef POSTRIDER_ADDRESS_H
#define POSTRIDER_ADDRESS_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/arena.h>

/* Tokens of a header field or path, RFC 5322 with Postfix's tolerance. Allocated in an arena. */
enum tok_type { TOK_ATOM, TOK_QSTRING, TOK_LITERAL /* [..] */, TOK_COMMENT, TOK_OP /* one of op */, TOK_ADDR /* group: children */,
    TOK_STARTGRP };
struct tok {
	enum tok_type	 type;
	int		 op;		/* TOK_OP: '<' '>' '@' '.' ':' ';' ',' '%' '!' */
	char		*text;		/* content without quotes, brackets, parentheses */
	struct tok	*next, *prev;
	struct tok	*head, *tail;	/* TOK_ADDR: the tokens of one address */
};
struct tok_list { struct tok *head, *tail; };
/* max_addrs bounds how many addresses are grouped (header_address_token_limit bounds tokens). */
void	tok_scan(struct arena *, const char *text, size_t max_tokens, struct tok_list *out);
void	tok_parse(struct arena *, const char *text, size_t max_tokens, struct tok_list *out);	/* addresses grouped as TOK_ADDR */
void	tok_externalize(struct buf *, const struct tok_list *);	/* as a header carries it */
void	tok_internalize(struct buf *, const struct tok *first);	/* internal form of one address' tokens */

/* The address of a command's path ("<a@b>", "a@b", "<@r:a@b>", "<>"): internal form. */
enum path_result { PATH_OK, PATH_BAD /* 501 5.1.x Bad address syntax */, PATH_TOO_LONG };
/* strict: strict_rfc821_envelopes. Leaves *rest_r behind the path (ESMTP parameters). allow_empty: MAIL FROM:<>. */
enum path_result address_from_path(struct buf *out, const char *text, bool strict, bool allow_empty, const char **rest_r);

void	address_quote_821(struct buf *out, const char *internal);	/* "a b"@c for SMTP */
void	address_quote_822(struct buf *out, const char *internal);	/* for headers and logs */
bool	address_unquote(struct buf *out, const char *external);	/* to internal form */
/* Domain part after the last '@' of an internal address, NULL if none. Points into it. */
const char *address_domain(const char *internal);
/* Splits "user+ext" at the first of the delimiter set as Postfix does (not for owner-, -request, mailer-daemon,
 * double-bounce); returns where the extension begins (behind the delimiter) or NULL. */
const char *address_extension(const char *local_part, const char *delimiters);
/* Domain labels: A-label form for the wire, lower case; false: not convertible. */
bool	address_domain_to_ascii(struct buf *out, const char *domain);
bool	address_domain_to_utf8(struct buf *out, const char *domain);
/* valid_mailhost_literal and friends: "[1.2.3.4]", "[IPv6:..]": canonical address text without brackets in out. */
bool	address_literal(const char *domain, char *out, size_t size);
#endif
