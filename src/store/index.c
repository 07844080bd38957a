/* index.c - when a message is due, and under which sites it stands.
 *
 * What changes at every attempt (queue, due, attempts, flags) is in a small row of its own, so that deferring a message does
 * not rewrite its envelope, and postponing a million of them touches few pages. A new message has no such row:
 * it is active and due at 0, "now". So in-and-out mail costs one short row in `due` and no more.
 *
 * Sites (for ETRN and postqueue -s) are the domains of recipients. They are entered when a message is deferred for
 * the first time, for new mail is being tried anyway. Rows (0, id, k) list the hashes under which the id stands, so
 * that deletion finds them when the recipients are gone. Two domains with one hash flush each other's mail: no harm. */
#include "store_int.h"
#include <errno.h>

enum { HASHES_ROW = 500 };	/* 4,000 bytes: one overflow page */

static int put_due(struct apply *a, queue_id_t id, int64_t due_ms, const void *sites, size_t bytes)
{
	unsigned char key[KEY_PAIR];

	key_pair(key, (uint64_t)due_ms, id);
	return apply_put(a, T_DUE, key, sizeof(key), sites, bytes);
}

static int del_due(struct apply *a, queue_id_t id, int64_t due_ms)
{
	unsigned char key[KEY_PAIR];

	key_pair(key, (uint64_t)due_ms, id);
	return apply_del(a, T_DUE, key, sizeof(key));
}

static int put_sched(struct apply *a, queue_id_t id, const struct sched_row *s)
{
	unsigned char key[KEY_ID], row[SCHED_ROW];

	be64(key, id);
	row_sched(row, s);
	return apply_put(a, T_SCHED, key, sizeof(key), row, sizeof(row));
}

/* What is known now; a message without a row is new. */
static int get_sched(struct apply *a, queue_id_t id, struct sched_row *s)
{
	unsigned char key[KEY_ID];
	MDB_val v;
	int rc;

	be64(key, id);
	rc = apply_get(a, T_SCHED, key, sizeof(key), &v);
	if (rc == 0 && !row_sched_read(s, v.mv_data, v.mv_size))
		return MDB_CORRUPTED;
	if (rc == MDB_NOTFOUND)
		*s = (struct sched_row){ .queue = QUEUE_ACTIVE };
	return rc;
}

static void count(struct apply *a, enum msg_queue q, int by)
{
	if (q == QUEUE_DEFERRED)
		a->deferred += by;
	else if (q == QUEUE_HOLD)
		a->hold += by;
}

static int by_value(const void *x, const void *y)
{
	uint64_t a, b;

	memcpy(&a, x, sizeof(a));
	memcpy(&b, y, sizeof(b));
	return a < b ? -1 : a > b;
}

/* The distinct hashes of the recipients' domains. */
static int gather_sites(struct apply *a, queue_id_t id, struct idlist *out)
{
	unsigned char key[KEY_ID];
	MDB_cursor *c = apply_cursor(a, T_RECIPIENT);
	MDB_val k = { sizeof(key), key }, v;
	uint64_t h, last = 0;
	size_t i, n = 0;
	int rc;

	if (c == NULL)
		return ENOMEM;
	be64(key, id);
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != KEY_RCPT || memcmp(k.mv_data, key, sizeof(key)) != 0)
			break;
		if ((h = row_rcpt_site(v.mv_data, v.mv_size)) != 0 && h != last)
			idlist_add(out, h);
		last = h;
	}
	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), by_value);
	for (i = 0; i < out->n; i++)
		if (i == 0 || out->v[i] != out->v[i - 1])
			out->v[n++] = out->v[i];
	out->n = n;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_sites(struct apply *a, queue_id_t id)
{
	unsigned char key[KEY_SITE_REV], *hashes = NULL;
	struct idlist site = { 0 };
	size_t i, n;
	int rc = gather_sites(a, id, &site);

	for (i = 0; i < site.n && rc == 0; i++) {
		key_pair(key, site.v[i], id);
		rc = apply_put(a, T_SITE, key, KEY_PAIR, NULL, 0);
	}
	if (rc == 0 && site.n > 0)
		hashes = xreallocarray(NULL, site.n, 8);
	for (i = 0; hashes != NULL && i < site.n; i++)
		be64(hashes + 8 * i, site.v[i]);
	for (i = 0; i < site.n && rc == 0; i += n) {
		n = MIN(site.n - i, HASHES_ROW);
		key_pair(key, 0, id);
		be32(key + KEY_PAIR, (uint32_t)(i / HASHES_ROW));
		rc = apply_put(a, T_SITE, key, KEY_SITE_REV, hashes + 8 * i, 8 * n);
	}
	free(hashes);
	idlist_release(&site);
	return rc;
}

