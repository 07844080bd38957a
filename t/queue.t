#!/usr/bin/perl
# The queue's commands with the server up and down: lists, deletion, holds, contents, and who may do what.
use strict;
use warnings;
use Cwd qw(getcwd);
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new(down => 1);
my $s = server(main => "smtpd_recipient_limit = 3000\nrelayhost = [127.0.0.1]:$sink->{port}\nfast_flush_domains = site.example\n");
my @id;
my $text = "From: sender\@example.net\nSubject: kept\n\nline one\n.dot\n";
for my $n (1 .. 4) {
	my ($id) = $s->client->send_mail(to => "k$n\@" . ($n == 4 ? 'site' : 'other') . '.example', text => $text) =~ /queued as (\S+)/;
	push @id, $id;
	ok($s->wait_log(qr/\Q$id\E: to=<k$n\@.*status=deferred/), "message $n is deferred");
}
sub states { return map { $_->{queue_id} => $_->{queue_name} } $s->queue }
sub all_deferred { my ($n) = @_; return wait_for('deferred', 10, sub { my %q = states(); return keys %q == $n && !grep { $_ ne 'deferred' } values %q }) }
ok(all_deferred(4), 'four deferred messages');

# ---- the same with and without the server
for my $up (1, 0) {
	my $how = $up ? 'server up' : 'server down';
	$s->stop unless $up;
	my ($rc, $out, $err) = $s->tool('postqueue', '-p');
	is($rc, 0, "$how: postqueue -p") or diag $err;
	like($out, qr/^-Queue ID-  --Size-- ----Arrival Time---- -Sender\/Recipient-------\n/, "$how: heading");
	for my $n (1 .. 4) {
		my $id = $id[$n - 1];
		like($out, qr/^$id +\d+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  sender\@example\.net\n *\(.*refused.*\)\n {41}k$n\@\w+\.example\n\n/mi, "$how: message $n");
	}
	like($out, qr/^-- \d+ Kbytes in 4 Requests\.$/m, "$how: the sum");
	my ($mrc, $mout) = $s->tool('mailq');
	is($mout, $out, "$how: mailq says the same");
	my @q = $s->queue;
	is(join(' ', sort map { $_->{queue_id} } @q), join(' ', sort @id), "$how: postqueue -j has all");
	my ($one) = grep { $_->{queue_id} eq $id[0] } @q;
	is($one->{sender}, 'sender@example.net', "$how: sender");
	is($one->{recipients}[0]{address}, 'k1@other.example', "$how: recipient");
	cmp_ok($one->{message_size}, '>', length $text, "$how: size");

	($rc, $out, $err) = $s->tool('postcat', '-q', $id[0]);
	is($rc, 0, "$how: postcat -q") or diag $err;
	like($out, qr/^sender: sender\@example\.net$/m, "$how: its envelope");
	like($out, qr/^recipient: k1\@other\.example$/m, "$how: its recipient");
	like($out, qr/^Subject: kept\n(?:.*\n)*\nline one\n\.dot\n/m, "$how: its text");
	($rc, $out) = $s->tool('postcat', '-bq', $id[0]);
	like($out, qr/\A\n?line one\n\.dot\n\z/, "$how: postcat -b: the body alone");
	($rc, $out) = $s->tool('postcat', '-hq', $id[0]);
	like($out, qr/^Received: .*^Subject: kept\n/ms, "$how: postcat -h has the header");
	unlike($out, qr/line one|^sender:/m, "$how: and nothing else");
	($rc, $out) = $s->tool('postcat', '-eq', $id[0]);
	like($out, qr/^sender: sender\@example\.net$/m, "$how: postcat -e has the envelope");
	unlike($out, qr/Subject: kept|line one/, "$how: and nothing else");
	($rc) = $s->tool('postcat', '-q', '0123456789AB');
	isnt($rc, 0, "$how: postcat of a message that is not there");

	is(($s->tool('postsuper', '-h', $id[1]))[0], 0, "$how: postsuper -h");
	is({ states() }->{$id[1]}, 'hold', "$how: on hold");
	my $held = $id[1];
	like(($s->tool('postqueue', '-p'))[1], qr/^$held! /m, "$how: and marked");
	($rc, undef, $err) = $s->tool('postsuper', '-H', $id[1]);
	is($rc, 0, "$how: postsuper -H") or diag $err;
	ok(wait_for('release', 10, sub { my %q = states(); ($q{$id[1]} // '') eq 'deferred' }), "$how: released");
	is(($s->tool('postsuper', '-h', 'ALL'))[0], 0, "$how: -h ALL");
	my %q = states();
	is(scalar(grep { $_ eq 'hold' } values %q), 4, "$how: all on hold");
	is(($s->tool('postsuper', '-H', '-', { stdin => "$id[2]\n$id[3]\n" }))[0], 0, "$how: -H - reads ids");
	ok(wait_for('release', 10, sub { my %n = states(); join(' ', map { $n{$_} // '' } @id) eq 'hold hold deferred deferred' }), "$how: just those two");
	is(($s->tool('postsuper', '-H', 'ALL'))[0], 0, "$how: -H ALL");
	ok(wait_for('release', 10, sub { my %n = states(); !grep { $n{$_} ne 'deferred' } @id }), "$how: all released");

	# ---- one after the other, in the order of the options
	my $both = sub { join '|', split /\n/, ($s->tool('postsuper', @_, { stdin => "A.B\n$id[0]\n" }))[2] =~ s/$id[0]/ID/gr =~ s/postsuper: //gr };
	is($both->('-h', $id[0], '-H', $id[0]), 'ID: placed on hold|ID: released from hold|Placed on hold: 1 message|Released from hold: 1 message', "$how: held, then released");
	is($both->('-H', $id[0], '-h', $id[0]), 'ID: placed on hold|Placed on hold: 1 message|Released from hold: 0 messages', "$how: the other way round");
	is($both->('-h', 'a.b', '-H', '-', '-e', 'c/d'), 'warning: invalid mail queue id: a.b|warning: invalid mail queue id: A.B|ID: released from hold|' .
	    'warning: invalid mail queue id: c/d|Force-expired: 0 messages|Placed on hold: 0 messages|Released from hold: 1 message', "$how: warnings in between");
	is($both->('-d', 'a.b', 'nosuch'), 'warning: invalid mail queue id: a.b|Deleted: 0 messages', "$how: queues are looked at for a valid id only");
	is($both->('-d', 'a.b', '-h', 'ALL', 'nosuch'), 'warning: invalid mail queue id: a.b|fatal: invalid directory name: nosuch', "$how: or for all");
	is($both->('-d', '_' x 255, '-d', '_' x 256), 'warning: invalid mail queue id: ' . '_' x 256 . '|Deleted: 0 messages', "$how: a long id");

	# ---- rights
	SKIP: {
		skip 'not root', 4 if $> != 0;
		my ($user) = grep { defined getpwnam $_ } qw(games daemon bin);
		($rc, $out) = $s->tool('postqueue', '-p', { user => $user }) if $up;
		is($up ? $rc : 0, 0, "$how: another user may list");
		($rc, undef, $err) = $s->tool('postsuper', '-d', $id[0], { user => $user });
		isnt($rc, 0, "$how: but not delete");
		like($err, qr/use of this command is reserved for the superuser/, "$how: and is told so");
		is(scalar(keys %{{ states() }}), 4, "$how: nothing is lost");
	}
}

# ---- -f keeps one connection for each of its two actions: asked of a server that says yes to all and notes what it is told
{
	my ($public, $noted, $back) = ("$s->{dir}/queue/public", "$s->{dir}/noted", getcwd);
	unlink "$public/postrider";
	chdir $public or die "$public: $!";
	my $listen = IO::Socket::UNIX->new(Local => 'postrider', Listen => 5) or die "postrider: $!";
	chdir $back;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my ($sel, $n, %conn) = (IO::Select->new($listen), 0);
		open my $out, '>', $noted or POSIX::_exit(1);
		while (1) {
			for my $h ($sel->can_read) {
				if ($h == $listen) {
					my $new = $listen->accept;
					$sel->add($new);
					$conn{$new} = { n => ++$n, in => '' };
					next;
				}
				my $c = $conn{$h};
				if (!sysread $h, $c->{in}, 4096, length $c->{in}) { $sel->remove($h); next }
				while ($c->{in} =~ /\A(.)(.{4})/s && length $c->{in} >= 5 + (my $len = unpack 'N', $2)) {
					my ($type, $what) = ($1, substr $c->{in}, 5, $len);
					substr($c->{in}, 0, 5 + $len) = '';
					$out->printflush("$c->{n} $type $what\n");
					syswrite $h, join '', map { pack 'a N/a', split /(?<=^.)/, $_ } $what ne '' ? "A$what=done" : ('Acount=4', 'O') if $type eq 'D';
				}
			}
		}
	}
	my (undef, undef, $err) = $s->tool('postsuper', '-f', '-', { stdin => join '', map { "$_\n" } @id });
	kill KILL => $pid;
	waitpid $pid, 0;
	unlink "$public/postrider";
	is($err =~ s/postsuper: //gr, join('', map { "$_: expired\n$_: released from hold\n" } @id) . "Force-expired: 4 messages\nReleased from hold: 4 messages\n", '-f -, seen by its user');
	is(slurp($noted), "1 V change\n1 A do=expire\n1 R \n1 D $id[0]\n2 V change\n2 A do=release\n2 R \n2 D $id[0]\n" . join('', map { "1 D $_\n2 D $_\n" } @id[1 .. 3]) . "1 D \n2 D \n",
	    'and by the server');
}

# ---- requeued by a server that is down: the next start sends it through cleanup, by what the configuration says now
my ($rc, undef, $err) = $s->tool('postsuper', '-r', $id[0]);
is($rc, 0, 'postsuper -r') or diag $err;
like($err, qr/^postsuper: $id[0]: requeued\npostsuper: Requeued: 1 message$/m, 'says so');
my $was = $s->log;
spew("$s->{conf}/main.cf", slurp("$s->{conf}/main.cf") . "canonical_maps = inline:{{sender\@example.net=new\@example.net}}\n" .
	"virtual_alias_maps = inline:{{k1\@other.example=a1\@other.example b1\@other.example}}\n");
$s->start;
ok($s->wait_log(qr/pickup\[\d+\]: (\w+): uid=\d+ from=<sender\@example\.net> orig_id=$id[0]$/m), 'a new id');
my ($new) = $s->log =~ /pickup\[\d+\]: (\w+): .*orig_id=$id[0]$/m;
ok($s->wait_log(qr/$new: from=<new\@example\.net>, size=\d+, nrcpt=2 \(queue active\)/), 'rewritten and expanded anew');
ok($s->wait_log(qr/$new: to=<b1\@other\.example>, orig_to=<k1\@other\.example>, .*status=deferred/), 'and tried');
ok(wait_for('deferred', 10, sub { ({ states() }->{$new} // '') eq 'deferred' }), 'deferred under its new id');
ok(!exists { states() }->{$id[0]}, 'the old one is gone');
like(($s->tool('postcat', '-hq', $new))[1], qr/\AReceived: by mx\.example\.com \(Postrider, from userid \d+\)\n\tid $new; .*\nReceived: from /, 'one Received: more');
like(($s->tool('postcat', '-bq', $new))[1], qr/\A\n?line one\n\.dot\n\z/, 'the body is the same');
is(scalar(keys %{{ states() }}), 4, 'nothing is lost');

# ---- what its content now forbids goes back to the sender
my ($bad) = $s->client->send_mail(to => 'k5@other.example', text => "Subject: x\n\na ~ b\n") =~ /queued as (\S+)/;
ok($s->wait_log(qr/\Q$bad\E: to=<k5\@.*status=deferred/), 'one more is deferred');
spew("$s->{conf}/main.cf", slurp("$s->{conf}/main.cf") . "message_reject_characters = ~\n");
is(($s->tool('postrider', 'reload'))[0], 0, 'reload') ;
is(($s->tool('postsuper', '-r', $bad))[0], 0, 'requeued');
ok($s->wait_log(qr/cleanup\[\d+\]: \w+: reject: content .* from .*: 5\.7\.1 disallowed character/), 'refused') or diag $s->log;
ok($s->wait_log(qr/bounce\[\d+\]: \w+: sender non-delivery notification: /), 'and returned');
ok(wait_for('gone', 10, sub { !exists { states() }->{$bad} }), 'the old one is gone');

# ---- more recipients than are read at once
my ($many) = $s->client->send_mail(to => [map { "r$_\@other.example" } 1 .. 2500]) =~ /queued as (\S+)/;
my $listed = sub { my ($id) = @_; my ($m) = grep { $_->{queue_id} eq $id } $s->queue; return { map { $_->{address} => 1 } @{$m->{recipients} // []} } };
is(scalar(keys %{$listed->($many)}), 2500, 'all of many recipients are listed');
is(scalar(() = ($s->tool('postcat', '-eq', $many))[1] =~ /^recipient: /mg), 2500, 'and shown');
$s->tool('postsuper', '-r', $many);
ok($s->wait_log(qr/pickup\[\d+\]: (\w+): .*orig_id=$many$/m), 'requeued');
($new) = $s->log =~ /pickup\[\d+\]: (\w+): .*orig_id=$many$/m;
ok(wait_for('the copy', 30, sub { keys %{$listed->($new)} == 2500 }), 'with all of them');
# ---- postsuper -f: each message expired and released before the next one
my @f = map { ($s->client->send_mail(to => "f$_\@other.example") =~ /queued as (\S+)/)[0] } 1 .. 6;
ok($s->wait_log(qr/to=<f$_\@.*status=deferred/), "f$_ is deferred") for 1 .. 6;
for my $how ('server up', 'server down') {
	$s->stop if $how eq 'server down';
	my ($x, $y, $z) = splice @f, 0, 3;
	ok(wait_for('deferred', 10, sub { my %q = states(); !grep { ($q{$_} // '') ne 'deferred' } $x, $y, $z }), "$how: in the queue");
	is(($s->tool('postsuper', '-h', $x, '-h', $y, '-e', $y))[0], 0, "$how: two on hold, one of them expired");
	(undef, undef, $err) = $s->tool('postsuper', '-f', '-', { stdin => "$x\n$y\na/b\n$x\n$z\n" });
	is($err =~ s/postsuper: //gr, "$x: expired\n$x: released from hold\n$y: released from hold\n" . "warning: invalid mail queue id: a/b\n" x 2 . "$z: expired\n" .
	    "Force-expired: 2 messages\nReleased from hold: 2 messages\n", "$how: -f - in the order of the ids");
}
$s->finish;
done_testing();
