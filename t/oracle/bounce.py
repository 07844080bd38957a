# Delivery status notifications and the queue behind them, compared with Postfix text for text.
BM = "mynetworks = 203.0.113.0/24 127.0.0.0/8\n"
TEMPLATE = """
failure_template = <<EOF
charset: utf-8
From: "Post Office" <post>
subject: Sorry
Postmaster-Subject: Sorry, too

Hi from $myhostname, ${maximal_queue_lifetime_days} days, $maximal_queue_lifetime_hours hours
line é $$ two
.dot

EOF
delay_template = <<XX
Subject: Late
Postmaster-Subject: Late, too

late
XX
"""

config("b", main=BM)
config("copies", main=BM + "notify_classes = resource, software, bounce, 2bounce, delay\nbounce_notice_recipient = bn@remote.test\n"
       "2bounce_notice_recipient = 2b@remote.test\ndelay_notice_recipient = dn@remote.test\ndelay_warning_time = 1s\n")
config("small", main=BM + "bounce_size_limit = 60\n")
config("noutf8", main=BM + "smtputf8_enable = no\nnotify_classes = bounce\nbounce_notice_recipient = bn@remote.test\n")
config("tmpl", main=BM + "bounce_template_file = @CONF@/t.cf\nmail_name = Foo Bar\n", files={"t.cf": TEMPLATE})
config("expire", main=BM + "maximal_queue_lifetime = 1s\nbounce_queue_lifetime = 1s\n")
config("soft", main=BM + "soft_bounce = yes\n")
config("deferred", main=BM + "defer_transports = smtp\n")
config("routes", main=BM + "smtpd_relay_restrictions = permit_mynetworks, defer\nsmtpd_reject_unlisted_recipient = no\n"
       "virtual_alias_domains = va.test\nvirtual_alias_maps = inline:{{a@va.test=rcpt550a@remote.test},{b@va.test=rcpt550a@remote.test},"
       "{c@va.test=rcpt550" + "c" * 90 + "@remote.test}}\n"
       "transport_maps = inline:{" + "".join("{w%d.test=error:5.7.1 %s%s}," % (n, "1234567890 " * 5, "x" * (n - 75)) for n in range(76, 83))
       + "{long.test=error:5.7.1 " + "x" * 100 + " y},{nosuch.test=nosuch:}}\nlocal_recipient_maps =\n")
config("limits", main=BM + "smtp_destination_recipient_limit = 2\n")

msg("eight", "From: sender@client.test\nSubject: test\nMessage-Id: <m1@client.test>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\nDate: Sat, 01 Jan 2022 00:00:00 +0000\n\nbody é line\n.dot\n-- \nend\n")
msg("empty", "From: sender@client.test\nSubject: x\n folded\nBcc: foo@bar.test\nReturn-Path: <old@x>\nMessage-Id: <m1@client.test>\n\n")
msg("utf8", "From: sénder@client.test\nSubject: xé\nMessage-Id: <m1@client.test>\nDate: Sat, 01 Jan 2022 00:00:00 +0000\n\n-- 8é\n")

