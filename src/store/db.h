/* db.h - what the files of src/store share: the environment, its tables and the form of their rows.
 *
 *	table	   key (big-endian)		value
 *	message	   id				envelope, tagged fields (row.c)
 *	sched	   id				queue, due, attempts, flags; absent while a message is new
 *	recipient  id, n			state, then tagged fields
 *	content	   id, part, chunk		at most STORE_CHUNK bytes
 *	due	   due ms, id			hashes of the sites left; a new message is due at 0
 *	site	   hash of domain, id		empty; and (0, id, k): the hashes under which id stands here
 *	draft	   id				empty: rows of this id have no envelope (yet, or any more)
 *	meta	   name				schema, last_id, counts */
#ifndef POSTRIDER_STORE_DB_H
#define POSTRIDER_STORE_DB_H
#include <postrider/store.h>
#include <lmdb.h>

enum table_id { T_MESSAGE, T_SCHED, T_RECIPIENT, T_CONTENT, T_DUE, T_SITE, T_DRAFT, T_META, TABLES };
enum { STORE_SCHEMA = 1 };
enum { ID_AHEAD_US = 10 * 1000000 };	/* how far meta's last_id runs ahead of the ids in use */

struct db {
	MDB_env		*env;		/* NULL: closed */
	char		*dir;
	MDB_dbi		 dbi[TABLES];
	size_t		 psize, map_bytes;
	unsigned	 how;
	bool		 synced;	/* db_sync_found() has succeeded */
	/* As of the last commit: */
	uint64_t	 messages, deferred, hold;
	queue_id_t	 id_limit;	/* meta's last_id: no id above it was ever committed */
	queue_id_t	 top[TABLES];	/* no key of message, recipient, content has a higher id */
};

/* A list of ids, for sweeping. Zeroed is empty. */
struct idlist { queue_id_t *v; size_t n, cap; };
void	idlist_add(struct idlist *, queue_id_t);
void	idlist_release(struct idlist *);

/* ---- env.c: blocking; the caller sees to it that no transaction is open ---- */
char	*db_open(struct db *, const char *dir, int64_t map_bytes, unsigned how);	/* NULL or the reason (malloced) */
enum { DB_CREATE = 1, DB_READ_ONLY = 2 };
void	db_close(struct db *);
int	db_sync_found(struct db *);		/* in a write transaction, before its first write: what it found is on the disk */
int	db_meta_put(struct db *, MDB_txn *, const char *name, const void *, size_t);
int	db_draft_ids(struct db *, struct idlist *);
/* Space: pages in use, pages free within the file, what the file system and the map still give. */
struct db_room { int64_t used, free_pages, fs_free, fs_total, map_left, recipients; };
int	db_room(struct db *, MDB_txn *, struct db_room *);
int64_t	db_room_left(const struct db_room *);	/* bytes that new pages could take */

/* ---- keys ---- */
enum { KEY_ID = 8, KEY_RCPT = 12, KEY_CONTENT = 13, KEY_PAIR = 16, KEY_SITE_REV = 20, KEY_MAX = 20 };
static inline void be32(unsigned char *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}
static inline void be64(unsigned char *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}
static inline uint32_t get_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}
static inline uint64_t get_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}
static inline void key_pair(unsigned char *p, uint64_t a, uint64_t b)
{
	be64(p, a);
	be64(p + 8, b);
}
static inline void key_content(unsigned char *p, queue_id_t id, unsigned part, uint32_t chunk)
{
	be64(p, id);
	p[8] = (unsigned char)part;
	be32(p + 9, chunk);
}

/* ---- row.c ---- */
void	row_message(struct buf *out, const struct message *);
bool	row_message_read(struct message *, const void *p, size_t n);	/* false: not ours, or damaged */
void	row_rcpt(struct buf *out, const struct rcpt *);
bool	row_rcpt_read(struct arena *, struct rcpt *, const void *p, size_t n);
int	row_rcpt_state(const void *p, size_t n);		/* enum rcpt_state, -1: damaged */
uint64_t row_rcpt_site(const void *p, size_t n);		/* site_hash() of the address' domain, 0: none */
uint64_t site_hash(const char *domain, size_t n);		/* folded to lower case; never 0 */

struct sched_row {
	enum msg_queue	 queue;
	bool		 sited;		/* stands in table site */
	uint32_t	 attempts, flags;
	int64_t		 due_ms, last_try_ms;
};
enum { SCHED_ROW = 28 };
void	row_sched(unsigned char out[SCHED_ROW], const struct sched_row *);
bool	row_sched_read(struct sched_row *, const void *p, size_t n);
#endif
