/* row.c - the form of rows on the disk.
 *
 * A message or recipient row is a head (version, and for recipients the state, so that counting
 * needs no decoding) and then fields: a tag byte, a length as a base-128 number, the bytes. Numbers are little-endian
 * without their leading zero bytes. A reader skips tags it does not know, a writer leaves out what is zero or NULL,
 * so a later release adds fields without a new schema. Sched rows are rewritten most often and therefore have
 * fixed places; longer ones of a later release are readable, too.
 *
 * Everything read here is treated as possibly damaged: lengths are checked, nothing is trusted. */
#include "db.h"
#include <postrider/hash.h>
#include <stdlib.h>

enum { ROW_VERSION = 1, RCPT_HEAD = 2 };
enum message_tag {
	M_FLAGS = 1, M_ARRIVAL, M_RECEIVED, M_SENDER, M_SIZE, M_DSN_RET, M_DSN_ENVID, M_CLIENT_NAME, M_CLIENT_ADDR,
	M_CLIENT_PORT, M_HELO, M_PROTO, M_IDENT, M_REV_NAME, M_SASL_METHOD, M_SASL_USER, M_SASL_SENDER,
	M_CONTENT_FILTER, M_REDIRECT, M_HOLD_REASON, M_MESSAGE_ID, M_EXTRA, M_RCPT_TOTAL, M_HEADER_BYTES, M_BODY_BYTES,
	M_VERP,
};
enum rcpt_tag { R_ADDR = 1, R_ORIG, R_DSN_ORCPT, R_NOTIFY, R_DSN, R_REASON, R_ACTION, R_REMOTE_MTA, R_DIAGNOSTIC };

static void put_len(struct buf *b, size_t n)
{
	while (n >= 0x80) {
		buf_addc(b, (char)(n | 0x80));
		n >>= 7;
	}
	buf_addc(b, (char)n);
}

static void put_str(struct buf *b, int tag, const char *s)
{
	size_t n;

	if (s == NULL)
		return;
	n = strlen(s);
	buf_addc(b, (char)tag);
	put_len(b, n);
	buf_add(b, s, n);
}

static void put_num(struct buf *b, int tag, int64_t num)
{
	unsigned char p[10];
	uint64_t v = (uint64_t)num;
	size_t n = 2;

	if (v == 0)
		return;
	for (; v != 0; v >>= 8)
		p[n++] = (unsigned char)v;
	p[0] = (unsigned char)tag;
	p[1] = (unsigned char)(n - 2);
	buf_add(b, p, n);
}

struct field { int tag; const unsigned char *p; size_t len; };

/* The next field at *p, false at the end; *bad_r is set when the bytes make no field. */
static bool next_field(const unsigned char **p, const unsigned char *end, struct field *f, bool *bad_r)
{
	unsigned shift = 0;

	if (*p >= end)
		return false;
	f->tag = *(*p)++;
	f->len = 0;
	do {
		if (*p >= end || shift > 28) {
			*bad_r = true;
			return false;
		}
		f->len |= (size_t)(**p & 0x7f) << shift;
		shift += 7;
	} while (*(*p)++ & 0x80);
	if (f->len > (size_t)(end - *p)) {
		*bad_r = true;
		return false;
	}
	f->p = *p;
	*p += f->len;
	return true;
}

static int64_t field_num(const struct field *f)
{
	uint64_t v = 0;
	size_t i;

	for (i = MIN(f->len, 8); i > 0; i--)
		v = v << 8 | f->p[i - 1];
	return (int64_t)v;
}

static char *field_str(struct arena *a, const struct field *f)
{
	return arena_strndup(a, (const char *)f->p, f->len);
}

