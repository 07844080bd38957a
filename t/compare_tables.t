#!/usr/bin/perl
# The same questions to both postmap programs: Debian's Postfix and ours, on the same configuration and sources. Every
# difference is printed, and fails unless it is one of those listed below with its reason. POSTRIDER_LONG=1 asks each
# question in a run of its own, too.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX ();
use Test::More;
use Postrider;
use Postrider::Reference;

plan skip_all => 'no Postfix here' unless Postrider::Reference::have();

# [table, what is in the output of either, reason]
my @explained = (
	[qr/^nis:/, qr/nis/i, 'nis: is refused'],
);

my @addresses = qw(alice@example.com ALICE@Example.COM alice+x@example.com bob@example.net bob@sub.example.net example.com .example.com sub.example.com @example.com postmaster alice alice+tag
    root a.b.c@d.e.f nosuch@nowhere.test 192.0.2.1 192.0.2.200 10.1.2.3 2001:db8::1 2001:DB8:0:0::1 ::1 [192.0.2.1] mail.example.org user%x@y a!b MAILER-DAEMON owner-list list-request);
my @odd = ('', ' ', 'a b', "a\tb", '#x', '/x/', '$1', '${x}', 'a=b', 'a:b', '"q r"@example.com', 'x' x 300, "caf\xc3\xa9", "CAF\xc3\x89\@example.com", "\xe9", '\\', 'key,with,commas', '{brace}', '%s', 'a@b@c', '*', '.', 'aabaa@x', 'abcd', 'obsolete', 'user@xn--caf-dma.test');
my $plain = "# comment\nalice\@example.com\tone\n\nExample.COM  two  words\n   continued line\n.example.com dot\n\@example.com at\nbob\@example.net \$1 \${x} \$\$\nalice a1\nalice a2\nroot\t x, y ,z\n" .
    "\"q r\"\@example.com quoted\n192.0.2.1 addr\n192.0.2 net\nonlykey\ncaf\xc3\xa9 utf8\nCAF\xc3\x89\@example.com utf8upper\n# last\n{brace} b\n* star\na:b colon\nlist-request req\nowner-list own\n";
my $patterns = "# comment\n/^alice(\\+[a-z]+)?\@/ one \$1\nif /example\\.net\$/\n/^(b)(o)b\@(.*)\$/ \${2}-\$(1)-\$3\n!/sub/ not sub\nendif\n/^postmaster\$/i PM\n/Root/i case\n!/[a-z0-9@.+:%!\\[\\]-]/ odd\n" .
    "/^x{300}\$/ long\n/^(a)?(lice)\$/ <\$1><\$2>\n/caf.+/ cafe\n/a b/ space\n/\\\$1/ \$\$literal\n/^192\\.0\\.2\\.([0-9]+)\$/ host \$1\n/(unclosed\n/x/q badflag\n/two/ \$9\n/three/ \$x\n/^(a+)b\\1\@x/ back \$1\n/^caf.\$/ one byte\n/obsolete/X old\n/^(a|ab)(c|bcd)(d*)\$/ <\$1><\$2><\$3>\nnot a rule\nendif\nif /never\n/^\\[/ bracket\n/%s/ percent\n";
my $cidr = "# c\n192.0.2.0/25 low\n192.0.2.128/25\thigh half\n!10.0.0.0/8 not ten\nif 10.0.0.0/8\n10.1.0.0/16 ten one\nendif\n2001:db8::/32 doc\n192.0.2.1/24 bad host bits\n300.1.1.1 x\n[::1] six\n1.2.3.4/33 mask\nendif\nword x\n10.0.0.0/8\n";
my %file = (plain => $plain, patterns => $patterns, cidr => $cidr, empty => '', aliases => "postmaster: root\nroot: alice, bob\nlist: :include:/x, \"|cmd arg\", /file\n\"q r\": x\nAlice: a\nfolded: a,\n b,\n c\nbad line\n: novalue\nempty:\n",
    text => join('', map { "user$_\@domain$_.example\tmailbox$_\n" } 1 .. 200), transport => "example.com smtp:[mx.example.com]:25\n.example.com :\n* error:5.1.2 no such domain\n", files1 => "a \@CONF\@/plain\nb \@CONF\@/none\n",
    map({ ("v$_" => "value $_\n") } 1 .. 3));
