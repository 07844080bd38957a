# Crash.pm - accounting for every message while a server is killed, its disk full, failing, slow or cut off.
# The programs and preloaded shims are those of t/crash; their sources say what they promise.
package Postrider::Crash;
use strict;
use warnings;
use Carp qw(croak);
use Errno qw(EIO);
use Exporter 'import';
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Fault;

our @EXPORT = qw(crash_bin preload sink_start load_start account kill_rounds power_cut cut_store cut_server fault_tests slow_disk fault_server long);
our @pids;

sub crash_bin { return "$Postrider::BUILD/t/crash/$_[0]" }
sub long { return $ENV{POSTRIDER_LONG} }

# The environment for a server under shims: preload(record => LOG, fault => Fault object, dir => store's directory)
sub preload
{
	my (%o) = @_;
	my (%env, @so);
	if ($o{record}) { push @so, crash_bin('record.so'); @env{qw(POSTRIDER_RECORD POSTRIDER_RECORD_DIR)} = ($o{record}, $o{dir}) }
	if ($o{fault}) { push @so, crash_bin('fault.so'); $env{POSTRIDER_FAULT} = $o{fault}{path}; $env{POSTRIDER_FAULT_DIR} = $o{dir} if $o{dir} }
	$env{LD_PRELOAD} = join ':', @so;
	$env{ASAN_OPTIONS} = 'verify_asan_link_order=0:detect_leaks=0';
	return \%env;
}

sub spawn
{
	my ($out, $env, @cmd) = @_;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>', $out;
		$ENV{$_} = $env->{$_} for keys %$env;
		{ no warnings; exec { $cmd[0] } @cmd; }
		POSIX::_exit(127);
	}
	push @pids, $pid;
	return $pid;
}

