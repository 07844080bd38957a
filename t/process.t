#!/usr/bin/perl
# The processes' edges: the relay killed under a storm of connections, with no log line lost; sockets and words of a
# service manager; a start that cannot be; Postfix's lock and a stale one; a queue on NFS; status without a trace.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Fcntl qw(:flock F_SETFD);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Socket;
use Time::HiRes qw(time sleep);
use Postrider;

my $root = $> == 0;
my $kept;

# Runs the server by hand, with what it inherits arranged by $prepare. Its process and the reader of its standard error.
sub launch
{
	my ($s, $verb, $prepare) = @_;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>>', "$s->{dir}/stdout"; open STDERR, '>>', "$s->{dir}/stderr";
		$ENV{POSTRIDER_BLOCK_CHECK} = 1;
		$prepare->() if $prepare;
		Postrider::become($s->{user}) if $s->{user};
		{ no warnings; exec { bin('postrider') } 'postrider', '-c', $s->{conf}, $verb; }
		POSIX::_exit(127);
	}
	return $pid;
}

sub end_of { my ($pid) = @_; return wait_for('end', 30, sub { waitpid($pid, WNOHANG) == $pid }) ? $? >> 8 : -1 }

# ---- the relay killed while clients storm: none refused, soon back, every acknowledged message is in the log
SKIP: {
	skip 'no parent without root', 1 if !$root;
	my $s = server(main => "default_transport = discard:\nsmtpd_client_connection_count_limit = 0\n",
	    allow => [qr/relay process killed by signal 9/, qr/\d+ log lines were lost/]);
	my (@ids, $refused, $served);
	for my $round (1 .. 3) {	# each death doubles the pause before the next life
		my $c = $s->client;
		for (1 .. 20) { push @ids, $1 if $c->send_mail(to => 'a@example.net') =~ /queued as (\w+)/ }
		my $old = $s->relay_pid;
		kill KILL => $old;	# within the log thread's gathering time of the last reply
		my $t0 = time;
		my @c = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port, Timeout => 5) // $refused++ } 1 .. 50;
		for (grep { ref } @c) { my $l = <$_>; $served++ if ($l // '') =~ /^220 / }
		cmp_ok(time - $t0, '<', 10, "round $round: served again at once");
	}
	is($refused // 0, 0, 'no connection was refused');
	is($served, 150, 'all were served');
	is(scalar @ids, 60, 'messages acknowledged');
	ok(wait_for('lines', 10, sub { my $l = $s->log; !grep { $l !~ /smtpd\[\d+\]: $_: client=/ } @ids }), 'each left its line in the log')
	    or diag scalar grep { $s->log !~ /smtpd\[\d+\]: $_: client=/ } @ids;
	my %seen; $seen{$_}++ for $s->log =~ /smtpd\[\d+\]: (\w+): client=/g;
	is(scalar(grep { $_ > 2 } values %seen), 0, 'none more than twice: what was being written may be repeated');
	$s->finish;
}

# ---- sockets of a service manager, as root and not, in the foreground and not
for my $case ([undef, 'start-fg'], ['nobody', 'start-fg'], [undef, 'start'], ['nobody', 'start']) {
	my ($user, $verb) = @$case;
	next if !$root && !defined $user;
	my $s = server(start => 0, user => $user, main => "default_transport = discard:\n");
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $s->port, Listen => 5, ReuseAddr => 1) or die "$!";
	my $ino = (stat $l)[1];
	my $pid = launch($s, $verb, sub {
		POSIX::dup2(fileno $l, 3);
		open my $h, '+<&=', 3; fcntl $h, F_SETFD, 0; $^F = 10; $kept = $h;
		@ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, 1);
	});
	close $l;
	my $c = wait_for('greeting', 20, sub { eval { $s->client } });
	my $who = ($user // 'root') . ", $verb";
	like($c ? $c->{greeting} : '', qr/^220 /, "$who: serves a socket that was passed") or diag slurp("$s->{dir}/stderr") . $s->log;
	my $holder = $verb eq 'start' ? slurp("$s->{dir}/queue/pid/master.pid") : $pid;
	$holder =~ s/\s//g;
	ok(scalar(grep { (readlink($_) // '') eq "socket:[$ino]" } glob("/proc/$holder/fd/*")), "$who: that very one");
	$c->close if $c;
	is(($s->tool('postrider', 'stop'))[0], 0, "$who: stop");
	is(end_of($pid), 0, "$who: exit status 0");
	$s->check_log;
}

# ---- what a service manager is told
for my $user ($root ? (undef, 'nobody') : ((getpwuid $>)[0])) {
	my $s = server(start => 0, user => $user, main => "default_transport = discard:\n", allow => [qr/reload refused|broken/]);
	my $who = $user // 'root';
	my $n = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$s->{dir}/notify") or die "$!";
	chmod 0666, "$s->{dir}/notify";
	my $told = '';
	my $hear = sub { my ($rx) = @_; return wait_for('word', 15, sub { my $rin = ''; vec($rin, fileno $n, 1) = 1;
		if (select $rin, undef, undef, 0) { $n->recv(my $m, 1000); $told .= "$m|" } $told =~ $rx }) };
	my $pid = launch($s, 'start-fg', sub { $ENV{NOTIFY_SOCKET} = "$s->{dir}/notify" });
	ok($hear->(qr/^READY=1\|$/), "$who: READY=1 once it serves") or diag $told;
	like($s->client->{greeting}, qr/^220/, "$who: and it does");
	$told = '';
	kill HUP => $pid;
	ok($hear->(qr/^RELOADING=1\nMONOTONIC_USEC=\d+\|READY=1\|$/), "$who: a reload") or diag $told;
	$told = '';
	$s->write_conf('master.cf', slurp("$s->{conf}/master.cf") . "broken\n");
	is(($s->tool('postrider', 'reload'))[0], 1, "$who: a refused one");
	ok($hear->(qr/^RELOADING=1\nMONOTONIC_USEC=\d+\|READY=1\|$/), "$who: is over, too") or diag $told;
	$told = '';
	kill TERM => $pid;
	ok($hear->(qr/^STOPPING=1\|$/), "$who: STOPPING=1") or diag $told;
	is(end_of($pid), 0, "$who: exit status 0");
	$s->check_log;
}

# ---- a start that cannot be says why, to who asked and in the log
for my $user ($root ? (undef, 'nobody') : ((getpwuid $>)[0])) {
	my $s = server(start => 0, user => $user, main => "default_transport = discard:\n", allow => [qr/bind .*in use/, qr/relay process/]);
	my $who = $user // 'root';
	my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $s->port, Listen => 1) or die "$!";
	for my $verb (qw(start start-fg)) {
		my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, $verb], user => $s->{user}, timeout => 20);
		isnt($rc, 0, "$who: $verb on an address in use fails");
		like($err, qr/fatal: bind 127\.0\.0\.1:$s->{port}: Address already in use/, "$who: $verb says why");
	}
	like($s->log, qr/bind 127\.0\.0\.1:$s->{port}: Address already in use/, "$who: the log, too");
	close $taken;
	is((run_cmd([bin('postrider'), '-c', $s->{conf}, 'start'], user => $s->{user}, env => { POSTRIDER_BLOCK_CHECK => 1 }))[0], 0, "$who: start when it is free");
	# ---- a second one
	for my $verb (qw(start start-fg)) {
		my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, $verb], user => $s->{user}, timeout => 20);
		my ($pid) = slurp("$s->{dir}/queue/pid/master.pid") =~ /(\d+)/;
		isnt($rc, 0, "$who: a second $verb fails");
		like($err, qr/already running on \Q$s->{dir}\E\/queue: process $pid\b/, "$who: and says who has the queue");
	}
	push @{$s->{allow}}, qr/already running/;
	# ---- status leaves no trace
	$s->wait_log(qr/daemon started/);
	my $log = $s->log;
	my $st = $s->status;
	ok($st->{running} && exists $st->{store} && exists $st->{loop} && exists $st->{queue}, "$who: status --json") or diag explain $st;
	is($s->log, $log, "$who: and no line in the log");
	is(($s->tool('postrider', 'stop'))[0], 0, "$who: stop");
	my ($rc, $out) = $s->tool('postrider', 'status', '--json');
	is("$rc $out", "1 {\"running\": false}\n", "$who: status when it is down");
	$s->check_log;
}

