# What is done to replies: soft_bounce, footers, command filters; every reply code parameter.
B = """relay_domains = relay.test, sinka.test
local_recipient_maps = inline:{alice=x}
relay_recipient_maps = inline:{u@sinka.test=x}
virtual_alias_domains = va.test
virtual_alias_maps = inline:{{x@va.test=alice}}
virtual_mailbox_domains = vm.test
virtual_mailbox_maps = inline:{{x@vm.test=x/}}
virtual_mailbox_base = /tmp
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
message_size_limit = 3000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
"""
L = """!sh sleep 0.3; sed -nE 's/^.*postfix\\/(smtpd|cleanup)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/' | sort -s -r -k1,1; : > /var/oracle/maillog
"""
msg("big", "%eval\n'Subject: big\\n\\n' + ('y' * 70 + '\\n') * 60")
msg("bignested", "%eval\n'Subject: hops\\n' + 'Received: by x\\n' * 60 + '\\nx\\n'")
T = """
EHLO
EHLO x
FOO
AUTH
STARTTLS
HELO
MAIL FROM
MAIL FROM:<a@good.test> SIZE=4000
MAIL FROM:<a@good.test> FOO
MAIL FROM:<a@
VRFY
VRFY nosuch
VRFY nosuch@va.test
ETRN
ETRN bad_
ETRN example.com
ETRN remote.test
RCPT TO:<alice>
MAIL FROM:<a@good.test>
MAIL FROM:<a@good.test>
ETRN relay.test
RCPT TO:<nosuch>
RCPT TO:<nosuch@sinka.test>
RCPT TO:<nosuch@va.test>
RCPT TO:<nosuch@vm.test>
RCPT TO:<u@remote.test>
RCPT TO:<
DATA
RCPT TO:<alice> FOO
RCPT TO:<u@sinka.test>
BDAT 0
BDAT 0
RSET
RSET x
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
DATA
!msg big
MAIL FROM:<a@good.test>
RCPT TO:<u@sinka.test>
DATA
!msg bignested
XCLIENT
XFORWARD
BDAT x
!eof
"""
config("plain", main=B)
case("plain", "plain", T + L)
config("soft", main=B + "soft_bounce = yes\n")
case("soft", "soft", T + L)
case("soft-http", "soft", "GET / HTTP\n!eof\n" + L)
config("soft-rbl", main=B + "soft_bounce = yes\nsmtpd_client_restrictions = check_client_access static:{521 5.7.1 x}\n")
case("soft-521", "soft-rbl", "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<alice>\nNOOP\n" + L)
config("soft-521-now", main=B + "soft_bounce = yes\nsmtpd_delay_reject = no\nsmtpd_client_restrictions = check_client_access static:{521 5.7.1 x}\n")
case("soft-521-now", "soft-521-now", "EHLO x\nMAIL FROM:<a@good.test>\nNOOP\n" + L)
FOOTERS = {"simple": "\\c. For help call $client_name", "line": "See http://x.test/?ip=$client_address&s=$server_name", "two": "line one\\nline two $recipient ${sender}\\nthree",
           "join-two": "\\c: more\\nthen ${recipient_domain} ${recipient_name} ${sender_domain} ${sender_name}", "cond": "${sender?from $sender}${recipient:none} ${helo_name?helo}",
           "unknown": "hello $nosuch there", "empty-lines": "a\\n\\nb", "crlf": "a\\r\\nb", "time": "${localtime?time} p${client_port?ort}", "escaped": "\\x \\\\n $$x", "join-empty": "\\c",
           "server": "$server_name $client $reverse_client_name [$client_address] $client_port" [:-len(" $client_port")]}
for n, f in FOOTERS.items():
    config("footer-" + n, main=B + "smtpd_reject_footer = %s\n" % f)
    case("footer-" + n, "footer-" + n, T)
