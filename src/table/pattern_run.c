/* pattern_run.c - look-ups in tables of patterns.
 * Rules are tried in order until one holds. What a client sends may make a rule take long, or a thousand of them:
 * the loop does only what an engine can tell within a moment, and for a moment. From the rule on where that ends,
 * the look-up is a job in a worker class of the table's own; the job owns a reference to the patterns and copies of
 * the rest. Its time limit counts from when a worker begins: in a rush of mail many wait for a thread, each for a
 * moment, and all are answered. Who waits longer than WAIT_LIMITS limits, or behind nothing but jobs that are past
 * theirs, is not. A rule that could not be told counts as one that does not hold, as in Postfix,
 * and its reason is logged. */
#include <sys/resource.h>
#include <postrider/clock.h>

#include "pattern.h"

enum {
	LOOP_US = 4000,
	LOOK_EVERY = 8, LONG_KEY = 128,	/* rules between looks at the clock; with such a key, each may take long */
	THREADS = 4, QUEUE_MAX = 10000, WAIT_LIMITS = 10,
	ANSWER_BYTES = 1024, JOB_NICE = 10,
};

struct run {			/* some rules, one key */
	struct patterns	*p;
	struct pattern_job job;
	const uint64_t	*may;
	size_t		 at;		/* the rule, and after a match the one */
	int64_t		 end_us;	/* on the clock; 0: no end, 1: so far */
	struct pattern_match *match;
	struct buf	*why;		/* lines */
};
struct late {			/* a job's data */
	struct patterns	*p;
	char		*key;
	uint64_t	*may;
	size_t		 at;
	_Atomic int64_t	 begun_us;	/* 0: no worker has begun */
	int64_t		 limit_us;
	enum table_result result;
	struct buf	 why, value;
	bool		 stuck;
};
struct wait {
	struct job_op	 job;
	struct late	*late;		/* the job's */
	struct timer	 timer;
	int64_t		 asked_us;
};

bool pattern_unfiltered;

/* The first step from i on that may match. */
static size_t next_step(const struct patterns *p, const uint64_t *may, size_t i)
{
	if (may == NULL || i >= p->n)
		return i;
	for (size_t w = i / 64; w * 64 < p->n; w++) {
		uint64_t bits = may[w] & (w == i / 64 ? ~UINT64_C(0) << i % 64 : ~UINT64_C(0));

		if (bits != 0)
			return w * 64 + (size_t)__builtin_ctzll(bits);
	}
	return p->n;
}

static enum pattern_result exec(struct run *r, void *compiled, bool not, bool groups)
{
	enum pattern_result x;

	r->job.match = groups ? r->match : NULL;
	x = r->p->engine->exec(compiled, &r->job);
	if (x == PATTERN_ERROR)
		buf_addf(r->why, "%s%s map %s, line %d: %s", r->why->len > 0 ? "\n" : "", r->p->engine->name, r->p->name,
		    r->p->step[r->at].line, r->job.why);
	return x == PATTERN_YES || x == PATTERN_NO ? (enum pattern_result)((x == PATTERN_YES) != not) : x;
}

/* The clock is first looked at when there is something to measure. */
static bool over(struct run *r)
{
	int64_t now = clock_fresh_us();

	if (r->end_us == 1)
		r->end_us = now + LOOP_US;
	return now > r->end_us;
}

/* From r->at on. WAIT: to be gone on with at r->at, elsewhere. */
static enum table_result go(struct run *r)
{
	struct patterns *p = r->p;
	unsigned tried = 0, look_every = r->job.len >= LONG_KEY ? 1 : LOOK_EVERY;

	for (size_t i = next_step(p, r->may, r->at); i < p->n; i = next_step(p, r->may, i)) {
		const struct step *s = &p->step[i];
		enum pattern_result x;

		r->at = i;
		if (r->end_us != 0 && ++tried % look_every == 0 && over(r))
			return TABLE_WAIT;
		x = exec(r, s->first, s->first_not, s->groups);
		if (x == PATTERN_YES && s->second != NULL)
			x = exec(r, s->second, s->second_not, false);
		if (x == PATTERN_LATER)
			return TABLE_WAIT;
		if (!s->is_if && x == PATTERN_YES)
			return TABLE_FOUND;
		i = !s->is_if || x == PATTERN_YES ? i + 1 : s->end;
	}
	return TABLE_NONE;
}

