/* Rows as a damaged disk might give them: the first byte chooses the kind. What is accepted must be well-formed
 * enough to be written again and read back to the same row. */
#include "store/db.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void message_row(const void *p, size_t n)
{
	struct message *m = message_new(1, false), *again = message_new(1, false);
	struct buf a = { 0 }, b = { 0 };

	if (row_message_read(m, p, n)) {
		row_message(&a, m);
		ASSERT(row_message_read(again, a.p, a.len));
		row_message(&b, again);
		ASSERT(a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
	}
	buf_release(&a);
	buf_release(&b);
	message_unref(&m);
	message_unref(&again);
}

static void rcpt_row(const void *p, size_t n)
{
	struct arena arena = { 0 };
	struct rcpt r = { 0 }, again = { 0 };
	struct buf a = { 0 };

	row_rcpt_site(p, n);
	if (row_rcpt_read(&arena, &r, p, n)) {
		row_rcpt(&a, &r);
		ASSERT(row_rcpt_state(a.p, a.len) == r.state);
		ASSERT(row_rcpt_read(&arena, &again, a.p, a.len) && strcmp(again.addr, r.addr) == 0 && strcmp(again.orig, r.orig) == 0);
	}
	buf_release(&a);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sched_row s;
	unsigned char row[SCHED_ROW];
	char text[QUEUE_ID_TEXT];
	queue_id_t id;

	if (size < 1)
		return 0;
	switch (data[0] % 4) {
	case 0:
		message_row(data + 1, size - 1);
		break;
	case 1:
		rcpt_row(data + 1, size - 1);
		break;
	case 2:
		if (row_sched_read(&s, data + 1, size - 1))
			row_sched(row, &s);
		break;
	case 3:
		if (size >= sizeof(text))
			return 0;
		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		if (queue_id_parse(text, &id)) {
			char again[QUEUE_ID_TEXT], longer[QUEUE_ID_TEXT];

			queue_id_print(again, id, false);
			queue_id_print(longer, id, true);
			ASSERT(strcmp(again, text) == 0 || strcmp(longer, text) == 0);
		}
		break;
	}
	return 0;
}
