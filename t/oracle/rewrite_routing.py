"""Transport and next hop: transport_maps in all forms, relayhost and its sender-dependent relatives, classes, domains
in two classes, relocated_maps. The error transport shows its next hop in the reply, so most answers need no delivery."""
LIM = "smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nsmtpd_recipient_limit=1000\n"
NET = "mynetworks = 127.0.0.0/8 203.0.113.0/24\n"
B = (LIM + NET + "local_transport=error\ndefault_transport=error\nrelay_transport=error\nvirtual_transport=error\n"
     "relay_domains=relay.test\nvirtual_alias_domains=valias.test\nvirtual_mailbox_domains=vmail.test\n"
     "virtual_mailbox_maps=static:x\nrecipient_delimiter=+\n")


def ask(cid, cfg, addrs, senders=("s@good.test",), utf8=False):
    d = "EHLO x\n"
    for s in senders:
        for a in addrs:
            d += "MAIL FROM:<%s>%s\nRCPT TO:<%s>\nRSET\n" % (s, " SMTPUTF8" if utf8 else "", a)
    case(cid, cfg, d, limit=100)


MAP = """user@map.test	error:user
user+ext@map.test	error:user+ext
map.test	error:5.7.1 domain
.map.test	error:dot
sub.map.test	error:sub
.sub.map.test	error:dotsub
hop.test	:hop
colon.test	error:
bare.test	error
empty.test	:
deep.example.com	error:deep
example.com	error:own
retry.test	retry:4.2.1 later
retry2.test	retry:
disc.test	discard:
"q u"@map.test	error:quoted
q2 u@map.test	error:bare
relay.test	:relayhop
vmail.test	:vhop
valias.test	error:alias
[1.2.3.4]	error:lit
nl.test	:[next.test]:25
badhop.test	nosuch:hop
up.test	ERROR:Upper
xn--bcher-kva.test	error:a-label
büsche.test	error:u-label
"""
PARENTS = {"p": "", "n": "parent_domain_matches_subdomains=\n", "y": "parent_domain_matches_subdomains=transport_maps\n"}
for k, v in PARENTS.items():
    config("tm_" + k, main=B + v + "transport_maps=texthash:@CONF@/t\n", files={"t": MAP})
    config("ts_" + k, main=B + v + "transport_maps=texthash:@CONF@/t\n", files={"t": MAP + "*	error:star\n"})
A = """user@map.test USER@MAP.TEST user+ext@map.test user+other@map.test other@map.test o@sub.map.test o@x.sub.map.test
o@x.y.map.test o@hop.test o@x.hop.test o@colon.test o@bare.test o@empty.test o@example.com o@deep.example.com
o@deep o@retry.test o@retry2.test o@disc.test "q u"@map.test "q2 u"@map.test o@relay.test o@x.relay.test o@vmail.test
o@x.vmail.test o@valias.test o@[1.2.3.4] o@[192.0.2.1] o@nl.test o@badhop.test o@up.test o@unknown.test o
@map.test o%map.test o%map.test@example.com map.test!o o@map.test. o@xn--bcher-kva.test o@XN--BCHER-KVA.TEST""".split("\n")
A = [w for l in A for w in __import__("re").findall(r'"[^"]*"\S*|\S+', l)]
for k in PARENTS:
    ask("map-" + k, "tm_" + k, A)
    ask("star-" + k, "ts_" + k, A)
ask("utf8", "tm_p", ["o@bücher.test", "o@BÜCHER.test", "o@büsche.test", "o@BÜSCHE.test", "o@xn--bsche-kva.test",
                     "ü@map.test", "Ü+x@map.test", "o@例え.test", "o@é", "é"], utf8=True)
# Patterns see the whole address only.
config("tp", main=B + "transport_maps=regexp:@CONF@/r\n", files={"r": "/^full@pat\\.test$/ error:full\n/^pat\\.test$/ error:domain\n"
       "/\\+ext/ error:ext\n/^\\*$/ error:star\n/^(.*)@sub\\.test$/ error:no $1\n"})
