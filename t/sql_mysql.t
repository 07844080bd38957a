#!/usr/bin/perl
# mysql: with a real MariaDB: a virtual-mailbox setup as written for Postfix, parameters, servers that die or hang.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Backend;
use Postrider::Sink;

plan skip_all => 'no plug-in for mysql:' unless -e bin('table_mysql.so');
my $db = Postrider::Backend->mariadb or plan skip_all => 'no MariaDB';
$db->sql(<<'SQL');
create database vimbadmin; use vimbadmin;
create table domain (domain varchar(255) primary key, active boolean);
create table mailbox (username varchar(255) primary key, active boolean);
create table alias (address varchar(255) primary key, goto text, active boolean);
create table tlspolicies (domain varchar(255) primary key, policy varchar(20), params varchar(255));
insert into domain values ('example.net', 1), ('off.test', 0);
insert into mailbox values ('john@example.net', 1), ('admin@example.net', 1), ('gone@example.net', 0), ('o''brien@example.net', 1);
insert into alias values ('info@example.net', 'john@example.net,admin@example.net', 1), ('old@example.net', 'john@example.net', 0), ('postmaster@example.net', 'admin@example.net', 1);
insert into tlspolicies values ('dane.test', 'dane-only', NULL), ('secure.test', 'secure', 'match=mx.secure.test');
use mail;
create table `access` (`pattern` varchar(127) not null, `action` varchar(255) not null default 'REJECT',
 `type` enum('spam','unsub','other') not null default 'other', `comment` varchar(255) character set utf8 default null, primary key (`pattern`)) default charset=ascii collate=ascii_general_ci;
insert into access (pattern) values ('spam.test'), ('bad@good.test');
create table t (k varchar(100), v varchar(100), w varchar(100));
insert into t values ('a', 'one', NULL), ('two', 'x', 'y'), ('many', '1', ''), ('many', '2', '3'), ('ü', 'umlaut', NULL);
delimiter //
create procedure look(in p varchar(255)) begin select v from t where k = p; end //
create procedure nothing(in p varchar(255)) begin set @x = p; end //
create procedure twice(in p varchar(255)) begin select v from t where k = p; select w from t where k = p; end //
SQL

