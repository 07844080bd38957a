#!/usr/bin/perl
# Delivery by LMTP: to a real Dovecot by UNIX socket and by TCP, and to a sink that answers for each recipient.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::Sink;

my $parent = $$;
my $dovecot;	# process id
my $dir = tempdir('postrider-lmtp.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => !$ENV{KEEP});
chmod 0755, $dir;

# ---- a real Dovecot
SKIP: {
	my $prog = have('dovecot');
	skip 'dovecot is not installed', 1 unless $prog;
	skip 'dovecot\'s lmtp is not installed', 1 unless grep { -x "$_/lmtp" } qw(/usr/lib/dovecot /usr/libexec/dovecot /usr/local/libexec/dovecot);
	skip 'dovecot is started as root only', 1 if $> != 0;
	my ($group) = getgrgid((getpwnam 'nobody')[3]);
	my $port = free_port();
	mkdir "$dir/$_" for qw(vmail run state);
	chown +(getpwnam 'nobody')[2, 3], "$dir/vmail";
	spew("$dir/dovecot.conf", <<"END");
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/dovecot.log
protocols = lmtp
ssl = no
mail_location = maildir:$dir/vmail/%n
hostname = dovecot.example.com
default_internal_user = nobody
default_internal_group = $group
default_login_user = nobody
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = $dir/users
}
userdb {
  driver = passwd-file
  args = $dir/users
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
service lmtp {
  unix_listener $dir/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = $port
  }
}
END
	my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
	spew("$dir/users", join '', map { "$_\@example.org:{PLAIN}x:$uid:${gid}::$dir/vmail/home-${_}::\n" } qw(alice bob carol));
	chmod 0644, "$dir/users";
	$dovecot = fork // die "fork: $!";
	if ($dovecot == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>>', "$dir/out"; open STDERR, '>>', "$dir/out";
		{ no warnings; exec { $prog } 'dovecot', '-F', '-c', "$dir/dovecot.conf"; }
		POSIX::_exit(127);
	}
	my $up = wait_for('dovecot', 10, sub {
		if (waitpid($dovecot, WNOHANG) == $dovecot) { undef $dovecot; return -1 }
		my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 1) or return 0;
		return -S "$dir/lmtp" ? 1 : 0;
	}) // 0;
	is($up, 1, 'dovecot started') or do { diag((slurp("$dir/out") // '') . (slurp("$dir/dovecot.log") // '')); last SKIP };

	for my $way ("unix:$dir/lmtp", "inet:127.0.0.1:$port") {
		my ($kind) = $way =~ /^(\w+)/;
		my $s = server(main => "virtual_transport = lmtp:$way\nvirtual_mailbox_domains = example.org\nvirtual_mailbox_maps = static:all\n");
		my %before = map { $_ => scalar $s->mails("$dir/vmail/$_") } qw(alice bob);
		my $c = $s->client;
		my $r = $c->send_mail(to => ['alice@example.org', 'bob@example.org', 'nouser@example.org'], text => "Subject: by $kind\n\nhello\n.dot\n..dots\nlast\n");
		like($r, qr/^250/, "$kind: accepted");
		for my $u (qw(alice bob)) {
			my @m = grep { /^Subject: by $kind\r?$/m } $s->wait_mails("$dir/vmail/$u", $before{$u} + 1);
			is(scalar @m, 1, "$kind: one mail in ${u}'s Maildir") or diag $s->log . (slurp("$dir/dovecot.log") // '');
			(my $t = $m[0] // '') =~ s/\r\n/\n/g;
			like($t, qr/^Return-Path: <sender\@example\.net>$/m, "$kind: Dovecot got the sender");
			like($t, qr/\n\nhello\n\.dot\n\.\.dots\nlast\n+\z/, "$kind: the message is whole, dots and all");
			my $relay = $kind eq 'unix' ? qr/\S+\[\Q$dir\E\/lmtp\]/ : qr/127\.0\.0\.1\[127\.0\.0\.1\]:$port/;
			ok($s->wait_log(qr/lmtp\[\d+\]: \w+: to=<$u\@example\.org>, relay=$relay, delay=[\d.]+, delays=[\d.\/]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 <$u\@example\.org> \S+ Saved\)/),
			    "$kind: $u logged as sent") or diag $s->log;
		}
		ok($s->wait_log(qr/to=<nouser\@example\.org>.*dsn=5\.1\.1, status=bounced \(host \S+ said: 550 5\.1\.1 <nouser\@example\.org> User doesn't exist: nouser\@example\.org \(in reply to RCPT TO command\)\)/),
		    "$kind: a user Dovecot does not know bounces") or diag $s->log;
		my $big = "Subject: big $kind\n\n" . join('', map { sprintf "%06d %s\n", $_, 'x' x 60 } 1 .. 20000);
		like($c->send_mail(to => 'carol@example.org', text => $big), qr/^250/, "$kind: a large message");
		my ($m) = wait_for('carol', 15, sub { grep { /^Subject: big $kind\r?$/m } $s->mails("$dir/vmail/carol") })
		    ? grep { /^Subject: big $kind\r?$/m } $s->mails("$dir/vmail/carol") : '';
		$m =~ s/\r\n/\n/g;
		like($m, qr/^Delivered-To: carol\@example\.org$/m, "$kind: Dovecot got the recipient");
		is(length(($m =~ /\n\n(.*)\z/s)[0] // ''), length(($big =~ /\n\n(.*)\z/s)[0]), "$kind: arrived with all its bytes");
		# The bounce to example.net has no name server to ask and stays; everything else must be gone.
		ok(wait_for('queue', 10, sub { !grep { $_->{sender} ne 'MAILER-DAEMON' } $s->queue }), "$kind: only the notice is left in the queue");
		$s->finish;
	}
}

# ---- one reply for each recipient after the message
for my $kind (qw(unix inet)) {
	my $sink = Postrider::Sink->new(lmtp => 1, $kind eq 'unix' ? (path => "$dir/sink") : ());
	my $hop = $kind eq 'unix' ? "unix:$dir/sink" : "inet:127.0.0.1:$sink->{port}";
	my $s = server(main => "virtual_transport = lmtp:$hop\nvirtual_mailbox_domains = example.org\nvirtual_mailbox_maps = static:all\n");
	my $c = $s->client;
	like($c->send_mail(from => '', to => [map { "$_\@example.org" } qw(one dot450 two dot552 rcpt550 three)], text => "Subject: each\n\nx\n"), qr/^250/, "sink, $kind: accepted");
	my @m = $sink->wait_mails(1);
	is(scalar @m, 1, "sink, $kind: one transaction");
	like($m[0]{helo}, qr/^LHLO mx\.example\.com$/, "sink, $kind: LHLO");
	is_deeply([sort map { /<(\w+)/ } @{$m[0]{rcpt}}], [qw(dot450 dot552 one three two)], "sink, $kind: with the recipients that were taken");
	ok($s->wait_log(qr/to=<$_\@example\.org>.*dsn=2\.1\.5, status=sent \(250 2\.1\.5 delivered\)/), "sink, $kind: $_ sent") or diag $s->log for qw(one two three);
	ok($s->wait_log(qr/to=<dot450\@example\.org>.*dsn=4\.2\.2, status=deferred \(host \S+ said: 450 4\.2\.2 mailbox trouble \(in reply to end of DATA command\)\)/),
	    "sink, $kind: refused for now") or diag $s->log;
	ok($s->wait_log(qr/to=<dot552\@example\.org>.*dsn=5\.2\.2, status=bounced \(host \S+ said: 552 5\.2\.2 mailbox trouble \(in reply to end of DATA command\)\)/),
	    "sink, $kind: refused for good") or diag $s->log;
	ok($s->wait_log(qr/to=<rcpt550\@example\.org>.*dsn=5\.1\.1, status=bounced .*in reply to RCPT TO command/), "sink, $kind: refused at once");
	my @q = wait_for('deferred', 10, sub { my @l = $s->queue; @l == 1 && $l[0]{queue_name} eq 'deferred' }) ? $s->queue : ();
	is_deeply([map { $_->{address} } @{$q[0]{recipients} // []}], ['dot450@example.org'], "sink, $kind: only the deferred recipient is left");
	like($q[0]{recipients}[0]{delay_reason} // '', qr/said: 450 4\.2\.2 mailbox trouble/, "sink, $kind: with the reason");
	is(($s->tool('postsuper', '-d', 'ALL'))[0], 0, "sink, $kind: postsuper -d");
	$s->finish;
	$sink->stop;
}
done_testing();

END {
	my $rc = $?;
	if ($dovecot && $$ == $parent) {
		kill TERM => $dovecot;
		my $end = time + 10;
		while (waitpid($dovecot, WNOHANG) == 0) { if (time > $end) { kill KILL => $dovecot; waitpid $dovecot, 0; last } sleep 0.01 }
	}
	$? = $rc;
}
