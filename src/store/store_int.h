/* store_int.h - private to src/store: transactions, the writer's batches, the state of both sides. */
#ifndef POSTRIDER_STORE_INT_H
#define POSTRIDER_STORE_INT_H
#include "db.h"
#include <postrider/loop.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- transactions ---- */
enum change_kind { CH_PUT, CH_DRAFT, CH_DROP, CH_RCPT_DONE, CH_RCPT, CH_SCHED, CH_DUE, CH_DELETE, CH_REPLACE };
struct change {
	enum change_kind kind;
	uint32_t	 n;		/* recipient, chunk number, bytes of row */
	queue_id_t	 id;
	union {
		struct message	*msg;	/* PUT, REPLACE: a reference; the writer only reads it */
		struct chunk	*chunk;	/* DRAFT: owned */
		unsigned char	*row;	/* RCPT: owned; the number of the recipient in front, big-endian */
		struct store_sched *sched;	/* owned */
		int64_t		 due_ms;
	} u;
};
struct store_txn {
	struct store_txn *next;
	struct store_op	*op;		/* who waits; NULL: a settlement, or cancelled. The loop's only */
	bool		 settlement;
	bool		 adds;		/* has new content: may be refused when space is short */
	bool		 missing;	/* writer: something it names is not there */
	enum store_result result;
	size_t		 bytes;		/* about what it writes */
	struct change	*ch;
	unsigned	 n, cap;
	struct change	 first[2];
};

/* ---- apply.c: on the writer thread, inside one LMDB transaction ---- */
struct apply {
	struct db	*db;
	MDB_txn		*t;
	MDB_cursor	*cur[TABLES];
	struct buf	 row;		/* scratch */
	int64_t		 deferred, hold;	/* change of the counts */
	queue_id_t	 top_put;	/* highest id put */
	struct idlist	 unfinished;	/* deleted in part: rows are left for the sweeper */
};
int	apply_begin(struct apply *, struct db *);	/* 0 or an LMDB error, as all of these */
int	apply_txn(struct apply *, struct store_txn *);
int	apply_sweep(struct apply *, queue_id_t, bool *done_r);	/* the next SWEEP_ROWS rows of an id without envelope */
int	apply_commit(struct apply *);			/* whatever it says: over */
void	apply_abort(struct apply *);
enum { SWEEP_ROWS = 1000 };
/* For apply.c and index.c */
MDB_cursor *apply_cursor(struct apply *, enum table_id);	/* opened once per transaction */
int	apply_put(struct apply *, enum table_id, const void *key, size_t klen, const void *p, size_t n);
int	apply_get(struct apply *, enum table_id, const void *key, size_t klen, MDB_val *v_r);
int	apply_del(struct apply *, enum table_id, const void *key, size_t klen);	/* absent is fine */
/* ---- index.c: sched, due and site rows ---- */
int	sched_put_new(struct apply *, const struct message *);
int	sched_change(struct apply *, queue_id_t, const struct store_sched *, bool *missing_r);
int	sched_postpone(struct apply *, queue_id_t, int64_t due_ms, bool *missing_r);
int	sched_delete(struct apply *, queue_id_t);		/* with due and site rows, and the counts */

/* ---- writer.c ---- */
char	*writer_start(void);
void	writer_take(struct store_txn *newest, struct store_txn *oldest);	/* the loop: hands over a stack */
void	writer_look(void);						/* the loop: refresh the figures */
void	writer_stop(void);				/* finishes all that was handed over */
struct store_txn *writer_done(void);				/* the loop: the completed, oldest first */

/* ---- space.c: on the writer thread ---- */
void	space_reset(void);			/* before it runs */
void	space_count(bool now);			/* room in file, file system and map; shows it */
void	space_show(void);			/* the counts of messages, for the loop */
void	space_used(int64_t bytes);
int64_t	space_left(void);
int64_t	space_reserve(void);
int64_t	space_fs_free(void);
void	space_full(void);			/* found out the hard way */
void	space_failed(bool);
void	space_committed(size_t ops);

/* ---- readers: reader.c ---- */
struct reading;				/* one read: inputs, results; made by load.c and its like */
struct reading {
	void		(*fn)(struct reading *, MDB_txn *);	/* on a worker; sets result */
	void		(*release)(struct reading *);	/* what the results hold; frees the struct */
	enum store_result result;
};
void	reading_start(struct store_op *, struct task *, struct reading *);
enum store_result reading_poll(struct store_op *);
struct reading *reading_of(struct store_op *);		/* after a poll that did not say WAIT; NULL if it never ran */
void	reading_end(struct store_op *);
void	readers_start(void);
void	readers_forget(void);		/* the gate is closed: drops the pooled transactions */
int	read_sched(MDB_txn *, queue_id_t, struct message *);	/* fills queue, due, attempts, flags */
int	read_rcpts(MDB_txn *, struct message *, uint32_t first_n, uint32_t max, unsigned states, bool *more_r);
struct message *read_envelope(MDB_txn *, queue_id_t, const MDB_val *row);	/* NULL: damaged */

/* ---- resident.c ---- */
void	resident_find(const char *dir);		/* after opening; nobody reads yet */
void	resident_check(void);			/* now and then, by any thread of ours but the loop */

/* ---- memory: message.c, trash.c ---- */
void	content_settle(struct content *);
void	message_destroy(struct message *);		/* without content */
void	trash_add(struct message *);			/* the loop */
void	trash_clear(void);				/* any thread */
void	trash_end(void);				/* before the readers end */

/* ---- the store itself: store.c; fields are the loop's unless said otherwise ---- */
extern struct store {
	struct db	 db;		/* loop before the threads start, then the writer's */
	pthread_rwlock_t gate;		/* readers hold it for a read; the writer to reopen */
	bool		 open, offline;
	bool		 long_ids;
	_Atomic int64_t	 min_free;
	queue_id_t	 last_id;
	int64_t		 content_memory, memory_limit;
	struct worker_class *readers;
	void		(*on_arrival)(struct message *);
	struct idlist	 sweep;		/* the writer's: ids without envelope */
} store;
/* txn.c */
void	txn_release(struct store_txn *);		/* frees it and all it holds */
/* commit.c */
void	commit_init(void);
void	commit_flush(void);				/* hands over everything gathered, settlements too */
void	commit_done(struct loop_msg *);			/* completions are waiting */
#endif
