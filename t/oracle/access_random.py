# Random rule lists in every stage, from a fixed seed, asked by clients of all kinds; replies and the log.
import random
rnd = random.Random(5)
B = """relay_domains = relay.test
local_recipient_maps = inline:{alice=x, bob=x}
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_log_access_permit_actions = static:all
maps_rbl_domains = bl.test
permit_mx_backup_networks = 198.51.100.0/24
smtpd_restriction_classes = c1, c2, c3
c1 = reject_non_fqdn_helo_hostname, permit_auth_destination
c2 = check_sender_access inline:{good.test=c3, nx.test=DUNNO}, defer_if_reject
c3 = warn_if_reject reject_unknown_sender_domain, check_helo_access inline:{x=OK}
"""
ANY = ["reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname", "reject_rbl_client bl.test", "reject_rbl_client bl.test=127.0.0.[2..4]", "permit_dnswl_client wl.test", "reject_rhsbl_client rhsbl.test", "reject_rhsbl_reverse_client rhsbl.test",
       "reject_rhsbl_helo rhsbl.test", "reject_rhsbl_sender rhsbl.test", "reject_rhsbl_recipient rhsbl.test", "permit_rhswl_client rhsbl.test", "reject_maps_rbl", "reject_invalid_helo_hostname", "reject_non_fqdn_helo_hostname", "reject_unknown_helo_hostname",
       "permit_naked_ip_address", "reject_non_fqdn_sender", "reject_unknown_sender_domain", "reject_unlisted_sender", "reject_non_fqdn_recipient", "reject_unknown_recipient_domain", "reject_unlisted_recipient", "reject_unauth_destination", "permit_auth_destination",
       "defer_unauth_destination", "permit_mx_backup", "reject_multi_recipient_bounce", "reject_unauth_pipelining", "reject_plaintext_session", "permit_mynetworks", "permit_inet_interfaces", "permit_sasl_authenticated", "permit_tls_clientcerts", "permit_tls_all_clientcerts",
       "defer_if_permit", "defer_if_reject", "c1", "c2", "c3", "permit", "reject", "defer", "check_relay_domains", "reject_unknown_recipient_domain", "reject_authenticated_sender_login_mismatch", "nosuch_restriction", "sleep 0"]
ACT = ["OK", "REJECT", "DEFER", "DUNNO", "DEFER_IF_PERMIT", "DEFER_IF_REJECT dir", "450 4.1.1 code", "554 text", "c1", "c2", "reject_unauth_destination", "permit_mynetworks, reject", "WARN w", "INFO i", "warn_if_reject reject", "PREPEND X: y", "HOLD", "RELAY", "reject_unknown_sender_domain"]
KEY = {"client": ["mail.client.test", "client.test", "203.0.113.20", "203.0.113", "unknown"], "reverse_client_hostname": ["forged.client.test", "client.test", "unknown"], "helo": ["x", "mail.client.test", "test", "[203.0.113.10]"], "sender": ["a@good.test", "good.test", "a@", "nx.test", "<>"],
       "recipient": ["alice@example.com", "example.com", "alice@", "relay.test", "remote.test"]}
def check():
    w = rnd.choice(list(KEY))
    return "check_%s_access inline:{ %s }" % (w, " ".join("{%s = %s}" % (k, rnd.choice(ACT)) for k in rnd.sample(KEY[w], 2)))
def server():
    return "check_%s_%s_access inline:{ {198.51.100.66 = %s} {ns.evil.test = %s} {mx1.good.test = %s} {203.0.113.30 = REJECT} }" % (rnd.choice(["client", "helo", "sender", "recipient", "reverse_client_hostname"]), rnd.choice(["mx", "ns", "a"]), rnd.choice(["REJECT", "DUNNO", "OK", "DEFER"]), rnd.choice(["REJECT", "DUNNO"]), rnd.choice(["REJECT", "DUNNO", "450 x"]))
def rules(n):
    l = []
    for _ in range(rnd.randint(0, n)):
        r = rnd.random()
        x = check() if r < 0.35 else server() if r < 0.45 else rnd.choice(ANY)
        if x in ("permit", "reject", "defer") and rnd.random() < 0.6:
            continue
        l.append(("warn_if_reject " if rnd.random() < 0.12 else "") + x)
    return rnd.choice([", ", " ", "\n    "]).join(l)
LOG = """!sh sleep 0.2; sed -nE 's/^.*postfix\\/(smtpd)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | grep -v 'deprecated\\|will be removed\\|Use permit_myn' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/'; : > /var/oracle/maillog
"""
T = """@%s
EHLO %s
ETRN relay.test
MAIL FROM:<%s>
RCPT TO:<alice@example.com>
RCPT TO:<nobody@example.com>
RCPT TO:<u@relay.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@nx.test>
VRFY bob
DATA
!msg
RSET
!close
"""
WHO = [("203.0.113.10", "mail.client.test", "a@good.test"), ("203.0.113.11", "x", "a@nx.test"), ("203.0.113.12", "[203.0.113.12]", ""), ("203.0.113.20", "bad-helo.test", "a@mxbad.test"), ("203.0.113.23", "foo..bar", "a@servfail.test"), ("192.0.2.1", "localhost", "a"), ("203.0.113.30", "naked.test", "a@bad-sender.test")]
for n in range(14):
    m = B + "smtpd_delay_reject = %s\nsmtpd_relay_before_recipient_restrictions = %s\nsmtpd_reject_unlisted_sender = %s\n" % (rnd.choice(["yes", "yes", "no"]), rnd.choice(["yes", "no"]), rnd.choice(["yes", "no"]))
    for st, k in (("client", 4), ("helo", 3), ("sender", 4), ("recipient", 5), ("data", 2), ("end_of_data", 2), ("etrn", 2)):
        r = rules(k)
        if r:
            m += "smtpd_%s_restrictions = %s\n" % (st, r)
    m += "smtpd_relay_restrictions = %s reject_unauth_destination\n" % rules(2)
    config("arnd-%d" % n, main=m)
    for i, w in enumerate(WHO):
        case("arnd-%02d-%d" % (n, i), "arnd-%d" % n, T % w + LOG)
