#!/usr/bin/perl
# kill -9 of the relay at random instants under load: every acknowledged message arrives, and what arrives twice had
# an acknowledgement in flight. POSTRIDER_LONG: 100 rounds alone and 100 with a parent; else a few.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Postrider;
use Postrider::Crash;

my $rounds = $ENV{POSTRIDER_ROUNDS} // (long() ? 100 : 3);
srand($ENV{POSTRIDER_SEED} // 1);
kill_rounds(rounds => $rounds);
SKIP: {
	skip 'root only: a parent', 1 if $> != 0;
	kill_rounds(rounds => $rounds, parent => 1);
}
done_testing();