case("two", "b", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test,rcpt551@remote.test
!mail 1
!drain
!queue
""")
case("eight", "b", """
EHLO mail.client.test
MAIL FROM:<sender@good.test> BODY=8BITMIME
RCPT TO:<rcpt550@remote.test>
DATA
!msg eight
!mail 1
""")
case("empty", "b", """
EHLO mail.client.test
MAIL FROM:<sender@good.test> BODY=7BIT
RCPT TO:<rcpt550@remote.test>
DATA
!msg empty
!mail 1
""")
case("data", "b", """
EHLO mail.client.test
!deliver sender@good.test data554@remote.test
!mail 1
""")
case("no-host", "b", """
EHLO mail.client.test
!deliver sender@good.test a@nxdomain.test
!mail 1
!deliver sender@good.test xx@nullmx.test
!mail 1
""")
case("dsn", "b", """
EHLO mail.client.test
MAIL FROM:<sender@good.test> RET=HDRS ENVID=QQ314159+2Bx
RCPT TO:<rcpt550@remote.test> NOTIFY=FAILURE ORCPT=rfc822;Bob+2Btest@x.test
RCPT TO:<rcpt551@remote.test> NOTIFY=NEVER
DATA
!msg
!mail 1
!drain
""")
case("success", "b", """
EHLO mail.client.test
MAIL FROM:<sender@good.test> RET=FULL ENVID=abc
RCPT TO:<ok@nodsn.test> NOTIFY=SUCCESS,DELAY,FAILURE
DATA
!msg
!mail 2
MAIL FROM:<sender@good.test>
RCPT TO:<ok@remote.test> NOTIFY=SUCCESS ORCPT=rfc822;ok@remote.test
DATA
!msg
!mail 1
!drain
""")
case("null-sender", "b", """
EHLO mail.client.test
!deliver - rcpt550@remote.test
!drain
!queue
""")
case("bounced-bounce", "b", """
EHLO mail.client.test
!deliver rcpt550@remote.test rcpt550@remote.test
!drain
!queue
""")
case("utf8", "b", """
EHLO mail.client.test
MAIL FROM:<sénder@good.test> SMTPUTF8 ENVID=x+2By
RCPT TO:<rcpt550é@remote.test> ORCPT=utf-8;f\\x{E9}o@x.test
RCPT TO:<rcpt550a@remote.test>
RCPT TO:<rcpt550b@remote.test> ORCPT=rfc822;f+2Bo@x.test
DATA
!msg utf8
!mail 1
""")
case("quoted", "b", """
EHLO mail.client.test
MAIL FROM:<"sen der"@good.test>
RCPT TO:<"rcpt550 x"@remote.test> NOTIFY=FAILURE ORCPT=rfc822;"a+20b"@c.d
RCPT TO:<"rcpt550a.."@remote.test>
DATA
!msg
!mail 1
""")
case("probe", "b", """
!sh sendmail -f sender@good.test -bv rcpt550@remote.test
!mail 1
!sh sendmail -f sender@good.test -bv ok@remote.test
!mail 1
!sh sendmail -f sender@good.test -bv a@down.test
!mail 1
""")
case("verbose", "b", """
!sh printf 'Subject: x\\n\\nb\\n' | sendmail -f sender@good.test -v ok@remote.test
!mail 2
!sh printf 'Subject: x\\n\\nb\\n' | sendmail -f sender@good.test -v rcpt550@remote.test
!mail 2
!sh printf 'Subject: x\\n\\nb\\n' | sendmail -f sender@good.test -v rcpt450@remote.test
!mail 1
!queue 1
""")
case("notify-option", "b", """
!sh printf 'x: y\\n\\nb' | sendmail -f sender@good.test -N never rcpt550@remote.test
!drain
!sh printf 'x: y\\n\\nb' | sendmail -f sender@good.test -N success,delay ok@nodsn.test
!mail 2
""")
case("deferred", "b", """
EHLO mail.client.test
!deliver rcpt550@remote.test rcpt450@remote.test
!queue 1
""")
case("mixed", "b", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test,rcpt550@remote.test,ok@remote.test
!mail 2
!queue 1
""")
case("copy", "copies", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!mail 2
""")
case("copy-only", "copies", """
EHLO mail.client.test
MAIL FROM:<sender@good.test>
RCPT TO:<rcpt550@remote.test> NOTIFY=NEVER
DATA
!msg
!mail 1
!drain
""")
case("double-bounce", "copies", """
EHLO mail.client.test
!deliver - rcpt550@remote.test
!mail 1
""")
case("delay", "copies", """
EHLO mail.client.test
MAIL FROM:<sender@good.test> RET=FULL
RCPT TO:<d@down.test> NOTIFY=DELAY
RCPT TO:<f@down.test> NOTIFY=FAILURE
RCPT TO:<h@down.test> NOTIFY=NEVER
DATA
!msg
!sleep 1.5
!sh postqueue -f
!mail 2
!queue 1
""")
case("delay-null", "copies", """
EHLO mail.client.test
!deliver - rcpt450@remote.test
!sleep 1.5
!sh postqueue -f
!drain
!queue 1
""")
case("size", "small", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!mail 1
""")
case("noutf8", "noutf8", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!mail 2
MAIL FROM:<sender@good.test> BODY=8BITMIME
RCPT TO:<rcpt550@remote.test>
DATA
!msg eight
!mail 2
""")
case("template", "tmpl", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!mail 1
!sh postconf -b $CONF/t.cf
!sh postconf -t $CONF/t.cf
!sh postconf -b ''
""")
case("expired", "expire", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test,rcpt451@remote.test
!sleep 1.5
!sh postqueue -f
!mail 1
!drain
!queue
""")
case("force-expired", "b", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh id=$(postqueue -j | sed -n 's/.*queue_id": "\\([A-Z0-9]*\\)".*/\\1/p'); postsuper -e $id; postqueue -p; postqueue -f
!mail 1
!drain
""")
case("soft", "soft", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!queue 1
""")
case("defer-transports", "deferred", """
EHLO mail.client.test
!deliver sender@good.test ok@remote.test
!queue 1
!sh postqueue -f
!mail 1
!drain
""")
case("expanded", "routes", """
EHLO mail.client.test
MAIL FROM:<sender@good.test>
RCPT TO:<a@va.test> ORCPT=rfc822;zz
RCPT TO:<b@va.test>
RCPT TO:<c@va.test>
DATA
!msg
!mail 1
""")
case("wrapped", "routes", """
EHLO mail.client.test
""" + "".join("!deliver sender@good.test aaaaaaa@w%d.test\n!mail 1\n" % n for n in range(76, 83)) + """
!deliver sender@good.test aaaaaaa@long.test
!mail 1
""")
case("no-transport", "routes", """
EHLO mail.client.test
!deliver sender@good.test a@nosuch.test
!queue 1
""")
case("order", "limits", """
EHLO mail.client.test
!deliver sender@good.test zz@remote.test,bb@good.test,cc@remote.test,rcpt550a@good.test,rcpt550Z@good.test,aa@good.test,Bb2@remote.test
!mail 4
!drain
""")
case("dead-site", "limits", """
EHLO mail.client.test
!deliver sender@good.test a@down.test,b@down.test
!queue 1
""")
