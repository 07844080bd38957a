/* table_index.c - any bytes as an LMDB file that a table is read from. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "table/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "b", "key1", "key40", "long", "", "zzz" };
	struct buf value = { 0 };
	const char *reason = NULL;
	char path[60], *why = NULL;
	struct index *x;
	int fd;

	if (size < 1 || size > 200000)
		return 0;
	fd = memfd_create("index", 0);
	ASSERT(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	x = index_open(path, (data[0] & 1) != 0, &why);
	close(fd);
	ASSERT((x == NULL) == (why != NULL));
	for (size_t i = 0; x != NULL && i < NELEM(keys); i++) {
		enum index_found f = index_get(x, keys[i], true, &value, &reason);

		ASSERT(f != INDEX_MUST_WAIT && (f != INDEX_ERROR || reason != NULL));
	}
	if (x != NULL)
		index_unref(x);
	free(why);
	buf_release(&value);
	return 0;
}
