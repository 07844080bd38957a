#!/usr/bin/perl
# The SMTP client and servers that fail: silence and a closed connection at each step, while other mail goes on; what is refused
# on a connection that is used again goes to the next server; filters for replies and outcomes, also by a slow table.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Asked;
use Postrider::Sink;

# A server for one connection after the other; its answer at a step is what %o says: text, 'silent' or 'drop'.
my @pids;
sub server_that
{
	my (%o) = @_;
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "listen: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$SIG{CHLD} = $SIG{PIPE} = 'IGNORE';
		while (my $c = $l->accept) {
			next if fork;
			my %n;
			my $say = sub {
				my ($step, $default) = @_;
				my $r = $o{$step} // $default;
				$r = $r->[$n{$step}++] // $default if ref $r;
				if ($r eq 'silent') { 1 while sysread $c, my $b, 4096; POSIX::_exit(0) }
				POSIX::_exit(0) if $r eq 'drop';
				syswrite $c, "$r\r\n";
				return $r;
			};
			$say->('greet', '220 script.test ESMTP');
			while (my $line = <$c>) {
				my $verb = lc substr $line, 0, 4;
				if ($verb eq 'ehlo') { $say->('ehlo', "250-script.test\r\n250 " . ($o{pipelining} ? 'PIPELINING' : '8BITMIME')) }
				elsif ($verb eq 'helo') { $say->('helo', '250 script.test') }
				elsif ($verb eq 'mail') { $say->('mail', '250 2.1.0 ok') }
				elsif ($verb eq 'rcpt') { $say->('rcpt', '250 2.1.5 ok') }
				elsif ($verb eq 'data') {
					next if $say->('data', '354 go') !~ /^3/;
					while (defined(my $b = <$c>)) { last if $b eq ".\r\n" }
					$say->('dot', '250 2.0.0 stored');
				}
				elsif ($verb eq 'quit') { $say->('quit', '221 bye'); last }
				else { $say->('rset', '250 ok') }
			}
			POSIX::_exit(0);
		}
	}
	push @pids, $pid;
	return '[127.0.0.1]:' . $l->sockport;
}
my $parent = $$;
END { my $rc = $?; if ($$ == $parent) { kill KILL => @pids; waitpid $_, 0 for @pids } $? = $rc }

my %where = (greet => 'receiving the initial server greeting', ehlo => 'performing the EHLO handshake', helo => 'performing the HELO handshake',
    mail => 'sending MAIL FROM', rcpt => 'sending RCPT TO', data => 'sending DATA command', dot => 'sending end of data -- message may be sent more than once');
my (@hops, @expect);
for my $pipelining (0, 1) {
	for my $step (sort keys %where) {
		for my $how ('silent', 'drop') {
			my $name = join '-', $step, $how, $pipelining ? 'piped' : 'plain';
			push @hops, "{ $name.test = smtp:" . server_that($step => $how, pipelining => $pipelining, $step eq 'helo' ? (ehlo => '502 5.5.1 what') : ()) . ' }';
			push @expect, [$name, ($how eq 'silent' ? "conversation with 127.0.0.1[127.0.0.1] timed out" : 'lost connection with 127.0.0.1[127.0.0.1]') . " while $where{$step}"];
		}
	}
}
my $slow = Postrider::Asked->new(kind => 'socketmap', replies => { '2.0.0 250 2.0.0 slow table' => Postrider::Asked::netstring('OK 2.9.9 but fine'), '2.0.0 250 2.0.0 mute table' => undef });
my $first = server_that(rcpt => ['250 2.1.5 ok', '450 4.2.0 later'], pipelining => 1);
my $sink = Postrider::Sink->new;
push @hops, "{ again.test = smtp:$first,$sink->{port} }" =~ s/,(\d+)/,[127.0.0.1]:$1/r;
push @hops, '{ refused.test = smtp:' . server_that(rcpt => '550 5.1.1 nobody') . ' }', '{ filtered.test = filter:' . server_that(rcpt => '550 5.1.1 nobody') . ' }',
    '{ softened.test = soften:' . server_that(rcpt => '550 5.1.1 nobody') . ' }', '{ slow.test = slow:' . server_that(dot => '250 2.0.0 slow table') . ' }',
    '{ mute.test = slow:' . server_that(dot => '250 2.0.0 mute table') . ' }';
