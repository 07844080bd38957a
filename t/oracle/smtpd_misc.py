# Connection limits, deadlines, special recipients, failing tables, what access maps do to a message, the log of it all.
B = """relay_domains = relay.test, sinka.test
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_forbid_bare_newline = normalize
"""
C = "!sh : > /var/oracle/maillog\n"
def log(who="smtpd|cleanup"):
    return """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(%s)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | grep -v message-id=.2 | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/; s/delay=.*dsn/delay=D, dsn/; s/queued as [0-9A-F]+/queued as ID/; s/size=[0-9]+/size=N/; s/id=[0-9a-zA-Z.]+/id=X/' | sort -s -r -k1,1; : > /var/oracle/maillog
""" % who
L = log()
CONN = r'''#!/usr/bin/python3
import socket, sys
# conn.py N SOURCE...: N connections from each, what each is greeted with
for src in sys.argv[2:]:
    socks = []
    for i in range(int(sys.argv[1])):
        s = socket.create_connection(('192.0.2.1', 25), 5, (src, 0))
        s.settimeout(5)
        print(src, i, s.recv(500))
        socks.append(s)
    for s in socks:
        try:
            s.sendall(b'QUIT\r\n')
            print(s.recv(500))
        except OSError as e:
            print(type(e).__name__)
'''
DRIP = r'''#!/usr/bin/python3
import socket, sys, time
# drip.py SECONDS PIECES...
s = socket.create_connection(('192.0.2.1', 25), 5, ('203.0.113.10', 0))
s.settimeout(8)
print(s.recv(500))
try:
    for p in sys.argv[2:]:
        p = p.encode().decode('unicode_escape').encode('latin-1')
        if p.startswith(b'~'):
            for c in p[1:]:
                s.sendall(bytes([c]))
                time.sleep(float(sys.argv[1]))
        else:
            s.sendall(p)
            print(s.recv(500))
except OSError as e:
    print(type(e).__name__)
try:
    while True:
        b = s.recv(500)
        print(b)
        if not b:
            break
except OSError as e:
    print(type(e).__name__)
'''
F = {"conn.py": CONN, "drip.py": DRIP}
config("conn", main=B + "smtpd_client_connection_count_limit = 2\nsmtpd_client_event_limit_exceptions = 203.0.113.11\n", files=F)
case("conn", "conn", C + "!sh python3 @CONF@/conn.py 4 203.0.113.10 203.0.113.11 203.0.113.12\n" + log().replace("| sort", "| grep -v onnect | sort"))
config("conn0", main=B + "smtpd_client_connection_count_limit = 0\n", files=F)
case("conn0", "conn0", "!sh python3 @CONF@/conn.py 5 203.0.113.10\n")
config("connsoft", main=B + "smtpd_client_connection_count_limit = 1\nsoft_bounce = yes\nsmtpd_reject_footer = foot\n", files=F)
case("connfoot", "connsoft", "!sh python3 @CONF@/conn.py 2 203.0.113.10\n")
for name, t in {"deadline": "smtpd_timeout = 2\nsmtpd_per_request_deadline = yes\n", "record": "smtpd_timeout = 2\nsmtpd_per_record_deadline = yes\n", "rate": "smtpd_timeout = 2\nsmtpd_per_request_deadline = yes\nsmtpd_min_data_rate = 10\n",
                "none": "smtpd_timeout = 2\n", "stress": "stress = yes\nsmtpd_timeout = ${stress?{2}:{30}}\n"}.items():
    config("dl-" + name, main=B + t, files=F)
    case("dl-cmd-" + name, "dl-" + name, C + "!sh python3 @CONF@/drip.py 0.5 'EHLO x\\r\\n' '~MAIL FROM:<a@b.c>\\r\\n' 'QUIT\\r\\n'\n" + L)
    case("dl-data-" + name, "dl-" + name, C + "!sh python3 @CONF@/drip.py 0.5 'EHLO x\\r\\n' 'MAIL FROM:<a@b.c>\\r\\n' 'RCPT TO:<u@sinka.test>\\r\\n' 'DATA\\r\\n' '~abcdefgh' 'x\\r\\n.\\r\\n'\n" + log().replace("([0-9]", "([0-9]").replace("s/statistics", "s/DATA .[0-9]+ bytes/DATA (N bytes/; s/statistics"))
    case("dl-idle-" + name, "dl-" + name, C + "EHLO x\n!sleep 3\n!read\n!eof\n" + L)
for ps in ("postmaster", "POSTMASTER", "Postmaster", '"postmaster"', "postmaster@example.com", "postmaster@mx.example.com", "postmaster@[192.0.2.1]", "postmaster@remote.test", "abuse", "abuse@example.com", "postmaster@", "double-bounce@example.com", "double-bounce", "DOUBLE-BOUNCE@example.com", "mailer-daemon"):
    pass
