"""Virtual Maildirs; error, retry and discard."""
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; "
M = "".join("%s@vmail.test %s\n" % (u, u + "/") for u in "u nouid lowuid nogid badgid ext".split()) + "sub@vmail.test a/b/c/\n"


USERS = "u sub lowuid nogid badgid ext".split()
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E '(virtual|error|discard)\\[' | sed -E 's/.*postfix.(virtual|error|discard).[0-9]+.: /\\1 /; "
       "s/ [0-9A-F]{6,16}: / QID: /; s/delay=.*dsn=/dsn=/' | sort\n")
TEXTS = ["error:5.1.1 no such thing", "error:plain text", "error:4.1.1 soft text", "retry:4.2.2 later", "retry:later on", "retry:5.1.1 hard",
         "discard:", "discard:some text", "discard:5.1.1 text", "discard:2.7.1 text", "error:550 5.1.1 text"]
config("de", main="relay_domains = static:all\nmaximal_queue_lifetime = 10d\ntransport_maps = inline:{ %s }\n" %
       " ".join("{ e%d.test = %s }" % (n, t) for n, t in enumerate(TEXTS)), setup=MARK)
case("texts", "de", "".join("!sh echo hi | sendmail -f '' u@e%d.test\n" % n for n in range(len(TEXTS))) + "!sleep 1.5\n" + LOG)
config("dv", main="virtual_minimum_uid = 60\nvirtual_mailbox_domains = vmail.test\nvirtual_mailbox_base = @ROOT@/vmail\n"
       "virtual_mailbox_maps = texthash:@CONF@/m\nvirtual_uid_maps = texthash:@CONF@/uid\nvirtual_gid_maps = texthash:@CONF@/gid\n"
       "recipient_delimiter = +\nsmtpd_reject_unlisted_recipient = no\nmaximal_queue_lifetime = 10d\n",
       files={"m": M}, setup=MARK + "chown postfix:postfix @ROOT@/vmail; " +
       "".join("echo '%s@vmail.test' %s >> @CONF@/uid; " % (u, "50" if u == "lowuid" else "$(id -u postfix)") for u in USERS) +
       "".join("echo '%s@vmail.test' %s >> @CONF@/gid; " % (u, "0" if u == "badgid" else "$(id -g postfix)") for u in USERS if u != "nogid") + "touch -d '1 minute ago' @CONF@/uid @CONF@/gid")
case("maildir", "dv", "EHLO mail.client.test\n" + "".join("!deliver a@good.test %s@vmail.test\n" % r for r in
     "u sub nouid lowuid nogid badgid ext+foo nobody U".split()) + "!deliver <> u@vmail.test\n!sleep 1\n" + LOG +
     "!sh cd $ROOT/vmail; find . -printf '%M %p\\n' | sed -E 's/new\\/[^ ]*/new\\/FILE/' | sort; "
     "for f in `find . -type f | sort`; do echo ==; cat $f; done | sed 's/id [0-9A-F]*$/id QID/; s/; .*UTC)$/; DATE/' | sort | uniq -c\n")
