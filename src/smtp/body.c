/* body.c - the content as the wire wants it: dots stuffed, over-long lines broken, 8-bit text converted
 * where the server cannot take it.
 *
 * Most content needs none of that, and then not a byte is copied: chunks are scanned with memchr and queued as
 * they are; only where a dot or a break goes in does a run end. Content that is read from the store is copied,
 * since its buffer is the reader's. Conversion (module mime) works line by line and copies too.
 * At most what the stream takes is queued ahead, whatever the size of the message. */
#include "client.h"
#include <postrider/mime.h>
#include <postrider/store.h>
#include <stdlib.h>

enum { COPY_BELOW = 128 };	/* a run this short is cheaper copied than referenced */
enum phase { PH_HEADER, PH_BODY, PH_END };

struct body {
	struct attempt	*a;
	struct stream	*stream;
	enum phase	 phase;
	bool		 by_ref;	/* in memory: pieces stay valid as long as a->content is held */
	bool		 failed;
	struct content_op op;
	/* the line being written */
	size_t		 col;		/* bytes of it so far */
	bool		 bol;		/* nothing of it so far */
	bool		 cr;		/* the last piece ended in CR */
	size_t		 limit;		/* smtp_line_length_limit; SIZE_MAX: none */
	bool		 broken;	/* said once that lines were broken */
	/* conversion */
	struct mime	*mime;		/* NULL: as is */
	struct mime_config config;
	struct buf	 line;		/* being gathered */
	size_t		 line_max;
};

/* ---- output ----------------------------------------------------------------------------------------------------- */
static void emit(struct body *b, const char *p, size_t n)
{
	if (b->by_ref && n >= COPY_BELOW)
		stream_write_ref(b->stream, p, n, NULL, NULL);
	else if (n > 0)
		stream_write(b->stream, p, n);
}

/* Breaks the line whose next `len` bytes at p are too many; returns where the unwritten rest begins. */
static const char *break_line(struct body *b, const char **run, const char *p, size_t len)
{
	if (!b->broken)
		log_info(
		    &b->a->d->log, "%s: breaking line > %zu bytes with <CR><LF>SPACE", b->a->d->msg->name, b->limit);
	b->broken = true;
	while (b->col + len > b->limit) {
		size_t room = b->limit > b->col ? b->limit - b->col : 0;	/* a CR may have been one too many */

		emit(b, *run, (size_t)(p + room - *run));
		stream_write(b->stream, "\r\n ", 3);
		p += room;
		len -= room;
		*run = p;
		b->col = 1;
	}
	return p;
}

/* Content bytes, lines ending in CRLF; a piece may begin and end anywhere. */
static void piece_out(struct body *b, const char *p, size_t n)
{
	const char *end = p + n, *run = p;

	if (n > 0 && b->cr && *p != '\n')
		b->col++;		/* it was a character after all */
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;
		size_t len = (size_t)(stop - p);

		b->cr = len > 0 && stop[-1] == '\r';
		if (b->cr)
			len--;
		if (b->bol && *p == '.') {	/* RFC 5321 §4.5.2 */
			emit(b, run, (size_t)(p - run));
			stream_write(b->stream, ".", 1);
			run = p;
		}
		if (b->col + len > b->limit) {
			const char *rest = break_line(b, &run, p, len);

			len -= (size_t)(rest - p);
		}
		b->col = nl != NULL ? 0 : b->col + len;
		b->bol = nl != NULL;
		b->cr = nl == NULL && b->cr;
		p = nl != NULL ? nl + 1 : end;
	}
	emit(b, run, (size_t)(end - run));
}

/* ---- conversion ------------------------------------------------------------------------------------------------- */
static void line_out(struct body *b, const char *p, size_t len, bool partial)
{
	piece_out(b, p, len);
	if (!partial)
		piece_out(b, "\r\n", 2);
}

static void header_hook(void *arg, enum mime_place place UNUSED, const struct hdr_info *info UNUSED, const char *text,
    size_t len)
{
	const char *end = text + len, *nl;

	for (; (nl = memchr(text, '\n', (size_t)(end - text))) != NULL; text = nl + 1)
		line_out(arg, text, (size_t)(nl - text), false);
	line_out(arg, text, (size_t)(end - text), false);
}

static void end_of_headers_hook(void *arg UNUSED)
{
}

static void body_hook(void *arg, const char *line, size_t len, bool partial)
{
	line_out(arg, line, len, partial);
}

