# Tables whose sources are tricky: what postmap answers, with its statuses and warnings, from every type that can read
# them. Left out, because Postfix ends with an error of LMDB's there: keys that are empty or longer than 511 bytes in an lmdb: table.
# Keys that long are warned about and left out of every indexed table here; proxy: asks the table itself, whatever proxy_read_maps says.
LINES = {
    "continued": "a one\n two\n\n three\n# c\n four\nb  x  \n\tc\n#d\nd e\n",
    "comments": "#a b\n  # indented\na b # not a comment\n#\n \n\t\nb c\n# last",
    "noend": "a b\nc d",
    "crlf": "a b\r\nc d\r\n",
    "nul": "a b\0c\nd\0e f\n",
    "long": "a " + "v" * 5000 + "\n" + "k" * 500 + " v\nb c\n",
    "empty": "",
    "blank": "\n\n   \n#\n",
    "spaces": "  a b\nc d\n",
    "onlykey": "a\nb \nc d\n",
    "quotes": '"a b" c\n"d" e\nf"g h"i j\n"k l\nm "n o"\n\\"p q\n"r\\"s" t\n""  u\n',
    "backslash": "a\\ b c\nd\\\\e f\ng \\n\nh\\\n",
    "case": "A upper\nb lower\nMiXed mixed\n\u00c9 eight\n\u00e9cole x\nSTRASSE s\nstra\u00dfe sz\n\u0130 dot\n\u03a3\u03c2 sigma\n",
    "dup": "a 1\nA 2\na 3\nb 1\n",
    "colon": "a: b\nc : d\ne:f g\n:h i\nj:\n",
    "utf8": "a \xff\n\xfe b\nc d\n",
    "percent": "a %s $1 ${x} $$\nb 'x' \"y\"\n",
    "tabs": "\ta\tb\nc\t\td\t\n",
    "vt": "a\x0bb\nc\x0cd\n",
}
KEYS = ["a", "A", "b", "c", "d", "e", "f", "k", "m", "a b", '"a b"', "r\"s", "p", "\"p", "g", "h", "mixed", "\u00e9", "\u00c9COLE", "strasse", "STRA\u00dfE", "\u03c3\u03c3", "i\u0307", "j", "j:", ":h", "e:f", "d\\\\e", "k" * 500]
PATTERNS = {
    "flags": "/abc/i one\n/ABC/ two\n/^b$/m three\n/a c/x four\n/abc/q bad\n/x/im five\n/y/ii six\n/z/I seven\n",
    "subst": "/^(a)(b)?(c)$/ <$1><$2><$3>\n/^(x)$/ $1$(1)${1}$$1\n/^(y)$/ ${1\n/^(z)$/ $(1\n/^q(.)$/ $2\n/^r$/ $0\n/^s$/ $x\n/^t$/ ${12x}\n/^(u)$/ $1a\n/^(v)$/ ${1}a$\n/^w$/ $\n/^1(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)$/ $10$9\n",
    "cond": "if /^a/\n/b$/ ab\n!/c/ a-not-c\nendif\nif !/^x/\nif /y/\n/z/ not-x-y-z\nendif\n/q/ not-x-q\nendif\nendif\nIF /m/\nEndIf  \n/n/ n\nif /p/ extra\n/pp/ pp\nendif extra\nif\nif /(/\n/k/ k\nendif\n",
    "open": "/r/ r\nif /o/\n/oo/ oo\n",
    "delims": "#a#  comment\n!a!b\n~x~ tilde\n/a\\/b/ slash\n|c|d| pipe\n,e, comma\n/f\n/g/\n//  empty\n  /h/ continued\na/b/ letter\n1x1 digit\n(p) paren\n\"q\" quote\n",
    "neg": "!/^a/ not-a\n!!/^b/ not-not-b\n! /^c/ spaced\n!/(d)/ $1\n",
    "two": "/a/!/b/ a-not-b\n/c/!!/d/ c-and-d\n/e/ !/f/ g\n",
    "broken": "/(/ open\n/)/ close\n/[/ class\n/*/ star\n/a{2,1}/ count\n/\\/ backslash\n/a**/ stars\n/+/ plus\n/(?P<n>x)/ name\n/[[:foo:]]/ posix\n/a|*b/ alt\n/ok/ ok\n",
    "meta": "/^a.c$/ dot\n/^\\w+@\\d+$/ perl\n/^[[:digit:]]+$/ digits\n/^a\\.b$/ escaped\n/\\bword\\b/ word\n/^.{3}$/ three\n/caf\u00e9/ cafe\n/^\u00e9$/ e\n/^.$/ one\n/\\x41/ hex\n/^$/ nothing\n",
    "noend": "/a/ x\n/b/ y",
    "crlf": "/a/ x\r\n/b/ y\r\n",
    "contd": "/a/\n  x\n   y\n/b/ z\n# c\n w\n",
}
PKEYS = ["a", "b", "abc", "ABC", "a c", "ab", "ac", "x", "y", "z", "qa", "r", "s", "t", "u", "v", "w", "1abcdefghij", "xyz", "zy", "q", "m", "n", "pp", "k", "oo", "a/b", "c", "e", "f", "h", "p", "d", "cd", "ce", "ok", "aa", "foo@12", "123", "a.b",
         "a word b", "caf\u00e9", "\u00e9", "A", "", "line\\nb", "x" * 300]
