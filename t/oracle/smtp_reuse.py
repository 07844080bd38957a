"""Outbound SMTP: connections used again, for configured destinations and on demand; their limits; what fails on them."""
import json, os, sys
sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
import zone
from sink import SINK, MARK, LOG

zone.MX("pair.reuse.test", "10 a.reuse.test", "20 b.reuse.test")
zone.MX("other.reuse.test", "10 a.reuse.test")
zone.A("a.reuse.test", "198.51.100.31")
zone.A("b.reuse.test", "198.51.100.32")
PORT = [5000]
PLAIN = ["8BITMIME", "DSN", "SIZE"]


def reuse(name, spec, dialog, second=None, options="", agent="smtp", kept="static:all"):
    """p.test goes to two MX hosts, o.test to one host of them (the first), both kept open; rcpt u is the usual one."""
    PORT[0] += 1
    sinks = [("A", "198.51.100.31", PORT[0], spec), ("B", "198.51.100.32", PORT[0], second or {})]
    hops = "{ p.test = %s:pair.reuse.test:%d } { o.test = %s:other.reuse.test:%d } { h.test = %s:[a.reuse.test]:%d }" % (
        agent, PORT[0], agent, PORT[0], agent, PORT[0])
    config("ru_" + name, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n"
           "smtp_connection_cache_destinations = %s\nlmtp_connection_cache_destinations = %s\n%s" % (hops, kept, kept, options),
           files={"sink.py": SINK, "sink.json": json.dumps(sinks)}, setup=MARK)
    case(name, "ru_" + name, "EHLO mail.client.test\n" + "".join(
        "!sleep %s\n" % x[1:] if x[0] == "+" else "!deliver <> %s\n!sleep 0.4\n" % x for x in dialog.split()) + "!sleep 0.6\n" + LOG.replace("RSET", "-E 'RSET|QUIT'"))


OK = "250 2.1.5 ok\r\n"
for feats in (False, True):
    f = {} if feats else {"feats": PLAIN}
    t = "-pipelining" if feats else ""
    reuse("twice" + t, f, "u@p.test v@p.test w@p.test")
    for what, reply in (("450", "450 4.2.0 later\r\n"), ("550", "550 5.1.1 no\r\n"), ("421", "421 4.3.2 bye\r\n<CLOSE>"), ("drop", None), ("stay421", "421 4.3.2 bye\r\n")):
        for step in ("mail", "rcpt", "data", "dot"):
            if step == "mail" and what in ("421", "drop", "stay421"):
                continue        # here nothing was lost but a connection that had been idle: it is made anew
            good = {"mail": "250 2.1.0 ok\r\n", "rcpt": OK, "data": "354 go\r\n", "dot": "250 2.0.0 stored\r\n"}[step]
            reuse("%s-%s%s" % (step, what, t), dict(f, **{step: [good, reply, good]}), "u@p.test v@p.test w@p.test u@h.test v@h.test w@h.test")
    reuse("some" + t, dict(f, **{"rcpt:x": "450 4.2.0 later\r\n", "rcpt:y": "550 5.1.1 no\r\n"}), "u@p.test u@p.test,x@p.test,y@p.test u@p.test y@p.test u@p.test")
    reuse("some-second" + t, dict(f, **{"rcpt:x": "450 4.2.0 later\r\n"}), "u@p.test u@p.test,x@p.test x@p.test u@p.test",
          second=dict(f, **{"rcpt": "450 4.2.1 not here\r\n"}))
reuse("count-limit", {}, "u@p.test v@p.test w@p.test x@p.test", options="smtp_connection_reuse_count_limit = 2\n")
reuse("count-limit-1", {}, "u@p.test v@p.test w@p.test", options="smtp_connection_reuse_count_limit = 1\n")
reuse("time-limit", {}, "u@p.test +2 v@p.test w@p.test", options="smtp_connection_reuse_time_limit = 1\nsmtp_connection_cache_time_limit = 10\n")
reuse("idle-limit", {}, "u@p.test +2 v@p.test", options="smtp_connection_cache_time_limit = 1\n")
reuse("other-domain", {}, "u@p.test v@o.test w@p.test x@h.test")
reuse("second-server", {"greet": "421 4.3.2 a\r\n<CLOSE>"}, "u@p.test v@p.test w@p.test")
reuse("off", {}, "u@p.test v@p.test", options="smtp_connection_cache_on_demand = no\n", kept="")
reuse("lmtp", {}, "u@h.test v@h.test,w@h.test u@h.test", agent="lmtp")
reuse("lmtp-fails", {"rcpt:x": "450 4.2.0 later\r\n", "rcpt:y": "550 5.1.1 no\r\n"}, "u@h.test x@h.test,w@h.test y@h.test,w@h.test u@h.test", agent="lmtp")
reuse("limits", {"mail": ["250 2.1.0 ok\r\n", "450 4.7.0 no\r\n"]}, "u@p.test v@p.test", options="smtp_mx_session_limit = 1\n")
reuse("address-limit", {"mail": ["250 2.1.0 ok\r\n", "450 4.7.0 no\r\n"]}, "u@p.test v@p.test", options="smtp_mx_address_limit = 1\n")
