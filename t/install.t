#!/usr/bin/perl
# make install and uninstall: DESTDIR, prefix, what is there afterwards, what is left alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Find;
use File::Spec;
use File::Temp qw(tempdir);
use Postrider;

my $d = tempdir('postrider install.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);	# with a space
sub make
{
	my ($target, @vars) = @_;
	my ($rc, $out, $err) = run_cmd(['env', '-u', 'MAKEFLAGS', '-u', 'MAKELEVEL', 'make', '-s', '-C', $Postrider::TOP, '-o', 'all', 'B=' . File::Spec->abs2rel($Postrider::BUILD, $Postrider::TOP),
	    "DESTDIR=$d", @vars, $target], timeout => 60);
	is($rc, 0, "make $target @vars") or diag "$out$err";
}
sub files { my @f; find({ wanted => sub { push @f, $_ if !-d || -l }, no_chdir => 1 }, $d); return sort map { s/^\Q$d\E//r } @f }

for my $prefix ('/usr/local', '/opt/mail') {
	make('install', "prefix=$prefix");
	my %have = map { $_ => 1 } files();
	my @programs = qw(postrider sendmail postqueue postsuper postcat postconf postmap postlog);
	ok(-f "$d$prefix/sbin/$_" && !-l "$d$prefix/sbin/$_" && (stat _)[2] & 0111, "$prefix: $_") for @programs;
	my %link = (postfix => 'postrider', mailq => 'sendmail', newaliases => 'sendmail', postalias => 'postmap');
	is(readlink("$d$prefix/sbin/$_"), $link{$_}, "$prefix: $_ is $link{$_}") for sort keys %link;
	ok($have{"$prefix/share/man/$_"}, "$prefix: $_") for qw(man8/postrider.8 man5/main.cf.5 man5/master.cf.5 man1/postconf.1 man1/sendmail.1);
	ok($have{'/etc/postrider/master.cf'}, 'a master.cf');
	my ($rc, $out) = run_cmd(["$d$prefix/sbin/postconf", '-c', "$Postrider::TOP/etc/quickstart", '-h', 'mail_name']);
	is("$rc $out", "0 Postrider\n", "$prefix: what is installed runs");
	like((run_cmd(["$d$prefix/sbin/mailq", '-C', "$d/nosuch"]))[2], qr/fatal: open/, "$prefix: a program by its other name");
	ok(!(grep { -k $_ || -u $_ || -g $_ } glob("'$d'$prefix/sbin/*")), "$prefix: nothing is setuid or setgid");
	# again: the administrator's file stays
	spew("$d/etc/postrider/master.cf", "# mine\n");
	make('install', "prefix=$prefix");
	is(slurp("$d/etc/postrider/master.cf"), "# mine\n", 'master.cf is not overwritten');
	make('uninstall', "prefix=$prefix");
	is_deeply([files()], ['/etc/postrider/master.cf'], "$prefix: uninstall leaves the configuration alone");
}
done_testing();
