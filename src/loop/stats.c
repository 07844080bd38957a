/* stats.c - how long a pass keeps the others waiting, and (POSTRIDER_BLOCK_CHECK=1) whether
 * anything on the loop waited itself. A histogram with four steps to the octave: the
 * figure shown is the upper edge of its step. Two windows, so that what is shown always
 * covers at least one whole window. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <postrider/clock.h>
#include <postrider/log.h>

#include "room.h"

enum { WINDOW_MS = 10 * 1000, STEPS = 4 * 30, SLOW_US = 10 * 1000 };

struct window {
	uint32_t n[STEPS];
	uint64_t max;
};

static struct window now_window, last_window;
static int64_t window_began_us;
static uint64_t passes, switches, faults, slow;
static const char *last_blocked;
static bool block_check_wanted;
bool block_check;

void stats_init(void)
{
	const char *check = getenv("POSTRIDER_BLOCK_CHECK");

	block_check_wanted = check != NULL && strcmp(check, "1") == 0;
	now_window = last_window = (struct window){ 0 };
	window_began_us = clock_fresh_us();
	passes = switches = faults = slow = 0;
	last_blocked = NULL;
}

void stats_check(bool running)
{
	block_check = block_check_wanted && running;
}

/* 0..3 one each, then four steps to the octave. */
static size_t step_of(uint64_t us)
{
	unsigned log2;

	if (us < 4)
		return us;
	log2 = 63 - (unsigned)__builtin_clzll(us);
	return MIN((size_t)(log2 - 1) * 4 + ((us >> (log2 - 2)) & 3), (size_t)STEPS - 1);
}

static uint64_t upper_edge(size_t step)
{
	unsigned log2 = (unsigned)step / 4 + 1;

	return step < 4 ? step : ((uint64_t)(step % 4 + 5) << (log2 - 2)) - 1;
}

void stats_pass(int64_t us)
{
	uint64_t spent = us > 0 ? (uint64_t)us : 0;

	passes++;
	now_window.n[step_of(spent)]++;
	now_window.max = MAX(now_window.max, spent);
	if ((passes & 15) == 0 || spent > SLOW_US) {
		int64_t now = clock_fresh_us();

		if (now - window_began_us > WINDOW_MS * 1000LL) {
			last_window = now_window;
			now_window = (struct window){ 0 };
			window_began_us = now;
		}
	}
}

static uint64_t percentile(unsigned per_cent)
{
	uint64_t total = 0, seen = 0;

	for (size_t i = 0; i < STEPS; i++)
		total += now_window.n[i] + last_window.n[i];
	for (size_t i = 0; i < STEPS; i++) {
		seen += now_window.n[i] + last_window.n[i];
		if (total > 0 && seen * 100 >= total * per_cent)
			return upper_edge(i);
	}
	return 0;
}

void loop_stats(struct loop_stats *s)
{
	uint64_t max = MAX(now_window.max, last_window.max);

	*s = (struct loop_stats){
		.passes = passes,
		.lag_us_p50 = MIN(percentile(50), max),
		.lag_us_p99 = MIN(percentile(99), max),
		.lag_us_max = max,
		.blocked_switches = switches,
		.blocked_faults = faults,
		.slow_callbacks = slow,
		.last_blocked = last_blocked,
	};
}

static void measure(struct block_mark *m)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	m->switches = u.ru_nvcsw;
	m->faults = u.ru_majflt;
	m->cpu_us = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

void block_begin(struct block_mark *m)
{
	measure(m);
}

void block_end(const struct block_mark *before, const char *name)
{
	struct block_mark m;

	measure(&m);
	if (m.switches == before->switches && m.faults == before->faults && m.cpu_us - before->cpu_us <= SLOW_US)
		return;
	if (m.switches != before->switches || m.faults != before->faults) {
		switches += (uint64_t)(m.switches - before->switches);
		faults += (uint64_t)(m.faults - before->faults);
		last_blocked = name;
		log_warn(NULL, "loop: blocked in %s: %ld voluntary context switches, %ld major faults", name,
		    m.switches - before->switches, m.faults - before->faults);
	}
	if (m.cpu_us - before->cpu_us > SLOW_US) {
		slow++;
		log_info(NULL, "loop: slow in %s: %lld us of CPU time", name, (long long)(m.cpu_us - before->cpu_us));
	}
}
