#!/usr/bin/perl
# postrider check: everything in one go, with file, line and reason; exit status 0, 1, 2; JSON. And that the standings
# of params.def are true: what "works" is read somewhere.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use File::Temp qw(tempdir);
use JSON::PP ();
use Postrider;

my $dir = tempdir('postrider-check.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
chmod 0755, $dir;
my $base = "compatibility_level = 3.6\nqueue_directory = $dir/q\ndata_directory = $dir/d\nmail_owner = nobody\nmyhostname = mx.example.com\n" .
    "mydestination = example.com\nlocal_recipient_maps =\nmynetworks = 127.0.0.0/8\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n" .
    "alias_maps =\nalias_database =\n";
my $master = "2525 inet n - n - - smtpd\nsmtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\nrelay unix - - n - - smtp\n" .
    "virtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\ndiscard unix - - n - - discard\n";
my $lines = () = $base =~ /\n/g;

sub check
{
	my ($main, $m, @args) = @_;
	my %own = map { $_ => 1 } $main =~ /^(\w+)\s*=/mg;
	spew("$dir/main.cf", join('', map { /^(\w+)/ && $own{$1} ? "#\n" : $_ } split /^/m, $base) . $main);
	spew("$dir/master.cf", $m // $master);
	my ($rc, $out, $err) = run_cmd([bin('postrider'), '-c', $dir, 'check', @args]);
	$err =~ s/^postrider: //mg;
	$err =~ s{\Q$dir\E/}{}g;
	return ($rc, $err, $out);
}

# [what main.cf adds, exit status, each line expected (a pattern; L: the line number of the first added line)]
my @cases = (
	['', 0],
	["biff = no\nreadme_directory = no\n", 1, qr/^warning: main\.cf, line L2: parameter readme_directory is without effect: \w/],
	["typo = x\n", 1, qr/^warning: main\.cf, line L: unused parameter: typo=x$/],
	["soft_bounce = yes\nsoft_bounce = no\n", 1, qr/^warning: main\.cf, line L2: overriding earlier entry: soft_bounce=yes$/],
	["relayhost = [foo\n", 2, qr/^error: main\.cf, line L: parameter relayhost: missing "\]" in server description: \[foo/],
	["relayhost = [foo]:nosuch\n", 2, qr/^error: .* L: parameter relayhost: unknown service: nosuch\/tcp/],
	["relayhost = foo:\n", 2, qr/^error: .* L: parameter relayhost: missing service name/],
	["relayhost = [a.example]:smtps, b.example\n", 0],
	["known_tcp_ports = own=also=99\nrelayhost = [a.example]:also\n", 0],
	["smtp_fallback_relay = [x\n", 2, qr/^error: .* L: parameter smtp_fallback_relay: missing/],
	["smtp_tcp_port = nosuch\n", 2, qr/^error: .* L: parameter smtp_tcp_port: unknown service/],
	["default_transport = smtp:[x\n", 2, qr/^error: .* L: parameter default_transport: missing/],
	["virtual_transport = lmtp:unix:\n", 2, qr/^error: .* L: parameter virtual_transport: missing path/],
	["virtual_transport = lmtp:unix:private/x\n", 0],
	["content_filter = nosuch:[127.0.0.1]:1\n", 1, qr/^warning: .* L: parameter content_filter: no service nosuch in master\.cf/],
	["smtp_host_lookup = dsn\n", 2, qr/^fatal: .* L: unknown smtp_host_lookup value "dsn" in "dsn"$/],
	["lmtp_host_lookup = dns, x\n", 2, qr/^fatal: .* L: unknown lmtp_host_lookup value "x" in "dns, x"$/],
	["smtp_address_preference = ipv5\n", 2, qr/^fatal: .* L: bad smtp_address_preference value: ipv5$/],
	["smtp_dns_support_level = yes\n", 2, qr/^fatal: .* L: invalid smtp_dns_support_level: "yes"$/],
	["smtp_bind_address = foo\n", 2, qr/^fatal: .* L: bad smtp_bind_address parameter: foo$/],
	["smtp_pix_workarounds = foo\n", 1, qr/^warning: .* L: unknown smtp_pix_workarounds value/],
	["message_size_limit = 99999999\nvirtual_mailbox_domains = v.example\n", 2, qr/^error: .* L: main\.cf configuration error: virtual_mailbox_limit is smaller than message_size_limit$/],
	["message_size_limit = 99999999\n", 0],
	["message_size_limit = 0\nvirtual_mailbox_domains = v.example\n", 2, qr/virtual_mailbox_limit is smaller/],
	["virtual_mailbox_limit = 0\nvirtual_mailbox_domains = v.example\n", 0],
	["queue_minfree = 100\n", 1, qr/^warning: .* L: queue_minfree\(100\) should be at least 1\.5\*message_size_limit\(10240000\)$/],
	["bounce_queue_lifetime = 9d\n", 1, qr/^warning: .* L: bounce_queue_lifetime is larger than maximal_queue_lifetime/],
	["minimal_backoff_time = 2d\n", 1, qr/^warning: .* L: minimal_backoff_time is larger/],
	["virtual_alias_domains = a.example, Example.COM\n", 1, qr/^warning: .* L: do not list domain example\.com in BOTH mydestination and virtual_alias_domains$/],
	["myhostname = foo\n", 1, qr/^warning: .* myhostname foo is not a fully qualified name/],
	["smtpd_relay_restrictions = permit_mynetwork, reject\n", 2, qr/^error: .* L: unknown smtpd restriction: "permit_mynetwork"$/],
	["smtpd_relay_restrictions = permit_mynetworks\n", 2, qr/^fatal: .* L: in parameter smtpd_relay_restrictions or .* specify at least one working instance/],
	["smtpd_client_restrictions = check_client_access\n", 2, qr/^error: .* L: restriction check_client_access: bad argument "check_client_access": need maptype:mapname$/],
	["smtpd_client_restrictions = reject_rbl_client\n", 2, qr/^error: .* L: restriction reject_rbl_client requires domain name argument$/],
	["smtpd_client_restrictions = check_client_access hash:/nonexistent/x\n", 2, qr/^error: .* L: open database \/nonexistent\/x\.\w+: No such file or directory$/],
	["transport_maps = foo:/x\n", 2, qr/^error: .* L: parameter transport_maps: unsupported dictionary type: foo$/],
	["transport_maps = proxy:foo:y\n", 2, qr/^error: .* L: parameter transport_maps: unsupported dictionary type: foo$/],
	["own = sdbm:/x\ntransport_maps = \$own, unionmap:{dbm:/y, static:z}\n", 2, qr/^error: .* L: parameter own: unsupported dictionary type: sdbm: use hash: or lmdb:/,
	    qr/^error: .* L2: parameter transport_maps: unsupported dictionary type: dbm: use hash: or lmdb:/],
	["own = x\ntransport_maps = cdb:/\$own\n", 2, qr/^error: .* L2: parameter transport_maps: unsupported dictionary type: cdb: use hash: or lmdb:/],
	["smtpd_client_restrictions = check_client_access nisplus:x\n", 2, qr/^error: .* L: parameter smtpd_client_restrictions: unsupported dictionary type: nisplus: there is no NIS\+ client$/],
	# a service's name is not a table's type
	["transport_maps = smtp:x\nrelay_transport = smtp:y\n", 2, qr/^error: .* L: parameter transport_maps: unsupported dictionary type: smtp$/],
	["mydestination = /nonexistent/file\n", 2, qr/^error: .* L: open file \/nonexistent\/file: No such file or directory$/],
	["smtpd_restriction_classes = foo\n", 2, qr/^fatal: .* L: restriction class `foo' needs a definition$/],
	["mynetworks = 10.0.0.1/8\n", 2, qr/^error: .* L: \w+: non-null host address bits in "10\.0\.0\.1\/8"/],
	["canonical_maps = texthash:$dir/bad\n", 1, qr/^warning: bad, line 2: .*expected format: key whitespace value/],
	["notify_classes = foo\n", 2, qr/^fatal: .* L: unknown notify_classes value "foo" in "foo"$/],
	["propagate_unmatched_extensions = foo\n", 2, qr/^fatal: .* L: unknown propagate_unmatched_extensions value "foo" in "foo"$/],
	["smtpd_timeout = 5x\n", 2, qr/^fatal: .* L: parameter smtpd_timeout: bad time value or unit: 5x$/],
	["smtpd_banner = \${myhostname\n", 2, qr/^fatal: .* L: smtpd_banner: truncated macro reference/, qr/bad string length/],
	["smtpd_client_connection_count_limit = x\n", 2, qr/^fatal: .* L: bad numerical configuration: smtpd_client_connection_count_limit = x$/],
	["queue_directory = relative\n", 2, qr/^fatal: .* parameter queue_directory: relative is not an absolute path/],
	["maillog_file_prefixes = /x\n", 1, qr/without effect/],
	# one fatal problem hides no other, of whatever kind
	["smtpd_timeout = 5x\nnonsense\nrelayhost = [foo\ntransport_maps = foo:/x\nmynetworks_style = y\ntypo = x\nsmtpd_sender_restrictions = nosuch\nsmtp_host_lookup = z\n", 2,
	    qr/ L: parameter smtpd_timeout/, qr/^fatal: .* L2: missing '=' after attribute name: "nonsense"$/, qr/ L3: parameter relayhost/, qr/ L4: parameter transport_maps: unsupported dictionary/,
	    qr/ L5: unknown mynetworks mask style/, qr/ L6: unused parameter/, qr/ L7: unknown smtpd restriction/, qr/ L8: unknown smtp_host_lookup/],
);
spew("$dir/bad", "a b\nonlykey\n");
for my $c (@cases) {
	my ($main, $want, @want) = @$c;
	my ($rc, $err) = check($main);
	(my $name = $main) =~ s/\n/ | /g;
	is($rc, $want, "exit status: $name") or diag $err;
	my @got = split /\n/, $err;
	for my $w (@want) {
		(my $text = "$w") =~ s/\bL(\d)?\b/$lines + ($1 || 1)/ge;
		my ($i) = grep { $got[$_] =~ /$text/ } 0 .. $#got;
		ok(defined $i, "said: $text") or diag $err;
		splice @got, $i, 1 if defined $i;
	}
	is("@got", '', 'and nothing else');
}

# ---- smtpd where nobody connects to it from the network
{
	my ($rc, $out, $err) = check('', $master . "private/local unix - - n - - smtpd\nsmtpd pass - - n - - smtpd\n");
	is($rc, 2, 'smtpd on a local socket');
	like($err . $out, qr/^error: master\.cf, line \d+: service private\/local: smtpd takes connections from the network only, its local socket is not served$/m, 'is not served');
	unlike($err . $out, qr/service smtpd:/, 'type pass is for postscreen');
}
# ---- master.cf: all its errors, with the lines after them
{
	my ($rc, $err) = check('', "2525 inet n - n - - smtpd\nfoo\nbar inet x - n - - smtpd\nsmtp unix - - n - - nosuch\nnosuchport inet n - n - - smtpd\n" .
	    "26 inet n - n - - smtpd -o smtpd_timeout=z -o\n  smtpd_sender_restrictions=bogus\nb inet y - n - - smtpd\n1 udp n - n - - smtpd\n");
	is($rc, 2, 'a bad master.cf');
	like($err, qr/^$_$/m, $_) for 'fatal: master\.cf, line 2: missing "transport type" field', 'fatal: master\.cf, line 3: field "private": bad value: "x"',
	    'error: master\.cf, line 4: service smtp: unknown command: nosuch', 'fatal: master\.cf, line 5: nosuchport: unknown service: nosuchport/tcp',
	    'fatal: master\.cf, line 6: parameter smtpd_timeout: bad time value or unit: z', 'error: master\.cf, line 6: unknown smtpd restriction: "bogus"',
	    'fatal: master\.cf, line 8: inet service cannot be private', 'fatal: master\.cf, line 9: bad transport type: udp';
}

# ---- a table that is not supported: each of its places
{
	my ($rc, $err) = check("transport_maps = nis:x\n", "25 inet n - n - - smtpd\n -o canonical_maps=nis:x -o virtual_alias_maps=nis:y\nsmtp unix - - n - - smtp -o smtp_generic_maps=proxy:nis:x\n" .
	    "relay unix - - n - - smtp\nvirtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\n");
	my $l = $lines + 1;
	is($rc, 2, 'an unsupported table in several places');
	is_deeply([sort grep { /nis/ } split /\n/, $err], [map { "error: $_: unsupported dictionary type: nis: there is no NIS client" } "main.cf, line $l: parameter transport_maps",
	    'master.cf, line 1: parameter canonical_maps', 'master.cf, line 1: parameter virtual_alias_maps', 'master.cf, line 3: parameter smtp_generic_maps'], 'is said for each');
}

# ---- JSON has the same
{
	my ($rc, $err, $out) = check("typo = x\nsmtpd_timeout = 5x\n", undef, '--json');
	my $j = JSON::PP::decode_json($out);
	is($rc, 2, 'JSON: exit status');
	is($err, '', 'nothing on standard error');
	is($j->{status}, 2, 'status');
	my ($fatal) = grep { $_->{level} eq 'fatal' } @{$j->{problems}};
	is_deeply($fatal, { level => 'fatal', file => "$dir/main.cf", line => $lines + 2, text => 'parameter smtpd_timeout: bad time value or unit: 5x' }, 'a problem');
	is(scalar(grep { $_->{text} =~ /unused parameter/ && $_->{level} eq 'warning' && $_->{line} == $lines + 1 } @{$j->{problems}}), 1, 'another');
	($rc, $err, $out) = check('', undef, '--json');
	is_deeply(JSON::PP::decode_json($out), { status => 0, problems => [] }, 'JSON of a good one');
	my ($none) = run_cmd([bin('postrider'), '-c', '/nonexistent', 'check']);
	is($none, 2, 'no main.cf at all');
}

# ---- an unfinished parameter whose absence would open a hole stops a start, others are said
{
	my ($name) = slurp("$FindBin::Bin/../include/postrider/params.def") =~ /^PARAM\((\w+), PT_STR, "[^"\$]*", \d+, \d+, PS_UNFINISHED_SECURITY/m;
	SKIP: {
		skip 'all is finished', 2 unless defined $name;
		my ($rc, $err) = check("$name = static:x\n");
		like($err, qr/^fatal: .*parameter $name is not implemented yet, and ignoring it would weaken security/m, "$name: fatal");
		my ($start, undef, $why) = run_cmd([bin('postrider'), '-c', $dir, 'start-fg'], timeout => 20);
		ok($start != 0 && $why =~ /$name/, 'and a start is refused');
	}
}

# ---- standings: a row that works is read by name somewhere, or through its suffix, twin or newer name
{
	my $top = "$FindBin::Bin/..";
	my $src = join '', map { slurp($_) } grep { !m{/params\.def$} } glob("$top/src/*.[ch] $top/src/*/*.[ch] $top/src/*/*/*.[ch]");
	my %word = map { $_ => 1 } $src =~ /\w+/g;
	my %suffix = map { $_ => 1 } slurp("$top/src/config/transport.c") =~ /\{ "(\w+)", P_/g;
	my %row;
	my $def = slurp("$top/include/postrider/params.def");
	$row{$1} = [$2, $3] while $def =~ /^PARAM\((\w+), \w+, ("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*), \S+, \S+, (\w+)/mg;
	my %refers;
	for my $n (keys %row) { $refers{$_}{$n} = 1 for $row{$n}[0] =~ /\$\{?\{?\$?\{?(\w+)/g, $row{$n}[0] =~ /\$(\w+)/g }
	my $read; $read = sub {
		my ($n, $depth) = @_;
		return 1 if $word{$n} || $word{"P_$n"} || $depth > 3;
		return 1 if $n =~ /^(?:smtp|lmtp)_(\w+)$/ && $src =~ /TWIN\((?:view_\w+, )?$1\)/;
		return 1 if $n =~ /^[a-z]+_(\w+)$/ && $suffix{$1};
		return scalar grep { $read->($_, $depth + 1) } keys %{$refers{$n} // {}};
	};
	my %only_shown = map { $_ => 1 } qw(process_id config_directory mail_release_date);	# for $name in other values
	cmp_ok(scalar(keys %row), '>', 900, 'all rows were seen');
	is(join(' ', grep { $row{$_}[1] eq 'PS_WORKS' && !$only_shown{$_} && !$read->($_, 0) } sort keys %row), '', 'what works is read somewhere');
}
done_testing();
