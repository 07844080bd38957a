#!/usr/bin/perl
# Tables that ask a server on the loop, socketmap: and tcp:, as a client of the mail server sees them: answers, errors,
# servers that are gone, come back, hang, or say too much.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use Test::More;
use Postrider;
use Postrider::Asked;

sub ns { return Postrider::Asked::netstring($_[0]) }
my $dir = Postrider::Asked->new(kind => 'socketmap', down => 1)->{dir};
my $sm = Postrider::Asked->new(kind => 'socketmap', replies => { 'one@sm.test' => ns('OK x@remote.test'), 'temp@sm.test' => ns('TEMP later'), 'perm@sm.test' => ns('PERM broken'), 'hang@sm.test' => undef,
	'big@sm.test' => '999999999:x', 'junk@sm.test' => "220 hello\r\n", 'close@sm.test' => '', 'late@sm.test' => ns('OK y@remote.test'), 'flush.test' => ns('OK yes'),
	(map { $_ => ns('OK EHLO client.test') } 'HALLO client.test', 'hallo client.test'), xnothing => ns('OK yes') });
my $tcp = Postrider::Asked->new(kind => 'tcp', replies => { 'one@tcp.test' => "200 x\@remote.test\n", 'temp@tcp.test' => "400 later\n", 'odd@tcp.test' => "999 what\n", 'a%20b@tcp.test' => "200 x\@remote%2Etest\n", 'hang@tcp.test' => undef, xbad => "200 yes\n" });
my $s = server(main => <<EOT);
mydestination =
virtual_alias_domains = sm.test, tcp.test, un.test
virtual_alias_maps = socketmap:inet:127.0.0.1:$sm->{port}:aliases, tcp:localhost:$tcp->{port}
smtpd_recipient_restrictions = permit_mynetworks, reject
default_transport = discard
fast_flush_domains = socketmap:inet:127.0.0.1:$sm->{port}:flush
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_error_sleep_time = 0
EOT
$s->{allow} = [qr/lookup error/, qr/reject: ETRN/, qr/socketmap server/, qr/TCP map/, qr/connect to/];
my $c = $s->client;
$c->cmd('EHLO client.test');
$c->cmd('MAIL FROM:<a@example.net>');
sub rcpt { my ($local, $want, $what) = @_; like($c->cmd("RCPT TO:<$local>"), $want, $what) }
my $later = qr/^451 4\.3\.0 <[^>]*>: Temporary lookup failure/;
rcpt('one@sm.test', qr/^250/, 'socketmap: found');
rcpt('two@sm.test', qr/^550 5\.1\.1/, 'not found');
rcpt("$_\@sm.test", $later, $_) for qw(temp perm big junk close);
rcpt('one@sm.test', qr/^250/, 'and still');
rcpt('one@tcp.test', qr/^250/, 'tcp: found');
rcpt('"a b"@tcp.test', qr/^250/, 'in its encoding');
rcpt('two@tcp.test', qr/^550 5\.1\.1/, 'not found');
rcpt("$_\@tcp.test", $later, $_) for qw(temp odd);
# ---- which sites may be flushed
{
	my $e = $s->client;
	$e->cmd('EHLO client.test');
	is($e->cmd('ETRN flush.test'), '250 Queuing started', 'ETRN waits for what fast_flush_domains says');
	is($e->cmd('ETRN other.test'), '459 <other.test>: service unavailable', 'other sites are refused');
	is(($s->tool('postqueue', '-s', 'flush.test'))[0], 0, 'postqueue -s waits, too');
	my ($rc, undef, $err) = $s->tool('postqueue', '-s', 'other.test');
	is("$rc $err", qq{69 postqueue: fatal: Flush service is not configured for destination "other.test"\n}, 'and is refused for others');
}
# ---- footers of refusals
{
	my %foot = ('500 5.5.2 Error: command not recognized' => ns('OK ask $helo_name\nor $server_name'), '503 5.5.1 Error: need RCPT command' => ns('OK \c, please'),
		'421 4.7.0 mx.example.com Error: too many errors' => ns('OK bye'), '501 Syntax: EHLO hostname' => '', '501 Syntax: HELO hostname' => undef);
	my $feet = Postrider::Asked->new(kind => 'socketmap', replies => \%foot);
	my $conf = "myhostname = mx.example.com\nsmtpd_reject_footer_maps = socketmap:inet:127.0.0.1:$feet->{port}:feet\nsmtpd_reject_footer = default\n";
	my $f = server(main => "${conf}smtpd_error_sleep_time = 0\n", allow => [qr/lookup error/, qr/socketmap server/]);
	my $e = $f->client;
	like($e->ehlo('me'), qr/^250-/, 'EHLO');
	is_deeply([$e->pipeline('FOO', 'RSET', 'FOO', 'RSET')], [map { $_, '250 2.0.0 Ok' } ("500-5.5.2 Error: command not recognized\n500-5.5.2 ask me\n500 5.5.2 or mx.example.com") x 2],
		'smtpd_reject_footer_maps may ask a server; replies keep their order');
	is($e->cmd('DATA'), '503 5.5.1 Error: need RCPT command, please', 'continued on the line');
	is($e->cmd('RCPT'), "503-5.5.1 Error: need MAIL command\n503 5.5.1 default", 'smtpd_reject_footer for what the table does not have');
	is($e->cmd("EHLO"), "501-Syntax: EHLO hostname\n501 default", "and while it does not answer");
	$e->raw("HELO\r\nQUIT\r\n");	# the client goes, the server stops while the table is silent
	$e->close;
	$f = server(main => "${conf}smtpd_error_sleep_time = 1s\nsmtpd_soft_error_limit = 2\nsmtpd_hard_error_limit = 3\n");
	$e = $f->client;
	$e->ehlo('me');
	like($e->cmd('FOO'), qr/^500-.*\n500-5\.5\.2 ask me\n/, "error $_") for 1, 2;
	is($e->cmd('DATA'), '503 5.5.1 Error: need RCPT command, please', 'a reply that is held back has its footer, too');
	is($e->reply, "421-4.7.0 mx.example.com Error: too many errors\n421 4.7.0 bye", 'the last words as well');
	ok($e->eof, 'and the end');
	$f = server(test_clock => 1, main => "${conf}smtpd_timeout = 20s\n", allow => [qr/lookup error/]);
	$e = $f->client;
	$e->ehlo('me');
	$e->raw("HELO\r\n");
	for (1 .. 30) { last if IO::Select->new($e->{s})->can_read(0.1); $f->advance(10) }
	is($e->reply, "501-Syntax: HELO hostname\n501 default", 'a table that says nothing is waited for');
	is($e->cmd('NOOP'), '250 2.0.0 Ok', 'the time that took is not the client\'s');
}
# ---- what stands before a command
{
	my $map = "socketmap:inet:127.0.0.1:$sm->{port}";
	my $f = server(main => "default_transport = discard\nsmtpd_command_filter = $map:filter\nsmtpd_noop_commands = $map:noop\nsmtpd_forbidden_commands = tcp:localhost:$tcp->{port}\n",
		allow => [qr/non-SMTP command/]);
	my $e = $f->client;
	like($e->cmd('HALLO client.test'), qr/^250-/, 'smtpd_command_filter waits');
	is($e->cmd('XNOTHING x'), '250 2.0.0 Ok', 'smtpd_noop_commands, too');
	is($e->cmd('XOTHER'), '500 5.5.2 Error: command not recognized', 'what they do not name is as ever');
	$e->raw("MAIL FROM:<a\@example.net>\r\nRCPT TO:<b\@remote.test>\r\nRSET\r\n");
	like($e->line, $_, 'several commands at once, in their order') for qr/^250 2\.1\.0/, qr/^250 2\.1\.5/, qr/^250 2\.0\.0/;
	like($e->cmd('XBAD'), qr/^221 2\.7\.0 /, 'and smtpd_forbidden_commands');
	$f->finish;
}
wait_for("log", 10, sub { $s->log =~ /bad status code/ });
my $log = $s->log;
like($log, qr/smtpd\[\d+\]: warning: socketmap:inet:127\.0\.0\.1:\d+:aliases socketmap server temporary error: later\n/, 'the reason is logged');
like($log, qr/warning: table socketmap:\S+ lookup error: input exceeds size limit\n/, 'size limit');
like($log, qr/warning: table socketmap:\S+ lookup error: input format error\n/, 'format');
like($log, qr/warning: table socketmap:\S+ lookup error: unexpected disconnect\n/, 'disconnect');
like($log, qr/warning: read TCP map reply from localhost:\d+: bad status code: 999 what\n/, 'status');
my $connects = () = $sm->log =~ /^connect$/mg;
ok($connects <= 8, "connections are used again ($connects)");

