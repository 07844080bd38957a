#!/usr/bin/perl
# Starting, stopping, reloading; who owns a queue; the relay killed; processes and privileges.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time sleep);
use POSIX qw(:sys_wait_h);
use Postrider;

my $s = server(main => "default_transport = discard:\n");

# ---- processes
my $relay = $s->relay_pid;
if ($> == 0) {
	isnt($relay, $s->{pid}, 'as root there is a parent');
	my $st = slurp("/proc/$relay/status");
	like($st, qr/^Uid:\s+(\d+)\s+\1\s+\1/m, 'relay has one uid');
	unlike($st, qr/^Uid:\s+0\s/m, 'and it is not root');
	like($st, qr/^CapEff:\s+0+$/m, 'no capability');
	like($st, qr/^NoNewPrivs:\s+1/m, 'no new privileges');
}
is($s->client->send_mail(to => 'a@example.net'), '250 2.0.0 Ok: queued as ' . '', 'mail is taken') if 0;
like($s->client->send_mail(to => 'a@example.net'), qr/^250 2\.0\.0 Ok: queued as [0-9A-F]+$/, 'mail is taken');

# ---- a second server on the same queue
{
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'start-fg'], timeout => 20, user => $s->{user});
	isnt($rc, 0, 'a second server does not start');
	like($err, qr/already running.*process $s->{pid}/, 'and says who owns the queue');
	push @{$s->{allow}}, qr/error: the mail system is already running/;
}

# ---- status
{
	my ($rc, $out) = $s->tool('postrider', 'status');
	is($rc, 0, 'status: running');
	my $st = $s->status;
	ok($st && $st->{running} && exists $st->{loop}{blocked_switches} && exists $st->{store}, 'status --json has loop and store');
	my $before = $s->log;
	$s->status;
	is($s->log, $before, 'a probe leaves no log line');
}

# ---- the relay killed: back within a second, nobody refused
SKIP: {
	skip 'no parent without root', 4 if $> != 0;
	push @{$s->{allow}}, qr/relay process killed by signal 9/;
	kill KILL => $s->relay_pid;
	my $t0 = time;
	my ($refused, $ok) = (0, 0);
	while (time - $t0 < 1.5 && !$ok) {
		my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port, Timeout => 2) or $refused++;
		if ($c) { $c->blocking(1); my $l = <$c>; $ok = 1 if ($l // '') =~ /^220 / }
	}
	is($refused, 0, 'no connection was refused');
	ok($ok, 'greeting again');
	cmp_ok(time - $t0, '<', 1.3, 'within a second');
	like($s->client->send_mail(to => 'b@example.net'), qr/^250/, 'and it works');
}

# ---- reload
{
	my $c = $s->client;
	$c->ehlo;
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "smtpd_banner = \$myhostname new banner\n");
	my ($rc, $out, $err) = $s->tool('postrider', 'reload');
	is($rc, 0, 'reload') or diag $err;
	like($s->client->{greeting}, qr/^220 mx\.example\.com new banner/, 'new sessions see the new configuration');
	like($c->cmd('NOOP'), qr/^250/, 'old sessions go on');
	my $good = slurp("$s->{conf}/main.cf");
	push @{$s->{allow}}, qr/reload refused|bad numerical|line \d+/;
	$s->write_conf('master.cf', slurp("$s->{conf}/master.cf") . "broken line\n");
	($rc, $out, $err) = $s->tool('postrider', 'reload');
	is($rc, 1, 'a broken configuration is refused');
	like($err, qr/master\.cf.*line \d+/, 'with file and line');
	like($s->client->{greeting}, qr/new banner/, 'and the old one stays in force');
	(my $m = slurp("$s->{conf}/master.cf")) =~ s/broken line\n//;
	# a new address, and one that cannot be had
	my $p2 = $s->port(2);
	$s->write_conf('master.cf', "$m\n127.0.0.1:$p2 inet n - n - - smtpd\n");
	is(($s->tool('postrider', 'reload'))[0], 0, 'reload with a new address');
	like(Postrider::Client->new(port => $p2)->{greeting}, qr/^220/, 'which answers');
	my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $s->port(3), Listen => 1);
	push @{$s->{allow}}, qr/bind/;
	my $free = $s->port(4);
	$s->write_conf('master.cf', join "\n", $m, map { "127.0.0.1:$_ inet n - n - - smtpd" } $free, $s->port(3) . "\n");
	($rc, $out, $err) = $s->tool('postrider', 'reload');
	is($rc, 1, 'an address in use refuses the reload');
	like($err, qr/in use/, 'and says so');
	like(Postrider::Client->new(port => $p2)->{greeting}, qr/^220/, 'the addresses are as before');
	ok(wait_for('closed', 10, sub { !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $free) }), 'a free one before it does not stay bound');
	$s->write_conf('master.cf', $m);
	is(($s->tool('postrider', 'reload'))[0], 0, 'reload back');
	ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $p2), 'the removed address is closed');
}

# ---- a stale pid file, and stopping
{
	my $t0 = time;
	my ($rc, $out, $err) = $s->tool('postrider', 'stop');
	is($rc, 0, 'stop') or diag $err;
	cmp_ok(time - $t0, '<', 2.5, 'an idle server stops within two seconds');
	waitpid $s->{pid}, 0;
	is($?, 0, 'exit status 0');
	delete $s->{pid};
	is(($s->tool('postrider', 'status'))[0], 1, 'status: not running');
	is(($s->tool('postrider', 'stop'))[0], 1, 'stop when it does not run');
	spew("$s->{dir}/queue/pid/master.pid", sprintf "%10d\n", 1);
	ok($s->start, 'a stale pid file does not block a start');
}

# ---- start in the background
$s->stop;
{
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'start'], user => $s->{user}, env => { POSTRIDER_BLOCK_CHECK => 1 });
	is($rc, 0, 'start') or diag $err;
	like($s->client->{greeting}, qr/^220/, 'returns when listening');
	is(($s->tool('postrider', 'stop'))[0], 0, 'stop');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "content_filter = nowhere:[127.0.0.1]:1\n");
	($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'check'], user => $s->{user});
	like($err, qr/parameter content_filter: no service nowhere in master\.cf/, 'check names a transport that is not there');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "smtpd_timeout = abc\n");
	push @{$s->{allow}}, qr/smtpd_timeout/;
}
$s->check_log;

# ---- unprivileged: one process
SKIP: {
	skip 'already unprivileged', 1 if $> != 0;
	my $u = server(user => 'nobody', main => "default_transport = discard:\n");
	is($u->relay_pid, $u->{pid}, 'an ordinary user gets one process');
	like($u->client->send_mail(to => 'a@example.net'), qr/^250/, 'which works');
	$u->finish;
}
done_testing();
