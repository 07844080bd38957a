#!/usr/bin/perl
# /etc/resolv.conf and /etc/hosts change under a running server: written in place, renamed over, symbolic links swapped
# as containers have them. In a network and a mount of its own, for the files are looked at where they are.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Temp qw(tempdir);
use Time::HiRes qw(time sleep);
use Postrider;
use Postrider::DNS;
use Postrider::Sink;

plan skip_all => 'needs root' if $> != 0;
plan skip_all => 'no name spaces here' if system('unshare -n -m true 2>/dev/null') != 0;
if (!$ENV{POSTRIDER_FOLLOW}) {
	$ENV{POSTRIDER_FOLLOW} = tempdir('postrider-follow.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
	my $rc = system 'unshare', '-n', '-m', 'sh', '-c', 'ip link set lo up && cp -a /etc "$POSTRIDER_FOLLOW" && rm -f "$POSTRIDER_FOLLOW/etc/resolv.conf" && ' .
	    'mount --bind "$POSTRIDER_FOLLOW/etc" /etc && exec "$@"', 'sh', $^X, map({ "-I$_" } @INC), $0;
	exit($rc == 0 ? 0 : 1);
}
sub put { my ($f, $t) = @_; spew("$f.new", $t, 0644); rename "$f.new", $f or die "$f: $!" }
sub link_to { my ($f, $to) = @_; symlink $to, "$f.new" or die; rename "$f.new", $f or die "$f: $!" }

my $one = Postrider::DNS->new({ 'one.test' => [[A => '127.0.0.1']] }, port => 53, addr => '127.0.0.1');
my $two = Postrider::DNS->new({ 'two.test' => [[A => '127.0.0.1']] }, port => 53, addr => '127.0.0.2');
my $three = Postrider::DNS->new({ 'three.test' => [[A => '127.0.0.1']] }, port => 53, addr => '127.0.0.3');
my $sink = Postrider::Sink->new;
spew('/etc/hosts', "127.0.0.1 localhost\n", 0644);
put('/etc/resolv.conf', "nameserver 127.0.0.1\n");
my $to = join ', ', map { "$_.dest=smtp:[$_.test]:$sink->{port}" } qw(one two three four five);
my $s = server(main => "postrider_dns_servers =\nsmtp_host_lookup = dns, native\ntransport_maps = inline:{$to}\ndefault_transport = discard:\n");

# Sends until one arrives: before the change is seen the name does not exist.
sub reaches
{
	my ($name, $what) = @_;
	my $t0 = time;
	my $n = grep { $_->{mail} =~ /\@$name\.dest/ || join(' ', map { ref ? @$_ : $_ } values %$_) =~ /\@$name\.dest/ } $sink->mails;
	my $got = wait_for('mail', 20, sub {
		$s->client->send_mail(from => 'f@example.net', to => "u\@$name.dest");
		for (1 .. 20) { sleep 0.02; my @m = grep { join(' ', map { ref ? @$_ : $_ // '' } values %$_) =~ /\@$name\.dest/ } $sink->mails; return 1 if @m > $n }
		return 0;
	});
	ok($got, $what);
	cmp_ok(time - $t0, '<', 8, 'within a few seconds');
}
reaches('one', 'the first resolv.conf');
put('/etc/resolv.conf', "nameserver 127.0.0.2\n");
reaches('two', 'another file renamed over it');
mkdir '/etc/r1'; mkdir '/etc/r2';
spew('/etc/r1/resolv.conf', "nameserver 127.0.0.3\n", 0644);
spew('/etc/r2/resolv.conf', "nameserver 127.0.0.1\n", 0644);
link_to('/etc/data', 'r1');
link_to('/etc/resolv.conf', 'data/resolv.conf');
reaches('three', 'a symbolic link instead of it');
link_to('/etc/data', 'r2');
reaches('one', 'the directory it leads through swapped');
spew('/etc/hosts', "127.0.0.1 localhost\n127.0.0.1 four.test\n", 0644);
reaches('four', '/etc/hosts written in place');
put('/etc/hosts', "127.0.0.1 localhost\n127.0.0.1 four.test five.test\n");
reaches('five', '/etc/hosts renamed over');
unlink '/etc/resolv.conf';
like($s->client->{greeting}, qr/^220/, 'no resolv.conf at all: mail is taken');
put('/etc/resolv.conf', "nameserver 127.0.0.2\n");
reaches('two', 'and back');
$s->finish;
done_testing();