ask("pattern", "tp", ["full@pat.test", "o@pat.test", "full+ext@pat.test", "full+x@pat.test", "x@sub.test", "other@else.test"])

# relayhost and friends
SD = ("sender_dependent_relayhost_maps=inline:{ s@sd.test=[sd.hop]:587, @dom.test=dom.hop, dunno@sd.test=DUNNO, "
      "d2@sd.test=dunno, <>=null.hop, u@sd.test=u.hop }\n")
ST = ("sender_dependent_default_transport_maps=inline:{ s@st.test=error:st.hop, t@st.test=error:, @dom.test=error, "
      "dunno@st.test=DUNNO, <>=error:null.st, s@sd.test=error:both }\n")
config("rh0", main=B + "relayhost=relay.hop\n")
config("rh1", main=B + "relayhost=[relay.hop]\n" + SD)
config("rh2", main=B + "relayhost=relay.hop\n" + SD + ST)
config("rh3", main=B + "relayhost=relay.hop\ndefault_transport=error:default.hop\nrelay_transport=error:rt.hop\n" + ST)
config("rh4", main=B + "relayhost=relay.hop\n" + SD + ST + "empty_address_relayhost_maps_lookup_key=u@sd.test\n"
       "empty_address_default_transport_maps_lookup_key=s@st.test\n")
config("rh5", main=B + "relayhost=\n" + SD + ST + "transport_maps=inline:{ over.test=error:over, hop.test=:hop, only.test=error: }\n")
S = ["s@good.test", "s@sd.test", "s+x@sd.test", "S@SD.TEST", "x@dom.test", "dunno@sd.test", "d2@sd.test", "", "s@st.test",
     "s+e@st.test", "t@st.test", "dunno@st.test", "u@sd.test"]
for k in range(6):
    ask("relayhost-%d" % k, "rh%d" % k, ["o@far.test", "o@relay.test", "o@vmail.test", "o@example.com", "o@over.test", "o@hop.test",
                                         "o@only.test", "o@[1.2.3.4]", "o@sub.relay.test"], S)

# transports without a next hop, wrong ones
config("nt1", main=LIM + NET + "default_transport=error:5.1.2 D text\nlocal_transport=error:L\nvirtual_transport=retry:V\n"
       "relay_transport=retry:4.9.9 R\nrelay_domains=relay.test\nvirtual_mailbox_domains=vmail.test\nvirtual_alias_domains=valias.test\n")
ask("texts", "nt1", ["a@far.test", "a@example.com", "a@vmail.test", "a@relay.test", "a@valias.test", "postmaster", "root@example.com"])
config("nt2", main=LIM + NET + "default_transport=smtp:[198.51.100.1]\nlocal_transport=error\nvirtual_transport=retry\n"
       "relay_transport=discard:x\nrelay_domains=relay.test\nvirtual_mailbox_domains=vmail.test\nvirtual_mailbox_maps=static:x\n")
ask("defaults", "nt2", ["a@far.test", "a@example.com", "a@vmail.test", "a@relay.test"])

# relocated
config("rel", main=B + "default_transport=smtp\nlocal_transport=discard:\nrelocated_maps=inline:{ r@example.com=new@far.test, "
       "{@gone.test=another place, see http://x/}, {bare=555-1234}, r+ext@example.com=ext@far.test, b@far.test=b@near.test }\n"
       "mydestination=example.com, two.test\nlocal_recipient_maps=\n")
ask("relocated", "rel", ["r@example.com", "R@example.com", "r+ext@example.com", "r+o@example.com", "x@gone.test", "bare", "bare+x",
                         "bare@two.test", "bare@far.test", "b@far.test", "b+e@far.test", "ok@example.com"])

