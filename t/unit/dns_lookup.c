/* Look-ups against a name server that lies, dawdles and truncates. */
#include <signal.h>
#include <postrider/clock.h>
#include <postrider/dns.h>
#include <postrider/loop.h>

#include "tap.h"
#include "dns_server.h"

static struct fake fake, second;
static struct task task;
static struct timer limit;
static int waiting;
static struct dns_op ops[64];
static struct host_op host;
static bool host_waits;

static void run(struct task *t)
{
	(void)t;
	for (int i = 0; i < waiting; i++)
		if (dns_poll(&ops[i]) == DNS_WAIT && !timer_expired(&limit))
			return;
	if (host_waits && host_poll(&host) == DNS_WAIT && !timer_expired(&limit))
		return;
	loop_stop();
}

/* Runs the loop until all of ops[0..n) are answered. */
static void await(int n, bool with_host)
{
	waiting = n;
	host_waits = with_host;
	timer_start(&limit, &task, 20000);
	task_wake(&task);
	loop_run();
	ok(!timer_expired(&limit), "answered in time");
	timer_end(&limit);
}

static enum dns_result ask(const char *name, enum dns_type type)
{
	dns_end(&ops[0]);
	dns_start(&ops[0], &task, name, type);
	if (dns_poll(&ops[0]) == DNS_WAIT)
		await(1, false);
	return dns_poll(&ops[0]);
}

static void is_addr(const struct dns_answer *a, const char *want, const char *what)
{
	char text[64] = "-";

	if (a != NULL && a->rr != NULL && a->rr->len == 4)
		inet_ntop(AF_INET, a->rr->data, text, sizeof(text));
	is_str(text, want, "%s", what);
}

static void test_records(void)
{
	const struct dns_answer *a;

	is_int(ask("plain.test", DNS_A), DNS_OK, "an address");
	a = ops[0].answer;
	is_addr(a, "192.0.2.1", "its bytes");
	is_str(a->canonical, "plain.test", "canonical name");
	ok(a->rr->next == NULL && a->rr->ttl_s == 300, "one record, its TTL");
	is_int(ask("plain.test", DNS_MX), DNS_OK, "MX");
	a = ops[0].answer;
	is_str(a->rr->name, "mx2.test", "in the order of the answer");
	is_int((int)a->rr->pref, 20, "preference");
	is_str(a->rr->next->name, "mx1.test", "second");
	is_int(ask("1.2.0.192.in-addr.arpa", DNS_PTR), DNS_OK, "PTR");
	is_str(ops[0].answer->rr->name, "host.example.test", "in lower case");
	is_int(ask("x.test", DNS_TXT), DNS_OK, "TXT");
	is_mem(ops[0].answer->rr->data, ops[0].answer->rr->len, "hello w rld", 11, "joined, printable");
	is_int(ask("_25._tcp.x.test", DNS_TLSA), DNS_OK, "TLSA");
	is_mem(ops[0].answer->rr->data, ops[0].answer->rr->len, "\3\1\1abcd", 7, "its bytes");
	is_int(ask("nullmx.test", DNS_MX), DNS_OK, "null MX");
	is_str(ops[0].answer->rr->name, "", "names the root");
	is_int(ask("ad.test", DNS_A), DNS_OK, "AD bit");
	ok(ops[0].answer->secure, "is believed on loopback");
	is_int(ask("many.test", DNS_A), DNS_OK, "thousands of records");
	int n = 0;
	for (const struct dns_rr *rr = ops[0].answer->rr; rr != NULL; rr = rr->next)
		n++;
	is_int(n, 1000, "are cut");
	is_int(ask("stranger.test", DNS_A), DNS_OK, "records of other owners");
	is_addr(ops[0].answer, "192.0.2.1", "are not looked at");
}

