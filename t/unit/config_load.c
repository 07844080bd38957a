/* Loading: both files' syntax, values and bounds, views of services, computed defaults, standings. Messages and results
 * are those of Postfix 3.7 for the same files. */
#include <postrider/config.h>
#include <postrider/file.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

static struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
static struct config *config;

static const struct view *load(const char *main_cf, const char *master_cf)
{
	problems_release(&problems);
	config_unref(&config);
	config = config_load_text(main_cf, master_cf, &problems);
	return config_view(config);
}

static bool has(enum problem_level level, int line, const char *text)
{
	const struct problem *p;

	TAILQ_FOREACH(p, &problems, link)
		if (p->level == level && p->line == line && strcmp(p->text, text) == 0)
			return true;
	TAILQ_FOREACH(p, &problems, link)
		diag("problem: %d line %d: %s", p->level, p->line, p->text);
	return false;
}

static bool quiet(void)
{
	const struct problem *p;

	TAILQ_FOREACH(p, &problems, link)
		diag("problem: %d %s line %d: %s", p->level, p->file != NULL ? p->file : "-", p->line, p->text);
	return TAILQ_EMPTY(&problems);
}

/* ---- the table ---------------------------------------------------------------------------- */
static void test_table(void)
{
	bool sorted = true, texts = true, defaults = true;
	char *why;

	for (int i = 0; i < PARAM_COUNT; i++) {
		const struct param_row *r = &param_rows[i];

		if (i > 0 && strcmp(param_rows[i - 1].name, r->name) >= 0)
			sorted = false;
		if (strlen(r->text) < 8 || r->text[strlen(r->text) - 1] != '.') {
			diag("text of %s: %s", r->name, r->text);
			texts = false;
		}
		if (param_find(r->name) != r)
			defaults = false;
	}
	ok(sorted, "rows are sorted by name");
	ok(texts, "every row says what it is for");
	ok(defaults, "every row is found by its name");
	ok(param_find("no_such_parameter") == NULL, "others are not");
	load("", "");
	ok(quiet(), "all defaults are within their own bounds");
	why = NULL;
	free(why);
}

/* ---- main.cf ------------------------------------------------------------------------------ */
static void test_lines(void)
{
	const struct view *v;

	v = load("# comment\nsmtpd_recipient_restrictions = permit_mynetworks,\n   # inner\n\treject,\n\n    permit   \nbiff=no\n"
	    "  \nrelayhost=\nsmtp_helo_name =a=b", "");
	is_str(view_str(v, smtpd_recipient_restrictions), "permit_mynetworks,\treject,    permit",
	    "continuation lines keep their white space, comments between them vanish");
	ok(!view_bool(v, biff), "no space around '='");
	is_str(view_str(v, relayhost), "", "empty value");
	is_str(view_str(v, smtp_helo_name), "a=b", "only the first '=' counts; a last line without an end");
	ok(quiet(), "nothing to report");

	load("  stray = x\nmyhostname=a.b\n", "");
	ok(has(PROBLEM_WARNING, 1, "logical line must not start with whitespace: \"  stray = x\""),
	    "stray continuation");
	load("foo bar\nbiff\n  x\n= y\n", "");
	ok(has(PROBLEM_FATAL, 1, "missing '=' after attribute name: \"foo bar\""), "missing '='");
	ok(has(PROBLEM_FATAL, 2, "missing '=' after attribute name: \"biff  x\""), "all errors of a file in one go");
	ok(has(PROBLEM_FATAL, 4, "missing attribute name: \"= y\""), "missing name");
	v = load("relayhost = a\nrelayhost = b\n", "");
	ok(has(PROBLEM_WARNING, 2, "overriding earlier entry: relayhost=a"), "a repeated name is warned about");
	is_str(view_str(v, relayhost), "b", "and the last one counts");
}

