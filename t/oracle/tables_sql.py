# SQL and directory tables: what postmap -q and the SMTP server say. MySQL is a fixture; PostgreSQL and OpenLDAP are
# real, started by the set-up (Debian's postgresql, slapd and postfix-pgsql); SQLite files are made by Python.
ADDRESSES = "a@b.test A@B.test many two empty ab user@x.y u@a..b nothing \"o'brien@b.test\" '@b.test' 'a@' '\u00e9' \"' OR 1=1 --@x\" 'back\\slash' 'new\"quote' \"'\""


def ask(kind, name, keys="a@b.test many"):
    return "!sh for k in %s; do postmap -q \"$k\" %s:@CONF@/%s; echo \"$k $?\"; done\n" % (keys, kind, name)


def family(kind, cfg, files, long=(), events=""):
    for f in files:
        case("%s-%s" % (kind, f[:-3]), cfg, ask(kind, f, ADDRESSES if f[:-3] in long else "a@b.test many") + events)
    case("%s-other-uses" % kind, cfg, "!sh postmap -s %s:@CONF@/plain.cf; echo $?\n!sh postmap %s:@CONF@/plain.cf; echo $?\n!sh postmap -d a %s:@CONF@/plain.cf; echo $?\n"
         "!sh postmap -q a %s:@CONF@/nofile; echo $?\n!sh postmap -q a@b.test %s:main; echo $?; postmap -q a@b.test %s:nosuch; echo $?\n"
         "!sh printf 'a@b.test\\n\\377x\\nmany\\nx\\n' | postmap -q - %s:@CONF@/plain.cf; echo $?\n!sh cd @CONF@; postmap -q many %s:./plain.cf; echo $?\n" % ((kind,) * 8))


def sql(base, q):
    return {
        "plain.cf": base + q, "old.cf": base + "table = alias\nselect_field = dest\nwhere_field = addr\n", "noquery.cf": base,
        "oldmore.cf": base + "table = alias\nselect_field = dest\nwhere_field = addr\nadditional_conditions = and 1=0\n",
        "oldpart.cf": base + "table = alias\nselect_field = dest\n", "oldtable.cf": base + "table = alias\n",
        "template.cf": base + "query = SELECT %x\n", "percent.cf": base + "query = SELECT %\n", "result.cf": base + q + "result_format = %q\n",
        "all.cf": base + q + "result_format = <%s|%u|%d|%S|%U|%D|%1|%2>\n", "user.cf": base + q + "result_format = %u\n",
        "domain.cf": base + q + "result_format = %d\n", "format.cf": base + q + "result_format = smtp:[%s]%%\n", "noformat.cf": base + q + "result_format = \n",
        "limit.cf": base + q + "expansion_limit = 2\n", "badlimit.cf": base + q + "expansion_limit = x\n", "neglimit.cf": base + q + "expansion_limit = -1\n",
        "list.cf": base + q + "domain = b.test, x.test\n", "nolist.cf": base + q + "domain = hash:@CONF@/nofile\n", "faillist.cf": base + q + "domain = fail:x\n",
        "raw.cf": base + "query = SELECT dest FROM alias WHERE addr='%s' and '1'='$mail_name'\n", "line.cf": "hosts 127.0.0.1\n" + q,
        "space.cf": "  x = y\n" + base + q, "noname.cf": base + q + "= foo\n", "twice.cf": base + "query = x\n" + q,
        "long.cf": base + "query = SELECT dest\n  # comment\n\n  FROM alias\n  WHERE addr='%s'\n",
    }


Q = "query = SELECT dest FROM alias WHERE addr='%s'\n"
MAIN = "".join("main_%s\n" % s for s in ("hosts = 127.0.0.1", "user = postgres", "password = p", "dbname = postgres", "dbpath = /tmp/t.db",
    "query = SELECT dest FROM alias WHERE addr='%s'", "server_host = ldap://127.0.0.1:3890", "search_base = dc=t"))

