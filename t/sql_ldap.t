#!/usr/bin/perl
# ldap: with a real OpenLDAP: searches, groups, limits, STARTTLS, a server that dies or hangs.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Backend;

plan skip_all => 'no plug-in for ldap:' unless -e bin('table_ldap.so');
plan skip_all => 'no OpenLDAP' unless have('slapd') && have('slapadd');
my $tls = tempdir(CLEANUP => 1);
chmod 0755, $tls;
run_cmd([qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout), "$tls/key.pem", '-out', "$tls/cert.pem"]);
chmod 0644, "$tls/key.pem";
# a client's certificate, of the same authority as the server's
run_cmd([qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=reader -keyout), "$tls/reader.key", '-out', "$tls/reader.pem"]);
spew("$tls/ca.pem", slurp("$tls/cert.pem") . slurp("$tls/reader.pem"), 0644);
chmod 0600, "$tls/reader.key";		# the parent reads it
chown 0, 0, "$tls/reader.key" if $> == 0;
sub person { my ($cn, %a) = @_; return "dn: cn=$cn,ou=people,dc=t\nobjectclass: person\nobjectclass: mailThing\ncn: $cn\nsn: $cn\n" . join('', map { my $n = $_; map { "$n: $_\n" } ref $a{$n} ? @{$a{$n}} : $a{$n} } sort keys %a) . "\n" }
my $dir = Postrider::Backend->slapd("dn: ou=people,dc=t\nobjectclass: organizationalUnit\nou: people\n\n" .
    person('a', mail => 'a@b.test', mailacceptinggeneralid => 'a@b.test', maildrop => ['x@y.test', 'z']) .
    person('b', mail => 'b@b.test', mailacceptinggeneralid => 'b@b.test', maildrop => 'bb@y.test') .
    person('star', mailacceptinggeneralid => 'st*r(x)\\y', maildrop => 'star') .
    person('group', mail => 'group@b.test', mailacceptinggeneralid => 'group@b.test', memberdn => ['cn=a,ou=people,dc=t', 'cn=b,ou=people,dc=t']) .
    person('term', mail => 'term@b.test', mailacceptinggeneralid => 'term@b.test', maildrop => 'term@host', memberdn => 'cn=a,ou=people,dc=t') .
    person('url', mail => 'url@b.test', mailacceptinggeneralid => 'url@b.test', memberdn => ['ldap:///ou=people,dc=t?mail?one?(cn=a)', 'ldap:///ou=people,dc=t??one?(cn=b)']) .
    person('gone', mailacceptinggeneralid => 'gone@b.test', memberdn => ['cn=nosuch,dc=t', 'cn=b,ou=people,dc=t']) .
    person('many', mailacceptinggeneralid => 'many@b.test', memberdn => [map { "cn=$_,ou=people,dc=t" } qw(a b star group term url gone loop)]) .
    person('secret', mailacceptinggeneralid => 'secret@b.test', maildrop => 'told') .
    "dn: cn=reader,dc=t\nobjectclass: person\ncn: reader\nsn: reader\nuserPassword: readerpw\n\n" .
    person('loop', mailacceptinggeneralid => 'loop@b.test', memberdn => 'cn=loop,ou=people,dc=t'),
    conf => "TLSCertificateFile $tls/cert.pem\nTLSCertificateKeyFile $tls/key.pem\nTLSCACertificateFile $tls/ca.pem\nTLSVerifyClient try\n" .
	"authz-regexp uid=reader,cn=[^,]*,cn=auth cn=reader,dc=t\nauthz-regexp uid=reader,cn=[^,]*,cn=[^,]*,cn=auth cn=reader,dc=t\nauthz-regexp cn=reader cn=reader,dc=t\nauthz-regexp gidNumber=.*,cn=external,cn=auth cn=reader,dc=t\n",
    rules => "access to dn.base=\"cn=secret,ou=people,dc=t\" by dn.base=\"cn=reader,dc=t\" read by * none\naccess to attrs=userPassword by * auth\naccess to * by * read\n", ldaps => 1);
