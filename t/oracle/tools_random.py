"""The commands with arguments at random: options in any order, twice, joined, with values that make no sense, operands of all
sorts, standard input. Seeded: a case is the same in every run."""
import random

R = random.Random(11)
M = ("mynetworks = 203.0.113.0/24 127.0.0.0/8\nmaillog_file = @ROOT@/log\nmaillog_file_prefixes = /var\nfast_flush_domains = remote.test\n"
     "maximal_queue_lifetime = 10d\n")
config("tr", main=M)
ONE = "id=$(postqueue -j | sed -n 's/.*queue_id\": \"\\([A-Z0-9]*\\)\".*/\\1/p' | head -1); [ -n \"$id\" ] || id=0123456789; "
HIDE = (" 2>&1 | sed -E \"s/$id/QID/g; s/[A-Z][a-z][a-z] [A-Z][a-z][a-z] +[0-9]+ [0-9:]{8}/TIME/; s/arrival_time\\\": [0-9]+/arrival_time/; "
        "s/ +[0-9]+ TIME/ TIME/; s/client_port[=:] ?[0-9]+/PORT/; s#^[^ ]*/(postcat|postlog|postsuper|postqueue)#\\1#; s#usage: [^ ]*/#usage: #; "
        "s#(deferred|hold)/[0-9A-F]/#\\1/#; s/message_size\\\": [0-9]+/message_size/; s/(message_size:).*/\\1/; s/^ +[0-9]+ //; "
        "s/_time: .*/_time/; s/(create|arrival)_time=.*/_time/\"")

IDS = ["$id", "0123456789", "ALL", "all", "''", "-", "a.b", "x/y", "3zzzzzzzzzzzzzz", "$id.x", "' '", "\"$id \"", "..", "a_b", "-x", "ABCDEF", "$id$id"]
QUEUES = ["deferred", "hold", "active", "incoming", "corrupt", "maildrop", "bounce", "defer", "saved", "trace", "flush", "nosuch", "", "Deferred", "deferred hold"]


def pick(n, of):
    return [R.choice(of) for _ in range(n)]


def postsuper():
    o = []
    for _ in range(R.choice([1, 1, 1, 2, 2, 3])):
        o.append(R.choice(["-d", "-h", "-H", "-r", "-e", "-f", "-p", "-s", "-S", "-d", "-h", "-H", "-r", "-e"]))
        if o[-1] not in ("-p", "-s", "-S", "-v") and R.random() < 0.95:
            o[-1] += R.choice([" ", " ", ""]) + R.choice(IDS)
    return "postsuper " + " ".join(o) + " " + R.choice(QUEUES + [""] * 8)


def postqueue():
    o = []
    for _ in range(R.choice([1, 1, 2, 2, 3])):
        o.append(R.choice(["-p", "-f", "-j", "-s", "-i", "-x"]))
        if o[-1] in ("-s",):
            o[-1] += R.choice([" ", ""]) + R.choice(["remote.test", "good.test", "REMOTE.TEST", "[remote.test]", ".remote.test", "a@remote.test", "''", "x y", "[1.2.3.4]",
                                                     "[ipv6:2001:db8::1]", "a..b", "-", "bücher.test", "x" * 70 + ".test"]).replace("x y", "'x y'")
        if o[-1] == "-i":
            o[-1] += " " + R.choice(IDS)
    return "postqueue " + " ".join(o) + R.choice(["", "", "", " x"])


def postcat():
    o = pick(R.choice([1, 1, 2, 3]), ["-b", "-h", "-e", "-q", "-d", "-o", "-r", "-bh", "-eb", "-qe", "-x", "-s 0", "-s 10", "-s x"])
    return "postcat " + " ".join(o) + " " + " ".join(pick(R.choice([0, 1, 1, 2]), IDS + ["$ROOT", "/dev/null", "/nonexist"])) + " | head -12"


def postlog():
    o = pick(R.choice([0, 1, 2]), ["-i", "-p info", "-p warn", "-p Error", "-p fatal", "-p panic", "-p debug", "-p", "-t tag", "-t ''", "-x", "-p bogus", "-it x"])
    return R.choice(["", "", "printf 'a\\n\\nb c' | ", "printf '\\x01\\n\\xc3\\xa9\\n' | "]) + "postlog " + " ".join(o) + " " + R.choice(["", "hello", "a b  c", "''", "'x  y'", "-- -x", "%s%n"])


def sendmail():
    vals = {"-f": ["a@b.test", "''", "'<>'", "x", "'a b'", "a@b@c", "MAILER-DAEMON"], "-F": ["Name", "''", "'A, B'", "é"], "-N": ["never", "success", "foo", "''"],
            "-R": ["full", "hdrs", "x"], "-V": ["e1", "''", "'a b'"], "-B": ["8BITMIME", "7bit", "x", "''"], "-o": ["i", "em", "x", "A/x", "Q/tmp", "7"],
            "-O": ["QueueDirectory=/x", "x"], "-b": ["m", "p", "v", "q", "z", "''"], "-h": ["3", "x"], "-X": ["/tmp/log", "''"], "-L": ["tag"], "-A": ["c", "m", "x"],
            "-C": [], "-q": ["x", "30m", "Ix", "Rnowhere.test", "S", "0", "p5m"], "-p": ["x"], "-r": ["a@b.test", "''"], "-D": ["x"], "-d": ["0", "x"], "-Q": ["x"]}
    o = []
    for _ in range(R.choice([1, 1, 2, 2, 3])):
        k = R.choice(list(vals) + ["-t", "-i", "-m", "-n", "-v", "-G", "-U", "-I", "-Y", "-z", "-s", "-e", "-a", "-w", "-oi", "-bv", "-bp", "-ti"])
        if vals.get(k):
            k += R.choice([" ", ""]) + R.choice(vals[k]) if k not in ("-o", "-b", "-q", "-A", "-X", "-d") else R.choice(vals[k])
        o.append(k)
    return ("printf 'Subject: x\\n\\nx\\n' | timeout 5 sendmail " + " ".join(o) + " " + " ".join(pick(R.choice([0, 1, 1, 2]), ["c@refused.test", "''", "a@b@c.test", "'x y'", "-x", "--", "<>", "c"])).replace("<>", "'<>'"))


FIRST = "EHLO mail.client.test\n!deliver sender@good.test rcpt450@remote.test,rcpt451@remote.test\n!queue 1\n"
for name, make, n, per in (("postsuper", postsuper, 40, 3), ("postqueue", postqueue, 30, 3), ("postcat", postcat, 40, 3), ("postlog", postlog, 20, 4)):
    for i in range(n):
        case("%s-%02d" % (name, i), "tr", FIRST + "".join("!sh " + ONE + "(" + make() + "; echo rc=$?)" + HIDE + "; :\n" for _ in range(per)) +
             ("!sh " + ONE + "sleep 0.6; (postqueue -p)" + HIDE + "\n" if name == "postsuper" else "") + "!delall\n")
config("tm", main="relayhost = [198.51.100.1]\nmydestination =\nlocal_transport = error:none here\ndefer_transports = smtp\n")
P = ("; sleep 0.3; for i in `postqueue -p | sed -n 's/^\\([0-9A-F]*\\).*/\\1/p'`; do postcat -eq $i; postsuper -d $i 2>/dev/null; done | grep -v '_time\\|_size\\|^\\*\\*'")
for i in range(100):
    case("sendmail-%03d" % i, "tm", "!sh (" + sendmail() + " 2>&1; echo $?) | sed -E 's/^[0-9A-F]{8,} /QID /; s/ +[0-9]+ [A-Z][a-z][a-z] .*//'" + P + "\n")
