"""Virtual Maildirs: headers on top, addresses and aliases, what cannot be written, loops, limits, odd content."""
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; "
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E '(virtual|local)\\[|warning' | sed -E 's/.*postfix.virtual.[0-9]+.: //; s/ [0-9A-F]{6,16}: / QID: /; s/^[0-9A-F]{6,16}: /QID: /; "
       "s/delay=.*dsn=/dsn=/; s/[0-9]+\\.P[0-9A-Za-z]+\\.oracle/TIME.P.oracle/g' | grep -v -E 'overriding earlier|master\\[' | sort\n")
TREE = ("!sh cd $ROOT/vmail; find . -printf '%M %p\\n' | sed -E 's/(new|tmp|cur)\\/[^ ]*/\\1\\/FILE/' | sort; for f in `find . -type f | sort`; do echo ==; "
        "cat $f; done | sed 's/id [0-9A-F]*$/id QID/; s/; .*UTC)$/; DATE/; s/^Date: .*UTC)/Date/; s/^Message-Id: <[0-9]*\\.[0-9A-F]*@/Message-Id: </' | sort | uniq -c\n")
MAPS = ("u@vmail.test u/\nv@vmail.test v/\nquoted one@vmail.test q/\ndeep@vmail.test x/y/z/\nfile@vmail.test file\nsealed@vmail.test sealed/box/\n"
        "blocked@vmail.test blocked/\nlong@vmail.test " + "l" * 260 + "/\nabs@vmail.test ../vmail/abs/\n@any.test any/\n")
BASE = ("virtual_minimum_uid = 60\nvirtual_mailbox_domains = vmail.test, any.test\nvirtual_mailbox_base = @ROOT@/vmail\nvirtual_mailbox_maps = texthash:@CONF@/m\n"
        "virtual_uid_maps = regexp:@CONF@/uid\nvirtual_gid_maps = regexp:@CONF@/gid\nrecipient_delimiter = +\nsmtpd_reject_unlisted_recipient = no\nmaximal_queue_lifetime = 10d\n"
        "virtual_alias_maps = inline:{ { alias@vmail.test = u@vmail.test } { both@vmail.test = u@vmail.test v@vmail.test } }\n")
IDS = ("chown postfix:postfix @ROOT@/vmail; mkdir -p @ROOT@/vmail/sealed @ROOT@/vmail/v/new @ROOT@/vmail/v/cur; touch @ROOT@/vmail/blocked; chown -R postfix:postfix @ROOT@/vmail/v; chmod 755 @ROOT@/vmail/sealed; "
       )



def virtual(name, dialog, main="", extra="", check=True):
    config("vi_" + name, main=BASE + main, files={"m": MAPS}, setup=MARK + IDS + "echo \"/./ $(id -u postfix)\" > @CONF@/uid; echo \"/./ $(id -g postfix)\" > @CONF@/gid; "
           "touch -d '1 minute ago' @CONF@/uid @CONF@/gid; " + extra)
    case(name, "vi_" + name, "EHLO mail.client.test\n" + dialog + "!sleep 1\n" + LOG + (TREE if check else ""))


msg("vi_loop", "Delivered-To: u@vmail.test\nSubject: loop\n\nx\n")
msg("vi_loop_case", "Delivered-To: U@VMAIL.test\nSubject: loop\n\nx\n")
msg("vi_loop_other", "Delivered-To: other@vmail.test\nSubject: no loop\n\nx\n")
msg("vi_from", "Subject: from lines\n\nFrom here\n>From there\n.dot\n\nFrom end\n")
msg("vi_8bit", "Subject: bytes\nX-Odd: \u00e9\n\n\u00e9\u00e8 tab\there\nlast line")
msg("vi_return_path", "Return-Path: <forged@x.test>\nX-Original-To: forged@x.test\nSubject: x\n\nx\n")
virtual("plain", "!deliver a@good.test u@vmail.test\n!deliver <> v@vmail.test\n!deliver a@good.test deep@vmail.test\n")
virtual("aliases", "!deliver a@good.test alias@vmail.test\n!deliver a@good.test both@vmail.test\n!deliver a@good.test u@vmail.test,v@vmail.test,alias@vmail.test\n")
virtual("extensions", "!deliver a@good.test u+ext@vmail.test\n!deliver a@good.test U+Ext@VMAIL.test\n!deliver a@good.test alias+x@vmail.test\n!deliver a@good.test who@any.test\n")
virtual("quoted", "!deliver \"a b\"@good.test \"quoted one\"@vmail.test\n")
virtual("loops", "!deliver a@good.test u@vmail.test vi_loop\n!deliver a@good.test u@vmail.test vi_loop_case\n!deliver a@good.test u@vmail.test vi_loop_other\n"
        "!deliver a@good.test u@vmail.test,v@vmail.test vi_loop\n")
virtual("content", "!deliver a@good.test u@vmail.test vi_from\n!deliver a@good.test u@vmail.test vi_8bit\n!deliver a@good.test u@vmail.test vi_return_path\n")
virtual("cannot", "!deliver a@good.test sealed@vmail.test\n!deliver a@good.test blocked@vmail.test\n!deliver a@good.test long@vmail.test\n", check=False)
virtual("no-base", "!deliver a@good.test u@vmail.test\n", "virtual_mailbox_base = /nonexistent/place\n", check=False)
virtual("unknown", "!deliver a@good.test nobody@vmail.test\n!deliver a@good.test nobody+x@vmail.test\n", check=False)
virtual("low-uid", "!deliver a@good.test u@vmail.test\n", "virtual_minimum_uid = 100000\n", check=False)
virtual("status-filter", "!deliver a@good.test u@vmail.test\n!deliver a@good.test nobody@vmail.test\n",
        "virtual_delivery_status_filter = regexp:@CONF@/f\n", "printf '/^2.0.0 (.*)/ 2.5.5 put: $1\\n/^5.1.1 (.*)/ 4.1.1 $1\\n' > @CONF@/f; touch -d '1 minute ago' @CONF@/f")
case("bounce", "vi_loops", "EHLO mail.client.test\n!deliver a@good.test u@vmail.test vi_loop\n!mail 1\n")
case("bounce-unknown", "vi_unknown", "EHLO mail.client.test\n!deliver a@good.test nobody@vmail.test\n!mail 1\n")
