/* sendmail.c - the Sendmail compatibility command: hands a message to the server over its local socket, or, when
 * the server is down, leaves it in the maildrop directory (sendmail_submit.c). Small, without any special
 * privilege. Also mailq and newaliases, by name. Options, texts and exit statuses are those of Postfix's sendmail(1).
 *
 * Every failure after the options were read is EX_TEMPFAIL, as callers expect: the message was not taken. */
#include "cmd.h"
#include "sendmail_submit.h"
#include <postrider/address.h>
#include <postrider/buf.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum mode { MODE_MAIL, MODE_QUEUE_LIST, MODE_STAND_ALONE, MODE_VERIFY, MODE_DAEMON, MODE_NEWALIASES, MODE_FLUSH, MODE_IGNORE };

struct request {
	enum mode	 mode;
	struct submit	 mail;
	const char	*config_dir;
	const char	*flush_site, *flush_id;
	const char	*alias_file;
	bool		 extract;	/* -t */
	bool		 dot_ends;	/* a line with only "." ends the message */
	int		 verbose;
};

#define FAIL(...)	log_fatal_status(EX_TEMPFAIL, __VA_ARGS__)

static void usage(const char *why)
{
	if (why != NULL)
		FAIL("unsupported: %s", why);
	FAIL("usage: sendmail [options]");
}

static void set_mode(struct request *r, enum mode m)
{
	if (r->mode != MODE_MAIL && r->mode != m)
		FAIL("-b, -I, -q: only one mode of operation at a time");
	r->mode = m;
}

static void option_b(struct request *r, const char *arg)
{
	switch (arg[0]) {
	case 'd':
	case 'l':
		set_mode(r, MODE_DAEMON);
		break;
	case 'h':
	case 'H':
		set_mode(r, MODE_IGNORE);
		break;
	case 'i':
		set_mode(r, MODE_NEWALIASES);
		break;
	case 'm':
		set_mode(r, MODE_MAIL);
		break;
	case 'p':
		set_mode(r, MODE_QUEUE_LIST);
		break;
	case 's':
		set_mode(r, MODE_STAND_ALONE);
		break;
	case 'v':
		set_mode(r, MODE_MAIL);
		r->mail.verify = true;
		break;
	default: {
		char *text = xasprintf("-b%c", arg[0]);

		usage(text);
	}
	}
}

static void option_q(struct request *r, const char *arg)
{
	switch (arg[0]) {
	case '\0':
		set_mode(r, MODE_FLUSH);
		break;
	case 'I':
		set_mode(r, MODE_FLUSH);
		r->flush_id = arg + 1;
		if (arg[1] == '\0')
			FAIL("-qI requires value");
		break;
	case 'R':
		set_mode(r, MODE_FLUSH);
		r->flush_site = arg + 1;
		if (arg[1] == '\0')
			FAIL("-qR requires value");
		break;
	case 'S':
		FAIL("-qS is not implemented");
	default:
		if (isdigit((unsigned char)arg[0]) == 0)
			FAIL("-q%c is not implemented", arg[0]);
		if (r->mode == MODE_MAIL)
			r->mode = MODE_IGNORE;	/* a queue run interval goes with -bd */
	}
}

static void option_o(struct request *r, const char *arg)
{
	if (arg[0] == 'A')
		r->alias_file = arg + 1;
	else if (arg[0] == 'i' && arg[1] == '\0')
		r->dot_ends = false;
	else if (arg[0] == '7' || arg[0] == '8')
		return;			/* ignored, as documented */
}

/* "-N success,failure" and so on: false with a warning leaves the default. */
static bool notify_parse(const char *text, unsigned *notify_r)
{
	static const struct { const char *name; unsigned bit; } words[] = { { "never", DSN_NEVER }, { "success", DSN_SUCCESS },
		{ "failure", DSN_FAILURE }, { "delay", DSN_DELAY } };
	char *copy = xstrdup(text), *cursor = copy, *word;
	unsigned bits = 0;
	bool ok = true;

	while (ok && (word = str_tok(&cursor, ", \t")) != NULL) {
		size_t i;

		for (i = 0; i < NELEM(words) && !str_ieq(words[i].name, word); i++)
			continue;
		ok = i < NELEM(words) && (bits & DSN_NEVER) == 0 && (bits == 0 || words[i].bit != DSN_NEVER);
		if (ok)
			bits |= words[i].bit;
		else
			log_warn(NULL, "unknown DSN NOTIFY command value \"%s\" in \"%s\"", word, text);
	}
	free(copy);
	*notify_r = bits;
	return ok && bits != 0;
}

static void option_dsn(struct request *r, int c, const char *arg)
{
	if (c == 'N') {
		if (!notify_parse(arg, &r->mail.notify)) {
			r->mail.notify = 0;
			log_warn(NULL, "bad -N option value -- ignored");
		}
	} else if (c == 'R') {
		if (str_ieq(arg, "full"))
			r->mail.ret = DSN_RET_FULL;
		else if (str_ieq(arg, "hdrs"))
			r->mail.ret = DSN_RET_HDRS;
		else
			log_warn(NULL, "bad -R option value -- ignored");
	} else {
		r->mail.envid = arg;
	}
}

static void option_body(struct request *r, const char *arg)
{
	if (!str_ieq(arg, "8bitmime") && !str_ieq(arg, "7bit"))
		FAIL("-B option needs 8BITMIME or 7BIT");
	r->mail.eight_bit = str_ieq(arg, "8bitmime");
	r->mail.body_given = true;
}

