#!/usr/bin/perl
# A table that cannot answer is a temporary failure wherever one is asked, never "not found" and never a hang: each group of
# parameters with fail: and with a server that is not there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my $later = qr/^451 4\.3\.0 <[^>]*>: Temporary lookup failure/;
my $rules = 'smtpd_%s_restrictions = check_%s_access %s';
my @cases = (
	# what, main.cf, recipient, what RCPT says
	['mydestination', 'mydestination = %s', 'alice@example.com', $later],
	['relay_domains', 'relay_domains = %s', 'u@relay.test', $later],
	['virtual_alias_domains', 'virtual_alias_domains = %s', 'u@virt.test', $later],
	['virtual_mailbox_domains', 'virtual_mailbox_domains = %s', 'u@box.test', $later],
	['local_recipient_maps', 'local_recipient_maps = %s', 'alice@example.com', $later],
	['relay_recipient_maps', 'relay_recipient_maps = %s', 'u@relay.test', $later],
	['virtual_alias_maps', 'virtual_alias_maps = %s', 'u@virt.test', $later],
	['virtual_mailbox_maps', 'virtual_mailbox_maps = %s', 'u@box.test', $later],
	['canonical_maps', 'canonical_maps = %s', 'alice@example.com', $later],
	['recipient_canonical_maps', 'recipient_canonical_maps = %s', 'alice@example.com', $later],
	['transport_maps', 'transport_maps = %s', 'u@relay.test', $later],
	['relocated_maps', 'relocated_maps = %s', 'u@relay.test', $later],
	map({ ["check_${_}_access", sprintf($rules, 'recipient', $_, '%s'), 'u@relay.test', qr/^451 4\.3\.5 <[^>]*>: \w[\w ]* rejected: Server configuration error/] } qw(client helo sender recipient)),
);
for my $table ('fail:x', 'socketmap:inet:127.0.0.1:' . free_port() . ':m', 'hash:@DIR@/etc/none') {
	for my $c (@cases) {
		my ($what, $line, $to, $want) = @$c;
		my %base = (mydestination => 'example.com', relay_domains => 'relay.test', virtual_alias_domains => 'virt.test', virtual_mailbox_domains => 'box.test', local_recipient_maps => 'static:x',
			virtual_mailbox_maps => 'static:x', virtual_alias_maps => 'inline:{u@virt.test=alice@example.com}');
		my ($name) = $line =~ /^(\w+)/;
		delete $base{$name};
		my $s = server(main => sprintf("$line\n", $table) . join('', map { "$_ = $base{$_}\n" } sort keys %base) . "mynetworks = 192.0.2.9\n");
		$s->{allow} = [qr/./];
		my $t = $s->client;
		$t->cmd('EHLO client.test');
		$t->cmd('MAIL FROM:<a@example.net>');
		my $got = $t->cmd("RCPT TO:<$to>");
		like($got, $want, "$what = $table");
		$s->finish;
	}
}
# What EHLO says must be known.
for my $line ('smtpd_discard_ehlo_keyword_address_maps = %s', 'smtpd_authorized_xclient_hosts = %s', 'smtpd_authorized_xforward_hosts = %s', 'smtpd_command_filter = %s') {
	my $s = server(main => sprintf("$line\n", 'fail:x'));
	$s->{allow} = [qr/./];
	my $t = $s->client;
	like($t->cmd('EHLO client.test'), qr/^421 4\.3\.0 \S+ Server local data error/, $line);
	is($t->line, undef, 'and the session ends');
	$s->finish;
}
# Types that are not here are named at check, with what to do about them.
{
	my $s = server(main => "virtual_alias_maps = cdb:/etc/x, nis:mail.aliases, foo:bar\n", start => 0);
	my ($rc, $out, $err) = $s->tool('postrider', 'check');
	is($rc, 2, 'check refuses unknown types');
	like("$out$err", qr/unsupported dictionary type: cdb: use hash: or lmdb: with the same source text/, 'cdb:');
	like("$out$err", qr/unsupported dictionary type: nis: there is no NIS client/, 'nis:');
	like("$out$err", qr/unsupported dictionary type: foo$/m, 'foo:');
	($rc, $out, $err) = $s->tool('postmap', '-q', 'a', 'cdb:x');
	is("$rc$err", "1postmap: fatal: unsupported dictionary type: cdb\n", 'commands keep to the known words');
	$s->finish;
}
done_testing();
