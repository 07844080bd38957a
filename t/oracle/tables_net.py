# socketmap:, tcp: and memcache: tables, asked by postmap, against servers that answer well and badly.
FAKE = r'''
import socketserver, sys, time
kind, port, sock = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ns = lambda b: b"%d:%s," % (len(b), b)
SOCKETMAP = {
    b"ok": ns(b"OK found it"), b"two": ns(b"OK a  b "), b"empty": ns(b"OK "), b"bare": ns(b"OK"), b"none": ns(b"NOTFOUND "), b"none2": ns(b"NOTFOUND"),
    b"none3": ns(b"NOTFOUND text"), b"temp": ns(b"TEMP try later"), b"temp2": ns(b"TEMP "), b"timeout": ns(b"TIMEOUT slow"), b"perm": ns(b"PERM go away"),
    b"perm2": ns(b"PERM"), b"lower": ns(b"ok x"), b"odd": ns(b"WHAT is this"), b"nothing": ns(b""), b"junk": b"hello world\r\n", b"long": b"999999999:xx", b"big": ns(b"OK " + b"v" * 99997),
    b"big2": ns(b"OK " + b"v" * 99998), b"noend": b"5:OK xx;", b"close": b"", b"nul": ns(b"OK a\0b"), b"utf8": ns("OK \u00e9".encode()), b"raw": ns(b"OK \xff"), b"zero": b"005:OK xx,",
    b"minus": b"-5:OK xx,", b"space": b" 5:OK xx,", b"nl": ns(b"OK a\nb"), b"empty2": b"0:,", b"UP": ns(b"OK upper"), b"up": ns(b"OK lower"), b"many": ns(b"OK one") + ns(b"OK two"),
}
TCP = {
    b"ok": b"200 found it\n", b"two": b"200 a  b \n", b"enc": b"200 a%20b%25c%0A\n", b"badenc": b"200 a%zz\n", b"badenc2": b"200 a%2\n", b"empty": b"200 \n", b"bare": b"200\n", b"none": b"500 not here\n",
    b"none2": b"500\n", b"temp": b"400 try later\n", b"temp2": b"400 \n", b"odd": b"300 x\n", b"odd2": b"foo bar\n", b"odd3": b"2000 x\n", b"cr": b"200 x\r\n", b"tab": b"200\tx\n", b"spaces": b"200   x\n",
    b"long": b"200 " + b"v" * 4090 + b"\n", b"long2": b"200 " + b"v" * 4091 + b"\n", b"long3": b"200 " + b"v" * 4092 + b"\n", b"long4": b"200 " + b"v" * 9000 + b"\n", b"close": b"", b"UP": b"200 upper\n", b"up": b"200 lower\n", b"a%20b": b"200 key with space\n",
    b"%C3%A9": b"200 key utf8\n", b"100%25": b"200 key percent\n", b"raw": b"200 \xff\n", b"half": b"200 x", b"many": b"200 one\n200 two\n", b"nothing": b"\n", b"neg": b"-200 x\n", b"lead": b" 200 x\n", b"nul": b"200 a\0b\n",
    b"a%27b%22%3C": b"200 odd encoded\n", b"a'b\"<": b"200 odd plain\n", b"%7F": b"200 del\n",
}
MEM = {
    b"ok": b"VALUE ok 0 8\r\nfound it\r\nEND\r\n", b"none": b"END\r\n", b"err": b"ERROR\r\n", b"serr": b"SERVER_ERROR out of memory\r\n", b"odd": b"WHAT\r\n", b"close": b"", b"neg": b"VALUE neg 0 -5\r\n",
    b"big": b"VALUE big 0 10240\r\n" + b"v" * 10240 + b"\r\nEND\r\n", b"big2": b"VALUE big 0 10241\r\n" + b"v" * 10241 + b"\r\nEND\r\n", b"empty": b"VALUE empty 0 0\r\n\r\nEND\r\n", b"noend": b"VALUE noend 0 1\r\nxx\r\nEND\r\n",
    b"noend2": b"VALUE noend 0 1\r\nx\r\nFOO\r\n", b"lf": b"VALUE lf 0 1\nx\nEND\n", b"cas": b"VALUE cas 0 1 77\r\nx\r\nEND\r\n", b"line": b"VALUE " + b"k" * 2000 + b" 0 1\r\nx\r\nEND\r\n", b"two": b"VALUE two 0 1\r\nx\r\nVALUE two 0 1\r\ny\r\nEND\r\n",
    b"x:ok": b"VALUE x:ok 0 8\r\nprefixed\r\nEND\r\n", b"UP": b"VALUE UP 0 5\r\nupper\r\nEND\r\n", b"up": b"VALUE up 0 5\r\nlower\r\nEND\r\n", b"user/example.com/com/example": b"VALUE x 0 5\r\nparts\r\nEND\r\n",
    b"user@example.com": b"VALUE x 0 4\r\nuser\r\nEND\r\n", b"raw": b"VALUE raw 0 1\r\n\xff\r\nEND\r\n", b"nul": b"VALUE raw 0 3\r\na\0b\r\nEND\r\n", b"a%20b": b"VALUE x 0 1\r\ny\r\nEND\r\n", b"half": b"VALUE half 0 10\r\nabc",
    b"a b": b"VALUE x 0 1\r\ns\r\nEND\r\n", b"mid": b"VALUE mid 0 1x\r\nx\r\nEND\r\n",
}
log = open(sys.argv[4], "ab", 0)
class H(socketserver.StreamRequestHandler):
    def handle(self):
        log.write(b"connect\n")
        while True:
            if kind == "socketmap":
                n = b""
                while not n.endswith(b":"):
                    c = self.rfile.read(1)
                    if not c:
                        return
                    n += c
                line = self.rfile.read(int(n[:-1]))
                self.rfile.read(1)
            else:
                line = self.rfile.readline()
                if not line:
                    return
            log.write(b"> " + line.rstrip(b"\n\r") + b"\n")
            if kind == "mem" and line.startswith(b"set"):
                log.write(b"> " + self.rfile.readline().rstrip(b"\r\n") + b"\n")
                self.wfile.write(b"STORED\r\n")
                continue
            key = line.rstrip(b"\r\n").split(b" ", 1)[1]
            r = {"socketmap": SOCKETMAP, "tcp": TCP, "mem": MEM}[kind].get(key)
            if r is None:
                r = {"socketmap": ns(b"NOTFOUND "), "tcp": b"500 no\n", "mem": b"END\r\n"}[kind]
            if r == b"":
                return
            self.wfile.write(r)
            if key in (b"long", b"noend", b"half", b"junk") and kind in ("socketmap", "tcp", "mem") and not r.endswith(b"\n"):
                return
class T(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
class U(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
s = T(("127.0.0.1", port), H) if sock == "-" else U(sock, H)
s.serve_forever()
'''
MEMCF = {
    "mc.cf": "memcache = inet:127.0.0.1:7003\n",
    "mcu.cf": "memcache = unix:@ROOT@/mc.sock\nkey_format = x:%s\n",
    "mcparts.cf": "memcache = inet:127.0.0.1:7003\nkey_format = %u/%d/%1/%2\n",
    "mcdomain.cf": "memcache = inet:127.0.0.1:7003\ndomain = example.com, example.org\n",
    "mcbackup.cf": "memcache = inet:127.0.0.1:7003\nbackup = inline:{bk=value,ok=other}\nttl = 77\nflags = 5\n",
    "mcbackup2.cf": "memcache = inet:127.0.0.1:7003\nbackup = fail:x\n",
    "mcdead.cf": "memcache = inet:127.0.0.1:7009\nretry_pause = 1\nmax_try = 1\n",
    "mcdeadbk.cf": "memcache = inet:127.0.0.1:7009\nbackup = inline:{bk=value}\n",
    "mcbad.cf": "memcache = foo\n",
    "mcbad2.cf": "memcache = inet:127.0.0.1:7003\nkey_format = %q\n",
    "mcbad3.cf": "memcache = inet:127.0.0.1:7003\nttl = x\n",
    "mcunk.cf": "memcache = inet:127.0.0.1:7003\nfoo = bar\n",
}
config("net", files=dict({"fake.py": FAKE}, **MEMCF), main="""mc2_memcache = inet:127.0.0.1:7003
mc2_key_format = x:%s
""")


