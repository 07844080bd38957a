# postconf(1) in all its forms over files that are odd, broken, or both: output, messages, exit status.
# Standard error apart and sorted: the order of Postfix's warnings about user-defined names is that of a hash.
C = ("!sh cd @CONF@; rm -rf c; mkdir c; cp x.main c/main.cf; cp x.master c/master.cf; for a in %s; do echo \"== $a\"; eval postconf -c c $a 2>e; "
     "echo \"rc $?\"; sed 's,^[^ ]*postconf: ,,; s,usage: [^ ]*,usage:,' e | sort -u; done\n")
MASTER = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
MAIN = "myhostname = h.example.com\nmydomain = example.com\n"
def ask(name, args, main=MAIN, master=MASTER, after=""):
    config("c-" + name, files={"x.main": main, "x.master": master}, main="alias_maps =\nalias_database =\n")
    case(name, "c-" + name, C % " ".join("'%s'" % a for a in args) + after)

SHOW = ["-n", "-nf", "-nx", "-nh", "-nH", "-M", "-Mf", "-Mx", "-F", "-Fh", "-P", "-Px", "-PH"]
ask("plain", SHOW)
ask("continuation", SHOW, "a = b\n c\n\td\n# x\n  e\n\n  f\n#y\nmyhostname = h.example.com\n  # not a comment? \n   last\nmydomain=example.com\n")
ask("stray", SHOW, "   start = indented\nmydomain = example.com\nmyhostname = h.example.com\n", "   odd inet n - n - - smtpd\n" + MASTER)
ask("spaces", SHOW, "a=b\nb = c\nc  =   d   \nd =\ne\t=\tf\nf = x = y\ng == h\nmyhostname = h.example.com\n  \n#\nbiff=no\n")
ask("no-equals", SHOW, MAIN + "nonsense\n")
ask("no-name", SHOW, MAIN + "= value\n")
ask("two-words", SHOW, MAIN + "two words = value\n")
ask("crlf", SHOW, "myhostname = h.example.com\r\nmydomain = example.com\r\nbiff = no\r\n")
ask("no-newline", SHOW, MAIN + "biff = no", "smtp inet n - n - - smtpd")
ask("duplicate", SHOW, MAIN + "biff = no\nrelayhost = a\nbiff = yes\nrelayhost = a\nown = 1\nown = 2\nx = $own\n")
ask("undefined", SHOW, MAIN + "a = $nosuch\nb = ${nosuch}\nc = $(nosuch)\nd = ${nosuch?x}\ne = ${nosuch:y}\nf = $a $b\nrelayhost = $nosuch\n")
ask("conditional", SHOW, MAIN + "v = 1\nw =\na = ${v?yes}\nb = ${w?yes}\nc = ${v:no}\nd = ${w:no}\ne = ${v?{yes}:{no}}\nf = ${w?{yes}:{no}}\ng = ${v?{a ${w:{b}} c}:{d}}\n"
    "h = ${{$v} == {1} ? {eq} : {ne}}\ni = ${{$v} != {1} ? {ne} : {eq}}\nj = ${{$v} < {2} ? {lt} : {ge}}\nk = ${{$v}>={2}?{ge}:{lt}}\nl = ${{3.6} <level {3.10} ? {lt} : {ge}}\n"
    "m = ${{a} < {b} ? {lt}}\nn = ${{$v} == {2} ? {eq}}\no = ${{ $v } == { 1 } ? { eq } : { ne }}\np = ${v? yes }\nz = $a$b$c$d$e$f$g$h$i$j$k$l$m$n$o$p\n")
for n, t in (("open-brace", "a = ${v"), ("open-paren", "a = $(v"), ("open-cond", "a = ${v?{x}"), ("open-text", "a = ${v?{x"), ("bad-op", "a = ${{1} = {2} ? {x}}"), ("no-op", "a = ${{1} {2} ? {x}}"),
             ("bad-level", "a = ${{1} <level {x} ? {y}}"), ("colon", "a = ${v?{x}y:{z}}"), ("empty", "a = ${}"), ("dollar", "a = $"), ("dollars", "a = $$v x$"), ("digit", "a = $1 $9x"),
             ("nested", "a = ${${v}}"), ("garbage", "a = ${{1}=={1}?{x}:{y}z}"), ("no-arm", "a = ${{1} == {1}}"), ("builtin", "smtpd_banner = ${v"), ("recursion", "v2 = $v3\nv3 = $v2\na = $v2"),
             ("self", "a = $a"), ("self-builtin", "relayhost = $relayhost"), ("braces", "a = { b } { c\nd = }"), ("tail", "a = ${v?{x}:{y} }")):
    ask("macro-" + n, ["-n", "-nx", "-x a", "-h a smtpd_banner", "-xh a smtpd_banner relayhost", "-x z", "-xM", "-xP"], MAIN + "v = 1\n" + t + "\nz = $a\n")