static void test_values(void)
{
	static const struct { const char *text, *want; } bad[] = {
		{ "soft_bounce = maybe", "bad boolean configuration: soft_bounce = maybe" },
		{ "soft_bounce =", "bad boolean configuration: soft_bounce = " },
		{ "smtpd_recipient_limit = 5x", "bad numerical configuration: smtpd_recipient_limit = 5x" },
		{ "smtpd_recipient_limit =", "bad numerical configuration: smtpd_recipient_limit = " },
		{ "smtpd_recipient_limit = 2147483648",
		    "bad numerical configuration: smtpd_recipient_limit = 2147483648" },
		{ "smtpd_recipient_limit = 0", "invalid smtpd_recipient_limit parameter value 0 < 1" },
		{ "delay_logging_resolution_limit = 7",
		    "invalid delay_logging_resolution_limit parameter value 7 > 6" },
		{ "message_size_limit = 99999999999999999999",
		    "bad numerical configuration: message_size_limit = 99999999999999999999" },
		{ "ipc_timeout = 5y", "parameter ipc_timeout: bad time value or unit: 5y" },
		{ "ipc_timeout =", "parameter ipc_timeout: bad time value or unit: " },
		{ "ipc_timeout = -5s", "parameter ipc_timeout: bad time value or unit: -5s" },
		{ "ipc_timeout = 40000d", "parameter ipc_timeout: bad time value or unit: 40000d" },
		{ "ipc_timeout = 0", "invalid ipc_timeout: 0 (min 1)" },
		{ "in_flow_delay = 11s", "invalid in_flow_delay: 11 (max 10)" },
		{ "mail_name =", "bad string length 0 < 1: mail_name = " },
		{ "default_verp_delimiters = +=-", "bad string length 3 > 2: default_verp_delimiters = +=-" },
		{ "inet_protocols = foo", "unknown inet_protocols value \"foo\" in \"foo\"" },
		{ "mynetworks_style = foo", "unknown mynetworks mask style value \"foo\" in \"foo\"" },
		{ "compatibility_level = x", "malformed compatibility level syntax: \"x\"" },
		{ "syslog_facility = foo", "parameter syslog_facility: unrecognized value: foo" },
		{ "myhostname = -foo", "parameter myhostname: bad parameter value: -foo (misplaced hyphen)" },
		{ "myhostname = a b", "parameter myhostname: bad parameter value: a b (invalid character)" },
		{ "myorigin = a b", "myorigin parameter setting must not contain multiple values: a b" },
		{ "myorigin = /no/such/file", "/no/such/file: cannot open file: No such file or directory" },
		{ "relayhost = ${x", "relayhost: truncated macro reference: \"${x\"" },
		{ "relayhost = $relayhost", "relayhost: unreasonable macro call nesting: \"relayhost\"" },
		{ "inet_interfaces = 192.0.2.199",
		    "parameter inet_interfaces: no local interface found for 192.0.2.199" },
	};
	const struct view *v;
	const struct problem *p;
	int n;

	for (size_t i = 0; i < NELEM(bad); i++) {
		load(bad[i].text, "");
		ok(has(PROBLEM_FATAL, 1, bad[i].want), "%s", bad[i].text);
		n = 0;
		TAILQ_FOREACH(p, &problems, link)
			if (p->level == PROBLEM_FATAL)
				n++;
		is_int(n, 1, "  once");
	}
	v = load("soft_bounce = YES\nsmtpd_recipient_limit = +010\nsmtpd_timeout = 5\ndelay_warning_time = 4\nqueue_run_delay=5m\n"
	    "minimal_backoff_time = 5sec\nmessage_size_limit = -5\nmaximal_queue_lifetime = 1\n", "");
	ok(view_bool(v, soft_bounce), "yes in capitals");
	is_int(view_int(v, smtpd_recipient_limit), 10, "decimal, a sign, leading zeros");
	is_int(view_secs(v, smtpd_timeout), 5, "a time without a unit: seconds from the default");
	is_int(view_secs(v, delay_warning_time), 4 * 3600, "hours from the default");
	is_int(view_secs(v, maximal_queue_lifetime), 86400, "days from the default");
	is_int(view_secs(v, queue_run_delay), 300, "minutes");
	is_int(view_secs(v, minimal_backoff_time), 5, "only the first character of the unit counts");
	is_int(view_ms(v, queue_run_delay), 300000, "in milliseconds");
	is_int(view_long(v, message_size_limit), -5, "no bound where the least value would be 0");
	ok(quiet(), "nothing to report");
	load("postscreen_greet_wait = x\n", "");
	ok(has(PROBLEM_ERROR, 1, "parameter postscreen_greet_wait: bad time value or unit: x"),
	    "a bad value of a daemon that does not run stops nothing");
}

