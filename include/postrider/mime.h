/* mime.h - header and MIME parsing as a push parser over lines, and body conversion.
 * The caller pushes one line at a time (without line end); the parser calls back into the
 * function table given at init *within* the push, never later: these are plain hooks of
 * one owner, not asynchronous callbacks. Headers come unfolded into one text with '\n'
 * between continuation lines, bounded by header_size_limit as Postfix truncates. */
#ifndef POSTRIDER_MIME_H
#define POSTRIDER_MIME_H
#include <postrider/base.h>
#include <postrider/buf.h>

/* Well-known headers: Postfix's header_opts table (name, id, properties). */
enum hdr_flags { HDR_SENDER = 1 /* address list, sender kind */, HDR_RECIP = 2, HDR_EXTRACT = 4 /* sendmail -t */, HDR_DROP = 8,
    HDR_ONCE = 16, HDR_RESENT = 32, HDR_XRR = 64, HDR_MIME = 128 };
enum hdr_id { HDR_OTHER, HDR_APPARENTLY_TO, HDR_BCC, HDR_CC, HDR_CONTENT_LENGTH, HDR_CONTENT_TRANSFER_ENCODING, HDR_CONTENT_TYPE,
    HDR_DATE, HDR_DELIVERED_TO, HDR_DISP_NOTIFICATION, HDR_ERRORS_TO, HDR_FROM, HDR_MAIL_FOLLOWUP_TO, HDR_MESSAGE_ID,
    HDR_RECEIVED, HDR_REPLY_TO, HDR_RESENT_BCC, HDR_RESENT_CC, HDR_RESENT_DATE, HDR_RESENT_FROM, HDR_RESENT_MESSAGE_ID,
    HDR_RESENT_REPLY_TO, HDR_RESENT_SENDER, HDR_RESENT_TO, HDR_RETURN_PATH, HDR_RETURN_RECEIPT_TO, HDR_SENDER_H, HDR_SUBJECT,
    HDR_TO, HDR_MIME_VERSION, HDR_TLS_REQUIRED, HDR_X_SPAM };
struct hdr_info { const char *name; enum hdr_id id; unsigned flags; };
/* line starts with "Name" [WSP] ":"; returns length of the name, 0 if it is no header. */
size_t	hdr_name_len(const char *line, size_t len);
const struct hdr_info *hdr_find(const char *line, size_t name_len);	/* NULL: not well known */

/* Each line pushed belongs to one of these. */
enum mime_place { MIME_PRIMARY_HEADER, MIME_PART_HEADER, MIME_NESTED_HEADER /* message/rfc822 inside */, MIME_BODY };
struct mime_hooks {
	/* One complete header (unfolded as above); orig_len is its size on the wire. */
	void	(*header)(void *arg, enum mime_place, const struct hdr_info *, const char *text, size_t len);
	void	(*end_of_headers)(void *arg);			/* after the primary header block, once */
	void	(*body)(void *arg, const char *line, size_t len, bool partial /* no line end: split long line */);
	void	(*error)(void *arg, unsigned error_bit, const char *detail);	/* MIME_ERR_*, with strict_* or always logged */
};
enum { MIME_ERR_NESTING = 1, MIME_ERR_TRUNC_HEADER = 2, MIME_ERR_8BIT_IN_HEADER = 4, MIME_ERR_8BIT_IN_7BIT_BODY = 8,
    MIME_ERR_ENCODING_DOMAIN = 16 };
enum { MIME_PARSE = 1 /* look into parts; off: disable_mime_input_processing */, MIME_DOWNGRADE = 2 /* 8bit to quoted-printable */,
    MIME_REPORT_8BIT_HEADER = 4, MIME_REPORT_8BIT_BODY = 8, MIME_REPORT_ENCODING = 16, MIME_REPORT_TRUNC = 32, MIME_REPORT_NESTING = 64 };
struct mime_config { unsigned options; size_t header_size_limit; unsigned nesting_limit; size_t boundary_limit; };
struct mime;
struct mime *mime_new(const struct mime_config *, const struct mime_hooks *, void *arg);
void	mime_line(struct mime *, const char *line, size_t len, bool partial);
void	mime_end(struct mime *);		/* end of message: flushes a pending header */
void	mime_free(struct mime **);
const char *mime_error_text(unsigned error_bit);	/* Postfix's phrases with their DSN: "5.6.0 ..." see mime.c */
#endif