static void test_failures(void)
{
	is_int(ask("nx.test", DNS_MX), DNS_NXDOMAIN, "no such name");
	is_str(ops[0].answer->why, "Host or domain name not found. Name service error for name=nx.test type=MX: Host not found", "why");
	is_int(ask("nodata.test", DNS_AAAA), DNS_NODATA, "no such type");
	is_str(ops[0].answer->why, "Host or domain name not found. Name service error for name=nodata.test type=AAAA: "
	    "Host found but no data record of requested type", "why");
	is_int(ask("servfail.test", DNS_A), DNS_FAILED, "SERVFAIL");
	is_str(ops[0].answer->why, "Host or domain name not found. Name service error for name=servfail.test type=A: "
	    "Host not found, try again", "why");
	is_int(ask("refused.test", DNS_A), DNS_FAILED, "REFUSED");
	is_int(ask("formerr.test", DNS_A), DNS_INVALID, "FORMERR");
	is_str(ops[0].answer->why, "Host or domain name not found. Name service error for name=formerr.test type=A: "
	    "Non-recoverable error", "why");
	is_int(ops[0].answer->rcode, 1, "rcode");
	is_int(ask("noedns.test", DNS_A), DNS_OK, "a server that does not know EDNS");
	is_int(ask("badmx.test", DNS_MX), DNS_INVALID, "malformed MX");
	is_str(ops[0].answer->why, "Name service error for name=badmx.test type=MX: Malformed or unexpected name server reply", "why");
	is_str(ops[0].answer->warnings, "valid_hostname: misplaced hyphen: -bad-.test\n"
	    "malformed domain name in resource data of MX record for badmx.test: -bad-.test\n", "warnings");
	is_int(ask("mixmx.test", DNS_MX), DNS_OK, "good and bad MX");
	is_str(ops[0].answer->rr->name, "good.test", "the good one");
	is_str(ops[0].answer->rr->next->name, "192.0.2.1", "and the numeric one");
	is_str(ops[0].answer->warnings, "valid_hostname: invalid character 92(decimal): a\\032b.test\n"
	    "malformed domain name in resource data of MX record for mixmx.test: a\\032b.test\n"
	    "numeric domain name in resource data of MX record for mixmx.test: 192.0.2.1\n", "warnings");
	is_int(ask("short.test", DNS_A), DNS_FAILED, "an address of three bytes");
	is_int(ask("garbage.test", DNS_A), DNS_FAILED, "a packet that makes no sense");
	is_str(ops[0].answer->why, "Name service error for name=garbage.test type=A: Malformed or unexpected name server reply", "why");
	is_int(ask("192.0.2.1", DNS_A), DNS_NXDOMAIN, "an address is not a name");
	is_str(ops[0].answer->why, "Name service error for 192.0.2.1: invalid host or domain name", "why");
	is_int(ask("a..b", DNS_A), DNS_NXDOMAIN, "not a name either");
	is_int(ask("", DNS_A), DNS_NXDOMAIN, "nor this");
}

static void test_aliases(void)
{
	is_int(ask("chain.test", DNS_A), DNS_OK, "CNAMEs within an answer, in any order");
	is_addr(ops[0].answer, "192.0.2.7", "the address at the end");
	is_str(ops[0].answer->canonical, "end.test", "canonical name");
	is_int(ask("hop1.test", DNS_A), DNS_NXDOMAIN, "CNAMEs by further queries");
	is_str(ops[0].answer->why, "Host or domain name not found. Name service error for name=hop3.test type=A: Host not found",
	    "named after the last");
	is_int(ask("aliasmx.test", DNS_MX), DNS_OK, "MX of an alias");
	is_str(ops[0].answer->canonical, "target.test", "canonical name");
	is_int(ask("loopa.test", DNS_A), DNS_NXDOMAIN, "a loop ends");
	ok(strncmp(ops[0].answer->why, "Name server loop for loop", 25) == 0, "%s", ops[0].answer->why);
}

static void test_wire(void)
{
	struct dns_stats before, after;
	int tcp = fake.asked_tcp;

	is_int(ask("big.test", DNS_A), DNS_OK, "truncated, then TCP");
	is_int(fake.asked_tcp - tcp, 1, "one connection");
	dns_stats(&before);
	is_int(ask("wrongid.test", DNS_A), DNS_OK, "wrong id, wrong question, wrong source, short; then right");
	dns_stats(&after);
	is_int((int)(after.discarded - before.discarded), 3,
	    "what is not ours is dropped (the kernel drops the wrong source)");
	is_int(ask("forged.test", DNS_A), DNS_FAILED, "only forged answers");
	is_int(ask("late.test", DNS_A), DNS_OK, "a late answer");
	dns_stats(&before);
	is_int(ask("mute.test", DNS_A), DNS_FAILED, "no answer");
	dns_stats(&after);
	is_int((int)(after.timeouts - before.timeouts), 2, "two attempts");
	is_int((int)(after.queries - before.queries), 2, "two packets");
}

