/* parse.c - the parser: which line is header, which is body, where parts begin and end.
 *
 * Four states. AT_PRIMARY, AT_PART and AT_NESTED collect headers; a header is complete when the next line does not
 * continue it. The first line that is no header ends the block: if it is empty, what follows is decided by the
 * content type (message/rfc822: headers again, AT_NESTED), otherwise the body begins, after an empty line where the
 * headers were the message's own. In AT_BODY, lines beginning with "--" are compared with all boundaries that are
 * open, innermost first, so that a missing inner end is repaired by an outer one. Boundaries match as prefixes,
 * because what we keep of them may be cut.
 *
 * Downgrading holds back Content-Transfer-Encoding until its block ends, since the right value depends on the content
 * type: composite types get 7bit, the others quoted-printable.
 *
 * The fast path: once the body is reached and no boundary is open (and nothing looks for 8-bit bytes), no line can
 * change the state any more; mime_only_body() says so and the owner stops calling. */
#include <stdlib.h>

#include "mime_room.h"

struct mime *mime_new(const struct mime_config *config, const struct mime_hooks *hooks, void *arg)
{
	struct mime *m = xcalloc(1, sizeof(*m));

	m->config = config;
	m->hooks = hooks;
	m->arg = arg;
	m->type = TYPE_TEXT;
	m->subtype = SUB_PLAIN;
	m->depth = -1;
	return m;
}

static void pop_boundary(struct mime *m)
{
	struct boundary *b = m->stack;

	m->stack = b->outer;
	m->depth--;
	free(b);
}

void mime_free(struct mime **mp)
{
	struct mime *m = *mp;

	if (m == NULL)
		return;
	while (m->stack != NULL)
		pop_boundary(m);
	buf_release(&m->header);
	free(m);
	*mp = NULL;
}

bool mime_only_body(const struct mime *m)
{
	return m->only_body;
}

unsigned mime_errors(const struct mime *m)
{
	return m->errors;
}

const char *mime_error_text(unsigned bits)
{
	static const char *const text[] = {
		"MIME nesting exceeds safety limit",
		"message header length exceeds safety limit",
		"improper use of 8-bit data in message header",
		"improper use of 8-bit data in message body",
		"invalid message/* or multipart/* encoding domain",
	};

	for (unsigned i = 0; i < NELEM(text); i++)
		if (bits & (1u << i))
			return text[i];
	return "invalid message content";
}

static void report(struct mime *m, unsigned bit, const char *detail, size_t len)
{
	if (m->errors & bit)
		return;
	m->errors |= bit;
	if (m->hooks->error != NULL)
		m->hooks->error(m->arg, bit, detail, len);
}

static void set_state(struct mime *m, int state, enum mime_type type, enum mime_subtype subtype)
{
	m->state = state;
	m->type = type;
	m->subtype = subtype;
	m->encoding = m->domain = ENC_7BIT;
}

static bool downgrading(const struct mime *m)
{
	return (m->config->options & MIME_DOWNGRADE) != 0 && m->domain != ENC_7BIT;
}

static void settle_body(struct mime *m)
{
	m->only_body = m->state == AT_BODY && m->stack == NULL && !downgrading(m) &&
	    (m->config->options & MIME_REPORT_8BIT_BODY) == 0;
}

/* ---- header blocks ------------------------------------------------------------------------- */
static void push_boundary(struct mime *m, const struct buf *text)
{
	size_t len = MIN(text->len, m->config->boundary_limit);
	struct boundary *b = xmalloc(sizeof(*b) + len + 1);
	bool digest = m->subtype == SUB_DIGEST;

	memcpy(b->text, buf_str(text), len);
	b->text[len] = '\0';
	b->len = len;
	b->part_type = digest ? TYPE_MESSAGE : TYPE_TEXT;
	b->part_subtype = digest ? SUB_RFC822 : SUB_PLAIN;
	b->outer = m->stack;
	m->stack = b;
	m->depth++;
}

/* Several boundary parameters are against the rules; all of them are watched for, so that nothing hides behind the
 * one that another reader would take. */
static void take_content_type(struct mime *m, const char *value)
{
	struct buf name = { 0 }, text = { 0 };

	m->type = content_type(value, &m->subtype, &value);
	while (m->type == TYPE_MULTIPART && content_param(&value, &name, &text)) {
		if (!str_ieq(buf_str(&name), "boundary"))
			continue;
		if (m->depth <= m->config->nesting_limit)
			push_boundary(m, &text);
		else if (m->config->options & MIME_REPORT_NESTING)
			report(m, MIME_ERR_NESTING, m->header.p, m->header.len);
	}
	buf_release(&name);
	buf_release(&text);
}

static enum mime_place place(const struct mime *m)
{
	return m->state == AT_PRIMARY ? MIME_PRIMARY_HEADER
	       : m->state == AT_PART  ? MIME_PART_HEADER
				      : MIME_NESTED_HEADER;
}

static bool has_8bit(const char *p, size_t n)
{
	while (n > 0 && (unsigned char)*p < 0x80)
		p++, n--;
	return n > 0;
}

