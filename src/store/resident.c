/* resident.c - keeps what is mapped of the queue file small.
 *
 * Pages of the map that were looked at count as ours, though they belong to the page cache and go when memory is short:
 * a listing of a million messages would make the server look as large as its queue, and limits set from outside
 * (containers, monitoring) take the look for the thing. So when MAPPED_MAX more of files is mapped than at the start, the
 * mapping is dropped; the pages stay in the cache, and looking at one again costs a minor fault. */
#include "store_int.h"
#include <postrider/clock.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAPPED_MAX = 2 << 20, LOOK_US = 5 * 1000 };

static struct {
	char		*from;		/* of the map; NULL: not found */
	size_t		 len;
	_Atomic int64_t	 next_us;	/* when to look again */
	_Atomic int64_t	 base;		/* mapped beside it */
} map;

/* Bytes of files that are mapped and present, of the whole process. */
static int64_t mapped(void)
{
	long long size, resident, shared;
	char b[128];
	ssize_t n;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, b, sizeof(b) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	b[n] = '\0';
	return sscanf(b, "%lld %lld %lld", &size, &resident, &shared) == 3 ? shared * sysconf(_SC_PAGESIZE) : 0;
}

/* LMDB does not tell where its map is: the kernel does, by the file. */
void resident_find(const char *dir)
{
	char *path = xasprintf("%s/data.mdb", dir), line[512];
	unsigned long from, to, inode;
	unsigned major_, minor_;
	struct stat st;
	FILE *f;

	map.from = NULL;
	f = fopen("/proc/self/maps", "r");
	while (f != NULL && stat(path, &st) == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%lx-%lx %*s %*s %x:%x %lu", &from, &to, &major_, &minor_, &inode) == 5 && inode == st.st_ino &&
		    to - from > map.len * (map.from != NULL)) {
			map.from = (char *)from;
			map.len = to - from;
		}
	if (f != NULL)
		fclose(f);
	free(path);
	atomic_store(&map.base, mapped());
}

void resident_check(void)
{
	int64_t now = clock_fresh_us(), next = atomic_load(&map.next_us);

	if (now < next || map.from == NULL || !atomic_compare_exchange_strong(&map.next_us, &next, now + LOOK_US))
		return;
	if (mapped() <= atomic_load(&map.base) + MAPPED_MAX)
		return;
	madvise(map.from, map.len, MADV_DONTNEED);
	atomic_store(&map.base, mapped());	/* plug-ins may have come */
}
