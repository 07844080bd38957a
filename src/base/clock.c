/* clock.c - the only reader of the system's clocks. Values are atomic because the log and
 * worker threads ask too; nobody needs them ordered. */
#include <stdatomic.h>
#include <time.h>

#include <postrider/base.h>
#include <postrider/clock.h>

static _Atomic int64_t mono_ms_, wall_us_;
static atomic_bool is_test;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_update(void)
{
	if (atomic_load_explicit(&is_test, memory_order_relaxed))
		return;
	atomic_store_explicit(&mono_ms_, read_us(CLOCK_MONOTONIC) / 1000, memory_order_relaxed);
	atomic_store_explicit(&wall_us_, read_us(CLOCK_REALTIME), memory_order_relaxed);
}

int64_t now_ms(void)
{
	int64_t ms = atomic_load_explicit(&mono_ms_, memory_order_relaxed);

	if (ms == 0 && !atomic_load_explicit(&is_test, memory_order_relaxed)) {	/* before the first pass */
		clock_update();
		ms = atomic_load_explicit(&mono_ms_, memory_order_relaxed);
	}
	return ms;
}

int64_t wall_us(void)
{
	int64_t us = atomic_load_explicit(&wall_us_, memory_order_relaxed);

	if (us == 0 && !atomic_load_explicit(&is_test, memory_order_relaxed)) {
		clock_update();
		us = atomic_load_explicit(&wall_us_, memory_order_relaxed);
	}
	return us;
}

int64_t wall_s(void)
{
	return wall_us() / 1000000;
}

int64_t clock_fresh_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_fresh_us(void)
{
	return atomic_load_explicit(&is_test, memory_order_relaxed) ?
	    atomic_load_explicit(&wall_us_, memory_order_relaxed) : read_us(CLOCK_REALTIME);
}

void clock_test_set(int64_t wall, int64_t mono)
{
	atomic_store(&is_test, true);
	atomic_store(&mono_ms_, mono);
	atomic_store(&wall_us_, wall);
}

int clock_is_test(void)
{
	return atomic_load_explicit(&is_test, memory_order_relaxed);
}
