# Line ends and dots in every order, against each form of smtpd_forbid_bare_newline; what a burst makes of them.
import random
B = """relay_domains = relay.test, remote.test
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_forbid_unauth_pipelining = no
defer_transports = smtp, relay
"""
TALK = r'''#!/usr/bin/python3
import socket, sys, re, time
# talk.py SOURCE 'piece' 'piece' ...: pieces are sent 0.05 s apart, then all replies are printed until the server hangs up or 1.2 s
src, pieces = sys.argv[1], [p.encode('latin-1').decode('unicode_escape').encode('latin-1') for p in sys.argv[2:]]
s = socket.create_connection(('192.0.2.1', 25), 5, (src, 0))
got = s.recv(4096)
try:
    for p in pieces:
        s.sendall(p)
        time.sleep(0.05)
except OSError as e:
    got += b'<send failed>'
s.settimeout(1.2)
try:
    while True:
        b = s.recv(65536)
        if not b:
            got += b'<EOF>'
            break
        got += b
except OSError as e:
    got += b'<' + type(e).__name__.encode() + b'>'
got = re.sub(rb'queued as [0-9A-F]+', b'queued as ID', got)
print(got.decode('latin-1').replace('\r', '\\r'))
'''
L = """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(smtpd|cleanup)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/' | sort -s -r -k1,1; : > /var/oracle/maillog
"""
MODES = {"no": "smtpd_forbid_bare_newline = no\n", "normalize": "smtpd_forbid_bare_newline = normalize\n", "yes": "smtpd_forbid_bare_newline = yes\n",
         "reject": "smtpd_forbid_bare_newline = reject\nsmtpd_forbid_bare_newline_reject_code = 554\n", "note": "smtpd_forbid_bare_newline = note\n",
         "excl": "smtpd_forbid_bare_newline = reject\nsmtpd_forbid_bare_newline_exclusions = 203.0.113.10\n"}
for m, t in MODES.items():
    if m == "note":
        continue
    config(m, main=B + t, files={"talk.py": TALK}, maps=[])
    rnd = random.Random(42)
    for n in range(20):
        seq = "".join(rnd.choice(["\\r", "\\n", "\\r\\n", "\\r\\n", ".", "a", ".", "\\n", "..", "\\0"]) for _ in range(rnd.randint(3, 9)))
        start = rnd.choice(["Subject: x\\r\\n\\r\\na", "", "S: x\\r\\n", "a\\n", "\\r\\n"])
        pre = "EHLO x\\r\\n' 'MAIL FROM:<a@good.test>\\r\\nRCPT TO:<u@remote.test>\\r\\nDATA\\r\\n"
        cut = rnd.random() < 0.4
        body = start + ("' '" if cut else "") + seq
        case("%s-%02d" % (m, n), m, ("!sh : > /var/oracle/maillog\n!sh python3 @CONF@/talk.py 203.0.113.10 '%s' '%s\\r\\n.\\r\\nQUIT\\r\\n'; sleep 0.2; for i in $(mailq | grep -oE '^[0-9A-F]{6,}'); do postcat -q -b $i | od -c | head -20; done; postsuper -d ALL 2>/dev/null\n" % (pre, body)))
    rnd = random.Random(7)
    for n in range(12):
        seq = "".join(rnd.choice(["\\r", "\\n", "\\r\\n", ".", "a"]) for _ in range(rnd.randint(3, 9)))
        ln = len(seq.encode().decode("unicode_escape"))
        pre = "EHLO x\\r\\n' 'MAIL FROM:<a@good.test>\\r\\nRCPT TO:<u@remote.test>\\r\\n"
        k = rnd.randint(0, ln)
        case("%s-bdat-%02d" % (m, n), m, "!sh python3 @CONF@/talk.py 203.0.113.10 '%sBDAT %d%s\\r\\n%s' 'QUIT\\r\\n'\n" % (pre, ln, rnd.choice([" LAST", ""]), seq))
    for n, c in enumerate(["NOOP\\n", "NOOP\\r\\nNOOP\\n", "NOOP\\rNOOP\\r\\n", "NO\\0OP\\r\\n", "\\n", "\\r\\n\\r\\n", "NOOP\\r\\r\\n", "RSET\\n\\r\\n", "EHLO x\\nNOOP\\n", "EHLO x\\nMAIL FROM:<a@b.c>\\nRCPT TO:<u@remote.test>\\nDATA\\n"]):
        case("%s-cmd-%d" % (m, n), m, "!sh : > /var/oracle/maillog\n!sh python3 @CONF@/talk.py 203.0.113.10 '%s' 'QUIT\\r\\n'\n" % c + L)
