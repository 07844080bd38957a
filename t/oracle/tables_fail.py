# A table that cannot answer, in every place where one is asked: what the client is told, and what happens to the mail.
DEAD = {"fail": "fail:x", "dead": "socketmap:inet:127.0.0.1:7099:m", "file": "hash:@CONF@/none"}
TALK = """
@203.0.113.10
EHLO mail.client.test
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<u@remote.test>
RCPT TO:<nobody@example.com>
RCPT TO:<u@relay.test>
RCPT TO:<u@virt.test>
RCPT TO:<u@box.test>
DATA
!msg
QUIT
"""
SHORT = """
EHLO mail.client.test
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
DATA
!msg
QUIT
"""
BASE = """relay_domains = relay.test
virtual_alias_domains = virt.test
virtual_alias_maps = inline:{{u@virt.test=alice}}
virtual_mailbox_domains = box.test
virtual_mailbox_maps = inline:{{u@box.test=box/}}
virtual_mailbox_base = /tmp
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
"""
smtpd = ["mynetworks", "mydestination", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains", "local_recipient_maps", "relay_recipient_maps", "virtual_alias_maps",
         "virtual_mailbox_maps", "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "transport_maps", "relocated_maps", "smtpd_discard_ehlo_keyword_address_maps",
         "smtpd_authorized_xclient_hosts", "smtpd_client_event_limit_exceptions", "sender_bcc_maps", "recipient_bcc_maps", "sender_dependent_relayhost_maps",
         "sender_dependent_default_transport_maps", "alias_maps", "smtpd_command_filter", "smtpd_sender_login_maps", "rbl_reply_maps", "masquerade_exceptions", "local_header_rewrite_clients",
         "smtpd_reject_footer_maps", "fast_flush_domains"]
for p in smtpd:
    for n in ("fail", "dead") if p in ("mynetworks", "virtual_alias_maps", "local_recipient_maps", "transport_maps", "canonical_maps") else ("fail",):
        extra = "smtpd_sender_restrictions = reject_sender_login_mismatch\n" if p == "smtpd_sender_login_maps" else ""
        prefix = "check_address_map " if p == "local_header_rewrite_clients" else ""
        base = "".join(line + "\n" for line in BASE.splitlines() if not line.startswith(p + " "))
        config(p + "-" + n, main=base + "%s = %s%s\n%s" % (p, prefix, DEAD[n], extra))
        case(p + "-" + n, p + "-" + n, SHORT if p in ("sender_bcc_maps", "recipient_bcc_maps") else TALK)
for p in ("client", "helo", "sender", "recipient", "relay", "data", "end_of_data", "etrn"):
    for check in ("check_client_access", "check_helo_access", "check_sender_access", "check_recipient_access", "check_etrn_access", "check_reverse_client_hostname_access", "check_client_a_access",
                  "check_sender_mx_access", "check_recipient_ns_access", "check_sasl_access", "check_ccert_access", "check_helo_mx_access"):
        if (p in ("client", "data", "end_of_data", "helo", "etrn") and check not in ("check_client_access", "check_helo_access", "check_sender_access")) and not (p == "etrn" and check == "check_etrn_access"):
            continue
        if p != "etrn" and check == "check_etrn_access" or p == "relay" and check != "check_recipient_access":
            continue
        name = "%s-%s" % (p, check)
        rest = "permit_mynetworks, reject_unauth_destination" if p == "relay" else ""
        config(name, main=BASE + "smtpd_%s_restrictions = %s fail:x%s\n" % (p, check, ", " + rest if rest else "") + ("relay_domains = relay.test\nsmtpd_client_restrictions =\n" if p == "etrn" else ""))
        case(name, name, "EHLO mail.client.test\nETRN relay.test\n" + SHORT)
for p in ["smtp_discard_ehlo_keyword_address_maps", "smtp_pix_workaround_maps", "smtp_connection_cache_destinations", "fallback_transport_maps", "virtual_uid_maps"]:
    base = "".join(line + "\n" for line in BASE.splitlines() if not line.startswith(p + " "))
    config("d-" + p, main=base + "%s = fail:x\nrelay_domains = relay.test\nrelayhost = [198.51.100.1]\n" % p)
    case("d-" + p, "d-" + p, "!deliver a@good.test u@%s.test\n!sleep 1\n!queue\n" % ("box" if p.startswith("virtual") else "relay"))
