"""Outbound SMTP: where mail goes, and what is said when it does not get there."""
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; "
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E 'smtp\\[' | sed -E 's/.*postfix.smtp.[0-9]+.: //; s/^[0-9A-F]{6,16}: /QID: /; "
       "s/conn_use=[0-9]+, //; s/delay=.*dsn=/dsn=/' | sort\n")
LIFE = "maximal_queue_lifetime = 10d\nrelay_domains = static:all\n"


def each(domains, local="u"):
    return "EHLO mail.client.test\n" + "".join("!deliver <> %s@%s\n" % (local, d) for d in domains)


config("rt_mx", main=LIFE, setup=MARK)
case("mx", "rt_mx", each("nullmx.test mxnx.test mxloop.test mxself.test mxservfail.test noaddr.test servfail.test nonexist.test txtonly.test "
                        "onlyaaaa.test down.test fallback.test greet554.test greet421.test cname.test cnamehost.test onlya.test mxbad.test "
                        "remote.test small.test helo.test no8bit.test nodsn.test".split()) + "!sleep 3\n" + LOG)
config("rt_rcpt", main=LIFE, setup=MARK)
case("second-server", "rt_rcpt", each(["remote.test"], "rcpt450") + each(["remote.test"], "data450")[len("EHLO mail.client.test\n"):] +
     "!deliver <> rcpt421@remote.test\n!deliver <> rcpt450drop@remote.test\n!deliver <> rcpt550@remote.test\n!deliver <> rcpt450multi@remote.test\n"
     "!deliver <> data554@remote.test\n!deliver <> rcpt550noenh@remote.test\n!deliver mail450@good.test a@good.test\n"
     "!deliver <> a@remote.test,rcpt450@remote.test,rcpt550@remote.test,b@remote.test\n!sleep 2\n" + LOG)

DESTS = ["[sinka.test]", "sinka.test", "[198.51.100.11]", "[198.51.100.11]:2525", "sinka.test:2525", "[sinka.test]:smtp", "remote.test:2525",
         "[mx.down.test]", "[nonexist.test]", "[mx.down.test],[sinka.test]", "[mx.down.test], [sinkb.test]", "nonexist.test [sinkc.test]",
         "[2001:db8::51]", "[ipv6:2001:db8::51]", "[ipv6:2001:db8::51]:2525", "[mx.example.com]", "example.com", "mx.example.com",
         "[mx.example.com]:2500", "localhost", "[127.0.0.1]", "[servfail.test]", "[onlyaaaa.test]", "198.51.100.11", "x_y.test"]
config("rt_dest", main=LIFE + "transport_maps = inline:{ %s }\n" % " ".join("{ t%d.test = smtp:%s }" % (i, d) for i, d in enumerate(DESTS)), setup=MARK)
case("next-hops", "rt_dest", each("t%d.test" % i for i in range(len(DESTS))) + "!sleep 3\n" + LOG)

for i, h in enumerate(["nonexist.test", "[nonexist.test]", "nullmx.test", "mxself.test", "[mx.example.com]", "[sinka.test]", "sinka.test:2525",
                       "[mx.greet554.test]", "[mx.down.test]"]):
    config("rt_relayhost%d" % i, main=LIFE + "relayhost = %s\nrelay_transport = smtp:%s\n" % (h, h) + "default_transport = smtp\n", setup=MARK)
    case("relayhost-%d" % i, "rt_relayhost%d" % i, each(["remote.test"]) + "!sleep 1.5\n" + LOG.replace("| sort", "| sort -u"))
for i, (f, d) in enumerate([("nonexist.test", "remote.test"), ("[sinka.test]", "nonexist.test"), ("[sinka.test]", "down.test"),
                            ("[sinka.test]", "nullmx.test"), ("[sinka.test]", "mxself.test"), ("[nonexist.test]", "nonexist2.test"),
                            ("[sinka.test] [sinkb.test]", "greet421.test"), ("[sinka.test]", "greet554.test"), ("[sinka.test]", "remote.test"),
                            ("[mx.greet554.test]", "nonexist.test")]):
    config("rt_fallback%d" % i, main=LIFE + "smtp_fallback_relay = %s\n" % f, setup=MARK)
    case("fallback-%d" % i, "rt_fallback%d" % i, "EHLO mail.client.test\n!deliver <> a@%s\n!deliver <> rcpt450@%s\n!sleep 1.5\n" % (d, d) + LOG)

config("rt_nodns", main=LIFE + "disable_dns_lookups = yes\n", setup=MARK)
case("disable-dns-lookups", "rt_nodns", each(["sinka.test", "nonexist.test", "remote.test", "localhost"]) + "!sleep 2\n" + LOG)
config("rt_ipv4", main=LIFE + "inet_protocols = ipv4\ninet_interfaces = 192.0.2.1, 127.0.0.1\n", setup=MARK)
case("ipv4-only", "rt_ipv4", each(["onlyaaaa.test", "nonexist.test", "onlya.test"]) + "!sleep 2\n" + LOG)
config("rt_defermx", main=LIFE + "smtp_defer_if_no_mx_address_found = yes\nignore_mx_lookup_error = yes\n", setup=MARK)
case("no-mx-address", "rt_defermx", each(["mxnx.test", "servfail.test"]) + "!sleep 2\n" + LOG)
