"""Outbound SMTP: what the content and the envelope become on the wire."""
MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; "
msg("ct_8bit", "From: a@b.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    "h\u00e9llo = w\u00f6rld\n.dot\n..dots\ntrailing  \n")
msg("ct_8bit_undeclared", "From: a@b.test\nSubject: x\n\nh\u00e9llo = w\u00f6rld\n")
msg("ct_8bit_header", "From: a@b.test\nSubject: \u00e9x\n\nhello\n")
msg("ct_long", "From: a@b.test\nSubject: " + "y" * 1200 + "\n\n" + "z" * 998 + "\n" + "z" * 999 + "\n" + "z" * 2500 + "\n" + "." * 1000 + "\n." +
    "q" * 1994 + ".x\n")
msg("ct_multipart", "From: a@b.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=bb\nContent-Transfer-Encoding: 8bit\n\n"
    "pre\n--bb\nContent-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\nh\u00e9llo\n--bb\nContent-Type: message/rfc822\n\nSubject: inner\n"
    "Content-Transfer-Encoding: 8bit\n\nh\u00e9y\n--bb--\n")
msg("ct_headers_only", "From: a@b.test\nSubject: headers only\n")
msg("ct_empty_body", "From: a@b.test\nSubject: headers and an empty line\n\n")
msg("ct_no_headers", "no header here\n")
config("ct", main="relay_domains = static:all\n", setup=MARK)


def send(params, message, domain):
    return "RSET\nMAIL FROM:<a@good.test>%s\nRCPT TO:<u@%s>\nDATA\n!msg %s\n!mail 1\n" % (params, domain, message)


for domain in ("remote.test", "no8bit.test"):
    for n, params in enumerate(["", " BODY=8BITMIME", " BODY=7BIT"]):
        case("encoding-%s-%d" % (domain.split(".")[0], n), "ct", "EHLO mail.client.test\n" +
             "".join(send(params, m, domain) for m in ("", "ct_8bit", "ct_8bit_undeclared", "ct_multipart")))
    case("lines-" + domain.split(".")[0], "ct", "EHLO mail.client.test\n" +
         "".join(send("", m, domain) for m in ("ct_long", "ct_headers_only", "ct_empty_body", "ct_no_headers")))
case("dsn", "ct", """
EHLO mail.client.test
MAIL FROM:<a@good.test> RET=HDRS ENVID=ab+2B+3Dc
RCPT TO:<u@remote.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z.test
RCPT TO:<v@remote.test> NOTIFY=NEVER
DATA
!msg
!mail 1
MAIL FROM:<a@good.test> RET=FULL
RCPT TO:<u@nodsn.test> NOTIFY=FAILURE ORCPT=rfc822;x@z.test
DATA
!msg
!mail 1
""")
case("addresses", "ct", """
EHLO mail.client.test
MAIL FROM:<"a b"@good.test> SMTPUTF8
RCPT TO:<"u v"@remote.test>
RCPT TO:<u+x@remote.test>
RCPT TO:<ü@remote.test>
DATA
!msg ct_8bit_header
!mail 1
""")
UTF8 = "!sleep 0.5\n!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep 'smtp\\[' | sed -E 's/.*: to=/to=/; s/delay=.*dsn=/dsn=/'\n"
config("ct_utf8", main="relay_domains = static:all\nmaximal_queue_lifetime = 10d\n", setup=MARK)
case("smtputf8", "ct_utf8", """
EHLO mail.client.test
MAIL FROM:<> SMTPUTF8
RCPT TO:<u@no8bit.test>
DATA
!msg ct_8bit_header
MAIL FROM:<> SMTPUTF8
RCPT TO:<u@no8bit.test>
DATA
!msg
!mail 1
MAIL FROM:<> SMTPUTF8
RCPT TO:<ü@no8bit.test>
DATA
!msg
""" + UTF8)
config("ct_quote", main="relay_domains = static:all\nsmtp_quote_rfc821_envelope = no\nsmtp_line_length_limit = 60\nsmtp_helo_name = other.name.test\n"
       "smtp_discard_ehlo_keywords = dsn, size, foo\n", setup=MARK)
case("unquoted", "ct_quote", """
EHLO mail.client.test
MAIL FROM:<"a b"@good.test>
RCPT TO:<"u v"@remote.test>
DATA
!msg
!mail 1
!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep 'smtp\\[' | grep -o 'discarding.*' | tail -1
""")
