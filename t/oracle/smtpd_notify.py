# notify_classes: transcripts of sessions with errors go to postmaster.
N = """relay_domains = sinka.test
error_notice_recipient = errors@v.test
bounce_notice_recipient = bounces@v.test
transport_maps = inline:{{v.test=retry:4.0.0 later}}
smtpd_error_sleep_time = 0
smtpd_forbid_unauth_pipelining = no
"""
ALL = "local_recipient_maps =\n"
# Each notice in the queue, without what differs from run to run, in one order; then it is removed.
M = """!sh sleep 0.7; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do (postqueue -p | grep -A3 $i | grep -o '[^ ]*@v.test'; postcat -hbq $i | sed -E 's/id [0-9A-F]{6,}/id QID/; s/^(Message-Id: <).*@/\\1ID@/; s/..., .* \\(UTC\\)/DATE/'; postsuper -d $i 2>/dev/null) | tr '\\n' '|'; echo; done | sort | tr '|' '\\n'
"""

config("all", main=N + "notify_classes = policy, protocol, resource, software, data, bounce\nlocal_recipient_maps = inline:{alice=x}\n")
S = M + "EHLO x\nMAIL FROM:<a@good.test>\n"
for name, text in {
    "policy": S + "RCPT TO:<u@remote.test>\nQUIT\n",
    "protocol": "FOO\nEHLO x\nRCPT TO:<a@b.c>\nQUIT\n",
    "unknown-user": S + "RCPT TO:<nobody@example.com>\nQUIT\n",
    "forgiven": S + "RCPT TO:<u@remote.test>\nRCPT TO:<u@sinka.test>\nDATA\n!msg\nQUIT\n",
    "lost": S + "RCPT TO:<u@remote.test>\n!close\n",
    "lost-data": S + "RCPT TO:<u@remote.test>\nRCPT TO:<u@sinka.test>\nDATA\n!raw 'Subject: x\\r\\n'\n!close\n",
    "rset": S + "RCPT TO:<u@remote.test>\nRSET\nEHLO y\nNOOP\nQUIT\n",
    "odd": "!raw 'VRFY \\xc3\\xa9 \\x01 " + "word " * 40 + "\\r\\n'\n!read\nFOO\nQUIT\n",
    "long": "!raw 'FOO " + "x" * 300 + "\\r\\n'\n!read\nQUIT\n",
    "http": "GET / HTTP/1.0\n",
    "syntax": S + "MAIL FROM:<a@b.c>\nRCPT TO:<a b>\nQUIT\n",
    "bdat": S + "RCPT TO:<u@sinka.test>\n!raw 'BDAT 5\\r\\nabcde'\n!read\nDATA\nRSET\nQUIT\n",
    "none": "EHLO x\nNOOP\nQUIT\n",
}.items():
    case("all-" + name, "all", text + M)
config("xclient", main=N + ALL + "notify_classes = protocol\nsmtpd_authorized_xclient_hosts = 203.0.113.0/24\n")
case("xclient", "xclient", "FOO\nXCLIENT NAME=a.b ADDR=1.2.3.4\nBAR\nQUIT\n" + M)
config("few", main=N + ALL + "notify_classes =\n")
case("few-policy", "few", S + "RCPT TO:<u@remote.test>\nFOO\nQUIT\n" + M)
config("software", main=N + ALL + "smtpd_sender_restrictions = check_sender_access fail:x, foo\n")
case("software", "software", S + "RCPT TO:<u@sinka.test>\nFOO\nQUIT\n" + M)
config("unknown", main=N + ALL + "smtpd_sender_restrictions = foo\n")
case("software-unknown", "unknown", S + "RCPT TO:<u@sinka.test>\nFOO\nQUIT\n" + M)
config("resource", main=N + ALL + "message_size_limit = 2000\nnotify_classes = resource, policy, bounce\n")
case("resource", "resource", "EHLO x\nMAIL FROM:<a@good.test> SIZE=3000\nQUIT\n" + M)
case("resource-data", "resource", S + "RCPT TO:<u@sinka.test>\nDATA\n!raw '" + "0123456789\\r\\n" * 200 + ".\\r\\n'\n!read\nQUIT\n" + M)
config("errors", main=N + ALL + "notify_classes = protocol\nsmtpd_hard_error_limit = 2\n")
case("errors", "errors", "FOO\nFOO\n!eof\n" + M)
config("flush", main=N + ALL + "notify_classes = protocol\nsmtpd_history_flush_threshold = 3\n")
case("flush", "flush", "EHLO x\nFOO\nBAR\nRSET\nBAZ\nQUIT\n" + M)
config("timeout", main=N + ALL + "notify_classes = protocol\nsmtpd_timeout = 1\n")
case("timeout", "timeout", "EHLO x\nFOO\n!sleep 2\n" + M)
# refusals of content, by class
A = "local_recipient_maps =\nmynetworks=203.0.113.0/24\n"
X = M + "EHLO x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nDATA\n"
for cl in ("policy", "protocol", "resource", "software", "data", "bounce"):
    config("c-" + cl, main=N + A + "notify_classes = %s\nmessage_size_limit=3000\nhopcount_limit=2\nmime_nesting_limit=1\nmessage_reject_characters=Z\nstrict_8bitmime=yes\nqueue_minfree=0\nsender_canonical_maps=inline:{x@good.test=y@good.test},pcre:{{/^q@/ x}}\nvirtual_alias_maps=inline:{{none@sinka.test=}}\n" % cl)
    config("c-" + cl + "f", main=N + A + "notify_classes = %s\nrecipient_canonical_maps = fail:x\nsmtpd_reject_unlisted_recipient=no\n" % cl)
    config("c-" + cl + "g", main=N + A + "notify_classes = %s\nvirtual_alias_maps = inline:{u@sinka.test=a@sinka.test} unionmap:{inline:{a@sinka.test=b@sinka.test}}\nvirtual_alias_recursion_limit=1\nsmtpd_reject_unlisted_recipient=no\ncanonical_maps=inline:{u@sinka.test=v@sinka.test}\nsender_canonical_maps=pipemap:{inline:{a@good.test=a@good.test},fail:y}\n" % cl)
    case("c-" + cl + "-size", "c-" + cl, X + "!raw '" + ("x" * 100 + "\\r\\n") * 40 + ".\\r\\n'\n!read\nQUIT\n" + M)
    case("c-" + cl + "-hops", "c-" + cl, X + "!raw 'Received: a\\r\\nReceived: b\\r\\nReceived: c\\r\\n\\r\\n.\\r\\n'\n!read\nQUIT\n" + M)
    case("c-" + cl + "-char", "c-" + cl, X + "!raw 'Subject: Z\\r\\n\\r\\n.\\r\\n'\n!read\nQUIT\n" + M)
    case("c-" + cl + "-mime", "c-" + cl, X + "!raw 'Subject: \\xc3\\xa9\\r\\n\\r\\n.\\r\\n'\n!read\nQUIT\n" + M)
    for f in "fg":
        case("c-" + cl + f, "c-" + cl + f, X + "!raw 'Subject: \\r\\n\\r\\n.\\r\\n'\n!read\nQUIT\n" + M)
        case("c-" + cl + f + "-rset", "c-" + cl + f, X + "!raw 'Subject: \\r\\n\\r\\n.\\r\\n'\n!read\nRSET\nQUIT\n" + M)