void row_message(struct buf *b, const struct message *m)
{
	size_t i;

	buf_addc(b, ROW_VERSION);
	put_num(b, M_FLAGS, m->flags);
	put_num(b, M_ARRIVAL, m->arrival_us);
	put_num(b, M_RECEIVED, m->received_us);
	put_str(b, M_SENDER, m->sender);
	put_num(b, M_SIZE, m->size);
	put_num(b, M_DSN_RET, m->dsn_ret);
	put_str(b, M_DSN_ENVID, m->dsn_envid);
	put_str(b, M_CLIENT_NAME, m->client_name);
	put_str(b, M_CLIENT_ADDR, m->client_addr);
	put_str(b, M_CLIENT_PORT, m->client_port);
	put_str(b, M_HELO, m->helo);
	put_str(b, M_PROTO, m->proto);
	put_str(b, M_IDENT, m->ident);
	put_str(b, M_REV_NAME, m->rev_name);
	put_str(b, M_SASL_METHOD, m->sasl_method);
	put_str(b, M_SASL_USER, m->sasl_user);
	put_str(b, M_SASL_SENDER, m->sasl_sender);
	put_str(b, M_CONTENT_FILTER, m->content_filter);
	put_str(b, M_REDIRECT, m->redirect);
	put_str(b, M_HOLD_REASON, m->hold_reason);
	put_str(b, M_MESSAGE_ID, m->message_id);
	for (i = 0; i < m->extra.n; i++)
		put_str(b, M_EXTRA, m->extra.v[i]);
	put_num(b, M_RCPT_TOTAL, m->rcpt_total);
	put_num(b, M_HEADER_BYTES, m->header_bytes);
	put_num(b, M_BODY_BYTES, m->body_bytes);
	put_str(b, M_VERP, m->verp);
}

static void message_field(struct message *m, const struct field *f)
{
	switch (f->tag) {
	case M_FLAGS:		m->flags = (unsigned)field_num(f); break;
	case M_ARRIVAL:		m->arrival_us = field_num(f); break;
	case M_RECEIVED:	m->received_us = field_num(f); break;
	case M_SENDER:		m->sender = field_str(&m->arena, f); break;
	case M_SIZE:		m->size = field_num(f); break;
	case M_DSN_RET:		m->dsn_ret = (uint8_t)field_num(f); break;
	case M_DSN_ENVID:	m->dsn_envid = field_str(&m->arena, f); break;
	case M_CLIENT_NAME:	m->client_name = field_str(&m->arena, f); break;
	case M_CLIENT_ADDR:	m->client_addr = field_str(&m->arena, f); break;
	case M_CLIENT_PORT:	m->client_port = field_str(&m->arena, f); break;
	case M_HELO:		m->helo = field_str(&m->arena, f); break;
	case M_PROTO:		m->proto = field_str(&m->arena, f); break;
	case M_IDENT:		m->ident = field_str(&m->arena, f); break;
	case M_REV_NAME:	m->rev_name = field_str(&m->arena, f); break;
	case M_SASL_METHOD:	m->sasl_method = field_str(&m->arena, f); break;
	case M_SASL_USER:	m->sasl_user = field_str(&m->arena, f); break;
	case M_SASL_SENDER:	m->sasl_sender = field_str(&m->arena, f); break;
	case M_CONTENT_FILTER:	m->content_filter = field_str(&m->arena, f); break;
	case M_REDIRECT:	m->redirect = field_str(&m->arena, f); break;
	case M_HOLD_REASON:	m->hold_reason = field_str(&m->arena, f); break;
	case M_MESSAGE_ID:	m->message_id = field_str(&m->arena, f); break;
	case M_EXTRA:		strs_addn(&m->extra, (const char *)f->p, f->len); break;
	case M_RCPT_TOTAL:	m->rcpt_total = (uint32_t)field_num(f); break;
	case M_HEADER_BYTES:	m->header_bytes = field_num(f); break;
	case M_BODY_BYTES:	m->body_bytes = field_num(f); break;
	case M_VERP:		m->verp = field_str(&m->arena, f); break;
	default:		break;		/* of a later release */
	}
}

bool row_message_read(struct message *m, const void *data, size_t n)
{
	const unsigned char *p = data, *end = p + n;
	bool bad = false;
	struct field f;

	if (n < 1 || *p++ != ROW_VERSION)
		return false;
	while (next_field(&p, end, &f, &bad))
		message_field(m, &f);
	if (m->sender == NULL)
		m->sender = arena_strdup(&m->arena, "");
	return !bad;
}

void row_rcpt(struct buf *b, const struct rcpt *r)
{
	buf_addc(b, ROW_VERSION);
	buf_addc(b, (char)r->state);
	put_str(b, R_ADDR, r->addr);
	if (r->orig != NULL && strcmp(r->orig, r->addr) != 0)
		put_str(b, R_ORIG, r->orig);
	put_str(b, R_DSN_ORCPT, r->dsn_orcpt);
	put_num(b, R_NOTIFY, r->notify);
	put_str(b, R_DSN, r->dsn);
	put_str(b, R_REASON, r->reason);
	put_str(b, R_ACTION, r->action);
	put_str(b, R_REMOTE_MTA, r->remote_mta);
	put_str(b, R_DIAGNOSTIC, r->diagnostic);
}

