#!/usr/bin/perl
# No two modules define the same external name: they would not link, or worse.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my %where;
for my $lib (glob "$Postrider::BUILD/lib/*.a") {
	(my $m = $lib) =~ s{.*/(\w+)\.a}{$1};
	for (`nm -g --defined-only $lib 2>/dev/null`) { $where{$1}{$m} = 1 if /^[0-9a-f]+ [TDBRC] (\w+)$/ }
}
my @twice = grep { keys %{$where{$_}} > 1 } sort keys %where;
is("@twice", '', 'every name has one module');
done_testing();
