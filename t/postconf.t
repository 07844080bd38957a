#!/usr/bin/perl
# postconf: what it shows and how it edits, compared with t/golden/postconf.txt, which Postfix 3.7's postconf wrote for
# the same files and arguments: "POSTCONF=/usr/sbin/postconf perl t/postconf.t --write" renews it.
# A golden has the arguments, standard output, then "! " lines of standard error (sorted), "? " the exit
# status if not 0, and "main.cf>" or "master.cf>" lines of a file that the command changed.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my %file = ('main.cf' => <<'EOF', 'master.cf' => <<'EOF');
# c1
myhostname = h.example.com
# before foo
foo = $myhostname
	long   continuation
# inner
	more that goes on until the line is so long that folding has to break it somewhere

relayhost=[$foo]:25
#relayhost = y
biff = no
   # indented
mua_restrictions = permit_sasl_authenticated, reject
class1 = check_client_access static:OK
smtpd_restriction_classes = class1
typo = $undefined
smtp_destination_concurrency_limit = 3
default_rbl_reply = $rbl_code $foo
empty =
EOF
# head
smtp inet n - n - - smtpd
# mid
127.0.0.1:submission inet n - n - 10 smtpd
  -o syslog_name=postfix/$service_name -o { smtpd_client_restrictions = permit_mynetworks, reject }
# in
  -v -o smtpd_helo_restrictions=$mua_restrictions -o own=a -o smtpd_banner=$own -o unused=b

smtp unix - - n - - smtp -o smtp_bind_address=192.0.2.1
# last
gw unix - n n - - pipe
  flags=DR user=vmail argv=/usr/bin/program --with --many --arguments ${recipient} {a b}
# end
EOF

my @cases = map { [split /\t/] } split /\n/, <<'EOF';
-n
-nf
-nx
-nh
-nH
-nC	user
-nC	service
-x	relayhost	foo	smtpd_restriction_classes
foo	nosuch	relayhost
-o	foo=over	-x	relayhost
-o	stress=yes	-xh	smtpd_timeout	smtpd_hard_error_limit
-d	smtpd_relay_restrictions	foo	mynetworks_style
-dx	smtpd_relay_restrictions	smtputf8_enable
gw_time_limit	smtp_destination_rate_delay	local_destination_concurrency_limit
-M
-Mf
-Mx
-M	smtp	nosuch
-M	*/unix
-F	gw/unix
-Ff	gw/unix/command	127.0.0.1:submission/inet/command
-Fh	*/*/chroot
-F	smtp/inet/nosuch
-P
-Px
-PH
-P	*/*/smtpd_banner	smtp/unix	x/y/z
-hH	foo
-dn
-Md
-C	nosuch
-l
-a
-A
-e	foo = new  value	added=1
relayhost = z	biff=
foo=1	foo=2
-X	foo
-X	nosuch
-#	foo
-e	foo
-e	=x
-e	#foo=a
-e
-X	foo=bar
-M	smtp/inet=smtp inet n - y - - smtpd -o x=y -o { a = b c }
-M	new/unix = new unix - - n - - smtp
-M	smtp/inet=foo
-Me	*/unix=x unix - - n - - smtp
-Me	smtp/inet=smtp inet n - n - - a	smtp/*=smtp inet n - n - - b
-Me	gw/unix=gw unix n - n - - a	*/*=smtp inet n - n - - b
-F	*/unix/wakeup=?
-o	virtual_alias_maps=mysql:/nosuch/a.cf proxy:ldap:/nosuch/b.cf {sqlite:/nosuch/c.cf}	-h	foo
-e	 =x
-MX	127.0.0.1:submission/inet
-M#	127.0.0.1:submission/inet	smtp/unix
-MX	smtp/*
-F	*/*/chroot=y
-F	smtp/inet/command=smtpd -o foo=bar
-F	smtp/inet/chroot=maybe
-F	nosuch/inet/chroot=y
-P	127.0.0.1:submission/inet/syslog_name=abc	smtp/inet/smtpd_timeout=5s
-P	gw/unix/syslog_name=x
-P	smtp/inet/smtpd_timeout=5 s
-PX	127.0.0.1:submission/inet/own
-P#	127.0.0.1:submission/inet/own
EOF

my $write = @ARGV && $ARGV[0] eq '--write';
my $program = $ENV{POSTCONF} || bin('postconf');
my $golden = "$FindBin::Bin/golden/postconf.txt";
my $dir = tempdir(CLEANUP => 1);
mkdir "$dir/c";
chdir $dir or die "$dir: $!";

sub transcript
{
	my (@args) = @_;

	spew("c/$_", $file{$_}, 0640) for keys %file;
	unlink 'c/main.cf.tmp', 'c/master.cf.tmp';
	my ($rc, $out, $err) = run_cmd([$program, '-c', 'c', @args]);
	my %seen;
	my $text = $out . join '', map { s/^\S*postconf: //r } map { "! $_" } grep { !$seen{$_}++ } sort
	    map { s{^\S*/?postconf: }{}r } split /^/m, $err;
	$text .= "? $rc\n" if $rc != 0;
	for my $f (sort keys %file) {
		my $now = slurp("c/$f");
		$text .= join '', map { "$f> $_" } split /^/m, $now if $now ne $file{$f};
	}
	return $text;
}

my $all = join '', map { "\$ @$_\n" . transcript(@$_) } @cases;
if ($write) {
	spew($golden, $all);
	exit 0;
}
my %want = map { my ($k, $v) = split /\n/, $_, 2; ($k => $v // '') } grep { length } split /^\$ /m, slurp($golden);
my %got = map { my ($k, $v) = split /\n/, $_, 2; ($k => $v // '') } grep { length } split /^\$ /m, $all;
is($got{"@$_"}, $want{"@$_"}, "postconf @$_") for @cases;

# Mode and owner survive; a symbolic link stays one.
mkdir 'd';
spew('d/real', "biff = yes\n", 0600);
symlink 'real', 'd/main.cf';
chown 1, 1, 'd/real' if $> == 0;
run_cmd([$program, '-c', 'd', '-e', 'biff=no']);
my @st = stat 'd/real';
is($st[2] & 07777, 0600, 'mode kept');
is($st[4], $> == 0 ? 1 : $>, 'owner kept');
ok(-l 'd/main.cf' && slurp('d/real') eq "biff = no\n", 'link kept, its target edited');
spew('d/real', 'biff = yes');
run_cmd([$program, '-c', 'd', '-e', 'relayhost=x']);
is(slurp('d/real'), "biff = yes\nrelayhost = x\n", 'a last line without an end');
is_deeply([glob 'd/*.tmp*'], [], 'nothing left behind');
done_testing();
