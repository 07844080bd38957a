# postmap and postalias: options, warnings, statuses, what ends up in a table. Lists of hash: come in the order of its
# buckets there, so they are sorted here.
BAD = """Key  value one
 two
# c
novalue
:x y
k2: v
"q r" s
"unb v
a A
KEY again
"""
ALIASES = """root: alice
postmaster: root, bob
Mixed.Case: x
"quoted name": y
list: :include:/etc/list
prog: "|/usr/bin/prog arg"
file: /var/file, "/var/with space"
nocolon
a,b: c
a@b: c
empty:
two words: x
cont: a,
  b,
  c
q"x"y: d
dup: 1
DUP: 2
comment: a (b c) d
<x>: y
esc\\@: z
bad value
: novalue
x1: "
x2: (
x3: [a
(c)(d) : v
"w": "x y" z
k: "a\\"b"
m: a;b
n: a:b:c
o: <a@b>, "x" <c@d>
!p: q
%p: q
"""
MESSAGE = """From: a
Subject: folded
 line
\ttwo
Content-Type: multipart/mixed; boundary="x"
X-Long: y
%s
pre
--x
Content-Type: text/plain
X-A: 1

text a
 indented
--x
Content-Type: message/rfc822

Subject: inner
X-I: y

inner body
--x--
post
"""
config("pm", files={"t": "a b\nc d\n", "bad": BAD, "al": ALIASES, "m1": MESSAGE % "", "m2": MESSAGE % "NotHeader\n", "m3": "From foo Mon\nSubject: x\n\nbody\n",
    "m4": " Subject: x\n\nbody\n", "m5": "Subject : x\nContent-Type: text/plain\n\nbody", "all.re": "/^/ hit\n", "all.pcre": "/^(.*)$/ <$1>\n", "f1": "one", "f2": "two\nthree\n"},
    main="default_database_type = hash\n")


def sh(*lines):
    return "!shq rm -rf @ROOT@/w; cp -a @CONF@ @ROOT@/w; rm -f @ROOT@/w/*db\n" + \
        "".join("!sh cd @ROOT@/w; %s; echo $?\n" % line.replace("@CONF@", "@ROOT@/w") for line in lines)


case("usage", "pm", sh("postmap -Z", "postmap", "postmap -V x", "postalias -Z", "postalias", "postalias -F al", "postalias -b al", "postmap -q x -d y t", "postmap -s -q x t",
    "postmap -d x -s t", "postalias -q x -d y al", "postalias -s -d y al", "postalias -sq y al", "postalias -d x -s t", "postmap -h -q x t", "postmap -hm t", "postmap -m -q a t",
    "postmap -b -d x t", "postmap -b -s t", "postmap -h -i t", "postmap -q - -d - t", "postmap t -q x"))
case("build", "pm", sh("postmap t", "postmap bad", "postmap -s bad | sort", "postmap lmdb:bad", "postmap -s lmdb:bad", "postmap -q key bad", "postmap -q KEY bad", "postmap -r bad",
    "postmap -s bad | sort", "postmap -w bad", "postmap -f bad", "postmap -s bad | sort", "postmap -q KEY bad", "postmap -q Key bad", "postmap -fq Key bad", "postmap -fq key bad",
    "postmap nofile", "postmap lmdb:nofile", "postmap foo:t", "postmap texthash:t", "postmap static:t", "postmap cdb:t", "postmap cidr:t", "postmap fail:t", "postmap internal:t",
    "postmap proxy:hash:t", "postmap ''", "postmap t lmdb:bad nofile t", "postmap btree:t; postmap -s btree:t", "postmap -n t; postmap -q a t", "postmap -N t; postmap -q a t"))
case("rights", "pm", sh("chmod 640 t; rm -f t.*; postmap t; stat -c '%a %U' t.*", "rm t.*; postmap -p t; stat -c '%a %U' t.*", "rm t.*; chown alice t; chmod 777 .; postmap t; stat -c '%a %U' t.*",
    "postmap -o t; stat -c '%a %U' t.*", "rm t.*; postmap -o t; stat -c '%a %U' t.*", "chown root t; chown alice t.*; chmod 600 t.*; postmap t; stat -c '%a %U' t.*",
    "rm t.*; chown alice t; chmod 755 .; postmap t", "postmap -o t; chown alice t.*; postmap t; stat -c '%a %U' t.*"))
case("change", "pm", sh("postmap t", "printf 'e f\\na z\\nC again\\n' | postmap -i t", "postmap -s t | sort", "printf 'e g\\nh i\\n' | postmap -ir t", "postmap -s t | sort",
    "printf 'e zz\\nh zz\\n' | postmap -iw t", "postmap -s t | sort", "printf 'bad\\n' | postmap -i t", "printf 'g  h' | postmap -i t", "postmap -d a t", "postmap -d a t", "postmap -d C t",
    "printf 'g\\nH\\nz\\n' | postmap -d - t", "printf 'z\\n' | postmap -d - t", "printf '' | postmap -d - t", "postmap -s t | sort", "postmap -d a nofile", "postmap -d a static:t", "postmap -d a cidr:t",
    "postmap -d a fail:t", "postmap -d a internal:t", "postmap -d a foo:t", "printf 'k v\\n' | postmap -i lmdb:new; postmap -s lmdb:new", "printf 'k v\\n' | postmap -i foo:new",
    "postmap -d a t bad", "postmap bad; postmap -d a t bad", "postmap -d e 'inline:{e=f}'"))
