# postmap -q: some hundred (key, table) pairs of every type that needs no server.
TEXT = """# a comment
plain value
Mixed.Case  Value kept  as is
user@example.com other@example.net
@example.com catchall@example.net
.example.com parent
  # comment in between
tab\tvalue after a tab
long one,
  two,
# not this
\tthree
"quoted key" quoted value
"half value
key\\ with backslash
k:colon v
alias: value
novalue
dup first
DUP second
\u00c9cole unicode
\u00df sharp
empty-quoted ""
10.0.0.1 address
2001:db8::1 address6
a=b equals
percent %s %d %u
dollar $1 ${x}
comma a, b , c
"""
CIDR = """192.0.2.0/24 net
192.0.2.1 host
!192.0.2.0/25 not-low
10.0.0.0/8 OK ten
10.1.2.3/8 bad
10.1.2.3 late
if 172.16.0.0/12
172.16.1.0/24 inner
!172.16.2.0/24 not-inner
endif
2001:db8::/32 six
2001:db8::1/128 six-one
[2001:db9::]/32 bracket
::ffff:1.2.3.4 mapped
0.0.0.0/0 any4
foo bar
300.1.1.1 x
1.2.3.0/33 x
1.2.3.4
if 1.1.1.1
::/0 any6
"""
REGEXP = """/^(user)\\+(.*)@example\\.com$/ $1@$2.example.net
/CASE/i insensitive
/Case/ sensitive
/^multi/x extended
if /^if-/
/^if-(one)$/ first $1
!/two/ not two
/two/ two
endif
!/^[a-z0-9.@+-]+$/ odd characters
/^(a)(b)?(c)$/ <$1><$2><$3>
/^dollar$/ $$ and ${1}x
/^none$/
/(/ broken
/^open
nonsense
/^opt(ion)?s$/ one$(1)two
/^escaped\\/slash$/ slash
~^tilde$~ other delimiter
/^end$/ last $2
"""
keys = ["plain", "PLAIN", "mixed.case", "Mixed.Case", "user@example.com", "USER@EXAMPLE.COM", "@example.com", "example.com", ".example.com",
    "tab", "long", '"quoted key"', "quoted key", '"half', "key\\", "k:colon", "alias:", "alias", "novalue", "dup", "DUP", "\u00e9cole", "\u00c9cole",
    "\u00c9COLE", "\u00df", "ss", "SS", "empty-quoted", "10.0.0.1", "2001:db8::1", "2001:DB8::1", "a=b", "a", "percent", "dollar", "comma",
    "three", "not", "#", "", " ", "plain ", " plain", "nothing", "x" * 600, "\\377raw"]
addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.129", "192.0.2.0", "10.0.0.1", "10.1.2.3", "11.0.0.1", "172.16.1.1", "172.16.2.2", "172.16.3.3",
    "172.32.0.1", "2001:db8::1", "2001:db8::2", "2001:DB8:0:0::1", "2001:db9::5", "[2001:db9::5]", "::1", "::ffff:1.2.3.4", "1.2.3.4", "300.1.1.1",
    "foo", "", "1.2.3", "192.0.2.1/32", "0.0.0.0", "255.255.255.255", "1.2.3.4.5", "010.0.0.1", "::", "fe80::1%eth0", "1.2.3.4 "]
texts = ["user+x@example.com", "USER+X@EXAMPLE.COM", "case", "Case", "CASE", "multi", "multiple", "if-one", "if-two", "if-three", "if-", "odd!", "with space",
    "abc", "ac", "b", "dollar", "none", "open", "nonsense", "options", "opts", "escaped/slash", "tilde", "end", "", "a\\nb", "\u00e9", "\\377raw", "aac"]