# ---- MySQL
MY = r'''mysql 127.0.0.1:3306 [("SELECT dest FROM alias WHERE addr='(.*?)'", {"a@b.test": ["x@y.test"], "many": ["x@y.test","z","u@v.w"],
 "two": [["p","q@r"],["s","t"]], "empty":[""], "ab": ["one"], "user": ["U"]})]'''.replace("\n", "")
my = sql("hosts = 127.0.0.1\nuser = u\npassword = secret\ndbname = d\n", Q)
my.update({
    "nodb.cf": "hosts = 127.0.0.1\nuser = u\n" + Q, "result-set.cf": my["plain.cf"] + "require_result_set = maybe\n",
    "down.cf": "hosts = 127.0.0.1:3399\nuser = u\ndbname = d\n" + Q, "socket.cf": "hosts = unix:/nonexistent/sock\nuser = u\ndbname = d\n" + Q,
    "next.cf": "hosts = unix:/nonexistent/sock 127.0.0.1\nuser = u\ndbname = d\n" + Q,
    "host.cf": "hosts = nosuch.invalid\nuser = u\ndbname = d\n" + Q, "port.cf": "hosts = 127.0.0.1:xx\nuser = u\ndbname = d\n" + Q})
config("mysql", files=my, main=MAIN, fixtures=[MY])
family("mysql", "mysql", my, ("plain", "old", "all"), "!events mysql\n")

# ---- SQLite
lite = sql("dbpath = /tmp/t.db\n", Q)
B = "dbpath = /tmp/t.db\n"
lite.update({"columns.cf": B + "query = SELECT dest, more FROM alias WHERE addr='%s'\n", "syntax.cf": B + "query = SELEC '%s'\n", "nopath.cf": Q,
    "second.cf": B + "query = SELECT dest FROM alias WHERE addr='%s'; select 2\n", "nodir.cf": "dbpath = /tmp/no/such.db\n" + Q, "notdb.cf": "dbpath=/etc/passwd\n" + Q,
    "null.cf": B + "query = SELECT NULL\n", "empty.cf": B + "query = SELECT ''\n", "number.cf": B + "query = SELECT 42\n", "nothing.cf": B + "query = ;\n",
    "bytes.cf": B + "query = SELECT x'41420043'\n", "step.cf": B + "query = SELECT abs(-9223372036854775808)\n", "parts.cf": B + "query = SELECT dest FROM alias WHERE addr='%u@%d'\n"})
config("sqlite", files=lite, main=MAIN, setup="""[ -e /tmp/t.db ] || python3 - <<'X'
import sqlite3
c = sqlite3.connect('/tmp/t.db')
c.execute('create table alias(addr text, dest text, more text)')
c.executemany('insert into alias values(?,?,?)', [('a@b.test','x@y.test',None), ('many','x@y.test','m'), ('many','z',None), ('many','u@v.w',None), ("o'brien@b.test",'Q',None),
    ('back\\\\slash','BS',None), ('\u00e9','umlaut',None), ('empty','',None), ('two','p',None)])
c.commit()
X
chmod 666 /tmp/t.db
""")
family("sqlite", "sqlite", lite, ("plain", "columns", "all", "parts"))

