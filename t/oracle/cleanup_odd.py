"""Odd headers and bodies on their way in: syntax, folding, order, what is dropped, added or refused, and what the log says of it."""
B = "mynetworks = 127.0.0.0/8 203.0.113.0/24\nsmtpd_error_sleep_time = 0\nsmtpd_forbid_unauth_pipelining = no\n"
LOG = """!sh sleep 0.2; sed -nE 's/^.*postfix\\/(smtpd|cleanup)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | grep -v message-id=.2 | sed -E 's/ [0-9A-F]{6,}:/ ID:/; s/statistics:.*/statistics/' | sort -s -r -k1,1; : > /var/oracle/maillog
"""
CONFS = {"d": "", "l": "local_header_rewrite_clients = static:all\n", "a": "always_add_missing_headers = yes\n",
         "u": "always_add_missing_headers = yes\nundisclosed_recipients_header = To: undisclosed-recipients:;\nmessage_drop_headers = bcc, content-length, resent-bcc, return-path, x-drop, subject\n",
         "s": "message_strip_characters = \\0\\177\\t\nmessage_reject_characters = \\004Z\n",
         "h": "header_size_limit = 260\nline_length_limit = 512\nheader_address_token_limit = 12\nlocal_header_rewrite_clients = static:all\n",
         "c": "cleanup_replace_stray_cr_lf = no\nmessage_drop_headers =\nalways_add_missing_headers = yes\nlocal_header_rewrite_clients = \nremote_header_rewrite_domain = domain.invalid\n",
         "7": "strict_7bit_headers = yes\nstrict_8bitmime_body = yes\nmime_nesting_limit = 2\n"}
for k, v in CONFS.items():
    config("odd-" + k, main=B + v)
