# What sessions leave in the log. Ids, numbers and times are cut out.
B = """smtpd_forbid_unauth_pipelining = no
relay_domains = relay.test, sinka.test
local_recipient_maps =
smtpd_error_sleep_time = 0
smtpd_authorized_xclient_hosts = 203.0.113.0/24
smtpd_authorized_xforward_hosts = 203.0.113.0/24
"""
L = """!sh sleep 0.5; sed -n 's/^.*postfix\\/smtpd\\[[0-9]*\\]: /smtpd: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/'; : > /var/oracle/maillog
"""
config("log", main=B)
case("all-verbs", "log", """
HELO x
EHLO x
XFORWARD NAME=foo.bar ADDR=1.2.3.4 PORT=99 PROTO=ESMTP HELO=foo SOURCE=REMOTE IDENT=ABC
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@sinka.test>
DATA
!msg
RSET
NOOP
VRFY alice
ETRN relay.test
STARTTLS
AUTH
FOO
BAR
BDAT 0
XCLIENT NAME=foo.bar ADDR=1.2.3.4
EHLO y
NOOP
QUIT
""" + L)
for name, text in {
    "connect": "!close\n",
    "ehlo": "EHLO x\n!close\n",
    "mail": "MAIL FROM:<a@good.test>\n!close\n",
    "rcpt": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!close\n",
    "rcpt-no": "MAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\n!close\n",
    "rcpt-bad": "MAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test\n!close\n",
    "data": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw 'Subject: foo\\r\\nfoo'\n!sleep 0.3\n!close\n",
    "data-none": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!close\n",
    "data-lines": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw 'Subject: foo\\r\\n\\r\\nfoo\\r\\n..\\r\\n'\n!sleep 0.3\n!close\n",
    "data-big": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw '" + "0123456789" * 700 + "'\n!sleep 0.3\n!close\n",
    "bdat": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 1000\\r\\nSubject: foo\\r\\nfoo'\n!sleep 0.3\n!close\n",
    "bdat-between": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 10\\r\\nSubject: f'\n!read\n!close\n",
    "bdat-second": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 10\\r\\nSubject: f'\n!read\n!raw 'BDAT 10\\r\\noo\\r\\n'\n!sleep 0.3\n!close\n",
    "noop": "NOOP\n!close\n",
    "vrfy": "VRFY alice\n!close\n",
    "unknown": "FOO\n!close\n",
    "syntax": "EHLO\n!close\n",
    "empty": "!raw '\\r\\n'\n!read\n!close\n",
    "half-line": "EHLO x\n!raw 'MAIL FR'\n!sleep 0.2\n!close\n",
    "rset": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nRSET\n!close\n",
    "after-message": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\n!close\n",
    "quit": "QUIT\n!eof\n",
    "xclient": "XCLIENT NAME=foo.bar ADDR=1.2.3.4 PORT=77\nEHLO y\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\n!close\n",
    "xclient-login": "XCLIENT NAME=foo.bar ADDR=1.2.3.4 LOGIN=jean\nEHLO y\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\nQUIT\n",
    "xforward-odd": "XFORWARD NAME=a+20b HELO=[UNAVAILABLE]\nXFORWARD ADDR=x\nXFORWARD FOO=x\nXFORWARD ADDR=IPV6:::1 PROTO=SMTP\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nRSET\nQUIT\n",
    "http": "GET / HTTP/1.1\n!eof\n",
    "header": "X-Foo: bar\n!eof\n",
    "pipelined-helo": "!raw 'EHLO x\\r\\nMAIL FROM:<a@b.c>\\r\\n'\n!read 1\n!eof\n",
    "addresses": "MAIL FROM:<a b@good.test>\nMAIL FROM:<a@good.test\nMAIL FROM: a@good.test x\nMAIL FROM:<@a,@b:c@good.test>\nRCPT TO:<>\nRCPT TO:<u@[1.2.3.999]>\nRCPT TO:<u@a..b>\nVRFY <u@a..b>\nQUIT\n",
    "null-bdat": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 0\\r\\n'\n!read\nQUIT\n",
    "relay": "HELO \"\"\nHELO a\nMAIL FROM:<>\nRCPT TO:<u@remote.test>\nRCPT TO:<\"a b\"@remote.test>\nRCPT TO:<é@remote.test>\nQUIT\n",
    "etrn": "EHLO x\nETRN remote.test\nETRN relay.test\nETRN #x\nQUIT\n",
}.items():
    case("lost-" + name, "log", text + L)