# ---- PostgreSQL: the standard port, as a socket has no other
PG = """psql -q -h /run/t-pg -U postgres -c 'select 1' >/dev/null 2>&1 && exit 0
rm -rf /run/t-pg; mkdir -p /run/t-pg; chown postgres /run/t-pg; cd /run/t-pg; B=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
su postgres -s /bin/sh -c "$B/initdb -A trust -N -E UTF8 --locale=C.UTF-8 -D /run/t-pg/d >/dev/null && $B/pg_ctl -w -D /run/t-pg/d -l /run/t-pg/log -o '-F -k /run/t-pg' start >/dev/null"
psql -q -h /run/t-pg -U postgres <<'SQL'
create table alias(addr text, dest text, more text);
insert into alias values ('a@b.test','x@y.test',NULL),('many','x@y.test',''),('many','z',NULL),('many','u@v.w',NULL),('o''brien@b.test','Q',NULL),('back\\slash','BS',NULL),('ab','\u00fc',NULL),('\u00e9','umlaut',NULL),('two','\u20ac',NULL),('empty','',NULL);
create function look(text) returns text as $$ select dest from alias where addr = $1 limit 1 $$ language sql;
SQL
"""
B = "hosts = unix:/run/t-pg\nuser = postgres\ndbname = postgres\n"
pg = sql(B, Q)
pg.update({"columns.cf": B + "query = SELECT dest, more FROM alias WHERE addr='%s'\n", "function.cf": B + "select_function = look\n", "inet.cf": B.replace("unix:/run/t-pg", "inet:127.0.0.1:5432") + Q,
    "uri.cf": "hosts = postgresql://postgres@127.0.0.1:5432/postgres\ndbname=nosuch\n" + Q, "urionly.cf": "hosts = postgresql://postgres@127.0.0.1:5432/postgres\n" + Q, "syntax.cf": B + "query = SELEC '%s'\n",
    "command.cf": B + "query = SET x.y TO '%s'\n", "socket.cf": "hosts = unix:/nonexistent\ndbname=postgres\nuser=postgres\n" + Q, "database.cf": B.replace("dbname = postgres", "dbname = nosuch") + Q,
    "nodb.cf": "hosts = 127.0.0.1\n" + Q, "copy.cf": B + "query = COPY alias TO STDOUT\n", "host.cf": "hosts = nosuch.invalid\ndbname=postgres\n" + Q, "next.cf": B.replace("hosts = ", "hosts = unix:/nonexistent ") + Q})
del pg["raw.cf"], pg["next.cf"]		# by lot
config("pgsql", files=pg, main=MAIN, setup=PG)
family("pgsql", "pgsql", pg, ("plain", "columns", "function", "all"))

