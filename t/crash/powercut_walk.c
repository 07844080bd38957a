/* powercut_walk.c - through every table of a queue: is each row what db.h says it is, does each belong to something, do the counts
 * agree with what is there, is every page either in use or free, is every message whole, and is all there that is owed.
 *
 * It reads LMDB directly, with the store's own decoders of rows, for the store's door shows no half messages and no free pages. What
 * the server would make of the same bytes is walk_recover()'s: a real opening for writing, after which all of it must
 * hold once more, with nothing unfinished left. */
#include "powercut.h"
#include "mail.h"
#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/loop.h>
#include <store/store_int.h>

#define MAP_BYTES ((int64_t)1 << 36)

struct tables {
	struct walk	*w;
	struct db	 db;
	MDB_txn		*t;
	MDB_cursor	*c[TABLES];
	MDB_val		 k[TABLES], v[TABLES];	/* where each cursor stands */
	bool		 at_end[TABLES];
	uint64_t	 deferred, hold, due, site_rows, sites_listed;
	queue_id_t	 top;
};

PRINTF(2, 3)
static bool wrong(struct walk *w, const char *fmt, ...)
{
	va_list ap;

	if (w->why[0] != '\0')
		return false;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	return false;
}

static bool step(struct tables *s, enum table_id t, MDB_cursor_op op)
{
	int rc = mdb_cursor_get(s->c[t], &s->k[t], &s->v[t], op);

	s->at_end[t] = rc == MDB_NOTFOUND;
	return rc == 0 || rc == MDB_NOTFOUND || wrong(s->w, "table %d: %s", t, mdb_strerror(rc));
}

static queue_id_t id_at(struct tables *s, enum table_id t)
{
	return s->at_end[t] || s->k[t].mv_size < KEY_ID ? UINT64_MAX : get_be64(s->k[t].mv_data);
}

static int get(struct tables *s, enum table_id t, const void *key, size_t n, MDB_val *v_r)
{
	MDB_val k = { n, (void *)(uintptr_t)key };

	return mdb_get(s->t, s->db.dbi[t], &k, v_r);
}

/* ---- one message ------------------------------------------------------------------------------------- */

struct found {
	queue_id_t	 id;
	struct message	*m;
	bool		 sited;
	uint64_t	 n;		/* by its header; 0: not of the workload */
	struct known	*known;
	uint64_t	 rcpts;
	bool		 bad_try;
};

static bool walk_sched(struct tables *s, struct found *f)
{
	unsigned char key[KEY_PAIR];
	struct sched_row row = { .queue = QUEUE_ACTIVE };
	MDB_val v;

	if (id_at(s, T_SCHED) == f->id) {
		if (s->k[T_SCHED].mv_size != KEY_ID || !row_sched_read(&row, s->v[T_SCHED].mv_data, s->v[T_SCHED].mv_size))
			return wrong(s->w, "%s: damaged sched row", f->m->name);
		if (!step(s, T_SCHED, MDB_NEXT))
			return false;
	}
	f->m->queue = row.queue;
	f->m->attempts = row.attempts;
	f->sited = row.sited;
	s->deferred += row.queue == QUEUE_DEFERRED;
	s->hold += row.queue == QUEUE_HOLD;
	key_pair(key, (uint64_t)row.due_ms, f->id);
	if (row.queue == QUEUE_HOLD)
		return true;
	s->due++;
	return get(s, T_DUE, key, sizeof(key), &v) == 0 || wrong(s->w, "%s: no due row", f->m->name);
}

static bool walk_sites(struct tables *s, struct found *f)
{
	unsigned char rev[KEY_SITE_REV], key[KEY_PAIR];
	MDB_val v, none;
	uint32_t k = 0;
	size_t i;

	for (key_pair(rev, 0, f->id); f->sited; k++) {
		be32(rev + KEY_PAIR, k);
		if (get(s, T_SITE, rev, sizeof(rev), &v) != 0)
			break;
		s->sites_listed++;
		for (i = 0; i + 8 <= v.mv_size; i += 8) {
			key_pair(key, get_be64((char *)v.mv_data + i), f->id);
			if (get(s, T_SITE, key, sizeof(key), &none) != 0)
				return wrong(s->w, "%s: no row for a site of it", f->m->name);
			s->sites_listed++;
		}
	}
	return !f->sited || k > 0 || wrong(s->w, "%s: its sites are not listed", f->m->name);
}