static void test_expansion(void)
{
	const struct view *v;

	v = load("x = $y\ny =\nrelayhost = ${x?yes}-${y?yes}-${undefined:no}-$mail_name-$z\nz = $$5\nwild = ${\n", "");
	is_str(view_str(v, relayhost), "yes--no-Postrider-$5", "a value is tested unexpanded");
	is_str(view_lookup(v, "x"), "", "user-defined name");
	ok(view_lookup(v, "nobody") == NULL, "undefined name");
	is_str(view_lookup(v, "smtpd_timeout"), "300s", "text of a row");
	is_str(view_lookup(v, "default_destination_recipient_limit"), "50", "text of a number");
	ok(has(PROBLEM_ERROR, 5, "wild: truncated macro reference: \"${\""),
	    "an error that nothing needs stops nothing");
	v = load("default_rbl_reply = $rbl_code $nope\nrelayhost = $default_rbl_reply|\n", "");
	is_str(view_str(v, default_rbl_reply), "$rbl_code $nope", "a raw value stays raw");
	is_str(view_str(v, relayhost), " |", "but is expanded where it is mentioned");
	load("a = $b$b\nb = $c$c\nc = $d$d\nd=$e$e\ne=$f$f\nf=$g$g\ng=$h$h\nh=$i$i\ni=$j$j\nj=$k$k\nk=$l$l\nl=$m$m\nm=$n$n\nn=$o$o\n"
	    "o=$p$p\np=$q$q\nq=$r$r\nr=$s$s\ns=$t$t\nt=0123456789\nrelayhost=$a\n", "");
	ok(!TAILQ_EMPTY(&problems), "doubling chains end");
	v = load("compatibility_level = 3.6\n", "");
	ok(view_bool(v, smtputf8_enable) && !view_bool(v, append_dot_mydomain), "defaults of level 3.6");
	is_str(view_str(v, relay_domains), "", "relay_domains, too");
	v = load("", "");
	ok(!view_bool(v, smtputf8_enable) && view_bool(v, append_dot_mydomain), "defaults of level 0");
}

static void test_computed(void)
{
	char host[256] = "";
	const struct view *v;
	size_t n;

	gethostname(host, sizeof host - 1);
	v = load("", "");
	ok(strncmp(view_str(v, myhostname), host, strlen(host)) == 0, "host name from the system: %s", view_str(v,
	    myhostname));
	ok(strchr(view_str(v, myhostname), '.') != NULL, "with a domain");
	v = load("myhostname = mx.example.com\n", "");
	is_str(view_str(v, mydomain), "example.com", "the domain from the host name");
	is_str(view_str(v, mydestination), "mx.example.com, localhost.example.com, localhost", "mydestination");
	is_str(view_str(v, smtpd_banner), "mx.example.com ESMTP Postrider", "smtpd_banner");
	v = load("myhostname = foo\n", "");
	is_str(view_str(v, mydomain), "localdomain", "no domain");
	v = load("mydomain = example.org\n", "");
	if (strchr(host, '.') == NULL)
		is_str(view_str(v, myhostname) + strlen(host), ".example.org", "the host name from the domain");
	v = load("inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks_style = host\n", "");
	is_str(view_str(v, mynetworks), "127.0.0.1/32", "mynetworks, style host");
	config_addresses(config, &n);
	is_int(n, 1, "one address");
	v = load("inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks_style = class\n", "");
	is_str(view_str(v, mynetworks), "127.0.0.0/8", "style class");
	v = load("inet_interfaces = [127.0.0.1], 127.0.0.1\ninet_protocols = ipv4\nmynetworks_style = subnet\n", "");
	is_str(view_str(v, mynetworks), "127.0.0.0/8", "style subnet; an address named twice counts once");
	load("inet_interfaces = no-such-host.invalid\n", "");
	ok(has(PROBLEM_FATAL, 1, "config variable inet_interfaces: host not found: no-such-host.invalid"),
	    "unknown host");
	load("proxy_interfaces = 192.0.2.7, [2001:db8::7]\n", "");
	config_proxy_addresses(config, &n);
	is_int(n, 2, "proxy_interfaces");
}

