#!/usr/bin/perl
# The tree shows the architecture: modules include only doors of modules above their own in the Makefile's
# list, never a neighbour's room; time is read in base only; sources keep to their size.
use strict;
use warnings;
use FindBin;
use Test::More;

my $top = "$FindBin::Bin/..";
my ($list) = do { local (@ARGV, $/) = ("$top/Makefile"); <> } =~ /^MODULES\s*=\s*((?:.*\\\n)*.*)\n/m;
$list =~ s/\\\n/ /g;
my @modules = split ' ', $list;
my %rank = map { $modules[$_] => $_ } 0 .. $#modules;
my %base = map { $_ => 'base' } qw(base buf arena hash clock log file inet trace);

sub module_of { my ($door) = @_; return $base{$door} // (exists $rank{$door} ? $door : $door =~ /^(\w+?)(?:edit|client)$/ && exists $rank{$1} ? $1 : undef) }

for my $m (@modules) {
	my @bad;
	for my $f (glob("$top/src/$m/*.[ch]"), grep { -e } "$top/include/postrider/$m.h") {
		open my $h, '<', $f or die "$f: $!";
		while (<$h>) {
			if (m{^\s*#\s*include\s+<postrider/([\w.]+?)\.(?:h|def)>}) {
				my $d = $1 eq 'params' ? 'config' : module_of($1);
				push @bad, "$f:$.: no module owns the door $1" unless defined $d;
				push @bad, "$f:$.: $m may not include $1" if defined $d && $rank{$d} > $rank{$m};
			}
			push @bad, "$f:$.: reaches into a neighbour's room" if m{^\s*#\s*include\s+".*/};
			push @bad, "$f:$.: reads the clock" if $m ne 'base' && m{\b(?:time|gettimeofday|clock_gettime)\s*\(} && !m{^\s*[/ ]?\*} && !m{/\*.*\b(?:time|gettimeofday|clock_gettime)\s*\(};
			push @bad, "$f:$.: resolves names behind the resolver's back" if $m !~ /^(?:base|service|table|config)$/ && $f !~ m{(?:own|source|self)\.c$} && m{\b(?:getaddrinfo|gethostbyname)\s*\(} && !m{^\s*[/ ]?\*};
		}
	}
	is(scalar @bad, 0, "module $m keeps to its place") or diag join "\n", @bad;
}
my $parent = 0;
for my $f (map { "$top/src/parent/$_.c" } qw(parent lock)) {
	open my $h, '<', $f or die;
	while (<$h>) { $parent++ unless m{^\s*$|^\s*/?\*|^#include} }
}
cmp_ok($parent, '<', 500, 'what runs as root stays small');
done_testing();
