# Random deliveries that fail, succeed or wait, with all settings of notices; whole notices and the log. Fixed seed.
import random
rnd = random.Random(61)
B = """mynetworks = 203.0.113.0/24 127.0.0.0/8
local_recipient_maps = inline:{alice=x, bob=x}
virtual_alias_domains = va.test
virtual_alias_maps = inline:{ {one@va.test=ok@remote.test} {two@va.test=ok@remote.test, rcpt551@remote.test} {bad@va.test=rcpt550@remote.test} {dsn@va.test=ok@nodsn.test} {loop@va.test=loop@va.test} }
relocated_maps = inline:{ {moved@example.com=there@x.test} }
transport_maps = inline:{ {err.test=error:5.7.3 go away} {plainerr.test=error:no code here} {disc.test=discard:} {later.test=retry:4.7.3 come again} }
bounce_queue_lifetime = 1d
smtpd_error_sleep_time = 0
"""
SET = {"bounce_size_limit": ["1", "100", "300", "5000"], "notify_classes": ["", "bounce", "2bounce, bounce", "delay, bounce"], "bounce_notice_recipient": ["bn@remote.test"], "2bounce_notice_recipient": ["tb@remote.test"], "delay_warning_time": ["1h"], "soft_bounce": ["yes"],
       "header_from_format": ["obsolete"], "always_add_missing_headers": ["yes"], "mail_name": ["My Mailer"], "myorigin": ["origin.test"], "double_bounce_sender": ["dbl"], "empty_address_recipient": ["nobody-here"], "smtputf8_enable": ["no"], "strict_smtputf8": ["yes"], "smtputf8_autodetect_classes": ["bounce", "all"],
       "canonical_maps": ["inline:{ {s@good.test=canon@remote.test} {rcpt550@remote.test=rcpt552@remote.test} }"], "sender_canonical_maps": ["inline:{ {MAILER-DAEMON@example.com=md@x.test} {s@good.test=sc@good.test} }"], "masquerade_domains": ["good.test"], "always_bcc": ["bcc@remote.test"], "recipient_delimiter": ["+"], "enable_original_recipient": ["no"],
       "smtpd_discard_ehlo_keywords": ["dsn"], "smtp_discard_ehlo_keywords": ["dsn", "8bitmime, smtputf8"], "disable_verp_bounces": ["yes"], "enable_errors_to": ["yes"], "maximal_queue_lifetime": ["0"], "smtp_reply_filter": ["pcre:{{/^550 (.*)/ 450 $$1}}"], "smtp_delivery_status_filter": ["pcre:{{/^5(.*)/ 4$$1}}", "pcre:{{/^4.*/ 5.9.9 made hard}}"], "default_delivery_status_filter": ["inline:{x=y}"],
       "bounce_template_file": ["@CONF@/t1", "@CONF@/t2", "@CONF@/none"], "smtp_line_length_limit": ["60"], "undisclosed_recipients_header": ["To: undisclosed-recipients:;"], "local_header_rewrite_clients": ["static:all"], "internal_mail_filter_classes": ["bounce"], "smtpd_client_port_logging": ["no"], "show_user_unknown_table_name": ["no"], "mime_boundary_length_limit": ["10"], "backwards_bounce_logfile_compatibility": ["no"],
       "smtp_send_dummy_mail_auth": ["no"], "smtp_always_send_ehlo": ["no"], "message_strip_characters": ["\\0"], "delay_notice_recipient": ["dn@remote.test"], "confirm_delay_cleared": ["yes"], "hopcount_limit": ["3"], "mydomain": ["dom.test"], "smtp_destination_concurrency_limit": ["1"]}
FILES = {"t1": "failure_template = <<EOF\nCharset: iso-8859-1\nFrom: Postmaster <pm>\nSubject: Your mail\nPostmaster-Subject: PS of $mail_name\n\nHost $myhostname, domain $mydomain, origin ${myorigin}, name $mail_name, $$\nlife ${maximal_queue_lifetime_days} days, $maximal_queue_lifetime_minutes min, $delay_warning_time_hours h\n\nEOF\nsuccess_template = <<EOF\nSubject: ok\nFrom: a@b\n\nfine\nEOF\n",
         "t2": "# comment\nfailure_template = <<X\nFrom: MAILER-DAEMON\n\nno subject\nX\nverify_template = <<Y\nSubject: v\n\nv\nY\ndelay_template = <<Z\nSubject: d\nPostmaster-Subject: pd\n\ndelayed $delay_warning_time_seconds s\nZ\n"}
