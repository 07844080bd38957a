#!/usr/bin/perl
# What the queue's commands print, to the letter; flushing; who may do what; mail that sendmail left while no server ran.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my $other = $> == 0 ? 'daemon' : undef;		# somebody without rights
my $s = server(main => "default_transport = retry:4.4.1 no way out\nrelay_domains = relay.test\nrelay_transport = retry:4.4.2 the relay sleeps\n" .
    "transport_maps = inline:{ {b.test=retry:4.2.2 the other reason} {inbox.test=discard:} }\n", allow => [qr/maildrop/]);

sub submit { my ($opt, $text, @o) = @_; my ($rc, $out, $err) = $s->tool('sendmail', @$opt, { stdin => $text, @o }); return wantarray ? ($rc, $err) : $rc }
sub listing { my ($rc, $out) = $s->tool('postqueue', '-p'); return $out }
sub settled { my ($n) = @_; return wait_for('deferred', 10, sub { my @q = $s->queue; @q == $n && !grep { $_->{queue_name} =~ /active|incoming/ } @q }) }
sub ids { return map { $_->{queue_id} } $s->queue }
sub super { my @r = $s->tool('postsuper', @_); return "$r[0] $r[2]" }

# ---- listings
is(listing(), "Mail queue is empty\n", 'an empty queue');
is_deeply([$s->tool('postqueue', '-j')], [0, '', ''], 'in JSON: nothing');
is(submit(['-f', 'a@example.org', 'one@c.test', 'two@b.test', 'three@c.test'], "Subject: x\n\nhello\n"), 0, 'sendmail');
ok(settled(1), 'deferred');
my ($id) = ids();
like($id, qr/^[0-9A-F]{12}$/, 'id');
is_deeply([map { [$_->{address}, $_->{delay_reason}] } @{($s->queue)[0]{recipients}}],
    [['one@c.test', 'no way out'], ['three@c.test', 'no way out'], ['two@b.test', 'the other reason']], 'recipients by reason');
my $r = listing();
like($r, qr/^-Queue ID-  --Size-- ----Arrival Time---- -Sender\/Recipient-------\n$id +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  a\@example\.org\n +\(no way out\)\n {41}one\@c\.test\n {41}three\@c\.test\n +\(the other reason\)\n {41}two\@b\.test\n\n-- \d+ Kbytes in 1 Request\.\n\z/, 'listing for people') or diag $r;
my ($line) = $r =~ /^( *\(no way out\))$/m;
is(length $line, 78, 'reasons end in column 78');

# ---- showing
my ($rc, $out, $err) = $s->tool('postcat', '-q', $id);
is($rc, 0, 'postcat');
like($out, qr/^\*\*\* ENVELOPE RECORDS deferred\/\w\/$id \*\*\*\nmessage_size: +\d+ +\d+ +3 +0 +\d+ +0\nmessage_arrival_time: .*\ncreate_time: .*\nnamed_attribute: rewrite_context=local\n(?:sender_fullname: .*\n)?sender: a\@example\.org\n/, 'envelope');
like($out, qr/named_attribute: dsn_orig_rcpt=rfc822;two\@b\.test\noriginal_recipient: two\@b\.test\nrecipient: two\@b\.test\n/, 'recipients');
like($out, qr/\*\*\* MESSAGE CONTENTS deferred\/\w\/$id \*\*\*\nReceived: by mx\.example\.com .*\n\tid $id; .*\nSubject: x\n(?:.*\n)*\nhello\n\*\*\* HEADER EXTRACTED deferred\/\w\/$id \*\*\*\n\*\*\* MESSAGE FILE END deferred\/\w\/$id \*\*\*\n\z/, 'content');
is_deeply([$s->tool('postcat', '-q', 'ABCDEF')], [1, '', bin('postcat') . ": fatal: open queue file ABCDEF: No such file or directory\n"], 'no such message');

