#!/usr/bin/perl
# The main job with real clients: mail in by SMTP, through the queue, out to another server.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::DNS;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $dns = Postrider::DNS->new({
	'example.net' => [[MX => 10, 'mx.example.net']], 'mx.example.net' => [[A => '127.0.0.1']],
	'null.example.net' => [[MX => 0, '']],
});
my $s = server(dns => $dns, main => "smtp_tcp_port = $sink->{port}\nsmtpd_recipient_limit = 5000\nbounce_queue_lifetime = 1d\n");

# ---- clients people have
my $text = "From: Sender <sender\@example.net>\nTo: you\@example.net\nSubject: a client\n\nhello\n.dot\n..dots\nlast\n";
spew("$s->{dir}/mail.txt", $text);
(my $crlf = $text) =~ s/\n/\r\n/g;
spew("$s->{dir}/mail.crlf", $crlf);
my $n = 0;
my %client = (
	swaks => ['swaks', '--server', "127.0.0.1:$s->{port}", '--from', 'sender@example.net', '--to', 'you@example.net', '--data', "$s->{dir}/mail.txt"],
	curl => ['curl', '-sS', "smtp://127.0.0.1:$s->{port}", '--mail-from', 'sender@example.net', '--mail-rcpt', 'you@example.net', '-T', "$s->{dir}/mail.crlf"],
	msmtp => ['msmtp', '--host=127.0.0.1', "--port=$s->{port}", '--from=sender@example.net', '--tls=off', 'you@example.net'],
	python => ['python3', '-c', "import smtplib,sys; s=smtplib.SMTP('127.0.0.1',$s->{port}); s.sendmail('sender\@example.net',['you\@example.net'],open('$s->{dir}/mail.txt').read()); s.quit()"],
	sendmail => [bin('sendmail'), '-C', $s->{conf}, '-i', '-f', 'sender@example.net', 'you@example.net'],
);
for my $name (sort keys %client) {
	SKIP: {
		skip "$name is not installed", 3 unless $name eq 'sendmail' || have($client{$name}[0]);
		my ($rc, $out, $err) = run_cmd($client{$name}, stdin_file => $name eq 'msmtp' || $name eq 'sendmail' ? "$s->{dir}/mail.txt" : undef);
		is($rc, 0, "$name: accepted") or diag "$out$err";
		my @m = $sink->wait_mails(++$n);
		is(scalar @m, $n, "$name: delivered") or next;
		my $got = $m[-1]{text};
		$got =~ s/\r\n/\n/g;
		like($got, qr/^Received: .*\n(?:[ \t].*\n)*.*Subject: a client\n(?:[\w-]+: .*\n)*\nhello\n\.dot\n\.\.dots\nlast\n+\z/s, "$name: the message is whole, dots and all");
	}
}

# ---- envelope, several recipients in one transaction, connection reuse
{
	my $c = $s->client;
	like($c->send_mail(to => [map { "u$_\@example.net" } 1 .. 40], text => "Subject: many\n\nx\n"), qr/^250/, '40 recipients');
	my @m = $sink->wait_mails(++$n);
	is(scalar @{$m[-1]{rcpt}}, 40, 'one transaction');
	like($m[-1]{mail}, qr/^MAIL FROM:<sender\@example\.net>/, 'sender');
	my @c = map { my $x = $s->client; $x->ehlo; $x } 1 .. 20;
	for my $round (1 .. 10) {	# all at once, again and again
		for my $cmd ('MAIL FROM:<a\@example.net>', "RCPT TO:<again\@example.net>", 'DATA', "Subject: x\r\n\r\nx\r\n.") {
			$_->raw("$cmd\r\n") for @c;
			$_->reply for @c;
		}
	}
	$n += 200;
	@m = $sink->wait_mails($n);
	my %conn; $conn{$_->{conn}}++ for @m[-200 .. -1];
	cmp_ok(scalar keys %conn, '<', 100, 'connections are used again under load');
}

# ---- failures: bounce to the sender, deferral, null MX
{
	my $c = $s->client;
	$c->send_mail(from => 'bouncee@example.net', to => ['rcpt550@example.net', 'good@example.net'], text => "Subject: partial\n\nx\n");
	$n += 2;	# the good one, and the notice
	my @m = $sink->wait_mails($n);
	my ($b) = grep { $_->{mail} =~ /<>/ } @m;
	ok($b, 'a notice went to the sender') or diag $s->log;
	like($b->{rcpt}[0], qr/<bouncee\@example\.net>/, 'to the right one');
	like($b->{text}, qr/Content-Type: multipart\/report; report-type=delivery-status/, 'multipart/report');
	like($b->{text}, qr/Final-Recipient: rfc822; rcpt550\@example\.net\r\n.*Action: failed\r\nStatus: 5\.1\.1/s, 'delivery status');
	like($b->{text}, qr/Diagnostic-Code: smtp; 550 5\.1\.1 recipient refused by sink/, 'with the server\'s words');
	like($s->log, qr/to=<rcpt550\@example\.net>, relay=mx\.example\.net\[127\.0\.0\.1\]:$sink->{port}, (?:conn_use=\d+, )?delay=[\d.]+, delays=[\d.\/]+, dsn=5\.1\.1, status=bounced \(host mx\.example\.net\[127\.0\.0\.1\] said: 550 5\.1\.1 recipient refused by sink \(in reply to RCPT TO command\)\)/, 'log line');
	$c->send_mail(from => '', to => 'rcpt450@example.net');
	ok($s->wait_log(qr/to=<rcpt450\@example\.net>.*status=deferred/), 'a temporary refusal defers');
	my ($q) = $s->queue;
	is($q->{queue_name}, 'deferred', 'listed as deferred');
	like($q->{recipients}[0]{delay_reason}, qr/said: 450 4\.1\.1 recipient refused by sink/, 'with the reason');
	is(($s->tool('postsuper', '-d', $q->{queue_id}))[0], 0, 'postsuper -d');
	ok($s->wait_empty, 'queue is empty again');
	$c->send_mail(from => 'b2@example.net', to => 'x@null.example.net');
	ok($s->wait_log(qr/to=<x\@null\.example\.net>.*dsn=5\.1\.0, status=bounced \(Domain null\.example\.net does not accept mail \(nullMX\)\)/), 'null MX bounces');
	$sink->wait_mails(++$n);
}

# ---- restart with mail in the queue
{
	$sink->stop;
	my $c = $s->client;
	like($c->send_mail(to => "later$_\@example.net"), qr/^250/, 'taken while the next hop is down') for 1 .. 5;
	ok($s->wait_log(qr/to=<later5\@example\.net>.*status=deferred/), 'deferred');
	$s->stop;
	my ($rc, $out) = $s->tool('postqueue', '-p');
	is($rc, 0, 'postqueue -p with the server down');
	like($out, qr/^-- \d+ Kbytes in 5 Requests\.$/m, 'lists all');
	$sink->start;
	ok($s->start, 'started again');
	is(($s->tool('postqueue', '-f'))[0], 0, 'flush');
	$n += 5;
	is(scalar($sink->wait_mails($n)), $n, 'all arrive after the restart');
	ok($s->wait_empty, 'and the queue is empty');
}
$s->finish;
done_testing();