# ---- the lock: a stale pid file, Postfix's own lock
{
	my $s = server(start => 0, main => "default_transport = discard:\n", allow => [qr/already running/]);
	mkdir "$s->{dir}/queue"; mkdir "$s->{dir}/queue/pid";
	spew("$s->{dir}/queue/pid/master.pid", sprintf "%10d\n", $$);	# a living process, but no lock
	system 'chown', '-R', $s->{user}, "$s->{dir}/queue" if $root && $s->{user};
	ok($s->start, 'a pid file without a lock does not block a start');
	is($s->{pid}, slurp("$s->{dir}/queue/pid/master.pid") + 0, 'and names its owner from now on');
	$s->stop;
	open my $h, '+<', "$s->{dir}/queue/pid/master.pid" or die "$!";
	flock $h, LOCK_EX | LOCK_NB or die "$!";
	print $h sprintf "%10d\n", $$; $h->flush;
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'start-fg'], user => $s->{user}, timeout => 20);
	isnt($rc, 0, "a queue locked as Postfix' master does is left alone");
	like($err, qr/process $$\b/, 'and the owner named');
	$s->check_log;
}

# ---- an owner that does not exist: what to do is said
SKIP: {
	skip 'root only', 1 if !$root;
	my $s = server(start => 0, main => "mail_owner = nosuch-owner\n");
	for my $verb (qw(start start-fg check set-permissions)) {
		my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, $verb], timeout => 20);
		isnt($rc, 0, "$verb: refused");
		like($err, qr/mail_owner: unknown user name value: nosuch-owner: make one \(useradd .*nosuch-owner\), or name in main\.cf/, "$verb: and says how to go on");
	}
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "mail_owner = root\n");
	like((run_cmd([bin('postrider'), '-c', $s->{conf}, 'start-fg'], timeout => 20))[2], qr/user root has privileged/, 'root is no owner');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "mail_owner = nobody\n");
	is((run_cmd([bin('postrider'), '-c', $s->{conf}, 'set-permissions'], timeout => 20))[0], 0, 'set-permissions');
	my $uid = getpwnam 'nobody';
	my %want = (postrider => 0700, public => 0755, private => 0700, maildrop => 01733);
	for (sort keys %want) { my @st = stat "$s->{dir}/queue/$_"; is(sprintf('%s %o', $st[4] // '-', ($st[2] // 0) & 07777), sprintf('%s %o', $uid, $want{$_}), "queue/$_") }
}

# ---- the parent alone killed: its relay ends what is under way, and nobody else gets the queue before
if ($root) {
	my $s = server(main => "default_transport = discard:\n", allow => [qr/error: the mail system is already running/]);
	my $c = $s->client;
	$c->cmd($_) for 'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA';
	my $relay = $s->relay_pid;
	kill KILL => $s->{pid};
	waitpid delete $s->{pid}, 0;
	ok(kill(0, $relay), 'the relay drains');
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'start-fg'], timeout => 20);
	isnt($rc, 0, 'a second server does not start meanwhile');
	like($err, qr/already running/, 'and says why');
	like($c->cmd("Subject: x\r\n\r\nx\r\n."), qr/^250/, 'what was under way is accepted');
	$c->close;
	ok(wait_for('the end', 20, sub { !kill 0, $relay }), 'then it ends');
	$s->start;
	ok($s->wait_log(qr/to=<b\@example\.org>.*status=sent/), 'nothing is lost');
	$s->finish;
}

# ---- NFS: statfs(2) is what says so; here a preloaded library speaks for it
for my $user ($root ? (undef, 'nobody') : ((getpwuid $>)[0])) {
	my $s = server(start => 0, user => $user, main => "default_transport = discard:\n", allow => [qr/NFS/]);
	my $who = $user // 'root';
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $s->{conf}, 'start-fg'], user => $s->{user}, timeout => 20,
	    env => { LD_PRELOAD => "$Postrider::BUILD/t/crash/nfs.so", POSTRIDER_NFS_DIR => "$s->{dir}/queue", ASAN_OPTIONS => 'verify_asan_link_order=0:detect_leaks=0' });
	isnt($rc, 0, "$who: a queue on NFS is refused");
	like($err, qr/fatal: .*\/queue\S*.*NFS/, "$who: with the reason");
	$s->check_log;
}
done_testing();
