/* apply.c - a transaction's changes as LMDB operations, on the writer thread.
 *
 * A put is written in the order of its keys, and with MDB_APPEND when no higher id was ever in the table: ids grow,
 * so nearly every put appends, which spares the search and fills pages whole instead of by half.
 *
 * A deletion removes at most SWEEP_ROWS rows at once. A message of a gigabyte or of 50,000 recipients leaves the rest
 * behind under a row in `draft`, as an unfinished message does; the sweeper takes such rows away in further transactions, and
 * after a crash the next start goes on with it. */
#include "store_int.h"
#include <errno.h>

int apply_begin(struct apply *a, struct db *db)
{
	struct buf row = a->row;
	int rc;

	*a = (struct apply){ .db = db, .row = row };
	if ((rc = mdb_txn_begin(db->env, NULL, 0, &a->t)) == 0 && (rc = db_sync_found(db)) != 0)
		apply_abort(a);
	return rc;
}

static void close_cursors(struct apply *a)
{
	int i;

	for (i = 0; i < TABLES; i++)
		if (a->cur[i] != NULL)
			mdb_cursor_close(a->cur[i]);
	memset(a->cur, 0, sizeof(a->cur));
}

void apply_abort(struct apply *a)
{
	close_cursors(a);
	mdb_txn_abort(a->t);
	a->t = NULL;
	idlist_release(&a->unfinished);
}

int apply_commit(struct apply *a)
{
	struct db *db = a->db;
	uint64_t deferred = db->deferred + (uint64_t)a->deferred, hold = db->hold + (uint64_t)a->hold, messages;
	queue_id_t limit = db->id_limit;
	unsigned char p[16];
	MDB_stat st;
	int rc = 0;

	close_cursors(a);
	if (a->deferred != 0 || a->hold != 0) {
		key_pair(p, deferred, hold);
		rc = db_meta_put(db, a->t, "counts", p, 16);
	}
	if (rc == 0 && a->top_put > limit) {
		limit = a->top_put + ID_AHEAD_US;
		be64(p, limit);
		rc = db_meta_put(db, a->t, "last_id", p, 8);
	}
	if (rc == 0)
		rc = mdb_stat(a->t, db->dbi[T_MESSAGE], &st);
	if (rc != 0) {
		apply_abort(a);
		return rc;
	}
	messages = st.ms_entries;
	rc = mdb_txn_commit(a->t);
	a->t = NULL;
	if (rc == 0) {
		db->messages = messages;
		db->deferred = deferred;
		db->hold = hold;
		db->id_limit = limit;
	} else {
		idlist_release(&a->unfinished);
	}
	return rc;
}

MDB_cursor *apply_cursor(struct apply *a, enum table_id table)
{
	if (a->cur[table] == NULL && mdb_cursor_open(a->t, a->db->dbi[table], &a->cur[table]) != 0)
		return NULL;
	return a->cur[table];
}

int apply_put(struct apply *a, enum table_id table, const void *key, size_t klen, const void *p, size_t n)
{
	MDB_val k = { klen, (void *)(uintptr_t)key }, v = { n, (void *)(uintptr_t)p };
	MDB_cursor *c = apply_cursor(a, table);

	return c != NULL ? mdb_cursor_put(c, &k, &v, 0) : ENOMEM;
}

/* For the tables by id: appends when it can. */
static int put_by_id(struct apply *a, enum table_id table, queue_id_t id, const void *key, size_t klen, const void *p, size_t n)
{
	MDB_val k = { klen, (void *)(uintptr_t)key }, v = { n, (void *)(uintptr_t)p };
	MDB_cursor *c = apply_cursor(a, table);
	int rc;

	if (c == NULL)
		return ENOMEM;
	if (id < a->db->top[table])
		return mdb_cursor_put(c, &k, &v, 0);
	a->db->top[table] = id;
	rc = mdb_cursor_put(c, &k, &v, MDB_APPEND);
	return rc == MDB_KEYEXIST ? mdb_cursor_put(c, &k, &v, 0) : rc;
}

int apply_get(struct apply *a, enum table_id table, const void *key, size_t klen, MDB_val *v_r)
{
	MDB_val k = { klen, (void *)(uintptr_t)key };

	return mdb_get(a->t, a->db->dbi[table], &k, v_r);
}

