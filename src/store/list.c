/* list.c - reads that walk a table in slices: the listing, what is due, what stands under a site.
 * A slice ends at its maximum or after 50 ms, whichever is first, and the next goes on by key:
 * a read transaction that lasted would pin every page that is replaced meanwhile. */
#include "store_int.h"
#include <postrider/clock.h>

enum { SLICE_US = 50 * 1000, SLICE_ROWS = 1000, DUE_ROWS = 5000 };

/* ---- listing -------------------------------------------------------------------------------- */

struct listing {
	struct reading	 r;
	queue_id_t	 after, last;
	unsigned	 queues;
	size_t		 max, n;
	bool		 end, cut;
	struct message	*msg[];		/* max */
};

static void listing_release(struct reading *r)
{
	struct listing *l = CONTAINER_OF(r, struct listing, r);
	size_t i;

	for (i = 0; i < l->n; i++)
		message_unref(&l->msg[i]);
	free(l);
}

static bool queue_wanted(unsigned queues, enum msg_queue q)
{
	return queues == 0 || (queues & (q == QUEUE_ACTIVE ? LIST_ACTIVE : q == QUEUE_DEFERRED ? LIST_DEFERRED : LIST_HOLD)) != 0;
}

/* Adds the message at the cursor; false: it does not fit into this slice. */
static bool list_one(struct listing *l, MDB_txn *t, queue_id_t id, const MDB_val *row, size_t *rows)
{
	struct message *m = read_envelope(t, id, row);
	bool more = false;

	if (m != NULL && queue_wanted(l->queues, m->queue)) {
		if (*rows + m->rcpt_total > SLICE_ROWS && l->n > 0) {
			message_destroy(m);
			return false;
		}
		read_rcpts(t, m, 0, SLICE_ROWS, ~0u, &more);
		*rows += 1 + m->nrcpt;
		l->cut = more;
		l->msg[l->n++] = m;
		m = NULL;
	}
	if (m != NULL)
		message_destroy(m);
	l->last = id;
	return !more;
}

static void list(struct reading *r, MDB_txn *t)
{
	struct listing *l = CONTAINER_OF(r, struct listing, r);
	int64_t until = clock_fresh_us() + SLICE_US;
	unsigned char key[KEY_ID];
	MDB_val k = { sizeof(key), key }, v;
	size_t rows = 0, looked = 0;
	MDB_cursor *c;
	int rc;

	l->last = l->after;
	if (mdb_cursor_open(t, store.db.dbi[T_MESSAGE], &c) != 0) {
		r->result = STORE_FAILED;
		return;
	}
	be64(key, l->after + 1);
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (l->n == l->max || rows >= SLICE_ROWS || (++looked % 32 == 0 && clock_fresh_us() > until))
			break;
		if (!list_one(l, t, get_be64(k.mv_data), &v, &rows))
			break;
	}
	mdb_cursor_close(c);
	l->end = rc == MDB_NOTFOUND;
	r->result = rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : STORE_FAILED;
}

void store_list_start(struct store_list_op *op, struct task *t, queue_id_t after, unsigned queues, size_t max)
{
	struct listing *l;

	max = MAX(1, MIN(max, SLICE_ROWS));
	l = xcalloc(1, sizeof(*l) + max * sizeof(l->msg[0]));
	l->r.fn = list;
	l->r.release = listing_release;
	l->after = after;
	l->queues = queues;
	l->max = max;
	op->msg = NULL;
	op->n = 0;
	reading_start(&op->op, t, &l->r);
}

enum store_result store_list_poll(struct store_list_op *op)
{
	enum store_result result = reading_poll(&op->op);
	struct listing *l;

	if (result == STORE_OK) {
		l = CONTAINER_OF(reading_of(&op->op), struct listing, r);
		op->msg = l->msg;
		op->n = l->n;
		op->last = l->last;
		op->end = l->end;
		op->cut = l->cut;
	}
	return result;
}

void store_list_end(struct store_list_op *op)
{
	reading_end(&op->op);
	*op = (struct store_list_op){ 0 };
}

/* ---- what is due ---------------------------------------------------------------------------- */

struct due_reading {
	struct reading	 r;
	int64_t		 until, after_due, next_due;
	queue_id_t	 after_id;
	size_t		 max, n;
	struct due_row	*row;		/* max: made on the loop, where it is freed (trash.c) */
};

static void due_release(struct reading *r)
{
	struct due_reading *d = CONTAINER_OF(r, struct due_reading, r);

	free(d->row);
	free(d);
}

static void due_add(struct due_reading *d, int64_t due_ms, queue_id_t id, const MDB_val *v)
{
	struct due_row *row;

	row = &d->row[d->n++];
	*row = (struct due_row){ .due_ms = due_ms, .id = id };
	for (row->nsites = 0; row->nsites < NELEM(row->sites) && 8 * (row->nsites + 1) <= v->mv_size; row->nsites++)
		row->sites[row->nsites] = get_be64((char *)v->mv_data + 8 * row->nsites);
}

