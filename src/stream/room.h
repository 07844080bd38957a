/* room.h - what the files of src/stream share. */
#ifndef STREAM_ROOM_H
#define STREAM_ROOM_H
#include <sys/uio.h>

#include <postrider/loop.h>
#include <postrider/stream.h>

enum {
	OUT_HIGH = 64 * 1024,
	FILL_BYTES = 64 * 1024,		/* of one read */
	BLOCK_FIRST = 960,		/* a reply or two: what malloc keeps at hand */
	BLOCK_NEXT = 16 * 1024 - 64,
	WRITE_VECTORS = 64,
};

/* Bytes to be sent: copied into data, or somebody else's until release(). */
struct block {
	STAILQ_ENTRY(block) link;
	const char	*p;
	size_t		 len, cap;	/* cap: of data; 0: not ours */
	void		(*release)(void *);
	void		*arg;
	char		 data[];
};

enum connect_state { NOT_CONNECTING = 0, CONNECTING, RETRYING };

struct stream {
	struct watch	 watch;
	struct task	*task;
	struct timer	 deadline;
	int		 fd;

	/* Input. buf[off..len) is unread; buf is NULL while nothing is. */
	char		*buf;
	size_t		 off, len, cap, in_max;
	size_t		 searched;	/* bytes behind off known to hold no newline */

	/* Output. */
	STAILQ_HEAD(, block) out;
	struct block	*last;		/* of out, when it is not empty */
	size_t		 out_done;	/* sent bytes of the first block */
	size_t		 queued;
	TAILQ_ENTRY(stream) dirty;	/* to be flushed at the end of the pass */

	/* TLS: NULL while plain. */
	const struct stream_tls *tls;
	void		*tls_ctx;
	int		 tls_read_wants;	/* WATCH_WRITE: reading waits for room; else 0 */
	int		 tls_write_wants;	/* WATCH_READ: writing waits for input; else 0 */
	int		 tls_hands_want;	/* during the handshake: what it waits for */

	struct connector *connector;	/* a UNIX socket's full backlog: try again */
	int		 error;		/* errno of the first failure, 0: none */
	enum connect_state connect : 8;
	bool		 can_read : 1, can_write : 1;	/* as far as the kernel last told */
	bool		 hup : 1;		/* the peer will send no more; reading goes on to the end */
	bool		 eof : 1;		/* read to the end */
	bool		 in_error : 1, out_error : 1;	/* reading failed; writing failed */
	bool		 unsure : 1;		/* the last edge may have been an error */
	bool		 in_waited : 1;		/* the owner was told to wait for input */
	bool		 out_waited : 1;	/* ... for the queue to be empty */
	bool		 paused : 1;
	bool		 is_dirty : 1;
	bool		 hands : 1;		/* TLS handshake under way */
};

/* input.c */
bool	stream_fill(struct stream *);		/* reads what fits; true: something changed */
void	stream_in_release(struct stream *);
bool	stream_discard(struct stream *);	/* reads and forgets; true: the end was reached */

/* output.c */
void	stream_out_push(struct stream *);	/* hands the kernel what it takes */
void	stream_out_drop(struct stream *);
void	stream_mark_dirty(struct stream *);
void	stream_flush_all(void);			/* pass-end hook */

/* stream.c */
struct stream *stream_blank(int fd, struct task *, size_t in_max);
void	stream_nodelay(int fd);
void	stream_fail(struct stream *, int error);
void	stream_event(struct watch *, int seen);
void	stream_look_for_error(struct stream *);

void	stream_close_now(struct stream *);	/* frees it */

/* connect.c */
void	stream_connect_task(struct stream *);	/* the owner has changed */
void	stream_connect_end(struct stream *);
#endif