M = {"plain": "Subject: x\nFrom: a@b.c\nTo: d@e.f\n\nbody\n", "empty": "", "nohdr": "\nonly body\n", "big": "Subject: big\n\n" + "0123456789 " * 6 + "\n" + "line of text\n" * 60, "long": "Subject: " + "word " * 60 + "\n\n" + "x" * 1500 + "\n", "mime": "Subject: m\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\npre\n--xx\nContent-Type: text/plain\n\nb\n--xx--\n",
     "eight": "Subject: \u00e9t\u00e9\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\u00e9\n", "eightbody": "Subject: x\n\n\u00e9\n", "dots": "Subject: d\n\n.\n..\n--x\n\n\n", "recv": "Received: a\nReceived: b\nReturn-Path: <q@r>\nErrors-To: err@remote.test\nSubject: y\n\nb\n", "fold": "Subject: a\n b\n\tc\nX-Long: " + "y" * 300 + "\n\nb\n", "resent": "Resent-From: x@y\nResent-To: z@w\nSubject: r\n\nb\n"}
for k, v in M.items():
    msg("bw-" + k, "%nocase eval\n" + repr(v))
RC = ["rcpt550@remote.test", "rcpt550@remote.test", "rcpt551@remote.test", "rcpt552@remote.test", "data554@remote.test", "ok@remote.test", "ok@nodsn.test", "rcpt550@nodsn.test", "one@va.test", "two@va.test", "bad@va.test", "dsn@va.test", "loop@va.test", "u@nx.test", "u@nullmx.test", "u@greet554.test", "u@mxself.test", "moved@example.com", "x@err.test", "x@plainerr.test", "x@disc.test", "mail550@remote.test", "\"a b\"@remote.test", "rcpt550+ext@remote.test", "ok@no8bit.test", "rcpt550@no8bit.test", "ok@small.test", "u@noaddr.test", "u@mxloop.test", "RCPT550@Remote.Test", "rcpt55\u00e9@remote.test"]
FROM = ["s@good.test"] * 5 + ["", "rcpt550@remote.test", "s@nx.test", "\"q r\"@good.test", "s+x@good.test", "s\u00e9@good.test"]
LOG = """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(bounce|qmgr|cleanup|error)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'trace/success\\|message-id=\\|removed\\|close error' | sed -E 's/ [0-9A-F]{6,}:/ ID:/g; s/: [0-9A-F]{6,}$/: ID/; s/delay=.*dsn=/dsn=/; s/size=[0-9]+/size=N/' | sort; : > /var/oracle/maillog; postqueue -p | sed 's/.* //' | sort; postsuper -d ALL 2>/dev/null
"""
N = globals().get("WIDE", 24)
for n in range(N):
    m = B + "".join("%s = %s\n" % (k, rnd.choice(v)) for k, v in SET.items() if rnd.random() < 0.13)
    config("bw-%d" % n, main=m, files=FILES)
    for i in range(4):
        utf8 = " SMTPUTF8" if rnd.random() < 0.25 else ""
        d = "EHLO mail.client.test\nMAIL FROM:<%s>%s%s%s%s\n" % (rnd.choice(FROM), rnd.choice(["", "", " RET=HDRS", " RET=FULL"]), rnd.choice(["", "", " ENVID=e+2B1"]), rnd.choice(["", " BODY=8BITMIME", " BODY=7BIT"]), utf8)
        for r in rnd.sample(RC, rnd.randint(1, 4)):
            d += "RCPT TO:<%s>%s%s\n" % (r, rnd.choice(["", "", " NOTIFY=SUCCESS", " NOTIFY=FAILURE", " NOTIFY=NEVER", " NOTIFY=SUCCESS,FAILURE,DELAY", " NOTIFY=DELAY"]), rnd.choice(["", "", " ORCPT=rfc822;orig+20x@y.test", " ORCPT=utf-8;f\\x{E9}@x.test", " ORCPT=x400;a+3Db"]))
        d += "DATA\n!msg bw-%s\n!drain\n" % rnd.choice(list(M)) + LOG
        case("%02d-%d" % (n, i), "bw-%d" % n, d, limit=30)
