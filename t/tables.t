#!/usr/bin/perl
# Lookup tables from outside: postmap and postalias make, change and ask them, also while a server uses them; postlog.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use POSIX qw(:sys_wait_h);
use Test::More;
use Postrider;

my $s = server(main => "mydestination =\nvirtual_alias_domains = example.com\nvirtual_alias_maps = hash:\@DIR\@/etc/virtual\n" .
    "smtpd_recipient_restrictions = permit_mynetworks, reject\ndefault_transport = discard\ndefault_database_type = hash\n",
    files => { virtual => "one\@example.com x\@example.net\n" });
my $dir = $s->{conf};
sub file { my ($name, $text) = @_; spew("$dir/$name", $text, 0644); return "$dir/$name" }
sub tool_is { my ($what, $tool, $args, $rc, $out, $err, %o) = @_;
	my ($r, $got, $e) = $s->tool($tool, @$args, \%o);
	$e =~ s/\Q$dir\E\///g;
	is("$r\n$got$e", "$rc\n$out$err", $what) }

# ---- making and asking
my $t = file('table', "Key  value one\n two\n# c\nnovalue\na A\nKEY again\n");
tool_is('a source with faults', 'postmap', [$t], 0, '',
    "postmap: warning: table, line 4: expected format: key whitespace value\npostmap: warning: table.db: duplicate entry: \"key\"\n");
ok(-e "$t.lmdb" && !-e "$t.db", 'the table is an LMDB file');
tool_is('a key is found', 'postmap', ['-q', 'KEY', $t], 0, "value one two\n", '');
tool_is('as lmdb, too', 'postmap', ['-q', 'KEY', "lmdb:$t"], 0, "value one two\n", '');
tool_is('one is not', 'postmap', ['-q', 'nokey', $t], 1, '', '');
tool_is('several keys', 'postmap', ['-q', '-', $t], 0, "a\tA\nkey\tvalue one two\n", '', stdin => "a\nb\nkey\n");
tool_is('all of it', 'postmap', ['-s', $t], 0, "a\tA\nkey\tvalue one two\n", '');
tool_is('removed', 'postmap', ['-d', 'a', $t], 0, '', '');
tool_is('removed twice', 'postmap', ['-d', 'a', $t], 1, '', '');
tool_is('added', 'postmap', ['-i', $t], 0, '', "postmap: warning: table.db: duplicate entry: \"key\"\n", stdin => "key other\nb B\n");
tool_is('replaced', 'postmap', ['-ir', $t], 0, '', '', stdin => "key other\n");
tool_is('what is there now', 'postmap', ['-s', $t], 0, "b\tB\nkey\tother\n", '');
tool_is('no such source', 'postmap', ["$dir/none"], 1, '', "postmap: fatal: open none: No such file or directory\n");
tool_is('a type that is not made', 'postmap', ["texthash:$t"], 1, '', "postmap: fatal: unsupported dictionary type: texthash does not support bulk-mode creation.\n");
tool_is('an error is no "not found"', 'postmap', ['-q', 'a', 'fail:x'], 1, '', "postmap: fatal: table fail:x: query error: Application error\n");
tool_is('headers and bodies', 'postmap', ['-hb', '-q', '-', 'pcre:{{/^(.*)$/ <$1>}}'], 0, "A: b\n c\t<A: b\n c>\n\t<>\nd\t<d>\n", '', stdin => "A: b\n c\n\nd\n");
my $al = file('al', "Root: alice,\n bob\n\"two words\": x\na\@b: c\n");
tool_is('aliases', 'postalias', [$al], 0, '', "postalias: warning: al, line 4: name must be local\n");
tool_is('an alias', 'postalias', ['-q', '-', $al], 0, "root:\talice, bob\ntwo words:\tx\n", '', stdin => "root\ntwo words\n");
my ($rc, $out) = $s->tool('postalias', '-s', $al);
like($out, qr/^\@:\t\@\nYP_LAST_MODIFIED:\t\d{10}\nYP_MASTER_NAME:\tmx\.example\.com\nroot:/, 'with its signatures');

