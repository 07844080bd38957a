/* smtp_route.c - from a destination to addresses: order, backups, ourselves, null MX, failures. */
#include "smtp/client.h"
#include "delivery_test.h"
#include "dns_server.h"
#include <postrider/smtp.h>

static const struct record { const char *name; int type; const char *value; int pref;
} zone[] = {
    {"two.test", 15, "mx1.test", 10},
    {"two.test", 15, "mx2.test", 10},
    {"two.test", 15, "backup.test", 20},
    {"mx1.test", 1, "192.0.2.11", 0},
    {"mx1.test", 28, "2001:db8::11", 0},
    {"mx2.test", 1, "192.0.2.12", 0},
    {"backup.test", 1, "192.0.2.20", 0},
    {"null.test", 15, "", 0},
    {"plain.test", 1, "192.0.2.30", 0},
    {"self.test", 15, "us.test", 10},
    {"self.test", 15, "backup.test", 20},
    {"us.test", 1, "127.0.0.1", 0},
    {"second.test", 15, "mx1.test", 10},
    {"second.test", 15, "us.test", 20},
    {"second.test", 15, "backup.test", 20},
    {"lost.test", 15, "nowhere.test", 10},
    {"lost.test", 15, "us.test", 20},
    {"half.test", 15, "nowhere.test", 10},
    {"half.test", 15, "mx2.test", 20},
    {"none.test", 15, "nowhere.test", 10},
    {"soft.test", 15, "fail.test", 5},
    {"soft.test", 15, "nowhere.test", 10},
    {"fail.test", 0, "", 0},
    {"many.test", 15, "m4.test", 1},
    {"m4.test", 1, "10.0.0.1", 0},
    {"m4.test", 1, "10.0.0.2", 0},
    {"m4.test", 1, "10.0.0.3", 0},
    {"m4.test", 1, "10.0.0.4", 0},
    {"m4.test", 1, "10.0.0.5", 0},
    {"m4.test", 28, "2001:db8::1", 0},
    {"m4.test", 28, "2001:db8::2", 0},
    {"m4.test", 28, "2001:db8::3", 0},
};
static int dns_fd;
static struct smtp_service *svc;

static void answer(struct msg *m, const uint8_t *q, size_t n)
{
	char name[256];
	int type;
	size_t end = q_read(q, n, name, &type);
	bool exists = false;

	m->n = 0;
	m_bytes(m, q, end);
	memset(m->p + 6, 0, 6);
	m->p[2] = 0x81;
	m->p[3] = 0x80;
	for (size_t i = 0; i < NELEM(zone); i++) {
		const struct record *r = &zone[i];
		uint8_t a[16];

		if (strcmp(r->name, name) != 0)
			continue;
		exists = true;
		if (r->type == 0)
			m->p[3] |= 2;
		if (r->type != type)
			continue;
		if (type == 15)
			m_named(m, 1, name, 15, 300, r->value, r->pref);
		else if (inet_pton(type == 1 ? AF_INET : AF_INET6, r->value, a) == 1)
			m_rr(m, 1, name, type, 300, a, type == 1 ? 4 : 16);
	}
	if (!exists)
		m->p[3] |= 3;
	if (m->p[7] == 0)
		m_soa(m, 100, 60);
}

