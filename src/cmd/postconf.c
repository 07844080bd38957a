/* postconf.c - show and change main.cf and master.cf. What is shown and how is decided in the config module
 * (configedit.h); this file reads the command line, in Postfix's words. One mode of operation at a time; an argument
 * with '=' means editing even without -e. -E, which Postfix does not have, prints main.cf(5). */
#include "cmd.h"
#include <postrider/bounce.h>
#include <postrider/configedit.h>
#include <postrider/log.h>
#include <postrider/table.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#define OPTIONS		"aAbc:C:deEfFhHlmMno:pPtT:vxX#"

/* The letters given, as a set. */
struct letters { bool on[128]; };

#define USAGE \
    "usage: %s [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] " \
    "[-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] " \
    "[-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] [-n (non-default parameters)] " \
    "[-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf parameters)] " \
    "[-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms] [-v (verbose)] " \
    "[-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]"

/* At most one of the letters. */
static void one_of(const struct letters *l, const char *set)
{
	struct buf given = { 0 };
	int n = 0;

	for (; *set != '\0'; set++) {
		if (l->on[(int)*set]) {
			buf_addf(&given, " -%c", *set);
			n++;
		}
	}
	if (n > 1)
		log_fatal("specify one of%s", buf_str(&given));
	buf_release(&given);
}

/* With the mode's letter, only these others. */
static void only_with(const struct letters *l, char mode, const char *allowed)
{
	const char *p;

	if (!l->on[(int)mode])
		return;
	for (p = "aAbCdefFhHlmMnoPtTxX#"; *p != '\0'; p++)
		if (l->on[(int)*p] && *p != mode && strchr(allowed, *p) == NULL)
			log_fatal("with option -%c, do not specify -%c", mode, *p);
}

static unsigned parse_classes(const char *arg)
{
	static const struct { const char *name; unsigned bits; } classes[] = {
		{ "builtin", PC_BUILTIN }, { "service", PC_SERVICE }, { "user", PC_USER },
		{ "all", PC_BUILTIN | PC_SERVICE | PC_USER },
	};
	struct strs words = { 0 };
	unsigned bits = 0;
	size_t i, k;

	strs_split(&words, arg, ", \t\r\n");
	for (i = 0; i < words.n; i++) {
		for (k = 0; k < NELEM(classes) && !str_ieq(classes[k].name, words.v[i]); k++)
			;
		if (k == NELEM(classes))
			log_fatal("unknown -C option value \"%s\" in \"%s\"", words.v[i], arg);
		bits |= classes[k].bits;
	}
	strs_release(&words);
	return bits;
}

static void show_tls(const char *what)
{
	if (strcmp(what, "compile-version") == 0) {
		puts(OPENSSL_VERSION_TEXT);
	} else if (strcmp(what, "run-version") == 0) {
		puts(OpenSSL_version(OPENSSL_VERSION));
	} else if (strcmp(what, "public-key-algorithms") == 0) {
		puts("RSA\nECDSA\nEd25519\nEd448");
	} else {
		log_warn(NULL, "unknown 'postconf -T' mode: %s", what);
		exit(1);
	}
}

static void show_templates(const struct postconf *o, const char *file, bool expanded)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct config *c = cmd_load(o->dir);
	const struct problem *p;
	struct buf out = { 0 };

	if (file == NULL)
		file = view_str(config_view(c), bounce_template_file);
	bounce_print_templates(config_view(c), file, expanded, &out, &problems);
	TAILQ_FOREACH(p, &problems, link)
		log_warn(NULL, "%s", p->text);
	fwrite(buf_str(&out), 1, out.len, stdout);
	problems_release(&problems);
	buf_release(&out);
	config_unref(&c);
}

static void show_table_types(void)
{
	struct strs names = { 0 };

	table_types(&names);
	for (size_t i = 0; i < names.n; i++)
		puts(names.v[i]);
	strs_release(&names);
}

