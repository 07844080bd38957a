/* flush.c - making deferred mail due at once: all of it, one message, what is queued for a site.
 * The rows of the due index are rewritten to the time of the flush, a slice a commit, and then found in the ordinary
 * way as there is room. A flush also forgets which sites are dead, and lifts defer_transports for what it made due. */
#include "qmgr_int.h"
#include <stdlib.h>

enum { SLICE = 500, SITES_MAX = 100, IDS_MAX = 200 };

struct site_flush {
	char		*domain;
	queue_id_t	 after;
	TAILQ_ENTRY(site_flush) link;
};

static struct flush {
	struct task	 task;
	bool		 initialised;
	/* all */
	bool		 all, reading, again;
	int64_t		 after_due;
	queue_id_t	 after_id;
	struct store_due_op due;
	/* single messages */
	queue_id_t	 id[IDS_MAX];
	unsigned	 nids;
	/* sites, one after the other */
	TAILQ_HEAD(, site_flush) sites;
	unsigned	 nsites;
	struct store_site_op site;
	bool		 site_reading;
	/* changes under way */
	struct store_op	 commit;
	bool		 committing;
	int64_t		 flush_ms;		/* wall: the due time given */
	int64_t		 commit_ms;		/* the one in what is being committed: a further request sets flush_ms */
} flush;

bool flush_is(int64_t due_ms)
{
	return due_ms != 0 && (due_ms == flush.flush_ms || due_ms == flush.commit_ms);
}

static void flush_run(struct task *);

static void begin(void)
{
	if (!flush.initialised) {
		task_init(&flush.task, "flush", flush_run);
		TAILQ_INIT(&flush.sites);
		flush.initialised = true;
	}
	flush.flush_ms = wall_us() / 1000;
	sites_revive();
	task_wake(&flush.task);
}

static void commit(struct store_txn **txn)
{
	flush.commit_ms = flush.flush_ms;
	store_commit_start(&flush.commit, &flush.task, txn);
	flush.committing = true;
}

static void ids_step(void)
{
	struct store_txn *txn = store_txn_new();

	while (flush.nids > 0)
		store_txn_due(txn, flush.id[--flush.nids], flush.flush_ms);
	commit(&txn);
}

/* One slice of the due index; flush.reading: wait for it. */
static void all_step(void)
{
	struct store_txn *txn = NULL;

	if (!flush.reading) {
		store_due_start(&flush.due, &flush.task, INT64_MAX / 2, flush.after_due, flush.after_id, SLICE);
		flush.reading = true;
	}
	switch (store_due_poll(&flush.due)) {
	case STORE_WAIT:
		return;
	case STORE_OK:
		break;
	default:
		flush.due.n = 0;
	}
	for (size_t i = 0; i < flush.due.n; i++) {
		const struct due_row *r = &flush.due.row[i];

		flush.after_due = r->due_ms;
		flush.after_id = r->id;
		if (r->due_ms <= flush.flush_ms || active_find(r->id) != NULL)
			continue;
		if (txn == NULL)
			txn = store_txn_new();
		store_txn_due(txn, r->id, flush.flush_ms);
	}
	flush.all = flush.due.n == SLICE;
	store_due_end(&flush.due);
	flush.reading = false;
	if (txn != NULL)
		commit(&txn);
}

static void site_step(void)
{
	struct site_flush *s = TAILQ_FIRST(&flush.sites);
	struct store_txn *txn = NULL;
	bool over;

	if (!flush.site_reading) {
		store_site_start(&flush.site, &flush.task, s->domain, s->after, SLICE);
		flush.site_reading = true;
	}
	switch (store_site_poll(&flush.site)) {
	case STORE_WAIT:
		return;
	case STORE_OK:
		over = flush.site.end;
		break;
	default:
		flush.site.n = 0;
		over = true;
	}
	for (size_t i = 0; i < flush.site.n; i++) {
		s->after = flush.site.id[i];
		if (active_find(s->after) != NULL)
			continue;
		if (txn == NULL)
			txn = store_txn_new();
		store_txn_due(txn, s->after, flush.flush_ms);
	}
	store_site_end(&flush.site);
	flush.site_reading = false;
	if (over) {
		TAILQ_REMOVE(&flush.sites, s, link);
		flush.nsites--;
		free(s->domain);
		free(s);
	}
	if (txn != NULL)
		commit(&txn);
	else
		task_wake(&flush.task);
}

static void flush_run(struct task *t)
{
	(void)t;
	for (;;) {
		if (flush.committing) {
			if (store_commit_poll(&flush.commit) == STORE_WAIT)
				return;
			store_commit_end(&flush.commit);
			flush.committing = false;
			due_notice(flush.commit_ms, 0);
		}
		if (qmgr.draining)
			return;
		if (flush.nids > 0) {
			ids_step();
			continue;
		}
		if (flush.all) {
			all_step();
			if (flush.reading)
				return;
			continue;
		}
		if (flush.again) {
			flush.again = false;
			qmgr_flush_all();
			continue;
		}
		if (TAILQ_EMPTY(&flush.sites))
			return;
		site_step();
		if (!flush.committing)
			return;
	}
}

void qmgr_flush_all(void)
{
	begin();
	if (flush.all || flush.committing) {
		flush.again = true;
		return;
	}
	flush.all = true;
	flush.after_due = flush.flush_ms;
	flush.after_id = UINT64_MAX;
}

void qmgr_flush_id(queue_id_t id)
{
	begin();
	if (active_find(id) != NULL)
		return;
	if (flush.nids == IDS_MAX)
		qmgr_flush_all();	/* whoever asks for so many */
	else
		flush.id[flush.nids++] = id;
}

const struct match_list *qmgr_flush_domains(void)
{
	return qmgr.conf != NULL ? qmgr.conf->flush_domains : NULL;
}

void qmgr_flush_site(const char *domain)
{
	struct site_flush *s;

	begin();
	TAILQ_FOREACH(s, &flush.sites, link)
		if (str_ieq(s->domain, domain) && s->after == 0)
			return;
	if (flush.nsites == SITES_MAX)
		return;			/* all of them are flushed soon */
	s = xcalloc(1, sizeof(*s));
	s->domain = str_lower(xstrdup(domain));
	TAILQ_INSERT_TAIL(&flush.sites, s, link);
	flush.nsites++;
}

void flush_stop(void)
{
	struct site_flush *s;

	if (!flush.initialised)
		return;
	if (flush.reading)
		store_due_end(&flush.due);
	if (flush.site_reading)
		store_site_end(&flush.site);
	if (flush.committing)
		store_commit_end(&flush.commit);
	while ((s = TAILQ_FIRST(&flush.sites)) != NULL) {
		TAILQ_REMOVE(&flush.sites, s, link);
		free(s->domain);
		free(s);
	}
	task_unlink(&flush.task);
	flush = (struct flush){ 0 };
}