# ---- changes, in Postfix's words
is(super('-h', $id), "0 postsuper: $id: placed on hold\npostsuper: Placed on hold: 1 message\n", 'hold');
is(super('-h', $id), "0 postsuper: Placed on hold: 0 messages\n", 'only once');
is(super('-e', $id), "0 postsuper: $id: expired\npostsuper: Force-expired: 1 message\n", 'expire');
like(listing(), qr/^$id!# /m, 'marked');
ok(($s->queue)[0]{forced_expire}, 'and in JSON');
is(super('-d', $id, 'deferred'), "0 postsuper: Deleted: 0 messages\n", 'it is not in that queue');
is(super('-d', 'x y'), "0 postsuper: warning: invalid mail queue id: x y\npostsuper: Deleted: 0 messages\n", 'what is no id');
is(super('-d', 'ALL', 'nonsense'), "1 postsuper: fatal: invalid directory name: nonsense\n", 'what is no queue');
is(super('-d', $id), "0 postsuper: $id: removed\npostsuper: Deleted: 1 message\n", 'delete');
ok($s->wait_log(qr/postfix\/postsuper\[\d+\]: $id: removed\n/), 'logged, too');

submit(['-f', "s$_\@example.org", 'u@c.test'], "x: y\n\nz\n") for 1 .. 30;
ok(settled(30), '30 messages');
is(super('-h', 'ALL'), "0 postsuper: Placed on hold: 30 messages\n", 'all on hold');
my @ids = ids();
my @in = $s->tool('postsuper', '-d', '-', { stdin => join('', map { "$_\n" } @ids[0 .. 9], 'nothing') });
is(join('', sort split /^/m, $in[2]), join('', sort(map { "postsuper: $_: removed\n" } @ids[0 .. 9]), "postsuper: Deleted: 10 messages\n"), 'ids from standard input');
is(super('-H', 'ALL', 'hold'), "0 postsuper: Released from hold: 20 messages\n", 'all released');
like(listing(), qr/\n-- \d+ Kbytes in 20 Requests\.\n\z/, '20 requests');
is(super('-r', 'ALL', 'deferred'), "0 postsuper: Requeued: 20 messages\n", 'requeue');
ok(settled(20), 'they are all still there');
is(super('-d', 'ALL', 'hold'), "0 postsuper: Deleted: 0 messages\n", 'nothing on hold');
is(super('-d', 'ALL'), "0 postsuper: Deleted: 20 messages\n", 'delete all');

# ---- flushing
is_deeply([$s->tool('postqueue', '-f')], [0, '', ''], 'flush');
is_deeply([$s->tool('postqueue', '-i', 'ABC')], [0, '', ''], 'flush an id that is not there');
is_deeply([$s->tool('postqueue', '-s', 'relay.test')], [0, '', ''], 'flush a site');
is_deeply([$s->tool('postqueue', '-s', 'c.test')], [69, '', "postqueue: fatal: Flush service is not configured for destination \"c.test\"\n"], 'one that is not ours');
is_deeply([$s->tool('postqueue', '-s', 'bad_!')], [69, '', "postqueue: fatal: Cannot flush mail queue - invalid destination: \"bad_!\"\n"], 'one that is none');
submit(['-f', 'a@example.org', 'x@relay.test'], "x: y\n\nz\n");
ok(settled(1), 'mail for a site');
my $tries = () = $s->log =~ /to=<x\@relay\.test>/g;
$s->tool('postqueue', '-s', 'relay.test');
ok(wait_for('another attempt', 10, sub { my $n = () = $s->log =~ /to=<x\@relay\.test>/g; $n > $tries }), 'is tried again');
settled(1);

# ---- who may
SKIP: {
	skip 'needs root', 4 unless $other;
	is_deeply([$s->tool('postsuper', '-d', 'ALL', { user => $other })], [1, '', "postsuper: fatal: use of this command is reserved for the superuser\n"], 'others may not change the queue');
	like(($s->tool('postcat', '-q', $id, { user => $other }))[2], qr/^\S*postcat: fatal: open queue file $id: Permission denied$/, 'nor read it');
	is(($s->tool('postqueue', '-p', { user => $other }))[0], 0, 'but look at it');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "authorized_mailq_users = root\nauthorized_flush_users = root\nauthorized_submit_users = root\n");
	$s->tool('postrider', 'reload');
	my $uid = getpwnam $other;
	is(join('', map { ($s->tool(@$_, { user => $other, stdin => "x\n" }))[2] } ['postqueue', '-p'], ['postqueue', '-f'], ['sendmail', 'x@c.test']),
	    "postqueue: fatal: User $other($uid) is not allowed to view the mail queue\npostqueue: fatal: User $other($uid) is not allowed to flush the mail queue\n" .
	    "sendmail: fatal: User $other($uid) is not allowed to submit mail\n", 'unless he is not listed');
}

