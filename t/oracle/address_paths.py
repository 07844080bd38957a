"""Addresses in MAIL FROM and RCPT TO, with and without strict_rfc821_envelopes."""
config("addr_plain", main="smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nmynetworks = 127.0.0.0/8 203.0.113.0/24\n")
config("addr_strict", main="smtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\nsmtpd_junk_command_limit=1000\nmynetworks = 127.0.0.0/8 203.0.113.0/24\nstrict_rfc821_envelopes = yes\n")
A = r'''<a@good.test>
a@good.test
 <a@good.test>
<>
<a b@good.test>
<"a b"@good.test>
"a b"@good.test
a b@good.test
<@r1.test,@r2.test:a@good.test>
@r1.test:a@good.test
<a@good.test
a@good.test>
<<a@good.test>>
John <a@good.test>
<a@good.test> John
(c)a@good.test
<(c)a@good.test>
<a@good.test,b@good.test>
a:b@good.test
<a:b@good.test>
<g:a@good.test;>
<a..b@good.test>
<.a@good.test>
<a.@good.test>
<a@.good.test>
<a@good..test>
<a@good.test.>
<a@good.test..>
<a@>
<@good.test>
<@>
<a@b@good.test>
<a%b@good.test>
<x!a@good.test>
<"a@b"@good.test>
<"a\"b"@good.test>
<a\ b@good.test>
<a\@b@good.test>
<a@[1.2.3.4]>
<a@[IPv6:::1]>
<a@[1.2.3]>
<a@1.2.3.4>
<""@good.test>
<"">
<" "@good.test>
<a|b@good.test>
<a"b"c@good.test>
<"a"."b"@good.test>
<a;b@good.test>
<a[b]@good.test>
<a(b)@good.test>
<a@good.test(b)>
<a @ good.test>
<-a@good.test>
<a@-good.test>
<a@good_x.test>
<a
<"a@good.test>
a<b@good.test>c
<postmaster>
<a>
<a@b>
<a@foo bar>
<a,b>
<é@good.test>
<a@é.test>
"a@good.test"
<a@good.test>SIZE=5
<a@good.test>> x
<a@good.test> x>
<a@good.test>;
'''.strip("\n").split("\n")
for c in ("plain","strict"):
    d="EHLO mail.client.test\n"
    for a in A: d += "MAIL FROM:"+a+"\nRSET\n"
    case("mail-"+c, "addr_" + c,d)
    d="EHLO mail.client.test\nMAIL FROM:<>\n"
    for a in A: d += "RCPT TO:"+a+"\n"
    case("rcpt-"+c, "addr_" + c,d)
