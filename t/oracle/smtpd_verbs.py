# Replies of every verb: order of commands, syntax, parameters.
config("verbs", main="relay_domains = relay.test, sinka.test\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
       "local_recipient_maps =\nsmtpd_forbid_bare_newline = normalize\nsmtpd_forbid_unauth_pipelining = yes\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\n")

case("greeting", "verbs", """
@
EHLO mail.client.test
HELO mail.client.test
QUIT
""")

case("sequence", "verbs", """
RCPT TO:<alice@example.com>
DATA
BDAT 0
BDAT 0 LAST
!raw 'BDAT 5 LAST\\r\\nabc\\r\\n'
!read
NOOP
NOOP foo bar
VRFY alice
VRFY alice@example.com
ETRN example.com
HELP
HELP MAIL
EHLO mail.client.test
RCPT TO:<alice@example.com>
DATA
MAIL FROM:<a@good.test>
MAIL FROM:<b@good.test>
DATA
RCPT TO:<alice@example.com>
MAIL FROM:<c@good.test>
RCPT TO:<bob@example.com>
EHLO again.client.test
DATA
QUIT
""")

case("helo-syntax", "verbs", """
HELO
EHLO
HELO foo bar
EHLO foo bar
EHLO [203.0.113.10]
HELO  two  spaces
EHLO
helo lower
ehlo lower
EHLO <x>
EHLO a(b)c;d@e\\f"g
EHLO ünicode.test
HELO ünicode.test
""")

case("unknown", "verbs", """
FOO
""")
case("unknown-more", "verbs", """
EHLO x
FOO bar
SEND FROM:<a@b.c>
EXPN list
TURN
AUTH
AUTH PLAIN
AUTH PLAIN AAAA
STARTTLS
STARTTLS foo
XCLIENT
XCLIENT NAME=foo
XFORWARD
XFORWARD NAME=foo
""")
case("empty", "verbs", """
EHLO x
!raw '\\r\\n'
!read
!raw '   \\r\\n'
!read
!raw ' NOOP\\r\\n'
!read
!raw 'NOOP\\n'
!read
!raw 'noop \\r\\n'
!read
!raw 'NOOP\\tfoo\\r\\n'
!read
!raw 'NOOP\\r foo\\r\\n'
!read
!raw 'NO\\0OP foo\\r\\n'
!read
!raw 'NOOP \\xff\\xfe\\r\\n'
!read
!raw '\\xff\\xfe\\r\\n'
!read
!raw '\\0\\r\\n'
!read
""")

