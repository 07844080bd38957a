# Match lists: mynetworks, mydestination, relay_domains and the like, with tables, files, negation, IPv6, and what is wrong in them.
# Left out: a lone "!" and "::/0" (a table without type) end every smtpd of Postfix at once; here the server refuses to start.
FILES = {"nets": "192.0.2.0/24\n203.0.113.10\n# comment\n!203.0.113.20\n203.0.113.0/24\n", "cidr": "203.0.113.10 x\n203.0.113.0/28 x\n!203.0.113.0/24 y\n", "hosts": "203.0.113.10 x\nclient.test x\n", "doms": "remote.test x\n.sub.test x\nexample.com x\n",
         "list": "remote.test, other.test\n!no.sub.test .sub.test\n  indented.test\n#comment.test\nhash:@CONF@/doms\n", "loop": "/@CONF@/loop\n", "re": "/^203\\.0\\.113\\./ x\n/remote\\.test$/ y\n"}
NETS = ["192.0.2.0/24", "203.0.113.10", "203.0.113.0/24", "!203.0.113.10 203.0.113.0/24", "203.0.113.0/24 !203.0.113.10", "203.0.113.10/24", "203.0.113.0/33", "203.0.113.0/x", "[203.0.113.10]", "[203.0.113.0]/24", "[203.0.113.0/24]", "0.0.0.0/0", "2001:db8::/32", "[2001:db8::]/32",
        "[2001:db8::1]/32", "2001:db8::/129", "!0.0.0.0/0", "@CONF@/nets", "!@CONF@/nets, 0.0.0.0/0", "cidr:@CONF@/cidr", "hash:@CONF@/hosts", "texthash:@CONF@/hosts", "static:all", "!static:all 0.0.0.0/0", "regexp:@CONF@/re", "@CONF@/none", "hash:@CONF@/none", "fail:x", "203.0.113.10, fail:x", "mail.client.test",
        ".client.test", "client.test", "203.0.113.10:25", "203.0.113.10#c", "# 203.0.113.10", "203.0.113.9-203.0.113.11", "!!203.0.113.10", "inline:{203.0.113.10=x}", "inline:{203.0.113=x}", "203.0.113", "cidr:{{203.0.113.0/24 x}}", "foo:bar", "[::1]/128 203.0.113.10/32", "203.0.113.010"]
DOMS = ["remote.test", ".sub.test", "sub.test", "!a.sub.test .sub.test", ".sub.test !a.sub.test", "@CONF@/list", "hash:@CONF@/doms", "texthash:@CONF@/doms", "!hash:@CONF@/doms static:x", "regexp:@CONF@/re", "REMOTE.TEST", "remote.test.", "[192.0.2.1]", "[203.0.113.99]", "static:x", "fail:x", "remote.test fail:x", "fail:x remote.test", "inline:{remote.test=x}",
        "inline:{.sub.test=x}", "inline:{sub.test=x}", "*", "*.test", "test", ".test", "", "@CONF@/none", "a.sub.test,,remote.test", "{remote.test}", "\u00fcber.test", "xn--ber-goa.test", "hash:@CONF@/none, remote.test", "remote.test,hash:@CONF@/none", "foo:bar"]
RCPT = ["u@remote.test", "u@sub.test", "u@a.sub.test", "u@b.a.sub.test", "u@other.test", "u@Remote.Test", "u@[192.0.2.1]", "u@[203.0.113.99]", "u@indented.test", "u@no.sub.test", "u@xn--ber-goa.test", "u@test"]
for i, s in enumerate(NETS):
    config("n%d" % i, files=FILES, maps=["hash:hosts", "hash:doms"], main="mynetworks = %s\nsmtpd_relay_restrictions = permit_mynetworks, reject\n" % s)
    case("n%d" % i, "n%d" % i, "".join("@%s\nEHLO x.test\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\nQUIT\n" % ip for ip in ("203.0.113.10", "203.0.113.20", "203.0.113.5")))
for style in ("", "parent_domain_matches_subdomains =\n"):
    for p in ("relay_domains", "mydestination"):
        if p == "mydestination" and style:
            continue
        for i, s in enumerate(DOMS):
            name = "%s%d%s" % (p[0], i, "n" if style else "")
            config(name, files=FILES, maps=["hash:hosts", "hash:doms"], main="%s = %s\nlocal_recipient_maps =\n%s%s" % (p, s, style, "mydestination =\n" if p != "mydestination" else ""))
            case(name, name, "EHLO x.test\nMAIL FROM:<a@good.test>\n" + "".join("RCPT TO:<%s>\n" % r for r in RCPT) + "QUIT\n")
for i, (p, s) in enumerate((("smtpd_client_event_limit_exceptions", "client.test"), ("debug_peer_list", "203.0.113.10"), ("smtpd_authorized_xclient_hosts", ".client.test"), ("smtpd_authorized_xclient_hosts", "client.test"),
                            ("smtpd_authorized_xclient_hosts", "!mail.client.test client.test"), ("smtpd_authorized_xclient_hosts", "hash:@CONF@/hosts"), ("smtpd_authorized_xclient_hosts", "203.0.113.0/24"), ("smtpd_authorized_xclient_hosts", "203.0.113.10/24"),
                            ("smtpd_authorized_xclient_hosts", "!203.0.113.10 203.0.113.0/24"), ("smtpd_authorized_xclient_hosts", "cidr:@CONF@/cidr"), ("smtpd_authorized_xclient_hosts", "[203.0.113.10]"))):
    config("h%d" % i, files=FILES, maps=["hash:hosts", "hash:doms"], main="%s = %s\n" % (p, s))
    case("h%d" % i, "h%d" % i, "EHLO x.test\n@203.0.113.20\nEHLO x.test\n")