int apply_del(struct apply *a, enum table_id table, const void *key, size_t klen)
{
	MDB_val k = { klen, (void *)(uintptr_t)key };
	int rc = mdb_del(a->t, a->db->dbi[table], &k, NULL);

	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Removes rows whose keys begin with these bytes, while *budget lasts. */
static int del_range(struct apply *a, enum table_id table, const unsigned char *prefix, size_t n, int *budget)
{
	MDB_cursor *c = apply_cursor(a, table);
	MDB_val k = { n, (void *)(uintptr_t)prefix }, v;
	int rc;

	if (c == NULL)
		return ENOMEM;
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	while (rc == 0 && *budget > 0 && k.mv_size >= n && memcmp(k.mv_data, prefix, n) == 0) {
		if ((rc = mdb_cursor_del(c, 0)) != 0)
			return rc;
		--*budget;
		rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Recipients and content of an id; the rest beyond the budget is left to the sweeper. */
static int del_rows(struct apply *a, queue_id_t id, int budget, bool *done_r)
{
	unsigned char key[KEY_ID];
	int rc;

	be64(key, id);
	rc = del_range(a, T_RECIPIENT, key, sizeof(key), &budget);
	if (rc == 0 && budget > 0)
		rc = del_range(a, T_CONTENT, key, sizeof(key), &budget);
	*done_r = budget > 0;
	return rc;
}

static int mark_draft(struct apply *a, queue_id_t id)
{
	unsigned char key[KEY_ID];

	be64(key, id);
	return apply_put(a, T_DRAFT, key, sizeof(key), NULL, 0);
}

static int unmark_draft(struct apply *a, queue_id_t id)
{
	unsigned char key[KEY_ID];

	be64(key, id);
	return apply_del(a, T_DRAFT, key, sizeof(key));
}

int apply_sweep(struct apply *a, queue_id_t id, bool *done_r)
{
	int rc = del_rows(a, id, SWEEP_ROWS, done_r);

	return rc == 0 && *done_r ? unmark_draft(a, id) : rc;
}

static int remove_rows(struct apply *a, queue_id_t id, bool marked)
{
	bool done;
	int rc = del_rows(a, id, SWEEP_ROWS, &done);

	if (rc != 0)
		return rc;
	if (done)
		return marked ? unmark_draft(a, id) : 0;
	idlist_add(&a->unfinished, id);
	return marked ? 0 : mark_draft(a, id);
}

static int delete_message(struct apply *a, queue_id_t id, bool *missing_r)
{
	MDB_val k, v;
	unsigned char key[KEY_ID];
	MDB_cursor *c = apply_cursor(a, T_MESSAGE);
	int rc;

	if (c == NULL)
		return ENOMEM;
	be64(key, id);
	k = (MDB_val){ sizeof(key), key };
	rc = mdb_cursor_get(c, &k, &v, MDB_SET);
	if (rc == MDB_NOTFOUND) {
		*missing_r = true;
		return 0;
	}
	if (rc == 0)
		rc = mdb_cursor_del(c, 0);
	if (rc == 0)
		rc = sched_delete(a, id);
	return rc == 0 ? remove_rows(a, id, false) : rc;
}

static int put_header(struct apply *a, queue_id_t id, const struct content *c)
{
	unsigned char key[KEY_CONTENT];
	uint32_t i = 0;
	size_t at, part;
	int rc;

	for (at = 0; at < c->header_len; at += part) {
		part = MIN(c->header_len - at, STORE_CHUNK);
		key_content(key, id, PART_HEADER, i++);
		if ((rc = put_by_id(a, T_CONTENT, id, key, sizeof(key), c->header + at, part)) != 0)
			return rc;
	}
	return 0;
}

static int put_message(struct apply *a, const struct message *m)
{
	unsigned char key[KEY_CONTENT];
	const struct chunk *ch;
	MDB_val v;
	uint32_t i;
	int rc;

	be64(key, m->id);
	if (m->id <= a->db->top[T_MESSAGE] && apply_get(a, T_MESSAGE, key, KEY_ID, &v) == 0)
		return 0;		/* a commit in doubt has succeeded after all */
	buf_reset(&a->row);
	row_message(&a->row, m);
	if ((rc = put_by_id(a, T_MESSAGE, m->id, key, KEY_ID, a->row.p, a->row.len)) != 0)
		return rc;
	for (i = 0; i < m->nrcpt; i++) {
		be32(key + 8, m->rcpt[i].n);
		buf_reset(&a->row);
		row_rcpt(&a->row, &m->rcpt[i]);
		if ((rc = put_by_id(a, T_RECIPIENT, m->id, key, KEY_RCPT, a->row.p, a->row.len)) != 0)
			return rc;
	}
	if (m->content != NULL) {
		if ((rc = put_header(a, m->id, m->content)) != 0)
			return rc;
		for (ch = (m->flags & MSG_CONTENT_STORED) == 0 ? m->content->body : NULL, i = 0; ch != NULL; ch = ch->next) {
			key_content(key, m->id, PART_BODY, i++);
			if ((rc = put_by_id(a, T_CONTENT, m->id, key, KEY_CONTENT, ch->data, ch->len)) != 0)
				return rc;
		}
	}
	if ((m->flags & MSG_CONTENT_STORED) != 0 && (rc = unmark_draft(a, m->id)) != 0)
		return rc;
	a->top_put = MAX(a->top_put, m->id);
	return sched_put_new(a, m);
}

static int put_draft(struct apply *a, queue_id_t id, uint32_t seq, const struct chunk *ch)
{
	unsigned char key[KEY_CONTENT];
	int rc = mark_draft(a, id);

	if (rc != 0)
		return rc;
	a->top_put = MAX(a->top_put, id);
	key_content(key, id, PART_BODY, seq);
	return put_by_id(a, T_CONTENT, id, key, sizeof(key), ch->data, ch->len);
}

static int put_rcpt(struct apply *a, queue_id_t id, const struct change *c, bool *missing_r)
{
	unsigned char key[KEY_RCPT];
	MDB_val v;
	int rc;

	be64(key, id);
	memcpy(key + 8, c->u.row, 4);
	rc = apply_get(a, T_RECIPIENT, key, sizeof(key), &v);
	if (rc == MDB_NOTFOUND) {
		*missing_r = true;
		return 0;
	}
	return rc == 0 ? apply_put(a, T_RECIPIENT, key, sizeof(key), c->u.row + 4, c->n - 4) : rc;
}

static int replace(struct apply *a, const struct message *m, bool *missing_r)
{
	unsigned char key[KEY_CONTENT];
	int budget = INT32_MAX, rc;
	MDB_val v;

	be64(key, m->id);
	rc = apply_get(a, T_MESSAGE, key, KEY_ID, &v);
	if (rc == MDB_NOTFOUND) {
		*missing_r = true;
		return 0;
	}
	buf_reset(&a->row);
	row_message(&a->row, m);
	if (rc == 0)
		rc = apply_put(a, T_MESSAGE, key, KEY_ID, a->row.p, a->row.len);
	if (rc != 0 || m->content == NULL)
		return rc;
	key[8] = PART_HEADER;
	if ((rc = del_range(a, T_CONTENT, key, 9, &budget)) != 0)
		return rc;
	return put_header(a, m->id, m->content);
}

static int apply_change(struct apply *a, const struct change *c, bool *missing_r)
{
	unsigned char key[KEY_RCPT];

	switch (c->kind) {
	case CH_PUT:
		return put_message(a, c->u.msg);
	case CH_DRAFT:
		return put_draft(a, c->id, c->n, c->u.chunk);
	case CH_DROP:
		return remove_rows(a, c->id, true);
	case CH_RCPT_DONE:
		be64(key, c->id);
		be32(key + 8, c->n);
		return apply_del(a, T_RECIPIENT, key, sizeof(key));
	case CH_RCPT:
		return put_rcpt(a, c->id, c, missing_r);
	case CH_SCHED:
		return sched_change(a, c->id, c->u.sched, missing_r);
	case CH_DUE:
		return sched_postpone(a, c->id, c->u.due_ms, missing_r);
	case CH_DELETE:
		return delete_message(a, c->id, missing_r);
	case CH_REPLACE:
		return replace(a, c->u.msg, missing_r);
	}
	return EINVAL;
}

int apply_txn(struct apply *a, struct store_txn *t)
{
	unsigned i;
	int rc;

	t->missing = false;
	for (i = 0; i < t->n; i++)
		if ((rc = apply_change(a, &t->ch[i], &t->missing)) != 0)
			return rc;
	return 0;
}
