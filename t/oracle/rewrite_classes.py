"""Canonical maps, masquerading, virtual aliases and copies: classes, extensions, recursion, errors; envelope and headers."""
NO = "mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients=permit_mynetworks\nmyorigin=origin.test\n"
N = NO + "recipient_delimiter=+\n"
D = ("default_transport=smtp:[198.51.100.1]\nmydestination=home.test, origin.test\nlocal_transport=smtp:[198.51.100.1]\nlocal_recipient_maps=\n"
     "virtual_alias_domains=va.test\n")
ALL = "envelope_sender, envelope_recipient, header_sender, header_recipient"
msg("h", "From: User <u@host.home.test>\nTo: u@host.home.test, (c) c@x.test, \"q u\"@x.test\nCc: root@host.home.test, c+e@x.test\nSender: s@x.test\n"
    "Reply-To: c@x.test\nResent-From: c@x.test\nErrors-To: u@a.b.home.test\nSubject: x\n\nb\n")
CANON = ("c@x.test canon@y.test\nu@host.home.test mapped@y.test\n@z.test @zz.test\nbare bc@y.test\n\"q u\"@x.test q@y.test\nc+x@x.test cx@y.test\n"
         "many@x.test a@y.test, b@y.test\nempty@x.test ,\nr1@x.test r2@x.test\nr2@x.test r3@x.test\nr3@x.test r3@x.test\nl1@x.test l2@x.test\n"
         "l2@x.test l1@x.test\nshort@x.test short\nnull@x.test <>\next@x.test e+new@y.test\n")
A = ["c@x.test", "C@X.TEST", "c+e@x.test", "c+x@x.test", "c+x+y@x.test", "u@host.home.test", "any@z.test", "any+e@z.test", "bare", "bare+e", "bare@home.test",
     "bare@far.test", '"q u"@x.test', '"q u+e"@x.test', "many@x.test", "r1@x.test", "r1+e@x.test", "short@x.test", "short+e@x.test", "null@x.test", "ext@x.test",
     "ext+e@x.test", "root@host.home.test", "plain@y.test", "u@a.b.home.test", "l1@x.test", "+e@x.test", "c+@x.test", "c++e@x.test"]
C = {
    "can": "canonical_maps=hash:@CONF@/canon\n",
    "env": "canonical_maps=hash:@CONF@/canon\ncanonical_classes=envelope_sender\n",
    "hdr": "canonical_maps=hash:@CONF@/canon\ncanonical_classes=header_sender,header_recipient\n",
    "snd": "sender_canonical_maps=hash:@CONF@/canon\n",
    "sndh": "sender_canonical_maps=hash:@CONF@/canon\nsender_canonical_classes=header_sender\n",
    "rcp": "recipient_canonical_maps=hash:@CONF@/canon\n",
    "rcph": "recipient_canonical_maps=hash:@CONF@/canon\nrecipient_canonical_classes=envelope_recipient\n",
    "noext": "canonical_maps=hash:@CONF@/canon\npropagate_unmatched_extensions=virtual\n",
    "both": "sender_canonical_maps=inline:{c@x.test=u@host.home.test}\nrecipient_canonical_maps=inline:{c@x.test=r1@x.test}\ncanonical_maps=hash:@CONF@/canon\n",
    "masq": "masquerade_domains=home.test\n",
    "masqx": "masquerade_domains=!a.b.home.test host.home.test home.test\nmasquerade_exceptions=root, bare\nmasquerade_classes=" + ALL + "\n",
    "masqm": "masquerade_domains=$mydomain home.test\nmasquerade_exceptions=inline:{u=x}\nmasquerade_classes=envelope_recipient,header_recipient\n",
    "multi": "recipient_delimiter=+-\ncanonical_maps=hash:@CONF@/canon\n",
    "nodel": "recipient_delimiter=\ncanonical_maps=hash:@CONF@/canon\n",
    "re": "canonical_maps=regexp:@CONF@/re\n",
    "nomap": "canonical_maps=hash:@CONF@/canon\nreceive_override_options=no_address_mappings\nalways_bcc=copy@y.test\n",
    "fail": "canonical_maps=fail:x\n",
    "rfail": "recipient_canonical_maps=fail:x\n",
    "hfail": "canonical_maps=fail:x\ncanonical_classes=header_sender\n",
}
for k, v in C.items():
    config("c_" + k, main=(NO if "recipient_delimiter" in v else N) + D + v, files={"canon": CANON, "re": "/^(.*)\\+(.*)@x\\.test$/ $2.$1@y.test\n/^bare@/ re@y.test\n/@z/ @zz.test\n"}, maps=["hash:canon"])
    d = "EHLO x\n"
    for a in A if "fail" not in k else A[:3]:
        d += "!deliver %s %s,o@y.test h\n!drain\n" % (a, a)
    d += "!deliver - c@x.test h\n!drain\n"
    if "fail" not in k:
        d += "!sh printf 'To: c@x.test\\nFrom: u@host.home.test\\n\\nb\\n' | sendmail -f c@x.test c@x.test u@host.home.test\n!drain\n"
    case("canon-" + k, "c_" + k, d, limit=100)

