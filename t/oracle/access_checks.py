# Restrictions one by one: names, DNS, access tables, block lists. The world's zone is lib/zone.py.
B = "relay_domains = relay.test\nlocal_recipient_maps =\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"

HELOS = ("x", "mail.client.test", "[203.0.113.10]", "[1.2.3]", "1.2.3.4", "foo_bar.test", "-foo.test", "foo..test", "foo.test.", "foo.test..", "nx.test",
         "servfail.test", "onlya.test", "good.test", "txtonly.test", "[IPv6:2001:db8::1]", "[IPv6:zz]", "nullmx.test", "cnamehost.test", "localhost", "12345", "a" * 64 + ".test")
for name in ("reject_invalid_helo_hostname", "reject_invalid_hostname", "reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname",
             "reject_unknown_helo_hostname", "reject_unknown_hostname", "permit_naked_ip_address, reject"):
    c = name.replace(", ", "-").replace("_", "-")
    config(c, main=B + "smtpd_helo_restrictions = %s\n" % name)
    case(c, c, "".join("EHLO %s\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n" % h for h in HELOS))
SENDERS = ("a@good.test", "a", "a@foo", "a@nx.test", "a@servfail.test", "a@onlya.test", "a@onlyaaaa.test", "a@txtonly.test", "a@nullmx.test", "a@mxnx.test",
           "a@mxloop.test", "a@cname.test", "a@[1.2.3.4]", "a@example.com", "a@relay.test", "", "a@good.test.", "a@mxservfail.test", "a@sub.good.test", "a@foo_bar.test", "a@mxself.test")
