# sendmail -bs: a session on standard input and output, of a local user.
config("bs", main="local_recipient_maps =\nrelay_domains = sinka.test\n")
def bs(*lines, user="alice"):
    text = "".join(l + "\\r\\n" for l in lines)
    return "!sh printf '%s' | su -s /bin/sh %s -c \"/var/oracle/bin/sendmail -bs\"; echo rc $?\n" % (text, user) if user else \
        "!sh printf '%s' | sendmail -bs; echo rc $?\n" % text
case("verbs", "bs", bs("EHLO x", "NOOP", "VRFY alice", "ETRN x.test", "RSET", "XCLIENT ADDR=1.2.3.4", "HELP", "FOO", "QUIT", user=None))
case("message", "bs", bs("EHLO x", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", "RCPT TO:<u2@sinka.test>", "DATA", "Subject: x", "", "body", ".", "QUIT", user=None) + "!mail 1\n")
case("relay", "bs", bs("HELO x", "MAIL FROM:<a>", "RCPT TO:<u@sinka.test>", "RCPT TO:<u@remote.test>", "RCPT TO:<x", "RSET", "QUIT", user=None))
case("no-helo", "bs", bs("MAIL FROM:<a>", "RCPT TO:<u@sinka.test>", "DATA", "Subject: x", "", "body", ".", "QUIT", user=None) + "!mail 1\n")
case("eof", "bs", bs("EHLO x", "MAIL FROM:<a>", user=None))
case("bdat", "bs", bs("EHLO x", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", "BDAT 6 LAST", "body", "QUIT", user=None) + "!mail 1\n")
case("lf", "bs", "!sh printf 'EHLO x\\nMAIL FROM:<a@good.test>\\nRCPT TO:<u@sinka.test>\\nDATA\\nSubject: x\\n\\nbody\\n.\\nQUIT\\n' | sendmail -bs; echo rc $?\n!mail 1\n")
L = """!sh sleep 0.5; sed -n 's/^.*postfix\\/smtpd\\[[0-9]*\\]: /smtpd: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/'; : > /var/oracle/maillog
"""
case("log", "bs", "!sh : > /var/oracle/maillog\n" + bs("EHLO x", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", "DATA", "Subject: x", "", "body", ".", "FOO", "QUIT", user=None) + L)
case("log-eof", "bs", bs("EHLO x", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", user=None) + L)
config("bs-rules", main="smtpd_client_restrictions = reject\nsmtpd_helo_required = yes\ndisable_vrfy_command = yes\nsmtpd_recipient_limit = 1\nmessage_size_limit = 1000\nlocal_recipient_maps =\n")
case("rules", "bs-rules", bs("MAIL FROM:<a@good.test>", "EHLO x", "VRFY alice", "MAIL FROM:<a@good.test> SIZE=2000", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", "RCPT TO:<u@sinka.test>", "DATA", "x" * 1100, ".", "QUIT", user=None))