int row_rcpt_state(const void *data, size_t n)
{
	const unsigned char *p = data;

	return n >= RCPT_HEAD && p[0] == ROW_VERSION && p[1] <= RCPT_REPORT ? p[1] : -1;
}

bool row_rcpt_read(struct arena *a, struct rcpt *r, const void *data, size_t n)
{
	const unsigned char *p = data, *end = p + n;
	int state = row_rcpt_state(data, n);
	bool bad = false;
	struct field f;

	if (state < 0)
		return false;
	r->state = (uint8_t)state;
	p += RCPT_HEAD;
	while (next_field(&p, end, &f, &bad)) {
		switch (f.tag) {
		case R_ADDR:		r->addr = field_str(a, &f); break;
		case R_ORIG:		r->orig = field_str(a, &f); break;
		case R_DSN_ORCPT:	r->dsn_orcpt = field_str(a, &f); break;
		case R_NOTIFY:		r->notify = (uint8_t)field_num(&f); break;
		case R_DSN:		r->dsn = field_str(a, &f); break;
		case R_REASON:		r->reason = field_str(a, &f); break;
		case R_ACTION:		r->action = field_str(a, &f); break;
		case R_REMOTE_MTA:	r->remote_mta = field_str(a, &f); break;
		case R_DIAGNOSTIC:	r->diagnostic = field_str(a, &f); break;
		default:		break;
		}
	}
	if (r->addr == NULL)
		return false;
	if (r->orig == NULL)
		r->orig = r->addr;
	return !bad;
}

uint64_t site_hash(const char *domain, size_t n)
{
	char low[256];
	uint64_t h;
	size_t i;

	n = MIN(n, sizeof(low));		/* longer than any domain: the end does not matter */
	for (i = 0; i < n; i++)
		low[i] = domain[i] >= 'A' && domain[i] <= 'Z' ? (char)(domain[i] + 32) : domain[i];
	h = hash_stable(low, n);
	return h != 0 ? h : 1;			/* 0 keys the reverse rows */
}

uint64_t row_rcpt_site(const void *data, size_t n)
{
	const unsigned char *p = data, *end = p + n;
	const char *at;
	bool bad = false;
	struct field f;

	if (row_rcpt_state(data, n) < 0)
		return 0;
	p += RCPT_HEAD;
	while (next_field(&p, end, &f, &bad)) {
		if (f.tag != R_ADDR)
			continue;
		at = memrchr(f.p, '@', f.len);
		return at == NULL ? 0 : site_hash(at + 1, (size_t)((const char *)f.p + f.len - at - 1));
	}
	return 0;
}

void row_sched(unsigned char out[SCHED_ROW], const struct sched_row *s)
{
	out[0] = ROW_VERSION;
	out[1] = (unsigned char)s->queue;
	out[2] = s->sited;
	out[3] = 0;
	be32(out + 4, s->attempts);
	be32(out + 8, s->flags);
	be64(out + 12, (uint64_t)s->due_ms);
	be64(out + 20, (uint64_t)s->last_try_ms);
}

bool row_sched_read(struct sched_row *s, const void *data, size_t n)
{
	const unsigned char *p = data;

	if (n < SCHED_ROW || p[0] != ROW_VERSION)
		return false;
	if (p[1] != QUEUE_ACTIVE && p[1] != QUEUE_DEFERRED && p[1] != QUEUE_HOLD)
		return false;
	s->queue = (enum msg_queue)p[1];
	s->sited = p[2] != 0;
	s->attempts = get_be32(p + 4);
	s->flags = get_be32(p + 8);
	s->due_ms = (int64_t)get_be64(p + 12);
	s->last_try_ms = (int64_t)get_be64(p + 20);
	return true;
}

void idlist_add(struct idlist *l, queue_id_t id)
{
	if (l->n == l->cap) {
		l->cap = l->cap != 0 ? l->cap * 2 : 16;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = id;
}

void idlist_release(struct idlist *l)
{
	free(l->v);
	*l = (struct idlist){ 0 };
}
