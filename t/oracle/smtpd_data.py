# Content: dots, line ends, odd bytes, and the Received: header.
B = "relay_domains = relay.test, remote.test\nlocal_recipient_maps =\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_error_sleep_time = 0\nsmtpd_forbid_unauth_pipelining = no\n"
T = """
EHLO mail.client.test
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
DATA
!raw '%s'
!read
!mail
NOOP
QUIT
"""
BODIES = {
    "dots": "Subject: x\\r\\n\\r\\n..a\\r\\n.b\\r\\n..\\r\\n...\\r\\n. \\r\\n.\\t\\r\\n.\\r\\n",
    "empty": ".\\r\\n",
    "only-body": "\\r\\nfoo\\r\\n.\\r\\n",
    "only-header": "Subject: x\\r\\n.\\r\\n",
    "not-a-header": "Hello there\\r\\nfoo\\r\\n.\\r\\n",
    "bare-cr": "Subject: x\\r\\n\\r\\na\\rb\\r\\nc\\r\\r\\nd\\r.\\r\\n\\r.\\r\\n.\\r\\n",
    "nul": "Subject: x\\r\\n\\r\\na\\0b\\r\\n\\0\\r\\n.\\r\\n",
    "8bit": "Subject: x\\r\\n\\r\\n\\xe4\\xf6\\xfc \\xc3\\xa4\\r\\n.\\r\\n",
    "8bit-header": "Subject: \\xc3\\xa4\\r\\nX-Latin: \\xe4\\r\\n\\r\\nfoo\\r\\n.\\r\\n",
    "bare-lf": "Subject: x\\r\\n\\r\\na\\nb\\r\\n.\\r\\n",
    "lf-dot-lf": "Subject: x\\r\\n\\r\\na\\n.\\nb\\r\\n.\\r\\n",
    "lf-dot-crlf": "Subject: x\\r\\n\\r\\na\\n.\\r\\n",
    "crlf-dot-lf": "Subject: x\\r\\n\\r\\na\\r\\n.\\nb\\r\\n.\\r\\n",
    "all-lf": "Subject: x\\n\\na\\n.\\n",
    "cr-dot-crlf": "Subject: x\\r\\n\\r\\na\\r\\n.\\r\\r\\nb\\r\\n.\\r\\n",
}
for mode in ("normalize", "reject", "no"):
    config("lf-" + mode, main=B + "smtpd_forbid_bare_newline = %s\n" % mode)
    for name, body in BODIES.items():
        if mode == "normalize" or "lf" in name or name == "nul":
            more = "" if not (mode == "normalize" and name in ("lf-dot-lf",)) else ""
            t = T % body
            if mode in ("normalize", "reject") and name in ("all-lf",):
                t = t.replace("!read\n!mail\n", "!raw 'x\\r\\n.\\r\\n'\n!read\n!mail\n")
            if mode in ("no",) and name in ("lf-dot-lf",):
                t = t.replace("!mail\n", "!read\n!read\n!mail\n")
            case("%s-%s" % (mode, name), "lf-" + mode, t)
case("reject-command-lf", "lf-reject", """
EHLO x
!raw 'NOOP\\n'
!read
!eof
""")
case("normalize-command-lf", "lf-normalize", """
EHLO x
!raw 'NOOP\\nNOOP\\n'
!read
!raw 'MAIL FROM:<a@good.test>\\nRCPT TO:<alice@example.com>\\n'
!read 2
QUIT
""")
case("reject-bdat-lf", "lf-reject", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
!raw 'BDAT 14 LAST\\r\\nSubject: x\\n\\na\\n'
!read
!eof
""")
case("normalize-bdat-lf", "lf-normalize", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
!raw 'BDAT 14 LAST\\r\\nSubject: x\\n\\na\\n'
!read
!mail
QUIT
""")
config("lf-reject521", main=B + "smtpd_forbid_bare_newline = reject\nsmtpd_forbid_bare_newline_reject_code = 521\nsmtpd_forbid_bare_newline_exclusions = 203.0.113.11\n")
case("reject521", "lf-reject521", T % BODIES["lf-dot-lf"])
case("reject-exclude", "lf-reject521", "@203.0.113.11\n" + (T % BODIES["bare-lf"]))
case("reject-exclude2", "lf-reject521", "@203.0.113.11\n" + (T % BODIES["lf-dot-crlf"]))

