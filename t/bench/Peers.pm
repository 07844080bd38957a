# Peers.pm - Exim and OpenSMTPD beside the two, for orientation. Both packages exclude Postfix, so they are not installed but
# unpacked below the build directory; each gets a mount namespace with the users, and the paths, that are compiled in.
package Peers;
use strict;
use warnings;
use Carp qw(croak);
use Postrider ();

my %packages = (exim => ['exim4-daemon-light'], opensmtpd => ['opensmtpd']);

# Where a package's files are; undef if it cannot be had.
sub unpacked
{
	my ($kind) = @_;
	my $dir = "$Postrider::BUILD/peers/$kind";
	return $dir if -e "$dir/ready";
	system('mkdir', '-p', $dir) == 0 or return undef;
	for my $p (@{$packages{$kind}}) {
		system("cd '$dir' && apt-get download -q $p >/dev/null 2>&1 && dpkg -x $p*.deb . && rm -f $p*.deb") == 0 or return undef;
	}
	Postrider::spew("$dir/ready", '');
	return $dir;
}

# The command that runs the server in the foreground, with its configuration written to $dir.
sub command
{
	my ($kind, $dir, $port, $sink) = @_;
	my $root = unpacked($kind) // return;
	return $kind eq 'exim' ? exim($root, $dir, $port, $sink) : opensmtpd($root, $dir, $port, $sink);
}

sub exim
{
	my ($root, $dir, $port, $sink) = @_;
	Postrider::spew("$dir/exim.conf", <<EOT, 0644);
exim_user = nobody
exim_group = nogroup
spool_directory = $dir/queue
log_file_path = $dir/queue/log_%s
pid_file_path = $dir/queue/pid
exim_path = $root/usr/sbin/exim4
local_interfaces = 127.0.0.1
daemon_smtp_ports = $port
primary_hostname = mx.example.com
acl_smtp_rcpt = accept
host_lookup =
helo_allow_chars = _
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
remote_max_parallel = 20
keep_environment =
begin routers
next:
  driver = manualroute
  route_data = 127.0.0.1
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = $sink
begin retry
* * F,1h,1m
EOT
	system('chown', 'nobody', "$dir/queue", "$dir/exim.conf");
	return inside($dir, ['Debian-exim'], "exec setpriv --reuid=nobody --regid=nogroup --clear-groups $root/usr/sbin/exim4 -C $dir/exim.conf -bdf -q10m");
}

sub opensmtpd
{
	my ($root, $dir, $port, $sink) = @_;
	Postrider::spew("$dir/smtpd.conf", <<EOT, 0644);
listen on 127.0.0.1 port $port hostname mx.example.com
smtp limit max-mails 1000000
smtp limit max-rcpt 1000000
mta max-deferred 1000
action "relay" relay host smtp://127.0.0.1:$sink
match from any for any action "relay"
EOT
	return inside($dir, [qw(opensmtpd opensmtpq)], <<EOT);
mkdir -p $dir/lib/opensmtpd/empty $dir/spool/smtpd
chmod 711 $dir/spool/smtpd
mount -t tmpfs tmpfs /run
mount --bind $dir/lib /var/lib
mount --bind $dir/spool /var/spool
mount -t tmpfs tmpfs /usr/libexec
exec $root/usr/sbin/smtpd -d -f $dir/smtpd.conf
EOT
}

# A shell script in a mount namespace where these users exist.
sub inside
{
	my ($dir, $users, $script) = @_;
	my ($passwd, $group, $id) = (Postrider::slurp('/etc/passwd'), Postrider::slurp('/etc/group'), 64900);
	for (@$users) { $id++; $passwd .= "$_:x:$id:${id}::/var/lib/opensmtpd/empty:/bin/false\n"; $group .= "$_:x:$id:\n" }
	Postrider::spew("$dir/passwd", $passwd, 0644);
	Postrider::spew("$dir/group", $group, 0644);
	Postrider::spew("$dir/inside", "set -e\nmount --bind $dir/passwd /etc/passwd\nmount --bind $dir/group /etc/group\n$script\n");
	return ('unshare', '-m', 'sh', "$dir/inside");
}
1;
