"""Arguments of smtp and lmtp lines in master.cf: flags=DORX, and what is wrong there."""
NEW = "!shq wc -c < /var/oracle/maillog > $ROOT/mark\n"
NET = "lmtp_connection_cache_on_demand = no\nsmtp_connection_cache_on_demand = no\nmynetworks = 127.0.0.0/8 203.0.113.0/24\nrelay_domains = static:all\nmaximal_queue_lifetime = 10d\n"
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark"
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E '(fl|fx|lmtp|smtp|bounce|error|qmgr|master).\\[?' | sed -E 's/.*postfix.//; s/\\[[0-9]+\\]//; "
       "s/\\b[0-9A-F]{6,16}\\b/QID/g; s/delay=.*dsn=/dsn=/; s/[0-9]+ exit/N exit/; s/process id [0-9]+/process id N/; s/size=[0-9]+/size=N/' | grep -v -E 'statistics|daemon started|terminating|starting|reload|connect from|stopping|after CONNECT' | sort -u\n")

msg("looped", "From: a@good.test\nDelivered-To: U@far.test\nSubject: x\n\nb\n")
msg("looped2", "From: a@good.test\nSubject: x\nDelivered-To: nobody\ndelivered-to:  <u@far.test> (c)\n\nb\n")
msg("looped3", "From: a@good.test\nSubject: x\nDelivered-To: u@far.test,\n\tv@far.test\n\nDelivered-To: u@far.test\n")
msg("own", "Return-Path: <x@y.test>\nX-Original-To: x@y.test\nFrom: a@good.test\nSubject: x\n\nb\n")

# every set of letters, each its own transport
SETS = [s for s in ("D", "O", "R", "X", "DO", "DORX", "ROD", "DD", "") for _ in (1, 2)]    # with an odd index: one recipient a time
for agent in ("smtp", "lmtp"):
    master = "".join("fl%d unix - - n - - %s%s\n" % (i, agent, " flags=" + s) for i, s in enumerate(SETS))
    hop = "[198.51.100.1]" if agent == "smtp" else "unix:@ROOT@/lm"
    config("flags_" + agent, master=master, setup=MARK, fixtures=["lmtp @ROOT@/lm"], main=NET + "recipient_delimiter=+\ntransport_maps = inline:{ %s }\n" % " ".join(
        "{ f%d.test = fl%d:%s } { n%d.test = fl%d:%s }" % (i, i, hop, i, i, "nodsn.test" if agent == "smtp" else "inet:[198.51.100.10]:25") for i in range(len(SETS))) +
           "virtual_alias_maps = inline:{ al@good.test=u@f9.test, al2@good.test=u2@f11.test, {two@good.test=u@f11.test v@f11.test} }\n" +
           "".join("fl%d_destination_recipient_limit = 1\n" % i for i in range(len(SETS)) if i % 2))
    for i, s in enumerate(SETS):
        case("set-%s-%d%s" % (agent, i, s), "flags_" + agent, (NEW + "EHLO x\n!deliver a@good.test u@f%d.test\n!deliver - u+x@f%d.test,v@f%d.test\n"
             "!deliver a@good.test U@f%d.test own\n!deliver \"a..b\"@good.test \"q..u\"@f%d.test\n!drain\n" % ((i,) * 5)) + LOG + "!delall\n")
    case("dsn-" + agent, "flags_" + agent, NEW + "EHLO x\n" + "".join(
        "MAIL FROM:<a@good.test>\nRCPT TO:<u@%s%d.test> NOTIFY=SUCCESS\nDATA\n!msg\n" % (k, i) for i in (1, 7, 11) for k in "fn") + "!sleep 1\n!drain\n" + LOG)
    case("alias-" + agent, "flags_" + agent, "EHLO x\n!deliver a@good.test al@good.test\n!deliver a@good.test al2@good.test\n!deliver a@good.test two@good.test\n!drain\n")
    config("loop_" + agent, master="fl unix - - n - - %s flags=D\nfr unix - - n - - %s flags=R\n" % (agent, agent), setup=MARK, fixtures=["lmtp @ROOT@/lm"],
           main=NET + "transport_maps = inline:{ { far.test = fl:%s } { r.test = fr:%s } }\nfl_destination_recipient_limit = 1\n" % (hop, hop))
    case("loop-" + agent, "loop_" + agent, "EHLO x\n!deliver - u@far.test looped\n!deliver - u@far.test looped2\n!deliver - u@far.test looped3\n!deliver a@good.test u@far.test looped\n"
         "!deliver a@good.test u@r.test looped\n!drain\n" + LOG)

# smtp_generic_maps: all three headers go out under the names for the outside
GEN = ("{ s@a.test=sgen@public.test } { orig@a.test=ogen@public.test } { u@a.test=gen@public.test } { w@a.test=Other } { null@a.test=<> } "
       "{ @sub.a.test=@public.test } { q@a.test=\"a..b\"@public.test }")
for agent in ("smtp", "lmtp"):
    config("gen_" + agent, master="fg unix - - n - - %s flags=DOR\nfo unix - - n - - %s flags=O\nfn unix - - n - - %s flags=DR\n" % ((agent,) * 3), fixtures=["lmtp @ROOT@/lm"],
           main=NET + "recipient_delimiter=+\nmydestination=\n%s_generic_maps = inline:{ %s }\ntransport_maps = inline:{ %s }\n" % (agent, GEN, " ".join(
               "{ %s = %s:%s }" % (d, t, "[198.51.100.1]" if agent == "smtp" else "unix:@ROOT@/lm") for d, t in (("a.test", "fg"), ("sub.a.test", "fg"), ("o.test", "fo"), ("n.test", "fn")))) +
           "virtual_alias_maps = inline:{ orig@a.test=u@a.test, al@a.test=w@a.test, toq@a.test=q@a.test, toq2@a.test=x+y@sub.a.test, {orig@o.test=u@o.test}, orig@n.test=u@n.test }\n" +
           "fg_destination_recipient_limit = 1\nfo_destination_recipient_limit = 1\nfn_destination_recipient_limit = 1\n")
    case("generic-" + agent, "gen_" + agent, "EHLO x\n" + "".join("!deliver %s %s\n!drain\n" % x for x in (
        ("s@a.test", "orig@a.test"), ("s+e@a.test", "u+e@a.test"), ("-", "al@a.test"), ("null@a.test", "toq@a.test"), ("q@a.test", "toq2@a.test"), ("x@sub.a.test", "null@a.test"),
        ("w@a.test", "Orig@A.test"), ("s@a.test", "orig@o.test"), ("s@a.test", "orig@n.test"), ("plain@good.test", "plain@a.test"))))

# wrong ones
BAD = ["flags=Q", "flags=dor", "flag=D", "junk", "user=nobody", "flags=D flags=R", "flags=DQ", "flags=D,R", "-x", "-v", "-v flags=D", "flags = D"]
config("bad", master="".join("bad%d unix - - n - - smtp %s\n" % (i, s) for i, s in enumerate(BAD)), setup=MARK,
       main=NET + "transport_maps = inline:{ %s }\n" % " ".join("{ b%d.test = bad%d:[198.51.100.1] }" % (i, i) for i in range(len(BAD))))
# (where Postfix's process ends, its queue manager tries again after a minute, and then defers)
for i, s in enumerate(BAD):
    case("bad-%d" % i, "bad", NEW + "EHLO x\n!deliver - u@b%d.test\n!sleep 1\n!mail 0\n!delall\n" % i + LOG.replace("| sort", "| grep fatal | sort"))
