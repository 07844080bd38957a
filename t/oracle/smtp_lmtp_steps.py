"""LMTP: every kind of reply at every step, and to each recipient after the dot; over TCP and over a socket."""
import json, os, sys
sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
import zone
from sink import SINK, MARK, LOG
LOG = LOG.replace("grep -v RSET", "grep -v -E 'RSET|QUIT'")

zone.A("a.lsteps.test", "198.51.100.51")
PORT = [7000]
PLAIN = ["8BITMIME", "DSN", "SIZE"]
LIMITS = "".join("lmtp_%s_timeout = 2\n" % x for x in "lhlo mail rcpt data_init data_done".split())


def steps(name, specs, rcpts="u", wait=1.0, options="", sender=""):
    sinks, hops, dialog = [], [], "EHLO mail.client.test\n"
    for i, spec in enumerate(specs):
        PORT[0] += 1
        sinks.append(("A%02d" % i, "198.51.100.51", PORT[0], spec))
        hops.append("{ t%d.test = lmtp:inet:a.lsteps.test:%d }" % (i, PORT[0]))
        dialog += "!deliver <%s> %s\n" % (sender, ",".join("%s@t%d.test" % (r, i) for r in rcpts))
    config("ls_" + name, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n%s" %
           (" ".join(hops), options), files={"sink.py": SINK, "sink.json": json.dumps(sinks)}, setup=MARK)
    case(name, "ls_" + name, dialog + "!sleep %s\n" % wait + LOG)


FAIL = ["421 4.3.2 bye\r\n", "421 4.3.2 bye\r\n<CLOSE>", "450 4.2.0 later\r\n", "450 no code\r\n", "451-4.3.0 one\r\n451 4.3.0 two\r\n", "550 5.7.1 no\r\n", "550 no code\r\n",
        "554-5.7.1 one\r\n554 5.7.1 two\r\n", "550\r\n", "552 5.2.2 mailbox full\r\n", None, "<RST>", "450 4.2.0 half<CLOSE>", "354 odd\r\n", "999 odd\r\n", "junk\r\n250 2.0.0 ok\r\n"]
for step in ("greet", "ehlo", "mail", "rcpt", "data", "dot"):
    for feats in ((False, True) if step in ("mail", "rcpt", "data", "dot") else (True,)):
        steps("%s%s" % (step, "-pipelining" if feats and step not in ("greet", "ehlo") else ""), [dict({} if feats else {"feats": PLAIN}, **{step: r}) for r in FAIL],
              options=LIMITS, wait=1.2)
OK, NO, LATER = "250 2.1.5 stored\r\n", "550 5.2.1 disabled\r\n", "452 4.2.2 full\r\n"
DOTS = [[OK, OK, OK], [OK, NO, OK], [NO, NO, NO], [LATER, OK, NO], [OK, LATER, LATER], [OK, "421 4.3.2 bye\r\n<CLOSE>"], ["421 4.3.2 bye\r\n", OK, OK],
        ["250-2.1.5 a\r\n250 2.1.5 b\r\n", OK, "550-5.2.1 x\r\n550 5.2.1 y\r\n"], [OK, OK, OK, OK], ["354 odd\r\n", OK, OK], [OK, "<RST>"]]
for feats in (False, True):
    t = "-pipelining" if feats else ""
    base = {} if feats else {"feats": PLAIN}
    steps("dots" + t, [dict(base, dots=d) for d in DOTS], rcpts="abc")
    steps("dots-some" + t, [dict(base, dots=d, **{"rcpt:b": "550 5.1.1 no\r\n"}) for d in ([OK, NO], [LATER, LATER], [OK, None])] +
          [dict(base, dots=[OK], **{"rcpt:b": "550 5.1.1 no\r\n", "rcpt:a": "450 4.2.0 later\r\n"}),
           dict(base, data="503 5.5.1 none\r\n", **{"rcpt": "550 5.1.1 no\r\n"}), dict(base, **{"rcpt": "450 4.2.0 later\r\n", "data": "503 5.5.1 none\r\n"})], rcpts="abc")
steps("silent", [{x: "HANG"} for x in ("greet", "ehlo", "mail", "rcpt", "data")] + [{"dots": [OK, "HANG"]}], rcpts="abc", options=LIMITS, wait=5)
steps("bounces", [dict(dots=[OK, NO])], rcpts="ab", sender="a@good.test")
case("bounce-text", "ls_bounces", "EHLO mail.client.test\n!deliver a@good.test a@t0.test,b@t0.test\n!mail 1\n")
steps("final", [dict(dots=[OK, OK])], rcpts="ab", options="lmtp_assume_final = yes\n")
case("final-dsn", "ls_final", "EHLO mail.client.test\nMAIL FROM:<a@good.test>\nRCPT TO:<a@t0.test> NOTIFY=SUCCESS\nRCPT TO:<b@t0.test>\nDATA\n!msg\n!mail 1\n")
