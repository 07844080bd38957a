# notify_classes: what the SMTP client tells postmaster about servers whose answers make no sense.
config("c", main="""mynetworks = 203.0.113.0/24
notify_classes = policy, protocol, resource, software, data
error_notice_recipient = errors@v.test
transport_maps = inline:{{v.test=retry:4.0.0 later}}
smtp_destination_recipient_limit = 50
header_from_format = obsolete
""")
config("none", main="""mynetworks = 203.0.113.0/24
error_notice_recipient = errors@v.test
transport_maps = inline:{{v.test=retry:4.0.0 later}}
""")
# Each notice in the queue, without what differs from run to run, in one order; then it is removed.
M = """!sh sleep 0.7; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do (postqueue -p | grep -A3 $i | grep -o '[^ ]*@v.test'; postcat -hbq $i | sed -E 's/id [0-9A-F]{6,}/id QID/; s/^(Message-Id: <).*@/\\1ID@/; s/..., .* \\(UTC\\)/DATE/; s/SIZE=[0-9]*/SIZE=N/'; postsuper -d $i 2>/dev/null) | tr '\\n' '|'; echo; done | sort | tr '|' '\\n'
"""
for name, rcpt in {
    "some": "rcpt500@remote.test,rcpt550@remote.test,rcpt555@remote.test,ok@remote.test",
    "later": "rcpt450@remote.test,ok@remote.test", "plain": "rcpt550@remote.test,ok@remote.test",
    "data500": "data500@remote.test", "data554": "data554@remote.test", "banner": "x@[198.51.100.6]",
}.items():
    case(name, "c", "EHLO x\n!deliver a@good.test %s\n" % rcpt + M)
case("null", "c", "EHLO x\n!deliver - rcpt500@remote.test,ok@remote.test\n" + M)
case("default", "none", "EHLO x\n!deliver a@good.test rcpt500@remote.test,ok@remote.test\n" + M)