# ---- down
my ($left) = ids();
$s->stop;
($rc, $out, $err) = $s->tool('postqueue', '-p');
is("$rc $err", "0 postqueue: warning: Mail system is down -- accessing queue directly (Connect to the Postrider showq service: Connection refused)\n", 'the queue can be listed with the server down');
like($out, qr/^$left .*\n +\(the relay sleeps\)\n {41}x\@relay\.test\n/m, 'and shows what is there');
is_deeply([$s->tool('postqueue', '-f')], [69, '', "postqueue: fatal: Cannot flush mail queue - mail system is down\n"], 'it cannot be flushed');
is(submit(['-f', 'late@example.org', 'y@inbox.test'], "Subject: left\n\nbody\n"), 0, 'sendmail leaves its message');
my @q = $s->queue;
is($q[0]{queue_name}, 'maildrop', 'listed in maildrop');
is_deeply($q[0]{recipients}, [{ address => 'y@inbox.test' }], 'with its recipient');
like(($s->tool('postcat', '-q', $q[0]{queue_id}))[1], qr/^\*\*\* ENVELOPE RECORDS maildrop\/$q[0]{queue_id} \*\*\*\nmessage_arrival_time: .*\n(?:.*\n)*sender: late\@example\.org\nrecipient: y\@inbox\.test\n\*\*\* MESSAGE CONTENTS .*\nSubject: left\n\nbody\n/, 'and shown');
is(submit(['-f', 'gone@example.org', 'z@inbox.test'], "Subject: left\n\nbody\n"), 0, 'another');
my ($gone) = map { $_->{queue_id} } grep { $_->{sender} eq 'gone@example.org' } $s->queue;
is(super('-d', $gone), "0 postsuper: $gone: removed\npostsuper: Deleted: 1 message\n", 'deleted from maildrop');
SKIP: {
	skip 'needs root', 4 unless $other;
	like(($s->tool('postqueue', '-p', { user => $other }))[2], qr/^postqueue: fatal: User \w+\(\d+\) is not allowed to view/, 'rights hold without a server');
	like(scalar((submit(['-f', 'other@example.org', 'y@inbox.test'], "x\n", user => $other))[1]), qr/^sendmail: fatal: User \w+\(\d+\) is not allowed to submit mail$/, 'also this one');
	my $sneak = "$s->{dir}/queue/maildrop/FADE";
	is((run_cmd(['sh', '-c', "printf 'sender=sneak\@example.org\\nrcpt=y\@inbox.test\\n\\nx\\n' > $sneak && chmod 744 $sneak"], user => $other))[0], 0, 'somebody who may not leaves mail by hand');
	like(listing(), qr/^FADE +\d+ .*  sneak\@example\.org$/m, 'it is in the listing');
}

# ---- what others may do to maildrop keeps nobody's mail waiting
my $md = "$s->{dir}/queue/maildrop";
sub drop { my ($name, $text, $mode) = @_; spew("$md/$name", $text, $mode); chown((getpwnam $s->{owner})[2, 3], "$md/$name") if $> == 0 }
for my $i (100 .. 399) { symlink '/etc/passwd', "$md/A$i"; mkdir "$md/B$i"; drop("C$i", "sender=x\n", 0600) }
drop('.tmp.1.1', 'old', 0600);
utime time - 100000, time - 100000, "$md/.tmp.1.1";
drop('.tmp.1.2', 'new', 0600);
my %bad = (BAD1 => "no attribute\n\nx\n", BAD2 => "sender=a\@example.org\nrcpt=y\@inbox.test\n", BAD3 => "sender=a\0b\nrcpt=y\@inbox.test\n\nx\n", BAD4 => "\0" x 100000, BAD5 => '',
    BAD6 => "rcpt=y\@inbox.test\nsender=late\@example.org\n\nx\n", BAD7 => "sender=nobody\@example.org\n\nx\n", BAD8 => 'sender=' . 'x' x 200000 . "\n\nx\n");
drop($_, $bad{$_}, 0744) for keys %bad;
push @{$s->{allow}}, qr/not a file of its own|Too many levels of symbolic links|no recipients were given|not a message/;

# ---- up again
$s->start;
ok($s->wait_log(qr/from=<late\@example\.org>.*\n(?:.*\n)*.*to=<y\@inbox\.test>.*status=sent/), 'what was left is picked up and delivered');
if ($other) {
	ok($s->wait_log(qr/maildrop\/FADE: User $other\(\d+\) is not allowed to submit mail/), 'what somebody left who may not is not');
	ok(wait_for('set aside', 10, sub { -e "$s->{dir}/queue/corrupt/FADE" }), 'but set aside');
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "authorized_submit_users = static:anyone\n");
	$s->stop;
	is(submit(['-f', 'other@example.org', 'y@inbox.test'], "Subject: of somebody else\n\nbody\n", user => $other), 0, 'when anybody may leave mail');
	$s->start;
	my $uid = getpwnam $other;
	ok($s->wait_log(qr/postfix\/pickup\[\d+\]: \w+: uid=$uid from=<other\@example\.org>/), 'it comes under the name of its owner');
}
ok(wait_for('set aside', 20, sub { !grep { !-e "$s->{dir}/queue/corrupt/$_" } keys %bad }), 'what is no message is set aside');
ok(wait_for('picked up', 20, sub { !grep { !-l $_ && !-d $_ && !/\/C\d+$/ } glob "$md/*" }), 'the rest is links, directories and files being written');
ok(!-e "$md/.tmp.1.1", 'old remains are removed');
ok(-e "$md/.tmp.1.2", 'new ones are not');
for my $i (100 .. 399) { unlink "$md/A$i", "$md/C$i"; rmdir "$md/B$i" }
unlike($s->log, qr/z\@inbox\.test/, 'what was deleted is not');
ok(wait_for('maildrop empty', 10, sub { !glob "$s->{dir}/queue/maildrop/*" }), 'maildrop is empty');
ok($s->wait_log(qr/from=<other\@example\.org>.*\n(?:.*\n)*.*removed/), 'and was delivered') if $other;
is(super('-d', 'ALL'), "0 postsuper: Deleted: 1 message\n", 'the end');
$s->finish;
done_testing();