combined = {
    "union": "unionmap:{inline:{a=1,b=2},inline:{a=3,c=4}}", "pipe": "pipemap:{inline:{a=b,c=d,x=y},inline:{b=z,d=e}}",
    "nest": "unionmap:{pipemap:{inline:{a=b},inline:{b=c}},static:s}", "inl": "inline:{ {a = one two}, b=c=d, {c=x,y} d=e }",
    "inl2": "inline:{a=b,a=c}", "rand": "randmap:{only}", "stat": "static:value", "stat2": "static:{ some text }", "stat3": "static:{x}y",
    "badu": "unionmap:static:a", "badp": "pipemap:{}", "badi": "inline:{a}", "badi2": "inline:{a=b", "badi3": "inline:{{a=b}c=d}", "badr": "randmap:{}",
    "upipe": "pipemap:{static:x,inline:{a=b}}", "ufail": "unionmap:{static:a,fail:b}", "pfail": "pipemap:{inline:{a=b},fail:c}", "fail": "fail:x", "int": "internal:x",
    "pcrein": "pcre:{{/^a(.*)/ <$1>}, {/b/ bb}}", "rein": "regexp:{{/^a(.*)$/ <$1>},{/b/ bb}}", "cidrin": "cidr:{{1.2.3.4 x},{0.0.0.0/0 y}}", "thin": "texthash:{{a b}}",
    "unk": "nosuchtype:x", "empty": "static:", "env": "environ:x", "unixp": "unix:passwd.byname", "unixg": "unix:group.byname", "unixx": "unix:hosts.byname",
}
config("tables", files={"text": TEXT, "cidr": CIDR, "re": REGEXP}, maps=["hash:text", "lmdb:text"], aliases=True)


def quote(key):
    return "$'%s'" % key.replace("'", "\\'").replace("\\\\", "\\") if "\\377" in key or "\\n" in key else "'%s'" % key.replace("'", "'\\''")


def ask(table, some, options=""):
    # one process for all the keys, for their values; one for each, for the statuses
    lines = "".join("%s\\n" % k.replace("%", "%%").replace("\\n", "").replace("\\", "\\\\").replace("\\\\377", "\\377") for k in some if "'" not in k)
    each = "\n".join("!sh for k in %s; do postmap %s -q \"$k\" '%s' 2>/dev/null; echo \"$k $?\"; done" % (" ".join(quote(k) for k in some[i:i + 12]), options, table)
                     for i in range(0, len(some), 12))
    return "!sh printf '%s' | postmap %s -q - '%s'; echo $?\n%s\n" % (lines, options, table, each)


for kind in ("hash", "lmdb", "texthash"):
    for n, options in enumerate(("", "-f", "-u")):
        case("%s%d" % (kind, n), "tables", ask("%s:@CONF@/text" % kind, keys, options))
case("cidr", "tables", ask("cidr:@CONF@/cidr", addresses))
for kind in ("regexp", "pcre"):
    case(kind, "tables", ask("%s:@CONF@/re" % kind, texts) + ask("%s:@CONF@/re" % kind, texts, "-u"))
for name, spec in combined.items():
    if name in ("badu", "badp", "badi", "badi2", "badi3", "badr", "upipe", "ufail", "pfail", "fail", "thin", "unk", "empty", "unixx"):
        case("c-" + name, "tables", "!sh postmap -q a '%s'; echo $?" % spec)	# every fatal end takes it a second
        continue
    case("c-" + name, "tables", ask(spec, ["a", "b", "c", "d", "x", "A", "root", "alice", "nobody", "1.2.3.4", "LANG", "\u00e9", ""]))
case("several", "tables", """
!sh postmap -q plain texthash:@CONF@/cidr hash:@CONF@/text; echo $?
!sh postmap -q plain static:x hash:@CONF@/nofile; echo $?
!sh postmap -q plain hash:@CONF@/text hash:@CONF@/nofile; echo $?
!sh postmap -q nothing hash:@CONF@/text hash:@CONF@/nofile; echo $?
!sh printf 'plain\\nnothing\\n' | postmap -q - hash:@CONF@/text static:y; echo $?
""")
