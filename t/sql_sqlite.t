#!/usr/bin/perl
# sqlite:, and what all tables that ask a server share: parameters, templates, changed files, files for root's eyes, check.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep);
use Postrider;

plan skip_all => 'no Python with SQLite' unless have('python3') && (run_cmd(['python3', '-c', 'import sqlite3']))[0] == 0;
my $dir = File::Temp::tempdir('postrider-l.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
chmod 0755, $dir;
sub sql { my ($file, $text) = @_; my ($rc, $out, $err) = run_cmd(['python3', '-c', "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.executescript(sys.stdin.read())\nc.commit()", $file], stdin => $text); die $err if $rc }
sql("$dir/db", "create table t(k text, v text, w text);\ninsert into t values ('a','one','not this'),('many','1',NULL),('many',NULL,NULL),('many','2',NULL),('quo''te','q',NULL),('back\\slash','b',NULL),('\xc3\xbc','x',NULL),('empty','',NULL);\n" .
    "insert into t values ('user\@in.test','dest\@example.net',NULL),('addr','local\@dom.test',NULL),('noat','plain',NULL);");
my $cf = sub { my ($query, $more) = @_; return "dbpath = $dir/db\n" . (defined $query ? "query = $query\n" : '') . ($more // '') };
my $q = "SELECT v FROM t WHERE k = '%s'";
my $s = server(
    main => "virtual_alias_domains = in.test\nvirtual_alias_maps = sqlite:\${config_directory}/plain.cf\nmydestination = example.net\nlocal_recipient_maps = static:x\nlocal_transport = discard\n" .
	"legacy_dbpath = $dir/db\nmyq = SELECT v FROM t WHERE k = '%s'\nlegacy_query = \$myq\nlegacy_result_format = <%s>\nsmtpd_error_sleep_time = 0\n",
    files => { 'plain.cf' => $cf->($q), 'columns.cf' => $cf->("SELECT v, w FROM t WHERE k = '%s'; SELECT 2"), 'old.cf' => $cf->(undef, "table = t\nselect_field = v\nwhere_field = k\nadditional_conditions = ORDER BY v DESC\n"),
	'noold.cf' => $cf->(undef, "table = t\nselect_field = v\n"), 'value.cf' => $cf->($q, "result_format = %u at %d\n"), 'parts.cf' => $cf->("SELECT '%s|%u|%d|%S|%U|%D|%1|%2|%%'"),
	'key.cf' => $cf->("SELECT v FROM t WHERE v = 'one'", "result_format = %s %S %U %D %1\n"), 'user.cf' => $cf->("SELECT '%u'"), 'domain.cf' => $cf->("SELECT '%s'", "domain = in.test, inline:{x.test=x}\n"),
	'baddomain.cf' => $cf->("SELECT '%s'", "domain = fail:x\n"), 'limit.cf' => $cf->($q, "expansion_limit = 1\n"), 'none.cf' => "dbpath = $dir/none\nquery = $q\n", 'notdb.cf' => "dbpath = /etc/passwd\nquery = $q\n",
	'syntax.cf' => $cf->("SELEKT '%s'"), 'number.cf' => $cf->($q, "expansion_limit = 1x\n"), 'line.cf' => $cf->($q, "nonsense\n"), 'template.cf' => $cf->($q, "result_format = %x\n"), 'raw.cf' => $cf->("SELECT '\$myhostname'"),
	'slow.cf' => $cf->("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c") });

sub query_is { my ($what, $table, $key, $want, $err, @option) = @_;
	my ($rc, $out, $e) = $s->tool('postmap', '-q', $key, $table =~ /:/ ? $table : "sqlite:$s->{conf}/$table.cf");
	chomp $out;
	is($rc == 0 ? $out : "rc $rc", $want, $what);
	$e =~ s/\Q$s->{conf}\E\///g;
	like($e, $err // qr/^$/, "$what: what is said") }
query_is('a value', 'plain', 'a', 'one');
query_is('rows, one is NULL', 'plain', 'many', '1,2');
query_is('folded', 'plain', 'MANY', '1,2');
query_is('not there', 'plain', 'nope', 'rc 1');
query_is('an empty one', 'plain', 'empty', 'rc 1', qr/^postmap: warning: table "sqlite:plain.cf": empty lookup result for: "empty" -- ignored$/);
query_is('a quote', 'plain', q{quo'te}, 'q');
query_is('a backslash', 'plain', 'back\slash', 'b');
query_is('a key that would be SQL', 'plain', q{' OR 1=1 --@x}, 'rc 1');
query_is('an empty key', 'plain', '', 'rc 1', qr/table "sqlite:plain.cf": empty query string -- ignored|^$/);
query_is('not UTF-8', 'plain', "\xff", 'rc 1', qr/non-UTF-8 key "\?"/);
query_is('the first column, the first statement', 'columns', 'a', 'one');
query_is('the old form', 'old', 'many', '2,1');
query_is('half of it', 'noold', 'a', 'rc 1', qr/^postmap: fatal: noold.cf: bad string length 0 < 1: where_field = $/);
query_is('main.cf', 'sqlite:legacy', 'a', '<one>');
query_is('main.cf, nothing there', 'sqlite:nosuch', 'a', 'rc 1', qr/^postmap: fatal: bad string length 0 < 1: nosuch_dbpath = $/);
query_is('no such file', "sqlite:$dir/nofile", 'a', 'rc 1', qr/^postmap: fatal: open \Q$dir\E\/nofile: No such file or directory$/);
query_is('$name means nothing', 'raw', 'a', '$myhostname');
query_is('parts of a value', 'value', 'addr', 'local at dom.test');
query_is('a value without them', 'value', 'noat', 'rc 1');
query_is('parts of a key', 'parts', 'u.x@a.b.test', 'u.x@a.b.test|u.x|a.b.test|u.x@a.b.test|u.x|a.b.test|test|b|%');
query_is('too few labels', 'parts', 'u@test', 'rc 1');
query_is('empty labels do not count', 'parts', 'u@a..b.', 'u@a..b.|u|a..b.|u@a..b.|u|a..b.|b|a|%');
query_is('no local part', 'parts', '@a.b', 'rc 1');
query_is('no domain', 'parts', 'u@', 'rc 1');
query_is('the last @', 'parts', 'a@b@c.d', 'a@b@c.d|a@b|c.d|a@b@c.d|a@b|c.d|d|c|%');
query_is('parts of a key in the result', 'key', 'u@a.b', 'one u@a.b u a.b b');
query_is('and none', 'key', 'u', 'rc 1');
query_is('%u of all', 'user', 'whole', 'whole');
query_is('domain', 'domain', 'a@in.test', 'a@in.test');
query_is('domain in a table', 'domain', 'a@x.test', 'a@x.test');
query_is('another', 'domain', 'a@out.test', 'rc 1');
query_is('none at all', 'domain', 'in.test', 'rc 1');
query_is('a domain list that cannot tell', 'baddomain', 'a@b', 'rc 1', qr{^postmap: warning: baddomain.cf: fail:x: table lookup problem\npostmap: fatal: table sqlite:\S+: query error: Application error\n$});
query_is('expansion_limit', 'limit', 'many', 'rc 1', qr/warning: dict_sqlite_lookup: limit.cf: Expansion limit exceeded for key 'many'\n/);
query_is('no data base', 'none', 'a', 'rc 1', qr/fatal: sqlite:none.cf: Can't open database: unable to open database file/);
ok(!-e "$dir/none", 'none is made');
query_is('not a data base', 'notdb', 'a', 'rc 1', qr/^postmap: fatal: dict_sqlite_lookup: notdb.cf: SQL prepare failed: file is not a database\?$/);
query_is('no SQL', 'syntax', 'a', 'rc 1', qr/^postmap: fatal: dict_sqlite_lookup: syntax.cf: SQL prepare failed: near "SELEKT": syntax error\?$/);
query_is('no number', 'number', 'a', 'rc 1', qr/^postmap: fatal: number.cf: bad numerical configuration: expansion_limit = 1x$/);
query_is('no parameter', 'line', 'a', 'rc 1', qr/^postmap: fatal: line.cf, line 3: missing '=' after attribute name: "nonsense"$/);
query_is('a bad template', 'template', 'a', 'rc 1', qr/^postmap: fatal: db_common_parse: template.cf: Invalid result template: %x$/);
my ($rc, $out, $err) = $s->tool('postmap', "sqlite:$s->{conf}/plain.cf");
like($err, qr/fatal: unsupported dictionary type: sqlite does not support bulk-mode creation\./, 'it cannot be made');

# ---- the server: a changed file, a changed data base
sub ask { my ($to) = @_; my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); my $r = $x->cmd("RCPT TO:<$to>"); $x->quit; return $r }
like(ask('user@in.test'), qr/^250/, 'an alias');
like(ask('new@in.test'), qr/^550/, 'none');
sql("$dir/db", "insert into t values ('new\@in.test', 'x\@example.net', NULL);");
like(ask('new@in.test'), qr/^250/, 'a new row counts at once');
sql("$dir/other", "create table t(k text, v text, w text);\ninsert into t values ('other\@in.test', 'x\@example.net', NULL), ('user\@in.test', 'x\@example.net', NULL);");
chmod 0644, "$dir/other";
rename "$dir/db", "$dir/kept" or die $!;
rename "$dir/other", "$dir/db" or die $!;
like(ask('other@in.test'), qr/^250/, 'another data base in its place counts at once');
like(ask('new@in.test'), qr/^550/, 'what the old one had does not');
rename "$dir/kept", "$dir/db" or die $!;
like(ask('new@in.test'), qr/^250/, 'the old one is back');
$s->write_conf('plain.cf', $cf->("SELECT v FROM t WHERE k = '%s' AND k LIKE 'new%%'"));
ok(wait_for('the new query', 15, sub { sleep 0.1; ask('user@in.test') =~ /^550/ }), 'a new query counts soon');
like(ask('new@in.test'), qr/^250/, 'it does');
$s->write_conf('plain.cf', "nonsense\n");
ok($s->wait_log(qr/error: \S+plain\.cf, line 1: missing '=' after attribute name: "nonsense" \(the old contents stay in force\)/), 'a broken file is named');
like(ask('new@in.test'), qr/^250/, 'and the old one stays in force');
$s->{allow} = [qr/missing '='/];
$s->finish;

# ---- a query without end
my $t = server(main => "virtual_alias_maps = sqlite:\${config_directory}/slow.cf\npostrider_table_time_limit = 1s\nlocal_transport = discard\nlocal_recipient_maps = static:x\n",
    files => { 'slow.cf' => $cf->("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c WHERE x > 1 AND '%s' <> ''") });
my $c = $t->client; $c->cmd('EHLO c'); $c->cmd('MAIL FROM:<a@example.com>');
like($c->cmd('RCPT TO:<a@example.com>'), qr/^451 4\.3\.0 <a\@example\.com>: Temporary lookup failure/, 'a query without end is ended');
$t->{allow} = [qr/slow\.cf|lookup failure/];
$t->finish;

# ---- check, and a plug-in that is not there
my $u = server(start => 0, main => "virtual_alias_maps = sqlite:\${config_directory}/none.cf, nosuchtype:x\n", files => { 'none.cf' => "dbpath = $dir/none\nquery = $q\n" });
($rc, $out, $err) = $u->tool('postrider', 'check');
is($rc, 2, 'check objects');
like("$out$err", qr/sqlite:\S+none\.cf: Can't open database/, 'to the data base');
like("$out$err", qr/unsupported dictionary type: nosuchtype/, 'and the type');
{
	my $bin = "$dir/bin";
	mkdir $bin, 0755;
	run_cmd(['cp', bin('postmap'), bin('postconf'), $bin]);
	my ($rc, $out, $err) = run_cmd(["$bin/postmap", '-c', $u->{conf}, '-q', 'a', "mysql:$u->{conf}/none.cf"]);
	SKIP: {
		skip 'plug-ins are installed', 3 if run_cmd(["$bin/postconf", '-m']) && (run_cmd(["$bin/postconf", '-m']))[1] =~ /mysql/;
		is($rc, 1, 'a plug-in that is missing');
		like($err, qr/^postmap: fatal: unsupported dictionary type: mysql\. \S+table_mysql\.so: cannot open shared object file: No such file or directory$/, 'is named');
		unlike((run_cmd(["$bin/postconf", '-m']))[1], qr/^(?:mysql|pgsql|ldap|redis)$/m, 'and not listed');
	}
	like((run_cmd(["$bin/postconf", '-m']))[1], qr/^sqlite$/m, 'sqlite is');
}

# ---- files that only root may read
SKIP: {
	skip 'needs root', 3 if $> != 0;
	my $p = server(user => undef, main => "virtual_alias_domains = in.test\nvirtual_alias_maps = sqlite:\${config_directory}/secret.cf\nmydestination = example.net\nlocal_recipient_maps = static:x\nlocal_transport = discard\n",
	    start => 0, files => { 'secret.cf' => "dbpath = $dir/secret\nquery = $q\n" });
	run_cmd(['cp', "$dir/db", "$dir/secret"]);
	chmod 0600, "$dir/secret", "$p->{conf}/secret.cf";
	$p->start;
	my $x = $p->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>');
	is((stat "/proc/" . $p->relay_pid)[4], scalar getpwnam('nobody'), 'the relay is not root');
	like($x->cmd('RCPT TO:<user@in.test>'), qr/^250/, 'a table and a data base that only root may read');
	like($x->cmd('RCPT TO:<nobody@in.test>'), qr/^550/, 'are read');
	$p->finish;
}

# ---- write-ahead log, in a directory that only root may write: it can be read while some writer has it open
SKIP: {
	skip 'needs root', 1 if $> != 0;
	sql("$dir/wal", "pragma journal_mode = wal;\ncreate table t(k text, v text);\ninsert into t values ('user\@in.test', 'dest\@example.net');");
	chmod 0644, "$dir/wal";
	my $p = server(main => "virtual_alias_domains = in.test\nvirtual_alias_maps = sqlite:\${config_directory}/wal.cf\nmydestination = example.net\nlocal_recipient_maps = static:x\nlocal_transport = discard\nsmtpd_error_sleep_time = 0\n",
	    files => { 'wal.cf' => "dbpath = $dir/wal\nquery = $q\n" });
	my $x = $p->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>');
	like($x->cmd('RCPT TO:<user@in.test>'), qr/^451 4\.3\.0 <user\@in\.test>: Temporary lookup failure/, 'closed: the log cannot be made, not now');
	ok($p->wait_log(qr{fatal: dict_sqlite_lookup: \S+/wal\.cf: SQL prepare failed: attempt to write a readonly database\?\n}), 'why');
	my $pid = open(my $w, '|-', 'python3', '-c', "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.execute(\"insert into t values ('new\@in.test', 'x\@example.net')\")\nc.commit()\nsys.stdin.read()", "$dir/wal") or die;
	ok(wait_for('the writer', 20, sub { sleep 0.05; $x = $p->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->cmd('RCPT TO:<new@in.test>') =~ /^250/ }), 'open: what is in the log counts');
	like($x->cmd('RCPT TO:<user@in.test>'), qr/^250/, 'and what was there');
	close $w;
	$p->{allow} = [qr/dict_sqlite_lookup|lookup error|lookup failure/];
	$p->finish;
}
done_testing();
