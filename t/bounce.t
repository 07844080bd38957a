#!/usr/bin/perl
# Notices: who gets one, what is in it, and what comes of notices that fail.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new(features => [qw(PIPELINING 8BITMIME DSN ENHANCEDSTATUSCODES)]);
my $old = Postrider::Sink->new(features => ['8BITMIME']);	# passes no NOTIFY on
my $base = "relayhost = " . $sink->where . "\nmydestination =\nmyorigin = example.com\ntransport_maps = inline:{ {old.test=smtp:" . $old->where . "} {later.test=retry:4.0.0\@not now} }\n" .
    "virtual_alias_domains = va.test\nvirtual_alias_maps = inline:{ {two\@va.test=a\@example.net,b\@example.net} {bad\@va.test=rcpt550\@example.net} }\n";
$base =~ s/4\.0\.0\@not now/4.0.0 not now/;
my ($s, $n);
sub serve { my ($main, %o) = @_; $s->finish if $s; $s = server(main => "$base$main", %o); $n = $sink->mails }
sub plain { my ($m) = @_; my $t = $m->{text}; $t =~ s/\r\n/\n/g; return $t }
sub to { my ($m) = @_; return join ',', map { /<(.*?)>/ } @{$m->{rcpt}} }
# Sends one message and returns what arrives at the relay, by recipient, when the queue is empty again.
sub mail
{
	my (%o) = @_;
	my $c = $s->client;
	$c->ehlo;
	$c->cmd('MAIL FROM:<' . ($o{from} // 'me@example.net') . '>' . ($o{args} // ''));
	like($c->cmd("RCPT TO:$_"), qr/^250/, "to $_") for @{$o{to}};
	$c->cmd('DATA');
	like($c->cmd(($o{text} // "Subject: original\r\n\r\nthe body") . "\r\n."), qr/^250/, 'taken');
	$s->wait_empty unless $o{stays};
	my @m = $sink->wait_mails($n + ($o{wait} // 0));
	my @new = @m[$n .. $#m];
	$n = @m;
	my %by = map { to($_) => $_ } @new;
	return \%by;
}
sub parts { my ($m) = @_; my $t = plain($m); my ($b) = $t =~ /boundary="(.*?)"/ or return (); return split /^--\Q$b\E(?:--)?\n/m, $t }

# ---- failures
serve("notify_classes = resource\n");
my $by = mail(to => ['<rcpt550@example.net> ORCPT=rfc822;First+2BLast@example.org'], args => ' ENVID=env+2B1 RET=FULL');
my ($head, @p) = parts($by->{'me@example.net'});
is($by->{'me@example.net'}{mail} =~ /FROM:<>/ ? 1 : 0, 1, 'from the null sender');
like($head, qr/^From: Mail Delivery System <MAILER-DAEMON\@example\.com>\nSubject: Undelivered Mail Returned to Sender\nTo: me\@example\.net\nAuto-Submitted: auto-replied\nMIME-Version: 1\.0\nContent-Type: multipart\/report; report-type=delivery-status;\n\tboundary="/m, 'header');
like($p[0], qr/^Content-Description: Notification\nContent-Type: text\/plain; charset=utf-8\n(?:.*\n)*This is the mail system at host mx\.example\.com\.\n(?:.*\n)*<rcpt550\@example\.net>: host 127\.0\.0\.1\[127\.0\.0\.1\] said: 550/, 'text');
like($p[1], qr/^Content-Description: Delivery report\nContent-Type: message\/delivery-status\n\nReporting-MTA: dns; mx\.example\.com\nOriginal-Envelope-Id: env\+1\nX-Postrider-Queue-ID: \w+\nX-Postrider-Sender: rfc822; me\@example\.net\nArrival-Date: .*\n\nFinal-Recipient: rfc822; rcpt550\@example\.net\nOriginal-Recipient: rfc822;First\+Last\@example\.org\nAction: failed\nStatus: 5\.\d\.\d\nRemote-MTA: dns; 127\.0\.0\.1\nDiagnostic-Code: smtp; 550/, 'status');
like($p[2], qr/^Content-Description: Undelivered Message\nContent-Type: message\/rfc822\n(?:.*\n)*Subject: original\n(?:.*\n)*\nthe body\n/, 'the original');
$by = mail(to => ['<rcpt550@example.net> NOTIFY=FAILURE'], args => ' RET=HDRS');
($head, @p) = parts($by->{'me@example.net'});
like($p[2], qr/^Content-Description: Undelivered Message Headers\nContent-Type: text\/rfc822-headers\n/, 'RET=HDRS: headers');
unlike($p[2], qr/the body/, 'without the body');
is_deeply(mail(to => ['<rcpt550@example.net> NOTIFY=NEVER', '<rcpt551@example.net> NOTIFY=DELAY,SUCCESS']), {}, 'nobody wanted one');
like(plain((mail(to => ['<bad@va.test>']))->{'me@example.net'}), qr/^<rcpt550\@example\.net> \(expanded from <bad\@va\.test>\): host/m, 'an alias');
is_deeply(mail(to => ['<rcpt550@example.net>'], from => ''), {}, 'mail from nobody is returned to nobody');
is_deeply(mail(to => ['<rcpt550@example.net>'], from => 'rcpt550x@example.net'), {}, 'a notice that fails makes no other');

# ---- successes
$by = mail(to => ['<ok@old.test> NOTIFY=SUCCESS,FAILURE'], wait => 1);
like(plain($by->{'me@example.net'}), qr/^Action: relayed$/m, 'a server that cannot report it: relayed');
is_deeply([keys %{mail(to => ['<ok@example.net> NOTIFY=SUCCESS'], wait => 1)}], ['ok@example.net'], 'one that can is asked to');
$by = mail(to => ['<two@va.test> NOTIFY=SUCCESS'], wait => 2);
like(plain($by->{'me@example.net'}), qr/^Action: expanded$/m, 'an alias with several members: expanded');

# ---- other languages
$by = mail(to => ['<rcpt550@example.net>'], text => "Subject: \xc3\xa9\r\n\r\nb\xc3\xa9", args => ' BODY=8BITMIME');
like(plain($by->{'me@example.net'}), qr/^Content-Type: message\/rfc822\nContent-Transfer-Encoding: 8bit\n/m, '8-bit');

# ---- postmaster's copies, and the last resort
serve("notify_classes = bounce, 2bounce\nbounce_notice_recipient = copy\@example.net\n2bounce_notice_recipient = last\@example.net\nbounce_size_limit = 40\n",
    allow => [qr/undeliverable postmaster notification discarded/]);
$by = mail(to => ['<rcpt550@example.net>'], text => "Subject: x\r\n\r\n" . 'long ' x 20);
is(join(' ', sort keys %$by), 'copy@example.net me@example.net', 'a copy for postmaster');
like(plain($by->{'copy@example.net'}), qr/^Subject: Postmaster Copy: Undelivered Mail$/m, 'says so');
unlike(plain($_), qr/long long/, 'bounce_size_limit: headers only') for values %$by;
$by = mail(to => ['<rcpt550@example.net>'], from => '');
is(join(' ', keys %$by), 'last@example.net', 'mail from nobody goes to the last resort');
like($by->{'last@example.net'}{mail}, qr/<double-bounce\@mx\.example\.com>/, 'from an address that is not answered');
$by = mail(to => ['<rcpt550@example.net>'], from => 'double-bounce@mx.example.com');
is_deeply($by, {}, 'and what is sent to that address ends there');

# ---- templates, old forms
serve("bounce_template_file = \@DIR\@/etc/t.cf\nheader_from_format = obsolete\n", files => { 't.cf' =>
    "failure_template = <<EOF\nCharset: utf-8\nFrom: \"Post\" <post>\nSubject: Sorry\n\nFrom \$myhostname, \${maximal_queue_lifetime_days} days, \$\$5\nEOF\n" });
$by = mail(to => ['<rcpt550@example.net>']);
like(plain($by->{'me@example.net'}), qr/^From: "Post" <post\@example\.com>\nSubject: Sorry$(?:.*\n)*^From mx\.example\.com, 5 days, \$5$/m, 'a template');
$by = mail(to => ['<ok@old.test> NOTIFY=SUCCESS'], wait => 1);
like(plain($by->{'me@example.net'}), qr/^From: MAILER-DAEMON\@example\.com \(Mail Delivery System\)$/m, 'a built-in one, obsolete From:');

# ---- late and too late
serve("smtpd_reject_unlisted_recipient = no\ndelay_warning_time = 1s\nminimal_backoff_time = 1s\nqueue_run_delay = 1s\nnotify_classes = delay\ndelay_notice_recipient = copy\@example.net\n", allow => [qr/zero result in delay template|please reduce time unit|instructions see/]);
$by = mail(to => ['<x@later.test>', '<y@later.test> NOTIFY=FAILURE'], stays => 1, wait => 2);
is(join(' ', sort keys %$by), 'copy@example.net me@example.net', 'a delay notice, and its copy');
my $t = plain($by->{'me@example.net'});
like($t, qr/^Subject: Delayed Mail \(still being retried\)$/m, 'subject');
like($t, qr/^Action: delayed\nStatus: 4\.0\.0\nDiagnostic-Code: X-Postrider; not now\nWill-Retry-Until: /m, 'status');
unlike($t, qr/y\@later/, 'about those only who wanted one');
my ($id) = map { $_->{queue_id} } $s->queue;
$s->tool('postsuper', '-e', $id);
$s->tool('postqueue', '-f');
ok($s->wait_log(qr/$id: from=<me\@example\.net>, status=force-expired, returned to sender/), 'then it is too late');
$s->wait_empty;
my @m = $sink->wait_mails($n + 1);
like(plain($m[-1]), qr/^<x\@later\.test>: not now\n(?:.*\n)*<y\@later\.test>: not now$/m, 'both are returned');
$s->finish;

# ---- a configuration that Postfix's bounce service would choke on
{
	my $t = server(start => 0, main => "bounce_template_file = \@DIR\@/etc/nosuch\n");
	my ($rc, $out, $err) = $t->tool('postrider', 'check');
	is($rc, 2, 'a template file that is not there');
	like("$out$err", qr/nosuch: No such file/, 'is named');
}
# ---- smtputf8_autodetect_classes: bounce; and what the ORCPT of a notice is
{
	my $utf8 = Postrider::Sink->new;
	my $me = "m\xc3\xa9\@utf8.test";
	for (['bounce', ' SMTPUTF8', 'ORCPT=utf-8;m\x{E9}@utf8.test'], ['verify', '', 'ORCPT=rfc822;m+C3+A9@utf8.test']) {
		my ($class, $says, $orcpt) = @$_;
		my $k = server(main => "relayhost = " . $utf8->where . "\nmydestination =\nsmtputf8_autodetect_classes = $class\n");
		my $have = $utf8->mails;
		like($k->client->send_mail(from => $me, to => 'rcpt550@x.test'), qr/^250/, "mail of an unusual sender, class $class");
		my $m = ($utf8->wait_mails($have + 1))[$have];
		like($m->{mail}, $says ? qr/ SMTPUTF8/ : qr/^(?!.* SMTPUTF8)/, 'its notice is one, too') or diag $m->{mail};
		like("@{$m->{rcpt}}", qr/\Q$orcpt\E/, 'ORCPT');
	}
}
done_testing;
