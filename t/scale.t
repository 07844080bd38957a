#!/usr/bin/perl
# Very much of everything: a queue of deferred messages (20,000; a million with POSTRIDER_LONG), many sessions at once, a
# large message in and out. What must not grow with it: start, memory, the time that others wait.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::DNS;

my $long = $ENV{POSTRIDER_LONG};
my $n = $long ? 1_000_000 : 20_000;
my $sites = $long ? 10_000 : 500;
my $san = $ENV{POSTRIDER_SAN};		# memory and time are another thing then

sub fill
{
	my ($s, @args) = @_;
	my $dir = "$s->{dir}/queue/postrider";
	system('mkdir', '-p', $dir);
	system("$Postrider::BUILD/t/bench/fill", $dir, $n, $sites, @args) == 0 or die 'fill';
	system('chown', '-R', $s->{owner}, "$s->{dir}/queue") if $> == 0;
	system('chmod', '755', "$s->{dir}/queue");
}

# The lines of a command that match, the seconds it took, and the most memory it had of its own.
sub lines
{
	my ($s, $rx, $name, @args) = @_;
	my ($lines, $most, $t0) = (0, 0, time);
	my $pid = open my $h, '-|', bin($name), ($name eq 'mailq' ? '-C' : '-c'), $s->{conf}, @args or die $!;
	while (<$h>) {
		next unless /$rx/;
		next unless ++$lines % 2000 == 0;
		my ($kb) = (slurp("/proc/$pid/status") // '') =~ /^RssAnon:\s+(\d+)/m;
		$most = $kb if ($kb // 0) > $most;
	}
	close $h;
	is($?, 0, "$name @args ends well");
	return ($lines, time - $t0, $most);
}

sub banner
{
	my ($s) = @_;
	my $t0 = time;
	$s->start;
	return time - $t0;
}

# ---- a million deferred: restart, memory, listings with the server up and down
{
	my $s = server(start => 0);
	fill($s, 36000);
	my $took = banner($s);
	diag(sprintf '%d deferred: restart to banner %.3f s', $n, $took) if $long;
	cmp_ok($took, '<', $long ? 1 : 5, 'restart to banner');
	is($s->status->{queue}{deferred}, $n, 'all counted');
	my $private = $s->private_kb;
	diag(sprintf 'private memory %.1f MiB', $private / 1024) if $long;
	cmp_ok($private, '<', 100 * 1024, 'private memory') unless $san;
	for my $up (1, 0) {
		my $how = $up ? 'server up' : 'server down';
		$s->stop unless $up;
		for (['postqueue', '-j', qr/"queue_name": "deferred"/], ['mailq', qr/^ {41}user\d+\@/]) {
			my ($name, @args) = @$_;
			my $rx = pop @args;
			my ($lines, $s_took, $kb) = lines($s, $rx, $name, @args);
			is($lines, $n, "$how: $name @args lists all");
			diag(sprintf '%s: %s: %.1f s, %.1f MiB', $how, "$name @args", $s_took, $kb / 1024) if $long;
			cmp_ok($s_took, '<', 15, "$how: in time") if $long;
			cmp_ok($kb, '<', 16 * 1024, "$how: in bounded memory") unless $san;
		}
		next unless $up;
		cmp_ok($s->private_kb - $private, '<', 32 * 1024, 'the server has not grown') unless $san;
		# While one list is being read, others are served.
		my $pid = fork // die;
		if ($pid == 0) { open STDOUT, '>', '/dev/null'; exec bin('postqueue'), '-c', $s->{conf}, '-j' or POSIX::_exit(1) }
		my ($worst, $turns) = (0, 0);
		while ($turns < 20 || ($turns < 2000 && waitpid($pid, POSIX::WNOHANG()) == 0)) {
			my $t0 = time;
			my $c = $s->client;
			$c->ehlo; $c->cmd('NOOP'); $c->quit;
			$worst = time - $t0 if time - $t0 > $worst;
			$turns++;
			sleep 0.002;
		}
		waitpid $pid, 0;
		diag(sprintf 'worst session beside a listing %.1f ms of %d', $worst * 1000, $turns) if $long;
		cmp_ok($worst, '<', 2, 'sessions go on beside a listing');
	}
	$s->finish;
}

# ---- all of it due at once, for dead destinations: new mail to a live one is delivered as ever, which means as by a server
# whose queue is empty, asked in turn. The sink is in the client's process and sees each message arrive.
{
	my %zone = map { ("d$_.dead.example" => [[A => '127.0.0.1']]) } 0 .. $sites - 1;
	my $dns = Postrider::DNS->new(\%zone);
	my $dead = free_port();
	my %sink = map { $_ => free_port() } qw(empty full);
	my %server = map { $_ => server(start => 0, dns => $dns, main => "smtp_tcp_port = $dead\n" .
		"smtp_connection_cache_destinations = [127.0.0.1]:$sink{$_}\n" .
		"transport_maps = inline:{{sink.example=relay:[127.0.0.1]:$sink{$_}}}\n") } qw(empty full);
	my $s = $server{full};
	my %ms;			# round => queue => [ms from connect to the next hop, ...]
	my $send = sub {
		my ($round, $count) = @_;
		for my $q (qw(empty full)) {
			my %r = split ' ', `$Postrider::BUILD/t/bench/load latency $server{$q}{port} $sink{$q} $count 4096`;
			push @{$ms{$round}{$q}}, ($r{whole_p50_us} // 99e6) / 1000;
		}
	};
	my $median = sub { my @t = sort { $a <=> $b } @{$_[0]}; return $t[@t / 2] };
	my $show = sub {
		my ($round) = @_;
		diag("$round: new mail from connect to the next hop, medians and worst: " . join '; ', map { my $v = $ms{$round}{$_};
			sprintf '%s queue %.2f and %.1f ms', $_, $median->($v), (sort { $a <=> $b } @$v)[-1] } qw(empty full)) if $long;
	};
	fill($s, -7200);
	$server{$_}->start for qw(empty full);
	$send->('first', 1);		# (syncs what fill has left in the page cache)
	ok(wait_for('attempts', 60, sub { $s->status->{delivery}{deferred} > $sites / 2 }), 'the dead are being tried');
	# Nothing is being tried, and the store has nothing to do for a second.
	my ($ops, $since) = (0, 0);
	my $off = sub {
		my $st = $s->status;
		my $now = $st->{store}{operations} - 3 * $st->{delivery}{delivered};	# (new mail: put, done, removed)
		($ops, $since) = ($now, time) if abs($now - $ops) > 20 || $st->{queue}{active} != 0;
		return $st->{queue}{deferred} == $n && time - $since > 1;
	};
	do { $send->('all due', 1) } until @{$ms{'all due'}{full}} >= 500 || (@{$ms{'all due'}{full}} >= 10 && $off->());
	$show->('all due');
	# (How long a commit takes is the disk's affair, and what else it has to do; the figures are for a quiet machine.)
	cmp_ok($median->($ms{'all due'}{full}), '<', 2000, 'new mail is delivered while they are');
	# Most are put off from the index alone: recipients tried are few beside messages.
	ok(wait_for('all put off', $long ? 600 : 120, $off), 'all are put off');
	my $st = $s->status;
	cmp_ok($st->{store}{operations}, '<=', 1000 * $st->{store}{commits}, 'in commits that others need not wait for long');
	my $tried = $st->{delivery}{deferred};
	diag("$tried attempts for $n messages, private memory " . int($s->private_kb / 1024) . ' MiB') if $long;
	cmp_ok($s->private_kb, '<', 150 * 1024, 'in bounded memory') unless $san;
	$send->('put off', $long ? 50 : 3) for 1 .. ($long ? 21 : 3);
	$show->('put off');
	my ($empty, $full) = map { $median->($ms{'put off'}{$_}) } qw(empty full);
	cmp_ok($full, '<', $long ? 1.2 * $empty + 0.5 : 2000, 'and afterwards');
	$server{$_}->finish for qw(empty full);
}

# ---- a large message, in and out
# A server that reads and forgets; writes the bytes of each message to a file when it has them.
sub gulp
{
	my ($file) = @_;
	my $port = free_port();
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1) or die "gulp: $!";
	my $pid = fork // die;
	return ($port, $pid) if $pid;
	while (my $c = $l->accept) {
		my ($in, $bytes, $data) = ('', 0, 0);
		syswrite $c, "220 gulp ESMTP\r\n";
		while (sysread $c, $in, 1 << 20, length $in) {
			if ($data) {
				$bytes += length($in) - 11;
				if ($in =~ /\r\n\.\r\n(?:QUIT\r\n)?\z/) { spew($file, (slurp($file) // '') . "$bytes\n"); syswrite $c, "250 2.0.0 ok\r\n"; ($in, $data) = ('', 0); next }
				$in = substr $in, -11 if length $in > 11;
				next;
			}
			while ($in =~ s/^(.*?)\r\n//) {
				if ($1 =~ /^DATA/i) { syswrite $c, "354 go\r\n"; ($data, $bytes) = (1, 0); last }
				syswrite $c, $1 =~ /^QUIT/i ? "221 2.0.0 bye\r\n" : "250 2.0.0 ok\r\n";
			}
		}
	}
	POSIX::_exit(0);
}

{
	my $s = server(start => 0);
	my $file = "$s->{dir}/taken";
	my ($port, $pid) = gulp($file);
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "relayhost = [127.0.0.1]:$port\nmessage_size_limit = 209715200\nmailbox_size_limit = 0\n");
	$s->start;
	my $taken = sub { my $t = slurp($file) // ''; return $t =~ tr/\n// };
	$s->client->send_mail(to => 'small@away.example');
	ok(wait_for('small', 30, sub { $taken->() == 1 }), 'a small message first');
	my $before = $s->private_kb;
	my $mib = $long ? 100 : 20;
	my $most = 0;
	my $look = sub { my $kb = $s->private_kb; $most = $kb if $kb > $most };
	my $c = $s->client(limit => 300);
	$c->ehlo;
	$c->cmd($_) for 'MAIL FROM:<s@example.net>', 'RCPT TO:<large@away.example>', 'DATA';
	my $piece = ('x' x 1022 . "\r\n") x 64;
	$c->raw("Subject: large\r\n\r\n");
	for my $k (1 .. $mib * 16) { $c->raw($piece); $look->() if $k % 8 == 0 }
	like($c->cmd('.'), qr/^250 /, 'a large message is taken');
	ok(wait_for('delivery', 300, sub { $look->(); $taken->() == 2 }), 'and delivered');
	like(slurp($file), qr/^\d+\n(\d+)\n\z/, 'once');
	cmp_ok((split /\n/, slurp($file))[1], '>', $mib << 20, 'all of it');
	diag(sprintf '%d MiB in and out: private memory grew by %.1f MiB', $mib, ($most - $before) / 1024) if $long;
	cmp_ok($most - $before, '<', 10 * 1024, 'private memory hardly grows') unless $san;
	kill KILL => $pid;
	waitpid $pid, 0;
	$s->finish;
}

# ---- many sessions at once, a message each
{
	my $want = $long ? 10_000 : 500;
	my $s = server(main => "transport_maps = inline:{{away.example=discard:}}\nsmtpd_client_connection_count_limit = 0\n");
	my $worker = sub {
		my ($count) = @_;
		my @c = map { $s->client(greet => 0, limit => 120) } 1 .. $count;
		$_->reply =~ /^220/ || return 1 for @c;
		for my $cmd ('EHLO client.example.net', 'MAIL FROM:<s@example.net>', 'RCPT TO:<u@away.example>', 'DATA', "Subject: x\r\n\r\nhello\r\n.") {
			$_->raw("$cmd\r\n") for @c;
			for (@c) { my $r = $_->reply; return 2 unless $r =~ /^(?:250|354)/ }
		}
		return 0;
	};
	my @pid;
	my $each = 500;			# descriptors of one process
	for (1 .. $want / $each) {
		my $pid = fork // die;
		if ($pid == 0) { $SIG{ALRM} = sub { POSIX::_exit(9) }; alarm 280; POSIX::_exit($worker->($each)) }
		push @pid, $pid;
	}
	my $bad = 0;
	for (@pid) { waitpid $_, 0; $bad++ if $? }
	is($bad, 0, "$want sessions at once, each with a message: all accepted");
	ok(wait_for('delivered', 60, sub { $s->status->{delivery}{delivered} >= $want }), 'and delivered');
	$s->finish;
}
done_testing();
