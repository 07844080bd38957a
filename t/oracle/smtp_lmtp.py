"""LMTP: a reply for each recipient, sockets, ports."""
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; "
HOPS = ["unix:/nonexist", "unix:private/foo", "inet:[sinka.test]:25", "[sinka.test]:25", "inet:sinka.test:2525", "sinka.test", "remote.test",
        "unix:@ROOT@/l", "unix:" + "x" * 120]
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E 'lmtp\\[' | sed -E 's/.*postfix.lmtp.[0-9]+.: //; s/^[0-9A-F]{6,16}: /QID: /; s/conn_use=[0-9]+, //; "
       "s/delay=.*dsn=/dsn=/' | sort\n")
config("lm", main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n" %
       " ".join("{ t%d.test = lmtp:%s }" % (n, x) for n, x in enumerate(HOPS)), fixtures=["lmtp @ROOT@/l"], setup=MARK)
case("hops", "lm", "EHLO mail.client.test\n" + "".join("!deliver <> u@t%d.test\n" % n for n in range(len(HOPS))) + "!sleep 2\n" + LOG)
case("recipients", "lm", """
EHLO mail.client.test
!deliver <> a@t7.test,rcpt550@t7.test,data550@t7.test,data450@t7.test,rcpt450@t7.test,b@t7.test
!sleep 1
""" + LOG)