# ---- OpenLDAP
LDAP = r"""[ -S /run/t-ldap/sock ] && exit 0
mkdir -p /run/t-ldap/db; cd /run/t-ldap
cat > slapd.conf <<'X'
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /run/t-ldap/t.schema
pidfile /run/t-ldap/pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
maxsize 10485760
suffix "dc=t"
rootdn "cn=root,dc=t"
rootpw secret
directory /run/t-ldap/db
X
cat > t.schema <<'X'
attributetype ( 1.3.6.1.4.1.99999.1 NAME 'maildrop' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.2 NAME 'mailacceptinggeneralid' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.3 NAME 'memberdn' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
objectclass ( 1.3.6.1.4.1.99999.4 NAME 'tuser' SUP top AUXILIARY MAY ( maildrop $ mailacceptinggeneralid $ memberdn $ mail ) )
X
cat > t.ldif <<'X'
dn: dc=t
objectclass: dcObject
objectclass: organization
o: t
dc: t

dn: ou=people,dc=t
objectclass: organizationalUnit
ou: people

dn: cn=a,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: a
sn: a
mail: a@b.test
mailacceptinggeneralid: a@b.test
maildrop: x@y.test
maildrop: z

dn: cn=b,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: b
sn: b
mail: b@b.test
mailacceptinggeneralid: b@b.test
maildrop: bb@y.test

dn: cn=star,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: star
sn: s
mailacceptinggeneralid: st*r(x)\y
maildrop: star

dn: cn=group,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: group
sn: g
mail: group@b.test
mailacceptinggeneralid: group@b.test
memberdn: cn=a,ou=people,dc=t
memberdn: cn=b,ou=people,dc=t

dn: cn=term,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: term
sn: g
mail: term@b.test
mailacceptinggeneralid: term@b.test
maildrop: term@host
memberdn: cn=a,ou=people,dc=t

dn: cn=url,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: url
sn: g
mail: url@b.test
mailacceptinggeneralid: url@b.test
memberdn: ldap:///ou=people,dc=t?mail?one?(cn=a)
memberdn: ldap:///ou=people,dc=t??one?(cn=b)

dn: cn=badurl,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: badurl
sn: g
mailacceptinggeneralid: badurl@b.test
memberdn: ldap:///ou=people,dc=t?mail?bogus?(cn=a)

dn: cn=gone,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: gone
sn: g
mailacceptinggeneralid: gone@b.test
memberdn: cn=nosuch,dc=t
memberdn: cn=b,ou=people,dc=t

dn: cn=loop,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: loop
sn: g
mailacceptinggeneralid: loop@b.test
memberdn: cn=loop,ou=people,dc=t

dn: cn=baddn,ou=people,dc=t
objectclass: person
objectclass: tuser
cn: baddn
sn: g
mailacceptinggeneralid: baddn@b.test
memberdn: not a dn

X
/usr/sbin/slapadd -q -f slapd.conf -l t.ldif && /usr/sbin/slapd -f slapd.conf -h "ldap://127.0.0.1:3890 ldapi://%2Frun%2Ft-ldap%2Fsock"
for i in 1 2 3 4 5 6 7 8 9; do [ -S sock ] && break; sleep 0.2; done
"""
B = "server_host = ldap://127.0.0.1:3890\nsearch_base = dc=t\nbind = no\n"
G = B + "special_result_attribute = memberdn\n"
MIX = B + "special_result_attribute = memberdn\nquery_filter = (|(mail=%s)(cn=term)(cn=group)(cn=url))\n"
ld = {"mix.cf": MIX + "terminal_result_attribute=maildrop\nresult_attribute=mail\n", "mixleaf.cf": MIX + "leaf_result_attribute=mail\nresult_attribute=maildrop\n",
"plain.cf": B, "mail.cf": B+"query_filter = mail=%s\nresult_attribute = mail, maildrop\n", "group.cf": G, "term.cf": G+"terminal_result_attribute=maildrop\nresult_attribute=mail\n", "leaf.cf": G+"leaf_result_attribute=mail\nresult_attribute=\n", "url.cf": G+"result_attribute=mail maildrop\n",
"rec.cf": G+"recursion_limit=1\n", "rec5.cf": G+"recursion_limit=5\n", "lim.cf": G+"expansion_limit=2\n", "size.cf": B+"query_filter=(|(mail=%s)(cn=b))\nsize_limit=1\n", "fixed.cf": B+"query_filter=cn=a\n", "badf.cf": B+"query_filter=((%s\n",
"base.cf": B.replace("dc=t","dc=%s"), "nobase.cf": B.replace("dc=t","dc=nosuch"), "emptybase.cf": B.replace("search_base = dc=t\n",""), "scope.cf": B+"scope=bogus\n", "one.cf": B+"scope=one\n", "basescope.cf": B.replace("dc=t","cn=a,ou=people,dc=t")+"scope = base\n",
"bind.cf": B.replace("bind = no","bind=yes\nbind_dn=cn=root,dc=t\nbind_pw=secret"), "badbind.cf": B.replace("bind = no","bind=yes\nbind_dn=cn=root,dc=t\nbind_pw=wrong"), "anon.cf": B.replace("bind = no\n",""), "bindq.cf": B.replace("bind = no","bind = perhaps"), "down.cf": B.replace("3890","3891"), "host.cf": "server_host = 127.0.0.1\nserver_port=3890\nsearch_base=dc=t\n","host2.cf": "server_host = 127.0.0.1:3891, 127.0.0.1:3890\nsearch_base=dc=t\n", "ldapi.cf": B.replace("ldap://127.0.0.1:3890","ldapi://%2Frun%2Ft-ldap%2Fsock"),
"cache.cf": B+"cache=yes\ncache_size=3\ncache_expiry=3\n", "ver.cf": B+"version = 7\n", "ver2.cf": B+"version = 2\n", "ver1.cf": B+"version=1\n", "deref.cf": B+"dereference=9\n","tls.cf": B+"start_tls=yes\n", "tls2.cf": B+"start_tls=yes\nversion=2\n", "rf.cf": B+"result_filter=<%s>\n", "rff.cf": B+"result_filter=<%s>\nresult_format=[%u]\n","dom.cf": B+"domain=b.test\n", "faildom.cf": B+"domain=fail:x\n", "ufilter.cf": B+"query_filter=(&(cn=%u)(mail=*@%d))\n", "nohost.cf": "search_base=dc=t\n","badurl.cf":"server_host=ldap://[x\nsearch_base=dc=t\n","reclim.cf": B+"recursion_limit=0\n","baddn.cf":G.replace("dc=t","%s")}
config("ldap", files=ld, main=MAIN, setup=LDAP)
KEYS = "a@b.test A@B.test group@b.test term@b.test url@b.test badurl@b.test gone@b.test loop@b.test baddn@b.test 'st*r(x)\\y' '*' '\u00fc' \"' OR 1=1 --@x\" a t"
for f in ld:
    case("ldap-" + f[:-3], "ldap", ask("ldap", f, KEYS if f in ("plain.cf", "group.cf", "term.cf", "leaf.cf", "url.cf", "mail.cf", "mix.cf") else
         "a@b.test nosuch" + (" loop@b.test" if "rec" in f else " group@b.test" if "lim" in f else " ' x,+'" if "base" in f else "")))
