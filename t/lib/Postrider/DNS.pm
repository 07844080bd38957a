# DNS.pm - a name server for tests, in a process of its own, UDP and TCP on one loopback port.
#   my $dns = Postrider::DNS->new({ 'example.net' => [[MX => 10, 'mx.example.net']], 'mx.example.net' => [[A => '127.0.0.1']] });
# A name may map to [[RCODE => 2]] (SERVFAIL) or [[DROP => 1]] (no answer). Unknown names are NXDOMAIN.
package Postrider::DNS;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(inet_aton inet_pton AF_INET6);
use Postrider ();

my %TYPE = (A => 1, NS => 2, CNAME => 5, SOA => 6, PTR => 12, MX => 15, TXT => 16, AAAA => 28, SRV => 33, TLSA => 52);

sub new
{
	my ($class, $zone, %o) = @_;
	my $port = $o{port} // Postrider::free_port();
	my $at = $o{addr} // '127.0.0.1';
	my $udp = IO::Socket::INET->new(LocalAddr => $at, LocalPort => $port, Proto => 'udp') or croak "udp: $!";
	my $tcp = IO::Socket::INET->new(LocalAddr => $at, LocalPort => $port, Listen => 64, ReuseAddr => 1) or croak "tcp: $!";
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) { $SIG{TERM} = 'DEFAULT'; eval { serve($zone, $udp, $tcp) }; POSIX::_exit(0) }
	return bless { pid => $pid, port => $port, addr => $at, parent => $$ }, $class;
}
sub where { return "$_[0]{addr}:$_[0]{port}" }
sub stop { my ($self) = @_; my $p = delete $self->{pid} or return; local $?; kill 'KILL', $p; waitpid $p, 0 }
sub DESTROY { my ($self) = @_; $self->stop if $self->{pid} && $self->{parent} == $$ }

sub serve
{
	my ($zone, $udp, $tcp) = @_;
	my $sel = IO::Select->new($udp, $tcp);
	while (1) {
		for my $s ($sel->can_read) {
			if ($s == $udp) {
				my $from = $udp->recv(my $q, 4096) // next;
				my $a = answer($zone, $q, 1232) // next;
				$udp->send($a, 0, $from);
			} elsif ($s == $tcp) {
				$sel->add($tcp->accept);
			} else {
				my ($len, $q);
				if ((sysread($s, $len, 2) // 0) != 2 || (sysread($s, $q, unpack 'n', $len) // 0) < 12) { $sel->remove($s); close $s; next }
				my $a = answer($zone, $q, 65535);
				if (defined $a) { syswrite $s, pack('n', length $a) . $a } else { $sel->remove($s); close $s }
			}
		}
	}
}

sub wire { my ($n) = @_; return join('', map { chr(length) . $_ } split /\./, $n) . "\0" }

sub rdata
{
	my ($t, @v) = @_;
	return inet_aton($v[0]) if $t eq 'A';
	return inet_pton(AF_INET6, $v[0]) if $t eq 'AAAA';
	return pack('n', $v[0]) . wire($v[1]) if $t eq 'MX';
	return pack('nnn', @v[0 .. 2]) . wire($v[3]) if $t eq 'SRV';
	return join '', map { chr(length) . $_ } unpack '(a255)*', $v[0] if $t eq 'TXT';
	return pack('H*', $v[0]) if $t eq 'TLSA';
	return wire($v[0]);
}

sub answer
{
	my ($zone, $q, $max) = @_;
	return undef if length $q < 17;
	my ($id, $flags, undef, undef, undef, undef) = unpack 'n6', $q;
	my ($pos, @labels) = (12);
	while ((my $l = ord substr $q, $pos, 1) > 0) { push @labels, substr $q, $pos + 1, $l; $pos += 1 + $l; return undef if $pos > length($q) - 5 }
	my ($type) = unpack 'n', substr $q, $pos + 1, 2;
	my $question = substr $q, 12, $pos + 5 - 12;
	my $name = lc join '.', @labels;
	my ($rcode, $body, $n, $hops) = (0, '', 0, 0);
	my $owner = $name;
	while (1) {
		my $rr = $zone->{$owner};
		if (!$rr) {
			my ($wild) = map { (my $w = $owner) =~ s/^[^.]+/*/; $zone->{$w} } 1;
			$rr = $wild;
		}
		if (!$rr) { $rcode = 3 unless $n; last }
		my ($cname) = grep { $_->[0] eq 'CNAME' } @$rr;
		for (@$rr) {
			my ($t, @v) = @$_;
			if ($t eq 'DROP') { return undef }
			if ($t eq 'RCODE') { $rcode = $v[0]; next }
			next unless ($TYPE{$t} // 0) == $type;
			my $d = rdata($t, @v);
			$body .= wire($owner) . pack('nnNn', $TYPE{$t}, 1, 300, length $d) . $d;
			$n++;
		}
		last unless $cname && $type != 5 && $hops++ < 8;
		my $d = wire($cname->[1]);
		$body .= wire($owner) . pack('nnNn', 5, 1, 300, length $d) . $d;
		$n++;
		$owner = lc $cname->[1];
	}
	my $out = 0x8180 | $rcode;
	if (12 + length($question) + length($body) > $max) { $out |= 0x0200; $body = ''; $n = 0 }
	return pack('n6', $id, $out, 1, $n, 0, 0) . $question . $body;
}
1;
