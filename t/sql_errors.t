#!/usr/bin/perl
# mysql: what errors of a server mean: the connection is of no more use, or good but the query was refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Backend;

plan skip_all => 'no plug-in for mysql:' unless -e bin('table_mysql.so');
my $db = Postrider::Backend->mariadb or plan skip_all => 'no MariaDB';
$db->sql("use mail; create table t (k varchar(100) primary key, v varchar(100)); insert into t values ('a\@v.test', 'x\@d.test'), ('lock\@d.test', 'OK');\n");
my $n = 0;
my $cf = sub { "hosts = 127.0.0.1:$db->{port}\nuser = mail\npassword = pw\ndbname = mail\nretry_interval = 60\nquery = $_[0]\n" };
my $s = server(
    main => "virtual_alias_domains = v.test\nvirtual_alias_maps = mysql:\${config_directory}/plain.cf\nmydestination = d.test\nlocal_recipient_maps = static:x\nlocal_transport = discard\n" .
	"smtpd_restriction_classes = sleepy, locked, many\nmany = check_recipient_access mysql:\${config_directory}/many.cf, permit\nsleepy = check_recipient_access mysql:\${config_directory}/sleep.cf, permit\nlocked = check_recipient_access mysql:\${config_directory}/locked.cf, permit\n" .
	"smtpd_recipient_restrictions = check_recipient_access regexp:\${config_directory}/which, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\npostrider_table_connections = 1\n",
    files => { which => "/^sleep/ sleepy\n/^lock/ locked\n/^many/ many\n", 'plain.cf' => $cf->("SELECT v FROM t WHERE k = '%s'"), 'sleep.cf' => $cf->("SELECT v FROM t WHERE SLEEP(25) OR k = '%s'"),
	'many.cf' => $cf->("SELECT v FROM t WHERE k = 'many' AND k = '%s'"), 'locked.cf' => $cf->("SELECT v FROM t WHERE k = '%s' FOR UPDATE") });
my $c = $s->client;
$c->cmd('EHLO c'); $c->cmd('MAIL FROM:<a@d.test>');
sub rcpt { my ($to) = @_; sleep 0.06; return $c->cmd("RCPT TO:<$to>") }
sub list { my ($where) = @_; return split /\n/, $db->sql("select id from information_schema.processlist where user = 'mail' and $where;") }
sub new_warnings { my ($from) = @_; return join "\n", grep { /warning: (?:mysql|connect)/ } split /\n/, substr $s->log, $from }

# ---- connections that die while nobody uses them: made anew, and nothing is said
like(rcpt('a@v.test'), qr/^250/, 'an alias');
my $begin = length $s->log;
for my $round (1 .. 3) {
	$db->sql(join '', map { "kill connection $_;" } list('1'));
	like(rcpt('a@v.test'), qr/^250/, "killed while idle ($round)");
}
$db->sql('set global wait_timeout = 1;' . join '', map { "kill connection $_;" } list('1'));
like(rcpt('a@v.test'), qr/^250/, 'a connection that the server will not keep');
ok(wait_for('its end', 20, sub { sleep 0.2; !list('1') }), 'the server closes it');
like(rcpt('a@v.test'), qr/^250/, 'made anew');
is(new_warnings($begin), '', 'all that without a word');
$db->sql('set global wait_timeout = 28800;');

# ---- a query that is killed: refused, the connection stays; a connection that is killed in a query: once more, then that is it
sub sleeper { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<a@d.test>'); $n++; $x->raw("RCPT TO:<sleep$n\@d.test>\r\n"); return $x }
sub asleep { my ($old) = @_; my $id; wait_for('the query', 20, sub { sleep 0.05; ($id) = grep { $_ != ($old // 0) } list("info like '%SLEEP%'"); $id }); return $id // 0 }
my $x = sleeper();
my $id = asleep();
$db->sql("kill query $id;");
like($x->reply, qr/^451 4\.3\.5 <sleep1\@d\.test>: Recipient address rejected: Server configuration error/, 'a killed query: not now');
ok($s->wait_log(qr/warning: mysql:\S+sleep\.cf: query failed \(mysql_store_result\): Query execution was interrupted\n/), 'why');
$x->close;
$x = sleeper();
is(asleep(), $id, 'the connection is used again');
$db->sql("kill connection $id;");
my $id2 = asleep($id);
isnt($id2, 0, 'a connection that was idle is made again');
$db->sql("kill connection $id2;");
like($x->reply, qr/^451 4\.3\.5 <sleep2\@d\.test>/, 'a new one is not');
ok($s->wait_log(qr/warning: mysql:\S+sleep\.cf: query failed: (?:Lost connection to server during query|Connection was killed)\n/), 'why');
$x->close;
like(rcpt('a@v.test'), qr/^250/, 'another table with the same server goes on');

# ---- a lock that is waited for too long: refused, asked again
$db->sql('set global innodb_lock_wait_timeout = 1;');
open my $lock, '|-', $db->{client}, '--no-defaults', "--socket=$db->{socket}", '-uroot', '-n' or die;
{ my $old = select $lock; $| = 1; select $old }
print $lock "use mail; begin; update t set v = v; select 'x' into outfile '$db->{dir}/data/locked';\n";
ok(wait_for('the lock', 20, sub { sleep 0.05; -e "$db->{dir}/data/locked" }), 'rows are locked');
like($c->cmd('RCPT TO:<lock@d.test>'), qr/^451 4\.3\.5 <lock\@d\.test>/, 'waits for a second: not now');
ok($s->wait_log(qr/warning: mysql:\S+locked\.cf: query failed: Lock wait timeout exceeded; try restarting transaction\n/), 'why');
print $lock "commit;\n";
close $lock;
like($c->cmd('RCPT TO:<lock@d.test>'), qr/^250/, 'asked again, the host does not count as down');

# ---- no room for another connection
$db->sql('set global max_connections = 10;');
my @held = map { open my $h, '|-', "exec $db->{client} --no-defaults --socket=$db->{socket} -umail -ppw -n 2>/dev/null" or die; $h } 1 .. 11;
ok(wait_for('connections', 20, sub { sleep 0.05; my @r = run_cmd([$db->{client}, '--no-defaults', "--socket=$db->{socket}", '-umail', '-ppw', '-e', 'select 1']); $r[0] != 0 }), 'all are taken');
like($c->cmd('RCPT TO:<many@d.test>'), qr/^451 4\.3\.5 <many\@d\.test>/, 'no room: not now');
ok($s->wait_log(qr/warning: connect to mysql server 127\.0\.0\.1:\d+: Too many connections\n/), 'why');
close $_ for @held;
$s->{allow} = [qr/query failed|connect to mysql server|lookup error/];
$s->finish;
done_testing();
