#!/usr/bin/perl
# Patterns and inputs that make matchers slow do not hold the loop (the harness looks at its counters), nor other clients; rules
# that need too many steps count as not matching and say so, as in Postfix; a look-up that takes too long is a temporary failure.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use Postrider;

my $run = 'a' x 40;
my $log;
sub said { my ($s, $rx, $what) = @_; ok(wait_for($what, 20, sub { ($log = $s->log) =~ $rx }), $what) }
sub rcpt { my ($t, $to) = @_; my $r = $t->cmd("RCPT TO:<$to>"); $r =~ s/^(\S+ \S+) <[^>]*>: /$1 /; return $r }

# ---- each way in which a rule may be hard
my @cases = (	# table, recipient, what is answered, what is logged
	['pcre', "/^(a*)*\\d/ REJECT one\n/@/ REJECT two", $run, qr/two$/, 'line 1: match limit exceeded'],
	['pcre', "/^(a|aa)+\\d(.*)/ REJECT \$2\n/^(.*)@/ REJECT \$1", $run, qr/$run$/, 'line 1: match limit exceeded'],
	['pcre', "!/^(a|aa)+\\d/ REJECT one\n/@/ REJECT two", $run, qr/two$/, 'line 1: match limit exceeded'],
	['pcre', "if /^(a|aa)+\\d/\n/@/ REJECT one\nendif\n/@/ REJECT two", $run, qr/two$/, 'line 1: match limit exceeded'],
	['regexp', "/^(a|aa)+[0-9]/ REJECT one\n/@/ REJECT two", $run, qr/two$/],
	['regexp', "/^(a*)*b(.*)@/ REJECT \$2\n/@/ REJECT two", "$run.b", qr/two$/],
	['regexp', "/^(a*)*.b(.*)@/ REJECT <\$2>\n/@/ REJECT two", "$run.bc", qr/<c>$/],
	['regexp', "/^(a|aa)+\\1x/ REJECT one\n/@/ REJECT two", $run, qr/two$/, 'line 1: match limit exceeded'],
	['regexp', "/^(a+)-\\1@(.*)/ REJECT \$1 \$2\n/@/ REJECT two", "$run-$run", qr/$run sink\.example$/],
	['regexp', "/^(.*a.{20}.*)@/ REJECT \$1", $run x 6, qr/$run$/],
	['regexp', "/^[[:alpha:]]+(\\Ba|b)*@/ REJECT one\n/@/ REJECT two", $run, qr/one$/],
	['regexp', "/(a*|b)**@/ REJECT <\$1>", "$run.", qr/<>$/],
	['regexp', "/^\\(a*\\)\\1@/x REJECT <\$1>\n/@/ REJECT two", 'aaaa', qr/<aa>$/i],
);
my $slow = join '', map { "/^(?:(?:a|aa)+|x$_)+[0-9]/ REJECT $_\n" } 1 .. 400;
my %files;
my $services = "\@PORT\@ inet n - n - - smtpd\nsmtp unix - - n - - smtp\nerror unix - - n - - error\n";
for my $i (0 .. $#cases) {
	$files{"table$i"} = "$cases[$i][1]\n";
	$services .= sprintf "127.0.0.1:\@PORT%d\@ inet n - n - - smtpd\n -o { smtpd_recipient_restrictions = check_recipient_access %s:\@DIR\@/etc/table%d, reject }\n", $i + 2, $cases[$i][0], $i;
}
my $s = server(main => "mynetworks = 192.0.2.9\nsmtpd_relay_restrictions =\nsmtpd_error_sleep_time = 0\nsmtpd_recipient_restrictions = reject\n", files => \%files,
    master => $services, allow => [qr/warning: (?:pcre|regexp) map \S+, line 1: match limit exceeded/]);
for my $i (0 .. $#cases) {
	my ($type, $rules, $to, $want, $said) = @{$cases[$i]};
	my $t = $s->client(port => $s->port($i + 2));
	$t->cmd('EHLO client.test');
	$t->cmd('MAIL FROM:<a@example.net>');
	my $got = rcpt($t, "$to\@sink.example");
	like($got, $want, (split /\n/, $rules)[0] . " with " . substr($to, 0, 20));
	said($s, qr/warning: $type map \S+\/table$i, \Q$said\E/, "... and says $said") if $said;
	$t->cmd('QUIT');
}
$s->finish;

# ---- one look-up through many rules, each of which is hard: it ends, and others do not wait for it
{
	$s = server(main => "postrider_table_time_limit = 1s\nmynetworks = 192.0.2.9\nsmtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_recipient_access pcre:\@DIR\@/etc/slow, reject\n",
	    files => { slow => $slow }, allow => [qr/warning: pcre map \S+, line \d+: match limit exceeded/, qr/warning: pcre map \S+\/slow: matching takes too long/, qr/warning: pcre:\S+\/slow lookup error/]);
	my $t = $s->client;
	$t->cmd('EHLO client.test');
	$t->cmd('MAIL FROM:<a@example.net>');
	$t->raw("RCPT TO:<$run\@sink.example>\r\n");
	my $other = $s->client;
	is(join('', map { substr $other->cmd('NOOP'), 0, 3 } 1 .. 20), '250' x 20, 'another client is served meanwhile');
	like($t->reply, qr/^451 4\.3\.\d .*(?:Server configuration error|Temporary lookup failure)/, 'a look-up that takes too long');
	said($s, qr/warning: pcre map \S+\/slow: matching takes too long/, 'is told');
	like(rcpt($t, 'b@sink.example'), qr/^554 5\.7\.1 .*Access denied/, 'the session goes on');
}
$s->finish;
done_testing();