/* Sendmail's options are not getopt's: some take a value only when it is attached, "-v" repeats, "-q" may stand alone. */
static void parse(struct request *r, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "A:B:C:F:GIL:N:O:R:UV:X:ab:ce:f:h:imno:p:r:q::tvx")) != -1) {
		switch (c) {
		case 'B':
			option_body(r, optarg);
			break;
		case 'C':
			r->config_dir = cmd_config_dir(optarg);
			break;
		case 'F':
			r->mail.full_name = optarg;
			break;
		case 'G':
			r->mail.gateway = true;
			break;
		case 'I':
			set_mode(r, MODE_NEWALIASES);
			break;
		case 'N':
		case 'R':
		case 'V':
			option_dsn(r, c, optarg);
			break;
		case 'X':
			if (optarg[0] == 'V')
				FAIL("-XV is not supported");
			break;
		case 'b':
			option_b(r, optarg);
			break;
		case 'f':
		case 'r':
			r->mail.sender = optarg;
			break;
		case 'i':
			r->dot_ends = false;
			break;
		case 'n':
			FAIL("-n option not supported");
		case 'o':
			option_o(r, optarg);
			break;
		case 'q':
			option_q(r, optarg != NULL ? optarg : "");
			break;
		case 't':
			r->extract = true;
			break;
		case 'v':
			r->verbose++;
			break;
		case '?':
			fprintf(stderr, "sendmail: invalid option -- '%c'\n", optopt);
			usage(NULL);
			break;
		default:		/* -A -L -O -U -a -c -e -h -m -p -x: recognised and ignored */
			break;
		}
	}
}

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
	if (env_name != NULL && env_name[0] != '\0') {
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

/* "a@b, Name <c@d>" on the command line is two addresses, in internal form. */
static void add_addresses(struct strs *out, const char *text)
{
	struct arena arena = { 0 };
	struct tok_list list = { 0 };
	struct buf b = { 0 };

	tok_parse(&arena, text, SIZE_MAX, &list);
	for (struct tok *t = list.head; t != NULL; t = t->next) {
		if (t->type != TOK_ADDR)
			continue;
		buf_reset(&b);
		tok_internalize(&b, t->head);
		strs_add(out, buf_str(&b));
	}
	buf_release(&b);
	arena_release(&arena);
}

/* -f takes one address: of several the first counts, none is the null sender. */
static void read_sender(struct submit *m)
{
	struct strs addrs = { 0 };

	add_addresses(&addrs, m->sender);
	if (addrs.n > 1)
		log_warn(NULL, "-f option specified malformed sender: %s", m->sender);
	m->sender = addrs.n > 0 ? addrs.v[0] : "";
}

static int send_mail(struct request *r, char **recipients, const struct view *v)
{
	char *login;
	int status;

	if (r->mail.sender != NULL)
		read_sender(&r->mail);
	who_am_i(&r->mail, &login);
	if (r->mail.verify && r->extract)
		FAIL("-t option cannot be used with -bv");
	for (; *recipients != NULL; recipients++)
		add_addresses(&r->mail.rcpt, *recipients);
	if (r->mail.rcpt.n == 0 && !r->extract)
		FAIL("%s(%ld): Recipient addresses must be specified on the command line or via the -t option", login, (long)getuid());
	r->mail.extract = r->extract;
	r->mail.report = r->verbose == 1 && !r->mail.verify;
	r->mail.dot_ends = r->dot_ends;
	status = submit_mail(&r->mail, v, login, stdin);
	if (status == 0 && (r->mail.verify || r->mail.report))
		printf("Mail Delivery Status Report will be mailed to <%s>.\n", r->mail.sender);
	free(login);
	return status;
}

static void no_recipient(int argc, const char *mode)
{
	if (optind < argc)
		FAIL("%s mode requires no recipient", mode);
}

int main(int argc, char **argv)
{
	static struct request r = { .dot_ends = true };	/* for good, like the configuration */
	const char *name = cmd_name(argv[0]);
	struct config *c;
	int status;

	log_program(strcmp(name, "mailq") == 0 || strcmp(name, "newaliases") == 0 ? name : "sendmail");
	cmd_fatal_status = EX_TEMPFAIL;
	if (strcmp(name, "mailq") == 0)
		r.mode = MODE_QUEUE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		r.mode = MODE_NEWALIASES;
	parse(&r, argc, argv);
	if (r.extract && r.mode != MODE_MAIL)
		FAIL("-t can be used only in delivery mode");
	if (r.config_dir == NULL)
		r.config_dir = config_default_dir();
	switch (r.mode) {
	case MODE_QUEUE_LIST:
		no_recipient(argc, "display queue");
		run_program("postqueue", r.config_dir, "-p", NULL, NULL);
		break;
	case MODE_FLUSH:
		no_recipient(argc, "flush queue");
		if (r.flush_site != NULL)
			run_program("postqueue", r.config_dir, "-s", r.flush_site, NULL);
		run_program("postqueue", r.config_dir, r.flush_id != NULL ? "-i" : "-f", r.flush_id, NULL);
		break;
	case MODE_NEWALIASES:
		run_postalias(r.config_dir, r.alias_file);
		break;
	case MODE_DAEMON:
		run_program("postrider", r.config_dir, NULL, NULL, "start");
		break;
	case MODE_IGNORE:
		return 0;
	case MODE_STAND_ALONE:
	case MODE_MAIL:
	case MODE_VERIFY:
		break;
	}
	c = cmd_load(r.config_dir);
	if (r.mode == MODE_STAND_ALONE)
		no_recipient(argc, "stand-alone");
	status = r.mode == MODE_STAND_ALONE ? submit_stand_alone(config_view(c)) : send_mail(&r, argv + optind, config_view(c));
	config_unref(&c);
	return status;
}