static bool known_rcpt(struct walk *w, struct found *f, struct rcpt *r)
{
	unsigned long k = strtoul(r->addr + 1, NULL, 10), try;

	if (r->addr[0] != 'u' || k >= f->known->rcpts)
		return wrong(w, "%s (message %llu): strange recipient %s", f->m->name, (unsigned long long)f->n, r->addr);
	if (f->known->rcpt != NULL && (f->known->rcpt[k] & KNOWN_GONE) != 0)
		return wrong(w, "%s (message %llu): recipient %lu came back", f->m->name, (unsigned long long)f->n, k);
	if (f->known->rcpt == NULL || (f->known->rcpt[k] & KNOWN_MAY_GO) == 0)
		f->rcpts++;
	if (r->reason != NULL && sscanf(r->reason, "try %lu", &try) == 1 && try != f->m->attempts)
		return wrong(w, "%s (message %llu): recipient %lu is of attempt %lu, the message of %u", f->m->name,
		    (unsigned long long)f->n, k, try, f->m->attempts);
	return true;
}

static bool walk_rcpts(struct tables *s, struct found *f)
{
	struct arena a = { 0 };
	struct rcpt r;
	bool fine = true;

	for (; fine && id_at(s, T_RECIPIENT) == f->id; fine = fine && step(s, T_RECIPIENT, MDB_NEXT)) {
		r = (struct rcpt){ 0 };
		if (s->k[T_RECIPIENT].mv_size != KEY_RCPT ||
		    !row_rcpt_read(&a, &r, s->v[T_RECIPIENT].mv_data, s->v[T_RECIPIENT].mv_size))
			fine = wrong(s->w, "%s: damaged recipient row", f->m->name);
		else if (f->known != NULL)
			fine = known_rcpt(s->w, f, &r);
		arena_reset(&a);
	}
	arena_release(&a);
	return fine;
}

/* One part of the content: chunks in order without a gap, each full but the last. */
static bool walk_part(struct tables *s, struct found *f, enum content_part part, int64_t want)
{
	const MDB_val *k = &s->k[T_CONTENT], *v = &s->v[T_CONTENT];
	struct buf header = { 0 };
	uint32_t chunk = 0;
	int64_t len = 0;
	bool fine = true;

	while (fine && id_at(s, T_CONTENT) == f->id && k->mv_size == KEY_CONTENT && ((unsigned char *)k->mv_data)[KEY_ID] == part) {
		if (get_be32((char *)k->mv_data + KEY_ID + 1) != chunk++ || (len % STORE_CHUNK) != 0)
			fine = wrong(s->w, "%s: part %d has a gap at %lld", f->m->name, part, (long long)len);
		if (part == PART_HEADER)
			buf_add(&header, v->mv_data, v->mv_size);
		else if (fine && f->known != NULL && !crash_body_is(v->mv_data, f->n, (uint64_t)len, v->mv_size))
			fine = wrong(s->w, "%s (message %llu): other bytes in the body at %lld", f->m->name, (unsigned long long)f->n, (long long)len);
		len += (int64_t)v->mv_size;
		fine = fine && step(s, T_CONTENT, MDB_NEXT);
	}
	if (fine && len != want)
		fine = wrong(s->w, "%s: part %d has %lld bytes, not %lld", f->m->name, part, (long long)len, (long long)want);
	if (part == PART_HEADER && header.len > 0) {
		f->n = crash_id(header.p, header.len);
		f->known = f->n != 0 ? model_find(s->w->model, f->n) : NULL;
		if (fine && s->w->model->n != 0 && f->known == NULL && !s->w->smtp)
			fine = wrong(s->w, "%s: a message nobody sent", f->m->name);
	}
	buf_release(&header);
	return fine;
}

/* What the account says of it. */
static bool judge(struct walk *w, struct found *f)
{
	struct known *k = f->known;

	if (k == NULL)
		return true;
	if (k->gone)
		return wrong(w, "%s: message %llu came back", f->m->name, (unsigned long long)f->n);
	if (k->stamp == w->model->stamp && !w->smtp)
		return wrong(w, "%s: message %llu is there twice", f->m->name, (unsigned long long)f->n);
	if (k->owed && f->rcpts < k->rcpts - k->may_go_rcpts)
		return wrong(w, "%s: message %llu misses recipients: %llu of %u", f->m->name, (unsigned long long)f->n,
		    (unsigned long long)f->rcpts, k->rcpts - k->may_go_rcpts);
	if (!w->smtp && (f->m->attempts < k->tries_min || f->m->attempts > k->tries_max))
		return wrong(w, "%s: message %llu was tried %u times, noted are %u to %u", f->m->name, (unsigned long long)f->n,
		    f->m->attempts, k->tries_min, k->tries_max);
	if (f->m->body_bytes != (int64_t)crash_lines(f->n) * CRASH_LINE)
		return wrong(w, "%s: message %llu has a body of %lld bytes", f->m->name, (unsigned long long)f->n, (long long)f->m->body_bytes);
	k->stamp = w->model->stamp;
	return true;
}