case("mail-syntax", "verbs", """
EHLO x
MAIL
MAIL FROM
MAIL FROM:
MAIL FROM: 
MAIL TO:<a@good.test>
MAIL FROM<a@good.test>
MAIL FROM:a@good.test
RSET
MAIL FROM: a@good.test
RSET
MAIL FROM: <a@good.test>
RSET
MAIL FROM :<a@good.test>
RSET
MAIL FROM:<a@good.test
RSET
MAIL FROM:a@good.test>
RSET
MAIL FROM:<<a@good.test>>
RSET
MAIL FROM:<a b@good.test>
RSET
MAIL FROM:<"a b"@good.test>
RSET
MAIL FROM:<a@good.test> foo
RSET
MAIL FROM:<a@good.test>foo
RSET
MAIL FROM:<@relay.test:a@good.test>
RSET
MAIL FROM:<>
RSET
MAIL FROM:< >
RSET
MAIL FROM:<a>
RSET
MAIL FROM:<@>
RSET
MAIL FROM:<a@>
RSET
MAIL FROM:<@good.test>
RSET
""")
case("mail-syntax2", "verbs", """
EHLO x
MAIL FROM:(comment) <a@good.test>
RSET
MAIL FROM:Joe User <a@good.test>
RSET
MAIL FROM:"Joe User" <a@good.test>
RSET
MAIL FROM:<a@good.test> (comment)
RSET
MAIL FROM:<a@good.test>,<b@good.test>
RSET
MAIL FROM:<a@good.test,b@good.test>
RSET
MAIL FROM:<a;b@good.test>
RSET
MAIL FROM:<a:b@good.test>
RSET
MAIL FROM:<a@good..test>
RSET
MAIL FROM:<a..b@good.test>
RSET
MAIL FROM:<.a@good.test>
RSET
MAIL FROM:<a@[1.2.3.4]>
RSET
MAIL FROM:<a@[IPv6:::1]>
RSET
MAIL FROM:<a@1.2.3.4>
RSET
MAIL FROM:<a@good.test.>
RSET
MAIL FROM:<a\\\\@b@good.test>
RSET
MAIL FROM:<"a@b"@good.test>
RSET
MAIL FROM:<a@b@good.test>
RSET
MAIL FROM:<a%b@good.test>
RSET
MAIL FROM:<b!a>
RSET
mail from:<a@good.test>
RSET
mAiL fRoM:<a@good.test>
RSET
MAIL FROM:<-a@good.test>
RSET
MAIL FROM:<a@-good.test>
RSET
MAIL FROM:<""@good.test>
RSET
MAIL FROM:<a@good_x.test>
RSET
""")
case("mail-params", "verbs", """
EHLO x
MAIL FROM:<a@good.test> SIZE=
MAIL FROM:<a@good.test> SIZE
MAIL FROM:<a@good.test> SIZE=abc
MAIL FROM:<a@good.test> SIZE=12abc
MAIL FROM:<a@good.test> SIZE=-1
MAIL FROM:<a@good.test> SIZE=0
RSET
MAIL FROM:<a@good.test> SIZE=99999999999
MAIL FROM:<a@good.test> SIZE=9999999999999999999999999
MAIL FROM:<a@good.test> SIZE=10240001
MAIL FROM:<a@good.test> SIZE=10240000
RSET
MAIL FROM:<a@good.test> BODY=
MAIL FROM:<a@good.test> BODY=7BIT
RSET
MAIL FROM:<a@good.test> BODY=8bitmime
RSET
MAIL FROM:<a@good.test> BODY=BINARYMIME
MAIL FROM:<a@good.test> BODY=foo
MAIL FROM:<a@good.test> SMTPUTF8
RSET
MAIL FROM:<a@good.test> SMTPUTF8=yes
MAIL FROM:<a@good.test> RET=FULL
RSET
MAIL FROM:<a@good.test> RET=hdrs
RSET
MAIL FROM:<a@good.test> RET=foo
""")
case("mail-params2", "verbs", """
EHLO x
MAIL FROM:<a@good.test> RET=FULL RET=HDRS
MAIL FROM:<a@good.test> ENVID=abc
RSET
MAIL FROM:<a@good.test> ENVID=
MAIL FROM:<a@good.test> ENVID=a+2Bb
RSET
MAIL FROM:<a@good.test> ENVID=a+zz
MAIL FROM:<a@good.test> ENVID=a=b
RSET
MAIL FROM:<a@good.test> ENVID=abc ENVID=def
MAIL FROM:<a@good.test> ENVID=a+00b
MAIL FROM:<a@good.test> AUTH=<>
RSET
MAIL FROM:<a@good.test> AUTH=foo
RSET
MAIL FROM:<a@good.test> FOO=BAR
MAIL FROM:<a@good.test> FOO
MAIL FROM:<a@good.test> NOTIFY=NEVER
MAIL FROM:<a@good.test> size=100 body=8BITMIME ret=full envid=x
RSET
MAIL FROM:<a@good.test>  SIZE=100
RSET
MAIL FROM:<a@good.test> REQUIRETLS
MAIL FROM:<a@good.test> BY=120;R
MAIL FROM:<a@good.test> HOLDFOR=120
MAIL FROM:<a@good.test> ENVID=%s
RSET
MAIL FROM:<a@good.test> ENVID=%s
""" % ("x" * 100, "x" * 101))

