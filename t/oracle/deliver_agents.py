"""Virtual Maildirs; error, retry and discard."""
M = "".join("%s@vmail.test %s\n" % (u, u + "/") for u in "u nouid lowuid nogid badgid ext".split()) + "sub@vmail.test a/b/c/\n"


def ids(minimum):
    return "".join("%s@vmail.test %d\n" % (u, minimum if u in ("lowuid", "badgid") else 5000)
                   for u in "u sub lowuid nogid badgid ext".split() if not (u == "nogid" and minimum == 0))


LOG = ("!sh grep -E '(virtual|error|discard)\\[' /var/oracle/maillog | sed -E 's/.*postfix.(virtual|error|discard).[0-9]+.: /\\1 /; "
       "s/ [0-9A-F]{6,16}: / QID: /; s/delay=.*dsn=/dsn=/' | sort\n")
config("dv", main="mail_owner = vmail\nvirtual_mailbox_domains = vmail.test\nvirtual_mailbox_base = @ROOT@/vmail\n"
       "virtual_mailbox_maps = texthash:@CONF@/m\nvirtual_uid_maps = texthash:@CONF@/uid\nvirtual_gid_maps = texthash:@CONF@/gid\n"
       "recipient_delimiter = +\nsmtpd_reject_unlisted_recipient = no\nmaximal_queue_lifetime = 10d\n",
       files={"m": M, "uid": ids(50), "gid": ids(0)}, setup="chown vmail:vmail @ROOT@/vmail; chown -R vmail @ROOT@/data")
case("maildir", "dv", "EHLO mail.client.test\n" + "".join("!deliver a@good.test %s@vmail.test\n" % r for r in
     "u sub nouid lowuid nogid badgid ext+foo nobody U".split()) + "!deliver <> u@vmail.test\n!sleep 1\n" + LOG +
     "!sh cd $ROOT/vmail; find . -printf '%M %p\\n' | sed -E 's/new\\/[^ ]*/new\\/FILE/' | sort; "
     "for f in `find . -type f | sort`; do echo ==; cat $f; done | sed 's/id [0-9A-F]*$/id QID/; s/; .*UTC)$/; DATE/' | sort | uniq -c\n")
TEXTS = ["error:5.1.1 no such thing", "error:plain text", "error:4.1.1 soft text", "retry:4.2.2 later", "retry:later on", "retry:5.1.1 hard",
         "discard:", "discard:some text", "discard:5.1.1 text", "discard:2.7.1 text", "error:550 5.1.1 text", "error:5.1.1"]
config("de", main="relay_domains = static:all\nmaximal_queue_lifetime = 10d\ntransport_maps = inline:{ %s }\n" %
       " ".join("{ e%d.test = %s }" % (n, t) for n, t in enumerate(TEXTS)))
case("texts", "de", "".join("!sh echo hi | sendmail -f '' u@e%d.test\n" % n for n in range(len(TEXTS))) + "!sleep 1.5\n" + LOG)
