"""Outbound SMTP: every kind of reply at every step, from a server that is the last to be asked and from one that is
not, with and without pipelining. Each case is one step with one sort of server; each of its deliveries meets one reply."""
import json, os, sys
sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
import zone
from sink import SINK, MARK, LOG

zone.MX("pair.steps.test", "10 a.steps.test", "20 b.steps.test")
zone.A("a.steps.test", "198.51.100.21")
zone.A("b.steps.test", "198.51.100.22")
PORT = [4000]


def steps(name, specs, rcpts=("u",), pair=False, second=None, options="", wait=1.0, sender="", agent="smtp"):
    """One case: a delivery for each spec, to a server that behaves so; pair: with another MX host after it."""
    sinks, hops, dialog = [], [], "EHLO mail.client.test\n"
    for i, spec in enumerate(specs):
        PORT[0] += 1
        sinks.append(("A%02d" % i, "198.51.100.21", PORT[0], spec))
        if pair:
            sinks.append(("B%02d" % i, "198.51.100.22", PORT[0], second or {}))
        hops.append("{ t%d.test = %s:%s:%d }" % (i, agent, "pair.steps.test" if pair else "[a.steps.test]", PORT[0]))
        dialog += "!deliver <%s> %s\n" % (sender, ",".join("%s@t%d.test" % (r, i) for r in rcpts))
    config("st_" + name, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n%s" %
           (" ".join(hops), options), files={"sink.py": SINK, "sink.json": json.dumps(sinks)}, setup=MARK)
    case(name, "st_" + name, dialog + "!sleep %s\n" % wait + LOG)


LONG = "x" * 2100
FAIL = ["421 4.3.2 bye\r\n", "421 4.3.2 bye\r\n<CLOSE>", "450 4.2.0 later\r\n", "450 no code\r\n", "451-4.3.0 one\r\n451-4.3.0 two\r\n451 4.3.0 three\r\n",
        "550 5.7.1 no\r\n", "550 no code\r\n", "554-5.7.1 one\r\n554 5.7.1 two\r\n", "550\r\n", "550 4.7.1 other class\r\n", "450 5.7.1 other class\r\n",
        "521 5.3.2 no mail here\r\n", None, "<RST>", "450 4.2.0 half<CLOSE>", "550 5.7.1 then gone\r\n<CLOSE>", "250-never ends\r\n<CLOSE>"]
ODD = ["150 what\r\n", "250 2.0.0 fine\r\n", "220 fine\r\n", "354 go on\r\n", "650 odd\r\n", "999 odd\r\n", "000 odd\r\n", "25 short\r\n250 2.0.0 ok\r\n",
       "\r\n250 2.0.0 ok\r\n", "2500 four\r\n250 2.0.0 ok\r\n", "250\r\n", "250-\r\n250\r\n", "250-a\r\n450 4.1.1 b\r\n", "550-5.1.1 a\r\n250 2.1.5 b\r\n",
       "250_a\r\n250 2.0.0 b\r\n", "250 2.0.0 " + LONG + "\r\n", "250-" + LONG + "\r\n250 2.0.0 x\r\n", "550 5.1.1  two  spaces\tand\ttab \x01\x7f\xe4 \r\n",
       "550 5.1\r\n", "550 5.1.1.1 x\r\n", "550 5.1234.1 x\r\n", "550 5.1.1x\r\n", "550 \r\n", "550-\r\n550 5.1.1 x\r\n", "450 4.2.0 bare lf\n",
       " 250 ok\r\n250 2.0.0 ok\r\n", "250 2.0.0 nul\0here\r\n"]
GOOD = {"greet": "220 sink ESMTP\r\n", "data": "354 go\r\n"}
PLAIN = ["8BITMIME", "DSN", "SIZE"]

for pair in (False, True):
    sort = "pair" if pair else "one"
    for step in ("greet", "ehlo", "helo", "mail", "rcpt", "data", "dot"):
        base = {"ehlo": "502 5.5.1 no\r\n"} if step == "helo" else {}
        for feats in ((False, True) if step in ("mail", "rcpt", "data", "dot") else (True,)):
            with_feats = dict(base) if feats else dict(base, feats=PLAIN)
            tail = "-pipelining" if feats and step in ("mail", "rcpt", "data", "dot") else ""
            steps("fail-%s-%s%s" % (step, sort, tail), [dict(with_feats, **{step: r}) for r in FAIL], pair=pair)
            if not pair:
                steps("odd-%s%s" % (step, tail), [dict(with_feats, **{step: r}) for r in ODD], options="smtp_helo_timeout = 2\nsmtp_mail_timeout = 2\n"
                      "smtp_rcpt_timeout = 2\nsmtp_data_init_timeout = 2\nsmtp_data_done_timeout = 2\n", wait=3)

