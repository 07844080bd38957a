"""Addresses in headers in the local, the remote and no rewriting context."""
config("hdr_l", main="mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients = static:all\nappend_dot_mydomain=yes\n")
config("hdr_r", main="mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients = \nremote_header_rewrite_domain = dom.invalid\n")
config("hdr_n", main="mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients = \n")
H = r'''To: a
To: (one) a (two)
To: (one) a (two), b
To: John Doe <a>, b, "c d"@e , f@g
To: a b
To: a b@c d
To: <a> x, y
To: grp: a, b;, c
To: grp:;
To: undisclosed-recipients:;
To: "Q \" q" <a>
To: <@r:a@b>
To: <@r:a>
To: a%b, c!d, e!f!g, a%b%c
To: <>
To: a@, @, @b, a@b.
To: a@b.., a.b@c, a@[1.2.3.4], a@[x y]
To: a, b, c, d, e, f, g, h
To: aaaaaaaaaaaaaaaa bbbb, b,
	c,
   d
To: John (comment) Doe <a>
To: Johnny B. Goode <a>
To: a(b(c)d), "x"y
To: a;b
To: a:b
To: <a@b
To: a@b>
To: |cmd, "|cmd x"
To: é <é>, a
To: =?utf-8?q?x?= <a>
To: a\ b, c\@d
To: "a@b", "a%b", "a!b"
To: ,,a,,
to : a
FROM:a
From: a b c
Cc:   a   
Sender: a@b (x (y) z)
Reply-To: a
Resent-To: a
Errors-To: a
Return-Receipt-To: a
Disposition-Notification-To: a
Mail-Followup-To: a
Apparently-To: a
X-To: a
Delivered-To: a
To: 
To:
To: a,
  b c,
 d
Bcc: x
Return-Path: <x>
Content-Length: 5
To: "a" (b), <c>(d) e
To: a.b.c <x>, (only comment)
To: (only comment)
To: <a b>
To: <"a" b>
To: a@b@c
To: a@(x)b.c
To: a @ (x) b . (y) c
To: ((x)
To: (x
To: "x
To: [x
To: x\
'''.strip("\n")
lines = []
import re
for h in re.split(r"\n(?![ \t])", H):
    lines.append(h)
for i, h in enumerate(lines):
    msg("h%d" % i, h + "\n\nbody\n")
for c in "lrn":
  d = "EHLO mail.client.test\n"
  for i, h in enumerate(lines):
    d += "!deliver s@good.test u@good.test h%d\n!mail 1\n" % i
  case("hdr-"+c, "hdr_" + c, d)