static void test_origin_file(void)
{
	char path[] = "/tmp/config_load.XXXXXX", text[300];
	const struct view *v;
	int fd = mkstemp(path);

	ok(fd >= 0 && file_write_full(fd, "  example.net \nsecond\n", 22) == 0, "a file for myorigin");
	close(fd);
	snprintf(text, sizeof text, "myorigin = %s\nrelayhost = $myorigin\n", path);
	v = load(text, "");
	is_str(view_str(v, myorigin), "example.net", "its first line");
	is_str(view_str(v, relayhost), path, "elsewhere the name stays what was written");
	unlink(path);
}

/* ---- master.cf ---------------------------------------------------------------------------- */
static void test_master(void)
{
	static const struct { const char *text, *want; } bad[] = {
		{ "smtp inet n - n -", "missing \"process_limit\" field" },
		{ "smtp inet n - n - -", "missing \"command\" field" },
		{ "smtp foo n - n - - smtpd", "bad transport type: foo" },
		{ "smtp inet x - n - - smtpd", "field \"private\": bad value: \"x\"" },
		{ "smtp inet - - n - - smtpd", "inet service cannot be private" },
		{ "smtp unix - - yes - - smtpd", "field \"chroot\": bad value: \"yes\"" },
		{ "smtp unix - - - 5?x - smtpd", "field \"wakeup_time\": bad value: \"5?x\"" },
		{ "smtp unix - - - 5? -1 smtpd", "field \"process_limit\": bad value: \"-1\"" },
		{ "smtp inet n - n - - smtpd {foo", "missing '}' in \"{foo\"" },
		{ "smtp inet n - n - - smtpd {foo}x", "syntax error after '}' in \"{foo}x\"" },
		{ "smtp inet n - n - - smtpd -o", "invalid option: o" },
		{ "smtp inet n - n - - smtpd -o foo",
		    "invalid \"-o foo\" option value: missing '=' after attribute name" },
		{ "smtp inet n - n - - smtpd -o =x", "invalid \"-o =x\" option value: missing attribute name" },
	};
	const struct master_entry *e;

	for (size_t i = 0; i < NELEM(bad); i++) {
		load("", bad[i].text);
		ok(has(PROBLEM_FATAL, 1, bad[i].want), "%s", bad[i].text);
	}
	load("", "# c\n127.0.0.1:10025 inet n n y 1000? 5 smtpd -v\n  -o foo=bar -o { smtpd_banner = a  b }\n # inner\n\t-obiff=no -- x\n"
	    "pipe unix - n n - - pipe flags=F user=a argv=/x -o {a b} ${recipient}\n"
	    "q unix-dgram - - - - - qmgr\nf fifo - - - - 0 x\np pass - - - - 1 smtpd\n");
	is_int(config_master_count(config), 5, "five services");
	e = config_master(config, 0);
	is_str(e->name, "127.0.0.1:10025", "name");
	is_int(e->type, MASTER_INET, "type");
	ok(e->private_ == 'n' && e->unpriv == 'n' && e->chroot_ == 'y', "flags");
	is_str(e->wakeup, "1000?", "wakeup");
	is_int(e->maxproc_n, 5, "process limit");
	is_str(e->command, "smtpd", "command");
	is_int(e->overrides.n, 3, "three overrides");
	is_str(e->overrides.v[1], "smtpd_banner=a  b", "long form keeps inner white space");
	is_str(e->overrides.v[2], "biff=no", "short form without a space");
	is_int(e->args.n, 2, "other arguments");
	is_str(e->args.v[1], "x", "what follows --");
	is_int(e->line, 2, "line");
	e = config_master(config, 1);
	is_int(e->args.n, 6, "arguments of pipe");
	is_str(e->args.v[3], "-o", "an -o behind other arguments is theirs");
	is_str(e->args.v[4], "a b", "braces");
	is_int(e->maxproc_n, -1, "default process limit");
	is_int(config_master(config, 3)->maxproc_n, 0, "no process limit");
	load("", "smtp unix - - n - - smtp\n  # c\nsmtp unix - - n - 3 smtp -o biff=no\n");
	is_int(config_master_count(config), 1, "a repeated service");
	is_int(config_master(config, 0)->maxproc_n, 3, "the last one counts");
	ok(has(PROBLEM_WARNING, 3,
	    "duplicate master.cf entry for service \"smtp\" (private/smtp) -- using the last entry"), "and is told");
	load("", "25 inet n - n - - smtpd\nsmtp inet n - n - - smtpd\n");
	is_int(config_master_count(config), 1, "a port by number and by name");
	load("", NULL);
	ok(config_master_count(config) >= 5, "built-in services without a master.cf");
	is_str(config_master(config, 0)->command, "smtpd", "among them smtpd");
}

