# Random dialogues: commands in any order, odd arguments and addresses, from a fixed seed.
import random
B = """relay_domains = relay.test, sinka.test
local_recipient_maps = inline:{alice=x, bob=x, postmaster=x}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_forbid_bare_newline = normalize
smtpd_forbid_unauth_pipelining = yes
message_size_limit = 5000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
recipient_delimiter = +
smtpd_authorized_xforward_hosts = 203.0.113.0/24
"""
CONFS = {"a": "", "b": "strict_rfc821_envelopes = yes\nsmtpd_helo_required = yes\ndisable_vrfy_command = yes\nallow_percent_hack = no\nswap_bangpath = no\nsmtpd_discard_ehlo_keywords = dsn, etrn\n",
         "c": "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname\nsmtpd_sender_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain\nsmtpd_recipient_restrictions = reject_non_fqdn_recipient, reject_unlisted_recipient\nsmtpd_reject_unlisted_sender = yes\nresolve_dequoted_address = no\n",
         "d": "smtpd_client_restrictions = warn_if_reject reject_unknown_client_hostname\nsmtpd_recipient_restrictions = reject_unverified_typo, permit\nsmtpd_recipient_limit = 2\nsoft_bounce = yes\nappend_dot_mydomain = yes\nsmtputf8_enable = no\n"}
LOG = """!sh sleep 0.2; sed -nE 's/^.*postfix\\/(smtpd|cleanup)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | grep -v message-id=.2 | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/' | sort -s -r -k1,1; : > /var/oracle/maillog
"""
rnd = random.Random(20)
ATOM = ["alice", "bob", "u", "a", "postmaster", "x+y", "a.b", "a..b", ".a", "a.", "a b", "\"a b\"", "\"a\\\"b\"", "\"\"", "a\\@b", "a%b", "a!b", "a@b", "@a", "\u00e9", "a;b", "a,b", "a:b", "<a>", "(c)a", "a(c)", "|x", "/x", "-x", "a/b", "alice+x", "ALICE", "#1", "a'b", "a`b", "[x]", "a\tb", "\\"]
DOM = ["example.com", "EXAMPLE.com", "mx.example.com", "localhost", "relay.test", "sinka.test", "remote.test", "good.test", "nx.test", "servfail.test", "", "[192.0.2.1]", "[1.2.3.4]", "[IPv6:::1]", "[x]", "1.2.3.4", "example.com.", "example.com..", "-x.test", "x_y.test", "a b", "sub.relay.test", "x..y", ".x", "foo", "\u00e9.test", "example.com (c)", "x" * 64 + ".test", "good.test:25", "example.com%remote.test", "x@relay.test", "#123"]
def addr():
    r = rnd.random()
    if r < 0.35:
        return rnd.choice(["alice@example.com", "u@sinka.test", "a@good.test", "bob", "u@relay.test", "u@remote.test"])
    a = rnd.choice(ATOM)
    if rnd.random() < 0.9:
        a += "@" + rnd.choice(DOM)
    if rnd.random() < 0.06:
        a = "@relay.test:" + a
    return a
def path():
    a = addr()
    r = rnd.random()
    if r < 0.82:
        return "<%s>" % a
    return rnd.choice(["%s", "< %s>", "<%s", "%s>", "<%s >", "<<%s>>", "x <%s>", "\"x y\" <%s>", "<%s> (c)", "(c) <%s>", "<%s>,<b@c>", "<%s>x", "<> %s"]) % a
def param(mail):
    if rnd.random() < 0.75:
        return ""
    good = ["SIZE=100", "BODY=8BITMIME", "BODY=7BIT", "RET=HDRS", "ENVID=abc", "SMTPUTF8", "AUTH=<>"] if mail else ["NOTIFY=SUCCESS,DELAY", "NOTIFY=NEVER", "ORCPT=rfc822;a@b"]
    bad = ["SIZE=99999", "SIZE=-1", "BODY=X", "RET=X", "ENVID=+", "FOO", "FOO=BAR", "=", "X=", "NOTIFY=X", "ORCPT=x", "ORCPT=rfc822;+4", "AUTH", "SIZE", "NOTIFY=NEVER,DELAY", "BODY=BINARYMIME", "<x>", "\"a b\"", "SIZE=00000010", "SIZE=1 SIZE=2", "RET=FULL RET=HDRS"]
    return " " + " ".join(rnd.choice(good if rnd.random() < 0.6 else bad) for _ in range(rnd.randint(1, 2)))
