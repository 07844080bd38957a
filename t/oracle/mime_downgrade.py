"""MIME structure: conversion to quoted-printable for a peer without 8BITMIME, strict checks, limits."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\n"
config("mime_d", main=B)
config("mime_f", main=B+"force_mime_input_conversion=yes\n")
config("mime_strict", main=B+"strict_8bitmime=yes\nstrict_mime_encoding_domain=yes\nmime_nesting_limit=3\n")
config("mime_h", main=B+"header_size_limit=200\nmime_boundary_length_limit=5\nmime_nesting_limit=3\n")
M = {}
M["plain8"] = "Subject: é\n\nbody é = x \nline\n"
M["cte8"] = "Subject: é\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nbody é = x \nline\t\n" + "long é "*40 + "\n" + "x"*80 + "\n" + "y"*72 +"\n" + "z"*73 + "\n" + "w"*74 + " \n.dot\nFrom x\n\n"
M["cteonly"] = "Content-Transfer-Encoding: 8BIT (comment)\nSubject: x\n\nbody é\n"
M["cteb"] = "Content-Transfer-Encoding: binary\nSubject: x\n\nbody é\n"
M["cte7"] = "Content-Transfer-Encoding: 7bit\nSubject: x\n\nbody é\n"
M["cteqp"] = "Content-Transfer-Encoding: quoted-printable\nSubject: x\n\nbody é\n"
M["ctex"] = "Content-Transfer-Encoding: x-foo\nSubject: x\n\nbody é\n"
M["multi"] = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="bb"
Content-Transfer-Encoding: 8bit
Subject: é

pre é
--bb
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

part é
--bb
Content-Transfer-Encoding: 7bit

part2 é
--bb
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner é
Content-Transfer-Encoding: 8bit
To: (x) a b

inner body é
--bb
Content-Type: message/partial
Content-Transfer-Encoding: 8bit

partial é
--bb
Content-Type: image/png
Content-Transfer-Encoding: 8bit

img é
--bb--
epilog é
--bb
after é
"""
M["multi7"] = M["multi"].replace("Content-Transfer-Encoding: 8bit\nSubject", "Subject")
M["nested"] = """Content-Type: multipart/mixed; boundary=a

--a
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: multipart/mixed; boundary=d

--d
Content-Type: multipart/mixed; boundary=e

--e
Content-Type: multipart/mixed; boundary=f

--f
Content-Transfer-Encoding: 8bit

deep é
--f--
--a--
"""
M["badenc"] = "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\nx\n--a--\n"
M["badenc2"] = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: x\n\nx\n"
M["badenc3"] = "Content-Type: message/partial\nContent-Transfer-Encoding: 8bit\n\nSubject: x\n\nx\n"
M["longhdr"] = "Subject: " + "x"*300 + "\nX-A: a\n\tb\n\nbody\n"
M["longhdr2"] = "Subject: " + "x"*100 + "\n\t" + "y"*60 + "\n\t"+"z"*60 + "\n\t"+"w"*60 + "\nX-A: a\n\nbody\n"
M["longhdr3"] = "Subject: " + "x"*180 + "\n\t" + "y"*60 + "\n\t"+"z"*60 + "\n\t"+"w"*60 + "\nX-A: a\n\nbody\n"
M["longto"] = "To: " + ", ".join("user%d@example.com"%i for i in range(40)) + "\nX-A: a\n\nbody\n"
M["longpart"] = "Content-Type: multipart/mixed; boundary=abcdefgh\n\n--abcdeXXX\nSubject: " + "x"*300 + "\n\ntext\n--abcdeYYY--\n"
M["nosep"] = "Subject: x\nbody text\nmore\n"
M["nohdr"] = "%nocase\nbody text\nmore: x\n"
M["onlyhdr"] = "Subject: x\n"
M["empty"] = "%nocase\n"
M["onlysep"] = "Subject: x\n\n"
M["ws1"] = "%nocase\n\tleading\nSubject: x\n\nb\n"
M["from_"] = "%nocase\nFrom foo bar\n>From x\nSubject: x\n\nFrom b\n"
M["from_2"] = "%nocase\n>>From foo bar\n\tcont\nSubject: x\n\nFrom b\n"
M["wscolon"] = "Subject : x\nX-Foo\t :y\nX-Bar:z\n :foo\nb d: x\n\nq\n"
M["utf8name"] = "Sübject: x\n\nq\n"
M["digest"] = "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: in\nContent-Transfer-Encoding: 8bit\n\né\n--a--\n"
M["ctcase"] = "content-type: MULTIPART/Mixed; charset=x; BOUNDARY = \"a b\" (c); boundary=zz\n\n--a bxx\nContent-Transfer-Encoding: 8bit\n\né\n--zz\nContent-Transfer-Encoding: 8bit\n\né\n"
M["global"] = "Content-Type: message/global\n\nSubject: é\nContent-Transfer-Encoding: 8bit\n\né\n"
M["rfchdrs"] = "Content-Type: text/rfc822-headers\n\nSubject: é\nContent-Transfer-Encoding: 8bit\n\né\n"
M["ctfold"] = "Content-Type: multipart/mixed;\n\tboundary=\"a\n b\"\n\n--a b\nContent-Transfer-Encoding: 8bit\n\né\n"
for k,v in M.items(): msg(k, v)
for c in ("d","f","strict","h"):
    d="EHLO mail.client.test\n"
    for k in M:
        d += "!deliver s@good.test u@no8bit.test %s\n!drain\n"%k
    case(c, "mime_" + c,d,limit=200)
