#!/usr/bin/perl
# A question to a data base is put once for all who ask it at the same time, and its answer is given again for 50 ms.
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
$db->sql("use mail; create table t (k varchar(100) primary key, v varchar(100)); create table asked (k varchar(100));\n" .
    "insert into t values ('yes\@v.test', 'x\@d.test');\ndelimiter //\n" .
    "create procedure slowly(in p varchar(255)) begin insert into asked values (p); do sleep(0.2); select 'OK' from dual where p like 's%'; end //\n");
my $cf = sub { "hosts = 127.0.0.1:$db->{port}\nuser = mail\npassword = pw\ndbname = mail\nretry_interval = 1\nquery = $_[0]\n" };
my $s = server(
    main => "virtual_alias_domains = v.test\nvirtual_alias_maps = mysql:\${config_directory}/plain.cf\nmydestination = d.test, slow.test\nlocal_recipient_maps = static:x\nlocal_transport = discard\n" .
	"smtpd_restriction_classes = slow\nslow = check_recipient_access mysql:\${config_directory}/slow.cf, permit\npostrider_table_time_limit = 20s\npostrider_table_connections = 1\n" .
	"smtpd_recipient_restrictions = check_recipient_access inline:{slow.test=slow}, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\n",
    files => { 'plain.cf' => $cf->("SELECT v FROM t WHERE k = '%s'"), 'slow.cf' => $cf->("CALL slowly('%s')") });
my $c = $s->client;
$c->cmd('EHLO c'); $c->cmd('MAIL FROM:<a@d.test>');

# ---- what changes is seen: longer than 50 ms after it was asked last, an answer is asked anew
sub rcpt { my ($to) = @_; return $c->cmd("RCPT TO:<$to>") }
for my $round (1 .. 3) {
	like(rcpt("new$round\@v.test"), qr/^550 5\.1\.1/, 'not there');
	$db->sql("use mail; insert into t values ('new$round\@v.test', 'x\@d.test');");
	sleep 0.06;
	like(rcpt("new$round\@v.test"), qr/^250/, 'a new row is seen');
	$db->sql("use mail; delete from t where k = 'new$round\@v.test';");
	sleep 0.06;
	like(rcpt("new$round\@v.test"), qr/^550 5\.1\.1/, 'a row that went, too');
}
# ---- many messages at once for the same: far fewer questions than lookups
sub selects { return ($db->sql("show global status like 'Com_select'") =~ /(\d+)/)[0] }
my $before = selects();
my $burst = '';
$burst .= "RCPT TO:<yes\@v.test>\r\n" for 1 .. 500;
$c->raw($burst);
is(scalar(grep { ($c->reply // '') =~ /^250/ } 1 .. 500), 500, 'a burst of the same recipient');
cmp_ok(selects() - $before, '<', 400, 'does not ask each time');

# ---- who asks what is on its way waits for that answer; who leaves takes it from nobody
sub clients { my ($n, $to) = @_; return map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<a@d.test>'); $x->raw("RCPT TO:<$to>\r\n"); $x } 1 .. $n }
sub asked { return $db->sql("use mail; select count(*) from asked where k = '$_[0]';") + 0 }
my @many = clients(60, 's1@slow.test');
$many[$_]->close for 0, 1, 20, 40;
is(scalar(grep { ($_->reply // '') =~ /^250/ } @many[2 .. 19, 21 .. 39, 41 .. 59]), 56, 'all who stayed have their answer');
cmp_ok(asked('s1@slow.test'), '<', 30, 'asked far less often than wanted');
$_->close for @many;
@many = clients(5, 'n1@slow.test');
$_->close for @many;
ok($s->status, 'those who ask all leave');
@many = clients(3, 'n1@slow.test');
my @r = map { $_->reply // '' } @many;
is(scalar(grep { /^250/ } @r), 3, 'the next are answered') or diag explain \@r;
$_->close for @many;

# ---- reload and stop in the middle
@many = clients(6, 's2@slow.test');
is(($s->tool('postrider', 'reload'))[0], 0, 'a reload in the middle');
is(scalar(grep { defined $_->reply } @many), 6, 'all have their answer');
$_->close for @many;
like(rcpt('yes@v.test'), qr/^250/, 'a session that began before goes on');
clients(2, 's3@slow.test');
$s->{allow} = [qr/access table/, qr/unknown|lookup/];
$s->finish;
done_testing();
