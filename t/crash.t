#!/usr/bin/perl
# The short form of t/crash: the relay is killed, the power fails, the disk says no; every acknowledged message is accounted for.
use strict;
use warnings;
use Errno qw(EIO);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Crash;

srand($ENV{POSTRIDER_SEED} // 1);
cut_store('store', images => 1500);
cut_store('store, everything fails at times', images => 1000,
    fault => { write_errno => EIO, sync_errno => EIO, dsync_errno => EIO, one_in => 60, skip => 100, landed => 1 });
cut_store('store, everything fails, and often', images => 1500, messages => 600, least => 10,
    fault => { write_errno => EIO, sync_errno => EIO, dsync_errno => EIO, one_in => 5, skip => 40, landed => 1 });
cut_server(messages => 400, images => 800);
kill_rounds(rounds => 5);
kill_rounds(rounds => 3, parent => 1) if $> == 0;
fault_tests($_) for qw(map meta);
slow_disk(messages => 500);
done_testing();
