#!/usr/bin/perl
# The less usual commands and limits, spoken byte by byte: ETRN, VRFY, BDAT, XCLIENT, XFORWARD, what is passed on, what is refused.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP ();
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $away = Postrider::Sink->new(down => 1);	# the relay domain's host, not there yet
my $plain = Postrider::Sink->new(ehlo => 0);	# knows HELO only
my $s = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nrelay_domains = relay.test\nrelay_recipient_maps =\n" .
    "transport_maps = inline:{ {relay.test = smtp:[127.0.0.1]:$away->{port}}, {plain.test = smtp:[127.0.0.1]:$plain->{port}} }\n" .
    "smtpd_authorized_xclient_hosts = 127.0.0.1\nsmtpd_authorized_xforward_hosts = 127.0.0.1\nsmtpd_client_event_limit_exceptions =\n" .
    "smtpd_client_connection_count_limit = 3\nsmtpd_error_sleep_time = 0\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
    master => "\@PORT\@ inet n - n - - smtpd\n" .
    "\@PORT2\@ inet n - n - - smtpd\n  -o disable_vrfy_command=yes -o smtpd_banner=other.example.com\n  -o strict_smtputf8=yes -o message_size_limit=1000 -o smtpd_forbidden_commands=XFOO\n" .
    "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n",
    allow => [qr/reject: ETRN|non-SMTP command|Connection concurrency limit exceeded|null BDAT request|exceeds message size limit/]);
my $n = 0;
sub other { return Postrider::Client->new(port => $s->port(2), @_) }
sub outsider { return $s->client(from => '127.0.0.2', @_) }
sub session { my ($c, @say) = @_; while (my ($cmd, $rx) = splice @say, 0, 2) { like($c->cmd($cmd), $rx, $cmd =~ s{\r\n.*}{ ...}sr) } return $c }

# ---- ETRN
{
	like($s->client->send_mail(to => 'wait@relay.test'), qr/^250/, 'mail for a relay domain whose host is away');
	ok($s->wait_log(qr/to=<wait\@relay\.test>.*status=deferred/), 'is deferred');
	ok(wait_for('deferred', 10, sub { my @q = $s->queue; @q == 1 && $q[0]{queue_name} eq 'deferred' }), 'and waits in the queue');
	$away->start;
	my $c = session($s->client, 'EHLO x' => qr/^250-ETRN$/m,
	    'ETRN' => qr/^500 Syntax: ETRN domain$/, 'ETRN unknown.test' => qr/^459 <unknown\.test>: service unavailable$/,
	    'MAIL FROM:<a@example.net>' => qr/^250/, 'ETRN relay.test' => qr/^503 Error: MAIL transaction in progress$/, 'RSET' => qr/^250/);
	is(scalar(() = $away->mails), 0, 'nothing moved so far');
	session($c, 'ETRN relay.test' => qr/^250 Queuing started$/);
	my @m = $away->wait_mails(1);
	is($m[0]{rcpt}[0] =~ /<(.*?)>/ && $1, 'wait@relay.test', 'ETRN sends what was waiting');
	ok($s->wait_empty, 'the queue is empty');
	$c->quit;
}

