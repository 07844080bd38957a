/* nfs.c - preloaded: statfs(2) says that the directory POSTRIDER_NFS_DIR, and what is below it, lies on NFS. */
#include <dlfcn.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

static void claim(const char *path, struct statfs *st)
{
	const char *dir = getenv("POSTRIDER_NFS_DIR");

	if (dir != NULL && strncmp(path, dir, strlen(dir)) == 0)
		st->f_type = NFS_SUPER_MAGIC;
}

int statfs(const char *path, struct statfs *st)
{
	int (*next)(const char *, struct statfs *);
	int rc;

	*(void **)&next = dlsym(RTLD_NEXT, "statfs");
	rc = next(path, st);
	if (rc == 0)
		claim(path, st);
	return rc;
}