static void due(struct reading *r, MDB_txn *t)
{
	struct due_reading *d = CONTAINER_OF(r, struct due_reading, r);
	unsigned char key[KEY_PAIR];
	MDB_val k = { sizeof(key), key }, v;
	MDB_cursor *c;
	int64_t due_ms;
	int rc;

	d->next_due = INT64_MAX;
	if (mdb_cursor_open(t, store.db.dbi[T_DUE], &c) != 0) {
		r->result = STORE_FAILED;
		return;
	}
	key_pair(key, (uint64_t)MAX(d->after_due, 0), d->after_due < 0 ? 0 : d->after_id + 1);
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != KEY_PAIR)
			continue;
		due_ms = (int64_t)get_be64(k.mv_data);
		if (due_ms > d->until || d->n == d->max) {
			d->next_due = due_ms;
			break;
		}
		due_add(d, due_ms, get_be64((char *)k.mv_data + 8), &v);
	}
	mdb_cursor_close(c);
	r->result = rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : STORE_FAILED;
}

void store_due_start(struct store_due_op *op, struct task *t, int64_t until_ms, int64_t after_due, queue_id_t after_id, size_t max)
{
	struct due_reading *d = xcalloc(1, sizeof(*d));

	d->r.fn = due;
	d->r.release = due_release;
	d->until = until_ms;
	d->after_due = after_due;
	d->after_id = after_id;
	d->max = MAX(1, MIN(max, DUE_ROWS));
	d->row = xreallocarray(NULL, d->max, sizeof(*d->row));
	op->row = NULL;
	op->n = 0;
	reading_start(&op->op, t, &d->r);
}

enum store_result store_due_poll(struct store_due_op *op)
{
	enum store_result result = reading_poll(&op->op);
	struct due_reading *d;

	if (result == STORE_OK) {
		d = CONTAINER_OF(reading_of(&op->op), struct due_reading, r);
		op->row = d->row;
		op->n = d->n;
		op->next_due_ms = d->next_due;
	}
	return result;
}

void store_due_end(struct store_due_op *op)
{
	reading_end(&op->op);
	*op = (struct store_due_op){ 0 };
}

/* ---- sites ---------------------------------------------------------------------------------- */

struct site_reading {
	struct reading	 r;
	uint64_t	 site;
	queue_id_t	 after;
	size_t		 max;
	struct idlist	 id;
	bool		 end;
};

static void site_release(struct reading *r)
{
	struct site_reading *s = CONTAINER_OF(r, struct site_reading, r);

	idlist_release(&s->id);
	free(s);
}

static void site(struct reading *r, MDB_txn *t)
{
	struct site_reading *s = CONTAINER_OF(r, struct site_reading, r);
	unsigned char key[KEY_PAIR];
	MDB_val k = { sizeof(key), key }, v;
	MDB_cursor *c;
	int rc;

	if (mdb_cursor_open(t, store.db.dbi[T_SITE], &c) != 0) {
		r->result = STORE_FAILED;
		return;
	}
	key_pair(key, s->site, s->after + 1);
	s->end = true;
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != KEY_PAIR || memcmp(k.mv_data, key, 8) != 0)
			break;
		if (s->id.n == s->max) {
			s->end = false;
			break;
		}
		idlist_add(&s->id, get_be64((char *)k.mv_data + 8));
	}
	mdb_cursor_close(c);
	r->result = rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : STORE_FAILED;
}

void store_site_start(struct store_site_op *op, struct task *t, const char *domain, queue_id_t after, size_t max)
{
	struct site_reading *s = xcalloc(1, sizeof(*s));

	s->r.fn = site;
	s->r.release = site_release;
	s->site = site_hash(domain, strlen(domain));
	s->after = after;
	s->max = MAX(1, MIN(max, DUE_ROWS));
	s->id.cap = s->max;
	s->id.v = xreallocarray(NULL, s->max, sizeof(*s->id.v));	/* on the loop, where it is freed */
	op->id = NULL;
	op->n = 0;
	reading_start(&op->op, t, &s->r);
}

enum store_result store_site_poll(struct store_site_op *op)
{
	enum store_result result = reading_poll(&op->op);
	struct site_reading *s;

	if (result == STORE_OK) {
		s = CONTAINER_OF(reading_of(&op->op), struct site_reading, r);
		op->id = s->id.v;
		op->n = s->id.n;
		op->end = s->end;
	}
	return result;
}

void store_site_end(struct store_site_op *op)
{
	reading_end(&op->op);
	*op = (struct store_site_op){ 0 };
}
