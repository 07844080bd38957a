"""smtp_generic_maps and lmtp_generic_maps: envelope and headers on the way out."""
N = "mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients=permit_mynetworks\nrecipient_delimiter=+\nmyorigin=origin.test\n"
D = "default_transport=smtp:[198.51.100.1]\nmydestination=home.test, origin.test\nlocal_transport=smtp:[198.51.100.1]\nlocal_recipient_maps=\n"
MAP = ("user@home.test out@isp.test\n@home.test @dom.isp.test\nbare bare@isp.test\nmany@x.test a@isp.test, b@isp.test\nself@x.test self@x.test\n"
       "u+e@x.test exact@isp.test\nu@x.test u@isp.test\nshort@x.test short\nbad@x.test ,\nchain@x.test user@home.test\nnull@x.test <>\n"
       "\"q u\"@x.test quoted@isp.test\nto.quoted@x.test \"a b\"@isp.test\n@cat.test catch@isp.test\n@r.test @a.test:b@c.test\nhost@x.test host!user\n")
config("g", main=N + D + "smtp_generic_maps = hash:@CONF@/generic\n", files={"generic": MAP}, maps=["hash:generic"])
config("gp", main=N + D + "smtp_generic_maps = hash:@CONF@/generic\npropagate_unmatched_extensions=generic\nappend_dot_mydomain=yes\n",
       files={"generic": MAP}, maps=["hash:generic"])
config("gr", main=N + D + "smtp_generic_maps = regexp:@CONF@/re\n", files={"re": "/^(.*)@(.*)\\.home\\.test$/ $1+$2@isp.test\n/^fail@/ ,\n"})
config("gs", main=N + D + "", master="smtp unix - - n - - smtp -o smtp_generic_maps=inline:{user@home.test=svc@isp.test}\n")
A = ["user@home.test", "USER@HOME.TEST", "user+ext@home.test", "other@home.test", "other+e@home.test", "bare", "bare+x@home.test", "bare@far.test",
     "many@x.test", "self@x.test", "u+e@x.test", "u+f@x.test", "u@x.test", "short@x.test", "chain@x.test", "null@x.test", '"q u"@x.test',
     "to.quoted@x.test", "to.quoted+e@x.test", "x@cat.test", "x+y@cat.test", "x@r.test", "host@x.test", "a@sub.home.test", "plain@y.test"]
H = ("From: User <user@home.test>\nTo: (c) user@home.test, Other <other+e@home.test>,\n\tu+f@x.test (comment), grp: many@x.test, x@cat.test;\n"
     "Cc: plain@y.test,\n   plain2@y.test\nReply-To: <bare@home.test>\nSender: \"q u\"@x.test\nReceived: from user@home.test by x\n"
     "Resent-From: user@home.test\nX-To: user@home.test\nErrors-To: user@home.test\nReturn-Receipt-To: to.quoted@x.test\nDelivered-To: user@home.test\n"
     "Message-Id: <user@home.test>\nDisposition-Notification-To: user@home.test\nBcc: user@home.test\nSubject: user@home.test\n"
     "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nTo: user@home.test\n\nx\n--b\nContent-Type: message/rfc822\n\nTo: user@home.test\n\n--b--\n")
msg("h", H)
msg("long", "To: " + ", ".join("user%d@home.test" % i for i in range(30)) + "\nFrom: me\nSubject: x\n\nb\n")
for c in ("g", "gp", "gr", "gs"):
    d = "EHLO x\n"
    for i, a in enumerate(A):
        d += "MAIL FROM:<%s>\nRCPT TO:<%s>\nRCPT TO:<r%d@y.test>\nDATA\n!msg\n!drain\n" % (a, a, i)
    d += "MAIL FROM:<>\nRCPT TO:<user@home.test>\nDATA\n!msg h\n!drain\nMAIL FROM:<user@home.test>\nRCPT TO:<plain@y.test>\nDATA\n!msg long\n!drain\n"
    d += "!sh printf 'To: user@home.test\\nFrom: user@home.test\\n\\nb\\n' | sendmail -f user@home.test user@home.test\n!drain\n"
    case(c, c, d, limit=100)
# through LMTP the other parameter counts
config("gl", main=N + D + "smtp_generic_maps=static:wrong@isp.test\nlmtp_generic_maps=inline:{user@home.test=lmtp@isp.test}\nvirtual_transport=lmtp:unix:@ROOT@/lmtp.sock\n"
       "virtual_mailbox_domains=vmail.test\n", fixtures=["lmtp @ROOT@/lmtp.sock"])
case("lmtp", "gl", "EHLO x\nMAIL FROM:<user@home.test>\nRCPT TO:<v@vmail.test>\nDATA\n!msg h\n!drain\n", limit=100)