# unknown users, each class with its own words and code
U = ("relay_domains=relay.test\nvirtual_alias_domains=valias.test\nvirtual_mailbox_domains=vmail.test\n"
     "virtual_mailbox_maps=inline:{ v@vmail.test=v, @all.test=x }\nrelay_recipient_maps=inline:{ r@relay.test=x }\n"
     "local_recipient_maps=inline:{ l=x, l2@example.com=x }\nvirtual_alias_maps=inline:{ va@valias.test=l@example.com, "
     "known@vmail.test=v@vmail.test, @whole.test=l@example.com }\nrecipient_delimiter=+-\nvirtual_transport=discard:\n"
     "canonical_maps=inline:{ canon@relay.test=r@relay.test }\nrecipient_canonical_maps=inline:{ rcanon@vmail.test=v@vmail.test }\n"
     "sender_canonical_maps=inline:{ scanon@vmail.test=v@vmail.test }\nmydestination=$mydomain, two.test\n")
UA = ["l@example.com", "L@example.com", "l+e@example.com", "l-e@example.com", "l2@example.com", "l2@two.test", "l@two.test", "x@example.com",
      "x@two.test", "x", "postmaster", "postmaster@two.test", "POSTMASTER+x@example.com", "mailer-daemon@example.com", "double-bounce@example.com",
      "x@[192.0.2.1]", "l@[192.0.2.1]", "v@vmail.test", "v+e@vmail.test", "x@vmail.test", "postmaster@vmail.test", "known@vmail.test",
      "known+e@vmail.test", "rcanon@vmail.test", "scanon@vmail.test", "r@relay.test", "r+e@relay.test", "x@relay.test", "canon@relay.test",
      "va@valias.test", "va-e@valias.test", "x@valias.test", "x@whole.test", "x@far.test", "@example.com", "owner-l@example.com",
      "l-request@example.com", "-l@example.com", "+l@example.com", "l%example.com", "x%vmail.test", "abuse@relay.test"]
config("us0", main=LIM + NET + U)
config("us1", main=LIM + NET + U + "show_user_unknown_table_name=no\n")
config("us2", main=LIM + NET + U + "unknown_local_recipient_reject_code=450\nunknown_relay_recipient_reject_code=451\n"
       "unknown_virtual_alias_reject_code=553\nunknown_virtual_mailbox_reject_code=452\nowner_request_special=no\n")
config("us3", main=LIM + NET + U + "smtpd_reject_unlisted_recipient=no\n")
config("us4", main=LIM + NET + U + "smtpd_reject_unlisted_recipient=no\nsmtpd_recipient_restrictions=reject_unlisted_recipient,permit_mynetworks,reject\n")
config("us5", main=LIM + NET + U + "smtpd_reject_unlisted_sender=yes\n")
config("us6", main=LIM + NET + U + "smtpd_sender_restrictions=reject_unlisted_sender\nsoft_bounce=yes\n")
config("us7", main=LIM + NET + U + "local_recipient_maps=\nrelay_recipient_maps=\nvirtual_mailbox_maps=\n")
for k in range(8):
    ask("unlisted-%d" % k, "us%d" % k, UA)
for k in (0, 1, 2, 5, 6):
    ask("unlisted-sender-%d" % k, "us%d" % k, ["l@example.com"], UA + [""])

# in two classes: which one wins, and what the log says
config("two", main=LIM + NET + "mydestination=a.test,b.test,c.test\nvirtual_alias_domains=a.test,d.test,e.test\n"
       "virtual_mailbox_domains=b.test,d.test,f.test\nrelay_domains=c.test,e.test,f.test\nlocal_transport=error:L\n"
       "virtual_transport=error:V\nrelay_transport=error:R\nmaillog_file = @ROOT@/log\nmaillog_file_prefixes = /var\n")
case("two-classes", "two", "EHLO x\n" + "".join("MAIL FROM:<s@good.test>\nRCPT TO:<u@%s.test>\nRSET\n" % c for c in "abcdef") +
     "!sh sed -n 's/.*warning: \\(do not list.*\\)/\\1/p' $ROOT/log | sort -u\n", limit=100)
