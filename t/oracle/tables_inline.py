# Names in inline: tables: quotes, blanks, "=", backslashes.
config("i", main="")
K = ['"a b"@c', 'a" "b', '"a=b"@c', '"a\\\\"b c"@d', 'a\\\\ b', '"a b', '"a', 'a"b"c', '"a" "b"', '"a b" ', "'a b'", '""', '"a\\\\\\\\" b"', 'a"', '" x"', 'x"="y']
c = ""
for k in K:
    c += "!sh postmap -q z 'inline:{ {%s = v} {z=y} }'; postmap -s 'inline:{ {%s = v} {z=y} }' | sort\n" % (k, k)
    c += "!sh postmap -s 'inline:{ %s=v, z=y }' | sort\n" % k
case("q", "i", c)
c = ""
for k in ['"a\\"b c"@d', 'a\\=b', 'a\\ b', '"a\\', '"a\\""', 'a\\"b', '"a"=']:
    c += "!sh postmap -s 'inline:{ {%s = v} {z=y} }' | sort\n" % (k)
case("r", "i", c)