config("footer-now", main=B + "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\nsmtpd_reject_footer = \\c; $client $sender $recipient $helo_name.\n")
case("footer-now", "footer-now", "EHLO x\nFOO\nQUIT\n")
config("footer-maps", main=B + "smtpd_reject_footer = default footer\nsmtpd_reject_footer_maps = pcre:{{/^5.*Relay/ \\c relay $client} {/^550 5.1.1 .*nosuch/ unknown\\nsee x} {/^500/ DUNNO}}, regexp:{{/^503/ \\c!}}\n")
case("footer-maps", "footer-maps", T)
config("footer-soft", main=B + "soft_bounce=yes\nsmtpd_reject_footer_maps = pcre:{{/^5/ five} {/^4/ four}}\n")
case("footer-soft", "footer-soft", T)
config("footer-multi", main=B + "smtpd_reject_footer = line2\\nline3\nsmtpd_hard_error_limit = 3\n")
case("footer-multi", "footer-multi", "EHLO x\nFOO\nFOO\n!eof\n" + L)
config("footer-limit", main=B + "smtpd_reject_footer = \\c. footer\nsmtpd_timeout = 1\n")
case("footer-timeout", "footer-limit", "EHLO x\n!sleep 2\n!read\n!eof\n" + L)
config("cmdfilter", main=B + "smtpd_command_filter = pcre:@CONF@/filter\n", files={"filter": """/^HELLO(.*)/ HELO$1
/^(MAIL FROM:<)\\s*(.*)/ $1$2
/^RCPT TO:\\s*([^<].*)$/ RCPT TO:<$1>
/^KILL/ BAD WORD
/^(DATA).*/ $1
/^NOOP$/ NOOP
"""})
case("cmdfilter", "cmdfilter", """
HELLO there
  HELLO there
KILL me
EMPTY
MAIL FROM:<  a@good.test>
RCPT TO: alice@example.com
RCPT TO:   u@sinka.test
DATA foo
!msg
noop
!raw 'NOOP\\xe4\\r\\n'
!read
!raw ' \\tNOOP\\r\\n'
!read
QUIT
""" + L)
CODES = "access_map_reject_code access_map_defer_code reject_code defer_code invalid_hostname_reject_code maps_rbl_reject_code multi_recipient_bounce_reject_code non_fqdn_reject_code plaintext_reject_code relay_domains_reject_code unknown_address_reject_code unknown_client_reject_code unknown_hostname_reject_code unknown_local_recipient_reject_code unknown_relay_recipient_reject_code unknown_virtual_alias_reject_code unknown_virtual_mailbox_reject_code".split()
R = """smtpd_restriction_classes = %s
%s
smtpd_recipient_restrictions = check_recipient_access inline:{%s}
"""
CL = {"c1": "check_sender_access static:REJECT", "c2": "check_sender_access static:DEFER", "c3": "reject", "c4": "defer", "c5": "reject_invalid_helo_hostname", "c6": "reject_rbl_client bl.test",
      "c7": "reject_multi_recipient_bounce", "c8": "reject_non_fqdn_sender", "c9": "reject_plaintext_session", "c10": "reject_unknown_sender_domain", "c11": "reject_unknown_client_hostname",
      "c12": "reject_unknown_helo_hostname", "c13": "reject_unknown_recipient_domain", "c14": "reject_non_fqdn_helo_hostname", "c15": "reject_unknown_reverse_client_hostname", "c16": "reject_non_fqdn_recipient",
      "c17": "reject_rhsbl_sender rhsbl.test", "c18": "reject_unauth_destination", "c19": "defer_unauth_destination", "c20": "check_relay_domains", "c21": "permit_mx_backup", "c22": "reject_unauth_pipelining"}
for set_, code in (("def", None), ("4xx", 4), ("5xx", 5), ("bad", 2), ("421", 421), ("521", 521)):
    m = B + R % (", ".join(CL), "\n".join("%s = %s" % kv for kv in CL.items()), " ".join("{%s@example.com = %s}" % (k, k) for k in CL))
    m = m.replace("local_recipient_maps = inline:{alice=x}", "local_recipient_maps = inline:{%s}" % " ".join("{%s=x}" % k for k in CL))
    if code:
        for i, k in enumerate(CODES):
            m += "%s = %d\n" % (k, code if code > 100 else code * 100 + 61 + i)
    config("codes-" + set_, main=m)
    for ip in ("203.0.113.12", "203.0.113.13"):
        if code and code > 100:
            for k in list(CL)[:12]:
                case("codes-%s-%s-%s" % (set_, ip, k), "codes-" + set_, "@%s\nHELO _x\nMAIL FROM:<a@nosuchdomain.test>\nRCPT TO:<%s@example.com>\nNOOP\n" % (ip, k) + L)
        else:
            case("codes-%s-%s" % (set_, ip), "codes-" + set_, "@%s\nHELO _x\nMAIL FROM:<a@nosuchdomain.test>\n" % ip + "".join("RCPT TO:<%s@example.com>\n" % k for k in CL) + "RSET\nMAIL FROM:<a>\n" +
                 "".join("RCPT TO:<%s@example.com>\n" % k for k in CL) + "RCPT TO:<nosuch>\nRCPT TO:<nosuch@sinka.test>\nRCPT TO:<nosuch@va.test>\nRCPT TO:<nosuch@vm.test>\nRCPT TO:<u@remote.test>\n" + L)
