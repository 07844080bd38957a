"""Random headers and bodies from a fixed seed, through different settings of cleanup."""
import random
B = "mynetworks = 127.0.0.0/8 203.0.113.0/24\nsmtpd_error_sleep_time = 0\nsmtpd_forbid_unauth_pipelining = no\n"
CONFS = {"l": "local_header_rewrite_clients = static:all\nalways_add_missing_headers = yes\nrecipient_delimiter = +\n", "r": "remote_header_rewrite_domain = dom.invalid\nlocal_header_rewrite_clients =\n",
         "m": "local_header_rewrite_clients = static:all\nmasquerade_domains = good.test example.com\nmasquerade_classes = envelope_sender, header_sender, header_recipient\ncanonical_maps = inline:{{joe@example.com=joe.user@example.com} {@map.test=all@mapped.test}}\nheader_address_token_limit = 20\nheader_from_format = obsolete\n",
         "s": "strict_mime_encoding_domain = yes\nmime_nesting_limit = 2\nmime_boundary_length_limit = 4\nheader_size_limit = 300\nmessage_strip_characters = \\001\nundisclosed_recipients_header = To: nobody:;\nalways_add_missing_headers = yes\n"}
rnd = random.Random(11)
W = ["a", "joe", "x y", "\"q r\"", "\"q\\\"r\"", "(c)", "(c (d))", "<b>", "e@f", "e@sub.good.test", "@", "joe@example.com", "u@map.test", "<@r:s@t>", "grp: a, b;", ",", ",,", ";", ":", "\\", "\"", "(", ")", "<", ">", "=?utf-8?q?=C3=A9?=", "\u00e9", "a.b", "a..b", ".", "[1.2.3.4]", "a@[1.2.3.4]", "a%b", "a!b", "J. Doe <j@d>", "tab\there", "x" * 90, "#", "joe+ext", "'a'", "a@b@c", "\x01"]
N = ["To", "Cc", "Bcc", "From", "Sender", "Reply-To", "Resent-To", "Resent-From", "Errors-To", "Return-Receipt-To", "Subject", "X-Foo", "Date", "Message-Id", "Received", "Return-Path", "to", "FROM", "Content-Length", "Apparently-To", "Disposition-Notification-To", "Mail-Followup-To", "Delivered-To", "Status", "X"]
CT = ["text/plain", "text/plain; charset=\"x", "multipart/mixed; boundary=ab", "multipart/mixed; boundary=\"a b\"", "multipart/mixed", "multipart/digest; boundary=abcdef", "message/rfc822", "message/partial", "message/external-body", "MULTIPART/Mixed; x=y; Boundary = (c) ab (d)", "bogus", "", "multipart/mixed; boundary=ab; boundary=cd", "multipart/ mixed;boundary=ab"]
CTE = ["7bit", "8bit", "binary", "base64", "quoted-printable", "x", "", "8bit (c)", "\"8bit\""]
def header():
    n = rnd.choice(N)
    sep = rnd.choice([": ", ": ", ": ", ":", " : ", ":\t", ":  "])
    v = rnd.choice(["", " ", "\n ", "\n\t", ","]).join(rnd.choice(W) for _ in range(rnd.randint(0, 5))) if rnd.random() < 0.4 else ", ".join(rnd.choice(W) for _ in range(rnd.randint(0, 5)))
    return n + sep + v
def part(depth):
    t = ""
    if rnd.random() < 0.5:
        t += "Content-Type: " + rnd.choice(CT) + "\n"
    if rnd.random() < 0.4:
        t += "Content-Transfer-Encoding: " + rnd.choice(CTE) + "\n"
    if rnd.random() < 0.3:
        t += header() + "\n"
    t += rnd.choice(["\n", "\n", "\n", "", " \n"])
    for _ in range(rnd.randint(0, 4)):
        t += rnd.choice(["text\n", "\u00e9\n", "--ab\n", "--ab--\n", "--a b\n", "--abcdef\n", "--abcd--\n", "--\n", "Subject: in\n", "\n", ".\n", "From x\n", "x" * 80 + "\n", "\x01\n", "--ab tail\n"])
        if rnd.random() < 0.2 and depth < 3:
            t += "--ab\n" + part(depth + 1)
    return t
for c, t in CONFS.items():
    config("crnd-" + c, main=B + t)
    for n in range(6):
        d = "EHLO mail.client.test\n"
        for i in range(10):
            name = "cr-%s-%d-%d" % (c, n, i)
            m = "".join(rnd.choice(["%s\n" % header()] * 9 + ["no header\n", " folded\n"]) for _ in range(rnd.randint(0, 6))) + part(0)
            if not m.endswith("\n"):
                m += "\n"
            msg(name, "%nocase eval\n" + repr(m))
            d += "!deliver %s u@good.test %s\n!drain\n" % (rnd.choice(["s@good.test", "joe@example.com", "-"]), name)
        case("%s-%d" % (c, n), "crnd-" + c, d, limit=120)