my $s = server(main => "relayhost = [127.0.0.1]:$sink->{port}\ntransport_maps = inline:{ @hops }\n" . join('', map { "smtp_${_}_timeout = 2s\n" } qw(helo mail rcpt data_init data_done quit)) .
    "smtp_connection_cache_destinations = 127.0.0.1\nsmtp_connection_cache_time_limit = 60s\nminimal_backoff_time = 1000s\nqueue_run_delay = 1000s\n",
    master => "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n" .
    "filter unix - - n - - smtp -o {smtp_reply_filter=regexp:{ { /^550 5\\.1\\.1 nobody/ 450 4.1.1 somebody } }}\n" .
    "soften unix - - n - - smtp -o {smtp_delivery_status_filter=regexp:{ { /^5\\.1\\.1 (.*)/ 4.1.1 softened } }}\n" .
    "slow unix - - n - - smtp -o smtp_delivery_status_filter=socketmap:inet:127.0.0.1:$slow->{port}:map\n",
    allow => [qr{socketmap|lookup error|connect to 127.0.0.1:\d+: Connection refused}]);

# ---- every step, silent or closed; all at once, and a message for a living server in their midst
my $c = $s->client;
$c->ehlo;
sub submit { my ($to) = @_; return $c->send_mail(from => '', to => $to, text => "Subject: x\n\nx\n") }
my $n = 0;
for my $e (@expect) { like(submit("u\@$e->[0].test"), qr/^250/, "$e->[0]: accepted") }
like(submit('u@living.test'), qr/^250/, 'one for a server that answers');
is(scalar $sink->wait_mails(++$n), $n, 'is delivered meanwhile');
for my $e (@expect) { ok($s->wait_log(qr/to=<u\@\Q$e->[0]\E\.test>, relay=127\.0\.0\.1\[[^,]*, .*dsn=4\.4\.2, status=deferred \(\Q$e->[1]\E\)/, 30), "$e->[0]: $e->[1]") or diag grep { /$e->[0]/ } split /^/m, $s->log }
is(scalar(grep { $_->{queue_name} eq 'deferred' } $s->queue), scalar @expect, 'all of them wait for the next attempt');

# ---- a temporary refusal on a connection that is used again: the next server gets the message
submit('one@again.test');
ok($s->wait_log(qr/to=<one\@again\.test>, .*status=sent/), 'the first server takes the first message');
submit('two@again.test');
is(scalar $sink->wait_mails(++$n), $n, 'what it then puts off goes to the second');
ok($s->wait_log(qr/to=<two\@again\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:$sink->{port}, .*status=sent/), 'and is logged so');
like($s->log, qr/: host 127\.0\.0\.1\[127\.0\.0\.1\] said: 450 4\.2\.0 later \(in reply to RCPT TO command\)/, 'with the reason');

# ---- filters
submit("u\@$_.test") for qw(refused filtered softened slow mute);
ok($s->wait_log(qr/to=<u\@refused\.test>, .*dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 nobody/), 'without a filter');
ok($s->wait_log(qr/to=<u\@filtered\.test>, .*dsn=4\.1\.1, status=deferred \(host .* said: 450 4\.1\.1 somebody/), 'smtp_reply_filter');
like($s->log, qr/replacing server reply "550 5\.1\.1 nobody" with "450 4\.1\.1 somebody"/, 'says what it does');
ok($s->wait_log(qr/to=<u\@softened\.test>, .*dsn=4\.1\.1, status=deferred \(softened\)/), 'smtp_delivery_status_filter');
ok($s->wait_log(qr/to=<u\@slow\.test>, .*dsn=2\.9\.9, status=sent \(but fine\)/), 'by a table that takes its time');
submit('u@after.test');
is(scalar $sink->wait_mails(++$n), $n, 'a table that says nothing holds up nobody else');
$slow->stop;
ok($s->wait_log(qr/to=<u\@mute\.test>, .*dsn=2\.0\.0, status=sent \(250 2\.0\.0 mute table\)/, 30), 'and when it is gone the outcome stays what it was') or diag $s->log;
$s->finish;
done_testing();
