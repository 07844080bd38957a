/* output.c - where processed content goes: the header block, the body, drafts.
 *
 * Lines are stored with CRLF. The header block stays in memory; the body goes into chunks of the store's size. When a
 * megabyte of body has gathered (less while content is over its budget), full chunks are committed as drafts while
 * reading goes on; when the next megabyte is there before that commit has ended, the reader has to wait. So a
 * session's memory is bounded, whatever the size of the message. A header block beyond HEADER_SPILL goes on in the
 * body part.
 *
 * Sizes are counted twice: bytes of content, and bytes as Postfix's queue file would have them, because that is what
 * size= in its log means, and, with the envelope, what message_size_limit limits: per record a type, a length in 7-bit
 * digits, the data; a record is a line or a piece of it of up to line_length_limit bytes. */
#include "cleanup_room.h"

enum { DRAFT_BYTES = 1024 * 1024, DRAFT_BYTES_TIGHT = 64 * 1024, HEADER_SPILL = 1024 * 1024 };

static inline int64_t record_size(size_t len)
{
	return (int64_t)len + (len < 128 ? 2 : len < 16384 ? 3 : 4);
}

static int64_t attr_size(const char *name, const char *value)
{
	return value == NULL ? 0 : record_size(strlen(name) + 1 + strlen(value));
}

static int64_t rcpt_size(const struct rcpt *r)
{
	return (r->notify != 0 ? record_size(strlen("notify_flags=1")) : 0) + attr_size("dsn_orig_rcpt", r->dsn_orcpt) +
	    record_size(strlen(r->orig)) + record_size(strlen(r->addr));
}

/* What Postfix's queue file holds beside the content. Its queue ids are shorter than ours, which stand in the content, too:
 * that is taken off log_ident. */
int64_t queue_file_size(const struct cleanup *c)
{
	enum { SIZES = 95, TIMES = 17, ID = 8, END = 3 };
	static const char *const smtpd[] = { "client_name", "client_address", "client_port", "helo_name", "protocol_name" };
	const struct message *m = c->msg;
	const char *const value[] = { m->client_name, m->client_addr, m->client_port, m->helo, m->proto };
	int64_t size = record_size(SIZES) + record_size(TIMES) + attr_size("create_time", "1000000000") +
	    record_size(strlen("log_ident=") + ID) + record_size(strlen("rewrite_context=remote")) +
	    attr_size("envelope_id", m->dsn_envid) + (m->dsn_ret != 0 ? attr_size("ret_flags", "1") : 0) +
	    record_size(strlen(m->sender)) + (m->flags & MSG_8BIT ? 2 * attr_size("encoding", "8bit") : 0) + END * record_size(0);

	for (size_t i = 0; i < NELEM(smtpd); i++)	/* as logged and as seen by filters */
		size += 2 * attr_size(smtpd[i], value[i]) + (value[i] != NULL ? (int64_t)strlen("log_") : 0);
	if (m->client_addr != NULL && m->client_name != NULL)
		size += record_size(strlen("log_message_origin=[]") + strlen(m->client_name) + strlen(m->client_addr)) +
		    attr_size("client_address_type", "2");
	size += attr_size("reverse_client_name", m->rev_name);
	for (size_t i = 0; i < m->extra.n; i++)		/* the server's address and port */
		size += record_size(strlen(m->extra.v[i]));
	for (uint32_t i = 0; i < m->nrcpt; i++)
		size += rcpt_size(&m->rcpt[i]);
	return size + c->record_size;
}

static void append(struct content *content, const char *line, size_t len, bool partial)
{
	struct chunk *t = content->body_tail;
	size_t need = partial ? len : len + 2;

	if (t != NULL && STORE_CHUNK - t->len >= need) {
		memcpy(t->data + t->len, line, len);
		if (!partial)
			memcpy(t->data + t->len + len, "\r\n", 2);
		t->len += (uint32_t)need;
		content->body_len += (int64_t)need;
		return;
	}
	content_append(content, line, len);
	if (!partial)
		content_append(content, "\r\n", 2);
}

