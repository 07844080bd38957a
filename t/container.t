#!/usr/bin/perl
# As in a container: an ordinary user, no capability, no new privileges, a read-only root file system, log to standard
# output; stops in time, idle and busy; a queue in use. (A queue on NFS: process.t; resolv.conf: follow.t.)
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time sleep);
use POSIX qw(:sys_wait_h);
use Postrider;
use Postrider::Sink;

plan skip_all => 'needs root to build the container' if $> != 0;
plan skip_all => 'no user namespaces here' if system('unshare -m true 2>/dev/null') != 0;
my $sink = Postrider::Sink->new(delay => 0);
my $s = server(start => 0, user => 'nobody', main => "maillog_file = /dev/stdout\nrelayhost = [127.0.0.1]:$sink->{port}\n");
mkdir "$s->{dir}/queue"; mkdir "$s->{dir}/data";
system 'chown', '-R', 'nobody', $s->{dir};

my ($uid, $gid) = ('nobody', 'nogroup');
sub up
{
	my $pid = fork // die;
	if ($pid == 0) {
		open STDOUT, '>', "$s->{dir}/log"; open STDERR, '>', "$s->{dir}/stderr";
		exec 'unshare', '-m', 'sh', '-c', 'mount --bind / / && mount -o remount,ro,bind / && mount --bind "$1" "$1" && mount -o remount,rw,bind "$1" && ' .
		    "exec setpriv --reuid=$uid --regid=$gid --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all " . '"$2" -c "$1/etc" start-fg',
		    'sh', $s->{dir}, bin('postrider')
		    or POSIX::_exit(127);
	}
	$s->{pid} = $pid;
	ok(wait_for('port', 20, sub { waitpid($pid, WNOHANG) == $pid || IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port) }), 'listens')
	    or diag slurp("$s->{dir}/stderr");
}

up();
like($s->client->send_mail(to => 'a@example.org'), qr/^250/, 'relays');
is(scalar($sink->wait_mails(1)), 1, 'mail arrives');
ok($s->wait_log(qr/status=sent/), 'logs to standard output');
my $t0 = time;
kill TERM => $s->{pid};
waitpid $s->{pid}, 0;
is($?, 0, 'exit status 0');
cmp_ok(time - $t0, '<', 2, 'an idle server stops within 2 s');

# ---- busy: the session under way is told, the delivery under way ends, the rest waits in the queue
spew("$s->{dir}/etc/main.cf", slurp("$s->{dir}/etc/main.cf") . "postrider_drain_time_limit = 5s\n");
up();
my $c = $s->client;
$c->ehlo;
like($s->client->send_mail(to => 'slow@example.org'), qr/^250/, 'a slow delivery begins');
$t0 = time;
sleep 0.2;
kill TERM => $s->{pid};
like($c->reply, qr/^421 4\.3\.2|^$/, 'an idle session is told or closed');
waitpid $s->{pid}, 0;
is($?, 0, 'exit status 0');
cmp_ok(time - $t0, '<', 6.5, 'within the limit');
is(scalar($sink->wait_mails(2, 1)), 2, 'the delivery under way was finished');
delete $s->{pid};

# ---- an arbitrary user that no passwd file knows, as some platforms give it; the lock and the probe from inside
($uid, $gid) = (54321, 54321);
system 'chown', '-R', "$uid:$gid", $s->{dir};
up();
like($s->client->send_mail(to => 'b@example.org'), qr/^250/, 'an unknown user: relays');
is(scalar($sink->wait_mails(3)), 3, 'mail arrives');
like(slurp("/proc/$s->{pid}/status"), qr/^Uid:\s+54321\s+54321.*^CapEff:\s+0+\n.*^NoNewPrivs:\s+1\n/ms, 'no privilege of any kind');
sub inside { return run_cmd(['setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', bin('postrider'), '-c', $s->{conf}, @_], timeout => 20) }
ok($s->wait_log(qr/: removed\n\z/), 'all is in the log');
my $log = slurp("$s->{dir}/log");
my ($rc, $out) = inside('status', '--json');
is($rc, 0, 'status: exit status 0');
like($out, qr/"running": true.*"loop": \{.*"store": \{/s, 'and what a probe wants to know');
is(slurp("$s->{dir}/log"), $log, 'without a line in the log');
(my $second, undef, my $err) = inside('start-fg');
isnt($second, 0, 'a second server ends at once');
like($err, qr/already running on \Q$s->{dir}\E\/queue: process \d+/, 'and says who has the queue');
# A delivery that is not settled yet would be repeated.
ok(wait_for('settled', 10, sub { (inside('status', '--json'))[1] =~ /"messages": 0\b/ }), 'the queue is empty');
kill KILL => $s->{pid};
waitpid $s->{pid}, 0;
is((inside('status'))[0], 1, 'status after the death: exit status 1');
ok(-s "$s->{dir}/queue/pid/master.pid", 'a stale pid file');
up();
like($s->client->send_mail(to => 'c@example.org'), qr/^250/, 'does not stop a start');
is(scalar($sink->wait_mails(4)), 4, 'mail arrives');
$t0 = time;
kill TERM => $s->{pid};
waitpid $s->{pid}, 0;
is($?, 0, 'exit status 0');
cmp_ok(time - $t0, '<', 2, 'idle: within 2 s');
delete $s->{pid};
push @{$s->{allow}}, qr/already running/;
$s->check_log;
done_testing();
