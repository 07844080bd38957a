/* bounce_int.h - what the files of src/bounce share: configuration, templates, one notice under way. */
#ifndef BOUNCE_INT_H
#define BOUNCE_INT_H
#include <postrider/bounce.h>
#include <postrider/buf.h>
#include <postrider/cleanup.h>
#include <postrider/config.h>
#include <postrider/log.h>

enum { TEMPLATES = 4, TEMPLATE_FILE_MAX = 1 << 20 };

/* ---- template.c ---- */
struct template {
	const char	*name;			/* "failure", "delay", "success", "verify" */
	char		*charset, *from, *subject;	/* owned */
	char		*postmaster_subject;	/* owned; NULL: this kind has no postmaster copies */
	char		*text;			/* owned; as written, lines end with '\n' */
	char		*expanded;		/* owned; NULL until template_expand() */
	const char	*origin;		/* file it came from, or "[built-in]" */
	const char	*zero;			/* a time parameter that came out as 0, for a warning; NULL */
	const char	*zero_unit;
};
struct templates { struct template t[TEMPLATES]; char *file; };
void	templates_builtin(struct templates *, const struct view *);	/* its header_from_format; may be NULL */
/* The file's templates in place of the built-in ones. Blocking. */
void	templates_load(struct templates *, const char *file, struct problems *);
void	templates_parse(struct templates *, const char *file, char *text, struct problems *);
void	templates_expand(struct templates *, const struct view *, struct problems *);
void	templates_release(struct templates *);

/* ---- format.c ---- */
/* Calls put once per line of text, wrapped at the last blank before column `width`, continued lines with `indent`
 * blanks in front. A word that does not fit is not broken. */
void	wrap_text(const char *text, size_t width, size_t indent,
	    void (*put)(void *arg, const char *line, size_t len), void *arg);
void	format_date(char *out, size_t size, int64_t unix_s);	/* "Sat, 21 Nov 2026 10:08:55 +0000 (UTC)" */
void	quote_7bit(struct buf *out, const char *address);	/* address_quote_822 with 8-bit bytes escaped */

/* ---- bounce.c: configuration as of one generation, shared by the notices begun under it ---- */
enum { CLASS_BOUNCE = 1, CLASS_2BOUNCE = 2, CLASS_DELAY = 4 };
struct bounce_conf {
	unsigned	 refs;			/* loop only */
	char		*log_name;		/* "postfix/bounce" */
	char		*myhostname, *mail_name, *x_name;	/* x_name: mail_name with blanks as '-' */
	char		*double_bounce;		/* full address */
	char		*bounce_rcpt, *bounce2_rcpt, *delay_rcpt;
	unsigned	 classes;
	int64_t		 size_limit, max_lifetime_s;
	bool		 utf8, long_ids;
	bool		 verp_off;		/* disable_verp_bounces */
	struct templates templates;
};
void	bounce_conf_unref(struct bounce_conf **);

/* ---- walk.c: the recipients to report, from memory or from the store ---- */
enum walk_result { WALK_WAIT = 0, WALK_RCPT, WALK_END, WALK_FAILED };
struct walk {
	const struct bounce_request *req;
	struct task	*task;
	struct store_load_op load;
	uint32_t	 i;			/* next in the list or slice */
	uint32_t	 next_n;		/* where the next slice begins */
	bool		 loading, last;		/* last: no slice behind this one */
};
void	walk_start(struct walk *, struct task *, const struct bounce_request *);
enum walk_result walk_next(struct walk *, const struct rcpt **r);	/* valid until the next call */
void	walk_end(struct walk *);

/* ---- notice.c: one message being written ---- */
struct notice_to {
	const char	*from, *to;		/* envelope; borrowed */
	bool		 postmaster;		/* a copy: no text, every recipient */
	unsigned	 notify;		/* DSN_* bit a recipient must want; 0: all */
	bool		 full;			/* return the body too */
	const char	*what;			/* "sender non-delivery notification" */
};
enum notice_state { NOTICE_TEXT, NOTICE_STATUS, NOTICE_HEADER, NOTICE_BODY, NOTICE_FINISH, NOTICE_DONE };
enum notice_result { NOTICE_WAIT = 0, NOTICE_QUEUED, NOTICE_NONE /* nobody to report */, NOTICE_FAILED };
struct notice {
	struct task	*task;
	struct bounce_conf *conf;		/* borrowed */
	const struct bounce_request *req;	/* borrowed */
	struct notice_to to;
	struct store_txn **joined;		/* goes with the commit; NULL: none */
	enum notice_state state;
	enum notice_result result;
	struct walk	 walk;
	struct cleanup	*cleanup;		/* opened with the first recipient */
	struct content_op content;
	bool		 walking, reading;
	bool		 mid_line;		/* an unfinished line of the original is with cleanup */
	bool		 cr;			/* the last piece ended in CR: its LF is to come */
	char		 id[QUEUE_ID_TEXT];
	char		 boundary[QUEUE_ID_TEXT + 300];
	struct buf	 line;
};
void	notice_start(struct notice *, struct task *, struct bounce_conf *, const struct bounce_request *,
	    const struct notice_to *, struct store_txn **joined);
enum notice_result notice_poll(struct notice *);
void	notice_end(struct notice *);
/* The parts that say something about one recipient or the message; in report.c. */
void	notice_put(struct notice *, const char *fmt, ...) PRINTF(2, 3);
void	report_open(struct notice *);			/* message header and text */
void	report_text(struct notice *, const struct rcpt *);
void	report_status_open(struct notice *);
void	report_status(struct notice *, const struct rcpt *);
void	report_original_open(struct notice *);
void	report_close(struct notice *);
bool	report_headers_only(const struct notice *);
#endif
