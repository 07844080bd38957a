/* stream.h - one buffered non-blocking socket, for every protocol, server and client.
 * The owner's task is woken when there is something to look at: bytes, room, the
 * deadline, a hang-up. Reading is limited: at most in_max bytes wait in memory, the kernel
 * holds the rest back. Writing queues; the bytes go out at stream_flush() or at the end of the
 * loop's pass, whichever comes first, in as few segments as possible (TCP_NODELAY is on).
 * TLS slips in below this door: stream_starttls_*() drops what was read before the
 * handshake (CVE-2011-0411) and everything here then means plaintext. */
#ifndef POSTRIDER_STREAM_H
#define POSTRIDER_STREAM_H
#include <postrider/base.h>
#include <sys/socket.h>

struct task;
struct stream;			/* opaque: owned by whoever made it */

enum stream_result {
	STREAM_WAIT = 0,	/* nothing to report yet: the task will be woken */
	STREAM_OK,
	STREAM_TOO_LONG,	/* stream_line: max bytes and no newline; they are in the slice, consumed */
	STREAM_EOF,		/* orderly end from the peer, all before it was read */
	STREAM_ERROR,		/* reset and the like: stream_why() */
	STREAM_TIMEOUT,		/* the deadline has passed */
};
struct slice {			/* borrowed bytes, valid until the next call on the same stream */
	const char	*p;
	size_t		 len;
};

/* Takes a connected (or accepted) non-blocking descriptor. */
struct stream *stream_new(int fd, struct task *, size_t in_max);
/* Connects; wait with stream_connect_poll(). bind_to may be NULL. Never returns NULL: an
 * immediate error shows at the poll. Deadline: set it before. */
struct stream *stream_connect(const struct sockaddr *, socklen_t, const struct sockaddr *bind_to,
	    socklen_t bind_len, struct task *, size_t in_max);
enum stream_result stream_connect_poll(struct stream *);
void	 stream_set_task(struct stream *, struct task *);	/* cached connections change owner; wakes it */
int	 stream_fd(const struct stream *);
void	 stream_free(struct stream **);			/* closes; unsent bytes are dropped */
/* Hands unsent bytes to a small background closer that lingers at most linger_ms; for
 * a last 221/421. Sets *s to NULL. */
void	 stream_close_flush(struct stream **, int64_t linger_ms);
/* fn is called when none of the streams closed so far has anything left to say, at once if none has: for who ends then. */
void	 stream_at_rest(void (*fn)(void));

/* Reading. After a failed write what the peer had sent can still be read; ERROR follows it. The task is
 * woken for input when a poll said WAIT, and for a hang-up in any case. A line ends with LF; the slice excludes it (a CR before it is included: the
 * caller decides what a bare LF means). */
enum stream_result stream_line(struct stream *, size_t max, struct slice *line_r);
/* Whatever is there, at least one byte unless WAIT/EOF/ERROR/TIMEOUT; not consumed. */
enum stream_result stream_peek(struct stream *, struct slice *r);
/* As stream_peek, but waits until at least n bytes (n <= in_max) are there or the stream ends. */
enum stream_result stream_peek_n(struct stream *, size_t n, struct slice *r);
void	 stream_consume(struct stream *, size_t n);
size_t	 stream_readable(const struct stream *);	/* bytes already buffered (pipelining) */

/* Writing: always accepted, queued. The producer of bulk data stops above out_high bytes and
 * goes on when stream_writable() (a wake comes then). */
void	 stream_write(struct stream *, const void *p, size_t n);
void	 stream_puts(struct stream *, const char *s);
void	 stream_printf(struct stream *, const char *fmt, ...) PRINTF(2, 3);
/* Queues bytes without copying; release(arg) is called when they are sent or dropped. */
void	 stream_write_ref(struct stream *, const void *p, size_t n, void (*release)(void *), void *arg);
bool	 stream_writable(const struct stream *);	/* less than out_high (64 KiB) is queued */
size_t	 stream_queued(const struct stream *);
enum stream_result stream_flush(struct stream *);	/* OK: everything is with the kernel */

/* One deadline for reading and writing: from now, in ms; 0 takes it away. Passing wakes the
 * task; every poll then says TIMEOUT until it is set anew. */
void	 stream_deadline(struct stream *, int64_t ms);
/* The peer is gone for good: an error, or it closed and all that it sent was read (seen also while
 * nobody reads). A peer may have closed its sending half only and still wait for replies: who has
 * any to give goes on; the next reading poll says STREAM_EOF or STREAM_ERROR. */
bool	 stream_gone(const struct stream *);
const char *stream_why(const struct stream *);	/* "Connection reset by peer" ...; "" if fine */
int	 stream_error(const struct stream *);		/* its errno, 0 if fine */
void	 stream_pause(struct stream *, bool paused);	/* stop reading from the kernel; hang-up still seen */

/* TLS seam. The tls module fills a struct of functions and installs it; after that, reads and writes
 * pass through it (it uses stream_fd() itself; ctx is the stream's from now on). starttls discards
 * unread input and asserts that output is flushed. A write that was told to wait is repeated
 * with the same first bytes, perhaps more of them, from another address: with OpenSSL set
 * SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER. */
struct stream_tls {
	const char	*name;
	/* Move ciphertext: each returns >0 bytes, 0 EOF, -1 with *want_r set to WATCH_* or 0 for error */
	ssize_t		(*read)(void *ctx, void *p, size_t n, int *want_r);
	ssize_t		(*write)(void *ctx, const void *p, size_t n, int *want_r);
	enum stream_result (*handshake)(void *ctx, int *want_r);	/* called until not WAIT */
	void		(*close)(void *ctx);	/* says good-bye if it can at once, frees ctx */
	const char	*(*why)(void *ctx);	/* may be NULL: what went wrong, "" if nothing did */
};
void	 stream_starttls(struct stream *, const struct stream_tls *, void *ctx);
enum stream_result stream_starttls_poll(struct stream *);

/* Printable address of a peer as Postfix logs it: "192.0.2.1", "2001:db8::1"; unix: "local". */
void	 sockaddr_name(const struct sockaddr *, char *out, size_t size);
int	 sockaddr_port(const struct sockaddr *);
#endif