ask("raw", ["-n", "-nx", "-x default_rbl_reply", "-x bounce_template_file forward_path mailbox_command"], MAIN + "default_rbl_reply = $rbl_code $foo ${x?y}\nforward_path = $home/.f${recipient_delimiter}${extension}\nmailbox_command = /x $HOME $y\n")
ask("service-names", ["-n", "-C service", "-C builtin -n", "-C user", "-C all -n", "-dC service", "-d smtp_destination_recipient_limit foo_destination_recipient_limit", "smtp_destination_concurrency_limit gw_destination_rate_delay", "-d gw_time_limit pol_time_limit",
    "-x gw_time_limit", "-P"], MAIN + "gw_destination_rate_delay = 1s\ngw_time_limit = 3\nnosuch_destination_rate_delay = 2\nsmtp_destination_recipient_limit = 7\nsmtp_initial_destination_concurrency = 3\n",
    MASTER + "gw unix - n n - - pipe flags=R user=vmail argv=/bin/x\npol unix - n n - 0 spawn user=nobody argv=/bin/y\n")
ask("tables", ["-n", "-P"], MAIN + "virtual_alias_maps = ldap:foo, proxy:mysql:bar pcre:{{/x/ y}} pgsql:/etc/baz.cf\nfoo_server_host = x\nfoo_search_base = y\nfoo_bogus = z\nbar_hosts = h\nbaz_hosts = h\nqux_hosts = h\n",
    MASTER + "26 inet n - n - - smtpd -o smtpd_sender_login_maps=sqlite:lite -o lite_dbpath=/x -o lite_bogus=y\n")
ask("classes", ["-n", "-nx", "-P"], MAIN + "smtpd_restriction_classes = one, two three\none = permit\ntwo = reject\nfour = permit\nsmtpd_sender_restrictions = one, four\n",
    MASTER + "26 inet n - n - - smtpd -o smtpd_restriction_classes=five -o five=permit -o six=reject\n")
M = MAIN + "mua = permit, reject\n"
ask("master-args", SHOW + ["-Mf 26/inet", "-F 26/inet/command", "-P 26/inet/x", "-P 26/inet", "-P */inet/smtpd_banner"], M,
    "26 inet n - n - - smtpd -v -v -o a=b -o {c = d e f} -o {g=h} -vo i=j -oi2=j2 -o k = l -o a=second\n"
    "  -o smtpd_client_restrictions=$mua -o { smtpd_banner = $a ${c?{x}} }\nx unix - n n 1000? 1 pipe flags=DR user=a:b argv=/x -o y=z ${recipient} {a b} { c } {{d}} end\n")
for n, l in (("fields", "foo inet n -"), ("one", "foo"), ("type", "foo udp n - n - - smtpd"), ("private", "foo unix x - n - - smtp"), ("inet-private", "foo inet y - n - - smtpd"), ("inet-dash", "foo inet - - n - - smtpd"),
             ("unpriv", "foo unix - q n - - smtp"), ("chroot", "foo unix - - 1 - - smtp"), ("wakeup", "foo unix - - n x - smtp"), ("wakeup2", "foo unix - - n ? - smtp"), ("wakeup3", "foo unix - - n 60?? - smtp"), ("maxproc", "foo unix - - n - 1? smtp"),
             ("maxproc2", "foo unix - - n - -1 smtp"), ("open", "foo unix - - n - - smtp -o { a = b"), ("close", "foo unix - - n - - smtp -o a } b"), ("no-o", "foo unix - - n - - smtp -o"), ("o-noeq", "foo unix - - n - - smtp -o abc"),
             ("o-space", "foo unix - - n - - smtp -o a = b"), ("o-empty", "foo unix - - n - - smtp -o =b"), ("brace-noeq", "foo unix - - n - - smtp -o {a b}"), ("brace-tail", "foo unix - - n - - smtp -o {a=b}c"), ("zero", "foo unix - - n 0 0 smtp"),
             ("types", "a fifo n - n 1? 0 x\nb unix-dgram n - n - 1 y\nc pass - - n - - smtpd\nd inet n n y 5 6 z"), ("dup", "smtp inet n - y - 3 smtpd\nsmtp:x inet n - n - - smtpd"), ("comment", "# foo\n\n  # bar\nfoo unix - - n - - smtp # tail"),
             ("upper", "foo UNIX - - n - - smtp"), ("tabs", "foo\tunix\t-\t-\tn\t-\t-\tsmtp\t\t-o\ta=b"), ("long", "foo unix - - n - - pipe " + " ".join("argument%d" % i for i in range(30))), ("name", "[::1]:25 inet n - n - - smtpd\nhost:smtp inet n - n - - smtpd -o x=y")):
    ask("master-" + n, ["-M", "-Mf", "-F", "-Ff", "-P", "-n", "-M foo/unix", "-M foo", "-M */unix", "-F foo/unix/wakeup", "-F foo/*/command"], MAIN, MASTER + l + "\n")