CIDRS = {
    "basic": "192.0.2.0/24 net\n192.0.2.1 host\n10.0.0.0/8 ten\n2001:db8::/32 six\n::1 loop\n0.0.0.0/0 any\n",
    "bits": "10.1.2.3/8 bits\n10.0.0.0/33 long\n10.0.0.0/-1 minus\n10.0.0.0/ none\n10.0.0.0/a letter\n10.0.0 short\n10.0.0.0.0 many\n300.0.0.0/8 big\n010.0.0.0/8 zero\n10.0.0.0/08 eight\n1.2.3.4/32 ok\n2001:db8::1/32 v6bits\n2001:db8::/129 v6long\n",
    "brackets": "[192.0.2.1] a\n[192.0.2.0]/24 b\n[192.0.2.0/24] c\n[2001:db8::1] d\n[2001:db8::]/32 e\n[2001:db8::/32 f\n2001:db8::]/32 g\n[] h\n[1.2.3.4]x i\n",
    "mapped": "::ffff:192.0.2.1 mapped\n::ffff:0:0/96 all-mapped\n192.0.2.0/24 plain\n::192.0.2.5 compat\n::/0 any6\n",
    "cond": "if 10.0.0.0/8\n10.1.0.0/16 in\nendif\nif !10.0.0.0/8\n192.0.2.0/24 out\nif 192.0.2.128/25\n192.0.2.200 never\nendif\nendif\nendif\nif foo\nif\nIF 2001:db8::/32\n::/0 six\nENDIF x\nif 10.0.0.0/8 extra\n",
    "neg": "!192.0.2.0/24 not\n! 10.0.0.0/8 spaced\n!!192.0.2.0/24 twice\n!2001:db8::/32 not6\n! x\n!\n",
    "odd": "192.0.2.1\n192.0.2.2 \n # c\nfoo bar\n 10.0.0.1 x\n10.0.0.2\ttab\n1.2.3.4 a b  c \n",
    "v6": "2001:DB8::/32 upper\n2001:db8:0:0::/64 zeros\nfe80::1%eth0 zone\n1:2:3:4:5:6:7:8 full\n1::/16 one\n::/128 null\n1:2:3 bad\n",
}
CKEYS = ["192.0.2.1", "192.0.2.2", "192.0.2.200", "10.1.2.3", "10.2.0.1", "1.2.3.4", "11.0.0.1", "0.0.0.0", "::1", "2001:db8::1", "2001:DB8::1", "2001:db9::1", "::ffff:192.0.2.1", "::ffff:10.0.0.1", "::192.0.2.5", "1:2:3:4:5:6:7:8", "1::5", "::", "foo", "", "10.1", "[10.1.2.3]", "fe80::1%eth0", "10.0.0.1/8"]
INLINE = ["inline:{a=b}", "inline:{a=b,c=d}", "inline:{ a = b }", "inline:{{a=b c}}", "inline:{{a = b c }, c=d}", "inline:{a=}", "inline:{=b}", "inline:{a}", "inline:{a=b", "inline:a=b}", "inline:{}", "inline:{ }", "inline:{a=b}x", "inline:{{a=b}", "inline:{A=B}", "inline:{a=b,a=c}",
          "inline:{{a}=b}", "inline:{a=b c=d}", "inline:{a={b}}", "inline:{{a={b c}}}", "static:", "static:x", "static:{x y}", "static:{ x y }", "static:{x", "static:{x}y", "static: x", "static:$x", "static:{}", "static:{{x}}", "unionmap:{static:x,static:y}", "unionmap:{static:x, fail:y}", "unionmap:{}",
          "unionmap:{x}", "unionmap:static:x", "unionmap:{static:{a b},{inline:{a=c d}}}", "unionmap:{inline:{b=c},inline:{d=e}}", "unionmap:{hash:/none,static:x}", "pipemap:{inline:{a=b},inline:{b=c}}", "pipemap:{inline:{a=b},inline:{x=c}}", "pipemap:{inline:{a=b},fail:x}", "pipemap:{fail:x,static:a}",
          "pipemap:{static:a}", "pipemap:{}", "pipemap:{static:}", "pipemap:{inline:{a=b},unionmap:{static:x,inline:{b=y}}}", "pipemap:{pcre:{{/^(.*)$/ <$1>}},pcre:{{/(.)$/ [$1]}}}", "randmap:{x}", "randmap:{}", "randmap:x", "randmap:{x", "texthash:/none", "regexp:/none", "pcre:/none", "cidr:/none", "hash:/none", "lmdb:/none",
          "btree:/none", "regexp:{{/a/ b}}", "regexp:{/a/ b}", "pcre:{{/a/ b},{/c/ d}}", "pcre:{{/a/ b}x}", "cidr:{{0.0.0.0/0 x}}", "cidr:{0.0.0.0/0 x}", "cidr:{{ 10.0.0.0/8 x }}", "environ:x", "internal:x", "fail:", "fail:x y", "unix:passwd.byname", "unix:group.byname", "unix:shadow", "hash:", "foo", ":x", "x:", "a:b:c", "TEXTHASH:x"]
