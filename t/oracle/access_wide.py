# Random access configurations over every setting that has a say: reply codes, table types and keys, results with all kinds
# of text, block lists with reply templates, classes of domains; what becomes of the mail and what the log says. Fixed seed.
import random
rnd = random.Random(31)
B = """notify_classes =
smtpd_forbid_unauth_pipelining = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
relay_domains = relay.test, sinka.test
smtpd_restriction_classes = k1, k2, k3
defer_transports = smtp, relay, local
"""
CODES = ["450", "451", "521", "550", "554", "571", "421", "250", "600", "399", "599"]
SET = {
    "soft_bounce": ["yes"], "smtpd_delay_reject": ["no"], "smtpd_reject_unlisted_sender": ["yes"], "smtpd_reject_unlisted_recipient": ["no"], "show_user_unknown_table_name": ["no"],
    "smtpd_null_access_lookup_key": ["null", "empty@nowhere"], "parent_domain_matches_subdomains": ["", "smtpd_access_maps", "relay_domains", "mydestination"], "recipient_delimiter": ["+", "+-", "-"],
    "allow_untrusted_routing": ["yes"], "strict_rfc821_envelopes": ["yes"], "smtputf8_enable": ["no"], "smtpd_delay_open_until_valid_rcpt": ["no"], "smtpd_log_access_permit_actions": ["static:all", "check_client_access, permit_mynetworks", "!permit, static:x"],
    "smtpd_expansion_filter": ["abcdefgh.", "\\t\\40!\"#$%&'()*+,-./0123456789:;<=>?@ABC"], "default_rbl_reply": ["$rbl_code Service refused; $rbl_class [$rbl_what] by $rbl_domain${rbl_reason?: }$rbl_reason", "${rbl_reason?{$rbl_reason}:{no reason}}", "$rbl_code 5.7.9 $client/$client_name/$client_address/$helo_name/$sender/$sender_name/$sender_domain/$recipient/$recipient_name/$recipient_domain/$rbl_txt/$mail_name", "250 ok", "$rbl_nosuch x"],
    "rbl_reply_maps": ["inline:{ {bl.test = $rbl_code 5.7.77 mapped $rbl_what ${rbl_reason?because $rbl_reason}} {rhsbl.test = } }", "pcre:{{/=127/ 554 filter list} {/rhs/ $rbl_code rhs $recipient}}", "fail:r"],
    "local_recipient_maps": ["", "inline:{alice=x, bob=x}", "pcre:{{/^[ab]/ x}}", "static:x", "fail:l", "inline:{ {@example.com=x} }"], "relay_recipient_maps": ["inline:{u@relay.test=x, u@sinka.test=x}", "inline:{ {@sinka.test=x} }", "fail:q"],
    "virtual_alias_domains": ["va.test, sub.va.test"], "virtual_alias_maps": ["inline:{ {x@va.test=u@sinka.test} {@sub.va.test=alice} {list@va.test=alice,bob,u@sinka.test} }", "fail:v"], "virtual_mailbox_domains": ["vm.test"], "virtual_mailbox_maps": ["inline:{ {v@vm.test=v/} }"],
    "canonical_maps": ["inline:{ {carol@example.com=alice@example.com} {u@good.test=alice@example.com} }"], "recipient_canonical_maps": ["inline:{ {dave@example.com=alice} }"], "sender_canonical_maps": ["inline:{ {s@nx.test=s@good.test} }"], "relocated_maps": ["inline:{ {moved@example.com=away@x.test} }"],
    "transport_maps": ["inline:{ {err@sinka.test=error:5.7.3 go away} {ret@sinka.test=retry:4.7.3 come again} {plain@sinka.test=error:plain text} {sub.relay.test=discard:} {bad@sinka.test=error:2.0.0 huh} }"], "local_transport": ["error:local mail is off", "retry:4.1.9 wait"],
    "smtpd_reject_footer": ["\\c for $recipient", "call $sender_name\\nor $client_name"], "smtpd_client_port_logging": ["no"], "unknown_address_tempfail_action": ["defer", "defer_if_permit"], "unknown_helo_hostname_tempfail_action": ["defer", "defer_if_permit"],
    "address_verify_sender": [""], "permit_mx_backup_networks": ["198.51.100.0/24"], "mynetworks": ["203.0.113.0/28", "192.0.2.77, !203.0.113.11, 203.0.113.0/24", "texthash:@CONF@/nets"], "message_size_limit": ["400"], "smtpd_recipient_limit": ["2"], "myorigin": ["origin.test"],
    "append_dot_mydomain": ["yes"], "allow_percent_hack": ["no"], "resolve_dequoted_address": ["no"], "resolve_null_domain": ["yes"], "resolve_numeric_domain": ["yes"], "smtpd_helo_required": ["yes"], "enable_long_queue_ids": ["no"], "smtpd_discard_ehlo_keywords": ["dsn, size"],
}
for p in ("access_map_reject_code", "access_map_defer_code", "reject_code", "defer_code", "invalid_hostname_reject_code", "non_fqdn_reject_code", "unknown_client_reject_code", "unknown_address_reject_code", "unknown_hostname_reject_code", "maps_rbl_reject_code", "relay_domains_reject_code",
          "multi_recipient_bounce_reject_code", "plaintext_reject_code", "unknown_local_recipient_reject_code", "unknown_relay_recipient_reject_code", "unknown_virtual_alias_reject_code", "unknown_virtual_mailbox_reject_code"):
    SET[p] = CODES
