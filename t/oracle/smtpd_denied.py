# Clients turned away at once, footers of refusals, filtered commands, soft_bounce, every verb in every state.
B = """relay_domains = relay.test, sinka.test
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_forbid_bare_newline = normalize
smtpd_forbid_unauth_pipelining = yes
"""
L = """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(smtpd|cleanup)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/' | sort -s -r -k1,1; : > /var/oracle/maillog
"""
ALL = ["HELO x", "EHLO x", "XCLIENT NAME=x", "XFORWARD NAME=x", "STARTTLS", "AUTH PLAIN", "MAIL FROM:<a@good.test>", "RCPT TO:<u@sinka.test>", "DATA x",
       "BDAT x", "RSET", "NOOP", "VRFY u@sinka.test", "ETRN relay.test", "HELP", "EXPN x", "FOO", "QUIT x"]
for name, code in (("554", "REJECT no"), ("421", "421 4.7.0 go away"), ("521", "521 5.7.0 go away"), ("450", "450 4.1.2 text"), ("550-text", "550 no code"), ("defer", "DEFER"),
                   ("dip", "DEFER_IF_PERMIT later"), ("dir", "DEFER_IF_REJECT later"), ("discard", "DISCARD"), ("hold", "HOLD"), ("prepend", "PREPEND X: y"),
                   ("hangup", "HANGUP bye"), ("redirect", "REDIRECT a@b.c"), ("filter", "FILTER a:b"), ("bcc", "BCC a@b.c"), ("ok", "OK"), ("digits", "12345"), ("bad", "NOSUCH"), ("info", "INFO i"), ("warn", "WARN w")):
    for delay in ("no", "yes"):
        for stage in ("client", "helo", "sender"):
            cfg = "now-%s-%s-%s" % (name, stage, delay)
            if delay == "yes" and name in ("450", "550-text", "digits", "info", "warn", "defer"):
                continue
            if stage == "helo" and name in ("digits", "info", "450", "redirect"):
                continue
            config(cfg, main=B + "smtpd_delay_reject = %s\nsmtpd_%s_restrictions = check_%s_access static:{%s}\n" % (delay, stage, stage, code))
            case(cfg, cfg, "NOOP\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nRCPT TO:<u@remote.test>\nNOOP\nFOO\nQUIT\n" + L)
config("denied", main=B + "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n")
case("verbs", "denied", "\n".join(ALL) + "\n" + L)
case("http", "denied", "GET / HTTP/1.0\n!eof\n" + L)
case("header", "denied", "EHLO x\nSubject: x\n!eof\n" + L)
case("odd", "denied", "!raw '\\r\\n'\n!read\n!raw 'NOOP \\xff\\r\\n'\n!read\n!raw 'NOOP\\r\\nNOOP\\r\\n'\n!read 2\nQUIT\n" + L)
config("denied421", main=B + "smtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access static:{450 4.7.0 x}\naccess_map_defer_code = 451\n")
case("verbs450", "denied421", "\n".join(ALL[:6]) + "\nQUIT\n" + L)

# every verb after each state
config("states", main=B + "smtpd_authorized_xforward_hosts = 203.0.113.0/24\nsmtpd_authorized_xclient_hosts = 203.0.113.0/24\n")
STATES = {"start": "", "helo": "HELO x\n", "ehlo": "EHLO x\n", "mail": "EHLO x\nMAIL FROM:<a@good.test>\n", "mailbad": "EHLO x\nMAIL FROM:<a@good.test\n",
          "rcpt": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n", "rcptbad": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\n",
          "bdat": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\n!raw 'BDAT 3\\r\\na\\r\\n'\n!read\n",
          "bdaterr": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\n!raw 'BDAT 3\\r\\na\\r\\n'\n!read\n",
          "sent": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\n",
          "rset": "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nRSET\n"}
VERBS = ["HELO y", "EHLO y", "XCLIENT NAME=good.name", "XFORWARD NAME=good.name", "STARTTLS", "AUTH PLAIN x", "MAIL FROM:<b@good.test>", "RCPT TO:<v@sinka.test>", "DATA",
         "BDAT 0", "BDAT 0 LAST", "RSET", "NOOP", "VRFY u@sinka.test", "ETRN relay.test", "HELP", "FOO", "QUIT"]
for st, text in STATES.items():
    for i, v in enumerate(VERBS):
        data = v == "DATA" and st == "rcpt"
        case("%s-%s" % (st, v.split(" ")[0].lower() + ("-last" if "LAST" in v else "")), "states", text + v + "\n" + ("!msg\n" if data else "") +
             ("!eof\n" if v == "QUIT" else "NOOP\nRCPT TO:<w@sinka.test>\nMAIL FROM:<c@good.test>\n") + ("!close\n" + L if i % 3 == 0 else ""))
