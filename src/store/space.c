/* space.c - how much room there is, and what the store tells of itself.
 *
 * The writer counts, the loop looks at a snapshot. A reserve is kept for removals and deferrals: 64 MiB or 5 % of what there
 * is, whichever is less, or queue_minfree, and what it will take to defer all that was never deferred. New mail is refused
 * below it (and in writer.c, should it come all the same, below half of it). */
#include "store_int.h"
#include <postrider/clock.h>
#include <postrider/log.h>

enum {
	COUNT_US = 100 * 1000,	/* how long a count is believed while there is plenty */
	RESERVE = 64 << 20,
	DEFER_BYTES = 384, DEFER_RCPT_BYTES = 384,
};

static struct {
	int64_t		 counted_us;
	int64_t		 left, reserve;
	bool		 full;
	/* For the loop: */
	atomic_uint	 turn;		/* odd while the three counts are being changed */
	_Atomic uint64_t messages, deferred, hold;
	_Atomic uint64_t commits, ops;
	_Atomic int64_t	 used, shown_left, shown_reserve, fs_free;
	atomic_bool	 shown_full, failed;
} sp;

void space_show(void)
{
	struct db *db = &store.db;

	atomic_fetch_add(&sp.turn, 1);
	atomic_store(&sp.messages, db->messages);
	atomic_store(&sp.deferred, db->deferred);
	atomic_store(&sp.hold, db->hold);
	atomic_fetch_add(&sp.turn, 1);
	atomic_store(&sp.shown_left, sp.left);
	atomic_store(&sp.shown_reserve, sp.reserve);
	atomic_store(&sp.shown_full, sp.full);
}

static void set_full(bool full)
{
	if (full != sp.full && full)
		log_warn(NULL, "not enough free space in mail queue: %lld bytes, %lld are kept in reserve; new mail is refused",
		    (long long)sp.left, (long long)sp.reserve);
	else if (full != sp.full)
		log_info(NULL, "enough free space in mail queue again: %lld bytes", (long long)sp.left);
	sp.full = full;
}

/* What it will take to defer all that was never deferred: rows in sched, due and site, reasons. New
 * mail must leave so much, or the reserve would be gone when a large queue meets a dead network. */
static int64_t promised(const struct db_room *room)
{
	const struct db *db = &store.db;
	int64_t old = (int64_t)(db->deferred + db->hold), recipients = room->recipients - old;

	return ((int64_t)db->messages - old) * DEFER_BYTES + MAX(recipients, 0) * DEFER_RCPT_BYTES;
}

/* With every commit when room is scarce, else now and then. */
void space_count(bool now)
{
	int64_t at = clock_fresh_us();
	struct db_room room;
	MDB_txn *t;
	int rc;

	if (!now && at - sp.counted_us < COUNT_US && sp.left > 4 * sp.reserve) {
		space_show();
		return;
	}
	sp.counted_us = at;
	if (mdb_txn_begin(store.db.env, NULL, MDB_RDONLY, &t) != 0)
		return;
	rc = db_room(&store.db, t, &room);
	mdb_txn_abort(t);
	if (rc != 0)
		return;
	sp.reserve = MIN((int64_t)RESERVE, MIN(room.fs_total, (int64_t)store.db.map_bytes) / 20);
	sp.reserve = MAX(sp.reserve, atomic_load(&store.min_free)) + promised(&room);
	sp.left = db_room_left(&room);
	set_full(sp.left < sp.reserve);
	atomic_store(&sp.used, room.used);
	atomic_store(&sp.fs_free, room.fs_free);
	space_show();
}

void space_used(int64_t bytes)
{
	sp.left -= bytes;
}

int64_t space_left(void)
{
	return sp.left;
}

int64_t space_reserve(void)
{
	return sp.reserve;
}

int64_t space_fs_free(void)
{
	return atomic_load(&sp.fs_free);
}

void space_full(void)
{
	set_full(true);
}

void space_failed(bool failed)
{
	atomic_store(&sp.failed, failed);
}

void space_committed(size_t ops)
{
	atomic_fetch_add(&sp.commits, 1);
	atomic_fetch_add(&sp.ops, ops);
}

void space_reset(void)
{
	memset(&sp, 0, sizeof(sp));
}

void store_stats(struct store_stats *s)
{
	unsigned turn;

	*s = (struct store_stats){ .commits = atomic_load(&sp.commits), .committed_ops = atomic_load(&sp.ops),
		.bytes_used = (uint64_t)atomic_load(&sp.used), .bytes_free = (uint64_t)MAX(atomic_load(&sp.shown_left), 0),
		.fs_free = (uint64_t)atomic_load(&sp.fs_free), .full = atomic_load(&sp.shown_full), .failed = atomic_load(&sp.failed) };
	do {
		turn = atomic_load(&sp.turn);
		s->messages = atomic_load(&sp.messages);
		s->deferred = atomic_load(&sp.deferred);
		s->hold = atomic_load(&sp.hold);
	} while (turn % 2 != 0 || turn != atomic_load(&sp.turn));
	s->active = s->messages - s->deferred - s->hold;
	s->barriers = 2 * s->commits;
}

bool store_has_room(int64_t bytes)
{
	if (atomic_load(&sp.failed))
		return false;
	if (atomic_load(&sp.shown_left) - bytes >= atomic_load(&sp.shown_reserve))
		return true;
	writer_look();			/* perhaps there is by now */
	return false;
}
