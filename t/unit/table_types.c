/* Table types with a source: the answers and warnings are those of Postfix 3.7's postmap -q. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>
#include <postrider/clock.h>
#include <postrider/config.h>
#include <postrider/table.h>

#include "tap.h"

static struct view view;
static struct tables *set;
static struct problems problems;
static char dir[] = "/tmp/table_types.XXXXXX";

static const char *write_file(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return path;
}

static struct table *open_file(const char *type, const char *name, const char *text)
{
	char spec[300];

	problems_release(&problems);
	snprintf(spec, sizeof(spec), "%s:%s", type, write_file(name, text));
	return table_open(set, spec, TABLE_ADDR, "test_maps", &problems);
}

static void answers(struct table *t, const char *key, const char *want)
{
	struct table_op op = { 0 };
	enum table_result r;

	table_start(&op, NULL, t, key);
	r = table_poll(&op);
	is_str(r == TABLE_FOUND ? op.value : r == TABLE_NONE ? "-" : r == TABLE_ERROR ? "!" : "wait", want, "%s: %s",
	    table_spec(t), key);
	table_end(&op);
}

/* Text with one %s for the file's path. */
static void warned(const char *type, const char *name, int line, const char *text)
{
	char want[600];
	struct problem *p;

	if (line > 0)
		snprintf(want, sizeof(want), "%s map %s/%s, line %d: %s", type, dir, name, line, text);
	else
		snprintf(want, sizeof(want), "%s", text);
	TAILQ_FOREACH(p, &problems, link)
		if (strcmp(p->text, want) == 0) {
			ok(true, "%s", want);
			return;
		}
	ok(false, "%s", want);
	TAILQ_FOREACH(p, &problems, link)
		diag("there was: %s", p->text);
}

static void test_cidr(void)
{
	struct table *t = open_file("cidr", "c1",
	    "# c\n1.2.3.4 one\n10.0.0.0/8 ten\n10.0.0.1/8 bad\n!192.168.0.0/16 notlan\nif 172.16.0.0/12\n172.16.1.0/24 in\n"
	    "!172.16.2.0/24 notin\nendif\n[::1] six\n::/0 all6\n2001:db8::/32\nfoo bar\nendif\nif 1.0.0.0/8\n");

	answers(t, "1.2.3.4", "one");
	answers(t, "10.1.1.1", "ten");
	answers(t, "172.16.1.1", "notlan");
	answers(t, "::1", "six");
	answers(t, "2001:db8::1", "all6");
	answers(t, "192.168.1.1", "-");
	answers(t, "foo", "-");
	ok(!table_is_fixed(t), "no parts of keys");
	warned("cidr", "c1", 4, "non-null host address bits in \"10.0.0.1/8\", perhaps you should use \"10.0.0.0/8\" instead: skipping this rule");
	warned("cidr", "c1", 12, "no lookup result: skipping this rule");
	warned("cidr", "c1", 13, "bad address pattern: \"foo\": skipping this rule");
	warned("cidr", "c1", 14, "ENDIF without IF: skipping this rule");
	warned("cidr", "c1", 15, "IF has no matching ENDIF");
	t = open_file("cidr", "c2", "if 10.0.0.0/8\n10.1.0.0/16 a\n!10.2.0.0/15 b\nendif\n10.2.0.0/16 c\nif !10.0.0.0/8\n10.0.0.0/8 never\n"
	    "0.0.0.0/0 rest\nendif\n1.2.3.4/33 x\n1.2.3.4/ x\n[1.2.3.4 x\n[1.2.3.4]y x\n! x\n");
	answers(t, "10.1.9.9", "a");
	answers(t, "10.4.0.1", "b");
	answers(t, "10.2.0.1", "c");
	answers(t, "10.3.0.1", "-");
	answers(t, "9.9.9.9", "rest");
	warned("cidr", "c2", 10, "bad mask length in \"1.2.3.4/33\": skipping this rule");
	warned("cidr", "c2", 11, "bad mask value in \"1.2.3.4/\": skipping this rule");
	warned("cidr", "c2", 12, "missing ']' character after \"[1.2.3.4\": skipping this rule");
	warned("cidr", "c2", 13, "garbage after \"[1.2.3.4]\": skipping this rule");
	t = table_open(set, "cidr:{ {::/0 a}, {1.2.3.4 b} }", TABLE_ADDR, NULL, NULL);
	answers(t, "1.2.3.4", "b");
	is_str(table_broken(table_open(set, "cidr:{ a b }", TABLE_ADDR, NULL, NULL)),
	    "cidr map: no '{' at start of text in \"a\"", "inline");
}

