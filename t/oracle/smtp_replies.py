"""Outbound SMTP: replies of every kind, at every step, from a scripted server."""
SINK = r'''

N = range(1, 47)
HOPS = " ".join("{ t%d.test = smtp:[sinka.test]:%d }" % (n, 3000 + n) for n in N)
SETUP = "python3 @CONF@/sink.py @ROOT@/sink.log </dev/null >/dev/null 2>&1 & sleep 0.4"
LOG = ("!sh grep -E 'smtp\\[' /var/oracle/maillog | sed -E 's/.*postfix.smtp.[0-9]+.: //; s/[0-9A-F]{6,16}: /QID: /; s/conn_use=[0-9]+, //; "
       "s/delay=.*dsn=/dsn=/' | sort\n")
config("rp", main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nsmtp_helo_timeout = 3\nmaximal_queue_lifetime = 10d\n" % HOPS,
       files={"sink.py": SINK}, setup=SETUP)
case("replies", "rp", "EHLO mail.client.test\n" + "".join("!deliver <> u%d@t%d.test\n" % (n, n) for n in N) + "!sleep 6\n" + LOG)
case("commands", "rp", "!sh sort $ROOT/sink.log | grep -v -E 'QUIT|RSET|EOF' | sed 's/PORT=[0-9]*/PORT=N/; s/IDENT=[0-9A-F]*/IDENT=QID/'\n")

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
!sh grep -E 'XFORWARD|MAIL' $ROOT/sink.log | sed 's/PORT=[0-9]*/PORT=N/; s/IDENT=[0-9A-F]\\{5,\\}/IDENT=QID/' | sort
""")
