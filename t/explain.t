#!/usr/bin/perl
# postrider explain: what it says is what the server then does, with the server up and down.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use JSON::PP;
use Test::More;
use Postrider;
use Postrider::Sink;

my $sink = Postrider::Sink->new;
my $s = server(
	main => "recipient_delimiter = +\nmyorigin = origin.test\nappend_dot_mydomain = yes\n" .
	    "virtual_alias_domains = va.test\nvirtual_alias_maps = texthash:\@DIR\@/etc/va\nvirtual_mailbox_domains = vm.test\n" .
	    "virtual_mailbox_maps = inline:{ v\@vm.test=v/ }\nrelay_domains = relay.test\nrelay_recipient_maps = inline:{ r\@relay.test=x }\n" .
	    "canonical_maps = inline:{ old\@example.com=new\@example.com }\nmasquerade_domains = example.com\n" .
	    "transport_maps = inline:{ tm.test=smtp:[127.0.0.1]:$sink->{port}, {later.test = retry:4.2.1 not today}, " .
	    "{never.test = error:5.7.1 not wanted}, {esc.test = error:5.7.1 \e[31mred}, odd.test=nosuch: }\nrelocated_maps = inline:{ {gone\@example.com = new\@far.test, or ask} }\n" .
	    "local_recipient_maps = inline:{ user=x, new=x }\nlocal_transport = error:5.0.0 mail is not delivered here\n" .
	    "relayhost = [127.0.0.1]:$sink->{port}\nsmtp_generic_maps = inline:{ user\@example.com=out\@isp.test, t\@tm.test=there\@tm.test }\n" .
	    "recipient_bcc_maps = inline:{ t\@tm.test=copy\@tm.test }\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
	master => "\@PORT\@ inet n - n - - smtpd\n\@PORT2\@ inet n - n - - smtpd\n -o content_filter=smtp:[127.0.0.1]:10025\n" .
	    " -o receive_override_options=no_address_mappings,no_unknown_recipient_checks\nsmtp unix - - n - - smtp\nvirtual unix - n n - - virtual\n" .
	    "relay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n",
	files => { va => "a\@va.test user\@vm.test, t\@tm.test\nb\@va.test b\@va.test\nself\@tm.test self\@tm.test, t\@tm.test\nfailing\@va.test x\@broken.test\n" },
);

