# Fault.pm - the control file of t/crash/fault.so: $f->set(sync_errno => EIO, count => 3); $f->get('failures').
# The numbers take effect at once in all processes under the shim.
package Postrider::Fault;
use strict;
use warnings;
use Carp qw(croak);

my $i = 0;
my %AT = map { $_ => 8 * $i++ } qw(write_errno sync_errno dsync_errno skip count one_in landed fs_bytes delay_us busy_until_us barriers writes failures seed);

sub new
{
	my ($class, $path) = @_;
	open my $h, '+>', $path or croak "$path: $!";
	binmode $h;
	syswrite $h, "\0" x 4096;
	chmod 0666, $path;
	return bless { path => $path, h => $h }, $class;
}
sub set
{
	my ($self, %o) = @_;
	for (keys %o) {
		croak "no $_" unless defined $AT{$_};
		sysseek $self->{h}, $AT{$_}, 0; syswrite $self->{h}, pack('q<', $o{$_});
	}
}
sub get { my ($self, $k) = @_; sysseek $self->{h}, $AT{$k}, 0; sysread $self->{h}, my $v, 8; return unpack 'q<', $v }
# Failures of every sort of call, or of none.
sub fail { my ($self, $errno, %o) = @_; $self->set(count => -1, skip => 0, one_in => 0, landed => 0, %o); $self->set(map { $_ => $errno } qw(write_errno sync_errno dsync_errno)) }
sub heal { my ($self) = @_; $self->set(map { $_ => 0 } qw(write_errno sync_errno dsync_errno fs_bytes delay_us)) }
1;
