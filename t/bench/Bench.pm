# Bench.pm - two servers on the same machine, the same load, interleaved runs, medians.
# CPU of a server: user and system time of its whole process tree, children that have ended included, read from /proc
# before and after. Rates are end to end: from the first connection to the last message at the sink.
package Bench;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(time sleep);
use Peers ();
use Postrider ();
use Postrider::Reference ();
use Exporter 'import';
our @EXPORT = qw(mta sink_start sink_stop source median cpu_s pss_mib wait_count note);

my $HZ = POSIX::sysconf(&POSIX::_SC_CLK_TCK);
our $DIR = tempdir('postrider-bench.XXXXXX', DIR => $ENV{BENCH_DIR} // '/var/tmp', CLEANUP => !$ENV{KEEP});
chmod 0755, $DIR;
our @pids;

sub note { print STDERR "# @_\n" }
sub median { my @v = sort { $a <=> $b } @_; return @v ? ($v[int($#v / 2)] + $v[int(@v / 2)]) / 2 : undef }
sub tool { my ($name) = @_; return Postrider::Reference::program($name) // croak "$name is not installed" }

sub spawn
{
	my ($out, @cmd) = @_;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) { open STDIN, '<', '/dev/null'; open STDOUT, '>', $out; open STDERR, '>>', "$DIR/stderr"; { no warnings; exec { $cmd[0] } @cmd } POSIX::_exit(127) }
	push @pids, $pid;
	return $pid;
}

sub up { my ($port) = @_; Postrider::wait_for('port', 20, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }) or croak "nothing on port $port" }

# ---- the servers: mta('postrider' | 'postfix' | 'exim' | 'opensmtpd', port of the next hop, extra main.cf lines)
sub mta
{
	my ($kind, $sink, $extra) = @_;
	my $self = bless { kind => $kind, port => Postrider::free_port(), dir => "$DIR/$kind" . int(rand 1e9) }, 'Bench::MTA';
	mkdir $self->{dir};
	my $owner = $kind eq 'postfix' ? 'postfix' : 'nobody';
	my $base = Postrider::Reference::place($self->{dir}, $owner);
	if ($kind !~ /^post/) {
		$self->{command} = [Peers::command($kind, $self->{dir}, $self->{port}, $sink)];
		return undef if !@{$self->{command}};
		$self->start;
		return $self;
	}
	Postrider::spew("$self->{dir}/etc/main.cf", $base . <<EOT . ($extra // ''));
myhostname = mx.example.com
mydestination =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:$sink
alias_maps =
alias_database =
smtpd_peername_lookup = no
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtp_destination_concurrency_limit = 20
EOT
	my $master = Postrider::slurp("$Postrider::TOP/etc/master.cf");
	$master =~ s/^smtp(\s+inet)/$self->{port}$1/m;
	Postrider::spew("$self->{dir}/etc/master.cf", $master);
	$self->start;
	return $self;
}

package Bench::MTA;
use Time::HiRes qw(time sleep);
use POSIX qw(:sys_wait_h);
sub start
{
	my ($self) = @_;
	my $t0 = time;
	$self->{pid} = $self->{command} ? Bench::spawn("$self->{dir}/out", @{$self->{command}})
	    : $self->{kind} eq 'postfix'
	    ? Bench::spawn("$self->{dir}/out", Postrider::Reference::start_command("$self->{dir}/etc"))
	    : Bench::spawn("$self->{dir}/out", Postrider::bin('postrider'), '-c', "$self->{dir}/etc", 'start-fg');
	Bench::up($self->{port});
	$self->{start_s} = time - $t0;
}
# POSTRIDER_BLOCK_CHECK=1: what the loop's callbacks waited for, in every scenario.
sub blocks
{
	my ($self) = @_;
	return unless $self->{pid} && $self->{kind} eq 'postrider' && $ENV{POSTRIDER_BLOCK_CHECK};
	my $text = `$Postrider::BUILD/bin/postrider -c $self->{dir}/etc status --json` or return;
	my $l = JSON::PP::decode_json($text)->{loop};
	printf "  in callbacks: %d voluntary switches, %d major faults, %d over 10 ms of CPU%s\n", @$l{qw(blocked_switches blocked_faults slow_callbacks)},
	    $l->{last_blocked} ? " ($l->{last_blocked})" : '';
}
sub stop { my ($self) = @_; $self->blocks; my $p = delete $self->{pid} or return; kill TERM => $p; my $end = time + 30; while (waitpid($p, WNOHANG) == 0) { if (time > $end) { kill KILL => $p; } sleep 0.01 } }
sub flush { my ($self) = @_; system(($self->{kind} eq 'postfix' ? Bench::tool('postqueue') : Postrider::bin('postqueue')), '-c', "$self->{dir}/etc", '-f') }

package Bench;
# All processes below pid.
sub tree
{
	my ($pid) = @_;
	my (%kids, @all);
	opendir my $d, '/proc' or croak;
	for my $p (grep { /^\d+$/ } readdir $d) {
		my $st = Postrider::slurp("/proc/$p/stat") // next;
		push @{$kids{$1}}, $p if $st =~ /^.*\) \S (\d+)/s;
	}
	my @todo = ($pid);
	while (defined(my $p = shift @todo)) { push @all, $p; push @todo, @{$kids{$p} // []} }
	return @all;
}
sub cpu_s
{
	my ($pid) = @_;
	my $sum = 0;
	for my $p (tree($pid)) {
		my $st = Postrider::slurp("/proc/$p/stat") // next;
		my @f = split ' ', ($st =~ /^.*\) (.*)/s)[0];
		$sum += $f[11] + $f[12] + $f[13] + $f[14];
	}
	return $sum / $HZ;
}
sub pss_mib
{
	my ($pid) = @_;
	my $sum = 0;
	for my $p (tree($pid)) { my $t = Postrider::slurp("/proc/$p/smaps_rollup") // next; $sum += $1 if $t =~ /^Pss:\s+(\d+)/m }
	return $sum / 1024;
}

# ---- the load tools (Postfix's own)
sub sink_start
{
	my (@args) = @_;
	my $port = Postrider::free_port();
	my $out = "$DIR/sink.$port";
	my $pid = spawn($out, tool('smtp-sink'), '-u', 'nobody', '-c', @args, "127.0.0.1:$port", 4096);
	up($port);
	return { pid => $pid, port => $port, out => $out };
}
sub sink_stop { my ($s) = @_; kill TERM => $s->{pid}; waitpid $s->{pid}, 0 }
# Messages that the sink has counted so far.
sub count { my ($s) = @_; my $t = Postrider::slurp($s->{out}) // ''; my ($n) = substr($t, -128) =~ /.*mesg=(\d+)\D/s; return $n // 0 }
sub wait_count
{
	my ($s, $n, $limit) = @_;
	my $end = time + $limit;
	while (count($s) < $n) { return 0 if time > $end; sleep 0.002 }
	return 1;
}
sub source
{
	my ($port, %o) = @_;
	my @cmd = (tool('smtp-source'), ($o{one} ? () : '-d'), '-s', $o{sessions}, '-m', $o{messages}, '-l', $o{bytes}, '-f', 'a@example.net', '-t',
	    'b@sink.example', "127.0.0.1:$port");
	system(@cmd) == 0 or croak "smtp-source failed: $?";
}
# Killed at once, a master leaves its children behind.
END
{
	my $rc = $?;
	my @all = map { tree($_) } grep { kill 0 => $_ } @pids;
	kill TERM => @pids;
	sleep 0.5 if @all;
	kill KILL => grep { kill 0 => $_ } @all;
	$? = $rc;
}
1;