PM = "postmaster|POSTMASTER|Postmaster|\"postmaster\"|postmaster@example.com|postmaster@mx.example.com|postmaster@[192.0.2.1]|postmaster@remote.test|abuse|abuse@example.com|postmaster@|double-bounce@example.com|double-bounce|DOUBLE-BOUNCE@example.com|mailer-daemon|postmaster@relay.test|postmaster@va.test".split("|")
for name, t in {"plain": "", "reject": "smtpd_recipient_restrictions = reject\n", "client": "smtpd_client_restrictions = reject\n", "now": "smtpd_delay_reject = no\nsmtpd_sender_restrictions = reject\n",
                "data": "smtpd_data_restrictions = reject\n", "unlisted": "local_recipient_maps = inline:{alice=x}\nrelay_recipient_maps = inline:{x=y}\nvirtual_alias_domains = va.test\n", "vsender": "address_verify_sender = probe@mx.example.com\nsmtpd_recipient_restrictions = reject\n",
                "vnull": "address_verify_sender = <>\nsmtpd_recipient_restrictions = reject\n", "discard": "smtpd_sender_restrictions = check_sender_access static:DISCARD\nsmtpd_recipient_restrictions = reject\n", "hold": "smtpd_client_restrictions = check_client_access static:HOLD\n"}.items():
    config("pm-" + name, main=B + t)
    case("pm-" + name, "pm-" + name, C + "EHLO x\nMAIL FROM:<>\n" + "".join("RCPT TO:<%s>\n" % a for a in PM) + "RCPT TO:<probe@mx.example.com>\nVRFY postmaster\nVRFY double-bounce@example.com\nRSET\nMAIL FROM:<postmaster>\nRCPT TO:<postmaster>\nDATA\n!msg\nQUIT\n" + L)
for p in ("local_recipient_maps", "relay_recipient_maps", "virtual_alias_maps", "virtual_mailbox_maps", "virtual_alias_domains", "virtual_mailbox_domains", "transport_maps", "relocated_maps", "canonical_maps", "sender_canonical_maps",
          "recipient_canonical_maps", "mydestination", "recipient_bcc_maps", "sender_bcc_maps", "sender_dependent_relayhost_maps", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_client_event_limit_exceptions",
          "smtpd_forbid_bare_newline_exclusions", "smtpd_discard_ehlo_keyword_address_maps", "smtpd_command_filter", "smtpd_reject_footer_maps", "smtpd_noop_commands", "smtpd_forbidden_commands", "masquerade_exceptions", "smtpd_log_access_permit_actions", "local_header_rewrite_clients", "address_verify_sender_dependent_relayhost_maps", "fast_flush_domains"):
    t = B + "virtual_mailbox_domains = vm.test\nvirtual_mailbox_maps = inline:{{x@vm.test=x/}}\nvirtual_mailbox_base=/tmp\n"
    t = "".join(l for l in t.splitlines(True) if l.split(" ")[0].split("=")[0] != p)
    config("fail-" + p, main=t + "%s = fail:x\n" % p)
    case("fail-" + p, "fail-" + p, C + "EHLO x\nFOO\nXCLIENT NAME=x\nXFORWARD NAME=x\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<u@sinka.test>\nRCPT TO:<x@vm.test>\nRCPT TO:<u@remote.test>\nETRN relay.test\nDATA\n!msg\nRSET\nVRFY x@vm.test\nNOOP\nETRN relay.test\nQUIT\n" + L)
ACT = ("HOLD", "DISCARD", "FILTER smtp:[198.51.100.2]", "REDIRECT v@remote.test", "BCC w@remote.test", "PREPEND X-First: one", "PREPEND X-Fold: a\\r b", "PREPEND Received: fake", "PREPEND noheader", "PREPEND X-Utf: \u00e9", "WARN w", "INFO i")
for st, pr in (("client", "smtpd_client_restrictions = check_client_access"), ("helo", "smtpd_helo_restrictions = check_helo_access"), ("sender", "smtpd_sender_restrictions = check_sender_access"), ("rcpt", "smtpd_recipient_restrictions = check_recipient_access"),
               ("data", "smtpd_data_restrictions = check_client_access"), ("eod", "smtpd_end_of_data_restrictions = check_client_access"), ("etrn", "smtpd_etrn_restrictions = check_client_access")):
    for i, a in enumerate(ACT):
        if st == "etrn" and i > 5 or st in ("client", "helo") and i in (6, 7, 8, 9, 10, 11):
            continue
        config("act-%s-%d" % (st, i), main=B + "%s static:{%s}\n" % (pr, a))
        case("act-%s-%d" % (st, i), "act-%s-%d" % (st, i), C + "EHLO x\nETRN relay.test\nMAIL FROM:<a@good.test>\nRCPT TO:<u@remote.test>\nRCPT TO:<s@sinka.test>\nRCPT TO:<t@sinka.test>\nDATA\n!msg\n!drain\nQUIT\n" + L + "!sh mailq | grep -c '@'\n")
