"""Rewriting and resolution with everything at once, at random: each configuration takes values for a dozen parameters and tables
whose keys are made from the addresses that are sent. Seeded: a case is the same in every run."""
import random

R = random.Random(23)
LIM = ("smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nsmtpd_recipient_limit=1000\nmynetworks = 127.0.0.0/8 203.0.113.0/24\n"
       "notify_classes=\n")
LOCALS = ["u", "user", "User", "u+x", "u-x", "u+x+y", "u+x-y", "+u", "-u", "u+", '"q u"', '"u@v"', "a.b", "owner-l", "l-request", "postmaster", "root", "mailer-daemon", "al", "bcc", "r"]
DOMAINS = ["d1.test", "d2.test", "sub.d1.test", "x.sub.d1.test", "D1.TEST", "example.com", "mx.example.com", "host", "relay.test", "s.relay.test", "vmail.test", "valias.test",
           "[192.0.2.1]", "[198.51.100.9]", "d1.test.", "far.test", "localhost"]
SHAPES = ["{l}@{d}"] * 14 + ["{l}", "{l}%{d}", "{l}%{d}@example.com", "{d}!{l}", "{d}!{l}@example.com", "@{d}:{l}@far.test", "{l}@{d}@example.com"]


def addr(r, shapes=SHAPES):
    return r.choice(shapes).format(l=r.choice(LOCALS), d=r.choice(DOMAINS))


def key(r):
    return r.choice(["{l}@{d}", "{l}@{d}", "{l}", "@{d}", "@{d}"]).format(l=r.choice([x for x in LOCALS if '"' not in x and x[0] not in "+-"]).lower(),
                                                                         d=r.choice(DOMAINS).lower().rstrip("."))


def value(r, many=False):
    v = r.choice(["{l}@{d}"] * 5 + ["{l}", "@{d}"]).format(l=r.choice([x for x in LOCALS if '"' not in x]), d=r.choice([x for x in DOMAINS if x[0] != "["]))
    if many and r.random() < 0.3:
        v += r.choice([", ", " "]) + value(r)
    return v


def table(r, n, many=False):
    t = {}
    for _ in range(n):
        t[key(r)] = value(r, many)
    return "".join("%s\t%s\n" % kv for kv in t.items())


def transport(r):
    t = {}
    for _ in range(r.randint(2, 8)):
        k = r.choice(["{d}", ".{d}", "{l}@{d}", "*"]).format(l="u", d=r.choice(DOMAINS).lower())
        t[k] = r.choice(["sink:[198.51.100.1]", "sink:", ":[198.51.100.2]", "error:5.7.1 no %d" % r.randint(1, 9), "error:", "retry:4.2.1 later", "sink:[198.51.100.3],[198.51.100.1]",
                         ":", "smtp:[198.51.100.2]:25", "discard:", "lsink:[198.51.100.1]"])
    return "".join("%s\t%s\n" % kv for kv in t.items())