static bool has_equals(char *const *args)
{
	for (; *args != NULL; args++)
		if (strchr(*args, '=') != NULL)
			return true;
	return false;
}

/* Modes that show something other than the files; true: done. */
static bool show_other(const struct postconf *o, const struct letters *l, const char *tls, char *const *args)
{
	if (l->on['a'])
		puts("cyrus\ndovecot");
	else if (l->on['A'])
		puts("cyrus");
	else if (l->on['l'])
		puts("flock\nfcntl\ndotlock");
	else if (l->on['m'])
		show_table_types();
	else if (l->on['T'])
		show_tls(tls);
	else if (l->on['b'] || l->on['t'])
		show_templates(o, args[0], l->on['b']);
	else if (l->on['E'])
		postconf_manual(stdout);
	else
		return false;
	return true;
}

static void run(const struct postconf *o, const struct letters *l, char *const *args)
{
	bool edit = l->on['e'] || l->on['X'] || l->on['#'];

	if (edit && *args == NULL)
		log_fatal(l->on['e'] ? "-e requires name=value argument" : "missing service argument");
	if (l->on['M'])
		(edit ? postconf_edit_services : postconf_show_services)(o, args);
	else if (l->on['F'])
		(edit ? postconf_edit_fields : postconf_show_fields)(o, args);
	else if (l->on['P'])
		(edit ? postconf_edit_params : postconf_show_params)(o, args);
	else
		(edit ? postconf_edit_main : postconf_show_main)(o, args);
}

static void check_letters(struct letters *l, char *const *args)
{
	if (!l->on['e'] && has_equals(args) && !l->on['b'] && !l->on['t'])
		l->on['e'] = true;
	one_of(l, "aAbFlmMPptTE");
	one_of(l, "denX#");
	one_of(l, "ex");
	one_of(l, "hH");
	only_with(l, 'b', "");
	only_with(l, 't', "");
	only_with(l, 'M', "efoxX#");
	only_with(l, 'F', "efhHox");
	only_with(l, 'P', "efhHoxX");
}

int main(int argc, char **argv)
{
	static const struct { char letter; unsigned bit; } bits[] = {
		{ 'd', PC_DEFAULTS }, { 'f', PC_FOLD }, { 'h', PC_HIDE_NAME }, { 'H', PC_HIDE_VALUE }, { 'n',
		    PC_EXPLICIT },
		{ 'x', PC_EXPAND }, { 'X', PC_EXCLUDE }, { '#', PC_COMMENT },
	};
	struct postconf o = { .out = stdout };
	struct letters l = { { false } };
	const char *tls = NULL;
	unsigned classes = 0;
	int c;

	log_program(argv[0]);	/* as it was called, like Postfix's */
	while ((c = getopt(argc, argv, "+" OPTIONS)) > 0) {
		if (c == '?')
			log_fatal(USAGE, argv[0]);
		l.on[c] = true;
		switch (c) {
		case 'c':
			if (setenv("MAIL_CONFIG", optarg, 1) < 0)
				log_fatal("out of memory");
			break;
		case 'C':
			classes |= parse_classes(optarg);
			break;
		case 'o':
			strs_add(&o.overrides, optarg);
			break;
		case 'T':
			tls = optarg;
			break;
		case 'v':
			log_set_debug(true);
			break;
		default:
			break;
		}
	}
	argv += optind;
	check_letters(&l, argv);
	for (size_t i = 0; i < NELEM(bits); i++)
		if (l.on[(int)bits[i].letter])
			o.mode |= bits[i].bit;
	o.mode |= classes != 0 ? classes : PC_BUILTIN | PC_SERVICE | PC_USER;
	o.dir = config_default_dir();
	o.dir_given = getenv("MAIL_CONFIG") != NULL;
	if (!show_other(&o, &l, tls, argv))
		run(&o, &l, argv);
	strs_release(&o.overrides);
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal("write standard output: %m");
	return 0;
}
