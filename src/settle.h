/* settle.h - descriptors, memory and pages of the relay's process. */
#ifndef POSTRIDER_SETTLE_H
#define POSTRIDER_SETTLE_H
/* Raises the descriptor limit, fetches and locks the program's pages, takes memory in advance. Once, before
 * the first thread; what the system does not grant is done without. */
void	process_settle(void);
#endif
