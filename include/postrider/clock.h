/* clock.h - time, read once per loop pass. Nothing outside src/base calls time(),
 * gettimeofday() or clock_gettime(). With --test-clock the test sets both clocks. */
#ifndef POSTRIDER_CLOCK_H
#define POSTRIDER_CLOCK_H
#include <stdint.h>

int64_t	now_ms(void);		/* monotonic, ms; as of the last clock_update() of this pass */
int64_t	wall_us(void);		/* since the epoch, µs; as of the last clock_update() */
int64_t	wall_s(void);
void	clock_update(void);	/* the loop, once per pass; programs without a loop, when they like */
int64_t	clock_fresh_us(void);	/* monotonic µs, read now: for measuring, never for deciding; any thread */
int64_t	clock_wall_fresh_us(void); /* wall µs, read now (test clock honoured); any thread: log lines */
/* Test clock: both clocks stand still at what the test says, until the next set. */
void	clock_test_set(int64_t wall_us, int64_t mono_ms);
int	clock_is_test(void);
#endif