for name in ("reject_non_fqdn_sender", "reject_unknown_sender_domain", "reject_unknown_address", "reject_unlisted_sender"):
    c = name.replace("_", "-")
    config(c, main=B + "smtpd_sender_restrictions = %s\n" % name)
    case(c, c, "EHLO x\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % s for s in SENDERS))
config("unknown-tempfail-defer", main=B + "unknown_address_tempfail_action = defer\nunknown_helo_hostname_tempfail_action = defer\nunknown_address_reject_code = 554\nunknown_hostname_reject_code = 555\nsmtpd_helo_restrictions = reject_unknown_helo_hostname\nsmtpd_sender_restrictions = reject_unknown_sender_domain\n")
case("tempfail-defer", "unknown-tempfail-defer", "EHLO good.test\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % s for s in SENDERS) +
     "".join("EHLO %s\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n" % h for h in ("nx.test", "servfail.test")))
for name in ("reject_non_fqdn_recipient", "reject_unknown_recipient_domain"):
    c = name.replace("_", "-")
    config(c, main=B + "mynetworks = 203.0.113.0/24\nsmtpd_recipient_restrictions = %s\n" % name)
    case(c, c, "EHLO x\nMAIL FROM:<a@good.test>\n" + "".join("RCPT TO:<%s>\n" % s for s in SENDERS if s))

# access(5) results
RESULTS = ("OK", "ok whatever", "RELAY", "REJECT", "REJECT go away", "REJECT 5.1.1 gone", "REJECT 4.1.1 soft", "DEFER", "DEFER later", "DUNNO", "DUNNO x", "550", "550 no", "450 4.3.3 busy",
           "554 5.9.9 odd", "999", "350 foo", "600 foo", "123456", "DEFER_IF_PERMIT", "DEFER_IF_PERMIT wait", "DEFER_IF_REJECT", "DEFER_IF_REJECT wait", "WARN hey", "INFO hey", "HOLD", "HOLD me",
           "DISCARD", "DISCARD me", "FILTER", "FILTER foo", "FILTER smtp:[127.0.0.1]:9", "REDIRECT", "REDIRECT foo", "REDIRECT bob@example.com", "BCC", "BCC foo", "BCC bob@example.com", "PREPEND",
           "PREPEND foo", "PREPEND X-Foo: bar", "reject_unauth_destination", "permit", "reject", "permit_mynetworks, reject", "foo", "check_client_access hash:/foo", "reject_non_fqdn_sender, defer", "521 go", "421 4.7.0 go", "HANGUP",
           "warn_if_reject reject", "class1", "521", "5xx foo", "REJECT2", "ok\tfoo", "571 Delivery not authorized")
TABLE = " ".join("{c%d.test = %s}" % (i, r) for i, r in enumerate(RESULTS))
config("results", main=B + "smtpd_restriction_classes = class1\nclass1 = reject_unauth_destination, defer\nsmtpd_helo_restrictions = check_helo_access inline:{ %s }\n" % TABLE)
for i, r in enumerate(RESULTS):
    case("result-%d" % i, "results", "EHLO c%d.test\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<u@remote.test>\nNOOP\n" % i)
config("results-snd", main=B + "smtpd_sender_restrictions = check_sender_access inline:{ %s }\n" % TABLE)
for i, r in enumerate(RESULTS):
    if not r.startswith(("HOLD", "FILTER", "HANGUP")):
        case("result-snd-%d" % i, "results-snd", "EHLO x\nMAIL FROM:<a@c%d.test>\nRCPT TO:<alice@example.com>\nNOOP\n" % i)

# how things are looked up
config("lookup-client", main=B + "smtpd_client_restrictions = check_client_access inline:{ {client.test = REJECT domain} {203.0.113 = REJECT net} {203.0.113.12 = REJECT addr} {unknown = DUNNO} }\n")
config("lookup-client2", main=B + "parent_domain_matches_subdomains =\nsmtpd_client_restrictions = check_client_access inline:{ {.client.test = REJECT domain} {client.test = REJECT exact} {2001:db8 = REJECT v6} }\n")
config("lookup-rev", main=B + "smtpd_client_restrictions = check_reverse_client_hostname_access inline:{ {client.test = REJECT domain} {mail.client.test = OK} }\n")
for c in ("lookup-client", "lookup-client2", "lookup-rev"):
    for ip in ("203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.15", "203.0.113.18", "192.0.2.77"):
        case("%s-%s" % (c, ip), c, "@%s\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n" % ip)
ADDRS = ("user@d.test", "user+ext@d.test", "other@d.test", "other@sub.d.test", "user@sub.d.test", "key@x.test", "key+e@x.test", "none@y.test", "USER@D.TEST", '"u v"@q.test', "local", "post@example.com")
MAPS = "{user@d.test = REJECT full} {user+ext@d.test = REJECT ext} {d.test = REJECT domain} {key@ = REJECT local} {example.com = REJECT mydomain} {q.test = REJECT q} {<> = REJECT null} {.d.test = REJECT dotted}"
config("lookup-snd", main=B + "recipient_delimiter = +\nsmtpd_sender_restrictions = check_sender_access inline:{ %s }\n" % MAPS)
config("lookup-snd2", main=B + "parent_domain_matches_subdomains =\nsmtpd_null_access_lookup_key = nullkey\nsmtpd_sender_restrictions = check_sender_access inline:{ %s {nullkey = REJECT nk} }\n" % MAPS)
for c in ("lookup-snd", "lookup-snd2"):
    case(c, c, "EHLO x\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % a for a in ADDRS + ("",)))
config("lookup-rcpt", main=B + "recipient_delimiter = +\nmynetworks = 203.0.113.0/24\nsmtpd_recipient_restrictions = check_recipient_access inline:{ %s }\n" % MAPS)
case("lookup-rcpt", "lookup-rcpt", "EHLO x\nMAIL FROM:<b@good.test>\n" + "".join("RCPT TO:<%s>\n" % a for a in ADDRS))
config("suspicious", main=B.replace("smtpd_relay_restrictions", "x_relay") + "smtpd_relay_restrictions = check_recipient_access inline:{example.com=OK}, reject_unauth_destination\n")
case("suspicious", "suspicious", "EHLO x\nMAIL FROM:<b@good.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<u%remote.test@example.com>\nRCPT TO:<\"u@remote.test\"@example.com>\n")
config("table-fail", main=B + "smtpd_sender_restrictions = check_sender_access fail:foo\n")
config("table-none", main=B + "smtpd_sender_restrictions = check_sender_access texthash:/nonexistent\n")
config("table-unknown", main=B + "smtpd_sender_restrictions = check_sender_access foo:bar\n")
for c in ("table-fail", "table-none"):
    case(c, c, "EHLO x\nMAIL FROM:<b@good.test>\nRCPT TO:<alice@example.com>\n")
config("shorthand", main=B + "smtpd_restriction_classes = cls\ncls = inline:{good.test=REJECT sender}\nsmtpd_client_restrictions = inline:{203.0.113.12=REJECT c}\nsmtpd_sender_restrictions = cls\nsmtpd_data_restrictions = inline:{a=b}\n")
case("shorthand", "shorthand", "EHLO x\nMAIL FROM:<b@good.test>\nRCPT TO:<alice@example.com>\nRSET\nMAIL FROM:<b@onlya.test>\nRCPT TO:<alice@example.com>\nDATA\n@203.0.113.12\nEHLO x\nMAIL FROM:<b@onlya.test>\nRCPT TO:<alice@example.com>\n")

# servers
for what in ("ns", "mx", "a"):
    config("srv-" + what, main=B + "smtpd_sender_restrictions = check_sender_%s_access inline:{ {198.51.100.66 = REJECT evil mx} {ns.evil.test = REJECT evil ns} {198.51.100.67 = REJECT ns addr} {127.0.0.1 = REJECT loop} {203.0.113.30 = REJECT thirty} {mx1.good.test = OK} {192.0.2.1 = 550 self} }\n" % what)
    case("srv-" + what, "srv-" + what, "EHLO x\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % s for s in
         ("a@good.test", "a@mxbad.test", "a@badns.test", "a@sub.badns.test", "a@mxloop.test", "a@naked.test", "a@nx.test", "a@servfail.test", "a@[127.0.0.1]", "a@[198.51.100.66]", "a@mxself.test", "a@onlya.test", "a@nullmx.test", "")))
config("srv-helo", main=B + "smtpd_helo_restrictions = check_helo_mx_access inline:{198.51.100.66=REJECT m}, check_helo_ns_access inline:{ns.evil.test=REJECT n}, check_helo_a_access inline:{203.0.113.30=REJECT a}\n")
case("srv-helo", "srv-helo", "".join("EHLO %s\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n" % h for h in ("mxbad.test", "badns.test", "naked.test", "good.test", "[198.51.100.66]")))

# block lists
CL = ("203.0.113.10", "203.0.113.20", "203.0.113.21", "203.0.113.22", "203.0.113.23", "203.0.113.24", "203.0.113.25", "203.0.113.26", "2001:db8::9>2001:db8::1:25")
RBLS = {"rbl": "reject_rbl_client bl.test", "rbl-filter": "reject_rbl_client bl.test=127.0.0.2", "rbl-filter2": "reject_rbl_client bl.test=127.0.0.[2..4;10]", "rbl-two": "reject_rbl_client nx.test, reject_rbl_client bl.test=127.0.0.11",
        "dnswl": "permit_dnswl_client wl.test, reject_rbl_client bl.test", "rbl-servfail": "reject_rbl_client bl.servfail.test, reject_rbl_client bl.test", "maps-rbl": "reject_maps_rbl", "rhsbl-client": "reject_rhsbl_client rhsbl.test", "rhsbl-rev": "reject_rhsbl_reverse_client rhsbl.test", "rbl-noarg": "reject_rbl_client"}
for name, r in RBLS.items():
    config(name, main=B + "maps_rbl_domains = nx.test, bl.test\nsmtpd_recipient_restrictions = %s\n" % r)
    for ip in CL + (("203.0.113.27", "203.0.113.11") if "rhsbl" in name else ()):
        case("%s-%s" % (name, ip.split(">")[0]), name, "@%s\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n" % ip)
config("rbl-reply", main=B + "rbl_reply_maps = inline:{ {bl.test = 554 5.5.5 map $rbl_class [$rbl_what] via $rbl_domain${rbl_reason?; $rbl_reason} $client_name $sender} {bad.test = foo} }\ndefault_rbl_reply = $rbl_code default $rbl_what${rbl_reason?; $rbl_reason}\nmaps_rbl_reject_code = 551\n"
       "smtpd_recipient_restrictions = reject_rbl_client bl.test, reject_rhsbl_sender rhsbl.test, reject_rhsbl_helo rhsbl.test, reject_rhsbl_recipient rhsbl.test\n")
for ip in ("203.0.113.10", "203.0.113.20", "203.0.113.21"):
    case("rbl-reply-" + ip, "rbl-reply", "@%s\nEHLO x\nMAIL FROM:<a@bad-sender.test>\nRCPT TO:<alice@example.com>\nEHLO bad-helo.test\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<u@bad-rcpt.relay.test>\n" % ip)
config("rhsbl", main=B + "smtpd_recipient_restrictions = reject_rhsbl_sender rhsbl.test, reject_rhsbl_helo rhsbl.test=127.0.0.2, reject_rhsbl_recipient rhsbl.test\n")
case("rhsbl", "rhsbl", "EHLO bad-helo.test\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\nEHLO x\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % s for s in ("a@bad-sender.test", "a@code4.test", "a@[1.2.3.4]", "a@1.2.3.4.test", "")) + "MAIL FROM:<a@good.test>\nRCPT TO:<u@bad-rcpt.relay.test>\n")
config("rhswl", main=B + "smtpd_recipient_restrictions = permit_rhswl_client rhsbl.test, reject\n")
for ip in ("203.0.113.10", "203.0.113.27"):
    case("rhswl-" + ip, "rhswl", "@%s\nEHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<u@remote.test>\n" % ip)

# the rest
config("mxbackup", main=B.replace("permit_mynetworks", "permit_mx_backup"))
config("mxbackup2", main=B.replace("permit_mynetworks", "permit_mx_backup") + "permit_mx_backup_networks = 198.51.100.0/24\n")
for c in ("mxbackup", "mxbackup2"):
    case(c, c, "EHLO x\nMAIL FROM:<a@good.test>\n" + "".join("RCPT TO:<u@%s>\n" % d for d in ("remote.test", "mxself.test", "good.test", "nx.test", "servfail.test", "valias.test", "relay.test", "[198.51.100.1]", "mxnx.test")))
config("multi", main=B + "smtpd_data_restrictions = reject_multi_recipient_bounce\n")
config("multi-rcpt", main=B + "smtpd_recipient_restrictions = reject_multi_recipient_bounce\n")
for c in ("multi", "multi-rcpt"):
    case(c, c, "EHLO x\nMAIL FROM:<>\nRCPT TO:<alice@example.com>\nDATA\n!msg\nMAIL FROM:<>\nRCPT TO:<alice@example.com>\nRCPT TO:<bob@example.com>\nDATA\n!msg\nQUIT\n")
config("inetif", main=B.replace("permit_mynetworks", "permit_inet_interfaces"))
case("inet-interfaces", "inetif", "@192.0.2.1\nEHLO x\nMAIL FROM:<>\nRCPT TO:<u@remote.test>\n@203.0.113.10\nEHLO x\nMAIL FROM:<>\nRCPT TO:<u@remote.test>\n")
config("authdest", main=B + "smtpd_recipient_restrictions = permit_auth_destination, reject\n")
case("auth-destination", "authdest", "EHLO x\nMAIL FROM:<>\nRCPT TO:<alice@example.com>\nRCPT TO:<u@relay.test>\nRCPT TO:<u@remote.test>\n")
config("warnif", main=B + "smtpd_recipient_restrictions = warn_if_reject reject_unknown_sender_domain, warn_if_reject check_sender_access inline:{servfail.test=reject}, reject_non_fqdn_sender\n")
case("warn-if-reject", "warnif", "EHLO x\n" + "".join("MAIL FROM:<%s>\nRCPT TO:<alice@example.com>\nRSET\n" % s for s in ("a@nx.test", "a@servfail.test", "a@foo")))
config("delayoff", main=B + "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname, check_helo_access inline:{hold.test=HOLD}\nsmtpd_client_restrictions = defer_if_permit\n")
case("delay-off", "delayoff", "HELO foo..bar\nHELO hold.test\nMAIL FROM:<a@good.test>\nRCPT TO:<alice@example.com>\n")
config("dip", main=B + "smtpd_client_restrictions = check_client_access inline:{203.0.113.10=DEFER_IF_PERMIT one}\nsmtpd_sender_restrictions = check_sender_access inline:{two.test=DEFER_IF_PERMIT two}, check_sender_access inline:{ok.test=OK}\nsmtpd_recipient_restrictions = check_recipient_access inline:{alice@example.com=OK}, check_recipient_access inline:{bob@example.com=REJECT}, check_recipient_access inline:{carol@example.com=DEFER_IF_REJECT later}, check_recipient_access inline:{carol@example.com=REJECT}\n")
case("defer-if-permit", "dip", "EHLO x\nMAIL FROM:<a@two.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<bob@example.com>\nRCPT TO:<carol@example.com>\nRCPT TO:<u@remote.test>\n@203.0.113.11\nEHLO x\nMAIL FROM:<a@ok.test>\nRCPT TO:<alice@example.com>\nRCPT TO:<carol@example.com>\nRSET\nMAIL FROM:<a@two.test>\nRCPT TO:<alice@example.com>\n")
