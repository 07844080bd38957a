/* load.c - one message from the store: envelope, and a slice of its recipients. */
#include "store_int.h"
#include <postrider/log.h>

struct loading {
	struct reading	 r;
	queue_id_t	 id;
	uint32_t	 first_n, max;
	unsigned	 states;
	struct message	*msg;
	bool		 more;
};

static void release(struct reading *r)
{
	struct loading *l = CONTAINER_OF(r, struct loading, r);

	message_unref(&l->msg);
	free(l);
}

/* Rows from first_n on, at most max of the wanted states; todo counts all that are still to be tried. */
int read_rcpts(MDB_txn *t, struct message *m, uint32_t first_n, uint32_t max, unsigned states, bool *more_r)
{
	unsigned char key[KEY_RCPT];
	MDB_val k = { sizeof(key), key }, v;
	bool counting = first_n == 0;
	struct rcpt *r;
	MDB_cursor *c;
	int rc, state;

	*more_r = false;
	be64(key, m->id);
	be32(key + 8, first_n);
	if ((rc = mdb_cursor_open(t, store.db.dbi[T_RECIPIENT], &c)) != 0)
		return rc;
	for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != KEY_RCPT || memcmp(k.mv_data, key, KEY_ID) != 0)
			break;
		state = row_rcpt_state(v.mv_data, v.mv_size);
		if (counting && state == RCPT_TODO)
			m->rcpt_left++;
		if (state >= 0 && (states >> state & 1) == 0)
			continue;
		if (m->nrcpt == max) {
			*more_r = true;
			if (!counting)
				break;
			continue;
		}
		r = message_add_rcpt(m);
		if (!row_rcpt_read(&m->arena, r, v.mv_data, v.mv_size)) {
			m->nrcpt--;
			log_warn(NULL, "%s: damaged recipient in the queue", m->name);
			continue;
		}
		r->n = get_be32((char *)k.mv_data + 8);
	}
	mdb_cursor_close(c);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void load(struct reading *r, MDB_txn *t)
{
	struct loading *l = CONTAINER_OF(r, struct loading, r);
	unsigned char key[KEY_ID];
	MDB_val k = { sizeof(key), key }, v;
	int rc;

	be64(key, l->id);
	rc = mdb_get(t, store.db.dbi[T_MESSAGE], &k, &v);
	if (rc == MDB_NOTFOUND) {
		r->result = STORE_NONE;
		return;
	}
	r->result = STORE_FAILED;
	if (rc == 0 && (l->msg = read_envelope(t, l->id, &v)) != NULL &&
	    read_rcpts(t, l->msg, l->first_n, l->max, l->states, &l->more) == 0)
		r->result = STORE_OK;
}

void store_load_start(struct store_load_op *op, struct task *t, queue_id_t id, uint32_t first_n, uint32_t max, unsigned states)
{
	struct loading *l = xcalloc(1, sizeof(*l));

	l->r.fn = load;
	l->r.release = release;
	l->id = id;
	l->first_n = first_n;
	l->max = max;
	l->states = states;
	op->msg = NULL;
	op->more = false;
	reading_start(&op->op, t, &l->r);
}

enum store_result store_load_poll(struct store_load_op *op)
{
	enum store_result result = reading_poll(&op->op);
	struct loading *l;

	if (result == STORE_OK && op->msg == NULL) {
		l = CONTAINER_OF(reading_of(&op->op), struct loading, r);
		op->msg = l->msg;
		op->more = l->more;
	}
	return result;
}

void store_load_end(struct store_load_op *op)
{
	reading_end(&op->op);
	*op = (struct store_load_op){ 0 };
}

bool store_load_next(struct store_load_op *op, struct task *t, uint32_t max, unsigned states)
{
	const struct message *m = op->msg;
	bool more = op->more && m->nrcpt > 0;
	uint32_t from = more ? m->rcpt[m->nrcpt - 1].n + 1 : 0;
	queue_id_t id = m->id;

	store_load_end(op);
	if (more)
		store_load_start(op, t, id, from, max, states);
	return more;
}
