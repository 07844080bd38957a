/* direct.h - private to base: a line that must not wait for the log thread. */
#ifndef BASE_DIRECT_H
#define BASE_DIRECT_H
#include <postrider/log.h>

/* Writes text (with its level word) to where the log goes and to standard error, at once,
 * without allocating, from any thread and in any state. */
void	log_direct(enum log_level, const char *text);
#endif