static void test_patterns(const char *type)
{
	bool pcre = strcmp(type, "pcre") == 0;
	struct table *t = open_file(type, pcre ? "p1" : "r1",
	    "/a(b)?c/ x$1y$(1)z${1}w\n/n/z bad\n!/foo/ neg$1\n/d/  \nif !/x/\n/y/ noxy\nendif foo\n/m(m)/m  mm$1\nif /u/ trailing\n/u/ uu\n"
	    "endif\nfoo bar\n/lit/ a$b\n/li2/ a$\n/li3/ a$$\n/li4/ ${12\n/li5/ ${x}\n/li6/ $0\n|pi/pe| ok\n/e\\/f/ slash\n /cont/ x\n"
	    "!if /a/\n! /sp/ spaced\n/fl/ix flags\nif /zzz/\n/UP/i up\n");
	const char *name = pcre ? "p1" : "r1";

	answers(t, "d", "");
	answers(t, "y", "noxy");
	answers(t, "MM", "mmM");
	answers(t, "u", "uu");
	answers(t, "li3", "a$");
	answers(t, "pi/pe", "ok");
	answers(t, "e/f", "slash /cont/ x");
	answers(t, "q", "spaced");
	answers(t, "sp", "-");
	warned(type, name, 1, "non-numeric replacement index \"1y\"");
	warned(type, name, 1, "bad replacement syntax: skipping this rule");
	warned(type, name, 2, "unknown regexp option \"z\": skipping this rule");
	warned(type, name, 3, "$number found in negative match replacement text: skipping this rule");
	warned(type, name, 4, "no replacement text: using empty string");
	warned(type, name, 7, "ignoring extra text after ENDIF");
	warned(type, name, 9, "ignoring extra text after IF statement: \"trailing\"");
	warned(type, name, 9, "do not prepend whitespace to statements between IF and ENDIF");
	warned(type, name, 12, "ignoring unrecognized request");
	warned(type, name, 0, "empty macro name: \"a$\"");
	warned(type, name, 0, "truncated macro reference: \"${12\"");
	warned(type, name, 18, pcre ? "out of range replacement index \"0\"" : "out-of-range replacement index \"0\"");
	warned(type, name, 22, pcre ? "no closing regexp delimiter \"i\": ignoring this rule" : "no closing regexp delimiter \"i\": skipping this rule");
	warned(type, name, 25, "IF has no matching ENDIF");
	t = open_file(type, pcre ? "p2" : "r2", "/^(.*)@(.*)$/ $2!$1\n/k(.)/ $2\n/(/ x\n/a(b)?(c)?/ [$1][$2]\n");
	name = pcre ? "p2" : "r2";
	answers(t, "a@b", "b!a");
	answers(t, "ab", "[b][]");
	warned(type, name, 2, "out of range replacement index \"2\": skipping this rule");
	warned(type, name, 3, pcre ? "error in regex at offset 1: missing closing parenthesis" : "Unmatched ( or \\(");
}