PLAIN = ["reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname", "reject_invalid_helo_hostname", "reject_non_fqdn_helo_hostname", "reject_unknown_helo_hostname", "permit_naked_ip_address", "reject_non_fqdn_sender", "reject_unknown_sender_domain", "reject_unlisted_sender",
         "reject_non_fqdn_recipient", "reject_unknown_recipient_domain", "reject_unlisted_recipient", "reject_unauth_destination", "permit_auth_destination", "defer_unauth_destination", "permit_mx_backup", "reject_multi_recipient_bounce", "reject_unauth_pipelining", "reject_plaintext_session",
         "permit_mynetworks", "permit_inet_interfaces", "permit_sasl_authenticated", "defer_if_permit", "defer_if_reject", "k1", "k2", "k3", "permit", "reject", "defer", "REJECT_UNAUTH_DESTINATION", "Permit_Mynetworks", "reject_unknown_address", "check_recipient_maps", "smtpd_access_maps", "reject_unverified_typo", "hash", "450"]
RBL = ["bl.test", "bl.test=127.0.0.2", "bl.test=127.0.0.[2;4;10..11]", "bl.test=127.0.[0;1].[1..255]", "bl.test=10.1.2.3", "wl.test", "bl.servfail.test", "nx.test", "rhsbl.test", "rhsbl.test=127.0.0.4", "rhsbl.test=127.0.0.[2..3]", ".bl.test"]
TEXT = ["", "", " no", " 5.1.1 gone", " 4.1.8 odd", " 5.7.1", " 5.1.2.3 long", " 2.0.0 fine", " 5.1234.1 big", " 5.1.9999 big", " 5.5.5text", " x:y <z> \"q\" \\ %", " \u00e9t\u00e9", " " + "long text " * 60, " $$client_name", "\ttabbed", " 5.1.6\ttab", " ends "]
def action():
    r = rnd.random()
    if r < 0.5:
        return rnd.choice(["REJECT", "DEFER", "OK", "DUNNO", "DEFER_IF_PERMIT", "DEFER_IF_REJECT", "WARN", "INFO", "HOLD", "RELAY", "reject", "Defer", "oK", "550", "450", "521", "421", "554", "599", "999", "4711", "55", "HANGUP", "DISCARD"]) + rnd.choice(TEXT)
    if r < 0.7:
        return rnd.choice(["PREPEND X-A: one", "PREPEND X-B:two", "PREPEND Subject : x", "PREPEND no header", "PREPEND", "PREPEND To: q@r", "PREPEND Received: x", "PREPEND X:\tfolded value", "REDIRECT u@sinka.test", "REDIRECT r@nx.test", "REDIRECT nobody", "REDIRECT \"a b\"@sinka.test", "REDIRECT", "BCC b@sinka.test", "BCC nobody", "BCC c@sinka.test", "BCC <d@sinka.test>", "BCC", "FILTER discard:", "FILTER discard:x", "FILTER smtp:[198.51.100.11]:25", "FILTER nocolon", "FILTER"])
    return ", ".join(rnd.choice(PLAIN + ["warn_if_reject", "check_sender_access", "reject_rbl_client bl.test", "sleep 0"]) for _ in range(rnd.randint(1, 3)))
