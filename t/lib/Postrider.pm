# Postrider.pm - one server under test: a private directory, free ports, an inline configuration.
# On stopping it every test also gets: no unexpected warning in the log, no sanitizer report, no
# blocked loop callback. Nothing here sleeps for luck: it waits for sockets, files and log lines.
package Postrider;
use strict;
use warnings;
use Carp qw(croak);
use Cwd qw(abs_path);
use Exporter 'import';
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Socket;
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider::Client;

our @EXPORT = qw(server free_port bin have wait_for slurp spew run_cmd);
our $TOP = abs_path(dirname(__FILE__) . "/../..");
our $BUILD = $ENV{POSTRIDER_BUILD} || "$TOP/build";
my @running;

sub bin { return "$BUILD/bin/$_[0]" }
sub slurp { my ($f) = @_; open my $h, '<:raw', $f or return undef; local $/; my $t = <$h>; return $t }
sub spew { my ($f, $t, $mode) = @_; open my $h, '>:raw', $f or croak "$f: $!"; print $h $t; close $h; chmod $mode, $f if defined $mode }
sub have { my ($prog) = @_; for (split(/:/, $ENV{PATH}), qw(/usr/sbin /sbin)) { return "$_/$prog" if -x "$_/$prog" } return undef }

# A command's exit status, standard output and standard error.
sub run_cmd
{
	my ($cmd, %o) = @_;
	# All made here: what a child makes and execs away from, nobody removes.
	my ($out, $err, $given) = map { File::Temp->new } 1 .. (defined $o{stdin} ? 3 : 2);
	my $in = $given ? $given->filename : $o{stdin_file};
	if ($given) { print $given $o{stdin}; $given->flush; chmod 0644, $in }
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', $in // '/dev/null' or POSIX::_exit(126);
		open STDOUT, '>', $out->filename; open STDERR, '>', $err->filename;
		$ENV{ASAN_OPTIONS} //= 'detect_leaks=0';	# what a command holds when it ends is no leak
		$ENV{$_} = $o{env}{$_} for keys %{$o{env} // {}};
		become($o{user}) if $o{user};
		{ no warnings; exec { $cmd->[0] } @$cmd; }
		POSIX::_exit(127);
	}
	my $end = time + ($o{timeout} // 60);
	while (waitpid($pid, WNOHANG) == 0) {
		if (time > $end) { kill KILL => $pid; waitpid $pid, 0; return (-1, slurp($out->filename), slurp($err->filename) . "timed out\n") }
		sleep 0.005;
	}
	my $rc = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return ($rc, slurp($out->filename), slurp($err->filename));
}

sub become
{
	my ($user) = @_;
	return if $> != 0;
	my ($uid, $gid) = (getpwnam $user)[2, 3];
	$( = $) = "$gid $gid"; POSIX::setgid($gid); POSIX::setuid($uid);
	$> == $uid or POSIX::_exit(125);
}

# Ports below the ephemeral range, handed out in turn to all tests of the machine.
sub free_port
{
	open my $lock, '+>>', '/tmp/postrider-test-ports' or croak "port counter: $!";
	chmod 0666, '/tmp/postrider-test-ports';
	flock $lock, LOCK_EX;
	seek $lock, 0, 0;
	my $n = <$lock> // 0;
	for (1 .. 5000) {
		$n = ($n =~ /^(\d+)/ ? $1 + 1 : 0) % 10000;
		my $port = 20000 + $n;
		my $ok = 1;
		for my $addr ('127.0.0.1', '0.0.0.0') {
			my $s = IO::Socket::INET->new(LocalAddr => $addr, LocalPort => $port, Listen => 1, ReuseAddr => 1) or $ok = 0;
		}
		next unless $ok;
		truncate $lock, 0; seek $lock, 0, 0; print $lock "$n\n"; close $lock;
		return $port;
	}
	croak "no free port";
}

sub wait_for
{
	my ($what, $limit, $code) = @_;
	my $end = time + $limit;
	while (1) {
		my $r = $code->();
		return $r if $r;
		last if time > $end;
		sleep 0.01;
	}
	return undef;
}

# server(main => "text", master => "text", files => { name => text }, user => "nobody", start => 0 ...)
# test_clock => 1: time stands still but for $s->advance(SECONDS).
# In all texts @DIR@ is the private directory and @PORT@, @PORT2@ ... are free ports.
sub server
{
	my (%o) = @_;
	my $self = bless { %o }, __PACKAGE__;
	$self->{dir} = tempdir('postrider-t.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => !$ENV{KEEP});
	chmod 0755, $self->{dir};
	$self->{user} //= $> == 0 ? undef : (getpwuid $>)[0];
	$self->{owner} = $self->{user} // 'nobody';
	for (qw(etc mail)) { mkdir "$self->{dir}/$_" }
	my ($uid, $gid) = (getpwnam $self->{owner})[2, 3];
	chown $uid, $gid, "$self->{dir}/mail" if $> == 0;
	$self->{conf} = "$self->{dir}/etc";
	$self->{port} = free_port();
	$self->{allow} = $o{allow} // [];
	my $main = "compatibility_level = 3.6\nqueue_directory = \@DIR\@/queue\ndata_directory = \@DIR\@/data\n" .
	    "mail_owner = $self->{owner}\nmaillog_file = \@DIR\@/log\nmyhostname = mx.example.com\nmydomain = example.com\n" .
	    "mydestination = example.com\nlocal_recipient_maps =\nmynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n" .
	    "alias_maps =\nalias_database =\npostrider_dns_servers = " . ($o{dns} ? $o{dns}->where : '127.0.0.1:9') . "\n" .
	    "smtpd_peername_lookup = no\n";
	my %own = map { $_ => 1 } ($o{main} // '') =~ /^(\w+)\s*=/mg;
	$main = join '', grep { /^(\w+)/ && !$own{$1} } split /^/m, $main;
	$self->write_conf('main.cf', $main . ($o{main} // ''));
	$self->write_conf('master.cf', $o{master} // "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\n" .
	    "lmtp unix - - n - - lmtp\nvirtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n");
	$self->write_conf($_, $o{files}{$_}) for keys %{$o{files} // {}};
	if ($self->{user} && $> == 0) { system 'chown', '-R', $self->{user}, $self->{dir} }
	push @running, $self;
	push @{$self->{args}}, '--test-clock', "$self->{dir}/mail/clock" if $self->{test_clock};
	$self->start unless defined $o{start} && !$o{start};
	return $self;
}

sub expand
{
	my ($self, $t) = @_;
	$t =~ s/\@DIR\@/$self->{dir}/g;
	$t =~ s/\@PORT(\d*)\@/$1 eq '' ? $self->{port} : ($self->{ports}{$1} \/\/= free_port())/ge;
	return $t;
}

sub write_conf { my ($self, $name, $text) = @_; spew("$self->{conf}/$name", $self->expand($text), 0644) }
sub port { my ($self, $n) = @_; return defined $n ? ($self->{ports}{$n} //= free_port()) : $self->{port} }
sub maildir { return $_[0]{dir} . "/mail" }
sub log { my $t = slurp($_[0]{dir} . "/log"); return $t // '' }
sub wait_log { my ($self, $rx, $limit) = @_; return wait_for("log line", $limit // 10, sub { $self->log =~ $rx }) }
sub client { my ($self, %o) = @_; return Postrider::Client->new(port => $self->{port}, %o) }

# A program of ours on this configuration.
sub tool { my ($self, $name, @args) = @_; my %o = ref $args[-1] ? %{pop @args} : ();
	return run_cmd([bin($name), ($name =~ /^(sendmail|mailq|newaliases)$/ ? '-C' : '-c'), $self->{conf}, @args], %o) }

sub start
{
	my ($self, %o) = @_;
	$self->{args} //= [];
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/stdout"; open STDERR, '>>', "$self->{dir}/stderr";
		$ENV{POSTRIDER_BLOCK_CHECK} = 1 unless $self->{no_block_check};
		$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1'; $ENV{ASAN_OPTIONS} = 'detect_leaks=' . ($self->{leaks} // 1);
		delete $ENV{MAIL_CONFIG};
		$ENV{$_} = $self->{env}{$_} for keys %{$self->{env} // {}};
		become($self->{user}) if $self->{user};
		{ no warnings; exec { bin('postrider') } 'postrider', '-c', $self->{conf}, @{$self->{args}}, 'start-fg'; }
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	my $up = wait_for('listening', $o{limit} // 30, sub {
		return -1 if waitpid($pid, WNOHANG) == $pid;
		my $s = IO::Socket::INET->new(PeerAddr => $self->{address} // '127.0.0.1', PeerPort => $self->{port}, Timeout => 1);
		return 0 unless $s;
		# A parent holds the address before the relay is there: what counts is the greeting.
		return IO::Select->new($s)->can_read(20) && ($o{quiet} || (sysread($s, my $b, 512) // 0) > 0) ? 1 : 0;
	});
	if (($up // 0) != 1) {
		delete $self->{pid} if ($up // 0) == -1;
		return 0 if $o{may_fail};
		diag("server did not start: " . ($self->{dir}) . "\n" . (slurp("$self->{dir}/stderr") // '') . $self->log);
		croak "server did not start";
	}
	return 1;
}

# Time passes for a server with a test clock: all that falls due on the way happens, each at its own time.
sub advance
{
	my ($self, $seconds) = @_;
	my $c = IO::Socket::UNIX->new(Peer => "$self->{dir}/mail/clock") or croak "clock: $!";
	printf $c "advance %d\n", int($seconds * 1000 + 0.5);
	$c->flush;
	my $r = <$c>;
	croak 'clock: ' . ($r // 'no answer') unless ($r // '') eq "ok\n";
}

# Private memory of the relay, in KiB.
sub private_kb
{
	my ($self) = @_;
	my $t = slurp('/proc/' . $self->relay_pid . '/smaps_rollup') // '';
	my $sum = 0;
	$sum += $1 while $t =~ /^Private_(?:Clean|Dirty):\s+(\d+)/mg;
	return $sum;
}

# The process that handles mail: the parent's child, or the only one.
sub relay_pid
{
	my ($self) = @_;
	my $kids = slurp("/proc/$self->{pid}/task/$self->{pid}/children") // '';
	return $kids =~ /^(\d+)/ ? $1 : $self->{pid};
}

sub status { my ($self) = @_; my ($rc, $out) = $self->tool('postrider', 'status', '--json'); return $rc == 0 ? JSON::PP::decode_json($out) : undef }

sub stop
{
	my ($self, %o) = @_;
	my $pid = $self->{pid} // return;
	my $st = $o{signal} ? undef : $self->status;
	kill $o{signal} // 'TERM', $pid;
	my $end = time + ($o{limit} // 30);
	my $gone;
	while (!($gone = waitpid($pid, WNOHANG))) { last if time > $end; sleep 0.005 }
	my $rc = $?;
	if (!$gone) { kill 'KILL', $self->relay_pid, $pid; waitpid $pid, 0; fail('server stopped in time') }
	delete $self->{pid};
	return $rc if $o{signal};
	is($rc, 0, 'server stopped cleanly');
	if ($st) {
		for my $k (qw(blocked_switches blocked_faults slow_callbacks)) {
			next if $ENV{POSTRIDER_SAN};	# the sanitizers' allocator sleeps on locks of its own
			is($st->{loop}{$k} // 0, 0, "loop: no $k" . ($st->{loop}{last_blocked} ? " ($st->{loop}{last_blocked})" : ''));
		}
	}
	return $rc;
}

sub check_log
{
	my ($self) = @_;
	my @bad = grep { /(?:warning|error|fatal|panic): / } split /\n/, $self->log;
	for my $rx (@{$self->{allow}}, $ENV{POSTRIDER_SAN} ? qr/warning: loop: blocked in/ : ()) { @bad = grep { !/$rx/ } @bad }
	is(scalar @bad, 0, 'no unexpected warning in the log') or diag(join "\n", @bad[0 .. ($#bad > 20 ? 20 : $#bad)]);
	my $err = slurp("$self->{dir}/stderr") // '';
	ok($err !~ /(?:AddressSanitizer|LeakSanitizer|runtime error|assertion)/i, 'no sanitizer report') or diag(substr $err, 0, 6000);
}

# Ends the server and makes the standing checks; done once per server, at the latest at the end of the test.
sub finish
{
	my ($self) = @_;
	return if $self->{finished}++;
	$self->stop if $self->{pid};
	$self->check_log;
}

# Mails in a Maildir, oldest first.
sub mails { my ($self, $dir) = @_; return map { slurp($_) } sort glob("$dir/new/*") }
sub wait_mails { my ($self, $dir, $n, $limit) = @_; wait_for('mail', $limit // 15, sub { my @f = glob("$dir/new/*"); @f >= $n }); return $self->mails($dir) }
sub queue { my ($self) = @_; my ($rc, $out) = $self->tool('postqueue', '-j'); return map { JSON::PP::decode_json($_) } split /\n/, $out }
sub wait_empty { my ($self, $limit) = @_; return wait_for('empty queue', $limit // 15, sub { my @q = $self->queue; @q == 0 }) }

END {
	my $rc = $?;
	for my $s (@running) { if ($s->{pid}) { kill 'KILL', $s->relay_pid, $s->{pid}; waitpid $s->{pid}, 0 } }
	$? = $rc;
}
1;
