/* peer.h - connections to a server that speaks a small request-and-reply protocol: socketmap:, tcp:, memcache:.
 * A peer_op is one turn on a connection: an idle one if there is any, else a new one, as long as there are fewer than
 * CONNECTIONS_MAX to that server; who comes later waits in turn. Everything but the address is for the loop's thread. */
#ifndef TABLE_PEER_H
#define TABLE_PEER_H
#include <postrider/dns.h>
#include <postrider/loop.h>

struct peer;
struct stream;
struct view;

struct peer_addr {		/* where a server is, parsed; immutable */
	char	*name;		/* "host:port" or the path, for messages */
	char	*host;		/* NULL: a UNIX socket */
	int	 port;		/* -1: no such service */
	char	*path;
	char	*key;		/* of its peer */
	size_t	 in_max;	/* longest reply, as in stream_connect() */
	const char *what;	/* before the name in messages: "TCP map ", NULL: nothing */
};
/* "inet:host:port", "unix:path". Blocks (service names). protocol: connections are shared among tables of the same.
 * NULL, or what is wrong in Postfix's words (malloced). */
char	*peer_addr_parse(struct peer_addr *, const char *protocol, size_t in_max, const char *text,
	    const char *queue_directory);
void	 peer_addr_inet(struct peer_addr *, const char *protocol, size_t in_max, const char *hostport);	/* or "port" */
void	 peer_addr_release(struct peer_addr *);

enum peer_result { PEER_WAIT = 0, PEER_READY, PEER_FAILED };
struct peer_op {		/* embedded; zeroed = idle */
	struct stream	*stream;	/* on PEER_READY: deadline and contents are the caller's; never freed by it */
	bool		 reused;	/* it was idle: the other side may have closed it just now */
	int		 err;		/* on PEER_FAILED: errno */
	char		 why[512];	/* on PEER_FAILED: "connect to NAME: reason", perhaps a line before it */
	/* private: */
	int		 state;
	enum peer_result result;
	const struct peer_addr *addr;
	struct peer	*peer;
	struct task	*task;
	struct conn	*conn;
	struct host_op	 resolve;
	size_t		 next;		/* address to try */
	struct timer	 limit;
	TAILQ_ENTRY(peer_op) link;	/* among those that wait for a connection */
};
/* addr outlives the operation; limit_ms until there is a connection, shared evenly by the addresses of the host. */
void	peer_start(struct peer_op *, struct task *, const struct peer_addr *, int64_t limit_ms);
enum peer_result peer_poll(struct peer_op *);
/* keep: the reply was read to its end, the connection serves the next one. */
void	peer_end(struct peer_op *, bool keep);
void	peer_release_all(void);			/* at the end: nobody has an operation */
#endif