case("list", "pm", sh("postmap -s texthash:bad | sort", "postmap -s 'inline:{a=b,c=d}'", "postmap -s static:x", "postmap -s pcre:all.pcre", "postmap -s cidr:t", "postmap -s fail:x",
    "postmap -s internal:x", "postmap -s environ:x", "postmap -s unix:passwd.byname", "postmap -s 'unionmap:{static:a}'", "postmap -s nofile", "postmap t; postmap -s t nofile | sort",
    "postmap -s proxy:hash:t"))
case("files", "pm", sh("printf 'a @CONF@/f1, @CONF@/f2\\nb @CONF@/none\\nc @CONF@/f1\\nd @CONF@/f2 @CONF@/f1\\n' > ff; postmap -F ff", "postmap -s ff | sort", "postmap -q a ff", "postmap -Fq a ff", "postmap -Fq d ff",
    "postmap t; postmap -Fq a t", "postmap -Fq a 'inline:{a=@CONF@/f1}'", "sleep 2; postmap -Fq a texthash:ff", "postmap -q a texthash:ff", "postmap -Fq a static:@CONF@/f1",
    "postmap -Fq a static:@CONF@/nono", "postmap -Fs t | sort", "printf 'a\\nc\\n' | postmap -Fq - ff"))
case("message", "pm", "".join(sh(*["postmap %s -q - regexp:all.re < m%d" % (o, n) for o in ("-h", "-b", "-hb", "-hm", "-bm", "-hbm")]) for n in range(1, 6)) +
    sh("postmap -hb -q - pcre:all.pcre < m1", "postmap -m -q - pcre:all.pcre < m1", "printf 'Subject: x\\377\\n\\nbo\\377dy\\n' | postmap -hb -q - regexp:all.re",
    "printf 'Subject: x\\377\\n\\nbo\\377dy\\n' | postmap -Uhb -q - regexp:all.re", "printf 'X-1: \\001\\000b\\nX: \\r\\n\\rfoo\\r\\nbody\\r\\n' | postmap -hb -q - regexp:all.re",
    "(printf 'X-1: '; head -c 120000 /dev/zero | tr '\\0' a; printf '\\n more\\nX-2: b\\n\\n') | postmap -h -q - regexp:all.re | md5sum"))
case("aliases", "pm", sh("postalias al", "postalias -s al | sort | grep -v MODIF", "postalias -q root al", "postalias -q ROOT al", "postalias -q 'quoted name' al", "postalias -q @ al",
    "printf 'root\\nx\\ncont\\n' | postalias -q - al", "postalias -d dup al", "postalias -d dup al", "printf 'new: a\\ndup: 3\\n' | postalias -i al", "postalias -s al | sort | grep -v MODIF",
    "printf 'new: b\\n' | postalias -i al", "printf 'new: b\\n' | postalias -ir al", "printf 'new: c\\n' | postalias -iw al", "postalias -q new al", "postalias -f al", "postalias -s al | sort | grep -v MODIF",
    "postalias lmdb:al", "postalias -s lmdb:al | grep -v MODIF", "postalias texthash:al", "postalias nofile", "postalias -q a nofile", "postmap al", "newaliases", "sendmail -bi",
    "sendmail -I -oAhash:@CONF@/nofile", "postalias aliases; postalias -q postmaster hash:aliases", "printf 'a\\377: b\\n\\303\\211: c\\n' > al2; postalias al2", "postalias -s al2 | grep -v MODIF", "postalias -u al2; postalias -us al2 | grep -v MODIF"))
case("sources", "pm", sh("printf 'a b\\n\\\\\\\\ c\\n\"x\\\\\\\\\" y z\\n  \\n#c\\n k2 v2\\n' > e; postmap e", "postmap -s e | sort", "printf 'a \\n' > e; postmap e", "printf 'a\\tb\\t c \\n\\n' > e; postmap e; postmap -s e",
    "printf '  lead\\na b\\n' > e; postmap e", "printf '#c\\n\\n a b\\n' > e; postmap e; postalias e; postmap -s e | grep -v MODIF", "printf ' a: b\\nc: d\\n' > e; postalias e", "printf 'x y' > e; postmap e; postmap -q x e",
    "printf 'k\\t\\377v\\n\\377k v\\nok \\303\\251\\n\\303\\211cole x\\n' > u; postmap u", "postmap -s u | sort", "postmap -u u; postmap -us u | sort", "postmap -q $'\\377k' u", "postmap -uq $'\\377k' u",
    "ln -s t link; postmap link; postmap -q a link", "mkdir d; postmap d", "postmap -q a d/", "postmap -c /nonexist -q a t", "mkdir c; postmap -c @CONF@/c -q a t",
    "printf 'foo = bar\\nbad line\\n' > c/main.cf; postmap -c @CONF@/c t", "printf 'default_database_type = foo\\n' > c/main.cf; postmap -c @CONF@/c t", "postmap -q a cidr:nofile", "postmap -q a pcre:nofile",
    "postmap -q a regexp:nofile", "postmap -q a texthash:nofile", "postmap -q a lmdb:nofile", "postmap -q a nofile", "postmap -q a t:", "postmap -q a :t", "postmap -q a ''"))
case("log", "pm", sh("postlog", "postlog hello", "postlog -p foo x", "postlog -p debug x", "postlog -Z", "postlog -c /nonexist x", "echo a b | postlog -t x -p warn", "postlog -p fatal x",
    "script -qec \"postlog -t tag -p warn a  b\" /dev/null", "script -qec \"printf 'a\\nb\\n' | postlog -p Error\" /dev/null", "script -qec \"postlog -p foo x\" /dev/null", "script -qec \"postlog ''\" /dev/null"))