static void test_views(void)
{
	const struct view *v, *w;

	load("mua = permit_sasl_authenticated, reject\nsmtpd_timeout = 77s\nuser = $service_name\nrelayhost = $user\n",
	    "smtp inet n - n - - smtpd\n"
	    "sub inet n - n - - smtpd -o smtpd_client_restrictions=$mua -o myhostname=mail.example.net -o syslog_name=postfix/$service_name "
	    "-o own=1 -o smtpd_helo_restrictions=$own\n"
	    "busy inet n - n - - smtpd -o stress=yes -o smtpd_hard_error_limit=${stress?{3}:{4}}\n");
	v = config_entry_view(config, 0, false);
	w = config_entry_view(config, 0, true);
	is_int(view_int(v, smtpd_hard_error_limit), 20, "default");
	is_int(view_int(w, smtpd_hard_error_limit), 1, "under stress");
	is_int(view_secs(w, smtpd_timeout), 77, "what is set stays under stress");
	ok(!v->stress && w->stress && v->entry == config_master(config, 0), "a view knows what it is");
	is_str(view_str(v, service_name), "smtp", "service_name");
	is_str(view_str(v, process_name), "smtpd", "process_name");
	is_str(view_lookup(v, "user"), "smtp", "$service_name in main.cf");
	is_int(view_int(config_view_stress(config), smtpd_hard_error_limit), 1, "the base under stress");
	v = config_entry_view(config, 1, false);
	is_str(view_str(v, smtpd_client_restrictions), "permit_sasl_authenticated, reject",
	    "an override with a user-defined name");
	is_str(view_str(v, smtpd_helo_restrictions), "1", "one of the entry's own");
	is_str(view_lookup(v, "own"), "1", "by name");
	ok(view_lookup(config_view(config), "own") == NULL, "which others do not see");
	is_str(view_str(v, syslog_name), "postfix/sub", "$service_name in an override");
	is_str(view_str(v, smtpd_banner), "mail.example.net ESMTP Postrider", "what depends on an override changes");
	is_str(view_str(v, mydomain), "example.net", "computed defaults, too");
	is_str(view_lookup(v, "user"), "sub", "and user-defined names");
	is_int(view_int(config_entry_view(config, 2, false), smtpd_hard_error_limit), 3, "stress set for a service");
	ok(quiet(), "nothing to report");
	load("", "a inet n - n - - smtpd\nb inet n - n - - smtpd -o smtpd_timeout=x\n");
	ok(has(PROBLEM_FATAL, 2, "parameter smtpd_timeout: bad time value or unit: x"),
	    "bad override: the line in master.cf");
}

static void test_transports(void)
{
	const struct view *v;

	v = load("slow_destination_rate_delay = 3m\ndefault_destination_concurrency_limit = 7\nsmtp_destination_concurrency_limit = 9\n"
	    "local_time_limit = 5\ngw_time_limit = 2m\n",
	    "smtp unix - - n - - smtp\nslow unix - - n - - smtp\nlocal unix - n n - - local\ngw unix - n n - - pipe flags= argv=x\n");
	is_int(view_transport_secs(v, "slow", "destination_rate_delay"), 180, "set");
	is_int(view_transport_int(v, "slow", "destination_concurrency_limit"), 7, "the default's value");
	is_int(view_transport_int(v, "smtp", "destination_concurrency_limit"), 9, "a row");
	is_int(view_transport_int(v, "local", "destination_concurrency_limit"), 2, "local has its own default");
	is_int(view_transport_secs(v, "gw", "time_limit"), 120, "time limit of a pipe");
	is_str(view_transport_str(v, "slow", "destination_concurrency_positive_feedback"), "1", "text");
	is_str(view_lookup(v, "slow_destination_concurrency_limit"), "7", "by name, unset");
	ok(view_lookup(v, "other_destination_concurrency_limit") == NULL, "not of a service that does not exist");
	ok(has(PROBLEM_WARNING, 4, "unused parameter: local_time_limit=5"), "a suffix that the service has no use for");
	load("smtp_destination_rate_delay = x\nslow_recipient_limit = y\n",
	    "smtp unix - - n - - smtp\nslow unix - - - - - lmtp\n");
	ok(has(PROBLEM_FATAL, 1, "parameter smtp_destination_rate_delay: bad time value or unit: x"),
	    "bounds of the default");
	ok(has(PROBLEM_FATAL, 2, "bad numerical configuration: slow_recipient_limit = y"), "numbers, too");
}