static bool stored(const struct step *s)
{
	return !s->groups && s->n <= 1;
}

static const char *stored_text(const struct step *s)
{
	return s->n == 1 ? s->piece[0].text : "";
}

/* The result of the rule that holds. */
static void put_value(const struct run *r, struct buf *out)
{
	const struct step *s = &r->p->step[r->at];

	for (size_t i = 0; i < s->n; i++) {
		const struct piece *piece = &s->piece[i];

		if (piece->text != NULL)
			buf_adds(out, piece->text);
		else if (r->match->begin[piece->group] >= 0)
			buf_add(out, r->job.key + r->match->begin[piece->group],
			    (size_t)(r->match->end[piece->group] - r->match->begin[piece->group]));
	}
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static void free_patterns(void *p)
{
	pattern_free(p);
}

static void unref(struct patterns *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		dispose(free_patterns, p);
}

static void retire(struct patterns *p)
{
	if (p->class != NULL)
		worker_class_free(&p->class);
	unref(p);
}

static void retire_posted(struct loop_msg *m)
{
	retire(CONTAINER_OF(m, struct patterns, retired));
}

void pattern_close(void *contents)
{
	struct patterns *p = contents;

	if (p->class == NULL || table_loop_thread()) {
		retire(p);
	} else {
		p->retired.fn = retire_posted;
		loop_post(&p->retired);
	}
}

/* On a worker, which steps back for the loop. */
static void late_work(void *data)
{
	static _Thread_local bool stepped_back;
	struct late *l = data;
	int64_t now_us = clock_fresh_us();
	struct run r = { .p = l->p, .may = l->may, .at = l->at, .end_us = now_us + l->limit_us, .why = &l->why };
	struct pattern_match match;
	struct perl_scratch *scratch = perl_scratch_new();

	atomic_store(&l->begun_us, now_us);
	if (!stepped_back)
		setpriority(PRIO_PROCESS, 0, JOB_NICE);	/* of this thread alone */
	stepped_back = true;
	r.job = (struct pattern_job){ .key = l->key, .len = strlen(l->key), .scratch = scratch, .worker = true, .slow = true };
	r.match = &match;
	l->result = go(&r);
	if (l->result == TABLE_FOUND)
		put_value(&r, &l->value);
	perl_scratch_free(&scratch);
}

static void late_free(void *data)
{
	struct late *l = data;

	if (l->stuck)
		l->p->stuck--;
	unref(l->p);
	free(l->key);
	free(l->may);
	buf_release(&l->why);
	buf_release(&l->value);
	free(l);
}

static enum table_result fail(struct table_op *op, const struct patterns *p, const char *why)
{
	buf_reset(&op->buf);
	buf_addf(&op->buf, "%s map %s: %s", p->engine->name, p->name, why);
	op->why = op->buf.p;
	return TABLE_ERROR;
}

static enum table_result start_late(const struct run *r, struct table_op *op)
{
	struct patterns *p = r->p;
	struct wait *w = xcalloc(1, sizeof(*w));
	struct late *l;

	op->state = w;
	if (p->stuck >= THREADS)
		return fail(op, p, "earlier lookups have not come to an end yet");
	if (p->class == NULL)
		p->class = worker_class_new(p->engine->name, THREADS, QUEUE_MAX);
	l = w->late = xcalloc(1, sizeof(*l));
	l->p = p;
	atomic_fetch_add(&p->refs, 1);
	l->key = xstrdup(r->job.key);
	if (r->may != NULL) {
		l->may = xcalloc(p->n / 64 + 1, sizeof(uint64_t));
		memcpy(l->may, r->may, (p->n + 63) / 64 * sizeof(uint64_t));
	}
	l->at = r->at;
	l->limit_us = (int64_t)p->limit_ms * 1000;
	buf_reserve(&l->why, ANSWER_BYTES);	/* made here, where they are freed: an arena's lock is waited for */
	buf_reserve(&l->value, ANSWER_BYTES);
	buf_adds(&l->why, buf_str(r->why));
	w->asked_us = clock_fresh_us();
	timer_start(&w->timer, op->task, p->limit_ms);
	job_start(&w->job, op->task, p->class, late_work, l, late_free, (int64_t)p->limit_ms * (WAIT_LIMITS + 2));
	return pattern_poll(p, op);
}

/* The timer has expired. WAIT: there is time left, and it runs again. */
static enum table_result late_expired(struct wait *w, struct table_op *op)
{
	struct late *l = w->late;
	struct patterns *p = l->p;
	int64_t now_us = clock_fresh_us(), begun_us = atomic_load(&l->begun_us), left_us;

	if (begun_us == 0 && p->stuck >= THREADS)
		return fail(op, p, "earlier lookups have not come to an end yet");
	left_us = begun_us > 0 ? begun_us + l->limit_us - now_us : w->asked_us + l->limit_us * WAIT_LIMITS - now_us;
	if (left_us > 0) {
		timer_start(&w->timer, op->task, MIN(left_us / 1000 + 1, (int64_t)p->limit_ms));
		return TABLE_WAIT;
	}
	if (begun_us == 0)
		return fail(op, p, "too many lookups are waiting");
	l->stuck = true;
	p->stuck++;
	return fail(op, p, "matching takes too long");
}

enum table_result pattern_poll(void *contents, struct table_op *op)
{
	struct patterns *p = contents;
	struct wait *w = op->state;
	struct late *l = w->late;

	switch (job_poll(&w->job)) {
	case JOB_WAIT:
		return timer_expired(&w->timer) ? late_expired(w, op) : TABLE_WAIT;
	case JOB_DONE:
		if (l->result == TABLE_WAIT)
			break;
		op->value = l->result == TABLE_FOUND ? buf_str(&l->value) : NULL;
		op->why = l->why.len > 0 ? l->why.p : NULL;
		return l->result;
	case JOB_BUSY:
		return fail(op, p, "too many lookups are waiting");
	case JOB_TIMEOUT:		/* past all limits at once: the clock has jumped */
		l->stuck = true;
		p->stuck++;
		break;
	}
	return fail(op, p, "matching takes too long");
}

void pattern_end(void *contents UNUSED, struct table_op *op)
{
	struct wait *w = op->state;

	if (w == NULL)
		return;
	timer_end(&w->timer);
	job_end(&w->job);
	free(w);
}

/* ---- the look-up ----------------------------------------------------------------------------------------- */

/* The value, and behind its NUL what was to be said on the way. */
static enum table_result found(const struct run *r, struct table_op *op)
{
	const struct step *s = &r->p->step[r->at];
	size_t n;

	if (stored(s)) {
		op->value = stored_text(s);
		op->why = r->why->len > 0 ? r->why->p : NULL;
		return TABLE_FOUND;
	}
	if (r->why->len == 0) {
		put_value(r, &op->buf);
		op->value = buf_str(&op->buf);
		return TABLE_FOUND;
	}
	n = r->why->len + 1;
	buf_addc(&op->buf, '\0');
	put_value(r, &op->buf);
	op->why = op->buf.p;
	op->value = op->buf.p + n;
	return TABLE_FOUND;
}

enum table_result pattern_lookup(void *contents, struct table_op *op, const char *key)
{
	struct patterns *p = contents;
	struct pattern_match match;
	struct run r = { .p = p, .why = &op->buf, .match = &match };
	bool waits = table_on_loop() && op->task != NULL;
	enum table_result t;

	r.job = (struct pattern_job){ .key = key, .len = strlen(key), .scratch = p->scratch, .slow = !waits };
	if (p->prefilter != NULL && !pattern_unfiltered)
		r.may = prefilter_run(p->prefilter, key, r.job.len);
	r.end_us = waits;
	t = go(&r);
	if (t == TABLE_WAIT)
		return start_late(&r, op);
	if (t == TABLE_FOUND)
		return found(&r, op);
	op->why = r.why->len > 0 ? r.why->p : NULL;
	return t;
}