my $slow = Postrider::Backend->relay($dir->{port}, delay => 0.6);
my $hang = Postrider::Backend->relay($dir->{port}, hang => qr/HANG/);
my $mute = Postrider::Backend->relay($dir->{port}, hang => 'greeting');
my $first = Postrider::Backend->relay($dir->{port}, hang => 'first');
my $base = sub { my ($more, $host) = @_; return "server_host = " . ($host // "ldap://127.0.0.1:$dir->{port}") . "\nsearch_base = dc=t\ntimeout = 2\n$more" };
my $g = "special_result_attribute = memberdn\n";
my $sasl = sub { my ($mech, $more, $host) = @_; return $base->("bind = sasl\nsasl_mechs = $mech\nbind_dn = reader\nbind_pw = readerpw\n" . ($more // ''), $host) };
my $s = server(
    main => "virtual_alias_domains = b.test\nvirtual_alias_maps = ldap:\${config_directory}/plain.cf\nmydestination = example.net, y.test, mx.example.com, example.com\nlocal_recipient_maps = static:x\nlocal_transport = discard\n" .
	"postrider_table_time_limit = 3s\npostrider_table_connections = 2\nlegacy_server_host = 127.0.0.1:$dir->{port}\nlegacy_search_base = dc=t\nlegacy_bind = no\n" .
	"smtpd_restriction_classes = hang, mute, tls\nhang = check_recipient_access ldap:\${config_directory}/hang.cf\nmute = check_recipient_access ldap:\${config_directory}/mute.cf\ntls = check_recipient_access ldap:\${config_directory}/tlshang.cf\n" .
	"smtpd_recipient_restrictions = check_recipient_access inline:{hang\@example.net=hang,mute\@example.net=mute,tls\@example.net=tls}, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\n",
    files => { 'plain.cf' => $base->(''), 'socket.cf' => $base->("bind = no\n", $dir->{ldapi}), 'group.cf' => $base->($g), 'term.cf' => $base->("${g}terminal_result_attribute = maildrop\nresult_attribute = mail\n"),
	'leaf.cf' => $base->("${g}leaf_result_attribute = mail\nresult_attribute =\n"), 'deep.cf' => $base->("${g}recursion_limit = 3\n"), 'limit.cf' => $base->("${g}expansion_limit = 2\n"),
	'size.cf' => $base->("query_filter = (mail=%s*)\nsize_limit = 1\n"), 'bind.cf' => $base->("bind_dn = cn=root,dc=t\nbind_pw = secret\n"), 'badbind.cf' => $base->("bind_dn = cn=root,dc=t\nbind_pw = wrongpw\n"),
	'user.cf' => $base->("query_filter = (&(cn=%u)(mail=*\@%d))\nresult_format = %u@%D\n"), 'base.cf' => "server_host = 127.0.0.1\nserver_port = $dir->{port}\nsearch_base = ou=%1,dc=t\nquery_filter = cn=%u\n",
	'nobase.cf' => "server_host = 127.0.0.1:$dir->{port}\nsearch_base = dc=nosuch\n", 'second.cf' => $base->('', "ldap://127.0.0.1:1 ldap://127.0.0.1:$dir->{port}"), 'filter.cf' => $base->("query_filter = ((%s\n"),
	'tls.cf' => $base->("start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = $tls/cert.pem\n"), 'tlsno.cf' => $base->("start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = /etc/hostname\n"),
	'slow.cf' => $base->($g, "ldap://127.0.0.1:$slow->{port}"), 'ldaps.cf' => $base->("tls_require_cert = yes\ntls_ca_cert_file = $tls/cert.pem\n", "ldaps://127.0.0.1:$dir->{ldaps}"),
	'ldapsno.cf' => $base->("tls_require_cert = yes\ntls_ca_cert_file = $tls/reader.pem\n", "ldaps://127.0.0.1:$dir->{ldaps}"), 'external.cf' => $sasl->('EXTERNAL', '', $dir->{ldapi}),
	'digest.cf' => $sasl->('DIGEST-MD5'), 'scram.cf' => $sasl->('SCRAM-SHA-256'), 'sasltls.cf' => $sasl->('DIGEST-MD5', "start_tls = yes\n"), 'saslbad.cf' => $base->("bind = sasl\nsasl_mechs = DIGEST-MD5\nbind_dn = reader\nbind_pw = wrongpw\n"),
	'ssf.cf' => $sasl->('EXTERNAL', "sasl_minssf = 56\n", $dir->{ldapi}), 'minssf.cf' => $sasl->('EXTERNAL', "sasl_minssf = 4000\n", $dir->{ldapi}), 'nomech.cf' => $sasl->('NOSUCH'), 'authz.cf' => $sasl->('DIGEST-MD5', "sasl_authz_id = u:nobody\n"),
	'cert.cf' => $base->("bind = sasl\nsasl_mechs = EXTERNAL\nstart_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = $tls/cert.pem\ntls_cert = $tls/reader.pem\ntls_key = $tls/reader.key\n"),
	'certs.cf' => $base->("bind = sasl\nsasl_mechs = EXTERNAL\ntls_require_cert = no\ntls_cert = $tls/reader.pem\ntls_key = $tls/reader.key\n", "ldaps://127.0.0.1:$dir->{ldaps}"),
	'odd.cf' => $base->("cache = yes\nversion = 9\nscope = up\ndereference = 7\nquery_filter = cn=a\n"), 'bindword.cf' => $base->("bind = perhaps\n"),
	'hang.cf' => $base->("query_filter = (|(cn=HANG)(cn=%s))\n", "ldap://127.0.0.1:$hang->{port}"), 'mute.cf' => $base->('', "ldap://127.0.0.1:$mute->{port}"), 'tlshang.cf' => $base->("start_tls = yes\n", "ldap://127.0.0.1:$first->{port}") });

sub query_is { my ($what, $table, $key, $want, $err) = @_;
	my ($rc, $out, $e) = $s->tool('postmap', '-q', $key, $table =~ /:/ ? $table : "ldap:$s->{conf}/$table.cf");
	chomp $out;
	is($rc == 0 ? $out : "rc $rc", $want, $what);
	$e =~ s/\Q$s->{conf}\E\///g;
	like($e, $err // qr/^$/, "$what: what is said") }
query_is('two values', 'plain', 'a@b.test', 'x@y.test,z');
query_is('not there', 'plain', 'nope@b.test', 'rc 1');
query_is('a star is a star', 'plain', '*', 'rc 1');
query_is('and so are others', 'plain', 'st*r(x)\\y', 'star');
query_is('a key that would be a filter', 'plain', 'x)(cn=*', 'rc 1');
query_is('over the socket', 'socket', 'b@b.test', 'bb@y.test');
query_is('main.cf', 'ldap:legacy', 'b@b.test', 'bb@y.test');
query_is('a group', 'group', 'group@b.test', 'x@y.test,z,bb@y.test');
query_is('of others', 'leaf', 'group@b.test', 'a@b.test,b@b.test');
query_is('a terminal attribute', 'term', 'term@b.test', 'term@host');
query_is('none', 'term', 'group@b.test', 'group@b.test,x@y.test,z,bb@y.test');
query_is('URLs', 'leaf', 'url@b.test', 'a@b.test,b@b.test');
query_is('a member that is not there', 'group', 'gone@b.test', 'bb@y.test', qr/warning: dict_ldap_get_values\[1\]: DN cn=nosuch,dc=t not found, skipping $/);
query_is('a loop', 'deep', 'loop@b.test', 'rc 1', qr/warning: dict_ldap_get_values\[3\]: deep.cf: Recursion limit exceeded for special attribute memberdn=cn=loop,ou=people,dc=t\n/);
query_is('expansion_limit', 'limit', 'group@b.test', 'rc 1', qr/warning: dict_ldap_get_values\[2\]: limit.cf: Expansion limit exceeded for key: 'group\@b.test'\n/);
query_is('bound', 'bind', 'a@b.test', 'x@y.test,z');
query_is('not bound', 'badbind', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server \S+ with dn cn=root,dc=t: 49 \(Invalid credentials\)\n/);
query_is('parts of the key', 'user', 'a@b.test', 'x@b.test,z@b.test');
query_is('a base with the key', 'base', 'b@x.people', 'bb@y.test');
query_is('which need not be there', 'base', 'b@x.nosuch', 'rc 1');
query_is('a base that must', 'nobase', 'a@b.test', 'rc 1', qr/warning: dict_ldap_lookup: nobase.cf: Search base 'dc=nosuch' not found: 32: No such object\n/);
query_is('another server', 'second', 'a@b.test', 'x@y.test,z');
query_is('a bad filter', 'filter', 'a@b.test', 'rc 1', qr/warning: dict_ldap_lookup: Search error -7: Bad search filter \n/);
query_is('STARTTLS', 'tls', 'a@b.test', 'x@y.test,z');
query_is('a certificate that is not trusted', 'tlsno', 'a@b.test', 'rc 1', qr/(?:error: dict_ldap_connect: Unable to set STARTTLS|warning: dict_ldap_set_tls_options: Unable to)/);
query_is('ldaps', 'ldaps', 'a@b.test', 'x@y.test,z');
query_is('with an authority that is not its own', 'ldapsno', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server ldaps:\/\/\S+ with dn empty or implicit: -1 \(Can't contact LDAP server\)\n/);
query_is('what needs a name', 'plain', 'secret@b.test', 'rc 1');
query_is("SASL, $_", $_, 'secret@b.test', 'told') for qw(external digest scram sasltls cert certs ssf);
query_is('SASL, a wrong password', 'saslbad', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server \S+ with dn reader: 49 \(Invalid credentials\)\n/);
query_is('SASL, not strong enough', 'minssf', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server \S+ with dn reader: -?\d+ \([^)]+\)\n/);
query_is('SASL, no mechanism', 'nomech', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server \S+ with dn reader: -6 \(Unknown authentication method\)\n/);
query_is('SASL, as another, which may not be', 'authz', 'a@b.test', 'rc 1', qr/warning: dict_ldap_connect: Unable to bind to server \S+ with dn reader: \d+ \([^)]+\)\n/);
{
	my $begin = time;
	query_is('a search of many searches, each of them late', 'slow', 'many@b.test', 'rc 1', qr/warning: (?:dict_ldap_get_values\[\d\]: search error -5: Timed out |ldap:slow.cf: no answer within 3 s)\n/);
	cmp_ok(time - $begin, '<', 7, 'has one limit');
}
query_is('odd values', 'odd', 'any', 'x@y.test,z', qr/Unknown version 9, using 3\..*Unrecognized value up specified for scope; using sub.*Fixed query_filter cn=a is probably useless.*ignoring cache.*Unrecognized value 7 specified for dereference; using 0/s);
query_is('a bad word', 'bindword', 'a', 'rc 1', qr/^postmap: fatal: bindword.cf: unsupported parameter value: bind = perhaps$/);

sub ask { my ($to) = @_; my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); my $r = $x->cmd("RCPT TO:<$to>"); $x->quit; sleep 0.05; return $r }
like(ask('a@b.test'), qr/^250/, 'an alias');
like(ask('nobody@b.test'), qr/^550 5\.1\.1/, 'none');
$dir->kill;
like(ask('a@b.test'), qr/^451 4\.3\.0 <a\@b\.test>: Temporary lookup failure/, 'down: not now');
$dir->start;
like(ask('a@b.test'), qr/^250/, 'and up again');
$dir->kill;
$dir->start;
like(ask('a@b.test'), qr/^250/, 'a connection that died while idle is made anew at once');
for my $how (qw(hang mute tls)) {
	my @hung = map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->raw("RCPT TO:<$how\@example.net>\r\n"); $x } 1 .. 6;
	my $t = time;
	is(scalar(grep { ask('a@b.test') =~ /^250/ } 1 .. 10), 10, "$how: others are served");
	cmp_ok(time - $t, '<', 5, 'and do not wait');
	is(scalar(grep { ($_->reply // '') =~ /^451 4\.3\.5 .*Server configuration error/ } @hung), 6, 'all who wait get their answer');
}
ok($s->log !~ /wrongpw|\bsecret\b/, 'no password in the log');
$s->{allow} = [qr/(?:warning|error): dict_ldap/, qr/lookup error for|table lookup problem/, qr/no answer within|earlier lookups/, qr/lookup failure/];
$s->finish;
done_testing();
