# Sink.pm - an SMTP or LMTP server for tests, in a process of its own; what it receives is kept as JSON lines.
# Its replies follow the recipient's local part: rcpt550, rcpt450, data450, data554, dot450, dot554, rcptdrop, dotdrop
# (closes the connection), slow (1 s before the reply). Options: features => [..], ehlo => 0, lmtp => 1, greet => "220 ..",
# path => UNIX socket, drop_after => N mails per connection, one_line => reply texts, delay => seconds before each reply.
package Postrider::Sink;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(time sleep);
use Postrider ();

sub new
{
	my ($class, %o) = @_;
	my $self = bless { %o, parent => $$ }, $class;
	$self->{dir} = tempdir('postrider-sink.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
	$self->{file} = "$self->{dir}/mails";
	Postrider::spew($self->{file}, '');
	$self->{port} //= Postrider::free_port() unless $o{path};
	$self->start unless $o{down};
	return $self;
}

sub start
{
	my ($self) = @_;
	my $l = $self->{path} ? IO::Socket::UNIX->new(Local => $self->{path}, Listen => 512)
	    : IO::Socket::INET->new(LocalAddr => $self->{address} // '127.0.0.1', LocalPort => $self->{port}, Listen => 512, ReuseAddr => 1);
	$l or croak "sink: $!";
	chmod 0777, $self->{path} if $self->{path};
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) { $SIG{PIPE} = 'IGNORE'; eval { $self->serve($l) }; print STDERR $@ if $@; POSIX::_exit(0) }
	$self->{pid} = $pid;
}
sub stop { my ($self) = @_; my $p = delete $self->{pid} or return; local $?; kill 'KILL', $p; waitpid $p, 0; unlink $self->{path} if $self->{path} }
sub DESTROY { my ($self) = @_; $self->stop if $self->{pid} && $self->{parent} == $$ }
sub where { my ($self) = @_; return "[127.0.0.1]:$self->{port}" }

sub mails { my ($self) = @_; return map { JSON::PP::decode_json($_) } split /\n/, Postrider::slurp($self->{file}) }
sub wait_mails { my ($self, $n, $limit) = @_; Postrider::wait_for('mail', $limit // 15, sub { my $t = Postrider::slurp($self->{file}); ($t =~ tr/\n//) >= $n }); return $self->mails }

sub serve
{
	my ($self, $l) = @_;
	my $sel = IO::Select->new($l);
	my %c;
	open $self->{out}, '>>:raw', $self->{file} or die;
	$self->{out}->autoflush(1);
	while (1) {
		for my $s ($sel->can_read) {
			if ($s == $l) {
				my $n = $l->accept or next;
				$n->blocking(1);
				$sel->add($n);
				$c{$n} = { s => $n, in => '', n => 0, conn => ++$self->{count} };
				$self->reset($c{$n});
				$self->say($c{$n}, $self->{greet} // ($self->{lmtp} ? '220 sink.test LMTP' : '220 sink.test ESMTP'));
				flush($c{$n});
				next;
			}
			my $c = $c{$s};
			my $n = sysread $s, $c->{in}, 65536, length $c->{in};
			if (!$n || !$self->input($c)) { $sel->remove($s); delete $c{$s}; close $s }
		}
	}
}

sub reset { my ($self, $c) = @_; $c->{mail} = undef; $c->{rcpt} = []; $c->{args} = []; $c->{data} = 0 }
sub say { my ($self, $c, $t) = @_; sleep $self->{delay} if $self->{delay}; $c->{out} .= "$t\r\n"; }
sub flush { my ($c) = @_; my $o = delete $c->{out}; syswrite $c->{s}, $o if defined $o && length $o }

sub input
{
	my ($self, $c) = @_;
	flush($c);
	while (1) {
		if ($c->{data}) {
			my $end = index "\r\n$c->{in}", "\r\n.\r\n";
			last if $end < 0;
			my $text = substr $c->{in}, 0, $end;
			$c->{in} = substr $c->{in}, $end + 3;
			return 0 unless $self->message($c, $text);
			next;
		}
		last unless $c->{in} =~ s/^(.*?)\r?\n//;
		return 0 unless $self->command($c, $1);
		if (defined $c->{bdat}) { }
	}
	flush($c);
	return 1;
}

sub command
{
	my ($self, $c, $l) = @_;
	my $verb = uc(($l =~ /^(\S+)/)[0] // '');
	push @{$c->{log}}, $l;
	if ($verb eq 'EHLO' || $verb eq 'LHLO') {
		if (exists $self->{ehlo} && !$self->{ehlo}) { $self->say($c, '502 5.5.2 not implemented'); return 1 }
		my @f = ('sink.test', @{$self->{features} // ['PIPELINING', 'SIZE 50000000', '8BITMIME', 'DSN', 'ENHANCEDSTATUSCODES', 'SMTPUTF8']});
		$c->{helo} = $l;
		$self->say($c, '250' . ($_ < $#f ? '-' : ' ') . $f[$_]) for 0 .. $#f;
	} elsif ($verb eq 'HELO') {
		$c->{helo} = $l; $self->say($c, '250 sink.test');
	} elsif ($verb eq 'MAIL') {
		$self->reset($c);
		if ($l =~ /<mail(\d)(\d\d)/) { $self->say($c, "$1$2 $1.7.1 sender refused by sink") } else { $c->{mail} = $l; $self->say($c, '250 2.1.0 ok') }
	} elsif ($verb eq 'RCPT') {
		if ($l =~ /<rcptdrop/) { flush($c); return 0 }
		if ($l =~ /<slow/) { flush($c); sleep 1 }
		if ($l =~ /<rcpt(\d)(\d\d)/) { $self->say($c, "$1$2 $1.1.1 recipient refused by sink") }
		else { push @{$c->{rcpt}}, $l; $self->say($c, '250 2.1.5 ok') }
	} elsif ($verb eq 'DATA') {
		my $all = "@{$c->{rcpt}}";
		if (!@{$c->{rcpt}}) { $self->say($c, '554 5.5.1 no valid recipients') }
		elsif ($all =~ /<data(\d)(\d\d)/) { $self->say($c, "$1$2 $1.3.0 data refused by sink") }
		else { $c->{data} = 1; $self->say($c, '354 go ahead') }
	} elsif ($verb eq 'QUIT') {
		$self->say($c, '221 2.0.0 bye'); flush($c); return 0;
	} elsif ($verb eq 'RSET') {
		$self->reset($c); $self->say($c, '250 2.0.0 ok');
	} elsif ($verb eq 'XFORWARD' || $verb eq 'NOOP') {
		$self->say($c, '250 2.0.0 ok');
	} else {
		$self->say($c, '502 5.5.2 what?');
	}
	return 1;
}

sub message
{
	my ($self, $c, $text) = @_;
	my $all = "@{$c->{rcpt}}";
	$c->{data} = 0;
	if ($all =~ /<dotdrop/) { return 0 }
	if (!$self->{lmtp} && $all =~ /<dot(\d)(\d\d)/) { $self->say($c, "$1$2 $1.6.0 message refused by sink"); $self->reset($c); return 1 }
	$text =~ s/^\.//mg;
	$c->{n}++;
	print {$self->{out}} JSON::PP->new->canonical->ascii->encode({ mail => $c->{mail}, rcpt => $c->{rcpt}, text => $text, helo => $c->{helo},
	    conn => $c->{conn}, nth => $c->{n}, time => time, commands => $c->{log} }) . "\n";
	$c->{log} = [];
	if ($self->{lmtp}) { for (@{$c->{rcpt}}) { $self->say($c, /<dot(\d)(\d\d)/ ? "$1$2 $1.2.2 mailbox trouble" : '250 2.1.5 delivered') } }
	else { $self->say($c, '250 2.0.0 ok: sink') }
	$self->reset($c);
	if ($self->{drop_after} && $c->{n} >= $self->{drop_after}) { flush($c); return 0 }
	return 1;
}
1;
