"""Outbound SMTP: replies of every kind, at every step, from a scripted server."""
SINK = r'''
import socket, threading, sys, time
S = {
 1: {"greet": None},
 2: {"greet": "554 5.7.1 no\r\n"},
 3: {"greet": "421 4.3.2 busy\r\n"},
 4: {"greet": "garbage\r\n"},
 5: {"ehlo": "421 4.3.2 later\r\n"},
 6: {"ehlo": "500 5.5.1 what\r\n", "helo": "550 5.7.1 go away\r\n"},
 7: {"ehlo": None},
 8: {"mail": "421 4.3.2 bye\r\n"},
 9: {"mail": None},
 10: {"mail": "550 5.7.1 no sender\r\n"},
 11: {"rcpt": "421 4.3.2 bye\r\n"},
 12: {"rcpt": None},
 13: {"rcpt": "450-4.2.0 one\r\n450 4.2.0 two\r\n"},
 14: {"data": "450 4.3.0 nodata\r\n"},
 15: {"data": "250 2.0.0 weird\r\n"},
 16: {"data": None},
 17: {"dot": "450 4.3.0 nodot\r\n"},
 18: {"dot": "554 nodot\r\n"},
 19: {"dot": None},
 20: {"dot": "421 4.3.0 bye\r\n"},
 21: {"rcpt": "garbage line\r\n250 ok\r\n"},
 22: {"rcpt": "garbage line\r\n250 ok\r\n", "feats": ["8BITMIME"]},
 23: {"rcpt": "550 5.1.1 " + "x"*3000 + "\r\n"},
 24: {"greet": "220 mx.example.com ESMTP\r\n"},
 25: {"ehlo": "250-mx.example.com\r\n250 8BITMIME\r\n"},
 26: {"greet": "220 ************\r\n"},
 27: {"feats": ["SIZE abc", "DSN"]},
 28: {"feats": ["SIZE 10"]},
 29: {"rcpt": "550 4.1.1 mismatch\r\n"},
 30: {"rcpt": "999 5.1.1 odd\r\n"},
 31: {"rcpt": "350 3.1.1 odd\r\n"},
 32: {"rcpt": "550\r\n"},
 33: {"rcpt": "550-only\r\n550 5.1.1\r\n"},
 34: {"rcpt": "5501 5.1.1 four digits\r\n550 5.1.2 real\r\n", "feats": []},
 35: {"rcpt": "550 5.7.1 tab\there \x01ctl \xe9 8bit\r\n"},
 36: {"greet": "220-hello\r\n220 two ESMTP\r\n", "ehlo": "502 no\r\n", "helo": "250 mx.example.com\r\n"},
 37: {"rcpt": "450 4.2.0 one\r\n", "data": "503 5.5.1 none\r\n"},
 38: {"rcpt": "450 4.2.0 one\r\n"},
 39: {"mail": "999 5.1.1 odd\r\n"},
 40: {"dot": "354 5.1.1 odd\r\n"},
 41: {"feats": [], "rcpt": "450 4.2.0 one\r\n"},
 42: {"greet": "220-a\r\n550 mixed\r\n"},
 43: {"rcpt": "550-5.1.1 a\r\n450 4.1.1 b\r\n"},
 44: {"feats": ["XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"]},
 45: {"feats": ["XFORWARD NAME", "XFORWARD PROTO"]},
 46: {"feats": ["XFORWARD HELO"]},
}
log = open(sys.argv[1], "a", buffering=1)
def h(n, c):
    s = S[n]; f = c.makefile("rb")
    def say(k, d):
        r = s.get(k, d)
        if r is None:
            c.close(); raise SystemExit
        c.sendall(r.encode("latin-1"))
    try:
        say("greet", "220 sink%d ESMTP\r\n" % n)
        while True:
            l = f.readline()
            if not l: log.write("%d EOF\n" % n); return
            log.write("%d %s\n" % (n, l.decode("latin-1").strip()))
            u = l.upper()
            if u.startswith(b"EHLO") or u.startswith(b"LHLO"):
                fs = ["sink%d" % n] + s.get("feats", ["PIPELINING", "8BITMIME", "DSN"])
                say("ehlo", "".join("250%s%s\r\n" % ("-" if i < len(fs)-1 else " ", x) for i, x in enumerate(fs)))
            elif u.startswith(b"HELO"): say("helo", "250 sink%d\r\n" % n)
            elif u.startswith(b"MAIL"): say("mail", "250 2.1.0 ok\r\n")
            elif u.startswith(b"RCPT"): say("rcpt", "250 2.1.5 ok\r\n")
            elif u.startswith(b"DATA"):
                say("data", "354 go\r\n")
                if s.get("data", "354")[0] != "3": continue
                while True:
                    d = f.readline()
                    if not d or d == b".\r\n": break
                    if "body" in s: log.write("%d | %r\n" % (n, d))
                say("dot", "250 2.0.0 stored\r\n")
            elif u.startswith(b"QUIT"): c.sendall(b"221 bye\r\n"); return
            else: say("rset", "250 ok\r\n")
    except (SystemExit, OSError): pass
    finally:
        try: f.close(); c.shutdown(2)
        except OSError: pass
        c.close()
def serve(n):
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("198.51.100.11", 3000+n)); l.listen(20)
    while True:
        c, _ = l.accept()
        threading.Thread(target=h, args=(n, c), daemon=True).start()
if len(sys.argv) > 2:
    exec(open(sys.argv[2]).read())
for n in S: threading.Thread(target=serve, args=(n,), daemon=True).start()
time.sleep(3600)
'''

