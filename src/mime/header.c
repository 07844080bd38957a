/* header.c - header names: recognising a header line, and the table of well-known ones.
 * The table is ordered by the length of the name, so that a look-up compares with the few of its own length. */
#include <strings.h>

#include "mime_room.h"

enum { MAX_NAME = 27 };

static const struct hdr_info known[] = {	/* by length */
	{ "Cc", HDR_CC, HDR_RECIP | HDR_EXTRACT },
	{ "To", HDR_TO, HDR_RECIP | HDR_EXTRACT },
	{ "Bcc", HDR_BCC, HDR_RECIP | HDR_EXTRACT },
	{ "Date", HDR_DATE, 0 },
	{ "From", HDR_FROM, HDR_SENDER },
	{ "Sender", HDR_SENDER_H, HDR_SENDER },
	{ "Received", HDR_RECEIVED, 0 },
	{ "Reply-To", HDR_REPLY_TO, HDR_SENDER },
	{ "Errors-To", HDR_ERRORS_TO, HDR_SENDER },
	{ "Resent-Cc", HDR_RESENT_CC, HDR_RECIP | HDR_EXTRACT | HDR_RESENT },
	{ "Resent-To", HDR_RESENT_TO, HDR_RECIP | HDR_EXTRACT | HDR_RESENT },
	{ "Content-ID", HDR_CONTENT_ID, HDR_MIME },
	{ "Message-Id", HDR_MESSAGE_ID, 0 },
	{ "Resent-Bcc", HDR_RESENT_BCC, HDR_RECIP | HDR_EXTRACT | HDR_RESENT },
	{ "Resent-Date", HDR_RESENT_DATE, HDR_RESENT },
	{ "Resent-From", HDR_RESENT_FROM, HDR_SENDER | HDR_RESENT },
	{ "Return-Path", HDR_RETURN_PATH, HDR_SENDER },
	{ "Content-Type", HDR_CONTENT_TYPE, HDR_MIME },
	{ "Delivered-To", HDR_DELIVERED_TO, 0 },
	{ "MIME-Version", HDR_MIME_VERSION, HDR_MIME },
	{ "Apparently-To", HDR_APPARENTLY_TO, HDR_RECIP },
	{ "Resent-Sender", HDR_RESENT_SENDER, HDR_SENDER | HDR_RESENT },
	{ "Content-Length", HDR_CONTENT_LENGTH, 0 },
	{ "Mail-Followup-To", HDR_MAIL_FOLLOWUP_TO, HDR_SENDER },
	{ "Resent-Reply-To", HDR_RESENT_REPLY_TO, HDR_RECIP | HDR_RESENT },
	{ "Return-Receipt-To", HDR_RETURN_RECEIPT_TO, HDR_SENDER },
	{ "Resent-Message-Id", HDR_RESENT_MESSAGE_ID, HDR_RESENT },
	{ "Content-Description", HDR_CONTENT_DESCRIPTION, HDR_MIME },
	{ "Content-Disposition", HDR_CONTENT_DISPOSITION, HDR_MIME },
	{ "Content-Transfer-Encoding", HDR_CONTENT_TRANSFER_ENCODING, HDR_MIME },
	{ "Disposition-Notification-To", HDR_DISP_NOTIFICATION, HDR_SENDER },
};

size_t hdr_name_len(const char *line, size_t len)
{
	size_t n, i;

	for (n = 0; n < len && (unsigned char)line[n] > ' ' && (unsigned char)line[n] < 0x7f && line[n] != ':'; n++)
		;
	/* RFC 5322, 4.5: "obsolete" syntax allows white space between the name and the colon. */
	for (i = n; i < len && (line[i] == ' ' || line[i] == '\t'); i++)
		;
	return i < len && line[i] == ':' ? n : 0;
}

const struct hdr_info *hdr_find(const char *line, size_t name_len)
{
	if (name_len < 2 || name_len > MAX_NAME)
		return NULL;
	for (size_t i = 0; i < NELEM(known); i++) {
		const char *name = known[i].name;

		if ((name[0] | 0x20) == (line[0] | 0x20) && (name[1] | 0x20) == (line[1] | 0x20) &&
		    strncasecmp(name, line, name_len) == 0 && name[name_len] == '\0')
			return &known[i];
	}
	return NULL;
}

const char *hdr_value(const char *text, size_t name_len)
{
	text += name_len + 1;
	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	return text;
}