# ---- VRFY, forbidden commands, and two services with options of their own
{
	my $c = session($s->client, 'EHLO x' => qr/^250-VRFY$/m, 'VRFY user@example.com' => qr/^252 2\.0\.0 user\@example\.com$/, 'VRFY' => qr/^501 5\.5\.4 Syntax: VRFY address/);
	like($c->{greeting}, qr/^220 mx\.example\.com ESMTP/, 'the first service: its banner');
	$c->quit;
	$c = other();
	is($c->{greeting}, '220 other.example.com', 'the second service: another banner');
	my $r = $c->ehlo;
	unlike($r, qr/VRFY/, 'no VRFY announced');
	like($r, qr/^250-SIZE 1000$/m, 'a size limit of its own');
	session($c, 'VRFY user@example.com' => qr/^502 5\.5\.1 VRFY command is disabled$/, 'MAIL FROM:<a@example.net> SIZE=2000' => qr/^552 5\.3\.4 /);
	$c->quit;
	session($c = $s->client, 'EHLO x' => qr/^250-SIZE 10240000$/m, 'MAIL FROM:<a@example.net> SIZE=2000' => qr/^250 2\.1\.0 Ok$/, 'XFOO' => qr/^500 5\.5\.2 Error: command not recognized$/);
	$c->quit;
	for ([$s->client, 'GET / HTTP/1.0'], [$s->client, 'CONNECT example.org:25 HTTP/1.0'], [$s->client, 'Host: example.com'], [other(), 'XFOO bar']) {
		my ($x, $cmd) = @$_;
		session($x, $cmd => qr/^221 2\.7\.0 Error: I can break rules, too\. Goodbye\.$/);
		ok($x->eof, "$cmd: and the connection ends");
		$x->close;
	}
	ok($s->wait_log(qr/warning: non-SMTP command from [^:]*\[127\.0\.0\.1\]: GET \/ HTTP\/1\.0$/m), 'logged');
	session($c = other(), 'GET / HTTP/1.0' => qr/^500 5\.5\.2 /);
	$c->quit;
}

