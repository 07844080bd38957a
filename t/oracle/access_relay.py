# Relay control, rule lists, unknown recipients.
config("dflt", main="relay_domains = relay.test\nlocal_recipient_maps =\nsmtpd_error_sleep_time = 0\n")
RC = """
EHLO mail.client.test
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<u@relay.test>
RCPT TO:<alice@example.com>
RCPT TO:<alice>
RCPT TO:<u%remote.test@example.com>
RCPT TO:<u@remote.test@example.com>
RCPT TO:<u%remote.test>
RCPT TO:<remote.test!u>
RCPT TO:<"u@remote.test">
RCPT TO:<u@sub.relay.test>
RCPT TO:<u@[192.0.2.1]>
RCPT TO:<u@[203.0.113.254]>
RCPT TO:<@relay.test:u@remote.test>
RCPT TO:<u@RELAY.TEST>
RCPT TO:<u@mx.example.com>
VRFY u@remote.test
VRFY alice
"""
case("default", "dflt", RC)
case("default-local", "dflt", "@127.0.0.1>127.0.0.1:25\n" + RC)
config("bare", main="", base_master=True)
case("bare", "bare", RC)
case("bare-local", "bare", "@127.0.0.1>127.0.0.1:25\n" + RC)
config("immediate", main="relay_domains = relay.test\nsmtpd_delay_reject = no\nlocal_recipient_maps =\nsmtpd_error_sleep_time = 0\n")
case("no-delay", "immediate", RC)
LISTS = {
    "reject-client": "smtpd_client_restrictions = reject\n",
    "reject-helo": "smtpd_helo_restrictions = reject\n",
    "reject-sender": "smtpd_sender_restrictions = reject\n",
    "reject-relay": "smtpd_relay_restrictions = reject\n",
    "reject-rcpt": "smtpd_recipient_restrictions = reject\n",
    "reject-data": "smtpd_data_restrictions = reject\n",
    "reject-eod": "smtpd_end_of_data_restrictions = reject\n",
    "reject-etrn": "smtpd_etrn_restrictions = reject\n",
    "defer-client": "smtpd_client_restrictions = defer\n",
    "defer-rcpt": "smtpd_recipient_restrictions = defer\n",
    "warn": "smtpd_client_restrictions = warn_if_reject reject\nsmtpd_recipient_restrictions = warn_if_reject, reject_unauth_destination, permit\n",
    "permit-client": "smtpd_client_restrictions = permit, reject\n",
    "permit-rcpt": "smtpd_recipient_restrictions = permit\n",
    "unknown": "smtpd_recipient_restrictions = permit_mynetworks, foo, reject\n",
    "unknown-client": "smtpd_client_restrictions = foo bar\n",
    "guard-rcpt": "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n",
    "guard-defer": "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, defer\n",
    "guard-450": "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, check_relay_domains\n",
    "defer-unauth": "smtpd_relay_restrictions = permit_mynetworks, defer_unauth_destination\n",
    "mynet": "mynetworks = 203.0.113.0/24\n",
    "mynet-not": "mynetworks = !203.0.113.10, 203.0.113.0/24\n",
    "mynet-table": "mynetworks = inline:{203.0.113.10=x}\n",
    "mynet-bad": "mynetworks = fail:/x\n",
    "relay-bad": "relay_domains = fail:x\n",
    "codes": "smtpd_client_restrictions = permit\nrelay_domains_reject_code = 551\nreject_code = 552\naccess_map_reject_code = 553\nsmtpd_recipient_restrictions = reject\n",
    "style": "mynetworks_style = host\nmynetworks =\n",
    "spaces": "smtpd_recipient_restrictions =\n    permit_mynetworks\n    reject_unauth_destination ,, ,\n    permit\n",
    "case": "smtpd_recipient_restrictions = PERMIT_MYNETWORKS, Reject_Unauth_Destination, REJECT\n",
    "braces": "smtpd_recipient_restrictions = { permit_mynetworks }, reject\n",
    "trailing": "smtpd_recipient_restrictions = check_client_access\n",
    "trailing2": "smtpd_recipient_restrictions = check_client_access, reject\n",
    "sleep": "smtpd_client_restrictions = sleep 1\nsmtpd_recipient_restrictions = sleep abc, reject\n",
    "classes": "smtpd_restriction_classes = c1, c2\nc1 = permit_mynetworks, c2\nc2 = reject_unauth_destination, reject\nsmtpd_recipient_restrictions = c1\n",
    "defer-if-permit": "smtpd_sender_restrictions = defer_if_permit\nsmtpd_recipient_restrictions = permit\n",
    "defer-if-reject": "smtpd_sender_restrictions = defer_if_reject\nsmtpd_recipient_restrictions = reject\n",
    "unlisted": "smtpd_recipient_restrictions = reject_unlisted_recipient, reject_unauth_destination\nlocal_recipient_maps = inline:{alice=x}\n",
    "plaintext": "smtpd_recipient_restrictions = reject_plaintext_session\n",
    "swap": "swap_bangpath = no\nallow_percent_hack = no\n",
    "untrusted": "allow_untrusted_routing = yes\n",
    "lonely-warn": "smtpd_recipient_restrictions = reject_unauth_destination, warn_if_reject\n",
    "long-code": "access_map_reject_code = 550\nreject_code = 999\nsmtpd_recipient_restrictions = reject\n",
}
RC2 = """
@%s
EHLO mail.client.test
ETRN relay.test
MAIL FROM:<a@good.test>
RCPT TO:<u@remote.test>
RCPT TO:<alice@example.com>
RCPT TO:<nobody-such@example.com>
RCPT TO:<u%%remote.test@example.com>
DATA
!msg
VRFY alice
QUIT
"""
for name, main in LISTS.items():
    config("l-" + name, main=("" if "local_recipient_maps" in main else "local_recipient_maps =\n") + ("" if "relay_domains" in main else "relay_domains = relay.test\n") + "smtpd_error_sleep_time = 0\n" + main)
    case("list-" + name, "l-" + name, RC2 % "203.0.113.10")
    if name.startswith(("reject-", "warn")):
        config("i-" + name, main="relay_domains = relay.test\nlocal_recipient_maps =\nsmtpd_error_sleep_time = 0\nsmtpd_delay_reject = no\n" + main)
        case("now-" + name, "i-" + name, RC2 % "203.0.113.10")