def verb(v):
    r = rnd.random()
    return v if r < 0.8 else v.lower() if r < 0.9 else v.title()
HELOS = ["x", "mail.client.test", "[203.0.113.10]", "[x]", "a b", "x_y", "-x.test", "1.2.3.4", "", "\u00e9.test", "a..b", "foo.test.", "<x>", "\"x\"", "x:y", "localhost"]
def command():
    r = rnd.random()
    if r < 0.27:
        return verb("MAIL") + rnd.choice([" FROM:", " FROM:", " FROM:", " FROM:", " from: ", " FROM :", " TO:", " FROM"]) + path() + param(True)
    if r < 0.60:
        return verb("RCPT") + rnd.choice([" TO:", " TO:", " TO:", " TO:", " to: ", " TO :", " FROM:", " TO"]) + path() + param(False)
    if r < 0.66:
        return rnd.choice(["HELO ", "EHLO ", "ehlo "]) + rnd.choice(HELOS)
    if r < 0.72:
        return rnd.choice(["DATA x", "DATA x", "BDAT 0", "BDAT", "BDAT 0 LAST", "BDAT x"])
    if r < 0.77:
        return verb("VRFY") + " " + rnd.choice([addr(), "<%s>" % addr(), "", addr() + " x"])
    if r < 0.82:
        return verb("ETRN") + " " + rnd.choice(["relay.test", "example.com", "@relay.test", "#x", "[1.2.3.4]", "x y", "", "x_y", "sinka.test."])
    if r < 0.88:
        return rnd.choice(["RSET", "RSET", "RSET x", "NOOP", "NOOP x"])
    if r < 0.92:
        return "XFORWARD " + rnd.choice(["NAME=a.b", "ADDR=1.2.3.4", "HELO=x PROTO=SMTP", "NAME=[UNAVAILABLE]", "X=Y", "PORT=x", "IDENT=a+20b", "SOURCE=LOCAL", ""])
    return rnd.choice(["HELP", "EXPN x", "SEND FROM:<a@b>", "FOO", "AUTH", "STARTTLS", "STARTTLS x", "XCLIENT NAME=x", "TURN", "\"x\"", "<x>", "MAIL", "RCPT", "X:Y", "Foo-Bar"])
for c, t in CONFS.items():
    config("rnd-" + c, main=B + t)
    for n in range(25):
        lines = [rnd.choice(["EHLO mail.client.test", "EHLO mail.client.test", "HELO x.test", "NOOP"])]
        for _ in range(16):
            lines.append(command())
        case("%s-%02d" % (c, n), "rnd-" + c, "!sh sleep 0.15; : > /var/oracle/maillog\n" + "\n".join(lines) + "\n!close\n" + (LOG if n % 3 == 2 else ""))
P = ["<a@[x>", "<a@[x> NOTIFY=NEVER", "[a b]@example.com", "<a@[x y]>", "<[a b]@example.com>", "<a@[1.2.3.4>", "a@[x", "<a\"b@example.com>", "<\"a@example.com>", "<a@example.com>[", "[<alice@example.com>]", "<alice@example.com>]", "<alice@[192.0.2.1]>", "<(alice@example.com>", "<alice@example.com)>", "<alice\\>@example.com>", "<alice@example.com\\>",
     "<alice> @example.com", "alice@ example.com", "<alice @ example.com>", "<alice@\texample.com>", "\"<alice@example.com>\"", "alice@example.com,", "<alice@example.com>;", "<;alice@example.com>", "<alice@example.com;>", "alice:;", "<x:alice@example.com;>", "<<alice@example.com>", "<alice@example.com>>"]
for c in "ab":
    for k in range(0, len(P), 10):
        case("paths-%s-%d" % (c, k), "rnd-" + c, "EHLO x\n" + "".join("VRFY %s\n" % p for p in P[k:k + 10]) + "".join("MAIL FROM:%s\nRSET\n" % p for p in P[k:k + 10]) + "MAIL FROM:<>\n" + "".join("RCPT TO:%s\n" % p for p in P[k:k + 10]) + "QUIT\n" + LOG)
