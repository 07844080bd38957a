/* read.c - the content of a message, piece by piece, wherever it is.
 * In memory a piece is a chunk; from the store it is what one read brings, up to sixteen chunks, so that a large
 * message costs a read for every 64 KiB and a delivery never holds more than that. */
#include "store_int.h"
#include <postrider/log.h>

enum { READ_CHUNKS = 16 };

struct content_reading {
	struct reading	 r;
	queue_id_t	 id;
	unsigned	 part;
	uint32_t	 chunk;
	size_t		 len, want;
	char		 data[];
};

static void release(struct reading *r)
{
	free(CONTAINER_OF(r, struct content_reading, r));
}

static void read_chunks(struct reading *r, MDB_txn *t)
{
	struct content_reading *c = CONTAINER_OF(r, struct content_reading, r);
	unsigned char key[KEY_CONTENT];
	MDB_val k = { sizeof(key), key }, v;
	char name[QUEUE_ID_TEXT];
	MDB_cursor *cur;
	int rc;

	r->result = STORE_FAILED;
	if (mdb_cursor_open(t, store.db.dbi[T_CONTENT], &cur) != 0)
		return;
	key_content(key, c->id, c->part, c->chunk);
	rc = mdb_cursor_get(cur, &k, &v, MDB_SET);
	while (rc == 0 && c->len + v.mv_size <= c->want) {
		memcpy(c->data + c->len, v.mv_data, v.mv_size);
		c->len += v.mv_size;
		if (c->len == c->want)
			break;
		key_content(key, c->id, c->part, ++c->chunk);
		rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
		if (rc == 0 && (k.mv_size != sizeof(key) || memcmp(k.mv_data, key, sizeof(key)) != 0))
			rc = MDB_NOTFOUND;
	}
	mdb_cursor_close(cur);
	if (c->len == c->want) {
		r->result = STORE_OK;
		return;
	}
	queue_id_print(name, c->id, store.long_ids);
	log_warn(NULL, "%s: content in the queue is incomplete at part %u, chunk %u", name, c->part, c->chunk);
}

static int64_t part_bytes(const struct content_op *op)
{
	return op->part == PART_HEADER ? op->msg->header_bytes : op->msg->body_bytes;
}

static bool in_memory(const struct content_op *op)
{
	return op->content != NULL && (op->part == PART_HEADER || (op->msg->flags & MSG_CONTENT_STORED) == 0);
}

static void begin_read(struct content_op *op)
{
	int64_t left = part_bytes(op) - op->pos;
	struct content_reading *c;
	size_t want;

	if (left <= 0) {
		op->result = CONTENT_END;
		return;
	}
	want = (size_t)MIN(left, (int64_t)READ_CHUNKS * STORE_CHUNK);
	c = xmalloc(sizeof(*c) + want);
	*c = (struct content_reading){ .r = { .fn = read_chunks, .release = release }, .id = op->msg->id,
		.part = op->part, .chunk = (uint32_t)(op->pos / STORE_CHUNK), .want = want };
	op->result = CONTENT_WAIT;
	reading_start(&op->op, op->task, &c->r);
}

static void show(struct content_op *op, const char *p, size_t n)
{
	op->p = p;
	op->len = n;
	op->pos += (int64_t)n;
	op->result = n > 0 ? CONTENT_DATA : CONTENT_END;
}

static void show_chunk(struct content_op *op)
{
	if (op->chunk != NULL)
		show(op, op->chunk->data, op->chunk->len);
	else
		op->result = CONTENT_END;
}

void content_read_start(struct content_op *op, struct task *t, struct message *m, enum content_part part)
{
	ASSERT(op->msg == NULL);
	*op = (struct content_op){ .msg = message_ref(m), .task = t, .part = part };
	if (m->content != NULL)
		op->content = content_ref(m->content);
	if (!in_memory(op)) {
		begin_read(op);
	} else if (part == PART_HEADER) {
		show(op, op->content->header, op->content->header_len);
	} else {
		op->chunk = op->content->body;
		show_chunk(op);
	}
}

enum content_result content_read_poll(struct content_op *op)
{
	struct content_reading *c;

	ASSERT(op->msg != NULL);
	if (op->result != CONTENT_WAIT)
		return op->result;
	switch (reading_poll(&op->op)) {
	case STORE_WAIT:
		return CONTENT_WAIT;
	case STORE_OK:
		c = CONTAINER_OF(reading_of(&op->op), struct content_reading, r);
		show(op, c->data, c->len);
		break;
	default:
		op->result = CONTENT_FAILED;
	}
	return op->result;
}

void content_read_advance(struct content_op *op)
{
	ASSERT(op->result == CONTENT_DATA);
	op->p = NULL;
	op->len = 0;
	if (!in_memory(op)) {
		reading_end(&op->op);
		begin_read(op);
	} else if (op->part == PART_HEADER) {
		op->result = CONTENT_END;
	} else {
		op->chunk = op->chunk->next;
		show_chunk(op);
	}
}

void content_read_end(struct content_op *op)
{
	reading_end(&op->op);
	content_unref(&op->content);
	message_unref(&op->msg);
	*op = (struct content_op){ 0 };
}
