"""A scripted SMTP or LMTP server for case files: what it answers, at each step, comes from a table.

A table has a reply, with its line ends, for "greet", "ehlo", "helo", "mail", "rcpt", "rcpt:LOCALPART", "data", "dot",
"dots" (LMTP: one for each recipient), "rset", "quit"; "feats" is what EHLO offers. A list gives one reply after the
other, the last again and again. None: hangs up; "HANG": says nothing more; "...<CLOSE>" and "...<RST>": says that
and hangs up; "SLEEP n text": waits n seconds before it. A case file gets at this by

    import os, sys; sys.path.insert(0, os.path.dirname(sys._getframe().f_code.co_filename) + "/lib")
"""
SINK = r'''
import json, socket, struct, sys, threading, time
S = json.load(open(sys.argv[1]))
log = open(sys.argv[2], "a", buffering=1)
class Over(Exception): pass
def talk(name, s, c):
    f, uses = c.makefile("rb"), {}
    def say(k, d):
        r = s.get(k, d)
        if isinstance(r, list):
            uses[k] = uses.get(k, 0) + 1
            r = r[min(uses[k], len(r)) - 1]
        if r is None: raise Over
        if r.startswith("SLEEP "):
            time.sleep(float(r.split(" ")[1])); r = r.split(" ", 2)[2]
        if r == "HANG":
            f.read(); raise Over
        if r.endswith("<RST>"):
            c.sendall(r[:-5].encode("latin-1"))
            time.sleep(0.1)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Over
        if r.endswith("<CLOSE>"):
            c.sendall(r[:-7].encode("latin-1"))
            raise Over
        c.sendall(r.encode("latin-1"))
        return r
    try:
        say("greet", "220 sink ESMTP\r\n")
        while True:
            l = f.readline()
            if not l: return
            log.write("%s %s\n" % (name, l.decode("latin-1").strip()))
            u = l.upper()
            if u[:4] in (b"EHLO", b"LHLO"):
                fs = ["sink"] + s.get("feats", ["PIPELINING", "8BITMIME", "DSN", "SIZE"])
                say("ehlo", "".join("250%s%s\r\n" % ("-" if i < len(fs) - 1 else " ", x) for i, x in enumerate(fs)))
            elif u[:4] == b"HELO": say("helo", "250 sink\r\n")
            elif u[:4] == b"MAIL": say("mail", "250 2.1.0 ok\r\n")
            elif u[:4] == b"RCPT":
                who = l.split(b"<")[1].split(b"@")[0].decode("latin-1")
                say("rcpt:" + who if "rcpt:" + who in s else "rcpt", "250 2.1.5 ok\r\n")
            elif u[:4] == b"DATA":
                if say("data", "354 go\r\n")[0] != "3": continue
                while True:
                    d = f.readline()
                    if not d: return
                    if d == b".\r\n": break
                for r in s.get("dots", [None]):
                    s["dot1"] = r
                    say("dot1" if r is not None else "dot", "250 2.0.0 stored\r\n")
            elif u[:4] == b"QUIT":
                say("quit", "221 bye\r\n"); return
            else: say("rset", "250 ok\r\n")
    except (Over, OSError, ValueError): pass
    finally:
        try: f.close()
        except OSError: pass
        c.close()
def serve(name, s, l):
    while True:
        c, _ = l.accept()
        threading.Thread(target=talk, args=(name, dict(s), c), daemon=True).start()
for name, host, port, s in S:
    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind((host, port)); l.listen(20)
    threading.Thread(target=serve, args=(name, s, l), daemon=True).start()
time.sleep(3600)
'''
MARK = ("touch /var/oracle/maillog; wc -c < /var/oracle/maillog > @ROOT@/mark; touch @ROOT@/sink.log; wc -c < @ROOT@/sink.log > @ROOT@/sinkmark; "
        "python3 @CONF@/sink.py @CONF@/sink.json @ROOT@/sink.log </dev/null >/dev/null 2>&1 & sleep 0.4")
LOG = ("!sh tail -c +$(( $(cat $ROOT/mark) + 1 )) /var/oracle/maillog | grep -E '(smtp|lmtp|error)\\[' | sed -E 's/.*postfix.(smtp|lmtp|error).[0-9]+.: //; "
       "s/^(warning: )?[0-9A-F]{6,16}: /\\1QID: /; s/delay=.*dsn=/dsn=/' | cut -c1-600 | sort\n"
       "!sh tail -c +$(( $(cat $ROOT/sinkmark) + 1 )) $ROOT/sink.log | sort | grep -v RSET | sed 's/SIZE=[0-9]*/SIZE=N/'\n")