/* ---- what is said about parameters -------------------------------------------------------- */
static void test_standings(void)
{
	load("smtpd_tls_security_level = encrypt\n", "");
	ok(!TAILQ_EMPTY(&problems) && TAILQ_FIRST(&problems)->level == PROBLEM_FATAL &&
	    strstr(TAILQ_FIRST(&problems)->text, "smtpd_tls_security_level") != NULL, "demanding TLS is not ignored");
	load("smtpd_tls_security_level = may\n", "");
	ok(!TAILQ_EMPTY(&problems) && TAILQ_FIRST(&problems)->level == PROBLEM_ERROR, "offering it may be");
	load("smtpd_tls_security_level = none\nsmtpd_milters =\nsmtp_tls_security_level =\nbiff = no\n", "");
	ok(quiet(), "asking for nothing is fine");
	load("", "s inet n - n - - smtpd -o smtpd_milters=inet:x:1\n");
	ok(!TAILQ_EMPTY(&problems) && TAILQ_FIRST(&problems)->level == PROBLEM_FATAL &&
	    TAILQ_FIRST(&problems)->line == 1,
	    "overrides are judged, too");
	load("max_use = 5\nmax_idle = 1m40s\nipc_idle = 5\n", "");
	ok(has(PROBLEM_FATAL, 2, "parameter max_idle: bad time value or unit: 1m40s") || quiet(),
	    "loading does not mind what has no effect");
	load("max_use = 5\nipc_idle = 5\nsmtpd_tls_cert_file = /no/such/cert\ntransport_maps = texthash:/no/such/table\nmynetworks = /no/nets\n"
	    "typo = x\nused = y\nrelayhost = $used\nclass = permit\nsmtpd_restriction_classes = class\nldap_server_host = z\n"
	    "alias_maps = ldap:ldap\nzz = ${undefd?$typo2}\n", "");
	ok(has(PROBLEM_WARNING, 6, "unused parameter: typo=x"), "an unused name");
	config_check(config, &problems);
	ok(has(PROBLEM_WARNING, 1,
	    "parameter max_use is without effect: There are no processes to end after some use."), "no effect");
	ok(has(PROBLEM_ERROR, 3, "parameter smtpd_tls_cert_file: open /no/such/cert: No such file or directory"),
	    "missing file");
	ok(has(PROBLEM_ERROR, 4, "parameter transport_maps: open /no/such/table: No such file or directory"),
	    "missing table");
	ok(has(PROBLEM_ERROR, 5, "parameter mynetworks: open /no/nets: No such file or directory"),
	    "missing pattern file");
	{
		const struct problem *p;
		bool wrong = false;

		TAILQ_FOREACH(p, &problems, link)
			if (p->line == 2 || p->line == 7 || p->line == 9 || p->line == 11)
				wrong = true;
		ok(!wrong, "not: a default repeated, a name in use, a restriction class, a table's settings");
	}
}

static void test_load_time(void)
{
	struct timespec a, b;
	struct buf master = { 0 };
	long us;

	for (int i = 0; i < 30; i++)
		buf_addf(&master,
		    "s%d inet n - n - - smtpd -o syslog_name=postfix/$service_name -o smtpd_timeout=5s\n", i);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	load("myhostname = a.example.com\n", buf_str(&master));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
	diag("30 services with overrides: %ld us", us);
	ok(us < 100000, "loading takes a few milliseconds");
	buf_release(&master);
}

int main(void)
{
	test_table();
	test_lines();
	test_values();
	test_expansion();
	test_computed();
	test_origin_file();
	test_master();
	test_views();
	test_transports();
	test_standings();
	test_load_time();
	problems_release(&problems);
	config_unref(&config);
	return done_testing();
}