MARK = "touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; touch @ROOT@/sink.log; wc -c < @ROOT@/sink.log > @ROOT@/sinkmark; "
N = range(1, 47)
HOPS = " ".join("{ t%d.test = smtp:[sinka.test]:%d }" % (n, 3000 + n) for n in N)
SETUP = MARK + "python3 @CONF@/sink.py @ROOT@/sink.log </dev/null >/dev/null 2>&1 & sleep 0.4"
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E 'smtp\\[' | sed -E 's/.*postfix.smtp.[0-9]+.: //; s/[0-9A-F]{6,16}: /QID: /; s/conn_use=[0-9]+, //; "
       "s/delay=.*dsn=/dsn=/' | cut -c1-400 | sort\n")
config("rp", main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nsmtp_helo_timeout = 3\nmaximal_queue_lifetime = 10d\n" % HOPS,
       files={"sink.py": SINK}, setup=SETUP)
case("replies", "rp", "EHLO mail.client.test\n" + "".join("!deliver <> u%d@t%d.test\n" % (n, n) for n in N) + "!sleep 6\n" + LOG)
case("commands", "rp", "!sh tail -c +$(( $(cat $ROOT/sinkmark) + 1 )) $ROOT/sink.log | sort | grep -v -E 'QUIT|RSET|EOF' | sed 's/PORT=[0-9]*/PORT=N/; s/IDENT=[0-9A-F]*/IDENT=QID/'\n")

config("xf", main="relay_domains = static:all\nsmtp_send_xforward_command = yes\nmynetworks = 203.0.113.0/24 127.0.0.1\n"
       "smtpd_authorized_xforward_hosts = 203.0.113.0/24\ntransport_maps = inline:{ %s }\n" % HOPS, files={"sink.py": SINK}, setup=SETUP)
case("xforward", "xf", """
EHLO mail.client.test
!deliver <> u@t44.test
!sleep 0.5
@203.0.113.12
HELO foo
!deliver <> u@t44.test
!sleep 0.5
@203.0.113.12
EHLO foo
XFORWARD NAME=[UNAVAILABLE] ADDR=10.1.2.3 PROTO=[TEMPUNAVAIL] HELO=a+2Bb
XFORWARD IDENT=ABC SOURCE=LOCAL
!deliver <> u@t44.test
!sleep 0.5
!deliver <> u@t45.test
!deliver <> u@t46.test
!sleep 0.5
!sh echo 'Subject: x' | sendmail -f '' u@t44.test u@t45.test u@t46.test
!sleep 0.8
!sh tail -c +$(( $(cat $ROOT/sinkmark) + 1 )) $ROOT/sink.log | grep -E 'XFORWARD|MAIL' | sed 's/PORT=[0-9]*/PORT=N/; s/IDENT=[0-9A-F]\\{5,\\}/IDENT=QID/' | sort
""")