sub explained
{
	my (@args) = @_;
	my ($rc, $out, $err) = $s->tool('postrider', 'explain', @args, '--json');
	my $r = eval { decode_json($out) } // diag("$@: $out$err");
	is($err, '', "@args: nothing to complain of");
	is($r->{status}, $rc, "@args: the exit status is in the report");
	return $r;
}
sub section { my ($r, $what, $of) = @_; return (grep { $_->{section} eq $what && (!defined $of || $_->{of} eq $of) } @{$r->{sections}})[0] }
sub steps { my ($sec) = @_; return map { join ' ', map { $_ // '-' } $_->{step}, $_->{what}, $_->{table} ? '(' . $_->{table} . ')' : (),
	$_->{step} eq 'rewrite' ? "$_->{from} > $_->{to}" : $_->{step} eq 'lookup' ? "$_->{key} > " . ($_->{answer} // '-') : $_->{step} eq 'match' ? "$_->{key} $_->{value}" : $_->{value} } @{$sec->{steps} // []} }

# ---- each verdict, the server's own answer beside it
my @cases = (
	# address, result, class, transport, next hop, what RCPT TO says
	['t@tm.test', 0, 'default', 'smtp', "[127.0.0.1]:$sink->{port}", qr/^250/],
	['any@where.test', 0, 'default', 'smtp', "[127.0.0.1]:$sink->{port}", qr/^250/],
	['v+ext@vm.test', 0, 'virtual mailbox', 'virtual', 'vm.test', qr/^250/],
	['nobody@vm.test', 1, 'virtual mailbox', 'virtual', 'vm.test', qr/^550 5\.1\.1 .*User unknown in virtual mailbox table/],
	['r@relay.test', 0, 'relay', 'relay', "[127.0.0.1]:$sink->{port}", qr/^250/],
	['x@relay.test', 1, 'relay', 'relay', "[127.0.0.1]:$sink->{port}", qr/^550 5\.1\.1 .*User unknown in relay recipient table/],
	['nobody@va.test', 1, 'virtual alias', 'error', '5.1.1 User unknown in virtual alias table', qr/^550 5\.1\.1 .*User unknown in virtual alias table/],
	['user@example.com', 1, 'local', 'error', '5.0.0 mail is not delivered here', qr/^550 5\.0\.0 .*mail is not delivered here/],
	['x@never.test', 1, 'default', 'error', '5.7.1 not wanted', qr/^550 5\.7\.1 .*not wanted/],
	['x@later.test', 2, 'default', 'retry', '4.2.1 not today', qr/^450 4\.2\.1 .*not today/],
	['x@odd.test', 2, 'default', 'nosuch', 'odd.test', qr/^250/],
	['gone@example.com', 1, 'local', 'error', '5.1.6 User has moved to new@far.test, or ask', qr/^550 5\.1\.6 .*User has moved to new\@far\.test, or ask/],
	['x@', 1, 'default', 'error', '5.1.3 bad address syntax', qr/^501 5\.1\.3/],
);
my $c = $s->client;
$c->ehlo;
for (@cases) {
	my ($addr, $status, $class, $transport, $nexthop, $reply) = @$_;
	my $r = explained($addr);
	is($r->{status}, $status, "$addr: " . join '', $r->{result}, defined $r->{why} ? ": $r->{why}" : '');
	my ($route) = grep { $_->{section} eq 'route' } @{$r->{sections}};
	is_deeply([@$route{qw(class transport nexthop)}], [$class, $transport, $nexthop], "$addr: its route") or diag explain_($r);
	my $got = $c->cmd('MAIL FROM:<s@where.test>') && $c->cmd("RCPT TO:<$addr>");
	like($got, $reply, "$addr: the server answers the same");
	$c->cmd('RSET');
	my $known = section($r, 'known recipient');
	(my $flat = $got) =~ s/\r?\n.*//s;
	is($known->{refused}, $flat, "$addr: word for word") if $status > 0 && $got =~ /^5|^4/ && $got !~ /^501/;
}
sub explain_ { return JSON::PP->new->pretty->encode($_[0]) }

# ---- the steps
{
	my $r = explained('old', '--sender', 'host!user%there');
	my $known = join "\n", steps(section($r, 'recipient'));
	like($known, qr/rewrite append_at_myorigin old > old\@origin\.test/, 'append_at_myorigin');
	$r = explained('old@EXAMPLE.com');
	like(join("\n", steps(section($r, 'recipient'))), qr/lookup canonical_maps \(inline:\S.*\) old\@EXAMPLE\.com > new\@example\.com\nrewrite canonical_maps old\@EXAMPLE\.com > new\@example\.com/, 'canonical_maps');
	$r = explained('a+x@va.test', '--sender', 'me@host.example.com');
	is(section($r, 'sender')->{becomes}, 'me@example.com', 'the sender is masqueraded');
	like(join("\n", steps(section($r, 'sender'))), qr/rewrite masquerade_domains me\@host\.example\.com > me\@example\.com/, 'and that is told');
	is(section($r, 'recipient')->{becomes}, 'user+x@vm.test, t+x@tm.test', 'virtual aliases keep the extension');
	is($r->{status}, 1, 'one of them is unknown') or diag explain_($r);
	like(section($r, 'known recipient', 'user+x@vm.test')->{refused}, qr/^550 5\.1\.1 <user\+x\@vm\.test>: Recipient address rejected: User unknown in virtual mailbox table/, 'the one without a mailbox');
	is(section($r, 'recipient goes out', 't+x@tm.test')->{becomes}, 'there@tm.test', 'smtp_generic_maps, where SMTP delivers');
	$r = explained('t@tm.test', '--sender', 'user@example.com');
	is(section($r, 'sender goes out')->{becomes}, 'out@isp.test', 'the sender too');
	is(section($r, 'recipient')->{becomes}, 't@tm.test, copy@tm.test', 'copies are shown');
	like(join("\n", steps(section($r, 'route', 't@tm.test'))), qr/lookup transport_maps \(.*\) tm\.test > smtp:\[127\.0\.0\.1\]:$sink->{port}/, 'transport_maps says where');
	like(join("\n", steps(section(explained('user%there.test@example.com'), 'route'))), qr/match mydestination example\.com yes.*rewrite domain is delivered here user%there\.test\@example\.com > user%there\.test.*match mydestination there\.test no/s, 'routing through us');
}

# ---- another service's rules
{
	my $port2 = $s->port(2);
	my $r = explained('nobody@va.test', '--service', $port2);
	my $route = section($r, 'route');
	is_deeply([@$route{qw(filter transport nexthop)}], ['smtp:[127.0.0.1]:10025', 'smtp', '[127.0.0.1]:10025'], 'content_filter comes before the route');
	is(section($r, 'known recipient')->{known}, 'not asked', 'no_unknown_recipient_checks');
	$r = explained('a@va.test', '--service', $port2);
	is(section($r, 'recipient')->{becomes}, 'a@va.test', 'no_address_mappings');
}

# ---- copies of everything
{
	my $main = slurp("$s->{conf}/main.cf");
	$s->write_conf('main.cf', $main . "always_bcc = all\@va.test\nvirtual_alias_maps = inline:{ all\@va.test=archive\@tm.test }, texthash:\@DIR\@/etc/va\n");
	my $r = explained('t@tm.test');
	is(section($r, 'recipient')->{becomes}, 't@tm.test, copy@tm.test, archive@tm.test', 'always_bcc is shown, aliases looked up');
	is(section($r, 'route', 'archive@tm.test')->{nexthop}, "[127.0.0.1]:$sink->{port}", 'and where it goes');
	$r = explained('t@tm.test', '--service', $s->port(2));
	is(section($r, 'recipient')->{becomes}, 't@tm.test', 'no_address_mappings: no copies');
	$s->write_conf('main.cf', $main);
}

# ---- text
{
	my ($rc, $out, $err) = $s->tool('postrider', 'explain', 't@tm.test');
	is($rc, 0, 'as text');
	like($out, qr/^route t\@tm\.test\n(?:    .*\n)*  class      default\n  transport  smtp\n  nexthop    \[127\.0\.0\.1\]:$sink->{port}\n/m, 'a section');
	like($out, qr/\nresult deliverable\n\z/, 'the result comes last');
	($rc, $out) = $s->tool('postrider', 'explain', 'x@never.test');
	like($out, qr/\nresult undeliverable: 550 5\.7\.1 <x\@never\.test>: Recipient address rejected: not wanted\n\z/, 'with the reason');
	($rc, $out) = $s->tool('postrider', 'explain', 'x@esc.test');
	like($out, qr/lookup .*"error:5\.7\.1 \?\[31mred"/, 'a control character is shown');
	unlike($out, qr/\e/, 'and not sent to the terminal');
	for my $bad ([], ['a b c'], ['a@b', 'c@d'], ['a@b', '--sender'], ['a@b', '--service', 'nosuch'], ['a@b,c@d'], ['--frobnicate', 'a@b']) {
		($rc, $out, $err) = $s->tool('postrider', 'explain', @$bad);
		is($rc, 2, "explain @$bad: 2");
		like($err, qr/usage|bad address syntax|no smtpd service|unrecognized/, 'and says why');
	}
}

# ---- tables that fail; the server down
$s->stop;
{
	$s->write_conf('main.cf', slurp("$s->{conf}/main.cf") . "virtual_alias_maps = texthash:\@DIR\@/etc/va, fail:alias\n");
	my ($rc, $out) = $s->tool('postrider', 'explain', 'b@where.test', '--json');
	is($rc, 2, 'a table that cannot answer: 2, also without a server');
	my $r = decode_json($out);
	is_deeply([map { $_->{error} ? $_->{table} : () } map { @{$_->{steps} // []} } @{$r->{sections}}], ['fail:alias', 'fail:alias'], 'the step that failed');
	like($r->{why}, qr/^451 4\.3\.0 <b\@where\.test>: Temporary lookup failure/, 'in the server\'s words');
	my @left = grep { !/^(?:\.|\.\.)$/ } do { opendir my $d, "$s->{dir}/queue/postrider" or die; readdir $d };
	is_deeply([sort @left], ['data.mdb', 'lock.mdb'], 'explaining leaves nothing in the queue');
}
done_testing;
