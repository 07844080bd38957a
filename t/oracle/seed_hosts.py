"""The configurations that administrators really have, set up as they stand: which addresses they take, how they are
resolved, and what becomes of them. Data base tables are texthash files with the rows the queries would give; TLS, SASL,
milters and policy servers are left out, except where a sentence of the source says what a client would see."""
LIM = "smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nsmtpd_recipient_limit=1000\n"


def ask(cid, cfg, addrs, senders=("s@good.test",), ip=None):
    d = ("@%s\n" % ip if ip else "") + "EHLO mail.client.test\n"
    for s in senders:
        for a in addrs:
            d += "MAIL FROM:<%s>\nRCPT TO:<%s>\nRSET\n" % (s, a)
    case(cid, cfg, d, limit=100)


LOG = "maillog_file = @ROOT@/log\nmaillog_file_prefixes = /var\n"
SHOW = "!sh sed -nE 's/.*postfix.(smtp|lmtp|local|virtual|error|relay|discard)\\[[0-9]+.: [0-9A-Za-z]+: (to=.*)/\\2/p' $ROOT/log | sed -E 's/delay=[^ ]*, delays=[^ ]*/D/' | sort; : > $ROOT/log\n"
# ---- 000: an incoming gateway with Cyrus behind it
S000 = """myhostname = mrelay1.example.com
mydomain = example.com
cfgdir = @CONF@
mynetworks_style = host
inet_protocols = ipv4,ipv6
message_size_limit = 15728640
smtpd_banner = $myhostname ESMTP $mail_name
myorigin = $mydomain
masquerade_domains = !ml.example.com, example.com
relay_domains = friend-domain.com
virtual_alias_maps = lmdb:$cfgdir/v_aliases
virtual_alias_domains = ml.example.com, my-other-domain.com
virtual_mailbox_domains = example.com, sample.com
virtual_transport = lmtp:unix:@ROOT@/lmtp.sock
mydestination = $myhostname, localhost.$mydomain, localhost
alias_maps = lmdb:$cfgdir/aliases
alias_database = lmdb:$cfgdir/aliases
mail_spool_directory = /var/mail
transport_maps = lmdb:$cfgdir/transport
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks, reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname, reject_unknown_helo_hostname, permit
smtpd_sender_restrictions = check_sender_access texthash:$cfgdir/access, reject_non_fqdn_sender, reject_unknown_sender_domain, permit
smtpd_recipient_restrictions = reject_non_fqdn_recipient, reject_unknown_recipient_domain, permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination, reject_unlisted_recipient, reject_rbl_client bl.test, permit
"""
F000 = {"v_aliases": "list@ml.example.com alice@example.com, bob@example.com\ninfo@my-other-domain.com carol@sample.com\n@ml.example.com listmaster@example.com\n",
        "transport": "friend-domain.com smtp:[198.51.100.1]\nold.example.com error:5.1.6 moved\n.example.com smtp:[198.51.100.2]\n",
        "access": "bad@good.test REJECT\nspam.test REJECT\nunsub@good.test DISCARD\n"}
config("s000", main=S000 + LIM + LOG, files=F000, maps=["lmdb:v_aliases", "lmdb:transport"], aliases=False,
       setup="printf 'postmaster: root\\nroot: alice\\nlistmaster: root\\n' > @CONF@/aliases; postalias lmdb:@CONF@/aliases", fixtures=["lmtp @ROOT@/lmtp.sock"])
A000 = ["alice@example.com", "Alice@Example.COM", "anybody@sample.com", "list@ml.example.com", "other@ml.example.com", "info@my-other-domain.com",
        "none@my-other-domain.com", "u@friend-domain.com", "u@sub.friend-domain.com", "root@mrelay1.example.com", "postmaster@localhost", "listmaster@localhost",
        "nobody-here@mrelay1.example.com", "alice@localhost.example.com", "u@old.example.com", "u@host.example.com", "alice", "u@good.test", "u@nx.test",
        "alice@[192.0.2.1]", "u%good.test@example.com", "good.test!u@example.com", "postmaster"]
