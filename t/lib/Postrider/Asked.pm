# Asked.pm - a socketmap, tcp_table or memcache server for tests, in a process of its own. Replies are by key:
#   Postrider::Asked->new(kind => 'socketmap' | 'tcp' | 'memcache', port => N | path => UNIX socket, replies => { key => bytes })
# A reply of undef is silence, '' closes the connection; other keys are "not found", or have the reply `any` (bytes, or a
# function of the key). log() gives what was asked.
package Postrider::Asked;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Postrider ();

sub netstring { return length($_[0]) . ":$_[0]," }

sub new
{
	my ($class, %o) = @_;
	my $self = bless { %o, parent => $$, dir => tempdir('postrider-asked.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1) }, $class;
	$self->{file} = "$self->{dir}/log";
	Postrider::spew($self->{file}, '');
	$self->{port} //= Postrider::free_port() unless $o{path};
	$self->start unless $o{down};
	return $self;
}
sub start
{
	my ($self) = @_;
	my $l = $self->{path} ? IO::Socket::UNIX->new(Local => $self->{path}, Listen => 64) : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 64, ReuseAddr => 1);
	$l or croak "asked: $!";
	chmod 0777, $self->{path} if $self->{path};
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) { setpgrp; $SIG{PIPE} = $SIG{CHLD} = 'IGNORE'; $self->serve($l); POSIX::_exit(0) }
	$self->{pid} = $pid;
}
sub stop { my ($self) = @_; my $p = delete $self->{pid} or return; local $?; kill 'KILL', -$p; kill 'KILL', $p; waitpid $p, 0; unlink $self->{path} if $self->{path} }
sub DESTROY { my ($self) = @_; $self->stop if $self->{pid} && $self->{parent} == $$ }
sub log { my ($self) = @_; return Postrider::slurp($self->{file}) }

sub serve
{
	my ($self, $l) = @_;
	while (1) {
		my $s = $l->accept or next;
		my $pid = fork // next;
		if ($pid == 0) { close $l; $self->session($s); POSIX::_exit(0) }
		close $s;
	}
}
sub note { my ($self, $what) = @_; open my $h, '>>', $self->{file} or die; syswrite $h, "$what\n" }
sub session
{
	my ($self, $s) = @_;
	my $kind = $self->{kind};
	binmode $s;
	$self->note('connect');
	while (1) {
		my $q;
		if ($kind eq 'socketmap') {
			my $n = '';
			while ($n !~ /:$/) { read($s, my $c, 1) or return; $n .= $c }
			read($s, $q, int($n =~ s{:}{}r)) or return;
			read $s, my $comma, 1;
		} else {
			$q = <$s> // return;
			$q =~ s/\r?\n$//;
		}
		$self->note($q);
		my ($verb, $key) = split / /, $q, 2;
		if ($kind eq 'memcache' && $verb eq 'set') {
			($key, undef, undef, my $n) = split / /, $key;
			read $s, my $value, $n + 2;
			$self->note($value =~ s/\r\n//r);
			syswrite $s, "STORED\r\n";
			next;
		}
		my %none = (socketmap => netstring('NOTFOUND '), tcp => "500 not here\n", memcache => "END\r\n");
		my $r = exists $self->{replies}{$key} ? $self->{replies}{$key} : ref $self->{any} ? $self->{any}->($key) : $self->{any} // $none{$kind};
		if (!defined $r) { sleep 1000; return }
		return if $r eq '';
		syswrite $s, $r;
	}
}
1;