def start(kind, port, sock="-"):
    it = "@ROOT@/" + kind + str(port)
    return ("!shq cd /; [ ! -e %s.pid ] || kill $(cat %s.pid); rm -f %s.log %s; (setsid sh -c 'echo $$ >%s.pid; exec python3 @CONF@/fake.py %s %d %s %s.log' >/dev/null 2>&1 &); "
            "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; [ -e %s.log ] && break; done; sleep 0.3\n") % (it, it, it, sock if sock != "-" else "", it, kind, port, sock, it, it)


def each(table, some, options="", n=6, out="2>&1"):
    return "".join("!sh for k in %s; do echo \"== $k\"; timeout 20 postmap %s -q \"$k\" '%s' %s | cut -c1-200; done\n" % (
        " ".join("'%s'" % k.replace("'", "'\\''") for k in some[i:i + n]), options, table, out) for i in range(0, len(some), n))


sm = ["ok", "two", "empty", "bare", "none", "none2", "none3", "UP", "big", "nul", "utf8", "raw", "nl", "a b", "\u00e9"]
smbad = ["temp", "temp2", "timeout", "perm", "perm2", "lower", "odd", "nothing", "junk", "long", "big2", "noend", "close", "zero", "minus", "space", "empty2", "many"]
tc = ["ok", "two", "enc", "empty", "bare", "none", "none2", "cr", "tab", "spaces", "UP", "a b", "\u00e9", "100%", "raw", "nul", "a'b\"<", "\x7f", "lead"]
tcbad = ["temp", "temp2", "odd", "odd2", "odd3", "long", "long2", "long3", "long4", "close", "half", "many", "nothing", "neg", "badenc", "badenc2"]
mc = ["ok", "none", "empty", "big", "UP", "raw", "nul", "cas", "lf", "user@example.com", "user", "@example.com", "example.com", "a b"]
mcbad = ["err", "serr", "odd", "close", "neg", "big2", "noend", "noend2", "line", "two", "half", "mid"]
case("socketmap-good", "net", start("socketmap", 7001) + each("socketmap:inet:127.0.0.1:7001:m", sm) + "!sh cat @ROOT@/socketmap7001.log\n" +
     "!sh printf 'ok\\nnone\\nok\\ntwo\\n' | postmap -q - socketmap:inet:127.0.0.1:7001:m 2>&1; echo $?\n!sh cat @ROOT@/socketmap7001.log | tail -6\n")
