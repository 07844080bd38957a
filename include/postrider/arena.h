/* arena.h - memory with one lifetime: allocate freely, release all at once.
 * Zeroed is empty. Nothing is freed singly. */
#ifndef POSTRIDER_ARENA_H
#define POSTRIDER_ARENA_H
#include <postrider/base.h>

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t	 used;		/* bytes handed out; the owner's limits look at this */
};
void	*arena_alloc(struct arena *, size_t n);		/* zeroed, aligned for anything */
char	*arena_strdup(struct arena *, const char *s);	/* NULL gives NULL */
char	*arena_strndup(struct arena *, const char *s, size_t n);
char	*arena_printf(struct arena *, const char *fmt, ...) PRINTF(2, 3);
void	 arena_reset(struct arena *);			/* keeps the first block */
void	 arena_release(struct arena *);
#endif