# ---- BDAT
sub bdat { my ($c, $text, $last) = @_; $c->raw('BDAT ' . length($text) . ($last ? ' LAST' : '') . "\r\n$text"); return $c->reply }
{
	my $c = session($s->client, 'EHLO x' => qr/^250 CHUNKING$|^250-CHUNKING$/m, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<chunks@example.org>' => qr/^250/);
	like(bdat($c, "Subject: chun"), qr/^250 2\.0\.0 Ok: 13 bytes$/, 'a chunk that ends within a line');
	session($c, 'DATA' => qr/^503 5\.5\.1 /);
	like(bdat($c, "ks\r\n\r\n.\r\nMAIL FROM:<no\@example.net>\r"), qr/^250 2\.0\.0 Ok: \d+ bytes$/, 'one with a dot and a command in it');
	like(bdat($c, "\nlast line\r\n", 1), qr/^250 2\.0\.0 Ok: \d+ bytes queued as \w+$/, 'the last one');
	my @m = $sink->wait_mails(++$n);
	like($m[-1]{text}, qr/\r\nSubject: chunks\r\n(?:[\w-]+: .*\r\n)*\r\n\.\r\nMAIL FROM:<no\@example\.net>\r\nlast line\r\n\z/, 'put together again');
	session($c, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<never@example.org>' => qr/^250/);
	like(bdat($c, "Subject: never\r\n"), qr/^250/, 'a chunk');
	session($c, 'RSET' => qr/^250 2\.0\.0 Ok$/);
	like(bdat($c, "x\r\n", 1), qr/^503 5\.5\.1 Error: need RCPT command$/, 'after RSET there is nothing to add to; the chunk is skipped');
	session($c, 'RSET' => qr/^250/, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<empty@example.org>' => qr/^250/);
	like(bdat($c, "Subject: empty end\r\n\r\nx\r\n"), qr/^250/, 'a chunk');
	like(bdat($c, '', 1), qr/^250 2\.0\.0 Ok: \d+ bytes queued as/, 'BDAT 0 LAST');
	$sink->wait_mails(++$n);
	# The size says 20, ten more bytes come: they are a command, and no good one.
	session($c, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<more@example.org>' => qr/^250/);
	$c->raw("BDAT 12\r\nSubject: s\r\nSURPLUS\r\n");
	like($c->reply, qr/^250 2\.0\.0 Ok: 12 bytes$/, 'a size smaller than what is sent');
	like($c->reply, qr/^500 5\.5\.2 |^554 5\.5\.0 /, 'leaves a command that is none');
	$c->close;
	# The size says more than is sent before the end.
	session($c = $s->client, 'EHLO x' => qr/^250/, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<less@example.org>' => qr/^250/);
	$c->raw("BDAT 1000 LAST\r\nSubject: short\r\n");
	$c->close;
	ok($s->wait_log(qr/lost connection after BDAT/), 'a size larger than what is sent');
	session($c = $s->client, 'EHLO x' => qr/^250/, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<null@example.org>' => qr/^250/, 'BDAT 0' => qr/^551 5\.7\.1 Null BDAT request$/);
	$c->quit;
	session($c = other(), 'EHLO x' => qr/^250/, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<toobig@example.org>' => qr/^250/);
	like(bdat($c, 'x' x 1500, 1), qr/^552 5\.3\.4 /, 'chunks are measured against message_size_limit');
	$c->quit;
	is(scalar(grep { "@{$_->{rcpt}}" =~ /never|more|less|toobig|null/ } $sink->mails), 0, 'none of the unfinished ones was sent');
}

# ---- XCLIENT, XFORWARD
{
	my $c = outsider();
	my $r = $c->ehlo;
	unlike($r, qr/XCLIENT|XFORWARD/, 'not announced to a host without authorisation');
	session($c, 'XCLIENT NAME=foo.test' => qr/^550 5\.7\.0 Error: insufficient authorization$/, 'XFORWARD NAME=foo.test' => qr/^550 5\.7\.0 Error: insufficient authorization$/);
	$c->quit;
	$c = session($s->client, 'EHLO x' => qr/^250-XCLIENT NAME ADDR/m, 'XCLIENT' => qr/^501 5\.5\.4 Syntax: XCLIENT attribute=value\.\.\.$/,
	    'XCLIENT FOO=bar' => qr/^501 5\.5\.4 Bad XCLIENT attribute name: FOO$/, 'XCLIENT NAME=far.test ADDR=203.0.113.9 PROTO=ESMTP' => qr/^220 mx\.example\.com/,
	    'EHLO far.test' => qr/^250-mx\.example\.com$/m, 'MAIL FROM:<a@example.net>' => qr/^250/, 'RCPT TO:<b@example.org>' => qr/^554 5\.7\.1 <b\@example\.org>: Relay access denied$/,
	    'RCPT TO:<xclient@relay.test>' => qr/^250/, 'DATA' => qr/^354/, "Subject: x\r\n\r\nx\r\n." => qr/^250/);
	my @m = $away->wait_mails(2);
	like($m[1]{text}, qr/^Received: from far\.test \(far\.test \[203\.0\.113\.9\]\)/m, 'XCLIENT: Received: tells of the client given');
	ok($s->wait_log(qr/: client=far\.test\[203\.0\.113\.9\]/), 'and so does the log');
	$c->quit;
	$c = session($s->client, 'EHLO x' => qr/^250-XFORWARD NAME ADDR/m, 'XFORWARD FOO=bar' => qr/^501 5\.5\.4 Bad XFORWARD attribute name: FOO$/,
	    'XFORWARD NAME=origin.test ADDR=203.0.113.10 PROTO=ESMTP HELO=origin.test' => qr/^250 2\.0\.0 Ok$/, 'MAIL FROM:<a@example.net>' => qr/^250/,
	    'XFORWARD NAME=x' => qr/^503 5\.5\.1 Error: MAIL transaction in progress$/, 'RCPT TO:<forwarded@example.org>' => qr/^250/,
	    'DATA' => qr/^354/, "Subject: x\r\n\r\nx\r\n." => qr/^250/);
	$sink->wait_mails(++$n);
	ok($s->wait_log(qr/, orig_client=origin\.test\[203\.0\.113\.10\]/), 'XFORWARD: the log names the original client');
	$c->quit;
}

# ---- what the next hop is told
{
	my $c = $s->client;
	like($c->send_mail(from => 'dsn@example.net', mail_args => ' RET=HDRS ENVID=abc+2B1 BODY=8BITMIME', to => 'dsn@example.org',
	    rcpt_args => ' NOTIFY=FAILURE,DELAY ORCPT=rfc822;First+2BLast@example.org', text => "Subject: dsn\n\n\xc3\xa4\n"), qr/^250/, 'a message with DSN parameters');
	my @m = $sink->wait_mails(++$n);
	like($m[-1]{mail}, qr/^MAIL FROM:<dsn\@example\.net> (?=.*\bRET=HDRS\b)(?=.*\bENVID=abc\+2B1\b)(?=.*\bBODY=8BITMIME\b)(?=.*\bSIZE=\d+)/, 'MAIL passes on RET, ENVID, BODY and SIZE');
	like($m[-1]{rcpt}[0], qr/^RCPT TO:<dsn\@example\.org> (?=.*\bNOTIFY=FAILURE,DELAY\b)(?=.*\bORCPT=rfc822;First\+2BLast\@example\.org)/, 'RCPT passes on NOTIFY and ORCPT');
	unlike($m[-1]{mail}, qr/SMTPUTF8/, 'no SMTPUTF8 unless asked for');
	session(my $o = other(), 'EHLO x' => qr{^250}, "MAIL FROM:<\xc3\xa4\@example.net>" => qr/^553 5\.6\.7 Must declare SMTPUTF8 to send unicode address$/);
	$o->quit;
	like($c->send_mail(from => "\xc3\xa4\@example.net", mail_args => ' SMTPUTF8', to => "\xc3\xbc\@example.org", text => "Subject: \xc3\xa4\n\nx\n"), qr/^250/, 'an SMTPUTF8 message');
	@m = $sink->wait_mails(++$n);
	like($m[-1]{mail}, qr/^MAIL FROM:<\xc3\xa4\@example\.net> .*\bSMTPUTF8\b/, 'MAIL passes it on');
	like($m[-1]{rcpt}[0], qr/^RCPT TO:<\xc3\xbc\@example\.org>/, 'RCPT has the address as it was');
	like($c->send_mail(to => 'old@plain.test', mail_args => ' RET=FULL ENVID=q'), qr/^250/, 'mail for a host that knows HELO only');
	@m = $plain->wait_mails(1);
	is($m[0]{helo}, 'HELO mx.example.com', 'HELO after EHLO was refused');
	is($m[0]{commands}[0], 'EHLO mx.example.com', 'EHLO came first');
	is($m[0]{mail}, 'MAIL FROM:<sender@example.net>', 'no parameters for it');
	$c->quit;
}

# ---- one client's connections
{
	my @c = map { outsider(from => "127.0.0.3") } 1 .. 3;
	like($_->{greeting}, qr/^220 /, 'within smtpd_client_connection_count_limit') for @c;
	my $over = outsider(from => '127.0.0.3');
	is($over->{greeting}, '421 4.7.0 mx.example.com Error: too many connections from 127.0.0.3', 'one more is refused');
	ok($over->eof, 'and closed');
	$over->close;
	my $near = outsider(from => '127.0.0.4');
	like($near->{greeting}, qr/^220 /, 'another address is not');
	$near->quit;
	(pop @c)->quit;
	ok(wait_for('room', 5, sub { my $x = outsider(from => '127.0.0.3'); $x->close; $x->{greeting} =~ /^220 / }), 'one that leaves makes room');
	$_->quit for @c;
}
$s->finish;

# ---- all sessions; the log as JSON; long queue ids
{
	my $j = server(main => "relayhost = [127.0.0.1]:$sink->{port}\npostrider_session_limit = 4\npostrider_log_json = yes\nenable_long_queue_ids = yes\n" .
	    "smtpd_client_connection_count_limit = 0\n");
	like((my $c = $j->client)->send_mail(to => 'long@example.org', text => "Subject: \"quoted\" \\ \n\nx\n"), qr/^250 2\.0\.0 Ok: queued as ([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,})z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]+$/, 'a long queue id');
	$sink->wait_mails(++$n);
	session($c, 'VRFY "a\\b"@example.com' => qr/^\d/);
	session($c, 'RCPT TO:<x@example.net>' => qr/^503 /);
	$c->quit;
	my @c;
	ok(wait_for('all sessions', 10, sub { push @c, $j->client while @c < 4; @c = grep { $_->{greeting} =~ /^220 / } @c; @c == 4 }), 'sessions up to postrider_session_limit');
	my $over = $j->client;
	is($over->{greeting}, '421 4.3.2 All server ports are busy', 'one more is told so');
	ok($over->eof, 'and closed');
	$over->close;
	$_->quit for @c;
	ok(wait_for('room', 10, sub { my $x = $j->client; $x->close; $x->{greeting} =~ /^220 / }), 'and there is room again');
	ok($j->wait_log(qr/long\@example\.org.*status=sent/), 'the delivery is in the log');
	$j->stop;
	my @l = split /\n/, $j->log;
	my @bad = grep { my $o = eval { JSON::PP::decode_json($_) }; ref $o ne 'HASH' } @l;
	cmp_ok(scalar @l, '>', 5, 'the log has lines');
	is(scalar @bad, 0, 'each of them a JSON object') or diag $bad[0];
	$j->finish;
}

# ---- no room in the queue's file system
for my $room ("queue_minfree = 4000000000000000\nmessage_size_limit = 10000\n", "message_size_limit = 9223372036854775807\nmailbox_size_limit = 0\nvirtual_mailbox_limit = 0\n") {
	my $f = server(main => "relayhost = [127.0.0.1]:$sink->{port}\n$room", allow => [qr/free|space|storage/]);
	my $c = session($f->client, 'EHLO x' => qr/^250/, 'MAIL FROM:<a@example.net>' => qr/^452 4\.3\.1 Insufficient system storage$/, 'RCPT TO:<b@example.org>' => qr/^503 5\.5\.1 /, 'NOOP' => qr/^250/);
	$c->quit;
	$f->finish;
}
# ---- message_size_limit is for content and envelope together
{
	my $l = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nmessage_size_limit = 2000\n", allow => [qr/queue file size limit exceeded/]);
	for ([900, qr/^250/], [1950, qr/^552 5\.3\.4 Error: message file too big/], [2500, qr/^552 5\.3\.4 Error: message file too big/]) {
		my ($n, $want) = @$_;
		like($l->client->send_mail(to => 'u@away.test', text => "Subject: x\n\n" . ("x" x 49 . "\n") x ($n / 51)), $want, "$n bytes, limit 2000");
	}
}
# ---- refused at the end of data: the message is gone, the envelope stays, as with Postfix
{
	my $e = server(main => "relayhost = [127.0.0.1]:$sink->{port}\nsmtpd_error_sleep_time = 0\nsmtpd_end_of_data_restrictions = check_sender_access inline:{{no\@example.net = REJECT not this}}\n",
		master => "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\n");
	for my $bdat (0, 1) {
		my $c = session($e->client, 'EHLO x' => qr/^250/, 'MAIL FROM:<no@example.net>' => qr/^250/, 'RCPT TO:<u@away.test>' => qr/^250/);
		my $end = $bdat ? bdat($c, "a: b\r\n", 1) : ($c->cmd('DATA') =~ /^354/ && $c->cmd("a: b\r\n."));
		is($end, '554 5.7.1 <no@example.net>: Sender address rejected: not this', $bdat ? 'BDAT' : 'DATA');
		session($c, 'MAIL FROM:<yes@example.net>' => qr/^503 5\.5\.1 Error: nested MAIL command$/, 'ETRN away.test' => qr/^503 Error: MAIL transaction in progress$/);
		if ($bdat) {
			session($c, 'RCPT TO:<v@away.test>' => qr/^503 5\.5\.1 Error: RCPT after BDAT$/, 'DATA' => qr/^503 5\.5\.1 Error: DATA after BDAT$/);
			like(bdat($c, "a: b\r\n", 1), qr/^551 5\.0\.0 Discarded 6 bytes/, 'nobody to deliver to');
		} else {
			session($c, 'DATA' => qr/^554 5\.5\.1 Error: no valid recipients$/, 'RCPT TO:<v@away.test>' => qr/^250/, 'DATA' => qr/^354/, "a: b\r\n." => qr/^554 5\.7\.1/);
		}
		session($c, 'RSET' => qr/^250/, 'MAIL FROM:<yes@example.net>' => qr/^250/, 'RCPT TO:<u@away.test>' => qr/^250/);
		like($bdat ? bdat($c, "a: b\r\n", 1) : ($c->cmd('DATA') =~ /^354/ && $c->cmd("a: b\r\n.")), qr/^250/, 'RSET ends it');
		$c->quit;
	}
}
done_testing();
