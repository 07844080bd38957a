#!/usr/bin/perl
# When the disk says no: a full file system, a full map, errors of writes and barriers, under load. The client is answered
# 452 4.3.1, what was queued is delivered and removed nevertheless, nothing is lost, and with room it goes on by itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Postrider;
use Postrider::Crash;

fault_tests($_) for qw(disk map others sync meta write);
slow_disk(messages => long() ? 5000 : 1000);
done_testing();
