/* follow.c - source files that change while the server runs.
 * Once in a while a job of the load class looks at all watched files of all sets; a
 * file that differs from what is in force, and has come to rest (a second old, or twice the same), is
 * loaded there, and the loop puts the result in place. A file that turns out broken changes nothing
 * and is named in the log once: it counts as seen. Only one such job runs at a
 * time, so what it reads (names, stamps) and opens needs no lock: the loop leaves it alone meanwhile, also when it
 * takes longer than anybody waits: then what it found is dropped, and the next begins when it has returned.
 * The job's reference keeps each set alive. */
#include <pthread.h>
#include <sys/stat.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <postrider/loop.h>

#include "peer.h"
#include "room.h"

enum { LOOK_EVERY_MS = 700, SETTLED_US = 1000 * 1000, LOOK_LIMIT_MS = 600 * 1000 };
int64_t follow_limit_ms = LOOK_LIMIT_MS;

struct look {			/* one watched thing in one job */
	struct watched	*w;
	struct stamp	*odd;		/* as found, if different from what is in force */
	bool		 loaded;
	void		*contents;	/* NULL: w's is to stay */
	char		*why;
	struct strs	 files;
	struct stamp	*stamps;	/* of files, taken before they were read */
	struct problems	 problems;
};
struct round {
	struct tables	**set;
	size_t		 n_sets;
	struct look	*look;
	size_t		 n;
};
struct disposal {
	void		(*fn)(void *);
	void		*p;
	STAILQ_ENTRY(disposal) link;
};

static struct {
	bool		 running;
	pthread_t	 thread;		/* the loop's */
	bool		 thread_known;
	struct worker_class *load;
	struct task	 task;
	struct timer	 timer;
	struct job_op	 job;
	bool		 looking;
	bool		 round;			/* one is there, perhaps one that nobody waits for any more */
	LIST_HEAD(, tables) sets;
	struct task	 reaper;
	struct job_op	 reaping;
	bool		 reaps;
	struct disposal	 now;		/* a copy of what is being reaped */
	STAILQ_HEAD(, disposal) dead;
} follow;

/* ---- stamps ---------------------------------------------------------------------------------- */

void stamp_take(struct stamp *s, const char *path)
{
	struct stat st;

	*s = (struct stamp){ 0 };
	if (stat(path, &st) < 0)
		return;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->size = (uint64_t)st.st_size;
	s->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

bool stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

static struct stamp *stamps_take(const struct strs *files)
{
	struct stamp *s = xcalloc(files->n + 1, sizeof(*s));

	for (size_t i = 0; i < files->n; i++)
		stamp_take(&s[i], files->v[i]);
	return s;
}

static bool stamps_same(const struct stamp *a, const struct stamp *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!stamp_same(&a[i], &b[i]))
			return false;
	return true;
}

/* Nobody is still writing, as far as one can see. */
static bool stamps_settled(const struct stamp *now, const struct watched *w)
{
	int64_t wall_us = clock_wall_fresh_us();

	if (w->odd != NULL && stamps_same(now, w->odd, w->files.n))
		return true;
	for (size_t i = 0; i < w->files.n; i++)
		if (now[i].ino == 0 || wall_us - now[i].mtime_ns / 1000 < SETTLED_US)
			return false;
	return true;
}

/* files is taken over. The stamps are taken after reading, so a change in between may go
 * unseen only until the next one; a file younger than its reading is looked at again. */
void watched_init(struct watched *w, const struct watched_class *class, struct tables *set, struct strs *files)
{
	w->class = class;
	w->files = *files;
	*files = (struct strs){ 0 };
	if (w->files.n == 0)
		return;
	w->seen = stamps_take(&w->files);
	for (size_t i = 0; i < w->files.n; i++)
		if (clock_wall_fresh_us() - w->seen[i].mtime_ns / 1000 < SETTLED_US)
			w->seen[i].mtime_ns = -1;
	SLIST_INSERT_HEAD(&set->watched, w, link);
}

