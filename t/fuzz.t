#!/usr/bin/perl
# Each fuzz target takes its seeds: what a fuzzer found once is not found again, and the targets fit the program.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

for my $source (sort glob "$FindBin::Bin/fuzz/*.c") {
	my ($name) = $source =~ m{([^/]+)\.c$};
	my @seeds = sort glob "$FindBin::Bin/fuzz/corpus/$name/*";
	ok(@seeds > 0, "$name has seeds");
	my $said = join '', map { $_ // '' } `$Postrider::BUILD/t/fuzz-replay/$name @seeds 2>&1`;
	is($?, 0, "$name takes its " . @seeds . ' seeds') or diag(substr $said, -4000);
}
done_testing;
