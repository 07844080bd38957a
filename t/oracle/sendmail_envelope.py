# sendmail(1): addresses, names and headers of what is queued.
config("maps", main="relayhost = [198.51.100.1]\nmydestination =\nlocal_transport = error:none here\ndefer_transports = smtp\nrecipient_canonical_maps = inline:{a@example.com=canon@can.test}\nvirtual_alias_maps = inline:{{v@w.test=v1@w.test, v2@w.test},{b@example.com=bb@w.test}}\nvirtual_alias_domains = w.test")
P = "!sh sleep 0.4; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do postcat -ehq $i; postsuper -d $i 2>/dev/null; done | grep -v 'boundary=' | grep -v '_time\\|_size\\|^\\*\\*\\|^Received\\|id \\|^Message-Id\\|^Date'\n"
for n, c in {
 "bv1": "sendmail -bv -f 'Foo <a@b.test>' c@d.test 'e f@g.test' 'Foo <g@h.test>, h@i.test' '\"a b\"@c.d'; echo $?",
 "bv2": "sendmail -bv -F 'Full Name' -f '<>' c@d.test; echo $?",
 "bv3": "sendmail -bv -N never -R hdrs -V env -f '\"a b\"@c.test' c@d.test; echo $?",
 "bv4": "sendmail -bv -v c; echo $?",
 "full1": "printf 'Subject: x\\n\\nx\\n' | sendmail -F 'Plain' -f 'a b@c.test' c@d.test; echo $?",
 "full2": "printf 'Subject: x\\n\\nx\\n' | sendmail -F 'A (B) \"C\"' -f 'a@c.test' c@d.test; echo $?",
 "full3": "printf 'Subject: x\\n\\nx\\n' | sendmail -F 'Mr. Dot' -f 'a@c.test' c@d.test; echo $?",
 "full4": "printf 'Subject: x\\n\\nx\\n' | sendmail -F 'Ünicode Ñame' -f 'a@c.test' c@d.test; echo $?",
 "full5": "printf 'Subject: x\\n\\nx\\n' | sendmail -F \"O'Back\\\\\\\\slash, tab\" -f 'a@c.test' c@d.test; echo $?",
 "full6": "printf 'Subject: x\\n\\nx\\n' | sendmail -F \"`printf 'two\\\\nlines\\\\ttab'`\" -f 'a@c.test' c@d.test; echo $?",
 "resent": "printf 'Resent-To: a@d.test\\nTo: b\\nSubject: x\\n\\nx\\n' | sendmail -F Foo -f 'a@c.test' c@d.test; echo $?",
 "name": "printf 'Subject: x\\n\\nx\\n' | NAME='' sendmail -f 'a@c.test' c@d.test; echo $?",
}.items():
    case("maps-" + n, "maps", "!sh " + c + "\n" + P)
config("sm", main="relayhost = [198.51.100.1]\nmydestination =\nlocal_transport = error:none here\ndefer_transports = smtp\n")
P = "!sh sleep 0.4; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do postcat -eq $i; postsuper -d $i 2>/dev/null; done | grep -v 'boundary=' | grep -v '_time\\|size\\|^\\*\\*'\n"
for n, c in {
 "cmd": "printf 'Subject: x\\n\\nx\\n' | sendmail 'a b@good.test' 'c,d@good.test' '\"x y\"@good.test' 'q@[1.2.3.4]' 'r%%good.test' 's!t' '<u@w.test>' 'Foo <v@w.test>, bar@x.test (c)' 'é@good.test'; echo $?",
 "hdr": "printf 'To: a, \"x y\"@good.test, Foo <v@w.test>, g: m, n;\\nCc: é@good.test\\nBcc: q%%good.test\\nSubject: x\\n\\nx\\n' | sendmail -t; echo $?",
 "hdr+": "printf 'To: a\\nSubject: x\\n\\nx\\n' | sendmail -t b; echo $?",
 "resent": "printf 'To: a\\nResent-To: c\\nResent-Bcc: d\\nBcc: e\\nSubject: x\\n\\nx\\n' | sendmail -t b; echo $?",
 "resent2": "printf 'To: a\\nResent-From: c\\nSubject: x\\n\\nx\\n' | sendmail -t; echo $?",
 "dsn": "printf 'Subject: x\\n\\nx\\n' | sendmail -N success,delay -R hdrs -V 'env+1' -f a@b.test c 'x y@z.test'; echo $?",
 "null": "printf 'Subject: x\\n\\nx\\n' | sendmail -f '' -F 'Name' c@d.test; echo $?",
 "null2": "printf 'Subject: x\\n\\nx\\n' | sendmail -f '<>' -F 'Name' c@d.test; echo $?",
 "gateway": "printf 'Subject: x\\n\\nx\\n' | sendmail -G -f x c; echo $?",
 "odd": "printf 'Subject: x\\n\\nx\\n' | sendmail -f 'a b' -F '' c@d.test; echo $?",
 "sender": "printf 'Subject: x\\n\\nx\\n' | sendmail -f 'Foo Bar <a@b.test>' c@d.test; echo $?",
 "sender2": "printf 'Subject: x\\n\\nx\\n' | sendmail -f '\"a b\"@b.test' c@d.test; echo $?",
 "sender3": "printf 'Subject: x\\n\\nx\\n' | sendmail -f 'a@b.test, c@d.test' c@d.test; echo $?",
 "sender4": "printf 'Subject: x\\n\\nx\\n' | sendmail -f 'a@b.test (Comment)' c@d.test; echo $?",
 "eight": "printf 'Subject: x\\n\\nx\\n' | sendmail -B 8bitmime c@d.test; echo $?",
 "seven": "printf 'Subject: x\\n\\nx\\n' | sendmail -B 7bit c@d.test; echo $?",
 "utf8": "printf 'Subject: é\\n\\nx\\n' | sendmail -f 'é@good.test' 'ü@d.test'; echo $?",
}.items():
    case(n, "sm", "!sh " + c + "\n" + P)