VA = ("a@va.test a@y.test\nb@va.test a@y.test, b@y.test c@y.test\n@cat.test all@y.test\n@same.test @y.test\nself@y.test self@y.test, more@y.test\n"
      "loop1@va.test loop2@va.test\nloop2@va.test loop1@va.test\ndeep0@va.test deep1@va.test\ndeep1@va.test deep2@va.test\ndeep2@va.test deep3@va.test\n"
      "deep3@va.test end@y.test\nroot alice@y.test\nx@va.test short\ny@va.test y+new@y.test\n\"q u\"@va.test \"q v\"@y.test\ngrp@va.test grp: a@y.test, b@y.test;\n"
      "cmt@va.test (c) a@y.test (d), Name <b@y.test>\nnull@va.test <>\nempty@va.test ,\nboth@va.test @same.test, a@va.test\nwild+e@va.test exact@y.test\n"
      "wild@va.test inexact@y.test\ndup@va.test a@y.test, A@Y.TEST, a@y.test\nhash@va.test \"#\"@y.test\npct@va.test a%y.test\nbang@va.test y.test!a\n"
      "home@home.test out@y.test\n@sub.va.test sub@y.test\nmailer-daemon md@y.test\nbig@va.test " + ", ".join("u%d@y.test" % i for i in range(12)) + "\n")
VA_A = ["a@va.test", "A@VA.Test", "a+e@va.test", "b@va.test", "b+e@va.test", "x@cat.test", "x+e@cat.test", "x+e@same.test", "self@y.test", "self+e@y.test",
        "loop1@va.test", "deep0@va.test", "deep0+e@va.test", "root", "root+e@home.test", "root@far.test", "x@va.test", "x+e@va.test", "y+e@va.test",
        '"q u"@va.test', '"q u+e"@va.test', "grp@va.test", "cmt@va.test", "null@va.test", "empty@va.test", "both+e@va.test", "wild+e@va.test", "wild+f@va.test",
        "dup@va.test", "hash@va.test", "pct@va.test", "bang@va.test", "home@home.test", "home+e@home.test", "z@sub.va.test", "mailer-daemon", "mailer-daemon+e",
        "big@va.test", "unknown@va.test", "@va.test"]
V = {
    "def": "",
    "noext": "propagate_unmatched_extensions=\n",
    "rec": "virtual_alias_recursion_limit=3\n",
    "exp": "virtual_alias_expansion_limit=10\n",
    "len": "virtual_alias_address_length_limit=12\n",
    "unl": "smtpd_reject_unlisted_recipient=no\n",
    "can": "canonical_maps=inline:{ canon@y.test=a@va.test, a@va.test=b@va.test }\n",
    "noorc": "enable_original_recipient=no\n",
    "multi": "recipient_delimiter=+-\nowner_request_special=no\n",
    "noover": "receive_override_options=no_address_mappings\n",
    "dupl": "duplicate_filter_limit=0\n",
}
for k, v in V.items():
    config("v_" + k, main=(NO if "recipient_delimiter" in v else N) + D + "virtual_alias_maps=hash:@CONF@/va\n" + v, files={"va": VA}, maps=["hash:va"])
    d = "EHLO x\n"
    for i, a in enumerate(VA_A):
        d += "MAIL FROM:<s%d@y.test>\nRCPT TO:<%s>\nDATA\n!msg\nRSET\n!drain\n" % (i, a)
    d += "!deliver s@y.test a@va.test,b@va.test,a@y.test\n!drain\n"
    d += "MAIL FROM:<s@y.test>\nRCPT TO:<a@va.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig@z.test\nRCPT TO:<b@va.test> NOTIFY=NEVER\nDATA\n!msg\n!drain\n"
    d += "!sh printf 'To: c@x.test\\n\\nb\\n' | sendmail -f s@y.test a+e@va.test root b@va.test\n!drain\n"
    case("virtual-" + k, "v_" + k, d, limit=100)

X = {
    "always": "always_bcc=copy@y.test\n",
    "alias": "always_bcc=a@va.test\n",
    "bare": "always_bcc=root\n",
    "sender": "sender_bcc_maps=inline:{ s@y.test=sb@y.test, @z.test=zb@y.test, bare=bb@y.test, s+e@y.test=exact@y.test, {m@y.test=a@y.test, b@y.test}, va@y.test=a@va.test }\n",
    "rcpt": "recipient_bcc_maps=inline:{ r@y.test=rb@y.test, @z.test=zb@y.test, root=rootb@y.test, rb@y.test=again@y.test, a@va.test=va-b@y.test, b@y.test=nb@y.test }\n",
    "all": "always_bcc=copy@y.test\nsender_bcc_maps=static:sb@y.test\nrecipient_bcc_maps=static:rb@y.test\n",
    "same": "always_bcc=r@y.test\nrecipient_bcc_maps=inline:{r@y.test=r@y.test}\n",
    "canon": "canonical_maps=inline:{s@y.test=s2@y.test, r@y.test=r2@y.test}\nsender_bcc_maps=inline:{s2@y.test=s2b@y.test}\nrecipient_bcc_maps=inline:{r2@y.test=r2b@y.test, r@y.test=wrong@y.test}\n",
    "fail": "sender_bcc_maps=fail:x\n",
    "rfail": "recipient_bcc_maps=fail:x\n",
}
for k, v in X.items():
    config("b_" + k, main=N + D + "virtual_alias_maps=hash:@CONF@/va\n" + v, files={"va": VA}, maps=["hash:va"])
    d = "EHLO x\n"
    for s in ("s@y.test", "s+e@y.test", "s+f@y.test", "x@z.test", "bare", "m@y.test", "va@y.test", "n@n.test", "-"):
        d += "!deliver %s r@y.test,x@z.test,root,a@va.test,r+e@y.test\n!drain\n" % s
    if "fail" not in k:
        d += "!sh printf 'To: c@x.test\\n\\nb\\n' | sendmail -f s@y.test r@y.test\n!drain\n"
    d += "MAIL FROM:<s@y.test>\nRCPT TO:<rcpt550@y.test>\nDATA\n!msg\n!drain\n"
    case("bcc-" + k, "b_" + k, d, limit=100)
