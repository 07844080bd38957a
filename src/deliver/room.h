/* room.h - private to src/deliver: what its files share. */
#ifndef DELIVER_ROOM_H
#define DELIVER_ROOM_H

#include <postrider/address.h>
#include <postrider/base.h>
#include <postrider/buf.h>
#include <postrider/loop.h>
#include <postrider/qmgr.h>
#include <postrider/service.h>
#include <postrider/store.h>
#include <postrider/table.h>
#include <sys/types.h>

/* ---- maildir.c: blocking, for worker threads -------------------------------------------------------------------- */
struct maildir_file {		/* one message being written into one Maildir */
	/* in: */
	char		*base;		/* virtual_mailbox_base, "" if none: trusted */
	char		*dir;		/* below it, ends in '/': from a table, not trusted */
	char		*head;		/* Return-Path and friends, lines ending in '\n' */
	int64_t		 limit;		/* virtual_mailbox_limit; 0: none */
	int64_t		 wall_us;	/* when the delivery began: for the name */
	/* out: */
	char		 dsn[8];	/* "" : fine so far */
	char		*why;		/* what failed: "create maildir file ...: Permission denied" */
	int		 error;		/* its errno */
	/* own: */
	int		 fd, tmp, new_dir;	/* -1: not open */
	char		*name, *path;	/* in tmp/, and where that is for messages */
	int64_t		 size;
	bool		 cr;		/* the last piece ended in CR */
};
void	maildir_init(struct maildir_file *);
void	maildir_open(struct maildir_file *, const char *hostname);
void	maildir_write(struct maildir_file *, const char *p, size_t n);	/* CRLF becomes LF */
void	maildir_finish(struct maildir_file *, const char *hostname);	/* durable, and visible in new/ */
void	maildir_close(struct maildir_file *);	/* what is unfinished is removed */
void	maildir_release(struct maildir_file *);	/* memory only; closed before */

/* ---- writer.c: requests from the loop to worker threads, several per trip --------------------------------------- */
enum { REQ_OPEN = 1, REQ_WRITE = 2, REQ_FINISH = 4, REQ_ABANDON = 8 };
struct write_req {
	unsigned	 what;		/* REQ_* bits, done in this order */
	struct maildir_file *file;	/* nfile of them: the same content for each */
	size_t		 nfile;
	struct message	*msg;		/* REQ_WRITE: its content is in memory; a reference */
	struct buf	 piece;		/* REQ_WRITE: else this */
	/* private to writer.c: */
	struct write_op	*op;		/* NULL: nobody waits any more */
	enum { REQ_IDLE, REQ_WAITING, REQ_OUT } state;
	TAILQ_ENTRY(write_req) link;
};
enum write_result {
	WRITE_WAIT = 0,
	WRITE_DONE,		/* see each file's dsn */
	WRITE_FAILED,		/* no worker came back in time */
};
struct write_op {		/* embedded in the owner; zeroed = idle */
	struct write_req *req;	/* fill in before write_start(); look at after WRITE_DONE; NULL on WRITE_FAILED */
	struct task	*task;
	bool		 failed;
};
void	writer_init(void);
struct write_req *write_open(struct write_op *, size_t nfile);	/* makes op->req */
void	write_start(struct write_op *, struct task *);	/* again and again on the same request */
enum write_result write_poll(struct write_op *);
void	write_end(struct write_op *);			/* what was begun and not finished is removed */

/* ---- lookup.c: an address in a map, under the keys Postfix tries ------------------------------------------------ */
struct addr_lookup {		/* an operation; zeroed = idle */
	const char	*value;	/* on TABLE_FOUND, until end */
	/* private: */
	struct task	*task;
	const struct log_ctx *log;
	const struct maps *maps;
	const struct extension_rules *rules;	/* borrowed */
	char		*addr;
	unsigned	 step;
	struct buf	 key;
	struct maps_op	 op;
	enum table_result result;
};
void	addr_lookup_start(struct addr_lookup *, struct task *, const struct log_ctx *, const struct maps *,
	    const struct extension_rules *, const char *addr);
enum table_result addr_lookup_poll(struct addr_lookup *);
void	addr_lookup_end(struct addr_lookup *);

extern const struct agent_class virtual_agent, error_agent, discard_agent, local_agent, pipe_agent;
extern const struct service_class virtual_class;
extern bool deliver_privileged;		/* other uids could be had: deliveries as another uid are not done as ours */

#endif
