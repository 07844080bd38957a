#!/usr/bin/perl
# pgsql: with a real PostgreSQL: forms of the query, encodings, a server that dies or hangs.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Backend;

plan skip_all => 'no plug-in for pgsql:' unless -e bin('table_pgsql.so');
my $db = Postrider::Backend->pgsql or plan skip_all => 'no PostgreSQL';
$db->sql(<<'SQL');
create table t(k text, v text, w text);
insert into t values ('a', 'one', NULL), ('two', 'x', 'y'), ('many', '1', '2'), ('many', '3', '4'), ('quo''te', 'q', 'q'), ('back\slash', 'b', 'b'),
 ('ü', 'umlaut', 'x'), ('euro', '€', 'x'), ('alias@v.test', 'dest@example.net', 'x');
create function look(text) returns setof text as $$ select v from t where k = $1 $$ language sql;
SQL
my $hang = Postrider::Backend->relay($db->{port}, hang => qr/HANG/);
my $mute = Postrider::Backend->relay($db->{port}, hang => 'greeting');
my $cf = sub { my ($query, $more, $hosts) = @_; return "hosts = " . ($hosts // "127.0.0.1:$db->{port}") . "\nuser = mail\ndbname = postgres\nretry_interval = 1\n$query\n" . ($more // '') };
my $q = "query = SELECT v, w FROM t WHERE k = '%s'";
my $s = server(
    main => "virtual_alias_domains = v.test, hang.test, mute.test\nvirtual_alias_maps = pgsql:\${config_directory}/alias.cf\nmydestination = example.net\nlocal_recipient_maps = static:x\n" .
	"local_transport = discard\npostrider_table_time_limit = 2s\npostrider_table_connections = 2\nlegacy_hosts = 127.0.0.1:$db->{port}\nlegacy_user = mail\nlegacy_dbname = postgres\nlegacy_select_function = look\n" .
	"smtpd_restriction_classes = hang, mute\nhang = check_recipient_access pgsql:\${config_directory}/hang.cf\nmute = check_recipient_access pgsql:\${config_directory}/mute.cf\n" .
	"smtpd_recipient_restrictions = check_recipient_access inline:{hang\@example.net=hang,mute\@example.net=mute}, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\n",
    files => { 'alias.cf' => $cf->("query = SELECT v FROM t WHERE k = '%s'"), 'plain.cf' => $cf->($q), 'function.cf' => $cf->('select_function = look'),
	'old.cf' => $cf->("table = t\nselect_field = v\nwhere_field = k\nadditional_conditions = limit 1"), 'socket.cf' => $cf->($q, '', "unix:$db->{dir}"),
	'uri.cf' => $cf->($q, "dbname = nosuch\n", "postgresql://mail\@127.0.0.1:$db->{port}/postgres"), 'utf8.cf' => $cf->($q, "encoding = UTF8\n"), 'noenc.cf' => $cf->($q, "encoding = NOSUCH\n"),
	'format.cf' => $cf->($q, "result_format = %s@%d\ndomain = in.test\n"), 'limit.cf' => $cf->($q, "expansion_limit = 3\n"), 'syntax.cf' => $cf->("query = SELEKT '%s'"),
	'command.cf' => $cf->("query = SET x.y TO '%s'"), 'copy.cf' => $cf->('query = COPY t TO STDOUT'), 'second.cf' => $cf->($q, '', "unix:/nonexistent inet:127.0.0.1:$db->{port}"),
	'nodb.cf' => "hosts = 127.0.0.1\nquery = SELECT 1\n", 'template.cf' => $cf->('query = SELECT %x'),
	'hang.cf' => $cf->("query = SELECT 'OK' WHERE 'HANG' = '%s'", '', "127.0.0.1:$hang->{port}"), 'mute.cf' => $cf->("query = SELECT 'OK' WHERE 'x' = '%s'", '', "127.0.0.1:$mute->{port}") });

sub query_is { my ($what, $table, $key, $want, $err) = @_;
	my ($rc, $out, $e) = $s->tool('postmap', '-q', $key, $table =~ /:/ ? $table : "pgsql:$s->{conf}/$table.cf");
	chomp $out;
	is($rc == 0 ? $out : "rc $rc", $want, $what);
	$e =~ s/\Q$s->{conf}\E\///g;
	like($e, $err // qr/^$/, "$what: what is said") }
query_is('two columns', 'plain', 'two', 'x,y');
query_is('NULL counts as empty', 'plain', 'a', 'one', qr/^postmap: warning: table "pgsql:plain.cf": empty lookup result for: "a" -- ignored$/);
query_is('rows', 'plain', 'many', '1,2,3,4');
query_is('not there', 'plain', 'nope', 'rc 1');
query_is('a quote', 'plain', q{quo'te}, 'q,q');
query_is('a backslash', 'plain', 'back\slash', 'b,b');
query_is('a key that would be SQL', 'plain', q{' OR 1=1 --@x}, 'rc 1');
query_is('a function', 'function', 'many', '1,3');
query_is('the old form', 'old', 'many', '1');
query_is('main.cf', 'pgsql:legacy', 'two', 'x');
SKIP: { skip 'the socket has another port', 2 if $db->{port} != 5432; query_is('over the socket', 'socket', 'two', 'x,y') }
query_is('a URI', 'uri', 'two', 'x,y', qr/overriding earlier entry: dbname=postgres/);
query_is('LATIN1: no such key', 'plain', "\xc3\xbc", 'rc 1');
query_is('no such encoding', 'noenc', 'a', 'rc 1', qr/warning: dict_pgsql: cannot set the encoding to NOSUCH, skipping 127\.0\.0\.1:\d+\n/);
query_is('LATIN1: no such value', 'plain', 'euro', 'rc 1', qr/warning: pgsql query failed: fatal error from host 127\.0\.0\.1:\d+: ERROR:  character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"/);
query_is('UTF8', 'utf8', "\xc3\xbc", 'umlaut,x');
query_is('UTF8 value', 'utf8', 'euro', "\xe2\x82\xac,x");
query_is('domain', 'format', 'a@out.test', 'rc 1');
query_is('domain, no local part', 'format', '@in.test', 'rc 1');
query_is('expansion_limit', 'limit', 'many', 'rc 1', qr/warning: dict_pgsql_lookup: limit.cf: Expansion limit exceeded for key: 'many'\n/);
query_is('no SQL', 'syntax', 'a', 'rc 1', qr/warning: pgsql query failed: fatal error from host \S+: ERROR:  syntax error at or near "SELEK/);
query_is('a command', 'command', 'a', 'rc 1');
query_is('a copy', 'copy', 'a', 'rc 1', qr/warning: pgsql query failed: unknown code 0x3 from host/);
query_is('another host', 'second', 'two', 'x,y', qr/^postmap: warning: connect to pgsql server unix:\/nonexistent: connection to server on socket/);
query_is('no dbname', 'nodb', 'a', 'rc 1', qr/^postmap: fatal: nodb.cf: bad string length 0 < 1: dbname = $/);
query_is('a bad template', 'template', 'a', 'rc 1', qr/^postmap: fatal: db_common_parse: template.cf: Invalid query template: SELECT %x$/);

# ---- the server
sub ask { my ($to) = @_; my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); my $r = $x->cmd("RCPT TO:<$to>"); $x->quit; sleep 0.05; return $r }
like(ask('alias@v.test'), qr/^250/, 'an alias');
like(ask('nobody@v.test'), qr/^550 5\.1\.1 <nobody\@v\.test>: Recipient address rejected: User unknown in virtual alias table/, 'none');
$db->kill;
like(ask('alias@v.test'), qr/^451 4\.3\.0 <alias\@v\.test>: Temporary lookup failure/, 'down: not now');
$db->start;
ok(wait_for('up again', 20, sub { ask('alias@v.test') =~ /^250/ }), 'and up again');
$db->kill;
$db->start;
like(ask('alias@v.test'), qr/^250/, 'a connection that died while idle is made anew at once');
for my $how (qw(hang mute)) {
	my @hung = map { my $x = $s->client; $x->cmd('EHLO c'); $x->cmd('MAIL FROM:<h@good.test>'); $x->raw("RCPT TO:<$how\@example.net>\r\n"); $x } 1 .. 6;
	my $t = time;
	is(scalar(grep { ask('alias@v.test') =~ /^250/ } 1 .. 10), 10, "$how: others are served");
	cmp_ok(time - $t, '<', 5, 'and do not wait');
	is(scalar(grep { ($_->reply // '') =~ /^451 4\.3\.5 .*Server configuration error/ } @hung), 6, 'all who wait get their answer');
}
$s->{allow} = [qr/warning: (?:connect to|pgsql query failed)/, qr/lookup error for|table lookup problem/, qr/no answer within|earlier lookups/, qr/lookup failure/];
$s->finish;
done_testing();
