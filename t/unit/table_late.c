/* Look-ups in patterns that go to workers: a rush of them is answered however long the queue is, as long as each alone is within
 * the time limit; those behind jobs that never end are not; and what ordinary rules need stays on the loop. */
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/loop.h>

#include "table/pattern.h"
#include "tap.h"

enum { RUSH = 300, STUCK = 4, BEHIND = 6 };

static struct asker {
	struct task	 task;
	struct table_op	 op;
	enum table_result result;
} asker[RUSH];
static struct patterns *asked;
static int n_left;
static sem_t held;

/* ---- an engine that takes its time --------------------------------------------------------------------- */

static enum pattern_result take_50_ms(void *compiled, struct pattern_job *j)
{
	(void)compiled;
	if (!j->slow)
		return PATTERN_LATER;
	usleep(50 * 1000);
	return PATTERN_YES;
}

static enum pattern_result never_end(void *compiled, struct pattern_job *j)
{
	(void)compiled;
	if (!j->slow)
		return PATTERN_LATER;
	while (sem_wait(&held) < 0)
		;
	return PATTERN_YES;
}

static int tried;

static enum pattern_result take_2_ms(void *compiled, struct pattern_job *j)
{
	(void)compiled;
	if (!j->slow) {
		tried++;
		usleep(2000);
	}
	return PATTERN_NO;
}

static void release(void *compiled)
{
	(void)compiled;
}

static const struct pattern_engine slow = { .name = "slow", .exec = take_50_ms, .release = release };
static const struct pattern_engine quick = { .name = "quick", .exec = take_2_ms, .release = release };
static const struct pattern_engine stuck = { .name = "stuck", .exec = never_end, .release = release };

static struct patterns *patterns_of(const struct pattern_engine *engine, size_t n, int limit_ms)
{
	static char something;
	struct patterns *p = xcalloc(1, sizeof(*p));

	p->engine = engine;
	p->name = xstrdup("test");
	p->step = xcalloc(n, sizeof(*p->step));
	for (size_t i = 0; i < n; i++)
		p->step[i].first = &something;
	p->n = n;
	p->limit_ms = limit_ms;
	atomic_init(&p->refs, 1);
	return p;
}

/* ---- many who ask at once ------------------------------------------------------------------------------ */

static void asker_run(struct task *t)
{
	struct asker *a = CONTAINER_OF(t, struct asker, task);

	if (a->result != TABLE_WAIT || (a->result = pattern_poll(asked, &a->op)) == TABLE_WAIT)
		return;
	if (--n_left == 0)
		loop_stop();
}

static int start_all(struct patterns *p, int n, const char *key)
{
	int waiting = 0;

	asked = p;
	n_left = n;
	for (int i = 0; i < n; i++) {
		asker[i] = (struct asker){ 0 };
		task_init(&asker[i].task, "asker", asker_run);
		asker[i].op.task = &asker[i].task;
		asker[i].result = pattern_lookup(p, &asker[i].op, key);
		waiting += asker[i].result == TABLE_WAIT;
	}
	return waiting;
}

static void end_all(int n)
{
	for (int i = 0; i < n; i++) {
		pattern_end(asked, &asker[i].op);
		buf_release(&asker[i].op.buf);
		task_unlink(&asker[i].task);
	}
	pattern_close(asked);
}

static void test_rush(void)
{
	int found = 0;

	is_int(start_all(patterns_of(&slow, 1, 2000), RUSH, "key"), RUSH, "a rush: all are accepted");
	loop_run();
	for (int i = 0; i < RUSH; i++)
		found += asker[i].result == TABLE_FOUND;
	is_int(found, RUSH, "and answered, though the last one waits longer than a look-up may take");
	end_all(RUSH);
}

/* A long key: each rule may take its time. */
static void test_long_key(void)
{
	char key[300];

	memset(key, 'x', sizeof(key));
	key[sizeof(key) - 1] = '\0';
	is_int(start_all(patterns_of(&quick, 100, 5000), 1, key), 1, "rules that take 2 ms each: not all on the loop");
	ok(tried <= 3, "but %d", tried);
	loop_run();
	is_int(asker[0].result, TABLE_NONE, "the others elsewhere");
	end_all(1);
}

static void test_stuck(void)
{
	int too_long = 0, behind = 0;

	is_int(start_all(patterns_of(&stuck, 1, 300), STUCK + BEHIND, "key"), STUCK + BEHIND, "what never ends is accepted");
	loop_run();
	for (int i = 0; i < STUCK + BEHIND; i++) {
		const char *why = asker[i].op.why;

		ASSERT(asker[i].result == TABLE_ERROR && why != NULL);
		too_long += strcmp(why, "stuck map test: matching takes too long") == 0;
		behind += strcmp(why, "stuck map test: earlier lookups have not come to an end yet") == 0;
	}
	is_int(too_long, STUCK, "those that have begun are given up");
	is_int(behind, BEHIND, "those behind them, too");
	for (int i = 0; i < STUCK + BEHIND; i++)
		sem_post(&held);
	end_all(STUCK + BEHIND);
}

/* ---- what stays ------------------------------------------------------------------------------------------- */

static void at_once(struct tables *set, const char *spec, const char *key, const char *want)
{
	struct table_op op = { 0 };
	struct task task;

	task_init(&task, "test", NULL);
	table_start(&op, &task, table_open(set, spec, TABLE_ADDR, NULL, NULL), key);
	is_str(op.result == TABLE_FOUND ? op.value : op.result == TABLE_WAIT ? "(later)" : "-", want, "%s: at once", spec);
	table_end(&op);
	task_unlink(&task);
}

static void test_ordinary(struct tables *set)
{
	char key[800], want[800];

	at_once(set, "regexp:{ {/^(.{1,64})@(.{1,200})\\.test$/ $1 of $2} }", "somebody.with.a.long.name@department.of.things.test",
	    "somebody.with.a.long.name of department.of.things");
	at_once(set, "regexp:{ {/(^|,)foo($|,)bar/ yes}, {/^foo\\B/ no} }", "a,foo,bar", "yes");
	at_once(set, "regexp:{ {/^(.{1,400}|b)@(.*)$/ $1} }", "somebody.with.a.long.name@department.of.things.test", "(later)");
	memset(key, 'x', sizeof(key));
	memcpy(key, "Subject: ", 9);
	key[700] = '\0';
	snprintf(want, sizeof(want), "<%s>", key + 9);
	at_once(set, "regexp:{ {/^Subject: (.*)$/ <$1>} }", key, want);
}

int main(void)
{
	static struct view view;
	struct tables *set;

	clock_update();
	loop_init();
	table_init();
	ASSERT(sem_init(&held, 0, 0) == 0);
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	set = tables_new(&view);
	test_rush();
	test_stuck();
	test_long_key();
	test_ordinary(set);
	tables_unref(&set);
	table_release();
	loop_release();
	return done_testing();
}
