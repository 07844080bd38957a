/* sendmail.c - the Sendmail compatibility command: hands a message to the server over its local socket, or, when
 * the server is down, leaves it in the maildrop directory (sendmail_submit.c). Small, without any special
 * privilege. Also mailq and newaliases, by name. Options (sendmail_options.c), texts and exit statuses are those of
 * Postfix's sendmail(1). */
#include "cmd.h"
#include "sendmail.h"
#include <postrider/address.h>
#include <postrider/buf.h>
#include <postrider/config.h>
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- the modes ------------------------------------------------------------------------------------- */
static void run_program(const char *name, const char *config_dir, const char *option, const char *value, const char *arg)
{
	char *argv[8];
	int n = 0;

	argv[n++] = cmd_sibling(name);
	argv[n++] = xstrdup("-c");
	argv[n++] = xstrdup(config_dir);
	if (option != NULL)
		argv[n++] = xstrdup(option);
	if (value != NULL)
		argv[n++] = xstrdup(value);
	if (arg != NULL)
		argv[n++] = xstrdup(arg);
	argv[n] = NULL;
	execv(argv[0], argv);
	log_fatal_status(EX_UNAVAILABLE, "%s: %s", argv[0], strerror(errno));
}

/* The tables of alias_database, or the one that -oA names. */
static void run_postalias(const char *config_dir, const char *alias_file)
{
	struct config *c = cmd_load(config_dir);
	struct strs argv = { 0 };

	strs_split(&argv, alias_file != NULL ? alias_file : view_str(config_view(c), alias_database), ", \t\r\n");
	if (argv.n == 0)
		exit(0);
	argv.v = xreallocarray(argv.v, argv.n + 5, sizeof(*argv.v));
	memmove(argv.v + 4, argv.v, argv.n * sizeof(*argv.v));
	argv.v[0] = cmd_sibling("postalias");
	argv.v[1] = xstrdup("-c");
	argv.v[2] = xstrdup(config_dir);
	argv.v[3] = xstrdup("--");
	argv.v[argv.n + 4] = NULL;
	execv(argv.v[0], argv.v);
	log_fatal_status(EX_UNAVAILABLE, "%s: %s", argv.v[0], strerror(errno));
}

static void who_am_i(struct submit *m, char **login_r)
{
	uid_t uid = getuid();
	struct passwd *pw = getpwuid(uid);
	const char *env_name = getenv("NAME");

	if (pw == NULL)
		log_fatal_status(EX_OSERR, "unable to find local user name for uid %ld", (long)uid);
	*login_r = xstrdup(pw->pw_name);
	if (m->sender == NULL)
		m->sender = *login_r;
	if (m->full_name != NULL)
		return;
	if (env_name != NULL) {
		m->full_name = env_name;
	} else {
		struct buf name = { 0 };

		for (const char *p = pw->pw_gecos; *p != '\0' && *p != ',' && *p != '%'; p++) {
			if (*p == '&') {	/* the login name, capitalised: an old custom of this field */
				size_t at = name.len;

				buf_adds(&name, pw->pw_name);
				name.p[at] = (char)toupper((unsigned char)name.p[at]);
			} else
				buf_addc(&name, *p);
		}
		m->full_name = buf_steal(&name);
	}
}

/* "a@b, Name <c@d>" is two addresses, in internal form. Where there is none, it is the empty one. */
static void addresses(struct strs *out, const char *text)
{
	struct arena arena = { 0 };
	struct tok_list list = { 0 };
	struct buf b = { 0 };
	size_t before = out->n;

	tok_parse(&arena, text, SIZE_MAX, &list);
	for (struct tok *t = list.head; t != NULL; t = t->next) {
		if (t->type != TOK_ADDR)
			continue;
		buf_reset(&b);
		tok_internalize(&b, t->head);
		strs_add(out, buf_str(&b));
	}
	if (out->n == before)
		strs_add(out, "");
	buf_release(&b);
	arena_release(&arena);
}

/* -f takes one address; of several the first. */
static void sender(struct request *r)
{
	static struct strs list;	/* for good */

	if (r->sender_arg == NULL)
		return;
	addresses(&list, r->sender_arg);
	if (list.n > 1)
		log_warn(NULL, "-f option specified malformed sender: %s", r->sender_arg);
	r->mail.sender = list.v[0];
}

