#!/usr/bin/perl
# sendmail(1): options, complaints and exit statuses to the letter; probes; VERP; what its content forbids is returned.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $s = server(main => "relayhost = " . $sink->where . "\nmydestination =\nmyorigin = example.com\nmessage_size_limit = 10000\nhopcount_limit = 5\n" .
    "notify_classes = bounce\nbounce_notice_recipient = copies\@example.net\nsmtpd_authorized_verp_clients = 127.0.0.1\n", allow => [qr/hopcount exceeded/]);
my $n = 0;
my $me = (getpwuid $>)[0];

sub submit { my ($opt, $text) = @_; return join ' ', grep { length } map { s/\n\z//r } $s->tool('sendmail', @$opt, { stdin => $text // "Subject: x\n\nx\n" }) }
sub next_mails { my ($more) = @_; my @m = $sink->wait_mails($n + $more); my @new = @m[$n .. $#m]; $n = @m; is(scalar @new, $more, "$more delivered"); return @new }
sub from { my ($m) = @_; return $m->{mail} =~ /^MAIL FROM:(<.*?>)(?: |\z)/ ? $1 : $m->{mail} }

# ---- complaints: nothing is sent
for ([[], "75 sendmail: fatal: $me($>): Recipient addresses must be specified on the command line or via the -t option"],
    [['-t'], "75 sendmail: fatal: $me($>): No recipient addresses found in message header"], [['-Z', 'u@example.net'], "75 sendmail: invalid option -- 'Z'\nsendmail: invalid option -- 'Z'\nsendmail: fatal: usage: sendmail [options]"],
    [['-B', '8bitmime', 'u@example.net'], '75 sendmail: fatal: -B option needs 8BITMIME or 7BIT'], [['-n', 'u@example.net'], '75 sendmail: fatal: -n option not supported'],
    [['-oA', 'u@example.net'], '75 sendmail: fatal: -oA requires pathname'], [['-Xlog', 'u@example.net'], '75 sendmail: fatal: unsupported: -Xl'],
    [['-XVab', 'u@example.net'], '75 sendmail: fatal: -V requires two characters from -=+'], [['-XV', '-f', '', 'u@example.net'], '75 sendmail: fatal: (' . $> . '): -V option requires non-null sender address'],
    [['-bv', '-t'], '75 sendmail: fatal: -t option cannot be used with -bv'], [['-bv', '-N', 'never', 'u@example.net'], '75 sendmail: fatal: -N option cannot be used with -bv'],
    [['-bv', '-v', 'u@example.net'], '75 sendmail: fatal: -v option cannot be used with -bv'], [['-bs', '-t'], '75 sendmail: fatal: -t can be used only in delivery mode'],
    [['-q', 'u@example.net'], '75 sendmail: fatal: flush queue mode requires no recipient'], [['-qI'], '75 sendmail: fatal: specify: -qIqueueid'], [['-qSx'], '75 sendmail: fatal: -qS is not implemented'],
    [['-bd', 'x'], '75 sendmail: fatal: daemon mode requires no recipient'], [['-I', 'x'], '75 sendmail: fatal: alias initialization mode requires no recipient']) {
	is(submit($_->[0]), $_->[1], join ' ', 'sendmail', @{$_->[0]});
}
is(submit(['u@example.net'], "Subject: x\n\n" . "0123456789\n" x 1000), "75 sendmail: fatal: $me($>): message file too big", 'too big');

# ---- an argument without an address is the empty one: it is for MAILER-DAEMON
is(submit(['-f', 'a@b.test', 'u@example.net', $_]), 0, "recipient '$_'") for '', '<>', ' , ', '(c)';
my @null = next_mails(4);
is_deeply([map { join ' ', sort map { /<(.*?)>/ } @{$_->{rcpt}} } @null], [('MAILER-DAEMON@example.com u@example.net') x 4], 'all to both');

# ---- what is ignored, and what warns
is(submit([qw(-Am -om -oem -odb -U -h 3 -L tag -O A=b -p x -c -e m -o7 -i u@example.net)]), 0, 'options without meaning');
is(submit(['-V', 'a b', '-N', 'success,bogus', '-R', 'all', 'u@example.net']),
    "0 sendmail: warning: unknown DSN NOTIFY command value \"bogus\" in \"success,bogus\"\nsendmail: warning: bad -N option value -- ignored\nsendmail: warning: bad -R option value -- ignored", 'warnings');
is(submit(['-f', 'a@b.test, c@d.test', 'u@example.net', '-v', 'v@example.net']), '0 sendmail: warning: -f option specified malformed sender: a@b.test, c@d.test', 'options end at the first recipient');
my @m = next_mails(5);		# one comes back: no address begins so
like($m[1]{mail}, qr/ENVID=a\+20b/, 'the envelope id is kept') if $m[1]{mail} =~ /ENVID/;
my ($m) = grep { $_->{mail} =~ /a\@b\.test/ } @m;
like((grep { "@{$_->{rcpt}}" =~ /a\@b/ } @m)[0]{text}, qr/^<-v\@example\.com> \(expanded from <-v>\): bad address syntax\r?$/m, 'what follows is a recipient');
is_deeply([map { /<(.*?)>/ } @{$m->{rcpt}}], ['u@example.net', 'v@example.net'], 'and -v is none') or diag explain $m->{rcpt};

# ---- senders and names
submit(['-f', 'Foo Bar <a@b.test>', '-F', 'A (B) "C"', '"x y"@example.net, Bob <u>']);
($m) = next_mails(1);
is(from($m), '<a@b.test>', 'the address of -f');
like($m->{text}, qr/^From: "A \(B\) \\"C\\"" <a\@b\.test>\r?$/m, 'the full name in quotes');
like("@{$m->{rcpt}}", qr/<"x y"\@example\.net> ORCPT=rfc822;x\+20y\@example\.net/, 'original recipients in internal form') if "@{$m->{rcpt}}" =~ /ORCPT/;
submit(['-f', '<>', '-F', 'Nobody', 'u@example.net']);
like((next_mails(1))[0]{text}, qr/^From: MAILER-DAEMON(?:\@example\.com)?\r?$/m, 'the null sender has no name');

# ---- probes and reports
is(submit(['-bv', '-f', 'me@example.net', 'ok@example.net', 'Foo <rcpt550@example.net>']), '0 Mail Delivery Status Report will be mailed to <me@example.net>.', 'a probe');
($m) = next_mails(1);
like($m->{text}, qr/^Subject: Mail Delivery Status Report\r?$/m, 'is answered by a report');
like($m->{text}, qr/^Action: deliverable\r?$/m, 'deliverable');
like($m->{text}, qr/^Action: undeliverable\r?$/m, 'undeliverable');
like($m->{text}, qr/^From: me\@example\.net\r?\nSubject: probe\r?\nTo:\s+ok\@example\.net,\r?\n?\s+Foo <rcpt550\@example\.net>\r?$/m, 'the probe');

# ---- VERP: a sender for each recipient, a notice for each failure
is(submit(['-XV', '-f', 'list@example.org', 'ok1@example.net', 'ok2@example.net']), 0, 'VERP');
is_deeply([sort map { from($_) } next_mails(2)], ['<list+ok1=example.net@example.org>', '<list+ok2=example.net@example.org>'], 'one transaction per recipient');
is(submit(['-V-=', '-f', 'list@example.org', 'u@example.net']), '0 sendmail: warning: option -V-= is deprecated with Postfix 2.3; specify -XV-= instead', 'as it once was');
is(from((next_mails(1))[0]), '<list-u=example.net@example.org>', 'other delimiters');
my $c = $s->client;
like($c->ehlo, qr/^250.XVERP$/m, 'offered to those who may');
is($c->cmd('MAIL FROM:<> XVERP'), '503 5.5.4 Error: XVERP requires non-null sender', 'not without a sender');
is($c->cmd('MAIL FROM:<list@example.org> XVERP=ab'), '501 5.5.4 Error: XVERP needs two characters from -=+', 'nor with anything');
$c->cmd('RSET');
like($c->send_mail(from => 'list@example.org', mail_args => ' XVERP', to => ['rcpt550a@example.net', 'rcpt550b@example.net', 'ok@example.net']), qr/^250/, 'XVERP');
@m = next_mails(5);
is_deeply([sort map { /<(.*?)>/ } map { @{$_->{rcpt}} } @m], ['copies@example.net', 'copies@example.net', 'list+rcpt550a=example.net@example.org', 'list+rcpt550b=example.net@example.org', 'ok@example.net'],
    'a notice for each, and its copy');
ok($s->wait_empty, 'queue is empty');

# ---- content that is refused comes back
is(submit(['-f', 'hop@example.net', 'u@example.net'], "Received: x\n" x 9 . "Subject: hops\n\nx\n"), 0, 'too many hops: accepted');
@m = next_mails(2);
($m) = grep { "@{$_->{rcpt}}" =~ /hop\@/ } @m;
like($m->{text}, qr/^<u\@example\.net>: too many hops\r?$/m, 'and returned');
like($m->{text}, qr/^Status: 5\.4\.0\r?$/m, 'with its status');
ok($s->wait_log(qr/postfix\/cleanup\[\d+\]: \w+: to=<u\@example\.net>, relay=none, .*dsn=5\.4\.0, status=bounced \(too many hops\)/), 'logged');
ok($s->wait_empty, 'queue is empty');

# ---- VERP notices when recipients are not all in memory, and without them
$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "disable_verp_bounces = yes\n");
$s->tool('postrider', 'reload');
submit(['-XV', '-f', 'list@example.org', 'rcpt550a@example.net', 'rcpt550b@example.net']);
@m = next_mails(2);
is_deeply([sort map { /<(.*?)>/ } map { @{$_->{rcpt}} } @m], ['copies@example.net', 'list@example.org'], 'disable_verp_bounces: one notice');
$s->finish;
done_testing;