static void start_drafts(struct cleanup *c)
{
	struct store_txn *txn = store_txn_new();
	int64_t bytes = 0;
	struct chunk *chunk;

	while (c->content->body != c->content->body_tail && bytes < DRAFT_BYTES) {
		chunk = content_take_chunk(c->content);
		bytes += chunk->len;
		store_txn_draft(txn, c->msg->id, c->next_draft++, chunk);
	}
	c->drafted += bytes;
	c->msg->flags |= MSG_CONTENT_STORED;
	c->drafting = true;
	store_commit_start(&c->draft_op, c->task, &txn);
}

bool drafts_run(struct cleanup *c)
{
	enum store_result r;

	for (;;) {
		if (c->drafting) {
			r = store_commit_poll(&c->draft_op);
			if (r == STORE_WAIT)
				return c->content->body_len < DRAFT_BYTES;
			store_commit_end(&c->draft_op);
			c->drafting = false;
			if (r != STORE_OK)
				content_refuse(c, STAT_WRITE, "4.3.1 Insufficient system storage");
		}
		if (c->error.code != 0 ||
		    c->content->body_len < (content_over_budget() ? DRAFT_BYTES_TIGHT : DRAFT_BYTES))
			return true;
		start_drafts(c);
	}
}

void drafts_drop(struct cleanup *c)
{
	struct store_txn *txn;

	if (c->drafting)
		store_commit_end(&c->draft_op);
	c->drafting = false;
	if (c->next_draft == 0)
		return;
	txn = store_txn_new();
	store_txn_draft_drop(txn, c->msg->id);
	store_settle(&txn);
	c->next_draft = 0;
}

void drafts_finish(struct cleanup *c, struct store_txn *txn)
{
	struct chunk *chunk;

	if ((c->msg->flags & MSG_CONTENT_STORED) == 0)
		return;
	c->msg->body_bytes = c->drafted + c->content->body_len;
	while ((chunk = content_take_chunk(c->content)) != NULL)
		store_txn_draft(txn, c->msg->id, c->next_draft++, chunk);
}

void put_body(void *arg, const char *line, size_t len, bool partial)
{
	struct cleanup *c = arg;
	size_t limit = c->conf->line_limit;

	if (!c->separator && c->headers_done) {		/* the first line behind the headers is the empty one */
		c->separator = true;
		c->record_size += record_size(0);
		if (c->spilled)
			append(c->content, "", 0, false);
		return;
	}
	append(c->content, line, len, partial);
	/* A line that fills its record is only known to have ended by the empty one behind it. */
	for (; len >= limit; len -= limit)
		c->record_size += record_size(limit);
	if (!partial || len > 0)
		c->record_size += record_size(len);
}

static void put_header_line(struct cleanup *c, const char *line, size_t len, bool tab, bool to_body)
{
	if (!to_body && !c->spilled && !c->no_spill && c->header.len > HEADER_SPILL) {
		c->spilled = true;
		c->msg->flags |= MSG_NO_SEPARATOR;
	}
	if (to_body || c->spilled) {
		if (tab)
			append(c->content, "\t", 1, true);
		append(c->content, line, len, false);
	} else {
		buf_reserve(&c->header, len + 3);
		if (tab)
			buf_addc(&c->header, '\t');
		buf_add(&c->header, line, len);
		buf_add(&c->header, "\r\n", 2);
	}
	for (len += tab; len > c->conf->line_limit; len -= c->conf->line_limit)
		c->record_size += record_size(c->conf->line_limit);
	c->record_size += record_size(len);
}

/* Line by line. A header over header_size_limit ends with the last line that fits, if that is nearly all of it, else in
 * the middle of a line. */
void put_header(struct cleanup *c, const char *text, size_t len, bool to_body)
{
	size_t limit = c->conf->mime.header_size_limit;
	const char *line = text, *end = text + len, *nl;

	for (; line != NULL; line = nl) {
		nl = memchr(line, '\n', (size_t)(end - line));
		len = (size_t)((nl != NULL ? nl : end) - line);
		if (nl != NULL)
			nl++;
		if ((size_t)(line - text) + len > limit) {
			if ((size_t)(line - text) > limit / 10 * 9)
				break;
			len = limit - (size_t)(line - text);
			nl = NULL;
		}
		put_header_line(c, line, len, line > text && *line != ' ' && *line != '\t', to_body);
	}
}
