#!/usr/bin/perl
# The quick start of the README, as root and as an ordinary user, in a copy of etc/quickstart on a free port.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Temp qw(tempdir);
use Postrider;

sub quickstart
{
	my ($user, $mode) = @_;
	my $name = ($user // 'as started') . sprintf ', tree mode %o', $mode;
	my $tree = tempdir('postrider-quick.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
	mkdir "$tree/etc"; mkdir "$tree/build"; mkdir "$tree/build/bin";
	system 'cp', '-r', "$Postrider::TOP/etc/quickstart", "$tree/etc/";
	system 'cp', '-P', glob("$Postrider::BUILD/bin/*"), "$tree/build/bin/";
	my $port = free_port();
	my $master = slurp("$tree/etc/quickstart/master.cf");
	$master =~ s/^2525/$port/m or die 'port';
	spew("$tree/etc/quickstart/master.cf", $master);
	system 'chown', '-R', $user, $tree if $user;
	chmod $mode, $tree;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDOUT, '>', "$tree/build/out"; open STDERR, '>&', \*STDOUT;
		Postrider::become($user) if $user;
		chdir $tree;
		exec 'sh', 'etc/quickstart/run', "$tree/build";
		POSIX::_exit(127);
	}
	my $up = wait_for('port', 20, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) });
	ok($up, "$name: listens") or diag slurp("$tree/build/out");
	if ($up) {
		my $c = Postrider::Client->new(port => $port);
		like($c->send_mail(from => 'you@example.net', to => 'me@quick.test'), qr/^250/, "$name: mail is taken");
		ok(wait_for('mail', 10, sub { glob "$tree/build/quickstart/mail/inbox/new/*" }), "$name: it lands in the Maildir");
		my ($rc, $out) = run_cmd([bin('postqueue'), '-c', "$tree/etc/quickstart", '-p']);
		is($rc, 0, "$name: the queue can be listed");
		is($out, "Mail queue is empty\n", "$name: and is empty");
	}
	kill TERM => $pid;
	waitpid $pid, 0;
	is($?, 0, "$name: stops");
	my $out = slurp("$tree/build/out");
	like($out, qr/status=sent \(delivered to maildir\)/, "$name: logs to standard output");
	my @bad = $out =~ /^.*(?:warning|error|fatal|Sanitizer).*$/mg;
	is("@bad", '', "$name: nothing to complain about");
}
quickstart(undef, 0755);
if ($> == 0) {
	quickstart('nobody', 0700);
	quickstart(undef, 0700);	# a tree that nobody cannot reach
}
done_testing();
