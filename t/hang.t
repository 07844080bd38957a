#!/usr/bin/perl
# A server behind a lookup table that hangs: before it accepts, before it says anything, in the TLS handshake, in the
# middle of an answer, or its name server. Whoever asks it has a temporary error within the time limit and the log says
# why; others do not notice. make test-long compares how long others wait with and without it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use IO::Socket::INET;
use Test::More;
use POSIX ();
use Time::HiRes qw(sleep time);
use Postrider;
use Postrider::Asked;
use Postrider::Backend;
use Postrider::DNS;

my $long = $ENV{POSTRIDER_LONG};
my $dns = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die;	# a name server that says nothing
# For what resolves names by the C library; not with the sanitizers' own library in front.
my $shim = !$ENV{POSTRIDER_SAN} && -e "$Postrider::BUILD/t/crash/resolver.so";
my %relay = (accept => Postrider::Backend->relay(0, hang => 'accept'), mute => Postrider::Backend->relay(0, hang => 'greeting'));

# ---- the types: where a good server is, the file of a table at host, port and for a way to hang; ways beside the usual ones
my (%port, %type, @keep);
my $sql = "user = mail\npassword = pw\nretry_interval = 1\nquery = SELECT 'OK'";
if (-e bin('table_mysql.so') and my $db = Postrider::Backend->mariadb) {
	push @keep, $db;
	$port{mysql} = $db->{port};
	$relay{mysql_tls} = Postrider::Backend->relay($db->{port}, hang => 'first');	# greets, says nothing to the handshake
	$type{mysql} = { worker => 1, more => [qw(tls)], file => sub { "hosts = $_[0]:$_[1]\ndbname = mail\n" . ($_[2] eq 'tls' ? "tls_ciphers = HIGH\n" : '') . "$sql FROM DUAL WHERE '%s' <> ''\n" } };
}
if (-e bin('table_pgsql.so') and my $db = Postrider::Backend->pgsql) {
	push @keep, $db;
	$port{pgsql} = $db->{port};
	$relay{pgsql_tls} = Postrider::Backend->relay(0, hang => 'first', say => 'S');	# "go on with TLS"
	$type{pgsql} = { worker => 1, more => [qw(tls)], file => sub { 'hosts = ' . ($_[2] eq 'tls' ? "postgresql://mail\@$_[0]:$_[1]/postgres?sslmode=require" : "$_[0]:$_[1]") . "\ndbname = postgres\n$sql WHERE '%s' <> ''\n" } };
}
if (-e bin('table_ldap.so') and my $db = Postrider::Backend->slapd("dn: cn=a,dc=t\nobjectclass: person\nobjectclass: mailThing\ncn: a\nsn: a\nmaildrop: OK\n\n")) {
	push @keep, $db;
	$port{ldap} = $db->{port};
	$relay{ldap_tls} = Postrider::Backend->relay(0, hang => 'first', say => "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00");	# yes to STARTTLS
	$type{ldap} = { worker => 1, more => [qw(tls ldaps)], file => sub { 'server_host = ' . ($_[2] eq 'ldaps' ? 'ldaps' : 'ldap') . "://$_[0]:$_[1]\nsearch_base = dc=t\nquery_filter = (|(cn=%s)(cn=a))\ntimeout = 100\n" . ($_[2] eq 'tls' ? "start_tls = yes\n" : '') } };
}
if (-e bin('table_redis.so') and my $db = Postrider::Backend->redis) {
	push @keep, $db;
	$port{redis} = $db->{port};
	$type{redis} = { worker => 1, file => sub { "hosts = $_[0]:$_[1]\npassword = pw\nretry_interval = 1\nquery = EVAL return(ARGV[1]) 0 OK %s\n" } };
}
for my $kind (qw(socketmap tcp memcache)) {
	my %r = (socketmap => Postrider::Asked::netstring('OK OK'), tcp => "200 OK\n", memcache => sub { "VALUE $_[0] 0 2\r\nOK\r\nEND\r\n" });
	push @keep, my $asked = Postrider::Asked->new(kind => $kind, any => $r{$kind});
	$port{$kind} = $asked->{port};
	$type{$kind} = { file => sub { $kind ne 'memcache' ? undef : "memcache = inet:$_[0]:$_[1]\ntimeout = 2\n" } };
}
$relay{"$_\_answer"} = Postrider::Backend->relay($port{$_}, hang => qr/hang/) for keys %type;
sub ways { my ($t) = @_; return (qw(accept mute answer), !$type{$t}{worker} || $shim ? 'dns' : (), @{$type{$t}{more} // []}) }
sub at { my ($t, $way) = @_; my $r = $relay{"${t}_$way"} // $relay{$way} // $relay{mute}; return $way eq 'good' ? ('127.0.0.1', $port{$t}) : $way eq 'dns' ? ('db.hang.test', 7) : ('127.0.0.1', $r->{port}) }

# ---- a server with a table for each type and way; recipients say which is asked
sub serve
{
	my ($clock, @types) = @_;
	my (%file, @class);
	my $main = "postrider_dns_servers = 127.0.0.1:" . $dns->sockport . "\nmydestination = t.test\nlocal_recipient_maps = static:x\nlocal_transport = discard\npostrider_table_time_limit = 2s\npostrider_table_connections = 3\n" .
	    "smtpd_recipient_restrictions = check_recipient_access regexp:\${config_directory}/which, permit_mynetworks, reject\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000000\nsmtpd_hard_error_limit = 1000000\nsmtpd_recipient_limit = 100000\n";
	for my $t (@types) {
		for my $way ('good', ways($t)) {
			my ($host, $port) = at($t, $way);
			my $text = $type{$t}{file}->($host, $port, $way);
			$file{"${t}_$way.cf"} = $text if defined $text;
			$main .= "${t}_$way = check_recipient_access $t:" . ($text ? "\${config_directory}/${t}_$way.cf" : $t eq 'socketmap' ? "inet:$host:$port:$way" : "$host:$port") . "\n";
			push @class, "${t}_$way";
		}
	}
	$file{which} = "/^(good|hang)\\.([a-z]+)\\.([a-z]+)\\./ \${3}_\${2}\n/^quick\\.([a-z]+)\\./ \${1}_good\n";
	my $s = server(main => $main . "smtpd_restriction_classes = @class\n", files => \%file, test_clock => $clock, env => $shim && !$clock ? { LD_PRELOAD => "$Postrider::BUILD/t/crash/resolver.so" } : {});
	$s->{allow} = [map { qr/$_/ } 'lookup error', 'connect to', 'no answer within', 'earlier lookups', 'query failed', 'dict_ldap', 'read TCP map|TCP map', 'host or service', 'Search error', 'memcache'];
	return $s;
}
sub session { my ($s) = @_; my $c = $s->client(limit => 60); $c->cmd('EHLO client.test'); $c->cmd('MAIL FROM:<a@t.test>'); return $c }
my $n = 0;
sub hang { my ($s, $t, $way) = @_; my $c = session($s); $n++; $c->raw("RCPT TO:<hang.$way.$t.$n\@t.test>\r\n"); return $c }

# Some sessions ask what hangs, all ways at the same time; others of each type go on; then the answers.
sub check
{
	my ($s, $clock, @types) = @_;
	my %other = map { $_ => session($s) } @types;
	my $each = $clock ? 2 : 5;	# more than there are connections
	my %hung;
	for my $t (@types) { for my $way (ways($t)) { $hung{"$t $way"} = [map { hang($s, $t, $way) } 1 .. $each] } }
	for my $t (@types) {
		my ($bad, $worst) = (0, 0);
		for (1 .. 20) {
			my $begin = time;
			$n++;
			$bad++ if $other{$t}->cmd("RCPT TO:<quick.$t.$n\@t.test>") !~ /^250/;
			$worst = time - $begin if time - $begin > $worst;
		}
		is($bad, 0, "$t: others are served");
		cmp_ok($worst, '<', 2, 'and do not wait') unless $clock;
	}
	my $begin = time;
	if ($clock) { $s->advance(10) for 1 .. 30 }
	for my $k (sort keys %hung) {
		my @r = map { $_->reply // 'nothing' } @{$hung{$k}};
		is(scalar(grep { /^451 4\.3\.5 <hang\S+: Recipient address rejected: Server configuration error/ } @r), $each, "$k: a temporary error") or diag explain \@r;
		my ($t, $way) = split / /, $k;
		my $spec = -e "$s->{conf}/${t}_$way.cf" ? qr/$t:\S+\/${t}_$way\.cf/ : $t eq 'socketmap' ? qr/socketmap:\S+:$way/ : qr/tcp:\S+/;
		ok($s->wait_log(qr{warning: $spec lookup error for "hang\.$way\.$t\.\d+\@t\.test"}), "$k: said so");
	}
	cmp_ok(time - $begin, '<', 20, 'within the limit') unless $clock;
	$_->close for values %other, map { @$_ } values %hung;
}

my @worker = grep { $type{$_}{worker} } sort keys %type;
my @loop = qw(memcache socketmap tcp);
if (@worker) {
	my $s = serve(0, @worker);
	my $cpu = sub { my @f = split ' ', (slurp('/proc/' . $s->relay_pid . '/stat') =~ s/.*\) //sr); ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK()) };
	my $before = $cpu->();
	check($s, 0, @worker);
	cmp_ok($cpu->() - $before, '<', 1, 'who waits does not keep a processor busy') unless $ENV{POSTRIDER_SAN};
	for my $t ($shim ? @worker : ()) {	# each thread is still in the resolver
		my $c = hang($s, $t, 'dns');
		like($c->reply, qr/^451 4\.3\.5 /, "$t: as long as all connections hang");
		ok($s->wait_log(qr{warning: $t:\S+_dns\.cf: earlier lookups have had no answer yet\n}), 'nobody waits for another');
	}
	# threads come back: what hangs is asked again, not given up
	my %left = map { my $t = $_; map { ("$t $_" => 1) } grep { $_ ne 'dns' } ways($t) } @worker;
	for (my $end = time + 40; %left && time < $end; ) {
		my $before = length $s->log;
		my @c = map { hang($s, split / /) } keys %left;
		for (@c) { $_->reply; $_->close }
		my $new = substr $s->log, $before;
		for (keys %left) { my ($t, $way) = split / /; delete $left{$_} if $new !~ /$t:\S+_$way\.cf: earlier lookups/ }
	}
	is(join(', ', sort keys %left), '', 'threads come back');
	my $log = $s->log;
	my %why = (mysql => { accept => qr{Can't connect to server on '127\.0\.0\.1' \(110\)}, mute => qr{at 'handshake: reading initial communication packet'}, tls => qr{at 'reading authorization packet'}, answer => qr{mysql_answer\.cf: query failed: Lost connection} },
	    pgsql => { answer => qr{pgsql query failed: fatal error from host \S+: no answer in time}, mute => qr{connect to pgsql server \S+: .*timeout expired}, accept => qr{connect to pgsql server \S+: .*timeout expired}, tls => qr{connect to pgsql server \S+: .*timeout expired} },
	    ldap => { answer => qr{dict_ldap_lookup: Search error -5: Timed out}, tls => qr{Unable to set STARTTLS}, ldaps => qr{Unable to bind to server ldaps://}, mute => qr{Unable to bind to server ldap://\S+ with dn empty or implicit: -5 \(Timed out\)}, accept => qr{Unable to bind to server ldap://\S+ with dn empty or implicit: -1 \(Can't contact LDAP server\)} },
	    redis => { answer => qr{redis:\S+_answer\.cf: query failed: host \S+: Resource temporarily unavailable}, accept => qr{connect to redis server \S+: Connection timed out}, mute => qr{connect to redis server \S+: Resource temporarily unavailable} });
	for my $t (@worker) { for my $way (ways($t)) { like($log, qr{warning: [^\n]*(?:$t:\S+/${t}_$way\.cf: no answer within 2 s|@{[$why{$t}{$way} // '(?!)']})}, "$t $way: why") } }
	$s->finish;
}
{
	my $s = serve(1, @loop);
	check($s, 1, @loop);
	my $log = $s->log;
	like($log, qr{warning: connect to 127\.0\.0\.1:\d+: Connection timed out\n}, 'socketmap, before accept: why');
	like($log, qr{warning: host or service db\.hang\.test:7 not found: Temporary failure in name resolution\n}, 'the name server: why');
	like($log, qr{warning: table socketmap:\S+:$_ lookup error: time limit exceeded\n}, "socketmap, $_: why") for qw(mute answer);
	like($log, qr{warning: database memcache:\S+_$_\.cf: I/O error: Connection timed out\n}, "memcache, $_: why") for qw(mute answer);
	like($log, qr{warning: read TCP map reply from 127\.0\.0\.1:\d+: unexpected EOF \(Connection timed out\)\n}, 'tcp, no answer: why');
	$s->finish;
}

# ---- the first address of a host swallows what is sent to it: the second has its share of the time
{
	my @asked = map { Postrider::Asked->new(kind => $_, any => $_ eq 'tcp' ? "200 OK\n" : Postrider::Asked::netstring('OK OK')) } qw(socketmap tcp);
	push @asked, Postrider::Asked->new(kind => 'memcache', any => sub { "VALUE $_[0] 0 2\r\nOK\r\nEND\r\n" });
	my @full = map { Postrider::Backend::full($_->{port}, '127.0.0.2') } @asked;
	my $zone = Postrider::DNS->new({ 'two.example.net' => [[A => '127.0.0.2'], [A => '127.0.0.1']] });
	my @at = map { "two.example.net:$_->{port}" } @asked;
	my $s = server(test_clock => 1, dns => $zone, files => { 'mc.cf' => "memcache = inet:$at[2]\ntimeout = 4\n" }, main => "smtpd_restriction_classes = socketmap, tcp, memcache\nsmtpd_error_sleep_time = 0\n" .
	    "socketmap = check_recipient_access socketmap:inet:$at[0]:m, reject\ntcp = check_recipient_access tcp:$at[1], reject\nmemcache = check_recipient_access memcache:\${config_directory}/mc.cf, reject\n" .
	    "smtpd_recipient_restrictions = check_recipient_access inline:{socketmap\@example.com=socketmap,tcp\@example.com=tcp,memcache\@example.com=memcache}, permit_mynetworks, reject\n");
	for my $t (qw(memcache tcp socketmap)) {
		my $c = $s->client;
		$c->cmd('EHLO client.test'); $c->cmd('MAIL FROM:<a@example.com>');
		$c->raw("RCPT TO:<$t\@example.com>\r\n");
		my $step = { memcache => 0.25, tcp => 1, socketmap => 5 }->{$t};
		my $steps = 0;
		while (!IO::Select->new($c->{s})->can_read(0.2) && $steps < 19) { $s->advance($step); $steps++ }
		like($c->reply, qr/^250 /, "$t: the second address is asked ($steps)");
		$c->close;
	}
	$s->finish;
}

# ---- how long others wait with and without it, in turn
SKIP: {
	skip 'make test-long compares times', 1 unless $long;
	my $s = serve(0, @worker, @loop);
	my $rounds = $ENV{POSTRIDER_ROUNDS} // 6;
	for my $t (@worker, @loop) {
		my $c = session($s);
		my $round = sub { my ($out) = @_;
			$c->cmd('RSET'); $c->cmd('MAIL FROM:<a@t.test>');
			for (1 .. 300) { $n++; my $begin = time; $c->cmd("RCPT TO:<quick.$t.$n\@t.test>") =~ /^250/ or die; push @$out, 1000 * (time - $begin) } };
		$round->([]);
		for my $way (ways($t)) {
			my ($p, $q, $limit);
			for (1 .. 8) {		# what else the machine does may get in the way, but not every time
				my (@with, @without);
				for my $i (1 .. $rounds) {
					$round->(\@without) if $i % 2;
					my @hung = map { hang($s, $t, $way) } 1 .. 12;
					sleep 0.1;	# to begin costs something; to hang should not
					$round->(\@with);
					$type{$t}{worker} ? $_->reply : 1, $_->close for @hung;
					$round->(\@without) unless $i % 2;
				}
				($p, $q) = map { my @v = sort { $a <=> $b } @$_; $v[@v * 0.99] } \@without, \@with;
				$limit = $p * 1.2 > $p + 2 ? $p * 1.2 : $p + 2;
				last if $q <= $limit;
			}
			cmp_ok($q, '<=', $limit, sprintf '%s, %s: p99 of others %.2f ms, without it %.2f ms', $t, $way, $q, $p);
		}
		$c->close;
	}
	$s->finish;
}
done_testing();