ask("000", "s000", A000, ("s@good.test", "bad@good.test", "x@spam.test", "unsub@good.test", "s@nx.test", "s", "", "alice@example.com"))
ask("000-local", "s000", A000, ("alice@host.example.com",), "192.0.2.1")
d = "@192.0.2.1\nEHLO mrelay1.example.com\n"
for i, r in enumerate(["list@ml.example.com", "alice@example.com", "u@friend-domain.com", "info@my-other-domain.com", "other@ml.example.com"]):
    d += "MAIL FROM:<u%d@www.example.com>\nRCPT TO:<%s>\nDATA\n!msg masq\n!drain\n" % (i, r)
msg("masq", "From: Web <u@www.example.com>\nTo: list@ml.example.com, x@a.b.example.com\nCc: y@sub.ml.example.com\nSubject: x\n\nb\n")
case("000-mail", "s000", d + SHOW, limit=100)

# ---- 001: Debian's package, amavis, masquerading; the second part is OpenBSD's
S001 = """smtpd_banner = fire.deimos.fr - Microsoft Exchange (5.5)
biff = no
disable_vrfy_command = yes
smtpd_helo_required = yes
reject_unknown_recipient_domain = yes
append_dot_mydomain = no
myhostname = fire.deimos.fr
mydomain = deimos.fr
alias_maps = hash:@CONF@/aliases
alias_database = hash:@CONF@/aliases.db
myorigin = @CONF@/mailname
mydestination = deimos.fr, fire, localhost
relayhost =
mynetworks = 127.0.0.0/8, 192.168.0.0/24, 10.8.0.0
home_mailbox = Maildir/
mailbox_size_limit = 0
recipient_delimiter = +
masquerade_domains = deimos.fr
smtpd_client_restrictions = reject_rbl_client bl.test
smtpd_recipient_restrictions =  permit_sasl_authenticated,
                                permit_mynetworks,
                                reject_unauth_destination,
                                reject_invalid_hostname,
                                reject_non_fqdn_sender,
                                reject_unknown_sender_domain,
                                reject_non_fqdn_recipient,
                                reject_unknown_recipient_domain,
                                reject_rhsbl_client rhsbl.test,
                                reject_rhsbl_sender rhsbl.test,
                                reject_rbl_client bl.test,
                                permit
smtpd_data_restrictions = reject_unauth_pipelining
"""
A001 = ["alice@deimos.fr", "alice+x@deimos.fr", "ALICE@deimos.fr", "nobody-here@deimos.fr", "root@deimos.fr", "root+ext@fire", "alice@fire", "alice@localhost",
        "alice@fire.deimos.fr", "alice", "u@good.test", "postmaster@deimos.fr", "alice%good.test@deimos.fr", "u@mavro.fr", "@deimos.fr", "alice@[192.0.2.1]"]
config("s001", main=S001 + LIM + LOG, files={"mailname": "deimos.fr\n"})
ask("001", "s001", A001, ("s@good.test", "s@nx.test", "s", "", "x@bad-sender.test"))
FILTER = "content_filter = amavis:[127.0.0.1]:10024\nreceive_override_options = no_address_mappings\n"
AMAVIS = """amavis unix - - n - 2 smtp
127.0.0.1:10025 inet n - n - - smtpd
  -o content_filter=
  -o receive_override_options=no_unknown_recipient_checks
  -o smtpd_recipient_restrictions=permit_mynetworks,reject
  -o smtpd_client_restrictions=
"""
config("s001f", main=S001 + FILTER + LIM + LOG, master=AMAVIS, files={"mailname": "deimos.fr\n"}, fixtures=["sink amavis 127.0.0.1:10024"])
case("001-filter", "s001f", "EHLO mail.client.test\nMAIL FROM:<u@good.test>\nRCPT TO:<alice+x@deimos.fr>\nRCPT TO:<root@fire>\nDATA\n!msg masq\n!drain\n" + SHOW, limit=100)
config("s001b", main=S001 + LIM + LOG + "default_transport=smtp:[198.51.100.1]\nlocal_transport=smtp:[198.51.100.1]\nunknown_local_recipient_reject_code = 550\ndebug_peer_level = 2\ninet_protocols = all\n",
       files={"mailname": "deimos.fr\n"})
