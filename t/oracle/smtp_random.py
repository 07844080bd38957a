"""The SMTP and LMTP clients at random: what servers offer in any spelling, several odd replies in one session, messages of every kind,
parameters of the client, two servers and a fallback relay. Seeded: a case is the same in every run."""
import json, os, random, sys
sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
import zone
from sink import SINK, MARK, LOG

zone.MX("pair.rnd.test", "10 a.rnd.test", "20 b.rnd.test")
for name, last in (("a", 71), ("b", 72), ("c", 73)):
    zone.A(name + ".rnd.test", "198.51.100.%d" % last)
R = random.Random(5)
PORT = [8000]
FEATS = ["PIPELINING", "pipelining", "PIPELINING x", "8BITMIME", "8bitmime", "8BITMIMEX", "SIZE", "SIZE 0", "SIZE 100", "SIZE 1000000", "SIZE abc", "SIZE -1", "SIZE=100", "size 99999999999999999999",
         "DSN", "DSN x", "SMTPUTF8", "smtputf8", "ENHANCEDSTATUSCODES", "VRFY", "ETRN", "CHUNKING", "XFORWARD NAME ADDR", "XCLIENT NAME", "AUTH PLAIN", "AUTH=PLAIN", "AUTH", "HELP", "",
         "x", "BINARYMIME", "\tSIZE 5", "  DSN", "DSN ", "SIZE  100", "8BITMIME=1", "STARTTLS"]
REPLY = ["250 2.1.0 ok\r\n", "250 ok\r\n", "250-2.1.0 a\r\n250 2.1.0 b\r\n", "421 4.3.2 bye\r\n", "421 4.3.2 bye\r\n<CLOSE>", "450 4.2.0 later\r\n", "450 no code\r\n", "451-4.3.0 one\r\n451 4.3.0 two\r\n",
         "452 4.5.3 too many\r\n", "550 5.1.1 no\r\n", "550 no code\r\n", "552 5.2.2 full\r\n", "554-5.7.1 one\r\n554 5.7.1 two\r\n", "550 4.7.1 other\r\n", "450 5.7.1 other\r\n", "354 odd\r\n", "150 odd\r\n",
         "junk\r\n250 2.1.0 ok\r\n", None, "550 5.7.1 then gone\r\n<CLOSE>", "250 2.1.0 then gone\r\n<CLOSE>", "571 5.7.1 x\r\n", "251 2.1.5 y\r\n", "252 2.1.5 z\r\n", "500 5.5.2 what\r\n", "503 5.5.1 seq\r\n"]
MSGS = {
    "seven": "From: a@good.test\nSubject: x\n\nplain\n",
    "eight": "From: a@good.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngr\u00fc\u00dfe = \n.dot\n",
    "eightraw": "From: a@good.test\nSubject: x\n\ngr\u00fc\u00dfe\n",
    "utf8hdr": "From: a@good.test\nSubject: gr\u00fc\u00dfe\n\nx\n",
    "multi": "From: a@good.test\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npre \u00e9\n--b\nContent-Type: text/plain\n"
             "Content-Transfer-Encoding: 8bit\n\n\u00e9 1\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: in\n\n\u00e9 2\n--b--\npost \u00e9\n",
    "long": "From: a@good.test\nSubject: " + "s " * 600 + "\n\n" + "x" * 1500 + "\n" + "y" * 998 + "\n" + "z" * 999 + "\n",
    "dots": "From: a@good.test\nSubject: x\n\n.\n..\n.a\n\n.\n",
    "empty": "From: a@good.test\nSubject: x\n\n",
}
for k, v in MSGS.items():
    msg(k, v)


def spec(r, lmtp):
    s = {}
    if r.random() < 0.6:
        s["feats"] = [f for f in r.sample(FEATS, r.choice([0, 2, 4, 6])) if f != "STARTTLS" or r.random() < 0.3]
    elif r.random() < 0.3:
        s["feats"] = ["8BITMIME", "DSN", "SIZE", "SMTPUTF8"]
    steps = ["mail", "rcpt", "rcpt:a", "rcpt:b", "data", "dot", "rset", "quit"]
    for st in r.sample(steps, r.choice([0, 1, 1, 2, 3])):
        v = r.choice(REPLY)
        if st == "data" and r.random() < 0.5:
            v = "354 go\r\n"
        s[st] = v
    if not lmtp and r.random() < 0.1:
        s["ehlo"] = r.choice(["502 no\r\n", "250 sink\r\n", "250-sink\r\n250\r\n", "421 4.3.2 a\r\n", "250-sink PIPELINING\r\n250 SIZE\r\n"])
    if r.random() < 0.08:
        s["greet"] = r.choice(["220 sink\r\n", "220-a\r\n220 b ESMTP\r\n", "554 no\r\n", "421 x\r\n", "220 ESMTP\r\n", None])
    if lmtp:            # one for each recipient: with fewer, Postfix takes the answer to QUIT for one
        s["dots"] = [r.choice(REPLY[:16]) for _ in range(3)]
    return s


