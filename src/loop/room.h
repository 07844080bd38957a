/* room.h - what the files of src/loop share. */
#ifndef LOOP_ROOM_H
#define LOOP_ROOM_H
#include <postrider/loop.h>

struct event_base;
extern struct event_base *loop_base;

/* timer.c */
int64_t	timers_next(void);			/* when the first is due, INT64_MAX: none */
void	timers_fire(void);			/* wakes the tasks of all that are due */
void	timers_arm(void);			/* before waiting */
void	timers_init(void);
void	timers_release(void);

/* stats.c */
struct block_mark {
	long	switches, faults;
	int64_t	cpu_us;
};
extern bool block_check;			/* POSTRIDER_BLOCK_CHECK=1 */
void	stats_init(void);
void	stats_check(bool running);		/* inside loop_run(), and only there, blocks are looked for */
void	stats_pass(int64_t us);
void	block_begin(struct block_mark *);
void	block_end(const struct block_mark *, const char *name);
/* Around whatever the loop calls. */
static inline void block_check_begin(struct block_mark *m)
{
	if (block_check)
		block_begin(m);
}
static inline void block_check_end(const struct block_mark *m, const char *name)
{
	if (block_check)
		block_end(m, name);
}

/* worker.c */
void	workers_release(void);

/* testclock.c */
bool	testclock_pending(void);
void	testclock_step(void);			/* nothing is runnable: on to the next timer or the answer */
void	testclock_release(void);

/* loop.c: runs what other threads have posted; true if there was anything. */
bool	loop_run_posted(void);
#endif