void watched_release(struct watched *w)
{
	strs_release(&w->files);
	free(w->seen);
	free(w->odd);
}

/* ---- one round --------------------------------------------------------------------------------- */

static void look_at(struct look *l)
{
	struct watched *w = l->w;
	struct stamp *now = stamps_take(&w->files);

	if (stamps_same(now, w->seen, w->files.n)) {
		free(now);
		return;
	}
	l->odd = now;
	if (!stamps_settled(now, w))
		return;
	l->loaded = true;
	l->contents = w->class->load(w, &l->problems, &l->files, &l->why);
	l->stamps = stamps_take(&l->files);
	for (size_t i = 0; i < l->files.n; i++)		/* what was there before reading counts as read */
		for (size_t k = 0; k < w->files.n; k++)
			if (strcmp(l->files.v[i], w->files.v[k]) == 0)
				l->stamps[i] = now[k];
}

static void round_work(void *data)
{
	struct round *r = data;

	for (size_t i = 0; i < r->n; i++)
		look_at(&r->look[i]);
}

static void look_later(void)
{
	if (follow.running && !follow.looking && !follow.round && !LIST_EMPTY(&follow.sets) && !timer_running(&follow.timer))
		timer_start(&follow.timer, &follow.task, LOOK_EVERY_MS);
}

static void round_free(void *data)
{
	struct round *r = data;

	for (size_t i = 0; i < r->n; i++) {
		struct look *l = &r->look[i];

		free(l->odd);
		free(l->stamps);
		free(l->why);
		strs_release(&l->files);
		problems_release(&l->problems);
		if (l->contents != NULL)
			l->w->class->drop(l->contents);
	}
	for (size_t i = 0; i < r->n_sets; i++)
		tables_unref(&r->set[i]);
	free(r->set);
	free(r->look);
	free(r);
	follow.round = false;
	look_later();
}

static struct round *round_new(void)
{
	struct round *r = xcalloc(1, sizeof(*r));
	struct tables *set;
	struct watched *w;

	LIST_FOREACH(set, &follow.sets, link) {
		r->set = xreallocarray(r->set, r->n_sets + 1, sizeof(struct tables *));
		r->set[r->n_sets++] = tables_ref(set);
		SLIST_FOREACH(w, &set->watched, link) {
			r->look = xreallocarray(r->look, r->n + 1, sizeof(*r->look));
			r->look[r->n] = (struct look){ .w = w };
			TAILQ_INIT(&r->look[r->n].problems);
			r->n++;
		}
	}
	for (size_t i = 0; i < r->n; i++)	/* they have moved: tail queues point at themselves */
		TAILQ_INIT(&r->look[i].problems);
	follow.round = true;
	return r;
}

static void apply(struct look *l)
{
	struct watched *w = l->w;
	struct problem *p;

	free(w->odd);
	w->odd = l->loaded ? NULL : l->odd;
	if (!l->loaded) {
		l->odd = NULL;
		return;
	}
	TAILQ_FOREACH(p, &l->problems, link)
		if (p->level == PROBLEM_WARNING)
			log_warn(NULL, "%s", p->text);
		else
			log_error(NULL, "%s", p->text);
	if (l->why != NULL)
		log_error(NULL, "%s%s", l->why, w->working ? " (the old contents stay in force)" : "");
	/* A source that names other files now has them watched; one that failed half-way may not have named all. */
	if (l->why == NULL || l->files.n >= w->files.n) {
		strs_release(&w->files);
		free(w->seen);
		w->files = l->files;
		w->seen = l->stamps;
		l->files = (struct strs){ 0 };
		l->stamps = NULL;
	} else {
		memcpy(w->seen, l->odd, w->files.n * sizeof(*w->seen));
	}
	if (l->why != NULL && w->working)
		return;
	w->class->swap(w, l->contents);
	l->contents = NULL;
	w->working = l->why == NULL;
}