my $cf = sub { my ($query, $more, $hosts, $dbname) = @_;
	return "# MySQL connection\nhosts = " . ($hosts // "127.0.0.1:$db->{port}") . "\nuser = mail\npassword = pw\ndbname = " . ($dbname // 'vimbadmin') . "\nquery = $query\n" . ($more // '') };
my $t_query = "SELECT v, w FROM t WHERE k = '%s'";
my $sink = Postrider::Sink->new(lmtp => 1);
my $mid = Postrider::Backend->relay($db->{port}, hang => qr/HANG/);
my $first = Postrider::Backend->relay($db->{port}, hang => 'first');	# greets, says nothing to the handshake
my $mute = Postrider::Backend->relay($db->{port}, hang => 'greeting');
# A name server that does not answer holds up the thread that asks.
my $shim = !$ENV{POSTRIDER_SAN} && -e "$Postrider::BUILD/t/crash/resolver.so";
my $s = server(start => 0, env => $shim ? { LD_PRELOAD => "$Postrider::BUILD/t/crash/resolver.so" } : {},
    main => "virtual_mailbox_domains = mysql:\${config_directory}/sql/virtual-domains.cf\nvirtual_mailbox_maps = mysql:\${config_directory}/sql/virtual-mailboxes.cf\n" .
	"virtual_alias_maps =\n    # local mail\n    hash:\${config_directory}/virtual\n    mysql:\${config_directory}/sql/virtual-aliases.cf\n" .
	"virtual_transport = lmtp:inet:" . $sink->where . "\nmydestination = charlotte.example.com\nlocal_recipient_maps = static:x\nlocal_transport = lmtp:inet:" . $sink->where . "\n" .
	"smtpd_restriction_classes = hang, mute, tls, dns\ndns = check_recipient_access mysql:\${config_directory}/sql/dns.cf\nhang = check_recipient_access mysql:\${config_directory}/sql/hang.cf\nmute = check_recipient_access mysql:\${config_directory}/sql/mute.cf\n" .
	"tls = check_recipient_access mysql:\${config_directory}/sql/tls.cf\n" .
	"smtpd_sender_restrictions = check_sender_access mysql:\${config_directory}/access.cf\nsmtpd_recipient_restrictions = check_recipient_access inline:{hang\@charlotte.example.com=hang, mute\@charlotte.example.com=mute, tls\@charlotte.example.com=tls, dns\@charlotte.example.com=dns}, permit_mynetworks, reject\n" .
	"postrider_table_time_limit = 2s\npostrider_table_connections = 3\nlegacy_hosts = 127.0.0.1:$db->{port}\nlegacy_user = mail\nlegacy_password = pw\nlegacy_dbname = mail\n" .
	"legacy_table = t\nlegacy_select_field = v\nlegacy_where_field = k\nlegacy_additional_conditions = and 1 = 1\nsmtpd_error_sleep_time = 0\n",
    files => { virtual => "root admin\@example.net\n" });
mkdir "$s->{conf}/sql", 0755;
my %file = ('sql/virtual-domains.cf' => $cf->("SELECT 1 FROM domain WHERE domain='%s' AND active = '1'", "retry_interval = 1\n"),
    'sql/virtual-mailboxes.cf' => $cf->("SELECT 1 FROM mailbox WHERE username = '%s' AND active = '1'", "retry_interval = 1\n"),
    'sql/virtual-aliases.cf' => $cf->("SELECT goto FROM alias WHERE address = '%s' AND active = '1'", "retry_interval = 1\n"),
    'sql/tls-policy.cf' => $cf->("SELECT policy, params FROM tlspolicies WHERE domain = '%s'"),
    'sql/hang.cf' => $cf->("SELECT 'OK' FROM domain WHERE 'HANG' = '%s'", "retry_interval = 1\n", "127.0.0.1:$mid->{port}"),
    'sql/mute.cf' => $cf->("SELECT 'OK' FROM domain WHERE domain = '%s'", "retry_interval = 1\n", "127.0.0.1:$mute->{port}"),
    'sql/tls.cf' => $cf->("SELECT 'OK' FROM domain WHERE domain = '%s'", "retry_interval = 1\ntls_ciphers = HIGH\n", "127.0.0.1:$first->{port}"),
    'sql/dns.cf' => $cf->("SELECT 'OK' FROM domain WHERE domain = '%s'", "retry_interval = 1\n", "db.hang.test:$db->{port}"),
    'access.cf' => $cf->("SELECT action FROM access WHERE pattern = '%s'", "retry_interval = 1\n", undef, 'mail'),
    'plain.cf' => $cf->($t_query, '', undef, 'mail'),
    'socket.cf' => $cf->($t_query, '', "unix:$db->{socket}", 'mail'),
    'format.cf' => $cf->($t_query, "result_format = <%s> %%\nexpansion_limit = 2\ncharset = utf8mb4\n", undef, 'mail'),
    'call.cf' => $cf->("CALL look('%s')", '', undef, 'mail'),
    'none.cf' => $cf->("CALL nothing('%s')", '', undef, 'mail'),
    'noneok.cf' => $cf->("CALL nothing('%s')", "require_result_set = no\n", undef, 'mail'),
    'twice.cf' => $cf->("CALL twice('%s')", '', undef, 'mail'),
    'syntax.cf' => $cf->("SELEKT '%s'", '', undef, 'mail'),
    'password.cf' => $cf->($t_query, "password = wrong\n", undef, 'mail'),
    'second.cf' => $cf->($t_query, '', "unix:/nonexistent 127.0.0.1:$db->{port}", 'mail'),
);
$s->write_conf($_, $file{$_}) for keys %file;
$s->start;

# ---- postmap
sub query_is { my ($what, $table, $key, $want, $err) = @_;
	my ($rc, $out, $e) = $s->tool('postmap', '-q', $key, $table =~ /:/ ? $table : "mysql:$s->{conf}/$table.cf");
	chomp $out;
	is($rc == 0 ? $out : "rc $rc", $want, $what);
	$e =~ s/\Q$s->{conf}\E\///g;
	like($e, $err // qr/^$/, "$what: what is said") }
query_is('a value', 'plain', 'a', 'one');
query_is('two columns', 'plain', 'two', 'x,y');
query_is('rows, one column empty', 'plain', 'many', '1,2,3', qr/^postmap: warning: table "mysql:plain.cf": empty lookup result for: "many" -- ignored$/);
query_is('not there', 'plain', 'nope', 'rc 1');
query_is('a key that would be SQL', 'plain', q{' OR 1=1 --@x}, 'rc 1');
query_is('over the socket', 'socket', 'a', 'one');
query_is('result_format', 'format', 'two', '<x> %,<y> %');
query_is('expansion_limit', 'format', 'many', 'rc 1', qr/warning: dict_mysql_lookup: format.cf: Expansion limit exceeded for key: 'many'\n.*fatal: table mysql:format.cf: query error/);
query_is('charset', 'format', "\xc3\xbc", '<umlaut> %');
query_is('main.cf, old form', 'mysql:legacy', 'a', 'one');
query_is('a procedure', 'call', 'a', 'one');
query_is('a procedure without a result', 'none', 'a', 'rc 1', qr/warning: mysql:none.cf: query failed: query returned no result set\(require_result_set = yes\)\n/);
query_is('which may be', 'noneok', 'a', 'rc 1');
query_is('two results', 'twice', 'a', 'rc 1', qr/warning: mysql:twice.cf: query failed: multiple result sets returning data are not supported\n/);
query_is('no SQL', 'syntax', 'a', 'rc 1', qr/warning: mysql:syntax.cf: query failed: You have an error in your SQL syntax/);
query_is('a wrong password', 'password', 'a', 'rc 1', qr/overriding earlier entry: password=\.\.\.\n.*warning: connect to mysql server 127.0.0.1:$db->{port}: Access denied for user 'mail'@/);
query_is('another host', 'second', 'a', 'one', qr/^postmap: warning: connect to mysql server unix:\/nonexistent: Can't connect to local server/);
query_is('policies', 'sql/tls-policy', 'secure.test', 'secure,match=mx.secure.test');
query_is('a policy with a NULL', 'sql/tls-policy', 'dane.test', 'dane-only');
my ($rc, $out) = $s->tool('postmap', '-q', '-', "mysql:$s->{conf}/plain.cf", { stdin => "a\nnope\ntwo\n" });
is($out, "a\tone\ntwo\tx,y\n", 'many keys');
($rc, $out, my $err) = $s->tool('postmap', '-s', "mysql:$s->{conf}/plain.cf");
like($err, qr/fatal: table mysql:.*: sequence operation is not supported/, 'it cannot be listed');

# ---- the seed's virtual mailboxes
my $c = $s->client;
$c->cmd('EHLO client.test');
sub rcpt_like { my ($what, $to, $want) = @_; like($c->cmd("RCPT TO:<$to>"), $want, $what) }
like($c->cmd('MAIL FROM:<x@spam.test>'), qr/^250/, 'judged with the recipient');
rcpt_like('a refused sender\'s domain', 'john@example.net', qr/^554 5\.7\.1 <x\@spam\.test>: Sender address rejected: Access denied/);
$c->cmd('RSET');
$c->cmd('MAIL FROM:<bad@good.test>');
rcpt_like('a refused sender', 'john@example.net', qr/^554 5\.7\.1 <bad\@good\.test>: Sender address rejected/);
$c->cmd('RSET');
$c->cmd('MAIL FROM:<a@good.test>');
rcpt_like('a mailbox', 'john@example.net', qr/^250/);
rcpt_like('with a quote', q{o'brien@example.net}, qr/^250/);
rcpt_like('an alias', 'info@example.net', qr/^250/);
rcpt_like('not active', 'gone@example.net', qr/^550 5\.1\.1 <gone\@example\.net>: Recipient address rejected: User unknown in virtual mailbox table$/);
rcpt_like('an alias that is not active', 'old@example.net', qr/^550 5\.1\.1 .*User unknown in virtual mailbox table/);
rcpt_like('nobody', q{"' OR 1=1 --"@example.net}, qr/^550 5\.1\.1/);
rcpt_like('an alias in a file', 'root@charlotte.example.com', qr/^250/);
like($c->cmd('DATA'), qr/^354/, 'data');
like($c->cmd("Subject: x\r\n\r\nx\r\n."), qr/^250/, 'taken');
my @mail;
wait_for('mails', 15, sub { @mail = map { @{$_->{rcpt} // [$_->{to}]} } $sink->mails; @mail >= 5 });
is(join(' ', sort map { /<(.*?)>/ } @mail), q{admin@example.net admin@example.net john@example.net john@example.net o'brien@example.net}, 'delivered to') or diag explain \@mail;

# In a session of its own: errors add up.
sub ask { my ($to) = @_; my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); my $r = $x->cmd("RCPT TO:<$to>"); $x->quit; sleep 0.05; return $r }

# ---- it dies, and comes back
$db->kill;
$c = $s->client; $c->cmd('EHLO client.test'); $c->cmd('MAIL FROM:<a@good.test>');
rcpt_like('down: not now', 'john@example.net', qr/^451 4\.3\.[05] <[aj]\S+>: (?:Temporary lookup failure|Sender address rejected: Server configuration error)$/);
ok($s->wait_log(qr{postfix/(?:smtpd|trivial-rewrite)\[\d+\]: warning: connect to mysql server 127\.0\.0\.1:\d+: Can't connect to server}), 'why');
ok($s->wait_log(qr{postfix/\S+\[\d+\]: warning: (?:mysql:\S+ lookup error for|\w+: mysql:\S+: table lookup problem)}), 'which table');
$db->start;
ok(wait_for('up again', 20, sub { ask('john@example.net') =~ /^250/ }), 'and up again');
$db->kill;
$db->start;
my $d = $s->client; $d->cmd('EHLO client.test'); $d->cmd('MAIL FROM:<b@good.test>');
like($d->cmd('RCPT TO:<admin@example.net>'), qr/^250/, 'a connection that died while idle is made anew at once');

# ---- it hangs: in the middle of an answer, before its greeting, before the handshake, or its name server; others go on
for my $how (qw(hang mute tls), $shim ? 'dns' : ()) {
	my @hung = map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->raw("RCPT TO:<$how\@charlotte.example.com>\r\n"); $x } 1 .. 12;
	my ($worst, $bad) = (0, 0);
	for (1 .. 20) {
		my $t = time;
		$bad++ if $d->cmd('RCPT TO:<john@example.net>') !~ /^250/;
		$worst = time - $t if time - $t > $worst;
	}
	is($bad, 0, "$how: others are served");
	cmp_ok($worst, '<', 1.5, 'and do not wait');
	my @replies = map { $_->reply // 'nothing' } @hung;
	is(scalar(grep { /^451 4\.3\.5 <$how\S+: Recipient address rejected: Server configuration error/ } @replies), 12, 'all who wait get their answer') or diag explain \@replies;
	ok($s->wait_log(qr{mysql:\S+/sql/$how\.cf lookup error}), 'said so');
	$_->close for @hung;
}
ok($s->wait_log(qr{mysql:\S+/sql/hang\.cf: (?:no answer within 2 s|query failed: Lost connection)}), 'why');
# ---- how long others wait, with and without it, in turn
SKIP: {
	skip 'make test-long compares times', 1 unless $ENV{POSTRIDER_LONG};
	my (%t, @hung);
	my $round = sub { my ($which) = @_;
		$d->cmd('RSET'); $d->cmd('MAIL FROM:<b@good.test>');
		for (1 .. 300) { my $t = time; $d->cmd('RCPT TO:<john@example.net>') =~ /^250/ or die; push @{$t{$which}}, time - $t } };
	for (1 .. 12) {
		$round->('without');
		@hung = map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->raw("RCPT TO:<mute\@charlotte.example.com>\r\n"); $x } 1 .. 12;
		$round->('with');
		$_->reply, $_->close for @hung;
	}
	my %p99 = map { my @t = sort { $a <=> $b } @{$t{$_}}; ($_ => 1000 * $t[@t * 0.99]) } keys %t;
	my $limit = $p99{without} * 1.2 > $p99{without} + 2 ? $p99{without} * 1.2 : $p99{without} + 2;
	cmp_ok($p99{with}, '<=', $limit, sprintf 'p99 of others %.2f ms, without it %.2f ms', $p99{with}, $p99{without});
}
ok($s->log !~ /\bpw\b/, 'no password in the log');
$s->{allow} = [qr/warning: connect to mysql server/, qr/lookup error for/, qr/table lookup problem|_domains lookup failure/, qr/no answer within|earlier lookups/, qr/query failed/, qr/Temporary lookup failure/];
$s->finish;
done_testing();
