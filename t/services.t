#!/usr/bin/perl
# Lines of master.cf: several smtpd services with options of their own, forms of addresses, process limits, stress,
# and what a reload makes of changed options.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use IO::Select;
use IO::Socket::INET;
use Postrider;
use Postrider::Client;

my $unix = "smtp unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n";
# All types and columns; what is part of the one process, or not for here, is accepted.
my $known = "pickup unix n - n 60 1 pickup\npickup2 fifo n - n 60? 1 pickup\npostlog unix-dgram n - n - 1 postlogd\nsmtpd pass - - n - - smtpd\n" .
    "qmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\n";
my $s = server(main => "default_transport = discard:\nknown_tcp_ports = odd=even=\@PORT6\@\nbase_banner = \$myhostname from main\n" .
    "smtpd_banner = \$base_banner\n", master => "# comment\n\@PORT\@ inet n - n - - smtpd\n" .
    "127.0.0.1:\@PORT2\@ inet n - n - - smtpd -v -o smtpd_banner=two -o smtpd_helo_required=yes\n" .
    "localhost:\@PORT3\@ inet n - n - 0 smtpd\n  # inside\n  -o { smtpd_banner = \$base_banner and { braces } }\n" .
    "  -o {base_banner=three \${x?{set}:{unset}}} -o x=y\n" .
    "127.0.0.1:\@PORT4\@ inet n - n - 2 smtpd -o smtpd_banner=four\n127.0.0.1:\@PORT5\@ inet n - n - 10 smtpd\n  -o smtpd_banner=\${stress?{stressed}:{calm}}\n" .
    "127.0.0.1:even inet n - n - - smtpd -o smtpd_banner=six\n$unix$known", allow => [qr/overriding|duplicate/]);

sub greeting { my ($n) = @_; my $c = eval { Postrider::Client->new(port => $s->port($n), limit => 5) }; return $c ? $c->{greeting} : 'refused' }
is(greeting(), '220 mx.example.com from main', 'a service without options');
is(greeting(2), '220 two', '-o name=value');
is(greeting(3), '220 three set and { braces }', '-o { name = value }, with names of its own; localhost:port');
is(greeting(6), '220 six', 'a port by its known name');
{
	my ($one, $two) = map { Postrider::Client->new(port => $s->port($_)) } undef, 2;
	like($one->cmd('MAIL FROM:<a@example.net>'), qr/^250/, 'helo is not required here');
	like($two->cmd('MAIL FROM:<a@example.net>'), qr/^503 5\.5\.1 Error: send HELO\/EHLO first/, 'but there');
}

# ---- a process limit that is written bounds sessions: who comes later waits
{
	my @c = map { Postrider::Client->new(port => $s->port(4)) } 1 .. 2;
	is($c[1]{greeting}, '220 four', 'as many sessions as the limit says');
	my $third = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port(4)) or die "$!";
	ok(!IO::Select->new($third)->can_read(0.3), 'the next one waits in the backlog');
	is(greeting(2), '220 two', 'other services do not mind');
	$c[0]->quit;
	ok(IO::Select->new($third)->can_read(10), 'until one ends');
	is(scalar(<$third>), "220 four\r\n", 'then it is served');
}
# ---- the default limit does not
{
	my @c = map { Postrider::Client->new(port => $s->port, greet => 0) } 1 .. 120;
	is(scalar(grep { $_->reply =~ /^(?:220|421 4\.7\.0)/ } @c), 120, 'more sessions than default_process_limit are answered at once');
	$_->close for @c;
	push @{$s->{allow}}, qr/Connection concurrency limit exceeded/;
}
# ---- stress from 80 % on
{
	my @c = map { Postrider::Client->new(port => $s->port(5)) } 1 .. 10;
	is($c[0]{greeting}, '220 calm', 'a quiet service');
	is($c[6]{greeting}, '220 calm', 'below 80 % of its limit');
	is($c[9]{greeting}, '220 stressed', 'above');
	$_->quit for @c[0 .. 5];
	ok(wait_for('calm', 10, sub { greeting(5) eq '220 calm' }), 'and calm again');
}

# ---- a reload: other options for new sessions, services that are turned off
{
	my $old = Postrider::Client->new(port => $s->port(2));
	my $master = slurp("$s->{conf}/master.cf");
	(my $new = $master) =~ s/-o smtpd_banner=two -o smtpd_helo_required=yes/-o smtpd_banner=changed/;
	$s->write_conf('master.cf', $new);
	is(($s->tool('postrider', 'reload'))[0], 0, 'reload');
	is(greeting(2), '220 changed', 'new options for new sessions');
	like(Postrider::Client->new(port => $s->port(2))->cmd('MAIL FROM:<a@example.net>'), qr/^250/, 'all of them');
	like($old->cmd('MAIL FROM:<a@example.net>'), qr/^503/, 'the old ones for who began with them');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "master_service_disable = 127.0.0.1:@{[$s->port(2)]}/inet, localhost:@{[$s->port(3)]}/inet\n");
	is(($s->tool('postrider', 'reload'))[0], 0, 'reload');
	is(greeting(2), 'refused', 'a service that is disabled does not listen');
	is(greeting(3), 'refused', 'nor does the other');
	is(greeting(4), '220 four', 'the rest does');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "default_process_limit = 3\nmaster_service_disable =\n");
	is(($s->tool('postrider', 'reload'))[0], 0, 'reload');
	my @c = map { Postrider::Client->new(port => $s->port(2)) } 1 .. 3;
	my $fourth = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $s->port(2)) or die "$!";
	ok(!IO::Select->new($fourth)->can_read(0.3), 'a default_process_limit that is written bounds sessions');
	$c[0]->quit;
	ok(IO::Select->new($fourth)->can_read(10), 'and lets the next in when one ends');
	is(greeting(3), '220 three set and { braces }', 'process limit 0 is none');
}
$s->finish;

# ---- the total: polite
{
	my $t = server(main => "default_transport = discard:\npostrider_session_limit = 5\nsmtpd_client_connection_count_limit = 0\n" .
	    "smtpd_banner = \${stress?{stressed}:{calm}}\n", allow => [qr/session limit|too many/i]);
	my @c = map { $t->client } 1 .. 5;
	is($c[0]{greeting}, '220 calm', 'the first of five');
	is($c[4]{greeting}, '220 stressed', 'the fifth');
	like($t->client->{greeting}, qr/^421 4\.\d\.\d /, 'the sixth is told to come back');
	$_->quit for @c;
	like($t->client->{greeting}, qr/^220/, 'and is served later');
	$t->finish;
}

# ---- IPv6
SKIP: {
	require IO::Socket::IP;
	my $works = IO::Socket::IP->new(LocalHost => '::1', Listen => 1);
	skip 'no IPv6 here', 2 unless $works;
	my $t = server(main => "inet_protocols = all\ndefault_transport = discard:\n", master => "\@PORT\@ inet n - n - - smtpd\n[::1]:\@PORT2\@ inet n - n - - smtpd -o smtpd_banner=six\n$unix");
	my $c = IO::Socket::IP->new(PeerHost => '::1', PeerPort => $t->port(2), Timeout => 5);
	is($c ? scalar(<$c>) : "$!", "220 six\r\n", '[::1]:port');
	$t->finish;
}
done_testing();
