/* cleanup_room.h - what the files of src/cleanup share. */
#ifndef CLEANUP_ROOM_H
#define CLEANUP_ROOM_H
#include <postrider/cleanup.h>
#include <postrider/config.h>
#include <postrider/hash.h>
#include <postrider/log.h>
#include <postrider/mime.h>
#include <postrider/rewrite.h>

/* One "cleanup" line of master.cf, compiled. */
struct cleanup_conf {
	const char	*name;		/* of the line; NULL: the base configuration */
	const struct view *view;
	char		*log_name;	/* "postfix/cleanup" */
	struct mime_config mime, mime_internal;	/* with inspection, without */
	uint64_t	 drop;		/* message_drop_headers: set of hdr_id */
	struct strs	 drop_other;	/* names that are not well known */
	bool		 replace_stray;	/* cleanup_replace_stray_cr_lf */
	bool		 strip_any, reject_any;
	unsigned char	 strip[256], reject[256];
	bool		 detect_submit, detect_smtpd, detect_bounce, detect_notify;	/* smtputf8_autodetect_classes */
	bool		 utf8;		/* smtputf8_enable */
	bool		 orig_rcpt;	/* enable_original_recipient */
	size_t		 line_limit;
};
const struct cleanup_conf *conf_of(const struct generation *, const struct service *owner);

/* Reasons for refusal, strongest first as Postfix's cleanup_strerror lists them. */
enum cleanup_stat { STAT_DEFER = 1, STAT_RCPT = 2, STAT_HOPS = 4, STAT_SIZE = 8, STAT_CONT = 16, STAT_WRITE = 32 };

struct pending_rcpt {
	char		*addr, *orig, *orcpt;	/* orig NULL: addr */
	unsigned	 notify;
	bool		 copy;			/* automatic: makes no further copies */
};
/* A header that came while another one's addresses are being looked up. */
struct waiting_header {
	STAILQ_ENTRY(waiting_header) link;
	const struct hdr_info *info;	/* NULL: not well known */
	size_t		 len;
	char		 text[];
};

struct cleanup {
	struct task	*task;
	const struct cleanup_conf *conf;
	const struct generation *generation;
	struct log_ctx	 log;
	bool		 detect;	/* SMTPUTF8 by what is in addresses and headers */
	unsigned	 flags;
	enum { C_OPEN, C_FINISHED /* content is complete */, C_COMMIT, C_DONE } state;
	enum cleanup_result result;	/* in C_DONE */
	struct message	*msg;		/* ours */
	struct store_txn *joined;

	/* Refusal */
	struct cleanup_error error;	/* code 0: none */
	struct cleanup_error bounce;	/* CLEANUP_BOUNCE: why it will be returned; code 0: it will not */

	/* Envelope */
	struct expand_ctx expand_ctx;
	struct expand_op expand;
	bool		 expanding, expanding_sender, have_sender;
	char		*raw_sender;	/* waits for its turn */
	struct pending_rcpt *pending;
	size_t		 npending, next_pending, pending_cap;
	struct hash	 dups;		/* used beyond a few recipients */
	size_t		 hashed;	/* recipients in it */
	unsigned	 expand_flags;	/* EXPAND_*, of this message */
	const char	*last_rcpt;	/* as given; for log lines */

	/* Content */
	struct mime	*mime;
	bool		 only_body;	/* lines go straight to the body */
	bool		 started;	/* the content's first line was seen (what may be a From_ line) */
	bool		 mid_line;
	bool		 separator;	/* the empty line behind the headers was seen */
	bool		 spilled;	/* the header block was too large and goes on in the body */
	struct buf	 header;
	struct content	*content;
	int64_t		 act_size;	/* against message_size_limit */
	int64_t		 size_limit;
	int64_t		 record_size;	/* as Postfix counts its queue file */
	struct buf	 changed;	/* a line without stray CR, without message_strip_characters */

	/* Headers */
	enum rewrite_context context;
	uint64_t	 seen;		/* set of hdr_id */
	unsigned	 hops;
	bool		 resent, headers_done, from_wanted;
	char		*full_name;
	struct expand_ctx header_ctx;
	struct header_op header_op;	/* addresses of `rewriting` */
	struct waiting_header *rewriting;
	STAILQ_HEAD(, waiting_header) waiting;
	size_t		 waiting_bytes;
	bool		 end_waits;	/* the block ended meanwhile */
	bool		 no_spill;	/* headers may be written after body lines: never into the body */

	/* Drafts */
	uint32_t	 next_draft;	/* number of chunks given away */
	int64_t		 drafted;	/* their bytes */
	struct store_op	 draft_op, commit_op;
	bool		 drafting;
};

/* cleanup.c */
void	content_refuse(struct cleanup *, enum cleanup_stat, const char *dsn_and_text);	/* NULL: the standard text */
/* envelope.c */
void	envelope_copy(struct cleanup *, const char *addr);	/* always_bcc and the like */
bool	envelope_run(struct cleanup *);		/* false: waiting for a look-up */
uint32_t envelope_count(const struct message *);	/* recipients to deliver to */
void	envelope_release(struct cleanup *);
/* header.c */
void	header_line(void *arg, enum mime_place, const struct hdr_info *, const char *text, size_t len);
void	header_end(void *arg);
void	header_mime_error(void *arg, unsigned bit, const char *detail, size_t len);
bool	header_run(struct cleanup *);		/* false: waiting for a look-up */
void	header_release(struct cleanup *);
void	header_from(struct cleanup *);		/* From: and what comes behind, once the sender is known */
const char *client_of(const struct cleanup *, struct buf *);	/* "name[addr]", for log lines */
/* output.c */
void	put_header(struct cleanup *, const char *text, size_t len, bool to_body /* of a part or nested message */);
int64_t	queue_file_size(const struct cleanup *);	/* as Postfix's would have it, envelope and all */
void	put_body(void *arg, const char *line, size_t len, bool partial);
bool	drafts_run(struct cleanup *);		/* false: too much is waiting for the disk */
void	drafts_drop(struct cleanup *);
void	drafts_finish(struct cleanup *, struct store_txn *);	/* the rest of the body, when part of it is in drafts */
#endif