static void *dns_main(void *arg)
{
	static struct msg m;
	uint8_t q[1500];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(dns_fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len)) > 12) {
		answer(&m, q, (size_t)n);
		sendto(dns_fd, m.p, m.n, 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
	return arg;
}

static struct route route;
static struct task route_task;

static void route_run(struct task *t UNUSED)
{
	if (route_poll(&route) != ROUTE_WAIT)
		loop_stop();
}

/* The hops as "host[addr]/pref ..." or the failure as "dsn text". */
static const char *routed(const char *text, unsigned port)
{
	static struct buf out;
	const struct log_ctx log = { "postfix/smtp", 1 };
	struct dest d = { 0 };
	char addr[80], *bad = dest_parse(&d, text, "smtp", &svc->ports);

	ASSERT(bad == NULL);
	d.port = port;
	route_start(&route, &route_task, &log, svc, &d);
	task_wake(&route_task);
	loop_run();
	buf_reset(&out);
	if (route.result == ROUTE_FAILED)
		buf_addf(&out, "%s %s", route.dsn, buf_str(&route.why));
	for (size_t i = 0; i < route.nhop; i++) {
		sockaddr_name((struct sockaddr *)&route.hop[i].sa, addr, sizeof(addr));
		buf_addf(&out, "%s%s[%s]/%u", i > 0 ? " " : "", route.hop[i].host, addr, route.hop[i].pref);
	}
	route_end(&route);
	dest_release(&d);
	return buf_str(&out);
}

static void use(const char *more)
{
	struct service *s = service_with(more, "smtp unix - - n - - smtp\n", "smtp");

	svc = s->state;
}

static void test_order(void)
{
	bool first1 = false, first2 = false, v6_first = false;

	use("inet_interfaces = 127.0.0.1\n");
	for (int i = 0; i < 100; i++) {
		const char *r = routed("two.test", 25);

		first1 |= strncmp(r, "mx1.test[192.0.2.11]/10", 23) == 0;
		first2 |= strncmp(r, "mx2.test", 8) == 0;
		v6_first |= strncmp(r, "mx1.test[2001:db8::11]", 22) == 0;
		if (strcmp(r + strlen(r) - strlen("backup.test[192.0.2.20]/20"), "backup.test[192.0.2.20]/20") != 0)
			ok(false, "the backup is not last: %s", r);
	}
	ok(first1 && first2 && v6_first, "equal preference: in random order, both protocols");
	is_str(routed("plain.test", 25), "plain.test[192.0.2.30]/0", "no MX: the domain's own address");
	is_str(routed("[two.test]", 25),
	    "5.4.4 Host or domain name not found. Name service error for name=two.test type=AAAA: Host found but no "
	    "data "
	    "record of requested type",
	    "in brackets: no MX look-up");
	is_str(routed("[192.0.2.99]", 25), "192.0.2.99[192.0.2.99]/0", "an address");
	use("inet_interfaces = 127.0.0.1\nsmtp_randomize_addresses = no\nsmtp_address_preference = ipv6\n");
	ok(strncmp(routed("two.test", 25), "mx1.test[2001:db8::11]/10 ", 26) == 0, "IPv6 preferred");
	use("inet_interfaces = 127.0.0.1\nsmtp_randomize_addresses = no\nsmtp_address_preference = "
	    "ipv4\nsmtp_mx_address_limit = 5\n");
	is_str(routed("many.test", 25),
	    "m4.test[10.0.0.1]/1 m4.test[10.0.0.2]/1 m4.test[10.0.0.3]/1 m4.test[2001:db8::1]/1 m4.test[2001:db8::2]/1",
	    "both protocols get their share of the limit");
	use("inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtp_randomize_addresses = no\n");
	is_str(routed("two.test", 25), "mx1.test[192.0.2.11]/10 mx2.test[192.0.2.12]/10 backup.test[192.0.2.20]/20",
	    "IPv4 only");
}

static void test_self(void)
{
	use("inet_interfaces = 127.0.0.1\n");
	is_str(routed("null.test", 25), "5.1.0 Domain null.test does not accept mail (nullMX)", "null MX");
	is_str(routed("self.test", 25), "5.4.6 mail for self.test loops back to myself", "we are the best MX");
	ok(strstr(routed("second.test", 25), "mx1.test") != NULL && strstr(routed("second.test", 25), "backup") == NULL,
	    "we are a backup: only what is better");
	is_str(routed("lost.test", 25), "4.4.4 unable to find primary relay for lost.test",
	    "the better ones have no address");
	is_str(routed("[127.0.0.1]", 25), "5.4.6 mail for 127.0.0.1 loops back to myself", "our address");
	is_str(routed("[127.0.0.1]", 26), "127.0.0.1[127.0.0.1]/0", "another port is somebody else");
}

static void test_failures(void)
{
	is_str(routed("half.test", 25), "mx2.test[192.0.2.12]/20", "one host with an address is enough");
	is_str(routed("none.test", 25),
	    "5.4.4 Host or domain name not found. Name service error for name=nowhere.test type=AAAA: Host not found",
	    "no host has one");
	ok(strncmp(routed("soft.test", 25), "4.4.4 ", 6) == 0, "a temporary failure outweighs a final one: %s",
	    routed("soft.test", 25));
	is_str(routed("fail.test", 25),
	    "4.4.3 Host or domain name not found. Name service error for name=fail.test type=MX: Host not found, try "
	    "again",
	    "servers in trouble");
	is_str(routed("absent.test", 25),
	    "5.4.4 Host or domain name not found. Name service error for name=absent.test type=AAAA: Host not found",
	    "no such domain");
	use("inet_interfaces = 127.0.0.1\nsmtp_defer_if_no_mx_address_found = yes\nignore_mx_lookup_error = yes\n");
	ok(strncmp(routed("none.test", 25), "4.4.4 ", 6) == 0, "smtp_defer_if_no_mx_address_found");
	ok(strstr(routed("fail.test", 25), "type=AAAA") != NULL, "ignore_mx_lookup_error asks for the address");
}

int main(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	struct dns_config dns = { 0 };
	char server[64];
	pthread_t thread;

	dns_fd = socket(AF_INET, SOCK_DGRAM, 0);
	ASSERT(bind(dns_fd, (struct sockaddr *)&in, sizeof(in)) == 0 &&
	       getsockname(dns_fd, (struct sockaddr *)&in, &len) == 0);
	pthread_create(&thread, NULL, dns_main, NULL);
	test_begin();
	snprintf(server, sizeof(server), "127.0.0.1:%d", ntohs(in.sin_port));
	dns.servers = server;
	dns_configure(&dns);
	smtp_init();
	task_init(&route_task, "route", route_run);
	test_order();
	test_self();
	test_failures();
	test_end();
	shutdown(dns_fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(dns_fd);
	return done_testing();
}