static int del_sites(struct apply *a, queue_id_t id)
{
	unsigned char rev[KEY_SITE_REV], key[KEY_PAIR];
	struct idlist site = { 0 };
	uint32_t k;
	MDB_val v;
	size_t i;
	int rc;

	key_pair(rev, 0, id);
	for (k = 0;; k++) {
		be32(rev + KEY_PAIR, k);
		if ((rc = apply_get(a, T_SITE, rev, sizeof(rev), &v)) != 0)
			break;
		for (i = 0; i + 8 <= v.mv_size; i += 8)
			idlist_add(&site, get_be64((char *)v.mv_data + i));
		if ((rc = apply_del(a, T_SITE, rev, sizeof(rev))) != 0)
			break;
	}
	if (rc == MDB_NOTFOUND)
		rc = 0;
	for (i = 0; i < site.n && rc == 0; i++) {
		key_pair(key, site.v[i], id);
		rc = apply_del(a, T_SITE, key, sizeof(key));
	}
	idlist_release(&site);
	return rc;
}

int sched_put_new(struct apply *a, const struct message *m)
{
	struct sched_row s = { .queue = m->queue, .attempts = m->attempts, .flags = m->flags, .due_ms = m->due_ms,
		.last_try_ms = m->last_try_ms };
	int rc = 0;

	if (m->queue == QUEUE_ACTIVE && m->attempts == 0 && m->last_try_ms == 0)
		return put_due(a, m->id, 0, NULL, 0);
	count(a, s.queue, 1);
	if (s.queue == QUEUE_DEFERRED) {
		s.sited = true;
		rc = put_sites(a, m->id);
	}
	if (rc == 0)
		rc = put_sched(a, m->id, &s);
	return rc == 0 && s.queue != QUEUE_HOLD ? put_due(a, m->id, s.due_ms, NULL, 0) : rc;
}

static int missing(struct apply *a, queue_id_t id, bool *missing_r)
{
	unsigned char key[KEY_ID];
	MDB_val v;
	int rc;

	be64(key, id);
	rc = apply_get(a, T_MESSAGE, key, sizeof(key), &v);
	if (rc == MDB_NOTFOUND)
		*missing_r = true;
	return rc;
}

int sched_change(struct apply *a, queue_id_t id, const struct store_sched *to, bool *missing_r)
{
	unsigned char sites[8 * NELEM(to->sites)];
	struct sched_row s;
	unsigned i;
	int rc;

	if ((rc = missing(a, id, missing_r)) != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if ((rc = get_sched(a, id, &s)) != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (s.queue != QUEUE_HOLD && (rc = del_due(a, id, s.due_ms)) != 0)
		return rc;
	count(a, s.queue, -1);
	count(a, to->queue, 1);
	if (to->queue == QUEUE_DEFERRED && !s.sited) {
		if ((rc = put_sites(a, id)) != 0)
			return rc;
		s.sited = true;
	}
	s.queue = to->queue;
	s.due_ms = to->due_ms;
	s.last_try_ms = to->last_try_ms;
	s.attempts = to->attempts;
	s.flags = to->flags;
	if ((rc = put_sched(a, id, &s)) != 0 || s.queue == QUEUE_HOLD)
		return rc;
	for (i = 0; i < to->nsites; i++)
		be64(sites + 8 * i, to->sites[i]);
	return put_due(a, id, s.due_ms, sites, 8 * to->nsites);
}

int sched_postpone(struct apply *a, queue_id_t id, int64_t due_ms, bool *missing_r)
{
	unsigned char key[KEY_PAIR], sites[8 * 4];
	struct sched_row s;
	size_t n = 0;
	MDB_val v;
	int rc;

	rc = get_sched(a, id, &s);
	if (rc == MDB_NOTFOUND || (rc == 0 && s.queue == QUEUE_HOLD)) {
		*missing_r = true;		/* only what was deferred is postponed */
		return 0;
	}
	if (rc != 0)
		return rc;
	key_pair(key, (uint64_t)s.due_ms, id);
	rc = apply_get(a, T_DUE, key, sizeof(key), &v);
	if (rc == 0) {
		n = MIN(v.mv_size, sizeof(sites));
		memcpy(sites, v.mv_data, n);
		rc = apply_del(a, T_DUE, key, sizeof(key));
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	s.due_ms = due_ms;
	if ((rc = put_sched(a, id, &s)) != 0)
		return rc;
	return put_due(a, id, due_ms, sites, n);
}

int sched_delete(struct apply *a, queue_id_t id)
{
	unsigned char key[KEY_ID];
	struct sched_row s;
	int rc = get_sched(a, id, &s);

	if (rc == MDB_NOTFOUND)
		return del_due(a, id, 0);
	if (rc != 0)
		return rc;
	count(a, s.queue, -1);
	if (s.queue != QUEUE_HOLD && (rc = del_due(a, id, s.due_ms)) != 0)
		return rc;
	if (s.sited && (rc = del_sites(a, id)) != 0)
		return rc;
	be64(key, id);
	return apply_del(a, T_SCHED, key, sizeof(key));
}
