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

# ---- too old: returned to the sender, or dropped when there is none
{
	my $good = Postrider::Sink->new;
	my $bad = Postrider::Sink->new;
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$bad->{port}\ntransport_maps = inline:{{example.net=smtp:[127.0.0.1]:$good->{port}}}\n" .
		"minimal_backoff_time = 300s\nmaximal_backoff_time = 600s\nmaximal_queue_lifetime = 2h\nbounce_queue_lifetime = 1h\n");
	my $id = id_of($s->client->send_mail(from => 'sender@example.net', to => 'rcpt450@away.example'));
	my $null = id_of($s->client->send_mail(from => '', to => 'rcpt450@away.example'));
	ok(wait_count($s, qr/to=<rcpt450\@away.example>.*status=deferred/, 2) && quiet($s), 'two deferred');
	for (1 .. 7) { $s->advance(500); quiet($s) }
	is(count($s, qr/status=expired/), 0, 'not yet an hour');
	for (1 .. 3) { $s->advance(300); quiet($s) }
	is(count($s, qr/$null: from=<>, status=expired, returned to sender/), 1, 'a bounce is given up after bounce_queue_lifetime');
	like($s->log, qr/$null: removed/, 'and dropped');
	for (1 .. 4) { $s->advance(500); quiet($s) }
	is(count($s, qr/$id: .*status=expired/), 0, 'the other is still tried');
	for (1 .. 4) { $s->advance(500); quiet($s) }
	is(count($s, qr/$id: from=<sender\@example.net>, status=expired, returned to sender/), 1, 'until maximal_queue_lifetime');
	my @m = $good->wait_mails(1);
	is(scalar @m, 1, 'one notice');
	like($m[0]{text}, qr/^Subject: Undelivered Mail Returned to Sender\r?$/m, 'to its sender');
	like($m[0]{text}, qr/^Status: 4\.1\.1\r?$/m, 'with the last status');
	is(($s->queue) + 0, 0, 'nothing is left');
	$s->finish;
}

# ---- a delay warning, once; and word that it is over
{
	my $good = Postrider::Sink->new;
	my $late = Postrider::Sink->new(down => 1);
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$late->{port}\ntransport_maps = inline:{{example.net=smtp:[127.0.0.1]:$good->{port}}}\n" .
		"minimal_backoff_time = 300s\nmaximal_backoff_time = 600s\ndelay_warning_time = 1h\nconfirm_delay_cleared = yes\n");
	my $id = id_of($s->client->send_mail(from => 'sender@example.net', to => 'you@away.example'));
	ok(wait_count($s, qr/$id: to=<you\@away.example>.*status=deferred/, 1) && quiet($s), 'deferred');
	for (1 .. 7) { $s->advance(500); quiet($s) }
	is(scalar(my @none = $good->mails), 0, 'no warning before delay_warning_time');
	for (1 .. 6) { $s->advance(500); quiet($s) }
	like(($good->wait_mails(1))[0]{text}, qr/^Subject: Delayed Mail \(still being retried\)\r?$/m, 'then one');
	like($s->log, qr/$id: sender delay notification: [0-9A-F]+$/m, 'and logged');
	for (1 .. 20) { $s->advance(500); quiet($s) }
	is(scalar(my @one = $good->mails), 1, 'and no more');
	$late->start;
	for (1 .. 2) { $s->advance(601); quiet($s) }
	$late->wait_mails(1);
	my @m = $good->wait_mails(2);
	like($m[1]{text}, qr/^Subject: Successful Mail Delivery Report\r?$/m, 'word that it was delivered after all');
	like($m[1]{text}, qr/^Action: relayed\r?$/m, 'as it was');
	is(scalar @m, 2, 'two notices in all');
	$s->finish;
}