case("rcpt-syntax", "verbs", """
EHLO x
RCPT
MAIL FROM:<a@good.test>
RCPT
RCPT TO
RCPT TO:
RCPT TO: 
RCPT FROM:<alice@example.com>
RCPT TO:<>
RCPT TO:< >
RCPT TO:alice@example.com
RCPT TO: <alice@example.com>
RCPT TO :<alice@example.com>
RCPT TO:<alice@example.com
RCPT TO:alice@example.com>
RCPT TO:<alice b@example.com>
RCPT TO:<"alice b"@example.com>
RCPT TO:<alice>
RCPT TO:<postmaster>
RCPT TO:<@>
""")
case("rcpt-syntax2", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@>
RCPT TO:<@example.com>
RCPT TO:<@relay.test:alice@example.com>
RCPT TO:<@remote.test:alice@example.com>
RCPT TO:<alice%remote.test@example.com>
RCPT TO:<remote.test!alice@example.com>
RCPT TO:<"alice@remote.test"@example.com>
RCPT TO:<alice@remote.test@example.com>
RCPT TO:<alice@[192.0.2.1]>
RCPT TO:<alice@[198.51.100.1]>
RCPT TO:<alice@192.0.2.1>
RCPT TO:<alice@example.com.>
RCPT TO:<ALICE@EXAMPLE.COM>
RCPT TO:<alice@sub.relay.test>
RCPT TO:<alice@example.com> foo
RCPT TO:<alice@example.com>foo
""")
case("rcpt-params", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com> NOTIFY=
RCPT TO:<alice@example.com> NOTIFY=NEVER
RCPT TO:<alice@example.com> NOTIFY=SUCCESS,FAILURE,DELAY
RCPT TO:<alice@example.com> NOTIFY=NEVER,SUCCESS
RCPT TO:<alice@example.com> NOTIFY=foo
RCPT TO:<alice@example.com> NOTIFY=SUCCESS NOTIFY=DELAY
RCPT TO:<alice@example.com> NOTIFY=SUCCESS,SUCCESS
RCPT TO:<alice@example.com> ORCPT=
RCPT TO:<alice@example.com> ORCPT=foo
RCPT TO:<alice@example.com> ORCPT=rfc822;foo
RCPT TO:<alice@example.com> ORCPT=rfc822;
RCPT TO:<alice@example.com> ORCPT=rfc822;a+2Bb@example.com
RCPT TO:<alice@example.com> ORCPT=rfc822;a+zz
RCPT TO:<alice@example.com> ORCPT=;foo
RCPT TO:<alice@example.com> ORCPT=rfc822;a ORCPT=rfc822;b
RCPT TO:<alice@example.com> ORCPT=utf-8;a
RCPT TO:<alice@example.com> FOO=BAR
""")
case("rcpt-params2", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com> FOO
RCPT TO:<alice@example.com> SIZE=10
RCPT TO:<alice@example.com> notify=never orcpt=RFC822;x
RCPT TO:<alice@example.com> ORCPT=x400;foo
RCPT TO:<alice@example.com> ORCPT=rfc 822;foo
RCPT TO:<alice@example.com> ORCPT=rfc822;a+00b
RCPT TO:<alice@example.com> ORCPT=utf-8;a\\x{1234}b
RCPT TO:<alice@example.com> ORCPT=utf-8;a\\x{12
RCPT TO:<alice@example.com> ORCPT=rfc822;%s
RCPT TO:<alice@example.com> ORCPT=rfc822;%s
""" % ("x" * 493, "x" * 600))

case("args", "verbs", """
EHLO x
DATA foo
RSET foo
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA foo
RSET
VRFY
VRFY alice bob
VRFY <alice>
VRFY <alice@example.com>
VRFY nosuchdomain.test
VRFY u@remote.test
ETRN
ETRN foo bar
ETRN [192.0.2.1]
ETRN 192.0.2.1
""")
case("args2", "verbs", """
ETRN example.com
VRFY alice
HELO x
MAIL FROM:<a@good.test> SIZE=100
ETRN example.com
RSET
ETRN example.com
ETRN remote.test
ETRN relay.test
ETRN @example.com
ETRN #foo
ETRN -foo
ETRN foo_bar.test
ETRN foo..test
VRFY alice@
VRFY @
VRFY ""
VRFY "foo bar"@example.com
VRFY alice@relay.test
HELP
""")
case("bdat-syntax", "verbs", """
BDAT
BDAT abc
BDAT -1
BDAT 10 foo
BDAT 10 LAST foo
BDAT 99999999999999999999
BDAT 0x10
BDAT +5
BDAT 0 last
EHLO x
MAIL FROM:<a@good.test>
BDAT 0
RCPT TO:<alice@example.com>
BDAT 0
BDAT 0 LAST
QUIT foo
""")
case("bdat-ok", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 14\\r\\nSubject: hi\\r\\n\\r'
!read
NOOP
DATA
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
VRFY alice
!raw 'BDAT 8 last\\r\\n\\nhello\\r\\n'
!read
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 12 LAST\\r\\nno new line!'
!read
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 6\\r\\nline\\r\\nBDAT 0 LAST\\r\\n'
!read
!read
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 8\\r\\nx: y\\r\\n.\\r\\n'
!read
RSET
!raw 'BDAT 6\\r\\nline\\r\\n'
!read
QUIT
""")
case("bdat-content", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
!raw 'BDAT 55 LAST\\r\\nFrom: a@good.test\\r\\nTo: u@relay.test\\r\\n\\r\\n.dot\\r\\n..\\r\\n.\\r\\nx'
!read
!mail
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
!raw 'BDAT 10\\r\\nFrom: a@goBDAT 20\\r\\nod.test\\r\\n\\r\\n0123456BDAT 9 LAST\\r\\n89\\nab\\r\\ncd'
!read
!read
!read
!mail
QUIT
""")
case("bdat-bare-lf", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 6\\r\\nli\\rne\\n'
!read
!raw 'BDAT 6 LAST\\r\\nline\\r\\n'
!read
QUIT
""")
case("rset-in-bdat", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
!raw 'RCPT TO:<u@remote.test>\\r\\nBDAT 6\\r\\nline\\r\\n'
!read
!read
!raw 'BDAT 6 LAST\\r\\nline\\r\\n'
!read
NOOP
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!raw 'BDAT 6\\r\\nline\\r\\n'
!read
EHLO y
!raw 'BDAT 6\\r\\nline\\r\\n'
!read
RSET
!raw 'BDAT 6\\r\\nline\\r\\n'
!read
QUIT
""")
case("data", "verbs", """
HELO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA
!msg
MAIL FROM:<a@good.test> BODY=8BITMIME
RCPT TO:<alice@example.com>
RCPT TO:<bob@example.com>
DATA
!msg
DATA
QUIT
""")
case("data-none-valid", "verbs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
DATA
RCPT TO:<u@remote.test>
DATA
RCPT TO:<alice@example.com>
DATA
!msg
QUIT
""")
case("pipelining", "verbs", """
EHLO x
!pipe MAIL FROM:<a@good.test> | RCPT TO:<alice@example.com> | DATA
!msg
!pipe MAIL FROM:<a@good.test> | RCPT TO:<u@remote.test> | DATA
!pipe RSET | QUIT
!eof
""")
case("unauth-pipelining-helo", "verbs", """
!pipe HELO x | MAIL FROM:<a@good.test>
NOOP
""")
case("unauth-pipelining-ehlo", "verbs", """
!pipe EHLO x | MAIL FROM:<a@good.test>
NOOP
""")
case("unauth-pipelining-data", "verbs", """
EHLO x
!pipe MAIL FROM:<a@good.test> | RCPT TO:<alice@example.com>
!raw 'DATA\\r\\nSubject: foo\\r\\n\\r\\nfoo\\r\\n.\\r\\n'
!read
!read
""")
case("unauth-pipelining-noop", "verbs", """
EHLO x
!pipe NOOP | NOOP
!pipe VRFY alice | NOOP
!pipe QUIT | NOOP
""")
case("unauth-pipelining-helo2", "verbs", """
HELO x
!pipe MAIL FROM:<a@good.test> | RCPT TO:<alice@example.com>
!pipe RSET | RSET
NOOP
""")
case("http", "verbs", """
GET / HTTP/1.0
!eof
""")
case("http-post", "verbs", """
EHLO x
POST / HTTP/1.1
!eof
""")
case("http-connect", "verbs", """
CONNECT foo
!eof
""")
case("header-as-command", "verbs", """
EHLO x
Subject: foo
!eof
""")
case("header-as-command2", "verbs", """
EHLO x
From: foo
!eof
""")
case("header-as-command3", "verbs", """
EHLO x
X-Foo : bar
NOOP
""")
