#!/usr/bin/perl
# A log that takes nothing: a pipe nobody reads, a syslog daemon that is away. Mail goes on, what is lost is counted
# and said as soon as somebody listens again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use IO::Select;
use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Socket;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Sink;

my $more = "smtpd_hard_error_limit = 1000000\nsmtpd_soft_error_limit = 1000000\nsmtpd_error_sleep_time = 0\nsmtpd_junk_command_limit = 1000000\n" .
    "smtpd_delay_reject = no\nsmtpd_recipient_overshoot_limit = 1000000\n";

sub launch
{
	my ($s, $out, %env) = @_;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>&', $out; open STDERR, '>>', "$s->{dir}/stderr";
		$ENV{POSTRIDER_BLOCK_CHECK} = 1;
		$ENV{$_} = $env{$_} for keys %env;
		Postrider::become($s->{user}) if $s->{user};
		{ no warnings; exec { bin('postrider') } 'postrider', '-c', $s->{conf}, 'start-fg'; }
		POSIX::_exit(127);
	}
	$s->{pid} = $pid;
	ok(wait_for('greeting', 20, sub { my $c = eval { $s->client }; $c && $c->{greeting} =~ /^220/ }), 'serves') or diag slurp("$s->{dir}/stderr");
}

# Thousands of refusals, each a line of almost a kilobyte.
sub chatter
{
	my ($s, $n) = @_;
	my $c = $s->client(limit => 60);
	$c->ehlo;
	my $l = join '.', ('x' x 60) x 3;
	$c->cmd("MAIL FROM:<" . 'f' x 60 . "\@$l.example>");
	for (1 .. $n / 100) {
		$c->raw(join '', map { "RCPT TO:<" . 'r' x 60 . "\@$l.test>\r\n" } 1 .. 100);
		for (1 .. 100) { my $r = $c->reply; return 0 unless $r =~ /^454|^554/ }
	}
	$c->quit;
	return 1;
}

for my $user ($> == 0 ? (undef, 'nobody') : ((getpwuid $>)[0])) {
	my $who = $user // 'root';
	my $sink = Postrider::Sink->new;
	# ---- a pipe that nobody reads
	{
		my $s = server(start => 0, user => $user, main => "maillog_file = /dev/stdout\nmynetworks = 192.0.2.1\nrelay_domains = example.org\nrelay_transport = smtp:[127.0.0.1]:$sink->{port}\n$more",
		    allow => [qr/\d+ log lines were lost/]);
		pipe my $r, my $w or die;
		launch($s, $w);
		close $w;
		ok(chatter($s, 8000), "$who: thousands of lines for a full pipe");
		like($s->client->send_mail(to => 'full@example.org'), qr/^250/, "$who: mail is taken all the same");
		is(scalar($sink->wait_mails(1)), 1, "$who: and delivered");
		my $st = $s->status;
		cmp_ok($st->{loop}{blocked_switches} // 0, '==', 0, "$who: the loop never waited") unless $ENV{POSTRIDER_SAN};
		# Somebody reads again: what was kept, then how much was not.
		my ($log, $end) = ('', time + 30);
		$r->blocking(0);
		while (time < $end && $log !~ /lines were lost/) { if (IO::Select->new($r)->can_read(1)) { sysread $r, $log, 1 << 16, length $log } }
		my ($lost) = $log =~ /warning: (\d+) log lines were lost/;
		cmp_ok($lost // 0, '>', 100, "$who: the loss is counted and said") or diag substr $log, -2000;
		my $kept = () = $log =~ /: reject: RCPT from /g;
		cmp_ok($kept, '>', 1000, "$who: what fitted was kept");
		cmp_ok($kept + ($lost // 0), '>=', 8000, "$who: no line is unaccounted for");
		like($s->client->send_mail(to => 'after@example.org'), qr/^250/, "$who: later mail");
		$sink->wait_mails(2);
		$end = time + 10;
		while (time < $end && $log !~ /to=<after\@example\.org>.*status=sent/) { if (IO::Select->new($r)->can_read(1)) { sysread $r, $log, 1 << 16, length $log } }
		like($log, qr/to=<after\@example\.org>.*status=sent/, "$who: is in the log again");
		kill TERM => $s->{pid};
		ok(wait_for('end', 20, sub { sysread $r, $log, 1 << 16, length $log; waitpid($s->{pid}, WNOHANG) == $s->{pid} }), "$who: ends") and is($?, 0, "$who: exit status 0");
		delete $s->{pid};
		spew("$s->{dir}/log", $log);
		$s->check_log;
	}
	# ---- no syslog daemon
	{
		my $s = server(start => 0, user => $user, main => "maillog_file =\nrelayhost = [127.0.0.1]:$sink->{port}\n$more");
		my $path = "$s->{dir}/syslog";
		open my $null, '>', '/dev/null';
		my $listen = sub {
			unlink $path;
			my $l = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$!";
			chmod 0666, $path;
			return $l;
		};
		my $hear = sub { my ($l, $rx) = @_; my $t = ''; my $end = time + 15;
			while (time < $end && $t !~ $rx) { if (IO::Select->new($l)->can_read(1)) { $l->recv(my $m, 65536); $t .= "$m\n" } } return $t };
		launch($s, $null, POSTRIDER_SYSLOG_SOCKET => $path);
		like($s->client->send_mail(to => 'early@example.org'), qr/^250/, "$who: no syslog daemon: mail is taken");
		$sink->wait_mails(3);
		my $l = $listen->();
		like($hear->($l, qr/to=<early\@example\.org>.*status=sent/), qr/^<22>.*postfix\/smtpd\[\d+\]: \w+: client=/m, "$who: the lines waited for it");
		close $l;
		unlink $path;
		like($s->client->send_mail(to => 'gone@example.org'), qr/^250/, "$who: the daemon goes: mail is taken");
		$sink->wait_mails(4);
		$l = $listen->();
		ok($hear->($l, qr/to=<gone\@example\.org>.*status=sent/) =~ /gone/, "$who: it comes back: so do the lines");
		kill TERM => $s->{pid};
		ok(wait_for('end', 20, sub { waitpid($s->{pid}, WNOHANG) == $s->{pid} }), "$who: ends");
		delete $s->{pid};
		$s->check_log;
	}
}
done_testing();