# ---- how many at once: a next hop that answers when it is told to
package Gate {
	sub new { my ($class, %o) = @_; my $port = Postrider::free_port();
		my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 512, ReuseAddr => 1) or die "gate: $!";
		return bless { port => $port, l => $l, open => [] }, $class }
	# Takes what has come; how many connections wait for their greeting.
	sub waiting { my ($self) = @_; while (IO::Select->new($self->{l})->can_read(0)) { push @{$self->{open}}, scalar $self->{l}->accept } return scalar @{$self->{open}} }
	# The next n connections get through a whole delivery.
	sub pass { my ($self, $n) = @_;
		for (1 .. $n) {
			my $c = shift @{$self->{open}} or return;
			my ($data, $in) = (0, '');
			print $c "220 gate ESMTP\r\n";
			while (defined(my $l = <$c>)) {
				if ($data) { if ($l eq ".\r\n") { print $c "250 2.0.0 taken\r\n"; $data = 0 } next }
				if ($l =~ /^DATA/i) { print $c "354 go on\r\n"; $data = 1; next }
				print $c $l =~ /^QUIT/i ? "221 2.0.0 bye\r\n" : "250 2.0.0 ok\r\n";
				last if $l =~ /^QUIT/i;
			}
			close $c;
		} }
	sub refuse { my ($self, $n) = @_; for (1 .. $n) { my $c = shift @{$self->{open}}; print $c "421 4.3.2 not now\r\n"; close $c } }
}
sub gated { my ($gate, $n) = @_; return main::wait_for('connections', 15, sub { $gate->waiting >= $n }) && $gate->waiting == $n }

{
	my $gate = Gate->new;
	my $sink = Postrider::Sink->new;
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$gate->{port}\ntransport_maps = inline:{{live.example=smtp:[127.0.0.1]:$sink->{port}}}\n" .
		"initial_destination_concurrency = 3\ndefault_destination_concurrency_limit = 7\nsmtp_destination_concurrency_positive_feedback = 1\n" .
		"smtp_connection_cache_on_demand = no\nsmtp_destination_concurrency_failed_cohort_limit = 1\n");
	$s->client->send_mail(to => "u$_\@busy.example") for 1 .. 30;
	ok(gated($gate, 3), 'initial_destination_concurrency deliveries at first');
	is(running($s), 3, 'the status says so');
	$gate->pass(1);
	ok(gated($gate, 4), 'each success adds one');
	$gate->pass(2);
	ok(gated($gate, 6), 'and again');
	$gate->pass(3);
	ok(gated($gate, 7), 'up to default_destination_concurrency_limit');
	$gate->pass(4);
	ok(gated($gate, 7), 'not beyond');

	# A destination that takes its time, with more mail and one message for many: others do not wait.
	$s->client->send_mail(to => [map { "m$_\@busy.example" } 1 .. 900]);
	$s->client->send_mail(to => "v$_\@busy.example") for 1 .. 20;
	is($s->status->{queue}{active}, 41, 'all that is active');
	$s->client->send_mail(to => 'now@live.example');
	is(scalar(my @got = $sink->wait_mails(1)), 1, 'mail to another destination goes at once');
	is($gate->waiting, 7, 'while the busy one stays as it is');

	# Failures to get a connection close the window; a whole cohort of them, and the site is dead for a while.
	$gate->refuse(7);
	ok(wait_count($s, qr/\@busy\.example>.*status=deferred \(delivery temporarily suspended: host 127\.0\.0\.1\[127\.0\.0\.1\] refused to talk to me: 421 4\.3\.2 not now\)/, 933)
		|| diag(count($s, qr/suspended/)), 'the rest is deferred unseen');
	ok(quiet($s), 'and nothing is active');
	is($gate->waiting, 0, 'no further attempt');
	my $id = id_of($s->client->send_mail(to => 'w@busy.example'));
	ok($s->wait_log(qr/$id: to=<w\@busy.example>, relay=none, .*delivery temporarily suspended/), 'nor for new mail');
	is($gate->waiting, 0, 'none at all');
	quiet($s);
	$s->advance(290);
	is($gate->waiting, 0, 'not before minimal_backoff_time');
	for (1 .. 4) { $s->advance(5) unless $gate->waiting }
	ok(wait_for('a connection', 15, sub { $gate->waiting }), 'then it is tried');
	ok(gated($gate, 3), 'with the initial window');
	$gate->refuse(3);	# time stands still: nobody else would end them
	ok(quiet($s), 'and is dead again');
	$s->finish;
}

