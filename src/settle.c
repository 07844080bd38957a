/* settle.c - what the relay does to its own process before there is a second thread, so that no callback waits later. */
#include "settle.h"
#include <postrider/base.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 65536, WARM_BYTES = 8 << 20 };

/* The kernel's table of descriptors grows by doubling, and with several threads the one who makes it grow sleeps for
 * milliseconds: let it grow now, before there is a second thread. */
static void raise_descriptors(void)
{
	struct rlimit rl;
	int top;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	if (rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	top = dup2(STDERR_FILENO, (int)MIN(rl.rlim_cur, DESCRIPTORS_MAX) - 1);
	if (top > STDERR_FILENO)
		close(top);
}

struct mapping { void *at; size_t bytes; bool own, fixed; };

static int by_worth(const void *a, const void *b)
{
	const struct mapping *x = a, *y = b;

	if (x->own != y->own)
		return y->own - x->own;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The program's own pages, and those of its libraries: a kernel that is short of memory, or that puts away what has
 * not been used for a while, drops them, and the callback that needs one next waits for the disk. So they are locked, as far
 * as RLIMIT_MEMLOCK allows (a parent that may raises it): the program's first, the largest library last, which is
 * libcrypto. What is not locked is fetched now, at least. */
static void lock_program(void)
{
	char line[512], self[PATH_MAX + 1] = "";
	FILE *maps = fopen("/proc/self/maps", "re");
	struct mapping v[256];
	size_t n = 0;

	if (maps == NULL)
		return;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = '\0';
	while (n < NELEM(v) && fgets(line, sizeof(line), maps) != NULL) {
		unsigned long from, to;
		const char *path = strchr(line, '/');
		char mode[8];

		if (path == NULL || sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r')
			continue;
		v[n++] = (struct mapping){ (void *)from, to - from, strncmp(path, self, strlen(self)) == 0, mode[1] != 'w' };
	}
	fclose(maps);
	qsort(v, n, sizeof(*v), by_worth);
	for (size_t i = 0; i < n; i++)
		if (!v[i].fixed || mlock(v[i].at, v[i].bytes) < 0)
			madvise(v[i].at, v[i].bytes, MADV_POPULATE_READ);
}

/* A callback that makes malloc take or give back address space, or that faults while another thread does, would wait
 * for the address space's lock: buffers come and go with every message, so all threads keep what they have (each
 * one's arena begins with M_TOP_PAD), up to M_TRIM_THRESHOLD, and the first pages of the heap are touched now. M_TOP_PAD
 * costs nothing before it is touched: while the active set fills, the store drops mappings all the time, and
 * each growth of the heap may have to wait for that.
 * No thread shares an arena with the loop, however many there are: its lock would be waited for.
 * Before the first thread. mimalloc, whose free() has no lock to wait for, was tried: no faster, and it kept three times
 * the memory. */
static void settle_memory(void)
{
	char *warm[4];

	mallopt(M_ARENA_MAX, 1024);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_TOP_PAD, 32 << 20);
	for (size_t i = 0; i < NELEM(warm); i++)
		memset(warm[i] = xmalloc(WARM_BYTES / NELEM(warm)), 1, WARM_BYTES / NELEM(warm));
	for (size_t i = 0; i < NELEM(warm); i++)
		free(warm[i]);
}

void process_settle(void)
{
	raise_descriptors();
	lock_program();
	settle_memory();
}
