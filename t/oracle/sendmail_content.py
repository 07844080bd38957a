# sendmail(1): what becomes of odd content.
config("sm", main="relayhost = [198.51.100.1]\nmydestination =\nlocal_transport = error:none here\nmessage_size_limit = 20000\n")
config("always", main="relayhost = [198.51.100.1]\nmydestination =\nsendmail_fix_line_endings = always\n")
config("never", main="relayhost = [198.51.100.1]\nmydestination =\nsendmail_fix_line_endings = never\n")
config("strict", main="relayhost = [198.51.100.1]\nmydestination =\nsendmail_fix_line_endings = strict\n")
config("obsolete", main="relayhost = [198.51.100.1]\nmydestination =\nheader_from_format = obsolete\nalways_add_missing_headers = no\n")
def sm(text, options="u@good.test"):
    return "!sh printf '%s' | sendmail %s; echo $?\n!mail 1\n" % (text, options)
for name, text in {
    "empty": "", "newline": "\\n", "newlines": "\\n\\n\\n", "no-newline": "Subject: x\\n\\nno newline", "header-only": "Subject: x",
    "crlf": "Subject: x\\r\\n\\r\\nbody\\r\\n.\\r\\nmore\\r\\n", "mixed": "Subject: x\\n\\nbody\\r\\nmore\\n", "mixed2": "Subject: x\\r\\n\\nbody\\r\\nmore\\n",
    "dot": "Subject: x\\n\\na\\n.\\nb\\n", "dotdot": "Subject: x\\n\\n..\\n.a\\n. \\nb\\n", "dot-crlf": "Subject: x\\n\\na\\n.\\r\\nb\\n",
    "nul": "Subject: a\\000b\\n\\nc\\000d\\n", "cr": "Subject: a\\rb\\n\\nc\\rd\\n\\r\\n", "bad-header": "Subject: x\\nnot a header\\nX: y\\n\\nbody\\n",
    "no-blank": "Subject: x\\nbody text here\\nmore\\n", "fold": "Subject: x\\n folded\\n\\tmore\\nX:\\n\\nbody\\n", "leading-fold": " folded\\nSubject: x\\n\\nbody\\n",
    "mbox": "From someone\\nFrom two\\n>From three\\nSubject: x\\n\\nFrom body\\n>From body\\n", "from-lower": "from x\\nSubject: x\\n\\nb\\n",
    "mbox-later": "Subject: x\\nFrom foo Mon\\nX: y\\n\\nb\\n", "blank-first": "\\nSubject: x\\n\\nb\\n", "8bit": "Subject: é\\n\\né\\n",
    "dup": "Subject: x\\nSubject: y\\nFrom: a@b.test\\nFrom: c@d.test\\nDate: bad\\nMessage-Id: bad\\nTo: x\\nBcc: y@z.test\\nReturn-Path: <x@y>\\nContent-Length: 3\\n\\nb\\n",
    "sender": "Sender: s\\nReply-To: r\\nErrors-To: e\\nReturn-Receipt-To: q\\nCc: c (Comment), \"D. E\" <d>\\nTo: undisclosed-recipients:;\\n\\nb\\n",
    "resent": "Resent-From: a\\nResent-Sender: b\\nTo: x@good.test\\n\\nb\\n",
}.items():
    case(name, "sm", sm(text))
L = "python3 -c 'import sys; sys.stdout.write(%s)'"
case("long", "sm", "!sh %s | sendmail u@good.test; echo $?\n!mail 1\n" % L % '"Subject: x\\\\n\\\\n" + "a" * 5000 + "\\\\n" + "b " * 1500 + "\\\\n"')
case("long-header", "sm", "!sh %s | sendmail u@good.test; echo $?\n!mail 1\n" % L % '"Subject: " + "a" * 3000 + "\\\\nX: y\\\\n\\\\nb\\\\n"')
case("too-big", "sm", "!sh %s | sendmail u@good.test; echo $?\n" % L % '"Subject: x\\\\n\\\\n" + "aaaaaaaaa\\\\n" * 3000')
case("too-big-t", "sm", "!sh %s | sendmail -t; echo $?\n" % L % '"To: u@good.test\\\\n\\\\n" + "aaaaaaaaa\\\\n" * 3000')
case("hops", "sm", "!sh (for i in `seq 60`; do echo Received: x; done; echo) | sendmail u@good.test; echo $?\n!mail 1\n")
for c in ("always", "never", "strict"):
    case(c + "-crlf", c, sm("Subject: x\\r\\n\\r\\nbody\\r\\n.\\r\\nmore\\r\\n", "-i u@good.test"))
    case(c + "-mixed", c, sm("Subject: x\\n\\nbody\\r\\nmore\\n"))
    case(c + "-mixed2", c, sm("Subject: x\\r\\n\\nbody\\r\\nmore\\n"))
case("obsolete", "obsolete", sm("Subject: x\\n\\nb\\n", "-F 'A (B) \"C\"' -f a@b.test u@good.test"))
case("obsolete-null", "obsolete", sm("Subject: x\\n\\nb\\n", "-F 'A' -f '' u@good.test"))
case("gateway", "obsolete", sm("Subject: x\\n\\nb\\n", "-G -f a@b.test u@good.test") + sm("To: x\\n\\nb\\n", "-G -f a u@good.test"))
T = {
    "t-groups": "To: g: a@good.test, b@good.test;, \"c d\" <c@good.test>\\n\\nb\\n", "t-folded": "To: a@good.test,\\n\\tb@good.test\\nCc:\\n c@good.test\\n\\nb\\n",
    "t-resent": "To: a@good.test\\nResent-To: r@good.test\\nResent-Bcc: s@good.test\\nBcc: t@good.test\\n\\nb\\n",
    "t-resent-bcc": "To: a@good.test\\nResent-Bcc: s@good.test\\n\\nb\\n", "t-bad": "To: <>, @, <a@good.test\\n\\nb\\n", "t-dup": "To: a@good.test, A@good.test, a@good.test\\n\\nb\\n",
    "t-crlf": "To: a@good.test\\r\\nSubject: x\\r\\n\\r\\nb\\r\\n", "t-body": "Subject: x\\n\\nTo: a@good.test\\n", "t-mime": "To: a@good.test\\nMIME-Version: 1.0\\nContent-Type: message/rfc822\\n\\nTo: b@good.test\\n\\nb\\n",
    "t-mbox": "From me\\nTo: a@good.test\\n\\nb\\n", "t-bad-header": "Subject: x\\nnot a header\\nTo: a@good.test\\n\\nb\\n", "t-comment": "To: a@good.test (x, y), (z) b@good.test\\n\\nb\\n",
    "t-apparently": "Apparently-To: a@good.test\\n\\nb\\n", "t-lower": "to: a@good.test\\nBCC : b@good.test\\n\\nb\\n",
}
for name, text in T.items():
    case(name, "sm", sm(text, "-t"))
case("t-args", "sm", sm("To: a@good.test\\n\\nb\\n", "-t b@good.test") + sm("Subject: x\\n\\nb\\n", "-t b@good.test"))
case("headers-utf8", "sm", sm("From: é@good.test\\nTo: a@good.test\\n\\nb\\n", "-t"))
