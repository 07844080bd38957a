#!/usr/bin/perl
# When mail is tried, tried again and given up, and how much of it at once: the scheduler under a clock that the
# test moves. Nothing here waits for time to pass, only for what has to happen at a given time.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use IO::Select;
use IO::Socket::INET;
use Postrider;
use Postrider::Sink;

sub total { my ($s) = @_; return $s->status->{delivery}{total} }
sub running { my ($s) = @_; return $s->status->{delivery}{running} }
sub count { my ($s, $rx) = @_; my @l = $s->log =~ /$rx/g; return scalar @l }
sub wait_count { my ($s, $rx, $n) = @_; return wait_for('lines', 20, sub { count($s, $rx) >= $n }) && count($s, $rx) == $n }
# All attempts are over and in the store: nothing is active.
sub quiet { my ($s) = @_; return wait_for('quiet', 20, sub { my $q = $s->status->{queue}; $q->{active} == 0 && $q->{new} == 0 }) }
# It stays away: the line is not there now, and time has been let go by before.
sub id_of { my ($r) = @_; return ($r =~ /queued as (\S+)/)[0] }

# ---- back-off: the age of the message, at least minimal_backoff_time, at most maximal_backoff_time
{
	my $sink = Postrider::Sink->new;
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$sink->{port}\nminimal_backoff_time = 300s\n" .
		"maximal_backoff_time = 4000s\nqueue_run_delay = 300s\nmaximal_queue_lifetime = 5d\n");
	my $id = id_of($s->client->send_mail(to => 'rcpt450@away.example'));
	ok(wait_count($s, qr/$id: to=<rcpt450\@away.example>.*status=deferred/, 1) && quiet($s), 'a first attempt at once');
	my ($n, $age) = (1, 0);
	for (1 .. 7) {
		my $wait = $age < 300 ? 300 : $age > 4000 ? 4000 : $age;
		$s->advance($wait - 2);
		is(total($s), $n, "not much before $wait s have passed");
		for (1 .. 4) { $s->advance(1) if total($s) == $n }
		ok(wait_count($s, qr/$id: to=<rcpt450\@away.example>.*status=deferred/, ++$n) && quiet($s), "then attempt $n");
		$age = ($s->log =~ /$id: to=.* delay=([\d.]+),/g)[-1];
	}
	cmp_ok($age, '>', 12800, 'and so on');
	$s->finish;
}
done_testing();
