#!/usr/bin/perl
# redis: with a real Redis: commands, kinds of answers, a server that dies or hangs.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Backend;

plan skip_all => 'no plug-in for redis:' unless -e bin('table_redis.so');
my $db = Postrider::Backend->redis or plan skip_all => 'no Redis';
sub fill { $db->cli(@$_) for [SET => 'a', 'one'], [SET => 'alias@v.test', 'dest@example.net'], [RPUSH => 'list', 1, 2, 3], [HSET => 'box:in.test', 'user', 'dir'], [SET => 'n', 41],
    [SET => 'with space', 'sp'], [SET => 'empty', ''], ['-n', 3, SET => 'a', 'three'] }
fill();
my $hang = Postrider::Backend->relay($db->{port}, hang => qr/HANG/);
my $cf = sub { my ($query, $more, $hosts) = @_; return "hosts = " . ($hosts // "127.0.0.1:$db->{port}") . "\npassword = pw\nretry_interval = 1\n" . ($query ? "query = $query\n" : '') . ($more // '') };
my $s = server(
    main => "virtual_alias_domains = v.test\nvirtual_alias_maps = redis:\${config_directory}/plain.cf\nmydestination = example.net\nlocal_recipient_maps = static:x\nlocal_transport = discard\n" .
	"postrider_table_time_limit = 2s\npostrider_table_connections = 2\nlegacy_hosts = 127.0.0.1:$db->{port}\nlegacy_password = pw\n" .
	"smtpd_restriction_classes = hang\nhang = check_recipient_access redis:\${config_directory}/hang.cf\n" .
	"smtpd_recipient_restrictions = check_recipient_access inline:{hang\@example.net=hang}, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\n",
    files => { 'plain.cf' => $cf->(), 'socket.cf' => $cf->('GET %s', '', "unix:$db->{socket}"), 'list.cf' => $cf->('LRANGE %s 0 -1', "result_format = <%s>\n"), 'limit.cf' => $cf->('LRANGE %s 0 -1', "expansion_limit = 2\n"),
	'hash.cf' => $cf->('HGET box:%d %u', "result_format = %D/%s/\n"), 'count.cf' => $cf->('STRLEN %s'), 'wrong.cf' => $cf->('INCR %s'), 'db.cf' => $cf->('GET %s', "dbname = 3\n"),
	'bad.cf' => $cf->('NOSUCH %s'), 'nopw.cf' => "hosts = 127.0.0.1:$db->{port}\n", 'badpw.cf' => "hosts = 127.0.0.1:$db->{port}\npassword = no\n", 'port.cf' => "hosts = 127.0.0.1:x\n",
	'second.cf' => $cf->('GET %s', '', "unix:/nonexistent [127.0.0.1]:$db->{port}"), 'hang.cf' => $cf->('GET HANG%s', '', "127.0.0.1:$hang->{port}") });

sub query_is { my ($what, $table, $key, $want, $err) = @_;
	my ($rc, $out, $e) = $s->tool('postmap', '-q', $key, $table =~ /:/ ? $table : "redis:$s->{conf}/$table.cf");
	chomp $out;
	is($rc == 0 ? $out : "rc $rc", $want, $what);
	$e =~ s/\Q$s->{conf}\E\///g;
	like($e, $err // qr/^$/, "$what: what is said") }
query_is('a string', 'plain', 'a', 'one');
query_is('not there', 'plain', 'nope', 'rc 1');
query_is('an empty one', 'plain', 'empty', 'rc 1', qr/warning: table "redis:plain.cf": empty lookup result for: "empty" -- ignored/);
query_is('a key with a space is one word', 'plain', 'with space', 'sp');
query_is('a key that would be commands', 'plain', "a\r\nFLUSHALL\r\n", 'rc 1');
query_is('still there', 'socket', 'a', 'one');
query_is('a list', 'list', 'list', '<1>,<2>,<3>');
query_is('an empty list', 'list', 'nope', 'rc 1');
query_is('expansion_limit', 'limit', 'list', 'rc 1', qr/warning: redis:limit.cf: expansion limit exceeded for key: 'list'/);
query_is('parts of the key', 'hash', 'user@in.test', 'in.test/dir/');
query_is('a key without them', 'hash', 'user', 'rc 1');
query_is('a number', 'count', 'a', '3');
query_is('another data base', 'db', 'a', 'three');
query_is('main.cf', 'redis:legacy', 'a', 'one');
query_is('an error', 'wrong', 'a', 'rc 1', qr/warning: redis:wrong.cf: query failed: host \S+: ERR value is not an integer/);
query_is('no such command', 'bad', 'a', 'rc 1', qr/query failed: host \S+: ERR unknown command/);
query_is('without the password', 'nopw', 'a', 'rc 1', qr/query failed: host \S+: NOAUTH/);
query_is('a wrong password', 'badpw', 'a', 'rc 1', qr/warning: connect to redis server \S+: (?:ERR|WRONGPASS)/);
query_is('a bad port', 'port', 'a', 'rc 1', qr/fatal: port.cf: bad port number: hosts = 127.0.0.1:x/);
query_is('another host', 'second', 'a', 'one', qr/warning: connect to redis server unix:\/nonexistent: No such file or directory/);

sub ask { my ($to) = @_; my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); my $r = $x->cmd("RCPT TO:<$to>"); $x->quit; sleep 0.05; return $r }
like(ask('alias@v.test'), qr/^250/, 'an alias');
like(ask('nobody@v.test'), qr/^550 5\.1\.1/, 'none');
$db->kill;
like(ask('alias@v.test'), qr/^451 4\.3\.0 <alias\@v\.test>: Temporary lookup failure/, 'down: not now');
$db->start;
fill();
ok(wait_for('up again', 20, sub { ask('alias@v.test') =~ /^250/ }), 'and up again');
my @hung = map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->raw("RCPT TO:<hang\@example.net>\r\n"); $x } 1 .. 6;
my $t = time;
is(scalar(grep { ask('alias@v.test') =~ /^250/ } 1 .. 10), 10, 'it hangs: others are served');
cmp_ok(time - $t, '<', 5, 'and do not wait');
is(scalar(grep { ($_->reply // '') =~ /^451 4\.3\.5 .*Server configuration error/ } @hung), 6, 'all who wait get their answer');
$s->{allow} = [qr/warning: (?:connect to|redis:\S+: query failed)/, qr/lookup error for|table lookup problem/, qr/no answer within|earlier lookups/, qr/lookup failure/];
$s->finish;
done_testing();