# ---- rate delay: one after the other, so long between them
{
	my $sink = Postrider::Sink->new;
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$sink->{port}\nsmtp_destination_rate_delay = 60s\n" .
		"transport_maps = inline:{{other.example=relay:[127.0.0.1]:$sink->{port}},{third.example=relay:[127.0.0.1]:$sink->{port}}}\nrelay_transport_rate_delay = 100s\n");
	$s->client->send_mail(to => "u$_\@slow.example") for 1 .. 3;
	is(scalar(my @a = $sink->wait_mails(1)), 1, 'one');
	for my $n (2, 3) {
		$s->advance(58);
		is(scalar(my @b = $sink->mails), $n - 1, 'no other before the delay is over');
		$s->advance(3);
		is(scalar(my @c = $sink->wait_mails($n)), $n, 'then the next');
	}
	ok($s->wait_empty, 'that was all');
	# transport_rate_delay holds for all destinations of the transport together
	$s->client->send_mail(to => $_) for 'u@other.example', 'u@third.example';
	is(scalar(my @d = $sink->wait_mails(4)), 4, 'one by the other transport');
	$s->advance(97);
	is(scalar(my @e = $sink->mails), 4, 'its next waits, though it goes elsewhere');
	$s->advance(4);
	is(scalar(my @f = $sink->wait_mails(5)), 5, 'and goes when its delay is over');
	$s->finish;
}

# ---- defer_transports, hold
{
	my $sink = Postrider::Sink->new;
	my $s = server(test_clock => 1, main => "relayhost = [127.0.0.1]:$sink->{port}\ndefer_transports = smtp\n");
	my $id = id_of($s->client->send_mail(to => 'you@away.example'));
	ok($s->wait_log(qr/$id: to=<you\@away.example>, relay=none, .*dsn=4\.3\.2, status=deferred \(deferred transport\)/), 'defer_transports');
	quiet($s);
	$s->advance(1200);
	ok(wait_count($s, qr/$id: to=.*status=deferred \(deferred transport\)/, 2) || count($s, qr/deferred transport/) > 1, 'again and again');
	is(scalar(my @none = $sink->mails), 0, 'nothing goes out');
	quiet($s);
	is(($s->tool('postsuper', '-h', $id))[0], 0, 'put on hold');
	is(($s->tool('postqueue', '-f'))[0], 0, 'a flush');
	$s->advance(3 * 3600);
	is(scalar(my @held = $sink->mails), 0, 'does not reach what is on hold, nor does time');
	is(($s->tool('postsuper', '-H', $id))[0], 0, 'released');
	is(($s->tool('postqueue', '-f'))[0], 0, 'and flushed');
	is(scalar(my @got = $sink->wait_mails(1)), 1, 'which lifts defer_transports');
	$s->finish;
}

# ---- 50,000 recipients in bounded memory: delivered, deferred, returned
SKIP: {
	skip 'memory is another thing with sanitizers', 1 if $ENV{POSTRIDER_SAN};
	my $good = Postrider::Sink->new;
	my $dead = Postrider::Sink->new(down => 1);
	my $s = server(test_clock => 1, main => "smtpd_recipient_limit = 60000\nmaximal_queue_lifetime = 1h\nbounce_queue_lifetime = 1h\nminimal_backoff_time = 3700s\nbounce_size_limit = 1000\n" .
		"transport_maps = inline:{{a.example=discard:},{b.example=relay:[127.0.0.1]:$dead->{port}},{example.net=smtp:[127.0.0.1]:$good->{port}}}\n");
	$s->client->send_mail(to => "warm\@a.example");
	$s->wait_empty;
	my $before = $s->private_kb;
	my $c = $s->client;
	$c->ehlo; $c->cmd('MAIL FROM:<sender@example.net>');
	for my $k (0 .. 99) { $c->pipeline(map { "RCPT TO:<u$_\@" . ($_ % 2 ? 'a' : 'b') . '.example>' } $k * 500 + 1 .. $k * 500 + 500) }
	$c->cmd('DATA');
	my $id = id_of($c->cmd("From: sender\@example.net\r\n\r\nhello\r\n."));
	ok($s->wait_log(qr/$id: from=<sender\@example.net>, size=\d+, nrcpt=50000 \(queue active\)/), 'a message with 50,000 recipients');
	ok(wait_for('delivered', 120, sub { my $d = $s->status->{delivery}; $d->{delivered} == 25001 && $d->{deferred} == 25000 }), 'half delivered, half deferred');
	ok(wait_for('quiet', 60, sub { $s->status->{queue}{active} == 0 }), 'and that is in the store');
	cmp_ok($s->private_kb - $before, '<', 40 * 1024, 'in bounded memory');
	$s->advance(3705);
	my ($m) = $good->wait_mails(1, 60);
	ok($m, 'and returned when it is too old');
	my @n = ($m->{text} // '') =~ /^Final-Recipient: rfc822; u\d+\@b\.example/mg;
	is(scalar @n, 25000, 'with every recipient in the notice');
	cmp_ok($s->private_kb - $before, '<', 40 * 1024, 'still in bounded memory');
	$s->finish;
}
done_testing();
