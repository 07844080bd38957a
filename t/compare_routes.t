#!/usr/bin/perl
# The same messages through Debian's Postfix and through ours, in several configurations: what RCPT is answered, what is logged of
# each recipient, and what arrives where, envelope and headers, after all rewriting and routing. Every difference is printed, and fails
# unless it is one of those listed below with its reason. POSTRIDER_LONG=1: more addresses.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;
use Postrider::Sink;
use Postrider::Reference;

plan skip_all => 'no Postfix here' unless Postrider::Reference::have();
plan skip_all => 'Postfix needs root' if $> != 0;

# [configuration, recipient, reason]
my @explained = (
);

my %sink = (R => Postrider::Sink->new, A => Postrider::Sink->new, B => Postrider::Sink->new, L => Postrider::Sink->new(lmtp => 1), V => Postrider::Sink->new(lmtp => 1));
my $base = "disable_dns_lookups = yes\nnotify_classes =\nsmtpd_peername_lookup = no\nalias_maps =\nalias_database =\nmynetworks = 127.0.0.0/8\nrelayhost = [127.0.0.1]:\@R\@\nlocal_transport = lmtp:inet:127.0.0.1:\@L\@\n" .
    "virtual_transport = lmtp:inet:127.0.0.1:\@V\@\nsmtpd_error_sleep_time = 0\nsmtpd_soft_error_limit = 1000\nsmtpd_hard_error_limit = 1000\nsmtpd_client_connection_count_limit = 0\nmail_name = Mail\n" .
    "smtp_destination_concurrency_limit = 1\nsmtpd_junk_command_limit = 1000\nsmtpd_banner = mx\nsmtp_send_xforward_command = no\nsmtpd_forbid_bare_newline = no\nsmtpd_forbid_unauth_pipelining = no\nenable_long_queue_ids = yes\n";
my @forms = ('%u@%d', '%U@%D', '%u+ext@%d', '%u-ext@%d', '"%u"@%d', '"%u x"@%d', '%u@%d.', '%u%%x.test@%d', 'x.test!%u@%d', '%u@sub.%d', '%u@sub.sub.%d', '@x.test,@y.test:%u@%d', '%u@x.test@%d', '%u+a+b@%d', 'no.such.%u@%d', '"%u@x.test"@%d', '%u@%d%%y.test');
my @more = ('%u+@%d', '+%u@%d', '%u+ext-two@%d', '%u-ext+two@%d', '%U+Ext@%D', '"%u+ext"@%d', '""@%d', '%d!%u', 'a!b!%u@%d', '%u.@%d', '.%u@%d', '%u..x@%d', '"\\%u"@%d', '%u@-%d', '%u@%d..', '%u=x.test@%d', "caf\xc3\xa9-%u\@%d", 'owner-%u@%d', '%u-request@%d', '%u@[127.0.0.1]', '%u@[192.0.2.77]', '%u@127.0.0.1');
my @senders = ('sender@origin.test', 'alice@corp.test', 'bob+tag@brand.test', 'Local', 'carol@sub.corp.test', 'dave@customer.test', '', '"q s"@origin.test');
my @headers = ('alice', 'Alice A <alice@corp.test>', 'bob@sub.corp.test, carol', '"q x"@corp.test (comment)', 'list: a@corp.test, b;', '<@x:dave@y.test>', 'a%b@corp.test', 'x!y', 'root@fire.corp.test', '<a@b', 'a@b@c, "x"@y.z', 'a%b, c!d, e@f.', 'CAROL@CORP.TEST', 'undisclosed-recipients:;', 'a.b@deep.sub.corp.test, "N. N." <n@customer.test>');