E1 = "!sh cd @CONF@; diff x.main c/main.cf; diff x.master c/master.cf\n"
SRC = "# head\nmyhostname = h.example.com\nmydomain = example.com\n# about a\na = 1\n  2\n# inside\n  3\n\nb = x\n#b = y\na = again\nc=$a\n   # indented\nd = last\n"
for n, a in (("e-new", "-e x=y"), ("e-old", "a=5 d=6"), ("e-many", "\"a = 5\" \"new = 1 2\" b="), ("e-comment", "\"#a=1\""), ("e-noeq", "-e a"), ("e-empty", "=x"), ("e-dollar", "\"a=\\$b\""), ("e-space", "\" a = b \""), ("e-name", "\"x y=z\""), ("e-dup", "z=1 z=2"),
             ("X", "-X a"), ("X-two", "-X b d"), ("X-none", "-X nosuch"), ("X-eq", "-X a=1"), ("hash", "-# a"), ("hash-two", "-# b d"), ("hash-none", "-# nosuch"), ("eX", "-eX a"), ("e-none", "-e"), ("X-empty", "-X"), ("newline", "\"a=b$(printf \"\\nq\")\""),
             ("M-new", "-Me \"new/unix=new unix - - n - - smtp -o q=r\""), ("M-old", "-M \"smtp/inet=smtp inet n - y - 5 smtpd -o {a = b}\""), ("M-bad", "-M smtp/inet=foo"), ("M-other", "-M \"smtp/inet=x unix - - n - - smtp\""), ("M-one", "-M smtp=x"), ("MX", "-MX smtp/inet"),
             ("MX-none", "-MX no/unix"), ("MX-all", "-MX */*"), ("M-hash", "-M# gw/unix"), ("M-pat", "-Me \"*/unix=x unix - - n - - smtp\""), ("M-two", "-Me \"smtp/inet=smtp inet n - n - - a\" \"smtp/*=smtp inet n - n - - b\""), ("M-over", "-Me \"gw/unix=gw unix n - n - - a\" \"*/*=smtp inet n - n - - b\""), ("F", "-F smtp/inet/chroot=y"), ("F-all", "-F */*/chroot=y"), ("F-bad", "-F smtp/inet/chroot=q"), ("F-field", "-F smtp/inet/nosuch=q"),
             ("F-command", "-F \"smtp/inet/command=smtpd -o foo=bar\""), ("F-name", "-F smtp/inet/service=26"), ("F-type", "-F gw/unix/type=inet"), ("F-wake", "-F gw/unix/wakeup=60?"), ("FX", "-FX smtp/inet/chroot"), ("P", "-P smtp/inet/smtpd_timeout=5s"),
             ("P-old", "-P gw/unix/own=2"), ("P-all", "-P */unix/syslog_name=x"), ("P-none", "-P no/inet/a=b"), ("P-space", "-P \"smtp/inet/smtpd_banner=a b\""), ("PX", "-PX gw/unix/own"), ("PX-none", "-PX gw/unix/nosuch"), ("P-two", "-P smtp/inet/a=1 smtp/inet/b=2"), ("P-hash", "-P# gw/unix/own")):
    ask("edit-" + n, [a], SRC, "# top\nsmtp inet n - n - - smtpd\n# before gw\ngw unix - n n - - pipe\n  -o own=1 flags=R\n# between\n  argv=/bin/x\n# end\nold unix - - n - - smtp\n", E1)
for n, a in (("modes", ["-M -F", "-n -d", "-e -X a", "-h -H", "-e -x a=b", "-P -M", "-b -t", "-a -M", "-l -m", "-n -M", "-d -M", "-p -P", "-h -M", "-H -M", "-f -h a", "-C foo", "-o x", "-o =x", "-T nosuch", "-q", "-Z foo", "-#", "-Mo a=b"]),
             ("override", ["-o a=b -n", "-o myhostname=x.y myhostname", "-o biff=no -x biff", "-o q=r q", "-o q=r -o q=s q", "-o \"mydomain = z.z\" -xh myorigin", "-o q=\\$r q", "-o q=\\$mydomain -x q", "-o \"{a=b}\" a", "-no relayhost=h"]),
             ("given", ["nosuch", "nosuch myhostname", "-d nosuch", "-h myhostname mydomain", "-H myhostname", "-d mynetworks_style smtpd_timeout", "-xd smtpd_banner", "-p myhostname", "-px myorigin", "MYHOSTNAME", "-f smtpd_banner", "-x mydestination", "-n nosuch", "-n myhostname"]),
             ("lists", ["-l", "-a", "-A", "-T compile-version | wc -l", "-T run-version | wc -l", "-t | head -20", "-b | head -20"])):
    ask("opts-" + n, a)
ask("missing-master", SHOW, MAIN, "", )
config("gone", main="alias_maps =\n")
case("missing", "gone", "!sh cd @CONF@; mkdir -p d; for a in -n -M -P -d\\ biff biff -x\\ biff a=b -F -o\\ a=b\\ a; do echo \"== $a\"; postconf -c d $a; echo rc $?; done 2>&1 | sed 's,^[^ ]*postconf: ,,'\n"
     "!sh cd @CONF@; for a in -n -M a=b; do postconf -c /nonexistent $a; echo rc $?; done 2>&1 | sed 's,^[^ ]*postconf: ,,'\n")
