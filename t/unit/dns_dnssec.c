/* Look-ups through real servers: nsd with a signed zone behind a validating unbound, on loopback ports. */
#include <signal.h>
#include <stdlib.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <postrider/buf.h>
#include <postrider/dns.h>
#include <postrider/loop.h>

#include "tap.h"
#include "dns_server.h"

static struct task task;
static struct timer limit;
static struct dns_op op;
static char dir[] = "/tmp/dns_dnssec.XXXXXX";

static void run(struct task *t)
{
	(void)t;
	if (dns_poll(&op) != DNS_WAIT || timer_expired(&limit))
		loop_stop();
}

static enum dns_result ask(const char *name, enum dns_type type)
{
	dns_end(&op);
	dns_start(&op, &task, name, type);
	if (dns_poll(&op) == DNS_WAIT) {
		timer_start(&limit, &task, 20000);
		loop_run();
		timer_end(&limit);
	}
	return dns_poll(&op);
}

static bool have(const char *program)
{
	char command[200];

	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin command -v %s >/dev/null", program);
	return system(command) == 0;
}

static void write_file(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void write_file(const char *name, const char *fmt, ...)
{
	char path[300];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static int free_port(void)
{
	for (;;) {
		int port = 0, udp = fake_bind(SOCK_DGRAM, &port), tcp = fake_bind(SOCK_STREAM, &port);

		close(udp);
		if (tcp >= 0) {
			close(tcp);
			return port;
		}
	}
}

static pid_t start(const char *program, const char *config)
{
	char path[300];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	snprintf(path, sizeof(path), "%s/%s", dir, config);
	execlp(program, program, "-d", "-c", path, (char *)NULL);
	_exit(127);
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static int make_zone(void)
{
	struct buf text = { 0 };
	char command[600];
	int r;

	for (int i = 0; i < 120; i++)
		buf_addf(&text, "big IN A 10.1.0.%d\n", i);
	write_file("zone", "$TTL 300\n@ IN SOA ns.signed.test. root.signed.test. 1 3600 600 86400 30\n@ IN NS ns.signed.test.\nns IN A 127.0.0.1\n"
	    "@ IN MX 10 mail\nmail IN A 192.0.2.9\nmail IN AAAA 2001:db8::9\nalias IN CNAME mail\n_25._tcp.mail IN TLSA 3 1 1 "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nbogus IN A 192.0.2.66\n%s",
	    buf_str(&text));
	buf_release(&text);
	/* The bogus record is changed behind the signature's back. */
	snprintf(command, sizeof(command), "cd %s && K=$(ldns-keygen -a ECDSAP256SHA256 -k signed.test) && "
	    "ldns-signzone -o signed.test zone $K && sed -i 's/192\\.0\\.2\\.66/192.0.2.67/' zone.signed && cp $K.ds anchor", dir);
	r = system(command);
	return r;
}

static void test_lookups(void)
{
	is_int(ask("signed.test", DNS_MX), DNS_OK, "MX");
	is_str(op.answer->rr->name, "mail.signed.test", "its name");
	ok(op.answer->secure, "is secure");
	is_int(ask("_25._tcp.mail.signed.test", DNS_TLSA), DNS_OK, "TLSA");
	ok(op.answer->secure && op.answer->rr->len == 35, "is secure");
	is_int(ask("alias.signed.test", DNS_AAAA), DNS_OK, "AAAA of an alias");
	is_str(op.answer->canonical, "mail.signed.test", "canonical name");
	ok(op.answer->secure, "is secure");
	is_int(ask("nx.signed.test", DNS_A), DNS_NXDOMAIN, "no such name");
	ok(op.answer->secure, "securely");
	is_int(ask("mail.signed.test", DNS_TXT), DNS_NODATA, "no such type");
	is_int(ask("bogus.signed.test", DNS_A), DNS_FAILED, "a bogus record");
	is_str(op.answer->why, "Host or domain name not found. Name service error for name=bogus.signed.test type=A: "
	    "Host not found, try again", "is a temporary failure");
	is_int(ask("big.signed.test", DNS_A), DNS_OK, "a large answer");
	int n = 0;
	for (const struct dns_rr *rr = op.answer->rr; rr != NULL; rr = rr->next)
		n++;
	is_int(n, 120, "over TCP");
	struct dns_stats stats;
	dns_stats(&stats);
	ok(stats.tcp >= 1 && stats.discarded == 0 && stats.timeouts == 0, "nothing else");
}

int main(void)
{
	char servers[100], conf[100], command[200];
	int nsd_port, unbound_port;
	pid_t nsd, unbound;

	if (!have("nsd") || !have("unbound") || !have("ldns-signzone")) {
		skip_all("needs nsd, unbound and ldnsutils");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) < 0)
		return 1;
	if (make_zone() != 0) {
		skip_all("ldns-signzone does not work here");
		return 0;
	}
	nsd_port = free_port();
	unbound_port = free_port();
	write_file("nsd.conf", "server:\n ip-address: 127.0.0.1\n port: %d\n username: \"\"\n zonesdir: \"%s\"\n pidfile: \"\"\n database: \"\"\n"
	    " zonelistfile: \"%s/zone.list\"\n xfrdfile: \"\"\n xfrdir: \"%s\"\nremote-control:\n control-enable: no\n"
	    "zone:\n name: signed.test\n zonefile: zone.signed\n", nsd_port, dir, dir, dir);
	write_file("unbound.conf", "server:\n interface: 127.0.0.1\n port: %d\n username: \"\"\n chroot: \"\"\n directory: \"%s\"\n pidfile: \"\"\n"
	    " use-syslog: no\n do-not-query-localhost: no\n trust-anchor-file: \"%s/anchor\"\n num-threads: 1\n local-zone: test. nodefault\n"
	    " module-config: \"validator iterator\"\nremote-control:\n control-enable: no\n"
	    "stub-zone:\n name: signed.test\n stub-addr: 127.0.0.1@%d\n", unbound_port, dir, dir, nsd_port);
	nsd = start("nsd", "nsd.conf");
	unbound = start("unbound", "unbound.conf");
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	write_file("resolv.conf", "options timeout:2\n");
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", unbound_port);
	loop_init();
	task_init(&task, "test", run);
	dns_init(&(struct dns_config){ .resolv_conf = conf, .hosts = "/dev/null", .servers = servers });
	for (int i = 0; i < 50 && ask("ns.signed.test", DNS_A) != DNS_OK; i++)
		usleep(100000);		/* until both listen */
	is_int(dns_poll(&op), DNS_OK, "servers are up");
	dns_release();
	dns_init(&(struct dns_config){ .resolv_conf = conf, .hosts = "/dev/null", .servers = servers });
	test_lookups();
	dns_end(&op);
	dns_release();
	task_unlink(&task);
	loop_release();
	stop(unbound);
	stop(nsd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done_testing() : 1;
}