# ---- one that hangs is no one else's trouble
my $h = $s->client;
$h->cmd('EHLO client.test');
$h->cmd('MAIL FROM:<a@example.net>');
$h->raw("RCPT TO:<hang\@sm.test>\r\n");
my $h2 = $s->client;
$h2->cmd('EHLO client.test');
$h2->cmd('MAIL FROM:<a@example.net>');
$h2->raw("RCPT TO:<hang\@tcp.test>\r\n");
ok(wait_for('both asked', 10, sub { $sm->log =~ /hang\@sm/ && $tcp->log =~ /hang\@tcp/ }), 'two look-ups hang');
rcpt('one@sm.test', qr/^250/, 'others go on') for 1 .. 20;
rcpt('one@tcp.test', qr/^250/, 'here, too') for 1 .. 20;
undef $h;
undef $h2;

# ---- away and back
$sm->stop;
rcpt('late@sm.test', $later, 'the server is down');
ok(wait_for("log", 10, sub { $s->log =~ /warning: connect to 127\.0\.0\.1:\d+: Connection refused\n.*warning: table socketmap:\S+ lookup error: Connection refused\n/ }), "as the log says");
$sm->start;
rcpt('late@sm.test', qr/^250/, 'and up again');

# ---- memcache: with and without what stands behind it
my $mc = Postrider::Asked->new(kind => 'memcache', replies => { 'p:one' => "VALUE p:one 0 3\r\nyes\r\nEND\r\n", 'p:odd' => "SERVER_ERROR no\r\n", 'p:quiet' => undef });
spew("$dir/mc.cf", "memcache = inet:127.0.0.1:$mc->{port}\nkey_format = p:%s\nttl = 77\ntimeout = 1\nmax_try = 1\n", 0644);
spew("$dir/mcb.cf", "memcache = inet:127.0.0.1:$mc->{port}\nkey_format = p:%s\nttl = 77\ntimeout = 1\nmax_try = 1\nbackup = inline:{two=behind,odd=behind}\n", 0644);
sub tool_is { my ($what, $args, $want) = @_; my ($r, $o, $e) = $s->tool('postmap', @$args); $e =~ s/\Q$dir\E\///g; is("$r $o$e", $want, $what) }
tool_is('memcache', ['-q', 'one', "memcache:$dir/mc.cf"], "0 yes\n");
tool_is('not there', ['-q', 'two', "memcache:$dir/mc.cf"], "1 ");
tool_is('no key for it', ['-q', 'a b', "memcache:$dir/mc.cf"], "1 ");
tool_is('an error', ['-q', 'odd', "memcache:$dir/mc.cf"], "1 postmap: fatal: table memcache:mc.cf: query error: Operation now in progress\n");
tool_is('no answer', ['-q', 'quiet', "memcache:$dir/mc.cf"], "1 postmap: fatal: table memcache:mc.cf: query error: Connection timed out\n");
tool_is('what is behind it', ['-q', 'two', "memcache:$dir/mcb.cf"], "0 behind\n");
like($mc->log, qr/^set p:two 0 77 6\nbehind$/m, 'is kept');
tool_is('for an error, too', ['-q', 'odd', "memcache:$dir/mcb.cf"], "0 behind\n");
tool_is('nowhere', ['-q', 'three', "memcache:$dir/mcb.cf"], "1 ");
tool_is('its list is that of the backup', ['-s', "memcache:$dir/mcb.cf"], "0 odd\tbehind\ntwo\tbehind\n");

# ---- postmap, a UNIX socket
my $un = Postrider::Asked->new(kind => 'socketmap', path => "$dir/sock", replies => { k => ns('OK v'), hang => undef });
my ($rc, $out, $err) = $s->tool('postmap', '-q', '-', "socketmap:unix:$dir/sock:m", { stdin => "k\nx\nk\n" });
is("$rc$out$err", "0k\tv\nk\tv\n", 'postmap, UNIX socket');
is($un->log, "connect\nm k\nm x\nm k\n", 'one connection');
($rc, $out, $err) = $s->tool('postmap', '-q', 'k', 'socketmap:foo');
is("$rc$err", "1postmap: fatal: socketmap requires server:socketmap argument\n", 'a bad name');
$s->finish;
done_testing();
