#!/usr/bin/perl
# Log readers made for Postfix understand the log: pflogsumm counts received, delivered, deferred, bounced and
# rejected messages, and pairs sessions.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;

plan skip_all => 'pflogsumm is not installed' unless have('pflogsumm');
my $sink = Postrider::Sink->new;
my $s = server(main => "relayhost = $sink->{dir}\n", start => 0);
$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") =~ s/^relayhost.*\n/relayhost = [127.0.0.1]:$sink->{port}\nsmtpd_relay_restrictions = permit_mynetworks reject\nmynetworks = 127.0.0.1\n/mr);
$s->start;
my $c = $s->client;
$c->send_mail(from => 'a@example.net', to => "ok$_\@example.org") for 1 .. 5;
$c->send_mail(from => '', to => "rcpt450\@example.org") for 1 .. 2;
$c->send_mail(from => '', to => "rcpt550\@example.org") for 1 .. 3;
my $r = Postrider::Client->new(port => $s->{port}, from => '127.0.0.2');
$r->ehlo;
$r->cmd('MAIL FROM:<x@example.net>');
like($r->cmd("RCPT TO:<y$_\@example.org>"), qr/^554 5\.7\.1/, 'relaying refused') for 1 .. 4;
$r->quit;
$c->quit;
$sink->wait_mails(5);
ok(wait_for('log', 10, sub { my $l = $s->log; (() = $l =~ /status=bounced/g) == 3 && (() = $l =~ /status=deferred/g) == 2 && (() = $l =~ /disconnect from/g) >= 2 }), 'all is logged');
$s->finish;
my ($rc, $out) = run_cmd(['pflogsumm', '--smtpd_stats', "$s->{dir}/log"]);
is($rc, 0, 'pflogsumm reads the log');
my %got = map { /^\s*(\d+)\s+(received|delivered|deferred|bounced|rejected)\b/ ? ($2, $1) : () } split /\n/, $out;
is($got{received}, 10, 'received');
is($got{delivered}, 5, 'delivered');
is($got{deferred}, 2, 'deferred');
is($got{bounced}, 3, 'bounced');
is($got{rejected}, 4, 'rejected');
like($out, qr{^\s+1\s+0:00:\d\d\s+\d+s\s+\d+s\s+127\.0\.0\.2$}m, '--smtpd_stats pairs the sessions') or diag $out;
done_testing();