M = {
    "nohdr": "body only\nmore\n", "blank": "\nbody\n", "none": "", "space-first": " leading space\nSubject: x\n\nb\n", "tab-first": "\tfolded\nSubject: x\n\nb\n",
    "from-line": "From a@b Mon Jan 1 00:00:00 2024\nSubject: x\n\nb\n", "from-line2": ">From a@b\n>>From c\nSubject: x\n\nb\n", "from-later": "Subject: x\nFrom a@b\nTo: y\n\nb\n", "from-body": "Subject: x\n\nFrom here\n>From there\n",
    "colon-space": "Subject : x\nTo\t: y@z\nX-A :b\n\nb\n", "no-space": "Subject:x\nTo:y@z\n\nb\n", "empty-val": "Subject:\nTo:\nCc: \nBcc:\nFrom:\n\nb\n", "empty-name": ": x\nSubject: y\n\nb\n",
    "bad-line": "Subject: x\nthis is no header\nTo: a@b\n\nb\n", "fold": "Subject: a\n b\n\tc\n   d\nX: y\n \n z\n\nb\n", "fold-empty": "Subject: a\n \n\t\nX: y\n\nb\n", "fold-only": "X:\n y\nTo:\n a@b,\n c@d\n\nb\n",
    "dup": "Subject: a\nSubject: b\nTo: a@b\nTo: c@d\nFrom: e@f\nFrom: g@h\nDate: x\nDate: y\nMessage-Id: <1@x>\nMessage-Id: <2@y>\n\nb\n",
    "case": "SUBJECT: a\nto: b@c\nfRoM: d@e\nmessage-ID: <x@Y>\ndATE: z\nbCC: q@r\nRETURN-PATH: <x@y>\n\nb\n",
    "resent": "Resent-From: a@b\nResent-To: c@d\nFrom: e@f\n\nb\n", "resent2": "Resent-Date: a\nResent-Message-Id: <r@s>\nResent-Sender: q\n\nb\n", "resent3": "Resent-Bcc: x@y\nBcc: z@w\n\nb\n", "resent4": "Resent-Reply-To: x\n\nb\n",
    "addr": "To: a, b@c , <d>, \"e f\" <g@h>, i(j)@k, l@m (n)\nFrom: o\nSender: p q\nReply-To: r@, @s, <>\nErrors-To: t\nReturn-Receipt-To: u\nDisposition-Notification-To: v\n\nb\n",
    "group": "To: list: a, b@c;, d\nCc: undisclosed-recipients:;\nBcc: x:;\n\nb\n", "route": "To: <@a,@b:c@d>\nFrom: @x:y@z\n\nb\n", "many": "To: " + ", ".join("u%d@x.test" % i for i in range(40)) + "\n\nb\n",
    "longname": "X-" + "n" * 200 + ": v\nSubject: x\n\nb\n", "longval": "Subject: " + "v" * 300 + "\nTo: x@y\n\nb\n", "longfold": "Subject: " + "\n ".join("w" * 50 for _ in range(10)) + "\nTo: x@y\n\nb\n", "longtok": "To: " + "t" * 300 + "@x, y@z\n\nb\n",
    "longbody": "Subject: x\n\n" + "y" * 127 + "\n" + "z" * 128 + "\n" + "w" * 129 + "\n" + "v" * 500 + "\n.dots\n..\n", "longfirst": "q" * 300 + "\nSubject: x\n\nb\n",
    "eightbit": "Subject: \u00e9\nTo: \u00e9 <a@b>\nFrom: x@\u00e9.test\nX-\u00e9: y\n\n\u00e9\n", "received": "Received: by x\nReceived: y\nDelivered-To: z\nX-Original-To: w\nReturn-Path: <q@r>\n\nb\n",
    "mime": "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\npre\n--x\nContent-Type: text/plain\nBcc: in@part\n\na\n--x\nno header\n--x--\npost\n",
    "mime-rfc822": "Content-Type: message/rfc822\n\nSubject: in\nBcc: y@z\nTo: a\nReceived: q\n\n\u00e9 b\n", "mime-rfc822b": "Content-Type: message/rfc822\n\nnot a header\n\nb\n",
    "mime-deep": "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: multipart/mixed; boundary=d\n\n--d\n\n\u00e9 x\n--d--\n--c--\n--b--\n--a--\n",
    "mime-8bit": "Content-Transfer-Encoding: 8bit\nContent-Type: text/plain\n\n\u00e9\n", "mime-7bit": "Content-Transfer-Encoding: 7bit\n\n\u00e9\n", "mime-b64-multi": "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n\n--x\n\na\n--x--\n",
    "mime-bad": "Content-Type: ;;;\nContent-Transfer-Encoding: bogus\n\nb\n", "mime-bad2": "Content-Type: multipart/mixed; boundary=\"unclosed\n\n--unclosed\nX: y\n\nb\n", "mime-part-bad": "Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\nno header\n--x\nX: y\n\nok\n--x\n\n--x--\n",
    "mime-nested-bad": "Content-Type: message/rfc822\n\nSubject: x\nno header\nb\n", "mime-nested-bad8": "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=y\nno header\n--y\nX: y\nno \u00e9\n--y--\n",
    "mime-digest": "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: in\nbad\n--x\nbad at once\n--x--\n", "mime-end": "Content-Type: multipart/mixed; boundary=x\n\n--x\nX: y\n--x--\npost\n", "mime-end2": "Content-Type: multipart/mixed; boundary=x\n\n--x\nX: y\n",
    "mime-noversion": "Content-Type: text/html; charset=x\n\n<b>\n",
    "tabs": "Subject:\ta\tb\nX:\t\t y \n\nb\t\n \n", "trailing": "Subject: a  \nTo: b@c   \n\nb  \n", "only-nl": "\n\n\n", "dotdot": "Subject: x\n\n.\n..\n...\n.a\n", "strip": "Subject: a\tb\x7fc\nX: \x7f\n\n\t\x7fq\n", "rejecthdr": "Subject: aZb\nTo: x@y\n\nb\n", "rejectbody": "Subject: x\n\nq\x04r\n",
    "ctl": "Subject: a\x01b\x1bc\nTo: \x02x@y\n\n\x03\n", "date": "Date: \n\nb\n", "mid-empty": "Message-Id:\nDate: x\nFrom: y@z\nTo: a@b\n\nb\n", "mid-odd": "Message-Id: a b c\nFrom: x\n\nb\n", "mid-long": "Message-Id: <" + "m" * 150 + "@x>\n\nb\n", "mid-utf8": "Message-Id: <\u00e9@x>\n\nb\n",
    "drop": "X-Drop: a\nSubject: b\nContent-Length: 1\nResent-Bcc: q\nReturn-Path: r\nBcc: s\n t\nTo: u@v\n\nb\n", "comment": "To: (only comment)\nFrom: (x) y (z)\nCc: a@b (c (d) e\n\nb\n", "quoted": "To: \"a b\"@c, \"d\"@e, \"f@g\"@h, \"i\\\"j\"@k, a\\@b@c\nFrom: \"x\" y@z\n\nb\n",
    "apparently": "Apparently-To: x@y\nX-Mailer: z\nPrecedence: bulk\nList-Id: q\n\nb\n", "full": "From: a@b\nTo: c@d\nDate: e\nMessage-Id: <f@g>\nSubject: h\n\nb\n",
}
for k, v in M.items():
    msg("o-" + k, "%nocase eval\n" + repr(v))
for c in CONFS:
    names = list(M)
    for i in range(0, len(names), 12):
        d = "EHLO mail.client.test\n"
        for k in names[i:i + 12]:
            d += "!deliver s@good.test u@good.test o-%s\n!drain\n" % k
        case("%s-%d" % (c, i // 12), "odd-" + c, d + "!close\n" + LOG, limit=200)
RAW = {
    "nul": "Subject: a\\x00b\\r\\nX\\x00: y\\r\\n\\r\\nc\\x00d\\r\\n\\x00\\r\\n", "cr": "Subject: a\\rb\\r\\nTo: x\\r\\r\\n\\r\\nc\\rd\\r\\n\\re\\r\\n", "latin": "Subject: \\xe4\\r\\nTo: \\xe4@x\\r\\nFrom: \\xfc <a@b>\\r\\n\\r\\n\\xe4\\r\\n", "crhdr": "Subject: x\\r\\n\\r: y\\r\\nTo: z\\r\\n\\r\\nb\\r\\n",
    "crblank": "Subject: x\\r\\n\\r\\r\\nbody\\r\\n", "nulblank": "Subject: x\\r\\n\\x00\\r\\nbody\\r\\n", "vt": "Subject: a\\x0bb\\r\\n\\x0cX: y\\r\\n\\r\\nb\\r\\n",
}
for c in "dsch7":
    d = "EHLO mail.client.test\n"
    for k, v in RAW.items():
        d += "MAIL FROM:<s@good.test>\nRCPT TO:<u@good.test>\nDATA\n!raw '%s.\\r\\n'\n!read\n!drain\n" % v
    case(c + "-raw", "odd-" + c, d + "!close\n" + LOG, limit=120)
