/* sendmail.h - private to the sendmail command: what the command line asks for. */
#ifndef CMD_SENDMAIL_H
#define CMD_SENDMAIL_H
#include "sendmail_submit.h"
#include <postrider/log.h>

enum mode { MODE_MAIL, MODE_QUEUE_LIST, MODE_STAND_ALONE, MODE_DAEMON, MODE_NEWALIASES, MODE_FLUSH, MODE_IGNORE };

struct request {
	enum mode	 mode;
	struct submit	 mail;
	const char	*sender_arg;	/* -f, -r as given; NULL: neither */
	const char	*flush_site, *flush_id;
	const char	*alias_file;
	bool		 extract;	/* -t */
	bool		 dot_ends;	/* a line with only "." ends the message */
	int		 verbose;
};

/* Every failure after the options were read is EX_TEMPFAIL, as callers expect: the message was not taken. */
#define FAIL(...)	log_fatal_status(EX_TEMPFAIL, __VA_ARGS__)

/* -C, which decides about all else; NULL: not given. Complains about options that do not exist, as Postfix does here. */
const char *sendmail_config_dir(int argc, char **argv);
/* The options, up to the first recipient (optind). */
void	sendmail_options(struct request *, const struct view *, int argc, char **argv);
#endif
