#!/usr/bin/perl
# notify_classes: postmaster gets transcripts of sessions that went wrong, of those kinds only, and of sane size.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
sub notices { my ($s, $n) = @_; return map { /^(.*?\n)\n(.*)/s; { head => $1, body => $2 } } $s->wait_mails($s->maildir . '/v.test/pm/', $n) }
sub serve
{
	my (%o) = @_;
	return server(%o, main => "virtual_mailbox_domains = v.test\nvirtual_mailbox_base = \@DIR\@/mail\nvirtual_mailbox_maps = inline:{pm\@v.test=v.test/pm/}\n" .
	    "virtual_uid_maps = static:" . ($> == 0 ? (getpwnam 'nobody')[2] : $>) . "\nvirtual_gid_maps = static:" . ($> == 0 ? (getpwnam 'nobody')[3] : (split ' ', $))[0]) . "\n" .
	    "virtual_minimum_uid = 1\nerror_notice_recipient = pm\@v.test\nbounce_notice_recipient = pm\@v.test\nrelayhost = " . $sink->where . "\n" .
	    "smtpd_relay_restrictions = permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\n$o{main}");
}

# ---- everything
{
	my $s = serve(main => "notify_classes = policy, protocol, resource, software, data, bounce\nsmtpd_recipient_restrictions = inline:{no\@x.test=reject}\n" .
	    "smtpd_sender_restrictions = check_sender_access inline:{bad\@x.test=REJECT}\n");
	my $c = $s->client;
	$c->ehlo;
	$c->cmd('MAIL FROM:<bad@x.test>');
	$c->cmd('RCPT TO:<a@b.test>');
	$c->cmd('QUIT');
	my ($n) = notices($s, 1);
	like($n->{head}, qr/^Received: by mx\.example\.com \(Postrider\)\n\tid [0-9A-F]+; .*\nDate: .*\nFrom: Mail Delivery System <MAILER-DAEMON\@mx\.example\.com>\nTo: Postmaster <pm\@v\.test>\nSubject: Postrider SMTP server: errors from unknown\[127\.0\.0\.1\]\nMessage-Id: <.*>\n\z/m, 'header');
	like($n->{head}, qr/^Return-Path: <double-bounce\@mx\.example\.com>$/m, 'from the double-bounce address');
	like($n->{body}, qr/^Transcript of session follows\.\n\n Out: 220 mx\.example\.com ESMTP Postrider\n In:  EHLO client\.example\.net\n(?: Out: 250.*\n)+ In:  MAIL FROM:<bad\@x\.test>\n Out: 250 2\.1\.0 Ok\n In:  RCPT TO:<a\@b\.test>\n Out: 554 5\.7\.1 <bad\@x\.test>: Sender address rejected: Access denied\n In:  QUIT\n Out: 221 2\.0\.0 Bye\n\n\nFor other details, see the local mail logfile\n\z/, 'all that was said');

	$c = $s->client;
	$c->raw("BOO" . "\xff\x01" . " word" x 40 . "\r\n");
	$c->reply;
	undef $c;
	my @n = notices($s, 2);
	my ($m) = grep { $_->{body} =~ /BOO/ } @n;
	like($m->{body}, qr/\n In:  BOO\?\?(?: word)+\n(?:     word(?: word)*\n)+ Out: 500 5\.5\.2 Error: bad UTF-8 syntax\n\nSession aborted, reason: lost connection\n\nFor other/, 'odd bytes, long lines, why it ended') or diag $m->{body};
	ok(!(grep { length > 90 } split /\n/, $m->{body}), 'wrapped');

	# a very long session: bounded, and still a notice
	$c = $s->client;
	$c->raw("BOO" . 'x' x 1000 . "\r\nRSET\r\n" x 50);
	$c->reply for 1 .. 38;		# the hard error limit
	undef $c;
	@n = notices($s, 3);
	cmp_ok((sort { $b <=> $a } map { length $_->{body} } @n)[0], '<', 40000, 'bounded');

	# nothing wrong, no notice; nor for errors while a notice is delivered
	$s->client->send_mail(from => 'double-bounce@mx.example.com', to => 'rcpt500@r.test');
	$s->client->send_mail(to => 'fine@r.test');
	ok($s->wait_log(qr/undeliverable postmaster notification discarded/), 'a notice about a notice: none');
	push @{$s->{allow}}, qr/undeliverable postmaster notification discarded/;
	$s->client->send_mail(from => 'null@r.test', to => ['rcpt500@r.test', 'ok@r.test']);
	@n = notices($s, 5);		# the client's, and a copy of the bounce
	($m) = grep { $_->{head} =~ /SMTP client/ } @n;
	like($m->{head}, qr/^Subject: Postrider SMTP client: errors from 127\.0\.0\.1\[127\.0\.0\.1\]:$sink->{port}$/m, 'the client tells, too');
	like($m->{body}, qr/^Unexpected response from .*\n\nTranscript of session follows\.\n\n In:  220 .*\n Out: EHLO mx\.example\.com\n(?: In:  250.*\n)+ Out: MAIL FROM:<null\@r\.test>.*\n Out: RCPT TO:.*\n Out: RCPT TO:.*\n Out: DATA\n(?:.*\n)* In:  500 (?:.*\n)*\nFor other details, see the local mail logfile\n\z/, 'its transcript');
	ok($s->wait_empty, 'all delivered');
	is(scalar(notices($s, 5)), 5, 'and no more');
}

# ---- the default: resources and software only
{
	my $s = serve(main => "smtpd_sender_restrictions = no_such_rule\n", allow => [qr{no_such_rule|unknown smtpd restriction}]);
	my $c = $s->client;
	$c->cmd('BOO') for 1 .. 3;
	$c->cmd('QUIT');
	$c = $s->client;
	like($c->send_mail(to => 'u@r.test'), qr/^451/, 'software');
	$c->cmd('QUIT');
	my ($n) = notices($s, 1);
	unlike($n->{body}, qr/BOO/, 'protocol errors are not told');
	like($n->{body}, qr/ Out: 451 4\.3/, 'what the software did is') or diag $n->{body};
	ok($s->wait_empty, 'delivered');
	is(scalar(notices($s, 1)), 1, 'one notice');
}

done_testing;