static void test_limits(void)
{
	struct table *t = table_open(set, "pcre:{ {/^(a+)+$/ x}, {/b/ y} }", TABLE_ADDR, NULL, NULL);
	struct table_op op = { 0 };
	int64_t begin = clock_fresh_us();
	static char key[60002];

	table_start(&op, NULL, t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
	is_int(table_poll(&op), TABLE_FOUND, "an exponential pattern is given up");
	ok(clock_fresh_us() - begin < 1000000, "soon");
	table_end(&op);
	t = table_open(set, "pcre:{ {/^(.|\\n)*x/ long}, {/b/ y} }", TABLE_ADDR, NULL, NULL);
	memset(key, 'b', 60000);
	memcpy(key + 60000, "x", 2);
	table_start(&op, NULL, t, key);
	is_str(table_poll(&op) == TABLE_FOUND ? op.value : "-", "long", "a match that needs more than the machine's stack");
	table_end(&op);
	t = table_open(set, "regexp:{ {/(x)/ y$1} }", TABLE_ADDR | TABLE_NO_REGSUB, NULL, NULL);
	answers(t, "x", "-");
}

/* What went wrong before does not make a table that is wrong an empty one. */
static void test_after_directory(void)
{
	static const char *const types[] = { "regexp", "pcre", "cidr" };
	char spec[300], want[100];

	for (size_t i = 0; i < NELEM(types); i++) {
		snprintf(spec, sizeof(spec), "%s:%s", types[i], dir);
		ok((table_broken(table_open(set, spec, TABLE_ADDR, NULL, NULL)) == NULL) == (i < 2), "%s: a directory", types[i]);
		errno = EISDIR;
		snprintf(spec, sizeof(spec), "%s:{ x }", types[i]);
		snprintf(want, sizeof(want), "%s map: no '{' at start of text in \"x\"", types[i]);
		is_str(table_broken(table_open(set, spec, TABLE_ADDR, NULL, NULL)), want, "%s: what is wrong then is said", types[i]);
	}
}

static void test_aliases(void)
{
	struct table *t = open_file("hash", "aliases",
	    "root: \\alice,  bob\n\"a b\": |\"/bin/x y\"\nlist : :include:/x y\nUP: \"q\\\"r\" s\nx: <a@b>,c (d)\nbad line\na@b: c\na,b: c\nx: dup\n"
	    "e: \"\"\n");

	answers(t, "root", "alice, bob");
	answers(t, "a b", "|\"/bin/x y\"");
	answers(t, "LIST", ":include:/x y");
	answers(t, "up", "\"q\\\"r\" s");
	answers(t, "x", "<a@b>, c (d)");
	answers(t, "e", "\"\"");
	answers(t, "bob", "-");
	ok(table_is_fixed(t), "parts of keys make sense");
	char want[300];
	snprintf(want, sizeof(want), "%s/aliases, line 6: need name:value pair", dir);
	warned("", "", 0, want);
	snprintf(want, sizeof(want), "%s/aliases, line 7: name must be local", dir);
	warned("", "", 0, want);
	snprintf(want, sizeof(want), "hash:%s/aliases: duplicate entry: \"x\"", dir);
	warned("", "", 0, want);
	t = open_file("hash", "access", "2001:db8::1 REJECT\nexample.com OK\n");
	answers(t, "2001:db8::1", "REJECT");
	answers(t, "example.com", "OK");
	t = open_file("hash", "networks", "fe80:: REJECT\nexample.com OK\n");
	answers(t, "fe80::", "REJECT");
	answers(t, "example.com", "OK");
	t = open_file("lmdb", "empty", "");
	answers(t, "x", "-");
}

static void reopen(void)
{
	tables_unref(&set);
	set = tables_new(&view);
}

static const char *spec_of(const char *type, const char *name)
{
	static char spec[300];

	snprintf(spec, sizeof(spec), "%s:%s/%s", type, dir, name);
	return spec;
}

/* A source too large to be kept in memory goes into an index below data_directory. */
static void test_index(void)
{
	struct buf text = { 0 };
	struct table *t;
	char path[300];
	struct stat st;
	struct utimbuf old = { 1000000000, 1000000000 }, old2 = { 1000000100, 1000000100 };

	for (int i = 0; i < 60000; i++)
		buf_addf(&text, "User%d@example.com value%d\n", i, i);
	buf_adds(&text, "user7@example.com again\n");
	t = open_file("btree", "large", buf_str(&text));
	answers(t, "user0@example.com", "value0");
	answers(t, "USER59999@example.com", "value59999");
	answers(t, "user60000@example.com", "-");
	answers(t, "", "-");
	snprintf(path, sizeof(path), "btree:%s/large: duplicate entry: \"user7@example.com\"", dir);
	warned("", "", 0, path);
	snprintf(path, sizeof(path), "%s/tables", dir);
	ok(stat(path, &st) == 0, "the index is ours");
	/* What takes the source's place may be older. */
	buf_adds(&text, "older@example.com there\n");
	utime(write_file("large", buf_str(&text)), &old);
	reopen();
	t = table_open(set, spec_of("btree", "large"), TABLE_ADDR, NULL, &problems);
	answers(t, "older@example.com", "there");
	answers(t, "user0@example.com", "value0");
	/* Another folding of the same source is another index. */
	view.v[P_smtputf8_enable].flag = false;
	reopen();
	buf_adds(&text, "\xc3\x9c" "ber@example.com over\n");
	utime(write_file("large", buf_str(&text)), &old2);
	t = table_open(set, spec_of("btree", "large"), TABLE_ADDR, NULL, &problems);
	answers(t, "\xc3\x9c" "BER@example.com", "over");
	answers(t, "\xc3\xbc" "ber@example.com", "-");
	view.v[P_smtputf8_enable].flag = true;
	reopen();
	t = table_open(set, spec_of("btree", "large"), TABLE_ADDR, NULL, &problems);
	answers(t, "\xc3\x9c" "BER@example.com", "over");
	answers(t, "\xc3\xbc" "ber@example.com", "over");
	/* An index beside the source counts unless the source is newer. */
	snprintf(path, sizeof(path), "rm -f %s/large.lmdb; cp $(ls %s/tables/*.lmdb | grep -v -e -b) %s/large.lmdb", dir, dir, dir);
	is_int(system(path), 0, "as postmap would leave it");
	snprintf(path, sizeof(path), "%s/large", dir);
	write_file("large", "other new\n");
	utime(path, &old);
	tables_unref(&set);
	set = tables_new(&view);
	snprintf(path, sizeof(path), "hash:%s/large", dir);
	t = table_open(set, path, TABLE_ADDR, NULL, &problems);
	answers(t, "user5@example.com", "value5");
	answers(t, "other", "-");
	snprintf(path, sizeof(path), "%s/large", dir);
	old.modtime = clock_wall_fresh_us() / 1000000 + 5;
	utime(path, &old);
	tables_unref(&set);
	set = tables_new(&view);
	snprintf(path, sizeof(path), "hash:%s/large", dir);
	t = table_open(set, path, TABLE_ADDR, NULL, &problems);
	answers(t, "user5@example.com", "-");
	answers(t, "other", "new");
	snprintf(path, sizeof(path), "%s/broken.lmdb", dir);
	write_file("broken.lmdb", "this is not an index");
	snprintf(path, sizeof(path), "lmdb:%s/broken", dir);
	t = table_open(set, path, TABLE_ADDR, NULL, &problems);
	ok(table_broken(t) != NULL, "not an index: %s", table_broken(t));
	answers(t, "x", "!");
	snprintf(path, sizeof(path), "hash:%s/missing", dir);
	t = table_open(set, path, TABLE_ADDR, NULL, &problems);
	snprintf(path, sizeof(path), "open database %s/missing.db: No such file or directory", dir);
	is_str(table_broken(t), path, "neither index nor source");
	buf_release(&text);
}

/* Without a loop. An empty file is a data base that can answer. */
static void test_domain(void)
{
	char text[400];
	struct table *t;

	snprintf(text, sizeof(text), "dbpath = %s\nquery = SELECT '%%s'\ndomain = in.test, inline:{x.test=x}\n",
	    write_file("domain.db", ""));
	t = open_file("sqlite", "domain.cf", text);
	answers(t, "a@in.test", "a@in.test");
	answers(t, "a@x.test", "a@x.test");
	answers(t, "a@out.test", "-");
	answers(t, "in.test", "-");
}

static void test_combined(void)
{
	answers(table_open(set, "inline:{{\"a = b\"@c = d}}", TABLE_ADDR, NULL, NULL), "\"a = b\"@c", "d");
	answers(table_open(set, "unionmap:{static:one, static:two,inline:{x=three}}", TABLE_ADDR, NULL, NULL), "x",
	    "one,two,three");
	answers(table_open(set, "unionmap:{inline:{y=1}}", TABLE_ADDR, NULL, NULL), "x", "-");
	answers(table_open(set, "unionmap:{static:one, fail:x}", TABLE_ADDR, NULL, NULL), "x", "!");
	answers(table_open(set, "pipemap:{inline:{x=y},inline:{y=z}}", TABLE_ADDR, NULL, NULL), "x", "z");
	answers(table_open(set, "pipemap:{inline:{x=y},inline:{q=z}}", TABLE_ADDR, NULL, NULL), "x", "-");
	answers(table_open(set, "pipemap:{inline:{x=y},fail:x}", TABLE_ADDR, NULL, NULL), "x", "!");
	answers(table_open(set, "randmap:{{a b}}", TABLE_ADDR, NULL, NULL), "x", "{a b}");
	is_str(table_broken(table_open(set, "unionmap:{foo}", TABLE_ADDR, NULL, NULL)),
	    "bad syntax: \"unionmap:{foo}\"; need \"unionmap:{type:name...}\"", "words");
	ok(table_is_fixed(table_open(set, "pipemap:{inline:{x=y}}", TABLE_ADDR, NULL, NULL)), "fixed tables only");
	ok(!table_is_fixed(table_open(set, "pipemap:{inline:{x=y},regexp:{{/x/ y}}}", TABLE_ADDR, NULL, NULL)),
	    "a pattern among them");
	answers(table_open(set, "unix:passwd.byname", TABLE_ADDR, NULL, NULL), "root",
	    "root:x:0:0:root:/root:/bin/bash");
	answers(table_open(set, "unix:passwd.byname", TABLE_ADDR, NULL, NULL), "no-such-user", "-");
	answers(table_open(set, "unix:group.byname", TABLE_ADDR, NULL, NULL), "root", "root:x:0:");
	is_str(table_broken(table_open(set, "unix:foo", TABLE_ADDR, NULL, NULL)), "unknown table: unix:foo", "another");
}

int main(void)
{
	char command[300];
	struct strs types = { 0 };

	TAILQ_INIT(&problems);
	if (mkdtemp(dir) == NULL)
		return 1;
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = dir;
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	set = tables_new(&view);
	test_cidr();
	test_patterns("regexp");
	test_patterns("pcre");
	test_limits();
	test_after_directory();
	test_aliases();
	test_index();
	test_domain();
	test_combined();
	table_types(&types);
	ok(types.n >= 16 && table_type_known("proxy") && table_type_known("hash") && !table_type_known("foo"), "types");
	strs_release(&types);
	tables_unref(&set);
	problems_release(&problems);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done_testing() : 1;
}