config("log-timeout", main=B + "smtpd_timeout = 1\nsmtpd_starttls_timeout = 1\n")
for name, text in {
    "connect": "!sleep 2\n!eof\n",
    "ehlo": "EHLO x\n!sleep 2\n!eof\n",
    "data": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw 'Subject: foo\\r\\nfoo'\n!sleep 2\n!eof\n",
    "data-lines": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw 'Subject: foo\\r\\n\\r\\nfoo\\r\\n..\\r\\n'\n!sleep 2\n!eof\n",
    "half-line": "EHLO x\n!raw 'MAIL FR'\n!sleep 2\n!eof\n",
    "after-message": "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\n!sleep 2\n!eof\n",
}.items():
    case("timeout-" + name, "log-timeout", text + L)
config("log-errors", main=B + "smtpd_hard_error_limit = 2\n")
case("errors", "log-errors", "FOO\nFOO\n!eof\n" + L)
case("errors-rcpt", "log-errors", "MAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\nRCPT TO:<u@remote.test>\n!eof\n" + L)
config("log-ports", main=B + "smtpd_client_port_logging = yes\n")
case("xclient-port", "log-ports", "XCLIENT NAME=foo.bar ADDR=1.2.3.4 PORT=77\nEHLO y\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\nRCPT TO:<u@sinka.test>\nRSET\nQUIT\n"
     + L.replace("; : >", " | sed -E 's/1]:[0-9]+/1]:PORT/; s/203.0.113.10]:[0-9]+/203.0.113.10]:PORT/'; : >"))
config("log-size", main=B + "message_size_limit = 300\n")
case("size", "log-size", "EHLO x\nMAIL FROM:<a@good.test> SIZE=400\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw '" + "0123456789\\r\\n" * 40
     + ".\\r\\n'\n!read\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 400\\r\\n" + "x" * 400 + "'\n!read\nQUIT\n" + L)
config("log-lists", main=B.replace("local_recipient_maps =\n", "") + """smtpd_client_restrictions = check_client_access inline:{203.0.113.77=REJECT, 203.0.113.78={521 go away}}
smtpd_recipient_restrictions = warn_if_reject reject_unlisted_recipient, check_recipient_access inline:{
    {hold@sinka.test = HOLD text} {discard@sinka.test = DISCARD} {filter@sinka.test = FILTER smtp:[127.0.0.1]} {redir@sinka.test = REDIRECT a@b.c}
    {bcc@sinka.test = BCC x@y.z} {prepend@sinka.test = PREPEND X-A: b} {warn@sinka.test = WARN careful} {info@sinka.test = INFO fyi}
    {holdno@sinka.test = HOLD} {bad@sinka.test = WHAT} {filterbad@sinka.test = FILTER xyz} {hang@sinka.test = HANGUP}}
local_recipient_maps = inline:{alice=x}
smtpd_log_access_permit_actions = static:all
""")
RCPT = "".join("RCPT TO:<%s@sinka.test>\n" % n for n in "hold discard".split()) 
RCPT2 = "".join("RCPT TO:<%s@sinka.test>\n" % n for n in "hold filter redir bcc prepend warn info holdno bad filterbad".split()) + "RCPT TO:<nobody@example.com>\nRCPT TO:<alice@example.com>\n"
case("access", "log-lists", "EHLO x\nMAIL FROM:<a@good.test>\n" + RCPT2 + "RSET\nMAIL FROM:<a@good.test>\n" + RCPT + "RCPT TO:<hold@sinka.test>\nDATA\n!msg\nQUIT\n" + L)
case("access-hangup", "log-lists", "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<hang@sinka.test>\n!eof\n" + L)
case("access-client", "log-lists", "@203.0.113.77\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n@203.0.113.78\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!eof\n" + L)
config("log-names", main=B)
for ip in "203.0.113.10 203.0.113.20 203.0.113.21 203.0.113.30 203.0.113.31 203.0.113.40 203.0.113.50 203.0.113.99".split():
    case("name-" + ip, "log-names", "@%s\nEHLO x\nQUIT\n" % ip + L)