my %conf = (
	company => { users => [qw(alice bob nosuch moved)], domains => [qw(corp.test fire localhost else.test)], lone => [qw(alice postmaster nosuch alice+x root@localhost)],
		main => "myhostname = fire.corp.test\nmyorigin = \@CONF\@/mailname\nmydestination = corp.test, fire, localhost\nrecipient_delimiter = +\nmasquerade_domains = corp.test\nmasquerade_exceptions = root\nappend_dot_mydomain = no\n" .
		    "local_recipient_maps = texthash:\@CONF\@/users\ncanonical_maps = texthash:\@CONF\@/canonical\nrelocated_maps = texthash:\@CONF\@/relocated\n",
		files => { mailname => "corp.test\n", users => "alice x\nbob x\nroot x\npostmaster x\nmoved x\n", canonical => "bob Bob.Builder\@corp.test\nBob.Builder robert\n\@fire corp\@corp.test\ncarol\@sub.corp.test cc\@else.test\n", relocated => "moved\@corp.test new\@place.test\n" } },
	hosting => { users => [qw(alice info nosuch list loop)], domains => [qw(brand.test box.test catch.test other.test)], lone => [qw(user1@alias.test x@alias.test two@brand.test many@brand.test self@brand.test)],
		main => "myhostname = mx.falcot.test\nmydestination = mx.falcot.test\nlocal_recipient_maps =\nvirtual_alias_domains = brand.test, alias.test\nvirtual_alias_maps = texthash:\@CONF\@/virtual, regexp:\@CONF\@/virtual.re\nvirtual_mailbox_domains = box.test, catch.test\n" .
		    "virtual_mailbox_maps = texthash:\@CONF\@/vmailbox\nrecipient_delimiter = +\nsmtpd_reject_unlisted_sender = no\nunknown_virtual_mailbox_reject_code = 450\nshow_user_unknown_table_name = no\n",
		files => { virtual => "alice\@brand.test alice\@box.test\ninfo\@brand.test alice\@box.test, bob\@other.test\ntwo\@brand.test info\@brand.test two\@else.test\n\@alias.test all\@box.test\nself\@brand.test self\@brand.test, copy\@box.test\nloop\@brand.test loop2\@brand.test\nloop2\@brand.test loop\@brand.test\nlist nobody\@box.test\nmany\@brand.test " .
			join(', ', map { "m$_\@box.test" } 1 .. 30) . "\n", 'virtual.re' => "/^user([0-9]+)\@alias\\.test\$/ box\$1\@box.test\n/^(.*)-ext\@brand\\.test\$/ \$1\@other.test\n",
			vmailbox => "alice\@box.test x\nall\@box.test x\ncopy\@box.test x\nnobody\@box.test x\ninfo\@box.test x\n\@catch.test x\nbox1\@box.test x\n" . join('', map { "m$_\@box.test x\n" } 1 .. 30) } },
	gateway => { users => [qw(alice bob nosuch)], domains => [qw(customer.test second.test parent.test direct.test)], lone => [qw(x@err.test x@wait.test x@drop.test x@empty.test x@nexthop.test x@sub.nexthop.test alice@special.test any@special.test y@unlisted.test x@star.second.test)],
		main => "myhostname = gw.test\nmydestination = gw.test\nlocal_recipient_maps =\nrelay_domains = customer.test, .second.test, second.test, texthash:\@CONF\@/relays\nrelay_recipient_maps = texthash:\@CONF\@/recipients\ntransport_maps = texthash:\@CONF\@/transport\n" .
		    "sender_dependent_relayhost_maps = texthash:\@CONF\@/sender_relay\nsender_dependent_default_transport_maps = texthash:\@CONF\@/sender_transport\nsender_bcc_maps = texthash:\@CONF\@/sbcc\nrecipient_bcc_maps = texthash:\@CONF\@/rbcc\nsmtp_generic_maps = texthash:\@CONF\@/generic\n" .
		    "relay_transport = relay:[127.0.0.1]:\@A\@\nparent_domain_matches_subdomains = relay_domains\nsmtpd_relay_restrictions = reject_unauth_destination\nsmtpd_recipient_restrictions =\nmynetworks = 192.0.2.9\nunknown_relay_recipient_reject_code = 551\n",
		files => { relays => "parent.test x\nerr.test x\nwait.test x\ndrop.test x\nempty.test x\nnexthop.test x\nspecial.test x\ndirect.test x\n", recipients => "\@customer.test x\n\@second.test x\n\@star.second.test x\n\@sub.customer.test x\nalice\@parent.test x\nbob\@sub.parent.test x\n" . join('', map { "\@$_.test x\n" } qw(err wait drop empty nexthop sub.nexthop special direct)),
			transport => "customer.test smtp:[127.0.0.1]:\@B\@\n.customer.test :[127.0.0.1]:\@B\@\nerr.test error:5.1.2 no such place\nwait.test retry:4.2.1 later\ndrop.test discard:silently\nempty.test :\nnexthop.test :[127.0.0.1]:\@R\@\n.nexthop.test relay:[127.0.0.1]:\@A\@\nalice\@special.test lmtp:inet:127.0.0.1:\@L\@\nbob+ext\@direct.test smtp:[127.0.0.1]:\@B\@\nbob\@direct.test smtp:[127.0.0.1]:\@R\@\n",
			sender_relay => "\@origin.test [127.0.0.1]:\@B\@\n<> [127.0.0.1]:\@A\@\n", sender_transport => "alice\@corp.test smtp:[127.0.0.1]:\@B\@\n\@customer.test relay:\n", sbcc => "sender\@origin.test copy\@customer.test\n", rbcc => "bob\@customer.test archive\@gw.test\n\@second.test arch2\@gw.test\n",
			generic => "alice\@corp.test alias\@public.test\n\@sub.corp.test \@public.test\nLocal\@gw.test me\@public.test\nsender here\@public.test\n" } },
	charlotte => { users => [qw(alice bob nosuch)], domains => [qw(charlotte.example.test example.test box.test)], lone => [qw(alice admin@example.test webmaster@any.test plus-minus+x@box.test)],
		main => "myhostname = mail.example.test\nmydomain = example.test\nmyorigin = charlotte.\$mydomain\nmydestination = \$myhostname, charlotte.\$mydomain, localhost\nlocal_recipient_maps = static:x\nrecipient_delimiter = +-\nstrict_rfc821_envelopes = yes\nvirtual_mailbox_domains = texthash:\@CONF\@/vdomains\n" .
		    "virtual_mailbox_maps = texthash:\@CONF\@/vboxes\nvirtual_alias_maps = texthash:\@CONF\@/virtual, pcre:\@CONF\@/virtual.pcre\ntransport_maps = texthash:\@CONF\@/transport\npropagate_unmatched_extensions = canonical, virtual, generic\nsender_canonical_maps = texthash:\@CONF\@/senders\nsender_canonical_classes = envelope_sender\nalways_bcc = bcc\@else.test\n",
		files => { vdomains => "box.test x\n", vboxes => "alice\@box.test x\nbob-ext\@box.test x\nbob\@box.test x\nplus\@box.test x\n", virtual => "admin\@example.test alice\nalice\@charlotte.example.test alice\@box.test\nbob bob\@box.test\nbob-ext\@example.test special\@else.test\n\@example.test fallback\@else.test\n",
			'virtual.pcre' => "/^webmaster\@(.*)\$/ \"web \$1\"\@else.test\n/^(.+)%(.+)\@/ \$1\@\$2\n", transport => "else.test smtp:[127.0.0.1]:\@A\@\nbob\@box.test lmtp:inet:127.0.0.1:\@L\@\n", senders => "alice\@corp.test a.lice\@example.test\nLocal else\n" } },
	odd => { users => [qw(alice Bob)], domains => [qw(odd.test other.test gw.odd.test)], lone => ['a%b', 'a!b', 'a%b@odd.test', 'other.test!x!y', 'a@b%odd.test', '"a b"', 'x@1234', 'x@127', 'alice@', '@odd.test', '""', 'a%b%c@odd.test', 'UPPER@ODD.TEST', '"a%b"@odd.test', 'user@[127.0.0.1]', 'x@other.test@odd.test'],
		main => "myhostname = gw.odd.test\nmydestination = odd.test, gw.odd.test\nlocal_recipient_maps =\nallow_percent_hack = yes\nswap_bangpath = yes\nresolve_null_domain = yes\nresolve_numeric_domain = yes\nresolve_dequoted_address = no\nappend_dot_mydomain = yes\nlocal_header_rewrite_clients =\nremote_header_rewrite_domain = domain.invalid\n" .
		    "allow_untrusted_routing = yes\nmasquerade_domains = !keep.corp.test corp.test\nmasquerade_classes = envelope_sender, envelope_recipient, header_sender, header_recipient\ncanonical_maps = pcre:\@CONF\@/canon\ncanonical_classes = envelope_recipient, header_recipient\nrecipient_canonical_maps = texthash:\@CONF\@/rcanon\nempty_address_recipient = nobody\nrecipient_delimiter = -\n",
		files => { canon => "/^(.*)\\.x\@other\\.test\$/ \$1\@odd.test\n/^no\\.such\\.(.*)@/ \$1\n", rcanon => "alice al\nbob\@other.test \@odd.test\n\@other.test kept\@other.test\n" } },
	hacks => { users => [qw(alice)], domains => [qw(h.test)], lone => ['a%b', 'a!b', 'x@127.1', 'x@1', '"a@b"@h.test', 'a@[127.0.0.1]', 'b@c', 'b@sub', '"@x:y"@h.test'],
		main => "myhostname = mx.h.test\nmydestination = h.test\nlocal_recipient_maps =\nallow_percent_hack = no\nswap_bangpath = no\nappend_dot_mydomain = no\nsmtpd_recipient_restrictions = permit_mynetworks\nresolve_null_domain = no\nrecipient_delimiter =\nvirtual_alias_maps = inline:{alice\@h.test=al+ext\@h.test, {\@h.test = \@i.test}}\nremote_header_rewrite_domain = r.invalid\nlocal_header_rewrite_clients = permit_mynetworks\n",
		files => {} },
);

