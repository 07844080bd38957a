# Backend.pm - data base and directory servers for tests, each in a private directory on a free port and a socket.
#   my $db = Postrider::Backend->mariadb;	undef where the programs are missing
#   $db->sql("..."); $db->kill; $db->start; $db->{port}; $db->{socket};
#   my $p = Postrider::Backend->relay($db->{port}, hang => qr/HANG/);	passes bytes on, and says no more than a few
# of an answer once a client sent what matches; "hang => 'greeting'": nothing at all; 'first': one packet, or what `say` is,
# once the client has said something; 'accept': nobody takes the connection, connecting to it takes for ever. "delay => N": each
# packet of the server is N seconds late.
package Postrider::Backend;
use strict;
use warnings;
use Carp qw(croak);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use Socket qw(PF_INET SOCK_STREAM SOL_SOCKET SO_REUSEADDR inet_aton pack_sockaddr_in);
use POSIX ();
use Time::HiRes qw(sleep);
use Postrider ();

my $user = $> == 0 ? 'nobody' : undef;	# some will not run as root

sub make
{
	my ($class, %o) = @_;
	my $self = bless { parent => $$, port => Postrider::free_port(), %o }, $class;
	$self->{dir} = tempdir('postrider-b.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
	chmod 0755, $self->{dir};
	mkdir "$self->{dir}/$_", 0700 for qw(data tmp);
	if ($user) { my ($uid, $gid) = (getpwnam $user)[2, 3]; chown $uid, $gid, $self->{dir}, map { "$self->{dir}/$_" } qw(data tmp) }
	return $self;
}

sub run
{
	my ($self, $cmd, %o) = @_;
	my ($rc, $out, $err) = Postrider::run_cmd($cmd, user => $user, %o);
	croak "$cmd->[0]: $rc $out$err" if $rc != 0;
	return $out;
}

sub start
{
	my ($self) = @_;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/log"; open STDERR, '>&', \*STDOUT;
		Postrider::become($user) if $user;
		{ no warnings; exec { $self->{cmd}[0] } @{$self->{cmd}} }
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	Postrider::wait_for('server', 60, sub {
		croak "$self->{cmd}[0] ended: " . Postrider::slurp("$self->{dir}/log") if waitpid($pid, POSIX::WNOHANG) == $pid;
		return $self->{ready}->($self);
	}) or croak "$self->{cmd}[0] does not answer: " . Postrider::slurp("$self->{dir}/log");
	return $self;
}

sub kill { my ($self) = @_; my $p = delete $self->{pid} or return; local $?; CORE::kill 'KILL', $p; waitpid $p, 0; sleep 0.06 }	# its last answers are given again for 50 ms
sub DESTROY { my ($self) = @_; return unless $self->{pid} && $self->{parent} == $$; $self->kill }

# ---- MariaDB
sub mariadb
{
	my ($class) = @_;
	my ($server, $install, $client) = map { Postrider::have($_) } qw(mariadbd mariadb-install-db mariadb);
	return undef unless $server && $install && $client;
	my $self = $class->make(client => $client);
	my $d = $self->{dir};
	$self->{socket} = "$d/sock";
	my @common = ("--datadir=$d/data", "--tmpdir=$d/tmp",	# one that starts removes what it takes for its own in /tmp
	    '--innodb-log-file-size=4M', '--innodb-buffer-pool-size=16M', '--innodb-flush-log-at-trx-commit=0', '--aria-log-file-size=8M');
	$self->run([$install, '--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve', @common]);
	$self->{cmd} = [$server, '--no-defaults', @common, "--socket=$d/sock", "--pid-file=$d/pid", "--port=$self->{port}", '--bind-address=127.0.0.1',
	    '--skip-name-resolve', '--performance-schema=OFF', '--skip-log-bin', '--max-connections=400', @{$self->{more} // []}];
	$self->{ready} = sub { (Postrider::run_cmd([$client, '--no-defaults', "--socket=$d/sock", '-uroot', '-e', 'select 1']))[0] == 0 };
	$self->start;
	$self->sql("create user mail\@'%' identified by 'pw'; grant all on *.* to mail\@'%'; create database mail;");
	return $self;
}
sub my_sql { my ($self, $text) = @_; return $self->run([$self->{client}, '--no-defaults', '--default-character-set=utf8mb4', "--socket=$self->{socket}", '-uroot', '-N', '-B'], stdin => $text) }

# ---- PostgreSQL
sub pgsql
{
	my ($class) = @_;
	my ($bin) = reverse sort glob '/usr/lib/postgresql/*/bin';
	return undef unless $bin && -x "$bin/initdb" && -x "$bin/postgres" && Postrider::have('psql');
	my $self = $class->make(client => Postrider::have('psql'), pg => 1);
	my $d = $self->{dir};
	$self->{socket} = $d;		# a directory; its name for the socket has the port in it
	$self->run(["$bin/initdb", '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C.UTF-8', '-U', 'mail', '-D', "$d/data"]);
	$self->{cmd} = ["$bin/postgres", '-D', "$d/data", '-F', '-k', $d, '-p', $self->{port}, '-c', 'listen_addresses=127.0.0.1'];
	$self->{ready} = sub { (Postrider::run_cmd([$self->{client}, '-h', $d, '-p', $self->{port}, '-U', 'mail', '-c', 'select 1', 'postgres']))[0] == 0 };
	return $self->start;
}
sub sql
{
	my ($self, $text) = @_;
	return $self->my_sql($text) unless $self->{pg};
	return $self->run([$self->{client}, '-q', '-v', 'ON_ERROR_STOP=1', '-h', $self->{dir}, '-p', $self->{port}, '-U', 'mail', 'postgres'], stdin => $text);
}

# ---- OpenLDAP: schema has what Postfix's defaults name; the text is LDIF below dc=t
sub slapd
{
	my ($class, $ldif, %o) = @_;
	my ($server, $add) = map { Postrider::have($_) } qw(slapd slapadd);
	return undef unless $server && $add;
	my $self = $class->make(%o);
	my $d = $self->{dir};
	(my $socket = $self->{socket} = "$d/sock") =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;
	$self->{ldapi} = "ldapi://$socket";
	Postrider::spew("$d/slapd.conf", "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n" .
	    "attributetype ( 1.3.6.1.4.1.99999.1 NAME 'maildrop' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n" .
	    "attributetype ( 1.3.6.1.4.1.99999.2 NAME 'mailacceptinggeneralid' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n" .
	    "attributetype ( 1.3.6.1.4.1.99999.3 NAME 'memberdn' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n" .
	    "objectclass ( 1.3.6.1.4.1.99999.4 NAME 'mailThing' SUP top AUXILIARY MAY ( maildrop \$ mailacceptinggeneralid \$ memberdn \$ mail ) )\n" .
	    "pidfile $d/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n" . ($o{conf} // '') . "database mdb\nmaxsize 10485760\nsuffix \"dc=t\"\nrootdn \"cn=root,dc=t\"\nrootpw secret\ndirectory $d/data\n" . ($o{rules} // ''), 0644);
	Postrider::spew("$d/ldif", "dn: dc=t\nobjectclass: dcObject\nobjectclass: organization\no: t\ndc: t\n\n$ldif", 0644);
	$self->run([$add, '-q', '-f', "$d/slapd.conf", '-l', "$d/ldif"]);
	$self->{cmd} = [$server, '-f', "$d/slapd.conf", '-d', '0', '-h', "ldap://127.0.0.1:$self->{port} $self->{ldapi}" . ($o{ldaps} ? ' ldaps://127.0.0.1:' . ($self->{ldaps} = Postrider::free_port()) : '')];
	$self->{ready} = sub { unlink "$d/nothing"; IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 1) };
	return $self->start;
}

# ---- Redis
sub redis
{
	my ($class) = @_;
	my ($server, $client) = map { Postrider::have($_) } qw(redis-server redis-cli);
	return undef unless $server && $client;
	my $self = $class->make(client => $client);
	my $d = $self->{dir};
	$self->{socket} = "$d/sock";
	$self->{cmd} = [$server, '--port', $self->{port}, '--bind', '127.0.0.1', '--unixsocket', "$d/sock", '--unixsocketperm', '777', '--dir', "$d/data",
	    '--save', '', '--appendonly', 'no', '--requirepass', 'pw'];
	$self->{ready} = sub { ($self->cli('PING'))[0] eq 'PONG' };
	return $self->start;
}
sub cli { my ($self, @w) = @_; my ($rc, $out) = Postrider::run_cmd([$self->{client}, '-p', $self->{port}, '--no-auth-warning', '-a', 'pw', @w]); chomp $out; return $out }

# ---- a relay that can hang
sub relay
{
	my ($class, $port, %o) = @_;
	my $self = bless { parent => $$, port => Postrider::free_port() }, $class;
	if (($o{hang} // '') eq 'accept') { $self->{full} = full($self->{port}); return $self }
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $self->{port}, Listen => 200, ReuseAddr => 1) or croak "relay: $!";
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) { $SIG{TERM} = 'DEFAULT'; $SIG{PIPE} = 'IGNORE'; eval { pass($l, $port, $o{hang} // qr/(?!)/, $o{say}, $o{delay}) }; POSIX::_exit(0) }
	$self->{pid} = $pid;
	return $self;
}

# A listening socket whose queue is full: the handshake of who connects now is not answered.
sub full
{
	my ($port, $addr) = @_;
	my $where = pack_sockaddr_in($port, inet_aton($addr // '127.0.0.1'));
	my $l;
	socket($l, PF_INET, SOCK_STREAM, 0) && setsockopt($l, SOL_SOCKET, SO_REUSEADDR, 1) && bind($l, $where) && listen($l, 0) or croak "relay: $!";
	my @held = $l;
	for (1 .. 8) {
		my $s = IO::Socket::INET->new(Proto => 'tcp', Blocking => 0) or croak "relay: $!";
		connect $s, $where;
		push @held, $s;
		return \@held if !IO::Select->new($s)->can_write(0.5);
	}
	croak 'relay: connections are still taken';
}

sub pass
{
	my ($l, $port, $hang, $say, $delay) = @_;
	my $sel = IO::Select->new($l);
	my (%peer, %room, %server, %said);
	while (1) {
		for my $s ($sel->can_read) {
			if ($s == $l) {
				my $c = $l->accept or next;
				if (defined $say || (!ref $hang && $hang eq 'greeting')) { $sel->add($c); next }
				my $b = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or do { close $c; next };
				@peer{$c, $b} = ($b, $c);
				$server{$b} = 1;
				$room{$b} = ref $hang ? undef : $hang eq 'greeting' ? 0 : $hang eq 'first' ? -1 : undef;
				$sel->add($c, $b);
				next;
			}
			next if !defined fileno $s;	# closed with its peer, just now
			my $n = sysread $s, my $buf, 65536;
			if (!$n) {
				my $p = delete $peer{$s} or do { $sel->remove($s); delete $said{$s}; close $s; next };
				delete $peer{$p};
				$sel->remove($s, $p); close $s; close $p;
				next;
			}
			my $p = $peer{$s};
			if (!$p) { syswrite $s, $say if defined $say && !$said{$s}++; next }
			sleep $delay if $delay && $server{$s};
			if (!$server{$s}) {
				$room{$p} = 3 if ref $hang && $buf =~ $hang;
				syswrite $p, $buf;
			} elsif (!defined $room{$s}) {
				syswrite $p, $buf;
			} elsif ($room{$s} < 0) {
				syswrite $p, $buf; $room{$s} = 0;
			} elsif ($room{$s} > 0) {
				syswrite $p, substr $buf, 0, $room{$s}; $room{$s} = 0;
			}
		}
	}
}
1;
