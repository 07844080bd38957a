"""Outbound SMTP: time limits, greetings, limits, source addresses, probes."""
SINK = r'''
import socket, threading, sys, time
S = {
 1: {"greet": "HANG"}, 2: {"ehlo": "HANG"}, 3: {"mail": "HANG"}, 4: {"rcpt": "HANG"}, 5: {"data": "HANG"}, 6: {"dot": "HANG"},
 7: {"ehlo": "500 no\r\n", "helo": "HANG"},
 10: {"greet": "220 plain greeting\r\n"}, 11: {"greet": "220 x ESMTP ready\r\n"}, 12: {"greet": "554 5.7.1 no\r\n"},
 13: {"greet": "220 ****** ****2****0*\r\n"}, 14: {"rcpt": "550 5.1.1 no\r\n"}, 15: {"dot": "550 5.6.0 no\r\n"}, 16: {"mail": "550 5.7.1 no\r\n"},
 17: {}, 18: {"rcpt": "450 4.2.1 later\r\n"},
}
log = open(sys.argv[1], "a", buffering=1)
def h(n, c):
    s = S[n]; f = c.makefile("rb")
    def say(k, d):
        r = s.get(k, d)
        if r == "HANG":
            f.read(); raise SystemExit
        c.sendall(r.encode("latin-1"))
    try:
        say("greet", "220 sink%d ESMTP\r\n" % n)
        while True:
            l = f.readline()
            if not l: return
            log.write("%d %s\n" % (n, l.decode("latin-1").strip()))
            u = l.upper()
            if u[:4] in (b"EHLO", b"LHLO"): say("ehlo", "250-sink%d\r\n250-PIPELINING\r\n250 DSN\r\n" % n)
            elif u[:4] == b"HELO": say("helo", "250 sink%d\r\n" % n)
            elif u[:4] == b"MAIL": say("mail", "250 2.1.0 ok\r\n")
            elif u[:4] == b"RCPT": say("rcpt", "250 2.1.5 ok\r\n")
            elif u[:4] == b"DATA":
                say("data", "354 go\r\n")
                while True:
                    d = f.readline()
                    if not d or d == b".\r\n": break
                say("dot", "250 2.0.0 stored\r\n")
            elif u[:4] == b"QUIT": c.sendall(b"221 bye\r\n"); return
            else: say("rset", "250 ok\r\n")
    except (SystemExit, OSError): pass
    finally:
        try: f.close(); c.shutdown(2)
        except OSError: pass
        c.close()
def serve(n, l):
    while True:
        c, a = l.accept()
        log.write("%d from %s\n" % (n, a[0]))
        threading.Thread(target=h, args=(n, c), daemon=True).start()
L = {}
for n in S:         # one sink serves all configurations: a second one ends here
    L[n] = socket.socket(); L[n].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); L[n].bind(("198.51.100.12", 3100 + n)); L[n].listen(20)
for n in S: threading.Thread(target=serve, args=(n, L[n]), daemon=True).start()
time.sleep(3600)
'''
HOPS = " ".join("{ t%d.test = smtp:[198.51.100.12]:%d }" % (n, 3100 + n) for n in range(1, 19))
HOPS += " { multi.test = smtp:[198.51.100.12]:3118,[198.51.100.12]:3117 } { lm.test = lmtp:[198.51.100.12]:3117 }"
MAIN = "relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\n" % HOPS
MARK = ("touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; touch /var/oracle/op_sink.log; wc -c < /var/oracle/op_sink.log > @ROOT@/sinkmark; "
        "python3 @CONF@/sink.py /var/oracle/op_sink.log </dev/null >/dev/null 2>&1 & sleep 0.4")
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E '(smtp|lmtp)\\[' | sed -E 's/.*postfix.l?[sm]mtp.[0-9]+.: //; "
       "s/.*postfix.lmtp.[0-9]+.: //; s/[0-9A-F]{6,16}: /QID: /; s/conn_use=[0-9]+, //; s/delay=.*dsn=/dsn=/' | sort\n"
       "!sh tail -c +$(( $(cat $ROOT/sinkmark) + 1 )) /var/oracle/op_sink.log | grep -v -E 'QUIT|RSET' | sort\n")


def opt(name, options, recipients, wait=1.0):
    config("op_" + name, main=MAIN + options, files={"sink.py": SINK, "pix": "198.51.100.12 disable_esmtp\n", "disc": "198.51.100.12 pipelining, dsn\n"},
           setup=MARK)
    case(name, "op_" + name, "EHLO mail.client.test\n" + "".join("!deliver <> %s\n" % r for r in recipients.split()) + "!sleep %s\n" % wait + LOG)


opt("timeouts", "smtp_helo_timeout = 1\nsmtp_mail_timeout = 1\nsmtp_rcpt_timeout = 1\nsmtp_data_init_timeout = 1\nsmtp_data_done_timeout = 1\n",
    "u@t1.test u@t2.test u@t3.test u@t4.test u@t5.test u@t6.test u@t7.test", 4)
opt("no-ehlo-unless-esmtp", "smtp_always_send_ehlo = no\n", "u@t10.test u@t11.test")
opt("never-ehlo", "smtp_never_send_ehlo = yes\n", "u@t10.test u@t11.test")
opt("greeting-5xx", "smtp_skip_5xx_greeting = no\n", "u@t12.test")
opt("pix", "smtp_pix_workaround_threshold_time = 0\nsmtp_pix_workaround_delay_time = 1\n", "u@t13.test u@t10.test", 3)
opt("pix-off", "smtp_pix_workarounds =\n", "u@t13.test")
opt("pix-maps", "smtp_pix_workaround_maps = texthash:@CONF@/pix\n", "u@t13.test")
opt("soft-bounce", "soft_bounce = yes\n", "u@t14.test u@t15.test u@t16.test u@multi.test")
opt("several-next-hops", "", "u@multi.test u@t18.test")
opt("discard-maps", "smtp_discard_ehlo_keyword_address_maps = texthash:@CONF@/disc\nlmtp_discard_lhlo_keywords = dsn\n", "u@t17.test u@lm.test")
opt("bind", "smtp_bind_address = 192.0.2.1\n", "u@t17.test")
opt("bind-not-ours", "smtp_bind_address = 10.99.99.99\n", "u@t17.test")
opt("bind-enforced", "smtp_bind_address = 10.99.99.99\nsmtp_bind_address_enforce = yes\n", "u@t17.test")
opt("bind-only-interface", "inet_interfaces = 192.0.2.1\n", "u@t17.test")
opt("session-limit", "smtp_mx_session_limit = 1\n", "rcpt450@remote.test rcpt450@fallback.test")
opt("address-limit", "smtp_mx_address_limit = 1\n", "rcpt450@fallback.test u@remote.test")
opt("names", "smtp_helo_name = helo.name.test\nlmtp_lhlo_name = lhlo.name.test\n", "u@t17.test u@lm.test")
config("op_probe", main=MAIN, files={"sink.py": SINK}, setup=MARK)
case("probe", "op_probe", "!sh sendmail -bv -f sender@good.test u@t17.test u@t14.test u@t18.test u@remote.test; echo $?\n!sleep 1.5\n" + LOG)
