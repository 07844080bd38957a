# Limits: errors, junk commands, recipients, sizes, lines.
B = "relay_domains = relay.test, sinka.test\nlocal_recipient_maps =\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
config("errs", main=B + "smtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 2\nsmtpd_hard_error_limit = 4\nsmtpd_junk_command_limit = 3\n")
case("hard", "errs", """
EHLO x
FOO
FOO
FOO
FOO
FOO
!eof
""")
case("hard-rcpt", "errs", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@remote.test>
RCPT TO:<alice@example.com>
!eof
""")
case("hard-pipelined", "errs", """
EHLO x
!raw 'MAIL FROM:<a@good.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nDATA\\r\\n'
!read 6
!eof
""")
case("reset-errors", "errs", """
EHLO x
FOO
FOO
FOO
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA
!msg
FOO
FOO
FOO
FOO
FOO
!eof
""")
case("junk", "errs", """
EHLO x
NOOP
NOOP
NOOP
NOOP
NOOP
NOOP
NOOP
NOOP
NOOP
!eof
""")
case("junk2", "errs", """
EHLO x
RSET
VRFY alice
NOOP
ETRN relay.test
RSET
VRFY alice
NOOP
RSET
!eof
""")
case("junk3", "errs", """
EHLO x
NOOP
NOOP
NOOP
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA
!msg
NOOP
NOOP
NOOP
NOOP
NOOP
NOOP
""")
case("junk-helo", "errs", """
HELO x
EHLO x
HELO x
HELO x
HELO x
HELO x
HELO x
HELO x
HELO x
""")
config("sleep", main=B + "smtpd_error_sleep_time = 1\nsmtpd_soft_error_limit = 2\nsmtpd_hard_error_limit = 4\n")
case("soft", "sleep", """
EHLO x
FOO
FOO
FOO
FOO
FOO
!eof
""")
config("rcpts", main=B + "smtpd_recipient_limit = 3\nsmtpd_recipient_overshoot_limit = 2\nsmtpd_error_sleep_time = 0\n")
case("rcpt-limit", "rcpts", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<bob@example.com>
RCPT TO:<carol@example.com>
RCPT TO:<dave@example.com>
RCPT TO:<erin@example.com>
RCPT TO:<jean@example.com>
RCPT TO:<u@remote.test>
RSET
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<bob@example.com>
RCPT TO:<carol@example.com>
RCPT TO:<dave@example.com>
DATA
!msg
QUIT
""")
config("rcpts-hard", main=B + "smtpd_recipient_limit = 1\nsmtpd_recipient_overshoot_limit = 2\nsmtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 3\n")
case("rcpt-limit-hard", "rcpts-hard", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<bob@example.com>
RCPT TO:<carol@example.com>
RCPT TO:<dave@example.com>
RCPT TO:<erin@example.com>
RCPT TO:<jean@example.com>
RCPT TO:<jean@example.com>
RCPT TO:<jean@example.com>
RCPT TO:<jean@example.com>
""")
msg("big", "%eval\n'Subject: big\\n\\n' + 'x' * 70 + '\\n' * 1 + ('y' * 70 + '\\n') * 40")
msg("longline", "%eval\n'Subject: long\\n\\n' + 'x' * 5000 + '\\n'")
config("size", main=B + "message_size_limit = 1000\nsmtpd_error_sleep_time = 0\n")
case("too-big", "size", """
EHLO x
MAIL FROM:<a@good.test> SIZE=1001
MAIL FROM:<a@good.test> SIZE=1000
RCPT TO:<alice@example.com>
DATA
!msg big
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!rawexpr b'BDAT 3000 LAST\\r\\n' + b'x' * 3000
!read
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
!rawexpr b'BDAT 700\\r\\n' + b'x' * 700
!read
!rawexpr b'BDAT 700\\r\\n' + b'x' * 700
!read
!rawexpr b'BDAT 700\\r\\n' + b'x' * 700
!read
!rawexpr b'BDAT 700 LAST\\r\\n' + b'x' * 700
!read
RSET
NOOP
QUIT
""")
config("nosize", main=B + "message_size_limit = 0\nmailbox_size_limit = 0\nsmtpd_error_sleep_time = 0\n")
case("size-0", "nosize", """
EHLO x
MAIL FROM:<a@good.test> SIZE=99999999999
RSET
MAIL FROM:<a@good.test> SIZE=9999999999999999999
""")
config("full", main=B + "queue_minfree = 9000000000000000000\n")
case("queue-full", "full", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
MAIL FROM:<a@good.test> SIZE=1
""")
config("lines", main=B + "line_length_limit = 512\nsmtpd_error_sleep_time = 0\n")
case("long-command", "lines", """
EHLO x
!rawexpr b'NOOP ' + b'x' * 5000 + b'\\r\\n'
!read
NOOP
!rawexpr b'MAIL FROM:<' + b'x' * 1300 + b'@good.test>\\r\\n'
!read
NOOP
!rawexpr b'EHLO ' + b'x' * 1300 + b'\\r\\n'
!read
QUIT
""")
case("long-line-data", "lines", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
DATA
!msg longline
!mail
""")
case("long-line-dots", "lines", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
DATA
!rawexpr b'Subject: x\\r\\n\\r\\n' + b'a' * 511 + b'\\r\\n' + b'b' * 512 + b'.\\r\\n' + b'c' * 511 + b'.\\r\\n' + b'd' * 510 + b'\\r\\n' + b'.' * 1500 + b'\\r\\nend\\r\\n.\\r\\n'
!read
!mail
QUIT
""")
config("defaults", main=B)
case("long-line-2048", "defaults", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
DATA
!msg longline
!mail
!rawexpr b'NOOP ' + b'x' * 5000 + b'\\r\\n'
!read
!rawexpr b'MAIL FROM:<a@good.test> ENVID=' + b'x' * 2000 + b'\\r\\n'
!read
!rawexpr b'RCPT TO:<' + b'a' * 400 + b'@example.com>\\r\\n'
!read
QUIT
""")
config("helo-req", main=B + "smtpd_helo_required = yes\n")
case("helo-required", "helo-req", """
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA
VRFY alice
ETRN relay.test
NOOP
RSET
HELO x
MAIL FROM:<a@good.test>
""")
config("strict", main=B + "strict_rfc821_envelopes = yes\nsmtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 1000\n")
case("strict", "strict", """
EHLO x
MAIL FROM:a@good.test
MAIL FROM: <a@good.test>
MAIL FROM:<a@good.test
MAIL FROM:<<a@good.test>>
MAIL FROM:<a@good.test> (comment)
MAIL FROM:<@relay.test:a@good.test>
RSET
MAIL FROM:<a@good.test>
RCPT TO:alice@example.com
RCPT TO: <alice@example.com>
RCPT TO:<alice(x)@example.com>
RCPT TO:<alice@example.com>
RCPT TO:<@example.com>
RCPT TO:<>
VRFY alice
VRFY <alice>
RSET
MAIL FROM:<"a@b"@good.test>
RSET
MAIL FROM:<a@b@good.test>
RSET
MAIL FROM:<>
""")
config("forbid", main=B + "smtpd_forbidden_commands = CONNECT, foo\nsmtpd_noop_commands = HELP, xfoo\ndisable_vrfy_command = yes\nsmtpd_error_sleep_time = 0\n")
case("noop-commands", "forbid", """
EHLO x
HELP
HELP foo bar
XFOO
xfoo bar
VRFY
VRFY alice
VRFY alice bar
GET / HTTP
Subject: foo
FOO bar
!eof
""")
config("discard", main=B + "smtpd_discard_ehlo_keywords = pipelining, 8bitmime, dsn, chunking, size, silent-discard\nsmtpd_banner = $myhostname ESMTP hello $mail_name ($mail_version)\nsmtpd_error_sleep_time = 0\n")
case("discard-keywords", "discard", """
EHLO x
MAIL FROM:<a@good.test> RET=FULL
MAIL FROM:<a@good.test> BODY=8BITMIME
RSET
MAIL FROM:<a@good.test> SIZE=1
RSET
MAIL FROM:<a@good.test> SMTPUTF8
RCPT TO:<alice@example.com> NOTIFY=NEVER
RCPT TO:<alice@example.com> ORCPT=rfc822;foo
BDAT 0
RCPT TO:<alice@example.com>
BDAT 0
""")
config("discard2", main=B + "smtpd_discard_ehlo_keyword_address_maps = inline:{ {203.0.113.10 = etrn vrfy enhancedstatuscodes smtputf8 starttls auth xclient xforward} }\nsmtpd_error_sleep_time = 0\n")
case("discard-map", "discard2", """
EHLO x
VRFY alice
ETRN relay.test
MAIL FROM:<a@good.test> SMTPUTF8
MAIL FROM:<a@good.test> RET=foo
RCPT TO:<u@remote.test>
FOO
@203.0.113.11
EHLO x
""")
config("connlimit", main=B + "smtpd_client_connection_count_limit = 1\nsmtpd_client_event_limit_exceptions =\n", fixtures=[])
config("footer", main=B + "smtpd_reject_footer = \\c. For assistance, call $client_name $client_address $localtime\nsmtpd_error_sleep_time = 0\n")
case("reject-footer", "footer", """
EHLO x
FOO
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
""")
config("footer2", main=B + "smtpd_reject_footer = 4.7.1 contact us\\nat server=$server_name helo=$helo_name sender=$sender recipient=$recipient c=$client_name[$client_address] d=$domain m=$myhostname\n"
  "smtpd_recipient_restrictions = reject_unauth_destination, reject\nsmtpd_error_sleep_time = 0\n")
case("reject-footer2", "footer2", """
EHLO x
FOO
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<alice@example.com>
DATA
""")
config("defer", main=B + "soft_bounce = yes\nsmtpd_error_sleep_time = 0\n")
case("soft-bounce", "defer", """
EHLO x
FOO
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<>
DATA
RSET
DATA
MAIL FROM:<a@good.test> FOO=bar
STARTTLS
GET /
""")