ask("001-openbsd", "s001b", A001)
d = ""
for i, r in enumerate(["alice", "alice+x", "u@good.test", "alice@fire", "alice@www"]):
    d += "!sh printf 'From: bob@www.deimos.fr\\nTo: %s, carol@a.b.deimos.fr\\n\\nb\\n' | sendmail -f u%d@www.deimos.fr %s\n!drain\n" % (r, i, r)
case("001-sendmail", "s001b", d + SHOW, limit=100)

# ---- 002: falcot.com
S002 = """smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mail.falcot.com
mydomain = falcot.com
alias_maps = hash:@CONF@/aliases
alias_database = hash:@CONF@/aliases
mydestination = mail.falcot.com, falcot.com, localhost.localdomain, localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 192.168.0.0/16
mailbox_size_limit = 0
recipient_delimiter = +
default_transport = smtp
relay_transport = smtp
inet_protocols = all
myorigin = @CONF@/mailname
virtual_alias_domains = falcotsbrand.com
virtual_alias_maps = hash:@CONF@/virtual
virtual_mailbox_domains = falcot.org
virtual_mailbox_maps = hash:@CONF@/vmailbox
virtual_mailbox_base = @ROOT@/vhosts
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
"""
F002 = {"mailname": "mail.falcot.com\n", "virtual": "webmaster@falcotsbrand.com  jean@falcot.com\ncontact@falcotsbrand.com    laure@falcot.com, sophie@falcot.com\n# all others\n@falcotsbrand.com   @falcot.com\n",
        "vmailbox": "jean@falcot.org    falcot.org/jean/\nsophie@falcot.org  falcot.org/sophie/\n",
        "recipient_access": "postmaster@falcot.com permissive\nsupport@falcot.com permissive\nsales-asia@falcot.com permissive\njoe@falcot.com aggressive\nsympa@falcot.com reject_unlisted_sender\nfalcot.com greylisting\n",
        "access_sender": "good-friend@good.test OK\nenemy@good.test REJECT\n", "access_clientip": "203.0.113.11 OK\n", "access_helo": "falcot.com REJECT You are not in our network!\n"}
A002 = ["webmaster@falcotsbrand.com", "WEBMASTER@FalcotsBrand.com", "webmaster+x@falcotsbrand.com", "contact@falcotsbrand.com", "jean@falcotsbrand.com", "nobody-here@falcotsbrand.com",
        "jean@falcot.org", "jean+x@falcot.org", "sophie@falcot.org", "other@falcot.org", "jean@falcot.com", "laure+x@falcot.com", "nobody-here@falcot.com", "jean", "jean@mail.falcot.com",
        "jean@localhost.localdomain", "jean@localhost", "postmaster@falcot.com", "postmaster@falcot.org", "support@falcot.com", "joe@falcot.com", "sympa@falcot.com", "u@good.test",
        "root", "jean@machine", "jean@sub.falcot.com"]
