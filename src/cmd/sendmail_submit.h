/* sendmail_submit.h - private to the sendmail command: one message on its way to the server. */
#ifndef CMD_SUBMIT_H
#define CMD_SUBMIT_H
#include <postrider/base.h>
#include <postrider/config.h>
#include <postrider/store.h>
#include <stdio.h>

struct submit {
	const char	*sender;	/* internal form; "" is the null sender */
	const char	*full_name;
	const char	*envid;		/* NULL: none */
	const char	*verp;		/* two delimiters; NULL: no VERP */
	struct strs	 rcpt;		/* internal form */
	char		**rcpt_args;	/* as given, NULL at the end: for a probe's To: */
	unsigned	 notify;	/* DSN_* bits, 0: not given */
	int		 ret;		/* DSN_RET_* */
	bool		 extract, verify, report, gateway, eight_bit, body_given, dot_ends;
};
/* Reads the message from in and hands it over: to the server, or into maildrop when it is down. Returns the exit
 * status; says why on standard error when it is not 0. */
int	submit_mail(const struct submit *, const struct view *, const char *login, FILE *in);
/* sendmail -bs: the server speaks SMTP on our standard input and output. */
int	submit_stand_alone(const struct view *);
#endif
