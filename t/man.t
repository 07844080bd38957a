#!/usr/bin/perl
# Manual pages: every program has one, mandoc finds nothing to object to, main.cf(5) is what the table generates.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my $man = "$FindBin::Bin/../man";
for my $p (glob "$man/*.[158]") {
	my ($rc, $out) = run_cmd(['mandoc', '-Tlint', '-Wwarning', $p]);
	$out = join '', grep { !/referenced manual not found/ } split /^/m, $out;
	is($out, '', "$p");
}
for my $b (glob bin('*')) {
	(my $n = $b) =~ s{.*/}{};
	next if $n eq 'postfix' || $n eq 'newaliases';
	$n = "$1_table" if $n =~ /^table_(\w+)\.so$/;
	ok(-e "$man/$n.1" || -e "$man/$n.5" || -e "$man/$n.8", "$n has a manual page");
}
done_testing();