case("defer-unauth-local", "l-defer-unauth", RC2 % "127.0.0.1>127.0.0.1:25")
UN = """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<Alice@Example.com>
RCPT TO:<alice+ext@example.com>
RCPT TO:<nosuch@example.com>
RCPT TO:<nosuch>
RCPT TO:<postmaster@example.com>
RCPT TO:<postmaster>
RCPT TO:<MAILER-DAEMON@mx.example.com>
RCPT TO:<double-bounce@example.com>
RCPT TO:<nosuch@relay.test>
RCPT TO:<u@relay.test>
RCPT TO:<nosuch@vmail.test>
RCPT TO:<v@vmail.test>
RCPT TO:<nosuch@valias.test>
RCPT TO:<al@valias.test>
RCPT TO:<"nosuch"@example.com>
RCPT TO:<nosuch@[192.0.2.1]>
RCPT TO:<alice@[192.0.2.1]>
RCPT TO:<canon@example.com>
RCPT TO:<moved@example.com>
VRFY nosuch
VRFY alice
VRFY nosuch@relay.test
"""
V = ("relay_domains = relay.test\nrelay_recipient_maps = inline:{u@relay.test=x}\nvirtual_mailbox_domains = vmail.test\nvirtual_mailbox_maps = inline:{v@vmail.test=x}\n"
     "virtual_alias_domains = valias.test\nvirtual_alias_maps = inline:{al@valias.test=alice}\nlocal_recipient_maps = inline:{alice=x}\nsmtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 100\n"
     "canonical_maps = inline:{canon@example.com=alice}\nrelocated_maps = inline:{moved@example.com=elsewhere}\n")
config("unk", main=V)
case("unlisted", "unk", UN)
config("unk-ext", main=V + "recipient_delimiter = +\nshow_user_unknown_table_name = no\n")
case("unlisted-ext", "unk-ext", UN)
config("unk-code", main=V + "unknown_local_recipient_reject_code = 450\nunknown_relay_recipient_reject_code = 551\nunknown_virtual_alias_reject_code = 552\nunknown_virtual_mailbox_reject_code = 553\n")
case("unlisted-code", "unk-code", UN)
config("unk-off", main=V + "smtpd_reject_unlisted_recipient = no\n")
case("unlisted-off", "unk-off", UN)
config("unk-snd", main=V + "smtpd_reject_unlisted_sender = yes\n")
case("unlisted-sender", "unk-snd", """
EHLO x
MAIL FROM:<nosuch@example.com>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<alice@example.com>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<nosuch@relay.test>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<al@valias.test>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<nosuch@valias.test>
RCPT TO:<nosuch@valias.test>
""")
config("unk-sndrestr", main=V + "smtpd_sender_restrictions = reject_unlisted_sender\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unlisted_recipient, reject_unauth_destination\n")
case("unlisted-restr", "unk-sndrestr", """
EHLO x
MAIL FROM:<nosuch@example.com>
RCPT TO:<alice@example.com>
RSET
MAIL FROM:<a@good.test>
RCPT TO:<nosuch@example.com>
RCPT TO:<nosuch@remote.test>
""")
config("unk-dflt", main="smtpd_error_sleep_time = 0\n")
case("unlisted-default", "unk-dflt", UN)
config("unk-fail", main="smtpd_error_sleep_time = 0\nlocal_recipient_maps = fail:x\n")
case("unlisted-fail", "unk-fail", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
RCPT TO:<u@remote.test>
""")
config("unk-notrans", main="smtpd_error_sleep_time = 0\nlocal_transport = lmtp:unix:/x\nmailbox_transport = x\nlocal_recipient_maps =\nmydestination = example.com\nvirtual_alias_domains = example.com\n")
case("two-classes", "unk-notrans", """
EHLO x
MAIL FROM:<a@good.test>
RCPT TO:<alice@example.com>
""")