# ---- the next hop: sink_start(misbehaves => 1, env => {}); the client: load_start(port, args...)
sub sink_start
{
	my (%o) = @_;
	my $dir = tempdir('postrider-crash.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => !$ENV{KEEP});
	my $port = free_port();
	my $self = { port => $port, dir => $dir };
	my $pid = spawn("$dir/sink", { CRASH_NOTES => "$dir/sink.notes", %{$o{env} // {}} }, crash_bin('smtp_sink'), ($o{misbehaves} ? '-m' : ()),
	    '-o', "$dir/deliveries", $port);
	$self->{pid} = $pid;
	wait_for('sink', 10, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }) or croak 'no sink';
	return bless $self, __PACKAGE__;
}
sub load_start
{
	my ($self, $port, %o) = @_;
	$self->{load_pid} = spawn("$self->{dir}/load", { CRASH_NOTES => "$self->{dir}/load.notes", %{$o{env} // {}} }, crash_bin('smtp_load'),
	    @{$o{args} // []}, $port);
}
# Waits for the client to end, after telling it to unless it ends by itself. What it said: { accepted => N, ..., 452 => N }
sub load_end
{
	my ($self, %o) = @_;
	my $pid = delete $self->{load_pid} or return;
	kill TERM => $pid unless $o{by_itself};
	my $end = time + ($o{limit} // 60);
	while (waitpid($pid, WNOHANG) == 0) { if (time > $end) { kill KILL => $pid; waitpid $pid, 0; fail('the clients ended in time') } sleep 0.01 }
	my $text = slurp("$self->{dir}/load") // '';
	$text =~ tr/:/ /;
	return { $text =~ /(\w+) (\d+)/g };
}
sub stop { my ($self) = @_; for (qw(load_pid pid)) { my $p = delete $self->{$_} or next; kill KILL => $p; waitpid $p, 0 } }
sub lines { my ($f) = @_; return split /\n/, slurp($f) // '' }

# Who was acknowledged, who arrived, who arrived again and why. kills: their times, oldest first; window: how long before a kill
# an acknowledgement may have come and its settlement still not be on the disk; removed: numbers taken away by hand.
sub account
{
	my ($self, %o) = @_;
	my (%rcpts, %acked, %again, %at, %dropped);
	my %r = (acknowledged => 0, delivered => 0, lost => [], bad => 0, repeated => 0, resent => 0, ambiguous => 0, killed => 0, unexplained => [], oldest => 0);
	for (lines("$self->{dir}/load.notes")) {
		if (/^B (\d+) (\d+)/) { $rcpts{$1} = $2 } elsif (/^P (\d+)/) { $acked{$1} = 1; $r{acknowledged}++ } elsif (/^R (\d+)/) { $again{$1} = 1 }
	}
	for (lines("$self->{dir}/deliveries")) {
		my ($t, $n, $k, $how) = split / /;
		$r{bad}++ if $how eq 'bad';
		next if $n == 0;
		for (split /,/, $k) { push @{$at{"$n $_"}}, $t; $dropped{"$n $_"}{$t} = 1 if $how eq 'drop' }
	}
	for my $n (keys %acked) { next if $o{removed}{$n}; for my $k (0 .. $rcpts{$n} - 1) { push @{$r{lost}}, "$n $k" unless $at{"$n $k"} } }
	for my $key (keys %at) {
		my @t = sort { $a <=> $b } @{$at{$key}};
		$r{delivered}++;
		for my $i (1 .. $#t) {
			$r{repeated}++;
			# What a killed relay had sent the next hop may read a little later.
			my ($kill) = grep { $_ >= $t[$i - 1] - 0.5 && $_ <= $t[$i] } @{$o{kills} // []};
			if ($again{(split ' ', $key)[0]}) { $r{resent}++ }
			elsif ($dropped{$key}{$t[$i - 1]}) { $r{ambiguous}++ }
			elsif (defined $kill && $kill - $t[$i - 1] <= ($o{window} // 1)) { $r{killed}++; my $age = $kill - $t[$i - 1]; $r{oldest} = $age if $age > $r{oldest} }
			else { push @{$r{unexplained}}, "$key: @t" }
		}
	}
	return \%r;
}
sub check_account
{
	my ($self, $what, %o) = @_;
	my $r = $self->account(%o);
	cmp_ok($r->{acknowledged}, '>', 0, "$what: $r->{acknowledged} messages acknowledged");
	is(scalar @{$r->{lost}}, 0, "$what: every one of them arrived") or diag("lost: " . join ', ', map { $_ // () } @{$r->{lost}}[0 .. 9]);
	is($r->{bad}, 0, "$what: and whole");
	is(scalar @{$r->{unexplained}}, 0, "$what: $r->{repeated} of $r->{delivered} deliveries were repeated, all with an acknowledgement in flight")
	    or diag("repeated: " . join '; ', map { $_ // () } @{$r->{unexplained}}[0 .. 9]);
	note(sprintf "%s: repeated by the client %d, by the next hop's silence %d, by a kill %d (at most %.3f s old)", $what, @$r{qw(resent ambiguous killed oldest)});
	return $r;
}

# ---- kill -9 of the relay, again and again, under load. parent => 1: the parent starts it anew, and no connection may be refused.
sub kill_rounds
{
	my (%o) = @_;
	my $what = $o{parent} ? 'with a parent' : 'alone';
	my $sink = sink_start(misbehaves => 1);
	my $s = server(($o{parent} ? () : (user => 'nobody')), leaks => 0, no_block_check => 1,
	    allow => [qr/lost connection|timeout|Connection refused|conversation with|process ended|killed|signal 9|removing \d+ unfinished/,
	    qr/\d+ log lines were lost/],	# what was being put in at the kill
	    main => "relayhost = [127.0.0.1]:$sink->{port}\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n" .
	    "smtp_destination_concurrency_failed_cohort_limit = 0\nsmtpd_client_connection_count_limit = 0\n" . ($o{main} // ''));
	my (@kills, @back, $refused);
	$refused = 0;
	$sink->load_start($s->port, args => ['-j', $o{sessions} // 20]);
	for my $round (1 .. $o{rounds}) {
		my $said = -s "$sink->{dir}/load.notes" // 0;
		wait_for('traffic', 10, sub { (-s "$sink->{dir}/load.notes" // 0) > $said + 100 }) or fail("$what: there is traffic"), last;
		sleep rand($o{spread} // 0.4);
		my $pid = $s->relay_pid;
		my $all = !$o{parent} || $round % 3 == 0;	# the parent waits longer from one early death to the next
		push @kills, time;
		# (The parent first: it would start another, which holds the lock until it has come to its end.)
		kill KILL => $s->{pid} if $all;
		kill KILL => $pid;
		if ($all) {
			waitpid $s->{pid}, 0;
			# With all its threads: one may be waiting for the disk.
			wait_for('the relay gone', 10, sub { my @t = glob("/proc/$pid/task/*"); @t == 0 || (@t == 1 && (slurp("/proc/$pid/stat") // '') =~ /\) [ZX] /) });
			delete $s->{pid};
			$s->start;
			next;
		}
		my $back = wait_for('relay', 10, sub { my $now = $s->relay_pid; $now != $pid && $now != $s->{pid} && greeted($s->port, \$refused) });
		$back or fail("$what: the relay came back"), last;
		push @back, time - $kills[-1];
	}
	if ($o{parent}) {
		@back = sort { $a <=> $b } @back;
		note(sprintf '%s: the relay was back after %.3f s (median), %.3f s at worst', $what, @back[@back / 2, -1]) if @back;
		# (On a machine that is busy with other things a single start may take longer.)
		cmp_ok($back[@back / 2] // 0, '<', 1, "$what: the relay was back within a second");
		cmp_ok($back[-1] // 0, '<', 5, "$what: each time soon");
		is($refused, 0, "$what: no connection was refused");
	}
	my $l = $sink->load_end;
	note("$what: " . join ' ', map { "$_ $l->{$_}" } sort keys %$l);
	ok($s->wait_empty($o{drain} // 60), "$what: the queue empties") or diag(join "\n", map { "$_->{queue_id} $_->{queue_name}" } ($s->queue)[0 .. 5]);
	my $r = $sink->check_account("$what, " . scalar(@kills) . ' kills', kills => \@kills);
	$s->finish;
	my ($rc, $out) = run_cmd([crash_bin('powercut'), '-S', '-q', "$s->{dir}/queue/postrider"]);
	is($rc, 0, "$what: the queue is sound") or diag $out;
	$sink->stop;
	return $r;
}
sub greeted
{
	my ($port, $refused) = @_;
	my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5);
	if (!$c) { $$refused++; return 0 }
	my $sel = IO::Select->new($c);
	my $line = $sel->can_read(5) ? <$c> : undef;
	return defined $line && $line =~ /^220 /;
}

# ---- a disk that says no
sub fault_server
{
	my ($sink, %o) = @_;
	my $s = server(user => 'nobody', start => 0, leaks => 0, no_block_check => 1, allow => [qr/not enough free space|queue: |Insufficient|insufficient|
	    lost connection|conversation with|write error|Connection refused|unfinished/x],
	    main => "relayhost = [127.0.0.1]:$sink->{port}\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\nmessage_size_limit = 1000000\n" .
	    "smtp_destination_concurrency_failed_cohort_limit = 0\nsmtpd_client_connection_count_limit = 0\nsmtpd_error_sleep_time = 0\n" . ($o{main} // ''));
	my $f = Postrider::Fault->new("$s->{dir}/fault");
	$s->{env} = preload(fault => $f, dir => "$s->{dir}/queue/postrider", record => $o{record});
	$f->set(%{$o{fault}}) if $o{fault};
	$s->start;
	return ($s, $f);
}
sub queued { my ($s) = @_; my $st = $s->status; return $st ? $st->{queue}{messages} // $st->{queue}{total} // undef : undef }

# fault_tests('disk' | 'map' | 'others' | 'sync' | 'meta' | 'write'); others: programs that take all the room there is
sub fault_tests
{
	my ($kind) = @_;
	my $what = { disk => 'full disk', map => 'full map', others => 'disk full of other files', sync => 'failing fdatasync', meta => 'failing meta page', write => 'failing writes' }->{$kind};
	my $sink = sink_start();
	my %removed;
	my ($s, $f) = fault_server($sink, main => ($kind eq 'map' ? "postrider_map_size = 67108864\n" : '') .
	    ($kind =~ /disk|map/ ? "default_transport = smtp\ndefer_transports = smtp\n" : ''), fault => $kind eq 'disk' ? { fs_bytes => 80_000_000 } : undef);
	if ($kind =~ /disk|map/) {
		$sink->load_start($s->port, args => ['-g', '-n', 100_000]);
		ok(wait_for('452', 60, sub { $s->log =~ /Insufficient system storage/ }), "$what: refused in the end");
	} else {
		$sink->load_start($s->port);
		wait_for('traffic', 20, sub { (-s "$sink->{dir}/load.notes" // 0) > 2000 });
		$f->set(landed => $kind eq 'meta' ? 1 : 0, count => -1, skip => 7,
		    { sync => 'sync_errno', meta => 'dsync_errno', write => 'write_errno', others => 'fs_bytes' }->{$kind} => $kind eq 'others' ? 1 : EIO);
		# On a disk that others have filled, mail may be refused before many writes are tried.
		ok(wait_for('failures', 20, sub { $f->get('failures') > 5 || $kind eq 'others' && $s->log =~ /Insufficient system storage/ }), "$what: writes fail");
	}
	my $c = $s->client;
	my $reply;			# a small message may still find its place
	wait_for('refusal', 20, sub { $c->cmd('RSET'); ($reply = $c->send_mail(to => 'one@example.org')) !~ /^250/ });
	like($reply, qr/^452 4\.3\.1 Insufficient system storage/, "$what: a client is told so");
	if ($kind =~ /disk|map/) {
		my $l = $sink->load_end;
		note("$what: " . join ' ', map { "$_ $l->{$_}" } sort keys %$l);
		cmp_ok($l->{452} // 0, '>', 0, "$what: others, too");
		my @q = grep { $_->{sender} eq 'sender@example.net' } $s->queue;
		cmp_ok(scalar @q, '>', 100, "$what: " . @q . ' messages are in the queue');
		my $id = $q[-1]{queue_id};
		my ($n) = ($s->tool('postcat', '-h', '-q', $id))[1] =~ /^X-Crash-Id: (\d+)/m;
		is(($s->tool('postsuper', '-d', $id))[0], 0, "$what: one is removed");
		$removed{$n // 0} = 1;
		is(scalar(grep { $_->{queue_id} eq $id } $s->queue), 0, "$what: it is gone");
		$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") =~ s/^defer_transports.*//mr);
		is(($s->tool('postrider', 'reload'))[0], 0, "$what: reload");
		$s->tool('postqueue', '-f');
		ok($s->wait_empty(120), "$what: the queue empties while the disk is what it is");
	} else {
		sleep 0.5;
		$f->heal;
	}
	ok(wait_for('room', 15, sub { $c->cmd('RSET'); $c->send_mail(to => 'two@example.org') =~ /^250/ }), "$what: mail is taken again, without anybody's help");
	$c->quit;
	my $l = $sink->load_end;
	if ($l) {
		note("$what: " . join(' ', map { "$_ $l->{$_}" } sort keys %$l) . '; injected ' . $f->get('failures'));
		is(join(' ', grep { /^[45]\d\d$/ && !/^(?:452|421|503)$/ } keys %$l), '', "$what: no other refusal");	# 503: commands pipelined behind a 452
		ok($s->wait_empty(60), "$what: the queue empties");
	}
	$sink->check_account($what, removed => \%removed);
	$s->finish;
	$sink->stop;
	my ($rc, $out) = run_cmd([crash_bin('powercut'), '-S', '-q', "$s->{dir}/queue/postrider"]);
	is($rc, 0, "$what: the queue is sound") or diag $out;
}

# Every barrier takes 10 ms, one at a time: how many does a message cost?
sub slow_disk
{
	my (%o) = @_;
	my $sink = sink_start();
	my ($s, $f) = fault_server($sink, fault => { delay_us => 10_000 });
	my ($before, $t) = ($f->get('barriers'), time);
	$sink->load_start($s->port, args => ['-j', 100, '-n', $o{messages}]);
	my $l = $sink->load_end(by_itself => 1, limit => 120);
	my ($barriers, $took) = ($f->get('barriers') - $before, time - $t);
	is($l->{accepted}, $o{messages}, sprintf 'slow disk: %d messages/s accepted in 100 sessions', $o{messages} / $took);
	cmp_ok($barriers / $o{messages}, '<=', 0.1, sprintf 'slow disk: %.3f barriers per message', $barriers / $o{messages});
	ok($s->wait_empty(60), 'slow disk: the queue empties');
	$sink->check_account('slow disk');
	$s->finish;
	$sink->stop;
}

# ---- images of the disk, cut off at any moment; images: about how many
sub power_cut
{
	my ($what, $log, %o) = @_;
	my ($rc, $out, $err) = run_cmd([crash_bin('powercut'), '-n', $o{images}, '-s', $o{seed} // 1, ($o{smtp} ? '-S' : ()), $log], timeout => $o{limit} // 3600);
	is($rc, 0, "$what: " . ((split /\n/, $out)[-1] // 'nothing')) or diag($out . join '', grep { !/removing \d+ unfinished/ } split /^/m, $err);
	unlink $log if $rc == 0;
}
sub scratch { return tempdir('postrider-cut.XXXXXX', DIR => -w '/dev/shm' ? '/dev/shm' : $ENV{TMPDIR} // '/tmp', CLEANUP => 1) }

# A workload on the store alone; fault => settings of the fault shim; least => how many messages it must take (default: half).
sub cut_store
{
	my ($what, %o) = @_;
	my $dir = scratch();
	my $f = $o{fault} ? Postrider::Fault->new("$dir/fault") : undef;
	$f->set(seed => $o{seed} // 1, count => -1, %{$o{fault}}) if $f;
	my ($rc, $out, $err) = run_cmd([crash_bin('store_load'), '-s', $o{seed} // 1, '-n', $o{messages} // 2000, "$dir/q"], timeout => 300,
	    env => { %{preload(record => "$dir/log", fault => $f, dir => "$dir/q")}, CRASH_NOTES => "$dir/notes" });
	is($rc, 0, "$what: worked") or diag $err;
	my %a = $out =~ /(\w+) (\d+)/g;
	cmp_ok($a{accepted} // 0, '>', $o{least} // ($o{messages} // 2000) / 2, "$what: " . ($out =~ s/\n//r) . ($f ? ', injected ' . $f->get('failures') : ''));
	cmp_ok($f->get('failures'), '>', 0, "$what: something failed") if $f && !$o{fault}{fs_bytes};	# the store sees a small disk in time
	($rc, $out) = run_cmd([crash_bin('powercut'), '-N', "$dir/notes", '-q', "$dir/q"]);
	is($rc, 0, "$what: the queue is sound") or diag $out;
	power_cut($what, "$dir/log", %o);
}

# The server, with real clients and a real next hop, all noting into one log.
sub cut_server
{
	my (%o) = @_;
	my $dir = scratch();
	my $log = "$dir/log";
	chmod 0755, $dir;
	spew($log, '', 0666);
	my $s = server(user => 'nobody', start => 0, leaks => 0, no_block_check => 1, allow => [qr/lost connection|conversation with/]);
	my $env = preload(record => $log, dir => "$s->{dir}/queue/postrider");
	my $sink = sink_start(misbehaves => 1, env => $env);
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "relayhost = [127.0.0.1]:$sink->{port}\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n" .
	    "queue_run_delay = 1s\nsmtp_destination_concurrency_failed_cohort_limit = 0\nsmtpd_client_connection_count_limit = 0\n");
	$s->{env} = $env;
	$s->start;
	$sink->load_start($s->port, env => $env, args => ['-n', $o{messages}]);
	my $l = $sink->load_end(by_itself => 1, limit => 300);
	is($l->{accepted}, $o{messages}, "server: $o{messages} messages accepted");
	ok($s->wait_empty(60), 'server: the queue empties');
	$sink->check_account('server');
	$s->finish;
	$sink->stop;
	power_cut('server', $log, smtp => 1, %o);
}

END { my $rc = $?; kill KILL => $_ for @pids; $? = $rc }
1;
