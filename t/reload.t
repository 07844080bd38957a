#!/usr/bin/perl
# A reload whose reading does not come to an end: refused at its time limit, with the old configuration in force; one that is given
# up by who asked for it makes room for the next.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(:sys_wait_h mkfifo);
use Test::More;
use Postrider;

sub in_background
{
	my ($s, @args) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) { open STDOUT, '>', "$s->{dir}/command.out"; open STDERR, '>&', \*STDOUT; { no warnings; exec bin('postrider'), '-c', "$s->{dir}/same", @args } POSIX::_exit(127) }
	return $pid;
}
# A configuration for the command, which looks for the server's socket in it.
sub copy { my ($s, $main) = @_; mkdir "$s->{dir}/same"; spew("$s->{dir}/same/main.cf", $main); spew("$s->{dir}/same/master.cf", slurp("$s->{conf}/master.cf")) }
# The one who reads waits for somebody to write: to be there, and to go.
sub begun { my ($s) = @_; return wait_for('loading', 20, sub { sysopen my $h, "$s->{dir}/fifo", POSIX::O_WRONLY | POSIX::O_NONBLOCK or return undef; $h }) }
my $said = sub { my ($s) = @_; my $t = $s->client; $t->cmd('EHLO client.test'); my $r = $t->cmd('NOOP'); $t->quit; return $t->{greeting} };

# ---- a time limit
{
	my $s = server(main => "smtpd_banner = one\n", test_clock => 1, allow => [qr/reload refused/]);
	my $main = slurp("$s->{conf}/main.cf");
	copy($s, $main);
	mkfifo("$s->{dir}/fifo", 0644) or die "mkfifo: $!";
	$s->write_conf('main.cf', $main =~ s/smtpd_banner = one/smtpd_banner = two/r . "myorigin = $s->{dir}/fifo\n");
	my $pid = in_background($s, 'reload');
	my $writer = begun($s);
	ok($writer, 'a file of the new configuration does not come to its end');
	like($said->($s), qr/^220 one/, 'the old one serves meanwhile');
	$s->advance(299);
	is(waitpid($pid, WNOHANG), 0, 'for five minutes');
	$s->advance(2);
	waitpid $pid, 0;
	isnt($? >> 8, 0, 'then the reload fails');
	like(slurp("$s->{dir}/command.out"), qr/reading the configuration did not finish in time/, '... saying why');
	ok($s->wait_log(qr/reload refused, the configuration stays as it was: reading the configuration did not finish in time/), 'so does the log');
	like($said->($s), qr/^220 one/, 'the old one is in force');
	close $writer;
	$s->write_conf('main.cf', $main =~ s/smtpd_banner = one/smtpd_banner = three/r);
	my ($rc, $out, $err) = $s->tool('postrider', 'reload');
	is("$rc$err", '0', 'another reload');
	like($said->($s), qr/^220 three/, 'is in force');
	$s->finish;
}
# ---- given up
{
	my $s = server(main => "smtpd_banner = one\n");
	my $main = slurp("$s->{conf}/main.cf");
	copy($s, $main);
	mkfifo("$s->{dir}/fifo", 0644) or die "mkfifo: $!";
	$s->write_conf('main.cf', $main =~ s/smtpd_banner = one/smtpd_banner = two/r . "myorigin = $s->{dir}/fifo\n");
	my $first = in_background($s, 'reload');
	my $writer = begun($s);
	ok($writer, 'a reload hangs');
	$s->write_conf('main.cf', $main =~ s/smtpd_banner = one/smtpd_banner = three/r);
	my $second = in_background($s, 'reload');
	like($said->($s), qr/^220 one/, 'the next waits for its turn');
	kill KILL => $first;
	waitpid $first, 0;
	waitpid $second, 0;
	is($? >> 8, 0, 'which comes when the first one is given up');
	like($said->($s), qr/^220 three/, 'and is in force');
	close $writer;
	like($said->($s), qr/^220 three/, 'which changes nothing');
	my ($rc) = $s->tool('postrider', 'reload');
	is($rc, 0, 'and no reload after it');
	$s->finish;
}
done_testing();