for i in range(0, len(smbad), 3):
    case("socketmap-bad%d" % (i // 3), "net", start("socketmap", 7001) + each("socketmap:inet:127.0.0.1:7001:m", smbad[i:i + 3], n=1))
case("socketmap-unix", "net", start("socketmap", 7002, "@ROOT@/sm.sock") + each("socketmap:unix:@ROOT@/sm.sock:m", ["ok", "none"]))
case("socketmap-names", "net", "".join("!sh timeout 30 postmap -q ok '%s' 2>&1; echo $?\n" % s for s in (
    "socketmap:inet:127.0.0.1:7009:m", "socketmap:unix:/nonexist:m", "socketmap:foo", "socketmap:inet:127.0.0.1", "socketmap:x:y", "socketmap:", "socketmap:inet:nohost.example.com:7009:m", "socketmap:inet:127.0.0.1:noport:m",
    "socketmap:foo:127.0.0.1:7001:m")))
case("tcp-good", "net", start("tcp", 7005) + each("tcp:127.0.0.1:7005", tc) + "!sh cat @ROOT@/tcp7005.log\n" +
     "!sh printf 'ok\\nnone\\nok\\ntwo\\n' | postmap -q - tcp:127.0.0.1:7005 2>&1; echo $?\n!sh cat @ROOT@/tcp7005.log | tail -6\n")
for i in range(0, len(tcbad), 2):
    case("tcp-bad%d" % (i // 2), "net", start("tcp", 7005) + each("tcp:127.0.0.1:7005", tcbad[i:i + 2], n=1))
case("tcp-names", "net", "".join("!sh timeout 30 postmap -q ok '%s' 2>&1; echo $?\n" % s for s in ("tcp:foo", "tcp:", "tcp:127.0.0.1:noport")))
case("tcp-dead", "net", "!sh timeout 30 postmap -q ok tcp:127.0.0.1:7009 2>&1; echo $?\n")
case("mem-good", "net", start("mem", 7003) + each("memcache:@CONF@/mc.cf", mc) + "!sh cat @ROOT@/mem7003.log\n" +
     "!sh printf 'ok\\nnone\\nok\\n' | postmap -q - memcache:@CONF@/mc.cf 2>&1; echo $?\n!sh cat @ROOT@/mem7003.log | tail -6\n")
for i in range(0, len(mcbad), 2):
    case("mem-bad%d" % (i // 2), "net", start("mem", 7003) + each("memcache:@CONF@/mc.cf", mcbad[i:i + 2], n=1))
case("mem-unix", "net", start("mem", 7004, "@ROOT@/mc.sock") + each("memcache:@CONF@/mcu.cf", ["ok", "none"]))
case("mem-parts", "net", start("mem", 7003) + each("memcache:@CONF@/mcparts.cf", ["user@example.com", "user", "@example.com", "user@com", "u@a.example.com"]) + each("memcache:@CONF@/mcdomain.cf", ["user@example.com",
     "user", "@example.com", "user@example.net", "ok"]) + each("memcache:mc2", ["ok", "none"]) + "!sh cat @ROOT@/mem7003.log\n")
case("mem-backup", "net", start("mem", 7003) + each("memcache:@CONF@/mcbackup.cf", ["bk", "ok", "none"]) + each("memcache:@CONF@/mcbackup2.cf", ["ok", "none"], n=1) + "!sh cat @ROOT@/mem7003.log\n!sh postmap -s memcache:@CONF@/mcbackup.cf 2>&1; echo $?\n")
for s in ("mcdead", "mcdeadbk", "mcbad", "mcbad2", "mcbad3", "mcunk", "nofile"):
    case("mem-" + s, "net", start("mem", 7003) + "!sh timeout 30 postmap -q ok memcache:@CONF@/%s.cf 2>&1; echo $?\n!sh timeout 30 postmap -q bk memcache:@CONF@/%s.cf 2>&1; echo $?\n" % (s, s))
case("mem-names", "net", "".join("!sh timeout 30 postmap -q ok '%s' 2>&1; echo $?\n" % s for s in ("memcache:", "memcache:noprefix")) + "!sh postmap memcache:@CONF@/mc.cf 2>&1; echo $?\n!sh postmap -s memcache:@CONF@/mc.cf 2>&1; echo $?\n")