static void test_sharing(void)
{
	int asked = fake.asked;

	dns_end(&ops[0]);
	for (int i = 0; i < 20; i++)
		dns_start(&ops[i], &task, i % 2 != 0 ? "shared.test" : "SHARED.test", DNS_A);
	dns_end(&ops[3]);		/* one loses interest */
	dns_start(&ops[3], &task, "other.test", DNS_A);
	await(20, false);
	is_int(fake.asked - asked, 2, "twenty questions, two queries");
	for (int i = 0; i < 20; i++) {
		if (dns_poll(&ops[i]) != DNS_OK)
			ok(false, "answer %d", i);
		dns_end(&ops[i]);
		dns_end(&ops[i]);
	}
	asked = fake.asked;
	dns_start(&ops[0], &task, "shared.test", DNS_A);
	is_int(dns_poll(&ops[0]), DNS_OK, "from the cache, at once");
	dns_end(&ops[0]);
	dns_start(&ops[0], &task, "unwanted.test", DNS_A);
	dns_end(&ops[0]);
	is_int(ask("shared2.test", DNS_A), DNS_OK, "a lookup nobody waits for does no harm");
	is_int(fake.asked - asked, 2, "and was sent");
}

static void test_ttl(void)
{
	clock_update();
	clock_test_set(wall_us(), now_ms());
	fake.version = 1;
	is_int(ask("version.test", DNS_A), DNS_OK, "TTL 2 s");
	fake.version = 2;
	is_int(ask("version.test", DNS_A), DNS_OK, "again");
	is_addr(ops[0].answer, "192.0.2.1", "from the cache");
	clock_test_set(wall_us() + 2100000, now_ms() + 2100);
	is_int(ask("version.test", DNS_A), DNS_OK, "after 2 s");
	is_addr(ops[0].answer, "192.0.2.2", "asked anew");
	struct dns_stats before, after;
	is_int(ask("nx.sub.test", DNS_A), DNS_NXDOMAIN, "no such name");
	dns_stats(&before);
	clock_test_set(wall_us() + 59000000, now_ms() + 59000);
	is_int(ask("nx.sub.test", DNS_A), DNS_NXDOMAIN, "no such name, from the cache");
	clock_test_set(wall_us() + 1100000, now_ms() + 1100);
	is_int(ask("nx.sub.test", DNS_A), DNS_NXDOMAIN, "SOA minimum over");
	dns_stats(&after);
	is_int((int)(after.cache_hits - before.cache_hits), 1, "asked anew");
}

