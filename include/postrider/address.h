/* address.h - RFC 5321/5322 addresses as Postfix treats them: tokens, quoting, the
 * internal form (unquoted, as tables and the queue see it) and the external form (quoted,
 * as SMTP and headers carry it). Pure functions: no waiting, no configuration but the rules for IDNA. Which
 * domain to append and where to deliver is rewrite's business. */
#ifndef POSTRIDER_ADDRESS_H
#define POSTRIDER_ADDRESS_H
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/arena.h>

/* ---- tokens ---------------------------------------------------------------------------------- */
/* Tokens of a header field or path, RFC 5322 with Postfix's tolerance. Allocated in an arena. */
enum tok_type { TOK_ATOM, TOK_QSTRING, TOK_LITERAL /* [..] */, TOK_COMMENT, TOK_OP /* one of op */, TOK_ADDR /* children */,
    TOK_STARTGRP /* the ':' behind a group's name */ };
struct tok {
	enum tok_type	 type;
	int		 op;		/* TOK_OP: '<' '>' '@' '.' ':' ';' ',' '%' '!' '|' and stray ')' ']' */
	bool		 in_addr;	/* grouped into an address: printed without blanks between words */
	char		*text;		/* content without quotes or brackets, backslashes resolved; a comment as written, with () */
	struct tok	*next, *prev;
	struct tok	*head, *tail;	/* TOK_ADDR: the tokens of one address */
};
struct tok_list { struct tok *head, *tail; };
/* At most max_tokens tokens are read (0: all): header_address_token_limit. */
void	tok_scan(struct arena *, const char *text, size_t max_tokens, struct tok_list *out);
/* Scans and groups: each address becomes a TOK_ADDR, phrases and comments stay beside it; missing commas between
 * addresses are added. Nothing is thrown away. */
void	tok_parse(struct arena *, const char *text, size_t max_tokens, struct tok_list *out);
/* As a header carries it, appended. one_per_line: '\n' instead of a blank behind each comma, and an address with more
 * than 250 bytes of phrase and comment is cut down to <address>; returns whether that happened. */
bool	tok_externalize(struct buf *, const struct tok *first, bool one_per_line);
void	tok_internalize(struct buf *, const struct tok *first);	/* internal form of one address' tokens, appended */

/* List surgery, for rewriting. */
struct tok *tok_new(struct arena *, enum tok_type, int op, const char *text);
void	tok_append(struct tok_list *, struct tok *);
void	tok_cut_before(struct tok_list *, struct tok *);	/* keeps what is before t: t becomes the start of nothing */
void	tok_cut_through(struct tok_list *, struct tok *);	/* keeps what is behind t */
struct tok *tok_find(struct tok *from, int op);		/* forwards, this list only; NULL if none */
struct tok *tok_rfind(struct tok *from, int op);	/* backwards */

/* ---- paths of SMTP commands --------------------------------------------------------------------- */
/* The address of a command's path ("<a@b>", "a@b", "<@r:a@b>", "<>"), leading blanks skipped: internal form, appended
 * to out. Bad syntax is answered 501 5.1.7 / 5.1.3 either way. */
enum path_result {
	PATH_OK,
	PATH_BAD,		/* not one address, or not strict enough: Postfix warns "Illegal address syntax" */
	PATH_UNCLOSED,		/* a quote or bracket is not closed (rest_r: end of text): Postfix says nothing in the log */
	PATH_MISSING,		/* there is no path at all: only blanks */
};
/* strict: strict_rfc821_envelopes. *rest_r: behind the path (parameters follow). allow_empty: MAIL FROM:<>. Whether the
 * domain can be resolved is resolve's question (RESOLVE_ERROR is the same 501). */
/* The same for a path that is split off already: all of text is it, blanks and comments in it included. False: PATH_BAD. */
bool	address_from_token(struct buf *out, const char *text, bool strict, bool allow_empty);
enum path_result address_from_path(struct buf *out, const char *text, bool strict, bool allow_empty, const char **rest_r);
/* Where the path (one token of a command) that starts here ends; NULL: something is not closed. */
const char *address_path_end(const char *text);

/* ---- quoting ------------------------------------------------------------------------------------ */
/* Appended to out. "" gives "" here, so that from=<%s> comes out right. */
void	address_quote_821(struct buf *out, const char *internal);	/* "a b"@c for SMTP */
void	address_quote_822(struct buf *out, const char *internal);	/* for headers and logs; the same today */
bool	address_is_plain(const char *internal);			/* quoting would change nothing */
void	address_unquote(struct buf *out, const char *external);		/* to internal form */

/* ---- parts ---------------------------------------------------------------------------------------- */
/* Domain part after the last '@' of an internal address, NULL if none. Points into it. */
const char *address_domain(const char *internal);
/* Splits "user+ext" at the first of the delimiters as Postfix does: not for mailer-daemon, postmaster, double-bounce, and
 * with owner_special, where '-' is a delimiter, not for owner-x and x-request. The argument may be a whole address.
 * Returns where the extension begins (behind the delimiter) or NULL. */
struct extension_rules {	/* borrowed from the configuration */
	const char	*delimiters;	/* recipient_delimiter; "": nothing is split */
	const char	*double_bounce;	/* double_bounce_sender */
	bool		 owner_special;	/* owner_request_special */
};
const char *address_extension(const char *local_part, const struct extension_rules *);

/* VERP: "list@x" and "u@y" make "list+u=y@x" with the delimiters "+=". Both in internal form; appended to out. */
void	address_verp(struct buf *out, const char *delimiters, const char *sender, const char *rcpt);

/* ---- host names and literals ---------------------------------------------------------------------- */
/* Domain labels: A-label form for the wire, lower case; false: not convertible (out untouched). */
bool	address_domain_to_ascii(struct buf *out, const char *domain);
void	address_idna2003(bool on);		/* enable_idna2003_compatibility; any thread */
bool	address_domain_to_utf8(struct buf *out, const char *domain);
/* Letters, digits, '_' and inner hyphens, labels of 1..63 bytes, 255 in all, not numeric as a whole. utf8: non-ASCII
 * names are judged by their A-label form. */
bool	address_valid_hostname(const char *name, bool utf8);
bool	address_valid_ip(const char *text);		/* 1.2.3.4 or IPv6, no brackets */
/* "[1.2.3.4]", "[IPv6:..]": the address text without brackets and tag in out; false: no such literal. */
bool	address_literal(const char *domain, char *out, size_t size);
#endif
