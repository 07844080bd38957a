#!/usr/bin/perl
# The power fails: images of the disk in which any part of what no barrier covered is missing or torn. Every message that was acknowledged
# by then is there, and the whole queue can be walked and opened again. Also after writes and barriers that failed, when what was
# written may be on the disk or not for good. POSTRIDER_LONG: some 400,000 images; else some 20,000.
use strict;
use warnings;
use Errno qw(EIO);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Postrider;
use Postrider::Crash;

my $images = $ENV{POSTRIDER_IMAGES} // (long() ? 40_000 : 2000);
my $seed = $ENV{POSTRIDER_SEED} // 1;
cut_store("store, seed $_", seed => $_, images => $images) for $seed .. $seed + (long() ? 3 : 1);
my %fault = (
	'failing fdatasync' => { sync_errno => EIO, one_in => 20, skip => 40 },
	'meta page not written' => { dsync_errno => EIO, one_in => 20, skip => 40 },
	'meta page written, yet failing' => { dsync_errno => EIO, one_in => 20, skip => 40, landed => 1 },
	'meta page half written' => { dsync_errno => EIO, one_in => 20, skip => 40, landed => 2 },
	'failing writes' => { write_errno => EIO, one_in => 100, skip => 100 },
	'failing, half made writes' => { write_errno => EIO, one_in => 100, skip => 100, landed => 2 },
	'everything fails at times' => { write_errno => EIO, sync_errno => EIO, dsync_errno => EIO, one_in => 60, skip => 100, landed => 1 },
	# (Several in a row: what the cache shows may then lack two meta pages of the disk's.)
	'everything fails, and often' => { write_errno => EIO, sync_errno => EIO, dsync_errno => EIO, one_in => 5, skip => 40, landed => 1 },
	'small file system' => { fs_bytes => 3_000_000 },
);
cut_store($_, seed => $seed, images => $images, fault => $fault{$_}, /often/ ? (messages => 600, least => 10) : ()) for sort keys %fault;
cut_server(messages => long() ? 10000 : 1500, images => $images, seed => $seed);
done_testing();