static bool walk_message(struct tables *s, queue_id_t id)
{
	struct found f = { .id = id, .m = message_new(id, false) };
	struct walk *w = s->w;
	bool fine = true;

	w->messages++;
	s->top = id;
	if (s->k[T_MESSAGE].mv_size != KEY_ID || !row_message_read(f.m, s->v[T_MESSAGE].mv_data, s->v[T_MESSAGE].mv_size))
		fine = wrong(w, "%s: damaged message row", f.m->name);
	fine = fine && walk_sched(s, &f) && walk_sites(s, &f) && walk_part(s, &f, PART_HEADER, f.m->header_bytes) &&
	    walk_part(s, &f, PART_BODY, f.m->body_bytes) && walk_rcpts(s, &f) && judge(w, &f);
	if (fine && id_at(s, T_CONTENT) == id)
		fine = wrong(w, "%s: content of an unknown part", f.m->name);
	message_unref(&f.m);
	return fine && step(s, T_MESSAGE, MDB_NEXT);
}

/* Rows without an envelope are allowed to messages that are unfinished, or no longer. */
static bool walk_unfinished(struct tables *s, queue_id_t id)
{
	enum table_id t;

	for (t = T_RECIPIENT; t <= T_CONTENT; t++)
		while (id_at(s, t) == id)
			if (!step(s, t, MDB_NEXT))
				return false;
	if (id_at(s, T_SCHED) == id)
		return wrong(s->w, "%llX: a sched row without a message", (unsigned long long)id);
	if (id_at(s, T_DRAFT) != id)
		return wrong(s->w, "%llX: rows of no message", (unsigned long long)id);
	s->top = MAX(s->top, id);
	if (!s->w->drafts)
		return wrong(s->w, "%llX: unfinished, and left behind", (unsigned long long)id);
	return step(s, T_DRAFT, MDB_NEXT);
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static bool walk_ids(struct tables *s)
{
	static const enum table_id by_id[] = { T_MESSAGE, T_SCHED, T_RECIPIENT, T_CONTENT, T_DRAFT };
	queue_id_t id;
	size_t i;

	for (i = 0; i < NELEM(by_id); i++)
		if (!step(s, by_id[i], MDB_FIRST))
			return false;
	for (;;) {
		for (id = UINT64_MAX, i = 0; i < NELEM(by_id); i++)
			id = MIN(id, id_at(s, by_id[i]));
		if (id == UINT64_MAX)
			return true;
		if (id_at(s, T_MESSAGE) == id && id_at(s, T_DRAFT) == id)
			return wrong(s->w, "%llX: a message, and unfinished, too", (unsigned long long)id);
		if (id_at(s, T_MESSAGE) == id ? !walk_message(s, id) : !walk_unfinished(s, id))
			return false;
	}
}

static bool same(struct tables *s, const char *what, uint64_t got, uint64_t want)
{
	return got == want || wrong(s->w, "%s: %llu, counted are %llu", what, (unsigned long long)got, (unsigned long long)want);
}

/* In use, or free, and nothing else: LMDB's free list has (transaction; n, page numbers). */
static bool walk_pages(struct tables *s)
{
	unsigned char *seen;
	uint64_t used = 2, unused = 0, last;
	MDB_cursor *c;
	MDB_envinfo info;
	MDB_val k, v;
	MDB_stat st;
	size_t i, n, page;
	int d, rc;
	bool fine = true;

	for (d = -2; d < TABLES; d++) {
		if (mdb_stat(s->t, d < 0 ? (MDB_dbi)(d + 2) : s->db.dbi[d], &st) != 0)
			return wrong(s->w, "no figures of table %d", d);
		used += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
	}
	mdb_env_info(s->db.env, &info);
	last = info.me_last_pgno;
	s->w->pages = last + 1;
	seen = xcalloc(last / 8 + 1, 1);
	if (mdb_cursor_open(s->t, 0, &c) != 0)
		fine = wrong(s->w, "the free list cannot be read");
	while (fine && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
		memcpy(&n, v.mv_data, sizeof(n));
		if ((n + 1) * sizeof(n) > v.mv_size)
			fine = wrong(s->w, "damaged free list");
		for (i = 1; fine && i <= n; i++, unused++) {
			memcpy(&page, (char *)v.mv_data + i * sizeof(page), sizeof(page));
			if (page < 2 || page > last || (seen[page / 8] >> page % 8 & 1) != 0)
				fine = wrong(s->w, "page %zu is free twice, or none", page);
			else
				seen[page / 8] |= (unsigned char)(1 << page % 8);
		}
	}
	if (fine && rc != MDB_NOTFOUND)
		fine = wrong(s->w, "free list: %s", mdb_strerror(rc));
	mdb_cursor_close(c);
	free(seen);
	return fine && same(s, "pages in use and free", used + unused, last + 1);
}

static bool walk_rest(struct tables *s)
{
	unsigned char p[16] = { 0 };
	MDB_stat due, site;
	MDB_val v;
	int rc;

	if (mdb_stat(s->t, s->db.dbi[T_DUE], &due) != 0 || mdb_stat(s->t, s->db.dbi[T_SITE], &site) != 0)
		return wrong(s->w, "no figures");
	rc = get(s, T_META, "counts", 6, &v);
	if (rc == 0 && v.mv_size == sizeof(p))
		memcpy(p, v.mv_data, sizeof(p));
	if (!same(s, "due rows", due.ms_entries, s->due) || !same(s, "site rows", site.ms_entries, s->sites_listed) ||
	    !same(s, "deferred messages", get_be64(p), s->deferred) || !same(s, "messages on hold", get_be64(p + 8), s->hold))
		return false;
	rc = get(s, T_META, "last_id", 7, &v);
	if (s->top > 0 && (rc != 0 || get_be64(v.mv_data) < s->top))
		return wrong(s->w, "ids in use reach beyond meta's last_id");
	return walk_pages(s);
}

static bool all_owed(struct walk *w)
{
	struct model *m = w->model;
	size_t i;

	for (i = 0; i < m->owed_n; i++)
		if (m->v[m->owed[i]].stamp != m->stamp)
			return wrong(w, "message %llu was acknowledged and is lost", (unsigned long long)m->owed[i]);
	return true;
}

static bool walk_opened(struct tables *s)
{
	enum table_id t;
	bool fine = true;
	int rc;

	if ((rc = mdb_txn_begin(s->db.env, NULL, MDB_RDONLY, &s->t)) != 0)
		return wrong(s->w, "begin: %s", mdb_strerror(rc));
	for (t = 0; t < TABLES; t++)
		if ((rc = mdb_cursor_open(s->t, s->db.dbi[t], &s->c[t])) != 0)
			fine = wrong(s->w, "table %d: %s", t, mdb_strerror(rc));
	fine = fine && walk_ids(s) && walk_rest(s) && all_owed(s->w);
	for (t = 0; t < TABLES; t++)
		if (s->c[t] != NULL)
			mdb_cursor_close(s->c[t]);
	mdb_txn_abort(s->t);
	return fine;
}

bool walk_queue(struct walk *w, const char *dir)
{
	struct tables s = { .w = w };
	char *why;
	bool fine;

	w->why[0] = '\0';
	w->messages = w->pages = 0;
	w->model->stamp++;
	if ((why = db_open(&s.db, dir, MAP_BYTES, DB_READ_ONLY)) != NULL) {
		wrong(w, "%s", why);
		free(why);
		return false;
	}
	fine = walk_opened(&s);
	db_close(&s.db);
	return fine;
}

/* ---- as the server would ------------------------------------------------------------------------------- */

static struct store_op put_op;
static enum store_result put_result;

static void put_run(struct task *t)
{
	(void)t;
	if ((put_result = store_commit_poll(&put_op)) != STORE_WAIT)
		loop_stop();
}

/* One message more, under an id that nobody had; taken away again, so that the account still holds. */
static bool one_more(struct walk *w)
{
	static struct task task;
	struct message *m = message_new(store_new_id(), false);
	struct store_txn *t = store_txn_new();
	struct rcpt *r = message_add_rcpt(m);
	queue_id_t id = m->id;

	task_init(&task, "put", put_run);
	m->sender = arena_strdup(&m->arena, "");
	r->addr = r->orig = arena_strdup(&m->arena, "u0@example.com");
	m->content = content_new();
	store_txn_put(t, m);
	message_unref(&m);
	store_commit_start(&put_op, &task, &t);
	loop_run();
	store_commit_end(&put_op);
	if (put_result != STORE_OK)
		return wrong(w, "after recovery a message could not be put");
	t = store_txn_new();
	store_txn_delete(t, id);
	store_settle(&t);
	return true;
}

/* The sweeper takes its time, and leaves the rest to the next start when it is told to stop. */
static bool swept(struct walk *w)
{
	struct idlist l = { 0 };
	int i, rc;

	for (i = 0; i < 10000; i++, usleep(500)) {
		rc = db_draft_ids(&store.db, &l);
		if (rc == 0 && l.n == 0)
			break;
		l.n = 0;
	}
	idlist_release(&l);
	return i < 10000 || wrong(w, "what is unfinished was not swept in five seconds");
}

bool walk_recover(struct walk *w, const char *dir)
{
	struct store_config c = { .dir = dir, .map_bytes = MAP_BYTES, .memory_limit = 1 << 26 };
	bool fine;
	char *why;

	w->why[0] = '\0';
	if ((why = store_open(&c)) != NULL) {
		wrong(w, "the server cannot open it: %s", why);
		free(why);
		return false;
	}
	fine = one_more(w) && swept(w);
	store_close();
	if (fine) {
		w->drafts = false;
		fine = walk_queue(w, dir);
		w->drafts = true;
	}
	return fine;
}