KEY = {"client": ["mail.client.test", ".client.test", "client.test", "203.0.113.20", "203.0.113", "203", "unknown", "2001:db8::9", "2001:db8", "test", "localhost", "UNKNOWN"], "reverse_client_hostname": ["forged.client.test", "client.test", ".test", "unknown", "203.0.113.12"], "helo": ["x", "mail.client.test", "test", ".test", "[203.0.113.10]", "foo..bar", "bar", "203.0.113.10", "X"],
       "sender": ["s@good.test", "good.test", ".good.test", "s@", "s", "nx.test", "<>", "null", "empty@nowhere", "s+e@good.test", "S@GOOD.TEST", "test", "\"a b\"@good.test", "a b@good.test", "@good.test", "[1.2.3.4]", "origin.test", "example.com", "xn--tst-qla.test"], "recipient": ["alice@example.com", "example.com", ".example.com", "alice@", "bob+x@", "bob@", "relay.test", "sinka.test", "remote.test", "com", "va.test", "x@va.test", "postmaster", "postmaster@", "alice", "<>"], "etrn": ["relay.test", "test", "example.com", ".test"]}
def table(w):
    keys = rnd.sample(KEY[w], min(len(KEY[w]), rnd.randint(1, 5)))
    k = rnd.random()
    if k < 0.62:
        return "inline:{ %s }" % " ".join("{%s = %s}" % (x, action()) for x in keys)
    if k < 0.72:
        return "pcre:{ %s }" % " ".join("{/%s/ %s}" % (x.replace("[", "\\[").replace("+", "\\+").replace(".", "[.]").replace("/", "."), action()) for x in keys)
    if k < 0.78:
        return "regexp:{ {/^(.*)[.@](.*)$$/ %s $$1 and $$2} }" % rnd.choice(["REJECT", "450", "WARN", "DEFER_IF_PERMIT", "PREPEND X-R:"])
    if k < 0.83 and w == "client":
        return "cidr:{ {203.0.113.0/27 %s} {203.0.113.20/32 %s} {2001:db8::/32 %s} }" % (action(), action(), action())
    if k < 0.88:
        return "static:{%s}" % action()
    if k < 0.92:
        return "unionmap:{ inline:{ {%s = %s} }, inline:{ {%s = x} } }" % (keys[0], rnd.choice(["REJECT", "450 4.1.1"]), rnd.choice(keys))
    if k < 0.95:
        return "pipemap:{ inline:{ {%s = a} }, inline:{ {a = %s} } }" % (keys[0], action())
    return rnd.choice(["fail:t", "texthash:/nonexistent", "foo:bar"])
def step(stage):
    r = rnd.random()
    if r < 0.36:
        w = stage if stage in KEY and rnd.random() < 0.6 else rnd.choice(list(KEY)[:5])
        return ("" if stage in KEY and rnd.random() < 0.08 else "check_%s_access " % w) + table(w)
    if r < 0.46:
        w = rnd.choice(["client", "reverse_client_hostname", "helo", "sender", "recipient"])
        return "check_%s_%s_access inline:{ %s }" % (w, rnd.choice(["mx", "ns", "a"]), " ".join("{%s = %s}" % (x, rnd.choice(["REJECT", "DUNNO", "OK", "450 4.4.4 srv", "DEFER_IF_PERMIT srv", "k1", "WARN w", "HOLD"])) for x in rnd.sample(["198.51.100.1", "198.51.100", "mx1.good.test", "good.test", "ns.evil.test", "evil.test", "203.0.113.10", "203.0.113", "mail.client.test", "192.0.2.1", "127.0.0.1", "1.2.3.4", "localhost"], 4)))
    if r < 0.60:
        n = rnd.choice(["reject_rbl_client", "reject_rbl_client", "permit_dnswl_client", "reject_rhsbl_client", "reject_rhsbl_reverse_client", "reject_rhsbl_helo", "reject_rhsbl_sender", "reject_rhsbl_recipient", "permit_rhswl_client", "reject_rbl"])
        return n + " " + rnd.choice(RBL)
    x = rnd.choice(PLAIN)
    return rnd.choice(PLAIN) if x.lower() in ("permit", "reject", "defer") and rnd.random() < 0.7 else x
def rules(stage, n):
    return rnd.choice([", ", " ", "\n    "]).join(("warn_if_reject " if rnd.random() < 0.12 else "") + step(stage) for _ in range(rnd.randint(0, n)))
