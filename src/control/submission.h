/* submission.h - private to src/control: one message by way of sendmail, over the socket or from maildrop. */
#ifndef CONTROL_SUBMISSION_H
#define CONTROL_SUBMISSION_H
#include <postrider/base.h>
#include <postrider/cleanup.h>
#include <sys/types.h>

struct submission;
enum submission_result { SUBMISSION_WAIT = 0, SUBMISSION_READY, SUBMISSION_QUEUED, SUBMISSION_REFUSED };
struct submission *submission_new(struct task *, uid_t);
/* "sender", "rcpt" (after all others) and so on, as sendmail sends them. NULL, or what is wrong. */
const char *submission_attr(struct submission *, const char *name, const char *value);
/* Content: lines end with LF, in pieces of any size. Push while poll says READY. */
void	submission_data(struct submission *, const char *p, size_t n);
void	submission_finish(struct submission *);
enum submission_result submission_poll(struct submission *);
const char *submission_why(const struct submission *, int *status_r);	/* REFUSED: for people; a sysexits status or 0 */
const char *submission_id(const struct submission *);
void	submission_free(struct submission **);		/* before it is queued: nothing remains */
#endif
