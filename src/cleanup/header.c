/* header.c - headers of the message: counted, logged, dropped, rewritten; missing ones made.
 *
 * Only primary headers are looked at; those of parts and nested messages pass to the body as they are (they are only
 * cut at header_size_limit). A message with any Resent- header is a resent one: the headers that are missing are then
 * its Resent- ones.
 *
 * Canonical maps may make a header wait for a table. Those behind it then wait in a list, and the end of the block
 * with them, while body lines are taken; cleanup_poll() goes on with the list. */
#include <ctype.h>
#include <stdlib.h>
#include <time.h>

#include <postrider/address.h>

#include "cleanup_room.h"

#define SEEN(id)	(UINT64_C(1) << (id))

void cleanup_date(char *out, size_t size, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	localtime_r(&t, &tm);
	if (strftime(out, size, "%a, %e %b %Y %H:%M:%S %z (%Z)", &tm) == 0)
		*out = '\0';
}

static bool is_ascii(const char *p, size_t n)
{
	unsigned char any = 0;

	while (n-- > 0)
		any |= (unsigned char)*p++;
	return any < 0x80;
}

static void out_header(struct cleanup *c, const char *text, size_t len, bool to_body)
{
	if (c->conf->utf8 && (c->msg->flags & MSG_UTF8_HEADER) == 0 && !is_ascii(text, len)) {
		c->msg->flags |= MSG_UTF8_HEADER;
		if (c->detect)
			c->msg->flags |= MSG_SMTPUTF8;
	}
	put_header(c, text, len, to_body);
}

/* detect_8bit_encoding_header: what claims to be 8-bit is, whatever BODY= said. The plain word is meant: with a
 * comment, or blanks behind it, it does not count for Postfix either. */
static void note_encoding(struct cleanup *c, const char *value)
{
	if (!view_bool(c->conf->view, detect_8bit_encoding_header) || !(str_ieq(value, "8bit") || str_ieq(value, "binary")))
		return;
	c->msg->flags |= MSG_8BIT;
	c->msg->flags &= ~(unsigned)MSG_7BIT;
}

static void log_id(struct cleanup *c, const char *what, const char *value)
{
	log_info(&c->log, "%s: %s=%s", c->msg->name, what, value);
	if (c->msg->message_id == NULL)
		c->msg->message_id = arena_strdup(&c->msg->arena, value);
}

static bool is_dropped(const struct cleanup *c, const struct hdr_info *info, const char *text, size_t name_len)
{
	if (info != NULL)
		return (c->conf->drop & SEEN(info->id)) != 0;
	for (size_t i = 0; i < c->conf->drop_other.n; i++) {
		const char *name = c->conf->drop_other.v[i];

		if (strlen(name) == name_len && str_iprefix(text, name))
			return true;
	}
	return false;
}

static void count_hop(struct cleanup *c)
{
	if (++c->hops < (unsigned)view_int(c->conf->view, hopcount_limit) || c->bounce.code != 0)
		return;
	log_warn(&c->log, "%s: message rejected: hopcount exceeded", c->msg->name);
	content_refuse(c, STAT_HOPS, NULL);
}

static struct waiting_header *keep(const struct hdr_info *info, const char *text, size_t len)
{
	struct waiting_header *w = xmalloc(sizeof(*w) + len + 1);

	w->info = info;
	w->len = len;
	memcpy(w->text, text, len);
	w->text[len] = '\0';
	return w;
}

static void rewritten(struct cleanup *c, const char *text, size_t len)
{
	if (c->header_op.result == REWRITE_ERROR)
		content_refuse(c, STAT_WRITE, c->header_op.why);
	else if (c->header_op.changed)
		out_header(c, c->header_op.text.p, c->header_op.text.len, false);
	else
		out_header(c, text, len, false);
	header_op_end(&c->header_op);
}

static void primary_header(struct cleanup *c, const struct hdr_info *info, const char *text, size_t len)
{
	size_t name_len = strlen(info->name);

	c->seen |= SEEN(info->id);
	if (info->id == HDR_MESSAGE_ID)
		log_id(c, "message-id", hdr_value(text, name_len));
	else if (info->id == HDR_RESENT_MESSAGE_ID)
		log_id(c, "resent-message-id", hdr_value(text, name_len));
	else if (info->id == HDR_RECEIVED)
		count_hop(c);
	if (cleanup_failed(c))
		return;
	if (info->flags & HDR_RESENT)
		c->resent = true;
	if (is_dropped(c, info, text, name_len))
		return;
	if ((info->flags & (HDR_SENDER | HDR_RECIP)) == 0 || c->context == REWRITE_NONE) {
		out_header(c, text, len, false);
		return;
	}
	c->header_ctx = c->expand_ctx;
	c->header_ctx.flags = c->expand_flags;
	header_op_start(&c->header_op, c->task, &c->header_ctx, c->context, text, name_len,
			(info->flags & HDR_SENDER) != 0);
	if (header_op_poll(&c->header_op) == REWRITE_WAIT) {
		c->rewriting = keep(info, text, len);
		c->no_spill = true;
	} else
		rewritten(c, text, len);
}