OPTIONS = ["smtp_discard_ehlo_keywords = pipelining", "smtp_discard_ehlo_keywords = dsn, size, silent-discard", "disable_mime_output_conversion = yes", "smtp_line_length_limit = 500", "smtp_line_length_limit = 0",
           "smtp_quote_rfc821_envelope = no", "smtp_skip_quit_response = no", "smtp_always_send_ehlo = no", "smtp_never_send_ehlo = yes", "smtp_skip_5xx_greeting = no", "smtp_mx_session_limit = 1",
           "smtp_mx_address_limit = 1", "soft_bounce = yes", "smtp_send_xforward_command = yes", "smtp_connection_cache_destinations = static:all", "smtp_helo_name = helo.rnd.test", "smtp_per_request_deadline = yes",
           "smtp_destination_recipient_limit = 1", "smtp_destination_recipient_limit = 2", "smtp_destination_concurrency_limit = 1", "smtp_fallback_relay = [c.rnd.test]:%d", "strict_8bitmime = yes", "enable_original_recipient = no",
           "delay_logging_resolution_limit = 0", "smtp_host_lookup = dns, native", "smtp_address_preference = ipv6"]
SENDERS = ["<>", "<s@good.test>", "<s@good.test> RET=HDRS ENVID=a+2Bb", "<s@good.test> BODY=8BITMIME", "<s@good.test> RET=FULL", '<"q..s"@good.test>', "<s@good.test> SMTPUTF8", "<\u00fc@good.test> SMTPUTF8", "<> SMTPUTF8"]
PARMS = ["", "", " NOTIFY=NEVER", " NOTIFY=SUCCESS,FAILURE", " NOTIFY=DELAY ORCPT=rfc822;o+3Dx@y.test", " ORCPT=utf-8;\\x{FC}@y.test"]

for n in range(40):
    r = random.Random(R.random())
    lmtp, pair = r.random() < 0.25, r.random() < 0.3
    PORT[0] += 40
    sinks, hops, dialog = [], [], "EHLO mail.client.test\n"
    options = list({o.split(" =")[0]: o for o in r.sample(OPTIONS, r.choice([0, 1, 1, 2, 3]))}.values())
    for i, o in enumerate(options):
        if "%d" in o:
            options[i] = o % (PORT[0] + 39)
            sinks.append(("F", "198.51.100.73", PORT[0] + 39, spec(r, False)))
    if lmtp:
        options = [o.replace("smtp_", "lmtp_").replace("_ehlo_", "_lhlo_").replace("lmtp_helo_name", "lmtp_lhlo_name") for o in options if "_ehlo =" not in o and "xforward" not in o and "smtp_host" not in o]
    for i in range(10):
        port = PORT[0] + i
        sinks.append(("A%02d" % i, "198.51.100.71", port, spec(r, lmtp)))
        if pair:
            sinks.append(("B%02d" % i, "198.51.100.72", port, spec(r, lmtp)))
        hop = "lmtp:inet:[a.rnd.test]:%d" % port if lmtp else "smtp:%s:%d" % ("pair.rnd.test" if pair else "[a.rnd.test]", port)
        hops.append("{ t%d.test = %s }" % (i, hop))
        sender = r.choice(SENDERS)
        dialog += "MAIL FROM:%s\n" % sender
        for who in r.choice(["a", "ab", "abc"]):
            local = r.choice([who] * 6 + ['"%s.."' % who, who + "+x"]) if "SMTPUTF8" not in sender else r.choice([who, who, who + "\u00fc"])
            dialog += "RCPT TO:<%s@t%d.test>%s\n" % (local, i, r.choice(PARMS if "SMTPUTF8" in sender else PARMS[:-1]))
        dialog += "DATA\n!msg %s\nRSET\n" % r.choice(list(MSGS))
    config("rnd%02d" % n, main="relay_domains = static:all\ntransport_maps = inline:{ %s }\nmaximal_queue_lifetime = 10d\nsmtp_tls_security_level = none\n"
           "smtp_helo_timeout = 3\nsmtp_mail_timeout = 3\nsmtp_rcpt_timeout = 3\nsmtp_data_init_timeout = 3\nsmtp_data_done_timeout = 3\nmynetworks = 203.0.113.0/24 127.0.0.0/8\n%s\n" % (" ".join(hops), "\n".join(options)),
           files={"sink.py": SINK, "sink.json": json.dumps(sinks)}, setup=MARK)
    case("%02d" % n, "rnd%02d" % n, dialog + "!sleep 5\n" + LOG.replace("grep -v RSET", "grep -v -E 'RSET|QUIT'").replace("s/SIZE=[0-9]*/SIZE=N/", "s/SIZE=[0-9]*/SIZE=N/; s/IDENT=[0-9A-F]{6,}/IDENT=Q/; s/PORT=[0-9]*/PORT=N/"), limit=90)
