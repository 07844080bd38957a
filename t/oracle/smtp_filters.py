"""Outbound SMTP: tables that change what name servers and mail servers say, and what becomes of recipients."""
import json, os, sys
sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
import zone
from sink import SINK, MARK, LOG
LOG = LOG.replace("| cut", "| grep -v '^error: open database' | cut")     # said by each of Postfix's processes

zone.MX("mx.filter.test", "10 a.filter.test", "20 b.filter.test")
zone.MX("one.filter.test", "10 a.filter.test")
zone.A("a.filter.test", "198.51.100.41")
zone.A("b.filter.test", "198.51.100.42")
zone.A("two.filter.test", "198.51.100.41")
zone.A("two.filter.test", "2001:db8::51")
zone.a("name.filter.test", ("CNAME", "a.filter.test"))
zone.MX("viacname.filter.test", "10 name.filter.test")
zone.a("aliasmx.filter.test", ("CNAME", "one.filter.test"))
PORT = [6000]
DOMS = ("mx", "one", "two", "name", "viacname", "aliasmx")


def filtered(name, options, to, spec=None, files=None, sender="", tail="", wait=1.0):
    PORT[0] += 1
    sinks = [("A", "198.51.100.41", PORT[0], spec or {}), ("B", "198.51.100.42", PORT[0], {})]
    hops = " ".join("{ %s.test = smtp:%s.filter.test:%d }" % (d, d, PORT[0]) for d in DOMS) + " { bare.test = smtp:[a.filter.test]:%d }" % PORT[0]
    f = {"sink.py": SINK, "sink.json": json.dumps(sinks)}
    f.update(files or {})
    config("fi_" + name, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n%s" % (hops, options), files=f, setup=MARK)
    case(name, "fi_" + name, "EHLO mail.client.test\n" + "".join("!deliver <%s> %s\n" % (sender, x) for x in to.split()) + tail + "!sleep %s\n" % wait + LOG)


ALL = "u@mx.test u@one.test u@two.test u@name.test u@viacname.test u@aliasmx.test u@bare.test"
for i, rules in enumerate(["/ AAAA / IGNORE", "/ MX / IGNORE", "/ A 198/ IGNORE", "/ MX 10 / IGNORE", "/41$/ ignore", "/ MX 20 / REJECT x", "/^a.filter.test. 300 IN A/ IGNORE me",
                           "/^name/ IGNORE", "/CNAME/ IGNORE"]):
    filtered("dns-%d" % i, "smtp_address_preference = ipv6\nsmtp_dns_reply_filter = regexp:@CONF@/rules\n", ALL, files={"rules": rules + "\n"})
filtered("dns-broken", "smtp_dns_reply_filter = hash:@CONF@/missing\n", "u@mx.test u@bare.test")
filtered("cname-overrides", "smtp_address_preference = ipv6\nsmtp_cname_overrides_servername = yes\n", ALL)
for i, (rules, spec) in enumerate([
        ("/^550 5.1.1(.*)/ 450 4.1.1$1", {"rcpt": "550 5.1.1 no\r\n"}), ("/^250-PIPELINING/ 250-NOTHING", {}), 
        ("/^220 (.*)/ 554 5.7.1 hidden", {}), ("/^450 (.*)/ 550 $1", {"mail": "450 4.7.1 a\r\n"}), ("/stored/ 451 4.0.0 not so", {}), ("/^junk/ 250 2.1.5 better", {"rcpt": "junk\r\n"}),
        ("/^(550-)/ 450-x", {"rcpt": "550-5.1.1 a\r\n550 5.1.1 b\r\n"}),  ("/.*/ what", {"greet": "220 x ESMTP\r\n<CLOSE>"}),
        ("/^550/ 250 2.1.5 tab\there", {"rcpt": "550 5.1.1 tab\tthere\r\n"})]):
    filtered("reply-%d" % i, "smtp_reply_filter = regexp:@CONF@/rules\n", "u@one.test u@mx.test", spec, files={"rules": rules + "\n"})
filtered("reply-broken", "smtp_reply_filter = hash:@CONF@/missing\n", "u@one.test u@mx.test")
for i, (rules, spec) in enumerate([
        ("/^5\\.1\\.1 / 4.1.1 softened", {"rcpt": "550 5.1.1 no\r\n"}), ("/^4\\.7\\.1 (.*)/ 5.7.1 hardened: $1", {"rcpt": "450 4.7.1 no\r\n"}), ("/^2\\.0\\.0 (.*)/ 2.7.7 fine: $1", {}),
        ("/^2\\.0\\.0 / 4.7.7 not allowed", {}), ("/^5\\.1\\.1 / 2.1.1 neither", {"rcpt": "550 5.1.1 no\r\n"}), ("/^5/ nonsense", {"rcpt": "550 5.1.1 no\r\n"}),
        ("/^5/ 5.9.9", {"rcpt": "550 5.1.1 no\r\n"}), ("/^(\\S+) (.*)/ $1 [$2]", {"rcpt": "550 5.1.1 no\r\n"}), ("/lost connection/ 5.4.2 gone", {"mail": None}),
        ("/^4\\.4\\.1 / 5.4.1 down", {})]):
    for p in ("smtp_delivery_status_filter", "default_delivery_status_filter"):
        filtered("status-%d-%s" % (i, p[:4]), "%s = regexp:@CONF@/rules\n" % p, "u@one.test u@mx.test u@down.test", spec, files={"rules": rules + "\n"})
filtered("status-broken", "smtp_delivery_status_filter = hash:@CONF@/missing\n", "u@one.test", {"rcpt": "550 5.1.1 no\r\n"})
filtered("status-bounce", "smtp_delivery_status_filter = regexp:@CONF@/rules\n", "u@one.test", {"rcpt": "450 4.7.1 no\r\n"}, files={"rules": "/^4(\\.\\S+) (.*)/ 5$1 hardened: $2\n"},
         sender="a@good.test", tail="!mail 1\n")
filtered("status-soft-bounce", "smtp_delivery_status_filter = regexp:@CONF@/rules\nsoft_bounce = yes\n", "u@one.test", {"rcpt": "450 4.7.1 no\r\n"},
         files={"rules": "/^4(\\.\\S+) (.*)/ 5$1 hardened: $2\n"})
config("fi_errors", main="relay_domains = static:all\ntransport_maps = inline:{ { e.test = error:5.1.2 no } { r.test = retry:4.3.2 wait } { d.test = discard:gone } }\n"
       "maximal_queue_lifetime = 10d\ndefault_delivery_status_filter = inline:{ { 5.1.2 no = 4.1.2 not now } { 4.3.2 wait = 5.3.2 never } { 2.0.0 gone = 2.2.2 all gone } }\n", setup=MARK)
case("status-errors", "fi_errors", "EHLO mail.client.test\n!deliver <> u@e.test\n!deliver <> u@r.test\n!deliver <> u@d.test\n!sleep 0.7\n" + LOG.split("\n")[0].replace("smtp|lmtp|error", "smtp|lmtp|error|retry|discard") + "\n")
for target in ("rcpt", "data"):
    for i, spec in enumerate([{}, {"rcpt": "550 5.1.1 no\r\n"}, {"data": "550 5.7.1 no\r\n"}, {"data": "450 4.7.1 no\r\n"}, {"rcpt": "450 4.7.1 no\r\n"}]):
        filtered("probe-%s-%d" % (target, i), "smtp_address_verify_target = %s\n" % target, "", spec,
                 tail="!sh sendmail -bv -f sender@good.test u@one.test v@bare.test; echo $?\n")

zone.MX("shorty.example.com", "10 a.filter.test")
zone.A("shorta.example.com", "198.51.100.41")
zone.MX("x.shorty.example.com", "10 a.filter.test")
zone.A("y.shorta.example.com", "198.51.100.41")
NAMES = ("shorty", "[shorta]", "x.shorty", "[x.shorty]", "nothere", "[nothere]", "y.shorta", "[y.shorta]", "a.filter.test", "[a.filter.test]")
for i, o in enumerate(["", "res_defnames", "res_dnsrch", "res_defnames, res_dnsrch"]):
    PORT[0] += 1
    config("fi_search%d" % i, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\nsmtp_dns_resolver_options = %s\n" %
           (" ".join("{ n%d.test = smtp:%s:%d }" % (k, x, PORT[0]) for k, x in enumerate(NAMES)), o),
           files={"sink.py": SINK, "sink.json": json.dumps([("A", "198.51.100.41", PORT[0], {})])}, setup=MARK)
    case("search-%d" % i, "fi_search%d" % i, "EHLO mail.client.test\n" + "".join("!deliver <> u@n%d.test\n" % k for k in range(len(NAMES))) + "!sleep 1\n" + LOG)
