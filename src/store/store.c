/* store.c - opening, closing, limits, figures: the store as a whole.
 * What it does: txn.c and commit.c on the loop, writer.c, apply.c and index.c on the writer thread, reader.c, load.c,
 * list.c and read.c for reads; env.c and row.c are the environment and the form of rows. */
#include "store_int.h"
#include <postrider/log.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct store store = { .gate = PTHREAD_RWLOCK_INITIALIZER };

static char *open_with(const struct store_config *c, unsigned how, bool offline)
{
	char *why;
	int rc;

	ASSERT(!store.open);
	if ((why = db_open(&store.db, c->dir, c->map_bytes, how)) != NULL)
		return why;
	store.offline = offline;
	store.last_id = store.db.id_limit;
	store_configure(c);
	/* While a server runs, its drafts are none of a command's business; nor are they when it does not. */
	if (!offline && (rc = db_draft_ids(&store.db, &store.sweep)) != 0) {
		why = xasprintf("%s: %s", c->dir, mdb_strerror(rc));
		db_close(&store.db);
		return why;
	}
	if (store.sweep.n > 0)
		log_info(NULL, "queue: removing %zu unfinished messages", store.sweep.n);
	resident_find(c->dir);
	commit_init();
	if ((why = writer_start()) != NULL) {
		db_close(&store.db);
		return why;
	}
	readers_start();
	store.open = true;
	return NULL;
}

char *store_open(const struct store_config *c)
{
	return open_with(c, DB_CREATE, false);
}

/* Files made by root would be closed to the server: root becomes the owner of the directory first. */
static char *become_owner(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return xasprintf("%s: %s", dir, strerror(errno));
	if (geteuid() != 0 || st.st_uid == 0)
		return NULL;
	if (setegid(st.st_gid) < 0 || seteuid(st.st_uid) < 0)
		return xasprintf("%s: cannot become its owner: %s", dir, strerror(errno));
	return NULL;
}

char *store_open_offline(const struct store_config *c, bool read_only)
{
	char *why = become_owner(c->dir);

	return why != NULL ? why : open_with(c, read_only ? DB_READ_ONLY : 0, true);
}

void store_configure(const struct store_config *c)
{
	store.memory_limit = c->memory_limit;
	store.long_ids = c->long_ids;
	atomic_store(&store.min_free, c->min_free);
	if (store.open)
		writer_look();
}

void store_close(void)
{
	if (!store.open)
		return;
	commit_flush();
	writer_stop();
	commit_done(NULL);
	trash_end();
	worker_class_free(&store.readers);
	pthread_rwlock_wrlock(&store.gate);
	readers_forget();
	db_close(&store.db);
	pthread_rwlock_unlock(&store.gate);
	trash_clear();
	idlist_release(&store.sweep);
	store.on_arrival = NULL;
	store.open = false;
}
