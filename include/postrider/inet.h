/* inet.h - listening sockets, for whoever may bind: the parent, or a relay without one. */
#ifndef POSTRIDER_INET_H
#define POSTRIDER_INET_H

/* A listening TCP socket for "192.0.2.1:25" or "[::1]:25" (numbers only, IPv6 without mapped IPv4): the one that the
 * service manager passed for this very address (LISTEN_FDS), else one bound here. Close-on-exec, non-blocking.
 * -1 with *err_r. Not for two threads at a time. */
int	inet_listen(const char *addr, int *err_r);
/* `postrider start` goes on in a child: what was passed to this process is for the child. After the fork. */
void	inet_inherit(void);
#endif
