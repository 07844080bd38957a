"""Where addresses go: routing operators, literals, classes."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_transport=error:5.0.0 L\ndefault_transport=error:5.0.0 D\nrelay_transport=error:5.0.0 R\nvirtual_transport=error:5.0.0 V\nrelay_domains=relay.test\nvirtual_alias_domains=valias.test, both.test\nvirtual_mailbox_domains=vmail.test, both.test\nsmtpd_reject_unlisted_recipient=no\nproxy_interfaces=10.1.1.1\nsmtpd_hard_error_limit=1000\nsmtpd_soft_error_limit=1000\n"
config("res_p", main=B)
config("res_q", main=B+"swap_bangpath=no\nallow_percent_hack=no\nresolve_dequoted_address=no\nresolve_null_domain=yes\nresolve_numeric_domain=yes\nappend_dot_mydomain=yes\nallow_min_user=yes\nshow_user_unknown_table_name=no\nrecipient_delimiter=+\n")
A=r'''a
a@example.com
a@EXAMPLE.com
"a b"@example.com
"a b"
@example.com
""@example.com
""
a%b.test
a%b.test@example.com
"a%b.test"@example.com
"a@b.test"@example.com
"a@b.test"
"x!a"@example.com
b.test!a
b.test!a@example.com
c!b.test!a@example.com
a%b.test%c.test@example.com
a%b.test@relay.test
a@b.test@relay.test
"a@b.test"@relay.test
b.test!a@relay.test
a@[192.0.2.1]
a@[127.0.0.1]
a@[10.1.1.1]
a@[10.1.1.2]
a@[IPv6:2001:db8::1]
a@[IPv6:2001:db8::2]
a@[192.0.2.1].
a@1.2.3.4
a@192.0.2.1
a@valias.test
a@both.test
a@vmail.test
a@relay.test
a@sub.relay.test
a@localhost
a@localhost.
a@foo
-a@foo.test
a@
a@example.com.
a@example.com..
a%@example.com
%@example.com
!@example.com
a!@example.com
!a@example.com
a@b.test.
a%b.test.@example.com
"a%[192.0.2.1]"@example.com
a@b@c@example.com
a+b@example.com
MAILER-DAEMON
postmaster
a|b@example.com
"|a b"@example.com
/x/y@example.com
a,b@example.com
a@xn--t-9fab.test
<>
"a\"b"@example.com
"a\"b%c.test"@example.com
"a%b c.test"@example.com
"a b%c.test"@example.com
"a b@c.test"@example.com
"%b.test"@example.com
"a%"@example.com
"@"@example.com
"a@"@example.com
"a.b@"@x.test
a@exa_mple.test
a@-x.test
a@[x]'''.split("\n")
for c in "pq":
  d="EHLO x\n"
  for a in A:
    d+="RSET\nMAIL FROM:<s@good.test>\nRCPT TO:<%s>\nDATA\n!send .\n!sleep 0.0\n"%a if 0 else "MAIL FROM:<s@good.test>\nRCPT TO:<%s>\nRSET\n"%a
  d+="MAIL FROM:<s@good.test>\n"
  for a in A: d+="RCPT TO:<%s>\n"%a
  d+="DATA\n!msg\n!drain\n"
  case(c, "res_" + c,d,limit=100)