LOG = """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(smtpd|cleanup|qmgr|error|discard)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192\\|deprecated\\|will be removed\\|Use permit_myn\\|message-id=.2\\|close error' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/; s/delay=.*dsn=/dsn=/; s/queued as [0-9A-F]+/queued as ID/; s/size=[0-9]+/size=N/' | sort -s -r -k1,1; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do (postcat -hbq $i | sed -E 's/id [0-9A-F]{6,}/id ID/; s/..., .* \\(UTC\\)/DATE/'; postqueue -p | grep -A5 $i | sed -E 's/^[0-9A-F]+([*!]?).*[0-9]  /\\1/; /^$/q' | grep -v '^--' | sort; postsuper -d $i 2>/dev/null) | tr '\\n' '|'; echo; done | sort | tr '|' '\\n'; : > /var/oracle/maillog
"""
IPS = ["203.0.113.10", "203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.14", "203.0.113.16", "203.0.113.19", "203.0.113.20", "203.0.113.23", "203.0.113.25", "203.0.113.26", "203.0.113.27", "192.0.2.77", "192.0.2.1", "2001:db8::9>2001:db8::1:25"]
HELO = ["mail.client.test", "x", "[203.0.113.10]", "foo..bar", "bad-helo.test", "nx.test", "servfail.test", "203.0.113.10", "localhost", "[IPv6:2001:db8::9]"]
FROM = ["s@good.test", "s@good.test", "s+e@good.test", "", "s", "s@foo", "s@nx.test", "s@servfail.test", "s@bad-sender.test", "s@nullmx.test", "s@mxbad.test", "s@badns.test", "s@sub.good.test", "\"a b\"@good.test", "alice@example.com", "nobody@example.com", "x@va.test", "u@relay.test", "s@[1.2.3.4]", "s@mxself.test", "S@GOOD.TEST", "s%good.test@example.com"]
TO = ["alice@example.com", "alice@example.com", "bob+x@example.com", "nobody@example.com", "u@sinka.test", "q@sinka.test", "u@relay.test", "u@remote.test", "x@va.test", "list@va.test", "nobody@va.test", "v@vm.test", "w@vm.test", "postmaster", "postmaster@example.com", "alice", "moved@example.com", "carol@example.com", "dave@example.com", "err@sinka.test", "ret@sinka.test", "plain@sinka.test", "u@sub.relay.test", "u@bad-rcpt.relay.test", "u%remote.test@example.com", "\"u@remote.test\"@example.com", "u@remote.test@example.com", "@sinka.test:u@remote.test", "remote.test!u", "u@nx.test", "u@servfail.test", "alice@[192.0.2.1]", "double-bounce@example.com", "u@mxself.test", "mailer-daemon@example.com", "alice@mx.example.com"]
msg("wide", "Subject: x\nFrom: a@b.c\n\nbody\n")
N = globals().get("WIDE", 36)
for n in range(N):
    m = B + "".join("%s = %s\n" % (k, rnd.choice(v)) for k, v in SET.items() if rnd.random() < 0.12)
    for c in ("k1", "k2", "k3"):
        m += "%s = %s\n" % (c, rules("x", 2) or "DUNNO" if c != "k3" else rnd.choice(["reject_unknown_sender_domain", "permit_mynetworks", "DUNNO", "sleep 0", "reject_unauth_destination"]))
    for st, k in (("client", 3), ("helo", 3), ("sender", 3), ("recipient", 4), ("data", 2), ("end_of_data", 2), ("etrn", 2)):
        r = rules(st, k) if rnd.random() < 0.6 else ""
        if r:
            m += "smtpd_%s_restrictions = %s\n" % (st, r)
    m += "smtpd_relay_restrictions = %s reject_unauth_destination\n" % (rules("relay", 2) if rnd.random() < 0.4 else "permit_mynetworks,")
    config("wide-%d" % n, main=m, files={"nets": "203.0.113.10 x\n203.0.113.20 x\n"})
    for i in range(4):
        d = "@%s\n%s %s\n" % (rnd.choice(IPS), rnd.choice(["EHLO", "EHLO", "HELO"]), rnd.choice(HELO))
        if rnd.random() < 0.2:
            d += "ETRN %s\n" % rnd.choice(["relay.test", "example.com", "nx.test"])
        for k in range(2):
            d += "MAIL FROM:<%s>\n" % rnd.choice(FROM)
            for _ in range(rnd.randint(1, 5)):
                d += "RCPT TO:<%s>\n" % rnd.choice(TO)
            d += "!raw 'BDAT 23 LAST\\r\\nSubject: x\\r\\n\\r\\nbody: y\\r\\n'\n!read\n" if k == 0 else "DATA\n!msg wide\nRSET\n"
        case("%02d-%d" % (n, i), "wide-%d" % n, d + "!close\n" + LOG, limit=40)
