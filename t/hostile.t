#!/usr/bin/perl
# Peers that misbehave: bytes nobody should send, lines without end, half-closed and slow connections, many of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $s = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nsmtpd_client_connection_count_limit = 0\nsmtpd_error_sleep_time = 0\n" .
    "smtpd_timeout = 20\nsmtpd_forbid_bare_newline_exclusions =\nmessage_size_limit = 200000\n", allow => [qr/queue file size limit exceeded|improper command pipelining|non-SMTP command|line too long|bare <?LF/i]);
my $n = 0;

# ---- garbage, in one piece and byte by byte
srand 42;
for my $i (1 .. 30) {
	my $c = $s->client(limit => 3);
	my $junk = join '', map { chr int rand 256 } 1 .. 2000;
	$c->raw($junk . "\r\n");
	my $r = $c->reply;
	ok($r eq '' || $r =~ /^[45]\d\d[ -]/, "garbage $i: refused") or diag $r;
	$c->close;
}
{
	my $c = $s->client;
	$c->raw($_) for split //, "EHLO x\r\n";
	like($c->reply, qr/^250-/, 'a byte at a time: EHLO');
	$c->raw($_) for split //, "MAIL FROM:<a\@example.net>\r\n";
	like($c->reply, qr/^250 2\.1\.0/, 'a byte at a time: MAIL');
	$c->raw('A' x 3_000_000);
	$c->raw("\r\n");
	my $r = $c->reply;
	ok($r eq '' || $r =~ /^5\d\d /, 'three million bytes of one line: refused') or diag $r;
}
like($s->client->send_mail(to => 'a@example.org'), qr/^250/, 'and the server lives');
$sink->wait_mails(++$n);

# ---- the end of data
for my $end ("\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r") {
	my $c = $s->client(limit => 2);
	$c->ehlo; $c->cmd('MAIL FROM:<a@example.net>'); $c->cmd('RCPT TO:<b@example.org>'); $c->cmd('DATA');
	(my $show = $end) =~ s/\r/CR/g; $show =~ s/\n/LF/g;
	$c->raw("Subject: x\r\n\r\nbody${end}MAIL FROM:<smuggled\@example.net>\r\nRCPT TO:<smuggled\@example.org>\r\nDATA\r\nSubject: y\r\n\r\ny\r\n.\r\n");
	my $r = $c->reply;
	my $more = $c->line // '';
	unlike($more, qr/^250|^354/, "$show smuggles nothing") or diag "$r / $more";
	$c->close;
}
sleep 0.2;
my @m = $sink->mails;
is(scalar(grep { $_->{mail} =~ /smuggled/ } @m), 0, 'no smuggled message arrived');
$n = @m;

# ---- half-closed: everything sent before the end counts
{
	my $c = $s->client;
	$c->ehlo;
	$c->raw("MAIL FROM:<a\@example.net>\r\nRCPT TO:<half\@example.org>\r\nDATA\r\n");
	$c->reply for 1 .. 3;
	$c->raw("Subject: half\r\n\r\nbody\r\n.\r\nQUIT\r\n");
	$c->half_close;
	like($c->reply, qr/^250 2\.0\.0 Ok: queued/, 'half-closed client gets its answer');
	like($c->reply, qr/^221/, 'and the next');
	$sink->wait_mails(++$n);
	$c = $s->client;
	$c->ehlo;
	$c->cmd($_) for 'MAIL FROM:<a@example.net>', 'RCPT TO:<gone@example.org>', 'DATA';
	$c->raw("Subject: cut\r\n\r\nbody\r\n");
	$c->close;
	ok($s->wait_log(qr/lost connection after (?:DATA|END-OF-MESSAGE)/), 'a client that goes away in DATA is logged');
}

# ---- NULs and 8-bit, size
{
	my $c = $s->client;
	like($c->send_mail(to => 'nul@example.org', text => "Subject: nul\n\na\0b\xff\xfec\n"), qr/^250/, 'NUL and 8-bit bytes in a body');
	@m = $sink->wait_mails(++$n);
	like($m[-1]{text}, qr/a.b/s, 'arrive');
	like($c->cmd('MAIL FROM:<a@example.net> SIZE=300000'), qr/^552 5\.3\.4/, 'declared too large');
	$c->cmd('RSET');
	like($c->send_mail(to => 'big@example.org', text => "Subject: big\n\n" . ("x" x 78 . "\n") x 4000), qr/^552 5\.3\.4/, 'too large');
	like($c->send_mail(to => 'after@example.org'), qr/^250/, 'the session goes on');
	$sink->wait_mails(++$n);
}

# ---- slow clients by the hundred do not hold up a normal one
{
	my @slow = map { $s->client(greet => 0) } 1 .. 300;
	for my $round (1 .. 3) {
		$_->raw('E') for @slow;
		my $t0 = time;
		like($s->client->send_mail(to => 'normal@example.org'), qr/^250/, 'a normal client among 300 slow ones');
		cmp_ok(time - $t0, '<', 2, 'is served at once');
		$sink->wait_mails(++$n);
	}
	$_->close for @slow;
}
$s->finish;
done_testing();
