/* txn.c - building transactions, on the loop. A transaction is a list of changes that hold what they
 * need; messages are not encoded here: the writer does it, straight from the structures,
 * which nobody changes between the commit's start and its end. Small rows (a recipient's
 * state) are encoded here, for their owners go on changing them. */
#include "store_int.h"

struct store_txn *store_txn_new(void)
{
	struct store_txn *t = xmalloc(sizeof(*t));

	t->next = NULL;
	t->op = NULL;
	t->settlement = t->adds = t->missing = false;
	t->result = STORE_WAIT;
	t->bytes = 0;
	t->ch = t->first;
	t->n = 0;
	t->cap = NELEM(t->first);
	return t;
}

void txn_release(struct store_txn *t)
{
	struct change *c;

	for (c = t->ch; c < t->ch + t->n; c++) {
		switch (c->kind) {
		case CH_PUT:
		case CH_REPLACE:
			message_unref(&c->u.msg);
			break;
		case CH_DRAFT:
			free(c->u.chunk);
			break;
		case CH_RCPT:
			free(c->u.row);
			break;
		case CH_SCHED:
			free(c->u.sched);
			break;
		case CH_DROP:
		case CH_RCPT_DONE:
		case CH_DUE:
		case CH_DELETE:
			break;
		}
	}
	if (t->ch != t->first)
		free(t->ch);
	free(t);
}

void store_txn_free(struct store_txn **tp)
{
	struct store_txn *t = *tp;

	*tp = NULL;
	if (t != NULL)
		txn_release(t);
}

static struct change *add(struct store_txn *t, enum change_kind kind, queue_id_t id, size_t bytes)
{
	struct change *c;

	if (t->n == t->cap) {
		t->cap *= 2;
		if (t->ch == t->first) {
			t->ch = xreallocarray(NULL, t->cap, sizeof(*t->ch));
			memcpy(t->ch, t->first, sizeof(t->first));
		} else {
			t->ch = xreallocarray(t->ch, t->cap, sizeof(*t->ch));
		}
	}
	c = &t->ch[t->n++];
	c->kind = kind;
	c->id = id;
	c->n = 0;
	t->bytes += bytes;
	return c;
}

void store_txn_put(struct store_txn *t, struct message *m)
{
	struct content *c = m->content;

	ASSERT(m->sender != NULL);
	if (c != NULL) {
		content_settle(c);
		m->header_bytes = (int64_t)c->header_len;
		if ((m->flags & MSG_CONTENT_STORED) == 0)
			m->body_bytes = c->body_len;
	}
	add(t, CH_PUT, m->id, 512 + (size_t)m->header_bytes + 200 * (size_t)m->nrcpt +
	    (c != NULL ? (size_t)c->body_len : 0))->u.msg = message_ref(m);
	t->adds = true;
}

void store_txn_draft(struct store_txn *t, queue_id_t id, uint32_t seq, struct chunk *chunk)
{
	struct change *c = add(t, CH_DRAFT, id, sizeof(*chunk));

	c->n = seq;
	c->u.chunk = chunk;
	t->adds = true;
}

void store_txn_draft_drop(struct store_txn *t, queue_id_t id)
{
	add(t, CH_DROP, id, 64);
}

void store_txn_rcpt_done(struct store_txn *t, queue_id_t id, uint32_t n)
{
	add(t, CH_RCPT_DONE, id, 64)->n = n;
}

void store_txn_rcpt(struct store_txn *t, queue_id_t id, const struct rcpt *r)
{
	struct buf b = { 0 };
	struct change *c;
	unsigned char n[4];

	be32(n, r->n);
	buf_reserve(&b, 256);
	buf_add(&b, n, sizeof(n));
	row_rcpt(&b, r);
	c = add(t, CH_RCPT, id, b.len);
	c->n = (uint32_t)b.len;
	c->u.row = (unsigned char *)buf_steal(&b);
}

void store_txn_sched(struct store_txn *t, queue_id_t id, const struct store_sched *s)
{
	ASSERT(s->nsites <= NELEM(s->sites));
	add(t, CH_SCHED, id, 128)->u.sched = xmemdup(s, sizeof(*s));
}

void store_txn_due(struct store_txn *t, queue_id_t id, int64_t new_due_ms)
{
	add(t, CH_DUE, id, 128)->u.due_ms = new_due_ms;
}

void store_txn_delete(struct store_txn *t, queue_id_t id)
{
	add(t, CH_DELETE, id, 128);
}

void store_txn_replace(struct store_txn *t, struct message *m)
{
	if (m->content != NULL)
		m->header_bytes = (int64_t)m->content->header_len;
	add(t, CH_REPLACE, m->id, 512 + (size_t)m->header_bytes)->u.msg = message_ref(m);
}
