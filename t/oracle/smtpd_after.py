# What is said after the end of a message, accepted or refused by one or the other: what is left of the transaction.
B = "smtpd_error_sleep_time = 0\nrelay_domains=sinka.test\nsmtpd_forbid_unauth_pipelining = no\n"
LOG = """!sh sleep 0.2; sed -nE 's/^.*postfix\\/(smtpd)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/'; : > /var/oracle/maillog
"""
S = "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n"
BD = "!raw 'BDAT 5 LAST\\r\\na: b\\n'\n!read\n"
BD = "!raw 'BDAT 6 LAST\\r\\na: b\\r\\n'\n!read\n"
B1 = "!raw 'BDAT 6\\r\\na: b\\r\\n'\n!read\n"
C = {"rej": "smtpd_end_of_data_restrictions = reject\n", "421": "smtpd_end_of_data_restrictions = check_client_access static:{421 4.7.0 bye}\n", "disc": "smtpd_end_of_data_restrictions = check_client_access static:DISCARD\n", "ok": "",
     "hop": "hopcount_limit=1\n", "char": "message_reject_characters = b\n", "big": "message_size_limit=4\n"}
for k, v in C.items():
    config(k, main=B + v)
    for n, first in (("bdat", BD), ("bdat2", B1 + BD), ("bdat3", B1 + "!raw 'BDAT 0 LAST\\r\\n'\n!read\n"), ("data", "DATA\n!raw 'a: b\\r\\n.\\r\\n'\n!read\n")):
        if k == "421":
            case(k + "-" + n, k, S + first + "!eof\n" + LOG)
            continue
        for m, then in (("mail", "MAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA x\n"), ("rcpt", "RCPT TO:<u@sinka.test>\n"), ("bdat", BD + BD), ("data", "DATA\n"), ("rset", "RSET\n"), ("noop", "NOOP\n" + BD), ("helo", "HELO y\n"), ("ehlo", "EHLO y\n"), ("etrn", "ETRN sinka.test\n"), ("vrfy", "VRFY u@sinka.test\n"), ("xf", "XFORWARD NAME=x\n")):
            if m in ("data", "bdat", "noop") and (k in ("rej", "big") or n == "data"):
                continue        # Postfix's process dies
            case("%s-%s-%s" % (k, n, m), k, S + first + then + "NOOP\nRSET\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nQUIT\n" + LOG)