static void follow_run(struct task *task)
{
	if (follow.looking) {
		enum job_result r = job_poll(&follow.job);

		if (r == JOB_WAIT)
			return;
		if (r == JOB_DONE) {
			struct round *round = follow.job.data;

			for (size_t i = 0; i < round->n; i++)
				apply(&round->look[i]);
		} else if (r == JOB_TIMEOUT) {
			log_warn(NULL, "reading changed tables takes longer than %d s", (int)(follow_limit_ms / 1000));
		}
		follow.looking = false;
		timer_end(&follow.timer);
		job_end(&follow.job);
		look_later();
	}
	if (!timer_expired(&follow.timer) || LIST_EMPTY(&follow.sets))
		return;
	timer_end(&follow.timer);
	follow.looking = true;
	job_start(&follow.job, task, follow.load, round_work, round_new(), round_free, follow_limit_ms);
	task_wake(task);	/* a full class says so at once */
}

void tables_start_following(struct tables *set)
{
	if (set->following || !follow.running)
		return;
	set->following = true;
	LIST_INSERT_HEAD(&follow.sets, set, link);
	look_later();
}

void tables_stop_following(struct tables *set)
{
	if (!set->following)
		return;
	set->following = false;
	LIST_REMOVE(set, link);
}

/* ---- freeing what is large ------------------------------------------------------------------------ */

static void reap_work(void *data)
{
	struct disposal *d = data;

	d->fn(d->p);
}

static void reap_run(struct task *task)
{
	struct disposal *d;

	for (;;) {
		if (follow.reaps) {
			enum job_result r = job_poll(&follow.reaping);

			if (r == JOB_WAIT)
				return;
			if (r == JOB_BUSY)	/* rather a slow pass than a leak */
				follow.now.fn(follow.now.p);
			job_end(&follow.reaping);
			follow.reaps = false;
		}
		if ((d = STAILQ_FIRST(&follow.dead)) == NULL)
			return;
		STAILQ_REMOVE_HEAD(&follow.dead, link);
		follow.reaps = true;
		follow.now = *d;
		job_start(&follow.reaping, task, follow.load, reap_work, d, free, LOOK_LIMIT_MS);
	}
}

bool table_on_loop(void)
{
	return follow.running && pthread_equal(follow.thread, pthread_self());
}

bool table_loop_thread(void)
{
	return follow.thread_known && pthread_equal(follow.thread, pthread_self());
}

void dispose(void (*fn)(void *), void *p)
{
	struct disposal *d;

	if (!table_on_loop()) {
		fn(p);
		return;
	}
	d = xmalloc(sizeof(*d));
	*d = (struct disposal){ .fn = fn, .p = p };
	STAILQ_INSERT_TAIL(&follow.dead, d, link);
	task_wake(&follow.reaper);
}

/* ---- start and end --------------------------------------------------------------------------------- */

struct worker_class *table_load_class(void)
{
	return follow.load;
}

void table_init(void)
{
	ASSERT(!follow.running);
	follow.running = true;
	follow.thread = pthread_self();
	follow.thread_known = true;
	follow.load = worker_class_new("load", 2, 64);
	task_init(&follow.task, "table-follow", follow_run);
	task_init(&follow.reaper, "table-reaper", reap_run);
	LIST_INIT(&follow.sets);
	STAILQ_INIT(&follow.dead);
}

void table_release(void)
{
	struct disposal *d;

	if (!follow.running)
		return;
	timer_end(&follow.timer);
	job_end(&follow.job);
	job_end(&follow.reaping);
	follow.looking = follow.reaps = false;
	task_unlink(&follow.task);
	task_unlink(&follow.reaper);
	follow.running = false;
	while ((d = STAILQ_FIRST(&follow.dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&follow.dead, link);
		d->fn(d->p);
		free(d);
	}
	table_unix_release();
	table_index_release();
	peer_release_all();
	worker_class_free(&follow.load);
}
