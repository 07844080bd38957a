#!/usr/bin/perl
# flags=DORX of smtp and lmtp lines in master.cf: headers before all others, loops, wrong letters.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $hop = $sink->where;
my $s = server(
	main => "mydestination =\nrelay_domains = static:all\nfull_destination_recipient_limit = 1\ntransport_maps = inline:{\n"
	    . " { full.test = full:$hop } { many.test = many:$hop } { path.test = path:$hop } { bad.test = bad:$hop } { gen.test = gen:$hop } }\n"
	    . "virtual_alias_maps = inline:{ alias\@here.test=user+x\@full.test, orig\@gen.test=u\@gen.test, lost\@gen.test=fine\@gen.test }\n"
	    . "gen_destination_recipient_limit = 1\n",
	master => "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n"
	    . "full unix - - n - - smtp flags=DORX\nmany unix - - n - - smtp flags=O\npath unix - - n - - smtp -v flags=R\nbad unix - - n - - smtp flags=DQ\n"
	    . "gen unix - - n - - smtp\n -o { smtp_generic_maps = inline:{ s\@a.test=sgen\@public.test, orig\@gen.test=ogen\@public.test, u\@gen.test=gen\@public.test, fine\@gen.test=fine\@public.test,\n"
	    . " a\@here.test=a\@public.test }, fail:lost }\n flags=DOR\n",
	allow => [qr/flag `O' requires|unknown flags=DQ|fail:lost|smtp_generic_maps map lookup problem/]);
my $c = $s->client;
my $text = "From: a\@here.test\nSubject: x\n\nb\n";
like($c->send_mail(from => 'a@here.test', to => 'alias@here.test', text => $text), qr/^250/, 'a recipient with an alias');
my ($m) = $sink->wait_mails(1);
like($m->{text}, qr/\AReturn-Path: <a\@here\.test>\r\nX-Original-To: alias\@here\.test\r\nDelivered-To: user\+x\@full\.test\r\nReceived: /,
    'the three headers come first');
like($c->send_mail(from => '', to => ['u@path.test', 'v@path.test'], text => $text), qr/^250/, 'two recipients, flags=R');
($m) = grep { !/full/ } map { $_->{text} } $sink->wait_mails(2);
like($m, qr/\AReturn-Path: <>\r\nReceived: /, 'Return-Path alone works with several');

# ---- smtp_generic_maps: the envelope's addresses are not for the outside in these headers either
like($c->send_mail(from => 's@a.test', to => 'orig@gen.test', text => $text), qr/^250/, 'names for the outside');
($m) = grep { $_->{mail} =~ /public/ } $sink->wait_mails(3);
like($m->{text}, qr/\AReturn-Path: <sgen\@public\.test>\r\nX-Original-To: ogen\@public\.test\r\nDelivered-To: gen\@public\.test\r\nReceived: /, 'in all three headers') or diag $s->log;
is("$m->{mail} @{$m->{rcpt}}" =~ s/[^<]*(<.*?>)[^<]*/$1/gr, '<sgen@public.test><gen@public.test>', 'as in the envelope');
like($c->send_mail(from => '', to => 'lost@gen.test', text => $text), qr/^250/, 'no table for the original');
ok($s->wait_log(qr/to=<fine\@gen\.test>, .*dsn=4\.3\.0, status=deferred \(smtp_generic_maps map lookup problem for lost\@gen\.test\)/), 'it does not go out') or diag $s->log;

like($c->send_mail(from => '', to => 'User+X@full.test', text => "Delivered-To:  user+x\@FULL.test\n$text"), qr/^250/, 'it was here before');
ok($s->wait_log(qr/smtp\[\d+\]: \w+: to=<User\+X\@full\.test>, relay=full, delay=\S+ delays=\S+ dsn=5\.4\.6, status=bounced \(mail forwarding loop for User\+X\@full\.test\)/),
    'a loop') or diag $s->log;
like($c->send_mail(from => '', to => ['u@many.test', 'v@many.test'], text => $text), qr/^250/, 'two recipients, flags=O');
ok($s->wait_log(qr/to=<$_\@many\.test>, relay=many, .*dsn=4\.3\.5, status=deferred \(mail system configuration error\)/), "$_ is deferred") or diag $s->log for qw(u v);
ok($s->wait_log(qr/warning: flag `O' requires many_destination_recipient_limit = 1/), 'and it is said why') or diag $s->log;
like($c->send_mail(from => '', to => 'u@bad.test', text => $text), qr/^250/, 'an unknown letter');
ok($s->wait_log(qr/fatal: unknown flags=DQ value "Q" in "DQ"/), 'is named') or diag $s->log;
ok($s->wait_log(qr/to=<u\@bad\.test>, .*dsn=4\.3\.0, status=deferred \(unknown mail transport error\)/), 'and the mail deferred') or diag $s->log;
my ($rc, $out, $err) = $s->tool('postrider', 'check');
isnt($rc, 0, 'check complains');
like($out . ($err // ''), qr/service "bad": unknown flags=DQ value "Q" in "DQ"/, 'with the service');
$s->finish;
$sink->stop;
done_testing();
