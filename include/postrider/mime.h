/* mime.h - header and MIME parsing as a push parser over lines, and body conversion.
 * The caller pushes one line at a time (without line end); the parser calls back into the
 * function table given at init *within* the push, never later: these are plain hooks of
 * one owner, not asynchronous callbacks. Headers come unfolded into one text with '\n'
 * between continuation lines. Nothing is changed but what Postfix changes: "Name :" becomes "Name:", a line that is
 * neither header nor empty ends the headers and gets an empty line before it. */
#ifndef POSTRIDER_MIME_H
#define POSTRIDER_MIME_H
#include <postrider/base.h>
#include <postrider/buf.h>

/* ---- well-known headers: Postfix's header_opts table ------------------------------------------- */
enum hdr_flags {
	HDR_SENDER = 1,		/* address list of senders: rewritten */
	HDR_RECIP = 2,		/* address list of recipients: rewritten */
	HDR_EXTRACT = 4,	/* sendmail -t takes recipients from it */
	HDR_RESENT = 32,	/* its presence makes the message a resent one */
	HDR_MIME = 128,		/* subject to mime_header_checks */
};
enum hdr_id { HDR_OTHER, HDR_APPARENTLY_TO, HDR_BCC, HDR_CC, HDR_CONTENT_DESCRIPTION, HDR_CONTENT_DISPOSITION, HDR_CONTENT_ID,
    HDR_CONTENT_LENGTH, HDR_CONTENT_TRANSFER_ENCODING, HDR_CONTENT_TYPE, HDR_DATE, HDR_DELIVERED_TO, HDR_DISP_NOTIFICATION,
    HDR_ERRORS_TO, HDR_FROM, HDR_MAIL_FOLLOWUP_TO, HDR_MESSAGE_ID, HDR_MIME_VERSION, HDR_RECEIVED, HDR_REPLY_TO, HDR_RESENT_BCC,
    HDR_RESENT_CC, HDR_RESENT_DATE, HDR_RESENT_FROM, HDR_RESENT_MESSAGE_ID, HDR_RESENT_REPLY_TO, HDR_RESENT_SENDER, HDR_RESENT_TO,
    HDR_RETURN_PATH, HDR_RETURN_RECEIPT_TO, HDR_SENDER_H, HDR_TO, HDR_IDS /* how many; fits a 64-bit set */ };
struct hdr_info { const char *name; enum hdr_id id; unsigned flags; };
/* line starts with "Name" [WSP] ":"; returns length of the name, 0 if it is no header. */
size_t	hdr_name_len(const char *line, size_t len);
const struct hdr_info *hdr_find(const char *line, size_t name_len);	/* NULL: not well known */
/* Where the value of a header text begins: behind the colon and blanks. */
const char *hdr_value(const char *text, size_t name_len);

/* ---- the parser ----------------------------------------------------------------------------------- */
/* Where a header stands. */
enum mime_place { MIME_PRIMARY_HEADER, MIME_PART_HEADER /* of a multipart's part */, MIME_NESTED_HEADER /* in message/rfc822 */ };
struct mime_hooks {
	/* One complete header, "Name: value", NUL-terminated at len. Lines beyond header_size_limit are left out (the
	 * line that crosses it is still whole). */
	void	(*header)(void *arg, enum mime_place, const struct hdr_info *, const char *text, size_t len);
	void	(*end_of_headers)(void *arg);			/* after the primary header block, once */
	/* Everything else, the empty line behind any header block included; the first body line after
	 * end_of_headers() is that empty line. A message of headers only has none. */
	void	(*body)(void *arg, const char *line, size_t len, bool partial /* no line end: more of it follows */);
	void	(*error)(void *arg, unsigned error_bit, const char *detail, size_t len);	/* each kind once; may be NULL */
};
enum { MIME_ERR_NESTING = 1, MIME_ERR_TRUNC_HEADER = 2, MIME_ERR_8BIT_IN_HEADER = 4, MIME_ERR_8BIT_IN_7BIT_BODY = 8,
    MIME_ERR_ENCODING_DOMAIN = 16 };
enum { MIME_PARSE = 1 /* look into parts; off: all behind the primary headers is body */,
    MIME_DOWNGRADE = 2 /* content that claims to be 8-bit is turned into quoted-printable, headers to match */,
    MIME_REPORT_8BIT_HEADER = 4, MIME_REPORT_8BIT_BODY = 8, MIME_REPORT_ENCODING = 16, MIME_REPORT_NESTING = 64 };
struct mime_config { unsigned options; size_t header_size_limit; int nesting_limit; size_t boundary_limit; };
struct mime;
struct mime *mime_new(const struct mime_config *, const struct mime_hooks *, void *arg);	/* both are borrowed */
void	mime_line(struct mime *, const char *line, size_t len, bool partial);
void	mime_end(struct mime *);		/* end of message: flushes a pending header */
void	mime_free(struct mime **);
/* True: nothing but body follows, whatever comes; the caller may handle further lines itself without pushing them. */
bool	mime_only_body(const struct mime *);
unsigned mime_errors(const struct mime *);	/* bits seen so far */
/* The worst of the bits: its text, "MIME nesting exceeds safety limit"; the DSN of all of them is 5.6.0. */
const char *mime_error_text(unsigned error_bits);
#endif
