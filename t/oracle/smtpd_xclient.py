# XCLIENT and XFORWARD: who may, what may be said, what it changes.
B = ("relay_domains = relay.test, sinka.test\nlocal_recipient_maps =\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\n"
     "smtpd_authorized_xclient_hosts = 203.0.113.0/24, 1.2.3.4\nsmtpd_authorized_xforward_hosts = 203.0.113.0/24\n")
config("x", main=B + "smtpd_client_restrictions = check_client_access inline:{{192.0.2.99 = REJECT no} {bad.name = REJECT bad}}\n")
D = "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\n!mail\n"
case("announce", "x", """
EHLO x
HELO x
@192.0.2.1
EHLO x
""")
case("xclient-syntax", "x", """
XCLIENT
XCLIENT NAME
XCLIENT NAME=
XCLIENT =foo
XCLIENT FOO=bar
XCLIENT NAME=foo..bar
XCLIENT NAME=bad_name-
XCLIENT ADDR=foo
XCLIENT ADDR=1.2.3
XCLIENT ADDR=::1
XCLIENT PORT=foo
XCLIENT PORT=123456
XCLIENT PROTO=foo
XCLIENT HELO=%s
XCLIENT NAME=%s
XCLIENT DESTADDR=foo
XCLIENT DESTPORT=foo
XCLIENT REVERSE_NAME=foo..bar
MAIL FROM:<a@good.test>
XCLIENT NAME=foo
""" % ("x" * 256, "x" * 256))
case("xclient-name", "x", """
XCLIENT NAME=foo.bar ADDR=1.2.3.4
EHLO y
""" + D + """
XCLIENT ADDR=192.0.2.99
EHLO y
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
XCLIENT NAME=foo
""")
case("xclient-unavailable", "x", "XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] HELO=[UNAVAILABLE]\n" + D)
case("xclient-tempunavail", "x", "XCLIENT NAME=[TEMPUNAVAIL]\nEHLO x\n" + D)
case("xclient-helo", "x", "XCLIENT HELO=he.lo PROTO=ESMTP\n" + D)
case("xclient-helo2", "x", "EHLO abc\nXCLIENT NAME=foo.bar\n" + D)
case("xclient-proto", "x", "EHLO abc\nXCLIENT PROTO=smtp\n" + D)
case("xclient-v6", "x", "XCLIENT ADDR=IPv6:2001:db8::5 NAME=six.test\nEHLO x\n" + D)
case("xclient-login", "x", "XCLIENT LOGIN=joe\nEHLO x\n" + D)
case("xclient-xtext", "x", "XCLIENT HELO=a+2Bb+20c NAME=foo+2Dbar.test\n" + D)
case("xclient-dest", "x", "XCLIENT DESTADDR=192.0.2.5 DESTPORT=26\nEHLO x\n" + D)
case("xclient-reject-now", "x", "XCLIENT NAME=bad.name ADDR=203.0.113.77\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n")
config("xnow", main=B + "smtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access inline:{{192.0.2.99 = REJECT no} {bad.name = REJECT bad}}\n")
case("xclient-now", "xnow", "XCLIENT NAME=bad.name ADDR=203.0.113.77\nEHLO x\nMAIL FROM:<a@good.test>\nNOOP\nXCLIENT NAME=good.name\nQUIT\n")
case("xclient-net", "x", "XCLIENT ADDR=127.0.0.1\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\nXCLIENT ADDR=203.0.113.10\n")
case("xforward-syntax", "x", """
XFORWARD
XFORWARD NAME
XFORWARD NAME=
XFORWARD FOO=bar
XFORWARD NAME=foo..bar
XFORWARD ADDR=foo
XFORWARD ADDR=::1
XFORWARD PORT=foo
XFORWARD PORT=123456
XFORWARD PROTO=%s
XFORWARD HELO=%s
XFORWARD SOURCE=foo
XFORWARD SOURCE=LOCAL
XFORWARD SOURCE=remote
XFORWARD IDENT=%s
MAIL FROM:<a@good.test>
XFORWARD NAME=foo
""" % ("x" * 65, "x" * 256, "y" * 100))
case("xforward", "x", "EHLO x\nXFORWARD NAME=foo.bar ADDR=1.2.3.4 PORT=99 PROTO=ESMTP HELO=fw.helo SOURCE=REMOTE IDENT=ABC\n" + D + D)
case("xforward-part", "x", "EHLO x\nXFORWARD NAME=foo.bar\n" + D)
case("xforward-unavail", "x", "EHLO x\nXFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] HELO=[UNAVAILABLE]\n" + D)
config("notx", main="smtpd_error_sleep_time = 0\n")
case("unauthorized", "notx", """
EHLO x
XCLIENT NAME=foo
XCLIENT
XFORWARD NAME=foo
XFORWARD
""")
config("peer", main=B + "smtpd_client_restrictions = warn_if_reject reject_unknown_client_hostname\n")
for i in (10, 11, 12, 13, 14, 16, 19):
    case("peer-%d" % i, "peer", "@203.0.113.%d\nEHLO x\n" % i + D)
config("peer2", main=B + "smtpd_client_restrictions = reject_unknown_client_hostname\n")
config("peer3", main=B + "smtpd_client_restrictions = reject_unknown_reverse_client_hostname\n")
for i in (10, 11, 12, 13, 14, 16, 19):
    for c in ("peer2", "peer3"):
        case("%s-%d" % (c, i), c, "@203.0.113.%d\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n" % i)
config("peername-off", main=B + "smtpd_peername_lookup = no\n")
case("peername-off", "peername-off", "EHLO x\n" + D)
config("verp", main=B + "smtpd_authorized_verp_clients = 203.0.113.0/24\n")
case("verp", "verp", """
EHLO x
MAIL FROM:<a@good.test> XVERP
RSET
MAIL FROM:<a@good.test> XVERP=+=
RSET
MAIL FROM:<a@good.test> XVERP=x
MAIL FROM:<> XVERP
MAIL FROM:<a@good.test> XVERP=-=
RCPT TO:<u@sinka.test>
""")