sub recipients
{
	my ($c) = @_;
	my (@all, %seen);
	my @f = $ENV{POSTRIDER_LONG} ? (@forms, @more) : @forms;
	my $i = 0;
	for my $d (@{$c->{domains}}) {
		for my $u (@{$c->{users}}) {
			for my $f (@f, $ENV{POSTRIDER_LONG} ? () : $more[$i++ % @more]) {
				my %v = (u => $u, U => uc $u, d => $d, D => uc $d, '%' => '%');
				(my $r = $f) =~ s/%([uUdD%])/$v{$1}/g;
				push @all, $r unless $seen{$r}++;
			}
		}
	}
	# The short form takes every so many: all forms, users and domains come, not all together.
	my $step = $ENV{POSTRIDER_LONG} ? 1 : int(@all / 50) || 1;
	$step++ while !$ENV{POSTRIDER_LONG} && $step > 1 && @forms % $step == 0;
	return (@{$c->{lone}}, map { $all[$_ * $step] } 0 .. int($#all / $step));
}

# One server, all recipients: a text for each.
sub answers
{
	my ($port, $rcpts, $log, $queue) = @_;
	my (@said, %id, @open);
	my $before = { map { $_ => scalar $sink{$_}->mails } keys %sink };
	my $t;
	for my $i (0 .. $#$rcpts) {
		my ($from, $cc) = ($senders[$i % @senders], $headers[$i % @headers]);
		if (!$t || $i % 50 == 0) { $t->quit if $t; $t = Postrider::Client->new(port => $port); $t->cmd('EHLO client.test') }
		my @r = ($t->cmd("MAIL FROM:<$from>"), $t->cmd("RCPT TO:<$rcpts->[$i]>"));
		if ($r[0] =~ /^250/ && $r[1] =~ /^250/) {
			push @r, $t->cmd('DATA');
			push @r, $t->cmd("Message-ID: <case-$i\@id.test>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: " . ($from eq '' ? 'MAILER-DAEMON' : "<$from>") . "\r\nTo: <$rcpts->[$i]>\r\nCc: $cc\r\nSubject: x\r\n\r\nbody\r\n.");
			push @open, $1 if $r[-1] =~ s/queued as (\w+)/queued/;
		} else {
			$t->cmd('RSET');
		}
		$said[$i] = join "\n", "MAIL FROM:<$from> RCPT TO:<$rcpts->[$i]>", map { s/^354.*/354/r } @r;
	}
	$t->quit if $t;
	my %open = map { $_ => 1 } @open;
	wait_for('all done', 120, sub {
		my $text = $log->();
		for my $id (keys %open) { delete $open{$id} if $text =~ /: $id: removed$/m }
		return 1 if !%open;
		my %stays = map { (/"queue_name": ?"deferred"/ && /"queue_id": ?"(\w+)"/) ? ($1 => 1) : () } split /\n/, $queue->();
		return !grep { !$stays{$_} } keys %open;
	}) or diag('not all delivered: ' . join ' ', keys %open);
	my $text = $log->();
	$id{$1} = $2 while $text =~ /cleanup\[\d+\]: (\w+): message-id=<case-(\d+)\@id\.test>/g;
	my %lines;
	while ($text =~ m{(?:postfix|mail)/([\w/-]+)\[\d+\]: (\w+): (to=<.*)}g) {
		my ($agent, $qid, $line) = ($1, $2, $3);
		next unless defined $id{$qid};
		$line =~ s/ (?:delay|delays|conn_use)=[^ ]*,//g;
		push @{$lines{$id{$qid}}}, "$agent: $line";
	}
	for my $s (sort keys %sink) {
		my @mails = $sink{$s}->mails;
		for my $m (@mails[$before->{$s} .. $#mails]) {
			(my $head = $m->{text}) =~ s/\r\n\r\n.*/\r\n/s;
			next unless $head =~ /^Message-ID: <case-(\d+)\@id\.test>/mi;	# notices come when they come
			my $i = $1;
			$head =~ s/\r\n[ \t]+/ /g;
			$head = join "\n", map { "  $_" } grep { !/^(?:Received|Date|Message-ID|Subject):/i } split /\r\n/, $head;
			$m->{mail} =~ s/ SIZE=\d+//;
			push @{$lines{$i}}, "to $s: $m->{mail}\n  " . join("\n  ", sort @{$m->{rcpt}}) . "\n$head";
		}
	}
	$said[$_] .= join '', map { "\n$_" } sort @{$lines{$_} // []} for 0 .. $#said;
	return @said;
}

my ($cases, $equal, $noted) = (0, 0, 0);
for my $name (sort keys %conf) {
	my $c = $conf{$name};
	next if $ENV{COMPARE_ONLY} && $name !~ /$ENV{COMPARE_ONLY}/;
	my @rcpts = recipients($c);
	my $ports = sub { my ($t) = @_; $t =~ s/\@([RABLV])\@/$sink{$1}{port}/g; return $t };
	my %files = map { $_ => $ports->($c->{files}{$_}) } keys %{$c->{files}};
	my $own = $base;
	for my $line (split /\n/, $c->{main}) { my ($k) = $line =~ /^(\w+) =/; $own =~ s/^\Q$k\E =.*\n//m }
	my ($domain) = $c->{main} =~ /^myhostname = [^.\n]+\.(.*)$/m;
	$own .= "mydomain = $domain\n" unless $c->{main} =~ /^mydomain =/m;
	my $main = $ports->($own . $c->{main});
	my $port = free_port();
	(my $master = slurp("$Postrider::TOP/etc/master.cf")) =~ s/^smtp(\s+inet)/127.0.0.1:$port$1/m;
	my $ref = Postrider::Reference->new(main => $main, master => $master, files => \%files);
	$ref->start($port);
	my @a = answers($port, \@rcpts, sub { $ref->log }, sub { ($ref->tool('postqueue', '-j'))[1] });
	$ref->stop;
	(my $mine = $main) =~ s/\@CONF\@/\@DIR\@\/etc/g;
	s/\@CONF\@/\@DIR\@\/etc/g for values %files;
	my $s = server(main => $mine, master => $master =~ s/^127\.0\.0\.1:$port/\@PORT\@/mr, files => \%files, allow => [qr/./]);
	my @b = answers($s->{port}, \@rcpts, sub { $s->log }, sub { ($s->tool('postqueue', '-j'))[1] });
	$s->finish;
	for my $i (0 .. $#rcpts) {
		my ($x, $y) = map { s/\Q$ref->{dir}\E|\Q$s->{dir}\E/DIR/gr } $a[$i], $b[$i];
		$cases++;
		if ($x eq $y) { $equal++; next }
		if (my ($e) = grep { $name =~ $_->[0] && $rcpts[$i] =~ $_->[1] } @explained) { $noted++; note("$name, $rcpts[$i]: $e->[2]"); next }
		fail("$name, $rcpts[$i]");
		diag("Postfix: $x\npostrider: $y");
	}
}
cmp_ok($cases, '>=', $ENV{COMPARE_ONLY} ? 1 : 250, "$cases addresses through both: $equal equal, $noted explained");
done_testing();