def parameters(r):
    files, main = {}, []

    def maybe(p, name, val):
        if r.random() < p:
            main.append("%s = %s" % (name, val))

    def tab(p, name, n, many=False):
        if r.random() < p:
            files[name] = table(r, n, many)
            main.append("%s = texthash:@CONF@/%s" % (name, name))

    tab(0.4, "canonical_maps", 5)
    tab(0.25, "sender_canonical_maps", 4)
    tab(0.25, "recipient_canonical_maps", 4)
    tab(0.5, "virtual_alias_maps", 7, True)
    tab(0.2, "relocated_maps", 2)
    tab(0.15, "sender_bcc_maps", 3)
    tab(0.15, "recipient_bcc_maps", 3)
    tab(0.25, "smtp_generic_maps", 5)
    tab(0.2, "sender_dependent_default_transport_maps", 0)
    maybe(0.1, "always_bcc", "archive@far.test")
    maybe(0.3, "masquerade_domains", r.choice(["d1.test", "!sub.d1.test d1.test", "$mydomain", "sub.d1.test d1.test example.com", "test"]))
    maybe(0.2, "masquerade_exceptions", r.choice(["root", "u postmaster", "al"]))
    maybe(0.2, "masquerade_classes", r.choice(["envelope_sender", "header_sender, header_recipient", "envelope_recipient", "envelope_sender, envelope_recipient, header_sender, header_recipient"]))
    maybe(0.2, "canonical_classes", r.choice(["envelope_sender", "header_recipient", "envelope_recipient header_sender"]))
    maybe(0.2, "sender_canonical_classes", r.choice(["envelope_sender", "header_sender"]))
    maybe(0.2, "recipient_canonical_classes", r.choice(["envelope_recipient", "header_recipient"]))
    maybe(0.6, "recipient_delimiter", r.choice(["+", "-", "+-", "-+"]))
    maybe(0.3, "propagate_unmatched_extensions", r.choice(["", "canonical", "virtual", "generic", "canonical, virtual, generic, alias, forward, include"]))
    maybe(0.2, "owner_request_special", "no")
    maybe(0.2, "append_dot_mydomain", r.choice(["yes", "no"]))
    maybe(0.1, "append_at_myorigin", "no")
    maybe(0.15, "allow_percent_hack", "no")
    maybe(0.15, "swap_bangpath", "no")
    maybe(0.15, "resolve_dequoted_address", "no")
    maybe(0.15, "resolve_null_domain", "yes")
    maybe(0.15, "resolve_numeric_domain", "yes")
    maybe(0.3, "local_header_rewrite_clients", r.choice(["", "permit_mynetworks", "static:all"]))
    maybe(0.2, "remote_header_rewrite_domain", "remote.invalid")
    maybe(0.2, "virtual_alias_recursion_limit", r.choice(["1", "2", "5"]))
    maybe(0.15, "virtual_alias_expansion_limit", r.choice(["2", "3"]))
    maybe(0.3, "myorigin", r.choice(["origin.test", "$myhostname", "d1.test"]))
    maybe(0.3, "parent_domain_matches_subdomains", r.choice(["", "relay_domains", "relay_domains, transport_maps", "smtpd_access_maps"]))
    maybe(0.3, "relayhost", r.choice(["[198.51.100.1]", "[198.51.100.2]:25", "[198.51.100.3], [198.51.100.1]"]))
    maybe(0.2, "allow_min_user", "yes")
    maybe(0.1, "enable_original_recipient", "no")
    maybe(0.15, "header_address_token_limit", r.choice(["5", "12"]))
    maybe(0.15, "duplicate_filter_limit", "1")
    if r.random() < 0.4:
        files["t"] = transport(r)
        main.append("transport_maps = texthash:@CONF@/t")
    if r.random() < 0.25:
        main.append("sender_dependent_relayhost_maps = inline:{ {u@d1.test = [198.51.100.2]} {@far.test = [198.51.100.3]} {<> = [198.51.100.1]} }")
    main = [l for l in main if not l.startswith("sender_dependent_default")]
    return "\n".join(main) + "\n", files


BASE = (LIM + "mydestination = example.com, localhost, d2.test\nrelay_domains = relay.test\nvirtual_alias_domains = valias.test\nvirtual_mailbox_domains = vmail.test\n"
        "virtual_mailbox_maps = static:x\nlocal_recipient_maps =\nlocal_transport = sink:[198.51.100.1]\nvirtual_transport = sink:[198.51.100.1]\nrelay_transport = sink:[198.51.100.1]\n"
        "default_transport = sink\nmaximal_queue_lifetime = 0\n")
MASTER = "sink unix - - n - - smtp\nlsink unix - - n - - smtp -o smtp_helo_name=lsink.test\n"
COUNT = 60
for n in range(COUNT):
    r = random.Random(R.random())
    main, files = parameters(r)
    relayhost = "" if "relayhost =" in main else "relayhost = [198.51.100.1]\n"
    own = {l.split(" =")[0] for l in main.splitlines()}
    base = "".join(l + "\n" for l in BASE.splitlines() if l.split(" =")[0] not in own)
    config("rr%02d" % n, main=base + relayhost + main, master=MASTER, files=files)
    d = "EHLO x\n"
    for k in range(5):
        m = "rr%02d-%d" % (n, k)
        hs = ["From: " + r.choice(["%s", "Name <%s>", "%s (c)"]) % addr(r)]
        for h in r.sample(["To", "Cc", "Reply-To", "Sender", "Resent-To", "Errors-To", "Return-Receipt-To", "Bcc"], 4):
            hs.append(h + ": " + ", ".join(r.choice(["%s", "%s", "<%s>", '"N, x" <%s>', "g: %s;", "%s (c)"]) % addr(r) for _ in range(r.choice([1, 1, 2, 3]))))
        msg(m, "\n".join(hs) + "\n\nb\n")
        s = addr(r) if r.random() < 0.9 else ""
        d += "MAIL FROM:<%s>%s\n" % (s, r.choice(["", "", " RET=HDRS ENVID=e1"]))
        for _ in range(r.choice([1, 2, 3])):
            d += "RCPT TO:<%s>%s\n" % (addr(r), r.choice(["", "", " NOTIFY=FAILURE", " ORCPT=rfc822;orig+2Bx@o.test"]))
        d += "DATA\n!msg %s\n!drain\nRSET\n" % m
    if n % 3 == 0:
        for k in range(3):
            a = addr(r).replace("'", "")
            d += "!sh printf 'From: %s\\nSubject: x\\n\\nb\\n' | sendmail -f '%s' '%s'; echo $?\n" % (addr(r), addr(r), a)
        d += "!drain\n"
    case("mix-%02d" % n, "rr%02d" % n, d, limit=100)