static const char *host_text(void)
{
	static char out[512];
	size_t o = 0;

	out[0] = '\0';
	for (size_t i = 0; i < host.n; i++) {
		char t[64];
		const struct sockaddr *sa = (const struct sockaddr *)&host.addr[i].sa;

		inet_ntop(sa->sa_family, sa->sa_family == AF_INET ?
		    (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr :
		    (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, t, sizeof(t));
		o += (size_t)snprintf(out + o, sizeof(out) - o, "%s%s", i > 0 ? " " : "", t);
	}
	return out;
}

static enum dns_result ask_host(const char *name, int flags)
{
	host_end(&host);
	host_start(&host, &task, name, flags);
	if (host_poll(&host) == DNS_WAIT)
		await(0, true);
	return host_poll(&host);
}

static void test_hosts(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int all = HOST_V4 | HOST_V6 | HOST_DNS;
	char ptr[80];

	dns_end(&ops[0]);
	is_int(ask_host("both.test", all), DNS_OK, "A and AAAA");
	is_str(host_text(), "192.0.2.1 2001:db8::1", "v4 first");
	is_int(ask_host("plain.test", all), DNS_OK, "A only");
	is_str(host_text(), "192.0.2.1", "one address");
	is_int(ask_host("nx.test", all), DNS_NXDOMAIN, "neither");
	is_str(host.why, "Host or domain name not found. Name service error for name=nx.test type=AAAA: Host not found", "why");
	is_int(ask_host("servfail.test", all), DNS_FAILED, "failure");
	is_int(ask_host("192.0.2.9", all), DNS_OK, "a literal");
	is_str(host_text(), "192.0.2.9", "itself");
	is_int(ask_host("::1", HOST_V4 | HOST_DNS), DNS_NXDOMAIN, "a literal of the wrong family");
	is_int(ask_host("Gate.Lan", all | HOST_FILE), DNS_OK, "from the hosts file");
	is_str(host_text(), "10.9.8.7 fd00::7", "both lines");
	is_str(host.canonical, "gate.lan", "canonical");
	is_int(ask_host("gw", HOST_V6 | HOST_FILE), DNS_OK, "by alias and family");
	is_str(host_text(), "fd00::7", "address");
	is_int(ask_host("gw", HOST_V4 | HOST_FILE), DNS_NXDOMAIN, "alias without that family");
	is_int(ask_host("inner", all | HOST_SEARCH), DNS_OK, "search list");
	is_str(host.canonical, "inner.search.test", "qualified");
	host_end(&host);
	inet_pton(AF_INET, "10.9.8.7", &sin.sin_addr);
	is_str(dns_hosts_ptr((struct sockaddr *)&sin), "gate.lan", "name for an address");
	dns_ptr_name(ptr, (struct sockaddr *)&sin);
	is_str(ptr, "7.8.9.10.in-addr.arpa", "reverse name");
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	inet_pton(AF_INET6, "2001:db8::1", &six.sin6_addr);
	dns_ptr_name(ptr, (struct sockaddr *)&six);
	is_str(ptr, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "and for IPv6");
}

static void test_names(void)
{
	const char *why = NULL;

	ok(dns_valid_hostname("mx.example.com", NULL), "valid");
	ok(dns_valid_hostname("a_b.example", &why), "underscore");
	ok(!dns_valid_hostname("-a.example", &why), "hyphen: %s", why);
	ok(!dns_valid_hostname("a.example.", &why), "final dot: %s", why);
	ok(!dns_valid_hostname("1.2.3", &why), "numeric: %s", why);
	ok(!dns_valid_hostname("b\xc3\xbc.example", &why), "8 bit: %s", why);
	ok(!dns_valid_hostname("*.example", &why), "wildcard: %s", why);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

int main(void)
{
	char dir[] = "/tmp/dns_lookup.XXXXXX", servers[100], conf[100], hosts[100];

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	snprintf(hosts, sizeof(hosts), "%s/hosts", dir);
	write_file(conf, "# test\nsearch search.test other.test\noptions timeout:1 attempts:2 ndots:1\nnameserver 203.0.113.1\n");
	write_file(hosts, "10.9.8.7 gate.lan gw4 # comment\nfd00::7 gate.lan gw\nnonsense line\n");
	fake_start(&fake);
	fake_start(&second);
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", fake.port);
	loop_init();
	task_init(&task, "test", run);
	dns_init(&(struct dns_config){ .resolv_conf = conf, .hosts = hosts, .servers = servers });
	test_names();
	test_records();
	test_failures();
	test_aliases();
	test_wire();
	test_sharing();
	test_hosts();

	/* The first server is mute: the second answers, and is asked first from then on. */
	dns_end(&ops[0]);
	snprintf(servers, sizeof(servers), "127.0.0.1:%d, 127.0.0.1:%d", fake.port, second.port);
	dns_configure(&(struct dns_config){ .resolv_conf = conf, .hosts = hosts, .servers = servers });
	fake.mute = true;
	is_int(ask("failover.test", DNS_A), DNS_OK, "second server");
	int asked = fake.asked;
	is_int(ask("failover2.test", DNS_A), DNS_OK, "second server at once");
	is_int(fake.asked - asked, 0, "the first is left alone");
	fake.mute = false;
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", fake.port);
	dns_configure(&(struct dns_config){ .resolv_conf = conf, .hosts = hosts, .servers = servers, .cache_max = 4 });

	/* The hosts file changes. */
	write_file(hosts, "10.9.8.6 gate.lan\n");
	for (int i = 0; i < 40; i++) {
		ask_host("gate.lan", HOST_V4 | HOST_FILE);
		if (strcmp(host_text(), "10.9.8.6") == 0)
			break;
		timer_start(&limit, &task, 100);
		waiting = 1;
		dns_end(&ops[0]);
		dns_start(&ops[0], &task, "mute.test", DNS_A);
		loop_run();
		timer_end(&limit);
	}
	is_str(host_text(), "10.9.8.6", "a new hosts file is in force");
	host_end(&host);
	dns_end(&ops[0]);
	for (int i = 0; i < 20; i++) {
		char name[40];

		snprintf(name, sizeof(name), "n%d.test", i);
		ask(name, DNS_A);
	}
	asked = fake.asked;
	ask("n19.test", DNS_A);
	is_int(fake.asked - asked, 0, "the last is in the small cache");
	ask("n3.test", DNS_A);
	is_int(fake.asked - asked, 1, "an early one is not");
	test_ttl();
	dns_end(&ops[0]);
	dns_release();
	task_unlink(&task);
	loop_release();
	fake_stop(&fake);
	fake_stop(&second);
	unlink(conf);
	unlink(hosts);
	rmdir(dir);
	return done_testing();
}