# ---- several recipients, some of which fail
MIX = [{"rcpt:b": "450 4.2.0 later\r\n"}, {"rcpt:b": "550 5.1.1 no\r\n"}, {"rcpt:a": "450 4.2.0 later\r\n", "rcpt:b": "550 5.1.1 no\r\n"},
       {"rcpt:a": "550 5.1.1 no\r\n", "rcpt:b": "550 5.1.1 no\r\n", "rcpt:c": "550 5.1.1 no\r\n", "data": "554 5.5.1 none\r\n"},
       {"rcpt:a": "550 5.1.1 no\r\n", "rcpt:b": "550 5.1.1 no\r\n", "rcpt:c": "550 5.1.1 no\r\n"},
       {"rcpt": "450 4.2.0 later\r\n", "data": "503 5.5.1 none\r\n"}, {"rcpt:b": "421 4.3.2 bye\r\n<CLOSE>"}, {"rcpt:b": None}, {"rcpt:c": None},
       {"rcpt:a": "452 4.5.3 too many\r\n"}, {"rcpt:b": "452 4.5.3 too many\r\n", "rcpt:c": "452 4.5.3 too many\r\n"}, {"rcpt:b": "552 5.2.2 too many\r\n"},
       {"rcpt:b": "550 5.1.1 no\r\n", "data": "450 4.3.0 no\r\n"}, {"rcpt:b": "450 4.2.0 later\r\n", "data": "554 5.3.0 no\r\n"},
       {"rcpt:b": "450 4.2.0 later\r\n", "dot": "554 5.3.0 no\r\n"}, {"rcpt:b": "550 5.1.1 no\r\n", "dot": "451 4.3.0 no\r\n"},
       {"rcpt:b": "550 5.1.1 no\r\n", "dot": None}, {"rcpt:b": "450 4.2.0 later\r\n", "dot": None}, {"rcpt:b": "550 5.1.1 no\r\n", "data": None},
       {"rcpt:c": "251 2.1.5 forwarded\r\n"}, {"rcpt:b": "252 2.1.5 perhaps\r\n"}, {"rcpt:b": "354 5.1.1 odd\r\n"}, {"rcpt:b": "junk\r\n250 2.1.5 ok\r\n"},
       {"mail": "450 4.1.8 no\r\n"}, {"mail": "550 5.1.8 no\r\n", "rcpt": "503 5.5.1 need MAIL\r\n", "data": "503 5.5.1 need MAIL\r\n"}, {"mail": None},
       {"quit": None}, {"quit": "500 what\r\n"}, {"quit": "HANG"}, {"rset": "500 what\r\n", "rcpt": "550 5.1.1 no\r\n"}]
for pair in (False, True):
    for feats in (False, True):
        steps("mix-%s%s" % ("pair" if pair else "one", "-pipelining" if feats else ""), [x if feats else dict(x, feats=PLAIN) for x in MIX],
              rcpts="abc", pair=pair)
for second in ({"rcpt": "550 5.1.1 no such one here\r\n"}, {"rcpt": "450 4.2.1 later\r\n"}, {"greet": "554 5.7.1 go away\r\n"}, {"dot": "421 4.3.2 bye\r\n<CLOSE>"},
               {"greet": None}, {"mail": "550 5.7.1 no\r\n"}):
    k, v = list(second.items())[0]
    steps("second-%s-%s" % (k, (v or "drop")[:3]), [{"greet": "421 4.3.2 a\r\n"}, {"ehlo": "421 4.3.2 a\r\n"}, {"mail": "450 4.7.1 a\r\n"}, {"rcpt": "450 4.2.0 a\r\n"},
          {"rcpt:a": "450 4.2.0 a\r\n"}, {"rcpt:a": "450 4.2.0 a\r\n", "rcpt:b": "550 5.1.1 a\r\n"}, {"data": "450 4.3.0 a\r\n"}, {"dot": "450 4.3.0 a\r\n"}, {"dot": None},
          {"data": "554 5.3.0 a\r\n"}], rcpts="abc", pair=True, second=second)

# ---- silence at each step, and a server that takes its time with the last words
SLOW = [{"greet": "HANG"}, {"ehlo": "HANG"}, {"ehlo": "502 no\r\n", "helo": "HANG"}, {"mail": "HANG"}, {"rcpt": "HANG"}, {"data": "HANG"}, {"dot": "HANG"},
        {"mail": "HANG", "feats": PLAIN}, {"rcpt": "HANG", "feats": PLAIN}, {"data": "HANG", "feats": PLAIN}, {"dot": "HANG", "feats": PLAIN},
        {"rcpt:b": "HANG"}, {"rcpt:b": "HANG", "feats": PLAIN}, {"rcpt:a": "550 5.1.1 no\r\n", "rcpt:b": "HANG"}, {"quit": "HANG"}]
LIMITS = "".join("smtp_%s_timeout = 1\n" % x for x in "helo mail rcpt data_init data_done quit rset".split())
for pair in (False, True):
    steps("silent-%s" % ("pair" if pair else "one"), SLOW, rcpts="abc", pair=pair, options=LIMITS, wait=4)

# ---- how much of a long reply is kept
LINES = [[1000, 1000, 20], [1000, 1060, 20], [2030, 5], [2043], [2044], [2045], [2046], [2047], [2048], [2049], [2047, 1, 5], [1000, 1043, 4, 3, 2, 1], [500] * 6,
         [1000, 1500, 20, 20], [3000, 20], [20, 3000, 20], [6] * 700]
SIZES = [{"rcpt": "".join("550%s5.1.1 %s\r\n" % (" " if i == len(x) - 1 else "-", chr(97 + i % 26) * (n - 10 if n > 10 else 0)) for i, n in enumerate(x))}
         for x in LINES]
steps("long", SIZES, wait=1.5)
for i in (0, 1, 10, 13, 14, 15, 16):
    case("long-bounce-%d" % i, "st_long", "EHLO mail.client.test\n!deliver a@good.test u@t%d.test\n!mail 1\n" % i)