static void flush_header(struct mime *m)
{
	const struct hdr_info *info;
	size_t name_len;

	if (m->header.len == 0)
		return;
	name_len = hdr_name_len(m->header.p, m->header.len);
	info = hdr_find(m->header.p, name_len);
	if (info != NULL && (m->config->options & MIME_PARSE) != 0) {
		if (info->id == HDR_CONTENT_TYPE)
			take_content_type(m, hdr_value(m->header.p, name_len));
		else if (info->id == HDR_CONTENT_TRANSFER_ENCODING)
			content_encoding(hdr_value(m->header.p, name_len), &m->encoding, &m->domain);
	}
	if ((m->config->options & MIME_REPORT_8BIT_HEADER) != 0 && has_8bit(m->header.p, m->header.len))
		report(m, MIME_ERR_8BIT_IN_HEADER, m->header.p, m->header.len);
	if (info == NULL || info->id != HDR_CONTENT_TRANSFER_ENCODING || !downgrading(m))
		m->hooks->header(m->arg, place(m), info, m->header.p, m->header.len);
	buf_reset(&m->header);
}

/* RFC 2045, 6.4: composite types may have no encoding but 7bit, 8bit and binary. */
static void check_encoding(struct mime *m)
{
	bool bad = false;

	if (m->type == TYPE_MESSAGE && (m->subtype == SUB_PARTIAL || m->subtype == SUB_EXTERNAL))
		bad = m->domain != ENC_7BIT;
	else if (m->type == TYPE_MULTIPART || (m->type == TYPE_MESSAGE && m->subtype == SUB_RFC822))
		bad = m->encoding != m->domain;
	if (bad)
		report(m, MIME_ERR_ENCODING_DOMAIN, encoding_name(m->encoding), strlen(encoding_name(m->encoding)));
}

static void end_block(struct mime *m)
{
	static const char *const text[] = {"Content-Transfer-Encoding: quoted-printable",
					   "Content-Transfer-Encoding: 7bit"};

	flush_header(m);
	if (downgrading(m)) {
		const char *cte = text[m->type == TYPE_MESSAGE || m->type == TYPE_MULTIPART];

		m->hooks->header(m->arg, place(m), hdr_find(cte, strlen("Content-Transfer-Encoding")), cte,
				 strlen(cte));
	}
	if (m->state == AT_PRIMARY)
		m->hooks->end_of_headers(m->arg);
	if (m->config->options & MIME_REPORT_ENCODING)
		check_encoding(m);
}

/* ---- body ---------------------------------------------------------------------------------- */
static void match_boundary(struct mime *m, const char *line, size_t len)
{
	struct boundary *b;

	for (b = m->stack; b != NULL; b = b->outer) {
		if (len < 2 + b->len || memcmp(line + 2, b->text, b->len) != 0)
			continue;
		while (m->stack != b)
			pop_boundary(m);
		if (len >= 4 + b->len && memcmp(line + 2 + b->len, "--", 2) == 0) {
			pop_boundary(m);
			set_state(m, AT_BODY, TYPE_OTHER, SUB_OTHER);
		} else
			set_state(m, AT_PART, b->part_type, b->part_subtype);
		return;
	}
}

static void body_line(struct mime *m, const char *line, size_t len, bool partial)
{
	if ((m->config->options & MIME_REPORT_8BIT_BODY) != 0 && m->encoding == ENC_7BIT && has_8bit(line, len))
		report(m, MIME_ERR_8BIT_IN_7BIT_BODY, line, len);
	if (m->stack != NULL && !m->mid_line && len > 2 && line[0] == '-' && line[1] == '-')
		match_boundary(m, line, len);
	if (downgrading(m))
		qp_encode(m, line, len, partial);
	else
		m->hooks->body(m->arg, line, len, partial);
}

/* The line that ended a header block. */
static void first_body_line(struct mime *m, const char *line, size_t len, bool partial)
{
	end_block(m);
	if (len > 0) {			/* no empty line: the header block was broken off */
		if (m->state == AT_PRIMARY)
			m->hooks->body(m->arg, "", 0, false);
		m->state = AT_BODY;
	} else if (m->type == TYPE_MESSAGE && (m->subtype == SUB_RFC822 || m->subtype == SUB_GLOBAL)) {
		set_state(m, AT_NESTED, TYPE_TEXT, SUB_PLAIN);
	} else if (m->type == TYPE_MULTIPART) {
		set_state(m, AT_BODY, TYPE_OTHER, SUB_OTHER);
	} else
		m->state = AT_BODY;
	body_line(m, line, len, partial);
	settle_body(m);
}

static void header_line(struct mime *m, const char *line, size_t len, bool partial)
{
	size_t name_len;

	if (m->header.len > 0 && (m->mid_line || (len > 0 && (line[0] == ' ' || line[0] == '\t')))) {
		if (m->header.len >= m->config->header_size_limit) {
			m->errors |= MIME_ERR_TRUNC_HEADER;
			return;
		}
		if (!m->mid_line)
			buf_addc(&m->header, '\n');
		buf_add(&m->header, line, len);
		return;
	}
	flush_header(m);
	name_len = hdr_name_len(line, len);
	if (name_len == 0) {
		first_body_line(m, line, len, partial);
		return;
	}
	buf_add(&m->header, line, name_len);
	for (line += name_len, len -= name_len; *line == ' ' || *line == '\t'; line++, len--)
		;
	buf_add(&m->header, line, len);
}

void mime_line(struct mime *m, const char *line, size_t len, bool partial)
{
	if (m->state == AT_BODY)
		body_line(m, line, len, partial);
	else
		header_line(m, line, len, partial);
	m->mid_line = partial;
}

void mime_end(struct mime *m)
{
	if (m->state != AT_BODY)
		end_block(m);
	else if (m->mid_line && m->header.len > 0) {	/* downgrading, and the last line has no end */
		m->hooks->body(m->arg, m->header.p, m->header.len, true);
		buf_reset(&m->header);
	}
	m->only_body = true;
	m->state = AT_BODY;
}