static const struct mime_hooks hooks = {
	.header = header_hook,
	.end_of_headers = end_of_headers_hook,
	.body = body_hook,
};

static void push_line(struct body *b, bool partial)
{
	size_t len = b->line.len;

	if (!partial && len > 0 && b->line.p[len - 1] == '\r')
		len--;
	mime_line(b->mime, buf_str(&b->line), len, partial);
	buf_reset(&b->line);
}

static void piece_convert(struct body *b, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;
		size_t part = MIN((size_t)(stop - p), b->line_max - b->line.len);

		buf_add(&b->line, p, part);
		p += part;
		if (p == stop && nl != NULL) {
			push_line(b, false);
			p = nl + 1;
		} else if (b->line.len >= b->line_max && !(p == stop - 1 && *p == '\r')) {
			push_line(b, true);
		} else if (b->line.len >= b->line_max) {
			buf_add(&b->line, p++, 1);	/* the CR of a line that just fits */
		}
	}
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */
static void piece(struct body *b, const char *p, size_t n)
{
	if (b->mime != NULL)
		piece_convert(b, p, n);
	else
		piece_out(b, p, n);
}

static void phase_enter(struct body *b, enum phase phase)
{
	struct message *m = b->a->d->msg;

	if (b->phase == PH_HEADER && phase == PH_BODY && !(m->flags & MSG_NO_SEPARATOR))
		piece(b, "\r\n", 2);
	b->phase = phase;
	content_read_end(&b->op);
	if (phase != PH_END) {
		content_read_start(&b->op, b->a->d->task, m, phase == PH_HEADER ? PART_HEADER : PART_BODY);
		return;
	}
	if (b->mime != NULL) {
		if (b->line.len > 0)
			push_line(b, false);
		mime_end(b->mime);
	}
	if (!b->bol || b->cr)
		stream_write(b->stream, "\r\n", 2);
}

struct body *body_new(struct attempt *a)
{
	struct message *m = a->d->msg;
	struct body *b = xcalloc(1, sizeof(*b));

	b->a = a;
	b->stream = a->conn->stream;
	b->bol = true;
	b->limit = a->svc->p.line_limit > 0 ? (size_t)MAX(a->svc->p.line_limit, 2) : SIZE_MAX;	/* a blank and one more */
	if (command_downgrades(a)) {
		b->config = (struct mime_config){
			.options = MIME_PARSE | MIME_DOWNGRADE | MIME_REPORT_NESTING,
			.header_size_limit = (size_t)a->svc->p.header_limit,
			.nesting_limit = a->svc->p.nesting_limit,
			.boundary_limit = (size_t)a->svc->p.boundary_limit,
		};
		b->line_max = (size_t)a->svc->p.reply_max;
		b->mime = mime_new(&b->config, &hooks, b);
	} else if (m->content != NULL && !(m->flags & MSG_CONTENT_STORED)) {
		a->content = content_ref(m->content);
		b->by_ref = true;
	}
	b->phase = PH_HEADER;
	flags_write(a);
	if (a->new_header.len == 0)
		content_read_start(&b->op, a->d->task, m, PART_HEADER);
	return b;
}

enum body_result body_poll(struct body *b)
{
	while (b->phase != PH_END) {
		if (!stream_writable(b->stream))
			return BODY_WAIT;
		if (b->phase == PH_HEADER && b->a->new_header.len > 0) {
			piece(b, b->a->new_header.p, b->a->new_header.len);
			phase_enter(b, PH_BODY);
			continue;
		}
		switch (content_read_poll(&b->op)) {
		case CONTENT_WAIT:
			return BODY_WAIT;
		case CONTENT_FAILED:
			b->failed = true;
			return BODY_FAILED;
		case CONTENT_DATA:
			piece(b, b->op.p, b->op.len);
			content_read_advance(&b->op);
			break;
		case CONTENT_END:
			phase_enter(b, b->phase == PH_HEADER ? PH_BODY : PH_END);
			break;
		}
		if (b->mime != NULL && mime_errors(b->mime) != 0)
			return BODY_FAILED;
	}
	return BODY_DONE;
}

const char *body_error(const struct body *b)
{
	return b->failed || b->mime == NULL ? NULL : mime_error_text(mime_errors(b->mime));
}

void body_free(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	content_read_end(&b->op);
	mime_free(&b->mime);
	buf_release(&b->line);
	free(b);
}
