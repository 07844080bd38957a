"""From: made from a full name."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\n"
config("fn_s", main=B)
config("fn_o", main=B+"header_from_format=obsolete\n")
d=""
for n in ["Joe User", "Joe Q. User", "Joe \\\"X\\\" User", "é", "a(b", "Joe, U", "<x>", "a@b", "x\\\\\\\\y", "=?x", "''", "joe"]:
    d+="!sh printf 'Subject: x\\nX-Case: cleanup_full_names/%%s\\n\\nb\\n' CC | sendmail -F \"%s\" -f sen@good.test u@good.test\n!mail 1\n"%n
d+="!sh printf 'X-Case: cleanup_full_names/%%s\\n\\303\\251: a, u@good.test\\n\\nb\\303\\251\\n' CC | sendmail u@good.test\n!drain\n"
d+="!sh printf 'X-Case: cleanup_full_names/%%s\\nSubject: \\303\\251\\n\\nb\\303\\251\\n' CC | sendmail u@no8bit.test\n!drain\n"
for c in "so": case(c, "fn_" + c,d.replace("CC",c),limit=100)
# The sender's full name in a From: header that sendmail's cleanup makes.
config("names", main="relayhost = [198.51.100.1]\nmydestination =\ndefer_transports=smtp\n")
for i, f in enumerate(["A  B", " A B ", "A\\tB", "A\\t\\tB", "A\\rB", "A\\001B", "\\t", "(", "A (\\tB)", "A\\nB.", "A@B", "a,b c", "A/B=C", "é.é", "\\\"q\\\"", "A\\177B"]):
    case("name-%d" % i, "names", "!sh printf 'Subject: x\\n\\nx\\n' | sendmail -f a@b.test -F \"`printf '%s'`\" u@good.test; sleep 0.4; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do postcat -hq $i | grep -a -A1 From; postsuper -d $i 2>/dev/null; done\n" % f)
