#!/usr/bin/perl
# Where mail goes, with a real name server: MX preference, CNAME, null MX, addresses without MX, no answer at all.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Sink;

my $parent = $$;
my $prog = have('nsd') or plan skip_all => 'nsd is not installed';
my $nsd;	# process id
my $port = free_port();
my $dir = tempdir('postrider-nsd.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => !$ENV{KEEP});
chmod 0755, $dir;

spew("$dir/nsd.conf", <<"END");
server:
	server-count: 1
	ip-address: 127.0.0.1\@$port
	username: ""
	chroot: ""
	zonesdir: "$dir"
	database: ""
	pidfile: "$dir/nsd.pid"
	xfrdfile: "$dir/xfrd.state"
	zonelistfile: "$dir/zone.list"
	xfrdir: "$dir"
	logfile: "$dir/nsd.log"
remote-control:
	control-enable: no
zone:
	name: example.net
	zonefile: example.net.zone
END
spew("$dir/example.net.zone", <<'END');
$ORIGIN example.net.
$TTL 1
@	SOA	ns hostmaster 1 3600 600 86400 1
@	NS	ns
ns	A	127.0.0.1
one	A	127.0.0.1
two	A	127.0.0.2
closed	A	127.0.0.4
@	MX	20 two
@	MX	10 one
second	MX	20 two
second	MX	10 closed
alias	CNAME	second
chain	CNAME	alias
null	MX	0 .
plain	A	127.0.0.2
nothing	TXT	"no address here"
lost	MX	10 missing
part	MX	10 missing
part	MX	20 two
many	MX	10 closed
many	MX	20 missing
many	MX	30 two
*.wild	MX	10 two
later	MX	10 two
END
sub nsd_start
{
	$nsd = fork // die "fork: $!";
	if ($nsd == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>>', "$dir/out"; open STDERR, '>>', "$dir/out";
		{ no warnings; exec { $prog } 'nsd', '-d', '-c', "$dir/nsd.conf"; }
		POSIX::_exit(127);
	}
	# A query for the zone's SOA: up when an answer without an error comes back.
	my $q = pack('n6', 4711, 0, 1, 0, 0, 0) . "\7example\3net\0" . pack('nn', 6, 1);
	return wait_for('nsd', 10, sub {
		if (waitpid($nsd, WNOHANG) == $nsd) { undef $nsd; diag((slurp("$dir/out") // '') . (slurp("$dir/nsd.log") // '')); return -1 }
		my $u = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'udp') or return 0;
		$u->send($q);
		return 0 unless IO::Select->new($u)->can_read(0.2);
		my $r;
		return defined $u->recv($r, 512) && length $r > 12 && (unpack('n2', $r))[1] % 16 == 0 ? 1 : 0;
	}) // 0;
}

sub nsd_stop
{
	my $p = $nsd // return;
	undef $nsd;
	kill TERM => $p;
	my $end = time + 10;
	while (waitpid($p, WNOHANG) == 0) { if (time > $end) { kill KILL => $p; waitpid $p, 0; last } sleep 0.01 }
	# Its children hold the socket a moment longer.
	return wait_for('port', 5, sub { IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'udp') });
}

my %sink;
my $smtp = free_port();
$sink{1} = eval { Postrider::Sink->new(port => $smtp, address => '127.0.0.1') };
$sink{2} = eval { Postrider::Sink->new(port => $smtp, address => '127.0.0.2') } or plan skip_all => 'no second loopback address';
is(nsd_start(), 1, 'nsd started') or do { done_testing(); exit };
my $s = server(allow => [qr/warning: no MX host for lost\.example\.net has a valid address record/], main => "postrider_dns_servers = 127.0.0.1:$port\nsmtp_tcp_port = $smtp\n" .
    "minimal_backoff_time = 1000s\nqueue_run_delay = 1000s\n");
my %n = (1 => 0, 2 => 0);

sub arrives
{
	my ($to, $at, $relay, $what) = @_;
	like($s->client->send_mail(from => '', to => $to, text => "Subject: x\n\nx\n"), qr/^250/, "$what: accepted");
	my @m = $sink{$at}->wait_mails(++$n{$at});
	is(scalar @m, $n{$at}, "$what: delivered") or diag $s->log;
	like($m[-1]{rcpt}[0] // '', qr/<\Q$to\E>/, "$what: the address is as it was");
	ok($s->wait_log(qr/to=<\Q$to\E>, relay=\Q$relay\E:$smtp,.*status=sent/), "$what: relay is $relay") or diag $s->log;
}

sub fails
{
	my ($to, $rx, $what) = @_;
	like($s->client->send_mail(from => '', to => $to, text => "Subject: x\n\nx\n"), qr/^250/, "$what: accepted");
	ok($s->wait_log(qr/to=<\Q$to\E>, relay=none, .*$rx/, 15), "$what: logged") or diag $s->log;
}

# ---- the answers that lead somewhere
arrives('a@example.net', 1, 'one.example.net[127.0.0.1]', 'the lower preference first');
arrives('a@second.example.net', 2, 'two.example.net[127.0.0.2]', 'the next preference when the first is down');
like($s->log, qr/connect to closed\.example\.net\[127\.0\.0\.4\]:$smtp: Connection refused/, 'the first was tried');
arrives('a@alias.example.net', 2, 'two.example.net[127.0.0.2]', 'CNAME to a name with MX');
arrives('a@chain.example.net', 2, 'two.example.net[127.0.0.2]', 'CNAME to a CNAME');
arrives('a@plain.example.net', 2, 'plain.example.net[127.0.0.2]', 'an address without MX');
arrives('a@part.example.net', 2, 'two.example.net[127.0.0.2]', 'one MX host has no address');
arrives('a@many.example.net', 2, 'two.example.net[127.0.0.2]', 'three preferences, the last works');
arrives('a@x.wild.example.net', 2, 'two.example.net[127.0.0.2]', 'a wildcard MX');
arrives('a@[127.0.0.2]', 2, '127.0.0.2[127.0.0.2]', 'an address literal asks nobody');
is(scalar $sink{1}->mails, $n{1}, 'nothing else came to the first host');

# ---- and those that do not
fails('a@null.example.net', qr/dsn=5\.1\.0, status=bounced \(Domain null\.example\.net does not accept mail \(nullMX\)\)/, 'null MX');
fails('a@none.example.net', qr/dsn=5\.4\.4, status=bounced \(Host or domain name not found\. Name service error for name=none\.example\.net type=A\w*: Host not found\)/, 'no such domain');
fails('a@nothing.example.net', qr/dsn=5\.4\.4, status=bounced \(Host or domain name not found\. Name service error for name=nothing\.example\.net type=A\w*: Host found but no data record of requested type\)/, 'no usable record');
fails('a@lost.example.net', qr/dsn=5\.4\.4, status=bounced \(Host or domain name not found\. Name service error for name=missing\.example\.net type=A\w*: Host not found\)/, 'MX without any address');
like($s->log, qr/warning: no MX host for lost\.example\.net has a valid address record/, 'and a warning says so');
ok($s->wait_empty, 'the queue is empty') or diag explain [$s->queue];

# ---- the name server goes away and comes back; a name not asked for yet, as answers are kept
ok(nsd_stop(), 'nsd stopped');
fails('later@later.example.net', qr/dsn=4\.4\.3, status=deferred \(Host or domain name not found\. Name service error for name=later\.example\.net type=MX: Host not found, try again\)/, 'no name server');
ok(wait_for('deferred', 10, sub { my @q = $s->queue; @q == 1 && $q[0]{queue_name} eq 'deferred' }), 'waits in the deferred queue') or diag explain [$s->queue];
is(nsd_start(), 1, 'nsd started again');
is(($s->tool('postqueue', '-f'))[0], 0, 'flush');
my @m = $sink{2}->wait_mails(++$n{2});
is(scalar @m, $n{2}, 'delivered after the flush') or diag $s->log;
like($m[-1]{rcpt}[0] // '', qr/<later\@later\.example\.net>/, 'to the right one');
ok($s->wait_empty, 'the queue is empty again');
$s->finish;
done_testing();

END {
	my $rc = $?;
	nsd_stop() if $$ == $parent;
	$? = $rc;
}