/* A probe tells where mail would go: what belongs to real mail makes no sense. */
static void check_probe(const struct request *r)
{
	if (r->extract)
		FAIL("-t option cannot be used with -bv");
	if (r->mail.notify != 0)
		FAIL("-N option cannot be used with -bv");
	if (r->mail.ret != DSN_RET_NONE)
		FAIL("-R option cannot be used with -bv");
	if (r->verbose == 1)
		FAIL("-v option cannot be used with -bv");
}

static int send_mail(struct request *r, char **recipients, const struct view *v)
{
	struct submit *m = &r->mail;
	char *login;
	int status;

	sender(r);
	who_am_i(m, &login);
	m->rcpt_args = recipients;
	for (; *recipients != NULL; recipients++)
		addresses(&m->rcpt, *recipients);
	if (m->rcpt.n == 0 && !r->extract)
		FAIL("%s(%ld): Recipient addresses must be specified on the command line or via the -t option", m->sender,
		    (long)getuid());
	if (m->verp != NULL && *m->sender == '\0')
		FAIL("%s(%ld): -V option requires non-null sender address", m->sender, (long)getuid());
	m->extract = r->extract;
	m->report = r->verbose == 1 && !m->verify;
	m->dot_ends = r->dot_ends;
	status = submit_mail(m, v, m->sender, stdin);
	if (status == 0 && (m->verify || m->report))
		printf("Mail Delivery Status Report will be mailed to <%s>.\n", m->sender);
	free(login);
	return status;
}

static void no_recipient(int argc, const char *mode)
{
	if (optind < argc)
		FAIL("%s requires no recipient", mode);
}

static void check_combination(const struct request *r)
{
	if (r->extract && r->mode != MODE_MAIL)
		FAIL("-t can be used only in delivery mode");
	if (r->flush_site != NULL && r->mode != MODE_MAIL)
		FAIL("-qR can be used only in delivery mode");
	if (r->flush_id != NULL && r->mode != MODE_MAIL)
		FAIL("-qI can be used only in delivery mode");
	if (r->mail.verify)
		check_probe(r);
}

/* What another program does; returns when it is ours. */
static void run_mode(const struct request *r, const char *dir, int argc)
{
	if (r->flush_site != NULL) {
		no_recipient(argc, "flush site");
		run_program("postqueue", dir, "-s", r->flush_site, NULL);
	}
	if (r->flush_id != NULL) {
		no_recipient(argc, "flush queue_id");
		run_program("postqueue", dir, "-i", r->flush_id, NULL);
	}
	switch (r->mode) {
	case MODE_QUEUE_LIST:
		no_recipient(argc, "display queue mode");
		run_program("postqueue", dir, "-p", NULL, NULL);
		break;
	case MODE_FLUSH:
		no_recipient(argc, "flush queue mode");
		run_program("postqueue", dir, "-f", NULL, NULL);
		break;
	case MODE_NEWALIASES:
		no_recipient(argc, "alias initialization mode");
		run_postalias(dir, r->alias_file);
		break;
	case MODE_DAEMON:
		no_recipient(argc, "daemon mode");
		run_program("postrider", dir, NULL, NULL, "start");
		break;
	case MODE_IGNORE:
		exit(0);
	case MODE_STAND_ALONE:
		no_recipient(argc, "stand-alone mode");
		break;
	case MODE_MAIL:
		break;
	}
}

int main(int argc, char **argv)
{
	static struct request r = { .dot_ends = true };	/* for good, like the configuration */
	const char *name = cmd_name(argv[0]), *dir;
	struct config *c;
	int status;

	log_program(strcmp(name, "mailq") == 0 || strcmp(name, "newaliases") == 0 ? name : "sendmail");
	cmd_fatal_status = EX_TEMPFAIL;
	if (strcmp(name, "mailq") == 0)
		r.mode = MODE_QUEUE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		r.mode = MODE_NEWALIASES;
	argv[0] = xstrdup(name);	/* what getopt's complaints begin with */
	if ((dir = sendmail_config_dir(argc, argv)) == NULL)
		dir = config_default_dir();
	c = cmd_load(dir);
	sendmail_options(&r, config_view(c), argc, argv);
	check_combination(&r);
	run_mode(&r, dir, argc);
	status = r.mode == MODE_STAND_ALONE ? submit_stand_alone(config_view(c)) :
	    send_mail(&r, argv + optind, config_view(c));
	config_unref(&c);
	return status;
}
