/* sendmail_options.c - the command line of sendmail(1). Options, texts and the order of complaints are Postfix's: two
 * passes, the first for -C alone; the last of several modes counts; options end at the first recipient. Not everything
 * is getopt's: "-q" and "-XV" may stand alone, and an old -V with two delimiters means -XV. */
#include "cmd.h"
#include "sendmail.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define OPTIONS "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx"
enum { ENVID_MAX = 100 };

static void usage(const char *why)
{
	if (why != NULL)
		FAIL("unsupported: %s", why);
	FAIL("usage: sendmail [options]");
}

static void option_b(struct request *r, const char *arg)
{
	switch (arg[0]) {
	case 'd':
	case 'l':
		r->mode = MODE_DAEMON;
		break;
	case 'h':
	case 'H':
		r->mode = MODE_IGNORE;
		break;
	case 'i':
		r->mode = MODE_NEWALIASES;
		break;
	case 'm':
		r->mode = MODE_MAIL;
		break;
	case 'p':
		r->mode = MODE_QUEUE_LIST;
		break;
	case 's':
		r->mode = MODE_STAND_ALONE;
		break;
	case 'v':
		r->mode = MODE_MAIL;
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
	case 'I':
		r->flush_id = arg + 1;
		if (arg[1] == '\0')
			FAIL("specify: -qIqueueid");
		break;
	case 'R':
		r->flush_site = arg + 1;
		if (arg[1] == '\0')
			FAIL("specify: -qRsitename");
		break;
	default:
		if (isdigit((unsigned char)arg[0]) == 0)
			FAIL("-q%c is not implemented", arg[0]);
		if (r->mode == MODE_MAIL)
			r->mode = MODE_IGNORE;	/* a queue run interval goes with -bd */
	}
}

static void option_o(struct request *r, const char *arg)
{
	if (arg[0] == 'A') {
		r->alias_file = arg + 1;
		if (arg[1] == '\0')
			FAIL("-oA requires pathname");
	}
	if (arg[0] == 'i')
		r->dot_ends = false;	/* the others, 7 and 8 among them, mean nothing here */
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
		ok = i < NELEM(words);
		if (ok)
			bits |= words[i].bit;
		else
			log_warn(NULL, "unknown DSN NOTIFY command value \"%s\" in \"%s\"", word, text);
	}
	free(copy);
	*notify_r = bits;
	return ok && bits != 0 && ((bits & DSN_NEVER) == 0 || bits == DSN_NEVER);
}

static bool printable(const char *s)
{
	const char *p = s;

	while (isprint((unsigned char)*p))
		p++;
	return *s != '\0' && *p == '\0';
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
	} else if (strlen(arg) > ENVID_MAX) {
		log_warn(NULL, "too long -V option value -- ignored");
	} else if (!printable(arg)) {
		log_warn(NULL, "bad syntax in -V option value -- ignored");
	} else {
		r->mail.envid = arg;
	}
}

static void option_verp(struct request *r, const struct view *v, const char *delimiters)
{
	const char *allowed = view_str(v, verp_delimiter_filter);

	if (strlen(delimiters) != 2 || strchr(allowed, delimiters[0]) == NULL || strchr(allowed, delimiters[1]) == NULL)
		FAIL("-V requires two characters from %s", allowed);
	r->mail.verp = delimiters;
}

static void option_body(struct request *r, const char *arg)
{
	if (strcmp(arg, "8BITMIME") != 0 && strcmp(arg, "7BIT") != 0)
		FAIL("-B option needs 8BITMIME or 7BIT");
	r->mail.eight_bit = arg[0] == '8';
	r->mail.body_given = true;
}

/* What getopt cannot do: true when argv[optind] was such an option, false: getopt's turn. */
static bool odd_option(struct request *r, const struct view *v, char **argv)
{
	char *arg = argv[optind];

	if (strcmp(arg, "-q") == 0) {
		r->mode = MODE_FLUSH;
		optind++;
		return true;
	}
	if (strcmp(arg, "-V") == 0 && argv[optind + 1] != NULL && strlen(argv[optind + 1]) == 2) {
		log_warn(NULL, "option -V is deprecated with Postfix 2.3; specify -XV instead");
		arg = argv[optind] = xstrdup("-XV");
	} else if (strncmp(arg, "-V", 2) == 0 && strlen(arg) == 4) {
		log_warn(NULL, "option %s is deprecated with Postfix 2.3; specify -X%s instead", arg, arg + 1);
		arg = argv[optind] = xasprintf("-X%s", arg + 1);
	}
	if (strcmp(arg, "-XV") != 0)
		return false;
	r->mail.verp = view_str(v, default_verp_delimiters);
	optind++;
	return true;
}

static void option(struct request *r, const struct view *v, int c)
{
	switch (c) {
	case 'B':
		option_body(r, optarg);
		break;
	case 'F':
		r->mail.full_name = optarg;
		break;
	case 'G':
		r->mail.gateway = true;
		break;
	case 'I':
		r->mode = MODE_NEWALIASES;
		break;
	case 'N':
	case 'R':
	case 'V':
		option_dsn(r, c, optarg);
		break;
	case 'X': {
		char *text = xasprintf("-X%c", optarg[0]);

		if (optarg[0] != 'V')
			usage(text);
		free(text);
		option_verp(r, v, optarg + 1);
		break;
	}
	case 'b':
		option_b(r, optarg);
		break;
	case 'f':
	case 'r':
		r->sender_arg = optarg;
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
		option_q(r, optarg);
		break;
	case 't':
		r->extract = true;
		break;
	case 'v':
		r->verbose++;
		break;
	case '?':
		usage(NULL);
		break;
	default:		/* -A -C -L -O -U -c -e -h -m -p -x: recognised and ignored, -C has been seen to */
		break;
	}
}

const char *sendmail_config_dir(int argc, char **argv)
{
	const char *dir = NULL;
	int c;

	while (argv[optind] != NULL) {
		if (strcmp(argv[optind], "-q") == 0) {
			optind++;
			continue;
		}
		if ((c = getopt(argc, argv, OPTIONS)) == -1)
			break;
		if (c == 'C')
			dir = cmd_config_dir(optarg);
	}
	optind = 1;
	return dir;
}

void sendmail_options(struct request *r, const struct view *v, int argc, char **argv)
{
	int c;

	while (argv[optind] != NULL) {
		if (odd_option(r, v, argv))
			continue;
		if ((c = getopt(argc, argv, OPTIONS)) == -1)
			break;
		option(r, v, c);
	}
}
