/* smtp_dest.c - next hops as written in configurations. */
#include "smtp/client.h"
#include "tap.h"
#include <stdlib.h>

static struct hash ports;

static void good(const char *text, const char *host, unsigned port, bool mx)
{
	struct dest d = { 0 };
	char *why = dest_parse(&d, text, "smtp", &ports);

	is_str(why, NULL, "%s is accepted", text);
	is_str(d.host, host, "%s: host", text);
	is_int(d.port, port, "%s: port", text);
	is_int(d.mx, mx, "%s: MX looked up", text);
	free(why);
	dest_release(&d);
}

static void bad(const char *text, const char *want)
{
	struct dest d = { 0 };
	char *why = dest_parse(&d, text, "smtp", &ports);

	is_str(why, want, "%s is refused", text);
	free(why);
	dest_release(&d);
}

int main(void)
{
	ports_load(&ports, "/nonexistent", "lmtp=24, smtp=25, smtps=submissions=465, submission=587");
	good("example.com", "example.com", 25, true);
	good("example.com:2525", "example.com", 2525, true);
	good("example.com:submission", "example.com", 587, true);
	good("[example.com]", "example.com", 25, false);
	good("[example.com]:587", "example.com", 587, false);
	good("[192.0.2.1]", "192.0.2.1", 25, false);
	good("[2001:db8::1]", "2001:db8::1", 25, false);
	good("[ipv6:2001:db8::1]:26", "2001:db8::1", 26, false);
	good("192.0.2.1", "192.0.2.1", 25, false);
	good("x_y.test", "x_y.test", 25, true);
	bad("[example.com", "missing \"]\" in server description: [example.com");
	bad("example.com]", "valid hostname or network address required in server description: example.com]");
	bad(":25", "missing host information in server description: :25");
	bad("[]:25", "valid hostname or network address required in server description: []:25");
	bad("a..b", "valid hostname or network address required in server description: a..b");
	bad("-x.test", "valid hostname or network address required in server description: -x.test");
	bad("[example.com]:nosuch", "unknown service: nosuch/tcp");
	bad("[example.com]:99999", "bad network port in destination: [example.com]:99999");
	bad("[example.com]:0", "bad network port in destination: [example.com]:0");
	hash_release(&ports, NULL);
	return done_testing();
}
