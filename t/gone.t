#!/usr/bin/perl
# Clients that go away in every state of a session, bursts cut anywhere, a thousand that hardly speak, one that never
# listens: sessions end, the log says where, memory stays within bounds.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time);
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $s = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nsmtpd_client_connection_count_limit = 0\nsmtpd_error_sleep_time = 0\n" .
    "smtpd_hard_error_limit = 100000\nsmtpd_junk_command_limit = 100000\nsmtpd_forbid_unauth_pipelining = no\nsmtpd_timeout = 60\n" .
    "smtpd_restriction_classes = slow\nslow = sleep 1\nsmtpd_recipient_restrictions = check_recipient_access inline:{slow\@example.org=slow}\n",
    allow => [qr/queue file size limit exceeded|non-SMTP command|null BDAT|Illegal address syntax/]);
my $n = 0;

sub rss { my ($s) = @_; my $t = slurp('/proc/' . $s->relay_pid . '/status') // ''; return $t =~ /^VmRSS:\s+(\d+)/m ? $1 / 1024 : 0 }
sub sessions { return $s->status->{smtpd}{sessions} // $s->status->{'smtpd.sessions'} }

# ---- gone in every state, orderly and with a reset
my @to = ('EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>');
my %state = (
	connect => [[], '', 'CONNECT'], helo => [[$to[0]], '', 'EHLO'], mail => [[@to[0, 1]], '', 'MAIL'], rcpt => [[@to], '', 'RCPT'],
	line => [[@to[0, 1]], 'RCPT TO:<b@exam', 'MAIL'], rules => [[@to[0, 1]], "RCPT TO:<slow\@example.org>\r\n", 'RCPT'],
	data => [[@to, 'DATA'], '', 'DATA \(0 bytes\)'], header => [[@to, 'DATA'], "Subject: x\r\nX-Part", 'DATA'], body => [[@to, 'DATA'], "Subject: x\r\n\r\n" . "y\r\n" x 5000, 'DATA'],
	dot => [[@to, 'DATA'], "Subject: x\r\n\r\ny\r\n.\r", 'DATA'], chunk => [[@to], "BDAT 100\r\nSubject: x\r\n", 'BDAT'], between => [[@to], "BDAT 6\r\nX: y\r\n", 'BDAT'],
	rset => [[@to, 'RSET'], '', 'RSET'], unknown => [['FOO'], '', 'UNKNOWN'], burst => [['EHLO x'], join('', map { "$_\r\n" } (@to[1, 2], 'RSET') x 200), '(?:MAIL|RCPT|RSET)'],
);
for my $name (sort keys %state) {
	my ($cmds, $raw, $after) = @{$state{$name}};
	for my $reset (0, 1) {
		my $have = () = $s->log =~ /lost connection after $after/g;
		my $c = $s->client;
		$c->cmd($_) for @$cmds;
		$c->raw($raw) if $raw ne '';
		$c->reply if $name eq 'between';
		setsockopt($c->{s}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $reset;
		$c->close;
		ok(wait_for('the log', 10, sub { my $now = () = $s->log =~ /lost connection after $after/g; $now > $have }), "gone after $name" . ($reset ? ', by a reset' : ''))
		    or diag substr $s->log, -1500;
	}
}
{
	my $c = $s->client;		# the message is whole: whether the client hears of it or not, it is taken
	$c->cmd($_) for @to, 'DATA';
	$c->raw("Subject: unheard\r\n\r\nbody\r\n.\r\n");
	$c->close;
	my @m = $sink->wait_mails(++$n);
	like($m[-1]{text}, qr/^Subject: unheard/m, 'a message whose client does not wait for the answer is delivered');
}
ok(wait_for('sessions to end', 10, sub { sessions() == 0 }), 'no session is left');

# ---- the same bytes, cut anywhere, get the same replies
my $burst = join '', map { "$_\r\n" } 'EHLO x', 'MAIL FROM:<a@example.net> SIZE=10', 'RCPT TO:<b@example.org>', 'RCPT TO:<>', 'FOO', '', 'DATA', "Subject: cut\r\n\r\n..dot\r\n.", 'MAIL FROM:<>',
    'RCPT TO:<b@example.org>', "BDAT 8\r\nX: y\r\n\r", "BDAT 5 LAST\r\n\nz\r", 'RSET', 'VRFY x', 'NOOP', 'QUIT';
sub all { my ($c) = @_; my @r; while (defined(my $l = $c->line)) { $l =~ s/queued as \w+/queued as ID/; push @r, $l } return join "\n", @r }
my $c = $s->client;
$c->raw($burst);
my $want = all($c);
like($want, qr/^221 2\.0\.0 Bye\z/m, 'a burst in one piece is worked off to the end');
$n += 2;
srand 7;
for my $round (1 .. 12) {
	$c = $s->client;
	for (my $i = 0; $i < length $burst;) {
		my $k = $round == 1 ? 1 : 1 + int rand($round * 12);
		$c->raw(substr $burst, $i, $k);
		$i += $k;
	}
	is(all($c), $want, "cut into pieces, round $round");
	$n += 2;
}
$sink->wait_mails($n);

# ---- pipelined by the thousand
$c = $s->client;
$c->ehlo;
my $pid = fork // die $!;
if ($pid == 0) { $c->raw("MAIL FROM:<a\@example.net>\r\nRCPT TO:<b\@example.org>\r\nRSET\r\n" x 5000); require POSIX; POSIX::_exit(0) }
my %got;
$got{substr $c->line // 'none', 0, 9}++ for 1 .. 15000;
waitpid $pid, 0;
is_deeply(\%got, { '250 2.1.0' => 5000, '250 2.1.5' => 5000, '250 2.0.0' => 5000 }, '15,000 commands in one burst, each answered once');
$c->close;

# ---- a client that never reads what it is told is not read either
my $before = rss($s);
$c = $s->client;
$c->{s}->blocking(0);
my ($sent, $quiet) = (0, time + 2);
while (time < $quiet && $sent < 50_000_000) {
	my $w = syswrite $c->{s}, "NOOP\r\nEHLO x\r\n" x 1000;
	if (defined $w) { $sent += $w; $quiet = time + 2 } else { select undef, undef, undef, 0.02 }
}
cmp_ok($sent, '<', 50_000_000, 'a client that does not listen is not heard for ever');
like($s->client->send_mail(to => 'b@example.org'), qr/^250/, 'others are served meanwhile');
$sink->wait_mails(++$n);
cmp_ok(rss($s) - $before, '<', 20, 'and it costs little memory') unless $ENV{POSTRIDER_SAN};
$c->close;

# ---- a thousand that are slow, each in another state; two processes hold them, for the sake of descriptor limits
$before = rss($s);
my @kids;
for my $half (1, 2) {
	pipe my $ready, my $say or die $!;
	pipe my $wait, my $go or die $!;
	my $kid = fork // die $!;
	if ($kid == 0) {
		close $go;
		my @slow = map { $s->client } 1 .. 500;
		for my $i (0 .. $#slow) {
			$slow[$i]->cmd($_) for @to[0 .. $i % 4 - 1];
			$slow[$i]->raw(('EHL', 'MAIL FROM:<', 'RCPT TO:<b@ex', 'DAT')[$i % 4]);
		}
		syswrite $say, 'x';
		sysread $wait, my $b, 1;
		require POSIX;
		POSIX::_exit(0);
	}
	close $say;
	close $wait;
	push @kids, [$kid, $ready, $go];
}
sysread $_->[1], my $b, 1 for @kids;
cmp_ok(sessions(), '>=', 1000, 'a thousand slow clients');
like($s->client->send_mail(to => "n$_\@example.org"), qr/^250/, "a normal one beside them, $_") for 1 .. 5;
$sink->wait_mails($n += 5);
cmp_ok(rss($s) - $before, '<', 40, 'they cost less than 40 KiB each') unless $ENV{POSTRIDER_SAN};
close $_->[2] for @kids;
waitpid $_->[0], 0 for @kids;
ok(wait_for('sessions to end', 15, sub { sessions() == 0 }), 'and they all end');
$s->finish;

# ---- one that sends and never reads, and is never wrong: each chunk of one byte is answered
{
	my $b = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nsmtpd_timeout = 2s\n");
	my $c = $b->client;
	$c->cmd($_) for @to[0 .. 2];
	$c->{s}->blocking(0);
	ok(wait_for('a full socket', 30, sub { for (1 .. 50) { defined syswrite $c->{s}, "BDAT 1\r\nx" x 2000 or return 1 } 0 }), 'nobody reads any more');
	ok($b->wait_log(qr/timeout after BDAT/, 15), 'who reads no reply is timed out');
	$c->close;
	$b->finish;
}
done_testing();