SETUP = "mkdir -p @ROOT@/vhosts; chown 5000 @ROOT@/vhosts"
config("s002", main=S002 + LIM + LOG, files=F002, maps=["hash:virtual", "hash:vmailbox"], setup=SETUP)
ask("002", "s002", A002)
ask("002-inside", "s002", A002, ip="127.0.0.1")
RULES = {
    "client": "smtpd_client_restrictions = permit_mynetworks, warn_if_reject reject_unknown_client_hostname, check_client_access hash:@CONF@/access_clientip, reject_rhsbl_reverse_client rhsbl.test, reject_rbl_client bl.test\n",
    "helo": "smtpd_helo_required = yes\nsmtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, warn_if_reject reject_unknown_helo_hostname, check_helo_access hash:@CONF@/access_helo, reject_rhsbl_helo rhsbl.test\n",
    "sender": "smtpd_sender_restrictions = check_sender_access hash:@CONF@/access_sender, reject_unknown_sender_domain, reject_unlisted_sender, reject_non_fqdn_sender, reject_rhsbl_sender rhsbl.test\n",
    "rcpt": "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_unlisted_recipient, reject_non_fqdn_recipient, permit\n",
    "class": "smtpd_restriction_classes = greylisting, aggressive, permissive\ngreylisting = warn_if_reject reject_unknown_client_hostname\naggressive = reject_rbl_client bl.test\n"
             "permissive = permit\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, check_recipient_access hash:@CONF@/recipient_access\n",
}
for k, v in RULES.items():
    config("s002" + k, main=S002 + v + LIM, files=F002, maps=["hash:virtual", "hash:vmailbox", "hash:recipient_access", "hash:access_sender", "hash:access_clientip", "hash:access_helo"],
           setup=SETUP)
    ask("002-" + k, "s002" + k, A002, ("s@good.test", "joe.bloggs@falcot.com", "jean@falcot.com", "enemy@good.test", "s@nx.test", "user@machine", ""))

# ---- 003: mail.example.net; what SQL says is in files
S003 = """mydomain = example.net
mydestination = $myhostname, localhost.$mydomain, localhost
myhostname = mail.${mydomain}
myorigin = charlotte.${mydomain}
recipient_delimiter = +-
strict_rfc821_envelopes = yes
notify_classes =
delay_warning_time = 6h
biff = no
message_size_limit = 26214400
mailbox_size_limit = 16106127360
mynetworks = cidr:${config_directory}/mynetworks.cidr
virtual_mailbox_domains = texthash:${config_directory}/virtual-domains
virtual_mailbox_maps = texthash:${config_directory}/virtual-mailboxes
alias_maps = $alias_database
virtual_alias_maps =

    # Lookup table to foward local mail to virtual mailboxes
    hash:${config_directory}/virtual

    # MySQL query to lookup aliases in hosted domains
    texthash:${config_directory}/virtual-aliases
virtual_transport = lmtp:unix:@ROOT@/lmtp.sock
transport_maps = hash:${config_directory}/transport
proxy_interfaces = 203.0.113.99
smtpd_client_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_unknown_client_hostname
smtpd_helo_required = yes
smtpd_helo_restrictions =
    permit_mynetworks
    reject_invalid_helo_hostname
    reject_non_fqdn_helo_hostname
    reject_unknown_helo_hostname
smtpd_sender_restrictions =
    permit_mynetworks
    #reject_non_fqdn_sender
    #reject_unknown_sender_domain
    reject_unlisted_sender
smtpd_relay_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_unauth_destination
smtpd_recipient_restrictions =
    permit_auth_destination
    reject_non_fqdn_recipient
    reject_unauth_destination
    reject_unknown_recipient_domain
    reject_unlisted_recipient
smtpd_data_restrictions = reject_unauth_pipelining
mua_client_restrictions =
    permit_sasl_authenticated
    permit
mua_sender_restrictions =
    permit
"""
F003 = {"mynetworks.cidr": "127.0.0.0/8 OK\n[::1]/128 OK\n203.0.113.50/32 OK\n", "virtual-domains": "example.net 1\nalainwolf.ch 1\n",
        "virtual-mailboxes": "john@alainwolf.ch 1\nadmin@example.net 1\npostmaster@example.net 1\nwebmaster@example.net 1\nabuse@example.net 1\nhostmaster@example.net 1\n",
        "virtual-aliases": "sales@example.net john@alainwolf.ch\nteam@alainwolf.ch john@alainwolf.ch,admin@example.net\n@alainwolf.ch john@alainwolf.ch\n",
        "virtual": "# Redirect mail for local users of this host to example.net\nabuse       abuse@example.net\nclamav      admin@example.net\ndaemon      admin@example.net\nhostmaster  hostmaster@example.net\n"
                   "list        postmaster@example.net\npostmaster  postmaster@example.net\nroot        admin@example.net\nsecurity    admin@example.net\nsupport     admin@example.net\n"
                   "webmaster   webmaster@example.net\njohn        john@alainwolf.ch\nwww-data    webmaster@example.net\n",
        "transport": "partner.test smtp:[198.51.100.1]\nslow@partner.test smtp:[198.51.100.2]\n"}