# ---- whose it is
SKIP: {
	skip 'needs root', 5 if $> != 0;
	my $own = file('own', "a b\n");
	my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
	chown $uid, $gid, $own;
	chmod 0640, $own;
	tool_is('no writing as root for others', 'postmap', [$own], 1, '', "postmap: fatal: open database own.db: Permission denied\n");
	tool_is('unless wanted', 'postmap', ['-o', $own], 0, '', '');
	is((stat "$own.lmdb")[2] & 0777, 0640, 'read permissions of the source');
	chown $uid, $gid, "$own.lmdb";
	tool_is('what they own already is theirs to replace', 'postmap', [$own], 0, '', '');
	is((stat "$own.lmdb")[4], $uid, 'and stays theirs');
}

# ---- many at the same time
{
	my $i = file('many', "a b\n");
	$s->tool('postmap', $i);
	my @pid;
	for my $n (1 .. 20) {
		my $pid = fork // die;
		if ($pid == 0) { open STDIN, '-|', "echo k$n v$n"; exec bin('postmap'), '-c', $dir, '-i', $i }
		push @pid, $pid;
	}
	waitpid $_, 0 for @pid;
	($rc, $out) = $s->tool('postmap', '-s', $i);
	is(scalar(() = $out =~ /^k\d+\tv\d+$/mg), 20, 'nobody\'s change is lost');
	my @left = grep { !/lmdb$/ } glob "$i.*";
	is("@left", '', 'nothing is left behind');
}
{
	my $big = file('big', join '', map { "key$_ value$_\n" } 1 .. 200_000);
	$s->tool('postmap', $big);
	my $pid = fork // die;
	if ($pid == 0) { exec bin('postmap'), '-c', $dir, $big }
	my ($asked, $bad) = (0, 0);
	while (waitpid($pid, WNOHANG) == 0) { my ($r, $o) = $s->tool('postmap', '-q', 'key199999', $big); $asked++; $bad++ if "$r$o" ne "0value199999\n" }
	ok($asked > 0 && $bad == 0, "a table that is being made answers as before ($asked asked)");
	$pid = fork // die;
	if ($pid == 0) { exec bin('postmap'), '-c', $dir, $big }
	select undef, undef, undef, 0.05;
	kill KILL => $pid; waitpid $pid, 0;
	tool_is('killed in the middle', 'postmap', ['-q', 'key1', $big], 0, "value1\n", '');
	unlink glob "$big*";
}

# ---- the server follows
my $c = $s->client;
$c->cmd('EHLO client.test');
$c->cmd('MAIL FROM:<a@example.net>');
like($c->cmd('RCPT TO:<one@example.com>'), qr/^250/, 'from the source, no table was made');
like($c->cmd('RCPT TO:<two@example.com>'), qr/^550 5\.1\.1 <two\@example\.com>: Recipient address rejected: User unknown in virtual alias table/, 'not there');
file('virtual', "one\@example.com x\@example.net\ntwo\@example.com y\@example.net\n");
tool_is('postmap while it runs', 'postmap', ["hash:$dir/virtual"], 0, '', '');
ok(wait_for('new entry', 10, sub { $c->cmd('RCPT TO:<two@example.com>') =~ /^250/ }), 'an entry more');
$s->tool('postmap', '-d', 'two@example.com', "hash:$dir/virtual");
ok(wait_for('entry gone', 10, sub { $c->cmd('RCPT TO:<two@example.com>') =~ /^550/ }), 'and gone again');

# ---- postlog
is(($s->tool('postlog', '-t', 'my/script', '-p', 'warn', 'some', 'text'))[0], 0, 'postlog');
is(($s->tool('postlog', { stdin => "line one\nline \001two\n" }))[0], 0, 'lines from standard input');
like($s->log, qr/^\w{3} [ \d]\d [\d:]{8} \S+ my\/script\[\d+\]: warning: some text$/m, 'in the server\'s log');
like($s->log, qr/ postfix\/postlog\[\d+\]: line one\n.* postfix\/postlog\[\d+\]: line \?two$/m, 'each line');
is(($s->tool('postlog', '-p', 'loud', 'x'))[0], 1, 'a severity that is none');
like($s->log, qr/postfix\/postlog\[\d+\]: fatal: bad severity: "loud"/, 'is said in the log');
$s->{allow} = [qr/my\/script/, qr/bad severity/];
$s->finish;
done_testing();
