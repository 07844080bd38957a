# Client.pm - a raw SMTP client for tests: says exactly what it is told, bytes included.
package Postrider::Client;
use strict;
use warnings;
use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# new(port => N, host => "127.0.0.1", from => "127.0.0.2", greet => 1)
sub new
{
	my ($class, %o) = @_;
	my $s = $o{path} ? IO::Socket::UNIX->new(Peer => $o{path}) : IO::Socket::INET->new(PeerAddr => $o{host} // '127.0.0.1', PeerPort => $o{port},
	    LocalAddr => $o{from}, Proto => 'tcp', Timeout => 10);
	$s or croak "connect: $@ $!";
	setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1) unless $o{path};
	binmode $s;
	my $self = bless { s => $s, buf => '', limit => $o{limit} // 30 }, $class;
	$self->{greeting} = $self->reply if $o{greet} // 1;
	return $self;
}

sub raw { my ($self, $bytes) = @_; local $SIG{PIPE} = 'IGNORE'; my $off = 0;
	while ($off < length $bytes) { my $n = syswrite $self->{s}, $bytes, length($bytes) - $off, $off; return 0 unless defined $n; $off += $n } return 1 }

# One line without its line end, undef at the end of the connection or after the limit (then {timeout} is set).
sub line
{
	my ($self) = @_;
	my $end = time + $self->{limit};
	while ($self->{buf} !~ /\n/) {
		my $left = $end - time;
		if ($left <= 0 || !IO::Select->new($self->{s})->can_read($left)) { $self->{timeout} = 1; return undef }
		my $n = sysread $self->{s}, $self->{buf}, 65536, length $self->{buf};
		return undef unless $n;
	}
	$self->{buf} =~ s/^(.*?)\r?\n//;
	return $1;
}

# A whole reply: its lines joined by "\n"; "" when the connection ended.
sub reply { my ($self) = @_; my @l; while (defined(my $l = $self->line)) { push @l, $l; last unless $l =~ /^\d{3}-/ } return join "\n", @l }
sub cmd { my ($self, $c) = @_; $self->raw("$c\r\n"); return $self->reply }
sub pipeline { my ($self, @c) = @_; $self->raw(join '', map { "$_\r\n" } @c); return map { $self->reply } @c }
sub eof { my ($self) = @_; return !defined $self->line && !$self->{timeout} }
sub ehlo { my ($self, $name) = @_; return $self->cmd('EHLO ' . ($name // 'client.example.net')) }

# A whole transaction; returns the final reply. text has \n line ends; dots are stuffed here.
sub send_mail
{
	my ($self, %o) = @_;
	my $text = $o{text} // "Subject: test\n\nbody\n";
	$self->ehlo unless $self->{greeted}++;
	my $r = $self->cmd('MAIL FROM:<' . ($o{from} // 'sender@example.net') . '>' . ($o{mail_args} // ''));
	return $r unless $r =~ /^250/;
	for (ref $o{to} ? @{$o{to}} : $o{to}) { $r = $self->cmd("RCPT TO:<$_>" . ($o{rcpt_args} // '')); return $r unless $r =~ /^250/ }
	$r = $self->cmd('DATA');
	return $r unless $r =~ /^354/;
	$text =~ s/\n/\r\n/g; $text =~ s/^\./../mg;
	$self->raw("$text.\r\n");
	return $self->reply;
}
sub quit { my ($self) = @_; my $r = $self->cmd('QUIT'); close $self->{s}; return $r }
sub close { my ($self) = @_; close $self->{s} }
sub half_close { my ($self) = @_; shutdown $self->{s}, 1 }
1;