static void any_header(struct cleanup *c, const struct hdr_info *info, const char *text, size_t len)
{
	if (info != NULL)
		primary_header(c, info, text, len);
	else if (!is_dropped(c, info, text, hdr_name_len(text, len)))
		out_header(c, text, len, false);
}

void header_line(void *arg, enum mime_place place, const struct hdr_info *info, const char *text, size_t len)
{
	struct cleanup *c = arg;

	len = strnlen(text, len);		/* a NUL ends it */
	if (c->error.code != 0)
		return;
	if (info != NULL && info->id == HDR_CONTENT_TRANSFER_ENCODING)
		note_encoding(c, hdr_value(text, strlen(info->name)));
	if (place != MIME_PRIMARY_HEADER) {
		out_header(c, text, len, true);
	} else if (c->rewriting != NULL) {
		struct waiting_header *w = keep(info, text, len);

		STAILQ_INSERT_TAIL(&c->waiting, w, link);
		c->waiting_bytes += sizeof(*w) + len;
	} else
		any_header(c, info, text, len);
}

/* ---- missing headers ------------------------------------------------------------------------ */
static void add_header(struct cleanup *c, struct buf *b)
{
	put_header(c, b->p, b->len, false);	/* what we add decides nothing about SMTPUTF8 */
	buf_reset(b);
}

static bool lacks(const struct cleanup *c, enum hdr_id plain, enum hdr_id resent)
{
	return (c->seen & SEEN(c->resent ? resent : plain)) == 0;
}

static bool adds_missing(const struct cleanup *c)
{
	return c->context != REWRITE_NONE || (c->flags & CLEANUP_ADD_MISSING) != 0 ||
	       view_bool(c->conf->view, always_add_missing_headers);
}

/* RFC 5322, 3.6.4. The time is that of the id, which alone is only unique within a second. */
static void add_message_id(struct cleanup *c, struct buf *b)
{
	const char *host = view_str(c->conf->view, myhostname);
	time_t t = (time_t)(c->msg->id / 1000000);
	char stamp[32];
	struct tm tm;
	size_t start;

	buf_addf(b, "%sMessage-Id: ", c->resent ? "Resent-" : "");
	start = b->len;
	if (view_bool(c->conf->view, enable_long_queue_ids)) {
		buf_addf(b, "<%s@%s>", c->msg->name, host);
	} else {
		gmtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
		buf_addf(b, "<%s.%s@%s>", stamp, c->msg->name, host);
	}
	log_id(c, c->resent ? "resent-message-id" : "message-id", b->p + start);
	c->seen |= SEEN(c->resent ? HDR_RESENT_MESSAGE_ID : HDR_MESSAGE_ID);
	add_header(c, b);
}

/* A phrase and the blank behind it: words with one blank between them, all of it in quotes if there is anything special. */
static void add_phrase(struct buf *b, const char *name)
{
	bool quote = false;

	for (const char *p = name; *p != '\0'; p++)
		quote |= strchr("()<>[]:;@\\,.\"", *p) != NULL ||
			 (!isspace((unsigned char)*p) && ((unsigned char)*p < ' ' || *p == 0x7f));
	if (!quote) {
		for (const char *p = name; *p != '\0'; p++)
			if (!isspace((unsigned char)*p))
				buf_addc(b, *p);
			else if (p > name && !isspace((unsigned char)p[-1]))
				buf_addc(b, ' ');
		if (b->len > 0 && b->p[b->len - 1] != ' ')
			buf_addc(b, ' ');
		return;
	}
	buf_addc(b, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *name);
	}
	buf_adds(b, "\" ");
}

