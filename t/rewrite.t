#!/usr/bin/perl
# Addresses on their way through: what goes out under which name, in envelope and headers.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $s = server(
	main => "relayhost = [127.0.0.1]:$sink->{port}\nrecipient_delimiter = +\nmyorigin = /etc-is-not-here\n" .
	    "smtp_generic_maps = texthash:\@DIR\@/etc/generic\npropagate_unmatched_extensions = generic\n" .
	    "transport_maps = inline:{ fail.test=broken:[127.0.0.1]:$sink->{port}, plain.test=plain:[127.0.0.1]:$sink->{port} }\n" .
	    "header_address_token_limit = 12\nsender_dependent_relayhost_maps = inline:{ dunno\@example.com=DUNNO }\n",
	master => "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n" .
	    "broken unix - - n - - smtp\n -o smtp_generic_maps=fail:generic\nplain unix - - n - - smtp\n -o smtp_generic_maps=\n",
	files => { generic => "me\@home.test out\@isp.test\n\@home.test \@home.isp.test\nnobody\@x.test <>\n" },
	start => 0,
);
$s->write_conf('origin', "origin.test\nsecond line\n");
$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") =~ s{/etc-is-not-here}{$s->{conf}/origin}r);
$s->start;

sub mail
{
	my ($n, $from, $to, $text) = @_;
	my $c = $s->client;
	like($c->send_mail(from => $from, to => $to, text => $text // "Subject: x\n\nx\n"), qr/^250/, "$from to $to");
	my @m = $sink->wait_mails($n);
	(my $got = $m[-1]{text}) =~ s/\r//g;
	return ($m[-1]{mail}, join(' ', @{$m[-1]{rcpt}}), $got);
}

my ($from, $to, $text) = mail(1, 'me+x@home.test', 'you@home.test',
    "From: Me <me\@home.test>\nTo: you\@home.test,\n\tother\@far.test (comment), me+y\@home.test\nX-To: me\@home.test\nSubject: me\@home.test\n" .
    "Received: for me\@home.test\n\nTo: me\@home.test\n");
like($from, qr/<out\+x\@isp\.test>/, 'the sender goes out under another name, with its extension');
like($to, qr/<you\@home\.isp\.test>/, 'a recipient by the rule for its domain');
like($text, qr/^From: Me <out\@isp\.test>\nTo: you\@home\.isp\.test, other\@far\.test \(comment\), out\+y\@isp\.test\n/m, 'header addresses');
like($text, qr/^X-To: me\@home\.test\nSubject: me\@home\.test\nReceived: for me\@home\.test\n(?:Message-Id|Date): .*\n(?:Message-Id|Date): .*\n\nTo: me\@home\.test\n/m, 'other headers and the body stay');
ok($s->wait_log(qr/to=<you\@home\.test>, relay/), 'the log has the name it came under');

($from, $to, $text) = mail(2, 'nobody@x.test', 'a@far.test');
like($from, qr/FROM:<>/, 'an address that becomes the null address');
($from, $to) = mail(3, 'me@home.test', 'a@plain.test');
like($from, qr/<me\@home\.test>/, 'a service without the map');

my $c = $s->client;
$c->send_mail(from => 'a@b.test', to => 'x@fail.test', text => "Subject: x\n\nx\n");
ok($s->wait_log(qr/to=<x\@fail\.test>.*dsn=4\.3\.0, status=deferred \(smtp_generic_maps map lookup problem for a\@b\.test\)/), 'a table that fails defers');
$s->{allow} = [qr/generic/];

# ---- sendmail: one address after -f; ORCPT in standard form
my ($rc, $out, $err) = $s->tool('sendmail', '-f', 'Who (what) <who>, else', 'bare', { stdin => "Subject: x\n\nx\n" });
is($rc, 0, 'sendmail');
like($err, qr/warning: -f option specified malformed sender: Who \(what\) <who>, else/, 'two senders are one too many');
my @m = $sink->wait_mails(4);
like($m[-1]{mail}, qr/<who\@origin\.test>/, 'the first counts, and myorigin is the first line of a file');
like($m[-1]{rcpt}[0], qr/<bare\@origin\.test> ORCPT=rfc822;bare\@origin\.test/, 'ORCPT in standard form');
ok($s->wait_log(qr/to=<bare\@origin\.test>, orig_to=<bare>/), 'the log tells both');
$s->tool('sendmail', '-f', 'mailer-daemon', 'bare', { stdin => "Subject: x\n\nx\n" });
@m = $sink->wait_mails(5);
like($m[-1]{mail}, qr/FROM:<>/, 'MAILER-DAEMON is the null sender');
like($m[-1]{text}, qr/^From: MAILER-DAEMON\r$/m, 'without a full name');

# ---- DUNNO leaves relayhost in force
(undef, $to) = mail(6, 'dunno@example.com', 'a@far.test');
like($to, qr/<a\@far\.test>/, 'DUNNO in sender_dependent_relayhost_maps means relayhost');
done_testing;
