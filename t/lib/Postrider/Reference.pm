# Reference.pm - Debian's Postfix in a private directory, to compare with: its own config_directory, queue_directory and
# data_directory, loopback only. Commands need no more than the directory; a server needs root.
#   Postrider::Reference::have()			is it installed?
#   my $r = Postrider::Reference->new(main => "text", master => "text", files => { name => text });
#   my ($rc, $out, $err) = $r->tool('postmap', '-q', 'key', 'hash:...');	with "stdin => text" at the end
#   $r->start; $r->log; $r->stop;
# In texts @DIR@ is the private directory, @CONF@ its etc. With command => "program" for postrider's: the same for both.
package Postrider::Reference;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp qw(tempdir);
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(time sleep);
use Postrider ();

sub program { my ($name) = @_; for (qw(/usr/sbin /usr/bin /usr/lib/postfix/sbin)) { return "$_/$name" if -x "$_/$name" } return undef }
sub have { return program('postfix') && program('postmap') && defined getpwnam 'postfix' }
# The directories of a server: etc, queue, data.
sub place
{
	my ($dir, $owner) = @_;
	my ($uid, $gid) = (getpwnam $owner)[2, 3];
	mkdir "$dir/$_" for qw(etc queue data);
	chown $uid, $gid, "$dir/data" if $> == 0;
	chmod 0755, $dir;
	return "queue_directory = $dir/queue\ndata_directory = $dir/data\nmail_owner = $owner\ncompatibility_level = 3.6\n" .
	    "maillog_file = $dir/log\nmaillog_file_prefixes = /var, /tmp\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n";
}
sub start_command { my ($conf) = @_; return (program('postfix'), '-c', $conf, 'start-fg') }

sub new
{
	my ($class, %o) = @_;
	my $self = bless { %o, parent => $$, dir => $o{dir} // tempdir('postrider-ref.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1) }, $class;
	$self->{conf} = "$self->{dir}/etc";
	my $base = place($self->{dir}, 'postfix');
	Postrider::spew("$self->{conf}/main.cf", $base . $self->expand($o{main} // ''), 0644);
	Postrider::spew("$self->{conf}/master.cf", $self->expand($o{master}), 0644) if defined $o{master};
	Postrider::spew("$self->{conf}/$_", $self->expand($o{files}{$_}), 0644) for keys %{$o{files} // {}};
	return $self;
}
sub expand { my ($self, $t) = @_; $t =~ s/\@CONF\@/$self->{dir}\/etc/g; $t =~ s/\@DIR\@/$self->{dir}/g; return $t }
sub log { return Postrider::slurp("$_[0]{dir}/log") // '' }

sub tool
{
	my ($self, $name, @args) = @_;
	my %o = (@args && ref $args[-1] eq 'HASH') ? %{pop @args} : ();
	return Postrider::run_cmd([program($name), '-c', $self->{conf}, @args], %o);
}

# Does its program know this type of table?
sub knows { my ($self, $type) = @_; $self->{types} //= { map { $_ => 1 } split ' ', ($self->tool('postconf', '-m'))[1] }; return $self->{types}{$type} }

sub start
{
	my ($self, $port) = @_;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null'; open STDOUT, '>', "$self->{dir}/out"; open STDERR, '>&', \*STDOUT;
		{ no warnings; exec { program('postfix') } start_command($self->{conf}) }
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	Postrider::wait_for('port', 30, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) || waitpid($pid, WNOHANG) > 0 });
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) ? 1 : croak 'postfix did not start: ' . Postrider::slurp("$self->{dir}/out") . $self->log;
}
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	local $?;
	kill TERM => $pid;
	my $end = time + 30;
	while (waitpid($pid, WNOHANG) == 0) {
		if (time > $end) { kill KILL => $pid; waitpid $pid, 0; last }
		sleep 0.01;
	}
}
sub DESTROY { my ($self) = @_; $self->stop if $self->{pid} && $self->{parent} == $$ }
1;