family("ldap", "ldap", {})

# ---- what the SMTP server says
LOG = """!sh sleep 0.5; grep -hoE 'postfix/(smtpd|trivial-rewrite|cleanup)\\[[0-9]*\\]: .*' /var/oracle/maillog | sed -E 's/\\[[0-9]+\\]: /: /; s/ [0-9A-F]{6,}:/ ID:/' | grep -v 'connect from'; : > /var/oracle/maillog
"""
SMTPD = """
EHLO mail.client.test
MAIL FROM:<a@good.test>
RCPT TO:<a@v.test>
RCPT TO:<nobody@v.test>
RCPT TO:<"' or 1=1 --"@v.test>
RCPT TO:<down@other.test>
RCPT TO:<a@v.test>
QUIT
"""
V = """mysql 127.0.0.1:3306 [("SELECT 1 FROM domain WHERE name='(.*?)'", {"v.test": ["1"]}), ("SELECT 1 FROM box WHERE name='(.*?)'", {"a@v.test": ["1"]}), ("SELECT a FROM acc WHERE name='(.*?)'", {"bad@good.test": ["REJECT go away"]})]"""
H = "hosts = 127.0.0.1\nuser = u\npassword = secret\ndbname = d\n"
for name, domains, boxes in (("up", "up", "up"), ("boxes-down", "up", "down"), ("missing", "up", "missing")):
    config("smtpd-" + name, main="virtual_mailbox_domains = mysql:@CONF@/domain-%s.cf\nvirtual_mailbox_maps = mysql:@CONF@/box-%s.cf\nvirtual_transport = discard\n"
           "smtpd_sender_restrictions = check_sender_access mysql:@CONF@/access.cf\n" % (domains, boxes), fixtures=[V],
           files={"domain-up.cf": H + "query = SELECT 1 FROM domain WHERE name='%s'\n", "box-up.cf": H + "query = SELECT 1 FROM box WHERE name='%s'\n", "access.cf": H + "query = SELECT a FROM acc WHERE name='%s'\n",
                  "box-down.cf": H.replace("127.0.0.1", "127.0.0.1:3399") + "query = SELECT 1 FROM box WHERE name='%s'\n"})
    case("smtpd-" + name, "smtpd-" + name, LOG + SMTPD + LOG)
case("smtpd-access", "smtpd-up", "EHLO mail.client.test\nMAIL FROM:<bad@good.test>\nRCPT TO:<a@v.test>\nQUIT\n")