A003 = ["john@alainwolf.ch", "john+x@alainwolf.ch", "john-x@alainwolf.ch", "john-x+y@alainwolf.ch", "other@alainwolf.ch", "team@alainwolf.ch", "admin@example.net", "nobody@example.net",
        "sales@example.net", "sales-x@example.net", "postmaster@example.net", "john", "john-ext", "postmaster", "root@charlotte.example.net", "root@mail.example.net", "www-data@mail.example.net",
        "www@mail.example.net", "nobody-here@mail.example.net", "john@localhost", "u@partner.test", "slow@partner.test", "u@good.test", "u@nx.test", "@example.net", "john@[192.0.2.1]",
        "john@[203.0.113.99]", "owner-john@alainwolf.ch", "john@sub.example.net", "john@EXAMPLE.NET"]
config("s003", main=S003 + LIM + LOG, files=F003, maps=["hash:virtual", "hash:transport"], fixtures=["lmtp @ROOT@/lmtp.sock"])
ask("003", "s003", A003, ("s@good.test", "john@alainwolf.ch", "nobody@example.net", ""))
ask("003-inside", "s003", A003, ip="203.0.113.50")
d = "@203.0.113.50\nEHLO mail.client.test\n"
for i, r in enumerate(A003[:14] + ["root@mail.example.net", "www-data@mail.example.net", "u@partner.test"]):
    d += "MAIL FROM:<u%02d@good.test>\nRCPT TO:<%s>\nDATA\n!msg\nRSET\n!drain\n" % (i, r)
case("003-mail", "s003", d + SHOW, limit=100)

# ---- 004: one host, local users
S004 = """myhostname = example.com
mydomain = $myhostname
myorigin = $mydomain
inet_protocols = all
mydestination = $mydomain, localhost
mynetworks_style = host
home_mailbox = Maildir/
smtpd_banner = $myhostname ESMTP Why, hello there!
smtpd_client_restrictions = reject_unknown_client_hostname, permit
smtpd_helo_required = yes
smtpd_helo_restrictions = reject_unknown_helo_hostname, reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname, permit
smtpd_sender_login_maps = pcre:@CONF@/login_maps.pcre
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_sender_login_mismatch, reject_unknown_sender_domain, permit
"""
R004 = {"": "smtpd_recipient_restrictions = permit_sasl_authenticated, reject_unauth_destination, permit\n",
        "rbl": "smtpd_recipient_restrictions = \n  permit_sasl_authenticated, \n  reject_invalid_hostname, \n  reject_non_fqdn_sender,\n  reject_non_fqdn_recipient,\n  reject_unauth_destination,\n"
               "  reject_rbl_client bl.test,\n  reject_rbl_client wl.test,\n  permit\n"}
A004 = ["me@example.com", "nonexistent@example.com", "postmaster@example.com", "me@localhost", "me", "testuser@example.com", "u@good.test", "me+x@example.com", "root@example.com", "ME@Example.Com"]
for k, v in R004.items():
    config("s004" + k, main=S004 + v + LIM, files={"login_maps.pcre": "/^(.*)@example.com$/   ${1}\n"})
    ask("004" + k, "s004" + k, A004, ("testuser@internet.test", "s@good.test", "me@example.com", "askljdas@nx.test", "blarghhh", ""))
    ask("004-listed" + k, "s004" + k, A004, ip="203.0.113.20")