config("recv", main=B + "always_add_missing_headers = yes\n")
D = "MAIL FROM:<a@good.test>%s\nRCPT TO:<u@remote.test>\nDATA\n!msg\n!mail\n"
case("received-ehlo", "recv", "EHLO mail.client.test\n" + D % "")
case("received-ehlo-other", "recv", "EHLO other.name\n" + D % "")
case("received-helo", "recv", "HELO mail.client.test\n" + D % "")
case("received-helo-case", "recv", "HELO MAIL.client.test\n" + D % "")
case("received-none", "recv", D % "")
case("received-unknown", "recv", "@203.0.113.12\nEHLO mail.client.test\n" + D % "")
case("received-forged", "recv", "@203.0.113.11\nEHLO forged.client.test\n" + D % "")
case("received-literal", "recv", "EHLO [203.0.113.10]\n" + D % "")
case("received-utf8", "recv", "EHLO mail.client.test\n" + D % " SMTPUTF8")
case("received-utf8-helo", "recv", "EHLO m\u00e4il.client.test\n" + D % " SMTPUTF8")
case("received-helo-odd", "recv", "EHLO a b(c)<d>\"e\\\\\\\\f;@g\n" + D % "")
case("received-two", "recv", "EHLO x\nMAIL FROM:<>\nRCPT TO:<u@remote.test>\nRCPT TO:<v@remote.test>\nDATA\n!msg\n!mail\n")
case("received-quoted", "recv", "EHLO x\nMAIL FROM:<>\nRCPT TO:<\"u v\"@relay.test>\nDATA\n!msg\n!mail\n")
case("received-v6", "recv", "@2001:db8::9>2001:db8::1:25\nEHLO x\n" + D % "")
case("received-longhelo", "recv", "EHLO " + "x" * 500 + "\n" + D % "")
case("utf8-addr", "recv", """
EHLO x
MAIL FROM:<ä@good.test>
MAIL FROM:<ä@good.test> SMTPUTF8
RCPT TO:<ü@remote.test>
DATA
!msg
!mail
MAIL FROM:<a@good.test>
RCPT TO:<ü@remote.test>
RSET
MAIL FROM:<a@gööd.test> SMTPUTF8
RSET
VRFY ü@remote.test
VRFY ü@remote.test SMTPUTF8
VRFY u@remote.test SMTPUTF8
VRFY u@remote.test FOO
MAIL FROM:<\\xe4@good.test> SMTPUTF8
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com> ORCPT=utf-8;ä
""")
config("noutf8", main=B + "smtputf8_enable = no\n")
case("utf8-off", "noutf8", """
EHLO x
MAIL FROM:<ä@good.test> SMTPUTF8
MAIL FROM:<ä@good.test>
RCPT TO:<ü@remote.test>
!raw 'MAIL FROM:<\\xe4@good.test>\\r\\n'
!read
!raw 'RSET\\r\\n'
!read
!raw 'MAIL FROM:<\\xe4@good.test>\\r\\n'
!read
VRFY alice SMTPUTF8
VRFY alice FOO
""")
config("strictutf8", main=B + "strict_smtputf8 = yes\n")
case("utf8-strict", "strictutf8", """
EHLO x
MAIL FROM:<ä@good.test>
MAIL FROM:<a@good.test>
RCPT TO:<ü@remote.test>
DATA
RSET
MAIL FROM:<ä@good.test> SMTPUTF8
RCPT TO:<ü@remote.test>
VRFY ü@remote.test
""")