$file{"b$_"} = $file{$_} for qw(plain empty text transport);	# btree: and hash: would share a file
my @tables = (	# spec, keys, options
	(map { my $t = $_; my $f = $t eq 'btree' ? 'b' : ''; (["$t:\@CONF\@/${f}plain", [@addresses, @odd]], ["$t:\@CONF\@/${f}text", [map { "user$_\@domain$_.example" } 1 .. 210]], ["$t:\@CONF\@/${f}empty", \@odd], ["$t:\@CONF\@/${f}transport", \@addresses]) } qw(hash btree lmdb texthash)),
	["hash:\@CONF\@/plain", [@addresses, @odd], '-f'], ["texthash:\@CONF\@/plain", [@addresses, @odd], '-u'], ["hash:\@CONF\@/none", \@addresses], ["texthash:\@CONF\@/none", ['a']],
	["hash:\@CONF\@/aliases", [qw(postmaster root list alice Alice folded empty bad), 'q r', '"q r"']],
	(map { ["$_:\@CONF\@/patterns", [@addresses, @odd]], ["$_:\@CONF\@/none", ['a']], ["$_:{{/^(.*)\@(.*)\$/ \$2 at \$1}, {/x/ y}}", [@addresses, @odd]] } qw(regexp pcre)),
	["cidr:\@CONF\@/cidr", [@addresses, @odd]], ["cidr:{{192.0.2.0/24 in}, {0.0.0.0/0 all}, {::/0 six}}", [@addresses, @odd]], ["cidr:\@CONF\@/none", ['a']],
	['static:value', [@addresses, @odd]], ['static:{two words}', \@addresses], ['static:{ spaced }', ['a']], ['static:{unclosed', ['a']],
	['inline:{alice=one, {bob@example.net = two words}, {a b = c}, root = }', [@addresses, @odd]], ['inline:{alice}', ['alice']], ['inline:alice=one', ['alice']], ['inline:{}', ['a']], ['inline:{ {a = b} , c=d }', [qw(a c)]],
	['fail:reason', ['alice']], ['environ:x', [qw(PATH HOME NOSUCH)]], ['unix:passwd.byname', [qw(root nobody nosuchuser ROOT)]], ['unix:group.byname', [qw(root nogroup nosuch)]], ['unix:shadow.byname', ['root']],
	['randmap:{same}', [@addresses]], ['randmap:{same,same}', ['a']], ['randmap:{}', ['a']], ['randmap:x', ['a']],
	["unionmap:{texthash:\@CONF\@/plain, inline:{alice=three}, static:all}", [@addresses, @odd]], ['unionmap:{inline:{a=b}, inline:{a=c, d=e}}', [qw(a d f)]], ['unionmap:{fail:x, static:y}', ['a']], ['unionmap:{static:y, fail:x}', ['a']], ['unionmap:{}', ['a']], ['unionmap:{none}', ['a']],
	["pipemap:{inline:{alice=bob\@example.net}, texthash:\@CONF\@/plain}", [@addresses]], ['pipemap:{static:x, inline:{x=y}}', [qw(a x)]], ['pipemap:{static:x, fail:y}', ['a']], ['pipemap:{inline:{a=b}, inline:{c=d}}', ['a']],
	['nosuch:x', ['a']], ['plain', ['a']], [':x', ['a']], ['hash:', ['a']], ['nis:x', ['a']], ["texthash:\@CONF\@", ['a']],
	["texthash:\@CONF\@/files1", [qw(a b)], '-F'], ["inline:{a=\@CONF\@/v1, {b=\@CONF\@/v1 \@CONF\@/v2}, c=\@CONF\@/none}", [qw(a b c d)], '-F'],
	["sqlite:\@CONF\@/sql", ['alice', 'ALICE', q(' OR 1=1 --), 'bob@example.net', 'x%y', @odd]], ["sqlite:\@CONF\@/sqlbad", ['alice']], ["sqlite:\@CONF\@/none", ['a']],
);
# Ours are asked on the same files with a main.cf of their own: the place of the other's lmdb files is another.
my %sql = (sql => "dbpath = \@CONF\@/db\nquery = SELECT v FROM t WHERE k = '%s' OR k = '%u'\n", sqlbad => "dbpath = \@CONF\@/db\nquery = SELECT nosuch FROM t\n");
my $theirs = Postrider::Reference->new(main => "smtputf8_enable = yes\nmyhostname = mx.example.com\nmydestination =\ndefault_database_type = hash\n", files => { %file, %sql });
my $ours = Postrider::Reference->new(main => "smtputf8_enable = yes\nmyhostname = mx.example.com\nmydestination =\ndefault_database_type = hash\n", files => { %file, %sql });

sub ours { my ($name, @args) = @_; my %o = @args && ref $args[-1] eq 'HASH' ? %{pop @args} : (); return run_cmd([bin($name), '-c', $ours->{conf}, @args], %o) }
sub plainly { my ($text, $r) = @_; $text =~ s/\Q$r->{dir}\E/DIR/g; $text =~ s/\.(?:db|lmdb)\b/.db/g; return $text }	# ours are all LMDB
# What one says: exit status, output, errors; lines of a fatal end that only say that it came to one are the same in both.
sub said { my ($rc, $out, $err, $r) = @_; $_ = plainly($_, $r) for $out, $err; return "exit $rc\n$out" . ($err ne '' ? "errors:\n$err" : '') }
# Postfix's programs wait a second before they end with a fatal error: questions are put by several processes at a time.
my @questions;
sub question { my ($spec, $count, $what, @args) = @_; push @questions, { spec => $spec, count => $count, what => $what, args => \@args } }
sub ask
{
	my ($q) = @_;
	my @args = @{$q->{args}};
	my %o = @args && ref $args[-1] eq 'HASH' ? %{pop @args} : ();
	return [said($theirs->tool('postmap', map({ $theirs->expand($_) } @args), \%o), $theirs), said(ours('postmap', map({ $ours->expand($_) } @args), \%o), $ours)];
}
sub ask_all
{
	my $at_once = 12;
	my @pipes = map { my $n = $_;
		my $pid = open(my $h, '-|') // die "fork: $!";
		if ($pid == 0) {
			binmode STDOUT;
			for (my $i = $n; $i < @questions; $i += $at_once) { my ($a, $b) = @{ask($questions[$i])}; print pack 'N/a* N/a*', $a, $b }
			close STDOUT;
			POSIX::_exit(0);
		}
		$h } 0 .. $at_once - 1;
	for my $n (0 .. $#pipes) {
		my $h = $pipes[$n];
		my $all = do { local $/; binmode $h; <$h> };
		close $h;
		for (my $i = $n; $i < @questions; $i += $at_once) { (my $x, my $y, $all) = unpack 'N/a* N/a* a*', $all; $questions[$i]{said} = [$x, $y] }
	}
}
my ($pairs, $equal, $noted, $skipped) = (0, 0, 0, 0);
sub judge
{
	my ($q) = @_;
	my ($spec, $what) = @$q{qw(spec what)};
	my ($a, $b) = @{$q->{said}};
	$pairs += $q->{count};
	if ($a eq $b) { $equal += $q->{count}; return }
	for my $e (@explained) { if ($spec =~ $e->[0] && $a =~ $e->[1] && $b =~ $e->[1]) { $noted += $q->{count}; note("$spec, $what: $e->[2]"); return } }
	fail("$spec, $what");
	diag("Postfix: ${a}postrider: $b");
}

# Sources of indexed tables, made by each for itself.
for my $source (qw(plain text empty transport aliases)) {
	for my $type (grep { $theirs->knows($_) } $source eq 'aliases' ? 'hash' : qw(hash btree lmdb)) {
		my $program = $source eq 'aliases' ? 'postalias' : 'postmap';
		my $spec = "$type:\@CONF\@/" . ($type eq 'btree' ? 'b' : '') . $source;
		is(said(ours($program, $ours->expand($spec)), $ours), said($theirs->tool($program, $theirs->expand($spec)), $theirs), "$program $spec");
	}
}
for my $r ($theirs, $ours) { system('python3', '-c', "import sqlite3; d = sqlite3.connect('$r->{conf}/db'); d.execute('create table t (k text, v text)'); d.executemany('insert into t values (?, ?)', [('alice', 'one'), ('alice', 'two'), ('bob', 'b'), ('x%y', 'p')]); d.commit()") }
for my $t (@tables) {
	my ($spec, $keys, @options) = @$t;
	my ($type) = $spec =~ /^(\w*)/;
	if ($type =~ /^(?:btree|hash|lmdb|pcre|sqlite)$/ && !$theirs->knows($type)) { $skipped += @$keys; note("$spec: Postfix has no $type: here"); next }
	my @named = grep { $_ ne '' && !/\n/ } @$keys;
	question($spec, scalar @named, 'all keys at once', @options, '-q', '-', $spec, { stdin => join '', map { "$_\n" } @named });
	next unless $ENV{POSTRIDER_LONG} || @$keys < 4;
	question($spec, 1, "'$_'", @options, '-q', $_, $spec) for @$keys;
}
ask_all();
judge($_) for @questions;
cmp_ok($pairs, '>=', 500, "$pairs pairs of key and table: $equal equal, $noted explained, $skipped not asked");
done_testing();