void header_from(struct cleanup *c)
{
	const char *visible = view_str(c->conf->view, undisclosed_recipients_header);
	const char *sender = *c->msg->sender != '\0' ? c->msg->sender : "MAILER-DAEMON";
	const char *name = *c->msg->sender != '\0' ? c->full_name : NULL;
	struct buf b = { 0 };

	c->from_wanted = false;
	if (lacks(c, HDR_FROM, HDR_RESENT_FROM)) {
		buf_addf(&b, "%sFrom: ", c->resent ? "Resent-" : "");
		if (name != NULL && *name != '\0' && str_ieq(view_str(c->conf->view, header_from_format), "standard")) {
			add_phrase(&b, name);
			buf_addc(&b, '<');
			address_quote_822(&b, sender);
			buf_addc(&b, '>');
		} else {
			address_quote_822(&b, sender);
			if (name != NULL && *name != '\0')
				buf_addf(&b, " (%s)", name);
		}
		add_header(c, &b);
	}
	if ((c->seen & (SEEN(HDR_TO) | SEEN(HDR_RESENT_TO) | SEEN(HDR_CC) | SEEN(HDR_RESENT_CC))) == 0 &&
	    *visible != '\0') {
		if (hdr_name_len(visible, strlen(visible)) > 0) {
			buf_adds(&b, visible);
			add_header(c, &b);
		} else
			log_warn(
			    &c->log,
			    "bad undisclosed_recipients_header header text \"%s\" -- need \"headername: headervalue\"",
			    visible);
	}
	buf_release(&b);
}

static void end_of_headers(struct cleanup *c)
{
	struct buf b = { 0 };
	char date[64];

	if (c->error.code != 0)
		return;
	if (adds_missing(c) && lacks(c, HDR_MESSAGE_ID, HDR_RESENT_MESSAGE_ID))
		add_message_id(c, &b);
	if ((c->seen & SEEN(HDR_MESSAGE_ID)) == 0)
		log_info(&c->log, "%s: message-id=<>", c->msg->name);
	if (adds_missing(c)) {
		if (lacks(c, HDR_DATE, HDR_RESENT_DATE)) {
			cleanup_date(date, sizeof(date), c->msg->arrival_us / 1000000);
			buf_addf(&b, "%sDate: %s", c->resent ? "Resent-" : "", date);
			add_header(c, &b);
		}
		if (c->have_sender)
			header_from(c);
		else
			c->from_wanted = true;
	}
	buf_release(&b);
}

void header_end(void *arg)
{
	struct cleanup *c = arg;

	c->headers_done = true;
	if (c->rewriting != NULL)
		c->end_waits = true;
	else
		end_of_headers(c);
}

bool header_run(struct cleanup *c)
{
	struct waiting_header *w;

	while (c->rewriting != NULL || !STAILQ_EMPTY(&c->waiting)) {
		if ((w = c->rewriting) != NULL) {
			if (header_op_poll(&c->header_op) == REWRITE_WAIT)
				return false;
			c->rewriting = NULL;
			rewritten(c, w->text, w->len);
		} else {
			w = STAILQ_FIRST(&c->waiting);
			STAILQ_REMOVE_HEAD(&c->waiting, link);
			c->waiting_bytes -= sizeof(*w) + w->len;
			if (c->error.code == 0)
				any_header(c, w->info, w->text, w->len);
		}
		free(w);
	}
	if (c->end_waits) {
		c->end_waits = false;
		end_of_headers(c);
	}
	return true;
}

void header_release(struct cleanup *c)
{
	struct waiting_header *w;

	if (c->rewriting != NULL)
		header_op_end(&c->header_op);
	free(c->rewriting);
	while ((w = STAILQ_FIRST(&c->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->waiting, link);
		free(w);
	}
	free(c->full_name);
}

/* ---- complaints ------------------------------------------------------------------------------- */
const char *client_of(const struct cleanup *c, struct buf *b)
{
	if (c->msg->client_addr == NULL)
		return "local";
	buf_addf(b, "%s[%s]", c->msg->client_name != NULL ? c->msg->client_name : "unknown", c->msg->client_addr);
	return b->p;
}

void header_mime_error(void *arg, unsigned bit, const char *detail, size_t len)
{
	struct cleanup *c = arg;
	struct buf client = { 0 }, from = { 0 }, to = { 0 };

	address_quote_822(&from, c->msg->sender != NULL ? c->msg->sender : "");
	address_quote_822(&to, c->last_rcpt != NULL ? c->last_rcpt : "unknown");
	log_info(&c->log, "%s: reject: mime-error %s: %.*s from %s; from=<%s> to=<%s>", c->msg->name,
		 mime_error_text(bit), (int)MIN(len, (size_t)100), detail, client_of(c, &client), buf_str(&from),
		 buf_str(&to));
	buf_release(&client);
	buf_release(&from);
	buf_release(&to);
}