SQ = ["mydestination", "relay"]
files = {}
for group, d in (("t", LINES), ("p", PATTERNS), ("c", CIDRS)):
    for n, text in d.items():
        files["%s-%s" % (group, n)] = text
config("src", files={k: v for k, v in files.items() if "\0" not in v and "\xff" not in v}, main="default_database_type = hash\n")


def q(k):
    return "$'%s'" % k.replace("\\", "\\\\").replace("\\\\n", "\\n").replace("'", "\\'")


def ask(spec, keys, options="", n=12):
    out = ""
    for i in range(0, len(keys), n):
        out += "!sh for k in %s; do echo \"[$k]\"; postmap %s -q \"$k\" '%s' 2>&1 | cut -c1-300; done\n" % (" ".join(q(k) for k in keys[i:i + n]), options, spec)
    return out


def batch(spec, keys, options=""):
    return "!sh printf '%s' | postmap %s -q - '%s' 2>&1 | cut -c1-300; echo $?\n" % ("".join(k.replace("\\", "\\\\\\\\").replace("%", "%%").replace("'", "") + "\\n" for k in keys if "\\n" not in k), options, spec)


def prepared(name, text):
    if "\0" in text or "\xff" in text or "\xfe" in text:
        octal = "".join("\\%03o" % b for b in text.encode("latin-1"))
        return "!shq printf '%s' >@CONF@/%s; sleep 2\n" % (octal, name)
    return ""


for n, text in LINES.items():
    f = "@CONF@/t-" + n
    pre = prepared("t-" + n, text)
    case("t-" + n, "src", pre + "".join(
        "!sh cd @CONF@; rm -f t-*.db t-*.lmdb; postmap %s %s:t-%s 2>&1 | cut -c1-300; postmap %s -s %s:t-%s 2>&1 | cut -c1-300 | sort\n" % (o, t, n, o, t, n) + batch("%s:t-%s" % (t, n), KEYS, o).replace("printf", "cd @CONF@; printf", 1)
        for t, o in (("hash", ""), ("lmdb", ""), ("hash", "-f"), ("lmdb", "-n"), ("btree", "-r"), ("hash", "-w"), ("hash", "-u"))) + batch("texthash:" + f, KEYS) + batch("texthash:" + f, KEYS, "-f") + batch("texthash:" + f, KEYS, "-u") +
        "!sh cd @CONF@; rm -f t-*.db t-*.lmdb; postalias t-%s 2>&1 | cut -c1-300; postalias -s t-%s 2>&1 | grep -v YP_ | cut -c1-300 | sort\n" % (n, n))
for n, text in PATTERNS.items():
    f = "@CONF@/p-" + n
    case("p-" + n, "src", "".join(batch("%s:%s" % (t, f), PKEYS, o) for t in ("regexp", "pcre") for o in ("", "-f", "-u")))
for n, text in CIDRS.items():
    case("c-" + n, "src", batch("cidr:@CONF@/c-" + n, CKEYS) + batch("cidr:@CONF@/c-" + n, CKEYS, "-f"))
for i in range(0, len(INLINE), 4):
    case("i%d" % (i // 4), "src", "".join("!sh printf 'a\\nA\\nb\\n10.1.1.1\\nroot\\n' | timeout 5 postmap -q - '%s' 2>&1; echo $?\n" % s for s in INLINE[i:i + 4]))
