"""Every form of an address through every rewriting parameter: what a delivery to a host outside ends up with, as envelope
and in headers, for mail by SMTP, by sendmail, and for bounces."""
LIM = "smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nsmtpd_recipient_limit=1000\n"
NET = "mynetworks = 127.0.0.0/8 203.0.113.0/24\n"
# All mail leaves to one sink, whatever its address: what was made of it is in the envelope and in the headers.
B = (LIM + NET + "mydestination=home.test\nlocal_transport=smtp:[198.51.100.1]\ndefault_transport=smtp:[198.51.100.1]\n"
     "relay_transport=smtp:[198.51.100.1]\nlocal_recipient_maps=\n")
FORMS = r'''user
user@host
user@host.test
user@home.test
user@HOME.TEST
user@origin.test
user%host
user%host.test
user%host.test@home.test
user%a.test%b.test@home.test
host!user
host.test!user
a.test!b.test!user
host.test!user@home.test
host.test!user%b.test
host.test!user%b.test@home.test
user%host.test@far.test
host.test!user@far.test
"user@host.test"@home.test
"user%host.test"@home.test
"host.test!user"@home.test
"user@host.test"
"quoted user"
"quoted user"@host
"quoted user"@host.test
"user+ext"@host.test
user+ext
user+ext@host
user-ext@host.test
+user@host.test
user@host.
user@host.test.
user@.host.test
user@[198.51.100.2]
user@[IPv6:2001:db8::5]
user@198.51.100.2
user@[198.51.100.2].
user@host..test
user@
@host.test
""@host.test
a.b.c
a..b@host.test
.a@host.test
a.@host.test
a"b"c@host.test
a\ b@host.test
"a\"b\\c"@host.test
a(comment)b@host.test
user @ host . test
<user@host.test>
Name <user@host.test>
"Na, me" <user>
(comment) user@host.test
user (comment)
@relay.test:user@host.test
<@relay.test,@b.test:user@host.test>
@relay.test:user
user@host.test@home.test
user!@host.test
!user
%host.test
user%
user%@home.test
a|b
|prog
"|prog arg"
/dev/null
:include:/x
user@exa_mple.test
user@-host.test
user@host-.test
user@xn--bcher-kva.test
user;x@host.test
user:x
a,b@host.test
=?utf-8?q?x?=@host.test
"@a.test:b"@c.test
@a.test:@b.test
a@b@c.test
postmaster
MAILER-DAEMON
owner-list
list-request
double-bounce'''.split("\n")
CFG = {
    "def": "",
    "dot": "append_dot_mydomain=yes\n",
    "nodot": "append_dot_mydomain=no\nmydomain=dom.test\n",
    "noat": "append_at_myorigin=no\nappend_dot_mydomain=yes\n",
    "nopct": "allow_percent_hack=no\n",
    "nobang": "swap_bangpath=no\n",
    "neither": "allow_percent_hack=no\nswap_bangpath=no\nappend_dot_mydomain=yes\n",
    "nodq": "resolve_dequoted_address=no\n",
    "null": "resolve_null_domain=yes\n",
    "num": "resolve_numeric_domain=yes\n",
    "file": "myorigin=@CONF@/name\n",
    "remote": "local_header_rewrite_clients=\nremote_header_rewrite_domain=remote.invalid\n",
    "none": "local_header_rewrite_clients=\n",
    "minus": "allow_min_user=yes\nrecipient_delimiter=+-\n",
}
MSG = "From: me\n" + "".join("To: %s\n" % f for f in FORMS[:40]) + "Subject: x\n\nb\n"
for k, v in CFG.items():
    config("f_" + k, main=B + ("" if "myorigin" in v else "myorigin=origin.test\n") +
           ("" if "local_header" in v else "local_header_rewrite_clients=permit_mynetworks\n") + v, files={"name": "file.test\nsecond\n", "m": MSG})
PLAIN = [f for f in FORMS if not f.startswith("<") and "<" not in f]


def smtp(f):
    return f if f.startswith("<") and f.endswith(">") else "<%s>" % f


for k in CFG:
    d = "EHLO x\n"
    for f in FORMS:
        d += "MAIL FROM:<s@good.test>\nRCPT TO:%s\nRSET\nMAIL FROM:%s\nRSET\n" % (smtp(f), smtp(f))
    case("replies-" + k, "f_" + k, d, limit=100)
    d = "EHLO x\n"
    for i in range(0, len(FORMS), 20):
        m = "%s-%d" % (k, i)
        part = FORMS[i:i + 20]
        msg(m, "From: me\n" + "".join("%s: %s\n" % (("To", "Cc", "Reply-To")[j % 3], f) for j, f in enumerate(part)) + "\nb\n")
        d += "MAIL FROM:<s%d@good.test>\n" % i + "".join("RCPT TO:%s\n" % smtp(f) for f in part) + "DATA\n!msg %s\n!drain\n" % m
    case("sent-" + k, "f_" + k, d, limit=100)
    d = ""
    for i, f in enumerate(PLAIN):
        if "'" not in f:
            d += "!sh printf 'Subject: x\\n\\nb\\n' | sendmail -f me%03d -- '%s'; echo $?\n" % (i, f)
    case("sendmail-" + k, "f_" + k, d + "!drain\n", limit=100)
    if k in ("def", "dot", "noat", "neither", "file"):
        d = ""
        for i, f in enumerate(FORMS + ["", "<>", ",", "(c)", "a b", "<a@b.test> c", "g:;", "a@b.test,"]):
            if "'" not in f:
                d += "!sh printf 'Subject: x\\n\\nb\\n' | sendmail -f '%s' rcpt%03d@host.test; echo $?\n" % (f, i)
        case("sender-" + k, "f_" + k, d + "!drain\n", limit=100)
        case("minus-t-" + k, "f_" + k, "!sh sendmail -t -f me < $CONF/m; echo $?\n!drain\n", limit=100)
        # bounces: the sender's address as our own notices write it
        case("bounce-" + k, "f_" + k, "EHLO x\n" + "".join(
            "MAIL FROM:%s\nRCPT TO:<rcpt550-%d@host.test>\nDATA\n!msg\n!drain\n" % (smtp(f), i) for i, f in enumerate(FORMS[:34])), limit=100)
